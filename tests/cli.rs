//! The binary as its users see it: what goes in, what comes out, on which stream, with which exit code.

#![allow(clippy::unwrap_used, reason = "a helper of a test that cannot go on should stop where it is")]

use assert_cmd::Command;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};

/// What a run left behind.
struct Ran {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

impl Ran {
    fn stdout(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("output is UTF-8")
    }
    /// The accounting of `--stats json`, checked: no line is missing.
    fn accounting(&self) -> serde_json::Value {
        let line = self.stderr.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no accounting in {}", self.stderr));
        let accounting = serde_json::from_str::<serde_json::Value>(line).unwrap()["accounting"].clone();
        let n = |name: &str| accounting[name].as_u64().unwrap();
        assert_eq!(n("lines_read"), n("lines_forwarded") + n("lines_summarised") + n("lines_dropped") + n("lines_open"));
        assert_eq!(n("lines_open"), 0);
        assert_eq!(accounting["holds"], true);
        accounting
    }
    fn lines_read(&self) -> u64 {
        self.accounting()["lines_read"].as_u64().unwrap()
    }
}

fn squelch(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("squelch").unwrap();
    command.args(arguments).env_remove("CLICOLOR_FORCE").env("COLUMNS", "100");
    command
}

fn run(arguments: &[&str], stdin: &[u8]) -> Ran {
    let output = squelch(arguments).write_stdin(stdin).output().unwrap();
    Ran { code: output.status.code(), stdout: output.stdout, stderr: String::from_utf8_lossy(&output.stderr).into_owned() }
}

/// 300 lines of one client that retries at once, one a millisecond.
fn storm() -> String {
    (0..300).map(|n| format!("2026-11-25 12:01:00,{n:03} ERROR mq - Connection to mq-1:61616 failed, retrying in 0ms (attempt {n})\n")).collect()
}

fn replayed(stream: &str, text: &str) -> String {
    text.lines().enumerate().map(|(n, line)| format!("{}\t{stream}\t{line}\n", 1_764_072_060_000_000_000 + n as u64 * 1_000_000)).collect()
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_short_help_is_one_line_per_option() {
    insta::assert_snapshot!("short_help", run(&["-h"], b"").stdout());
}

#[test]
fn the_long_help_has_examples_and_exit_codes() {
    insta::assert_snapshot!("long_help", run(&["--help"], b"").stdout());
}

#[test]
fn help_and_version_go_to_stdout_and_are_no_failure() {
    for arguments in [&["--help"][..], &["-h"], &["--version"], &["report", "--help"], &["explain", "--help"]] {
        let ran = run(arguments, b"");
        assert_eq!(ran.code, Some(0), "{arguments:?}");
        assert!(ran.stderr.is_empty() && !ran.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn mistakes_on_the_command_line_say_what_to_do() {
    for (arguments, said) in [
        (&["--widow", "10s"][..], "--window"),
        (&["--window", "15s"], "10s, 20s, 40s, 80s, 160s or 320s"),
        (&["--window", "10"], "no unit"),
        (&["--line-max", "7 apples"], "unknown unit"),
        (&["--keep-first", "0"], "--keep-first"),
        (&["--windows-max", "0"], "at least 1"),
        (&["--output", "xml"], "text, json"),
        (&["--time-zone", "Mars"], "+02:00"),
        (&["--drop", ""], "empty text"),
        (&["--replay", "a", "b"], "cannot be used"),
        (&["report", "--topp", "3"], "--top"),
    ] {
        let ran = run(arguments, b"");
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("squelch: error: ") && ran.stderr.contains(said), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty());
    }
}

#[test]
fn a_mistyped_command_is_told_from_a_missing_file() {
    let ran = run(&["reprot"], b"");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("squelch: reprot: no such file or directory\nsquelch: did you mean the command `report`?"), "{}", ran.stderr);
}

#[test]
fn nothing_in_is_nothing_out() {
    let ran = run(&["--stats", "json"], b"");
    assert_eq!((ran.code, ran.stdout.len(), ran.lines_read()), (Some(0), 0, 0));
    let ran = run(&[], b"");
    assert_eq!(ran.stderr, "squelch: read 0 lines (0 B) = 0 forwarded + 0 in 0 summaries + 0 dropped + 0 open\n");
}

#[test]
fn ordinary_lines_pass_byte_for_byte() {
    let text = b"one\r\ntwo\n\xff\xfe not text \x00\x1b[31m\n\nlast without newline";
    let ran = run(&["--stats", "json"], text);
    assert_eq!((ran.code, &ran.stdout[..]), (Some(0), &text[..]));
    assert_eq!(ran.lines_read(), 5);
}

#[test]
fn binary_junk_is_counted_like_everything_else() {
    let mut seed = 7_u32;
    let junk: Vec<u8> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    })
    .take(300_000)
    .collect();
    for format in ["text", "json"] {
        let ran = run(&["--stats", "json", "-o", format, "--line-max", "4KiB"], &junk);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.lines_read() > 1000);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let good = file(folder.path(), "good.log", b"good\n");
    let missing = folder.path().join("missing.log");
    let ran = run(&["--stats", "json", missing.to_str().unwrap(), folder.path().to_str().unwrap(), &good], b"");
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.stdout(), "good\n");
    assert!(ran.stderr.contains("missing.log: no such file or directory\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains(": is a directory; name the files in it"), "{}", ran.stderr);
    assert_eq!(ran.lines_read(), 1);
}

#[test]
fn compressed_files_are_recognised_by_content() {
    let folder = tempfile::tempdir().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"from gzip\n").unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(&b"from zstd\n"[..], 1).unwrap();
    let names = [file(folder.path(), "a.log", &gzip), file(folder.path(), "b.gz", &zstd), file(folder.path(), "c.zst", b"plain\n")];
    let ran = run(&["--stats", "json", &names[0], &names[1], &names[2]], b"");
    assert_eq!((ran.code, ran.lines_read()), (Some(0), 3));
    let mut lines: Vec<&str> = ran.stdout().lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["from gzip", "from zstd", "plain"]);
    assert_eq!(run(&["-"], &gzip).stdout(), "from gzip\n");

