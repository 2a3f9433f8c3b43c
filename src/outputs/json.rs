//! The NDJSON face: one object a line, see [`record_json`](super::record_json) for every field.

use super::record_json::{CountedRecord, DistinctRecord, Fields, IntervalRecord, LineRecord, RangeRecord, SampleRecord, SummaryRecord};
use super::storm_record::{BurstRecord, StormRecord};
use super::style::Style;
use super::text::BATCH_BYTES;
use super::timestamp::{push_rfc3339, rfc3339};
use super::uid::record_uid;
use super::writer::Writer;
use super::{Output, StreamName, StreamNames, summary_line};
use crate::collapse::summary::{Cause, CloseReason, Distinct, Summary};
use crate::engine::{Engine, Forwarded, Sink};
use crate::record::{ClassSource, Severity, StreamId};
use crate::storm::{Burst, StormEvent};
use crate::time::{MILLI, UnixNanos};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer as _, V2Serializer};
use std::borrow::Cow;

/// NDJSON to standard output.
pub struct JsonOutput {
    writer: Writer,
    encoder: JsonEncoder,
    bytes_out: u64,
}

impl JsonOutput {
    /// An output that hands its bytes to `writer`.
    #[must_use]
    pub fn new(writer: Writer) -> Self {
        Self { writer, encoder: JsonEncoder::default(), bytes_out: 0 }
    }
    /// Bytes of records so far.
    #[must_use]
    pub const fn bytes_out(&self) -> u64 {
        self.bytes_out + self.encoder.buffer.len() as u64
    }
    /// Writes what is left and gives the writer back.
    #[must_use]
    pub fn into_writer(mut self) -> Writer {
        self.idle();
        self.writer
    }
    fn end(&mut self) {
        if self.encoder.buffer.len() >= BATCH_BYTES {
            self.idle();
        }
    }
}

impl Sink for JsonOutput {
    fn forward(&mut self, record: &Forwarded<'_>) {
        self.encoder.forward(record);
        self.end();
    }
    fn summary(&mut self, summary: &Summary) {
        self.encoder.summary(summary);
        self.end();
    }
    fn storm(&mut self, event: &StormEvent, absorbed: u64) {
        self.encoder.storm(event, absorbed);
        self.idle(); // an alert does not wait for others
    }
    fn burst(&mut self, burst: &Burst) {
        self.encoder.burst(burst);
        self.end();
    }
}

impl Output for JsonOutput {
    fn name_stream(&mut self, stream: StreamId, label: &str, epoch: UnixNanos, is_file: bool) {
        self.encoder.names.insert(stream, StreamName { label: label.into(), epoch, is_file, ..StreamName::default() });
    }
    fn set_now(&mut self, now: UnixNanos) {
        self.encoder.now = now;
    }
    fn idle(&mut self) {
        self.bytes_out += self.encoder.buffer.len() as u64;
        self.writer.push(&mut self.encoder.buffer);
    }
    fn show_activity(&mut self, _: UnixNanos, _: &Engine) -> Option<UnixNanos> {
        None
    }
    fn is_closed(&self) -> bool {
        self.writer.has_failed()
    }
}

/// Records to bytes. Buffers are reused.
#[derive(Debug, Default)]
pub struct JsonEncoder {
    /// Finished lines.
    pub buffer: Vec<u8>,
    /// The streams they come from.
    pub names: StreamNames,
    /// The time at which summaries are written.
    pub now: UnixNanos,
    /// The node's name: part of record ids and of `resource` where many nodes send to one place; empty in a pipe.
    pub node: Box<str>,
    scratch: Vec<u8>,
}

impl JsonEncoder {
    /// A record that passes.
    pub fn forward(&mut self, record: &Forwarded<'_>) {
        self.line(record, false);
    }

    /// A record that was absorbed.
    pub fn absorbed(&mut self, record: &Forwarded<'_>) {
        self.line(record, true);
    }

