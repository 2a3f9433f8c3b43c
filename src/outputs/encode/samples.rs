//! Records for the tests of encoders: each kind once, and what is hostile.

use super::view::View;
use crate::delivery::Encoder;
use crate::store::{Record, RecordKind};
use serde_json::json;

/// A record with its kind.
pub type Sample = (RecordKind, String);

fn line(uid: &str, body: &str, more: &str) -> Sample {
    let body = serde_json::to_string(body).unwrap();
    let head = r#""timestamp":"2026-11-25T12:00:00.123456789Z","observed_timestamp":"2026-11-25T12:00:01.000000000Z""#;
    (RecordKind::Line, format!(r#"{{{head},"severity_number":0,"body":{body}{more},"log.record.uid":"{uid}","squelch.stream":"shop/api"}}"#))
}

/// One of each kind, small enough to be read by people.
pub fn kinds() -> Vec<Sample> {
    let summary = json!({
        "timestamp": "2026-11-25T12:00:09.900000000Z", "observed_timestamp": "2026-11-25T12:00:10.000000000Z", "event_name": "squelch.summary",
        "severity_text": "warn", "severity_number": 13, "body": "[squelch] retry <num> x 300",
        "resource": {"host.name": "n1", "k8s.namespace.name": "shop", "k8s.container.name": "api"},
        "log.record.uid": "uid-summary", "squelch.stream": "shop/api", "squelch.fingerprint": "00000000000000aa", "squelch.template": "retry <num>",
        "squelch.class": "retry", "squelch.count": 300, "squelch.lines": 301, "squelch.bytes": 9000,
        "squelch.first_timestamp": "2026-11-25T12:00:00.000000000Z", "squelch.last_timestamp": "2026-11-25T12:00:09.900000000Z",
        "squelch.per_10s": [[1_795_608_000, 300]], "squelch.interval_ms": {"count": 299, "p50": 33.5}, "squelch.late": 0
    });
    let storm = json!({
        "timestamp": "2026-11-25T12:00:20.000000000Z", "observed_timestamp": "2026-11-25T12:00:20.000000000Z", "event_name": "squelch.storm",
        "severity_text": "error", "severity_number": 17, "body": "retry storm\n  3 instances",
        "log.record.uid": "uid-storm", "squelch.storm_id": "0b", "squelch.state": "firing", "squelch.onset_is_unknown": true,
        "squelch.fingerprints": ["00000000000000aa"], "squelch.trend": 0.5, "squelch.retry": {"policy": "immediate", "cap_ms": null}
    });
    vec![
        line("uid-line", "GET /cart 200", r#","attributes":{"log.iostream":"stderr"},"resource":{"host.name":"n1","k8s.namespace.name":"shop"}"#),
        (RecordKind::Summary, summary.to_string()),
        (RecordKind::Storm, storm.to_string()),
    ]
}

/// What no receiver may choke on.
pub fn hostile() -> Vec<Sample> {
    let label = "l".repeat(10_000);
    vec![
        line("uid-bytes", "caf\u{fffd} \u{fffd}", r#","squelch.body_base64":"Y2Fm6SD/""#),
        line("uid-nul", "a\0b\u{1}\u{1b}[31m\u{7f}\r\n\t\"\\", ""),
        line("uid-unicode", "ünïcödé \u{202e}\u{feff} 😀 \u{10ffff}", r#","attributes":{"ключ \"]\\":"знач\n]\\"}"#),
        line("uid-label", "long label", &format!(r#","resource":{{"service.name":"{label}"}}"#)),
        line("uid-empty", "", ""),
        line("uid-large", &"0123456789abcde\u{1}".repeat(1 << 16), ""),
    ]
}

/// What an encoder makes of them.
pub fn encoded(encoder: &mut dyn Encoder, samples: &[Sample]) -> Vec<u8> {
    let records: Vec<Record<'_>> = samples.iter().map(|(kind, json)| Record { kind: *kind, json: json.as_bytes() }).collect();
    let (mut out, mut again) = (Vec::new(), Vec::new());
    encoder.encode(&records, &mut out);
    encoder.encode(&records, &mut again);
    assert!(out == again, "the same records give the same bytes");
    out
}

/// A body for people: the kinds whole, then what became of the hostile ones, each cut after 400 signs.
pub fn shown(encoder: &mut dyn Encoder) -> String {
    let mut text = format!("{}\n", encoder.content_type());
    let samples: Vec<Vec<Sample>> = std::iter::once(kinds()).chain(hostile().into_iter().map(|sample| vec![sample])).collect();
    for (at, some) in samples.iter().enumerate() {
        let body = String::from_utf8_lossy(&encoded(encoder, some)).into_owned();
        let visible = |c: char| if "\n\"\\'".contains(c) { c.to_string() } else { c.escape_debug().to_string() };
        let body: String = body.chars().map(visible).collect();
        let most = if at == 0 { usize::MAX } else { 400 };
        text.extend(body.chars().take(most));
        text.push_str(if body.chars().count() > most { " ...\n" } else { "\n" });
    }
    text
}

/// Each record's uid stands in the body, once.
pub fn check_uids(encoder: &mut dyn Encoder) {
    let samples: Vec<Sample> = kinds().into_iter().chain(hostile()).collect();
    let body = encoded(encoder, &samples);
    let records: Vec<Record<'_>> = samples.iter().map(|(kind, json)| Record { kind: *kind, json: json.as_bytes() }).collect();
    for record in &records {
        let uid = View::new(record).uid.into_owned();
        assert_eq!(memchr::memmem::find_iter(&body, uid.as_bytes()).count(), 1, "{uid}");
    }
}
