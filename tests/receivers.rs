//! The outputs against receivers that misbehave: nothing is lost, nobody else is kept waiting, and our own log shows a client that backs off.
//! The clock stands still while anything can go on (tokio's paused time), so hours pass in no time.

mod receiver;

use receiver::{Does, Opens, Receiver, uid_of};
use squelch::delivery::{self, Batch, Batches, Counters, Ended, ReadError, Stop};
use squelch::outputs::destination::{Auth, Compression, Destination, FileOptions, HttpOptions, OutputOptions, Route, TlsOptions};
use squelch::outputs::{self, Links};
use squelch::store::{BatchNumber, Cursor, DeadLetter, Progress, RecordKind, Records};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Records of a test: ids `r0000` on, in batches of 25.
const RECORDS: usize = 100;

#[tokio::test(start_paused = true)]
async fn a_receiver_that_behaves_gets_everything_once() {
    let receiver = Receiver::start([], Does::Fine).await;
    let mut output = Output::start(http(receiver.url()));
    output.finish().await;
    assert_eq!(receiver.taken(), all_uids());
    let head = receiver.heads()[0].to_lowercase();
    for expected in ["post /in http/1.1", "content-type: application/x-ndjson", "content-encoding: gzip", "idempotency-key: ", "user-agent: squelch/"] {
        assert!(head.contains(expected), "{expected} in {head}");
    }
}

