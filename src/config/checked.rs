//! The configuration as the modules want it: everything resolved, nothing left to check.

use crate::engine;
use crate::inputs::{file, journald, syslog};
use crate::outputs::destination::OutputOptions;
use crate::store;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How often everything is committed, unless the file says otherwise: what a crash may make squelch read again.
pub const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How long a stop may take, unless the file says otherwise: below the 30 s after which Kubernetes kills.
pub const STOP_WITHIN: Duration = Duration::from_secs(20);
/// How often the files behind the configuration are looked at, unless the file says otherwise.
pub const RELOAD_EVERY: Duration = Duration::from_secs(5);

/// How long the counter of a new fingerprint stays at zero, unless the file says otherwise: the usual scrape interval.
pub const SCRAPE_INTERVAL: Duration = Duration::from_secs(15);
/// Fingerprints with a counter of their own, unless the file says otherwise: 50 on each of 1,000 nodes are 50,000 series, which one Prometheus
/// takes easily.
pub const FINGERPRINTS_MAX: usize = 50;
/// The most of them that the file may ask for: as many as are remembered for it, at some 100 bytes each.
pub const FINGERPRINTS_LIMIT: usize = 1024;

/// Everything that `squelch run` needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it came from; `None` = the defaults.
    pub path: Option<PathBuf>,
    /// Name of this node: in `host.name` of records, in record ids and storm ids.
    pub node: String,
    /// The engine's.
    pub engine: engine::Options,
    /// A directory of rules beside (or in place of) those compiled in.
    pub rules_dir: Option<PathBuf>,
    /// What is read.
    pub inputs: Vec<Input>,
    /// Where records go.
    pub outputs: Vec<OutputOptions>,
    /// The store's.
    pub store: store::Options,
    /// How often everything is committed; an alert is committed at once.
    pub commit_every: Duration,
    /// How long a stop may take before what is left is abandoned to the store.
    pub stop_within: Duration,
    /// Metrics, health.
    pub telemetry: Telemetry,
    /// The configuration file is looked at again this often (by content); zero = only on SIGHUP.
    pub reload_every: Duration,
}

/// One input.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Files and Kubernetes pods.
    Files(file::Options),
    /// The journal.
    Journal(journald::Options),
    /// Syslog.
    Syslog(syslog::Options),
    /// Standard input.
    Stdin,
}

impl Input {
    /// The word in its `type`.
    #[must_use]
    pub fn type_word(&self) -> &'static str {
        match self {
            Self::Files(options) if options.layout == file::Layout::Pods => "kubernetes",
            Self::Files(_) => "file",
            Self::Journal(_) => "journald",
            Self::Syslog(_) => "syslog",
            Self::Stdin => "stdin",
        }
    }
}

/// Metrics, health and our own log.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// `/metrics`, `/livez`, `/readyz`; `None` = not served.
    pub listen: Option<SocketAddr>,
    /// `/api/v1/*`: a loopback address of its own; `None` = not served.
    pub api_listen: Option<SocketAddr>,
    /// Needed for `/api/v1/*` when that is not on loopback.
    pub api_token: Option<SecretString>,
    /// Names beside the node's by which we may be asked (`Host`).
    pub hosts: Vec<String>,
    /// The longest interval of all scrapers: so long the counter of a new fingerprint stays at zero.
    pub scrape_interval: Duration,
    /// Fingerprints with a counter of their own.
    pub fingerprints_max: usize,
    /// Own log: filter in env-filter syntax.
    pub log_filter: String,
    /// Own log as JSON.
    pub log_json: bool,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 9977))),
            api_listen: Some(SocketAddr::from(([127, 0, 0, 1], 9978))),
            api_token: None,
            hosts: Vec::new(),
            scrape_interval: SCRAPE_INTERVAL,
            fingerprints_max: FINGERPRINTS_MAX,
            log_filter: "info".into(),
            log_json: false,
        }
    }
}
