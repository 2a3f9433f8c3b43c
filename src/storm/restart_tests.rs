//! A restart in the middle of a storm.

use super::super::origins::Origin;
use super::super::report::StormId;
use super::super::state::{FingerprintState, StormsState};
use super::*;
use crate::record::{ClassSource, StreamId};
use proptest::prelude::*;

/// One record: (ms after noon, which fingerprint, instance).
type Record = (i64, usize, u64);

const NOON: i64 = 1_760_011_200;

struct Run {
    storms: Storms,
    fingerprints: Vec<Arc<Fingerprint>>,
    told: Vec<(String, StormId, u64)>,
    /// With each event: what all agreed on when it fired, and how many origins there are.
    origins: Vec<(Origin, usize)>,
}

impl Run {
    fn new(templates: &[(&str, Class)]) -> Self {
        let fingerprints =
            (templates.iter()).map(|(template, class)| Arc::new(Fingerprint::new(Severity::Warn, *template, *class, ClassSource::Guess))).collect();
        Self { storms: Storms::new(StormOptions::default()), fingerprints, told: Vec::new(), origins: Vec::new() }
    }

    fn record(&mut self, (ms, which, instance): Record) {
        let at = UnixNanos(NOON * SECOND + ms * 1_000_000);
        let name = format!("orders-{instance}");
        let seen = Occurrence {
            fingerprint: &self.fingerprints[which],
            index: FingerprintIndex(which as u32),
            // Each instance has a stream of its own.
            stream: StreamId(instance as u32),
            arrival: at,
            place: Default::default(),
            working: at,
            event: None,
            feeds_rate: true,
            late: false,
            lines: 1,
            raw: b"x\n",
            instance: Some(name.as_bytes()),
            instance_hash: crate::diagnosis::spread(instance),
            worker_hash: crate::diagnosis::spread(instance),
            target: None,
            attempt: None,
            max_attempts: None,
            delay: None,
        };
        let Self { storms, told, origins, .. } = self;
        storms.observe(&seen, &mut |event| tell(told, origins, &event));
    }

    fn advance(&mut self, ms: i64) {
        let Self { storms, told, origins, .. } = self;
        storms.advance(UnixNanos(NOON * SECOND + ms * 1_000_000), &mut |event| tell(told, origins, &event));
    }

    /// The process ends and another one goes on, `ms` after noon. What was told stays told. The state goes through JSON on its way.
    fn restart(&mut self, ms: i64) {
        let kept = serde_json::to_string(&self.storms.snapshot()).expect("the state is plain data");
        let state: StormsState = serde_json::from_str(&kept).expect("what was written can be read");
        assert_eq!(state, self.storms.snapshot());
        self.storms = Storms::new(StormOptions::default());
        let fingerprints = &self.fingerprints;
        self.storms.restore(&state, UnixNanos(NOON * SECOND + ms * 1_000_000), |told: &FingerprintState| {
            let at = fingerprints.iter().position(|known| *known.template == *told.template).expect("the state tells of known fingerprints");
            (FingerprintIndex(at as u32), Arc::clone(&fingerprints[at]))
        });
    }

    fn words(&self) -> Vec<&str> {
        self.told.iter().map(|told| told.0.as_str()).collect()
    }

    fn count(&self, word: &str) -> usize {
        self.told.iter().filter(|told| told.0 == word).count()
    }
}

fn tell(told: &mut Vec<(String, StormId, u64)>, origins: &mut Vec<(Origin, usize)>, event: &StormEvent) {
    origins.push((event.report().origin.clone(), event.report().origins.len()));
    let word = format!("{event:?}");
    told.push((word.split('(').next().unwrap_or_default().to_owned(), event.report().id, event.report().records));
}

/// Eight instances, each `per_second` times a second.
fn storm(seconds: i64, per_second: i64) -> Vec<Record> {
    let step = 1000 / per_second;
    (0..seconds * per_second).flat_map(|n| (1..=8).map(move |instance| (n * step + instance as i64, 0, instance))).collect()
}

/// Plays the records, restarts before the one at `cut` with a pause, and waits until all is quiet.
fn cut(templates: &[(&str, Class)], records: &[Record], cut: usize, pause_ms: i64) -> Run {
    let mut run = Run::new(templates);
    for (n, (ms, which, instance)) in records.iter().enumerate() {
        if n == cut {
            run.restart(records[n.saturating_sub(1)].0 + pause_ms);
        }
        run.record((if n >= cut { ms + pause_ms } else { *ms }, *which, *instance));
    }
    let last = records.last().map_or(0, |record| record.0) + pause_ms;
    if cut >= records.len() {
        run.restart(last);
    }
    for second in 1..900 {
        run.advance(last + second * 1000);
    }
    run
}

