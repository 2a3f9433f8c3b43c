//! Gaps between records of one worker: counts in the buckets of an HDR histogram with two significant digits, kept by octave so
//! that a window pays only for the octaves it has seen. 26 octaves of 128 counters cover 1 µs to more than 1 h; a
//! usual window touches two to five of them (0.5 KiB each) where the dense histogram has 13 KiB.

use hdrhistogram::Histogram;

/// Longest gap that is told apart: 1 h, in µs. Longer ones count as 1 h.
pub const INTERVAL_MAX_US: u64 = 3_600_000_000;
const PER_OCTAVE: usize = 128;
const OCTAVES: usize = 26;
const OCTAVE_BYTES: usize = PER_OCTAVE * size_of::<u32>();

/// An empty histogram with the bounds that every summary uses, so that any two can be added.
#[must_use]
pub fn histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1, INTERVAL_MAX_US, 2).expect("1 µs to 1 h with two digits are bounds that the histogram documents as valid")
}

#[derive(Debug, Default)]
pub(super) struct Intervals {
    octaves: [Option<Box<[u32; PER_OCTAVE]>>; OCTAVES],
}

impl Intervals {
    /// Counts one gap. Returns the bytes that were allocated for it: 0 but for the first gap of an octave.
    #[inline]
    pub(super) fn record(&mut self, nanos: i64) -> usize {
        let micros = ((nanos / 1_000) as u64).clamp(1, INTERVAL_MAX_US) as u32;
        let (octave, offset) = place(micros);
        if let Some(counts) = &mut self.octaves[octave] {
            counts[offset] = counts[offset].saturating_add(1);
            return 0;
        }
        let mut counts = Box::new([0; PER_OCTAVE]);
        counts[offset] = 1;
        self.octaves[octave] = Some(counts);
        OCTAVE_BYTES
    }

    pub(super) fn clear(&mut self) {
        self.octaves = Default::default();
    }

    /// The same counts as a histogram; `None` when there are none.
    pub(super) fn to_histogram(&self) -> Option<Box<Histogram<u32>>> {
        if self.octaves.iter().all(Option::is_none) {
            return None;
        }
        let mut histogram = Box::new(histogram());
        for (octave, counts) in self.octaves.iter().enumerate() {
            for (offset, count) in counts.iter().flat_map(|counts| counts.iter().enumerate()) {
                if *count > 0 {
                    histogram.saturating_record_n(value(octave, offset), *count);
                }
            }
        }
        Some(histogram)
    }
}

/// Octave 0 and 1 hold 0..128 and 128..256 one by one; each further octave twice as far in steps twice as wide.
#[inline]
const fn place(micros: u32) -> (usize, usize) {
    if micros < 256 {
        return ((micros >> 7) as usize, (micros & 127) as usize);
    }
    let shift = 24 - micros.leading_zeros();
    (shift as usize + 1, (micros >> shift) as usize - PER_OCTAVE)
}

const fn value(octave: usize, offset: usize) -> u64 {
    match octave {
        0 => offset as u64,
        _ => ((offset + PER_OCTAVE) as u64) << (octave - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octaves_hold_what_the_histogram_itself_would_hold() {
        let mut ours = Intervals::default();
        let mut direct = histogram();
        let mut state = 1u64;
        for step in 0..4_000u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let micros = (state >> 32) >> (step % 31);
            ours.record(micros as i64 * 1_000 + 999);
            direct.saturating_record(micros.clamp(1, INTERVAL_MAX_US));
        }
        assert_eq!(*ours.to_histogram().expect("4,000 gaps were recorded"), direct);
    }

    #[test]
    fn the_ends_of_the_range_saturate() {
        let mut ours = Intervals::default();
        ours.record(0);
        ours.record(i64::MAX);
        let histogram = ours.to_histogram().expect("two gaps were recorded");
        assert_eq!((histogram.len(), histogram.min()), (2, 1));
        assert!(histogram.equivalent(histogram.max(), INTERVAL_MAX_US));
    }
}
