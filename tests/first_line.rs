//! The first line is never late: a line that was never seen comes out while its producer still holds the pipe open.
//!
//! Nothing here looks at a clock. A line that does not come makes the test wait for ever, which is what it would do to a user; how
//! fast it comes is measured by `examples/first_line.rs`.

#![allow(clippy::unwrap_used, reason = "a helper of a test that cannot go on should stop where it is")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const PROBES: usize = 200;

#[test]
fn a_line_never_seen_before_comes_at_once_in_a_quiet_pipe() {
    let mut pipe = Pipe::open();
    for n in 0..PROBES {
        pipe.write(&probe(n));
        assert_eq!(pipe.line(), probe(n));
    }
    pipe.close(PROBES as u64);
}

#[test]
fn a_line_never_seen_before_comes_at_once_in_a_storm_of_others() {
    let mut pipe = Pipe::open();
    for n in 0..PROBES {
        pipe.write(&retries(n * 50, 50));
        pipe.write(&probe(n));
        pipe.wait_for(&probe(n));
    }
    pipe.close(PROBES as u64 * 51);
}

#[test]
fn a_line_never_seen_before_does_not_wait_for_the_end_of_a_stack_trace() {
    let mut pipe = Pipe::open();
    for n in 0..PROBES {
        // The header is new, so it goes on; whether lines follow is not waited for.
        let header = probe(n).replace('\n', ": java.lang.IllegalStateException: closed\n");
        pipe.write(&header);
        assert_eq!(pipe.line(), header);
        pipe.write("\tat com.example.Desk.open(Desk.java:7)\n");
        assert_eq!(pipe.line(), "\tat com.example.Desk.open(Desk.java:7)\n");
    }
    pipe.close(PROBES as u64 * 2);
}

/// A running squelch with both ends of the pipe in our hands.
struct Pipe {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Pipe {
    fn open() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_squelch"))
            .args(["--stats", "json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout }
    }
    fn write(&mut self, text: &str) {
        self.stdin.write_all(text.as_bytes()).unwrap();
        self.stdin.flush().unwrap();
    }
    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.stdout.read_line(&mut line).unwrap() > 0, "squelch ended although its input is open");
        line
    }
    /// Reads past survivors, summaries and alerts of the storm.
    fn wait_for(&mut self, expected: &str) {
        while self.line() != expected {}
    }
    /// Closes the input and looks whether every line is accounted for.
    fn close(self, lines_read: u64) {
        let Self { mut child, stdin, mut stdout } = self;
        drop(stdin);
        let (mut rest, mut stderr) = (Vec::new(), String::new());
        stdout.read_to_end(&mut rest).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{stderr}");
        let stats: serde_json::Value = serde_json::from_str(&stderr).unwrap();
        assert_eq!((&stats["accounting"]["lines_read"], &stats["accounting"]["holds"]), (&lines_read.into(), &true.into()), "{stderr}");
    }
}

/// A line that is like no other: digits would make it the same template, so the number is spelt in letters.
fn probe(mut n: usize) -> String {
    let mut word = String::from("probe ");
    for _ in 0..2 {
        word.push(char::from(b'a' + (n % 26) as u8));
        n /= 26;
    }
    word + " was never seen before\n"
}

fn retries(from: usize, count: usize) -> String {
    (from..from + count).map(|n| format!("ERROR mq - Connection to mq-1:61616 failed, retrying in 0ms (attempt {n})\n")).collect()
}
