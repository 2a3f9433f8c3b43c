use super::*;
use crate::envelope::{Envelope, TimeField};
use crate::record::{Severity, Span};

fn role(envelope: &Envelope, line: &[u8]) -> Role {
    let mut words = Vec::new();
    crate::scan::find_words(line, &mut words);
    super::role(envelope, line, &words)
}

/// Peels just enough for these tests: `CRI stream F `, then `hh:mm:ss`, then a level word.
fn peel(line: &str) -> Envelope {
    let mut envelope = Envelope::default();
    let mut start = 0;
    if let Some(at) = line.find("Z stdout F ") {
        envelope.layers.push("cri");
        envelope.time = Some(TimeField { span: Span::new(0, at + 1), format: 0 });
        start = at + "Z stdout F ".len();
    }
    let rest = &line[start..];
    if rest.len() > 8 && rest.is_char_boundary(8) && rest.as_bytes()[2] == b':' && rest.as_bytes()[5] == b':' && rest.as_bytes()[0].is_ascii_digit() {
        envelope.time = Some(TimeField { span: Span::new(start, start + 8), format: 0 });
        start += 9;
        for date in ["AM ", "UTC "] {
            start += if line[start.min(line.len())..].starts_with(date) { date.len() } else { 0 };
        }
    }
    let rest = &line[start.min(line.len())..];
    let word = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let is_level = rest[..word].bytes().all(|b| b.is_ascii_uppercase()) || rest[word..].starts_with(": ");
    if let (true, Some(severity)) = (is_level, Severity::from_word(&rest.as_bytes()[..word])) {
        envelope.severity = severity;
        start += word + rest[word..].bytes().take_while(|b| matches!(b, b':' | b' ')).count();
    }
    envelope.message = Span::new(start.min(line.len()), line.len());
    envelope
}

/// Groups lines as an engine would for one key; each record is shown as its first line's number and its length.
fn group(lines: &[&str]) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut state: Option<JoinState> = None;
    for line in lines {
        let role = role(&peel(line), line.as_bytes());
        state = match state.and_then(|s| s.accept(role)) {
            Some(next) => {
                *lengths.last_mut().expect("a state has a record") += 1;
                Some(next)
            }
            None => {
                lengths.push(1);
                Some(JoinState::begin(role))
            }
        };
    }
    lengths
}

#[track_caller]
fn check(text: &str, expected: &[usize]) {
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(group(&lines), expected, "roles: {:#?}", lines.iter().map(|l| (role(&peel(l), l.as_bytes()), l)).collect::<Vec<_>>());
    // The same behind a container runtime's stamps.
    let carried: Vec<String> = lines.iter().map(|l| format!("2026-11-23T10:00:00.123Z stdout F {l}")).collect();
    assert_eq!(group(&carried.iter().map(String::as_str).collect::<Vec<_>>()), expected, "behind CRI");
}

#[test]
fn a_java_trace_belongs_to_its_header() {
    check(
        "10:00:00 ERROR order service cannot reach its broker\n\
         java.net.ConnectException: Connection refused\n\
         \tat java.base/sun.nio.ch.Net.connect0(Native Method)\n\
         \tat com.shop.Orders.send(Orders.java:42) ~[app.jar:1.2]\n\
         \tSuppressed: java.io.IOException: closed\n\
         \t\tat com.shop.Orders.close(Orders.java:50)\n\
         \t\t... 3 more\n\
         Caused by: java.net.SocketException: refused\n\
         \tat com.shop.Socket.open(Socket.java:7)\n\
         \t[CIRCULAR REFERENCE: java.net.ConnectException: Connection refused]\n\
         \t... 12 common frames omitted\n\
         10:00:01 INFO next try",
        &[11, 1],
    );
}

#[test]
fn a_trace_set_off_by_blank_lines_still_belongs_to_its_header() {
    check(
        "10:00:00 ERROR servlet threw\n\njava.net.ConnectException: Connection refused\n\tat com.shop.Orders.send(Orders.java:42)\n\n10:00:01 INFO next",
        &[5, 1],
    );
}

#[test]
fn an_uncaught_java_exception_needs_no_header() {
    check("Exception in thread \"main\" java.lang.IllegalStateException: no broker\n\tat com.shop.Main.main(Main.java:3)\nDone.", &[2, 1]);
}