#[test]
fn a_storm_goes_on_under_its_id_after_a_restart() {
    let run = cut(&[("refused, retrying", Class::Retry)], &storm(30, 4), 600, 2000);
    assert_eq!(run.words(), ["Firing", "Ongoing", "Resolved"]);
    assert!(run.told.iter().all(|told| told.1 == run.told[0].1));
    // Both processes' records.
    assert_eq!(run.told[2].2, 30 * 4 * 8);
}

/// Instances of a namespace, each with its stream.
fn settle(run: &mut Run, namespace: &str, instances: std::ops::RangeInclusive<u64>) {
    for instance in instances {
        let origin = Origin::of(&[("k8s.namespace.name", namespace), ("squelch.workload", "orders")]);
        run.storms.set_origin(StreamId(instance as u32), Some(origin));
    }
}

#[test]
fn whose_storm_it_is_stays_when_another_namespace_joins_and_after_a_restart() {
    let mut run = Run::new(&[("refused, retrying", Class::Retry)]);
    settle(&mut run, "shop", 1..=8);
    settle(&mut run, "pay", 9..=9);
    storm(30, 4).into_iter().for_each(|record| run.record(record));
    let shop = Origin::of(&[("k8s.namespace.name", "shop"), ("squelch.workload", "orders")]);
    assert_eq!((run.words(), run.origins.clone()), (vec!["Firing"], vec![(shop.clone(), 1)]));
    run.restart(31_000);
    settle(&mut run, "shop", 1..=8);
    settle(&mut run, "pay", 9..=9);
    for (ms, which, instance) in storm(30, 4) {
        run.record((32_000 + ms, which, if instance == 8 { 9 } else { instance }));
    }
    run.restart(63_000);
    run.advance(200_000);
    run.advance(202_000);
    assert_eq!(run.words(), ["Firing", "Ongoing", "Resolved"]);
    assert!(run.origins.iter().all(|(origin, _)| *origin == shop), "the identity is that of its first moment: {:?}", run.origins);
    assert_eq!(run.origins.last().map(|(_, count)| *count), Some(2), "the list has both");
}

#[test]
fn those_who_take_part_when_it_fires_must_agree_on_whose_it_is() {
    for (stranger, expected) in [("shop", vec!["shop", "orders"]), ("pay", vec!["orders"]), ("", vec!["orders"])] {
        let mut run = Run::new(&[("refused, retrying", Class::Retry)]);
        settle(&mut run, "shop", 1..=7);
        settle(&mut run, stranger, 8..=8);
        storm(30, 4).into_iter().for_each(|record| run.record(record));
        assert_eq!(run.origins[0].0.fields().map(|(_, value)| value).collect::<Vec<_>>(), expected, "{stranger}");
    }
}

#[test]
fn a_slow_loop_and_a_crash_loop_have_a_namespace_too() {
    let slow: Vec<Record> = (0..150).map(|n| (n * 5000, 0, 1)).collect();
    let crashes: Vec<Record> = (0..30).map(|n| (n * 20_000, 0, 1)).collect();
    for (words, records) in [(("retrying", Class::Retry), &slow), (("Back-off restarting failed container", Class::CrashLoop), &crashes)] {
        let mut run = Run::new(&[words]);
        settle(&mut run, "shop", 1..=1);
        records.iter().for_each(|record| run.record(*record));
        (0..1000).for_each(|second| run.advance(records.last().unwrap().0 + second * 1000));
        let shop = Origin::of(&[("k8s.namespace.name", "shop"), ("squelch.workload", "orders")]);
        assert_eq!((run.count("Firing"), run.count("Resolved")), (1, 1), "{:?}", run.told);
        assert!(run.origins.iter().all(|(origin, count)| *origin == shop && *count == 1), "{}: {:?}", words.0, run.origins);
    }
}

#[test]
fn a_storm_that_ended_while_nobody_listened_is_over_after_the_usual_silence() {
    let mut run = Run::new(&[("refused, retrying", Class::Retry)]);
    storm(30, 4).into_iter().for_each(|record| run.record(record));
    run.restart(600_000);
    // Nothing is read: the owner of the clock comes when it was asked to.
    let due = run.storms.next_wakeup().expect("a restored storm wants to be woken");
    assert_eq!(due, UnixNanos((NOON + 660) * SECOND));
    run.advance(660_000);
    run.advance(662_000);
    assert_eq!(run.words(), ["Firing", "Resolved"]);
    assert_eq!(run.told[1].2, 30 * 4 * 8);
}

