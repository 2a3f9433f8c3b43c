//! The engine from outside, with literal times: what passes, what is absorbed, and that no line is ever missing.

use proptest::prelude::*;
use squelch::collapse::Closed;
use squelch::collapse::summary::Summary;
use squelch::engine::{Engine, Forwarded, Mode, Options, Sink};
use squelch::record::{Place, StreamId};
use squelch::storm::{Origin, StormEvent};
use squelch::time::{MILLI, SECOND, UnixNanos};
use std::collections::BTreeMap;

/// 2026-11-23T10:00:00Z.
const START: UnixNanos = UnixNanos(1_795_428_000 * SECOND);

/// Everything that came out, as text.
#[derive(Default)]
struct Out {
    rows: Vec<String>,
    forwarded_lines: u64,
    summarised_lines: u64,
    bytes: Vec<u8>,
    /// Where each record that passed stood, and its first line.
    places: Vec<(StreamId, Place, Vec<u8>)>,
    /// Bytes by where they stood, of what passed and of what was absorbed.
    bytes_at: BTreeMap<(StreamId, u64), usize>,
    absorbed_lines: u64,
    /// What passed, with its template and its time.
    told: Vec<(String, String, Option<UnixNanos>)>,
}

impl Sink for Out {
    fn forward(&mut self, record: &Forwarded<'_>) {
        self.forwarded_lines += u64::from(record.lines);
        self.bytes.extend_from_slice(record.raw);
        self.bytes_at.insert((record.stream, record.place.offset), record.raw.len());
        let first_line = record.raw.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        self.places.push((record.stream, record.place, first_line.to_vec()));
        let template = record.fingerprint.map_or_else(String::new, |fingerprint| fingerprint.template.to_string());
        self.told.push((String::from_utf8_lossy(record.raw).into_owned(), template, record.event));
        let mark = if record.would_absorb { "would absorb: " } else { "" };
        self.rows.push(format!("{mark}{}", String::from_utf8_lossy(record.raw).trim_end()));
    }
    fn absorbed(&mut self, record: &Forwarded<'_>) {
        self.absorbed_lines += u64::from(record.lines);
        self.bytes_at.insert((record.stream, record.place.offset), record.raw.len());
    }
    fn summary(&mut self, summary: &Summary) {
        self.summarised_lines += summary.lines;
        self.rows.push(format!("[{} records, {} lines: {}]", summary.count, summary.lines, summary.fingerprint.template));
    }
    fn storm(&mut self, event: &StormEvent, _absorbed: u64) {
        self.rows.push(format!("[storm: {}]", event.report().template()));
    }
}

struct Bench {
    engine: Engine,
    stream: StreamId,
    out: Out,
    now: UnixNanos,
}

impl Bench {
    fn new(options: Options) -> Self {
        let mut engine = Engine::new(Options { reference: START, storms: false, ..options });
        let stream = engine.open_stream("test", false, false);
        Self { engine, stream, out: Out::default(), now: START }
    }
    fn feed(&mut self, text: &str) -> &mut Self {
        self.engine.feed(self.stream, self.now, text.as_bytes(), &mut self.out);
        self.assert_identity()
    }
    fn after(&mut self, nanos: i64) -> &mut Self {
        self.now = self.now.plus(nanos);
        self.engine.wake(self.now, &mut self.out);
        self.assert_identity()
    }
    fn drain(&mut self) -> &mut Self {
        self.engine.drain(self.now, &mut self.out);
        assert_eq!(self.engine.accounting().open, 0);
        self.assert_identity()
    }
    fn assert_identity(&mut self) -> &mut Self {
        let accounting = self.engine.accounting();
        assert!(accounting.holds(), "{accounting:?}");
        assert_eq!((accounting.forwarded, accounting.summarised), (self.out.forwarded_lines, self.out.summarised_lines));
        self
    }
    fn rows(&mut self) -> Vec<String> {
        std::mem::take(&mut self.out.rows)
    }
}

