//! The facade: records in, storm events out.

use super::crash_loop::{CrashLoops, Restart, WINDOW};
use super::detector::{Detector, State, Step};
use super::incident::{Incident, Kind, MEMBERS_MAX, Member};
use super::people::{People, stream_hash};
use super::report::{AlertLevel, Phase, StormEvent, StormReport, Trigger};
use crate::diagnosis::{Diagnosis, hash_of, Observation, Verdict};
use crate::fingerprint::Fingerprint;
use crate::occurrence::Occurrence;
use crate::record::{Class, FingerprintIndex, Severity};
use crate::time::{SECOND, UnixNanos};
use std::collections::VecDeque;
use std::sync::Arc;

/// Fingerprints watched; the one that was silent longest goes first.
const DETECTORS_MAX: usize = 4096;
/// Fingerprints diagnosed, the same way.
const DIAGNOSED_MAX: usize = 512;
/// How long a record may be out of order before the diagnosis sees it.
const REORDER: i64 = 2 * SECOND;
/// Records held for that at most (all fingerprints together).
const REORDER_MAX: usize = 4096;
/// A storm that comes back within this time has the same id.
const REFIRE: i64 = 600 * SECOND;
/// Incidents kept: firing ones and those that may come back.
const INCIDENTS_MAX: usize = 256;
/// A trigger lies this close before the onset.
const TRIGGER_SPAN: i64 = 10 * SECOND;
/// Candidates for triggers.
const TRIGGERS_MAX: usize = 16;
/// Fingerprints whose records follow one another this closely belong together.
const COMPANION: i64 = SECOND;
/// A retry loop below the rate of a storm is told of after so many attempts, or after this time.
const SLOW_ATTEMPTS: u64 = 100;
const SLOW_SPAN: i64 = 1800 * SECOND;
/// A burst is no loop: it must have lasted this long in any case.
const SLOW_SPAN_MIN: i64 = 60 * SECOND;
/// A pause (ns) that ends a slow loop.
const SLOW_PAUSE: i64 = 60 * SECOND;
/// A rate that is above half its peak for so long is held up by something.
const NOT_FALLING: i64 = 300;
/// Records/s that make a storm critical by themselves.
const CRITICAL_RATE: f64 = 100.0;
/// Records/s of one instance that backs off and has reached its cap.
const CALM_RATE: f64 = 0.5;
/// Amplification that makes one critical, with this many instances and an unbroken rate.
const CRITICAL_AMPLIFICATION: f64 = 50.0;
const CRITICAL_INSTANCES: u64 = 3;
/// Times per second of working time that recoveries are looked up for all fingerprints.
const OUTCOMES_PER_SECOND: u32 = 50;

/// What the owner of the engine decides.
#[derive(Clone, Copy, Debug, Default)]
pub struct StormOptions {
    /// Hash of the node's name: part of incident ids.
    pub node: u64,
    /// When squelch began to watch streams in their middle (a tail from the end, a restart without state); `None` for replays, reports
    /// and files read from their beginning.
    pub started_in_the_middle: Option<UnixNanos>,
}

#[derive(Debug)]
struct Slot {
    index: FingerprintIndex,
    fingerprint: Arc<Fingerprint>,
    detector: Detector,
    is_active: bool,
    is_told_slow: bool,
    /// The first record, until a second one makes a diagnosis worth its memory.
    first: Option<Observation>,
    diagnosis: Option<Box<Diagnosis>>,
    /// Start and records of the present run of retries (ends with a pause of 60 s).
    run: (i64, u64),
    /// Records of the whole life, and lines in them.
    records: u64,
    lines: u64,
    last: i64,
    /// (worker, attempt, steps of more than one in a row): a loop that does not log every attempt.
    numbered: (u64, i64, u8),
}

/// A storm or loop that is known now, for live views and `report`.
pub type StormView = StormReport;

/// Verdict of one retry-like fingerprint, storm or not.
#[derive(Clone, Debug)]
pub struct Diagnosed {
    /// Severity, template, class.
    pub fingerprint: Arc<Fingerprint>,
    /// Records and lines seen.
    pub records: u64,
    /// See `records`.
    pub lines: u64,
    /// What is said about its retry policy.
    pub verdict: Verdict,
}

/// All storms. One per engine.
#[derive(Debug)]
pub struct Storms {
    options: StormOptions,
    /// By fingerprint index: slot + 1, or 0.
    by_index: Vec<u32>,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    diagnosed: usize,
    active: Vec<u32>,
    now: UnixNanos,
    /// Seconds up to this one are evaluated.
    evaluated: i64,
    held: VecDeque<(FingerprintIndex, Observation)>,
    incidents: Vec<Incident>,
    /// Incidents that are over and cannot come back: for `report`.
    crash_loops: CrashLoops,
    triggers: VecDeque<(FingerprintIndex, Trigger, i64)>,
    outcome_budget: (i64, u32),
}

