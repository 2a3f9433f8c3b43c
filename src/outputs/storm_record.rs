//! Storms and diagnoses as records: what `squelch.storm` and `squelch.storm_end` carry, and what `report` prints of the same things.

use super::record_json::{CountedRecord, DistinctRecord, Fields};
use super::storm_text;
use super::style::Style;
use super::timestamp::rfc3339;
use super::uid::record_uid;
use crate::diagnosis::Verdict;
use crate::record::{Class, Severity};
use crate::storm::{AlertLevel, Burst, Origin, StormEvent, StormReport, Timeline};
use crate::time::UnixNanos;
use serde::Serialize;

/// A storm began, goes on, or is over.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StormRecord<'a> {
    /// Time of the storm's latest record: log stores refuse old entries.
    pub timestamp: String,
    /// When it was written.
    pub observed_timestamp: String,
    /// `squelch.storm`, at its end `squelch.storm_end`.
    pub event_name: &'static str,
    /// `info`, `warn` or `error`, by the alert level.
    pub severity_text: &'static str,
    /// OpenTelemetry's number.
    pub severity_number: u8,
    /// The alert for people, of several lines.
    pub body: String,
    /// Where it was seen: the node, and what all who took part when it fired have in common (`k8s.namespace.name`, `squelch.workload`,
    /// `k8s.container.name`, `service.name`, `systemd.unit`). The same from its first record to its last, whoever joins later.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    #[cfg_attr(test, schemars(default, with = "std::collections::BTreeMap<String, String>"))]
    pub resource: Fields<'a>,
    /// The same in every resend.
    #[serde(rename = "log.record.uid")]
    pub uid: String,
    /// The same from the first record of a storm to its last, also when the wording of its messages changes.
    #[serde(rename = "squelch.storm_id")]
    pub id: String,
    /// `firing` (it began, or came back), `ongoing` or `resolved`.
    #[serde(rename = "squelch.state")]
    pub state: &'static str,
    /// The input ended while the storm went on.
    #[serde(rename = "squelch.at_end_of_input", skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, schemars(default))]
    pub at_end_of_input: bool,
    /// How urgent: `info`, `warning` or `critical`.
    #[serde(rename = "squelch.alert_level")]
    pub alert_level: &'static str,
    /// The level before, when this record tells that it rose.
    #[serde(rename = "squelch.previous_alert_level", skip_serializing_if = "Option::is_none")]
    pub previous_alert_level: Option<&'static str>,
    /// The first fingerprint of the incident.
    #[serde(rename = "squelch.fingerprint")]
    pub fingerprint: String,
    /// All fingerprints of the incident, the first to spike first.
    #[serde(rename = "squelch.fingerprints")]
    pub fingerprints: Vec<String>,
    /// The message of the first fingerprint.
    #[serde(rename = "squelch.template")]
    pub template: &'a str,
    /// What the most frequent message says about retrying; `crash_loop` for a program that is restarted again and again.
    #[serde(rename = "squelch.class")]
    pub class: &'static str,
    /// The class of the first fingerprint (or `crash_loop`): it stays when the wording changes.
    #[serde(rename = "squelch.first_class")]
    pub first_class: &'static str,
    /// What made it a storm: `hot`, `flat`, `hold`, `slow` (see the documentation), `running` (already there when squelch came),
    /// `crash_loop`, or `slow_loop` (endless, but below the rate of a storm).
    #[serde(rename = "squelch.detected_by")]
    pub detected_by: &'static str,
    /// When retries began to spike.
    #[serde(rename = "squelch.onset")]
    pub onset: String,
    /// It was there before squelch looked: `onset` is only when squelch came.
    #[serde(rename = "squelch.onset_is_unknown", skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, schemars(default))]
    pub onset_is_unknown: bool,
    /// When it was told first.
    #[serde(rename = "squelch.fired")]
    pub fired: String,
    /// When it was over.
    #[serde(rename = "squelch.resolved", skip_serializing_if = "Option::is_none")]
    pub resolved: Option<String>,
    /// How often it came back within 10 min.
    #[serde(rename = "squelch.resumed", skip_serializing_if = "is_zero")]
    #[cfg_attr(test, schemars(default))]
    pub resumed: u32,
    /// Records since the onset.
    #[serde(rename = "squelch.records")]
    pub records: u64,
    /// How many of them went into windows.
    #[serde(rename = "squelch.absorbed")]
    pub absorbed: u64,
    /// Bytes of the records.
    #[serde(rename = "squelch.bytes")]
    pub bytes: u64,
    /// Records per second, mean of the last 5 s.
    #[serde(rename = "squelch.rate_per_second")]
    pub rate_per_second: f64,
    /// Most records in one second.
    #[serde(rename = "squelch.peak_per_second")]
    pub peak_per_second: u64,
    /// Usual records per second before.
    #[serde(rename = "squelch.baseline_per_second")]
    pub baseline_per_second: f64,
    /// The rate as a multiple of the usual one (0.1 a second at least).
    #[serde(rename = "squelch.amplification")]
    pub amplification: f64,
    /// Second half over first half of the last minute: 1 is flat, near 0 is dying down.
    #[serde(rename = "squelch.trend")]
    pub trend: f64,
    /// The rate has not fallen below half its peak for 5 min.
    #[serde(rename = "squelch.is_not_falling")]
    pub is_not_falling: bool,
    /// Records since the onset, cell by cell.
    #[serde(rename = "squelch.timeline")]
    pub timeline: TimelineRecord<'a>,
    /// Who retries; absent when the lines name nobody.
    #[serde(rename = "squelch.instances", skip_serializing_if = "Option::is_none")]
    pub instances: Option<DistinctRecord<'a>>,
    /// What they try to reach, the most frequent ten; absent when the lines name nothing.
    #[serde(rename = "squelch.targets", skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(default))]
    pub targets: Vec<CountedRecord<'a>>,
    /// Where those who took part so far come from, as in `resource`; absent when nothing is known. At most 16.
    #[serde(rename = "squelch.origins", skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(default, with = "Vec<std::collections::BTreeMap<String, String>>"))]
    pub origins: Vec<Fields<'a>>,
    /// There are more of them.
    #[serde(rename = "squelch.has_more_origins", skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, schemars(default))]
    pub has_more_origins: bool,
    /// The warning or failure that came last before the onset: time order, not cause.
    #[serde(rename = "squelch.trigger", skip_serializing_if = "Option::is_none")]
    pub trigger: Option<TriggerRecord<'a>>,
    /// The retry policy; absent below two records of one message.
    #[serde(rename = "squelch.retry", skip_serializing_if = "Option::is_none")]
    pub retry: Option<DiagnosisRecord<'a>>,
}

