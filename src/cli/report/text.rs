//! The report for a terminal.

use super::findings::{Findings, StormFound, answers, facts, policy, span};
use crate::engine::TemplateRow;
use crate::outputs::escape::push_visible;
use crate::outputs::stats;
use crate::outputs::storm_text::{kind_of, of_level, push_burst_plain};
use crate::outputs::style::{self, BOLD, DIM, Style};
use crate::outputs::summary_line::push_shortened;
use crate::outputs::timestamp::date_and_time;
use crate::record::Severity;
use crate::storm::{Burst, Diagnosed};
use crate::units::{show_bytes, show_count};
use std::fmt::{self, Write};

/// Longest template in a table.
const TEMPLATE_CHARS_MAX: usize = 160;
/// Bursts shown.
const BURSTS_SHOWN: usize = 20;
/// Diagnoses shown.
const DIAGNOSES_SHOWN: usize = 20;

/// The report. `top`: templates at most.
pub fn render(findings: &Findings, top: usize, style: Style) -> String {
    let mut out = String::new();
    write(&mut out, findings, top, style).expect("writing to memory cannot fail");
    out
}

fn write(out: &mut String, findings: &Findings, top: usize, style: Style) -> fmt::Result {
    let Findings { accounting, bytes_out, templates, .. } = findings;
    if let Some((first, last)) = span(templates) {
        writeln!(out, "{} to {}", date_and_time(first), date_and_time(last))?;
    }
    let lines_out = stats::lines_out(accounting);
    let (lines, bytes) = (stats::reduction(accounting.read, lines_out), stats::reduction(accounting.bytes_read, *bytes_out));
    writeln!(out, "lines  {:>14} in {:>14} out   {} fewer", show_count(accounting.read), show_count(lines_out), stats::percent(lines))?;
    writeln!(out, "bytes  {:>14} in {:>14} out   {} fewer", show_bytes(accounting.bytes_read), show_bytes(*bytes_out), stats::percent(bytes))?;
    out.push_str(&stats::text(accounting, *bytes_out, Style::default()));
    for found in &findings.storms {
        write_storm(out, found, findings, style)?;
    }
    if !findings.bursts.is_empty() {
        write_bursts(out, &findings.bursts, style)?;
    }
    if !findings.diagnoses.is_empty() {
        write_diagnoses(out, &findings.diagnoses, style)?;
    }
    if templates.is_empty() || top == 0 {
        return Ok(());
    }
    let shown = templates.len().min(top);
    let header = format!("templates, most lines first ({} of {})", show_count(shown as u64), show_count(templates.len() as u64));
    writeln!(out, "\n{}", style.paint(BOLD, &header))?;
    writeln!(out, "{}", style.paint(DIM, "     lines      %  severity  class       fingerprint       template"))?;
    for row in &templates[..shown] {
        write_row(out, row, accounting.read, style)?;
    }
    Ok(())
}

fn write_storm(out: &mut String, found: &StormFound, findings: &Findings, style: Style) -> fmt::Result {
    let storm = &found.report;
    let title = format!("[{}] {} {}", storm.alert_level.as_str().to_uppercase(), kind_of(storm), storm.id);
    writeln!(out, "\n{}", style.paint(of_level(storm.alert_level), &title))?;
    for (i, fingerprint) in storm.fingerprints.iter().take(5).enumerate() {
        writeln!(out, "  {}{}", style.paint(DIM, if i == 0 { "message    " } else { "           " }), visible(&fingerprint.template))?;
    }
    for (name, fact) in facts(found) {
        writeln!(out, "  {}{}", style.paint(DIM, &format!("{name:<11}")), visible(&fact))?;
    }
    for (i, answer) in answers(found, findings).iter().enumerate() {
        writeln!(out, "  {}. {} {}", i + 1, style.paint(BOLD, answer.question), visible(&answer.answer))?;
    }
    Ok(())
}

