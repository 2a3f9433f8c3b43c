//! The command line: what each command reads and writes, and with which code it ends.

mod drive;
mod error;
mod explain;
pub mod fingerprint;
mod line_time;
mod options;
mod pipe;
mod report;
mod signals;
pub mod simulate;

pub use error::{Exit, Failure};
pub use options::Cli;

use clap::{CommandFactory, Parser};
use options::Command;
use std::io::{self, Write};
use std::process::ExitCode;

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
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            error::tell(&failure.to_string());
            failure.exit.into()
        }
    }
}

/// `--help` and `--version` are no errors; mistakes are told in clap's words, which name the nearest option.
fn ended_by_clap(error: &clap::Error) -> ExitCode {
    let text = error.render();
    if !error.use_stderr() {
        let _ = write!(anstream::stdout(), "{}", text.ansi());
        return Exit::Fine.into();
    }
    let text = text.ansi().to_string();
    let _ = write!(anstream::stderr(), "squelch: {text}");
    Exit::Usage.into()
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