/// What is known of a retry policy. Times in ms.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DiagnosisRecord<'a> {
    /// `immediate fixed linear exponential growing constant unknown`.
    pub policy: &'static str,
    /// Whether waits vary at random: `yes no unknown`.
    pub jitter: &'static str,
    /// Whether instances retry at the same moments: `yes no unknown`.
    pub lockstep: &'static str,
    /// How many instances retry, where that can be told.
    pub instances: Option<u64>,
    /// Whether `instances` is an estimate.
    pub instances_are_estimated: bool,
    /// `recovered gave_up ongoing unknown`.
    pub outcome: &'static str,
    /// The stated or shown limit on attempts.
    pub max_attempts: Option<i64>,
    /// Largest attempt number seen.
    pub attempts_seen: Option<i64>,
    /// Typical interval between two attempts of one worker.
    pub interval_ms: Option<f64>,
    /// First interval of a growing policy.
    pub base_ms: Option<f64>,
    /// Growth per attempt of an exponential policy.
    pub factor: Option<f64>,
    /// Where it stops growing.
    pub cap_ms: Option<f64>,
    /// The delay the lines state, where it is always the same.
    pub stated_delay_ms: Option<f64>,
    /// What the policy was read from: `text keys attempts stream volleys trend none`.
    pub source: &'static str,
    /// 0..1.
    pub confidence: f64,
    /// Evidence and reservations, in sentences.
    pub notes: &'a [String],
}

/// What came before a storm.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TriggerRecord<'a> {
    /// When it was first said within the 10 s before the onset.
    pub timestamp: String,
    /// Id of the message.
    pub fingerprint: String,
    /// The message.
    pub template: &'a str,
}

