//! The records squelch writes, as they look in NDJSON: every field, in order, with its unit. `docs/records.schema.json` is generated
//! from these types (`SQUELCH_BLESS=1 cargo test schema`), so a change of format is a visible diff.
//!
//! Names are OpenTelemetry's where it has one; ours begin with `squelch.`. Times are RFC 3339 in UTC with nanoseconds, durations
//! are milliseconds, histograms the V2 form of HdrHistogram in base64 (microseconds).

use serde::{Serialize, Serializer, ser::SerializeMap};
use std::borrow::Cow;

/// A record that passed.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LineRecord<'a> {
    /// Event time; where the line has none, its working time.
    pub timestamp: &'a str,
    /// When it was read.
    pub observed_timestamp: &'a str,
    /// `trace debug info warn error fatal`; absent when the line does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity_text: Option<&'static str>,
    /// OpenTelemetry's number; 0 when the line does not say.
    pub severity_number: u8,
    /// The record as it was read, without its last line end; lossy where it is not UTF-8.
    pub body: Cow<'a, str>,
    /// What the envelope said.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    #[cfg_attr(test, schemars(default, with = "std::collections::BTreeMap<String, String>"))]
    pub attributes: Fields<'a>,
    /// Where it came from.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    #[cfg_attr(test, schemars(default, with = "std::collections::BTreeMap<String, String>"))]
    pub resource: Fields<'a>,
    /// The same in every resend.
    #[serde(rename = "log.record.uid")]
    pub uid: &'a str,
    /// The stream's label.
    #[serde(rename = "squelch.stream")]
    pub stream: &'a str,
    /// Id of its template; absent for continuation lines that pass by themselves.
    #[serde(rename = "squelch.fingerprint", skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<&'a str>,
    /// What it says about retrying; absent when nothing.
    #[serde(rename = "squelch.class", skip_serializing_if = "Option::is_none")]
    pub class: Option<&'static str>,
    /// Lines in it; absent when 1.
    #[serde(rename = "squelch.lines", skip_serializing_if = "Option::is_none")]
    pub lines: Option<u32>,
    /// The process that wrote it, where the line or the stream names one.
    #[serde(rename = "squelch.instance", skip_serializing_if = "Option::is_none")]
    pub instance: Option<Cow<'a, str>>,
    /// The exact bytes, where they are not UTF-8.
    #[serde(rename = "squelch.body_base64", skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// `observe` mode: it would have been absorbed.
    #[serde(rename = "squelch.would_absorb", skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, schemars(default))]
    pub would_absorb: bool,
    /// It was absorbed: a summary counts it. Written for outputs that ask for such records only.
    #[serde(rename = "squelch.was_absorbed", skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, schemars(default))]
    pub is_absorbed: bool,
}

/// What a window left behind.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SummaryRecord<'a> {
    /// Time of the last absorbed record: log stores refuse old entries.
    pub timestamp: &'a str,
    /// When it was written.
    pub observed_timestamp: &'a str,
    /// Always `squelch.summary`.
    pub event_name: &'static str,
    /// Severity of the absorbed records; absent when they do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity_text: Option<&'static str>,
    /// OpenTelemetry's number; 0 when they do not say.
    pub severity_number: u8,
    /// The summary as one line for people.
    pub body: Cow<'a, str>,
    /// `log.file.path` where the stream is a file.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    #[cfg_attr(test, schemars(default, with = "std::collections::BTreeMap<String, String>"))]
    pub attributes: Fields<'a>,
    /// Where it came from.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    #[cfg_attr(test, schemars(default, with = "std::collections::BTreeMap<String, String>"))]
    pub resource: Fields<'a>,
    /// The same in every resend.
    #[serde(rename = "log.record.uid")]
    pub uid: &'a str,
    /// The stream's label.
    #[serde(rename = "squelch.stream")]
    pub stream: &'a str,
    /// Id of the template.
    #[serde(rename = "squelch.fingerprint")]
    pub fingerprint: &'a str,
    /// The message with typed placeholders.
    #[serde(rename = "squelch.template")]
    pub template: &'a str,
    /// What it says about retrying.
    #[serde(rename = "squelch.class")]
    pub class: &'static str,
    /// Who said so: `guess` or `rule`.
    #[serde(rename = "squelch.class_source")]
    pub class_source: &'static str,
    /// Id of the rule, if one did.
    #[serde(rename = "squelch.rule", skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'a str>,
    /// Absorbed records.
    #[serde(rename = "squelch.count")]
    pub count: u64,
    /// Absorbed lines.
    #[serde(rename = "squelch.lines")]
    pub lines: u64,
    /// Absorbed bytes, line ends included.
    #[serde(rename = "squelch.bytes")]
    pub bytes: u64,
    /// Time of the first absorbed record.
    #[serde(rename = "squelch.first_timestamp")]
    pub first: &'a str,
    /// Time of the last absorbed record.
    #[serde(rename = "squelch.last_timestamp")]
    pub last: &'a str,
    /// Start of the cell of the time grid.
    #[serde(rename = "squelch.cell_start")]
    pub cell_start: &'a str,
    /// End of the cell.
    #[serde(rename = "squelch.cell_end")]
    pub cell_end: &'a str,
    /// Part of the cell, from 1.
    #[serde(rename = "squelch.part")]
    pub part: u32,
    /// Why it was closed: `cell_end`, `evicted`, `shutdown`, `final_outcome`, `storm_end`.
    #[serde(rename = "squelch.reason")]
    pub reason: &'static str,
    /// Why repeats were absorbed: `rule`, `guess`, `flood`, `companion`.
    #[serde(rename = "squelch.cause")]
    pub cause: &'static str,
    /// Fingerprint of the record that ended it.
    #[serde(rename = "squelch.outcome_fingerprint", skip_serializing_if = "Option::is_none")]
    pub outcome_fingerprint: Option<String>,
    /// Class of the record that ended it.
    #[serde(rename = "squelch.outcome", skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
    /// Records per 10 s: `[start in Unix seconds, count]`, ascending.
    #[serde(rename = "squelch.per_10s")]
    pub per_10s: &'a [(i64, u64)],
    /// Records per second in a storm: `[Unix second, count]`, ascending; absent outside of storms.
    #[serde(rename = "squelch.per_second", skip_serializing_if = "<[_]>::is_empty")]
    #[cfg_attr(test, schemars(default))]
    pub per_second: &'a [(i64, u64)],
    /// First, one per doubling, last.
    #[serde(rename = "squelch.samples")]
    pub samples: Vec<SampleRecord<'a>>,
    /// Gaps between records of one worker.
    #[serde(rename = "squelch.interval_ms", skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<IntervalRecord>,
    /// Who retried; absent when nobody is named.
    #[serde(rename = "squelch.instances", skip_serializing_if = "Option::is_none")]
    pub instances: Option<DistinctRecord<'a>>,
    /// What they tried to reach; absent when nothing is named.
    #[serde(rename = "squelch.targets", skip_serializing_if = "Option::is_none")]
    pub targets: Option<DistinctRecord<'a>>,
    /// Attempt numbers.
    #[serde(rename = "squelch.attempts", skip_serializing_if = "Option::is_none")]
    pub attempts: Option<RangeRecord<i64>>,
    /// The stated limit of attempts.
    #[serde(rename = "squelch.max_attempts", skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<i64>,
    /// Stated delays.
    #[serde(rename = "squelch.stated_delay_ms", skip_serializing_if = "Option::is_none")]
    pub stated_delay_ms: Option<RangeRecord<f64>>,
    /// Records more than 2 s late.
    #[serde(rename = "squelch.late")]
    pub late: u64,
}

