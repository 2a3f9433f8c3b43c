//! What a client does after a failed attempt: the waits, the limits, the breaker and the budget.

use super::random::Random;
use crate::time::{MILLI, SECOND};

/// How the wait grows with the attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// No wait at all.
    Immediate,
    /// `base` each time.
    Fixed,
    /// `base * n` before attempt n + 1.
    Linear,
    /// `base * factor^(n - 1)` before attempt n + 1.
    Exponential,
}

impl Growth {
    /// The word used in flags and in the truth file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::Fixed => "fixed",
            Self::Linear => "linear",
            Self::Exponential => "exponential",
        }
    }
}

/// How the wait is spread. Names as in Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// The wait as it is.
    None,
    /// Anything from 0 to the wait.
    Full,
    /// Half the wait, and anything up to the other half.
    Equal,
    /// Anything from `base` to three times the last wait, whatever the growth says.
    Decorrelated,
}

impl Jitter {
    /// The word used in flags and in the truth file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Full => "full",
            Self::Equal => "equal",
            Self::Decorrelated => "decorrelated",
        }
    }
}

/// What happens when the limit on attempts is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnGiveUp {
    /// The order is dropped; the worker takes the next one when it comes.
    Drop,
    /// An outer loop starts the same attempts again after this many nanoseconds: a limit that limits nothing.
    StartAgain(i64),
    /// The process ends and a supervisor starts it again after this many nanoseconds.
    Exit(i64),
}

/// The retry policy of one client. Times are nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// How the wait grows.
    pub growth: Growth,
    /// First wait.
    pub base: i64,
    /// Growth per attempt, for exponential policies.
    pub factor: f64,
    /// No wait is longer; applied before the jitter.
    pub cap: i64,
    /// How the wait is spread.
    pub jitter: Jitter,
    /// Attempts before giving up; `None` never gives up.
    pub max_attempts: Option<u32>,
    /// What giving up means.
    pub on_give_up: OnGiveUp,
    /// The backoff starts anew after so many attempts, as when an outer loop builds a new client each time.
    pub reset_every: Option<u32>,
    /// Circuit breaker of each instance.
    pub breaker: Option<BreakerLimits>,
    /// Retry budget of each instance.
    pub budget: Option<BudgetLimits>,
}

impl Policy {
    /// Retries without a wait and without an end.
    #[must_use]
    pub const fn immediate() -> Self {
        Self {
            growth: Growth::Immediate,
            base: 100 * MILLI,
            factor: 2.0,
            cap: 30 * SECOND,
            jitter: Jitter::None,
            max_attempts: None,
            on_give_up: OnGiveUp::Drop,
            reset_every: None,
            breaker: None,
            budget: None,
        }
    }

    /// Exponential backoff with full jitter: what to do instead.
    #[must_use]
    pub const fn full_jitter() -> Self {
        Self { growth: Growth::Exponential, jitter: Jitter::Full, base: 200 * MILLI, ..Self::immediate() }
    }

    /// The wait after failed attempt `attempt` (1 is the first); `last` is the wait before, 0 at the beginning.
    pub fn delay(&self, attempt: u32, last: i64, random: &mut Random) -> i64 {
        let step = self.reset_every.map_or(attempt, |n| (attempt - 1) % n.max(1) + 1);
        if self.base == 0 {
            return 0; // and no nought times infinity below
        }
        let base = self.base as f64;
        let wait = match self.growth {
            Growth::Immediate => return 0,
            Growth::Fixed => base,
            Growth::Linear => base * f64::from(step),
            Growth::Exponential => base * power(self.factor, step - 1),
        }
        .min(self.cap as f64);
        let spread = match self.jitter {
            Jitter::None => wait,
            Jitter::Full => wait * random.unit(),
            Jitter::Equal => wait / 2.0 + wait / 2.0 * random.unit(),
            Jitter::Decorrelated => {
                let high = (last.max(self.base) as f64 * 3.0).min(self.cap as f64);
                base + (high - base).max(0.0) * random.unit()
            }
        };
        spread as i64
    }
}

/// `x` to the `n`, by multiplications alone: `powi` may round differently from machine to machine, and runs must not.
fn power(mut x: f64, mut n: u32) -> f64 {
    let mut result = 1.0;
    while n > 0 {
        if n % 2 == 1 {
            result *= x;
        }
        x *= x;
        n /= 2;
    }
    result
}

/// When a circuit breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerLimits {
    /// Failures in a row that open it.
    pub failures: u32,
    /// Nanoseconds before one probe is let through.
    pub open_for: i64,
}

/// A circuit breaker: closed, open, half-open with one probe.
#[derive(Clone, Debug)]
pub struct Breaker {
    limits: BreakerLimits,
    failed_in_a_row: u32,
    open_until: Option<i64>,
    probing: bool,
}

