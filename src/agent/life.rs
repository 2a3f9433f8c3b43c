//! One life: from the opening of the store to its closing.

use super::inputs::Inputs;
use super::outputs::Outputs;
use super::pipeline::Pipeline;
use super::reporter::Reporter;
use super::signals::{Signals, Told};
use super::thread::EngineThread;
use super::{AgentError, reload};
use crate::clock::{self, Steady};
use crate::config::{Loaded, Sources};
use crate::engine;
use crate::inputs::event::Feeder;
use crate::store::{Note, Reader, RecordKind, Store};
use crate::telemetry::metrics::{FileCounters, OutputCounters};
use crate::telemetry::status::ReloadStatus;
use crate::telemetry::{Publisher, Subscriber, http, systemd};
use rapidhash::v3::rapidhash_v3;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

/// What outputs tell and the engine thread has not taken yet.
const PROGRESS_MAX: usize = 64;
/// A reload gives outputs so long to finish what is on its way.
const RELOAD_WITHIN: Duration = Duration::from_secs(5);
/// How many names of streams there may be at once; one costs about a KiB.
const STREAMS_MAX: usize = 16_384;

/// How a life ended.
pub(super) enum Ending {
    /// The process is to end.
    Stopped,
    /// Another life begins, with this configuration.
    Reload(Box<Loaded>),
}

/// See the [module](self).
pub(super) struct Life {
    content_hash: u64,
    sources: Sources,
    reload_every: Duration,
    stop_within: Duration,
    inputs: Inputs,
    outputs: Outputs,
    /// Answered when input is over and committed.
    drained: oneshot::Receiver<()>,
    gives_up_inputs: Arc<AtomicBool>,
    /// The configuration that was read last is in force.
    reload_is_ok: Arc<AtomicBool>,
    engine: std::thread::JoinHandle<Store>,
    /// Serves until it is dropped.
    _server: http::Server,
}

impl Life {
    /// Opens the store, goes on where it was left, starts everything.
    pub(super) async fn begin(loaded: Loaded, reload: ReloadStatus, publisher: &Publisher, subscriber: &Subscriber) -> Result<Self, AgentError> {
        let (content_hash, sources) = (loaded.content_hash, loaded.sources);
        let mut config = loaded.config;
        let now = clock::now();
        let (mut store, mut recovered) = Store::open(&config.store, now)?;
        match &recovered.note {
            None | Some(Note::New) => {}
            Some(note) => tracing::warn!("{note}"),
        }
        let names: Vec<Box<str>> = config.outputs.iter().map(|output| output.name.clone().into()).collect();
        let cursors = store.set_outputs(&names.iter().map(|name| &**name).collect::<Vec<_>>())?;
        let newest = Reader::open(&config.store.directory)?.newest()?.unwrap_or_default();
        let positions = std::mem::take(&mut recovered.positions);
        let options = engine::Options {
            node: rapidhash_v3(config.node.as_bytes()),
            reference: now,
            started_in_the_middle: Some(now),
            tells_absorbed: config.outputs.iter().any(|output| output.route.kinds.contains(&RecordKind::Absorbed)),
            streams_max: config.engine.streams_max.max(STREAMS_MAX),
            ..config.engine.clone()
        };
        let pipeline = Pipeline::new(options, &config.node, config.telemetry.fingerprints_max, &mut recovered, now);
        let (feeder, events) = Feeder::new();
        let (progress_sender, progress) = mpsc::channel(PROGRESS_MAX);
        let (news_sender, news) = watch::channel(newest);
        let (drained_sender, drained) = oneshot::channel();
        let gives_up_inputs = Arc::<AtomicBool>::default();
        let reload_is_ok = Arc::new(AtomicBool::new(reload.is_ok));
        let inputs = Inputs::start(&config, &positions, feeder).await?;
        let config_inputs = config.inputs.len();
        let server = http::serve(
            http::Options {
                listen: config.telemetry.listen,
                api_listen: config.telemetry.api_listen,
                api_token: config.telemetry.api_token.take(),
                hosts: config.telemetry.hosts.iter().chain([&config.node]).cloned().collect(),
                held_at_zero: config.telemetry.scrape_interval,
            },
            subscriber,
        )?;
        let (commit_every, stop_within, reload_every) = (config.commit_every, config.stop_within, config.reload_every);
        let outputs = Outputs::start(std::mem::take(&mut config.outputs), &config.store.directory, &cursors, &news, &progress_sender)?;
        drop(progress_sender);
        for (name, counters) in &outputs.counters {
            publisher.collect_from(Arc::new(OutputCounters::new(name, Arc::clone(counters))));
        }
        for (name, counters) in &inputs.files {
            publisher.collect_from(Arc::new(FileCounters::new(name, Arc::clone(counters))));
        }
        let thread = EngineThread {
            pipeline,
            store,
            outputs: names,
            events,
            progress,
            news: news_sender,
            drained: Some(drained_sender),
            gives_up_inputs: Arc::clone(&gives_up_inputs),
            commit_every,
            reporter: Reporter {
                publisher: publisher.clone(),
                node: config.node.clone(),
                directory: config.store.directory.clone(),
                store_bytes_max: config.store.bytes_max,
                reload,
                reload_is_ok: Arc::clone(&reload_is_ok),
                watchdog: systemd::watchdog(),
                queues: Vec::new(),
                queues_at: None,
            },
            day: Steady::default(),
        };
        let runtime = Handle::current();
        let engine = std::thread::Builder::new().name("engine".into()).spawn(move || thread.run(&runtime)).map_err(AgentError::Runtime)?;
        systemd::ready(&format!("{config_inputs} inputs, {} outputs", outputs.counters.len()));
        tracing::info!("squelch {} runs on {} inputs and {} outputs", env!("CARGO_PKG_VERSION"), config_inputs, outputs.counters.len());
        Ok(Self {
            content_hash,
            sources,
            reload_every,
            stop_within,
            inputs,
            outputs,
            drained,
            gives_up_inputs,
            reload_is_ok,
            engine,
            _server: server,
        })
    }

