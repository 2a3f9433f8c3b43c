//! Distinct values with their counts in bounded memory.
//!
//! Instances: exact up to 256, then estimated by a HyperLogLog of 1,024 registers (Flajolet et al. 2007, one byte each, standard error
//! 1.04/√1024 = 3.3 %) over a hash that is the same on every machine, so that summaries of two nodes unite. Targets: the space-saving
//! algorithm (Metwally et al. 2005) with 16 counters, and the same registers for how many there are.

use super::summary::Distinct;
use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher};

/// Different values that are kept by name.
pub const INSTANCES_EXACT: usize = 256;
/// Targets that are kept with a count of their own.
pub const TARGETS_KEPT: usize = 16;
/// Bytes of a name that are kept; longer ones are told apart by these only.
pub const NAME_BYTES: usize = 128;
/// Registers of an estimate.
pub const REGISTERS: usize = 1024;
const EMPTY: u16 = u16::MAX;

/// A hash that never changes between builds and machines: FNV-1a, then the finaliser of MurmurHash3 for the high bits.
#[must_use]
pub fn stable_hash(name: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in name {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    mix(hash)
}

/// A fast hash for tables inside one run; nothing that leaves the process depends on it.
#[inline]
pub(super) fn local_hash(name: &[u8]) -> u64 {
    let mut hasher = foldhash::fast::FixedState::with_seed(1).build_hasher();
    hasher.write(name);
    hasher.finish()
}

const fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// Notes a value in the registers.
pub(super) fn note(registers: &mut [u8], name: &[u8]) {
    let hash = stable_hash(name);
    let rank = ((hash << 10) | 1 << 9).leading_zeros() as u8 + 1;
    let register = &mut registers[(hash >> 54) as usize];
    *register = rank.max(*register);
}

/// How many different values the registers have seen: linear counting while registers are empty, else the harmonic mean.
pub(super) fn estimate(registers: &[u8]) -> u64 {
    let count = registers.len() as f64;
    let empty = registers.iter().filter(|rank| **rank == 0).count() as f64;
    let sum: f64 = registers.iter().map(|rank| (-f64::from(*rank)).exp2()).sum();
    let raw = 0.7213 / (1.0 + 1.079 / count) * count * count / sum;
    let estimate = if raw <= 2.5 * count && empty > 0.0 { count * (count / empty).ln() } else { raw };
    estimate.round() as u64
}

/// One of the names, as far as memory is counted.
const NAMED_BYTES: usize = 2 * size_of::<u64>() + size_of::<Vec<u8>>();

/// A table of names by hash. `REPLACES`: a new name takes the place of the rarest when all counters are taken (space-saving).
#[derive(Debug, Default)]
pub(super) struct Names<const KEPT: usize, const REPLACES: bool> {
    names: Vec<Vec<u8>>,
    /// Hash and count of each, side by side: few names are searched one by one.
    hashes: Vec<u64>,
    counts: Vec<u64>,
    /// Open addressing over `names`; twice as many slots as names. Unused while there are few names.
    slots: Vec<u16>,
    /// The least count when one was looked for last, and the first place where it may still stand: counts only grow, so that it stands nowhere
    /// before.
    least: (u64, usize),
    /// Where the last record was found: most streams have one instance and one target.
    last: usize,
    registers: Option<Box<[u8; REGISTERS]>>,
}

/// Above this many names a table of slots is used.
const LINEAR_MAX: usize = 16;

impl<const KEPT: usize, const REPLACES: bool> Names<KEPT, REPLACES> {
    /// Counts one record of `name`, whose `hash` tells it apart inside this process. Returns the bytes that were allocated.
    #[inline]
    pub(super) fn count(&mut self, hash: u64, name: &[u8]) -> usize {
        if self.hashes.get(self.last) == Some(&hash) {
            self.counts[self.last] += 1;
            return 0;
        }
        if let Some(found) = self.find(hash) {
            self.last = found;
            self.counts[found] += 1;
            return 0;
        }
        self.add(hash, name)
    }

    /// Whether a name was counted; `None` when that is no longer known.
    pub(super) fn holds(&self, hash: u64) -> Option<bool> {
        match self.find(hash) {
            Some(_) => Some(true),
            None if self.registers.is_some() => None,
            None => Some(false),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.names.clear();
        self.hashes.clear();
        self.counts.clear();
        self.slots.clear();
        self.last = 0;
        self.least = (0, 0);
        self.registers = None;
    }

    pub(super) fn to_distinct(&self, mask: fn(&[u8]) -> Cow<'_, [u8]>) -> Distinct {
        let mut top: Vec<(Box<[u8]>, u64)> =
            self.names.iter().zip(&self.counts).map(|(name, count)| (mask(name).into_owned().into_boxed_slice(), *count)).collect();
        top.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Distinct {
            count: self.registers.as_ref().map_or(self.names.len() as u64, |registers| estimate(&registers[..]).max(self.names.len() as u64)),
            is_estimate: self.registers.is_some(),
            top,
            registers: self.registers.as_ref().map(|registers| registers[..].into()),
        }
    }

    #[inline]
    fn find(&self, hash: u64) -> Option<usize> {
        if self.slots.is_empty() {
            return self.hashes.iter().position(|known| *known == hash);
        }
        let mut slot = mix(hash) as usize & (self.slots.len() - 1);
        while self.slots[slot] != EMPTY {
            let index = usize::from(self.slots[slot]);
            if self.hashes[index] == hash {
                return Some(index);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        None
    }

    #[cold]
    fn add(&mut self, hash: u64, name: &[u8]) -> usize {
        let name = &name[..name.len().min(NAME_BYTES)];
        if self.names.len() < KEPT {
            self.names.push(name.into());
            self.hashes.push(hash);
            self.counts.push(1);
            self.last = self.names.len() - 1;
            return NAMED_BYTES + name.len() + self.index_last();
        }
        let mut grown = 0;
        if self.registers.is_none() {
            let mut registers = Box::new([0; REGISTERS]);
            for name in &self.names {
                note(&mut registers[..], name);
            }
            self.registers = Some(registers);
            grown = REGISTERS;
        }
        if let Some(registers) = &mut self.registers {
            note(&mut registers[..], name);
        }
        if REPLACES {
            let rarest = self.rarest();
            self.hashes[rarest] = hash;
            self.counts[rarest] += 1;
            let kept = &mut self.names[rarest];
            let capacity = kept.capacity();
            kept.clear();
            kept.extend_from_slice(name);
            grown += kept.capacity() - capacity;
            self.last = rarest;
        }
        grown
    }

    /// The first of those that were counted least, when all counters are taken.
    fn rarest(&mut self) -> usize {
        let (least, from) = self.least;
        let rarest = match self.counts[from..].iter().position(|count| *count == least) {
            Some(at) => from + at,
            None => {
                self.least.0 = self.counts.iter().fold(u64::MAX, |least, count| least.min(*count));
                self.counts.iter().position(|count| *count == self.least.0).unwrap_or_default()
            }
        };
        self.least.1 = rarest;
        rarest
    }

    /// Puts the newest name into the slots, which double when they are half full. A table that replaces stays linear.
    fn index_last(&mut self) -> usize {
        let names = self.names.len();
        if names <= LINEAR_MAX || REPLACES {
            return 0;
        }
        let before = self.slots.len();
        if names * 2 > before {
            self.slots.clear();
            self.slots.resize((names * 2).next_power_of_two().max(64), EMPTY);
            for index in 0..names {
                self.place(index);
            }
        } else {
            self.place(names - 1);
        }
        (self.slots.len() - before) * size_of::<u16>()
    }

    fn place(&mut self, index: usize) {
        let mut slot = mix(self.hashes[index]) as usize & (self.slots.len() - 1);
        while self.slots[slot] != EMPTY {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.slots[slot] = index as u16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count_names<const KEPT: usize, const REPLACES: bool>(names: impl Iterator<Item = u32>) -> Distinct {
        let mut table = Names::<KEPT, REPLACES>::default();
        for name in names {
            let name = format!("pod-{name}");
            table.count(stable_hash(name.as_bytes()), name.as_bytes());
        }
        table.to_distinct(|name| Cow::Borrowed(name))
    }

    #[test]
    fn instances_are_exact_to_256() {
        let seen = count_names::<INSTANCES_EXACT, false>((0..256).chain(7..8).chain(0..256));
        assert_eq!((seen.count, seen.is_estimate, seen.top.len()), (256, false, 256));
        assert_eq!(seen.top[0], (b"pod-7".as_slice().into(), 3));
        assert_eq!(seen.top[1], (b"pod-0".as_slice().into(), 2));
    }

    #[test]
    fn ten_thousand_instances_are_estimated_within_ten_percent() {
        let seen = count_names::<INSTANCES_EXACT, false>(0..10_000);
        assert!(seen.is_estimate && (9_000..=11_000).contains(&seen.count), "{}", seen.count);
    }

    #[test]
    fn the_rarest_is_the_first_of_those_with_the_least_count() {
        let mut table = Names::<TARGETS_KEPT, true>::default();
        for n in 0..5_000u64 {
            let value = stable_hash(&n.to_le_bytes());
            let name = if value.is_multiple_of(3) { value % 8 } else { value % 1_000 };
            if table.names.len() == TARGETS_KEPT && !table.hashes.contains(&(name + 1)) {
                let expected = (0..TARGETS_KEPT).min_by_key(|at| table.counts[*at]);
                assert_eq!(Some(table.rarest()), expected);
            }
            table.count(name + 1, name.to_string().as_bytes());
        }
    }

    #[test]
    fn the_busiest_target_survives_a_thousand_rare_ones() {
        let seen = count_names::<TARGETS_KEPT, true>((1..1_000).flat_map(|rare| [0, rare]));
        assert_eq!((seen.top.len(), seen.top[0].0.as_ref()), (16, b"pod-0".as_slice()));
        assert_eq!(seen.top[0].1, 999);
        assert!((900..=1_100).contains(&seen.count), "{}", seen.count);
    }
}
