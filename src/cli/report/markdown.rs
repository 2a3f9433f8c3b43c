//! The report as Markdown, for an incident document.

use super::findings::{Findings, StormFound, answers, facts, policy, span};
use crate::engine::TemplateRow;
use crate::outputs::escape::push_visible;
use crate::outputs::stats::{lines_out, percent, reduction};
use crate::outputs::storm_text::kind_of;
use crate::outputs::timestamp::{date_and_time, time_of_day};
use crate::storm::Diagnosed;
use crate::units::{show_bytes, show_count};
use std::fmt::{self, Write};

/// Rows of the table of retry policies.
const DIAGNOSES_SHOWN: usize = 20;

/// The report. `top`: templates at most.
pub fn render(findings: &Findings, top: usize) -> String {
    let mut out = String::new();
    write(&mut out, findings, top).expect("writing to memory cannot fail");
    out
}

fn write(out: &mut String, findings: &Findings, top: usize) -> fmt::Result {
    let Findings { accounting, bytes_out, templates, storms, diagnoses, .. } = findings;
    let n = storms.len();
    writeln!(out, "# Retry report: {}", if n == 0 { "no storm".to_owned() } else { format!("{n} storm{}", if n == 1 { "" } else { "s" }) })?;
    if let Some((first, last)) = span(templates) {
        writeln!(
            out,
            "\nLog from {} to {}, {} lines ({}).",
            date_and_time(first),
            date_and_time(last),
            show_count(accounting.read),
            show_bytes(accounting.bytes_read)
        )?;
    }
    for (i, found) in storms.iter().enumerate() {
        write_storm(out, i + 1, found, findings)?;
    }
    if !diagnoses.is_empty() {
        write_diagnoses(out, diagnoses)?;
    }
    write_templates(out, &templates[..templates.len().min(top)], templates.len(), accounting.read)?;
    let (lines, bytes) = (reduction(accounting.read, lines_out(accounting)), reduction(accounting.bytes_read, *bytes_out));
    writeln!(out, "\n## What squelch would have let through\n")?;
    writeln!(
        out,
        "{} of {} lines whole, {} in {} summaries: {} fewer lines, {} fewer bytes. Nothing is lost: read = forwarded + summarised + dropped + open = {} + {} + {} + {}.",
        show_count(accounting.forwarded),
        show_count(accounting.read),
        show_count(accounting.summarised),
        show_count(accounting.summaries),
        percent(lines),
        percent(bytes),
        show_count(accounting.forwarded),
        show_count(accounting.summarised),
        show_count(accounting.dropped),
        show_count(accounting.open),
    )
}

fn write_storm(out: &mut String, number: usize, found: &StormFound, findings: &Findings) -> fmt::Result {
    let storm = &found.report;
    writeln!(out, "\n## {number}. {} ({}), {} to {}\n", kind_of(storm), storm.alert_level, time_of_day(storm.onset), time_of_day(storm.last))?;
    for fingerprint in storm.fingerprints.iter().take(5) {
        writeln!(out, "    {}", visible(&fingerprint.template))?;
    }
    writeln!(out, "\n| | |\n|---|---|")?;
    for (name, fact) in facts(found) {
        let fact = if name == "timeline" { format!("`{fact}`") } else { prose(&fact) };
        writeln!(out, "| {name} | {fact} |")?;
    }
    writeln!(out, "\n### Questions\n")?;
    for (i, answer) in answers(found, findings).iter().enumerate() {
        writeln!(out, "{}. **{}** {}", i + 1, answer.question, prose(&answer.answer))?;
    }
    Ok(())
}

fn write_diagnoses(out: &mut String, diagnoses: &[Diagnosed]) -> fmt::Result {
    writeln!(out, "\n## Retry policies\n")?;
    writeln!(out, "| lines | policy | jitter | lock-step | instances | outcome | message |\n|---:|---|---|---|---:|---|---|")?;
    for diagnosed in diagnoses.iter().take(DIAGNOSES_SHOWN) {
        let verdict = &diagnosed.verdict;
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            show_count(diagnosed.lines),
            policy(verdict),
            verdict.jitter,
            verdict.lockstep,
            verdict.instances.map_or_else(|| "-".to_owned(), show_count),
            verdict.outcome,
            code(&diagnosed.fingerprint.template),
        )?;
    }
    let more = diagnoses.len().saturating_sub(DIAGNOSES_SHOWN);
    if more > 0 { writeln!(out, "\n{more} more are in `-o json`.") } else { Ok(()) }
}

fn write_templates(out: &mut String, rows: &[TemplateRow], total: usize, lines_read: u64) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Messages, most lines first ({} of {total})\n", rows.len())?;
    writeln!(out, "| lines | share | severity | class | message |\n|---:|---:|---|---|---|")?;
    for row in rows {
        let share = row.lines as f64 * 100.0 / lines_read.max(1) as f64;
        let fingerprint = &row.fingerprint;
        let class = if fingerprint.class.is_retry_like() { fingerprint.class.as_str() } else { "-" };
        writeln!(out, "| {} | {share:.1} % | {} | {class} | {} |", show_count(row.lines), fingerprint.severity, code(&fingerprint.template))?;
    }
    Ok(())
}

fn visible(text: &str) -> String {
    let mut out = Vec::new();
    push_visible(&mut out, text.as_bytes(), false);
    String::from_utf8_lossy(&out).into_owned()
}

/// Text of the log as a code span in a table: no backtick may end it, no bar may end the cell.
fn code(text: &str) -> String {
    format!("`{}`", visible(text).replace('`', "'").replace('|', "\\|"))
}

/// A sentence of ours that quotes text of the log: what Markdown would take for markup is taken for text.
fn prose(text: &str) -> String {
    let mut out = String::new();
    for letter in visible(text).chars() {
        if matches!(letter, '<' | '>' | '|' | '*' | '_' | '[' | ']' | '\\' | '#') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::findings::tests::findings;
    use super::*;
    use crate::outputs::storm_record::tests::storm;

    #[test]
    fn text_of_the_log_is_no_markup() {
        assert_eq!(code("a|b `c` <host>"), "`a\\|b 'c' <host>`");
        assert_eq!(prose("to <host> *now* | \x1b[2J"), "to \\<host\\> \\*now\\* \\| \\\\e\\[2J");
    }

    #[test]
    fn a_log_without_a_storm_says_so() {
        assert!(render(&findings(), 20).starts_with("# Retry report: no storm\n"));
    }

    #[test]
    fn each_storm_has_its_facts_and_five_questions() {
        let mut findings = findings();
        findings.storms = vec![StormFound { report: storm(), absorbed: 238_870 }];
        let text = render(&findings, 20);
        assert!(text.contains("## 1. Retry storm (critical), 00:01:00.020Z to 00:04:20.020Z\n"), "{text}");
        assert!((1..=5).all(|n| text.contains(&format!("\n{n}. **"))), "{text}");
    }
}
