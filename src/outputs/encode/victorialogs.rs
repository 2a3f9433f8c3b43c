//! VictoriaLogs, `POST /insert/jsonline`: an object a line with `_msg` and `_time`. Objects in it become fields by themselves
//! (`squelch.interval_ms.p50`).

use super::cut;
use super::json::Object;
use super::view::View;
use crate::delivery::Encoder;
use crate::store::Record;

/// VictoriaLogs leaves out longer lines (`-insert.maxLineSizeBytes`, 256 KiB) and says so only in its own log: texts are cut to fit.
const LINE_BYTES_MAX: usize = (256 << 10) - 1;

/// Parameters of the URL, beside `_stream_fields`.
pub const PARAMETERS: [(&str, &str); 2] = [("_msg_field", "_msg"), ("_time_field", "_time")];

/// The fields that make a stream when nothing else is said: few values each.
pub const STREAM_FIELDS: [&str; 4] = ["host.name", "k8s.namespace.name", "k8s.container.name", "squelch.stream"];

/// Records to JSON lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct VictoriaLogs;

impl Encoder for VictoriaLogs {
    fn content_type(&self) -> &'static str {
        "application/stream+json"
    }
    fn encode(&mut self, records: &[Record<'_>], out: &mut Vec<u8>) {
        for record in records {
            let view = View::new(record);
            let start = out.len();
            let mut kept = view.body.len();
            push_line(out, &view, kept);
            while out.len() - start > LINE_BYTES_MAX && kept > 0 {
                // Escapes make up to six bytes of one: what is over says how much is too much at least.
                let over = out.len() - start - LINE_BYTES_MAX;
                kept = kept.saturating_sub(over.div_ceil(6).max(kept / 8));
                out.truncate(start);
                push_line(out, &view, kept);
            }
            out.push(b'\n');
        }
    }
}

fn push_line(out: &mut Vec<u8>, view: &View<'_>, body_bytes: usize) {
    let body = cut(&view.body, body_bytes);
    let mut line = Object::begin(out);
    // A line without text is none for VictoriaLogs.
    line.field("_time", &*view.timestamp).field("_msg", if body.is_empty() { " " } else { body });
    line.text("observed_timestamp", &view.observed).text("event_name", &view.event_name).text("level", &view.severity_text);
    for (name, value) in view.resource.iter().chain(&view.attributes) {
        // Nobody but us says what the time and the text are.
        if name.starts_with('_') || matches!(&**name, "level" | "event_name" | "observed_timestamp") {
            line.text(&format!("attributes.{name}"), value);
        } else {
            line.text(name, value);
        }
    }
    line.field("log.record.uid", &*view.uid).text("squelch.stream", &view.stream).field("squelch.kind", view.kind.as_str());
    for (name, value) in &view.rest {
        // The bytes of a text that is cut would make the line longer than the text did.
        if body.len() == view.body.len() || name != "squelch.body_base64" {
            line.field(name, value);
        }
    }
    if body.len() < view.body.len() {
        line.field("squelch.body_bytes", &view.body.len());
    }
    line.end();
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, check_uids};
    use super::*;

    #[test]
    fn the_body_is_what_it_was() {
        insta::assert_snapshot!(samples::shown(&mut VictoriaLogs));
        check_uids(&mut VictoriaLogs);
    }

    #[test]
    fn no_line_is_longer_than_what_is_taken_and_what_was_cut_says_so() {
        let body = samples::encoded(&mut VictoriaLogs, &samples::hostile());
        let lines: Vec<&[u8]> = body.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n').collect();
        assert!(lines.iter().all(|line| line.len() <= LINE_BYTES_MAX));
        let longest = lines.iter().max_by_key(|line| line.len()).unwrap();
        assert!(longest.len() > LINE_BYTES_MAX * 3 / 4, "no more is cut than must be: {}", longest.len());
        assert!(longest.ends_with(b",\"squelch.body_bytes\":1048576}"));
    }
}
