//! The outputs against receivers that misbehave: nothing is lost, nobody else is kept waiting. Here: NDJSON by HTTP; [`protocols`] has what holds
//! for every protocol.
//! The clock stands still while anything can go on (tokio's paused time), so hours pass in no time.

#![allow(clippy::unwrap_used, reason = "a helper of a test that cannot go on should stop where it is")]

mod authority;
mod protocols;
mod proxies;
#[path = "../receiver/mod.rs"]
mod receiver;
mod tls;

use receiver::output::{Output, all_uids, http};
use receiver::{Does, Receiver, uid_of};
use squelch::outputs::destination::{Auth, Destination, FileOptions, OutputOptions};
use std::collections::BTreeSet;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_receiver_that_behaves_gets_everything_once() {
    let receiver = Receiver::start([], Does::Fine).await;
    let mut output = Output::start(http(receiver.url()));
    output.finish().await;
    assert_eq!(receiver.taken(), all_uids());
    let head = receiver.heads()[0].to_lowercase();
    for expected in ["post /in http/1.1", "content-type: application/x-ndjson", "content-encoding: gzip", "idempotency-key: ", "user-agent: squelch/"]
    {
        assert!(head.contains(expected), "{expected} in {head}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::start([], Does::Fine).await;
    let location: &'static str = Box::leak(format!("Location: {}\r\n", elsewhere.url()).into_boxed_str());
    let receiver = Receiver::start([], Does::Answer(307, location, "")).await;
    let output = Output::start(http(receiver.url()));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(elsewhere.requests(), 0);
    assert!((5..=20).contains(&receiver.requests()), "{} requests in ten minutes", receiver.requests());
    let error = output.counters.last_error().unwrap();
    assert_eq!(error, format!("status 307: it lives at {} now; set that as url", elsewhere.url()));
}

#[tokio::test(start_paused = true)]
async fn the_record_that_is_not_liked_becomes_a_dead_letter_and_all_others_arrive() {
    let receiver = Receiver::start([], Does::Dislikes("r0042")).await;
    let mut output = Output::start(http(receiver.url()));
    output.finish().await;
    let expected: Vec<_> = all_uids().into_iter().filter(|uid| uid != "r0042").collect();
    assert_eq!(receiver.taken(), expected, "in order");
    assert_eq!(output.dead.len(), 1);
    assert_eq!(uid_of(std::str::from_utf8(&output.dead[0].json).unwrap()), "r0042");
    assert_eq!(output.dead[0].reason, "status 400: mapping: this record is not liked");
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_arrives_in_pieces() {
    let receiver = Receiver::start([], Does::AtMost(600)).await;
    let mut output = Output::start(http(receiver.url()));
    output.finish().await;
    assert_eq!(receiver.taken(), all_uids());
}

#[tokio::test(start_paused = true)]
async fn a_resend_has_the_same_key() {
    let receiver = Receiver::start([Does::Answer(503, "", ""), Does::Hang, Does::Close], Does::Fine).await;
    let mut output = Output::start(http(receiver.url()));
    output.finish().await;
    let keys: BTreeSet<String> = receiver
        .heads()
        .iter()
        .flat_map(|head| head.to_lowercase().lines().filter(|line| line.starts_with("idempotency-key")).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert!(receiver.requests() >= 4);
}

#[tokio::test(start_paused = true)]
async fn keys_go_with_each_request() {
    let cases = [
        (Auth::Bearer("t0k3n".to_owned().into()), "authorization: bearer t0k3n"),
        (Auth::Basic { user: "ada".into(), password: "pw".to_owned().into() }, "authorization: basic ywrhonb3"),
    ];
    for (auth, expected) in cases {
        let receiver = Receiver::start([], Does::Fine).await;
        let mut options = http(receiver.url());
        if let Destination::Http(http) = &mut options.destination {
            http.auth = auth;
            http.headers.push(("X-Scope-OrgID".into(), "shop".to_owned().into()));
        }
        Output::start(options).finish().await;
        let head = receiver.heads()[0].to_lowercase();
        assert!(head.contains(expected) && head.contains("x-scope-orgid: shop"), "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_test_record_can_be_sent_and_the_answer_is_told() {
    let receiver = Receiver::start([Does::Answer(401, "", "who are you?")], Does::Fine).await;
    let (target, outcome) = squelch::outputs::send_test(http(receiver.url())).await.unwrap();
    assert_eq!((target, outcome.to_string()), (receiver.url(), "status 401: who are you?".to_owned()));
    let (_, outcome) = squelch::outputs::send_test(http(receiver.url())).await.unwrap();
    assert_eq!(outcome.to_string(), "delivered");
    assert_eq!(receiver.taken().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn files_get_everything_once_also_after_a_start_from_an_old_cursor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ndjson");
    let options = || OutputOptions {
        destination: Destination::File(FileOptions { path: path.clone(), rotate_bytes: 0, keep: 1, zstd: false }),
        ..http(String::new())
    };
    Output::start(options()).finish().await;
    Output::start(options()).finish().await; // as after a crash before the first commit
    let written: Vec<_> = std::fs::read_to_string(&path).unwrap().lines().map(uid_of).collect();
    assert_eq!(written, all_uids());
}
