//! Which bytes of a line belong to words and which are digits, 64 at a time.
//!
//! One block of zeros stands behind those of the line, so that a window of 64 bits can be read from any byte of it.
//!
//! Two twins give the same bits: a table walk for every machine, and AVX2 where the CPU has it. A test compares them.

use super::words::{CLASS, is_word_byte};

/// 64 bytes of a line; bit `i` stands for byte `i`. Bits past the end of the line are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// Bytes that continue a word.
    pub word: u64,
    /// ASCII digits.
    pub digit: u64,
}

/// How the bits are found on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twin {
    /// Byte by byte through a table.
    Scalar,
    /// 32 bytes at a time.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Twin {
    /// The fastest one that this CPU runs.
    pub(super) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            return Self::Avx2;
        }
        Self::Scalar
    }

    /// Fills `out` with the blocks of `line`.
    pub(super) fn fill(self, line: &[u8], out: &mut Vec<Block>) {
        out.clear();
        match self {
            Self::Scalar => scalar(line, out),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this variant is only made by `detect`, after the CPU said that it has AVX2.
            #[expect(unsafe_code, reason = "calls a function that needs AVX2, which was detected")]
            Self::Avx2 => unsafe { avx2::fill(line, out) },
        }
    }
}

fn scalar(line: &[u8], out: &mut Vec<Block>) {
    let blocks = line.chunks(64).map(|bytes| {
        let mut block = Block::default();
        for (i, &b) in bytes.iter().enumerate() {
            block.word |= u64::from(is_word_byte(b)) << i;
            block.digit |= u64::from(CLASS[b as usize] & 1) << i;
        }
        block
    });
    out.extend(blocks.chain([Block::default()]));
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector loads and intrinsics; every load stays inside a slice or a stack buffer")]
mod avx2 {
    use super::Block;
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
        _mm256_setzero_si256, _mm256_subs_epu8,
    };

    /// # Safety
    /// The CPU must have AVX2.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn fill(line: &[u8], out: &mut Vec<Block>) {
        let (whole, rest) = line.split_at(line.len() / 64 * 64);
        let mut padded = [b' '; 64];
        padded[..rest.len()].copy_from_slice(rest);
        let mut from = whole.as_ptr();
        // No `push` in the loop: round a call that may grow the vector the compiler keeps registers as single bytes.
        let blocks = line.len().div_ceil(64);
        out.resize(blocks + 1, Block::default());
        for (index, slot) in out.iter_mut().take(blocks).enumerate() {
            if index * 64 == whole.len() {
                from = padded.as_ptr();
            }
            // SAFETY: 64 bytes of `whole` begin at `from`, or it is `padded`, whose blanks are neither word bytes nor digits.
            *slot = unsafe { block(from) };
            from = from.wrapping_add(64);
        }
    }

    /// # Safety
    /// 64 bytes must be readable at `from`; the CPU must have AVX2.
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn block(from: *const u8) -> Block {
        // SAFETY: the caller promises 64 readable bytes; the loads need no alignment.
        let (low, high) = unsafe { (half(_mm256_loadu_si256(from.cast())), half(_mm256_loadu_si256(from.add(32).cast()))) };
        Block { word: u64::from(low.0) | u64::from(high.0) << 32, digit: u64::from(low.1) | u64::from(high.1) << 32 }
    }

    /// Word and digit bits of 32 bytes. Saturating differences are 0 inside a range.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn half(bytes: __m256i) -> (u32, u32) {
        let zero = _mm256_setzero_si256();
        let digit = outside(bytes, b'0', b'9');
        let letter = outside(_mm256_or_si256(bytes, _mm256_set1_epi8(0x20)), b'a', b'z');
        let dash_or_dot = outside(bytes, b'-', b'.');
        let underscore = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'_' as i8));
        let nearest = _mm256_min_epu8(_mm256_min_epu8(digit, letter), dash_or_dot);
        let word = _mm256_or_si256(_mm256_cmpeq_epi8(nearest, zero), underscore);
        // The mask takes the top bit of each byte: bytes from 0x80 are word bytes by themselves.
        let word = _mm256_movemask_epi8(word) | _mm256_movemask_epi8(bytes);
        (word.cast_unsigned(), _mm256_movemask_epi8(_mm256_cmpeq_epi8(digit, zero)).cast_unsigned())
    }

    /// How far each byte is outside of `first..=last`; 0 inside.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn outside(bytes: __m256i, first: u8, last: u8) -> __m256i {
        let above = _mm256_subs_epu8(bytes, _mm256_set1_epi8(last as i8));
        let below = _mm256_subs_epu8(_mm256_set1_epi8(first as i8), bytes);
        _mm256_or_si256(above, below)
    }
}

/// The bits of the 64 bytes from `from` on, which is a byte of the line or its end.
#[inline]
pub(super) fn window(blocks: &[Block], from: usize) -> Block {
    let (index, shift) = (from / 64, from % 64);
    let this = blocks[index];
    // Shifting in two steps: 64 at once is none.
    let next = blocks.get(index + 1).copied().unwrap_or_default();
    Block { word: this.word >> shift | next.word << 1 << (63 - shift), digit: this.digit >> shift | next.digit << 1 << (63 - shift) }
}

/// The first digit at or behind `from`.
#[inline]
pub(super) fn next_digit(blocks: &[Block], from: usize) -> Option<usize> {
    let mut index = from / 64;
    let mut bits = blocks.get(index)?.digit & (!0 << (from % 64));
    while bits == 0 {
        index += 1;
        bits = blocks.get(index)?.digit;
    }
    Some(index * 64 + bits.trailing_zeros() as usize)
}

/// Where the run of word bytes round `inside` begins.
#[inline]
pub(super) fn run_start(blocks: &[Block], inside: usize) -> usize {
    let mut index = inside / 64;
    let mut gaps = !blocks[index].word & !(!0 << (inside % 64));
    while gaps == 0 {
        if index == 0 {
            return 0;
        }
        index -= 1;
        gaps = !blocks[index].word;
    }
    index * 64 + 64 - gaps.leading_zeros() as usize
}

/// One past the last byte of the run of word bytes round `inside`.
#[inline]
pub(super) fn run_end(blocks: &[Block], inside: usize) -> usize {
    let mut index = inside / 64;
    let mut gaps = !blocks[index].word & (!0 << (inside % 64));
    while gaps == 0 {
        index += 1;
        match blocks.get(index) {
            Some(block) => gaps = !block.word,
            None => return index * 64,
        }
    }
    index * 64 + gaps.trailing_zeros() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_twins_give_the_same_bits(line in prop::collection::vec(any::<u8>(), 0..400)) {
            let (mut fast, mut slow) = (Vec::new(), Vec::new());
            Twin::detect().fill(&line, &mut fast);
            Twin::Scalar.fill(&line, &mut slow);
            prop_assert_eq!(&fast, &slow);
            prop_assert_eq!(fast.len(), line.len().div_ceil(64) + 1);
            for from in 0..=line.len() {
                let bits = line[from..].iter().take(64).enumerate().fold(Block::default(), |bits, (i, &b)| Block {
                    word: bits.word | u64::from(is_word_byte(b)) << i,
                    digit: bits.digit | u64::from(b.is_ascii_digit()) << i,
                });
                prop_assert_eq!(window(&fast, from), bits);
            }
        }
    }
}
