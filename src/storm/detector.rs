//! The state machine of one fingerprint: idle, pending, firing. Evaluated once per finished second.

use super::people::People;
use super::usual::Rises;
use crate::time::SECOND;
use serde::{Deserialize, Serialize};

/// Seconds kept one by one.
const BINS: usize = 64;
/// Below this many records a second nothing is a storm.
const RATE_MIN: f64 = 5.0;
/// A storm is this many times the usual rate.
const TIMES_BASELINE: f64 = 10.0;
/// The usual rate is learned over 60 s at first, later over 30 min.
const BASELINE_FAST_SECONDS: f64 = 60.0;
const BASELINE_SLOW_SECONDS: f64 = 1800.0;
/// Seconds of quiet that end a storm.
pub const QUIET_SECONDS: u32 = 60;
/// A fingerprint first seen this soon after a start in the middle of a stream was there before.
pub const GRACE_FIRST_SECONDS: i64 = 10;
/// Such a fingerprint learns this long before it may be pending.
const GRACE_SECONDS: i64 = 60;
/// In the grace only this rate (records/s) for this long (s) fires.
const GRACE_RATE: f64 = 100.0;
const GRACE_FIRE_SECONDS: u32 = 10;

/// Records since the onset that make a storm hot after 3 s: with known instances, and without.
const HOT_RECORDS: u64 = 300;
const HOT_RECORDS_UNKEYED: u64 = 3000;

/// A rate below this many times the limit ...
const CLEAR_TIMES: f64 = 1.5;
/// ... must have been above it on average for so long (s).
const CLEAR_SECONDS: i64 = 15;

/// Which rule made it fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Many tries per instance, not slowing.
    Hot,
    /// The rate is flat: no backoff.
    Flat,
    /// Still high after 10 s.
    Hold,
    /// Still high after a minute, whatever the shape.
    Slow,
    /// Already running when squelch started.
    Running,
}

impl Rule {
    /// The word in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Flat => "flat",
            Self::Hold => "hold",
            Self::Slow => "slow",
            Self::Running => "running",
        }
    }
}

/// Where the machine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing unusual.
    Idle,
    /// The rate is up; nobody is told yet.
    Pending,
    /// Told.
    Firing,
}

/// What a finished second changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing to tell.
    Nothing,
    /// Idle to pending.
    Pended,
    /// Pending to idle.
    Calmed,
    /// Pending to idle, after it would have fired had it not come on time: onset (ns), records, most of them in a second.
    CameOnTime(i64, u64, u32),
    /// Pending to firing.
    Fired(Rule),
    /// Firing to idle.
    Resolved,
}

/// Rate, baseline and state of one fingerprint.
#[derive(Clone, Debug)]
pub struct Detector {
    bins: [u32; BINS],
    /// The last finished second that was evaluated.
    evaluated: i64,
    /// The latest second with a record.
    latest: i64,
    /// No record up to this second since it fell asleep.
    slept_until: i64,
    born: i64,
    /// Usual records per second.
    baseline: f64,
    in_grace: bool,
    loud_seconds: u32,
    /// Whether it is the failing part of a traffic that mostly succeeds: then nothing fires.
    pub is_background: bool,
    /// The machine's state.
    pub state: State,
    /// First second of pending.
    pending_since: i64,
    /// Seconds in pending.
    pending_seconds: i64,
    quiet_seconds: u32,
    /// Working time (ns) of the first record of the pending second.
    pub onset: i64,
    /// Records since the onset.
    pub records: u64,
    /// Attempts since the onset: what the rules go by.
    attempts: u64,
    /// Bytes since the onset.
    pub bytes: u64,
    /// Most records in a second since the onset.
    pub peak: u32,
    /// Who, since the onset.
    pub people: People,
    /// Working time (ns) of the first record in the latest seconds, by bin.
    first_at: [i64; 8],
    /// Working time of the latest record, ns.
    pub last: i64,
    /// Greatest mean of five seconds since the onset.
    peak_rate: f64,
    /// Earlier rises.
    rises: Rises,
    /// Whether the present one would have fired, had it not come on time.
    is_on_time: bool,
}

impl Detector {
    /// A detector whose first record is in second `now`. `started`: the second squelch began to watch in the middle of a stream, if it did.
    #[must_use]
    pub fn new(now: i64, started: Option<i64>) -> Self {
        Self {
            bins: [0; BINS],
            evaluated: now - 1,
            latest: now,
            slept_until: i64::MIN,
            born: now,
            baseline: 0.0,
            in_grace: started.is_some_and(|start| now - start <= GRACE_FIRST_SECONDS),
            loud_seconds: 0,
            is_background: false,
            state: State::Idle,
            pending_since: 0,
            pending_seconds: 0,
            quiet_seconds: 0,
            onset: 0,
            records: 0,
            attempts: 0,
            bytes: 0,
            peak: 0,
            people: People::default(),
            first_at: [0; 8],
            last: i64::MIN,
            peak_rate: 0.0,
            rises: Rises::default(),
            is_on_time: false,
        }
    }

