//! Codes that say what kind of failure it is stay literal: a 429 and a 500 are two stories.
//!
//! Whether a digit-word is such a code is decided by what stands before it. Its contents are then looked at, which makes it a
//! discriminator of the line: only values that mean a failure stay, so that `status=200` and `status=204` are one story.

/// What is to be done with a digit-word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing says that it is a code.
    NoCode,
    /// A code of a failure: stays.
    Literal,
    /// It stands where a code stands, but means no failure.
    Masked,
}

/// Which numbers are failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// HTTP: 400 to 599.
    Http,
    /// Error numbers, exit codes: not 0, up to this many digits.
    Number(usize),
    /// Five characters, not all 0.
    SqlState,
}

/// Longest key that is looked at, in bytes.
const KEY_BYTES_MAX: usize = 24;

/// Verdict on the digit-word `start..stop` of `text` (which ends at `end`); `before` is the shape of what stands before it.
#[inline]
pub(super) fn verdict(before: &[u8], text: &[u8], start: usize, stop: usize, end: usize) -> Verdict {
    let is_plain = match *before {
        // A word and a blank, which is what stands before most values.
        [.., one, two, b' '] if two >= 0x20 => !is_gap(two) && !is_end_of_key(one, two),
        // A placeholder and a blank: it may be the version of `HTTP/1.1 502`.
        [.., one, _, b' '] => one != b'/',
        [.., last] => !is_gap(last),
        [] => true,
    };
    if is_plain { Verdict::NoCode } else { behind_gap(before, text, start, stop, end) }
}

fn behind_gap(before: &[u8], text: &[u8], start: usize, stop: usize, end: usize) -> Verdict {
    let Some(family) = family(before, &text[stop..end]) else { return Verdict::NoCode };
    let value = &text[start..stop];
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let is_failure = match family {
        Family::Http => digits.len() == 3 && matches!(digits[0], b'4' | b'5') && digits.iter().all(u8::is_ascii_digit),
        Family::Number(most) => digits.len() <= most && digits.iter().all(u8::is_ascii_digit) && digits.iter().any(|&digit| digit != b'0'),
        Family::SqlState => value.len() == 5 && value != b"00000" && value.iter().all(u8::is_ascii_alphanumeric),
    };
    if is_failure { Verdict::Literal } else { Verdict::Masked }
}

/// Whether a value under this key is a code (`status`, `errno`, ...), by the key alone.
pub(super) fn is_code_key(key: &[u8]) -> bool {
    let mut lower = [0u8; KEY_BYTES_MAX];
    ends_like_a_key(key) && lowered(key, &mut lower).is_some_and(|key| by_key(key).is_some())
}

/// Whether the end is that of a key in [`by_key`], or of `error`: most words need no closer look.
fn ends_like_a_key(text: &[u8]) -> bool {
    matches!(*text, [.., one, two] if is_end_of_key(one, two))
}

#[inline]
fn is_end_of_key(one: u8, two: u8) -> bool {
    match two | 0x20 {
        b'e' => matches!(one | 0x20, b'd' | b't'),
        b's' => one | 0x20 == b'u',
        b'p' => one | 0x20 == b't',
        b'o' => one | 0x20 == b'n',
        b'c' => one | 0x20 == b'r',
        b'r' => one | 0x20 == b'o',
        _ => false,
    }
}

/// What lies between a key and its value.
#[inline]
fn is_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b'=' | b':' | b'(' | b'[' | b'"' | b'\'')
}

fn lowered<'a>(key: &[u8], into: &'a mut [u8; KEY_BYTES_MAX]) -> Option<&'a [u8]> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return None;
    }
    for (to, from) in into.iter_mut().zip(key) {
        *to = from.to_ascii_lowercase();
    }
    Some(&into[..key.len()])
}

fn by_key(key: &[u8]) -> Option<Family> {
    Some(match key {
        b"status" | b"status_code" | b"statuscode" | b"http_status" | b"httpstatus" | b"http.status" | b"http.status_code" | b"http"
        | b"response_code" | b"responsecode" | b"response_status" => Family::Http,
        b"errno" | b"error_code" | b"errorcode" | b"err_code" | b"errcode" | b"grpc_code" | b"grpc.code" | b"rc" | b"retcode" => Family::Number(5),
        b"code" | b"exit_code" | b"exitcode" | b"exit_status" => Family::Number(3),
        b"sqlstate" => Family::SqlState,
        _ => return None,
    })
}

fn family(before: &[u8], after: &[u8]) -> Option<Family> {
    let last = *before.last()?;
    if !is_gap(last) {
        return None;
    }
    // What lies between the key and the value, at most four bytes: `": "`, ` = `, `[`, `=`.
    let mut at = before.len();
    while at > 0 && before.len() - at < 4 && is_gap(before[at - 1]) {
        at -= 1;
    }
    let gap = &before[at..];
    // `HTTP/1.1" 502`
    if at >= 6 && before[at - 1] < 0x20 && gap.contains(&b' ') && before[..at - 1].ends_with(b"HTTP/") {
        return Some(Family::Http);
    }
    // nginx: `(111: Connection refused)`
    if last == b'(' && after.starts_with(b": ") && after.get(2).is_some_and(u8::is_ascii_uppercase) {
        return Some(Family::Number(3));
    }
    if !ends_like_a_key(&before[..at]) {
        return None;
    }
    let from = before[..at].iter().rposition(|&byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))).map_or(0, |i| i + 1);
    let mut lower = [0u8; KEY_BYTES_MAX];
    let key = lowered(&before[from..at], &mut lower)?;
    // `os error 111`, mysql's `ERROR 1045 (28000)`
    if key == b"error" {
        let is_os = before[..from].ends_with(b"os ");
        let is_mysql = &before[from..at] == b"ERROR" && after.starts_with(b" (");
        return (gap == b" " && (is_os || is_mysql)).then_some(Family::Number(5));
    }
    let family = by_key(key)?;
    match (key, family) {
        // Without a sign between them only a few words are keys: `HTTP 503`, `exit status 1`, `errno 111`.
        (b"status", _) if gap == b" " => {
            let is_exit = before[..from].ends_with(b"exit ") || before[..from].ends_with(b"exited with ");
            Some(if is_exit { Family::Number(3) } else { Family::Http })
        }
        (b"http", _) => (gap == b" ").then_some(Family::Http),
        (b"rc", _) => (gap == b"=").then_some(family),
        _ => Some(family),
    }
}