    /// Runs until a signal, another configuration, or the end of all input; then ends everything in order.
    pub(super) async fn until_told(mut self, path: Option<&Path>, signals: &mut Signals) -> Result<Ending, AgentError> {
        let mut look = tokio::time::interval(if self.reload_every.is_zero() { Duration::from_secs(3600) } else { self.reload_every });
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let ending = loop {
            tokio::select! {
                told = signals.next() => match told {
                    Told::Stop => break Ending::Stopped,
                    Told::Reload => match reload(path) {
                        Some(next) => break Ending::Reload(next),
                        None => self.reload_is_ok.store(false, Ordering::Relaxed),
                    },
                },
                _ = look.tick(), if !self.reload_every.is_zero() => {
                    let hash = self.sources.content_hash();
                    if hash == self.content_hash {
                        continue;
                    }
                    self.content_hash = hash;
                    match reload(path) {
                        Some(next) => break Ending::Reload(next),
                        None => self.reload_is_ok.store(false, Ordering::Relaxed),
                    }
                },
                // Without an error the engine thread says so only when all input has ended.
                drained = &mut self.drained => match drained {
                    Ok(()) => break Ending::Stopped,
                    Err(_) => return Err(AgentError::Engine),
                },
                (name, ended) = self.outputs.next_ended() => {
                    tracing::warn!("output {name} has ended{}", if ended.is_none() { " by a mistake of ours" } else { ": nobody reads it any more" });
                    if self.outputs.are_none() {
                        break Ending::Stopped;
                    }
                },
            }
        };
        self.end(matches!(ending, Ending::Reload(_))).await?;
        Ok(ending)
    }

    async fn end(mut self, is_reload: bool) -> Result<(), AgentError> {
        let deadline = clock::monotonic_in_tokio() + self.stop_within;
        if is_reload {
            systemd::reloading()
        } else {
            systemd::stopping()
        }
        self.inputs.stop();
        let over = async {
            self.inputs.ended().await;
            // An engine that is gone is seen when it is joined.
            if !self.drained.is_terminated() {
                let _ = (&mut self.drained).await;
            }
        };
        if tokio::time::timeout_at(deadline, over).await.is_err() {
            tracing::warn!("inputs or commits take longer than {:?}: what is not committed is read again after the next start", self.stop_within);
            self.gives_up_inputs.store(true, Ordering::Relaxed);
        }
        let left = deadline.saturating_duration_since(clock::monotonic_in_tokio());
        self.outputs.end(if is_reload { left.min(RELOAD_WITHIN) } else { left }).await;
        drop(self.outputs);
        let engine = self.engine;
        let store = tokio::task::spawn_blocking(move || engine.join()).await.ok().and_then(Result::ok).ok_or(AgentError::Engine)?;
        if let Err(error) = store.close() {
            tracing::warn!("the store could not be closed in order ({error}): it is checked at the next start");
        }
        Ok(())
    }
}
