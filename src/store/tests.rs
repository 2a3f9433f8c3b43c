use super::*;
use crate::engine::Accounting;
use crate::inputs::event::Position;
use crate::time::UnixNanos;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const NOW: UnixNanos = UnixNanos(1_700_000_000_000_000_000);

fn options(directory: &Path) -> Options {
    // Nobody cuts the power in a test.
    Options { directory: directory.to_owned(), sync: false, ..Options::default() }
}

fn open(directory: &Path) -> (Store, Recovered) {
    Store::open(&options(directory), NOW).unwrap()
}

fn lines(bodies: &[&str]) -> Records {
    records(&bodies.iter().map(|body| (RecordKind::Line, *body)).collect::<Vec<_>>())
}

fn records(list: &[(RecordKind, &str)]) -> Records {
    let mut records = Records::default();
    for (kind, body) in list {
        records.push(*kind, format!(r#"{{"body":"{body}"}}"#).as_bytes());
    }
    records
}

fn add(store: &mut Store, records: &Records) -> Committed {
    store.commit(&Commit { records: Some(records), ..Commit::default() }).unwrap()
}

fn bodies(records: &Records) -> Vec<String> {
    records.iter().map(|record| String::from_utf8(record.json.to_vec()).unwrap().replace(r#"{"body":""#, "").replace(r#""}"#, "")).collect()
}

/// Everything that a reader sees from a cursor on.
fn all(reader: &mut Reader, mut after: Cursor) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(batch) = reader.next(after, usize::MAX).unwrap() {
        found.extend(bodies(&batch.records));
        after = batch.cursor_after(batch.records.len());
    }
    found
}

fn delivered(output: &str, cursor: Cursor, records: u64) -> Progress {
    Progress::Delivered { output: output.into(), cursor, records, dead: Vec::new() }
}

fn position(key: &str, value: &str) -> Position {
    Position { key: key.into(), value: value.as_bytes().into() }
}

#[test]
fn a_store_may_be_moved_to_another_thread() {
    fn check<T: Send>() {}
    check::<Store>();
    check::<Reader>();
}

#[test]
fn what_was_committed_is_there_after_a_crash() {
    let directory = TempDir::new().unwrap();
    let (mut store, recovered) = open(directory.path());
    assert_eq!((recovered.generation, recovered.note), (1, Some(Note::New)));
    let window = OpenWindow { key: "s/f".into(), json: b"{}\n".to_vec(), kind: RecordKind::Summary, lines: 12 };
    let held = HeldLines { stream: "{}".into(), bytes: b"at x\n".to_vec(), lines: 1 };
    let totals = Accounting { read: 15, forwarded: 2, open: 13, ..Accounting::default() };
    let commit = Commit {
        records: Some(&lines(&["a", "b"])),
        positions: &[position("files/1", "10"), position("files/2", "20")],
        windows_changed: std::slice::from_ref(&window),
        held: Some(std::slice::from_ref(&held)),
        storms: Some(b"[1]"),
        totals,
        ..Commit::default()
    };
    assert_eq!(store.commit(&commit).unwrap().batch, Some(BatchNumber(1)));
    drop(store);

    let (_store, again) = open(directory.path());
    assert_eq!(again.generation, 2);
    assert_eq!(again.store_id, recovered.store_id);
    assert_eq!(again.positions, [position("files/1", "10"), position("files/2", "20")]);
    assert_eq!(again.windows, [window]);
    assert_eq!(again.held, [held]);
    assert_eq!(again.storms.as_deref(), Some(&b"[1]"[..]));
    assert_eq!(again.totals, totals);
    assert_eq!(again.note, None);
    let mut reader = Reader::open(directory.path()).unwrap();
    assert_eq!(all(&mut reader, Cursor::default()), ["a", "b"]);
}

#[test]
fn a_commit_replaces_and_forgets() {
    let directory = TempDir::new().unwrap();
    let (mut store, _) = open(directory.path());
    let window = |key: &str, lines| OpenWindow { key: key.into(), json: b"{}\n".to_vec(), kind: RecordKind::Summary, lines };
    let held = HeldLines { stream: "{}".into(), bytes: b"x\n".to_vec(), lines: 1 };
    store
        .commit(&Commit {
            positions: &[position("a", "1"), position("b", "1")],
            windows_changed: &[window("a", 1), window("b", 1)],
            held: Some(&[held]),
            ..Commit::default()
        })
        .unwrap();
    store
        .commit(&Commit {
            positions: &[position("a", "2")],
            forgotten: &["b".into()],
            windows_changed: &[window("b", 2)],
            windows_closed: &["a".into()],
            held: Some(&[]),
            ..Commit::default()
        })
        .unwrap();
    drop(store);
    let (_store, again) = open(directory.path());
    assert_eq!(again.positions, [position("a", "2")]);
    assert_eq!(again.windows, [window("b", 2)]);
    assert!(again.held.is_empty());
}

#[test]
fn batches_go_when_all_outputs_have_passed_them() {
    let directory = TempDir::new().unwrap();
    let (mut store, _) = open(directory.path());
    store.set_outputs(&["fast", "slow"]).unwrap();
    for body in ["a", "b", "c"] {
        add(&mut store, &lines(&[body]));
    }
    let mut reader = Reader::open(directory.path()).unwrap();
    store.commit(&Commit { progress: &[delivered("fast", Cursor::at(BatchNumber(4)), 3)], ..Commit::default() }).unwrap();
    assert_eq!(all(&mut reader, Cursor::default()), ["a", "b", "c"]);
    // The last record of a batch may be told in either way.
    let done = Cursor { batch: BatchNumber(2), done: 1 };
    store.commit(&Commit { progress: &[delivered("slow", done, 2)], ..Commit::default() }).unwrap();
    assert_eq!(all(&mut reader, Cursor::default()), ["c"]);
    drop(store);
    let (_store, again) = open(directory.path());
    assert_eq!(again.cursors["fast"], Cursor::at(BatchNumber(4)));
    assert_eq!(again.cursors["slow"], Cursor::at(BatchNumber(3)));
}

#[test]
fn a_second_opener_is_refused_and_told_who_is_there() {
    let directory = TempDir::new().unwrap();
    let (store, _) = open(directory.path());
    let refused = Store::open(&options(directory.path()), NOW).unwrap_err();
    assert_eq!(refused.remedy(), Remedy::Stop);
    let told = refused.to_string();
    assert!(told.contains(&format!("in use by process {}; stop it first", std::process::id())), "{told}");
    drop(store);
    open(directory.path());
}

#[test]
fn the_files_are_for_us_alone() {
    use std::os::unix::fs::PermissionsExt;
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("state/squelch");
    let (_store, _) = open(&directory);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for name in ["squelch.db", "squelch.db-wal", "squelch.db-shm", "squelch.lock"] {
        assert_eq!(mode(&directory.join(name)), 0o600, "{name}");
    }
}
