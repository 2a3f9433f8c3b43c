//! Who is counted by name in the metrics: a bounded table of the fingerprints that are about retrying.
//!
//! The engine thread owns it and tells it, once per commit, how many records each such fingerprint had. Whatever its rate, a retrying
//! fingerprint is a candidate: the storm of a fleet is by definition not one on any node. At most `telemetry.fingerprints_max` have a counter of their
//! own; the records of all others go to the one called `other`, so the counters together always count every record once.

use super::cut;
use super::gaps::GapHistogram;
use crate::config::{FINGERPRINTS_LIMIT, FINGERPRINTS_MAX};
use crate::record::{Class, FingerprintId};
use crate::storm::StormEvent;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Fingerprints that are remembered: room for many quiet ones beside those that have a counter.
const KNOWN_MAX: usize = FINGERPRINTS_LIMIT;

/// A fingerprint that said nothing for so long loses its counter.
pub const IDLE_MAX: Duration = Duration::from_secs(600);

/// A newcomer takes the place of the quietest only when it was this much louder since that one came: else two would take turns, and each
/// turn is a new series.
const LOUDER_BY: u64 = 2;

/// Longest template in `squelch_fingerprint_info`, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 120;

/// Classes that are counted, in the order of output.
pub const CLASSES: [Class; 6] = [Class::Retry, Class::Failure, Class::Overload, Class::Exhausted, Class::Recovery, Class::CrashLoop];

/// Classes whose gaps say something about a policy.
pub const GAP_CLASSES: [Class; 3] = [Class::Retry, Class::Failure, Class::Overload];

/// Words of `squelch_storms_total`: the policies of the diagnosis.
pub const POLICIES: [&str; 7] = ["immediate", "fixed", "linear", "exponential", "growing", "constant", "unknown"];

/// The counter of one fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// Its id.
    pub id: FingerprintId,
    /// What it says about retrying.
    pub class: Class,
    /// Its template, cut at [`TEMPLATE_BYTES_MAX`].
    pub template: Arc<str>,
    /// Records since it got its counter.
    pub records: u64,
    /// Which admission this is: a fingerprint that comes back has a new one, and its counter is born again.
    pub admission: u64,
}

/// What the metrics say about retrying.
#[derive(Clone, Debug, Default)]
pub struct RetryStatus {
    /// Records by class, in the order of [`CLASSES`].
    pub by_class: [u64; CLASSES.len()],
    /// Counters by fingerprint, in the order of their ids.
    pub exposed: Vec<Exposed>,
    /// Records of fingerprints without a counter of their own.
    pub other: u64,
    /// Gaps between records of one worker, in the order of [`GAP_CLASSES`].
    pub gaps: [GapHistogram; GAP_CLASSES.len()],
    /// Storms that fired, in the order of [`POLICIES`].
    pub storms: [u64; POLICIES.len()],
}

#[derive(Debug)]
struct Known {
    class: Class,
    template: Arc<str>,
    /// Records since it was admitted; for one that is not, since it was first seen.
    records: u64,
    /// When it said something.
    last: Duration,
    /// 0 = no counter of its own.
    admission: u64,
}

/// The table. Times are since the start of the process, by the clock that never runs backwards.
#[derive(Debug)]
pub struct Retries {
    known: BTreeMap<FingerprintId, Known>,
    exposed: usize,
    exposed_max: usize,
    admissions: u64,
    by_class: [u64; CLASSES.len()],
    other: u64,
    gaps: [GapHistogram; GAP_CLASSES.len()],
    storms: [u64; POLICIES.len()],
}

impl Default for Retries {
    fn default() -> Self {
        Self::new(FINGERPRINTS_MAX)
    }
}

impl Retries {
    /// A table with `exposed_max` counters by name; 0 = only classes and `other`.
    #[must_use]
    pub fn new(exposed_max: usize) -> Self {
        Self {
            known: BTreeMap::new(),
            exposed: 0,
            exposed_max: exposed_max.min(KNOWN_MAX),
            admissions: 0,
            by_class: [0; CLASSES.len()],
            other: 0,
            gaps: Default::default(),
            storms: [0; POLICIES.len()],
        }
    }

