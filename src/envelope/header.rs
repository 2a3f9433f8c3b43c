//! The header of a logger that writes text: words, a stamp, perhaps a second one, level, pid, thread, groups in brackets, logger name.
//!
//! No list of formats: a header is read token by token from the left as long as each token is one that only headers have. What is
//! ambiguous ends it. Without a stamp or a level there is no header.

use super::cursor::{LONGEST_NAME, Peeler};
use super::level::{Level, Style, is_no_prose, level_at};
use super::{stamp, tag};
use crate::record::{Severity, Span};
use crate::scan::Kind;

/// Most tokens before the first stamp, and between it and the level.
const MOST_TOKENS: usize = 8;
/// Longest way from the end of the stamp to the level, in bytes.
const LONGEST_WAY: usize = 256;
/// Most `[...]` groups between level and message.
const MOST_GROUPS: usize = 4;

/// Words that end with a colon in messages at least as often as logger names do: they stay in the message.
const PROSE: [&[u8]; 40] = [
    b"error", b"errors", b"exception", b"failure", b"failed", b"fail", b"timeout", b"warning", b"cause", b"caused", b"reason", b"result", b"status",
    b"retry", b"retrying", b"connect", b"connection", b"read", b"write", b"dial", b"open", b"close", b"send", b"recv", b"lookup", b"listen", b"accept",
    b"bind", b"get", b"post", b"put", b"delete", b"fetch", b"note", b"usage", b"unable", b"invalid", b"traceback", b"panic", b"message",
];

/// What the way from stamp to level was made of.
#[derive(Default)]
struct Found {
    numbers: [Option<Span>; 2],
    groups: [Option<Span>; MOST_GROUPS],
    name: Option<Span>,
    /// A bracket opened before the stamp is still open.
    inside: bool,
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

/// Peels one text header at `p.at`. True when something was peeled.
pub(super) fn peel(p: &mut Peeler<'_>) -> bool {
    let start = p.skip_colour(p.at);
    let mut found = Found::default();
    let Some(first) = first_stamp(p, start, &mut found) else {
        return level_first(p, start);
    };
    let (mut at, severity_before) = (first.next, first.level);
    // A second stamp, or a third: the words between them are names of nodes and the like.
    let second = second_stamp(p, at, &mut found);
    if let Some(next) = second {
        at = next;
    }
    if let Some((level, after)) = find_level(p, at, &mut found) {
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
        return true;
    }
    if first.weak && severity_before.is_none() {
        return level_first(p, start);
    }
    if !found.inside && tag::peel_host_and_tag(p, at, first.format == stamp::NAMED_MONTH || second.is_some()) {
        note_time(p, &first);
        assign(p, &mut found);
        return true;
    }
    note_time(p, &first);
    p.layer("text");
    if let Some(severity) = severity_before {
        p.set_severity(severity);
        p.at = at;
        assign(p, &mut found);
        after_level(p, &mut found);
        return true;
    }
    p.at = at;
    without_level(p, &mut found, first.tokens);
    assign(p, &mut found);
    true
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
    let Some((&first, rest)) = token.split_first() else { return false };
    if !(first.is_ascii_alphanumeric() || matches!(first, b'/' | b'_' | b'@' | b'*')) || token.iter().any(|b| matches!(b, b'"' | b'\'' | b'=' | b'`')) {
        return false;
    }
    let last = rest.last().copied().unwrap_or(first);
    let inner = &rest[..rest.len().saturating_sub(1)];
    if !(last.is_ascii_alphanumeric() || matches!(last, b')' | b']' | b':' | b'>')) {
        return false;
    }
    p.has_word(from, to)
        || inner.iter().any(|b| matches!(b, b'.' | b'-' | b'_' | b'/' | b':' | b'@' | b'$'))
        || (token.len() >= 2 && token.iter().all(|b| b.is_ascii_uppercase() || matches!(b, b'_' | b':')))
        || token.iter().any(u8::is_ascii_digit)
}

/// A further stamp after at most two names.
fn second_stamp(p: &Peeler<'_>, at: usize, found: &mut Found) -> Option<usize> {
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
        let _ = &found;
        at = p.skip_blanks(end);
    }
    past
}

