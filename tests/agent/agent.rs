//! `squelch run` as a child process.

use crate::receiver::Receiver;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Where one story takes place: logs, state, configuration.
pub struct Place {
    directory: tempfile::TempDir,
    config: PathBuf,
}

impl Place {
    /// A configuration that tails `logs/*.log*` to `receiver`, impatient enough for tests.
    pub fn new(receiver: &Receiver, more: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("logs")).expect("it is new");
        let config = at("squelch.toml");
        let text = format!(
            r#"
state_dir = "{state}"
node = "test-node"
[inputs.logs]
type = "file"
include = ["{logs}/*.log*"]
[outputs.receiver]
type = "http"
url = "http://{address}/logs"
[outputs.receiver.delivery]
timeout = "2s"
connect_timeout = "1s"
backoff_base = "10ms"
backoff_cap = "1s"
retry_floor_per_minute = 600
breaker_failures = 1000
start_spread = "0s"
[telemetry]
listen = "off"
api_listen = "off"
[store]
commit_every = "100ms"
{more}
"#,
            state = at("state").display(),
            logs = at("logs").display(),
            address = receiver.address,
        );
        fs::write(&config, text).expect("a file in a new directory");
        Self { directory, config }
    }

    /// Changes the configuration file: a text in it becomes another one.
    pub fn set(&self, old: &str, new: &str) {
        let text = fs::read_to_string(&self.config).expect("it was written");
        assert!(text.contains(old), "{old} is not in {text}");
        fs::write(&self.config, text.replace(old, new)).expect("it can be written");
    }

    /// Serves `/metrics` on a port of its own.
    pub fn serve_metrics(&self) -> SocketAddr {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it is bound");
        self.set("[telemetry]\nlisten = \"off\"", &format!("[telemetry]\nlisten = \"{free}\""));
        free
    }

    pub fn logs(&self) -> PathBuf {
        self.path("logs")
    }

    /// A path beside the logs.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn start(&self) -> Agent {
        self.start_with(&[])
    }

    pub fn start_with(&self, environment: &[(&str, &str)]) -> Agent {
        self.start_on(environment, Stdio::null())
    }

    pub fn start_on(&self, environment: &[(&str, &str)], input: Stdio) -> Agent {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log()).expect("a log of the agent's own");
        let mut command = Command::new(env!("CARGO_BIN_EXE_squelch"));
        command.args(["run", "--config"]).arg(&self.config).stdin(input).stdout(Stdio::null()).stderr(log);
        command.envs(environment.iter().copied());
        let said_before = self.said().len();
        Agent { child: command.spawn().expect("squelch starts"), log: self.log(), said_before }
    }

    /// What the agent said on stderr over all its lives.
    pub fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Lines that the store says were read, in all lives.
    pub fn lines_read(&self) -> usize {
        let output = Command::new(env!("CARGO_BIN_EXE_squelch")).args(["store", "status", "-o", "json", "--directory"]).arg(self.state()).output();
        let status: serde_json::Value = serde_json::from_slice(&output.expect("squelch starts").stdout).unwrap_or_default();
        assert_ne!(status["accounting"]["holds"], false, "read = forwarded + summarised + dropped + open: {status}");
        status["accounting"]["lines_read"].as_u64().unwrap_or_default() as usize
    }

    pub fn wait_until_read(&self, lines: usize) {
        let started = Instant::now();
        while self.lines_read() < lines {
            assert!(started.elapsed() < Duration::from_secs(60), "{} of {lines} lines are read; the agent said:\n{}", self.lines_read(), self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub fn config(&self) -> &Path {
        &self.config
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("stderr")
    }
}

/// A running agent; killed when dropped.
pub struct Agent {
    child: Child,
    log: PathBuf,
    /// Bytes in the log that are of earlier lives.
    said_before: usize,
}

impl Agent {
    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }

    /// Sends a signal, once it can hear one.
    pub fn signal(&self, name: &str) {
        wait_until("the agent runs", || {
            let said = fs::read(&self.log).unwrap_or_default();
            String::from_utf8_lossy(&said[self.said_before..]).contains(" runs on ")
        });
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().expect("kill is there");
        assert!(status.success());
    }

    /// `SIGTERM`, then its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        wait_until("the agent stops", || self.child.try_wait().expect("it is ours").is_some());
        self.child.wait().expect("it is ours").code()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_some()
    }

    /// Waits until it ends by itself; then its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        wait_until("the agent ends", || self.has_ended());
        self.child.wait().expect("it is ours").code()
    }

    /// Its standard input, if it was given a pipe.
    pub fn input(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Resident memory in KiB, and open descriptors.
    pub fn weight(&self) -> (u64, usize) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, Iterator::count);
        (resident.unwrap_or_default(), descriptors)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Looks again and again until it is so, at most a minute: real processes have no literal time.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(60), "waited a minute in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The sum of all series of a metric; `None` while nobody answers.
pub fn metric(address: SocketAddr, name: &str) -> Option<f64> {
    let mut connection = TcpStream::connect(address).ok()?;
    write!(connection, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    connection.read_to_string(&mut text).ok()?;
    let series = text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
    let values: Vec<f64> = series.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
    (!values.is_empty()).then(|| values.iter().sum())
}
