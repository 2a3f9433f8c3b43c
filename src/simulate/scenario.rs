//! What is to be simulated, and the ready-made stories.

use super::policy::{BreakerLimits, BudgetLimits, Growth, Jitter, OnGiveUp, Policy};
use super::server::Capacity;
use crate::time::{MILLI, SECOND, UnixNanos};

/// Most instances one run may have: more would only make the same picture slower.
pub const CLIENTS_MAX: usize = 1_000;
/// Most workers an instance may have.
pub const WORKERS_MAX: usize = 256;
/// Longest run, in nanoseconds: one day. Bounds the timeline of the truth (one cell a second).
pub const DURATION_MAX: i64 = 86_400 * SECOND;
/// Lines after which a run stops unless told otherwise: about half an hour of the essay's storm.
pub const LINES_MAX_DEFAULT: u64 = 2_000_000;
/// Start of every run unless told otherwise: 2026-03-02T09:00:00Z, a Monday morning.
pub const START_DEFAULT: UnixNanos = UnixNanos(1_772_442_000 * SECOND);

/// Who talks to whom, and in which words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// Order services and a message broker.
    Broker,
    /// Order services and a database whose connections run out; the server logs its side, too.
    Postgres,
    /// Pods that die at start, and the kubelet that starts them again.
    CrashLoop,
}

/// What an uneventful day brings: enough to look like trouble to a detector that knows no better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Times that the server is away for 1 to 8 s.
    pub blips: u32,
    /// Rolling restarts of all clients.
    pub deploys: u32,
    /// Bursts of a batch job, spread evenly.
    pub batches: u32,
}

/// Everything that decides about the lines of a run. Times are nanoseconds, counted from the start of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Name, as on the command line.
    pub name: &'static str,
    /// Who talks to whom.
    pub story: Story,
    /// Instances (1 to [`CLIENTS_MAX`]).
    pub clients: usize,
    /// Workers of each instance (1 to [`WORKERS_MAX`]), each with its own retry loop.
    pub workers: usize,
    /// What a worker does when an attempt fails.
    pub policy: Policy,
    /// What the server can do.
    pub capacity: Capacity,
    /// How long a client waits for its handshake.
    pub timeout: i64,
    /// What a failed attempt takes on the client's side: sockets, exceptions, its log.
    pub attempt_cost: i64,
    /// Each instance needs a new connection this often.
    pub work_every: i64,
    /// When the server is away, from and to.
    pub outage: Option<(i64, i64)>,
    /// When somebody stops all clients, and when they are started again, one after another.
    pub restart: Option<(i64, i64)>,
    /// A day with its ups and downs instead of even traffic.
    pub day: Option<Day>,
    /// All clients notice the outage, and try, at the same instant.
    pub lock_step: bool,
    /// Stack trace lines below each retry line.
    pub trace_lines: u32,
    /// Length of the run (up to [`DURATION_MAX`]).
    pub duration: i64,
    /// The random numbers hang on it, and on nothing else.
    pub seed: u64,
    /// Time of the first line.
    pub start: UnixNanos,
    /// Lines after which the run stops.
    pub lines_max: u64,
    /// Whether retry lines say their attempt number.
    pub attempt_numbers: bool,
    /// Whether retry lines say the wait ("retrying in 0ms").
    pub stated_delays: bool,
}

/// Names of the ready-made stories, with a sentence each.
pub const NAMES: [(&str, &str); 8] = [
    ("essay", "twelve order services lose their broker for two seconds and retry without a wait: the storm outlives the outage"),
    ("healthy", "the same services on a good day"),
    ("day", "24 hours without a storm: deploys, batches, short outages that clients back off from, quiet nights"),
    ("postgres", "twelve services against a database that says \"too many clients\", both sides log"),
    ("crashloop", "twelve pods die at start, the kubelet backs off"),
    ("lockstep", "twelve services retry every second, all at the same instant"),
    ("jitter", "the essay with exponential backoff and full jitter: it recovers"),
    ("breaker", "the essay with a circuit breaker: it recovers"),
];

