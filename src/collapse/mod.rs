//! Repeats become first line, count and samples.
//!
//! [`Collapse`] is told of every record ([`Collapse::offer`]) and says whether it passes. What it absorbs lies in a window per (fingerprint,
//! stream) until the cell of the time grid ends; then the window leaves a [`summary::Summary`], or the plain line if it had only
//! one. It reads no clock: [`Collapse::next_wakeup`] says when [`Collapse::advance`] must be called at the latest.
//!
//! Invariant: lines offered = lines passed + lines of plain lines and summaries sent out + [`Collapse::open_lines`], after every call.
//!
//! Decisions where the design leaves room:
//! - A stream's windows close when its own records reach the end of the cell; and on the axis of `now` no later than the rest of
//!   the cell after the record that opened them. So a backlog of three days closes by its own time, silence by that of others.
//! - Cells of one stream never go back: a record from before the open cell that is in time (2 s) is counted in its own 10 s of
//!   the summary's `per_10s`, a late one in the first of the cell that is open.
//! - "Idle for one cell" of a long cell means [`IDLE_MAX`], the gap that ends an episode: 10 s would cut a client that retries every 12 s
//!   into single lines.
//! - A guess that has reached its threshold holds until the episode ends; the record that reaches it is the first to be absorbed.
//! - A final outcome closes the windows of `retry`, `failure`, `overload` and `crash_loop` in its stream; where the outcome names an
//!   instance or a target, those only that may hold it.
//! - In `observe` mode windows are kept so that the decisions are the same, but they close silently: every line was forwarded.

mod chains;
mod closing;
mod coldest;
pub mod distinct;
mod entry;
mod grid;
mod intervals;
mod rates;
mod settings;
pub mod summary;
mod table;
mod window;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use intervals::{INTERVAL_MAX_US, histogram};
pub use settings::{Mode, Settings};
pub use table::{Busy, Collapse, Counters, IDLE_MAX};
pub use window::SAMPLE_BYTES;

use crate::fingerprint::Fingerprint;
use crate::record::{FingerprintIndex, Place, StreamId};
use crate::time::UnixNanos;
use std::sync::Arc;
use summary::Summary;

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Pass,
    /// It is held in a window: do not forward it.
    Absorb,
    /// `observe` mode: forward it and say that it would have been absorbed.
    WouldAbsorb,
}

/// What a window leaves behind.
#[derive(Clone, Copy, Debug)]
pub enum Closed<'a> {
    /// The only record of a window: it goes out as it came in.
    Plain(Plain<'a>),
    /// Two records or more.
    Summary(&'a Summary),
}

/// A record that was held and goes out after all.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a> {
    /// All its bytes, line ends included.
    pub raw: &'a [u8],
    /// Severity, template, class.
    pub fingerprint: &'a Arc<Fingerprint>,
    /// Its key inside this run.
    pub index: FingerprintIndex,
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
}

/// A window that is open, seen from outside.
#[derive(Clone, Copy, Debug)]
pub struct OpenWindow<'a> {
    /// Counted over all windows that were ever opened.
    pub number: u64,
    /// Where its records come from.
    pub stream: StreamId,
    /// Severity, template, class.
    pub fingerprint: &'a Arc<Fingerprint>,
    /// Records in it.
    pub count: u64,
    /// What it would leave behind now; `None` when it took nothing since it was told last.
    pub changed: Option<Closed<'a>>,
}

impl Closed<'_> {
    /// Lines that leave with it.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        match self {
            Self::Plain(plain) => plain.lines as u64,
            Self::Summary(summary) => summary.lines,
        }
    }
}
