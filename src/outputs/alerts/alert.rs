//! A storm record as those who tell people of it need it: read once, with the sentences they share.

use crate::outputs::timestamp::rfc3339;
use crate::time::UnixNanos;
use crate::units::{show_count, show_duration};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

/// More owners than people read in one line.
const ORIGINS_SHOWN: usize = 10;

/// What is looked at in a storm record. What is missing is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Alert<'a> {
    /// Time of its latest record.
    #[serde(borrow)]
    pub timestamp: Cow<'a, str>,
    /// For people, of several lines.
    #[serde(borrow)]
    pub body: Cow<'a, str>,
    /// Where it was seen.
    #[serde(borrow)]
    pub resource: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// The same from the first record of a storm to its last.
    #[serde(rename = "squelch.storm_id", borrow)]
    pub storm_id: Cow<'a, str>,
    /// `firing`, `ongoing` or `resolved`.
    #[serde(rename = "squelch.state", borrow)]
    pub state: Cow<'a, str>,
    /// `info`, `warning` or `critical`.
    #[serde(rename = "squelch.alert_level", borrow)]
    pub alert_level: Cow<'a, str>,
    /// The level before, when this record tells that it rose.
    #[serde(rename = "squelch.previous_alert_level", borrow)]
    pub previous_alert_level: Option<Cow<'a, str>>,
    /// The first fingerprint.
    #[serde(rename = "squelch.fingerprint", borrow)]
    pub fingerprint: Cow<'a, str>,
    /// Its message.
    #[serde(rename = "squelch.template", borrow)]
    pub template: Cow<'a, str>,
    /// What it says about retrying.
    #[serde(rename = "squelch.class", borrow)]
    pub class: Cow<'a, str>,
    /// What its first message says about retrying: that stays.
    #[serde(rename = "squelch.first_class", borrow)]
    pub first_class: Cow<'a, str>,
    /// `crash_loop`, `slow_loop`, or the rule of a storm.
    #[serde(rename = "squelch.detected_by", borrow)]
    pub detected_by: Cow<'a, str>,
    /// When it began.
    #[serde(rename = "squelch.onset", borrow)]
    pub onset: Cow<'a, str>,
    /// When it was over.
    #[serde(rename = "squelch.resolved", borrow)]
    pub resolved: Option<Cow<'a, str>>,
    /// Records since the onset.
    #[serde(rename = "squelch.records")]
    pub records: u64,
    /// Records per second now.
    #[serde(rename = "squelch.rate_per_second")]
    pub rate: f64,
    /// Most records in one second.
    #[serde(rename = "squelch.peak_per_second")]
    pub peak: u64,
    /// Who retries.
    #[serde(rename = "squelch.instances")]
    pub instances: Option<Instances>,
    /// What they try to reach.
    #[serde(rename = "squelch.targets", borrow)]
    pub targets: Vec<Target<'a>>,
    /// Where those who take part come from.
    #[serde(rename = "squelch.origins", borrow)]
    pub origins: Vec<Origin<'a>>,
    /// There are more of them.
    #[serde(rename = "squelch.has_more_origins")]
    pub has_more_origins: bool,
    /// What came before it.
    #[serde(rename = "squelch.trigger", borrow)]
    pub trigger: Option<Trigger<'a>>,
    /// The retry policy.
    #[serde(rename = "squelch.retry", borrow)]
    pub retry: Option<Retry<'a>>,
}

/// Where some of those who take part come from.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Origin<'a> {
    /// Namespace of Kubernetes.
    #[serde(rename = "k8s.namespace.name", borrow)]
    pub namespace: Cow<'a, str>,
    /// What made the pod, by its name.
    #[serde(rename = "squelch.workload", borrow)]
    pub workload: Cow<'a, str>,
    /// Container in the pod.
    #[serde(rename = "k8s.container.name", borrow)]
    pub container: Cow<'a, str>,
    /// What calls itself so.
    #[serde(rename = "service.name", borrow)]
    pub service: Cow<'a, str>,
    /// Unit of systemd.
    #[serde(rename = "systemd.unit", borrow)]
    pub unit: Cow<'a, str>,
}

/// How many retry.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Instances {
    /// So many.
    pub count: u64,
    /// It is an estimate.
    pub is_estimate: bool,
}

/// What they try to reach.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Target<'a> {
    /// Its name.
    #[serde(borrow)]
    pub value: Cow<'a, str>,
}

/// What came before.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Trigger<'a> {
    /// The message.
    #[serde(borrow)]
    pub template: Cow<'a, str>,
}

/// What is known of the policy.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Retry<'a> {
    /// Its word.
    #[serde(borrow)]
    pub policy: Cow<'a, str>,
    /// `yes no unknown`.
    #[serde(borrow)]
    pub jitter: Cow<'a, str>,
    /// `yes no unknown`.
    #[serde(borrow)]
    pub lockstep: Cow<'a, str>,
    /// Between two attempts.
    pub interval_ms: Option<f64>,
    /// The first interval of one that grows.
    pub base_ms: Option<f64>,
    /// Where it stops growing.
    pub cap_ms: Option<f64>,
}

