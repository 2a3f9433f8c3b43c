use super::*;
use crate::delivery;
use crate::engine::Accounting;
use crate::outputs::storm_record::tests::storm;
use crate::record::{Class, FingerprintId};
use crate::telemetry::retries::Retries;
use crate::telemetry::status::{InputStatus, Publisher, QueueStatus, Readiness, ReloadStatus, StoreStatus, channel};
use crate::time::UnixNanos;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

const SECOND: Duration = Duration::from_secs(1);

/// A file input as it would count, and the answers to an output's requests.
#[derive(Debug)]
struct Others;

impl Collects for Others {
    fn collect(&self, samples: &mut Samples) {
        samples.add(&family::OUTPUT_REQUESTS, &["loki", "204"], 2);
        samples.add(&family::OUTPUT_REQUESTS, &["loki", "timeout"], 1);
        samples.add(&family::FILES_OPEN, &["files"], 2);
        samples.add(&family::FILES_KNOWN, &["files"], 5);
        samples.add(&family::FILES_WAITING, &["files"], 0);
        samples.add(&family::FILE_ERRORS, &["files"], 0);
        samples.add(&family::FILE_LAG, &["files"], 0);
        samples.add(&family::ROTATIONS, &["files", "renamed"], 0);
    }
}

/// One moment in which everything has a value of its own.
pub(in crate::telemetry) fn moment() -> Status {
    let mut retries = Retries::default();
    retries.add(FingerprintId(0x3a7f_01c2_d4e5_f607), Class::Retry, "Connection to \"<host>\" failed, retrying in <dur>", 40, SECOND);
    retries.add(FingerprintId(0x58c3_6f3e_1355_ccf7), Class::Overload, "FATAL: sorry, too many clients already", 2, SECOND);
    let mut gaps = hdrhistogram::Histogram::new_with_bounds(1, 3_600_000_000, 2).unwrap();
    gaps.record_n(8000, 39).unwrap();
    retries.add_gaps(Class::Retry, &gaps);
    retries.note_storm(&crate::storm::StormEvent::Firing(Box::new(storm())));
    Status {
        node: "node-7".into(),
        at: UnixNanos(1_767_225_900_000_000_000),
        readiness: Readiness { store_is_open: true, inputs_are_open: true, is_stopping: false },
        totals: Accounting {
            read: 1000,
            forwarded: 600,
            summarised: 350,
            dropped: 20,
            open: 30,
            records: 990,
            summaries: 7,
            bytes_read: 123_456,
            bytes_forwarded: 70_000,
            overlong_lines: 1,
            odd_lines: 2,
            evictions: 3,
            late_records: 4,
            lost_at_source: 0,
        },
        inputs: vec![InputStatus { name: "files".into(), lines: 1000, bytes: 123_456 }],
        lost: [5, 0, 0, 0, 0],
        storms: vec![storm()],
        retries: retries.status(SECOND),
        fingerprints_active: 17,
        fingerprints_evicted: 1,
        windows_open: 6,
        streams_open: 2,
        outputs: vec![QueueStatus { name: "loki".into(), records: 3, oldest_seconds: 0.5 }],
        store: StoreStatus { bytes: 65_536, bytes_max: 1 << 30, commits: 300, commit_seconds: 0.002, ..StoreStatus::default() },
        reload: ReloadStatus { is_ok: true, succeeded_at: UnixNanos(1_767_225_600_000_000_000) },
    }
}

/// An output that took twelve records after one retry.
fn loki() -> OutputCounters {
    let counters = delivery::Counters::default();
    counters.delivered.store(12, Relaxed);
    counters.bytes.store(4096, Relaxed);
    counters.retries.store(1, Relaxed);
    OutputCounters::new("loki", Arc::new(counters))
}

fn scraper() -> (Publisher, Scraper) {
    let (publisher, subscriber) = channel();
    (publisher, Scraper::new(subscriber, crate::config::SCRAPE_INTERVAL))
}

