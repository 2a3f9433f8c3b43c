//! Secure connections: whose certificates are trusted, which are shown, and what happens when they change.

use crate::authority::Authority;
use crate::receiver::output::{Output, all_uids, http, http_options, to};
use crate::receiver::{Does, Opens, Receiver};
use squelch::outputs::destination::{Destination, OutputOptions, SyslogOptions, TlsOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

#[tokio::test(start_paused = true)]
async fn certificates_are_checked_and_what_is_wrong_is_told() {
    let files = Files::new();
    let good = Opens::Tls(files.authority.acceptor("127.0.0.1", 2099));
    let cases = [
        (Opens::Tls(files.authority.acceptor("127.0.0.1", 2020)), "expired"),
        (Opens::Tls(files.authority.acceptor("elsewhere.example", 2099)), "not valid for name"),
        (Opens::Tls(Authority::new().acceptor("127.0.0.1", 2099)), "TLS: "),
    ];
    for (wrong, said) in cases {
        let receiver = Receiver::start_tls(std::iter::repeat_n(wrong, 3), good.clone()).await;
        let mut output = Output::start(https(&receiver, files.trusting()));
        tokio::time::sleep(Duration::from_millis(300)).await;
        let error = output.counters.last_error().unwrap_or_default();
        assert!(error.contains(said), "{error}");
        output.finish().await;
        assert_eq!(receiver.taken(), all_uids());
    }
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_is_put_in_place_is_trusted_from_then_on() {
    let files = Files::new();
    let receiver = Receiver::start_tls([], Opens::Tls(files.authority.acceptor("127.0.0.1", 2099))).await;
    replace(&files.path("ca.pem"), &Authority::new().pem());
    let mut output = Output::start(https(&receiver, files.trusting()));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let error = output.counters.last_error().unwrap();
    assert!(error.contains("TLS: "), "{error}");
    assert_eq!(receiver.requests(), 0);
    replace(&files.path("ca.pem"), &files.authority.pem());
    output.finish().await;
    assert_eq!(receiver.taken(), all_uids());
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_wants_a_certificate_gets_ours_and_the_next_one_when_it_is_renewed() {
    let files = Files::new();
    let receiver = Receiver::start_tls([], Opens::Tls(files.authority.acceptor_for_clients("127.0.0.1"))).await;
    let without = Output::start(https(&receiver, files.trusting()));
    // One of an authority that the receiver does not know.
    files.certify(&Authority::new());
    let mut output = Output::start(https(&receiver, files.with_certificate()));
    tokio::time::sleep(Duration::from_secs(300)).await;
    for output in [&without, &output] {
        let error = output.counters.last_error().unwrap();
        assert!(error.to_lowercase().contains("certificate") || error.contains("TLS"), "{error}");
    }
    assert_eq!(receiver.requests(), 0);
    files.certify(&files.authority);
    output.finish().await;
    assert_eq!(receiver.taken(), all_uids());
}

#[tokio::test(start_paused = true)]
async fn syslog_shows_its_certificate_and_the_next_one_when_it_is_renewed() {
    let files = Files::new();
    let (port, taken) = syslog_receiver(files.authority.acceptor_for_clients("127.0.0.1")).await;
    files.certify(&Authority::new());
    let mut output = Output::start(syslog(port, files.with_certificate()));
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(output.counters.requests().iter().filter(|(code, _)| code == "delivered").count(), 0, "{:?}", output.counters.requests());
    assert!(taken.lock().unwrap().is_empty());
    files.certify(&files.authority);
    output.finish().await;
    assert_all_in(&taken).await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_may_be_for_another_name_when_that_is_said() {
    let files = Files::new();
    let named = TlsOptions { server_name: Some("elsewhere.example".into()), ..files.trusting() };
    let receiver = Receiver::start_tls([], Opens::Tls(files.authority.acceptor("elsewhere.example", 2099))).await;
    Output::start(https(&receiver, named.clone())).finish().await;
    assert_eq!(receiver.taken(), all_uids());
    let (port, taken) = syslog_receiver(files.authority.acceptor("elsewhere.example", 2099)).await;
    Output::start(syslog(port, named.clone())).finish().await;
    assert_all_in(&taken).await;
    // And for no other.
    let receiver = Receiver::start_tls([], Opens::Tls(files.authority.acceptor("127.0.0.1", 2099))).await;
    let (_, outcome) = squelch::outputs::send_test(https(&receiver, named)).await.unwrap();
    assert!(outcome.to_string().contains("not valid for name \"elsewhere.example\""), "{outcome}");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_speaks_only_old_tls_is_refused_when_that_is_said() {
    let files = Files::new();
    let receiver = Receiver::start_tls([], Opens::Tls(files.authority.acceptor_1_2("127.0.0.1"))).await;
    let (_, outcome) = squelch::outputs::send_test(https(&receiver, files.trusting())).await.unwrap();
    assert_eq!(outcome.to_string(), "delivered");
    let only_new = TlsOptions { only_1_3: true, ..files.trusting() };
    let (_, outcome) = squelch::outputs::send_test(https(&receiver, only_new)).await.unwrap();
    assert!(outcome.to_string().starts_with("TLS: "), "{outcome}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_stalls_is_given_up_with_the_time_for_connecting() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = TlsOptions { insecure_skip_verify: true, ..TlsOptions::default() };
    let http = to(Destination::Http(http_options(format!("https://127.0.0.1:{port}"), tls.clone())));
    for output in [http, syslog(port, tls)] {
        let started = tokio::time::Instant::now();
        let (_, outcome) = squelch::outputs::send_test(output).await.unwrap();
        assert!(started.elapsed().abs_diff(Duration::from_secs(5)) < Duration::from_millis(50), "{:?}: {outcome}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn without_check_of_certificates_anybody_will_do() {
    let receiver = Receiver::start_tls([], Opens::Tls(Authority::new().acceptor("elsewhere.example", 2020))).await;
    Output::start(https(&receiver, TlsOptions { insecure_skip_verify: true, ..TlsOptions::default() })).finish().await;
    assert_eq!(receiver.taken(), all_uids());
}

#[tokio::test(start_paused = true)]
async fn http_2_is_spoken_where_the_receiver_offers_it() {
    let files = Files::new();
    for (acceptor, expected) in [(files.authority.acceptor_h2("127.0.0.1"), "HTTP/2.0"), (files.authority.acceptor("127.0.0.1", 2099), "HTTP/1.1")] {
        let receiver = Receiver::start_tls([], Opens::Tls(acceptor)).await;
        Output::start(https(&receiver, files.trusting())).finish().await;
        assert_eq!(receiver.taken(), all_uids());
        let head = receiver.heads().swap_remove(0);
        assert!(head.lines().next().unwrap().ends_with(expected), "{head}");
        assert!(head.to_lowercase().contains("idempotency-key: "), "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_when_streams_of_http_2_break_or_hang() {
    let files = Files::new();
    for (does, code) in [(Does::Reset, "broken"), (Does::Close, "broken"), (Does::Hang, "timeout"), (Does::Answer(503, "", ""), "503")] {
        let plan = crate::receiver::Plan {
            then_opens: Opens::Tls(files.authority.acceptor_h2("127.0.0.1")),
            script: vec![does.clone(); 5],
            ..Default::default()
        };
        let receiver = Receiver::by(plan).await;
        let mut output = Output::start(https(&receiver, files.trusting()));
        output.finish().await;
        assert_eq!(receiver.taken(), all_uids(), "{does:?}");
        let requests = output.counters.requests();
        assert!(requests.iter().any(|(counted, count)| counted == code && *count == 5), "{does:?}: {requests:?}");
        // Who is silent may be gone: the next request does not go to the same connection. Others stay.
        let connections = match does {
            Does::Hang | Does::Close => 6,
            _ => 1,
        };
        assert_eq!(receiver.connections(), connections, "{does:?}");
    }
}

/// Files of a test, and the authority whose certificate is in `ca.pem`.
struct Files {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new() };
        replace(&this.path("ca.pem"), &this.authority.pem());
        this
    }
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    fn trusting(&self) -> TlsOptions {
        TlsOptions { ca_file: Some(self.path("ca.pem")), ..TlsOptions::default() }
    }
    fn with_certificate(&self) -> TlsOptions {
        TlsOptions { cert_file: Some(self.path("cert.pem")), key_file: Some(self.path("key.pem")), ..self.trusting() }
    }
    /// Puts a new certificate of ours in place.
    fn certify(&self, authority: &Authority) {
        let (certificate, key) = authority.certify("agent.example", 2099);
        replace(&self.path("cert.pem"), &certificate.pem());
        replace(&self.path("key.pem"), &key.serialize_pem());
    }
}

/// As those do who renew certificates: nobody sees half of it.
fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(next, path).unwrap();
}

fn https(receiver: &Receiver, tls: TlsOptions) -> OutputOptions {
    to(Destination::Http(http_options(format!("https://{}/in", receiver.address), tls)))
}

fn syslog(port: u16, tls: TlsOptions) -> OutputOptions {
    let destination = Destination::Syslog(SyslogOptions { host: "127.0.0.1".into(), port, tls: Some(tls), facility: 16, message_bytes_max: 8192 });
    OutputOptions { destination, ..http(String::new()) }
}

/// Takes what comes over TLS.
async fn syslog_receiver(acceptor: TlsAcceptor) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, taken) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<u8>>>::default());
    let takes = Arc::clone(&taken);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (acceptor, takes) = (acceptor.clone(), Arc::clone(&takes));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut bytes = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut bytes).await {
                    takes.lock().unwrap().extend_from_slice(&bytes[..length]);
                }
            });
        }
    });
    (port, taken)
}

async fn assert_all_in(taken: &Mutex<Vec<u8>>) {
    // Nobody says when it has read everything.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let taken = taken.lock().unwrap();
    for uid in all_uids() {
        assert!(memchr::memmem::find(&taken, uid.as_bytes()).is_some(), "{uid}");
    }
}
