//! PagerDuty, Events API v2: an incident per storm (`dedup_key` is its id), resolved at its end.

use super::alert::{Alert, cut};
use crate::delivery::Encoder;
use crate::store::Record;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// PagerDuty refuses a longer summary.
const SUMMARY_CHARS_MAX: usize = 1024;

/// Enough for any text of ours, and far below the 512 KB of an event.
const DETAIL_CHARS_MAX: usize = 8000;

/// Records to events.
#[derive(Debug)]
pub struct PagerdutyEncoder {
    routing_key: SecretString,
}

impl PagerdutyEncoder {
    /// An encoder for the service with this integration key.
    #[must_use]
    pub const fn new(routing_key: SecretString) -> Self {
        Self { routing_key }
    }

    fn event(&self, alert: &Alert<'_>) -> Value {
        let mut event = json!({
            "routing_key": self.routing_key.expose_secret(),
            "event_action": if alert.is_over() { "resolve" } else { "trigger" },
            "dedup_key": format!("squelch-{}", alert.storm_id),
        });
        if !alert.is_over() {
            event["client"] = "squelch".into();
            event["payload"] = payload(alert);
        }
        event
    }
}

fn payload(alert: &Alert<'_>) -> Value {
    let node = alert.from("host.name");
    let source = if node.is_empty() { "squelch" } else { node };
    json!({
        "summary": cut(alert.summary(), SUMMARY_CHARS_MAX),
        "source": source,
        "severity": match &*alert.alert_level { "critical" => "critical", "warning" => "warning", _ => "info" },
        "timestamp": alert.timestamp,
        "component": cut(&alert.whereto(), SUMMARY_CHARS_MAX),
        "group": alert.fingerprint,
        "class": alert.class,
        "custom_details": {
            "description": cut(&alert.body, DETAIL_CHARS_MAX),
            "template": cut(&alert.template, DETAIL_CHARS_MAX),
            "diagnosis": alert.policy(),
            "advice": cut(&alert.advice(), DETAIL_CHARS_MAX),
            "onset": alert.onset,
            "records": alert.records,
            "rate_per_second": alert.rate,
            "peak_per_second": alert.peak,
            "instances": alert.who(),
            "namespace": alert.from("k8s.namespace.name"),
            "service": alert.service(),
            "origins": cut(&alert.origins(), DETAIL_CHARS_MAX),
            "node": node,
            "storm_id": alert.storm_id,
        },
    })
}

impl Encoder for PagerdutyEncoder {
    fn content_type(&self) -> &'static str {
        "application/json"
    }
    fn encode(&mut self, records: &[Record<'_>], out: &mut Vec<u8>) {
        // One a request: see where it is started.
        for record in records {
            serde_json::to_writer(&mut *out, &self.event(&Alert::read(record.json))).expect("JSON in memory can be written");
        }
    }
}

#[cfg(test)]
#[path = "pagerduty_tests.rs"]
mod tests;
