//! Rule files of the user: found, read, and put together with those that are compiled in.

use crate::inputs::open::plain;
use crate::rules::{Origin, RuleError, RuleSet, Source, packs};
use std::io;
use std::path::{Path, PathBuf};

/// What to do about rules that cannot be read.
const HINT: &str = "\n  hint: name a rule file or a directory of *.toml; `squelch rules show ID` shows what a rule looks like";

/// A rule file that was read: its name as errors show it, and its text.
pub type RuleFile = (String, String);

/// The `*.toml` of a directory, by name.
///
/// # Errors
/// The directory cannot be listed.
pub fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory).map_err(|error| named(directory, &error))?;
    let mut found = entries.map(|entry| entry.map(|e| e.path())).collect::<io::Result<Vec<_>>>().map_err(|error| named(directory, &error))?;
    found.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    found.sort();
    Ok(found)
}

/// Reads rule files; of a directory its `*.toml`, by name.
///
/// # Errors
/// The first file that cannot be read, or directory without rules, with its name and what to do.
pub fn read(paths: &[PathBuf]) -> io::Result<Vec<RuleFile>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let found = list(path)?;
            if found.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, format!("no rules in {}: it has no file *.toml{HINT}", path.display())));
            }
            files.extend(found);
        } else {
            files.push(path.clone());
        }
    }
    files.iter().map(|path| Ok((path.display().to_string(), std::fs::read_to_string(path).map_err(|error| named(path, &error))?))).collect()
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot read rules from {}: {}{HINT}", path.display(), plain(error)))
}

/// Our rules and those of `files`.
///
/// # Errors
/// Everything that is wrong in them.
pub fn load(files: &[RuleFile]) -> Result<RuleSet, Vec<RuleError>> {
    let mut sources: Vec<Source<'_>> = packs::sources().collect();
    sources.extend(files.iter().map(|(name, text)| Source { name, text, origin: Origin::User }));
    RuleSet::load(sources.into_iter())
}
