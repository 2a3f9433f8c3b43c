//! What runtimes and protocols put in front of a whole line: CRI, compose, kubectl and stern prefixes, syslog with a priority, journal export.

use super::Partial;
use super::cursor::Peeler;
use super::level::{Style, level_at, of_syslog};
use super::{stamp, tag};
use crate::record::Span;
use crate::scan::Kind;

/// Longest name of a compose service or pod, in bytes (a DNS name has at most 253; nobody writes one).
const LONGEST_PREFIX: usize = 120;

/// What was peeled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peeled {
    Nothing,
    /// A runtime's or prefixer's layer: any line may be inside.
    Layer,
    /// Syslog: the program's own header may follow.
    Syslog,
}

/// Peels one runtime layer at `p.at`.
pub(super) fn peel(p: &mut Peeler<'_>) -> Peeled {
    let stamp = p.word_at(p.at).is_some_and(|w| w.kind == Kind::Stamp);
    let layer = match p.byte(p.at) {
        b'<' => return if priority(p) { Peeled::Syslog } else { Peeled::Nothing },
        b'[' => kubectl(p),
        _ if stamp => cri(p),
        b'M' if p.starts_with(p.at, b"MESSAGE=") => {
            p.at += 8;
            p.layer("export");
            true
        }
        b if b.is_ascii_alphanumeric() || b == 0x1B => compose(p) || stern(p),
        _ => false,
    };
    if layer { Peeled::Layer } else { Peeled::Nothing }
}

/// `2026-11-23T10:00:00.123456789Z stderr F message`
fn cri(p: &mut Peeler<'_>) -> bool {
    let Some(word) = p.word_at(p.at).filter(|w| w.kind == Kind::Stamp) else { return false };
    let end = word.end as usize;
    let rest = p.rest(end);
    if !(rest.starts_with(b" stdout ") || rest.starts_with(b" stderr ")) {
        return false;
    }
    let tag = end + 8;
    let partial = match p.byte(tag) {
        b'F' => Partial::Whole,
        b'P' => Partial::More,
        _ => return false,
    };
    if tag + 1 < p.end && !matches!(p.byte(tag + 1), b' ' | b':') {
        return false;
    }
    p.set_time(p.at, end, stamp::DATE_TIME);
    p.env.partial = partial;
    p.layer("cri");
    // Tags may follow the first, `F:x:y`.
    let blank = p.rest(tag).iter().take(64).position(|&b| b == b' ');
    p.at = blank.map_or(p.end, |i| tag + i + 1);
    true
}

/// `web-1  | message`
fn compose(p: &mut Peeler<'_>) -> bool {
    if p.env.instance.is_some() || !p.env.layers.is_empty() {
        return false;
    }
    let from = p.skip_colour(p.at);
    let name = p.rest(from).iter().take(LONGEST_PREFIX).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')).count();
    let end = from + name;
    let bar = p.skip_blanks(end);
    if name < 2 || bar == end || p.byte(bar) != b'|' || !matches!(p.byte(bar + 1), b' ' | 0x1B | 0) {
        return false;
    }
    // Compose numbers its containers: `name-1`, `name_1`. A first column (`ts | LEVEL | ...`) begins with a stamp and is no name.
    // Only the kind of the digit-word decides: another number is another container.
    let numbered = p.word_at(from).is_some_and(|w| matches!(w.kind, Kind::Id | Kind::Host) && w.end as usize == end);
    let literal = !p.has_word(from, end) && p.byte(from).is_ascii_alphabetic() && crate::record::Severity::from_word(p.text(from, end)).is_none();
    if !numbered && !literal {
        return false;
    }
    if !numbered && memchr::memchr(b'|', &p.rest(bar + 1)[..p.rest(bar + 1).len().min(LONGEST_PREFIX)]).is_some() {
        return false;
    }
    p.env.instance = Some(Span::new(from, end));
    p.layer("compose");
    p.at = p.skip_colour(bar + 1);
    if p.byte(p.at) == b' ' {
        p.at += 1;
    }
    true
}

/// `[pod/name/container] message`
fn kubectl(p: &mut Peeler<'_>) -> bool {
    if !p.starts_with(p.at, b"[pod/") {
        return false;
    }
    let rest = p.rest(p.at);
    let Some(close) = rest.iter().take(2 * LONGEST_PREFIX).position(|&b| b == b']') else { return false };
    let inside = &rest[5..close];
    if inside.contains(&b' ') || !inside.contains(&b'/') {
        return false;
    }
    p.env.instance = Some(Span::new(p.at + 5, p.at + close));
    p.layer("kubectl");
    p.at += close + 1;
    if p.byte(p.at) == b' ' {
        p.at += 1;
    }
    true
}

