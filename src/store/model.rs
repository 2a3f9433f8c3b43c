//! The store against a naive model of it, with crashes anywhere.

use super::*;
use crate::engine::Accounting;
use crate::inputs::event::Position;
use crate::time::UnixNanos;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use tempfile::TempDir;

const NOW: UnixNanos = UnixNanos(1_700_000_000_000_000_000);
const OUTPUTS: [&str; 2] = ["a", "b"];

#[derive(Clone, Debug)]
enum Step {
    Commit {
        records: u8,
        position: (u8, u8),
        forget: u8,
        window: (u8, u8),
        close: u8,
        held: Option<u8>,
        storms: Option<u8>,
        /// Which output takes how many records.
        takes: (usize, usize),
        /// At which of the durable steps the files are copied, as a power cut would find them.
        copied_at: Option<usize>,
    },
    /// The disk is full for one commit, which is made again when it is not.
    DiskFull,
    /// The process dies.
    Crash,
    /// An orderly stop.
    Stop,
    /// The file is deleted.
    Delete,
}

fn step() -> impl Strategy<Value = Step> {
    let commit = (
        (0..4_u8, (0..4_u8, any::<u8>()), 0..8_u8, (0..4_u8, any::<u8>()), 0..8_u8),
        (proptest::option::of(0..3_u8), proptest::option::of(any::<u8>()), (0..2_usize, 0..6_usize), proptest::option::of(0..5_usize)),
    )
        .prop_map(|((records, position, forget, window, close), (held, storms, takes, copied_at))| Step::Commit {
            records,
            position,
            forget,
            window,
            close,
            held,
            storms,
            takes,
            copied_at,
        });
    prop_oneof![12 => commit, 1 => Just(Step::DiskFull), 2 => Just(Step::Crash), 1 => Just(Step::Stop), 1 => Just(Step::Delete)]
}

/// What must be in the store.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    positions: BTreeMap<Box<str>, Position>,
    windows: BTreeMap<Box<str>, OpenWindow>,
    held: Vec<HeldLines>,
    storms: Option<Vec<u8>>,
    totals: Accounting,
    batches: BTreeMap<i64, Vec<String>>,
    cursors: BTreeMap<Box<str>, Cursor>,
    /// Not in the store: makes every record another one.
    made: u64,
    last_batch: i64,
}

fn open(directory: &Path) -> (Store, Recovered) {
    Store::open(&Options { directory: directory.to_owned(), sync: false, ..Options::default() }, NOW).unwrap()
}

/// All batches, with a reader of its own.
fn batches(directory: &Path) -> BTreeMap<i64, Vec<String>> {
    let mut reader = Reader::open(directory).unwrap();
    let mut found = BTreeMap::new();
    let mut cursor = Cursor::default();
    while let Some(batch) = reader.next(cursor, usize::MAX).unwrap() {
        cursor = batch.cursor_after(batch.records.len());
        found.insert(batch.number.0, batch.records.iter().map(|record| String::from_utf8_lossy(record.json).into_owned()).collect());
    }
    assert_eq!(reader.damaged(), 0);
    found
}

fn check(recovered: &Recovered, directory: &Path, model: &Model) {
    assert_eq!(recovered.positions, model.positions.values().cloned().collect::<Vec<_>>());
    assert_eq!(recovered.windows, model.windows.values().cloned().collect::<Vec<_>>());
    assert_eq!(recovered.held, model.held);
    assert_eq!(recovered.storms, model.storms);
    assert_eq!(recovered.totals, model.totals);
    assert_eq!(recovered.cursors, model.cursors);
    assert_eq!(batches(directory), model.batches);
}

/// What a power cut would leave: the file and its log as they are now.
fn copy(from: &Path) -> TempDir {
    let to = TempDir::new().unwrap();
    for name in ["squelch.db", "squelch.db-wal"] {
        if let Ok(bytes) = fs::read(from.join(name)) {
            fs::write(to.path().join(name), bytes).unwrap();
        }
    }
    to
}

fn run(steps: &[Step]) {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let (mut store, first) = open(path);
    let mut model = Model { cursors: store.set_outputs(&OUTPUTS).unwrap(), ..Model::default() };
    let mut generation = first.generation;
    for step in steps {
        match step {
            Step::Commit { .. } => commit(&mut store, path, &mut model, step),
            Step::DiskFull => disk_full(&mut store, &mut model),
            Step::Crash | Step::Stop => {
                if matches!(step, Step::Stop) {
                    store.close().unwrap();
                } else {
                    drop(store);
                }
                let (again, recovered) = open(path);
                store = again;
                generation += 1;
                check(&recovered, path, &model);
                assert_eq!((recovered.generation, recovered.store_id), (generation, first.store_id));
                store.set_outputs(&OUTPUTS).unwrap();
            }
            Step::Delete => {
                fs::remove_file(path.join("squelch.db")).unwrap();
                assert!(matches!(store.commit(&Commit::default()), Err(StoreError::Deleted(_))));
                assert_eq!(store.recreate(NOW).unwrap(), Note::Rebuilt);
                assert_eq!(batches(path), model.batches);
            }
        }
    }
    drop(store);
    check(&open(path).1, path, &model);
}

