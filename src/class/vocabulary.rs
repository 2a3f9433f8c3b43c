//! The generic words: one search for all of them, then cheap looks at what stands round each hit.

use super::stems::Searcher;
use crate::record::{Class, Severity};
use crate::scan::Word;
use std::sync::OnceLock;

/// What must hold round a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// Nothing.
    Free,
    /// Stands as a word or phrase of its own, not inside an identifier, a path or a key.
    Phrase,
    /// As `Phrase`, and is not a setting, a noun of a policy or negated.
    Doing,
    /// As `Phrase`, and a number follows.
    Counted,
    /// As `Phrase`, and something nearby says that a limit was reached.
    Reached,
    /// As `Phrase`, and attempts are counted behind it (`failed after 3 attempts`).
    AfterAttempts,
    /// A timeout that happened, not one that is configured.
    TimedOut,
    /// A status code, not any other number.
    Status,
    /// Only in a line that complains or does not say how bad it is.
    Complaint,
    /// Only in a line that does not complain.
    Calm,
    /// As written, case and all.
    Exact,
    /// A process ended, and this is said of a worker or together with a restart.
    Exited,
    /// A process says that it ends because of what went wrong.
    Dying,
    /// `... after 5 attempts` in a line that complains and does not go on trying.
    GaveUpAfter,
    /// `connected after 5 attempts` in a line that does not complain.
    WorkedAfter,
}

use Check::{
    AfterAttempts, Calm, Complaint, Counted, Doing, Dying, Exact, Exited, Free, GaveUpAfter, Phrase, Reached, Status, TimedOut, WorkedAfter,
};

/// Stands for a digit-word `429` while words are looked for.
const OVERLOAD: u8 = 1;
/// Stands for a digit-word `502`, `503` or `504`.
const FAILURE: u8 = 2;

/// What is looked for byte by byte, being shorter than any stem.
const STATUS_OVERLOAD: (&str, Class, Check) = ("\x01", Class::Overload, Status);
const STATUS_FAILURE: (&str, Class, Check) = ("\x02", Class::Failure, Status);
const TRY: (&str, Class, Check) = ("(try", Class::Retry, Counted);

