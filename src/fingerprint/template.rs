//! A line whose envelope is peeled becomes a template.

use super::codes;
use super::masks::Masker;
use super::normalise::{self, Mark, Shape};
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
    let mut template = Template::default();
    if let Some(decoded) = &envelope.decoded {
        // Such lines are not cached, so that nothing in them needs to be a discriminator of the raw line.
        let mut own = Vec::new();
        scan::find_words(decoded, &mut own);
        mask_text(decoded, &own, Span::new(0, decoded.len()), &mut template);
        template.discriminators.clear();
    } else {
        mask_text(line, words, envelope.message, &mut template);
    }
    if !envelope.extras.is_empty() {
        add_extras(line, words, envelope, &mut template);
    }
    template
}

/// ` key=<masked text>`, ` key=429` or ` key` for each field, sorted by key: loggers that write a map have no order of their own.
fn add_extras(line: &[u8], words: &[Word], envelope: &Envelope, template: &mut Template) {
    let mut extras: Vec<_> = envelope.extras.iter().collect();
    extras.sort_by_key(|extra| extra.key.of(line));
    for extra in extras {
        if !template.text.is_empty() {
            template.text.push(' ');
        }
        push_lossy(&mut template.text, extra.key.of(line));
        match extra.part {
            ExtraPart::Key => {}
            ExtraPart::Code(span) => {
                template.text.push('=');
                push_lossy(&mut template.text, span.of(line));
                if words.iter().any(|word| word.start < span.end && word.end > span.start) {
                    template.discriminators.push(span);
                }
            }
            ExtraPart::Text(span) => {
                template.text.push('=');
                if envelope.decoded.is_some() {
                    // The masks of a decoded line point into the decoded text, and this is not part of it.
                    let mut own = Template::default();
                    mask_text(line, words, span, &mut own);
                    template.text.push_str(&own.text);
                } else {
                    mask_text(line, words, span, template);
                }
            }
        }
    }
}

/// Appends the masked text of `span`.
fn mask_text(text: &[u8], words: &[Word], span: Span, template: &mut Template) {
    let (mut shape, rest) = shape_of(text, words, span, &mut template.discriminators);
    while shape.bytes.last() == Some(&b' ') {
        shape.bytes.pop();
    }
    let mut masker = Masker::new(&shape.bytes);
    let cut = masker.run(WORDS_MAX);
    let (bytes, marks) = masker.finish();
    render(&bytes, &marks, &shape, template);
    if (rest || cut) && !template.text.ends_with(REST) {
        template.text.push_str(REST);
    }
}

/// The text with each digit-word as one byte (its placeholder), and whether the text was longer than the bound.
fn shape_of(text: &[u8], words: &[Word], span: Span, discriminators: &mut Vec<Span>) -> (Shape, bool) {
    let (from, end) = (span.start as usize, (span.end as usize).min(text.len()));
    let first = words.partition_point(|word| word.end as usize <= from);
    let mut shape = Shape::with_capacity((end.saturating_sub(from)).min(SHAPE_BYTES_MAX) + 8);
    let mut at = from;
    for (i, word) in words.iter().enumerate().skip(first) {
        let (start, stop) = ((word.start as usize).max(from), (word.end as usize).min(end));
        if start >= end {
            break;
        }
        shape.copy_literal(text, at, start);
        if shape.bytes.len() >= SHAPE_BYTES_MAX {
            shape.bytes.truncate(SHAPE_BYTES_MAX);
            return (shape, true);
        }
        // What follows counts as far as the next digit-word only, whose contents are not ours to read.
        let next = words.get(i + 1).map_or(end, |next| (next.start as usize).clamp(stop, end));
        match codes::verdict(&shape.bytes, text, start, stop, next) {
            codes::Verdict::Literal => {
                discriminators.push(Span::new(start, stop));
                shape.copy_literal(text, start, stop);
            }
            codes::Verdict::Masked => {
                discriminators.push(Span::new(start, stop));
                shape.push_word(word.kind, start, stop);
            }
            codes::Verdict::NoCode => shape.push_word(word.kind, start, stop),
        }
        at = stop;
    }
    shape.copy_literal(text, at, end);
    let rest = shape.bytes.len() > SHAPE_BYTES_MAX;
    shape.bytes.truncate(SHAPE_BYTES_MAX);
    (shape, rest)
}

/// Writes the normalised shape with its placeholders spelled out.
fn render(bytes: &[u8], marks: &[Mark], shape: &Shape, template: &mut Template) {
    template.text.reserve(bytes.len() + 6 * marks.len());
    template.masks.reserve(marks.len());
    let (mut at, mut next) = (0, 0);
    for (i, &byte) in bytes.iter().enumerate() {
        if !normalise::is_placeholder(byte) {
            continue;
        }
        push_lossy(&mut template.text, &bytes[at..i]);
        let placeholder = normalise::spelling(byte);
        template.text.push_str(placeholder);
        if let Some(mark) = marks.get(next) {
            template.masks.push(Mask { span: shape.raw_span(mark), placeholder });
        }
        next += 1;
        at = i + 1;
    }
    push_lossy(&mut template.text, &bytes[at..]);
}

fn push_lossy(text: &mut String, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(valid) => text.push_str(valid),
        Err(_) => text.push_str(&String::from_utf8_lossy(bytes)),
    }
}
