//! The clickhouse output against ClickHouse (by chdb, which is ClickHouse inside a Python process): the tables, the view and the queries of
//! `packaging/clickhouse` as they are shipped.

use crate::comparing::{Comparison, FIELDS, Found, Rules};
use crate::installed::skipped;
use crate::python::python_with;
use crate::record::Maker;
use crate::sending::{Running, http, records};
use crate::server::Server;
use serde_json::{Map, Value};
use squelch::outputs::destination::{Destination, LogOptions, Protocol};
use std::collections::BTreeMap;
use std::sync::Arc;

const FRONT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/clickhouse.py");
const TABLES: &str = include_str!("../../packaging/clickhouse/records.sql");
const QUERIES: &str = include_str!("../../packaging/clickhouse/queries.sql");

/// Statements of a file.
fn statements(text: &str) -> Vec<String> {
    let code: String = text.lines().filter(|line| !line.starts_with("--")).flat_map(|line| [line, "\n"]).collect();
    code.split(';').map(|statement| statement.trim().to_owned()).filter(|statement| !statement.is_empty()).collect()
}

fn ask(server: &Server, query: &str) -> Vec<Map<String, Value>> {
    let (status, answer) = server.post("/", &[], query.as_bytes()).unwrap();
    assert_eq!(status, 200, "{query}: {answer}");
    answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(row: &Map<String, Value>, name: &str) -> String {
    row[name].as_str().map_or_else(|| row[name].to_string(), ToOwned::to_owned)
}

/// Rows with the names that records have.
fn found(server: &Server, table: &str) -> Vec<Found> {
    let query = format!(
        "SELECT uid, toString(toUnixTimestamp64Nano(timestamp)) AS time, body, attributes['note'] AS note, template AS `squelch.template`, event_name, \
         JSONExtractString(record, 'squelch.body_base64') AS `squelch.body_base64`, toString(count) AS `squelch.count`, \
         storm_id AS `squelch.storm_id` FROM {table}"
    );
    let rows = ask(server, &query).into_iter().map(|row| Found {
        uid: text(&row, "uid"),
        time: text(&row, "time").parse().unwrap(),
        body: Some(text(&row, "body")),
        fields: FIELDS.iter().map(|name| (*name, text(&row, name))).collect(),
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_views_and_queries_hold_what_was_sent() {
    let Some(python) = python_with("chdb") else {
        return skipped("ClickHouse (chdb) is not installed, nothing was tried against it; pip install chdb, and SQUELCH_REAL_PYTHON=that python");
    };
    let mut server = Server::start(&python, |folder, port| vec![FRONT.into(), port.to_string(), folder.join("data").display().to_string()]);
    for statement in statements(TABLES) {
        ask(&server, &statement);
    }
    let count = records();
    let maker = Maker::until_now(count);
    let protocol = Protocol::ClickHouse { database: "squelch".into(), table: "records".into() };
    let destination = Destination::Log(LogOptions { http: http(format!("http://127.0.0.1:{}", server.port)), protocol });
    let mut output = Running::start("clickhouse", destination, count, Arc::new(move |number| maker.record(number)));
    // A part of a table is there as a whole or not at all, whatever ends the process.
    output.through_restarts(count, &mut server, |server, restart| if restart % 2 == 0 { server.kill() } else { server.terminate() }).await;

    let rules = Rules { doubled_max: 0, ..Rules::default() };
    Comparison::new(maker, count, found(&server, "squelch.records"), &rules).tell("ClickHouse", &output, count, &rules);

    let summaries: Vec<Map<String, Value>> =
        (0..count).map(|number| maker.object(number).1).filter(|record| record.contains_key("squelch.count")).collect();
    let [retries, dispersion, storms] = &statements(QUERIES)[..] else { panic!("there are three queries") };
    let row = &ask(&server, retries)[0];
    let absorbed: u64 = summaries.iter().map(|summary| summary["squelch.count"].as_u64().unwrap()).sum();
    assert_eq!(text(row, "retries"), absorbed.to_string(), "the view adds every summary up once");
    assert_eq!((text(row, "nodes"), text(row, "instances"), text(row, "fingerprint")), ("3".into(), "2".into(), "00000000000000aa".into()));

    let mut per_second = BTreeMap::new();
    for pair in summaries.iter().flat_map(|summary| summary["squelch.per_second"].as_array().unwrap()) {
        *per_second.entry(pair[0].as_i64().unwrap()).or_insert(0.0) += pair[1].as_f64().unwrap();
    }
    let mean = per_second.values().sum::<f64>() / per_second.len() as f64;
    let variance = per_second.values().map(|n| (n - mean).powi(2)).sum::<f64>() / per_second.len() as f64;
    let found = ask(&server, dispersion)[0]["dispersion"].as_f64().unwrap();
    assert!((found / (variance / mean) - 1.0).abs() < 1e-6, "{found} instead of {}", variance / mean);

    let open = ask(&server, storms);
    assert_eq!(open.len(), (0..count).filter(|number| number % 500 == 5).count());
    assert!(open.iter().all(|storm| storm["last_state"] == "firing" && text(storm, "alert").starts_with("[CRITICAL]")));
}
