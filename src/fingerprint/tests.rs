//! Masks by example: lines of our own in the style of many programs.

use super::template::{self, Template};
use crate::envelope::Envelope;
use crate::record::Span;
use crate::scan;

fn build(message: &[u8]) -> Template {
    let mut words = Vec::new();
    scan::find_words(message, &mut words);
    template::build(message, &words, &Envelope { message: Span::new(0, message.len()), ..Envelope::default() })
}

fn check(message: &str, expected: &str) {
    assert_eq!(build(message.as_bytes()).text, expected, "template of {message}");
    assert_eq!(build(expected.as_bytes()).text, expected, "a template is its own template");
}

#[test]
fn the_notation_of_the_design_holds() {
    check(
        "Connection to activemq-1.prod:61616 failed, retrying in 0ms (attempt 13768)",
        "Connection to <host> failed, retrying in <dur> (attempt <num>)",
    );
    check(
        "dial tcp 10.0.4.82:9092: connect: connection refused; retry 14727 in 100ms",
        "dial tcp <ip>: connect: connection refused; retry <num> in <dur>",
    );
    check("HTTP 503 from https://pay.example/v1/charge?id=77 after 1.2s", "HTTP 503 from <url> after <dur>");
    check("FATAL: sorry, too many clients already", "FATAL: sorry, too many clients already");
}

#[test]
fn sshd_and_pam_lines_keep_what_happened_and_mask_who_and_where() {
    check(
        "Failed password for invalid user oracle from 203.0.113.9 port 51022 ssh2",
        "Failed password for invalid user <id> from <ip> port <num> ssh2",
    );
    check("Failed password for root from 203.0.113.9 port 51022 ssh2", "Failed password for <id> from <ip> port <num> ssh2");
    check(
        "Accepted publickey for deploy from 10.1.2.3 port 40022 ssh2: RSA SHA256:AbCdEf0123456789",
        "Accepted publickey for <id> from <ip> port <num> ssh2: RSA SHA256:<hex>",
    );
    check("Received disconnect from 203.0.113.9: 11: Bye Bye [preauth]", "Received disconnect from <*>: Bye Bye [preauth]");
    check("Invalid user webmaster from 203.0.113.9", "Invalid user <id> from <ip>");
    check("pam_unix(sshd:auth): check pass; user unknown", "pam_unix(sshd:auth): check pass; user <id>");
    check(
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.9  user=root",
        "pam_unix(sshd:auth): authentication failure; logname=<*> uid=<*> euid=<*> tty=ssh ruser=<*> rhost=<*> user=root",
    );
    check(
        "reverse mapping checking getaddrinfo for host.example.net [203.0.113.9] failed - POSSIBLE BREAK-IN ATTEMPT!",
        "reverse mapping checking getaddrinfo for <host> [<ip>] failed - POSSIBLE BREAK-IN ATTEMPT!",
    );
}

#[test]
fn cluster_compute_lines_mask_blocks_tasks_and_sizes() {
    check(
        "Block rdd_7_12 stored as values in memory (estimated size 81.0 B, free 1.9 GB)",
        "Block <id> stored as values in memory (estimated size <num> B, free <num> GB)",
    );
    check(
        "Block broadcast_3_piece0 stored as bytes in memory (estimated size 4.1 KB, free 366.2 MB)",
        "Block <id> stored as bytes in memory (estimated size <num> KB, free <num> MB)",
    );
    check(
        "Finished task 12.0 in stage 3.0 (TID 77). 2703 bytes result sent to driver",
        "Finished task <num> in stage <num> (TID <num>). <num> bytes result sent to driver",
    );
    check("Reading broadcast variable 9 took 14 ms", "Reading broadcast variable <num> took <num> ms");
    check("mapreduce.cluster.local.dir is deprecated. Instead, use mapreduce.cluster.local.dir", "<host> is deprecated. Instead, use <host>");
}

