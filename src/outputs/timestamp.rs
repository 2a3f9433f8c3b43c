//! Times as text: RFC 3339 in UTC with nanoseconds for records, shorter for people.

use crate::time::UnixNanos;

/// Appends `2026-11-25T12:01:00.020000000Z`. Twice per record, so the digits are written one by one and not by `format!`, which takes ten
/// times as long. (Years have four digits: nanoseconds since 1970 in 64 bits end in 2262.)
pub fn push_rfc3339(out: &mut Vec<u8>, at: UnixNanos) {
    let (year, month, day) = civil(at.second().div_euclid(86_400));
    let second = at.second().rem_euclid(86_400);
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    write_digits(&mut text[0..4], year);
    write_digits(&mut text[5..7], month);
    write_digits(&mut text[8..10], day);
    write_digits(&mut text[11..13], second / 3600);
    write_digits(&mut text[14..16], second / 60 % 60);
    write_digits(&mut text[17..19], second % 60);
    write_digits(&mut text[20..29], at.0.rem_euclid(1_000_000_000));
    out.extend_from_slice(&text);
}

/// The last digits of a number that is not negative, as many as there is room for.
fn write_digits(room: &mut [u8], number: i64) {
    let mut rest = number.unsigned_abs();
    for digit in room.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// `2026-11-25T12:01:00.020000000Z`.
#[must_use]
pub fn rfc3339(at: UnixNanos) -> String {
    let mut out = Vec::with_capacity(30);
    push_rfc3339(&mut out, at);
    String::from_utf8_lossy(&out).into_owned()
}

/// `12:01:00.020Z`: a time of day for people who know which day it is.
#[must_use]
pub fn time_of_day(at: UnixNanos) -> String {
    let second = at.second().rem_euclid(86_400);
    let millis = at.0.rem_euclid(1_000_000_000) / 1_000_000;
    format!("{:02}:{:02}:{:02}.{millis:03}Z", second / 3600, second / 60 % 60, second % 60)
}

/// `2026-11-25 12:01:00Z`.
#[must_use]
pub fn date_and_time(at: UnixNanos) -> String {
    let (year, month, day) = civil(at.second().div_euclid(86_400));
    let second = at.second().rem_euclid(86_400);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// Year, month and day of a count of days since 1970-01-01 (proleptic Gregorian; days are counted from 1 March of year 0 so that
/// the leap day is the last of its year).
const fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_PER_400_YEARS: i64 = 146_097;
    let shifted = days + 719_468;
    let era = shifted.div_euclid(DAYS_PER_400_YEARS);
    let day_of_era = shifted.rem_euclid(DAYS_PER_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + (month <= 2) as i64, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_to_the_nanosecond() {
        assert_eq!(rfc3339(UnixNanos(0)), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(rfc3339(UnixNanos(951_782_400_000_000_001)), "2000-02-29T00:00:00.000000001Z");
        assert_eq!(rfc3339(UnixNanos(-1)), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(rfc3339(UnixNanos(1_767_225_599_500_000_000)), "2025-12-31T23:59:59.500000000Z");
        assert_eq!(time_of_day(UnixNanos(1_767_225_599_500_000_000)), "23:59:59.500Z");
        assert_eq!(date_and_time(UnixNanos(1_767_225_599_500_000_000)), "2025-12-31 23:59:59Z");
    }
}
