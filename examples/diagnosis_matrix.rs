//! Prints how often the diagnosis is right on synthetic schedules, as Markdown: policies x instances x what the lines carry x how many
//! lines x damages.
//!
//! `cargo run --release --example diagnosis_matrix -- [--seed N] [--runs N] [--wrong]`. Deterministic: the random numbers are its own, and
//! every case has its own stream of them, so that one more row changes no other. `--wrong` lists each verdict that is wrong.

#![allow(clippy::print_stdout)] // printing is what it is for

use squelch::diagnosis::{Diagnosis, Observation, Policy, Tri, Verdict};
use std::collections::BTreeMap;

/// Lines a case has.
const LINES: [usize; 4] = [30, 100, 300, 1000];
/// Instances of a case.
const INSTANCES: [usize; 4] = [1, 3, 12, 30];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let value = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let value = (value ^ value >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ value >> 31
    }
    /// In 0..1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Truth {
    Immediate,
    Fixed,
    FixedJitter,
    Linear,
    Exponential,
    EqualJitter,
    FullJitter,
    Decorrelated,
    RandomWait,
    LinearJitter,
}

impl Truth {
    /// What clients really do: these make the averages.
    const MIX: [Self; 8] =
        [Self::Immediate, Self::Fixed, Self::FixedJitter, Self::Linear, Self::Exponential, Self::EqualJitter, Self::FullJitter, Self::Decorrelated];
    /// Rare ones, kept out of the averages: here the words of a verdict reach their limit.
    const RARE: [Self; 2] = [Self::RandomWait, Self::LinearJitter];

    const fn name(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::Fixed => "fixed",
            Self::FixedJitter => "fixed ±25 %",
            Self::Linear => "linear",
            Self::Exponential => "exponential",
            Self::EqualJitter => "exponential, equal jitter",
            Self::FullJitter => "exponential, full jitter",
            Self::Decorrelated => "decorrelated jitter",
            Self::RandomWait => "fixed, full jitter (rare)",
            Self::LinearJitter => "linear, equal jitter (rare)",
        }
    }
    fn is_growing(self) -> bool {
        !matches!(self, Self::Immediate | Self::Fixed | Self::FixedJitter | Self::RandomWait)
    }
    fn is_exactly(self, said: Policy) -> bool {
        match self {
            Self::Immediate => said == Policy::Immediate,
            Self::Fixed => said == Policy::Fixed,
            Self::FixedJitter | Self::RandomWait => matches!(said, Policy::Fixed | Policy::Constant),
            Self::Linear | Self::LinearJitter => said == Policy::Linear,
            _ => said == Policy::Exponential,
        }
    }
    fn has_jitter(self) -> bool {
        !matches!(self, Self::Immediate | Self::Fixed | Self::Linear | Self::Exponential)
    }
}

/// What the lines carry, and what happened to them on the way.
#[derive(Clone, Copy)]
struct Carries {
    key: bool,
    workers: usize,
    attempt: bool,
    hint: bool,
    resolution_ms: f64,
    loss: f64,
    /// Stamps are off by up to so much, as arrival times are.
    wobble_ms: f64,
    /// Lines that an attempt writes, 1 to 3 ms apart.
    lines_each: usize,
}

const PLAIN: Carries = Carries { key: true, workers: 1, attempt: false, hint: false, resolution_ms: 0.0, loss: 0.0, wobble_ms: 0.0, lines_each: 1 };

const CARRIES: [(&str, Carries); 12] = [
    ("instance key", PLAIN),
    ("instance key + attempt number", Carries { attempt: true, ..PLAIN }),
    ("4 workers behind each key", Carries { workers: 4, ..PLAIN }),
    ("the same + attempt number", Carries { workers: 4, attempt: true, ..PLAIN }),
    ("no key", Carries { key: false, ..PLAIN }),
    ("no key + attempt number", Carries { key: false, attempt: true, ..PLAIN }),
    ("no key + stated delay", Carries { key: false, hint: true, ..PLAIN }),
    ("key, stamps in whole seconds", Carries { resolution_ms: 1000.0, ..PLAIN }),
    ("key, stamps off by up to 20 ms", Carries { wobble_ms: 20.0, ..PLAIN }),
    ("key, 5 % of the lines lost", Carries { loss: 0.05, ..PLAIN }),
    ("key, 20 % of the lines lost", Carries { loss: 0.2, ..PLAIN }),
    ("key, three lines an attempt", Carries { lines_each: 3, ..PLAIN }),
];

struct Record {
    at_ms: f64,
    instance: u64,
    attempt: u32,
    wait_ms: f64,
}