/// Records per cell.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TimelineRecord<'a> {
    /// Unix second of the first cell.
    pub start: i64,
    /// Seconds per cell.
    pub cell_seconds: i64,
    /// Records in each cell.
    pub counts: &'a [u64],
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl<'a> StormRecord<'a> {
    /// The record of an event, written at `now`.
    #[must_use]
    pub fn new(event: &'a StormEvent, absorbed: u64, now: UnixNanos) -> Self {
        let storm = event.report();
        let (state, at_end_of_input) = match event {
            StormEvent::Firing(_) | StormEvent::Resumed(_) => ("firing", false),
            StormEvent::Ongoing(_) | StormEvent::LevelChanged(..) => ("ongoing", false),
            StormEvent::OngoingAtEnd(_) => ("ongoing", true),
            StormEvent::Resolved(_) => ("resolved", false),
        };
        let severity = match storm.alert_level {
            AlertLevel::Info => Severity::Info,
            AlertLevel::Warning => Severity::Warn,
            AlertLevel::Critical => Severity::Error,
        };
        let mut body = Vec::new();
        storm_text::push_plain(&mut body, event, absorbed, Style::default());
        Self {
            timestamp: rfc3339(storm.last),
            observed_timestamp: rfc3339(now.max(storm.last)),
            event_name: if state == "resolved" { "squelch.storm_end" } else { "squelch.storm" },
            severity_text: severity.as_str(),
            severity_number: severity.otel_number(),
            body: String::from_utf8_lossy(&body).trim_end().to_owned(),
            resource: fields(&storm.origin),
            uid: record_uid(&[b"storm", &storm.id.0.to_be_bytes(), state.as_bytes(), &storm.last.0.to_be_bytes(), &storm.records.to_be_bytes()]),
            id: storm.id.to_string(),
            state,
            at_end_of_input,
            alert_level: storm.alert_level.as_str(),
            previous_alert_level: match event {
                StormEvent::LevelChanged(before, _) => Some(before.as_str()),
                _ => None,
            },
            fingerprint: storm.fingerprints.first().map(|fingerprint| fingerprint.id().to_string()).unwrap_or_default(),
            fingerprints: fingerprints(storm),
            template: storm.template(),
            class: storm.class.as_str(),
            first_class: storm.first_class().as_str(),
            detected_by: detected_by(storm),
            onset: rfc3339(storm.onset),
            onset_is_unknown: storm.onset_is_unknown,
            fired: rfc3339(storm.fired),
            resolved: storm.resolved.map(rfc3339),
            resumed: storm.resumed,
            records: storm.records,
            absorbed,
            bytes: storm.bytes,
            rate_per_second: rounded(storm.rate),
            peak_per_second: storm.peak_per_second,
            baseline_per_second: rounded(storm.baseline),
            amplification: rounded(storm.amplification),
            trend: rounded(storm.trend),
            is_not_falling: storm.is_not_falling,
            timeline: (&storm.timeline).into(),
            instances: storm.instances.map(|count| DistinctRecord {
                count,
                is_estimate: storm.instances_are_estimated,
                top: counted(&storm.loudest),
                registers: None,
            }),
            targets: counted(&storm.targets),
            origins: storm.origins.iter().map(fields).collect(),
            has_more_origins: storm.has_more_origins,
            trigger: trigger(storm),
            retry: storm.diagnosis.as_ref().map(DiagnosisRecord::from),
        }
    }
}

/// A burst is over: many records of an ordinary message, or retries that came as usual. Information, no alert.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BurstRecord<'a> {
    /// Its end.
    pub timestamp: String,
    /// When it was written.
    pub observed_timestamp: String,
    /// `squelch.burst`.
    pub event_name: &'static str,
    /// `info`.
    pub severity_text: &'static str,
    /// OpenTelemetry's number.
    pub severity_number: u8,
    /// For people.
    pub body: String,
    /// The same in every resend.
    #[serde(rename = "log.record.uid")]
    pub uid: String,
    /// Id of the message.
    #[serde(rename = "squelch.fingerprint")]
    pub fingerprint: String,
    /// The message.
    #[serde(rename = "squelch.template")]
    pub template: &'a str,
    /// What it says about retrying; `none` for ordinary messages.
    #[serde(rename = "squelch.class")]
    pub class: &'static str,
    /// Retries that came in the rhythm of earlier ones and were no more than those.
    #[serde(rename = "squelch.is_usual")]
    pub is_usual: bool,
    /// When it began.
    #[serde(rename = "squelch.onset")]
    pub onset: String,
    /// Records in it.
    #[serde(rename = "squelch.records")]
    pub records: u64,
    /// Most records in one second.
    #[serde(rename = "squelch.peak_per_second")]
    pub peak_per_second: u64,
    /// Usual records per second before.
    #[serde(rename = "squelch.baseline_per_second")]
    pub baseline_per_second: f64,
}

