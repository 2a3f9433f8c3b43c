//! Lines that are one JSON object: a scanner that borrows, one pass, no recursion but into the few objects that [`super::keys`] names.
//!
//! Strings stay raw: spans are those of the line. Where the message has escapes, `decoded` holds its text (such lines are never cached). What a
//! runtime wrapped (Docker's `log`, journald's `MESSAGE`) is peeled further: in place when only a `\n` at its end is escaped, which is nearly
//! always, else in the decoded text, from which severity, and every span that has no escape inside, are carried back.

use super::cursor::Peeler;
use super::keys::{Fields, Place, Value};
use super::{Envelope, ExtraPart, Partial, TimeField};
use crate::record::{Severity, Span};

/// Longest message that is decoded, in bytes; the rest of a longer one does not matter to its template.
const LONGEST_DECODED: usize = 64 * 1024;

/// What is left to do after a JSON layer.
pub(super) enum Next {
    /// `p.at..p.end` holds the message; it may have a header of its own.
    Inside,
    /// The message is final.
    Done,
    /// Not a log line in JSON.
    No,
}

/// Peels the object at `p.at`, which must reach to `p.end`.
pub(super) fn peel(p: &mut Peeler<'_>, depth: u8) -> Next {
    if p.byte(p.at) != b'{' {
        return Next::No;
    }
    let mut fields = Fields::default();
    let start = p.at;
    let Some(end) = object(p, start, Place::Top, &mut fields, 0) else { return Next::No };
    if end < p.end && !p.rest(end).iter().all(u8::is_ascii_whitespace) {
        return Next::No;
    }
    let docker = fields.docker_log && fields.stream && fields.message.is_some_and(|(_, rank)| rank == 4);
    let journald = fields.journald;
    let known = fields.severity != Severity::Unknown;
    let evidence = known || fields.time.is_some();
    let extras = fields.extras.len();
    let message = fields.message_or_error();
    if message.is_none() && !(evidence && extras > 0) {
        return Next::No;
    }
    fields.commit(p);
    p.layer(if docker {
        "docker"
    } else if journald {
        "journald"
    } else {
        "json"
    });
    let Some(value) = message else {
        p.at = start;
        p.end = start;
        return Next::Done;
    };
    match value {
        Value::Text(span, escaped) => string(p, span, escaped, docker, docker || journald || !known, depth),
        Value::Array(span) => {
            p.env.decoded = Some(byte_array(span.of(p.line)));
            p.at = span.start as usize;
            p.end = span.end as usize;
            Next::Done
        }
        other => {
            p.at = other.span().start as usize;
            p.end = other.span().end as usize;
            Next::Done
        }
    }
}

/// Makes the string at `span` the message. `wrapped`: it may hold a whole line with a header.
fn string(p: &mut Peeler<'_>, span: Span, escaped: bool, docker: bool, wrapped: bool, depth: u8) -> Next {
    let (from, mut to) = (span.start as usize, span.end as usize);
    if docker {
        p.env.partial = Partial::More;
    }
    if escaped {
        while p.line[from..to].ends_with(b"\\n") && !ends_with_backslash(&p.line[from..to - 2]) {
            to -= 2;
            p.env.partial = Partial::Whole;
            if p.line[from..to].ends_with(b"\\r") && !ends_with_backslash(&p.line[from..to - 2]) {
                to -= 2;
            }
        }
    }
    p.at = from;
    p.end = to;
    if !escaped || memchr::memchr(b'\\', &p.line[from..to]).is_none() {
        return if wrapped { Next::Inside } else { Next::Done };
    }
    let decoded = decode(&p.line[from..to]);
    if !wrapped || depth > 2 {
        p.env.decoded = Some(decoded);
        return Next::Done;
    }
    let mut words = Vec::new();
    crate::scan::words::for_each(&decoded, |word| words.push(word));
    let inner = super::peel_nested(&decoded, &words, depth + 1);
    adopt(p, from, to, inner, &decoded);
    Next::Done
}

/// Whether an odd number of backslashes ends `text`, so that what follows is escaped.
fn ends_with_backslash(text: &[u8]) -> bool {
    text.iter().rev().take_while(|&&b| b == b'\\').count() % 2 == 1
}

