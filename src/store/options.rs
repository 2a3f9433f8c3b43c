//! What can be set about the store.

use std::path::PathBuf;

/// What happens when the store is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFull {
    /// Reading stops until an output has taken something: nothing is lost, files are the buffer.
    #[default]
    Block,
    /// The oldest plain lines go first, then samples of summaries, then summaries; alerts last. All counted.
    DropOldest,
}

/// Settings of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The state directory; the file in it is `squelch.db`.
    pub directory: PathBuf,
    /// The most bytes the file may take.
    pub bytes_max: u64,
    /// What happens then.
    pub on_full: OnFull,
    /// Dead letters kept; the oldest go first, counted.
    pub dead_letters_max: u64,
    /// Each commit waits for the disk (`synchronous=FULL`); without it a power cut may undo the last commits, consistently.
    pub sync: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { directory: "/var/lib/squelch".into(), bytes_max: 1 << 30, on_full: OnFull::Block, dead_letters_max: 10_000, sync: true }
    }
}
