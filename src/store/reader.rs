//! Reading committed batches beside the writer: one short statement per batch, on a connection of its own.

use super::open::{Identity, identity, path_in};
use super::{BatchNumber, Cursor, RecordKind, Records, StoreError, codec, schema};
use crate::time::UnixNanos;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a read waits; readers wait only while the log is being recovered.
const BUSY: Duration = Duration::from_secs(5);

/// All kinds, as a set.
const ALL: i64 = 0xff;

/// Records of one batch that an output has yet to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Which batch.
    pub number: BatchNumber,
    /// The records; those that are done or were dropped are not among them.
    pub records: Records,
    /// When it was committed.
    pub created_at: UnixNanos,
    /// Place in the batch of each record.
    places: Vec<u32>,
    start: Cursor,
    end: Cursor,
}

impl Batch {
    /// The cursor once the first `count` of [`Batch::records`] are done: use this and no arithmetic, places may have gaps.
    #[must_use]
    pub fn cursor_after(&self, count: usize) -> Cursor {
        match count.checked_sub(1) {
            None => self.start,
            Some(_) if count >= self.places.len() => self.end,
            Some(last) => Cursor { batch: self.number, done: self.places[last] + 1 },
        }
    }
}

/// What a search for some kinds found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// These.
    Batch(Batch),
    /// None before this cursor: an output that takes no other kinds moves here, so that batches without them can go.
    NothingBefore(Cursor),
}

/// Reads batches. Blocking; for one thread at a time.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    output: Option<Box<str>>,
    connection: Connection,
    identity: Option<Identity>,
    /// The batch that was unpacked last, for outputs that take it in pieces.
    cached: Option<(BatchNumber, UnixNanos, Records)>,
    damaged: u64,
}

