//! `squelch simulate`: flags to a [`Scenario`], lines to the output at the chosen pace.

use std::io::{ErrorKind, IsTerminal as _, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use crate::simulate::damage::{Damage, Damaged};
use crate::simulate::format::{Format, Prefix, render};
use crate::simulate::policy::{BreakerLimits, BudgetLimits, Growth, Jitter, OnGiveUp};
use crate::simulate::scenario::{NAMES, Scenario};
use crate::simulate::{SimLine, instances, simulate};
use crate::time::UnixNanos;
use crate::units::{parse_duration, show_count};

const AFTER_HELP: &str = "\
Stories:
  essay      twelve order services lose their broker for 2 s and retry without a wait;
             the storm outlives the outage until somebody stops the services
  healthy    the same services on a good day
  day        24 hours without a storm: deploys, batches, short outages, quiet nights
  postgres   twelve services against a database that says \"too many clients\"; both sides log
  crashloop  twelve pods die at start, the kubelet backs off
  lockstep   twelve services retry every second, all at the same instant
  jitter     the essay with exponential backoff and full jitter: it recovers
  breaker    the essay with a circuit breaker: it recovers

Examples:
  squelch simulate essay | squelch
  squelch simulate essay --policy exponential --base 200ms --jitter full | squelch report -
  squelch simulate essay --budget 10:0.5 --truth truth.json > log
  squelch simulate postgres --replay-format | squelch report --replay -

The same story, flags and seed give the same bytes. On a terminal the lines come as they would have come;
in a pipe or a file they come at once (see --speed).";

/// Make a retry storm to try things on
///
/// Simulates clients, their retry policy, a server with limited capacity and an outage, and prints what they would log.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct SimulateArgs {
    /// Story to tell; every flag below changes one thing about it
    #[arg(default_value = "essay", value_parser = story)]
    story: String,

    /// Instances that retry, 1 to 1000
    #[arg(long, value_name = "N", help_heading = "Clients")]
    clients: Option<usize>,
    /// Workers of each instance, each with a retry loop of its own
    #[arg(long, value_name = "N", help_heading = "Clients")]
    workers: Option<usize>,
    /// Each instance needs a new connection this often
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Clients")]
    work_every: Option<i64>,
    /// How long a client waits for its handshake
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Clients")]
    timeout: Option<i64>,
    /// What a failed attempt takes on the client's side
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Clients")]
    attempt_cost: Option<i64>,
    /// All clients notice the outage, and try, at the same instant
    #[arg(long, help_heading = "Clients")]
    lock_step: bool,

    /// How the wait between attempts grows
    #[arg(long, value_enum, help_heading = "Retry policy")]
    policy: Option<PolicyWord>,
    /// First wait [default: 100ms, in the story jitter 200ms]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Retry policy")]
    base: Option<i64>,
    /// Growth per attempt of an exponential policy [default: 2]
    #[arg(long, value_name = "X", help_heading = "Retry policy")]
    factor: Option<f64>,
    /// Longest wait; applied before the jitter [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Retry policy")]
    cap: Option<i64>,
    /// How the wait is spread
    #[arg(long, value_enum, help_heading = "Retry policy")]
    jitter: Option<JitterWord>,
    /// Attempts before giving up [default: no limit]
    #[arg(long, value_name = "N", help_heading = "Retry policy")]
    max_attempts: Option<u32>,
    /// What giving up means: drop the order, start again in an outer loop, or exit and be restarted
    #[arg(long, value_name = "WHAT", value_enum, requires = "max_attempts", help_heading = "Retry policy")]
    on_give_up: Option<GiveUpWord>,
    /// Wait before the outer loop or the supervisor starts again
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5s", help_heading = "Retry policy")]
    give_up_pause: i64,
    /// Start the backoff anew after so many attempts, as an outer loop does
    #[arg(long, value_name = "N", help_heading = "Retry policy")]
    reset_every: Option<u32>,
    /// Circuit breaker: failures in a row that open it, and for how long, as 5:10s; or none
    #[arg(long, value_name = "N:TIME|none", value_parser = breaker, help_heading = "Retry policy")]
    breaker: Option<Maybe<BreakerLimits>>,
    /// Retry budget: retries at once, and earned per second, as 10:0.5; or none
    #[arg(long, value_name = "N:RATE|none", value_parser = budget, help_heading = "Retry policy")]
    budget: Option<Maybe<BudgetLimits>>,

    /// When the server is away, as 30s..32s; or none
    #[arg(long, value_name = "FROM..TO|none", value_parser = span, help_heading = "Server")]
    outage: Option<Maybe<(i64, i64)>>,
    /// Handshakes a second that the server can make
    #[arg(long, value_name = "RATE", help_heading = "Server")]
    capacity: Option<f64>,
    /// Handshakes that may be open at once; the server refuses further ones
    #[arg(long, value_name = "N", help_heading = "Server")]
    backlog: Option<usize>,
    /// Server time that a refusal costs
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Server")]
    refusal_cost: Option<i64>,

    /// Length of the run, up to 1d
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Run")]
    duration: Option<i64>,
    /// When all clients are stopped, and when they start again, one each half second; or none. The essay has one at
    /// 105s..110s, unless --outage or --duration is given
    #[arg(long, value_name = "FROM..TO|none", value_parser = span, help_heading = "Run")]
    restart: Option<Maybe<(i64, i64)>>,
    /// Random numbers hang on it
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Run")]
    seed: u64,
    /// Time of the first line, RFC 3339 [default: 2026-03-02T09:00:00Z]
    #[arg(long, value_name = "TIME", value_parser = start, help_heading = "Run")]
    start: Option<UnixNanos>,
    /// Stop after so many lines [default: 2000000]
    #[arg(long, value_name = "N", help_heading = "Run")]
    lines_max: Option<u64>,
    /// realtime, max, or a multiple such as 10x [default: realtime on a terminal, else max]
    #[arg(long, value_name = "SPEED", value_parser = speed, help_heading = "Run")]
    speed: Option<Speed>,

    /// Look of the lines
    #[arg(long, value_enum, default_value_t = FormatWord::Logback, help_heading = "Lines")]
    format: FormatWord,
    /// What stands before each line, so that a pipe tells the instances apart [default: kubectl for logback, python and bare; else none]
    #[arg(long, value_enum, help_heading = "Lines")]
    prefix: Option<PrefixWord>,
    /// Stack trace lines below each retry line, up to 200
    #[arg(long, value_name = "N", help_heading = "Lines")]
    trace_lines: Option<u32>,
    /// Leave the attempt number out of the retry lines
    #[arg(long, help_heading = "Lines")]
    no_attempt_number: bool,
    /// Leave the wait ("retrying in 0ms") out of the retry lines
    #[arg(long, help_heading = "Lines")]
    no_delay: bool,
    /// Lose this share of the records, as 5% or 0.05
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0", help_heading = "Lines")]
    loss: f64,
    /// Let records overtake one another by up to this much, at most 2s
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "0s", help_heading = "Lines")]
    reorder: i64,
    /// Cut the time stamps in the lines to whole seconds
    #[arg(long, help_heading = "Lines")]
    whole_seconds: bool,
    /// Print unix_ns TAB stream TAB line, for `squelch report --replay -`
    #[arg(long, help_heading = "Lines")]
    replay_format: bool,
    /// Write what really happened to this file, as JSON
    #[arg(long, value_name = "FILE", help_heading = "Lines")]
    truth: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PolicyWord {
    /// No wait at all
    Immediate,
    /// The base each time
    Fixed,
    /// The base more each time
    Linear,
    /// Times the factor each time
    Exponential,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum JitterWord {
    /// The wait as it is
    None,
    /// Anything from 0 to the wait
    Full,
    /// Half the wait, and up to the other half
    Equal,
    /// Anything from the base to three times the last wait
    Decorrelated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum GiveUpWord {
    /// The order is lost
    Drop,
    /// An outer loop begins again
    Restart,
    /// The process ends, a supervisor restarts it
    Exit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatWord {
    /// Logback's usual pattern
    Logback,
    /// One JSON object a line
    Json,
    /// key=value
    Logfmt,
    /// Logback as a container runtime stores it
    Cri,
    /// RFC 5424
    Syslog,
    /// Python's logging
    Python,
    /// The message and nothing else
    Bare,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PrefixWord {
    /// Nothing
    None,
    /// As kubectl logs --prefix
    Kubectl,
    /// As docker compose logs
    Compose,
}

/// A flag that can also take something away: `none`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Maybe<T>(Option<T>);

/// Simulated seconds per second; infinite is "at once".
#[derive(Clone, Copy, Debug, PartialEq)]
struct Speed(f64);

/// Simulates and writes the lines to `out`. A reader that goes away ends the run; that is no failure.
///
/// # Errors
/// When flags contradict each other, or a write fails.
pub fn run(args: &SimulateArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let scenario = args.scenario();
    let mistakes = args.mistakes();
    if !mistakes.is_empty() {
        bail!("{}", mistakes.join("; "));
    }
    let mut truth_file = match &args.truth {
        // Opened before the run: nobody should wait minutes to hear that the folder does not exist.
        Some(path) => Some(
            std::fs::File::create(path)
                .with_context(|| format!("cannot write the truth to {}; give --truth a file in a folder that exists", path.display()))?,
        ),
        None => None,
    };
    let speed = args.speed.map_or(if std::io::stdout().is_terminal() { 1.0 } else { f64::INFINITY }, |Speed(speed)| speed);
    let mut writer = Writer { names: instances(&scenario), args, pace: Pace { speed, begun: None }, text: String::new(), out };
    let mut failure = None;
    let mut write = |arrival: i64, line: &SimLine| match writer.line(arrival, line) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failure = Some(error);
            ControlFlow::Break(())
        }
    };
    let mut damaged = Damaged::new(args.damage(), scenario.seed);
    let mut truth = simulate(&scenario, &mut |line| damaged.line(line, &mut write)).map_err(|mistakes| anyhow::anyhow!(mistakes.join("; ")))?;
    truth.lines_lost = damaged.finish(&mut write);
    let failure = failure.or_else(|| out.flush().err());
    if failure.as_ref().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        return Ok(()); // `| head` has seen enough; a truth of half a run would mislead
    }
    if let Some(error) = failure {
        return Err(error).context("cannot write the simulated lines");
    }
    if let Some(file) = &mut truth_file {
        let json = serde_json::to_string(&truth).context("cannot write the truth as JSON")?;
        writeln!(file, "{json}").context("cannot write the truth")?;
    }
    if truth.cut_short {
        let lines = show_count(truth.lines);
        anstream::eprintln!("squelch simulate: stopped after {lines} lines; raise --lines-max for more");
    }
    Ok(())
}

impl SimulateArgs {
    /// What in the flags is out of bounds or contradicts itself.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = self.scenario().mistakes();
        mistakes.extend(self.damage().mistakes());
        mistakes
    }

    fn scenario(&self) -> Scenario {
        let mut s = Scenario::named(&self.story).expect("the parser of the story lets no other name through");
        let own_times = self.outage.is_some() || self.duration.is_some();
        set(&mut s.clients, self.clients);
        set(&mut s.workers, self.workers);
        set(&mut s.work_every, self.work_every);
        set(&mut s.timeout, self.timeout);
        set(&mut s.attempt_cost, self.attempt_cost);
        s.lock_step |= self.lock_step;
        if let Some(word) = self.policy {
            s.policy.growth = word.growth();
        }
        set(&mut s.policy.base, self.base);
        set(&mut s.policy.factor, self.factor);
        match (self.cap, self.base) {
            (Some(cap), _) => s.policy.cap = cap,
            (None, Some(base)) => s.policy.cap = s.policy.cap.max(base), // a base of 60s alone is no contradiction
            (None, None) => {}
        }
        if let Some(word) = self.jitter {
            s.policy.jitter = word.jitter();
        }
        s.policy.max_attempts = self.max_attempts.or(s.policy.max_attempts);
        s.policy.reset_every = self.reset_every.or(s.policy.reset_every);
        match self.on_give_up {
            None => {}
            Some(GiveUpWord::Drop) => s.policy.on_give_up = OnGiveUp::Drop,
            Some(GiveUpWord::Restart) => s.policy.on_give_up = OnGiveUp::StartAgain(self.give_up_pause),
            Some(GiveUpWord::Exit) => s.policy.on_give_up = OnGiveUp::Exit(self.give_up_pause),
        }
        set(&mut s.policy.breaker, self.breaker.map(|Maybe(limits)| limits));
        set(&mut s.policy.budget, self.budget.map(|Maybe(limits)| limits));
        set(&mut s.outage, self.outage.map(|Maybe(span)| span));
        set(&mut s.capacity.handshakes_per_second, self.capacity);
        set(&mut s.capacity.backlog, self.backlog);
        set(&mut s.capacity.refusal_cost, self.refusal_cost);
        set(&mut s.duration, self.duration);
        match self.restart {
            Some(Maybe(span)) => s.restart = span,
            None if own_times => s.restart = None,
            None => {}
        }
        s.seed = self.seed;
        set(&mut s.start, self.start);
        set(&mut s.lines_max, self.lines_max);
        set(&mut s.trace_lines, self.trace_lines);
        s.attempt_numbers &= !self.no_attempt_number;
        s.stated_delays &= !self.no_delay;
        s
    }

    const fn damage(&self) -> Damage {
        Damage { loss: self.loss, reorder: self.reorder, whole_seconds: self.whole_seconds }
    }

    fn prefix(&self) -> Prefix {
        match (self.prefix, self.format) {
            (Some(PrefixWord::None), _) => Prefix::None,
            (Some(PrefixWord::Kubectl), _) => Prefix::Kubectl,
            (Some(PrefixWord::Compose), _) => Prefix::Compose,
            (None, _) if self.replay_format => Prefix::None, // the stream says it
            (None, FormatWord::Logback | FormatWord::Python | FormatWord::Bare) => Prefix::Kubectl,
            (None, _) => Prefix::None,
        }
    }
}

