//! Flags, looks and the files that a run leaves.

use super::*;
use clap::Parser;

#[derive(Parser)]
struct Alone {
    #[command(flatten)]
    args: SimulateArgs,
}

fn parse(line: &str) -> Result<SimulateArgs, String> {
    Alone::try_parse_from(format!("simulate {line}").split_whitespace()).map(|alone| alone.args).map_err(|e| e.to_string())
}

fn output(line: &str) -> String {
    let mut out = Vec::new();
    run(&parse(line).unwrap(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn every_flag_changes_its_figure() {
    let s = parse(
        "postgres --clients 3 --workers 2 --policy exponential --base 50ms --factor 3 --cap 9s --jitter equal --max-attempts 7 --on-give-up exit \
         --give-up-pause 1s --breaker 5:10s --budget 10:0.5/s --outage 1s..2s --capacity 7 --backlog 9 --seed 4 --start 1970-01-01T00:00:01Z --lines-max 5",
    )
    .unwrap()
    .scenario();
    assert_eq!((s.clients, s.workers, s.seed, s.start, s.lines_max), (3, 2, 4, UnixNanos(1_000_000_000), 5));
    assert_eq!((s.policy.growth, s.policy.jitter, s.policy.base, s.policy.cap), (Growth::Exponential, Jitter::Equal, 50_000_000, 9_000_000_000));
    assert_eq!((s.policy.max_attempts, s.policy.on_give_up), (Some(7), OnGiveUp::Exit(1_000_000_000)));
    assert_eq!(s.policy.breaker, Some(BreakerLimits { failures: 5, open_for: 10_000_000_000 }));
    assert_eq!(s.policy.budget, Some(BudgetLimits { burst: 10.0, per_second: 0.5 }));
    assert_eq!((s.outage, s.restart), (Some((1_000_000_000, 2_000_000_000)), None));
    assert_eq!((s.capacity.handshakes_per_second, s.capacity.backlog), (7.0, 9));
}

#[test]
fn none_takes_a_part_of_the_story_away() {
    assert_eq!(parse("breaker --breaker none").unwrap().scenario().policy.breaker, None);
    assert_eq!(parse("essay --outage none").unwrap().scenario().outage, None);
    assert_eq!(parse("essay --restart none").unwrap().scenario().restart, None);
}

#[test]
fn wrong_flags_are_told_what_to_write_instead() {
    for (line, told) in [
        ("novel", "choose one of essay, healthy"),
        ("essay --breaker 5", "for example 5:10s"),
        ("essay --budget ten", "for example 10:0.5"),
        ("essay --outage 30", "for example 30s..32s"),
        ("essay --outage 30..32", "has no unit"),
        ("essay --loss some", "such as 5% or 0.05"),
        ("essay --speed fast", "realtime, max, or a multiple such as 10x"),
        ("essay --start today", "for example 2026-03-02T09:00:00Z"),
        ("essay --on-give-up exit", "--max-attempts"),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.contains(told), "{line}: {error}");
    }
    let error = run(&parse("essay --base 10s --cap 1s --clients 0").unwrap(), &mut Vec::new()).unwrap_err().to_string();
    assert_eq!(error, "clients must be 1 to 1000; cap must not be below base; raise --cap or lower --base");
}

#[test]
fn replay_lines_carry_time_and_stream() {
    let text = output("essay --replay-format --lines-max 200 --trace-lines 2 --outage 1s..2s");
    let mut last = 0;
    for line in text.lines() {
        let parts: Vec<&str> = line.splitn(3, '\t').collect();
        let at: i64 = parts[0].parse().unwrap();
        assert!(at >= last && !parts[1].is_empty() && !parts[2].starts_with('['), "{line}");
        last = at;
    }
    assert!(text.lines().count() <= 200);
}

#[test]
fn a_pipe_tells_the_instances_apart_unless_the_line_does() {
    assert!(output("essay --lines-max 5").starts_with("[pod/order-service-7d9f4c6b8-"));
    assert!(output("essay --lines-max 5 --prefix compose").starts_with("order-service-7d9f4c6b8-"));
    assert!(output("essay --lines-max 5 --format json").starts_with("{\"timestamp\":\"2026-03-02T09:00:00."));
}

#[test]
fn damage_is_told_in_the_truth() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("truth.json");
    let text = output(&format!("jitter --loss 20% --reorder 500ms --whole-seconds --no-delay --replay-format --truth {}", path.display()));
    let truth: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(truth["lines"].as_u64().unwrap() - truth["lines_lost"].as_u64().unwrap(), text.lines().count() as u64);
    assert!(text.lines().all(|l| l.contains(".000 ")) && !text.contains("retrying in"));
}

#[test]
fn the_bare_line_is_the_one_of_the_story() {
    let text = output("essay --format bare --prefix none --duration 40s --no-attempt-number");
    assert!(text.lines().filter(|l| *l == "Connection failed, retrying in 0ms").count() > 5_000);
}

#[test]
fn the_truth_is_json() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("truth.json");
    let text = output(&format!("jitter --truth {}", path.display()));
    let truth: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(truth["lines"], text.lines().count());
    assert_eq!((&truth["policy"], &truth["jitter"], &truth["outcome"]), (&"exponential".into(), &"full".into(), &"recovered".into()));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    run(&parse("essay").unwrap(), &mut Gone).unwrap();
}

#[test]
fn a_pace_of_one_waits_for_the_time_between_two_lines() {
    let mut pace = Pace { speed: 1.0, begun: None };
    assert!(!pace.is_ahead(5_000));
    assert!(pace.is_ahead(5_000 + 3_600 * 1_000_000_000));
    let mut at_once = Pace { speed: f64::INFINITY, begun: None };
    assert!(!at_once.is_ahead(0) && !at_once.is_ahead(i64::MAX));
}
