//! The record that a window leaves behind. Data only; `outputs` prints it.

use crate::fingerprint::Fingerprint;
use crate::record::StreamId;
use crate::time::UnixNanos;
use hdrhistogram::Histogram;
use std::sync::Arc;

/// Why a window was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Its cell of the time grid ended.
    CellEnd,
    /// Its table was full and it was the coldest.
    Evicted,
    /// Input ended or squelch was stopped.
    Shutdown,
    /// The stream recovered or gave up.
    FinalOutcome,
    /// A storm ended (next issue) or limits changed.
    StormEnd,
}

/// One kept occurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its working time.
    pub at: UnixNanos,
    /// Which occurrence of the window it was, from 1.
    pub ordinal: u64,
    /// Its bytes without the last line end, secrets masked, cut at a bound.
    pub text: Vec<u8>,
}

/// Distinct values with their counts: exact up to a bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distinct {
    /// How many different ones; exact unless `is_estimate`.
    pub count: u64,
    /// Whether the bound was passed.
    pub is_estimate: bool,
    /// The most frequent first (ties by value).
    pub top: Vec<(Box<[u8]>, u64)>,
}

/// Numbers seen at a captured position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Smallest.
    pub min: i64,
    /// Largest.
    pub max: i64,
}

/// What became of the records of one fingerprint in one stream in one cell (or part of it).
#[derive(Clone, Debug)]
pub struct Summary {
    /// Severity, template, class, id.
    pub fingerprint: Arc<Fingerprint>,
    /// Where they came from.
    pub stream: StreamId,
    /// Absorbed records.
    pub count: u64,
    /// Absorbed lines.
    pub lines: u64,
    /// Absorbed bytes, line ends included.
    pub bytes: u64,
    /// Event (else working) time of the first absorbed record.
    pub first: UnixNanos,
    /// Event (else working) time of the last absorbed record.
    pub last: UnixNanos,
    /// Start of the cell.
    pub cell_start: UnixNanos,
    /// End of the cell.
    pub cell_end: UnixNanos,
    /// Which part of the cell, from 1; more than one after an early close.
    pub part: u32,
    /// Why it was closed.
    pub reason: CloseReason,
    /// Records per 10 s: (start of the 10 s in Unix seconds, count), ascending, no zeros.
    pub per_10s: Vec<(i64, u64)>,
    /// First, doublings, last.
    pub samples: Vec<Sample>,
    /// Gaps between records of one worker in microseconds.
    pub intervals: Option<Box<Histogram<u32>>>,
    /// Who retried.
    pub instances: Distinct,
    /// What they tried to reach.
    pub targets: Distinct,
    /// Attempt numbers.
    pub attempts: Option<Range>,
    /// The stated limit of attempts.
    pub max_attempts: Option<i64>,
    /// Stated delays in ns.
    pub delays: Option<Range>,
    /// Records whose time was later than 2 s behind `now`: counted, their intervals are not.
    pub late: u64,
    /// The final outcome that closed it, if one did: fingerprint of the record that passed.
    pub outcome: Option<Arc<Fingerprint>>,
}