fn set<T>(to: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *to = value;
    }
}

/// Puts lines into the chosen look and writes each at its time.
struct Writer<'a> {
    names: Vec<String>,
    args: &'a SimulateArgs,
    pace: Pace,
    text: String,
    out: &'a mut dyn Write,
}

impl Writer<'_> {
    fn line(&mut self, arrival: i64, line: &SimLine) -> std::io::Result<()> {
        if self.pace.is_ahead(arrival) {
            self.out.flush()?; // what was said so far is seen while we wait
            self.pace.wait(arrival);
        }
        let name = &self.names[line.instance];
        self.text.clear();
        render(line, name, self.args.format.format(), self.args.prefix(), &mut self.text);
        if !self.args.replay_format {
            return self.out.write_all(self.text.as_bytes());
        }
        for text in self.text.lines() {
            writeln!(self.out, "{arrival}\t{name}\t{text}")?;
        }
        Ok(())
    }
}

/// Simulated time against the time on the wall.
struct Pace {
    speed: f64,
    begun: Option<(i64, Instant)>,
}

impl Pace {
    fn is_ahead(&mut self, at: i64) -> bool {
        self.speed.is_finite() && !self.missing(at).is_zero()
    }

    fn wait(&mut self, at: i64) {
        std::thread::sleep(self.missing(at));
    }