#[test]
fn two_exceptions_without_frames_are_two_records() {
    check("java.io.IOException: one\njava.io.IOException: two", &[1, 1]);
}

#[test]
fn util_logging_writes_two_lines() {
    check(
        "10:00:00 AM com.shop.Orders send\nSEVERE: cannot reach broker\njava.net.ConnectException: Connection refused\n\tat com.shop.Orders.send(Orders.java:42)\n\
         10:00:01 AM com.shop.Orders send\nINFO: trying again",
        &[4, 2],
    );
    check("INFO: one\nINFO: two", &[1, 1]);
}

#[test]
fn a_python_traceback_ends_with_its_exception() {
    check(
        "10:00:00 ERROR poll failed\n\
         Traceback (most recent call last):\n\
         \x20 File \"/srv/app/poll.py\", line 31, in poll\n\
         \x20   conn = connect(host, port)\n\
         \x20          ^^^^^^^^^^^^^^^^^^^\n\
         ConnectionRefusedError: [Errno 111] Connection refused\n\
         \n\
         During handling of the above exception, another exception occurred:\n\
         \n\
         Traceback (most recent call last):\n\
         \x20 File \"/srv/app/main.py\", line 7, in <module>\n\
         \x20   main()\n\
         redis.exceptions.ConnectionError: Error 111 connecting to cache:6379.\n\
         next plain line\n\
         10:00:01 INFO next",
        &[13, 1, 1],
    );
}

#[test]
fn a_traceback_on_its_own_is_one_record() {
    check(
        "Traceback (most recent call last):\n  File \"x.py\", line 1, in <module>\n    f()\nsocket.timeout: timed out\nTraceback (most recent call last):\n  File \"x.py\", line 1, in <module>\nKeyboardInterrupt\nbye",
        &[4, 3, 1],
    );
    check(
        "Traceback (most recent call last):\n  File \"db.py\", line 9, in f\npsycopg2.OperationalError: connection to server failed: Connection refused\n\tIs the server running?\n\n(Background on this error at: https://example.org/e)\nnext",
        &[6, 1],
    );
}

#[test]
fn an_exception_group_is_one_record() {
    check(
        "\x20 + Exception Group Traceback (most recent call last):\n\
         \x20 |   File \"x.py\", line 4, in <module>\n\
         \x20 | ExceptionGroup: two failed (2 sub-exceptions)\n\
         \x20 +-+---------------- 1 ----------------\n\
         \x20   | ValueError: 1\n\
         \x20   +------------------------------------\n\
         ready",
        &[6, 1],
    );
}

#[test]
fn a_go_panic_takes_its_goroutines() {
    check(
        "panic: dial tcp 10.0.0.7:5432: connect: connection refused\n\
         [signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48]\n\
         \n\
         goroutine 1 [running]:\n\
         main.connect(0xc000012345, 0x2)\n\
         \t/srv/app/main.go:12 +0x1d\n\
         main.main()\n\
         \t/srv/app/main.go:30 +0x65\n\
         \n\
         goroutine 18 [select]:\n\
         net/http.(*persistConn).writeLoop(0xc0001)\n\
         \t/usr/lib/go/src/net/http/transport.go:2458 +0xf0\n\
         created by net/http.(*Transport).dialConn in goroutine 17\n\
         \t/usr/lib/go/src/net/http/transport.go:1799 +0x1\n\
         exit status 2\n\
         10:00:00 INFO started",
        &[15, 1],
    );
}

#[test]
fn a_served_go_panic_follows_its_header() {
    check("10:00:00 http: panic serving 10.0.0.1:52: boom\ngoroutine 12 [running]:\nmain.f(...)\n\t/a/main.go:3 +0x1\n10:00:01 ok", &[4, 1]);
    check("10:00:00 ERROR no broker\nmain.connect\n\t/a/main.go:3\nruntime.main\n\t/usr/lib/go/proc.go:250\n10:00:01 INFO ok", &[5, 1]);
}

#[test]
fn a_node_error_takes_its_frames_and_its_fields() {
    check(
        "Error: connect ECONNREFUSED 127.0.0.1:6379\n\
         \x20   at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1606:16) {\n\
         \x20 errno: -111,\n\
         \x20 code: 'ECONNREFUSED',\n\
         }\n\
         cache client error: Error: connect ECONNREFUSED 127.0.0.1:6379\n\
         \x20   at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1606:16)\n\
         Error: connect ECONNREFUSED 127.0.0.1:6379\n\
         connect failed {\n\
         \x20 code: 'ECONNREFUSED'\n\
         }\n\
         done",
        &[5, 2, 1, 3, 1],
    );
}