/// Word or phrase, what it says, what must hold. Each holds one of the stems by which it is found.
const WORDS: &[(&str, Class, Check)] = &[
    // It gave up.
    ("giving up", Class::Exhausted, Phrase),
    ("gave up", Class::Exhausted, Phrase),
    ("given up", Class::Exhausted, Phrase),
    ("retries exhausted", Class::Exhausted, Phrase),
    ("retry exhausted", Class::Exhausted, Phrase),
    ("retryexhausted", Class::Exhausted, Free),
    ("retries are exhausted", Class::Exhausted, Phrase),
    ("attempts exhausted", Class::Exhausted, Phrase),
    ("exhausted all retries", Class::Exhausted, Phrase),
    ("exhausted retries", Class::Exhausted, Phrase),
    ("exhausted all attempts", Class::Exhausted, Phrase),
    ("no more retries", Class::Exhausted, Phrase),
    ("no more attempts", Class::Exhausted, Phrase),
    ("no retries left", Class::Exhausted, Phrase),
    ("no attempts left", Class::Exhausted, Phrase),
    ("out of attempts", Class::Exhausted, Phrase),
    ("out of retries", Class::Exhausted, Phrase),
    ("max retries", Class::Exhausted, Reached),
    ("maximum retries", Class::Exhausted, Reached),
    ("max attempts", Class::Exhausted, Reached),
    ("maximum attempts", Class::Exhausted, Reached),
    ("number of attempts", Class::Exhausted, Reached),
    ("number of retries", Class::Exhausted, Reached),
    ("number of retry attempts", Class::Exhausted, Reached),
    ("retry limit", Class::Exhausted, Reached),
    ("retry attempts", Class::Exhausted, Reached),
    ("retry count", Class::Exhausted, Reached),
    ("max reconnect attempts", Class::Exhausted, Reached),
    ("reconnect_failed", Class::Exhausted, Phrase),
    ("will not retry", Class::Exhausted, Phrase),
    ("won't retry", Class::Exhausted, Phrase),
    ("will not be retried", Class::Exhausted, Phrase),
    ("not retrying", Class::Exhausted, Phrase),
    ("stopped retrying", Class::Exhausted, Phrase),
    ("stop retrying", Class::Exhausted, Phrase),
    ("max retries or shutdown", Class::Exhausted, Phrase),
    ("failed permanently", Class::Exhausted, Phrase),
    ("permanently failed", Class::Exhausted, Phrase),
    ("all retries failed", Class::Exhausted, Phrase),
    ("all attempts failed", Class::Exhausted, Phrase),
    ("too many failed attempts", Class::Exhausted, Phrase),
    ("too many failed connects", Class::Exhausted, Phrase),
    ("failed after", Class::Exhausted, AfterAttempts),
    ("aborting after", Class::Exhausted, AfterAttempts),
    ("aborted after", Class::Exhausted, AfterAttempts),
    ("attempts", Class::Exhausted, GaveUpAfter),
    ("attempt", Class::Exhausted, GaveUpAfter),
    ("retries", Class::Exhausted, GaveUpAfter),
    // It works again.
    ("reconnected", Class::Recovery, Doing),
    ("re-connected", Class::Recovery, Doing),
    ("connected again", Class::Recovery, Doing),
    ("connection restored", Class::Recovery, Doing),
    ("connection recovered", Class::Recovery, Doing),
    ("connection re-established", Class::Recovery, Doing),
    ("connection reestablished", Class::Recovery, Doing),
    ("re-established", Class::Recovery, Doing),
    ("back online", Class::Recovery, Doing),
    ("healthy again", Class::Recovery, Doing),
    ("available again", Class::Recovery, Doing),
    ("reachable again", Class::Recovery, Doing),
    ("has recovered", Class::Recovery, Doing),
    ("recovered after", Class::Recovery, Doing),
    ("connection established", Class::Recovery, Calm),
    ("successfully connected", Class::Recovery, Calm),
    ("succeeded after", Class::Recovery, AfterAttempts),
    ("connected after", Class::Recovery, AfterAttempts),
    ("attempts", Class::Recovery, WorkedAfter),
    ("attempt", Class::Recovery, WorkedAfter),
    ("retries", Class::Recovery, WorkedAfter),
    // A process is restarted again and again.
    ("crashloopbackoff", Class::CrashLoop, Free),
    ("back-off restarting failed", Class::CrashLoop, Free),
    ("start request repeated too quickly", Class::CrashLoop, Free),
    ("scheduled restart job, restart counter", Class::CrashLoop, Free),
    ("respawning too fast", Class::CrashLoop, Free),
    ("restarting too quickly", Class::CrashLoop, Free),
    ("worker failed to boot", Class::CrashLoop, Free),
    ("exception in worker process", Class::CrashLoop, Free),
    ("; not expected)", Class::CrashLoop, Free),
    ("exited with code", Class::CrashLoop, Exited),
    ("exited with status", Class::CrashLoop, Exited),
    ("exited unexpectedly", Class::CrashLoop, Exited),
    ("exit code", Class::CrashLoop, Exited),
    ("exiting", Class::CrashLoop, Dying),
    // The server says "too many".
    ("too many connections", Class::Overload, Phrase),
    ("toomanyconnections", Class::Overload, Free),
    ("too many clients", Class::Overload, Phrase),
    ("too many requests", Class::Overload, Phrase),
    ("toomanyrequests", Class::Overload, Free),
    ("too many concurrent", Class::Overload, Phrase),
    ("too many open connections", Class::Overload, Phrase),
    ("connection limit", Class::Overload, Reached),
    ("connections limit", Class::Overload, Reached),
    ("rate limit", Class::Overload, Reached),
    ("rate limited", Class::Overload, Doing),
    ("rate-limited", Class::Overload, Doing),
    ("ratelimited", Class::Overload, Doing),
    ("rate_limited", Class::Overload, Doing),
    ("ratelimiterror", Class::Overload, Free),
    ("throttled", Class::Overload, Doing),
    ("throttling", Class::Overload, Doing),
    ("throttlingexception", Class::Overload, Free),
    ("pool exhausted", Class::Overload, Phrase),
    ("pool is exhausted", Class::Overload, Phrase),
    ("pool limit", Class::Overload, Reached),
    ("queuepool limit", Class::Overload, Free),
    ("connection is not available", Class::Overload, Phrase),
    ("queue full", Class::Overload, Doing),
    ("queue is full", Class::Overload, Doing),
    ("remaining connection slots", Class::Overload, Phrase),
    ("resource_exhausted", Class::Overload, Free),
    ("resourceexhausted", Class::Overload, Free),
    ("resource exhausted", Class::Overload, Phrase),
    ("circuit open", Class::Overload, Phrase),
    ("circuit is open", Class::Overload, Phrase),
    ("breaker is open", Class::Overload, Phrase),
    ("circuit breaker open", Class::Overload, Phrase),
    ("is overloaded", Class::Overload, Doing),
    ("server overloaded", Class::Overload, Doing),
    ("server busy", Class::Overload, Doing),
    ("server is busy", Class::Overload, Doing),
    // It tries again.
    ("retry", Class::Retry, Doing),
    ("retry_in", Class::Retry, Counted),
    ("retrying", Class::Retry, Doing),
    ("be retried", Class::Retry, Doing),
    ("retries left", Class::Retry, Phrase),
    ("retries remaining", Class::Retry, Phrase),
    ("attempts left", Class::Retry, Phrase),
    ("attempts remaining", Class::Retry, Phrase),
    ("reconnect", Class::Retry, Doing),
    ("reconnecting", Class::Retry, Doing),
    ("re-connecting", Class::Retry, Doing),
    ("reconnect_attempt", Class::Retry, Phrase),
    ("reconnect()", Class::Retry, Free),
    ("trying again", Class::Retry, Doing),
    ("try again in", Class::Retry, Doing),
    ("try again after", Class::Retry, Doing),
    ("will try again", Class::Retry, Doing),
    ("trying to connect again", Class::Retry, Doing),
    ("re-attempt", Class::Retry, Doing),
    ("reattempt", Class::Retry, Doing),
    ("re-attempting", Class::Retry, Doing),
    ("reattempting", Class::Retry, Doing),
    ("next attempt", Class::Retry, Doing),
    ("new attempt", Class::Retry, Doing),
    ("next try", Class::Retry, Doing),
    ("backing off", Class::Retry, Doing),
    ("backoff", Class::Retry, Counted),
    ("back-off", Class::Retry, Counted),
    ("attempt", Class::Retry, Counted),
    ("restart pause", Class::Retry, Counted),
    ("restarting in", Class::Retry, Doing),
    ("restarting consumer in", Class::Retry, Doing),
    ("will suspend it for", Class::Retry, Phrase),
    // An attempt failed.
    ("connection refused", Class::Failure, Doing),
    ("connectionrefused", Class::Failure, Free),
    ("actively refused", Class::Failure, Doing),
    ("refused connection", Class::Failure, Doing),
    ("refused the connection", Class::Failure, Doing),
    ("refused to connect", Class::Failure, Doing),
    ("timed out", Class::Failure, Doing),
    ("timeout", Class::Failure, TimedOut),
    ("timeoutexception", Class::Failure, Free),
    ("timeouterror", Class::Failure, Free),
    ("connectexception", Class::Failure, Free),
    ("connectionerror", Class::Failure, Free),
    ("connecterror", Class::Failure, Free),
    ("i/o timeout", Class::Failure, Free),
    ("unreachable", Class::Failure, Doing),
    ("reset by peer", Class::Failure, Doing),
    ("connection reset", Class::Failure, Doing),
    ("no route to host", Class::Failure, Doing),
    ("broken pipe", Class::Failure, Doing),
    ("connection failed", Class::Failure, Doing),
    ("connection failure", Class::Failure, Doing),
    ("connection error", Class::Failure, Doing),
    ("connection lost", Class::Failure, Doing),
    ("lost connection", Class::Failure, Doing),
    ("connection aborted", Class::Failure, Doing),
    ("connection closed", Class::Failure, Complaint),
    ("connection ended", Class::Failure, Complaint),
    ("closed the connection unexpectedly", Class::Failure, Phrase),
    ("connection attempt failed", Class::Failure, Doing),
    ("connect failed", Class::Failure, Doing),
    ("connect() failed", Class::Failure, Free),
    ("connect call failed", Class::Failure, Doing),
    ("connect_error", Class::Failure, Phrase),
    ("could not connect", Class::Failure, Doing),
    ("couldn't connect", Class::Failure, Doing),
    ("cannot connect", Class::Failure, Doing),
    ("can't connect", Class::Failure, Doing),
    ("can not connect", Class::Failure, Doing),
    ("unable to connect", Class::Failure, Doing),
    ("unable connect", Class::Failure, Doing),
    ("failed to connect", Class::Failure, Doing),
    ("failed connecting", Class::Failure, Doing),
    ("error connecting", Class::Failure, Doing),
    ("failed to establish", Class::Failure, Doing),
    ("could not establish", Class::Failure, Doing),
    ("failed to reach", Class::Failure, Doing),
    ("cannot reach", Class::Failure, Doing),
    ("could not reach", Class::Failure, Doing),
    ("unable to reach", Class::Failure, Doing),
    ("name resolution", Class::Failure, Complaint),
    ("name or service not known", Class::Failure, Doing),
    ("no such host", Class::Failure, Doing),
    ("could not resolve host", Class::Failure, Doing),
    ("unknownhostexception", Class::Failure, Free),
    ("econnrefused", Class::Failure, Phrase),
    ("etimedout", Class::Failure, Phrase),
    ("enotfound", Class::Failure, Phrase),
    ("ehostunreach", Class::Failure, Phrase),
    ("enetunreach", Class::Failure, Phrase),
    ("econnreset", Class::Failure, Phrase),
    ("econnaborted", Class::Failure, Phrase),
    ("eai_again", Class::Failure, Phrase),
    ("epipe", Class::Failure, Phrase),
    ("socket hang up", Class::Failure, Doing),
    ("fetch failed", Class::Failure, Doing),
    ("deadline exceeded", Class::Failure, Doing),
    ("deadline_exceeded", Class::Failure, Phrase),
    ("deadlineexceeded", Class::Failure, Free),
    ("UNAVAILABLE", Class::Failure, Exact),
    ("= Unavailable", Class::Failure, Exact),
    ("service unavailable", Class::Failure, Doing),
    ("temporarily unavailable", Class::Failure, Doing),
    ("backend unavailable", Class::Failure, Doing),
    ("bad gateway", Class::Failure, Doing),
    ("gateway time-out", Class::Failure, Doing),
    ("transient_failure", Class::Failure, Free),
    ("transient failure", Class::Failure, Doing),
    ("transient error", Class::Failure, Doing),
    ("no brokers available", Class::Failure, Doing),
    ("no broker available", Class::Failure, Doing),
    ("nobrokersavailable", Class::Failure, Free),
    ("broker not available", Class::Failure, Doing),
    ("no leader", Class::Failure, Doing),
    ("leader not available", Class::Failure, Doing),
    ("leader_not_available", Class::Failure, Phrase),
    ("unable to bootstrap", Class::Failure, Doing),
    ("no reachable servers", Class::Failure, Doing),
    ("server selection failed", Class::Failure, Doing),
    ("serverselectionerror", Class::Failure, Free),
    ("heartbeat failed", Class::Failure, Doing),
    ("handshake failed", Class::Failure, Doing),
    ("handshake failure", Class::Failure, Doing),
    ("websocket error", Class::Failure, Doing),
    ("has gone away", Class::Failure, Doing),
    ("no live upstreams", Class::Failure, Doing),
    ("no response", Class::Failure, Complaint),
    ("times in a row", Class::Failure, Phrase),
    ("waiting for suitable server", Class::Failure, Phrase),
    ("max retries exceeded with url", Class::Failure, Free),
];

