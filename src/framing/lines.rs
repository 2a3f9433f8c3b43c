//! Bytes to lines, in any chunking. A line ends at `\n`; a line longer than the limit is cut, never buffered without bound.
//!
//! What comes out depends on the bytes alone, not on how they were chunked: a piece of exactly the limit is handed out only when
//! another byte of its line is seen, since until then it may still be a whole line.

use crate::scan::Newlines;

/// Capacity that an empty carry may keep, bytes: one ordinary long line. A stream that once saw a huge line gives the memory back.
const CARRY_KEPT_BYTES: usize = 16 * 1024;

/// Whether a line is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// From its beginning to its end.
    #[default]
    Whole,
    /// The first piece of a line that was longer than the limit.
    Head,
    /// A further piece of it; the last one carries the line end.
    Rest,
}

/// One line as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawLine<'a> {
    /// All its bytes, its line end included (`\n` or `\r\n`; none for a cut piece or the last line of an input).
    pub bytes: &'a [u8],
    /// Length without the line end.
    pub text_len: usize,
    /// Whether it was cut.
    pub cut: Cut,
}

impl<'a> RawLine<'a> {
    fn new(bytes: &'a [u8], cut: Cut) -> Self {
        let text_len = match bytes {
            [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] => text.len(),
            text => text.len(),
        };
        Self { bytes, text_len, cut }
    }

    /// Its bytes without the line end.
    #[must_use]
    pub fn text(&self) -> &'a [u8] {
        &self.bytes[..self.text_len]
    }
}

/// Splits the bytes of one stream. Holds at most `line_bytes_max` bytes.
#[derive(Debug)]
pub struct LineSplitter {
    line_bytes_max: usize,
    /// The unfinished line, or the unfinished piece of it.
    carry: Vec<u8>,
    /// A piece of the current line has already been handed out.
    is_cut: bool,
}

impl LineSplitter {
    /// A splitter that cuts lines after `line_bytes_max` bytes, the line end included (at least 1).
    #[must_use]
    pub const fn new(line_bytes_max: usize) -> Self {
        Self { line_bytes_max: if line_bytes_max == 0 { 1 } else { line_bytes_max }, carry: Vec::new(), is_cut: false }
    }

