//! Property tests: conservation after every step, determinism, and a naive model that keeps every record.

use super::summary::Summary;
use super::tests::{fingerprint, identity};
use super::{Closed, Collapse, Verdict};
use crate::engine::{Mode, Options};
use crate::fingerprint::Fingerprint;
use crate::occurrence::Occurrence;
use crate::record::{Class, FingerprintIndex, StreamId};
use crate::time::{MILLI, SECOND, UnixNanos};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug)]
enum Step {
    /// A record: fingerprint, stream, ms since the last one (may be negative), instance, lines, worker, late.
    Record {
        index: u32,
        stream: u32,
        later_ms: i64,
        instance: u8,
        lines: u32,
        late: bool,
    },
    Advance {
        later_ms: i64,
    },
    Storm {
        index: u32,
        is_on: bool,
    },
    Companions {
        instance: u8,
    },
    Forget {
        index: u32,
    },
    EndStream {
        stream: u32,
    },
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        60 => (0u32..6, 0u32..4, prop_oneof![0i64..40, -3_000i64..3_000, 5_000i64..70_000], 0u8..20, 1u32..4, prop::bool::weighted(0.05))
            .prop_map(|(index, stream, later_ms, instance, lines, late)| Step::Record { index, stream, later_ms, instance, lines, late }),
        6 => prop_oneof![0i64..3_000, 9_000i64..30_000].prop_map(|later_ms| Step::Advance { later_ms }),
        2 => (0u32..6, any::<bool>()).prop_map(|(index, is_on)| Step::Storm { index, is_on }),
        1 => (0u8..20).prop_map(|instance| Step::Companions { instance }),
        1 => (0u32..6).prop_map(|index| Step::Forget { index }),
        1 => (0u32..4).prop_map(|stream| Step::EndStream { stream }),
        1 => Just(Step::Drain),
    ]
}

fn fingerprints() -> Vec<Arc<Fingerprint>> {
    vec![
        fingerprint("retrying in <num>ms", Class::Retry, Some("activemq.retry")),
        fingerprint("refused by <host>", Class::Failure, None),
        fingerprint("tick <num>", Class::None, None),
        fingerprint("connected again", Class::Recovery, Some("activemq.recovery")),
        fingerprint("gave up after <num>", Class::Exhausted, None),
        fingerprint("too many clients", Class::Overload, Some("postgres.too_many")),
    ]
}

/// What came out, in a form that can be compared: one line per event.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    log: Vec<String>,
    /// Records per (fingerprint, stream, 10 s) that were passed or sent out.
    counts: BTreeMap<(String, u32, i64), u64>,
    /// (fingerprint, stream, cell start, part) of summaries.
    parts: Vec<(String, u32, i64, u32)>,
    lines_out: u64,
}

impl Outcome {
    fn count(&mut self, fingerprint: &Fingerprint, stream: StreamId, ten: i64, count: u64) {
        *self.counts.entry((fingerprint.template.to_string(), stream.0, ten)).or_default() += count;
    }
    fn take(&mut self, closed: Closed<'_>) {
        self.lines_out += closed.lines();
        match closed {
            Closed::Plain(plain) => {
                self.log.push(format!("plain {} {:?} {:?}", plain.fingerprint.template, plain.stream, plain.raw));
                self.count(plain.fingerprint, plain.stream, plain.working.second().div_euclid(10) * 10, 1);
            }
            Closed::Summary(summary) => {
                check_summary(summary);
                self.log.push(format!("{summary:?}"));
                self.parts.push((summary.fingerprint.template.to_string(), summary.stream.0, summary.cell_start.0, summary.part));
                for (ten, count) in &summary.per_10s {
                    self.count(&summary.fingerprint, summary.stream, *ten, *count);
                }
            }
        }
    }
}

fn check_summary(summary: &Summary) {
    assert_eq!(summary.per_10s.iter().map(|(_, count)| count).sum::<u64>(), summary.count);
    assert!(summary.per_second.is_empty() || summary.per_second.iter().map(|(_, count)| count).sum::<u64>() == summary.count);
    assert!(summary.first <= summary.last && summary.lines >= summary.count);
    assert!(summary.samples.windows(2).all(|pair| pair[0].ordinal < pair[1].ordinal));
    assert_eq!(summary.samples.first().map(|sample| sample.ordinal), Some(1), "the first is kept");
    assert_eq!(summary.samples.last().map(|sample| sample.ordinal), Some(summary.count), "the last is kept");
}

