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

#[test]
fn an_output_that_is_gone_loses_its_cursor_and_a_new_one_starts_at_the_oldest_batch() {
    let directory = TempDir::new().unwrap();
    let (mut store, _) = open(directory.path());
    store.set_outputs(&["old", "slow"]).unwrap();
    for body in ["a", "b", "c"] {
        add(&mut store, &lines(&[body]));
    }
    let progress = [delivered("old", Cursor::at(BatchNumber(4)), 3), delivered("slow", Cursor::at(BatchNumber(2)), 1)];
    store.commit(&Commit { progress: &progress, ..Commit::default() }).unwrap();
    let cursors = store.set_outputs(&["slow", "new"]).unwrap();
    assert_eq!(cursors.into_iter().collect::<Vec<_>>(), [("new".into(), Cursor::at(BatchNumber(2))), ("slow".into(), Cursor::at(BatchNumber(2)))]);
    // What an output tells that is registered no more changes nothing.
    store.commit(&Commit { progress: &[delivered("old", Cursor::at(BatchNumber(9)), 1)], ..Commit::default() }).unwrap();
    drop(store);
    assert_eq!(open(directory.path()).1.cursors.len(), 2);
}

#[test]
fn an_output_that_has_nothing_to_take_waits_for_the_next_batch() {
    let directory = TempDir::new().unwrap();
    let (mut store, _) = open(directory.path());
    assert_eq!(store.set_outputs(&["a"]).unwrap()["a"], Cursor::at(BatchNumber(1)));
}

#[test]
fn a_cursor_never_goes_back() {
    let directory = TempDir::new().unwrap();
    let (mut store, _) = open(directory.path());
    store.set_outputs(&["a"]).unwrap();
    for cursor in [Cursor { batch: BatchNumber(7), done: 3 }, Cursor { batch: BatchNumber(7), done: 1 }] {
        store.commit(&Commit { progress: &[delivered("a", cursor, 1)], ..Commit::default() }).unwrap();
    }
    drop(store);
    assert_eq!(open(directory.path()).1.cursors["a"], Cursor { batch: BatchNumber(7), done: 3 });
}

#[test]
fn a_batch_is_taken_in_pieces() {
    let directory = TempDir::new().unwrap();
    let (mut store, _) = open(directory.path());
    add(&mut store, &lines(&["a", "b", "c"]));
    let mut reader = Reader::open(directory.path()).unwrap();
    // A record and its newline are 13 bytes; at least one comes whatever is asked for.
    let first = reader.next(Cursor::default(), 1).unwrap().unwrap();
    assert_eq!((bodies(&first.records), first.cursor_after(1)), (vec!["a".to_owned()], Cursor { batch: BatchNumber(1), done: 1 }));
    assert_eq!(first.cursor_after(0), Cursor { batch: BatchNumber(1), done: 0 });
    let rest = reader.next(first.cursor_after(1), 26).unwrap().unwrap();
    assert_eq!(bodies(&rest.records), ["b", "c"]);
    assert_eq!(rest.cursor_after(1), Cursor { batch: BatchNumber(1), done: 2 });
    assert_eq!(rest.cursor_after(2), Cursor::at(BatchNumber(2)));
    assert_eq!(reader.next(rest.cursor_after(2), 1).unwrap(), None);
}

#[test]
fn a_large_commit_becomes_several_batches() {
    let directory = TempDir::new().unwrap();
    let (mut store, _) = open(directory.path());
    let body = "x".repeat(400 << 10);
    assert_eq!(add(&mut store, &lines(&[&body, &body, &body, "end"])).batch, Some(BatchNumber(2)));
    let mut reader = Reader::open(directory.path()).unwrap();
    assert_eq!(reader.next(Cursor::default(), usize::MAX).unwrap().unwrap().records.len(), 2);
    assert_eq!(all(&mut reader, Cursor::default()).len(), 4);
    assert_eq!(reader.newest().unwrap(), Some(BatchNumber(2)));
}

