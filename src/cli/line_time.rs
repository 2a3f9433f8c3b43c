//! The time a single line states, for merging files in time order: the envelope's stamp, read the same way as the engine reads it.

use crate::envelope::{self, TimeField};
use crate::scan;
use crate::time::UnixNanos;

/// Reads the times of lines.
#[derive(Debug, Default)]
pub struct LineTime {
    words: Vec<scan::Word>,
}

impl LineTime {
    /// The time a line states, if it states one.
    pub fn of(&mut self, line: &[u8]) -> Option<UnixNanos> {
        scan::find_words(line, &mut self.words);
        let envelope = envelope::peel(line, &self.words);
        envelope.time.and_then(|time| parse(line, time))
    }
}

/// Reads a stamp that the envelope found. To be replaced by the parser of `envelope::stamp` when that stage is joined.
fn parse(line: &[u8], time: TimeField) -> Option<UnixNanos> {
    let text = std::str::from_utf8(time.span.of(line)).ok()?.replace(',', ".");
    let stamp: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(stamp.as_nanosecond()).ok().map(UnixNanos)
}
