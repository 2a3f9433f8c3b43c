//! All faults, mixed, for as long as `.ci/soak` says.

use crate::agent::{Agent, Place, metric, wait_until};
use crate::oracle::end;
use crate::receiver::Receiver;
use crate::writer::{Random, Writer};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// Everything is checked after so many lives of the agent.
const LIVES_PER_CHECK: u32 = 4;
/// The storm is at most so far ahead of the agent: it always has something to read, and the disk does not fill.
const AHEAD_BYTES_MAX: u64 = 4 << 20;
/// The storm's file is rotated at this size.
const ROTATED_AT_BYTES: u64 = 32 << 20;
/// A quiet line is committed within this while another file storms, at the 99th percentile.
const QUIET_WITHIN: Duration = Duration::from_millis(1500);

fn minutes() -> u64 {
    std::env::var("SQUELCH_SOAK_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

/// What happened to the agents that are killed.
#[derive(Debug, Default)]
struct Faults {
    kills: u32,
    stops: u32,
    reloads: u32,
    rotations: u32,
    truncations: u32,
    outages: u32,
    stores_deleted: u32,
    checks: u32,
}

#[test]
#[ignore = "takes minutes: .ci/soak runs it"]
fn soak() {
    let until = Instant::now() + Duration::from_secs(60 * minutes());
    let has_failed = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _bell = Bell(&has_failed);
            one_long_life(until, &has_failed);
        });
        let _bell = Bell(&has_failed);
        many_short_lives(until, &has_failed);
    });
}

/// Rings when its thread has failed: the other one need not go on.
struct Bell<'a>(&'a AtomicBool);

impl Drop for Bell<'_> {
    fn drop(&mut self) {
        self.0.fetch_or(thread::panicking(), Ordering::Relaxed);
    }
}

fn many_short_lives(until: Instant, has_failed: &AtomicBool) {
    let receiver = Receiver::start();
    let place = Place::new(&receiver, "");
    let mut writers: Vec<Writer> = (0..6).map(|n| Writer::new(&place.logs(), &format!("{n}.log"))).collect();
    let mut random = Random(0x50a6 ^ std::process::id() as u64);
    let mut faults = Faults::default();
    let started = Instant::now();
    while Instant::now() < until && !has_failed.load(Ordering::Relaxed) {
        let agent = place.start();
        let is_down = random.below(6) == 0;
        receiver.be_down(is_down);
        receiver.fail_half(random.below(2) == 0);
        faults.outages += u32::from(is_down);
        for _ in 0..random.below(300) {
            let writer = &mut writers[random.below(6) as usize];
            writer.retry(random.below(8) as u32);
            if random.below(50) == 0 {
                writer.rotate(200);
                faults.rotations += 1;
            }
            sleep(Duration::from_micros(random.below(4000)));
        }
        strike(&agent, &place, &mut writers, &mut random, &mut faults);
        match random.below(5) {
            0 => {
                assert_eq!(agent.stop(), Some(0), "{}", place.said());
                faults.stops += 1;
            }
            _ => {
                agent.kill();
                faults.kills += 1;
            }
        }
        if (faults.kills + faults.stops) % LIVES_PER_CHECK == 0 {
            end(place.start(), &place, &receiver, &mut writers);
            faults.checks += 1;
            println!("{:?}: {faults:?}", started.elapsed());
        }
    }
    end(place.start(), &place, &receiver, &mut writers);
    let lines: usize = writers.iter().map(Writer::count).sum();
    println!("{faults:?} in {:?}", started.elapsed());
    println!(
        "{lines} lines in {} records, {} records came more than once and were known by their ids; lost 0, doubled 0",
        receiver.records().len(),
        receiver.doubled()
    );
}

/// One more fault before the end of a life, now and then.
fn strike(agent: &Agent, place: &Place, writers: &mut [Writer], random: &mut Random, faults: &mut Faults) {
    match random.below(8) {
        0 => {
            agent.signal("HUP");
            faults.reloads += 1;
        }
        1 => {
            // A file may be truncated when it was read.
            place.wait_until_read(writers.iter().map(Writer::count).sum());
            writers[random.below(6) as usize].truncate();
            faults.truncations += 1;
        }
        2 => {
            place.wait_until_read(writers.iter().map(Writer::count).sum());
            let told = place.said().matches("was deleted or replaced").count();
            fs::remove_file(place.state().join("squelch.db")).expect("it is there");
            writers[0].retry(0);
            wait_until("it says so", || place.said().matches("was deleted or replaced").count() > told);
            place.wait_until_read(writers.iter().map(Writer::count).sum());
            faults.stores_deleted += 1;
        }
        _ => {}
    }
}

