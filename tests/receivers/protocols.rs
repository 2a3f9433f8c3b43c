//! Every output that speaks HTTP ([`SPOKEN`]) against everything that a receiver can do wrong, and what must hold for each pair.

use crate::authority::Authority;
use crate::receiver::output::{Output, http, to};
use crate::receiver::spoken::{SPOKEN, Spoken};
use crate::receiver::{Does, Opens, Plan, Receiver};
use squelch::outputs::destination::TlsOptions;
use std::time::Duration;
use tokio::time::Instant;

/// With a receiver that does this five times and then behaves, nothing is lost and nobody else waits; requests with `code` are counted.
async fn check(spoken: &Spoken, does: Does, code: &str) -> Receiver {
    let plan = Plan { script: vec![does.clone(); 5], yes: spoken.yes, ..Plan::default() };
    check_plan(spoken, plan, TlsOptions::default(), &format!("{does:?}"), code).await
}

async fn check_plan(spoken: &Spoken, plan: Plan, tls: TlsOptions, what: &str, code: &str) -> Receiver {
    let scheme = if matches!(plan.then_opens, Opens::Plain) { "http" } else { "https" };
    let receiver = Receiver::by(plan).await;
    let mut output = Output::start(to((spoken.destination)(&format!("{scheme}://{}", receiver.address), tls)));
    let other = Receiver::start([], Does::Fine).await;
    let started = Instant::now();
    Output::start(http(other.url())).finish().await;
    assert!(started.elapsed() < Duration::from_secs(1), "{} {what}: another output is kept waiting", spoken.name);
    output.finish().await;
    let (name, requests) = (spoken.name, output.counters.requests());
    assert!(requests.iter().any(|(counted, _)| counted == code), "{name} {what}: no {code} in {requests:?}");
    assert_eq!(output.counters.last_error(), None, "{name} {what}");
    if code == "413" && spoken.is_one_by_one() {
        // It never gets smaller.
        assert_eq!((output.dead.len(), requests.last().map(|last| last.1)), (5, Some(5)), "{name} {what}: {requests:?}");
        return receiver;
    }
    assert!(output.dead.is_empty(), "{name} {what}: {:?}", output.dead);
    spoken.assert_all_taken(&receiver, what);
    receiver
}

