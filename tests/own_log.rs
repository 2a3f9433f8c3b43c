//! If we were the noisy service, would squelch catch us? Our own log of an hour without receiver, read by `squelch report`. (A program of its
//! own: it listens to everything that the outputs of this process say.)

#![allow(clippy::unwrap_used, reason = "a helper of a test that cannot go on should stop where it is")]

mod receiver;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use receiver::output::Output;
use receiver::spoken::{SPOKEN, Spoken};
use receiver::{Does, Plan, Receiver};
use squelch::delivery::Options;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn an_hour_without_receiver_reads_as_a_client_that_backs_off() {
    for (seed, spoken) in (1..).zip(SPOKEN.iter().filter(|spoken| !spoken.takes_alerts())) {
        check(spoken, seed);
    }
}

fn check(spoken: &Spoken, seed: u64) {
    let lines = OwnLog::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let _guard = lines.listen();
    let attempts = runtime.block_on(async {
        lines.start();
        // It takes one request, and is gone for an hour.
        let receiver = Receiver::by(Plan { script: vec![Does::Fine], then: Does::Close, yes: spoken.yes, ..Plan::default() }).await;
        let mut rng = StdRng::seed_from_u64(seed);
        let options = Options { batch_records_max: 25, start_spread: Duration::ZERO, ..Options::default() };
        let output = spoken.output(&format!("http://{}", receiver.address));
        let mut output = Output::start_with(output, options, move || rng.random::<f64>());
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let attempts = receiver.requests() - 1;
        receiver.recovers();
        output.finish().await;
        attempts
    });
    assert!((80..=130).contains(&attempts), "{}: {attempts} attempts in an hour", spoken.name);
    let text = lines.text();
    let people_see: Vec<&str> = text.lines().filter(|line| line.contains("records wait in the store") || line.contains(" recovered ")).collect();
    assert!((6..=8).contains(&people_see.len()), "the breaker, one each ten minutes, the end: {people_see:#?}");
    let log = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(log.path(), &text).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_squelch")).arg("report").args(["-o", "json"]).arg(log.path()).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    // A retry loop of an hour is worth a note, as anybody's is; it is no storm.
    for note in report["storms"].as_array().unwrap() {
        assert_eq!((note["alert_level"].as_str(), note["detected_by"].as_str()), (Some("info"), Some("slow_loop")), "{note:#}");
        assert!(note["answers"]["policy"].as_str().unwrap().starts_with("Backing off: "), "{note:#}");
    }
    let diagnoses = report["diagnoses"].as_array().unwrap();
    let ours = diagnoses.iter().max_by_key(|diagnosis| diagnosis["records"].as_u64()).expect("retries are diagnosed");
    assert!(matches!(ours["policy"].as_str(), Some("exponential" | "growing")), "{ours:#}");
    assert_eq!(ours["max_attempts"], serde_json::Value::Null, "it never gives up: {ours:#}");
}

/// Our own log as syslog writes it, with the time of the paused clock.
#[derive(Clone, Default)]
struct OwnLog(Arc<Mutex<(Option<tokio::time::Instant>, String)>>);

impl OwnLog {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        use tracing_subscriber::layer::SubscriberExt as _;
        tracing::subscriber::set_default(tracing_subscriber::registry().with(self.clone()))
    }
    fn start(&self) {
        self.0.lock().unwrap().0 = Some(tokio::time::Instant::now());
    }
    fn text(&self) -> String {
        self.0.lock().unwrap().1.clone()
    }
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for OwnLog {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        use std::fmt::Write as _;
        let mut inside = self.0.lock().unwrap();
        let (Some(started), true) = (inside.0, event.metadata().target().starts_with("squelch")) else { return };
        let mut words = String::new();
        event.record(&mut Words(&mut words));
        let at = jiff::Timestamp::from_second(1_767_225_600).unwrap() + jiff::SignedDuration::from_micros(started.elapsed().as_micros() as i64);
        writeln!(inside.1, "{at:.6} node-1 squelch[77]: {words}").unwrap();
    }
}

struct Words<'a>(&'a mut String);

impl tracing::field::Visit for Words<'_> {
    fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        *self.0 = format!("{value:?}");
    }
}