fn retry(n: u32) -> String {
    format!("2026-11-23T10:00:00.{n:03}Z WARN  [worker-1] c.e.Client - Connection to mq-1:61616 failed, retrying in 0ms (attempt {n})\n")
}

#[test]
fn the_first_line_of_anything_passes_at_once() {
    let mut bench = Bench::new(Options::default());
    assert_eq!(bench.feed("2026-11-23T10:00:00Z INFO app - started\n").rows(), ["2026-11-23T10:00:00Z INFO app - started"]);
    assert_eq!(bench.feed("something else entirely\n").rows(), ["something else entirely"]);
}

#[test]
fn a_thousand_retries_become_their_first_line_and_a_count() {
    let mut bench = Bench::new(Options::default());
    for n in 0..1000 {
        bench.feed(&retry(n));
    }
    let rows = bench.drain().rows();
    assert!(rows.len() < 15, "{rows:?}");
    assert!(rows[0].ends_with("(attempt 0)"));
    assert!(rows.last().is_some_and(|row| row.contains("Connection to <host> failed, retrying in <dur> (attempt <num>)")), "{rows:?}");
}

#[test]
fn what_a_source_says_it_lost_is_counted_outside_the_identity() {
    let mut bench = Bench::new(Options::default());
    for lost in [120, 7, 3000] {
        bench.feed(&format!("2026-11-23T10:00:00Z host systemd-journald[311]: Suppressed {lost} messages from orders.service\n"));
    }
    bench.drain();
    let accounting = bench.engine.accounting();
    assert_eq!((accounting.read, accounting.lost_at_source), (3, 3127));
}

#[test]
fn silence_writes_the_summary_without_another_line() {
    let mut bench = Bench::new(Options::default());
    for n in 0..100 {
        bench.feed(&retry(n));
    }
    bench.rows();
    let due = bench.engine.next_wakeup().expect("a window is open");
    let wait = due.since(bench.now);
    assert!(wait <= 11 * SECOND, "{wait}");
    let rows = bench.after(wait).rows();
    assert_eq!(rows.len(), 1, "{rows:?}");
}

#[test]
fn the_trace_of_an_unseen_header_streams_through_and_the_next_one_is_one_record() {
    let record = |n: u32| {
        format!(
            "2026-11-23T10:00:0{n}.000Z ERROR [main] c.e.Job - job failed\njava.net.ConnectException: Connection refused\n\tat c.e.Job.run(Job.java:{n})\n\tat java.lang.Thread.run(Thread.java:833)\n"
        )
    };
    let mut bench = Bench::new(Options { flood_per_second: 0, ..Options::default() });
    assert_eq!(bench.feed(&record(1)).rows().len(), 4, "line by line");
    // The second one waits for its end, which the next header is.
    assert_eq!(bench.feed(&record(2)).rows(), [""; 0]);
    assert_eq!(bench.engine.accounting().open, 4);
    bench.feed("2026-11-23T10:00:03.000Z INFO [main] c.e.Job - next\n");
    let rows = bench.drain().rows();
    assert!(rows.iter().any(|row| row.contains("next")));
    assert!(rows.iter().any(|row| row.starts_with("2026-11-23T10:00:02") && row.lines().count() == 4), "whole, in one piece: {rows:?}");
}

#[test]
fn a_record_that_waits_for_its_end_waits_no_longer_than_30_ms() {
    let record = "2026-11-23T10:00:01.000Z ERROR [main] c.e.Job - job failed\n\tat c.e.Job.run(Job.java:1)\n";
    let mut bench = Bench::new(Options::default());
    bench.feed(record).after(SECOND).rows();
    assert_eq!(bench.feed(record).rows(), [""; 0]);
    assert_eq!(bench.engine.next_wakeup().map(|due| due.since(bench.now)), Some(30 * MILLI));
    bench.after(30 * MILLI);
    assert_eq!(bench.engine.accounting().open, bench.engine.accounting().read - bench.out.forwarded_lines);
}

