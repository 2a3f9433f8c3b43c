//! Outages of the simulator, under many policies, in many formats, with many kinds of damage.

use super::{Bench, Random, share};
use squelch::diagnosis::{Policy as Said, Tri, Verdict};
use squelch::simulate::damage::{Damage, Damaged};
use squelch::simulate::format::{Format, Prefix, render};
use squelch::simulate::policy::{BreakerLimits, BudgetLimits, Growth, Jitter, OnGiveUp, Policy};
use squelch::simulate::wording::LineKind;
use squelch::simulate::{Scenario, instances, simulate};
use squelch::time::{MILLI, SECOND};
use std::fmt::Write as _;
use std::ops::ControlFlow;

const FORMATS: [Format; 7] = [Format::Logback, Format::Json, Format::Logfmt, Format::Cri, Format::Syslog, Format::Python, Format::Bare];
/// What may be wrong with the lines.
const DAMAGES: [&str; 7] =
    ["none", "no attempt number", "no delay text", "neither", "neither, whole seconds", "neither, 5 % lost", "neither, reordered by 1 s"];
/// A storm of the definition: so many retry lines a second ...
const STORM_RATE: u32 = 5;
/// ... for so many seconds in a row.
const STORM_SECONDS: usize = 10;
/// The outage begins here.
const OUTAGE: i64 = 20 * SECOND;

fn fixed(base: i64) -> Policy {
    Policy { growth: Growth::Fixed, base, ..Policy::immediate() }
}

fn growing(growth: Growth, jitter: Jitter) -> Policy {
    Policy { growth, jitter, base: 200 * MILLI, ..Policy::immediate() }
}

