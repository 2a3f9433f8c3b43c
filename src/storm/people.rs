//! Who takes part: instances (bottom-64 by hash, so that the same are kept in any order) and targets, with counts.

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

#[derive(Clone, Debug)]
struct Person {
    hash: u64,
    records: u64,
    name: Box<[u8]>,
}

impl Person {
    fn add(&mut self, records: u64, name: &[u8]) {
        self.records += records;
        // While nothing is pending names are not kept.
        if self.name.is_empty() && !name.is_empty() {
            self.name = name[..name.len().min(NAME_MAX)].into();
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
    is_overfull: bool,
    /// Where a hash was found last, by its low bits: instances take turns, and a wrong guess only costs the search.
    guesses: [u8; 32],
    /// Records that name no instance.
    unnamed: u64,
    named: u64,
    /// In order of appearance.
    targets: Vec<Target>,
    other_targets: u64,
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
            person.add(1, name);
            return;
        }
        match self.instances.binary_search_by_key(&hash, |person| person.hash) {
            Ok(at) => {
                self.instances[at].add(1, name);
                self.guesses[(hash & 31) as usize] = at as u8;
            }
            Err(at) => {
                if self.instances.len() == INSTANCES_MAX {
                    self.is_overfull = true;
                    if at == INSTANCES_MAX {
                        return;
                    }
                    self.instances.pop();
                }
                self.instances.insert(at, Person { hash, records: 1, name: name[..name.len().min(NAME_MAX)].into() });
            }
        }
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
        self.targets.clear();
        (self.is_overfull, self.unnamed, self.named, self.other_targets) = (false, 0, 0, 0);
    }

    /// Distinct instances and whether that is an estimate; `None` when most records name none, or (nearly) each names another: a server with a
    /// process for each connection numbers its connections.
    #[must_use]
    pub fn distinct(&self) -> Option<(u64, bool)> {
        if self.named <= self.unnamed {
            return None;
        }
        if !self.is_overfull {
            return Some((self.instances.len() as u64, false));
        }
        let largest = self.instances.last().map_or(u64::MAX, |person| person.hash) as f64;
        let distinct = (63.0 / (largest / 2f64.powi(64))).round() as u64;
        (self.named >= RECORDS_PER_INSTANCE * distinct).then_some((distinct, true))
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
        for person in &other.instances {
            match self.instances.binary_search_by_key(&person.hash, |mine| mine.hash) {
                Ok(at) => self.instances[at].add(person.records, &person.name),
                Err(at) => self.instances.insert(at, person.clone()),
            }
        }
        if self.instances.len() > INSTANCES_MAX {
            self.instances.truncate(INSTANCES_MAX);
            self.is_overfull = true;
        }
        other.targets.iter().for_each(|target| self.add_target(&target.name, target.records));
    }

    /// For the store.
    #[must_use]
    pub fn state(&self, shows_secrets: bool) -> PeopleState {
        let count = |hash, name: &[u8], records| CountState { hash, name: shown(name, shows_secrets), records };
        PeopleState {
            instances: self.instances.iter().map(|person| count(person.hash, &person.name, person.records)).collect(),
            is_overfull: self.is_overfull,
            named: self.named,
            unnamed: self.unnamed,
            targets: self.targets.iter().map(|target| count(0, &target.name, target.records)).collect(),
            other_targets: self.other_targets,
        }
    }

    /// From the store.
    #[must_use]
    pub fn of_state(state: &PeopleState) -> Self {
        let mut people = Self { is_overfull: state.is_overfull, named: state.named, unnamed: state.unnamed, ..Self::default() };
        people.other_targets = state.other_targets;
        let person = |count: &CountState| Person { hash: count.hash, records: count.records, name: count.name.as_bytes().into() };
        people.instances = state.instances.iter().take(INSTANCES_MAX).map(person).collect();
        people.instances.sort_by_key(|person| person.hash);
        people.instances.dedup_by_key(|person| person.hash);
        state.targets.iter().for_each(|target| people.add_target(target.name.as_bytes(), target.records));
        people
    }

    /// The loudest named instances: (name, records), most first, ties by name.
    #[must_use]
    pub fn loudest(&self, limit: usize, shows_secrets: bool) -> Vec<(String, u64)> {
        top(shows_secrets, self.instances.iter().filter(|person| !person.name.is_empty()).map(|person| (&person.name, person.records)), limit)
    }

    /// The most frequent targets: (name, records).
    #[must_use]
    pub fn top_targets(&self, limit: usize, shows_secrets: bool) -> Vec<(String, u64)> {
        top(shows_secrets, self.targets.iter().map(|target| (&target.name, target.records)), limit)
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

fn top<'a>(shows_secrets: bool, entries: impl Iterator<Item = (&'a Box<[u8]>, u64)>, limit: usize) -> Vec<(String, u64)> {
    let mut rows: Vec<(String, u64)> = entries.map(|(name, records)| (shown(name, shows_secrets), records)).collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    rows.truncate(limit);
    rows
}
