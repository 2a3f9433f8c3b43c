//! Prints recall and delay of storm detection, and false alarms on healthy days: `cargo run --release --example detection_matrix [DAYS [STORMS]]`.
//!
//! Deterministic: the random numbers are its own.

#![allow(clippy::print_stdout)] // printing is what it is for

use squelch::fingerprint::Fingerprint;
use squelch::occurrence::Occurrence;
use squelch::record::{Class, ClassSource, FingerprintIndex, Severity, StreamId};
use squelch::storm::{AlertLevel, StormEvent, StormOptions, Storms};
use squelch::time::UnixNanos;
use std::sync::Arc;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let value = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let value = (value ^ value >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ value >> 31
    }
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
    fn whole(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }
}

/// (ms, fingerprint, instance).
type Record = (f64, u32, u64);

const DAY: f64 = 86_400_000.0;

/// A healthy day: nothing here is a storm.
fn healthy_day(random: &mut Random) -> Vec<Record> {
    let mut records = Vec::new();
    // Blips: a backend is away for some seconds, its clients back off properly.
    for _ in 0..30 {
        let (start, outage) = (DAY * random.unit(), random.between(2.0, 120.0) * 1000.0);
        let (clients, base, cap) = (random.whole(5, 80), random.between(100.0, 1000.0), random.between(10_000.0, 60_000.0));
        let jitter = random.whole(0, 2);
        for client in 0..clients {
            let (mut at, mut wait) = (start + random.between(0.0, 1000.0), base);
            while at < start + outage {
                records.push((at, 0, client + 1));
                at += match jitter {
                    0 => wait,
                    1 => wait * random.between(0.5, 1.0),
                    _ => wait * random.unit(),
                } + random.between(1.0, 30.0);
                wait = (wait * 2.0).min(cap);
            }
        }
    }
    // Deploys: each new pod waits for its neighbours.
    for _ in 0..6 {
        let start = DAY * random.unit();
        for pod in 0..random.whole(10, 40) {
            let mut at = start + random.between(0.0, 60_000.0);
            for _ in 0..random.whole(2, 6) {
                records.push((at, 1, 1000 + pod));
                at += random.between(500.0, 3000.0);
            }
        }
    }
    // A loop that polls for ever.
    for instance in 0..3 {
        let (mut at, every) = (random.between(0.0, 10_000.0), random.between(5000.0, 15_000.0));
        while at < DAY {
            records.push((at, 2, 2000 + instance));
            at += every;
        }
    }
    // Hourly batches whose jobs are tried three times.
    for hour in 0..24 {
        let start = f64::from(hour) * 3_600_000.0;
        for job in 0..random.whole(10, 60) {
            let mut at = start + random.between(0.0, 60_000.0);
            for wait in [1000.0, 2000.0, 4000.0] {
                records.push((at, 3, 3000 + job % 8));
                at += wait;
            }
        }
    }
    // Requests that fail and are tried again, with the traffic of the day.
    let mut at = 0.0;
    while at < DAY {
        let rate = 0.05 + 1.2 * (std::f64::consts::PI * at / DAY).sin().powi(2);
        at += -random.unit().max(1e-9).ln() / rate * 1000.0;
        records.push((at, 4, 4000 + random.whole(0, 11)));
    }
    records
}

/// A storm of one minute that begins at `start`; (records, records/s).
fn storm(random: &mut Random, start: f64, has_backoff: bool) -> (Vec<Record>, f64) {
    let instances = random.whole(3, 30);
    let wait = if has_backoff { 0.0 } else { [0.0, 20.0, 100.0, 500.0, 1000.0][random.whole(0, 4) as usize] };
    let latency = random.between(3.0, 80.0);
    let together = random.unit() < 0.5;
    let mut records = Vec::new();
    for instance in 0..instances {
        let mut at = start + if together { 0.0 } else { random.between(0.0, 1000.0) };
        while at < start + 60_000.0 {
            records.push((at, 5, 5000 + instance));
            at += wait + latency * random.between(0.7, 1.3);
        }
    }
    let rate = records.len() as f64 / 60.0;
    (records, rate)
}

