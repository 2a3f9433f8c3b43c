//! What the engine thread tells about itself, once per commit, and how the others get to see it.
//!
//! Publishing swaps an `Arc`: the engine thread never waits for a scrape, and a scrape sees one moment, not a mixture of two.

use super::metrics::Collects;
use super::retries::RetryStatus;
use crate::clock;
use crate::engine::Accounting;
use crate::inputs::event::LostReason;
use crate::store::RecordKind;
use crate::storm::StormReport;
use crate::time::UnixNanos;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// An engine loop without a beat for so long is stuck. It beats at least each second; a slow disk may hold one commit for a few.
pub const BEAT_MAX: Duration = Duration::from_secs(10);

/// One moment of the agent. Everything is there from the start, at zero.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Name of this node.
    pub node: String,
    /// When this was published.
    pub at: UnixNanos,
    /// Whether work can be done.
    pub readiness: Readiness,
    /// The accounting of the store's whole life: goes on after a restart.
    pub totals: Accounting,
    /// Each input, in the order of the configuration.
    pub inputs: Vec<InputStatus>,
    /// Lines destroyed before they could be read, in the order of [`LostReason::ALL`].
    pub lost: [u64; LostReason::ALL.len()],
    /// Storms that go on, in the order in which they fired.
    pub storms: Vec<StormReport>,
    /// Fingerprints, by name and by class.
    pub retries: RetryStatus,
    /// Fingerprints that the engine knows.
    pub fingerprints_active: u64,
    /// Fingerprints it forgot because there were too many.
    pub fingerprints_evicted: u64,
    /// Open windows.
    pub windows_open: u64,
    /// Streams that are open.
    pub streams_open: u64,
    /// Each output, in the order of the configuration.
    pub outputs: Vec<QueueStatus>,
    /// The store.
    pub store: StoreStatus,
    /// The last time the configuration was read.
    pub reload: ReloadStatus,
}

/// Whether work can be done. Says nothing of receivers: their outage must not restart every agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Readiness {
    /// The store is open.
    pub store_is_open: bool,
    /// Every input has begun.
    pub inputs_are_open: bool,
    /// A stop has begun.
    pub is_stopping: bool,
}

impl Readiness {
    /// What is missing; `None` when nothing is.
    #[must_use]
    pub const fn missing(self) -> Option<&'static str> {
        match self {
            Self { is_stopping: true, .. } => Some("stopping"),
            Self { store_is_open: false, .. } => Some("the store is not open yet"),
            Self { inputs_are_open: false, .. } => Some("not every input is open yet"),
            _ => None,
        }
    }
}

/// One input since the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct InputStatus {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// Lines read from it.
    pub lines: u64,
    /// Bytes read from it.
    pub bytes: u64,
}

/// What waits for one output.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct QueueStatus {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// Committed records it has yet to see.
    pub records: u64,
    /// Age of the oldest of them, seconds; 0 when there is none.
    pub oldest_seconds: f64,
}

/// The store.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct StoreStatus {
    /// Bytes it takes on disk.
    pub bytes: u64,
    /// The most it may take.
    pub bytes_max: u64,
    /// It is full, or the disk is: with `on_full = "block"` reading has stopped.
    pub is_full: bool,
    /// Commits since the start of the process.
    pub commits: u64,
    /// Commits that failed and are, or were, tried again.
    pub commits_failed: u64,
    /// How long the last commit took, seconds.
    pub commit_seconds: f64,
    /// Age of the oldest record that is not committed yet, seconds.
    pub commit_lag_seconds: f64,
    /// Records given up because the store was full, in the order of [`DROPPED_KINDS`].
    pub dropped: [u64; DROPPED_KINDS.len()],
    /// Stores that could not be read, were put aside and begun anew.
    pub replaced: u64,
}

/// Labels of [`StoreStatus::dropped`], in the order of `store::RecordKind`.
pub const DROPPED_KINDS: [&str; RecordKind::ALL.len()] = ["line", "summary", "burst", "storm", "absorbed"];

/// The last time the configuration was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ReloadStatus {
    /// Whether what was read last is in force.
    pub is_ok: bool,
    /// When a configuration was last put in force, ns since 1970.
    #[serde(skip)]
    pub succeeded_at: UnixNanos,
}

