//! Time stamps: bytes to nanoseconds, for every way of writing a date that [`super::peel`] recognises.
//!
//! [`parse`] runs once per line of a known shape: no allocation, no table, no time-zone database. A format says which family the
//! bytes belong to, not which digits stand where: lines of one shape agree in the *kind* of a digit-word only, so each family
//! describes itself (`2026-11-23 ...`, `26/11/23 ...` and `20261123-...` are all [`DATE_TIME`]) and bytes that are no date give `None`.
//!
//! A stamp without year takes the year that lands nearest to `reference`, one without date the day; one without zone takes
//! `zone_offset_seconds`. Fractions are kept to the nanosecond and cut beyond.

use crate::time::{SECOND, UnixNanos};

/// Digits and separators: date, then time of day, then perhaps a zone (`2026-11-23T10:00:00.5Z`, `26/11/23 10:00:00`,
/// `23/Nov/2026:10:00:00 +0200`, `20261123-10:00:00:123`, `2026-11-23-10.00.00.123456`, `1123 10:00:00.5`, `11-23 10:00:00.5`).
pub const DATE_TIME: u8 = 1;
/// A month by name, in any order with day, year, weekday and time (`Nov 23 10:00:00`, `Mon Nov 23 10:00:00.5 2026`, `23 Nov 2026 10:00:00`).
pub const NAMED_MONTH: u8 = 2;
/// Seconds (10 digits), milliseconds (13), microseconds (16) or nanoseconds (19) since 1970; a fraction may follow.
pub const EPOCH: u8 = 3;
/// Six digits of date, a blank, six of time: `261123 100000`.
pub const COMPACT: u8 = 4;
/// Only a time of day.
pub const TIME_OF_DAY: u8 = 5;

/// Days per 400 Gregorian years.
const DAYS_PER_ERA: i64 = 146_097;
/// Seconds per day.
const DAY: i64 = 86_400;

/// Reads a stamp that [`super::peel`] found. `reference` is a moment near which the line was written; `zone_offset_seconds` is east positive.
#[must_use]
pub fn parse(bytes: &[u8], format: u8, reference: UnixNanos, zone_offset_seconds: i32) -> Option<UnixNanos> {
    let zone = i64::from(zone_offset_seconds);
    match format {
        DATE_TIME => date_time(bytes, reference, zone),
        NAMED_MONTH => named_month(bytes, reference, zone),
        EPOCH => epoch(bytes),
        COMPACT => compact(bytes, zone),
        TIME_OF_DAY => {
            let mut at = 0;
            let clock = clock(bytes, &mut at)?;
            let zone = zone_after(bytes, at).unwrap_or(zone);
            nearest_day(clock, zone, reference)
        }
        _ => None,
    }
}

/// The seconds that the last stamps of a stream named. Most stamps of a busy stream name one of them again: then only their fraction is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastSecond {
    /// One for each way of separating the parts that is common.
    known: [Second; 4],
}

/// A second that a stamp named.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    /// `yyyy-mm-ddThh:mm:ss`, with any separators.
    upto: [u8; 19],
    /// What stands behind the fraction: the zone.
    zone: [u8; 8],
    zone_len: usize,
    /// Digits of the fraction (0: there is none), and what stands before them.
    digits: usize,
    point: u8,
    /// The whole second, when one is remembered.
    at: Option<UnixNanos>,
}

impl Second {
    /// The fraction (ns) of a stamp of at least 19 bytes that is written as the one remembered and names the same second.
    #[inline]
    fn fraction_of(&self, bytes: &[u8]) -> Option<i64> {
        let from = if self.digits > 0 { 20 } else { 19 };
        if bytes.len() != from + self.digits + self.zone_len || bytes[..19] != self.upto || self.digits > 0 && bytes[19] != self.point {
            return None;
        }
        let (fraction, zone) = bytes[from..].split_at(self.digits);
        let mut value = 0;
        for digit in fraction {
            let digit = digit.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + i64::from(digit);
        }
        let is_alike = match zone {
            [] => true,
            [zone] => *zone == self.zone[0],
            zone => zone == &self.zone[..self.zone_len],
        };
        is_alike.then(|| value * SCALE[self.digits])
    }
}

