//! An aggregator that takes NDJSON by HTTP and keeps every record, in the ways real ones do: it fails when told to, before or after it
//! has taken the records (a sender cannot tell the two apart).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

#[derive(Default)]
struct Kept {
    /// By `log.record.uid`: a record that comes twice is there once.
    records: Mutex<BTreeMap<String, serde_json::Value>>,
    /// Bodies of lines.
    bodies: Mutex<BTreeSet<String>>,
    /// Records that came again.
    doubled: AtomicU64,
    /// Every second request fails.
    fails_half: AtomicBool,
    /// Hangs up on everybody.
    is_down: AtomicBool,
    requests: AtomicU64,
}

/// See the [module](self).
pub struct Receiver {
    pub address: SocketAddr,
    kept: Arc<Kept>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let kept = Arc::<Kept>::default();
        let served = Arc::clone(&kept);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&served);
                thread::spawn(move || serve(stream, &kept));
            }
        });
        Self { address, kept }
    }

    pub fn fail_half(&self, fails: bool) {
        self.kept.fails_half.store(fails, Ordering::Relaxed);
    }

    pub fn be_down(&self, is_down: bool) {
        self.kept.is_down.store(is_down, Ordering::Relaxed);
    }

    /// All records so far, each once.
    pub fn records(&self) -> Vec<serde_json::Value> {
        self.kept.records.lock().expect("no server thread panics").values().cloned().collect()
    }

    /// Whether a line with this body has come.
    pub fn has_body(&self, body: &str) -> bool {
        self.kept.bodies.lock().expect("no server thread panics").contains(body)
    }

    /// Records that came more than once.
    pub fn doubled(&self) -> u64 {
        self.kept.doubled.load(Ordering::Relaxed)
    }
}

fn serve(stream: TcpStream, kept: &Kept) -> Option<()> {
    let mut output = stream.try_clone().ok()?;
    let mut input = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut is_gzip = false;
        let mut line = String::new();
        input.read_line(&mut line).ok().filter(|read| *read > 0)?;
        loop {
            line.clear();
            input.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let lower = line.trim().to_ascii_lowercase();
            if lower.is_empty() {
                break;
            }
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            is_gzip |= lower.starts_with("content-encoding:") && lower.contains("gzip");
        }
        let mut body = vec![0; length];
        input.read_exact(&mut body).ok()?;
        if kept.is_down.load(Ordering::Relaxed) {
            return None;
        }
        let request = kept.requests.fetch_add(1, Ordering::Relaxed);
        let fails = kept.fails_half.load(Ordering::Relaxed);
        if fails && request % 4 == 1 {
            output.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").ok()?;
            continue;
        }
        if is_gzip {
            let mut plain = Vec::new();
            flate2::read::MultiGzDecoder::new(&body[..]).read_to_end(&mut plain).ok()?;
            body = plain;
        }
        let mut records = kept.records.lock().expect("no server thread panics");
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let record: serde_json::Value = serde_json::from_slice(line).expect("each line is an object");
            let uid = record["log.record.uid"].as_str().expect("each record has an id").to_owned();
            if let Some(body) = record["body"].as_str() {
                kept.bodies.lock().expect("no server thread panics").insert(body.to_owned());
            }
            if let Some(before) = records.insert(uid, record.clone()) {
                kept.doubled.fetch_add(1, Ordering::Relaxed);
                assert_eq!(before, record, "a resend is the same record");
            }
        }
        drop(records);
        if fails && request % 4 == 3 {
            // Taken, but the sender does not hear of it.
            return None;
        }
        output.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    }
}
