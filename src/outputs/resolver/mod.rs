//! Names to addresses, the same way for everything that connects: the hosts file, then the name servers of `resolv.conf`, and nobody else.
//!
//! - No public name server ever. Without a usable `resolv.conf` a name that is not in the hosts file has no address, and the error says why.
//! - The hosts file decides alone: a name that stands in it is not asked for, whatever family its address is of.
//! - `search` and `ndots` hold as in the C library (Kubernetes needs both). A search ends at the first name server that stays silent: what comes
//!   behind it may be another host of the same name.
//! - Name servers are asked in the order of the file. The next one joins after `NEXT_SERVER_AFTER`, or at once when one before it fails.
//! - IPv4 and IPv6 are asked for together; IPv6 is waited for 200 ms after IPv4 is known.
//! - Nothing is kept: both files are read and names are asked for at each new connection, which are few. So a file that changes, and a receiver
//!   that moves, are found at the next attempt, and no answer outlives its time.
//! - All of it ends within a share of the time for connecting (`SHARE_OF_CONNECT`), so that a name that has no address is told as that.
//!
//! Not the C library's resolver: it blocks a thread for as long as it likes, loads modules of the host (which a static binary must not), and
//! cannot be tested against a name server of a test. The price is that other sources of `nsswitch.conf` (mDNS, LDAP) are not asked.
//! Not the switch of reqwest for hickory: it turns to a public name server when `resolv.conf` cannot be read. hickory does the talking (retransmit,
//! match, truncated answers by TCP) with one name server at a time: left to itself it asks several in an order of its own. It brings 17 crates.

mod ask;
mod connect;
mod files;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use crate::clock;
use ask::{Said, Server};
pub use files::Files;
use files::{Conf, in_hosts};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

/// The next name server is asked when the ones before it have been silent for so long.
const NEXT_SERVER_AFTER: Duration = Duration::from_secs(1);

/// IPv6 addresses that come later than this after the IPv4 ones are not waited for: some name servers never answer the question for them.
const IPV6_LATER: Duration = Duration::from_millis(200);

/// As much of the time for connecting as a name may take.
const SHARE_OF_CONNECT: f64 = 0.8;

/// Most bytes that are read of the hosts file: lists of blocked names have a few MiB. And of `resolv.conf`, which has a few lines.
const HOSTS_BYTES_MAX: u64 = 16 << 20;
const CONF_BYTES_MAX: u64 = 64 << 10;

/// A name without address, in words for people.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("no address for {name}: {reason}")]
pub struct ResolveError {
    /// The name.
    pub name: String,
    /// Why, and what to do.
    pub reason: String,
}

/// Finds addresses.
#[derive(Clone, Debug)]
pub struct Resolver {
    files: Files,
    within: Duration,
}

impl Resolver {
    /// A resolver by the files of the system, for connections that may take so long.
    #[must_use]
    pub fn new(connect_timeout: Duration) -> Self {
        Self::with_files(Files::default(), connect_timeout)
    }

    /// The same by other files.
    #[must_use]
    pub fn with_files(files: Files, connect_timeout: Duration) -> Self {
        Self { files, within: connect_timeout.mul_f64(SHARE_OF_CONNECT) }
    }

    /// The addresses of a host, in the order in which they should be tried; never none.
    ///
    /// # Errors
    /// When there are none, or nobody can be asked.
    pub async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let (plain, is_absolute) = host.strip_suffix('.').map_or((host, false), |plain| (plain, true));
        let name = plain.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if let Ok(address) = name.parse() {
            return Ok(vec![address]);
        }
        let hosts = read(&self.files.hosts, HOSTS_BYTES_MAX).await.unwrap_or_default();
        let known = in_hosts(&hosts, &name);
        if !known.is_empty() {
            return Ok(known);
        }
        // RFC 6761: never asked of a name server.
        if name == "localhost" || name.ends_with(".localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        self.ask(&name, is_absolute).await.map_err(|reason| ResolveError { name: plain.to_owned(), reason })
    }

    async fn ask(&self, name: &str, is_absolute: bool) -> Result<Vec<IpAddr>, String> {
        let path = self.files.resolv_conf.display();
        let text = read(&self.files.resolv_conf, CONF_BYTES_MAX).await.map_err(|error| {
            format!("{path} cannot be read ({error}), and no other name server is asked; provide it, or use an address, or a line in the hosts file")
        })?;
        let conf = Conf::parse(&text);
        if conf.servers.is_empty() {
            return Err(format!("{path} names no name server, and no other is asked; add one, or use an address, or a line in the hosts file"));
        }
        let deadline = clock::monotonic_in_tokio() + self.within;
        let servers: Vec<Server> = conf.servers.iter().map(|&ip| Server::new(SocketAddr::new(ip, self.files.port), self.within)).collect();
        let whom = || conf.servers.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
        let (mut trouble, mut is_there) = (None, false);
        for candidate in conf.candidates(name, is_absolute) {
            match tokio::time::timeout_at(deadline, self.both(&servers, &candidate)).await {
                Ok(Said::Addresses(addresses)) => return Ok(addresses),
                Ok(Said::Nothing) => is_there = true,
                Ok(Said::NoName) => {}
                // As in the C library: a search domain that a name server cannot serve does not spoil the others.
                Ok(Said::Failed(words)) => trouble = Some(words),
                Ok(Said::Silent) | Err(_) => return Err(format!("no answer from {} within {}s", whom(), self.within.as_secs_f64())),
            }
        }
        let what = if is_there { "it has none" } else { "there is no such name" };
        Err(trouble.unwrap_or_else(|| format!("{what}, says {}", whom())))
    }

    /// Both families of one name.
    async fn both(&self, servers: &[Server], name: &str) -> Said {
        let next_after = NEXT_SERVER_AFTER.min(self.within / servers.len().max(1) as u32);
        let mut v4 = std::pin::pin!(ask::ask(servers, name, ask::Family::V4, next_after));
        let mut v6 = std::pin::pin!(ask::ask(servers, name, ask::Family::V6, next_after));
        let (v4, v6) = tokio::select! {
            v4 = &mut v4 => {
                let later: Option<Instant> = match v4 {
                    // There is no such name, whatever is asked of it.
                    Said::NoName => return v4,
                    Said::Addresses(_) => Some(clock::monotonic_in_tokio() + IPV6_LATER),
                    _ => None,
                };
                let v6 = match later {
                    Some(later) => tokio::time::timeout_at(later, v6).await.unwrap_or(Said::Nothing),
                    None => v6.await,
                };
                (v4, v6)
            }
            v6 = &mut v6 => match v6 {
                Said::NoName => return v6,
                v6 => (v4.await, v6),
            },
        };
        match (v4, v6) {
            // RFC 8305: IPv6 first. Where it leads nowhere, IPv4 is tried a moment later.
            (Said::Addresses(v4), Said::Addresses(mut v6)) => {
                v6.extend(v4);
                Said::Addresses(v6)
            }
            (found @ Said::Addresses(_), _) | (_, found @ Said::Addresses(_)) => found,
            (v4 @ (Said::Silent | Said::Failed(_)), _) => v4,
            (_, v6 @ (Said::Silent | Said::Failed(_))) => v6,
            (v4, _) => v4,
        }
    }
}

/// For HTTP.
impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let this = self.clone();
        Box::pin(async move {
            let addresses = Self::resolve(&this, name.as_str()).await?;
            // The port is put in by the client.
            let addresses: reqwest::dns::Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

async fn read(path: &std::path::Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    tokio::fs::File::open(path).await?.take(bytes_max).read_to_end(&mut bytes).await?;
    Ok(bytes)
}
