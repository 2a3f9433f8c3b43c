//! The live footer: a few lines at the bottom of a terminal that say which storms go on and what is being collapsed right now.

use super::storm_text;
use super::style::{BOLD, DIM, FIGURE, OURS, Style};
use super::summary_line::push_shortened;
use crate::fingerprint::Fingerprint;
use crate::storm::StormReport;
use crate::time::{MILLI, UnixNanos};
use crate::units::show_count;
use std::io::Write;
use std::sync::Arc;

/// Redrawing faster than this is only flicker: five times a second.
pub const REDRAW_NS: i64 = 200 * MILLI;
/// Most lines shown of each kind.
pub const LINES_MAX: usize = 3;
/// A terminal narrower than this gets no footer.
const COLUMNS_MIN: usize = 40;

/// What is on the screen now.
#[derive(Debug, Default)]
pub struct Footer {
    lines_shown: usize,
    drawn_at: UnixNanos,
}

impl Footer {
    /// Removes the footer from the screen; the cursor is where log lines go on.
    pub fn erase(&mut self, out: &mut Vec<u8>) {
        if self.lines_shown > 0 {
            write!(out, "\x1b[{}F\x1b[J", self.lines_shown).expect("writing to memory cannot fail");
            self.lines_shown = 0;
        }
    }

    /// Whether it may be drawn again: it is gone, or old.
    #[must_use]
    pub const fn is_due(&self, now: UnixNanos) -> bool {
        self.lines_shown == 0 || now.since(self.drawn_at) >= REDRAW_NS || now.0 < self.drawn_at.0
    }

    /// Whether it is on the screen.
    #[must_use]
    pub const fn is_shown(&self) -> bool {
        self.lines_shown > 0
    }

    /// Draws it anew: storms first. `rows`: (fingerprint, records absorbed in open windows, records per second), busiest first.
    pub fn draw(
        &mut self,
        out: &mut Vec<u8>,
        storms: &[StormReport],
        rows: &[(Arc<Fingerprint>, u64, f64)],
        now: UnixNanos,
        columns: usize,
        style: Style,
    ) {
        self.erase(out);
        self.drawn_at = now;
        if columns < COLUMNS_MIN {
            return;
        }
        for storm in storms.iter().take(LINES_MAX) {
            write!(out, "{}▍ {} ", style.on(OURS), style.on(storm_text::of_level(storm.alert_level))).expect("writing to memory cannot fail");
            // Mark, spaces, and one column free so that no terminal wraps.
            push_shortened(out, storm_text::state_line(storm).as_bytes(), columns.saturating_sub(5).max(1));
            out.extend_from_slice(style.off().as_bytes());
            out.push(b'\n');
            self.lines_shown += 1;
        }
        for (i, (fingerprint, absorbed, rate)) in rows.iter().take(LINES_MAX).enumerate() {
            let mark = if i == 0 { "squelch" } else { "       " };
            let figures = format!("{:>9} × {:>7}/s", show_count(*absorbed), show_rate(*rate));
            let class = if fingerprint.class.is_retry_like() { fingerprint.class.as_str() } else { "flood" };
            // Everything but the template: mark, spaces, figures, class; one column stays free so that no terminal wraps.
            let taken = 2 + mark.len() + 2 + figures.chars().count() + 2 + class.len() + 2 + 1 + 1;
            write!(
                out,
                "{}▍ {mark}{}  {}{figures}{}  {}{class}{}  {}",
                style.on(OURS),
                style.off(),
                style.on(FIGURE),
                style.off(),
                style.on(DIM),
                style.off(),
                style.on(BOLD)
            )
            .expect("writing to memory cannot fail");
            push_shortened(out, fingerprint.template.as_bytes(), columns.saturating_sub(taken).max(1));
            out.extend_from_slice(style.off().as_bytes());
            out.push(b'\n');
            self.lines_shown += 1;
        }
    }
}

fn show_rate(rate: f64) -> String {
    if rate >= 10.0 { show_count(rate.round() as u64) } else { format!("{rate:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::storm_record::tests::storm;
    use crate::record::{Class, ClassSource, Severity};

    #[test]
    fn it_fits_the_width_and_erases_what_it_drew() {
        let row = (Arc::new(Fingerprint::new(Severity::Error, "x".repeat(500), Class::Retry, ClassSource::Guess)), 12_034, 1203.4);
        let mut footer = Footer::default();
        let mut out = Vec::new();
        footer.draw(&mut out, &[storm()], &[row.clone(), row], UnixNanos(0), 80, Style::default());
        let text = String::from_utf8(std::mem::take(&mut out)).unwrap();
        assert_eq!(text.lines().map(|line| line.chars().count()).collect::<Vec<_>>(), [79, 79, 79]);
        assert!(text.contains("12,034 ×   1,203/s  retry"));
        footer.erase(&mut out);
        assert_eq!(out, b"\x1b[3F\x1b[J");
        assert!(!footer.is_shown());
    }
}
