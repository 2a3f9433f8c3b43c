//! `squelch report`: looks back at logs that exist. Accounting, templates, reduction; storms and their diagnoses have their place.

use super::drive::{End, Plan};
use super::error::{Exit, Failure};
use super::options::{OutputFormat, ReportArguments};
use super::{pipe, signals};
use crate::collapse::summary::Summary;
use crate::engine::{Accounting, Engine, Forwarded, Sink, TemplateRow};
use crate::inputs::reader;
use crate::outputs::stats::{self, AccountingRecord};
use crate::outputs::style::{self, BOLD, DIM, Style};
use crate::outputs::summary_line::{self, push_shortened};
use crate::outputs::timestamp::{date_and_time, rfc3339};
use crate::outputs::{Output, StreamName, StreamNames};
use crate::record::{ClassSource, Severity, StreamId};
use crate::time::UnixNanos;
use crate::units::{show_bytes, show_count};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows of the text table when `--top` is not given: a screenful.
const TOP_DEFAULT: usize = 20;
/// Longest template in the text table.
const TEMPLATE_CHARS_MAX: usize = 160;
/// Logs shorter than this are read before a bar could be seen.
const PROGRESS_BYTES_MIN: u64 = 32 << 20;

/// Runs the report.
pub fn run(arguments: &ReportArguments) -> Result<Exit, Failure> {
    let Some(mut plan) = Plan::new(&arguments.input)? else {
        return Ok(super::show_short_help());
    };
    let (sender, events) = reader::channel();
    let stop = signals::listen(Some(sender.clone())).map_err(|error| Failure::new(Exit::Failure, format!("cannot listen to signals: {error}")))?;
    let mut options = arguments.collapse.engine_options(&arguments.input, plan.reference());
    options.totals = true;
    let mut engine = Engine::new(options);
    let mut tally = Tally { names: StreamNames::default(), line: Vec::new(), bytes_out: 0, progress: progress(&plan) };
    let end = plan.drive(&mut engine, &mut tally, &stop, (sender, &events));
    if let Some(progress) = &tally.progress {
        progress.bar.finish_and_clear();
    }
    let text = match arguments.output {
        OutputFormat::Json => json(&engine, tally.bytes_out, arguments.top),
        OutputFormat::Text => text(&engine, tally.bytes_out, arguments.top.unwrap_or(TOP_DEFAULT), pipe::style(arguments.color, &io::stdout())),
    };
    super::print(text.as_bytes())?;
    pipe::check(&engine.accounting())?;
    Ok(match end {
        End::Signal(signal) => Exit::Signal(signal),
        _ if plan.has_failed => Exit::Failure,
        _ => Exit::Fine,
    })
}

/// Counts what the pipe would have written, writes nothing.
struct Tally {
    names: StreamNames,
    line: Vec<u8>,
    bytes_out: u64,
    progress: Option<Progress>,
}

struct Progress {
    bar: ProgressBar,
    bytes_read: Arc<AtomicU64>,
}

fn progress(plan: &Plan) -> Option<Progress> {
    let length = plan.length();
    if length < PROGRESS_BYTES_MIN || !io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes} · {binary_bytes_per_sec} · {eta} left").unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    Some(Progress { bar, bytes_read: Arc::clone(&plan.bytes_read) })
}

impl Sink for Tally {
    fn forward(&mut self, record: &Forwarded<'_>) {
        self.bytes_out += record.raw.len() as u64;
    }
    fn summary(&mut self, summary: &Summary) {
        self.line.clear();
        let stream = (self.names.len() > 1).then(|| self.names.get_mut(summary.stream).label.clone());
        summary_line::push(&mut self.line, summary, stream.as_deref(), Style::default(), false);
        self.bytes_out += self.line.len() as u64;
    }
}

impl Output for Tally {
    fn name_stream(&mut self, stream: StreamId, label: &str, epoch: UnixNanos, is_file: bool) {
        self.names.insert(stream, StreamName { label: label.into(), epoch, is_file, forwarded: 0 });
    }
    fn set_now(&mut self, _: UnixNanos) {}
    fn idle(&mut self) {}
    fn show_activity(&mut self, _: UnixNanos, _: &Engine) -> Option<UnixNanos> {
        if let Some(progress) = &self.progress {
            progress.bar.set_position(progress.bytes_read.load(Ordering::Relaxed));
        }
        None
    }
    fn is_closed(&self) -> bool {
        false
    }
}

/// The whole report as JSON; the shape is a contract.
#[derive(Debug, Serialize)]
struct Report<'a> {
    accounting: AccountingRecord,
    templates: Vec<TemplateRecord<'a>>,
    /// Incidents in which retries spiked.
    storms: [(); 0],
    /// What is known about each retry policy.
    diagnoses: [(); 0],
}

#[derive(Debug, Serialize)]
struct TemplateRecord<'a> {
    fingerprint: String,
    /// Fingerprints that differ in one word; `null` when there are none.
    group: Option<String>,
    template: &'a str,
    class: &'static str,
    /// The rule that gave the class; `null` for a guess.
    rule: Option<&'a str>,
    severity: &'static str,
    count: u64,
    lines: u64,
    first: String,
    last: String,
    streams: u32,
}

