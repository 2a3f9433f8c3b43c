//! Variable parts that need no digit: URLs, paths, host names, dates in words, values of keys, user names.
//!
//! Works on the shape of a message (see [`super::normalise`]), so that nothing here can depend on what a digit-word
//! says. One pass, left to right; each step takes the most specific thing that begins at the cursor.

use super::normalise::{ANY, EMAIL, GLUE, HEX, HOST, ID, IP, NAME, NUM, Output, PATH, PATH_SIGN, SIGN, STR, TIE, TIME, URL};
use super::normalise::{is_glue, is_name_byte, is_placeholder, is_stop, looks};
use super::{codes, names};
use crate::secrets;
use std::cell::OnceCell;

/// Share of `key=value` words, in percent, from which on a message is a list of keys.
const KEY_VALUE_PERCENT: usize = 80;

/// ... and so many of them at least.
const KEY_VALUES_MIN: usize = 4;

/// Shortest word of nothing but `a`-`f` that is taken for a hex number: there is no English one of 8 letters.
const HEX_WORD_MIN: usize = 8;

pub(super) struct Masker<'a> {
    shape: &'a [u8],
    out: Output<'a>,
    at: usize,
    /// The message is a list of `key=value`; asked when the first key comes.
    is_list: OnceCell<bool>,
    /// The message is a stack frame (`at x.Y.z(...)`): its dotted names are functions.
    is_frame: bool,
    /// The last two words, for `for user NAME` and `connect to NAME:<num>`.
    before: [(u32, u32); 2],
}

impl<'a> Masker<'a> {
    /// Masks `shape` into `out`.
    pub(super) fn new(shape: &'a [u8], out: Output<'a>) -> Self {
        let blanks = shape.iter().take_while(|&&byte| byte == b' ').count();
        let is_frame = shape[blanks..].starts_with(b"at ");
        Self { shape, out, at: 0, is_list: OnceCell::new(), is_frame, before: [(0, 0); 2] }
    }

    fn byte(&self, i: usize) -> u8 {
        self.shape.get(i).copied().unwrap_or(b' ')
    }

    /// Masks until the end or until `words_max` words are written; whether something was left.
    pub(super) fn run(mut self, words_max: usize) -> bool {
        let mut words = 1;
        while let Some(&byte) = self.shape.get(self.at) {
            let look = looks(byte);
            if look & GLUE != 0 {
                self.word();
            } else if byte == b' ' && words < words_max && self.out.adds_blank(self.at) {
                words += 1;
                self.at += 1;
            } else if byte == b' ' {
                words += usize::from(self.out.blank(self.at));
                self.at += 1;
                if words > words_max {
                    let is_cut = self.shape[self.at..].iter().any(|&byte| byte != b' ');
                    self.out.finish();
                    return is_cut;
                }
            } else if is_placeholder(byte) {
                self.out.placeholder(byte, self.at, self.at + 1);
                self.at += 1;
            } else if look & SIGN != 0 {
                self.sign(byte);
            } else {
                self.punctuation();
            }
        }
        self.out.finish();
        false
    }

    /// Punctuation is never glued to anything.
    fn punctuation(&mut self) {
        self.out.unglued(self.at, self.at + 1);
        self.at += 1;
    }

    /// Punctuation that may begin something.
    fn sign(&mut self, byte: u8) {
        match byte {
            b'/' => self.slash(),
            b'\\' if self.byte(self.at + 1) == b'\\' && is_glue(self.byte(self.at + 2)) => self.windows_path(self.at),
            b'"' => self.quote(),
            b'~' if self.byte(self.at + 1) == b'/' && !is_glue(self.out.last()) => self.path(self.at, self.at + 1),
            b'.' if !is_glue(self.out.last()) && (self.shape[self.at..].starts_with(b"./") || self.shape[self.at..].starts_with(b"../")) => {
                let slash = self.at + if self.byte(self.at + 1) == b'/' { 1 } else { 2 };
                self.path(self.at, slash);
            }
            b'$' if is_placeholder(self.out.last()) && is_glue(self.byte(self.at + 1)) => self.push(self.at, self.name_end(self.at + 1)),
            b'@' => self.at_sign(),
            b'(' if self.shape[self.at..].starts_with(b"(null)") || self.shape[self.at..].starts_with(b"(nil)") => {
                let len = if self.byte(self.at + 3) == b'l' && self.byte(self.at + 2) == b'i' { 5 } else { 6 };
                self.push(self.at, self.at + 1);
                self.mask(ANY, self.at + len - 2);
            }
            _ => self.punctuation(),
        }
    }