async fn check_all(does: Does, code: &str) {
    for spoken in SPOKEN {
        check(spoken, does.clone(), code).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_when_no_answer_comes() {
    check_all(Does::Hang, "timeout").await;
    check_all(Does::Drip, "timeout").await;
    check_all(Does::HalfAnAnswer, "timeout").await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_when_connections_break() {
    check_all(Does::Reset, "broken").await;
    check_all(Does::Close, "broken").await;
    check_all(Does::Babble, "broken").await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_on_a_connection_that_died_without_a_word() {
    for spoken in SPOKEN {
        // It takes one request and is gone, and so is each connection after the next ones.
        let script = vec![Does::Fine, Does::Hang, Does::Fine, Does::Hang, Does::Hang];
        let plan = Plan { script, yes: spoken.yes, ..Plan::default() };
        let receiver = Receiver::by(plan).await;
        let mut options = spoken.output(&format!("http://{}", receiver.address));
        options.delivery.batch_records_max = 10;
        let mut output = Output::start(options);
        output.finish().await;
        assert!(output.dead.is_empty(), "{}", spoken.name);
        spoken.assert_all_taken(&receiver, "half-open");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_when_the_receiver_is_busy() {
    for (status, code) in [(408, "408"), (413, "413"), (429, "429"), (500, "500"), (502, "502"), (503, "503"), (504, "504")] {
        check_all(Does::Answer(status, "", "busy"), code).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_when_to_come_again_is_left_alone_until_then() {
    for (headers, code, pause) in [
        ("Retry-After: 30\r\n", "429", 30),
        ("Retry-After: 30\r\n", "503", 30),
        ("Retry-After: Wed, 25 Nov 2020 12:00:00 GMT\r\n", "503", 0),
        ("Retry-After: soon\r\n", "503", 0),
    ] {
        for spoken in SPOKEN {
            let receiver = check(spoken, Does::Answer(code.parse().unwrap(), headers, ""), code).await;
            let pauses = gaps(&receiver.arrivals()[..6]);
            assert!(pauses.iter().all(|gap| *gap >= Duration::from_secs(pause)), "{}: {headers}: {pauses:?}", spoken.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_while_people_mend_a_key_or_a_url() {
    for (status, code) in [(401, "401"), (403, "403"), (404, "404"), (405, "405")] {
        check_all(Does::Answer(status, "", "no"), code).await;
    }
    check_all(Does::Answer(308, "Location: https://user:pw@elsewhere.example/in?key=1\r\n", ""), "308").await;
}

#[tokio::test(start_paused = true)]
async fn a_200_with_nonsense_is_a_yes_where_the_status_says_all() {
    for does in [Does::Garbage, Does::SlowBody] {
        for spoken in SPOKEN {
            // Where an answer has a say about single records, one that cannot be read says nothing: they go again with the same ids.
            let receiver = check(spoken, does.clone(), if spoken.wants_words { "garbage" } else { "200" }).await;
            let first = spoken.ids().swap_remove(0);
            assert_eq!(receiver.times_taken(&first) > 1, spoken.wants_words, "{} {does:?}", spoken.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_page_takes_no_records() {
    let page = "<!DOCTYPE html><html><title>Log in</title></html>";
    for spoken in SPOKEN.iter().filter(|spoken| spoken.knows_pages) {
        check(spoken, Does::Answer(200, "Content-Type: text/html\r\n", page), "garbage").await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_while_there_is_no_secure_connection() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let good = Opens::Tls(authority.acceptor("127.0.0.1", 2099));
    let cases = [
        ("expired", Opens::Tls(authority.acceptor("127.0.0.1", 2020)), "tls"),
        ("wrong name", Opens::Tls(authority.acceptor("elsewhere.example", 2099)), "tls"),
        ("unknown authority", Opens::Tls(Authority::new().acceptor("127.0.0.1", 2099)), "tls"),
        ("stall", Opens::Stalls, "timeout"),
    ];
    for (what, opens, code) in cases {
        for spoken in SPOKEN {
            let plan = Plan { opens: vec![opens.clone(); 5], then_opens: good.clone(), yes: spoken.yes, ..Plan::default() };
            check_plan(spoken, plan, TlsOptions { ca_file: Some(ca_file.clone()), ..TlsOptions::default() }, what, code).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_while_nobody_listens() {
    for spoken in SPOKEN {
        // A port that nobody has now.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut output = Output::start(spoken.output(&format!("http://{address}")));
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_paced(&output, "connect", spoken.name);
        let receiver = Receiver::by(Plan { address, yes: spoken.yes, ..Plan::default() }).await;
        output.finish().await;
        spoken.assert_all_taken(&receiver, "refused for ten minutes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_without_address_is_asked_for_again_at_the_pace_of_retries() {
    for spoken in SPOKEN {
        // RFC 6761: there is no such name, and no name server need be asked. The dot keeps it from being searched for.
        let output = Output::start(spoken.output("http://no-such-host.invalid."));
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_paced(&output, "name", spoken.name);
        assert!(output.dead.is_empty());
    }
}

/// Ten minutes of failures: few, and all of the same kind.
fn assert_paced(output: &Output, code: &str, name: &str) {
    let requests = output.counters.requests();
    assert!(matches!(&requests[..], [(counted, 8..=40)] if counted == code), "{name}: {requests:?} in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_receiver_is_borne_with_patience_and_no_two_outputs_keep_step() {
    for spoken in SPOKEN {
        let (name, plan) = (spoken.name, || Plan { then: Does::Close, yes: spoken.yes, ..Plan::default() });
        let receivers = [Receiver::by(plan()).await, Receiver::by(plan()).await];
        let mut outputs = receivers.each_ref().map(|receiver| Output::start(spoken.output(&format!("http://{}", receiver.address))));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let [one, other] = receivers.each_ref().map(|receiver| gaps(&receiver.arrivals()));
        for gaps in [&one, &other] {
            assert_spread(gaps, name);
        }
        assert!(one.iter().zip(&other).filter(|(a, b)| a.abs_diff(**b) < Duration::from_secs(1)).count() < one.len() / 4, "{name}: in step");
        for (receiver, output) in receivers.iter().zip(&mut outputs) {
            receiver.recovers();
            output.finish().await;
            assert!(output.dead.is_empty(), "{name}");
            spoken.assert_all_taken(receiver, "an hour");
        }
    }
}

/// Delays that grow to a cap, are random there too, and keep to the budget.
fn assert_spread(gaps: &[Duration], name: &str) {
    assert!((60..=170).contains(&gaps.len()), "{name}: {} attempts in an hour", gaps.len() + 1);
    // The breaker has opened by then: half of its 30 s at least, the cap of 60 s at most.
    let late = &gaps[10..];
    let within = |from: u64, to: u64| late.iter().filter(|gap| (from..to).contains(&gap.as_secs())).count() as f64 / late.len() as f64;
    assert!(late.iter().all(|gap| (15..=61).contains(&gap.as_secs())), "{name}: {late:?}");
    // A third of the delays is expected in the first slot, two ninths in each of the others.
    for (from, to) in [(15, 20), (20, 34), (34, 47), (47, 61)] {
        assert!((0.02..0.65).contains(&within(from, to)), "{name}: {} of the delays are {from} to {to} s: {late:?}", within(from, to));
    }
    let mut ends: Vec<Duration> = gaps.iter().scan(Duration::ZERO, |at, gap| Some(std::mem::replace(at, *at + *gap))).collect();
    ends.push(gaps.iter().sum());
    let most = ends.iter().map(|from| ends.iter().filter(|at| (*from..*from + Duration::from_secs(60)).contains(*at)).count()).max();
    // Ten retries a minute are the budget; the first attempt is none.
    assert!(most <= Some(11), "{name}: {most:?} attempts within a minute");
}

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_and_lets_one_through_at_a_time() {
    for spoken in SPOKEN {
        let receiver = Receiver::by(Plan { then: Does::Hang, yes: spoken.yes, ..Plan::default() }).await;
        let mut output = Output::start(spoken.output(&format!("http://{}", receiver.address)));
        let (mut states, mut last) = (String::new(), u8::MAX);
        for _ in 0..1200 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let state = output.counters.circuit.load(std::sync::atomic::Ordering::Relaxed);
            if state != std::mem::replace(&mut last, state) {
                states.push(char::from(b'0' + state));
            }
        }
        // Closed, then open, half-open while a request is on its way, open again ...
        assert!(states.starts_with("02121212"), "{}: {states}", spoken.name);
        receiver.recovers();
        output.finish().await;
        assert_eq!(output.counters.circuit.load(std::sync::atomic::Ordering::Relaxed), 0, "{}", spoken.name);
        spoken.assert_all_taken(&receiver, "twenty minutes of silence");
    }
}

fn gaps(arrivals: &[Instant]) -> Vec<Duration> {
    arrivals.windows(2).map(|pair| pair[1] - pair[0]).collect()
}