impl LastSecond {
    /// [`parse`], faster for a stamp that names the second of the one before. Stamps of one stream have one reference and one offset.
    #[inline]
    pub fn parse(&mut self, bytes: &[u8], format: u8, reference: UnixNanos, zone_offset_seconds: i32) -> Option<UnixNanos> {
        let is_plain =
            format == DATE_TIME && bytes.len() >= 19 && !bytes[4].is_ascii_digit() && matches!((bytes[13], bytes[16]), (b':', b':') | (b'.', b'.'));
        if !is_plain {
            return parse(bytes, format, reference, zone_offset_seconds);
        }
        // `-` and `T`, `-` and a blank, `/` and a blank, `/` and `T` have a place each.
        let known = &mut self.known[usize::from((bytes[4] ^ bytes[10] >> 4) & 3)];
        if let Some(at) = known.at
            && let Some(nanos) = known.fraction_of(bytes)
        {
            return Some(at.plus(nanos));
        }
        let mut end = 19;
        let nanos = fraction(bytes, &mut end);
        let zone = &bytes[end..];
        if let Some(at) = known.at
            && bytes[..19] == known.upto
            && zone.len() == known.zone_len
            && zone.iter().zip(&known.zone).all(|(a, b)| a == b)
        {
            return Some(at.plus(nanos));
        }
        let parsed = parse(bytes, format, reference, zone_offset_seconds)?;
        if zone.len() <= known.zone.len() && bytes[17].is_ascii_digit() && bytes[18].is_ascii_digit() {
            known.upto.copy_from_slice(&bytes[..19]);
            known.zone[..zone.len()].copy_from_slice(zone);
            known.zone_len = zone.len();
            (known.digits, known.point) = if end > 19 { (end - 20, bytes[19]) } else { (0, 0) };
            // Digits behind the ninth count nothing: such stamps are read as if none was remembered.
            known.at = (known.digits <= 9).then(|| parsed.plus(-nanos));
        }
        Some(parsed)
    }
}

/// A time of day: seconds since midnight and nanoseconds.
#[derive(Clone, Copy)]
struct Clock {
    seconds: i64,
    nanos: i64,
}

#[inline]
fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// Exactly two digits at `at`.
#[inline]
fn two(bytes: &[u8], at: usize) -> Option<i64> {
    let (a, b) = (byte(bytes, at).wrapping_sub(b'0'), byte(bytes, at + 1).wrapping_sub(b'0'));
    (a < 10 && b < 10).then(|| i64::from(a) * 10 + i64::from(b))
}

fn four(bytes: &[u8], at: usize) -> Option<i64> {
    Some(two(bytes, at)? * 100 + two(bytes, at + 2)?)
}

/// Length of the run of digits at `at`; nothing here has more than 20.
fn digits(bytes: &[u8], at: usize) -> usize {
    let mut n = 0;
    while n < 20 && byte(bytes, at + n).is_ascii_digit() {
        n += 1;
    }
    n
}

/// One or two digits at `at`, `at` moved past them.
fn one_or_two(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let digit = |i: usize| byte(bytes, *at + i).wrapping_sub(b'0');
    let (first, second) = (digit(0), digit(1));
    if first >= 10 {
        return None;
    }
    if second >= 10 {
        *at += 1;
        return Some(i64::from(first));
    }
    if digit(2) < 10 {
        return None;
    }
    *at += 2;
    Some(i64::from(first) * 10 + i64::from(second))
}

/// `h:mm:ss`, `hh:mm`, `hh.mm.ss` with a fraction behind `.`, `,` or `:`; a following ` AM`/` PM` counts.
fn clock(bytes: &[u8], at: &mut usize) -> Option<Clock> {
    let hour = one_or_two(bytes, at)?;
    let separator = byte(bytes, *at);
    if !matches!(separator, b':' | b'.') {
        return None;
    }
    *at += 1;
    let minute = one_or_two(bytes, at)?;
    let mut second = 0;
    let mut nanos = 0;
    if byte(bytes, *at) == separator {
        *at += 1;
        second = one_or_two(bytes, at)?;
        nanos = fraction(bytes, at);
    }
    clock_of(bytes, at, hour, minute, second, nanos)
}

