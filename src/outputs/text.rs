//! The text face: survivors byte for byte, summaries as `[squelch]` lines. On a terminal control characters are shown escaped, the
//! severity gets a quiet colour and a footer lives at the bottom.

use super::footer::{Footer, LINES_MAX, REDRAW_NS};
use super::style::{self, Style};
use super::writer::Writer;
use super::{Output, StreamName, StreamNames, escape, summary_line};
use crate::collapse::summary::Summary;
use crate::engine::{Engine, Forwarded, Sink};
use crate::record::{Severity, StreamId};
use crate::time::UnixNanos;

/// A buffer that is handed to the writer when it has grown to this: large enough to make the hand-over cheap.
pub const BATCH_BYTES: usize = 64 << 10;

/// What the terminal can do; absent for a pipe or a file.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// Asks for the width in columns: it changes while we run.
    pub columns: fn() -> usize,
    /// Whether the cursor can be moved (not `TERM=dumb`).
    pub has_footer: bool,
}

/// Text to standard output.
pub struct TextOutput {
    writer: Writer,
    buffer: Vec<u8>,
    names: StreamNames,
    style: Style,
    terminal: Option<Terminal>,
    footer: Footer,
    ends_with_newline: bool,
    bytes_out: u64,
}

impl TextOutput {
    /// An output that hands its bytes to `writer`.
    #[must_use]
    pub fn new(writer: Writer, style: Style, terminal: Option<Terminal>) -> Self {
        Self { writer, buffer: Vec::with_capacity(BATCH_BYTES), names: StreamNames::default(), style, terminal, footer: Footer::default(), ends_with_newline: true, bytes_out: 0 }
    }
    /// Bytes of records and summaries so far.
    #[must_use]
    pub const fn bytes_out(&self) -> u64 {
        self.bytes_out
    }
    /// Removes the footer, writes what is left and gives the writer back.
    #[must_use]
    pub fn into_writer(mut self) -> Writer {
        self.footer.erase(&mut self.buffer);
        self.idle();
        self.writer
    }
    fn begin(&mut self) {
        if self.terminal.is_some() {
            self.footer.erase(&mut self.buffer);
        }
        // The last line of an input may come without a newline; what follows must not be glued to it.
        if !self.ends_with_newline {
            self.buffer.push(b'\n');
            self.ends_with_newline = true;
        }
    }
    fn end(&mut self) {
        if self.buffer.len() >= BATCH_BYTES {
            self.writer.push(&mut self.buffer);
        }
    }
    fn push_for_terminal(&mut self, raw: &[u8], severity: Severity) {
        let colour = self.style.on(style::of_severity(severity));
        self.buffer.extend_from_slice(colour.as_bytes());
        let text = raw.strip_suffix(b"\n").unwrap_or(raw);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        escape::push_visible(&mut self.buffer, text, true);
        if !colour.is_empty() {
            self.buffer.extend_from_slice(self.style.off().as_bytes());
        }
        self.buffer.extend_from_slice(&raw[text.len()..]);
    }
}

impl Sink for TextOutput {
    fn forward(&mut self, record: &Forwarded<'_>) {
        self.begin();
        if self.terminal.is_some() {
            self.push_for_terminal(record.raw, record.fingerprint.map_or(Severity::Unknown, |fingerprint| fingerprint.severity));
        } else {
            self.buffer.extend_from_slice(record.raw);
        }
        self.ends_with_newline = record.raw.ends_with(b"\n");
        self.bytes_out += record.raw.len() as u64;
        self.end();
    }

    fn summary(&mut self, summary: &Summary) {
        self.begin();
        let stream = (self.names.len() > 1).then(|| self.names.get_mut(summary.stream).label.clone());
        let before = self.buffer.len();
        summary_line::push(&mut self.buffer, summary, stream.as_deref(), self.style, self.terminal.is_some());
        self.bytes_out += (self.buffer.len() - before) as u64;
        self.end();
    }
}

impl Output for TextOutput {
    fn name_stream(&mut self, stream: StreamId, label: &str, epoch: UnixNanos, is_file: bool) {
        self.names.insert(stream, StreamName { label: label.into(), epoch, is_file, forwarded: 0 });
    }
    fn set_now(&mut self, _: UnixNanos) {}
    fn idle(&mut self) {
        self.writer.push(&mut self.buffer);
    }
    fn show_activity(&mut self, now: UnixNanos, engine: &Engine) -> Option<UnixNanos> {
        let terminal = self.terminal.filter(|terminal| terminal.has_footer)?;
        if !self.ends_with_newline {
            return None;
        }
        if self.footer.is_due(now) {
            let rows = engine.busiest(LINES_MAX);
            if rows.is_empty() {
                self.footer.erase(&mut self.buffer);
            } else {
                self.footer.draw(&mut self.buffer, &rows, now, (terminal.columns)(), self.style);
            }
            self.idle();
        }
        self.footer.is_shown().then(|| now.plus(REDRAW_NS))
    }
    fn is_closed(&self) -> bool {
        self.writer.has_failed()
    }
}