/// The level word on the way from the stamp, and where it begins.
fn find_level(p: &Peeler<'_>, start: usize, found: &mut Found) -> Option<(Level, usize)> {
    let mut trial = Found { inside: found.inside, groups: found.groups, ..Found::default() };
    let (mut at, mut separated) = (start, false);
    for tokens in 0..=MOST_TOKENS {
        (at, separated) = separators(p, at, &mut trial, separated && tokens == 0);
        if at >= p.end || at - start > LONGEST_WAY {
            return None;
        }
        if let Some(level) = level_at(p, at).filter(|level| is_at_level_place(p, at, *level, tokens, separated, &trial)) {
            *found = trial;
            return Some((level, at));
        }
        if let Some(end) = p.number_at(at).filter(|&end| matches!(p.byte(end), b' ' | b'\t' | b'|' | b':' | b']' | b'#' | b'/')) {
            trial.number(at, end);
            at = end;
        } else if matches!(p.byte(at), b'[' | b'(' | b'<') {
            let close = p.group_end(at)?;
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
            if let Some(level) = level_behind_dot(p, at, end) {
                trial.name = Some(Span::new(at, end));
                *found = trial;
                return Some((level, at));
            }
            let token = p.text(at, end);
            let bare = token.len() - usize::from(token.last() == Some(&b':')) - usize::from(token.last() == Some(&b','));
            let next = p.skip_blanks(end);
            let followed = matches!(p.byte(next), b'|') || (p.byte(next) == b'-' && matches!(p.byte(next + 1), b' ' | b'-'));
            let plain = token.iter().all(|b| b.is_ascii_alphanumeric());
            if token.is_empty() || !(is_name_like(p, at, end) || (followed && plain) || token[0] == b'@') {
                return None;
            }
            trial.name = trial.name.or(Some(Span::new(at, at + bare)));
            at = end;
        }
    }
    None
}

/// `[core:error]`
fn level_behind_colon(p: &Peeler<'_>, from: usize, close: usize) -> Option<Level> {
    let text = p.text(from, close);
    let colon = text.iter().rposition(|&b| b == b':')?;
    let word = &text[colon + 1..];
    let severity = word.iter().all(u8::is_ascii_lowercase).then(|| Severity::from_word(word)).flatten()?;
    Some(Level { severity, style: Style::Bracketed, end: close + 1 })
}

/// `channel.WARNING:`
fn level_behind_dot(p: &Peeler<'_>, from: usize, to: usize) -> Option<Level> {
    let text = p.text(from, to).strip_suffix(b":")?;
    let dot = text.iter().rposition(|&b| b == b'.')?;
    let word = &text[dot + 1..];
    let severity = (word.len() > 2 && word.iter().all(u8::is_ascii_uppercase)).then(|| Severity::from_word(word)).flatten()?;
    Some(Level { severity, style: Style::Upper, end: to })
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
            let structured = bar || matches!(p.byte(after), b'[' | b':' | b'(') || (p.byte(after) == b'-' && p.byte(after + 1) == b' ') || after > level.end + 1;
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
            p.byte(level.end) == b' ' && !is_no_prose(word) && !matches!(p.byte(after), b'[' | b'|' | b':' | b'(') && after == level.end + 1 && !(p.byte(after) == b'-' && p.byte(after + 1) == b' ')
        }
        Style::Title => p.byte(level.end) == b':' && level.severity >= Severity::Error,
        _ => false,
    }
}

/// Numbers, groups and names found before the level: which is pid, thread, logger.
fn assign(p: &mut Peeler<'_>, found: &mut Found) {
    for span in found.numbers.into_iter().flatten() {
        if p.env.pid.is_none() {
            p.env.pid = Some(span);
        } else if p.env.thread.is_none() {
            p.env.thread = Some(span);
        }
    }
    let groups = found.groups;
    found.groups = [None; MOST_GROUPS];
    for span in groups.into_iter().flatten() {
        assign_group(p, span);
    }
    if let Some(name) = found.name {
        if p.env.logger.is_none() {
            p.env.logger = Some(name);
        }
    }
}

