//! The records that are sent: lines, summaries, bursts and alerts, and among them what no receiver may choke on. The record of a number is
//! always the same, so what was sent need not be remembered.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use squelch::outputs::timestamp::rfc3339;
use squelch::store::RecordKind;
use squelch::time::UnixNanos;

/// Between two records. No whole number of microseconds: who keeps fewer digits shows it.
const STEP_NS: i64 = 400_001;

/// Bytes of the largest line.
const LARGE: usize = 1 << 20;

/// Makes records.
#[derive(Clone, Copy, Debug)]
pub struct Maker {
    start: i64,
    /// Attributes may end with a backslash.
    backslash_ends: bool,
}

impl Maker {
    /// Records that end about now.
    pub fn until_now(count: usize) -> Self {
        Self { start: squelch::clock::now().0 - count as i64 * STEP_NS, backslash_ends: true }
    }

    /// For a receiver that does not read a backslash at the end of a quoted value.
    pub fn without_backslash_ends(self) -> Self {
        Self { backslash_ends: false, ..self }
    }

    /// One record, as the store has it.
    pub fn record(self, number: usize) -> (RecordKind, Vec<u8>) {
        let (kind, record) = self.object(number);
        (kind, serde_json::to_vec(&record).unwrap())
    }

    /// Event time in nanoseconds.
    pub fn time(self, number: usize) -> i64 {
        self.start + self.said(number) as i64 * STEP_NS
    }

    /// The first record of a time.
    pub fn number_at(self, time: i64) -> Option<usize> {
        let number = usize::try_from((time - self.start) / STEP_NS).ok()?;
        (self.time(number) == time).then_some(number)
    }

    /// The number of the record that says the same at the same time: some records have a twin right before them.
    #[expect(clippy::unused_self, reason = "it is a question to the maker")]
    fn said(self, number: usize) -> usize {
        if number % 200 == 31 { number - 1 } else { number }
    }

    /// One record with its fields.
    pub fn object(self, number: usize) -> (RecordKind, Map<String, Value>) {
        let said = self.said(number);
        let time = rfc3339(UnixNanos(self.time(number)));
        let mut record = json!({
            "timestamp": time, "observed_timestamp": rfc3339(UnixNanos(self.time(number) + 1_000)),
            "severity_text": "info", "severity_number": 9,
            "body": format!("GET /cart/{said} 200"),
            "resource": { "host.name": format!("n{}", said % 3), "k8s.namespace.name": "shop", "k8s.container.name": "api" },
            "log.record.uid": uid(number), "squelch.stream": "shop/api"
        });
        let kind = if said % 500 == 5 {
            alert(&mut record, said);
            RecordKind::Storm
        } else if said % 20 == 3 {
            summary(&mut record, said, self.time(number));
            RecordKind::Summary
        } else {
            hostile(&mut record, said);
            if !self.backslash_ends && said % 50 == 27 {
                record["attributes"]["ключ \"]\\"] = "знач\n]\\.".into();
            }
            RecordKind::Line
        };
        let Value::Object(record) = record else { unreachable!("it was written as one") };
        (kind, record)
    }
}

/// 32 hex digits, as all ids are.
pub fn uid(number: usize) -> String {
    format!("{number:032x}")
}

/// The number of a record, by its id.
pub fn number(uid: &str) -> Option<usize> {
    if uid.len() == 32 { usize::from_str_radix(uid, 16).ok() } else { None }
}

