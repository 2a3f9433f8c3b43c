//! `squelch run`: the agent.

use super::config::ConfigFile;
use super::error::{Exit, Failure, tell};
use crate::agent;
use crate::config;
use crate::telemetry::log;
use clap::Args;

/// Options of `squelch run`.
#[derive(Clone, Debug, Args)]
pub struct RunArguments {
    /// Which configuration.
    #[command(flatten)]
    pub file: ConfigFile,
}

/// Runs the command: 0 after a stop, 78 when the configuration is wrong.
pub fn run(arguments: &RunArguments) -> Result<Exit, Failure> {
    let path = arguments.file.config.as_deref();
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            tell(&mistakes.to_string());
            return Ok(Exit::Configuration);
        }
    };
    let options = log::Options { filter: loaded.config.telemetry.log_filter.clone(), is_json: loaded.config.telemetry.log_json };
    // Flushes what it has collapsed when it is dropped.
    let _log = log::init(&options).map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
    agent::run(path, loaded).map(|()| Exit::Fine).map_err(|error| {
        let exit = if error.is_configuration() { Exit::Configuration } else { Exit::Failure };
        Failure::new(exit, error.to_string())
    })
}