/// What a group in brackets holds: a number is a pid, a dotted name a logger, anything else a thread.
fn assign_group(p: &mut Peeler<'_>, span: Span) {
    let from = p.skip_blanks(span.start as usize);
    let mut to = span.end as usize;
    while to > from && p.byte(to - 1) == b' ' {
        to -= 1;
    }
    if from >= to {
        return;
    }
    let span = Span::new(from, to);
    let text = p.text(from, to);
    if p.number_at(from) == Some(to) {
        if p.env.pid.is_none() {
            p.env.pid = Some(span);
        } else if p.env.thread.is_none() {
            p.env.thread = Some(span);
        }
    } else if let Some(number) = text.strip_prefix(b"pid ").and_then(|_| p.number_at(from + 4)) {
        p.env.pid = Some(Span::new(from + 4, number));
        if p.starts_with(number, b":tid ") {
            p.env.thread = p.number_at(number + 5).map(|end| Span::new(number + 5, end));
        }
    } else if is_dotted(text) && p.env.logger.is_none() {
        p.env.logger = Some(span);
    } else if p.env.thread.is_none() && !text.iter().any(|b| matches!(b, b'=' | b',')) {
        p.env.thread = Some(span);
    }
}

/// `a.b.C`, `a::b`, `a/b.c`: a name with parts.
fn is_dotted(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_alphabetic)
        && text.windows(2).any(|w| (w[0] == b'.' && w[1].is_ascii_alphabetic()) || w == b"::")
        && text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$' | b':' | b'/' | b'-' | b'@' | b'#'))
}

/// What follows the level: pid, dashes, groups, logger; then the message.
fn after_level(p: &mut Peeler<'_>, found: &mut Found) {
    let component_seen = p.env.logger.is_some();
    let (mut at, mut groups, mut done) = (p.at, 0, false);
    // celery: `INFO/MainProcess]`
    if p.byte(at) == b'/' {
        let end = at + 1 + p.rest(at + 1).iter().take(LONGEST_NAME).take_while(|b| !matches!(b, b' ' | b']')).count();
        if found.inside && p.byte(end) == b']' {
            p.env.thread = Some(Span::new(at + 1, end));
            at = end;
        }
    }
    for _ in 0..MOST_TOKENS {
        let before = at;
        at = p.skip_blanks(at);
        match p.byte(at) {
            b']' if found.inside => {
                found.inside = false;
                at += 1;
                done = component_seen != p.env.logger.is_some();
            }
            b'|' | b',' | b';' => {
                if p.byte(at) == b'|' {
                    if let Some(past) = bar_fields(p, at) {
                        p.at = past;
                        return;
                    }
                }
                at += 1;
            }
            b':' if matches!(p.byte(at + 1), b' ' | b'\t') || at + 1 >= p.end => at += 1,
            b'-' if p.starts_with(at, b"---") => at += 3,
            b'-' if p.starts_with(at, b"-- ") => at += 2,
            b'-' if p.byte(at + 1) == b' ' => at += 1,
            b'[' | b'<' | b'(' if groups < MOST_GROUPS => {
                let Some(close) = p.group_end(at).filter(|&close| is_header_group(p, at, close, groups)) else { break };
                assign_group(p, Span::new(at + 1, close));
                groups += 1;
                at = close + 1;
                if p.byte(at) == b':' && p.byte(at + 1) == b' ' {
                    at += 1;
                    done = true;
                }
            }
            b'*' => {
                // nginx: `24722#24722: *2 `
                let Some(end) = p.number_at(at + 1).filter(|_| p.env.pid.is_some()) else { break };
                at = end;
                done = true;
            }
            b'0'..=b'9' => {
                let Some(end) = p.number_at(at) else { break };
                let next = p.skip_blanks(end);
                if p.byte(end) == b'#' {
                    let Some(thread) = p.number_at(end + 1).filter(|&e| p.byte(e) == b':') else { break };
                    p.env.pid = Some(Span::new(at, end));
                    p.env.thread = Some(Span::new(end + 1, thread));
                    at = thread + 1;
                    done = p.byte(p.skip_blanks(at)) != b'*';
                } else if p.starts_with(next, b"---") || (p.byte(next) == b'[' && next > end) {
                    p.env.pid = p.env.pid.or(Some(Span::new(at, end)));
                    at = end;
                } else {
                    break;
                }
            }
            _ => {
                let Some((name, next, ends)) = logger_at(p, at, component_seen) else { break };
                p.env.logger = p.env.logger.or(Some(name));
                at = next;
                done = ends;
            }
        }
        if done || at == before {
            break;
        }
    }
    if found.inside {
        // `[stamp LEVEL module] message`, the rest of the bracket is not one we know
        let _ = component_seen;
    }
    p.at = p.skip_blanks(at);
    trailing_logger(p);
}

