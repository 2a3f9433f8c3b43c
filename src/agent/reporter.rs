//! What the engine thread tells the rest of the world about itself: the beat at each turn, the status at each commit.

use super::pipeline::Pipeline;
use super::thread::Committing;
use crate::clock;
use crate::inputs::event::LostReason;
use crate::store::Status as StoreLook;
use crate::telemetry::status::{InputStatus, QueueStatus, Readiness, ReloadStatus, StoreStatus};
use crate::telemetry::systemd::Watchdog;
use crate::telemetry::{Publisher, Status, systemd};
use crate::time::UnixNanos;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The queues are counted this often: it reads a row per batch.
const QUEUES_EVERY: Duration = Duration::from_secs(10);

/// See the [module](self).
pub(super) struct Reporter {
    pub publisher: Publisher,
    pub node: String,
    pub directory: PathBuf,
    pub store_bytes_max: u64,
    pub reload: ReloadStatus,
    /// False once a configuration was read that is wrong.
    pub reload_is_ok: Arc<AtomicBool>,
    pub watchdog: Option<Watchdog>,
    pub queues: Vec<QueueStatus>,
    pub queues_at: Option<Instant>,
}

impl Reporter {
    /// The loop has turned.
    pub(super) fn turned(&mut self) {
        self.publisher.beat();
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.beat(clock::monotonic());
        }
    }

    /// A commit was made, or was not needed, or failed.
    pub(super) fn publish(&mut self, pipeline: &mut Pipeline, committing: &Committing, is_stopping: bool) {
        let now = clock::now();
        self.count_queues(now);
        let totals = pipeline.totals();
        let uptime = self.publisher.uptime();
        let storms = pipeline.engine.storms();
        if !is_stopping {
            let lines =
                format!("{} lines read, {} forwarded, {} in summaries, {} storms", totals.read, totals.forwarded, totals.summarised, storms.len());
            systemd::status(&lines);
        }
        let status = Status {
            node: self.node.clone(),
            at: now,
            readiness: Readiness { store_is_open: true, inputs_are_open: true, is_stopping },
            totals,
            inputs: pipeline
                .inputs()
                .iter()
                .map(|(name, (lines, bytes))| InputStatus { name: (*name).into(), lines: *lines, bytes: *bytes })
                .collect(),
            lost: LostReason::ALL.map(|reason| {
                // What a source says it suppressed is a line like others, read by a rule; the rest is told by inputs.
                let said = if reason == LostReason::Suppressed { totals.lost_at_source } else { 0 };
                said + pipeline.lost.get(&reason).map_or(0, |lost| lost.0)
            }),
            storms,
            retries: pipeline.retries(uptime),
            fingerprints_active: pipeline.engine.fingerprints_active() as u64,
            fingerprints_evicted: pipeline.engine.fingerprints_evicted(),
            windows_open: pipeline.engine.windows_open() as u64,
            streams_open: pipeline.streams() as u64,
            outputs: self.queues.clone(),
            store: StoreStatus {
                bytes: committing.bytes,
                bytes_max: self.store_bytes_max,
                is_full: committing.is_full,
                commits: committing.successes,
                commits_failed: committing.failures_total,
                commit_seconds: committing.last_seconds,
                commit_lag_seconds: committing
                    .last_success
                    .map_or(0.0, |last| if pipeline.is_dirty() { now.since(last).max(0) as f64 / 1e9 } else { 0.0 }),
                dropped: committing.dropped,
                replaced: committing.recreated,
            },
            reload: ReloadStatus { is_ok: self.reload_is_ok.load(Ordering::Relaxed), ..self.reload },
        };
        self.publisher.publish(status);
    }

    fn count_queues(&mut self, now: UnixNanos) {
        if self.queues_at.is_some_and(|at| clock::monotonic().saturating_duration_since(at) < QUEUES_EVERY) {
            return;
        }
        self.queues_at = Some(clock::monotonic());
        // A store that cannot be read at this moment is seen by its commits.
        if let Ok(look) = StoreLook::read(&self.directory) {
            let queue = |output: &crate::store::OutputStatus| QueueStatus {
                name: output.name.as_str().into(),
                records: output.queued,
                oldest_seconds: output.oldest.map_or(0.0, |oldest| now.since(oldest).max(0) as f64 / 1e9),
            };
            self.queues = look.outputs.iter().filter(|output| output.cursor.is_some()).map(queue).collect();
        }
    }
}
