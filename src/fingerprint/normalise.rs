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

const GLUE: u8 = 1;
const NAME: u8 = 2;
const STOP: u8 = 4;

/// What each byte is to the masks.
static LOOKS: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut i = 0;
    while i < 256 {
        let byte = i as u8;
        table[i] = match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..=0xFF => GLUE | NAME,
            b'.' | b'-' => NAME,
            b' ' | b'\t' | b'"' | b'\'' | b'<' | b'>' | b'(' | b')' | b'{' | b'}' | b'|' | b',' | b';' | b'`' => STOP,
            _ => 0,
        };
        i += 1;
    }
    table
};

/// Letters, digits, `_`, and bytes of other scripts: what is glued to a placeholder and eaten by it.
pub(super) fn is_glue(byte: u8) -> bool {
    LOOKS[byte as usize] & GLUE != 0
}

/// What a name is made of: glue, points and dashes.
pub(super) fn is_name_byte(byte: u8) -> bool {
    LOOKS[byte as usize] & NAME != 0
}

/// Ends a path, an unquoted value.
pub(super) fn is_stop(byte: u8) -> bool {
    LOOKS[byte as usize] & STOP != 0
}

/// A message in the alphabet of this module.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) bytes: Vec<u8>,
    /// (index in `bytes`, offset in the text) wherever the distance between the two changes.
    origins: Vec<(u32, u32)>,
    /// Inside the parameters of a terminal colour, which is no part of the message.
    in_colour: bool,
}

impl Shape {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), origins: Vec::with_capacity(24), in_colour: false }
    }

    /// One byte for a digit-word that stands at `start..end` of the text.
    pub(super) fn push_word(&mut self, kind: Kind, start: usize, end: usize) {
        if self.in_colour {
            // `ESC [ 1 ; 31m`: all but the last parameter are plain numbers.
            self.in_colour = kind == Kind::Num;
            self.origins.push((self.bytes.len() as u32, end as u32));
            return;
        }
        self.push(of_kind(kind), start, end);
    }

    fn push(&mut self, placeholder: u8, start: usize, end: usize) {
        self.origins.push((self.bytes.len() as u32, start as u32));
        self.bytes.push(placeholder);
        self.origins.push((self.bytes.len() as u32, end as u32));
    }

    /// Copies `start..end` of the text. Placeholders that the text itself spells out become placeholders again, so that a template is
    /// its own template.
    pub(super) fn copy_literal(&mut self, text: &[u8], start: usize, end: usize) {
        if self.origins.is_empty() {
            self.origins.push((0, start as u32));
        }
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
                self.origins.push((self.bytes.len() as u32, at as u32));
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
    pub(super) start: u32,
    pub(super) end: u32,
}

/// The shape after masking and normalising.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    /// One per placeholder byte, in order.
    pub(super) marks: Vec<Mark>,
}

impl Output {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), marks: Vec::with_capacity(12) }
    }

    pub(super) fn last(&self) -> u8 {
        self.bytes.last().copied().unwrap_or(b' ')
    }

    /// A placeholder for `start..end` of the shape. Eats glued text on its left, and joins the placeholder before it when only
    /// punctuation lies between.
    pub(super) fn placeholder(&mut self, placeholder: u8, mut start: usize, end: usize) {
        while self.bytes.last().is_some_and(|&byte| is_glue(byte)) {
            self.bytes.pop();
            start = start.saturating_sub(1);
        }
        // Masked digits (`****1234`) and signs (`+0.5`).
        while self.last() == b'*' && !self.bytes.is_empty() {
            self.bytes.pop();
            start = start.saturating_sub(1);
        }
        if matches!(self.last(), b'+' | b'-') {
            let before = self.bytes.len().checked_sub(2).map_or(b' ', |at| self.bytes[at]);
            if matches!(before, b' ' | b'=' | b':' | b'(' | b',' | b'[') {
                self.bytes.pop();
                start = start.saturating_sub(1);
            }
        }
        let floor = self.bytes.len().saturating_sub(LIST_GAP_MAX + 1);
        let mut at = self.bytes.len();
        while at > floor {
            let byte = self.bytes[at - 1];
            if is_placeholder(byte) {
                self.bytes.truncate(at);
                if byte != placeholder {
                    self.bytes[at - 1] = ANY;
                }
                if let Some(mark) = self.marks.last_mut() {
                    mark.end = end as u32;
                }
                return;
            }
            if !matches!(byte, b' ' | b',' | b';' | b':' | b'/' | b'|' | b'-' | b'+' | b'.' | b'&' | b'#' | b'~' | b'=' | b'*') {
                break;
            }
            at -= 1;
        }
        self.bytes.push(placeholder);
        self.marks.push(Mark { start: start as u32, end: end as u32 });
    }

    /// Literal text that stands at `start` of the shape; what is glued to a placeholder before it is eaten.
    pub(super) fn literal(&mut self, text: &[u8], start: usize) {
        let mut skip = 0;
        if is_placeholder(self.last()) {
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
        }
        self.bytes.extend_from_slice(&text[skip..]);
    }

    /// White space of any length is one blank; none at the beginning.
    pub(super) fn blank(&mut self) {
        if !self.bytes.is_empty() && self.last() != b' ' {
            self.bytes.push(b' ');
        }
    }

    /// Takes back a name that is glued to what follows (`localhost` of `localhost/127.0.0.1`): its length.
    pub(super) fn take_name(&mut self) -> usize {
        let keep = self.bytes.iter().rposition(|&byte| !is_glue(byte) && byte != b'-' && byte != b'.').map_or(0, |at| at + 1);
        let taken = self.bytes.len() - keep;
        self.bytes.truncate(keep);
        taken
    }
}
