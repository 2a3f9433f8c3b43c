//! Splunk with indexer acknowledgement: a request has arrived when the indexer says that its events are indexed, not when the collector took
//! them.
//!
//! Events go over a channel of our own (a GUID). The collector answers with a number; the number is asked for until the answer is yes.
//! What is not acknowledged in time is sent again, with the same `log.record.uid` in each event: Splunk itself keeps both, a search can tell
//! (`dedup log.record.uid`). One request is outstanding at a time, so nothing piles up anywhere, here or there.

use super::answer::Answer;
use super::destination::HttpOptions;
use super::encode::splunk::{ack_id, is_channel_unknown, read_answer};
use super::http::{HttpError, HttpSender};
use crate::clock;
use crate::delivery::{self, Outcome, Request, Sender, Unreachable};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long an acknowledgement is waited for when nothing else is said: an indexer writes within seconds, replication takes longer.
pub const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(120);

/// The first question comes after about so long, each later one after half as long again ...
const ASK_AFTER: Duration = Duration::from_millis(500);

/// ... up to what Splunk recommends.
const ASK_EVERY_MAX: Duration = Duration::from_secs(10);

/// Questions in a row that get no answer before the request counts as lost: a load balancer may drop one.
const UNANSWERED_MAX: u32 = 3;

/// Where events and questions go, as the URL of the one ends.
const EVENTS: &str = "/services/collector/event";
const ACKS: &str = "/services/collector/ack";

/// Sends events and waits for their acknowledgement.
pub struct SplunkSender {
    events: HttpSender,
    acks: HttpSender,
    within: Duration,
    has_warned: bool,
}

#[derive(Deserialize)]
struct Acks {
    acks: BTreeMap<String, bool>,
}

impl SplunkSender {
    /// Checks the options; connects nowhere. `http` has the URL for events.
    ///
    /// # Errors
    /// When the options make no sender.
    pub fn new(mut http: HttpOptions, delivery: &delivery::Options, within: Duration) -> Result<Self, HttpError> {
        // Any GUID that nobody else has; the bits that say how it was made are those of a random one.
        let number = rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let hex = format!("{number:032x}");
        let guid = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        http.headers.push(("X-Splunk-Request-Channel".into(), guid.into()));
        let asked = HttpOptions {
            url: http.url.replacen(EVENTS, ACKS, 1),
            headers: http.headers.clone(),
            auth: http.auth.clone(),
            tls: http.tls.clone(),
            compression: http.compression,
        };
        Ok(Self {
            events: HttpSender::new(http, delivery, Some(read_answer))?,
            acks: HttpSender::new(asked, delivery, Some(read_answer))?,
            within,
            has_warned: false,
        })
    }

    /// Asks until the answer is yes.
    async fn acknowledged(&mut self, id: u64, status: u16) -> Outcome {
        let question = Request { body: format!(r#"{{"acks":[{id}]}}"#).into_bytes(), content_type: "application/json", ..Request::default() };
        let deadline = clock::monotonic_in_tokio() + self.within;
        let (mut pause, mut unanswered) = (ASK_AFTER, 0);
        loop {
            // Agents that were answered at once do not come back at once.
            tokio::time::sleep(pause.mul_f64(0.5 + rand::random::<f64>())).await;
            if clock::monotonic_in_tokio() >= deadline {
                return not_indexed(format!("taken, and not acknowledged within {}s", self.within.as_secs_f64()));
            }
            match self.acks.ask(&question).await {
                Ok(answer) if is_yes(&answer, id) => return Outcome::Delivered { status },
                Ok(answer) if is_channel_unknown(&answer) => {
                    return not_indexed("taken, and forgotten: the collector does not know the channel any more".into());
                }
                Ok(answer) => {
                    unanswered = 0;
                    if let refused @ Outcome::Refused { .. } = read_answer(&answer, 0) {
                        return refused;
                    }
                }
                Err(outcome) => {
                    unanswered += 1;
                    if unanswered >= UNANSWERED_MAX {
                        return outcome;
                    }
                }
            }
            pause = (pause * 3 / 2).min(ASK_EVERY_MAX);
        }
    }
}

impl Sender for SplunkSender {
    fn target(&self) -> &str {
        self.events.target()
    }
    async fn send(&mut self, request: &Request) -> Outcome {
        let answer = match self.events.ask(request).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        let outcome = read_answer(&answer, request.records);
        let Outcome::Delivered { status } = outcome else { return outcome };
        match ack_id(&answer) {
            Some(id) => self.acknowledged(id, status).await,
            None => {
                if !std::mem::replace(&mut self.has_warned, true) {
                    tracing::warn!(
                        "{}: acknowledge is set, and the collector gives nothing to ask for; enable indexer acknowledgement for this token",
                        self.target()
                    );
                }
                outcome
            }
        }
    }
}

fn is_yes(answer: &Answer, id: u64) -> bool {
    answer.status == 200 && serde_json::from_slice::<Acks>(&answer.body).is_ok_and(|Acks { acks }| acks.get(&id.to_string()) == Some(&true))
}

fn not_indexed(words: String) -> Outcome {
    Outcome::Unreachable { kind: Unreachable::Timeout, words }
}

#[cfg(test)]
#[path = "splunk_tests.rs"]
mod tests;
