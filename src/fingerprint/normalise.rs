//! The alphabet in which a message is masked: literal bytes, and one byte for each variable part.
//!
//! The control bytes 0x0E..=0x1B stand for placeholders; such bytes of the line itself become blanks. [`Output`] keeps the
//! normal form while it is written: a placeholder eats what is glued to it, and placeholders with nothing but
//! punctuation or blanks between them are one.

use crate::record::Span;
use crate::scan::Kind;

pub(super) const NUM: u8 = 0x0E;
pub(super) const HEX: u8 = 0x0F;
pub(super) const UUID: u8 = 0x10;
pub(super) const IP: u8 = 0x11;
pub(super) const HOST: u8 = 0x12;
pub(super) const PATH: u8 = 0x13;
pub(super) const URL: u8 = 0x14;
pub(super) const EMAIL: u8 = 0x15;
pub(super) const DUR: u8 = 0x16;
pub(super) const SIZE: u8 = 0x17;
pub(super) const TIME: u8 = 0x18;
pub(super) const ID: u8 = 0x19;
pub(super) const STR: u8 = 0x1A;
pub(super) const ANY: u8 = 0x1B;

const SPELLINGS: [&str; 14] =
    ["<num>", "<hex>", "<uuid>", "<ip>", "<host>", "<path>", "<url>", "<email>", "<dur>", "<size>", "<time>", "<id>", "<str>", "<*>"];

/// Most bytes of punctuation between two placeholders that are still one list.
const LIST_GAP_MAX: usize = 8;

pub(super) const fn is_placeholder(byte: u8) -> bool {
    byte >= NUM && byte <= ANY
}

/// How a placeholder is written in a template.
pub(super) fn spelling(byte: u8) -> &'static str {
    SPELLINGS[(byte - NUM) as usize]
}

/// The placeholder that `text` begins with, and its length.
pub(super) fn spelled(text: &[u8]) -> Option<(u8, usize)> {
    let found = SPELLINGS.iter().position(|name| text.starts_with(name.as_bytes()))?;
    Some((NUM + found as u8, SPELLINGS[found].len()))
}

const fn of_kind(kind: Kind) -> u8 {
    match kind {
        Kind::Num | Kind::Num6 | Kind::Num8 | Kind::Epoch => NUM,
        Kind::Hex => HEX,
        Kind::Uuid => UUID,
        Kind::Ip => IP,
        Kind::Host => HOST,
        Kind::Dur => DUR,
        Kind::Size => SIZE,
        Kind::Stamp | Kind::Date | Kind::Time => TIME,
        Kind::Id => ID,
    }
}

/// Glued to a placeholder and eaten by it.
pub(super) const GLUE: u8 = 1;
/// Part of a name.
pub(super) const NAME: u8 = 2;
/// Ends a path, an unquoted value.
const STOP: u8 = 4;
/// May begin something that is masked without a digit or a letter in front.
pub(super) const SIGN: u8 = 8;
/// A path needs a closer look here, or ends.
pub(super) const PATH_SIGN: u8 = 16;
/// Joins the parts of a name.
pub(super) const TIE: u8 = 32;

/// What each byte is to the masks.
static LOOKS: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut i = 0;
    while i < 256 {
        let byte = i as u8;
        table[i] = match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..=0xFF => GLUE | NAME,
            b'-' => NAME | TIE,
            b'.' => NAME | TIE | SIGN,
            b'"' | b'(' => STOP | PATH_SIGN | SIGN,
            b' ' | b'\t' | b'\'' | b'<' | b'>' | b')' | b'{' | b'}' | b'|' | b',' | b';' | b'`' => STOP | PATH_SIGN,
            b'[' | b']' | b':' => PATH_SIGN,
            b'/' | b'\\' | b'~' | b'$' | b'@' => SIGN,
            _ => 0,
        };
        i += 1;
    }
    table
};

/// Everything that a byte is, as bits.
#[inline]
pub(super) fn looks(byte: u8) -> u8 {
    LOOKS[byte as usize]
}

