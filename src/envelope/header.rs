//! The header of a logger that writes text: words, a stamp, perhaps a second one, level, pid, thread, groups in brackets, logger name.
//!
//! No list of formats: a header is read token by token from the left as long as each token is one that only headers have. What is
//! ambiguous ends it. Without a stamp or a level there is no header.

use super::cursor::{LONGEST_NAME, Peeler};
use super::fields::{after_level, assign, is_dotted, without_level};
use super::level::{Level, Style, is_no_prose, level_at};
use super::{known, stamp, tag};
use crate::record::{Severity, Span};
use crate::scan::Kind;

/// Most tokens before the first stamp, and between it and the level.
pub(super) const MOST_TOKENS: usize = 8;
/// Longest way from the end of the stamp to the level, in bytes.
const LONGEST_WAY: usize = 256;
/// Most `[...]` groups between level and message.
pub(super) const MOST_GROUPS: usize = 4;

/// What the way from stamp to level was made of.
#[derive(Default)]
pub(super) struct Found {
    pub numbers: [Option<Span>; 2],
    pub groups: [Option<Span>; MOST_GROUPS],
    pub name: Option<Span>,
    /// A bracket opened before the stamp is still open.
    pub inside: bool,
}

impl Found {
    fn number(&mut self, from: usize, to: usize) {
        let free = if self.numbers[0].is_none() { 0 } else { 1 };
        self.numbers[free] = Some(Span::new(from, to));
    }

    fn group(&mut self, from: usize, to: usize) -> bool {
        match self.groups.iter_mut().find(|g| g.is_none()) {
            Some(free) => {
                *free = Some(Span::new(from, to));
                true
            }
            None => false,
        }
    }
}

/// What was peeled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peeled {
    Nothing,
    /// Syslog's fields; the program's own header may follow.
    Syslog,
    /// A logger's header.
    Header,
}

/// Peels one text header at `p.at`. `nested`: syslog's was peeled before; then a stamp alone, or a bare level word, is no header.
pub(super) fn peel(p: &mut Peeler<'_>, nested: bool) -> Peeled {
    let start = p.skip_colour(p.at);
    let mut found = Found::default();
    let Some(first) = first_stamp(p, p.skip_blanks(start), &mut found) else {
        return level_first(p, start, nested);
    };
    let (mut at, severity_before) = (first.next, first.level);
    // A second stamp, or a third: the words between them are names of nodes and the like.
    // logcat with a stamp and its brief form
    if !nested && p.byte(p.skip_blanks(at) + 1) == b'/' {
        let before = p.at;
        p.at = p.skip_blanks(at);
        if known::logcat_brief(p) {
            note_time(p, &first);
            return Peeled::Header;
        }
        p.at = before;
    }
    let behind = (p.skip_blanks(at), level_at(p, p.skip_blanks(at)));
    let level_follows = behind.1.is_some_and(|level| level.style != Style::Letter);
    let second = if level_follows { None } else { second_stamp(p, at) };
    if let Some(next) = second {
        at = next;
    }
    // `Nov 23, 2026 10:00:00 AM` and `Mon Nov 23 ...` are no daemon's stamps.
    let daemon = stamp::is_month(p.rest(first.from)) && !p.text(first.from, first.to).contains(&b',');
    let syslog = (first.format == stamp::NAMED_MONTH && daemon) || second.is_some();
    if !found.inside && !nested && !first.weak && !level_follows && tag::peel_host_and_tag(p, at, syslog, true) {
        note_time(p, &first);
        assign(p, &mut found);
        return Peeled::Syslog;
    }
    if let Some((level, after)) = find_level(p, at, &mut found, behind) {
        note_time(p, &first);
        p.layer("text");
        p.set_severity(level.severity);
        discriminate_coloured(p, after, level.end);
        assign(p, &mut found);
        p.at = level.end;
        if keeps_word(level, p, after) {
            p.at = after;
        } else {
            after_level(p, &mut found);
        }
        return Peeled::Header;
    }
    if first.to == first.from {
        // The kernel's uptime.
        p.layer("text");
        p.at = p.skip_blanks(at);
        return Peeled::Header;
    }
    if nested || (first.weak && severity_before.is_none()) {
        return level_first(p, start, nested);
    }
    if !found.inside && tag::peel_host_and_tag(p, at, syslog, false) {
        note_time(p, &first);
        assign(p, &mut found);
        return Peeled::Syslog;
    }
    note_time(p, &first);
    p.layer("text");
    if let Some(severity) = severity_before {
        p.set_severity(severity);
        p.at = at;
        assign(p, &mut found);
        after_level(p, &mut found);
        return Peeled::Header;
    }
    p.at = at;
    without_level(p, &mut found, first.tokens);
    assign(p, &mut found);
    Peeled::Header
}

