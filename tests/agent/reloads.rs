//! Told to read its configuration again.

use crate::agent::{Agent, Place, metric, wait_until};
use crate::oracle::end;
use crate::receiver::Receiver;
use crate::writer::{Random, Writer};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

/// An agent that serves metrics at `at` and has read the line of one writer.
fn start(place: &Place, at: SocketAddr) -> (Agent, Vec<Writer>) {
    let mut writer = Writer::new(&place.logs(), "a.log");
    let agent = place.start();
    writer.retry(0);
    place.wait_until_read(1);
    wait_until("metrics are served", || reload_is_ok(at) == Some(1.0));
    (agent, vec![writer])
}

/// What an agent says of the configuration that it read last.
fn reload_is_ok(at: SocketAddr) -> Option<f64> {
    metric(at, "squelch_config_last_reload_successful")
}

#[test]
fn told_to_reload_ten_times_a_second_it_loses_nothing_and_doubles_nothing() {
    let receiver = Receiver::start();
    receiver.fail_half(true);
    let place = Place::new(&receiver, "");
    let mut writers = vec![Writer::new(&place.logs(), "a.log"), Writer::new(&place.logs(), "b.log")];
    let mut random = Random(0x4e10);
    let agent = place.start();
    writers[0].retry(0);
    place.wait_until_read(1);
    for _ in 0..30 {
        agent.signal("HUP");
        for _ in 0..10 {
            writers[random.below(2) as usize].retry(random.below(4) as u32);
            sleep(Duration::from_millis(10));
        }
    }
    end(agent, &place, &receiver, &mut writers);
    assert!(place.said().contains("going on with the new configuration"), "{}", place.said());
}

#[test]
fn a_broken_configuration_changes_nothing_and_says_so() {
    let receiver = Receiver::start();
    let place = Place::new(&receiver, "");
    let metrics = place.serve_metrics();
    let (agent, mut writers) = start(&place, metrics);

    place.set("commit_every", "comit_every");
    agent.signal("HUP");
    wait_until("it says so", || place.said().contains("the old one stays in force"));
    assert!(place.said().contains("comit_every"), "{}", place.said());
    wait_until("the metric says so", || reload_is_ok(metrics) == Some(0.0));
    writers[0].retry(1);
    place.wait_until_read(2);

    place.set("comit_every", "commit_every");
    agent.signal("HUP");
    wait_until("the metric says that all is well again", || reload_is_ok(metrics) == Some(1.0));
    end(agent, &place, &receiver, &mut writers);
}

#[test]
fn a_configuration_that_cannot_begin_gives_way_to_the_old_one() {
    let receiver = Receiver::start();
    let place = Place::new(&receiver, "");
    let metrics = place.serve_metrics();
    let (agent, mut writers) = start(&place, metrics);

    // Right in every key, and the address is somebody else's.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let other = taken.local_addr().expect("it is bound");
    place.set(&metrics.to_string(), &other.to_string());
    agent.signal("HUP");
    wait_until("it goes on as before and says so", || reload_is_ok(metrics) == Some(0.0));
    assert!(place.said().contains("the new configuration cannot begin, the old one stays in force"), "{}", place.said());
    writers[0].retry(1);
    place.wait_until_read(2);

    drop(taken);
    agent.signal("HUP");
    wait_until("the address is free", || reload_is_ok(other) == Some(1.0));
    end(agent, &place, &receiver, &mut writers);
}

#[test]
fn a_broken_rule_changes_nothing_and_says_so() {
    let receiver = Receiver::start();
    let place = Place::new(&receiver, "");
    let metrics = place.serve_metrics();
    let rules = place.path("rules.d");
    std::fs::create_dir(&rules).expect("it is new");
    place.set("[telemetry]", &format!("[rules]\ndir = {rules:?}\n[telemetry]"));
    let rule = |pattern: &str| {
        let text = format!(
            "technology = \"shop\"\ndescription = \"our till\"\n[[rule]]\nid = \"shop.till.again\"\nclass = \"retry\"\nliterals = [\"till sync failed\"]\n\
             pattern = '''{pattern}'''\nadvice = \"set sync.backoff\"\nmatch = [{{ text = \"till sync failed, try 7\", attempt = \"7\" }}]\n"
        );
        std::fs::write(rules.join("shop.toml"), text).expect("it can be written");
    };
    rule(r"try (?<attempt>\d+)");
    let (agent, mut writers) = start(&place, metrics);

    rule(r"try (?<attempt>\d+");
    agent.signal("HUP");
    wait_until("the metric says so", || reload_is_ok(metrics) == Some(0.0));
    assert!(place.said().contains("shop.till.again"), "{}", place.said());
    writers[0].retry(1);
    place.wait_until_read(2);

    rule(r"try (?<attempt>\d+)");
    agent.signal("HUP");
    wait_until("all is well again", || reload_is_ok(metrics) == Some(1.0));
    end(agent, &place, &receiver, &mut writers);
}
