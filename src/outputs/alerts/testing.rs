//! Storm records for tests of the encoders.

use crate::delivery::Encoder;
use crate::outputs::json::JsonEncoder;
use crate::outputs::storm_record::tests::storm;
use crate::store::{Record, RecordKind};
use crate::storm::{AlertLevel, StormEvent, StormReport};
use crate::time::SECOND;
use serde_json::Value;

fn record(event: &StormEvent) -> Vec<u8> {
    let mut encoder = JsonEncoder::default();
    encoder.node = "node-17".into();
    encoder.storm(event, 238_870);
    encoder.buffer.pop();
    encoder.buffer
}

fn warning() -> Box<StormReport> {
    Box::new(StormReport { alert_level: AlertLevel::Warning, ..storm() })
}

pub fn firing() -> Vec<u8> {
    record(&StormEvent::Firing(warning()))
}

/// Some minutes later; another message leads by now.
pub fn ongoing() -> Vec<u8> {
    let mut report = warning();
    report.class = crate::record::Class::Overload;
    report.records *= 2;
    report.rate = 3.0;
    report.diagnosis = None;
    record(&StormEvent::Ongoing(report))
}

pub fn critical() -> Vec<u8> {
    record(&StormEvent::LevelChanged(AlertLevel::Warning, Box::new(storm())))
}

pub fn over() -> Vec<u8> {
    let mut report = storm();
    report.resolved = Some(report.last.plus(60 * SECOND));
    record(&StormEvent::Resolved(Box::new(report)))
}

/// Text of a log that means harm.
pub fn hostile() -> Vec<u8> {
    let evil = "<!channel> & <https://evil.example|click> ```x``` `y` \"},{\"a\":\" \\ \u{1b}[2J \u{202e} \u{0} é漢🙂\t<@U1> {class}".to_owned()
        + &"<".repeat(20_000);
    let fingerprint =
        crate::fingerprint::Fingerprint::new(crate::record::Severity::Error, &*evil, crate::record::Class::Retry, crate::record::ClassSource::Guess);
    let report = StormReport { id: crate::storm::StormId(1), fingerprints: vec![fingerprint.into()], targets: vec![(evil, 1)], ..storm() };
    record(&StormEvent::Firing(Box::new(report)))
}

pub fn encoded(encoder: &mut impl Encoder, json: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    encoder.encode(&[Record { kind: RecordKind::Storm, json }], &mut body);
    body
}

/// All texts in a value.
pub fn sentences(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        Value::Array(values) => values.iter().map(sentences).collect(),
        Value::Object(values) => values.values().map(sentences).collect(),
        _ => String::new(),
    }
}
