//! `--alert-cmd`: runs a command of the user's for each alert, beside the pipe and never in its way.

use super::error::tell;
use crate::collapse::summary::Summary;
use crate::engine::{Engine, Forwarded, Sink};
use crate::outputs::Output;
use crate::outputs::alerts::exec::run;
use crate::outputs::json::push_line;
use crate::outputs::storm_record::StormRecord;
use crate::record::StreamId;
use crate::storm::{AlertLevel, Burst, StormEvent, StormId};
use crate::time::UnixNanos;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Commands that run at once.
const RUNNING_MAX: usize = 4;
/// Alerts that wait for one of them; more are not sent. A storm tells of itself at most every few minutes.
const WAITING_MAX: usize = 64;
/// A command that runs longer is ended.
const RUN_MAX: Duration = Duration::from_secs(30);
/// What is left at the end may take this long.
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// How often a running command is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// Storms whose failure was told; beyond, failures are only counted.
const TOLD_MAX: usize = 256;

struct Alert {
    storm: StormId,
    record: Vec<u8>,
}

/// Runs the command for alerts, on threads of its own that start with the first alert.
pub struct AlertCommand {
    command: Arc<str>,
    queue: Option<SyncSender<Alert>>,
    workers: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// What the threads share.
struct Shared {
    /// The end has come and waiting for it is over.
    is_given_up: AtomicBool,
    failures: Mutex<Failures>,
}

#[derive(Default)]
struct Failures {
    count: u64,
    told: BTreeSet<StormId>,
}

impl AlertCommand {
    /// Will run `command` by `sh -c`.
    pub fn new(command: &str) -> Self {
        Self {
            command: command.into(),
            queue: None,
            workers: Vec::new(),
            shared: Arc::new(Shared { is_given_up: AtomicBool::new(false), failures: Mutex::default() }),
        }
    }

    /// Hands an alert over. Never waits.
    fn send(&mut self, storm: StormId, record: Vec<u8>) {
        if self.queue.is_none() {
            self.start();
        }
        if let Some(queue) = &self.queue
            && queue.try_send(Alert { storm, record }).is_err()
        {
            self.shared.failed(storm, "too many alerts wait for it");
        }
    }

    fn start(&mut self) {
        let (queue, alerts) = sync_channel(WAITING_MAX);
        let alerts = Arc::new(Mutex::new(alerts));
        for _ in 0..RUNNING_MAX {
            let (command, alerts, shared) = (Arc::clone(&self.command), Arc::clone(&alerts), Arc::clone(&self.shared));
            match thread::Builder::new().name("alert-cmd".into()).spawn(move || work(&command, &alerts, &shared)) {
                Ok(worker) => self.workers.push(worker),
                Err(error) => tell(&format!("cannot start a thread for --alert-cmd: {error}")),
            }
        }
        self.queue = Some(queue);
    }

    /// Waits for what is still to do, a bounded time. Says how many alerts were not delivered.
    pub fn finish(self) {
        let Self { queue, workers, shared, .. } = self;
        drop(queue);
        let deadline = crate::clock::monotonic() + DRAIN_MAX;
        while workers.iter().any(|worker| !worker.is_finished()) && crate::clock::monotonic() < deadline {
            thread::sleep(LOOK);
        }
        shared.is_given_up.store(true, Ordering::Relaxed);
        for worker in workers {
            let _ = worker.join();
        }
        let count = shared.lock().count;
        if count > 1 {
            tell(&format!("--alert-cmd failed for {count} alerts"));
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a failure, and tells it once per storm.
    fn failed(&self, storm: StormId, why: &str) {
        let mut failures = self.lock();
        failures.count += 1;
        if failures.told.len() < TOLD_MAX && failures.told.insert(storm) {
            drop(failures);
            tell(&format!("--alert-cmd failed for storm {storm}: {why}"));
        }
    }
}

fn work(command: &str, alerts: &Mutex<Receiver<Alert>>, shared: &Shared) {
    loop {
        let next = alerts.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(LOOK * 10);
        match next {
            Ok(alert) if shared.is_given_up.load(Ordering::Relaxed) => shared.failed(alert.storm, "squelch ended"),
            Ok(alert) => {
                if let Err(why) = run(command, alert.record, RUN_MAX, &shared.is_given_up) {
                    shared.failed(alert.storm, &why.to_string());
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// An output that runs a command for alerts, too, and remembers whether there was a storm.
pub struct Alerting<O> {
    /// Where everything goes.
    pub output: O,
    command: Option<AlertCommand>,
    now: UnixNanos,
    /// Whether one of level warning or critical was told.
    pub has_storm: bool,
}

impl<O: Output> Alerting<O> {
    /// `command` runs by `sh -c` for each alert, if there is one.
    pub fn new(output: O, command: Option<&str>) -> Self {
        Self { output, command: command.map(AlertCommand::new), now: UnixNanos(0), has_storm: false }
    }

    /// The output itself, and what must be finished when it has ended.
    pub fn into_parts(self) -> (O, Option<AlertCommand>) {
        (self.output, self.command)
    }
}

impl<O: Output> Sink for Alerting<O> {
    fn forward(&mut self, record: &Forwarded<'_>) {
        self.output.forward(record);
    }
    fn summary(&mut self, summary: &Summary) {
        self.output.summary(summary);
    }
    fn storm(&mut self, event: &StormEvent, absorbed: u64) {
        self.output.storm(event, absorbed);
        let storm = event.report();
        self.has_storm |= storm.alert_level > AlertLevel::Info;
        if let Some(command) = &mut self.command {
            let mut record = Vec::new();
            push_line(&mut record, &StormRecord::new(event, absorbed, self.now));
            command.send(storm.id, record);
        }
    }
    fn burst(&mut self, burst: &Burst) {
        self.output.burst(burst);
    }
}

impl<O: Output> Output for Alerting<O> {
    fn name_stream(&mut self, stream: StreamId, label: &str, epoch: UnixNanos, is_file: bool) {
        self.output.name_stream(stream, label, epoch, is_file);
    }
    fn set_now(&mut self, now: UnixNanos) {
        self.now = now;
        self.output.set_now(now);
    }
    fn idle(&mut self) {
        self.output.idle();
    }
    fn show_activity(&mut self, now: UnixNanos, engine: &Engine) -> Option<UnixNanos> {
        self.output.show_activity(now, engine)
    }
    fn is_closed(&self) -> bool {
        self.output.is_closed()
    }
}
