//! What intervals, attempt numbers, stated delays and instances say about a retry policy, per fingerprint.
//!
//! [`Diagnosis`] holds integer counts only: they add, so two nodes merge to the verdict that one node would have given, and records
//! may come in any order across workers. [`Diagnosis::verdict`] reads them; its sources are tried from the strongest to the weakest
//! (`sources.rs`), and a source without enough evidence says nothing.

mod chains;
mod growth;
mod histogram;
mod lag;
mod merged;
mod shape;
mod sources;
mod verdict;

pub use shape::{Shape, shape};
pub use verdict::{Outcome, Policy, Source, Tri, Verdict};

use crate::occurrence::Occurrence;
use crate::record::Class;
use chains::Chains;
use histogram::Guesses;
use lag::Lags;
use merged::Merged;

/// Instances counted exactly; beyond, estimated (bottom-64 of the hashes).
const INSTANCES_EXACT: usize = 64;

/// With more than those and fewer records for each, the ids are not those of instances.
const RECORDS_PER_INSTANCE: u64 = 2;

/// Streams remembered.
const STREAMS_MAX: usize = 16;

/// What the diagnosis needs of one record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Working time, ns.
    pub at: i64,
    /// Hash of instance and thread; 0 when unknown.
    pub worker: u64,
    /// Hash of the instance; 0 when unknown.
    pub instance: u64,
    /// The stream: the last resort for a chain.
    pub stream: u32,
    /// Number of the attempt.
    pub attempt: Option<u32>,
    /// Stated limit on attempts.
    pub limit: Option<u32>,
    /// Stated delay, ns.
    pub delay: Option<i64>,
}

impl From<&Occurrence<'_>> for Observation {
    #[inline]
    fn from(seen: &Occurrence<'_>) -> Self {
        // Of restarts the program is the worker: one supervisor tells of many.
        let worker = match seen.target {
            Some(program) if seen.fingerprint.class == Class::CrashLoop => hash_of(program),
            _ => seen.worker_hash,
        };
        Self {
            at: seen.working.0,
            worker,
            instance: seen.instance_hash,
            stream: seen.stream.0,
            attempt: seen.attempt.map(narrow),
            limit: seen.max_attempts.map(narrow),
            delay: seen.delay,
        }
    }
}

/// Attempt numbers as they are kept: negative ones are 0.
fn narrow(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

/// Mergeable state of one fingerprint; under 8.5 KB for policies we have seen (tested).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    chains: Chains,
    merged: Merged,
    /// Bottom-64 of instance hashes.
    instances: Vec<u64>,
    instance_guesses: Guesses,
    instances_overfull: bool,
    /// The first streams, for outcomes of records that name no instance.
    streams: Vec<u32>,
    /// Records with a worker or an instance.
    keyed: u64,
    /// Lags between records; only as long as none names a worker.
    lags: Option<Box<Lags>>,
    recovered_at: Option<i64>,
    gave_up_at: Option<i64>,
    /// Ordinary success of those that retry, since their latest record: the latest sign.
    worked_at: Option<i64>,
    /// How often a sign of success was followed by another retry: work that goes on beside the retries says nothing of them.
    signs_refuted: u64,
}

impl Diagnosis {
    /// Starts with the first record's time as the onset.
    #[must_use]
    pub fn new(first: i64) -> Self {
        Self {
            chains: Chains::default(),
            merged: Merged::new(first),
            instances: Vec::new(),
            instance_guesses: Guesses::default(),
            instances_overfull: false,
            streams: Vec::new(),
            keyed: 0,
            lags: None,
            recovered_at: None,
            gave_up_at: None,
            worked_at: None,
            signs_refuted: 0,
        }
    }

    /// Takes one record, before any sampling. Records come in order of time (see the reorder buffer of `storm`).
    pub fn observe(&mut self, seen: &Observation) {
        let key = if seen.worker != 0 { seen.worker } else { seen.instance };
        if self.worked_at.is_some_and(|at| at < seen.at) {
            self.worked_at = None;
            self.signs_refuted += 1;
        }
        if seen.instance != 0 {
            self.count_instance(seen.instance);
        }
        if self.streams.first() != Some(&seen.stream) && self.streams.len() < STREAMS_MAX && !self.streams.contains(&seen.stream) {
            self.streams.push(seen.stream);
        }
        self.keyed += u64::from(key != 0);
        if self.keyed > 0 {
            self.lags = None;
        } else {
            let first = self.merged.first;
            self.lags.get_or_insert_with(|| Box::new(Lags::new(first))).observe(seen.at);
        }
        // Without any key the stream is the chain: one worker is as good as a key, several are found out by their shape.
        let key = if key == 0 { spread(u64::from(seen.stream) + 1) } else { key };
        let position = self.chains.observe(key, seen);
        self.merged.observe(seen.at, seen.attempt, seen.limit, seen.delay, position);
    }

