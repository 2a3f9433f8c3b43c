//! The engine thread: takes events, lets time pass, commits. The only place where the engine meets a clock, and the only writer of the store.

use super::pipeline::Pipeline;
use super::reporter::Reporter;
use crate::clock::{self, Steady};
use crate::inputs::event::Event;
use crate::store::{BatchNumber, Note, Progress, RecordKind, Remedy, Store, StoreError};
use crate::time::UnixNanos;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

/// Events taken in one go before the clock is looked at: with chunks of 64 KiB at most 1 MiB, some 20 ms.
const EVENTS_PER_TURN: usize = 16;
/// A commit that failed is tried again after this, doubled each time ...
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// ... up to this: a disk that has room again is noticed within 10 s, and a full one is not asked more than 6 times a minute.
const RETRY_CAP: Duration = Duration::from_secs(10);
/// The loop turns at least this often: it is what the watchdog and `/livez` look at.
const BEAT: Duration = Duration::from_secs(1);

/// How the last commit went.
#[derive(Clone, Debug, Default)]
pub(super) struct Committing {
    /// Commits that failed in a row; 0 = the last one succeeded.
    pub failures: u32,
    /// Commits that failed at all.
    pub failures_total: u64,
    /// What the store said last.
    pub last_error: Option<String>,
    /// When a commit succeeded last.
    pub last_success: Option<UnixNanos>,
    /// Times a store was made anew because its file was gone or broken.
    pub recreated: u64,
    /// Commits that succeeded.
    pub successes: u64,
    /// How long the last one took, seconds.
    pub last_seconds: f64,
    /// Bytes that the store takes.
    pub bytes: u64,
    /// The store, or its disk, is full.
    pub is_full: bool,
    /// Records given up for want of room, by kind.
    pub dropped: [u64; RecordKind::ALL.len()],
}

/// The thread's own.
pub(super) struct EngineThread {
    pub pipeline: Pipeline,
    pub store: Store,
    /// Names of the outputs that records are kept for.
    pub outputs: Vec<Box<str>>,
    pub events: mpsc::Receiver<Event>,
    pub progress: mpsc::Receiver<Progress>,
    /// Told of each new batch.
    pub news: watch::Sender<BatchNumber>,
    /// Answered once when input is over and everything of it is committed.
    pub drained: Option<oneshot::Sender<()>>,
    /// Set when inputs that do not end are waited for no longer.
    pub gives_up_inputs: Arc<AtomicBool>,
    pub commit_every: Duration,
    pub reporter: Reporter,
    /// The engine's time: it goes on in silence, whatever is done to the clock.
    pub day: Steady,
}

/// What came in.
enum Came {
    Event(Event),
    Progress(Progress),
    InputsEnded,
    OutputsEnded,
    Time,
}

impl EngineThread {
    /// Runs until inputs and outputs have hung up. Gives the store back.
    pub(super) fn run(mut self, runtime: &Handle) -> Store {
        let (mut inputs_ended, mut outputs_ended) = (false, false);
        let mut committing = Committing::default();
        let mut commit_at = clock::monotonic() + self.commit_every;
        while !(inputs_ended && outputs_ended) {
            let came = runtime.block_on(self.next(commit_at, inputs_ended, outputs_ended));
            self.reporter.turned();
            match came {
                Came::Event(event) => self.take_events(event),
                Came::Progress(Progress::Gone { output }) => self.forget_output(&output),
                Came::Progress(progress) => self.pipeline.progress(progress),
                Came::InputsEnded => {
                    inputs_ended = true;
                    self.pipeline.stop(self.day.now());
                    commit_at = clock::monotonic();
                }
                Came::OutputsEnded => outputs_ended = true,
                Came::Time => {}
            }
            if !self.pipeline.is_blocked() {
                self.pipeline.wake(self.day.now());
            }
            if !inputs_ended && self.gives_up_inputs.load(Ordering::Relaxed) {
                self.events.close();
            }
            let is_due = clock::monotonic() >= commit_at || (self.pipeline.is_urgent() && !self.pipeline.is_blocked());
            if is_due {
                commit_at = clock::monotonic() + self.commit(&mut committing, inputs_ended);
            }
            if inputs_ended
                && !self.pipeline.is_dirty()
                && let Some(drained) = self.drained.take()
            {
                // The agent may have stopped waiting.
                let _ = drained.send(());
            }
        }
        self.commit(&mut committing, true);
        self.store
    }

