//! The outputs against receivers that misbehave: nothing is lost, nobody else is kept waiting.
//! The clock stands still while anything can go on (tokio's paused time), so hours pass in no time.

#![allow(clippy::unwrap_used, reason = "a helper of a test that cannot go on should stop where it is")]

mod receiver;

use receiver::output::{Output, all_uids, http};
use receiver::{Does, Opens, Receiver, uid_of};
use squelch::outputs::destination::{Auth, Destination, FileOptions, OutputOptions};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_while_nobody_listens_and_names_have_no_address() {
    for (url, code) in [("http://127.0.0.1:1/in", "connect"), ("http://no-such-host.invalid/in", "name")] {
        let output = Output::start(http(url.into()));
        tokio::time::sleep(Duration::from_secs(600)).await;
        let requests = output.counters.requests();
        assert!(requests.iter().any(|(counted, _)| counted == code), "{url}: {requests:?}");
        assert!((8..=40).contains(&requests.iter().map(|(_, count)| count).sum::<u64>()), "{url}: {requests:?} in ten minutes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_behaves_gets_everything_once() {
    let receiver = Receiver::start([], Does::Fine).await;
    let mut output = Output::start(http(receiver.url()));
    output.finish().await;
    assert_eq!(receiver.taken(), all_uids());
    let head = receiver.heads()[0].to_lowercase();
    for expected in ["post /in http/1.1", "content-type: application/x-ndjson", "content-encoding: gzip", "idempotency-key: ", "user-agent: squelch/"]
    {
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
    let error = output.counters.last_error().unwrap();
    assert!(error.contains("TLS: "), "{error}");
    assert_eq!(receiver.requests(), 0);
    let next = folder.path().join("next.pem");
    std::fs::write(&next, authority.pem()).unwrap();
    std::fs::rename(next, &ca_file).unwrap();
    output.finish().await;
    assert_eq!(unique(receiver.taken()), unique(all_uids()));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_wants_a_certificate_gets_ours() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("ca.pem"), authority.pem()).unwrap();
    let (certificate, key) = authority.certify("agent.example", 2099);
    std::fs::write(path("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(path("key.pem"), key.serialize_pem()).unwrap();
    let receiver = Receiver::start_tls([], Opens::Tls(authority.acceptor_for_clients("127.0.0.1")), [], Does::Fine).await;
    let mut options = https(&receiver, Some(&path("ca.pem")));
    let without = Output::start(https(&receiver, Some(&path("ca.pem"))));
    if let Destination::Http(http) = &mut options.destination {
        (http.tls.cert_file, http.tls.key_file) = (Some(path("cert.pem")), Some(path("key.pem")));
    }
    Output::start(options).finish().await;
    assert_eq!(receiver.taken(), all_uids());
    let error = without.counters.last_error().unwrap();
    assert!(error.to_lowercase().contains("certificate"), "{error}");
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
async fn one_test_record_can_be_sent_and_the_answer_is_told() {
    let receiver = Receiver::start([Does::Answer(401, "", "who are you?")], Does::Fine).await;
    let (target, outcome) = squelch::outputs::send_test(http(receiver.url())).await.unwrap();
    assert_eq!((target, outcome.to_string()), (receiver.url(), "status 401: who are you?".to_owned()));
    let (_, outcome) = squelch::outputs::send_test(http(receiver.url())).await.unwrap();
    assert_eq!(outcome.to_string(), "delivered");
    assert_eq!(receiver.taken().len(), 1);
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

fn https(receiver: &Receiver, ca_file: Option<&Path>) -> OutputOptions {
    let mut options = http(format!("https://{}/in", receiver.address));
    if let Destination::Http(http) = &mut options.destination {
        http.tls.ca_file = ca_file.map(Path::to_owned);
    }
    options
}

fn unique(uids: Vec<String>) -> BTreeSet<String> {
    uids.into_iter().collect()
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
    fn certify(&self, name: &str, until_year: i32) -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(until_year, 1, 1);
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
    fn acceptor(&self, name: &str, until_year: i32) -> tokio_rustls::TlsAcceptor {
        self.serve(name, until_year, server().with_no_client_auth())
    }
    /// Only for clients with a certificate of this authority.
    fn acceptor_for_clients(&self, name: &str) -> tokio_rustls::TlsAcceptor {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        self.serve(name, 2099, server().with_client_cert_verifier(clients))
    }
    fn serve(
        &self,
        name: &str,
        until_year: i32,
        config: rustls::ConfigBuilder<rustls::ServerConfig, rustls::server::WantsServerCert>,
    ) -> tokio_rustls::TlsAcceptor {
        let (certificate, key) = self.certify(name, until_year);
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        tokio_rustls::TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).unwrap()))
    }
}

fn server() -> rustls::ConfigBuilder<rustls::ServerConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap()
}
