//! Where lines end: 64 bytes at a time.
//!
//! Two twins: SSE2, which every x86-64 has, and a walk over the bytes for every other machine. A test compares them.

/// The line ends of `bytes`, in ascending order.
#[derive(Debug)]
pub struct Newlines<'a> {
    bytes: &'a [u8],
    /// Where the 64 bytes begin that `bits` stands for.
    block: usize,
    /// Which of them end a line and were not given out yet.
    bits: u64,
}

impl<'a> Newlines<'a> {
    /// Of these bytes.
    #[must_use]
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, block: 0, bits: block(bytes, 0) }
    }
}

impl Iterator for Newlines<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.bits == 0 {
            self.block += 64;
            if self.block >= self.bytes.len() {
                return None;
            }
            self.bits = block(self.bytes, self.block);
        }
        let at = self.block + self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        Some(at)
    }
}

/// Which of the 64 bytes from `from` on (or of as many as there are) end a line.
#[inline(always)]
fn block(bytes: &[u8], from: usize) -> u64 {
    match bytes.get(from..).and_then(|rest| rest.first_chunk::<64>()) {
        Some(block) => whole_block(block),
        None => by_byte(bytes.get(from..).unwrap_or_default()),
    }
}

fn by_byte(bytes: &[u8]) -> u64 {
    bytes.iter().enumerate().fold(0, |bits, (i, &b)| bits | u64::from(b == b'\n') << i)
}

#[cfg(not(target_arch = "x86_64"))]
fn whole_block(block: &[u8; 64]) -> u64 {
    by_byte(block)
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(unsafe_code, reason = "vector loads; every one stays inside the block")]
fn whole_block(block: &[u8; 64]) -> u64 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8};
    let quarter = |at: usize| {
        // SAFETY: `at` is 0, 16, 32 or 48, so that 16 bytes of the block begin there; the load needs no alignment, and every x86-64 has SSE2.
        let bits = unsafe {
            let bytes = _mm_loadu_si128(block.as_ptr().add(at).cast());
            _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\n' as i8)))
        };
        u64::from(bits.cast_unsigned()) << at
    };
    quarter(0) | quarter(16) | quarter(32) | quarter(48)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_twins_find_the_same_line_ends(bytes in prop::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(b'\n')], 0..300)) {
            let expected: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] == b'\n').collect();
            prop_assert_eq!(Newlines::new(&bytes).collect::<Vec<_>>(), expected);
            if let Some(block) = bytes.first_chunk::<64>() {
                prop_assert_eq!(whole_block(block), by_byte(block));
            }
        }
    }
}
