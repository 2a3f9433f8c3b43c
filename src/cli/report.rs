//! `squelch report`: looks back at logs that exist. Storms with their diagnoses and the questions to ask, templates, what would be saved.

mod findings;
mod json;
mod markdown;
mod text;

use super::drive::{End, Plan};
use super::error::{Exit, Failure};
use super::options::{ReportArguments, ReportFormat};
use super::{pipe, rules, signals};
use crate::collapse::summary::Summary;
use crate::engine::{Engine, Forwarded, Sink};
use crate::inputs::reader;
use crate::outputs::style::Style;
use crate::outputs::{Output, StreamName, StreamNames, storm_text, summary_line};
use crate::record::StreamId;
use crate::storm::{AlertLevel, Burst, StormEvent};
use crate::time::UnixNanos;
use findings::{Findings, StormFound};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Templates shown to people when `--top` is not given: a screenful.
const TOP_DEFAULT: usize = 20;
/// Logs shorter than this are read before a bar could be seen.
const PROGRESS_BYTES_MIN: u64 = 32 << 20;

/// Bursts remembered; a log with more of them than that is nothing but bursts.
const BURSTS_MAX: usize = 1000;

/// Runs the report.
pub fn run(arguments: &ReportArguments) -> Result<Exit, Failure> {
    let Some(mut plan) = Plan::new(&arguments.input)? else {
        return Ok(super::show_short_help());
    };
    let (sender, events) = reader::channel();
    let stop = signals::listen(Some(sender.clone())).map_err(|error| Failure::new(Exit::Failure, format!("cannot listen to signals: {error}")))?;
    let mut options = arguments.collapse.engine_options(&arguments.input, plan.reference());
    options.rules = rules::for_run(&arguments.collapse.rules)?;
    options.totals = true;
    let mut engine = Engine::new(options);
    let names = StreamNames::default();
    let mut tally = Tally { names, line: Vec::new(), bytes_out: 0, storms: Vec::new(), bursts: Vec::new(), progress: progress(&plan) };
    let end = plan.drive(&mut engine, &mut tally, &stop, (sender, &events));
    if let Some(progress) = &tally.progress {
        progress.bar.finish_and_clear();
    }
    let templates = engine.templates();
    let groups = findings::groups(&templates);
    let findings = Findings {
        accounting: engine.accounting(),
        bytes_out: tally.bytes_out,
        templates,
        groups,
        storms: tally.storms,
        diagnoses: engine.diagnoses(),
        bursts: tally.bursts,
    };
    let top = arguments.top.unwrap_or(TOP_DEFAULT);
    let text = match arguments.output {
        ReportFormat::Json => json::render(&findings, arguments.top),
        ReportFormat::Text => text::render(&findings, top, pipe::style(arguments.color, &io::stdout())),
        ReportFormat::Markdown => markdown::render(&findings, top),
    };
    super::print(text.as_bytes())?;
    pipe::check(&findings.accounting)?;
    let has_storm = findings.storms.iter().any(|found| found.report.alert_level > AlertLevel::Info);
    Ok(match end {
        End::Signal(signal) => Exit::Signal(signal),
        _ if plan.has_failed => Exit::Failure,
        _ if arguments.fail_on_storm && has_storm => Exit::Storm,
        _ => Exit::Fine,
    })
}

/// Counts what the pipe would have written, writes nothing.
struct Tally {
    names: StreamNames,
    line: Vec<u8>,
    bytes_out: u64,
    storms: Vec<StormFound>,
    bursts: Vec<Burst>,
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
    let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes} · {binary_bytes_per_sec} · {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
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
    fn storm(&mut self, event: &StormEvent, absorbed: u64) {
        self.line.clear();
        storm_text::push(&mut self.line, event, absorbed, Style::default());
        self.bytes_out += self.line.len() as u64;
        findings::note(&mut self.storms, event.report(), absorbed);
    }
    fn burst(&mut self, burst: &Burst) {
        self.line.clear();
        storm_text::push_burst(&mut self.line, burst, Style::default());
        self.bytes_out += self.line.len() as u64;
        if self.bursts.len() < BURSTS_MAX {
            self.bursts.push(burst.clone());
        }
    }
}

impl Output for Tally {
    fn name_stream(&mut self, stream: StreamId, label: &str, epoch: UnixNanos, is_file: bool) {
        self.names.insert(stream, StreamName { label: label.into(), epoch, is_file, ..StreamName::default() });
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
