//! A proxy of the environment, the way people set one: by variables of the process that `squelch check --send-test` is.

use crate::authority::Authority;
use crate::receiver::{Does, Opens, Receiver};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

#[tokio::test]
async fn http_goes_through_the_proxy_which_finds_the_host() {
    let proxy = Proxy::start().await;
    let said = send_test("http://logs.internal.invalid/in", "", &[("HTTP_PROXY", &proxy.url())]).await;
    assert!(said.contains("http://logs.internal.invalid/in took the test record"), "{said}");
    assert_eq!(proxy.asked(), ["POST http://logs.internal.invalid/in HTTP/1.1"]);
}

#[tokio::test]
async fn https_goes_through_a_tunnel_and_the_certificate_is_that_of_the_receiver() {
    let (proxy, authority) = (Proxy::start().await, Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let receiver = Receiver::start_tls([], Opens::Tls(authority.acceptor("localhost", 2099))).await;
    let url = format!("https://localhost:{}/in", receiver.address.port());
    let tls = format!("tls = {{ ca_file = \"{}\" }}", ca_file.display());
    let said = send_test(&url, &tls, &[("HTTPS_PROXY", &proxy.url())]).await;
    assert!(said.contains(&format!("{url} took the test record")), "{said}");
    assert_eq!(proxy.asked(), [format!("CONNECT localhost:{} HTTP/1.1", receiver.address.port())]);
    assert_eq!(receiver.requests(), 1);
    // A proxy that is not there is no reason to go without it.
    let said = send_test(&url, &tls, &[("HTTPS_PROXY", "http://127.0.0.1:1")]).await;
    assert!(said.contains("did not take the test record: connection refused"), "{said}");
    assert_eq!(receiver.requests(), 1);
}

#[tokio::test]
async fn what_stands_in_no_proxy_is_spoken_to_directly() {
    let proxy = Proxy::start().await;
    let receiver = Receiver::start([], Does::Fine).await;
    let said = send_test(&receiver.url(), "", &[("http_proxy", &proxy.url()), ("NO_PROXY", "10.0.0.0/8,127.0.0.1")]).await;
    assert!(said.contains("took the test record"), "{said}");
    assert_eq!((proxy.asked().len(), receiver.requests()), (0, 1));
}

/// What `squelch check --send-test` says with these variables.
async fn send_test(url: &str, more: &str, variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("squelch.toml");
    let state = folder.path().join("state");
    std::fs::write(&file, format!("state_dir = \"{}\"\n[outputs.logs]\ntype = \"http\"\nurl = \"{url}\"\n{more}\n", state.display())).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_squelch"));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD"] {
        command.env_remove(name);
    }
    let output = command.arg("check").arg("--config").arg(&file).arg("--send-test").envs(variables.iter().copied()).output().await.unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Remembers what it is asked for, tunnels to this host, and says yes to everything else.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let asked = Arc::clone(&this.asked);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&asked)));
            }
        });
        this
    }
    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let first = String::from_utf8_lossy(&head).lines().next().unwrap().to_owned();
    asked.lock().unwrap().push(first.clone());
    let Some(target) = first.strip_prefix("CONNECT localhost:").and_then(|rest| rest.split(' ').next()) else {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        // Reading on keeps the answer from being overtaken by a reset.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        return;
    };
    let mut receiver = TcpStream::connect(("127.0.0.1", target.parse().unwrap())).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let _ = copy_bidirectional(&mut stream, &mut receiver).await;
}