/// Nothing is lost with a receiver that does this five times and then behaves; `code` is counted.
async fn check(does: Does, code: &str) {
    let receiver = Receiver::start(std::iter::repeat_n(does.clone(), 5), Does::Fine).await;
    let mut output = Output::start(http(receiver.url()));
    let other = Receiver::start([], Does::Fine).await;
    let mut fine = Output::start(http(other.url()));
    let started = tokio::time::Instant::now();
    fine.finish().await;
    assert!(started.elapsed() < Duration::from_secs(1), "{does:?} keeps another output waiting");
    output.finish().await;
    assert_eq!(unique(receiver.taken()), unique(all_uids()), "{does:?}");
    assert!(output.dead.is_empty(), "{does:?}: {:?}", output.dead);
    assert!(output.counters.requests().iter().any(|(counted, _)| counted == code), "{does:?}: {:?}", output.counters.requests());
    assert_eq!(output.counters.last_error(), None);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_when_no_answer_comes() {
    check(Does::Hang, "timeout").await;
    check(Does::Drip, "timeout").await;
    check(Does::HalfAnAnswer, "timeout").await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_when_connections_break() {
    check(Does::Reset, "broken").await;
    check(Does::Close, "broken").await;
    check(Does::Babble, "broken").await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_when_the_receiver_is_busy() {
    for status in [408, 429, 500, 502, 503, 504] {
        check(Does::Answer(status, "", "busy"), &status.to_string()).await;
    }
    check(Does::Answer(429, "Retry-After: 30\r\n", ""), "429").await;
    check(Does::Answer(503, "Retry-After: Wed, 25 Nov 2026 12:00:00 GMT\r\n", ""), "503").await;
    check(Does::Answer(503, "Retry-After: soon\r\n", ""), "503").await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_while_people_mend_a_key_or_a_url() {
    for status in [401, 403, 404, 405] {
        check(Does::Answer(status, "", "no"), &status.to_string()).await;
    }
    check(Does::Answer(308, "Location: https://user:pw@elsewhere.example/in?key=1\r\n", ""), "308").await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_makes_no_sense_is_still_a_yes() {
    check_yes(Does::Garbage).await;
}

async fn check_yes(does: Does) {
    let receiver = Receiver::start([], does).await;
    let mut output = Output::start(http(receiver.url()));
    output.finish().await;
    assert_eq!(receiver.taken(), all_uids());
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::start([], Does::Fine).await;
    let location: &'static str = Box::leak(format!("Location: {}\r\n", elsewhere.url()).into_boxed_str());
    let receiver = Receiver::start([], Does::Answer(307, location, "")).await;
    let output = Output::start(http(receiver.url()));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(elsewhere.requests(), 0);
    assert!((5..=20).contains(&receiver.requests()), "{} requests in ten minutes", receiver.requests());
    let error = output.counters.last_error().unwrap();
    assert_eq!(error, format!("status 307: it lives at {} now; set that as url", elsewhere.url()));
}

#[tokio::test(start_paused = true)]
async fn the_record_that_is_not_liked_becomes_a_dead_letter_and_all_others_arrive() {
    let receiver = Receiver::start([], Does::Dislikes("r0042")).await;
    let mut output = Output::start(http(receiver.url()));
    output.finish().await;
    let expected: Vec<_> = all_uids().into_iter().filter(|uid| uid != "r0042").collect();
    assert_eq!(receiver.taken(), expected, "in order");
    assert_eq!(output.dead.len(), 1);
    assert_eq!(uid_of(std::str::from_utf8(&output.dead[0].json).unwrap()), "r0042");
    assert_eq!(output.dead[0].reason, "status 400: mapping: this record is not liked");
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_arrives_in_pieces() {
    let receiver = Receiver::start([], Does::AtMost(600)).await;
    let mut output = Output::start(http(receiver.url()));
    output.finish().await;
    assert_eq!(receiver.taken(), all_uids());
}

#[tokio::test(start_paused = true)]
async fn a_resend_has_the_same_key() {
    let receiver = Receiver::start([Does::Answer(503, "", ""), Does::Hang, Does::Close], Does::Fine).await;
    let mut output = Output::start(http(receiver.url()));
    output.finish().await;
    let keys: BTreeSet<String> = receiver
        .heads()
        .iter()
        .flat_map(|head| head.to_lowercase().lines().filter(|line| line.starts_with("idempotency-key")).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert!(receiver.requests() >= 4);
}

#[tokio::test(start_paused = true)]
async fn certificates_are_checked_and_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let expired = Opens::Tls(authority.acceptor("127.0.0.1", 2020));
    let wrong_name = Opens::Tls(authority.acceptor("elsewhere.example", 2099));
    let good = Opens::Tls(authority.acceptor("127.0.0.1", 2099));
    for (wrong, said) in [(expired, "expired"), (wrong_name, "not valid for name"), (Opens::Stalls, "")] {
        let receiver = Receiver::start_tls(std::iter::repeat_n(wrong, 3), good.clone(), [], Does::Fine).await;
        let mut output = Output::start(https(&receiver, Some(&ca_file)));
        tokio::time::sleep(Duration::from_millis(300)).await;
        let error = output.counters.last_error().unwrap_or_default();
        assert!(error.contains(said), "{error}");
        output.finish().await;
        assert_eq!(unique(receiver.taken()), unique(all_uids()));
    }
    // An authority that nobody knows; then its certificate is put in place.
    let receiver = Receiver::start_tls([], good, [], Does::Fine).await;
    std::fs::write(&ca_file, Authority::new().pem()).unwrap();
    let mut output = Output::start(https(&receiver, Some(&ca_file)));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(output.counters.last_error().unwrap().contains("TLS: "));
    assert_eq!(receiver.requests(), 0);
    let next = folder.path().join("next.pem");
    std::fs::write(&next, authority.pem()).unwrap();
    std::fs::rename(next, &ca_file).unwrap();
    output.finish().await;
    assert_eq!(unique(receiver.taken()), unique(all_uids()));
}

#[tokio::test(start_paused = true)]
async fn without_check_of_certificates_anybody_will_do() {
    let acceptor = Authority::new().acceptor("elsewhere.example", 2020);
    let receiver = Receiver::start_tls([], Opens::Tls(acceptor), [], Does::Fine).await;
    let mut options = https(&receiver, None);
    if let Destination::Http(http) = &mut options.destination {
        http.tls.insecure_skip_verify = true;
    }
    Output::start(options).finish().await;
    assert_eq!(receiver.taken(), all_uids());
}

#[tokio::test(start_paused = true)]
async fn keys_go_with_each_request() {
    let cases = [
        (Auth::Bearer("t0k3n".to_owned().into()), "authorization: bearer t0k3n"),
        (Auth::Basic { user: "ada".into(), password: "pw".to_owned().into() }, "authorization: basic ywrhonb3"),
    ];
    for (auth, expected) in cases {
        let receiver = Receiver::start([], Does::Fine).await;
        let mut options = http(receiver.url());
        if let Destination::Http(http) = &mut options.destination {
            http.auth = auth;
            http.headers.push(("X-Scope-OrgID".into(), "shop".to_owned().into()));
        }
        Output::start(options).finish().await;
        let head = receiver.heads()[0].to_lowercase();
        assert!(head.contains(expected) && head.contains("x-scope-orgid: shop"), "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn files_get_everything_once_also_after_a_start_from_an_old_cursor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ndjson");
    let options = || OutputOptions {
        destination: Destination::File(FileOptions { path: path.clone(), rotate_bytes: 0, keep: 1, zstd: false }),
        ..http(String::new())
    };
    Output::start(options()).finish().await;
    Output::start(options()).finish().await; // as after a crash before the first commit
    let written: Vec<_> = std::fs::read_to_string(&path).unwrap().lines().map(uid_of).collect();
    assert_eq!(written, all_uids());
}

#[test]
fn an_hour_without_receiver_reads_as_a_client_that_backs_off() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let lines = OwnLog::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let _guard = lines.listen();
    let attempts = runtime.block_on(async {
        lines.start();
        let address = Receiver::nobody().await;
        let output = Output::start(http(format!("http://{address}/in")));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let requests = output.counters.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        assert_eq!(requests[0].0, "connect");
        requests[0].1
    });
    assert!((80..=130).contains(&attempts), "{attempts} attempts in an hour");
    let text = lines.text();
    assert!(text.contains(" failed: connection refused, retrying in "), "{text}");
    let at_warn = text.lines().filter(|line| line.contains(" WARN ")).count();
    assert!((2..=9).contains(&at_warn), "{at_warn} lines that people see: the first, the breaker, one each ten minutes");
    std::fs::write(log.path(), &text).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_squelch")).arg("report").args(["-o", "json"]).arg(log.path()).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["storms"].as_array().unwrap().len(), 0, "{report:#}");
    let diagnoses = report["diagnoses"].as_array().unwrap();
    let ours = diagnoses.iter().max_by_key(|diagnosis| diagnosis["records"].as_u64()).expect("retries are diagnosed");
    assert!(matches!(ours["policy"].as_str(), Some("exponential" | "growing")), "{ours:#}");
    assert_eq!(ours["jitter"], "yes", "{ours:#}");
}

/// One output with a hundred records waiting for it.
struct Output {
    task: JoinHandle<Ended>,
    progress: mpsc::Receiver<Progress>,
    counters: Arc<Counters>,
    cursor: Cursor,
    dead: Vec<DeadLetter>,
    stop: watch::Sender<Stop>,
    _news: watch::Sender<BatchNumber>,
}

impl Output {
    fn start(options: OutputOptions) -> Self {
        let batches = Memory::new();
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
        let task = outputs::start(options, links).unwrap();
        Self { task, progress, counters, cursor: Cursor::default(), dead: Vec::new(), stop, _news: news }
    }
    /// Waits until everything is delivered or dead, then stops it.
    async fn finish(&mut self) {
        let end = Cursor { batch: BatchNumber((RECORDS / 25) as i64 + 1), done: 0 };
        let everything = async {
            while self.cursor < end {
                let Some(Progress::Delivered { cursor, dead, .. }) = self.progress.recv().await else { panic!("the output ended") };
                assert!(cursor >= self.cursor, "a cursor never goes back");
                self.cursor = cursor;
                self.dead.extend(dead);
            }
        };
        tokio::time::timeout(Duration::from_secs(24 * 3600), everything).await.expect("it is delivered within a day");
        self.stop.send(Stop::WhenDone).unwrap();
        assert_eq!((&mut self.task).await.unwrap(), Ended::Stopped);
    }
}

fn http(url: String) -> OutputOptions {
    OutputOptions {
        name: "logs".into(),
        destination: Destination::Http(HttpOptions {
            url,
            headers: vec![],
            auth: Auth::None,
            tls: TlsOptions::default(),
            compression: Compression::Gzip,
        }),
        route: Route::default(),
        delivery: delivery::Options { start_spread: Duration::ZERO, ..delivery::Options::default() },
    }
}

fn https(receiver: &Receiver, ca_file: Option<&Path>) -> OutputOptions {
    let mut options = http(format!("https://{}/in", receiver.address));
    if let Destination::Http(http) = &mut options.destination {
        http.tls.ca_file = ca_file.map(Path::to_owned);
    }
    options
}

fn all_uids() -> Vec<String> {
    (0..RECORDS).map(|number| format!("r{number:04}")).collect()
}

fn unique(uids: Vec<String>) -> BTreeSet<String> {
    uids.into_iter().collect()
}

/// Batches of 25 records.
struct Memory(Vec<Records>);

impl Memory {
    fn new() -> Self {
        let uids = all_uids();
        let batches = uids.chunks(25).map(|uids| {
            let mut records = Records::default();
            for uid in uids {
                records.ndjson.extend_from_slice(format!("{{\"body\":\"hello\",\"log.record.uid\":\"{uid}\"}}\n").as_bytes());
                records.close_record(RecordKind::Line);
            }
            records
        });
        Self(batches.collect())
    }
}

impl Batches for Memory {
    fn next(&mut self, from: Cursor) -> Result<Option<Batch>, ReadError> {
        let found = usize::try_from(from.batch.0 - 1).ok().and_then(|at| self.0.get(at));
        Ok(found.map(|records| Batch { number: from.batch, records: records.clone() }))
    }
}

/// Makes certificates.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "an authority of a test");
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: rcgen::Issuer::new(params, key), certificate }
    }
    fn pem(&self) -> String {
        self.certificate.pem()
    }
    fn acceptor(&self, name: &str, until_year: i32) -> tokio_rustls::TlsAcceptor {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(until_year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        tokio_rustls::TlsAcceptor::from(Arc::new(config))
    }
}

/// Our own log with the time of the paused clock.
#[derive(Clone, Default)]
struct OwnLog(Arc<Mutex<(Option<tokio::time::Instant>, String)>>);

impl OwnLog {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        use tracing_subscriber::layer::SubscriberExt as _;
        tracing::subscriber::set_default(tracing_subscriber::registry().with(self.clone()))
    }
    fn start(&self) {
        self.0.lock().unwrap().0 = Some(tokio::time::Instant::now());
    }
    fn text(&self) -> String {
        self.0.lock().unwrap().1.clone()
    }
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for OwnLog {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        use std::fmt::Write as _;
        let mut inside = self.0.lock().unwrap();
        let (Some(started), true) = (inside.0, event.metadata().target().starts_with("squelch")) else { return };
        let mut words = String::new();
        event.record(&mut Words(&mut words));
        let at = jiff::Timestamp::from_second(1_795_600_000).unwrap() + jiff::SignedDuration::from_micros(started.elapsed().as_micros() as i64);
        writeln!(inside.1, "{at:.6} {:>5} {}: {words}", event.metadata().level(), event.metadata().target()).unwrap();
    }
}

struct Words<'a>(&'a mut String);

impl tracing::field::Visit for Words<'_> {
    fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        *self.0 = format!("{value:?}");
    }
}
