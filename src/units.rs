//! Durations, sizes and offsets from UTC as people write them: `10s`, `500ms`, `64KiB`, `+02:00`.

use std::time::Duration;

/// Reads `500ms`, `10s`, `5m`, `2h`, `1d` (whole or decimal) into nanoseconds.
///
/// # Errors
/// Says what was expected when the text is no duration.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit.trim() {
        "ns" => 1.0,
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" | "sec" => 1e9,
        "m" | "min" => 60e9,
        "h" => 3600e9,
        "d" => 86_400e9,
        "" => return Err(format!("`{text}` has no unit; write for example {text}s, {text}ms or {text}m")),
        other => return Err(format!("unknown unit `{other}` in `{text}`; use ns, us, ms, s, m, h or d")),
    };
    let value: f64 = number.parse().map_err(|_| format!("`{text}` is not a duration; write for example 10s, 500ms or 5m"))?;
    let nanos = value * factor;
    if nanos.is_finite() && nanos < 9.2e18 { Ok(nanos as i64) } else { Err(format!("`{text}` is too long")) }
}

/// Reads `4096`, `64KiB`, `1MiB`, `2GiB` (and `KB`, `MB`, `GB` as powers of ten) into bytes.
///
/// # Errors
/// Says what was expected when the text is no size.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" | "Ki" | "K" | "k" => 1 << 10,
        "MiB" | "Mi" | "M" => 1 << 20,
        "GiB" | "Gi" | "G" => 1 << 30,
        "TiB" | "Ti" | "T" => 1 << 40,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        other => return Err(format!("unknown unit `{other}` in `{text}`; use B, KiB, MiB, GiB, TiB, KB, MB or GB")),
    };
    let value: u64 = number.parse().map_err(|_| format!("`{text}` is not a size; write for example 64KiB or 1MiB"))?;
    value.checked_mul(factor).ok_or_else(|| format!("`{text}` is too large"))
}

/// Writes a duration as [`parse_duration`] reads it, exactly, in its largest whole unit: `90s`, `500ms`, `2h`.
#[must_use]
pub fn write_duration(duration: Duration) -> String {
    const UNITS: [(u128, &str); 7] = [
        (86_400_000_000_000, "d"),
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
        (1, "ns"),
    ];
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".into();
    }
    let (factor, unit) = UNITS.into_iter().find(|(factor, _)| nanos.is_multiple_of(*factor)).unwrap_or((1, "ns"));
    format!("{}{unit}", nanos / factor)
}

/// Writes bytes as [`parse_size`] reads them, exactly, in their largest whole unit: `64KiB`, `1000B`.
#[must_use]
pub fn write_size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.into_iter().find(|(factor, _)| bytes >= *factor && bytes.is_multiple_of(*factor)) {
        Some((factor, unit)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes}B"),
    }
}

/// Reads `UTC`, `Z`, `+02:00`, `-0330`, `+2` into seconds east of UTC.
///
/// # Errors
/// Says what was expected when the text is no offset.
pub fn parse_offset(text: &str) -> Result<i32, String> {
    let wrong = || format!("`{text}` is no offset from UTC; write for example UTC, +02:00 or -0330");
    if matches!(text, "UTC" | "utc" | "Z" | "z" | "GMT") {
        return Ok(0);
    }
    let (sign, digits) = match text.split_at_checked(1) {
        Some(("+", digits)) => (1, digits),
        Some(("-", digits)) => (-1, digits),
        _ => return Err(wrong()),
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() > 2 && digits.is_ascii() => digits.split_at(digits.len() - 2),
        None => (digits, "0"),
    };
    let number =
        |text: &str, most: i32| if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse::<i32>().ok().filter(|&n| n <= most) } else { None };
    match (number(hours, 18), number(minutes, 59)) {
        (Some(hours), Some(minutes)) => Ok(sign * (hours * 3600 + minutes * 60)),
        _ => Err(wrong()),
    }
}

/// Prints bytes for people: `812 B`, `4.2 MiB`.
#[must_use]
pub fn show_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// Prints a duration in nanoseconds for people: `12ms`, `1.5s`, `2m 5s`.
#[must_use]
pub fn show_duration(nanos: i64) -> String {
    let ms = nanos as f64 / 1e6;
    if ms < 1.0 {
        format!("{ms:.2}ms")
    } else if ms < 1000.0 {
        format!("{ms:.0}ms")
    } else if ms < 60_000.0 {
        format!("{:.1}s", ms / 1e3)
    } else if ms < 3_600_000.0 {
        format!("{}m {}s", ms as i64 / 60_000, ms as i64 % 60_000 / 1000)
    } else {
        format!("{}h {}m", ms as i64 / 3_600_000, ms as i64 % 3_600_000 / 60_000)
    }
}

/// Groups digits by thousands: `1,234,567`.
#[must_use]
pub fn show_count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(parse_duration("10s"), Ok(10_000_000_000));
        assert_eq!(parse_duration("500ms"), Ok(500_000_000));
        assert_eq!(parse_duration("1.5m"), Ok(90_000_000_000));
        assert!(parse_duration("10").unwrap_err().contains("no unit"));
        assert!(parse_duration("ten").is_err());
        assert!(parse_duration("10x").unwrap_err().contains("unknown unit"));
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse_size("64KiB"), Ok(65_536));
        assert_eq!(parse_size("2MB"), Ok(2_000_000));
        assert_eq!(parse_size("7"), Ok(7));
        assert!(parse_size("7 apples").is_err());
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for (nanos, text) in
            [(0, "0s"), (500_000_000, "500ms"), (90_000_000_000, "90s"), (7_200_000_000_000, "2h"), (1, "1ns"), (172_800_000_000_000, "2d")]
        {
            assert_eq!(write_duration(Duration::from_nanos(nanos)), text);
            assert_eq!(parse_duration(text), Ok(nanos as i64));
        }
        for (bytes, text) in [(0, "0B"), (1000, "1000B"), (65_536, "64KiB"), (1 << 30, "1GiB"), (5 << 40, "5TiB"), ((1 << 20) + 1, "1048577B")] {
            assert_eq!(write_size(bytes), text);
            assert_eq!(parse_size(text), Ok(bytes));
        }
    }

    #[test]
    fn offsets_are_read_as_people_write_them() {
        for (text, seconds) in [("UTC", 0), ("+02:00", 7200), ("-0330", -12_600), ("+2", 7200), ("-11", -39_600)] {
            assert_eq!(parse_offset(text), Ok(seconds), "{text}");
        }
        for text in ["2", "Europe/Berlin", "+25:00", "+1:99", "", "+", "+é"] {
            assert!(parse_offset(text).is_err(), "{text}");
        }
    }

    #[test]
    fn figures_are_printed_for_people() {
        assert_eq!(show_count(1_234_567), "1,234,567");
        assert_eq!(show_count(999), "999");
        assert_eq!(show_bytes(4_404_019), "4.2 MiB");
        assert_eq!(show_duration(125_000_000_000), "2m 5s");
    }
}
