//! The store: one SQLite file, one commit point. A transaction moves outgoing records, input positions, open windows, storms, output
//! cursors and the accounting together, so a crash at any point resumes from a consistent past (squelch.md 8).
//!
//! The engine thread owns the [`Store`] (the only writer); each output reads committed batches through a [`Reader`] of its own.

mod options;

pub use options::{OnFull, Options};

use crate::engine::Accounting;
use crate::inputs::event::Position;

/// Number of a batch: ascending, never reused in one store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchNumber(pub i64);

/// What kind of record stands in a batch: outputs route by it, a full store drops by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RecordKind {
    /// A line that passed.
    Line = 0,
    /// A summary.
    Summary = 1,
    /// `squelch.burst`.
    Burst = 2,
    /// `squelch.storm`, `squelch.storm_end`.
    Storm = 3,
}

/// One record of a batch: a line of NDJSON, as `outputs::json` writes it, without its newline.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What it is.
    pub kind: RecordKind,
    /// The whole object.
    pub json: &'a [u8],
}

/// Records in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// The objects, one after the other, a newline after each.
    pub ndjson: Vec<u8>,
    /// Kind and end (newline included) of each.
    pub index: Vec<(RecordKind, u32)>,
}

impl Records {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
    /// Notes that the bytes appended to `ndjson` since the last call are one record, newline included.
    pub fn close_record(&mut self, kind: RecordKind) {
        self.index.push((kind, self.ndjson.len() as u32));
    }
    /// The record at `at`.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<Record<'_>> {
        let (kind, end) = *self.index.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.index[before].1);
        Some(Record { kind, json: self.ndjson[start as usize..end as usize].strip_suffix(b"\n").unwrap_or_default() })
    }
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        (0..self.len()).filter_map(|at| self.get(at))
    }
    /// Forgets them, keeps the memory.
    pub fn clear(&mut self) {
        self.ndjson.clear();
        self.index.clear();
    }
}

/// How far an output has come: everything before this is delivered (or dead).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The batch at hand.
    pub batch: BatchNumber,
    /// Records of it that are done.
    pub done: u32,
}

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
