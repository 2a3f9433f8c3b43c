//! Dead letters: records that an output will never take. Kept with the reason, and may be sent again.

use super::open::path_in;
use super::{BatchNumber, DeadLetter, Options, RecordKind, Records, StoreError, reader, rows, schema, writer};
use crate::time::UnixNanos;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

/// Bytes of a reason that are kept.
const REASON_BYTES_MAX: usize = 1024;

/// Dead letters may take this part of the store; else one receiver that refuses everything would fill it for good.
const SHARE: u64 = 8;

/// How long a replay waits for the agent's commit.
const PATIENCE: Duration = Duration::from_secs(10);

/// A dead letter, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptLetter {
    /// Ascending, never reused.
    pub id: i64,
    /// Which output.
    pub output: String,
    /// What it is.
    pub kind: RecordKind,
    /// When it was given up.
    pub at: UnixNanos,
    /// What the receiver said.
    pub reason: String,
    /// The record.
    pub json: Vec<u8>,
}

/// Keeps a letter.
pub(super) fn insert(connection: &Connection, letter: &DeadLetter, now: UnixNanos) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("INSERT INTO dead_letters (output, kind, at, reason, json) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let cut = (0..=letter.reason.len().min(REASON_BYTES_MAX)).rev().find(|at| letter.reason.is_char_boundary(*at)).unwrap_or(0);
    let json = letter.json.strip_suffix(b"\n").unwrap_or(&letter.json);
    statement.execute((&letter.output, letter.kind as u8, now.0, &letter.reason[..cut], json))?;
    Ok(())
}

/// Forgets the oldest beyond the limits; returns how many.
pub(super) fn forget(connection: &Connection, options: &Options) -> Result<u64, StoreError> {
    let bytes_max = options.bytes_max / SHARE;
    // Walking from the newest, everything from the first one beyond a limit on goes.
    let mut newest = connection.prepare_cached("SELECT id, length(json) FROM dead_letters ORDER BY id DESC")?;
    let mut rows = newest.query([])?;
    let (mut count, mut bytes) = (0_u64, 0_u64);
    while let Some(row) = rows.next()? {
        count += 1;
        bytes += row.get::<_, i64>(1)? as u64;
        if count > options.dead_letters_max || bytes > bytes_max {
            let beyond: i64 = row.get(0)?;
            return Ok(connection.prepare_cached("DELETE FROM dead_letters WHERE id <= ?1")?.execute([beyond])? as u64);
        }
    }
    Ok(0)
}

/// Hands each dead letter to `take`, oldest first, until it says `false`.
///
/// # Errors
/// There is no store, or it cannot be read.
pub fn dead_letters(directory: &Path, output: Option<&str>, mut take: impl FnMut(KeptLetter) -> bool) -> Result<(), StoreError> {
    let connection = reader::connect(&path_in(directory))?;
    let mut statement =
        connection.prepare("SELECT id, output, kind, at, reason, json FROM dead_letters WHERE ?1 IS NULL OR output = ?1 ORDER BY id")?;
    let mut rows = statement.query([output])?;
    while let Some(row) = rows.next()? {
        if !take(letter(row)?) {
            break;
        }
    }
    Ok(())
}

/// A row of `dead_letters`.
pub(super) fn letter(row: &rusqlite::Row<'_>) -> Result<KeptLetter, StoreError> {
    Ok(KeptLetter {
        id: row.get(0)?,
        output: row.get(1)?,
        kind: rows::kind(row.get(2)?)?,
        at: UnixNanos(row.get(3)?),
        reason: row.get(4)?,
        json: row.get(5)?,
    })
}

/// Records of one replayed batch.
const REPLAY_RECORDS_MAX: usize = 1000;

/// Puts the dead letters of an output back into the queue, for this output alone; returns how many. Works beside a running agent, whose output
/// finds them at the next look.
///
/// # Errors
/// There is no store, no such output, or the store cannot be written.
pub fn replay_dead_letters(directory: &Path, output: &str, now: UnixNanos) -> Result<u64, StoreError> {
    let path = path_in(directory);
    if !path.exists() {
        return Err(StoreError::Missing(directory.to_owned()));
    }
    let mut connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    schema::version(&connection, &path)?;
    let known = rows::outputs(&connection)?;
    if !known.contains_key(output) {
        let names: Vec<&str> = known.keys().map(|name| &**name).collect();
        return Err(StoreError::NoOutput { name: output.to_owned(), known: names.join(", ") });
    }
    let mut replayed = 0;
    loop {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (records, last) = oldest(&transaction, output)?;
        if records.is_empty() {
            return Ok(replayed);
        }
        let _: BatchNumber = writer::add_only_for(&transaction, output, &records, now)?;
        transaction.execute("DELETE FROM dead_letters WHERE output = ?1 AND id <= ?2", (output, last))?;
        transaction.commit()?;
        replayed += records.len() as u64;
    }
}

/// The oldest letters of an output as records, and the id of the last.
fn oldest(connection: &Connection, output: &str) -> Result<(Records, i64), StoreError> {
    let mut statement = connection.prepare("SELECT id, output, kind, at, reason, json FROM dead_letters WHERE output = ?1 ORDER BY id LIMIT ?2")?;
    let mut rows = statement.query((output, REPLAY_RECORDS_MAX as i64))?;
    let (mut records, mut last) = (Records::default(), 0);
    while let Some(row) = rows.next()? {
        let letter = letter(row)?;
        records.push(letter.kind, &letter.json);
        last = letter.id;
        if records.ndjson.len() >= 1 << 20 {
            break;
        }
    }
    Ok((records, last))
}