#[test]
fn more_writers_than_are_told_apart_do_not_take_each_others_words() {
    // Each of a hundred has begun a line that is cut; the next line of a new one pushes out the writer that was silent longest. Their names are
    // of many lengths, so that no word stands where another line has it.
    let mut bench = Bench::new(Options::default());
    let name = |writer: u64| format!("[pod/shop-{}/app]", writer * writer * writer);
    for writer in 0..100 {
        bench.feed(&format!("{} 2026-11-23T10:00:00.000000000Z stdout P the first half of it, \n", name(writer)));
    }
    for writer in 100..200 {
        bench.feed(&format!("{} 2026-11-23T10:00:01.000000000Z stdout F WARN order {writer} took {} ms\n", name(writer), writer * 7 + 1000));
    }
    bench.drain();
    let orders: Vec<_> = bench.out.told.iter().filter(|(text, ..)| text.contains("WARN order")).collect();
    assert_eq!(orders.len(), 100);
    for (text, template, event) in orders {
        assert!(template.ends_with("order <num> took <num> ms"), "{text} {template}");
        assert_eq!(*event, Some(START.plus(SECOND)), "{text}");
    }
}

#[test]
fn what_a_runtime_cut_is_one_record_again() {
    let mut bench = Bench::new(Options::default());
    bench.feed("2026-11-23T10:00:00.000000001Z stdout P the first half, \n");
    assert_eq!(bench.rows(), [""; 0]);
    bench.feed("2026-11-23T10:00:00.000000002Z stdout F the second half\n");
    let rows = bench.rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(bench.engine.accounting().records, 1);
    assert_eq!(rows[0].lines().count(), 2, "byte for byte as it came");
}

#[test]
fn the_rest_of_an_endless_line_goes_the_way_of_its_head() {
    let mut bench = Bench::new(Options { line_bytes_max: 100, ..Options::default() });
    let long = format!("{}{}\n", retry(1).trim_end(), "x".repeat(350));
    for _ in 0..50 {
        bench.feed(&long);
    }
    bench.drain();
    let accounting = bench.engine.accounting();
    assert_eq!(accounting.read, 50 * 5);
    assert!(accounting.forwarded < 60, "{accounting:?}");
}

#[test]
fn observing_absorbs_nothing_and_says_what_it_would() {
    let mut bench = Bench::new(Options { mode: Mode::Observe, ..Options::default() });
    for n in 0..100 {
        bench.feed(&retry(n));
    }
    let rows = bench.drain().rows();
    assert_eq!(rows.len(), 100);
    assert!(rows[99].starts_with("would absorb: "));
}

#[test]
fn rules_of_the_users_come_first() {
    let mut bench = Bench::new(Options { pass: vec!["attempt 7".into()], drop: vec!["heartbeat".into()], ..Options::default() });
    for n in 0..100 {
        bench.feed(&retry(n));
        bench.feed("2026-11-23T10:00:00Z DEBUG app - heartbeat\n");
    }
    let rows = bench.drain().rows();
    assert_eq!(bench.engine.accounting().dropped, 100);
    assert_eq!(rows.iter().filter(|row| row.contains("(attempt 7") && !row.starts_with('[')).count(), 11);
}

#[test]
fn two_writers_in_one_stream_do_not_take_each_others_traces() {
    let header = |pod: &str| format!("[pod/{pod}/app] 2026-11-23T10:00:00Z ERROR c.e.Job - job failed\n");
    let frame = |pod: &str| format!("[pod/{pod}/app] \tat c.e.Job.run(Job.java:1)\n");
    let mut bench = Bench::new(Options { flood_per_second: 0, ..Options::default() });
    for _ in 0..2 {
        bench.feed(&(header("a-7d9f4c6b8-gdlb7") + &header("b-7d9f4c6b8-xtzfr") + &frame("a-7d9f4c6b8-gdlb7") + &frame("b-7d9f4c6b8-xtzfr")));
        bench.after(SECOND);
    }
    bench.drain();
    let rows = bench.rows();
    let joined: Vec<&String> = rows.iter().filter(|row| row.lines().count() == 2).collect();
    assert!(!joined.is_empty(), "{rows:?}");
    for row in joined {
        assert_eq!(row.matches("gdlb7").count() % 2, 0, "one writer's lines only: {row}");
    }
}