impl Default for ReloadStatus {
    fn default() -> Self {
        Self { is_ok: true, succeeded_at: UnixNanos(0) }
    }
}

#[derive(Debug)]
struct Shared {
    status: RwLock<Arc<Status>>,
    collectors: RwLock<Vec<Arc<dyn Collects>>>,
    started: Instant,
    started_at: UnixNanos,
    /// Milliseconds after `started` at which the engine loop last turned.
    beat: AtomicU64,
}

/// The engine thread's end.
#[derive(Clone, Debug)]
pub struct Publisher(Arc<Shared>);

/// The end of everybody who looks.
#[derive(Clone, Debug)]
pub struct Subscriber(Arc<Shared>);

/// Both ends, with a status in which everything is zero. The engine loop counts as having turned just now.
#[must_use]
pub fn channel() -> (Publisher, Subscriber) {
    let shared = Arc::new(Shared {
        status: RwLock::default(),
        collectors: RwLock::default(),
        started: clock::monotonic(),
        started_at: clock::now(),
        beat: AtomicU64::new(0),
    });
    (Publisher(Arc::clone(&shared)), Subscriber(shared))
}

impl Publisher {
    /// Replaces what is to be seen. Once per commit.
    pub fn publish(&self, status: Status) {
        let status = Arc::new(status);
        // The old one is freed after the lock is: with many storms that takes a moment.
        let _old = std::mem::replace(&mut *self.0.status.write().unwrap_or_else(PoisonError::into_inner), status);
    }

    /// The engine loop has turned. On each turn: one store to memory.
    pub fn beat(&self) {
        self.0.beat.store(self.0.uptime().as_millis() as u64, Ordering::Relaxed);
    }

    /// Since the start, by the clock that never runs backwards: what [`super::Retries`] goes by.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.0.uptime()
    }

    /// Counters that others keep (an output, an input) and that are read at each scrape.
    pub fn collect_from(&self, collector: Arc<dyn Collects>) {
        self.0.collectors.write().unwrap_or_else(PoisonError::into_inner).push(collector);
    }

    /// Forgets all of them: after a reload the inputs and outputs are others.
    pub fn collect_from_nobody(&self) {
        self.0.collectors.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Subscriber {
    /// What was published last.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.0.status.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Since the start.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.0.uptime()
    }

    /// When the process started.
    #[must_use]
    pub fn started_at(&self) -> UnixNanos {
        self.0.started_at
    }

    /// How long ago the engine loop turned, at `uptime`.
    #[must_use]
    pub fn since_beat(&self, uptime: Duration) -> Duration {
        uptime.saturating_sub(Duration::from_millis(self.0.beat.load(Ordering::Relaxed)))
    }

    /// Those who keep counters of their own.
    #[must_use]
    pub fn collectors(&self) -> Vec<Arc<dyn Collects>> {
        self.0.collectors.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn uptime(&self) -> Duration {
        clock::monotonic().saturating_duration_since(self.started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_one_moment_even_while_the_next_is_published() {
        let (publisher, subscriber) = channel();
        let before = subscriber.status();
        publisher.publish(Status { windows_open: 3, ..Status::default() });
        assert_eq!((before.windows_open, subscriber.status().windows_open), (0, 3));
    }

    #[test]
    fn what_is_missing_is_named_in_the_order_in_which_it_comes() {
        let mut readiness = Readiness::default();
        assert_eq!(readiness.missing(), Some("the store is not open yet"));
        readiness.store_is_open = true;
        assert_eq!(readiness.missing(), Some("not every input is open yet"));
        readiness.inputs_are_open = true;
        assert_eq!(readiness.missing(), None);
        readiness.is_stopping = true;
        assert_eq!(readiness.missing(), Some("stopping"));
    }

    #[test]
    fn a_loop_that_does_not_turn_grows_old() {
        let (publisher, subscriber) = channel();
        assert_eq!(subscriber.since_beat(Duration::from_secs(11)), Duration::from_secs(11));
        publisher.beat();
        assert!(subscriber.since_beat(publisher.uptime()) < BEAT_MAX);
    }
}
