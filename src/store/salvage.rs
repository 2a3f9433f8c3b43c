//! What is saved of a damaged store: all of its state or nothing, and every batch that is whole.
//!
//! Most pages of a store hold batches, so most damage hits those. State (positions, windows, cursors, counters) is small and belongs together:
//! half of it would double or lose lines, so it is taken only when its tables pass SQLite's check and each row its checksum.

use super::aside::beside;
use super::open::Opened;
use super::{Options, Records, StoreError, codec, full, reader, rows, schema};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior};
use std::fs;
use std::path::Path;

/// Tables that must be whole.
const STATE: [&str; 6] = ["facts", "totals", "cursors", "positions", "windows", "held"];

/// Writes what can be saved of the store at `path` into a new one at `fresh`; returns how many records could not (at least). `None`: nothing is
/// to be saved. No connection to either may be open.
pub(super) fn salvage(path: &Path, fresh: &Path, options: &Options) -> Option<u64> {
    let remove = || ["", "-wal", "-shm"].map(|ending| fs::remove_file(beside(fresh, ending)).is_ok());
    remove();
    let saved = copy(path, fresh, options);
    if saved.is_err() {
        remove();
    }
    saved.ok()
}

fn copy(path: &Path, fresh: &Path, options: &Options) -> Result<u64, StoreError> {
    let old = reader::connect(path)?;
    if schema::version(&old, path)? != schema::VERSION {
        return Err(StoreError::Corrupt("it is damaged and of an older version".to_owned()));
    }
    for table in STATE {
        let found: String = old.query_row(&format!("PRAGMA quick_check('{table}')"), [], |row| row.get(0))?;
        if found != "ok" {
            return Err(StoreError::Corrupt(format!("{table}: {found}")));
        }
    }
    let mut new = Opened::at(fresh, options)?.connection;
    let transaction = new.transaction_with_behavior(TransactionBehavior::Immediate)?;
    copy_state(&old, &transaction)?;
    let lost = copy_batches(&old, &transaction)?;
    copy_letters(&old, &transaction)?;
    transaction.commit()?;
    new.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(lost)
}

fn copy_state(old: &Connection, new: &Connection) -> Result<(), StoreError> {
    for name in ["store_id", "generation"] {
        rows::set_fact(new, name, &rows::number(old, name)?.to_le_bytes())?;
    }
    if let Some(storms) = rows::fact(old, "storms")? {
        rows::set_fact(new, "storms", &storms)?;
    }
    rows::set_totals(new, None, &rows::totals(old)?)?;
    for (name, output) in rows::outputs(old)? {
        rows::set_output(new, &name, &output)?;
    }
    for position in rows::positions(old)? {
        rows::set_position(new, &position)?;
    }
    for window in rows::windows(old)? {
        rows::set_window(new, &window)?;
    }
    rows::set_held(new, &rows::held(old)?)
}

/// A row of `batches` as far as its body does not say it better.
struct Header {
    number: i64,
    created_at: i64,
    records: u32,
    kinds: i64,
    only_output: Option<String>,
}

impl Header {
    fn new(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { number: row.get(0)?, created_at: row.get(1)?, records: row.get(2)?, kinds: row.get(3)?, only_output: row.get(4)? })
    }
}

/// All batches that can be read, and the number that the next one must be beyond.
fn copy_batches(old: &Connection, new: &Connection) -> Result<u64, StoreError> {
    let mut lost = 0;
    let cursors = rows::outputs(old)?.into_values().map(|output| output.cursor.batch.0).max();
    let sequence = old.query_row("SELECT seq FROM sqlite_sequence WHERE name = 'batches'", [], |row| row.get::<_, i64>(0));
    // A cursor may stand on the number that comes next.
    let mut last = sequence.unwrap_or(0).max(cursors.map_or(0, |next| next - 1));
    for header in headers(old) {
        let body = old.query_row("SELECT body FROM bodies WHERE number = ?1", [header.number], |row| row.get::<_, Vec<u8>>(0)).optional();
        let whole = body.ok().flatten().and_then(|body| codec::unpack(&body).map(|records| (body, records)));
        let Some((body, records)) = whole else {
            lost += u64::from(header.records);
            continue;
        };
        new.execute(
            "INSERT OR IGNORE INTO batches (number, created_at, records, kinds, bytes, only_output) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (header.number, header.created_at, records.len() as u32, kinds(&records, header.kinds), records.ndjson.len() as u32, header.only_output),
        )?;
        new.execute("INSERT OR IGNORE INTO bodies (number, body) VALUES (?1, ?2)", (header.number, body))?;
        last = last.max(header.number);
    }
    new.execute("DELETE FROM sqlite_sequence WHERE name = 'batches'", [])?;
    new.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('batches', ?1)", [last])?;
    Ok(lost)
}

/// Walks from both ends to the damage, if there is any.
fn headers(old: &Connection) -> Vec<Header> {
    let walk = |order: &str, until: i64| {
        let mut found: Vec<Header> = Vec::new();
        let sql = format!("SELECT number, created_at, records, kinds, only_output FROM batches ORDER BY number {order}");
        let _ = old.prepare(&sql).and_then(|mut statement| {
            for header in statement.query_map([], Header::new)? {
                let header = header?;
                if header.number == until {
                    break;
                }
                found.push(header);
            }
            Ok(())
        });
        found
    };
    let mut found = walk("ASC", -1);
    let last = found.last().map_or(-1, |header| header.number);
    found.extend(walk("DESC", last).into_iter().filter(|header| header.number > last));
    found
}

/// What is in a batch, from its records; only whether samples were dropped is not seen there.
fn kinds(records: &Records, before: i64) -> i64 {
    let here = records.iter().filter(|record| !record.json.is_empty()).fold(0, |kinds, record| kinds | record.kind.bit());
    full::like(here, before)
}

/// Dead letters as far as they can be read.
fn copy_letters(old: &Connection, new: &Connection) -> Result<(), StoreError> {
    let Ok(mut statement) = old.prepare("SELECT id, output, kind, at, reason, json FROM dead_letters ORDER BY id") else { return Ok(()) };
    let Ok(mut rows) = statement.query([]) else { return Ok(()) };
    while let Ok(Some(row)) = rows.next() {
        let Ok(letter) = super::letters::letter(row) else { continue };
        new.execute(
            "INSERT OR IGNORE INTO dead_letters (id, output, kind, at, reason, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (letter.id, letter.output, letter.kind as u8, letter.at.0, letter.reason, letter.json),
        )?;
    }
    Ok(())
}
