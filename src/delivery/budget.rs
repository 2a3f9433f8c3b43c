//! Two meters that pace requests: how many of them may be retries, and how many bytes a second may go. No clock: time is passed in.

use std::time::Duration;

/// Retries that can be saved up by success, beside the floor of one minute: enough to find one bad record in a thousand (ten cuts, two
/// requests each), too few for a storm.
const SAVED_MAX: f64 = 20.0;

/// Fewest retries a minute, whatever is set: data in the store is never given up.
const FLOOR_PER_MINUTE_MIN: f64 = 1.0;

/// Retries that may be made: a floor per minute, and a share of what succeeds.
#[derive(Clone, Debug)]
pub struct RetryBudget {
    per_second: f64,
    ratio: f64,
    most: f64,
    saved: f64,
    at: Duration,
}

impl RetryBudget {
    /// A full budget.
    #[must_use]
    pub fn new(ratio: f64, floor_per_minute: u32) -> Self {
        let floor = f64::from(floor_per_minute).max(FLOOR_PER_MINUTE_MIN);
        Self { per_second: floor / 60.0, ratio: ratio.clamp(0.0, 1.0), most: floor + SAVED_MAX, saved: floor, at: Duration::ZERO }
    }
    /// When the next retry may be made.
    #[must_use]
    pub fn ready_at(&self, now: Duration) -> Duration {
        let saved = self.saved_at(now);
        // A billionth of a retry is a rounding error.
        if saved > 1.0 - 1e-9 { now } else { now + Duration::from_secs_f64((1.0 - saved) / self.per_second) }
    }
    /// A retry is made.
    pub fn spend(&mut self, now: Duration) {
        self.saved = (self.saved_at(now) - 1.0).max(0.0);
        self.at = now;
    }
    /// A request succeeded.
    pub fn earn(&mut self, now: Duration) {
        self.saved = (self.saved_at(now) + self.ratio).min(self.most);
        self.at = now;
    }
    /// Time fills it up to the floor of one minute, success beyond.
    fn saved_at(&self, now: Duration) -> f64 {
        let floor = self.per_second * 60.0;
        if self.saved >= floor {
            return self.saved;
        }
        (self.saved + now.saturating_sub(self.at).as_secs_f64() * self.per_second).min(floor)
    }
}

/// Bytes a second. A request may be larger than what a second allows: the next one waits for it.
#[derive(Clone, Debug)]
pub struct ByteRate {
    per_second: u64,
    free_at: Duration,
}

impl ByteRate {
    /// 0 = no limit.
    #[must_use]
    pub const fn new(per_second: u64) -> Self {
        Self { per_second, free_at: Duration::ZERO }
    }
    /// When the next request may go.
    #[must_use]
    pub fn ready_at(&self, now: Duration) -> Duration {
        // A second's worth may go at once.
        now.max(self.free_at.saturating_sub(Duration::from_secs(1)))
    }
    /// A request goes.
    pub fn spend(&mut self, now: Duration, bytes: usize) {
        if self.per_second > 0 {
            self.free_at = self.free_at.max(now) + Duration::from_secs_f64(bytes as f64 / self.per_second as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_budget_of_ten_a_minute_lets_ten_through_and_then_one_each_six_seconds() {
        let mut budget = RetryBudget::new(0.1, 10);
        for _ in 0..10 {
            assert_eq!(budget.ready_at(secs(5)), secs(5));
            budget.spend(secs(5));
        }
        assert_eq!(budget.ready_at(secs(5)), secs(11));
        assert_eq!(budget.ready_at(secs(11)), secs(11));
    }

    #[test]
    fn ten_requests_that_succeed_earn_one_retry_and_savings_have_an_end() {
        let mut budget = RetryBudget::new(0.1, 10);
        for _ in 0..10 {
            budget.spend(secs(0));
        }
        for _ in 0..11 {
            budget.earn(secs(0));
        }
        assert_eq!(budget.ready_at(secs(0)), secs(0));
        for _ in 0..100_000 {
            budget.earn(secs(0));
        }
        let allowed = (0..1000).take_while(|_| {
            let is_allowed = budget.ready_at(secs(0)) == secs(0);
            budget.spend(secs(0));
            is_allowed
        });
        assert_eq!(allowed.count(), 30);
    }

    #[test]
    fn a_budget_of_nothing_still_retries_once_a_minute() {
        let mut budget = RetryBudget::new(0.0, 0);
        budget.spend(secs(0));
        assert_eq!(budget.ready_at(secs(0)), secs(60));
    }

    #[test]
    fn bytes_are_averaged_over_a_second() {
        let mut rate = ByteRate::new(1000);
        rate.spend(secs(10), 800);
        assert_eq!(rate.ready_at(secs(10)), secs(10));
        rate.spend(secs(10), 2200);
        assert_eq!(rate.ready_at(secs(10)), secs(12));
        let mut unlimited = ByteRate::new(0);
        unlimited.spend(secs(10), 1 << 40);
        assert_eq!(unlimited.ready_at(secs(10)), secs(10));
    }
}
