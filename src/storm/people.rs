//! Who takes part: instances (bottom-64 by hash, so that the same are kept in any order) and targets, with counts.

use super::origins::Origins;
use super::state::{CountState, PeopleState};
use crate::diagnosis::spread;
use std::borrow::Cow;

/// Instances kept.
const INSTANCES_MAX: usize = 64;
/// Targets kept; the rest is counted as others.
const TARGETS_MAX: usize = 16;
/// When there are more instances than are kept: with fewer records for each the ids are those of connections or requests.
const RECORDS_PER_INSTANCE: u64 = 2;
/// Names are cut here.
const NAME_MAX: usize = 128;
/// Bytes of names (those of instances that made room for others included) after which each further instance has them tidied: that is rare, since
/// the lowest 64 hashes of many are soon found.
const NAMES_MAX: usize = 1 << 10;

/// One instance: 16 bytes, its name is in the table's [`Names`].
#[derive(Clone, Copy, Debug)]
struct Person {
    hash: u64,
    records: u32,
    /// Where its name begins and how long it is; of length 0 while nothing is pending: names are not kept then.
    name_at: u16,
    name_len: u8,
}

/// Names one after another.
#[derive(Clone, Debug, Default)]
struct Names {
    bytes: Vec<u8>,
    /// Bytes of names whose persons are gone.
    dead: usize,
}

impl Names {
    fn of(&self, person: &Person) -> &[u8] {
        let at = usize::from(person.name_at);
        self.bytes.get(at..at + usize::from(person.name_len)).unwrap_or_default()
    }

    fn add(&mut self, person: &mut Person, name: &[u8]) {
        let name = &name[..name.len().min(NAME_MAX)];
        if let (Ok(at), Ok(len)) = (u16::try_from(self.bytes.len()), u8::try_from(name.len())) {
            // As little as must be: many fingerprints have few instances.
            self.bytes.reserve_exact(name.len());
            self.bytes.extend_from_slice(name);
            (person.name_at, person.name_len) = (at, len);
        }
    }

    /// Leaves out the names of those that are gone, once they are a quarter of all: so each name is moved a few times at most.
    fn tidy(&mut self, people: &mut [Person]) {
        if self.bytes.len() <= NAMES_MAX || self.dead * 4 < self.bytes.len() {
            return;
        }
        let before = std::mem::take(self);
        self.bytes.reserve_exact(people.iter().map(|person| usize::from(person.name_len)).sum());
        for person in people {
            self.add(person, before.of(&person.clone()));
        }
    }
}

#[derive(Clone, Debug)]
struct Target {
    name: Box<[u8]>,
    /// Its last bytes: where names differ, they differ there.
    tail: u64,
    records: u64,
}

/// The last eight bytes of a name.
#[inline]
fn tail_of(name: &[u8]) -> u64 {
    name.last_chunk().map_or_else(|| name.iter().fold(0, |tail, byte| tail << 8 | u64::from(*byte)), |tail| u64::from_le_bytes(*tail))
}

/// Instances and targets of one fingerprint since its onset.
#[derive(Clone, Debug, Default)]
pub struct People {
    /// Ascending by hash.
    instances: Vec<Person>,
    names: Names,
    is_overfull: bool,
    /// Where a hash was found last, by its low bits: instances take turns, and a wrong guess only costs the search.
    guesses: [u8; 32],
    /// Records that name no instance.
    unnamed: u64,
    named: u64,
    /// In order of appearance.
    targets: Vec<Target>,
    other_targets: u64,
    /// Whose streams they write to.
    pub origins: Origins,
}

impl People {
    /// Counts one record. `hash` identifies the instance (`is_named`), else the stream.
    pub fn count(&mut self, hash: u64, is_named: bool, name: &[u8], target: Option<&[u8]>) {
        *(if is_named { &mut self.named } else { &mut self.unnamed }) += 1;
        self.count_instance(hash, name);
        if let Some(target) = target {
            self.count_target(target);
        }
    }

