//! Lags of the merged stream: how often one record comes so many milliseconds after another. Many workers that wait regularly but not
//! together leave no gap to see, yet each comes back after its wait, and that lag stands out. No key is needed.

use crate::time::MILLI;
use std::collections::VecDeque;

/// Width of a bin.
const BIN: i64 = 30 * MILLI;
/// Bins: lags up to 4 s.
const BINS: usize = 133;
/// Records remembered: up to 4 s of them at 128 a second.
const RING_MAX: usize = 512;
/// After so many records what is there is enough.
const RECORDS_MAX: u32 = 5000;
/// Lags below this are lines of one attempt, or a loop too tight for this.
const FIRST_BIN: usize = 3;
/// How far a peak stands above the rest, in its standard deviations: random streams never reached half of it.
const SURE: f64 = 8.0;
/// Records that make a peak.
const RECORDS_MIN: u32 = 60;

/// Lags of the first records of one fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lags {
    counts: [u16; BINS],
    /// Times of the latest records, in units of 0.1 ms since the first (five days of them).
    ring: VecDeque<u32>,
    first: i64,
    records: u32,
    /// Bins that the ring has covered all the time.
    covered: u8,
}

impl Lags {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(first: i64) -> Self {
        Self { counts: [0; BINS], ring: VecDeque::new(), first, records: 0, covered: BINS as u8 }
    }

    /// One record; records come in order of time.
    pub fn observe(&mut self, at: i64) {
        if self.records >= RECORDS_MAX {
            return;
        }
        self.records += 1;
        let now = u32::try_from((at - self.first).max(0) / (MILLI / 10)).unwrap_or(u32::MAX);
        let reach = (BIN * BINS as i64 / (MILLI / 10)) as u32;
        while self.ring.front().is_some_and(|then| now.saturating_sub(*then) >= reach) {
            self.ring.pop_front();
        }
        for then in &self.ring {
            let bin = now.saturating_sub(*then) as usize / (BIN / (MILLI / 10)) as usize;
            if let Some(count) = self.counts.get_mut(bin) {
                *count = count.saturating_add(1);
            }
        }
        if self.ring.len() == RING_MAX
            && let Some(oldest) = self.ring.pop_front()
        {
            let covered = now.saturating_sub(oldest) as usize / (BIN / (MILLI / 10)) as usize;
            self.covered = self.covered.min(covered as u8);
        }
        if self.records == RECORDS_MAX {
            self.ring = VecDeque::new();
        } else {
            self.ring.push_back(now);
        }
    }

    /// Adds what another node saw: each counts its own lags.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine = mine.saturating_add(theirs);
        }
        self.records = self.records.saturating_add(other.records);
        self.covered = self.covered.min(other.covered);
    }

    /// The lag that stands out, ms, and by how many standard deviations; `span` is how long the stream was watched, ns.
    #[must_use]
    pub fn peak(&self, span: i64) -> Option<(f64, f64)> {
        let covered = &self.counts[..usize::from(self.covered)];
        if self.records < RECORDS_MIN || covered.len() < 4 * FIRST_BIN {
            return None;
        }
        let mut sorted = covered[FIRST_BIN..].to_vec();
        sorted.sort_unstable();
        // The same lag twice, three times, is a peak, too: the level is what lies below all of them.
        let level = f64::from(sorted[sorted.len() / 2]).max(1.0);
        let z = |at: usize| (f64::from(covered[at]) - level) / level.sqrt();
        let best = (FIRST_BIN..covered.len()).max_by(|&a, &b| covered[a].cmp(&covered[b]).then(b.cmp(&a)))?;
        // The wait itself comes before its multiples.
        let at = (FIRST_BIN..=best).find(|&at| z(at) >= SURE && 2.0 * z(at) >= z(best))?;
        let top = if at + 1 < covered.len() && covered[at + 1] > covered[at] { at + 1 } else { at };
        // The peak's middle, weighed with its neighbours.
        let near = top.saturating_sub(1)..=(top + 1).min(covered.len() - 1);
        let (mut sum, mut weight) = (0.0, 0.0);
        for bin in near {
            let above = (f64::from(covered[bin]) - level).max(0.0);
            sum += above * (bin as f64 + 0.5);
            weight += above;
        }
        let peak_ms = sum / weight * (BIN / MILLI) as f64;
        (span as f64 > 10.0 * peak_ms * MILLI as f64).then_some((peak_ms, z(top)))
    }

    /// Bytes on the heap, and of the struct itself, which stands on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.ring.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of workers with one wait each, in order; `waits(worker, n)` in ms.
    fn lags(workers: i64, rounds: i64, wait: impl Fn(i64, i64) -> i64) -> (Lags, i64) {
        let mut times = Vec::new();
        for worker in 0..workers {
            let mut at = crate::diagnosis::spread(worker as u64 + 1) as i64 & 0x3FF;
            for n in 0..rounds {
                times.push(at);
                at += wait(worker, n);
            }
        }
        times.sort_unstable();
        let mut lags = Lags::new(times[0] * MILLI);
        times.iter().for_each(|at| lags.observe(at * MILLI));
        (lags, (times[times.len() - 1] - times[0]) * MILLI)
    }

    #[test]
    fn regular_waits_of_many_who_are_not_together_stand_out() {
        for workers in [3, 12, 20] {
            let (lags, span) = lags(workers, 50, |_, _| 1080);
            let (peak, z) = lags.peak(span).expect("a regular wait");
            assert!((1050.0..1110.0).contains(&peak) && z >= SURE, "{workers}: {peak} {z}");
        }
    }

    #[test]
    fn random_waits_show_none() {
        for seed in 0..20 {
            let (lags, span) =
                lags(12, 60, |worker, n| (crate::diagnosis::spread((seed * 1_000_003 + worker * 1009 + n + 1) as u64) % 2000) as i64 + 5);
            assert_eq!(lags.peak(span), None, "{seed}");
        }
    }

    #[test]
    fn a_few_records_show_none() {
        let (lags, span) = lags(3, 10, |_, _| 1000);
        assert_eq!(lags.peak(span), None);
    }
}
