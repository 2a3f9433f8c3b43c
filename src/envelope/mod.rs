//! The envelope: what a runtime, a logger or a protocol wrapped round the message.
//!
//! [`peel`] is the slow path: it runs once per new line shape. Everything it finds is a [`Span`] of the raw
//! line, so that the engine can find the same field by position in later lines of that shape.
//!
//! Rule of the memo: a decision may depend on every byte outside digit-words and on the *kind* of each
//! digit-word, but on the *contents* of a digit-word only if that word is listed in
//! [`Envelope::discriminators`].

mod cursor;
mod header;
mod json;
mod keys;
mod known;
mod level;
mod runtime;
pub mod stamp;
mod tag;

use cursor::Peeler;
use json::Next;

use crate::record::{Severity, Span};
use crate::scan::Word;

/// How the bytes of a stamp are to be read; see `stamp::parse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeField {
    /// Where it stands in the raw line.
    pub span: Span,
    /// How to read it.
    pub format: u8,
}

/// Whether a container runtime cut the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Partial {
    /// A whole line.
    #[default]
    Whole,
    /// More follows (CRI `P`, Docker JSON without `\n`).
    More,
}

/// A field that takes part in the template behind the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// Its key, as written.
    pub key: Span,
    /// How it takes part.
    pub part: ExtraPart,
}

/// How a field takes part in the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtraPart {
    /// An error text: masked.
    Text(Span),
    /// A code that says what kind of failure it is: literal.
    Code(Span),
    /// Only its key.
    Key,
}

/// What was peeled off a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The layers found, outermost first (`cri`, `json/zap`), for `explain`.
    pub layers: Vec<&'static str>,
    /// The runtime's stamp if there is one, else the line's.
    pub time: Option<TimeField>,
    /// What the line says.
    pub severity: Severity,
    /// Logger, component, category.
    pub logger: Option<Span>,
    /// Thread or goroutine.
    pub thread: Option<Span>,
    /// Process id.
    pub pid: Option<Span>,
    /// Host name.
    pub host: Option<Span>,
    /// What names the process that wrote it: a compose/kubectl/stern prefix, a pod field.
    pub instance: Option<Span>,
    /// Which of several writers in one stream wrote it: lines are joined only with lines of the same key.
    pub message: Span,
    /// The message with escapes resolved, where the raw bytes are not the text; such lines are not cached.
    pub decoded: Option<Vec<u8>>,
    /// Fields that take part in the template, in line order.
    pub extras: Vec<Extra>,
    /// Cut by the runtime?
    pub partial: Partial,
    /// Digit-words (or parts of them) whose contents decided something.
    pub discriminators: Vec<Span>,
}

/// Most layers of one line: a runtime in a syslog line in a compose prefix has four.
const MOST_LAYERS: usize = 6;

/// Peels the envelope of one raw line (no line end). `words` are its digit-words.
#[must_use]
pub fn peel(line: &[u8], words: &[Word]) -> Envelope {
    peel_nested(line, words, 0)
}

/// `depth` counts how often a line was found inside a string of another.
fn peel_nested(line: &[u8], words: &[Word], depth: u8) -> Envelope {
    let mut p = Peeler::new(line, words);
    p.trim_end();
    let whole = p.end;
    let mut headers = 0;
    for _ in 0..MOST_LAYERS {
        if runtime::peel(&mut p) {
            continue;
        }
        match json::peel(&mut p, depth) {
            Next::Inside => continue,
            Next::Done => break,
            Next::No => {}
        }
        if json::peel_logfmt(&mut p) || known::peel(&mut p) {
            break;
        }
        // A logger's header may stand behind syslog's; three are no more.
        headers += 1;
        if headers > 2 || !header::peel(&mut p) {
            break;
        }
    }
    p.at = p.at.min(p.end);
    if p.env.layers.is_empty() {
        p.at = 0;
        p.end = whole;
    }
    p.env.message = Span::new(p.at, p.end);
    p.env
}

#[cfg(test)]
mod tests;
