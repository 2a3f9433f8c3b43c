//! Batches: records in the order in which they were made, and how they stand in the file.

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
    /// A record that went into a window, whole: only kept where an output asks for such records by name.
    Absorbed = 4,
}

impl RecordKind {
    /// All of them, by number.
    pub const ALL: [Self; 5] = [Self::Line, Self::Summary, Self::Burst, Self::Storm, Self::Absorbed];

    /// The word in metrics and in `squelch store`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Summary => "summary",
            Self::Burst => "burst",
            Self::Storm => "storm",
            Self::Absorbed => "absorbed",
        }
    }

    pub(super) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Line),
            1 => Some(Self::Summary),
            2 => Some(Self::Burst),
            3 => Some(Self::Storm),
            4 => Some(Self::Absorbed),
            _ => None,
        }
    }

    /// Its bit in the column `kinds`.
    pub(super) const fn bit(self) -> i64 {
        1 << self as u8
    }
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
    /// Appends one whole record.
    pub fn push(&mut self, kind: RecordKind, json: &[u8]) {
        self.ndjson.extend_from_slice(json);
        self.ndjson.push(b'\n');
        self.close_record(kind);
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

impl Cursor {
    /// At the beginning of a batch.
    #[must_use]
    pub const fn at(batch: BatchNumber) -> Self {
        Self { batch, done: 0 }
    }
}
