//! What can go wrong when telemetry starts, for people.

use std::io;
use std::net::SocketAddr;

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Somebody else has the port.
    #[error("{key}: {address} is in use, perhaps by another squelch; stop that program, or set {key} to a free port")]
    InUse {
        /// The key in the configuration.
        key: &'static str,
        /// What it says.
        address: SocketAddr,
    },
    /// The system does not let us listen there.
    #[error("{key}: cannot listen on {address}: {source}; set {key} to an address of this machine and a port that this user may open")]
    Bind {
        /// The key in the configuration.
        key: &'static str,
        /// What it says.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Everybody on the network could read log text.
    #[error("telemetry.api_listen: {address} can be reached from other machines; set telemetry.api_token, or listen on 127.0.0.1")]
    TokenNeeded {
        /// What it says.
        address: SocketAddr,
    },
    /// The filter of our own log.
    #[error("{place}: `{filter}` is not a log filter: {source}; write for example info, or warn,squelch::delivery=debug")]
    Filter {
        /// The variable or key it came from.
        place: &'static str,
        /// What it says.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The log was started twice.
    #[error("squelch's own log was started already; it can be started once in a process")]
    LogIsRunning,
    /// No thread for our own log.
    #[error("no thread for squelch's own log: {0}; raise the limit of processes of this user (ulimit -u, TasksMax)")]
    Thread(io::Error),
}
