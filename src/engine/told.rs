//! What the engine tells: records that pass, summaries, storms, and the accounting of all lines.

use crate::collapse::summary::Summary;
use crate::fingerprint::Fingerprint;
use crate::record::{Place, StreamId};
use crate::storm::{Burst, StormEvent};
use crate::time::UnixNanos;
use std::sync::Arc;

/// Where results go. Implemented by `outputs`; the engine never waits for it.
pub trait Sink {
    /// A record passes.
    fn forward(&mut self, record: &Forwarded<'_>);
    /// A window closed.
    fn summary(&mut self, summary: &Summary);
    /// A record went into a window; told with [`Options::tells_absorbed`](super::Options::tells_absorbed) only. The summary of the window counts it, nobody else may.
    fn absorbed(&mut self, _record: &Forwarded<'_>) {}
    /// A storm began, goes on, or is over. `absorbed`: its records that went into windows so far, whether these have closed or not.
    fn storm(&mut self, event: &StormEvent, absorbed: u64);
    /// A burst is over: for information only.
    fn burst(&mut self, _burst: &Burst) {}
}

/// A record that passes (or, where a sink asks for them, is absorbed), byte for byte.
#[derive(Clone, Copy, Debug)]
pub struct Forwarded<'a> {
    /// The bytes as they came in, line ends included (the last line of an input may have none).
    pub raw: &'a [u8],
    /// Where it came from.
    pub stream: StreamId,
    /// Where its first byte stood there.
    pub place: Place,
    /// When it was read.
    pub arrival: UnixNanos,
    /// Its working time.
    pub working: UnixNanos,
    /// What the line itself says.
    pub event: Option<UnixNanos>,
    /// Lines in it.
    pub lines: u32,
    /// Absent for a continuation line that streams through behind a new header, and for cut-off rests of lines.
    pub fingerprint: Option<&'a Arc<Fingerprint>>,
    /// Set by `observe` mode: it would have been absorbed.
    pub would_absorb: bool,
    /// Peeled fields as (OpenTelemetry-like name, value): `log.logger`, `thread.name`, `process.pid`, `host.name`, `squelch.instance`.
    pub fields: &'a [(&'static str, &'a [u8])],
}

/// The accounting identity, in lines: `read = forwarded + summarised + dropped + open`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounting {
    /// Lines read.
    pub read: u64,
    /// Lines that passed.
    pub forwarded: u64,
    /// Lines inside summaries that were written.
    pub summarised: u64,
    /// Lines dropped by a rule of the user's.
    pub dropped: u64,
    /// Lines in windows and joins that are still open.
    pub open: u64,
    /// Records made of those lines.
    pub records: u64,
    /// Summaries written.
    pub summaries: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes of forwarded lines.
    pub bytes_forwarded: u64,
    /// Lines longer than the limit (each cut piece is a line).
    pub overlong_lines: u64,
    /// Lines that were not UTF-8 or held NUL; known only for lines of new shapes.
    pub odd_lines: u64,
    /// Windows closed early because a table was full.
    pub evictions: u64,
    /// Records more than 2 s late.
    pub late_records: u64,
    /// Lines that others say they lost or held back before we could read them ("suppressed 120 messages"): outside the identity.
    pub lost_at_source: u64,
}

impl Accounting {
    /// Whether no line is missing.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.read == self.forwarded + self.summarised + self.dropped + self.open
    }
}

/// One row of `report`'s table of templates.
#[derive(Clone, Debug)]
pub struct TemplateRow {
    /// Severity, template, class, id.
    pub fingerprint: Arc<Fingerprint>,
    /// Records.
    pub count: u64,
    /// Lines.
    pub lines: u64,
    /// Event (else working) time of the first.
    pub first: UnixNanos,
    /// Event (else working) time of the last.
    pub last: UnixNanos,
    /// In how many streams (exact up to 64).
    pub streams: u32,
}
