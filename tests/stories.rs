//! Three stories end to end: what an engineer would be told at 3 AM, from simulated logs whose truth is known.

use serde_json::Value;
use std::process::{Command, Stdio};

/// `squelch simulate STORY | squelch report -o json`, and the alert that the pipe writes.
fn story(name: &str) -> (Vec<Value>, String) {
    let squelch = env!("CARGO_BIN_EXE_squelch");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("story.replay");
    let made = Command::new(squelch)
        .args(["simulate", name, "--replay-format"])
        .stdout(std::fs::File::create(&file).expect("a file can be made there"))
        .status()
        .expect("squelch runs");
    assert!(made.success());
    let run = |arguments: &[&str]| {
        let out = Command::new(squelch).args(arguments).arg("--replay").arg(&file).stderr(Stdio::null()).output().expect("squelch runs");
        assert!(out.status.success(), "{arguments:?}");
        String::from_utf8(out.stdout).expect("the story is UTF-8")
    };
    let report: Value = serde_json::from_str(&run(&["report", "-o", "json"])).expect("the report is one JSON object");
    let accounting = |key: &str| report["accounting"][key].as_u64().unwrap_or_else(|| panic!("the accounting names {key}"));
    let (read, open) = (accounting("lines_read"), accounting("lines_open"));
    assert_eq!(read, accounting("lines_forwarded") + accounting("lines_summarised") + accounting("lines_dropped") + open);
    assert_eq!(open, 0);
    (report["storms"].as_array().expect("storms are a list").clone(), run(&["--stats", "none"]))
}

fn storm<'a>(storms: &'a [Value], words: &str) -> &'a Value {
    storms
        .iter()
        .find(|storm| storm["template"].as_str().is_some_and(|template| template.contains(words)))
        .unwrap_or_else(|| panic!("no storm of {words:?} in {storms:#?}"))
}

#[test]
fn twelve_services_lose_their_broker_and_keep_it_down() {
    let (storms, text) = story("essay");
    let storm = storm(&storms, "Connection to broker <host> failed, retrying in <dur>");
    assert_eq!((&storm["alert_level"], &storm["instances"]), (&"critical".into(), &12.into()), "who");
    assert_eq!(storm["targets"][0]["value"], "activemq-1:61616", "what");
    assert!(storm["peak_per_second"].as_f64().is_some_and(|peak| peak > 1000.0), "how fast: {}", storm["peak_per_second"]);
    assert_eq!(storm["onset"], "2026-03-02T09:00:32.012000000Z", "since when");
    assert!(storm["trigger"]["template"].as_str().is_some_and(|template| template.contains("lost")), "what came before");
    assert_eq!(storm["diagnosis"]["policy"], "immediate");
    assert!(text.contains("no effective backoff"), "the alert names the policy");
    assert!(text.contains("full jitter"), "the advice fits it");
}

#[test]
fn a_full_database_is_seen_from_both_sides() {
    let (storms, text) = story("postgres");
    let client = storm(&storms, "Connection to database");
    assert_eq!((&client["alert_level"], &client["class"], &client["instances"]), (&"critical".into(), &"overload".into(), &12.into()));
    assert_eq!(client["targets"][0]["value"], "orders-db:5432");
    assert!(client["peak_per_second"].as_f64().is_some_and(|peak| peak > 100.0));
    assert_eq!(client["diagnosis"]["policy"], "immediate");
    let server = storms.iter().find(|storm| storm["template"] == "sorry, too many clients already").expect("the server's own log storms, too");
    assert_eq!(server["class"], "overload");
    assert!(text.contains("stop the loop"), "the advice fits a loop without backoff");
}

#[test]
fn a_crash_loop_is_told_although_it_backs_off() {
    let (storms, _) = story("crashloop");
    let storm = storm(&storms, "CrashLoopBackOff");
    assert_eq!((&storm["class"], &storm["alert_level"]), (&"crash_loop".into(), &"warning".into()));
    assert_eq!(storm["targets"][0]["value"], "order-service");
    assert_eq!(storm["diagnosis"]["policy"], "exponential");
    assert!(storm["onset"].as_str().is_some_and(|onset| onset.starts_with("2026-03-02T09:00:03")), "{}", storm["onset"]);
}