    fn missing(&mut self, at: i64) -> Duration {
        let (first, begun) = *self.begun.get_or_insert_with(|| (at, crate::clock::monotonic()));
        Duration::from_secs_f64((at - first).max(0) as f64 / 1e9 / self.speed).saturating_sub(begun.elapsed())
    }
}

impl PolicyWord {
    const fn growth(self) -> Growth {
        match self {
            Self::Immediate => Growth::Immediate,
            Self::Fixed => Growth::Fixed,
            Self::Linear => Growth::Linear,
            Self::Exponential => Growth::Exponential,
        }
    }
}

impl JitterWord {
    const fn jitter(self) -> Jitter {
        match self {
            Self::None => Jitter::None,
            Self::Full => Jitter::Full,
            Self::Equal => Jitter::Equal,
            Self::Decorrelated => Jitter::Decorrelated,
        }
    }
}

impl FormatWord {
    const fn format(self) -> Format {
        match self {
            Self::Logback => Format::Logback,
            Self::Json => Format::Json,
            Self::Logfmt => Format::Logfmt,
            Self::Cri => Format::Cri,
            Self::Syslog => Format::Syslog,
            Self::Python => Format::Python,
            Self::Bare => Format::Bare,
        }
    }
}

fn story(text: &str) -> Result<String, String> {
    let names = NAMES.map(|(name, _)| name);
    if names.contains(&text) { Ok(text.to_owned()) } else { Err(format!("no story of that name; choose one of {}", names.join(", "))) }
}