/// Carries what was found in decoded text back to the raw line.
fn adopt(p: &mut Peeler<'_>, from: usize, to: usize, inner: Envelope, decoded: &[u8]) {
    let raw = &p.line[from..to];
    let map = Mapping { raw, base: from };
    let exact = |span: Span| {
        let mapped = map.span(span);
        (mapped.len() == span.len()).then_some(mapped)
    };
    p.set_severity(inner.severity);
    if p.env.time.is_none() {
        p.env.time = inner.time.and_then(|t| exact(t.span).map(|span| TimeField { span, format: t.format }));
    }
    p.env.logger = inner.logger.and_then(exact).or(p.env.logger);
    p.env.thread = inner.thread.and_then(exact).or(p.env.thread);
    p.env.pid = inner.pid.and_then(exact).or(p.env.pid);
    p.env.host = inner.host.and_then(exact).or(p.env.host);
    p.env.instance = p.env.instance.or(inner.instance.and_then(exact));
    p.env.layers.extend(inner.layers.iter().copied());
    for mut extra in inner.extras {
        extra.key = map.span(extra.key);
        extra.part = match extra.part {
            ExtraPart::Text(span) => ExtraPart::Text(map.span(span)),
            ExtraPart::Code(span) => ExtraPart::Code(map.span(span)),
            ExtraPart::Key => ExtraPart::Key,
        };
        p.env.extras.push(extra);
    }
    let message = map.span(inner.message);
    p.at = message.start as usize;
    p.end = message.end as usize;
    p.env.decoded = Some(inner.decoded.unwrap_or_else(|| inner.message.of(decoded).to_vec()));
}

/// From positions in decoded text to positions in the line.
struct Mapping<'a> {
    raw: &'a [u8],
    base: usize,
}

impl Mapping<'_> {
    fn span(&self, span: Span) -> Span {
        let (mut raw, mut text, mut start) = (0, 0, None);
        while raw < self.raw.len() && text < span.end as usize {
            if start.is_none() && text >= span.start as usize {
                start = Some(raw);
            }
            let (length, bytes) = escape(&self.raw[raw..]).map_or((1, 1), |(length, c)| (length, c.len_utf8()));
            raw += length;
            text += bytes;
        }
        let start = start.unwrap_or(raw);
        Span::new(self.base + start, self.base + raw.max(start))
    }
}

/// Resolves the escapes of a JSON string's inside, at most [`LONGEST_DECODED`] bytes of it. Broken escapes stay as they are.
pub(super) fn decode(raw: &[u8]) -> Vec<u8> {
    let raw = &raw[..raw.len().min(LONGEST_DECODED)];
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        if let Some((length, c)) = escape(&raw[at..]) {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            at += length;
        } else {
            out.push(raw[at]);
            at += 1;
        }
    }
    out
}

/// The escape at the start of `raw`: its length and what it stands for.
fn escape(raw: &[u8]) -> Option<(usize, char)> {
    if raw.first() != Some(&b'\\') {
        return None;
    }
    Some(match raw.get(1)? {
        b'n' => (2, '\n'),
        b't' => (2, '\t'),
        b'r' => (2, '\r'),
        b'b' => (2, '\u{8}'),
        b'f' => (2, '\u{c}'),
        b @ (b'"' | b'\\' | b'/') => (2, char::from(*b)),
        b'u' => {
            let first = hex4(raw.get(2..6)?)?;
            if (0xD800..0xDC00).contains(&first) {
                let low = raw.get(6..12).filter(|tail| tail.starts_with(b"\\u")).and_then(|tail| hex4(&tail[2..]));
                if let Some(low) = low.filter(|low| (0xDC00..0xE000).contains(low)) {
                    return Some((12, char::from_u32(0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00))?));
                }
            }
            (6, char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
        }
        _ => return None,
    })
}

fn hex4(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |n, &b| Some(n * 16 + char::from(b).to_digit(16)?))
}

/// journald writes a message that is not UTF-8 as an array of numbers.
fn byte_array(raw: &[u8]) -> Vec<u8> {
    raw.split(|b| !b.is_ascii_digit())
        .filter(|digits| !digits.is_empty() && digits.len() <= 3)
        .take(LONGEST_DECODED)
        .map(|digits| digits.iter().fold(0u16, |n, b| n * 10 + u16::from(b - b'0')).min(255) as u8)
        .collect()
}

/// Reads the object at `at` and hands its fields over; the position behind it.
fn object(p: &Peeler<'_>, at: usize, place: Place, fields: &mut Fields, depth: u8) -> Option<usize> {
    let mut at = blanks(p, at + 1);
    if p.byte(at) == b'}' {
        return Some(at + 1);
    }
    loop {
        let (key, key_end, _) = quoted(p, at)?;
        at = blanks(p, key_end);
        if p.byte(at) != b':' {
            return None;
        }
        at = blanks(p, at + 1);
        let from = at;
        let value = match p.byte(at) {
            b'"' => {
                let (span, end, escaped) = quoted(p, at)?;
                at = end;
                Value::Text(span, escaped)
            }
            b'{' | b'[' => {
                at = skip_nested(p, at)?;
                if p.byte(from) == b'{' { Value::Object(Span::new(from, at)) } else { Value::Array(Span::new(from, at)) }
            }
            _ => {
                at += p.rest(at).iter().take(40).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.')).count();
                if at == from {
                    return None;
                }
                Value::Bare(Span::new(from, at))
            }
        };
        if let Some(inner) = fields.take(p, place, key, value) {
            // Depth is bounded: each byte is read at most four times.
            if depth < 3 {
                object(p, from, inner, fields, depth + 1)?;
            }
        }
        at = blanks(p, at);
        match p.byte(at) {
            b',' => at = blanks(p, at + 1),
            b'}' => return Some(at + 1),
            _ => return None,
        }
    }
}

