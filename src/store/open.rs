//! Opening a store: what is there is checked, what cannot be used is set aside.

use super::aside::{self, Note, beside};
use super::lock::Lock;
use super::rows::{self, OutputRow, Totals};
use super::writer::State;
use super::{BatchNumber, Cursor, HeldLines, OpenWindow, Options, Store, StoreError, salvage, schema};
use crate::engine::Accounting;
use crate::inputs::event::Position;
use crate::time::UnixNanos;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the store in the state directory.
pub(super) const FILE: &str = "squelch.db";

/// Ending of a file that is being written to take the place of the store.
pub(super) const FRESH: &str = ".rebuilt";

/// How long a statement waits for another program's lock. The engine thread stands still meanwhile; a person's `sqlite3` takes milliseconds.
pub(super) const BUSY: Duration = Duration::from_secs(2);

/// Statements that stay prepared: all that a commit may need.
const STATEMENTS_MAX: usize = 64;

/// The write-ahead log is cut back to this after it was emptied; small commits then need no new disk space, so acknowledgements still go
/// through when the disk is full.
const WAL_KEPT_BYTES: u64 = 4 << 20;

/// What the last run left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// Starts of this store, this one included: part of the ids of summaries.
    pub generation: u64,
    /// Made at random with the store: part of the ids of batches.
    pub store_id: u64,
    /// From where inputs go on, by key.
    pub positions: Vec<Position>,
    /// Windows that were open, by key.
    pub windows: Vec<OpenWindow>,
    /// Lines that were held, as they were given.
    pub held: Vec<HeldLines>,
    /// Storms that went on.
    pub storms: Option<Vec<u8>>,
    /// The accounting of all time of this store.
    pub totals: Accounting,
    /// How far each output has come.
    pub cursors: BTreeMap<Box<str>, Cursor>,
    /// What people should know.
    pub note: Option<Note>,
}

/// A file's identity while it is in use.
pub(super) type Identity = (u64, u64);

/// Device and inode of what stands at `path` now.
pub(super) fn identity(path: &Path) -> Option<Identity> {
    fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

impl Store {
    /// Opens (or makes) the store of a state directory and takes its lock.
    ///
    /// After a stop that was not orderly the whole file is checked first (some seconds per GiB). A file that cannot be used is set
    /// aside and a new store begins; [`Recovered::note`] says so.
    ///
    /// # Errors
    /// Another agent has the directory, a newer squelch made the store, or the file system refuses. [`StoreError::remedy`] tells them apart.
    pub fn open(options: &Options, now: UnixNanos) -> Result<(Self, Recovered), StoreError> {
        create_directory(&options.directory)?;
        let lock = Lock::take(&options.directory)?;
        let path = options.directory.join(FILE);
        // Left by a stop in the middle of [`replace`]: nobody knows whether it is whole.
        let _ = fs::remove_file(beside(&path, FRESH));
        let opened = match check_header(&path).and_then(|()| Opened::at(&path, options)) {
            Err(StoreError::Corrupt(reason)) => replace(&path, options, now, reason)?,
            result => result?,
        };
        let Opened { mut connection, mut recovered, outputs, totals, last_batch } = opened;
        recovered.generation += 1;
        start(&mut connection, &recovered)?;
        let state = State { totals, outputs, last_batch };
        let store = Self::new(options.clone(), path, connection, lock, state, recovered.store_id, recovered.generation);
        Ok((store, recovered))
    }
}

/// Sets a damaged store aside and makes a new one with whatever can be saved.
pub(super) fn replace(path: &Path, options: &Options, now: UnixNanos, reason: String) -> Result<Opened, StoreError> {
    let fresh = beside(path, FRESH);
    let saved = salvage::salvage(path, &fresh, options);
    let file = aside::set_aside(path, now)?;
    if let Some(records_lost) = saved {
        fs::rename(&fresh, path).map_err(|error| StoreError::io(&format!("rename {}", fresh.display()), &error))?;
        let mut opened = Opened::at(path, options)?;
        opened.recovered.note = Some(Note::Salvaged { file, reason, records_lost });
        return Ok(opened);
    }
    let mut opened = Opened::at(path, options)?;
    opened.recovered.note = Some(Note::SetAside { file, reason });
    Ok(opened)
}

/// The state directory, for us alone. One that exists keeps its mode: somebody chose it (systemd, a chart).
pub(super) fn create_directory(directory: &Path) -> Result<(), StoreError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| StoreError::io(&format!("create the state directory {}", directory.display()), &error))
}

