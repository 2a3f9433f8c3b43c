//! Counters that are born at zero.
//!
//! Prometheus' `increase()` sees what a counter gained between two scrapes. A series that is born with a value gained nothing: the one
//! retry that each of 1,000 nodes logs would be invisible. So the counter of a fingerprint is exposed as 0 when it is first scraped, and
//! with its value only when that scrape's interval has passed: two scrapers that take turns both see the zero.

use std::collections::BTreeMap;
use std::time::Duration;

/// When each series was first scraped.
#[derive(Debug)]
pub struct Births {
    held: Duration,
    /// By admission number; as many as there are series.
    first_scrapes: BTreeMap<u64, Duration>,
}

impl Births {
    /// New series stay at zero for `held`.
    #[must_use]
    pub const fn new(held: Duration) -> Self {
        Self { held, first_scrapes: BTreeMap::new() }
    }

    /// The value to expose at a scrape at `now` (since the start) for the series that was admitted as number `admission`.
    pub fn value(&mut self, admission: u64, value: u64, now: Duration) -> u64 {
        let first = *self.first_scrapes.entry(admission).or_insert(now);
        let is_first = first == now;
        if is_first || now.saturating_sub(first) < self.held { 0 } else { value }
    }

    /// Forgets series that are no more.
    pub fn keep(&mut self, mut is_there: impl FnMut(u64) -> bool) {
        self.first_scrapes.retain(|admission, _| is_there(*admission));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a scrape at each time (in s) sees of a series with the value 3.
    fn seen(held: u64, times: &[u64]) -> Vec<u64> {
        let mut births = Births::new(Duration::from_secs(held));
        times.iter().map(|at| births.value(1, 3, Duration::from_secs(*at))).collect()
    }

    #[test]
    fn a_counter_is_born_at_zero_and_has_its_value_one_interval_later() {
        assert_eq!(seen(15, &[100, 115, 130]), [0, 3, 3]);
    }

    #[test]
    fn both_of_two_scrapers_see_the_zero() {
        assert_eq!(seen(15, &[100, 107, 115, 122]), [0, 0, 3, 3]);
    }

    #[test]
    fn the_first_scrape_sees_zero_however_short_the_hold() {
        assert_eq!(seen(0, &[100, 101]), [0, 3]);
    }

    #[test]
    fn a_series_that_comes_back_is_born_again() {
        let mut births = Births::new(Duration::from_secs(15));
        births.value(1, 3, Duration::from_secs(100));
        births.keep(|admission| admission == 2);
        assert_eq!(births.first_scrapes.len(), 0);
        assert_eq!(births.value(2, 9, Duration::from_secs(700)), 0);
        assert_eq!(births.value(2, 9, Duration::from_secs(715)), 9);
    }
}
