#![allow(dead_code, reason = "each test program uses a part of it")]
//! A receiver that misbehaves on plan: each request (or connection) takes the next item of a script; after its end everything is fine. It takes
//! bodies of any form, speaks HTTP/1.1, and HTTP/2 where TLS agrees on it.

pub mod output;
pub mod spoken;

use std::collections::VecDeque;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Does {
    /// Yes.
    Fine,
    /// This status with these headers and this body; the records are not taken.
    Answer(u16, &'static str, &'static str),
    /// Takes the request and never answers.
    Hang,
    /// Answers a byte a second.
    Drip,
    /// Sends half of an answer and no more.
    HalfAnAnswer,
    /// Reads a part of the request and resets the connection.
    Reset,
    /// Reads the request and closes the connection.
    Close,
    /// Answers what is no HTTP.
    Babble,
    /// 200 with nonsense in the body; the records are taken.
    Garbage,
    /// 200 with a body that comes a byte a second; the records are taken.
    SlowBody,
    /// Takes records unless this stands in one of them: 400.
    Dislikes(&'static str),
    /// Takes requests of at most so many bytes: 413.
    AtMost(usize),
}

/// What happens to a connection before a request can come.
#[derive(Clone)]
pub enum Opens {
    /// Plain text.
    Plain,
    /// TLS with this certificate.
    Tls(TlsAcceptor),
    /// Nothing is said: a TLS handshake stalls.
    Stalls,
}

/// A receiver on loopback.
#[derive(Clone)]
pub struct Receiver {
    pub address: SocketAddr,
    inside: Arc<Mutex<Inside>>,
}

/// What a receiver will do.
pub struct Plan {
    /// Port 0 is any.
    pub address: SocketAddr,
    /// The first connections.
    pub opens: Vec<Opens>,
    pub then_opens: Opens,
    /// The first requests.
    pub script: Vec<Does>,
    pub then: Does,
    /// What "yes" is in its protocol.
    pub yes: (u16, &'static str),
}

impl Default for Plan {
    fn default() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { address, opens: vec![], then_opens: Opens::Plain, script: vec![], then: Does::Fine, yes: (200, "") }
    }
}

struct Inside {
    opens: VecDeque<Opens>,
    then_opens: Opens,
    script: VecDeque<Does>,
    then: Does,
    yes: (u16, &'static str),
    bodies: Vec<Vec<u8>>,
    heads: Vec<String>,
    arrivals: Vec<Instant>,
    connections: usize,
}

impl Inside {
    /// A request came; what is to be done with it.
    fn next(&mut self, head: String) -> Does {
        self.heads.push(head);
        self.arrivals.push(Instant::now());
        self.script.pop_front().unwrap_or_else(|| self.then.clone())
    }
}

impl Receiver {
    /// Starts one that does `script` and then `then`.
    pub async fn start(script: impl IntoIterator<Item = Does>, then: Does) -> Self {
        Self::by(Plan { script: script.into_iter().collect(), then, ..Plan::default() }).await
    }

    /// Starts one whose first connections are opened in these ways.
    pub async fn start_tls(opens: impl IntoIterator<Item = Opens>, then_opens: Opens) -> Self {
        Self::by(Plan { opens: opens.into_iter().collect(), then_opens, ..Plan::default() }).await
    }

    pub async fn by(plan: Plan) -> Self {
        let Plan { address, opens, then_opens, script, then, yes } = plan;
        let listener = TcpListener::bind(address).await.unwrap();
        let inside = Inside {
            opens: opens.into(),
            then_opens,
            script: script.into(),
            then,
            yes,
            bodies: Vec::new(),
            heads: Vec::new(),
            arrivals: Vec::new(),
            connections: 0,
        };
        let this = Self { address: listener.local_addr().unwrap(), inside: Arc::new(Mutex::new(inside)) };
        let inside = Arc::clone(&this.inside);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                // Else the kernel waits for real milliseconds, in which the paused clock of the tests leaps to the next timeout.
                stream.set_nodelay(true).unwrap();
                let opens = {
                    let mut inside = inside.lock().unwrap();
                    inside.connections += 1;
                    inside.opens.pop_front().unwrap_or_else(|| inside.then_opens.clone())
                };
                tokio::spawn(connection(stream, opens, Arc::clone(&inside)));
            }
        });
        this
    }

    /// Behaves from now on.
    pub fn recovers(&self) {
        self.inside.lock().unwrap().then = Does::Fine;
    }
    pub fn url(&self) -> String {
        format!("http://{}/in", self.address)
    }
    /// Ids of all records that were taken, in order.
    pub fn taken(&self) -> Vec<String> {
        let inside = self.inside.lock().unwrap();
        inside.bodies.iter().flat_map(|body| std::str::from_utf8(body).unwrap().lines()).map(uid_of).collect()
    }
    /// How often this stands in what it took, whatever the form.
    pub fn times_taken(&self, id: &str) -> usize {
        let inside = self.inside.lock().unwrap();
        inside.bodies.iter().filter(|body| memchr::memmem::find(body, id.as_bytes()).is_some()).count()
    }
    /// What it took, as it came.
    pub fn bodies(&self) -> Vec<String> {
        let inside = self.inside.lock().unwrap();
        inside.bodies.iter().map(|body| String::from_utf8(body.clone()).unwrap()).collect()
    }
    /// Head of each request.
    pub fn heads(&self) -> Vec<String> {
        self.inside.lock().unwrap().heads.clone()
    }
    pub fn requests(&self) -> usize {
        self.inside.lock().unwrap().arrivals.len()
    }
    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.inside.lock().unwrap().connections
    }
    /// When requests came.
    pub fn arrivals(&self) -> Vec<Instant> {
        self.inside.lock().unwrap().arrivals.clone()
    }
}