impl Storms {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(options: StormOptions) -> Self {
        Self {
            options,
            by_index: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            diagnosed: 0,
            active: Vec::new(),
            now: UnixNanos(i64::MIN),
            evaluated: i64::MIN,
            held: VecDeque::new(),
            incidents: Vec::new(),
            crash_loops: CrashLoops::default(),
            triggers: VecDeque::new(),
            outcome_budget: (0, 0),
        }
    }

    /// Takes a record whose class is not `none`.
    pub fn observe(&mut self, seen: &Occurrence<'_>, out: &mut dyn FnMut(StormEvent)) {
        if !seen.feeds_rate || seen.late {
            return;
        }
        let at = seen.working.0;
        if seen.working.second() - 1 > self.evaluated { self.advance(seen.working, out) } else { self.now = self.now.max(seen.working) }
        let class = seen.fingerprint.class;
        if matches!(class, Class::Recovery | Class::Exhausted) {
            self.note_outcome(seen);
        }
        if class == Class::Recovery {
            return;
        }
        if class == Class::Failure && !self.is_firing(seen.index) {
            self.note_trigger(seen);
        }
        let slot_number = self.slot(seen);
        let Some(slot) = self.slots[slot_number as usize].as_mut() else { return };
        let second = seen.working.second();
        let weight = slot.weight(seen);
        if !slot.is_active {
            slot.is_active = true;
            self.active.push(slot_number);
        }
        if class != Class::CrashLoop {
            for _ in 0..weight {
                slot.detector.count(second, at, 0);
            }
            slot.detector.bytes += seen.raw.len() as u64;
        }
        let is_named = seen.instance_hash != 0;
        let hash = if is_named { seen.instance_hash } else { stream_hash(seen.stream.0) };
        // Who takes part is counted from the first second of a rise, which is known only when it is over; names are kept from then on.
        let (name, target) = if slot.detector.state == State::Idle { (&b""[..], None) } else { (seen.instance.unwrap_or_default(), seen.target) };
        slot.detector.people.count(hash, is_named, name, target);
        slot.records += 1;
        slot.lines += u64::from(seen.lines);
        slot.run = if at.saturating_sub(slot.last) > SLOW_PAUSE && slot.last != i64::MIN || slot.run.1 == 0 { (at, 1) } else { (slot.run.0, slot.run.1 + u64::from(weight)) };
        slot.last = slot.last.max(at);
        let is_slow_loop = slot.is_slow_loop(at) && class != Class::CrashLoop;
        self.hold(seen.index, Observation::from(seen));
        if class == Class::CrashLoop {
            self.count_restart(seen, out);
        } else if is_slow_loop {
            self.tell_slow_loop(slot_number, out);
        }
    }

    /// A record of class `none`: remembered as a possible trigger when it is a warning or worse. Costs one comparison otherwise.
    pub fn note_ordinary(&mut self, seen: &Occurrence<'_>) {
        if seen.fingerprint.severity >= Severity::Warn && seen.feeds_rate && !seen.late {
            self.note_trigger(seen);
        }
    }

    /// Moves `now` on: finished seconds are evaluated, each once.
    pub fn advance(&mut self, now: UnixNanos, out: &mut dyn FnMut(StormEvent)) {
        if now <= self.now {
            return;
        }
        self.now = now;
        let until = now.second() - 1;
        if self.evaluated >= until {
            return;
        }
        if self.evaluated == i64::MIN {
            self.evaluated = until;
        }
        self.release(now.0 - REORDER);
        while self.evaluated < until && !self.active.is_empty() {
            self.evaluated += 1;
            self.finish_second(self.evaluated, out);
        }
        self.evaluated = until;
        self.tend_incidents(until, out);
    }

