//! The fields of a text header round and behind its level: which of them are pid, thread and logger, and where the message begins.

use super::cursor::{LONGEST_NAME, Peeler};
use super::header::{Found, MOST_GROUPS, MOST_TOKENS};
use crate::record::Span;
use crate::scan::Kind;

/// Words that end with a colon in messages at least as often as logger names do: they stay in the message.
const PROSE: [&[u8]; 40] = [
    b"error",
    b"errors",
    b"exception",
    b"failure",
    b"failed",
    b"fail",
    b"timeout",
    b"warning",
    b"cause",
    b"caused",
    b"reason",
    b"result",
    b"status",
    b"retry",
    b"retrying",
    b"connect",
    b"connection",
    b"read",
    b"write",
    b"dial",
    b"open",
    b"close",
    b"send",
    b"recv",
    b"lookup",
    b"listen",
    b"accept",
    b"bind",
    b"get",
    b"post",
    b"put",
    b"delete",
    b"fetch",
    b"note",
    b"usage",
    b"unable",
    b"invalid",
    b"traceback",
    b"panic",
    b"message",
];

/// Numbers, groups and names found before the level: which is pid, thread, logger.
pub(super) fn assign(p: &mut Peeler<'_>, found: &mut Found) {
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
    p.env.logger = p.env.logger.or(found.name);
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
    } else if let Some(number) = text.get(..4).filter(|t| t.eq_ignore_ascii_case(b"pid ")).and_then(|_| p.number_at(from + 4)) {
        p.env.pid = Some(Span::new(from + 4, number));
        if p.starts_with(number, b":tid ") {
            p.env.thread = p.number_at(number + 5).map(|end| Span::new(number + 5, end));
        }
    } else if p.env.logger.is_none() && is_dotted(text) {
        p.env.logger = Some(span);
    } else if p.env.thread.is_none() && !text.contains(&b',') && (!text.contains(&b'=') || text.contains(&b']')) {
        p.env.thread = Some(span);
    }
}

/// `a.b.C`, `a::b`, `a/b.c`: a name with parts.
pub(super) fn is_dotted(text: &[u8]) -> bool {
    let (mut before, mut parts) = (0, false);
    for &b in text {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' => parts |= before == b'.',
            b':' => parts |= before == b':',
            b'0'..=b'9' | b'.' | b'_' | b'$' | b'/' | b'-' | b'@' | b'#' => {}
            _ => return false,
        }
        before = b;
    }
    parts && text[0].is_ascii_alphabetic()
}

/// What follows the level: pid, dashes, groups, logger; then the message.
pub(super) fn after_level(p: &mut Peeler<'_>, found: &mut Found) {
    let component_seen = p.env.logger.is_some();
    let (mut at, mut groups, mut columns, mut done, mut dashed) = (p.at, 0, 0, false, false);
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
                if let Some(past) = (p.byte(at) == b'|').then(|| bar_fields(p, at)).flatten() {
                    p.at = past;
                    return;
                }
                at += 1;
            }
            b':' if matches!(p.byte(at + 1), b' ' | b'\t') || at + 1 >= p.end => {
                at += 1;
                dashed = true;
            }
            b'-' if p.starts_with(at, b"---") => at += 3,
            b'-' if p.starts_with(at, b"-- ") => at += 2,
            b'-' if p.byte(at + 1) == b' ' => {
                at += 1;
                dashed = true;
            }
            b'[' | b'<' | b'(' if groups < MOST_GROUPS && !(dashed && groups > 0) => {
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
            // Behind a dash or a colon the message begins.
            _ if dashed => break,
            // zap's console: `INFO<tab>logger<tab>file.go:7<tab>message<tab>{...}`
            b if b.is_ascii_alphabetic() && at > 0 && p.line[at - 1] == b'\t' && p.byte(p.token_end(at)) == b'\t' && columns < 2 => {
                let end = p.token_end(at);
                let caller = p.text(at, end).contains(&b':');
                if p.env.logger.is_none() || !caller {
                    p.env.logger = Some(Span::new(at, end));
                }
                columns += 1;
                done = caller;
                at = end;
            }
            _ => {
                // tracing: spans before the target, `request{id=5}:db{pool=a}: shop::db: message`
                if let Some(past) = span_context(p, at) {
                    at = past;
                    continue;
                }
                let Some((name, next, ends)) = logger_at(p, at, component_seen) else { break };
                // Whether a name with digits is a logger's was read from the name.
                p.discriminate(name.start as usize, name.end as usize);
                p.env.logger = p.env.logger.or(Some(name));
                at = next;
                done = ends;
            }
        }
        if done || at == before {
            break;
        }
    }
    p.at = p.skip_blanks(at);
    if columns > 0 {
        super::json::peel_tail(p);
    }
    trailing_logger(p);
}

/// Whether the group at `at` belongs to the header rather than to the message.
fn is_header_group(p: &Peeler<'_>, at: usize, close: usize, before: usize) -> bool {
    let text = p.text(at + 1, close);
    if !matches!(p.byte(close + 1), b' ' | b'\t' | b'[' | b':') && close + 1 < p.end {
        return false;
    }
    let has_word = || p.has_word(at + 1, close);
    match p.byte(at) {
        b'<' => !text.contains(&b' ') && has_word(),
        b'(' => {
            let is_name = |text: &[u8]| if text.contains(&b' ') { is_thread_name(text) } else { before == 0 || has_word() };
            before <= 1 && text.first().is_some_and(u8::is_ascii_alphabetic) && is_name(text)
        }
        _ => {
            let (mut blank, mut pair, mut equals, mut last) = (false, false, false, 0);
            for &b in text {
                pair |= b == b' ' && last == b':';
                blank |= b == b' ';
                equals |= b == b'=';
                last = b;
            }
            let errno = matches!(text.first(), Some(b'E' | b'e' | b'W'))
                && [&b"Errno"[..], b"errno", b"WinError", b"error"].iter().any(|start| text.starts_with(start));
            !errno && !pair && (before == 0 || !blank || equals || has_word())
        }
    }
}