/// `hhmmss` with a fraction.
fn packed_clock(bytes: &[u8], at: &mut usize) -> Option<Clock> {
    let (hour, minute, second) = (two(bytes, *at)?, two(bytes, *at + 2)?, two(bytes, *at + 4)?);
    *at += 6;
    let nanos = fraction(bytes, at);
    clock_of(bytes, at, hour, minute, second, nanos)
}

fn clock_of(bytes: &[u8], at: &mut usize, mut hour: i64, minute: i64, second: i64, nanos: i64) -> Option<Clock> {
    let blank = usize::from(byte(bytes, *at) == b' ');
    if byte(bytes, *at + blank + 1) | 0x20 == b'm'
        && matches!(byte(bytes, *at + blank) | 0x20, b'a' | b'p')
        && !byte(bytes, *at + blank + 2).is_ascii_alphanumeric()
    {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if byte(bytes, *at + blank) | 0x20 == b'p' { 12 } else { 0 };
        *at += blank + 2;
    }
    // 60 is a leap second; it becomes the first second of the next minute.
    (hour < 24 && minute < 60 && second <= 60).then_some(Clock { seconds: hour * 3600 + minute * 60 + second, nanos })
}

/// Nanoseconds that the last of so many digits counts.
const SCALE: [i64; 10] = [0, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// `.123`, `,123` or `:123` as nanoseconds.
fn fraction(bytes: &[u8], at: &mut usize) -> i64 {
    if !matches!(byte(bytes, *at), b'.' | b',' | b':') {
        return 0;
    }
    let (mut n, mut value) = (0, 0);
    while n < 9 && byte(bytes, *at + 1 + n).is_ascii_digit() {
        value = value * 10 + i64::from(byte(bytes, *at + 1 + n) - b'0');
        n += 1;
    }
    let value = value * SCALE[n];
    if n > 0 {
        *at += 1 + n + if n == 9 { digits(bytes, *at + 10).min(11) } else { 0 };
    }
    value
}

/// Seconds east of UTC that the zone at `at` says (`Z`, `+02:00`, ` +0200`, `+02`, ` UTC`, ` CEST`).
fn zone_after(bytes: &[u8], at: usize) -> Option<i64> {
    let at = if byte(bytes, at) == b' ' { at + 1 } else { at };
    match byte(bytes, at) {
        b'Z' | b'z' => Some(0),
        sign @ (b'+' | b'-') => {
            let hours = two(bytes, at + 1)?;
            let colon = usize::from(byte(bytes, at + 3) == b':');
            let minutes = two(bytes, at + 3 + colon).unwrap_or(0);
            let seconds = hours * 3600 + minutes * 60;
            (seconds <= DAY).then_some(if sign == b'-' { -seconds } else { seconds })
        }
        b'A'..=b'Z' => zone_by_name(&bytes[at..]),
        _ => None,
    }
}

/// Offsets in seconds of the zones that loggers write by name. Where a name is used twice in the world the more common use counts (`CST`,
/// `IST`); a name that is not here is read as the default zone.
const ZONES: [(&[u8], i64); 18] = [
    (b"UTC", 0),
    (b"GMT", 0),
    (b"WET", 0),
    (b"WEST", 3600),
    (b"BST", 3600),
    (b"CEST", 7200),
    (b"CET", 3600),
    (b"EEST", 10_800),
    (b"EET", 7200),
    (b"MSK", 10_800),
    (b"IST", 19_800),
    (b"JST", 32_400),
    (b"EST", -18_000),
    (b"EDT", -14_400),
    (b"CST", -21_600),
    (b"CDT", -18_000),
    (b"PST", -28_800),
    (b"PDT", -25_200),
];

/// The zone name at the start of `bytes`: its length and offset.
fn zone_named(bytes: &[u8]) -> Option<(usize, i64)> {
    let length = bytes.iter().take(5).take_while(|b| b.is_ascii_uppercase()).count();
    if !(3..=4).contains(&length) || byte(bytes, length).is_ascii_alphanumeric() {
        return None;
    }
    ZONES.iter().find(|(name, _)| *name == &bytes[..length]).map(|&(_, offset)| (length, offset))
}

fn zone_by_name(bytes: &[u8]) -> Option<i64> {
    zone_named(bytes).map(|(_, offset)| offset)
}

/// Length of the zone name at the start of `bytes`, 0 when there is none.
pub(super) fn zone_name_len(bytes: &[u8]) -> usize {
    // Most names that follow a stamp are levels.
    if matches!(bytes.first(), Some(b'U' | b'G' | b'W' | b'B' | b'C' | b'E' | b'M' | b'I' | b'J' | b'P')) {
        zone_named(bytes).map_or(0, |(length, _)| length)
    } else {
        0
    }
}

/// Days from 1970-01-01 to a civil date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The year in which a day (counted from 1970) lies: the other half of Hinnant's pair.
fn year_of_day(days: i64) -> i64 {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(DAYS_PER_ERA);
    let day_of_era = shifted.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // The algorithm's year begins in March.
    year_of_era + era * 400 + i64::from(day_of_year >= 306)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_date(year: i64, month: i64, day: i64) -> bool {
    (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month)
}

fn moment(year: i64, month: i64, day: i64, clock: Clock, zone: i64) -> Option<UnixNanos> {
    if !is_date(year, month, day) {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * DAY + clock.seconds - zone;
    // Years beyond 1677..2262 do not fit nanoseconds in 64 bits.
    Some(UnixNanos(seconds.checked_mul(SECOND)?.checked_add(clock.nanos)?))
}

/// A date without year: the year that lands nearest to the reference.
fn nearest_year(month: i64, day: i64, clock: Clock, zone: i64, reference: UnixNanos) -> Option<UnixNanos> {
    /// So near that the same day of another year is further away, ns.
    const NEAR: u64 = 182 * (DAY * SECOND) as u64;
    let year = year_of_day(reference.second().div_euclid(DAY));
    let this_year = moment(year, month, day, clock, zone);
    if this_year.is_some_and(|at| at.since(reference).unsigned_abs() < NEAR) {
        return this_year;
    }
    [year, year - 1, year + 1]
        .into_iter()
        .filter_map(|year| moment(year, month, day, clock, zone))
        .min_by_key(|at| at.since(reference).unsigned_abs())
}

/// A time without date: the day that lands nearest to the reference.
fn nearest_day(clock: Clock, zone: i64, reference: UnixNanos) -> Option<UnixNanos> {
    let today = reference.second().div_euclid(DAY);
    [today, today - 1, today + 1]
        .into_iter()
        .filter_map(|day| (day * DAY + clock.seconds - zone).checked_mul(SECOND)?.checked_add(clock.nanos).map(UnixNanos))
        .min_by_key(|at| at.since(reference).unsigned_abs())
}

/// Two digits of a year: 1970 to 2069, as POSIX reads `%y`.
fn century(year: i64) -> i64 {
    if year < 70 { 2000 + year } else { 1900 + year }
}

fn month_by_name(name: &[u8]) -> Option<i64> {
    let name = [byte(name, 0) | 0x20, byte(name, 1) | 0x20, byte(name, 2) | 0x20];
    Some(match &name {
        b"jan" => 1,
        b"feb" => 2,
        b"mar" => 3,
        b"apr" => 4,
        b"may" => 5,
        b"jun" => 6,
        b"jul" => 7,
        b"aug" => 8,
        b"sep" => 9,
        b"oct" => 10,
        b"nov" => 11,
        b"dec" => 12,
        _ => return None,
    })
}

/// Whether `bytes` begin with the short English name of a month and nothing is glued to it.
pub(super) fn is_month(bytes: &[u8]) -> bool {
    byte(bytes, 0).is_ascii_uppercase() && month_by_name(bytes).is_some() && !byte(bytes, 3).is_ascii_alphanumeric()
}

/// Whether `bytes` begin with the short English name of a weekday and nothing but a comma is glued to it.
pub(super) fn is_weekday(bytes: &[u8]) -> bool {
    matches!(bytes.get(..3), Some(b"Mon" | b"Tue" | b"Wed" | b"Thu" | b"Fri" | b"Sat" | b"Sun")) && !byte(bytes, 3).is_ascii_alphanumeric()
}

/// `yyyy-mm-dd hh:mm:ss`, each number padded: what most lines begin with, read without asking how long each number is. `None` where it
/// is written otherwise.
fn padded(bytes: &[u8], zone: i64) -> Option<UnixNanos> {
    let head: &[u8; 19] = bytes.first_chunk()?;
    if !matches!(head[4], b'-' | b'/' | b'.') || head[13] != b':' || head[16] != b':' || byte(bytes, 19).is_ascii_digit() {
        return None;
    }
    let (year, month, day) = (four(head, 0)?, two(head, 5)?, two(head, 8)?);
    let (hour, minute, second) = (two(head, 11)?, two(head, 14)?, two(head, 17)?);
    let mut at = 19;
    let nanos = fraction(bytes, &mut at);
    let clock = clock_of(bytes, &mut at, hour, minute, second, nanos)?;
    moment(year, month, day, clock, zone_after(bytes, at).unwrap_or(zone))
}

fn date_time(bytes: &[u8], reference: UnixNanos, zone: i64) -> Option<UnixNanos> {
    if let Some(at) = padded(bytes, zone) {
        return Some(at);
    }
    let n = digits(bytes, 0);
    let separator = byte(bytes, n);
    let zone_or = |at: usize| zone_after(bytes, at).unwrap_or(zone);
    match (n, separator) {
        // yyyy-mm-dd
        (4, b'-' | b'/' | b'.') => {
            let (year, month, day) = (four(bytes, 0)?, two(bytes, 5)?, two(bytes, 8)?);
            let mut at = 11;
            while byte(bytes, at) == b' ' {
                at += 1;
            }
            let clock = clock(bytes, &mut at)?;
            moment(year, month, day, clock, zone_or(at))
        }
        // klog: mmdd hh:mm:ss
        (4, b' ') => {
            let (month, day, mut at) = (two(bytes, 0)?, two(bytes, 2)?, 5);
            let clock = clock(bytes, &mut at)?;
            nearest_year(month, day, clock, zone_or(at), reference)
        }
        // dd/Mon/yyyy:hh:mm:ss
        (1 | 2, b'/' | b'-') if byte(bytes, n + 1).is_ascii_alphabetic() => {
            let day = one_or_two(bytes, &mut 0)?;
            let month = month_by_name(&bytes[n + 1..])?;
            let year = four(bytes, n + 5)?;
            let mut at = n + 10;
            let clock = clock(bytes, &mut at)?;
            moment(year, month, day, clock, zone_or(at))
        }
        (2, b'/') => slashes(bytes, reference, zone),
        // logcat and Proxifier: mm-dd hh:mm:ss
        (2, b'-' | b'.') => {
            let (first, second, mut at) = (two(bytes, 0)?, two(bytes, 3)?, 6);
            let (month, day) = if first > 12 { (second, first) } else { (first, second) };
            let clock = clock(bytes, &mut at)?;
            nearest_year(month, day, clock, zone_or(at), reference)
        }
        (8, _) => {
            let (year, month, day, mut at) = (four(bytes, 0)?, two(bytes, 4)?, two(bytes, 6)?, 9);
            let clock = if digits(bytes, at) >= 6 { packed_clock(bytes, &mut at) } else { clock(bytes, &mut at) }?;
            moment(year, month, day, clock, zone_or(at))
        }
        (6, b' ') => compact(bytes, zone),
        _ => None,
    }
}

/// `yy/mm/dd`, `dd/mm/yyyy` and `mm/dd/yyyy`. What both readings of the last two allow is read as the one nearer to the reference.
fn slashes(bytes: &[u8], reference: UnixNanos, zone: i64) -> Option<UnixNanos> {
    let (first, second, year_digits) = (two(bytes, 0)?, two(bytes, 3)?, digits(bytes, 6));
    let mut at = 7 + year_digits;
    let clock = clock(bytes, &mut at)?;
    let zone = zone_after(bytes, at).unwrap_or(zone);
    if year_digits == 2 {
        let third = two(bytes, 6)?;
        return moment(century(first), second, third, clock, zone)
            .or_else(|| moment(century(third), first, second, clock, zone))
            .or_else(|| moment(century(third), second, first, clock, zone));
    }
    let year = four(bytes, 6)?;
    let day_first = moment(year, second, first, clock, zone);
    let month_first = moment(year, first, second, clock, zone);
    [day_first, month_first].into_iter().flatten().min_by_key(|at| at.since(reference).unsigned_abs())
}

fn compact(bytes: &[u8], zone: i64) -> Option<UnixNanos> {
    let (year, month, day) = (century(two(bytes, 0)?), two(bytes, 2)?, two(bytes, 4)?);
    let mut at = 6 + bytes.get(6..)?.iter().take_while(|&&b| b == b' ').count();
    let clock = if digits(bytes, at) >= 6 { packed_clock(bytes, &mut at) } else { clock(bytes, &mut at) }?;
    moment(year, month, day, clock, zone_after(bytes, at).unwrap_or(zone))
}

fn epoch(bytes: &[u8]) -> Option<UnixNanos> {
    let n = digits(bytes, 0);
    let unit = match n {
        10 => SECOND,
        13 => 1_000_000,
        16 => 1_000,
        19 => 1,
        _ => return None,
    };
    let mut value: i64 = 0;
    for &b in &bytes[..n] {
        value = value.checked_mul(10)?.checked_add(i64::from(b - b'0'))?;
    }
    let mut at = n;
    // A fraction of the unit: its nanoseconds per second, scaled down.
    let nanos = if byte(bytes, n) == b':' { 0 } else { fraction(bytes, &mut at) / (SECOND / unit) };
    Some(UnixNanos(value.checked_mul(unit)?.checked_add(nanos)?))
}

/// `Nov 23 10:00:00`, as syslog writes it.
fn padded_named(bytes: &[u8], reference: UnixNanos, zone: i64) -> Option<UnixNanos> {
    let text: &[u8; 15] = bytes.try_into().ok()?;
    if text[3] != b' ' || text[6] != b' ' || text[9] != b':' || text[12] != b':' {
        return None;
    }
    let day = if text[4] == b' ' { one_or_two(text, &mut 5)? } else { two(text, 4)? };
    let (hour, minute, second) = (two(text, 7)?, two(text, 10)?, two(text, 13)?);
    let clock = clock_of(text, &mut 15, hour, minute, second, 0)?;
    let month = if text[0].is_ascii_uppercase() { month_by_name(text)? } else { return None };
    nearest_year(month, day, clock, zone, reference)
}

fn named_month(bytes: &[u8], reference: UnixNanos, zone: i64) -> Option<UnixNanos> {
    if let Some(at) = padded_named(bytes, reference, zone) {
        return Some(at);
    }
    let (mut month, mut day, mut year, mut time, mut offset) = (None, None, None, None, None);
    let mut at = 0;
    // weekday, month, day, year, time and zone, in any order
    for _ in 0..8 {
        while matches!(byte(bytes, at), b' ' | b',' | b'-' | b'/') && !(time.is_some() && byte(bytes, at) == b'-') {
            at += 1;
        }
        if at >= bytes.len() {
            break;
        }
        let n = digits(bytes, at);
        if n > 0 {
            if n <= 2 && byte(bytes, at + n) == b':' && time.is_none() {
                time = Some(clock(bytes, &mut at)?);
                continue;
            }
            match n {
                1 | 2 if day.is_none() => day = one_or_two(bytes, &mut at),
                4 if year.is_none() => {
                    year = four(bytes, at);
                    at += 4;
                }
                _ => return None,
            }
        } else if matches!(byte(bytes, at), b'+' | b'-') {
            offset = zone_after(bytes, at);
            break;
        } else {
            let word = bytes[at..].iter().take_while(|b| b.is_ascii_alphabetic()).count();
            if word == 0 {
                return None;
            }
            if is_weekday(&bytes[at..]) {
            } else if month.is_none() && is_month(&bytes[at..]) {
                month = month_by_name(&bytes[at..]);
            } else {
                offset = zone_after(bytes, at);
            }
            at += word;
        }
    }
    let zone = offset.unwrap_or(zone);
    let (month, day, time) = (month?, day?, time?);
    match year {
        Some(year) => moment(year, month, day, time, zone),
        None => nearest_year(month, day, time, zone, reference),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn remembering_the_second_changes_no_answer(
            stamps in proptest::collection::vec("2026-11-2[34][T ]1[01]:5[0-9][:.]0[0-2]([.,:][0-9]{0,10})?(Z| UTC|[+]02:[03]0| PM)?", 1..12)
        ) {
            let mut last = LastSecond::default();
            let reference = UnixNanos(1_790_000_000 * SECOND);
            for stamp in &stamps {
                let stamp = stamp.as_bytes();
                proptest::prop_assert_eq!(last.parse(stamp, DATE_TIME, reference, 3600), parse(stamp, DATE_TIME, reference, 3600));
            }
        }
    }

    /// 2026-11-23T12:00:00Z
    const REFERENCE: UnixNanos = UnixNanos(1_795_435_200 * SECOND);

    fn check(bytes: &str, format: u8, expected: &str) {
        let got = parse(bytes.as_bytes(), format, REFERENCE, 0).unwrap_or_else(|| panic!("{bytes} is no stamp"));
        let expected: jiff::Timestamp = expected.parse().expect("the test writes RFC 3339");
        assert_eq!(jiff::Timestamp::from_nanosecond(got.0.into()).expect("in range"), expected, "{bytes}");
    }

    #[test]
    fn dates_of_digits_describe_themselves() {
        check("2026-11-23T10:00:00.123456789Z", DATE_TIME, "2026-11-23T10:00:00.123456789Z");
        check("2026-11-23 10:00:00,123", DATE_TIME, "2026-11-23T10:00:00.123Z");
        check("2026-11-23_10:00:00+02:00", DATE_TIME, "2026-11-23T08:00:00Z");
        check("2026-11-23T10:00:00-0530", DATE_TIME, "2026-11-23T15:30:00Z");
        check("2026-11-23 10:00:00.5 UTC", DATE_TIME, "2026-11-23T10:00:00.5Z");
        check("2026-11-23 10:00:00 CEST", DATE_TIME, "2026-11-23T08:00:00Z");
        check("2026/11/23 10:00:00.123", DATE_TIME, "2026-11-23T10:00:00.123Z");
        check("26/11/23 10:00:00", DATE_TIME, "2026-11-23T10:00:00Z");
        check("20261123-10:00:00:606", DATE_TIME, "2026-11-23T10:00:00.606Z");
        check("20261123-10:5:0:23", DATE_TIME, "2026-11-23T10:05:00.23Z");
        check("20261123T100000.25Z", DATE_TIME, "2026-11-23T10:00:00.25Z");
        check("2026-11-23-10.42.50.363779", DATE_TIME, "2026-11-23T10:42:50.363779Z");
        check("23/Nov/2026:10:00:00 +0200", DATE_TIME, "2026-11-23T08:00:00Z");
        check("23-Nov-2026 10:00:00 UTC", DATE_TIME, "2026-11-23T10:00:00Z");
        check("1123 10:00:00.678901", DATE_TIME, "2026-11-23T10:00:00.678901Z");
        check("11-23 10:00:00.811", DATE_TIME, "2026-11-23T10:00:00.811Z");
        check("11.23 10:00:00", DATE_TIME, "2026-11-23T10:00:00Z");
        check("11/23/2026 02:00:00 PM", DATE_TIME, "2026-11-23T14:00:00Z");
        check("23/11/2026 12:00:00 AM", DATE_TIME, "2026-11-23T00:00:00Z");
        check("2026-11-23T10:00Z", DATE_TIME, "2026-11-23T10:00:00Z");
    }

    #[test]
    fn months_have_names_in_any_order() {
        check("Nov 23 10:00:00", NAMED_MONTH, "2026-11-23T10:00:00Z");
        check("Nov  3 10:00:00.184951", NAMED_MONTH, "2026-11-03T10:00:00.184951Z");
        check("Mon Nov 23 10:00:00 2026", NAMED_MONTH, "2026-11-23T10:00:00Z");
        check("Mon Nov 23 10:00:00.123456 2026", NAMED_MONTH, "2026-11-23T10:00:00.123456Z");
        check("Mon Nov 23 10:00:00 UTC 2026", NAMED_MONTH, "2026-11-23T10:00:00Z");
        check("Mon, 23 Nov 2026 10:00:00 +0200", NAMED_MONTH, "2026-11-23T08:00:00Z");
        check("23 Nov 2026 10:00:00.123", NAMED_MONTH, "2026-11-23T10:00:00.123Z");
        check("Nov 23, 2026 10:00:00 PM", NAMED_MONTH, "2026-11-23T22:00:00Z");
        check("Nov 23 2026 10:00:00", NAMED_MONTH, "2026-11-23T10:00:00Z");
    }

    #[test]
    fn the_number_of_digits_says_the_unit_of_an_epoch() {
        check("1795435200", EPOCH, "2026-11-23T12:00:00Z");
        check("1795435200.25", EPOCH, "2026-11-23T12:00:00.25Z");
        check("1795435200123", EPOCH, "2026-11-23T12:00:00.123Z");
        check("1795435200123.5", EPOCH, "2026-11-23T12:00:00.1235Z");
        check("1795435200123456", EPOCH, "2026-11-23T12:00:00.123456Z");
        check("1795435200123456789", EPOCH, "2026-11-23T12:00:00.123456789Z");
        assert_eq!(parse(b"12.345", EPOCH, REFERENCE, 0), None, "an uptime is no time");
    }

    #[test]
    fn a_missing_year_or_day_is_the_nearest_one() {
        let new_year = UnixNanos(days_from_civil(2027, 1, 1) * DAY * SECOND);
        assert_eq!(parse(b"Dec 31 23:59:59", NAMED_MONTH, new_year, 0), Some(new_year.plus(-SECOND)));
        assert_eq!(parse(b"0101 00:00:01.5", DATE_TIME, new_year.plus(-SECOND), 0), Some(new_year.plus(SECOND + SECOND / 2)));
        assert_eq!(parse(b"23:59:59", TIME_OF_DAY, new_year, 0), Some(new_year.plus(-SECOND)));
        assert_eq!(
            parse(b"Feb 29 00:00:00", NAMED_MONTH, UnixNanos(days_from_civil(2028, 3, 1) * DAY * SECOND), 0).map(UnixNanos::second),
            Some(days_from_civil(2028, 2, 29) * DAY)
        );
        check("261123 100000", COMPACT, "2026-11-23T10:00:00Z");
    }

    #[test]
    fn a_missing_zone_is_the_given_one() {
        assert_eq!(parse(b"2026-11-23 14:00:00", DATE_TIME, REFERENCE, 7200), Some(REFERENCE));
        assert_eq!(parse(b"2026-11-23 12:00:00 UTC", DATE_TIME, REFERENCE, 7200), Some(REFERENCE));
    }

    #[test]
    fn what_is_no_date_gives_none() {
        for bytes in ["2026-13-01 00:00:00", "2026-02-30 00:00:00", "2026-01-01 25:00:00", "9999-01-01 00:00:00", "", "2026-", "99/99/99 99:99:99"] {
            assert_eq!(parse(bytes.as_bytes(), DATE_TIME, REFERENCE, 0), None, "{bytes}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in "[0-9A-Za-z :,./+-]{0,40}", format in 0u8..7, reference: i64, zone: i32) {
            let _ = parse(bytes.as_bytes(), format, UnixNanos(reference), zone);
        }

        #[test]
        fn every_moment_reads_back(seconds in -2_000_000_000i64..4_000_000_000) {
            let text = jiff::Timestamp::from_second(seconds).expect("in range").to_string();
            proptest::prop_assert_eq!(parse(text.as_bytes(), DATE_TIME, REFERENCE, 0), Some(UnixNanos(seconds * SECOND)));
        }
    }
}
