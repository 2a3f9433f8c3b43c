//! Sends bytes over a TCP or TLS connection that stays open: syslog.
//!
//! Nobody answers in this protocol. What the connection took counts as delivered, unless it is found closed right before or right after. What was
//! given away in the last moments before the other side ended is sent once more on the next connection (`recent.rs`): a receiver that dies has
//! not read all of it. It may come twice then, with the same `log.record.uid`. A receiver that is further behind than that when it dies loses
//! what it had taken; where that must not be, use a receiver that answers (RELP is not spoken, OTLP is).
//!
//! Every wait has an end: a name, a connection and its handshake together within `connect_timeout`, all of it within `timeout`.

use super::answer::of_error;
use super::destination::{SyslogOptions, TlsOptions};
use super::recent::Recent;
use super::resolver::Resolver;
use super::tls::{TlsError, client_config};
use crate::clock;
use crate::delivery::task::local_trouble;
use crate::delivery::{self, Outcome, Request, Sender, Unreachable};
use rustls::pki_types::ServerName;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

/// How long a receiver that does not want us has to say so by closing: a refusal of a certificate comes after the handshake in TLS 1.3.
const CLOSES_WITHIN: Duration = Duration::from_millis(20);

trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<D: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for D {}

/// Sends over TCP, with or without TLS.
pub struct TcpSender {
    host: String,
    port: u16,
    target: String,
    tls: Option<TlsOptions>,
    delivery: delivery::Options,
    resolver: Resolver,
    connection: Option<Connection>,
    recent: Recent,
}

/// A connection, and somebody who hears when the other side ends it.
struct Connection {
    to: WriteHalf<Box<dyn Duplex>>,
    ended: Arc<OnceLock<Instant>>,
    listener: JoinHandle<()>,
}

impl Connection {
    fn new(stream: Box<dyn Duplex>) -> Self {
        let (from, to) = tokio::io::split(stream);
        let ended = Arc::<OnceLock<Instant>>::default();
        Self { to, listener: tokio::spawn(listen(from, Arc::clone(&ended))), ended }
    }

