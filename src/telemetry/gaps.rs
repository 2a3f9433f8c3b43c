//! Gaps between records of one worker, as a histogram that Prometheus can add over a fleet.

use hdrhistogram::Histogram;

/// Buckets besides `+Inf`: 1 ms, 2 ms, 4 ms ... 2,097 s (35 min). Powers of two from a fixed start are the same on every node, so they
/// add; below 1 ms nobody waits, beyond half an hour nobody storms.
pub const BUCKETS: usize = 22;

/// The upper bound of the first bucket in µs.
const FIRST_BOUND_US: u64 = 1000;

/// Counts per bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GapHistogram {
    /// Not cumulative; the last is what is longer than every bound.
    counts: [u64; BUCKETS + 1],
    sum_us: u64,
}

impl GapHistogram {
    /// Upper bounds in seconds, `+Inf` last.
    #[must_use]
    pub fn bounds() -> [f64; BUCKETS + 1] {
        std::array::from_fn(|at| if at == BUCKETS { f64::INFINITY } else { (FIRST_BOUND_US << at) as f64 / 1e6 })
    }

    /// Adds `count` gaps of `gap_us` microseconds.
    pub fn add(&mut self, gap_us: u64, count: u64) {
        // The smallest bucket whose bound is not below the gap.
        let at = (0..BUCKETS).find(|at| gap_us <= FIRST_BOUND_US << at).unwrap_or(BUCKETS);
        self.counts[at] += count;
        self.sum_us = self.sum_us.saturating_add(gap_us.saturating_mul(count));
    }

    /// Adds the gaps of a summary.
    pub fn add_all(&mut self, gaps: &Histogram<u32>) {
        for step in gaps.iter_recorded() {
            // The low end of its step: the round numbers that people configure stay on their side of a bound.
            self.add(gaps.lowest_equivalent(step.value_iterated_to()), u64::from(step.count_at_value()));
        }
    }

    /// Gaps per bucket, not cumulative, `+Inf` last.
    #[must_use]
    pub const fn counts(&self) -> &[u64; BUCKETS + 1] {
        &self.counts
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them one after the other, in seconds.
    #[must_use]
    pub fn sum_seconds(&self) -> f64 {
        self.sum_us as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_goes_to_the_first_bucket_that_holds_it() {
        let mut gaps = GapHistogram::default();
        for (gap_us, times) in [(0, 1), (1000, 1), (1001, 1), (2000, 1), (1_000_000, 5), (2_097_152_000, 1), (2_097_152_001, 1)] {
            gaps.add(gap_us, times);
        }
        let counts = gaps.counts();
        assert_eq!((counts[0], counts[1], counts[10], counts[21], counts[22]), (2, 2, 5, 1, 1));
        assert_eq!(gaps.count(), 11);
        assert_eq!(GapHistogram::bounds()[10], 1.024);
        assert_eq!(GapHistogram::bounds()[21], 2097.152);
    }

    #[test]
    fn the_gaps_of_a_summary_are_added_with_their_counts() {
        let mut of_summary = Histogram::<u32>::new_with_bounds(1, 3_600_000_000, 2).unwrap();
        of_summary.record_n(8000, 40).unwrap();
        of_summary.record_n(1_000_000, 2).unwrap();
        let mut gaps = GapHistogram::default();
        gaps.add_all(&of_summary);
        gaps.add_all(&of_summary);
        assert_eq!((gaps.count(), gaps.counts()[3], gaps.counts()[10]), (84, 80, 4));
        assert!((gaps.sum_seconds() - 4.64).abs() < 0.05, "{}", gaps.sum_seconds());
    }
}
