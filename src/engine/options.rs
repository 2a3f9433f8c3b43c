//! What can be set about the engine. Defaults alone make a working pipe.

pub use crate::collapse::Mode;
use crate::collapse::Settings;
use crate::rules::RuleSet;
use crate::time::{SECOND, UnixNanos};
use std::sync::Arc;

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct Options {
    /// Collapse or only observe.
    pub mode: Mode,
    /// Length of a window cell in ns: 10, 20, 40, 80, 160 or 320 s.
    pub window_ns: i64,
    /// Records of an episode that pass whole before repeats are absorbed.
    pub keep_first: u64,
    /// A guessed class collapses from this many records in 10 s ...
    pub guess_in_10s: u64,
    /// ... or this many in 10 min.
    pub guess_in_10min: u64,
    /// An ordinary record collapses while its 5 s mean is at least this, per second; 0 = never.
    pub flood_per_second: u64,
    /// A gap this long ends an episode, ns.
    pub episode_gap_ns: i64,
    /// Longest line in bytes; the rest becomes lines of their own, marked and counted.
    pub line_bytes_max: usize,
    /// How long a joined record waits for its continuation, ns.
    pub join_wait_ns: i64,
    /// Most lines in one joined record.
    pub join_lines_max: u32,
    /// Open windows; the coldest is closed with its summary when there are more.
    pub windows_max: usize,
    /// Memory of all open windows in bytes (samples, intervals, instances, targets); the coldest are closed when there is more.
    pub window_bytes_max: usize,
    /// Known fingerprints; the coldest is forgotten (after its summaries) when there are more.
    pub fingerprints_max: usize,
    /// Known line shapes: a cache, forgetting costs time only.
    pub shapes_max: usize,
    /// Streams kept apart.
    pub streams_max: usize,
    /// Reference date for stamps without a year.
    pub reference: UnixNanos,
    /// Offset from UTC in seconds for stamps without a zone.
    pub zone_offset_seconds: i32,
    /// Masks secrets in samples and targets.
    pub mask_secrets: bool,
    /// Records whose text contains one of these pass untouched.
    pub pass: Vec<String>,
    /// Records whose text contains one of these are dropped and counted.
    pub drop: Vec<String>,
    /// Rules in place of the packs that are compiled in (which a set with the user's rules contains).
    pub rules: Option<Arc<RuleSet>>,
    /// Keeps totals per fingerprint for `report`.
    pub totals: bool,
    /// Tells the sink of records that are absorbed, too ([`Sink::absorbed`](super::Sink::absorbed)): for an archive of what was collapsed.
    pub tells_absorbed: bool,
    /// Watches for storms and diagnoses retry policies.
    pub storms: bool,
    /// Hash of the node's name, part of storm ids; 0 where there is one node only.
    pub node: u64,
    /// When squelch began to watch streams in their middle; `None` where it reads from the beginning. A rate that is there from the
    /// start is then taken for the usual one until it proves to be a storm.
    pub started_in_the_middle: Option<UnixNanos>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::Collapse,
            window_ns: 10 * SECOND,
            keep_first: 1,
            guess_in_10s: 10,
            guess_in_10min: 60,
            flood_per_second: 100,
            episode_gap_ns: 60 * SECOND,
            line_bytes_max: 256 << 10,
            join_wait_ns: 30_000_000,
            join_lines_max: 500,
            windows_max: 4096,
            window_bytes_max: 12 << 20,
            fingerprints_max: 16_384,
            shapes_max: 16_384,
            streams_max: 1024,
            reference: UnixNanos(0),
            zone_offset_seconds: 0,
            mask_secrets: true,
            pass: Vec::new(),
            drop: Vec::new(),
            rules: None,
            totals: false,
            tells_absorbed: false,
            storms: true,
            node: 0,
            started_in_the_middle: None,
        }
    }
}

impl From<&Options> for Settings {
    fn from(options: &Options) -> Self {
        Self {
            mode: options.mode,
            window_ns: options.window_ns,
            keep_first: options.keep_first,
            guess_in_10s: options.guess_in_10s,
            guess_in_10min: options.guess_in_10min,
            flood_per_second: options.flood_per_second,
            episode_gap_ns: options.episode_gap_ns,
            windows_max: options.windows_max,
            window_bytes_max: options.window_bytes_max,
        }
    }
}
