//! One question to the name servers of a list, one after the other.

use super::files::Files;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::task::JoinSet;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// These.
    Addresses(Vec<IpAddr>),
    /// The name is there, without an address of this family.
    Nothing,
    /// There is no such name.
    NoName,
    /// A name server says that it cannot tell.
    Failed(String),
    /// Nobody says anything.
    Silent,
}

/// One name server.
#[derive(Clone)]
pub(super) struct Server {
    address: SocketAddr,
    /// `None` when hickory does not want it.
    client: Option<TokioResolver>,
}

impl Server {
    /// A name server that has so long to answer. Sends nothing yet.
    pub(super) fn new(address: SocketAddr, within: Duration) -> Self {
        let on_port = |mut connection: ConnectionConfig| {
            connection.port = address.port();
            connection
        };
        let mut server = NameServerConfig::udp_and_tcp(address.ip());
        server.connections = server.connections.into_iter().map(on_port).collect();
        let mut builder = TokioResolver::builder_with_config(ResolverConfig::from_name_servers(vec![server]), TokioRuntimeProvider::default());
        let options = builder.options_mut();
        // What is lost is sent again within a request.
        options.attempts = 0;
        options.timeout = within;
        // Names are whole, files are read before, nothing is kept.
        options.ndots = 0;
        options.use_hosts_file = ResolveHosts::Never;
        options.cache_size = 0;
        Self { address, client: builder.build().ok() }
    }

    async fn ask(self, name: String, family: Family) -> Said {
        let record = match family {
            Family::V4 => RecordType::A,
            Family::V6 => RecordType::AAAA,
        };
        let port = self.address.port();
        let whom = if port == Files::default().port { self.address.ip().to_string() } else { self.address.to_string() };
        let Some(client) = self.client else { return Said::Failed(format!("{whom} cannot be asked")) };
        match client.lookup(name, record).await {
            Ok(lookup) => {
                let addresses = lookup.answers().iter().filter_map(|record| match &record.data {
                    RData::A(a) => Some(IpAddr::V4(a.0)),
                    RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
                    _ => None,
                });
                let addresses: Vec<IpAddr> = addresses.collect();
                if addresses.is_empty() { Said::Nothing } else { Said::Addresses(addresses) }
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) if none.response_code == ResponseCode::NXDomain => Said::NoName,
            Err(NetError::Dns(DnsError::NoRecordsFound(_))) => Said::Nothing,
            Err(NetError::Timeout) => Said::Silent,
            Err(NetError::Dns(DnsError::ResponseCode(code))) => Said::Failed(format!("{whom} says: {}", code.to_str())),
            Err(error) => Said::Failed(format!("{whom}: {error}")),
        }
    }
}

/// Asks in order. Who fails is passed over at once; who is silent for `next_after` is not waited for any more, but heard.
pub(super) async fn ask(servers: &[Server], name: &str, family: Family, next_after: Duration) -> Said {
    let mut waiting = servers.iter();
    let mut asked = JoinSet::new();
    let mut result = Said::Silent;
    loop {
        let next = waiting.next();
        if let Some(server) = next {
            asked.spawn(server.clone().ask(name.to_owned(), family));
        }
        let said = if next.is_some() && waiting.len() > 0 {
            match tokio::time::timeout(next_after, asked.join_next()).await {
                Ok(said) => said,
                Err(_) => continue,
            }
        } else {
            asked.join_next().await
        };
        match said {
            None => return result,
            Some(Ok(Said::Failed(words))) => result = Said::Failed(words),
            Some(Ok(Said::Silent)) => {}
            Some(Ok(said)) => return said,
            Some(Err(error)) => result = Said::Failed(error.to_string()),
        }
    }
}
