//! What one transaction moves, and what comes of it.

use super::{BatchNumber, Cursor, RecordKind, Records};
use crate::engine::Accounting;
use crate::inputs::event::Position;

/// A record that an output will never take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Which output.
    pub output: Box<str>,
    /// The record, as in the batch.
    pub json: Vec<u8>,
    /// Its kind.
    pub kind: RecordKind,
    /// What the receiver said, at most 1 KiB.
    pub reason: String,
}

/// What an output has to tell the engine thread: becomes part of the next commit.
#[derive(Debug)]
pub enum Progress {
    /// Nobody reads an output any more: nothing is kept for it. Told to the owner, who calls [`super::Store::set_outputs`]; no part of a commit.
    Gone {
        /// Which output.
        output: Box<str>,
    },
    /// The cursor moved.
    Delivered {
        /// Which output.
        output: Box<str>,
        /// How far it is now.
        cursor: Cursor,
        /// Records it took since the last time.
        records: u64,
        /// Records given up on, with the reason.
        dead: Vec<DeadLetter>,
    },
}

/// An open window as it would be written if it were closed now: after a crash this record goes out as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenWindow {
    /// (stream key, fingerprint): one window each.
    pub key: Box<str>,
    /// The summary (or, for a window of one record, the plain line) as NDJSON object, newline included.
    pub json: Vec<u8>,
    /// Its kind.
    pub kind: RecordKind,
    /// Lines in it.
    pub lines: u64,
}

/// Lines that a stream has read but not yet made a record of (a stack trace that is not over).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLines {
    /// JSON of the stream's `StreamInfo`.
    pub stream: Box<str>,
    /// The bytes, line ends included.
    pub bytes: Vec<u8>,
    /// How many lines.
    pub lines: u64,
}

/// Everything that one transaction moves.
#[derive(Debug, Default)]
pub struct Commit<'a> {
    /// New outgoing records; none makes no batch.
    pub records: Option<&'a Records>,
    /// Positions that changed.
    pub positions: &'a [Position],
    /// Positions that are of no use any more.
    pub forgotten: &'a [Box<str>],
    /// Windows that are open and changed since the last commit.
    pub windows_changed: &'a [OpenWindow],
    /// Keys of windows that closed.
    pub windows_closed: &'a [Box<str>],
    /// All held lines: replaces what was there. `None` when nothing changed.
    pub held: Option<&'a [HeldLines]>,
    /// Storms that go on, as JSON of the storm stage's own. `None` when nothing changed.
    pub storms: Option<&'a [u8]>,
    /// The accounting of all time of this store.
    pub totals: Accounting,
    /// What outputs told.
    pub progress: &'a [Progress],
}

/// What a commit did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The (last) batch that the records became.
    pub batch: Option<BatchNumber>,
    /// Bytes in use, as [`super::Options::bytes_max`] counts them.
    pub bytes: u64,
    /// The next commit with records may find no room.
    pub full: bool,
    /// What had to go to make room (`OnFull::DropOldest`).
    pub dropped: Dropped,
}

/// What a full store gave up, counted before any output had it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Records by [`RecordKind`].
    pub records: [u64; RecordKind::ALL.len()],
    /// Summaries that lost their samples.
    pub samples: u64,
    /// Lines that stood in the dropped lines and summaries.
    pub lines: u64,
}

impl Dropped {
    /// Whether nothing was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
    pub(super) fn add(&mut self, other: &Self) {
        for (ours, theirs) in self.records.iter_mut().zip(other.records) {
            *ours += theirs;
        }
        self.samples += other.samples;
        self.lines += other.lines;
    }
}