impl Reader {
    /// Opens the store of a state directory for reading.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        Self::open_file(&path_in(directory))
    }

    /// Opens a file, for example one that was set aside.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn open_file(path: &Path) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let (connection, identity) = (connect(&path)?, identity(&path));
        Ok(Self { path, output: None, connection, identity, cached: None, damaged: 0 })
    }

    /// Reads on behalf of an output: batches that were replayed for it come, too.
    #[must_use]
    pub fn for_output(mut self, name: &str) -> Self {
        self.output = Some(name.into());
        self
    }

    /// Records that could not be read because their batch is damaged, since this reader was opened.
    #[must_use]
    pub const fn damaged(&self) -> u64 {
        self.damaged
    }

    /// The newest batch.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn newest(&mut self) -> Result<Option<BatchNumber>, StoreError> {
        self.follow()?;
        let newest: Option<i64> = self.connection.prepare_cached("SELECT max(number) FROM batches")?.query_row([], |row| row.get(0))?;
        Ok(newest.map(BatchNumber))
    }

    /// The next records from `after` on: of one batch, at most `bytes_max` bytes (but at least one record).
    ///
    /// # Errors
    /// The store cannot be read. A single damaged batch is no error: it is left out and counted.
    pub fn next(&mut self, after: Cursor, bytes_max: usize) -> Result<Option<Batch>, StoreError> {
        match self.search(after, ALL, bytes_max)? {
            Found::Batch(batch) => Ok(Some(batch)),
            Found::NothingBefore(_) => Ok(None),
        }
    }

    /// The same for records of one kind, without unpacking batches that hold none: lets alerts overtake a backlog.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub fn next_of_kind(&mut self, after: Cursor, kind: RecordKind, bytes_max: usize) -> Result<Found, StoreError> {
        self.search(after, kind.bit(), bytes_max)
    }

    /// The same for records of several kinds.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub fn next_of_kinds(&mut self, after: Cursor, kinds: &[RecordKind], bytes_max: usize) -> Result<Found, StoreError> {
        self.search(after, kinds.iter().fold(0, |all, kind| all | kind.bit()), bytes_max)
    }

    /// The first batch from `from` on that holds a record of these kinds (all without any), whole: places are as in the batch, a record that was
    /// dropped is empty.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub fn whole(&mut self, from: BatchNumber, kinds: &[RecordKind]) -> Result<Option<(BatchNumber, Records)>, StoreError> {
        let kinds = if kinds.is_empty() { ALL } else { kinds.iter().fold(0, |all, kind| all | kind.bit()) };
        match self.search(Cursor::at(from), kinds, 0)? {
            Found::NothingBefore(_) => Ok(None),
            Found::Batch(batch) => {
                Ok(self.cached.as_ref().filter(|(cached, ..)| *cached == batch.number).map(|(number, _, records)| (*number, records.clone())))
            }
        }
    }

    fn search(&mut self, after: Cursor, kinds: i64, bytes_max: usize) -> Result<Found, StoreError> {
        self.follow()?;
        let mut after = after;
        loop {
            let Some((number, created_at, records)) = self.next_header(after.batch, kinds)? else {
                // One look at the store: a batch that came between the two would be missed.
                return self.nothing(after, kinds);
            };
            if self.cached.as_ref().is_none_or(|(cached, ..)| *cached != number) {
                let mut statement = self.connection.prepare_cached("SELECT body FROM bodies WHERE number = ?1")?;
                let body: Option<Vec<u8>> = statement.query_row([number.0], |row| row.get(0)).optional()?;
                match body.as_deref().map(codec::unpack) {
                    Some(Some(unpacked)) => self.cached = Some((number, created_at, unpacked)),
                    Some(None) => self.damaged += u64::from(records),
                    // Every output had passed it, or it was dropped, between the two statements.
                    None => {}
                }
            }
            if let Some((cached, created_at, records)) = &self.cached
                && *cached == number
                && let Some(batch) = cut(number, *created_at, records, after, kinds, bytes_max)
            {
                return Ok(Found::Batch(batch));
            }
            after = Cursor::at(BatchNumber(number.0 + 1));
        }
    }

    /// Number, time and records of the next batch that may hold something.
    fn next_header(&self, from: BatchNumber, kinds: i64) -> Result<Option<(BatchNumber, UnixNanos, u32)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT number, created_at, records FROM batches
             WHERE number >= ?1 AND kinds & ?2 != 0 AND (only_output IS NULL OR only_output = ?3) ORDER BY number LIMIT 1",
        )?;
        let found = statement.query_row((from.0, kinds, &self.output), |row| Ok((BatchNumber(row.get(0)?), UnixNanos(row.get(1)?), row.get(2)?)));
        Ok(found.optional()?)
    }

    /// Nothing was found; until where that holds.
    fn nothing(&mut self, after: Cursor, kinds: i64) -> Result<Found, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT (SELECT max(number) FROM batches), EXISTS (SELECT 1 FROM batches
             WHERE number >= ?1 AND kinds & ?2 != 0 AND (only_output IS NULL OR only_output = ?3))",
        )?;
        let (newest, has_come): (Option<i64>, bool) =
            statement.query_row((after.batch.0, kinds, &self.output), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let end = newest.map_or(after, |newest| Cursor::at(BatchNumber(newest + 1)));
        Ok(Found::NothingBefore(if has_come { after } else { end.max(after) }))
    }

    /// Goes over to the new file when the store was made anew.
    fn follow(&mut self) -> Result<(), StoreError> {
        let there = identity(&self.path);
        if there.is_some() && there != self.identity {
            self.connection = connect(&self.path)?;
            self.identity = there;
            self.cached = None;
        }
        Ok(())
    }
}

/// The records of a batch that are asked for; `None` when none is left.
fn cut(number: BatchNumber, created_at: UnixNanos, all: &Records, after: Cursor, kinds: i64, bytes_max: usize) -> Option<Batch> {
    let done = if after.batch == number { after.done } else { 0 };
    let start = Cursor { batch: number, done };
    let mut batch = Batch { number, records: Records::default(), created_at, places: Vec::new(), start, end: Cursor::at(BatchNumber(number.0 + 1)) };
    for (place, record) in (0_u32..).zip(all.iter()).skip(done as usize) {
        if record.json.is_empty() || kinds & record.kind.bit() == 0 {
            continue;
        }
        if !batch.records.is_empty() && batch.records.ndjson.len() + record.json.len() + 1 > bytes_max {
            batch.end = Cursor { batch: number, done: place };
            break;
        }
        batch.records.push(record.kind, record.json);
        batch.places.push(place);
    }
    (!batch.records.is_empty()).then_some(batch)
}

/// A connection that only reads.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    if !path.exists() {
        return Err(StoreError::Missing(path.parent().unwrap_or(path).to_owned()));
    }
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")?;
    if schema::version(&connection, path)? == 0 {
        return Err(StoreError::Missing(path.parent().unwrap_or(path).to_owned()));
    }
    Ok(connection)
}
