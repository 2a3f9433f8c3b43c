//! What happens when the disk, the file or somebody else does what they should not.

use super::*;
use crate::engine::Accounting;
use crate::inputs::event::Position;
use crate::time::{SECOND, UnixNanos};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const NOW: UnixNanos = UnixNanos(1_700_000_000 * SECOND);

fn options(directory: &Path) -> Options {
    Options { directory: directory.to_owned(), sync: false, ..Options::default() }
}

fn open(directory: &Path) -> (Store, Recovered) {
    Store::open(&options(directory), NOW).unwrap()
}

fn database(directory: &TempDir) -> PathBuf {
    directory.path().join("squelch.db")
}

fn position(key: &str) -> Position {
    Position { key: key.into(), value: b"{}".as_slice().into() }
}

/// Pseudo-random numbers, the same in each run.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

fn one_record(size: usize) -> Records {
    let mut state = size as u64;
    let body: String = (0..size).map(|_| char::from(b'a' + (random(&mut state) % 26) as u8)).collect();
    let mut records = Records::default();
    records.push(RecordKind::Line, format!(r#"{{"body":"{body}"}}"#).as_bytes());
    records
}

/// Fills a store with a little of everything.
fn fill(store: &mut Store) {
    store.set_outputs(&["a", "b"]).unwrap();
    for n in 0..30_u64 {
        let window = OpenWindow { key: format!("stream/{n}").into(), json: vec![b'x'; 300], kind: RecordKind::Summary, lines: n };
        let held = HeldLines { stream: "{}".into(), bytes: b"at com.example\n".to_vec(), lines: 1 };
        let dead = DeadLetter { output: "a".into(), json: b"{}".to_vec(), kind: RecordKind::Line, reason: "no".to_owned() };
        store
            .commit(&Commit {
                records: Some(&one_record(2000)),
                positions: &[position(&format!("files/{n}"))],
                windows_changed: &[window],
                held: Some(&[held]),
                storms: Some(b"[]"),
                totals: Accounting { read: n, forwarded: n, ..Accounting::default() },
                progress: &[Progress::Delivered { output: "a".into(), cursor: Cursor::at(BatchNumber(n as i64)), records: 1, dead: vec![dead] }],
                ..Commit::default()
            })
            .unwrap();
    }
}

/// Everything but what a start changes.
fn content(recovered: &Recovered) -> Recovered {
    Recovered { generation: 0, note: None, ..recovered.clone() }
}

#[test]
fn a_full_disk_changes_nothing_and_the_same_commit_goes_through_later() {
    let directory = TempDir::new().unwrap();
    let (mut store, _) = open(directory.path());
    fill(&mut store);
    let limit = |store: &Store, pages: i64| store.connection().query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    limit(&store, 1);
    let records = one_record(1 << 20);
    let commit = Commit { records: Some(&records), positions: &[position("new")], ..Commit::default() };
    for _ in 0..3 {
        let refused = store.commit(&commit).unwrap_err();
        assert!(matches!(refused, StoreError::Full(_)), "{refused}");
        assert_eq!(refused.remedy(), Remedy::Retry);
    }
    // What outputs tell needs no room.
    let told = Progress::Delivered { output: "b".into(), cursor: Cursor::at(BatchNumber(20)), records: 20, dead: Vec::new() };
    store.commit(&Commit { progress: &[told], ..Commit::default() }).unwrap();
    limit(&store, 1 << 30);
    assert_eq!(store.commit(&commit).unwrap().batch, Some(BatchNumber(31)));
    drop(store);
    let (_store, again) = open(directory.path());
    assert_eq!(again.positions.len(), 31);
    assert_eq!(again.cursors["b"], Cursor::at(BatchNumber(20)));
}

#[test]
fn a_directory_that_takes_no_files_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o500)).unwrap();
    // Modes do not bind root, who gets a store; everybody else gets the error.
    match Store::open(&options(directory.path()), NOW) {
        Err(error) => {
            assert!(matches!(error, StoreError::ReadOnly(_)), "{error}");
            assert!(error.to_string().contains(directory.path().to_str().unwrap()), "{error}");
        }
        Ok(_) => fs::write(directory.path().join("probe"), "").expect("whoever gets a store is not bound by modes"),
    }
    // A file where the directory should be stops everybody.
    let file = directory.path().join("file");
    if fs::write(&file, "").is_ok() {
        let error = Store::open(&options(&file), NOW).unwrap_err();
        assert!(error.to_string().contains("cannot create the state directory"), "{error}");
    }
}

