//! Which bytes of a line belong to words and which are digits, 64 at a time.
//!
//! The bits stand in bytes, with eight bytes of zeros behind those of the line, so that those from any byte on are one load and one shift.
//!
//! Two twins give the same bits: a table walk for every machine, and AVX2 where the CPU has it. A test compares them.

use super::guide::{Guide, Leaf};
use super::words::{CLASS, DIGIT, JOINT, Word, is_word_byte};

/// Bits that [`Bits::ahead`] is sure to give.
pub(super) const AHEAD: usize = 57;

/// Bytes of a line from one of them on; bit `i` stands for the `i`-th. Bits past the end of the line are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ahead {
    /// Bytes that continue a word.
    pub word: u64,
    /// ASCII digits.
    pub digit: u64,
}

/// What 64 bytes are.
#[derive(Clone, Copy, Default)]
struct Block {
    word: u64,
    digit: u64,
    /// Dashes, points and underscores.
    joint: u64,
}

/// What the bytes of a line are.
///
/// The three vectors are as long as one another, and have eight bytes more than the blocks at least: see [`Bits::bits_at`].
#[derive(Debug)]
pub(super) struct Bits {
    word: Vec<u8>,
    digit: Vec<u8>,
    joint: Vec<u8>,
    /// Blocks of 64 bytes that the line has; the vectors only grow.
    blocks: usize,
}

impl Default for Bits {
    fn default() -> Self {
        Self { word: vec![0; 8], digit: vec![0; 8], joint: vec![0; 8], blocks: 0 }
    }
}

impl Bits {
    /// Makes room for a line, and for zeros behind it.
    #[inline(always)]
    fn begin(&mut self, line: &[u8]) {
        self.blocks = line.len().div_ceil(64);
        let bytes = (self.blocks + 1) * 8;
        if self.word.len() < bytes {
            self.word.resize(bytes, 0);
            self.digit.resize(bytes, 0);
            self.joint.resize(bytes, 0);
        }
    }

    #[inline(always)]
    fn set(&mut self, block: usize, bits: Block) {
        let at = block * 8;
        for (bytes, bits) in [(&mut self.word, bits.word), (&mut self.digit, bits.digit), (&mut self.joint, bits.joint)] {
            // A store of eight bytes; `copy_from_slice` is a call where it is not inlined.
            if let Some([a, b, c, d, e, f, g, h]) = bytes.get_mut(at..at + 8) {
                [*a, *b, *c, *d, *e, *f, *g, *h] = bits.to_le_bytes();
            }
        }
    }

    /// [`AHEAD`] bits or some more from `from` on, which is a byte of the line or its end.
    #[inline(always)]
    pub(super) fn ahead(&self, from: usize) -> Ahead {
        if from > self.blocks * 64 {
            return Ahead::default();
        }
        Ahead { word: self.bits_at(&self.word, from), digit: self.bits_at(&self.digit, from) }
    }

    /// The bits of `bytes`, one of the three vectors, from `from` on, which is a byte of the blocks or their end.
    #[inline(always)]
    #[expect(unsafe_code, reason = "three vectors have one length, which is checked once")]
    fn bits_at(&self, bytes: &[u8], from: usize) -> u64 {
        debug_assert!(from <= self.blocks * 64 && bytes.len() >= (self.blocks + 1) * 8);
        // SAFETY: `begin` gave each vector 8 bytes for every block and 8 more, and they only grow; `from / 8` is at most 8 times the blocks.
        let eight = unsafe { bytes.as_ptr().add(from / 8).cast::<u64>().read_unaligned() };
        u64::from_le(eight) >> (from % 8)
    }

    /// The dashes, points and underscores from `from` on, as many bits.
    #[inline(always)]
    pub(super) fn joint_ahead(&self, from: usize) -> u64 {
        if from > self.blocks * 64 { 0 } else { self.bits_at(&self.joint, from) }
    }

    /// The first digit at or behind `from`.
    #[inline]
    pub(super) fn next_digit(&self, from: usize) -> Option<usize> {
        let mut index = from / 64;
        if index >= self.blocks {
            return None;
        }
        let mut bits = eight(&self.digit, index * 8) & (!0 << (from % 64));
        while bits == 0 {
            index += 1;
            if index >= self.blocks {
                return None;
            }
            bits = eight(&self.digit, index * 8);
        }
        Some(index * 64 + bits.trailing_zeros() as usize)
    }

    /// Where the run of word bytes round `inside` begins.
    #[inline]
    pub(super) fn run_start(&self, inside: usize) -> usize {
        let mut index = inside / 64;
        let mut gaps = !eight(&self.word, index * 8) & !(!0 << (inside % 64));
        while gaps == 0 {
            if index == 0 {
                return 0;
            }
            index -= 1;
            gaps = !eight(&self.word, index * 8);
        }
        index * 64 + 64 - gaps.leading_zeros() as usize
    }