fn play(mut records: Vec<Record>) -> Vec<StormEvent> {
    records.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let known: Vec<_> = (0..6)
        .map(|n| Arc::new(Fingerprint::new(Severity::Warn, format!("cannot reach backend {n}, retrying"), Class::Retry, ClassSource::Guess)))
        .collect();
    let mut storms = Storms::new(StormOptions::default());
    let mut events = Vec::new();
    for (ms, which, instance) in records {
        let at = UnixNanos(1_760_000_000_000_000_000 + (ms * 1e6) as i64);
        let hash = instance.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let seen = Occurrence {
            fingerprint: &known[which as usize],
            index: FingerprintIndex(which),
            stream: StreamId(instance as u32),
            arrival: at,
            working: at,
            event: None,
            feeds_rate: true,
            late: false,
            lines: 1,
            raw: b"cannot reach backend, retrying\n",
            instance: Some(b"pod"),
            instance_hash: hash,
            worker_hash: hash,
            target: None,
            attempt: None,
            max_attempts: None,
            delay: None,
        };
        storms.observe(&seen, &mut |event| events.push(event));
    }
    events
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<u64>().ok());
    let (days, outages) = (numbers.next().unwrap_or(20), numbers.next().unwrap_or(200));
    let (mut warnings, mut infos) = (0, 0);
    for day in 0..days {
        for event in play(healthy_day(&mut Random(day))) {
            if let StormEvent::Firing(report) = event {
                if report.alert_level == AlertLevel::Info {
                    infos += 1;
                } else {
                    warnings += 1;
                    println!(
                        "false alarm on day {day}: {} at second {}, {:?}, {} records, peak {}/s",
                        report.template(),
                        report.fired.second() % 86_400,
                        report.rule,
                        report.records,
                        report.peak_per_second
                    );
                }
            }
        }
    }
    println!("{days} healthy days: {warnings} false storms ({:.2} a day), {infos} infos", f64::from(warnings) / days as f64);
    let mut delays = Vec::new();
    let (mut found, mut all, mut loud) = (0, 0, Vec::new());
    for seed in 0..outages {
        let mut random = Random(10_000 + seed);
        let start = 3_600_000.0 + random.between(0.0, 1000.0);
        let (mut records, rate) = storm(&mut random, start, false);
        if rate < 6.0 {
            continue;
        }
        all += 1;
        // Some retries of the hour before: the baseline is not empty.
        let quiet = random.between(0.0, 0.3);
        let mut at = 0.0;
        while at < start {
            at += -random.unit().max(1e-9).ln() / quiet.max(1e-4) * 1000.0;
            records.push((at.min(start), 5, 5001));
        }
        let fired = play(records).into_iter().find_map(|event| match event {
            StormEvent::Firing(report) if report.alert_level > AlertLevel::Info => Some(report.fired.0),
            StormEvent::LevelChanged(AlertLevel::Info, report) => Some(report.fired.0),
            _ => None,
        });
        if let Some(fired) = fired {
            found += 1;
            let delay = (fired - 1_760_000_000_000_000_000) as f64 / 1e9 - start / 1000.0;
            delays.push(delay);
            if rate >= 50.0 {
                loud.push(delay);
            }
        } else {
            println!("missed: {rate:.1}/s");
        }
    }
    for (name, delays) in [("all", &mut delays), (">= 50 records/s", &mut loud)] {
        delays.sort_by(f64::total_cmp);
        let at = |q: f64| delays.get(((delays.len() as f64 * q) as usize).min(delays.len().saturating_sub(1))).copied().unwrap_or(f64::NAN);
        println!("{name}: {} storms, delay median {:.1} s, p95 {:.1} s", delays.len(), at(0.5), at(0.95));
    }
    println!("recall {found} of {all}");
}
