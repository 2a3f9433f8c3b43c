//! Records as the receivers of the world want them: one file per protocol, each an [`Encoder`] (pure bytes) and,
//! where the status of an answer does not say everything, a reader of answers.
//!
//! | | one item per record | what makes a resend harmless |
//! |---|---|---|
//! | [`loki`] | entry of a stream | same stream, time, line and metadata: Loki keeps one |
//! | [`elasticsearch`] | document | `create` with `_id` = `log.record.uid`: 409 says that it is there |
//! | [`otlp`] | log record | `log.record.uid` as attribute: receivers may drop equal ones |
//! | [`victorialogs`] | JSON line | `log.record.uid` as field: queries can count it once |
//! | [`clickhouse`] | row | `insert_deduplication_token`, and a table that keeps one row per uid |
//! | [`splunk`], [`datadog`] | event | `log.record.uid` as field |
//! | [`nats`] | message | `Nats-Msg-Id` = `log.record.uid`: the stream keeps one within its duplicate window |
//! | [`syslog`] | message | `log.record.uid` in the structured data |

pub mod clickhouse;
pub mod datadog;
pub mod elasticsearch;
pub mod json;
pub mod loki;
pub mod nats;
pub mod otlp;
pub mod protobuf;
pub mod splunk;
pub mod syslog;
pub mod victorialogs;
pub mod view;

#[cfg(test)]
mod samples;

use crate::delivery::Encoder;
use crate::store::{BatchNumber, Record, Records};

impl Encoder for Box<dyn Encoder> {
    fn content_type(&self) -> &'static str {
        (**self).content_type()
    }
    fn encode(&mut self, records: &[Record<'_>], out: &mut Vec<u8>) {
        (**self).encode(records, out);
    }
    fn marks(&self, batch: BatchNumber, records: &Records) -> Vec<u32> {
        (**self).marks(batch, records)
    }
    fn encode_marked(&mut self, records: &[Record<'_>], marks: &[u32], out: &mut Vec<u8>) {
        (**self).encode_marked(records, marks, out);
    }
}

/// The URL of a protocol's endpoint: the path is appended to what people wrote unless it ends with it already, and so are the parameters
/// that are not there.
#[must_use]
pub fn endpoint(url: &str, path: &str, parameters: &[(&str, &str)]) -> String {
    let Ok(mut url) = reqwest::Url::parse(url) else { return url.to_owned() };
    let whole = url.path().trim_end_matches('/');
    if !whole.ends_with(path) {
        let whole = format!("{whole}{path}");
        url.set_path(&whole);
    }
    let there: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    for (name, value) in parameters {
        if !there.iter().any(|known| known == name) {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    url.into()
}

/// At most so many bytes of a text, whole characters.
#[must_use]
pub fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A name of letters, digits and `_`, as labels must be: `k8s.namespace.name` is `k8s_namespace_name`.
#[must_use]
pub fn label_name(name: &str) -> String {
    let mut label = String::with_capacity(name.len() + 1);
    push_label_name(&mut label, name);
    label
}

/// The same behind a text.
pub fn push_label_name(out: &mut String, name: &str) {
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        out.push('_');
    }
    out.extend(name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: &str) {
        assert_eq!(endpoint(url, "/v1/logs", &[("a", "x y")]), expected, "{url}");
    }

    #[test]
    fn the_endpoint_is_appended_unless_it_is_there() {
        check("https://logs:4318", "https://logs:4318/v1/logs?a=x+y");
        check("https://logs/otlp/", "https://logs/otlp/v1/logs?a=x+y");
        check("https://logs/v1/logs", "https://logs/v1/logs?a=x+y");
        check("https://logs/v1/logs?a=b&c=d", "https://logs/v1/logs?a=b&c=d");
    }

    #[test]
    fn names_become_labels() {
        for (name, label) in [("k8s.namespace.name", "k8s_namespace_name"), ("9a-ü", "_9a__"), ("", "_")] {
            assert_eq!(label_name(name), label);
        }
        assert_eq!((cut("aüb", 2), cut("aüb", 9)), ("a", "aüb"));
    }
}
