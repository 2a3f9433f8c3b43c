//! Alerts to a real Alertmanager, and what it holds of them.

use crate::server::{Server, installed};
use serde_json::Value;
use squelch::delivery::{self, Encoder, Outcome, Request, Sender};
use squelch::outputs::alerts::alertmanager::{AlertmanagerEncoder, AlertmanagerSender};
use squelch::outputs::alerts::{AlertmanagerOptions, ClientOptions};
use squelch::store::{Record, RecordKind};
use std::path::Path;

/// Arguments of an Alertmanager that tells nobody.
fn alone(folder: &Path, port: u16) -> Vec<String> {
    let config = folder.join("alertmanager.yml");
    std::fs::write(&config, "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n").unwrap();
    vec![
        format!("--config.file={}", config.display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--cluster.listen-address=".into(),
        format!("--storage.path={}", folder.join("data").display()),
    ]
}

/// What it holds, also what is silent or over.
fn alerts(server: &Server) -> Vec<Value> {
    serde_json::from_str(&server.get("/api/v2/alerts", &[]).unwrap()).unwrap()
}

fn storm(state: &str, level: &str, text: &str) -> Vec<u8> {
    let now = jiff::Timestamp::now();
    let mut record = serde_json::json!({
        "timestamp": format!("{now:.9}"), "event_name": "squelch.storm", "body": text, "log.record.uid": "u", "resource": { "host.name": "n1" },
        "squelch.storm_id": "00000000000000aa", "squelch.state": state, "squelch.alert_level": level, "squelch.fingerprint": "f1",
        "squelch.template": text, "squelch.class": "retry", "squelch.detected_by": "hot", "squelch.onset": "2026-01-01T00:00:00.000000000Z",
        "squelch.records": 5,
    });
    if state == "ongoing" {
        record["squelch.previous_alert_level"] = "warning".into();
    }
    if state == "resolved" {
        record["squelch.resolved"] = format!("{now:.9}").into();
    }
    serde_json::to_vec(&record).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_alertmanager_holds_one_alert_per_storm_until_it_is_over() {
    let Some(program) = installed("prometheus-alertmanager") else { return };
    let server = Server::start(&program, alone);
    let options = AlertmanagerOptions {
        // The second member is down.
        urls: vec![format!("http://127.0.0.1:{}", server.port), "http://127.0.0.1:1".into()],
        labels: vec![("cluster".into(), "eu-1".into())],
        client: ClientOptions::default(),
    };
    let mut sender = AlertmanagerSender::new(&options, &delivery::Options::default()).unwrap();
    let mut encoder = AlertmanagerEncoder::new(options.labels, squelch::clock::now);
    let hostile = "[CRITICAL] \"<x>\" {{ .Labels }} \u{1b}[2J \u{0} é漢🙂 \\ ".to_owned() + &"x".repeat(100_000);
    for (record, level, count) in [
        (storm("firing", "warning", "[WARNING] Retry storm"), Some("warning"), 1),
        (storm("ongoing", "critical", &hostile), Some("critical"), 1),
        (storm("resolved", "critical", "[OVER] Retry storm"), None, 0),
    ] {
        let mut request = Request { content_type: encoder.content_type(), records: 1, ..Request::default() };
        encoder.encode(&[Record { kind: RecordKind::Storm, json: &record }], &mut request.body);
        assert_eq!(sender.send(&request).await, Outcome::Delivered { status: 200 });
        let alerts = alerts(&server);
        assert_eq!(alerts.len(), count, "{alerts:?}");
        if let Some(level) = level {
            assert_eq!(alerts[0]["labels"]["severity"], level, "the alert with the old severity is over");
            assert_eq!((&alerts[0]["labels"]["cluster"], &alerts[0]["labels"]["node"]), (&"eu-1".into(), &"n1".into()));
            assert_eq!(alerts[0]["startsAt"], "2026-01-01T00:00:00.000Z");
            if level == "critical" {
                assert_eq!(alerts[0]["annotations"]["description"], hostile.as_str(), "text arrives as it was");
            }
        }
        assert_eq!(sender.remind_at().is_some(), level.is_some(), "only what fires is told again");
    }
}
