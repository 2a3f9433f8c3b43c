//! Splunk's HTTP event collector, `POST /services/collector/event`: objects one after the other.
//!
//! When one event is no good, Splunk takes those before it, says the number of the bad one and leaves out the rest.

use super::json::{Object, push};
use super::view::View;
use crate::delivery::outcome::words;
use crate::delivery::{Encoder, Outcome};
use crate::outputs::answer::{Answer, by_status, by_status_but_no_page};
use crate::store::Record;
use serde::Deserialize;

/// Records to events.
#[derive(Clone, Debug)]
pub struct Splunk {
    /// The index; empty for the one of the token.
    pub index: String,
    /// The source type.
    pub sourcetype: String,
}

impl Encoder for Splunk {
    fn content_type(&self) -> &'static str {
        "application/json"
    }
    fn encode(&mut self, records: &[Record<'_>], out: &mut Vec<u8>) {
        for record in records {
            let view = View::new(record);
            let mut event = Object::begin(out);
            // Seconds with nine digits: a float would keep six.
            let at = view.at().0;
            event.name("time").extend_from_slice(format!("{}.{:09}", at.div_euclid(1_000_000_000), at.rem_euclid(1_000_000_000)).as_bytes());
            event.text("host", view.resource("host.name").unwrap_or_default()).text("source", &view.stream);
            event.text("sourcetype", &self.sourcetype).text("index", &self.index);
            // Splunk takes no event without text.
            event.field("event", if view.body.is_empty() { " " } else { &*view.body });
            let mut fields = Object::begin(event.name("fields"));
            fields.text("severity", &view.severity_text).field("squelch.kind", view.kind.as_str());
            for (name, value) in view.texts().filter(|(name, value)| *name != "squelch.stream" && !value.is_empty()) {
                push(fields.name(name), &*value);
            }
            fields.end();
            event.end();
            out.push(b'\n');
        }
    }
}

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    text: String,
    code: u32,
    #[serde(rename = "invalid-event-number")]
    invalid: Option<u32>,
    #[serde(rename = "ackId")]
    ack_id: Option<u64>,
}

/// Codes that say that the index or the channel is not what it should be: people must end that, no record is to blame.
const WRONG_INDEX: u32 = 7;
const NO_CHANNEL: u32 = 10;
const WRONG_CHANNEL: u32 = 11;
const NO_ACKNOWLEDGEMENTS: u32 = 14;

/// The number that the indexer's acknowledgement of a request is asked for with, if the token has that.
#[must_use]
pub fn ack_id(answer: &Answer) -> Option<u64> {
    serde_json::from_slice::<Answered>(&answer.body).ok()?.ack_id
}

/// Whether the answer says that the collector does not know a channel, as one that was started again does not.
#[must_use]
pub fn is_channel_unknown(answer: &Answer) -> bool {
    answer.status == 400 && serde_json::from_slice::<Answered>(&answer.body).is_ok_and(|answered| matches!(answered.code, NO_CHANNEL | WRONG_CHANNEL))
}

/// Reads the code of an answer.
#[must_use]
pub fn read_answer(answer: &Answer, records: usize) -> Outcome {
    let Ok(Answered { text, code, invalid, .. }) = serde_json::from_slice(&answer.body) else { return by_status_but_no_page(answer) };
    match (answer.status, code, invalid) {
        (400, NO_CHANNEL, _) => {
            let words = format!("{}: this token wants acknowledgements, set acknowledge = true", words(text.as_bytes()));
            Outcome::Refused { status: 400, words }
        }
        (200, 1.., _) => Outcome::Busy { status: 200, retry_after: answer.retry_after, words: words(text.as_bytes()) },
        (400, WRONG_INDEX | WRONG_CHANNEL | NO_ACKNOWLEDGEMENTS, _) => Outcome::Refused { status: 400, words: words(text.as_bytes()) },
        (400, _, Some(bad)) if (bad as usize) < records && records > 1 => {
            let retry = (bad + 1..u32::try_from(records).unwrap_or(u32::MAX)).collect();
            Outcome::Partial { retry, dead: vec![(bad, words(format!("status 400: {text}").as_bytes()))], retry_after: None }
        }
        _ => by_status(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, check_uids};
    use super::*;

    #[test]
    fn the_body_is_what_it_was() {
        let mut splunk = Splunk { index: "main".into(), sourcetype: "squelch".into() };
        insta::assert_snapshot!(samples::shown(&mut splunk));
        check_uids(&mut splunk);
    }

    fn check(status: u16, body: &str, expected: &str) {
        let answer = Answer { status, body: body.as_bytes().to_vec(), is_whole: true, ..Answer::default() };
        assert_eq!(format!("{:?}", read_answer(&answer, 4)), expected, "{body}");
    }

    #[test]
    fn the_code_says_what_the_status_does_not() {
        check(200, r#"{"text":"Success","code":0}"#, "Delivered { status: 200 }");
        check(200, r#"{"text":"Queue full","code":9}"#, r#"Busy { status: 200, retry_after: None, words: "Queue full" }"#);
        check(400, r#"{"text":"Incorrect index","code":7}"#, r#"Refused { status: 400, words: "Incorrect index" }"#);
        check(
            400,
            r#"{"text":"Invalid data format","code":6,"invalid-event-number":1}"#,
            r#"Partial { retry: [2, 3], dead: [(1, "status 400: Invalid data format")], retry_after: None }"#,
        );
        check(
            400,
            r#"{"text":"Data channel is missing","code":10}"#,
            r#"Refused { status: 400, words: "Data channel is missing: this token wants acknowledgements, set acknowledge = true" }"#,
        );
        check(400, r#"{"text":"No data","code":5}"#, r#"Rejected { status: 400, words: "{\"text\":\"No data\",\"code\":5}" }"#);
        check(
            503,
            r#"{"text":"Server is busy","code":9}"#,
            r#"Busy { status: 503, retry_after: None, words: "{\"text\":\"Server is busy\",\"code\":9}" }"#,
        );
        check(403, "no", r#"Refused { status: 403, words: "no" }"#);
    }
}