/// The first stamp of a header.
struct First {
    from: usize,
    to: usize,
    format: u8,
    /// Past the stamp and its closing bracket.
    next: usize,
    /// Words before it.
    tokens: usize,
    /// Level word before it.
    level: Option<Severity>,
    /// A time of day alone, or no time at all: needs a level as evidence.
    weak: bool,
}

fn note_time(p: &mut Peeler<'_>, first: &First) {
    if first.to > first.from {
        p.set_time(first.from, first.to, first.format);
    }
}

fn first_stamp(p: &Peeler<'_>, start: usize, found: &mut Found) -> Option<First> {
    let (mut at, mut level, mut starts_with_number) = (start, None, false);
    for tokens in 0..=5 {
        if at >= p.end || at - start > LONGEST_NAME {
            return None;
        }
        let open = matches!(p.byte(at), b'[' | b'(' | b'<' | b'"');
        let from = if open { p.skip_blanks(at + 1) } else { at };
        let time = p.word_at(from).filter(|w| w.kind == Kind::Time && (tokens == 0 || level.is_some()));
        let stamp = p.stamp_at(from, true).or(time.map(|w| (w.end as usize, stamp::TIME_OF_DAY)));
        if let Some((to, format)) = stamp {
            let mut next = p.skip_colour(to);
            if open {
                let close = p.skip_blanks(next);
                if matches!(p.byte(close), b']' | b')' | b'>' | b'"') {
                    next = p.skip_colour(close + 1);
                } else if p.byte(at) == b'[' {
                    found.inside = true;
                } else {
                    return None;
                }
            }
            return Some(First { from, to, format, next, tokens, level, weak: format == stamp::TIME_OF_DAY });
        }
        // A word before the stamp.
        let end;
        if let Some(word) = level_at(p, at).filter(|l| tokens == 0 && matches!(l.style, Style::Upper | Style::Bracketed)) {
            level = Some(word.severity);
            end = p.byte(word.end);
            at = word.end + usize::from(matches!(end, b':' | b',' | b'|'));
        } else if p.byte(at) == b'[' {
            let close = p.group_end(at)?;
            // `[   12.345678] ...` and `[123] ...`: no time, but a header.
            let inner = p.skip_blanks(at + 1);
            if tokens == 0 && p.number_at(inner) == Some(close) {
                return Some(First { from: at, to: at, format: 0, next: close + 1, tokens, level, weak: true });
            }
            if !found.group(at + 1, close) {
                return None;
            }
            at = close + 1;
        } else {
            end_of_word(p, at, tokens, &mut starts_with_number)?;
            at = p.token_end(at);
        }
        if !matches!(p.byte(at), b' ' | b'\t') {
            return None;
        }
        at = p.skip_blanks(at);
    }
    None
}

/// Whether the token at `at` may stand before a stamp.
fn end_of_word(p: &Peeler<'_>, at: usize, tokens: usize, starts_with_number: &mut bool) -> Option<()> {
    let end = p.token_end(at);
    let token = p.text(at, end);
    if tokens == 0 {
        *starts_with_number = p.number_at(at) == Some(end);
    }
    let named = is_name_like(p, at, end);
    let plain = token.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    ((named && token.last() != Some(&b':')) || token == b"-" || (*starts_with_number && plain)).then_some(())
}