impl<'a> Alert<'a> {
    /// Reads a record. One that cannot be read, which never happens with records of ours, is told as it stands.
    #[must_use]
    pub fn read(json: &'a [u8]) -> Self {
        serde_json::from_slice(json).unwrap_or_else(|_| Self { body: String::from_utf8_lossy(json), ..Self::default() })
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == "resolved"
    }

    /// The first line of the text for people: level, kind, message.
    #[must_use]
    pub fn summary(&self) -> &str {
        self.body.lines().next().unwrap_or_default()
    }

    /// What squelch advises: the numbered steps of the text for people; empty for an end.
    #[must_use]
    pub fn advice(&self) -> String {
        let mut steps = self.body.lines().skip_while(|line| !line.starts_with("do "));
        let mut advice = steps.next().map(|first| first["do".len()..].trim_start().to_owned()).unwrap_or_default();
        for step in steps.take_while(|line| line.starts_with(' ')) {
            advice.push('\n');
            advice.push_str(step.trim_start());
        }
        advice
    }

    /// The policy in a few words; empty when nothing is known.
    #[must_use]
    pub fn policy(&self) -> String {
        let Some(retry) = &self.retry else { return String::new() };
        let ms = |ms: f64| show_duration((ms * 1e6) as i64);
        let mut text = retry.policy.clone().into_owned();
        match (retry.base_ms, retry.interval_ms) {
            (Some(base), _) => {
                let _ = write!(text, " from {}", ms(base));
                if let Some(cap) = retry.cap_ms {
                    let _ = write!(text, " to {}", ms(cap));
                }
            }
            (None, Some(interval)) => {
                let _ = write!(text, " every {}", ms(interval));
            }
            (None, None) => {}
        }
        let _ = write!(text, ", jitter {}, lockstep {}", retry.jitter, retry.lockstep);
        text
    }

    /// `12`, `about 300`; empty when the lines name nobody.
    #[must_use]
    pub fn who(&self) -> String {
        self.instances.as_ref().map(|who| format!("{}{}", if who.is_estimate { "about " } else { "" }, show_count(who.count))).unwrap_or_default()
    }

    /// The most frequent targets.
    #[must_use]
    pub fn whereto(&self) -> String {
        self.targets.iter().take(3).map(|target| &*target.value).collect::<Vec<_>>().join(", ")
    }

    /// Who they belong to: `pay/ledger/app, shop/orders/app`; empty where nothing is known.
    #[must_use]
    pub fn origins(&self) -> String {
        let name = |origin: &Origin<'_>| {
            let parts = [&origin.namespace, &origin.workload, &origin.container, &origin.service, &origin.unit];
            parts.into_iter().filter(|part| !part.is_empty()).map(|part| &**part).collect::<Vec<_>>().join("/")
        };
        let more = if self.has_more_origins || self.origins.len() > ORIGINS_SHOWN { ", and more" } else { "" };
        format!("{}{more}", self.origins.iter().take(ORIGINS_SHOWN).map(name).collect::<Vec<_>>().join(", "))
    }

    /// The service that retries, where all who took part at the start are one: by its own name, else by what made the pods (that is how
    /// OpenTelemetry names a service that has no name), else the unit.
    #[must_use]
    pub fn service(&self) -> &str {
        let names = ["service.name", "squelch.workload", "systemd.unit"].map(|key| self.from(key));
        let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        name.strip_suffix(".service").unwrap_or(name)
    }

    /// Records per second, for people.
    #[must_use]
    pub fn rate(&self) -> String {
        if self.rate >= 10.0 { show_count(self.rate.round() as u64) } else { format!("{:.1}", self.rate) }
    }

    /// A value of the resource; empty when there is none.
    #[must_use]
    pub fn from(&self, name: &str) -> &str {
        self.resource.get(name).map_or("", |value| value)
    }
}

/// The harmless record of `squelch check --send-test`: of a storm that is over already, so that it wakes nobody.
#[must_use]
pub fn test_record(now: UnixNanos) -> Vec<u8> {
    let now = rfc3339(now);
    let uid = crate::delivery::idempotency_key(["squelch test record", &now].into_iter());
    let id = &uid[..16];
    let body = "squelch test record: this output works";
    format!(
        r#"{{"timestamp":"{now}","observed_timestamp":"{now}","event_name":"squelch.storm_end","severity_text":"info","severity_number":9,"body":"{body}","log.record.uid":"{uid}","squelch.storm_id":"{id}","squelch.state":"resolved","squelch.alert_level":"info","squelch.fingerprint":"{id}","squelch.template":"{body}","squelch.class":"none","squelch.detected_by":"test","squelch.onset":"{now}","squelch.resolved":"{now}","squelch.records":0}}"#
    )
    .into_bytes()
}

/// The first `chars_max` characters; what is cut is marked.
#[must_use]
pub fn cut(text: &str, chars_max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars_max) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let end = text.char_indices().nth(chars_max.saturating_sub(1)).map_or(0, |(at, _)| at);
            Cow::Owned(format!("{}…", &text[..end]))
        }
    }
}
