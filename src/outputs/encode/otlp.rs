//! OTLP over HTTP, `POST /v1/logs`, protobuf (`ExportLogsServiceRequest` of OTLP 1.x; field numbers from its logs.proto, common.proto and
//! resource.proto). Records of one resource stand together.

use super::protobuf::{Message, Value as Wire, fields};
use super::view::{Field, Pairs, View};
use crate::delivery::outcome::words;
use crate::delivery::{Encoder, Outcome, Unreachable};
use crate::outputs::answer::{Answer, by_status};
use crate::store::Record;
use crate::time::UnixNanos;
use serde_json::Value;
use std::collections::BTreeMap;

/// Records to an export request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Otlp {
    /// Writes `log_count`, `first_observed_timestamp` and `last_observed_timestamp` too, as the Collector's log deduplication does, so that
    /// its dashboards count summaries.
    pub log_dedup: bool,
}

impl Encoder for Otlp {
    fn content_type(&self) -> &'static str {
        "application/x-protobuf"
    }
    fn encode(&mut self, records: &[Record<'_>], out: &mut Vec<u8>) {
        let views: Vec<View<'_>> = records.iter().map(View::new).collect();
        let mut resources: BTreeMap<&Pairs<'_>, Vec<&View<'_>>> = BTreeMap::new();
        for view in &views {
            resources.entry(&view.resource).or_default().push(view);
        }
        for (resource, views) in resources {
            Message(out).message(1, |resource_logs| {
                resource_logs.message(1, |message| {
                    for (name, value) in resource {
                        text_attribute(message, 1, name, value);
                    }
                });
                resource_logs.message(2, |scope_logs| {
                    scope_logs.message(1, |scope| {
                        scope.text(1, "squelch").text(2, env!("CARGO_PKG_VERSION"));
                    });
                    for view in views {
                        scope_logs.message(2, |message| self.push_record(message, view));
                    }
                });
            });
        }
    }
}

/// Field 6 of a log record: its attributes.
const ATTRIBUTES: u32 = 6;

impl Otlp {
    fn push_record(self, message: &mut Message<'_>, view: &View<'_>) {
        message.fixed64(1, unsigned(view.at())).varint(2, view.severity_number.into()).text(3, &view.severity_text);
        message.message(5, |body| {
            body.bytes(1, view.body.as_bytes());
        });
        for (name, value) in &view.attributes {
            text_attribute(message, ATTRIBUTES, name, value);
        }
        text_attribute(message, ATTRIBUTES, "log.record.uid", &view.uid);
        if !view.stream.is_empty() {
            text_attribute(message, ATTRIBUTES, "squelch.stream", &view.stream);
        }
        for (name, value) in &view.rest {
            attribute(message, name, value);
        }
        if self.log_dedup {
            let theirs = ["log_count", "first_observed_timestamp", "last_observed_timestamp"];
            let ours = ["squelch.count", "squelch.first_timestamp", "squelch.last_timestamp"];
            for (name, value) in theirs.into_iter().zip(ours.map(|name| view.get(name))) {
                if let Some(value) = value {
                    attribute(message, name, value);
                }
            }
        }
        message.fixed64(11, unsigned(view.observed_at())).text(12, &view.event_name);
    }
}

/// OTLP knows no time before 1970.
fn unsigned(at: UnixNanos) -> u64 {
    u64::try_from(at.0).unwrap_or(0)
}

fn text_attribute(message: &mut Message<'_>, field: u32, name: &str, value: &str) {
    message.message(field, |pair| {
        pair.text(1, name).message(2, |any| {
            any.bytes(1, value.as_bytes());
        });
    });
}

fn attribute(message: &mut Message<'_>, name: &str, value: &Field<'_>) {
    match value {
        Field::Text(text) => text_attribute(message, ATTRIBUTES, name, text),
        Field::Json(value) => {
            message.message(ATTRIBUTES, |pair| push_pair(pair, name, value));
        }
    }
}

fn push_pair(pair: &mut Message<'_>, name: &str, value: &Value) {
    pair.text(1, name).message(2, |any| push_any(any, value));
}