    /// When [`Storms::advance`] must be called at the latest.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<UnixNanos> {
        if !self.active.is_empty() {
            return Some(UnixNanos((self.now.second() + 1) * SECOND));
        }
        self.incidents.iter().filter(|incident| incident.is_firing()).map(|incident| UnixNanos(incident.next_due().min(incident.last + WINDOW + SECOND))).min()
    }

    /// The input has ended: what still goes on is told so.
    pub fn drain(&mut self, now: UnixNanos, out: &mut dyn FnMut(StormEvent)) {
        // The last second is over, too: nothing more will come.
        self.advance(UnixNanos((self.now.max(now).second() + 1).saturating_mul(SECOND)), out);
        self.release(i64::MAX);
        self.now = now;
        for at in 0..self.incidents.len() {
            if self.incidents[at].is_firing() {
                out(StormEvent::OngoingAtEnd(Box::new(self.report(at))));
            }
        }
    }

    /// The engine forgets a fingerprint and may reuse its index.
    pub fn forget(&mut self, index: FingerprintIndex) {
        let Some(number) = self.number_of(index) else { return };
        self.held.retain(|held| held.0 != index);
        self.triggers.retain(|trigger| trigger.0 != index);
        self.crash_loops.forget(index);
        for at in 0..self.incidents.len() {
            if let Some(member) = self.incidents[at].member(index) {
                self.end_bout(at, member, number);
                self.incidents[at].members[member].index = None;
            }
        }
        self.by_index[index.0 as usize] = 0;
        self.active.retain(|active| *active != number);
        if let Some(slot) = self.slots[number as usize].take() {
            self.diagnosed -= usize::from(slot.diagnosis.is_some());
        }
        self.free.push(number);
    }

    /// Whether the fingerprint's detector fires: collapsing backs off meanwhile.
    #[must_use]
    pub fn is_firing(&self, index: FingerprintIndex) -> bool {
        self.state(index) == Some(State::Firing)
    }

    /// Whether it is pending or firing: collapsing may begin.
    #[must_use]
    pub fn is_pending_or_firing(&self, index: FingerprintIndex) -> bool {
        self.state(index).is_some_and(|state| state != State::Idle)
    }

    fn state(&self, index: FingerprintIndex) -> Option<State> {
        self.slots[self.number_of(index)? as usize].as_ref().map(|slot| slot.detector.state)
    }

    /// Storms that go on now or ended within 10 min, in the order in which they fired.
    #[must_use]
    pub fn current(&self) -> Vec<StormView> {
        (0..self.incidents.len()).map(|at| self.report(at)).collect()
    }

    /// What can be said of one fingerprint.
    #[must_use]
    pub fn verdict(&self, index: FingerprintIndex) -> Option<Verdict> {
        let slot = self.slots[self.number_of(index)? as usize].as_ref()?;
        slot.diagnosis.as_ref().map(|diagnosis| diagnosis.verdict(self.now.0))
    }

    /// Every retry-like fingerprint that repeated, most lines first (ties by id): `report`'s `diagnoses[]`. Call after `drain`.
    #[must_use]
    pub fn diagnoses(&self) -> Vec<Diagnosed> {
        let mut rows: Vec<Diagnosed> = self
            .slots
            .iter()
            .flatten()
            .filter_map(|slot| {
                let diagnosis = slot.diagnosis.as_ref()?;
                let verdict = diagnosis.verdict(self.now.0);
                Some(Diagnosed { fingerprint: Arc::clone(&slot.fingerprint), records: slot.records, lines: slot.lines, verdict })
            })
            .collect();
        rows.sort_by(|a, b| b.lines.cmp(&a.lines).then_with(|| a.fingerprint.id().cmp(&b.fingerprint.id())));
        rows
    }

    fn number_of(&self, index: FingerprintIndex) -> Option<u32> {
        self.by_index.get(index.0 as usize).and_then(|number| number.checked_sub(1))
    }

    fn slot(&mut self, seen: &Occurrence<'_>) -> u32 {
        if let Some(number) = self.number_of(seen.index) {
            return number;
        }
        if self.slots.len() - self.free.len() >= DETECTORS_MAX {
            self.evict();
        }
        let started = self.options.started_in_the_middle.map(UnixNanos::second);
        let slot = Slot {
            index: seen.index,
            fingerprint: Arc::clone(seen.fingerprint),
            detector: Detector::new(seen.working.second(), started),
            is_active: false,
            is_told_slow: false,
            first: None,
            diagnosis: None,
            run: (seen.working.0, 0),
            records: 0,
            lines: 0,
            last: i64::MIN,
            numbered: (0, 0, 0),
        };
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        });
        self.slots[number as usize] = Some(slot);
        let index = seen.index.0 as usize;
        if index >= self.by_index.len() {
            self.by_index.resize(index + 1, 0);
        }
        self.by_index[index] = number + 1;
        number
    }

    /// The idle fingerprint that was silent longest makes room.
    fn evict(&mut self) {
        let coldest = self.slots.iter().flatten().min_by_key(|slot| (slot.detector.state == State::Firing, slot.last, slot.index)).map(|slot| slot.index);
        if let Some(index) = coldest {
            self.forget(index);
        }
    }

    fn hold(&mut self, index: FingerprintIndex, observation: Observation) {
        if self.held.len() >= REORDER_MAX
            && let Some((index, oldest)) = self.held.pop_front()
        {
            self.diagnose(index, &oldest);
        }
        if self.held.back().is_none_or(|last| last.1.at <= observation.at) {
            self.held.push_back((index, observation));
            return;
        }
        let at = self.held.iter().rposition(|held| held.1.at <= observation.at).map_or(0, |before| before + 1);
        self.held.insert(at, (index, observation));
    }

    fn release(&mut self, until: i64) {
        while let Some((index, observation)) = self.held.front().copied()
            && observation.at <= until
        {
            self.held.pop_front();
            self.diagnose(index, &observation);
        }
    }

    fn diagnose(&mut self, index: FingerprintIndex, observation: &Observation) {
        let Some(number) = self.number_of(index) else { return };
        let is_full = self.diagnosed >= DIAGNOSED_MAX;
        let Some(slot) = self.slots[number as usize].as_mut() else { return };
        if slot.diagnosis.is_none() {
            let Some(first) = slot.first else {
                slot.first = Some(*observation);
                return;
            };
            let mut diagnosis = Box::new(Diagnosis::new(first.at));
            diagnosis.observe(&first);
            slot.diagnosis = Some(diagnosis);
            self.diagnosed += 1;
            if is_full {
                let coldest = self.slots.iter().flatten().filter(|slot| slot.diagnosis.is_some() && slot.index != index).min_by_key(|slot| (slot.last, slot.index)).map(|slot| slot.index);
                if let Some(number) = coldest.and_then(|index| self.number_of(index))
                    && let Some(slot) = self.slots[number as usize].as_mut()
                {
                    slot.diagnosis = None;
                    self.diagnosed -= 1;
                }
            }
        }
        if let Some(slot) = self.slots[number as usize].as_mut()
            && let Some(diagnosis) = slot.diagnosis.as_mut()
        {
            diagnosis.observe(observation);
            if slot.fingerprint.class == Class::Exhausted {
                diagnosis.note_give_up(observation.at);
            }
        }
    }

    /// Tells the diagnoses of the same instance (or stream) that it recovered or gave up.
    fn note_outcome(&mut self, seen: &Occurrence<'_>) {
        let second = seen.working.second();
        if self.outcome_budget.0 != second {
            self.outcome_budget = (second, 0);
        }
        self.outcome_budget.1 += 1;
        if self.outcome_budget.1 > OUTCOMES_PER_SECOND {
            return;
        }
        if seen.fingerprint.class == Class::Recovery {
            self.crash_loops.recovered(program_of(seen).0);
        }
        self.release(seen.working.0);
        let is_recovery = seen.fingerprint.class == Class::Recovery;
        for slot in self.slots.iter_mut().flatten().filter(|slot| slot.index != seen.index) {
            if let Some(diagnosis) = slot.diagnosis.as_mut()
                && diagnosis.knows(seen.instance_hash, seen.stream.0)
            {
                if is_recovery { diagnosis.note_recovery(seen.working.0) } else { diagnosis.note_give_up(seen.working.0) }
            }
        }
    }

    fn note_trigger(&mut self, seen: &Occurrence<'_>) {
        let at = seen.working.0;
        if let Some(known) = self.triggers.iter_mut().rev().find(|known| known.0 == seen.index) {
            // Old mentions do not count: the trigger is the first of a new bout.
            if at - known.2 > TRIGGER_SPAN {
                known.1.at = seen.working;
            }
            known.2 = at;
            return;
        }
        if self.triggers.len() == TRIGGERS_MAX {
            self.triggers.pop_front();
        }
        self.triggers.push_back((seen.index, Trigger { fingerprint: Arc::clone(seen.fingerprint), at: seen.working }, at));
    }

    fn trigger_before(&self, onset: i64, index: FingerprintIndex) -> Option<Trigger> {
        self.triggers
            .iter()
            .filter(|known| known.0 != index && known.1.at.0 <= onset && onset - known.1.at.0 <= TRIGGER_SPAN)
            .max_by_key(|known| known.1.at)
            .map(|known| known.1.clone())
    }

    fn finish_second(&mut self, second: i64, out: &mut dyn FnMut(StormEvent)) {
        let mut at = 0;
        while at < self.active.len() {
            let number = self.active[at];
            let Some(slot) = self.slots[number as usize].as_mut() else {
                self.active.swap_remove(at);
                continue;
            };
            let mut steps = [Step::Nothing; 2];
            let mut told = 0;
            while let Some(step) = slot.detector.step(second) {
                if step != Step::Nothing && told < steps.len() {
                    steps[told] = step;
                    told += 1;
                }
            }
            let is_asleep = slot.detector.is_asleep();
            if is_asleep {
                slot.is_active = false;
            }
            let index = slot.index;
            for step in steps {
                match step {
                    Step::Fired(rule) => self.fire(number, index, rule, second, out),
                    Step::Resolved => self.calm(number, index, second, out),
                    Step::Nothing | Step::Pended | Step::Calmed => {}
                }
            }
            if let Some(slot) = &self.slots[number as usize]
                && slot.detector.state == State::Firing
                && steps[0] == Step::Nothing
            {
                let records = u64::from(slot.detector.in_second(second));
                let last = slot.detector.last;
                if let Some(incident) = self.incidents.iter_mut().find(|incident| incident.is_firing() && incident.member(index).is_some()) {
                    incident.add_second(second, records);
                    incident.last = incident.last.max(last);
                }
            }
            // Order of the list must not depend on who fell asleep when: remove in place.
            if is_asleep {
                self.active.remove(at);
            } else {
                at += 1;
            }
        }
        self.watch_incidents(second, out);
    }

    /// A detector fired: an incident begins, comes back, or grows by a fingerprint.
    fn fire(&mut self, number: u32, index: FingerprintIndex, rule: super::Rule, second: i64, out: &mut dyn FnMut(StormEvent)) {
        self.release((second + 1) * SECOND);
        let now = (second + 1) * SECOND;
        // A slow loop that became a storm is over as a slow loop.
        if let Some(slow) = self.incidents.iter().position(|incident| incident.kind == Kind::SlowLoop && incident.is_firing() && incident.member(index).is_some()) {
            self.resolve(slow, second, out);
        }
        let Some(slot) = &self.slots[number as usize] else { return };
        let found = self.incident_for(index, slot, now);
        let onset = slot.detector.onset;
        let backfill: Vec<(i64, u64)> =
            (onset.div_euclid(SECOND).max(second - 63)..=second).map(|second| (second, u64::from(slot.detector.in_second(second)))).collect();
        let member = Member { index: Some(index), fingerprint: Arc::clone(&slot.fingerprint), is_firing: true, records: 0, bytes: 0 };
        let (at, is_new, was_resolved) = match found {
            Some(at) => {
                let incident = &mut self.incidents[at];
                let was_resolved = incident.resolved.take().is_some();
                if let Some(member) = incident.member(index) {
                    incident.members[member].is_firing = true;
                } else if incident.members.len() < MEMBERS_MAX {
                    incident.members.push(member);
                }
                if was_resolved {
                    incident.resumed += 1;
                    incident.reset_schedule();
                }
                (at, false, was_resolved)
            }
            None => {
                let mut incident = Incident::new(self.options.node, Kind::Rate, member, onset, now);
                incident.baseline = slot.detector.baseline();
                incident.rule = Some(rule);
                incident.onset_is_unknown = rule == super::Rule::Running;
                incident.trigger = self.trigger_before(onset, index);
                (self.add_incident(incident), true, false)
            }
        };
        let last = slot_last(&self.slots, number);
        let incident = &mut self.incidents[at];
        for (second, records) in backfill {
            incident.add_second(second, records);
        }
        incident.last = incident.last.max(last);
        let (level, rate, instances) = self.level(at, second);
        let before = self.incidents[at].level;
        self.incidents[at].level = if is_new || was_resolved { level } else { level.max(before) };
        if is_new || was_resolved {
            self.incidents[at].told(now, rate, instances, false);
            let report = Box::new(self.report_at(at, second));
            out(if was_resolved { StormEvent::Resumed(report) } else { StormEvent::Firing(report) });
        }
    }

    /// The incident that a fingerprint belongs to: its own of the last 10 min, or one whose records follow its own within 1 s for the
    /// same instances.
    fn incident_for(&self, index: FingerprintIndex, slot: &Slot, now: i64) -> Option<usize> {
        let is_alive = |incident: &Incident| incident.resolved.is_none_or(|at| now - at <= REFIRE);
        if let Some(own) = self.incidents.iter().position(|incident| is_alive(incident) && incident.member(index).is_some() && incident.kind == Kind::Rate) {
            return Some(own);
        }
        let onset = slot.detector.onset;
        self.incidents.iter().position(|incident| {
            if incident.kind != Kind::Rate || !is_alive(incident) || incident.last < onset - COMPANION {
                return false;
            }
            let shares = |people: &People| people.records() > 0 && people.shares_instance(&slot.detector.people) && !people.has_other_targets(&slot.detector.people);
            shares(&incident.people) || incident.members.iter().any(|member| self.detector_of(member).is_some_and(|detector| shares(&detector.people)))
        })
    }

    fn detector_of(&self, member: &Member) -> Option<&Detector> {
        let number = self.number_of(member.index?)?;
        self.slots[number as usize].as_ref().map(|slot| &slot.detector)
    }

    fn add_incident(&mut self, incident: Incident) -> usize {
        if self.incidents.len() >= INCIDENTS_MAX {
            // Those that are over go first, then the oldest.
            let oldest = (0..self.incidents.len()).min_by_key(|&at| (self.incidents[at].is_firing(), self.incidents[at].last)).unwrap_or(0);
            self.incidents.remove(oldest);
        }
        self.incidents.push(incident);
        self.incidents.len() - 1
    }

    /// A detector fell silent: when it was the last of its incident, the storm is over.
    fn calm(&mut self, number: u32, index: FingerprintIndex, second: i64, out: &mut dyn FnMut(StormEvent)) {
        let Some(at) = self.incidents.iter().position(|incident| incident.is_firing() && incident.member(index).is_some()) else { return };
        if let Some(member) = self.incidents[at].member(index) {
            self.end_bout(at, member, number);
        }
        if !self.incidents[at].members.iter().any(|member| member.is_firing) {
            self.resolve(at, second, out);
        }
    }

    fn resolve(&mut self, at: usize, second: i64, out: &mut dyn FnMut(StormEvent)) {
        self.release((second + 1) * SECOND);
        self.incidents[at].resolved = Some((second + 1) * SECOND);
        out(StormEvent::Resolved(Box::new(self.report_at(at, second))));
    }

    /// Moves a member's counts from its detector into the incident.
    fn end_bout(&mut self, at: usize, member: usize, number: u32) {
        let Some(slot) = self.slots[number as usize].as_mut() else { return };
        let incident = &mut self.incidents[at];
        let place = &mut incident.members[member];
        if place.is_firing {
            place.is_firing = false;
            place.records += slot.detector.records;
            place.bytes += slot.detector.bytes;
            incident.people.add(&slot.detector.people);
            incident.last = incident.last.max(slot.detector.last);
            slot.detector.calm();
        }
    }

    /// Levels, growth and the schedule of firing incidents, once a second.
    fn watch_incidents(&mut self, second: i64, out: &mut dyn FnMut(StormEvent)) {
        let now = (second + 1) * SECOND;
        for at in 0..self.incidents.len() {
            if !self.incidents[at].is_firing() || self.incidents[at].kind != Kind::Rate || self.incidents[at].fired >= now {
                continue;
            }
            let (level, rate, instances) = self.level(at, second);
            let before = self.incidents[at].level;
            if level > before {
                self.incidents[at].level = level;
                self.incidents[at].told(now, rate, instances, false);
                out(StormEvent::LevelChanged(before, Box::new(self.report_at(at, second))));
            } else if self.incidents[at].is_due(now, rate, instances) {
                self.incidents[at].told(now, rate, instances, true);
                out(StormEvent::Ongoing(Box::new(self.report_at(at, second))));
            }
        }
    }

    /// Crash loops and slow loops, which no detector ends, and incidents too old to come back.
    fn tend_incidents(&mut self, second: i64, out: &mut dyn FnMut(StormEvent)) {
        let now = (second + 1) * SECOND;
        for at in 0..self.incidents.len() {
            if !self.incidents[at].is_firing() || self.incidents[at].kind == Kind::Rate {
                continue;
            }
            let is_over = match self.incidents[at].kind {
                Kind::SlowLoop => {
                    let last = self.incidents[at].members.iter().filter_map(|member| member.index).filter_map(|index| self.number_of(index)).map(|number| slot_last(&self.slots, number)).max();
                    self.incidents[at].last = self.incidents[at].last.max(last.unwrap_or(i64::MIN));
                    now - self.incidents[at].last > SLOW_PAUSE
                }
                Kind::CrashLoop => {
                    let members = self.incidents[at].members.clone();
                    !members.iter().filter_map(|member| member.index).any(|index| self.crash_loops.is_looping(index, now))
                }
                Kind::Rate => false,
            };
            if is_over {
                let members: Vec<u32> = self.incidents[at].members.iter().filter_map(|member| self.number_of(member.index?)).collect();
                for number in members {
                    if let Some(slot) = self.slots[number as usize].as_mut() {
                        slot.is_told_slow = false;
                    }
                }
                self.resolve(at, second, out);
            } else if self.incidents[at].kind == Kind::CrashLoop && self.incidents[at].next_due() <= now {
                self.incidents[at].told(now, 0.0, 0, true);
                out(StormEvent::Ongoing(Box::new(self.report_at(at, second))));
            }
        }
        self.incidents.retain(|incident| incident.resolved.is_none_or(|at| now - at <= REFIRE));
    }

    /// (level, records/s of the loudest member, instances).
    fn level(&mut self, at: usize, second: i64) -> (AlertLevel, f64, u64) {
        let incident = &self.incidents[at];
        let mut rate = 0.0_f64;
        let mut amplification = 0.0_f64;
        let mut instances = 0;
        let mut trend = 1.0_f64;
        for detector in incident.members.iter().filter(|member| member.is_firing).filter_map(|member| self.detector_of(member)) {
            let its = detector.rate(second);
            if its >= rate {
                (rate, trend) = (its, detector.trend(second));
            }
            amplification = amplification.max(its / detector.baseline().max(0.1));
            instances = instances.max(detector.people.distinct().map_or(0, |(count, _)| count));
        }
        // Many clients at the cap of a proper backoff make a flat rate, too: then each of them is calm.
        let is_calm = trend < 0.6 || instances > 0 && rate / instances as f64 <= CALM_RATE;
        let is_growing = is_calm && rate < CRITICAL_RATE && self.best_verdict(at).is_some_and(|verdict| verdict.policy.is_growing());
        if rate < incident.peak as f64 / 2.0 {
            self.incidents[at].fell_at = second;
        }
        let is_not_falling = second - self.incidents[at].fell_at >= NOT_FALLING;
        let level = if is_growing {
            AlertLevel::Info
        } else if rate >= CRITICAL_RATE || amplification >= CRITICAL_AMPLIFICATION && trend >= 0.8 && instances >= CRITICAL_INSTANCES || is_not_falling {
            AlertLevel::Critical
        } else {
            AlertLevel::Warning
        };
        (level, rate, instances)
    }

    fn best_verdict(&self, at: usize) -> Option<Verdict> {
        let mut best: Option<(bool, u64, Verdict)> = None;
        for member in &self.incidents[at].members {
            let Some(number) = member.index.and_then(|index| self.number_of(index)) else { continue };
            let Some(diagnosis) = self.slots[number as usize].as_ref().and_then(|slot| slot.diagnosis.as_ref()) else { continue };
            let verdict = diagnosis.verdict(self.now.0);
            let rank = (verdict.policy != crate::diagnosis::Policy::Unknown, diagnosis.records());
            if best.as_ref().is_none_or(|known| rank > (known.0, known.1)) {
                best = Some((rank.0, rank.1, verdict));
            }
        }
        best.map(|known| known.2)
    }

    fn report(&self, at: usize) -> StormReport {
        self.report_at(at, self.evaluated)
    }

    fn report_at(&self, at: usize, second: i64) -> StormReport {
        let incident = &self.incidents[at];
        let mut people = incident.people.clone();
        let (mut records, mut bytes, mut rate, mut trend, mut last) = (0, 0, 0.0_f64, 1.0, incident.last);
        let mut lead: Option<(u64, Class)> = None;
        for member in &incident.members {
            let mut its = member.records;
            bytes += member.bytes;
            if member.is_firing
                && let Some(detector) = self.detector_of(member)
                && incident.kind == Kind::Rate
            {
                its += detector.records;
                bytes += detector.bytes;
                rate += detector.rate(second);
                trend = detector.trend(second);
                last = last.max(detector.last);
                people.add(&detector.people);
            }
            records += its;
            if lead.is_none_or(|known| its > known.0) {
                lead = Some((its, member.fingerprint.class));
            }
        }
        let distinct = people.distinct();
        StormReport {
            id: incident.id,
            fingerprints: incident.members.iter().map(|member| Arc::clone(&member.fingerprint)).collect(),
            class: if incident.kind == Kind::CrashLoop { Class::CrashLoop } else { lead.map_or(Class::Retry, |known| known.1) },
            alert_level: incident.level,
            phase: if incident.is_firing() { Phase::Firing } else { Phase::Resolved },
            onset: UnixNanos(incident.onset),
            onset_is_unknown: incident.onset_is_unknown,
            fired: UnixNanos(incident.fired),
            rule: incident.rule,
            resolved: incident.resolved.map(UnixNanos),
            resumed: incident.resumed,
            last: UnixNanos(last),
            records,
            bytes,
            rate,
            peak_per_second: incident.peak,
            baseline: incident.baseline,
            amplification: rate / incident.baseline.max(0.1),
            instances: distinct.map(|known| known.0),
            instances_are_estimated: distinct.is_some_and(|known| known.1),
            loudest: people.loudest(10),
            targets: people.top_targets(10),
            trigger: incident.trigger.clone(),
            timeline: incident.timeline.clone(),
            trend,
            is_not_falling: incident.kind == Kind::Rate && second - incident.fell_at >= NOT_FALLING,
            diagnosis: self.best_verdict(at),
        }
    }

    fn tell_slow_loop(&mut self, number: u32, out: &mut dyn FnMut(StormEvent)) {
        let second = self.now.second();
        let Some(slot) = self.slots[number as usize].as_mut() else { return };
        slot.is_told_slow = true;
        let index = slot.index;
        if self.incidents.iter().any(|incident| incident.is_firing() && incident.member(index).is_some()) {
            return;
        }
        let member = Member { index: Some(index), fingerprint: Arc::clone(&slot.fingerprint), is_firing: false, records: slot.run.1, bytes: 0 };
        let mut incident = Incident::new(self.options.node, Kind::SlowLoop, member, slot.run.0, self.now.0);
        incident.last = slot.last;
        let at = self.add_incident(incident);
        self.release(self.now.0);
        out(StormEvent::Firing(Box::new(self.report_at(at, second))));
    }

    fn count_restart(&mut self, seen: &Occurrence<'_>, out: &mut dyn FnMut(StormEvent)) {
        let (program, name) = program_of(seen);
        let is_stated = states_crash_loop(&seen.fingerprint.template);
        let restart = self.crash_loops.restart(program, seen.index, seen.working.0, seen.attempt, is_stated);
        let second = seen.working.second();
        let own = self.incidents.iter().position(|incident| incident.kind == Kind::CrashLoop && incident.resolved.is_none_or(|at| seen.working.0 - at <= REFIRE) && (incident.member(seen.index).is_some() || incident.people.has(program)));
        if let Some(at) = own {
            let incident = &mut self.incidents[at];
            if restart == Restart::Single {
                return;
            }
            let member = incident.member(seen.index).or_else(|| {
                let member = Member { index: Some(seen.index), fingerprint: Arc::clone(seen.fingerprint), is_firing: false, records: 0, bytes: 0 };
                (incident.members.len() < MEMBERS_MAX).then(|| {
                    incident.members.push(member);
                    incident.members.len() - 1
                })
            });
            if let Some(member) = member {
                incident.members[member].records += 1;
                incident.members[member].bytes += seen.raw.len() as u64;
            }
            incident.people.count(program, true, name, seen.target);
            incident.last = incident.last.max(seen.working.0);
            incident.add_second(second, 1);
            if incident.resolved.take().is_some() {
                incident.resumed += 1;
                out(StormEvent::Resumed(Box::new(self.report_at(at, second))));
            }
            return;
        }
        if let Restart::LoopBegan(onset) = restart {
            let member = Member { index: Some(seen.index), fingerprint: Arc::clone(seen.fingerprint), is_firing: false, records: 1, bytes: seen.raw.len() as u64 };
            let mut incident = Incident::new(self.options.node, Kind::CrashLoop, member, onset, seen.working.0);
            incident.level = AlertLevel::Warning;
            incident.last = seen.working.0;
            incident.trigger = self.trigger_before(onset, seen.index);
            incident.people.count(program, true, name, seen.target);
            incident.add_second(second, 1);
            let at = self.add_incident(incident);
            self.release(self.now.0);
            out(StormEvent::Firing(Box::new(self.report_at(at, second))));
        }
    }
}

