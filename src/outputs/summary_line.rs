//! A summary as one line for people: how often, how fast, what; then who, whom, how and when.
//!
//! ```text
//! [squelch] 12,034 × in 10.0s (1,203/s) ERROR retry "Connection to <host> failed, retrying in <dur>" · 12 instances → mq-1:61616
//!           (98%) · attempts 12..13,768 · says 0ms, comes every 8ms (p99 1.0s) · 12:01:00.020Z to 12:01:10.010Z · 3a7f01c2d4e5f607
//! ```
//! (one line; broken here). What decides at 3 AM stands first; the id, for searching, last.

use super::escape::push_visible;
use super::style::{self, BOLD, DIM, FIGURE, OURS, Style};
use super::timestamp::time_of_day;
use crate::collapse::summary::{Cause, CloseReason, Range, Summary};
use crate::record::{ClassSource, Severity};
use crate::time::{MILLI, SECOND};
use crate::units::{show_count, show_duration};
use std::io::Write;

/// Every summary line begins so.
pub const PREFIX: &str = "[squelch]";

/// Longest template shown; the whole of it is in the JSON record.
const TEMPLATE_CHARS_MAX: usize = 240;
/// Targets named before "and n more".
const TARGETS_SHOWN: usize = 2;
/// Longest target or instance shown.
const VALUE_CHARS_MAX: usize = 80;

/// Appends one line, its newline included. `stream` is named when there are several; `is_aligned` keeps the figures of consecutive
/// lines under each other.
pub fn push(out: &mut Vec<u8>, summary: &Summary, stream: Option<&str>, style: Style, is_aligned: bool) {
    write(out, summary, stream, style, is_aligned).expect("writing to memory cannot fail");
}

fn write(out: &mut Vec<u8>, summary: &Summary, stream: Option<&str>, style: Style, is_aligned: bool) -> std::io::Result<()> {
    let off = style.off();
    write!(out, "{}{PREFIX}{off} ", style.on(OURS))?;
    let span = summary.last.since(summary.first).max(0);
    let count = show_count(summary.count);
    let width = if is_aligned { 9 } else { 0 };
    write!(out, "{}{count:>width$} ×{off}", style.on(FIGURE))?;
    if span >= MILLI {
        write!(out, " in {}", show_duration(span))?;
    }
    if let Some(rate) = per_second(summary.count, span) {
        write!(out, " ({rate}/s)")?;
    }
    out.push(b' ');
    if summary.fingerprint.severity != Severity::Unknown {
        let word = summary.fingerprint.severity.as_str().to_uppercase();
        let colour = style::of_severity(summary.fingerprint.severity);
        write!(out, "{}{word}{} ", style.on(colour), if colour.is_empty() { "" } else { off })?;
    }
    match (summary.fingerprint.class.is_retry_like(), summary.cause) {
        (true, _) => write!(out, "{} ", summary.fingerprint.class)?,
        (false, Cause::Flood) => write!(out, "flood ")?,
        (false, Cause::Companion) => write!(out, "companion ")?,
        (false, Cause::Rule | Cause::Guess) => {}
    }
    write!(out, "{}\"", style.on(BOLD))?;
    push_shortened(out, summary.fingerprint.template.as_bytes(), TEMPLATE_CHARS_MAX);
    write!(out, "\"{off}")?;
    write_who(out, summary, stream)?;
    write_how(out, summary)?;
    write_why(out, summary)?;
    write!(out, " · {} to {}", time_of_day(summary.first), time_of_day(summary.last))?;
    writeln!(out, " · {}{}{off}", style.on(DIM), summary.fingerprint.id())
}

