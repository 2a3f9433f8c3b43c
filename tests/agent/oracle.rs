//! Says whether what was written is what arrived: every line forwarded once, or inside exactly one summary.

use crate::agent::{Agent, Place};
use crate::receiver::Receiver;
use crate::writer::{WORDS, Writer, Written};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Lines of one (file, fingerprint) as they arrived.
#[derive(Default)]
struct Arrived {
    forwarded: BTreeSet<i64>,
    /// (first, last, count) of each summary.
    summaries: Vec<(i64, i64, u64)>,
}

/// Lines accounted for so far: forwarded, and inside summaries.
pub fn lines_arrived(records: &[Value]) -> usize {
    records
        .iter()
        .map(|record| match record["event_name"].as_str() {
            None => record["squelch.lines"].as_u64().unwrap_or(1) as usize,
            Some("squelch.summary") => record["squelch.lines"].as_u64().expect("a summary counts lines") as usize,
            Some(_) => 0,
        })
        .sum()
}

/// Everything that is wrong, in words; empty when nothing is.
pub fn differences(written: &Written, records: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut arrived: BTreeMap<(String, u32), Arrived> = BTreeMap::new();
    for record in records {
        let event = record["event_name"].as_str();
        if event.is_some_and(|event| event != "squelch.summary") {
            continue;
        }
        let text = if event.is_some() { &record["squelch.template"] } else { &record["body"] };
        let text = text.as_str().unwrap_or_default();
        let Some(fingerprint) = WORDS.iter().position(|word| text.contains(&format!("Connection to {word} failed"))) else {
            wrong.push(format!("a record that nobody wrote: {record}"));
            continue;
        };
        let stream = record["squelch.stream"].as_str().unwrap_or_default();
        let name = stream.rsplit('/').next().unwrap_or_default().to_owned();
        let at = arrived.entry((name, fingerprint as u32)).or_default();
        if event.is_some() {
            let count = record["squelch.count"].as_u64().unwrap_or_default();
            at.summaries.push((nanos(&record["squelch.first_timestamp"]), nanos(&record["squelch.last_timestamp"]), count));
        } else {
            let time = nanos(&record["timestamp"]);
            if !at.forwarded.insert(time) {
                wrong.push(format!("forwarded twice, under two ids: {text}"));
            }
        }
    }
    for (key, times) in written {
        let Arrived { forwarded, mut summaries } = arrived.remove(key).unwrap_or_default();
        let all: BTreeSet<i64> = times.iter().copied().collect();
        assert_eq!(all.len(), times.len(), "the writer gives each line a time of its own");
        wrong.extend(forwarded.difference(&all).map(|time| format!("{key:?}: a line of {time} was never written")));
        summaries.sort_unstable();
        let mut covered = BTreeSet::new();
        let counted = forwarded.len() as u64 + summaries.iter().map(|(_, _, count)| count).sum::<u64>();
        for (first, last, count) in summaries {
            let inside: Vec<i64> = all.range(first..=last).filter(|time| !forwarded.contains(time)).copied().collect();
            if inside.len() as u64 != count {
                wrong.push(format!(
                    "{key:?}: a summary of {first}..{last} counts {count} records, {} were written there and not forwarded",
                    inside.len()
                ));
            }
            for time in inside {
                if !covered.insert(time) {
                    wrong.push(format!("{key:?}: the line of {time} is inside two summaries"));
                }
            }
        }
        if counted != all.len() as u64 {
            wrong.push(format!("{key:?}: {} lines were written, {counted} arrived", all.len()));
        }
        let missing: Vec<&i64> = all.iter().filter(|time| !forwarded.contains(time) && !covered.contains(time)).collect();
        if !missing.is_empty() {
            wrong.push(format!("{key:?}: {} of {} lines are missing, the first of {}", missing.len(), all.len(), missing[0]));
        }
    }
    wrong.extend(arrived.keys().map(|key| format!("{key:?}: records of a file that was never written")));
    wrong
}

/// Waits until every line has arrived, and says what is wrong then.
pub fn check(place: &Place, receiver: &Receiver, writers: &[Writer]) {
    let written: usize = writers.iter().map(Writer::count).sum();
    let started = Instant::now();
    while lines_arrived(&receiver.records()) < written {
        if started.elapsed() > Duration::from_secs(60) {
            break; // the differences say more than a number
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let all: Written = writers.iter().flat_map(|writer| writer.written.clone()).collect();
    let wrong = differences(&all, &receiver.records());
    assert!(wrong.is_empty(), "{}\n--- the agent said:\n{}", wrong.join("\n"), place.said());
}

/// The end of a story: a fresh line passes, and then everything is accounted for. Open windows wait for the end of their cell; a stop
/// closes them.
pub fn end(agent: Agent, place: &Place, receiver: &Receiver, writers: &mut [Writer]) {
    receiver.be_down(false);
    receiver.fail_half(false);
    for writer in &mut *writers {
        writer.retry(0);
    }
    place.wait_until_read(writers.iter().map(Writer::count).sum());
    assert_eq!(agent.stop(), Some(0), "{}", place.said());
    let agent = place.start();
    check(place, receiver, writers);
    drop(agent);
}

fn nanos(time: &Value) -> i64 {
    let text = time.as_str().unwrap_or_else(|| panic!("a time: {time}"));
    text.parse::<jiff::Timestamp>().unwrap_or_else(|error| panic!("{text}: {error}")).as_nanosecond() as i64
}
