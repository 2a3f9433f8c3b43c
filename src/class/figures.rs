//! The figures of a message about retrying: attempt, limit, delay, target.
//!
//! All are found by what stands round a word, never by its value, so that the same place in the next line of the shape holds the
//! same figure.

use crate::record::Span;
use crate::scan::{Kind, Word};

/// Where the figures stand in a message.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub attempt: Option<Span>,
    pub max_attempts: Option<Span>,
    pub delay: Option<Span>,
    pub target: Option<Span>,
}

/// Finds the figures of a message that speaks of retrying; `words` are its digit-words.
pub(super) fn find(message: &[u8], words: &[Word]) -> Figures {
    let (attempt, max_attempts) = attempts(message, words);
    Figures { attempt, max_attempts, delay: delay(message, words), target: target(message, words) }
}

/// A whole number as it stands in a line (`13768`, `-3`).
#[must_use]
pub fn number(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        digits => (1, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0i64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i64::from(digit - b'0'))?;
    }
    Some(sign * value)
}

/// A stated delay in ns: `0ms`, `5 seconds`, `1.5s`, `1m30s`; a bare number takes its unit from the end of `key`, the bytes before
/// it (`delay_ms=`), and is `None` without one.
#[must_use]
pub fn delay_ns(text: &[u8], key: &[u8]) -> Option<i64> {
    // The commonest: a whole number of milliseconds or seconds.
    if let [digits @ .., b's'] = text {
        let (digits, unit) = if let [digits @ .., b'm'] = digits { (digits, 1_000_000) } else { (digits, 1_000_000_000) };
        if let (Some(value), Some(b'0'..=b'9')) = (number(digits), digits.first()) {
            return value.checked_mul(unit);
        }
    }
    let mut rest = text.trim_ascii();
    let mut total = 0i64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let length = rest.iter().take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b',')).count();
        let (value, tail) = rest.split_at(length);
        let tail = tail.trim_ascii_start();
        let letters = tail.iter().take_while(|b| b.is_ascii_alphabetic() || **b >= 0x80).count();
        let unit = if letters == 0 { unit_of_key(key)? } else { unit_ns(&tail[..letters])? };
        total = total.checked_add(scaled(value, unit)?)?;
        rest = tail[letters..].trim_ascii_start();
        if letters == 0 && !rest.is_empty() {
            return None;
        }
    }
    Some(total)
}

/// `value` (digits, perhaps with a fraction) times `unit`, exactly.
fn scaled(value: &[u8], unit: i64) -> Option<i64> {
    let mut parts = value.splitn(2, |b| matches!(b, b'.' | b','));
    let (whole, fraction) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { number(whole)? };
    let mut total = whole.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction {
        if !digit.is_ascii_digit() {
            return None;
        }
        // Hours have factors of ten enough for ns; digits behind the last ns say nothing.
        place /= 10;
        total = total.checked_add(i64::from(digit - b'0') * place)?;
    }
    Some(total)
}

/// A unit of time in ns.
fn unit_ns(unit: &[u8]) -> Option<i64> {
    const UNITS: [(&str, i64); 27] = [
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("sec", 1_000_000_000),
        ("secs", 1_000_000_000),
        ("second", 1_000_000_000),
        ("seconds", 1_000_000_000),
        ("m", 60_000_000_000),
        ("min", 60_000_000_000),
        ("mins", 60_000_000_000),
        ("minute", 60_000_000_000),
        ("minutes", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("hour", 3_600_000_000_000),
        ("hours", 3_600_000_000_000),
        ("msec", 1_000_000),
        ("msecs", 1_000_000),
        ("milli", 1_000_000),
        ("millis", 1_000_000),
        ("millisecond", 1_000_000),
        ("milliseconds", 1_000_000),
        ("us", 1_000),
        ("usec", 1_000),
        ("micros", 1_000),
        ("microseconds", 1_000),
        ("ns", 1),
        ("nanos", 1),
        ("nanoseconds", 1),
    ];
    if matches!(unit, b"\xC2\xB5s" | b"\xCE\xBCs") {
        return Some(1_000);
    }
    UNITS.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name.as_bytes())).map(|(_, ns)| *ns)
}

