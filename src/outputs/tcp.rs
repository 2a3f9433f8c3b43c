//! Sends bytes over a TCP or TLS connection that stays open: syslog.
//!
//! Nobody answers in this protocol. What the connection took counts as delivered, unless it is found closed right before or right after: what a
//! receiver had not read when it died is lost. Where that must not be, use a receiver that answers (RELP is not spoken, OTLP is).
//!
//! Every wait has an end: a name, a connection and its handshake together within `connect_timeout`, all of it within `timeout`.

use super::answer::of_error;
use super::destination::{SyslogOptions, TlsOptions};
use super::resolver::Resolver;
use super::tls::{TlsError, client_config};
use crate::clock;
use crate::delivery::task::local_trouble;
use crate::delivery::{self, Outcome, Request, Sender, Unreachable};
use rustls::pki_types::ServerName;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
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
    connection: Option<Box<dyn Duplex>>,
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
        Ok(Self { host, port, target, tls, delivery: delivery.clone(), resolver: Resolver::new(delivery.connect_timeout), connection: None })
    }

    async fn try_once(&mut self, request: &Request) -> Result<(), Outcome> {
        let mut kept = self.connection.take();
        if let Some(connection) = &mut kept
            && is_closed(connection).await
        {
            kept = None;
        }
        let mut connection = match kept {
            Some(connection) => connection,
            None => {
                let connecting = tokio::time::timeout(self.delivery.connect_timeout, self.connect());
                connecting.await.map_err(|_| no_answer("no connection", self.delivery.connect_timeout))??
            }
        };
        let broken = |error: io::Error| of_error(&error, false, error.kind() == io::ErrorKind::TimedOut);
        connection.write_all(&request.body).await.map_err(broken)?;
        connection.flush().await.map_err(broken)?;
        tokio::time::sleep(CLOSES_WITHIN).await;
        if is_closed(&mut connection).await {
            return Err(Outcome::Unreachable { kind: Unreachable::Broken, words: "the receiver closed the connection".into() });
        }
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
        match tokio::time::timeout_at(deadline, self.try_once(request)).await {
            Ok(Ok(())) => Outcome::Delivered { status: 0 },
            Ok(Err(outcome)) => outcome,
            Err(_) => no_answer("not taken", self.delivery.timeout),
        }
    }
}

fn no_answer(what: &str, within: Duration) -> Outcome {
    Outcome::Unreachable { kind: Unreachable::Timeout, words: format!("{what} within {}s", within.as_secs_f64()) }
}

/// Whether the other side has ended, without waiting for it to. What it says meanwhile is nothing that syslog knows of.
async fn is_closed(connection: &mut Box<dyn Duplex>) -> bool {
    poll_fn(|context| {
        loop {
            let mut bytes = [0; 256];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *connection).poll_read(context, &mut buffer) {
                Poll::Pending => return Poll::Ready(false),
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(true),
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
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
        let mut bytes = [0; 5];
        second.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"three");
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
