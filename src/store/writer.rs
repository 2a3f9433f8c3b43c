//! The only writer: one transaction per commit, nothing of it or all of it.

use super::aside::{self, Note, beside};
use super::codec::Packer;
use super::full::{self, Hints};
use super::lock::Lock;
use super::open::{self, Identity, Opened};
use super::rows::{self, OutputRow, Totals};
use super::{
    BatchNumber, Commit, Committed, Cursor, DeadLetter, Dropped, OnFull, Options, Progress, Records, Status, StoreError, failpoint, letters,
};
use crate::clock;
use crate::time::UnixNanos;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Records beyond this make another batch of the same commit: bounds what a reader holds in memory. One record may be larger.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// Delivered batches removed per commit: there is at most a handful of new ones, so this drains any backlog at bounded work.
const REMOVED_MAX: i64 = 128;

/// Pages of the write-ahead log that are not yet in the file before they are put there: 4 MiB.
const CHECKPOINT_PAGES: i64 = 1000;

/// A write-ahead log beyond this means that a reader never pauses; new records wait until it does.
const WAL_BYTES_MAX: u64 = if cfg!(test) { 6 << 20 } else { 64 << 20 };

/// Free pages given back to the disk per commit (1 MiB), once more than [`FREE_PAGES_MAX`] and more than half of all are free.
const VACUUM_PAGES: i64 = 256;
/// Free pages (8 MiB) that are always kept: the next batches fill them.
const FREE_PAGES_MAX: i64 = 2048;

/// What is known without asking the file; changed only after a transaction is through.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) totals: Totals,
    pub(super) outputs: BTreeMap<Box<str>, OutputRow>,
    pub(super) last_batch: BatchNumber,
}

/// The store. Its owner is the only writer; dropping it without [`Store::close`] is like a crash.
#[derive(Debug)]
pub struct Store {
    // Before the lock: nobody may come in before the connection is closed.
    connection: Connection,
    lock: Lock,
    options: Options,
    path: PathBuf,
    identity: (Option<Identity>, Option<Identity>),
    packer: Packer,
    state: State,
    hints: Hints,
    store_id: u64,
    generation: u64,
    /// Outputs are registered: only then it is known which batches everybody has passed.
    has_outputs: bool,
    /// [`Store::recreate`] has closed the old file and not yet opened a new one.
    mending: Option<Mending>,
}

/// What a store that is being recreated will be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mending {
    /// The copy that was made from the open handle.
    Rebuilt,
    /// Nothing: file and content are gone.
    Lost,
    /// What can be saved of the damaged file.
    Damaged,
}

impl Store {
    pub(super) fn new(options: Options, path: PathBuf, connection: Connection, lock: Lock, state: State, store_id: u64, generation: u64) -> Self {
        let identity = (open::identity(&path), open::identity(&beside(&path, "-wal")));
        let (packer, hints) = (Packer::new(), Hints::default());
        Self { connection, lock, options, path, identity, packer, state, hints, store_id, generation, has_outputs: false, mending: None }
    }

    /// See [`super::Recovered::store_id`]; another one after [`Store::recreate`] lost everything.
    #[must_use]
    pub const fn store_id(&self) -> u64 {
        self.store_id
    }

    /// See [`super::Recovered::generation`].
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// What was dropped for want of room, in all time of this store.
    #[must_use]
    pub const fn dropped(&self) -> &Dropped {
        &self.state.totals.dropped
    }

    /// Takes other limits (a reload). `directory` and `sync` hold until the next start.
    pub fn set_limits(&mut self, options: &Options) {
        self.options.bytes_max = options.bytes_max;
        self.options.on_full = options.on_full;
        self.options.dead_letters_max = options.dead_letters_max;
    }

