//! Records to NATS JetStream: nothing is lost and nothing is there twice although the server is killed again and again.

use crate::sending::{Make, RESTARTS, Running, records};
use crate::server::{Server, free_port, installed};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use squelch::outputs::destination::{Destination, TlsOptions};
use squelch::outputs::encode::nats::Subject;
use squelch::outputs::nats::{INBOX_PREFIX_DEFAULT, NatsAuth, NatsOptions, ServerUrl};
use squelch::outputs::timestamp::rfc3339;
use squelch::store::RecordKind;
use squelch::time::UnixNanos;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A key made for this test: it opens nothing else.
const SEED: &str = "SUAAOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBZ5FE";
const PUBLIC: &str = "UDVEU3DD4KOFECV66VIHWEZOYX4ZKR3WV27L464SIIPOU2IUI3JCYSJF";

/// Of so many records one is larger than the server takes.
const TOO_LARGE_EACH: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn jetstream_has_every_record_once_although_it_was_killed() {
    let Some(program) = installed("nats-server") else { return };
    let mut server = Server::start(&program, |folder, port| {
        let users = format!("authorization {{ users = [ {{ nkey: {PUBLIC} }}, {{ user: reader, password: r }} ] }}");
        fs::write(folder.join("seed"), SEED).unwrap();
        configured(folder, port, &users)
    });
    let count = records();
    let options = NatsOptions { auth: NatsAuth::Credentials(server.folder().join("seed")), ..options(&server, "localhost") };
    // The first attempts find no stream.
    let mut output = Running::start("nats", Destination::Nats(options), count, make());
    let start = Instant::now();
    let words = loop {
        assert!(start.elapsed() < Duration::from_secs(20), "it says nothing of a stream that is not there");
        match output.counters.last_error() {
            Some(words) => break words,
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    assert_eq!(words, "status 503: no stream takes subject squelch.line: create one, e.g. nats stream add --subjects squelch.line");
    let stream = json!({ "name": "LOGS", "subjects": ["squelch.>"], "storage": "file", "retention": "limits", "discard": "old", "max_msgs": -1, "num_replicas": 1 });
    Reader::open(server.port).ask("STREAM.CREATE.LOGS", &stream);

    output.through_restarts(count, &mut server, |server, _| server.kill()).await;

    let mut reader = Reader::open(server.port);
    let too_large: Vec<usize> = (0..count).filter(|number| is_too_large(*number)).collect();
    let state = reader.ask("STREAM.INFO.LOGS", &json!({}))["state"].clone();
    eprintln!(
        "REAL | nats | nats-server, JetStream | {count} records | {RESTARTS} kills -9 | {} there | {} too large for it | {:.1} s | {:?}",
        state["messages"],
        output.dead.len(),
        output.seconds(),
        output.counters.requests()
    );
    let mut there = vec![0_u32; count];
    let last = state["last_seq"].as_u64().unwrap();
    for from in (1..=last).step_by(200) {
        let questions: Vec<Value> = (from..(from + 200).min(last + 1)).map(|seq| json!({ "seq": seq })).collect();
        for answer in reader.ask_all("STREAM.MSG.GET.LOGS", &questions) {
            let message = &answer["message"];
            let decoded = |name: &str| BASE64_STANDARD.decode(message[name].as_str().unwrap_or_else(|| panic!("{answer}"))).unwrap();
            let (headers, data) = (String::from_utf8(decoded("hdrs")).unwrap(), decoded("data"));
            let uid = headers.trim().strip_prefix("NATS/1.0\r\nNats-Msg-Id: ").unwrap();
            let number = usize::from_str_radix(uid, 16).unwrap();
            there[number] += 1;
            assert!(data == make()(number).1, "record {number} is what it was, byte for byte");
        }
    }
    let wrong: Vec<(usize, u32)> = (0..count).map(|at| (at, there[at])).filter(|(at, times)| *times != u32::from(!is_too_large(*at))).collect();
    assert!(wrong.is_empty(), "lost or there twice: {} records, {:?} ...", wrong.len(), &wrong[..wrong.len().min(20)]);
    assert_eq!(output.dead.len(), too_large.len());
    assert!(output.dead.iter().all(|letter| letter.reason.ends_with("the server takes 1048576 (max_payload)")), "{}", output.dead[0].reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn jetstream_is_spoken_over_tls() {
    let Some(program) = installed("nats-server") else { return };
    let server = Server::start(&program, |folder, port| {
        let certificate = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        fs::write(folder.join("cert.pem"), certificate.cert.pem()).unwrap();
        fs::write(folder.join("key.pem"), certificate.signing_key.serialize_pem()).unwrap();
        let tls = "tls { cert_file: cert.pem, key_file: key.pem }\nauthorization { user: ada, password: pw }";
        configured(folder, port, tls)
    });
    let folder = server.folder().to_owned();
    let certified = |url: ServerUrl| NatsOptions {
        urls: vec![url],
        auth: NatsAuth::User { user: "ada".into(), password: "pw".to_owned().into() },
        tls: TlsOptions { ca_file: Some(folder.join("cert.pem")), ..TlsOptions::default() },
        ..options(&server, "localhost")
    };
    let url = |host: &str, is_tls| ServerUrl { host: host.into(), port: server.port, is_tls };
    // There is no stream: that the server says so, means that it was reached and knows us.
    for is_tls in [true, false] {
        let said = said(certified(url("localhost", is_tls))).await;
        assert!(said.starts_with("status 503: no stream takes subject"), "{said}");
    }
    let stranger = NatsOptions { auth: NatsAuth::None, ..certified(url("localhost", true)) };
    assert_eq!(said(stranger).await, "status 401: Authorization Violation");
    let said = said(certified(url("127.0.0.1", true))).await;
    assert!(said.starts_with("TLS: invalid peer certificate"), "{said}");
}

/// What is said of one test record.
async fn said(options: NatsOptions) -> String {
    let output = squelch::outputs::destination::OutputOptions {
        name: "nats".into(),
        destination: Destination::Nats(options),
        route: Default::default(),
        delivery: Default::default(),
    };
    squelch::outputs::send_test(output).await.unwrap().1.to_string()
}

fn configured(folder: &std::path::Path, port: u16, more: &str) -> Vec<String> {
    let monitor = free_port();
    let text = format!("listen: 127.0.0.1:{port}\nhttp: 127.0.0.1:{monitor}\njetstream {{ store_dir: data }}\n{more}\n");
    fs::write(folder.join("nats.conf"), text).unwrap();
    vec!["-c".into(), folder.join("nats.conf").display().to_string()]
}

fn options(server: &Server, host: &str) -> NatsOptions {
    NatsOptions {
        urls: vec![ServerUrl { host: host.into(), port: server.port, is_tls: false }],
        subject: Subject::parse("squelch.{kind}").unwrap(),
        auth: NatsAuth::None,
        tls: TlsOptions::default(),
        tls_first: false,
        inbox_prefix: INBOX_PREFIX_DEFAULT.into(),
    }
}

fn is_too_large(number: usize) -> bool {
    number % TOO_LARGE_EACH == TOO_LARGE_EACH / 2
}

/// Records of all sorts; hostile ones among them.
fn make() -> Make {
    Arc::new(|number| {
        let kind = match number % 50 {
            48 => RecordKind::Summary,
            49 => RecordKind::Burst,
            _ => RecordKind::Line,
        };
        let odd = match number % 10 {
            _ if is_too_large(number) => "0123456789abcde\u{1}".repeat(1 << 16),
            _ if number % TOO_LARGE_EACH == 0 => "l".repeat(1_000_000),
            0 => "caf\u{fffd} \u{fffd}".into(),
            1 => "a\0b\u{1}\u{1b}[31m\r\n\t\"\\ PUB x 1\r\n-ERR 'no'\r\n".into(),
            2 => "ünïcödé \u{202e}\u{feff} 😀 \u{10ffff}".into(),
            3 => "l".repeat(10_000),
            _ => "GET /cart 200".to_owned(),
        };
        let time = rfc3339(UnixNanos(1_795_608_000_000_000_000 + number as i64 * 400_001));
        let record = json!({
            "timestamp": time, "observed_timestamp": time, "severity_text": "info", "severity_number": 9, "body": format!("{number} {odd}"),
            "squelch.body_base64": (number % 10 == 0).then_some("Y2Fm6SD/"), "attributes": { "odd \"name\"": "знач\n]\\" },
            "resource": { "host.name": format!("n{}", number % 3) }, "log.record.uid": format!("{number:032x}"), "squelch.stream": "shop/api"
        });
        (kind, record.to_string().into_bytes())
    })
}

/// A client for the questions of the test.
struct Reader {
    stream: BufReader<TcpStream>,
}

impl Reader {
    fn open(port: u16) -> Self {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
        stream.get_ref().set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.read_line(&mut String::new()).unwrap();
        let hello = json!({ "verbose": false, "user": "reader", "pass": "r" });
        write!(stream.get_mut(), "CONNECT {hello}\r\nSUB answers.* 1\r\n").unwrap();
        Self { stream }
    }
    fn ask(&mut self, what: &str, question: &Value) -> Value {
        self.ask_all(what, std::slice::from_ref(question)).remove(0)
    }
    /// Asks for many things at once; answers come in the order of the questions.
    fn ask_all(&mut self, what: &str, questions: &[Value]) -> Vec<Value> {
        let mut asked = String::new();
        for (at, question) in questions.iter().enumerate() {
            let question = question.to_string();
            asked += &format!("PUB $JS.API.{what} answers.{at} {}\r\n{question}\r\n", question.len());
        }
        self.stream.get_mut().write_all(asked.as_bytes()).unwrap();
        let mut answers = vec![Value::Null; questions.len()];
        let mut missing = questions.len();
        while missing > 0 {
            let mut line = String::new();
            assert!(self.stream.read_line(&mut line).unwrap() > 0, "the server closed the connection");
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[0] {
                "MSG" => {
                    let mut payload = vec![0; words[words.len() - 1].parse::<usize>().unwrap() + 2];
                    self.stream.read_exact(&mut payload).unwrap();
                    let at: usize = words[1].strip_prefix("answers.").unwrap().parse().unwrap();
                    answers[at] = serde_json::from_slice(&payload).unwrap();
                    assert!(answers[at].get("error").is_none(), "{what} {}: {}", questions[at], answers[at]);
                    missing -= 1;
                }
                "PING" => self.stream.get_mut().write_all(b"PONG\r\n").unwrap(),
                "-ERR" => panic!("{line}"),
                _ => {}
            }
        }
        answers
    }
}
