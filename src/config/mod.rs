//! `squelch.toml`: raw (as written, with spans) to checked (as the modules want it). No module reads configuration itself.
//!
//! ```text
//! text --reader: tables and keys, each with its place--> sections (engine, store, inputs/*, outputs/* ...) --root: what must agree--> Config
//! ```
//! Every key is asked for by one call that names its kind, bounds and default; from these calls come the messages, the list of known
//! keys, the JSON Schema, the reference page and `config show`. Defaults live in the option structs of the modules. A mistake is noted
//! and reading goes on, so that all of them are told at once.

mod checked;
mod default_inputs;
mod engine;
mod inputs;
mod interpolate;
pub mod key;
mod mistakes;
#[cfg(test)]
mod mistakes_tests;
mod nearest;
mod outputs;
mod places;
mod reader;
#[cfg(test)]
mod reference;
mod root;
pub mod rule_files;
mod schema;
mod show;
mod sources;
mod store;
mod surroundings;
mod telemetry;
#[cfg(test)]
mod tests;
mod values;

pub use checked::{COMMIT_EVERY, Config, FINGERPRINTS_LIMIT, FINGERPRINTS_MAX, Input, RELOAD_EVERY, SCRAPE_INTERVAL, STOP_WITHIN, Telemetry};
pub use mistakes::{Mistake, Mistakes};
pub use places::CONFIG_VARIABLE;
pub use schema::json_schema;
pub use sources::Sources;
pub use surroundings::{Surroundings, ThisMachine};

use crate::inputs::open::plain;
use key::Entry;
use std::path::Path;
use std::sync::Arc;

/// The commented file that `squelch config print-default` prints: every key with its default.
pub const DEFAULT_FILE: &str = include_str!("default.toml");

/// Longest configuration, in bytes.
const FILE_BYTES_MAX: usize = 1 << 20;

/// A configuration without mistakes.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What is probably not meant so.
    pub warnings: Vec<Mistake>,
    /// Hash of all files it was made from, as they were; see [`Sources::content_hash`].
    pub content_hash: u64,
    /// Those files.
    pub sources: Sources,
    entries: Vec<Entry>,
}

impl Loaded {
    /// The configuration as TOML, everything resolved, secrets hidden.
    #[must_use]
    pub fn show(&self) -> String {
        show::show(&self.entries, &self.config)
    }
}

/// Reads and checks the configuration: of `path`, else of `SQUELCH_CONFIG`, else the system's, else the user's, else the defaults.
///
/// # Errors
/// All mistakes.
pub fn load(path: Option<&Path>) -> Result<Loaded, Mistakes> {
    load_on(path, &ThisMachine)
}

/// The same on any machine.
///
/// # Errors
/// All mistakes.
pub fn load_on(path: Option<&Path>, surroundings: &dyn Surroundings) -> Result<Loaded, Mistakes> {
    let path = places::config_file(path, surroundings);
    let Some(path) = path else { return check(None, "defaults", "", surroundings) };
    let file = path.display().to_string();
    let mut sources = Sources::default();
    sources.add_file(&path);
    let refuse = |problem: String| {
        let mistake = Mistake { file: file.clone(), place: None, key: String::new(), problem };
        Err(Mistakes { list: vec![mistake], warnings: Vec::new(), sources: sources.clone() })
    };
    let bytes = match surroundings.read(&path) {
        Ok(bytes) => bytes,
        Err(error) => return refuse(format!("cannot be read: {}; `squelch config print-default` prints a file to begin with", plain(&error))),
    };
    if bytes.len() > FILE_BYTES_MAX {
        return refuse(format!("has {} bytes, at most {FILE_BYTES_MAX} are read; is it a configuration?", bytes.len()));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => check(Some(&path), &file, text, surroundings),
        Err(error) => {
            let line = 1 + memchr::memchr_iter(b'\n', &bytes[..error.valid_up_to()]).count();
            refuse(format!("is not UTF-8: byte {} (in line {line}) belongs to no sign; save it as UTF-8", error.valid_up_to()))
        }
    }
}

/// Checks a configuration that was read.
fn check(path: Option<&Path>, file: &str, text: &str, surroundings: &dyn Surroundings) -> Result<Loaded, Mistakes> {
    let root::Reading { config, mut found } = root::read(path, file, text, surroundings);
    let mut config = config;
    if let Some(path) = path {
        found.sources.add_file(path);
        if let Some(secret) = found.literal_secret.take().filter(|_| surroundings.is_world_readable(path)) {
            found.warnings.push(secret);
        }
    }
    if let Some(folder) = config.as_ref().and_then(|config| config.rules_dir.clone()) {
        found.sources.set_rules(&folder);
        // A directory that is not there was told of already.
        if surroundings.exists(&folder) {
            match rules_of(&folder) {
                Ok(set) => config.iter_mut().for_each(|config| config.engine.rules = Some(Arc::clone(&set))),
                Err(mut mistakes) => found.mistakes.append(&mut mistakes),
            }
        }
    }
    // Those of the file first, by place; then those of rule files.
    found.mistakes.sort_by_key(|mistake| (mistake.file != file, mistake.place));
    found.warnings.sort();
    match config.filter(|_| found.mistakes.is_empty()) {
        Some(config) => {
            let content_hash = found.sources.content_hash();
            Ok(Loaded { config, warnings: found.warnings, content_hash, sources: found.sources, entries: found.entries })
        }
        None => Err(Mistakes { list: found.mistakes, warnings: found.warnings, sources: found.sources }),
    }
}

fn rules_of(folder: &Path) -> Result<Arc<crate::rules::RuleSet>, Vec<Mistake>> {
    let unreadable = |error: std::io::Error| {
        let file = folder.display().to_string();
        vec![Mistake { file, place: None, key: "rules.dir".into(), problem: error.to_string() }]
    };
    // An empty directory is one that waits for its first rule.
    let files = rule_files::list(folder).and_then(|paths| rule_files::read(&paths)).map_err(unreadable)?;
    rule_files::load(&files).map(Arc::new).map_err(|errors| {
        let mistake = |error: crate::rules::RuleError| Mistake {
            place: (error.line > 0).then_some((error.line, 1)),
            key: error.rule.map(|rule| format!("rule `{rule}`")).unwrap_or_default(),
            problem: error.key.map(|key| format!("`{key}` ")).unwrap_or_default() + &error.problem,
            file: error.file,
        };
        errors.into_iter().map(mistake).collect()
    })
}

/// Every key there is, with what it takes and its default on this machine. Names of inputs and outputs are `NAME`.
#[must_use]
pub fn keys(surroundings: &dyn Surroundings) -> Vec<Entry> {
    root::describe(surroundings).entries
}
