//! The scanner: one pass over a raw line that finds its *digit-words* and its *skeleton*.
//!
//! A digit-word is a run of word bytes with at least one digit, widened to whole time
//! stamps, `ip:port`, `host:port` ([`words`]). Everything else is literal. The skeleton is the
//! literal bytes with each digit-word replaced by a marker and its [`Kind`]: two lines with one
//! skeleton differ in nothing but the contents of digit-words of the same kinds, so that every
//! decision about the line (envelope, template, class) holds for both, unless it looked
//! into a word (a *discriminator*).
//!
//! Bounds: the caller bounds the line; the skeleton is never longer than the line + 1 byte per word.

mod bitmap;
mod guide;
mod newline;
pub mod words;

use bitmap::{Bits, Twin};
pub use guide::{Guide, Leaf};
pub use newline::Newlines;
pub use words::{Kind, Word};

/// Stands before a [`Kind`] in a skeleton. Not a byte of valid UTF-8; lines that hold it are not cached.
pub const MARK: u8 = 0xFF;

/// Bytes copied at once into a skeleton: one vector register.
const LITERAL_STEP: usize = 32;

/// Finds the digit-words of `line`, byte by byte: the twin that says what the scanner means.
pub fn find_words(line: &[u8], out: &mut Vec<Word>) {
    out.clear();
    words::for_each(line, |word| out.push(word));
}

/// Scans lines; its buffers live as long as it does, so that a line allocates nothing.
#[derive(Debug)]
pub struct Scanner {
    twin: Twin,
    bits: Bits,
    /// Grows to what the line with most words needed; the first `words_found` are those of the line at hand.
    words: Vec<Word>,
    words_found: usize,
    /// Grows to what the longest line needed; the first `skeleton_len` bytes hold the skeleton.
    skeleton: Vec<u8>,
    skeleton_len: usize,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Scanner {
    /// A scanner of the fastest kind that this CPU runs.
    #[must_use]
    pub fn new() -> Self {
        let words = vec![Word { start: 0, end: 0, kind: Kind::Id }; guide::WORDS_MAX];
        Self { twin: Twin::detect(), bits: Bits::default(), words, words_found: 0, skeleton: Vec::new(), skeleton_len: 0 }
    }

    /// Finds words and skeleton of `line` (no line end).
    pub fn scan(&mut self, line: &[u8]) {
        self.begin(line);
        self.finish(line);
    }

    /// As [`Scanner::scan`], but along a way that `guide` knows, if it knows the line's: then only the words are there, and
    /// [`Scanner::finish`] makes the skeleton if it is wanted after all.
    #[inline]
    pub fn scan_along(&mut self, line: &[u8], guide: &Guide) -> Option<Leaf> {
        let leaf;
        (leaf, self.words_found) = self.twin.follow(line, &mut self.bits, guide, &mut self.words);
        if leaf.is_none() {
            self.finish(line);
        }
        leaf
    }

    fn begin(&mut self, line: &[u8]) {
        self.twin.fill(line, &mut self.bits);
        self.words_found = 0;
    }

    /// Finds the words that are not found yet, and the skeleton.
    pub fn finish(&mut self, line: &[u8]) {
        let mut at = self.words().last().map_or(0, |word| word.end as usize);
        while let Some(word) = next_word(line, &self.bits, at) {
            at = word.end as usize;
            match self.words.get_mut(self.words_found) {
                Some(place) => *place = word,
                None => self.words.push(word),
            }
            self.words_found += 1;
        }
        self.skeleton_len = 0;
        // Each word takes two bytes and is one byte long at least; `push_literal` may write a whole step too far.
        let room = 2 * line.len() + LITERAL_STEP;
        if self.skeleton.len() < room {
            self.skeleton.resize(room, 0);
        }
        let mut floor = 0;
        for index in 0..self.words_found {
            let word = self.words[index];
            self.push_literal(line, floor, word.start as usize);
            self.skeleton[self.skeleton_len] = MARK;
            self.skeleton[self.skeleton_len + 1] = word.kind as u8;
            self.skeleton_len += 2;
            floor = word.end as usize;
        }
        self.push_literal(line, floor, line.len());
    }

    /// Adds `line[from..to]` to the skeleton. Most pieces are short: a copy of one fixed size, of which only the beginning counts, is
    /// faster than a copy of just the right one.
    #[inline]
    fn push_literal(&mut self, line: &[u8], from: usize, to: usize) {
        let length = to - from;
        let at = self.skeleton_len;
        match line.get(from..from + LITERAL_STEP) {
            Some(step) if length <= LITERAL_STEP => self.skeleton[at..at + LITERAL_STEP].copy_from_slice(step),
            _ => self.skeleton[at..at + length].copy_from_slice(&line[from..to]),
        }
        self.skeleton_len = at + length;
    }

    /// The digit-words of the line last scanned, left to right.
    #[must_use]
    pub fn words(&self) -> &[Word] {
        &self.words[..self.words_found]
    }

    /// The skeleton of the line last scanned.
    #[must_use]
    pub fn skeleton(&self) -> &[u8] {
        &self.skeleton[..self.skeleton_len]
    }
}

/// The first digit-word behind `from`, which is the end of the word before it (or the beginning of the line).
#[inline(never)]
fn next_word(line: &[u8], bits: &Bits, from: usize) -> Option<Word> {
    let mut at = from;
    while let Some(digit) = bits.next_digit(at) {
        // A word may have ended inside this run (widened ones, colour codes): what is left of it is a run of its own.
        let start = bits.run_start(digit).max(at);
        let end = bits.run_end(digit).min(line.len());
        if let Some(word) = words::classify_run(line, start, end, from, bits) {
            return Some(word);
        }
        at = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn agree(line: &[u8]) -> Result<(), TestCaseError> {
        let mut expected = Vec::new();
        find_words(line, &mut expected);
        let mut scanner = Scanner::new();
        scanner.scan(line);
        prop_assert_eq!(scanner.words(), expected);
        Ok(())
    }

    proptest! {
        #[test]
        fn the_fast_scanner_finds_the_words_of_its_twin(line in prop::collection::vec(any::<u8>(), 0..300)) {
            agree(&line)?;
        }

        #[test]
        fn also_in_lines_that_look_like_logs(
            parts in prop::collection::vec(prop_oneof![
                Just("2026-11-23T10:00:00.001Z"), Just("10.0.0.1:9092"), Just(" "), Just(":"), Just("pool-1-thread-22"), Just("[::1]"),
                Just("0x7f"), Just("5ms"), Just("fe80::1ff:fe23:4567:890a"), Just("Jun 15 02:04:05"), Just("eth0"), Just("-"), Just("héllo"),
                Just("20171223-22:15:29:606|"), Just("E1123 10:00:00.123456  "), Just("ORA-12541:"), Just("a1b2"), Just("00:1a:2b:3c:4d:5e"),
            ], 0..24)
        ) {
            agree(parts.concat().as_bytes())?;
        }
    }

    #[test]
    fn lines_that_differ_only_in_numbers_have_one_skeleton() {
        let mut scanner = Scanner::new();
        scanner.scan(b"retry 12 of host-3:80 in 5ms");
        let first = scanner.skeleton().to_vec();
        scanner.scan(b"retry 1999 of host-77:8080 in 250ms");
        assert_eq!(scanner.skeleton(), first);
    }
}
