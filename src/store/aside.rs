//! What becomes of a file that cannot be used: renamed, so that nothing is destroyed, and told.

use super::StoreError;
use crate::time::UnixNanos;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Files set aside that are kept; the oldest go first.
const KEPT_MAX: usize = 3;

/// What people should know about a store that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// There was none.
    New,
    /// What was there could not be used.
    SetAside {
        /// Where it is now.
        file: PathBuf,
        /// What was wrong with it.
        reason: String,
    },
    /// What was there was damaged; all state and every whole batch went into a new file.
    Salvaged {
        /// Where the damaged file is now.
        file: PathBuf,
        /// What was wrong with it.
        reason: String,
        /// Records in damaged batches, as far as they could be counted.
        records_lost: u64,
    },
    /// The file was gone; everything in it was written anew from the open handle.
    Rebuilt,
    /// The file was gone and its content, too.
    Lost,
    /// An older squelch made it.
    Migrated {
        /// Its version before.
        from: i64,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("a new store begins"),
            Self::SetAside { file, reason } => write!(
                f,
                "the store was damaged ({reason}) and is now {}; a new one begins: records that no output had taken, open windows and dead letters \
                 are in the old file only, and inputs without a position in memory start where their configuration says, so lines may come twice or not at all",
                file.display()
            ),
            Self::Salvaged { file, reason, records_lost } => write!(
                f,
                "the store was damaged ({reason}) and is now {}; everything but {records_lost} records of damaged batches was saved into a new one",
                file.display()
            ),
            Self::Rebuilt => f.write_str("the file of the store was deleted or replaced; it was written anew from the open handle, nothing is lost"),
            Self::Lost => {
                f.write_str("the file of the store was deleted or replaced and could not be written anew; records that no output had taken are lost")
            }
            Self::Migrated { from } => write!(f, "the store was brought from version {from} to {}", super::schema::VERSION),
        }
    }
}

/// The write-ahead log and its index, beside the file.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Renames the store (and its write-ahead log) to `PATH.corrupt-UNIX` and forgets the oldest of such files. No connection may be open.
pub(super) fn set_aside(path: &Path, now: UnixNanos) -> Result<PathBuf, StoreError> {
    // Behind those that are there, whatever the clock says: the newest must not count as the oldest.
    let second = list(path).last().map_or(now.second(), |(last, _)| now.second().max(last + 1));
    let target = beside(path, &format!(".corrupt-{second}"));
    fs::rename(path, &target).map_err(|error| StoreError::io(&format!("rename {}", path.display()), &error))?;
    let _ = fs::rename(beside(path, "-wal"), beside(&target, "-wal"));
    let _ = fs::remove_file(beside(path, "-shm"));
    let found = list(path);
    for (_, old) in &found[..found.len().saturating_sub(KEPT_MAX)] {
        let _ = fs::remove_file(old);
        let _ = fs::remove_file(beside(old, "-wal"));
    }
    sync_directory(path);
    Ok(target)
}

/// Files that were set aside with their times, oldest first.
pub(super) fn list(path: &Path) -> Vec<(i64, PathBuf)> {
    let prefix = path.file_name().map(|name| format!("{}.corrupt-", name.to_string_lossy())).unwrap_or_default();
    let entries = path.parent().and_then(|directory| fs::read_dir(directory).ok());
    let mut found: Vec<(i64, PathBuf)> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let second = entry.file_name().to_str()?.strip_prefix(&prefix)?.parse().ok()?;
            Some((second, entry.path()))
        })
        .collect();
    found.sort();
    found
}

/// Makes renames and new files survive a power cut. Best effort: some file systems cannot.
pub(super) fn sync_directory(path: &Path) {
    if let Some(directory) = path.parent()
        && let Ok(directory) = File::open(directory)
    {
        let _ = directory.sync_all();
    }
}