/// `pod-name-5d4b8c7f9-x2x1z container message`: a header must follow, or the pod's name must end as Kubernetes ends it.
fn stern(p: &mut Peeler<'_>) -> bool {
    if !p.env.layers.is_empty() {
        return false;
    }
    let from = p.skip_colour(p.at);
    let name = |at: usize| {
        at + p.rest(at).iter().take(LONGEST_PREFIX).take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || **b == b'-' || **b == b'.').count()
    };
    let pod = name(from);
    if !p.word_at(from).is_some_and(|w| matches!(w.kind, Kind::Id | Kind::Host) && w.end as usize == pod) {
        return false;
    }
    let second = p.skip_colour(pod);
    if p.byte(second) != b' ' {
        return false;
    }
    let second = p.skip_colour(second + 1);
    let end = name(second);
    let after = p.skip_colour(end);
    if end == second || !p.byte(second).is_ascii_lowercase() || p.byte(after) != b' ' {
        return false;
    }
    let next = p.skip_blanks(after);
    let level = level_at(p, next).is_some_and(|level| matches!(level.style, Style::Upper | Style::Bracketed));
    if !(level || p.byte(next) == b'{' || p.stamp_at(next, false).is_some() || p.stamp_at(next + 1, false).is_some()) {
        if !is_pod_name(p.text(from, pod)) {
            return false;
        }
        p.discriminate(from, pod);
    }
    p.env.instance = Some(Span::new(from, end));
    p.layer("stern");
    p.at = after + 1;
    true
}

/// A deployment's pod: `...-<8 to 10 of the hash alphabet>-<5 of it>`; a stateful set's or daemon set's cannot be told from words.
fn is_pod_name(name: &[u8]) -> bool {
    let hash = |part: &[u8]| part.iter().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(b));
    let mut parts = name.rsplit(|&b| b == b'-');
    let (last, replica_set, first) = (parts.next(), parts.next(), parts.next());
    last.is_some_and(|part| part.len() == 5 && hash(part))
        && replica_set.is_some_and(|part| (6..=10).contains(&part.len()) && hash(part))
        && first.is_some_and(|part| !part.is_empty())
}

/// `<34>Nov 23 10:00:00 host tag[pid]: message` and `<34>1 2026-11-23T10:00:00Z host app pid id [data] message`
fn priority(p: &mut Peeler<'_>) -> bool {
    let start = p.at;
    let digits = p.rest(start + 1).iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    let close = start + 1 + digits;
    if !(1..=3).contains(&digits) || p.byte(close) != b'>' {
        return false;
    }
    let value = p.text(start + 1, close).iter().fold(0u32, |n, b| n * 10 + u32::from(b - b'0'));
    p.discriminate(start + 1, close);
    if value > 191 {
        return false;
    }
    p.set_severity(of_syslog((value & 7) as u8));
    p.at = close + 1;
    if structured(p) {
        return true;
    }
    let mut at = p.at;
    if let Some((end, format)) = p.stamp_at(at, false) {
        p.set_time(at, end, format);
        at = p.skip_blanks(end);
        p.at = at;
    }
    if !tag::peel_host_and_tag(p, at, true, false) {
        p.layer("syslog");
    }
    true
}

/// The rest of RFC 5424 behind `<PRI>`.
fn structured(p: &mut Peeler<'_>) -> bool {
    let Some(version) = p.number_at(p.at).filter(|&end| p.byte(end) == b' ') else { return false };
    let mut at = version + 1;
    let stamp = p.stamp_at(at, false);
    let time = match stamp {
        Some((end, format)) if p.byte(end) == b' ' => Some((at, end, format)),
        None if p.starts_with(at, b"- ") => None,
        _ => return false,
    };
    at = time.map_or(at + 1, |(_, end, _)| end) + 1;
    let mut fields = [None; 4];
    for field in &mut fields {
        let end = p.token_end(at);
        if end == at || p.byte(end) != b' ' && end < p.end {
            return false;
        }
        *field = (p.text(at, end) != b"-").then_some(Span::new(at, end));
        at = end + 1;
    }
    // Structured data: groups in brackets with quoted values, or `-`.
    if p.byte(at) == b'-' {
        at += 1;
    } else {
        while p.byte(at) == b'[' {
            let mut i = at + 1;
            loop {
                match p.byte(i) {
                    0 if i >= p.end => return false,
                    b']' => break,
                    b'"' => match super::json::quoted(p, i) {
                        Some((_, end, _)) => i = end,
                        None => return false,
                    },
                    _ => i += 1,
                }
            }
            at = i + 1;
        }
    }
    if p.byte(at) == b' ' {
        at += 1;
    }
    if p.starts_with(at, b"\xEF\xBB\xBF") {
        at += 3;
    }
    if let Some((from, to, format)) = time {
        p.set_time(from, to, format);
    }
    let [host, app, pid, _] = fields;
    p.env.host = p.env.host.or(host);
    p.env.logger = p.env.logger.or(app);
    p.env.pid = p.env.pid.or(pid);
    p.layer("syslog");
    p.at = at.min(p.end);
    true
}
