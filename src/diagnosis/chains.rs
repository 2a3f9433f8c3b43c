//! Interval chains: what one worker does from attempt to attempt. Keys are kept bottom-32 by hash, which is at the same time an
//! unbiased sample and a distinct counter (KMV), and the same whatever the order of records.

use super::Observation;
use super::histogram::{Cells, Counts, interval_bounds, interval_bucket, log2_fixed, ratio_bucket_of};
use crate::time::{MILLI, SECOND};

/// Keys kept: more chains would say the same again.
pub const KEYS_MAX: usize = 32;
/// Positions in a chain that have a histogram of their own.
pub const POSITIONS: usize = 12;
/// Records of one worker closer than this belong to one attempt (in the lane of attempts): an attempt may write several lines.
pub const SAME_ATTEMPT: i64 = 30 * MILLI;
/// Intervals of the sample key kept one by one, to find cycles and to judge few records exactly.
const SAMPLE_GAPS: usize = 24;
/// Stated delays of the sample key kept, to find a backoff that starts again.
const STATED_SAMPLE: usize = 16;
/// A pause longer than this (and than 8 x the interval before) starts a new chain.
const CHAIN_PAUSE: i64 = 60 * SECOND;

/// One position of the chain: histogram for many, mean for few.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Intervals by bucket.
    pub counts: Counts,
    /// Sum of intervals, us.
    pub sum_us: u64,
}

/// Intervals of chains, all keys together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// By position in the chain.
    cells: Cells,
    /// Sum of intervals by position, us.
    sums_us: [u64; POSITIONS],
    /// All of them.
    pub all: Counts,
    /// Ratios of neighbours.
    pub ratios: Counts,
    /// Sum of all intervals, us.
    pub sum_us: u64,
    /// Chains begun.
    pub chains: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chain {
    /// Start of the last attempt, ns; `i64::MIN` before the first.
    last: i64,
    /// The last attempt number; -1 when there is none.
    attempt: i32,
    /// log2 of the last interval in ns, in 1/1,024 octaves; 0 when there is none.
    previous_log: u16,
    position: u8,
    /// Which way attempts are numbered: 0 not seen, 1 up, -1 down.
    direction: i8,
}

/// Before the first record.
const FRESH: Chain = Chain { last: i64::MIN, attempt: -1, previous_log: 0, position: 0, direction: 0 };

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    hash: u64,
    /// Every record.
    lines: Chain,
}

/// Records of one worker within 30 ms taken together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Attempts {
    lane: Lane,
    /// Of each key, in the order of the key table.
    chains: Vec<Chain>,
}

/// The key table and its two lanes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chains {
    /// Ascending by hash.
    keys: Vec<Key>,
    /// Where a hash was found last, by its low bits: workers take turns, and a wrong guess only costs the search.
    guesses: [u8; 32],
    is_overfull: bool,
    /// Every record is an attempt.
    pub lines: Lane,
    /// Records of one worker within 30 ms are one attempt; absent while no two were so close (it would be the same as `lines`).
    attempts: Option<Box<Attempts>>,
    /// The same number twice in a row behind one key, more than 30 ms apart.
    pub repeated_attempts: u64,
    /// Steps of the attempt number: 1, and more (log lines left out or lost).
    pub single_steps: u64,
    /// See `single_steps`.
    pub longer_steps: u64,
    /// Attempts made according to the numbers: sum of steps upwards.
    pub attempts_by_number: u64,
    /// Steps downwards by one within a chain.
    pub down_steps: u64,
    sample_key: u64,
    /// Intervals of the sample key, us.
    sample: Vec<u32>,
    /// Delays that the sample key stated, us, in order.
    stated: Vec<u32>,
}

