//! What became of a request, in the terms that the policy decides by.

use std::fmt;
use std::time::Duration;

/// Most bytes of a receiver's own words that are kept: enough for its reason, no dump.
pub const WORDS_BYTES_MAX: usize = 1024;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was taken.
    Delivered {
        /// The HTTP status; 0 where there is none.
        status: u16,
    },
    /// Some records were taken, some not (Elasticsearch, OTLP).
    Partial {
        /// Index in the request of each record that may succeed later: ascending, each once.
        retry: Vec<u32>,
        /// Index in the request of each record that never will, with the receiver's reason: ascending, each once, none that is in `retry`.
        dead: Vec<(u32, String)>,
        /// How long the receiver wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// 401, 403, 404, a redirect ...: an outage that only people can end (a key, a URL). Nothing is wrong with the records.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The receiver's words.
        words: String,
    },
    /// 413: fewer at a time.
    TooLarge {
        /// The receiver's words.
        words: String,
    },
    /// 400, 422: some record in it is not to the receiver's liking.
    Rejected {
        /// The HTTP status.
        status: u16,
        /// The receiver's words.
        words: String,
    },
    /// 408, 429, 5xx: later.
    Busy {
        /// The HTTP status.
        status: u16,
        /// How long the receiver wants to be left alone.
        retry_after: Option<Duration>,
        /// The receiver's words.
        words: String,
    },
    /// No answer at all.
    Unreachable {
        /// Why.
        kind: Unreachable,
        /// In words.
        words: String,
    },
    /// There is nobody any more and there will be nobody again: a closed pipe.
    Gone {
        /// In words.
        words: String,
    },
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unreachable {
    /// The name has no address.
    Name,
    /// No connection.
    Connect,
    /// No secure connection: certificate, name, protocol.
    Tls,
    /// Not in time.
    Timeout,
    /// The connection broke.
    Broken,
    /// The answer makes no sense.
    Garbage,
    /// The trouble is on our side: a file that cannot be read or written.
    Local,
}

impl Unreachable {
    /// The word in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Garbage => "garbage",
            Self::Local => "local",
        }
    }
}

impl Outcome {
    /// The label in metrics: the status, or a word where there is none.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Delivered { status: 0 } => Code::Word("ok"),
            Self::Delivered { status } | Self::Refused { status, .. } | Self::Rejected { status, .. } | Self::Busy { status, .. } => {
                Code::Status(*status)
            }
            Self::Partial { .. } => Code::Word("partial"),
            Self::TooLarge { .. } => Code::Status(413),
            Self::Unreachable { kind, .. } => Code::Word(kind.as_str()),
            Self::Gone { .. } => Code::Word("gone"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, words) = match self {
            Self::Delivered { .. } => return f.write_str("delivered"),
            Self::Partial { retry, dead, .. } => return write!(f, "{} records put off and {} refused by the receiver", retry.len(), dead.len()),
            Self::Unreachable { words, .. } | Self::Gone { words } => return f.write_str(words),
            Self::TooLarge { words } => (413, words),
            Self::Refused { status, words } | Self::Rejected { status, words } | Self::Busy { status, words, .. } => (*status, words),
        };
        if words.is_empty() { write!(f, "status {status}") } else { write!(f, "status {status}: {words}") }
    }
}

/// How requests are told apart in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// An HTTP status.
    Status(u16),
    /// What there is in place of one.
    Word(&'static str),
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

/// Bytes of a stranger as one line of at most [`WORDS_BYTES_MAX`].
#[must_use]
pub fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(WORDS_BYTES_MAX)]);
    let mut line = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if line.len() + word.len() >= WORDS_BYTES_MAX {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_strangers_are_one_short_line() {
        assert_eq!(words(b" no\r\nsuch\x1b[31m index \xff\n"), "no such [31m index \u{fffd}");
        assert!(words(&b"long words \xff".repeat(10_000)).len() <= WORDS_BYTES_MAX);
        assert_eq!(words(b""), "");
    }
}
