//! The rule packs from outside: their examples hold, broken files are told in full, and no message makes matching panic.

use proptest::prelude::*;
use squelch::class::Guess;
use squelch::record::{Class, Severity, Span};
use squelch::rules::{Field, Origin, Pattern, RuleSet, Source, examples, lint, packs};
use std::sync::LazyLock;

static OURS: LazyLock<RuleSet> = LazyLock::new(RuleSet::built_in);

fn user(text: &str) -> Source<'_> {
    Source { name: "mine.toml", text, origin: Origin::User }
}

fn load(text: &str) -> Result<RuleSet, Vec<String>> {
    RuleSet::load([user(text)].into_iter()).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// `check(message, rule id or "-", captures as text)`
fn check(message: &str, id: &str, captures: &str) {
    let found = OURS.find(Severity::Unknown, message.as_bytes());
    assert_eq!(found.map_or("-", |m| &m.rule.id), id, "{message}");
    if let Some(found) = found {
        assert_eq!(examples::show_captures(&found.captures, message.as_bytes()), captures, "{message}");
    }
}

#[test]
fn every_rule_file_is_compiled_in_and_loads() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder of rule packs is part of the sources")
        .map(|entry| format!("rules/{}", entry.expect("its entries can be read").file_name().to_string_lossy()))
        .collect();
    files.sort();
    let listed: Vec<&str> = packs::PACKS.iter().map(|&(name, _)| name).collect();
    assert_eq!(listed, files, "src/rules/packs.rs lists the files of rules/");
    let result = RuleSet::load(packs::sources());
    let errors: Vec<String> = result.as_ref().err().into_iter().flatten().map(ToString::to_string).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    assert!(OURS.rules().len() >= 200, "{} rules", OURS.rules().len());
    assert_eq!(OURS.technologies().len(), files.len());
}

#[test]
fn every_pattern_compiles_within_its_bounds() {
    // Compiled-in patterns are compiled when first needed; here is where a bad one would show.
    for rule in OURS.rules() {
        for pattern in rule.pattern.iter().chain(&rule.captures) {
            assert!(Pattern::checked(pattern.as_str()).is_ok(), "{}: {}: {:?}", rule.id, pattern.as_str(), Pattern::checked(pattern.as_str()).err());
        }
    }
}

#[test]
fn every_rule_has_examples_of_both_kinds_and_advice() {
    for rule in OURS.rules() {
        assert!(!rule.matches.is_empty() && !rule.no_matches.is_empty(), "{} needs match and no_match", rule.id);
        assert!(rule.class == Class::None || rule.advice.len() >= 20, "{} needs advice", rule.id);
        assert!(rule.advice.len() <= 400, "{}: advice is one or two sentences", rule.id);
        let prefix = rule.id.split('.').next().unwrap_or_default();
        assert!(rule.file.contains(prefix) || rule.file.contains(&*rule.technology), "{} stands in {}", rule.id, rule.file);
    }
}

#[test]
fn every_example_holds_and_no_rule_takes_anothers() {
    let reports: Vec<String> = examples::run(&OURS).iter().map(ToString::to_string).collect();
    assert!(reports.is_empty(), "{}", reports.join("\n"));
}

#[test]
fn only_http_status_codes_may_decide() {
    for rule in OURS.rules() {
        for code in &rule.codes {
            let is_status = code.len() == 3 && matches!(code.as_bytes()[0], b'4' | b'5') && code.bytes().all(|b| b.is_ascii_digit());
            assert!(is_status, "{}: the fingerprint does not keep `{code}` literal everywhere", rule.id);
        }
        for literal in rule.literals.iter().chain(&rule.any) {
            assert_eq!(lint::number_in_literal(literal, &rule.codes), None, "{}", rule.id);
        }
    }
}

#[test]
fn the_most_specific_rule_answers() {
    check(
        "Failed to connect to [tcp://a:61616] after: 10 attempt(s) continuing to retry.",
        "activemq.failover.connect-attempts-continuing",
        "target=\"tcp://a:61616\" attempt=\"10\"",
    );
    check(
        "Failed to connect to [tcp://a:61616] after: 10 attempt(s)",
        "activemq.failover.connect-attempts-exhausted",
        "target=\"tcp://a:61616\" attempt=\"10\"",
    );
    check("FATAL: sorry, too many clients already", "postgres.server.too-many-clients", "error=\"FATAL: sorry, too many clients already\"");
    check(
        "orders.service: Scheduled restart job, restart counter is at 41.",
        "supervisors.systemd.scheduled-restart",
        "attempt=\"41\" instance=\"orders.service\"",
    );
    check("net_ratelimit: 77 callbacks suppressed", "loss.kernel.callbacks-suppressed", "instance=\"net_ratelimit\" lost=\"77\"");
    check("Suppressed 120 messages from web.service", "loss.journald.suppressed", "instance=\"web.service\" lost=\"120\"");
    check("order 77 shipped to Bremen", "-", "");
    check("", "-", "");
}

#[test]
fn letters_match_in_either_case() {
    check("SORRY, TOO MANY CLIENTS ALREADY", "postgres.server.too-many-clients", "error=\"SORRY, TOO MANY CLIENTS ALREADY\"");
}