    #[inline]
    fn push(&mut self, start: usize, end: usize) {
        self.out.literal(start, end);
        self.at = end;
    }

    fn mask(&mut self, placeholder: u8, end: usize) {
        self.out.placeholder(placeholder, self.at, end);
        self.at = end;
    }

    fn name_end(&self, from: usize) -> usize {
        self.name_run(from).0
    }

    /// The end of a name, and all that its bytes are.
    #[inline]
    fn name_run(&self, from: usize) -> (usize, u8) {
        let mut seen = 0;
        for (len, &byte) in self.shape[from..].iter().enumerate() {
            let look = looks(byte);
            if look & NAME == 0 {
                return (from + len, seen);
            }
            seen |= look;
        }
        (self.shape.len(), seen)
    }

    /// A run of letters begins at the cursor.
    fn word(&mut self) {
        let start = self.at;
        let (run, seen) = self.name_run(start);
        let mut end = run;
        while seen & TIE != 0 && end > start + 1 && !is_glue(self.shape[end - 1]) {
            end -= 1;
        }
        let name = &self.shape[start..end];
        let next = self.byte(end);
        if matches!(next, b':' | b'=') && self.byte(end + 1) != b'/' && secrets::is_secret_key(name) {
            return self.secret(end + 1);
        }
        match next {
            b':' => {
                if self.shape[end..].starts_with(b"://") {
                    return self.url(end + 3);
                }
                // `C:\dir`
                if name.len() == 1 && self.byte(end + 1) == b'\\' {
                    return self.windows_path(end + 1);
                }
            }
            b'@' if end == run => {
                if let Some(stop) = self.email_end(end + 1) {
                    return self.mask(EMAIL, stop);
                }
            }
            b'\\' if is_name_byte(self.byte(end + 1)) => {
                let stop = self.stop_from(end);
                if self.shape[start..stop].iter().filter(|&&byte| byte == b'\\').count() >= 2 {
                    return self.windows_path(end);
                }
            }
            b'/' => {
                if let Some(stop) = self.relative_path_end(start, end) {
                    return self.mask(PATH, stop);
                }
            }
            b'=' => return self.key(start, end),
            _ => {}
        }
        if let Some(stop) = self.date_end(start, end) {
            return self.mask(TIME, stop);
        }
        if seen & TIE != 0 && name.contains(&b'.') && self.dotted(name, end) {
            return;
        }
        if name.len() >= HEX_WORD_MIN && names::is_hex_word(name) {
            return self.mask(HEX, end);
        }
        if next == b':' && self.port_end(end) > end && self.names_a_place() && names::is_host_like(name) {
            let stop = self.port_end(end);
            return self.mask(HOST, stop);
        }
        if self.is_user(name, end) {
            return self.mask(ID, end);
        }
        self.before = [self.before[1], (start as u32, end as u32)];
        self.push(start, end);
    }

    /// A name with points at the cursor, `end` its end: masks hosts, classes and data files; whether it did.
    fn dotted(&mut self, name: &[u8], end: usize) -> bool {
        let next = self.byte(end);
        if let Some(kind) = names::dotted(name) {
            // `cache.client.max-size : 12`: the name of a setting.
            let is_setting = kind == names::Dotted::Host && next == b' ' && matches!(self.byte(end + 1), b':' | b'=') && self.byte(end + 2) == b' ';
            let is_function = self.is_frame && matches!(next, b'(' | b'$' | b'/');
            if !is_setting && !is_function {
                let host = kind == names::Dotted::Host;
                self.mask(if host { HOST } else { ID }, if host { self.port_end(end) } else { self.inner_class_end(end) });
                return true;
            }
        }
        let is_file = names::is_data_file(name);
        if is_file {
            self.mask(PATH, end);
        }
        is_file
    }