fn summary(record: &mut Value, said: usize, time: i64) {
    let first = rfc3339(UnixNanos(time - 9_000_000_000));
    record["event_name"] = "squelch.summary".into();
    record["severity_text"] = "warn".into();
    record["severity_number"] = 13.into();
    record["body"] = format!("[squelch] retry <num> of \"cart\" x {said}").into();
    let second = time / 1_000_000_000;
    let more = json!({
        "squelch.fingerprint": "00000000000000aa", "squelch.template": "retry <num> of \"cart\"", "squelch.class": "retry",
        "squelch.class_source": "guess", "squelch.count": said, "squelch.lines": said + 1, "squelch.bytes": said * 30,
        "squelch.first_timestamp": first, "squelch.last_timestamp": record["timestamp"], "squelch.part": 1, "squelch.reason": "cell_end",
        "squelch.per_10s": [[second, said]], "squelch.per_second": [[second - 1, said / 2], [second, said - said / 2]],
        "squelch.samples": [{ "timestamp": first, "ordinal": 1, "body": "retry 1 of \"cart\"\n\tat x" }],
        "squelch.interval_ms": { "count": said, "min": 0.5, "p50": 33.5, "p90": 40.0, "p99": 50.0, "max": 60.25, "histogram": "HISTFAAAAA==" },
        "squelch.instances": { "count": 2, "is_estimate": false, "top": [{ "value": "pod-1", "count": 2 }, { "value": "pod-2", "count": 1 }] },
        "squelch.late": 0
    });
    extend(record, more);
}

fn alert(record: &mut Value, said: usize) {
    record["event_name"] = "squelch.storm".into();
    record["severity_text"] = "error".into();
    record["severity_number"] = 17.into();
    record["body"] = "[CRITICAL] Retry storm\n  3 instances\n  policy: immediate".into();
    let more = json!({
        "squelch.storm_id": format!("{said:016x}"), "squelch.state": "firing", "squelch.alert_level": "critical",
        "squelch.fingerprint": "00000000000000aa", "squelch.fingerprints": ["00000000000000aa", "00000000000000bb"],
        "squelch.template": "retry <num> of \"cart\"", "squelch.class": "retry", "squelch.detected_by": "hot", "squelch.onset": record["timestamp"],
        "squelch.onset_is_unknown": true, "squelch.records": said, "squelch.trend": 0.5,
        "squelch.retry": { "policy": "immediate", "cap_ms": null, "notes": ["a sentence"] }
    });
    extend(record, more);
}

/// Lines, nearly all of them short; the odd ones in between.
fn hostile(record: &mut Value, said: usize) {
    match said % 50 {
        7 => {
            let bytes = format!("caf\u{e9} {said}").chars().map(|c| c as u8).collect::<Vec<u8>>();
            record["body"] = String::from_utf8_lossy(&bytes).into();
            record["squelch.body_base64"] = BASE64_STANDARD.encode(&bytes).into();
        }
        11 => record["body"] = format!("{said} a\0b\u{1}\u{8}\u{1b}[31m\u{7f}\u{85}\t\"\\' \\u0000 end").into(),
        13 => record["body"] = format!("{said} ünïcödé \u{202e}עברית\u{202c} \u{feff} 😀\u{200d} \u{10ffff}\u{fffd}").into(),
        17 => record["body"] = format!("{said} java.io.IOException: \"refused\"\n\tat a.B.c(D.java:1)\r\n\n]]> <x/> {{{{ .y }}}} ${{z}}").into(),
        19 if said % 1000 == 19 => {
            record["resource"]["k8s.container.name"] = "l".repeat(10_000).into();
            record["attributes"] = json!({ "note": "ü".repeat(5_000) });
        }
        23 if said % 10_000 == 23 => record["body"] = "0123456789abcdé ".repeat(LARGE / 17).into(),
        27 => record["attributes"] = json!({ "note": "a \"b\" \\c ]d é 😀 =e", "ключ \"]\\": "знач\n]\\", "log.logger": "x" }),
        29 => record["body"] = "".into(),
        33 => record["body"] = "  \t blanks around \t ".into(),
        _ => {}
    }
}

fn extend(record: &mut Value, more: Value) {
    let (Value::Object(record), Value::Object(more)) = (record, more) else { unreachable!("both are written as objects") };
    record.extend(more);
}