#[test]
fn older_lines_of_a_backlog_do_not_end_a_storm_before_its_own_come() {
    let mut run = Run::new(&[("refused, retrying", Class::Retry), ("other, retrying", Class::Retry)]);
    let records = storm(120, 4);
    records[..2000].iter().for_each(|record| run.record(*record));
    run.restart(3_600_000);
    // Another file is behind by ten minutes.
    (0..30).for_each(|n| run.record((-600_000 + n * 20_000, 1, 3)));
    records[2000..].iter().for_each(|record| run.record(*record));
    run.advance(300_000);
    assert_eq!(run.words(), ["Firing", "Ongoing", "Resolved"]);
}

#[test]
fn what_a_restart_took_over_survives_the_next_one() {
    let mut run = Run::new(&[("refused, retrying", Class::Retry)]);
    let records = storm(60, 4);
    records[..800].iter().for_each(|record| run.record(*record));
    let before = run.storms.snapshot();
    run.restart(26_000);
    assert_eq!(run.storms.snapshot().incidents[0].members, before.incidents[0].members);
    run.restart(27_000);
    records[900..].iter().for_each(|record| run.record(*record));
    run.advance(200_000);
    assert_eq!(run.words(), ["Firing", "Ongoing", "Resolved"]);
    assert_eq!(run.storms.current()[0].instances, Some(8));
}

#[test]
fn a_slow_loop_and_a_crash_loop_are_told_once_over_a_restart() {
    let slow: Vec<Record> = (0..150).map(|n| (n * 5000, 0, 1)).collect();
    let crashes: Vec<Record> = (0..30).map(|n| (n * 20_000, 0, 1)).collect();
    for (words, records) in [(("retrying", Class::Retry), &slow), (("Back-off restarting failed container", Class::CrashLoop), &crashes)] {
        for at in [10, records.len() * 3 / 4, records.len() - 2, records.len()] {
            let run = cut(&[words], records, at, 1500);
            assert_eq!((run.count("Firing"), run.count("Resolved"), run.count("Resumed")), (1, 1, 0), "{} cut at {at}: {:?}", words.0, run.told);
            if (100..records.len()).contains(&at) || words.1 == Class::CrashLoop && (10..records.len()).contains(&at) {
                assert!(run.count("Ongoing") >= 1, "it is told again after the restart: {:?}", run.told);
            }
            assert!(run.told.iter().all(|told| told.1 == run.told[0].1));
            assert!(at < 100 && words.1 == Class::Retry || run.told.last().is_some_and(|told| told.2 == records.len() as u64), "{:?}", run.told);
        }
    }
}

#[test]
fn a_state_that_makes_no_sense_does_no_harm() {
    let mut run = Run::new(&[("refused, retrying", Class::Retry)]);
    storm(30, 4).into_iter().for_each(|record| run.record(record));
    let mut state = run.storms.snapshot();
    let mut twice = state.incidents[0].clone();
    twice.id = "no id".into();
    state.incidents.push(twice);
    let mut empty = state.incidents[0].clone();
    empty.members.clear();
    state.incidents.push(empty);
    // Two incidents that claim one fingerprint.
    state.incidents.push(state.incidents[0].clone());
    let mut storms = Storms::new(StormOptions::default());
    let fingerprint = Arc::clone(&run.fingerprints[0]);
    storms.restore(&state, UnixNanos(NOON * SECOND), |_| (FingerprintIndex(0), Arc::clone(&fingerprint)));
    let mut over = 0;
    for second in 0..300 {
        storms.advance(UnixNanos((NOON + second) * SECOND), &mut |event| over += u32::from(matches!(event, StormEvent::Resolved(_))));
    }
    assert_eq!(over, 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn wherever_a_storm_is_cut_it_fires_once_and_ends_once(at in 0_usize..=1000, pause in 0_i64..4000, per_second in 1_i64..20) {
        let records = storm(1000 / (8 * per_second) + 12, per_second);
        let run = cut(&[("refused, retrying", Class::Retry)], &records, at.min(records.len()), pause);
        prop_assert_eq!((run.count("Firing"), run.count("Resolved"), run.count("Resumed")), (1, 1, 0), "{:?}", run.told);
        prop_assert!(run.told.iter().all(|told| told.1 == run.told[0].1));
    }
}