#[test]
fn a_dotnet_trace_holds_its_inner_exceptions() {
    check(
        "Unhandled exception. System.AggregateException: One or more errors occurred.\n\
         \x20---> System.Net.Sockets.SocketException (111): Connection refused\n\
         \x20  at System.Net.Sockets.Socket.Connect() in /src/Socket.cs:line 31\n\
         \x20  --- End of inner exception stack trace ---\n\
         \x20  at Shop.Program.Main()\n\
         --- End of stack trace from previous location ---\n\
         \x20  at Shop.Program.Run()\n\
         bye",
        &[7, 1],
    );
}

#[test]
fn dotnets_console_logger_writes_two_lines() {
    check(
        "warn: Shop.Broker[0]\n      broker is away, next try in 5 s\nfail: Shop.Broker[20]\n      giving up\n      System.Net.Sockets.SocketException (111): Connection refused\n         at Shop.Broker.Open() in /src/B.cs:line 9\ninfo: Shop.Broker[1]\n      up",
        &[2, 4, 2],
    );
}

#[test]
fn ruby_puts_the_place_before_the_text() {
    check(
        "app.rb:12:in 'connect': Connection refused (Errno::ECONNREFUSED)\n\tfrom app.rb:20:in 'run'\n\tfrom app.rb:31:in '<main>'\nready",
        &[3, 1],
    );
    check("10:00:00 ERROR job failed\nErrno::ECONNREFUSED: refused\napp/jobs/pay.rb:12:in `call'\nlib/run.rb:3:in `run'\n10:00:01 INFO ok", &[4, 1]);
}

#[test]
fn php_counts_its_frames() {
    check(
        "PHP Fatal error:  Uncaught PDOException: SQLSTATE[HY000] [2002] Connection refused in /srv/x.php:12\nStack trace:\n#0 /srv/x.php(12): PDO->__construct()\n#1 {main}\n  thrown in /srv/x.php on line 12\nready",
        &[5, 1],
    );
}

#[test]
fn a_rust_panic_takes_its_text_and_its_backtrace() {
    check(
        "thread 'main' panicked at src/main.rs:4:5:\n\
         called `Result::unwrap()` on an `Err` value: ConnectionRefused\n\
         stack backtrace:\n\
         \x20  0: std::panicking::begin_panic\n\
         \x20            at ./src/panicking.rs:4:5\n\
         \x20 10: core::ops::call_once\n\
         note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n\
         next line",
        &[7, 1],
    );
    check("Error: cannot reach broker\n\nCaused by:\n    Connection refused (os error 111)\nready", &[4, 1]);
}

#[test]
fn postgres_details_have_headers_of_their_own() {
    check(
        "10:00:00 UTC ERROR:  deadlock detected\n10:00:00 UTC DETAIL:  Process 12 waits\n10:00:00 UTC HINT:  See server log\n10:00:00 UTC STATEMENT:  UPDATE orders\n\tSET state = 1\n\tWHERE id = 2\n10:00:01 UTC LOG:  checkpoint starting",
        &[6, 1],
    );
}

#[test]
fn indentation_continues_a_header_but_not_a_plain_line() {
    check("10:00:00 INFO settings\n  retries: 3\n  timeout: 5s\n10:00:01 INFO ok", &[3, 1]);
    check("Compiling things\n   one\n   two\nDone", &[1, 1, 1, 1]);
    check("psql: error: connection to server failed\n\tIs the server running?\nnext", &[2, 1]);
}

#[test]
fn a_plain_line_begins_its_own_record() {
    check("10:00:00 INFO one\nsomething without a header\nConnection refused: again\n10:00:01 INFO two", &[1, 1, 1, 1]);
    check("Connection failed, retrying in 0ms\nConnection failed, retrying in 0ms\nretrying: yes\nhttp://a.b/c\nexample.com", &[1, 1, 1, 1, 1]);
}

