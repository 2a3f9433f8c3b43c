//! Rows of the state tables: each with a checksum, each as a value of ours.

use super::commit::Dropped;
use super::{BatchNumber, Cursor, HeldLines, OpenWindow, RecordKind, StoreError};
use crate::engine::Accounting;
use crate::inputs::event::Position;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;

/// Over all parts with their lengths.
pub(super) fn checksum(parts: &[&[u8]]) -> i64 {
    let mut hash = 0_u64;
    for part in parts {
        hash = (hash.rotate_left(5) ^ rapidhash::v3::rapidhash_v3(part)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    hash as i64
}

fn verify(stored: i64, parts: &[&[u8]], what: &str) -> Result<(), StoreError> {
    if stored == checksum(parts) { Ok(()) } else { Err(StoreError::Corrupt(format!("a row of {what} does not fit its checksum"))) }
}

/// A named value.
pub(super) fn fact(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT value, checksum FROM facts WHERE name = ?1")?;
    let row: Option<(Vec<u8>, i64)> = statement.query_row([name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((value, stored)) = row else { return Ok(None) };
    verify(stored, &[name.as_bytes(), &value], "facts")?;
    Ok(Some(value))
}

/// A named number, which is there in every store.
pub(super) fn number(connection: &Connection, name: &str) -> Result<u64, StoreError> {
    let bytes = fact(connection, name)?.and_then(|value| value.try_into().ok());
    bytes.map(u64::from_le_bytes).ok_or_else(|| StoreError::Corrupt(format!("{name} is missing")))
}

/// Writes a named value.
pub(super) fn set_fact(connection: &Connection, name: &str, value: &[u8]) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO facts (name, value, checksum) VALUES (?1, ?2, ?3)")?;
    statement.execute((name, value, checksum(&[name.as_bytes(), value])))?;
    Ok(())
}

/// All positions, by key.
pub(super) fn positions(connection: &Connection) -> Result<Vec<Position>, StoreError> {
    let mut statement = connection.prepare("SELECT key, value, checksum FROM positions ORDER BY key")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let position = Position { key: row.get::<_, String>(0)?.into(), value: row.get::<_, Vec<u8>>(1)?.into() };
        verify(row.get(2)?, &[position.key.as_bytes(), &position.value], "positions")?;
        found.push(position);
    }
    Ok(found)
}

/// Writes a position.
pub(super) fn set_position(connection: &Connection, position: &Position) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO positions (key, value, checksum) VALUES (?1, ?2, ?3)")?;
    statement.execute((&position.key, &position.value[..], checksum(&[position.key.as_bytes(), &position.value])))?;
    Ok(())
}

/// All open windows, by key.
pub(super) fn windows(connection: &Connection) -> Result<Vec<OpenWindow>, StoreError> {
    let mut statement = connection.prepare("SELECT key, kind, lines, json, checksum FROM windows ORDER BY key")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let kind = kind(row.get(1)?)?;
        let window = OpenWindow { key: row.get::<_, String>(0)?.into(), kind, lines: row.get::<_, i64>(2)? as u64, json: row.get(3)? };
        verify(row.get(4)?, &window_parts(&window, &window.lines.to_le_bytes()), "windows")?;
        found.push(window);
    }
    Ok(found)
}

/// Writes a window.
pub(super) fn set_window(connection: &Connection, window: &OpenWindow) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO windows (key, kind, lines, json, checksum) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (key) DO UPDATE SET kind = excluded.kind, lines = excluded.lines, json = excluded.json, checksum = excluded.checksum",
    )?;
    let checksum = checksum(&window_parts(window, &window.lines.to_le_bytes()));
    statement.execute((&window.key, window.kind as u8, window.lines as i64, &window.json, checksum))?;
    Ok(())
}

fn window_parts<'a>(window: &'a OpenWindow, lines: &'a [u8]) -> [&'a [u8]; 4] {
    const KINDS: [u8; RecordKind::ALL.len()] = [0, 1, 2, 3, 4];
    [window.key.as_bytes(), &KINDS[window.kind as usize..=window.kind as usize], lines, &window.json]
}

/// All held lines, as they were given.
pub(super) fn held(connection: &Connection) -> Result<Vec<HeldLines>, StoreError> {
    let mut statement = connection.prepare("SELECT stream, lines, bytes, checksum FROM held ORDER BY place")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let held = HeldLines { stream: row.get::<_, String>(0)?.into(), lines: row.get::<_, i64>(1)? as u64, bytes: row.get(2)? };
        verify(row.get(3)?, &[held.stream.as_bytes(), &held.lines.to_le_bytes(), &held.bytes], "held lines")?;
        found.push(held);
    }
    Ok(found)
}

/// Replaces all held lines.
pub(super) fn set_held(connection: &Connection, all: &[HeldLines]) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM held")?.execute([])?;
    let mut statement = connection.prepare_cached("INSERT INTO held (stream, lines, bytes, checksum) VALUES (?1, ?2, ?3, ?4)")?;
    for held in all {
        let checksum = checksum(&[held.stream.as_bytes(), &held.lines.to_le_bytes(), &held.bytes]);
        statement.execute((&held.stream, held.lines as i64, &held.bytes, checksum))?;
    }
    Ok(())
}

/// An output, as the store knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OutputRow {
    pub(super) cursor: Cursor,
    pub(super) delivered: u64,
    pub(super) dead: u64,
}

