//! The accounting, for people and for programs. It is the promise of squelch: no line is missing.

use super::style::{BOLD, Style};
use crate::engine::Accounting;
use crate::units::{show_bytes, show_count};
use serde::Serialize;
use std::fmt::Write;

/// The `accounting` object of `report` and of `--stats json`.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AccountingRecord {
    /// Lines read.
    pub lines_read: u64,
    /// Lines that passed.
    pub lines_forwarded: u64,
    /// Lines inside summaries.
    pub lines_summarised: u64,
    /// Lines dropped by a rule of the user's.
    pub lines_dropped: u64,
    /// Lines in windows and joins that are still open.
    pub lines_open: u64,
    /// Records made of the lines.
    pub records: u64,
    /// Summaries written.
    pub summaries: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written: forwarded lines and summaries.
    pub bytes_out: u64,
    /// Lines longer than the limit.
    pub overlong_lines: u64,
    /// Windows closed early because a table was full.
    pub evictions: u64,
    /// Records more than 2 s late.
    pub late_records: u64,
    /// Lines that others say were lost before we could read them; not part of the identity.
    pub lost_at_source: u64,
    /// Whether read = forwarded + summarised + dropped + open.
    pub holds: bool,
}

impl AccountingRecord {
    /// From the engine's own; `bytes_out` is known by the output.
    #[must_use]
    pub const fn new(accounting: &Accounting, bytes_out: u64) -> Self {
        Self {
            lines_read: accounting.read,
            lines_forwarded: accounting.forwarded,
            lines_summarised: accounting.summarised,
            lines_dropped: accounting.dropped,
            lines_open: accounting.open,
            records: accounting.records,
            summaries: accounting.summaries,
            bytes_read: accounting.bytes_read,
            bytes_out,
            overlong_lines: accounting.overlong_lines,
            evictions: accounting.evictions,
            late_records: accounting.late_records,
            lost_at_source: accounting.lost_at_source,
            holds: accounting.holds(),
        }
    }
}

/// `--stats json`: one line.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StatsRecord {
    /// Always `squelch.stats`.
    pub event_name: &'static str,
    /// The identity and what belongs to it.
    pub accounting: AccountingRecord,
    /// Share of lines that need not be shipped, 0..1.
    pub reduction_lines: f64,
    /// Share of bytes that need not be shipped, 0..1.
    pub reduction_bytes: f64,
}

/// `--stats json`, newline included.
#[must_use]
pub fn json(accounting: &Accounting, bytes_out: u64) -> String {
    let record = StatsRecord {
        event_name: "squelch.stats",
        accounting: AccountingRecord::new(accounting, bytes_out),
        reduction_lines: reduction(accounting.read, lines_out(accounting)),
        reduction_bytes: reduction(accounting.bytes_read, bytes_out),
    };
    let mut line = serde_json::to_string(&record).expect("numbers and words make valid JSON");
    line.push('\n');
    line
}

/// `--stats text`, newline included: the identity in one line, what the reader should know in further ones.
#[must_use]
pub fn text(accounting: &Accounting, bytes_out: u64, style: Style) -> String {
    let a = accounting;
    let mut out = format!(
        "squelch: read {} ({}) = {} forwarded + {} in {} + {} dropped + {} open",
        counted(a.read, "line", "lines"),
        show_bytes(a.bytes_read),
        show_count(a.forwarded),
        show_count(a.summarised),
        counted(a.summaries, "summary", "summaries"),
        show_count(a.dropped),
        show_count(a.open),
    );
    if a.read > 0 {
        let (lines, bytes) = (reduction(a.read, lines_out(a)), reduction(a.bytes_read, bytes_out));
        if lines > 0.0 || bytes > 0.0 {
            let figures = style.paint(BOLD, &format!("{} fewer lines, {} fewer bytes", percent(lines), percent(bytes)));
            let _ = write!(out, "; {figures}");
        }
    }
    out.push('\n');
    let remarks = [
        (a.overlong_lines, "line longer than --line-max, cut into several", "lines longer than --line-max, cut into several"),
        (a.evictions, "window closed early because a table was full", "windows closed early because a table was full"),
        (a.late_records, "record came more than 2 s late", "records came more than 2 s late"),
        (a.lost_at_source, "line was lost before it could be read, as the log says", "lines were lost before they could be read, as the log says"),
    ];
    for (n, one, many) in remarks {
        if n > 0 {
            let _ = writeln!(out, "squelch: {}", counted(n, one, many));
        }
    }
    out
}

/// Lines that went out: forwarded ones and one per summary.
#[must_use]
pub const fn lines_out(accounting: &Accounting) -> u64 {
    accounting.forwarded + accounting.summaries
}

/// The share that was saved, 0..1; never below 0.
#[must_use]
pub fn reduction(before: u64, after: u64) -> f64 {
    if before == 0 { 0.0 } else { (1.0 - after as f64 / before as f64).max(0.0) }
}

/// `99.9 %`, with more digits the nearer to all. Never rounds up to 100: something always remains.
#[must_use]
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = match percent {
        p if p < 99.9 => 1,
        p if p < 99.99 => 2,
        _ => 3,
    };
    let step = 10_f64.powi(digits);
    // The tiny addend undoes what binary fractions take from 99.95.
    format!("{:.*} %", digits as usize, (percent * step + 1e-6).floor() / step)
}

fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", show_count(n), if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storm() -> Accounting {
        Accounting {
            read: 1_234_567,
            forwarded: 1203,
            summarised: 1_233_364,
            summaries: 412,
            bytes_read: 248_512_512,
            bytes_forwarded: 200_000,
            ..Accounting::default()
        }
    }

    #[test]
    fn the_identity_is_one_line() {
        assert_eq!(
            text(&storm(), 300_000, Style::default()),
            "squelch: read 1,234,567 lines (237.0 MiB) = 1,203 forwarded + 1,233,364 in 412 summaries + 0 dropped + 0 open; 99.8 % fewer lines, 99.8 % fewer bytes\n"
        );
    }

    #[test]
    fn nothing_read_is_no_reduction() {
        assert_eq!(
            text(&Accounting::default(), 0, Style::default()),
            "squelch: read 0 lines (0 B) = 0 forwarded + 0 in 0 summaries + 0 dropped + 0 open\n"
        );
    }

    #[test]
    fn oddities_are_named() {
        let odd = Accounting { overlong_lines: 1, evictions: 2, ..storm() };
        let text = text(&odd, 0, Style::default());
        assert!(text.contains("\nsquelch: 1 line longer than --line-max, cut into several\nsquelch: 2 windows closed early"), "{text}");
    }

    #[test]
    fn the_json_form_says_whether_it_holds() {
        let value: serde_json::Value = serde_json::from_str(&json(&storm(), 300_000)).unwrap();
        assert_eq!(value["accounting"]["holds"], true);
        assert_eq!(value["accounting"]["lines_read"], 1_234_567);
    }

    #[test]
    fn a_share_is_never_rounded_to_all() {
        assert_eq!(percent(0.5), "50.0 %");
        assert_eq!(percent(0.9995), "99.95 %");
        assert_eq!(percent(0.999_999), "99.999 %");
    }
}