impl Scenario {
    /// The story called `name`, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = NAMES.iter().map(|(known, _)| *known).find(|known| *known == name)?;
        let essay = Self { name, ..Self::essay() };
        Some(match name {
            "healthy" => Self { outage: None, restart: None, duration: 300 * SECOND, ..essay },
            "day" => Self {
                day: Some(Day { blips: 12, deploys: 3, batches: 24 }),
                outage: None,
                restart: None,
                duration: DURATION_MAX,
                work_every: 20 * SECOND,
                policy: Policy::full_jitter(),
                start: UnixNanos(START_DEFAULT.0 - 9 * 3_600 * SECOND), // midnight
                ..essay
            },
            "postgres" => Self {
                story: Story::Postgres,
                capacity: Capacity { handshakes_per_second: 50.0, backlog: 3, refusal_cost: 5 * MILLI },
                attempt_cost: 55 * MILLI,
                ..essay
            },
            "crashloop" => Self { story: Story::CrashLoop, duration: 900 * SECOND, outage: None, restart: None, ..essay },
            "lockstep" => Self {
                lock_step: true,
                outage: Some((30 * SECOND, 60 * SECOND)),
                restart: None,
                duration: 90 * SECOND,
                policy: Policy { growth: Growth::Fixed, base: SECOND, ..Policy::immediate() },
                ..essay
            },
            "jitter" => Self { policy: Policy::full_jitter(), restart: None, ..essay },
            "breaker" => Self {
                policy: Policy { breaker: Some(BreakerLimits { failures: 5, open_for: 5 * SECOND }), ..Policy::immediate() },
                restart: None,
                ..essay
            },
            _ => essay,
        })
    }

    /// Twelve order services, one broker, two seconds without it.
    ///
    /// Twelve clients that fail in 8 ms each make 1,500 attempts a second while nobody listens and 1,100 to 1,200 afterwards; refusing
    /// those costs the broker 0.8 ms each, nine tenths of its time. What is left finishes a few handshakes a second where twelve
    /// are needed, most of them later than their clients wait. Left in peace, the same broker makes 60 a second.
    #[must_use]
    pub const fn essay() -> Self {
        Self {
            name: "essay",
            story: Story::Broker,
            clients: 12,
            workers: 1,
            policy: Policy::immediate(),
            capacity: Capacity { handshakes_per_second: 60.0, backlog: 3, refusal_cost: 800_000 },
            timeout: 100 * MILLI,
            attempt_cost: 8 * MILLI,
            work_every: SECOND,
            outage: Some((30 * SECOND, 32 * SECOND)),
            restart: Some((105 * SECOND, 110 * SECOND)),
            day: None,
            lock_step: false,
            trace_lines: 0,
            duration: 150 * SECOND,
            seed: 1,
            start: START_DEFAULT,
            lines_max: LINES_MAX_DEFAULT,
            attempt_numbers: true,
            stated_delays: true,
        }
    }

    /// The essay with a retry budget: the third way out, without a name of its own on the command line.
    #[must_use]
    pub const fn with_budget(self, burst: f64, per_second: f64) -> Self {
        Self { policy: Policy { budget: Some(BudgetLimits { burst, per_second }), ..self.policy }, ..self }
    }

    /// What is wrong with the figures, all of it; empty when the run can start.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut check = |good: bool, text: &str| {
            if !good {
                wrong.push(text.to_owned());
            }
        };
        check((1..=CLIENTS_MAX).contains(&self.clients), "clients must be 1 to 1000");
        check((1..=WORKERS_MAX).contains(&self.workers), "workers must be 1 to 256");
        check((1..=DURATION_MAX).contains(&self.duration), "duration must be more than nothing and at most 1d");
        let rate = self.capacity.handshakes_per_second;
        check((0.01..=1e6).contains(&rate), "capacity must be 0.01 to 1000000 handshakes a second");
        check(self.capacity.backlog >= 1, "backlog must be at least 1");
        check((0..=SECOND).contains(&self.capacity.refusal_cost), "refusal-cost must be at most 1s");
        check((MILLI..=DURATION_MAX).contains(&self.timeout), "timeout must be 1ms to 1d");
        check((10_000..=DURATION_MAX).contains(&self.attempt_cost), "attempt-cost must be 10us to 1d");
        check((MILLI..=DURATION_MAX).contains(&self.work_every), "work-every must be 1ms to 1d");
        let policy = &self.policy;
        check(0 <= policy.base && policy.base <= policy.cap, "cap must not be below base; raise --cap or lower --base");
        check(policy.cap <= DURATION_MAX, "cap must be at most 1d");
        check(policy.factor.is_finite() && policy.factor >= 1.0, "factor must be at least 1");
        check(policy.max_attempts != Some(0), "max-attempts must be at least 1; leave it out for attempts without end");
        check(policy.reset_every != Some(0), "reset-every must be at least 1; leave it out for a backoff that is never reset");
        if let OnGiveUp::StartAgain(pause) | OnGiveUp::Exit(pause) = policy.on_give_up {
            check((0..=DURATION_MAX).contains(&pause), "give-up-pause must be at most 1d");
        }
        let open_for = policy.breaker.map_or(SECOND, |limits| limits.open_for);
        check((MILLI..=DURATION_MAX).contains(&open_for), "a breaker must stay open for 1ms to 1d");
        check(self.trace_lines <= 200, "trace-lines must be at most 200");
        for (what, span) in [("outage", self.outage), ("restart", self.restart)] {
            let good = span.is_none_or(|(from, to)| 0 <= from && from < to && to <= DURATION_MAX);
            check(good, &format!("{what} must end after it begins, within a day; write for example --{what} 30s..32s"));
        }
        wrong
    }

    /// Whether the policy is the jittered one in any of its forms.
    #[must_use]
    pub fn has_jitter(&self) -> bool {
        self.policy.jitter != Jitter::None && self.policy.growth != Growth::Immediate
    }
}