    let cut = file(folder.path(), "cut.gz", &gzip[..gzip.len() - 6]);
    let ran = run(&[&cut], b"");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("cut.gz: the compressed data ends too early"), "{}", ran.stderr);
}

#[test]
fn a_storm_keeps_its_first_line_and_loses_no_count() {
    let storm = storm();
    let ran = run(&["--stats", "json"], storm.as_bytes());
    assert_eq!((ran.code, ran.lines_read()), (Some(0), 300));
    assert!(ran.stdout().starts_with(storm.lines().next().unwrap()), "{}", ran.stdout());
}

#[test]
fn observe_forwards_everything() {
    let storm = storm();
    let ran = run(&["--observe", "--stats", "json"], storm.as_bytes());
    assert_eq!(ran.accounting()["lines_forwarded"], 300);
    assert!(ran.stdout().starts_with(&storm));
}

#[test]
fn every_json_record_is_an_object_with_a_time_and_an_id() {
    let ran = run(&["-o", "json", "--stats", "json"], storm().as_bytes());
    let mut ids = std::collections::BTreeSet::new();
    for line in ran.stdout().lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        for name in ["timestamp", "observed_timestamp", "severity_number", "body", "log.record.uid", "squelch.stream"] {
            assert!(record.get(name).is_some(), "{name} is missing in {line}");
        }
        assert!(ids.insert(record["log.record.uid"].to_string()), "twice the same id: {line}");
    }
    assert!(!ids.is_empty());
    assert_eq!(ran.accounting()["bytes_out"], ran.stdout.len() as u64);
}

#[test]
fn a_replay_gives_the_same_bytes_each_time() {
    let recording = replayed("pod-a", &storm()) + &replayed("pod-b", &storm());
    for format in ["text", "json"] {
        let arguments = ["--replay", "-", "-o", format, "--stats", "json"];
        let (first, second) = (run(&arguments, recording.as_bytes()), run(&arguments, recording.as_bytes()));
        assert_eq!((first.code, first.lines_read()), (Some(0), 600));
        assert!(first.stdout == second.stdout && first.stderr == second.stderr, "{format}");
    }
}

#[test]
fn rows_of_a_replay_that_are_none_are_counted_and_named() {
    let ran = run(&["--replay", "-", "--stats", "json"], b"1\ta\tx\nnot a row\n2\ta\ty\n");
    assert_eq!((ran.code, ran.stdout(), ran.lines_read()), (Some(0), "x\ny\n", 2));
    assert!(ran.stderr.contains("replay: 1 row is not unix_ns<TAB>stream<TAB>line and not read; the first is row 2"), "{}", ran.stderr);
}

#[test]
fn a_missing_recording_is_a_failure() {
    let ran = run(&["--replay", "nowhere.tsv"], b"");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), "squelch: error: nowhere.tsv: no such file or directory\n"));
}

#[test]
fn a_report_has_the_accounting_and_the_contract() {
    let ran = run(&["report", "-o", "json", "--replay", "-"], replayed("pod-a", &storm()).as_bytes());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let report: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(report["accounting"]["lines_read"], 300);
    assert_eq!(report["accounting"]["lines_open"], 0);
    for name in ["templates", "storms", "diagnoses"] {
        assert!(report[name].is_array(), "{name}");
    }
    let ran = run(&["report", "-"], storm().as_bytes());
    assert!(ran.stdout().contains("squelch: read 300 lines"), "{}", ran.stdout());
}