/// Letters, digits, `_`, and bytes of other scripts: what is glued to a placeholder and eaten by it.
#[inline]
pub(super) fn is_glue(byte: u8) -> bool {
    looks(byte) & GLUE != 0
}

/// What a name is made of: glue, points and dashes.
#[inline]
pub(super) fn is_name_byte(byte: u8) -> bool {
    looks(byte) & NAME != 0
}

/// Ends a path, an unquoted value.
#[inline]
pub(super) fn is_stop(byte: u8) -> bool {
    looks(byte) & STOP != 0
}

/// A message in the alphabet of this module.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) bytes: Vec<u8>,
    /// (index in `bytes`, offset in the text) wherever the distance between the two changes.
    origins: Vec<(u32, u32)>,
    /// Whether `origins` are kept.
    has_origins: bool,
    /// The text has neither control bytes nor `<`: its literals are copied as they are.
    is_plain: bool,
    /// Inside the parameters of a terminal colour, which is no part of the message.
    in_colour: bool,
}

impl Shape {
    /// Empty, for literals of `text`; [`Shape::raw_span`] can be asked when it `has_origins`.
    pub(super) fn begin(&mut self, text: &[u8], has_origins: bool) {
        self.has_origins = has_origins;
        self.bytes.clear();
        self.origins.clear();
        self.is_plain = !text.iter().fold(false, |odd, &byte| odd | (byte < 0x20) | (byte == b'<'));
        self.in_colour = false;
    }

    /// One byte for a digit-word that stands at `start..end` of the text.
    #[inline]
    pub(super) fn push_word(&mut self, kind: Kind, start: usize, end: usize) {
        if self.in_colour {
            // `ESC [ 1 ; 31m`: all but the last parameter are plain numbers.
            self.in_colour = kind == Kind::Num;
            self.origin_is(end);
            return;
        }
        self.push(of_kind(kind), start, end);
    }

    #[inline]
    fn push(&mut self, placeholder: u8, start: usize, end: usize) {
        self.origin_is(start);
        self.bytes.push(placeholder);
        self.origin_is(end);
    }

    /// The next byte stands at `offset` of the text.
    #[inline]
    fn origin_is(&mut self, offset: usize) {
        if self.has_origins {
            self.origins.push((self.bytes.len() as u32, offset as u32));
        }
    }

    /// Copies `start..end` of the text. Placeholders that the text itself spells out become placeholders again, so that a template is
    /// its own template.
    #[inline]
    pub(super) fn copy_literal(&mut self, text: &[u8], start: usize, end: usize) {
        if self.origins.is_empty() {
            self.origin_is(start);
        }
        if self.is_plain {
            self.bytes.extend_from_slice(text.get(start..end).unwrap_or_default());
        } else {
            self.copy_odd(text, start, end);
        }
    }

    fn copy_odd(&mut self, text: &[u8], start: usize, end: usize) {
        let mut at = start;
        if self.in_colour && start < end {
            self.in_colour = &text[start..end] == b";";
            at += usize::from(self.in_colour);
        }
        let mut next = at;
        while let Some(len) = text.get(next..end).and_then(|rest| rest.iter().position(|&byte| byte < 0x20 || byte == b'<')) {
            let i = next + len;
            next = i + 1;
            if text[i] == b'<' {
                if let Some((placeholder, len)) = spelled(&text[i..end]) {
                    self.bytes.extend_from_slice(&text[at..i]);
                    self.push(placeholder, i, i + len);
                    at = i + len;
                    next = at;
                }
                continue;
            }
            self.bytes.extend_from_slice(&text[at..i]);
            if text[i] == 0x1B && i + 1 < end && text[i + 1] == b'[' {
                // `ESC [ m` has no number; every other colour begins with one.
                let is_reset = i + 2 < end && text[i + 2] == b'm';
                self.in_colour = i + 2 == end;
                at = i + if is_reset { 3 } else { 2 };
                next = at;
                self.origin_is(at);
            } else {
                self.bytes.push(b' ');
                at = i + 1;
            }
        }
        if at < end {
            self.bytes.extend_from_slice(&text[at..end]);
        }
    }

