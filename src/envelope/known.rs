//! Headers with a syntax of their own, told by their first bytes: klog, Ruby's logger, Redis, logcat's brief form, access logs, PHP.

use super::cursor::{LONGEST_NAME, Peeler};
use super::level::letter;
use super::stamp;
use crate::record::{Severity, Span};
use crate::scan::Kind;

/// Peels one such header at `p.at`. True when there was one; it is the last layer.
pub(super) fn peel(p: &mut Peeler<'_>) -> bool {
    let by_first = match p.byte(p.at) {
        b'A'..=b'Z' => klog(p) || ruby(p) || logcat_brief(p),
        b'[' => tornado(p) || php(p),
        b'0'..=b'9' | b'-' => redis(p),
        _ => false,
    };
    by_first || access(p)
}

/// `E1123 10:00:00.678901       1 reflector.go:138] message`
fn klog(p: &mut Peeler<'_>) -> bool {
    let at = p.at;
    if !matches!(p.byte(at), b'I' | b'W' | b'E' | b'F' | b'D') {
        return false;
    }
    // glog writes the year, too; then the scanner takes letter and date for one word.
    let glued = p.word_at(at).filter(|w| matches!(w.kind, Kind::Id | Kind::Hex) && w.end as usize == at + 9);
    let stamp_end = match glued {
        Some(word) => p.word_at(word.end as usize + 1).filter(|w| w.kind == Kind::Time),
        None => p.word_at(at + 1).filter(|w| w.kind == Kind::Stamp),
    };
    let Some(stamp_end) = stamp_end.map(|w| w.end as usize) else { return false };
    let pid = p.skip_blanks(stamp_end);
    let Some(pid_end) = p.number_at(pid) else { return false };
    let file = p.skip_blanks(pid_end);
    let token = p.text(file, p.token_end(file));
    let Some(close) = token.iter().position(|&b| b == b']').filter(|_| token.contains(&b':')) else { return false };
    p.set_time(at + 1, stamp_end, stamp::DATE_TIME);
    p.set_severity(letter(p.text(at, at + 1)).unwrap_or_default());
    if glued.is_some() {
        p.discriminate(at, at + 1);
    }
    p.env.pid = p.env.pid.or(Some(Span::new(pid, pid_end)));
    p.env.logger = Some(Span::new(file, file + close));
    p.layer("klog");
    p.at = p.skip_blanks(file + close + 1);
    true
}

/// `[W 2026-11-23 10:00:00.123 ServerApp] message`, `[W 261123 10:00:00 web:2239] message`
fn tornado(p: &mut Peeler<'_>) -> bool {
    let at = p.at;
    if p.byte(at) != b'[' || p.byte(at + 2) != b' ' {
        return false;
    }
    let Some(severity) = letter(p.text(at + 1, at + 2)) else { return false };
    let Some((end, format)) = p.stamp_at(at + 3, false) else { return false };
    let Some(close) = p.group_end(at) else { return false };
    p.set_time(at + 3, end, format);
    p.set_severity(severity);
    let name = p.skip_blanks(end);
    if name < close {
        p.env.logger = Some(Span::new(name, close));
    }
    p.layer("tornado");
    p.at = p.skip_blanks(close + 1);
    true
}

/// `W, [2026-11-23T10:00:00.123456 #4242]  WARN -- prog: message`
fn ruby(p: &mut Peeler<'_>) -> bool {
    let at = p.at;
    if !p.starts_with(at + 1, b", [") || letter(p.text(at, at + 1)).is_none() {
        return false;
    }
    let Some((end, format)) = p.stamp_at(at + 4, false) else { return false };
    let Some(close) = p.group_end(at + 3) else { return false };
    let word = p.skip_blanks(close + 1);
    let word_end = p.letters_end(word);
    let severity = Severity::from_word(p.text(word, word_end)).or_else(|| letter(p.text(at, at + 1))).unwrap_or_default();
    let dashes = p.skip_blanks(word_end);
    if !p.starts_with(dashes, b"--") {
        return false;
    }
    p.set_time(at + 4, end, format);
    p.set_severity(severity);
    let pid = p.skip_blanks(end);
    if p.byte(pid) == b'#' {
        p.env.pid = Some(Span::new(pid + 1, close));
    }
    let name = p.skip_blanks(dashes + 2);
    let rest = p.rest(name);
    p.layer("ruby");
    p.at = name;
    if let Some(colon) = rest
        .iter()
        .take(LONGEST_NAME)
        .position(|&b| b == b':')
        .filter(|&i| matches!(rest.get(i + 1), None | Some(b' ')) && !rest[..i].contains(&b' '))
    {
        if colon > 0 {
            p.env.logger = Some(Span::new(name, name + colon));
        }
        p.at = p.skip_blanks(name + colon + 1);
    }
    true
}

