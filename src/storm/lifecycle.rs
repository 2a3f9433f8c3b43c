//! The life of incidents: a detector fires, fingerprints join, levels rise, alerts are repeated, quiet ends it all.

use super::Rule;
use super::burst::Burst;
use super::crash_loop::Restart;
use super::detector::{Detector, State, Step};
use super::incident::{Incident, Kind, MEMBERS_MAX, Member};
use super::origins::Origins;
use super::people::{People, stream_hash};
use super::report::{AlertLevel, Phase, StormEvent, StormReport};
use super::slot::{Slot, latest};
use super::storms::{REFIRE, Storms};
use crate::diagnosis::{Policy, Verdict, hash_of};
use crate::fingerprint::Fingerprint;
use crate::occurrence::Occurrence;
use crate::record::{Class, ClassSource, FingerprintIndex};
use crate::time::{SECOND, UnixNanos};
use std::sync::Arc;

/// Fingerprints whose records follow one another this closely belong together.
const COMPANION: i64 = SECOND;
/// Incidents kept: firing ones and those that may come back.
pub(super) const INCIDENTS_MAX: usize = 256;
/// A rate that is above half its peak for so long is held up by something.
const NOT_FALLING: i64 = 300;
/// Records/s that make a storm critical by themselves.
const CRITICAL_RATE: f64 = 100.0;
/// Records/s of one instance that backs off and has reached its cap.
const CALM_RATE: f64 = 0.5;
/// So long (s) after the onset a policy that grows gets the benefit of the doubt.
const YOUNG_SECONDS: i64 = 10;
/// So long (s) one that grows may be louder than that, and as long as its rate is below this share of the loudest: a second outage in the midst of the
/// first brings another wave that backs off, no change of policy.
const RESTLESS_SECONDS: u32 = 10;
const RESTLESS_SHARE: f64 = 0.6;
/// Amplification that makes one critical, with this many instances and an unbroken rate.
const CRITICAL_AMPLIFICATION: f64 = 50.0;
const CRITICAL_INSTANCES: u64 = 3;
/// A pause (ns) that ends a slow loop.
pub(super) const SLOW_PAUSE: i64 = 60 * SECOND;

