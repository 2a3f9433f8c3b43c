//! One record as the later stages see it: what `collapse`, `storm` and `diagnosis` are told. Data only.

use crate::fingerprint::Fingerprint;
use crate::record::{FingerprintIndex, Place, StreamId};
use crate::time::UnixNanos;
use std::sync::Arc;

/// One record of a fingerprint at a time. Borrowed: nothing is copied on the known path.
#[derive(Clone, Copy, Debug)]
pub struct Occurrence<'a> {
    /// Severity, template, class.
    pub fingerprint: &'a Arc<Fingerprint>,
    /// Its key inside this run.
    pub index: FingerprintIndex,
    /// Where it came from.
    pub stream: StreamId,
    /// Where its first byte stood there.
    pub place: Place,
    /// When it was read.
    pub arrival: UnixNanos,
    /// The time by which windows, rates and intervals go.
    pub working: UnixNanos,
    /// What the line (or its runtime) itself says.
    pub event: Option<UnixNanos>,
    /// Whether it has a place on the time line: false for a record without any time in a stream that is behind ("rate unknown: backlog").
    pub feeds_rate: bool,
    /// Later than 2 s behind `now`: counted exactly, feeds no interval and no rate.
    pub late: bool,
    /// Lines in it.
    pub lines: u32,
    /// All its bytes, line ends included.
    pub raw: &'a [u8],
    /// The process that wrote it, where the line or the stream names one.
    pub instance: Option<&'a [u8]>,
    /// Hash of `instance`; 0 when there is none.
    pub instance_hash: u64,
    /// Hash of instance and thread or connection: for interval chains only; 0 when neither is known.
    pub worker_hash: u64,
    /// What the client tries to reach.
    pub target: Option<&'a [u8]>,
    /// The number of the attempt.
    pub attempt: Option<i64>,
    /// The stated limit on attempts.
    pub max_attempts: Option<i64>,
    /// The stated delay before the next attempt, ns.
    pub delay: Option<i64>,
}