    /// Calls `each` for every line that `chunk` completes, and for every full piece of a line that is too long.
    /// Lines that lie inside the chunk are not copied.
    pub fn feed(&mut self, chunk: &[u8], mut each: impl FnMut(RawLine<'_>)) {
        let mut from = 0;
        for at in Newlines::new(chunk) {
            from = self.cut(chunk, from, at, &mut each);
            let cut = if self.is_cut { Cut::Rest } else { Cut::Whole };
            self.hand_out(&chunk[from..=at], cut, &mut each);
            self.is_cut = false;
            from = at + 1;
        }
        if let Some(last) = chunk.len().checked_sub(1).filter(|last| *last >= from) {
            from = self.cut(chunk, from, last, &mut each);
            self.keep(&chunk[from..]);
        }
    }

    /// Hands out pieces until the byte at `last` fits into what may be kept. Gives back where the next piece begins.
    #[inline]
    fn cut(&mut self, chunk: &[u8], mut from: usize, last: usize, each: &mut impl FnMut(RawLine<'_>)) -> usize {
        loop {
            let room = self.line_bytes_max - self.carry.len();
            if last - from < room {
                return from;
            }
            let cut = if self.is_cut { Cut::Rest } else { Cut::Head };
            self.hand_out(&chunk[from..from + room], cut, each);
            self.is_cut = true;
            from += room;
        }
    }

    /// The input has ended: what is left is a line (or the last piece of one) without an end.
    pub fn finish(&mut self, mut each: impl FnMut(RawLine<'_>)) {
        if !self.carry.is_empty() {
            let cut = if self.is_cut { Cut::Rest } else { Cut::Whole };
            self.hand_out(&[], cut, &mut each);
        }
        self.is_cut = false;
    }

    /// Bytes of the unfinished line (of its unfinished piece, when the line is being cut).
    #[must_use]
    pub const fn open_bytes(&self) -> usize {
        self.carry.len()
    }

    #[inline(always)]
    fn hand_out(&mut self, end: &[u8], cut: Cut, each: &mut impl FnMut(RawLine<'_>)) {
        if self.carry.is_empty() {
            each(RawLine::new(end, cut));
            return;
        }
        self.keep(end);
        each(RawLine::new(&self.carry, cut));
        if self.carry.capacity() > CARRY_KEPT_BYTES {
            self.carry = Vec::new();
        } else {
            self.carry.clear();
        }
    }

    /// Appends to the carry; grows by doubling, but never beyond the limit.
    fn keep(&mut self, bytes: &[u8]) {
        let needed = self.carry.len() + bytes.len();
        if needed > self.carry.capacity() {
            let capacity = needed.max(self.carry.capacity() * 2).min(self.line_bytes_max);
            self.carry.reserve_exact(capacity - self.carry.len());
        }
        self.carry.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Owned = (Vec<u8>, usize, Cut);

    fn split(limit: usize, chunks: &[&[u8]]) -> Vec<Owned> {
        let mut splitter = LineSplitter::new(limit);
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.feed(chunk, |l| lines.push((l.bytes.to_vec(), l.text_len, l.cut)));
            assert!(splitter.open_bytes() <= limit && splitter.carry.capacity() <= limit.max(CARRY_KEPT_BYTES));
        }
        splitter.finish(|l| lines.push((l.bytes.to_vec(), l.text_len, l.cut)));
        assert_eq!(splitter.open_bytes(), 0);
        lines
    }

    fn check(limit: usize, input: &[u8], expected: &[(&[u8], usize, Cut)]) {
        let expected: Vec<Owned> = expected.iter().map(|(b, n, c)| (b.to_vec(), *n, *c)).collect();
        assert_eq!(split(limit, &[input]), expected);
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(split(limit, &bytes), expected, "byte by byte");
    }

    #[test]
    fn a_line_ends_at_the_newline_and_the_last_one_needs_none() {
        check(64, b"one\ntwo\n\nthree", &[(b"one\n", 3, Cut::Whole), (b"two\n", 3, Cut::Whole), (b"\n", 0, Cut::Whole), (b"three", 5, Cut::Whole)]);
    }

    #[test]
    fn a_carriage_return_belongs_to_the_line_end_only_before_a_newline() {
        check(64, b"a\r\nb\rc\n\r\nd\r", &[(b"a\r\n", 1, Cut::Whole), (b"b\rc\n", 3, Cut::Whole), (b"\r\n", 0, Cut::Whole), (b"d\r", 2, Cut::Whole)]);
    }

    #[test]
    fn nul_is_an_ordinary_byte() {
        check(64, b"a\0b\n\0\0", &[(b"a\0b\n", 3, Cut::Whole), (b"\0\0", 2, Cut::Whole)]);
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_whole() {
        check(4, b"abc\nabcd", &[(b"abc\n", 3, Cut::Whole), (b"abcd", 4, Cut::Whole)]);
    }

    #[test]
    fn a_longer_line_is_cut_into_pieces_of_the_limit() {
        check(4, b"abcd\nx\n", &[(b"abcd", 4, Cut::Head), (b"\n", 0, Cut::Rest), (b"x\n", 1, Cut::Whole)]);
        check(4, b"abcdefghij\nx\n", &[(b"abcd", 4, Cut::Head), (b"efgh", 4, Cut::Rest), (b"ij\n", 2, Cut::Rest), (b"x\n", 1, Cut::Whole)]);
        check(4, b"abcdefgh", &[(b"abcd", 4, Cut::Head), (b"efgh", 4, Cut::Rest)]);
    }

    #[test]
    fn an_empty_input_has_no_line() {
        check(4, b"", &[]);
    }

    #[test]
    fn a_stream_without_newlines_needs_no_more_memory_than_the_limit() {
        let limit = 64 * 1024;
        let mut splitter = LineSplitter::new(limit);
        let chunk = vec![b'x'; 10_007];
        let mut total = 0;
        for _ in 0..10_000 {
            splitter.feed(&chunk, |l| total += l.bytes.len());
            assert!(splitter.carry.capacity() <= limit);
        }
        splitter.finish(|l| total += l.bytes.len());
        assert_eq!(total, 10_007 * 10_000);
    }

    #[test]
    fn memory_of_a_huge_line_is_given_back() {
        let mut splitter = LineSplitter::new(1 << 20);
        splitter.feed(&vec![b'x'; 500_000], |_| ());
        splitter.feed(b"\n", |l| assert_eq!(l.text_len, 500_000));
        assert_eq!(splitter.carry.capacity(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn chunking_changes_nothing(
            input in proptest::collection::vec(prop_oneof![3 => Just(b'a'), 1 => Just(b'\n'), 1 => Just(b'\r'), 1 => Just(0u8), 1 => any::<u8>()], 0..200),
            cuts in proptest::collection::vec(1usize..9, 0..200),
            limit in 1usize..20,
        ) {
            let whole = split(limit, &[&input]);
            let glued: Vec<u8> = whole.iter().flat_map(|(b, ..)| b.iter().copied()).collect();
            prop_assert_eq!(&glued, &input);
            prop_assert!(whole.iter().all(|(b, ..)| !b.is_empty() && b.len() <= limit));
            let mut chunks = Vec::new();
            let mut rest = &input[..];
            for cut in cuts {
                let (chunk, left) = rest.split_at(cut.min(rest.len()));
                chunks.push(chunk);
                rest = left;
            }
            chunks.push(rest);
            prop_assert_eq!(split(limit, &chunks), whole);
        }
    }
}