#[test]
fn json_is_complete_in_itself() {
    let envelope = Envelope { layers: ["cri", "json/zap"].into_iter().collect(), message: Span::new(0, 2), ..Envelope::default() };
    let role = role(&envelope, b"{}");
    assert_eq!(role, Role::Sealed);
    assert!(!JoinState::begin(role).wants_more());
    assert_eq!(JoinState::begin(role).accept(Role::Frame), None);
}

#[test]
fn a_relay_that_stamps_each_line_does_not_hide_a_trace() {
    let prefix = "Nov 23 10:00:00 node-1 orders[12]: ";
    let roles = ["java.io.IOException: refused", "\tat a.B.c(B.java:1)", "  indented", "Caused by: x.Y: z", "plain text"].map(|text| {
        let line = format!("{prefix}{text}");
        let envelope = Envelope {
            layers: ["syslog"].into_iter().collect(),
            time: Some(TimeField { span: Span::new(0, 15), format: 0 }),
            message: Span::new(prefix.len(), line.len()),
            ..Envelope::default()
        };
        role(&envelope, line.as_bytes())
    });
    assert_eq!(roles, [Role::Headed, Role::Frame, Role::Indented, Role::Cause, Role::Headed]);
}

#[test]
fn writers_are_told_apart_by_the_callers_key() {
    let lines = [
        ("a", "10:00:00 ERROR one"),
        ("b", "10:00:00 ERROR two"),
        ("a", "java.io.IOException: x"),
        ("b", "\tat b.B.b(B.java:1)"),
        ("a", "\tat a.A.a(A.java:1)"),
        ("b", "10:00:01 INFO ok"),
    ];
    for (key, expected) in [("a", vec![3]), ("b", vec![2, 1])] {
        let own: Vec<&str> = lines.iter().filter(|(k, _)| *k == key).map(|(_, l)| *l).collect();
        assert_eq!(group(&own), expected);
    }
}

#[test]
fn parts_tell_the_template_what_matters() {
    let lines = [
        ("10:00:00 ERROR poll failed", Part::Text),
        ("Traceback (most recent call last):", Part::Skip),
        ("  File \"x.py\", line 3, in f", Part::Frame),
        ("    f()", Part::Skip),
        ("OSError: [Errno 113] No route to host", Part::Exception),
    ];
    let mut state: Option<JoinState> = None;
    for (line, expected) in lines {
        let role = role(&peel(line), line.as_bytes());
        let part = state.map_or(role.leading_part(), |s| s.part(role));
        state = state.map_or(Some(JoinState::begin(role)), |s| s.accept(role));
        assert_eq!(part, expected, "{line}");
    }
}

#[test]
fn digits_decide_nothing() {
    for line in [
        "\tat com.shop.Orders.send(Orders.java:42)",
        "  File \"x.py\", line 3, in f",
        "goroutine 1 [running]:",
        "#0 /srv/x.php(12): f()",
        "\t... 12 more",
        "exit status 2",
        "app.rb:12:in 'connect': refused (E)",
        "   0: std::panicking",
    ] {
        let other: String = line.chars().map(|c| if c.is_ascii_digit() { '7' } else { c }).collect();
        assert_eq!(role(&peel(line), line.as_bytes()), role(&peel(&other), other.as_bytes()), "{line}");
        assert!(role(&peel(line), line.as_bytes()).can_continue(), "{line}");
    }
}

#[test]
fn a_role_that_cannot_continue_is_accepted_by_no_state() {
    for first in
        [Role::Headed, Role::HeadedSource, Role::Plain, Role::Opening, Role::Frame, Role::Traceback, Role::GoPanic, Role::RustPanic, Role::BlockOpen]
    {
        for next in [Role::Headed, Role::Sealed, Role::HeadedSource, Role::Opening, Role::BlockOpen, Role::GoPanic, Role::RustPanic] {
            assert!(!next.can_continue());
            assert_eq!(JoinState::begin(first).accept(next), None);
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(512))]
    #[test]
    fn any_line_has_a_role(line in "[ \t]{0,3}(at |Error|File \"|\\.|:|#0|panic: |x|Z stdout F |\\(|\\)|[a-zA-Z0-9.:{}\\[\\] ]){0,12}") {
        let role = role(&peel(&line), line.as_bytes());
        let state = JoinState::begin(role);
        proptest::prop_assert!(role.can_continue() || state.accept(role).is_none());
    }
}