#[test]
fn explain_shows_template_fingerprint_and_decision() {
    let ran = run(&["explain", "ERROR retrying in 5s"], b"");
    assert_eq!(ran.code, Some(0));
    for word in ["envelope", "template", "fingerprint", "class", "decision"] {
        assert!(ran.stdout().contains(word), "{word}: {}", ran.stdout());
    }
    let ran = run(&["explain", "-o", "json"], b"first\nsecond\n");
    let lines: Vec<serde_json::Value> = ran.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[1]["line"]), (2, &"second".into()));
}

#[test]
fn colours_only_where_asked_for() {
    let storm = storm();
    assert!(!run(&[], storm.as_bytes()).stderr.contains('\x1b'));
    assert!(run(&["explain", "--color", "always", "a 1"], b"").stdout().contains('\x1b'));
    assert!(!run(&["explain", "a 1"], b"").stdout().contains('\x1b'));
}

/// A running squelch whose input is held open by the test.
struct Held {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<std::process::ChildStdout>,
}

fn hold(arguments: &[&str]) -> Held {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("squelch"));
    let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
    Held { child, stdin, stdout }
}

impl Held {
    fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }
    fn end(mut self) -> Ran {
        let (mut stdout, mut stderr) = (Vec::new(), String::new());
        self.stdout.read_to_end(&mut stdout).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        Ran { code: self.child.wait().unwrap().code(), stdout, stderr }
    }
    fn signal(&self, name: &str) {
        let ended = std::process::Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(ended.success());
    }
}

#[test]
fn the_first_line_comes_out_while_the_producer_holds_the_pipe_open() {
    let mut held = hold(&["--stats", "json"]);
    held.write("never seen before\n");
    assert_eq!(held.line(), "never seen before\n");
    held.write("nor this\n");
    assert_eq!(held.line(), "nor this\n");
    held.stdin = None;
    let ran = held.end();
    assert_eq!((ran.code, ran.lines_read()), (Some(0), 2));
}

#[test]
fn a_signal_flushes_everything_and_sets_the_exit_code() {
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let mut held = hold(&["--stats", "json"]);
        held.write(&storm());
        assert!(held.line().contains("attempt 0"));
        held.signal(name);
        let ran = held.end();
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
        // What squelch had not read yet stays in the pipe; what it had read is all accounted for.
        assert!((1..=300).contains(&ran.lines_read()), "{}", ran.stderr);
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_pipe_quietly() {
    let mut held = hold(&[]);
    held.write("first\n");
    assert_eq!(held.line(), "first\n");
    let Held { mut child, stdin, stdout } = held;
    drop(stdout);
    let mut stdin = stdin.unwrap();
    // Each line is new, so that each one is written, and one of the writes finds the pipe closed.
    let mut n = 0_u64;
    while stdin.write_all(format!("{}\n", words(n)).as_bytes()).is_ok() {
        n += 1;
    }
    drop(stdin);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}

/// A number in letters: a line without digits is a template of its own.
fn words(mut n: u64) -> String {
    let mut word = String::from("word ");
    loop {
        word.push((b'a' + (n % 26) as u8) as char);
        n /= 26;
        if n == 0 {
            return word;
        }
    }
}

#[test]
fn a_named_pipe_is_read_like_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let mut held = hold(&["--stats", "json", path.to_str().unwrap()]);
    let mut writer = fs::OpenOptions::new().write(true).open(&path).unwrap();
    writer.write_all(b"through a fifo\n").unwrap();
    assert_eq!(held.line(), "through a fifo\n");
    drop(writer);
    let ran = held.end();
    assert_eq!((ran.code, ran.lines_read()), (Some(0), 1));
}

/// 20 s of twelve clients that retry five times a second, then a minute and a half of silence and a last line.
fn broker_outage() -> String {
    let mut rows = String::new();
    let start = 1_764_072_060_000_000_000_u64;
    for n in 0..1200_u64 {
        let (at, client) = (start + n * 16_666_667, n % 12);
        rows += &format!(
            "{at}\torders-{client}\tERROR mq - Connection to mq-1:61616 failed: Connection refused, retrying in 0ms (attempt {})\n",
            n / 12 + 1
        );
    }
    rows + &format!("{}\torders-0\tINFO all orders are through\n", start + 110_000_000_000)
}