    fn line(&mut self, record: &Forwarded<'_>, is_absorbed: bool) {
        let name = self.names.get_mut(record.stream);
        name.forwarded += 1;
        // A pipe has no offsets that mean anything: there it is the sequence number.
        let (origin, at) = if self.node.is_empty() { (name.epoch.0 as u64, name.forwarded) } else { (record.place.origin, record.place.offset) };
        name.uid.set(&self.node, &name.label, origin, at);
        let text = record.raw.strip_suffix(b"\n").unwrap_or(record.raw);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let body = text_of(text);
        let severity = record.fingerprint.map_or(Severity::Unknown, |fingerprint| fingerprint.severity);
        let id = record.fingerprint.map(|fingerprint| fingerprint.id().to_string());
        let mut attributes = Fields::default();
        let mut resource = name.resource_fields(&self.node);
        let mut instance = None;
        for (key, value) in record.fields {
            let value = text_of(value);
            match *key {
                "squelch.instance" => instance = Some(value),
                key if key.starts_with("host.") || key.starts_with("k8s.") || key.starts_with("service.") || key.starts_with("container.") => {
                    match resource.0.iter_mut().find(|(known, _)| *known == key) {
                        Some(known) => known.1 = value,
                        None => resource.0.push((key, value)),
                    }
                }
                key => attributes.0.push((key, value)),
            }
        }
        if name.is_file {
            attributes.0.push(("log.file.path", Cow::Borrowed(&name.label)));
        }
        self.scratch.clear();
        push_rfc3339(&mut self.scratch, record.event.unwrap_or(record.working));
        let split = self.scratch.len();
        push_rfc3339(&mut self.scratch, record.arrival);
        let (timestamp, observed) = self.scratch.split_at(split);
        let line = LineRecord {
            timestamp: ascii(timestamp),
            observed_timestamp: ascii(observed),
            severity_text: severity_text(severity),
            severity_number: severity.otel_number(),
            body_base64: matches!(body, Cow::Owned(_)).then(|| BASE64_STANDARD.encode(text)),
            body,
            attributes,
            resource,
            uid: name.uid.text(),
            stream: &name.label,
            fingerprint: id.as_deref(),
            class: record.fingerprint.filter(|fingerprint| fingerprint.class.is_retry_like()).map(|fingerprint| fingerprint.class.as_str()),
            lines: (record.lines != 1).then_some(record.lines),
            instance,
            would_absorb: record.would_absorb,
            is_absorbed,
        };
        push_line(&mut self.buffer, &line);
    }

    /// A storm began, goes on, or is over.
    pub fn storm(&mut self, event: &StormEvent, absorbed: u64) {
        let mut record = StormRecord::new(event, absorbed, self.now);
        if !self.node.is_empty() {
            record.resource.0.insert(0, ("host.name", Cow::Borrowed(&self.node)));
        }
        push_line(&mut self.buffer, &record);
    }

    /// A burst is over.
    pub fn burst(&mut self, burst: &Burst) {
        push_line(&mut self.buffer, &BurstRecord::new(burst, self.now));
    }

