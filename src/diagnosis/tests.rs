use super::*;
use crate::time::{MILLI, SECOND};

/// Records of one worker at the given times (ms).
fn one_worker(times_ms: &[i64]) -> Diagnosis {
    let mut diagnosis = Diagnosis::new(times_ms[0] * MILLI);
    for at in times_ms {
        diagnosis.observe(&Observation { at: at * MILLI, worker: 7, instance: 7, ..Observation::default() });
    }
    diagnosis
}

#[track_caller]
fn check(times_ms: &[i64], expected: Policy) -> Verdict {
    let diagnosis = one_worker(times_ms);
    let verdict = diagnosis.verdict(diagnosis.last());
    assert_eq!(verdict.policy, expected, "{times_ms:?}: {verdict:?}");
    verdict
}

#[test]
fn four_growing_gaps_of_one_worker_carry_a_verdict_with_low_confidence() {
    let few = check(&[0, 1000, 3000, 7000, 15_000], Policy::Exponential);
    assert!(few.confidence < 0.7, "{few:?}");
    check(&[0, 1000, 3000, 6000, 10_000, 15_000], Policy::Linear);
}

#[test]
fn a_regular_interval_is_fixed_and_says_wait_or_timeout() {
    let verdict = check(&[0, 1001, 2003, 3004, 4006, 5008, 6009], Policy::Fixed);
    assert!(verdict.notes.iter().any(|note| note.contains("wait or timeout")), "{verdict:?}");
}

#[test]
fn a_tight_loop_is_immediate() {
    check(&(0..200).map(|n| n * 3).collect::<Vec<_>>(), Policy::Immediate);
}

#[test]
fn a_backoff_that_is_reset_by_an_outer_loop_is_a_backoff() {
    let mut times = vec![0];
    for _ in 0..5 {
        for gap in [200, 400, 800, 3000] {
            times.push(times[times.len() - 1] + gap);
        }
    }
    let verdict = check(&times, Policy::Exponential);
    assert!(verdict.notes[0].contains("starts again every 4 attempts"), "{verdict:?}");
}

#[test]
fn three_lines_at_one_moment_are_one_attempt() {
    let mut times = Vec::new();
    for at in [0, 1000, 3000, 7000, 15_000, 31_000] {
        times.extend([at, at + 2, at + 5]);
    }
    check(&times, Policy::Exponential);
}

#[test]
fn a_stated_delay_of_zero_is_immediate_even_when_a_timeout_paces_it() {
    let mut diagnosis = Diagnosis::new(0);
    for n in 0..10 {
        diagnosis.observe(&Observation { at: n * SECOND, worker: 7, instance: 7, delay: Some(0), ..Observation::default() });
    }
    let verdict = diagnosis.verdict(diagnosis.last());
    assert_eq!((verdict.policy, verdict.source), (Policy::Immediate, Source::Text));
    assert!(verdict.notes.iter().any(|note| note.starts_with("says 0.0 ms, comes every 1.0 s")), "{verdict:?}");
}

#[test]
fn attempts_that_count_down_make_a_chain() {
    let mut diagnosis = Diagnosis::new(0);
    let mut at = 0;
    for _ in 0..4 {
        for (attempt, gap) in [(5, 500), (4, 1000), (3, 2000), (2, 4000), (1, 8000), (0, 20_000)] {
            diagnosis.observe(&Observation { at: at * MILLI, worker: 7, instance: 7, attempt: Some(attempt as u32), ..Observation::default() });
            at += gap;
        }
    }
    let verdict = diagnosis.verdict(diagnosis.last());
    assert!(verdict.policy.is_growing(), "{verdict:?}");
}

#[test]
fn two_records_say_nothing() {
    let verdict = check(&[0, 1000], Policy::Unknown);
    assert_eq!(verdict.confidence, 0.0);
}

#[test]
fn a_fixed_wait_that_is_capped_from_the_start_is_not_an_exponential_at_its_cap() {
    // 100 ms doubling to 10 s, then forty waits at the cap.
    let mut times = vec![0];
    for n in 0..50_u32 {
        times.push(times[times.len() - 1] + (100_i64 << n.min(20)).min(10_000));
    }
    let verdict = check(&times, Policy::Exponential);
    assert!((verdict.cap_ms.expect("the cap was reached") - 10_000.0).abs() < 1000.0, "{verdict:?}");
}