/// Counts the start and notes that the store is in use.
fn start(connection: &mut Connection, recovered: &Recovered) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    rows::set_fact(&transaction, "generation", &recovered.generation.to_le_bytes())?;
    rows::set_fact(&transaction, "is_clean", &[0])?;
    Ok(transaction.commit()?)
}

/// A store that can be used, with everything that is in it but batches and dead letters.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) recovered: Recovered,
    pub(super) outputs: BTreeMap<Box<str>, OutputRow>,
    pub(super) totals: Totals,
    pub(super) last_batch: BatchNumber,
}

impl Opened {
    /// Opens the file, makes it where there is none, checks it where the last stop was not orderly. Counts no start.
    pub(super) fn at(path: &Path, options: &Options) -> Result<Self, StoreError> {
        create_file(path)?;
        let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        // A damaged page must not make SQLite run code or read beyond it.
        connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY")?;
        let version = schema::version(&connection, path)?;
        schema::migrate(&mut connection, version)?;
        connection.execute_batch(&format!("PRAGMA synchronous = {}; PRAGMA wal_autocheckpoint = 0", if options.sync { "FULL" } else { "NORMAL" }))?;
        connection.query_row(&format!("PRAGMA journal_size_limit = {WAL_KEPT_BYTES}"), [], |_| Ok(()))?;
        let is_clean = rows::fact(&connection, "is_clean")?.is_some_and(|value| value == [1]);
        if version > 0 && !is_clean {
            check(&connection)?;
        }
        let outputs = rows::outputs(&connection)?;
        let totals = rows::totals(&connection)?;
        let last_batch = connection.query_row("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'batches'", [], |row| row.get(0))?;
        let note = match version {
            0 => Some(Note::New),
            schema::VERSION => None,
            from => Some(Note::Migrated { from }),
        };
        let recovered = Recovered {
            generation: rows::number(&connection, "generation")?,
            store_id: rows::number(&connection, "store_id")?,
            positions: rows::positions(&connection)?,
            windows: rows::windows(&connection)?,
            held: rows::held(&connection)?,
            storms: rows::fact(&connection, "storms")?,
            totals: totals.accounting,
            cursors: outputs.iter().map(|(name, output)| (name.clone(), output.cursor)).collect(),
            note,
        };
        Ok(Self { connection, recovered, outputs, totals, last_batch: BatchNumber(last_batch) })
    }
}

/// An empty file, readable by us alone; SQLite gives its other files the same mode. An existing one is closed to others, too.
fn create_file(path: &Path) -> Result<(), StoreError> {
    // Never opened by ourselves when it exists: closing a descriptor of a database would give up SQLite's locks on it.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(file) => {
            // A log without its database would be applied to the new one.
            let _ = fs::remove_file(beside(path, "-wal"));
            let _ = file.sync_all();
            aside::sync_directory(path);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = fs::symlink_metadata(path).map_err(|error| StoreError::io(&format!("look at {}", path.display()), &error))?;
            if !metadata.is_file() {
                return Err(StoreError::Io(format!("{} is no regular file", path.display())));
            }
            if metadata.permissions().mode() & 0o077 != 0 {
                let _ = fs::set_permissions(path, Permissions::from_mode(0o600));
            }
            Ok(())
        }
        Err(error) => Err(StoreError::io(&format!("create {}", path.display()), &error)),
    }
}

/// SQLite takes a file whose format it does not know for read-only, which would look like a file system that is. Must come before the first
/// connection: closing our descriptor would give up its locks.
fn check_header(path: &Path) -> Result<(), StoreError> {
    /// Where the header says which format versions a writer and a reader must know: 1 or 2.
    const VERSIONS: std::ops::Range<usize> = 18..20;
    let mut header = [0; VERSIONS.end];
    let is_read = fs::File::open(path).and_then(|mut file| io::Read::read_exact(&mut file, &mut header)).is_ok();
    if is_read && header[VERSIONS].iter().any(|version| !(1..=2).contains(version)) {
        return Err(StoreError::Corrupt("its header is not that of a database".to_owned()));
    }
    Ok(())
}

/// Reads every page once.
fn check(connection: &Connection) -> Result<(), StoreError> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(StoreError::Corrupt(found.lines().last().unwrap_or_default().to_owned())) }
}

/// The path of the store in a state directory.
pub(super) fn path_in(directory: &Path) -> PathBuf {
    directory.join(FILE)
}
