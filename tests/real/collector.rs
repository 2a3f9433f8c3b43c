//! The otlp output against an OpenTelemetry Collector, which writes what it has into a file.

use crate::comparing::{Comparison, FIELDS, Found, Rules};
use crate::installed::installed;
use crate::record::Maker;
use crate::sending::{Running, http, records};
use crate::server::Server;
use serde_json::Value;
use squelch::outputs::destination::{Destination, LogOptions, Protocol};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Of the Collector's file exporter: an export request a line.
const FILE: &str = "logs.json";

fn arguments(folder: &Path, port: u16) -> Vec<String> {
    let config = folder.join("collector.yaml");
    let text = format!(
        "receivers:\n  otlp:\n    protocols:\n      http:\n        endpoint: 127.0.0.1:{port}\n\
         exporters:\n  file:\n    path: {}\n    append: true\n\
         service:\n  telemetry:\n    metrics:\n      level: none\n    logs:\n      level: warn\n\
         \x20 pipelines:\n    logs:\n      receivers: [otlp]\n      exporters: [file]\n",
        folder.join(FILE).display()
    );
    std::fs::write(&config, text).unwrap();
    vec!["--config".into(), format!("file:{}", config.display())]
}

fn found(file: &Path) -> Vec<Found> {
    let text = std::fs::read_to_string(file).unwrap();
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let mut found = Vec::new();
    for request in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let scopes = list(&request, "resourceLogs").into_iter().flat_map(|resource| list(&resource, "scopeLogs"));
        for record in scopes.flat_map(|scope| list(&scope, "logRecords")) {
            let mut fields: BTreeMap<&str, String> = BTreeMap::new();
            let mut uid = String::new();
            for pair in list(&record, "attributes") {
                let value = ["stringValue", "intValue"].iter().find_map(|kind| pair["value"][kind].as_str());
                let (Some(key), Some(value)) = (pair["key"].as_str(), value) else { continue };
                if key == "log.record.uid" {
                    uid = value.into();
                }
                if let Some(name) = FIELDS.iter().find(|name| **name == key) {
                    fields.insert(name, value.into());
                }
            }
            fields.insert("event_name", record["eventName"].as_str().unwrap_or_default().into());
            let body = record["body"]["stringValue"].as_str().unwrap_or_default();
            found.push(Found { uid, time: record["timeUnixNano"].as_str().unwrap().parse().unwrap(), body: Some(body.into()), fields });
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_has_every_record_as_it_was() {
    let Some(program) = installed("otelcol-real") else { return };
    let mut server = Server::start(&program, arguments);
    let count = records();
    let maker = Maker::until_now(count);
    let http = http(format!("http://127.0.0.1:{}", server.port));
    let destination = Destination::Log(LogOptions { http, protocol: Protocol::Otlp { log_dedup: true } });
    let mut output = Running::start("otlp", destination, count, Arc::new(move |number| maker.record(number)));
    // What it has answered for is in its memory for a second: its file exporter writes on when it is asked to end.
    output.through_restarts(count, &mut server, |server, _| server.terminate()).await;
    server.terminate();
    let rules = Rules::default();
    Comparison::new(maker, count, found(&server.folder().join(FILE)), &rules).tell("OpenTelemetry Collector", &output, count, &rules);
}
