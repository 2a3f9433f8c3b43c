//! The time a single line states, for merging files in time order: the envelope's stamp, read the same way as the engine reads it.

use crate::envelope::{self, TimeField};
use crate::scan;
use crate::time::UnixNanos;

/// Reads the times of lines.
#[derive(Debug)]
pub struct LineTime {
    words: Vec<scan::Word>,
    reference: UnixNanos,
    zone_offset_seconds: i32,
}

impl LineTime {
    /// `reference` dates stamps without a year, `zone_offset_seconds` places stamps without a zone.
    #[must_use]
    pub const fn new(reference: UnixNanos, zone_offset_seconds: i32) -> Self {
        Self { words: Vec::new(), reference, zone_offset_seconds }
    }
    /// The time a line states, if it states one.
    pub fn of(&mut self, line: &[u8]) -> Option<UnixNanos> {
        scan::find_words(line, &mut self.words);
        let time = envelope::peel(line, &self.words).time?;
        parse(line, time, self.reference, self.zone_offset_seconds)
    }
}

/// Reads a stamp that the envelope found. The whole body becomes `stamp::parse(time.span.of(line), time.format, reference,
/// zone_offset_seconds)` when that stage is joined.
fn parse(line: &[u8], time: TimeField, reference: UnixNanos, zone_offset_seconds: i32) -> Option<UnixNanos> {
    let (..) = (reference, zone_offset_seconds);
    let text = std::str::from_utf8(time.span.of(line)).ok()?.replace(',', ".");
    let stamp: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(stamp.as_nanosecond()).ok().map(UnixNanos)
}
