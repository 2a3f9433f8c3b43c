use super::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn down() -> Outcome {
    Outcome::Unreachable { kind: Unreachable::Connect, words: "connection refused".into() }
}

fn busy(retry_after: Option<u64>) -> Outcome {
    Outcome::Busy { status: 503, retry_after: retry_after.map(secs), words: String::new() }
}

const fn sent(records: usize, bytes: usize) -> Sent {
    Sent { records, bytes, attempts: 1 }
}

fn ok() -> Outcome {
    Outcome::Delivered { status: 204 }
}

/// A policy whose receiver has been there before.
fn warm(options: Options) -> Policy {
    let mut policy = Policy::new(options);
    policy.answered(Duration::ZERO, &ok(), sent(1, 1), 0.0);
    policy
}

/// No breaker, so that the delays show themselves.
fn without_breaker() -> Options {
    Options { breaker_failures: u32::MAX, retry_floor_per_minute: 1_000_000, ..Options::default() }
}

/// Times of the attempts at a receiver that answers `outcome` until `until`, from `start`.
fn attempts(policy: &mut Policy, rng: &mut StdRng, start: Duration, until: Duration, takes: Duration, outcome: &Outcome) -> Vec<Duration> {
    let mut now = start;
    let mut times = Vec::new();
    while now < until {
        match policy.may_send(now) {
            Permit::Go => {
                times.push(now);
                policy.sending(now, 1000);
                now += takes;
                policy.answered(now, outcome, sent(1000, 1000), rng.random::<f64>());
            }
            Permit::WaitUntil(at) => now = at,
            Permit::AfterAnswer => panic!("nothing is on its way"),
        }
    }
    times
}

#[test]
fn delays_double_up_to_the_cap_and_their_random_part_is_taken_after_it() {
    let mut policy = warm(without_breaker());
    for (failure, ceiling_ms) in [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000].into_iter().enumerate() {
        let mut other = policy.clone();
        let Decision::Retry { at: middle } = policy.answered(secs(100), &down(), sent(1, 1), 0.5) else { panic!("a retry") };
        let Decision::Retry { at: early } = other.answered(secs(100), &down(), sent(1, 1), 0.1) else { panic!("a retry") };
        assert_eq!((middle - secs(100)).as_millis(), ceiling_ms / 2, "failure {failure}");
        assert_eq!((early - secs(100)).as_millis(), ceiling_ms / 10, "failure {failure}");
    }
}

#[test]
fn delays_at_the_cap_are_spread_evenly_from_nothing_to_the_cap() {
    let mut policy = warm(without_breaker());
    let mut rng = StdRng::seed_from_u64(7);
    let times = attempts(&mut policy, &mut rng, secs(0), secs(60_000), Duration::ZERO, &down());
    let gaps: Vec<f64> = times.windows(2).skip(8).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    assert!(gaps.len() > 1500 && (28.5..31.5).contains(&mean), "{} gaps, mean {mean}", gaps.len());
    for quarter in 0..4 {
        let share = gaps.iter().filter(|gap| (**gap / 15.0) as usize == quarter).count() as f64 / gaps.len() as f64;
        assert!((0.20..0.30).contains(&share), "quarter {quarter}: {share}");
    }
}

#[test]
fn two_seeds_never_meet() {
    let times = |seed| attempts(&mut warm(Options::default()), &mut StdRng::seed_from_u64(seed), secs(0), secs(3600), secs(0), &down());
    let (one, other) = (times(1), times(2));
    assert_ne!(one, other);
    assert_eq!(one, times(1), "one seed is one schedule");
    assert!(one.iter().skip(1).all(|at| !other.contains(at)));
}

#[test]
fn an_hour_without_receiver_is_about_a_hundred_attempts() {
    for seed in 0..20 {
        let mut rng = StdRng::seed_from_u64(seed);
        let refused = attempts(&mut warm(Options::default()), &mut rng, secs(0), secs(3600), secs(0), &down()).len();
        assert!((80..=130).contains(&refused), "{refused} attempts at a port that is closed");
        let hanging = attempts(&mut warm(Options::default()), &mut rng, secs(0), secs(3600), secs(30), &down()).len();
        assert!((40..=70).contains(&hanging), "{hanging} attempts at a receiver that hangs");
        let no_key = Outcome::Refused { status: 401, words: String::new() };
        let unwanted = attempts(&mut warm(Options::default()), &mut rng, secs(0), secs(3600), secs(0), &no_key).len();
        assert!((45..=75).contains(&unwanted), "{unwanted} attempts with a wrong key");
    }
}

