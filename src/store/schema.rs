//! The tables, and how an older store becomes a newer one.

use super::StoreError;
use super::rows::{self, Totals};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use std::path::Path;

/// `SQLC`: tells a store of ours from another program's database.
const APPLICATION_ID: i64 = 0x5351_4c43;

/// Each makes version n + 1 of version n. Never change one that was released; add one.
const MIGRATIONS: &[&str] = &[V1];

/// The version that this squelch writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Bodies have a table of their own: walking over batches then reads no page of text.
/// `checksum` is over all other columns of its row: a flipped bit in a page is otherwise invisible to SQLite.
const V1: &str = "
CREATE TABLE schema_version (version INTEGER NOT NULL);
INSERT INTO schema_version VALUES (0);
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE batches (number INTEGER PRIMARY KEY AUTOINCREMENT, created_at INTEGER NOT NULL, records INTEGER NOT NULL, kinds INTEGER NOT NULL,
    bytes INTEGER NOT NULL, only_output TEXT);
CREATE TABLE bodies (number INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE positions (key TEXT PRIMARY KEY, value BLOB NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE windows (key TEXT PRIMARY KEY, kind INTEGER NOT NULL, lines INTEGER NOT NULL, json BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE held (place INTEGER PRIMARY KEY, stream TEXT NOT NULL, lines INTEGER NOT NULL, bytes BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE totals (name TEXT PRIMARY KEY, value INTEGER NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE cursors (output TEXT PRIMARY KEY, batch INTEGER NOT NULL, done INTEGER NOT NULL, delivered INTEGER NOT NULL, dead INTEGER NOT NULL,
    checksum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE dead_letters (id INTEGER PRIMARY KEY AUTOINCREMENT, output TEXT NOT NULL, kind INTEGER NOT NULL, at INTEGER NOT NULL,
    reason TEXT NOT NULL, json BLOB NOT NULL);
CREATE INDEX dead_letters_of_outputs ON dead_letters (output, id);
";

/// The version of the store behind `connection`; 0 for an empty file.
///
/// # Errors
/// It belongs to another program, or is newer than we are.
pub(super) fn version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(0);
    }
    let id: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if id != APPLICATION_ID {
        return Err(StoreError::Corrupt("it is no store of squelch's".to_owned()));
    }
    let version: Option<i64> = connection.query_row("SELECT version FROM schema_version", [], |row| row.get(0)).optional()?;
    match version {
        Some(version) if version > VERSION => Err(StoreError::Newer { path: path.to_owned(), found: version, known: VERSION }),
        Some(version) if version >= 1 => Ok(version),
        _ => Err(StoreError::Corrupt("it has no version".to_owned())),
    }
}

/// Brings the store to [`VERSION`], each step in a transaction of its own.
pub(super) fn migrate(connection: &mut Connection, from: i64) -> Result<(), StoreError> {
    if from == 0 {
        // Only possible before the first table.
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL")?;
    }
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    for (version, step) in (1..).zip(MIGRATIONS).skip(from as usize) {
        let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        if version == 1 {
            // From the first moment on: a fact or a counter that is missing later is damage.
            rows::set_fact(&transaction, "store_id", &rand::random::<u64>().to_le_bytes())?;
            rows::set_fact(&transaction, "generation", &0_u64.to_le_bytes())?;
            rows::set_fact(&transaction, "is_clean", &[0])?;
            rows::set_totals(&transaction, None, &Totals::default())?;
        }
        transaction.execute("UPDATE schema_version SET version = ?1", [version])?;
        transaction.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}"))?;
        transaction.commit()?;
    }
    Ok(())
}