/// A scrape without what differs from run to run.
fn stable(mut text: String) -> String {
    let varies = ["process_", "squelch_engine_beat_age_seconds ", "squelch_log_messages_total{"];
    text = text.lines().filter(|line| !varies.iter().any(|name| line.starts_with(name))).collect::<Vec<_>>().join("\n");
    text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn a_scrape_says_everything_in_openmetrics() {
    let (publisher, scraper) = scraper();
    publisher.publish(moment());
    publisher.collect_from(Arc::new(Others));
    publisher.collect_from(Arc::new(loki()));
    drop(scraper.samples(SECOND * 100, None));
    let samples = scraper.samples(SECOND * 115, Some(&Process::default()));
    insta::assert_snapshot!(stable(written(samples, Format::OpenMetrics)));
}

#[test]
fn the_same_scrape_in_the_text_format() {
    let (publisher, scraper) = scraper();
    publisher.publish(moment());
    drop(scraper.samples(SECOND * 100, None));
    insta::assert_snapshot!(stable(written(scraper.samples(SECOND * 115, Some(&Process::default())), Format::Text)));
}

#[test]
fn every_metric_of_the_list_is_exposed_and_no_name_stands_twice() {
    let (publisher, scraper) = scraper();
    publisher.publish(moment());
    publisher.collect_from(Arc::new(Others));
    publisher.collect_from(Arc::new(loki()));
    let process = Process { max_fds: Some(1024), ..Process::default() };
    let samples = scraper.samples(SECOND, Some(&process));
    let exposed: BTreeSet<&str> = samples.iter().map(|(family, _)| family.name).collect();
    let listed: BTreeSet<&str> = family::ALL.iter().map(|family| family.name).collect();
    assert_eq!(exposed, listed);
    assert_eq!(listed.len(), family::ALL.len());
}

#[test]
fn before_anything_was_read_every_series_of_fixed_labels_is_there_at_zero() {
    let (_publisher, scraper) = scraper();
    let samples = scraper.samples(SECOND, None);
    for class in CLASSES {
        assert_eq!(samples.get(&family::RETRY_MESSAGES, &[class.as_str()]), Some(&Value::Integer(0)), "{class}");
    }
    for policy in POLICIES {
        assert_eq!(samples.get(&family::STORMS, &[policy]), Some(&Value::Integer(0)), "{policy}");
    }
    for reason in LostReason::ALL {
        assert_eq!(samples.get(&family::LOST_AT_SOURCE, &[reason.as_str()]), Some(&Value::Integer(0)), "{reason:?}");
    }
    for kind in DROPPED_KINDS {
        assert_eq!(samples.get(&family::QUEUE_DROPPED, &[kind]), Some(&Value::Integer(0)), "{kind}");
    }
    assert_eq!(samples.get(&family::FINGERPRINT_MESSAGES, &["other", "other"]), Some(&Value::Integer(0)));
    assert_eq!(samples.get(&family::LINES_READ, &[]), Some(&Value::Integer(0)));
}

#[test]
fn the_counter_of_a_fingerprint_is_zero_for_one_scrape_interval_and_its_class_counts_at_once() {
    let (publisher, scraper) = scraper();
    publisher.publish(moment());
    let counted = |at: u32| scraper.samples(SECOND * at, None).get(&family::FINGERPRINT_MESSAGES, &["3a7f01c2d4e5f607", "retry"]).cloned();
    assert_eq!(counted(100), Some(Value::Integer(0)));
    assert_eq!(counted(114), Some(Value::Integer(0)));
    assert_eq!(counted(115), Some(Value::Integer(40)));
    assert_eq!(scraper.samples(SECOND * 100, None).get(&family::RETRY_MESSAGES, &["retry"]), Some(&Value::Integer(40)));
}

#[test]
fn the_identity_holds_in_every_scrape() {
    let (publisher, scraper) = scraper();
    publisher.publish(moment());
    let samples = scraper.samples(SECOND, None);
    let value = |family, labels: &[&str]| match samples.get(family, labels) {
        Some(Value::Integer(value)) => *value,
        other => panic!("{other:?}"),
    };
    let parts = [value(&family::LINES_FORWARDED, &[]), value(&family::LINES_SUMMARISED, &[]), value(&family::LINES_OPEN, &[])];
    assert_eq!(value(&family::LINES_READ, &[]), parts.iter().sum::<u64>() + value(&family::LINES_DROPPED, &["drop"]));
}

#[test]
fn text_of_logs_cannot_break_out_of_its_label() {
    let mut samples = Samples::default();
    samples.add(&family::FINGERPRINT, &["00", "a\"} 1\nb\\"], 1);
    let text = written(samples, Format::Text);
    assert!(text.ends_with("squelch_fingerprint_info{fingerprint=\"00\",template=\"a\\\"} 1\\nb\\\\\"} 1\n"), "{text}");
}

#[test]
fn the_scraper_gets_the_format_it_asks_for() {
    let prometheus =
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    assert_eq!(Format::accepted_by(prometheus), Format::OpenMetrics);
    assert_eq!(Format::accepted_by("text/html, */*"), Format::Text);
    assert_eq!(Format::accepted_by(""), Format::Text);
}
