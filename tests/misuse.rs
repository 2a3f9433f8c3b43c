//! Wrong use and odd input: a message that says what to do, the documented exit code, and nothing lost.

#![allow(clippy::unwrap_used, reason = "a helper of a test that cannot go on should stop where it is")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn binary_junk_of_a_megabyte_adds_up() {
    let junk = junk(1 << 20);
    let lines = junk.iter().filter(|&&b| b == b'\n').count() as u64 + u64::from(!junk.ends_with(b"\n"));
    let ran = run(&["--stats", "json"], &junk);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!((ran.stat("lines_read"), ran.stat("bytes_read")), (lines, junk.len() as u64));
    // What did not go into a summary is there, byte for byte and in order.
    let observed = run(&["--stats", "none", "--observe", "--no-storms"], &junk);
    assert_eq!(observed.code, Some(0), "{}", observed.stderr);
    assert!(starts_with_all_lines_of(&observed.stdout, &junk), "observe forwards every byte");
    if ran.stat("lines_summarised") == 0 {
        assert!(ran.stdout == junk, "with no summary the output is the input");
    }
}

#[test]
fn a_line_without_an_end_is_cut_and_no_byte_is_lost() {
    let endless = vec![b'x'; 3 << 20];
    let ran = run(&["--stats", "json", "--line-max", "64KiB", "--flood", "0"], &endless);
    assert_eq!((ran.code, ran.stat("lines_read")), (Some(0), 48), "{}", ran.stderr);
    assert!(ran.stdout == endless, "the pieces are one line again");
}

#[test]
fn only_line_ends_are_lines_too() {
    let ran = run(&["--stats", "json"], &b"\n".repeat(50));
    assert_eq!((ran.code, ran.stat("lines_read")), (Some(0), 50), "{}", ran.stderr);
    let ran = run(&["--stats", "json"], b"\r\n\r\r\n\0\n");
    assert_eq!((ran.code, &ran.stdout[..]), (Some(0), &b"\r\n\r\r\n\0\n"[..]), "{}", ran.stderr);
}

#[test]
fn files_that_hold_nothing_are_fine() {
    let folder = tempfile::tempdir().unwrap();
    let empty = file(folder.path(), "empty.log", b"");
    let good = file(folder.path(), "good.log", b"good\n");
    let ran = run(&["--stats", "json", &empty, &good, &empty], b"");
    assert_eq!((ran.code, &ran.stdout[..], ran.stat("lines_read")), (Some(0), &b"good\n"[..], 1), "{}", ran.stderr);
    let ran = run(&["report", &empty], b"");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn a_missing_file_does_not_keep_the_report_from_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let good = file(folder.path(), "good.log", b"2026-03-02 09:00:00 INFO desk - open\n");
    let missing = folder.path().join("missing.log");
    let ran = run(&["report", missing.to_str().unwrap(), folder.path().to_str().unwrap(), &good], b"");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("missing.log: no such file or directory\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains(": is a directory; name the files in it"), "{}", ran.stderr);
    assert!(String::from_utf8_lossy(&ran.stdout).contains("read 1 line"), "{}", String::from_utf8_lossy(&ran.stdout));
}

#[test]
fn broken_rules_end_squelch_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let rules = file(
        folder.path(),
        "mine.toml",
        b"technology = \"shop\"\ndescription = \"ours\"\n[[rule]]\nid = \"shop.till\"\nclas = \"retry\"\nliterals = [\"once more\"]\nmatch = [\"once more\"]\n",
    );
    for arguments in [&["--rules", &rules][..], &["report", "--rules", &rules, "-"]] {
        let ran = run(arguments, b"a line\n");
        assert_eq!((ran.code, ran.stdout.len()), (Some(78), 0), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("mine.toml:5: rule `shop.till`: `clas` is no key here"), "{}", ran.stderr);
        assert!(ran.stderr.contains("squelch rules test"), "says what to do next: {}", ran.stderr);
    }
    let ran = run(&["--rules", "nowhere.toml"], b"a line\n");
    assert_eq!((ran.code, ran.stdout.len()), (Some(78), 0));
    assert!(ran.stderr.contains("nowhere.toml"), "{}", ran.stderr);
}

#[test]
fn a_user_rule_takes_part_in_the_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let rule = br#"technology = "shop"
description = "our own till client"

[[rule]]
id = "shop.till.sync-again"
class = "retry"
literals = ["till sync failed, once more"]
pattern = '''till sync failed, once more in (?<delay>\d+ ?[a-z]+) \(try (?<attempt>\d+)\)'''
advice = "The till client has no backoff below version 4; set sync.backoff=true."
match = [{ text = "till sync failed, once more in 250 ms (try 7)", delay = "250 ms", attempt = "7" }]
no_match = ["till sync done"]
"#;
    let rules = file(folder.path(), "shop.toml", rule);
    let lines: String =
        (1..=5).map(|n| format!("2026-03-02 09:00:00,{n}00 ERROR till - till sync failed, once more in 250 ms (try {n})\n")).collect();
    let ran = run(&["--rules", &rules, "--stats", "json"], lines.as_bytes());
    assert_eq!((ran.code, ran.stat("lines_forwarded"), ran.stat("lines_summarised")), (Some(0), 1, 4), "{}", ran.stderr);
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(text.contains("rule shop.till.sync-again") && text.contains("attempts 2..5") && text.contains("says 250ms"), "{text}");
}