/// The id in a record.
pub fn uid_of(line: &str) -> String {
    let record: serde_json::Value = serde_json::from_str(line).expect("a whole record a line");
    record["log.record.uid"].as_str().unwrap().to_owned()
}

async fn connection(stream: TcpStream, opens: Opens, inside: Arc<Mutex<Inside>>) {
    match opens {
        Opens::Plain => requests(stream, &inside).await,
        Opens::Tls(acceptor) => {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => requests_h2(stream, &inside).await,
                _ => requests(stream, &inside).await,
            }
        }
        Opens::Stalls => {
            let _held = stream;
            std::future::pending::<()>().await;
        }
    }
}

async fn requests(mut stream: impl AsyncRead + AsyncWrite + Unpin + Resets, inside: &Mutex<Inside>) {
    let mut buffer = Vec::new();
    loop {
        let Some(head_end) = read_until(&mut stream, &mut buffer, |buffer| buffer.windows(4).position(|four| four == b"\r\n\r\n")).await else {
            return;
        };
        let head = String::from_utf8_lossy(&buffer[..head_end]).to_lowercase();
        let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
        let does = inside.lock().unwrap().next(String::from_utf8_lossy(&buffer[..head_end]).into_owned());
        if matches!(does, Does::Reset) {
            stream.reset();
            return;
        }
        let all = head_end + 4 + length;
        if read_until(&mut stream, &mut buffer, |buffer| (buffer.len() >= all).then_some(all)).await.is_none() {
            return;
        }
        let body = unpacked(&buffer[head_end + 4..all], &head);
        buffer.drain(..all);
        let take = |body: Vec<u8>| inside.lock().unwrap().bodies.push(body);
        let (status, text) = inside.lock().unwrap().yes;
        let yes = answer(status, "", text);
        let answer = match does {
            Does::Fine => {
                take(body);
                yes
            }
            Does::Garbage => {
                take(body);
                answer(200, "", "\u{1}\u{2}<<<not json>>>")
            }
            Does::Answer(status, headers, text) => answer(status, headers, text),
            Does::Dislikes(word) if memchr::memmem::find(&body, word.as_bytes()).is_some() => answer(400, "", "mapping: this record is not liked"),
            Does::AtMost(most) if body.len() > most => answer(413, "", "too large"),
            Does::Dislikes(_) | Does::AtMost(_) => {
                take(body);
                yes
            }
            Does::Hang => {
                std::future::pending::<()>().await;
                return;
            }
            Does::HalfAnAnswer => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le").await;
                std::future::pending::<()>().await;
                return;
            }
            Does::Drip => {
                drip(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
                return;
            }
            Does::SlowBody => {
                take(body);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
                drip(&mut stream, &[b' '; 1000]).await;
                return;
            }
            Does::Close | Does::Reset => return,
            Does::Babble => "EHLO what is this\r\n\r\n".to_owned(),
        };
        if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

async fn drip(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    for byte in bytes {
        if stream.write_all(&[*byte]).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// A connection by HTTP/2. `Reset` resets the stream, `Close` ends the connection in good order; what is not thought of is fine.
async fn requests_h2(stream: impl AsyncRead + AsyncWrite + Unpin, inside: &Arc<Mutex<Inside>>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let (parts, mut incoming) = request.into_parts();
        let mut head = format!("{} {} {:?}\r\n", parts.method, parts.uri, parts.version);
        for (name, value) in &parts.headers {
            head += &format!("{name}: {}\r\n", value.to_str().unwrap());
        }
        let does = inside.lock().unwrap().next(head.clone());
        match does {
            Does::Reset => {
                respond.send_reset(h2::Reason::REFUSED_STREAM);
                continue;
            }
            Does::Close => {
                connection.graceful_shutdown();
                respond.send_reset(h2::Reason::CANCEL);
                continue;
            }
            _ => {}
        }
        let inside = Arc::clone(inside);
        tokio::spawn(async move {
            let mut body = Vec::new();
            while let Some(Ok(chunk)) = incoming.data().await {
                let _ = incoming.flow_control().release_capacity(chunk.len());
                body.extend_from_slice(&chunk);
            }
            let answer = match does {
                Does::Hang => return std::future::pending().await,
                Does::Answer(status, _, _) => status,
                _ => {
                    let mut inside = inside.lock().unwrap();
                    inside.bodies.push(unpacked(&body, &head));
                    inside.yes.0
                }
            };
            let _ = respond.send_response(axum::http::Response::builder().status(answer).body(()).unwrap(), true);
        });
    }
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} Whatever\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

async fn read_until(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>, done: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
    loop {
        if let Some(at) = done(buffer) {
            return Some(at);
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn unpacked(body: &[u8], head: &str) -> Vec<u8> {
    if !head.contains("content-encoding: gzip") {
        return body.to_vec();
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(body).read_to_end(&mut plain).unwrap();
    plain
}

/// Ends a connection rudely.
pub trait Resets {
    fn reset(&self);
}

impl Resets for TcpStream {
    fn reset(&self) {
        self.set_zero_linger().unwrap();
    }
}

impl Resets for tokio_rustls::server::TlsStream<TcpStream> {
    fn reset(&self) {
        self.get_ref().0.reset();
    }
}