/// Which class wins when the words of several stand in one line: the last word on the matter first.
pub(super) const fn rank(class: Class) -> u8 {
    match class {
        Class::Exhausted => 6,
        Class::Recovery => 5,
        Class::CrashLoop => 4,
        Class::Overload => 3,
        Class::Retry => 2,
        Class::Failure => 1,
        Class::None => 0,
    }
}

fn searcher() -> &'static Searcher {
    static SEARCHER: OnceLock<Searcher> = OnceLock::new();
    SEARCHER.get_or_init(|| Searcher::new(words()))
}

/// The words that are found by their stems.
pub(super) fn words() -> impl Iterator<Item = &'static str> + Clone {
    WORDS.iter().map(|&(word, ..)| word)
}

/// Whether `message` has a word of the vocabulary in it at all. The cheap question that most messages answer with no.
pub(super) fn speaks(message: &[u8]) -> bool {
    (has_figure_word(message) && figure_words(message).next().is_some()) || searcher().any(message, |_, _| true)
}

/// Bytes that are looked at in one step, and the two behind them that the last of these needs.
const STEP: usize = 16;

/// Whether a status or `(try` may stand in `message`. No branches, so that the compiler makes vectors of it.
fn has_figure_word(message: &[u8]) -> bool {
    let is_one = |a: u8, b: u8, c: u8| {
        let overload = (a == b'4') & (b == b'2') & (c == b'9');
        let failure = (a == b'5') & (b == b'0') & (c.wrapping_sub(b'2') < 3);
        let counted = (a == b'(') & (b | 0x20 == b't') & (c | 0x20 == b'r');
        overload | failure | counted
    };
    let step = |part: &[u8; STEP + 2]| (0..STEP).fold(false, |seen, i| seen | is_one(part[i], part[i + 1], part[i + 2]));
    let Some(last) = message.last_chunk() else {
        return message.windows(3).any(|three| is_one(three[0], three[1], three[2]));
    };
    // The last step overlaps the one before it.
    let mut seen = step(last);
    let mut rest = message;
    while let Some(part) = rest.first_chunk() {
        seen |= step(part);
        rest = &rest[STEP..];
    }
    seen
}

