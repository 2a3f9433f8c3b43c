//! Is it often enough? The counts behind the two thresholds of a guess and behind a flood.

/// Counts in 1-s bins over 10 s and in 10-s bins over 10 min, of one fingerprint in one stream. Records older than the
/// bins are not counted.
#[derive(Clone, Debug)]
pub(super) struct GuessCounts {
    seconds: Bins<10>,
    tens: Bins<60>,
}

impl GuessCounts {
    pub(super) fn new(second: i64) -> Self {
        Self { seconds: Bins::new(second), tens: Bins::new(second.div_euclid(10)) }
    }

    /// Counts a record of `second`; whether one of the thresholds is reached (0 = never).
    pub(super) fn note(&mut self, second: i64, in_10s: u64, in_10min: u64) -> bool {
        self.seconds.note(second);
        self.tens.note(second.div_euclid(10));
        (in_10s > 0 && self.seconds.sum >= in_10s) || (in_10min > 0 && self.tens.sum >= in_10min)
    }
}

/// A ring of counts. A bin saturates at 65,535, far above any limit that is asked of it.
#[derive(Clone, Debug)]
struct Bins<const N: usize> {
    newest: i64,
    sum: u64,
    counts: [u16; N],
}

impl<const N: usize> Bins<N> {
    fn new(newest: i64) -> Self {
        Self { newest, sum: 0, counts: [0; N] }
    }

    #[inline]
    fn note(&mut self, bin: i64) {
        if bin > self.newest {
            self.roll(bin);
        } else if bin <= self.newest - N as i64 {
            return;
        }
        let count = &mut self.counts[bin.rem_euclid(N as i64) as usize];
        if *count < u16::MAX {
            *count += 1;
            self.sum += 1;
        }
    }

    fn roll(&mut self, bin: i64) {
        let steps = (bin - self.newest).min(N as i64);
        for passed in bin - steps + 1..=bin {
            let count = &mut self.counts[passed.rem_euclid(N as i64) as usize];
            self.sum -= u64::from(*count);
            *count = 0;
        }
        self.newest = bin;
    }
}

/// Seconds over which the rate of a flood is taken.
const FLOOD_SECONDS: i64 = 5;
/// A flood is over when its rate was below half of the limit for so many seconds.
const FLOOD_CALM_SECONDS: i64 = 60;

/// Largest limit of a flood that can be told, per second: what a bin holds.
pub(super) const FLOOD_LIMIT_MAX: u64 = u16::MAX as u64;

/// The 5-s mean of one fingerprint over all streams, by working time.
#[derive(Clone, Debug)]
pub(super) struct Flood {
    bins: Bins<5>,
    is_on: bool,
    calm_since: i64,
}

impl Flood {
    pub(super) fn new() -> Self {
        Self { bins: Bins::new(0), is_on: false, calm_since: 0 }
    }

    /// Counts a record of `second`; whether the fingerprint floods. The second that runs is part of the mean, so that a flood
    /// is seen with its 5 × `limit`th record and not a second later.
    #[inline]
    pub(super) fn note(&mut self, second: i64, limit: u64) -> bool {
        if second > self.bins.newest {
            if self.is_on {
                self.calm_down(second, limit);
            }
            self.bins.roll(second);
        }
        self.bins.note(second);
        self.is_on |= limit > 0 && self.bins.sum >= limit * FLOOD_SECONDS as u64;
        self.is_on
    }

    /// Whether it floods at `second`, for a record that feeds no rate.
    pub(super) const fn is_on(&self) -> bool {
        self.is_on
    }

    /// Walks the seconds that have passed since the newest, as if each had been looked at when it ended.
    fn calm_down(&mut self, second: i64, limit: u64) {
        let newest = self.bins.newest;
        let mut bins = self.bins.clone();
        // After FLOOD_SECONDS empty ones the mean stays 0: no need to walk further.
        for ended in newest..second.min(newest + FLOOD_SECONDS + 1) {
            bins.roll(ended);
            if bins.sum * 2 >= limit * FLOOD_SECONDS as u64 {
                self.calm_since = ended + 1;
            }
        }
        if second - self.calm_since >= FLOOD_CALM_SECONDS {
            self.is_on = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_in_ten_seconds_is_enough_and_nine_is_not() {
        let mut counts = GuessCounts::new(100);
        let reached: Vec<bool> = (0..10).map(|i| counts.note(100 + i, 10, 60)).collect();
        assert_eq!(reached.iter().position(|reached| *reached), Some(9));
        let mut slower = GuessCounts::new(100);
        assert!(!(0..30).any(|i| slower.note(100 + i * 2, 10, 60)));
    }

    #[test]
    fn sixty_in_ten_minutes_is_enough() {
        let mut counts = GuessCounts::new(0);
        let reached = (0..100).position(|i| counts.note(i * 9, 10, 60));
        assert_eq!(reached, Some(59));
        let mut slower = GuessCounts::new(0);
        assert!(!(0..1_000).any(|i| slower.note(i * 11, 10, 60)));
    }

    #[test]
    fn a_flood_begins_at_the_mean_of_100_and_ends_after_60_calm_seconds() {
        let mut flood = Flood::new();
        let floods: Vec<bool> = (0..1_000).map(|i| flood.note(50 + i / 100, 100)).collect();
        assert_eq!(floods.iter().position(|floods| *floods), Some(499));
        // Seconds 50..60 had 100 each; the mean over 5 s falls below 50 with the end of second 62.
        assert!((60..122).all(|second| flood.note(second, 100)));
        assert!(!flood.note(122, 100));
    }

    #[test]
    fn a_flood_that_stops_dead_is_over_when_the_next_line_comes_late() {
        let mut flood = Flood::new();
        assert!((0..600).any(|_| flood.note(50, 100)));
        assert!(!flood.note(500, 100));
    }

    #[test]
    fn half_the_rate_holds_a_flood() {
        let mut flood = Flood::new();
        assert!((0..500).any(|_| flood.note(50, 100)));
        assert!((51..300).all(|second| (0..50).all(|_| flood.note(second, 100))));
        let mut never = Flood::new();
        assert!(!(0..10_000).any(|_| never.note(50, 0)), "0 = never");
    }
}
