//! What does a commit cost? `cargo bench --bench store [-- DIRECTORY]`
//!
//! In a directory of the disk that the agent would use (default: the system's temporary one): latency of a commit of 50 records of 600 B with
//! positions, windows and an output's progress, as the agent makes it each second; 64 KiB batches a second; reading a backlog; and opening
//! a store after a crash. Records are log-like: some words repeat, numbers and ids do not.

#![allow(clippy::print_stdout)] // printing is what it is for
#![allow(clippy::unwrap_used)] // a measurement that cannot go on should stop where it is

use squelch::clock;
use squelch::inputs::event::Position;
use squelch::store::{BatchNumber, Commit, Cursor, OpenWindow, Options, Progress, Reader, RecordKind, Records, Store};
use std::path::Path;
use std::time::{Duration, Instant};

fn main() {
    let place = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).map_or_else(std::env::temp_dir, Into::into);
    for sync in [true, false] {
        let directory = tempfile::tempdir_in(&place).unwrap();
        println!("synchronous = {}", if sync { "FULL" } else { "NORMAL" });
        latency(directory.path(), sync);
        let directory = tempfile::tempdir_in(&place).unwrap();
        throughput(directory.path(), sync);
    }
}

fn open(directory: &Path, sync: bool) -> (Store, Duration) {
    let start = clock::monotonic();
    let (mut store, _) = Store::open(&Options { directory: directory.to_owned(), sync, ..Options::default() }, clock::now()).unwrap();
    let took = start.elapsed();
    store.set_outputs(&["out"]).unwrap();
    (store, took)
}

fn latency(directory: &Path, sync: bool) {
    const COMMITS: u64 = 2000;
    let (mut store, _) = open(directory, sync);
    let mut took = Vec::new();
    for n in 0..COMMITS {
        let records = records(n, 50, 600);
        let position = Position { key: "files/2049:131077:1".into(), value: format!(r#"{{"offset":{n}}}"#).into_bytes().into() };
        let windows: Vec<OpenWindow> =
            (0..5).map(|at| OpenWindow { key: format!("stream/{at}").into(), json: vec![b'x'; 900], kind: RecordKind::Summary, lines: n }).collect();
        let progress = [Progress::Delivered { output: "out".into(), cursor: Cursor::at(BatchNumber(n as i64)), records: 50, dead: Vec::new() }];
        let commit = Commit { records: Some(&records), positions: &[position], windows_changed: &windows, progress: &progress, ..Commit::default() };
        let start = clock::monotonic();
        store.commit(&commit).unwrap();
        took.push(start.elapsed());
    }
    took.sort();
    let at = |share: f64| took[(took.len() as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("  commit of 50 records of 600 B: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(0.5), at(0.99), at(0.9999));
}

fn throughput(directory: &Path, sync: bool) {
    const BATCHES: u64 = 2000;
    let (mut store, _) = open(directory, sync);
    let made: Vec<Records> = (0..64).map(|n| records(n, 108, 600)).collect();
    let start = clock::monotonic();
    let mut bytes = 0;
    for n in 0..BATCHES {
        bytes = store.commit(&Commit { records: Some(&made[n as usize % made.len()]), ..Commit::default() }).unwrap().bytes;
    }
    let size = made[0].ndjson.len() as f64 / 1024.0;
    let took = start.elapsed();
    println!(
        "  batches of {size:.0} KiB: {:.0} a second, {:.0} MiB/s of records, {:.1} KiB each in the file",
        BATCHES as f64 / took.as_secs_f64(),
        BATCHES as f64 * size / 1024.0 / took.as_secs_f64(),
        bytes as f64 / 1024.0 / BATCHES as f64
    );
    let mut reader = Reader::open(directory).unwrap();
    let (mut cursor, mut read) = (Cursor::default(), 0);
    let start: Instant = clock::monotonic();
    while let Some(batch) = reader.next(cursor, 1 << 20).unwrap() {
        cursor = batch.cursor_after(batch.records.len());
        read += batch.records.ndjson.len();
    }
    println!("  reading them: {:.0} MiB/s", read as f64 / 1_048_576.0 / start.elapsed().as_secs_f64());
    drop(store);
    let (_, took) = open(directory, sync);
    println!("  opening {:.0} MiB after a crash: {:.0} ms", bytes as f64 / 1_048_576.0, took.as_secs_f64() * 1e3);
}

/// Records of a size, the same for a seed.
fn records(seed: u64, count: u64, size: usize) -> Records {
    const WORDS: [&str; 8] = ["connection", "refused", "retrying", "orders-db", "pool", "timeout", "worker", "attempt"];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut records = Records::default();
    for _ in 0..count {
        let mut json =
            format!(r#"{{"timestamp":"2026-11-25T12:01:00.{:09}Z","severity_text":"error","severity_number":17,"body":""#, next() % 1_000_000_000);
        while json.len() < size - 80 {
            json.push_str(WORDS[next() as usize % WORDS.len()]);
            json.push_str(&format!(" {:x} ", next()));
        }
        json.push_str(&format!(r#"","log.record.uid":"{:016x}{:016x}"}}"#, next(), next()));
        records.push(RecordKind::Line, json.as_bytes());
    }
    records
}
