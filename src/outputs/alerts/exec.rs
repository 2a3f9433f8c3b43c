//! Runs a command of the user's, with the record on its standard input. One run is [`run`], which blocks; the agent's output runs one
//! command at a time, the pipe's `--alert-cmd` a few. It ends within `run_max` and `DIES_WITHIN`.

use super::options::ExecOptions;
use crate::clock;
use crate::delivery::task::local_trouble;
use crate::delivery::{Outcome, Request, Sender, Unreachable};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How often a running command is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// How long a command that was killed is waited for. One that waits for a disk that is gone does not die; it is left to itself.
const DIES_WITHIN: Duration = Duration::from_secs(5);

/// `EX_TEMPFAIL` of sysexits.h: the command asks to be run again.
const TRY_AGAIN: i32 = 75;

/// A run that was no success.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no shell.
    #[error("cannot run sh: {0}")]
    Shell(#[from] io::Error),
    /// It says so.
    #[error("it ended with {0}")]
    Status(ExitStatus),
    /// It was ended.
    #[error("it ran longer than {} s and was ended", .0.as_secs())]
    TooLong(Duration),
    /// Nobody waits for it any more.
    #[error("it was still running when squelch ended")]
    GivenUp,
}

/// Runs the command once and waits for its end, `run_max` at most or until `is_given_up`.
///
/// # Errors
/// When it was no success.
pub fn run(command: &str, record: Vec<u8>, run_max: Duration, is_given_up: &AtomicBool) -> Result<(), RunError> {
    // What it prints must not get between the survivors.
    let stdout = io::stderr().as_fd().try_clone_to_owned().map_or_else(|_| Stdio::null(), Stdio::from);
    // A group of its own: Ctrl-C at the terminal ends the pipe, not the alert; and all of it can be ended.
    let mut child = Command::new("sh").arg("-c").arg(command).stdin(Stdio::piped()).stdout(stdout).process_group(0).spawn()?;
    // A command that does not read its stdin must not hold us up; one that does not want it is none of our business.
    let mut stdin = child.stdin.take();
    let writer = thread::Builder::new().name("alert-record".into()).spawn(move || stdin.as_mut().map(|stdin| stdin.write_all(&record)));
    let status = wait(&mut child, run_max, is_given_up);
    drop(writer);
    match status? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(RunError::Status(status)),
        None if is_given_up.load(Ordering::Relaxed) => Err(RunError::GivenUp),
        None => Err(RunError::TooLong(run_max)),
    }
}

/// Waits for the child; `None` when its time was over.
fn wait(child: &mut Child, run_max: Duration, is_given_up: &AtomicBool) -> io::Result<Option<ExitStatus>> {
    let deadline = clock::monotonic() + run_max;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if clock::monotonic() >= deadline || is_given_up.load(Ordering::Relaxed) {
            // The whole group: `sh` alone would leave its children behind.
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.kill()?;
            bury(child)?;
            return Ok(None);
        }
        thread::sleep(LOOK);
    }
}

/// Waits for the end of a child that was killed, but not for ever.
fn bury(child: &mut Child) -> io::Result<()> {
    let deadline = clock::monotonic() + DIES_WITHIN;
    while child.try_wait()?.is_none() && clock::monotonic() < deadline {
        thread::sleep(LOOK);
    }
    Ok(())
}

/// Runs the command for each request.
#[derive(Debug)]
pub struct ExecSender {
    options: ExecOptions,
}

impl ExecSender {
    /// Runs nothing yet.
    #[must_use]
    pub const fn new(options: ExecOptions) -> Self {
        Self { options }
    }
}

impl Sender for ExecSender {
    fn target(&self) -> &str {
        // Not the command itself: keys may stand in it.
        "command"
    }
    async fn send(&mut self, request: &Request) -> Outcome {
        let ExecOptions { command, run_max } = self.options.clone();
        let record = request.body.clone();
        // Dropped with this future when the agent must end: then the command is ended, too.
        let asked = GiveUp(Arc::default());
        let is_given_up = Arc::clone(&asked.0);
        match tokio::task::spawn_blocking(move || run(&command, record, run_max, &is_given_up)).await {
            Ok(Ok(())) => Outcome::Delivered { status: 0 },
            Ok(Err(error)) => outcome(&error),
            Err(error) => local_trouble(error),
        }
    }
}

struct GiveUp(Arc<AtomicBool>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a failure means. A command that is not there, or may not be run, is an outage that people must end. One that fails is tried again;
/// when it fails for this record while others go, the record is dead.
fn outcome(error: &RunError) -> Outcome {
    let words = error.to_string();
    match error {
        RunError::Status(status) => match status.code() {
            Some(TRY_AGAIN) => local_trouble(words),
            Some(code @ 126..=127) => Outcome::Refused { status: code.unsigned_abs() as u16, words },
            _ => Outcome::Unreachable { kind: Unreachable::Broken, words },
        },
        RunError::TooLong(_) => Outcome::Unreachable { kind: Unreachable::Timeout, words },
        RunError::Shell(_) | RunError::GivenUp => local_trouble(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &str, expected: &Outcome) {
        let sender_options = ExecOptions { command: command.into(), run_max: Duration::from_secs(20) };
        let request = Request { body: b"{\"a\":1}\n".to_vec(), records: 1, ..Request::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = runtime.block_on(async { ExecSender::new(sender_options).send(&request).await });
        assert_eq!(&found, expected, "{command}");
    }

    fn told(code: u16) -> String {
        format!("it ended with exit status: {code}")
    }

    #[test]
    fn the_exit_status_decides() {
        check("grep -q '\"a\":1'", &Outcome::Delivered { status: 0 });
        check("exit 0", &Outcome::Delivered { status: 0 });
        check("exit 1", &Outcome::Unreachable { kind: Unreachable::Broken, words: told(1) });
        check("exit 75", &Outcome::Unreachable { kind: Unreachable::Local, words: told(75) });
        check("/no/such/command 2>/dev/null", &Outcome::Refused { status: 127, words: told(127) });
        check("kill -KILL $$", &Outcome::Unreachable { kind: Unreachable::Broken, words: "it ended with signal: 9 (SIGKILL)".into() });
    }

    #[test]
    fn a_command_that_runs_too_long_is_ended_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("late");
        let command = format!("(sleep 1; echo late > {}) & wait", file.display());
        let error = run(&command, Vec::new(), Duration::from_millis(50), &AtomicBool::new(false)).unwrap_err();
        assert_eq!(error.to_string(), "it ran longer than 0 s and was ended");
        assert!(matches!(outcome(&error), Outcome::Unreachable { kind: Unreachable::Timeout, .. }));
    }
}
