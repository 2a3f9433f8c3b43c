//! The clock stands still while anything can go on (tokio's paused time): each wait is measured exactly.

use super::testing::{NameServer, Reply, files};
use super::*;
use crate::delivery::{Outcome, Unreachable};
use tempfile::tempdir;
use tokio::net::TcpListener;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

fn addresses(text: &[&str]) -> Vec<IpAddr> {
    text.iter().map(|address| address.parse().unwrap()).collect()
}

fn has(text: &[&str]) -> Reply {
    Reply::Addresses(addresses(text))
}

/// What a host with these files finds, and after how long.
async fn found(files: &Files, host: &str) -> (String, Duration) {
    let started = Instant::now();
    let found = Resolver::with_files(files.clone(), CONNECT_TIMEOUT).resolve(host).await;
    let shown = match found {
        Ok(addresses) => addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" "),
        Err(error) => error.to_string(),
    };
    (shown, started.elapsed())
}

async fn check(files: &Files, host: &str, expected: &str, within: Duration) {
    let (shown, took) = found(files, host).await;
    assert_eq!(shown, expected, "{host}");
    // Timers are kept to the millisecond.
    assert!((within..=within + Duration::from_millis(5)).contains(&took), "{host}: {took:?}, not {within:?}");
}

const NONE: Duration = Duration::ZERO;

