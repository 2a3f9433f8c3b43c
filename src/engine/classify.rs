//! Who says which class a message has: rules before generic words.

use crate::class::{self, Guess};
use crate::record::{ClassSource, Severity};

/// Classes messages. Asked once per new template.
#[derive(Debug, Default)]
pub(super) struct Classifier {}

impl Classifier {
    /// The class of a message, where its figures stand, and who says so.
    pub(super) fn classify(&self, severity: Severity, message: &[u8]) -> (Guess, ClassSource) {
        (class::guess(severity, message), ClassSource::Guess)
    }
}
