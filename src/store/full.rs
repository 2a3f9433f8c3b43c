//! What goes when the store is full: what is counted in summaries anyway, the oldest plain lines, then samples of summaries, then summaries, then bursts, alerts last.

use super::codec::{self, Packer};
use super::commit::Dropped;
use super::writer::remove_batch;
use super::{BatchNumber, Cursor, RecordKind, Records, StoreError, rows};
use rusqlite::{Connection, OptionalExtension};
use serde::Deserialize;

/// Bit of the column `kinds`: its summaries have their samples.
const SAMPLES: i64 = 1 << 8;

/// Batches thinned beyond what is needed now, so that not every commit has to: some 2 MiB of records.
const AHEAD_MAX: usize = 32;

/// A stage of dropping, with the bit of `kinds` that it takes away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Records(RecordKind),
    Samples,
}

const STAGES: [Stage; 6] = [
    Stage::Records(RecordKind::Absorbed),
    Stage::Records(RecordKind::Line),
    Stage::Samples,
    Stage::Records(RecordKind::Summary),
    Stage::Records(RecordKind::Burst),
    Stage::Records(RecordKind::Storm),
];

impl Stage {
    const fn bit(self) -> i64 {
        match self {
            Self::Records(kind) => kind.bit(),
            Self::Samples => SAMPLES,
        }
    }
}

/// Per stage: no batch before this has anything for it. Batches are never changed but by us, and new ones come behind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hints([i64; STAGES.len()]);

/// `kinds` of a new batch: summaries come with samples.
pub(super) const fn with_samples(kinds: i64) -> i64 {
    if kinds & RecordKind::Summary.bit() != 0 { kinds | SAMPLES } else { kinds }
}

/// `kinds` of a batch whose records are known, with `before` for what they do not show.
pub(super) const fn like(kinds: i64, before: i64) -> i64 {
    if kinds & RecordKind::Summary.bit() != 0 { kinds | before & SAMPLES } else { kinds }
}

/// Drops until at most `target` bytes are in use, or nothing is left. `passed`: what lies before is delivered, its loss is none.
pub(super) fn make_room(connection: &Connection, target: u64, passed: Cursor, hints: &mut Hints) -> Result<Dropped, StoreError> {
    let mut dropped = Dropped::default();
    let mut packer = Packer::new();
    let comfortable = target - target / 32;
    let mut ahead = 0;
    for (stage, hint) in STAGES.into_iter().zip(&mut hints.0) {
        loop {
            let used = rows::bytes_used(connection)?;
            if used <= target {
                ahead += 1;
            }
            if used <= comfortable || ahead > AHEAD_MAX {
                return Ok(dropped);
            }
            let mut oldest = connection
                .prepare_cached("SELECT number, records, kinds FROM batches WHERE number >= ?1 AND kinds & ?2 != 0 ORDER BY number LIMIT 1")?;
            let header = |row: &rusqlite::Row<'_>| Ok(Header { number: row.get(0)?, records: row.get(1)?, kinds: row.get(2)? });
            let Some(batch) = oldest.query_row((*hint, stage.bit()), header).optional()? else { break };
            thin(connection, &batch, stage, passed, &mut packer, &mut dropped)?;
            *hint = batch.number + 1;
        }
        // What comes later lies behind everything that was there.
        *hint = connection.query_row("SELECT coalesce(max(number), 0) + 1 FROM batches", [], |row| row.get(0))?;
    }
    Ok(dropped)
}

/// A row of `batches`.
struct Header {
    number: i64,
    records: u32,
    kinds: i64,
}