/// Runs the steps; checks the identity after each.
fn run(steps: &[Step], options: &Options) -> (Outcome, BTreeMap<(String, u32, i64), u64>) {
    let known = fingerprints();
    let mut collapse = Collapse::new(options, identity);
    let mut outcome = Outcome::default();
    let mut naive = BTreeMap::new();
    let mut time = 1_000_000 * SECOND;
    let mut now = time;
    let mut offered = 0;
    for (number, step) in steps.iter().chain([&Step::Drain]).enumerate() {
        let mut out = |closed: Closed<'_>| outcome.take(closed);
        match *step {
            Step::Record { index, stream, later_ms, instance, lines, late } => {
                time += later_ms * MILLI;
                let raw = format!("line {number} of {index}\n");
                let name = format!("pod-{instance}");
                let working = UnixNanos(time);
                let (index, stream) = (FingerprintIndex(index), StreamId(stream));
                let occurrence = Occurrence {
                    fingerprint: &known[index.0 as usize],
                    index,
                    stream,
                    place: Default::default(),
                    arrival: working,
                    working,
                    event: Some(working),
                    feeds_rate: true,
                    late,
                    lines,
                    raw: raw.as_bytes(),
                    instance: (instance > 0).then_some(name.as_bytes()),
                    instance_hash: u64::from(instance),
                    worker_hash: u64::from(instance) << 32,
                    target: (instance % 3 > 0).then_some(name.as_bytes()),
                    attempt: Some(i64::from(instance)),
                    max_attempts: None,
                    delay: None,
                };
                let verdict = collapse.offer(&occurrence, &mut out);
                offered += u64::from(lines);
                let ten = working.second().div_euclid(10) * 10;
                *naive.entry((occurrence.fingerprint.template.to_string(), stream.0, ten)).or_default() += 1;
                if verdict != Verdict::Absorb {
                    outcome.lines_out += u64::from(lines);
                    outcome.log.push(format!("{verdict:?} {raw}"));
                    outcome.count(occurrence.fingerprint, stream, ten, 1);
                }
            }
            Step::Advance { later_ms } => {
                now = now.max(time) + later_ms * MILLI;
                collapse.advance(UnixNanos(now), &mut out);
                assert!(collapse.next_wakeup().is_none_or(|wakeup| wakeup.0 > now), "nothing that is due stays open");
            }
            Step::Storm { index, is_on } => collapse.storm(FingerprintIndex(index), is_on, &mut out),
            Step::Companions { instance } => collapse.companions(u64::from(instance), UnixNanos(time + SECOND)),
            Step::Forget { index } => collapse.forget_fingerprint(FingerprintIndex(index), &mut out),
            Step::EndStream { stream } => collapse.end_stream(StreamId(stream), &mut out),
            Step::Drain => {
                collapse.drain(&mut out);
                assert_eq!((collapse.open_lines(), collapse.open_windows()), (0, 0));
            }
        }
        assert!(collapse.open_windows() <= options.windows_max);
        assert_eq!(offered, outcome.lines_out + collapse.open_lines(), "step {number}: {step:?}");
        collapse.check_state();
    }
    (outcome, naive)
}