/// Where they stand: a number of three digits on its own, or `(try`.
fn figure_words(message: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let is_alone = |at: usize| {
        let before = at.checked_sub(1).map_or(b' ', |i| message[i]);
        !before.is_ascii_alphanumeric() && !message.get(at + 3).is_some_and(u8::is_ascii_alphanumeric)
    };
    message.windows(3).enumerate().filter_map(move |(at, three)| {
        let is_one = match three {
            b"429" | b"502" | b"503" | b"504" => is_alone(at),
            [b'(', rest @ ..] => rest.eq_ignore_ascii_case(b"tr") && message.get(at + 3).is_some_and(|b| b | 0x20 == b'y'),
            _ => false,
        };
        is_one.then_some(at)
    })
}

/// The class that the words of `message` speak for; `words` are its digit-words.
pub(super) fn class_of(severity: Severity, message: &[u8], words: &[Word]) -> Class {
    let text = masked(message, words);
    let mut best = Class::None;
    let mut judge = |(word, class, check): (&str, Class, Check), start: usize| {
        if rank(class) > rank(best) && holds(check, word, severity, &text, start, start + word.len()) {
            best = class;
        }
    };
    searcher().any(&text, |index, start| {
        judge(WORDS[index], start);
        false
    });
    for (at, &b) in text.iter().enumerate() {
        match b {
            OVERLOAD => judge(STATUS_OVERLOAD, at),
            FAILURE => judge(STATUS_FAILURE, at),
            b'(' if text[at..].get(..TRY.0.len()).is_some_and(|t| t.eq_ignore_ascii_case(TRY.0.as_bytes())) => judge(TRY, at),
            _ => {}
        }
    }
    best
}