#[test]
fn a_newer_store_is_refused_and_left_alone() {
    let directory = TempDir::new().unwrap();
    let (mut store, _) = open(directory.path());
    fill(&mut store);
    store.connection().execute("UPDATE schema_version SET version = 99", []).unwrap();
    store.close().unwrap();
    let before = fs::read(database(&directory)).unwrap();
    let refused = Store::open(&options(directory.path()), NOW).unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found: 99, known: 1, .. }), "{refused}");
    assert!(refused.to_string().contains("version 99, this squelch knows 1"), "{refused}");
    assert_eq!(refused.remedy(), Remedy::Stop);
    assert!(fs::read(database(&directory)).unwrap() == before);
}

#[test]
fn what_is_no_store_is_set_aside_and_at_most_three_are_kept() {
    let directory = TempDir::new().unwrap();
    for n in 0..5 {
        fs::write(database(&directory), format!("no database, number {n}").repeat(100)).unwrap();
        let (store, recovered) = open(directory.path());
        let Some(Note::SetAside { file, reason }) = recovered.note else { panic!("{recovered:?}") };
        assert!(!reason.is_empty());
        assert!(fs::read_to_string(&file).unwrap().starts_with(&format!("no database, number {n}")));
        drop(store);
    }
    let status = Status::read(directory.path()).unwrap();
    let names: Vec<_> = status.set_aside.iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(names, [2, 3, 4].map(|n| format!("squelch.db.corrupt-{}", 1_700_000_000 + n)));
}

#[test]
fn another_programs_database_is_set_aside() {
    let directory = TempDir::new().unwrap();
    rusqlite::Connection::open(database(&directory)).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let (_store, recovered) = open(directory.path());
    assert!(matches!(recovered.note, Some(Note::SetAside { reason, .. }) if reason.contains("no store of squelch's")));
}

/// Opens a store whose files were damaged: it is as before, or was set aside; there is nothing between.
fn check_damaged(directory: &TempDir, expected: &Recovered, what: &str) -> bool {
    match Store::open(&options(directory.path()), NOW) {
        Ok((mut store, recovered)) => {
            let was_noticed = recovered.note.is_some();
            if !matches!(recovered.note, Some(Note::SetAside { .. })) {
                let found = content(&recovered);
                assert_eq!((found.store_id, &found.positions, &found.totals), (expected.store_id, &expected.positions, &expected.totals), "{what}");
                assert_eq!((&found.held, &found.storms, &found.cursors), (&expected.held, &expected.storms, &expected.cursors), "{what}");
                assert!(found.windows == expected.windows, "{what}: windows");
            }
            let mut reader = Reader::open(directory.path()).unwrap();
            let mut cursor = Cursor::default();
            while let Ok(Some(batch)) = reader.next(cursor, usize::MAX) {
                cursor = batch.cursor_after(batch.records.len());
                assert!(batch.records.iter().all(|record| record.json == one_record(2000).get(0).unwrap().json), "{what}");
            }
            // Damage that was not seen at the start is seen when its page is used: an error, no panic.
            if let Err(error) = store.commit(&Commit { records: Some(&one_record(10)), ..Commit::default() }) {
                assert_eq!(error.remedy(), Remedy::Recreate, "{what}: {error}");
                store.recreate(NOW).unwrap();
                store.commit(&Commit { records: Some(&one_record(10)), ..Commit::default() }).unwrap();
            }
            was_noticed
        }
        // A flipped bit in the version.
        Err(error) => {
            assert!(matches!(error, StoreError::Newer { .. }), "{what}: {error}");
            true
        }
    }
}

#[test]
fn flipped_bits_are_noticed_or_harmless() {
    let original = TempDir::new().unwrap();
    let (mut store, _) = open(original.path());
    fill(&mut store);
    drop(store);
    let bytes = fs::read(database(&original)).unwrap();
    let expected = {
        let copy = TempDir::new().unwrap();
        fs::write(database(&copy), &bytes).unwrap();
        content(&open(copy.path()).1)
    };
    let mut state = 7;
    let mut noticed = 0;
    for n in 0..150 {
        let copy = TempDir::new().unwrap();
        let mut damaged = bytes.clone();
        // A third of them in the first page, where the header and the schema are.
        let range = if n % 3 == 0 { 4096 } else { bytes.len() };
        let bit = random(&mut state) % (range * 8);
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(database(&copy), &damaged).unwrap();
        noticed += usize::from(check_damaged(&copy, &expected, &format!("bit {} of byte {}", bit % 8, bit / 8)));
    }
    assert!(noticed > 10, "{noticed}");
}