/// Tokens that prose has rarely: with a digit-word, a dot, dash, slash, underscore inside, or all capitals.
fn is_name_like(p: &Peeler<'_>, from: usize, to: usize) -> bool {
    let token = p.text(from, to);
    let (Some(&first), Some(&last)) = (token.first(), token.last()) else { return false };
    if !(first.is_ascii_alphanumeric() || matches!(first, b'/' | b'_' | b'@' | b'*' | b'#'))
        || !(last.is_ascii_alphanumeric() || matches!(last, b')' | b']' | b':' | b'>' | b'#'))
    {
        return false;
    }
    let (mut parts, mut capitals, mut digit) = (false, token.len() >= 2, false);
    for (i, &b) in token.iter().enumerate() {
        match b {
            b'"' | b'\'' | b'=' | b'`' => return false,
            b'.' | b'-' | b'_' | b'/' | b':' | b'@' | b'$' => {
                parts |= i > 0 && i + 1 < token.len();
                capitals &= matches!(b, b'_' | b':');
            }
            b'0'..=b'9' => (digit, capitals) = (true, false),
            _ => capitals &= b.is_ascii_uppercase(),
        }
    }
    parts || capitals || digit || p.has_word(from, to)
}

/// A further stamp after at most two names.
fn second_stamp(p: &Peeler<'_>, at: usize) -> Option<usize> {
    let (mut at, mut past) = (p.skip_blanks(at), None);
    for _ in 0..4 {
        if let Some((end, _)) = p.stamp_at(at, true) {
            past = Some(end);
            at = p.skip_blanks(end);
            continue;
        }
        let end = p.token_end(at);
        let date = p.word_at(at).is_some_and(|w| w.kind == Kind::Date);
        if end == at || !(date || is_name_like(p, at, end)) || p.byte(end - 1) == b':' {
            break;
        }
        at = p.skip_blanks(end);
    }
    past
}

/// The level word on the way from the stamp, and where it begins. `seen`: what was looked up already, and where.
fn find_level(p: &Peeler<'_>, start: usize, found: &mut Found, seen: (usize, Option<Level>)) -> Option<(Level, usize)> {
    let mut trial = Found { inside: found.inside, groups: found.groups, ..Found::default() };
    let (mut at, mut separated) = (start, false);
    for tokens in 0..=MOST_TOKENS {
        (at, separated) = separators(p, at, &mut trial, separated && tokens == 0);
        if at >= p.end || at - start > LONGEST_WAY {
            return None;
        }
        let level = if at == seen.0 { seen.1 } else { level_at(p, at) };
        if let Some(level) = level.filter(|level| is_at_level_place(p, at, *level, tokens, separated, &trial)) {
            *found = trial;
            return Some((level, at));
        }
        if let Some(end) = p.number_at(at).filter(|&end| matches!(p.byte(end), b' ' | b'\t' | b'|' | b':' | b']' | b'#' | b'/')) {
            trial.number(at, end);
            at = end;
        } else if matches!(p.byte(at), b'[' | b'(' | b'<' | b'{') {
            let close = p.group_end(at)?;
            if p.byte(at) == b'{' && p.text(at, close).iter().any(|b| matches!(b, b'"' | b' ')) {
                return None;
            }
            // monolog and Apache: the level stands inside, behind the channel
            if let Some(level) = level_behind_colon(p, at + 1, close) {
                trial.name = Some(Span::new(at + 1, close));
                *found = trial;
                return Some((level, at));
            }
            if !trial.group(at + 1, close) {
                return None;
            }
            at = close + 1;
        } else {
            let end = p.token_end(at);
            if let Some((level, channel)) = level_behind_dot(p, at, end) {
                trial.name = Some(channel);
                *found = trial;
                return Some((level, at));
            }
            let token = p.text(at, end);
            let bare = token.len() - usize::from(token.last() == Some(&b':')) - usize::from(token.last() == Some(&b','));
            let next = p.skip_blanks(end);
            let followed = matches!(p.byte(next), b'|') || (p.byte(next) == b'-' && matches!(p.byte(next + 1), b' ' | b'-'));
            let plain = token.iter().all(u8::is_ascii_alphanumeric);
            let bracketed = plain && p.byte(next) == b'[' && level_at(p, next).is_some_and(|level| level.style == Style::Bracketed);
            // PostgreSQL: `[71]: [3-1] user=ada,db=shop FATAL:  ...`
            let pairs = (trial.groups[0].is_some() || token.starts_with(b"pid=") || token.starts_with(b"tid="))
                && token.contains(&b'=')
                && !token.iter().any(|b| matches!(b, b'"' | b'\'' | b'('));
            if token.is_empty() || !(is_name_like(p, at, end) || (followed && plain) || bracketed || pairs || token[0] == b'@') {
                return None;
            }
            trial.name = trial.name.or(Some(Span::new(at, at + bare)));
            at = end;
        }
    }
    None
}

