use super::*;
use crate::time::UnixNanos;

/// 2026-11-23T12:00:00Z: what stamps without year or date are near to.
const REFERENCE: UnixNanos = UnixNanos(1_795_435_200_000_000_000);

fn envelope(line: &[u8]) -> Envelope {
    let mut words = Vec::new();
    crate::scan::find_words(line, &mut words);
    peel(line, &words)
}

fn text(line: &[u8], span: Option<Span>) -> String {
    span.map_or_else(String::new, |span| String::from_utf8_lossy(span.of(line)).into_owned())
}

/// `expected`: `layers | severity | time | fields | message`, fields as in `logger=a thread=b pid=1 host=h instance=i`, `-` for none.
fn check(name: &str, line: &str, expected: &str) {
    let env = envelope(line.as_bytes());
    let bytes = line.as_bytes();
    let time = env.time.map_or_else(
        || "-".to_owned(),
        |field| {
            let at = stamp::parse(field.span.of(bytes), field.format, REFERENCE, 0).unwrap_or_else(|| panic!("{name}: no time in {field:?}"));
            jiff::Timestamp::from_nanosecond(at.0.into()).expect("in range").to_string()
        },
    );
    let mut fields = Vec::new();
    for (key, span) in [("logger", env.logger), ("thread", env.thread), ("pid", env.pid), ("host", env.host), ("instance", env.instance)] {
        if span.is_some() {
            fields.push(format!("{key}={}", text(bytes, span)));
        }
    }
    let fields = if fields.is_empty() { "-".to_owned() } else { fields.join(" ") };
    let message = env.decoded.clone().unwrap_or_else(|| env.message.of(bytes).to_vec());
    let got = format!("{} | {} | {time} | {fields} | {}", env.layers.join("+"), env.severity, String::from_utf8_lossy(&message));
    assert_eq!(got, expected, "{name}: {line}");
}

