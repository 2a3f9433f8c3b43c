use super::own::OwnLog;
use super::*;
use crate::time::SECOND;
use std::io::Write;
use std::sync::{Arc, Mutex};

const TEXT: Look = Look { is_json: false, for_journal: false };
const JSON: Look = Look { is_json: true, for_journal: false };
const JOURNAL: Look = Look { is_json: false, for_journal: true };
/// 2026-01-01T00:00:00Z.
const START: UnixNanos = UnixNanos(1_767_225_600 * SECOND);

/// What is written of one line per second, for `seconds`, and then at the end.
fn each_second(look: Look, line: impl Fn(UnixNanos) -> String, seconds: i64) -> (String, String) {
    let mut log = OwnLog::new(look);
    for second in 0..seconds {
        let now = START.plus(second * SECOND);
        log.line(now, line(now).as_bytes());
    }
    let during = String::from_utf8(std::mem::take(log.out())).unwrap();
    log.finish(START.plus(seconds * SECOND));
    (during, String::from_utf8(std::mem::take(log.out())).unwrap())
}

fn disk_full(now: UnixNanos) -> String {
    format!("{}  WARN commit failed: disk full, retrying in 1s attempt={}\n", stamp(now), now.since(START) / SECOND)
}

#[test]
fn the_first_lines_pass_at_once_and_repeats_are_counted() {
    let (during, at_end) = each_second(TEXT, disk_full, 9);
    insta::assert_snapshot!(format!("{during}--- end\n{at_end}"));
}

#[test]
fn an_hour_of_the_same_warning_is_some_hundred_lines_and_no_repeat_is_missing() {
    let (during, at_end) = each_second(TEXT, disk_full, 3600);
    let lines: Vec<&str> = during.lines().chain(at_end.lines()).collect();
    let repeated = |line: &str| line.split_once(" repeated ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<u64>().ok());
    let told: u64 = lines.iter().map(|line| repeated(line).unwrap_or(1)).sum();
    assert_eq!(told, 3600);
    assert!(lines.len() < 400, "{} lines", lines.len());
}

#[test]
fn an_ordinary_message_that_repeats_is_collapsed_too() {
    let mut log = OwnLog::new(TEXT);
    for at in 0..100 {
        let now = START.plus(at * SECOND / 20);
        log.line(now, format!("{}  INFO file rotated path=/var/log/app.log\n", stamp(now)).as_bytes());
    }
    log.finish(START.plus(6 * SECOND));
    let text = String::from_utf8(std::mem::take(log.out())).unwrap();
    assert!(text.ends_with(" INFO [squelch] \"file rotated path=<*>\" repeated 96 times in 4.8s\n") && text.lines().count() == 5, "{text}");
}

#[test]
fn silence_writes_the_count_when_the_window_ends() {
    let mut log = OwnLog::new(TEXT);
    for second in 0..8 {
        let now = START.plus(second * SECOND);
        log.line(now, disk_full(now).as_bytes());
    }
    log.out().clear();
    let due = log.next_wakeup().unwrap();
    assert!(due <= START.plus(20 * SECOND), "{due:?}");
    let mut now = START.plus(8 * SECOND);
    while let Some(due) = log.next_wakeup().filter(|due| *due <= START.plus(60 * SECOND)) {
        now = now.max(due);
        log.wake(now);
    }
    let text = String::from_utf8_lossy(log.out()).into_owned();
    assert!(text.contains("repeated 7 times in 6.0s"), "{text}");
}

#[test]
fn json_repeats_are_json() {
    let line = |now| format!("{{\"timestamp\":\"{}\",\"level\":\"WARN\",\"message\":\"commit failed: disk full, retrying in 1s\"}}\n", stamp(now));
    let (during, at_end) = each_second(JSON, line, 9);
    let all: Vec<serde_json::Value> = during.lines().chain(at_end.lines()).map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = all.last().unwrap();
    assert_eq!(last["message"], "[squelch] \"commit failed: disk full, retrying in <dur>\" repeated 8 times in 7.0s");
    assert_eq!((&last["level"], &last["squelch.count"]), (&"WARN".into(), &8.into()));
}

#[test]
fn the_journal_gets_the_priority_and_no_stamp() {
    let (during, at_end) = each_second(JOURNAL, |_| " WARN commit failed: disk full, retrying in 1s\n".into(), 9);
    assert!(during.lines().all(|line| line == "<4>WARN commit failed: disk full, retrying in 1s"), "{during}");
    assert_eq!(at_end, "<4>WARN [squelch] \"commit failed: disk full, retrying in <dur>\" repeated 8 times in 7.0s\n");
}

#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a program that does `act` writes.
fn written(look: Look, filter: &str, act: impl FnOnce()) -> String {
    let screen = Screen::default();
    let (writer, guard) = Collapsing::start(Box::new(screen.clone()), look).unwrap();
    tracing::subscriber::with_default(subscriber(parse_filter("SQUELCH_LOG", filter.into()).unwrap(), look, writer), act);
    drop(guard);
    let bytes = screen.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn events_become_lines_of_text() {
    let text = written(TEXT, "info", || {
        tracing::warn!(output = "loki", "receiver refuses \x1b[2J");
        tracing::debug!("not asked for");
    });
    let (stamp, rest) = text.split_once(' ').unwrap();
    assert_eq!((stamp.len(), stamp.ends_with('Z')), (24, true));
    assert_eq!(rest, " WARN receiver refuses \\x1b[2J output=\"loki\"\n");
}

#[test]
fn events_become_objects() {
    let text = written(JSON, "debug", || tracing::debug!(output = "loki", "asked for"));
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["level"], &line["message"], &line["output"]), (&"DEBUG".into(), &"asked for".into(), &"loki".into()));
}

