//! The record that a window leaves behind, and how two of them add. `outputs` prints it.

use super::distinct;
use crate::fingerprint::Fingerprint;
use crate::record::StreamId;
use crate::time::{SECOND, UnixNanos};
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

/// Why repeats were absorbed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A rule knows the message.
    Rule,
    /// Generic words say that it is about retrying, and it came often enough or in a storm.
    Guess,
    /// An ordinary message that flooded.
    Flood,
    /// An ordinary message that an attempt of a firing storm writes beside its retry line.
    Companion,
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
    /// HyperLogLog registers behind an estimate (see [`distinct`]), so that summaries of several nodes unite.
    pub registers: Option<Box<[u8]>>,
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
    /// Earliest event (else working) time of an absorbed record; a stamp that is not believed does not count.
    pub first: UnixNanos,
    /// Latest event (else working) time of an absorbed record.
    pub last: UnixNanos,
    /// Start of the cell.
    pub cell_start: UnixNanos,
    /// End of the cell.
    pub cell_end: UnixNanos,
    /// Which part of the cell, from 1; more than one after an early close.
    pub part: u32,
    /// Why it was closed.
    pub reason: CloseReason,
    /// Why repeats were absorbed.
    pub cause: Cause,
    /// Records per 10 s: (start of the 10 s in Unix seconds, count), ascending, no zeros.
    pub per_10s: Vec<(i64, u64)>,
    /// Records per second in a storm: (Unix second, count), ascending, no zeros; empty outside of storms.
    pub per_second: Vec<(i64, u64)>,
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

impl Range {
    /// The smallest range that holds both.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

impl Distinct {
    /// The union. Exact while both are and their names fit into [`distinct::INSTANCES_EXACT`]; else estimated. Counts of names add.
    pub fn unite(&mut self, other: &Self) {
        let mut registers = self.registers.take();
        if registers.is_none() && other.registers.is_some() {
            registers = Some(self.to_registers());
        }
        let mut names: std::collections::BTreeMap<Box<[u8]>, u64> = std::mem::take(&mut self.top).into_iter().collect();
        for (name, count) in &other.top {
            *names.entry(name.clone()).or_default() += count;
        }
        self.top = names.into_iter().collect();
        if registers.is_none() && self.top.len() > distinct::INSTANCES_EXACT {
            registers = Some(self.to_registers());
        }
        self.top.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        if let Some(registers) = &mut registers {
            let theirs = other.registers.clone().unwrap_or_else(|| other.to_registers());
            for (ours, theirs) in registers.iter_mut().zip(&theirs) {
                *ours = (*ours).max(*theirs);
            }
            self.top.truncate(distinct::INSTANCES_EXACT);
        }
        let named = self.top.len() as u64;
        self.count = registers.as_ref().map_or(named, |registers| distinct::estimate(registers).max(named));
        self.is_estimate = registers.is_some();
        self.registers = registers;
    }

    fn to_registers(&self) -> Box<[u8]> {
        let mut registers = vec![0; distinct::REGISTERS];
        for (name, _) in &self.top {
            distinct::note(&mut registers, name);
        }
        registers.into()
    }
}

/// Most samples of a summary: those of one window with 2^30 records, the last and the first included.
pub const SAMPLES_MAX: usize = 32;

impl Summary {
    /// From the first to the last absorbed record in ns.
    #[must_use]
    pub const fn duration_ns(&self) -> i64 {
        self.last.since(self.first)
    }

    /// Records per second between first and last: n records have n - 1 gaps. 0 when all came at one moment (or there is only one).
    #[must_use]
    pub fn rate_per_second(&self) -> f64 {
        match self.duration_ns() {
            ..=0 => 0.0,
            duration => (self.count - 1) as f64 * SECOND as f64 / duration as f64,
        }
    }

    /// Median gap between records of one worker in µs, within 1 %.
    #[must_use]
    pub fn interval_p50_us(&self) -> Option<u64> {
        self.intervals.as_ref().map(|intervals| intervals.value_at_quantile(0.5))
    }

    /// Adds a summary of the same fingerprint: another part, cell, stream or node. Counts and histograms add, distinct sets unite, of samples the
    /// earliest, the latest and the first ones between stay. Stream, fingerprint and part remain ours; reason, outcome and part tell of the
    /// later one.
    pub fn merge(&mut self, other: &Self) {
        if (other.cell_start, other.part) >= (self.cell_start, self.part) {
            self.part = other.part;
            self.reason = other.reason;
            self.outcome = other.outcome.clone().or_else(|| self.outcome.take());
        }
        self.count += other.count;
        self.lines += other.lines;
        self.bytes += other.bytes;
        self.late += other.late;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.cell_start = self.cell_start.min(other.cell_start);
        self.cell_end = self.cell_end.max(other.cell_end);
        add_counts(&mut self.per_10s, &other.per_10s);
        add_counts(&mut self.per_second, &other.per_second);
        self.samples.extend_from_slice(&other.samples);
        self.samples.sort_by(|a, b| (a.at, a.ordinal, &a.text).cmp(&(b.at, b.ordinal, &b.text)));
        if self.samples.len() > SAMPLES_MAX {
            let last = self.samples.len() - 1;
            self.samples.swap(SAMPLES_MAX - 1, last);
            self.samples.truncate(SAMPLES_MAX);
        }
        match (&mut self.intervals, &other.intervals) {
            (Some(ours), Some(theirs)) => ours.add(theirs.as_ref()).expect("all summaries use the bounds of `intervals::histogram`"),
            (ours @ None, Some(theirs)) => *ours = Some(theirs.clone()),
            (_, None) => {}
        }
        self.instances.unite(&other.instances);
        self.targets.unite(&other.targets);
        self.attempts = join_ranges(self.attempts, other.attempts);
        self.max_attempts = self.max_attempts.max(other.max_attempts);
        self.delays = join_ranges(self.delays, other.delays);
    }
}

fn join_ranges(a: Option<Range>, b: Option<Range>) -> Option<Range> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.join(b)),
        (a, b) => a.or(b),
    }
}

/// Adds two ascending lists of (time, count).
fn add_counts(ours: &mut Vec<(i64, u64)>, theirs: &[(i64, u64)]) {
    for (time, count) in theirs {
        match ours.binary_search_by_key(time, |(time, _)| *time) {
            Ok(at) => ours[at].1 += count,
            Err(at) => ours.insert(at, (*time, *count)),
        }
    }
}