/// Past a span of Rust's tracing at `at`, `name{fields}:`.
fn span_context(p: &Peeler<'_>, at: usize) -> Option<usize> {
    let name = p.rest(at).iter().take(64).take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    if name == 0 || p.byte(at + name) != b'{' {
        return None;
    }
    let close = p.group_end(at + name)?;
    (p.byte(close + 1) == b':').then_some(close + 2)
}

/// What one pass over a token sees that might be a logger's name.
#[derive(Default)]
struct NameScan {
    length: usize,
    /// Points with a letter behind them.
    dots: usize,
    /// `::`
    colons: bool,
    slash: bool,
    bracket: bool,
    /// Bytes that no name has.
    foreign: bool,
    /// Bytes that dotted names do not have.
    odd: usize,
}

impl NameScan {
    fn of(rest: &[u8]) -> Self {
        let mut scan = Self::default();
        let mut before = 0;
        for &b in rest.iter().take(LONGEST_NAME) {
            match b {
                b' ' | b'\t' | 0x1B => break,
                b'a'..=b'z' | b'A'..=b'Z' => scan.dots += usize::from(before == b'.'),
                b'0'..=b'9' | b'.' | b'_' | b'$' | b'-' | b'@' | b'#' => {}
                b':' => scan.colons |= before == b':',
                b'/' => scan.slash = true,
                b'[' => {
                    scan.bracket = true;
                    scan.odd += 1;
                }
                b'"' | b'\'' | b'=' | b',' | b';' | b'`' | b'|' | b'!' | b'?' => {
                    scan.foreign = true;
                    break;
                }
                // The bracket that closes a header is no part of the name.
                b']' if !scan.bracket => {}
                _ => scan.odd += 1,
            }
            before = b;
            scan.length += 1;
        }
        scan
    }
}

/// `MSC service thread 1-2`, `default task-1`
fn is_thread_name(text: &[u8]) -> bool {
    [&b"thread"[..], b"Thread", b"task", b"worker"].iter().any(|word| memchr::memmem::find(text, word).is_some())
}

/// The logger name at `at`: its span, where to go on, and whether the header ends with it.
fn logger_at(p: &Peeler<'_>, at: usize, component_seen: bool) -> Option<(Span, usize, bool)> {
    let first = p.byte(at);
    if !(first.is_ascii_alphabetic() || first == b'_' || first == b'/') {
        return None;
    }
    let scan = NameScan::of(p.rest(at));
    let full = at + scan.length;
    if scan.length == 0 || scan.length >= LONGEST_NAME || scan.foreign {
        return None;
    }
    if p.word_at(at)
        .is_some_and(|w| matches!(w.kind, Kind::Ip | Kind::Host | Kind::Hex | Kind::Uuid | Kind::Dur | Kind::Size) && w.end as usize + 1 >= full)
    {
        return None;
    }
    let colon = p.byte(full - 1) == b':';
    let closes = p.byte(full - 1) == b']' && !scan.bracket;
    let end = full - usize::from(colon || closes);
    let name = p.text(at, end);
    if name.is_empty()
        || matches!(name[name.len() - 1], b'r' | b'n' | b'e' | b's')
            && [&b"Error"[..], b"Exception", b"Failure", b"Errors"].iter().any(|e| name.ends_with(e))
    {
        return None;
    }
    let parts = scan.odd == 0 && (scan.dots > 0 || scan.colons) && first.is_ascii_alphabetic();
    let dotted = parts || (scan.slash && first != b'/');
    let span = Span::new(at, end);
    if colon {
        let single = !component_seen
            && p.env.logger.is_none()
            && !is_code(name)
            && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
            && !is_prose(name);
        return (dotted || single).then_some((span, full, true));
    }
    if closes {
        return dotted.then_some((span, end, false));
    }
    let next = p.skip_blanks(full);
    let gap = next - full;
    match p.byte(next) {
        b':' if gap > 0 && matches!(p.byte(next + 1), b' ' | 0x1B) => return Some((span, next + 1, true)),
        b'-' if gap > 0 && p.byte(next + 1) == b' ' => return Some((span, next + 1, true)),
        b'|' if gap > 0 => return Some((span, next + 1, false)),
        _ => {}
    }
    // `Info                  CBS    Loaded ...`: a column of its own
    if gap >= 2 && name.iter().all(u8::is_ascii_uppercase) && name.len() >= 2 {
        return Some((span, full, p.byte(next) != b'['));
    }
    if p.byte(next) == b'=' {
        return None;
    }
    let go_on = p.byte(next) == b'[';
    (parts && (scan.dots >= 2 || scan.colons) && gap > 0).then_some((span, full, !go_on))
}

/// `WFLYSRV0025`, `AMQ222061`: says what happened, so it belongs to the message.
fn is_code(word: &[u8]) -> bool {
    let digits = word.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    digits >= 2 && word[..word.len() - digits].iter().all(|b| b.is_ascii_uppercase() || *b == b'-')
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
    if p.env.logger.is_some() || p.at + 1 >= p.end || p.line[p.end - 1] != b')' {
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

/// A stamp, and no level: a few groups in brackets, columns between bars, a name before a dash.
pub(super) fn without_level(p: &mut Peeler<'_>, found: &mut Found, tokens: usize) {
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
    text.first().is_some_and(u8::is_ascii_alphabetic)
        && text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'$' | b':' | b'/'))
}