impl Slot {
    /// Whether the present run of retries is an endless loop below the rate of a storm, not told yet.
    fn is_slow_loop(&self, at: i64) -> bool {
        let span = at - self.run.0;
        if self.is_told_slow || span < SLOW_SPAN_MIN || self.run.1 < 10 || self.detector.state != State::Idle {
            return false;
        }
        // Attempts of each instance: forty clients that back off twice are no loop.
        let instances = self.diagnosis.as_ref().map_or(1, |diagnosis| diagnosis.instances().0.max(1));
        self.run.1 >= SLOW_ATTEMPTS * instances || span >= SLOW_SPAN
    }

    /// How many attempts a record stands for: more than one when the attempt numbers of one worker step by more than one again and again.
    fn weight(&mut self, seen: &Occurrence<'_>) -> u32 {
        let Some(attempt) = seen.attempt else { return 1 };
        let worker = if seen.worker_hash != 0 { seen.worker_hash } else { seen.instance_hash };
        let (known, before, steps) = self.numbered;
        if worker != known && steps > 0 && !self.records.is_multiple_of(64) {
            return 1;
        }
        let step = attempt - before;
        let is_step = worker == known && (2..=10_000).contains(&step);
        self.numbered = (worker, attempt, if is_step { steps.saturating_add(1) } else { 0 });
        // Three in a row: one jump is a lost line.
        if is_step && steps >= 3 { step as u32 } else { 1 }
    }
}

fn slot_last(slots: &[Option<Slot>], number: u32) -> i64 {
    slots.get(number as usize).and_then(Option::as_ref).map_or(i64::MIN, |slot| slot.last)
}

/// The program that is restarted: the rule's target, else the instance, else the stream; with its name.
fn program_of<'a>(seen: &Occurrence<'a>) -> (u64, &'a [u8]) {
    if let Some(target) = seen.target {
        return (hash_of(target), target);
    }
    if seen.instance_hash != 0 { (seen.instance_hash, seen.instance.unwrap_or_default()) } else { (stream_hash(seen.stream.0), b"") }
}

/// Whether the supervisor itself says that it is a loop.
fn states_crash_loop(template: &str) -> bool {
    ["CrashLoopBackOff", "repeated too quickly", "restarting failed container"].iter().any(|words| template.contains(words))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
