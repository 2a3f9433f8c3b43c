//! Syslog's own fields: host and `tag[pid]:`.

use super::cursor::{LONGEST_NAME, Peeler};
use crate::record::Span;

/// A tag: program, pid, and where the message begins.
struct Tag {
    name: Span,
    pid: Option<Span>,
    next: usize,
    /// It is more than a word and a colon.
    sure: bool,
}

/// Peels `host tag[pid]: ` (or without host) at `at`. `syslog` says that the stamp was syslog's own kind: then a word and a colon suffice,
/// and a host alone unless `with_tag`.
pub(super) fn peel_host_and_tag(p: &mut Peeler<'_>, at: usize, syslog: bool, with_tag: bool) -> bool {
    let at = p.skip_blanks(at);
    if let Some(tag) = tag_at(p, at, false).filter(|tag| tag.pid.is_some()) {
        commit(p, None, tag);
        return true;
    }
    let host_end = p.token_end(at);
    let host = p.text(at, host_end);
    let is_host = !host.is_empty()
        && host.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'/' | b'@' | b':' | b'#'))
        && host.last() != Some(&b':');
    if !is_host || p.byte(host_end) != b' ' {
        if let Some(tag) = tag_at(p, at, false).filter(|_| syslog) {
            commit(p, None, tag);
            return true;
        }
        return false;
    }
    let next = p.skip_blanks(host_end);
    let host_like = host.iter().any(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.'));
    if let Some(tag) = tag_at(p, next, syslog).filter(|tag| syslog || tag.pid.is_some() || tag.sure || host_like) {
        commit(p, Some(Span::new(at, host_end)), tag);
        return true;
    }
    if syslog && !with_tag {
        p.layer("syslog");
        p.env.host = p.env.host.or(Some(Span::new(at, host_end)));
        p.at = next;
        return true;
    }
    false
}

fn commit(p: &mut Peeler<'_>, host: Option<Span>, tag: Tag) {
    p.layer("syslog");
    p.env.host = p.env.host.or(host);
    p.env.logger = p.env.logger.or(Some(tag.name));
    p.env.pid = p.env.pid.or(tag.pid);
    p.at = tag.next;
}

/// The tag at `at`; `several_words` allows blanks in a name that a pid follows.
fn tag_at(p: &Peeler<'_>, at: usize, several_words: bool) -> Option<Tag> {
    let mut i = at;
    let mut words = 0;
    let mut sure = false;
    while i < p.end && i - at < LONGEST_NAME {
        match p.byte(i) {
            b'[' if i > at => {
                let close = p.group_end(i)?;
                let pid = p.number_at(i + 1).filter(|&end| end == close).map(|_| Span::new(i + 1, close));
                let mut next = close + 1;
                // macOS: `launchd[1] (com.example.job[33438]): `
                let group = p.skip_blanks(next);
                if let Some(end) = p.group_end(group).filter(|&end| group > next && p.byte(group) == b'(' && p.byte(end + 1) == b':') {
                    next = end + 1;
                }
                if p.byte(next) != b':' {
                    return None;
                }
                pid?;
                let next = past_colon(p, next)?;
                return Some(Tag { name: Span::new(at, i), pid, next, sure: true });
            }
            b'(' if i > at => i = p.group_end(i)? + 1,
            b':' => {
                let next = past_colon(p, i)?;
                return (words == 0 && i > at).then_some(Tag { name: Span::new(at, i), pid: None, next, sure });
            }
            b' ' => {
                // `syslogd 1.4.1: restart`
                if let Some(word) = p.word_at(i + 1).filter(|w| words == 0 && p.byte(w.end as usize) == b':') {
                    let next = past_colon(p, word.end as usize)?;
                    return Some(Tag { name: Span::new(at, i), pid: None, next, sure: true });
                }
                words += 1;
                if !several_words || words > 3 {
                    return None;
                }
                i += 1;
            }
            b'"' | b'\'' | b'=' | b',' | b';' | b'\t' => return None,
            b => {
                sure |= matches!(b, b'-' | b'_' | b'.' | b'/' | b'0'..=b'9');
                i += 1;
            }
        }
    }
    None
}

fn past_colon(p: &Peeler<'_>, colon: usize) -> Option<usize> {
    match p.byte(colon + 1) {
        b' ' | b'\t' => Some(colon + 2),
        _ if colon + 1 >= p.end => Some(p.end),
        _ => None,
    }
}
