//! Alerts to a real Alertmanager, when one is installed (Debian: `prometheus-alertmanager`); said loudly when not. With `SQUELCH_REQUIRE_REAL=1`
//! it must be there.

#![allow(clippy::unwrap_used, reason = "a helper of a test that cannot go on should stop where it is")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use serde_json::Value;
use squelch::delivery::{self, Encoder, Outcome, Request, Sender};
use squelch::outputs::alerts::alertmanager::{AlertmanagerEncoder, AlertmanagerSender};
use squelch::outputs::alerts::{AlertmanagerOptions, ClientOptions};
use squelch::store::{Record, RecordKind};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PROGRAM: &str = "prometheus-alertmanager";

/// One server with its own port and directory; ended by its own pid.
struct Alertmanager {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Alertmanager {
    async fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("alertmanager.yml");
        std::fs::write(&config, "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let started = Command::new(PROGRAM)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .arg(format!("--storage.path={}", folder.path().join("data").display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            assert!(std::env::var_os("SQUELCH_REQUIRE_REAL").is_none(), "{PROGRAM} is not installed, and SQUELCH_REQUIRE_REAL is set");
            eprintln!("SKIPPED: {PROGRAM} is not installed; apt-get install --no-install-recommends prometheus-alertmanager");
            return None;
        };
        let this = Self { child, url: format!("http://127.0.0.1:{port}"), _folder: folder };
        for _ in 0..300 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Some(this);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{PROGRAM} does not listen after 30 s");
    }

    /// What it holds, also what is silent or over.
    async fn alerts(&self) -> Vec<Value> {
        let port = self.url.rsplit(':').next().unwrap().parse().unwrap();
        tokio::task::spawn_blocking(move || get(port)).await.unwrap()
    }
}

fn get(port: u16) -> Vec<Value> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET /api/v2/alerts HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn storm(state: &str, level: &str, text: &str) -> Vec<u8> {
    let now = jiff::Timestamp::now();
    let mut record = serde_json::json!({
        "timestamp": format!("{now:.9}"), "event_name": "squelch.storm", "body": text, "log.record.uid": "u", "resource": { "host.name": "n1" },
        "squelch.storm_id": "00000000000000aa", "squelch.state": state, "squelch.alert_level": level, "squelch.fingerprint": "f1",
        "squelch.template": text, "squelch.class": "retry", "squelch.detected_by": "hot", "squelch.onset": "2026-01-01T00:00:00.000000000Z",
        "squelch.records": 5,
    });
    if state == "resolved" {
        record["squelch.resolved"] = format!("{now:.9}").into();
    }
    serde_json::to_vec(&record).unwrap()
}

#[tokio::test]
async fn a_real_alertmanager_holds_one_alert_per_storm_until_it_is_over() {
    let Some(server) = Alertmanager::start().await else { return };
    let options = AlertmanagerOptions {
        // The second member is down.
        urls: vec![server.url.clone(), "http://127.0.0.1:1".into()],
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
        let alerts = server.alerts().await;
        assert_eq!(alerts.len(), count, "{alerts:?}");
        if let Some(level) = level {
            assert_eq!(alerts[0]["annotations"]["alert_level"], level);
            assert_eq!((&alerts[0]["labels"]["cluster"], &alerts[0]["labels"]["node"]), (&"eu-1".into(), &"n1".into()));
            assert_eq!(alerts[0]["startsAt"], "2026-01-01T00:00:00.000Z");
            if level == "critical" {
                assert_eq!(alerts[0]["annotations"]["description"], hostile.as_str(), "text arrives as it was");
            }
        }
        assert_eq!(sender.remind_at().is_some(), level.is_some(), "only what fires is told again");
    }
}