impl Chains {
    /// Takes one record; `key` is never 0. Records of one key come in order of time. Gives back the position in the chain of the
    /// interval that follows.
    pub fn observe(&mut self, key: u64, seen: &Observation) -> usize {
        let Some(slot) = self.slot(key) else { return POSITIONS };
        let before = self.keys[slot].lines;
        let since_last = if before.last == i64::MIN { i64::MAX } else { seen.at - before.last };
        if since_last < 0 {
            return usize::from(before.position);
        }
        let is_same_attempt = since_last < SAME_ATTEMPT;
        if is_same_attempt && self.attempts.is_none() {
            // Of the table's capacity, so that both grow alike.
            let mut chains = Vec::with_capacity(self.keys.capacity());
            chains.extend(self.keys.iter().map(|entry| entry.lines));
            self.attempts = Some(Box::new(Attempts { lane: self.lines.clone(), chains }));
        }
        let attempt = seen.attempt.map_or(-1, |number| number.min(i32::MAX as u32) as i32);
        self.count_steps(&before, attempt, is_same_attempt);
        let entry = &mut self.keys[slot];
        let mut interval = entry.lines.observe(seen.at, attempt, &mut self.lines);
        if is_same_attempt {
            interval = None;
        } else if let Some(attempts) = &mut self.attempts {
            interval = attempts.chains[slot].observe(seen.at, attempt, &mut attempts.lane);
        }
        let position = usize::from(entry.lines.position);
        if self.sample_key == 0 {
            self.sample_key = key;
        }
        if let Some(delay) = seen.delay
            && key == self.sample_key
            && self.stated.len() < STATED_SAMPLE
        {
            self.stated.push(micros(delay));
        }
        if let Some(interval) = interval
            && key == self.sample_key
            && self.sample.len() < SAMPLE_GAPS
        {
            self.sample.push(micros(interval));
        }
        position
    }

    fn count_steps(&mut self, before: &Chain, attempt: i32, is_same_attempt: bool) {
        if attempt < 0 || before.attempt < 0 {
            return;
        }
        let step = i64::from(attempt) - i64::from(before.attempt);
        match step {
            0 if !is_same_attempt => self.repeated_attempts += 1,
            1 => self.single_steps += 1,
            2.. => self.longer_steps += 1,
            -1 if before.direction < 0 => self.down_steps += 1,
            _ => {}
        }
        self.attempts_by_number += step.max(0) as u64;
    }

    /// Intervals between attempts where several records make one.
    #[must_use]
    pub fn attempts(&self) -> &Lane {
        self.attempts.as_deref().map_or(&self.lines, |attempts| &attempts.lane)
    }

    /// Waits of the kept keys that have not ended at `now`: (position, ns so far).
    #[must_use]
    pub fn open_waits(&self, now: i64, of_attempts: bool) -> Vec<(usize, i64)> {
        let chain = |(at, key): (usize, &Key)| match &self.attempts {
            Some(attempts) if of_attempts => attempts.chains[at],
            _ => key.lines,
        };
        let chains = self.keys.iter().enumerate().map(chain);
        chains.filter(|chain| chain.last != i64::MIN && chain.last < now).map(|chain| (usize::from(chain.position), now - chain.last)).collect()
    }

    fn slot(&mut self, key: u64) -> Option<usize> {
        let guess = usize::from(self.guesses[(key & 31) as usize]);
        if self.keys.get(guess).is_some_and(|entry| entry.hash == key) {
            return Some(guess);
        }
        if self.keys.len() == KEYS_MAX && self.keys.last().is_some_and(|last| key > last.hash) {
            // Where there are many workers, most of them.
            self.is_overfull = true;
            return None;
        }
        let at = match self.keys.binary_search_by_key(&key, |entry| entry.hash) {
            Ok(at) => at,
            Err(at) => {
                if self.keys.len() == KEYS_MAX {
                    self.is_overfull = true;
                    if at == KEYS_MAX {
                        return None;
                    }
                    self.keys.pop();
                }
                self.keys.insert(at, Key { hash: key, lines: FRESH });
                if let Some(attempts) = &mut self.attempts {
                    attempts.chains.truncate(KEYS_MAX - 1);
                    attempts.chains.insert(at, FRESH);
                }
                at
            }
        };
        self.guesses[(key & 31) as usize] = at as u8;
        Some(at)
    }

