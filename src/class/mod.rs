//! What a message says about retrying: generic words give a guess; rule packs (`rules/`) come before them.
//!
//! [`guess`] runs once per new line shape, so it may depend on every literal byte, but on the contents of a digit-word only where
//! that is an HTTP status (502, 503, 504, 429), which the fingerprint keeps literal. It prefers silence: a false "retry" on an
//! ordinary line costs more trust than a missed one costs output.

mod figures;
mod stems;
mod vocabulary;

pub use figures::{delay_ns, number};

use crate::record::{Class, Severity, Span};
use crate::scan::find_words;

/// What the words of a message say, and where its figures stand (spans of the message).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guess {
    /// The class.
    pub class: Class,
    /// The number of the attempt.
    pub attempt: Option<Span>,
    /// The limit on attempts.
    pub max_attempts: Option<Span>,
    /// The stated delay before the next attempt, unit included where glued (`500ms`) or following (`5 seconds`); a bare number
    /// where its key names the unit (`delay_ms=500`).
    pub delay: Option<Span>,
    /// What the client tries to reach; of a URL its authority without userinfo.
    pub target: Option<Span>,
}

/// Longest part of a message that is looked at, bytes: what a person would read of it. Bodies and dumps behind it say nothing reliable.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Guesses by generic words. `message` is the raw message.
#[must_use]
pub fn guess(severity: Severity, message: &[u8]) -> Guess {
    let message = &message[..message.len().min(MESSAGE_BYTES_MAX)];
    if !vocabulary::speaks(message) {
        return Guess::default();
    }
    let mut words = Vec::new();
    find_words(message, &mut words);
    let class = vocabulary::class_of(severity, message, &words);
    if class == Class::None {
        return Guess::default();
    }
    let figures = figures::find(message, &words);
    Guess { class, attempt: figures.attempt, max_attempts: figures.max_attempts, delay: figures.delay, target: figures.target }
}

/// The class of a record whose parts (message, error field, exception text) say `a` and `b`: the last word on the matter prevails.
#[must_use]
pub const fn prevailing(a: Class, b: Class) -> Class {
    if vocabulary::rank(b) > vocabulary::rank(a) { b } else { a }
}

#[cfg(test)]
mod tests;
