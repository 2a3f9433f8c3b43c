//! One outage: the fingerprints that storm together, when it was last told, what is to be told next.

use super::detector::Rule;
use super::origins::Origin;
use super::people::People;
use super::report::{AlertLevel, StormId, Timeline, Trigger};
use crate::diagnosis::spread;
use crate::fingerprint::Fingerprint;
use crate::record::FingerprintIndex;
use crate::time::SECOND;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Fingerprints in one incident; more are counted with the last.
pub const MEMBERS_MAX: usize = 16;
/// First repetition of an alert, and the longest pause between two.
const RENOTIFY_FIRST: i64 = 300 * SECOND;
const RENOTIFY_LAST: i64 = 3600 * SECOND;
/// Told at once when the rate has grown by this factor.
const RATE_GROWTH: f64 = 4.0;

/// ... but not more often than this: a storm that is still spreading is not told instance by instance.
const GROWTH_PAUSE: i64 = 10 * SECOND;

/// Which view raised it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The rate of records.
    Rate,
    /// Restarts of programs.
    CrashLoop,
    /// An endless loop below the rate of a storm.
    SlowLoop,
}

/// One fingerprint of an incident.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its key; `None` once the engine has forgotten it.
    pub index: Option<FingerprintIndex>,
    /// Severity, template, class.
    pub fingerprint: Arc<Fingerprint>,
    /// Whether its detector fires now.
    pub is_firing: bool,
    /// Records and bytes of its earlier bouts.
    pub records: u64,
    /// See `records`.
    pub bytes: u64,
}

/// An incident.
#[derive(Clone, Debug)]
pub struct Incident {
    pub id: StormId,
    pub kind: Kind,
    pub members: Vec<Member>,
    pub onset: i64,
    pub onset_is_unknown: bool,
    pub fired: i64,
    pub rule: Option<Rule>,
    pub level: AlertLevel,
    pub resolved: Option<i64>,
    pub resumed: u32,
    pub baseline: f64,
    pub timeline: Timeline,
    pub peak: u64,
    pub trigger: Option<Trigger>,
    /// Of members whose bout is over.
    pub people: People,
    /// What all who took part when it fired said of where they come from. Part of its identity for those who are told: it never changes.
    pub origin: Origin,
    pub last: i64,
    /// The sum of members in the second that is being evaluated.
    second: (i64, u64),
    /// Last second in which the rate was below half the peak.
    pub fell_at: i64,
    /// Seconds in a row in which it was too loud for a backoff, and the greatest rate in them.
    pub restless: (u32, f64),
    /// Whether it is from before a restart and was not heard of since.
    pub is_restored: bool,
    /// Silence is counted from here (ns) at the earliest.
    pub heard_from: i64,
    /// Up to this second the shape of its rate is not known.
    pub blind_until: i64,
    told_at: i64,
    told_pause: i64,
    told_rate: f64,
    told_instances: u64,
}

impl Incident {
    pub fn new(node: u64, kind: Kind, member: Member, onset: i64, fired: i64) -> Self {
        let second = onset.div_euclid(SECOND);
        let id = StormId(spread(spread(node ^ member.fingerprint.id().0) ^ second as u64));
        Self {
            id,
            kind,
            members: vec![member],
            onset,
            onset_is_unknown: false,
            fired,
            rule: None,
            level: AlertLevel::Info,
            resolved: None,
            resumed: 0,
            baseline: 0.0,
            timeline: Timeline::default(),
            peak: 0,
            trigger: None,
            people: People::default(),
            origin: Origin::default(),
            last: onset,
            second: (i64::MIN, 0),
            fell_at: second,
            restless: (0, 0.0),
            is_restored: false,
            heard_from: i64::MIN,
            blind_until: i64::MIN,
            told_at: fired,
            told_pause: RENOTIFY_FIRST,
            told_rate: 0.0,
            told_instances: 0,
        }
    }

    /// Counts a finished second of one member.
    pub fn add_second(&mut self, second: i64, records: u64) {
        self.timeline.add(second, records);
        if self.second.0 == second {
            self.second.1 += records;
        } else {
            self.second = (second, records);
        }
        self.peak = self.peak.max(self.second.1);
    }

    pub fn member(&self, index: FingerprintIndex) -> Option<usize> {
        self.members.iter().position(|member| member.index == Some(index))
    }

    pub fn is_firing(&self) -> bool {
        self.resolved.is_none()
    }

    /// Whether it must be told again now.
    pub fn is_due(&self, now: i64, rate: f64, instances: u64) -> bool {
        let has_grown = rate >= RATE_GROWTH * self.told_rate.max(1.0) || self.told_instances > 0 && instances >= 2 * self.told_instances;
        now - self.told_at >= self.told_pause || has_grown && now - self.told_at >= GROWTH_PAUSE
    }

    /// It was told.
    pub fn told(&mut self, now: i64, rate: f64, instances: u64, is_repetition: bool) {
        if is_repetition && now - self.told_at >= self.told_pause {
            self.told_pause = (self.told_pause * 2).min(RENOTIFY_LAST);
        }
        self.told_at = now;
        self.told_rate = self.told_rate.max(rate);
        self.told_instances = self.told_instances.max(instances);
    }

    /// When it is told again by schedule, ns.
    pub fn next_due(&self) -> i64 {
        self.told_at + self.told_pause
    }

    /// When it was last told, the pause until the next time, and what was told: records/s and instances.
    pub fn schedule(&self) -> (i64, i64, f64, u64) {
        (self.told_at, self.told_pause, self.told_rate, self.told_instances)
    }

    /// See [`Incident::schedule`].
    pub fn set_schedule(&mut self, (at, pause, rate, instances): (i64, i64, f64, u64)) {
        self.told_at = at;
        self.told_pause = pause.clamp(RENOTIFY_FIRST, RENOTIFY_LAST);
        (self.told_rate, self.told_instances) = (rate, instances);
    }

    /// Starts the schedule of notifications anew.
    pub fn reset_schedule(&mut self) {
        (self.told_pause, self.told_rate, self.told_instances) = (RENOTIFY_FIRST, 0.0, 0);
    }
}