#[test]
fn alerts_overtake_a_backlog() {
    use RecordKind::{Line, Storm};
    let directory = TempDir::new().unwrap();
    let (mut store, _) = open(directory.path());
    for _ in 0..3 {
        add(&mut store, &lines(&["backlog"]));
    }
    add(&mut store, &records(&[(Line, "x"), (Storm, "alert"), (Line, "y"), (Storm, "over")]));
    add(&mut store, &lines(&["after"]));
    let mut reader = Reader::open(directory.path()).unwrap();
    let Found::Batch(batch) = reader.next_of_kind(Cursor::default(), Storm, 1).unwrap() else { panic!("an alert waits") };
    assert_eq!((batch.number, bodies(&batch.records)), (BatchNumber(4), vec!["alert".to_owned()]));
    let Found::Batch(batch) = reader.next_of_kind(batch.cursor_after(1), Storm, 1).unwrap() else { panic!("another alert waits") };
    assert_eq!(bodies(&batch.records), ["over"]);
    // No alert behind it: an output for alerts may move to the end, so that the lines can go.
    assert_eq!(reader.next_of_kind(batch.cursor_after(1), Storm, 1).unwrap(), Found::NothingBefore(Cursor::at(BatchNumber(6))));
    assert_eq!(reader.next_of_kinds(Cursor::at(BatchNumber(6)), &[Line, Storm], 1).unwrap(), Found::NothingBefore(Cursor::at(BatchNumber(6))));
}

