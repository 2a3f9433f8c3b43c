//! One open window: what it has absorbed so far. Absorbing allocates only when something new appears (a longer line, a new instance, a
//! doubling); [`Window::absorb`] returns how many bytes that took, for the bound on all windows together.

use super::distinct::{INSTANCES_EXACT, Names, TARGETS_KEPT, local_hash};
use super::grid::Cell;
use super::intervals::Intervals;
use super::summary::{Cause, CloseReason, Range, Sample, Summary};
use crate::fingerprint::Fingerprint;
use crate::occurrence::Occurrence;
use crate::record::{Place, StreamId};
use crate::time::{SECOND, UnixNanos};
use std::borrow::Cow;
use std::sync::Arc;

/// Bytes of a sample that are kept: 2 KiB, a stack trace down to the interesting frames.
pub const SAMPLE_BYTES: usize = 2048;
/// What the buffer for the last record holds from the start, so that usual lines never make it grow.
const LAST_BYTES_MIN: usize = 256;
const TEN: i64 = 10 * SECOND;
/// 10-s bins: the 32 of the longest cell, and the one before it for records that step back over the boundary.
const BINS: usize = 33;

#[derive(Debug)]
pub(super) struct Window {
    pub(super) cell: Cell,
    /// Number of the 10 s that the first bin stands for: the one before the cell.
    first_ten: i64,
    pub(super) part: u32,
    /// Counted over all windows ever opened; tells a window from an earlier one of the same entry.
    pub(super) number: u64,
    /// When it must close at the latest, on the axis of `now`.
    pub(super) deadline: i64,
    /// `now` at its last record.
    pub(super) touched: i64,
    pub(super) cause: Cause,
    /// Set when even one record must leave a summary (the 51st new stream of a storm is listed, not printed).
    pub(super) lists_single: bool,
    /// Lines when it was told as open the last time.
    pub(super) told_lines: u64,
    /// Memory it holds beyond itself.
    pub(super) held_bytes: usize,
    pub(super) count: u64,
    pub(super) lines: u64,
    pub(super) bytes: u64,
    late: u64,
    pub(super) first: i64,
    pub(super) last: i64,
    /// Count at which the next sample is due.
    next_sample: u64,
    /// The newest sample shows the same instance and target as the one before: one that differs is preferred.
    wants_other: bool,
    /// Hashes of (instance, target) of the sample before the newest, and of the newest.
    sample_before: (u64, u64),
    sample_newest: (u64, u64),
    per_10s: [u32; BINS],
    per_second: Option<Vec<(i64, u64)>>,
    attempts: Option<Range>,
    max_attempts: Option<i64>,
    delays: Option<Range>,
    last_at: i64,
    last_text: Vec<u8>,
    samples: Vec<Sample>,
    pub(super) instances: Names<INSTANCES_EXACT, false>,
    pub(super) targets: Names<TARGETS_KEPT, true>,
    intervals: Intervals,
    /// The first record whole, while it is the only one.
    pub(super) only: Option<Only>,
}

/// A record that waits to see whether it stays alone.
#[derive(Debug)]
pub(super) struct Only {
    pub(super) raw: Box<[u8]>,
    pub(super) place: Place,
    pub(super) arrival: UnixNanos,
    pub(super) working: UnixNanos,
    pub(super) event: Option<UnixNanos>,
}

impl Window {
    pub(super) fn new() -> Self {
        Self {
            cell: Cell { start: 0, end: 0 },
            first_ten: -1,
            part: 0,
            number: 0,
            deadline: 0,
            touched: 0,
            cause: Cause::Guess,
            lists_single: false,
            told_lines: 0,
            held_bytes: 0,
            count: 0,
            lines: 0,
            bytes: 0,
            late: 0,
            first: i64::MAX,
            last: i64::MIN,
            next_sample: 1,
            wants_other: false,
            sample_before: (0, 0),
            sample_newest: (0, 0),
            per_10s: [0; BINS],
            per_second: None,
            attempts: None,
            max_attempts: None,
            delays: None,
            last_at: 0,
            last_text: Vec::new(),
            samples: Vec::new(),
            instances: Names::default(),
            targets: Names::default(),
            intervals: Intervals::default(),
            only: None,
        }
    }

    /// Makes it as new but for buffers worth keeping. Called when it goes back to the pool.
    pub(super) fn clear(&mut self) {
        let mut fresh = Self::new();
        self.last_text.clear();
        self.last_text.shrink_to(LAST_BYTES_MIN);
        self.samples.clear();
        self.instances.clear();
        self.targets.clear();
        self.intervals.clear();
        std::mem::swap(&mut fresh.last_text, &mut self.last_text);
        std::mem::swap(&mut fresh.samples, &mut self.samples);
        std::mem::swap(&mut fresh.instances, &mut self.instances);
        std::mem::swap(&mut fresh.targets, &mut self.targets);
        *self = fresh;
    }

    /// Opens it for its first record. Returns the bytes that it holds from the start.
    pub(super) fn open(&mut self, cell: Cell, part: u32, number: u64, cause: Cause, counts_seconds: bool) -> usize {
        (self.cell, self.part, self.number, self.cause) = (cell, part, number, cause);
        self.first_ten = cell.start.div_euclid(TEN) - 1;
        self.per_second = counts_seconds.then(Vec::new);
        self.last_text.reserve(LAST_BYTES_MIN);
        self.held_bytes = size_of::<Self>() + self.last_text.capacity();
        self.held_bytes
    }