/// What a breaker says to someone who wants to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Go on.
    Granted,
    /// Not before this time.
    NotBefore(i64),
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub const fn new(limits: BreakerLimits) -> Self {
        Self { limits, failed_in_a_row: 0, open_until: None, probing: false }
    }

    /// Asks for an attempt at `now`. The first one after the open time is the probe; the others wait another turn.
    pub fn ask(&mut self, now: i64) -> Permit {
        match self.open_until {
            None => Permit::Granted,
            Some(until) if now < until => Permit::NotBefore(until),
            Some(_) if self.probing => Permit::NotBefore(now + self.limits.open_for),
            Some(_) => {
                self.probing = true;
                Permit::Granted
            }
        }
    }

    /// An attempt failed; true when this opened the breaker (again).
    pub fn failed(&mut self, now: i64) -> bool {
        self.failed_in_a_row += 1;
        let opens = self.probing || (self.open_until.is_none() && self.failed_in_a_row >= self.limits.failures);
        if opens {
            self.open_until = Some(now + self.limits.open_for);
            self.probing = false;
        }
        opens
    }

    /// An attempt succeeded; true when this closed the breaker.
    pub fn succeeded(&mut self) -> bool {
        self.failed_in_a_row = 0;
        self.probing = false;
        self.open_until.take().is_some()
    }
}

/// How many retries an instance may spend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetLimits {
    /// Retries that may be spent at once.
    pub burst: f64,
    /// Retries earned per second.
    pub per_second: f64,
}

/// A token bucket: each retry costs one token, first attempts are free.
#[derive(Clone, Debug)]
pub struct Budget {
    limits: BudgetLimits,
    tokens: f64,
    filled_at: i64,
}

impl Budget {
    /// A full bucket.
    #[must_use]
    pub const fn new(limits: BudgetLimits) -> Self {
        Self { limits, tokens: limits.burst, filled_at: 0 }
    }

    /// Spends one retry at `now`, when there is one left.
    pub fn spend(&mut self, now: i64) -> bool {
        let earned = (now - self.filled_at) as f64 / SECOND as f64 * self.limits.per_second;
        self.tokens = (self.tokens + earned).min(self.limits.burst);
        self.filled_at = now;
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(policy: Policy, n: u32) -> Vec<i64> {
        let mut random = Random::new(7);
        let mut last = 0;
        (1..=n)
            .map(|attempt| {
                last = policy.delay(attempt, last, &mut random);
                last / MILLI
            })
            .collect()
    }

    #[test]
    fn waits_grow_as_the_policy_says() {
        let policy = Policy { cap: SECOND, ..Policy::immediate() };
        assert_eq!(waits(policy, 3), [0, 0, 0]);
        assert_eq!(waits(Policy { growth: Growth::Fixed, ..policy }, 3), [100, 100, 100]);
        assert_eq!(waits(Policy { growth: Growth::Linear, ..policy }, 4), [100, 200, 300, 400]);
        assert_eq!(waits(Policy { growth: Growth::Exponential, ..policy }, 6), [100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn an_outer_loop_starts_the_backoff_anew() {
        let policy = Policy { growth: Growth::Exponential, reset_every: Some(3), ..Policy::immediate() };
        assert_eq!(waits(policy, 7), [100, 200, 400, 100, 200, 400, 100]);
    }

    #[test]
    fn jitter_stays_within_its_bounds() {
        let policy = Policy { growth: Growth::Fixed, base: SECOND, cap: 5 * SECOND, ..Policy::immediate() };
        let full = waits(Policy { jitter: Jitter::Full, ..policy }, 200);
        assert!(full.iter().all(|w| (0..1000).contains(w)) && full.iter().any(|w| *w < 200));
        assert!(waits(Policy { jitter: Jitter::Equal, ..policy }, 200).iter().all(|w| (500..1000).contains(w)));
        assert!(waits(Policy { jitter: Jitter::Decorrelated, ..policy }, 200).iter().all(|w| (1000..=5000).contains(w)));
    }

    #[test]
    fn a_breaker_lets_one_probe_through() {
        let mut breaker = Breaker::new(BreakerLimits { failures: 2, open_for: 100 });
        assert!(!breaker.failed(0));
        assert!(breaker.failed(10));
        assert_eq!(breaker.ask(50), Permit::NotBefore(110));
        assert_eq!(breaker.ask(110), Permit::Granted);
        assert_eq!(breaker.ask(111), Permit::NotBefore(211));
        assert!(breaker.failed(120), "a failed probe opens it again");
        assert_eq!(breaker.ask(220), Permit::Granted);
        assert!(breaker.succeeded());
        assert_eq!(breaker.ask(221), Permit::Granted);
    }

    #[test]
    fn a_budget_earns_what_it_may_spend() {
        let mut budget = Budget::new(BudgetLimits { burst: 2.0, per_second: 1.0 });
        assert_eq!([budget.spend(0), budget.spend(0), budget.spend(0)], [true, true, false]);
        assert!(budget.spend(SECOND));
        assert!(!budget.spend(SECOND + SECOND / 2));
    }
}
