//! Alerts as text. Every line of the block begins with `[squelch] `, so that `grep -v '^\[squelch\]'` leaves the survivors; the first
//! goes on with the alert level in brackets (`[squelch] [CRITICAL] Retry storm: ...`), the others are indented by two.

use super::escape::push_visible;
use super::style::{BOLD, Colour, DIM, OURS, Style};
use super::summary_line::{PREFIX, push_shortened};
use super::timestamp::time_of_day;
use crate::diagnosis::Verdict;
use crate::storm::{AlertLevel, Burst, StormEvent, StormReport, alert_text_with};
use crate::time::SECOND;
use crate::units::{show_count, show_duration};
use std::io::Write;

/// Longest template in the line that tells of the end.
const TEMPLATE_CHARS_MAX: usize = 160;

/// Appends the block of an alert, or the one line that ends it.
pub fn push(out: &mut Vec<u8>, event: &StormEvent, absorbed: u64, style: Style) {
    let mut text = Vec::new();
    push_plain(&mut text, event, absorbed, style);
    for (i, line) in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).enumerate() {
        out.extend_from_slice(style.on(OURS).as_bytes());
        out.extend_from_slice(PREFIX.as_bytes());
        out.extend_from_slice(style.off().as_bytes());
        out.extend_from_slice(if i == 0 { b" " } else { b"   " });
        out.extend_from_slice(line);
        out.push(b'\n');
    }
}

/// The same without the mark before each line: the body of records.
pub fn push_plain(out: &mut Vec<u8>, event: &StormEvent, absorbed: u64, style: Style) {
    let report = event.report();
    if let StormEvent::Resolved(_) = event {
        push_end(out, report, absorbed, style).expect("writing to memory cannot fail");
        out.push(b'\n');
        return;
    }
    let text = alert_text_with(report, Some(absorbed));
    for (i, line) in text.lines().enumerate() {
        let colour = if i == 0 { of_level(report.alert_level) } else { "" };
        // The first word of a line names it; what it says is the reader's.
        let (name, rest) = if i > 0 && line.len() > 7 && line.is_char_boundary(7) { line.split_at(7) } else { ("", line) };
        out.extend_from_slice(style.on(if i == 0 { colour } else { DIM }).as_bytes());
        out.extend_from_slice(name.as_bytes());
        if i > 0 {
            out.extend_from_slice(style.off().as_bytes());
        }
        push_visible(out, rest.as_bytes(), false);
        if i == 0 {
            push_news(out, event);
            out.extend_from_slice(style.off().as_bytes());
        }
        out.push(b'\n');
    }
}

/// Appends the line that tells of a burst.
pub fn push_burst(out: &mut Vec<u8>, burst: &Burst, style: Style) {
    out.extend_from_slice(style.on(OURS).as_bytes());
    out.extend_from_slice(PREFIX.as_bytes());
    out.extend_from_slice(style.off().as_bytes());
    out.push(b' ');
    push_burst_plain(out, burst);
    out.push(b'\n');
}

/// The same without the mark: the body of the record.
pub fn push_burst_plain(out: &mut Vec<u8>, burst: &Burst) {
    out.extend_from_slice(if burst.is_usual { b"[INFO] Retries as usual \"" } else { b"[INFO] Burst \"" });
    push_shortened(out, burst.fingerprint.template.as_bytes(), TEMPLATE_CHARS_MAX);
    let usual = if burst.baseline < 0.05 { "none".into() } else { format!("{:.1}/s", burst.baseline) };
    let figures = format!(
        "\" · {} records in {}, peak {}/s (usually {usual}) · {} to {}",
        show_count(burst.records),
        show_duration(burst.end.since(burst.onset).max(0)),
        show_count(u64::from(burst.peak_per_second)),
        time_of_day(burst.onset),
        time_of_day(burst.end)
    );
    out.extend_from_slice(figures.as_bytes());
    if burst.is_usual {
        out.extend_from_slice(b", as often before at this time");
    }
}

/// What the alert tells beside the storm itself.
fn push_news(out: &mut Vec<u8>, event: &StormEvent) {
    let news = match event {
        StormEvent::Firing(_) | StormEvent::Resolved(_) => String::new(),
        StormEvent::Ongoing(_) => " (goes on)".into(),
        StormEvent::LevelChanged(before, _) => format!(" (was {before})"),
        StormEvent::Resumed(_) => " (is back)".into(),
        StormEvent::OngoingAtEnd(_) => " (goes on where the input ends)".into(),
    };
    out.extend_from_slice(news.as_bytes());
}

fn push_end(out: &mut Vec<u8>, storm: &StormReport, absorbed: u64, style: Style) -> std::io::Result<()> {
    write!(out, "{}[OVER] {}{} \"", style.on(BOLD), kind_of(storm), style.off())?;
    push_shortened(out, storm.template().as_bytes(), TEMPLATE_CHARS_MAX);
    write!(out, "\"")?;
    if storm.fingerprints.len() > 1 {
        write!(out, " and {} more", storm.fingerprints.len() - 1)?;
    }
    let lasted = storm.last.since(storm.onset).max(0);
    write!(
        out,
        " · {} records in {}, {} absorbed, peak {}/s",
        show_count(storm.records),
        show_duration(lasted),
        show_count(absorbed),
        show_count(storm.peak_per_second)
    )?;
    if let Some(instances) = storm.instances {
        write!(
            out,
            " · {}{} instance{}",
            if storm.instances_are_estimated { "about " } else { "" },
            show_count(instances),
            if instances == 1 { "" } else { "s" }
        )?;
    }
    if let Some((target, _)) = storm.targets.first() {
        write!(out, " → ")?;
        push_shortened(out, target.as_bytes(), 80);
    }
    if let Some(verdict) = &storm.diagnosis {
        write!(out, " · policy {}", short_policy(verdict))?;
    }
    write!(out, " · {} to {} · {}{}{}", time_of_day(storm.onset), time_of_day(storm.last), style.on(DIM), storm.id, style.off())
}