    /// When the other side ended it; also that is no answer, but there is none.
    fn ended(&self) -> Option<Instant> {
        self.ended.get().copied()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// What a receiver says is nothing that syslog knows of.
async fn listen(mut from: ReadHalf<Box<dyn Duplex>>, ended: Arc<OnceLock<Instant>>) {
    let mut bytes = [0; 256];
    while from.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
    // Set once, here.
    let _ = ended.set(clock::monotonic_in_tokio());
}

impl TcpSender {
    /// Checks the options; connects nowhere.
    ///
    /// # Errors
    /// When a TLS file is of no use.
    pub fn new(options: SyslogOptions, delivery: &delivery::Options) -> Result<Self, TlsError> {
        let SyslogOptions { host, port, tls, .. } = options;
        if let Some(tls) = &tls {
            client_config(tls)?;
            if tls.insecure_skip_verify {
                tracing::warn!("{host}:{port}: insecure_skip_verify is set: whoever answers gets the records");
            }
        }
        let target = format!("{}://{host}:{port}", if tls.is_some() { "tls" } else { "tcp" });
        let resolver = Resolver::new(delivery.connect_timeout);
        Ok(Self { host, port, target, tls, delivery: delivery.clone(), resolver, connection: None, recent: Recent::default() })
    }

    async fn try_once(&mut self, request: &Request) -> Result<(), Outcome> {
        let mut kept = self.connection.take();
        // One that ended while nothing was sent has read everything: only what it got right before counts.
        if let Some(at) = kept.as_ref().and_then(Connection::ended) {
            self.recent.ended(at);
            kept = None;
        }
        let mut connection = match kept {
            Some(connection) => connection,
            None => {
                let connecting = tokio::time::timeout(self.delivery.connect_timeout, self.connect());
                let mut connection = Connection::new(connecting.await.map_err(|_| no_answer("no connection", self.delivery.connect_timeout))??);
                for bytes in self.recent.unsure() {
                    connection.to.write_all(bytes).await.map_err(broken)?;
                }
                connection
            }
        };
        let written = async {
            connection.to.write_all(&request.body).await?;
            connection.to.flush().await
        };
        written.await.map_err(broken)?;
        tokio::time::sleep(CLOSES_WITHIN).await;
        if connection.ended().is_some() {
            return Err(Outcome::Unreachable { kind: Unreachable::Broken, words: "the receiver closed the connection".into() });
        }
        self.recent.sent(clock::monotonic_in_tokio(), &request.body);
        self.connection = Some(connection);
        Ok(())
    }

    async fn connect(&self) -> Result<Box<dyn Duplex>, Outcome> {
        let stream = self.resolver.connect(&self.host, self.port).await?;
        stream.set_nodelay(true).map_err(local_trouble)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        // Read anew for each connection: certificates are renewed under us.
        let mut config = client_config(tls).map_err(local_trouble)?;
        config.alpn_protocols.clear();
        let name = ServerName::try_from(tls.server_name.clone().unwrap_or_else(|| self.host.clone())).map_err(local_trouble)?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| of_error(&error, true, false))?;
        Ok(Box::new(stream))
    }
}

impl Sender for TcpSender {
    fn target(&self) -> &str {
        &self.target
    }
    async fn send(&mut self, request: &Request) -> Outcome {
        let deadline = clock::monotonic_in_tokio() + self.delivery.timeout;
        let outcome = match tokio::time::timeout_at(deadline, self.try_once(request)).await {
            Ok(Ok(())) => return Outcome::Delivered { status: 0 },
            Ok(Err(outcome)) => outcome,
            Err(_) => no_answer("not taken", self.delivery.timeout),
        };
        // Whatever went wrong, the connection is gone. It may have been known before, and better when.
        self.recent.ended(clock::monotonic_in_tokio());
        outcome
    }
}

fn no_answer(what: &str, within: Duration) -> Outcome {
    Outcome::Unreachable { kind: Unreachable::Timeout, words: format!("{what} within {}s", within.as_secs_f64()) }
}

fn broken(error: io::Error) -> Outcome {
    of_error(&error, false, error.kind() == io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn sender(port: u16) -> TcpSender {
        let options = SyslogOptions { host: "127.0.0.1".into(), port, tls: None, facility: 16, message_bytes_max: 8192 };
        TcpSender::new(options, &delivery::Options::default()).unwrap()
    }

    fn request(text: &str) -> Request {
        Request { body: text.as_bytes().to_vec(), ..Request::default() }
    }

    #[tokio::test]
    async fn a_connection_is_kept_and_renewed_when_the_receiver_ends_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut sender = sender(listener.local_addr().unwrap().port());
        assert_eq!(sender.send(&request("one ")).await, Outcome::Delivered { status: 0 });
        assert_eq!(sender.send(&request("two ")).await, Outcome::Delivered { status: 0 });
        let (mut first, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 8];
        first.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"one two ");
        drop(first);
        // Whether the end is seen before or after the bytes are given away is a matter of microseconds: then they go again.
        if sender.send(&request("three")).await != (Outcome::Delivered { status: 0 }) {
            assert_eq!(sender.send(&request("three")).await, Outcome::Delivered { status: 0 });
        }
        let (mut second, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 13];
        second.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"one two three", "what was given away right before may not have been read");
    }

    #[tokio::test]
    async fn a_connection_that_ended_while_nothing_was_sent_has_read_everything() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut sender = sender(listener.local_addr().unwrap().port());
        assert_eq!(sender.send(&request("one ")).await, Outcome::Delivered { status: 0 });
        let (first, _) = listener.accept().await.unwrap();
        // As if it had been long ago.
        sender.recent = Recent::default();
        sender.recent.sent(Instant::now() - Duration::from_secs(60), b"one ");
        drop(first);
        while sender.connection.as_ref().unwrap().ended().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(sender.send(&request("two ")).await, Outcome::Delivered { status: 0 });
        let (mut second, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 4];
        second.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"two ");
    }

    #[tokio::test]
    async fn a_receiver_that_closes_at_once_took_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut sender = sender(listener.local_addr().unwrap().port());
        let closing = tokio::spawn(async move { drop(listener.accept().await.unwrap()) });
        let outcome = sender.send(&request("one")).await;
        assert!(matches!(outcome, Outcome::Unreachable { kind: Unreachable::Broken, .. }), "{outcome:?}");
        closing.await.unwrap();
        let nobody = sender.send(&request("one")).await;
        assert!(matches!(nobody, Outcome::Unreachable { kind: Unreachable::Connect, .. }), "{nobody:?}");
    }
}
