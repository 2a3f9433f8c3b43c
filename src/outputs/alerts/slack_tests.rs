use super::*;
use crate::outputs::alerts::testing::{critical, encoded, firing, hostile, ongoing, over};

fn message_of(record: &[u8]) -> Value {
    serde_json::from_slice(&encoded(&mut SlackEncoder, record)).unwrap()
}

fn texts(message: &Value) -> Vec<String> {
    let text = |block: &Value| block["text"]["text"].as_str().or(block["elements"][0]["text"].as_str()).unwrap().to_owned();
    message["blocks"].as_array().unwrap().iter().map(text).collect()
}

#[test]
fn a_message_has_a_line_the_details_and_whose_it_is() {
    let message = message_of(&firing());
    insta::assert_snapshot!("slack_message", serde_json::to_string_pretty(&message).unwrap());
}

#[test]
fn the_mark_says_how_bad_it_is() {
    for (record, mark) in [(firing(), ":large_orange_circle: "), (critical(), ":red_circle: "), (over(), ":white_check_mark: ")] {
        assert!(message_of(&record)["text"].as_str().unwrap().starts_with(mark), "{mark}");
    }
    assert!(message_of(&ongoing())["text"].as_str().unwrap().contains("(goes on)"));
}

#[test]
fn what_a_log_says_mentions_nobody_and_ends_no_code_block() {
    let message = message_of(&hostile());
    let whole = message.to_string();
    assert!(!whole.contains("<!channel>") && !whole.contains("<@U1>") && !whole.contains("<https:"), "{whole}");
    assert!(whole.contains("&lt;!channel&gt; &amp; "));
    for text in texts(&message) {
        assert!(text.chars().count() <= 3000, "{}", text.len());
        let inside = text.trim_start_matches(":red_circle: ").trim_matches('`');
        assert!(!inside.contains('`'), "{text}");
    }
}

#[test]
fn three_signs_are_escaped_and_cuts_never_split_an_escape() {
    assert_eq!(escaped("a<b>&c\0", 100), "a&lt;b&gt;&amp;c");
    assert_eq!(escaped("<<<", 9), "&lt;&lt;…");
    assert_eq!(escaped("äöü", 3), "äö…");
}

#[test]
fn some_say_no_with_status_200() {
    let answer = |status, body: &str| Answer { status, body: body.into(), is_whole: true, ..Answer::default() };
    assert_eq!(read_answer(&answer(200, "ok"), 1), Outcome::Delivered { status: 200 });
    assert_eq!(read_answer(&answer(200, "{\"ok\":true}"), 1), Outcome::Delivered { status: 200 });
    let refused = Outcome::Refused { status: 200, words: "channel_not_found".into() };
    assert_eq!(read_answer(&answer(200, "{\"ok\":false,\"error\":\"channel_not_found\"}"), 1), refused);
    assert!(matches!(read_answer(&answer(404, "no_service"), 1), Outcome::Refused { status: 404, .. }));
    assert!(matches!(read_answer(&answer(400, "invalid_payload"), 1), Outcome::Rejected { status: 400, .. }));
    assert!(matches!(read_answer(&answer(429, ""), 1), Outcome::Busy { status: 429, .. }));
}