fn write_who(out: &mut Vec<u8>, summary: &Summary, stream: Option<&str>) -> std::io::Result<()> {
    if let Some(stream) = stream {
        write!(out, " · ")?;
        push_shortened(out, stream.as_bytes(), VALUE_CHARS_MAX);
    }
    match summary.instances.count {
        0 => {}
        1 => {
            write!(out, " · instance ")?;
            if let Some((name, _)) = summary.instances.top.first() {
                push_shortened(out, name, VALUE_CHARS_MAX);
            }
        }
        n => write!(out, " · {}{} instances", if summary.instances.is_estimate { "about " } else { "" }, show_count(n))?,
    }
    let named: u64 = summary.targets.top.iter().map(|(_, n)| n).sum();
    for (i, (target, count)) in summary.targets.top.iter().take(TARGETS_SHOWN).enumerate() {
        write!(out, "{}", if i == 0 { " → " } else { ", " })?;
        push_shortened(out, target, VALUE_CHARS_MAX);
        if summary.targets.count > 1 {
            write!(out, " ({}%)", count * 100 / named.max(summary.count).max(1))?;
        }
    }
    let more = summary.targets.count.saturating_sub(TARGETS_SHOWN as u64);
    if more > 0 {
        write!(out, " and {}{} more", if summary.targets.is_estimate { "about " } else { "" }, show_count(more))?;
    }
    Ok(())
}

fn write_how(out: &mut Vec<u8>, summary: &Summary) -> std::io::Result<()> {
    if let Some(attempts) = summary.attempts {
        write!(out, " · attempt{} {}", if attempts.min == attempts.max { "" } else { "s" }, show_range(attempts, show_signed))?;
        if let Some(max) = summary.max_attempts {
            write!(out, " of {}", show_signed(max))?;
        }
    } else if let Some(max) = summary.max_attempts {
        write!(out, " · at most {} attempts", show_signed(max))?;
    }
    if let Some(delays) = summary.delays {
        write!(out, " · says {}", show_range(delays, show_duration_short))?;
    }
    if let Some(gaps) = summary.intervals.as_deref().filter(|gaps| !gaps.is_empty()) {
        let gap = |quantile| show_gap(gaps.value_at_quantile(quantile));
        write!(out, "{}comes every {} (p99 {})", if summary.delays.is_some() { ", " } else { " · " }, gap(0.5), gap(0.99))?;
    }
    Ok(())
}

fn write_why(out: &mut Vec<u8>, summary: &Summary) -> std::io::Result<()> {
    if summary.lines != summary.count {
        write!(out, " · {} lines", show_count(summary.lines))?;
    }
    if summary.late > 0 {
        write!(out, " · {} late", show_count(summary.late))?;
    }
    match summary.reason {
        CloseReason::CellEnd | CloseReason::Shutdown => {}
        CloseReason::Evicted => write!(out, " · closed early, table full")?,
        CloseReason::FinalOutcome => write!(out, " · ended by {}", summary.outcome.as_ref().map_or("its outcome", |outcome| outcome.class.as_str()))?,
        CloseReason::StormEnd => write!(out, " · closed as the rate fell")?,
    }
    if let ClassSource::Rule(rule) = &summary.fingerprint.source
        && summary.fingerprint.class.is_retry_like()
    {
        write!(out, " · rule {rule}")?;
    }
    Ok(())
}

/// Records per second, when the span says anything about it.
fn per_second(count: u64, span_ns: i64) -> Option<String> {
    if span_ns < 50 * MILLI || count < 2 {
        return None;
    }
    let rate = (count - 1) as f64 * SECOND as f64 / span_ns as f64;
    Some(if rate >= 10.0 { show_count(rate.round() as u64) } else { format!("{rate:.1}") })
}

fn show_range(range: Range, show: impl Fn(i64) -> String) -> String {
    if range.min == range.max { show(range.min) } else { format!("{}..{}", show(range.min), show(range.max)) }
}

fn show_signed(n: i64) -> String {
    format!("{}{}", if n < 0 { "-" } else { "" }, show_count(n.unsigned_abs()))
}

/// As [`show_duration`], but a plain `0ms` for nothing.
pub(crate) fn show_duration_short(nanos: i64) -> String {
    if nanos == 0 { "0ms".into() } else { show_duration(nanos) }
}

/// A gap in microseconds; below a millisecond a recorded figure says more about buffers than about clients.
fn show_gap(micros: u64) -> String {
    if micros < 1000 { "under 1ms".into() } else { show_duration(i64::try_from(micros).unwrap_or(i64::MAX).saturating_mul(1000)) }
}

