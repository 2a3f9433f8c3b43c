//! What the simulator is for, as sentences.

use std::ops::ControlFlow;

use proptest::prelude::*;

use super::format::{Format, Prefix, render};
use super::policy::{BreakerLimits, Growth, Jitter, OnGiveUp, Policy};
use super::scenario::NAMES;
use super::*;
use crate::time::{MILLI, SECOND};

#[test]
fn twelve_attempts_a_second_become_twelve_hundred() {
    let truth = essay_left_alone(1, |s| s);
    let before = mean(&truth.attempts_per_second[5..30]);
    let storm = mean(&truth.attempts_per_second[40..100]);
    assert!((11.0..13.0).contains(&before), "{before} before the outage");
    assert!((1_050.0..1_350.0).contains(&storm), "{storm} in the storm");
}

#[test]
fn immediate_retries_keep_the_broker_down_after_the_outage() {
    for seed in 1..=5 {
        let truth = essay_left_alone(seed, |s| s);
        assert_eq!(truth.outcome, "ongoing", "seed {seed}");
        assert!(truth.storm_outlived_outage_s.is_some_and(|s| s > 80.0), "seed {seed}");
        let served = mean(&truth.successes_per_second[60..110]);
        assert!(served < 4.0, "seed {seed}: {served} orders a second, 12 are needed");
    }
}

#[test]
fn full_jitter_lets_the_same_broker_recover() {
    recovers(|s| Scenario { policy: Policy::full_jitter(), ..s });
}

#[test]
fn a_breaker_lets_the_same_broker_recover() {
    let breaker = Scenario::named("breaker").unwrap().policy;
    recovers(|s| Scenario { policy: breaker, ..s });
}

#[test]
fn a_budget_lets_the_same_broker_recover() {
    recovers(|s| s.with_budget(10.0, 0.5));
}

#[test]
fn without_an_outage_nothing_is_retried() {
    for seed in 1..=5 {
        let truth = run(&Scenario { seed, ..Scenario::named("healthy").unwrap() });
        assert_eq!((truth.outcome, truth.storm, truth.retry_records), ("healthy", false, 0), "seed {seed}");
        assert!(truth.successes > 3_500);
    }
}

#[test]
fn a_day_has_blips_deploys_and_batches_but_no_storm() {
    for seed in 1..=3 {
        let (mut lines_of_batches, mut starts) = (0, 0);
        let truth = simulate(&Scenario { seed, ..Scenario::named("day").unwrap() }, &mut |line| {
            lines_of_batches += u32::from(line.thread == "batch-1");
            starts += u32::from(line.message.starts_with("Started "));
            ControlFlow::Continue(())
        })
        .unwrap();
        assert!(!truth.storm && truth.outcome == "recovered", "seed {seed}: {}", truth.storm_why);
        assert!(truth.retry_records > 200 && !truth.cut_short, "seed {seed}: {}", truth.retry_records);
        assert_eq!((lines_of_batches, starts), (24 * 400, 36), "seed {seed}");
        let noon = truth.successes_per_second[12 * 3_600..13 * 3_600].iter().sum::<u32>();
        let night = truth.successes_per_second[3 * 3_600..4 * 3_600].iter().sum::<u32>();
        assert!(noon > 5 * night, "seed {seed}: {noon} orders at noon, {night} at night");
    }
}

#[test]
fn the_storm_ends_when_somebody_stops_the_clients() {
    let truth = run(&Scenario::named("essay").unwrap());
    assert_eq!(truth.outcome, "recovered");
    assert_eq!(truth.storm_end_s, Some(105));
}

#[test]
fn a_full_database_is_logged_on_both_sides() {
    let truth = run(&Scenario::named("postgres").unwrap());
    assert!(truth.storm && truth.overload_records > 1_000 && truth.retry_records > 1_000);
    let rate = mean(&truth.attempts_per_second[40..100]);
    assert!((120.0..260.0).contains(&rate), "{rate} attempts a second");
}

