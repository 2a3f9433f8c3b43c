//! How squelch ends: exit codes, and errors for people.

use crate::inputs::open::plain;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// Exit codes, as `--help` documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: fine, also when the reader of our output went away.
    Fine,
    /// 1: something could not be read or written.
    Failure,
    /// 2: the command line is wrong.
    Usage,
    /// 3: a storm, and `--fail-on-storm`.
    Storm,
    /// 78: the configuration is wrong.
    Configuration,
    /// 128 + signal: stopped, everything flushed.
    Signal(i32),
}

impl Exit {
    /// The number the shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Storm => 3,
            Self::Configuration => 78,
            Self::Signal(signal) => u8::try_from(128 + signal).unwrap_or(1),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What went wrong and what to do next.
#[derive(Debug)]
pub struct Failure {
    what: String,
    hint: Option<String>,
    /// With which code squelch ends.
    pub exit: Exit,
}

impl Failure {
    /// Lower case, names the thing.
    #[must_use]
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None, exit }
    }
    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
    /// Stdout took no more.
    #[must_use]
    pub fn stdout(error: &io::Error) -> Self {
        Self::new(Exit::Failure, format!("cannot write to stdout: {}", plain(error)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\n  hint: {hint}"))
    }
}

/// Says something on stderr, after our name. A closed stderr silences us, nothing more.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "squelch: {text}");
}
