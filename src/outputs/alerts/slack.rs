//! An incoming webhook of Slack, or of what takes the same (Mattermost, Rocket.Chat, Discord with `/slack`): one message per alert.
//!
//! What comes from log lines stands in code blocks with `&`, `<` and `>` escaped, so it mentions nobody, links to nothing and is no markup.

use super::alert::{Alert, cut};
use crate::delivery::{Encoder, Outcome};
use crate::outputs::answer::{Answer, by_status_but_no_page};
use crate::store::Record;
use serde_json::{Value, json};

/// Slack refuses a block whose text is longer than 3,000 characters; escapes count.
const BLOCK_CHARS_MAX: usize = 2900;

/// A line that is read in a notification.
const LINE_CHARS_MAX: usize = 300;

/// Records to messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct SlackEncoder;

impl Encoder for SlackEncoder {
    fn content_type(&self) -> &'static str {
        "application/json"
    }
    fn encode(&mut self, records: &[Record<'_>], out: &mut Vec<u8>) {
        // One a request: see where it is started.
        for record in records {
            serde_json::to_writer(&mut *out, &message(&Alert::read(record.json))).expect("JSON in memory can be written");
        }
    }
}

fn message(alert: &Alert<'_>) -> Value {
    let mark = match (alert.is_over(), &*alert.alert_level) {
        (true, _) => ":white_check_mark:",
        (false, "critical") => ":red_circle:",
        (false, "warning") => ":large_orange_circle:",
        _ => ":information_source:",
    };
    let summary = escaped(&cut(alert.summary(), LINE_CHARS_MAX), BLOCK_CHARS_MAX);
    let mut blocks = vec![section(&format!("{mark} `{}`", summary.replace('`', "'")))];
    if let Some((_, rest)) = alert.body.split_once('\n') {
        blocks.push(section(&format!("```{}```", escaped(rest, BLOCK_CHARS_MAX).replace('`', "'"))));
    }
    let foot = [
        ("namespace", alert.from("k8s.namespace.name")),
        ("service", alert.service()),
        ("node", alert.from("host.name")),
        ("storm", &alert.storm_id),
        ("class", &alert.class),
    ];
    let foot: Vec<String> = foot.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name} {value}")).collect();
    blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": escaped(&foot.join(" · "), LINE_CHARS_MAX) }] }));
    json!({ "text": format!("{mark} {summary}"), "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

/// As Slack wants text: three characters escaped, no more than `chars_max` after that.
fn escaped(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    let mut left = chars_max;
    let mut utf8 = [0; 4];
    for c in text.chars() {
        let written = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '\0' => "",
            c => c.encode_utf8(&mut utf8),
        };
        let chars = written.chars().count();
        // The last one is kept for the mark.
        if chars >= left {
            out.push('…');
            break;
        }
        left -= chars;
        out.push_str(written);
    }
    out
}

/// The status, but for those that answer 200 with `"ok": false`.
#[must_use]
pub fn read_answer(answer: &Answer, _records: usize) -> Outcome {
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match by_status_but_no_page(answer) {
        Outcome::Delivered { status } if said["ok"] == false => {
            Outcome::Refused { status, words: said["error"].as_str().unwrap_or("it answers ok: false").to_owned() }
        }
        outcome => outcome,
    }
}

#[cfg(test)]
#[path = "slack_tests.rs"]
mod tests;
