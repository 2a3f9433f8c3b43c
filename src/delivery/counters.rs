//! What the rest of squelch may know of an output: read by the metrics at any time.

use super::outcome::Code;
use super::policy::Circuit;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Codes that are counted apart; a receiver that answers with ever new ones has the rest under `other`.
const CODES_MAX: usize = 32;

/// Figures of one output.
#[derive(Debug, Default)]
pub struct Counters {
    /// Records that were taken.
    pub delivered: AtomicU64,
    /// Records given up on.
    pub dead: AtomicU64,
    /// Bytes of bodies that were taken, before compression.
    pub bytes: AtomicU64,
    /// Requests that repeat another in full or in part.
    pub retries: AtomicU64,
    /// Failures in a row.
    pub failures: AtomicU32,
    /// 0 closed, 1 half-open, 2 open.
    pub circuit: AtomicU8,
    /// The batch at hand: how far behind an output is, is the newest batch less this.
    pub batch: AtomicU64,
    requests: Mutex<BTreeMap<Code, u64>>,
    last_error: Mutex<Option<String>>,
}

impl Counters {
    /// Answered requests by status, or by a word where there was none.
    #[must_use]
    pub fn requests(&self) -> Vec<(String, u64)> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().map(|(code, count)| (code.to_string(), *count)).collect()
    }
    /// What the last failure was; `None` while all is well.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    pub(super) fn answered(&self, code: Code) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let code = if requests.len() < CODES_MAX || requests.contains_key(&code) { code } else { Code::Word("other") };
        *requests.entry(code).or_default() += 1;
    }
    pub(super) fn set_error(&self, error: Option<String>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
    pub(super) fn set_state(&self, circuit: Circuit, failures: u32) {
        self.circuit.store(circuit.number(), Relaxed);
        self.failures.store(failures, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_counted_apart_up_to_a_bound() {
        let counters = Counters::default();
        for status in 100..200 {
            counters.answered(Code::Status(status));
        }
        counters.answered(Code::Status(100));
        let requests = counters.requests();
        assert_eq!(requests.len(), 33);
        assert_eq!(requests[0], ("100".into(), 2));
        assert_eq!(requests[32], ("other".into(), 68));
    }
}
