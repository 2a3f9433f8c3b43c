//! What the merged stream of all instances shows without any key: gaps, volleys, octaves since onset, attempt numbers, stated delays.

use super::histogram::{Counts, interval_bucket};
use crate::time::{MILLI, SECOND};

/// Octaves since the onset: [0, 0.25), [0.25, 0.5), [0.5, 1) ... s.
pub const OCTAVES: usize = 24;
/// Attempt numbers with an elapsed time of their own.
pub const ATTEMPTS: usize = 16;
/// Positions of stated delays.
pub const HINTS: usize = 12;
/// Distinct stated delays kept.
const HINT_VALUES_MAX: usize = 24;
/// Volley-to-volley intervals kept.
const VOLLEYS: usize = 16;
/// Records closer than this belong to one volley: three guesses, since nobody knows how far instances drift apart.
pub const VOLLEY_DELTAS: [i64; 3] = [20 * MILLI, 100 * MILLI, 500 * MILLI];

/// Volleys of the merged stream for one delta.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volleys {
    start: i64,
    last: i64,
    /// Volleys so far, the open one included.
    pub count: u64,
    /// Records so far.
    pub records: u64,
    /// Starts to starts, us.
    pub intervals: Vec<u32>,
}

impl Volleys {
    fn observe(&mut self, at: i64, delta: i64) {
        self.records += 1;
        if self.count == 0 {
            (self.start, self.count) = (at, 1);
        } else if at - self.last > delta {
            self.count += 1;
            if self.intervals.len() < VOLLEYS {
                self.intervals.push(u32::try_from((at - self.start) / 1000).unwrap_or(u32::MAX));
            }
            self.start = at;
        }
        self.last = self.last.max(at);
    }
}

/// Stated delays ("retrying in 500ms").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Records with a delay.
    pub count: u64,
    /// Of those, how many said 0.
    pub zeros: u64,
    /// By attempt number or position: (count, sum us, least us, greatest us).
    pub positions: [(u32, u64, u32, u32); HINTS],
    /// Different delays in ns with counts, ascending; the first 24.
    pub values: Vec<(i64, u32)>,
    /// There were more than 24.
    pub has_more_values: bool,
    /// Sum, us.
    pub sum_us: u64,
    /// The least and the greatest, ns; (0, 0) before the first.
    pub range: (i64, i64),
}

impl Hints {
    fn observe(&mut self, position: usize, delay: i64) {
        self.range = if self.count == 0 { (delay, delay) } else { (self.range.0.min(delay), self.range.1.max(delay)) };
        self.count += 1;
        self.zeros += u64::from(delay <= 0);
        let micros = (delay.max(0) / 1000) as u64;
        self.sum_us += micros;
        if let Some(place) = self.positions.get_mut(position) {
            let short = u32::try_from(micros).unwrap_or(u32::MAX);
            let least = if place.0 == 0 { short } else { place.2.min(short) };
            *place = (place.0 + 1, place.1 + micros, least, place.3.max(short));
        }
        match self.values.binary_search_by_key(&delay, |entry| entry.0) {
            Ok(at) => self.values[at].1 = self.values[at].1.saturating_add(1),
            Err(at) if self.values.len() < HINT_VALUES_MAX => self.values.insert(at, (delay, 1)),
            Err(_) => self.has_more_values = true,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.range = match (self.count, other.count) {
            (_, 0) => self.range,
            (0, _) => other.range,
            _ => (self.range.0.min(other.range.0), self.range.1.max(other.range.1)),
        };
        self.count += other.count;
        self.zeros += other.zeros;
        self.sum_us += other.sum_us;
        for (mine, theirs) in self.positions.iter_mut().zip(&other.positions) {
            if theirs.0 > 0 {
                let least = if mine.0 == 0 { theirs.2 } else { mine.2.min(theirs.2) };
                *mine = (mine.0 + theirs.0, mine.1 + theirs.1, least, mine.3.max(theirs.3));
            }
        }
        for &(delay, count) in &other.values {
            match self.values.binary_search_by_key(&delay, |entry| entry.0) {
                Ok(at) => self.values[at].1 = self.values[at].1.saturating_add(count),
                Err(at) => self.values.insert(at, (delay, count)),
            }
        }
        self.has_more_values |= other.has_more_values || self.values.len() > HINT_VALUES_MAX;
        self.values.truncate(HINT_VALUES_MAX);
    }
}

/// All that is known without keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Working time of the first record, ns.
    pub first: i64,
    /// Working time of the latest record, ns.
    pub last: i64,
    /// Records.
    pub records: u64,
    /// Gaps of the merged stream.
    pub gaps: Counts,
    /// One per delta.
    pub volleys: [Volleys; 3],
    /// Whether any time has a fraction of a second: without, every shorter gap is rounded away.
    pub has_fractions: bool,
    /// Records per octave since onset.
    pub octaves: [u32; OCTAVES],
    /// Attempt n = 0..16: (count, sum of elapsed us since onset).
    pub attempts: [(u32, i64); ATTEMPTS + 1],
    /// Records with an attempt number.
    pub numbered: u64,
    /// The largest number.
    pub attempt_max: i64,
    /// The stated limit, when there is one (the largest).
    pub limit: Option<i64>,
    /// Records that reached the stated limit.
    pub at_limit: u64,
    /// Stated delays.
    pub hints: Hints,
    /// Nodes that this was merged from: gaps and volleys are those of one node's stream.
    pub nodes: u32,
}

