//! `[engine]`: what is collapsed, and the bounds of its tables.

use super::reader::Section;
use crate::engine::{Mode, Options};
use crate::units::parse_offset;
use std::time::Duration;

/// Cells of the time grid.
const WINDOWS: [Duration; 6] = [
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(40),
    Duration::from_secs(80),
    Duration::from_secs(160),
    Duration::from_secs(320),
];

/// Shorter lines than this would cut time stamps and levels apart.
const LINE_BYTES_MIN: u64 = 64;
/// A line is held in memory as a whole.
const LINE_BYTES_LIMIT: u64 = 16 << 20;
/// Entries of a table: beyond it a node has another problem than the length of a table.
const TABLE_MAX: u64 = 1_000_000;

/// Reads the table.
pub(super) fn read(section: &mut Section<'_>) -> Options {
    let defaults = Options::default();
    let ns = |nanos: i64| Duration::from_nanos(nanos.unsigned_abs());
    let table = |section: &mut Section<'_>, key, default: usize| to_usize(section.count(key, default as u64, 1..=TABLE_MAX));
    let options = Options {
        mode: section.choice("mode", &["collapse", "observe"], &[Mode::Collapse, Mode::Observe], defaults.mode),
        window_ns: nanos(section.duration_of(
            "window",
            ns(defaults.window_ns),
            &WINDOWS,
            "windows lie on one grid so that summaries of different nodes add up",
        )),
        keep_first: section.count("keep_first", defaults.keep_first, 1..=1000),
        guess_in_10s: section.count("guess_in_10s", defaults.guess_in_10s, 0..=TABLE_MAX),
        guess_in_10min: section.count("guess_in_10min", defaults.guess_in_10min, 0..=TABLE_MAX),
        flood_per_second: section.count("flood_per_second", defaults.flood_per_second, 0..=65_535),
        episode_gap_ns: nanos(section.duration("episode_gap", ns(defaults.episode_gap_ns), Duration::from_secs(10)..=Duration::from_secs(3600))),
        line_bytes_max: to_usize(section.size("line_bytes_max", defaults.line_bytes_max as u64, LINE_BYTES_MIN..=LINE_BYTES_LIMIT)),
        join_wait_ns: nanos(section.duration("join_wait", ns(defaults.join_wait_ns), Duration::from_millis(1)..=Duration::from_secs(5))),
        join_lines_max: to_u32(section.count("join_lines_max", defaults.join_lines_max.into(), 1..=10_000)),
        windows_max: table(section, "windows_max", defaults.windows_max),
        window_bytes_max: to_usize(section.size("window_bytes_max", defaults.window_bytes_max as u64, 1 << 20..=4 << 30)),
        fingerprints_max: table(section, "fingerprints_max", defaults.fingerprints_max),
        shapes_max: table(section, "shapes_max", defaults.shapes_max),
        streams_max: table(section, "streams_max", defaults.streams_max),
        zone_offset_seconds: section.text("time_zone", "UTC", "+02:00", parse_offset).unwrap_or(defaults.zone_offset_seconds),
        mask_secrets: section.boolean("mask_secrets", defaults.mask_secrets),
        storms: section.boolean("storms", defaults.storms),
        pass: literals(section, "pass", &defaults.pass),
        drop: literals(section, "drop", &defaults.drop),
        ..defaults
    };
    for text in options.drop.iter().filter(|text| options.pass.contains(text)) {
        section.mistake("drop", format!("\"{text}\" stands in `pass`, too; a record cannot pass and be dropped, delete one of them"));
    }
    options
}

fn literals(section: &mut Section<'_>, key: &'static str, default: &[String]) -> Vec<String> {
    let check = |text: &str| {
        if text.is_empty() { Err("an empty text is in every record; write a word that is in those you mean".to_owned()) } else { Ok(()) }
    };
    section.texts(key, default, "GET /healthz", check).into_iter().map(|at| at.value).collect()
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

pub(super) fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

pub(super) fn to_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
