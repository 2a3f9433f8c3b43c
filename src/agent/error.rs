//! Why the agent does not start.

use crate::config::Mistakes;
use crate::inputs::syslog::BindError;
use crate::outputs::OutputError;
use crate::store::{Remedy, StoreError};
use crate::telemetry::TelemetryError;
use std::io;

/// Why the agent does not start (or does not go on after a reload).
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The configuration.
    #[error("{0}")]
    Config(#[from] Mistakes),
    /// The store.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// An address of a syslog input.
    #[error("{0}")]
    Bind(#[from] BindError),
    /// Metrics, health, API.
    #[error("{0}")]
    Telemetry(#[from] TelemetryError),
    /// An output.
    #[error("{0}")]
    Output(#[from] OutputError),
    /// The system gives no threads, no signals.
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    /// The engine thread is gone: a mistake of ours.
    #[error("the engine stopped by a mistake of ours: everything up to the last commit is in the store; please report what stands above")]
    Engine,
}

impl AgentError {
    /// Whether people must change something before another start can succeed: exit code 78, so that a supervisor does not try again and again.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Config(_) | Self::Output(_) => true,
            Self::Store(error) => error.remedy() == Remedy::Stop && !matches!(error, StoreError::Locked { .. }),
            Self::Bind(_) | Self::Telemetry(_) | Self::Runtime(_) | Self::Engine => false,
        }
    }
}
