//! What to do after each answer of a receiver: pure, so that it can be tested with literal times. No clock, no randomness: `now` is the time
//! since the output started, `random` a number in [0, 1).
//!
//! Nothing is ever given up for lack of an answer (records wait in the store), but everything is paced:
//!
//! | answer | what follows |
//! |---|---|
//! | no answer, 408, 429, 5xx | the same request again after a random part of min(cap, base x 2^n): full jitter, taken *after* the cap |
//! | with `Retry-After` | never earlier than it says (up to a maximum), plus a random part |
//! | 401, 403, 404, a redirect | the same request again, slowly: people must end this |
//! | 413 | two halves; later requests are smaller; a single record is dead |
//! | 400, 422 | two halves, until the record that is not liked stands alone: it is dead |
//! | 403, 500, a broken connection, for the fifth time | two halves; a single record steps aside, and is dead when others are taken and it is not |
//!
//! Beside the delay of each request a retry budget, a circuit breaker and a rate limit hold; a request goes when all of them let it.
//! Full jitter: M. Brooker, "Exponential Backoff and Jitter" (AWS, 2015); the budget: Finagle's `RetryBudget`.

use super::Options;
use super::budget::{ByteRate, RetryBudget};
use super::outcome::{Outcome, Unreachable};
use std::time::Duration;

/// Shortest base of the back-off: with 0 the delays would all be 0.
const BACKOFF_BASE_MIN: Duration = Duration::from_millis(10);

/// Least ceiling of a delay while an output has delivered nothing since its start: a fleet that restarts while the receiver is down must not come
/// with the quick first retries, which are for a receiver that was there a moment ago. With 20 s the busiest second of 200 agents has 2.1 times the
/// attempts of the mean second of their first minute; with the 0.5 s of a warm output it has more than 3 times.
const COLD_CEILING: Duration = Duration::from_secs(20);

/// A receiver that takes a part of each request is not down: its failures count no further than this (ceiling = base x 2^3).
const PARTIAL_FAILURES_MAX: u32 = 4;

/// Requests that must succeed before the limit that a 413 taught is raised by a quarter.
const SUCCESSES_TO_GROW: u32 = 100;

/// A request that fails this often in a row, in a way that what stands in it may be the reason, is sent in halves: some servers cut the
/// connection in place of a 413, some answer 500 to a record that they do not like, some firewalls 403.
const FAILURES_TO_SUSPECT: u32 = 5;

/// Least limit of a request that a failure teaches; single records go whatever their size.
const BYTES_LIMIT_MIN: usize = 4096;

/// Records that may die without one being taken in between. After that each costs the delay of a refusal: a receiver that likes nothing is set
/// up wrongly, and its dead letters should be few when somebody comes.
const DEAD_IN_A_ROW_MAX: u32 = 5;

/// The circuit breaker of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Circuit {
    /// Requests go.
    #[default]
    Closed,
    /// None goes until `until`; then one.
    Open {
        /// When the next request may go.
        until: Duration,
    },
    /// One request is on its way; its answer decides.
    HalfOpen,
}

impl Circuit {
    /// The number in metrics: 0 closed, 1 half-open, 2 open.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open { .. } => 2,
        }
    }
}

/// Whether a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Now.
    Go,
    /// Ask again then.
    WaitUntil(Duration),
    /// Ask again after the answer to the request that is on its way.
    AfterAnswer,
}

/// What to do with a request that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing is left of it.
    Done,
    /// The same again, not before `at`.
    Retry {
        /// When.
        at: Duration,
    },
    /// What the outcome lists for later, not before `at`; the rest is done.
    RetryPart {
        /// When.
        at: Duration,
    },
    /// Two halves, in order, not before `at`.
    Halve {
        /// When.
        at: Duration,
    },
    /// Its only record may be the reason: others may try, not before `at`. Should they be taken again and again and this one not, it is dead.
    StepAside {
        /// When.
        at: Duration,
    },
    /// Its only record will never be taken.
    DeadLetter,
    /// The output ends.
    Stop,
}

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Records in it.
    pub records: usize,
    /// Bytes before compression.
    pub bytes: usize,
    /// How often these records were sent together, this time included.
    pub attempts: u32,
}

