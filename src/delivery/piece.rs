//! What stands in a request: some records of the batches at hand, and the cursor of who is done with them.

use super::batches::Batch;
use super::request;
use crate::store::{BatchNumber, Cursor, DeadLetter, Record};
use std::sync::Arc;

/// Records read from the store, the next ones to go.
#[derive(Debug, Default)]
pub(super) struct Load {
    records: crate::store::Records,
    uids: Vec<Box<str>>,
    /// What the encoder noted of each, from the whole batch.
    marks: Vec<u32>,
    /// For each record: the cursor of who is done with it and all before it.
    after: Vec<Cursor>,
}

impl Load {
    /// Takes the records of a batch that are not done yet, that are wanted and have not gone before. `marks`: the encoder's, of all of them,
    /// or none. Only of what is wanted the id is looked for: an output may pass by a whole archive.
    pub(super) fn add(
        &mut self,
        batch: &Batch,
        done: u32,
        marks: &[u32],
        wants: impl Fn(&Record<'_>) -> bool,
        mut went_before: impl FnMut(&Record<'_>, &str) -> bool,
    ) {
        for (at, record) in batch.records.iter().enumerate().skip(done as usize) {
            // One without text was dropped by a full store.
            if record.json.is_empty() || !wants(&record) {
                continue;
            }
            // Records of ours have an id; should one have none, its bytes are as good.
            let uid = request::record_uid(record.json).map_or_else(
                || request::idempotency_key([&*String::from_utf8_lossy(record.json)].into_iter()).into_boxed_str(),
                |uid| uid.into_owned().into_boxed_str(),
            );
            if !went_before(&record, &uid) {
                self.records.ndjson.extend_from_slice(record.json);
                self.records.ndjson.push(b'\n');
                self.records.close_record(record.kind);
                self.uids.push(uid);
                self.marks.push(marks.get(at).copied().unwrap_or(0));
                self.after.push(Cursor { batch: batch.number, done: at as u32 + 1 });
            }
        }
    }
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }
    /// All of it as one piece; `None` when nothing was taken. `after` is the cursor of who is done with all batches that were read, `None` for
    /// records that overtake: they move no cursor.
    pub(super) fn into_piece(self, after: Option<Cursor>) -> Option<Piece> {
        let items: Vec<u32> = (0..self.len() as u32).collect();
        (!items.is_empty()).then(|| Piece { load: Arc::new(self), items, after, dead: Vec::new(), delivered: 0, attempts: 0, passed_by: 0 })
    }
}

/// The records of one request.
#[derive(Debug)]
pub(super) struct Piece {
    load: Arc<Load>,
    items: Vec<u32>,
    /// The cursor of who is done with it; `None` when it moves none.
    pub(super) after: Option<Cursor>,
    /// Records given up on so far: told together with the cursor, so that a crash does not tell them twice.
    pub(super) dead: Vec<DeadLetter>,
    /// Records that were taken so far.
    pub(super) delivered: u64,
    /// How often it was sent.
    pub(super) attempts: u32,
    /// How often others were taken while it stood aside.
    pub(super) passed_by: u32,
}

impl Piece {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }
    pub(super) fn records(&self) -> Vec<Record<'_>> {
        self.items.iter().filter_map(|&item| self.load.records.get(item as usize)).collect()
    }
    pub(super) fn marks(&self) -> Vec<u32> {
        self.items.iter().map(|&item| self.load.marks[item as usize]).collect()
    }
    pub(super) fn uids(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|&item| &*self.load.uids[item as usize])
    }

    /// The part from the record at `at` on; this keeps what is before it. What was told of the records so far stays here.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let items = self.items.split_off(at);
        let after = self.after;
        if after.is_some() {
            self.after = self.items.last().map(|&last| self.load.after[last as usize]);
        }
        self.attempts = 0;
        Self { load: Arc::clone(&self.load), items, after, dead: Vec::new(), delivered: 0, attempts: 0, passed_by: 0 }
    }

    /// How many of its first records make a request of at most so many bytes and records; at least one.
    pub(super) fn fitting(&self, bytes_max: usize, records_max: usize) -> usize {
        let mut bytes = 0;
        let fitting = self.records().into_iter().take(records_max).take_while(|record| {
            bytes += record.json.len() + 1;
            bytes <= bytes_max
        });
        fitting.count().max(1)
    }

    /// Only these of its records are left (indices in the piece); `dead` are given up on, the others were taken.
    pub(super) fn keep(&mut self, output: &str, retry: &[u32], dead: &[(u32, String)]) {
        let before = self.items.len();
        let letters: Vec<DeadLetter> = dead.iter().filter_map(|(at, reason)| self.letter(output, *at as usize, reason)).collect();
        self.dead.extend(letters);
        let left: Vec<u32> = retry.iter().filter_map(|&at| self.items.get(at as usize).copied()).collect();
        self.delivered += before.saturating_sub(left.len() + dead.len()) as u64;
        self.items = left;
    }

    /// All of its records are given up on.
    pub(super) fn bury(&mut self, output: &str, reason: &str) {
        let dead: Vec<(u32, String)> = (0..self.items.len() as u32).map(|at| (at, reason.to_owned())).collect();
        self.keep(output, &[], &dead);
    }

    fn letter(&self, output: &str, at: usize, reason: &str) -> Option<DeadLetter> {
        let record = self.load.records.get(*self.items.get(at)? as usize)?;
        Some(DeadLetter { output: output.into(), json: record.json.to_vec(), kind: record.kind, reason: super::outcome::words(reason.as_bytes()) })
    }
}