#[test]
fn generic_wording_yields_to_a_rule_that_knows_the_client() {
    check(
        "Unable connect to \"kafka-1:9092\": [Errno 111] Connect call failed ('10.2.0.5', 9092)",
        "kafka.aiokafka.unable-to-connect",
        "target=\"kafka-1:9092\" error=\"[Errno 111] Connect call failed ('10.2.0.5', 9092)\"",
    );
}

#[test]
fn only_the_start_of_a_message_counts() {
    let far = format!("{}sorry, too many clients already", "x".repeat(squelch::rules::MESSAGE_PREFIX_BYTES));
    check(&far, "-", "");
}

#[test]
fn a_match_speaks_like_a_guess() {
    let message = b"consumer: Cannot connect to amqp://app:pw@mq-1:5672//: refused\nTrying again in 4.00 seconds... (2/100)";
    let found = OURS.find(Severity::Error, message).expect("kombu's line is known");
    let guess = found.guess(message);
    let text = |span: Option<Span>| span.map(|s| String::from_utf8_lossy(s.of(message)).into_owned());
    assert_eq!(text(guess.target).as_deref(), Some("mq-1:5672"), "the authority without userinfo");
    assert_eq!(text(guess.attempt).as_deref(), Some("2"));
    assert_eq!(text(guess.max_attempts).as_deref(), Some("100"));
    assert_eq!(guess.class, Class::Retry);
    assert_eq!(found.delay_ns(message), Some(4_000_000_000));
    assert_ne!(guess, Guess::default());
}

#[test]
fn delays_are_read_with_their_unit_or_the_rules() {
    let delay = |message: &str| OURS.find(Severity::Unknown, message.as_bytes()).and_then(|m| m.delay_ns(message.as_bytes()));
    assert_eq!(delay("Retry needed, action of: 0.5"), Some(500_000_000), "bare seconds");
    assert_eq!(delay("Retry 'pay', waiting PT0.5S until attempt '2'. Last attempt failed with exception 'x'."), Some(500_000_000), "ISO 8601");
    assert_eq!(delay("ioredis:connection reconnect in 90ms"), Some(90_000_000));
    assert_eq!(delay("Waiting 1280 ms before attempting connection."), Some(1_280_000_000));
    assert_eq!(delay("FATAL: sorry, too many clients already"), None);
}

#[test]
fn a_severity_below_the_least_is_not_matched() {
    let text = r#"
technology = "mine"
description = "for a test"
[[rule]]
id = "mine.slow"
class = "failure"
literals = ["ledger is slow"]
min_severity = "warn"
advice = "look at the ledger before anything else"
match = [{ text = "ledger is slow" }]
"#;
    let set = load(text).expect("the rule is fine");
    assert!(set.find(Severity::Info, b"ledger is slow").is_none());
    assert!(set.find(Severity::Warn, b"ledger is slow").is_some());
    assert!(set.find(Severity::Unknown, b"ledger is slow").is_some());
}

#[test]
fn a_users_rule_replaces_ours_of_the_same_id() {
    let text = r#"
technology = "postgres"
description = "ours, but quiet"
[[rule]]
id = "postgres.server.too-many-clients"
class = "none"
literals = ["sorry, too many clients already"]
match = [{ text = "sorry, too many clients already" }]
"#;
    let set = RuleSet::load(packs::sources().chain([user(text)])).expect("both are fine");
    assert_eq!(set.rules().len(), OURS.rules().len());
    let found = set.find(Severity::Fatal, b"sorry, too many clients already").expect("it still matches");
    assert_eq!((found.rule.class, found.rule.origin), (Class::None, Origin::User));
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let text = r#"technology = "mine"
descriptoin = "a slip"

[[rule]]
id = "Mine"
class = "retrying"
literals = ["ab", "after 3 tries"]
pattern = "took (?<seconds>\\d+"
delay_unit = "h"
advise = "a slip"
match = []

[[rule]]
id = "mine.twice"
class = "none"
literals = ["a literal"]
match = [{ text = "a literal", targte = "x" }, { target = "x" }, "a string"]

[[rule]]
id = "mine.same"
class = "none"
any = ["another literal"]
match = [{ text = "another literal" }]

[[rule]]
id = "mine.same"
class = "none"
any = ["another literal"]
match = [{ text = "another literal" }]
"#;
    insta::assert_snapshot!("mistakes", load(text).expect_err("it is full of mistakes").join("\n"));
}

#[test]
fn a_file_that_is_no_toml_names_the_line() {
    let errors = load("technology = \"mine\"\n[[rule]\n").expect_err("a bracket is missing");
    assert!(errors[0].starts_with("mine.toml:2: is not TOML here: "), "{}", errors[0]);
}