    /// One past the last byte of the run of word bytes round `inside`.
    #[inline]
    pub(super) fn run_end(&self, inside: usize) -> usize {
        let mut index = inside / 64;
        let mut gaps = !eight(&self.word, index * 8) & (!0 << (inside % 64));
        while gaps == 0 {
            index += 1;
            // The block of zeros behind the line ends every run.
            gaps = !eight(&self.word, index * 8);
        }
        index * 64 + gaps.trailing_zeros() as usize
    }
}

/// Eight bytes from `at` on; 0 when there are not so many.
#[inline(always)]
pub(super) fn eight(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..at + 8) {
        Some(&[a, b, c, d, e, f, g, h]) => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}

/// How the bits are found on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twin {
    /// Byte by byte through a table.
    Scalar,
    /// 32 bytes at a time; such CPUs have BMI1, BMI2 and POPCNT, too.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Twin {
    /// The fastest one that this CPU runs.
    pub(super) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt")
        {
            return Self::Avx2;
        }
        Self::Scalar
    }

    /// Fills `out` with the bits of `line`.
    pub(super) fn fill(self, line: &[u8], out: &mut Bits) {
        match self {
            Self::Scalar => scalar(line, out),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this variant is only made by `detect`, after the CPU said that it has AVX2.
            #[expect(unsafe_code, reason = "calls a function that needs AVX2, which was detected")]
            Self::Avx2 => unsafe { avx2::fill(line, out) },
        }
    }

    /// Fills `bits`, then follows the guide; `words` takes the words on the way. The leaf, and how many words.
    #[inline]
    pub(super) fn follow(self, line: &[u8], bits: &mut Bits, guide: &Guide, words: &mut [Word]) -> (Option<Leaf>, usize) {
        match self {
            Self::Scalar => {
                self.fill(line, bits);
                guide.follow(line, bits, words)
            }
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as in `fill`.
            #[expect(unsafe_code, reason = "calls a function that needs AVX2 and BMI, which were detected")]
            Self::Avx2 => unsafe { avx2::follow(line, bits, guide, words) },
        }
    }
}

