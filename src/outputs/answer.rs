//! What an HTTP answer, or none, means for delivery. Pure, but for the date that `Retry-After` may be.

use super::resolver::ResolveError;
use crate::delivery::outcome::words;
use crate::delivery::{Outcome, Unreachable};
use crate::time::UnixNanos;
use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// An answer as far as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `Retry-After`, as seconds from now.
    pub retry_after: Option<Duration>,
    /// `Location` of a redirect.
    pub location: Option<String>,
    /// The body, cut.
    pub body: Vec<u8>,
    /// Whether the body was read to its end.
    pub is_whole: bool,
}

/// What the status alone says. Receivers that answer 200 for a failure need a reader of their own.
#[must_use]
pub fn by_status(answer: &Answer) -> Outcome {
    let status = answer.status;
    let words = || words(&answer.body);
    match status {
        200..=299 => Outcome::Delivered { status },
        413 => Outcome::TooLarge { words: words() },
        400 | 422 => Outcome::Rejected { status, words: words() },
        // A redirect is not followed: records and keys go where they were told to go.
        300..=399 => {
            Outcome::Refused { status, words: answer.location.as_ref().map_or_else(words, |to| format!("it lives at {to} now; set that as url")) }
        }
        // 501 and 505 do not heal by waiting. 409: another request with the same key is on its way.
        408 | 409 | 425 | 429 | 500 | 502..=504 | 506..=599 => Outcome::Busy { status, retry_after: answer.retry_after, words: words() },
        400..=599 => Outcome::Refused { status, words: words() },
        _ => Outcome::Unreachable { kind: Unreachable::Garbage, words: format!("status {status} makes no sense") },
    }
}

/// The same where no answer is ever a page for people: a 200 with one comes from a login page on the way, or from another service at that URL,
/// and nothing was taken.
#[must_use]
pub fn by_status_but_no_page(answer: &Answer) -> Outcome {
    match by_status(answer) {
        Outcome::Delivered { .. } if is_page(&answer.body) => {
            Outcome::Unreachable { kind: Unreachable::Garbage, words: "a web page answered; is the url right, is there a login on the way?".into() }
        }
        outcome => outcome,
    }
}

fn is_page(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    [&b"<!doctype html"[..], b"<html"].iter().any(|start| body.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start)))
}

/// `Retry-After`: seconds, or a date.
#[must_use]
pub fn retry_after(value: &str, now: UnixNanos) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    let nanos = i64::try_from(at.as_nanosecond()).ok()?;
    Some(Duration::from_nanos(u64::try_from(UnixNanos(nanos).since(now)).unwrap_or(0)))
}