fn breaker(text: &str) -> Result<Maybe<BreakerLimits>, String> {
    if text == "none" {
        return Ok(Maybe(None));
    }
    let (failures, open_for) = text.split_once(':').ok_or("write failures and open time, for example 5:10s, or none")?;
    let failures =
        failures.parse().ok().filter(|n| *n > 0).ok_or_else(|| format!("`{failures}` is no number of failures; write for example 5:10s"))?;
    let open_for = parse_duration(open_for)?;
    if open_for == 0 {
        Err("a breaker must stay open for a while; write for example 5:10s".to_owned())
    } else {
        Ok(Maybe(Some(BreakerLimits { failures, open_for })))
    }
}

fn budget(text: &str) -> Result<Maybe<BudgetLimits>, String> {
    if text == "none" {
        return Ok(Maybe(None));
    }
    let (burst, rate) = text.split_once(':').ok_or("write retries at once and per second, for example 10:0.5, or none")?;
    let number = |text: &str| {
        text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0).ok_or_else(|| format!("`{text}` is no number; write for example 10:0.5"))
    };
    Ok(Maybe(Some(BudgetLimits { burst: number(burst)?, per_second: number(rate.trim_end_matches("/s"))? })))
}

fn span(text: &str) -> Result<Maybe<(i64, i64)>, String> {
    if text == "none" {
        return Ok(Maybe(None));
    }
    let (from, to) = text.split_once("..").ok_or("write when it begins and ends, for example 30s..32s, or none")?;
    Ok(Maybe(Some((parse_duration(from)?, parse_duration(to)?))))
}

fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    number.parse().map(|n: f64| n / scale).map_err(|_| "write a share such as 5% or 0.05".to_owned())
}

fn start(text: &str) -> Result<UnixNanos, String> {
    let stamp: jiff::Timestamp = text.parse().map_err(|_| "not an RFC 3339 time; write for example 2026-03-02T09:00:00Z".to_owned())?;
    // A day of room at the end keeps every time of the run within range.
    i64::try_from(stamp.as_nanosecond())
        .ok()
        .filter(|nanos| *nanos < i64::MAX - 2 * crate::simulate::scenario::DURATION_MAX)
        .map(UnixNanos)
        .ok_or_else(|| "out of range; choose a time between 1678 and 2261".to_owned())
}

fn speed(text: &str) -> Result<Speed, String> {
    match text {
        "max" => Ok(Speed(f64::INFINITY)),
        "realtime" => Ok(Speed(1.0)),
        _ => text
            .strip_suffix('x')
            .and_then(|n| n.parse().ok())
            .filter(|n: &f64| n.is_finite() && *n >= 0.001)
            .map(Speed)
            .ok_or_else(|| "write realtime, max, or a multiple such as 10x".to_owned()),
    }
}

#[cfg(test)]
mod tests;
