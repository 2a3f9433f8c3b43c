//! The log outputs against VictoriaLogs: it takes the protocols of Loki, Elasticsearch, OpenTelemetry, Splunk and syslog, JSON lines, and its own.

use crate::comparing::{Comparison, FIELDS, Found, Rules, SYSLOG_DOUBLED_MAX};
use crate::record::Maker;
use crate::sending::{Running, http, records};
use crate::server::{Server, free_port, installed, quoted};
use serde_json::{Map, Value};
use squelch::delivery;
use squelch::outputs::destination::{Destination, LogOptions, Protocol, SyslogOptions};
use squelch::outputs::encode::{label_name, loki, victorialogs};
use squelch::store::RecordKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What VictoriaLogs leaves out of a record that is larger: its limit for a line.
const LINE_MAX: &str = "-insert.maxLineSizeBytes=4MB";

/// Starts one.
pub fn start(program: &Path, more: &[String]) -> Server {
    Server::start(program, |folder, port| {
        let arguments = [format!("-storageDataPath={}", folder.join("data").display()), format!("-httpListenAddr=127.0.0.1:{port}")];
        let usual = ["-retentionPeriod=100y", "-loggerLevel=WARN", LINE_MAX].map(Into::into);
        arguments.into_iter().chain(usual).chain(more.iter().cloned()).collect()
    })
}

