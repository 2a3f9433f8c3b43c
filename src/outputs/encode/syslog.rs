//! Syslog, RFC 5424 in the framing of RFC 6587 3.4.1 (octet counting, as RFC 5425 asks for over TLS): texts may hold line breaks.
//!
//! The structured data is one element, `squelch@32473` (the number that RFC 5612 sets aside for documentation; squelch has none of its own).

use super::cut;
use super::view::View;
use crate::delivery::Encoder;
use crate::store::Record;
use std::io::Write;

/// Local use 0.
pub const FACILITY_DEFAULT: u8 = 16;

/// A parameter longer than this is cut: receivers have buffers of some kilobytes for the whole message.
const PARAMETER_BYTES_MAX: usize = 2048;

/// Fields that are of no use in a syslog: bulky, and for machines.
const LEFT_OUT: [&str; 4] = ["squelch.samples", "squelch.interval_ms", "squelch.per_second", "squelch.timeline"];

/// Records to messages.
#[derive(Clone, Debug)]
pub struct Syslog {
    /// 0..=23.
    pub facility: u8,
    /// Longer texts are cut: rsyslog takes 8 KiB when nothing else is said, and cuts by itself.
    pub message_bytes_max: usize,
}

impl Encoder for Syslog {
    fn content_type(&self) -> &'static str {
        "text/plain"
    }
    fn encode(&mut self, records: &[Record<'_>], out: &mut Vec<u8>) {
        let mut message = Vec::new();
        for record in records {
            message.clear();
            self.push_message(&mut message, &View::new(record));
            write!(out, "{} ", message.len()).expect("writing to memory cannot fail");
            out.extend_from_slice(&message);
        }
    }
}

impl Syslog {
    fn push_message(&self, out: &mut Vec<u8>, view: &View<'_>) {
        let priority = self.facility * 8 + level(view.severity_number);
        let host = header(view.resource("host.name").unwrap_or_default(), 255);
        let app = ["service.name", "k8s.container.name"].iter().find_map(|name| view.resource(name)).unwrap_or("squelch");
        let app = header(app, 48);
        let id = header(&view.event_name, 32);
        // RFC 5424 takes six digits of a second; the rest stands in the structured data.
        let time = view.timestamp.get(..26).map_or_else(|| "-".to_owned(), |head| format!("{head}Z"));
        write!(out, "<{priority}>1 {time} {host} {app} - {id} [squelch@32473").expect("writing to memory cannot fail");
        parameter(out, "timestamp", &view.timestamp);
        for (name, value) in view.texts().filter(|(name, _)| *name != "event_name" && !LEFT_OUT.contains(name)) {
            parameter(out, name.strip_prefix("squelch.").unwrap_or(name), &value);
        }
        // RFC 5424 lets a text begin with a byte order mark to say that it is UTF-8. rsyslog and VictoriaLogs keep the mark as the text's first
        // character, where it hides the beginning from searches; without it they read UTF-8 all the same.
        out.extend_from_slice(b"] ");
        out.extend_from_slice(cut(&view.body, self.message_bytes_max.saturating_sub(out.len())).as_bytes());
    }
}

/// The severities of syslog.
const fn level(severity_number: u8) -> u8 {
    match severity_number {
        0 | 9..=12 => 6,
        1..=8 => 7,
        13..=16 => 4,
        17..=20 => 3,
        _ => 2,
    }
}

/// A field of the header: printable ASCII without blanks, `-` for nothing.
fn header(text: &str, bytes_max: usize) -> String {
    let mut field: String = text.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect();
    field.truncate(bytes_max);
    if field.is_empty() { "-".into() } else { field }
}

/// ` name="value"`. Names are 32 printable signs without `=`, `]`, `"`; values have those two and `\` escaped, and no control characters.
fn parameter(out: &mut Vec<u8>, name: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).take(32).collect();
    write!(out, " {}=\"", if name.is_empty() { "_" } else { &name }).expect("writing to memory cannot fail");
    for c in cut(value, PARAMETER_BYTES_MAX).chars() {
        match c {
            '"' | '\\' | ']' => out.extend_from_slice(&[b'\\', c as u8]),
            c if c.is_control() => out.push(b' '),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, check_uids};
    use super::*;
    use crate::record::Severity;

    fn encoder() -> Syslog {
        Syslog { facility: FACILITY_DEFAULT, message_bytes_max: 8192 }
    }

    #[test]
    fn the_body_is_what_it_was() {
        insta::assert_snapshot!(samples::shown(&mut encoder()));
        check_uids(&mut encoder());
    }

    #[test]
    fn each_message_is_as_long_as_it_says() {
        let samples = [samples::kinds(), samples::hostile()].concat();
        let mut body = &*samples::encoded(&mut encoder(), &samples);
        let mut messages = 0;
        while !body.is_empty() {
            let blank = body.iter().position(|byte| *byte == b' ').unwrap();
            let length: usize = std::str::from_utf8(&body[..blank]).unwrap().parse().unwrap();
            let message = &body[blank + 1..][..length];
            assert!(message.starts_with(b"<") && message.len() <= 8192 && std::str::from_utf8(message).is_ok());
            body = &body[blank + 1 + length..];
            messages += 1;
        }
        assert_eq!(messages, samples.len());
    }

    #[test]
    fn severities_are_those_of_syslog() {
        let level_of = |severity: Severity| level(severity.otel_number());
        let all = [Severity::Unknown, Severity::Trace, Severity::Debug, Severity::Info, Severity::Warn, Severity::Error, Severity::Fatal];
        assert_eq!(all.map(level_of), [6, 7, 7, 6, 4, 3, 2]);
    }
}