fn blanks(p: &Peeler<'_>, mut at: usize) -> usize {
    while matches!(p.byte(at), b' ' | b'\t' | b'\r' | b'\n') {
        at += 1;
    }
    at
}

/// The string at `at`: its inside, the position behind it, whether it has escapes.
pub(super) fn quoted(p: &Peeler<'_>, at: usize) -> Option<(Span, usize, bool)> {
    if p.byte(at) != b'"' {
        return None;
    }
    let (mut i, mut escaped) = (at + 1, false);
    loop {
        i += memchr::memchr2(b'"', b'\\', p.rest(i))?;
        if p.byte(i) == b'"' {
            return Some((Span::new(at + 1, i), i + 1, escaped));
        }
        escaped = true;
        i += 2;
        if i > p.end {
            return None;
        }
    }
}

/// Past the object or array at `at`, strings respected; no recursion, so no depth can hurt.
fn skip_nested(p: &Peeler<'_>, at: usize) -> Option<usize> {
    let (mut i, mut depth) = (at, 0u32);
    while i < p.end {
        match p.line[i] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(i + 1);
                }
            }
            b'"' => {
                i = quoted(p, i)?.1;
                continue;
            }
            _ => {}
        }
        i += 1;
    }
    None
}

/// Takes a JSON object off the end of a message, behind a tab, as zap's console encoder puts it there: its fields are extras.
pub(super) fn peel_tail(p: &mut Peeler<'_>) {
    if p.at + 1 >= p.end || p.line[p.end - 1] != b'}' {
        return;
    }
    let Some(tab) = memchr::memmem::find(p.rest(p.at), b"\t{") else { return };
    let at = p.at + tab + 1;
    let mut fields = Fields::default();
    if object(p, at, Place::Top, &mut fields, 0) == Some(p.end) {
        p.env.extras = fields.extras;
        p.end = at - 1;
    }
}

/// Longest key of a logfmt line, bytes.
const LONGEST_KEY: usize = 64;

/// Bytes of such a key.
static IS_KEY: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = (b as u8).is_ascii_alphanumeric() || matches!(b as u8, b'_' | b'.' | b'@' | b'-' | b'/');
        b += 1;
    }
    table
};

/// `key=value` or `key="quoted value"` at `at`: key, value, and where the next one may begin.
fn pair(p: &Peeler<'_>, at: usize) -> Option<(Span, Value, usize)> {
    let length = p.rest(at).iter().take(LONGEST_KEY).take_while(|&&b| IS_KEY[usize::from(b)]).count();
    let key_end = at + length;
    if length == 0 || p.byte(key_end) != b'=' {
        return None;
    }
    let from = key_end + 1;
    let (value, end) = if p.byte(from) == b'"' {
        let (span, end, escaped) = quoted(p, from)?;
        (Value::Text(span, escaped), end)
    } else {
        let end = from + memchr::memchr2(b' ', b'\t', p.rest(from)).unwrap_or(p.end - from);
        (Value::Text(Span::new(from, end), false), end)
    };
    let ends = end >= p.end || matches!(p.byte(end), b' ' | b'\t');
    ends.then(|| (Span::new(at, key_end), value, blanks(p, end)))
}

/// `key=value key="quoted value"` lines. False when the line is something else.
pub(super) fn peel_logfmt(p: &mut Peeler<'_>) -> bool {
    // Two pairs at least; nearly all other lines are told apart by their first words.
    if pair(p, p.at).and_then(|(.., next)| pair(p, next)).is_none() {
        return false;
    }
    let mut at = p.at;
    let mut fields = Fields::default();
    while at < p.end {
        let Some((key, value, next)) = pair(p, at) else { return false };
        fields.take(p, Place::Top, key, value);
        at = next;
    }
    let evidence = fields.severity != Severity::Unknown || fields.time.is_some() || fields.message.is_some_and(|(_, rank)| rank == 1);
    if fields.count < 2 || !evidence || (fields.message.is_none() && fields.extras.is_empty()) {
        return false;
    }
    let message = fields.message_or_error();
    fields.commit(p);
    p.layer("logfmt");
    match message {
        Some(value) => {
            p.at = value.span().start as usize;
            p.end = value.span().end as usize;
            if let Value::Text(span, true) = value {
                p.env.decoded = Some(decode(span.of(p.line)));
            }
        }
        None => p.end = p.at,
    }
    true
}