/// What a query finds, a row for each record.
pub fn rows(server: &Server, query: &str) -> Vec<Map<String, Value>> {
    let answer = server.get(&format!("/select/logsql/query?query={}", quoted(query)), &[]).unwrap_or_default();
    answer.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The fields of all records, under the names that `name` gives them here.
fn found(server: &Server, name: fn(&str) -> String) -> Vec<Found> {
    let uid = name("log.record.uid");
    let text = |record: &Map<String, Value>, name: &str| record.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    let found = rows(server, "*").into_iter().map(|record| {
        let time = text(&record, &name("_time")).unwrap_or_default();
        let fields = FIELDS.iter().filter_map(|field| Some((*field, text(&record, &name(field))?)));
        Found {
            uid: text(&record, &uid).unwrap_or_default(),
            time: time.parse::<jiff::Timestamp>().map_or(0, |time| i64::try_from(time.as_nanosecond()).unwrap()),
            body: text(&record, "_msg"),
            fields: fields.collect(),
        }
    });
    found.collect()
}

/// What was taken can be asked for a moment later.
async fn until_found(server: &mut Server, count: usize, uid: &str) {
    let query = format!("* | stats count_uniq(\"{uid}\") n");
    for _ in 0..40 {
        if rows(server, &query).iter().any(|row| row["n"].as_str().is_some_and(|n| n.parse() == Ok(count))) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Sends through restarts and compares.
async fn check(name: &str, destination: impl FnOnce(&Server) -> Destination, more: &[String], field_name: fn(&str) -> String, rules: Rules) {
    check_with(Maker::until_now(records()), name, destination, more, field_name, rules).await;
}

async fn check_with(
    maker: Maker,
    name: &str,
    destination: impl FnOnce(&Server) -> Destination,
    more: &[String],
    field_name: fn(&str) -> String,
    rules: Rules,
) {
    let Some(program) = installed("victoria-logs") else { return };
    let mut server = start(&program, more);
    let count = records();
    let destination = destination(&server);
    let mut output = Running::start(name, destination, count, Arc::new(move |number| maker.record(number)));
    // Killed without a word it loses what it has taken within the last seconds: that is another test's.
    output.through_restarts(count, &mut server, |server, _| server.terminate()).await;
    until_found(&mut server, count, &field_name("log.record.uid")).await;
    Comparison::new(maker, count, found(&server, field_name), &rules).tell("VictoriaLogs", &output, count, &rules);
}

/// A URL below the server.
fn at(server: &Server, path: &str) -> String {
    format!("http://127.0.0.1:{}{path}", server.port)
}

fn log(server: &Server, path: &str, protocol: Protocol) -> Destination {
    Destination::Log(LogOptions { http: http(at(server, path)), protocol })
}

/// A line without text is none for VictoriaLogs: encoders of protocols that are for it or for Loki write a blank.
fn blank(body: &str) -> String {
    if body.is_empty() { " ".into() } else { body.into() }
}

/// What it says itself where nobody did.
fn missing(body: &str) -> String {
    if body.is_empty() {
        "missing _msg field; see https://docs.victoriametrics.com/victorialogs/keyconcepts/#message-field".into()
    } else {
        body.into()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn loki() {
    fn name(name: &str) -> String {
        if name.starts_with('_') { name.into() } else { label_name(name) }
    }
    // The second of two records that say the same at the same instant is a nanosecond later.
    let rules = Rules { later_max: 10, body: blank, ..Rules::default() };
    check("loki", |server| log(server, "/insert", Protocol::Loki(loki::Options::default())), &[], name, rules).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn elasticsearch() {
    const BULK: &str = "/insert/elasticsearch/_bulk?_msg_field=message&_time_field=@timestamp&_stream_fields=squelch.stream";
    let protocol = Protocol::Elasticsearch { data_stream: "logs-squelch-default".into() };
    let name = |name: &str| match name {
        "note" => "attributes.note".into(),
        "event_name" => "event.action".into(),
        // It throws `_id` away. Elasticsearch itself would know a record that comes twice by it.
        other => other.to_owned(),
    };
    check("elasticsearch", |server| log(server, BULK, protocol), &[], name, Rules { body: missing, ..Rules::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn otlp() {
    let protocol = Protocol::Otlp { log_dedup: true };
    let rules = Rules { body: missing, ..Rules::default() };
    check("otlp", |server| log(server, "/insert/opentelemetry", protocol), &[], str::to_owned, rules).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn victorialogs() {
    let protocol = Protocol::VictoriaLogs { stream_fields: victorialogs::STREAM_FIELDS.map(Into::into).into() };
    check("victorialogs", |server| log(server, "", protocol), &[], str::to_owned, Rules { body: of_usual_line, ..Rules::default() }).await;
}

/// The encoder keeps to the usual limit of a line: of a megabyte it sends as much as that takes.
fn of_usual_line(body: &str) -> String {
    blank(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn json_lines_over_http() {
    const LINES: &str = "/insert/jsonline?_msg_field=body&_time_field=timestamp&_stream_fields=squelch.stream";
    let name = |name: &str| if name == "note" { "attributes.note".into() } else { name.to_owned() };
    check("http", |server| Destination::Http(http(at(server, LINES))), &[], name, Rules { body: missing, ..Rules::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn splunk() {
    let protocol = Protocol::Splunk { index: String::new(), sourcetype: "squelch".into(), acknowledge_within: None };
    let name = |name: &str| if name.starts_with('_') { name.into() } else { format!("fields.{name}") };
    check("splunk", |server| log(server, "/insert/splunk", protocol), &[], name, Rules { body: blank, ..Rules::default() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn syslog() {
    let port = free_port();
    let destination =
        move |_: &Server| Destination::Syslog(SyslogOptions { host: "127.0.0.1".into(), port, tls: None, facility: 16, message_bytes_max: 2 << 20 });
    let name = |name: &str| match name {
        "event_name" => "msg_id".into(),
        "_time" => "squelch@32473.timestamp".into(),
        name => format!("squelch@32473.{}", name.strip_prefix("squelch.").unwrap_or(name)),
    };
    // Its reader of structured data stops at quotes and backslashes, whether they are escaped or not; the encoder cuts what is long.
    let field = |_: &str, value: &str| (!value.contains(['"', '\\', ']']) && value.len() < 2048).then(|| value.to_owned());
    let rules = Rules { body: missing, field, doubled_max: SYSLOG_DOUBLED_MAX, ..Rules::default() };
    // The same reader takes a quote behind an escaped backslash for an escaped one, and leaves out such a message.
    let maker = Maker::until_now(records()).without_backslash_ends();
    check_with(maker, "syslog", destination, &[format!("-syslog.listenAddr.tcp=127.0.0.1:{port}")], name, rules).await;
}

/// Killed without a word it has not written down what it took in the last moments, although it said that it had it. That is its own loss; here it
/// is told from ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_victorialogs_loses_only_what_it_took_right_before() {
    /// Set here; 5 s when nothing is said.
    const WRITES_EVERY: Duration = Duration::from_secs(1);
    /// Writing takes its time on a busy machine, and we hear of an answer a moment late.
    const SLACK: Duration = Duration::from_secs(3);
    const KILLS: usize = 2;
    let Some(program) = installed("victoria-logs") else { return };
    let mut server = start(&program, &["-inmemoryDataFlushInterval=1s".into()]);
    let count = 3000;
    let maker = Maker::until_now(count);
    let protocol = Protocol::VictoriaLogs { stream_fields: vec!["squelch.stream".into()] };
    let destination = log(&server, "", protocol);
    // Some 18 s for all of it: most of what a kill finds has been there for long.
    let slowly = |delivery: &mut delivery::Options| delivery.bytes_per_second_max = count as u64 * 400 / 18;
    let mut output = Running::start_with("victorialogs", destination, count, Arc::new(move |number| maker.record(number)), slowly);
    let mut kills = Vec::new();
    for kill in 1..=KILLS {
        output.reach(kill * count / (KILLS + 1)).await;
        kills.push(Instant::now());
        server.kill();
        server.start_again();
    }
    output.reach(count).await;
    server.terminate();
    server.start_again();
    let compared = Comparison::new(maker, count, found(&server, str::to_owned), &Rules { body: blank, ..Rules::default() });
    // Alerts went ahead of the others: when each was taken is not known.
    let lines: Vec<usize> = compared.lost.iter().copied().filter(|number| maker.record(*number).0 != RecordKind::Storm).collect();
    eprintln!(
        "REAL | victorialogs | VictoriaLogs | {count} records | {KILLS} kills -9 | {} lost that it had taken and not written | {} doubled | {} different | {:.1} s",
        compared.lost.len(),
        compared.doubled,
        compared.wrong_count,
        output.seconds()
    );
    for number in lines {
        let taken = output.reached.iter().find(|(_, done)| *done > number).unwrap().0;
        let is_explained = kills.iter().any(|kill| *kill >= taken && *kill - taken < WRITES_EVERY + SLACK);
        assert!(is_explained, "record {number} is lost, and it was taken long before a kill");
    }
}