impl OutputRow {
    fn parts(&self) -> [u8; 28] {
        let mut bytes = [0; 28];
        bytes[..8].copy_from_slice(&self.cursor.batch.0.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.cursor.done.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.delivered.to_le_bytes());
        bytes[20..].copy_from_slice(&self.dead.to_le_bytes());
        bytes
    }
}

/// All outputs.
pub(super) fn outputs(connection: &Connection) -> Result<BTreeMap<Box<str>, OutputRow>, StoreError> {
    let mut statement = connection.prepare("SELECT output, batch, done, delivered, dead, checksum FROM cursors")?;
    let mut rows = statement.query([])?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let cursor = Cursor { batch: BatchNumber(row.get(1)?), done: row.get(2)? };
        let output = OutputRow { cursor, delivered: row.get::<_, i64>(3)? as u64, dead: row.get::<_, i64>(4)? as u64 };
        verify(row.get(5)?, &[name.as_bytes(), &output.parts()], "cursors")?;
        found.insert(name.into(), output);
    }
    Ok(found)
}

/// Writes an output.
pub(super) fn set_output(connection: &Connection, name: &str, output: &OutputRow) -> Result<(), StoreError> {
    let mut statement = connection
        .prepare_cached("INSERT OR REPLACE INTO cursors (output, batch, done, delivered, dead, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let (cursor, checksum) = (output.cursor, checksum(&[name.as_bytes(), &output.parts()]));
    statement.execute((name, cursor.batch.0, cursor.done, output.delivered as i64, output.dead as i64, checksum))?;
    Ok(())
}

/// What is counted over all starts of a store: the accounting, and what the store itself gave up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) accounting: Accounting,
    pub(super) dropped: Dropped,
    pub(super) letters_forgotten: u64,
}

impl Totals {
    /// Every counter with its name in the table.
    fn fields(&mut self) -> [(&'static str, &mut u64); 22] {
        let Accounting {
            read,
            forwarded,
            summarised,
            dropped,
            open,
            records,
            summaries,
            bytes_read,
            bytes_forwarded,
            overlong_lines,
            odd_lines,
            evictions,
            late_records,
            lost_at_source,
        } = &mut self.accounting;
        let [line, summary, burst, storm, absorbed] = &mut self.dropped.records;
        [
            ("read", read),
            ("forwarded", forwarded),
            ("summarised", summarised),
            ("dropped", dropped),
            ("open", open),
            ("records", records),
            ("summaries", summaries),
            ("bytes_read", bytes_read),
            ("bytes_forwarded", bytes_forwarded),
            ("overlong_lines", overlong_lines),
            ("odd_lines", odd_lines),
            ("evictions", evictions),
            ("late_records", late_records),
            ("lost_at_source", lost_at_source),
            ("full_dropped_line", line),
            ("full_dropped_summary", summary),
            ("full_dropped_burst", burst),
            ("full_dropped_storm", storm),
            ("full_dropped_absorbed", absorbed),
            ("full_dropped_samples", &mut self.dropped.samples),
            ("full_dropped_lines_inside", &mut self.dropped.lines),
            ("letters_forgotten", &mut self.letters_forgotten),
        ]
    }
}

/// The totals. All of them are there in every store.
pub(super) fn totals(connection: &Connection) -> Result<Totals, StoreError> {
    let mut statement = connection.prepare("SELECT name, value, checksum FROM totals")?;
    let mut rows = statement.query([])?;
    let mut totals = Totals::default();
    let mut fields = totals.fields();
    let mut found = 0;
    while let Some(row) = rows.next()? {
        let (name, value): (String, i64) = (row.get(0)?, row.get(1)?);
        verify(row.get(2)?, &[name.as_bytes(), &value.to_le_bytes()], "totals")?;
        if let Some((_, field)) = fields.iter_mut().find(|(known, _)| *known == name) {
            **field = value as u64;
            found += 1;
        }
    }
    if found == fields.len() { Ok(totals) } else { Err(StoreError::Corrupt("counters are missing".to_owned())) }
}

/// Writes what changed.
pub(super) fn set_totals(connection: &Connection, before: Option<&Totals>, now: &Totals) -> Result<(), StoreError> {
    let mut before = before.copied();
    let mut now = *now;
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO totals (name, value, checksum) VALUES (?1, ?2, ?3)")?;
    let mut old = before.as_mut().map(|before| before.fields().map(|(_, value)| *value));
    for (at, (name, value)) in now.fields().into_iter().enumerate() {
        if old.as_mut().is_none_or(|old| old[at] != *value) {
            let value = *value as i64;
            statement.execute((name, value, checksum(&[name.as_bytes(), &value.to_le_bytes()])))?;
        }
    }
    Ok(())
}

/// A kind from its column.
pub(super) fn kind(number: i64) -> Result<RecordKind, StoreError> {
    u8::try_from(number).ok().and_then(RecordKind::from_number).ok_or_else(|| StoreError::Corrupt(format!("there is no record kind {number}")))
}

/// Bytes in use: pages that hold something.
pub(super) fn bytes_used(connection: &Connection) -> Result<u64, StoreError> {
    let pragma = |sql| -> Result<i64, StoreError> { Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?) };
    let pages = pragma("PRAGMA page_count")? - pragma("PRAGMA freelist_count")?;
    Ok(pages.max(0) as u64 * pragma("PRAGMA page_size")? as u64)
}