    /// `records` more of a fingerprint. Those that are not about retrying are none of this table's business.
    pub fn add(&mut self, id: FingerprintId, class: Class, template: &str, records: u64, now: Duration) {
        let Some(at) = CLASSES.iter().position(|of| *of == class).filter(|_| records > 0) else { return };
        self.by_class[at] += records;
        if !self.known.contains_key(&id) {
            if self.known.len() >= KNOWN_MAX && !self.forget_coldest() {
                self.other += records;
                return;
            }
            let template = Arc::from(cut(template, TEMPLATE_BYTES_MAX));
            self.known.insert(id, Known { class, template, records: 0, last: now, admission: 0 });
            if self.exposed < self.exposed_max {
                self.admit(id);
            }
        }
        let known = self.known.get_mut(&id).expect("it was there, or was put there just now");
        known.records += records;
        known.last = now;
        if known.admission == 0 {
            self.other += records;
        }
    }

    /// Gaps between records of one worker, as a summary has them.
    pub fn add_gaps(&mut self, class: Class, gaps: &Histogram<u32>) {
        if let Some(at) = GAP_CLASSES.iter().position(|of| *of == class) {
            self.gaps[at].add_all(gaps);
        }
    }

    /// Counts a storm when it fires, by what is known of its policy then.
    pub fn note_storm(&mut self, event: &StormEvent) {
        if let StormEvent::Firing(report) = event {
            let policy = report.diagnosis.as_ref().map_or("unknown", |diagnosis| diagnosis.policy.as_str());
            let at = POLICIES.iter().position(|word| *word == policy).unwrap_or(POLICIES.len() - 1);
            self.storms[at] += 1;
        }
    }

    /// Takes the counters of those that fell silent, gives room to the loudest others, and says what the metrics say from now on.
    pub fn status(&mut self, now: Duration) -> RetryStatus {
        self.known.retain(|_, known| {
            let stays = now.saturating_sub(known.last) < IDLE_MAX;
            if !stays && known.admission != 0 {
                self.exposed -= 1;
            }
            stays
        });
        while self.exposed < self.exposed_max
            && let Some(loudest) = self.loudest_other()
        {
            self.admit(loudest);
        }
        self.displace_quietest();
        let exposed = self.known.iter().filter(|(_, known)| known.admission != 0).map(|(id, known)| Exposed {
            id: *id,
            class: known.class,
            template: Arc::clone(&known.template),
            records: known.records,
            admission: known.admission,
        });
        RetryStatus { by_class: self.by_class, exposed: exposed.collect(), other: self.other, gaps: self.gaps.clone(), storms: self.storms }
    }

    /// One change at a time: the loudest without a counter against the quietest with one.
    fn displace_quietest(&mut self) {
        let Some(loudest) = self.loudest_other() else { return };
        let quietest = self.known.iter().filter(|(_, known)| known.admission != 0).min_by_key(|(id, known)| (known.records, **id));
        let Some((quietest, least)) = quietest.map(|(id, known)| (*id, known.records)) else { return };
        if self.known[&loudest].records > least.saturating_mul(LOUDER_BY) {
            let known = self.known.get_mut(&quietest).expect("it was found in there");
            (known.admission, known.records) = (0, 0);
            self.exposed -= 1;
            self.admit(loudest);
        }
    }

    fn loudest_other(&self) -> Option<FingerprintId> {
        let others = self.known.iter().filter(|(_, known)| known.admission == 0 && known.records > 0);
        others.max_by_key(|(id, known)| (known.records, std::cmp::Reverse(**id))).map(|(id, _)| *id)
    }

    /// From here on it has a counter of its own. What it said before stays with `other`.
    fn admit(&mut self, id: FingerprintId) {
        self.admissions += 1;
        self.exposed += 1;
        let known = self.known.get_mut(&id).expect("only fingerprints of the table are admitted");
        (known.admission, known.records) = (self.admissions, 0);
    }

    /// Makes room among those without a counter; says whether there was one to forget.
    fn forget_coldest(&mut self) -> bool {
        let coldest = self.known.iter().filter(|(_, known)| known.admission == 0).min_by_key(|(id, known)| (known.last, **id)).map(|(id, _)| *id);
        coldest.is_some_and(|id| self.known.remove(&id).is_some())
    }
}

#[cfg(test)]
mod tests;
