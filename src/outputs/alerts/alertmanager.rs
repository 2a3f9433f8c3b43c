//! Alertmanager, API v2: `POST /api/v2/alerts` to every member of a cluster.
//!
//! Labels are what an alert *is*: `alertname`, `fingerprint`, `class`, `severity`, `namespace`, `service`, `container`, `node`, and those of the
//! configuration. They come from what never changes in a storm, also after a restart: its kind, its first message, its node, and what all who took
//! part when it fired have in common (a storm that spreads to a second namespace keeps the first as its label; the annotation `origins` lists
//! both). Only `severity` may rise: then the alert with the old one is ended in the same request. What else changes (rate, counts, diagnosis,
//! text) is in annotations. Alertmanager forgets an alert that it has not been told of for five minutes (`resolve_timeout`), so what fires is
//! told again every minute, and with `endsAt` when it is over.

use super::alert::Alert;
use super::options::AlertmanagerOptions;
use crate::clock;
use crate::delivery::{self, Encoder, Outcome, Request, Sender, idempotency_key};
use crate::outputs::http::{HttpError, HttpSender};
use crate::outputs::timestamp::rfc3339;
use crate::store::Record;
use crate::time::UnixNanos;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// Where alerts go below the URL of a member.
const PATH: &str = "/api/v2/alerts";

/// The label that may rise.
const SEVERITY: &str = "severity";

/// The annotation by which a storm is known: as a label it would make each storm an alert of its own, and a silence would end with one.
const STORM_ID: &str = "storm_id";

/// What fires is told again after this. The server forgets after 5 min: four may be lost.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// As much of it as is random: nodes that are hit by one outage must not go on together.
const AGAIN_JITTER: Duration = Duration::from_secs(15);

/// Firing storms that are told again. As many as squelch watches; beyond, the one that was told longest ago is left to its end.
const FIRING_MAX: usize = 256;

/// A storm that the store has told nothing of for so long has lost its end. It tells of each hourly at least.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3 * 3600);

/// Records to alerts.
#[derive(Debug)]
pub struct AlertmanagerEncoder {
    labels: Vec<(String, String)>,
    /// The server refuses an alert that begins after it ends, and log time may be ahead of ours.
    now: fn() -> UnixNanos,
}

impl AlertmanagerEncoder {
    /// An encoder that adds `labels` to each alert.
    #[must_use]
    pub fn new(labels: Vec<(String, String)>, now: fn() -> UnixNanos) -> Self {
        Self { labels, now }
    }

    /// Appends what there is to tell of one storm: the ends of its lower severities, then the alert itself.
    fn push(&self, storm: &Told<'_>, alerts: &mut Vec<Value>) {
        let Told { alert, ended } = storm;
        let now = rfc3339((self.now)());
        // All are UTC of one width: their order is that of their text.
        let begin = alert.onset.as_ref().min(&now);
        let annotations = annotations(alert);
        for level in ended {
            let mut annotations = annotations.clone();
            annotations["superseded_by"] = alert.alert_level.as_ref().into();
            alerts.push(json!({ "labels": self.labels(alert, level), "annotations": annotations, "startsAt": begin, "endsAt": now }));
        }
        let mut told = json!({ "labels": self.labels(alert, &alert.alert_level), "annotations": annotations });
        if !begin.is_empty() {
            told["startsAt"] = begin.into();
            if alert.is_over() {
                let end = alert.resolved.as_deref().unwrap_or(&now).min(&now);
                told["endsAt"] = end.max(begin).into();
            }
        }
        alerts.push(told);
    }

    fn labels(&self, alert: &Alert<'_>, level: &str) -> Value {
        let name = match &*alert.detected_by {
            "crash_loop" => "CrashLoop",
            "slow_loop" => "SlowRetryLoop",
            "test" => "SquelchTest",
            _ => "RetryStorm",
        };
        let mut labels = Map::new();
        for (label, value) in [
            ("alertname", name),
            ("fingerprint", &*alert.fingerprint),
            ("class", &*alert.first_class),
            (SEVERITY, level),
            ("namespace", alert.from("k8s.namespace.name")),
            ("service", alert.service()),
            ("container", alert.from("k8s.container.name")),
            ("node", alert.from("host.name")),
        ] {
            if !value.is_empty() {
                labels.insert(label.into(), value.into());
            }
        }
        for (label, value) in &self.labels {
            labels.insert(label.clone(), value.as_str().into());
        }
        labels.into()
    }
}