/// Takes away from one batch what the stage says.
fn thin(connection: &Connection, batch: &Header, stage: Stage, passed: Cursor, packer: &mut Packer, dropped: &mut Dropped) -> Result<(), StoreError> {
    let number = batch.number;
    let mut read = connection.prepare_cached("SELECT body FROM bodies WHERE number = ?1")?;
    let body: Option<Vec<u8>> = read.query_row([number], |row| row.get(0)).optional()?;
    let Some(old) = body.and_then(|body| codec::unpack(&body)) else {
        // Damaged: nobody can read it any more, so all of it goes.
        dropped.records[RecordKind::Line as usize] += u64::from(batch.records);
        return remove_batch(connection, number);
    };
    let delivered = if passed.batch > BatchNumber(number) {
        u32::MAX
    } else if passed.batch == BatchNumber(number) {
        passed.done
    } else {
        0
    };
    let mut new = Records::default();
    let mut kinds = 0;
    for (at, record) in (0..).zip(old.iter()) {
        let is_loss = at >= delivered && !record.json.is_empty();
        match stage {
            _ if record.json.is_empty() => {}
            Stage::Records(kind) if record.kind == kind => {
                dropped.records[kind as usize] += u64::from(is_loss);
                dropped.lines += if is_loss { lines_of(record.kind, record.json) } else { 0 };
            }
            Stage::Samples if record.kind == RecordKind::Summary => {
                let thinner = without_samples(record.json);
                dropped.samples += u64::from(is_loss && thinner.len() < record.json.len());
                kinds |= record.kind.bit();
                new.ndjson.extend(thinner);
                new.ndjson.push(b'\n');
            }
            _ => {
                kinds |= record.kind.bit();
                new.ndjson.extend_from_slice(record.json);
                new.ndjson.push(b'\n');
            }
        }
        new.close_record(record.kind);
    }
    if kinds == 0 {
        return remove_batch(connection, number);
    }
    if stage != Stage::Samples {
        kinds = like(kinds, batch.kinds);
    }
    let body = packer.pack(&new, 0..new.len());
    connection.prepare_cached("UPDATE batches SET kinds = ?2, bytes = ?3 WHERE number = ?1")?.execute((number, kinds, new.ndjson.len() as u32))?;
    connection.prepare_cached("UPDATE bodies SET body = ?2 WHERE number = ?1")?.execute((number, &body))?;
    Ok(())
}

/// Lines that a record stands for.
fn lines_of(kind: RecordKind, json: &[u8]) -> u64 {
    #[derive(Deserialize)]
    struct Lines {
        #[serde(rename = "squelch.lines")]
        lines: Option<u64>,
    }
    match kind {
        RecordKind::Line | RecordKind::Summary => serde_json::from_slice(json).ok().and_then(|Lines { lines }| lines).unwrap_or(1),
        // What is in a summary is counted there; alerts count no other lines.
        RecordKind::Absorbed | RecordKind::Burst | RecordKind::Storm => 0,
    }
}

/// A summary with an empty list of samples; bytes that are no such object come back as they are.
fn without_samples(json: &[u8]) -> Vec<u8> {
    const KEY: &[u8] = b"\"squelch.samples\":";
    let (mut depth, mut is_text, mut start) = (0_u32, false, None);
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        if is_text {
            match byte {
                b'\\' => at += 1,
                b'"' => is_text = false,
                _ => {}
            }
        } else {
            match byte {
                b'"' if depth == 1 && start.is_none() && json[at..].starts_with(KEY) => {
                    start = Some(at + KEY.len());
                    at += KEY.len();
                    continue;
                }
                b'"' => is_text = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if let Some(start) = start
                        && depth == 1
                        && byte == b']'
                    {
                        return [&json[..start], b"[]", &json[at + 1..]].concat();
                    }
                }
                _ => {}
            }
        }
        at += 1;
    }
    json.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &str) {
        assert_eq!(String::from_utf8(without_samples(json.as_bytes())).unwrap(), expected);
    }

    #[test]
    fn samples_go_and_nothing_else() {
        check(r#"{"a":[1],"squelch.samples":[{"body":"]}\"","t":[1]},{}],"b":{"c":2}}"#, r#"{"a":[1],"squelch.samples":[],"b":{"c":2}}"#);
        check(r#"{"squelch.samples":[]}"#, r#"{"squelch.samples":[]}"#);
    }

    #[test]
    fn text_that_looks_like_samples_stays() {
        for json in [r#"{"body":"\"squelch.samples\":[1]"}"#, r#"{"attributes":{"squelch.samples":[1]}}"#, r#"{"squelch.samples":"#, "no json"] {
            check(json, json);
        }
    }

    #[test]
    fn lines_of_summaries_and_joined_records_are_counted() {
        assert_eq!(lines_of(RecordKind::Summary, br#"{"squelch.lines":12}"#), 12);
        assert_eq!(lines_of(RecordKind::Line, br#"{"body":"x"}"#), 1);
        assert_eq!(lines_of(RecordKind::Storm, br#"{"squelch.lines":12}"#), 0);
    }
}