    /// Where a mark stands in the text.
    pub(super) fn raw_span(&self, mark: &Mark) -> Span {
        Span::new(self.origin(mark.start, false), self.origin(mark.end, true))
    }

    fn origin(&self, index: u32, is_end: bool) -> usize {
        // A word's byte has an origin on either side; for an end the text behind the word does not count.
        let known = self.origins.partition_point(|&(at, _)| at <= index);
        let (at, text) = self.origins[known.max(1) - 1];
        if is_end && at == index && known >= 2 && self.origins[known - 2].0 == index {
            return self.origins[known - 2].1 as usize;
        }
        (text + (index - at)) as usize
    }
}

/// Which bytes of the shape a placeholder of the output stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Where the placeholder stands in the output.
    pub(super) at: u32,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// The shape after masking and normalising. Literals that follow each other in the shape are copied together, once a placeholder
/// or a gap comes.
#[derive(Debug)]
pub(super) struct Output<'a> {
    shape: &'a [u8],
    /// All that is written but for `pending`.
    bytes: &'a mut Vec<u8>,
    /// One per placeholder byte, in order.
    marks: &'a mut Vec<Mark>,
    /// The literal `start..end` of the shape that stands at the end of the output. Holds no placeholder.
    pending: (usize, usize),
}

impl<'a> Output<'a> {
    pub(super) fn new(shape: &'a [u8], bytes: &'a mut Vec<u8>, marks: &'a mut Vec<Mark>) -> Self {
        bytes.clear();
        marks.clear();
        Self { shape, bytes, marks, pending: (0, 0) }
    }

    #[inline]
    pub(super) fn last(&self) -> u8 {
        let (start, end) = self.pending;
        if start < end { self.shape[end - 1] } else { self.bytes.last().copied().unwrap_or(b' ') }
    }

    #[inline]
    fn flush(&mut self) {
        let (start, end) = self.pending;
        if start < end {
            self.bytes.extend_from_slice(&self.shape[start..end]);
            self.pending = (end, end);
        }
    }

    /// A placeholder for `start..end` of the shape. Eats glued text on its left, and joins the placeholder before it when only
    /// punctuation lies between.
    #[inline]
    pub(super) fn placeholder(&mut self, placeholder: u8, start: usize, end: usize) {
        match self.shape[self.pending.0..self.pending.1] {
            // Behind a word and a blank nothing is eaten and nothing joined.
            [.., before, b' '] if is_glue(before) => {
                self.flush();
                self.push(placeholder, start, end);
            }
            // A list with blanks.
            [b' '] if is_placeholder(self.bytes.last().copied().unwrap_or_default()) => self.join(placeholder, end),
            _ => self.glued_placeholder(placeholder, start, end),
        }
    }

    fn push(&mut self, placeholder: u8, start: usize, end: usize) {
        self.marks.push(Mark { at: self.bytes.len() as u32, start: start as u32, end: end as u32 });
        self.bytes.push(placeholder);
    }

    /// One placeholder for the last of `bytes` and another behind it.
    fn join(&mut self, placeholder: u8, end: usize) {
        self.pending = (end, end);
        if let Some(last) = self.bytes.last_mut()
            && *last != placeholder
        {
            *last = ANY;
        }
        if let Some(mark) = self.marks.last_mut() {
            mark.end = end as u32;
        }
    }