    /// A detector that goes on firing after a restart. `onset` and `last`: working times (ns) of the first and the latest record.
    #[must_use]
    pub fn firing(baseline: f64, onset: i64, last: i64) -> Self {
        let second = onset.div_euclid(SECOND);
        let latest = last.div_euclid(SECOND);
        Self { baseline, evaluated: latest, latest, state: State::Firing, pending_since: second, onset, last, ..Self::new(second, None) }
    }

    /// Seconds up to this one are not evaluated: nobody listened. Gives back the last second that will not be.
    pub fn sleep_until(&mut self, second: i64) -> i64 {
        self.evaluated = self.evaluated.max(second);
        self.evaluated
    }

    /// Counts one record that stands for `attempts` (1 unless attempt numbers say more); `second` is at most 2 s before the latest.
    pub fn count(&mut self, second: i64, at: i64, bytes: u64, attempts: u32) {
        if second > self.latest {
            if self.is_asleep() {
                self.slept_until = second - 1;
            }
            // Bins of the seconds between are stale.
            for stale in (self.latest + 1).max(second - BINS as i64 + 1)..=second {
                self.bins[bin(stale)] = 0;
            }
            self.latest = second;
        } else if self.latest - second >= BINS as i64 {
            return;
        }
        let slot = &mut self.bins[bin(second)];
        let is_first = *slot == 0;
        *slot = slot.saturating_add(attempts);
        let count = *slot;
        if is_first {
            self.first_at[(second & 7) as usize] = at;
        }
        self.last = self.last.max(at);
        if self.state != State::Idle {
            self.records += 1;
            self.attempts += u64::from(attempts);
            self.bytes += bytes;
            self.peak = self.peak.max(count);
        }
    }

    /// Records in `second`.
    #[must_use]
    pub fn in_second(&self, second: i64) -> u32 {
        if second > self.latest || self.latest - second >= BINS as i64 { 0 } else { self.bins[bin(second)] }
    }

    fn in_span(&self, from: i64, to: i64) -> u64 {
        (from..=to).map(|second| u64::from(self.in_second(second))).sum()
    }

    /// Mean records per second over the five seconds that end with `second`.
    #[must_use]
    pub fn rate(&self, second: i64) -> f64 {
        self.in_span(second - 4, second) as f64 / 5.0
    }

    /// The usual records per second.
    #[must_use]
    pub const fn baseline(&self) -> f64 {
        self.baseline
    }

    /// Records per second from which a second counts.
    #[must_use]
    pub fn need(&self) -> f64 {
        RATE_MIN.max(TIMES_BASELINE * self.baseline)
    }

