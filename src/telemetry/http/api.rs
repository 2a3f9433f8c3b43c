//! `/api/v1/*`: the same moment that the metrics show, as JSON, with the text of storms.

use crate::inputs::event::LostReason;
use crate::outputs::storm_record::StormRecord;
use crate::outputs::timestamp::rfc3339;
use crate::storm::StormEvent;
use crate::telemetry::metrics::{Samples, Value};
use crate::telemetry::status::{DROPPED_KINDS, Status, Subscriber};
use crate::time::UnixNanos;
use serde_json::{Map, Value as Json, json};

/// Fields of a storm's record that mean nothing where nothing is sent: the id of a record, and what only the sender of events knows.
const NOT_OF_A_STORM: [&str; 2] = ["log.record.uid", "squelch.absorbed"];

/// Storms that go on, as their records would say it now.
pub fn storms(status: &Status) -> Json {
    let storms = status.storms.iter().map(|report| {
        let event = StormEvent::Ongoing(Box::new(report.clone()));
        let mut storm = serde_json::to_value(StormRecord::new(&event, 0, status.at)).expect("a record of ours can be written");
        if let Some(fields) = storm.as_object_mut() {
            NOT_OF_A_STORM.iter().for_each(|field| drop(fields.remove(*field)));
        }
        storm
    });
    json!({ "at": time(status.at), "storms": storms.collect::<Vec<_>>() })
}

/// Everything else.
pub fn status(subscriber: &Subscriber, status: &Status) -> Json {
    let totals = &status.totals;
    let lost: Map<String, Json> = LostReason::ALL.iter().zip(status.lost).map(|(reason, lines)| (reason.as_str().to_owned(), lines.into())).collect();
    let dropped: Map<String, Json> =
        DROPPED_KINDS.iter().zip(status.store.dropped).map(|(kind, records)| ((*kind).to_owned(), records.into())).collect();
    let mut store = serde_json::to_value(status.store).expect("figures can be written");
    store["dropped"] = dropped.into();
    let mut counters = Samples::default();
    subscriber.collectors().iter().for_each(|collector| collector.collect(&mut counters));
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "node": status.node,
        "started": rfc3339(subscriber.started_at()),
        "at": time(status.at),
        "ready": status.readiness,
        "lines": {
            "read": totals.read, "forwarded": totals.forwarded, "summarised": totals.summarised, "dropped": totals.dropped, "open": totals.open,
            "add_up": totals.holds(), "lost_at_source": lost,
        },
        "records": totals.records,
        "summaries": totals.summaries,
        "inputs": status.inputs,
        "streams_open": status.streams_open,
        "windows_open": status.windows_open,
        "fingerprints": { "active": status.fingerprints_active, "evicted": status.fingerprints_evicted },
        "outputs": status.outputs,
        "storms_active": status.storms.len(),
        "store": store,
        "config": { "is_ok": status.reload.is_ok, "in_force_since": time(status.reload.succeeded_at) },
        "counters": of_samples(&counters),
    })
}

/// `{"squelch_output_delivered_total": [{"output": "loki", "value": 12}]}`
fn of_samples(samples: &Samples) -> Json {
    let families = samples.iter().map(|(family, samples)| {
        let samples = samples.iter().map(|(labels, value)| {
            let mut sample: Map<String, Json> =
                family.labels.iter().zip(labels).map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
            let value = match value {
                Value::Integer(value) => (*value).into(),
                Value::Real(value) => (*value).into(),
                Value::Histogram(gaps) => gaps.count().into(),
            };
            sample.insert("value".to_owned(), value);
            Json::Object(sample)
        });
        (family.sample_name(), Json::Array(samples.collect()))
    });
    families.collect::<Map<_, _>>().into()
}

/// `null` for what has not happened yet.
fn time(at: UnixNanos) -> Option<String> {
    (at.0 != 0).then(|| rfc3339(at))
}
