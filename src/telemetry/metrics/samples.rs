//! What one scrape says, before it is text: samples by family, in a fixed order.

use super::family::{Family, Kind};
use crate::telemetry::gaps::{BUCKETS, GapHistogram};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::collections::BTreeMap;
use std::fmt;

/// Somebody who keeps counters of its own (an output, an input) and is asked at each scrape. Must not block.
pub trait Collects: fmt::Debug + Send + Sync {
    /// Adds what is known now. All series, also those at zero.
    fn collect(&self, samples: &mut Samples);
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(u64),
    /// Any number.
    Real(f64),
    /// Counts in buckets.
    Histogram(GapHistogram),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Integer(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Integer(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

/// Values of labels, in the order of the family's names.
pub type LabelValues = Vec<String>;

/// A family and what there is of it.
type Members = (&'static Family, Vec<(LabelValues, Value)>);

/// The samples of one scrape.
#[derive(Debug, Default)]
pub struct Samples {
    /// By name: samples of one family stand together, whoever added them.
    families: BTreeMap<&'static str, Members>,
}

impl Samples {
    /// Adds a sample. `labels` are the values of the family's labels, in their order.
    pub fn add(&mut self, family: &'static Family, labels: &[&str], value: impl Into<Value>) {
        debug_assert_eq!(labels.len(), family.labels.len(), "{} has other labels", family.name);
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self.families.entry(family.name).or_insert_with(|| (family, Vec::new())).1.push((labels, value.into()));
    }

    /// Families with their samples, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Family, &[(LabelValues, Value)])> {
        self.families.values().map(|(family, samples)| (*family, samples.as_slice()))
    }

    /// The value of one sample.
    #[must_use]
    pub fn get(&self, family: &Family, labels: &[&str]) -> Option<&Value> {
        let (_, samples) = self.families.get(family.name)?;
        samples.iter().find(|(of, _)| of.iter().eq(labels)).map(|(_, value)| value)
    }
}

impl Collector for Samples {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (family, samples) in self.iter() {
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
                Kind::Info => MetricType::Info,
            };
            let mut metric = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            for (values, value) in samples {
                let labels: Vec<(&str, &str)> = family.labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
                if family.kind == Kind::Info {
                    metric.encode_info(&labels)?;
                } else if labels.is_empty() {
                    encode_value(&mut metric, family.kind, value)?;
                } else {
                    encode_value(&mut metric.encode_family(&labels)?, family.kind, value)?;
                }
            }
        }
        Ok(())
    }
}

fn encode_value(metric: &mut MetricEncoder<'_>, kind: Kind, value: &Value) -> fmt::Result {
    match (kind, value) {
        (Kind::Counter, Value::Integer(value)) => metric.encode_counter::<NoLabelSet, _, u64>(value, None),
        (Kind::Counter, Value::Real(value)) => metric.encode_counter::<NoLabelSet, _, u64>(value, None),
        (_, Value::Integer(value)) => metric.encode_gauge(value),
        (_, Value::Real(value)) => metric.encode_gauge(value),
        (_, Value::Histogram(gaps)) => {
            let buckets: Vec<(f64, u64)> = GapHistogram::bounds().into_iter().zip(gaps.counts().iter().copied()).collect();
            debug_assert_eq!(buckets.len(), BUCKETS + 1);
            metric.encode_histogram::<NoLabelSet>(gaps.sum_seconds(), gaps.count(), &buckets, None)
        }
    }
}
