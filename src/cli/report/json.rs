//! The report as one JSON object; its shape is a contract, names are only ever added.

use super::findings::{Findings, StormFound, answers};
use crate::engine::TemplateRow;
use crate::outputs::record_json::CountedRecord;
use crate::outputs::stats::AccountingRecord;
use crate::outputs::storm_record::{DiagnosisRecord, TimelineRecord, TriggerRecord, counted, detected_by, fingerprints, rounded, trigger};
use crate::outputs::timestamp::rfc3339;
use crate::record::ClassSource;
use crate::storm::{Burst, Diagnosed};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Serialize)]
struct Report<'a> {
    accounting: AccountingRecord,
    templates: Vec<TemplateRecord<'a>>,
    /// Incidents in which retries spiked.
    storms: Vec<StormOfReport<'a>>,
    /// What is known about each retry policy.
    diagnoses: Vec<DiagnosedRecord<'a>>,
    /// Bursts of ordinary messages, and retries that came as usual: for information.
    bursts: Vec<BurstOfReport<'a>>,
}

#[derive(Debug, Serialize)]
struct BurstOfReport<'a> {
    fingerprint: String,
    template: &'a str,
    class: &'static str,
    /// Retries in the rhythm of earlier ones, no more than those.
    is_usual: bool,
    onset: String,
    end: String,
    records: u64,
    peak_per_second: u32,
    baseline_per_second: f64,
}

#[derive(Debug, Serialize)]
struct TemplateRecord<'a> {
    fingerprint: String,
    /// Fingerprints that differ in one word share it; `null` when there are none.
    group: Option<String>,
    template: &'a str,
    class: &'static str,
    /// The rule that gave the class; `null` for a guess.
    rule: Option<&'a str>,
    severity: &'static str,
    count: u64,
    lines: u64,
    first: String,
    last: String,
    streams: u32,
}

#[derive(Debug, Serialize)]
struct StormOfReport<'a> {
    id: String,
    fingerprints: Vec<String>,
    template: &'a str,
    class: &'static str,
    alert_level: &'static str,
    detected_by: &'static str,
    onset: String,
    onset_is_unknown: bool,
    fired: String,
    /// `null`: it goes on where the input ends.
    resolved: Option<String>,
    resumed: u32,
    last: String,
    records: u64,
    /// How many of them went into summaries.
    absorbed: u64,
    bytes: u64,
    peak_per_second: u64,
    baseline_per_second: f64,
    timeline: TimelineRecord<'a>,
    instances: Option<u64>,
    instances_are_estimated: bool,
    loudest: Vec<CountedRecord<'a>>,
    targets: Vec<CountedRecord<'a>>,
    trigger: Option<TriggerRecord<'a>>,
    diagnosis: Option<DiagnosisRecord<'a>>,
    /// The five questions: `all_instances policy limit cost circuit_breaker`.
    answers: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
struct DiagnosedRecord<'a> {
    fingerprint: String,
    template: &'a str,
    class: &'static str,
    lines: u64,
    records: u64,
    #[serde(flatten)]
    diagnosis: DiagnosisRecord<'a>,
}

/// The report, newline included. `top`: templates at most.
pub fn render(findings: &Findings, top: Option<usize>) -> String {
    let report = Report {
        accounting: AccountingRecord::new(&findings.accounting, findings.bytes_out),
        templates: findings.templates.iter().take(top.unwrap_or(usize::MAX)).map(|row| template_record(row, findings)).collect(),
        storms: findings.storms.iter().map(|storm| storm_record(storm, findings)).collect(),
        diagnoses: findings.diagnoses.iter().map(diagnosed_record).collect(),
        bursts: findings.bursts.iter().map(burst_record).collect(),
    };
    let mut text = serde_json::to_string_pretty(&report).expect("a report has string keys");
    text.push('\n');
    text
}

fn template_record<'a>(row: &'a TemplateRow, findings: &Findings) -> TemplateRecord<'a> {
    TemplateRecord {
        fingerprint: row.fingerprint.id().to_string(),
        group: findings.groups.get(&row.fingerprint.id()).map(ToString::to_string),
        template: &row.fingerprint.template,
        class: row.fingerprint.class.as_str(),
        rule: match &row.fingerprint.source {
            ClassSource::Guess => None,
            ClassSource::Rule(rule) => Some(rule),
        },
        severity: row.fingerprint.severity.as_str(),
        count: row.count,
        lines: row.lines,
        first: rfc3339(row.first),
        last: rfc3339(row.last),
        streams: row.streams,
    }
}

