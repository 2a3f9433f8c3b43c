//! What can be set about a syslog input.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Datagrams.
    Udp(SocketAddr),
    /// Connections.
    Tcp(SocketAddr),
    /// A datagram socket in the file system (as `/dev/log`).
    Unix(PathBuf),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => write!(f, "udp://{address}"),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// Settings of one syslog input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its name in the configuration.
    pub name: String,
    /// Where to listen.
    pub listen: Listen,
    /// Connections at the same time; further ones are refused and counted.
    pub connections_max: usize,
    /// Longest message in bytes.
    pub line_bytes_max: usize,
}

impl Options {
    /// The settings of a listener where nothing else is said. 256 connections of one line each hold 64 MiB at worst.
    #[must_use]
    pub const fn new(name: String, listen: Listen) -> Self {
        Self { name, listen, connections_max: 256, line_bytes_max: 256 << 10 }
    }
}