#[test]
fn a_full_store_blocks_records_but_not_what_outputs_tell() {
    let directory = TempDir::new().unwrap();
    let (mut store, _) = Store::open(&Options { bytes_max: 400 << 10, ..options(directory.path()) }, NOW).unwrap();
    store.set_outputs(&["a"]).unwrap();
    let mut refused = None;
    let mut batches = 0;
    for n in 0..100 {
        match store.commit(&Commit { records: Some(&noise(n, 10)), positions: &[position("p", &n.to_string())], ..Commit::default() }) {
            Ok(_) => batches += 1,
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let refused = refused.unwrap();
    assert!(matches!(refused, StoreError::Full(_)), "{refused}");
    assert_eq!(refused.remedy(), Remedy::Retry);
    assert!((5..50).contains(&batches), "{batches}");
    // State without records goes through; so does what makes room.
    store.commit(&Commit { positions: &[position("q", "1")], ..Commit::default() }).unwrap();
    store.commit(&Commit { progress: &[delivered("a", Cursor::at(BatchNumber(4)), 30)], ..Commit::default() }).unwrap();
    add(&mut store, &noise(0, 10));
    drop(store);
    let (_store, again) = open(directory.path());
    assert_eq!(again.positions, [position("p", &(batches - 1).to_string()), position("q", "1")]);
}

#[test]
fn a_commit_larger_than_the_store_does_not_wait_forever() {
    let directory = TempDir::new().unwrap();
    let (mut store, _) = Store::open(&Options { bytes_max: 100 << 10, ..options(directory.path()) }, NOW).unwrap();
    assert!(add(&mut store, &noise(1, 200)).full);
}

#[test]
fn a_full_store_drops_lines_then_samples_then_summaries_and_alerts_last() {
    use RecordKind::{Burst, Line, Storm, Summary};
    let directory = TempDir::new().unwrap();
    let drop_oldest = Options { bytes_max: 300 << 10, on_full: OnFull::DropOldest, ..options(directory.path()) };
    let (mut store, _) = Store::open(&drop_oldest, NOW).unwrap();
    store.set_outputs(&["a"]).unwrap();
    let mut all_dropped = Dropped::default();
    let mut mixed = |store: &mut Store, n: u64, kinds: &[RecordKind]| {
        let mut records = Records::default();
        for (at, kind) in (0..).zip(kinds) {
            let noise = text(n * 10 + at, 4000);
            let json = match kind {
                Summary => format!(r#"{{"squelch.lines":7,"squelch.samples":[{{"body":"{noise}"}}]}}"#),
                _ => format!(r#"{{"n":{n},"body":"{noise}"}}"#),
            };
            records.push(*kind, json.as_bytes());
        }
        let committed = store.commit(&Commit { records: Some(&records), ..Commit::default() }).unwrap();
        all_dropped.add(&committed.dropped);
        (committed.bytes, all_dropped)
    };
    for n in 0..40 {
        let (bytes, dropped) = mixed(&mut store, n, &[Line, Summary, Storm, Line]);
        assert!(bytes <= 320 << 10, "{bytes}");
        let [lines, summaries, bursts, storms, absorbed] = dropped.records;
        assert_eq!((summaries, bursts, storms, absorbed), (0, 0, 0, 0));
        assert_eq!(dropped.lines, lines);
        assert!(dropped.samples == 0 || lines + 2 >= 2 * (n + 1) - 2, "samples went before lines: {dropped:?}");
    }
    let (_, dropped) = mixed(&mut store, 40, &[Line]);
    assert!(dropped.samples > 0, "{dropped:?}");
    for n in 41..120 {
        mixed(&mut store, n, &[Storm]);
    }
    let (_, dropped) = mixed(&mut store, 200, &[Burst]);
    assert!(dropped.records[Summary as usize] == 40 && dropped.records[Storm as usize] > 0, "{dropped:?}");
    assert_eq!(dropped.lines, dropped.records[Line as usize] + 7 * 40);
    assert_eq!(*store.dropped(), dropped);
    drop(store);
    let (store, _) = Store::open(&drop_oldest, NOW).unwrap();
    assert_eq!(*store.dropped(), dropped);
}

#[test]
fn what_summaries_count_anyway_is_the_first_to_go() {
    let directory = TempDir::new().unwrap();
    let drop_oldest = Options { bytes_max: 300 << 10, on_full: OnFull::DropOldest, ..options(directory.path()) };
    let (mut store, _) = Store::open(&drop_oldest, NOW).unwrap();
    store.set_outputs(&["a"]).unwrap();
    for n in 0..40 {
        let mut records = Records::default();
        for (at, kind) in [(0, RecordKind::Line), (1, RecordKind::Absorbed), (2, RecordKind::Absorbed)] {
            records.push(kind, format!(r#"{{"n":{n},"body":"{}"}}"#, text(n * 10 + at, 4000)).as_bytes());
        }
        store.commit(&Commit { records: Some(&records), ..Commit::default() }).unwrap();
    }
    let dropped = store.dropped();
    assert!(dropped.records[RecordKind::Absorbed as usize] > 30, "{dropped:?}");
    assert_eq!((dropped.records[RecordKind::Line as usize], dropped.lines), (0, 0), "no line is lost that nobody counts");
}

#[test]
fn what_was_delivered_is_not_counted_as_dropped_and_cursors_stay_true() {
    let directory = TempDir::new().unwrap();
    let drop_oldest = Options { bytes_max: 200 << 10, on_full: OnFull::DropOldest, ..options(directory.path()) };
    let (mut store, _) = Store::open(&drop_oldest, NOW).unwrap();
    store.set_outputs(&["a"]).unwrap();
    let mut first = noise(1, 2);
    first.push(RecordKind::Storm, br#"{"body":"alert"}"#);
    add(&mut store, &first);
    // One of the two lines is delivered; then the store fills.
    let cursor = Cursor { batch: BatchNumber(1), done: 1 };
    store.commit(&Commit { progress: &[delivered("a", cursor, 1)], ..Commit::default() }).unwrap();
    let mut dropped = Dropped::default();
    let mut n = 2;
    while dropped.is_empty() {
        dropped = add(&mut store, &noise(n, 10)).dropped;
        n += 1;
    }
    let gone = 10 - dropped.records[0] % 10;
    assert_eq!(gone, 9, "the delivered line is not among the {} dropped", dropped.records[0]);
    let mut reader = Reader::open(directory.path()).unwrap();
    let batch = reader.next(cursor, 1).unwrap().unwrap();
    assert_eq!((bodies(&batch.records), batch.cursor_after(1)), (vec!["alert".to_owned()], Cursor::at(BatchNumber(2))));
}

#[test]
fn the_file_shrinks_when_the_backlog_is_gone() {
    let directory = TempDir::new().unwrap();
    let (mut store, _) = open(directory.path());
    store.set_outputs(&["a"]).unwrap();
    for n in 0..40 {
        add(&mut store, &noise(n, 600));
    }
    let size = || fs::metadata(directory.path().join("squelch.db")).unwrap().len();
    let full = size();
    store.commit(&Commit { progress: &[delivered("a", Cursor::at(BatchNumber(41)), 1)], ..Commit::default() }).unwrap();
    for _ in 0..60 {
        add(&mut store, &lines(&["x"]));
    }
    assert!(full > 16 << 20 && size() < 10 << 20, "{full} -> {}", size());
}

#[test]
fn the_log_stays_small_while_readers_read() {
    let directory = TempDir::new().unwrap();
    let (mut store, _) = open(directory.path());
    store.set_outputs(&["a"]).unwrap();
    let mut reader = Reader::open(directory.path()).unwrap();
    let mut cursor = Cursor::default();
    let mut largest = 0;
    for n in 0..200 {
        add(&mut store, &noise(n, 200));
        let batch = reader.next(cursor, usize::MAX).unwrap().unwrap();
        cursor = batch.cursor_after(batch.records.len());
        store.commit(&Commit { progress: &[delivered("a", cursor, 200)], ..Commit::default() }).unwrap();
        largest = largest.max(fs::metadata(directory.path().join("squelch.db-wal")).unwrap().len());
    }
    assert!(largest < 8 << 20, "{largest}");
}

#[test]
fn dead_letters_are_kept_listed_and_replayed_for_their_output_alone() {
    let directory = TempDir::new().unwrap();
    let (mut store, _) = open(directory.path());
    store.set_outputs(&["a", "b"]).unwrap();
    add(&mut store, &lines(&["good", "bad"]));
    let dead = DeadLetter { output: "a".into(), json: br#"{"body":"bad"}"#.to_vec(), kind: RecordKind::Line, reason: "é".repeat(600) };
    let end = Cursor::at(BatchNumber(2));
    let progress = [Progress::Delivered { output: "a".into(), cursor: end, records: 1, dead: vec![dead] }, delivered("b", end, 2)];
    store.commit(&Commit { progress: &progress, ..Commit::default() }).unwrap();

    let mut letters = Vec::new();
    let mut list = |output| {
        letters.clear();
        dead_letters(directory.path(), output, |letter| {
            letters.push(letter);
            true
        })
        .unwrap();
        letters.clone()
    };
    assert!(list(Some("b")).is_empty());
    let letter = list(None).remove(0);
    assert_eq!((letter.output.as_str(), letter.reason.len(), &letter.json[..]), ("a", 1024, &br#"{"body":"bad"}"#[..]));

    let unknown = replay_dead_letters(directory.path(), "c", NOW).unwrap_err();
    assert_eq!(unknown.to_string(), "the store knows no output `c`; it knows: a, b");
    assert_eq!(replay_dead_letters(directory.path(), "a", NOW).unwrap(), 1);
    assert!(list(None).is_empty());
    assert_eq!(all(&mut Reader::open(directory.path()).unwrap().for_output("a"), end), ["bad"]);
    assert!(all(&mut Reader::open(directory.path()).unwrap().for_output("b"), end).is_empty());
    // The store that was open meanwhile goes on.
    assert_eq!(add(&mut store, &lines(&["next"])).batch, Some(BatchNumber(3)));
    let outputs = Status::read(directory.path()).unwrap().outputs;
    assert_eq!((outputs[0].queued, outputs[0].dead, outputs[0].letters), (2, 1, 0));
    assert_eq!((outputs[1].queued, outputs[1].delivered), (1, 2));
}

#[test]
fn the_oldest_dead_letters_go_first_and_are_counted() {
    let directory = TempDir::new().unwrap();
    let (mut store, _) = Store::open(&Options { dead_letters_max: 3, ..options(directory.path()) }, NOW).unwrap();
    store.set_outputs(&["a"]).unwrap();
    let letter = |n: u8| DeadLetter { output: "a".into(), json: vec![b'0' + n], kind: RecordKind::Line, reason: String::new() };
    let dead = (0..5).map(letter).collect();
    let progress = [Progress::Delivered { output: "a".into(), cursor: Cursor::default(), records: 0, dead }];
    store.commit(&Commit { progress: &progress, ..Commit::default() }).unwrap();
    let mut kept = Vec::new();
    dead_letters(directory.path(), None, |letter| {
        kept.extend(letter.json);
        true
    })
    .unwrap();
    assert_eq!(kept, b"234");
    assert_eq!(Status::read(directory.path()).unwrap().letters_forgotten, 2);
}

#[test]
fn the_status_says_who_runs_and_how_much_waits() {
    let directory = TempDir::new().unwrap();
    assert!(matches!(Status::read(directory.path()), Err(StoreError::Missing(_))));
    let (mut store, recovered) = open(directory.path());
    store.set_outputs(&["a"]).unwrap();
    let totals = Accounting { read: 3, forwarded: 2, open: 1, ..Accounting::default() };
    store.commit(&Commit { records: Some(&lines(&["a", "b"])), totals, ..Commit::default() }).unwrap();
    let status = Status::read(directory.path()).unwrap();
    assert_eq!(status.held_by, Some(std::process::id()));
    assert_eq!((status.store_id, status.generation), (recovered.store_id, 1));
    assert_eq!((status.batches, status.records, status.outputs[0].queued), (1, 2, 2));
    assert_eq!(status.totals, totals);
    store.close().unwrap();
    assert_eq!(Status::read(directory.path()).unwrap().held_by, None);
}

/// Text that does not compress.
fn text(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + (state >> 58) as u8)
    };
    (0..length).map(letter).collect::<String>().replace('\\', "/")
}

/// Plain lines of 1 KiB that do not compress to less than three quarters.
fn noise(seed: u64, count: u64) -> Records {
    let mut records = Records::default();
    for n in 0..count {
        records.push(RecordKind::Line, format!(r#"{{"body":"{}"}}"#, text(seed * 1000 + n, 1024)).as_bytes());
    }
    records
}