    fn word_before(&self, back: usize) -> &'a [u8] {
        let (start, end) = self.before[2 - back];
        &self.shape[start as usize..end as usize]
    }

    /// Whether only a blank (or a quote) lies between the last word and the cursor.
    fn follows_word(&self) -> bool {
        let end = self.before[1].1 as usize;
        end > 0 && end < self.at && self.shape[end..self.at].iter().all(|byte| matches!(byte, b' ' | b'\'' | b'"'))
    }

    /// `connect to NAME`, `server NAME`.
    fn names_a_place(&self) -> bool {
        self.follows_word() && names::is_place_word(self.word_before(1))
    }

    /// `for user NAME`, `user NAME from`, `for NAME from <ip>` (or a host, whether it has digits or not).
    fn is_user(&self, name: &[u8], end: usize) -> bool {
        let before = self.word_before(1);
        let is_behind_user = before.eq_ignore_ascii_case(b"user");
        if !(is_behind_user || before == b"for") || !self.follows_word() {
            return false;
        }
        let rest = &self.shape[end..];
        if is_behind_user {
            if names::is_never_a_user(name) {
                return false;
            }
            let twice = self.word_before(2);
            let by_before = [&b"for"[..], b"invalid", b"illegal", b"unknown", b"failed"].iter().any(|word| twice.eq_ignore_ascii_case(word));
            let by_after = rest.is_empty() || [&b" from "[..], b" by ", b" logged ", b"'", b"\""].iter().any(|word| rest.starts_with(word));
            let listed = rest.first().is_some_and(|byte| matches!(byte, b',' | b';' | b':' | b')'));
            return by_before || by_after || (listed && twice == b"for");
        }
        let Some(place) = rest.strip_prefix(b" from ") else { return false };
        let start = end + b" from ".len();
        place.first().is_some_and(|&byte| byte == IP || byte == HOST)
            || matches!(names::dotted(&self.shape[start..self.name_end(start)]), Some(names::Dotted::Host))
    }

    /// The value of a key that names a secret, behind its `=` or `:`.
    fn secret(&mut self, from: usize) {
        let value = from + self.shape[from..].iter().take_while(|&&byte| byte == b' ').count();
        self.push(self.at, from);
        if value > from {
            self.out.blank(from);
            self.at = value;
        }
        let quote = self.byte(value);
        let closed = matches!(quote, b'"' | b'\'').then(|| self.shape[value + 1..].iter().position(|&byte| byte == quote)).flatten();
        let end = closed.map_or_else(|| self.stop_from(value), |len| value + len + 2);
        let scheme = &self.shape[value..end.min(self.shape.len())];
        if scheme == b"Bearer" || scheme == b"Basic" {
            self.push(value, end);
            self.out.blank(end);
            self.at = (end + 1).min(self.shape.len());
            let stop = self.stop_from(self.at);
            if stop > self.at {
                self.mask(STR, stop);
            }
            return;
        }
        if end > value {
            self.mask(STR, end);
        }
    }

    /// Behind `scheme://`.
    fn url(&mut self, from: usize) {
        let mut end = from;
        while end < self.shape.len() {
            let byte = self.shape[end];
            let ends_list = matches!(byte, b',' | b';' | b'(') && matches!(self.byte(end + 1), b' ' | b'"');
            if matches!(byte, b' ' | b'"' | b'\'' | b'<' | b'>' | b')' | b']' | b'}' | b'|' | b'`') || ends_list {
                break;
            }
            end += 1;
        }
        while end > from && matches!(self.shape[end - 1], b'.' | b',' | b':' | b';') {
            end -= 1;
        }
        self.mask(URL, end);
    }

    fn email_end(&self, from: usize) -> Option<usize> {
        if matches!(self.byte(from), HOST | IP) {
            return Some(from + 1);
        }
        let mut end = self.name_end(from);
        if end > from && self.shape[end - 1] == b'.' {
            end -= 1;
        }
        let domain = &self.shape[from..end];
        let dot = domain.iter().rposition(|&byte| byte == b'.')?;
        (dot > 0 && domain.len() > dot + 1 && domain[dot + 1..].iter().all(u8::is_ascii_lowercase)).then_some(end)
    }

    /// A Java object's identity `@1a2b3c` without a digit: six and more hex letters.
    fn at_sign(&mut self) {
        let from = self.at + 1;
        let end = self.name_end(from);
        let object = is_glue(self.out.last()) && end >= from + 6 && names::is_hex_word(&self.shape[from..end]);
        self.push(self.at, from);
        if object {
            self.mask(HEX, end);
        }
    }

    /// The end of `:<num>` at `end`, else `end`.
    fn port_end(&self, end: usize) -> usize {
        let is_port = self.byte(end) == b':' && self.byte(end + 1) == NUM && !is_name_byte(self.byte(end + 2)) && self.byte(end + 2) != b':';
        let is_sentence = self.byte(end) == b':' && self.byte(end + 1) == NUM && self.byte(end + 2) == b'.' && !is_glue(self.byte(end + 3));
        // `10.0.0.1:80:` is a port as well: a text follows.
        let is_before_text = self.byte(end) == b':' && self.byte(end + 1) == NUM && self.byte(end + 2) == b':' && self.byte(end + 3) == b' ';
        if is_port || is_sentence || is_before_text { end + 2 } else { end }
    }

    /// `Outer$Inner`: the end of the inner names.
    fn inner_class_end(&self, end: usize) -> usize {
        end + self.shape[end..].iter().take_while(|&&byte| byte == b'$' || is_glue(byte) || is_placeholder(byte)).count()
    }

    fn stop_from(&self, from: usize) -> usize {
        from + self.shape[from..].iter().take_while(|&&byte| !is_stop(byte)).count()
    }

    fn windows_path(&mut self, from: usize) {
        let mut end = self.stop_from(from);
        while end > from + 1 && matches!(self.shape[end - 1], b'.' | b':' | b']') {
            end -= 1;
        }
        self.mask(PATH, end);
    }

    fn slash(&mut self) {
        let next = self.byte(self.at + 1);
        if matches!(next, IP | HOST) && !is_name_byte(self.byte(self.at + 2)) && self.byte(self.at + 2) != b'/' {
            // `/10.0.0.1:80`, `localhost/127.0.0.1`: how Java writes an address.
            let taken = self.out.take_name();
            self.out.placeholder(next, self.at - taken, self.at + 2);
            self.at += 2;
            return;
        }
        let last = self.out.last();
        let can_begin = !is_glue(last) && !is_placeholder(last) && !matches!(last, b'.' | b'/' | b')' | b']' | b'*');
        if can_begin && (is_name_byte(next) || is_placeholder(next) || matches!(next, b'*' | b'{' | b'[' | b':' | b'%' | b'$')) {
            return self.path(self.at, self.at);
        }
        self.push(self.at, self.at + 1);
    }

    fn path(&mut self, from: usize, slash: usize) {
        let end = self.path_end(slash);
        debug_assert!(from == self.at);
        self.mask(PATH, end.max(slash + 1));
    }

    /// The end of a path whose first slash is at `slash`.
    fn path_end(&self, slash: usize) -> usize {
        let mut end = slash;
        loop {
            end += self.shape[end..].iter().take_while(|&&byte| looks(byte) & PATH_SIGN == 0).count();
            let Some(&byte) = self.shape.get(end) else { break };
            if byte == b'[' || byte == b'{' {
                // `/[2017-07-03_13,48]-x.xml`: a bracket that opens behind a slash belongs to the name.
                let close = if byte == b'[' { b']' } else { b'}' };
                let inner = self.shape[end..].iter().take_while(|&&byte| byte != close && byte != b' ').count();
                if self.byte(end - 1) == b'/' && self.byte(end + inner) == close {
                    end += inner + 1;
                    continue;
                }
                break;
            }
            if is_stop(byte) || byte == b']' {
                break;
            }
            // `file.go:123` and `file.go:12:3` go on; `/dir: text` does not.
            if byte == b':' && !is_name_byte(self.byte(end + 1)) && self.byte(end + 1) != b'/' && !is_placeholder(self.byte(end + 1)) {
                break;
            }
            end += 1;
        }
        while end > slash + 1 && matches!(self.shape[end - 1], b'.' | b':' | b'=' | b'!') {
            end -= 1;
        }
        end
    }

    /// `dir/sub/file.ext`: several slashes and something that is no word, or a file name with an extension. `and/or` stays.
    fn relative_path_end(&self, start: usize, first: usize) -> Option<usize> {
        if !is_name_byte(self.byte(first + 1)) && !is_placeholder(self.byte(first + 1)) {
            return None;
        }
        let end = self.path_end(first);
        let text = &self.shape[start..end];
        let slashes = text.iter().filter(|&&byte| byte == b'/').count();
        let file = text.iter().rposition(|&byte| byte == b'/').map_or(text, |at| &text[at + 1..]);
        let extension = file.iter().rposition(|&byte| byte == b'.').map_or(&b""[..], |dot| &file[dot + 1..]);
        let has_extension = (1..=5).contains(&extension.len()) && extension.iter().all(u8::is_ascii_lowercase);
        let is_odd = text.iter().any(|&byte| matches!(byte, b'_' | b'.') || is_placeholder(byte));
        (has_extension || (slashes >= 2 && is_odd)).then_some(end)
    }

    /// `Sun Dec 04 04:47:44 2005`, `Jun 9 06:06:51`, `Fri, 17 Jun 2005 07:07:00 GMT`: its end.
    fn date_end(&self, start: usize, end: usize) -> Option<usize> {
        let word = &self.shape[start..end];
        if word.len() != 3 || !word[0].is_ascii_uppercase() {
            return None;
        }
        let blanks = |from: usize| from + self.shape[from..].iter().take_while(|&&byte| byte == b' ').count();
        let mut month = start;
        if names::is_weekday(word) {
            month = blanks(if self.byte(end) == b',' { end + 1 } else { end });
            if self.byte(month) == NUM {
                month = blanks(month + 1);
            }
        }
        if month + 3 > self.shape.len() || !names::is_month(&self.shape[month..month + 3]) {
            return None;
        }
        let mut at = month + 3;
        // A month said twice is said once: the first would be left over, and be the month of the masked date when masked again.
        while let next = blanks(at)
            && next > at
            && self.shape.get(next..next + 3).is_some_and(names::is_month)
        {
            at = next + 3;
        }
        let mut stop = None;
        // Day, time, year in any order; the time must be among them.
        for _ in 0..4 {
            let next = blanks(at);
            if next == at {
                break;
            }
            at = match self.byte(next) {
                NUM => next + 1,
                TIME => {
                    stop = Some(next + 1);
                    next + 1
                }
                byte if byte.is_ascii_uppercase() && stop.is_some() => {
                    let zone = next + self.shape[next..].iter().take_while(|byte| byte.is_ascii_uppercase()).count();
                    if !(3..=4).contains(&(zone - next)) || is_glue(self.byte(zone)) || self.byte(blanks(zone)) != NUM {
                        break;
                    }
                    zone
                }
                _ => break,
            };
            if stop.is_some() {
                stop = Some(at);
            }
        }
        stop
    }

    /// `key=` at the cursor.
    fn key(&mut self, start: usize, end: usize) {
        let key = &self.shape[start..end];
        let value = end + 1;
        self.before = [self.before[1], (start as u32, end as u32)];
        if self.byte(value) == b'=' {
            return self.push(start, value);
        }
        self.push(start, value);
        if codes::is_code_key(key) || names::is_error_key(key) {
            return;
        }
        let is_identity = names::is_identity_key(key);
        let quote = self.byte(value);
        if matches!(quote, b'"' | b'\'')
            && let Some(len) = self.shape[value + 1..].iter().position(|&byte| byte == quote)
        {
            let close = value + 1 + len;
            if self.is_list() || is_identity {
                self.mask(ANY, close + 1);
            } else if quote == b'"' {
                self.push(value, value + 1);
                self.mask(STR, close);
                self.push(close, close + 1);
            }
            return;
        }
        if !(self.is_list() || is_identity) {
            return;
        }
        let stop = match quote {
            b'{' | b'[' | b'(' | b'<' => self.bracket_end(value),
            b' ' if self.is_list() && value < self.shape.len() && !self.another_key_follows(value) => return,
            _ => self.stop_from(value).min(value + self.shape[value..].iter().take_while(|&&byte| byte != b']').count()),
        };
        let mut stop = stop;
        while stop > value && matches!(self.shape[stop - 1], b'.' | b':') {
            stop -= 1;
        }
        if !self.is_list() && names::is_built_in_account(&self.shape[value..stop]) {
            return;
        }
        self.mask(ANY, stop);
    }

    fn is_list(&self) -> bool {
        *self.is_list.get_or_init(|| is_key_value_list(self.shape))
    }

    /// Whether `key=` is the next word: then the value before it was empty.
    fn another_key_follows(&self, from: usize) -> bool {
        let at = from + self.shape[from..].iter().take_while(|&&byte| byte == b' ').count();
        let end = self.name_end(at);
        at >= self.shape.len() || (end > at && self.byte(end) == b'=')
    }

    /// The end of a bracketed value, or of its first word when the bracket never closes.
    fn bracket_end(&self, from: usize) -> usize {
        let mut depth = 0usize;
        for (i, &byte) in self.shape[from..].iter().enumerate() {
            match byte {
                b'{' | b'[' | b'(' | b'<' => depth += 1,
                b'}' | b']' | b')' | b'>' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return from + i + 1;
                    }
                }
                _ => {}
            }
        }
        from + 1 + self.shape[from + 1..].iter().take_while(|&&byte| !is_stop(byte)).count()
    }

    /// `"key":"value"` inside a text: the value is masked unless the key says that it is an error text or a code.
    fn quote(&mut self) {
        let start = self.at + 1;
        let end = self.name_end(start);
        if end == start || self.byte(end) != b'"' || self.byte(end + 1) != b':' {
            return self.push(self.at, start);
        }
        let mut value = end + 2;
        while self.byte(value) == b' ' && value < self.shape.len() {
            value += 1;
        }
        let key = &self.shape[start..end];
        self.push(self.at, value.min(self.shape.len()));
        if self.byte(value) != b'"' || (!secrets::is_secret_key(key) && names::is_error_key(key)) || codes::is_code_key(key) {
            return;
        }
        if let Some(len) = self.shape[value + 1..].iter().position(|&byte| byte == b'"') {
            self.push(value, value + 1);
            self.mask(STR, value + 1 + len);
            self.push(value + 1 + len, value + 2 + len);
        }
    }
}

