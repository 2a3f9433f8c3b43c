//! A NATS server with one stream, on loopback, that misbehaves on plan: each connection takes the next item of a script; after its end
//! everything is fine. For tests.

use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What happens on a connection.
#[derive(Clone, Debug)]
pub enum Does {
    /// Each message is stored once, by its id, and acknowledged.
    Fine,
    /// Nothing is ever said.
    SaysNothing,
    /// This is said at once, whatever it is.
    Says(&'static str),
    /// `CONNECT` is never answered.
    HangsAtHello,
    /// `CONNECT` is answered by this, then the connection is closed.
    Refuses(&'static str),
    /// So many messages are stored and acknowledged, then the connection is closed.
    Closes(usize),
    /// So many messages are acknowledged; all are stored.
    Forgets(usize),
    /// Messages are stored and this is said first.
    Interrupts(&'static str),
    /// Messages are answered so, and not stored.
    Answers(&'static str),
    /// Nobody listens on the subject.
    NobodyListens,
    /// Messages to this subject are forbidden, others are fine.
    Forbids(&'static str),
}

/// The server.
#[derive(Clone)]
pub struct FakeServer {
    pub port: u16,
    inside: Arc<Mutex<Inside>>,
}

struct Inside {
    script: VecDeque<Does>,
    info: Value,
    tls: Option<TlsAcceptor>,
    hellos: Vec<Value>,
    pongs: usize,
    /// By id: subject and payload.
    stored: BTreeMap<String, (String, Vec<u8>)>,
}

impl FakeServer {
    pub async fn start(script: impl IntoIterator<Item = Does>) -> Self {
        Self::start_with(script, json!({}), None).await
    }
    /// `info`: what it says of itself beside the usual.
    pub async fn start_with(script: impl IntoIterator<Item = Does>, info: Value, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut all = json!({ "server_id": "N", "version": "2.9.10", "headers": true, "max_payload": 1000, "proto": 1, "unknown": [1] });
        all.as_object_mut().unwrap().extend(info.as_object().unwrap().clone());
        let inside = Inside { script: script.into_iter().collect(), info: all, tls, hellos: Vec::new(), pongs: 0, stored: BTreeMap::new() };
        let this = Self { port: listener.local_addr().unwrap().port(), inside: Arc::new(Mutex::new(inside)) };
        let inside = Arc::clone(&this.inside);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(connection(stream, Arc::clone(&inside)));
            }
        });
        this
    }
    pub fn stored(&self) -> Vec<String> {
        self.inside.lock().unwrap().stored.keys().cloned().collect()
    }
    pub fn payload(&self, uid: &str) -> String {
        String::from_utf8(self.inside.lock().unwrap().stored[uid].1.clone()).unwrap()
    }
    /// What clients said of themselves.
    pub fn hellos(&self) -> Vec<Value> {
        self.inside.lock().unwrap().hellos.clone()
    }
    pub fn pongs(&self) -> usize {
        self.inside.lock().unwrap().pongs
    }
}

async fn connection(mut stream: TcpStream, inside: Arc<Mutex<Inside>>) -> Option<()> {
    let (does, info, tls) = {
        let mut inside = inside.lock().unwrap();
        (inside.script.pop_front().unwrap_or(Does::Fine), inside.info.to_string(), inside.tls.clone())
    };
    if let Does::SaysNothing = does {
        std::future::pending::<()>().await;
    }
    if let Does::Says(what) = does {
        stream.write_all(what.as_bytes()).await.ok()?;
        return None;
    }
    stream.write_all(format!("INFO {info}\r\n").as_bytes()).await.ok()?;
    match tls {
        None => conversation(stream, does, &inside).await,
        Some(tls) => conversation(tls.accept(stream).await.ok()?, does, &inside).await,
    }
}

async fn conversation(mut stream: impl AsyncRead + AsyncWrite + Unpin, does: Does, inside: &Mutex<Inside>) -> Option<()> {
    let (mut buffer, mut messages) = (Vec::new(), 0);
    loop {
        let line = loop {
            match buffer.windows(2).position(|two| two == b"\r\n") {
                Some(end) => break String::from_utf8(buffer.drain(..end + 2).collect()).unwrap(),
                None => read(&mut stream, &mut buffer).await?,
            }
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[0] {
            "CONNECT" => {
                inside.lock().unwrap().hellos.push(serde_json::from_str(line["CONNECT ".len()..].trim()).unwrap());
                match does {
                    Does::HangsAtHello => std::future::pending::<()>().await,
                    Does::Refuses(text) => {
                        say(&mut stream, &format!("-ERR '{text}'\r\n")).await?;
                        return None;
                    }
                    _ => {}
                }
            }
            "SUB" => assert!(words[1].ends_with(".*"), "{line}"),
            "PING" => say(&mut stream, "PONG\r\n").await?,
            "PONG" => inside.lock().unwrap().pongs += 1,
            "HPUB" => {
                let (headers, all): (usize, usize) = (words[3].parse().unwrap(), words[4].parse().unwrap());
                while buffer.len() < all + 2 {
                    read(&mut stream, &mut buffer).await?;
                }
                let message: Vec<u8> = buffer.drain(..all + 2).collect();
                messages += 1;
                let uid = std::str::from_utf8(&message[..headers]).unwrap().trim().strip_prefix("NATS/1.0\r\nNats-Msg-Id: ").unwrap().to_owned();
                answer(&mut stream, &does, messages, words[1], words[2], uid, &message[headers..all], inside).await?;
            }
            other => panic!("{other} is nothing that a client says"),
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "all that a message is, and where it goes")]
async fn answer(
    stream: &mut (impl AsyncWrite + Unpin),
    does: &Does,
    messages: usize,
    subject: &str,
    reply: &str,
    uid: String,
    payload: &[u8],
    inside: &Mutex<Inside>,
) -> Option<()> {
    let message = |payload: &str| format!("MSG {reply} 1 {}\r\n{payload}\r\n", payload.len());
    let store = || {
        let stored = &mut inside.lock().unwrap().stored;
        let is_duplicate = stored.insert(uid.clone(), (subject.to_owned(), payload.to_vec())).is_some();
        message(&json!({ "stream": "LOGS", "seq": stored.len(), "duplicate": is_duplicate }).to_string())
    };
    match *does {
        Does::Closes(after) if messages > after => None,
        Does::Forgets(after) if messages > after => {
            store();
            Some(())
        }
        Does::Forbids(forbidden) if forbidden == subject => {
            say(stream, &format!("-ERR 'Permissions Violation for Publish to \"{subject}\"'\r\n")).await
        }
        Does::Answers(text) => say(stream, &message(text)).await,
        Does::NobodyListens => say(stream, &format!("HMSG {reply} 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n")).await,
        Does::Interrupts(text) => {
            let ack = store();
            say(stream, &format!("{text}{ack}")).await
        }
        _ => {
            let ack = store();
            say(stream, &ack).await
        }
    }
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), text: &str) -> Option<()> {
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

async fn read(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<()> {
    (stream.read_buf(buffer).await.ok()? > 0).then_some(())
}