impl<'a> BurstRecord<'a> {
    /// The record of a burst, written at `now`.
    #[must_use]
    pub fn new(burst: &'a Burst, now: UnixNanos) -> Self {
        let mut body = Vec::new();
        storm_text::push_burst_plain(&mut body, burst);
        let fingerprint = burst.fingerprint.id();
        Self {
            timestamp: rfc3339(burst.end),
            observed_timestamp: rfc3339(now.max(burst.end)),
            event_name: "squelch.burst",
            severity_text: Severity::Info.as_str(),
            severity_number: Severity::Info.otel_number(),
            body: String::from_utf8_lossy(&body).into_owned(),
            uid: record_uid(&[b"burst", &fingerprint.0.to_be_bytes(), &burst.onset.0.to_be_bytes(), &burst.records.to_be_bytes()]),
            fingerprint: fingerprint.to_string(),
            template: &burst.fingerprint.template,
            class: burst.fingerprint.class.as_str(),
            is_usual: burst.is_usual,
            onset: rfc3339(burst.onset),
            records: burst.records,
            peak_per_second: u64::from(burst.peak_per_second),
            baseline_per_second: rounded(burst.baseline),
        }
    }
}

impl<'a> From<&'a Verdict> for DiagnosisRecord<'a> {
    fn from(verdict: &'a Verdict) -> Self {
        Self {
            policy: verdict.policy.as_str(),
            jitter: verdict.jitter.as_str(),
            lockstep: verdict.lockstep.as_str(),
            instances: verdict.instances,
            instances_are_estimated: verdict.instances_are_estimated,
            outcome: verdict.outcome.as_str(),
            max_attempts: verdict.max_attempts,
            attempts_seen: verdict.attempts_seen,
            interval_ms: verdict.interval_ms.map(rounded),
            base_ms: verdict.base_ms.map(rounded),
            factor: verdict.factor.map(rounded),
            cap_ms: verdict.cap_ms.map(rounded),
            stated_delay_ms: verdict.stated_delay_ms.map(rounded),
            source: verdict.source.as_str(),
            confidence: rounded(verdict.confidence),
            notes: &verdict.notes,
        }
    }
}

impl<'a> From<&'a Timeline> for TimelineRecord<'a> {
    fn from(timeline: &'a Timeline) -> Self {
        Self { start: timeline.start, cell_seconds: timeline.width, counts: &timeline.cells }
    }
}

fn fields(origin: &Origin) -> Fields<'_> {
    Fields(origin.fields().map(|(key, value)| (key, value.into())).collect())
}

/// Ids of all messages of the incident.
pub fn fingerprints(storm: &StormReport) -> Vec<String> {
    storm.fingerprints.iter().map(|fingerprint| fingerprint.id().to_string()).collect()
}

/// What made it a storm, in one word.
#[must_use]
pub fn detected_by(storm: &StormReport) -> &'static str {
    match storm.rule {
        Some(rule) => rule.as_str(),
        None if storm.class == Class::CrashLoop => "crash_loop",
        None => "slow_loop",
    }
}

/// What came before it.
#[must_use]
pub fn trigger(storm: &StormReport) -> Option<TriggerRecord<'_>> {
    storm.trigger.as_ref().map(|trigger| TriggerRecord {
        timestamp: rfc3339(trigger.at),
        fingerprint: trigger.fingerprint.id().to_string(),
        template: &trigger.fingerprint.template,
    })
}

/// Names with their counts.
#[must_use]
pub fn counted(names: &[(String, u64)]) -> Vec<CountedRecord<'_>> {
    names.iter().map(|(name, count)| CountedRecord { value: name.as_str().into(), count: *count }).collect()
}

