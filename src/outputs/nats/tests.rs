//! The sender against servers that misbehave: what was acknowledged counts, what was not goes again, and is there once.

use super::fake_server::{Does, FakeServer};
use super::*;
use crate::delivery::Encoder;
use crate::outputs::destination::TlsOptions;
use crate::outputs::encode::nats::{Nats, Subject};
use crate::store::{Record, RecordKind};
use serde_json::json;

fn options(ports: &[u16]) -> NatsOptions {
    NatsOptions {
        urls: ports.iter().map(|port| ServerUrl { host: "127.0.0.1".into(), port: *port, is_tls: false }).collect(),
        subject: Subject::default(),
        auth: NatsAuth::None,
        tls: TlsOptions::default(),
        tls_first: false,
        inbox_prefix: INBOX_PREFIX_DEFAULT.into(),
    }
}

fn sender_with(options: NatsOptions) -> NatsSender {
    let mut sender = NatsSender::new(options, &delivery::Options::default()).unwrap();
    sender.next_server = 0;
    sender
}

fn sender(server: &FakeServer) -> NatsSender {
    sender_with(options(&[server.port]))
}

/// Records with these ids.
fn request(uids: &[&str]) -> Request {
    request_to("squelch.logs", uids)
}

fn request_to(subject: &str, uids: &[&str]) -> Request {
    let jsons: Vec<String> =
        uids.iter().map(|uid| json!({ "body": uid, "log.record.uid": uid, "resource": { "host.name": uid } }).to_string()).collect();
    let records: Vec<Record<'_>> = jsons.iter().map(|json| Record { kind: RecordKind::Line, json: json.as_bytes() }).collect();
    let mut request = Request { records: uids.len(), ..Request::default() };
    Nats { subject: Subject::parse(subject).unwrap() }.encode(&records, &mut request.body);
    request
}

fn partial(retry: &[u32]) -> Outcome {
    Outcome::Partial { retry: retry.to_vec(), dead: vec![], retry_after: None }
}

const DELIVERED: Outcome = Outcome::Delivered { status: 0 };
const ALL: [&str; 4] = ["a", "b", "c", "d"];