    /// Says which outputs there are: one that is not named loses its cursor (its dead letters stay), a new one starts at the oldest batch
    /// that is kept. Returns all cursors. Batches are removed only after this was called once.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn set_outputs(&mut self, names: &[&str]) -> Result<BTreeMap<Box<str>, Cursor>, StoreError> {
        self.check_in_place()?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut outputs = self.state.outputs.clone();
        outputs.retain(|name, _| names.contains(&&**name));
        for name in self.state.outputs.keys().filter(|name| !outputs.contains_key(*name)) {
            transaction.execute("DELETE FROM cursors WHERE output = ?1", [name])?;
        }
        let oldest: Option<i64> = transaction.query_row("SELECT min(number) FROM batches", [], |row| row.get(0))?;
        let oldest = oldest.unwrap_or(self.state.last_batch.0 + 1);
        for name in names {
            if !outputs.contains_key(*name) {
                let row = OutputRow { cursor: Cursor::at(BatchNumber(oldest)), ..OutputRow::default() };
                rows::set_output(&transaction, name, &row)?;
                outputs.insert((*name).into(), row);
            }
        }
        transaction.commit()?;
        self.state.outputs = outputs;
        self.has_outputs = true;
        Ok(self.state.outputs.iter().map(|(name, output)| (name.clone(), output.cursor)).collect())
    }

    /// Moves everything in one transaction.
    ///
    /// With [`OnFull::Block`] a full store refuses new records with [`StoreError::Full`] and takes everything else, so an owner that is refused
    /// commits what its outputs tell without records, until there is room.
    ///
    /// # Errors
    /// The store is as before and the same commit may be made again; [`StoreError::remedy`] says when.
    pub fn commit(&mut self, commit: &Commit<'_>) -> Result<Committed, StoreError> {
        self.check_in_place()?;
        let batches = commit.records.map(|records| self.pack(records)).unwrap_or_default();
        if !batches.is_empty() {
            self.check_log()?;
        }
        failpoint::pass("before-begin");
        let mut state = self.state.clone();
        let mut hints = self.hints;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut draft = Draft { connection: &transaction, options: &self.options, before: &self.state, state: &mut state, hints: &mut hints };
        draft.progress(commit.progress)?;
        if self.has_outputs {
            draft.remove_delivered()?;
        }
        let dropped = draft.add_batches(&batches)?;
        failpoint::pass("after-records");
        draft.positions(commit)?;
        failpoint::pass("after-positions");
        draft.windows(commit)?;
        draft.state.totals.accounting = commit.totals;
        draft.state.totals.dropped.add(&dropped);
        rows::set_totals(&transaction, Some(&self.state.totals), &state.totals)?;
        let has_shrunk = give_back_pages(&transaction)?;
        let bytes = rows::bytes_used(&transaction)?;
        failpoint::pass("before-commit");
        transaction.commit()?;
        failpoint::pass("after-commit");
        let batch = (!batches.is_empty()).then_some(state.last_batch);
        self.state = state;
        self.hints = hints;
        self.checkpoint(has_shrunk);
        Ok(Committed { batch, bytes, full: bytes >= self.options.bytes_max, dropped })
    }

    /// Makes the store usable again after [`StoreError::Deleted`] or [`StoreError::Corrupt`].
    ///
    /// A file that is only gone is written anew from the open handle: [`Note::Rebuilt`], nothing is lost. Of a damaged one everything whole is
    /// saved, if its state is: [`Note::Salvaged`]. Otherwise ([`Note::Lost`], [`Note::SetAside`]) an empty store begins, with another
    /// [`Store::store_id`] and batch numbers that go on, so cursors in memory stay true; outputs and totals are written into it, and the owner
    /// then commits all positions, windows, held lines and storms that it knows.
    ///
    /// # Errors
    /// As [`Store::open`]; may be tried again.
    pub fn recreate(&mut self, now: UnixNanos) -> Result<Note, StoreError> {
        open::create_directory(&self.options.directory)?;
        if !self.lock.is_in_place() {
            self.lock = Lock::take(&self.options.directory)?;
        }
        if self.mending.is_none() {
            let has_vanished = self.check_in_place().is_err();
            let is_rebuilt = has_vanished
                && match rebuild(&self.connection, &self.fresh()) {
                    Ok(()) => true,
                    Err(StoreError::Corrupt(_)) => false,
                    // The handle stays open until there is room to write its content.
                    Err(error) => return Err(error),
                };
            // Closing removes `-wal` by name, so it must come before there is a new one.
            self.connection = Connection::open_in_memory()?;
            self.mending = Some(if is_rebuilt {
                Mending::Rebuilt
            } else if has_vanished {
                Mending::Lost
            } else {
                Mending::Damaged
            });
        }
        let (opened, note) = self.mend(now)?;
        // Only a store that was never started is at 0.
        if opened.recovered.generation == 0 {
            self.begin_anew(opened)?;
        } else {
            self.connection = opened.connection;
            self.state = State { totals: opened.totals, outputs: opened.outputs, last_batch: opened.last_batch };
        }
        self.mending = None;
        self.hints = Hints::default();
        self.identity = (open::identity(&self.path), open::identity(&beside(&self.path, "-wal")));
        Ok(note)
    }

    /// Puts a usable file in its place. Every step may have been done by an earlier call that failed later.
    fn mend(&mut self, now: UnixNanos) -> Result<(Opened, Note), StoreError> {
        let there = open::identity(&self.path);
        let is_old = there.is_some() && there == self.identity.0;
        let mut note = Note::Lost;
        match self.mending {
            Some(Mending::Rebuilt) => {
                note = Note::Rebuilt;
                let fresh = self.fresh();
                if fresh.exists() {
                    if is_old {
                        let _ = fs::remove_file(&self.path);
                    } else if there.is_some() {
                        aside::set_aside(&self.path, now)?;
                    }
                    for ending in ["-wal", "-shm"] {
                        let _ = fs::remove_file(beside(&self.path, ending));
                    }
                    fs::rename(&fresh, &self.path).map_err(|error| StoreError::io(&format!("rename {}", fresh.display()), &error))?;
                    aside::sync_directory(&self.path);
                }
            }
            _ if is_old => {
                let opened = open::replace(&self.path, &self.options, now, "found while it was in use".to_owned())?;
                let note = opened.recovered.note.clone().unwrap_or(note);
                return Ok((opened, note));
            }
            Some(Mending::Lost) if there.is_some() && self.identity.0.is_some() => {
                aside::set_aside(&self.path, now)?;
            }
            _ => {}
        }
        self.identity = (None, None);
        match Opened::at(&self.path, &self.options) {
            Err(StoreError::Corrupt(reason)) => {
                let opened = open::replace(&self.path, &self.options, now, reason)?;
                let note = opened.recovered.note.clone().unwrap_or(note);
                Ok((opened, note))
            }
            opened => Ok((opened?, note)),
        }
    }

    /// Where a new file is written before it takes the place of the old one.
    fn fresh(&self) -> PathBuf {
        beside(&self.path, open::FRESH)
    }

    /// What `squelch store status` would say now.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn status(&mut self) -> Result<Status, StoreError> {
        self.check_in_place()?;
        Status::of(&mut self.connection, &self.options.directory)
    }

    /// Writes what we know into an empty store.
    fn begin_anew(&mut self, mut opened: Opened) -> Result<(), StoreError> {
        // A replay beside us may have made batches that we have not.
        let furthest = self.state.outputs.values().map(|output| output.cursor.batch).max().unwrap_or_default();
        self.state.last_batch = self.state.last_batch.max(furthest);
        let next = Cursor::at(BatchNumber(self.state.last_batch.0 + 1));
        let transaction = opened.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        rows::set_fact(&transaction, "generation", &1_u64.to_le_bytes())?;
        rows::set_totals(&transaction, None, &self.state.totals)?;
        transaction.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('batches', ?1)", [self.state.last_batch.0])?;
        for output in self.state.outputs.values_mut() {
            output.cursor = next;
        }
        for (name, output) in &self.state.outputs {
            rows::set_output(&transaction, name, output)?;
        }
        transaction.commit()?;
        self.store_id = opened.recovered.store_id;
        self.generation = 1;
        self.connection = opened.connection;
        Ok(())
    }

    #[cfg(test)]
    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// An orderly stop: the next start need not check the file.
    ///
    /// # Errors
    /// As [`Store::commit`]; everything committed is safe all the same.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.check_in_place()?;
        rows::set_fact(&self.connection, "is_clean", &[1])?;
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// Whether the file (and its log) is still the one that the next start would open.
    fn check_in_place(&mut self) -> Result<(), StoreError> {
        let (file, log) = (open::identity(&self.path), open::identity(&beside(&self.path, "-wal")));
        // SQLite makes the log when it first needs it.
        self.identity.1 = self.identity.1.or(log);
        if (file, log) == self.identity && self.mending.is_none() { Ok(()) } else { Err(StoreError::Deleted(self.path.clone())) }
    }

    /// A log that cannot be emptied must not fill the disk.
    fn check_log(&self) -> Result<(), StoreError> {
        let bytes = fs::metadata(beside(&self.path, "-wal")).map_or(0, |metadata| metadata.len());
        if bytes <= WAL_BYTES_MAX {
            return Ok(());
        }
        // Without waiting: the engine thread has better things to do, and comes again.
        self.connection.busy_timeout(Duration::ZERO)?;
        let is_busy = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        self.connection.busy_timeout(open::BUSY)?;
        if is_busy? == 0 { Ok(()) } else { Err(StoreError::Busy("a reader keeps the write-ahead log from being emptied".to_owned())) }
    }

    /// Puts the log into the file when there is enough of it. What fails here is tried again after the next commit: the data is safe in the log.
    fn checkpoint(&self, has_shrunk: bool) {
        let pages: rusqlite::Result<i64> = self
            .connection
            .prepare_cached("PRAGMA wal_checkpoint(NOOP)")
            .and_then(|mut statement| statement.query_row([], |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?)));
        // The file becomes shorter only then.
        if has_shrunk || pages.is_ok_and(|pages| pages >= CHECKPOINT_PAGES) {
            failpoint::pass("before-checkpoint");
            let _ = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
    }

    /// Cuts records into batches and packs them, before the transaction begins.
    fn pack(&mut self, records: &Records) -> Vec<Packed> {
        let mut packed = Vec::new();
        let (mut start, mut start_byte) = (0, 0);
        for at in 0..records.len() {
            let end_byte = records.index[at].1;
            let is_last = at + 1 == records.len();
            if is_last || (records.index[at + 1].1 - start_byte) as usize > BATCH_BYTES_MAX {
                let range = start..at + 1;
                let kinds = records.index[range.clone()].iter().fold(0, |kinds, (kind, _)| kinds | kind.bit());
                let body = self.packer.pack(records, range.clone());
                packed.push(Packed { records: range.len() as u32, kinds: full::with_samples(kinds), bytes: end_byte - start_byte, body });
                (start, start_byte) = (at + 1, end_byte);
            }
        }
        packed
    }
}

