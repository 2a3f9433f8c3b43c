//! Sockets: bound before anything runs, so that a port in use is an error at the start and not a line in a log.

use super::datagrams::{Peers, connection_info};
use super::{Framer, Listen, Options};
use crate::clock;
use crate::inputs::event::{CHUNK_BYTES, Data, Event, Feeder, Stopped};
use crate::record::Place;
use rapidhash::v3::rapidhash_v3;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixDatagram as StdUnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Anybody on the node may log, as with `/dev/log`.
const SOCKET_MODE: u32 = 0o666;

/// Why an input cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("syslog input `{name}` cannot listen on {listen}: {source}; {hint}")]
pub struct BindError {
    name: String,
    listen: Listen,
    hint: &'static str,
    source: io::Error,
}

/// A socket that is ready.
#[derive(Debug)]
pub struct Bound {
    options: Options,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Tcp(TcpListener),
    Unix(UnixDatagram, PathBuf),
}

/// Binds the socket of an input. Must be called inside a tokio runtime.
///
/// # Errors
/// The address is in use, needs more rights, or is not of this machine.
pub async fn bind(options: Options) -> Result<Bound, BindError> {
    let socket = match &options.listen {
        Listen::Udp(address) => UdpSocket::bind(address).await.map(Socket::Udp),
        Listen::Tcp(address) => TcpListener::bind(address).await.map(Socket::Tcp),
        Listen::Unix(path) => bind_unix(path).map(|socket| Socket::Unix(socket, path.clone())),
    };
    socket
        .map_err(|source| BindError { name: options.name.clone(), listen: options.listen.clone(), hint: hint(&source), source })
        .map(|socket| Bound { options, socket })
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "stop who listens there, or choose another `listen`",
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE, a socket needs a directory that squelch may write to",
        _ => "correct `listen`",
    }
}

/// A socket file that nobody answers on is left over from a crash and replaced; anything else that stands there stays.
fn bind_unix(path: &Path) -> io::Result<UnixDatagram> {
    if let Ok(metadata) = fs::symlink_metadata(path) {
        if !metadata.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
        }
        if StdUnixDatagram::unbound()?.connect(path).is_ok() {
            return Err(io::Error::from(io::ErrorKind::AddrInUse));
        }
        fs::remove_file(path)?;
    }
    let socket = UnixDatagram::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
    Ok(socket)
}

impl Bound {
    /// Where it listens; for port 0, which one it got.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn address(&self) -> io::Result<Option<SocketAddr>> {
        match &self.socket {
            Socket::Udp(socket) => socket.local_addr().map(Some),
            Socket::Tcp(socket) => socket.local_addr().map(Some),
            Socket::Unix(..) => Ok(None),
        }
    }

    /// Takes messages until `stop` turns true or nobody takes lines.
    pub async fn run(self, feeder: Feeder, stop: watch::Receiver<bool>) {
        let Self { options, socket } = self;
        // Tells this run from others in record ids.
        let origin = rapidhash_v3(format!("{}/{}", options.name, clock::now().0).as_bytes());
        match socket {
            Socket::Tcp(listener) => connections(&options, origin, &listener, &feeder, stop).await,
            Socket::Udp(socket) => {
                let mut peers = Peers::new(options, origin, feeder);
                until_stopped(stop, peers.udp(&socket)).await;
                peers.close().await;
            }
            Socket::Unix(socket, path) => {
                let mut peers = Peers::new(options, origin, feeder);
                until_stopped(stop, peers.unix(&socket)).await;
                peers.close().await;
                if let Err(error) = fs::remove_file(&path) {
                    tracing::debug!("cannot remove {}: {error}", path.display());
                }
            }
        }
    }
}

async fn until_stopped(mut stop: watch::Receiver<bool>, work: impl Future<Output = Result<(), Stopped>>) {
    tokio::select! {
        // Nobody takes lines: there is nothing to say.
        _ = work => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

async fn connections(options: &Options, origin: u64, listener: &TcpListener, feeder: &Feeder, stop: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    let room = Arc::new(Semaphore::new(options.connections_max));
    let mut is_refusing = false;
    let mut number = 0_u64;
    let accept = async {
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!("syslog input `{}` cannot accept: {error}", options.name);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            while tasks.try_join_next().is_some() {}
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                if !std::mem::replace(&mut is_refusing, true) {
                    tracing::warn!(
                        "syslog input `{}` refuses {peer} and others: it has {} connections (`connections_max`)",
                        options.name,
                        options.connections_max
                    );
                }
                continue;
            };
            is_refusing = false;
            number += 1;
            let place = Place { origin: origin.wrapping_add(number), offset: 0 };
            let (name, feeder, stop) = (options.name.clone(), feeder.clone(), stop.clone());
            tasks.spawn(async move {
                // Nobody takes lines: the connection is closed, its sender knows.
                let _ = connection(&name, stream, peer, place, &feeder, stop).await;
                drop(permit);
            });
        }
    };
    let mut told = stop.clone();
    tokio::select! {
        () = accept => {}
        _ = told.wait_for(|stop| *stop) => {}
    }
    while tasks.join_next().await.is_some() {}
}

