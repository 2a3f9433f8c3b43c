//! What is wrong with a configuration, told all at once: place, key, what is wrong, what to do.

use super::sources::Sources;
use std::fmt;

/// One thing that is wrong, or (as a warning) that is probably not meant so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file, as it was named.
    pub file: String,
    /// Line and column, from 1; `None` where it concerns the whole file.
    pub place: Option<(u32, u32)>,
    /// Path of the key: `outputs.hook.delivery.timeout`; empty where it concerns no key.
    pub key: String,
    /// What is wrong and what to do, lower case.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// Everything that is wrong. Never empty.
#[derive(Clone, Debug)]
pub struct Mistakes {
    /// By place.
    pub list: Vec<Mistake>,
    /// What was looked at beside.
    pub warnings: Vec<Mistake>,
    /// What to watch: a change there is worth another try.
    pub sources: Sources,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in &self.list {
            writeln!(f, "{mistake}")?;
        }
        match self.list.len() {
            1 => f.write_str("1 mistake in the configuration"),
            count => write!(f, "{count} mistakes in the configuration"),
        }
    }
}

impl std::error::Error for Mistakes {}