    #[inline(never)]
    fn glued_placeholder(&mut self, placeholder: u8, start: usize, end: usize) {
        self.flush();
        let mut len = self.bytes.len();
        while len > 0 && is_glue(self.bytes[len - 1]) {
            len -= 1;
        }
        // Masked digits (`****1234`) and signs (`+0.5`).
        while len > 0 && self.bytes[len - 1] == b'*' {
            len -= 1;
        }
        if len > 0 && matches!(self.bytes[len - 1], b'+' | b'-') {
            let before = len.checked_sub(2).map_or(b' ', |at| self.bytes[at]);
            if matches!(before, b' ' | b'=' | b':' | b'(' | b',' | b'[') {
                len -= 1;
            }
        }
        let start = start.saturating_sub(self.bytes.len() - len);
        self.bytes.truncate(len);
        let floor = len.saturating_sub(LIST_GAP_MAX + 1);
        let mut at = len;
        while at > floor {
            let byte = self.bytes[at - 1];
            if is_placeholder(byte) {
                self.bytes.truncate(at);
                return self.join(placeholder, end);
            }
            if !matches!(byte, b' ' | b',' | b';' | b':' | b'/' | b'|' | b'-' | b'+' | b'.' | b'&' | b'#' | b'~' | b'=' | b'*') {
                break;
            }
            at -= 1;
        }
        self.push(placeholder, start, end);
    }

    /// Literal text at `start..end` of the shape; what is glued to a placeholder before it is eaten.
    #[inline]
    pub(super) fn literal(&mut self, start: usize, end: usize) {
        let from = if self.pending.0 == self.pending.1 && is_placeholder(self.last()) { self.behind_glue(start, end) } else { start };
        self.unglued(from, end);
    }

    #[inline(never)]
    fn behind_glue(&mut self, start: usize, end: usize) -> usize {
        let text = &self.shape[start..end];
        let mut skip = 0;
        while skip < text.len() {
            let next_is_glue = text.get(skip + 1).is_some_and(|&byte| is_glue(byte));
            let ties = matches!(text[skip], b'-' | b'.' | b'$') && next_is_glue;
            if !is_glue(text[skip]) && !ties {
                break;
            }
            skip += 1;
        }
        if skip > 0
            && let Some(mark) = self.marks.last_mut()
        {
            mark.end = (start + skip) as u32;
        }
        start + skip
    }

    /// Literal text at `start..end` of the shape that no placeholder eats.
    #[inline]
    pub(super) fn unglued(&mut self, start: usize, end: usize) {
        if self.pending.1 == start {
            self.pending.1 = end;
        } else {
            self.flush();
            self.pending = (start, end);
        }
    }

    /// The usual case of [`Output::blank`]: the one blank at `at` of the shape, behind a literal or a placeholder. Whether it was that.
    #[inline]
    pub(super) fn adds_blank(&mut self, at: usize) -> bool {
        let (start, end) = self.pending;
        if start < end {
            let is_usual = end == at && self.shape[at - 1] != b' ';
            self.pending.1 += usize::from(is_usual);
            return is_usual;
        }
        let is_usual = self.bytes.last().is_some_and(|&byte| byte != b' ');
        if is_usual {
            self.pending = (at, at + 1);
        }
        is_usual
    }

    /// White space of any length is one blank; none at the beginning. `at` is where it stands in the shape. Whether it was written.
    #[inline(never)]
    pub(super) fn blank(&mut self, at: usize) -> bool {
        let is_written = self.last() != b' ';
        if is_written {
            if self.shape.get(at) == Some(&b' ') {
                self.unglued(at, at + 1);
            } else {
                self.flush();
                self.bytes.push(b' ');
            }
        }
        is_written
    }

    /// Takes back a name that is glued to what follows (`localhost` of `localhost/127.0.0.1`): its length.
    pub(super) fn take_name(&mut self) -> usize {
        self.flush();
        let keep = self.bytes.iter().rposition(|&byte| !is_name_byte(byte)).map_or(0, |at| at + 1);
        let taken = self.bytes.len() - keep;
        self.bytes.truncate(keep);
        taken
    }

    /// The end: no blanks there.
    pub(super) fn finish(mut self) {
        self.flush();
        while self.bytes.last() == Some(&b' ') {
            self.bytes.pop();
        }
    }
}
