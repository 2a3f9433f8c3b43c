//! What really happened: counted by the simulator itself, never read back from the lines.

use serde::Serialize;

use super::scenario::{Scenario, Story};
use super::wording::{LineKind, SimLine};
use crate::time::{MILLI, SECOND};

/// Retry lines in a second that make it a second of storm: `r_min` of the detector's definition.
const STORM_LINES_PER_SECOND: u32 = 5;
/// Such seconds in a row that make a storm.
const STORM_SECONDS: usize = 10;
/// A run whose last seconds hold no retry line has recovered.
const CALM_SECONDS: usize = 5;

/// Counts while the run goes on.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) lines: u64,
    pub(super) cut_short: bool,
    pub(super) attempts: u64,
    pub(super) successes: u64,
    pub(super) wasted_handshakes: u64,
    pub(super) attempts_per_second: Vec<u32>,
    pub(super) successes_per_second: Vec<u32>,
    pub(super) retry_per_second: Vec<u32>,
    lines_of: Vec<u64>,
    attempts_of: Vec<u64>,
    kinds: [u64; 7],
    longest_chain: u32,
    longest_wait: i64,
}

impl Tally {
    pub(super) fn attempt(&mut self, now: i64, client: usize) {
        self.attempts += 1;
        bump(&mut self.attempts_per_second, (now / SECOND) as usize);
        raise(&mut self.attempts_of, client, 1);
    }

    pub(super) fn success(&mut self, now: i64) {
        self.successes += 1;
        bump(&mut self.successes_per_second, (now / SECOND) as usize);
    }

    pub(super) fn waited(&mut self, attempt: u32, wait: i64) {
        self.longest_chain = self.longest_chain.max(attempt);
        self.longest_wait = self.longest_wait.max(wait);
    }

    /// Counts a line; false, and no count, when the run has reached its limit.
    pub(super) fn line(&mut self, scenario: &Scenario, line: &SimLine) -> bool {
        let lines = 1 + line.trace.len() as u64;
        if self.lines + lines > scenario.lines_max {
            self.cut_short = true;
            return false;
        }
        self.lines += lines;
        raise(&mut self.lines_of, line.instance, lines);
        self.kinds[line.kind as usize] += 1;
        if line.kind == LineKind::Retry {
            bump(&mut self.retry_per_second, ((line.at - scenario.start.0) / SECOND) as usize);
        }
        true
    }

    const fn of(&self, kind: LineKind) -> u64 {
        self.kinds[kind as usize]
    }
}

fn bump(cells: &mut Vec<u32>, index: usize) {
    if cells.len() <= index {
        cells.resize(index + 1, 0);
    }
    cells[index] += 1;
}

fn raise(cells: &mut Vec<u64>, index: usize, by: u64) {
    if cells.len() <= index {
        cells.resize(index + 1, 0);
    }
    cells[index] += by;
}

/// The ground truth of a run, as `--truth FILE` writes it. Times in seconds count from the start of the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Truth {
    /// Name of the scenario and its seed.
    pub id: String,
    /// RFC 3339.
    pub started: String,
    /// Instances that retry.
    pub instances: usize,
    /// Retry loops in each.
    pub workers_per_instance: usize,
    /// What they want to reach.
    pub target: &'static str,
    /// `none` where nothing had to be retried.
    pub policy: &'static str,
    /// First wait.
    pub base_ms: f64,
    /// Growth per attempt.
    pub factor: f64,
    /// Longest wait.
    pub cap_ms: Option<f64>,
    /// `none`, `full`, `equal`, `decorrelated`.
    pub jitter: &'static str,
    /// The limit on attempts.
    pub max_attempts: Option<u32>,
    /// The backoff is reset by an outer loop after so many attempts.
    pub reset_every: Option<u32>,
    /// A circuit breaker is in place.
    pub breaker: bool,
    /// A retry budget is in place.
    pub budget: bool,
    /// A regular expression for the line of each failed attempt that is repeated; `None` where there is none.
    pub attempt_line: Option<&'static str>,
    /// All start at the same instant.
    pub lockstep: bool,
    /// `healthy`, `recovered`, `gave_up`, `ongoing`.
    pub outcome: &'static str,
    /// Ten seconds or more in a row with five retry lines or more each.
    pub storm: bool,
    /// In words.
    pub storm_why: String,
    /// From and to.
    pub outage_s: Option<[f64; 2]>,
    /// Where there was a storm: its last second with five retry lines or more, plus one.
    pub storm_end_s: Option<u64>,
    /// How much longer the storm took than the outage.
    pub storm_outlived_outage_s: Option<f64>,
    /// The run hit its limit of lines.
    pub cut_short: bool,
    /// Lines written.
    pub lines: u64,
    /// Lines of these that were lost on purpose ([`super::damage::Damage::loss`]).
    pub lines_lost: u64,
    /// Lines of each instance, by name.
    pub lines_per_instance: Vec<(String, u64)>,
    /// Attempts in all.
    pub attempts: u64,
    /// Attempts of each instance, by name.
    pub attempts_per_instance: Vec<(String, u64)>,
    /// Attempts that made a connection in time.
    pub successes: u64,
    /// Handshakes that the server finished for clients that had gone.
    pub wasted_handshakes: u64,
    /// Records that say an attempt failed and will be repeated.
    pub retry_records: u64,
    /// Records that say somebody gave up.
    pub exhausted_records: u64,
    /// Records that say it works again.
    pub recovery_records: u64,
    /// Records of the server's side of a refusal.
    pub overload_records: u64,
    /// Records that say a container is restarted or waits for it.
    pub crash_loop_records: u64,
    /// Longest run of failed attempts.
    pub attempts_in_a_row_max: u32,
    /// Longest wait between two attempts.
    pub wait_ms_max: f64,
    /// The busiest second.
    pub attempts_per_second_peak: u32,
    /// Attempts in each second of the run.
    pub attempts_per_second: Vec<u32>,
    /// Successes in each second of the run.
    pub successes_per_second: Vec<u32>,
}