/// Appends at most `chars_max` characters, controls made visible, one line.
pub(crate) fn push_shortened(out: &mut Vec<u8>, text: &[u8], chars_max: usize) {
    let text = String::from_utf8_lossy(text);
    match text.char_indices().nth(chars_max) {
        None => push_visible(out, text.as_bytes(), false),
        Some((cut, _)) => {
            push_visible(out, &text.as_bytes()[..cut], false);
            out.extend_from_slice("…".as_bytes());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::collapse::summary::{Distinct, Sample};
    use crate::fingerprint::Fingerprint;
    use crate::record::{Class, StreamId};
    use crate::time::UnixNanos;
    use hdrhistogram::Histogram;
    use std::sync::Arc;

    pub(crate) fn storm() -> Summary {
        let mut gaps = Histogram::<u32>::new(2).unwrap();
        for _ in 0..990 {
            gaps.record(8000).unwrap();
        }
        gaps.record_n(1_000_000, 10).unwrap();
        let start = UnixNanos(1_767_225_600 * SECOND);
        Summary {
            fingerprint: Arc::new(Fingerprint::new(
                Severity::Error,
                "Connection to <host> failed, retrying in <dur>",
                Class::Retry,
                ClassSource::Guess,
            )),
            stream: StreamId(0),
            count: 12_034,
            lines: 12_034,
            bytes: 1_203_400,
            first: start.plus(20 * MILLI),
            last: start.plus(10 * SECOND - MILLI),
            cell_start: start,
            cell_end: start.plus(10 * SECOND),
            part: 1,
            reason: CloseReason::CellEnd,
            cause: Cause::Guess,
            per_10s: vec![(1_767_225_600, 12_034)],
            per_second: Vec::new(),
            samples: vec![Sample { at: start, ordinal: 1, text: b"Connection to mq-1:61616 failed, retrying in 0ms".to_vec() }],
            intervals: Some(Box::new(gaps)),
            instances: Distinct { count: 12, is_estimate: false, top: vec![(b"app-1".to_vec().into(), 1003)], ..Distinct::default() },
            targets: Distinct {
                count: 2,
                is_estimate: false,
                top: vec![(b"mq-1:61616".to_vec().into(), 11_794), (b"mq-2:61616".to_vec().into(), 240)],
                ..Distinct::default()
            },
            attempts: Some(Range { min: 12, max: 13_768 }),
            max_attempts: None,
            delays: Some(Range { min: 0, max: 0 }),
            late: 0,
            outcome: None,
        }
    }

    fn check(summary: &Summary, expected: &str) {
        let mut out = Vec::new();
        push(&mut out, summary, None, Style::default(), false);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_summary_is_one_line_that_says_how_often_what_who_and_how() {
        check(
            &storm(),
            "[squelch] 12,034 × in 10.0s (1,206/s) ERROR retry \"Connection to <host> failed, retrying in <dur>\" · 12 instances → mq-1:61616 (98%), \
             mq-2:61616 (1%) · attempts 12..13,768 · says 0ms, comes every 8ms (p99 8ms) · 00:00:00.020Z to 00:00:09.999Z · 6b2e2ee8ba3ae37d\n"
                .replace("6b2e2ee8ba3ae37d", &storm().fingerprint.id().to_string())
                .as_str(),
        );
    }

    #[test]
    fn what_is_not_known_is_not_mentioned() {
        let mut summary = storm();
        summary.fingerprint = Arc::new(Fingerprint::new(Severity::Unknown, "tick\nover\x1b[2J", Class::None, ClassSource::Guess));
        (summary.intervals, summary.attempts, summary.delays) = (None, None, None);
        (summary.instances, summary.targets) = (Distinct::default(), Distinct::default());
        summary.last = summary.first;
        summary.count = 2;
        summary.lines = 4;
        let id = summary.fingerprint.id();
        check(&summary, &format!("[squelch] 2 × \"tick\\nover\\e[2J\" · 4 lines · 00:00:00.020Z to 00:00:00.020Z · {id}\n"));
    }
}
