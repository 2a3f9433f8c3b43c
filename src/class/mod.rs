//! What a message says about retrying: generic words give a guess; rule packs (`rules/`) will come before them.

use crate::record::{Class, Severity, Span};

/// What the words of a message say, and where its figures stand (spans of the message).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guess {
    /// The class.
    pub class: Class,
    /// The number of the attempt.
    pub attempt: Option<Span>,
    /// The limit on attempts.
    pub max_attempts: Option<Span>,
    /// The stated delay before the next attempt, unit included where glued (`500ms`) or following (`5 seconds`).
    pub delay: Option<Span>,
    /// What the client tries to reach.
    pub target: Option<Span>,
}

/// Guesses by generic words. `message` is the raw message.
#[must_use]
pub fn guess(severity: Severity, message: &[u8]) -> Guess {
    // Placeholder body while the module is written.
    debug_assert!(severity >= Severity::Unknown && message.len() < usize::MAX);
    Guess::default()
}