/// Each digit-word as one byte, so that nothing below can depend on its contents: `0`, or the sign of a status.
fn masked(message: &[u8], words: &[Word]) -> Vec<u8> {
    let mut text = Vec::with_capacity(message.len());
    let mut at = 0;
    for word in words {
        text.extend_from_slice(&message[at..word.start as usize]);
        text.push(match word.of(message) {
            b"429" => OVERLOAD,
            b"502" | b"503" | b"504" => FAILURE,
            _ => b'0',
        });
        at = word.end as usize;
    }
    text.extend_from_slice(&message[at..]);
    text
}

/// A masked digit-word, or a digit of a word that stays literal (`eth0`).
const fn is_figure(b: u8) -> bool {
    b.is_ascii_digit() || matches!(b, 1 | 2)
}

fn holds(check: Check, word: &str, severity: Severity, message: &[u8], start: usize, end: usize) -> bool {
    if check == Free {
        return true;
    }
    if check == Exact {
        return &message[start..end] == word.as_bytes() && !message.get(end).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    }
    if !stands_alone(message, start, end) {
        return false;
    }
    let (before, after) = (&message[..start], &message[end..]);
    match check {
        Free | Exact | Phrase => true,
        Doing => !is_setting(after) && !is_noun(word, after) && !is_negated(before) && !is_supposed(word, before),
        // `backoff: 5s` at the left edge is a line of a settings file.
        Counted if word == "backoff" && before.trim_ascii().is_empty() => !is_setting(after) && counts(after),
        Counted => !ends_with_any(before, &["max ", "maximum ", "max. "]) && !is_path(message, start) && counts(after),
        Reached => {
            near(before, after, &["exceed", "reach", "exhaust", "hit ", "overflow", "failed"])
                && !after_word(after, "with url")
                && !contains(after, "with url")
        }
        AfterAttempts => near(&[], after, &["attempt", "tries", "retries", "times"]),
        TimedOut => is_timeout(before, after),
        Status => is_status(before, after),
        Complaint => {
            severity > Severity::Info
                || (severity == Severity::Unknown
                    && (!after_word(after, "by") || near(&[], after, &["by peer", "by remote", "by server", "by the", "by broker"])))
        }
        Calm => severity <= Severity::Info && near(before, after, &["again", "after"]),
        Dying => {
            (severity >= Severity::Error || contains(before, "fatal"))
                && near(before, &[], &["not ", "n't ", "unable", "fail", "error", "refused", "timed out", "unavail", "unreach"])
        }
        GaveUpAfter => {
            let complains =
                severity >= Severity::Error || near(before, after, &["fail", "unable", "could not", "not ", "cannot", "error", "exit", "abort"]);
            is_count_after(before)
                && complains
                && severity != Severity::Info
                && !contains(message, "retrying")
                && !contains(message, "will retry")
                && !contains(message, "again")
        }
        WorkedAfter => {
            let says_so =
                near(before, &[], &["connected", "restored", "succeeded", "success", "established", "recovered", "resumed", " ready", " ok"]);
            is_count_after(before)
                && severity <= Severity::Info
                && says_so
                && !near(before, after, &["disconnect", "fail", "not ", "unable", "error"])
        }
        Exited => {
            severity >= Severity::Warn && near(before, after, &["worker", "restart", "respawn"])
                || contains(after, "restart")
                || contains(after, "respawn")
                || contains(after, "via signal")
        }
    }
}