#[test]
fn key_value_lists_are_their_keys() {
    check(
        r#"acquire lock=91823746, flags=0x1, tag="Screen Lock", name=com.example.systemui, ws=null, uid=10042, pid=3117"#,
        "acquire lock=<*>, flags=<*>, tag=<*>, name=<*>, ws=<*>, uid=<*>, pid=<*>",
    );
    check(
        r#"release lock=91823746, flg=0x0, tag="Screen Lock", name=com.example.systemui", ws=null, uid=10042, pid=3117"#,
        r#"release lock=<*>, flg=<*>, tag=<*>, name=<*>", ws=<*>, uid=<*>, pid=<*>"#,
    );
    check(
        "ready=true,policy=3,wakefulness=1,wksummary=0x23,uasummary=0x1,bootcompleted=true,boostinprogress=false,waitmodeenable=false,mode=false,manual=38,auto=-1,adj=0.0userId=0",
        "ready=<*>,policy=<*>,wakefulness=<*>,wksummary=<*>,uasummary=<*>,bootcompleted=<*>,boostinprogress=<*>,waitmodeenable=<*>,mode=<*>,manual=<*>,auto=<*>,adj=<*>",
    );
    check(
        "setSystemUiVisibility vis=0 mask=1 oldVal=40000500 newVal=40000500 diff=0",
        "setSystemUiVisibility vis=<*> mask=<*> oldVal=<*> newVal=<*> diff=<*>",
    );
}

#[test]
fn proxy_and_windows_lines_mask_programs_hosts_and_paths() {
    check("chrome.exe - proxy.example.edu:5070 open through proxy proxy.example.edu:5070 HTTPS", "<*> open through proxy <host> HTTPS");
    check(
        "chrome.exe *64 - www.example.com:443 close, 1031 bytes (1.00 KB) sent, 2412 bytes (2.35 KB) received, lifetime 00:07",
        "<*> close, <num> bytes (<num> KB) sent, <num> bytes (<num> KB) received, lifetime <num>",
    );
    check(
        "git.exe - github.com:22 error : Could not connect through proxy 10.1.1.9:1080 - Proxy closed the connection unexpectedly.",
        "<*> error : Could not connect through proxy <ip> - Proxy closed the connection unexpectedly.",
    );
    check(
        r"CBS    Loaded Servicing Stack v6.1.7601.23505 with Core: C:\Windows\winsxs\amd64_servicingstack_6.1.7601.23505\cbscore.dll",
        "CBS Loaded Servicing Stack <id> with Core: <path>",
    );
    check(
        "00000004@2024/9/27:20:30:31.455 WcpInitialize (wcp.dll version 0.0.0.6) called (stack @0x7fed806eb5d @0x7fef9fb9b6d)",
        "<num>@<*> WcpInitialize (<path> version <ip>) called (stack @<hex> @<hex>)",
    );
    check("Warning: Unrecognized packageExtended attribute.", "Warning: Unrecognized packageExtended attribute.");
    check("Session: 30546173_4261722401 initialized by client WindowsUpdateAgent.", "Session: <id> initialized by client WindowsUpdateAgent.");
}

#[test]
fn quorum_lines_mask_sessions_and_addresses() {
    check("Received connection request /10.10.34.11:45307", "Received connection request <ip>");
    check("Connection broken for id 188978561024, my id = 1, error =", "Connection broken for id <num>, my id = <num>, error =");
    check("Notification time out: 3200", "Notification time out: <num>");
    check(
        "Closed socket connection for client /10.10.34.19:33442 which had sessionid 0x14ed93111f2009c",
        "Closed socket connection for client <ip> which had sessionid <hex>",
    );
    check("Expiring session 0x14ed93111f2009c, timeout of 10000ms exceeded", "Expiring session <hex>, timeout of <dur> exceeded");
    check("Cannot open channel to 3 at election address /10.10.34.13:3888", "Cannot open channel to <num> at election address <ip>");
    check("boot (command 1911) Error: node-42 failed to respond", "boot (command <num>) Error: <id> failed to respond");
    check("Link error on broadcast tree Interconnect-0T00:00:0:0", "Link error on broadcast tree <*>");
}