/// Whether at least 80 % of the words, and four or more, are `key=value`.
fn is_key_value_list(shape: &[u8]) -> bool {
    // In pieces whose count fits a byte, which is summed up many bytes at a time.
    let signs = |piece: &[u8]| piece.iter().map(|&byte| u8::from(byte == b'=')).sum::<u8>();
    let pairs_max = shape.chunks(u8::MAX as usize).map(|piece| usize::from(signs(piece))).sum::<usize>();
    if pairs_max < KEY_VALUES_MIN {
        return false;
    }
    let (mut words, mut pairs) = (0usize, 0usize);
    let mut at = 0;
    while at < shape.len() {
        if matches!(shape[at], b' ' | b',' | b';') {
            at += 1;
            continue;
        }
        words += 1;
        if pairs_max * 100 < words * KEY_VALUE_PERCENT {
            return false;
        }
        let key = shape[at..].iter().take_while(|&&byte| is_name_byte(byte)).count();
        let mut is_pair = key > 0 && shape.get(at + key) == Some(&b'=');
        // `key = value` counts as one.
        if key > 0 && matches!(shape[at + key..], [b' ', b'=', b' ', ..]) {
            is_pair = true;
            at += 2;
        }
        pairs += usize::from(is_pair);
        at += key + usize::from(is_pair);
        if is_pair && matches!(shape.get(at), Some(b'"' | b'\'')) {
            let quote = shape[at];
            at = shape[at + 1..].iter().position(|&byte| byte == quote).map_or(shape.len(), |len| at + len + 2);
        }
        at += shape[at.min(shape.len())..].iter().take_while(|byte| !matches!(byte, b' ' | b',' | b';')).count().max(usize::from(key == 0));
    }
    pairs >= KEY_VALUES_MIN && pairs * 100 >= words * KEY_VALUE_PERCENT
}
