//! What is not a plain log file: containers, standard input, nothing configured at all.

use crate::agent::{Place, wait_until};
use crate::receiver::Receiver;
use serde_json::Value;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

fn bodies(receiver: &Receiver) -> Vec<String> {
    receiver
        .records()
        .iter()
        .filter(|record| record["event_name"].is_null())
        .map(|record| record["body"].as_str().unwrap_or_default().into())
        .collect()
}

/// A place where only the containers of the kubelet's directory are read.
fn node(receiver: &Receiver) -> Place {
    let place = Place::new(receiver, "");
    let pods = place.path("pods");
    fs::create_dir(&pods).expect("it is new");
    place.set("type = \"file\"", "type = \"kubernetes\"");
    place.set(&format!("{}/*.log*", place.logs().display()), &format!("{}/*/*/*.log", pods.display()));
    place
}

/// Appends lines as the container runtime does.
fn say(path: &Path, second: u32, tag: char, text: &str) {
    fs::create_dir_all(path.parent().expect("it is in a directory")).expect("it can be made");
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("a log can be opened");
    writeln!(file, "2026-01-01T10:00:{second:02}.000000000Z stderr {tag} {text}").expect("a log can be written");
}

#[test]
fn containers_that_live_for_a_moment_are_read_and_restarts_are_one_stream() {
    let receiver = Receiver::start();
    let place = node(&receiver);
    let agent = place.start();
    wait_until("it runs", || place.said().contains("runs on"));
    // The kubelet keeps the files of the last container and of the one before.
    for restart in 0..10_u32 {
        let at = |restart: u32| place.path(&format!("pods/shop_orders-7d9f4c6b8-gdlb7_0a1b/app/{restart}.log"));
        say(&at(restart), restart, 'F', &format!("cannot start, attempt {restart} of the test"));
        let said_before = |body: &String| body.contains(&format!("attempt {restart} "));
        wait_until("the container is heard", || bodies(&receiver).iter().any(said_before));
        if restart >= 2 {
            fs::remove_file(at(restart - 2)).expect("it is there");
        }
    }
    assert_eq!(agent.stop(), Some(0));
    let records = receiver.records();
    let lines: Vec<&Value> = records.iter().filter(|record| record["event_name"].is_null()).collect();
    assert_eq!(lines.len(), 10);
    for line in lines {
        assert_eq!(line["squelch.stream"], "shop/orders-7d9f4c6b8-gdlb7/app", "{line}");
        assert_eq!(line["resource"]["k8s.pod.name"], "orders-7d9f4c6b8-gdlb7", "{line}");
    }
}

#[test]
fn a_line_in_parts_is_whole_across_a_rotation() {
    let receiver = Receiver::start();
    let place = node(&receiver);
    let log = place.path("pods/shop_cart-0_0a1b/app/0.log");
    say(&log, 0, 'F', "before the long line");
    say(&log, 1, 'P', "the long line begins");
    let agent = place.start();
    wait_until("the first line arrives", || bodies(&receiver).iter().any(|body| body.contains("before the long line")));
    fs::rename(&log, log.with_file_name("0.log.20260101-100001")).expect("a log can be renamed");
    say(&log, 1, 'F', " and ends after the rotation");
    say(&log, 2, 'F', "after the long line");
    wait_until("the last line arrives", || bodies(&receiver).iter().any(|body| body.contains("after the long line")));
    assert_eq!(agent.stop(), Some(0));
    let bodies = bodies(&receiver);
    let is_whole = |body: &String| body.contains("the long line begins") && body.contains(" and ends after the rotation");
    assert!(bodies.iter().any(is_whole), "{bodies:?}");
    assert_eq!(bodies.len(), 3, "{bodies:?}");
}

#[test]
fn a_storm_in_a_pod_is_told_with_its_namespace_and_workload() {
    let receiver = Receiver::start();
    let place = node(&receiver);
    let began = jiff::Timestamp::now();
    let path = place.path("pods/shop_orders-7d9f4c6b8-gdlb7_0a1b/app/0.log");
    fs::create_dir_all(path.parent().expect("it is in a directory")).expect("it can be made");
    let mut log = fs::File::create(path).expect("a log can be written");
    for n in 0..4000_i64 {
        // What it finds when it starts may be as loud as usual: only 100 a second for ten seconds are a storm.
        let at = began - jiff::SignedDuration::from_millis(20_000 - 5 * n);
        writeln!(log, "{at:.9} stderr F WARN connection to mq-1:61616 refused, retrying in {}ms", 10 + n % 7).expect("a log can be written");
    }
    let agent = place.start();
    let storms =
        || receiver.records().into_iter().filter(|record| record["event_name"].as_str().is_some_and(|name| name.starts_with("squelch.storm")));
    wait_until("the storm is told", || storms().count() > 0);
    assert_eq!(agent.stop(), Some(0));
    for storm in storms() {
        let expected = serde_json::json!({
            "host.name": "test-node", "k8s.namespace.name": "shop", "squelch.workload": "orders", "k8s.container.name": "app"
        });
        assert_eq!(storm["resource"], expected, "{storm}");
        assert_eq!(storm["squelch.class"], storm["squelch.first_class"], "{storm}");
    }
}

#[test]
fn what_is_piped_in_is_delivered_and_its_end_ends_the_agent() {
    let receiver = Receiver::start();
    let place = Place::new(&receiver, "");
    place.set("type = \"file\"\n", "type = \"stdin\"\n");
    place.set(&format!("include = [\"{}/*.log*\"]\n", place.logs().display()), "");
    let mut agent = place.start_on(&[], Stdio::piped());
    let mut input = agent.input().expect("it was given a pipe");
    for number in 0..100 {
        writeln!(input, "order {number} was accepted by warehouse {number}").expect("it reads");
    }
    write!(input, "the last line has no end").expect("it reads");
    drop(input);
    assert_eq!(agent.ended(), Some(0), "{}", place.said());
    let bodies = bodies(&receiver);
    assert_eq!(bodies.len(), 101, "{bodies:?}");
    assert!(bodies.contains(&"the last line has no end".to_owned()));
}

#[test]
fn an_empty_configuration_makes_a_working_agent() {
    let receiver = Receiver::start();
    let place = Place::new(&receiver, "");
    // The ports alone are not the default: other tests, and other agents, may run here.
    fs::write(place.config(), "[telemetry]\nlisten = \"off\"\napi_listen = \"off\"\n").expect("it can be written");
    let state = place.state();
    let agent = place.start_with(&[("STATE_DIRECTORY", &state.display().to_string())]);
    wait_until("it runs", || place.said().contains("and 1 outputs"));
    wait_until("its store is there", || state.join("squelch.db").exists());
    assert_eq!(agent.stop(), Some(0), "{}", place.said());
}
