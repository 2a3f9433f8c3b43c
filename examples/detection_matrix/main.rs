//! Measures storm detection and diagnosis on simulated logs and prints the table of targets as Markdown:
//! `cargo run --release --example detection_matrix -- [--seed N] [--days N] [--runs N]`.
//!
//! Everything goes through the engine as lines, as it would in the pipe: outages of the simulator under eight policies that storm and five that do
//! not, in seven formats, with seven kinds of damage; and healthy days in a row, one engine for all of them. The same seed gives the same table.

#![allow(clippy::print_stdout, clippy::print_stderr)] // printing is what it is for

mod healthy;
mod outages;

use squelch::engine::{Engine, Forwarded, Options, Sink};
use squelch::record::StreamId;
use squelch::storm::{AlertLevel, StormEvent, alert_text};
use squelch::time::UnixNanos;

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let value = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let value = (value ^ value >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ value >> 31
    }
    /// In 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
    /// In low..high.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
    /// In low..=high.
    pub fn whole(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }
}

/// What was told, and nothing else.
#[derive(Default)]
pub struct Told {
    /// Storms that fired as warning or worse, or rose to it: (when, text of the alert).
    pub alerts: Vec<(i64, String)>,
    /// Storms that stayed below.
    pub infos: u64,
    /// Lines that passed, and lines in summaries.
    pub lines: u64,
}

impl Sink for Told {
    fn forward(&mut self, record: &Forwarded<'_>) {
        self.lines += u64::from(record.lines);
    }
    fn summary(&mut self, summary: &squelch::collapse::summary::Summary) {
        self.lines += summary.lines;
    }
    fn storm(&mut self, event: &StormEvent, _absorbed: u64) {
        match event {
            StormEvent::Firing(report) if report.alert_level == AlertLevel::Info => self.infos += 1,
            StormEvent::Firing(report) => self.alerts.push((report.fired.0, alert_text(report))),
            // It was info before and is told as a storm now.
            StormEvent::LevelChanged(AlertLevel::Info, report) => self.alerts.push((report.last.0, alert_text(report))),
            _ => {}
        }
    }
}

/// An engine with its streams.
pub struct Bench {
    /// What is measured.
    pub engine: Engine,
    /// What it told.
    pub told: Told,
    streams: Vec<(String, StreamId)>,
    /// Lines fed.
    pub read: u64,
}

impl Bench {
    /// An engine without streams; `start`: the date its stamps without a year are near to.
    pub fn new(start: i64) -> Self {
        let engine = Engine::new(Options { reference: UnixNanos(start), ..Options::default() });
        Self { engine, told: Told::default(), streams: Vec::new(), read: 0 }
    }

    /// Feeds whole lines of a stream. `is_instance`: one process writes it.
    pub fn feed(&mut self, stream: &str, is_instance: bool, arrival: i64, text: &str) {
        let known = self.streams.iter().position(|known| known.0 == stream);
        let at = known.unwrap_or_else(|| {
            let id = self.engine.open_stream(stream, false, is_instance);
            self.streams.push((stream.to_owned(), id));
            self.streams.len() - 1
        });
        self.read += text.matches('\n').count() as u64;
        // The clock of the shell: it wakes the engine when it asked for it.
        while let Some(due) = self.engine.next_wakeup().filter(|due| due.0 <= arrival) {
            self.engine.wake(due, &mut self.told);
        }
        self.engine.feed(self.streams[at].1, UnixNanos(arrival), text.as_bytes(), &mut self.told);
    }

    /// Whether each line that was read came out, by the engine's books and by ours.
    pub fn ends_exact(&mut self, now: i64) -> bool {
        self.engine.drain(UnixNanos(now), &mut self.told);
        let accounting = self.engine.accounting();
        accounting.holds() && accounting.open == 0 && accounting.read == self.read && self.told.lines == self.read
    }
}

/// A share as it stands in the table.
pub fn share(part: usize, whole: usize) -> String {
    if whole == 0 { "none".into() } else { format!("{:.3} ({part} of {whole})", part as f64 / whole as f64) }
}

fn row(what: &str, target: &str, measured: &str) {
    println!("| {what} | {target} | {measured} |");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (seed, days, runs) = (number("--seed", 1), number("--days", 20), number("--runs", 1));
    let detected = outages::detection(seed, runs);
    let diagnosed = outages::diagnosis(seed, runs);
    let healthy = healthy::days(seed, days);
    println!("Seed {seed}: {} storms, {} outages that are none, {days} healthy days.\n", detected.storms, detected.calm);
    println!("| | target | measured |\n|---|---|---|");
    row("delay onset to firing, >= 50 lines/s: median / p95", "5 s / 8 s", &detected.delay(true));
    row("the same, all storms", "7 s / 20 s", &detected.delay(false));
    row("recall of storms", "0.97", &share(detected.found, detected.storms));
    row("outages with backoff, breaker or budget told as a storm", "-", &share(detected.calm_told, detected.calm));
    row(
        "false storm alerts per healthy day",
        "0.2",
        &format!("{:.2} ({} in {days} days; {} infos a day)", healthy.alerts as f64 / days as f64, healthy.alerts, healthy.infos / days.max(1)),
    );
    row("policy class exact, keyed, 100 / 300 lines", "0.85 / 0.95", &diagnosed.exact());
    row("coarse class wrong (constant vs growing), any source", "<= 0.05", &diagnosed.coarse_wrong());
    row("no key, coarse right at 300 lines", "0.80", &diagnosed.unkeyed());
    row("lock-step / jitter right where claimed, >= 300 lines", "0.88 / 0.97", &diagnosed.claims());
    row("instances within 20 % (keyed, >= 300 lines)", "0.98", &diagnosed.instances());
    row("runs in which lines read = forwarded + summarised", "all", &share(detected.exact + usize::from(healthy.is_exact), detected.runs + 1));
    row("runs with the same alerts, byte for byte, a second time", "all", &share(detected.same, detected.repeated));
    println!("\nBy damage (storms found; delay median / p95):\n\n{}", detected.by_damage());
    println!("By policy of the storms:\n\n{}", detected.by_policy());
    println!("By what the lines say (policy exact / coarse wrong at 300 lines, all policies):\n\n{}", diagnosed.by_damage());
    if !healthy.told.is_empty() {
        println!("False alerts:\n\n```text\n{}\n```", healthy.told.join("\n"));
    }
}
