use super::*;
use crate::outputs::alerts::alert::test_record;
use crate::outputs::alerts::testing::{critical, encoded, firing, hostile, over};
use crate::time::UnixNanos;

fn event(record: &[u8]) -> Value {
    serde_json::from_slice(&encoded(&mut PagerdutyEncoder::new("key".to_owned().into()), record)).unwrap()
}

#[test]
fn a_storm_triggers_an_incident_with_its_level() {
    let event = event(&firing());
    assert_eq!((&event["routing_key"], &event["event_action"]), (&"key".into(), &"trigger".into()));
    insta::assert_snapshot!("pagerduty_event", serde_json::to_string_pretty(&event).unwrap());
    assert_eq!(self::event(&critical())["payload"]["severity"], "critical");
}

#[test]
fn its_end_resolves_the_same_incident() {
    let (began, over) = (event(&critical()), event(&over()));
    assert_eq!(over, json!({ "routing_key": "key", "event_action": "resolve", "dedup_key": "squelch-3a7f01c2d4e5f607" }));
    assert_eq!(began["dedup_key"], over["dedup_key"]);
}

#[test]
fn the_test_record_wakes_nobody() {
    assert_eq!(event(&test_record(UnixNanos(0)))["event_action"], "resolve");
}

#[test]
fn what_is_too_long_is_cut() {
    let event = event(&hostile());
    assert_eq!(event["payload"]["summary"].as_str().unwrap().chars().count(), 1024);
    assert!(event.to_string().len() < 200_000);
}

#[test]
fn the_key_is_not_shown() {
    assert!(!format!("{:?}", PagerdutyEncoder::new("s3cret".to_owned().into())).contains("s3cret"));
}