/// Not part of a longer identifier (`retry_policy`, `app.retry.max`, `RetryTemplate`), a path (`/api/retry`) or a query.
fn stands_alone(message: &[u8], start: usize, end: usize) -> bool {
    let left = start.checked_sub(1).map_or(b' ', |i| message[i]);
    if left.is_ascii_alphanumeric() || matches!(left, b'_' | b'-' | b'/' | b'?' | b'&' | b'.' | b'$' | b'@') {
        // `...retrying`, `a.retrying`: dots that end a sentence are no part of a name.
        if !(left == b'.' && (start < 2 || message[start - 2] == b'.')) {
            return false;
        }
    }
    let right = message.get(end).copied().unwrap_or(b' ');
    let next = message.get(end + 1).copied().unwrap_or(b' ');
    match right {
        b'.' | b'-' | b'/' => !next.is_ascii_alphanumeric(),
        b'_' | b'$' | b'@' => false,
        b => !b.is_ascii_alphanumeric(),
    }
}

/// Inside a URL or a path.
fn is_path(message: &[u8], at: usize) -> bool {
    let from = message[..at].iter().rposition(|b| matches!(b, b' ' | b'"' | b'\'' | b'(')).map_or(0, |i| i + 1);
    let token = &message[from..at];
    token.starts_with(b"/") || memchr::memmem::find(token, b"://").is_some()
}

