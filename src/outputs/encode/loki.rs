//! Loki, `POST /loki/api/v1/push`, JSON: few labels, everything else as structured metadata (the third element of an entry).
//!
//! Loki keeps one of two entries that have stream, time and line in common. A resend is harmless by that, and two records that say the same
//! at the same nanosecond would be one: the second one is a nanosecond later here, the third two. The encoder remembers the latest
//! entries, so a resend in other pieces carries the times that the first one had.

use super::json::{Object, push};
use super::view::View;
use super::{cut, label_name};
use crate::delivery::Encoder;
use crate::store::Record;
use rapidhash::v3::rapidhash_v3;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// Loki refuses longer label values (`max_label_value_length`); what is cut stands whole in the metadata.
const LABEL_BYTES_MAX: usize = 2048;

/// Loki refuses entries with more metadata (`max_structured_metadata_size` is 64 kB); names and room for the encoding are in it.
const METADATA_BYTES_MAX: usize = 60_000;

/// Loki refuses entries with more metadata (`max_structured_metadata_entries_count` is 128).
const METADATA_ENTRIES_MAX: usize = 120;

/// Entries remembered, twice: more than the two requests that a resend in other pieces can mix. 24 bytes each.
const REMEMBERED_MAX: usize = 1 << 15;

/// What can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Labels that all streams have.
    pub labels: Vec<(String, String)>,
    /// Fields of the resource that are labels: each value of each of them is a stream for Loki.
    pub label_fields: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        let fields = ["k8s.namespace.name", "k8s.container.name", "service.name"];
        Self { labels: vec![("job".into(), "squelch".into())], label_fields: fields.map(Into::into).into() }
    }
}

/// Records to a push request.
#[derive(Debug)]
pub struct Loki {
    options: Options,
    places: Places,
}

impl Loki {
    /// An encoder with these labels.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, places: Places::default() }
    }

    /// The labels of a record, ascending.
    fn labels(&self, view: &View<'_>) -> BTreeMap<String, String> {
        let fields = self.options.label_fields.iter().filter_map(|name| Some((label_name(name), view.resource(name)?)));
        let fixed = self.options.labels.iter().map(|(name, value)| (label_name(name), value.as_str()));
        fields.chain(fixed).map(|(name, value)| (name, cut(value, LABEL_BYTES_MAX).to_owned())).collect()
    }

    /// Whether a field is told by a label already.
    fn is_label(&self, name: &str, value: &str) -> bool {
        value.len() <= LABEL_BYTES_MAX && self.options.label_fields.iter().any(|field| field == name)
    }

    fn push_metadata(&self, out: &mut Vec<u8>, view: &View<'_>) {
        let mut object = Object::begin(out);
        let level = if view.severity_text.is_empty() { "unknown" } else { &view.severity_text };
        object.field("detected_level", level);
        // What tells records apart comes first: it is never what is left out.
        object.field("log_record_uid", &*view.uid);
        let mut names: Vec<String> = vec!["detected_level".into(), "log_record_uid".into(), "left_out".into()];
        let (mut bytes, mut left_out) = (0, 0_u32);
        for (name, value) in view.texts() {
            let label = label_name(name);
            if value.is_empty() || self.is_label(name, &value) || names.contains(&label) {
                continue;
            }
            if bytes + label.len() + value.len() > METADATA_BYTES_MAX || names.len() >= METADATA_ENTRIES_MAX {
                left_out += 1;
                continue;
            }
            bytes += label.len() + value.len();
            object.field(&label, &*value);
            names.push(label);
        }
        if left_out > 0 {
            object.field("squelch_left_out", &left_out.to_string());
        }
        object.end();
    }
}

