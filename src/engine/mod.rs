//! The engine joins the stages: chunks of bytes and times in, survivors and summaries out. Pure.

mod options;

pub use options::{Mode, Options};

use crate::collapse::summary::Summary;
use crate::fingerprint::Fingerprint;
use crate::record::StreamId;
use crate::time::UnixNanos;
use std::sync::Arc;

/// Where results go. Implemented by `outputs`; the engine never waits for it.
pub trait Sink {
    /// A record passes.
    fn forward(&mut self, record: &Forwarded<'_>);
    /// A window closed.
    fn summary(&mut self, summary: &Summary);
}

/// A record that passes, byte for byte.
#[derive(Clone, Copy, Debug)]
pub struct Forwarded<'a> {
    /// The bytes as they came in, line ends included (the last line of an input may have none).
    pub raw: &'a [u8],
    /// Where it came from.
    pub stream: StreamId,
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

/// The engine. One per pipe, report or agent.
pub struct Engine {
    options: Options,
    accounting: Accounting,
}

impl Engine {
    /// An engine with nothing in it.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, accounting: Accounting::default() }
    }
    /// The options it runs with.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }
    /// Makes a stream known. `label` names it in output (file name, `stdin`, replay stream); `is_backlog`: it starts *behind*
    /// (a regular file read from its beginning); `is_instance`: the input guarantees one process per stream.
    pub fn open_stream(&mut self, label: &str, is_backlog: bool, is_instance: bool) -> StreamId {
        let (..) = (label, is_backlog, is_instance);
        StreamId(0)
    }
    /// The label of a stream.
    #[must_use]
    pub fn stream_label(&self, stream: StreamId) -> &str {
        let StreamId(_) = stream;
        ""
    }
    /// Takes bytes of a stream, in any chunking; `arrival` never runs backwards by more than the clock does.
    pub fn feed(&mut self, stream: StreamId, arrival: UnixNanos, chunk: &[u8], sink: &mut dyn Sink) {
        // Placeholder while the engine is written: one record per chunk.
        let lines = chunk.iter().filter(|&&b| b == b'\n').count() as u64;
        self.accounting.read += lines;
        self.accounting.forwarded += lines;
        sink.forward(&Forwarded { raw: chunk, stream, arrival, working: arrival, event: None, lines: lines as u32, fingerprint: None, would_absorb: false, fields: &[] });
    }
    /// The stream has ended: its last line needs no newline.
    pub fn end_stream(&mut self, stream: StreamId, arrival: UnixNanos, sink: &mut dyn Sink) {
        let (..) = (stream, arrival, sink);
    }
    /// When `wake` must be called at the latest, if ever.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<UnixNanos> {
        None
    }
    /// Time has passed without input: held records go out, windows close.
    pub fn wake(&mut self, now: UnixNanos, sink: &mut dyn Sink) {
        let (..) = (now, sink);
    }
    /// Everything open becomes output; afterwards `open` is 0.
    pub fn drain(&mut self, now: UnixNanos, sink: &mut dyn Sink) {
        let (..) = (now, sink);
    }
    /// The accounting so far.
    #[must_use]
    pub const fn accounting(&self) -> &Accounting {
        &self.accounting
    }
    /// Totals per fingerprint, most lines first (ties by id). Only kept with [`Options::totals`].
    #[must_use]
    pub fn templates(&self) -> Vec<TemplateRow> {
        Vec::new()
    }
    /// Retry-like fingerprints that are being collapsed now, busiest first, for the live footer: (fingerprint, records absorbed in
    /// the current windows, records per second over the last cell).
    #[must_use]
    pub fn busiest(&self, limit: usize) -> Vec<(Arc<Fingerprint>, u64, f64)> {
        Vec::with_capacity(limit.min(1))
    }
}
