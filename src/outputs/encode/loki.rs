//! Loki, `POST /loki/api/v1/push`, JSON: few labels, everything else as structured metadata (the third element of an entry).
//!
//! Loki keeps one of two entries that have stream, time, line and structured metadata in common; releases before the spring of 2026 do not
//! look at the metadata (grafana/loki#21039). So a resend must be the same to the last sign, and two records that say the same at the
//! same instant must differ in time:
//!
//! - In a batch, the second record that says the same at the same instant is a nanosecond later, the third two. Batches of the store never
//!   change, so this is the same in every resend, in whatever requests and after whatever crash; nothing is remembered here.
//! - Of two batches none is there to look at, and a second's worth of lines often ends in the middle of two batches. Where a source does not know
//!   more than the millisecond (its last six digits are zeros), the last three digits are the batch's number modulo 1,000, and records that say the
//!   same are a microsecond apart.
//!
//! Two records of different batches that a source put at the same instant, finer than a millisecond, with the same words, stay one in an
//! old Loki; and so do those that stand a thousand batches apart at the same whole millisecond.

use super::json::{Object, push};
use super::view::{Pairs, View, nanos, pairs};
use super::{cut, label_name, push_label_name};
use crate::delivery::Encoder;
use crate::store::{BatchNumber, Record, Records};
use rapidhash::v3::rapidhash_v3;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Loki refuses longer label values (`max_label_value_length`); what is cut stands whole in the metadata.
const LABEL_BYTES_MAX: usize = 2048;

/// Loki refuses longer lines (`max_line_size`); how long the whole is, stands in the metadata.
const LINE_BYTES_MAX: usize = 256 << 10;

/// Loki refuses streams with more labels (`max_label_names_per_series`).
pub const LABELS_MAX: usize = 15;

/// Loki refuses entries with more metadata (`max_structured_metadata_size` is 64 kB); names and room for the encoding are in it.
const METADATA_BYTES_MAX: usize = 60_000;

/// Loki refuses entries with more metadata (`max_structured_metadata_entries_count` is 128).
const METADATA_ENTRIES_MAX: usize = 120;

/// A time that is a multiple of this is all that its source knows.
const COARSE_NANOS: i64 = 1_000_000;

/// Batches that are told apart where times are coarse, and so the distance of what says the same in one of them.
const BATCHES_APART: u32 = 1000;

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
}

impl Loki {
    /// An encoder with these labels.
    #[must_use]
    pub const fn new(options: Options) -> Self {
        Self { options }
    }

    /// The labels of a record, ascending.
    fn labels(&self, resource: &Pairs<'_>) -> BTreeMap<String, String> {
        let value = |name: &String| resource.iter().find(|(known, _)| known == name).map(|(_, value)| &**value);
        let fields = self.options.label_fields.iter().filter_map(|name| Some((label_name(name), value(name)?)));
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
        let mut names = Names::default();
        for ours in ["detected_level", "log_record_uid", "squelch_left_out", "squelch_body_bytes"] {
            names.add(ours);
        }
        if view.body.len() > LINE_BYTES_MAX {
            object.field("squelch_body_bytes", &view.body.len().to_string());
        }
        let (mut bytes, mut left_out) = (0, 0_u32);
        for (name, value) in view.texts() {
            if value.is_empty() || self.is_label(name, &value) {
                continue;
            }
            let is_full = names.count() >= METADATA_ENTRIES_MAX;
            let Some(label) = names.add(name) else { continue };
            let more = label.len() + value.len();
            if bytes + more > METADATA_BYTES_MAX || is_full {
                left_out += 1;
                names.take_back();
                continue;
            }
            bytes += more;
            object.field(label, &*value);
        }
        if left_out > 0 {
            object.field("squelch_left_out", &left_out.to_string());
        }
        object.end();
    }
}

/// The names of an entry's metadata so far, as labels: in one text, so that an entry costs two allocations and not two for each field.
#[derive(Default)]
struct Names {
    text: String,
    ends: Vec<usize>,
}

impl Names {
    fn count(&self) -> usize {
        self.ends.len()
    }

    /// The name as a label, if it is not there yet.
    fn add(&mut self, name: &str) -> Option<&str> {
        if self.ends.is_empty() {
            self.text.reserve(512);
            self.ends.reserve(32);
        }
        let start = self.text.len();
        push_label_name(&mut self.text, name);
        let (before, label) = self.text.split_at(start);
        let mut from = 0;
        let is_there = self.ends.iter().any(|&end| &before[std::mem::replace(&mut from, end)..end] == label);
        if is_there {
            self.text.truncate(start);
            return None;
        }
        self.ends.push(self.text.len());
        Some(&self.text[start..])
    }

    /// Forgets the latest.
    fn take_back(&mut self) {
        self.ends.pop();
        self.text.truncate(self.ends.last().copied().unwrap_or(0));
    }
}

