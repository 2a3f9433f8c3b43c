//! What a NATS server says, out of bytes. Pure.

use serde::Deserialize;

/// A line longer than this is none of a NATS server: the longest is `INFO`, which names the other servers of a cluster.
const LINE_BYTES_MAX: usize = 64 << 10;

/// A message to us longer than this is no acknowledgement.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Who it is and what it takes; at the start, and when something changes.
    Info(Box<Info>),
    /// A message to a subject that we listen on: here, an acknowledgement.
    Message { subject: String, headers: Vec<u8>, payload: Vec<u8> },
    /// Are you there?
    Ping,
    /// I am.
    Pong,
    /// Only in answer to what we do not ask for.
    Ok,
    /// What is wrong. Often its last word.
    Error(String),
}

/// The part of `INFO` that we need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    pub version: String,
    /// Whether messages may have headers: from 2.2 on.
    pub headers: bool,
    /// Most bytes of a message with its headers.
    pub max_payload: usize,
    pub tls_required: bool,
    pub tls_available: bool,
    /// To be signed by whoever has a key.
    pub nonce: Option<String>,
}

/// This is no NATS server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nonsense;

/// The first thing said in these bytes, and how many bytes it was; `None` while it is not whole.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Said, usize)>, Nonsense> {
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        return if bytes.len() > LINE_BYTES_MAX { Err(Nonsense) } else { Ok(None) };
    };
    let line = std::str::from_utf8(&bytes[..end]).map_err(|_| Nonsense)?.trim_end_matches('\r');
    let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let rest = rest.trim();
    let (said, message_bytes) = match word.to_ascii_uppercase().as_str() {
        "INFO" => (Said::Info(serde_json::from_str(rest).map_err(|_| Nonsense)?), 0),
        "PING" => (Said::Ping, 0),
        "PONG" => (Said::Pong, 0),
        "+OK" => (Said::Ok, 0),
        "-ERR" => (Said::Error(rest.trim_matches('\'').to_owned()), 0),
        "MSG" => return message(bytes, end + 1, rest, false),
        "HMSG" => return message(bytes, end + 1, rest, true),
        _ => return Err(Nonsense),
    };
    Ok(Some((said, end + 1 + message_bytes)))
}

/// `SUBJECT SID [REPLY] [HEADER_BYTES] BYTES` and what follows it.
fn message(bytes: &[u8], start: usize, line: &str, has_headers: bool) -> Result<Option<(Said, usize)>, Nonsense> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let number = |back: usize| words.len().checked_sub(back).and_then(|at| words[at].parse::<usize>().ok()).ok_or(Nonsense);
    let (header_bytes, all) = if has_headers { (number(2)?, number(1)?) } else { (0, number(1)?) };
    let fewest = if has_headers { 4 } else { 3 };
    if words.len() < fewest || words.len() > fewest + 1 || header_bytes > all || all > MESSAGE_BYTES_MAX {
        return Err(Nonsense);
    }
    let Some(content) = bytes.get(start..start + all + 2) else { return Ok(None) };
    let Some(content) = content.strip_suffix(b"\r\n") else { return Err(Nonsense) };
    let (headers, payload) = content.split_at(header_bytes);
    Ok(Some((Said::Message { subject: words[0].to_owned(), headers: headers.to_vec(), payload: payload.to_vec() }, start + all + 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Option<Said>) {
        let found = parse(bytes).unwrap();
        assert_eq!(found.as_ref().map(|(said, _)| said), expected.as_ref(), "{}", String::from_utf8_lossy(bytes));
        if let Some((_, length)) = found {
            assert_eq!(length, bytes.len());
            for shorter in 0..length {
                assert_eq!(parse(&bytes[..shorter]), Ok(None), "{shorter} bytes of it are not whole");
            }
        }
    }

    #[test]
    fn each_thing_a_server_says_is_read() {
        let info = Info { version: "2.9.10".into(), headers: true, max_payload: 1_048_576, nonce: Some("abc".into()), ..Info::default() };
        let line = b"INFO {\"server_id\":\"N\",\"version\":\"2.9.10\",\"headers\":true,\"max_payload\":1048576,\"nonce\":\"abc\"} \r\n";
        check(line, Some(Said::Info(Box::new(info))));
        check(b"PING\r\n", Some(Said::Ping));
        check(b"pong\r\n", Some(Said::Pong));
        check(b"+OK\r\n", Some(Said::Ok));
        check(b"-ERR 'Authorization Violation'\r\n", Some(Said::Error("Authorization Violation".into())));
        let message =
            |headers: &[u8], payload: &[u8]| Said::Message { subject: "_INBOX.a.1".into(), headers: headers.into(), payload: payload.into() };
        check(b"MSG _INBOX.a.1 1 2\r\n{}\r\n", Some(message(b"", b"{}")));
        check(b"MSG _INBOX.a.1 1 reply.to 0\r\n\r\n", Some(message(b"", b"")));
        check(b"HMSG _INBOX.a.1 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n", Some(message(b"NATS/1.0 503\r\n\r\n", b"")));
        check(b"", None);
    }

    #[test]
    fn what_no_server_says_is_nonsense_and_has_an_end() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"\xff\xfe\r\n",
            b"INFO nothing\r\n",
            b"MSG a 1\r\n",
            b"MSG a 1 99999999999\r\n",
            b"HMSG a 1 9 3\r\nabc\r\n",
            b"MSG a 1 1\r\nabc",
            &[b'x'; LINE_BYTES_MAX + 1],
        ] {
            assert_eq!(parse(bytes), Err(Nonsense), "{}", String::from_utf8_lossy(&bytes[..bytes.len().min(40)]));
        }
    }
}
