//! The agent: inputs and outputs as tasks, the engine on a thread of its own, the store as its only commit point.
//!
//! ```text
//! inputs --events (bounded)--> engine thread --commit each second--> store --batches--> one task per output
//!                                   ^                                                        |
//!                                   +--------------------- progress -------------------------+
//! ```
//!
//! A *life* lasts from the opening of the store to its closing: until the process is stopped, or until the configuration changes. A reload
//! is the end of one life and the beginning of the next, by the same code as a stop and a start, so it cannot lose what they do not lose.

mod error;
mod inputs;
mod life;
mod outgoing;
mod outputs;
mod pipeline;
mod reporter;
mod signals;
mod streams;
mod thread;

pub use error::AgentError;

use crate::clock;
use crate::config::{self, Loaded};
use crate::telemetry::status::ReloadStatus;
use crate::telemetry::{self, Publisher, Subscriber};
use life::{Ending, Life};
use signals::Signals;
use std::path::Path;
use std::time::Duration;

/// Worker threads of the runtime: inputs and outputs wait most of the time, so two are enough on any node.
const WORKERS: usize = 2;
/// How long, and how often, it is tried to go back to the configuration that was in force.
const GO_BACK_WITHIN: Duration = Duration::from_secs(10);
const GO_BACK_EVERY: Duration = Duration::from_millis(200);

/// Runs the agent until it is told to stop.
///
/// # Errors
/// It cannot start: the configuration is wrong, the store is held by another agent, an address is taken. Once it runs, it runs.
pub fn run(path: Option<&Path>, loaded: Loaded) -> Result<(), AgentError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().map_err(AgentError::Runtime)?;
    let result = runtime.block_on(live(path, loaded));
    // A thread that waits for standard input cannot be woken: it ends with the process.
    runtime.shutdown_background();
    result
}

async fn live(path: Option<&Path>, mut loaded: Loaded) -> Result<(), AgentError> {
    let mut signals = Signals::listen().map_err(AgentError::Runtime)?;
    let (publisher, subscriber) = telemetry::status::channel();
    let mut in_force = InForce::new(&loaded);
    let mut life = Life::begin(loaded, in_force.reload, &publisher, &subscriber).await?;
    loop {
        match life.until_told(path, &mut signals).await? {
            Ending::Stopped => return Ok(()),
            Ending::Reload(next) => loaded = *next,
        }
        publisher.collect_from_nobody();
        let next = InForce::new(&loaded);
        life = match Life::begin(loaded, next.reload, &publisher, &subscriber).await {
            Ok(life) => {
                tracing::info!("going on with the new configuration");
                in_force = next;
                life
            }
            Err(error) => {
                tracing::error!("the new configuration cannot begin, the old one stays in force: {error}");
                publisher.collect_from_nobody();
                in_force.go_back(&next, &publisher, &subscriber).await?
            }
        };
    }
}

/// The configuration that is in force, kept for the case that the next one is without mistakes and cannot begin all the same.
struct InForce {
    loaded: Loaded,
    reload: ReloadStatus,
}

impl InForce {
    fn new(loaded: &Loaded) -> Self {
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        Self { loaded: loaded.clone(), reload: ReloadStatus { is_ok: true, succeeded_at: clock::now() } }
    }

    /// Begins anew with what was in force. What the failed beginning took (an address, the store) may be held for another moment.
    async fn go_back(&mut self, failed: &Self, publisher: &Publisher, subscriber: &Subscriber) -> Result<Life, AgentError> {
        self.reload.is_ok = false;
        // What has failed is tried again when it changes, or when we are told to.
        self.loaded.content_hash = failed.loaded.content_hash;
        self.loaded.sources = failed.loaded.sources.clone();
        let deadline = clock::monotonic_in_tokio() + GO_BACK_WITHIN;
        loop {
            match Life::begin(self.loaded.clone(), self.reload, publisher, subscriber).await {
                Ok(life) => return Ok(life),
                // Nobody looks any more but a supervisor, who starts us again.
                Err(error) if clock::monotonic_in_tokio() >= deadline => return Err(error),
                Err(error) => tracing::warn!("the old configuration cannot begin yet: {error}"),
            }
            tokio::time::sleep(GO_BACK_EVERY).await;
        }
    }
}

/// Loads the configuration again.
fn reload(path: Option<&Path>) -> Option<Box<Loaded>> {
    match config::load(path) {
        Ok(loaded) => Some(Box::new(loaded)),
        Err(mistakes) => {
            tracing::error!("the configuration is wrong, the old one stays in force:\n{mistakes}");
            None
        }
    }
}
