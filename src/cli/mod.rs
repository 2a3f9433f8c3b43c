//! The command line: what each command reads and writes, and with which code it ends.

mod alert_command;
mod check;
mod config;
mod drive;
mod error;
mod explain;
pub mod fingerprint;
mod line_time;
mod options;
mod pipe;
mod report;
pub mod rules;
mod run;
mod signals;
pub mod simulate;
pub mod store;

pub use error::{Exit, Failure};
pub use options::Cli;

use crate::inputs::open::{self, Source};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};
use fingerprint::FingerprintOptions;
use options::{Command, FingerprintArguments};
use simulate::SimulateArgs;
use std::io::{self, BufReader, BufWriter, Write};
use std::process::ExitCode;
use std::sync::Arc;
use store::StoreArguments;

/// Runs squelch with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ended_by_clap(&error),
    };
    let result = match &cli.command {
        None => pipe::run(&cli.pipe),
        Some(Command::Report(arguments)) => report::run(arguments),
        Some(Command::Explain(arguments)) => explain::run(arguments),
        Some(Command::Fingerprint(arguments)) => run_fingerprint(arguments),
        Some(Command::Rules(arguments)) => run_rules(arguments),
        Some(Command::Simulate(arguments)) => run_simulate(arguments),
        Some(Command::Run(arguments)) => run::run(arguments),
        Some(Command::Check(arguments)) => check::run(arguments),
        Some(Command::Config(arguments)) => config::run(arguments),
        Some(Command::Store(arguments)) => run_store(arguments),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            error::tell(&failure.to_string());
            failure.exit.into()
        }
    }
}

fn run_fingerprint(arguments: &FingerprintArguments) -> Result<Exit, Failure> {
    let source = arguments.file.as_deref().map_or(Source::Stdin, Source::new);
    if source == Source::Stdin && open::is_stdin_terminal() {
        return Err(Failure::new(Exit::Usage, "no lines to read").hint("name a file, or pipe a log in: squelch fingerprint --tsv < app.log"));
    }
    let unreadable = |error: open::InputError| Failure::new(Exit::Failure, error.to_string());
    open::probe(&source).map_err(unreadable)?;
    let input = BufReader::with_capacity(IO_BYTES, open::open(&source, &Arc::default()).map_err(unreadable)?);
    let output = BufWriter::with_capacity(IO_BYTES, io::stdout().lock());
    let options = FingerprintOptions { group: !arguments.no_group };
    match fingerprint::run(input, output, options) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(Exit::Failure, format!("cannot go on: {error}"))),
        _ => Ok(Exit::Fine),
    }
}

fn run_rules(arguments: &rules::RulesArguments) -> Result<Exit, Failure> {
    let mut output = BufWriter::with_capacity(IO_BYTES, io::stdout().lock());
    let result = rules::run(arguments, &mut output, &mut io::stderr().lock()).and_then(|is_fine| output.flush().map(|()| is_fine));
    match result {
        Ok(true) => Ok(Exit::Fine),
        Ok(false) => Ok(Exit::Failure),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Fine),
        Err(error) => Err(Failure::new(Exit::Failure, error.to_string())),
    }
}

fn run_simulate(arguments: &SimulateArgs) -> Result<Exit, Failure> {
    let mut output = BufWriter::with_capacity(IO_BYTES, io::stdout().lock());
    let mistakes = arguments.mistakes();
    if !mistakes.is_empty() {
        return Err(Failure::new(Exit::Usage, mistakes.join("; ")));
    }
    simulate::run(arguments, &mut output).map_err(|error| Failure::new(Exit::Failure, format!("{error:#}")))?;
    Ok(Exit::Fine)
}

fn run_store(arguments: &StoreArguments) -> Result<Exit, Failure> {
    let mut output = BufWriter::with_capacity(IO_BYTES, io::stdout().lock());
    let exit = store::run(arguments, &mut output)?;
    match output.flush() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::stdout(&error)),
        _ => Ok(exit),
    }
}

/// Large enough that system calls do not count.
const IO_BYTES: usize = 64 << 10;

/// `--help` and `--version` are no errors; mistakes are told in clap's words, which name the nearest option.
fn ended_by_clap(error: &clap::Error) -> ExitCode {
    let text = error.render();
    if !error.use_stderr() {
        let _ = write!(anstream::stdout(), "{}", text.ansi());
        return Exit::Fine.into();
    }
    let text = text.ansi().to_string();
    let _ = write!(anstream::stderr(), "squelch: {text}");
    if let Some(hint) = hint_for(error) {
        let _ = writeln!(anstream::stderr(), "  hint: {hint}");
    }
    Exit::Usage.into()
}

/// What somebody probably meant who is used to other tools.
fn hint_for(error: &clap::Error) -> Option<&'static str> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg).filter(|_| error.kind() == ErrorKind::UnknownArgument) else {
        return None;
    };
    match argument.split('=').next().unwrap_or_default() {
        "--json" | "--ndjson" | "--format" => Some("for JSON write `-o json`"),
        "-f" | "--follow" => Some("for JSON write `-o json`; to follow a file, pipe it in: tail -F app.log | squelch"),
        "--markdown" | "--md" => Some("for Markdown write `squelch report -o markdown`"),
        _ => None,
    }
}

/// The short help on stderr: for somebody who typed `squelch` alone at a terminal.
fn show_short_help() -> Exit {
    let _ = write!(anstream::stderr(), "{}", Cli::command().render_help().ansi());
    Exit::Usage
}

/// Writes to stdout at once; a closed pipe is no error.
fn print(text: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::stdout(&error)),
        _ => Ok(()),
    }
}