fn options() -> impl Strategy<Value = Options> {
    (1usize..=10, 0u64..3, prop_oneof![Just(10i64), Just(20), Just(320)], prop_oneof![Just(1usize << 20), Just(4_000)], 1u64..20).prop_map(
        |(windows_max, keep_first, window, window_bytes_max, flood_per_second)| Options {
            windows_max,
            keep_first,
            window_ns: window * SECOND,
            window_bytes_max,
            flood_per_second,
            ..Options::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_line_is_lost_and_the_same_steps_give_the_same_output(steps in prop::collection::vec(step(), 1..300), options in options()) {
        prop_assert_eq!(run(&steps, &options).0, run(&steps, &options).0);
    }

    #[test]
    fn observe_forwards_everything_and_decides_alike(steps in prop::collection::vec(step(), 1..200), options in options()) {
        let observed = run(&steps, &Options { mode: Mode::Observe, ..options.clone() }).0;
        let collapsed = run(&steps, &options).0;
        let verdicts = |outcome: &Outcome| outcome.log.iter().filter(|line| line.starts_with("Pass")).cloned().collect::<Vec<_>>();
        prop_assert_eq!(verdicts(&observed), verdicts(&collapsed));
        prop_assert!(observed.log.iter().all(|line| line.starts_with("Pass") || line.starts_with("WouldAbsorb")));
    }

    /// In time order, whatever closes early: every 10 s of every fingerprint and stream has the count that keeping all records gives,
    /// and no two summaries are the same part of the same cell.
    #[test]
    fn counts_are_those_of_keeping_every_record(steps in prop::collection::vec(step(), 1..300), options in options()) {
        let steps: Vec<Step> = steps
            .into_iter()
            .filter(|step| !matches!(step, Step::EndStream { .. }))
            .map(|step| match step {
                Step::Record { index, stream, later_ms, instance, lines, .. } => Step::Record { index, stream, later_ms: later_ms.abs(), instance, lines, late: false },
                other => other,
            })
            .collect();
        let (outcome, naive) = run(&steps, &options);
        prop_assert_eq!(&outcome.counts, &naive);
        let mut parts = outcome.parts.clone();
        parts.sort();
        parts.dedup();
        prop_assert_eq!(parts.len(), outcome.parts.len());
    }

    /// Two nodes that see a share each tell together what one node would tell that sees all, in either order.
    #[test]
    fn merged_summaries_are_what_one_node_would_say(records in prop::collection::vec((0u32..600, 0i64..100, 1u32..4, any::<bool>()), 2..1_500)) {
        let all = summary_of(&records, |_| true);
        let one = summary_of(&records, |is_one| is_one);
        let two = summary_of(&records, |is_one| !is_one);
        let merged = |parts: [&Option<Summary>; 2]| {
            parts.into_iter().flatten().cloned().reduce(|mut sum, part| {
                sum.merge(&part);
                sum
            })
        };
        let (forth, back) = (merged([&one, &two]), merged([&two, &one]));
        prop_assert_eq!(gaps(&forth), gaps(&back));
        prop_assert!(without_gaps(&forth) == without_gaps(&back), "the order of merging shows");
        let (Some(all), Some(sum)) = (all, forth) else { return Ok(()) };
        prop_assert_eq!((sum.count, sum.lines, sum.bytes, sum.first, sum.last), (all.count, all.lines, all.bytes, all.first, all.last));
        prop_assert_eq!(&sum.per_10s, &all.per_10s);
        prop_assert_eq!(&sum.instances.registers, &all.instances.registers);
        prop_assert_eq!((sum.instances.count, sum.instances.is_estimate), (all.instances.count, all.instances.is_estimate));
        if !all.instances.is_estimate {
            prop_assert_eq!(&sum.instances, &all.instances);
        }
        prop_assert_eq!((sum.attempts, sum.max_attempts, sum.delays), (all.attempts, all.max_attempts, all.delays));
        let total = |summary: &Option<Summary>| gaps(summary).iter().map(|(_, count)| count).sum::<u64>();
        prop_assert_eq!(sum.intervals.as_ref().map_or(0, |gaps| gaps.len()), total(&one) + total(&two));
        prop_assert!(sum.samples.len() <= super::summary::SAMPLES_MAX);
        prop_assert_eq!(sum.samples.last().map(|sample| sample.at), Some(all.last));
    }
}

/// The buckets of the histogram that hold something.
fn gaps(summary: &Option<Summary>) -> Vec<(u64, u64)> {
    let gaps = summary.iter().filter_map(|summary| summary.intervals.as_ref());
    gaps.flat_map(|gaps| gaps.iter_recorded().map(|bucket| (bucket.value_iterated_to(), u64::from(bucket.count_at_value())))).collect()
}

fn without_gaps(summary: &Option<Summary>) -> String {
    format!("{:?}", summary.clone().map(|summary| Summary { intervals: None, ..summary }))
}

/// The summary of one cell of those records (instance, ms later, lines, which node) that `belongs` says; as the window itself makes it.
fn summary_of(records: &[(u32, i64, u32, bool)], belongs: impl Fn(bool) -> bool) -> Option<Summary> {
    let known = fingerprints();
    let mut window = super::window::Window::new();
    let start = 1_000_000 * 320 * SECOND;
    window.open(super::grid::Cell::holding(start, 320 * SECOND), 1, 1, super::summary::Cause::Rule, true);
    let (mut time, mut before) = (start, None);
    for (instance, later_ms, lines, is_one) in records {
        time += later_ms * MILLI + 1;
        if !belongs(*is_one) {
            continue;
        }
        let name = format!("pod-{instance}");
        let occurrence = Occurrence {
            fingerprint: &known[0],
            index: FingerprintIndex(0),
            stream: StreamId(0),
            place: Default::default(),
            arrival: UnixNanos(time),
            working: UnixNanos(time),
            event: None,
            feeds_rate: true,
            late: false,
            lines: *lines,
            raw: name.as_bytes(),
            instance: Some(name.as_bytes()),
            instance_hash: u64::from(*instance) + 1,
            worker_hash: 0,
            target: Some(&name.as_bytes()[..5]),
            attempt: Some(i64::from(*instance)),
            max_attempts: Some(7),
            delay: Some(*later_ms),
        };
        window.absorb(&occurrence, before.map(|before| time - before));
        before = Some(time);
    }
    (window.count > 0).then(|| window.summary(&known[0], StreamId(0), super::summary::CloseReason::CellEnd, None, identity))
}