impl Storms {
    pub(super) fn finish_second(&mut self, second: i64, out: &mut dyn FnMut(StormEvent)) {
        let mut at = 0;
        while at < self.active.len() {
            let number = self.active[at];
            let Some(slot) = self.slots[number as usize].as_mut() else {
                self.active.swap_remove(at);
                continue;
            };
            slot.weigh_against(self.ordinary.get(slot.stream as usize).copied().unwrap_or(0));
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
                    Step::CameOnTime(onset, records, peak_per_second) => self.tell_usual(number, onset, records, peak_per_second),
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

    /// Retries that came in their rhythm are over.
    fn tell_usual(&mut self, number: u32, onset: i64, records: u64, peak_per_second: u32) {
        let Some(slot) = &self.slots[number as usize] else { return };
        let (fingerprint, end, baseline) = (Arc::clone(&slot.fingerprint), UnixNanos(slot.detector.last), slot.detector.baseline());
        self.bursts.tell(Burst { fingerprint, onset: UnixNanos(onset), end, records, peak_per_second, baseline, is_usual: true });
    }

    /// A detector fired: an incident begins, comes back, or grows by a fingerprint.
    fn fire(&mut self, number: u32, index: FingerprintIndex, rule: Rule, second: i64, out: &mut dyn FnMut(StormEvent)) {
        self.release((second + 1) * SECOND);
        let now = (second + 1) * SECOND;
        // A slow loop that became a storm is over as a slow loop.
        if let Some(slow) =
            self.incidents.iter().position(|incident| incident.kind == Kind::SlowLoop && incident.is_firing() && incident.member(index).is_some())
        {
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
                incident.onset_is_unknown = rule == Rule::Running;
                incident.trigger = self.trigger_before(onset, index);
                incident.origin = slot.detector.people.origins.agreed();
                (self.add_incident(incident), true, false)
            }
        };
        let last = latest(&self.slots, number);
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
        if let Some(own) =
            self.incidents.iter().position(|incident| is_alive(incident) && incident.member(index).is_some() && incident.kind == Kind::Rate)
        {
            return Some(own);
        }
        let onset = slot.detector.onset;
        self.incidents.iter().position(|incident| {
            if incident.kind != Kind::Rate || !is_alive(incident) || incident.last < onset - COMPANION {
                return false;
            }
            let shares = |people: &People| {
                people.records() > 0 && people.shares_instance(&slot.detector.people) && !people.has_other_targets(&slot.detector.people)
            };
            shares(&incident.people)
                || incident.members.iter().any(|member| self.detector_of(member).is_some_and(|detector| shares(&detector.people)))
        })
    }

    fn detector_of(&self, member: &Member) -> Option<&Detector> {
        self.slot_of(member).map(|slot| &slot.detector)
    }

    pub(super) fn add_incident(&mut self, incident: Incident) -> usize {
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
        let counts: Vec<(u64, u64)> = self.incidents[at].members.iter().map(|member| self.counts_of(&self.incidents[at], member)).collect();
        for (member, (records, _)) in self.incidents[at].members.iter_mut().zip(counts) {
            // Of slow loops: the others' were moved when their bouts ended.
            member.records = records;
        }
        if self.incidents[at].kind == Kind::SlowLoop {
            let slots = self.incidents[at].members.iter().filter_map(|member| self.slot_of(member));
            let origins: Vec<Origins> = slots.map(|slot| slot.origins.clone()).collect();
            origins.iter().for_each(|origins| self.incidents[at].people.origins.join(origins));
        }
        self.incidents[at].resolved = Some((second + 1) * SECOND);
        out(StormEvent::Resolved(Box::new(self.report_at(at, second))));
    }

    /// Moves a member's counts from its detector into the incident.
    pub(super) fn end_bout(&mut self, at: usize, member: usize, number: u32) {
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
            // What a restart took over is told again when it is heard of again.
            let is_due = if self.incidents[at].is_restored { rate > 0.0 } else { self.incidents[at].is_due(now, rate, instances) };
            if level > before {
                self.incidents[at].level = level;
                self.incidents[at].told(now, rate, instances, false);
                out(StormEvent::LevelChanged(before, Box::new(self.report_at(at, second))));
            } else if is_due {
                self.incidents[at].is_restored = false;
                self.incidents[at].told(now, rate, instances, true);
                out(StormEvent::Ongoing(Box::new(self.report_at(at, second))));
            }
        }
    }