#[test]
fn lock_step_clients_try_in_the_same_tenth_of_a_second() {
    let mut stamps = Vec::new();
    let scenario = Scenario::named("lockstep").unwrap();
    simulate(&scenario, &mut |line| {
        if line.kind == wording::LineKind::Retry && line.at - scenario.start.0 < 50 * SECOND {
            stamps.push(line.at);
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    for volley in stamps.chunks_exact(12) {
        assert!(volley[11] - volley[0] < 100 * MILLI);
    }
}

#[test]
fn the_kubelet_backs_off_up_to_five_minutes() {
    let (text, truth) = text(&Scenario::named("crashloop").unwrap(), Format::Logback, Prefix::None);
    for wait in ["back-off 10s ", "back-off 20s ", "back-off 40s ", "back-off 1m20s ", "back-off 2m40s ", "back-off 5m0s "] {
        assert!(text.contains(wait), "{wait}");
    }
    assert_eq!(truth.outcome, "ongoing");
    assert_eq!(truth.attempts_per_instance.len(), 12);
}

#[test]
fn a_limit_with_an_outer_loop_limits_nothing() {
    let limited =
        |on_give_up| essay_left_alone(3, |s| Scenario { policy: Policy { max_attempts: Some(10), on_give_up, ..Policy::immediate() }, ..s });
    let again = limited(OnGiveUp::StartAgain(0));
    assert!(again.exhausted_records > 100 && again.outcome == "ongoing");
    assert!(again.attempts_in_a_row_max < 10);
    assert_eq!(limited(OnGiveUp::Drop).outcome, "recovered", "a limit that holds is a budget of sorts");
}

#[test]
fn lines_come_in_the_order_of_time() {
    for (name, _) in NAMES {
        let mut last = i64::MIN;
        simulate(&Scenario { lines_max: 20_000, ..Scenario::named(name).unwrap() }, &mut |line| {
            assert!(line.at >= last, "{name}: {}", line.message);
            last = line.at;
            ControlFlow::Continue(())
        })
        .unwrap();
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = |seed| text(&Scenario { seed, lines_max: 5_000, ..Scenario::named("jitter").unwrap() }, Format::Json, Prefix::None).0;
    assert_eq!(bytes(7), bytes(7));
    assert_ne!(bytes(7), bytes(8));
}

#[test]
fn the_limit_of_lines_counts_stack_traces() {
    let scenario = Scenario { lines_max: 10_000, trace_lines: 6, ..Scenario::essay() };
    let (text, truth) = text(&scenario, Format::Logback, Prefix::Kubectl);
    assert_eq!(text.lines().count() as u64, truth.lines);
    assert!(truth.lines <= 10_000 && truth.cut_short);
}

#[test]
fn the_truth_counts_what_was_written() {
    let scenario = Scenario {
        policy: Policy { growth: Growth::Fixed, base: SECOND / 4, jitter: Jitter::Equal, ..Policy::immediate() },
        workers: 3,
        ..Scenario::essay()
    };
    let (text, truth) = text(&scenario, Format::Logback, Prefix::None);
    assert_eq!(text.lines().count() as u64, truth.lines);
    assert_eq!(truth.lines_per_instance.iter().map(|(_, n)| n).sum::<u64>(), truth.lines);
    assert_eq!(truth.attempts_per_instance.iter().map(|(_, n)| n).sum::<u64>(), truth.attempts);
    let pattern = regex::Regex::new(truth.attempt_line.unwrap()).unwrap();
    assert_eq!(text.lines().filter(|l| pattern.is_match(l)).count() as u64, truth.retry_records);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let wrong = Scenario { clients: 0, outage: Some((5, 5)), ..Scenario::essay() };
    let told = simulate(&wrong, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert_eq!(told, ["clients must be 1 to 1000", "outage must end after it begins, within a day; write for example --outage 30s..32s"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the figures: the run ends, in order, within its limits, and the books are right.
    #[test]
    fn any_run_ends_and_keeps_its_books(
        seed: u64, story in 0usize..3, clients in 1usize..30, workers in 1usize..4, growth in 0usize..4, jitter in 0usize..4,
        base_ms in 0i64..400, max_attempts in proptest::option::of(1u32..6), on_give_up in 0usize..3, breaker: bool, budget: bool,
        lock_step: bool, outage_ms in 1i64..20_000, restart: bool, trace_lines in 0u32..3, backlog in 1usize..5,
    ) {
        let policy = Policy {
            growth: [Growth::Immediate, Growth::Fixed, Growth::Linear, Growth::Exponential][growth],
            jitter: [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated][jitter],
            base: base_ms * MILLI,
            max_attempts,
            on_give_up: [OnGiveUp::Drop, OnGiveUp::StartAgain(0), OnGiveUp::Exit(SECOND)][on_give_up],
            breaker: breaker.then_some(BreakerLimits { failures: 3, open_for: SECOND }),
            ..Policy::immediate()
        };
        let mut scenario = Scenario {
            story: [Story::Broker, Story::Postgres, Story::CrashLoop][story],
            clients, workers, policy, lock_step, trace_lines, seed,
            outage: Some((5 * SECOND, 5 * SECOND + outage_ms * MILLI)),
            restart: restart.then_some((15 * SECOND, 17 * SECOND)),
            duration: 40 * SECOND,
            lines_max: 30_000,
            ..Scenario::essay()
        };
        scenario.capacity.backlog = backlog;
        if budget {
            scenario = scenario.with_budget(5.0, 1.0);
        }
        let (mut last, mut lines) = (scenario.start.0, 0);
        let truth = simulate(&scenario, &mut |line| {
            assert!(line.at >= last && line.instance <= clients);
            last = line.at;
            lines += 1 + line.trace.len() as u64;
            ControlFlow::Continue(())
        }).unwrap();
        prop_assert!(last < scenario.start.0 + scenario.duration);
        prop_assert_eq!(truth.lines, lines);
        prop_assert!(lines <= 30_000);
        prop_assert_eq!(truth.lines_per_instance.iter().map(|(_, n)| n).sum::<u64>(), lines);
        prop_assert!(max_attempts.is_none_or(|most| truth.attempts_in_a_row_max < most));
        prop_assert!(story == 2 || truth.attempts >= truth.successes);
    }
}

/// The essay without the restart that ends it.
fn essay_left_alone(seed: u64, change: impl Fn(Scenario) -> Scenario) -> Truth {
    run(&change(Scenario { seed, restart: None, duration: 120 * SECOND, ..Scenario::essay() }))
}

fn recovers(change: impl Fn(Scenario) -> Scenario) {
    for seed in 1..=5 {
        let truth = essay_left_alone(seed, &change);
        assert_eq!(truth.outcome, "recovered", "seed {seed}");
        let served = mean(&truth.successes_per_second[90..]);
        assert!(served > 11.0, "seed {seed}: {served} orders a second");
    }
}

fn run(scenario: &Scenario) -> Truth {
    simulate(scenario, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn text(scenario: &Scenario, format: Format, prefix: Prefix) -> (String, Truth) {
    let (names, mut out) = (instances(scenario), String::new());
    let truth = simulate(scenario, &mut |line| {
        render(line, &names[line.instance], format, prefix, &mut out);
        ControlFlow::Continue(())
    });
    (out, truth.unwrap())
}

fn mean(cells: &[u32]) -> f64 {
    f64::from(cells.iter().sum::<u32>()) / cells.len() as f64
}
