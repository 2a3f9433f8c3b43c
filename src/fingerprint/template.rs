//! A line whose envelope is peeled becomes a template.

use crate::envelope::Envelope;
use crate::record::Span;
use crate::scan::Word;

/// A variable part that was found in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Where it stands: in the raw line, or in `Envelope::decoded` when there is one.
    pub span: Span,
    /// What stands in its place in the template (`<num>` ...).
    pub placeholder: &'static str,
}

/// The template of one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The text with typed placeholders; UTF-8, lossy.
    pub text: String,
    /// What was masked, left to right.
    pub masks: Vec<Mask>,
    /// Digit-words (or parts of them) of the raw line whose contents decided something (codes that stay literal).
    pub discriminators: Vec<Span>,
}

/// Makes the template of the message and the extras of `envelope`. `words` are the digit-words of the raw line.
#[must_use]
pub fn build(line: &[u8], words: &[Word], envelope: &Envelope) -> Template {
    // Placeholder body while the module is written.
    debug_assert!(words.len() <= line.len());
    Template { text: String::from_utf8_lossy(envelope.message.of(line)).into_owned(), ..Template::default() }
}
