//! ClickHouse over HTTP: `INSERT ... FORMAT JSONEachRow` into the table of `packaging/clickhouse/records.sql`.
//!
//! The columns that are asked for in queries have places of their own; the whole record stands in `record`.

use super::json::Object;
use super::view::View;
use crate::delivery::Encoder;
use crate::store::Record;

/// What goes with each insert. A field that an older table does not have is left out rather than refused.
pub const PARAMETERS: [(&str, &str); 3] =
    [("date_time_input_format", "best_effort"), ("input_format_skip_unknown_fields", "1"), ("insert_deduplicate", "1")];

/// The parameter that makes a resend harmless: it carries the idempotency key of the request.
pub const KEY_PARAMETER: &str = "insert_deduplication_token";

/// The statement for a table.
#[must_use]
pub fn insert(database: &str, table: &str) -> String {
    format!("INSERT INTO `{database}`.`{table}` FORMAT JSONEachRow")
}

/// Records to rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClickHouse;

impl Encoder for ClickHouse {
    fn content_type(&self) -> &'static str {
        "application/x-ndjson"
    }
    fn encode(&mut self, records: &[Record<'_>], out: &mut Vec<u8>) {
        for record in records {
            push_row(out, record, &View::new(record));
            out.push(b'\n');
        }
    }
}

/// Fields that are columns: (field, column).
const TEXTS: [(&str, &str); 5] = [
    ("squelch.fingerprint", "fingerprint"),
    ("squelch.template", "template"),
    ("squelch.class", "class"),
    ("squelch.storm_id", "storm_id"),
    ("squelch.state", "state"),
];
const OTHERS: [(&str, &str); 6] = [
    ("squelch.count", "count"),
    ("squelch.lines", "lines"),
    ("squelch.bytes", "bytes"),
    ("squelch.first_timestamp", "first_timestamp"),
    ("squelch.last_timestamp", "last_timestamp"),
    ("squelch.per_second", "per_second"),
];

fn push_row(out: &mut Vec<u8>, record: &Record<'_>, view: &View<'_>) {
    let mut row = Object::begin(out);
    row.field("timestamp", &*view.timestamp).text("observed_timestamp", &view.observed).field("kind", view.kind.as_str());
    row.text("event_name", &view.event_name).text("severity_text", &view.severity_text).field("severity_number", &view.severity_number);
    row.field("body", &*view.body).text("stream", &view.stream);
    row.text("node", view.resource("host.name").unwrap_or_default()).text("namespace", view.resource("k8s.namespace.name").unwrap_or_default());
    row.texts("resource", &view.resource).texts("attributes", &view.attributes);
    for (field, column) in TEXTS {
        row.text(column, view.text(field).unwrap_or_default());
    }
    for (field, column) in OTHERS {
        if let Some(value) = view.get(field) {
            row.field(column, value);
        }
    }
    if let Some(top) = view.get("squelch.instances").and_then(|instances| instances.get("top")).and_then(|top| top.as_array()) {
        let names: Vec<&str> = top.iter().filter_map(|counted| counted.get("value")?.as_str()).collect();
        row.field("instances", &names);
    }
    // The uid stands in `record` as the record has it; the column is read from there.
    row.field("record", &*String::from_utf8_lossy(record.json));
    row.end();
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, check_uids};
    use super::*;

    #[test]
    fn the_body_is_what_it_was() {
        insta::assert_snapshot!(samples::shown(&mut ClickHouse));
        check_uids(&mut ClickHouse);
        assert_eq!(insert("squelch", "records"), "INSERT INTO `squelch`.`records` FORMAT JSONEachRow");
    }
}