/// The unit that a key ends with: `delay_ms=`, `backoffMillis: `, `"delay_seconds":`.
fn unit_of_key(key: &[u8]) -> Option<i64> {
    let end = key.iter().rposition(u8::is_ascii_alphanumeric)? + 1;
    let from = key[..end].iter().rposition(|b| !b.is_ascii_alphanumeric()).map_or(0, |i| i + 1);
    let word = &key[from..end];
    if let Some(ns) = unit_ns(word) {
        return Some(ns);
    }
    // `delayMs`, `backoffSeconds`: the unit is the last hump.
    let hump = word.iter().rposition(u8::is_ascii_uppercase)?;
    (hump > 0).then(|| unit_ns(&word[hump..])).flatten()
}

const fn span(word: &Word) -> Span {
    Span { start: word.start, end: word.end }
}

fn before<'a>(message: &'a [u8], word: &Word) -> &'a [u8] {
    &message[..word.start as usize]
}

fn after<'a>(message: &'a [u8], word: &Word) -> &'a [u8] {
    &message[word.end as usize..]
}

const fn is_number(word: &Word) -> bool {
    matches!(word.kind, Kind::Num | Kind::Num6 | Kind::Num8 | Kind::Epoch)
}

/// The last word of letters (and `_`) in `text`, over blanks and signs of assignment.
fn label(text: &[u8]) -> &[u8] {
    &text[label_start(text)..label_end(text)]
}

fn label_end(text: &[u8]) -> usize {
    text.iter().rposition(|b| !matches!(b, b' ' | b'=' | b':' | b'#' | b'(' | b'[' | b'"' | b'\'')).map_or(0, |i| i + 1)
}

fn label_start(text: &[u8]) -> usize {
    text[..label_end(text)].iter().rposition(|b| !(b.is_ascii_alphanumeric() || *b == b'_')).map_or(0, |i| i + 1)
}

fn is_any(word: &[u8], names: &[&str]) -> bool {
    names.iter().any(|n| word.eq_ignore_ascii_case(n.as_bytes()))
}

fn contains(text: &[u8], word: &str) -> bool {
    text.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word.as_bytes()))
}

fn attempts(message: &[u8], words: &[Word]) -> (Option<Span>, Option<Span>) {
    const ATTEMPT: [&str; 10] =
        ["attempt", "attempts", "retry", "attempt_number", "attemptNumber", "retry_count", "retryCount", "reconnect_attempt", "try", "tries"];
    const LIMIT: [&str; 12] = [
        "max_attempts",
        "maxattempts",
        "max_retries",
        "maxretries",
        "max",
        "maximum",
        "limit",
        "max_tries",
        "retries_max",
        "attempts_max",
        "total_attempts",
        "max_retry",
    ];
    let (mut attempt, mut limit) = (None, None);
    for (i, word) in words.iter().enumerate() {
        if !is_number(word) {
            continue;
        }
        let head = before(message, word);
        let name = label(head);
        let name = if is_any(name, &["number", "no", "count"]) { label(&head[..label_start(head)]) } else { name };
        let tail = after(message, word);
        let is_limit = is_any(name, &LIMIT) || (is_any(name, &ATTEMPT) && is_any(label(&head[..label_start(head)]), &["max", "maximum", "of"]));
        if limit.is_none() && is_limit {
            limit = Some(span(word));
            continue;
        }
        let of = words
            .get(i + 1)
            .filter(|next| is_number(next) && is_any(message[word.end as usize..next.start as usize].trim_ascii(), &["/", "of", "out of"]));
        let is_counted = is_any(name, &ATTEMPT) && !is_duration(message, word);
        let is_tail = [" attempts", " tries", " retries"].iter().any(|t| tail.get(..t.len()).is_some_and(|x| x.eq_ignore_ascii_case(t.as_bytes())))
            && is_any(name, &["after"]);
        // `(3/5)`: a count of attempts needs no name where two numbers stand in brackets.
        let is_pair = of.is_some() && before(message, word).ends_with(b"(") && of.is_some_and(|next| after(message, next).starts_with(b")"));
        // `Already tried 3 time(s)`
        let is_tally = is_any(name, &["tried"]) && tail.starts_with(b" time");
        // `rpc Get failed (3): ...`
        let is_bracketed = is_any(name, &["failed"]) && before(message, word).ends_with(b" (") && tail.starts_with(b")");
        if attempt.is_none() && (is_counted || is_tail || is_tally || is_pair || is_bracketed) {
            attempt = Some(span(word));
            if limit.is_none() {
                limit = of.map(span);
            }
        }
    }
    (attempt, limit)
}