    /// A window closed.
    pub fn summary(&mut self, summary: &Summary) {
        let name = self.names.get_mut(summary.stream);
        let fingerprint = &summary.fingerprint;
        let uid = record_uid(&[
            b"summary",
            self.node.as_bytes(),
            name.label.as_bytes(),
            &name.epoch.0.to_be_bytes(),
            &fingerprint.id().0.to_be_bytes(),
            &summary.cell_start.0.to_be_bytes(),
            &summary.part.to_be_bytes(),
        ]);
        self.scratch.clear();
        summary_line::push(&mut self.scratch, summary, None, Style::default(), false);
        self.scratch.pop();
        let mut attributes = Fields::default();
        if name.is_file {
            attributes.0.push(("log.file.path", Cow::Borrowed(&name.label)));
        }
        let (first, last) = (rfc3339(summary.first), rfc3339(summary.last));
        let record = SummaryRecord {
            timestamp: &last,
            observed_timestamp: &rfc3339(self.now.max(summary.last)),
            event_name: "squelch.summary",
            severity_text: severity_text(fingerprint.severity),
            severity_number: fingerprint.severity.otel_number(),
            body: String::from_utf8_lossy(&self.scratch),
            attributes,
            resource: name.resource_fields(&self.node),
            uid: &uid,
            stream: &name.label,
            fingerprint: &fingerprint.id().to_string(),
            template: &fingerprint.template,
            class: fingerprint.class.as_str(),
            class_source: match fingerprint.source {
                ClassSource::Guess => "guess",
                ClassSource::Rule(_) => "rule",
            },
            rule: match &fingerprint.source {
                ClassSource::Guess => None,
                ClassSource::Rule(rule) => Some(rule),
            },
            count: summary.count,
            lines: summary.lines,
            bytes: summary.bytes,
            first: &first,
            last: &last,
            cell_start: &rfc3339(summary.cell_start),
            cell_end: &rfc3339(summary.cell_end),
            part: summary.part,
            reason: reason_word(summary.reason),
            cause: cause_word(summary.cause),
            outcome_fingerprint: summary.outcome.as_ref().map(|outcome| outcome.id().to_string()),
            outcome: summary.outcome.as_ref().map(|outcome| outcome.class.as_str()),
            per_10s: &summary.per_10s,
            per_second: &summary.per_second,
            samples: summary
                .samples
                .iter()
                .map(|sample| SampleRecord { timestamp: rfc3339(sample.at), ordinal: sample.ordinal, body: String::from_utf8_lossy(&sample.text) })
                .collect(),
            interval_ms: summary.intervals.as_deref().and_then(interval_record),
            instances: distinct_record(&summary.instances),
            targets: distinct_record(&summary.targets),
            attempts: summary.attempts.map(|range| RangeRecord { min: range.min, max: range.max }),
            max_attempts: summary.max_attempts,
            stated_delay_ms: summary.delays.map(|range| RangeRecord { min: millis(range.min), max: millis(range.max) }),
            late: summary.late,
        };
        push_line(&mut self.buffer, &record);
    }
}

/// Appends a record as one line.
pub fn push_line(out: &mut Vec<u8>, record: &impl serde::Serialize) {
    serde_json::to_writer(&mut *out, record).expect("records have string keys and memory takes every write");
    out.push(b'\n');
}

/// The same as `from_utf8_lossy`, which looks at one sign after the other; nearly all logs are text.
fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

fn severity_text(severity: Severity) -> Option<&'static str> {
    (severity != Severity::Unknown).then(|| severity.as_str())
}

fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("a time stamp of ours is ASCII")
}

fn millis(nanos: i64) -> f64 {
    nanos as f64 / MILLI as f64
}

/// The word for a close reason in records.
#[must_use]
pub const fn reason_word(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::CellEnd => "cell_end",
        CloseReason::Evicted => "evicted",
        CloseReason::Shutdown => "shutdown",
        CloseReason::FinalOutcome => "final_outcome",
        CloseReason::StormEnd => "storm_end",
    }
}

const fn cause_word(cause: Cause) -> &'static str {
    match cause {
        Cause::Rule => "rule",
        Cause::Guess => "guess",
        Cause::Flood => "flood",
        Cause::Companion => "companion",
    }
}

fn distinct_record(distinct: &Distinct) -> Option<DistinctRecord<'_>> {
    (distinct.count > 0).then(|| DistinctRecord {
        count: distinct.count,
        is_estimate: distinct.is_estimate,
        top: distinct.top.iter().map(|(value, count)| CountedRecord { value: String::from_utf8_lossy(value), count: *count }).collect(),
        registers: distinct.registers.as_deref().map(|registers| BASE64_STANDARD.encode(registers)),
    })
}