fn burst_record(burst: &Burst) -> BurstOfReport<'_> {
    BurstOfReport {
        fingerprint: burst.fingerprint.id().to_string(),
        template: &burst.fingerprint.template,
        class: burst.fingerprint.class.as_str(),
        is_usual: burst.is_usual,
        onset: rfc3339(burst.onset),
        end: rfc3339(burst.end),
        records: burst.records,
        peak_per_second: burst.peak_per_second,
        baseline_per_second: rounded(burst.baseline),
    }
}

fn storm_record<'a>(found: &'a StormFound, findings: &Findings) -> StormOfReport<'a> {
    let storm = &found.report;
    StormOfReport {
        id: storm.id.to_string(),
        fingerprints: fingerprints(storm),
        template: storm.template(),
        class: storm.class.as_str(),
        alert_level: storm.alert_level.as_str(),
        detected_by: detected_by(storm),
        onset: rfc3339(storm.onset),
        onset_is_unknown: storm.onset_is_unknown,
        fired: rfc3339(storm.fired),
        resolved: storm.resolved.map(rfc3339),
        resumed: storm.resumed,
        last: rfc3339(storm.last),
        records: storm.records,
        absorbed: found.absorbed,
        bytes: storm.bytes,
        peak_per_second: storm.peak_per_second,
        baseline_per_second: rounded(storm.baseline),
        timeline: (&storm.timeline).into(),
        instances: storm.instances,
        instances_are_estimated: storm.instances_are_estimated,
        loudest: counted(&storm.loudest),
        targets: counted(&storm.targets),
        trigger: trigger(storm),
        diagnosis: storm.diagnosis.as_ref().map(DiagnosisRecord::from),
        answers: answers(found, findings).into_iter().map(|answer| (answer.key, answer.answer)).collect(),
    }
}

fn diagnosed_record(diagnosed: &Diagnosed) -> DiagnosedRecord<'_> {
    DiagnosedRecord {
        fingerprint: diagnosed.fingerprint.id().to_string(),
        template: &diagnosed.fingerprint.template,
        class: diagnosed.fingerprint.class.as_str(),
        lines: diagnosed.lines,
        records: diagnosed.records,
        diagnosis: (&diagnosed.verdict).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::findings::tests::{findings, row};
    use super::*;
    use crate::outputs::storm_record::tests::storm;

    fn names(value: &serde_json::Value) -> Vec<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn the_json_has_the_names_of_the_contract() {
        let mut findings = findings();
        findings.storms.push(StormFound { report: storm(), absorbed: 5 });
        let verdict = storm().diagnosis.unwrap();
        findings.diagnoses.push(Diagnosed { fingerprint: row("x").fingerprint, records: 2, lines: 3, verdict });
        let report: serde_json::Value = serde_json::from_str(&render(&findings, None)).unwrap();
        for (list, expected) in [
            ("templates", &["fingerprint", "group", "template", "class", "rule", "severity", "count", "lines", "first", "last", "streams"][..]),
            (
                "storms",
                &[
                    "id",
                    "fingerprints",
                    "template",
                    "class",
                    "alert_level",
                    "onset",
                    "fired",
                    "resolved",
                    "records",
                    "peak_per_second",
                    "instances",
                    "targets",
                    "trigger",
                    "diagnosis",
                ],
            ),
            (
                "diagnoses",
                &[
                    "fingerprint",
                    "class",
                    "lines",
                    "records",
                    "policy",
                    "jitter",
                    "lockstep",
                    "instances",
                    "outcome",
                    "max_attempts",
                    "interval_ms",
                    "base_ms",
                    "factor",
                    "cap_ms",
                    "stated_delay_ms",
                    "source",
                    "confidence",
                    "notes",
                ],
            ),
        ] {
            let names = names(&report[list][0]);
            for name in expected {
                assert!(names.contains(name), "{list}: {name} is missing");
            }
        }
    }
}
