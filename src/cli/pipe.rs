//! `squelch [OPTIONS] [FILE]...`: log lines in, survivors and summaries out.

use super::alert_command::{AlertCommand, Alerting};
use super::drive::{End, Plan};
use super::error::{Exit, Failure, tell};
use super::options::{ColorWhen, OutputFormat, PipeArguments, StatsFormat};
use super::rules;
use super::signals;
use crate::engine::{Accounting, Engine, Options};
use crate::inputs::reader::{self, Event};
use crate::outputs::json::JsonOutput;
use crate::outputs::stats;
use crate::outputs::style::Style;
use crate::outputs::text::{Terminal, TextOutput};
use crate::outputs::writer::Writer;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::SyncSender;

/// Runs the pipe.
pub fn run(arguments: &PipeArguments) -> Result<Exit, Failure> {
    let Some(mut plan) = Plan::new(&arguments.input)? else {
        return Ok(super::show_short_help());
    };
    let (sender, events) = reader::channel();
    let stop = signals::listen(Some(sender.clone())).map_err(|error| Failure::new(Exit::Failure, format!("cannot listen to signals: {error}")))?;
    let writer = start_writer(sender.clone())?;
    let mut engine = Engine::new(Options { rules: rules::for_run(&arguments.collapse.rules)?, ..arguments.engine_options(plan.reference()) });
    let style = style(arguments.color, &io::stdout());
    let command = arguments.alert_cmd.as_deref();
    let ended = match arguments.output {
        OutputFormat::Text => {
            let mut alerting = Alerting::new(TextOutput::new(writer, style, terminal()), command);
            let end = plan.drive(&mut engine, &mut alerting, &stop, (sender, &events));
            let has_storm = alerting.has_storm;
            let (output, alerts) = alerting.into_parts();
            Ended { end, has_storm, bytes_out: output.bytes_out(), writer: output.into_writer(), alerts }
        }
        OutputFormat::Json => {
            let mut alerting = Alerting::new(JsonOutput::new(writer), command);
            let end = plan.drive(&mut engine, &mut alerting, &stop, (sender, &events));
            let has_storm = alerting.has_storm;
            let (output, alerts) = alerting.into_parts();
            Ended { end, has_storm, bytes_out: output.bytes_out(), writer: output.into_writer(), alerts }
        }
    };
    finish(arguments, &plan, ended, &engine.accounting())
}

/// What is left when everything is read.
struct Ended {
    end: End,
    has_storm: bool,
    bytes_out: u64,
    writer: Writer,
    alerts: Option<AlertCommand>,
}

/// Writes what is left, tells the accounting, chooses the exit code.
fn finish(arguments: &PipeArguments, plan: &Plan, ended: Ended, accounting: &Accounting) -> Result<Exit, Failure> {
    let Ended { end, has_storm, bytes_out, writer, alerts } = ended;
    let written = writer.finish();
    if let Some(alerts) = alerts {
        alerts.finish();
    }
    if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return Ok(Exit::Fine);
    }
    show_stats(arguments, accounting, bytes_out);
    written.map_err(|error| Failure::stdout(&error))?;
    check(accounting)?;
    Ok(match end {
        End::Signal(signal) => Exit::Signal(signal),
        _ if plan.has_failed => Exit::Failure,
        _ if arguments.fail_on_storm && has_storm => Exit::Storm,
        _ => Exit::Fine,
    })
}

fn show_stats(arguments: &PipeArguments, accounting: &Accounting, bytes_out: u64) {
    let text = match arguments.stats {
        StatsFormat::None => return,
        StatsFormat::Json => stats::json(accounting, bytes_out),
        StatsFormat::Text => stats::text(accounting, bytes_out, style(arguments.color, &io::stderr())),
    };
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// The promise: no line is missing, and nothing is left open. If it does not hold that is a defect of squelch, and it says so.
pub fn check(accounting: &Accounting) -> Result<(), Failure> {
    if accounting.holds() && accounting.open == 0 {
        return Ok(());
    }
    Err(Failure::new(Exit::Failure, format!("the accounting does not hold: {accounting:?}"))
        .hint("this is a defect of squelch; please report it with the input, if you can share it"))
}

fn start_writer(wake: SyncSender<Event>) -> Result<Writer, Failure> {
    let stdout = io::stdout().as_fd().try_clone_to_owned().map_err(|error| Failure::stdout(&error))?;
    let on_blocked = || tell("stdout takes nothing; reading waits, nothing is dropped");
    let on_error = move || {
        let _ = wake.try_send(Event::Wake);
    };
    Writer::start(File::from(stdout), on_blocked, on_error).map_err(|error| Failure::stdout(&error))
}

/// Colours or not, for this stream.
pub fn style(when: ColorWhen, stream: &impl anstream::stream::RawStream) -> Style {
    let is_coloured = match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => anstream::AutoStream::choice(stream) != anstream::ColorChoice::Never,
    };
    Style { is_coloured }
}

/// What the terminal on stdout can do, if there is one.
fn terminal() -> Option<Terminal> {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal().then_some(Terminal { columns, has_footer: !is_dumb })
}

/// Width of the terminal; 80 where it does not say.
fn columns() -> usize {
    terminal_size::terminal_size_of(io::stdout()).map_or(80, |(terminal_size::Width(columns), _)| columns.into())
}
