//! The facade: records in, storm events out.

use super::burst::{Burst, Bursts};
use super::crash_loop::{CrashLoops, WINDOW};
use super::detector::{QUIET_SECONDS, State};
use super::incident::Incident;
use super::lifecycle::{SLOW_PAUSE, program_of};
use super::origins::{Origin, StreamOrigins};
use super::people::stream_hash;
use super::reorder::Reorder;
use super::report::{StormEvent, StormReport, Trigger};
use super::slot::Slot;
use crate::diagnosis::{Diagnosis, Observation, Verdict};
use crate::fingerprint::Fingerprint;
use crate::occurrence::Occurrence;
use crate::record::{Class, FingerprintIndex, Severity, StreamId};
use crate::rules::RuleSet;
use crate::time::{SECOND, UnixNanos};
use std::collections::VecDeque;
use std::sync::Arc;

/// Fingerprints watched; the one that was silent longest goes first.
const DETECTORS_MAX: usize = 4096;
/// Fingerprints diagnosed, the same way.
const DIAGNOSED_MAX: usize = 512;
/// How long a record may be out of order before the diagnosis sees it.
const REORDER: i64 = 2 * SECOND;
/// After so many records in order those of a fingerprint need not wait, until one steps back.
const IN_ORDER: u32 = 256;
/// A storm that comes back within this time has the same id.
pub(super) const REFIRE: i64 = 600 * SECOND;
/// A trigger lies this close before the onset.
const TRIGGER_SPAN: i64 = 10 * SECOND;
/// Candidates for triggers.
const TRIGGERS_MAX: usize = 16;
/// Times per second of working time that recoveries are looked up for all fingerprints.
const OUTCOMES_PER_SECOND: u32 = 50;

/// What the owner of the engine decides.
#[derive(Clone, Debug, Default)]
pub struct StormOptions {
    /// Hash of the node's name: part of incident ids.
    pub node: u64,
    /// When squelch began to watch streams in their middle (a tail from the end, a restart without state); `None` for replays, reports
    /// and files read from their beginning.
    pub started_in_the_middle: Option<UnixNanos>,
    /// Whether secrets in the names of instances and targets are told as they are.
    pub shows_secrets: bool,
    /// The rules that classed the records: asked for their advice.
    pub rules: Option<Arc<RuleSet>>,
}

/// Success of those that retried is asked for during this span (ns) after the latest retry.
const SUCCESS_SPAN: i64 = 600 * SECOND;

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
    pub(super) options: StormOptions,
    /// By fingerprint index: slot + 1, or 0.
    pub(super) by_index: Vec<u32>,
    pub(super) slots: Vec<Option<Slot>>,
    pub(super) free: Vec<u32>,
    pub(super) diagnosed: usize,
    pub(super) active: Vec<u32>,
    pub(super) now: UnixNanos,
    /// Seconds up to this one are evaluated.
    pub(super) evaluated: i64,
    reorder: Reorder,
    /// Slots with records that wait in `reorder`.
    waiting: Vec<u32>,
    pub(super) incidents: Vec<Incident>,
    /// Incidents that are over and cannot come back: for `report`.
    pub(super) crash_loops: CrashLoops,
    pub(super) triggers: VecDeque<(FingerprintIndex, Trigger, i64)>,
    pub(super) outcome_budget: (i64, u32),
    /// The same for signs of success.
    success_budget: (i64, u32),
    /// Whether an ordinary fingerprint tells of success, by its index.
    successes: Vec<Success>,
    /// Working time of the latest retry-like record, ns.
    retried_at: i64,
    /// Time of a restart that took incidents over, until the first moment after it.
    pub(super) restored_at: Option<UnixNanos>,
    pub(super) bursts: Bursts,
    /// Ordinary records by stream.
    pub(super) ordinary: Vec<u64>,
    /// Whose each stream is.
    pub(super) origins: StreamOrigins,
}

