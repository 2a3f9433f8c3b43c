//! What is kept of one fingerprint.

use super::detector::{Detector, State};
use super::origins::{Origin, Origins};
use super::reorder::Queue;
use crate::diagnosis::{Diagnosis, Observation};
use crate::fingerprint::Fingerprint;
use crate::occurrence::Occurrence;
use crate::record::{Class, FingerprintIndex};
use crate::time::SECOND;
use std::sync::Arc;

/// A retry loop below the rate of a storm is told of after so many attempts, or after this time.
const SLOW_ATTEMPTS: u64 = 100;
const SLOW_SPAN: i64 = 1800 * SECOND;
/// A burst is no loop: it must have lasted this long in any case.
const SLOW_SPAN_MIN: i64 = 60 * SECOND;

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) index: FingerprintIndex,
    pub(super) fingerprint: Arc<Fingerprint>,
    pub(super) detector: Detector,
    pub(super) is_active: bool,
    pub(super) is_told_slow: bool,
    /// Whether its records tell of requests that were served here and failed, without a word about retrying: they come as the clients ask.
    pub(super) is_served: bool,
    /// The stream of its latest record, and the ordinary records of that before it began to rise.
    pub(super) stream: u32,
    pub(super) ordinary_before: u64,
    /// The first record, until a second one makes a diagnosis worth its memory.
    pub(super) first: Option<Observation>,
    pub(super) diagnosis: Option<Box<Diagnosis>>,
    /// Start and records of the present run of retries (ends with a pause of 60 s).
    pub(super) run: (i64, u64),
    /// Whose streams its records came from in that run, while nothing spiked: a slow loop has no onset from which people are counted.
    pub(super) origins: Origins,
    /// Records of the whole life, and lines in them.
    pub(super) records: u64,
    pub(super) lines: u64,
    pub(super) last: i64,
    /// (worker, attempt), and its steps of more than one in a row: a loop that does not log every attempt.
    pub(super) numbered: (u64, i64),
    pub(super) steps: u8,
    /// Records that came in order since one stepped back, and the latest time (ns): while there are few they wait a little.
    pub(super) in_order: u32,
    pub(super) latest: i64,
    pub(super) waiting: Queue,
}

impl Slot {
    /// Of a fingerprint whose first record is at `at` (ns). `started`: the second squelch began to watch in the middle of a stream, if it did.
    pub(super) fn new(index: FingerprintIndex, fingerprint: &Arc<Fingerprint>, at: i64, started: Option<i64>) -> Self {
        Self {
            index,
            fingerprint: Arc::clone(fingerprint),
            detector: Detector::new(at.div_euclid(SECOND), started),
            is_active: false,
            is_told_slow: false,
            is_served: tells_of_served_request(fingerprint.class, &fingerprint.template),
            stream: 0,
            ordinary_before: 0,
            first: None,
            diagnosis: None,
            run: (at, 0),
            origins: Origins::default(),
            records: 0,
            lines: 0,
            last: i64::MIN,
            numbered: (0, 0),
            steps: 0,
            in_order: 0,
            latest: i64::MIN,
            waiting: Queue::EMPTY,
        }
    }

    /// Whether the present run of retries is an endless loop below the rate of a storm, not told yet.
    pub(super) fn is_slow_loop(&self, at: i64) -> bool {
        let span = at - self.run.0;
        if self.is_told_slow || span < SLOW_SPAN_MIN || self.run.1 < 10 || self.detector.state != State::Idle {
            return false;
        }
        // Attempts of each instance: forty clients that back off twice are no loop.
        let instances = self.diagnosis.as_ref().map_or(1, |diagnosis| diagnosis.instances().0.max(1));
        self.run.1 >= SLOW_ATTEMPTS * instances || span >= SLOW_SPAN
    }

    /// One more record of the present run comes from there.
    #[inline]
    pub(super) fn note_origin(&mut self, origin: &Arc<Origin>) {
        self.detector.people.origins.note(origin);
        if self.run.1 <= 1 {
            self.origins.clear();
        }
        if self.detector.state == State::Idle {
            self.origins.note(origin);
        }
    }

    /// Bytes in the struct and on the heap, the diagnosis included.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.detector.people.heap_bytes() + self.diagnosis.as_ref().map_or(0, |diagnosis| diagnosis.bytes())
    }

    /// Before a finished second is evaluated; `ordinary` counts the ordinary records of its stream.
    pub(super) fn weigh_against(&mut self, ordinary: u64) {
        if self.detector.state == State::Idle {
            self.ordinary_before = ordinary;
        } else {
            self.detector.is_background = self.is_served && ordinary.saturating_sub(self.ordinary_before) > self.detector.records;
        }
    }

    /// How many attempts a record stands for: more than one when the attempt numbers of one worker step by more than one again and again.
    pub(super) fn weight(&mut self, seen: &Occurrence<'_>) -> u32 {
        let Some(attempt) = seen.attempt else { return 1 };
        let worker = if seen.worker_hash != 0 { seen.worker_hash } else { seen.instance_hash };
        let ((known, before), steps) = (self.numbered, self.steps);
        if worker != known && steps > 0 && !self.records.is_multiple_of(64) {
            return 1;
        }
        let step = attempt - before;
        let is_step = worker == known && (2..=10_000).contains(&step);
        self.numbered = (worker, attempt);
        self.steps = if is_step { steps.saturating_add(1) } else { 0 };
        // Three in a row: one jump is a lost line.
        if is_step && steps >= 3 { step as u32 } else { 1 }
    }
}

/// Whether the template is that of a failed request as the server (or a proxy) tells it: method, path and protocol, no word of retrying.
fn tells_of_served_request(class: Class, template: &str) -> bool {
    class == Class::Failure
        && ["GET ", "POST ", "PUT ", "DELETE ", "HEAD ", "PATCH "].iter().any(|method| template.contains(method))
        && template.contains(" HTTP/")
}

/// Time of the latest record of a slot, ns.
pub(super) fn latest(slots: &[Option<Slot>], number: u32) -> i64 {
    slots.get(number as usize).and_then(Option::as_ref).map_or(i64::MIN, |slot| slot.last)
}