/// `AnyValue`. As deep as our own records go: a handful of levels.
fn push_any(any: &mut Message<'_>, value: &Value) {
    match value {
        Value::Null => {}
        Value::Bool(value) => {
            any.varint_even_if_0(2, (*value).into());
        }
        Value::Number(number) => {
            match number.as_i64() {
                Some(whole) => any.varint_even_if_0(3, whole.cast_unsigned()),
                None => any.fixed64(4, number.as_f64().unwrap_or_default().to_bits()),
            };
        }
        Value::String(text) => {
            any.bytes(1, text.as_bytes());
        }
        Value::Array(values) => {
            any.message(5, |list| {
                for value in values {
                    list.message(1, |any| push_any(any, value));
                }
            });
        }
        Value::Object(pairs) => {
            any.message(6, |list| {
                for (name, value) in pairs {
                    list.message(1, |pair| push_pair(pair, name, value));
                }
            });
        }
    }
}

/// Reads an answer. A partial success must not be sent again, and it does not say which records it is about: all of the request are kept as
/// dead letters with the receiver's words, so that none is lost without a trace.
#[must_use]
pub fn read_answer(answer: &Answer, records: usize) -> Outcome {
    let status = answer.status;
    if !(200..=299).contains(&status) {
        return by_status(answer);
    }
    let garbage = || {
        // It may have refused all of them. What goes again has the same ids.
        let words = if answer.is_whole { "the answer is none of an OTLP receiver" } else { "the answer of the OTLP receiver was not whole" };
        Outcome::Unreachable { kind: Unreachable::Garbage, words: words.into() }
    };
    if !answer.is_whole {
        return garbage();
    }
    let Some((rejected, message)) = partial_success(&answer.body) else { return garbage() };
    if rejected == 0 {
        // A message alone is advice.
        return Outcome::Delivered { status };
    }
    let reason = words(format!("{rejected} of {records} records of this request were refused, which ones was not said: {message}").as_bytes());
    if rejected >= records as u64 && records > 1 {
        // All of them: the receiver's setting rather than the records. The policy looks at single ones before it gives any up.
        return Outcome::Rejected { status: 400, words: reason };
    }
    let dead = (0..u32::try_from(records).unwrap_or(u32::MAX)).map(|at| (at, reason.clone())).collect();
    Outcome::Partial { retry: Vec::new(), dead, retry_after: None }
}

