//! What must outlive a restart: the incidents that go on or may come back, as plain data.
//!
//! Rates, intervals and baselines of quiet fingerprints are learned anew. An incident that fired goes on under its id: its detectors fire
//! from the start, silence ends it after the usual minute, counted from the restart at the earliest (nobody listened in between).

use super::crash_loop::Program;
use super::detector::{Detector, Rule};
use super::incident::{Incident, Kind, MEMBERS_MAX, Member};
use super::lifecycle::INCIDENTS_MAX;
use super::origins::{OriginState, OriginsState};
use super::people::People;
use super::report::{AlertLevel, StormId, Timeline, Trigger};
use super::slot::Slot;
use super::storms::Storms;
use crate::fingerprint::Fingerprint;
use crate::record::{Class, ClassSource, FingerprintIndex, Severity};
use crate::time::UnixNanos;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Programs of a crash loop that are remembered.
const PROGRAMS_MAX: usize = 64;

/// So long (s) after a restart nothing is said about the shape of a rate: its bins are empty.
const BLIND_SECONDS: i64 = 10;

/// All incidents that go on or may come back. Bounded as they are: at most 256 with 16 fingerprints and 64 instances each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StormsState {
    /// In the order in which they fired.
    pub incidents: Vec<IncidentState>,
}

impl StormsState {
    /// The fingerprints that take part, as they will be known again: the order of incidents and of members.
    pub fn fingerprints(&self) -> impl Iterator<Item = &FingerprintState> {
        self.incidents.iter().take(INCIDENTS_MAX).flat_map(|incident| incident.members.iter().take(MEMBERS_MAX)).map(|member| &member.fingerprint)
    }
}

/// A fingerprint by what it is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FingerprintState {
    /// The word of the glossary; `-` when unknown.
    pub severity: String,
    /// The message with typed placeholders.
    pub template: String,
    /// The word of the glossary.
    pub class: String,
    /// The rule that said so; absent for a guess.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

impl FingerprintState {
    fn of(fingerprint: &Fingerprint) -> Self {
        Self {
            severity: fingerprint.severity.as_str().into(),
            template: fingerprint.template.as_ref().into(),
            class: fingerprint.class.as_str().into(),
            rule: match &fingerprint.source {
                ClassSource::Rule(id) => Some(id.as_ref().into()),
                ClassSource::Guess => None,
            },
        }
    }

    /// The fingerprint; words that this version does not know are taken for `-` and `none`.
    #[must_use]
    pub fn to_fingerprint(&self) -> Fingerprint {
        const CLASSES: [Class; 6] = [Class::Retry, Class::Failure, Class::Overload, Class::Exhausted, Class::Recovery, Class::CrashLoop];
        let class = CLASSES.into_iter().find(|class| class.as_str() == self.class).unwrap_or_default();
        let source = self.rule.as_ref().map_or(ClassSource::Guess, |id| ClassSource::Rule(id.as_str().into()));
        Fingerprint::new(Severity::from_word(self.severity.as_bytes()).unwrap_or_default(), self.template.as_str(), class, source)
    }
}

/// One fingerprint of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberState {
    /// What it says.
    pub fingerprint: FingerprintState,
    /// Whether its rate was up.
    pub is_firing: bool,
    /// Records so far.
    pub records: u64,
    /// Bytes so far.
    pub bytes: u64,
    /// Usual records/s before.
    pub baseline: f64,
}

/// An instance or target and its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountState {
    /// Hash of an instance; 0 for targets.
    #[serde(default)]
    pub hash: u64,
    /// Secrets in it are masked as in output.
    pub name: String,
    /// Records.
    pub records: u64,
}

/// Who takes part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeopleState {
    /// At most 64, ascending by hash.
    pub instances: Vec<CountState>,
    /// Whether there were more.
    pub is_overfull: bool,
    /// Records that name an instance, and that do not.
    pub named: u64,
    /// See `named`.
    pub unnamed: u64,
    /// At most 16.
    pub targets: Vec<CountState>,
    /// Records with further targets.
    pub other_targets: u64,
    /// Whose streams they write to.
    #[serde(default, skip_serializing_if = "OriginsState::is_empty")]
    pub origins: OriginsState,
}

/// A program in a crash loop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramState {
    /// Hash of its name.
    pub hash: u64,
    /// Which of the incident's fingerprints tells of it.
    pub member: usize,
    /// Times of its last restarts (ns), oldest first.
    pub restarts: Vec<i64>,
    /// First restart of the run (ns).
    pub since: i64,
    /// Restarts in all.
    pub count: u64,
    /// Its restart counter, where one is told.
    pub attempt: i64,
}

/// What preceded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerState {
    /// What it said.
    pub fingerprint: FingerprintState,
    /// When (ns).
    pub at: i64,
}