impl Merged {
    /// Nothing seen yet; the onset is `first`.
    #[must_use]
    pub fn new(first: i64) -> Self {
        Self {
            first,
            last: i64::MIN,
            records: 0,
            gaps: Counts::default(),
            volleys: Default::default(),
            has_fractions: false,
            octaves: [0; OCTAVES],
            attempts: [(0, 0); ATTEMPTS + 1],
            numbered: 0,
            attempt_max: 0,
            limit: None,
            at_limit: 0,
            hints: Hints::default(),
            nodes: 1,
        }
    }

    /// One record at `at`; records come in order of time. `position` is where its delay belongs when it has no number.
    pub fn observe(&mut self, at: i64, attempt: Option<u32>, limit: Option<u32>, delay: Option<i64>, position: usize) {
        self.records += 1;
        self.has_fractions |= at % SECOND != 0;
        if self.last != i64::MIN {
            self.gaps.add(interval_bucket((at - self.last).max(0)));
        }
        self.last = self.last.max(at);
        for (volleys, delta) in self.volleys.iter_mut().zip(VOLLEY_DELTAS) {
            volleys.observe(at, delta);
        }
        let elapsed = (at - self.first).max(0);
        self.octaves[octave_of(elapsed)] += 1;
        if let Some(attempt) = attempt {
            self.numbered += 1;
            self.attempt_max = self.attempt_max.max(i64::from(attempt));
            if let Some(place) = self.attempts.get_mut(attempt as usize) {
                place.0 += 1;
                place.1 += elapsed / 1000;
            }
        }
        if let Some(limit) = limit {
            self.limit = self.limit.max(Some(i64::from(limit)));
            self.at_limit += u64::from(attempt.is_some_and(|number| number >= limit));
        }
        if let Some(delay) = delay {
            let position = attempt.map_or(position, |number| number as usize);
            self.hints.observe(position, delay);
        }
    }

    /// Adds another node's counts.
    pub fn merge(&mut self, other: &Self) {
        // Elapsed times count from the onset of both; octaves cannot be moved, but onsets of one storm lie close together.
        let first = self.first.min(other.first);
        let shift = |node: &Self| (node.first - first) / 1000;
        let (mine, theirs) = (shift(self), shift(other));
        for (sum, more) in self.attempts.iter_mut().zip(other.attempts) {
            *sum = (sum.0 + more.0, sum.1 + mine * i64::from(sum.0) + more.1 + theirs * i64::from(more.0));
        }
        self.nodes += other.nodes;
        self.first = first;
        self.last = self.last.max(other.last);
        self.records += other.records;
        self.has_fractions |= other.has_fractions;
        self.gaps.merge(&other.gaps);
        for (mine, theirs) in self.octaves.iter_mut().zip(other.octaves) {
            *mine = mine.saturating_add(theirs);
        }
        for (mine, theirs) in self.volleys.iter_mut().zip(&other.volleys) {
            // Volleys of two nodes are not one row of volleys: the longer row speaks.
            if (theirs.records, &theirs.intervals) > (mine.records, &mine.intervals) {
                mine.clone_from(theirs);
            }
        }
        self.numbered += other.numbered;
        self.attempt_max = self.attempt_max.max(other.attempt_max);
        self.limit = self.limit.max(other.limit);
        self.at_limit += other.at_limit;
        self.hints.merge(&other.hints);
    }

    /// Records within `seconds` (a power of two from 1/4) of the onset.
    #[must_use]
    pub fn records_until(&self, octave: usize) -> u64 {
        self.octaves.iter().take(octave + 1).map(|count| u64::from(*count)).sum()
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.gaps.heap_bytes()
            + self.hints.values.capacity() * 16
            + self.volleys.iter().map(|volleys| volleys.intervals.capacity() * 4).sum::<usize>()
    }
}

/// Octave 0 is [0, 0.25 s), octave k is [2^(k-3), 2^(k-2)) s.
#[must_use]
#[inline]
pub fn octave_of(elapsed: i64) -> usize {
    let quarters = elapsed / (SECOND / 4);
    ((64 - quarters.leading_zeros()) as usize).min(OCTAVES - 1)
}