#[test]
fn inputs_beyond_the_bound_share_one_stream_and_lose_nothing() {
    let mut engine = Engine::new(Options { streams_max: 2, reference: START, ..Options::default() });
    let mut out = Out::default();
    for n in 0..5 {
        let stream = engine.open_stream(&format!("pod-{n}"), false, true);
        engine.feed(stream, START, format!("line of {n}\n").as_bytes(), &mut out);
        assert_eq!(engine.stream_label(stream), ["pod-0", "pod-1", "(other streams)"][n.min(2)]);
    }
    engine.drain(START, &mut out);
    assert_eq!((engine.accounting().read, engine.accounting().forwarded), (5, 5));
}

#[test]
fn a_stream_that_is_retired_leaves_nothing_open_and_its_place_to_another() {
    let mut bench = Bench::new(Options { streams_max: 2, ..Options::default() });
    bench.feed(&retry(1)).feed(&retry(2)).feed(&retry(3));
    assert_eq!(bench.engine.accounting().open, 2);
    bench.engine.retire_stream(bench.stream, bench.now, &mut bench.out);
    assert_eq!((bench.engine.accounting().open, bench.engine.accounting().summarised), (0, 2));
    for n in 0..100 {
        let stream = bench.engine.open_stream(&format!("pod-{n}"), false, true);
        bench.engine.feed(stream, bench.now, retry(n).as_bytes(), &mut bench.out);
        assert_eq!(bench.engine.stream_label(stream), format!("pod-{n}"));
        bench.engine.retire_stream(stream, bench.now, &mut bench.out);
    }
    bench.drain();
    assert_eq!(bench.engine.accounting().forwarded, 101, "each stream's first record passed");
}

#[test]
fn containers_that_an_input_sees_restart_are_a_crash_loop() {
    let mut engine = Engine::new(Options { reference: START, ..Options::default() });
    let mut out = Out::default();
    let stream = engine.open_stream("shop/orders-0/app", false, true);
    for restarts in 1..8 {
        let now = START.plus(i64::from(restarts) * 40 * SECOND);
        engine.wake(now, &mut out);
        engine.restarted(stream, restarts, now, &mut out);
    }
    assert!(out.rows.iter().any(|row| row == "[storm: container restarted <num> times]"), "{:?}", out.rows);
    assert_eq!(engine.accounting().read, 0);
}

#[test]
fn lines_that_wait_for_the_end_of_their_record_can_be_fed_to_another_engine() {
    let trace = "2026-11-23T10:00:00Z ERROR c.e.Job - job failed\n\tat c.e.Job.run(Job.java:1)\n";
    let mut bench = Bench::new(Options::default());
    bench.feed(trace).after(SECOND).feed(trace);
    let mut held = Vec::new();
    bench.engine.held(&mut |_, raw, lines, place| held.push((raw.to_vec(), lines, place.offset)));
    assert_eq!(held, [(trace.as_bytes().to_vec(), 2, trace.len() as u64)]);
}

#[test]
fn an_idle_engine_asks_for_no_wakeup() {
    let mut bench = Bench::new(Options::default());
    bench.feed("2026-11-23T10:00:00Z INFO app - started\n");
    assert_eq!(bench.engine.next_wakeup(), None);
}

/// Lines of a small world in which a lot repeats, some of it damaged.
fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0u32..1000).prop_map(|n| retry(n).into_bytes()),
        2 => (0u32..9).prop_map(|n| format!("2026-11-23 10:00:0{n},000 ERROR app: timeout after {n}s\n").into_bytes()),
        1 => Just(b"java.net.ConnectException: Connection refused\n\tat a.B.c(B.java:1)\n\t... 3 more\n".to_vec()),
        1 => Just(b"2026-11-23T10:00:00.1Z stderr P cut \n".to_vec()),
        1 => Just(b"2026-11-23T10:00:00.1Z stderr F off\n".to_vec()),
        1 => Just(b"{\"level\":\"error\",\"msg\":\"connect \\\"x\\\" refused, retrying\",\"pod\":\"a-1\",\"time\":\"2026-11-23T10:00:00Z\"}\n".to_vec()),
        1 => Just(b"2026-11-23T10:00:00Z INFO app - reconnected to mq-1:61616\n".to_vec()),
        1 => Just(b"1970-01-01T00:00:00Z WARN app - retrying\n2099-01-01T00:00:00Z WARN app - retrying\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => Just(vec![b'x'; 700]),
    ]
}