/// Why there was no answer, from what the HTTP client says.
#[must_use]
pub fn of_error(error: &(dyn StdError + 'static), is_connect: bool, is_timeout: bool) -> Outcome {
    let mut deepest: &dyn StdError = error;
    let (mut kind, mut said) = (None, None);
    let mut next = Some(error);
    while let Some(this) = next {
        deepest = this;
        if let Some(name) = this.downcast_ref::<ResolveError>() {
            (kind, said) = (Some(Unreachable::Name), Some(words(name.to_string().as_bytes())));
        }
        if let Some(tls) = this.downcast_ref::<rustls::Error>() {
            (kind, said) = (Some(Unreachable::Tls), Some(tls_words(tls)));
        }
        // What an I/O error wraps is not its source: its source is that one's.
        let io = this.downcast_ref::<io::Error>();
        next = match io.and_then(io::Error::get_ref) {
            Some(inside) => Some(inside),
            None => this.source(),
        };
        if kind.is_none()
            && let Some(io) = io
        {
            (kind, said) = by_io(io.kind());
        }
    }
    let kind = kind.unwrap_or(if is_timeout {
        Unreachable::Timeout
    } else if is_connect {
        Unreachable::Connect
    } else {
        Unreachable::Broken
    });
    Outcome::Unreachable { kind, words: said.unwrap_or_else(|| words(deepest.to_string().as_bytes())) }
}

fn by_io(kind: ErrorKind) -> (Option<Unreachable>, Option<String>) {
    let (kind, said) = match kind {
        ErrorKind::ConnectionRefused => (Unreachable::Connect, "connection refused"),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => (Unreachable::Connect, "no route to host"),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => (Unreachable::Broken, "connection reset by peer"),
        ErrorKind::UnexpectedEof => (Unreachable::Broken, "connection closed before the answer"),
        ErrorKind::TimedOut => (Unreachable::Timeout, "timed out"),
        _ => return (None, None),
    };
    (Some(kind), Some(said.to_owned()))
}

fn tls_words(error: &rustls::Error) -> String {
    words(format!("TLS: {error}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, expected: &str) {
        let answer = Answer { status, body: b"because\n".to_vec(), ..Answer::default() };
        let word = match by_status(&answer) {
            Outcome::Delivered { .. } => "delivered",
            Outcome::Refused { .. } => "refused",
            Outcome::TooLarge { .. } => "too large",
            Outcome::Rejected { .. } => "rejected",
            Outcome::Busy { .. } => "busy",
            Outcome::Unreachable { .. } => "garbage",
            other => panic!("{other:?}"),
        };
        assert_eq!(word, expected, "{status}");
    }

    #[test]
    fn each_status_has_one_meaning() {
        for status in [200, 202, 204] {
            check(status, "delivered");
        }
        for status in [301, 307, 401, 402, 403, 404, 405, 410, 411, 415, 431, 501, 505] {
            check(status, "refused");
        }
        for status in [408, 409, 425, 429, 500, 502, 503, 504, 507, 520, 599] {
            check(status, "busy");
        }
        check(413, "too large");
        check(400, "rejected");
        check(422, "rejected");
        check(101, "garbage");
        check(999, "garbage");
    }

    #[test]
    fn a_page_for_people_is_no_yes() {
        let outcome = |status, body: &str| by_status_but_no_page(&Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() });
        for page in ["<!DOCTYPE html><title>Log in</title>", "\u{feff}\n <HTML lang=en>"] {
            assert!(matches!(outcome(200, page), Outcome::Unreachable { kind: Unreachable::Garbage, .. }), "{page}");
            assert!(matches!(outcome(503, page), Outcome::Busy { .. }), "{page}");
        }
        for fine in ["", "ok", "{}", "<ok/>", "<ht"] {
            assert_eq!(outcome(200, fine), Outcome::Delivered { status: 200 }, "{fine}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let noon = UnixNanos(1_795_608_000_000_000_000); // 2026-11-25T12:00:00Z
        assert_eq!(retry_after(" 120 ", noon), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Wed, 25 Nov 2026 12:00:30 GMT", noon), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Wed, 25 Nov 2026 11:00:00 GMT", noon), Some(Duration::ZERO));
        for nonsense in ["", "-1", "soon", "1.5"] {
            assert_eq!(retry_after(nonsense, noon), None, "{nonsense}");
        }
    }

    #[test]
    fn what_tls_says_is_found_however_deep_it_is_wrapped() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        let wrapped = io::Error::other(io::Error::new(ErrorKind::InvalidData, tls));
        let Outcome::Unreachable { kind, words } = of_error(&wrapped, true, false) else { panic!("no answer came") };
        assert_eq!((kind, words.as_str()), (Unreachable::Tls, "TLS: invalid peer certificate: Expired"));
    }

    #[test]
    fn a_name_without_address_is_told_as_that() {
        let error = ResolveError { name: "logs".into(), reason: "nobody knows".into() };
        let outcome = of_error(&io::Error::other(error), true, true);
        assert_eq!(outcome, Outcome::Unreachable { kind: Unreachable::Name, words: "no address for logs: nobody knows".into() });
    }

    #[test]
    fn a_refused_connection_is_said_in_plain_words() {
        let outcome = of_error(&io::Error::from(ErrorKind::ConnectionRefused), true, false);
        assert_eq!(outcome, Outcome::Unreachable { kind: Unreachable::Connect, words: "connection refused".into() });
    }
}
