use super::summary::{Cause, CloseReason, Summary};
use super::{Busy, Closed, Collapse, Verdict};
use crate::engine::{Mode, Options};
use crate::fingerprint::Fingerprint;
use crate::occurrence::Occurrence;
use crate::record::{Class, ClassSource, FingerprintIndex, Severity, StreamId};
use crate::time::{MILLI, SECOND, UnixNanos};
use std::borrow::Cow;
use std::sync::Arc;

/// A time on a boundary of every cell length.
const START: i64 = 1_790_000_000 / 320 * 320 * SECOND + 320 * SECOND;

pub(super) fn fingerprint(template: &str, class: Class, rule: Option<&str>) -> Arc<Fingerprint> {
    let source = rule.map_or(ClassSource::Guess, |rule| ClassSource::Rule(rule.into()));
    Arc::new(Fingerprint::new(Severity::Warn, template, class, source))
}

pub(super) fn identity(bytes: &[u8]) -> Cow<'_, [u8]> {
    Cow::Borrowed(bytes)
}

/// A bench for literal times: ms since START in, one word per event out.
struct Bench {
    collapse: Collapse,
    known: Vec<Arc<Fingerprint>>,
    summaries: Vec<Summary>,
    log: Vec<String>,
}

const RETRY: u32 = 0;
const GUESS: u32 = 1;
const ORDINARY: u32 = 2;
const RECOVERY: u32 = 3;

impl Bench {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with(options: Options) -> Self {
        let known = vec![
            fingerprint("connection failed, retrying in <num>ms", Class::Retry, Some("activemq.retry")),
            fingerprint("refused, trying again", Class::Failure, None),
            fingerprint("request <num> done", Class::None, None),
            fingerprint("connected again", Class::Recovery, Some("activemq.recovery")),
        ];
        Self { collapse: Collapse::new(&options, identity), known, summaries: Vec::new(), log: Vec::new() }
    }

