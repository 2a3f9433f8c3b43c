//! Elasticsearch and OpenSearch, `POST /_bulk`: a `create` per record into a data stream, `_id` = `log.record.uid`.
//!
//! Each item has a status of its own. 409 says that the record is there already: that is what a resend gets. 400 is a record that the mapping
//! does not take: never again. Anything else (429, 5xx, a blocked or missing index) may be over later.

use super::json::Object;
use super::view::View;
use crate::delivery::outcome::words;
use crate::delivery::{Encoder, Outcome, Unreachable};
use crate::outputs::answer::{Answer, by_status};
use crate::store::Record;
use serde::Deserialize;

/// An answer of a bulk request without what nobody reads.
pub const FILTER: (&str, &str) = ("filter_path", "errors,items.*.status,items.*.error.type,items.*.error.reason");

/// Records to a bulk request.
#[derive(Clone, Debug)]
pub struct Elasticsearch {
    /// The data stream or index.
    pub data_stream: String,
}

impl Encoder for Elasticsearch {
    fn content_type(&self) -> &'static str {
        "application/x-ndjson"
    }
    fn encode(&mut self, records: &[Record<'_>], out: &mut Vec<u8>) {
        for record in records {
            let view = View::new(record);
            let mut action = Object::begin(out);
            let mut create = Object::begin(action.name("create"));
            create.text("_index", &self.data_stream).field("_id", &*view.uid);
            create.end();
            action.end();
            out.push(b'\n');
            push_document(out, &view);
            out.push(b'\n');
        }
    }
}

/// The id stands in the action line; `event.id` would be the same once more.
fn push_document(out: &mut Vec<u8>, view: &View<'_>) {
    let mut document = Object::begin(out);
    document.field("@timestamp", &*view.timestamp).text("event.created", &view.observed).field("message", &*view.body);
    document.text("log.level", &view.severity_text).text("event.action", &view.event_name);
    document.texts("attributes", &view.attributes).texts("resource", &view.resource).text("squelch.stream", &view.stream);
    document.field("squelch.kind", view.kind.as_str());
    for (name, value) in &view.rest {
        document.field(name, value);
    }
    document.end();
}

#[derive(Deserialize)]
struct Answered {
    errors: bool,
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    // OpenSearch and others answer with the word that was asked.
    #[serde(alias = "index")]
    create: Done,
}

#[derive(Deserialize)]
struct Done {
    status: u16,
    #[serde(default)]
    error: Option<Reason>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reason {
    r#type: String,
    reason: String,
}

/// Reads an answer item by item.
#[must_use]
pub fn read_answer(answer: &Answer, records: usize) -> Outcome {
    if !(200..=299).contains(&answer.status) {
        return by_status(answer);
    }
    let Ok(Answered { errors, items }) = serde_json::from_slice(&answer.body) else {
        // Sent again, what is there already says 409.
        let words = if answer.is_whole { "the answer is none of a bulk request" } else { "the answer of the bulk request was not whole" };
        return Outcome::Unreachable { kind: Unreachable::Garbage, words: words.into() };
    };
    if !errors {
        return Outcome::Delivered { status: answer.status };
    }
    if items.len() != records {
        let words = format!("the bulk request had {records} records, its answer {}", items.len());
        return Outcome::Unreachable { kind: Unreachable::Garbage, words };
    }
    let (mut retry, mut dead) = (Vec::new(), Vec::new());
    for (at, Item { create: Done { status, error } }) in items.into_iter().enumerate() {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        match status {
            200..=299 | 409 => {}
            400 | 413 | 422 => {
                let Reason { r#type, reason } = error.unwrap_or_default();
                dead.push((at, words(format!("status {status}: {type}: {reason}").as_bytes())));
            }
            _ => retry.push(at),
        }
    }
    match (retry.len(), dead.len()) {
        (0, 0) => Outcome::Delivered { status: answer.status },
        // All of them: the index rather than the records. The policy looks at single ones before it gives any up.
        (0, refused) if refused == records => Outcome::Rejected { status: 400, words: dead.swap_remove(0).1 },
        _ => Outcome::Partial { retry, dead, retry_after: answer.retry_after },
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, check_uids};
    use super::*;

    fn encoder() -> Elasticsearch {
        Elasticsearch { data_stream: "logs-squelch-default".into() }
    }

    #[test]
    fn the_body_is_what_it_was() {
        insta::assert_snapshot!(samples::shown(&mut encoder()));
        check_uids(&mut encoder());
    }

    #[test]
    fn a_document_is_a_line_whatever_is_in_it() {
        let samples = [samples::kinds(), samples::hostile()].concat();
        let body = samples::encoded(&mut encoder(), &samples);
        let lines: Vec<&[u8]> = body.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n').collect();
        assert_eq!(lines.len(), 2 * samples.len());
        for line in lines {
            serde_json::from_slice::<serde_json::Value>(line).unwrap();
        }
    }

    fn check(body: &str, records: usize, expected: &str) {
        let answer = Answer { status: 200, body: body.as_bytes().to_vec(), is_whole: true, ..Answer::default() };
        assert_eq!(format!("{:?}", read_answer(&answer, records)), expected, "{body}");
    }

    #[test]
    fn each_item_has_its_own_fate() {
        check(r#"{"took":1,"errors":false,"items":[{"create":{"status":201}}]}"#, 1, "Delivered { status: 200 }");
        check(r#"{"errors":true,"items":[{"create":{"status":409}},{"create":{"status":201}}]}"#, 2, "Delivered { status: 200 }");
        check(
            r#"{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":429,"error":{"type":"es_rejected_execution_exception"}}},{"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"no\nnumber"}}},{"index":{"status":503}},{"create":{"status":403}}]}"#,
            5,
            r#"Partial { retry: [1, 3, 4], dead: [(2, "status 400: document_parsing_exception: no number")], retry_after: None }"#,
        );
    }

    #[test]
    fn when_all_are_refused_single_ones_are_tried_before_any_is_given_up() {
        let item = r#"{"create":{"status":400,"error":{"type":"t","reason":"r"}}}"#;
        check(&format!(r#"{{"errors":true,"items":[{item},{item}]}}"#), 2, r#"Rejected { status: 400, words: "status 400: t: r" }"#);
    }

    #[test]
    fn an_answer_that_cannot_be_matched_counts_as_none() {
        check("<html>", 1, r#"Unreachable { kind: Garbage, words: "the answer is none of a bulk request" }"#);
        check(r#"{"errors":true,"items":[]}"#, 1, r#"Unreachable { kind: Garbage, words: "the bulk request had 1 records, its answer 0" }"#);
        let cut = Answer { status: 200, body: br#"{"errors":true,"items":[{"#.to_vec(), ..Answer::default() };
        assert!(matches!(read_answer(&cut, 1), Outcome::Unreachable { words, .. } if words.ends_with("was not whole")));
        assert!(matches!(read_answer(&Answer { status: 429, ..Answer::default() }, 1), Outcome::Busy { .. }));
    }
}
