//! What an output counts, as metrics.

use super::family;
use super::samples::{Collects, Samples};
use crate::delivery::Counters;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The counters of one output, under its name.
#[derive(Debug)]
pub struct OutputCounters {
    name: Box<str>,
    counters: Arc<Counters>,
}

impl OutputCounters {
    /// What the output called `name` counts.
    #[must_use]
    pub fn new(name: &str, counters: Arc<Counters>) -> Self {
        Self { name: name.into(), counters }
    }
}

impl Collects for OutputCounters {
    fn collect(&self, samples: &mut Samples) {
        let Self { name, counters } = self;
        samples.add(&family::OUTPUT_DELIVERED, &[name], counters.delivered.load(Relaxed));
        samples.add(&family::OUTPUT_DEAD, &[name], counters.dead.load(Relaxed));
        samples.add(&family::OUTPUT_BYTES, &[name], counters.bytes.load(Relaxed));
        samples.add(&family::OUTPUT_RETRIES, &[name], counters.retries.load(Relaxed));
        samples.add(&family::OUTPUT_FAILURES, &[name], u64::from(counters.failures.load(Relaxed)));
        samples.add(&family::OUTPUT_CIRCUIT, &[name], u64::from(counters.circuit.load(Relaxed)));
        for (code, requests) in counters.requests() {
            samples.add(&family::OUTPUT_REQUESTS, &[name, &code], requests);
        }
    }
}