    /// Whether it can be skipped until a record comes: idle and nothing in the last seconds.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        self.state == State::Idle && self.evaluated - self.latest >= 5
    }

    /// Evaluates the next finished second (at most `until`); empty stretches in closed form. `None` when up to date.
    pub fn step(&mut self, until: i64) -> Option<Step> {
        if self.evaluated >= until {
            return None;
        }
        // Nothing since it fell asleep: only the baseline fades.
        let to = if self.is_asleep() { until } else { self.slept_until.min(until) };
        if to > self.evaluated {
            let gap = (to - self.evaluated) as f64;
            self.baseline *= (1.0 - self.weight(self.evaluated)).powf(gap);
            self.evaluated = to;
            if self.state == State::Idle && self.in_second(to + 1) == 0 {
                self.people.clear();
            }
            return Some(Step::Nothing);
        }
        self.evaluated += 1;
        Some(self.evaluate(self.evaluated))
    }

    /// How much the second counts for the baseline: 1/60 in the first minute, then falling to 1/1800.
    fn weight(&self, second: i64) -> f64 {
        1.0 / ((second - self.born + 1) as f64).clamp(BASELINE_FAST_SECONDS, BASELINE_SLOW_SECONDS)
    }

    fn evaluate(&mut self, second: i64) -> Step {
        let x = f64::from(self.in_second(second));
        let rate = self.rate(second);
        if self.in_grace {
            return self.evaluate_grace(second, x, rate);
        }
        match self.state {
            State::Idle => {
                let need = self.need();
                if rate >= need || x >= 2.0 * need {
                    self.pend(second);
                    return Step::Pended;
                }
                if rate < (need / 2.0).max(1.0) {
                    self.learn(second, x);
                }
                if x <= self.quiet_second() {
                    // Nobody of this second belongs to a rise.
                    self.people.clear();
                }
                Step::Nothing
            }
            State::Pending => {
                self.pending_seconds = second - self.pending_since + 1;
                let need = self.need();
                let p = self.pending_seconds;
                let mean = if p <= 5 { self.attempts as f64 / p as f64 } else { rate };
                self.peak_rate = self.peak_rate.max(rate);
                if let Some(rule) = self.rule(second, rate, need) {
                    if !self.rises.expect(self.pending_since, p, self.peak_rate) {
                        self.state = State::Firing;
                        self.is_on_time = false;
                        self.quiet_seconds = 0;
                        return Step::Fired(rule);
                    }
                    self.is_on_time = true;
                }
                if mean < need / 2.0 {
                    self.rises.note(self.pending_since, second, self.peak_rate, self.attempts);
                    let on_time = std::mem::take(&mut self.is_on_time).then_some(Step::CameOnTime(self.onset, self.records, self.peak));
                    self.calm();
                    return on_time.unwrap_or(Step::Calmed);
                }
                Step::Nothing
            }
            State::Firing => {
                self.peak_rate = self.peak_rate.max(rate);
                self.quiet_seconds = if rate < self.need() / 2.0 { self.quiet_seconds + 1 } else { 0 };
                if self.quiet_seconds >= QUIET_SECONDS {
                    self.rises.note(self.pending_since, second - i64::from(QUIET_SECONDS), self.peak_rate, self.attempts);
                    self.state = State::Idle;
                    self.quiet_seconds = 0;
                    return Step::Resolved;
                }
                Step::Nothing
            }
        }
    }

    fn evaluate_grace(&mut self, second: i64, x: f64, rate: f64) -> Step {
        let age = second - self.born + 1;
        if self.state == State::Firing {
            self.quiet_seconds = if rate < self.need() / 2.0 { self.quiet_seconds + 1 } else { 0 };
            if self.quiet_seconds >= QUIET_SECONDS {
                self.state = State::Idle;
                self.in_grace = false;
                return Step::Resolved;
            }
            return Step::Nothing;
        }
        self.loud_seconds = if rate >= GRACE_RATE { self.loud_seconds + 1 } else { 0 };
        if self.loud_seconds >= GRACE_FIRE_SECONDS {
            self.baseline = 0.0;
            self.pend(second);
            self.state = State::Firing;
            return Step::Fired(Rule::Running);
        }
        // A plain mean: what is there now is taken for normal.
        self.baseline += (x - self.baseline) / age as f64;
        if age >= GRACE_SECONDS {
            self.in_grace = false;
        }
        Step::Nothing
    }

    /// Records in a second up to which it is not part of a rise.
    fn quiet_second(&self) -> f64 {
        (2.0 * self.baseline).max(1.0)
    }

    fn learn(&mut self, second: i64, x: f64) {
        // Winsorised: a burst cannot lift it.
        self.baseline += self.weight(second) * (x.min(3.0 * self.baseline + 3.0) - self.baseline);
    }

    fn pend(&mut self, second: i64) {
        self.state = State::Pending;
        // The rise may have begun up to 4 s before the mean reached `need`.
        let mut from = second;
        while from > second - 4 && f64::from(self.in_second(from - 1)) > self.quiet_second() {
            from -= 1;
        }
        self.pending_since = from;
        self.pending_seconds = second - from + 1;
        self.onset = self.first_at[(from & 7) as usize];
        self.records = self.in_span(from, self.latest);
        self.attempts = self.records;
        self.peak_rate = self.rate(second);
        self.bytes = 0;
        self.peak = (from..=self.latest).map(|second| self.in_second(second)).max().unwrap_or(0);
    }

    /// Forgets the bout: back to idle, nothing counted.
    pub fn calm(&mut self) {
        self.state = State::Idle;
        self.people.clear();
        self.records = 0;
        self.attempts = 0;
        self.bytes = 0;
        self.peak = 0;
        self.peak_rate = 0.0;
    }

    /// The trend: records in the last half of the (at most 64) seconds of pending over those in the loudest stretch of the same length; 1 =
    /// flat. (The first half alone misleads: the first second is a part of one, and a blip may begin in a whisper.)
    #[must_use]
    pub fn trend(&self, second: i64) -> f64 {
        let n = (second - self.pending_since + 1).clamp(1, BINS as i64);
        let half = n / 2;
        if half == 0 {
            return 1.0;
        }
        let begin = second - n + 1;
        let mut sum = self.in_span(begin, begin + half - 1);
        let mut loudest = sum;
        for end in begin + half..=second - half {
            sum += u64::from(self.in_second(end));
            sum -= u64::from(self.in_second(end - half));
            loudest = loudest.max(sum);
        }
        self.in_span(second - half + 1, second) as f64 / loudest.max(1) as f64
    }

    fn rule(&self, second: i64, rate: f64, need: f64) -> Option<Rule> {
        if self.is_background {
            return None;
        }
        let p = self.pending_seconds;
        let q = self.trend(second);
        let is_high = rate >= need;
        // A rate around the limit goes above it by chance for some seconds.
        let is_clear = rate >= CLEAR_TIMES * need || p >= CLEAR_SECONDS && self.attempts as f64 / p as f64 >= need;
        let per_key = self.people.distinct().map(|(keys, _)| self.attempts as f64 / keys.max(1) as f64);
        let repeats = |least: f64| per_key.is_none_or(|value| value >= least);
        // Without a key nobody knows how many tries are one instance's: then ten times the records.
        let is_hot = per_key.map_or(self.attempts >= HOT_RECORDS_UNKEYED, |value| self.attempts >= HOT_RECORDS && value >= 15.0);
        if p >= 3 && q >= 0.65 && is_hot {
            Some(Rule::Hot)
        } else if p >= 5 && self.attempts >= 50 && q >= 0.6 && repeats(4.0) && is_high && is_clear {
            Some(Rule::Flat)
        } else if p >= 10 && q >= 0.35 && repeats(4.0) && is_high && is_clear {
            Some(Rule::Hold)
        } else if p >= 60 && is_high {
            Some(Rule::Slow)
        } else {
            None
        }
    }
}