/// The last batch that a cursor has passed.
pub(super) const fn passed(cursor: Cursor) -> BatchNumber {
    BatchNumber(cursor.batch.0 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{RecordKind, Records};

    fn batch(number: i64, uids: &[&str]) -> Batch {
        let mut records = Records::default();
        for uid in uids {
            records.ndjson.extend_from_slice(format!("{{\"log.record.uid\":\"{uid}\"}}\n").as_bytes());
            records.close_record(RecordKind::Line);
        }
        Batch { number: BatchNumber(number), records }
    }

    fn uids(piece: &Piece) -> String {
        piece.uids().collect::<Vec<_>>().join(" ")
    }

    const fn cursor(batch: i64, done: u32) -> Cursor {
        Cursor { batch: BatchNumber(batch), done }
    }

    /// Records a to e in two batches; b is not wanted, a was done before.
    fn piece() -> Piece {
        let mut load = Load::default();
        load.add(&batch(4, &["a", "b", "c"]), 1, &[], |_| true, |_, uid| uid == "b");
        load.add(&batch(6, &["d", "e"]), 0, &[7, 8], |_| true, |_, uid| uid == "b");
        load.into_piece(Some(cursor(7, 0))).unwrap()
    }

    #[test]
    fn halves_keep_the_order_and_know_the_cursor_after_them() {
        let mut first = piece();
        assert_eq!(uids(&first), "c d e");
        let second = first.split_off(1);
        assert_eq!((uids(&first).as_str(), first.after), ("c", Some(cursor(4, 3))));
        assert_eq!((uids(&second).as_str(), second.after), ("d e", Some(cursor(7, 0))));
        assert_eq!((first.marks(), second.marks()), (vec![0], vec![7, 8]), "marks stay with their records");
    }

    #[test]
    fn a_part_that_is_left_counts_what_was_taken_and_what_died() {
        let mut piece = piece();
        piece.keep("out", &[2], &[(0, "mapping".into())]);
        assert_eq!((uids(&piece).as_str(), piece.delivered), ("e", 1));
        assert_eq!(piece.dead[0].reason, "mapping");
        assert_eq!(piece.dead[0].json, br#"{"log.record.uid":"c"}"#);
        piece.keep("out", &[], &[]);
        assert_eq!((piece.len(), piece.delivered), (0, 2));
    }

    #[test]
    fn requests_are_cut_by_bytes_and_by_number() {
        assert_eq!(piece().fitting(1000, 2), 2);
        assert_eq!(piece().fitting(50, 100), 2);
        assert_eq!(piece().fitting(3, 100), 1, "a record larger than the limit goes alone");
    }
}