fn json(engine: &Engine, bytes_out: u64, top: Option<usize>) -> String {
    let rows = engine.templates();
    let report = Report {
        accounting: AccountingRecord::new(&engine.accounting(), bytes_out),
        templates: rows.iter().take(top.unwrap_or(usize::MAX)).map(template_record).collect(),
        storms: [],
        diagnoses: [],
    };
    let mut text = serde_json::to_string_pretty(&report).expect("a report has string keys");
    text.push('\n');
    text
}

fn template_record(row: &TemplateRow) -> TemplateRecord<'_> {
    TemplateRecord {
        fingerprint: row.fingerprint.id().to_string(),
        group: None,
        template: &row.fingerprint.template,
        class: row.fingerprint.class.as_str(),
        rule: match &row.fingerprint.source {
            ClassSource::Guess => None,
            ClassSource::Rule(rule) => Some(rule),
        },
        severity: row.fingerprint.severity.as_str(),
        count: row.count,
        lines: row.lines,
        first: rfc3339(row.first),
        last: rfc3339(row.last),
        streams: row.streams,
    }
}

fn text(engine: &Engine, bytes_out: u64, top: usize, style: Style) -> String {
    let rows = engine.templates();
    let mut out = String::new();
    write_text(&mut out, &rows, &engine.accounting(), bytes_out, top, style).expect("writing to memory cannot fail");
    out
}

fn write_text(out: &mut String, rows: &[TemplateRow], accounting: &Accounting, bytes_out: u64, top: usize, style: Style) -> std::fmt::Result {
    let (first, last) = (rows.iter().map(|row| row.first).min(), rows.iter().map(|row| row.last).max());
    if let (Some(first), Some(last)) = (first, last) {
        writeln!(out, "{} to {}", date_and_time(first), date_and_time(last))?;
    }
    let lines_out = stats::lines_out(accounting);
    let (lines, bytes) = (stats::reduction(accounting.read, lines_out), stats::reduction(accounting.bytes_read, bytes_out));
    writeln!(out, "lines  {:>14} in {:>14} out   {} fewer", show_count(accounting.read), show_count(lines_out), stats::percent(lines))?;
    writeln!(out, "bytes  {:>14} in {:>14} out   {} fewer", show_bytes(accounting.bytes_read), show_bytes(bytes_out), stats::percent(bytes))?;
    out.push_str(&stats::text(accounting, bytes_out, Style::default()));
    if rows.is_empty() || top == 0 {
        return Ok(());
    }
    let shown = rows.len().min(top);
    let header = format!("templates, most lines first ({} of {})", show_count(shown as u64), show_count(rows.len() as u64));
    writeln!(out, "\n{}", style.paint(BOLD, &header))?;
    writeln!(out, "{}", style.paint(DIM, "     lines      %  severity  class       fingerprint       template"))?;
    for row in &rows[..shown] {
        write_row(out, row, accounting.read, style)?;
    }
    Ok(())
}

fn write_row(out: &mut String, row: &TemplateRow, lines_read: u64, style: Style) -> std::fmt::Result {
    let share = row.lines as f64 * 100.0 / lines_read.max(1) as f64;
    let severity = row.fingerprint.severity;
    let colour = style::of_severity(severity);
    let mut template = Vec::new();
    push_shortened(&mut template, row.fingerprint.template.as_bytes(), TEMPLATE_CHARS_MAX);
    let class = if row.fingerprint.class.is_retry_like() { row.fingerprint.class.as_str() } else { "-" };
    writeln!(
        out,
        "{:>10} {share:>6.2}  {}{:<8}{}  {class:<10}  {}  {}{}",
        show_count(row.lines),
        style.on(colour),
        if severity == Severity::Unknown { "-" } else { severity.as_str() },
        if colour.is_empty() { "" } else { style.off() },
        style.paint(DIM, &row.fingerprint.id().to_string()),
        String::from_utf8_lossy(&template),
        if row.streams > 1 { format!("  ({} streams)", row.streams) } else { String::new() },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::Fingerprint;
    use crate::record::Class;

    fn row() -> TemplateRow {
        let fingerprint = Fingerprint::new(Severity::Error, "Connection to <host> failed", Class::Retry, ClassSource::Guess);
        TemplateRow { fingerprint: Arc::new(fingerprint), count: 900, lines: 900, first: UnixNanos(0), last: UnixNanos(60_000_000_000), streams: 3 }
    }

    #[test]
    fn the_text_says_what_came_in_and_what_would_go_out() {
        let accounting = Accounting { read: 1000, forwarded: 100, summarised: 900, summaries: 6, bytes_read: 100_000, ..Accounting::default() };
        let mut out = String::new();
        write_text(&mut out, &[row()], &accounting, 11_000, 20, Style::default()).unwrap();
        let id = row().fingerprint.id();
        assert_eq!(
            out,
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

    #[test]
    fn the_json_has_the_names_of_the_contract() {
        let row = row();
        let value = serde_json::to_value(template_record(&row)).unwrap();
        let names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        for name in ["fingerprint", "group", "template", "class", "rule", "severity", "count", "lines", "first", "last", "streams"] {
            assert!(names.contains(&name), "{name} is missing");
        }
    }
}