fn interval_record(gaps: &Histogram<u32>) -> Option<IntervalRecord> {
    if gaps.is_empty() {
        return None;
    }
    let mut bytes = Vec::new();
    V2Serializer::new().serialize(gaps, &mut bytes).ok()?;
    let at = |quantile| gaps.value_at_quantile(quantile) as f64 / 1000.0;
    Some(IntervalRecord {
        count: gaps.len(),
        min: gaps.min() as f64 / 1000.0,
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        max: gaps.max() as f64 / 1000.0,
        histogram: BASE64_STANDARD.encode(&bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::summary_line::tests::storm;
    use serde_json::Value;

    fn encoder() -> JsonEncoder {
        let mut encoder = JsonEncoder::default();
        encoder.names.insert(StreamId(0), StreamName { label: "stdin".into(), ..StreamName::default() });
        encoder
    }

    fn forwarded(raw: &[u8]) -> Value {
        let mut encoder = encoder();
        let fields: [(&'static str, &[u8]); 3] = [("log.logger", b"mq"), ("host.name", b"a"), ("squelch.instance", b"pod-1")];
        encoder.forward(&Forwarded {
            raw,
            stream: StreamId(0),
            place: Default::default(),
            arrival: UnixNanos(2),
            working: UnixNanos(1),
            event: None,
            lines: 1,
            fingerprint: Some(&storm().fingerprint),
            would_absorb: false,
            fields: &fields,
        });
        serde_json::from_slice(&encoder.buffer).unwrap()
    }

    #[test]
    fn a_line_has_opentelemetry_names() {
        let line = forwarded(b"a \"line\"\r\n");
        assert_eq!(line["body"], "a \"line\"");
        assert_eq!(line["timestamp"], "1970-01-01T00:00:00.000000001Z");
        assert_eq!(line["observed_timestamp"], "1970-01-01T00:00:00.000000002Z");
        assert_eq!((&line["severity_text"], &line["severity_number"]), (&"error".into(), &17.into()));
        assert_eq!(line["attributes"]["log.logger"], "mq");
        assert_eq!(line["resource"]["host.name"], "a");
        assert_eq!(line["squelch.instance"], "pod-1");
        assert!(line.get("squelch.body_base64").is_none());
    }

    #[test]
    fn bytes_that_are_not_text_are_kept_exactly() {
        let line = forwarded(b"a\xffb\n");
        assert_eq!(line["body"], "a\u{fffd}b");
        assert_eq!(line["squelch.body_base64"], "Yf9i");
    }

    #[test]
    fn two_lines_of_one_stream_have_different_ids_and_two_runs_the_same() {
        let run = || {
            let mut encoder = encoder();
            let record = Forwarded {
                raw: b"x\n",
                stream: StreamId(0),
                place: Default::default(),
                arrival: UnixNanos(2),
                working: UnixNanos(1),
                event: None,
                lines: 1,
                fingerprint: None,
                would_absorb: false,
                fields: &[],
            };
            encoder.forward(&record);
            encoder.forward(&record);
            String::from_utf8(encoder.buffer).unwrap()
        };
        let ids: Vec<Value> = run().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["log.record.uid"].clone()).collect();
        assert_ne!(ids[0], ids[1]);
        assert_eq!(run(), run());
    }

    #[test]
    fn a_summary_carries_what_adds_up() {
        let mut encoder = encoder();
        encoder.summary(&storm());
        let record: Value = serde_json::from_slice(&encoder.buffer).unwrap();
        assert_eq!(record["event_name"], "squelch.summary");
        assert_eq!(record["timestamp"], record["squelch.last_timestamp"]);
        assert_eq!(record["squelch.count"], 12_034);
        assert_eq!(record["squelch.cause"], "guess");
        assert_eq!(record["squelch.per_10s"][0][1], 12_034);
        assert_eq!(record["squelch.stated_delay_ms"]["min"], 0.0);
        assert_eq!(record["squelch.instances"]["count"], 12);
        assert!(record["body"].as_str().unwrap().starts_with("[squelch] "));
        let histogram = BASE64_STANDARD.decode(record["squelch.interval_ms"]["histogram"].as_str().unwrap()).unwrap();
        let read: Histogram<u32> = hdrhistogram::serialization::Deserializer::new().deserialize(&mut &histogram[..]).unwrap();
        assert_eq!(read.len(), 1000);
    }
}
