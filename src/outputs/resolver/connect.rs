//! A TCP connection to a host, for what is no HTTP.

use super::Resolver;
use crate::delivery::{Outcome, Unreachable};
use crate::outputs::answer::of_error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The next address is tried when the ones before have not answered for so long (RFC 8305).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

impl Resolver {
    /// Connects to a host, to the first of its addresses that answers. Takes as long as the kernel likes: bound it.
    ///
    /// # Errors
    /// What there is in place of a connection.
    pub async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, Outcome> {
        let addresses = self.resolve(host).await.map_err(|error| Outcome::Unreachable { kind: Unreachable::Name, words: error.to_string() })?;
        first_of(addresses, port).await.map_err(|error| of_error(&error, true, false))
    }
}

async fn first_of(addresses: Vec<IpAddr>, port: u16) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut tried = JoinSet::new();
    let mut result = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        let next = waiting.next();
        if let Some(address) = next {
            tried.spawn(TcpStream::connect(SocketAddr::new(address, port)));
        }
        let connected = if next.is_some() && waiting.len() > 0 {
            match tokio::time::timeout(NEXT_ADDRESS_AFTER, tried.join_next()).await {
                Ok(connected) => connected,
                Err(_) => continue,
            }
        } else {
            tried.join_next().await
        };
        match connected {
            None => return Err(result),
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => result = error,
            Some(Err(error)) => result = io::Error::other(error),
        }
    }
}
