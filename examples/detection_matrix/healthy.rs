//! Days on which nothing is wrong, though much looks like it.

use super::{Bench, Random};
use squelch::simulate::format::{Format, Prefix, render, rfc3339_millis};
use squelch::simulate::{Scenario, instances, simulate};
use squelch::time::{SECOND, UnixNanos};
use std::ops::ControlFlow;

/// 2026-03-02T00:00:00Z.
const MIDNIGHT: i64 = 1_772_409_600;
const DAY: f64 = 86_400_000.0;

/// What the days brought.
pub struct Healthy {
    pub alerts: usize,
    pub infos: u64,
    pub is_exact: bool,
    /// The head line of each alert.
    pub told: Vec<String>,
}

/// (ms since the first midnight, stream, text).
type Line = (f64, &'static str, String);

/// One engine lives through all of them.
pub fn days(seed: u64, days: u64) -> Healthy {
    let mut bench = Bench::new(MIDNIGHT * SECOND);
    for day in 0..days {
        let mut lines = retries_of_a_day(&mut Random(seed.wrapping_mul(1_000_003) + day), day as f64 * DAY);
        lines.extend(story_of_a_day(seed.wrapping_mul(977) + day, day));
        lines.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (ms, stream, text) in lines {
            bench.feed(stream, false, at(ms), &text);
        }
    }
    let is_exact = bench.ends_exact(at(days as f64 * DAY));
    let told = bench.told.alerts.iter().map(|(at, text)| format!("{} {}", rfc3339_millis(*at), text.lines().next().unwrap_or_default())).collect();
    Healthy { alerts: bench.told.alerts.len(), infos: bench.told.infos, is_exact, told }
}

fn at(ms: f64) -> i64 {
    MIDNIGHT * SECOND + (ms * 1e6) as i64
}

/// Deploys, batches that tell of their progress, traffic by day and night, short outages under full jitter: the simulator's `day`.
fn story_of_a_day(seed: u64, day: u64) -> Vec<Line> {
    let start = UnixNanos((MIDNIGHT + day as i64 * 86_400) * SECOND);
    let scenario = Scenario { seed, start, ..Scenario::named("day").expect("the simulator knows the story") };
    let names = instances(&scenario);
    let mut lines = Vec::new();
    simulate(&scenario, &mut |line| {
        let mut text = String::new();
        render(line, &names[line.instance], Format::Logback, Prefix::Kubectl, &mut text);
        lines.push(((line.at - MIDNIGHT * SECOND) as f64 / 1e6, "orders", text));
        ControlFlow::Continue(())
    })
    .expect("the story is sound");
    lines
}

/// Everything that retries and is none the worse for it.
fn retries_of_a_day(random: &mut Random, midnight: f64) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut say = |ms: f64, who: &str, n: u64, what: &str| {
        if ms < DAY {
            let stamp = rfc3339_millis(at(midnight + ms));
            lines.push((midnight + ms, "fleet", format!("[pod/{who}-{n}/app] {stamp} WARN [main] c.e.{who}.Client - {what}\n")));
        }
    };
    // Blips: a backend is away for some seconds, its clients back off properly.
    for _ in 0..30 {
        let (start, outage) = (DAY * random.unit(), random.between(2.0, 120.0) * 1000.0);
        let (clients, base, cap) = (random.whole(5, 80), random.between(100.0, 1000.0), random.between(10_000.0, 60_000.0));
        let jitter = random.whole(0, 2);
        for client in 0..clients {
            let (mut ms, mut wait) = (start + random.between(0.0, 1000.0), base);
            while ms < start + outage {
                say(ms, "shop", client, "Connection to payments.internal:8443 refused, retrying");
                ms += match jitter {
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
            let mut ms = start + random.between(0.0, 60_000.0);
            for _ in 0..random.whole(2, 6) {
                say(ms, "ledger", 1000 + pod, "config-server:8888 not reachable yet, will try again");
                ms += random.between(500.0, 3000.0);
            }
        }
    }
    // Loops that poll for ever.
    for instance in 0..3 {
        let (mut ms, every) = (random.between(0.0, 10_000.0), random.between(5000.0, 15_000.0));
        while ms < DAY {
            say(ms, "poller", instance, "lock not acquired, retrying");
            ms += every;
        }
    }
    // Each full hour a batch, on eight workers, whose jobs are all tried three times.
    for hour in 0..24 {
        let start = f64::from(hour) * 3_600_000.0;
        for job in 0..random.whole(20, 200) {
            let mut ms = start + random.between(0.0, 60_000.0);
            for wait in [1000.0, 2000.0, 4000.0] {
                say(ms, "reports", job % 8, "job failed: 503 from warehouse.internal, retrying");
                ms += wait;
            }
        }
    }
    // Each night a larger one.
    let start = 3.0 * 3_600_000.0 + 600_000.0;
    for job in 0..random.whole(600, 900) {
        let mut ms = start + random.between(0.0, 120_000.0);
        for wait in [1000.0, 2000.0, 4000.0] {
            say(ms, "billing", job % 8, "invoice not ready: 409 from ledger.internal, retrying");
            ms += wait;
        }
    }
    // Requests that fail and are tried again, with the traffic of the day.
    let mut ms = 0.0;
    while ms < DAY {
        let rate = 0.05 + 1.2 * (std::f64::consts::PI * ms / DAY).sin().powi(2);
        ms += -random.unit().max(1e-9).ln() / rate * 1000.0;
        say(ms, "front", random.whole(0, 11), "GET /stock timed out, retrying");
    }
    lines
}