#[test]
fn retry_after_is_never_undercut_and_gets_jitter_on_top() {
    let mut policy = warm(Options::default());
    assert_eq!(policy.answered(secs(0), &busy(Some(30)), sent(1, 1), 0.0), Decision::Retry { at: secs(30) });
    assert_eq!(policy.may_send(secs(29)), Permit::WaitUntil(secs(30)));
    let mut policy = warm(Options::default());
    assert_eq!(policy.answered(secs(0), &busy(Some(30)), sent(1, 1), 0.5), Decision::Retry { at: Duration::from_millis(37_500) });
    let mut policy = warm(Options::default());
    assert_eq!(policy.answered(secs(0), &busy(Some(86_400)), sent(1, 1), 0.0), Decision::Retry { at: secs(600) }, "nobody is believed for a day");
    let mut policy = warm(Options::default());
    assert_eq!(
        policy.answered(secs(0), &busy(Some(0)), sent(1, 1), 0.5),
        Decision::Retry { at: Duration::from_millis(250) },
        "at once is not at once"
    );
}

#[test]
fn five_failures_open_the_breaker_and_one_probe_closes_it() {
    let mut policy = warm(Options::default());
    for _ in 0..4 {
        policy.answered(secs(0), &down(), sent(1, 1), 0.0);
        assert_eq!(policy.circuit(), Circuit::Closed);
    }
    policy.answered(secs(0), &down(), sent(1, 1), 0.0);
    assert_eq!(policy.circuit(), Circuit::Open { until: secs(15) });
    assert_eq!(policy.may_send(secs(14)), Permit::WaitUntil(secs(15)));
    assert_eq!(policy.may_send(secs(15)), Permit::Go);
    policy.sending(secs(15), 1);
    assert_eq!(policy.circuit(), Circuit::HalfOpen);
    assert_eq!(policy.may_send(secs(15)), Permit::AfterAnswer, "one probe, not two");
    policy.answered(secs(16), &ok(), sent(1, 1), 0.0);
    assert_eq!((policy.circuit(), policy.may_send(secs(16))), (Circuit::Closed, Permit::Go));
}

#[test]
fn a_probe_that_fails_opens_the_breaker_again() {
    let mut policy = warm(Options { breaker_failures: 1, ..Options::default() });
    policy.answered(secs(0), &down(), sent(1, 1), 0.0);
    policy.sending(secs(15), 1);
    policy.answered(secs(15), &down(), sent(1, 1), 0.0);
    assert_eq!(policy.circuit(), Circuit::Open { until: secs(30) });
}

#[test]
fn a_receiver_that_fails_half_the_time_gets_no_more_retries_than_the_budget() {
    let mut policy = warm(Options { backoff_base: Duration::from_millis(10), breaker_failures: 100, ..Options::default() });
    let mut rng = StdRng::seed_from_u64(3);
    let (mut now, mut retries, mut successes, mut after_failure) = (secs(0), 0_u32, 0_u32, false);
    while now < secs(600) {
        match policy.may_send(now) {
            Permit::WaitUntil(at) => now = at,
            Permit::AfterAnswer => panic!("nothing is on its way"),
            Permit::Go => {
                policy.sending(now, 1);
                retries += u32::from(after_failure);
                now += Duration::from_millis(1);
                after_failure = rng.random::<f64>() < 0.5;
                successes += u32::from(!after_failure);
                let outcome = if after_failure { down() } else { ok() };
                policy.answered(now, &outcome, sent(1, 1), rng.random::<f64>());
            }
        }
    }
    let allowed = 0.1 * f64::from(successes) + 100.0 + 30.0;
    assert!(f64::from(retries) <= allowed, "{retries} retries for {successes} successes in ten minutes");
    assert!(retries > 100);
}

#[test]
fn what_is_too_large_goes_in_halves_and_teaches_a_limit() {
    let mut policy = warm(Options::default());
    let too_large = Outcome::TooLarge { words: String::new() };
    assert_eq!(policy.answered(secs(0), &too_large, sent(100, 1_000_000), 0.5), Decision::Halve { at: secs(0) });
    assert_eq!(policy.bytes_limit(), 500_000);
    assert_eq!(policy.answered(secs(0), &too_large, sent(1, 500_000), 0.5), Decision::DeadLetter);
    for _ in 0..1000 {
        policy.answered(secs(0), &ok(), sent(1, 1), 0.0);
    }
    assert_eq!(policy.bytes_limit(), 1 << 20, "the limit grows back");
}

#[test]
fn a_record_that_is_not_liked_is_found_by_halves_and_dies_alone() {
    let mut policy = warm(Options::default());
    let rejected = Outcome::Rejected { status: 400, words: "bad record".into() };
    assert_eq!(policy.answered(secs(0), &rejected, sent(2, 10), 0.5), Decision::Halve { at: secs(0) });
    assert_eq!(policy.answered(secs(0), &rejected, sent(1, 10), 0.5), Decision::DeadLetter);
    assert_eq!(policy.bytes_limit(), 1 << 20, "its size was not the reason");
}