    fn count_instance(&mut self, hash: u64, name: &[u8]) {
        if let Some(person) = self.instances.get_mut(usize::from(self.guesses[(hash & 31) as usize]))
            && person.hash == hash
        {
            person.records = person.records.saturating_add(1);
            if person.name_len == 0 && !name.is_empty() {
                self.names.add(person, name);
            }
            return;
        }
        if let Some(at) = self.add_person(hash, 1, name) {
            self.guesses[(hash & 31) as usize] = at as u8;
        }
    }

    /// Where it is now; `None` when there are too many.
    fn add_person(&mut self, hash: u64, records: u32, name: &[u8]) -> Option<usize> {
        if self.instances.len() == INSTANCES_MAX && self.instances.last().is_some_and(|last| hash > last.hash) {
            self.is_overfull = true;
            return None;
        }
        let at = match self.instances.binary_search_by_key(&hash, |person| person.hash) {
            Ok(at) => at,
            Err(at) => {
                if self.instances.len() == INSTANCES_MAX {
                    self.is_overfull = true;
                    if at == INSTANCES_MAX {
                        return None;
                    }
                    if let Some(gone) = self.instances.pop() {
                        self.names.dead += usize::from(gone.name_len);
                    }
                }
                self.instances.insert(at, Person { hash, records: 0, name_at: 0, name_len: 0 });
                at
            }
        };
        self.names.tidy(&mut self.instances);
        let person = &mut self.instances[at];
        person.records = person.records.saturating_add(records);
        if person.name_len == 0 && !name.is_empty() {
            self.names.add(person, name);
        }
        Some(at)
    }

    fn count_target(&mut self, target: &[u8]) {
        let target = &target[..target.len().min(NAME_MAX)];
        self.add_target(target, 1);
    }

    #[inline]
    fn add_target(&mut self, name: &[u8], records: u64) {
        let tail = tail_of(name);
        if let Some(known) = self.targets.iter_mut().find(|known| known.tail == tail && *known.name == *name) {
            known.records += records;
        } else if self.targets.len() < TARGETS_MAX {
            self.targets.push(Target { name: name.into(), tail, records });
        } else {
            self.other_targets += records;
        }
    }

    /// Forgets everybody; keeps the memory for the next bout.
    pub fn clear(&mut self) {
        self.instances.clear();
        self.names.bytes.clear();
        self.names.dead = 0;
        self.targets.clear();
        self.origins.clear();
        (self.is_overfull, self.unnamed, self.named, self.other_targets) = (false, 0, 0, 0);
    }

    /// Distinct instances and whether that is an estimate; `None` when most records name none, or (nearly) each names another: a server with a
    /// process for each connection numbers its connections.
    #[must_use]
    pub fn distinct(&self) -> Option<(u64, bool)> {
        if self.named <= self.unnamed {
            return None;
        }
        let distinct = self.names_seen();
        (!self.is_overfull || self.named >= RECORDS_PER_INSTANCE * distinct).then_some((distinct, self.is_overfull))
    }

    /// Distinct names, whether they are those of instances or not; beyond 64 an estimate. 0 when most records name none.
    #[must_use]
    pub fn names_seen(&self) -> u64 {
        if self.named <= self.unnamed {
            return 0;
        }
        if !self.is_overfull {
            return self.instances.len() as u64;
        }
        let largest = self.instances.last().map_or(u64::MAX, |person| person.hash) as f64;
        (63.0 / (largest / 2f64.powi(64))).round() as u64
    }

    /// Whether somebody is in both.
    #[must_use]
    pub fn shares_instance(&self, other: &Self) -> bool {
        self.instances.iter().any(|person| other.instances.binary_search_by_key(&person.hash, |person| person.hash).is_ok())
    }

