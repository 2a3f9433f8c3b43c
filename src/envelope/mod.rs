//! The envelope: what a runtime, a logger or a protocol wrapped round the message.
//!
//! [`peel`] is the slow path: it runs once per new line shape. Everything it finds is a [`Span`] of the raw
//! line, so that the engine can find the same field by position in later lines of that shape.
//!
//! Layers are peeled from the outside in: a runtime's or prefix (`runtime`), structured text (`json`, `keys`), a logger's header whose
//! syntax is its own (`known`), or any other (`header`, `fields`). Time is the outermost layer's, severity the innermost one's that says one.
//! A string with escapes is resolved into [`Envelope::decoded`]; spans found in resolved text are carried back to the raw line, and are
//! dropped where an escape lies inside them.
//!
//! Rule of the memo: a decision may depend on every byte outside digit-words and on the *kind* of each
//! digit-word, but on the *contents* of a digit-word only if that word is listed in
//! [`Envelope::discriminators`].

mod cursor;
mod fields;
mod header;
mod json;
mod keys;
mod known;
mod layers;
mod level;
mod runtime;
pub mod stamp;
mod tag;

pub use layers::Layers;

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
    pub layers: Layers,
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
    /// What is left: the text that is fingerprinted.
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

/// Most coloured words of one line that are listed as discriminators.
const MOST_DISCRIMINATORS: usize = 64;

/// Peels the envelope of one raw line (no line end). `words` are its digit-words.
///
/// The work is linear in the line; nothing but the vectors of the [`Envelope`] is allocated, save where a string's escapes must be resolved or
/// colour codes looked past.
#[must_use]
pub fn peel(line: &[u8], words: &[Word]) -> Envelope {
    if memchr::memchr(0x1B, line).is_some() {
        return peel_coloured(line, words);
    }
    peel_nested(line, words, 0)
}

/// To the scanner a colour code's digits belong to the word behind them (`ESC[2m2026-11-23` is one word). Here the words are found again with
/// the codes blanked out, and every word that was glued to a code counts as looked into.
fn peel_coloured(line: &[u8], words: &[Word]) -> Envelope {
    let mut plain = line.to_vec();
    for escape in memchr::memchr_iter(0x1B, line) {
        let code = line[escape..].iter().skip(2).take(16).take_while(|b| b.is_ascii_digit() || **b == b';').count();
        let end = escape + 2 + code;
        if line.get(escape + 1) == Some(&b'[') && line.get(end) == Some(&b'm') {
            plain[escape..=end].fill(b' ');
        }
    }
    let mut clean = Vec::with_capacity(words.len());
    crate::scan::words::for_each(&plain, |word| clean.push(word));
    let mut env = peel_nested(line, &clean, 0);
    // Those that begin elsewhere than a clean word and reach into one.
    let glued = words.iter().filter(|w| {
        let next = clean.partition_point(|c| c.end <= w.start);
        clean.get(next).is_some_and(|c| c.start < w.end && c.start != w.start)
    });
    env.discriminators.extend(glued.take(MOST_DISCRIMINATORS).map(|w| Span::new(w.start as usize, w.end as usize)));
    env
}

/// `depth` counts how often a line was found inside a string of another.
fn peel_nested(line: &[u8], words: &[Word], depth: u8) -> Envelope {
    let mut p = Peeler::new(line, words);
    p.trim_end();
    let whole = p.end;
    // A logger's header may stand behind syslog's; behind that only structured text.
    let (mut syslog, mut header) = (false, false);
    for _ in 0..MOST_LAYERS {
        if !header {
            match runtime::peel(&mut p) {
                runtime::Peeled::Nothing => {}
                runtime::Peeled::Layer => continue,
                runtime::Peeled::Syslog => {
                    syslog = true;
                    continue;
                }
            }
        }
        match json::peel(&mut p, depth) {
            Next::Inside => continue,
            Next::Done => break,
            Next::No => {}
        }
        if json::peel_logfmt(&mut p) || header || known::peel(&mut p) {
            break;
        }
        match header::peel(&mut p, syslog) {
            header::Peeled::Nothing => break,
            header::Peeled::Syslog => syslog = true,
            header::Peeled::Header => header = true,
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
