//! One connection to a NATS server: made, used for one request at a time, thrown away at the first trouble.

use super::answer::{self, Ack};
use super::nkey::Credentials;
use super::wire::{self, Info, Said};
use super::{NatsAuth, NatsOptions, ServerUrl};
use crate::delivery::task::local_trouble;
use crate::delivery::{Outcome, Unreachable};
use crate::outputs::answer::of_error;
use crate::outputs::encode::nats::Frame;
use crate::outputs::resolver::Resolver;
use crate::outputs::tls::client_config;
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret;
use serde_json::json;
use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::sync::Arc;
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<D: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for D {}

/// Read at once: some hundred acknowledgements.
const READ_BYTES: usize = 32 << 10;

/// What was said of each message of a request so far. Outlives a connection that breaks, and a wait that is ended.
pub(super) type Acks = Vec<Option<Ack>>;

/// A connection that is there.
pub(super) struct Connection {
    reader: ReadHalf<Box<dyn Duplex>>,
    writer: WriteHalf<Box<dyn Duplex>>,
    /// What came; up to `parsed` it was read.
    incoming: Vec<u8>,
    parsed: usize,
    info: Info,
    /// Acknowledgements come on subjects that begin so.
    inbox: String,
    /// Requests on this connection: an acknowledgement that comes late is for an earlier one.
    requests: u64,
}

impl Connection {
    /// Connects, says who we are and listens for acknowledgements.
    pub async fn open(options: &NatsOptions, server: &ServerUrl, resolver: &Resolver) -> Result<Self, Outcome> {
        let stream = resolver.connect(&server.host, server.port).await?;
        stream.set_nodelay(true).map_err(local_trouble)?;
        let mut incoming = Vec::new();
        let (stream, info): (Box<dyn Duplex>, Info) = if options.tls_first {
            let mut stream = secure(stream, options, server).await?;
            let info = read_info(&mut stream, &mut incoming).await?;
            (stream, info)
        } else {
            let mut stream = stream;
            let info = read_info(&mut stream, &mut incoming).await?;
            if info.tls_required || server.is_tls {
                if !info.tls_required && !info.tls_available {
                    return Err(tls_trouble("the server offers no TLS"));
                }
                // Whatever came before the handshake came from anybody.
                incoming.clear();
                (secure(stream, options, server).await?, info)
            } else {
                (Box::new(stream), info)
            }
        };
        if !info.headers {
            let words = format!("the server has version {} without headers; JetStream needs 2.2 or later", info.version);
            return Err(Outcome::Refused { status: 501, words });
        }
        let (reader, writer) = tokio::io::split(stream);
        let inbox = format!("{}.{:016x}", options.inbox_prefix, rand::random::<u64>());
        let mut connection = Self { reader, writer, incoming, parsed: 0, info, inbox, requests: 0 };
        connection.introduce(options).await?;
        Ok(connection)
    }

    async fn introduce(&mut self, options: &NatsOptions) -> Result<(), Outcome> {
        let mut hello = json!({
            "verbose": false, "pedantic": false, "lang": "rust", "name": "squelch", "version": env!("CARGO_PKG_VERSION"), "protocol": 1,
            "headers": true, "no_responders": true, "echo": false, "tls_required": self.info.tls_required,
        });
        match &options.auth {
            NatsAuth::None => {}
            NatsAuth::Token(token) => hello["auth_token"] = token.expose_secret().into(),
            NatsAuth::TokenFile(path) => hello["auth_token"] = read_file("token", path)?.trim().into(),
            NatsAuth::User { user, password } => {
                hello["user"] = user.as_str().into();
                hello["pass"] = password.expose_secret().into();
            }
            NatsAuth::Credentials(path) => {
                let trouble = |reason: &str| local_trouble(format_args!("credentials {}: {reason}", path.display()));
                let credentials = Credentials::read(&read_file("credentials", path)?).map_err(trouble)?;
                // A server that asks for nothing to be signed wants to know nobody.
                if let Some(nonce) = &self.info.nonce {
                    hello["sig"] = credentials.sign(nonce).into();
                    match &credentials.jwt {
                        Some(jwt) => hello["jwt"] = jwt.expose_secret().into(),
                        None => hello["nkey"] = credentials.public_key().into(),
                    }
                }
            }
        }
        let lines = format!("CONNECT {hello}\r\nSUB {}.* 1\r\nPING\r\n", self.inbox);
        self.writer.write_all(lines.as_bytes()).await.map_err(broken)?;
        self.writer.flush().await.map_err(broken)?;
        loop {
            match self.hear().await? {
                Said::Pong => return Ok(()),
                Said::Error(text) => return Err(answer::refusal(&text)),
                Said::Info(info) => self.info = *info,
                Said::Ping => self.pong().await?,
                Said::Message { .. } | Said::Ok => {}
            }
        }
    }