impl Encoder for Loki {
    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn encode(&mut self, records: &[Record<'_>], out: &mut Vec<u8>) {
        let mut streams: BTreeMap<BTreeMap<String, String>, Vec<(i64, View<'_>)>> = BTreeMap::new();
        for record in records {
            let view = View::new(record);
            let labels = self.labels(&view);
            let at = self.places.take(&labels, &view);
            streams.entry(labels).or_default().push((at, view));
        }
        out.extend_from_slice(b"{\"streams\":[");
        for (at, (labels, mut entries)) in streams.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            // Stable: equal times stay in the order of the records.
            entries.sort_by_key(|(at, _)| *at);
            out.extend_from_slice(b"{\"stream\":");
            push(out, &labels);
            out.extend_from_slice(b",\"values\":[");
            for (at, (nanos, view)) in entries.iter().enumerate() {
                out.extend_from_slice(if at > 0 { b",[" } else { b"[" });
                push(out, &nanos.to_string());
                out.push(b',');
                push(out, &*line(view));
                out.push(b',');
                self.push_metadata(out, view);
                out.push(b']');
            }
            out.extend_from_slice(b"]}");
        }
        out.extend_from_slice(b"]}");
    }
}

/// Loki takes no entry without text.
fn line<'v>(view: &'v View<'_>) -> Cow<'v, str> {
    if view.body.is_empty() { Cow::Borrowed(" ") } else { Cow::Borrowed(&*view.body) }
}

/// Who stands at which nanosecond of a stream with which line: hash of the three to hash of the uid. Two generations, so that the older half
/// is forgotten at once.
#[derive(Debug, Default)]
struct Places {
    young: HashMap<u64, u64>,
    old: HashMap<u64, u64>,
}

impl Places {
    /// The first nanosecond from the record's own on at which no other record of its stream says the same.
    fn take(&mut self, labels: &BTreeMap<String, String>, view: &View<'_>) -> i64 {
        let owner = rapidhash_v3(view.uid.as_bytes());
        let mut text = Vec::with_capacity(view.body.len() + 64);
        for part in labels.values().map(String::as_str).chain([&*view.body]) {
            text.extend_from_slice(&(part.len() as u64).to_le_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        let said = rapidhash_v3(&text);
        let mut at = view.at().0;
        loop {
            let place = said ^ rapidhash_v3(&at.to_le_bytes());
            match self.young.get(&place).or_else(|| self.old.get(&place)) {
                Some(&other) if other != owner => at += 1,
                _ => {
                    if self.young.len() >= REMEMBERED_MAX {
                        self.old = std::mem::take(&mut self.young);
                    }
                    self.young.insert(place, owner);
                    return at;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, check_uids};
    use super::*;
    use crate::store::RecordKind;
    use serde_json::Value;

    fn encode(loki: &mut Loki, jsons: &[&str]) -> Value {
        let mut out = Vec::new();
        let records: Vec<Record<'_>> = jsons.iter().map(|json| Record { kind: RecordKind::Line, json: json.as_bytes() }).collect();
        loki.encode(&records, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    fn times(body: &Value) -> Vec<String> {
        let streams = body["streams"].as_array().unwrap();
        streams.iter().flat_map(|stream| stream["values"].as_array().unwrap()).map(|entry| entry[0].as_str().unwrap().to_owned()).collect()
    }

    fn line(nanos: u32, body: &str, uid: &str) -> String {
        format!(r#"{{"timestamp":"1970-01-01T00:00:01.{nanos:09}Z","body":"{body}","log.record.uid":"{uid}","squelch.stream":"s"}}"#)
    }

    #[test]
    fn the_body_is_what_it_was() {
        insta::assert_snapshot!(samples::shown(&mut Loki::new(Options::default())));
        check_uids(&mut Loki::new(Options::default()));
    }

    #[test]
    fn two_records_that_say_the_same_at_the_same_instant_stay_two_in_every_resend() {
        let (a, b, c) = (line(5, "x", "a"), line(5, "x", "b"), line(6, "x", "c"));
        let mut loki = Loki::new(Options::default());
        let first = encode(&mut loki, &[&a, &b, &c]);
        assert_eq!(times(&first), ["1000000005", "1000000006", "1000000007"]);
        assert_eq!(encode(&mut loki, &[&a, &b, &c]), first);
        // In halves, and the other way round.
        assert_eq!(times(&encode(&mut loki, &[&c])), ["1000000007"]);
        assert_eq!(times(&encode(&mut loki, &[&b, &a])), ["1000000005", "1000000006"]);
        // Another text has the instant for itself.
        assert_eq!(times(&encode(&mut loki, &[&line(5, "y", "d")])), ["1000000005"]);
    }

    #[test]
    fn entries_of_a_stream_ascend() {
        let mut loki = Loki::new(Options::default());
        let body = encode(&mut loki, &[&line(9, "late", "a"), &line(3, "early", "b")]);
        assert_eq!(times(&body), ["1000000003", "1000000009"]);
    }

    #[test]
    fn what_loki_would_refuse_is_cut_and_said() {
        let long = "v".repeat(40_000);
        let json = format!(
            r#"{{"timestamp":"1970-01-01T00:00:01Z","body":"","resource":{{"service.name":"{}","a":"{long}","b":"{long}"}},"log.record.uid":"u"}}"#,
            "s".repeat(10_000)
        );
        let body = encode(&mut Loki::new(Options::default()), &[&json]);
        let stream = &body["streams"][0];
        assert_eq!(stream["stream"]["service_name"].as_str().unwrap().len(), LABEL_BYTES_MAX);
        let metadata = &stream["values"][0][2];
        assert_eq!((metadata["service_name"].as_str().unwrap().len(), metadata["squelch_left_out"].as_str()), (10_000, Some("1")));
        assert_eq!(stream["values"][0][1], " ");
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut places = Places::default();
        for uid in 0..3 * REMEMBERED_MAX as u32 {
            let json = line(uid, "x", &uid.to_string());
            places.take(&BTreeMap::new(), &View::new(&Record { kind: RecordKind::Line, json: json.as_bytes() }));
        }
        assert!(places.young.len() + places.old.len() <= 2 * REMEMBERED_MAX);
    }
}
