//! The only reader of the system clock. Everything behind the inputs gets its time as an argument.

use crate::time::UnixNanos;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time of day now. A clock before 1970 reads as 1970, one behind 2262 as 2262.
#[must_use]
pub fn now() -> UnixNanos {
    of(SystemTime::now())
}

/// A point in system time (a file's modification time, say) in our own form.
#[must_use]
pub fn of(time: SystemTime) -> UnixNanos {
    let nanos = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    UnixNanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

/// A moment of a clock that never runs backwards: for pacing and deadlines, not for records.
#[must_use]
pub fn monotonic() -> std::time::Instant {
    std::time::Instant::now()
}

/// The same inside tokio, where tests can stop it and turn it on.
#[must_use]
pub fn monotonic_in_tokio() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