#[test]
fn a_thousand_warnings_at_once_are_a_handful_of_lines_and_all_are_counted() {
    let text = written(JOURNAL, "info", || (0..1000).for_each(|_| tracing::warn!("receiver refuses, retrying")));
    let told: u64 =
        text.lines().map(|line| line.split_once(" repeated ").map_or(1, |(_, rest)| rest.split(' ').next().unwrap().parse().unwrap())).sum();
    assert_eq!(told, 1000);
    assert!(text.lines().count() <= 5, "{text}");
}

#[test]
fn nothing_is_lost_after_the_guard_is_gone() {
    let screen = Screen::default();
    let (writer, guard) = Collapsing::start(Box::new(screen.clone()), TEXT).unwrap();
    tracing::subscriber::with_default(subscriber(parse_filter("SQUELCH_LOG", "info".into()).unwrap(), TEXT, writer), || {
        drop(guard);
        tracing::info!("stopped");
    });
    assert!(String::from_utf8_lossy(&screen.0.lock().unwrap()).ends_with("  INFO stopped\n"));
}

#[test]
fn the_own_variable_comes_before_the_common_one_and_both_before_the_configuration() {
    let (own, common) = (Some("debug".to_owned()), Some("trace".to_owned()));
    assert_eq!(filter_text(own.clone(), common.clone(), "info"), ("SQUELCH_LOG", "debug".into()));
    assert_eq!(filter_text(None, common, "info"), ("RUST_LOG", "trace".into()));
    assert_eq!(filter_text(None, None, "info"), ("log.filter", "info".into()));
}

#[test]
fn a_filter_that_is_none_is_an_error_that_shows_one() {
    let error = parse_filter("SQUELCH_LOG", "squelch=loud".into()).unwrap_err().to_string();
    assert!(error.starts_with("SQUELCH_LOG: `squelch=loud` is not a log filter: "), "{error}");
    assert!(error.ends_with("; write for example info, or warn,squelch::delivery=debug"), "{error}");
}

#[test]
fn a_journal_stream_that_is_not_our_stderr_is_not_ours() {
    assert!(!is_journal(None));
    assert!(!is_journal(Some("nonsense")));
    assert!(!is_journal(Some("0:1")));
    let stderr = std::fs::metadata("/proc/self/fd/2").unwrap();
    assert!(is_journal(Some(&format!("{}:{}", stderr.dev(), stderr.ino()))));
}