/// `Retry storm`, `Crash loop` or `Slow retry loop`.
#[must_use]
pub fn kind_of(storm: &StormReport) -> &'static str {
    match super::storm_record::detected_by(storm) {
        "crash_loop" => "Crash loop",
        "slow_loop" => "Slow retry loop",
        _ => "Retry storm",
    }
}

/// The policy in a few words: `fixed every 1.0s`, `exponential from 100ms x2.0 to 30.0s`, `unknown`.
#[must_use]
pub fn short_policy(verdict: &Verdict) -> String {
    let ms = |ms: f64| show_duration((ms * 1e6) as i64);
    let mut text = verdict.policy.as_str().to_owned();
    if let (true, Some(base)) = (verdict.policy.is_growing(), verdict.base_ms) {
        text += &format!(" from {}", ms(base));
        if let Some(factor) = verdict.factor {
            text += &format!(" x{factor:.1}");
        }
        if let Some(cap) = verdict.cap_ms {
            text += &format!(" to {}", ms(cap));
        }
    } else if let Some(interval) = verdict.interval_ms {
        // Stamps say no more than milliseconds.
        text += &if interval < 1.0 { " every <1ms".to_owned() } else { format!(" every {}", ms(interval)) };
    }
    text
}

/// The colour of an alert level.
#[must_use]
pub const fn of_level(level: AlertLevel) -> Colour {
    match level {
        AlertLevel::Critical => "\x1b[1;31m",
        AlertLevel::Warning => "\x1b[1;33m",
        AlertLevel::Info => BOLD,
    }
}

/// A storm in one line, for the footer: rate, since when, who, policy.
#[must_use]
pub fn state_line(storm: &StormReport) -> String {
    let since = storm.last.since(storm.onset).max(0) / SECOND;
    let who = storm
        .instances
        .map_or_else(|| "instances not visible".to_owned(), |n| format!("{} instance{}", show_count(n), if n == 1 { "" } else { "s" }));
    let policy = storm.diagnosis.as_ref().map_or_else(|| "unknown yet".to_owned(), short_policy);
    let rate = if storm.rate >= 10.0 { show_count(storm.rate.round() as u64) } else { format!("{:.1}", storm.rate) };
    format!(
        "{} {} {rate}/s · since {} ({since} s) · {who} · {policy}",
        storm.alert_level.as_str().to_uppercase(),
        kind_of(storm).to_lowercase(),
        &time_of_day(storm.onset)[..8]
    )
}

#[cfg(test)]
mod tests {
    use super::super::storm_record::tests::storm;
    use super::*;
    use crate::fingerprint::Fingerprint;
    use crate::record::{Class, ClassSource, Severity};
    use crate::time::UnixNanos;
    use std::sync::Arc;

    fn text(event: &StormEvent, style: Style) -> String {
        let mut out = Vec::new();
        push(&mut out, event, 238_870, style);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_alert_is_a_block_whose_lines_all_carry_our_mark() {
        let text = text(&StormEvent::Firing(Box::new(storm())), Style::default());
        insta::assert_snapshot!("alert_block", text);
        assert!(text.lines().all(|line| line.starts_with("[squelch] ")));
    }

    #[test]
    fn on_a_terminal_the_first_line_has_the_colour_of_its_level() {
        let text = text(&StormEvent::Firing(Box::new(storm())), Style { is_coloured: true });
        assert!(text.starts_with("\x1b[36m[squelch]\x1b[0m \x1b[1;31m[CRITICAL] Retry storm: "), "{text:?}");
    }

    #[test]
    fn the_end_is_one_line() {
        let mut over = storm();
        over.resolved = Some(over.last.plus(60 * SECOND));
        assert_eq!(
            text(&StormEvent::Resolved(Box::new(over)), Style::default()),
            "[squelch] [OVER] Retry storm \"Connection to <host> failed: Connection refused, retrying in <dur>\" · 239,200 records in 3m 20s, 238,870 absorbed, \
             peak 1,431/s · 12 instances → activemq-1:61616 · policy immediate every 80ms · 00:01:00.020Z to 00:04:20.020Z · 3a7f01c2d4e5f607\n"
        );
    }

    #[test]
    fn text_from_the_log_cannot_move_the_cursor() {
        let mut storm = storm();
        storm.targets = vec![("mq\x1b[2J".into(), 1)];
        assert!(text(&StormEvent::Firing(Box::new(storm)), Style::default()).contains("mq\\e[2J"));
    }

    #[test]
    fn a_burst_is_one_line() {
        let fingerprint = Arc::new(Fingerprint::new(Severity::Info, "order processed id=<num>", Class::None, ClassSource::Guess));
        let onset = UnixNanos(1_767_225_660 * SECOND);
        let end = onset.plus(12 * SECOND);
        let burst = Burst { fingerprint, onset, end, records: 2400, peak_per_second: 230, baseline: 1.25, is_usual: false };
        let mut out = Vec::new();
        push_burst(&mut out, &burst, Style::default());
        assert_eq!(
            String::from_utf8_lossy(&out),
            "[squelch] [INFO] Burst \"order processed id=<num>\" · 2,400 records in 12.0s, peak 230/s (usually 1.2/s) · 00:01:00.000Z to 00:01:12.000Z\n"
        );
    }
}
