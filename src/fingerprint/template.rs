//! A line whose envelope is peeled becomes a template.

use super::codes;
use super::masks::Masker;
use super::normalise::{self, Mark, Output, Shape};
use crate::envelope::{Envelope, ExtraPart};
use crate::record::Span;
use crate::scan::{self, Word};

/// Most white-space separated words a template is made of. Longer messages are dumps: their head says what they are.
pub const WORDS_MAX: usize = 128;

/// Most bytes of a message's shape (literal bytes, one per digit-word) that take part.
pub const SHAPE_BYTES_MAX: usize = 2 << 10;

/// Stands at the end of a template whose message was longer than the bounds.
pub const REST: &str = " <...>";

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
///
/// The template depends on the bytes outside the digit-words, on the kinds of the digit-words, and on the contents
/// of nothing but [`Template::discriminators`].
#[must_use]
pub fn build(line: &[u8], words: &[Word], envelope: &Envelope) -> Template {
    let mut builder = Builder::default();
    builder.build(line, words, envelope);
    builder.template
}

/// Makes one template after the other in the same memory.
#[derive(Debug, Default)]
pub struct Builder {
    /// Leave [`Template::masks`] empty.
    hides_masks: bool,
    template: Template,
    /// The text of `template` until it is whole; may be no UTF-8.
    text: Vec<u8>,
    shape: Shape,
    masked: Vec<u8>,
    marks: Vec<Mark>,
    /// Digit-words of a decoded message.
    own_words: Vec<Word>,
}

impl Builder {
    /// A builder whose templates do not say where their placeholders come from: [`Template::masks`] is empty.
    #[must_use]
    pub fn without_masks() -> Self {
        Self { hides_masks: true, ..Self::default() }
    }

    /// What [`build`] does; the template stands until the next call.
    pub fn build(&mut self, line: &[u8], words: &[Word], envelope: &Envelope) -> &Template {
        self.template.masks.clear();
        self.template.discriminators.clear();
        self.text = std::mem::take(&mut self.template.text).into_bytes();
        self.text.clear();
        if let Some(decoded) = &envelope.decoded {
            // Such lines are not cached, so that nothing in them needs to be a discriminator of the raw line.
            let mut own = std::mem::take(&mut self.own_words);
            scan::find_words(decoded, &mut own);
            self.mask_text(decoded, &own, Span::new(0, decoded.len()));
            self.own_words = own;
            self.template.discriminators.clear();
        } else {
            self.mask_text(line, words, envelope.message);
        }
        if !envelope.extras.is_empty() {
            self.add_extras(line, words, envelope);
        }
        // Placeholders and signs are ASCII, so that what is no UTF-8 can be told at the end as well as piece by piece.
        let text = std::mem::take(&mut self.text);
        self.template.text = String::from_utf8(text).unwrap_or_else(|odd| String::from_utf8_lossy(odd.as_bytes()).into_owned());
        &self.template
    }

    /// ` key=<masked text>`, ` key=429` or ` key` for each field, sorted by key: loggers that write a map have no order of their own.
    fn add_extras(&mut self, line: &[u8], words: &[Word], envelope: &Envelope) {
        let mut extras: Vec<_> = envelope.extras.iter().collect();
        extras.sort_by_key(|extra| extra.key.of(line));
        for extra in extras {
            if !self.text.is_empty() {
                self.text.push(b' ');
            }
            self.text.extend_from_slice(extra.key.of(line));
            match extra.part {
                ExtraPart::Key => {}
                ExtraPart::Code(span) => {
                    self.text.push(b'=');
                    self.text.extend_from_slice(span.of(line));
                    if words.iter().any(|word| word.start < span.end && word.end > span.start) {
                        self.template.discriminators.push(span);
                    }
                }
                ExtraPart::Text(span) => {
                    self.text.push(b'=');
                    let (masks, discriminators) = (self.template.masks.len(), self.template.discriminators.len());
                    self.mask_text(line, words, span);
                    if envelope.decoded.is_some() {
                        // The masks of a decoded line point into the decoded text, and this is not part of it.
                        self.template.masks.truncate(masks);
                        self.template.discriminators.truncate(discriminators);
                    }
                }
            }
        }
    }

    /// Appends the masked text of `span`.
    fn mask_text(&mut self, text: &[u8], words: &[Word], span: Span) {
        let rest = self.find_shape(text, words, span);
        while self.shape.bytes.last() == Some(&b' ') {
            self.shape.bytes.pop();
        }
        let shape = self.shape.bytes.as_slice();
        let cut = Masker::new(shape, Output::new(shape, &mut self.masked, &mut self.marks)).run(WORDS_MAX);
        self.render();
        if (rest || cut) && !self.text.ends_with(REST.as_bytes()) {
            self.text.extend_from_slice(REST.as_bytes());
        }
    }

    /// The text with each digit-word as one byte (its placeholder); whether the text was longer than the bound.
    fn find_shape(&mut self, text: &[u8], words: &[Word], span: Span) -> bool {
        let shape = &mut self.shape;
        let (from, end) = (span.start as usize, (span.end as usize).min(text.len()));
        shape.begin(text.get(from..end).unwrap_or_default(), !self.hides_masks);
        let first = words.partition_point(|word| word.end as usize <= from);
        let mut at = from;
        let mut words = words[first..].iter();
        while let Some(word) = words.next() {
            let (start, stop) = ((word.start as usize).max(from), (word.end as usize).min(end));
            if start >= end {
                break;
            }
            shape.copy_literal(text, at, start);
            if shape.bytes.len() >= SHAPE_BYTES_MAX {
                shape.bytes.truncate(SHAPE_BYTES_MAX);
                return true;
            }
            // What follows counts as far as the next digit-word only, whose contents are not ours to read.
            let next = words.as_slice().first().map_or(end, |next| (next.start as usize).clamp(stop, end));
            match codes::verdict(&shape.bytes, text, start, stop, next) {
                codes::Verdict::Literal => {
                    self.template.discriminators.push(Span::new(start, stop));
                    shape.copy_literal(text, start, stop);
                }
                codes::Verdict::Masked => {
                    self.template.discriminators.push(Span::new(start, stop));
                    shape.push_word(word.kind, start, stop);
                }
                codes::Verdict::NoCode => shape.push_word(word.kind, start, stop),
            }
            at = stop;
        }
        shape.copy_literal(text, at, end);
        let rest = shape.bytes.len() > SHAPE_BYTES_MAX;
        shape.bytes.truncate(SHAPE_BYTES_MAX);
        rest
    }

    /// Writes the normalised shape with its placeholders spelled out.
    fn render(&mut self) {
        let mut at = 0;
        for mark in &self.marks {
            let i = mark.at as usize;
            self.text.extend_from_slice(&self.masked[at..i]);
            let placeholder = normalise::spelling(self.masked[i]);
            self.text.extend_from_slice(placeholder.as_bytes());
            if !self.hides_masks {
                self.template.masks.push(Mask { span: self.shape.raw_span(mark), placeholder });
            }
            at = i + 1;
        }
        self.text.extend_from_slice(&self.masked[at..]);
    }
}
