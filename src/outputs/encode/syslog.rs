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

/// Stands in each message.
const UID: &str = "log.record.uid";

/// Records to messages.
#[derive(Clone, Debug)]
pub struct Syslog {
    /// 0..=23.
    pub facility: u8,
    /// Most bytes of a message: rsyslog takes 8 KiB when nothing else is said, and cuts by itself. A quarter is left for the text at least; parameters
    /// that do not fit are left out and counted in one of their own.
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
        // What tells records apart comes first: it is never what is left out.
        parameter(out, UID, cut(&view.uid, 64));
        let (most, mut left_out, mut one) = (self.message_bytes_max / 4 * 3, 0_u32, Vec::new());
        for (name, value) in view.texts().filter(|(name, _)| !matches!(*name, "event_name" | UID) && !LEFT_OUT.contains(name)) {
            one.clear();
            parameter(&mut one, name.strip_prefix("squelch.").unwrap_or(name), &value);
            if out.len() + one.len() > most {
                left_out += 1;
            } else {
                out.extend_from_slice(&one);
            }
        }
        if left_out > 0 {
            parameter(out, "left_out", &left_out.to_string());
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
    out.push(b' ');
    out.extend(name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c as u8 } else { b'_' }).take(32));
    if name.is_empty() {
        out.push(b'_');
    }
    out.extend_from_slice(b"=\"");
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
    use crate::store::RecordKind;
    use proptest::collection::vec;
    use proptest::prelude::*;

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

    /// Parameters and text of one message, read as RFC 5424 says.
    fn read(message: &[u8]) -> (Vec<(String, String)>, String) {
        let message = std::str::from_utf8(message).expect("it is UTF-8");
        let mut words = message.splitn(7, ' ');
        let head: Vec<&str> = words.by_ref().take(6).collect();
        assert!(head[0].starts_with('<') && head[0].ends_with(">1") && head.iter().all(|word| !word.is_empty() && word.is_ascii()), "{head:?}");
        let mut rest = words.next().unwrap().strip_prefix("[squelch@32473").unwrap();
        let mut parameters = Vec::new();
        loop {
            if let Some(text) = rest.strip_prefix("] ") {
                return (parameters, text.to_owned());
            }
            let (name, quoted) = rest.strip_prefix(' ').unwrap().split_once("=\"").unwrap();
            assert!((1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"=]\"".contains(&byte)), "{name}");
            let (mut value, mut signs) = (String::new(), quoted.char_indices());
            let end = loop {
                match signs.next().expect("each value has an end") {
                    (at, '"') => break at,
                    (_, '\\') => value.push(signs.next().unwrap().1),
                    (_, sign) => {
                        assert!(sign != ']' && !sign.is_control(), "{sign:?} stands unescaped");
                        value.push(sign);
                    }
                }
            };
            parameters.push((name.to_owned(), value));
            rest = &quoted[end + 1..];
        }
    }

    fn messages(encoder: &mut Syslog, json: &str) -> Vec<u8> {
        let mut out = Vec::new();
        encoder.encode(&[Record { kind: RecordKind::Line, json: json.as_bytes() }], &mut out);
        let blank = out.iter().position(|byte| *byte == b' ').unwrap();
        assert_eq!(std::str::from_utf8(&out[..blank]).unwrap().parse(), Ok(out.len() - blank - 1), "each message is as long as it says");
        out.split_off(blank + 1)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
        #[test]
        fn whatever_stands_in_a_record_is_read_back(pairs in vec((any::<String>(), any::<String>()), 0..6), body in any::<String>(), host in any::<String>()) {
            let text = |text: &str| serde_json::to_string(text).unwrap();
            let attributes: Vec<String> = pairs.iter().map(|(name, value)| format!("{}:{}", text(name), text(value))).collect();
            let json = format!(
                r#"{{"timestamp":"2026-11-25T12:00:00.123456789Z","body":{},"attributes":{{{}}},"resource":{{"host.name":{}}},"log.record.uid":"0a"}}"#,
                text(&body), attributes.join(","), text(&host)
            );
            let (parameters, found) = read(&messages(&mut Syslog { facility: 16, message_bytes_max: 1 << 16 }, &json));
            prop_assert_eq!(found, body);
            let shown = |value: &str| value.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect::<String>();
            let known = |(name, value): &(String, String)| !value.is_empty() && name != "event_name" && name != UID && !LEFT_OUT.contains(&name.as_str());
            let expected: Vec<String> = pairs.iter().filter(|pair| known(pair)).map(|(_, value)| shown(value)).collect();
            let values: Vec<String> = parameters.iter().map(|(_, value)| value.clone()).collect();
            prop_assert_eq!(&values[..2], &["2026-11-25T12:00:00.123456789Z", "0a"]);
            prop_assert_eq!(&values[2 + usize::from(!host.is_empty())..], &expected[..]);
        }
    }

    #[test]
    fn a_message_is_never_longer_than_is_set_and_says_what_it_left_out() {
        let attributes: Vec<String> = (0..50).map(|number| format!(r#""a{number}":"{}""#, "]".repeat(300))).collect();
        let json = format!(
            r#"{{"timestamp":"2026-11-25T12:00:00.123456789Z","body":"{}","attributes":{{{}}},"resource":{{"host.name":"{}"}},"log.record.uid":"0a"}}"#,
            "b".repeat(9000),
            attributes.join(","),
            "h".repeat(400)
        );
        for (message_bytes_max, left_out) in [(1024, "51"), (8192, "42"), (1 << 16, "")] {
            let message = messages(&mut Syslog { facility: 16, message_bytes_max }, &json);
            let (parameters, text) = read(&message);
            let value = |name: &str| parameters.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
            assert!(message.len() <= message_bytes_max && text.len() > message_bytes_max / 8, "{}", message.len());
            assert_eq!((value(UID), value("left_out")), ("0a", left_out), "{message_bytes_max}");
        }
    }

    #[test]
    fn severities_are_those_of_syslog() {
        let level_of = |severity: Severity| level(severity.otel_number());
        let all = [Severity::Unknown, Severity::Trace, Severity::Debug, Severity::Info, Severity::Warn, Severity::Error, Severity::Fatal];
        assert_eq!(all.map(level_of), [6, 7, 7, 6, 4, 3, 2]);
    }
}