/// One incident. All times in ns since 1970 unless they say seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentState {
    /// Its id: 16 hex digits.
    pub id: String,
    /// Which view raised it.
    pub kind: Kind,
    /// Its fingerprints, at most 16.
    pub members: Vec<MemberState>,
    /// When the retries began to spike.
    pub onset: i64,
    /// Whether that was before squelch looked.
    pub onset_is_unknown: bool,
    /// When it was told first.
    pub fired: i64,
    /// Which rule fired.
    pub rule: Option<Rule>,
    /// How urgent.
    pub level: AlertLevel,
    /// When it was over; absent while it goes on.
    pub resolved: Option<i64>,
    /// How often it came back.
    pub resumed: u32,
    /// Usual records/s.
    pub baseline: f64,
    /// Records per cell: start (s), seconds per cell, cells.
    pub timeline: (i64, i64, Vec<u64>),
    /// Most records in a second.
    pub peak: u64,
    /// What preceded.
    pub trigger: Option<TriggerState>,
    /// Who takes part.
    pub people: PeopleState,
    /// Latest record.
    pub last: i64,
    /// Second in which the rate was last below half its peak.
    pub fell_at: i64,
    /// When it was last told, pause until the next time, and what was told: records/s and instances.
    pub told: (i64, i64, f64, u64),
    /// What all who took part when it fired said of where they come from.
    #[serde(default, skip_serializing_if = "OriginState::is_empty")]
    pub origin: OriginState,
    /// Programs of a crash loop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<ProgramState>,
}

impl Storms {
    /// The incidents that go on or may come back within 10 min, for a store that outlives the process.
    #[must_use]
    pub fn snapshot(&self) -> StormsState {
        StormsState { incidents: (0..self.incidents.len()).map(|at| self.incident_state(at)).collect() }
    }

    fn incident_state(&self, at: usize) -> IncidentState {
        let incident = &self.incidents[at];
        let mut people = incident.people.clone();
        let mut last = incident.last;
        let members = incident
            .members
            .iter()
            .map(|member| {
                let (records, bytes) = self.counts_of(incident, member);
                let slot = self.slot_of(member);
                if let Some(slot) = slot {
                    if member.is_firing {
                        people.add(&slot.detector.people);
                        last = last.max(slot.detector.last);
                    } else if incident.kind == Kind::SlowLoop && incident.is_firing() {
                        last = last.max(slot.last);
                        people.origins.join(&slot.origins);
                    }
                }
                MemberState {
                    fingerprint: FingerprintState::of(&member.fingerprint),
                    is_firing: member.is_firing,
                    records,
                    bytes,
                    baseline: slot.map_or(0.0, |slot| slot.detector.baseline()),
                }
            })
            .collect();
        IncidentState {
            id: incident.id.to_string(),
            kind: incident.kind,
            members,
            onset: incident.onset,
            onset_is_unknown: incident.onset_is_unknown,
            fired: incident.fired,
            rule: incident.rule,
            level: incident.level,
            resolved: incident.resolved,
            resumed: incident.resumed,
            baseline: incident.baseline,
            timeline: (incident.timeline.start, incident.timeline.width, incident.timeline.cells.clone()),
            peak: incident.peak,
            trigger: incident
                .trigger
                .as_ref()
                .map(|trigger| TriggerState { fingerprint: FingerprintState::of(&trigger.fingerprint), at: trigger.at.0 }),
            people: people.state(self.options.shows_secrets),
            last,
            fell_at: incident.fell_at,
            told: incident.schedule(),
            origin: OriginState::of(&incident.origin),
            programs: self.programs_of(incident),
        }
    }

    fn programs_of(&self, incident: &Incident) -> Vec<ProgramState> {
        if incident.kind != Kind::CrashLoop {
            return Vec::new();
        }
        let member_of = |program: &Program| incident.member(program.index).map(|member| program.state(member));
        self.crash_loops.looping().filter_map(member_of).take(PROGRAMS_MAX).collect()
    }

    /// Goes on with what another process knew. Nothing may have been observed yet. `now`: the time of the restart; `index_of` gives each
    /// fingerprint its key (asked in the order of [`StormsState::fingerprints`]). What cannot be read is left out.
    pub fn restore(
        &mut self,
        state: &StormsState,
        now: UnixNanos,
        mut index_of: impl FnMut(&FingerprintState) -> (FingerprintIndex, Arc<Fingerprint>),
    ) {
        for told in state.incidents.iter().take(INCIDENTS_MAX) {
            let known: Vec<_> = told.members.iter().take(MEMBERS_MAX).map(|member| index_of(&member.fingerprint)).collect();
            let Some((incident, slots)) = self.incident_of(told, &known) else { continue };
            let at = self.add_incident(incident);
            for slot in slots {
                self.add_restored(at, slot);
            }
            for program in &told.programs {
                if let Some((index, _)) = known.get(program.member) {
                    self.crash_loops.restore(Program::of_state(program, *index));
                }
            }
        }
        if !self.incidents.is_empty() {
            self.restored_at = Some(now);
        }
    }

