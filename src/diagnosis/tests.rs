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
            diagnosis.observe(&Observation { at: at * MILLI, worker: 7, instance: 7, attempt: Some(attempt), ..Observation::default() });
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