#[test]
fn a_torn_file_is_noticed() {
    let original = TempDir::new().unwrap();
    let (mut store, _) = open(original.path());
    fill(&mut store);
    drop(store);
    let bytes = fs::read(database(&original)).unwrap();
    let expected = {
        let copy = TempDir::new().unwrap();
        fs::write(database(&copy), &bytes).unwrap();
        content(&open(copy.path()).1)
    };
    let mut state = 3;
    for _ in 0..30 {
        let copy = TempDir::new().unwrap();
        let length = 1 + random(&mut state) % (bytes.len() - 1);
        fs::write(database(&copy), &bytes[..length]).unwrap();
        assert!(check_damaged(&copy, &expected, &format!("cut at {length}")), "cut at {length}");
        // A hole instead of an end.
        let mut holed = bytes.clone();
        let start = random(&mut state) % bytes.len();
        let end = (start + 4096).min(bytes.len());
        holed[start..end].fill(0);
        let copy = TempDir::new().unwrap();
        fs::write(database(&copy), &holed).unwrap();
        check_damaged(&copy, &expected, &format!("zeros from {start}"));
    }
}

#[test]
fn what_is_whole_in_a_damaged_store_is_saved() {
    let directory = TempDir::new().unwrap();
    let (mut store, before) = open(directory.path());
    fill(&mut store);
    let page = "SELECT pageno FROM dbstat WHERE name = 'bodies' AND pagetype = 'leaf' LIMIT 1 OFFSET 2";
    let page: usize = store.connection().query_row(page, [], |row| row.get::<_, i64>(0)).unwrap() as usize;
    drop(store);
    let mut bytes = fs::read(database(&directory)).unwrap();
    bytes[(page - 1) * 4096..page * 4096].fill(0xee);
    fs::write(database(&directory), &bytes).unwrap();

    let (mut store, recovered) = open(directory.path());
    let Some(Note::Salvaged { file, records_lost, .. }) = &recovered.note else { panic!("{:?}", recovered.note) };
    assert!(file.exists() && (1..=3).contains(records_lost), "{records_lost}");
    assert_eq!((recovered.store_id, recovered.generation), (before.store_id, 2));
    assert_eq!((recovered.positions.len(), recovered.windows.len(), recovered.totals.read), (30, 30, 29));
    let mut reader = Reader::open(directory.path()).unwrap();
    let (mut cursor, mut read) = (Cursor::default(), 0);
    while let Some(batch) = reader.next(cursor, usize::MAX).unwrap() {
        cursor = batch.cursor_after(batch.records.len());
        read += batch.records.len() as u64;
    }
    assert_eq!((read, reader.damaged()), (30 - records_lost, 0));
    let mut letters = 0;
    dead_letters(directory.path(), None, |_| {
        letters += 1;
        true
    })
    .unwrap();
    assert_eq!(letters, 30);
    assert_eq!(store.commit(&Commit { records: Some(&one_record(10)), ..Commit::default() }).unwrap().batch, Some(BatchNumber(31)));
}

#[test]
fn a_reader_that_never_pauses_stops_records_before_the_log_fills_the_disk() {
    let directory = TempDir::new().unwrap();
    let (mut store, _) = open(directory.path());
    let stuck = rusqlite::Connection::open(database(&directory)).unwrap();
    stuck.execute_batch("BEGIN; SELECT count(*) FROM batches").unwrap();
    let _: i64 = stuck.query_row("SELECT count(*) FROM batches", [], |row| row.get(0)).unwrap();
    let records = one_record(1 << 20);
    let commit = Commit { records: Some(&records), ..Commit::default() };
    let refused = (0..40).find_map(|_| store.commit(&commit).err()).unwrap();
    assert!(matches!(refused, StoreError::Busy(_)), "{refused}");
    assert_eq!(refused.remedy(), Remedy::Retry);
    store.commit(&Commit { positions: &[position("p")], ..Commit::default() }).unwrap();
    stuck.execute_batch("COMMIT").unwrap();
    store.commit(&commit).unwrap();
    assert!(fs::metadata(directory.path().join("squelch.db-wal")).unwrap().len() < 2 << 20);
}

#[test]
fn an_empty_file_becomes_a_new_store() {
    let directory = TempDir::new().unwrap();
    fs::write(database(&directory), "").unwrap();
    assert_eq!(open(directory.path()).1.note, Some(Note::New));
}

#[test]
fn a_damaged_batch_is_left_out_and_counted() {
    let directory = TempDir::new().unwrap();
    let (mut store, _) = open(directory.path());
    for _ in 0..3 {
        store.commit(&Commit { records: Some(&one_record(100)), ..Commit::default() }).unwrap();
    }
    store.connection().execute("UPDATE bodies SET body = zeroblob(20) WHERE number = 2", []).unwrap();
    let mut reader = Reader::open(directory.path()).unwrap();
    let first = reader.next(Cursor::default(), usize::MAX).unwrap().unwrap();
    let second = reader.next(first.cursor_after(1), usize::MAX).unwrap().unwrap();
    assert_eq!((second.number, reader.damaged()), (BatchNumber(3), 1));
}

