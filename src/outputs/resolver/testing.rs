//! A name server of a test on loopback, by UDP and TCP. It knows the form of a question and of an answer, and nothing of hickory.

use super::Files;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// What it says.
#[derive(Clone, Debug)]
pub enum Reply {
    /// These addresses; those that fit the question.
    Addresses(Vec<IpAddr>),
    /// Another name for it, which has this address.
    Alias(&'static str, IpAddr),
    /// There is no such name.
    NoName,
    /// It cannot tell.
    Failure,
    /// Nothing.
    Silence,
    /// Too much for UDP: this many addresses, by TCP.
    Many(u8),
    /// The answer to another question first.
    Forged(IpAddr),
}

/// A question: the name in lower case, and whether it is for IPv6.
type Answering = dyn Fn(&str, bool) -> Reply + Send + Sync;

/// What was asked, by whom it was not yet answered.
pub struct NameServer {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    pub async fn start(reply: impl Fn(&str, bool) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), reply).await
    }

    pub async fn start_at(address: SocketAddr, reply: impl Fn(&str, bool) -> Reply + Send + Sync + 'static) -> Self {
        let udp = UdpSocket::bind(address).await.unwrap();
        let address = udp.local_addr().unwrap();
        let tcp = TcpListener::bind(address).await.unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let reply: Arc<Answering> = Arc::new(reply);
        let (reply_udp, asked_udp) = (Arc::clone(&reply), Arc::clone(&asked));
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            loop {
                let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
                let question = Question::read(&buffer[..length]);
                asked_udp.lock().unwrap().push(question.to_string());
                for answer in question.answers(&reply_udp(&question.name, question.is_v6), false) {
                    udp.send_to(&answer, from).await.unwrap();
                }
            }
        });
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = tcp.accept().await.unwrap();
                let length = stream.read_u16().await.unwrap();
                let mut message = vec![0; length.into()];
                stream.read_exact(&mut message).await.unwrap();
                let question = Question::read(&message);
                for answer in question.answers(&reply(&question.name, question.is_v6), true) {
                    stream.write_u16(answer.len() as u16).await.unwrap();
                    stream.write_all(&answer).await.unwrap();
                }
            }
        });
        Self { address, asked }
    }

    /// The questions so far, each once, in order of their first time: `NAME A` or `NAME AAAA`.
    pub fn asked(&self) -> Vec<String> {
        let mut seen = Vec::new();
        for question in self.asked.lock().unwrap().iter() {
            if !seen.contains(question) {
                seen.push(question.clone());
            }
        }
        seen
    }
}

/// The files of a host with these name servers; `conf` and `hosts` are what else stands in them.
pub fn files(folder: &Path, servers: &[SocketAddr], conf: &str, hosts: &str) -> Files {
    let files = Files { hosts: folder.join("hosts"), resolv_conf: folder.join("resolv.conf"), port: servers.first().map_or(53, SocketAddr::port) };
    let servers: String = servers.iter().map(|server| format!("nameserver {}\n", server.ip())).collect();
    std::fs::write(&files.hosts, hosts).unwrap();
    std::fs::write(&files.resolv_conf, format!("{servers}{conf}\n")).unwrap();
    files
}

struct Question {
    name: String,
    is_v6: bool,
    /// Header and question, as they came.
    bytes: Vec<u8>,
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, if self.is_v6 { "AAAA" } else { "A" })
    }
}

impl Question {
    fn read(message: &[u8]) -> Self {
        let (mut at, mut name) = (12, String::new());
        while message[at] != 0 {
            let label = &message[at + 1..=at + usize::from(message[at])];
            name += &String::from_utf8_lossy(label).to_lowercase();
            name.push('.');
            at += 1 + label.len();
        }
        Self { name, is_v6: message[at + 2] == 28, bytes: message[..at + 5].to_vec() }
    }

    fn answers(&self, reply: &Reply, is_tcp: bool) -> Vec<Vec<u8>> {
        match reply {
            Reply::Silence => vec![],
            Reply::NoName => vec![self.answer(3, false, None, &[])],
            Reply::Failure => vec![self.answer(2, false, None, &[])],
            Reply::Addresses(addresses) => vec![self.answer(0, false, None, addresses)],
            Reply::Alias(name, address) => vec![self.answer(0, false, Some(name), &[*address])],
            Reply::Many(_) if !is_tcp => vec![self.answer(0, true, None, &[])],
            Reply::Many(many) => vec![self.answer(0, false, None, &(0..*many).map(|n| IpAddr::from([10, 0, 0, n])).collect::<Vec<_>>())],
            Reply::Forged(address) => {
                let mut other = Self { bytes: self.bytes.clone(), name: self.name.clone(), is_v6: self.is_v6 };
                other.bytes[0] ^= 0xff;
                vec![other.answer(0, false, None, &[[6, 6, 6, 6].into()]), self.answer(0, false, None, &[*address])]
            }
        }
    }

    fn answer(&self, code: u8, is_cut: bool, alias: Option<&str>, addresses: &[IpAddr]) -> Vec<u8> {
        let fitting: Vec<&IpAddr> = addresses.iter().filter(|address| address.is_ipv6() == self.is_v6).collect();
        let mut message = self.bytes.clone();
        message[2] = 0x81 | u8::from(is_cut) << 1; // an answer, recursion desired
        message[3] = 0x80 | code;
        message[4..12].copy_from_slice(&[0, 1, 0, (fitting.len() + usize::from(alias.is_some() && !fitting.is_empty())) as u8, 0, 0, 0, 0]);
        let mut owner = vec![0xc0, 12]; // the name of the question
        if let Some(alias) = alias.filter(|_| !fitting.is_empty()) {
            let name: Vec<u8> = alias.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat()).chain([0]).collect();
            record(&mut message, &owner, 5, &name);
            owner = name;
        }
        for address in fitting {
            match address {
                IpAddr::V4(v4) => record(&mut message, &owner, 1, &v4.octets()),
                IpAddr::V6(v6) => record(&mut message, &owner, 28, &v6.octets()),
            }
        }
        message
    }
}

fn record(message: &mut Vec<u8>, owner: &[u8], kind: u8, data: &[u8]) {
    message.extend_from_slice(owner);
    message.extend_from_slice(&[0, kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8]); // IN, for a minute
    message.extend_from_slice(data);
}
