//! The only reader of the system clock. Everything behind the inputs gets its time as an argument.

use crate::time::UnixNanos;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The time of day now. A clock before 1970 reads as 1970, one behind 2262 as 2262.
#[must_use]
pub fn now() -> UnixNanos {
    of(SystemTime::now())
}

/// A point in system time (a file's modification time, say) in our own form.
#[must_use]
pub fn of(time: SystemTime) -> UnixNanos {
    let nanos = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    UnixNanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

/// The time of day without steps backwards: while the clock is behind what was told before (somebody set it back), time goes on at the pace of
/// a clock that cannot be set. So windows that wait for silence close as they would.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steady {
    last: Option<(UnixNanos, Instant)>,
}

impl Steady {
    /// The time of day now, and never before what was told last.
    pub fn now(&mut self) -> UnixNanos {
        self.at(now(), monotonic())
    }

    fn at(&mut self, day: UnixNanos, moment: Instant) -> UnixNanos {
        let going_on = self.last.map(|(last, then)| {
            let elapsed = moment.saturating_duration_since(then).as_nanos();
            last.plus(i64::try_from(elapsed).unwrap_or(i64::MAX))
        });
        let told = match (going_on, self.last) {
            (Some(going_on), Some((last, _))) if day < last => going_on,
            _ => day,
        };
        self.last = Some((told, moment));
        told
    }
}

/// A moment of a clock that never runs backwards: for pacing and deadlines, not for records.
#[must_use]
pub fn monotonic() -> std::time::Instant {
    std::time::Instant::now()
}

/// The same inside tokio, where tests can stop it and turn it on.
#[must_use]
pub fn monotonic_in_tokio() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND;
    use std::time::Duration;

    #[test]
    fn a_clock_that_is_set_back_goes_on_as_if_it_had_not_been() {
        let (mut steady, start) = (Steady::default(), monotonic());
        let mut at = |day: i64, moment: u64| steady.at(UnixNanos(day * SECOND), start + Duration::from_secs(moment)).0 / SECOND;
        assert_eq!([at(10_000, 0), at(10_001, 1)], [10_000, 10_001]);
        // An hour back, for everybody; here the seconds go on.
        assert_eq!([at(6_402, 2), at(6_403, 3), at(6_413, 13)], [10_002, 10_003, 10_013]);
        // It catches up, or is set right.
        assert_eq!([at(10_012, 3_612), at(14_000, 3_613)], [13_612, 14_000]);
        // Set forward: there is no reason not to believe it.
        assert_eq!(at(90_000, 3_614), 90_000);
    }
}