/// Records of one case, in order of time.
fn schedule(random: &mut Random, truth: Truth, instances: usize, carries: Carries, lines: usize) -> Vec<Record> {
    let is_fixed = matches!(truth, Truth::Fixed | Truth::FixedJitter | Truth::RandomWait);
    let base = if is_fixed { random.between(300.0, 5000.0) } else { random.between(100.0, 1000.0) };
    let factor = random.between(1.5, 3.0);
    let cap = base * random.between(16.0, 64.0);
    // All at one moment, or spread over up to a wait.
    let spread = if random.unit() < 0.5 { 0.0 } else { random.between(0.0, base) };
    let mut records = Vec::new();
    let each = lines.div_ceil(instances * carries.workers * carries.lines_each) * 2 + 4;
    for worker in 0..instances * carries.workers {
        let mut at = 1000.0 + spread * random.unit();
        let mut wait = base;
        for attempt in 1..=each {
            let n = attempt as i32 - 1;
            let exponential = (base * factor.powi(n.min(60))).min(cap);
            let linear = (base * f64::from(n + 1)).min(cap);
            wait = match truth {
                Truth::Immediate => 0.0,
                Truth::Fixed => base,
                Truth::FixedJitter => base * random.between(0.75, 1.25),
                Truth::RandomWait => base * random.unit(),
                Truth::Linear => linear,
                Truth::LinearJitter => linear * random.between(0.5, 1.0),
                Truth::Exponential => exponential,
                Truth::EqualJitter => exponential * random.between(0.5, 1.0),
                Truth::FullJitter => exponential * random.unit(),
                Truth::Decorrelated => random.between(base, (wait * 3.0).max(base * 1.01)).min(cap),
            };
            let mut line_at = at;
            for _ in 0..carries.lines_each {
                records.push(Record { at_ms: line_at, instance: (worker / carries.workers) as u64, attempt: attempt as u32, wait_ms: wait });
                line_at += random.between(1.0, 3.0);
            }
            // What an attempt takes: 2 to 12 ms.
            at += wait + random.between(2.0, 12.0);
        }
    }
    if carries.wobble_ms > 0.0 {
        records.iter_mut().for_each(|record| record.at_ms += random.between(0.0, carries.wobble_ms));
    }
    records.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms).then(a.instance.cmp(&b.instance)));
    records.retain(|_| random.unit() >= carries.loss);
    records.truncate(lines);
    records
}

/// Right answers of those given.
#[derive(Clone, Copy, Default)]
struct Claims {
    right: u32,
    said: u32,
}

impl Claims {
    fn add(&mut self, is_right: bool) {
        self.right += u32::from(is_right);
        self.said += 1;
    }
    fn share(self) -> String {
        if self.said == 0 { "-".to_owned() } else { format!("{:.2}", f64::from(self.right) / f64::from(self.said)) }
    }
}

#[derive(Default)]
struct Score {
    exact: Claims,
    /// Verdicts that name a policy: not growing, constant or unknown.
    named: Claims,
    coarse: Claims,
    /// Coarse wrong, of all.
    wrong: Claims,
    lockstep: Claims,
    jitter: Claims,
    instances: Claims,
    bytes: usize,
    words: BTreeMap<&'static str, u32>,
}

struct Run {
    seed: u64,
    runs: u64,
    lists_wrong: bool,
}

impl Run {
    /// All cases of some policies for one kind of lines.
    fn score(&self, truths: &[Truth], carries: Carries, lines: usize) -> Score {
        let mut score = Score::default();
        for run in 0..self.runs {
            for &truth in truths {
                for instances in INSTANCES {
                    let case = run * 1_000_003 + instances as u64 * 7919 + truth as u64 * 104_729 + lines as u64;
                    self.case(&mut Random(case ^ self.seed.wrapping_mul(0xD6E8_FEB8_6659_FD93)), truth, instances, carries, lines, &mut score);
                }
            }
        }
        score
    }

    fn case(&self, random: &mut Random, truth: Truth, instances: usize, carries: Carries, lines: usize, score: &mut Score) {
        let records = schedule(random, truth, instances, carries, lines);
        let stamp = |ms: f64| {
            let ms = if carries.resolution_ms > 0.0 { (ms / carries.resolution_ms).floor() * carries.resolution_ms } else { ms };
            (ms * 1e6) as i64
        };
        let Some(first) = records.first() else { return };
        let mut diagnosis = Diagnosis::new(stamp(first.at_ms));
        for record in &records {
            let hash = if carries.key { (record.instance + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) } else { 0 };
            diagnosis.observe(&Observation {
                at: stamp(record.at_ms),
                worker: hash,
                instance: hash,
                stream: 0,
                attempt: carries.attempt.then_some(record.attempt),
                limit: None,
                delay: carries.hint.then_some(record.wait_ms.round() as i64 * 1_000_000),
            });
        }
        let verdict = diagnosis.verdict(diagnosis.last());
        score.bytes = score.bytes.max(diagnosis.bytes());
        let is_exact = truth.is_exactly(verdict.policy);
        let is_right = if truth.is_growing() { verdict.policy.is_growing() } else { verdict.policy.is_constant() };
        let is_wrong = verdict.policy != Policy::Unknown && !is_right;
        score.exact.add(is_exact);
        score.coarse.add(is_right);
        score.wrong.add(is_wrong);
        if !matches!(verdict.policy, Policy::Growing | Policy::Constant | Policy::Unknown) {
            score.named.add(is_exact);
        }
        *score.words.entry(verdict.policy.as_str()).or_default() += 1;
        judge_people(&verdict, &records, truth, instances, carries, score);
        if self.lists_wrong && is_wrong {
            println!("{} x{instances}, {lines} lines: {} from {}, {:?}", truth.name(), verdict.policy, verdict.source, verdict.notes.first());
        }
    }
}

