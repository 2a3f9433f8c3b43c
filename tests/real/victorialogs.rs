//! The log outputs against VictoriaLogs: it takes the protocols of Loki, Elasticsearch, OpenTelemetry and its own.

use crate::sending::{Make, REQUEST, RESTARTS, Running, http, records};
use crate::server::{Server, installed, quoted};
use serde_json::Value;
use squelch::outputs::destination::{Destination, LogOptions, Protocol};
use squelch::outputs::encode::{loki, victorialogs};
use squelch::outputs::timestamp::rfc3339;
use squelch::store::RecordKind;
use squelch::time::UnixNanos;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn victorialogs_has_every_record_at_its_time_although_it_was_restarted() {
    let Some(program) = installed("victoria-logs") else { return };
    let protocols = [
        ("loki", "/insert", Protocol::Loki(loki::Options::default())),
        (
            "elasticsearch",
            "/insert/elasticsearch/_bulk?_msg_field=message&_time_field=@timestamp&_stream_fields=squelch.stream",
            Protocol::Elasticsearch { data_stream: "logs-squelch-default".into() },
        ),
        ("otlp", "/insert/opentelemetry", Protocol::Otlp { log_dedup: true }),
        ("victorialogs", "", Protocol::VictoriaLogs { stream_fields: victorialogs::STREAM_FIELDS.map(Into::into).into() }),
    ];
    for (name, path, protocol) in protocols {
        let mut server = Server::start(&program, |folder, port| {
            let arguments = [format!("-storageDataPath={}", folder.join("data").display()), format!("-httpListenAddr=127.0.0.1:{port}")];
            arguments.into_iter().chain(["-retentionPeriod=100y", "-loggerLevel=ERROR"].map(Into::into)).collect()
        });
        let url = format!("http://127.0.0.1:{}{path}", server.port);
        // Their ends are a second apart, to the nanosecond.
        let start = UnixNanos(squelch::clock::now().0 - 1_000_000_000);
        let count = records();
        let mut output = Running::start(name, Destination::Log(LogOptions { http: http(url), protocol }), count, make(start));
        output.through_restarts(count, &mut server, |server, _| server.terminate()).await;
        let expected = [count.to_string(), rfc3339(start), rfc3339(UnixNanos(start.0 + at(count - 1)))];
        let (mut all, mut found) = (0, [const { String::new() }; 3]);
        // What was taken can be asked for a second later.
        for _ in 0..60 {
            let query = quoted("* | stats count() n, count_uniq(_msg) u, min(_time) a, max(_time) b");
            let answer = server.get(&format!("/select/logsql/query?query={query}"), &[]).unwrap_or_default();
            let json: Value = serde_json::from_str(&answer).unwrap_or_default();
            let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
            all = text("n").parse().unwrap_or(0);
            // It leaves out zeros at the end of a fraction.
            let time = |name: &str| text(name).parse::<jiff::Timestamp>().map_or_else(|error| error.to_string(), |time| format!("{time:.9}"));
            found = [text("u"), time("a"), time("b")];
            if found[0] == expected[0] {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        eprintln!("{name}: {all} records, {} different ones, {:.1} s, {:?}", found[0], output.seconds(), output.counters.requests());
        assert_eq!(found, expected, "{name}");
        // VictoriaLogs drops no duplicates: a request that was taken and not answered is there twice, one for each restart at most.
        assert!((count..=count + RESTARTS * REQUEST).contains(&all), "{name}: {all}");
        assert_eq!(output.dead, [], "{name}");
    }
}

/// Nanoseconds from the first record to this one.
fn at(number: usize) -> i64 {
    number as i64 * 400_001
}

/// Lines of all sorts; the text of each is its own.
fn make(start: UnixNanos) -> Make {
    Arc::new(move |number| {
        let odd = match number % 10 {
            0 => "caf\u{fffd}".into(),
            1 => "a\0b\u{1}\u{1b}[31m\r\n\t\"\\".into(),
            2 => "ünïcödé \u{202e}\u{feff} 😀".into(),
            3 => "l".repeat(10_000),
            _ => "GET /cart 200".to_owned(),
        };
        let time = rfc3339(UnixNanos(start.0 + at(number)));
        let record = serde_json::json!({
            "timestamp": time, "observed_timestamp": time, "severity_text": "info", "severity_number": 9, "body": format!("{number} {odd}"),
            "attributes": { "odd \"name\"": odd }, "resource": { "host.name": format!("n{}", number % 3), "service.name": "shop" },
            "log.record.uid": format!("{number:032x}"), "squelch.stream": "shop/api"
        });
        (RecordKind::Line, record.to_string().into_bytes())
    })
}