/// One kept occurrence.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SampleRecord<'a> {
    /// Its time.
    pub timestamp: String,
    /// Which occurrence of the window it was, from 1.
    pub ordinal: u64,
    /// Its text, secrets masked, lossy where it is not UTF-8.
    pub body: Cow<'a, str>,
}

/// Quantiles of gaps in ms, and the histogram they come from.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IntervalRecord {
    /// How many gaps.
    pub count: u64,
    /// Shortest.
    pub min: f64,
    /// Median.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 99 %.
    pub p99: f64,
    /// Longest.
    pub max: f64,
    /// HdrHistogram V2 of microseconds, base64: adds up with others.
    pub histogram: String,
}

/// Distinct values.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DistinctRecord<'a> {
    /// How many.
    pub count: u64,
    /// Whether `count` is an estimate.
    pub is_estimate: bool,
    /// The most frequent.
    pub top: Vec<CountedRecord<'a>>,
    /// HyperLogLog registers behind an estimate, base64: unite with those of others by the maximum of each byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registers: Option<String>,
}

/// A value with its count.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CountedRecord<'a> {
    /// The value, lossy where it is not UTF-8.
    pub value: Cow<'a, str>,
    /// How often.
    pub count: u64,
}

/// Smallest and largest.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RangeRecord<N> {
    /// Smallest.
    pub min: N,
    /// Largest.
    pub max: N,
}

/// Names and values, written as an object of strings.
#[derive(Debug, Default)]
pub struct Fields<'a>(pub Vec<(&'a str, Cow<'a, str>)>);

impl Fields<'_> {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::stats::StatsRecord;
    use crate::outputs::storm_record::{BurstRecord, StormRecord};
    use serde_json::{Map, Value, json};

    /// The schema file beside the documentation.
    const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/records.schema.json");

    #[test]
    fn the_schema_on_file_is_the_schema_of_the_types() {
        let mut definitions = Map::new();
        let mut add = |name: &str, schema: schemars::Schema| {
            let Value::Object(mut schema) = schema.to_value() else { panic!("a schema is an object") };
            schema.remove("$schema");
            if let Some(Value::Object(inner)) = schema.remove("$defs") {
                definitions.extend(inner);
            }
            definitions.insert(name.into(), schema.into());
        };
        add("LineRecord", schemars::schema_for!(LineRecord<'static>));
        add("SummaryRecord", schemars::schema_for!(SummaryRecord<'static>));
        add("StormRecord", schemars::schema_for!(StormRecord<'static>));
        add("BurstRecord", schemars::schema_for!(BurstRecord<'static>));
        add("StatsRecord", schemars::schema_for!(StatsRecord));
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "Records of squelch",
            "description": "One object a line. A record with event_name squelch.summary is a summary, squelch.storm and squelch.storm_end are alerts, squelch.burst is information about a burst, squelch.stats is the accounting on stderr, one without event_name a line that passed.",
            "oneOf": [{ "$ref": "#/$defs/LineRecord" }, { "$ref": "#/$defs/SummaryRecord" }, { "$ref": "#/$defs/StormRecord" }, { "$ref": "#/$defs/BurstRecord" }, { "$ref": "#/$defs/StatsRecord" }],
            "$defs": definitions,
        });
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if std::env::var_os("SQUELCH_BLESS").is_some() {
            std::fs::write(SCHEMA, &text).unwrap();
        }
        let on_file = std::fs::read_to_string(SCHEMA).unwrap();
        assert!(on_file == text, "the records have changed; look at the change and write it down: SQUELCH_BLESS=1 cargo test schema");
    }
}
