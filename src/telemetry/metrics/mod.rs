//! `/metrics`: what is published, read at scrape time. Names and their meaning are in [`family`].
//!
//! Nothing is registered and nothing is kept but the births of series: a scrape makes [`Samples`] of one [`Status`], of what others
//! count ([`Collects`]) and of `/proc`, and writes them down. Series appear and go with the bounded tables they come from.

pub mod births;
pub mod family;
mod files;
mod outputs;
mod samples;
mod text_format;

pub use files::FileCounters;
pub use outputs::OutputCounters;
pub use samples::{Collects, LabelValues, Samples, Value};

use super::process::Process;
use super::retries::{CLASSES, GAP_CLASSES, POLICIES};
use super::status::{DROPPED_KINDS, Status, Subscriber};
use super::{log, process};
use crate::inputs::event::LostReason;
use crate::storm::AlertLevel;
use births::Births;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The text in which a scrape is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus' older text format 0.0.4, which everything reads.
    Text,
}

impl Format {
    /// What the scraper understands: OpenMetrics if it says so.
    #[must_use]
    pub fn accepted_by(accept: &str) -> Self {
        let takes_openmetrics = accept.split(',').any(|range| range.trim().starts_with("application/openmetrics-text"));
        if takes_openmetrics { Self::OpenMetrics } else { Self::Text }
    }

    /// The `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Answers scrapes.
#[derive(Debug)]
pub struct Scraper {
    subscriber: Subscriber,
    births: Mutex<Births>,
}

impl Scraper {
    /// Reads from `subscriber`; counters of new fingerprints stay at zero for `held_at_zero`.
    #[must_use]
    pub const fn new(subscriber: Subscriber, held_at_zero: Duration) -> Self {
        Self { subscriber, births: Mutex::new(Births::new(held_at_zero)) }
    }

    /// The answer to a scrape now.
    #[must_use]
    pub fn scrape(&self, format: Format) -> String {
        written(self.samples(self.subscriber.uptime(), process::read().as_ref()), format)
    }

    /// What a scrape at `uptime` says.
    #[must_use]
    pub fn samples(&self, uptime: Duration, process: Option<&Process>) -> Samples {
        let status = self.subscriber.status();
        let mut samples = Samples::default();
        add_pipeline(&mut samples, &status);
        self.add_retries(&mut samples, &status, uptime);
        add_store(&mut samples, &status);
        samples.add(&family::BEAT_AGE, &[], self.subscriber.since_beat(uptime).as_secs_f64());
        for (level, count) in log::messages() {
            samples.add(&family::LOG_MESSAGES, &[level], count);
        }
        if let Some(process) = process {
            process.add_to(&mut samples);
        }
        samples.add(&family::PROCESS_START, &[], self.subscriber.started_at().0 as f64 / 1e9);
        for collector in self.subscriber.collectors() {
            collector.collect(&mut samples);
        }
        samples
    }