/// What a store would keep of the lines that are open: windows by their number, each as told when it last changed, and held lines.
fn open_lines(engine: &mut Engine, kept: &mut BTreeMap<u64, u64>) -> u64 {
    let mut open = BTreeMap::new();
    engine.open_windows(&mut |window| {
        let lines = window.changed.map_or_else(|| kept[&window.number], |closed| Closed::lines(&closed));
        open.insert(window.number, lines);
    });
    *kept = open;
    let mut held = 0;
    engine.held(&mut |_, _, lines, _| held += u64::from(lines));
    held + kept.values().sum::<u64>()
}

fn run(options: &Options, pieces: &[(Vec<u8>, u16)], chunk: usize, stream_count: usize) -> Result<Out, TestCaseError> {
    let mut engine = Engine::new(Options { reference: START, ..options.clone() });
    let streams: Vec<StreamId> = (0..stream_count).map(|n| engine.open_stream(&format!("s{n}"), n % 2 == 1, n > 0)).collect();
    let (mut out, mut now) = (Out::default(), START);
    let (mut read, mut bytes) = (0, 0);
    let mut input = vec![Vec::new(); stream_count];
    let mut kept = BTreeMap::new();
    for (n, (piece, wait_ms)) in pieces.iter().enumerate() {
        now = now.plus(i64::from(*wait_ms) * MILLI);
        engine.wake(now, &mut out);
        for part in piece.chunks(chunk) {
            engine.feed(streams[n % stream_count], now, part, &mut out);
            let accounting = engine.accounting();
            prop_assert!(accounting.holds(), "{:?}", accounting);
            prop_assert_eq!((accounting.forwarded, accounting.summarised), (out.forwarded_lines, out.summarised_lines));
        }
        input[n % stream_count].extend_from_slice(piece);
        if n % 3 == 0 {
            prop_assert_eq!(engine.accounting().open, open_lines(&mut engine, &mut kept));
        }
        bytes += piece.len() as u64;
        read = engine.accounting().read;
    }
    engine.drain(now, &mut out);
    let accounting = engine.accounting();
    prop_assert!(accounting.holds() && accounting.open == 0, "{:?}", accounting);
    prop_assert!(accounting.read >= read);
    prop_assert_eq!(accounting.bytes_read, bytes);
    for (stream, place, first_line) in &out.places {
        let at = &input[stream.0 as usize][place.offset as usize..];
        prop_assert!(at.starts_with(first_line), "{:?} does not stand at {}", String::from_utf8_lossy(first_line), place.offset);
    }
    Ok(out)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_line_is_missing_whatever_the_bounds_and_the_chunks(
        pieces in prop::collection::vec((line(), 0u16..4000), 0..120),
        (windows_max, fingerprints_max, shapes_max) in (1usize..10, 2usize..10, 1usize..10),
        (flood, keep_first, window) in (0u64..4, 1u64..4, 0u32..6),
        (chunk, streams) in (1usize..300, 1usize..4),
    ) {
        let options = Options {
            windows_max, fingerprints_max, shapes_max, flood_per_second: flood, keep_first, line_bytes_max: 256,
            window_ns: (10 * SECOND) << window, window_bytes_max: 4096, drop: vec!["timeout after 3s".into()], ..Options::default()
        };
        let whole = run(&options, &pieces, usize::MAX, streams)?;
        // The same bytes at the same times give the same output, in any chunking.
        prop_assert_eq!(&whole.rows, &run(&options, &pieces, chunk, streams)?.rows);
    }

    #[test]
    fn what_passed_and_what_was_absorbed_are_all_that_was_read(
        pieces in prop::collection::vec((line(), 0u16..4000), 0..120),
        (windows_max, chunk, streams) in (1usize..10, 1usize..300, 1usize..4),
    ) {
        let options = Options { windows_max, line_bytes_max: 256, tells_absorbed: true, ..Options::default() };
        let told = run(&options, &pieces, chunk, streams)?;
        prop_assert_eq!(told.bytes_at.values().sum::<usize>(), pieces.iter().map(|(piece, _)| piece.len()).sum::<usize>());
        // A window with a single record passes that one after all.
        prop_assert!(told.absorbed_lines >= told.summarised_lines);
        prop_assert_eq!(told.rows, run(&Options { tells_absorbed: false, ..options }, &pieces, chunk, streams)?.rows);
    }
}