#[test]
fn examples_that_fail_say_what_was_expected_and_what_came() {
    let text = r#"
technology = "mine"
description = "for a test"
[[rule]]
id = "mine.one"
class = "retry"
literals = ["shop says", "again"]
pattern = 'again (?<attempt>\d+)'
advice = "look at the shop before anything else"
match = [{ text = "shop says again 4", attempt = "5" }, { text = "shop says never" }]
no_match = ["shop says again 7"]
[[rule]]
id = "mine.two"
class = "failure"
literals = ["again"]
advice = "look at the shop before anything else"
match = [{ text = "shop says again 9" }]
"#;
    let set = load(text).expect("the rules themselves are fine");
    let reports: Vec<String> = examples::run(&set).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("failing_examples", reports.join("\n"));
    assert!(examples::run(&set).iter().all(examples::ExampleReport::is_failure));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_message_makes_matching_panic(message in prop::collection::vec(any::<u8>(), 0..5000)) {
        if let Some(found) = OURS.find(Severity::Unknown, &message) {
            prop_assert!(found.captures.iter().all(|(_, span)| span.end as usize <= message.len()));
        }
    }

    #[test]
    fn cut_and_glued_examples_keep_captures_inside(picks in prop::collection::vec((0usize..10_000, 0usize..200, 0usize..200), 1..4)) {
        let rules = OURS.rules();
        let mut message = Vec::new();
        for (index, start, length) in picks {
            let text = rules[index % rules.len()].matches[0].text.as_bytes();
            let start = start.min(text.len());
            message.extend_from_slice(&text[start..(start + length).min(text.len())]);
        }
        if let Some(found) = OURS.find(Severity::Unknown, &message) {
            let guess = found.guess(&message);
            let _ = found.delay_ns(&message);
            prop_assert!(guess.target.is_none_or(|span| span.end as usize <= message.len() && span.start <= span.end));
            prop_assert!(found.captures.get(Field::Lost).is_none_or(|span| span.end as usize <= message.len()));
        }
    }

    /// What a rule decides is a function of the literal bytes and of where numbers stand: other digits, same rule.
    #[test]
    fn the_contents_of_numbers_do_not_decide(index in 0usize..10_000, digit in b'1'..=b'9') {
        let rules = OURS.rules();
        let rule = &rules[index % rules.len()];
        if rule.codes.is_empty() {
            let text = rule.matches[0].text.as_bytes();
            let other = other_numbers(text, digit);
            let before = OURS.find(Severity::Unknown, text).map(|m| m.rule.id.clone());
            let after = OURS.find(Severity::Unknown, &other).map(|m| m.rule.id.clone());
            prop_assert_eq!(before, after, "{}", String::from_utf8_lossy(&other));
        }
    }
}

/// The same text with all digits of its plain numbers replaced: what the next line of the same template may look like.
fn other_numbers(text: &[u8], digit: u8) -> Vec<u8> {
    let mut out = text.to_vec();
    #[expect(clippy::needless_range_loop, reason = "the index looks both ways")]
    for at in 0..out.len() {
        let is_word = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphabetic);
        let run_start = (0..=at).rev().take_while(|&i| text[i].is_ascii_digit()).last();
        if let Some(start) = run_start
            && !is_word(start.checked_sub(1).and_then(|i| text.get(i)))
        {
            out[at] = digit;
        }
    }
    out
}

mod command {
    use assert_cmd::Command;
    use predicates::prelude::*;

    fn squelch() -> Command {
        Command::cargo_bin("squelch").expect("cargo builds the binary for its tests")
    }

    #[test]
    fn list_prints_aligned_columns_or_json() {
        squelch().args(["rules", "list"]).assert().success().stdout(predicate::str::contains("postgres.server.too-many-clients"));
        squelch().args(["rules", "list", "-o", "json"]).assert().success().stdout(predicate::str::starts_with("{\"id\":\"activemq."));
    }

    #[test]
    fn show_prints_a_rule_and_names_the_nearest_when_there_is_none() {
        squelch().args(["rules", "show", "kafka.java.batch-expired"]).assert().success().stdout(predicate::str::contains("delivery.timeout.ms"));
        squelch()
            .args(["rules", "show", "kafka.batch-expired"])
            .assert()
            .code(1)
            .stderr(predicate::str::contains("do you mean kafka.java.batch-expired?"));
    }

    #[test]
    fn test_runs_our_examples_and_the_users() {
        squelch().args(["rules", "test"]).assert().success().stdout(predicate::str::contains("all hold"));
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("mine.toml");
        std::fs::write(&file, "technology = \"mine\"\ndescription = \"x\"\n[[rule]]\nid = \"mine.one\"\nclass = \"none\"\nliterals = [\"shop says\"]\nmatch = [{ text = \"shop asks\" }]\n")
            .expect("it can be written to");
        let says = predicate::str::contains("mine.toml:7: rule `mine.one`: does not match its own example").and(predicate::str::contains("1 failed"));
        squelch().args(["rules", "test"]).arg(folder.path()).assert().code(1).stdout(says);
        std::fs::write(&file, "technology = 7\n").expect("it can be written to");
        squelch()
            .args(["rules", "test"])
            .arg(&file)
            .assert()
            .code(1)
            .stderr(predicate::str::contains("mine.toml:1: `technology` must be text in quotes"));
        squelch().args(["rules", "test", "nowhere.toml"]).assert().code(1).stderr(predicate::str::contains("cannot read rules from nowhere.toml"));
    }
}