/// The end of a unit that follows a number as a word of its own.
fn following_unit(message: &[u8], word: &Word) -> Option<usize> {
    let tail = after(message, word).strip_prefix(b" ")?;
    let length = tail.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    unit_ns(&tail[..length]).map(|_| word.end as usize + 1 + length)
}

fn is_duration(message: &[u8], word: &Word) -> bool {
    word.kind == Kind::Dur || following_unit(message, word).is_some()
}

fn delay(message: &[u8], words: &[Word]) -> Option<Span> {
    const AGAIN: [&str; 10] = ["retry", "reconnect", "again", "attempt", "restart", "next try", "backing off", "back off", "backoff", "re-connect"];
    const WAIT: [&str; 16] = [
        "wait",
        "waiting",
        "sleep",
        "sleeping",
        "backoff",
        "delay",
        "delaying",
        "pause",
        "pausing",
        "backoff_ms",
        "delay_ms",
        "wait_ms",
        "retry_in",
        "retry_after",
        "retry_delay",
        "next_delay",
    ];
    let mut best: Option<(u8, Span)> = None;
    for word in words {
        if !(word.kind == Kind::Dur || is_number(word)) {
            continue;
        }
        let head = before(message, word);
        let name = label(head);
        let end = if word.kind == Kind::Dur { word.end as usize } else { following_unit(message, word).unwrap_or(word.end as usize) };
        let has_unit = word.kind == Kind::Dur || end > word.end as usize;
        if !has_unit && unit_of_key(&head[label_start(head)..]).is_none() {
            continue;
        }
        let reach = &head[head.len().saturating_sub(48)..];
        let speaks_of_again = AGAIN.iter().any(|w| contains(reach, w));
        let names_a_wait = WAIT.iter().any(|w| name.eq_ignore_ascii_case(w.as_bytes())) || ["delay", "backoff"].iter().any(|w| contains(name, w));
        let score = if is_any(name, &["in", "after"]) && speaks_of_again {
            3
        } else if names_a_wait {
            2
        } else if is_any(name, &["for"]) && (speaks_of_again || contains(reach, "wait") || contains(reach, "sleep") || contains(reach, "suspend")) {
            1
        } else {
            0
        };
        if score > 0 && best.is_none_or(|(s, _)| score > s) {
            best = Some((score, Span::new(word.start as usize, end)));
        }
    }
    best.map(|(_, span)| span)
}

fn target(message: &[u8], words: &[Word]) -> Option<Span> {
    // What stands first: a URL behind an address is as often a link to the manual.
    let first = [url_authority(message), address(message, words)].into_iter().flatten().min_by_key(|span| span.start);
    keyed_target(message).or(first).or_else(|| named_port(message, words)).or_else(|| named_target(message))
}

/// `addr=x:1`, `host='x'`, `upstream: "http://x/"`.
fn keyed_target(message: &[u8]) -> Option<Span> {
    const KEYS: [&str; 12] =
        ["addr=", "address=", "host=", "broker=", "server=", "endpoint=", "upstream: ", "url=", "target=", "brokers=", "hostname=", "address: "];
    for key in KEYS {
        let Some(at) = message.windows(key.len()).position(|w| w.eq_ignore_ascii_case(key.as_bytes())) else {
            continue;
        };
        if at > 0 && message[at - 1].is_ascii_alphanumeric() {
            continue;
        }
        let from = at + key.len();
        let from = from + message[from..].iter().take_while(|b| matches!(b, b'"' | b'\'' | b'[')).count();
        let end = token_end(message, from);
        let found = authority(message, from, end);
        if !found.is_empty() && message[found.start as usize] != b'/' {
            return Some(found);
        }
    }
    None
}

fn token_end(message: &[u8], from: usize) -> usize {
    let stop = |b: &u8| matches!(b, b' ' | b'\t' | b'"' | b'\'' | b',' | b';' | b')' | b']' | b'}' | b'>' | b'`' | b'\\');
    let mut end = message[from..].iter().position(stop).map_or(message.len(), |n| from + n);
    while end > from && matches!(message[end - 1], b'.' | b':' | b'/' | b'!') {
        end -= 1;
    }
    end
}