/// What is told of storms, as (word, id, whose they are).
#[derive(Default)]
struct Told(Vec<(String, String, Origin)>);

impl Sink for Told {
    fn forward(&mut self, _record: &Forwarded<'_>) {}
    fn summary(&mut self, _summary: &Summary) {}
    fn storm(&mut self, event: &StormEvent, _absorbed: u64) {
        let word = format!("{event:?}").split('(').next().unwrap_or_default().to_owned();
        self.0.push((word, event.report().id.to_string(), event.report().origin.clone()));
    }
}

#[test]
fn a_storm_goes_on_in_the_next_process() {
    let mut told = Told::default();
    let mut state = None;
    for process in 0..2 {
        let mut engine = Engine::new(Options { reference: START, ..Options::default() });
        if let Some(state) = &state {
            engine.restore_storms(state, START.plus(30 * SECOND));
        }
        let stream = engine.open_stream("orders", true, true);
        // In the second life the container is another's: it is the same storm.
        engine.set_origin(stream, Origin::of(&[("k8s.namespace.name", ["shop", "pay"][process as usize])]));
        for n in process * 600..(process + 1) * 600 {
            let at = START.plus(i64::from(n) * 50 * MILLI);
            let line = format!(
                "2026-11-23T10:00:{:02}.{:03}Z WARN  [worker-1] c.e.Client - Connection to mq-1:61616 refused, retrying\n",
                n / 20,
                n % 20 * 50
            );
            engine.feed(stream, at.plus(MILLI), line.as_bytes(), &mut told);
        }
        if process == 1 {
            for second in 0..100 {
                engine.wake(START.plus((60 + second) * SECOND), &mut told);
            }
        }
        state = Some(engine.storms_state());
    }
    let words: Vec<&str> = told.0.iter().map(|row| row.0.as_str()).collect();
    assert_eq!(words, ["Firing", "Ongoing", "Resolved"]);
    assert!(told.0.iter().all(|row| row.1 == told.0[0].1));
    let shop = Origin::of(&[("k8s.namespace.name", "shop")]);
    assert!(told.0.iter().all(|row| row.2 == shop), "{:?}", told.0);
}

#[test]
fn a_storm_in_streams_that_share_a_place_is_nobodys() {
    for (streams_max, expected) in [(2, 1), (1, 0)] {
        let mut told = Told::default();
        let mut engine = Engine::new(Options { reference: START, streams_max, ..Options::default() });
        let streams = ["a", "b"].map(|label| {
            let stream = engine.open_stream(label, true, true);
            engine.set_origin(stream, Origin::of(&[("k8s.namespace.name", "shop")]));
            stream
        });
        for n in 0..1000 {
            let line = format!("2026-11-23T10:00:{:02}.{:03}Z WARN Connection to mq-1:61616 refused, retrying\n", n / 50, n % 50 * 20);
            engine.feed(streams[n % 2], START.plus(n as i64 * 20 * MILLI), line.as_bytes(), &mut told);
        }
        assert_eq!((told.0[0].0.as_str(), told.0[0].2.fields().count()), ("Firing", expected));
    }
}
