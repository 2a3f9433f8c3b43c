//! Durations and sizes as people write them: `10s`, `500ms`, `64KiB`.

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
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        other => return Err(format!("unknown unit `{other}` in `{text}`; use B, KiB, MiB, GiB, KB, MB or GB")),
    };
    let value: u64 = number.parse().map_err(|_| format!("`{text}` is not a size; write for example 64KiB or 1MiB"))?;
    value.checked_mul(factor).ok_or_else(|| format!("`{text}` is too large"))
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
    fn figures_are_printed_for_people() {
        assert_eq!(show_count(1_234_567), "1,234,567");
        assert_eq!(show_count(999), "999");
        assert_eq!(show_bytes(4_404_019), "4.2 MiB");
        assert_eq!(show_duration(125_000_000_000), "2m 5s");
    }
}