fn scalar(line: &[u8], out: &mut Bits) {
    out.begin(line);
    for (index, bytes) in line.chunks(64).enumerate() {
        let mut block = Block::default();
        for (i, &b) in bytes.iter().enumerate() {
            block.word |= u64::from(is_word_byte(b)) << i;
            block.digit |= u64::from(CLASS[b as usize] & DIGIT != 0) << i;
            block.joint |= u64::from(CLASS[b as usize] & JOINT != 0) << i;
        }
        out.set(index, block);
    }
    out.set(out.blocks, Block::default());
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector loads; every one stays inside a slice or a stack buffer")]
mod avx2 {
    use super::{Bits, Block, Guide, Leaf, Word};
    use std::arch::x86_64::{
        __m256i, _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8, _mm256_setr_epi8,
        _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_srli_epi16,
    };

    // What a byte may be by its high half-byte, and by its low one: it is what both say.
    const DIGIT: i8 = 64; // 0x30..=0x39
    const EARLY: i8 = 1; // letters of the rows 0x40 and 0x60
    const LATE: i8 = 2; // those of the rows 0x50 and 0x70
    const POINT: i8 = 4; // dash and point
    const UNDER: i8 = 8;
    const HIGH: i8 = -128; // the rows from 0x80

    /// # Safety
    /// The CPU must have AVX2.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) unsafe fn fill(line: &[u8], out: &mut Bits) {
        out.begin(line);
        let (whole, rest) = (line.len() / 64, line.len() % 64);
        let (word, digit, joint) = (out.word.as_mut_ptr(), out.digit.as_mut_ptr(), out.joint.as_mut_ptr());
        for index in 0..whole {
            // SAFETY: 64 bytes of the line begin there, and `begin` made room for 8 bytes of bits for each block in each of the vectors.
            unsafe {
                let bits = block(line.as_ptr().add(index * 64));
                word.add(index * 8).cast::<u64>().write_unaligned(bits.word);
                digit.add(index * 8).cast::<u64>().write_unaligned(bits.digit);
                joint.add(index * 8).cast::<u64>().write_unaligned(bits.joint);
            }
        }
        if rest > 0 {
            let last = if whole > 0 {
                // SAFETY: the line has 64 bytes at least.
                let last = unsafe { block(line.as_ptr().add(line.len() - 64)) };
                let shift = 64 - rest;
                Block { word: last.word >> shift, digit: last.digit >> shift, joint: last.joint >> shift }
            } else {
                let mut padded = [b' '; 64];
                padded[..rest].copy_from_slice(line);
                // SAFETY: 64 bytes.
                unsafe { block(padded.as_ptr()) }
            };
            out.set(whole, last);
        }
        out.set(out.blocks, Block::default());
    }

    /// Both in one: bits are counted and shifted by the instructions that such a CPU has for it.
    ///
    /// # Safety
    /// The CPU must have AVX2, BMI1, BMI2 and POPCNT.
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    pub(super) unsafe fn follow(line: &[u8], bits: &mut Bits, guide: &Guide, words: &mut [Word]) -> (Option<Leaf>, usize) {
        // SAFETY: the caller promises AVX2.
        unsafe { fill(line, bits) };
        guide.follow(line, bits, words)
    }

    /// # Safety
    /// 64 bytes must be readable at `from`; the CPU must have AVX2.
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn block(from: *const u8) -> Block {
        // SAFETY: the caller promises 64 readable bytes; the loads need no alignment.
        let (low, high) = unsafe { (half(_mm256_loadu_si256(from.cast())), half(_mm256_loadu_si256(from.add(32).cast()))) };
        let both = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        Block { word: !both(low.0, high.0), digit: both(low.1, high.1), joint: !both(low.2, high.2) }
    }

    /// Of 32 bytes: those that are no word bytes, the digits, those that join no words.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn half(bytes: __m256i) -> (u32, u32, u32) {
        let by_high = twice([0, 0, POINT, DIGIT, EARLY, LATE | UNDER, EARLY, LATE, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH, HIGH]);
        let low = |low: i8| {
            let letter = if low == 0 { LATE } else { EARLY } | if low <= 10 { LATE } else { 0 };
            let digit = if low <= 9 { DIGIT } else { 0 };
            let joint = if low == 13 || low == 14 { POINT } else { 0 } | if low == 15 { UNDER } else { 0 };
            letter | digit | joint | HIGH
        };
        let by_low = twice([
            low(0),
            low(1),
            low(2),
            low(3),
            low(4),
            low(5),
            low(6),
            low(7),
            low(8),
            low(9),
            low(10),
            low(11),
            low(12),
            low(13),
            low(14),
            low(15),
        ]);
        let nibble = _mm256_set1_epi8(0x0F);
        let high = _mm256_shuffle_epi8(by_high, _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble));
        let class = _mm256_and_si256(high, _mm256_shuffle_epi8(by_low, _mm256_and_si256(bytes, nibble)));
        let zero = _mm256_setzero_si256();
        let is_joint = _mm256_and_si256(class, _mm256_set1_epi8(POINT | UNDER));
        let bits = |bytes| _mm256_movemask_epi8(bytes).cast_unsigned();
        // The mask takes the top bit of each byte: the bit below it, shifted.
        (bits(_mm256_cmpeq_epi8(class, zero)), bits(_mm256_slli_epi16::<1>(class)), bits(_mm256_cmpeq_epi8(is_joint, zero)))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn twice(t: [i8; 16]) -> __m256i {
        _mm256_setr_epi8(
            t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10], t[11], t[12], t[13], t[14], t[15], t[0], t[1], t[2], t[3], t[4], t[5],
            t[6], t[7], t[8], t[9], t[10], t[11], t[12], t[13], t[14], t[15],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_twins_give_the_same_bits(line in prop::collection::vec(any::<u8>(), 0..400)) {
            let (mut fast, mut slow) = (Bits::default(), Bits::default());
            // A longer line before leaves nothing behind.
            Twin::detect().fill(&[b'5'; 500], &mut fast);
            Twin::Scalar.fill(&[b'-'; 500], &mut slow);
            Twin::detect().fill(&line, &mut fast);
            Twin::Scalar.fill(&line, &mut slow);
            let sure = |ahead: Ahead, joint: u64| (ahead.word << 7, ahead.digit << 7, joint << 7);
            for from in 0..=line.len() {
                let bits = |is: &dyn Fn(u8) -> bool| line[from..].iter().take(AHEAD).enumerate().fold(0, |bits, (i, &b)| bits | u64::from(is(b)) << i);
                let expected = sure(Ahead { word: bits(&is_word_byte), digit: bits(&|b| b.is_ascii_digit()) }, bits(&|b| matches!(b, b'-' | b'.' | b'_')));
                prop_assert_eq!(sure(fast.ahead(from), fast.joint_ahead(from)), expected);
                prop_assert_eq!(sure(slow.ahead(from), slow.joint_ahead(from)), expected);
                prop_assert_eq!(fast.next_digit(from), line[from..].iter().position(u8::is_ascii_digit).map(|at| from + at));
            }
        }
    }
}