    /// Distinct keys, and whether that is an estimate (more than are kept).
    #[must_use]
    pub fn distinct(&self) -> (u64, bool) {
        if !self.is_overfull {
            return (self.keys.len() as u64, false);
        }
        let largest = self.keys.last().map_or(u64::MAX, |entry| entry.hash) as f64;
        (((KEYS_MAX - 1) as f64 / (largest / 2f64.powi(64))).round() as u64, true)
    }

    /// The first intervals of one worker, ms, in order of time.
    #[must_use]
    pub fn sample_ms(&self) -> Vec<f64> {
        self.sample.iter().map(|micros| f64::from(*micros) / 1000.0).collect()
    }

    /// The first delays that one worker stated, ms, in order of time.
    #[must_use]
    pub fn stated_ms(&self) -> Vec<f64> {
        self.stated.iter().map(|micros| f64::from(*micros) / 1000.0).collect()
    }

    /// Adds what another node saw of other keys (a key lives on one node).
    pub fn merge(&mut self, other: &Self) {
        if self.attempts.is_some() || other.attempts.is_some() {
            let mut both: Vec<(u64, Chain)> = self.attempt_chains().chain(other.attempt_chains()).collect();
            both.sort_by_key(|chain| chain.0);
            both.dedup_by_key(|chain| chain.0);
            both.truncate(KEYS_MAX);
            let mut lane = self.attempts().clone();
            lane.merge(other.attempts());
            self.attempts = Some(Box::new(Attempts { lane, chains: both.into_iter().map(|chain| chain.1).collect() }));
        }
        self.lines.merge(&other.lines);
        self.repeated_attempts += other.repeated_attempts;
        self.single_steps += other.single_steps;
        self.longer_steps += other.longer_steps;
        self.attempts_by_number += other.attempts_by_number;
        self.down_steps += other.down_steps;
        self.is_overfull |= other.is_overfull;
        for key in &other.keys {
            if let Err(at) = self.keys.binary_search_by_key(&key.hash, |entry| entry.hash) {
                self.keys.insert(at, key.clone());
            }
        }
        if self.keys.len() > KEYS_MAX {
            self.keys.truncate(KEYS_MAX);
            self.is_overfull = true;
        }
        if (other.sample.len(), self.sample_key) > (self.sample.len(), other.sample_key) {
            self.sample.clone_from(&other.sample);
            self.stated.clone_from(&other.stated);
            self.sample_key = other.sample_key;
        }
    }

    /// Each key with its chain of attempts.
    fn attempt_chains(&self) -> impl Iterator<Item = (u64, Chain)> {
        self.keys.iter().enumerate().map(|(at, key)| (key.hash, self.attempts.as_ref().map_or(key.lines, |attempts| attempts.chains[at])))
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.keys.capacity() * size_of::<Key>()
            + (self.sample.capacity() + self.stated.capacity()) * 4
            + self.lines.heap_bytes()
            + self
                .attempts
                .as_ref()
                .map_or(0, |attempts| size_of::<Attempts>() + attempts.lane.heap_bytes() + attempts.chains.capacity() * size_of::<Chain>())
    }
}

impl Chain {
    /// One attempt; gives back the interval to the one before, where both belong together.
    fn observe(&mut self, at: i64, attempt: i32, lane: &mut Lane) -> Option<i64> {
        if self.last == i64::MIN {
            self.restart(at, attempt, lane);
            return None;
        }
        let gap = at - self.last;
        if attempt >= 0 && self.attempt >= 0 {
            let step = attempt - self.attempt;
            let direction = step.signum() as i8;
            let goes_on = step != 0 && (direction == self.direction || self.direction == 0 && (direction > 0 || step == -1));
            if !goes_on {
                self.restart(at, attempt, lane);
                // The pause of an outer loop is an interval all the same, though no position of the chain.
                return (step != 0).then_some(gap);
            }
            self.direction = direction;
            if step.abs() > 1 {
                // Lines were lost, or not every attempt is logged.
                *self = Self { last: at, attempt, previous_log: 0, position: position_of(attempt, direction), direction };
                return None;
            }
        }
        let log = (log2_fixed(gap) >> 6) as u16;
        // Eight times as long is three octaves more.
        if gap > CHAIN_PAUSE && (self.previous_log == 0 || log > self.previous_log + 3 * 1024) {
            self.restart(at, attempt, lane);
            return None;
        }
        lane.add(usize::from(self.position), gap, (self.previous_log > 0).then(|| ratio_bucket_of(i64::from(log) - i64::from(self.previous_log))));
        self.previous_log = log.max(1);
        self.last = at;
        self.attempt = if attempt >= 0 { attempt } else { self.attempt };
        self.position = self.position.saturating_add(1);
        Some(gap)
    }