fn commit(store: &mut Store, path: &Path, model: &mut Model, step: &Step) {
    let Step::Commit { records, position, forget, window, close, held, storms, takes, copied_at } = step else { return };
    let before = model.clone();
    let mut batch = Records::default();
    for _ in 0..*records {
        model.made += 1;
        batch.push(RecordKind::Line, format!(r#"{{"n":{}}}"#, model.made).as_bytes());
    }
    let position = Position { key: format!("p/{}", position.0).into(), value: vec![position.1].into() };
    let window =
        OpenWindow { key: format!("w/{}", window.0).into(), json: vec![window.1; 40], kind: RecordKind::Summary, lines: u64::from(window.1) };
    let held = held.map(|count| vec![HeldLines { stream: "s".into(), bytes: vec![count; 9], lines: 1 }; usize::from(count)]);
    let storms = storms.map(|storms| vec![storms]);
    let (forgotten, closed) = ([format!("p/{forget}").into()], [format!("w/{close}").into()]);
    let totals = Accounting { read: model.made, forwarded: model.made, ..Accounting::default() };

    let output = OUTPUTS[takes.0];
    let mut reader = Reader::open(path).unwrap();
    let mut cursor = model.cursors[output];
    let mut taken = 0;
    while taken < takes.1
        && let Some(batch) = reader.next(cursor, 1).unwrap()
    {
        taken += batch.records.len();
        cursor = batch.cursor_after(batch.records.len());
    }
    let progress = [Progress::Delivered { output: output.into(), cursor, records: taken as u64, dead: Vec::new() }];

    // The model, first forgotten, then set: as the store promises.
    model.positions.remove(&forgotten[0]);
    model.positions.insert(position.key.clone(), position.clone());
    model.windows.remove(&closed[0]);
    model.windows.insert(window.key.clone(), window.clone());
    model.held = held.clone().unwrap_or_else(|| model.held.clone());
    model.storms = storms.clone().or_else(|| model.storms.take());
    model.totals = totals;
    model.cursors.insert(output.into(), cursor);
    let passed = model.cursors.values().map(|cursor| cursor.batch.0).min().unwrap();
    model.batches.retain(|number, _| *number >= passed);
    if *records > 0 {
        model.last_batch += 1;
        model.batches.insert(model.last_batch, batch.iter().map(|record| String::from_utf8_lossy(record.json).into_owned()).collect());
    }

    let copies = Rc::new(RefCell::new(Vec::new()));
    if let Some(at) = *copied_at {
        let (copies, path, mut passed) = (Rc::clone(&copies), path.to_owned(), 0);
        let hook = move |name: &'static str| {
            if passed == at {
                copies.borrow_mut().push((name, copy(&path)));
            }
            passed += 1;
        };
        set_hook(hook);
    }
    let committed = store.commit(&Commit {
        records: Some(&batch),
        positions: &[position],
        forgotten: &forgotten,
        windows_changed: &[window],
        windows_closed: &closed,
        held: held.as_deref(),
        storms: storms.as_deref(),
        totals,
        progress: &progress,
    });
    failpoint::HOOK.with_borrow_mut(|hook| *hook = None);
    assert_eq!(committed.unwrap().batch, (*records > 0).then_some(BatchNumber(model.last_batch)));
    for (name, copy) in copies.borrow_mut().drain(..) {
        let (_copied, recovered) = open(copy.path());
        let is_through = matches!(name, "after-commit" | "before-checkpoint");
        check(&recovered, copy.path(), if is_through { model } else { &before });
    }
}

fn set_hook(hook: impl FnMut(&'static str) + 'static) {
    failpoint::HOOK.with_borrow_mut(|slot| *slot = Some(Box::new(hook)));
}

fn disk_full(store: &mut Store, model: &mut Model) {
    let limit = |store: &Store, pages: i64| store.connection().query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    let mut records = Records::default();
    let mut state = model.made + 1;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + (state >> 60) as u8)
    };
    let body: String = (0..300_000).map(letter).collect();
    let json = format!(r#"{{"body":"{body}"}}"#);
    records.push(RecordKind::Line, json.as_bytes());
    let position = Position { key: "p/full".into(), value: b"1".as_slice().into() };
    let commit = Commit { records: Some(&records), positions: std::slice::from_ref(&position), totals: model.totals, ..Commit::default() };
    limit(store, 1);
    if let Err(error) = store.commit(&commit) {
        assert!(matches!(error, StoreError::Full(_)), "{error}");
        limit(store, 1 << 30);
        store.commit(&commit).unwrap();
    }
    limit(store, 1 << 30);
    model.last_batch += 1;
    model.batches.insert(model.last_batch, vec![json]);
    model.positions.insert(position.key.clone(), position);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_crash_the_store_is_what_was_committed_last(steps in proptest::collection::vec(step(), 1..25)) {
        run(&steps);
    }

    #[test]
    fn a_log_that_is_cut_anywhere_gives_an_earlier_commit(commits in 1..12_usize, cut in 0.0..1.0_f64) {
        let directory = TempDir::new().unwrap();
        let (mut store, _) = open(directory.path());
        for n in 0..commits {
            let mut records = Records::default();
            records.push(RecordKind::Line, format!(r#"{{"n":{n}}}"#).as_bytes());
            let totals = Accounting { read: n as u64 + 1, ..Accounting::default() };
            store.commit(&Commit { records: Some(&records), totals, ..Commit::default() }).unwrap();
        }
        let copy = copy(directory.path());
        let log = copy.path().join("squelch.db-wal");
        let bytes = fs::read(&log).unwrap();
        fs::write(&log, &bytes[..(bytes.len() as f64 * cut) as usize]).unwrap();
        // Cut before the tables were made, there is a new store.
        let (_store, recovered) = open(copy.path());
        let read = recovered.totals.read;
        prop_assert!(read <= commits as u64);
        prop_assert_eq!(batches(copy.path()).len() as u64, read);
    }
}