    /// The instances or the whole recovered, as another fingerprint said.
    pub fn note_recovery(&mut self, at: i64) {
        self.recovered_at = Some(self.recovered_at.map_or(at, |before| before.max(at)));
    }

    /// An instance gave up, as another fingerprint said.
    pub fn note_give_up(&mut self, at: i64) {
        self.gave_up_at = Some(self.gave_up_at.map_or(at, |before| before.max(at)));
    }

    /// One of those that retry did its ordinary work ("order processed", "ready"): good news if no retry follows.
    pub fn note_success(&mut self, at: i64) {
        self.worked_at = Some(self.worked_at.map_or(at, |before| before.max(at)));
    }

    /// Whether the instance (or, where none is named, the stream) is among those that retry.
    #[must_use]
    pub fn knows(&self, instance: u64, stream: u32) -> bool {
        if instance != 0 && !self.instances.is_empty() {
            return self.instances_overfull || self.instances.binary_search(&instance).is_ok();
        }
        self.streams.contains(&stream)
    }

    /// Records seen.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.merged.records
    }

    /// Working time of the latest record, ns; `i64::MIN` before the first.
    #[must_use]
    pub const fn last(&self) -> i64 {
        self.merged.last
    }

    /// Attempts by the attempt numbers, where they are numbered: a loop that logs every 100th attempt has 100 for a record.
    #[must_use]
    pub const fn attempts_by_number(&self) -> u64 {
        self.chains.attempts_by_number
    }

    /// Adds what another node saw of the same fingerprint. Exact for different instances.
    pub fn merge(&mut self, other: &Self) {
        self.chains.merge(&other.chains);
        self.merged.merge(&other.merged);
        self.keyed += other.keyed;
        match (&mut self.lags, &other.lags) {
            _ if self.keyed > 0 => self.lags = None,
            (Some(mine), Some(theirs)) => mine.merge(theirs),
            (None, Some(theirs)) => self.lags = Some(theirs.clone()),
            (_, None) => {}
        }
        self.instances_overfull |= other.instances_overfull;
        self.signs_refuted += other.signs_refuted;
        other.instances.iter().for_each(|hash| self.count_instance(*hash));
        if let Some(at) = other.recovered_at {
            self.note_recovery(at);
        }
        if let Some(at) = other.gave_up_at {
            self.note_give_up(at);
        }
        if let Some(at) = other.worked_at {
            self.note_success(at);
        }
    }

    /// Bytes on the heap and in the struct.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.instances.capacity() * 8
            + self.chains.heap_bytes()
            + self.merged.heap_bytes()
            + self.lags.as_ref().map_or(0, |lags| lags.heap_bytes())
    }

    fn count_instance(&mut self, hash: u64) {
        if self.instances.get(self.instance_guesses.at(hash)) == Some(&hash) {
            return;
        }
        if self.instances.len() == INSTANCES_EXACT && self.instances.last().is_some_and(|last| hash > *last) {
            self.instances_overfull = true;
            return;
        }
        let at = match self.instances.binary_search(&hash) {
            Ok(at) => return self.instance_guesses.note(hash as u32, at),
            Err(at) => at,
        };
        if self.instances.len() == INSTANCES_EXACT {
            self.instances_overfull = true;
            if at == INSTANCES_EXACT {
                return;
            }
            self.instances.pop();
        }
        self.instances.insert(at, hash);
    }

    /// Distinct instances and whether that is an estimate; 0 when no record names one, or (nearly) each record another: those are ids of
    /// connections or requests.
    #[must_use]
    pub fn instances(&self) -> (u64, bool) {
        if !self.instances_overfull {
            return (self.instances.len() as u64, false);
        }
        let largest = self.instances.last().copied().unwrap_or(u64::MAX) as f64;
        let distinct = (63.0 / (largest / 2f64.powi(64))).round() as u64;
        (if self.merged.records < RECORDS_PER_INSTANCE * distinct { 0 } else { distinct }, true)
    }
}

/// FNV-1a, for names that carry no hash.
pub(crate) fn hash_of(name: &[u8]) -> u64 {
    spread(name.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)))
}

/// A number spread over all 64 bits (the finaliser of SplitMix64): small ids become usable hashes.
pub(crate) const fn spread(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ value >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ value >> 31
}

#[cfg(test)]
mod tests;