#[test]
fn several_workers_behind_one_key_are_not_told_as_one() {
    let mut times: Vec<i64> =
        (0..4).flat_map(|worker| (0..20).map(move |n| worker * 317 % 900 + (200_i64 << n.min(6)) * (n + 1) + worker * n * 91)).collect();
    times.sort_unstable();
    let diagnosis = one_worker(&times);
    assert!(!diagnosis.verdict(diagnosis.last()).policy.is_constant());
}

#[test]
fn give_up_is_what_the_limit_says() {
    let mut diagnosis = Diagnosis::new(0);
    for n in 1..=5_u32 {
        diagnosis.observe(&Observation {
            at: i64::from(n) * SECOND,
            worker: 7,
            instance: 7,
            attempt: Some(n),
            limit: Some(5),
            ..Observation::default()
        });
    }
    let verdict = diagnosis.verdict(20 * SECOND);
    assert_eq!((verdict.outcome, verdict.max_attempts), (Outcome::GaveUp, Some(5)));
}

#[test]
fn nobody_says_never() {
    let verdict = check(&(0..50).map(|n| n * 1000).collect::<Vec<_>>(), Policy::Fixed);
    assert_eq!(verdict.outcome, Outcome::Ongoing);
    assert!(verdict.notes.iter().any(|note| note == "no give-up seen in 50 records"), "{verdict:?}");
}

#[test]
fn a_storm_of_a_million_records_fits_its_budget() {
    let mut diagnosis = Diagnosis::new(0);
    for n in 0..100_000_u64 {
        let worker = spread(n % 100 + 1);
        let at = (spread(n) % 3_000_000) as i64 * MILLI / 1000 + n as i64 * 20 * MILLI;
        diagnosis.observe(&Observation {
            at,
            worker,
            instance: worker,
            attempt: Some((n / 100) as u32),
            delay: Some((spread(n) % 10_000) as i64 * MILLI),
            ..Observation::default()
        });
    }
    // 8.5 KB for a fingerprint, of which the detector has one.
    assert!(diagnosis.bytes() <= 7680, "{} bytes", diagnosis.bytes());
    assert_eq!(diagnosis.instances().0.abs_diff(100) * 5 / 100, 0, "{:?}", diagnosis.instances());
}

/// Whether one node sees all, or two see half of the instances each and are merged: the verdict is the same, whatever it was read from.
mod merged_is_one_node {
    use super::*;

    #[derive(Clone, Copy)]
    struct Lines {
        has_key: bool,
        has_attempt: bool,
        has_delay: bool,
    }
    const BARE: Lines = Lines { has_key: false, has_attempt: false, has_delay: false };

