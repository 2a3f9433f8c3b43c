//! Splunk's acknowledgements against a collector of our own that keeps them, forgets them, or never had any.

use super::*;
use crate::outputs::destination::{Auth, Compression, TlsOptions};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// What the collector says to questions.
#[derive(Clone, Copy, Debug)]
enum Says {
    /// Yes from the n-th question on.
    Yes(u32),
    /// Never yes.
    Never,
    /// It was started again after the first question.
    Forgot,
    /// It knows no such thing.
    Disabled,
    /// What is no answer.
    Garbage,
    /// Events get no number.
    NoNumber,
}

struct Collector {
    says: Says,
    /// Requests with events, by the channel that they came on.
    events: Vec<String>,
    questions: Vec<(String, Value)>,
}

type Shared = Arc<Mutex<Collector>>;

fn channel(headers: &HeaderMap) -> String {
    headers.get("x-splunk-request-channel").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

async fn take_events(State(collector): State<Shared>, headers: HeaderMap) -> String {
    let mut collector = collector.lock().unwrap();
    collector.events.push(channel(&headers));
    match collector.says {
        Says::NoNumber => json!({ "text": "Success", "code": 0 }),
        _ => json!({ "text": "Success", "code": 0, "ackId": collector.events.len() - 1 }),
    }
    .to_string()
}

async fn answer_question(State(collector): State<Shared>, headers: HeaderMap, body: String) -> (StatusCode, String) {
    let mut collector = collector.lock().unwrap();
    let question: Value = serde_json::from_str(&body).unwrap();
    let id = question["acks"][0].to_string();
    collector.questions.push((channel(&headers), question));
    let asked = collector.questions.len() as u32;
    let bad = |text: &str, code: u32| (StatusCode::BAD_REQUEST, json!({ "text": text, "code": code }).to_string());
    match collector.says {
        Says::Yes(from) => (StatusCode::OK, json!({ "acks": { id: asked >= from } }).to_string()),
        Says::Forgot if asked > 1 => bad("Invalid data channel", 11),
        Says::Never | Says::Forgot => (StatusCode::OK, json!({ "acks": { id: false } }).to_string()),
        Says::Disabled => bad("ACK is disabled", 14),
        Says::Garbage | Says::NoNumber => (StatusCode::OK, "<html>".into()),
    }
}

async fn collector(says: Says) -> (Shared, SplunkSender) {
    let collector = Arc::new(Mutex::new(Collector { says, events: Vec::new(), questions: Vec::new() }));
    let router = Router::new().route(EVENTS, post(take_events)).route(ACKS, post(answer_question)).with_state(Arc::clone(&collector));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{EVENTS}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let http = HttpOptions { url, headers: vec![], auth: Auth::None, tls: TlsOptions::default(), compression: Compression::None };
    (collector, SplunkSender::new(http, &delivery::Options::default(), ACKNOWLEDGE_WITHIN).unwrap())
}

fn request() -> Request {
    Request { body: b"{\"event\":\"a\"}\n".to_vec(), content_type: "application/json", records: 1, ..Request::default() }
}

async fn check(says: Says, expected: &str, questions: std::ops::RangeInclusive<usize>) {
    let (collector, mut sender) = collector(says).await;
    let outcome = sender.send(&request()).await;
    assert_eq!(outcome.to_string(), expected, "{says:?}");
    let collector = collector.lock().unwrap();
    assert!(questions.contains(&collector.questions.len()), "{says:?}: {} questions", collector.questions.len());
    assert!(collector.questions.iter().all(|(channel, question)| *channel == collector.events[0] && *question == json!({ "acks": [0] })));
}

#[tokio::test(start_paused = true)]
async fn a_request_has_arrived_when_the_indexer_says_so_however_late() {
    check(Says::Yes(1), "delivered", 1..=1).await;
    check(Says::Yes(8), "delivered", 8..=8).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_never_acknowledged_is_to_be_sent_again_and_is_not_asked_for_too_often() {
    check(Says::Never, "taken, and not acknowledged within 120s", 12..=30).await;
    check(Says::Garbage, "taken, and not acknowledged within 120s", 12..=30).await;
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_was_started_again_gets_the_request_again_at_once() {
    check(Says::Forgot, "taken, and forgotten: the collector does not know the channel any more", 2..=2).await;
    let (collector, mut sender) = collector(Says::Forgot).await;
    assert!(matches!(sender.send(&request()).await, Outcome::Unreachable { kind: Unreachable::Timeout, .. }));
    collector.lock().unwrap().says = Says::Yes(1);
    assert_eq!(sender.send(&request()).await, Outcome::Delivered { status: 200 });
    let collector = collector.lock().unwrap();
    assert_eq!((collector.events.len(), &collector.events[0]), (2, &collector.events[1]), "on the same channel");
    assert_eq!(collector.questions.last().unwrap().1, json!({ "acks": [1] }), "by its new number");
}

#[tokio::test(start_paused = true)]
async fn a_token_without_acknowledgements_is_said() {
    check(Says::NoNumber, "delivered", 0..=0).await;
    check(Says::Disabled, "status 400: ACK is disabled", 1..=1).await;
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_dies_between_taking_and_acknowledging_is_not_waited_for_until_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{EVENTS}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut bytes = vec![0; 4096];
        assert!(stream.read(&mut bytes).await.unwrap() > 0);
        let body = r#"{"text":"Success","code":0,"ackId":0}"#;
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
    });
    let http = HttpOptions { url, headers: vec![], auth: Auth::None, tls: TlsOptions::default(), compression: Compression::None };
    let mut sender = SplunkSender::new(http, &delivery::Options::default(), ACKNOWLEDGE_WITHIN).unwrap();
    let outcome = sender.send(&request()).await;
    assert!(matches!(outcome, Outcome::Unreachable { kind: Unreachable::Connect, .. }), "{outcome:?}");
}

#[test]
fn the_channel_is_a_guid_of_its_own() {
    let http =
        |url: &str| HttpOptions { url: url.into(), headers: vec![], auth: Auth::None, tls: TlsOptions::default(), compression: Compression::None };
    let sender = SplunkSender::new(http("https://splunk:8088/services/collector/event"), &delivery::Options::default(), ACKNOWLEDGE_WITHIN).unwrap();
    assert_eq!(sender.acks.target(), "https://splunk:8088/services/collector/ack");
    assert_eq!(sender.target(), "https://splunk:8088/services/collector/event");
}
