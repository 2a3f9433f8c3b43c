//! Servers of others, each with a port and a folder of its own, stopped by its own pid.

pub use crate::installed::installed;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// A server that does not listen, or does not end, by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks whether something has come true.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the server writes to its standard output and error.
const LOG: &str = "server.log";

/// A program that serves on one port of 127.0.0.1.
pub struct Server {
    pub port: u16,
    program: PathBuf,
    arguments: Vec<String>,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

#[allow(dead_code, reason = "each server is asked in its own way")]
impl Server {
    /// Starts a program and waits until it listens. `arguments` gets the server's folder and port, and writes its configuration there.
    pub fn start(program: &Path, arguments: impl FnOnce(&Path, u16) -> Vec<String>) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let arguments = arguments(folder.path(), port);
        let mut server = Self { port, program: program.into(), arguments, folder, child: None };
        server.start_again();
        server
    }

    /// Starts it once more, with the folder that it had.
    pub fn start_again(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.path().join(LOG)).unwrap();
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(self.folder.path()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.program.display())));
        let port = self.port;
        self.until("listen", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// Ends it as its owner would: what it has taken is on disk then.
    pub fn terminate(&mut self) {
        let Some(child) = &mut self.child else { return };
        // The shell has it: not every system has a program for it.
        assert!(Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status().unwrap().success());
        let start = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < PATIENCE, "{} does not end", self.program.display());
            std::thread::sleep(LOOK_EVERY);
        }
        self.child = None;
    }

    /// Ends it as the kernel would when memory is short.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Its folder: configuration, data, log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until the server does what it should. A server that ends meanwhile, or takes too long, is shown with the end of its log.
    pub fn until(&mut self, what: &str, mut is_so: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is_so() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
            if ended.is_some() || start.elapsed() > PATIENCE {
                let log = std::fs::read(self.folder.path().join(LOG)).unwrap_or_default();
                let end = String::from_utf8_lossy(&log[log.len().saturating_sub(2000)..]).into_owned();
                panic!("{} does not {what} ({ended:?}): {end}", self.program.display());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// The body of the answer to a GET, whatever its status; `None` when there is none.
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Option<String> {
        request(self.port, "GET", path, headers, b"").map(|(_, body)| body)
    }

    /// Status and body of the answer to a POST.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<(u16, String)> {
        request(self.port, "POST", path, headers, body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn request(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    // HTTP/1.0: the answer ends with the connection, and comes in no chunks.
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n{headers}\r\n", body.len()).ok()?;
    stream.write_all(body).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.trim().to_owned()))
}

/// A text as it stands in a URL.
pub fn quoted(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// A port that nobody listens on. Below the ports that connections go out from: a server that is down for a while gets its own again.
pub fn free_port() -> u16 {
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 15_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two runs of the suite at the same time begin elsewhere.
    let start = (std::process::id() % u32::from(COUNT)) as u16;
    loop {
        let port = FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
