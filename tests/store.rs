//! `squelch store` as its users see it, on stores that the library made.

#![allow(clippy::unwrap_used, reason = "a helper of a test that cannot go on should stop where it is")]

use assert_cmd::Command;
use squelch::engine::Accounting;
use squelch::store::{BatchNumber, Commit, Cursor, DeadLetter, Options, Progress, RecordKind, Records, Store};
use squelch::time::UnixNanos;
use std::path::Path;
use tempfile::TempDir;

/// Exit code, stdout, stderr.
fn run(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("squelch").unwrap();
    let output = command.arg("store").args(arguments).arg("--directory").arg(directory).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A store in use: two records wait for `loki`, of which one was refused; `archive` has both.
fn store(directory: &Path) -> Store {
    let options = Options { directory: directory.to_owned(), sync: false, ..Options::default() };
    let (mut store, _) = Store::open(&options, UnixNanos(0)).unwrap();
    store.set_outputs(&["archive", "loki"]).unwrap();
    let mut records = Records::default();
    records.push(RecordKind::Line, br#"{"body":"first"}"#);
    records.push(RecordKind::Line, br#"{"body":"second"}"#);
    let totals = Accounting { read: 5, forwarded: 2, summarised: 2, open: 1, ..Accounting::default() };
    store.commit(&Commit { records: Some(&records), totals, ..Commit::default() }).unwrap();
    let dead = vec![DeadLetter { output: "loki".into(), json: br#"{"body":"first"}"#.to_vec(), kind: RecordKind::Line, reason: "400:\nno".into() }];
    let progress = [
        Progress::Delivered { output: "archive".into(), cursor: Cursor::at(BatchNumber(2)), records: 2, dead: Vec::new() },
        Progress::Delivered { output: "loki".into(), cursor: Cursor { batch: BatchNumber(1), done: 1 }, records: 0, dead },
    ];
    store.commit(&Commit { totals, progress: &progress, ..Commit::default() }).unwrap();
    store
}

#[test]
fn the_status_is_told_beside_a_running_agent() {
    let directory = TempDir::new().unwrap();
    let _store = store(directory.path());
    let (code, stdout, stderr) = run(directory.path(), &["status"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains(&format!("squelch.db, in use by process {}\n", std::process::id())), "{stdout}");
    assert!(stdout.contains("output      archive: up to date, 2 delivered\n"), "{stdout}");
    assert!(stdout.contains("output      loki: 1 record behind, oldest "), "{stdout}");
    assert!(stdout.contains(", 0 delivered, 1 dead (1 to replay)\n"), "{stdout}");
    assert!(stdout.contains("accounting  read 5 = 2 forwarded + 2 summarised + 0 dropped + 1 open: holds\n"), "{stdout}");

    let (code, stdout, _) = run(directory.path(), &["status", "-o", "json"]);
    let status: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, Some(0));
    assert_eq!(status["outputs"][1]["name"], "loki");
    assert_eq!((&status["outputs"][1]["batch"], &status["outputs"][1]["done"], &status["outputs"][1]["queued"]), (&1.into(), &1.into(), &1.into()));
    assert_eq!(status["accounting"]["holds"], true);
}

#[test]
fn records_are_exported_for_all_or_for_one_output() {
    let directory = TempDir::new().unwrap();
    let store = store(directory.path());
    assert_eq!(run(directory.path(), &["export"]).1, "{\"body\":\"first\"}\n{\"body\":\"second\"}\n");
    assert_eq!(run(directory.path(), &["export", "--output", "loki"]).1, "{\"body\":\"second\"}\n");
    assert_eq!(run(directory.path(), &["export", "--output", "archive"]).1, "");
    let (code, _, stderr) = run(directory.path(), &["export", "--output", "lokki"]);
    assert_eq!((code, stderr.as_str()), (Some(1), "squelch: error: the store knows no output `lokki`; it knows: archive, loki\n"));
    // Also without an agent.
    store.close().unwrap();
    assert_eq!(run(directory.path(), &["export", "--output", "loki"]).1, "{\"body\":\"second\"}\n");
}

#[test]
fn dead_letters_are_listed_and_replayed() {
    let directory = TempDir::new().unwrap();
    let _store = store(directory.path());
    let (_, stdout, _) = run(directory.path(), &["dead-letters"]);
    assert!(stdout.starts_with("1  ") && stdout.ends_with("  loki  line  400: no\n"), "{stdout}");
    let (_, stdout, _) = run(directory.path(), &["dead-letters", "--json", "--output", "loki"]);
    let letter: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&letter["reason"], &letter["record"]), (&"400:\nno".into(), &"{\"body\":\"first\"}".into()));
    let (code, stdout, _) = run(directory.path(), &["replay-dead-letters", "--output", "loki"]);
    assert_eq!((code, stdout.as_str()), (Some(0), "1 record put back into the queue of loki\n"));
    assert_eq!(run(directory.path(), &["dead-letters"]).1, "");
    assert_eq!(run(directory.path(), &["export", "--output", "loki"]).1, "{\"body\":\"second\"}\n{\"body\":\"first\"}\n");
}

#[test]
fn a_directory_without_a_store_is_named() {
    let directory = TempDir::new().unwrap();
    for arguments in [&["status"][..], &["export"], &["dead-letters"], &["replay-dead-letters", "--output", "a"]] {
        let (code, stdout, stderr) = run(directory.path(), arguments);
        assert_eq!((code, stdout.as_str()), (Some(1), ""));
        let expected = format!(
            "squelch: error: there is no store in {}\n  hint: --config or --directory says where the agent keeps it",
            directory.path().display()
        );
        assert!(stderr.starts_with(&expected), "{stderr}");
    }
}

#[test]
fn the_configuration_says_where_the_store_is() {
    let directory = TempDir::new().unwrap();
    let _store = store(directory.path());
    let file = directory.path().join("squelch.toml");
    let ask = |text: String| {
        std::fs::write(&file, text).unwrap();
        let output = Command::cargo_bin("squelch").unwrap().args(["store", "status", "--config"]).arg(&file).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, stdout, _) = ask(format!("state_dir = {:?}\n", directory.path()));
    assert!(code == Some(0) && stdout.contains("2 delivered"), "{stdout}");
    let (code, _, stderr) = ask("state_dirr = \"/x\"\n".into());
    assert!(code == Some(78) && stderr.contains("state_dirr"), "{stderr}");
}