    fn run(&mut self, act: impl FnOnce(&mut Collapse, &mut dyn FnMut(Closed<'_>))) {
        let (summaries, log) = (&mut self.summaries, &mut self.log);
        act(&mut self.collapse, &mut |closed| match closed {
            Closed::Plain(plain) => log.push(format!("plain {}", String::from_utf8_lossy(plain.raw).trim_end())),
            Closed::Summary(summary) => {
                log.push(format!("{} x {:?}", summary.count, summary.reason));
                summaries.push(summary.clone());
            }
        });
    }

    fn offer(&mut self, index: u32, stream: u32, ms: i64, change: impl FnOnce(&mut Occurrence<'_>)) -> Verdict {
        let fingerprint = Arc::clone(&self.known[index as usize]);
        let raw = format!("{index} at {ms}\n");
        let time = UnixNanos(START + ms * MILLI);
        let mut occurrence = Occurrence {
            fingerprint: &fingerprint,
            index: FingerprintIndex(index),
            stream: StreamId(stream),
            place: Default::default(),
            arrival: time,
            working: time,
            event: Some(time),
            feeds_rate: true,
            late: false,
            lines: 1,
            raw: raw.as_bytes(),
            instance: None,
            instance_hash: 0,
            worker_hash: 0,
            target: None,
            attempt: None,
            max_attempts: None,
            delay: None,
        };
        change(&mut occurrence);
        let mut verdict = Verdict::Pass;
        self.run(|collapse, out| verdict = collapse.offer(&occurrence, out));
        verdict
    }

    /// A record of stream 0 at `ms`.
    fn at(&mut self, index: u32, ms: i64) -> Verdict {
        self.offer(index, 0, ms, |_| {})
    }

    fn advance(&mut self, ms: i64) {
        self.run(|collapse, out| collapse.advance(UnixNanos(START + ms * MILLI), out));
    }

    fn storm(&mut self, index: u32, is_on: bool) {
        self.run(|collapse, out| collapse.storm(FingerprintIndex(index), is_on, out));
    }

    fn drain(&mut self) {
        self.run(Collapse::drain);
    }

    /// What came out since the last look.
    fn out(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    fn cells(&self) -> Vec<(i64, i64, u32)> {
        let seconds = |time: UnixNanos| (time.0 - START) / SECOND;
        self.summaries.iter().map(|summary| (seconds(summary.cell_start), seconds(summary.cell_end), summary.part)).collect()
    }
}

#[test]
fn first_occurrence_passes_at_once() {
    let mut bench = Bench::new();
    for index in [RETRY, GUESS, ORDINARY, RECOVERY] {
        assert_eq!(bench.at(index, 0), Verdict::Pass);
    }
    assert_eq!(bench.offer(RETRY, 1, 5, |_| {}), Verdict::Pass, "another stream has a first of its own");
    assert_eq!(bench.collapse.next_wakeup(), None);
}

#[test]
fn silence_ends_the_window_without_another_line() {
    let mut bench = Bench::new();
    assert_eq!(bench.at(RETRY, 1_000), Verdict::Pass);
    assert_eq!(bench.at(RETRY, 2_000), Verdict::Absorb);
    assert_eq!(bench.at(RETRY, 4_000), Verdict::Absorb);
    assert_eq!(bench.collapse.next_wakeup(), Some(UnixNanos(START + 10 * SECOND)));
    bench.advance(9_999);
    assert_eq!(bench.out(), [""; 0]);
    bench.advance(10_000);
    assert_eq!(bench.out(), ["2 x CellEnd"]);
    assert_eq!((bench.collapse.open_lines(), bench.collapse.next_wakeup()), (0, None));
    let summary = &bench.summaries[0];
    assert_eq!((summary.first.0, summary.last.0), (START + 2 * SECOND, START + 4 * SECOND));
    assert_eq!((summary.part, summary.cause), (1, Cause::Rule));
    assert_eq!(summary.per_10s, [(START / SECOND, 2)]);
    assert_eq!((summary.duration_ns(), summary.rate_per_second()), (2 * SECOND, 0.5));
    let intervals = summary.intervals.as_ref().expect("two gaps");
    assert_eq!((intervals.len(), intervals.count_at(1_000_000), intervals.count_at(2_000_000)), (2, 1, 1));
}

#[test]
fn a_window_with_one_record_sends_the_plain_line() {
    let mut bench = Bench::new();
    bench.at(RETRY, 1_000);
    assert_eq!(bench.at(RETRY, 3_000), Verdict::Absorb);
    assert_eq!(bench.collapse.open_lines(), 1);
    bench.advance(10_000);
    assert_eq!(bench.out(), ["plain 0 at 3000"]);
    assert_eq!(bench.collapse.open_lines(), 0);
}

#[test]
fn the_next_cell_closes_the_one_before() {
    let mut bench = Bench::new();
    for ms in (0..30_000).step_by(1_000) {
        bench.at(RETRY, ms);
    }
    assert_eq!(bench.out(), ["9 x CellEnd", "10 x CellEnd"]);
    bench.drain();
    assert_eq!(bench.out(), ["10 x Shutdown"]);
    assert_eq!(bench.cells(), [(0, 10, 1), (10, 20, 1), (20, 30, 1)]);
}

#[test]
fn a_gap_of_a_minute_begins_a_new_episode() {
    let mut bench = Bench::new();
    bench.at(RETRY, 0);
    assert_eq!(bench.at(RETRY, 59_999), Verdict::Absorb);
    assert_eq!(bench.at(RETRY, 119_998), Verdict::Absorb);
    assert_eq!(bench.at(RETRY, 179_998), Verdict::Pass);
}

#[test]
fn keep_first_lets_the_first_three_pass_and_zero_lets_one_pass() {
    for (keep_first, expected) in [(3, 3), (0, 1)] {
        let mut bench = Bench::with(Options { keep_first, ..Options::default() });
        assert_eq!((0..10).filter(|i| bench.at(RETRY, i * 100) == Verdict::Pass).count(), expected);
    }
}

#[test]
fn a_guess_collapses_from_ten_in_ten_seconds_until_its_episode_ends() {
    let mut bench = Bench::new();
    let passed = (0..12).filter(|i| bench.at(GUESS, i * 900) == Verdict::Pass).count();
    assert_eq!(passed, 9);
    assert_eq!(bench.at(GUESS, 60_000), Verdict::Absorb);
    assert_eq!(bench.at(GUESS, 120_000), Verdict::Pass, "a new episode");
    assert_eq!(bench.at(GUESS, 121_000), Verdict::Pass, "not often enough again");
    assert!((0..50).all(|i| bench.at(RETRY + GUESS, 800_000 + i * 11_000) == Verdict::Pass));
}

#[test]
fn a_flood_of_an_ordinary_line_is_collapsed_and_says_so() {
    let mut bench = Bench::new();
    let verdicts: Vec<Verdict> = (0..1_000).map(|i| bench.offer(ORDINARY, i as u32 % 2, i * 10, |_| {})).collect();
    assert_eq!(verdicts.iter().position(|verdict| *verdict == Verdict::Absorb), Some(499), "100/s over both streams, 5 s long");
    assert!(verdicts[499..].iter().all(|verdict| *verdict == Verdict::Absorb));
    bench.drain();
    assert_eq!((bench.summaries.len(), bench.summaries[0].cause), (2, Cause::Flood));
    assert_eq!(bench.summaries.iter().map(|summary| summary.count).sum::<u64>(), 501);
    assert_eq!(bench.at(ORDINARY, 200_000), Verdict::Pass);
    assert_eq!(bench.at(ORDINARY, 200_001), Verdict::Pass);
}

#[test]
fn an_ordinary_line_below_the_flood_passes_untouched() {
    let mut bench = Bench::new();
    assert!((0..5_000).all(|i| bench.at(ORDINARY, i * 11) == Verdict::Pass));
}

#[test]
fn a_backlog_without_times_is_no_flood() {
    let mut bench = Bench::new();
    assert!((0..5_000).all(|_| bench.offer(ORDINARY, 0, 0, |occurrence| occurrence.feeds_rate = false) == Verdict::Pass));
}

#[test]
fn recovery_closes_the_window_and_is_tied_to_it() {
    let mut bench = Bench::new();
    for ms in [0, 100, 200, 300] {
        bench.at(RETRY, ms);
        bench.offer(RETRY, 1, ms, |_| {});
    }
    assert_eq!(bench.at(RECOVERY, 400), Verdict::Pass);
    assert_eq!(bench.out(), ["3 x FinalOutcome"], "the other stream goes on");
    assert!(Arc::ptr_eq(bench.summaries[0].outcome.as_ref().expect("tied"), &bench.known[RECOVERY as usize]));
    bench.at(RETRY, 500);
    bench.at(RETRY, 600);
    bench.drain();
    assert_eq!(bench.cells(), [(0, 10, 1), (0, 10, 1), (0, 10, 2)], "part 2 of the cell");
    assert!(bench.summaries[1..].iter().all(|summary| summary.outcome.is_none()));
}

#[test]
fn a_recovery_of_another_instance_closes_nothing() {
    let mut bench = Bench::new();
    let of = |name: &'static [u8], hash| move |occurrence: &mut Occurrence<'_>| (occurrence.instance, occurrence.instance_hash) = (Some(name), hash);
    for ms in [0, 100, 200] {
        bench.offer(RETRY, 0, ms, of(b"orders-1", 1));
    }
    bench.offer(RECOVERY, 0, 300, of(b"orders-2", 2));
    assert_eq!(bench.out(), [""; 0]);
    bench.offer(RECOVERY, 0, 10_300, of(b"orders-1", 1));
    assert_eq!(bench.out(), ["2 x CellEnd"]);
}

#[test]
fn flapping_recoveries_are_absorbed_too() {
    let mut bench = Bench::new();
    let verdicts: Vec<Verdict> = (0..20).map(|i| bench.at(RECOVERY, i * 1_000)).collect();
    let passed: Vec<usize> = (0..20).filter(|i| verdicts[*i] == Verdict::Pass).collect();
    assert_eq!(passed, [0, 10], "the first of each cell");
    bench.drain();
    assert_eq!(bench.out(), ["9 x CellEnd", "9 x Shutdown"]);
}

#[test]
fn longer_cells_start_on_their_own_boundary() {
    let mut bench = Bench::new();
    bench.at(RETRY, 0);
    bench.advance(5_000);
    bench.storm(RETRY, true);
    for ms in (5_000..700_000).step_by(500) {
        bench.at(RETRY, ms);
    }
    bench.drain();
    let cells = bench.cells();
    assert_eq!(cells, [(0, 10, 1), (10, 20, 1), (20, 40, 1), (40, 80, 1), (80, 160, 1), (160, 320, 1), (320, 640, 1), (640, 960, 1)]);
    let longest = &bench.summaries[6];
    assert_eq!((longest.count, longest.per_10s.len(), longest.per_second.len()), (640, 32, 320));
}

#[test]
fn storm_end_closes_its_windows_and_the_grid_falls_back() {
    let mut bench = Bench::new();
    bench.advance(0);
    bench.storm(RETRY, true);
    for ms in (0..55_000).step_by(500) {
        bench.advance(ms);
        bench.at(RETRY, ms);
    }
    bench.out();
    bench.storm(RETRY, false);
    assert_eq!(bench.out(), ["30 x StormEnd"]);
    for ms in (55_000..65_000).step_by(500) {
        bench.at(RETRY, ms);
    }
    bench.drain();
    assert_eq!(bench.cells()[3..], [(40, 80, 1), (50, 60, 1), (60, 70, 1)]);
}

#[test]
fn storm_at_exactly_a_cell_boundary() {
    let mut bench = Bench::new();
    bench.at(RETRY, 19_000);
    bench.at(RETRY, 19_500);
    bench.at(RETRY, 19_600);
    bench.advance(20_000);
    assert_eq!(bench.out(), ["2 x CellEnd"]);
    bench.storm(RETRY, true);
    for ms in (20_000..45_000).step_by(500) {
        bench.at(RETRY, ms);
    }
    bench.storm(RETRY, false);
    bench.storm(RETRY, true);
    assert_eq!(bench.cells(), [(10, 20, 1), (20, 30, 1), (30, 40, 1), (40, 80, 1)]);
    assert_eq!(bench.summaries.iter().map(|summary| summary.count).collect::<Vec<_>>(), [2, 20, 20, 10]);
}

#[test]
fn a_long_cell_that_falls_silent_closes_after_a_minute() {
    let mut bench = Bench::new();
    bench.storm(RETRY, true);
    for ms in (0..325_000).step_by(5_000) {
        bench.advance(ms);
        bench.at(RETRY, ms);
    }
    bench.at(RETRY, 325_000);
    bench.out();
    bench.advance(384_999);
    assert_eq!(bench.out(), [""; 0]);
    bench.advance(385_000);
    assert_eq!(bench.out(), ["2 x CellEnd"]);
}

#[test]
fn the_fifty_first_new_stream_of_a_storm_is_listed_not_printed() {
    let mut bench = Bench::new();
    bench.advance(0);
    bench.storm(RETRY, true);
    let passed = (0..60).filter(|stream| bench.offer(RETRY, *stream, 100, |_| {}) == Verdict::Pass).count();
    assert_eq!(passed, 50);
    bench.advance(10_100);
    assert_eq!(bench.summaries.iter().map(|summary| summary.stream.0).collect::<Vec<_>>(), (50..60).collect::<Vec<_>>());
    assert!(bench.out().iter().all(|line| line == "1 x CellEnd"));
}

#[test]
fn companions_of_a_storming_instance_collapse_for_one_second() {
    let mut bench = Bench::new();
    let pod = |occurrence: &mut Occurrence<'_>| (occurrence.instance, occurrence.instance_hash) = (Some(b"orders-1".as_slice()), 7);
    bench.storm(RETRY, true);
    bench.offer(ORDINARY, 0, 0, pod);
    assert_eq!(bench.offer(ORDINARY, 0, 100, pod), Verdict::Pass, "no retry line yet");
    bench.offer(RETRY, 0, 200, pod);
    assert_eq!(bench.offer(ORDINARY, 0, 1_200, pod), Verdict::Absorb);
    assert_eq!(bench.at(ORDINARY, 1_200), Verdict::Pass, "nobody knows whose line it is");
    assert_eq!(bench.offer(ORDINARY, 0, 1_201, pod), Verdict::Pass);
    bench.offer(RETRY, 0, 2_000, pod);
    bench.offer(ORDINARY, 0, 2_001, pod);
    bench.drain();
    assert_eq!(bench.summaries.iter().map(|summary| (summary.count, summary.cause)).collect::<Vec<_>>(), [(2, Cause::Companion)]);
}

#[test]
fn eviction_flushes_before_it_forgets() {
    let mut bench = Bench::with(Options { windows_max: 2, ..Options::default() });
    for stream in 0..3 {
        for ms in [0, 10, 20] {
            bench.offer(RETRY, stream, ms + i64::from(stream), |_| {});
        }
    }
    assert_eq!(bench.out(), ["2 x Evicted"], "the coldest, with its count");
    assert_eq!(bench.summaries[0].stream, StreamId(0));
    assert_eq!(bench.offer(RETRY, 0, 30, |_| {}), Verdict::Absorb, "its episode is remembered");
    assert_eq!(bench.out(), ["2 x Evicted"]);
    bench.drain();
    assert_eq!(bench.collapse.counters().evictions, 2);
}

#[test]
fn a_forgotten_fingerprint_leaves_its_summaries_first() {
    let mut bench = Bench::new();
    for ms in [0, 1, 2] {
        bench.at(RETRY, ms);
    }
    bench.run(|collapse, out| collapse.forget_fingerprint(FingerprintIndex(RETRY), out));
    assert_eq!(bench.out(), ["2 x Evicted"]);
    assert_eq!(bench.at(RETRY, 3), Verdict::Pass);
    bench.at(RETRY, 4);
    bench.at(RETRY, 5);
    bench.run(|collapse, out| collapse.end_stream(StreamId(0), out));
    assert_eq!(bench.out(), ["2 x Shutdown"]);
    assert_eq!(bench.cells(), [(0, 10, 1), (0, 10, 2)]);
}

#[test]
fn a_step_back_over_the_boundary_goes_where_it_belongs_and_a_late_record_into_the_open_cell() {
    let mut bench = Bench::new();
    for ms in [8_000, 9_000, 9_100, 10_100, 9_900, 10_200] {
        bench.at(RETRY, ms);
    }
    bench.offer(RETRY, 0, 2_000, |occurrence| occurrence.late = true);
    bench.drain();
    let tens: Vec<_> = bench.summaries.iter().map(|summary| (summary.per_10s.clone(), summary.late)).collect();
    let start = START / SECOND;
    assert_eq!(tens, [(vec![(start, 2)], 0), (vec![(start, 1), (start + 10, 3)], 1)]);
    assert_eq!(bench.collapse.counters().late_records, 1);
    assert_eq!(bench.summaries[1].intervals.as_ref().expect("gaps").len(), 2, "neither the step back nor the late one");
}

#[test]
fn a_backlog_beside_a_live_stream_keeps_its_own_cells() {
    let mut bench = Bench::new();
    let day = -86_400_000;
    bench.advance(0);
    for ms in (0..20_000).step_by(100) {
        bench.offer(RETRY, 1, day + ms, |_| {});
    }
    bench.advance(9_000);
    bench.drain();
    assert_eq!(bench.out(), ["99 x CellEnd", "100 x Shutdown"]);
}

#[test]
fn a_banner_without_a_time_does_not_spoil_the_cells_of_the_backlog_behind_it() {
    let mut bench = Bench::new();
    let hour = -3_600_000;
    bench.offer(ORDINARY, 0, 0, |occurrence| occurrence.feeds_rate = false);
    for ms in (0..20_000).step_by(1_000) {
        bench.at(RETRY, hour + ms);
    }
    bench.drain();
    assert_eq!(bench.out(), ["9 x CellEnd", "10 x Shutdown"]);
}

#[test]
fn a_clock_that_is_set_back_closes_the_windows_and_begins_new_cells() {
    let mut bench = Bench::new();
    for ms in [0, 1_000, 2_000, -3_600_000, -3_599_000, -3_598_000] {
        bench.at(RETRY, ms);
    }
    assert_eq!(bench.out(), ["2 x CellEnd"]);
    bench.drain();
    assert_eq!(bench.cells(), [(0, 10, 1), (-3_600, -3_590, 2)], "parts count on, so that no two summaries share an id");
}

#[test]
fn samples_are_the_first_the_last_and_doublings_that_prefer_another_instance() {
    let mut bench = Bench::new();
    for i in 0..=20i64 {
        let (name, hash): (&'static [u8], u64) = if i % 3 == 0 { (b"b", 2) } else { (b"a", 1) };
        bench.offer(RETRY, 0, i, |occurrence| (occurrence.instance, occurrence.instance_hash) = (Some(name), hash));
    }
    bench.drain();
    let summary = &bench.summaries[0];
    let ordinals: Vec<u64> = summary.samples.iter().map(|sample| sample.ordinal).collect();
    assert_eq!(ordinals, [1, 3, 4, 9, 16, 20], "2 and 8 gave way to 3 and 9");
    assert_eq!(summary.samples[5].text, b"0 at 20");
    assert_eq!(summary.instances.top, [(b"a".as_slice().into(), 14), (b"b".as_slice().into(), 6)]);
}

#[test]
fn secrets_are_masked_in_samples_and_targets_but_plain_lines_are_as_they_came() {
    fn hide(_: &[u8]) -> Cow<'_, [u8]> {
        Cow::Borrowed(b"***")
    }
    let mut bench = Bench::new();
    bench.collapse = Collapse::new(&Options::default(), hide);
    for ms in [0, 1, 2, 10_000] {
        bench.offer(RETRY, 0, ms, |occurrence| occurrence.target = Some(b"db:5432"));
    }
    bench.drain();
    assert_eq!(bench.out(), ["2 x CellEnd", "plain 0 at 10000"]);
    assert!(bench.summaries[0].samples.iter().all(|sample| sample.text == b"***"));
    assert_eq!(bench.summaries[0].targets.top, [(b"***".as_slice().into(), 2)]);
}

#[test]
fn observe_tags_and_sends_nothing_of_its_own() {
    let mut bench = Bench::with(Options { mode: Mode::Observe, ..Options::default() });
    let verdicts: Vec<Verdict> = (0..3).map(|i| bench.at(RETRY, i)).collect();
    assert_eq!(verdicts, [Verdict::Pass, Verdict::WouldAbsorb, Verdict::WouldAbsorb]);
    bench.drain();
    assert_eq!((bench.out().len(), bench.collapse.open_lines()), (0, 0));
}

#[test]
fn intervals_follow_each_worker_across_cells() {
    let mut bench = Bench::new();
    for i in 0..8i64 {
        bench.offer(RETRY, 0, i * 5_000, |occurrence| occurrence.worker_hash = 1 + i as u64 % 2);
    }
    bench.drain();
    let gaps: Vec<_> = bench.summaries.iter().filter_map(Summary::interval_p50_us).collect();
    assert_eq!(bench.summaries.len(), 3);
    assert!(gaps.iter().all(|gap| (9_900_000..=10_100_000).contains(gap)), "{gaps:?}");
}

#[test]
fn the_footer_shows_the_busiest_first() {
    let mut bench = Bench::new();
    for i in 0..100 {
        bench.at(RETRY, i * 100 - 50);
        bench.at(GUESS, i * 100);
        bench.at(ORDINARY, i * 100);
    }
    let rows: Vec<(u64, String)> =
        bench.collapse.busiest(5).into_iter().map(|Busy { fingerprint, absorbed, .. }| (absorbed, fingerprint.template.to_string())).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0], (99, "connection failed, retrying in <num>ms".to_owned()));
}

#[test]
fn an_evicted_window_leaves_evicted_as_its_reason() {
    let mut bench = Bench::with(Options { window_bytes_max: 1, ..Options::default() });
    bench.at(RETRY, 0);
    assert_eq!(bench.at(RETRY, 1), Verdict::Absorb);
    assert_eq!(bench.out(), ["plain 0 at 1"], "no room at all: every line goes out, none is lost");
    assert_eq!(bench.collapse.open_lines(), 0);
    assert!(!bench.summaries.iter().any(|summary| summary.reason != CloseReason::Evicted));
}
