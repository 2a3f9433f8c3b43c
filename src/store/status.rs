//! A look into the store for people, beside the agent or without one.

use super::lock;
use super::open::path_in;
use super::rows::{self, Totals};
use super::{BatchNumber, Cursor, Dropped, StoreError, aside, reader, schema};
use crate::engine::Accounting;
use crate::time::UnixNanos;
use rusqlite::{Connection, OptionalExtension};
use std::fs;
use std::path::{Path, PathBuf};

/// What is in a store.
#[derive(Clone, Debug)]
pub struct Status {
    /// The file.
    pub path: PathBuf,
    /// The agent that has it open.
    pub held_by: Option<u32>,
    /// Version of the tables.
    pub version: i64,
    /// See [`super::Recovered::store_id`].
    pub store_id: u64,
    /// Starts of the store.
    pub generation: u64,
    /// Size of the file.
    pub file_bytes: u64,
    /// Size of the write-ahead log.
    pub log_bytes: u64,
    /// Bytes of the file that hold something.
    pub used_bytes: u64,
    /// Batches kept.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of their records, unpacked.
    pub record_bytes: u64,
    /// When the oldest was committed.
    pub oldest: Option<UnixNanos>,
    /// When the newest was committed.
    pub newest: Option<UnixNanos>,
    /// Each output.
    pub outputs: Vec<OutputStatus>,
    /// Input positions.
    pub positions: u64,
    /// Open windows.
    pub windows: u64,
    /// Lines in open windows.
    pub window_lines: u64,
    /// Lines held for joining.
    pub held_lines: u64,
    /// The accounting of all time.
    pub totals: Accounting,
    /// What a full store dropped.
    pub dropped: Dropped,
    /// Dead letters that were forgotten for want of room.
    pub letters_forgotten: u64,
    /// Damaged files beside the store.
    pub set_aside: Vec<PathBuf>,
}

/// What is known of an output.
#[derive(Clone, Debug)]
pub struct OutputStatus {
    /// Its name; of an output that is configured no more, when it has dead letters.
    pub name: String,
    /// How far it is; `None` when it is configured no more.
    pub cursor: Option<Cursor>,
    /// Records it took.
    pub delivered: u64,
    /// Records it has yet to see (what its route leaves out included).
    pub queued: u64,
    /// When the oldest of them was committed.
    pub oldest: Option<UnixNanos>,
    /// Records it gave up.
    pub dead: u64,
    /// Dead letters that can be replayed.
    pub letters: u64,
}

impl Status {
    /// Reads it all in one transaction.
    ///
    /// # Errors
    /// There is no store, or it cannot be read.
    pub fn read(directory: &Path) -> Result<Self, StoreError> {
        Self::of(&mut reader::connect(&path_in(directory))?, directory)
    }

    /// The same through a connection that is open.
    pub(super) fn of(connection: &mut Connection, directory: &Path) -> Result<Self, StoreError> {
        let path = path_in(directory);
        let transaction = connection.transaction()?;
        let Totals { accounting, dropped, letters_forgotten } = rows::totals(&transaction)?;
        let one = |sql| -> Result<u64, StoreError> { Ok(transaction.query_row(sql, [], |row| row.get::<_, i64>(0))? as u64) };
        let time = |sql| -> Result<Option<UnixNanos>, StoreError> { Ok(transaction.query_row(sql, [], |row| row.get(0)).optional()?.map(UnixNanos)) };
        let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        Ok(Self {
            held_by: lock::holder(directory),
            version: schema::version(&transaction, &path)?,
            store_id: rows::number(&transaction, "store_id")?,
            generation: rows::number(&transaction, "generation")?,
            file_bytes: size(&path),
            log_bytes: size(&aside::beside(&path, "-wal")),
            used_bytes: rows::bytes_used(&transaction)?,
            batches: one("SELECT count(*) FROM batches")?,
            records: one("SELECT coalesce(sum(records), 0) FROM batches")?,
            record_bytes: one("SELECT coalesce(sum(bytes), 0) FROM batches")?,
            oldest: time("SELECT created_at FROM batches ORDER BY number LIMIT 1")?,
            newest: time("SELECT created_at FROM batches ORDER BY number DESC LIMIT 1")?,
            outputs: outputs(&transaction)?,
            positions: one("SELECT count(*) FROM positions")?,
            windows: one("SELECT count(*) FROM windows")?,
            window_lines: one("SELECT coalesce(sum(lines), 0) FROM windows")?,
            held_lines: one("SELECT coalesce(sum(lines), 0) FROM held")?,
            totals: accounting,
            dropped,
            letters_forgotten,
            set_aside: aside::list(&path).into_iter().map(|(_, file)| file).collect(),
            path,
        })
    }
}

fn outputs(connection: &Connection) -> Result<Vec<OutputStatus>, StoreError> {
    let mut found = Vec::new();
    let mut queued = connection
        .prepare("SELECT coalesce(sum(records), 0), min(created_at) FROM batches WHERE number >= ?1 AND (only_output IS NULL OR only_output = ?2)")?;
    let mut letters = connection.prepare("SELECT count(*) FROM dead_letters WHERE output = ?1")?;
    for (name, row) in rows::outputs(connection)? {
        let (records, oldest): (i64, Option<i64>) = queued.query_row((row.cursor.batch.0, &name), |row| Ok((row.get(0)?, row.get(1)?)))?;
        found.push(OutputStatus {
            cursor: Some(row.cursor),
            delivered: row.delivered,
            queued: (records as u64).saturating_sub(u64::from(row.cursor.done)),
            oldest: oldest.map(UnixNanos),
            dead: row.dead,
            letters: letters.query_row([&name], |row| row.get::<_, i64>(0))? as u64,
            name: name.into(),
        });
    }
    let mut gone =
        connection.prepare("SELECT output, count(*) FROM dead_letters WHERE output NOT IN (SELECT output FROM cursors) GROUP BY output")?;
    let mut rows = gone.query([])?;
    while let Some(row) = rows.next()? {
        let letters = row.get::<_, i64>(1)? as u64;
        found.push(OutputStatus { name: row.get(0)?, cursor: None, delivered: 0, queued: 0, oldest: None, dead: letters, letters });
    }
    Ok(found)
}

impl OutputStatus {
    /// The batch it has to deal with next.
    #[must_use]
    pub fn next_batch(&self) -> Option<BatchNumber> {
        self.cursor.map(|cursor| cursor.batch)
    }
}
