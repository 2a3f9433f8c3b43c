//! The bursts a fingerprint has had before: what comes on time, and is no larger and no longer than before, is usual.
//!
//! A batch of each full hour whose jobs are tried three times looks like a storm for as long as it runs. Nothing in its first seconds tells it
//! from one; that it came an hour ago, and the hour before, and ended by itself, does. So its first two times are told, later ones are not, unless
//! they outgrow what was there before. A storm that happens to begin with the batch is told as soon as it does.

/// Bursts remembered: a day of hourly ones, and some more.
const BURSTS_MAX: usize = 32;
/// Shorter ones are no evidence: fewer records than this (attempts) are noise around the limit.
const RECORDS_MIN: u64 = 30;
/// One that lasts longer (s) was an outage, whenever it came: it makes nothing usual.
const SECONDS_MAX: i64 = 300;
/// Two rises closer than this (s) are one burst.
const SAME: i64 = 120;
/// Closer bursts (s) are no rhythm: a storm in pulses has one, too.
const PERIOD_MIN: i64 = 600;
/// What begins within this time (s) of the expected moment is on time.
const ON_TIME: i64 = 120;
/// Earlier bursts that make a rhythm.
const BEFORE_MIN: usize = 2;
/// Rate and length up to which it is like those before: times the largest of them ...
const RATE_TIMES: f64 = 2.0;
const LENGTH_TIMES: f64 = 1.5;
/// ... and so much longer (s).
const LENGTH_MORE: f64 = 10.0;
const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rise {
    /// Unix second of its beginning; `u32` lasts until 2106.
    start: u32,
    /// Length, s.
    seconds: u16,
    /// Greatest mean of five seconds, records/s, rounded up; 0: there is none.
    rate: u16,
}

/// The bursts of one fingerprint; most never have any, so they cost no memory until then.
#[derive(Clone, Debug, Default)]
pub(super) struct Rises {
    /// Empty, or [`BURSTS_MAX`] places.
    ring: Box<[Rise]>,
    next: u8,
}

impl Rises {
    /// A rise from `start` to `end` (seconds) is over by itself; `rate`: the greatest mean of five seconds.
    pub(super) fn note(&mut self, start: i64, end: i64, rate: f64, records: u64) {
        if records < RECORDS_MIN || start < 0 {
            return;
        }
        if self.ring.is_empty() {
            self.ring = Box::new([Rise::default(); BURSTS_MAX]);
        }
        let last = (usize::from(self.next) + BURSTS_MAX - 1) % BURSTS_MAX;
        let before = self.ring[last];
        let goes_on = before.rate > 0 && start - (i64::from(before.start) + i64::from(before.seconds)) <= SAME;
        let start = if goes_on { i64::from(before.start) } else { start };
        let rate = (rate.ceil() as u16).max(1).max(if goes_on { before.rate } else { 0 });
        let seconds = (end - start + 1).clamp(1, i64::from(u16::MAX)) as u16;
        let place = if goes_on { last } else { usize::from(self.next) };
        self.ring[place] = Rise { start: start as u32, seconds, rate };
        self.next = ((place + 1) % BURSTS_MAX) as u8;
    }

    /// Whether a rise that began at `start`, has lasted for `seconds` and reached `rate`, comes in the rhythm of earlier ones and is like them.
    pub(super) fn expect(&self, start: i64, seconds: i64, rate: f64) -> bool {
        let earlier = || self.ring.iter().filter(move |burst| burst.rate > 0 && start - i64::from(burst.start) >= PERIOD_MIN);
        let lasted = |burst: &&Rise| i64::from(burst.seconds) <= SECONDS_MAX;
        let in_phase = |burst: &&Rise, period: i64| {
            let off = (start - i64::from(burst.start)).rem_euclid(period);
            off.min(period - off) <= ON_TIME
        };
        let is_like =
            |burst: &Rise| rate <= RATE_TIMES * f64::from(burst.rate) && seconds as f64 <= LENGTH_TIMES * f64::from(burst.seconds) + LENGTH_MORE;
        let has_its_like = |period: i64| earlier().filter(lasted).filter(|burst| in_phase(burst, period)).any(is_like);
        let count = |period: i64| earlier().filter(lasted).filter(|burst| in_phase(burst, period)).count();
        // The same minute of the hour, and not just one of many that came at any time.
        let of_the_day = earlier().filter(|burst| start - i64::from(burst.start) <= DAY + ON_TIME).count();
        let is_hourly = count(HOUR) >= BEFORE_MIN && 3 * count(HOUR) >= of_the_day && has_its_like(HOUR);
        let is_daily = count(DAY) >= BEFORE_MIN && has_its_like(DAY);
        is_hourly || is_daily || self.expect_after_a_gap(start).is_some_and(|two| two.iter().filter(lasted).count() == 2 && two.iter().any(is_like))
    }

