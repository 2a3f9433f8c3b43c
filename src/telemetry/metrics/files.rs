//! What a file input counts.

use super::family;
use super::samples::{Collects, Samples};
use crate::inputs::file::Counters;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The counters of one file input, under its name.
#[derive(Debug)]
pub struct FileCounters {
    name: Box<str>,
    counters: Arc<Counters>,
}

impl FileCounters {
    /// What the input called `name` counts.
    #[must_use]
    pub fn new(name: &str, counters: Arc<Counters>) -> Self {
        Self { name: name.into(), counters }
    }
}

impl Collects for FileCounters {
    fn collect(&self, samples: &mut Samples) {
        let Self { name, counters } = self;
        samples.add(&family::FILES_OPEN, &[name], counters.files_open.load(Relaxed));
        samples.add(&family::FILES_KNOWN, &[name], counters.files_known.load(Relaxed));
        samples.add(&family::FILES_WAITING, &[name], counters.files_waiting.load(Relaxed));
        samples.add(&family::FILE_LAG, &[name], counters.lag_bytes_max.load(Relaxed));
        samples.add(&family::FILE_ERRORS, &[name], counters.errors.load(Relaxed));
        samples.add(&family::ROTATIONS, &[name, "renamed"], counters.rotations_renamed.load(Relaxed));
        samples.add(&family::ROTATIONS, &[name, "truncated"], counters.rotations_truncated.load(Relaxed));
    }
}
