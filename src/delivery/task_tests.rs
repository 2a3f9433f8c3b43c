use super::super::Ndjson;
use super::*;
use crate::store::Records;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Committed batches in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<i64, Records>>>);

impl Memory {
    /// A batch of records: `storm...` is one, all else are lines.
    fn commit(&self, number: i64, uids: &[&str]) {
        let mut records = Records::default();
        for uid in uids {
            records.ndjson.extend_from_slice(format!("{{\"log.record.uid\":\"{uid}\"}}\n").as_bytes());
            records.close_record(if uid.starts_with("storm") { RecordKind::Storm } else { RecordKind::Line });
        }
        self.0.lock().unwrap().insert(number, records);
    }
}

impl Batches for Memory {
    fn next(&mut self, from: Cursor) -> Result<Option<Batch>, ReadError> {
        let batches = self.0.lock().unwrap();
        let found = batches.range(from.batch.0..).next();
        Ok(found.map(|(&number, records)| Batch { number: BatchNumber(number), records: records.clone() }))
    }
    fn next_storms(&mut self, after: BatchNumber) -> Result<Option<Batch>, ReadError> {
        let batches = self.0.lock().unwrap();
        let mut found = batches.range(after.0 + 1..);
        let found = found.find(|(_, records)| records.iter().any(|record| record.kind == RecordKind::Storm));
        Ok(found.map(|(&number, records)| Batch { number: BatchNumber(number), records: records.clone() }))
    }
}

/// A request as the receiver sees it: when, and the ids in it.
type Seen = Arc<Mutex<Vec<(Duration, String)>>>;

/// Answers by a function of the ids in a request and its number.
struct Scripted<F> {
    answer: F,
    seen: Seen,
    started: Instant,
    takes: Duration,
}

impl<F: FnMut(&str, usize) -> Outcome + Send> Sender for Scripted<F> {
    fn target(&self) -> &str {
        "http://logs.example/in"
    }
    async fn send(&mut self, request: &Request) -> Outcome {
        let body = String::from_utf8(request.body.clone()).unwrap();
        let uids = body.replace("{\"log.record.uid\":\"", "").replace("\"}\n", " ");
        let number = {
            let mut seen = self.seen.lock().unwrap();
            seen.push((clock::monotonic_in_tokio() - self.started, uids.trim().to_owned()));
            seen.len() - 1
        };
        tokio::time::sleep(self.takes).await;
        (self.answer)(uids.trim(), number)
    }
}

/// A task and all its ends.
struct Bench {
    memory: Memory,
    seen: Seen,
    news: watch::Sender<BatchNumber>,
    stop: watch::Sender<Stop>,
    progress: mpsc::Receiver<Progress>,
    counters: Arc<Counters>,
    task: tokio::task::JoinHandle<Ended>,
}

impl Bench {
    fn start(memory: &Memory, options: Options, cursor: Cursor, answer: impl FnMut(&str, usize) -> Outcome + Send + 'static) -> Self {
        Self::start_slow(memory, options, cursor, Duration::from_millis(1), answer)
    }
    fn start_slow(
        memory: &Memory,
        options: Options,
        cursor: Cursor,
        takes: Duration,
        answer: impl FnMut(&str, usize) -> Outcome + Send + 'static,
    ) -> Self {
        let newest = memory.0.lock().unwrap().keys().last().copied().unwrap_or(0);
        let (news, news_there) = watch::channel(BatchNumber(newest));
        let (stop, stop_there) = watch::channel(Stop::Run);
        let (progress_there, progress) = mpsc::channel(1000);
        let (seen, counters) = (Seen::default(), Arc::<Counters>::default());
        let sender = Scripted { answer, seen: Arc::clone(&seen), started: clock::monotonic_in_tokio(), takes };
        let task = tokio::spawn(run(Setup {
            name: "out".into(),
            options,
            takes: Box::new(|record| !record.json.windows(8).any(|bytes| bytes == b"unwanted")),
            encoder: Ndjson,
            sender,
            batches: Box::new(memory.clone()),
            news: news_there,
            progress: progress_there,
            cursor,
            stop: stop_there,
            counters: Arc::clone(&counters),
            random: Box::new(|| 0.5),
            alerts_first: true,
        }));
        Self { memory: memory.clone(), seen, news, stop, progress, counters, task }
    }
    fn commit(&self, number: i64, uids: &[&str]) {
        self.memory.commit(number, uids);
        self.news.send(BatchNumber(number)).unwrap();
    }
    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(_, uids)| uids.clone()).collect()
    }
    /// All that was told so far: the last cursor, delivered records, ids of the dead.
    fn told(&mut self) -> (Cursor, u64, Vec<DeadLetter>) {
        let mut all = (Cursor::default(), 0, Vec::new());
        while let Ok(Progress::Delivered { cursor, records, dead, .. }) = self.progress.try_recv() {
            assert!(cursor >= all.0, "a cursor never goes back");
            all = (cursor, all.1 + records, [all.2, dead].concat());
        }
        all
    }
    async fn end(self) -> Ended {
        self.stop.send(Stop::WhenDone).unwrap();
        self.task.await.unwrap()
    }
}

