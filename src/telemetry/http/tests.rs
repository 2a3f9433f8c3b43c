use super::*;
use crate::telemetry::metrics::tests::moment;
use crate::telemetry::status::{Publisher, channel};
use crate::telemetry::{Collects, Samples};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LOOPBACK: &str = "127.0.0.1:0";

/// A server on loopback; what it serves is [`moment`].
fn start(options: Options) -> (Server, Publisher) {
    let (publisher, subscriber) = channel();
    publisher.publish(moment());
    (serve(Options { listen: Some(LOOPBACK.parse().unwrap()), ..options }, &subscriber).unwrap(), publisher)
}

async fn ask(address: Option<SocketAddr>, request: &str) -> String {
    let mut stream = TcpStream::connect(address.unwrap()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

async fn get_path(address: Option<SocketAddr>, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
}

#[tokio::test]
async fn metrics_health_and_a_page_that_names_them_are_served() {
    let (server, _publisher) = start(Options::default());
    assert!(get_path(server.address, "/").await.contains("/metrics"));
    assert!(get_path(server.address, "/livez").await.starts_with("HTTP/1.1 200 OK"));
    let ready = get_path(server.address, "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 200 OK") && ready.ends_with("\r\n\r\nready\n"), "{ready}");
    let metrics = get_path(server.address, "/metrics").await;
    assert!(metrics.contains("content-type: text/plain; version=0.0.4") && metrics.contains("\nsquelch_lines_read_total 1000\n"), "{metrics}");
    let openmetrics =
        ask(server.address, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text;version=1.0.0\r\n\r\n").await;
    assert!(openmetrics.contains("content-type: application/openmetrics-text") && openmetrics.ends_with("# EOF\n"), "{openmetrics}");
}

#[tokio::test]
async fn every_answer_ends_its_connection_and_is_kept_by_nobody() {
    let (server, _publisher) = start(Options::default());
    for path in ["/livez", "/nothing"] {
        let answer = get_path(server.address, path).await;
        for header in ["connection: close\r\n", "cache-control: no-store\r\n", "x-content-type-options: nosniff\r\n"] {
            assert!(answer.contains(header), "{answer}");
        }
    }
}

#[tokio::test]
async fn what_is_not_ready_is_said_and_a_stuck_loop_is_not_alive() {
    let (server, publisher) = start(Options::default());
    let mut status = moment();
    status.readiness.inputs_are_open = false;
    publisher.publish(status);
    let answer = get_path(server.address, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("not ready: not every input is open yet\n"), "{answer}");
    assert_eq!(alive(Duration::from_millis(9_999)).0, StatusCode::OK);
    assert_eq!(alive(BEAT_MAX), (StatusCode::SERVICE_UNAVAILABLE, "the engine loop has not turned for 10.0s\n".into()));
}

#[tokio::test]
async fn a_request_for_another_host_gets_nothing() {
    let (server, _publisher) = start(Options { hosts: vec!["node-7".into()], ..Options::default() });
    for hosts in ["Host: evil.example\r\n", "", "Host: localhost\r\nHost: evil.example\r\n"] {
        let answer = ask(server.address, &format!("GET /metrics HTTP/1.1\r\n{hosts}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 421 ") && !answer.contains("squelch_"), "{answer}");
    }
    let answer = ask(server.address, "GET /livez HTTP/1.1\r\nHost: node-7:9641\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn nothing_can_be_posted() {
    let (server, _publisher) = start(Options::default());
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = ask(server.address, &format!("{method} /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    }
}

#[tokio::test]
async fn the_api_stands_on_a_listener_of_its_own() {
    let (server, _publisher) = start(Options { api_listen: Some(LOOPBACK.parse().unwrap()), ..Options::default() });
    assert!(get_path(server.address, "/api/v1/storms").await.starts_with("HTTP/1.1 404 "));
    assert!(get_path(server.api_address, "/metrics").await.starts_with("HTTP/1.1 404 "));
    let answer = get_path(server.api_address, "/api/v1/storms").await;
    let storms: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(storms["storms"][0]["squelch.storm_id"], "3a7f01c2d4e5f607");
    assert_eq!(storms["storms"][0]["squelch.retry"]["policy"], "immediate");
    assert!(storms["storms"][0].get("squelch.absorbed").is_none());
}

#[tokio::test]
async fn without_a_listener_and_without_a_token_there_is_no_api() {
    let (server, _publisher) = start(Options::default());
    assert!(get_path(server.address, "/api/v1/status").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn with_a_token_the_api_asks_for_it() {
    let (server, _publisher) = start(Options { api_token: Some("s3cret".into()), ..Options::default() });
    for said in
        ["", "Authorization: Bearer s3cre\r\n", "Authorization: Bearer s3cret2\r\n", "Authorization: Basic s3cret\r\n", "Authorization: s3cret\r\n"]
    {
        let answer = ask(server.address, &format!("GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n{said}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("www-authenticate: Bearer") && !answer.contains("node-7"), "{answer}");
    }
    let answer = ask(server.address, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer s3cret\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"node\":\"node-7\""), "{answer}");
    assert!(get_path(server.address, "/metrics").await.starts_with("HTTP/1.1 200 "), "metrics need no token");
}

#[derive(Debug)]
struct Loki;

impl Collects for Loki {
    fn collect(&self, samples: &mut Samples) {
        samples.add(&crate::telemetry::metrics::family::OUTPUT_QUEUED, &["loki"], 3);
    }
}

#[test]
fn the_status_is_the_moment_that_the_metrics_show() {
    let (publisher, subscriber) = channel();
    publisher.collect_from(Arc::new(Loki));
    let mut status = api::status(&subscriber, &moment());
    status["started"] = "STARTED".into();
    status["version"] = "VERSION".into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&status).unwrap());
}

#[test]
fn an_api_for_the_whole_network_needs_a_token() {
    let options = Options { api_listen: Some("0.0.0.0:0".parse().unwrap()), ..Options::default() };
    let error = serve(options, &channel().1).unwrap_err().to_string();
    assert_eq!(error, "telemetry.api_listen: 0.0.0.0:0 can be reached from other machines; set telemetry.api_token, or listen on 127.0.0.1");
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_says_what_to_do() {
    let taken = std::net::TcpListener::bind(LOOPBACK).unwrap();
    let address = taken.local_addr().unwrap();
    let error = serve(Options { listen: Some(address), ..Options::default() }, &channel().1).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("telemetry.listen: {address} is in use, perhaps by another squelch; stop that program, or set telemetry.listen to a free port")
    );
}

#[tokio::test]
async fn a_dropped_server_serves_no_more() {
    let (server, _publisher) = start(Options::default());
    let address = server.address.unwrap();
    drop(server);
    // The port is free when the task has been dropped; until then a connection may still be taken.
    while std::net::TcpListener::bind(address).is_err() {
        tokio::task::yield_now().await;
    }
}
