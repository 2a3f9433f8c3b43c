//! Prints how often the diagnosis is right on synthetic schedules: policies x instances x what the lines carry x how many lines.
//!
//! `cargo run --release --example diagnosis_matrix [RUNS]`. Deterministic: the random numbers are its own.

#![allow(clippy::print_stdout)] // printing is what it is for

use squelch::diagnosis::{Diagnosis, Observation, Policy, Tri};

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

#[derive(Clone, Copy, Debug, PartialEq)]
enum Truth {
    Immediate,
    Fixed,
    FixedJitter,
    Linear,
    Exponential,
    EqualJitter,
    FullJitter,
    Decorrelated,
}

const TRUTHS: [Truth; 8] = [
    Truth::Immediate,
    Truth::Fixed,
    Truth::FixedJitter,
    Truth::Linear,
    Truth::Exponential,
    Truth::EqualJitter,
    Truth::FullJitter,
    Truth::Decorrelated,
];

impl Truth {
    fn is_growing(self) -> bool {
        !matches!(self, Self::Immediate | Self::Fixed | Self::FixedJitter)
    }
    fn is_exactly(self, said: Policy) -> bool {
        match self {
            Self::Immediate => said == Policy::Immediate,
            Self::Fixed | Self::FixedJitter => said == Policy::Fixed || said == Policy::Constant && self == Self::FixedJitter,
            Self::Linear => said == Policy::Linear,
            _ => said == Policy::Exponential,
        }
    }
    fn has_jitter(self) -> bool {
        !matches!(self, Self::Immediate | Self::Fixed | Self::Linear | Self::Exponential)
    }
}

/// What the lines carry.
#[derive(Clone, Copy, Default)]
struct Carries {
    key: bool,
    workers: usize,
    attempt: bool,
    hint: bool,
    resolution_ms: f64,
    loss: f64,
}

/// Records of one case: (ms, instance, attempt, delay ms), in order.
fn schedule(random: &mut Random, truth: Truth, instances: usize, carries: Carries, lines: usize) -> Vec<(f64, u64, i64, f64)> {
    let base = if matches!(truth, Truth::Fixed | Truth::FixedJitter) { random.between(300.0, 5000.0) } else { random.between(100.0, 1000.0) };
    let factor = random.between(1.5, 3.0);
    let cap = base * random.between(16.0, 64.0);
    let spread = if random.unit() < 0.5 { 0.0 } else { random.between(0.0, base) };
    let mut records = Vec::new();
    let each = lines.div_ceil(instances * carries.workers) * 2 + 4;
    for worker in 0..instances * carries.workers {
        let mut at = 1000.0 + spread * random.unit();
        let mut wait = base;
        for attempt in 1..=each {
            let n = attempt as i32 - 1;
            let exponential = (base * factor.powi(n.min(60))).min(cap);
            wait = match truth {
                Truth::Immediate => 0.0,
                Truth::Fixed => base,
                Truth::FixedJitter => base * random.between(0.75, 1.25),
                Truth::Linear => (base * f64::from(n + 1)).min(cap),
                Truth::Exponential => exponential,
                Truth::EqualJitter => exponential * random.between(0.5, 1.0),
                Truth::FullJitter => exponential * random.unit(),
                Truth::Decorrelated => random.between(base, (wait * 3.0).max(base * 1.01)).min(cap),
            };
            records.push((at, (worker / carries.workers) as u64, attempt as i64, wait));
            // What an attempt takes: 2 to 12 ms.
            at += wait + random.between(2.0, 12.0);
        }
    }
    records.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    records.retain(|_| random.unit() >= carries.loss);
    records.truncate(lines);
    records
}

#[derive(Default)]
struct Score {
    cases: u32,
    exact: u32,
    /// Verdicts that name a specific policy: (right, all).
    named: (u32, u32),
    wrong: u32,
    coarse: u32,
    lockstep: (u32, u32),
    jitter: (u32, u32),
    instances: (u32, u32),
}

fn main() {
    let runs: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(10);
    let key = Carries { key: true, workers: 1, ..Carries::default() };
    let none = Carries { workers: 1, ..Carries::default() };
    let rows = [
        ("instance key, one worker", key),
        ("instance key, 4 workers behind it", Carries { workers: 4, ..key }),
        ("the same + attempt number", Carries { workers: 4, attempt: true, ..key }),
        ("instance key + attempt number", Carries { attempt: true, ..key }),
        ("no key", none),
        ("no key + attempt number", Carries { attempt: true, ..none }),
        ("no key + stated delay", Carries { hint: true, ..none }),
        ("instance key, 1-s timestamps", Carries { resolution_ms: 1000.0, ..key }),
        ("instance key, 5 % of lines lost", Carries { loss: 0.05, ..key }),
        ("instance key, 20 % of lines lost", Carries { loss: 0.2, ..key }),
    ];
    let mut bytes = 0;
    println!(
        "exact / exact where a specific policy is named / coarse wrong / coarse right   (lock-step right where claimed, jitter, instances within 20 %)"
    );
    for (name, carries) in rows {
        print!("{name:34}");
        for lines in [50, 100, 300, 1000] {
            let mut score = Score::default();
            for run in 0..runs {
                for truth in TRUTHS {
                    for instances in [1, 3, 12, 30] {
                        let mut random = Random(run * 1_000_003 + instances as u64 * 7919 + truth as u64 * 104_729 + lines as u64);
                        bytes = bytes.max(case(&mut random, truth, instances, carries, lines, &mut score));
                    }
                }
            }
            let share = |part: u32| f64::from(part) / f64::from(score.cases);
            let of = |pair: (u32, u32)| f64::from(pair.0) / f64::from(pair.1.max(1));
            print!(
                " | {:.2} {:.2} {:.3} {:.2} ({:.2} {:.2} {:.2})",
                share(score.exact),
                of(score.named),
                share(score.wrong),
                share(score.coarse),
                of(score.lockstep),
                of(score.jitter),
                of(score.instances)
            );
        }
        println!();
    }
    println!("largest state: {bytes} bytes");
}