/// Copies everything that a connection sees into a new file.
fn rebuild(connection: &Connection, fresh: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let _ = fs::remove_file(fresh);
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(fresh);
    made.map_err(|error| StoreError::io(&format!("create {}", fresh.display()), &error))?;
    let path = fresh.to_str().ok_or_else(|| StoreError::Io(format!("{} is not UTF-8", fresh.display())))?;
    let copied = connection.execute("VACUUM INTO ?1", [path]);
    if copied.is_err() {
        let _ = fs::remove_file(fresh);
    }
    copied?;
    Ok(())
}

/// A batch that is ready to be written.
struct Packed {
    records: u32,
    kinds: i64,
    bytes: u32,
    body: Vec<u8>,
}

/// One transaction in the making. `state` becomes the store's when it is through.
struct Draft<'a> {
    connection: &'a Connection,
    options: &'a Options,
    before: &'a State,
    state: &'a mut State,
    hints: &'a mut Hints,
}

impl Draft<'_> {
    /// Cursors and dead letters. A cursor never goes back; an output that is not registered has none, but its dead letters are kept.
    fn progress(&mut self, progress: &[Progress]) -> Result<(), StoreError> {
        let mut all_dead: Vec<&DeadLetter> = Vec::new();
        for told in progress {
            let Progress::Delivered { output, cursor, records, dead } = told else { continue };
            if let Some(row) = self.state.outputs.get_mut(output) {
                row.cursor = row.cursor.max(*cursor);
                row.delivered += records;
                row.dead += dead.len() as u64;
            }
            all_dead.extend(dead);
        }
        if !all_dead.is_empty() {
            let now = clock::now();
            for letter in all_dead {
                letters::insert(self.connection, letter, now)?;
            }
            self.state.totals.letters_forgotten += letters::forget(self.connection, self.options)?;
        }
        for (name, row) in &mut self.state.outputs {
            let Some(before) = self.before.outputs.get(name).filter(|before| *before != row) else { continue };
            if before.cursor != row.cursor && row.cursor.done > 0 {
                // A batch that is done to its end is passed.
                let mut statement = self.connection.prepare_cached("SELECT records FROM batches WHERE number = ?1")?;
                let records: Option<u32> = statement.query_row([row.cursor.batch.0], |row| row.get(0)).optional()?;
                if records.is_some_and(|records| row.cursor.done >= records) {
                    row.cursor = Cursor::at(BatchNumber(row.cursor.batch.0 + 1));
                }
            }
            rows::set_output(self.connection, name, row)?;
        }
        Ok(())
    }

    /// Batches that every output has passed go.
    fn remove_delivered(&self) -> Result<(), StoreError> {
        let passed = self.passed().map_or(i64::MAX, |cursor| cursor.batch.0);
        let mut oldest = self.connection.prepare_cached("SELECT number FROM batches WHERE number < ?1 ORDER BY number LIMIT ?2")?;
        let numbers = oldest.query_map((passed, REMOVED_MAX), |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
        for number in numbers {
            remove_batch(self.connection, number)?;
        }
        Ok(())
    }

    /// How far the slowest output has come.
    fn passed(&self) -> Option<Cursor> {
        self.state.outputs.values().map(|output| output.cursor).min()
    }

    /// New batches, if there is room or room can be made.
    fn add_batches(&mut self, batches: &[Packed]) -> Result<Dropped, StoreError> {
        let mut dropped = Dropped::default();
        let needed: u64 = batches.iter().map(|batch| batch.body.len() as u64).sum();
        if needed == 0 {
            return Ok(dropped);
        }
        if rows::bytes_used(self.connection)? + needed > self.options.bytes_max {
            match self.options.on_full {
                OnFull::Block if has_batches(self.connection)? => {
                    return Err(StoreError::Full(format!("bytes_max = {} is reached; it empties as outputs take records", self.options.bytes_max)));
                }
                // A single commit larger than the store would wait forever.
                OnFull::Block => {}
                OnFull::DropOldest => {
                    let passed = self.passed().unwrap_or_default();
                    dropped = full::make_room(self.connection, self.options.bytes_max.saturating_sub(needed), passed, self.hints)?;
                }
            }
        }
        let now = clock::now();
        let mut header = self.connection.prepare_cached("INSERT INTO batches (created_at, records, kinds, bytes) VALUES (?1, ?2, ?3, ?4)")?;
        let mut body = self.connection.prepare_cached("INSERT INTO bodies (number, body) VALUES (?1, ?2)")?;
        for batch in batches {
            header.execute((now.0, batch.records, batch.kinds, batch.bytes))?;
            let number = self.connection.last_insert_rowid();
            body.execute((number, &batch.body))?;
            self.state.last_batch = BatchNumber(number);
        }
        Ok(dropped)
    }

    fn positions(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        let mut forget = self.connection.prepare_cached("DELETE FROM positions WHERE key = ?1")?;
        for key in commit.forgotten {
            forget.execute([key])?;
        }
        for position in commit.positions {
            rows::set_position(self.connection, position)?;
        }
        Ok(())
    }

    fn windows(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        let mut close = self.connection.prepare_cached("DELETE FROM windows WHERE key = ?1")?;
        for key in commit.windows_closed {
            close.execute([key])?;
        }
        for window in commit.windows_changed {
            rows::set_window(self.connection, window)?;
        }
        if let Some(held) = commit.held {
            rows::set_held(self.connection, held)?;
        }
        if let Some(storms) = commit.storms {
            rows::set_fact(self.connection, "storms", storms)?;
        }
        Ok(())
    }
}