    /// Whether it takes part.
    #[must_use]
    pub fn has(&self, hash: u64) -> bool {
        self.instances.binary_search_by_key(&hash, |person| person.hash).is_ok()
    }

    /// Whether both name targets and none is in both.
    #[must_use]
    pub fn has_other_targets(&self, other: &Self) -> bool {
        !self.targets.is_empty()
            && !other.targets.is_empty()
            && !self.targets.iter().any(|mine| other.targets.iter().any(|theirs| mine.name == theirs.name))
    }

    /// Adds what `other` counted.
    pub fn add(&mut self, other: &Self) {
        self.named += other.named;
        self.unnamed += other.unnamed;
        self.is_overfull |= other.is_overfull;
        self.other_targets += other.other_targets;
        self.origins.join(&other.origins);
        for person in &other.instances {
            self.add_person(person.hash, person.records, other.names.of(person));
        }
        other.targets.iter().for_each(|target| self.add_target(&target.name, target.records));
    }

    /// For the store.
    #[must_use]
    pub fn state(&self, shows_secrets: bool) -> PeopleState {
        let count = |hash, name: &[u8], records| CountState { hash, name: shown(name, shows_secrets), records };
        PeopleState {
            instances: self.instances.iter().map(|person| count(person.hash, self.names.of(person), u64::from(person.records))).collect(),
            is_overfull: self.is_overfull,
            named: self.named,
            unnamed: self.unnamed,
            targets: self.targets.iter().map(|target| count(0, &target.name, target.records)).collect(),
            other_targets: self.other_targets,
            origins: self.origins.state(),
        }
    }

    /// From the store.
    #[must_use]
    pub fn of_state(state: &PeopleState) -> Self {
        let mut people = Self { is_overfull: state.is_overfull, named: state.named, unnamed: state.unnamed, ..Self::default() };
        people.other_targets = state.other_targets;
        people.origins = Origins::of_state(&state.origins);
        for count in state.instances.iter().take(INSTANCES_MAX) {
            people.add_person(count.hash, u32::try_from(count.records).unwrap_or(u32::MAX), count.name.as_bytes());
        }
        state.targets.iter().for_each(|target| people.add_target(target.name.as_bytes(), target.records));
        people
    }

    /// The loudest named instances: (name, records), most first, ties by name.
    #[must_use]
    pub fn loudest(&self, limit: usize, shows_secrets: bool) -> Vec<(String, u64)> {
        let named = self.instances.iter().filter(|person| person.name_len > 0);
        top(shows_secrets, named.map(|person| (self.names.of(person), u64::from(person.records))), limit)
    }

    /// The most frequent targets: (name, records).
    #[must_use]
    pub fn top_targets(&self, limit: usize, shows_secrets: bool) -> Vec<(String, u64)> {
        top(shows_secrets, self.targets.iter().map(|target| (&*target.name, target.records)), limit)
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub fn heap_bytes(&self) -> usize {
        let names = self.names.bytes.capacity() + self.targets.iter().map(|target| target.name.len()).sum::<usize>();
        self.instances.capacity() * size_of::<Person>() + self.targets.capacity() * size_of::<Target>() + names + self.origins.heap_bytes()
    }

    /// Records counted.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.named + self.unnamed
    }
}

/// The hash by which a record without an instance is counted: its stream's.
#[must_use]
pub const fn stream_hash(stream: u32) -> u64 {
    spread(stream as u64 + 1)
}

fn shown(name: &[u8], shows_secrets: bool) -> String {
    let name = if shows_secrets { Cow::Borrowed(name) } else { crate::secrets::mask(name) };
    String::from_utf8_lossy(&name).into_owned()
}

fn top<'a>(shows_secrets: bool, entries: impl Iterator<Item = (&'a [u8], u64)>, limit: usize) -> Vec<(String, u64)> {
    let mut rows: Vec<(String, u64)> = entries.map(|(name, records)| (shown(name, shows_secrets), records)).collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    rows.truncate(limit);
    rows
}