    /// In 0..1.
    fn unit(seed: u64) -> f64 {
        (spread(seed) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// (ns, instance, attempt, delay ns), in order: `wait(instance, attempt)` in ms, all instances begin within `begin_ms`.
    fn schedule(seed: u64, instances: u64, rounds: u32, begin_ms: f64, wait: impl Fn(u64, u32) -> f64) -> Vec<(i64, u64, u32, i64)> {
        let mut records = Vec::new();
        for instance in 0..instances {
            let mut at = 1000.0 + begin_ms * unit(seed * 1009 + instance + 1);
            for attempt in 1..=rounds {
                let wait = wait(instance, attempt);
                records.push(((at * 1e6) as i64, instance, attempt, (wait * 1e6) as i64));
                at += wait + 2.0 + 6.0 * unit(seed * 7919 + instance * 104_729 + u64::from(attempt));
            }
        }
        records.sort_unstable();
        records
    }

    fn node(records: &[(i64, u64, u32, i64)], lines: Lines, takes: impl Fn(u64) -> bool) -> Diagnosis {
        let mut own = records.iter().filter(|record| takes(record.1)).peekable();
        // Each node knows its own onset only.
        let mut diagnosis = Diagnosis::new(own.peek().expect("both nodes have instances").0);
        for &(at, instance, attempt, delay) in own {
            let hash = if lines.has_key { spread(instance + 1) } else { 0 };
            diagnosis.observe(&Observation {
                at,
                worker: hash,
                instance: hash,
                // A node has streams of its own.
                stream: (instance % 2) as u32,
                attempt: lines.has_attempt.then_some(attempt),
                delay: lines.has_delay.then_some(delay),
                ..Observation::default()
            });
        }
        diagnosis
    }

    /// Both verdicts, the node's that saw all and the merged one, either way round.
    fn verdicts(lines: Lines, records: &[(i64, u64, u32, i64)]) -> [Verdict; 3] {
        let whole = node(records, lines, |_| true);
        let (even, odd) = (node(records, lines, |n| n % 2 == 0), node(records, lines, |n| n % 2 == 1));
        let (mut one, mut two) = (even.clone(), odd.clone());
        one.merge(&odd);
        two.merge(&even);
        [whole.verdict(whole.last()), one.verdict(one.last()), two.verdict(two.last())]
    }

    #[track_caller]
    fn check(name: &str, source: Source, lines: Lines, records: &[(i64, u64, u32, i64)]) {
        let [said, one, two] = verdicts(lines, records);
        assert_eq!(said.source, source, "{name}: {said:?}");
        for other in [one, two] {
            assert_eq!((other.policy, other.source), (said.policy, said.source), "{name}: {said:?} but merged {other:?}");
            let near = said.interval_ms.zip(other.interval_ms).is_none_or(|(a, b)| (a / b).ln().abs() < 0.1);
            assert!(near && (!lines.has_key || said.instances == other.instances), "{name}: {said:?} but merged {other:?}");
        }
    }

    /// Without names the merged stream has other gaps than each half of it: the class is the same, the words may differ.
    #[track_caller]
    fn check_class(name: &str, records: &[(i64, u64, u32, i64)]) {
        let [said, one, two] = verdicts(BARE, records);
        for other in [one, two] {
            assert!(said.policy.is_constant() && other.policy.is_constant(), "{name}: {said:?} but merged {other:?}");
        }
    }

    #[test]
    fn by_stated_delays() {
        for seed in 0..20 {
            let base = 200.0 + (800.0 * unit(seed + 1)).round();
            check("fixed", Source::Text, Lines { has_delay: true, ..BARE }, &schedule(seed, 8, 20, base, |_, _| base));
            let doubling = |_, n: u32| base * f64::from(1_u32 << n.min(6));
            check("exponential", Source::Text, Lines { has_delay: true, ..BARE }, &schedule(seed, 8, 10, base, doubling));
        }
    }

    #[test]
    fn by_keys() {
        let lines = Lines { has_key: true, ..BARE };
        for seed in 0..20 {
            let base = 200.0 + 800.0 * unit(seed + 1);
            check("fixed", Source::Keys, lines, &schedule(seed, 8, 20, base, |_, _| base));
            check("linear", Source::Keys, lines, &schedule(seed, 8, 12, base, |_, n| base * f64::from(n)));
            check("exponential", Source::Keys, lines, &schedule(seed, 8, 10, base, |_, n| base * f64::from(1_u32 << n.min(6))));
        }
    }

    #[test]
    fn by_attempt_numbers() {
        let lines = Lines { has_attempt: true, ..BARE };
        for seed in 0..20 {
            let base = 200.0 + 800.0 * unit(seed + 1);
            check("fixed", Source::Attempts, lines, &schedule(seed, 8, 20, base, |_, _| base));
            check("exponential", Source::Attempts, lines, &schedule(seed, 8, 10, base, |_, n| base * f64::from(1_u32 << n.min(6))));
        }
    }

    #[test]
    fn by_volleys() {
        for seed in 0..20 {
            let base = 500.0 + 2000.0 * unit(seed + 1);
            check_class("fixed, together", &schedule(seed, 16, 15, 15.0, |_, _| base));
        }
    }

    #[test]
    fn by_lags() {
        for seed in 0..20 {
            let base = 700.0 + 500.0 * unit(seed + 1);
            check_class("fixed, not together", &schedule(seed, 12, 40, base, |_, _| base));
        }
    }

    #[test]
    fn by_trend() {
        for seed in 0..20 {
            let random = |instance: u64, n: u32| 4000.0 * unit(seed * 31 + instance * 1_000_003 + u64::from(n) * 7);
            let [said, one, two] = verdicts(BARE, &schedule(seed, 24, 30, 4000.0, random));
            for other in [one, two] {
                // Near its minimum one may be withheld; they never contradict each other.
                assert!(!(said.policy.is_growing() || other.policy.is_growing()), "{said:?} but merged {other:?}");
            }
        }
    }
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    /// (ms, instance, delay ms) of a few instances.
    fn records() -> impl Strategy<Value = Vec<(i64, u64, Option<i64>)>> {
        prop::collection::vec((0..60_000_i64, 1..9_u64, prop::option::of(0..4_i64)), 2..120).prop_map(|mut records| {
            records.sort_unstable();
            records
        })
    }

    fn of(records: &[(i64, u64, Option<i64>)], takes: impl Fn(u64) -> bool) -> Diagnosis {
        let mut diagnosis = Diagnosis::new(records[0].0 * MILLI);
        for &(at, instance, delay) in records.iter().filter(|record| takes(record.1)) {
            let hash = spread(instance);
            diagnosis.observe(&Observation {
                at: at * MILLI,
                worker: hash,
                instance: hash,
                delay: delay.map(|delay| delay * 100 * MILLI),
                ..Observation::default()
            });
        }
        diagnosis
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// What depends on instances (chains, delays, counts, who) is the same, whether one node saw all or two nodes saw half each.
        #[test]
        fn two_nodes_merged_are_one_node(records in records()) {
            let whole = of(&records, |_| true);
            let mut merged = of(&records, |instance| instance % 2 == 0);
            merged.merge(&of(&records, |instance| instance % 2 == 1));
            prop_assert_eq!(&merged.chains.lines, &whole.chains.lines);
            prop_assert_eq!(merged.chains.attempts(), whole.chains.attempts());
            prop_assert_eq!(merged.instances(), whole.instances());
            prop_assert_eq!(&merged.merged.hints, &whole.merged.hints);
            prop_assert_eq!(merged.merged.octaves, whole.merged.octaves);
            prop_assert_eq!(merged.merged.attempts, whole.merged.attempts);
            prop_assert_eq!(merged.records(), whole.records());
            let (one, two) = (whole.verdict(whole.last()), merged.verdict(merged.last()));
            if one.source <= Source::Keys && two.source <= Source::Keys && !one.notes[0].contains("starts again") && !two.notes[0].contains("starts again") {
                prop_assert_eq!((one.policy, one.instances, one.interval_ms), (two.policy, two.instances, two.interval_ms));
            }
        }

        /// Merging is the same either way round.
        #[test]
        fn merging_commutes(records in records()) {
            let (even, odd) = (of(&records, |instance| instance % 2 == 0), of(&records, |instance| instance % 2 == 1));
            let (mut one, mut two) = (even.clone(), odd.clone());
            one.merge(&odd);
            two.merge(&even);
            prop_assert_eq!(one.verdict(one.last()).policy, two.verdict(two.last()).policy);
            prop_assert_eq!(&one.chains.lines, &two.chains.lines);
        }
    }
}

#[test]
fn stated_delays_that_start_again_are_a_backoff() {
    let mut diagnosis = Diagnosis::new(0);
    let mut at = 0;
    for delay in [940, 1690, 3700, 950, 1850, 4020, 1000, 1800, 4090, 980] {
        diagnosis.observe(&Observation { at: at * MILLI, delay: Some(delay * MILLI), ..Observation::default() });
        at += delay + 20;
    }
    let verdict = diagnosis.verdict(diagnosis.last());
    assert_eq!((verdict.policy, verdict.source), (Policy::Growing, Source::Text), "{verdict:?}");
}

#[test]
fn whole_seconds_show_neither_jitter_nor_lockstep() {
    let mut diagnosis = Diagnosis::new(0);
    for second in 0..60 {
        for instance in 1..=12 {
            diagnosis.observe(&Observation {
                at: second * 2 * SECOND,
                worker: spread(instance),
                instance: spread(instance),
                ..Observation::default()
            });
        }
    }
    let verdict = diagnosis.verdict(diagnosis.last());
    assert_eq!((verdict.policy, verdict.jitter, verdict.lockstep), (Policy::Fixed, Tri::Unknown, Tri::Unknown), "{verdict:?}");
}
