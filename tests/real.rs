//! The log outputs against a real server: VictoriaLogs takes the protocols of Loki, Elasticsearch, OpenTelemetry and its own. It is stopped and
//! started again while records are on their way, and read back in its own query language.
//!
//! Skipped, loudly, where it is not installed: `go install github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs@latest`.
//! With `SQUELCH_REQUIRE_REAL=1` that is a failure.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a helper of a test that cannot go on should stop where it is")]

use squelch::delivery::{self, Batch, Batches, Counters, ReadError, Stop};
use squelch::outputs::destination::{Auth, Compression, Destination, HttpOptions, LogOptions, OutputOptions, Protocol, Route, TlsOptions};
use squelch::outputs::encode::{loki, victorialogs};
use squelch::outputs::timestamp::rfc3339;
use squelch::outputs::{self, Links};
use squelch::store::{BatchNumber, Cursor, Progress, RecordKind, Records};
use squelch::time::UnixNanos;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

const RECORDS: usize = 2000;

/// Records of a batch of the store.
const BATCH: usize = 25;

/// How often the server is stopped and started again on the way.
const RESTARTS: usize = 3;

/// Nobody is waited for longer.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn victorialogs_has_every_record_at_its_time_although_it_was_restarted() {
    let Some(program) = installed("victoria-logs") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(&program, folder.path(), free_port());
    // Their ends are a second apart, to the nanosecond.
    let start = UnixNanos(squelch::clock::now().0 - 1_000_000_000);
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
    let mut running: Vec<Running> = Vec::new();
    for (tenant, (name, path, protocol)) in protocols.into_iter().enumerate() {
        running.push(Running::start(name, tenant, format!("http://127.0.0.1:{}{path}", server.port), protocol, start));
    }
    for restart in 1..=RESTARTS {
        for output in &mut running {
            output.reach(restart * RECORDS / (RESTARTS + 1)).await;
        }
        server.stop();
        tokio::time::sleep(Duration::from_millis(500)).await;
        server = Server::start(&program, folder.path(), server.port);
    }
    for output in &mut running {
        output.reach(RECORDS).await;
    }
    let expected = [RECORDS.to_string(), rfc3339(start), rfc3339(UnixNanos(start.0 + at(RECORDS - 1)))];
    for (tenant, output) in running.iter().enumerate() {
        let (mut all, mut found) = (0, [const { String::new() }; 3]);
        // What was taken can be asked for a second later.
        for _ in 0..60 {
            let answer = server.ask(tenant, "* | stats count() n, count_uniq(_msg) u, min(_time) a, max(_time) b");
            let json: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
            let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
            all = text("n").parse().unwrap_or(0);
            // It leaves out zeros at the end of a fraction.
            let time = |name: &str| text(name).parse::<jiff::Timestamp>().map_or_else(|error| error.to_string(), |time| format!("{time:.9}"));
            found = [text("u"), time("a"), time("b")];
            if found[0] == expected[0] {
                break;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        eprintln!("{}: {all} records, {} different ones, {:?}", output.name, found[0], output.counters.requests());
        assert_eq!(found, expected, "{}", output.name);
        // VictoriaLogs drops no duplicates: a request that was taken and not answered is there twice, one for each restart at most.
        assert!((RECORDS..=RECORDS + RESTARTS * BATCH * 4).contains(&all), "{}: {all}", output.name);
        assert_eq!(output.dead, 0, "{}", output.name);
    }
    server.stop();
}

/// Nanoseconds from the first record to this one.
fn at(number: usize) -> i64 {
    number as i64 * 400_001
}

/// Lines of all sorts; the text of each is its own.
fn records(start: UnixNanos) -> Vec<Records> {
    let numbers: Vec<usize> = (0..RECORDS).collect();
    let batch = |numbers: &[usize]| {
        let mut records = Records::default();
        for &number in numbers {
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
            records.ndjson.extend_from_slice(record.to_string().as_bytes());
            records.ndjson.push(b'\n');
            records.close_record(RecordKind::Line);
        }
        records
    };
    numbers.chunks(BATCH).map(batch).collect()
}

/// An output on its way.
struct Running {
    name: &'static str,
    progress: mpsc::Receiver<Progress>,
    counters: Arc<Counters>,
    cursor: Cursor,
    dead: usize,
    _stop: watch::Sender<Stop>,
    _news: watch::Sender<BatchNumber>,
}

impl Running {
    fn start(name: &'static str, tenant: usize, url: String, protocol: Protocol, start: UnixNanos) -> Self {
        let http = HttpOptions {
            url,
            headers: vec![("AccountID".into(), tenant.to_string().into())],
            auth: Auth::None,
            tls: TlsOptions::default(),
            compression: Compression::Gzip,
        };
        let delivery = delivery::Options {
            start_spread: Duration::ZERO,
            backoff_base: Duration::from_millis(50),
            backoff_cap: Duration::from_secs(1),
            breaker_open: Duration::from_secs(1),
            retry_floor_per_minute: 600,
            batch_records_max: BATCH,
            // Slow enough for a restart to come in between.
            bytes_per_second_max: 1 << 20,
            ..delivery::Options::default()
        };
        let options =
            OutputOptions { name: name.into(), destination: Destination::Log(LogOptions { http, protocol }), route: Route::default(), delivery };
        let batches = Memory(records(start));
        let (news, news_there) = watch::channel(BatchNumber(batches.0.len() as i64));
        let (stop, stop_there) = watch::channel(Stop::Run);
        let (progress_there, progress) = mpsc::channel(10_000);
        let counters = Arc::<Counters>::default();
        let links = Links {
            batches: Box::new(batches),
            news: news_there,
            progress: progress_there,
            cursor: Cursor { batch: BatchNumber(1), done: 0 },
            stop: stop_there,
            counters: Arc::clone(&counters),
        };
        outputs::start(options, links).unwrap();
        Self { name, progress, counters, cursor: Cursor::default(), dead: 0, _stop: stop, _news: news }
    }

    /// Waits until so many records are delivered.
    async fn reach(&mut self, count: usize) {
        let goal = Cursor { batch: BatchNumber((count / BATCH) as i64 + 1), done: 0 };
        let there = async {
            while self.cursor < goal {
                let Some(progress) = self.progress.recv().await else { panic!("{} ended", self.name) };
                if let Progress::Delivered { cursor, dead, .. } = progress {
                    self.cursor = cursor;
                    self.dead += dead.len();
                }
            }
        };
        let late = tokio::time::timeout(PATIENCE, there).await.is_err();
        assert!(!late, "{} stands still: {:?} {:?}", self.name, self.counters.requests(), self.counters.last_error());
    }
}

struct Memory(Vec<Records>);

impl Batches for Memory {
    fn next(&mut self, from: Cursor) -> Result<Option<Batch>, ReadError> {
        let found = usize::try_from(from.batch.0 - 1).ok().and_then(|at| self.0.get(at));
        Ok(found.map(|records| Batch { number: from.batch, records: records.clone() }))
    }
    fn next_storms(&mut self, _: BatchNumber) -> Result<Option<Batch>, ReadError> {
        Ok(None)
    }
}

/// A server of our own, on loopback, with a folder of its own.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(program: &Path, folder: &Path, port: u16) -> Self {
        let child = Command::new(program)
            .arg(format!("-storageDataPath={}", folder.display()))
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
            .args(["-retentionPeriod=100y", "-loggerLevel=ERROR"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port };
        for _ in 0..300 {
            if server.get("/health", 0).is_some_and(|answer| answer == "OK") {
                return server;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the server does not answer");
    }
    /// As its owner would: what it has taken is on disk then.
    fn stop(&mut self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        self.child.wait().unwrap();
    }
    /// A query; the answer is a JSON line for each result.
    fn ask(&self, tenant: usize, query: &str) -> String {
        let query: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        self.get(&format!("/select/logsql/query?query={query}"), tenant).unwrap_or_default()
    }
    fn get(&self, path: &str, tenant: usize) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\nAccountID: {tenant}\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.split_once("\r\n\r\n")?.1.trim().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where a program is; `None`, loudly, when it is nowhere.
fn installed(name: &str) -> Option<PathBuf> {
    let go = std::env::var_os("HOME").map(|home| Path::new(&home).join("go/bin"));
    let folders = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let found = folders.into_iter().chain(go).map(|folder| folder.join(name)).find(|program| program.is_file());
    if found.is_none() {
        assert!(std::env::var_os("SQUELCH_REQUIRE_REAL").is_none(), "{name} is not installed and SQUELCH_REQUIRE_REAL is set");
        eprintln!("SKIPPED: {name} is not installed, nothing was tried against it");
    }
    found
}
