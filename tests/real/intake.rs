//! Datadog's protocol. Its intake is nobody's to run, and VictoriaLogs' takes flat texts only: a receiver of our own stands for it, a process
//! that is killed without a word. A body is in its file before it answers.

use crate::comparing::{Comparison, FIELDS, Found, Rules};
use crate::installed::skipped;
use crate::python::python_with;
use crate::record::Maker;
use crate::sending::{Running, http, records};
use crate::server::Server;
use serde_json::Value;
use squelch::outputs::destination::{Destination, LogOptions, Protocol};
use std::path::Path;
use std::sync::Arc;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/receiver.py");
const FILE: &str = "bodies";

fn found(file: &Path) -> Vec<Found> {
    let text = std::fs::read_to_string(file).unwrap();
    let bodies = text.lines().map(|line| serde_json::from_str::<Vec<Value>>(line).unwrap());
    let found = bodies.flatten().map(|log| {
        let time: jiff::Timestamp = log["squelch.timestamp"].as_str().unwrap().parse().unwrap();
        let time = i64::try_from(time.as_nanosecond()).unwrap();
        assert_eq!(log["timestamp"], time / 1_000_000, "Datadog's own time has milliseconds");
        let value = |name: &str| log.get(name).or_else(|| log["attributes"].get(name)).cloned();
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let fields = FIELDS.iter().filter_map(|name| Some((*name, text(value(name)?)))).collect();
        Found { uid: text(log["log.record.uid"].clone()), time, body: log["message"].as_str().map(ToOwned::to_owned), fields }
    });
    found.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intake_that_is_killed_has_every_record() {
    let Some(python) = python_with("http.server") else {
        return skipped("python3 is not installed: Datadog's protocol was not tried; apt-get install --no-install-recommends python3");
    };
    let mut server = Server::start(&python, |folder, port| vec![PROGRAM.into(), port.to_string(), folder.join(FILE).display().to_string()]);
    let count = records();
    let maker = Maker::until_now(count);
    let http = http(format!("http://127.0.0.1:{}", server.port));
    let destination = Destination::Log(LogOptions { http, protocol: Protocol::Datadog { tags: vec![("env".into(), "test".into())] } });
    let mut output = Running::start("datadog", destination, count, Arc::new(move |number| maker.record(number)));
    output.through_restarts(count, &mut server, |server, _| server.kill()).await;
    let rules = Rules::default();
    Comparison::new(maker, count, found(&server.folder().join(FILE)), &rules).tell("own receiver", &output, count, &rules);
}