#[test]
fn super_computer_and_syslog_lines_mask_nodes_and_users() {
    check("Temperature (38C) exceeds warning threshold", "Temperature (<id>) exceeds warning threshold");
    check("session opened for user mailer by (uid=0)", "session opened for user <id> by (uid=<*>)");
    check("(root) CMD (run-parts /etc/cron.hourly)", "(root) CMD (run-parts <path>)");
    check("crond(pam_unix)[2915]: session closed for user backup", "crond(pam_unix)[<num>]: session closed for user <id>");
    check("ntpd: synchronized to 10.100.20.250, stratum 3", "ntpd: synchronized to <ip>, stratum <num>");
    check("data_thread() got not answer from any [Thunderbird_A8] datasource", "data_thread() got not answer from any [<id>] datasource");
    check(
        r#"request failed path=/v1/users/77 status=502 err="upstream timed out""#,
        r#"request failed path=<*> status=502 err="upstream timed out""#,
    );
}

#[test]
fn codes_of_failures_stay_and_codes_of_success_do_not() {
    check(
        r#"level=info msg="request done" method=GET path=/a duration=12ms status=200 bytes=512"#,
        r#"level=info msg="request done" method=GET path=<*> duration=<*> status=<num> bytes=<*>"#,
    );
    check(
        "upstream prematurely closed connection (111: Connection refused) while connecting to upstream, client: 10.2.3.4",
        "upstream prematurely closed connection (111: Connection refused) while connecting to upstream, client: <ip>",
    );
    check(
        "SQLSTATE[08006] [7] could not connect to server: Connection refused",
        "SQLSTATE[08006] [<num>] could not connect to server: Connection refused",
    );
    check("ORA-12541: TNS:no listener", "ORA-12541: TNS:no listener");
    check("process exited with code 137", "process exited with code 137");
    check("process exited with code 0", "process exited with code <num>");
    check("rpc error: code = Unavailable desc = connection closed", "rpc error: code = Unavailable desc = connection closed");
    check(r#"{"code":14,"message":"name resolver error"}"#, r#"{"code":14,"message":"name resolver error"}"#);
    check("java.net.ConnectException: Connection refused (Connection refused)", "java.net.ConnectException: Connection refused (Connection refused)");
    check(
        "com.example.db.PoolTimeoutException: could not get connection from pool-3 after 30000ms",
        "com.example.db.PoolTimeoutException: could not get connection from <id> after <dur>",
    );
}

#[test]
fn exceptions_keep_their_class_and_their_text() {
    check(
        "Retrying (Retry(total=2, connect=None, read=None, redirect=None, status=None)) after connection broken by 'NewConnectionError('<urllib3.connection.HTTPConnection object at 0x7f3a2c>: Failed to establish a new connection: [Errno 111] Connection refused')': /api/v1/items",
        "Retrying (Retry(total=<num>, connect=None, read=None, redirect=None, status=None)) after connection broken by 'NewConnectionError('<<id> object at <hex>>: Failed to establish a new connection: [Errno 111] Connection refused')': <path>",
    );
    check("Consumer [id=c-12] lost connection to orders-db:5432, will retry", "Consumer [id=<*>] lost connection to <host>, will retry");
    check("Reconnecting to redis:6379 in 5 seconds", "Reconnecting to <host> in <num> seconds");
}

#[test]
fn hosts_are_masked_where_a_place_is_named() {
    check("error: failed to push some refs to 'git@git.example.com:team/repo.git'", "error: failed to push some refs to '<*>'");
    check("user alice@example.com logged in from 10.0.0.9", "user <email> logged in from <ip>");
    check("User alice logged in", "User <id> logged in");
}

#[test]
fn users_mails_and_ordinary_words_with_slashes() {
    check("user not found", "user not found");
    check("and/or read/write TCP/IP N/A application/json", "and/or read/write TCP/IP N/A application/json");
    check(r#"GET /api/v1/orders/77?x=1 HTTP/1.1" 502 157"#, r#"GET <path> HTTP/<num>" 502 <num>"#);
    check(r#""GET /api/v1/orders/77 HTTP/1.1" 200 157 "-" "curl/7.68.0""#, r#""GET <path> HTTP/<num>" <num> "-" "curl/<id>""#);
}

#[test]
fn requests_mask_their_path_and_keep_the_refusal() {
    check("Ping from lambda com.example.Worker@1a2b3c and Other@abcdef done", "Ping from lambda <id>@<id> and Other@<hex> done");
    check("took 1,234,567 ns (12.5%)", "took <num> ns (<num>%)");
}

#[test]
fn objects_numbers_and_dates() {
    check("Jun 15 02:04:05 something at Fri Jun 17 07:07:00 2005", "<time> something at <time>");
    check("panic: runtime error: index out of range [5] with length 3", "panic: runtime error: index out of range [<num>] with length <num>");
    check("goroutine 17 [running]:", "goroutine <num> [running]:");
}

#[test]
fn traces_files_and_images() {
    check("    at com.example.app.Main$Inner.run(Main.java:42)", "at com.example.app.Main$Inner.run(Main.java:<num>)");
    check(r#"File "/usr/lib/python3/site.py", line 42, in run"#, r#"File "<path>", line <num>, in run"#);
    check(r#"Failed to pull image "registry.example.com/team/app:v1.2.3": rpc error"#, r#"Failed to pull image "<path>": rpc error"#);
    check(
        "Back-off restarting failed container=web pod=web-5d9f7c-x2x_default(4f1c2d3e-0000-1111-2222-333344445555)",
        "Back-off restarting failed container=web pod=<*>(<uuid>)",
    );
}

#[test]
fn a_mask_says_where_its_value_stands() {
    let line = b"lost 10.0.0.7:99 and node.example.net/10.1.1.1:80 in /var/lib/x.db, user=\"ada\" took 15ms";
    let found: Vec<_> = build(line).masks.iter().map(|mask| (mask.placeholder, String::from_utf8_lossy(mask.span.of(line)).into_owned())).collect();
    let found: Vec<_> = found.iter().map(|(placeholder, text)| (*placeholder, text.as_str())).collect();
    assert_eq!(
        found,
        [("<ip>", "10.0.0.7:99"), ("<*>", "node.example.net/10.1.1.1:80"), ("<path>", "/var/lib/x.db"), ("<*>", "\"ada\""), ("<dur>", "15ms")]
    );
}

#[test]
fn codes_are_discriminators_whether_they_stay_or_not() {
    for (line, code) in [("HTTP 503 from a", "503"), ("status=200 from a", "200"), ("failed (111: Connection refused)", "111"), ("errno: 0", "0")] {
        let seen: Vec<_> = build(line.as_bytes()).discriminators.iter().map(|span| span.of(line.as_bytes()).to_vec()).collect();
        assert_eq!(seen, [code.as_bytes()], "{line}");
    }
}

#[test]
fn a_long_message_is_its_head_and_a_mark() {
    let long = "word ".repeat(500);
    let template = build(long.as_bytes()).text;
    assert!(template.ends_with("word <...>") && template.len() < 700, "{template}");
    assert_eq!(build(template.as_bytes()).text, template);
    let wide = "x".repeat(5000);
    let template = build(wide.as_bytes()).text;
    assert!(template.ends_with("x <...>") && template.len() < 2100, "{}", template.len());
}

#[test]
fn bytes_that_are_not_text_do_not_break_anything() {
    assert_eq!(build(b"bad \xC3 byte \x01 7").text, "bad \u{FFFD} byte <num>");
    assert_eq!(build(b"\x1B[1;31mlost\x1B[0m 7 \x1B[mof\x1B[0m 9").text, "lost <num> of <num>");
    assert_eq!(build(b"").text, "");
}

#[test]
fn paths_keep_their_odd_parts_together() {
    check("copied /srv/logs/a.Family/[2024-05-06_10,11,12.5]=Fail:sts:2_rsn:0/Stats//[2024-05-06_10,11,12.5]-x.xml now", "copied <path> now");
    check("open /etc/app.conf: permission denied", "open <path>: permission denied");
    check("Class com.example.v2.Job$Inner done", "Class <id> done");
}

#[test]
fn secrets_never_enter_a_template() {
    check("login user=ada password=hunter2 failed", "login user=<*> password=<str> failed");
    check("Authorization: Bearer abc.def.ghi rejected", "Authorization: Bearer <str> rejected");
    check("bad token: abc", "bad token: <str>");
    check(r#"{"password":"x"} amqp://u:p@host/v"#, r#"{"password":"<str>"} <url>"#);
}
