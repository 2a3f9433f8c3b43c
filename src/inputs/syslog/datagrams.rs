//! Datagrams: who sends them, and how many the kernel dropped.

use super::Options;
use crate::clock;
use crate::inputs::event::{CHUNK_BYTES, Data, Event, Feeder, LostReason, Stopped, StreamInfo, StreamNumber};
use crate::record::Place;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UdpSocket, UnixDatagram};

/// Senders that are streams of their own; the coldest is closed when there are more.
const PEERS_MAX: usize = 1024;
/// The largest datagram there is.
const DATAGRAM_BYTES: usize = 64 << 10;
/// How often the kernel is asked what it dropped.
const DROPS_EVERY: Duration = Duration::from_secs(5);

/// One sender.
struct Peer {
    stream: StreamNumber,
    offset: u64,
    used: u64,
}

/// Senders by address. `None` is the one of a unix socket, whose senders have no names.
pub(super) struct Peers {
    options: Options,
    origin: u64,
    peers: HashMap<Option<IpAddr>, Peer>,
    clock: u64,
    feeder: Feeder,
}

impl Peers {
    pub(super) fn new(options: Options, origin: u64, feeder: Feeder) -> Self {
        Self { options, origin, peers: HashMap::new(), clock: 0, feeder }
    }

    /// Hands over the lines of one sender.
    async fn tell(&mut self, address: Option<IpAddr>, bytes: Vec<u8>) -> Result<(), Stopped> {
        self.clock += 1;
        if !self.peers.contains_key(&address) {
            self.open(address).await?;
        }
        let peer = self.peers.get_mut(&address).expect("it was opened a line ago");
        peer.used = self.clock;
        let place = Place { origin: self.origin, offset: peer.offset };
        peer.offset += bytes.len() as u64;
        self.feeder.send(Event::Data(Data { stream: peer.stream, arrival: clock::now(), place, bytes, ends_line: false, position: None })).await
    }

    async fn open(&mut self, address: Option<IpAddr>) -> Result<(), Stopped> {
        let mut offset = 0;
        if self.peers.len() >= PEERS_MAX
            && let Some(coldest) = self.peers.iter().min_by_key(|(_, peer)| peer.used).map(|(address, _)| *address)
            && let Some(peer) = self.peers.remove(&coldest)
        {
            self.feeder.send(Event::Closed(peer.stream)).await?;
            // One that comes back must not use its offsets again.
            offset = self.clock << 20;
        }
        let stream = self.feeder.next_stream();
        self.feeder.send(Event::Opened { stream, info: Arc::new(info(&self.options.name, address)), is_backlog: false }).await?;
        self.peers.insert(address, Peer { stream, offset, used: self.clock });
        Ok(())
    }

    /// Takes datagrams until nobody takes lines.
    pub(super) async fn udp(&mut self, socket: &UdpSocket) -> Result<(), Stopped> {
        let port = socket.local_addr().map(|address| address.port()).unwrap_or_default();
        let mut drops = Drops::new(port);
        let mut ask = tokio::time::interval(DROPS_EVERY);
        let mut buffer = vec![0; DATAGRAM_BYTES];
        loop {
            let first = tokio::select! {
                received = socket.recv_from(&mut buffer) => received,
                _ = ask.tick() => {
                    if let lines @ 1.. = drops.since_last_time() {
                        self.feeder.send(Event::Lost { reason: LostReason::Datagram, lines, bytes: 0 }).await?;
                    }
                    continue;
                }
            };
            let Some((len, from)) = received(first, "udp").await else { continue };
            let mut lines = Vec::new();
            push_line(&buffer[..len], &mut lines);
            let mut sender = from.ip();
            // What has come meanwhile, in one go.
            while let Ok((len, from)) = socket.try_recv_from(&mut buffer) {
                if from.ip() != sender || lines.len() >= CHUNK_BYTES {
                    self.tell(Some(sender), std::mem::take(&mut lines)).await?;
                    sender = from.ip();
                }
                push_line(&buffer[..len], &mut lines);
            }
            self.tell(Some(sender), lines).await?;
        }
    }