    fn add_retries(&self, samples: &mut Samples, status: &Status, uptime: Duration) {
        let retries = &status.retries;
        for (class, records) in CLASSES.iter().zip(retries.by_class) {
            samples.add(&family::RETRY_MESSAGES, &[class.as_str()], records);
        }
        for (class, gaps) in GAP_CLASSES.iter().zip(&retries.gaps) {
            samples.add(&family::RETRY_GAP, &[class.as_str()], Value::Histogram(gaps.clone()));
        }
        for (policy, storms) in POLICIES.iter().zip(retries.storms) {
            samples.add(&family::STORMS, &[policy], storms);
        }
        let mut births = self.births.lock().unwrap_or_else(PoisonError::into_inner);
        births.keep(|admission| retries.exposed.iter().any(|exposed| exposed.admission == admission));
        samples.add(&family::FINGERPRINT_MESSAGES, &["other", "other"], retries.other);
        for exposed in &retries.exposed {
            let id = exposed.id.to_string();
            let records = births.value(exposed.admission, exposed.records, uptime);
            samples.add(&family::FINGERPRINT_MESSAGES, &[&id, exposed.class.as_str()], records);
            samples.add(&family::FINGERPRINT, &[&id, &exposed.template], 1);
        }
    }
}

/// What was read and what became of it.
fn add_pipeline(samples: &mut Samples, status: &Status) {
    samples.add(&family::BUILD, &[env!("CARGO_PKG_VERSION"), option_env!("SQUELCH_REVISION").unwrap_or("unknown")], 1);
    let totals = &status.totals;
    samples.add(&family::LINES_READ, &[], totals.read);
    samples.add(&family::LINES_FORWARDED, &[], totals.forwarded);
    samples.add(&family::LINES_SUMMARISED, &[], totals.summarised);
    samples.add(&family::LINES_DROPPED, &["drop"], totals.dropped);
    samples.add(&family::LINES_OPEN, &[], totals.open);
    samples.add(&family::LINES_OVERLONG, &[], totals.overlong_lines);
    samples.add(&family::BYTES_READ, &[], totals.bytes_read);
    samples.add(&family::BYTES_FORWARDED, &[], totals.bytes_forwarded);
    samples.add(&family::RECORDS, &[], totals.records);
    samples.add(&family::RECORDS_LATE, &[], totals.late_records);
    samples.add(&family::SUMMARIES, &[], totals.summaries);
    samples.add(&family::WINDOWS_EVICTED, &[], totals.evictions);
    for (reason, lines) in LostReason::ALL.iter().zip(status.lost) {
        samples.add(&family::LOST_AT_SOURCE, &[reason.as_str()], lines);
    }
    for input in &status.inputs {
        samples.add(&family::INPUT_LINES, &[&input.name], input.lines);
        samples.add(&family::INPUT_BYTES, &[&input.name], input.bytes);
    }
    samples.add(&family::STREAMS_OPEN, &[], status.streams_open);
    samples.add(&family::WINDOWS_OPEN, &[], status.windows_open);
    samples.add(&family::FINGERPRINTS_ACTIVE, &[], status.fingerprints_active);
    samples.add(&family::FINGERPRINTS_EVICTED, &[], status.fingerprints_evicted);
    for level in [AlertLevel::Info, AlertLevel::Warning, AlertLevel::Critical] {
        let storms = status.storms.iter().filter(|storm| storm.alert_level == level).count();
        samples.add(&family::STORMS_ACTIVE, &[level.as_str()], storms as u64);
    }
}

/// What waits for outputs, the store, the configuration, readiness.
fn add_store(samples: &mut Samples, status: &Status) {
    for output in &status.outputs {
        samples.add(&family::OUTPUT_QUEUED, &[&output.name], output.records);
        samples.add(&family::OUTPUT_OLDEST, &[&output.name], output.oldest_seconds);
    }
    let store = &status.store;
    samples.add(&family::QUEUE_BYTES, &[], store.bytes);
    samples.add(&family::QUEUE_BYTES_MAX, &[], store.bytes_max);
    samples.add(&family::QUEUE_FULL, &[], store.is_full);
    for (kind, records) in DROPPED_KINDS.iter().zip(store.dropped) {
        samples.add(&family::QUEUE_DROPPED, &[kind], records);
    }
    samples.add(&family::COMMITS, &[], store.commits);
    samples.add(&family::COMMITS_FAILED, &[], store.commits_failed);
    samples.add(&family::COMMIT_SECONDS, &[], store.commit_seconds);
    samples.add(&family::COMMIT_LAG, &[], store.commit_lag_seconds);
    samples.add(&family::STORES_REPLACED, &[], store.replaced);
    samples.add(&family::RELOAD_OK, &[], status.reload.is_ok);
    samples.add(&family::RELOAD_AT, &[], status.reload.succeeded_at.0 as f64 / 1e9);
    samples.add(&family::READY, &[], status.readiness.missing().is_none());
}

/// Samples as text.
#[must_use]
pub fn written(samples: Samples, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(samples));
    let mut text = String::with_capacity(16 << 10);
    encode(&mut text, &registry).expect("writing to memory cannot fail");
    match format {
        Format::OpenMetrics => text,
        Format::Text => text_format::from_openmetrics(&text),
    }
}

#[cfg(test)]
pub(in crate::telemetry) mod tests;