/// Of a URL in `from..end` its host and port, of anything else the whole.
fn authority(message: &[u8], from: usize, end: usize) -> Span {
    let token = &message[from..end];
    let Some(at) = memchr::memmem::find(token, b"://") else {
        // gRPC's `ipv4:10.0.0.1:50051`.
        let scheme = ["ipv4:", "ipv6:", "dns:"].iter().find(|s| token.starts_with(s.as_bytes())).map_or(0, |s| s.len());
        return Span::new(from + scheme, end);
    };
    let start = from + at + 3;
    let stop = message[start..end].iter().position(|b| matches!(b, b'/' | b'?' | b'#')).map_or(end, |n| start + n);
    let start = memchr::memrchr(b'@', &message[start..stop]).map_or(start, |n| start + n + 1);
    Span::new(start, stop)
}

fn url_authority(message: &[u8]) -> Option<Span> {
    let at = memchr::memmem::find(message, b"://")?;
    let from = message[..at].iter().rposition(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-'))).map_or(0, |i| i + 1);
    let span = authority(message, from, token_end(message, from));
    (!span.is_empty()).then_some(span)
}

/// The first address that is not the writer's own side of the connection.
fn address(message: &[u8], words: &[Word]) -> Option<Span> {
    let is_ours = |word: &&Word| is_any(label(before(message, word)), &["client", "from", "local", "laddr"]);
    // `dial tcp 10.0.0.1:5000->10.0.0.2:5432`: the far end stands behind the arrow.
    let is_source = |word: &&Word| {
        let tail = after(message, word);
        tail[tail.iter().take_while(|b| b.is_ascii_digit() || **b == b':').count()..].starts_with(b"->")
    };
    // `10.0.0.1 - - [time] "GET ...`: who asked.
    let is_asker = |word: &&Word| word.start == 0 && after(message, word).starts_with(b" - - [");
    words.iter().find(|w| matches!(w.kind, Kind::Ip | Kind::Host) && !is_ours(w) && !is_source(w) && !is_asker(w)).map(span)
}

/// `orders-db:5432`: a name without digits before a port.
fn named_port(message: &[u8], words: &[Word]) -> Option<Span> {
    // What programs count and number; a host of such a name is rarer.
    const COUNTED: [&str; 31] = [
        "attempt",
        "attempts",
        "try",
        "retry",
        "retries",
        "status",
        "code",
        "line",
        "port",
        "errno",
        "error",
        "pid",
        "tid",
        "uid",
        "id",
        "thread",
        "shard",
        "partition",
        "offset",
        "row",
        "column",
        "size",
        "count",
        "total",
        "took",
        "level",
        "version",
        "delay",
        "timeout",
        "backoff",
        "in",
    ];
    for word in words {
        if word.kind != Kind::Num || !before(message, word).ends_with(b":") {
            continue;
        }
        let end = word.start as usize - 1;
        let start = message[..end].iter().rposition(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))).map_or(0, |i| i + 1);
        let name = &message[start..end];
        let is_file =
            [".go", ".py", ".js", ".rb", ".rs", ".java", ".cc", ".cpp", ".c", ".ts", ".php", ".cs"].iter().any(|e| name.ends_with(e.as_bytes()));
        if name.len() >= 2 && name[0].is_ascii_alphabetic() && !is_file && !is_any(name, &COUNTED) {
            return Some(Span::new(start, word.end as usize));
        }
    }
    None
}

/// `Connection to orders-db failed`, `cannot connect to 'cache'`.
fn named_target(message: &[u8]) -> Option<Span> {
    const PHRASES: [&str; 8] =
        ["connection to server at ", "connection to ", "connect to ", "connecting to ", "reconnect to ", "reconnecting to ", "reach ", "lookup "];
    const STOP: [&str; 30] = [
        "failed", "failure", "error", "lost", "closed", "refused", "the", "a", "an", "be", "all", "any", "server", "servers", "host", "database",
        "broker", "remote", "upstream", "backend", "our", "its", "service", "it", "peer", "port", "socket", "node", "db", "proxy",
    ];
    for phrase in PHRASES {
        let Some(at) = message.windows(phrase.len()).position(|w| w.eq_ignore_ascii_case(phrase.as_bytes())) else {
            continue;
        };
        let from = at + phrase.len();
        let quote = message[from..].iter().take_while(|b| matches!(b, b'"' | b'\'' | b'`' | b'[')).count();
        let from = from + quote;
        let end = token_end(message, from);
        let name = &message[from..end];
        let is_name = name.len() >= 2
            && name[0].is_ascii_alphanumeric()
            && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':' | b'/'));
        if is_name && (quote > 0 || !is_any(name, &STOP)) {
            return Some(Span::new(from, end));
        }
    }
    None
}