fn case(random: &mut Random, truth: Truth, instances: usize, carries: Carries, lines: usize, score: &mut Score) -> usize {
    let records = schedule(random, truth, instances, carries, lines);
    let round = |ms: f64| if carries.resolution_ms > 0.0 { (ms / carries.resolution_ms).floor() * carries.resolution_ms } else { ms };
    let Some(first) = records.first() else { return 0 };
    let mut diagnosis = Diagnosis::new((round(first.0) * 1e6) as i64);
    for (at, instance, attempt, wait) in &records {
        let hash = if carries.key { (instance + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) } else { 0 };
        diagnosis.observe(&Observation {
            at: (round(*at) * 1e6) as i64,
            worker: hash,
            instance: hash,
            stream: 0,
            attempt: carries.attempt.then_some(*attempt as u32),
            limit: None,
            delay: carries.hint.then_some(wait.round() as i64 * 1_000_000),
        });
    }
    let verdict = diagnosis.verdict(diagnosis.last());
    score.cases += 1;
    let is_exact = truth.is_exactly(verdict.policy);
    score.exact += u32::from(is_exact);
    if !matches!(verdict.policy, Policy::Growing | Policy::Constant | Policy::Unknown) {
        score.named.0 += u32::from(is_exact);
        score.named.1 += 1;
        if std::env::var_os("WRONG").is_some() && !is_exact {
            println!("\nNAMED {truth:?} x{instances} {lines}: {:?} {:?}", verdict.policy, verdict.notes.first());
        }
    }
    if std::env::var_os("CONFUSION").is_some() && carries.workers == 1 && carries.loss == 0.0 && carries.resolution_ms == 0.0 {
        println!("CONF {lines} {truth:?} x{instances} {:?} k{}a{}h{} {:?} | {}", verdict.policy, carries.key as u8, carries.attempt as u8, carries.hint as u8, verdict.source, verdict.notes.first().cloned().unwrap_or_default());
    }
    let is_right = if truth.is_growing() { verdict.policy.is_growing() } else { verdict.policy.is_constant() };
    if std::env::var_os("WRONG").is_some() && verdict.policy != Policy::Unknown && !is_right {
        println!("\n{truth:?} x{instances} {lines}: {:?} {:?}", verdict.policy, verdict.notes);
    }
    score.coarse += u32::from(is_right);
    score.wrong += u32::from(verdict.policy != Policy::Unknown && !is_right);
    // All instances together: their first records within a quarter of the interval (between a quarter and a half nobody can say).
    if verdict.lockstep != Tri::Unknown && instances > 1 && !truth.has_jitter() && truth != Truth::Immediate {
        let starts = records.iter().take(instances * carries.workers).map(|record| record.0);
        let width = starts.clone().fold(0.0, f64::max) - starts.fold(f64::MAX, f64::min);
        let mut waits: Vec<f64> = records.iter().map(|record| record.3).collect();
        waits.sort_by(f64::total_cmp);
        let interval = waits[waits.len() / 2];
        if !(0.25..0.5).contains(&(width / interval)) {
            score.lockstep.0 += u32::from((verdict.lockstep == Tri::Yes) == (width < interval / 4.0));
            score.lockstep.1 += 1;
            if std::env::var_os("CONFUSION").is_some() && (verdict.lockstep == Tri::Yes) != (width < interval / 4.0) {
                println!("LOCK {lines} {truth:?} x{instances} key={} said {:?} width {width:.0} interval {interval:.0} {:?} {}", carries.key, verdict.lockstep, verdict.policy, carries.loss);
            }
        }
    }
    if verdict.jitter != Tri::Unknown && truth != Truth::Immediate {
        score.jitter.0 += u32::from((verdict.jitter == Tri::Yes) == truth.has_jitter());
        score.jitter.1 += 1;
    }
    if let Some(said) = verdict.instances {
        score.instances.0 += u32::from((said as f64 - instances as f64).abs() <= 0.2 * instances as f64);
        score.instances.1 += 1;
        if std::env::var_os("CONFUSION").is_some() && (said as f64 - instances as f64).abs() > 0.2 * instances as f64 {
            println!("INST {lines} {truth:?} x{instances} key={} said {said} {:?} {}", carries.key, verdict.policy, carries.hint);
        }
    }
    diagnosis.bytes()
}
