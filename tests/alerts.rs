//! The outputs for alerts against receivers on loopback: what arrives, in what order, what is told again.
//! The clock stands still while anything can go on (tokio's paused time), so minutes pass in no time.

#![allow(clippy::unwrap_used, reason = "a helper of a test that cannot go on should stop where it is")]

mod receiver;

use receiver::{Does, Receiver};
use serde_json::Value;
use squelch::delivery::{self, Batch, Batches, Counters, ReadError, Stop};
use squelch::outputs::alerts::template::Template;
use squelch::outputs::alerts::{AlertOptions, AlertmanagerOptions, ClientOptions, ExecOptions, PagerdutyOptions, SlackOptions, WebhookOptions};
use squelch::outputs::destination::{Destination, OutputOptions, Route};
use squelch::outputs::{self, Links};
use squelch::store::{BatchNumber, Cursor, Progress, RecordKind, Records};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// A storm record of storm `id` in `state`.
fn storm(id: u64, state: &str) -> String {
    let (name, end) =
        if state == "resolved" { ("squelch.storm_end", r#","squelch.resolved":"2026-01-01T00:09:00.000000000Z""#) } else { ("squelch.storm", "") };
    format!(
        r#"{{"timestamp":"2026-01-01T00:01:00.000000000Z","observed_timestamp":"2026-01-01T00:01:00.000000000Z","event_name":"{name}","severity_text":"warn","severity_number":13,"body":"[WARNING] Retry storm: \"x\"","log.record.uid":"{state}-{id}","squelch.storm_id":"{id:016x}","squelch.state":"{state}","squelch.alert_level":"warning","squelch.fingerprint":"f1","squelch.template":"x","squelch.class":"retry","squelch.detected_by":"hot","squelch.onset":"2026-01-01T00:00:00.000000000Z","squelch.records":5{end}}}"#
    )
}

/// An output whose store can be added to.
struct Running {
    store: Shared,
    news: watch::Sender<BatchNumber>,
    stop: watch::Sender<Stop>,
    progress: mpsc::Receiver<Progress>,
    counters: Arc<Counters>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<Records>>>);

impl Batches for Shared {
    fn next(&mut self, from: Cursor) -> Result<Option<Batch>, ReadError> {
        let batches = self.0.lock().unwrap();
        let found = usize::try_from(from.batch.0 - 1).ok().and_then(|at| batches.get(at));
        Ok(found.map(|records| Batch { number: from.batch, records: records.clone() }))
    }
}

impl Running {
    fn start(options: AlertOptions) -> Self {
        let store = Shared::default();
        let (news, news_there) = watch::channel(BatchNumber(0));
        let (stop, stop_there) = watch::channel(Stop::Run);
        let (progress_there, progress) = mpsc::channel(10_000);
        let counters = Arc::<Counters>::default();
        let output = OutputOptions {
            name: "alerts".into(),
            destination: Destination::Alert(options),
            // Whatever the route says of kinds.
            route: Route { kinds: vec![RecordKind::Line], ..Route::default() },
            delivery: delivery::Options { start_spread: Duration::ZERO, ..delivery::Options::default() },
        };
        let links = Links {
            batches: Box::new(store.clone()),
            news: news_there,
            progress: progress_there,
            cursor: Cursor { batch: BatchNumber(1), done: 0 },
            stop: stop_there,
            counters: Arc::clone(&counters),
        };
        outputs::start(output, links).unwrap();
        Self { store, news, stop, progress, counters }
    }
    fn commit(&self, records: &[(RecordKind, String)]) {
        let mut batch = Records::default();
        for (kind, json) in records {
            batch.ndjson.extend_from_slice(json.as_bytes());
            batch.ndjson.push(b'\n');
            batch.close_record(*kind);
        }
        let mut batches = self.store.0.lock().unwrap();
        batches.push(batch);
        self.news.send(BatchNumber(batches.len() as i64)).unwrap();
    }
    fn tell(&self, id: u64, state: &str) {
        let line = r#"{"body":"a line","log.record.uid":"l"}"#.to_owned();
        self.commit(&[(RecordKind::Line, line), (RecordKind::Storm, storm(id, state))]);
    }
    /// Waits until everything is delivered.
    async fn delivered(&mut self) {
        let end = Cursor { batch: BatchNumber(self.store.0.lock().unwrap().len() as i64 + 1), done: 0 };
        let wait = async {
            loop {
                let Some(Progress::Delivered { cursor, .. }) = self.progress.recv().await else { panic!("the output ended") };
                if cursor >= end {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(3600), wait)
            .await
            .unwrap_or_else(|_| panic!("it is not delivered within an hour: {:?}", self.counters.last_error()));
    }
}

fn alertmanager(urls: Vec<String>) -> AlertOptions {
    AlertOptions::Alertmanager(AlertmanagerOptions { urls, labels: Vec::new(), client: ClientOptions::default() })
}

fn json(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[tokio::test(start_paused = true)]
async fn what_fires_is_told_again_each_minute_until_it_is_over() {
    let receiver = Receiver::start([], Does::Fine).await;
    let mut output = Running::start(alertmanager(vec![receiver.url().replace("/in", "")]));
    output.tell(1, "firing");
    output.delivered().await;
    assert_eq!(receiver.bodies().len(), 1);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let told = receiver.bodies();
    assert!((10..=14).contains(&told.len()), "{} times in ten minutes", told.len());
    assert!(told.iter().all(|body| body == &told[0]), "{told:?}");
    output.tell(1, "resolved");
    output.delivered().await;
    let last = json(receiver.bodies().last().unwrap());
    assert_eq!(last[0]["endsAt"], "2026-01-01T00:09:00.000000000Z");
    assert_eq!(last[0]["labels"], json(&told[0])[0]["labels"]);
    let count = receiver.bodies().len();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(receiver.bodies().len(), count, "what is over is not told again");
    assert!(receiver.heads()[0].starts_with("POST /api/v2/alerts "), "{}", receiver.heads()[0]);
}

#[tokio::test(start_paused = true)]
async fn each_member_of_a_cluster_is_told_and_one_is_enough() {
    let (down, up) = (Receiver::start([], Does::Answer(503, "", "")).await, Receiver::start([], Does::Fine).await);
    let mut output = Running::start(alertmanager(vec!["http://127.0.0.1:1".into(), down.url(), up.url()]));
    output.tell(1, "firing");
    output.delivered().await;
    assert_eq!((down.requests(), up.bodies().len()), (1, 1));
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(down.requests() >= 2, "it is told again to the others, too");
}

#[tokio::test(start_paused = true)]
async fn an_alert_waits_for_a_receiver_that_is_down_and_is_told_once() {
    let receiver = Receiver::start([Does::Answer(500, "", ""), Does::Hang, Does::Answer(429, "Retry-After: 7\r\n", "")], Does::Fine).await;
    let mut output = Running::start(AlertOptions::Slack(SlackOptions { url: receiver.url().into(), client: ClientOptions::default() }));
    output.tell(1, "firing");
    output.tell(1, "resolved");
    output.delivered().await;
    let texts: Vec<String> = receiver.bodies().iter().map(|body| json(body)["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts.len(), 2, "one message per alert: {texts:?}");
    assert!(texts[0].starts_with(":large_orange_circle: ") && texts[1].starts_with(":white_check_mark: "), "{texts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_gets_the_record_or_what_the_template_makes_of_it() {
    for (template, expected) in [(None, storm(1, "firing")), (Some(r#"{"id":"{storm_id}"}"#), r#"{"id":"0000000000000001"}"#.into())] {
        let receiver = Receiver::start([], Does::Fine).await;
        let template = template.map(|text| Template::parse(text).unwrap());
        let options = WebhookOptions { url: receiver.url().into(), template, client: ClientOptions::default() };
        let mut output = Running::start(AlertOptions::Webhook(options));
        output.tell(1, "firing");
        output.delivered().await;
        assert_eq!(receiver.bodies(), [expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn pagerduty_gets_one_event_per_record() {
    let receiver = Receiver::start([Does::Answer(202, "", "{}")], Does::Fine).await;
    let options = PagerdutyOptions { url: receiver.url(), routing_key: "key".to_owned().into(), client: ClientOptions::default() };
    let mut output = Running::start(AlertOptions::Pagerduty(options));
    for (id, state) in [(1, "firing"), (2, "firing"), (1, "resolved")] {
        output.tell(id, state);
    }
    output.delivered().await;
    assert_eq!(receiver.requests(), 3);
}

#[tokio::test]
async fn a_command_gets_each_record_as_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told");
    let options = ExecOptions { command: format!("cat >> {}", file.display()), run_max: Duration::from_secs(30) };
    let mut output = Running::start(AlertOptions::Exec(options));
    output.tell(1, "firing");
    output.tell(1, "resolved");
    output.delivered().await;
    assert_eq!(std::fs::read_to_string(file).unwrap(), format!("{}\n{}\n", storm(1, "firing"), storm(1, "resolved")));
    output.stop.send(Stop::Now).unwrap();
}
