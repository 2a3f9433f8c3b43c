use super::*;
use crate::record::Class::{CrashLoop, Exhausted, Failure, Overload, Recovery, Retry};

/// Message, class, then attempt, limit, delay and target as texts (empty: none).
type Row = (&'static str, Class, &'static str, &'static str, &'static str, &'static str);

#[track_caller]
fn check(severity: Severity, rows: &[Row]) {
    let mut wrong = Vec::new();
    for row in rows {
        let message = row.0.as_bytes();
        let guess = guess(severity, message);
        let text = |span: Option<Span>| span.map_or("", |s| std::str::from_utf8(s.of(message)).expect("test lines are ASCII"));
        let got: Row = (row.0, guess.class, text(guess.attempt), text(guess.max_attempts), text(guess.delay), text(guess.target));
        if got != *row {
            wrong.push(format!("\n   got {got:?}\nwanted {row:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn retries_say_when_how_often_and_whereto() {
    check(
        Severity::Warn,
        &[
            ("Connection to activemq-1.prod:61616 failed, retrying in 0ms (attempt 13768)", Retry, "13768", "", "0ms", "activemq-1.prod:61616"),
            ("dial tcp 10.0.4.82:9092: connect: connection refused; retry 14727 in 100ms", Retry, "14727", "", "100ms", "10.0.4.82:9092"),
            ("Connection to orders-db failed, trying again in 5 seconds", Retry, "", "", "5 seconds", "orders-db"),
            ("Trying again in 2.00 seconds... (3/100)", Retry, "3", "100", "2.00 seconds", ""),
            ("attempt 3 of 5 failed", Retry, "3", "5", "", ""),
            ("attempt 3/5: upstream not ready", Retry, "3", "5", "", ""),
            ("connect attempt #7 failed", Retry, "7", "", "", ""),
            ("publish failed attempt=3 max_attempts=8 delay_ms=250", Retry, "3", "8", "250", ""),
            ("Reconnecting after 5 seconds.", Retry, "", "", "5 seconds", ""),
            ("will retry after 200 ms", Retry, "", "", "200 ms", ""),
            ("could not send, will be retried", Retry, "", "", "", ""),
            ("reconnecting in 1500ms", Retry, "", "", "1500ms", ""),
            ("reconnect in 50ms", Retry, "", "", "50ms", ""),
            ("next attempt in 3s", Retry, "", "", "3s", ""),
            ("new attempt in 1.25 seconds", Retry, "", "", "1.25 seconds", ""),
            ("backing off for 1.5s", Retry, "", "", "1.5s", ""),
            ("backing off, wait 3s before the next attempt", Retry, "", "", "3s", ""),
            ("bootstrap of broker failed (backoff 0.4 secs)", Retry, "", "", "0.4 secs", ""),
            ("connect failed backoff=1.5s host=cache-2:6379", Retry, "", "", "1.5s", "cache-2:6379"),
            ("Restarting consumer in 3.00 seconds.", Retry, "", "", "3.00 seconds", ""),
            ("restarting in 10s", Retry, "", "", "10s", ""),
            ("re-attempting delivery to https://ada:secret@pay.example:8443/v1/charge?x=1", Retry, "", "", "", "pay.example:8443"),
            ("Will retry in 1 seconds. 3 retries left.", Retry, "", "", "1 seconds", ""),
            ("Retrying request get http://10.0.0.9:8080/rates attempt 2: socket closed", Retry, "2", "", "", "10.0.0.9:8080"),
            ("Retrying request after failure (attempt 1 of 3)", Retry, "1", "3", "", ""),
            ("redis: retry number 4, delay 100ms", Retry, "4", "", "100ms", ""),
            ("cannot reach amqp://broker-2:5672, reconnecting", Retry, "", "", "", "broker-2:5672"),
            ("lookup failed, try again in 30s", Retry, "", "", "30s", ""),
            ("reconnect_attempt 3", Retry, "3", "", "", ""),
            ("database not ready (attempt 3), sleeping 2.0s: refused", Retry, "3", "", "2.0s", ""),
            ("connect to upstream failed retry_in=2s addr=10.1.2.3:443", Retry, "", "", "2s", "10.1.2.3:443"),
            ("cannot connect to 10.0.0.1:5514, retrying, see https://docs.example/e/7", Retry, "", "", "", "10.0.0.1:5514"),
            ("Incremented Retry for (url='/orders'): total left", Retry, "", "", "", ""),
            ("subchannel {address=ipv4:10.0.0.1:50051}: backoff 2 seconds", Retry, "", "", "2 seconds", "10.0.0.1:50051"),
            ("Retrying connect to server: rm-1:8030. Already tried 3 time(s)", Retry, "3", "", "", "rm-1:8030"),
            ("--10:00:00--  (try: 2)  http://orders:8080/health", Retry, "2", "", "", "orders:8080"),
            ("RETRYING IN 5S", Retry, "", "", "", ""),
            ("... retrying", Retry, "", "", "", ""),
            ("poll failed...retrying", Retry, "", "", "", ""),
        ],
    );
}

#[test]
fn failures_are_known_by_their_words() {
    check(
        Severity::Error,
        &[
            ("connect ECONNREFUSED 127.0.0.1:6379", Failure, "", "", "", "127.0.0.1:6379"),
            ("Connection refused", Failure, "", "", "", ""),
            ("java.net.ConnectException: Connection refused", Failure, "", "", "", ""),
            ("read tcp 10.0.0.1:5000->10.0.0.2:5432: i/o timeout", Failure, "", "", "", "10.0.0.2:5432"),
            ("rpc error: code = Unavailable desc = transport is closing", Failure, "", "", "", ""),
            ("rpc error: code = DeadlineExceeded desc = context deadline exceeded", Failure, "", "", "", ""),
            ("getaddrinfo ENOTFOUND orders-db", Failure, "", "", "", ""),
            ("getaddrinfo EAI_AGAIN cache", Failure, "", "", "", ""),
            ("Temporary failure in name resolution", Failure, "", "", "", ""),
            ("lookup orders-db: no such host", Failure, "", "", "", "orders-db"),
            ("write: broken pipe", Failure, "", "", "", ""),
            ("recv: Connection reset by peer", Failure, "", "", "", ""),
            ("connect: no route to host", Failure, "", "", "", ""),
            ("could not connect to server at \"orders-db\"", Failure, "", "", "", ""),
            ("Cannot connect to the broker", Failure, "", "", "", ""),
            ("Failed to connect to cache:6379", Failure, "", "", "", "cache:6379"),
            ("query timed out", Failure, "", "", "", ""),
            ("timeout of 5000ms exceeded", Failure, "", "", "", ""),
            ("connection timeout", Failure, "", "", "", ""),
            ("export failed due to timeout", Failure, "", "", "", ""),
            ("no brokers available", Failure, "", "", "", ""),
            ("TLS handshake failed", Failure, "", "", "", ""),
            ("connection lost", Failure, "", "", "", ""),
            ("Connection closed unexpectedly", Failure, "", "", "", ""),
            ("upstream answered HTTP 503", Failure, "", "", "", ""),
            ("GET https://pay.example/v1 status=502", Failure, "", "", "", "pay.example"),
            ("503 Service Unavailable", Failure, "", "", "", ""),
            ("10.0.0.1 - - [15/Jun/2026:14:02:01 +0200] \"GET /x HTTP/1.1\" 503 190", Failure, "", "", "", ""),
            ("Request failed with status code 504", Failure, "", "", "", ""),
            ("request failed on connection refused", Failure, "", "", "", ""),
            ("socket hang up", Failure, "", "", "", ""),
            ("index failed: ApiError(503, 'unavailable_shards')", Failure, "", "", "", ""),
            ("node has failed for 3 times in a row", Failure, "", "", "", ""),
            ("no live upstreams while connecting to upstream, upstream: \"http://app-1:80/x\"", Failure, "", "", "", "app-1:80"),
        ],
    );
}

#[test]
fn overload_is_what_the_server_says() {
    check(
        Severity::Fatal,
        &[
            ("sorry, too many clients already", Overload, "", "", "", ""),
            ("Too many connections", Overload, "", "", "", ""),
            ("remaining connection slots are reserved for superusers", Overload, "", "", "", ""),
            ("429 Too Many Requests", Overload, "", "", "", ""),
            ("request failed status=429", Overload, "", "", "", ""),
            ("rate limit exceeded", Overload, "", "", "", ""),
            ("request was throttled", Overload, "", "", "", ""),
            ("pool-1 - Connection is not available, request timed out after 30000ms.", Overload, "", "", "", ""),
            ("StatusCode.RESOURCE_EXHAUSTED", Overload, "", "", "", ""),
            ("code RESOURCE_EXHAUSTED", Overload, "", "", "", ""),
            ("connection pool exhausted", Overload, "", "", "", ""),
            ("send queue is full", Overload, "", "", "", ""),
            ("circuit breaker is open", Overload, "", "", "", ""),
            ("connect failed: too many clients; retrying in 10ms", Overload, "", "", "10ms", ""),
        ],
    );
}

#[test]
fn the_end_of_a_run_is_exhaustion_or_recovery() {
    check(
        Severity::Info,
        &[
            ("giving up after 5 attempts", Exhausted, "5", "", "", ""),
            ("gave up on orders-db", Exhausted, "", "", "", ""),
            ("max retries exceeded", Exhausted, "", "", "", ""),
            ("Maximum number of attempts (8) reached", Exhausted, "", "8", "", ""),
            ("retries exhausted", Exhausted, "", "", "", ""),
            ("connection ended, no more retries", Exhausted, "", "", "", ""),
            ("retry limit reached", Exhausted, "", "", "", ""),
            ("fatal: will not retry", Exhausted, "", "", "", ""),
            ("aborting after 3 attempts", Exhausted, "3", "", "", ""),
            ("delivery failed after 12 tries", Exhausted, "12", "", "", ""),
            ("out of attempts: fetch failed", Exhausted, "", "", "", ""),
            ("Reconnected to cache-1:6379", Recovery, "", "", "", "cache-1:6379"),
            ("successfully reconnected", Recovery, "", "", "", ""),
            ("connection restored after 31s", Recovery, "", "", "", ""),
            ("Connection re-established", Recovery, "", "", "", ""),
            ("upstream is healthy again", Recovery, "", "", "", ""),
            ("broker back online", Recovery, "", "", "", ""),
            ("connected after 4 attempts", Recovery, "4", "", "", ""),
        ],
    );
}

#[test]
fn crash_loops_are_said_by_their_supervisor() {
    check(
        Severity::Warn,
        &[
            ("Back-off restarting failed container api in pod api-7d9", CrashLoop, "", "", "", ""),
            ("pod is in CrashLoopBackOff", CrashLoop, "", "", "", ""),
            ("api.service: Start request repeated too quickly.", CrashLoop, "", "", "", ""),
            ("api.service: Scheduled restart job, restart counter is at 5.", CrashLoop, "", "", "", ""),
            ("exited: api (exit status 1; not expected)", CrashLoop, "", "", "", ""),
            ("Worker (pid:81) exited with code 3.", CrashLoop, "", "", "", ""),
            ("app exited with code 1, restarting", CrashLoop, "", "", "", ""),
        ],
    );
}

#[test]
fn ordinary_lines_stay_ordinary() {
    for severity in [Severity::Unknown, Severity::Info, Severity::Warn] {
        for message in [
            "GET /api/retry HTTP/1.1 200",
            "10.0.0.1 - - \"GET /orders/503 HTTP/1.1\" 200 512",
            "10.0.0.1 - - \"POST /retry?attempt=2 HTTP/1.1\" 201 88",
            "served 503 bytes",
            "processed 429 orders",
            "order 504 shipped",
            "max_retries=3",
            "max.retries = 5",
            "retries: 5",
            "retry=0",
            "retry: true",
            "timeout=30s",
            "timeout: 30",
            "connect timeout: 5000",
            "connection timeout set to 30 seconds",
            "request timeout is 30s",
            "read timeout = 10000",
            "\tretry.backoff.ms = 100",
            "\treconnect.backoff.max.ms = 1000",
            "retry policy: exponential, 5 attempts",
            "retry interval 5s",
            "retry count 3",
            "spring.cloud.retry.enabled",
            "loaded retry_policy from settings",
            "RetryTemplate initialised",
            "0 retries",
            "no retries needed",
            "no retry needed",
            "completed without error",
            "finished without timeout",
            "Retry-After header parsed",
            "max attempts: 3",
            "maximum number of attempts: 5",
            "rate limit: 100 requests per second",
            "throttling enabled",
            "auto-reconnect enabled",
            "reconnect=true",
            "user ada attempted to log in",
            "login attempt by ada",
            "payment refused by bank",
            "listening on 0.0.0.0:8080",
            "connected to orders-db",
            "job finished with exit code 0",
            "worker started",
            "GET /health 200 in 5ms",
            "order 7 created",
            "removed unreachable code",
            "circuit=closed",
            "queue depth 12",
            "cache miss for key retry:12",
            "SELECT * FROM retries WHERE attempt_id = 3",
            "backoff strategy: exponential",
            "kept 3 connections in pool",
            "session recovered",
            "session timed out after 30 minutes",
            "  backoff: 5s",
            "callback registered on retry",
            "recovered from checkpoint 12",
            "recovered 3 indices",
        ] {
            assert_eq!(guess(severity, message.as_bytes()), Guess::default(), "{message}");
        }
    }
}

#[test]
fn the_last_word_prevails() {
    assert_eq!(prevailing(Failure, Exhausted), Exhausted);
    assert_eq!(prevailing(Recovery, Retry), Recovery);
    assert_eq!(prevailing(Class::None, Failure), Failure);
}

#[test]
fn digits_decide_nothing_but_status() {
    assert_eq!(guess(Severity::Error, b"urllib3.exceptions.ConnectionError: x"), guess(Severity::Error, b"urllib3.exceptions.SomethingElse: x"));
    for message in [
        "retry=3",
        "retry 3 in 20ms",
        "attempt 3 failed",
        "timeout of 5000ms exceeded",
        "3 retries left",
        "failed after 3 attempts",
        "no retries",
        "(3/5)",
    ] {
        let other: String = message.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(guess(Severity::Warn, message.as_bytes()), guess(Severity::Warn, other.as_bytes()), "{message}");
    }
}

#[test]
fn a_delay_is_read_exactly() {
    for (text, key, expected) in [
        ("0ms", "", Some(0)),
        ("5 seconds", "", Some(5_000_000_000)),
        ("1.5s", "", Some(1_500_000_000)),
        ("2.00 seconds", "", Some(2_000_000_000)),
        ("200 ms", "", Some(200_000_000)),
        ("1m30s", "", Some(90_000_000_000)),
        ("250", "delay_ms=", Some(250_000_000)),
        ("2", "\"backoffSeconds\":", Some(2_000_000_000)),
        ("7", "delayMs: ", Some(7_000_000)),
        ("5", "delay=", None),
        ("", "delay_ms=", None),
        ("soon", "", None),
        ("1.2.3s", "", None),
        ("99999999999999999999s", "", None),
        ("9999999999 hours", "", None),
        ("0.123456789123s", "", Some(123_456_789)),
    ] {
        assert_eq!(delay_ns(text.as_bytes(), key.as_bytes()), expected, "{key}{text}");
    }
}

#[test]
fn a_number_is_whole_or_nothing() {
    for (text, expected) in [
        ("0", Some(0)),
        ("13768", Some(13_768)),
        ("-3", Some(-3)),
        ("", None),
        ("-", None),
        ("1.5", None),
        ("9223372036854775808", None),
        ("3x", None),
    ] {
        assert_eq!(number(text.as_bytes()), expected, "{text}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(512))]
    #[test]
    fn any_message_can_be_guessed_and_every_span_fits(
        message in "(retry|attempt|timeout| in |[0-9]{1,4}(ms|s|)|/|://|host=|=|:|\"|connection refused|to |503|failed| |[a-zA-Zéß]|\\(|\\)){0,24}",
    ) {
        let guess = guess(Severity::Warn, message.as_bytes());
        for span in [guess.attempt, guess.max_attempts, guess.delay, guess.target].into_iter().flatten() {
            proptest::prop_assert!(!span.is_empty() && span.end as usize <= message.len());
        }
    }
}

#[test]
fn each_word_of_the_vocabulary_can_be_found() {
    let missed: Vec<_> = vocabulary::words().filter(|word| !vocabulary::speaks(word.as_bytes())).collect();
    assert!(missed.is_empty(), "these need a stem: {missed:?}");
    assert!(["status 429", "HTTP 502", "=503", "(504)", "(try 3)", "(TRY #3)"].iter().all(|text| vocabulary::speaks(text.as_bytes())));
    assert!(!["", "4", "(tr", "took 1503 ms", "request 4290", "users listed in order"].iter().any(|text| vocabulary::speaks(text.as_bytes())));
}
