//! `squelch run` as a child process.

use crate::receiver::Receiver;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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

    pub fn logs(&self) -> PathBuf {
        self.directory.path().join("logs")
    }

    pub fn start(&self) -> Agent {
        self.start_with(&[])
    }

    pub fn start_with(&self, environment: &[(&str, &str)]) -> Agent {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log()).expect("a log of the agent's own");
        let mut command = Command::new(env!("CARGO_BIN_EXE_squelch"));
        command.args(["run", "--config"]).arg(&self.config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.envs(environment.iter().copied());
        Agent { child: command.spawn().expect("squelch starts") }
    }

    /// What the agent said on stderr over all its lives.
    pub fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Lines that the store says were read, in all lives.
    pub fn lines_read(&self) -> usize {
        let output = Command::new(env!("CARGO_BIN_EXE_squelch")).args(["store", "status", "-o", "json", "--directory"]).arg(self.state()).output();
        let status: serde_json::Value = serde_json::from_slice(&output.expect("squelch starts").stdout).unwrap_or_default();
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
}

impl Agent {
    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().expect("kill is there");
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
