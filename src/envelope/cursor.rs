//! What every layer needs: a line, its digit-words, the part of it still to be peeled, and what was found so far.

use super::{Envelope, TimeField, stamp};
use crate::record::{Severity, Span};
use crate::scan::words::is_word_byte;
use crate::scan::{Kind, Word};

/// Longest name, tag, thread or group of a header, in bytes: longer ones are message text.
pub(super) const LONGEST_NAME: usize = 256;

/// A line on its way through the layers. Positions are bytes of the line; `end` bounds what may be looked at.
pub(super) struct Peeler<'a> {
    pub line: &'a [u8],
    pub words: &'a [Word],
    /// Start of what is still to be peeled.
    pub at: usize,
    /// End of it.
    pub end: usize,
    pub env: Envelope,
}

impl<'a> Peeler<'a> {
    pub fn new(line: &'a [u8], words: &'a [Word]) -> Self {
        Self { line, words, at: 0, end: line.len(), env: Envelope::default() }
    }

    /// The byte at `at`, 0 beyond the end.
    #[inline]
    pub fn byte(&self, at: usize) -> u8 {
        if at < self.end { self.line[at] } else { 0 }
    }

    /// Leaves blanks and line ends at the end out.
    pub fn trim_end(&mut self) {
        self.end = self.line[..self.end].trim_ascii_end().len();
    }