    /// Waits for what comes first. While a commit has to be tried again nothing is read: inputs wait with what they have.
    async fn next(&mut self, commit_at: Instant, inputs_ended: bool, outputs_ended: bool) -> Came {
        let now = self.day.now();
        let wakeup = self.pipeline.engine.next_wakeup().map(|at| {
            let wait = at.since(now).max(0);
            clock::monotonic() + Duration::from_nanos(wait.unsigned_abs())
        });
        let is_blocked = self.pipeline.is_blocked();
        // What is dirty waits for its commit; without anything to commit the loop turns for its beat.
        let until = if self.pipeline.is_dirty() || is_blocked { commit_at } else { clock::monotonic() + BEAT };
        let until = wakeup.filter(|_| !is_blocked).map_or(until, |wakeup| wakeup.min(until)).min(clock::monotonic() + BEAT);
        tokio::select! {
            biased;
            progress = self.progress.recv(), if !outputs_ended => progress.map_or(Came::OutputsEnded, Came::Progress),
            event = self.events.recv(), if !inputs_ended && !is_blocked => event.map_or(Came::InputsEnded, Came::Event),
            () = tokio::time::sleep_until(until.into()) => Came::Time,
        }
    }

    /// Nothing is kept for an output that nobody reads.
    fn forget_output(&mut self, output: &str) {
        self.outputs.retain(|name| **name != *output);
        let names: Vec<&str> = self.outputs.iter().map(|name| &**name).collect();
        if let Err(error) = self.store.set_outputs(&names) {
            tracing::warn!("records for output {output}, which has ended, stay in the store until the next start: {error}");
        }
    }

    fn take_events(&mut self, first: Event) {
        let now = self.day.now();
        self.pipeline.event(first, now);
        for _ in 1..EVENTS_PER_TURN {
            match self.events.try_recv() {
                Ok(event) => self.pipeline.event(event, now),
                Err(_) => break,
            }
        }
    }

    /// Commits if there is anything to. Returns when to come again.
    fn commit(&mut self, committing: &mut Committing, is_stopping: bool) -> Duration {
        if !self.pipeline.is_dirty() {
            self.reporter.publish(&mut self.pipeline, committing, is_stopping);
            // The next thing that happens need not wait: it has been quiet for as long as a commit waits.
            return Duration::ZERO;
        }
        let started = clock::monotonic();
        let wait = match self.pipeline.commit(&mut self.store) {
            Ok(committed) => {
                if committing.failures > 0 {
                    tracing::info!("the store takes records again after {} failed commits: reading goes on", committing.failures);
                }
                committing.failures = 0;
                committing.successes += 1;
                (committing.bytes, committing.is_full) = (committed.bytes, committed.full);
                committing.dropped = self.store.dropped().records;
                committing.last_success = Some(clock::now());
                if let Some(batch) = committed.batch {
                    self.news.send_replace(batch);
                }
                self.commit_every
            }
            Err(error) => self.commit_failed(&error, committing),
        };
        committing.last_seconds = clock::monotonic().saturating_duration_since(started).as_secs_f64();
        self.reporter.publish(&mut self.pipeline, committing, is_stopping);
        wait
    }

    /// Makes a store anew whose file is gone or broken. Says whether there is one again.
    fn recreate(&mut self, committing: &mut Committing) -> bool {
        match self.store.recreate(clock::now()) {
            Ok(note) => {
                committing.recreated += 1;
                tracing::error!("{note}");
                if matches!(note, Note::Lost | Note::SetAside { .. }) {
                    self.pipeline.tell_everything();
                }
                true
            }
            Err(error) => {
                tracing::debug!("the store cannot be made anew yet: {error}");
                false
            }
        }
    }

    fn commit_failed(&mut self, error: &StoreError, committing: &mut Committing) -> Duration {
        let text = error.to_string();
        if committing.last_error.as_ref() != Some(&text) || committing.failures == 0 {
            tracing::error!("cannot commit: {text}; nothing is read until it can, nothing is lost");
        }
        committing.is_full = matches!(error, StoreError::Full(_));
        if error.remedy() == Remedy::Recreate && self.recreate(committing) {
            return Duration::ZERO;
        }
        committing.failures += 1;
        committing.failures_total += 1;
        committing.last_error = Some(text);
        RETRY_CAP.min(RETRY_FIRST.saturating_mul(1 << committing.failures.min(6).saturating_sub(1)))
    }
}
