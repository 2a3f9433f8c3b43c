//! The fingerprints this run knows: dense keys for the stages, totals for `report`.

use super::TemplateRow;
use crate::fingerprint::Fingerprint;
use crate::record::{FingerprintIndex, StreamId};
use crate::time::UnixNanos;
use hashbrown::HashTable;
use rapidhash::v3::rapidhash_v3;
use std::sync::Arc;

/// Where a fingerprint stood when it was last looked up; out of date when the entry has been forgotten since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    index: FingerprintIndex,
    /// Birth number of the entry: never given twice.
    born: u64,
}

impl Slot {
    pub(super) const NONE: Self = Self { index: FingerprintIndex(0), born: 0 };
}

#[derive(Debug)]
pub(super) struct Entry {
    pub fingerprint: Arc<Fingerprint>,
    hash: u64,
    born: u64,
    /// Working time of its last record: the coldest is forgotten first.
    pub last: UnixNanos,
    /// Whether a record that began with this line has been seen.
    pub is_known: bool,
    /// Whether it was ever continued by another line: only then does it pay to wait for one.
    pub is_continued: bool,
    totals: Totals,
}

/// Streams kept apart in a template's totals; more are not counted.
const STREAMS_COUNTED_MAX: usize = 64;

#[derive(Debug, Default)]
struct Totals {
    count: u64,
    lines: u64,
    first: Option<UnixNanos>,
    last: UnixNanos,
    streams: Vec<StreamId>,
}

/// All known fingerprints, at most `max`. When it is full, the coldest sixteenth is forgotten in one go (by last working
/// time, then birth number), which makes forgetting a constant cost per newcomer.
#[derive(Debug)]
pub(super) struct Fingerprints {
    entries: Vec<Entry>,
    by_hash: HashTable<u32>,
    free: Vec<u32>,
    born: u64,
    max: usize,
}

impl Fingerprints {
    pub(super) fn new(max: usize) -> Self {
        Self { entries: Vec::new(), by_hash: HashTable::new(), free: Vec::new(), born: 0, max: max.max(2) }
    }

    pub(super) fn get(&self, index: FingerprintIndex) -> &Entry {
        &self.entries[index.0 as usize]
    }

    pub(super) fn get_mut(&mut self, index: FingerprintIndex) -> &mut Entry {
        &mut self.entries[index.0 as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.by_hash.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.by_hash.len() >= self.max
    }

    /// The entry that `slot` names, if it is still the same.
    #[inline]
    pub(super) fn still_at(&self, slot: Slot) -> Option<FingerprintIndex> {
        self.entries.get(slot.index.0 as usize).filter(|entry| entry.born == slot.born && slot.born != 0).map(|_| slot.index)
    }

    /// Looks the fingerprint up, making it known if it is new.
    pub(super) fn intern(&mut self, fingerprint: &Arc<Fingerprint>) -> Slot {
        let hash = rapidhash_v3(fingerprint.template.as_bytes()) ^ fingerprint.severity as u64;
        let same = |entry: &Entry| entry.fingerprint.severity == fingerprint.severity && entry.fingerprint.template == fingerprint.template;
        if let Some(&index) = self.by_hash.find(hash, |&index| same(&self.entries[index as usize])) {
            return Slot { index: FingerprintIndex(index), born: self.entries[index as usize].born };
        }
        self.born += 1;
        let entry = Entry {
            fingerprint: Arc::clone(fingerprint),
            hash,
            born: self.born,
            last: UnixNanos(i64::MIN),
            is_known: false,
            is_continued: false,
            totals: Totals::default(),
        };
        let index = if let Some(index) = self.free.pop() {
            self.entries[index as usize] = entry;
            index
        } else {
            self.entries.push(entry);
            (self.entries.len() - 1) as u32
        };
        let entries = &self.entries;
        self.by_hash.insert_unique(hash, index, |&index| entries[index as usize].hash);
        Slot { index: FingerprintIndex(index), born: self.born }
    }

    /// Forgets the coldest sixteenth; the caller has each of them flushed by the other stages.
    pub(super) fn forget_coldest(&mut self, mut forget: impl FnMut(FingerprintIndex)) {
        let mut by_age: Vec<(UnixNanos, u64, u32)> =
            self.by_hash.iter().map(|&i| (self.entries[i as usize].last, self.entries[i as usize].born, i)).collect();
        let count = (by_age.len() / 16).max(1);
        if count < by_age.len() {
            by_age.select_nth_unstable(count);
            by_age.truncate(count);
        }
        by_age.sort_unstable();
        for (_, _, index) in by_age {
            forget(FingerprintIndex(index));
            let entry = &mut self.entries[index as usize];
            entry.born = 0;
            if let Ok(found) = self.by_hash.find_entry(entry.hash, |&other| other == index) {
                found.remove();
            }
            self.free.push(index);
        }
    }

    /// A record of the fingerprint has come.
    #[inline]
    pub(super) fn touch(&mut self, index: FingerprintIndex, working: UnixNanos) {
        let entry = &mut self.entries[index.0 as usize];
        entry.last = entry.last.max(working);
    }

    /// Adds a record to the totals of its fingerprint.
    pub(super) fn add(&mut self, index: FingerprintIndex, stream: StreamId, lines: u32, time: UnixNanos) {
        let totals = &mut self.entries[index.0 as usize].totals;
        totals.count += 1;
        totals.lines += u64::from(lines);
        totals.first = Some(totals.first.map_or(time, |first| first.min(time)));
        totals.last = totals.last.max(time);
        if totals.streams.len() < STREAMS_COUNTED_MAX && !totals.streams.contains(&stream) {
            totals.streams.push(stream);
        }
    }

    /// Totals, most lines first, ties by id.
    pub(super) fn rows(&self) -> Vec<TemplateRow> {
        let mut rows: Vec<TemplateRow> = self
            .entries
            .iter()
            .filter(|entry| entry.born != 0 && entry.totals.count > 0)
            .map(|entry| TemplateRow {
                fingerprint: Arc::clone(&entry.fingerprint),
                count: entry.totals.count,
                lines: entry.totals.lines,
                first: entry.totals.first.unwrap_or_default(),
                last: entry.totals.last,
                streams: entry.totals.streams.len() as u32,
            })
            .collect();
        rows.sort_by_cached_key(|row| (std::cmp::Reverse(row.lines), row.fingerprint.id()));
        rows
    }
}
