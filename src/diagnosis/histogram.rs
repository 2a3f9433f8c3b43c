//! Sparse histograms of integers: they add, so that nodes can merge them and the order of records does not matter.

use crate::time::MILLI;

/// Sub-buckets per octave of an interval: 6.6 to 12.5 % wide, fine enough to see a jitter of a tenth.
const PER_OCTAVE: i64 = 8;
/// Buckets of an interval: 1 ms to 4,194 s, 22 octaves.
const INTERVAL_BUCKETS: i16 = 176;
/// Buckets of a ratio per octave.
pub const RATIO_PER_OCTAVE: f64 = 8.0;
/// Ratios are clamped to 5 octaves either way: more is a pause, not a policy.
const RATIO_BUCKETS: i16 = 40;

/// Largest count of one bucket: 24 bits.
const COUNT_MAX: u32 = (1 << 24) - 1;

/// Counts by bucket, sorted by bucket, no zeros; 4 bytes per bucket that was ever met (8 bits of bucket, 24 of count). Bounded by the
/// number of buckets (256).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    entries: Vec<u32>,
    total: u64,
    guesses: Guesses,
}

/// Guesses of one histogram: two octaves of intervals.
const GUESSES: usize = 16;

/// Where buckets were found last, by their low bits: values lie close together, and a wrong guess only costs the search. Says nothing about
/// what was counted, so that all guesses are equal.
#[derive(Clone, Debug, Default)]
pub(super) struct Guesses([u8; GUESSES]);

impl PartialEq for Guesses {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Guesses {}

impl Guesses {
    /// Where `place`, which stands above the lowest `bits` of an entry, may be found.
    #[inline]
    fn find<'a>(&self, entries: &'a mut [u32], place: u32, bits: u32) -> Option<&'a mut u32> {
        entries.get_mut(usize::from(self.0[place as usize % GUESSES])).filter(|entry| **entry >> bits == place)
    }

    /// Where something with these low bits was found last.
    #[inline]
    pub(super) fn at(&self, bits: u64) -> usize {
        usize::from(self.0[bits as usize % GUESSES])
    }

    #[inline]
    pub(super) fn note(&mut self, place: u32, at: usize) {
        self.0[place as usize % GUESSES] = at as u8;
    }
}

impl Counts {
    /// Counts one value of `bucket` (-40..=40 for ratios, 0..=175 for intervals). Allocates only for a
    /// bucket never met.
    #[inline]
    pub fn add(&mut self, bucket: i16) {
        self.add_many(bucket, 1);
    }

    fn add_many(&mut self, bucket: i16, count: u32) {
        self.total += u64::from(count);
        let place = pack(bucket);
        if let Some(entry) = self.guesses.find(&mut self.entries, place, 24) {
            *entry = place << 24 | ((*entry & COUNT_MAX) + count).min(COUNT_MAX);
            return;
        }
        match self.entries.binary_search_by_key(&place, |entry| entry >> 24) {
            Ok(at) => {
                self.guesses.note(place, at);
                let entry = &mut self.entries[at];
                *entry = place << 24 | ((*entry & COUNT_MAX) + count).min(COUNT_MAX);
            }
            Err(at) => {
                if self.entries.len() == self.entries.capacity() {
                    // Tight: there are up to six of these in each fingerprint.
                    self.entries.reserve_exact(8);
                }
                self.entries.insert(at, place << 24 | count.min(COUNT_MAX));
            }
        }
    }

    /// Adds all counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        let before = self.total;
        for (bucket, count) in other.entries() {
            self.add_many(bucket, count);
        }
        self.total = before + other.total;
    }

    /// How many values.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// How many values are in the buckets: less than `total` once one of them is full.
    fn counted(&self) -> u64 {
        self.entries.iter().map(|entry| u64::from(entry & COUNT_MAX)).sum()
    }

    /// (bucket, count), ascending, no zeros.
    pub fn entries(&self) -> impl Iterator<Item = (i16, u32)> {
        self.entries.iter().map(|entry| (unpack(entry >> 24), entry & COUNT_MAX))
    }

    /// The share of values in buckets up to and including `bucket`; 0 when empty.
    #[must_use]
    pub fn share_to(&self, bucket: i16) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        let below: u64 = self.entries().take_while(|entry| entry.0 <= bucket).map(|entry| u64::from(entry.1)).sum();
        below as f64 / self.counted() as f64
    }

    /// The value at quantile `q`, linear inside its bucket; `bounds` gives a bucket's edges. 0 when empty.
    #[must_use]
    pub fn quantile(&self, q: f64, bounds: fn(i16) -> (f64, f64)) -> f64 {
        let rank = q * self.counted() as f64;
        let mut seen = 0.0;
        for (bucket, count) in self.entries() {
            let count = f64::from(count);
            if seen + count >= rank {
                let (low, high) = bounds(bucket);
                return low + (high - low) * ((rank - seen) / count).clamp(0.0, 1.0);
            }
            seen += count;
        }
        self.entries().last().map_or(0.0, |entry| bounds(entry.0).1)
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.entries.capacity() * 4
    }
}

/// Counts by row (0..=15) and bucket in one table: many short rows cost what they hold. 4 bits of row, 8 of bucket, 20 of count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cells {
    /// Sorted by row and bucket, no zeros.
    entries: Vec<u32>,
    guesses: Guesses,
}

/// Largest count of one cell: 20 bits.
const CELL_MAX: u32 = (1 << 20) - 1;

impl Cells {
    /// Counts one value. Allocates only for a cell never met.
    #[inline]
    pub fn add(&mut self, row: usize, bucket: i16) {
        self.add_many((row as u32) << 8 | pack(bucket), 1);
    }

