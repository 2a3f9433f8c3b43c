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
/// What a bin counts at most.
const COUNT_MAX: u32 = 0xFFFF;
/// Lags below this are lines of one attempt, or a loop too tight for this.
const FIRST_BIN: usize = 3;
/// How far a peak stands above the rest, in its standard deviations: random streams never reached half of it.
const SURE: f64 = 8.0;
/// From so many records in a bin on they are counted together: looking for the ends of a bin takes as long as so many.
const PER_BIN: usize = 8;
/// Records that make a peak.
const RECORDS_MIN: u32 = 60;

/// Lags of the first records of one fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lags {
    /// By bin; told as at most [`COUNT_MAX`].
    counts: [u32; BINS],
    /// Times of the latest records, in units of 0.1 ms since the first (five days of them).
    ring: VecDeque<u32>,
    /// Whether each of them is as late as the one before, or later.
    is_ordered: bool,
    first: i64,
    records: u32,
    /// Bins that the ring has covered all the time.
    covered: u8,
}

impl Lags {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(first: i64) -> Self {
        Self { counts: [0; BINS], ring: VecDeque::new(), is_ordered: true, first, records: 0, covered: BINS as u8 }
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
        self.count_lags(now);
        if self.ring.len() == RING_MAX
            && let Some(oldest) = self.ring.pop_front()
        {
            let covered = now.saturating_sub(oldest) as usize / (BIN / (MILLI / 10)) as usize;
            self.covered = self.covered.min(covered as u8);
        }
        if self.records == RECORDS_MAX {
            self.ring = VecDeque::new();
        } else {
            // A record may still step back that comes after hundreds in order.
            self.is_ordered = self.ring.back().is_none_or(|latest| *latest <= now && self.is_ordered);
            self.ring.push_back(now);
        }
    }

    /// Counts the lags of a record at `now` behind those in the ring.
    fn count_lags(&mut self, now: u32) {
        const UNITS: u32 = (BIN / (MILLI / 10)) as u32;
        let (Some(&oldest), Some(&newest)) = (self.ring.front(), self.ring.back()) else { return };
        if !self.is_ordered || newest > now {
            for then in &self.ring {
                if let Some(count) = self.counts.get_mut((now.saturating_sub(*then) / UNITS) as usize) {
                    *count += 1;
                }
            }
            return;
        }
        let bins = ((now - oldest) / UNITS + 1) as usize;
        if self.ring.len() < PER_BIN * bins {
            return self.count_one_by_one(now);
        }
        let (older, newer) = self.ring.as_slices();
        for mut left in [newer, older] {
            // From the latest back, a bin at a time.
            while let Some(&latest) = left.last() {
                let bin = now.saturating_sub(latest) / UNITS;
                let rest = now.checked_sub((bin + 1).saturating_mul(UNITS)).map_or(0, |before| not_after(left, before));
                if let Some(count) = self.counts.get_mut(bin as usize) {
                    *count += (left.len() - rest) as u32;
                }
                left = &left[..rest];
            }
        }
    }

    /// The same where the ring is in order and reaches back by less than [`BINS`] bins, in a loop that becomes vector instructions.
    fn count_one_by_one(&mut self, now: u32) {
        let mut found = [0u16; 256];
        let (older, newer) = self.ring.as_slices();
        for times in [older, newer] {
            let (whole, rest) = times.as_chunks::<16>();
            for times in whole {
                // Two loops of fixed length: the first becomes vector instructions.
                let mut bins = [0; 16];
                for at in 0..16 {
                    bins[at] = bin_of(now, times[at]);
                }
                for at in 0..16 {
                    found[usize::from(bins[at])] += 1;
                }
            }
            for then in rest {
                found[usize::from(bin_of(now, *then))] += 1;
            }
        }
        for (count, more) in self.counts.iter_mut().zip(found) {
            *count += u32::from(more);
        }
    }

    /// Adds what another node saw: each counts its own lags.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine = ((*mine).min(COUNT_MAX) + theirs.min(COUNT_MAX)).min(COUNT_MAX);
        }
        self.records = self.records.saturating_add(other.records);
        self.covered = self.covered.min(other.covered);
    }

    /// The lag that stands out, ms, and by how many standard deviations; `span` is how long the stream was watched, ns.
    #[must_use]
    pub fn peak(&self, span: i64) -> Option<(f64, f64)> {
        let counts = self.counts.map(|count| count.min(COUNT_MAX));
        let covered = &counts[..usize::from(self.covered)];
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

/// The bin of a lag of less than 2^16 units: a division by 300 as a product of 16 bits (24 bits behind the point, exact below 2^16).
#[inline]
const fn bin_of(now: u32, then: u32) -> u8 {
    let lag = (now as u16).wrapping_sub(then as u16);
    (((lag as u32 * 55_925) >> 16) as u16 >> 8) as u8
}

/// How many of these ascending times are not after `before`.
fn not_after(times: &[u32], before: u32) -> usize {
    // In growing steps from the end: most bins are short.
    let (mut step, mut end) = (8, times.len());
    while end >= step && times[end - step] > before {
        end -= step;
        step *= 2;
    }
    let from = end.saturating_sub(step);
    from + times[from..end].partition_point(|time| *time <= before)
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

    /// Times in units of 0.1 ms; what is counted is what counting one by one gives.
    fn check_counts(times: &[i64]) {
        let mut lags = Lags::new(0);
        let mut expected = [0u32; BINS];
        for (at, now) in times.iter().enumerate() {
            lags.observe(now * (MILLI / 10));
            for then in &times[at.saturating_sub(RING_MAX)..at] {
                let bin = (now - then).max(0) / 300;
                if let Some(count) = expected.get_mut(bin as usize) {
                    *count += 1;
                }
            }
        }
        assert_eq!(lags.counts, expected);
    }

    #[test]
    fn a_bin_is_the_lag_divided_by_its_width() {
        assert!((0..(BINS as u32) * 300).all(|lag| u32::from(bin_of(1_000_000 + lag, 1_000_000)) == lag / 300));
    }

    #[test]
    fn lags_are_counted_bin_by_bin_as_one_by_one() {
        let random = |n: u64, below: u64| crate::diagnosis::spread(n + 1) % below;
        for spacing in [1, 7, 300, 5_000] {
            let mut times = vec![0];
            (0..1_500).for_each(|n| times.push(times[times.len() - 1] + random(n, spacing * 2) as i64));
            check_counts(&times);
        }
        check_counts(&[0, 299, 300, 599, 600, 600, 900, 10_000, 10_299, 10_300]);
        check_counts(&[5_000, 6_000, 5_500, 5_400, 7_000, 100, 8_000]);
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