#[test]
fn runtimes_and_prefixes() {
    check("cri", "2026-11-23T10:00:00.123456789Z stderr F pool is empty", "cri | - | 2026-11-23T10:00:00.123456789Z | - | pool is empty");
    check(
        "cri round logback",
        "2026-11-23T10:00:00.123456789+02:00 stdout F 2026-11-23 10:00:00,123 WARN  [main] org.shop.Cart - pool is empty",
        "cri+text | warn | 2026-11-23T08:00:00.123456789Z | logger=org.shop.Cart thread=main | pool is empty",
    );
    check(
        "docker",
        r#"{"log":"retry 3 failed\n","stream":"stderr","time":"2026-11-23T10:00:00.5Z"}"#,
        "docker | - | 2026-11-23T10:00:00.5Z | - | retry 3 failed",
    );
    check(
        "docker round logback",
        r#"{"log":"2026-11-23 10:00:00,123 ERROR [io-1] org.shop.Cart: gone\r\n","stream":"stdout","time":"2026-11-23T10:00:00.5Z"}"#,
        "docker+text | error | 2026-11-23T10:00:00.5Z | logger=org.shop.Cart thread=io-1 | gone",
    );
    check(
        "docker round JSON",
        r#"{"log":"{\"level\":\"error\",\"msg\":\"no \\\"route\\\"\",\"pid\":71}\n","stream":"stdout","time":"2026-11-23T10:00:00.5Z"}"#,
        r#"docker+json | error | 2026-11-23T10:00:00.5Z | pid=71 | no "route""#,
    );
    check(
        "journald json",
        r#"{"__REALTIME_TIMESTAMP":"1795435200123456","PRIORITY":"3","_PID":"812","_HOSTNAME":"node-1","SYSLOG_IDENTIFIER":"kubelet","MESSAGE":"pod gone"}"#,
        "journald | error | 2026-11-23T12:00:00.123456Z | logger=kubelet pid=812 host=node-1 | pod gone",
    );
    check("journald bytes", r#"{"PRIORITY":"6","MESSAGE":[104,105,27]}"#, "journald | info | - | - | hi\u{1b}");
    check("journal export", "MESSAGE=pod gone", "export | - | - | - | pod gone");
    check("compose", "orders-1  | WARN: queue full", "compose+level | warn | - | instance=orders-1 | WARN: queue full");
    check(
        "kubectl",
        "[pod/orders-7d9f/app] 2026-11-23T10:00:00Z INFO started",
        "kubectl+text | info | 2026-11-23T10:00:00Z | instance=orders-7d9f/app | started",
    );
    check("stern", "orders-5d4b8c7f9-x2z4q app level=warn msg=slow", "stern+logfmt | warn | - | instance=orders-5d4b8c7f9-x2z4q app | slow");
}

#[test]
fn syslog() {
    check(
        "rfc3164",
        "<28>Nov 23 10:00:00 node-1 sshd[4242]: no route",
        "syslog | warn | 2026-11-23T10:00:00Z | logger=sshd pid=4242 host=node-1 | no route",
    );
    check(
        "rfc5424",
        "<165>1 2026-11-23T10:00:00.003Z web.example shop 71 ID47 [ex@32473 a=\"b]\"] \u{feff}no route",
        "syslog | info | 2026-11-23T10:00:00.003Z | logger=shop pid=71 host=web.example | no route",
    );
    check("rfc5424 without data", "<11>1 - host app - - - no route", "syslog | error | - | logger=app host=host | no route");
    check(
        "file",
        "Nov 23 10:00:00 gate cron(pam_unix)[77]: session opened",
        "syslog | - | 2026-11-23T10:00:00Z | logger=cron(pam_unix) pid=77 host=gate | session opened",
    );
    check("kernel", "Nov 23 10:00:00 gate kernel: eth0: link down", "syslog | - | 2026-11-23T10:00:00Z | logger=kernel host=gate | eth0: link down");
    check("version", "Nov  3 10:00:00 gate klogd 1.4.1: stopped", "syslog | - | 2026-11-03T10:00:00Z | logger=klogd host=gate | stopped");
    check(
        "journalctl precise",
        "Nov 23 10:00:00.184951 systemd[1]: unit failed",
        "syslog | - | 2026-11-23T10:00:00.184951Z | logger=systemd pid=1 | unit failed",
    );
    check(
        "rsyslog",
        "2026-11-23T10:00:00.079134+00:00 node-1 rsyslogd: action suspended",
        "syslog | - | 2026-11-23T10:00:00.079134Z | logger=rsyslogd host=node-1 | action suspended",
    );
    check(
        "macOS",
        "Nov  3 09:00:55 ada-mac com.apple.launchd[1] (com.shop.job[338]): Service exited",
        "syslog | - | 2026-11-03T09:00:55Z | logger=com.apple.launchd pid=1 host=ada-mac | Service exited",
    );
    check(
        "two words",
        "Nov  3 09:00:55 ada-mac Some Editor[144]: saved",
        "syslog | - | 2026-11-03T09:00:55Z | logger=Some Editor pid=144 host=ada-mac | saved",
    );
    check(
        "kubelet",
        "Nov 23 10:00:00 node-1 kubelet[1208]: E1123 10:00:00.027173    1208 pod.go:130] sync failed",
        "syslog+klog | error | 2026-11-23T10:00:00Z | logger=pod.go:130 pid=1208 host=node-1 | sync failed",
    );
    check(
        "level in the message",
        "Nov 23 10:00:00 gate rotate: ALERT exited with 1",
        "syslog | fatal | 2026-11-23T10:00:00Z | logger=rotate host=gate | ALERT exited with 1",
    );
    check(
        "haproxy",
        "Nov 23 10:00:00 lb haproxy[14389]: Server app/s1 is DOWN",
        "syslog | - | 2026-11-23T10:00:00Z | logger=haproxy pid=14389 host=lb | Server app/s1 is DOWN",
    );
}

#[test]
fn json_conventions() {
    check(
        "pino",
        r#"{"level":40,"time":1795435200123,"pid":7,"hostname":"vm","name":"shop","msg":"slow"}"#,
        "json | warn | 2026-11-23T12:00:00.123Z | logger=shop pid=7 host=vm | slow",
    );
    check(
        "zap",
        r#"{"level":"warn","ts":1795435200.25,"logger":"db","caller":"db/x.go:7","msg":"slow"}"#,
        "json | warn | 2026-11-23T12:00:00.25Z | logger=db | slow",
    );
    check("slog", r#"{"time":"2026-11-23T10:00:00.1+02:00","level":"ERROR","msg":"slow"}"#, "json | error | 2026-11-23T08:00:00.1Z | - | slow");
    check("winston", r#"{"level":"info","message":"up","timestamp":"2026-11-23 10:00:00"}"#, "json | info | 2026-11-23T10:00:00Z | - | up");
    check(
        "logback",
        r#"{"@timestamp":"2026-11-23T10:00:00.1Z","@version":"1","message":"slow","logger_name":"a.B","thread_name":"main","level":"WARN","level_value":30000}"#,
        "json | warn | 2026-11-23T10:00:00.1Z | logger=a.B thread=main | slow",
    );
    check(
        "log4j2",
        r#"{"instant":{"epochSecond":1795435200,"nanoOfSecond":5},"thread":"main","level":"FATAL","loggerName":"a.B","message":"gone"}"#,
        "json | fatal | 2026-11-23T12:00:00Z | logger=a.B thread=main | gone",
    );
    check(
        "python",
        r#"{"asctime": "2026-11-23 10:00:00,5", "levelname": "WARNING", "name": "shop", "message": "slow"}"#,
        "json | warn | 2026-11-23T10:00:00.5Z | logger=shop | slow",
    );
    check(
        "structlog",
        r#"{"event": "slow", "level": "warning", "timestamp": "2026-11-23T10:00:00Z"}"#,
        "json | warn | 2026-11-23T10:00:00Z | - | slow",
    );
    check(
        "serilog",
        r#"{"@t":"2026-11-23T10:00:00.1Z","@mt":"Took {Elapsed}","Elapsed":4}"#,
        "json | info | 2026-11-23T10:00:00.1Z | - | Took {Elapsed}",
    );
    check(
        "ecs",
        r#"{"@timestamp":"2026-11-23T10:00:00Z","log":{"level":"error","logger":"a.B"},"process":{"pid":7,"thread":{"name":"io-1"}},"message":"gone"}"#,
        "json | error | 2026-11-23T10:00:00Z | logger=a.B thread=io-1 pid=7 | gone",
    );
    check(
        "gcp",
        r#"{"severity":"CRITICAL","timestamp":"2026-11-23T10:00:00Z","jsonPayload":{"message":"gone"}}"#,
        "json | fatal | 2026-11-23T10:00:00Z | - | gone",
    );
    check(
        "otel",
        r#"{"Timestamp":"1795435200123456789","SeverityText":"WARN","Body":"slow"}"#,
        "json | warn | 2026-11-23T12:00:00.123456789Z | - | slow",
    );
    check(
        "mongo",
        r#"{"t":{"$date":"2026-11-23T10:00:00.5+00:00"},"s":"E","c":"NETWORK","id":1,"ctx":"conn7","msg":"gone"}"#,
        "json | error | 2026-11-23T10:00:00.5Z | logger=NETWORK thread=conn7 | gone",
    );
    check("escapes", r#"{"level":"error","msg":"no \"route\"\tto \u00e4"}"#, "json | error | - | - | no \"route\"\tto ä");
    check(
        "fluentd round a text",
        r#"{"stream":"stderr","message":"2026-11-23 10:00:00 WARN a.b.C: slow"}"#,
        "json+text | warn | 2026-11-23T10:00:00Z | logger=a.b.C | slow",
    );
    check("no message", r#"{"a":1}"#, " | - | - | - | {\"a\":1}");
    check("broken", r#"{"level":"error","msg":"gone"#, " | - | - | - | {\"level\":\"error\",\"msg\":\"gone");
}

#[test]
fn logfmt_lines() {
    check(
        "go-kit",
        "ts=2026-11-23T10:00:00.4Z caller=main.go:5 level=warn component=tsdb msg=\"too slow\"",
        "logfmt | warn | 2026-11-23T10:00:00.4Z | logger=tsdb | too slow",
    );
    check(
        "logrus",
        "time=\"2026-11-23T10:00:00+02:00\" level=error msg=\"gone\" error=\"no route\"",
        "logfmt | error | 2026-11-23T08:00:00Z | - | gone",
    );
    check("behind a stamp", "2026-11-23T10:00:00Z level=info msg=up", "text+logfmt | info | 2026-11-23T10:00:00Z | - | up");
    check("prose", "a=1 is less than b=2", " | - | - | - | a=1 is less than b=2");
}

#[test]
fn headers_of_java() {
    check(
        "spring boot",
        "2026-11-23 10:00:00.001  WARN 1 --- [pool-3-thread-1] c.e.orders.Publisher                 : slow",
        "text | warn | 2026-11-23T10:00:00.001Z | logger=c.e.orders.Publisher thread=pool-3-thread-1 pid=1 | slow",
    );
    check(
        "spring boot 3 with application and trace",
        "2026-11-23T10:00:00.001Z ERROR 71 --- [shop] [main] [65fd2c,a1b2] c.e.Publisher : gone",
        "text | error | 2026-11-23T10:00:00.001Z | logger=c.e.Publisher thread=shop pid=71 | gone",
    );
    check(
        "log4j",
        "2026-11-23 10:00:00,123 INFO [main] org.shop.Cart: up",
        "text | info | 2026-11-23T10:00:00.123Z | logger=org.shop.Cart thread=main | up",
    );
    check(
        "logback default",
        "10:00:00.123 [main] DEBUG org.shop.Cart - up",
        "text | debug | 2026-11-23T10:00:00.123Z | logger=org.shop.Cart thread=main | up",
    );
    check("spark", "26/11/23 10:00:00 WARN storage.Manager: slow", "text | warn | 2026-11-23T10:00:00Z | logger=storage.Manager | slow");
    check("hdfs", "261123 100000 148 INFO dfs.Node$Part: up", "text | info | 2026-11-23T10:00:00Z | logger=dfs.Node$Part pid=148 | up");
    check(
        "zookeeper",
        "2026-11-23 10:00:00,123 [myid:1] - WARN  [Peer[myid=1]/0:0:0:0:0:0:0:0:2181:Cnxn@123] - slow",
        "text | warn | 2026-11-23T10:00:00.123Z | thread=myid:1 | slow",
    );
    check(
        "a word and a colon behind the dash",
        "2026-11-23 10:00:00,123 - INFO  [Worker[myid=1]:Election@542] - Notification: 1 (n.leader), LOOKING",
        "text | info | 2026-11-23T10:00:00.123Z | thread=Worker[myid=1]:Election@542 | Notification: 1 (n.leader), LOOKING",
    );
    check(
        "kafka",
        "[2026-11-23 10:00:00,123] WARN [Producer clientId=p-1] node gone (org.apache.kafka.clients.NetworkClient)",
        "text | warn | 2026-11-23T10:00:00.123Z | logger=org.apache.kafka.clients.NetworkClient | node gone",
    );
    check(
        "activemq",
        "2026-11-23 10:00:00,123 | WARN  | Transport failed: tcp://10.0.0.1:5 | org.apache.activemq.Transport | ActiveMQ Task-1",
        "text | warn | 2026-11-23T10:00:00.123Z | logger=org.apache.activemq.Transport thread=ActiveMQ Task-1 | Transport failed: tcp://10.0.0.1:5",
    );
    check(
        "elasticsearch",
        "[2026-11-23T10:00:00,123][WARN ][o.e.c.r.a.Allocator] [node-1] slow",
        "text | warn | 2026-11-23T10:00:00.123Z | logger=o.e.c.r.a.Allocator thread=node-1 | slow",
    );
    check("jul", "Nov 23, 2026 10:00:00 AM org.shop.Cart add", "text | - | 2026-11-23T10:00:00Z | - | org.shop.Cart add");
}

#[test]
fn headers_of_python_and_ruby_and_php() {
    check("logging", "2026-11-23 10:00:00,123 ERROR app: gone", "text | error | 2026-11-23T10:00:00.123Z | logger=app | gone");
    check("dashes", "2026-11-23 10:00:00,123 - shop.db - WARNING - slow", "text | warn | 2026-11-23T10:00:00.123Z | logger=shop.db | slow");
    check("basicConfig", "ERROR:shop.db:gone: 5", "python | error | - | logger=shop.db | gone: 5");
    check("celery", "[2026-11-23 10:00:00,123: WARNING/MainProcess] slow", "text | warn | 2026-11-23T10:00:00.123Z | thread=MainProcess | slow");
    check("gunicorn", "[2026-11-23 10:00:00 +0000] [77] [CRITICAL] gone", "text | fatal | 2026-11-23T10:00:00Z | pid=77 | gone");
    check(
        "loguru",
        "2026-11-23 10:00:00.123 | WARNING  | shop.db:connect:10 - slow",
        "text | warn | 2026-11-23T10:00:00.123Z | logger=shop.db:connect:10 | slow",
    );
    check("uvicorn", "INFO:     Application startup complete.", "level | info | - | - | INFO:     Application startup complete.");
    check(
        "ruby",
        "W, [2026-11-23T10:00:00.123456 #4242]  WARN -- shop: slow",
        "ruby | warn | 2026-11-23T10:00:00.123456Z | logger=shop pid=4242 | slow",
    );
    check("php", "[23-Nov-2026 10:00:00 UTC] PHP Warning:  slow", "php | warn | 2026-11-23T10:00:00Z | - | slow");
    check(
        "monolog",
        "[2026-11-23T10:00:00.123456+00:00] shop.ERROR: gone [] []",
        "text | error | 2026-11-23T10:00:00.123456Z | logger=shop | gone [] []",
    );
    check(
        "openstack",
        "nova-api.log.1.2026-11-23_10:00:00 2026-11-23 10:00:00.008 25746 INFO nova.wsgi.server [req-38 - - -] gone",
        "text | info | 2026-11-23T10:00:00.008Z | logger=nova.wsgi.server thread=req-38 - - - pid=25746 | gone",
    );
    check("level kept", "2026-11-23 10:00:00 Error: connect refused", "text | error | 2026-11-23T10:00:00Z | - | Error: connect refused");
    check("errno", "2026-11-23 10:00:00,1 ERROR [Errno 111] refused", "text | error | 2026-11-23T10:00:00.1Z | - | [Errno 111] refused");
}

#[test]
fn headers_of_go_rust_node_and_dotnet() {
    check("go", "2026/11/23 10:00:00 main.go:12: gone", "text | - | 2026-11-23T10:00:00Z | - | main.go:12: gone");
    check("klog", "W1123 10:00:00.678901       1 x.go:138] slow", "klog | warn | 2026-11-23T10:00:00.678901Z | logger=x.go:138 pid=1 | slow");
    check("tracing", "2026-11-23T10:00:00.123456Z  WARN shop::db: slow", "text | warn | 2026-11-23T10:00:00.123456Z | logger=shop::db | slow");
    check("env_logger", "[2026-11-23T10:00:00Z ERROR shop::db] gone", "text | error | 2026-11-23T10:00:00Z | logger=shop::db | gone");
    check("winston", "2026-11-23T10:00:00.1Z warn: slow", "text | warn | 2026-11-23T10:00:00.1Z | - | slow");
    check("console", "2026-11-23T10:00:00.1Z error [redis] gone", "text | error | 2026-11-23T10:00:00.1Z | thread=redis | gone");
    check("log4js", "[2026-11-23T10:00:00.122] [DEBUG] shop - up", "text | debug | 2026-11-23T10:00:00.122Z | logger=shop | up");
    check(".NET console", "warn: Shop.Db.Pool[0]", "dotnet | warn | - | logger=Shop.Db.Pool | ");
    check("Serilog", "[10:00:00 WRN] slow", "text | warn | 2026-11-23T10:00:00Z | - | slow");
    check(
        "tracing in colour",
        "\u{1b}[2m2026-11-23T10:00:00.123456Z\u{1b}[0m \u{1b}[33m WARN\u{1b}[0m \u{1b}[2mshop::db\u{1b}[0m\u{1b}[2m:\u{1b}[0m slow \u{1b}[3mn\u{1b}[0m=5",
        "text | warn | 2026-11-23T10:00:00.123456Z | logger=shop::db | slow \u{1b}[3mn\u{1b}[0m=5",
    );
    check("colour", "\u{1b}[33mWARN\u{1b}[0m slow", "level | warn | - | - | slow");
}

#[test]
fn headers_of_servers() {
    check(
        "nginx",
        "2026/11/23 10:00:00 [error] 27#31: *4938 connect() failed",
        "text | error | 2026-11-23T10:00:00Z | thread=31 pid=27 | connect() failed",
    );
    check("apache 2.2", "[Mon Nov 23 10:00:00 2026] [error] child gone", "text | error | 2026-11-23T10:00:00Z | - | child gone");
    check(
        "apache 2.4",
        "[Mon Nov 23 10:00:00.123456 2026] [core:error] [pid 1:tid 2] [client 10.0.0.1:5] gone",
        "text | error | 2026-11-23T10:00:00.123456Z | logger=core:error thread=2 pid=1 | gone",
    );
    check(
        "access",
        "10.0.0.1 - ada [23/Nov/2026:10:00:00 +0200] \"GET /x HTTP/1.1\" 503 12",
        "access | - | 2026-11-23T08:00:00Z | - | \"GET /x HTTP/1.1\" 503 12",
    );
    check(
        "postgres",
        "2026-11-23 10:00:00.123 UTC [71] ada@shop FATAL:  sorry",
        "text | fatal | 2026-11-23T10:00:00.123Z | logger=ada@shop pid=71 | sorry",
    );
    check("postgres client", "FATAL: sorry, too many clients already", "level | fatal | - | - | FATAL: sorry, too many clients already");
    check(
        "mysql",
        "2026-11-23T10:00:00.123456Z 0 [Warning] [MY-010055] [Server] slow",
        "text | warn | 2026-11-23T10:00:00.123456Z | thread=MY-010055 pid=0 | slow",
    );
    check("redis", "1:M 23 Nov 2026 10:00:00.123 # slow", "redis | warn | 2026-11-23T10:00:00.123Z | pid=1 | slow");
    check(
        "rabbitmq",
        "2026-11-23 10:00:00.123456+00:00 [error] <0.123.0> gone",
        "text | error | 2026-11-23T10:00:00.123456Z | thread=0.123.0 | gone",
    );
    check(
        "envoy",
        "[2026-11-23 10:00:00.123][12][warning][config] [source/x.cc:12] slow",
        "text | warn | 2026-11-23T10:00:00.123Z | logger=source/x.cc:12 thread=config pid=12 | slow",
    );
    check(
        "mongo before 4.4",
        "2026-11-23T10:00:00.123+0000 E NETWORK  [conn7] gone",
        "text | error | 2026-11-23T10:00:00.123Z | logger=NETWORK thread=conn7 | gone",
    );
}

#[test]
fn headers_of_devices_and_clusters() {
    check(
        "logcat",
        "11-23 10:00:00.811  1702  2395 D WindowManager: up",
        "text | debug | 2026-11-23T10:00:00.811Z | logger=WindowManager thread=2395 pid=1702 | up",
    );
    check("logcat brief", "E/Activity( 1702): gone", "logcat | error | - | logger=Activity pid=1702 | gone");
    check(
        "node twice",
        "- 1795435200 2026.11.23 R02-N0-C:J12-U11 2026-11-23-12.00.00.363779 R02-N0-C:J12-U11 RAS KERNEL INFO up",
        "text | info | 2026-11-23T12:00:00Z | logger=R02-N0-C:J12-U11 | up",
    );
    check(
        "second stamp is syslog's",
        "- 1795435200 2026.11.23 dn228 Nov 23 12:00:00 dn228/dn228 crond(pam_unix)[2915]: closed",
        "syslog | - | 2026-11-23T12:00:00Z | logger=crond(pam_unix) pid=2915 host=dn228/dn228 | closed",
    );
    check("number first", "13468 node-246 unix.hw new 1795435200 1 Component is down", "text | - | 2026-11-23T12:00:00Z | - | Component is down");
    check("bars", "20261123-10:5:0:606|Step_A|30002312|up 5", "text | - | 2026-11-23T10:05:00.606Z | logger=Step_A pid=30002312 | up 5");
    check(
        "program and dash",
        "[11.23 10:00:00] shop.exe - 10.0.0.1:5 closed",
        "text | - | 2026-11-23T10:00:00Z | logger=shop.exe | 10.0.0.1:5 closed",
    );
    check("columns", "2026-11-23 10:00:00, Info                  CBS    Loaded", "text | info | 2026-11-23T10:00:00Z | logger=CBS | Loaded");
    check("dmesg", "[   12.345678] usb 1-1: reset", "text | - | - | - | usb 1-1: reset");
}

#[test]
fn headers_less_common() {
    check(
        "zap console",
        "2026-11-23T10:00:00.123Z\tERROR\tsetup\tunable to start\t{\"error\": \"no route\"}",
        "text | error | 2026-11-23T10:00:00.123Z | logger=setup | unable to start",
    );
    check("spdlog", "[2026-11-23 10:00:00.123] [error] [main.cpp:55] gone", "text | error | 2026-11-23T10:00:00.123Z | logger=main.cpp:55 | gone");
    check(
        "level before the stamp",
        "[ERROR] 2026-11-23 10:00:00.123 [io-1] org.shop.Foo - gone",
        "text | error | 2026-11-23T10:00:00.123Z | logger=org.shop.Foo thread=io-1 | gone",
    );
    check(
        "cassandra",
        "WARN  [main] 2026-11-23 10:00:00,123 Check.java:143 - slow",
        "text | warn | 2026-11-23T10:00:00.123Z | logger=Check.java:143 thread=main | slow",
    );
    check("etcd", "2026-11-23 10:00:00.123456 W | rafthttp: slow", "text | warn | 2026-11-23T10:00:00.123456Z | logger=rafthttp | slow");
    check(
        "glog with a year",
        "E20261123 10:00:00.027173 140 foo.cc:130] gone",
        "klog | error | 2026-11-23T10:00:00.027173Z | logger=foo.cc:130 pid=140 | gone",
    );
    check(
        "wildfly",
        "10:00:00,123 INFO  [org.shop.as] (MSC service thread 1-2) SHOPSRV0025: up",
        "text | info | 2026-11-23T10:00:00.123Z | logger=org.shop.as thread=MSC service thread 1-2 | SHOPSRV0025: up",
    );
    check("slash level", "[10:00:00] [Server thread/WARN]: slow", "text | warn | 2026-11-23T10:00:00Z | logger=Server thread/WARN | slow");
    check("airflow", "[2026-11-23 10:00:00,123] {task.py:876} INFO - up", "text | info | 2026-11-23T10:00:00.123Z | logger=task.py:876 | up");
    check(
        "clickhouse",
        "2026.11.23 10:00:00.123456 [ 71 ] {abc-123} <Error> query: gone",
        "text | error | 2026-11-23T10:00:00.123456Z | logger=query thread=abc-123 pid=71 | gone",
    );
    check("mariadb", "2026-11-23  9:00:00 12 [Warning] slow", "text | warn | 2026-11-23T09:00:00Z | pid=12 | slow");
    check("tornado", "[W 261123 10:00:00 web:2239] slow", "tornado | warn | 2026-11-23T10:00:00Z | logger=web:2239 | slow");
    check("hclog", "2026-11-23T10:00:00.123Z [WARN]  agent.client: slow", "text | warn | 2026-11-23T10:00:00.123Z | logger=agent.client | slow");
    check(
        "logstash",
        "[2026-11-23T10:00:00,123][INFO ][logstash.agent           ][main] up",
        "text | info | 2026-11-23T10:00:00.123Z | logger=logstash.agent thread=main | up",
    );
    check("asctime with zone", "Mon Nov 23 10:00:00 UTC 2026 backup started", "text | - | 2026-11-23T10:00:00Z | - | backup started");
    check("slf4j simple", "[main] WARN org.shop.Foo - slow", "level | warn | - | logger=org.shop.Foo thread=main | slow");
    check(
        "tracing with spans",
        "2026-11-23T10:00:00.1Z ERROR sink{id=out kind=http}:call{n=3}: shop::sinks: gone",
        "text | error | 2026-11-23T10:00:00.1Z | logger=shop::sinks | gone",
    );
    check(
        "logcat brief with a stamp",
        "11-23 10:00:00.123 E/Foo   ( 123): gone",
        "logcat | error | 2026-11-23T10:00:00.123Z | logger=Foo pid=123 | gone",
    );
    check("fluentd", "2026-11-23 10:00:00 +0000 [warn]: #0 flush failed", "text | warn | 2026-11-23T10:00:00Z | - | #0 flush failed");
    check("scrapy", "2026-11-23 10:00:00 [shop.core] INFO: up", "text | info | 2026-11-23T10:00:00Z | logger=shop.core | up");
    check(
        "JSON behind syslog",
        "Nov 23 10:00:00 n1 app[12]: {\"level\":\"error\",\"msg\":\"gone\"}",
        "syslog+json | error | 2026-11-23T10:00:00Z | logger=app pid=12 host=n1 | gone",
    );
    check("nothing behind the level", "(ERROR)", "level | error | - | - | ");
    check("shouted", "FATAL ERROR: heap is full", "level | fatal | - | - | FATAL ERROR: heap is full");
    check("no message but an error", "level=error ts=2026-11-23T10:00:00Z err=\"no route\"", "logfmt | error | 2026-11-23T10:00:00Z | - | no route");
}

#[test]
fn a_line_without_header_stays_whole() {
    for line in [
        "",
        "   ",
        "connection refused",
        "    at java.base/x.Y.z(Y.java:5)",
        "Traceback (most recent call last):",
        "error connecting to 10.0.0.1",
        "5 connections were closed at 10:00:00 by peer",
        "retrying in 5s | attempt 3",
        "{ t: 5, s: 'debug' }",
        "[1, 2, 3]",
        "key=value and more",
        "Retry-After: 120",
    ] {
        let env = envelope(line.as_bytes());
        assert_eq!(env.message.of(line.as_bytes()), line.trim_ascii_end().as_bytes(), "{env:?}");
    }
}

#[test]
fn fields_of_structured_lines_are_texts_codes_or_keys() {
    let check = |line: &str, expected: &[&str]| {
        let env = envelope(line.as_bytes());
        let got: Vec<_> = env
            .extras
            .iter()
            .map(|extra| {
                let key = text(line.as_bytes(), Some(extra.key));
                match &extra.part {
                    ExtraPart::Text(span) => format!("{key}~{}", text(line.as_bytes(), Some(*span))),
                    ExtraPart::Code(span) => format!("{key}={}", text(line.as_bytes(), Some(*span))),
                    ExtraPart::Key => key,
                }
            })
            .collect();
        assert_eq!(got, expected, "{line}");
    };
    check(r#"{"msg":"request failed","status":429,"user":"ada"}"#, &["status=429", "user"]);
    check(
        r#"{"level":50,"err":{"type":"Error","message":"no route","code":"EHOSTUNREACH","stack":"..."},"msg":"gone"}"#,
        &["type=Error", "err~no route", "code=EHOSTUNREACH"],
    );
    check("level=warn msg=slow err=\"no route\" trace_id=5 n=4", &["err~no route", "n"]);
}

#[test]
fn what_looked_into_a_digit_word_says_so() {
    let check = |line: &str, expected: &[&str]| {
        let env = envelope(line.as_bytes());
        let got: Vec<_> = env.discriminators.iter().map(|span| text(line.as_bytes(), Some(*span))).collect();
        assert_eq!(got, expected, "{line}");
    };
    check(r#"{"level":40,"msg":"slow"}"#, &["40"]);
    check("<28>Nov 23 10:00:00 node-1 sshd[4242]: no route", &["28"]);
    check(r#"{"PRIORITY":"3","MESSAGE":"gone"}"#, &["3"]);
    check("2026-11-23T10:00:00.1Z stderr F gone", &[]);
}

#[test]
fn the_runtime_says_whether_a_line_goes_on() {
    assert_eq!(envelope(b"2026-11-23T10:00:00.1Z stderr P gone").partial, Partial::More);
    assert_eq!(envelope(br#"{"log":"gone","stream":"stderr","time":"2026-11-23T10:00:00.5Z"}"#).partial, Partial::More);
    assert_eq!(envelope(br#"{"log":"gone\n","stream":"stderr","time":"2026-11-23T10:00:00.5Z"}"#).partial, Partial::Whole);
}

#[test]
fn long_and_deep_lines_take_linear_time() {
    for piece in ["[", "{\"a\":", "a.b ", "1 ", "\\", "\"", "a=", " | ", "(", "2026-11-23 10:00:00 ", "{\"log\":\"", "a: "] {
        let line = piece.repeat(1_000_000 / piece.len());
        let _ = envelope(line.as_bytes());
        let _ = envelope(format!("2026-11-23 10:00:00 {line}").as_bytes());
        let _ = envelope(format!("{{\"level\":\"info\",\"msg\":\"{line}\"}}").as_bytes());
    }
}

fn assert_sane(line: &[u8]) {
    let env = envelope(line);
    let inside = |span: Span| span.start <= span.end && span.end as usize <= line.len();
    assert!(inside(env.message), "{env:?}");
    for span in [env.logger, env.thread, env.pid, env.host, env.instance].into_iter().flatten().chain(env.time.map(|t| t.span)) {
        assert!(inside(span), "{env:?}");
    }
    for extra in &env.extras {
        assert!(inside(extra.key), "{env:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_line_makes_it_panic(line: Vec<u8>) {
        assert_sane(&line);
    }

    #[test]
    fn no_line_of_header_pieces_makes_it_panic(pieces in proptest::collection::vec(0usize..40, 0..14)) {
        const PIECES: [&str; 40] = [
            "2026-11-23 10:00:00,123", "Nov 23 10:00:00", "Mon Nov 23", "10:00:00", "[", "]", "(", ")", "<", ">", "{\"", "\":\"", "\"}", "\"", "\\", "\\n", "\\u00e4",
            "level", "msg", "log", "stream", "=", " ", "  ", ": ", " - ", " | ", "ERROR", "warn", "W", "a.b.C", "app", "1", "1795435200", "261123 100000", "\u{1b}[32m", ",", "<34>", "1 ", "é",
        ];
        let line: String = pieces.iter().map(|&i| PIECES[i]).collect();
        assert_sane(line.as_bytes());
    }
}
