//! What acknowledgements and refusals of a NATS server mean for delivery. Pure.
//!
//! NATS has no statuses of HTTP. Where a policy asks for one, it gets the nearest: 401 for who we are, 403 for what we may, 503 for a stream
//! that is not there or cannot take more.

use crate::delivery::outcome::words;
use crate::delivery::{Outcome, Unreachable};
use serde::Deserialize;

/// Error codes of JetStream (`err_code`) that a message will always get: longer than its stream takes, headers longer than any stream takes.
const TOO_LONG: [u32; 2] = [10_054, 10_097];

/// The answer to a published message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ack {
    /// It is in the stream; perhaps it was there already.
    Taken,
    /// It will never be.
    Dead(String),
    /// Not now.
    Later(Outcome),
}

#[derive(Deserialize)]
struct PubAck {
    #[serde(default)]
    stream: String,
    #[serde(default)]
    seq: u64,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
#[serde(default)]
struct Refusal {
    code: u16,
    err_code: u32,
    description: String,
}

impl Default for Refusal {
    fn default() -> Self {
        Self { code: 500, err_code: 0, description: "the stream says that it cannot, and not why".into() }
    }
}

/// Reads the answer to a message that was published to `subject`.
pub(super) fn read(subject: &str, headers: &[u8], payload: &[u8]) -> Ack {
    if headers.starts_with(b"NATS/1.0 503") {
        let words = format!("no stream takes subject {subject}: create one, e.g. nats stream add --subjects {subject}");
        return Ack::Later(Outcome::Busy { status: 503, retry_after: None, words });
    }
    match serde_json::from_slice(payload) {
        Ok(PubAck { error: Some(Refusal { code, err_code, description }), .. }) => {
            let reason = words(format!("{description} (JetStream error {err_code})").as_bytes());
            match code {
                _ if TOO_LONG.contains(&err_code) => Ack::Dead(reason),
                // A stream that is sealed, expects something else ...: its owner must end that.
                400..=404 => Ack::Later(Outcome::Refused { status: code, words: reason }),
                _ => Ack::Later(Outcome::Busy { status: code, retry_after: None, words: reason }),
            }
        }
        // Whether it is a duplicate does not matter: it is there.
        Ok(PubAck { stream, seq, error: None }) if !stream.is_empty() && seq > 0 => Ack::Taken,
        _ => Ack::Later(Outcome::Unreachable { kind: Unreachable::Garbage, words: format!("who answers on subject {subject} is no stream") }),
    }
}

/// What `-ERR` means.
pub(super) fn refusal(text: &str) -> Outcome {
    let lower = text.to_ascii_lowercase();
    let has = |part: &str| lower.contains(part);
    let words = words(text.as_bytes());
    if has("authentication timeout") || has("connections") {
        Outcome::Busy { status: 503, retry_after: None, words }
    } else if has("authorization") || has("authentication") || has("revoked") {
        Outcome::Refused { status: 401, words }
    } else if has("permissions violation for subscription") {
        // Without it no acknowledgement comes.
        Outcome::Refused { status: 403, words: format!("{words}; acknowledgements come on it: allow it, or set inbox_prefix to what is allowed") }
    } else if has("permissions violation") {
        Outcome::Refused { status: 403, words }
    } else if has("tls required") {
        Outcome::Unreachable { kind: Unreachable::Tls, words }
    } else {
        Outcome::Unreachable { kind: Unreachable::Broken, words }
    }
}

/// The subject that a violation of permissions is about.
pub(super) fn forbidden_subject(text: &str) -> Option<&str> {
    let (head, rest) = text.split_once('"')?;
    head.to_ascii_lowercase().contains("permissions violation for publish").then(|| rest.split('"').next()).flatten()
}

/// What became of a request: `acks` has what was said of each message, `trouble` what ended the waiting early.
pub(super) fn outcome(acks: Vec<Option<Ack>>, trouble: Option<Outcome>) -> Outcome {
    let (mut retry, mut dead, mut first_later) = (Vec::new(), Vec::new(), None);
    let messages = acks.len();
    for (at, ack) in acks.into_iter().enumerate() {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        match ack {
            Some(Ack::Taken) => {}
            Some(Ack::Dead(reason)) => dead.push((at, reason)),
            Some(Ack::Later(why)) => {
                first_later.get_or_insert(why);
                retry.push(at);
            }
            None => retry.push(at),
        }
    }
    match (retry.len(), dead.len()) {
        (0, 0) => Outcome::Delivered { status: 0 },
        (waiting, _) if waiting == messages => first_later.or(trouble).unwrap_or_else(no_answer),
        _ => Outcome::Partial { retry, dead, retry_after: None },
    }
}

fn no_answer() -> Outcome {
    Outcome::Unreachable { kind: Unreachable::Timeout, words: "no acknowledgement came".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &str, payload: &str, expected: &str) {
        assert_eq!(format!("{:?}", read("a.b", headers.as_bytes(), payload.as_bytes())), expected, "{payload}");
    }

    #[test]
    fn an_acknowledgement_says_that_the_message_is_there() {
        check("", r#"{"stream":"LOGS","seq":7}"#, "Taken");
        check("", r#"{"stream":"LOGS","seq":7,"duplicate":true,"domain":"d"}"#, "Taken");
    }

    #[test]
    fn what_a_stream_does_not_take_is_dead_or_waits() {
        let error =
            |code: u16, err_code: u32| format!(r#"{{"error":{{"code":{code},"err_code":{err_code},"description":"because"}},"stream":"S","seq":0}}"#);
        check("", &error(400, 10_054), r#"Dead("because (JetStream error 10054)")"#);
        check("", &error(503, 10_077), r#"Later(Busy { status: 503, retry_after: None, words: "because (JetStream error 10077)" })"#);
        check("", &error(409, 10_158), r#"Later(Busy { status: 409, retry_after: None, words: "because (JetStream error 10158)" })"#);
        check("", &error(400, 10_109), r#"Later(Refused { status: 400, words: "because (JetStream error 10109)" })"#);
        check(
            "NATS/1.0 503\r\n\r\n",
            "",
            r#"Later(Busy { status: 503, retry_after: None, words: "no stream takes subject a.b: create one, e.g. nats stream add --subjects a.b" })"#,
        );
        for garbage in ["", "+OK", "{}", r#"{"stream":"","seq":1}"#, "\u{1}"] {
            check("", garbage, r#"Later(Unreachable { kind: Garbage, words: "who answers on subject a.b is no stream" })"#);
        }
    }

    #[test]
    fn refusals_are_told_apart() {
        let code = |text: &str| refusal(text).code().to_string();
        assert_eq!(code("Authorization Violation"), "401");
        assert_eq!(code("User Authentication Expired"), "401");
        assert_eq!(code("Authentication Timeout"), "503");
        assert_eq!(code("maximum connections exceeded"), "503");
        assert_eq!(code("Permissions Violation for Publish to \"a.b\""), "403");
        assert!(refusal("Permissions Violation for Subscription to \"_INBOX.x.*\"").to_string().ends_with("set inbox_prefix to what is allowed"));
        assert_eq!(code("Secure Connection - TLS Required"), "tls");
        assert_eq!(code("Stale Connection"), "broken");
        assert_eq!(forbidden_subject("Permissions Violation for Publish to \"a.b\""), Some("a.b"));
        assert_eq!(forbidden_subject("Permissions Violation for Subscription to \"a.b\""), None);
        assert_eq!(forbidden_subject("Stale Connection"), None);
    }

    #[test]
    fn what_was_said_of_each_message_makes_the_answer_to_all() {
        let later = || Some(Ack::Later(Outcome::Busy { status: 503, retry_after: None, words: "full".into() }));
        let broken = || Some(Outcome::Unreachable { kind: Unreachable::Broken, words: "closed".into() });
        let (taken, dead) = (|| Some(Ack::Taken), || Some(Ack::Dead("long".into())));
        let said = |acks, trouble| format!("{:?}", outcome(acks, trouble));
        assert_eq!(said(vec![taken(), taken()], None), "Delivered { status: 0 }");
        assert_eq!(said(vec![taken(), None, later()], broken()), "Partial { retry: [1, 2], dead: [], retry_after: None }");
        assert_eq!(said(vec![dead(), taken()], None), r#"Partial { retry: [], dead: [(0, "long")], retry_after: None }"#);
        assert_eq!(said(vec![None, None], broken()), r#"Unreachable { kind: Broken, words: "closed" }"#);
        assert_eq!(said(vec![None, later()], broken()), r#"Busy { status: 503, retry_after: None, words: "full" }"#);
        assert_eq!(said(vec![None], None), r#"Unreachable { kind: Timeout, words: "no acknowledgement came" }"#);
    }
}
