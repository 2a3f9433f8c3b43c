use super::*;
use crate::diagnosis::{Outcome, Source};
use crate::fingerprint::Fingerprint;
use crate::record::{ClassSource, Severity};
use crate::storm::report::{Phase, StormId, Timeline, Trigger};
use crate::storm::{Origin, Rule};
use crate::time::{SECOND, UnixNanos};
use std::sync::Arc;

fn fingerprint(template: &str) -> Arc<Fingerprint> {
    Arc::new(Fingerprint::new(Severity::Warn, template, Class::Retry, ClassSource::Guess))
}

/// Twelve instances at 1,196 records/s, 200 s after an onset at 12:01:00.02.
fn essay() -> StormReport {
    let onset = UnixNanos(43_260 * SECOND + 20_000_000);
    StormReport {
        id: StormId(1),
        fingerprints: vec![fingerprint("Connection to broker <*> failed: Connection refused, retrying in <*>ms")],
        class: Class::Retry,
        alert_level: AlertLevel::Critical,
        phase: Phase::Firing,
        onset,
        onset_is_unknown: false,
        fired: onset.plus(3 * SECOND),
        rule: Some(Rule::Hot),
        resolved: None,
        resumed: 0,
        last: onset.plus(200 * SECOND),
        records: 239_200,
        bytes: 239_200 * 180,
        rate: 1196.0,
        peak_per_second: 1300,
        baseline: 0.1,
        amplification: 11_960.0,
        instances: Some(12),
        instances_are_estimated: false,
        loudest: vec![("orders-7d9f4c-b551".to_owned(), 21_528), ("orders-7d9f4c-a1c2".to_owned(), 20_000)],
        targets: vec![("activemq-1:61616".to_owned(), 239_200)],
        origin: Origin::default(),
        origins: Vec::new(),
        has_more_origins: false,
        trigger: Some(Trigger { fingerprint: fingerprint("broker connection lost"), at: onset.plus(-100_000_000) }),
        timeline: Timeline { start: 43_260, width: 2, cells: vec![2000, 2400, 2400] },
        trend: 1.0,
        is_not_falling: false,
        advice: None,
        diagnosis: Some(Verdict {
            policy: Policy::Immediate,
            jitter: Tri::Unknown,
            lockstep: Tri::Unknown,
            instances: Some(12),
            outcome: Outcome::Ongoing,
            attempts_seen: Some(2400),
            interval_ms: Some(80.0),
            stated_delay_ms: Some(0.0),
            source: Source::Text,
            confidence: 0.97,
            ..Verdict::default()
        }),
    }
}

#[test]
fn the_alert_of_the_essay_reads_like_the_design() {
    let expected = "\
[CRITICAL] Retry storm: \"Connection to broker <*> failed: Connection refused, retrying in <*>ms\"
what   1,196 records/s for 3 min 20 s (normally 0.1/s; x11,960). 239,200 records so far, 238,870 collapsed.
who    12 instances (orders-7d9f4c-*), ~100/s each; loudest: orders-7d9f4c-b551 (9 %).
to     activemq-1:61616
since  12:01:00.02Z, 0.1 s after \"broker connection lost\" (first seen 12:00:59.92Z; time order, not cause).
policy no effective backoff: ~80 ms between tries, not growing (source: text, confidence 0.97).
       jitter not visible; lock-step not applicable (hot loop); no give-up seen in 2,400 attempts.
trend  flat. ▇██
do     1 stop the loop: scale down or pause callers, or open the circuit; let back in few at a time.
       2 then fix: exponential backoff (e.g. 200 ms x2, cap 30 s) with full jitter, a limit on attempts, a retry budget
         (<= 10-20 % of requests) or circuit breaker.   (examples; fit them to the client)
cost   at this rate 103 million records/day, 19 GB a day.";
    assert_eq!(alert_text_with(&essay(), Some(238_870)), expected);
}

#[test]
fn what_is_unknown_is_said_not_left_out() {
    let report = StormReport { instances: None, loudest: Vec::new(), targets: Vec::new(), trigger: None, diagnosis: None, ..essay() };
    let text = alert_text(&report);
    for line in [
        "who    not visible: no instance id in these lines",
        "to     not visible: these lines name no target",
        "since  12:01:00.02Z; what preceded it is not visible: no warning or error in the 10 s before.",
        "policy not visible: too few records yet.",
    ] {
        assert!(text.contains(line), "{line}\nnot in\n{text}");
    }
}

#[test]
fn advice_goes_by_the_verdict() {
    let with = |policy, lockstep| {
        let verdict = Verdict { policy, lockstep, interval_ms: Some(1000.0), ..Verdict::default() };
        alert_text(&StormReport { diagnosis: Some(verdict), ..essay() })
    };
    assert!(with(Policy::Fixed, Tri::Yes).contains("2 then fix: add jitter"));
    assert!(with(Policy::Exponential, Tri::No).contains("1 the clients back off properly: look at the cause"));
    assert!(with(Policy::Exponential, Tri::No).contains("2 no limit on attempts is visible"));
    assert!(with(Policy::Unknown, Tri::Unknown).contains("the policy is not visible"));
    assert!(alert_text(&StormReport { advice: Some("restart the broker".to_owned()), ..essay() }).contains("\n       3 restart the broker\ncost"));
}

#[test]
fn what_did_not_fall_is_never_called_a_cause() {
    let text = alert_text(&StormReport { is_not_falling: true, ..essay() });
    assert!(text.contains("did not fall below half its peak for 5 min; it may not end when the cause ends"), "{text}");
    assert!(!text.contains("because"));
}

#[test]
fn a_storm_that_is_silent_at_the_end_is_told_by_its_mean_rate() {
    let text = alert_text(&StormReport { rate: 0.0, ..essay() });
    assert!(text.contains("what   1,196 records/s in the mean for 3 min 20 s (normally 0.1/s; x11,960)"), "{text}");
    assert!(text.contains("cost   at this rate 103 million records/day, 19 GB a day."), "{text}");
}