/// `[core:error]`, `[Server thread/INFO]`
fn level_behind_colon(p: &Peeler<'_>, from: usize, close: usize) -> Option<Level> {
    let text = p.text(from, close);
    let colon = text.iter().rposition(|&b| matches!(b, b':' | b'/'))?;
    let word = &text[colon + 1..];
    let case = if text[colon] == b':' { u8::is_ascii_lowercase } else { u8::is_ascii_uppercase };
    let severity = word.iter().all(case).then(|| Severity::from_word(word)).flatten()?;
    Some(Level { severity, style: Style::Bracketed, end: close + 1 })
}

/// `channel.WARNING:`, `ada@shop:[71]:ERROR:`
fn level_behind_dot(p: &Peeler<'_>, from: usize, to: usize) -> Option<(Level, Span)> {
    let text = p.text(from, to).strip_suffix(b":")?;
    let dot = text.iter().rposition(|&b| matches!(b, b'.' | b':'))?;
    let word = &text[dot + 1..];
    let severity = (word.len() > 2 && word.iter().all(u8::is_ascii_uppercase)).then(|| Severity::from_word(word)).flatten()?;
    Some((Level { severity, style: Style::Upper, end: to }, Span::new(from, from + dot)))
}

/// Past blanks, dashes, bars, commas and colons between header fields; whether there were any but blanks.
fn separators(p: &Peeler<'_>, mut at: usize, found: &mut Found, mut seen: bool) -> (usize, bool) {
    loop {
        at = p.skip_blanks(at);
        match p.byte(at) {
            b'|' | b',' | b';' => at += 1,
            b':' | b'-' if matches!(p.byte(at + 1), b' ' | b'\t' | b'-') || at + 1 >= p.end => at += 1,
            b'>' if p.byte(at + 1) == b' ' => at += 1,
            b']' if found.inside => {
                found.inside = false;
                at += 1;
            }
            _ => return (at, seen),
        }
        seen = true;
    }
}

/// Whether a level word stands where a logger would write it, and not where a sentence has the same word.
fn is_at_level_place(p: &Peeler<'_>, at: usize, level: Level, tokens: usize, separated: bool, found: &Found) -> bool {
    let next = p.byte(level.end);
    let bar = p.byte(p.skip_blanks(level.end)) == b'|';
    match level.style {
        Style::Bracketed | Style::Upper => true,
        Style::Title => {
            let padded = matches!(next, b' ' | b'\t') && matches!(p.byte(level.end + 1), b' ' | b'\t');
            padded || bar || next == b':' || (next == b' ' && p.byte(level.end + 1) == b'[') || (separated && next == b']')
        }
        Style::Lower => {
            let word = p.text(at, level.end);
            let after = p.skip_blanks(level.end);
            let structured =
                bar || matches!(p.byte(after), b'[' | b':' | b'(') || (p.byte(after) == b'-' && p.byte(after + 1) == b' ') || after > level.end + 1;
            (tokens == 0 || separated || found.numbers[0].is_some() || found.groups[0].is_some()) && (structured || is_no_prose(word) || tokens == 0)
        }
        Style::Letter => {
            let after = p.skip_blanks(level.end);
            let capitals = p.rest(after).iter().take_while(|b| b.is_ascii_uppercase()).count();
            bar || found.numbers[1].is_some() || (tokens == 0 && next == b' ' && (capitals >= 3 || p.byte(after) == b'['))
        }
    }
}

/// Words that say the level and belong to the sentence as well: `error connecting to db`, `Error: connect refused`.
fn keeps_word(level: Level, p: &Peeler<'_>, at: usize) -> bool {
    let word = p.text(at, level.end);
    let after = p.skip_blanks(level.end);
    match level.style {
        Style::Lower => {
            p.byte(level.end) == b' '
                && !is_no_prose(word)
                && !matches!(p.byte(after), b'[' | b'|' | b':' | b'(')
                && after == level.end + 1
                && !(p.byte(after) == b'-' && p.byte(after + 1) == b' ')
        }
        Style::Title => p.byte(level.end) == b':' && level.severity >= Severity::Error,
        _ => false,
    }
}