    /// The same for a unix socket.
    pub(super) async fn unix(&mut self, socket: &UnixDatagram) -> Result<(), Stopped> {
        let mut buffer = vec![0; DATAGRAM_BYTES];
        loop {
            let Some(len) = received(socket.recv(&mut buffer).await, "unix").await else { continue };
            let mut lines = Vec::new();
            push_line(&buffer[..len], &mut lines);
            while lines.len() < CHUNK_BYTES
                && let Ok(len) = socket.try_recv(&mut buffer)
            {
                push_line(&buffer[..len], &mut lines);
            }
            self.tell(None, lines).await?;
        }
    }

    pub(super) async fn close(&mut self) {
        for (_, peer) in self.peers.drain() {
            if self.feeder.send(Event::Closed(peer.stream)).await.is_err() {
                return;
            }
        }
    }
}

/// What was received; an error is said and waited for a moment, so that one that stays does not spin.
async fn received<T>(result: io::Result<T>, what: &str) -> Option<T> {
    match result {
        Ok(received) => Some(received),
        Err(error) => {
            tracing::warn!("cannot receive {what} datagrams: {error}");
            tokio::time::sleep(Duration::from_secs(1)).await;
            None
        }
    }
}

/// A datagram is a message; what it ends with (newline, NUL) is not part of it.
fn push_line(datagram: &[u8], lines: &mut Vec<u8>) {
    let len = datagram.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r' | b'\0')).map_or(0, |last| last + 1);
    lines.extend_from_slice(&datagram[..len]);
    lines.push(b'\n');
}

/// The stream of a sender.
fn info(input: &str, address: Option<IpAddr>) -> StreamInfo {
    match address {
        Some(address) => StreamInfo {
            key: format!("syslog:{input}/{address}").into(),
            label: address.to_string().into(),
            resource: vec![("net.sock.peer.addr".into(), address.to_string().into())],
            ..StreamInfo::default()
        },
        None => StreamInfo { key: format!("syslog:{input}").into(), label: input.into(), ..StreamInfo::default() },
    }
}

/// The stream of a connection.
pub(super) fn connection_info(input: &str, peer: SocketAddr) -> StreamInfo {
    StreamInfo { key: format!("syslog:{input}/{peer}").into(), ..info(input, Some(peer.ip())) }
}

/// What the kernel says it dropped at a port, from `/proc/net/udp` and `udp6`.
struct Drops {
    port: u16,
    last: u64,
}

impl Drops {
    fn new(port: u16) -> Self {
        Self { port, last: read_drops(port) }
    }

    fn since_last_time(&mut self) -> u64 {
        let now = read_drops(self.port);
        let since = now.saturating_sub(self.last);
        self.last = now;
        since
    }
}

fn read_drops(port: u16) -> u64 {
    // Without these files (not Linux, or hidden) drops are not known.
    ["/proc/net/udp", "/proc/net/udp6"].iter().filter_map(|path| std::fs::read_to_string(path).ok()).map(|table| drops_in(&table, port)).sum()
}

/// Column `drops` of the sockets bound to `port`.
fn drops_in(table: &str, port: u16) -> u64 {
    let port = format!(":{port:04X}");
    let of_row = |row: &str| {
        let columns: Vec<&str> = row.split_whitespace().collect();
        columns.get(1).is_some_and(|local| local.ends_with(&port)).then(|| columns.last()?.parse::<u64>().ok()).flatten()
    };
    table.lines().skip(1).filter_map(of_row).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_one_line_whatever_it_ends_with() {
        for datagram in ["<1>a", "<1>a\n", "<1>a\r\n\0"] {
            let mut lines = Vec::new();
            push_line(datagram.as_bytes(), &mut lines);
            assert_eq!(lines, b"<1>a\n");
        }
    }

    #[test]
    fn what_the_kernel_dropped_is_read_from_its_table() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            411: 0100007F:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4242 2 0000000000000000 17\n\
            412: 00000000:0203 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4243 2 0000000000000000 5\n";
        assert_eq!(drops_in(table, 514), 17);
        assert_eq!(drops_in(table, 1), 0);
        assert_eq!(drops_in("", 514), 0);
    }
}