#[test]
fn a_storm_is_told_in_the_text_and_its_end_too() {
    let ran = run(&["--stats", "json", "--replay", "-"], broker_outage().as_bytes());
    let accounting = ran.accounting();
    assert!(accounting["lines_forwarded"].as_u64().unwrap() < 120, "{accounting}");
    let ours: Vec<&str> = ran.stdout().lines().filter(|line| line.starts_with("[squelch] [")).collect();
    assert!(
        ours[0]
            .starts_with("[squelch] [CRITICAL] Retry storm: \"Connection to <host> failed: Connection refused, retrying in <dur> (attempt <num>)\""),
        "{ours:?}"
    );
    assert!(ours.last().unwrap().starts_with("[squelch] [OVER] Retry storm"), "{ours:?}");
    assert!(ours.last().unwrap().contains("1,200 records in 20.0s") && ours.last().unwrap().contains("12 instances → mq-1:61616"), "{ours:?}");
    let quiet = run(&["--stats", "json", "--no-storms", "--replay", "-"], broker_outage().as_bytes());
    quiet.accounting();
    assert!(!quiet.stdout().contains("Retry storm"));
}

#[test]
fn storms_are_records_in_json() {
    let ran = run(&["-o", "json", "--stats", "none", "--replay", "-"], broker_outage().as_bytes());
    let records: Vec<serde_json::Value> = ran.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let named = |name: &str| records.iter().filter(|record| record["event_name"] == name).collect::<Vec<_>>();
    let (storms, ends) = (named("squelch.storm"), named("squelch.storm_end"));
    assert_eq!(ends.len(), 1);
    assert_eq!(storms[0]["squelch.state"], "firing");
    assert_eq!(storms[0]["squelch.storm_id"], ends[0]["squelch.storm_id"]);
    assert_eq!(ends[0]["squelch.retry"]["policy"], "immediate");
    assert_eq!(ends[0]["squelch.instances"]["count"], 12);
    assert_eq!(ends[0]["squelch.records"], 1200);
    // Retries of a storm are told on the long grid.
    assert!(named("squelch.summary").iter().any(|summary| summary["squelch.per_second"].is_array()));
}

#[test]
fn fail_on_storm_is_exit_3_for_pipe_and_report() {
    for arguments in [&["--fail-on-storm", "--replay", "-"][..], &["report", "--fail-on-storm", "--replay", "-"]] {
        assert_eq!(run(arguments, broker_outage().as_bytes()).code, Some(3), "{arguments:?}");
        assert_eq!(run(arguments, replayed("a", "one\ntwo\n").as_bytes()).code, Some(0), "{arguments:?}");
    }
}

#[test]
fn the_alert_command_gets_each_record_on_its_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let command = format!("cat >> {}", folder.path().join("$$.json").display());
    let ran = run(&["--stats", "none", "--alert-cmd", &command, "--replay", "-"], broker_outage().as_bytes());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let record: serde_json::Value = serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
        names.push(record["event_name"].as_str().unwrap().into());
    }
    names.sort();
    names.dedup();
    assert_eq!(names, ["squelch.storm", "squelch.storm_end"]);
}

#[test]
fn an_alert_command_that_fails_is_told_once_per_storm_and_harms_nothing() {
    let ran = run(&["--stats", "none", "--alert-cmd", "echo on stdout; exit 7", "--replay", "-"], broker_outage().as_bytes());
    assert_eq!(ran.code, Some(0));
    assert!(!ran.stdout().contains("on stdout"));
    assert_eq!(ran.stderr.matches("it ended with exit status: 7").count(), 1, "{}", ran.stderr);
}

#[test]
fn an_alert_command_that_reads_nothing_holds_nothing_up() {
    let before = std::time::Instant::now();
    let ran = run(&["--stats", "json", "--alert-cmd", "true", "--replay", "-"], broker_outage().as_bytes());
    ran.accounting();
    assert!(before.elapsed().as_secs() < 20);
}

/// The sample of the README; it is stamped March 2026 and keeps its own times.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/broker-outage.log");

#[test]
fn the_report_of_the_sample_is_an_incident_document() {
    let ran = run(&["report", "-o", "markdown", SAMPLE], b"");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    insta::assert_snapshot!("report_markdown", ran.stdout());
}

#[test]
fn the_report_of_the_sample_says_who_what_how_and_since_when() {
    let ran = run(&["report", "-o", "json", SAMPLE], b"");
    let report: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let storm = &report["storms"][0];
    assert_eq!(storm["instances"], 12);
    assert!(storm["onset"].as_str().unwrap().starts_with("2026-03-02T09:00:15."), "{storm}");
    assert_eq!(storm["targets"][0]["value"], "activemq-1:61616");
    assert_eq!(storm["diagnosis"]["policy"], "immediate");
    for key in ["all_instances", "policy", "limit", "cost", "circuit_breaker"] {
        assert!(storm["answers"][key].is_string(), "{key}");
    }
    let diagnosis = &report["diagnoses"][0];
    assert_eq!((&diagnosis["policy"], &diagnosis["class"]), (&"immediate".into(), &"retry".into()));
}
