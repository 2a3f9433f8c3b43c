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

use crate::config::{self, Loaded};
use crate::telemetry;
use life::{Ending, Life};
use signals::Signals;
use std::path::Path;

/// Worker threads of the runtime: inputs and outputs wait most of the time, so two are enough on any node.
const WORKERS: usize = 2;

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
    let mut is_first = true;
    loop {
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let sources = loaded.sources.clone();
        let life = match Life::begin(loaded, &publisher, &subscriber).await {
            Ok(life) => life,
            // The first start is somebody's who looks; later ones are nobody's, but a supervisor's.
            Err(error) if is_first => return Err(error),
            Err(error) => {
                tracing::error!("cannot go on with the new configuration: {error}");
                return Err(error);
            }
        };
        is_first = false;
        match life.until_told(path, sources, &mut signals).await? {
            Ending::Stopped => return Ok(()),
            Ending::Reload(next) => {
                publisher.collect_from_nobody();
                loaded = *next;
            }
        }
        tracing::info!("going on with the new configuration");
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