/// Whether an ordinary fingerprint tells of success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Success {
    /// Not looked at yet.
    #[default]
    Unread,
    Told,
    /// When the status behind the protocol says so.
    ByStatus,
    NotTold,
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
            reorder: Reorder::default(),
            waiting: Vec::new(),
            incidents: Vec::new(),
            crash_loops: CrashLoops::default(),
            triggers: VecDeque::new(),
            outcome_budget: (0, 0),
            success_budget: (0, 0),
            successes: Vec::new(),
            retried_at: i64::MIN,
            restored_at: None,
            bursts: Bursts::default(),
            ordinary: Vec::new(),
            origins: StreamOrigins::default(),
        }
    }

    /// Whose lines a stream has from here on; `None` when that is not known and nobody should ask.
    pub fn set_origin(&mut self, stream: StreamId, origin: Option<Origin>) {
        self.origins.set(stream.0, origin);
    }

    /// Takes a record whose class is not `none`.
    pub fn observe(&mut self, seen: &Occurrence<'_>, out: &mut dyn FnMut(StormEvent)) {
        if !seen.feeds_rate || seen.late {
            return;
        }
        let at = seen.working.0;
        if seen.working.second() - 1 > self.evaluated {
            self.advance(seen.working, out)
        } else {
            self.now = self.now.max(seen.working)
        }
        let class = seen.fingerprint.class;
        if matches!(class, Class::Recovery | Class::Exhausted) {
            self.note_outcome(seen);
        }
        if class == Class::Recovery {
            return;
        }
        self.retried_at = self.retried_at.max(at);
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
            slot.detector.count(second, at, seen.raw.len() as u64, weight);
        }
        slot.stream = seen.stream.0;
        let is_named = seen.instance_hash != 0;
        let hash = if is_named { seen.instance_hash } else { stream_hash(seen.stream.0) };
        // Who takes part is counted from the first second of a rise, which is known only when it is over; names are kept from then on.
        let (name, target) = if slot.detector.state == State::Idle { (&b""[..], None) } else { (seen.instance.unwrap_or_default(), seen.target) };
        slot.detector.people.count(hash, is_named, name, target);
        slot.records += 1;
        slot.lines += u64::from(seen.lines);
        slot.run = if at.saturating_sub(slot.last) > SLOW_PAUSE && slot.last != i64::MIN || slot.run.1 == 0 {
            (at, 1)
        } else {
            (slot.run.0, slot.run.1 + u64::from(weight))
        };
        slot.last = slot.last.max(at);
        if let Some(origin) = self.origins.of(seen.stream.0) {
            slot.note_origin(origin);
        }
        let is_slow_loop = slot.is_slow_loop(at) && class != Class::CrashLoop;
        self.feed_diagnosis(slot_number, seen);
        if class == Class::CrashLoop {
            self.count_restart(seen, out);
        } else if is_slow_loop {
            self.tell_slow_loop(slot_number, out);
        }
    }

    /// A record of class `none`: remembered as a possible trigger when it is a warning or worse; else asked for signs of success while
    /// somebody retries. Costs two counts and some comparisons otherwise.
    #[inline]
    pub fn note_ordinary(&mut self, seen: &Occurrence<'_>) {
        match self.ordinary.get_mut(seen.stream.0 as usize) {
            Some(count) => *count += 1,
            None => self.ordinary.resize(seen.stream.0 as usize + 1, 0),
        }
        if seen.feeds_rate && !seen.late {
            self.bursts.count(seen);
        }
        if seen.fingerprint.severity >= Severity::Warn {
            if seen.feeds_rate && !seen.late {
                self.note_trigger(seen);
            }
        } else if self.diagnosed > 0 && seen.working.0.saturating_sub(self.retried_at) < SUCCESS_SPAN {
            self.note_success(seen);
        }
    }

    /// Tells the diagnoses of the same instance (or stream) of its ordinary success.
    fn note_success(&mut self, seen: &Occurrence<'_>) {
        let index = seen.index.0 as usize;
        if index >= self.successes.len() {
            self.successes.resize(index + 1, Success::Unread);
        }
        if self.successes[index] == Success::Unread {
            let template = &seen.fingerprint.template;
            self.successes[index] = match () {
                () if tells_success(template) => Success::Told,
                () if template.contains(" HTTP/") => Success::ByStatus,
                () => Success::NotTold,
            };
        }
        if self.successes[index] == Success::NotTold || !seen.feeds_rate || seen.late {
            return;
        }
        let second = seen.working.second();
        if self.success_budget.0 != second {
            self.success_budget = (second, 0);
        }
        self.success_budget.1 += 1;
        if self.success_budget.1 > OUTCOMES_PER_SECOND {
            return;
        }
        if self.successes[index] == Success::ByStatus && !has_good_status(seen.raw) {
            return;
        }
        for diagnosis in self.slots.iter_mut().flatten().filter_map(|slot| slot.diagnosis.as_mut()) {
            if diagnosis.knows(seen.instance_hash, seen.stream.0) {
                diagnosis.note_success(seen.working.0);
            }
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
            self.begin_after_restart(now);
        }
        self.release(now.0 - REORDER);
        while self.evaluated < until && !self.active.is_empty() {
            self.evaluated += 1;
            self.finish_second(self.evaluated, out);
        }
        self.evaluated = until;
        self.bursts.advance(until);
        self.tend_incidents(until, out);
    }

    /// Bursts that are over and were not taken yet: for information only.
    pub fn take_bursts(&mut self) -> impl Iterator<Item = Burst> + '_ {
        self.bursts.take()
    }

    /// Whether there are any to take.
    #[must_use]
    pub fn has_bursts(&self) -> bool {
        self.bursts.is_any_told()
    }

    /// When [`Storms::advance`] must be called at the latest.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<UnixNanos> {
        if let Some(restored) = self.restored_at {
            // A backlog may be read first: its times come before silence is counted.
            return Some(restored.plus(i64::from(QUIET_SECONDS) * SECOND));
        }
        if !self.active.is_empty() || self.bursts.is_any_open() {
            return Some(UnixNanos((self.now.second() + 1) * SECOND));
        }
        self.incidents
            .iter()
            .filter(|incident| incident.is_firing())
            .map(|incident| UnixNanos(incident.next_due().min(incident.last + WINDOW + SECOND)))
            .min()
    }

    /// The input has ended: what still goes on is told so.
    pub fn drain(&mut self, now: UnixNanos, out: &mut dyn FnMut(StormEvent)) {
        // The last second is over, too: nothing more will come.
        self.advance(UnixNanos((self.now.max(now).second() + 1).saturating_mul(SECOND)), out);
        self.release(i64::MAX);
        self.bursts.drain();
        self.now = now;
        for at in 0..self.incidents.len() {
            if self.incidents[at].is_firing() {
                out(StormEvent::OngoingAtEnd(Box::new(self.report(at))));
            }
        }
    }

    /// The engine forgets a fingerprint and may reuse its index.
    pub fn forget(&mut self, index: FingerprintIndex) {
        if let Some(success) = self.successes.get_mut(index.0 as usize) {
            *success = Success::Unread;
        }
        self.bursts.forget(index);
        let Some(number) = self.number_of(index) else { return };
        // What waits goes with it.
        if let Some(slot) = self.slots[number as usize].as_mut() {
            while self.reorder.pop(&mut slot.waiting).is_some() {}
        }
        self.waiting.retain(|waiting| *waiting != number);
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

    /// Whether it is pending or firing, or tells of a program in a crash loop: collapsing may begin.
    #[must_use]
    pub fn is_pending_or_firing(&self, index: FingerprintIndex) -> bool {
        self.state(index).is_some_and(|state| state != State::Idle) || self.crash_loops.was_looping(index)
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

    pub(super) fn number_of(&self, index: FingerprintIndex) -> Option<u32> {
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
        self.put(Slot::new(seen.index, seen.fingerprint, seen.working.0, started))
    }

    /// Gives a slot its place.
    pub(super) fn put(&mut self, slot: Slot) -> u32 {
        let index = slot.index.0 as usize;
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        });
        self.slots[number as usize] = Some(slot);
        if index >= self.by_index.len() {
            self.by_index.resize(index + 1, 0);
        }
        self.by_index[index] = number + 1;
        number
    }

    /// The idle fingerprint that was silent longest makes room.
    fn evict(&mut self) {
        let coldest =
            self.slots.iter().flatten().min_by_key(|slot| (slot.detector.state == State::Firing, slot.last, slot.index)).map(|slot| slot.index);
        if let Some(index) = coldest {
            self.forget(index);
        }
    }

    /// Gives a record to the diagnosis: at once when those of its fingerprint have come in order for a while, else when no earlier one
    /// can come.
    #[inline(always)]
    fn feed_diagnosis(&mut self, number: u32, seen: &Occurrence<'_>) {
        let Some(slot) = self.slots[number as usize].as_mut() else { return };
        let observation = Observation::from(seen);
        slot.in_order = if observation.at >= slot.latest { slot.in_order.saturating_add(1) } else { 0 };
        slot.latest = slot.latest.max(observation.at);
        if slot.in_order > IN_ORDER
            && slot.waiting.is_empty()
            && let Some(diagnosis) = slot.diagnosis.as_mut()
        {
            return diagnose(diagnosis, slot.fingerprint.class, &observation);
        }
        self.hold(number, observation);
    }

    fn hold(&mut self, number: u32, observation: Observation) {
        while let Some(other) = self.reorder.in_the_way() {
            if !self.release_earliest(other) {
                break;
            }
        }
        let Some(slot) = self.slots[number as usize].as_mut() else { return };
        if slot.waiting.is_empty() && !self.waiting.contains(&number) {
            self.waiting.push(number);
        }
        self.reorder.push(&mut slot.waiting, number, observation);
        if slot.in_order == IN_ORDER {
            while self.release_earliest(number) {}
        }
    }

    fn release_earliest(&mut self, number: u32) -> bool {
        let Some(slot) = self.slots[number as usize].as_mut() else { return false };
        let Some(observation) = self.reorder.pop(&mut slot.waiting) else { return false };
        match slot.diagnosis.as_mut() {
            Some(diagnosis) => diagnose(diagnosis, slot.fingerprint.class, &observation),
            None => self.begin_diagnosis(number, &observation),
        }
        true
    }

    /// The diagnoses get what waits, up to this time (ns).
    pub(super) fn release(&mut self, until: i64) {
        let mut at = 0;
        while let Some(&number) = self.waiting.get(at) {
            let earliest = |storms: &Self| {
                let slot = storms.slots[number as usize].as_ref()?;
                storms.reorder.earliest(slot.waiting)
            };
            while earliest(self).is_some_and(|earliest| earliest <= until) {
                self.release_earliest(number);
            }
            if earliest(self).is_none() {
                self.waiting.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// The second record of a fingerprint makes a diagnosis worth its memory.
    fn begin_diagnosis(&mut self, number: u32, observation: &Observation) {
        let Some(slot) = self.slots[number as usize].as_mut() else { return };
        let Some(first) = slot.first.replace(*observation) else { return };
        let mut diagnosis = Box::new(Diagnosis::new(first.at));
        diagnosis.observe(&first);
        diagnose(&mut diagnosis, slot.fingerprint.class, observation);
        slot.diagnosis = Some(diagnosis);
        let index = slot.index;
        self.diagnosed += 1;
        if self.diagnosed > DIAGNOSED_MAX {
            self.forget_coldest_diagnosis(index);
        }
    }

    fn forget_coldest_diagnosis(&mut self, but: FingerprintIndex) {
        let coldest =
            self.slots.iter_mut().flatten().filter(|slot| slot.diagnosis.is_some() && slot.index != but).min_by_key(|slot| (slot.last, slot.index));
        if let Some(slot) = coldest {
            slot.diagnosis = None;
            slot.first = None;
            self.diagnosed -= 1;
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

    pub(super) fn trigger_before(&self, onset: i64, index: FingerprintIndex) -> Option<Trigger> {
        self.triggers
            .iter()
            .filter(|known| known.0 != index && known.1.at.0 <= onset && onset - known.1.at.0 <= TRIGGER_SPAN)
            .max_by_key(|known| known.1.at)
            .map(|known| known.1.clone())
    }
}

#[inline]
fn diagnose(diagnosis: &mut Diagnosis, class: Class, observation: &Observation) {
    diagnosis.observe(observation);
    if class == Class::Exhausted {
        diagnosis.note_give_up(observation.at);
    }
}

/// Whether a status of 200 to 299 stands behind the protocol: `"GET / HTTP/1.1" 200`.
fn has_good_status(raw: &[u8]) -> bool {
    let Some(at) = memchr::memmem::find(raw, b" HTTP/") else { return false };
    let mut words = raw[at + 1..].split(|byte| matches!(byte, b' ' | b'"')).filter(|word| !word.is_empty());
    words.nth(1).is_some_and(|status| status.len() == 3 && status[0] == b'2' && status.iter().all(u8::is_ascii_digit))
}

/// Whether an ordinary template says that something works: one of the words of success, and none of trouble or of an end.
fn tells_success(template: &str) -> bool {
    const SUCCESS: [&str; 23] = [
        "ok",
        "success",
        "successful",
        "successfully",
        "succeeded",
        "sent",
        "delivered",
        "published",
        "processed",
        "completed",
        "fetched",
        "healthy",
        "resumed",
        "recovered",
        "connected",
        "ready",
        "established",
        "restored",
        "connack",
        "accepted",
        "authorized",
        "authenticated",
        "subscribed",
    ];
    const TROUBLE: [&str; 18] = [
        "not",
        "no",
        "never",
        "without",
        "unable",
        "cannot",
        "fail",
        "error",
        "refus",
        "disconnect",
        "stop",
        "exit",
        "shut",
        "terminat",
        "closed",
        "closing",
        "wait",
        "start",
    ];
    let words = || template.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    // Short words as they stand, longer ones with any ending.
    let is_trouble = |word: &str| {
        TROUBLE.iter().any(|trouble| {
            word.get(..trouble.len()).is_some_and(|head| head.eq_ignore_ascii_case(trouble)) && (trouble.len() > 3 || word.len() == trouble.len())
        })
    };
    words().any(|word| SUCCESS.iter().any(|success| word.eq_ignore_ascii_case(success))) && !words().any(is_trouble)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
#[path = "restart_tests.rs"]
mod restart_tests;