#[test]
fn a_story_that_is_none_and_figures_out_of_range_are_named() {
    for (arguments, said) in [
        (&["simulate", "esay"][..], "essay"),
        (&["simulate", "essay", "--clients", "0"], "clients must be 1 to 1000"),
        (&["simulate", "essay", "--format", "xml"], "logback"),
        (&["rules", "shw"], "'show'"),
        (&["rules", "show", "no.such.rule"], "no.such.rule"),
        (&["report", "-o", "xml"], "markdown"),
        (&["explain", "--outptu", "json"], "--output"),
    ] {
        let ran = run(arguments, b"");
        assert!(matches!(ran.code, Some(1 | 2)), "{arguments:?}: {:?} {}", ran.code, ran.stderr);
        assert!(ran.stderr.starts_with("squelch: ") && ran.stderr.contains(said), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_failure_that_is_told() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut child = command(&["--stats", "none"]).stdin(Stdio::piped()).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a line\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "squelch: error: cannot write to stdout: no space left on device\n");
}

/// What a run left behind.
/// What went wrong stands on stderr with what to do, and the exit code is the documented one.
#[track_caller]
fn check_refused(arguments: &[&str], code: i32, words: &[&str]) {
    let ran = run(arguments, b"");
    assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.stderr);
    assert!(ran.stdout.is_empty(), "{arguments:?} wrote to stdout");
    for word in words {
        assert!(ran.stderr.contains(word), "{arguments:?}: no `{word}` in {}", ran.stderr);
    }
}

#[test]
fn rules_that_are_not_there_are_told_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().to_str().unwrap();
    let missing = folder.path().join("nowhere");
    let missing = missing.to_str().unwrap();
    for command in [&["--rules"][..], &["report", "--rules"], &["explain", "--rules"]] {
        check_refused(&[command, &[empty, "x"]].concat(), 78, &["no rules in", "it has no file *.toml", "hint: name a rule file"]);
        check_refused(&[command, &[missing, "x"]].concat(), 78, &["cannot read rules from", "no such file or directory\n", "hint:"]);
    }
    check_refused(&["rules", "test", empty], 1, &["it has no file *.toml"]);
}

#[test]
fn explain_knows_the_users_rules() {
    let folder = tempfile::tempdir().unwrap();
    let text = "technology = \"mine\"\ndescription = \"mine\"\n[[rule]]\nid = \"mine.shop.closed\"\nclass = \"failure\"\n\
        literals = [\"shop shut for\"]\nadvice = \"look whether the shop is open\"\nmatch = [{ text = \"shop shut for today\" }]\nno_match = [\"shop open\"]\n";
    let rules = file(folder.path(), "mine.toml", text.as_bytes());
    let ran = run(&["explain", "--rules", &rules, "shop shut for today"], b"");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(String::from_utf8_lossy(&ran.stdout).contains("rule mine.shop.closed"), "{}", String::from_utf8_lossy(&ran.stdout));
}

#[test]
fn flags_of_other_tools_are_answered_with_ours() {
    check_refused(&["--json"], 2, &["hint: for JSON write `-o json`"]);
    check_refused(&["report", "--json"], 2, &["hint: for JSON write `-o json`"]);
    check_refused(&["-f"], 2, &["-o json", "tail -F"]);
    check_refused(&["--alert-cmd", ""], 2, &["there is no command in it"]);
    check_refused(&["simulate", "--clients", "0"], 2, &["clients must be 1 to 1000"]);
}

struct Ran {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

impl Ran {
    /// A figure of `--stats json`, after a look at whether they add up.
    fn stat(&self, name: &str) -> u64 {
        let line = self.stderr.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no accounting in {}", self.stderr));
        let accounting = serde_json::from_str::<serde_json::Value>(line).unwrap()["accounting"].clone();
        let n = |name: &str| accounting[name].as_u64().unwrap_or_else(|| panic!("no {name} in {accounting}"));
        assert_eq!(n("lines_read"), n("lines_forwarded") + n("lines_summarised") + n("lines_dropped") + n("lines_open"));
        assert_eq!(n("lines_open"), 0);
        n(name)
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_squelch"));
    command.args(arguments).env_remove("CLICOLOR_FORCE").env("COLUMNS", "100");
    command
}

fn run(arguments: &[&str], stdin: &[u8]) -> Ran {
    let mut child = command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    // A run that ends without reading closes the pipe: that is one of the things tried here.
    let writer = std::thread::spawn(move || drop(input.write_all(&stdin)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ran { code: output.status.code(), stdout: output.stdout, stderr: String::from_utf8_lossy(&output.stderr).into_owned() }
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Bytes without any sense, the same ones each time.
fn junk(bytes: usize) -> Vec<u8> {
    let mut state = 20_260_302_u64;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(bytes)
    .collect()
}

/// Whether all lines of `input` stand in `output` in order; between them may be lines of squelch's own.
fn starts_with_all_lines_of(output: &[u8], input: &[u8]) -> bool {
    let mut output = output.split(|&b| b == b'\n');
    input.split(|&b| b == b'\n').all(|line| output.any(|other| other == line))
}