    fn restart(&mut self, at: i64, attempt: i32, lane: &mut Lane) {
        lane.chains += 1;
        // A chain that is joined in its middle keeps its place.
        *self = Self { last: at, attempt, position: position_of(attempt.max(0), 1), ..FRESH };
    }
}

/// Microseconds of a duration in ns: up to 71 minutes.
fn micros(nanos: i64) -> u32 {
    u32::try_from(nanos.max(0) / 1000).unwrap_or(u32::MAX)
}

/// Position of the interval that follows an attempt. Numbers may begin at 0 or 1, so the number itself is the place; a chain that
/// counts down says nothing about its place.
fn position_of(attempt: i32, direction: i8) -> u8 {
    if direction < 0 { 0 } else { attempt.clamp(0, 250) as u8 }
}

impl Lane {
    fn add(&mut self, position: usize, interval: i64, ratio: Option<i16>) {
        let bucket = interval_bucket(interval);
        let micros = (interval / 1000) as u64;
        if let Some(sum) = self.sums_us.get_mut(position) {
            self.cells.add(position, bucket);
            *sum += micros;
        }
        self.all.add(bucket);
        self.sum_us += micros;
        if let Some(ratio) = ratio {
            self.ratios.add(ratio);
        }
    }

    /// The positions of the chain, one by one.
    #[must_use]
    pub fn positions(&self) -> Vec<Position> {
        self.sums_us.iter().enumerate().map(|(at, sum_us)| Position { counts: self.cells.row(at), sum_us: *sum_us }).collect()
    }

    /// The typical interval, ms: the mean where it lies in the bucket of the median (exact for regular waits), else the median.
    #[must_use]
    pub fn typical_ms(&self) -> f64 {
        typical_ms(&self.all, self.sum_us)
    }

    /// Intervals at `position` and later.
    #[must_use]
    pub fn beyond(&self, position: usize) -> u64 {
        self.all.total().saturating_sub(self.positions().iter().take(position).map(|place| place.counts.total()).sum::<u64>())
    }

    fn merge(&mut self, other: &Self) {
        self.cells.merge(&other.cells);
        for (mine, theirs) in self.sums_us.iter_mut().zip(other.sums_us) {
            *mine += theirs;
        }
        self.all.merge(&other.all);
        self.ratios.merge(&other.ratios);
        self.sum_us += other.sum_us;
        self.chains += other.chains;
    }

    fn heap_bytes(&self) -> usize {
        self.cells.heap_bytes() + self.all.heap_bytes() + self.ratios.heap_bytes()
    }
}

impl Position {
    /// The typical interval at this position, ms.
    #[must_use]
    pub fn typical_ms(&self) -> f64 {
        typical_ms(&self.counts, self.sum_us)
    }
}

fn typical_ms(counts: &Counts, sum_us: u64) -> f64 {
    let mean = sum_us as f64 / counts.total().max(1) as f64 / 1000.0;
    // A mean of one or two values is exact; of more it must agree with the median.
    let median = counts.quantile(0.5, interval_bounds);
    let is_close = (mean / median.max(0.01)).ln().abs() < 0.1;
    if counts.total() < 3 || is_close { mean } else { median }
}