/// An agent that is left alone: one file storms as fast as it is read, others are quiet. Memory, descriptors and the latency of quiet lines.
fn one_long_life(until: Instant, has_failed: &AtomicBool) {
    let receiver = Receiver::start();
    let place = Place::new(&receiver, "");
    place.set("commit_every = \"100ms\"", "commit_every = \"1s\"");
    let metrics = place.serve_metrics();
    for n in 0..500 {
        fs::write(place.logs().join(format!("quiet-{n}.log")), "a line from before\n").expect("a file in a new directory");
    }
    let agent = place.start();
    wait_until("metrics are served", || metric(metrics, "squelch_input_bytes_total").is_some());
    let is_over = Arc::<AtomicBool>::default();
    let read = Arc::<AtomicU64>::default();
    let storm = {
        let (logs, is_over, read) = (place.logs(), Arc::clone(&is_over), Arc::clone(&read));
        thread::spawn(move || storm(&logs.join("storm.log"), metrics, &is_over, &read))
    };
    let (mut latencies, mut weights) = (Vec::new(), Vec::new());
    let probes = (until.saturating_duration_since(Instant::now()).as_secs() / 2).max(200);
    let pause = until.saturating_duration_since(Instant::now()) / probes as u32;
    for probe in 0..probes {
        if has_failed.load(Ordering::Relaxed) {
            break;
        }
        let due = Instant::now() + pause;
        latencies.push(latency(&place, &receiver, probe));
        weights.push(agent.weight());
        sleep(due.saturating_duration_since(Instant::now()));
    }
    is_over.store(true, Ordering::Relaxed);
    storm.join().expect("the storm is over");
    if latencies.is_empty() {
        return; // the other thread has failed before we began
    }
    latencies.sort_unstable();
    let percentile = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    println!(
        "{probes} quiet lines beside a storm: p50 {:?}, p99 {:?}, longest {:?} from written to received; {} MiB of storm read",
        percentile(50),
        percentile(99),
        percentile(100),
        read.load(Ordering::Relaxed) >> 20
    );
    let quarter = weights.len() / 4;
    let most = |weights: &[(u64, usize)]| (weights.iter().map(|weight| weight.0).max(), weights.iter().map(|weight| weight.1).max());
    for (n, weights) in weights.chunks(quarter.max(1)).enumerate().take(4) {
        let (resident, descriptors) = most(weights);
        println!("quarter {}: at most {} MiB resident, {} descriptors", n + 1, resident.unwrap_or(0) >> 10, descriptors.unwrap_or(0));
    }
    assert!(percentile(99) < QUIET_WITHIN, "quiet lines wait too long: {:?}", percentile(99));
    let (first, last) = (most(&weights[quarter..2 * quarter]), most(&weights[3 * quarter..]));
    assert!(last.0 <= first.0.map(|kib| kib + kib / 4), "memory grows: {first:?} became {last:?}");
    assert!(last.1 <= first.1.map(|open| open + 8), "descriptors grow: {first:?} became {last:?}");
}

/// From the moment a quiet line is written until the receiver has it, which is after its commit.
fn latency(place: &Place, receiver: &Receiver, probe: u64) -> Duration {
    let path = place.logs().join(format!("quiet-{}.log", probe % 500));
    let mut file = OpenOptions::new().append(true).open(path).expect("it is there");
    let mark = format!("quiet probe {probe} of the soak");
    writeln!(file, "{mark}").expect("a log can be written");
    let written = Instant::now();
    while !receiver.has_body(&mark) {
        assert!(written.elapsed() < Duration::from_secs(60), "{mark} does not arrive:\n{}", place.said());
        sleep(Duration::from_millis(2));
    }
    written.elapsed()
}

/// Writes as fast as the agent reads.
fn storm(path: &std::path::Path, metrics: SocketAddr, is_over: &AtomicBool, read: &AtomicU64) {
    let open = || OpenOptions::new().create(true).append(true).open(path).expect("a log can be opened");
    let (mut file, mut written, mut in_file) = (open(), 0_u64, 0_u64);
    let begun = metric(metrics, "squelch_input_bytes_total").unwrap_or_default() as u64;
    while !is_over.load(Ordering::Relaxed) {
        read.store((metric(metrics, "squelch_input_bytes_total").unwrap_or_default() as u64).saturating_sub(begun), Ordering::Relaxed);
        if written > read.load(Ordering::Relaxed) + AHEAD_BYTES_MAX {
            sleep(Duration::from_millis(5));
            continue;
        }
        let mut lines = Vec::new();
        while lines.len() < 1 << 20 {
            let stamp = jiff::Timestamp::now();
            for _ in 0..100 {
                writeln!(lines, "{stamp:.6} WARN  c.e.storm.Client - Connection to storm:5432 failed, retrying in 0 ms").expect("memory takes all");
            }
        }
        file.write_all(&lines).expect("a log can be written");
        (written, in_file) = (written + lines.len() as u64, in_file + lines.len() as u64);
        if in_file > ROTATED_AT_BYTES {
            fs::rename(path, path.with_extension("log.1")).expect("a log can be renamed");
            (file, in_file) = (open(), 0);
        }
    }
}