/// `retry=3`, `timeout: 30s`, `"retry":true`: a key with a value.
fn is_setting(after: &[u8]) -> bool {
    let rest = after.trim_ascii_start();
    let rest = rest.strip_prefix(b"\"").unwrap_or(rest).trim_ascii_start();
    let Some(value) = rest.strip_prefix(b"=").or_else(|| rest.strip_prefix(b":")) else {
        return false;
    };
    if rest.starts_with(b"=") {
        return true;
    }
    let value = value.trim_ascii_start();
    let words = ["true", "false", "none", "null", "on", "off", "yes", "no", "enabled", "disabled", "{", "["];
    value.first().is_some_and(|b| is_figure(*b))
        || words.iter().any(|w| starts_with(value, w) && !value.get(w.len()).is_some_and(u8::is_ascii_alphanumeric))
}

/// `retry policy`, `reconnect interval`: talk about retrying, not a retry.
fn is_noun(word: &str, after: &[u8]) -> bool {
    const NOUNS: [&str; 27] = [
        "policy",
        "policies",
        "interval",
        "count",
        "config",
        "configuration",
        "configured",
        "enabled",
        "disabled",
        "limit",
        "logic",
        "strategy",
        "settings",
        "setting",
        "budget",
        "queue",
        "topic",
        "handler",
        "mechanism",
        "template",
        "timeout",
        "button",
        "delay",
        "counter",
        "loop",
        "wait",
        "code",
    ];
    let next = after.strip_prefix(b" ").unwrap_or_default();
    let length = next.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let next = &next[..length];
    // `unreachable code`, `throttling enabled`, `connection error handler`.
    let is_named = |noun: &str| next.eq_ignore_ascii_case(noun.as_bytes());
    (NOUNS.iter().any(|n| is_named(n)) && !(is_named("delay") && word == "retrying")) || starts_with(after, "able ")
}

fn is_negated(before: &[u8]) -> bool {
    const NEGATIONS: [&str; 17] = [
        "no ",
        "not ",
        "without ",
        "never ",
        "zero ",
        "don't ",
        "won't ",
        "doesn't ",
        "disable ",
        "disabled ",
        "enable ",
        "enabled ",
        "avoid ",
        "cannot be ",
        "without a ",
        "handle ",
        "to be ",
    ];
    NEGATIONS.iter().any(|n| ends_with_word(before, n))
}

/// `retry on error`-like talk (`on retry`, `if retry`), and users whose session ended as sessions do.
fn is_supposed(word: &str, before: &[u8]) -> bool {
    let words: &[&str] = match word {
        "retry" | "reconnect" => &["if ", "on ", "for ", "of "],
        "timed out" => &["session ", "user "],
        _ => return false,
    };
    ends_with_any(before, words)
}

fn ends_with_word(before: &[u8], word: &str) -> bool {
    let Some(at) = before.len().checked_sub(word.len()) else {
        return false;
    };
    before[at..].eq_ignore_ascii_case(word.as_bytes()) && (at == 0 || !before[at - 1].is_ascii_alphanumeric())
}

fn ends_with_any(before: &[u8], words: &[&str]) -> bool {
    words.iter().any(|w| ends_with_word(before, w))
}

