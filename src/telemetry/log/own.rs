//! The engine of our own log: lines in, lines out. No clock, no output: both belong to [`super::writer`].

use super::{Look, stamp};
use crate::collapse::summary::Summary;
use crate::engine::{Engine, Forwarded, Options, Sink};
use crate::outputs::escape::push_visible;
use crate::record::{Severity, StreamId};
use crate::storm::StormEvent;
use crate::telemetry::cut;
use crate::time::UnixNanos;
use crate::units::show_duration;
use std::io::Write;

/// Longest template in a line about repeats, in bytes.
const TEMPLATE_BYTES_MAX: usize = 240;

/// Our log has few messages and no flood but those that we cause: small tables, and repeats are collapsed much earlier than a user's.
fn options() -> Options {
    Options {
        guess_in_10s: 3,
        guess_in_10min: 10,
        flood_per_second: 1,
        line_bytes_max: 16 << 10,
        windows_max: 64,
        window_bytes_max: 256 << 10,
        fingerprints_max: 256,
        shapes_max: 256,
        streams_max: 1,
        storms: false,
        ..Options::default()
    }
}

/// The engine and what it let pass.
pub(super) struct OwnLog {
    engine: Engine,
    stream: StreamId,
    printer: Printer,
}

struct Printer {
    look: Look,
    now: UnixNanos,
    out: Vec<u8>,
}

impl OwnLog {
    pub(super) fn new(look: Look) -> Self {
        let mut engine = Engine::new(options());
        let stream = engine.open_stream("squelch", false, true);
        Self { engine, stream, printer: Printer { look, now: UnixNanos(0), out: Vec::new() } }
    }

    /// A line of ours, its newline included.
    pub(super) fn line(&mut self, now: UnixNanos, line: &[u8]) {
        self.wake(now);
        // Without a stamp before it, the blanks that align levels would hide the level.
        let line = if self.printer.look.for_journal { line.trim_ascii_start() } else { line };
        self.engine.feed(self.stream, now, line, &mut self.printer);
    }

    /// What is due by `now` goes out.
    pub(super) fn wake(&mut self, now: UnixNanos) {
        self.printer.now = now;
        if self.engine.next_wakeup().is_some_and(|due| due <= now) {
            self.engine.wake(now, &mut self.printer);
        }
    }

    /// When [`OwnLog::wake`] has something to do.
    pub(super) fn next_wakeup(&self) -> Option<UnixNanos> {
        self.engine.next_wakeup()
    }

    /// Everything goes out.
    pub(super) fn finish(&mut self, now: UnixNanos) {
        self.printer.now = now;
        self.engine.drain(now, &mut self.printer);
    }

    /// What is to be written; empties it.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.printer.out
    }
}

impl Printer {
    /// The priority by which the journal files a line (`sd-daemon(3)`).
    fn begin(&mut self, severity: Severity) {
        if self.look.for_journal && !self.look.is_json {
            let priority = match severity {
                Severity::Fatal => "<2>",
                Severity::Error => "<3>",
                Severity::Warn => "<4>",
                Severity::Info | Severity::Unknown => "<6>",
                Severity::Debug | Severity::Trace => "<7>",
            };
            self.out.extend_from_slice(priority.as_bytes());
        }
    }
}

impl Sink for Printer {
    fn forward(&mut self, record: &Forwarded<'_>) {
        self.begin(record.fingerprint.map_or(Severity::Unknown, |fingerprint| fingerprint.severity));
        self.out.extend_from_slice(record.raw);
    }

    fn summary(&mut self, summary: &Summary) {
        let fingerprint = &summary.fingerprint;
        let level = if fingerprint.severity == Severity::Unknown { Severity::Info } else { fingerprint.severity }.as_str().to_uppercase();
        let template = cut(&fingerprint.template, TEMPLATE_BYTES_MAX);
        let mut text = b"[squelch] \"".to_vec();
        push_visible(&mut text, template.as_bytes(), false);
        write!(text, "\" repeated {} times in {}", summary.count, show_duration(summary.duration_ns().max(0)))
            .expect("writing to memory cannot fail");
        let text = String::from_utf8_lossy(&text);
        self.begin(fingerprint.severity);
        if self.look.is_json {
            let line = serde_json::json!({
                "timestamp": stamp(self.now), "level": level, "message": text,
                "squelch.count": summary.count, "squelch.fingerprint": fingerprint.id().to_string(),
            });
            writeln!(self.out, "{line}").expect("writing to memory cannot fail");
        } else if self.look.for_journal {
            writeln!(self.out, "{level} {text}").expect("writing to memory cannot fail");
        } else {
            writeln!(self.out, "{} {level:>5} {text}", stamp(self.now)).expect("writing to memory cannot fail");
        }
    }

    fn storm(&mut self, _: &StormEvent, _: u64) {}
}
