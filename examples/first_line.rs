//! How late is a line that was never seen before? Prints p50, p99 and maximum of 200 probes, for a quiet pipe and in the middle of a
//! storm of 1,000,000 lines of others.
//!
//! `cargo build --release && cargo run --release --example first_line`
//!
//! The time runs from just before the producer writes the probe until the probe has been read from squelch's stdout; the producer
//! holds the pipe open all the while. In the storm the producer writes as fast as the pipe takes it, so that a probe also waits for
//! what stands in the pipe before it: that is what a user would see.

#![allow(clippy::print_stdout)] // printing is what it is for

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use squelch::simulate::speed::{Kind, generate};

/// Probes of each kind: enough that the 99th percentile is not the maximum.
const PROBES: usize = 200;
/// Lines of the storm, and so 5,000 between two probes.
const STORM_LINES: usize = 1_000_000;
/// Pause between two probes of the quiet pipe: longer than a joined record waits, so that no probe finds squelch at work.
const QUIET_PAUSE: Duration = Duration::from_millis(40);

fn main() -> io::Result<()> {
    println!("{:<38} {:>9} {:>9} {:>9}", format!("a never-seen line, {PROBES} probes"), "p50", "p99", "max");
    row("quiet", quiet()?);
    row("during a storm of 1,000,000 lines", storm()?);
    Ok(())
}

fn row(name: &str, mut took: Vec<Duration>) {
    assert_eq!(took.len(), PROBES, "every probe came out");
    took.sort_unstable();
    let ms = |at: usize| format!("{:.2} ms", took[at].as_secs_f64() * 1000.0);
    println!("{name:<38} {:>9} {:>9} {:>9}", ms(PROBES / 2), ms(PROBES * 99 / 100 - 1), ms(PROBES - 1));
}

/// One probe after the other into a pipe in which nothing else happens.
fn quiet() -> io::Result<Vec<Duration>> {
    let mut child = squelch()?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let mut took = Vec::with_capacity(PROBES);
    for n in 0..PROBES {
        thread::sleep(QUIET_PAUSE);
        let (probe, written) = (probe(n), Instant::now());
        stdin.write_all(probe.as_bytes())?;
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        took.push(written.elapsed());
        assert_eq!(line, probe);
    }
    drop(stdin);
    child.wait()?;
    Ok(took)
}

/// Probes among the lines of a storm, the producer never waiting for an answer.
fn storm() -> io::Result<Vec<Duration>> {
    // About 190 bytes a line; a little more than is needed, cut below.
    let lines = generate(Kind::Storm, STORM_LINES * 220, 42);
    let mut child = squelch()?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let (written, probes) = mpsc::channel();
    let producer = thread::spawn(move || -> io::Result<()> {
        let (mut chunk, mut probed) = (Vec::with_capacity(64 << 10), 0);
        for (n, line) in lines.split_inclusive(|&b| b == b'\n').take(STORM_LINES).enumerate() {
            chunk.extend_from_slice(line);
            let probe_is_due = (n + 1) % (STORM_LINES / PROBES) == 0;
            if probe_is_due || chunk.len() > 32 << 10 {
                stdin.write_all(&chunk)?;
                chunk.clear();
            }
            if probe_is_due {
                // The receiver lives as long as squelch's output, which ends after this pipe.
                written.send(Instant::now()).expect("the reader waits for every probe");
                stdin.write_all(probe(probed).as_bytes())?;
                probed += 1;
            }
        }
        assert_eq!(probed, PROBES, "the storm is long enough for all probes");
        Ok(())
    });
    let mut took = Vec::with_capacity(PROBES);
    for line in stdout.lines() {
        if line?.starts_with("probe ") {
            let came = Instant::now();
            took.push(came - probes.recv().expect("a probe is told before it is written"));
        }
    }
    producer.join().expect("the producer does not panic")?;
    child.wait()?;
    Ok(took)
}

/// squelch as it was built beside this example.
fn squelch() -> io::Result<Child> {
    let example = std::env::current_exe()?;
    let binary: PathBuf = example.parent().and_then(|folder| folder.parent()).map(|folder| folder.join("squelch")).unwrap_or_default();
    let said = |error| io::Error::new(io::Error::kind(&error), format!("{}: {error}; build squelch with the same profile first", binary.display()));
    Command::new(&binary).args(["--stats", "none"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(said)
}

/// A line that is like no other: digits would make it the same template, so the number is spelt in letters.
fn probe(mut n: usize) -> String {
    let mut word = String::from("probe ");
    for _ in 0..3 {
        word.push(char::from(b'a' + (n % 26) as u8));
        n /= 26;
    }
    word.push_str(" was never seen before\n");
    word
}