impl Truth {
    pub(super) fn new(scenario: &Scenario, instances: &[String], mut tally: Tally) -> Self {
        let seconds = (scenario.duration.div_euclid(SECOND) + i64::from(scenario.duration % SECOND > 0)) as usize;
        for cells in [&mut tally.attempts_per_second, &mut tally.successes_per_second, &mut tally.retry_per_second] {
            cells.resize(seconds, 0);
        }
        let policy = &scenario.policy;
        let stormy = |second: &usize| tally.retry_per_second[*second] >= STORM_LINES_PER_SECOND;
        let (mut storm_seconds, mut run) = (0, 0);
        for second in 0..seconds {
            run = if stormy(&second) { run + 1 } else { 0 };
            storm_seconds = storm_seconds.max(run);
        }
        let storm = storm_seconds >= STORM_SECONDS;
        let storm_end_s = (0..seconds).rfind(stormy).filter(|_| storm).map(|second| second as u64 + 1);
        let calm = tally.retry_per_second.iter().rev().take(CALM_SECONDS).all(|n| *n == 0);
        let outcome = match (tally.of(LineKind::Retry) + tally.of(LineKind::CrashLoop), tally.of(LineKind::Exhausted), tally.of(LineKind::Recovery)) {
            (0, 0, _) => "healthy",
            _ if scenario.story == Story::CrashLoop || !calm => "ongoing",
            (_, 1.., 0) => "gave_up",
            _ => "recovered",
        };
        let names = |counts: &[u64]| instances.iter().cloned().zip(counts.iter().copied()).collect();
        let peak = tally.attempts_per_second.iter().copied().max().unwrap_or(0);
        let ms = |nanos: i64| nanos as f64 / MILLI as f64;
        let growing = policy.growth == super::policy::Growth::Exponential || policy.growth == super::policy::Growth::Linear;
        Self {
            id: format!("{}-seed{}", scenario.name, scenario.seed),
            started: super::format::rfc3339_millis(scenario.start.0),
            instances: scenario.clients,
            workers_per_instance: scenario.workers,
            target: super::wording::target(scenario.story),
            policy: match scenario.story {
                _ if outcome == "healthy" => "none",
                Story::CrashLoop => "exponential",
                _ => policy.growth.as_str(),
            },
            base_ms: if scenario.story == Story::CrashLoop {
                10_000.0
            } else {
                ms(policy.base) * f64::from(u8::from(policy.growth != super::policy::Growth::Immediate))
            },
            factor: if policy.growth == super::policy::Growth::Exponential { policy.factor } else { 1.0 },
            cap_ms: if scenario.story == Story::CrashLoop { Some(300_000.0) } else { growing.then(|| ms(policy.cap)) },
            jitter: if scenario.has_jitter() { policy.jitter.as_str() } else { "none" },
            max_attempts: policy.max_attempts,
            reset_every: policy.reset_every,
            breaker: policy.breaker.is_some(),
            budget: policy.budget.is_some(),
            attempt_line: (scenario.story != Story::CrashLoop).then_some("failed, (retrying in|will be retried)"),
            lockstep: scenario.lock_step,
            outcome,
            storm,
            storm_why: format!("{storm_seconds} seconds in a row with {STORM_LINES_PER_SECOND} retry lines or more, peak {peak} attempts/s"),
            outage_s: scenario.outage.map(|(from, to)| [from as f64 / 1e9, to as f64 / 1e9]),
            storm_end_s,
            storm_outlived_outage_s: scenario.outage.zip(storm_end_s).map(|((_, to), end)| (end as f64 - to as f64 / 1e9).max(0.0)),
            cut_short: tally.cut_short,
            lines: tally.lines,
            lines_lost: 0,
            lines_per_instance: names(&tally.lines_of),
            attempts: tally.attempts,
            attempts_per_instance: names(&tally.attempts_of),
            successes: tally.successes,
            wasted_handshakes: tally.wasted_handshakes,
            retry_records: tally.of(LineKind::Retry),
            exhausted_records: tally.of(LineKind::Exhausted),
            recovery_records: tally.of(LineKind::Recovery),
            overload_records: tally.of(LineKind::Overload),
            crash_loop_records: tally.of(LineKind::CrashLoop),
            attempts_in_a_row_max: tally.longest_chain,
            wait_ms_max: ms(tally.longest_wait),
            attempts_per_second_peak: peak,
            attempts_per_second: tally.attempts_per_second,
            successes_per_second: tally.successes_per_second,
        }
    }
}