    /// Whether it is still there, after what came meanwhile was answered. Waits for nothing.
    pub async fn is_there(&mut self) -> bool {
        loop {
            match self.parse() {
                Ok(None) => {}
                Ok(Some(Said::Ping)) => {
                    if self.pong().await.is_err() {
                        return false;
                    }
                    continue;
                }
                Ok(Some(Said::Info(info))) => {
                    self.info = *info;
                    continue;
                }
                // An acknowledgement that comes late: its message was sent again, or is about to be.
                Ok(Some(Said::Message { .. } | Said::Ok | Said::Pong)) => continue,
                Ok(Some(Said::Error(_))) | Err(_) => return false,
            }
            self.make_room();
            let mut reading = std::pin::pin!(self.reader.read_buf(&mut self.incoming));
            let came = poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await;
            match came {
                Poll::Pending => return true,
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return false,
            }
        }
    }

    /// Publishes messages, one after the other, and waits until something was said of each.
    pub async fn publish(&mut self, frames: &[Frame<'_>], acks: &mut Acks) -> Result<(), Outcome> {
        self.requests += 1;
        let mut outgoing = Vec::with_capacity(frames.iter().map(|frame| frame.content.len() + 160).sum());
        for (at, frame) in frames.iter().enumerate() {
            if frame.content.len() > self.info.max_payload {
                let bytes = frame.content.len();
                acks[at] = Some(Ack::Dead(format!("a message of {bytes} bytes: the server takes {} (max_payload)", self.info.max_payload)));
                continue;
            }
            let Frame { subject, header_bytes, content } = frame;
            let (inbox, request) = (&self.inbox, self.requests);
            write!(outgoing, "HPUB {subject} {inbox}.{request}-{at} {header_bytes} {}\r\n", content.len()).expect("writing to memory cannot fail");
            outgoing.extend_from_slice(content);
            outgoing.extend_from_slice(b"\r\n");
        }
        let (mut written, mut is_flushed) = (0, outgoing.is_empty());
        let mut waiting = acks.iter().filter(|ack| ack.is_none()).count();
        // Read while writing: a server that cannot get rid of its acknowledgements stops reading ours.
        while waiting > 0 {
            if let Some(said) = self.parse()? {
                match said {
                    Said::Ping => {
                        outgoing.extend_from_slice(b"PONG\r\n");
                        is_flushed = false;
                    }
                    Said::Info(info) => self.info = *info,
                    Said::Error(text) => waiting -= forbid(&text, frames, acks)?,
                    Said::Message { subject, headers, payload } => {
                        if let Some(at) = self.asked_for(&subject).filter(|at| *at < frames.len())
                            && acks[at] != Some(Ack::Taken)
                        {
                            waiting -= usize::from(acks[at].is_none());
                            acks[at] = Some(answer::read(frames[at].subject, &headers, &payload));
                        }
                    }
                    Said::Pong | Said::Ok => {}
                }
                continue;
            }
            self.make_room();
            let unwritten = &outgoing[written..];
            let (writer, is_written) = (&mut self.writer, unwritten.is_empty());
            let writing = async { if is_written { writer.flush().await.map(|()| 0) } else { writer.write(unwritten).await } };
            tokio::select! {
                result = writing, if !is_flushed => match result.map_err(broken)? {
                    0 if is_written => is_flushed = true,
                    0 => return Err(broken(io::ErrorKind::BrokenPipe.into())),
                    bytes => written += bytes,
                },
                result = self.reader.read_buf(&mut self.incoming) => if result.map_err(broken)? == 0 {
                    return Err(broken(io::ErrorKind::UnexpectedEof.into()));
                },
            }
        }
        if !is_flushed {
            // A ping that came with the last acknowledgements.
            self.writer.write_all(&outgoing[written..]).await.map_err(broken)?;
            self.writer.flush().await.map_err(broken)?;
        }
        Ok(())
    }

    /// Which message of the request at hand an acknowledgement is for.
    fn asked_for(&self, subject: &str) -> Option<usize> {
        let (request, at) = subject.strip_prefix(&*self.inbox)?.strip_prefix('.')?.split_once('-')?;
        (request.parse() == Ok(self.requests)).then(|| at.parse().ok()).flatten()
    }

    async fn hear(&mut self) -> Result<Said, Outcome> {
        loop {
            if let Some(said) = self.parse()? {
                return Ok(said);
            }
            self.make_room();
            if self.reader.read_buf(&mut self.incoming).await.map_err(broken)? == 0 {
                return Err(broken(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    fn parse(&mut self) -> Result<Option<Said>, Outcome> {
        let Some((said, length)) = wire::parse(&self.incoming[self.parsed..]).map_err(|_| nonsense())? else { return Ok(None) };
        self.parsed += length;
        Ok(Some(said))
    }

    /// Before more is read: what was parsed is done with.
    fn make_room(&mut self) {
        self.incoming.drain(..self.parsed);
        self.parsed = 0;
        self.incoming.reserve(READ_BYTES);
    }

    async fn pong(&mut self) -> Result<(), Outcome> {
        self.writer.write_all(b"PONG\r\n").await.map_err(broken)?;
        self.writer.flush().await.map_err(broken)
    }
}

/// A refusal while messages are on their way. It is about some of them (how many is returned), or the connection is of no use any more.
fn forbid(text: &str, frames: &[Frame<'_>], acks: &mut Acks) -> Result<usize, Outcome> {
    let outcome = answer::refusal(text);
    let Some(subject) = answer::forbidden_subject(text) else { return Err(outcome) };
    let (mut about, same) = (0, |frame: &Frame<'_>| frame.subject == subject);
    for (ack, _) in acks.iter_mut().zip(frames).filter(|(ack, frame)| ack.is_none() && same(frame)) {
        *ack = Some(Ack::Later(outcome.clone()));
        about += 1;
    }
    Ok(about)
}

async fn read_info(stream: &mut (impl AsyncRead + Unpin), incoming: &mut Vec<u8>) -> Result<Info, Outcome> {
    loop {
        match wire::parse(incoming).map_err(|_| nonsense())? {
            Some((Said::Info(info), length)) => {
                incoming.drain(..length);
                return Ok(*info);
            }
            Some((Said::Error(text), _)) => return Err(answer::refusal(&text)),
            Some(_) => return Err(nonsense()),
            None => {}
        }
        if stream.read_buf(incoming).await.map_err(broken)? == 0 {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

async fn secure(stream: TcpStream, options: &NatsOptions, server: &ServerUrl) -> Result<Box<dyn Duplex>, Outcome> {
    // Read anew for each connection: certificates are renewed under us.
    let mut config = client_config(&options.tls).map_err(local_trouble)?;
    config.alpn_protocols.clear();
    let name = ServerName::try_from(options.tls.server_name.clone().unwrap_or_else(|| server.host.clone())).map_err(local_trouble)?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| of_error(&error, true, false))?;
    Ok(Box::new(stream))
}

fn read_file(what: &str, path: &std::path::Path) -> Result<String, Outcome> {
    std::fs::read_to_string(path).map_err(|error| local_trouble(format_args!("{what} file {}: {error}", path.display())))
}

fn broken(error: io::Error) -> Outcome {
    of_error(&error, false, error.kind() == io::ErrorKind::TimedOut)
}

fn tls_trouble(words: &str) -> Outcome {
    Outcome::Unreachable { kind: Unreachable::Tls, words: words.into() }
}

fn nonsense() -> Outcome {
    Outcome::Unreachable { kind: Unreachable::Garbage, words: "what answers is no NATS server".into() }
}