/// Whether the group at `at` belongs to the header rather than to the message.
fn is_header_group(p: &Peeler<'_>, at: usize, close: usize, before: usize) -> bool {
    let text = p.text(at + 1, close);
    if !matches!(p.byte(close + 1), b' ' | b'\t' | b'[' | b':') && close + 1 < p.end {
        return false;
    }
    let blank = text.contains(&b' ');
    let errno = text.starts_with(b"Errno") || text.starts_with(b"errno") || text.starts_with(b"WinError") || text.starts_with(b"error");
    let pair = text.windows(2).any(|w| w == b": ");
    match p.byte(at) {
        b'<' => p.has_word(at + 1, close) && !blank,
        b'(' => before == 0 && !blank && text.first().is_some_and(u8::is_ascii_alphabetic),
        _ => !errno && !pair && (before == 0 || !blank || text.contains(&b'=') || p.has_word(at + 1, close)),
    }
}

/// The logger name at `at`: its span, where to go on, and whether the header ends with it.
fn logger_at(p: &Peeler<'_>, at: usize, component_seen: bool) -> Option<(Span, usize, bool)> {
    let first = p.byte(at);
    if !(first.is_ascii_alphabetic() || first == b'_' || first == b'/') {
        return None;
    }
    let full = p.token_end(at);
    let token = p.text(at, full);
    if token.len() >= LONGEST_NAME || token.iter().any(|b| matches!(b, b'"' | b'\'' | b'=' | b',' | b';' | b'`' | b'|' | b'!' | b'?')) {
        return None;
    }
    if p.word_at(at).is_some_and(|w| matches!(w.kind, Kind::Ip | Kind::Host | Kind::Hex | Kind::Uuid | Kind::Dur | Kind::Size) && w.end as usize + 1 >= full) {
        return None;
    }
    let colon = token.last() == Some(&b':');
    let end = full - usize::from(colon) - usize::from(token.ends_with(b"]") && !token.contains(&b'['));
    let name = p.text(at, end);
    if name.is_empty() || [&b"Error"[..], b"Exception", b"Failure", b"Errors"].iter().any(|e| name.ends_with(e)) {
        return None;
    }
    let dotted = is_dotted(name) || (name.contains(&b'/') && !first.eq(&b'/'));
    let span = Span::new(at, end);
    if colon {
        let single = !component_seen && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) && !is_prose(name);
        return (dotted || single).then_some((span, full, true));
    }
    if token.ends_with(b"]") && !token.contains(&b'[') {
        return dotted.then_some((span, end, false));
    }
    let next = p.skip_blanks(full);
    let gap = next - full;
    match p.byte(next) {
        b':' if gap > 0 && p.byte(next + 1) == b' ' => return Some((span, next + 1, true)),
        b'-' if gap > 0 && p.byte(next + 1) == b' ' => return Some((span, next + 1, true)),
        b'|' if gap > 0 => return Some((span, next + 1, false)),
        _ => {}
    }
    // `Info                  CBS    Loaded ...`: a column of its own
    if gap >= 2 && name.iter().all(u8::is_ascii_uppercase) && name.len() >= 2 {
        return Some((span, full, true));
    }
    let dots = name.iter().filter(|&&b| b == b'.').count();
    let go_on = p.byte(next) == b'[';
    (is_dotted(name) && (dots >= 2 || name.windows(2).any(|w| w == b"::")) && gap > 0).then_some((span, full, !go_on))
}

fn is_prose(word: &[u8]) -> bool {
    word.len() <= 12 && PROSE.iter().any(|prose| word.eq_ignore_ascii_case(prose))
}