    /// What follows `at`.
    #[inline]
    pub fn rest(&self, at: usize) -> &'a [u8] {
        &self.line[at.min(self.end)..self.end]
    }

    #[inline]
    pub fn text(&self, from: usize, to: usize) -> &'a [u8] {
        &self.line[from.min(self.end)..to.min(self.end).max(from.min(self.end))]
    }

    #[inline]
    pub fn starts_with(&self, at: usize, text: &[u8]) -> bool {
        self.rest(at).starts_with(text)
    }

    /// Index of the first word that is not `before`. Headers are at the left, so a few steps mostly do.
    fn first_word(&self, before: impl Fn(&Word) -> bool) -> usize {
        const STEPS: usize = 8;
        let near = self.words.iter().take(STEPS).position(|w| !before(w));
        near.unwrap_or_else(|| STEPS.min(self.words.len()) + self.words[STEPS.min(self.words.len())..].partition_point(before))
    }

    /// The digit-word that begins exactly at `at`.
    #[inline]
    pub fn word_at(&self, at: usize) -> Option<Word> {
        if !is_word_byte(self.byte(at)) {
            return None;
        }
        let i = self.first_word(|w| (w.start as usize) < at);
        self.words.get(i).copied().filter(|w| w.start as usize == at && w.end as usize <= self.end)
    }

    /// Whether a digit-word begins or lies in `from..to`.
    pub fn has_word(&self, from: usize, to: usize) -> bool {
        let i = self.first_word(|w| (w.end as usize) <= from);
        self.words.get(i).is_some_and(|w| (w.start as usize) < to)
    }

    /// The end of the digit-word at `at` if it is a plain number.
    #[inline]
    pub fn number_at(&self, at: usize) -> Option<usize> {
        self.word_at(at).filter(|w| matches!(w.kind, Kind::Num | Kind::Num6 | Kind::Num8 | Kind::Epoch)).map(|w| w.end as usize)
    }

    /// Past blanks, tabs and colour codes.
    #[inline]
    pub fn skip_blanks(&self, at: usize) -> usize {
        let byte = self.byte(at);
        if byte > b' ' {
            at
        } else if byte == b' ' && self.byte(at + 1) > b' ' {
            at + 1
        } else {
            self.past_blanks(at)
        }
    }

    fn past_blanks(&self, mut at: usize) -> usize {
        loop {
            match self.byte(at) {
                b' ' | b'\t' => at += 1,
                0x1B => match self.colour_end(at) {
                    Some(end) => at = end,
                    None => return at,
                },
                _ => return at,
            }
        }
    }

    /// Past colour codes only.
    #[inline]
    pub fn skip_colour(&self, mut at: usize) -> usize {
        while let Some(end) = self.colour_end(at) {
            at = end;
        }
        at
    }

    /// The end of an ANSI colour code (`ESC [ ... m`) at `at`.
    #[inline]
    fn colour_end(&self, at: usize) -> Option<usize> {
        if self.byte(at) == 0x1B { self.colour_code_end(at) } else { None }
    }

    fn colour_code_end(&self, at: usize) -> Option<usize> {
        if self.byte(at + 1) != b'[' {
            return None;
        }
        let body = self.rest(at + 2).iter().take(16).take_while(|b| b.is_ascii_digit() || **b == b';').count();
        (self.byte(at + 2 + body) == b'm').then_some(at + 3 + body)
    }

    /// The end of the token at `at`: up to a blank, at most [`LONGEST_NAME`] bytes.
    pub fn token_end(&self, at: usize) -> usize {
        at + self.rest(at).iter().take(LONGEST_NAME).take_while(|b| !matches!(b, b' ' | b'\t' | 0x1B)).count()
    }

    /// The end of a run of letters at `at`, at most 14.
    pub fn letters_end(&self, at: usize) -> usize {
        at + self.rest(at).iter().take(14).take_while(|b| b.is_ascii_alphabetic()).count()
    }

    /// For an opening bracket at `at` the position of the one that closes it, within [`LONGEST_NAME`] bytes.
    pub fn group_end(&self, at: usize) -> Option<usize> {
        let open = self.byte(at);
        let close = match open {
            b'[' => b']',
            b'(' => b')',
            b'<' => b'>',
            b'{' => b'}',
            _ => return None,
        };
        let mut depth = 0;
        for (i, &b) in self.rest(at).iter().take(LONGEST_NAME).enumerate() {
            if b == open {
                depth += 1;
            } else if b == close {
                depth -= 1;
                if depth == 0 {
                    return Some(at + i);
                }
            }
        }
        None
    }

    /// A stamp written out at `at` (or an epoch number when `epoch`): its end and format.
    pub fn stamp_at(&self, at: usize, epoch: bool) -> Option<(usize, u8)> {
        if let Some(word) = self.word_at(at) {
            let end = word.end as usize;
            return match word.kind {
                Kind::Stamp => Some((self.past_zone(end), stamp::DATE_TIME)),
                Kind::Epoch if epoch => Some((end, stamp::EPOCH)),
                Kind::Num6 => {
                    let next = self.skip_blanks(end);
                    let clock = self.word_at(next).filter(|w| w.kind == Kind::Num6 && next == end + 1)?;
                    Some((clock.end as usize, stamp::COMPACT))
                }
                // MariaDB: two blanks before the time.
                Kind::Date => {
                    let time = self.word_at(self.skip_blanks(end)).filter(|w| w.kind == Kind::Time)?;
                    Some((self.past_zone(time.end as usize), stamp::DATE_TIME))
                }
                Kind::Id => self.loose_stamp(end),
                Kind::Num if stamp::is_month(self.rest(self.skip_blanks(end))) => self.named_stamp(at),
                _ => None,
            };
        }
        if self.byte(at).is_ascii_uppercase() && (stamp::is_month(self.rest(at)) || stamp::is_weekday(self.rest(at))) {
            return self.named_stamp(at);
        }
        None
    }

    /// `20261123-10:5:0:123`: a time whose parts are not padded, which the scanner takes for an id and three numbers. `end` is the id's end.
    fn loose_stamp(&self, end: usize) -> Option<(usize, u8)> {
        let mut end = end;
        for _ in 0..3 {
            end = self.number_at(end + 1).filter(|_| self.byte(end) == b':')?;
        }
        matches!(self.byte(end), b'|' | b' ').then_some((end, stamp::DATE_TIME))
    }

    /// Day, month by name, time and perhaps weekday, year, zone: at most seven tokens.
    fn named_stamp(&self, start: usize) -> Option<(usize, u8)> {
        let (mut at, mut weekday, mut month, mut numbers, mut end) = (start, false, false, 0, None);
        for _ in 0..7 {
            if let Some(word) = self.word_at(at) {
                match word.kind {
                    Kind::Num if numbers < 2 => numbers += 1,
                    Kind::Time if month && numbers > 0 => {
                        end = Some(self.past_zone(word.end as usize));
                        at = word.end as usize;
                        break;
                    }
                    _ => return None,
                }
                at = word.end as usize;
            } else if !weekday && stamp::is_weekday(self.rest(at)) {
                weekday = true;
                at += 3;
            } else if !month && stamp::is_month(self.rest(at)) {
                month = true;
                at += 3;
            } else {
                return None;
            }
            while matches!(self.byte(at), b' ' | b',') {
                at += 1;
            }
        }
        let mut end = end?;
        // asctime: the year comes last, `date` puts a zone before it.
        if weekday && numbers == 1 {
            let mut next = self.skip_blanks(at.max(end));
            if self.byte(next).is_ascii_uppercase() {
                let name = self.letters_end(next);
                if name - next <= 4 && self.byte(name) == b' ' {
                    next = name + 1;
                }
            }
            if let Some(word) = self.word_at(next).filter(|w| w.kind == Kind::Num && next > end) {
                end = word.end as usize;
            }
        }
        Some((end, stamp::NAMED_MONTH))
    }

    /// Past ` AM`, ` PM`, ` UTC` and the like, which the scanner may leave outside its word.
    fn past_zone(&self, end: usize) -> usize {
        let mut end = end;
        if self.byte(end) == b' '
            && matches!(self.byte(end + 1) | 0x20, b'a' | b'p')
            && self.byte(end + 2) | 0x20 == b'm'
            && !self.byte(end + 3).is_ascii_alphanumeric()
        {
            end += 3;
        }
        if self.byte(end) == b' ' {
            let zone = stamp::zone_name_len(self.rest(end + 1));
            if zone > 0 {
                end += 1 + zone;
            }
        }
        end
    }

    /// Notes a stamp; the outermost one counts.
    pub fn set_time(&mut self, from: usize, to: usize, format: u8) {
        if self.env.time.is_none() {
            self.env.time = Some(TimeField { span: Span::new(from, to), format });
        }
    }

    /// Notes what the innermost header says; an unknown word changes nothing.
    pub fn set_severity(&mut self, severity: Severity) {
        if severity != Severity::Unknown {
            self.env.severity = severity;
        }
    }

    pub fn layer(&mut self, name: &'static str) {
        self.env.layers.push(name);
    }

    /// Lists every digit-word that `from..to` touches: its contents decided something.
    pub fn discriminate(&mut self, from: usize, to: usize) {
        let first = self.first_word(|w| (w.end as usize) <= from);
        if self.words.get(first).is_some_and(|w| (w.start as usize) < to) {
            self.env.discriminators.push(Span::new(from, to));
        }
    }
}