    fn add_many(&mut self, place: u32, count: u32) {
        if let Some(entry) = self.guesses.find(&mut self.entries, place, 20) {
            *entry = place << 20 | ((*entry & CELL_MAX) + count).min(CELL_MAX);
            return;
        }
        match self.entries.binary_search_by_key(&place, |entry| entry >> 20) {
            Ok(at) => {
                self.guesses.note(place, at);
                let entry = &mut self.entries[at];
                *entry = place << 20 | ((*entry & CELL_MAX) + count).min(CELL_MAX);
            }
            Err(at) => {
                if self.entries.len() == self.entries.capacity() {
                    self.entries.reserve_exact(16);
                }
                self.entries.insert(at, place << 20 | count.min(CELL_MAX));
            }
        }
    }

    /// Adds all counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        other.entries.iter().for_each(|entry| self.add_many(entry >> 20, entry & CELL_MAX));
    }

    /// One row as a histogram of its own.
    #[must_use]
    pub fn row(&self, row: usize) -> Counts {
        let mut counts = Counts::default();
        let from = self.entries.partition_point(|entry| ((entry >> 28) as usize) < row);
        for entry in self.entries[from..].iter().take_while(|entry| (*entry >> 28) as usize == row) {
            counts.add_many(unpack(entry >> 20 & 0xFF), entry & CELL_MAX);
        }
        counts
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.entries.capacity() * 4
    }
}

/// Buckets -80..=175 as 0..=255, in order.
const fn pack(bucket: i16) -> u32 {
    (bucket + 80) as u32 & 0xFF
}

const fn unpack(place: u32) -> i16 {
    place as i16 - 80
}

/// The bucket of an interval in ns.
#[must_use]
#[inline]
pub fn interval_bucket(nanos: i64) -> i16 {
    let units = nanos / (MILLI / PER_OCTAVE);
    if units < PER_OCTAVE {
        return 0;
    }
    let octave = 63 - units.leading_zeros() as i64 - 3;
    let sub = (units >> octave) & (PER_OCTAVE - 1);
    ((octave * PER_OCTAVE + sub) as i16).min(INTERVAL_BUCKETS - 1)
}

/// Edges of an interval bucket in ms; the first begins at 0.
#[must_use]
pub fn interval_bounds(bucket: i16) -> (f64, f64) {
    let octave = i64::from(bucket) / PER_OCTAVE;
    let sub = i64::from(bucket) % PER_OCTAVE;
    let unit = (1_i64 << octave) as f64 / PER_OCTAVE as f64;
    let low = (PER_OCTAVE + sub) as f64 * unit;
    (if bucket == 0 { 0.0 } else { low }, low + unit)
}

/// The bucket of a ratio of two intervals, given as the difference of their log2 in 1/1,024 octaves: 8 per octave.
#[must_use]
#[inline]
pub fn ratio_bucket_of(difference: i64) -> i16 {
    // Rounded to 1/8 octave.
    (((difference + (1 << 6)) >> 7).clamp(-i64::from(RATIO_BUCKETS), i64::from(RATIO_BUCKETS))) as i16
}

/// Edges of a ratio bucket in octaves.
#[must_use]
pub fn ratio_bounds(bucket: i16) -> (f64, f64) {
    ((f64::from(bucket) - 0.5) / RATIO_PER_OCTAVE, (f64::from(bucket) + 0.5) / RATIO_PER_OCTAVE)
}

/// log2 in 1/65,536 octaves by integers only (the same on every platform); wrong by less than 0.01 octave.
#[must_use]
#[inline]
pub fn log2_fixed(value: i64) -> i64 {
    let value = value.max(1) as u64;
    let octave = 63 - value.leading_zeros() as i64;
    let fraction = if octave >= 16 { (value >> (octave - 16)) & 0xFFFF } else { (value << (16 - octave)) & 0xFFFF } as i64;
    // log2(1 + f) is close to f + 0.3431 f (1 - f).
    let curve = (((fraction * (65_536 - fraction)) >> 16) * 22_485) >> 16;
    (octave << 16) + fraction + curve
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_its_bounds_say() {
        for nanos in [0, 900_000, 1_200_000, 7_300_000, 20_000_000, 999_000_000, 1_000_000_000, 63_000_000_000, 4_000_000_000_000] {
            let (low, high) = interval_bounds(interval_bucket(nanos));
            let ms = nanos as f64 / 1e6;
            assert!(low <= ms && ms < high, "{ms} not in {low}..{high}");
        }
        assert_eq!(interval_bucket(i64::MAX), INTERVAL_BUCKETS - 1);
    }

    #[test]
    fn a_doubling_is_eight_ratio_buckets() {
        let ratio_bucket = |earlier: i64, later: i64| ratio_bucket_of((log2_fixed(later) >> 6) - (log2_fixed(earlier) >> 6));
        assert_eq!(ratio_bucket(1_000_000, 2_000_000), 8);
        assert_eq!(ratio_bucket(3_000_000_000, 1_500_000_000), -8);
        assert_eq!(ratio_bucket(700, 700), 0);
        assert_eq!(ratio_bucket(0, i64::MAX), RATIO_BUCKETS);
    }

    #[test]
    fn the_median_of_equal_values_lies_in_their_bucket() {
        let mut counts = Counts::default();
        (0..9).for_each(|_| counts.add(interval_bucket(1_000_000_000)));
        let median = counts.quantile(0.5, interval_bounds);
        assert!((960.0..1100.0).contains(&median), "{median}");
        assert_eq!(Counts::default().quantile(0.5, interval_bounds), 0.0);
    }
}