/// Makes the file go away while the store is open, then mends it.
fn check_mended(vanish: impl FnOnce(&TempDir), expected: impl FnOnce(&Note) -> bool) {
    let directory = TempDir::new().unwrap();
    let (mut store, recovered) = open(directory.path());
    fill(&mut store);
    let mut reader = Reader::open(directory.path()).unwrap();
    assert_eq!(reader.newest().unwrap(), Some(BatchNumber(30)));
    vanish(&directory);
    let lost = store.commit(&Commit::default()).unwrap_err();
    assert!(matches!(lost, StoreError::Deleted(_)), "{lost}");
    assert_eq!(lost.remedy(), Remedy::Recreate);
    let note = store.recreate(NOW).unwrap();
    assert!(expected(&note), "{note:?}");
    let totals = Accounting { read: 29, forwarded: 29, ..Accounting::default() };
    let committed = store.commit(&Commit { records: Some(&one_record(10)), totals, ..Commit::default() }).unwrap();
    assert_eq!(committed.batch, Some(BatchNumber(31)));
    assert_eq!(reader.newest().unwrap(), Some(BatchNumber(31)));
    drop(store);
    let (_store, again) = open(directory.path());
    if note == Note::Rebuilt {
        assert_eq!(again.store_id, recovered.store_id);
        assert_eq!((again.positions.len(), again.windows.len(), again.held.len()), (30, 30, 1));
        assert_eq!(again.cursors["a"], Cursor::at(BatchNumber(29)));
    } else {
        assert_ne!(again.store_id, recovered.store_id);
        assert_eq!(again.cursors["a"], Cursor::at(BatchNumber(31)));
    }
    assert_eq!(again.totals, totals);
}

#[test]
fn a_deleted_store_is_written_anew_from_the_open_handle() {
    check_mended(|directory| fs::remove_file(database(directory)).unwrap(), |note| *note == Note::Rebuilt);
}

#[test]
fn a_deleted_directory_is_made_anew() {
    check_mended(|directory| fs::remove_dir_all(directory.path()).unwrap(), |note| *note == Note::Rebuilt);
}

#[test]
fn a_store_that_cannot_be_written_anew_yet_is_written_anew_later() {
    let directory = TempDir::new().unwrap();
    let (mut store, recovered) = open(directory.path());
    fill(&mut store);
    fs::remove_file(database(&directory)).unwrap();
    // A folder where the new file has to be written.
    let obstacle = directory.path().join("squelch.db.rebuilt");
    fs::create_dir(&obstacle).unwrap();
    for _ in 0..2 {
        assert_eq!(store.recreate(NOW).unwrap_err().remedy(), Remedy::Retry);
        assert!(matches!(store.commit(&Commit::default()), Err(StoreError::Deleted(_))));
    }
    fs::remove_dir(&obstacle).unwrap();
    assert_eq!(store.recreate(NOW).unwrap(), Note::Rebuilt);
    assert_eq!(store.status().unwrap().records, 30);
    drop(store);
    let (_store, again) = open(directory.path());
    assert_eq!((again.store_id, again.generation, again.positions.len()), (recovered.store_id, 2, 30));
}

#[test]
fn a_deleted_log_is_written_anew() {
    check_mended(|directory| fs::remove_file(directory.path().join("squelch.db-wal")).unwrap(), |note| *note == Note::Rebuilt);
}

#[test]
fn a_file_put_in_the_place_of_the_store_is_set_aside() {
    let replace = |directory: &TempDir| {
        fs::remove_file(database(directory)).unwrap();
        fs::write(database(directory), "theirs").unwrap();
    };
    check_mended(replace, |note| *note == Note::Rebuilt);
}

#[test]
fn a_store_that_cannot_be_read_any_more_begins_anew_with_what_is_in_memory() {
    let directory = TempDir::new().unwrap();
    let (mut store, recovered) = open(directory.path());
    fill(&mut store);
    store.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    // Everything but the first page becomes nonsense under the open connection.
    let length = fs::metadata(database(&directory)).unwrap().len() as usize;
    let mut bytes = fs::read(database(&directory)).unwrap();
    bytes[4096..].fill(0xa5);
    fs::write(database(&directory), &bytes).unwrap();
    assert_eq!(bytes.len(), length);
    store.connection().execute_batch("PRAGMA shrink_memory").unwrap();
    let broken = store.commit(&Commit { records: Some(&one_record(10)), ..Commit::default() }).unwrap_err();
    assert_eq!(broken.remedy(), Remedy::Recreate, "{broken}");
    let note = store.recreate(NOW).unwrap();
    assert!(matches!(note, Note::SetAside { .. }), "{note:?}");
    assert_ne!(store.store_id(), recovered.store_id);
    assert_eq!(store.commit(&Commit { records: Some(&one_record(10)), ..Commit::default() }).unwrap().batch, Some(BatchNumber(31)));
    drop(store);
    let (_store, again) = open(directory.path());
    assert_eq!((again.cursors.len(), again.note), (2, None));
}
