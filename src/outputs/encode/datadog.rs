//! Datadog, `POST /api/v2/logs`: a list of objects.

use super::json::Object;
use super::view::View;
use crate::delivery::Encoder;
use crate::store::Record;
use crate::time::MILLI;

/// Datadog takes no request with more records (its limits: 1,000 records, 5 MB).
pub const RECORDS_MAX: usize = 1000;

/// Records to a list.
#[derive(Clone, Debug, Default)]
pub struct Datadog {
    /// Tags of all records, `name:value`.
    pub tags: Vec<(String, String)>,
}

impl Encoder for Datadog {
    fn content_type(&self) -> &'static str {
        "application/json"
    }
    fn encode(&mut self, records: &[Record<'_>], out: &mut Vec<u8>) {
        let tags = self.tags.iter().map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>().join(",");
        out.push(b'[');
        for (at, record) in records.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            push_log(out, &View::new(record), &tags);
        }
        out.push(b']');
    }
}

/// `timestamp`, `status`, `service`, `hostname` are names that Datadog looks for; everything else becomes an attribute.
/// Its time has milliseconds and is given in them; the nanoseconds stand in `squelch.timestamp`.
fn push_log(out: &mut Vec<u8>, view: &View<'_>, tags: &str) {
    let mut log = Object::begin(out);
    log.field("message", &*view.body).field("timestamp", &view.at().0.div_euclid(MILLI)).field("ddsource", "squelch").text("ddtags", tags);
    log.field("squelch.timestamp", &*view.timestamp);
    log.text("hostname", view.resource("host.name").unwrap_or_default());
    let service = ["service.name", "k8s.container.name"].iter().find_map(|name| view.resource(name)).unwrap_or_default();
    log.text("service", service).text("status", &view.severity_text).text("event_name", &view.event_name);
    log.texts("resource", &view.resource).texts("attributes", &view.attributes);
    log.field("log.record.uid", &*view.uid).text("squelch.stream", &view.stream).field("squelch.kind", view.kind.as_str());
    for (name, value) in &view.rest {
        log.field(name, value);
    }
    log.end();
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, check_uids};
    use super::*;

    #[test]
    fn the_body_is_what_it_was() {
        let mut datadog = Datadog { tags: vec![("env".into(), "prod".into()), ("team".into(), "shop".into())] };
        insta::assert_snapshot!(samples::shown(&mut datadog));
        check_uids(&mut datadog);
        let body = samples::encoded(&mut datadog, &samples::hostile());
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap().as_array().unwrap().len(), samples::hostile().len());
    }
}
