use super::*;
use crate::diagnosis::Policy;

const SECOND: Duration = Duration::from_secs(1);

fn add(retries: &mut Retries, id: u64, records: u64, at: u32) {
    retries.add(FingerprintId(id), Class::Retry, "retrying in <dur>", records, SECOND * at);
}

/// (id, records) of those with a counter, and `other`.
fn counters(retries: &mut Retries, at: u32) -> (Vec<(u64, u64)>, u64) {
    let status = retries.status(SECOND * at);
    (status.exposed.iter().map(|exposed| (exposed.id.0, exposed.records)).collect(), status.other)
}

#[test]
fn a_fingerprint_is_counted_by_name_from_its_first_record_whatever_its_rate() {
    let mut retries = Retries::new(2);
    add(&mut retries, 7, 1, 0);
    assert_eq!(counters(&mut retries, 1), (vec![(7, 1)], 0));
}

#[test]
fn ordinary_records_have_no_counter() {
    let mut retries = Retries::new(2);
    retries.add(FingerprintId(1), Class::None, "GET <path>", 5, SECOND);
    let status = retries.status(SECOND);
    assert_eq!((status.exposed.len(), status.other, status.by_class), (0, 0, [0; 6]));
}

#[test]
fn beyond_the_bound_records_go_to_other_and_none_is_counted_twice() {
    let mut retries = Retries::new(2);
    for (id, records) in [(1, 10), (2, 10), (3, 4), (4, 5)] {
        add(&mut retries, id, records, 0);
    }
    assert_eq!(counters(&mut retries, 1), (vec![(1, 10), (2, 10)], 9));
}

#[test]
fn a_much_louder_newcomer_takes_the_place_of_the_quietest_and_starts_at_zero() {
    let mut retries = Retries::new(2);
    for (id, records) in [(1, 10), (2, 3), (3, 6)] {
        add(&mut retries, id, records, 0);
    }
    assert_eq!(counters(&mut retries, 1).0, [(1, 10), (2, 3)], "twice as loud is not louder than twice");
    add(&mut retries, 3, 1, 2);
    assert_eq!(counters(&mut retries, 2), (vec![(1, 10), (3, 0)], 7));
    add(&mut retries, 3, 5, 3);
    add(&mut retries, 2, 4, 3);
    assert_eq!(counters(&mut retries, 3), (vec![(1, 10), (3, 5)], 11));
}

#[test]
fn ten_idle_minutes_end_a_counter_and_whoever_comes_back_is_admitted_anew() {
    let mut retries = Retries::new(1);
    add(&mut retries, 1, 3, 0);
    add(&mut retries, 2, 1, 599);
    let first = retries.status(SECOND * 599).exposed[0].clone();
    assert_eq!(counters(&mut retries, 600), (vec![(2, 0)], 1));
    add(&mut retries, 1, 1, 700);
    assert_eq!(counters(&mut retries, 1299), (vec![(1, 0)], 2), "the other fell silent in its turn");
    add(&mut retries, 1, 2, 1301);
    let again = retries.status(SECOND * 1301).exposed[0].clone();
    assert_eq!((again.id, again.records), (first.id, 2));
    assert!(again.admission > first.admission);
}

#[test]
fn the_table_is_bounded_and_still_counts_everything() {
    let mut retries = Retries::new(3);
    for id in 0..5000 {
        add(&mut retries, id, 2, 0);
    }
    assert_eq!(retries.known.len(), KNOWN_MAX);
    let status = retries.status(SECOND);
    assert_eq!(status.exposed.iter().map(|exposed| exposed.records).sum::<u64>() + status.other, 10_000);
    assert_eq!(status.by_class[0], 10_000);
}

#[test]
fn a_template_is_cut_between_characters() {
    let mut retries = Retries::new(1);
    retries.add(FingerprintId(1), Class::Failure, &"é".repeat(100), 1, SECOND);
    let status = retries.status(SECOND);
    assert_eq!(&*status.exposed[0].template, "é".repeat(60));
    retries.add(FingerprintId(2), Class::Failure, &format!("a{}", "é".repeat(100)), 1, SECOND);
    assert_eq!(retries.known[&FingerprintId(2)].template.len(), 119);
}

#[test]
fn every_policy_of_the_diagnosis_has_a_series() {
    use Policy::{Constant, Exponential, Fixed, Growing, Immediate, Linear, Unknown};
    assert_eq!([Immediate, Fixed, Linear, Exponential, Growing, Constant, Unknown].map(Policy::as_str), POLICIES);
}

#[test]
fn a_storm_counts_once_by_the_policy_known_when_it_fired() {
    let report = crate::outputs::storm_record::tests::storm();
    let mut retries = Retries::default();
    retries.note_storm(&StormEvent::Firing(Box::new(report.clone())));
    retries.note_storm(&StormEvent::Ongoing(Box::new(report.clone())));
    retries.note_storm(&StormEvent::Resolved(Box::new(report)));
    assert_eq!(retries.status(SECOND).storms, [1, 0, 0, 0, 0, 0, 0]);
}
