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

pub mod words;

pub use words::{Kind, Word};

/// Stands before a [`Kind`] in a skeleton. Not a byte of valid UTF-8; lines that hold it are not cached.
pub const MARK: u8 = 0xFF;

/// Finds the digit-words of `line` (the scalar twin).
pub fn find_words(line: &[u8], out: &mut Vec<Word>) {
    out.clear();
    words::for_each(line, |word| out.push(word));
}