/// To a thousandth: more digits only pretend, and differ between machines.
#[must_use]
pub fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::diagnosis::{Outcome, Policy, Source, Tri};
    use crate::fingerprint::Fingerprint;
    use crate::record::ClassSource;
    use crate::storm::{Phase, Rule, StormId, Trigger};
    use crate::time::{MILLI, SECOND};
    use std::sync::Arc;

    /// Twelve services that retry at once, 200 s after the onset.
    pub(crate) fn storm() -> StormReport {
        let fingerprint = |severity, template: &str, class| Arc::new(Fingerprint::new(severity, template, class, ClassSource::Guess));
        let onset = UnixNanos(1_767_225_660 * SECOND + 20 * MILLI);
        StormReport {
            id: StormId(0x3a7f_01c2_d4e5_f607),
            fingerprints: vec![fingerprint(Severity::Error, "Connection to <host> failed: Connection refused, retrying in <dur>", Class::Retry)],
            class: Class::Retry,
            alert_level: AlertLevel::Critical,
            phase: Phase::Firing,
            onset,
            onset_is_unknown: false,
            fired: onset.plus(5 * SECOND),
            rule: Some(Rule::Hot),
            resolved: None,
            resumed: 0,
            last: onset.plus(200 * SECOND),
            records: 239_200,
            bytes: 43_056_000,
            rate: 1196.0,
            peak_per_second: 1431,
            baseline: 0.1,
            amplification: 11_960.0,
            instances: Some(12),
            instances_are_estimated: false,
            loudest: vec![("orders-7d9f4c-b551".into(), 21_528), ("orders-7d9f4c-x2vq8".into(), 19_800)],
            targets: vec![("activemq-1:61616".into(), 239_200)],
            origin: Origin::of(&[("k8s.namespace.name", "shop"), ("squelch.workload", "orders"), ("k8s.container.name", "app")]),
            origins: vec![
                Origin::of(&[("k8s.namespace.name", "pay"), ("squelch.workload", "ledger"), ("k8s.container.name", "app")]),
                Origin::of(&[("k8s.namespace.name", "shop"), ("squelch.workload", "orders"), ("k8s.container.name", "app")]),
            ],
            has_more_origins: false,
            trigger: Some(Trigger {
                fingerprint: fingerprint(Severity::Warn, "broker connection lost", Class::Failure),
                at: onset.plus(-120 * MILLI),
            }),
            timeline: Timeline { start: onset.second(), width: 2, cells: vec![2400; 100] },
            trend: 1.0,
            is_not_falling: false,
            advice: None,
            diagnosis: Some(Verdict {
                policy: Policy::Immediate,
                jitter: Tri::No,
                lockstep: Tri::Unknown,
                instances: Some(12),
                outcome: Outcome::Ongoing,
                attempts_seen: Some(2400),
                interval_ms: Some(80.0),
                stated_delay_ms: Some(0.0),
                source: Source::Text,
                confidence: 0.97,
                notes: vec!["All lines state a delay of 0.".into()],
                ..Verdict::default()
            }),
        }
    }

    #[test]
    fn a_storm_record_has_every_field_of_the_alert() {
        let event = StormEvent::LevelChanged(AlertLevel::Warning, Box::new(storm()));
        let record = serde_json::to_value(StormRecord::new(&event, 238_870, UnixNanos(0))).unwrap();
        assert_eq!(record["event_name"], "squelch.storm");
        assert_eq!((&record["squelch.state"], &record["squelch.previous_alert_level"]), (&"ongoing".into(), &"warning".into()));
        assert_eq!(record["timestamp"], record["observed_timestamp"]);
        assert_eq!(record["squelch.instances"]["top"][0]["value"], "orders-7d9f4c-b551");
        assert_eq!(record["squelch.retry"]["policy"], "immediate");
        assert_eq!(record["squelch.trigger"]["template"], "broker connection lost");
        assert_eq!(record["squelch.absorbed"], 238_870);
        assert!(record["body"].as_str().unwrap().starts_with("[CRITICAL] Retry storm: "), "{}", record["body"]);
    }

    #[test]
    fn the_end_of_a_storm_has_a_name_and_an_id_of_its_own() {
        let began = StormEvent::Firing(Box::new(storm()));
        let mut over = storm();
        over.resolved = Some(over.last.plus(60 * SECOND));
        let over = StormEvent::Resolved(Box::new(over));
        let (began, over) = (StormRecord::new(&began, 0, UnixNanos(0)), StormRecord::new(&over, 0, UnixNanos(0)));
        assert_eq!((began.event_name, over.event_name), ("squelch.storm", "squelch.storm_end"));
        assert_eq!(began.id, over.id);
        assert_ne!(began.uid, over.uid);
        assert!(over.resolved.is_some());
    }
}
