//! A body with places for what a storm record says: `{"text": "{body}", "level": "{squelch.alert_level}"}`.
//!
//! A place is a name in braces, of letters, digits, `_` and `.`; every other brace stands for itself, so JSON needs no escapes. `{a.b}` is the
//! field `a.b` of the record, or `b` inside of `a`; `{squelch.` may be left out; `{record}` is the whole record. Within quotes the value
//! is written as text, JSON-escaped; outside of quotes as a JSON value (`null` when the record has none). So what a log line holds can
//! never become anything but a value.

use serde_json::Value;
use std::fmt::Write;

/// The whole record.
const RECORD: &str = "record";

/// A storm record with every field, to check names and results by before the first storm.
const EXAMPLE: &str = r#"{"timestamp":"2026-01-01T00:00:00Z","observed_timestamp":"2026-01-01T00:00:00Z","event_name":"squelch.storm","severity_text":"error","severity_number":17,"body":"b","resource":{"host.name":"n"},"log.record.uid":"u","squelch.storm_id":"s","squelch.state":"firing","squelch.at_end_of_input":true,"squelch.alert_level":"critical","squelch.previous_alert_level":"warning","squelch.fingerprint":"f","squelch.fingerprints":["f"],"squelch.template":"t","squelch.class":"retry","squelch.first_class":"retry","squelch.detected_by":"hot","squelch.onset":"2026-01-01T00:00:00Z","squelch.onset_is_unknown":true,"squelch.fired":"2026-01-01T00:00:00Z","squelch.resolved":"2026-01-01T00:00:00Z","squelch.resumed":1,"squelch.records":1,"squelch.absorbed":1,"squelch.bytes":1,"squelch.rate_per_second":1.0,"squelch.peak_per_second":1,"squelch.baseline_per_second":0.1,"squelch.amplification":1.0,"squelch.trend":1.0,"squelch.is_not_falling":false,"squelch.timeline":{"start":0,"cell_seconds":1,"counts":[1]},"squelch.instances":{"count":1,"is_estimate":false,"top":[]},"squelch.targets":[],"squelch.origins":[{"k8s.namespace.name":"s"}],"squelch.has_more_origins":true,"squelch.trigger":{"timestamp":"2026-01-01T00:00:00Z","fingerprint":"f","template":"t"},"squelch.retry":{"policy":"fixed","jitter":"no","lockstep":"no","instances":1,"instances_are_estimated":false,"outcome":"ongoing","max_attempts":1,"attempts_seen":1,"interval_ms":1.0,"base_ms":1.0,"factor":1.0,"cap_ms":1.0,"stated_delay_ms":1.0,"source":"text","confidence":1.0,"notes":[]}}"#;

/// A template that gives JSON for every storm record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Place { name: String, in_quotes: bool },
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When it names a field that storm records do not have, or would not give JSON.
    pub fn parse(text: &str) -> Result<Self, String> {
        let template = Self { parts: parts(text) };
        let example: Value = serde_json::from_str(EXAMPLE).expect("it is written above");
        for part in &template.parts {
            if let Part::Place { name, .. } = part
                && name != RECORD
                && field(&example, name).is_none()
                && !name.starts_with("resource.")
            {
                return Err(format!("names `{{{name}}}`, which storm records do not have; see docs/records.schema.json for what they have"));
            }
        }
        let mut out = Vec::new();
        template.push(EXAMPLE.as_bytes(), &mut out);
        match serde_json::from_slice::<serde::de::IgnoredAny>(&out) {
            Ok(_) => Ok(template),
            Err(error) => Err(format!("does not give JSON ({error}); write for example {{\"text\": \"{{body}}\"}}")),
        }
    }

    /// Appends what it gives for a record.
    pub fn push(&self, json: &[u8], out: &mut Vec<u8>) {
        let record: Value = serde_json::from_slice(json).unwrap_or_default();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Place { name, in_quotes } => {
                    let value = if name == RECORD { Some(&record) } else { field(&record, name) };
                    let value = value.unwrap_or(&Value::Null);
                    if *in_quotes { push_escaped(value, out) } else { push_json(value, out) }
                }
            }
        }
    }
}

fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let (mut in_quotes, mut is_escaped) = (false, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let place = rest.strip_prefix('{').and_then(|inside| inside.split_once('}')).filter(|(name, _)| is_name(name));
        if let Some((name, after)) = place {
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(Part::Place { name: name.to_owned(), in_quotes });
            (rest, is_escaped) = (after, false);
            continue;
        }
        if c == '"' && !is_escaped {
            in_quotes = !in_quotes;
        }
        is_escaped = in_quotes && c == '\\' && !is_escaped;
        plain.push(c);
        rest = &rest[c.len_utf8()..];
    }
    parts.push(Part::Text(plain));
    parts
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
}

/// The field with this name, or the one inside of another: the longest names first, since names have dots.
fn field<'v>(record: &'v Value, name: &str) -> Option<&'v Value> {
    inside(record, name).or_else(|| inside(record, &format!("squelch.{name}")))
}

fn inside<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let object = value.as_object()?;
    if let Some(found) = object.get(name) {
        return Some(found);
    }
    let dots = name.match_indices('.').map(|(at, _)| at).collect::<Vec<_>>();
    dots.into_iter().rev().find_map(|at| inside(object.get(&name[..at])?, &name[at + 1..]))
}

fn push_json(value: &Value, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, value).expect("JSON in memory can be written");
}

/// As text within quotes.
fn push_escaped(value: &Value, out: &mut Vec<u8>) {
    let text = match value {
        Value::Null => return,
        Value::String(text) => text.clone(),
        other => {
            let mut text = String::new();
            let _ = write!(text, "{other}");
            text
        }
    };
    let mut quoted = Vec::with_capacity(text.len() + 2);
    push_json(&Value::String(text), &mut quoted);
    out.extend_from_slice(&quoted[1..quoted.len() - 1]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD_JSON: &str = r#"{"body":"a \"b\" \\ {class}\n","resource":{"host.name":"n1"},"squelch.class":"retry","squelch.records":7,"squelch.retry":{"policy":"fixed"},"squelch.targets":[{"value":"x","count":1}]}"#;

    fn check(template: &str, expected: &str) {
        let mut out = Vec::new();
        Template::parse(template).unwrap().push(RECORD_JSON.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn within_quotes_a_place_is_text_and_outside_a_value() {
        check(r#"{"text": "{body}", "class": "{squelch.class}"}"#, r#"{"text": "a \"b\" \\ {class}\n", "class": "retry"}"#);
        check(r#"{"n": {records}, "s": "{records}", "t": {body}}"#, r#"{"n": 7, "s": "7", "t": "a \"b\" \\ {class}\n"}"#);
        check(r#"{"why": "{retry.policy} on {resource.host.name}"}"#, r#"{"why": "fixed on n1"}"#);
        check(r#"{"to": "{targets}"}"#, r#"{"to": "[{\"count\":1,\"value\":\"x\"}]"}"#);
    }

    #[test]
    fn what_a_record_has_not_is_empty_or_null() {
        check(r#"{"a": "{resolved}", "b": {resolved}, "c": "{resource.k8s.namespace.name}"}"#, r#"{"a": "", "b": null, "c": ""}"#);
    }

    #[test]
    fn an_escaped_quote_ends_no_text() {
        check(r#"{"a\"": "\\{class}"}"#, r#"{"a\"": "\\retry"}"#);
    }

    #[test]
    fn a_template_that_gives_no_json_or_names_nothing_is_told_at_once() {
        let told = |text: &str| Template::parse(text).unwrap_err();
        assert!(told(r#"{"a": "{boddy}"}"#).starts_with("names `{boddy}`, which storm records do not have"));
        assert!(told(r#"{"a": {body}"#).starts_with("does not give JSON ("));
        assert!(told("hello {body}").starts_with("does not give JSON ("));
    }

    #[test]
    fn the_example_has_each_field_of_a_storm_record() {
        let example: Value = serde_json::from_str(EXAMPLE).unwrap();
        let schema: Value = serde_json::to_value(schemars::schema_for!(crate::outputs::storm_record::StormRecord<'static>)).unwrap();
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&example), names(&schema["properties"]));
        assert_eq!(names(&example["squelch.retry"]), names(&schema["$defs"]["DiagnosisRecord"]["properties"]));
    }
}
