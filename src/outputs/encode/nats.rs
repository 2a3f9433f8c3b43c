//! NATS JetStream: a message per record, as the record stands, with its id as `Nats-Msg-Id`: the server drops what it has already.
//!
//! A body is a frame per record: what the protocol's `HPUB` wants, without the reply subject, which belongs to a connection.
//!
//! ```text
//! SUBJECT HEADER_BYTES ALL_BYTES\r\n
//! NATS/1.0\r\nNats-Msg-Id: UID\r\n\r\n{"timestamp":...}\r\n
//! ```

use super::cut;
use super::view::View;
use crate::delivery::{Encoder, idempotency_key, record_uid};
use crate::store::Record;
use std::borrow::Cow;
use std::io::Write;

/// The subject when nothing else is said.
pub const SUBJECT_DEFAULT: &str = "squelch.logs";

/// Most bytes that a placeholder puts into a subject: names of Kubernetes have 63.
const TOKEN_BYTES_MAX: usize = 64;

/// Most bytes of a subject as it is written: servers take control lines of 4 KiB.
const SUBJECT_BYTES_MAX: usize = 512;

/// A subject with places for what differs from record to record: `squelch.{kind}.{namespace}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `line`, `summary`, `burst`, `storm`.
    Kind,
    /// The value of a field of the resource.
    Resource(&'static str),
}

/// What may stand in braces. Few values each: a stream keeps an index of its subjects.
const PLACEHOLDERS: [(&str, Part); 3] =
    [("kind", Part::Kind), ("namespace", Part::Resource("k8s.namespace.name")), ("node", Part::Resource("host.name"))];

impl Default for Subject {
    fn default() -> Self {
        Self(vec![Part::Text(SUBJECT_DEFAULT.into())])
    }
}

impl Subject {
    /// Reads what people write.
    ///
    /// # Errors
    /// When nothing can be published to it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > SUBJECT_BYTES_MAX {
            return Err(format!("is longer than {SUBJECT_BYTES_MAX} bytes"));
        }
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(open) = rest.find(['{', '}']) {
            plain.push_str(&rest[..open]);
            let inside = rest[open..].strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let Some((name, after)) = inside else { return Err("has a brace without its other half".into()) };
            let Some((_, part)) = PLACEHOLDERS.iter().find(|(known, _)| *known == name) else {
                return Err(format!("has {{{name}}}, which nothing is known for; there are {{kind}}, {{namespace}} and {{node}}"));
            };
            parts.extend((!plain.is_empty()).then(|| Part::Text(std::mem::take(&mut plain))));
            parts.push(part.clone());
            rest = after;
        }
        plain.push_str(rest);
        parts.extend((!plain.is_empty()).then_some(Part::Text(plain)));
        let subject = Self(parts);
        // Placeholders always leave a token: one of them stands for all.
        let example: String = subject.0.iter().map(|part| if let Part::Text(text) = part { text } else { "x" }).collect();
        if example.split('.').any(str::is_empty) {
            return Err("has an empty token; tokens stand between dots, like \"squelch.logs\"".into());
        }
        if let Some(wrong) = example.chars().find(|c| !c.is_ascii_graphic() || "*>".contains(*c)) {
            return Err(format!("has {wrong:?}; nothing can be published to that, use a-z, A-Z, 0-9, `-`, `_` and dots"));
        }
        if example.starts_with(['$', '_']) {
            return Err("begins with a sign that the server keeps for itself".into());
        }
        Ok(subject)
    }

    fn push(&self, out: &mut Vec<u8>, record: &Record<'_>, view: Option<&View<'_>>) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Kind => out.extend_from_slice(record.kind.as_str().as_bytes()),
                Part::Resource(name) => push_token(out, view.and_then(|view| view.resource(name)).unwrap_or_default()),
            }
        }
    }

    fn has_resource(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Resource(_)))
    }
}

/// A value as one token of a subject; a stranger's dots, stars and blanks would make another subject of it.
fn push_token(out: &mut Vec<u8>, value: &str) {
    let value = if value.is_empty() { "none" } else { cut(value, TOKEN_BYTES_MAX) };
    out.extend(value.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c as u8 } else { b'_' }));
}

/// Records to frames.
#[derive(Clone, Debug, Default)]
pub struct Nats {
    /// Where they are published.
    pub subject: Subject,
}

