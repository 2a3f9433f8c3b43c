//! `[store]`: the file that remembers.

use super::checked::COMMIT_EVERY;
use super::reader::Section;
use crate::store::{OnFull, Options};
use std::path::PathBuf;
use std::time::Duration;

/// Reads the table: the store's settings and how often it is committed.
pub(super) fn read(section: &mut Section<'_>, directory: PathBuf) -> (Options, Duration) {
    let defaults = Options::default();
    let options = Options {
        directory,
        bytes_max: section.size("bytes_max", defaults.bytes_max, 16 << 20..=1 << 40),
        on_full: section.choice("on_full", &["block", "drop_oldest"], &[OnFull::Block, OnFull::DropOldest], defaults.on_full),
        dead_letters_max: section.count("dead_letters_max", defaults.dead_letters_max, 0..=10_000_000),
        sync: section.boolean("sync", defaults.sync),
    };
    (options, section.duration("commit_every", COMMIT_EVERY, Duration::from_millis(100)..=Duration::from_secs(60)))
}