/// `partial_success` of the answer: how many were refused, and why.
fn partial_success(body: &[u8]) -> Option<(u64, String)> {
    if body.trim_ascii_start().starts_with(b"{") {
        // Some receivers answer in JSON whatever they are sent in; int64 is a text there.
        let json: Value = serde_json::from_slice(body).ok()?;
        let partial = &json["partialSuccess"];
        let rejected = &partial["rejectedLogRecords"];
        let rejected = rejected.as_u64().or_else(|| rejected.as_str()?.parse().ok()).unwrap_or(0);
        return Some((rejected, partial["errorMessage"].as_str().unwrap_or_default().to_owned()));
    }
    let (mut rejected, mut message) = (0, String::new());
    for (field, value) in fields(body)? {
        let (1, Wire::Bytes(partial)) = (field, value) else { continue };
        for (field, value) in fields(partial)? {
            match (field, value) {
                (1, Wire::Number(count)) => rejected = count,
                (2, Wire::Bytes(text)) => message = String::from_utf8_lossy(text).into_owned(),
                _ => {}
            }
        }
    }
    Some((rejected, message))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, check_uids};
    use super::*;
    use std::fmt::Write;

    /// The fields of a message; of a text, nothing that makes sense.
    fn inside(value: Wire<'_>) -> Vec<(u32, Wire<'_>)> {
        let Wire::Bytes(bytes) = value else { panic!("a number is no message") };
        fields(bytes).expect("it is a message")
    }

    fn text(value: Wire<'_>) -> String {
        let Wire::Bytes(bytes) = value else { panic!("a number is no text") };
        format!("{:?}", String::from_utf8(bytes.to_vec()).expect("protobuf strings are UTF-8"))
    }

    fn any(value: Wire<'_>) -> String {
        match inside(value)[..] {
            [] => "null".into(),
            [(1, value)] => text(value),
            [(2, Wire::Number(value))] => (value == 1).to_string(),
            [(3, Wire::Number(value))] => value.cast_signed().to_string(),
            [(4, Wire::Number(value))] => format!("{:?}", f64::from_bits(value)),
            [(5, list)] => format!("[{}]", inside(list).into_iter().map(|(_, value)| any(value)).collect::<Vec<_>>().join(", ")),
            [(6, list)] => format!("{{{}}}", inside(list).into_iter().map(|(_, value)| pair(value)).collect::<Vec<_>>().join(", ")),
            ref other => panic!("{other:?}"),
        }
    }

    fn pair(value: Wire<'_>) -> String {
        let [(1, name), (2, value)] = inside(value)[..] else { panic!("a pair has a name and a value") };
        format!("{}: {}", text(name), any(value))
    }

    fn shown(body: &[u8]) -> String {
        let mut out = String::new();
        for (_, resource_logs) in fields(body).unwrap() {
            for (field, value) in inside(resource_logs) {
                if field == 1 {
                    writeln!(out, "resource {:?}", inside(value).into_iter().map(|(_, value)| pair(value)).collect::<Vec<_>>()).unwrap();
                    continue;
                }
                for (field, value) in inside(value) {
                    writeln!(out, "  {}", if field == 1 { "scope" } else { "record" }).unwrap();
                    for (at, (number, value)) in inside(value).into_iter().enumerate() {
                        let value = match (field, number, value) {
                            (_, _, Wire::Number(number)) => number.to_string(),
                            (1, 2, _) => format!("(version, {})", at),
                            (2, 5, value) => any(value),
                            (2, 6, value) => pair(value),
                            (_, _, value) => text(value),
                        };
                        writeln!(out, "    {number} = {value}").unwrap();
                    }
                }
            }
        }
        out
    }

    #[test]
    fn the_body_is_what_it_was() {
        insta::assert_snapshot!(shown(&samples::encoded(&mut Otlp { log_dedup: true }, &samples::kinds())));
        check_uids(&mut Otlp::default());
    }

    #[test]
    fn every_record_is_a_log_record_whatever_is_in_it() {
        let samples = [samples::kinds(), samples::hostile()].concat();
        let body = samples::encoded(&mut Otlp::default(), &samples);
        let scopes = fields(&body).unwrap().into_iter().flat_map(|(_, resource)| inside(resource)).filter(|(field, _)| *field == 2);
        let records = scopes.flat_map(|(_, scope)| inside(scope)).filter(|(field, _)| *field == 2);
        assert_eq!(records.count(), samples.len());
    }

    fn check(status: u16, body: &[u8], expected: &str) {
        let answer = Answer { status, body: body.to_vec(), is_whole: true, ..Answer::default() };
        assert_eq!(format!("{:?}", read_answer(&answer, 2)), expected, "{body:?}");
    }

    fn partial(rejected: u64, message: &str) -> Vec<u8> {
        let mut body = Vec::new();
        Message(&mut body).message(1, |partial| {
            partial.varint(1, rejected).text(2, message);
        });
        body
    }

    #[test]
    fn a_partial_success_is_kept_for_people_and_never_sent_again() {
        check(200, b"", "Delivered { status: 200 }");
        check(200, b"{}", "Delivered { status: 200 }");
        check(200, &partial(0, "please use gzip"), "Delivered { status: 200 }");
        let reason = "1 of 2 records of this request were refused, which ones was not said: too old";
        let dead = format!(r#"Partial {{ retry: [], dead: [(0, "{reason}"), (1, "{reason}")], retry_after: None }}"#);
        check(200, &partial(1, "too old"), &dead);
        check(200, br#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}"#, &dead);
        let all = Answer { status: 200, body: partial(2, "no"), is_whole: true, ..Answer::default() };
        assert!(matches!(read_answer(&all, 2), Outcome::Rejected { .. }));
        let cut = Answer { status: 200, ..Answer::default() };
        assert!(matches!(read_answer(&cut, 2), Outcome::Unreachable { words, .. } if words.ends_with("was not whole")));
    }

    #[test]
    fn an_answer_of_somebody_else_counts_as_none() {
        check(200, b"<html>", r#"Unreachable { kind: Garbage, words: "the answer is none of an OTLP receiver" }"#);
        check(503, b"", r#"Busy { status: 503, retry_after: None, words: "" }"#);
    }
}