/// Formats that separate fields by ` | `: `| message | logger | thread` (ActiveMQ) and `| thread | logger | message` (Karaf). Returns
/// where the message begins, and cuts `p.end` where it is not last.
fn bar_fields(p: &mut Peeler<'_>, bar: usize) -> Option<usize> {
    const SEPARATOR: &[u8] = b" | ";
    let body = p.skip_blanks(bar + 1);
    // Looking for the last two separators only: bounded by the line.
    let rest = p.rest(body);
    let last = memchr::memmem::rfind(rest, SEPARATOR)?;
    let middle = memchr::memmem::rfind(&rest[..last], SEPARATOR)?;
    let name = rest[middle + 3..last].trim_ascii();
    let thread = rest[last + 3..].trim_ascii();
    let first_separator = memchr::memmem::find(rest, SEPARATOR)?;
    let starts_with_sentence = rest[..first_separator].trim_ascii().contains(&b' ');
    if is_dotted(name) && starts_with_sentence && thread.len() <= LONGEST_NAME {
        let from = body + middle + 3 + (rest[middle + 3..last].len() - rest[middle + 3..last].trim_ascii_start().len());
        p.env.logger = Some(Span::new(from, from + name.len()));
        let from = body + last + 3;
        p.env.thread = Some(Span::new(from, from + thread.len()));
        p.end = body + middle;
        return Some(body);
    }
    // The columns before the last one.
    let (mut at, mut columns) = (body, 0);
    while columns < 4 {
        let rest = p.rest(at);
        let Some(end) = memchr::memmem::find(&rest[..rest.len().min(LONGEST_NAME)], b"|") else { break };
        let field = rest[..end].trim_ascii();
        let wordy = field.iter().filter(|&&b| b == b' ').count() > 2;
        if wordy || field.iter().any(|b| matches!(b, b'"' | b'=')) {
            break;
        }
        let from = p.skip_blanks(at);
        let span = Span::new(from, from + field.len());
        if is_dotted(field) && p.env.logger.is_none() {
            p.env.logger = Some(span);
        } else if !field.is_empty() {
            assign_group(p, span);
        }
        at = p.skip_blanks(at + end + 1);
        columns += 1;
    }
    (columns > 0).then_some(at)
}

/// Kafka: the logger stands behind the message, ` (org.apache.kafka.clients.NetworkClient)`.
fn trailing_logger(p: &mut Peeler<'_>) {
    if p.env.logger.is_some() || p.end == 0 || p.line[p.end - 1] != b')' {
        return;
    }
    let tail = &p.line[p.at.max(p.end.saturating_sub(LONGEST_NAME))..p.end - 1];
    let Some(open) = memchr::memmem::rfind(tail, b" (") else { return };
    let name = &tail[open + 2..];
    if is_dotted(name) && name.iter().filter(|&&b| b == b'.').count() >= 2 {
        let from = p.end - 1 - name.len();
        p.env.logger = Some(Span::new(from, from + name.len()));
        p.end = from - 2;
    }
}

/// Level words written behind a colour code share a digit-word with it (`32mINFO`) unless the scanner knows such codes.
fn discriminate_coloured(p: &mut Peeler<'_>, from: usize, to: usize) {
    if p.text(from, to).contains(&0x1B) {
        p.discriminate(from, to);
    }
}