impl Encoder for Loki {
    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn encode(&mut self, records: &[Record<'_>], out: &mut Vec<u8>) {
        self.encode_marked(records, &[], out);
    }

    /// Nanoseconds that each record is later than it says.
    fn marks(&self, batch: BatchNumber, records: &Records) -> Vec<u32> {
        let mut taken = Taken::default();
        let number = u32::try_from(batch.0.rem_euclid(BATCHES_APART.into())).unwrap_or(0);
        let mark = |record: Record<'_>| {
            if record.json.is_empty() {
                return 0; // it goes elsewhere, or was dropped
            }
            let Words { timestamp, body, resource } = Words::of(&record);
            let mut said = Vec::with_capacity(body.len() + 64);
            for part in self.labels(&resource).values().map(String::as_str).chain([line(&body)]) {
                said.extend_from_slice(&(part.len() as u64).to_le_bytes());
                said.extend_from_slice(part.as_bytes());
            }
            let at = nanos(&timestamp).0;
            if at % COARSE_NANOS == 0 { taken.first_free(&said, at, number, BATCHES_APART) } else { taken.first_free(&said, at, 0, 1) }
        };
        records.iter().map(mark).collect()
    }

    fn encode_marked(&mut self, records: &[Record<'_>], marks: &[u32], out: &mut Vec<u8>) {
        let mut streams: BTreeMap<BTreeMap<String, String>, Vec<(i64, View<'_>)>> = BTreeMap::new();
        for (at, record) in records.iter().enumerate() {
            let view = View::new(record);
            let later = marks.get(at).copied().unwrap_or(0);
            streams.entry(self.labels(&view.resource)).or_default().push((view.at().0.saturating_add(later.into()), view));
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
                push(out, line(&view.body));
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
fn line(body: &str) -> &str {
    if body.is_empty() { " " } else { cut(body, LINE_BYTES_MAX) }
}

/// What tells one entry of a stream from another.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Words<'a> {
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    #[serde(borrow)]
    body: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "pairs")]
    resource: Pairs<'a>,
}

impl<'a> Words<'a> {
    fn of(record: &Record<'a>) -> Self {
        serde_json::from_slice(record.json).unwrap_or_else(|_| {
            // As it will be sent.
            let View { timestamp, body, resource, .. } = View::new(record);
            Self { timestamp, body, resource }
        })
    }
}

/// Which nanoseconds of a batch have a record that says this, by hashes.
#[derive(Default)]
struct Taken {
    places: HashSet<u64>,
    /// For an instant that was asked for: where to go on looking. Thousands may say the same.
    next: HashMap<u64, u32>,
}

impl Taken {
    /// How much later than `at` nobody says the same: `start`, or so many `step`s more.
    fn first_free(&mut self, said: &[u8], at: i64, start: u32, step: u32) -> u32 {
        let said = rapidhash_v3(said);
        let place = |later: u32| said ^ rapidhash_v3(&at.saturating_add(later.into()).to_le_bytes());
        let from = self.next.entry(place(0)).or_insert(start);
        let mut later = *from;
        while !self.places.insert(place(later)) {
            later = later.saturating_add(step);
        }
        *from = later.saturating_add(step);
        later
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, check_uids};
    use super::*;
    use crate::store::RecordKind;
    use proptest::collection::vec;
    use proptest::prelude::*;
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
    fn no_more_metadata_than_loki_takes_and_what_tells_records_apart_is_among_it() {
        let attributes: Vec<String> = (0..300).map(|number| format!(r#""a.{number}":"v""#)).collect();
        let json = format!(
            r#"{{"timestamp":"1970-01-01T00:00:01Z","body":"{}","attributes":{{{}}},"log.record.uid":"u"}}"#,
            "é".repeat(200_000),
            attributes.join(",")
        );
        let body = encode(&mut Loki::new(Options::default()), &[&json]);
        let [_, line, metadata] = &body["streams"][0]["values"][0].as_array().unwrap()[..] else { panic!("three elements: {body}") };
        let metadata = metadata.as_object().unwrap();
        assert!(metadata.len() <= 128, "{}", metadata.len());
        let text = |name: &str| metadata[name].as_str().unwrap();
        assert_eq!((text("log_record_uid"), text("detected_level"), text("squelch_body_bytes")), ("u", "unknown", "400000"));
        assert_eq!(text("squelch_left_out").parse::<usize>().unwrap() + metadata.keys().filter(|name| name.starts_with("a_")).count(), 300);
        assert_eq!(line.as_str().unwrap().len(), LINE_BYTES_MAX);
    }

    /// Encodes these records of a batch as a request.
    fn encode_of(batch: i64, jsons: &[String], wanted: &[usize]) -> Value {
        let mut loki = Loki::new(Options::default());
        let mut records = Records::default();
        jsons.iter().for_each(|json| records.push(RecordKind::Line, json.as_bytes()));
        let marks = loki.marks(BatchNumber(batch), &records);
        let (some, of_some): (Vec<_>, Vec<_>) = wanted.iter().map(|&at| (records.get(at).unwrap(), marks[at])).unzip();
        let mut out = Vec::new();
        loki.encode_marked(&some, &of_some, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn two_records_that_say_the_same_at_the_same_instant_stay_two_in_every_resend() {
        let batch = [line(5, "x", "a"), line(5, "x", "b"), line(6, "x", "c"), line(5, "y", "d")];
        let check = |wanted: &[usize], expected: &[&str]| assert_eq!(times(&encode_of(7, &batch, wanted)), expected);
        check(&[0, 1, 2], &["1000000005", "1000000006", "1000000007"]);
        // In halves, and after a crash.
        check(&[2], &["1000000007"]);
        check(&[1, 2], &["1000000006", "1000000007"]);
        // Another text has the instant for itself.
        check(&[3], &["1000000005"]);
    }

    #[test]
    fn a_source_that_knows_no_more_than_the_millisecond_says_the_same_in_two_batches() {
        let batch = [line(3_000_000, "x", "a"), line(3_000_000, "x", "b"), line(3_000_000, "y", "c")];
        assert_eq!(times(&encode_of(41, &batch, &[0, 1, 2])), ["1003000041", "1003000041", "1003001041"]);
        assert_eq!(times(&encode_of(1042, &batch, &[0, 1])), ["1003000042", "1003001042"]);
    }

    #[test]
    fn thousands_that_say_the_same_are_found_a_place_in_no_time() {
        let mut taken = Taken::default();
        let places: HashSet<u32> = (0..100_000).map(|_| taken.first_free(b"x", 0, 7, BATCHES_APART)).collect();
        assert_eq!((places.len(), places.iter().max()), (100_000, Some(&99_999_007)));
    }

    /// What Loki looks at, by the id of the record, which is a part of the metadata.
    fn entries(body: &Value) -> Vec<(String, [String; 3], Value)> {
        let of_stream = |stream: &Value| {
            let labels = stream["stream"].to_string();
            let entry = move |entry: &Value| {
                let text = |at: usize| entry[at].as_str().unwrap().to_owned();
                (entry[2]["log_record_uid"].as_str().unwrap().to_owned(), [labels.clone(), text(0), text(1)], entry[2].clone())
            };
            stream["values"].as_array().unwrap().iter().map(entry).collect::<Vec<_>>()
        };
        body["streams"].as_array().unwrap().iter().flat_map(of_stream).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
        #[test]
        fn whatever_is_sent_again_is_the_same_and_no_two_records_are_one(
            first in 1_i64..5000,
            batches in vec(vec((0_u32..4, prop::sample::select(&["x", "y", "", " "][..]), 0_u8..2, any::<bool>()), 1..40), 1..6),
            cuts in vec(any::<prop::sample::Index>(), 1..8),
        ) {
            let mut of_uid: BTreeMap<String, ([String; 3], Value)> = BTreeMap::new();
            let mut of_entry: BTreeMap<[String; 3], String> = BTreeMap::new();
            for (at, batch) in batches.iter().enumerate() {
                let json = |(index, (instant, body, service, is_coarse)): (usize, &(u32, &str, u8, bool))| {
                    // Coarse times are the same in all batches, finer ones are not.
                    let nanos = if *is_coarse { instant * 1_000_000 } else { at as u32 * 1_000_000 + 999_990 + instant };
                    format!(
                        r#"{{"timestamp":"1970-01-01T00:00:01.{nanos:09}Z","body":"{body}","resource":{{"service.name":"s{service}"}},"log.record.uid":"{at}-{index}"}}"#
                    )
                };
                let jsons: Vec<String> = batch.iter().enumerate().map(json).collect();
                let number = first + at as i64;
                let all: Vec<usize> = (0..jsons.len()).collect();
                let mut requests = vec![all.clone(), all.iter().copied().step_by(2).collect()];
                requests.extend(cuts.iter().map(|cut| all[cut.index(all.len())..].to_vec()));
                for request in requests {
                    for (uid, entry, metadata) in entries(&encode_of(number, &jsons, &request)) {
                        prop_assert_eq!(of_entry.entry(entry.clone()).or_insert_with(|| uid.clone()), &uid, "two records are one entry");
                        let sent = (entry, metadata);
                        prop_assert_eq!(of_uid.entry(uid).or_insert_with(|| sent.clone()), &sent, "a resend is another entry");
                    }
                }
            }
            prop_assert_eq!(of_uid.len(), batches.iter().map(Vec::len).sum::<usize>());
        }
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
}