#[test]
fn a_receiver_that_rejects_everything_gets_few_records_to_bury() {
    let mut policy = warm(Options::default());
    let rejected = Outcome::Rejected { status: 400, words: String::new() };
    for _ in 0..5 {
        assert_eq!(policy.answered(secs(0), &rejected, sent(1, 10), 0.5), Decision::DeadLetter);
        assert_eq!(policy.may_send(secs(0)), Permit::Go);
    }
    assert_eq!(policy.answered(secs(0), &rejected, sent(1, 10), 0.5), Decision::DeadLetter);
    assert_eq!(policy.may_send(secs(0)), Permit::WaitUntil(secs(60)));
    policy.answered(secs(60), &ok(), sent(1, 10), 0.5);
    policy.answered(secs(60), &rejected, sent(1, 10), 0.5);
    assert_eq!(policy.may_send(secs(60)), Permit::Go, "it likes something");
    let times = attempts(&mut warm(Options::default()), &mut StdRng::seed_from_u64(1), secs(0), secs(3600), secs(0), &rejected);
    assert!((590..=640).contains(&times.len()), "the budget holds for halves, too: {} requests in an hour", times.len());
}

#[test]
fn a_receiver_that_takes_a_part_is_not_down() {
    let mut policy = warm(Options::default());
    let part = Outcome::Partial { retry: vec![3], dead: vec![], retry_after: None };
    for _ in 0..20 {
        let Decision::RetryPart { at } = policy.answered(secs(0), &part, sent(10, 10), 1.0) else { panic!("a part again") };
        assert!(at <= secs(4), "{at:?}");
        assert_eq!(policy.circuit(), Circuit::Closed);
    }
    let nothing = Outcome::Partial { retry: vec![0, 1], dead: vec![], retry_after: None };
    for _ in 0..5 {
        policy.answered(secs(0), &nothing, sent(2, 10), 0.5);
    }
    assert!(matches!(policy.circuit(), Circuit::Open { .. }), "taking nothing is being down");
    assert_eq!(
        policy.answered(secs(0), &Outcome::Partial { retry: vec![], dead: vec![(1, "no".into())], retry_after: None }, sent(2, 10), 0.5),
        Decision::Done
    );
}

#[test]
fn a_connection_that_breaks_again_and_again_carries_less() {
    let mut policy = warm(without_breaker());
    let broken = Outcome::Unreachable { kind: Unreachable::Broken, words: String::new() };
    for attempts in 1..5 {
        let decision = policy.answered(secs(0), &broken, Sent { records: 8, bytes: 80_000, attempts }, 0.0);
        assert!(matches!(decision, Decision::Retry { .. }));
    }
    assert!(matches!(policy.answered(secs(0), &broken, Sent { records: 8, bytes: 80_000, attempts: 5 }, 0.0), Decision::Halve { .. }));
    assert_eq!(policy.bytes_limit(), 40_000);
}

#[test]
fn a_request_that_alone_may_be_the_reason_is_halved_and_a_single_record_steps_aside() {
    let often = |records| Sent { records, bytes: 100, attempts: 5 };
    for status in [500, 502, 504] {
        let outcome = Outcome::Busy { status, retry_after: None, words: String::new() };
        assert!(matches!(warm(without_breaker()).answered(secs(0), &outcome, often(8), 0.0), Decision::Halve { .. }), "{status}");
        assert!(matches!(warm(without_breaker()).answered(secs(0), &outcome, often(1), 0.0), Decision::StepAside { .. }), "{status}");
    }
    assert!(matches!(warm(without_breaker()).answered(secs(0), &busy(None), often(8), 0.0), Decision::Retry { .. }), "503 is load");
    assert!(matches!(warm(without_breaker()).answered(secs(0), &down(), often(8), 0.0), Decision::Retry { .. }), "nobody has read it");
    let refused = |status| Outcome::Refused { status, words: String::new() };
    assert!(matches!(warm(without_breaker()).answered(secs(0), &refused(403), often(8), 0.0), Decision::Halve { .. }), "a firewall may be");
    assert!(matches!(warm(without_breaker()).answered(secs(0), &refused(401), often(8), 0.0), Decision::Retry { .. }), "a key is");
}

#[test]
fn bytes_per_second_pace_requests_that_succeed() {
    let mut policy = warm(Options { bytes_per_second_max: 1000, ..Options::default() });
    policy.sending(secs(0), 5000);
    policy.answered(secs(0), &ok(), sent(1, 5000), 0.0);
    assert_eq!(policy.may_send(secs(0)), Permit::WaitUntil(secs(4)));
}

#[test]
fn two_hundred_agents_that_restart_while_the_receiver_is_down_come_spread() {
    for seed in 0..5 {
        let mut seconds = [0_u32; 60];
        for agent in 0..200 {
            let mut rng = StdRng::seed_from_u64(seed * 1000 + agent);
            let options = Options::default();
            let start = options.start_spread.mul_f64(rng.random::<f64>());
            for at in attempts(&mut Policy::new(options), &mut rng, start, secs(60), secs(0), &down()) {
                seconds[at.as_secs() as usize] += 1;
            }
        }
        let mean = f64::from(seconds.iter().sum::<u32>()) / 60.0;
        let peak = f64::from(*seconds.iter().max().unwrap());
        assert!(peak < 3.0 * mean, "peak {peak}, mean {mean}: {seconds:?}");
    }
}

#[test]
fn a_closed_pipe_ends_the_output() {
    assert_eq!(warm(Options::default()).answered(secs(0), &Outcome::Gone { words: String::new() }, sent(1, 1), 0.5), Decision::Stop);
}