    /// Crash loops and slow loops, which no detector ends, and incidents too old to come back.
    pub(super) fn tend_incidents(&mut self, second: i64, out: &mut dyn FnMut(StormEvent)) {
        let now = (second + 1) * SECOND;
        for at in 0..self.incidents.len() {
            if !self.incidents[at].is_firing() {
                continue;
            }
            let is_over = match self.incidents[at].kind {
                Kind::SlowLoop => {
                    let last = self.incidents[at]
                        .members
                        .iter()
                        .filter_map(|member| member.index)
                        .filter_map(|index| self.number_of(index))
                        .map(|number| latest(&self.slots, number))
                        .max();
                    self.incidents[at].last = self.incidents[at].last.max(last.unwrap_or(i64::MIN));
                    now - self.incidents[at].last.max(self.incidents[at].heard_from) > SLOW_PAUSE
                }
                Kind::CrashLoop => {
                    let members = self.incidents[at].members.clone();
                    let heard_from = self.incidents[at].heard_from;
                    !members.iter().filter_map(|member| member.index).any(|index| self.crash_loops.is_looping(index, now, heard_from))
                }
                // Its detectors end it, unless the last of them was forgotten.
                Kind::Rate => !self.incidents[at].members.iter().any(|member| member.is_firing),
            };
            if is_over {
                let members: Vec<u32> = self.incidents[at].members.iter().filter_map(|member| self.number_of(member.index?)).collect();
                for number in members {
                    if let Some(slot) = self.slots[number as usize].as_mut() {
                        slot.is_told_slow = false;
                    }
                }
                self.resolve(at, second, out);
            } else if self.incidents[at].kind != Kind::Rate && self.incidents[at].is_restored
                || self.incidents[at].kind == Kind::CrashLoop && self.incidents[at].next_due() <= now
            {
                // What a restart took over is told again at once: who is told forgets it (Alertmanager after 5 min), and a loop may be quiet for longer.
                self.incidents[at].is_restored = false;
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
        let (mut instances, mut people) = (0, 0);
        let mut trend = 1.0_f64;
        for detector in incident.members.iter().filter(|member| member.is_firing).filter_map(|member| self.detector_of(member)) {
            let its = detector.rate(second);
            if its >= rate {
                (rate, trend) = (its, detector.trend(second));
            }
            amplification = amplification.max(its / detector.baseline().max(0.1));
            instances = instances.max(detector.people.distinct().map_or(0, |(count, _)| count));
            people = people.max(detector.people.names_seen());
        }
        // Many clients at the cap of a proper backoff make a flat rate, too: then each of them is calm.
        // And in its first seconds no backoff has come far.
        let is_young = second - incident.onset.div_euclid(SECOND) < YOUNG_SECONDS;
        let is_calm = trend < 0.6 || is_young || people > 0 && rate / people as f64 <= CALM_RATE;
        let (restless, loudest) = if is_calm { (0, 0.0) } else { (incident.restless.0 + 1, rate.max(incident.restless.1)) };
        let is_wave = restless <= RESTLESS_SECONDS || rate < RESTLESS_SHARE * loudest;
        let is_growing = is_wave && rate < CRITICAL_RATE && self.best_verdict(at).is_some_and(|verdict| verdict.policy.is_growing());
        self.incidents[at].restless = (restless, loudest);
        let incident = &self.incidents[at];
        if rate < incident.peak as f64 / 2.0 {
            self.incidents[at].fell_at = second;
        }
        let is_not_falling = second - self.incidents[at].fell_at >= NOT_FALLING;
        let is_blind = second < self.incidents[at].blind_until;
        let level = if is_growing {
            AlertLevel::Info
        } else if rate >= CRITICAL_RATE
            || amplification >= CRITICAL_AMPLIFICATION && trend >= 0.8 && instances >= CRITICAL_INSTANCES && !is_blind
            || is_not_falling
        {
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
            let rank = (verdict.policy != Policy::Unknown, diagnosis.records());
            if best.as_ref().is_none_or(|known| rank > (known.0, known.1)) {
                best = Some((rank.0, rank.1, verdict));
            }
        }
        best.map(|known| known.2)
    }

    pub(super) fn report(&self, at: usize) -> StormReport {
        // Before the first record after a restart nothing is evaluated.
        self.report_at(at, self.evaluated.max(self.incidents[at].onset.div_euclid(SECOND)))
    }

    fn report_at(&self, at: usize, second: i64) -> StormReport {
        let incident = &self.incidents[at];
        let mut people = incident.people.clone();
        let (mut records, mut bytes, mut rate, mut trend, mut last) = (0, 0, 0.0_f64, 1.0, incident.last);
        let mut lead: Option<(u64, Class)> = None;
        for member in &incident.members {
            let (its, its_bytes) = self.counts_of(incident, member);
            bytes += its_bytes;
            if member.is_firing
                && let Some(detector) = self.detector_of(member)
                && incident.kind == Kind::Rate
            {
                rate += detector.rate(second);
                trend = detector.trend(second);
                last = last.max(detector.last);
                people.add(&detector.people);
            }
            if incident.kind == Kind::SlowLoop
                && incident.is_firing()
                && let Some(slot) = self.slot_of(member)
            {
                last = last.max(slot.last);
                people.origins.join(&slot.origins);
            }
            records += its;
            if lead.is_none_or(|known| its > known.0) {
                lead = Some((its, member.fingerprint.class));
            }
        }
        let diagnosis = self.best_verdict(at);
        let by_diagnosis = diagnosis.as_ref().and_then(|verdict| verdict.instances.map(|instances| (instances, verdict.instances_are_estimated)));
        let distinct = people.distinct().or(by_diagnosis);
        let (origins, has_more_origins) = people.origins.told();
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
            loudest: people.loudest(10, self.options.shows_secrets),
            targets: people.top_targets(10, self.options.shows_secrets),
            origin: incident.origin.clone(),
            origins,
            has_more_origins,
            trigger: incident.trigger.clone(),
            timeline: incident.timeline.clone(),
            trend,
            is_not_falling: incident.kind == Kind::Rate && second - incident.fell_at >= NOT_FALLING,
            advice: incident.members.iter().find_map(|member| self.advice_on(&member.fingerprint)),
            diagnosis,
        }
    }

    /// What the rule that knew the fingerprint advises.
    fn advice_on(&self, fingerprint: &Fingerprint) -> Option<String> {
        let ClassSource::Rule(id) = &fingerprint.source else { return None };
        let advice = &self.options.rules.as_ref()?.get(id.as_ref())?.advice;
        (!advice.is_empty()).then(|| advice.clone())
    }

    pub(super) fn tell_slow_loop(&mut self, number: u32, out: &mut dyn FnMut(StormEvent)) {
        let second = self.now.second();
        let Some(slot) = self.slots[number as usize].as_mut() else { return };
        slot.is_told_slow = true;
        let index = slot.index;
        if self.incidents.iter().any(|incident| incident.is_firing() && incident.member(index).is_some()) {
            return;
        }
        let member = Member { index: Some(index), fingerprint: Arc::clone(&slot.fingerprint), is_firing: false, records: 0, bytes: 0 };
        let mut incident = Incident::new(self.options.node, Kind::SlowLoop, member, slot.run.0, self.now.0);
        incident.last = slot.last;
        incident.origin = slot.origins.agreed();
        let at = self.add_incident(incident);
        self.release(self.now.0);
        out(StormEvent::Firing(Box::new(self.report_at(at, second))));
    }

    pub(super) fn count_restart(&mut self, seen: &Occurrence<'_>, out: &mut dyn FnMut(StormEvent)) {
        let (program, name) = program_of(seen);
        let is_stated = states_crash_loop(&seen.fingerprint.template);
        let restart = self.crash_loops.restart(program, seen.index, seen.working.0, seen.attempt, is_stated);
        let second = seen.working.second();
        let own = self.incidents.iter().position(|incident| {
            incident.kind == Kind::CrashLoop
                && incident.resolved.is_none_or(|at| seen.working.0 - at <= REFIRE)
                && (incident.member(seen.index).is_some() || incident.people.has(program))
        });
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
            if let Some(origin) = self.origins.of(seen.stream.0) {
                incident.people.origins.note(origin);
            }
            incident.last = incident.last.max(seen.working.0);
            incident.add_second(second, 1);
            if incident.resolved.take().is_some() {
                incident.resumed += 1;
                out(StormEvent::Resumed(Box::new(self.report_at(at, second))));
            }
            return;
        }
        if let Restart::LoopBegan(onset) = restart {
            let member = Member {
                index: Some(seen.index),
                fingerprint: Arc::clone(seen.fingerprint),
                is_firing: false,
                records: 1,
                bytes: seen.raw.len() as u64,
            };
            let mut incident = Incident::new(self.options.node, Kind::CrashLoop, member, onset, seen.working.0);
            incident.level = AlertLevel::Warning;
            incident.last = seen.working.0;
            incident.trigger = self.trigger_before(onset, seen.index);
            incident.people.count(program, true, name, seen.target);
            if let Some(origin) = self.origins.of(seen.stream.0) {
                incident.people.origins.note(origin);
                incident.origin = incident.people.origins.agreed();
            }
            incident.add_second(second, 1);
            let at = self.add_incident(incident);
            self.release(self.now.0);
            out(StormEvent::Firing(Box::new(self.report_at(at, second))));
        }
    }
}

/// The program that is restarted: the rule's target, else the instance, else the stream; with its name.
pub(super) fn program_of<'a>(seen: &Occurrence<'a>) -> (u64, &'a [u8]) {
    if let Some(target) = seen.target {
        return (hash_of(target), target);
    }
    if seen.instance_hash != 0 { (seen.instance_hash, seen.instance.unwrap_or_default()) } else { (stream_hash(seen.stream.0), b"") }
}

/// Whether the supervisor itself says that it is a loop.
fn states_crash_loop(template: &str) -> bool {
    ["CrashLoopBackOff", "repeated too quickly", "restarting failed container"].iter().any(|words| template.contains(words))
}