/// The latest state of a storm.
#[derive(Debug, Default)]
struct Told<'a> {
    alert: Alert<'a>,
    /// The severities under which it was told before.
    ended: Vec<Cow<'a, str>>,
}

impl<'a> Told<'a> {
    fn go_on(&mut self, alert: Alert<'a>) {
        let before = std::mem::replace(&mut self.alert, alert).alert_level;
        let levels = [before].into_iter().chain(self.alert.previous_alert_level.clone());
        self.ended.extend(levels.filter(|level| !level.is_empty()));
        self.ended.sort();
        self.ended.dedup();
        self.ended.retain(|level| *level != self.alert.alert_level);
    }
}

fn annotations(alert: &Alert<'_>) -> Value {
    let mut annotations = Map::new();
    let (policy, who, whereto, rate, advice) = (alert.policy(), alert.who(), alert.whereto(), alert.rate(), alert.advice());
    let origins = alert.origins();
    for (name, value) in [
        ("summary", alert.summary()),
        ("description", &alert.body),
        ("alert_level", &alert.alert_level),
        (STORM_ID, &alert.storm_id),
        ("class_now", &alert.class),
        ("detected_by", &alert.detected_by),
        ("template", &alert.template),
        ("diagnosis", &policy),
        ("instances", &who),
        ("targets", &whereto),
        ("origins", &origins),
        ("trigger", alert.trigger.as_ref().map_or("", |trigger| &trigger.template)),
        ("rate_per_second", if alert.is_over() { "" } else { &rate }),
        ("records", &alert.records.to_string()),
        ("peak_per_second", &alert.peak.to_string()),
        ("runbook", &advice),
    ] {
        if !value.is_empty() {
            annotations.insert(name.into(), value.into());
        }
    }
    annotations.into()
}

impl Encoder for AlertmanagerEncoder {
    fn content_type(&self) -> &'static str {
        "application/json"
    }
    /// The latest state of each storm: the server keeps no more of it.
    fn encode(&mut self, records: &[Record<'_>], out: &mut Vec<u8>) {
        let mut latest: Vec<Told<'_>> = Vec::new();
        for record in records {
            let alert = Alert::read(record.json);
            let known = latest.iter().position(|told| told.alert.storm_id == alert.storm_id);
            let at = known.unwrap_or_else(|| {
                latest.push(Told::default());
                latest.len() - 1
            });
            latest[at].go_on(alert);
        }
        let mut alerts = Vec::new();
        for storm in &mut latest {
            if self.labels.iter().any(|(label, _)| label == SEVERITY) {
                // The user's own severity is one that never changes.
                storm.ended.clear();
            }
            self.push(storm, &mut alerts);
        }
        serde_json::to_writer(&mut *out, &alerts).expect("JSON in memory can be written");
    }
}

/// What fires, to be told again. Times since any moment.
#[derive(Debug, Default)]
struct Firing {
    alerts: BTreeMap<String, (Duration, Value)>,
    next: Duration,
}

impl Firing {
    /// The receiver has taken `body` at `now`.
    fn told(&mut self, body: &[u8], now: Duration, random: f64) {
        let Ok(alerts) = serde_json::from_slice::<Vec<Value>>(body) else { return };
        if self.alerts.is_empty() {
            self.next = now + pause(random);
        }
        for alert in alerts {
            let Some(id) = alert["annotations"][STORM_ID].as_str().map(str::to_owned) else { continue };
            if alert.get("endsAt").is_some() {
                // Of a severity that it has no more, or of the storm itself: what fires now comes behind.
                self.alerts.remove(&id);
                continue;
            }
            self.alerts.insert(id, (now, alert));
            if self.alerts.len() > FIRING_MAX {
                let oldest = self.alerts.iter().min_by_key(|(_, (at, _))| *at).map(|(id, _)| id.clone());
                oldest.and_then(|id| self.alerts.remove(&id));
            }
        }
    }

    /// When the next reminder is due.
    fn next(&self) -> Option<Duration> {
        (!self.alerts.is_empty()).then_some(self.next)
    }

