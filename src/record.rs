//! The vocabulary that every stage shares. Data only; imports nothing of ours but `time`.

use std::fmt;

/// A half-open byte range `start..end` in a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// `start..end`; lines are cut far below 4 GiB, so `u32` cannot overflow.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }
    /// The bytes of `line` in this span; empty where it does not fit.
    #[must_use]
    pub fn of<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        line.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        (self.end - self.start) as usize
    }
    /// Whether it holds no byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.end <= self.start
    }
    /// The same span, `by` bytes further right.
    #[must_use]
    pub const fn shift(&self, by: usize) -> Self {
        Self { start: self.start + by as u32, end: self.end + by as u32 }
    }
}

/// Where a line stands in what it was read from: the same when it is read again, so that record ids are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// Hash of the file's identity and generation; for inputs that cannot be read again, of the stream and the process's start.
    pub origin: u64,
    /// Offset of its first byte, or its number.
    pub offset: u64,
}

/// How bad a record says it is. Part of the fingerprint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Severity {
    /// The line does not say.
    #[default]
    Unknown,
    /// `trace`
    Trace,
    /// `debug`
    Debug,
    /// `info`
    Info,
    /// `warn`
    Warn,
    /// `error`
    Error,
    /// `fatal`
    Fatal,
}

impl Severity {
    /// The word of the glossary: `trace debug info warn error fatal` or `-`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "-",
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
    /// OpenTelemetry's `severity_number` (0 when unknown).
    #[must_use]
    pub const fn otel_number(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Trace => 1,
            Self::Debug => 5,
            Self::Info => 9,
            Self::Warn => 13,
            Self::Error => 17,
            Self::Fatal => 21,
        }
    }
    /// Reads a level word as loggers write it (`WARN`, `warning`, `E`, `SEVERE`, `notice`, `crit` ...), any case.
    #[must_use]
    pub fn from_word(word: &[u8]) -> Option<Self> {
        if word.is_empty() || word.len() > 13 {
            return None;
        }
        let mut lower = [0u8; 13];
        for (to, from) in lower.iter_mut().zip(word) {
            *to = from.to_ascii_lowercase();
        }
        Some(match &lower[..word.len()] {
            b"trace" | b"trc" | b"finest" | b"finer" | b"verbose" | b"verb" | b"all" => Self::Trace,
            b"debug" | b"dbg" | b"debu" | b"fine" | b"dbug" | b"debug1" | b"debug2" | b"debug3" | b"debug4" | b"debug5" => Self::Debug,
            b"info" | b"inf" | b"information" | b"informational" | b"notice" | b"note" | b"config" | b"log" | b"default" | b"success" | b"hint"
            | b"detail" | b"statement" | b"context" => Self::Info,
            b"warn" | b"warning" | b"wrn" | b"warni" => Self::Warn,
            b"error" | b"err" | b"erro" | b"eror" | b"severe" | b"failure" | b"fail" => Self::Error,
            b"fatal" | b"ftl" | b"fata" | b"crit" | b"critical" | b"alert" | b"emerg" | b"emergency" | b"panic" | b"dpanic" => Self::Fatal,
            _ => return None,
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a record says about retrying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// Nothing.
    #[default]
    None,
    /// It tries, or will try, again.
    Retry,
    /// An attempt failed.
    Failure,
    /// The server says "too many".
    Overload,
    /// It gave up.
    Exhausted,
    /// It works again.
    Recovery,
    /// A process is restarted again and again.
    CrashLoop,
}

impl Class {
    /// The word of the glossary.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Retry => "retry",
            Self::Failure => "failure",
            Self::Overload => "overload",
            Self::Exhausted => "exhausted",
            Self::Recovery => "recovery",
            Self::CrashLoop => "crash_loop",
        }
    }
    /// Whether it ends a run of retries, well or badly.
    #[must_use]
    pub const fn is_final_outcome(self) -> bool {
        matches!(self, Self::Recovery | Self::Exhausted)
    }
    /// Whether it belongs to the retry story at all.
    #[must_use]
    pub const fn is_retry_like(self) -> bool {
        !matches!(self, Self::None)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who said which class a record has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClassSource {
    /// Generic words: a guess.
    #[default]
    Guess,
    /// A rule of a rule pack, by its id.
    Rule(std::sync::Arc<str>),
}

/// The public id of a template: the first 16 hex digits of a SHA-256, as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FingerprintId(pub u64);

impl fmt::Display for FingerprintId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Index of a stream in the engine's table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// Dense index of a fingerprint in the engine's table: what the stages use as a key inside one run. Never leaves the process;
/// reused only after the engine has told every stage to forget it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FingerprintIndex(pub u32);