/// Level words written behind a colour code share a digit-word with it (`32mINFO`) unless the scanner knows such codes.
fn discriminate_coloured(p: &mut Peeler<'_>, from: usize, to: usize) {
    if p.text(from, to).contains(&0x1B) {
        p.discriminate(from, to);
    }
}

/// A header whose first token is its level: `[WARN] ...`, `WARN  a.b.C - ...`, `warn: Category[0]`, `ERROR:root:...`.
fn level_first(p: &mut Peeler<'_>, start: usize, nested: bool) -> Peeled {
    let Some(level) = level_at(p, start) else {
        // `[main] WARN a.b.C - message`
        let Some(close) = p.group_end(start).filter(|_| p.byte(start) == b'[' && !nested) else { return Peeled::Nothing };
        let Some(level) = level_at(p, p.skip_blanks(close + 1)).filter(|level| level.style == Style::Upper && p.byte(close + 1) == b' ') else {
            return Peeled::Nothing;
        };
        let mut found = Found::default();
        found.group(start + 1, close);
        assign(p, &mut found);
        p.layer("level");
        p.set_severity(level.severity);
        p.at = level.end;
        after_level(p, &mut found);
        return Peeled::Header;
    };
    let next = p.byte(level.end);
    let word = p.text(start, level.end);
    // Python's basicConfig: `LEVEL:logger:message`
    if level.style == Style::Upper && next == b':' && !matches!(p.byte(level.end + 1), b' ' | b'\t' | 0) {
        let rest = p.rest(level.end + 1);
        let Some(colon) = rest.iter().take(LONGEST_NAME).position(|&b| matches!(b, b':' | b' ')).filter(|&i| rest[i] == b':' && i > 0) else {
            return Peeled::Nothing;
        };
        p.layer("python");
        p.set_severity(level.severity);
        p.env.logger = Some(Span::new(level.end + 1, level.end + 1 + colon));
        p.at = p.skip_blanks(level.end + 1 + colon + 1);
        return Peeled::Header;
    }
    // .NET console: `warn: Category[0]`
    if level.style == Style::Lower && next == b':' {
        let at = p.skip_blanks(level.end + 1);
        let end = p.token_end(at);
        if let Some(open) = p
            .text(at, end)
            .iter()
            .position(|&b| b == b'[')
            .filter(|&open| p.group_end(at + open) == Some(end.saturating_sub(1)) && is_dotted(p.text(at, at + open)))
        {
            p.layer("dotnet");
            p.set_severity(level.severity);
            p.env.logger = Some(Span::new(at, at + open));
            p.at = p.skip_blanks(end);
            return Peeled::Header;
        }
    }
    if nested && level.style != Style::Bracketed {
        if next == b':' || level.style == Style::Upper {
            p.set_severity(level.severity);
        }
        return Peeled::Nothing;
    }
    match level.style {
        Style::Bracketed if word.len() > 3 => {}
        // `FATAL: sorry, too many clients already`: says its level, and the word is part of what people search for.
        Style::Upper | Style::Title | Style::Lower if next == b':' => {
            p.set_severity(level.severity);
            p.layer("level");
            return Peeled::Nothing;
        }
        Style::Upper if matches!(next, b' ' | b'\t' | b'|' | 0x1B) && word.len() > 3 => {
            // `FATAL ERROR: ...`, `ERROR IN CONTACTING ...`: shouted, not labelled.
            let from = p.skip_blanks(level.end);
            let shouted = p.letters_end(from);
            if shouted >= from + 2 && next == b' ' && p.text(from, shouted).iter().all(u8::is_ascii_uppercase) {
                p.set_severity(level.severity);
                p.layer("level");
                return Peeled::Nothing;
            }
        }
        _ => return Peeled::Nothing,
    }
    p.layer("level");
    p.set_severity(level.severity);
    discriminate_coloured(p, p.at, level.end);
    p.at = level.end;
    after_level(p, &mut Found::default());
    Peeled::Header
}
