#![allow(dead_code, reason = "each test program uses a part of it")]
//! A receiver that misbehaves on plan: each request (or connection) takes the next item of a script; after its end everything is fine.

pub mod output;

use std::collections::VecDeque;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Does {
    /// 200.
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

struct Inside {
    opens: VecDeque<Opens>,
    then_opens: Opens,
    script: VecDeque<Does>,
    then: Does,
    bodies: Vec<String>,
    heads: Vec<String>,
    requests: usize,
}

impl Receiver {
    /// Starts one that does `script` and then `then`.
    pub async fn start(script: impl IntoIterator<Item = Does>, then: Does) -> Self {
        Self::start_tls([], Opens::Plain, script, then).await
    }

    pub async fn start_tls(opens: impl IntoIterator<Item = Opens>, then_opens: Opens, script: impl IntoIterator<Item = Does>, then: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inside = Inside {
            opens: opens.into_iter().collect(),
            then_opens,
            script: script.into_iter().collect(),
            then,
            bodies: Vec::new(),
            heads: Vec::new(),
            requests: 0,
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
        inside.bodies.iter().flat_map(|body| body.lines()).map(uid_of).collect()
    }
    /// What it took, as it came.
    pub fn bodies(&self) -> Vec<String> {
        self.inside.lock().unwrap().bodies.clone()
    }
    /// Head of each request.
    pub fn heads(&self) -> Vec<String> {
        self.inside.lock().unwrap().heads.clone()
    }
    pub fn requests(&self) -> usize {
        self.inside.lock().unwrap().requests
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
            if let Ok(stream) = acceptor.accept(stream).await {
                requests(stream, &inside).await;
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
        let does = {
            let mut inside = inside.lock().unwrap();
            inside.requests += 1;
            inside.heads.push(String::from_utf8_lossy(&buffer[..head_end]).into_owned());
            inside.script.pop_front().unwrap_or_else(|| inside.then.clone())
        };
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
        let take = |body: String| inside.lock().unwrap().bodies.push(body);
        let answer = match does {
            Does::Fine => {
                take(body);
                answer(200, "", "")
            }
            Does::Garbage => {
                take(body);
                answer(200, "", "\u{1}\u{2}<<<not json>>>")
            }
            Does::Answer(status, headers, text) => answer(status, headers, text),
            Does::Dislikes(word) if body.contains(word) => answer(400, "", "mapping: this record is not liked"),
            Does::AtMost(most) if body.len() > most => answer(413, "", "too large"),
            Does::Dislikes(_) | Does::AtMost(_) => {
                take(body);
                answer(200, "", "")
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
                for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" {
                    if stream.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
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

fn unpacked(body: &[u8], head: &str) -> String {
    if !head.contains("content-encoding: gzip") {
        return String::from_utf8(body.to_vec()).unwrap();
    }
    let mut text = String::new();
    flate2::read::GzDecoder::new(body).read_to_string(&mut text).unwrap();
    text
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
