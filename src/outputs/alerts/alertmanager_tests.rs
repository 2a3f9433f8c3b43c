use super::*;
use crate::outputs::alerts::testing::{critical, encoded, firing, hostile, ongoing, over, sentences};
use crate::store::RecordKind;

/// 2026-01-01T00:10:00Z: after everything in the records of the tests.
fn noon() -> UnixNanos {
    UnixNanos(1_767_226_200_000_000_000)
}

fn encoder() -> AlertmanagerEncoder {
    AlertmanagerEncoder::new(vec![("cluster".into(), "eu-1".into())], noon)
}

fn alerts(records: &[Vec<u8>]) -> Vec<Value> {
    let mut body = Vec::new();
    let records: Vec<Record<'_>> = records.iter().map(|json| Record { kind: RecordKind::Storm, json }).collect();
    encoder().encode(&records, &mut body);
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn an_alert_is_identity_in_labels_and_all_else_in_annotations() {
    let alert = &alerts(&[firing()])[0];
    assert_eq!(
        alert["labels"],
        json!({ "alertname": "RetryStorm", "fingerprint": alert["labels"]["fingerprint"], "class": "retry", "severity": "warning", "namespace": "shop",
            "service": "orders", "container": "app", "node": "node-17", "cluster": "eu-1" })
    );
    let said = &alert["annotations"];
    assert_eq!(said["alert_level"], "warning");
    assert_eq!((&said["storm_id"], &said["origins"]), (&"3a7f01c2d4e5f607".into(), &"pay/ledger/app, shop/orders/app".into()));
    assert_eq!(said["diagnosis"], "immediate every 80ms, jitter no, lockstep unknown");
    assert_eq!((&said["instances"], &said["targets"], &said["rate_per_second"]), (&"12".into(), &"activemq-1:61616".into(), &"1,196".into()));
    assert!(said["summary"].as_str().unwrap().starts_with("[WARNING] Retry storm: \"Connection to <host> failed"), "{said}");
    assert!(said["runbook"].as_str().unwrap().starts_with("1 "), "{said}");
    assert_eq!(alert["startsAt"], "2026-01-01T00:01:00.020000000Z");
    assert_eq!(alert.get("endsAt"), None);
}

#[test]
fn the_labels_of_one_storm_are_the_same_from_its_first_record_to_its_last_but_for_a_severity_that_rises() {
    let labels: Vec<Value> = [firing(), ongoing(), critical(), over()].map(|record| alerts(&[record]).pop().unwrap()["labels"].clone()).into();
    assert_eq!(labels[0], labels[1], "another message leads by now");
    assert_eq!(labels[2], labels[3]);
    let mut risen = labels[0].clone();
    risen["severity"] = "critical".into();
    assert_eq!(risen, labels[2]);
}

#[test]
fn a_severity_that_rises_ends_the_alert_that_had_the_old_one_in_the_same_request() {
    let told = alerts(&[critical()]);
    assert_eq!(told.iter().map(|alert| alert["labels"]["severity"].as_str().unwrap()).collect::<Vec<_>>(), ["warning", "critical"]);
    assert_eq!((told[0]["endsAt"].as_str(), told[1].get("endsAt")), (Some("2026-01-01T00:10:00.000000000Z"), None));
    assert_eq!(told[0]["annotations"]["superseded_by"], "critical");
    assert_eq!(told[0]["labels"], alerts(&[firing()])[0]["labels"]);
    // Also when one request tells of all of it.
    let at_once = alerts(&[firing(), ongoing(), critical(), over()]);
    assert_eq!(at_once.iter().map(|alert| alert["labels"]["severity"].as_str().unwrap()).collect::<Vec<_>>(), ["warning", "critical"]);
    assert!(at_once.iter().all(|alert| alert.get("endsAt").is_some()), "{at_once:?}");
}

#[test]
fn a_severity_of_the_users_never_changes() {
    let mut body = Vec::new();
    let mut encoder = AlertmanagerEncoder::new(vec![("severity".into(), "page".into())], noon);
    encoder.encode(&[Record { kind: RecordKind::Storm, json: &critical() }], &mut body);
    let told: Vec<Value> = serde_json::from_slice(&body).unwrap();
    assert_eq!((told.len(), &told[0]["labels"]["severity"], told[0].get("endsAt")), (1, &"page".into(), None));
}

#[test]
fn the_end_of_a_storm_resolves_its_alert() {
    let alert = &alerts(&[over()])[0];
    assert_eq!(alert["endsAt"], "2026-01-01T00:05:20.020000000Z");
    assert_eq!(alert["startsAt"], "2026-01-01T00:01:00.020000000Z");
}

#[test]
fn one_request_tells_the_latest_of_each_storm() {
    let told = alerts(&[ongoing(), hostile(), firing()]);
    assert_eq!(told.len(), 2);
    assert_eq!(told[0], alerts(&[firing()])[0]);
}

#[test]
fn log_time_ahead_of_ours_makes_no_alert_that_ends_before_it_begins() {
    let early = || UnixNanos(1_767_225_600_000_000_000);
    let mut body = Vec::new();
    AlertmanagerEncoder::new(Vec::new(), early).encode(&[Record { kind: RecordKind::Storm, json: &over() }], &mut body);
    let told: Vec<Value> = serde_json::from_slice(&body).unwrap();
    assert_eq!((&told[0]["startsAt"], &told[0]["endsAt"]), (&"2026-01-01T00:00:00.000000000Z".into(), &"2026-01-01T00:00:00.000000000Z".into()));
}

#[test]
fn what_a_log_says_is_a_value_and_no_more() {
    let told = alerts(&[hostile()]);
    assert!(sentences(&told[0]["annotations"]).contains("<!channel>"));
    assert_eq!(told[0]["labels"].as_object().unwrap().len(), 9);
    let not_ours = alerts(&[b"\xff{".to_vec()]);
    assert_eq!(not_ours[0]["annotations"]["summary"], "\u{fffd}{");
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn body(record: &[u8]) -> Vec<u8> {
    encoded(&mut encoder(), record)
}

#[test]
fn what_fires_is_told_again_each_minute_until_it_is_over() {
    let mut firing_now = Firing::default();
    assert_eq!(firing_now.next(), None);
    firing_now.told(&body(&firing()), s(100), 0.0);
    assert_eq!(firing_now.next(), Some(s(160)));
    assert_eq!(firing_now.reminder(s(159), 0.0), None);
    let again = firing_now.reminder(s(160), 1.0).unwrap();
    assert_eq!((again.records, again.body), (1, body(&firing())));
    assert_eq!(firing_now.next(), Some(s(205)), "a random quarter of it is left out");
    firing_now.told(&body(&ongoing()), s(170), 0.5);
    assert_eq!(firing_now.next(), Some(s(205)), "news do not put off the reminder of others");
    assert_eq!(firing_now.reminder(s(205), 0.0).unwrap().body, body(&ongoing()), "with what was told last");
    firing_now.told(&body(&critical()), s(206), 0.0);
    let risen: Vec<Value> = serde_json::from_slice(&firing_now.reminder(s(300), 0.0).unwrap().body).unwrap();
    assert_eq!((risen.len(), &risen[0]["labels"]["severity"]), (1, &"critical".into()), "the one that was ended is not told again");
    firing_now.told(&body(&over()), s(310), 0.0);
    assert_eq!(firing_now.next(), None);
}

#[test]
fn a_storm_whose_end_was_lost_is_forgotten() {
    let mut firing_now = Firing::default();
    firing_now.told(&body(&firing()), s(0), 0.0);
    assert!(firing_now.reminder(s(3 * 3600 - 1), 0.0).is_some());
    assert_eq!(firing_now.reminder(s(3 * 3600 + 59), 0.0), None);
    assert_eq!(firing_now.next(), None);
}

#[test]
fn the_table_of_what_fires_is_bounded() {
    let mut firing_now = Firing::default();
    for number in 0..1000_u64 {
        let storm = String::from_utf8(firing()).unwrap().replace("3a7f01c2d4e5f607", &format!("{number:016x}"));
        firing_now.told(&body(storm.as_bytes()), s(number), 0.0);
    }
    assert_eq!(firing_now.alerts.len(), FIRING_MAX);
    assert!(firing_now.alerts.contains_key(&format!("{:016x}", 999)));
}

#[test]
fn one_member_that_takes_it_is_enough_and_all_must_refuse_it() {
    let delivered = || Outcome::Delivered { status: 200 };
    let down = || Outcome::Unreachable { kind: delivery::Unreachable::Connect, words: "connection refused".into() };
    let rejected = || Outcome::Rejected { status: 400, words: "bad".into() };
    assert_eq!(together(vec![down(), delivered(), rejected()]), delivered());
    assert_eq!(together(vec![rejected(), down()]), down());
    assert_eq!(together(vec![rejected(), rejected()]), rejected());
}

#[test]
fn the_path_is_added_to_members_that_do_not_name_it() {
    assert_eq!(with_path("http://am:9093"), "http://am:9093/api/v2/alerts");
    assert_eq!(with_path("https://am/prefix/"), "https://am/prefix/api/v2/alerts");
    assert_eq!(with_path("https://am/prefix/api/v2/alerts"), "https://am/prefix/api/v2/alerts");
}