    fn incident_of(&self, told: &IncidentState, known: &[(FingerprintIndex, Arc<Fingerprint>)]) -> Option<(Incident, Vec<Slot>)> {
        let id = StormId(u64::from_str_radix(&told.id, 16).ok()?);
        let first = told.members.first()?;
        let member_of = |(member, (index, fingerprint)): (&MemberState, &(FingerprintIndex, Arc<Fingerprint>))| Member {
            index: Some(*index),
            fingerprint: Arc::clone(fingerprint),
            is_firing: member.is_firing && told.kind == Kind::Rate && told.resolved.is_none(),
            records: member.records,
            bytes: member.bytes,
        };
        let members: Vec<Member> = told.members.iter().zip(known).map(member_of).collect();
        let mut incident = Incident::new(self.options.node, told.kind, member_of((first, known.first()?)), told.onset, told.fired);
        incident.id = id;
        incident.members = members;
        incident.onset_is_unknown = told.onset_is_unknown;
        incident.rule = told.rule;
        incident.level = told.level;
        incident.resolved = told.resolved;
        incident.resumed = told.resumed;
        incident.baseline = told.baseline;
        incident.timeline = Timeline { start: told.timeline.0, width: told.timeline.1.max(1), cells: told.timeline.2.clone() };
        incident.peak = told.peak;
        incident.trigger =
            told.trigger.as_ref().map(|trigger| Trigger { fingerprint: Arc::new(trigger.fingerprint.to_fingerprint()), at: UnixNanos(trigger.at) });
        incident.people = People::of_state(&told.people);
        incident.last = told.last;
        incident.fell_at = told.fell_at;
        incident.set_schedule(told.told);
        incident.is_restored = told.resolved.is_none();
        incident.origin = told.origin.to_origin();
        let slots = (told.members.iter().zip(&incident.members))
            .filter(|(_, member)| incident.is_firing() && (member.is_firing || incident.kind == Kind::SlowLoop))
            .filter_map(|(member, now)| {
                let mut slot = Slot::new(now.index?, &now.fingerprint, told.onset, None);
                if now.is_firing {
                    slot.detector = Detector::firing(member.baseline, told.onset, told.last);
                } else {
                    slot.is_told_slow = true;
                    (slot.run, slot.last) = ((told.onset, 0), told.last);
                }
                Some(slot)
            })
            .collect();
        Some((incident, slots))
    }

    fn add_restored(&mut self, at: usize, slot: Slot) {
        // A fingerprint storms once: what two incidents claim stays with the first.
        if self.number_of(slot.index).is_some() {
            if let Some(member) = self.incidents[at].member(slot.index) {
                self.incidents[at].members[member].is_firing = false;
            }
            return;
        }
        let fires = self.incidents[at].kind == Kind::Rate;
        let number = self.put(slot);
        if fires && let Some(slot) = self.slots[number as usize].as_mut() {
            slot.is_active = true;
            self.active.push(number);
        }
    }

    /// The first moment after a restart: silence is counted from here, or from the restart where that was earlier.
    pub(super) fn begin_after_restart(&mut self, now: UnixNanos) {
        let Some(restored) = self.restored_at.take() else { return };
        let from = restored.min(now);
        for incident in &mut self.incidents {
            incident.heard_from = incident.last.max(from.0);
            incident.blind_until = now.second() + BLIND_SECONDS;
        }
        for slot in self.slots.iter_mut().flatten() {
            self.evaluated = self.evaluated.min(slot.detector.sleep_until(from.second() - 1));
        }
    }

    /// Records and bytes of a member, those of the present bout included.
    pub(super) fn counts_of(&self, incident: &Incident, member: &Member) -> (u64, u64) {
        match (self.slot_of(member), incident.kind) {
            (Some(slot), Kind::Rate) if member.is_firing => (member.records + slot.detector.records, member.bytes + slot.detector.bytes),
            (Some(slot), Kind::SlowLoop) if incident.is_firing() => (member.records + slot.run.1, member.bytes),
            _ => (member.records, member.bytes),
        }
    }

    pub(super) fn slot_of(&self, member: &Member) -> Option<&Slot> {
        self.slots[self.number_of(member.index?)? as usize].as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_known_again_by_its_words() {
        let before = Fingerprint::new(Severity::Unknown, "Connection to <host> refused", Class::Failure, ClassSource::Rule("redis-refused".into()));
        let after = FingerprintState::of(&before).to_fingerprint();
        assert_eq!((after.id(), after.class, &after.source), (before.id(), before.class, &before.source));
    }

    #[test]
    fn words_of_a_later_version_do_no_harm() {
        let state = FingerprintState { severity: "loud".into(), template: "x".into(), class: "gossip".into(), rule: None };
        assert_eq!((state.to_fingerprint().severity, state.to_fingerprint().class), (Severity::Unknown, Class::None));
    }
}