/// ` 3`, ` #3`, `=3`, `: 3`, ` (3)`, ` in 3s`, ` number 3`: a figure follows.
fn counts(after: &[u8]) -> bool {
    let mut rest = after;
    loop {
        rest = match rest {
            [b' ' | b',' | b'#' | b'=' | b':' | b'(' | b'[' | b'"', tail @ ..] => tail,
            [b, ..] if is_figure(*b) => return true,
            _ => {
                let Some(tail) =
                    ["number ", "no. ", "no ", "in ", "for ", "of ", "is "].iter().find_map(|w| starts_with(rest, w).then(|| &rest[w.len()..]))
                else {
                    return false;
                };
                if after.len() - tail.len() > 16 {
                    return false;
                }
                tail
            }
        };
    }
}

fn is_timeout(before: &[u8], after: &[u8]) -> bool {
    const KINDS: [&str; 16] = [
        "connection ",
        "connect ",
        "read ",
        "write ",
        "request ",
        "socket ",
        "due to ",
        "gateway ",
        "dial ",
        "operation ",
        "handshake ",
        "query ",
        "acquire ",
        "lock wait ",
        "response ",
        "network ",
    ];
    const HAPPENED: [&str; 8] = ["exceeded", "expired", "elapsed", "waiting", "occurred", "reached", "while", "after "];
    if is_setting(after) || is_negated(before) {
        return false;
    }
    let rest = &after[..after.len().min(40)];
    if ["set to", "is ", "configured", "of "].iter().any(|w| starts_with(rest.trim_ascii_start(), w))
        && !contains(rest, "exceeded")
        && !contains(rest, "elapsed")
    {
        return false;
    }
    let ends_here = rest.trim_ascii_start().first().is_none_or(|b| matches!(b, b',' | b';' | b'.' | b')' | b':' | b'"' | b'\''));
    HAPPENED.iter().any(|w| contains(rest, w)) || (ends_here && ends_with_any(before, &KINDS))
}

/// A code where a status stands: behind `status`, `HTTP` and the like, or before its own words.
fn is_status(before: &[u8], after: &[u8]) -> bool {
    const WORDS_AFTER: [&str; 7] =
        [" service unavailable", " too many requests", " bad gateway", " gateway time", " server error", " client error", " error response"];
    const WORDS_BEFORE: [&str; 12] =
        ["status", "code", "statuscode", "http", "response", "returned", "with", "got", "received", "status_code", "http_status", "error"];
    if WORDS_AFTER.iter().any(|w| starts_with(after, w)) || (before.ends_with(b"\" ") && after.first().is_none_or(|b| *b == b' ')) {
        return true;
    }
    let label = before.trim_ascii_end();
    let length = label.iter().rev().take_while(|b| matches!(b, b'=' | b':' | b'(' | b'"' | b'\'' | b' ' | b'[')).count();
    let label = &label[..label.len() - length];
    let from = label.iter().rposition(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'/' | b'.'))).map_or(0, |i| i + 1);
    let word = &label[from..];
    let gap = before.len() - label.len();
    gap > 0 && (WORDS_BEFORE.iter().any(|w| word.eq_ignore_ascii_case(w.as_bytes())) || starts_with(word, "http/") || word.ends_with(b"Error"))
}

/// One of `words` within 48 bytes on either side.
fn near(before: &[u8], after: &[u8], words: &[&str]) -> bool {
    let (before, after) = (&before[before.len().saturating_sub(48)..], &after[..after.len().min(48)]);
    words.iter().any(|w| contains(before, w) || contains(after, w))
}

/// Ends with `after 5 ` or `after 5 failed `.
fn is_count_after(before: &[u8]) -> bool {
    let before = before.strip_suffix(b" ").unwrap_or_default();
    let before = ["failed", "connection", "retry"]
        .iter()
        .find(|word| ends_with_word(before, word))
        .map_or(before, |word| before[..before.len() - word.len()].trim_ascii_end());
    before.last().is_some_and(|b| is_figure(*b)) && ends_with_word(&before[..before.len() - 1], "after ")
}

fn after_word(after: &[u8], word: &str) -> bool {
    starts_with(after.trim_ascii_start(), word)
}

fn starts_with(text: &[u8], word: &str) -> bool {
    text.get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word.as_bytes()))
}

fn contains(text: &[u8], word: &str) -> bool {
    text.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word.as_bytes()))
}