fn write_bursts(out: &mut String, bursts: &[Burst], style: Style) -> fmt::Result {
    let shown = bursts.len().min(BURSTS_SHOWN);
    let header = format!("bursts, for information ({} of {})", show_count(shown as u64), show_count(bursts.len() as u64));
    writeln!(out, "\n{}", style.paint(BOLD, &header))?;
    let mut line = Vec::new();
    for burst in &bursts[..shown] {
        line.clear();
        push_burst_plain(&mut line, burst);
        writeln!(out, "  {}", String::from_utf8_lossy(&line))?;
    }
    Ok(())
}

fn write_diagnoses(out: &mut String, diagnoses: &[Diagnosed], style: Style) -> fmt::Result {
    let shown = diagnoses.len().min(DIAGNOSES_SHOWN);
    let header = format!("retry policies, most lines first ({} of {})", show_count(shown as u64), show_count(diagnoses.len() as u64));
    writeln!(out, "\n{}", style.paint(BOLD, &header))?;
    writeln!(out, "{}", style.paint(DIM, "     lines  jitter   lock-step  instances  outcome    template, and below it the policy"))?;
    for diagnosed in &diagnoses[..shown] {
        let verdict = &diagnosed.verdict;
        let instances = verdict
            .instances
            .map_or_else(|| "-".to_owned(), |n| format!("{}{}", if verdict.instances_are_estimated { "~" } else { "" }, show_count(n)));
        writeln!(
            out,
            "{:>10}  {:<7}  {:<9}  {instances:>9}  {:<9}  {}",
            show_count(diagnosed.lines),
            verdict.jitter.as_str(),
            verdict.lockstep.as_str(),
            verdict.outcome.as_str(),
            shortened(&diagnosed.fingerprint.template),
        )?;
        writeln!(out, "{:>12}{}", "", style.paint(BOLD, &policy(verdict)))?;
    }
    Ok(())
}

fn write_row(out: &mut String, row: &TemplateRow, lines_read: u64, style: Style) -> fmt::Result {
    let share = row.lines as f64 * 100.0 / lines_read.max(1) as f64;
    let severity = row.fingerprint.severity;
    let colour = style::of_severity(severity);
    let class = if row.fingerprint.class.is_retry_like() { row.fingerprint.class.as_str() } else { "-" };
    writeln!(
        out,
        "{:>10} {share:>6.2}  {}{:<8}{}  {class:<10}  {}  {}{}",
        show_count(row.lines),
        style.on(colour),
        if severity == Severity::Unknown { "-" } else { severity.as_str() },
        if colour.is_empty() { "" } else { style.off() },
        style.paint(DIM, &row.fingerprint.id().to_string()),
        shortened(&row.fingerprint.template),
        if row.streams > 1 { format!("  ({} streams)", row.streams) } else { String::new() },
    )
}

fn shortened(template: &str) -> String {
    let mut short = Vec::new();
    push_shortened(&mut short, template.as_bytes(), TEMPLATE_CHARS_MAX);
    String::from_utf8_lossy(&short).into_owned()
}

/// Log text must not move the cursor.
fn visible(text: &str) -> String {
    let mut out = Vec::new();
    push_visible(&mut out, text.as_bytes(), false);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::findings::tests::{findings, row};
    use super::*;

    #[test]
    fn the_text_says_what_came_in_and_what_would_go_out() {
        let id = row("Connection to <host> failed").fingerprint.id();
        assert_eq!(
            render(&findings(), 20, Style::default()),
            format!(
                "1970-01-01 00:00:00Z to 1970-01-01 00:01:00Z\n\
                 lines           1,000 in            106 out   89.4 % fewer\n\
                 bytes        97.7 KiB in       10.7 KiB out   89.0 % fewer\n\
                 squelch: read 1,000 lines (97.7 KiB) = 100 forwarded + 900 in 6 summaries + 0 dropped + 0 open; 89.4 % fewer lines, 89.0 % fewer bytes\n\
                 \n\
                 templates, most lines first (1 of 1)\n\
                 \x20    lines      %  severity  class       fingerprint       template\n\
                 \x20      900  90.00  error     retry       {id}  Connection to <host> failed  (3 streams)\n"
            )
        );
    }
}