/// Policies that storm: (name, policy, in lock-step).
fn storming() -> [(&'static str, Policy, bool); 8] {
    let outer_loop = Policy { max_attempts: Some(3), on_give_up: OnGiveUp::StartAgain(200 * MILLI), ..growing(Growth::Exponential, Jitter::None) };
    [
        ("immediate", Policy::immediate(), false),
        ("fixed 50 ms", fixed(50 * MILLI), false),
        ("fixed 200 ms", fixed(200 * MILLI), false),
        ("fixed 1 s", fixed(SECOND), false),
        ("fixed 1 s in lock-step", fixed(SECOND), true),
        ("fixed 500 ms, equal jitter", Policy { jitter: Jitter::Equal, ..fixed(500 * MILLI) }, false),
        ("exponential, capped at 400 ms", Policy { cap: 400 * MILLI, ..growing(Growth::Exponential, Jitter::Full) }, false),
        ("three attempts, begun again at once", outer_loop, false),
    ]
}

/// Policies that do not.
fn calming() -> [(&'static str, Policy); 5] {
    [
        ("exponential", growing(Growth::Exponential, Jitter::None)),
        ("full jitter", growing(Growth::Exponential, Jitter::Full)),
        ("decorrelated", growing(Growth::Exponential, Jitter::Decorrelated)),
        ("breaker", Policy { breaker: Some(BreakerLimits { failures: 5, open_for: 10 * SECOND }), ..Policy::immediate() }),
        ("budget", Policy { budget: Some(BudgetLimits { burst: 10.0, per_second: 0.05 }), ..Policy::immediate() }),
    ]
}

/// One run: what is simulated, how it looks.
struct Run {
    scenario: Scenario,
    format: Format,
    damage: Damage,
    /// Whether each instance is a stream of its own, else all share one, with a prefix where the format names no instance.
    is_apart: bool,
    /// Whether nothing in a line names an instance.
    is_nameless: bool,
}

impl Run {
    fn new(policy: Policy, lock_step: bool, clients: usize, damage: usize, format: Format, seed: u64) -> Self {
        let base = Scenario::essay();
        let scenario = Scenario {
            clients,
            policy,
            lock_step,
            outage: Some((OUTAGE, OUTAGE + 60 * SECOND)),
            restart: None,
            duration: OUTAGE + 60 * SECOND,
            attempt_numbers: !matches!(damage, 1 | 3..),
            stated_delays: !matches!(damage, 2..),
            seed,
            ..base
        };
        let damage = Damage { loss: if damage == 5 { 0.05 } else { 0.0 }, reorder: if damage == 6 { SECOND } else { 0 }, whole_seconds: damage == 4 };
        Self { scenario, format, damage, is_apart: false, is_nameless: false }
    }

    /// Hands arrival, stream, text and kind of each record to `each`, until it says stop.
    fn play(&self, each: &mut dyn FnMut(i64, &str, &str, LineKind) -> ControlFlow<()>) {
        let names = instances(&self.scenario);
        let has_names = matches!(self.format, Format::Json | Format::Logfmt | Format::Syslog) || self.is_apart;
        let prefix = if has_names || self.is_nameless { Prefix::None } else { Prefix::Kubectl };
        let mut write = |arrival: i64, line: &squelch::simulate::SimLine| {
            let mut text = String::new();
            let name = &names[line.instance];
            render(line, name, self.format, prefix, &mut text);
            each(arrival, if self.is_apart { name } else { "all" }, &text, line.kind)
        };
        let mut damaged = Damaged::new(self.damage, self.scenario.seed);
        simulate(&self.scenario, &mut |line| damaged.line(line, &mut write)).expect("the scenario is sound");
        damaged.finish(&mut write);
    }
}

/// What one run showed.
struct Seen {
    /// First of the seconds of storm, if there were enough, and the mean rate in them.
    storm: Option<(i64, f64)>,
    alerts: Vec<(i64, String)>,
    is_exact: bool,
}

fn watch(run: &Run) -> Seen {
    let start = run.scenario.start.0;
    let mut bench = Bench::new(start);
    let mut retries = vec![0_u32; (run.scenario.duration / SECOND + 3) as usize];
    run.play(&mut |arrival, stream, text, kind| {
        if kind == LineKind::Retry
            && let Some(cell) = retries.get_mut(((arrival - start) / SECOND) as usize)
        {
            *cell += 1;
        }
        bench.feed(stream, run.is_apart, arrival, text);
        ControlFlow::Continue(())
    });
    let is_exact = bench.ends_exact(start + run.scenario.duration);
    let mut streak = 0;
    let mut storm = None;
    for (second, count) in retries.iter().enumerate() {
        streak = if *count >= STORM_RATE { streak + 1 } else { 0 };
        if streak == STORM_SECONDS {
            let first = second + 1 - STORM_SECONDS;
            let mean = f64::from(retries[first..=second].iter().sum::<u32>()) / STORM_SECONDS as f64;
            storm = Some((start + first as i64 * SECOND, mean));
            break;
        }
    }
    Seen { storm, alerts: bench.told.alerts, is_exact }
}

/// Delays of one group, and how many it missed.
#[derive(Clone, Default)]
struct Group {
    delays: Vec<f64>,
    storms: usize,
}

impl Group {
    fn line(&self) -> String {
        let mut sorted = self.delays.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |q: f64| sorted.get(((sorted.len() as f64 * q) as usize).min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN);
        format!("{:.1} s / {:.1} s", at(0.5), at(0.95))
    }
}

/// Detection over all runs.
#[derive(Default)]
pub struct Detection {
    pub storms: usize,
    pub found: usize,
    pub calm: usize,
    pub calm_told: usize,
    pub runs: usize,
    pub exact: usize,
    pub repeated: usize,
    pub same: usize,
    loud: Group,
    all: Group,
    damages: Vec<Group>,
    policies: Vec<Group>,
}

impl Detection {
    /// Median and p95 of all storms, or of those of 50 lines/s and more.
    pub fn delay(&self, is_loud: bool) -> String {
        let group = if is_loud { &self.loud } else { &self.all };
        format!("{} ({} storms)", group.line(), group.delays.len())
    }

    pub fn by_damage(&self) -> String {
        table("damage", DAMAGES.iter().copied().zip(&self.damages))
    }

    pub fn by_policy(&self) -> String {
        table("policy", storming().iter().map(|known| known.0).zip(&self.policies))
    }
}

fn table<'a>(head: &str, rows: impl Iterator<Item = (&'a str, &'a Group)>) -> String {
    let mut text = format!("| {head} | found | delay |\n|---|---|---|\n");
    for (name, group) in rows {
        let _ = writeln!(text, "| {name} | {} | {} |", share(group.delays.len(), group.storms), group.line());
    }
    text
}

/// All storms in all formats with all damages, and the outages that are none.
pub fn detection(seed: u64, runs: u64) -> Detection {
    let mut all = Detection { damages: vec![Group::default(); DAMAGES.len()], policies: vec![Group::default(); 8], ..Detection::default() };
    for round in 0..runs {
        for (damage, _) in DAMAGES.iter().enumerate() {
            for (f, format) in FORMATS.into_iter().enumerate() {
                for (p, (name, policy, lock_step)) in storming().into_iter().enumerate() {
                    let number = ((round * 7 + damage as u64) * 7 + f as u64) * 8 + p as u64;
                    let mut random = Random(seed.wrapping_mul(7919) + number);
                    let run = Run::new(policy, lock_step, random.whole(6, 40) as usize, damage, format, random.whole(1, 1 << 40));
                    let seen = watch(&run);
                    all.runs += 1;
                    all.exact += usize::from(seen.is_exact);
                    if number % 16 == 3 {
                        all.repeated += 1;
                        all.same += usize::from(watch(&run).alerts == seen.alerts);
                    }
                    let Some((onset, rate)) = seen.storm else { continue };
                    all.storms += 1;
                    all.damages[damage].storms += 1;
                    all.policies[p].storms += 1;
                    let Some((told, _)) = seen.alerts.first() else {
                        eprintln!("missed: {name}, {format:?}, {}, {} clients, {rate:.1}/s", DAMAGES[damage], run.scenario.clients);
                        continue;
                    };
                    all.found += 1;
                    let delay = (told - onset) as f64 / 1e9;
                    for group in [&mut all.all, &mut all.damages[damage], &mut all.policies[p]] {
                        group.delays.push(delay);
                    }
                    if rate >= 50.0 {
                        all.loud.delays.push(delay);
                    }
                }
                for (p, (name, policy)) in calming().into_iter().enumerate() {
                    let number = ((round * 7 + damage as u64) * 7 + f as u64) * 8 + p as u64;
                    let mut random = Random(seed.wrapping_mul(104_729) + number);
                    let run = Run::new(policy, false, random.whole(6, 40) as usize, damage, format, random.whole(1, 1 << 40));
                    let seen = watch(&run);
                    all.runs += 1;
                    all.exact += usize::from(seen.is_exact);
                    all.calm += 1;
                    all.calm_told += usize::from(!seen.alerts.is_empty());
                    if let Some((at, text)) = seen.alerts.first() {
                        let after = (at - run.scenario.start.0 - OUTAGE) as f64 / 1e9;
                        eprintln!(
                            "told: {name}, {format:?}, {}, {} clients, after {after:.0} s: {}",
                            DAMAGES[damage],
                            run.scenario.clients,
                            text.lines().next().unwrap_or_default()
                        );
                    }
                }
            }
        }
    }
    all
}

/// Right and said.
#[derive(Clone, Copy, Default)]
struct Count {
    right: usize,
    of: usize,
}

impl Count {
    fn add(&mut self, is_right: bool) {
        self.of += 1;
        self.right += usize::from(is_right);
    }
    fn share(self) -> String {
        share(self.right, self.of)
    }
}

/// Diagnosis over all runs.
#[derive(Default)]
pub struct Diagnosis {
    /// At 100 and 300 lines, with an instance in each line.
    exact: [Count; 2],
    coarse_wrong: Count,
    unkeyed: Count,
    lockstep: Count,
    jitter: Count,
    instances: Count,
    damages: Vec<(Count, Count)>,
}

impl Diagnosis {
    pub fn exact(&self) -> String {
        format!("{} / {}", self.exact[0].share(), self.exact[1].share())
    }
    pub fn coarse_wrong(&self) -> String {
        self.coarse_wrong.share()
    }
    pub fn unkeyed(&self) -> String {
        self.unkeyed.share()
    }
    pub fn claims(&self) -> String {
        format!("{} / {}", self.lockstep.share(), self.jitter.share())
    }
    pub fn instances(&self) -> String {
        self.instances.share()
    }
    pub fn by_damage(&self) -> String {
        let mut text = "| damage | exact | coarse wrong |\n|---|---|---|\n".to_owned();
        for (name, (exact, wrong)) in DAMAGES.iter().zip(&self.damages) {
            let _ = writeln!(text, "| {name} | {} | {} |", exact.share(), wrong.share());
        }
        text
    }
}

/// A policy and what should be said of it.
struct Truth {
    policy: Policy,
    said: Said,
    jitter: Option<bool>,
    /// `None` where it is a matter of words: all notice the outage within 150 ms, and a regular wait keeps them there.
    lockstep: Option<bool>,
}

fn policies() -> [Truth; 9] {
    let truth = |policy, said, jitter, lockstep| Truth { policy, said, jitter, lockstep };
    [
        truth(Policy::immediate(), Said::Immediate, None, None),
        truth(fixed(200 * MILLI), Said::Fixed, Some(false), None),
        truth(Policy { jitter: Jitter::Equal, ..fixed(SECOND) }, Said::Fixed, Some(true), Some(false)),
        truth(fixed(SECOND), Said::Fixed, Some(false), Some(true)),
        truth(growing(Growth::Linear, Jitter::None), Said::Linear, Some(false), None),
        truth(growing(Growth::Exponential, Jitter::None), Said::Exponential, Some(false), None),
        truth(growing(Growth::Exponential, Jitter::Equal), Said::Exponential, Some(true), Some(false)),
        truth(growing(Growth::Exponential, Jitter::Full), Said::Exponential, Some(true), Some(false)),
        truth(growing(Growth::Exponential, Jitter::Decorrelated), Said::Exponential, Some(true), Some(false)),
    ]
}

/// The diagnosis of the retry lines after the first 100 and 300 of them.
fn verdicts(run: &Run) -> [Option<Verdict>; 2] {
    let mut bench = Bench::new(run.scenario.start.0);
    let (mut retries, mut verdicts) = (0, [None, None]);
    run.play(&mut |arrival, stream, text, kind| {
        bench.feed(stream, run.is_apart, arrival, text);
        retries += u64::from(kind == LineKind::Retry);
        let at = match retries {
            100 => 0,
            300 => 1,
            _ => return ControlFlow::Continue(()),
        };
        if kind == LineKind::Retry {
            // Of the fingerprint with most lines: that is the retry line, whatever else is said.
            verdicts[at] = bench.engine.diagnoses().into_iter().find(|known| known.fingerprint.class.is_retry_like()).map(|known| known.verdict);
        }
        if at == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    verdicts
}

/// All policies with all damages; keyed in every format, without any key as bare lines.
pub fn diagnosis(seed: u64, runs: u64) -> Diagnosis {
    let mut all = Diagnosis { damages: vec![Default::default(); DAMAGES.len()], ..Diagnosis::default() };
    for round in 0..runs {
        for (damage, _) in DAMAGES.iter().enumerate() {
            for (f, format) in FORMATS.into_iter().chain([Format::Bare]).enumerate() {
                for (p, Truth { policy, said: truth, jitter, lockstep }) in policies().into_iter().enumerate() {
                    let number = ((round * 7 + damage as u64) * 8 + f as u64) * 9 + p as u64;
                    let mut random = Random(seed.wrapping_mul(15_485_863) + number);
                    let clients = random.whole(3, 30) as usize;
                    let mut run = Run::new(policy, lockstep == Some(true), clients, damage, format, random.whole(1, 1 << 40));
                    // Long enough for 300 lines of a backoff.
                    run.scenario.outage = Some((OUTAGE, OUTAGE + 1200 * SECOND));
                    run.scenario.duration = OUTAGE + 1200 * SECOND;
                    run.is_nameless = f == FORMATS.len();
                    let found = verdicts(&run);
                    for (n, verdict) in found.iter().enumerate() {
                        let Some(verdict) = verdict else { continue };
                        let says_coarse = verdict.policy != Said::Unknown;
                        let is_right = verdict.policy.is_growing() == truth.is_growing();
                        // Of a jittered regular wait "constant" is all there is to say.
                        let is_exact = verdict.policy == truth || jitter == Some(true) && truth == Said::Fixed && verdict.policy == Said::Constant;

                        if damage == 0 && !run.is_nameless {
                            all.exact[n].add(is_exact);
                        }
                        if n == 0 {
                            continue;
                        }
                        all.coarse_wrong.add(says_coarse && !is_right);
                        all.damages[damage].0.add(is_exact);
                        all.damages[damage].1.add(says_coarse && !is_right);
                        if run.is_nameless {
                            all.unkeyed.add(says_coarse && is_right);
                            continue;
                        }
                        if let Some(lockstep) = lockstep
                            && verdict.lockstep != Tri::Unknown
                        {
                            all.lockstep.add((verdict.lockstep == Tri::Yes) == lockstep);
                        }
                        if let Some(jitter) = jitter
                            && verdict.jitter != Tri::Unknown
                        {
                            all.jitter.add((verdict.jitter == Tri::Yes) == jitter);
                        }
                        let said = verdict.instances.unwrap_or(0) as f64;
                        all.instances.add((said - clients as f64).abs() <= 0.2 * clients as f64);
                    }
                }
            }
        }
    }
    all
}