impl Encoder for Nats {
    fn content_type(&self) -> &'static str {
        "application/json"
    }
    fn encode(&mut self, records: &[Record<'_>], out: &mut Vec<u8>) {
        for record in records {
            let view = self.subject.has_resource().then(|| View::new(record));
            // As everywhere: what has no id of its own goes by its text.
            let uid = record_uid(record.json).unwrap_or_else(|| Cow::Owned(idempotency_key([&*String::from_utf8_lossy(record.json)].into_iter())));
            let uid: String = uid.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect();
            let headers = format!("NATS/1.0\r\nNats-Msg-Id: {uid}\r\n\r\n");
            self.subject.push(out, record, view.as_ref());
            write!(out, " {} {}\r\n{headers}", headers.len(), headers.len() + record.json.len()).expect("writing to memory cannot fail");
            out.extend_from_slice(record.json);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// A frame of a body, for who publishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'b> {
    /// Where to.
    pub subject: &'b str,
    /// Bytes of the headers.
    pub header_bytes: usize,
    /// Headers and record, without the line break behind them.
    pub content: &'b [u8],
}

/// The frames of a body; `None` for what [`Nats`] did not write.
#[must_use]
pub fn frames(mut body: &[u8]) -> Option<Vec<Frame<'_>>> {
    let mut found = Vec::new();
    while !body.is_empty() {
        let end = memchr::memmem::find(body, b"\r\n")?;
        let line = std::str::from_utf8(&body[..end]).ok()?;
        let mut words = line.split(' ');
        let (subject, header_bytes, bytes) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse::<usize>().ok()?);
        let content = body.get(end + 2..)?.get(..bytes)?;
        body = body.get(end + 2 + bytes..)?.strip_prefix(b"\r\n")?;
        found.push(Frame { subject, header_bytes, content });
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::store::RecordKind;

    fn nats(subject: &str) -> Nats {
        Nats { subject: Subject::parse(subject).unwrap() }
    }

    #[test]
    fn the_body_is_what_it_was() {
        insta::assert_snapshot!(samples::shown(&mut nats("squelch.{kind}.{namespace}")));
    }

    #[test]
    fn every_record_is_a_frame_and_its_payload_is_the_record() {
        let samples = [samples::kinds(), samples::hostile()].concat();
        let body = samples::encoded(&mut Nats::default(), &samples);
        let frames = frames(&body).unwrap();
        assert_eq!(frames.len(), samples.len());
        for (frame, (_, json)) in frames.iter().zip(&samples) {
            let (headers, record) = frame.content.split_at(frame.header_bytes);
            assert_eq!((frame.subject, record), (SUBJECT_DEFAULT, json.as_bytes()));
            let uid = record_uid(record).unwrap();
            assert_eq!(std::str::from_utf8(headers).unwrap(), format!("NATS/1.0\r\nNats-Msg-Id: {uid}\r\n\r\n"));
        }
        assert_eq!(super::frames(b"squelch.logs 1 9\r\nx\r\n"), None);
    }

    fn check(subject: &str, json: &str, expected: &str) {
        let mut body = Vec::new();
        nats(subject).encode(&[Record { kind: RecordKind::Summary, json: json.as_bytes() }], &mut body);
        assert_eq!(frames(&body).unwrap()[0].subject, expected, "{subject}");
    }

    #[test]
    fn placeholders_are_one_token_whatever_stands_in_a_record() {
        check("a.b", "{}", "a.b");
        check("logs.{kind}", "{}", "logs.summary");
        check("logs.{namespace}.x-{node}", r#"{"resource":{"k8s.namespace.name":"shop.*> \r\nPUB","host.name":"n1"}}"#, "logs.shop______PUB.x-n1");
        check("logs.{namespace}", "{}", "logs.none");
        check("{node}", &format!(r#"{{"resource":{{"host.name":"{}"}}}}"#, "ü".repeat(100)), &"_".repeat(32));
    }

    #[test]
    fn what_nothing_can_be_published_to_is_said() {
        let error = |subject: &str| Subject::parse(subject).unwrap_err();
        assert_eq!(error(""), "has an empty token; tokens stand between dots, like \"squelch.logs\"");
        assert_eq!(error("a..b"), error(""));
        assert_eq!(error("a.*"), "has '*'; nothing can be published to that, use a-z, A-Z, 0-9, `-`, `_` and dots");
        assert_eq!(error("a b"), "has ' '; nothing can be published to that, use a-z, A-Z, 0-9, `-`, `_` and dots");
        assert_eq!(error("$JS.x"), "begins with a sign that the server keeps for itself");
        assert_eq!(error("a.{pod}"), "has {pod}, which nothing is known for; there are {kind}, {namespace} and {node}");
        assert_eq!(error("a.{kind"), "has a brace without its other half");
        assert!(error(&"a".repeat(600)).starts_with("is longer than"));
    }
}
