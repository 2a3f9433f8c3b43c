//! `[outputs.NAME.delivery]`: how a receiver is treated.

use crate::config::engine::{to_u32, to_usize};
use crate::config::reader::Section;
use crate::delivery::Options;
use crate::units::write_duration;
use std::time::Duration;

pub(super) fn read(section: &mut Section<'_>) -> Options {
    let defaults = Options::default();
    let (ms, s) = (Duration::from_millis, Duration::from_secs);
    let options = Options {
        timeout: section.duration("timeout", defaults.timeout, ms(100)..=s(600)),
        connect_timeout: section.duration("connect_timeout", defaults.connect_timeout, ms(100)..=s(60)),
        backoff_base: section.duration("backoff_base", defaults.backoff_base, ms(10)..=s(60)),
        backoff_cap: section.duration("backoff_cap", defaults.backoff_cap, s(1)..=s(3600)),
        retry_after_max: section.duration("retry_after_max", defaults.retry_after_max, s(1)..=s(86_400)),
        retry_ratio: section.ratio("retry_ratio", defaults.retry_ratio, 0.0..=1.0),
        retry_floor_per_minute: to_u32(section.count("retry_floor_per_minute", defaults.retry_floor_per_minute.into(), 1..=600)),
        breaker_failures: to_u32(section.count("breaker_failures", defaults.breaker_failures.into(), 1..=1000)),
        breaker_open: section.duration("breaker_open", defaults.breaker_open, s(1)..=s(3600)),
        refused_delay: section.duration("refused_delay", defaults.refused_delay, s(1)..=s(3600)),
        batch_bytes_max: to_usize(section.size("batch_bytes_max", defaults.batch_bytes_max as u64, 4 << 10..=64 << 20)),
        batch_records_max: to_usize(section.count("batch_records_max", defaults.batch_records_max as u64, 1..=100_000)),
        bytes_per_second_max: section.size("bytes_per_second_max", defaults.bytes_per_second_max, 0..=1 << 40),
        start_spread: section.duration("start_spread", defaults.start_spread, s(0)..=s(600)),
    };
    for (short, shorter, long, longer) in [
        ("backoff_base", options.backoff_base, "backoff_cap", options.backoff_cap),
        ("connect_timeout", options.connect_timeout, "timeout", options.timeout),
    ] {
        if shorter > longer {
            let place = if section.has(short) { short } else { long };
            let problem = format!("`{short}` ({}) is longer than `{long}` ({})", write_duration(shorter), write_duration(longer));
            section.mistake(place, problem);
        }
    }
    options
}