/// A batch with its body.
pub(super) fn remove_batch(connection: &Connection, number: i64) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM batches WHERE number = ?1")?.execute([number])?;
    connection.prepare_cached("DELETE FROM bodies WHERE number = ?1")?.execute([number])?;
    Ok(())
}

fn has_batches(connection: &Connection) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM batches)")?.query_row([], |row| row.get(0))?)
}

/// Shrinks the file a little when most of it is free; says whether it did.
fn give_back_pages(connection: &Connection) -> Result<bool, StoreError> {
    let pragma = |sql| -> rusqlite::Result<i64> { connection.prepare_cached(sql)?.query_row([], |row| row.get(0)) };
    let (free, all) = (pragma("PRAGMA freelist_count")?, pragma("PRAGMA page_count")?);
    if free <= FREE_PAGES_MAX || free <= all / 2 {
        return Ok(false);
    }
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
    let mut steps = statement.query([])?;
    while steps.next()?.is_some() {}
    Ok(true)
}

/// Puts records that one output alone shall get into the queue.
pub(super) fn add_only_for(connection: &Connection, output: &str, records: &Records, now: UnixNanos) -> Result<BatchNumber, StoreError> {
    let kinds = records.index.iter().fold(0, |kinds, (kind, _)| kinds | kind.bit());
    let body = Packer::new().pack(records, 0..records.len());
    connection.execute(
        "INSERT INTO batches (created_at, records, kinds, bytes, only_output) VALUES (?1, ?2, ?3, ?4, ?5)",
        (now.0, records.len() as u32, full::with_samples(kinds), records.ndjson.len() as u32, output),
    )?;
    let number = connection.last_insert_rowid();
    connection.execute("INSERT INTO bodies (number, body) VALUES (?1, ?2)", (number, &body))?;
    Ok(BatchNumber(number))
}