fn bin(second: i64) -> usize {
    second.rem_euclid(BINS as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `per_second(s)` records in each second; gives back what happened, with the second it happened in.
    fn run(started: Option<i64>, seconds: i64, per_second: impl Fn(i64) -> u32) -> Vec<(i64, Step)> {
        let mut detector = Detector::new(0, started);
        let mut steps = Vec::new();
        for second in 0..seconds {
            for n in 0..per_second(second) {
                detector.count(second, second * SECOND + i64::from(n), 100, 1);
                if detector.state != State::Idle {
                    detector.people.count(u64::from(n % 4) + 1, true, b"", None);
                }
            }
            while let Some(step) = detector.step(second) {
                if step != Step::Nothing {
                    steps.push((second, step));
                }
            }
        }
        steps
    }

    #[test]
    fn a_flat_rate_fires_after_five_seconds() {
        assert_eq!(run(None, 30, |_| 20), [(0, Step::Pended), (4, Step::Fired(Rule::Flat))]);
    }

    #[test]
    fn a_hot_loop_fires_after_three_seconds() {
        assert_eq!(run(None, 30, |_| 400), [(0, Step::Pended), (2, Step::Fired(Rule::Hot))]);
    }

    #[test]
    fn a_burst_that_backs_off_stays_silent() {
        let steps = run(None, 60, |second| 80 >> second.min(20));
        assert!(!steps.iter().any(|(_, step)| matches!(step, Step::Fired(_))), "{steps:?}");
    }

    #[test]
    fn below_five_a_second_nothing_is_a_storm() {
        assert_eq!(run(None, 600, |_| 4), []);
    }

    #[test]
    fn a_storm_ends_after_a_minute_of_quiet() {
        let steps = run(None, 200, |second| if second < 30 { 20 } else { 0 });
        // r5 falls below 2.5/s in second 34.
        assert_eq!(steps[2], (93, Step::Resolved), "{steps:?}");
    }

    #[test]
    fn what_runs_when_squelch_starts_is_taken_for_normal() {
        assert_eq!(run(Some(0), 300, |_| 7), []);
        assert_eq!(run(Some(0), 30, |_| 150), [(12, Step::Fired(Rule::Running))]);
    }

    #[test]
    fn the_real_storm_behind_a_steady_rate_is_seen() {
        let steps = run(Some(0), 130, |second| if second < 100 { 7 } else { 200 });
        assert!(matches!(steps[..], [(100, Step::Pended), (_, Step::Fired(_))]), "{steps:?}");
    }

    #[test]
    fn empty_days_cost_one_step() {
        let mut detector = Detector::new(0, None);
        detector.count(0, 0, 1, 1);
        while detector.step(10).is_some() {}
        detector.count(1_000_000, 1_000_000 * SECOND, 1, 1);
        let mut steps = 0;
        while detector.step(1_000_000).is_some() {
            steps += 1;
        }
        assert_eq!(steps, 2);
    }
}