#[tokio::test]
async fn each_record_is_a_message_and_one_that_is_sent_again_is_there_once() {
    let server = FakeServer::start([]).await;
    let mut sender = sender(&server);
    assert_eq!(sender.send(&request(&ALL)).await, DELIVERED);
    assert_eq!(sender.send(&request(&["d", "e"])).await, DELIVERED, "an acknowledgement of a duplicate is one");
    assert_eq!(server.stored(), ["a", "b", "c", "d", "e"]);
    assert_eq!(server.payload("a"), r#"{"body":"a","log.record.uid":"a","resource":{"host.name":"a"}}"#);
    assert_eq!(server.hellos().len(), 1, "the connection is kept");
    assert_eq!((&server.hellos()[0]["headers"], &server.hellos()[0]["no_responders"]), (&json!(true), &json!(true)));
}

/// What comes of a request on a connection that does this, and that the next one gets the rest through.
async fn check(does: Does, expected: &str) {
    let server = FakeServer::start([does.clone()]).await;
    let mut sender = sender(&server);
    let outcome = sender.send(&request(&ALL)).await;
    let told = format!("{} {outcome}", outcome.code());
    assert_eq!(told.replace(&server.port.to_string(), "PORT"), expected, "{does:?}");
    // Whatever it was, it was no fault of the records. (Where the connection is kept, the server must change its mind.)
    sender.connection = None;
    assert_eq!(sender.send(&request(&ALL)).await, DELIVERED, "{does:?}");
    assert_eq!(server.stored(), ALL, "{does:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_not_waited_for_longer_than_is_set() {
    check(Does::SaysNothing, "timeout no connection to nats://127.0.0.1:PORT within 5s").await;
    check(Does::HangsAtHello, "timeout no connection to nats://127.0.0.1:PORT within 5s").await;
    check(Does::Forgets(0), "timeout no acknowledgement within 30s").await;
}

#[tokio::test]
async fn refusals_are_told_in_the_words_of_the_server() {
    check(Does::Refuses("Authorization Violation"), "401 status 401: Authorization Violation").await;
    check(Does::Refuses("maximum connections exceeded"), "503 status 503: maximum connections exceeded").await;
    check(
        Does::Refuses("Permissions Violation for Subscription to \"_INBOX.x.*\""),
        "403 status 403: Permissions Violation for Subscription to \"_INBOX.x.*\"; acknowledgements come on it: allow it, or set inbox_prefix to what is allowed",
    )
    .await;
    check(Does::Says("-ERR 'maximum connections exceeded'\r\n"), "503 status 503: maximum connections exceeded").await;
    check(Does::Interrupts("-ERR 'Stale Connection'\r\n"), "broken Stale Connection").await;
}

#[tokio::test]
async fn what_is_no_nats_server_or_too_old_a_one_is_said() {
    check(Does::Says("HTTP/1.1 400 Bad Request\r\n\r\n"), "garbage what answers is no NATS server").await;
    check(Does::Says("PING\r\n"), "garbage what answers is no NATS server").await;
    check(Does::Says(""), "broken connection closed before the answer").await;
    check(
        Does::Says("INFO {\"version\":\"2.1.9\",\"max_payload\":1000}\r\n"),
        "501 status 501: the server has version 2.1.9 without headers; JetStream needs 2.2 or later",
    )
    .await;
}

#[tokio::test]
async fn a_stream_that_is_not_there_or_full_is_waited_for() {
    check(Does::NobodyListens, "503 status 503: no stream takes subject squelch.logs: create one, e.g. nats stream add --subjects squelch.logs")
        .await;
    let full = r#"{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"stream":"LOGS","seq":0}"#;
    check(Does::Answers(full), "503 status 503: maximum bytes exceeded (JetStream error 10077)").await;
    check(Does::Answers("thanks"), "garbage who answers on subject squelch.logs is no stream").await;
}

#[tokio::test]
async fn a_connection_that_breaks_on_the_way_leaves_what_was_not_acknowledged() {
    let server = FakeServer::start([Does::Closes(2), Does::Closes(0)]).await;
    let mut sender = sender(&server);
    assert_eq!(sender.send(&request(&ALL)).await, partial(&[2, 3]));
    assert_eq!(sender.send(&request(&["c", "d"])).await.code().to_string(), "broken");
    assert_eq!(sender.send(&request(&["c", "d"])).await, DELIVERED);
    assert_eq!(server.stored(), ALL);
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_that_do_not_come_leave_their_records_and_what_is_there_already_counts() {
    let server = FakeServer::start([Does::Forgets(2)]).await;
    let mut sender = sender(&server);
    assert_eq!(sender.send(&request(&ALL)).await, partial(&[2, 3]));
    assert_eq!(server.stored(), ALL, "they were stored, only nobody said so");
    assert_eq!(sender.send(&request(&["c", "d"])).await, DELIVERED);
    assert_eq!(server.stored(), ALL);
}

#[tokio::test]
async fn an_acknowledgement_of_an_earlier_request_counts_for_nothing() {
    // The server is asked for its pings between: a late acknowledgement of request 0 comes with each message.
    let late = "MSG _INBOX.0000000000000000.0-0 1 26\r\n{\"stream\":\"LOGS\",\"seq\":99}\r\nPING\r\n";
    let server = FakeServer::start([Does::Interrupts(late)]).await;
    let mut sender = sender(&server);
    assert_eq!(sender.send(&request(&ALL)).await, DELIVERED);
    assert_eq!(server.stored(), ALL);
    assert_eq!(sender.send(&request(&["e"])).await, DELIVERED);
    assert!(server.pongs() >= 3, "pings are answered on the way: {}", server.pongs());
}

#[tokio::test]
async fn what_is_too_large_for_the_server_is_dead_and_the_others_arrive() {
    let server = FakeServer::start([]).await;
    let large = "x".repeat(2000);
    let outcome = sender(&server).send(&request(&["a", &large, "c"])).await;
    let Outcome::Partial { retry, dead, .. } = outcome else { panic!("{outcome:?}") };
    assert!(retry.is_empty());
    assert_eq!((dead[0].0, dead[0].1.ends_with("bytes: the server takes 1000 (max_payload)")), (1, true), "{dead:?}");
    assert_eq!(server.stored(), ["a", "c"]);
    let too_long = r#"{"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"}}"#;
    let server = FakeServer::start([Does::Answers(too_long)]).await;
    let outcome = sender(&server).send(&request(&["a"])).await;
    assert_eq!(
        outcome,
        Outcome::Partial { retry: vec![], dead: vec![(0, "message size exceeds maximum allowed (JetStream error 10054)".into())], retry_after: None }
    );
}

#[tokio::test]
async fn a_subject_that_is_forbidden_keeps_only_its_own_records() {
    let server = FakeServer::start([Does::Forbids("logs.b")]).await;
    let mut sender = sender(&server);
    assert_eq!(sender.send(&request_to("logs.{node}", &ALL)).await, partial(&[1]));
    let outcome = sender.send(&request_to("logs.{node}", &["b"])).await;
    assert_eq!(outcome.to_string(), "status 403: Permissions Violation for Publish to \"logs.b\"");
    assert_eq!(server.hellos().len(), 1, "the connection is as good as before");
}

#[tokio::test(start_paused = true)]
async fn another_server_is_tried_when_one_is_down_or_hangs() {
    let (hangs, fine) = (FakeServer::start([Does::Forgets(0)]).await, FakeServer::start([]).await);
    let mut sender = sender_with(options(&[1, hangs.port, fine.port]));
    assert_eq!(sender.send(&request(&ALL)).await.code().to_string(), "timeout");
    assert_eq!(sender.send(&request(&ALL)).await, DELIVERED);
    assert_eq!((fine.stored().len(), hangs.hellos().len()), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_connection_answers_pings_and_is_renewed_when_it_is_gone() {
    let server = FakeServer::start([Does::Interrupts("PING\r\n")]).await;
    let mut sender = sender(&server);
    assert_eq!(sender.remind_at(), None);
    assert_eq!(sender.send(&request(&["a"])).await, DELIVERED);
    let due = sender.remind_at().unwrap();
    tokio::time::sleep_until(due).await;
    sender.remind().await;
    assert!(sender.remind_at().unwrap() > due);
    assert!(sender.connection.is_some());
    let closed = FakeServer::start([Does::Closes(1)]).await;
    let mut sender = super::tests::sender(&closed);
    assert_eq!(sender.send(&request(&["a"])).await, DELIVERED);
    // It closes when the second message comes.
    assert_eq!(sender.send(&request(&["b"])).await.code().to_string(), "broken");
    assert_eq!(sender.send(&request(&["b"])).await, DELIVERED);
}

async fn hello(auth: NatsAuth) -> serde_json::Value {
    let server = FakeServer::start_with([], json!({ "nonce": "n0nce" }), None).await;
    let mut sender = sender_with(NatsOptions { auth, ..options(&[server.port]) });
    assert_eq!(sender.send(&request(&["a"])).await, DELIVERED);
    server.hellos().remove(0)
}

#[tokio::test]
async fn who_we_are_is_said_as_the_server_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let path = folder.path().join("secret");
        std::fs::write(&path, text).unwrap();
        path
    };
    let said = hello(NatsAuth::None).await;
    assert!(["user", "pass", "auth_token", "jwt", "nkey", "sig"].iter().all(|key| said.get(key).is_none()), "{said}");
    let said = hello(NatsAuth::User { user: "ada".into(), password: "pw\"'".to_owned().into() }).await;
    assert_eq!((&said["user"], &said["pass"]), (&json!("ada"), &json!("pw\"'")));
    assert_eq!(hello(NatsAuth::Token("t0k".to_owned().into())).await["auth_token"], "t0k");
    assert_eq!(hello(NatsAuth::TokenFile(file("t1k\n"))).await["auth_token"], "t1k");
    let seed = nkey::tests::seed(7);
    let said = hello(NatsAuth::Credentials(file(&seed))).await;
    assert_eq!(said["nkey"], nkey::Credentials::read(&seed).unwrap().public_key());
    assert_eq!((said["sig"].as_str().unwrap().len(), said.get("jwt")), (86, None));
    let said = hello(NatsAuth::Credentials(file(&format!("-----BEGIN NATS USER JWT-----\nj.w.t\n-----BEGIN USER NKEY SEED-----\n{seed}\n")))).await;
    assert_eq!((&said["jwt"], said.get("nkey")), (&json!("j.w.t"), None));

    let mut sender = sender_with(NatsOptions { auth: NatsAuth::Credentials(folder.path().join("none")), ..options(&[1]) });
    let server = FakeServer::start([]).await;
    sender.options.urls[0].port = server.port;
    let outcome = sender.send(&request(&["a"])).await.to_string();
    assert!(outcome.starts_with("credentials file ") && outcome.contains("none: No such file"), "{outcome}");
}

#[tokio::test]
async fn what_is_said_is_said_over_tls_when_the_server_or_the_url_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, certificate.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(std::sync::Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let server = FakeServer::start_with([], json!({ "tls_required": true }), Some(acceptor)).await;
    let with = |host: &str, is_tls, ca_file: Option<&std::path::Path>, port| NatsOptions {
        urls: vec![ServerUrl { host: host.into(), port, is_tls }],
        tls: TlsOptions { ca_file: ca_file.map(Into::into), ..TlsOptions::default() },
        ..options(&[])
    };
    assert_eq!(sender_with(with("localhost", false, Some(&ca_file), server.port)).send(&request(&ALL)).await, DELIVERED);
    assert_eq!(sender_with(with("localhost", true, Some(&ca_file), server.port)).send(&request(&ALL)).await, DELIVERED);
    for (host, ca_file) in [("localhost", None), ("127.0.0.1", Some(&*ca_file))] {
        let outcome = sender_with(with(host, true, ca_file, server.port)).send(&request(&["x"])).await;
        assert!(matches!(&outcome, Outcome::Unreachable { kind: Unreachable::Tls, .. }), "{host}: {outcome:?}");
    }
    let open = FakeServer::start([]).await;
    let outcome = sender_with(with("localhost", true, Some(&ca_file), open.port)).send(&request(&["x"])).await;
    assert_eq!(outcome.to_string(), "the server offers no TLS");
    assert!(open.hellos().is_empty(), "nothing is said in plain text");
}