async fn after(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

const START: Cursor = Cursor { batch: BatchNumber(1), done: 0 };

fn at_once() -> Options {
    Options { start_spread: Duration::ZERO, ..Options::default() }
}

const fn cursor(batch: i64, done: u32) -> Cursor {
    Cursor { batch: BatchNumber(batch), done }
}

fn ok() -> Outcome {
    Outcome::Delivered { status: 200 }
}

fn busy() -> Outcome {
    Outcome::Busy { status: 503, retry_after: None, words: String::new() }
}

#[tokio::test(start_paused = true)]
async fn batches_that_wait_go_together_and_news_go_at_once() {
    let memory = Memory::default();
    memory.commit(1, &["a", "b"]);
    memory.commit(2, &["c"]);
    let mut bench = Bench::start(&memory, at_once(), START, |_, _| ok());
    after(1).await;
    assert_eq!(bench.seen(), ["a b c"]);
    assert_eq!(bench.told(), (cursor(3, 0), 3, vec![]));
    bench.commit(3, &["d"]);
    after(1).await;
    assert_eq!(bench.seen(), ["a b c", "d"]);
    assert_eq!(bench.counters.delivered.load(Relaxed), 4);
    assert_eq!(bench.end().await, Ended::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_within_a_batch_goes_on_there_and_unwanted_records_are_passed_over() {
    let memory = Memory::default();
    memory.commit(5, &["a", "b", "unwanted-1", "c"]);
    memory.commit(6, &["unwanted-2"]);
    let mut bench = Bench::start(&memory, at_once(), cursor(5, 1), |_, _| ok());
    after(1).await;
    assert_eq!(bench.seen(), ["b c"]);
    assert_eq!(bench.told(), (cursor(7, 0), 2, vec![]));
    bench.commit(7, &["unwanted-3"]);
    after(1).await;
    assert_eq!(bench.told(), (cursor(8, 0), 0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn batches_without_anything_wanted_do_not_hide_those_behind_them() {
    let memory = Memory::default();
    for number in 1..=3 {
        memory.commit(number, &["unwanted-1", "unwanted-2"]);
    }
    memory.commit(4, &["a"]);
    let options = Options { batch_records_max: 1, ..at_once() };
    let mut bench = Bench::start(&memory, options, START, |_, _| ok());
    after(1).await;
    assert_eq!(bench.told(), (cursor(5, 0), 1, vec![]));
}

#[tokio::test(start_paused = true)]
async fn requests_are_cut_by_number_and_the_cursor_follows_each() {
    let memory = Memory::default();
    memory.commit(1, &["a", "b", "c", "d", "e"]);
    let options = Options { batch_records_max: 2, ..at_once() };
    let mut bench = Bench::start(&memory, options, START, |_, number| if number == 2 { busy() } else { ok() });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(bench.told(), (cursor(1, 4), 4, vec![]));
    after(60).await;
    assert_eq!(bench.seen(), ["a b", "c d", "e", "e"]);
    assert_eq!(bench.told(), (cursor(2, 0), 1, vec![]));
}

#[tokio::test(start_paused = true)]
async fn the_record_that_is_not_liked_dies_alone_and_all_others_arrive_once() {
    let memory = Memory::default();
    memory.commit(1, &["a", "b", "c", "poison", "d", "e", "f"]);
    let mut bench = Bench::start(&memory, at_once(), START, |uids, _| {
        if uids.contains("poison") { Outcome::Rejected { status: 400, words: "mapping: no such thing".into() } } else { ok() }
    });
    after(60).await;
    let (cursor_now, delivered, dead) = bench.told();
    assert_eq!((cursor_now, delivered), (cursor(2, 0), 6));
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].json, br#"{"log.record.uid":"poison"}"#);
    assert_eq!(dead[0].reason, "status 400: mapping: no such thing");
    let taken: Vec<_> = bench.seen().into_iter().filter(|uids| !uids.contains("poison")).collect();
    assert_eq!(taken.join(" "), "a b c d e f", "in order");
    assert_eq!(bench.counters.dead.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_breaks_the_receiver_dies_once_others_are_taken() {
    let refused = Outcome::Refused { status: 403, words: "request blocked".into() };
    let broken = Outcome::Unreachable { kind: Unreachable::Broken, words: "connection reset by peer".into() };
    let error = Outcome::Busy { status: 500, retry_after: None, words: "stack trace".into() };
    for outcome in [refused, broken, error] {
        let memory = Memory::default();
        memory.commit(1, &["a", "b", "c", "poison", "d", "e"]);
        memory.commit(2, &["f"]);
        let answer = outcome.clone();
        let mut bench = Bench::start(&memory, at_once(), START, move |uids, _| if uids.contains("poison") { answer.clone() } else { ok() });
        for number in 3..10 {
            after(1200).await;
            bench.commit(number, &["x"]);
        }
        after(1200).await;
        let (cursor_now, delivered, dead) = bench.told();
        assert_eq!((cursor_now, delivered), (cursor(10, 0), 13), "{outcome:?}");
        assert_eq!(dead.len(), 1, "{outcome:?}");
        assert_eq!(dead[0].json, br#"{"log.record.uid":"poison"}"#);
        assert!(dead[0].reason.contains("while others were taken"), "{}", dead[0].reason);
        let taken: Vec<_> = bench.seen().into_iter().filter(|uids| !uids.contains("poison")).collect();
        assert_eq!(taken.join(" "), "a b c d e f x x x x x x x", "each once");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_dies_of_an_outage_however_long() {
    let memory = Memory::default();
    memory.commit(1, &["a", "b", "c", "d"]);
    memory.commit(2, &["e"]);
    let started = clock::monotonic_in_tokio();
    let mut bench = Bench::start(&memory, at_once(), START, move |_, _| {
        let is_down = clock::monotonic_in_tokio() - started < Duration::from_secs(24 * 3600);
        if is_down { Outcome::Busy { status: 500, retry_after: None, words: String::new() } } else { ok() }
    });
    after(12 * 3600).await;
    bench.commit(3, &["f"]);
    assert_eq!(bench.told(), (Cursor::default(), 0, vec![]));
    after(13 * 3600).await;
    assert_eq!(bench.told(), (cursor(4, 0), 6, vec![]));
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_goes_in_smaller_requests_from_then_on() {
    let memory = Memory::default();
    let uids: Vec<String> = (0..1000).map(|number| format!("r{number:03}")).collect();
    memory.commit(1, &uids.iter().map(String::as_str).collect::<Vec<_>>());
    let options = Options { batch_records_max: 10_000, ..at_once() };
    let mut bench =
        Bench::start(&memory, options, START, |uids, _| if uids.len() > 2000 { Outcome::TooLarge { words: String::new() } } else { ok() });
    after(120).await;
    assert_eq!(bench.told(), (cursor(2, 0), 1000, vec![]));
    assert_eq!(bench.seen().iter().filter(|uids| uids.len() > 2000).count(), 2, "it is told so twice, not for each request");
    bench.commit(2, &uids.iter().map(String::as_str).collect::<Vec<_>>());
    after(120).await;
    assert_eq!(bench.seen().iter().filter(|uids| uids.len() > 2000).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn only_the_part_that_was_not_taken_goes_again() {
    let memory = Memory::default();
    memory.commit(1, &["a", "b", "c", "d"]);
    let mut bench = Bench::start(&memory, at_once(), START, |_, number| match number {
        0 => Outcome::Partial { retry: vec![1, 3], dead: vec![(2, "mapping".into())], retry_after: None },
        _ => ok(),
    });
    after(60).await;
    assert_eq!(bench.seen(), ["a b c d", "b d"]);
    let (cursor_now, delivered, dead) = bench.told();
    assert_eq!((cursor_now, delivered, dead.len()), (cursor(2, 0), 3, 1));
    assert_eq!(dead[0].json, br#"{"log.record.uid":"c"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_alert_overtakes_a_backlog_and_is_not_sent_twice() {
    let memory = Memory::default();
    for number in 1..=100 {
        memory.commit(number, &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
    }
    let options = Options { batch_records_max: 10, ..at_once() };
    let mut bench = Bench::start(&memory, options, START, |_, _| ok());
    tokio::time::sleep(Duration::from_millis(11)).await;
    assert!(bench.seen().len() < 15);
    bench.commit(101, &["storm-1", "z"]);
    tokio::time::sleep(Duration::from_millis(3)).await;
    assert!(bench.seen().contains(&"storm-1".to_owned()), "before ninety batches");
    after(1).await;
    assert_eq!(bench.told(), (cursor(102, 0), 1002, vec![]));
    let seen = bench.seen();
    assert_eq!(seen.iter().filter(|uids| uids.contains("storm")).count(), 1);
    assert_eq!(seen.last().unwrap(), "z");
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_the_alert_goes_first() {
    let memory = Memory::default();
    memory.commit(1, &["a"]);
    let mut bench = Bench::start(&memory, at_once(), START, |_, number| if number < 3 { busy() } else { ok() });
    tokio::time::sleep(Duration::from_millis(100)).await;
    bench.commit(2, &["b"]);
    bench.commit(3, &["storm-1"]);
    after(120).await;
    let seen = bench.seen();
    assert_eq!(seen, ["a", "storm-1", "storm-1", "storm-1", "a", "b"]);
    assert_eq!(bench.told(), (cursor(4, 0), 3, vec![]));
}

#[tokio::test(start_paused = true)]
async fn the_cursor_does_not_pass_an_alert_that_is_still_on_its_way() {
    let memory = Memory::default();
    memory.commit(1, &["storm-1", "a"]);
    // The alert goes at 0.5 s and fails; at 5 s the lane would begin.
    let mut bench = Bench::start(&memory, Options::default(), START, |uids, _| if uids.contains("storm") { busy() } else { ok() });
    after(3600).await;
    assert_eq!(bench.told(), (Cursor::default(), 0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn after_a_start_old_batches_wait_and_alerts_wait_a_tenth_of_it() {
    let memory = Memory::default();
    memory.commit(1, &["a", "storm-1"]);
    let bench = Bench::start(&memory, Options::default(), START, |_, _| ok());
    after(60).await;
    let seen = bench.seen.lock().unwrap().clone();
    assert_eq!(seen[0], (Duration::from_millis(500), "storm-1".into()));
    assert_eq!(seen[1], (Duration::from_millis(5000), "a".into()));
    drop(seen);
    let fresh = Bench::start(&Memory::default(), Options::default(), START, |_, _| ok());
    after(1).await;
    fresh.commit(1, &["b"]);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(fresh.seen(), ["b"], "without a backlog nothing waits");
}

#[tokio::test(start_paused = true)]
async fn a_stop_delivers_what_is_there_and_does_not_wait_for_who_is_down() {
    let memory = Memory::default();
    memory.commit(1, &["a"]);
    let mut bench = Bench::start(&memory, at_once(), START, |_, _| ok());
    bench.stop.send(Stop::WhenDone).unwrap();
    after(1).await;
    assert_eq!(bench.told().0, cursor(2, 0));
    assert_eq!(bench.task.await.unwrap(), Ended::Stopped);

    let down = Bench::start(&memory, at_once(), START, |_, _| busy());
    after(100).await;
    let before = clock::monotonic_in_tokio();
    assert_eq!(down.end().await, Ended::Stopped);
    assert!(clock::monotonic_in_tokio() - before < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_stop_now_abandons_a_request_that_hangs() {
    let memory = Memory::default();
    memory.commit(1, &["a"]);
    let mut bench = Bench::start_slow(&memory, at_once(), START, Duration::from_secs(30), |_, _| ok());
    after(10).await;
    bench.stop.send(Stop::Now).unwrap();
    let before = clock::monotonic_in_tokio();
    assert_eq!((&mut bench.task).await.unwrap(), Ended::Stopped);
    assert!(clock::monotonic_in_tokio() - before < Duration::from_secs(1));
    assert_eq!((bench.seen(), bench.told()), (vec!["a".to_owned()], (Cursor::default(), 0, vec![])), "nothing is told that is not known");
}

#[tokio::test(start_paused = true)]
async fn a_closed_pipe_ends_the_output_for_good() {
    let memory = Memory::default();
    memory.commit(1, &["a"]);
    let bench = Bench::start(&memory, at_once(), START, |_, _| Outcome::Gone { words: "nobody reads it".into() });
    assert_eq!(bench.task.await.unwrap(), Ended::Gone);
}

#[tokio::test(start_paused = true)]
async fn one_output_that_hangs_keeps_no_other_waiting() {
    let memory = Memory::default();
    memory.commit(1, &["a"]);
    let down = Bench::start(&memory, at_once(), START, |_, _| busy());
    let mut fine = Bench::start(&memory, at_once(), START, |_, _| ok());
    for number in 2..=100 {
        fine.commit(number, &["x"]);
        down.commit(number, &["x"]);
    }
    after(1).await;
    assert_eq!(fine.told(), (cursor(101, 0), 100, vec![]));
    assert!(down.counters.last_error().is_some() && fine.counters.last_error().is_none());
}

/// The first read fails.
struct Flaky(Memory, bool);

impl Batches for Flaky {
    fn next(&mut self, from: Cursor) -> Result<Option<Batch>, ReadError> {
        if std::mem::replace(&mut self.1, true) { self.0.next(from) } else { Err(ReadError("database is locked".into())) }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_read_is_read_again() {
    let memory = Memory::default();
    memory.commit(1, &["a"]);
    let (_news, news) = watch::channel(BatchNumber(1));
    let (_stop, stop) = watch::channel(Stop::Run);
    let (progress, mut told) = mpsc::channel(10);
    let seen = Seen::default();
    let task = tokio::spawn(run(Setup {
        name: "out".into(),
        options: at_once(),
        takes: Box::new(|_| true),
        encoder: Ndjson,
        sender: Scripted { answer: |_: &str, _| ok(), seen: Arc::clone(&seen), started: clock::monotonic_in_tokio(), takes: Duration::ZERO },
        batches: Box::new(Flaky(memory, false)),
        news,
        progress,
        cursor: START,
        stop,
        counters: Arc::default(),
        random: Box::new(|| 0.5),
        alerts_first: false,
    }));
    assert!(matches!(told.recv().await, Some(Progress::Delivered { records: 1, .. })));
    task.abort();
}

/// A receiver of moods: each request meets another outcome; what it took is noted, also when its answer got lost.
fn moody(mut rng: StdRng, taken: Arc<Mutex<Vec<String>>>) -> impl FnMut(&str, usize) -> Outcome + Send {
    move |uids, _| {
        let all: Vec<&str> = uids.split(' ').collect();
        let take = |uids: &[&str]| taken.lock().unwrap().extend(uids.iter().map(|uid| (*uid).to_owned()));
        let count = all.len() as u32;
        match rng.random_range(0..14) {
            0 => Outcome::Busy { status: 503, retry_after: Some(Duration::from_secs(rng.random_range(0..100))), words: String::new() },
            1 => Outcome::Busy { status: 500, retry_after: None, words: String::new() },
            2 => Outcome::Refused { status: 401, words: String::new() },
            3 => Outcome::Unreachable { kind: Unreachable::Connect, words: "connection refused".into() },
            4 => {
                take(&all); // and the connection breaks before the answer
                Outcome::Unreachable { kind: Unreachable::Broken, words: "connection reset by peer".into() }
            }
            5 if count > 3 => Outcome::TooLarge { words: String::new() },
            6 if count > 1 => {
                let (retry, taken): (Vec<u32>, Vec<u32>) = (0..count).partition(|_| rng.random::<bool>());
                take(&taken.iter().map(|&at| all[at as usize]).collect::<Vec<_>>());
                Outcome::Partial { retry, dead: vec![], retry_after: None }
            }
            _ if uids.contains("poison") => Outcome::Rejected { status: 400, words: "no".into() },
            _ => {
                take(&all);
                ok()
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_any_moods_of_the_receiver_and_any_stops_each_record_arrives_or_is_a_dead_letter() {
    for seed in 0..60 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (memory, taken) = (Memory::default(), Arc::<Mutex<Vec<String>>>::default());
        let (mut wanted, mut dead) = (HashSet::new(), HashSet::new());
        let (mut at, mut number, mut next) = (START, 0, 0);
        for life in 0..4 {
            let options = Options { batch_records_max: 7, batch_bytes_max: 300, ..Options::default() };
            let moods = moody(StdRng::seed_from_u64(seed * 100 + life), Arc::clone(&taken));
            let mut bench = Bench::start(&memory, options, at, moods);
            for _ in 0..5 {
                number += rng.random_range(1..3);
                let uids: Vec<String> = (0..rng.random_range(1..12))
                    .map(|_| {
                        next += 1;
                        let kind = ["line", "line", "storm", "unwanted", "poison"][rng.random_range(0..5)];
                        format!("{kind}-{next}")
                    })
                    .collect();
                wanted.extend(uids.iter().filter(|uid| !uid.starts_with("unwanted")).cloned());
                bench.commit(number, &uids.iter().map(String::as_str).collect::<Vec<_>>());
                tokio::time::sleep(Duration::from_millis(rng.random_range(0..30_000))).await;
            }
            if life < 3 {
                bench.stop.send(Stop::Now).unwrap();
                (&mut bench.task).await.unwrap();
            } else {
                after(48 * 3600).await;
            }
            let (cursor_now, _, letters) = bench.told();
            at = at.max(cursor_now);
            dead.extend(letters.iter().map(|letter| super::super::record_uid(&letter.json).unwrap().into_owned()));
        }
        assert_eq!(at, cursor(number + 1, 0), "seed {seed}");
        let taken: HashSet<String> = taken.lock().unwrap().iter().cloned().collect();
        assert!(dead.iter().all(|uid| uid.starts_with("poison")), "seed {seed}: {dead:?}");
        let lost: Vec<_> = wanted.iter().filter(|uid| !taken.contains(*uid) && !dead.contains(*uid)).collect();
        assert!(lost.is_empty(), "seed {seed}: {lost:?}");
        assert!(taken.iter().all(|uid| !uid.starts_with("unwanted")));
    }
}

#[tokio::test(start_paused = true)]
async fn every_record_is_told_as_delivered_or_dead_once_whatever_the_order() {
    for seed in 0..60 {
        let (memory, taken) = (Memory::default(), Arc::<Mutex<Vec<String>>>::default());
        let mut rng = StdRng::seed_from_u64(seed);
        let options = Options { batch_records_max: 5, ..at_once() };
        let mut bench = Bench::start(&memory, options, START, moody(StdRng::seed_from_u64(seed), Arc::clone(&taken)));
        let mut records = 0;
        for number in 1..=20 {
            let uids: Vec<String> = (0..6).map(|at| format!("{}-{number}-{at}", ["line", "storm", "poison"][rng.random_range(0..3)])).collect();
            records += 6;
            bench.commit(number, &uids.iter().map(String::as_str).collect::<Vec<_>>());
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..20_000))).await;
        }
        after(48 * 3600).await;
        let (cursor_now, delivered, dead) = bench.told();
        assert_eq!((cursor_now, delivered + dead.len() as u64), (cursor(21, 0), records), "seed {seed}");
        assert_eq!(bench.counters.delivered.load(Relaxed) + bench.counters.dead.load(Relaxed), records);
    }
}