#[tokio::test(start_paused = true)]
async fn the_hosts_file_comes_first_and_asks_nobody() {
    let folder = tempdir().unwrap();
    let server = NameServer::start(|_, _| Reply::Silence).await;
    let files = files(folder.path(), &[server.address], "", "10.0.0.7 logs.example\n10.0.0.8 localhost\n");
    check(&files, "LOGS.example", "10.0.0.7", NONE).await;
    check(&files, "logs.example.", "10.0.0.7", NONE).await;
    check(&files, "localhost", "10.0.0.8", NONE).await;
    check(&files, "db.localhost", "127.0.0.1 ::1", NONE).await;
    check(&files, "192.0.2.1", "192.0.2.1", NONE).await;
    check(&files, "[fd00::1]", "fd00::1", NONE).await;
    assert_eq!(server.asked(), Vec::<String>::new());
    std::fs::remove_file(&files.hosts).unwrap();
    std::fs::remove_file(&files.resolv_conf).unwrap();
    check(&files, "localhost", "127.0.0.1 ::1", NONE).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_usable_resolv_conf_nobody_is_asked() {
    let folder = tempdir().unwrap();
    let mut files = files(folder.path(), &[], "search example", "");
    let path = files.resolv_conf.display().to_string();
    let advice = "or use an address, or a line in the hosts file";
    let none = format!("no address for logs: {path} names no name server, and no other is asked; add one, {advice}");
    check(&files, "logs", &none, NONE).await;
    files.resolv_conf = folder.path().join("none");
    let path = files.resolv_conf.display();
    let missing = format!(
        "no address for logs: {path} cannot be read (No such file or directory (os error 2)), and no other name server is asked; provide it, {advice}"
    );
    check(&files, "logs", &missing, NONE).await;
}

#[tokio::test(start_paused = true)]
async fn names_are_searched_as_in_kubernetes() {
    let folder = tempdir().unwrap();
    let server = NameServer::start(|name, _| match name {
        "loki.monitoring.svc.cluster.local." => has(&["10.96.3.1"]),
        "logs.example.com." => Reply::Alias("lb.example.net", [10, 1, 1, 1].into()),
        _ => Reply::NoName,
    })
    .await;
    let conf = "search shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5";
    let files = files(folder.path(), &[server.address], conf, "");
    check(&files, "loki.monitoring", "10.96.3.1", NONE).await;
    let asked: Vec<String> = server.asked().into_iter().filter(|question| question.ends_with(" A")).collect();
    assert_eq!(asked, ["loki.monitoring.shop.svc.cluster.local. A", "loki.monitoring.svc.cluster.local. A"]);
    check(&files, "logs.example.com", "10.1.1.1", NONE).await;
    check(&files, "loki.monitoring.", "no address for loki.monitoring: there is no such name, says 127.0.0.1", NONE).await;
}

#[tokio::test(start_paused = true)]
async fn both_families_are_found_and_a_silent_one_is_not_waited_for() {
    let folder = tempdir().unwrap();
    let server = NameServer::start(|name, is_v6| match (name, is_v6) {
        ("both.example.", _) => has(&["10.0.0.1", "fd00::1"]),
        ("old.example.", false) => has(&["10.0.0.2"]),
        ("new.example.", true) => has(&["fd00::2"]),
        ("new.example.", false) | ("mail.example.", _) => has(&[]),
        ("half.example.", false) => Reply::Failure,
        ("half.example.", true) => has(&["fd00::3"]),
        _ => Reply::Silence,
    })
    .await;
    let files = files(folder.path(), &[server.address], "", "");
    check(&files, "both.example", "fd00::1 10.0.0.1", NONE).await;
    check(&files, "old.example", "10.0.0.2", IPV6_LATER).await;
    check(&files, "new.example", "fd00::2", NONE).await;
    check(&files, "half.example", "fd00::3", NONE).await;
    check(&files, "mail.example", "no address for mail.example: it has none, says 127.0.0.1", NONE).await;
}

#[tokio::test(start_paused = true)]
async fn what_name_servers_do_not_tell_is_told_in_time() {
    let folder = tempdir().unwrap();
    let server = NameServer::start(|name, _| match name {
        "nobody.example." => Reply::NoName,
        "broken.example." => Reply::Failure,
        "broken.corp.example." => Reply::Failure,
        "broken.other.example." => has(&["10.0.0.3"]),
        _ => Reply::Silence,
    })
    .await;
    let plain = files(folder.path(), &[server.address], "", "");
    let port = server.address.port();
    check(&plain, "nobody.example", "no address for nobody.example: there is no such name, says 127.0.0.1", NONE).await;
    check(&plain, "broken.example", &format!("no address for broken.example: 127.0.0.1:{port} says: Server Failure"), NONE).await;
    let silent = "no address for silent.example: no answer from 127.0.0.1 within 4s";
    check(&plain, "silent.example", silent, Duration::from_secs(4)).await;
    // A search domain that fails is passed over; one that is silent ends the search: who comes after it may be somebody else.
    let search = files(folder.path(), &[server.address], "search corp.example other.example", "");
    check(&search, "broken", "10.0.0.3", NONE).await;
    check(&search, "silent", "no address for silent: no answer from 127.0.0.1 within 4s", Duration::from_secs(4)).await;
    assert!(!server.asked().contains(&"silent.other.example. A".to_owned()), "{:?}", server.asked());
}

#[tokio::test(start_paused = true)]
async fn the_next_name_server_joins_when_the_first_fails_or_is_silent() {
    let folder = tempdir().unwrap();
    let first = NameServer::start(|name, _| if name == "failing.example." { Reply::Failure } else { Reply::Silence }).await;
    let second = SocketAddr::new([127, 0, 0, 2].into(), first.address.port());
    let second = NameServer::start_at(second, |_, _| has(&["10.0.0.5", "fd00::5"])).await;
    let files = files(folder.path(), &[first.address, second.address], "", "");
    check(&files, "failing.example", "fd00::5 10.0.0.5", NONE).await;
    check(&files, "silent.example", "fd00::5 10.0.0.5", NEXT_SERVER_AFTER).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_comes_by_tcp_and_what_is_forged_is_passed_over() {
    let folder = tempdir().unwrap();
    let server = NameServer::start(|name, is_v6| match (name, is_v6) {
        ("many.example.", false) => Reply::Many(20),
        ("forged.example.", false) => Reply::Forged([10, 0, 0, 4].into()),
        _ => has(&[]),
    })
    .await;
    let files = files(folder.path(), &[server.address], "", "");
    let (many, _) = found(&files, "many.example").await;
    assert_eq!(many.split(' ').count(), 20, "{many}");
    assert_eq!(found(&files, "forged.example").await.0, "10.0.0.4");
}

#[tokio::test(start_paused = true)]
async fn files_that_change_hold_from_the_next_connection_on() {
    let folder = tempdir().unwrap();
    let server = NameServer::start(|_, _| has(&["10.0.0.6"])).await;
    let paths = files(folder.path(), &[], "", "");
    let (error, _) = found(&paths, "logs.example").await;
    assert!(error.contains("names no name server"), "{error}");
    let paths = Files { port: server.address.port(), ..paths };
    files(folder.path(), &[server.address], "", "");
    assert_eq!(found(&paths, "logs.example").await.0, "10.0.0.6");
    files(folder.path(), &[server.address], "", "10.0.0.9 logs.example");
    assert_eq!(found(&paths, "logs.example").await.0, "10.0.0.9");
}

#[tokio::test]
async fn a_connection_goes_to_the_first_address_that_answers() {
    let folder = tempdir().unwrap();
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = receiver.local_addr().unwrap().port();
    let hosts = "127.0.0.9 logs.example\n127.0.0.1 logs.example\n";
    let resolver = Resolver::with_files(files(folder.path(), &[], "", hosts), CONNECT_TIMEOUT);
    let stream = resolver.connect("logs.example", port).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), receiver.local_addr().unwrap());
    let nobody = resolver.connect("nobody.example", port).await.unwrap_err();
    assert!(matches!(nobody, Outcome::Unreachable { kind: Unreachable::Name, .. }), "{nobody:?}");
}