/// The policy of one output: its memory of how the receiver behaves.
#[derive(Clone, Debug)]
pub struct Policy {
    options: Options,
    circuit: Circuit,
    /// In a row.
    failures: u32,
    /// Dead letters since the last record that was taken.
    dead_in_a_row: u32,
    not_before: Duration,
    next_is_retry: bool,
    budget: RetryBudget,
    rate: ByteRate,
    bytes_limit: usize,
    successes: u32,
    has_delivered: bool,
}

impl Policy {
    /// The policy at the start of an output.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            circuit: Circuit::Closed,
            failures: 0,
            dead_in_a_row: 0,
            not_before: Duration::ZERO,
            next_is_retry: false,
            budget: RetryBudget::new(options.retry_ratio, options.retry_floor_per_minute),
            rate: ByteRate::new(options.bytes_per_second_max),
            bytes_limit: options.batch_bytes_max.max(1),
            successes: 0,
            has_delivered: false,
            options,
        }
    }

    /// The breaker.
    #[must_use]
    pub const fn circuit(&self) -> Circuit {
        self.circuit
    }
    /// Failures in a row.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
    /// Most bytes of the next request: less than what is set after the receiver said that it was too much.
    #[must_use]
    pub const fn bytes_limit(&self) -> usize {
        self.bytes_limit
    }

    /// Whether a request may go.
    #[must_use]
    pub fn may_send(&self, now: Duration) -> Permit {
        let open_until = match self.circuit {
            Circuit::HalfOpen => return Permit::AfterAnswer,
            Circuit::Closed => now,
            Circuit::Open { until } => until,
        };
        let budget = if self.next_is_retry { self.budget.ready_at(now) } else { now };
        let at = open_until.max(self.not_before).max(budget).max(self.rate.ready_at(now));
        if at > now { Permit::WaitUntil(at) } else { Permit::Go }
    }

    /// A request goes.
    pub fn sending(&mut self, now: Duration, bytes: usize) {
        self.rate.spend(now, bytes);
        if self.next_is_retry {
            self.budget.spend(now);
        }
        if matches!(self.circuit, Circuit::Open { .. }) {
            self.circuit = Circuit::HalfOpen;
        }
    }

    /// It was answered.
    pub fn answered(&mut self, now: Duration, outcome: &Outcome, sent: Sent, random: f64) -> Decision {
        match outcome {
            Outcome::Delivered { .. } => {
                self.succeeded(now);
                Decision::Done
            }
            Outcome::Partial { retry, .. } if retry.is_empty() => {
                self.succeeded(now);
                Decision::Done
            }
            Outcome::Partial { retry, retry_after, .. } => {
                if retry.len() < sent.records {
                    self.circuit = Circuit::Closed;
                    self.failures = self.failures.min(PARTIAL_FAILURES_MAX - 1);
                }
                Decision::RetryPart { at: self.failed(now, *retry_after, random) }
            }
            Outcome::Refused { .. } => {
                self.failures += 1;
                let at = self.refused(now, random);
                self.again(outcome, sent, at)
            }
            Outcome::TooLarge { .. } | Outcome::Rejected { .. } => {
                // The receiver is there and reads what it gets.
                self.circuit = Circuit::Closed;
                self.failures = 0;
                self.not_before = now;
                self.next_is_retry = true;
                if sent.records <= 1 {
                    self.dead_in_a_row += 1;
                    if self.dead_in_a_row > DEAD_IN_A_ROW_MAX {
                        self.refused(now, random);
                    }
                    return Decision::DeadLetter;
                }
                if matches!(outcome, Outcome::TooLarge { .. }) {
                    self.learn_limit(sent.bytes);
                }
                Decision::Halve { at: now }
            }
            Outcome::Busy { retry_after, .. } => {
                let at = self.failed(now, *retry_after, random);
                self.again(outcome, sent, at)
            }
            Outcome::Unreachable { kind, .. } => {
                let at = self.failed(now, None, random);
                if matches!(kind, Unreachable::Broken | Unreachable::Timeout) && is_suspect(outcome, sent) && sent.bytes > BYTES_LIMIT_MIN {
                    self.learn_limit(sent.bytes);
                }
                self.again(outcome, sent, at)
            }
            Outcome::Gone { .. } => Decision::Stop,
        }
    }

    /// The same once more, or in halves, or others first.
    fn again(&self, outcome: &Outcome, sent: Sent, at: Duration) -> Decision {
        match (is_suspect(outcome, sent), sent.records) {
            (false, _) => Decision::Retry { at },
            (true, 0 | 1) => Decision::StepAside { at },
            (true, _) => Decision::Halve { at },
        }
    }

    fn refused(&mut self, now: Duration, random: f64) -> Duration {
        let at = now + self.options.refused_delay.mul_f64(0.5 + random);
        self.next_is_retry = true;
        self.not_before = at;
        self.circuit = Circuit::Open { until: at };
        at
    }

    fn succeeded(&mut self, now: Duration) {
        self.budget.earn(now);
        self.circuit = Circuit::Closed;
        self.failures = 0;
        self.dead_in_a_row = 0;
        self.not_before = now;
        self.next_is_retry = false;
        self.has_delivered = true;
        self.successes += 1;
        if self.successes >= SUCCESSES_TO_GROW {
            self.successes = 0;
            self.bytes_limit = (self.bytes_limit + self.bytes_limit / 4 + 1).min(self.options.batch_bytes_max.max(1));
        }
    }

    fn failed(&mut self, now: Duration, retry_after: Option<Duration>, random: f64) -> Duration {
        self.failures += 1;
        self.next_is_retry = true;
        let at = now + self.delay(retry_after, random);
        self.not_before = at;
        // A probe that fails opens the breaker again at once.
        if self.failures >= self.options.breaker_failures.max(1) || self.circuit == Circuit::HalfOpen {
            let open = self.options.breaker_open.mul_f64(0.5 + 0.5 * random);
            self.circuit = Circuit::Open { until: at.max(now + open) };
        }
        match self.circuit {
            Circuit::Open { until } => until,
            _ => at,
        }
    }

    fn delay(&self, retry_after: Option<Duration>, random: f64) -> Duration {
        let ceiling = self.ceiling();
        let Some(after) = retry_after else { return ceiling.mul_f64(random) };
        let after = after.min(self.options.retry_after_max);
        // All that were told the same second must not come in it.
        after + ceiling.max(after / 2).mul_f64(random)
    }

    /// What the random part is taken of: the cap is applied first, so there is jitter at the cap.
    fn ceiling(&self) -> Duration {
        let base = self.options.backoff_base.max(BACKOFF_BASE_MIN);
        let doublings = self.failures.saturating_sub(1).min(30);
        let ceiling = base.saturating_mul(1 << doublings).min(self.options.backoff_cap.max(base));
        if self.has_delivered { ceiling } else { ceiling.max(COLD_CEILING.min(self.options.backoff_cap.max(base))) }
    }

    fn learn_limit(&mut self, bytes: usize) {
        self.successes = 0;
        self.bytes_limit = self.bytes_limit.min(bytes / 2).max(BYTES_LIMIT_MIN.min(self.options.batch_bytes_max.max(1)));
    }
}

/// Whether what stands in a request may be the reason of its failures.
fn is_suspect(outcome: &Outcome, sent: Sent) -> bool {
    let may_be = match outcome {
        Outcome::Refused { status, .. } => *status == 403,
        Outcome::Busy { status, .. } => matches!(status, 500 | 502 | 504 | 520),
        Outcome::Unreachable { kind, .. } => matches!(kind, Unreachable::Broken | Unreachable::Timeout | Unreachable::Garbage),
        _ => false,
    };
    may_be && sent.attempts >= FAILURES_TO_SUSPECT
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
