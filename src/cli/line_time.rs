//! The time a single line states, for merging files in time order: the envelope's stamp, read the same way as the engine reads it.

use crate::envelope::{self, stamp};
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
        stamp::parse(time.span.of(line), time.format, self.reference, self.zone_offset_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_of_the_command_line_places_a_stamp_without_one() {
        let line = b"2026-11-25 12:01:00,020 ERROR mq - retrying";
        let utc = LineTime::new(UnixNanos(0), 0).of(line).unwrap();
        assert_eq!(utc, UnixNanos(1_795_608_060_020_000_000));
        assert_eq!(LineTime::new(UnixNanos(0), 3600).of(line).unwrap(), utc.plus(-3_600_000_000_000));
        assert_eq!(LineTime::new(UnixNanos(0), 0).of(b"no time here"), None);
    }
}