/// Lock-step, jitter and number of instances, where the verdict claims anything.
fn judge_people(verdict: &Verdict, records: &[Record], truth: Truth, instances: usize, carries: Carries, score: &mut Score) {
    // All instances together: their first records within a quarter of the typical wait (between a quarter and a half nobody can say).
    if verdict.lockstep != Tri::Unknown && instances > 1 && !truth.has_jitter() && truth != Truth::Immediate {
        let starts = || records.iter().take(instances * carries.workers * carries.lines_each).map(|record| record.at_ms);
        let width = starts().fold(0.0, f64::max) - starts().fold(f64::MAX, f64::min);
        let mut waits: Vec<f64> = records.iter().map(|record| record.wait_ms).collect();
        waits.sort_by(f64::total_cmp);
        let share = width / waits[waits.len() / 2];
        if !(0.25..0.5).contains(&share) {
            score.lockstep.add((verdict.lockstep == Tri::Yes) == (share < 0.25));
        }
    }
    if verdict.jitter != Tri::Unknown && truth != Truth::Immediate {
        score.jitter.add((verdict.jitter == Tri::Yes) == truth.has_jitter());
    }
    if let Some(said) = verdict.instances {
        score.instances.add((said as f64 - instances as f64).abs() <= 0.2 * instances as f64);
    }
}

fn head(first: &str) {
    println!("| {first} | {} |", LINES.map(|lines| format!("{lines} lines")).join(" | "));
    println!("|---|{}", "---|".repeat(LINES.len()));
}

fn main() {
    let mut run = Run { seed: 1, runs: 25, lists_wrong: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok()).expect("a number after --seed and --runs");
        match argument.as_str() {
            "--seed" => run.seed = number(),
            "--runs" => run.runs = number(),
            "--wrong" => run.lists_wrong = true,
            _ => panic!("the options are --seed N, --runs N and --wrong"),
        }
    }
    let cases = run.runs as usize * Truth::MIX.len() * INSTANCES.len();
    println!("Seed {}, {cases} cases in each cell: 8 policies, 1, 3, 12 and 30 instances, {} runs.\n", run.seed, run.runs);

    println!("### Policy, by what the lines carry\n\nExact / coarse wrong / coarse right, of all cases.\n");
    let scores: Vec<(&str, [Score; 4])> =
        CARRIES.iter().map(|&(name, carries)| (name, LINES.map(|lines| run.score(&Truth::MIX, carries, lines)))).collect();
    head("lines carry");
    for (name, row) in &scores {
        println!("| {name} | {} |", row.each_ref().map(|s| format!("{} / {} / {}", s.exact.share(), s.wrong.share(), s.coarse.share())).join(" | "));
    }
    println!("\n### What is claimed\n\nRight where claimed: a policy by name / lock-step / jitter / instances within 20 %.\n");
    head("lines carry");
    for (name, row) in &scores {
        let cell = |s: &Score| format!("{} / {} / {} / {}", s.named.share(), s.lockstep.share(), s.jitter.share(), s.instances.share());
        println!("| {name} | {} |", row.each_ref().map(cell).join(" | "));
    }
    for (name, carries) in [("with an instance key", PLAIN), ("without any key", Carries { key: false, ..PLAIN })] {
        println!("\n### Policy by policy, {name}\n\nExact / coarse wrong / coarse right.\n");
        head("policy");
        for truth in Truth::MIX.into_iter().chain(Truth::RARE) {
            let row = LINES.map(|lines| run.score(&[truth], carries, lines));
            println!(
                "| {} | {} |",
                truth.name(),
                row.each_ref().map(|s| format!("{} / {} / {}", s.exact.share(), s.wrong.share(), s.coarse.share())).join(" | ")
            );
        }
    }
    let words = ["immediate", "fixed", "constant", "linear", "exponential", "growing", "unknown"];
    for lines in [100, 300] {
        println!("\n### What is said of which, instance key, {lines} lines\n");
        println!("| policy | {} |\n|---|{}", words.join(" | "), "---|".repeat(words.len()));
        for truth in Truth::MIX.into_iter().chain(Truth::RARE) {
            let score = run.score(&[truth], PLAIN, lines);
            let row = words.map(|word| score.words.get(word).map_or_else(|| "·".to_owned(), ToString::to_string));
            println!("| {} | {} |", truth.name(), row.join(" | "));
        }
    }
    let bytes = scores.iter().flat_map(|(_, row)| row).map(|score| score.bytes).max().unwrap_or(0);
    println!("\nLargest state of a fingerprint: {bytes} bytes.");
}