    /// What is to be told again at `now`.
    fn reminder(&mut self, now: Duration, random: f64) -> Option<Request> {
        if self.next()? > now {
            return None;
        }
        self.next = now + pause(random);
        self.alerts.retain(|_, (told, _)| now < *told + FORGOTTEN_AFTER);
        if self.alerts.is_empty() {
            return None;
        }
        let alerts: Vec<&Value> = self.alerts.values().map(|(_, alert)| alert).collect();
        Some(Request {
            body: serde_json::to_vec(&alerts).expect("JSON in memory can be written"),
            content_type: "application/json",
            idempotency_key: idempotency_key(self.alerts.keys().map(String::as_str)),
            records: alerts.len(),
        })
    }
}

fn pause(random: f64) -> Duration {
    AGAIN_AFTER - AGAIN_JITTER.mul_f64(random)
}

/// Sends to all members.
pub struct AlertmanagerSender {
    target: String,
    members: Vec<HttpSender>,
    firing: Firing,
    started: Instant,
    reminders_fail: bool,
}

impl AlertmanagerSender {
    /// Checks the options; connects nowhere.
    ///
    /// # Errors
    /// When a URL or TLS file is of no use.
    pub fn new(options: &AlertmanagerOptions, delivery: &delivery::Options) -> Result<Self, HttpError> {
        let member = |url: &String| HttpSender::new(options.client.http(&with_path(url)), delivery, None).map(HttpSender::without_pages);
        let members = options.urls.iter().map(member).collect::<Result<Vec<_>, _>>()?;
        let target = members.iter().map(Sender::target).collect::<Vec<_>>().join(", ");
        Ok(Self { target, members, firing: Firing::default(), started: clock::monotonic_in_tokio(), reminders_fail: false })
    }

    fn now(&self) -> Duration {
        clock::monotonic_in_tokio() - self.started
    }

    async fn send_to_all(&mut self, request: &Request) -> Outcome {
        let outcomes = all(self.members.iter_mut().map(|member| member.send(request))).await;
        for (member, outcome) in self.members.iter().zip(&outcomes) {
            if !matches!(outcome, Outcome::Delivered { .. }) {
                tracing::debug!("{} did not take alerts: {outcome}", member.target());
            }
        }
        together(outcomes)
    }
}

impl Sender for AlertmanagerSender {
    fn target(&self) -> &str {
        &self.target
    }
    async fn send(&mut self, request: &Request) -> Outcome {
        let outcome = self.send_to_all(request).await;
        if matches!(outcome, Outcome::Delivered { .. }) {
            self.firing.told(&request.body, self.now(), rand::random());
        }
        outcome
    }
    fn remind_at(&self) -> Option<Instant> {
        self.firing.next().map(|next| self.started + next)
    }
    async fn remind(&mut self) {
        let Some(request) = self.firing.reminder(self.now(), rand::random()) else { return };
        let outcome = self.send_to_all(&request).await;
        let fails = !matches!(outcome, Outcome::Delivered { .. });
        if fails && !self.reminders_fail {
            tracing::warn!("{}: cannot tell again of {} storms that go on: {outcome}; trying each minute", self.target, request.records);
        } else if !fails && self.reminders_fail {
            tracing::info!("{}: takes alerts again", self.target);
        }
        self.reminders_fail = fails;
    }
}

/// Delivered when one member has taken it: those that have not get it again within a minute, and members tell each other of notifications.
/// Otherwise the answer that leaves most hope: records are only dead when all members say so.
fn together(outcomes: Vec<Outcome>) -> Outcome {
    let hope = |outcome: &Outcome| match outcome {
        Outcome::Delivered { .. } => 0,
        Outcome::Partial { .. } => 1,
        Outcome::Busy { .. } => 2,
        Outcome::Unreachable { .. } => 3,
        Outcome::Refused { .. } => 4,
        Outcome::TooLarge { .. } => 5,
        Outcome::Rejected { .. } => 6,
        Outcome::Gone { .. } => 7,
    };
    outcomes.into_iter().min_by_key(hope).unwrap_or(Outcome::Gone { words: "there is no member".into() })
}

/// Waits for all at once.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    let done = poll_fn(|context| {
        let mut is_done = true;
        for (future, output) in &mut waiting {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(ready) => *output = Some(ready),
                    Poll::Pending => is_done = false,
                }
            }
        }
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    });
    pin!(done).await;
    waiting.into_iter().filter_map(|(_, output)| output).collect()
}

fn with_path(url: &str) -> String {
    let url = url.trim_end_matches('/');
    if url.ends_with(PATH) { url.to_owned() } else { format!("{url}{PATH}") }
}

#[cfg(test)]
#[path = "alertmanager_tests.rs"]
mod tests;
