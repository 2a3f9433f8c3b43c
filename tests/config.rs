//! `squelch config` and `squelch check` as people call them.

#![allow(clippy::unwrap_used, reason = "a helper of a test that cannot go on should stop where it is")]

use assert_cmd::Command;
use std::fs;
use std::path::Path;

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(arguments: &[&str], home: &Path) -> Ran {
    let mut command = Command::cargo_bin("squelch").unwrap();
    for variable in ["SQUELCH_CONFIG", "SQUELCH_LOG", "STATE_DIRECTORY", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "NODE_NAME"] {
        command.env_remove(variable);
    }
    let output = command.args(arguments).env("HOME", home).output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A configuration whose every part is in `folder`.
fn write(folder: &Path, more: &str) -> String {
    let logs = folder.join("logs");
    fs::create_dir_all(&logs).unwrap();
    fs::write(logs.join("a.log"), "line\n").unwrap();
    let text = format!(
        "state_dir = \"{0}/state\"\n[telemetry]\nlisten = \"127.0.0.1:0\"\napi_listen = \"off\"\n\
         [inputs.app]\ntype = \"file\"\ninclude = [\"{0}/logs/*.log\"]\n[outputs.o]\ntype = \"file\"\npath = \"{0}/out.ndjson\"\n{more}",
        folder.display()
    );
    let path = folder.join("squelch.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_printed_default_is_a_configuration() {
    let home = tempfile::tempdir().unwrap();
    let printed = run(&["config", "print-default"], home.path());
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
    let path = home.path().join("squelch.toml");
    fs::write(&path, &printed.stdout).unwrap();
    let shown = run(&["config", "show", "--config", path.to_str().unwrap()], home.path());
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(shown.stdout.contains("window = \"10s\"  # default"), "{}", shown.stdout);
}

#[test]
fn the_schema_is_json() {
    let home = tempfile::tempdir().unwrap();
    let schema: serde_json::Value = serde_json::from_str(&run(&["config", "schema"], home.path()).stdout).unwrap();
    let alternatives = schema["properties"]["inputs"]["additionalProperties"]["oneOf"].as_array().unwrap();
    let types: Vec<&str> = alternatives.iter().filter_map(|one| one["title"].as_str()).collect();
    assert_eq!(types, ["file", "journald", "kubernetes", "stdin", "syslog"]);
}

#[test]
fn a_configuration_that_would_work_is_said_to() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(&["check", "--config", &write(folder.path(), "")], folder.path());
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("inputs.app: 1 file, readable") && ran.stdout.ends_with("everything is fine\n"), "{}", ran.stdout);
    assert!(!folder.path().join("state").exists() && !folder.path().join("out.ndjson").exists(), "a check changes nothing");
}

#[test]
fn a_configuration_that_would_not_work_here_is_said_not_to() {
    let folder = tempfile::tempdir().unwrap();
    let more = "[outputs.h]\ntype = \"http\"\nurl = \"https://logs.example.com/\"\n[outputs.h.tls]\nca_file = \"/nowhere/ca.pem\"\n";
    let ran = run(&["check", "--config", &write(folder.path(), more)], folder.path());
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("FAIL  outputs.h: ") && ran.stdout.contains("/nowhere/ca.pem"), "{}", ran.stdout);
}

#[test]
fn mistakes_end_with_78_and_are_all_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "[engine]\nwidnow = \"10s\"\nmode = \"x\"\n");
    for arguments in [&["check", "--config", &path][..], &["config", "show", "-c", &path]] {
        let ran = run(arguments, folder.path());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(78), ""), "{arguments:?}");
        let told: Vec<&str> = ran.stderr.lines().collect();
        assert_eq!(told.len(), 3, "{}", ran.stderr);
        assert!(told[0].contains(":12:1: engine.widnow: unknown key; did you mean `window`?"), "{}", ran.stderr);
    }
    let missing = run(&["check", "--config", "/nowhere.toml"], folder.path());
    assert_eq!(missing.code, Some(78));
    assert!(missing.stderr.contains("/nowhere.toml: cannot be read: no such file or directory"), "{}", missing.stderr);
}