/// `1:M 23 Nov 2026 10:00:00.123 # message`
fn redis(p: &mut Peeler<'_>) -> bool {
    let at = p.at;
    let Some(pid) = p.number_at(at).filter(|&end| p.byte(end) == b':') else { return false };
    if !matches!(p.byte(pid + 1), b'M' | b'S' | b'C' | b'X') || p.byte(pid + 2) != b' ' {
        return false;
    }
    let Some((end, format)) = p.stamp_at(pid + 3, false) else { return false };
    let severity = match p.text(end, end + 3) {
        b" . " => Severity::Debug,
        b" - " | b" * " => Severity::Info,
        b" # " => Severity::Warn,
        _ => return false,
    };
    p.set_time(pid + 3, end, format);
    p.set_severity(severity);
    p.env.pid = Some(Span::new(at, pid));
    p.layer("redis");
    p.at = end + 3;
    true
}

/// `E/ActivityManager( 1702): message`
pub(super) fn logcat_brief(p: &mut Peeler<'_>) -> bool {
    let at = p.at;
    if p.byte(at + 1) != b'/' {
        return false;
    }
    let Some(severity) = letter(p.text(at, at + 1)) else { return false };
    let rest = p.rest(at + 2);
    let Some(open) = rest.iter().take(64).position(|&b| b == b'(').map(|i| at + 2 + i) else { return false };
    let pid = p.skip_blanks(open + 1);
    let Some(end) = p.number_at(pid).filter(|&end| p.starts_with(end, b"): ")) else { return false };
    p.set_severity(severity);
    let tag = p.text(at + 2, open).trim_ascii_end();
    p.env.logger = Some(Span::new(at + 2, at + 2 + tag.len()));
    p.env.pid = Some(Span::new(pid, end));
    p.layer("logcat");
    p.at = end + 3;
    true
}

/// `10.0.0.1 - ada [23/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 503 12 ...`: the message is the request and what follows.
fn access(p: &mut Peeler<'_>) -> bool {
    // The identity is always `-`: nobody runs identd. This question comes first, as it is asked of every line.
    let near = &p.rest(p.at)[..p.rest(p.at).len().min(LONGEST_NAME + 1)];
    let Some(blank) = memchr::memchr(b' ', near) else { return false };
    let client = p.at + blank;
    if !p.starts_with(client, b" - ") || client == p.at || p.token_end(p.at) != client {
        return false;
    }
    let mut at = client + 3;
    // Client, identity, user: none of them is part of the message.
    let user = p.token_end(at);
    if user == at || p.byte(user) != b' ' {
        return false;
    }
    at = user + 1;
    if p.byte(at) != b'[' {
        return false;
    }
    let Some((end, format)) = p.stamp_at(at + 1, false) else { return false };
    if !p.starts_with(end, b"] \"") {
        return false;
    }
    p.set_time(at + 1, end, format);
    p.layer("access");
    p.at = end + 2;
    true
}

/// `[23-Nov-2026 10:00:00 UTC] PHP Warning:  message`
fn php(p: &mut Peeler<'_>) -> bool {
    let at = p.at;
    if p.byte(at) != b'[' {
        return false;
    }
    let Some((end, format)) = p.stamp_at(at + 1, false) else { return false };
    // A zone by its place, `Europe/Berlin`, may follow.
    let Some(close) = p.group_end(at).filter(|&close| close < end + 40 && p.starts_with(close, b"] PHP ")) else { return false };
    let word = close + 6;
    let rest = p.rest(word);
    let Some(colon) = rest.iter().take(40).position(|&b| b == b':') else { return false };
    let severity = match &rest[..colon] {
        b"Fatal error" | b"Parse error" | b"Recoverable fatal error" => Severity::Fatal,
        b"Warning" => Severity::Warn,
        b"Notice" | b"Deprecated" => Severity::Info,
        _ => return false,
    };
    p.set_time(at + 1, end, format);
    p.set_severity(severity);
    p.layer("php");
    p.at = p.skip_blanks(word + colon + 1);
    true
}