    /// The last two bursts, if `start` follows them after the same gap that is between them.
    fn expect_after_a_gap(&self, start: i64) -> Option<[Rise; 2]> {
        if self.ring.is_empty() {
            return None;
        }
        let nth = |back: usize| self.ring[(usize::from(self.next) + BURSTS_MAX - back) % BURSTS_MAX];
        let two = [nth(1), nth(2)];
        let gaps = [start - i64::from(two[0].start), i64::from(two[0].start) - i64::from(two[1].start)];
        let is_rhythm = two.iter().all(|burst| burst.rate > 0) && gaps.iter().all(|gap| *gap >= PERIOD_MIN) && (gaps[0] - gaps[1]).abs() <= ON_TIME;
        is_rhythm.then_some(two)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23T00:00:00Z.
    const MIDNIGHT: i64 = 1_795_392_000;

    /// Bursts of one minute at 10/s at these minutes after midnight; whether one like them at `at` is expected.
    #[track_caller]
    fn check(before: &[i64], at: i64, expected: bool) {
        let mut bursts = Rises::default();
        for minute in before {
            let start = MIDNIGHT + minute * 60;
            bursts.note(start, start + 59, 10.0, 600);
        }
        assert_eq!(bursts.expect(MIDNIGHT + at * 60, 60, 12.0), expected, "{before:?}, then {at}");
    }

    #[test]
    fn what_comes_every_hour_is_usual_from_the_third_time() {
        check(&[], 60, false);
        check(&[60], 120, false);
        check(&[60, 120], 180, true);
        // Small ones in between did not count as bursts.
        check(&[60, 240], 420, true);
        check(&[60, 120], 200, false);
    }

    #[test]
    fn what_comes_every_night_is_usual() {
        let day = 24 * 60;
        check(&[190, 400, 700, 190 + day, 500 + day, 900 + day], 190 + 2 * day, true);
        check(&[190, 400, 700, 190 + day, 500 + day, 900 + day], 230 + 2 * day, false);
    }

    #[test]
    fn any_even_rhythm_is_usual() {
        check(&[7, 24], 41, true);
        check(&[7, 24], 35, false);
        // Pulses of one storm.
        check(&[0, 3, 6, 9], 12, false);
    }

    #[test]
    fn one_of_many_at_any_time_is_not_usual() {
        check(&[3, 47, 118, 160, 205, 333, 381, 402, 466], 523, false);
    }

    #[test]
    fn what_outgrows_the_earlier_ones_is_not_usual() {
        let mut bursts = Rises::default();
        for hour in 0..3 {
            bursts.note(MIDNIGHT + hour * 3600, MIDNIGHT + hour * 3600 + 59, 10.0, 600);
        }
        let now = MIDNIGHT + 3 * 3600 + 20;
        assert!(bursts.expect(now, 60, 20.0));
        assert!(!bursts.expect(now, 60, 21.0));
        assert!(!bursts.expect(now, 101, 10.0));
    }

    #[test]
    fn outages_make_nothing_usual() {
        let mut bursts = Rises::default();
        for hour in 0..5 {
            bursts.note(MIDNIGHT + hour * 3600, MIDNIGHT + hour * 3600 + 600, 10.0, 6000);
        }
        assert!(!bursts.expect(MIDNIGHT + 5 * 3600, 10, 10.0));
    }

    #[test]
    fn a_burst_in_two_parts_is_one() {
        let mut bursts = Rises::default();
        bursts.note(MIDNIGHT, MIDNIGHT + 20, 7.0, 100);
        bursts.note(MIDNIGHT + 40, MIDNIGHT + 59, 9.0, 100);
        assert_eq!(bursts.ring[0], Rise { start: MIDNIGHT as u32, seconds: 60, rate: 9 });
        assert_eq!((bursts.next, bursts.ring[1].rate), (1, 0));
    }
}