    /// Takes a record in. `interval`: ns since the one before of its worker. Returns the bytes that were allocated.
    #[inline]
    pub(super) fn absorb(&mut self, occurrence: &Occurrence<'_>, interval: Option<i64>) -> usize {
        let working = occurrence.working.0;
        let mut grown = 0;
        self.count += 1;
        self.lines += u64::from(occurrence.lines);
        self.bytes += occurrence.raw.len() as u64;
        self.late += u64::from(occurrence.late);
        self.first = self.first.min(working);
        self.last = self.last.max(working);
        // A record on time goes into its own 10 s, also one before the cell; a late one is counted in the cell that is open.
        let earliest = if occurrence.late { self.cell.start } else { self.cell.start - TEN };
        let counted_at = working.clamp(earliest, self.cell.end - 1);
        let bin = (UnixNanos(counted_at).second().div_euclid(10) - self.first_ten) as usize;
        self.per_10s[bin.min(BINS - 1)] += 1;
        if let Some(interval) = interval {
            grown += self.intervals.record(interval);
        }
        if let Some(attempt) = occurrence.attempt {
            widen(&mut self.attempts, attempt);
        }
        if let Some(delay) = occurrence.delay {
            widen(&mut self.delays, delay);
        }
        self.max_attempts = self.max_attempts.max(occurrence.max_attempts);
        if let (Some(instance), true) = (occurrence.instance, occurrence.instance_hash != 0) {
            grown += self.instances.count(occurrence.instance_hash, instance);
        }
        let target_hash = occurrence.target.map_or(0, local_hash);
        if let Some(target) = occurrence.target {
            grown += self.targets.count(target_hash, target);
        }
        let who = (occurrence.instance_hash, target_hash);
        if self.count == self.next_sample || (self.wants_other && who != self.sample_before) {
            grown += self.sample(occurrence, who);
        } else {
            let kept = kept(occurrence.raw);
            let capacity = self.last_text.capacity();
            self.last_text.clear();
            self.last_text.extend_from_slice(kept);
            self.last_at = working;
            grown += self.last_text.capacity() - capacity;
        }
        if let Some(seconds) = &mut self.per_second {
            grown += count_second(seconds, UnixNanos(counted_at).second());
        }
        self.held_bytes += grown;
        grown
    }

    /// The summary of what it holds.
    pub(super) fn summary(
        &self,
        fingerprint: &Arc<Fingerprint>,
        stream: StreamId,
        reason: CloseReason,
        outcome: Option<&Arc<Fingerprint>>,
        mask: fn(&[u8]) -> Cow<'_, [u8]>,
    ) -> Summary {
        let mut samples: Vec<Sample> =
            self.samples.iter().map(|sample| Sample { at: sample.at, ordinal: sample.ordinal, text: mask(&sample.text).into_owned() }).collect();
        if samples.last().is_none_or(|newest| newest.ordinal < self.count) {
            samples.push(Sample { at: UnixNanos(self.last_at), ordinal: self.count, text: mask(&self.last_text).into_owned() });
        }
        let first_ten = self.first_ten;
        let per_10s = self.per_10s.iter().enumerate().filter(|(_, count)| **count > 0);
        Summary {
            fingerprint: Arc::clone(fingerprint),
            stream,
            count: self.count,
            lines: self.lines,
            bytes: self.bytes,
            first: UnixNanos(self.first),
            last: UnixNanos(self.last),
            cell_start: UnixNanos(self.cell.start),
            cell_end: UnixNanos(self.cell.end),
            part: self.part,
            reason,
            cause: self.cause,
            per_10s: per_10s.map(|(bin, count)| ((first_ten + bin as i64) * 10, u64::from(*count))).collect(),
            per_second: self.per_second.clone().unwrap_or_default(),
            samples,
            intervals: self.intervals.to_histogram(),
            instances: self.instances.to_distinct(mask),
            targets: self.targets.to_distinct(mask),
            attempts: self.attempts,
            max_attempts: self.max_attempts,
            delays: self.delays,
            late: self.late,
            outcome: outcome.map(Arc::clone),
        }
    }

    /// Keeps this record: a doubling, or one that shows another instance or target than the sample before.
    #[cold]
    fn sample(&mut self, occurrence: &Occurrence<'_>, who: (u64, u64)) -> usize {
        let sample = Sample { at: occurrence.working, ordinal: self.count, text: kept(occurrence.raw).to_vec() };
        let mut grown = sample.text.len() + size_of::<Sample>();
        if self.count == self.next_sample {
            self.next_sample = self.count.saturating_mul(2);
            self.sample_before = self.sample_newest;
            self.wants_other = self.count > 1 && who == self.sample_before;
            self.samples.push(sample);
        } else if let Some(newest) = self.samples.last_mut() {
            grown = sample.text.len().saturating_sub(newest.text.len());
            *newest = sample;
            self.wants_other = false;
        }
        self.sample_newest = who;
        grown
    }
}

/// What is kept of a record: without its last line end, within the bound.
#[inline]
fn kept(raw: &[u8]) -> &[u8] {
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
    &raw[..raw.len().min(SAMPLE_BYTES)]
}

#[inline]
fn widen(range: &mut Option<Range>, value: i64) {
    *range = Some(match *range {
        None => Range { min: value, max: value },
        Some(range) => range.join(Range { min: value, max: value }),
    });
}

/// Counts in a sparse ascending list; at most as long as a cell has seconds. Returns the bytes by which it grew.
fn count_second(seconds: &mut Vec<(i64, u64)>, second: i64) -> usize {
    if let Some(newest) = seconds.last_mut()
        && newest.0 == second
    {
        newest.1 += 1;
        return 0;
    }
    let capacity = seconds.capacity();
    match seconds.binary_search_by_key(&second, |(second, _)| *second) {
        Ok(at) => seconds[at].1 += 1,
        Err(at) => seconds.insert(at, (second, 1)),
    }
    (seconds.capacity() - capacity) * size_of::<(i64, u64)>()
}