async fn connection(
    name: &str,
    mut input: TcpStream,
    peer: SocketAddr,
    mut place: Place,
    feeder: &Feeder,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Stopped> {
    let stream = feeder.next_stream();
    feeder.send(Event::Opened { stream, info: Arc::new(connection_info(name, peer)), is_backlog: false }).await?;
    let mut framer = Framer::default();
    let mut buffer = vec![0; CHUNK_BYTES / 2];
    loop {
        let read = tokio::select! {
            read = input.read(&mut buffer) => read,
            _ = stop.wait_for(|stop| *stop) => Ok(0),
        };
        let mut bytes = Vec::new();
        // A connection that breaks is one that hung up.
        let len = read.unwrap_or(0);
        match len {
            0 => framer.finish(&mut bytes),
            _ => framer.push(&buffer[..len], &mut bytes),
        }
        if !bytes.is_empty() {
            let at = place;
            place.offset += bytes.len() as u64;
            let data = Data { stream, arrival: clock::now(), place: at, bytes, ends_line: len == 0, position: None };
            feeder.send(Event::Data(data)).await?;
        }
        if len == 0 {
            return feeder.send(Event::Closed(stream)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use tokio::sync::mpsc;

    fn options(listen: Listen) -> Options {
        Options { name: "net".into(), listen, connections_max: 2, line_bytes_max: 1 << 10 }
    }

    fn loopback() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    struct Running {
        address: Option<SocketAddr>,
        events: mpsc::Receiver<Event>,
        stop: watch::Sender<bool>,
    }

    async fn start(listen: Listen) -> Running {
        let bound = bind(options(listen)).await.unwrap();
        let address = bound.address().unwrap();
        let (feeder, events) = Feeder::new();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(bound.run(feeder, stopped));
        Running { address, events, stop }
    }

    impl Running {
        /// The next `count` events, as text.
        async fn told(&mut self, count: usize) -> Vec<String> {
            let mut told = Vec::new();
            while told.len() < count {
                told.push(match self.events.recv().await.expect("more events") {
                    Event::Opened { info, .. } => format!("opened {}", info.label),
                    Event::Data(data) => format!("{:?}", String::from_utf8_lossy(&data.bytes)),
                    Event::Closed(_) => "closed".into(),
                    other => format!("{other:?}"),
                });
            }
            told
        }
    }

    #[tokio::test]
    async fn a_connection_is_a_stream_and_its_end_ends_the_last_line() {
        let mut running = start(Listen::Tcp(loopback())).await;
        let mut client = std::net::TcpStream::connect(running.address.unwrap()).unwrap();
        client.write_all(b"11 <34>1 - - a<34>1 - - b").unwrap();
        drop(client);
        let told = running.told(4).await;
        assert_eq!((told[0].as_str(), told.last().unwrap().as_str()), ("opened 127.0.0.1", "closed"));
        let text: String = told[1..told.len() - 1].concat();
        assert_eq!(text.replace("\"\"", ""), r#""<34>1 - - a\n<34>1 - - b\n""#);
    }

    #[tokio::test]
    async fn connections_beyond_the_bound_are_refused_and_the_others_go_on() {
        let mut running = start(Listen::Tcp(loopback())).await;
        let connect = || std::net::TcpStream::connect(running.address.unwrap()).unwrap();
        let (mut first, _second) = (connect(), connect());
        assert_eq!(running.told(2).await, ["opened 127.0.0.1", "opened 127.0.0.1"]);
        let third = std::net::TcpStream::connect(running.address.unwrap()).unwrap();
        third.set_nonblocking(true).unwrap();
        let mut third = TcpStream::from_std(third).unwrap();
        assert_eq!(third.read(&mut [0; 8]).await.unwrap_or(0), 0, "hung up on");
        first.write_all(b"<1>still here\n").unwrap();
        assert_eq!(running.told(1).await, [r#""<1>still here\n""#]);
    }

    #[tokio::test]
    async fn a_datagram_is_a_line_of_its_sender() {
        let mut running = start(Listen::Udp(loopback())).await;
        let client = std::net::UdpSocket::bind(loopback()).unwrap();
        client.send_to(b"<1>a", running.address.unwrap()).unwrap();
        assert_eq!(running.told(2).await, ["opened 127.0.0.1", r#""<1>a\n""#]);
        running.stop.send_replace(true);
        assert_eq!(running.told(1).await, ["closed"]);
    }

    #[tokio::test]
    async fn a_socket_left_over_from_a_crash_is_replaced_one_in_use_or_a_file_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        drop(StdUnixDatagram::bind(&path).unwrap());
        let mut running = start(Listen::Unix(path.clone())).await;
        let client = StdUnixDatagram::unbound().unwrap();
        client.send_to(b"<1>a\n", &path).unwrap();
        assert_eq!(running.told(2).await, ["opened net", r#""<1>a\n""#]);
        let error = bind(options(Listen::Unix(path.clone()))).await.unwrap_err().to_string();
        assert!(error.contains("stop who listens there"), "{error}");
        let file = directory.path().join("file");
        fs::write(&file, "mine").unwrap();
        let error = bind(options(Listen::Unix(file.clone()))).await.unwrap_err().to_string();
        assert!(error.contains("no socket"), "{error}");
        assert_eq!(fs::read_to_string(file).unwrap(), "mine");
    }

    #[tokio::test]
    async fn a_port_in_use_is_an_error_that_names_it() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = bind(options(Listen::Tcp(address))).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("syslog input `net` cannot listen on tcp://{address}: ")), "{error}");
    }
}
