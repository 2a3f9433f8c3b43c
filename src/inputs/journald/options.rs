//! What can be set about the journal input.

use std::path::PathBuf;

/// Settings of the journal input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its name in the configuration.
    pub name: String,
    /// The program.
    pub journalctl: PathBuf,
    /// Read the journal files of this directory instead of the system's.
    pub directory: Option<PathBuf>,
    /// Only these units; empty = all.
    pub units: Vec<String>,
    /// Units to leave out; our own is left out always.
    pub exclude_units: Vec<String>,
    /// At the first start: from the beginning of the boot (true) or from now on.
    pub from_boot: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "journal".into(),
            journalctl: "journalctl".into(),
            directory: None,
            units: Vec::new(),
            exclude_units: Vec::new(),
            from_boot: false,
        }
    }
}