/// A header whose first token is its level: `[WARN] ...`, `WARN  a.b.C - ...`, `warn: Category[0]`, `ERROR:root:...`.
fn level_first(p: &mut Peeler<'_>, start: usize) -> bool {
    let Some(level) = level_at(p, start) else { return false };
    let next = p.byte(level.end);
    let word = p.text(start, level.end);
    // Python's basicConfig: `LEVEL:logger:message`
    if level.style == Style::Upper && next == b':' && !matches!(p.byte(level.end + 1), b' ' | b'\t' | 0) {
        let rest = p.rest(level.end + 1);
        let Some(colon) = rest.iter().take(LONGEST_NAME).position(|&b| matches!(b, b':' | b' ')).filter(|&i| rest[i] == b':' && i > 0) else { return false };
        p.layer("python");
        p.set_severity(level.severity);
        p.env.logger = Some(Span::new(level.end + 1, level.end + 1 + colon));
        p.at = p.skip_blanks(level.end + 1 + colon + 1);
        return true;
    }
    // .NET console: `warn: Category[0]`
    if level.style == Style::Lower && next == b':' {
        let at = p.skip_blanks(level.end + 1);
        let end = p.token_end(at);
        if let Some(open) = p.text(at, end).iter().position(|&b| b == b'[').filter(|&open| p.group_end(at + open) == Some(end.saturating_sub(1)) && is_dotted(p.text(at, at + open))) {
            p.layer("dotnet");
            p.set_severity(level.severity);
            p.env.logger = Some(Span::new(at, at + open));
            p.at = p.skip_blanks(end);
            return true;
        }
    }
    match level.style {
        Style::Bracketed if word.len() > 3 => {}
        // `FATAL: sorry, too many clients already`: says its level, and the word is part of what people search for.
        Style::Upper | Style::Title | Style::Lower if next == b':' => {
            p.set_severity(level.severity);
            p.layer("level");
            return false;
        }
        Style::Upper if matches!(next, b' ' | b'\t' | b'|' | 0x1B) && word.len() > 3 => {}
        _ => return false,
    }
    p.layer("level");
    p.set_severity(level.severity);
    discriminate_coloured(p, p.at, level.end);
    p.at = level.end;
    after_level(p, &mut Found::default());
    true
}

/// A stamp, and no level: a few groups in brackets, columns between bars, a name before a dash.
fn without_level(p: &mut Peeler<'_>, found: &mut Found, tokens: usize) {
    let mut at = p.at;
    if found.inside {
        // `[stamp] ` was not closed: whatever it holds is part of the header if it closes soon.
        let rest = p.rest(at);
        match rest.iter().take(LONGEST_NAME).position(|&b| b == b']') {
            Some(close) => at += close + 1,
            None => return,
        }
    }
    // Columns between bars without blanks: `stamp|Step|3000|message`.
    if p.byte(p.skip_blanks(at)) == b'|' {
        let mut next = p.skip_blanks(at) + 1;
        for _ in 0..4 {
            let from = p.skip_blanks(next);
            let rest = p.rest(from);
            let Some(end) = rest.iter().take(LONGEST_NAME).position(|&b| b == b'|') else { break };
            let field = rest[..end].trim_ascii();
            if field.iter().any(|b| matches!(b, b' ' | b'"' | b'=')) {
                break;
            }
            let span = Span::new(from, from + field.len());
            if p.number_at(from) == Some(from + field.len()) {
                p.env.pid = p.env.pid.or(Some(span));
            } else if !field.is_empty() && p.env.logger.is_none() {
                p.env.logger = Some(span);
            }
            next = from + end + 1;
        }
        p.at = p.skip_blanks(next);
        return;
    }
    let mut groups = 0;
    for _ in 0..MOST_TOKENS {
        at = p.skip_blanks(at);
        match p.byte(at) {
            b'[' if groups < 3 => {
                let Some(close) = p.group_end(at).filter(|&close| is_header_group(p, at, close, groups)) else { break };
                assign_group(p, Span::new(at + 1, close));
                groups += 1;
                at = close + 1;
            }
            b'-' if p.byte(at + 1) == b' ' => at += 2,
            b':' if p.byte(at + 1) == b' ' => at += 2,
            b'0'..=b'9' if tokens >= 2 => match p.number_at(at) {
                Some(end) => {
                    at = end;
                    break;
                }
                None => break,
            },
            _ => {
                // `program - message`
                let end = p.token_end(at);
                let mut next = p.skip_blanks(end);
                if p.byte(next) == b'*' && p.number_at(next + 1).is_some() {
                    next = p.skip_blanks(p.token_end(next));
                }
                if end > at && next > end && p.byte(next) == b'-' && p.byte(next + 1) == b' ' && p.env.logger.is_none() && is_word(p.text(at, end)) {
                    p.env.logger = Some(Span::new(at, end));
                    at = next + 2;
                }
                break;
            }
        }
    }
    p.at = p.skip_blanks(at);
}

fn is_word(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_alphabetic) && text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'$' | b':' | b'/'))
}
