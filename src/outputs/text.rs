//! The text face: survivors byte for byte, summaries as `[squelch]` lines. On a terminal control characters are shown escaped, the
//! severity gets a quiet colour and a footer lives at the bottom.

use super::footer::{Footer, LINES_MAX, REDRAW_NS};
use super::style::{self, Style};
use super::writer::Writer;
use super::{Output, StreamName, StreamNames, escape, storm_text, summary_line};
use crate::collapse::summary::Summary;
use crate::engine::{Engine, Forwarded, Sink};
use crate::record::{Severity, StreamId};
use crate::storm::{Burst, StormEvent};
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
    /// The stream whose last line has no end: a file's last line, or a piece of an overlong line.
    unended: Option<StreamId>,
    bytes_out: u64,
}

impl TextOutput {
    /// An output that hands its bytes to `writer`.
    #[must_use]
    pub fn new(writer: Writer, style: Style, terminal: Option<Terminal>) -> Self {
        Self {
            writer,
            buffer: Vec::with_capacity(BATCH_BYTES),
            names: StreamNames::default(),
            style,
            terminal,
            footer: Footer::default(),
            unended: None,
            bytes_out: 0,
        }
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
        if self.terminal.is_some() && self.unended.is_some() {
            self.buffer.push(b'\n'); // else the prompt, or the accounting, would be glued to it
        }
        self.idle();
        self.writer
    }
    /// Makes room for a record of `stream`, or for a line of ours.
    fn begin(&mut self, stream: Option<StreamId>) {
        if self.terminal.is_some() {
            self.footer.erase(&mut self.buffer);
        }
        // What follows must not be glued to a line without an end, unless it is the rest of that very line.
        if self.unended.is_some() && self.unended != stream {
            self.buffer.push(b'\n');
            self.bytes_out += 1;
        }
        self.unended = None;
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
        self.begin(Some(record.stream));
        if self.terminal.is_some() {
            self.push_for_terminal(record.raw, record.fingerprint.map_or(Severity::Unknown, |fingerprint| fingerprint.severity));
        } else {
            self.buffer.extend_from_slice(record.raw);
        }
        self.unended = (!record.raw.ends_with(b"\n")).then_some(record.stream);
        self.bytes_out += record.raw.len() as u64;
        self.end();
    }

    fn summary(&mut self, summary: &Summary) {
        self.begin(None);
        let stream = (self.names.len() > 1).then(|| self.names.get_mut(summary.stream).label.clone());
        let before = self.buffer.len();
        summary_line::push(&mut self.buffer, summary, stream.as_deref(), self.style, self.terminal.is_some());
        self.bytes_out += (self.buffer.len() - before) as u64;
        self.end();
    }

    fn storm(&mut self, event: &StormEvent, absorbed: u64) {
        self.begin(None);
        let before = self.buffer.len();
        storm_text::push(&mut self.buffer, event, absorbed, self.style);
        self.bytes_out += (self.buffer.len() - before) as u64;
        self.idle(); // an alert does not wait for others
    }

    fn burst(&mut self, burst: &Burst) {
        self.begin(None);
        let before = self.buffer.len();
        storm_text::push_burst(&mut self.buffer, burst, self.style);
        self.bytes_out += (self.buffer.len() - before) as u64;
        self.end();
    }
}

impl Output for TextOutput {
    fn name_stream(&mut self, stream: StreamId, label: &str, epoch: UnixNanos, is_file: bool) {
        self.names.insert(stream, StreamName { label: label.into(), epoch, is_file, ..StreamName::default() });
    }
    fn set_now(&mut self, _: UnixNanos) {}
    fn idle(&mut self) {
        self.writer.push(&mut self.buffer);
    }
    fn show_activity(&mut self, now: UnixNanos, engine: &Engine) -> Option<UnixNanos> {
        let terminal = self.terminal.filter(|terminal| terminal.has_footer)?;
        if self.unended.is_some() {
            return None;
        }
        if self.footer.is_due(now) {
            let rows = engine.busiest(LINES_MAX);
            let storms = engine.storms();
            if rows.is_empty() && storms.is_empty() {
                self.footer.erase(&mut self.buffer);
            } else {
                self.footer.draw(&mut self.buffer, &storms, &rows, now, (terminal.columns)(), self.style);
            }
            self.idle();
        }
        self.footer.is_shown().then(|| now.plus(REDRAW_NS))
    }
    fn is_closed(&self) -> bool {
        self.writer.has_failed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::summary_line::tests::storm;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(terminal: Option<Terminal>, style: Style, act: impl FnOnce(&mut TextOutput)) -> String {
        let screen = Screen::default();
        let mut output = TextOutput::new(Writer::start(screen.clone(), || {}, || {}).unwrap(), style, terminal);
        act(&mut output);
        output.into_writer().finish().unwrap();
        let bytes = screen.0.lock().unwrap().clone();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn forward(output: &mut TextOutput, stream: u32, raw: &[u8]) {
        let fingerprint = storm().fingerprint;
        let at = UnixNanos(0);
        output.forward(&Forwarded {
            raw,
            stream: StreamId(stream),
            place: Default::default(),
            arrival: at,
            working: at,
            event: None,
            lines: 1,
            fingerprint: Some(&fingerprint),
            would_absorb: false,
            fields: &[],
        });
    }

    const TERMINAL: Terminal = Terminal { columns: || 80, has_footer: true };

    #[test]
    fn pieces_of_a_long_line_are_put_together_again() {
        let text = written(None, Style::default(), |output| {
            forward(output, 0, b"one ");
            forward(output, 0, b"line\n");
        });
        assert_eq!(text, "one line\n");
    }

    #[test]
    fn nothing_is_glued_to_a_last_line_without_end() {
        let text = written(None, Style::default(), |output| {
            forward(output, 0, b"end of a");
            forward(output, 1, b"end of b");
            output.summary(&storm());
        });
        assert!(text.starts_with("end of a\nend of b\n[squelch] "), "{text}");
        assert_eq!(written(None, Style::default(), |output| forward(output, 0, b"end")), "end");
        assert_eq!(written(Some(TERMINAL), Style::default(), |output| forward(output, 0, b"end")), "end\n");
    }

    #[test]
    fn a_pipe_gets_bytes_and_a_terminal_gets_visible_text_in_the_severitys_colour() {
        let line = b"a\x1b[2Jb\r\n";
        assert_eq!(written(None, Style { is_coloured: true }, |output| forward(output, 0, line)), "a\x1b[2Jb\r\n");
        assert_eq!(written(Some(TERMINAL), Style { is_coloured: true }, |output| forward(output, 0, line)), "\x1b[31ma\\e[2Jb\x1b[0m\r\n");
    }

    #[test]
    fn the_footer_makes_room_for_what_comes() {
        let text = written(Some(TERMINAL), Style::default(), |output| {
            output.footer.draw(&mut output.buffer, &[], &[(storm().fingerprint, 5, 2.0)], UnixNanos(0), 80, Style::default());
            forward(output, 0, b"line\n");
        });
        assert!(text.starts_with("▍ squelch") && text.ends_with("\n\x1b[1F\x1b[Jline\n"), "{text:?}");
    }
}
