//! Sends a body by HTTP POST, once, and says what came of it. Used by every output that speaks HTTP; [`by_status`] serves those that
//! need to read no more than the status.
//!
//! Redirects are not followed. The proxy is the environment's (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, in lower case, too). HTTP/2 is
//! spoken where TLS agrees on it. Answers are read up to [`ANSWER_BYTES_MAX`]. Certificates, keys and tokens in files are read again when the
//! files change. Names are [`resolver`](super::resolver)'s.
//!
//! Every wait has an end: a name and a connection (the handshake of TLS and the CONNECT of a proxy included) within `connect_timeout`, all of it
//! up to the last byte of the answer within `timeout`, or the last byte within `REST_OF_ANSWER` where the status says everything.

use super::answer::{Answer, by_status, by_status_but_no_page, of_error, retry_after};
use super::destination::{Auth, Compression, HttpOptions, TlsOptions};
use super::resolver::Resolver;
use super::tls;
use crate::clock;
use crate::delivery::task::local_trouble;
use crate::delivery::{self, Outcome, Request, Sender, Unreachable};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most bytes of an answer that are read: enough for the reason, or for an error for each of the 1,000 items of a bulk request.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// How long the rest of an answer is waited for when its status has said everything.
const REST_OF_ANSWER: Duration = Duration::from_secs(1);

/// Fast: a request is a MiB at most and the receiver's bandwidth is rarely what is short.
const GZIP_LEVEL: u32 = 3;
const ZSTD_LEVEL: i32 = 3;

/// An HTTP output that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No URL.
    #[error("url `{url}`: {reason}")]
    Url {
        /// As it was given, without what may be secret in it.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// No header.
    #[error("header `{0}`: names are letters, digits and `-`, values have no line breaks")]
    Header(String),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// What the client says.
    #[error("HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// What an answer means; by its status in the simplest case.
pub type ReadAnswer = fn(&Answer, records: usize) -> Outcome;

/// Sends by POST.
pub struct HttpSender {
    url: Url,
    target: String,
    headers: HeaderMap,
    auth: AuthState,
    compression: Compression,
    tls: TlsOptions,
    delivery: delivery::Options,
    resolver: Resolver,
    client: Client,
    /// What the client was built from.
    tls_config: ClientConfig,
    /// State of the TLS files that this was made of.
    files: Vec<Option<Stamp>>,
    read_answer: Option<ReadAnswer>,
    /// Whether a web page may be the answer of this receiver.
    takes_pages: bool,
    /// A parameter of the URL that carries the idempotency key.
    key_parameter: Option<&'static str>,
    /// A URL as people may see it.
    show: Show,
}

type Show = fn(&str) -> String;

enum AuthState {
    None,
    Fixed(HeaderValue),
    File { path: PathBuf, read: Option<(Stamp, HeaderValue)> },
}

/// Tells whether a file changed. Kubernetes replaces files behind symlinks: the inode changes.
type Stamp = (u64, u64, i64, i64, u64);

impl HttpSender {
    /// Checks the options and builds the client; connects nowhere. Without `read_answer` the status decides.
    ///
    /// # Errors
    /// When the URL, a header or a TLS file is of no use.
    pub fn new(options: HttpOptions, delivery: &delivery::Options, read_answer: Option<ReadAnswer>) -> Result<Self, HttpError> {
        Self::build(options, delivery, read_answer, without_secrets)
    }

    /// The same for a URL whose path is a key, as those of chat rooms are: only its host is shown.
    ///
    /// # Errors
    /// When the URL, a header or a TLS file is of no use.
    pub fn with_secret_path(options: HttpOptions, delivery: &delivery::Options, read_answer: Option<ReadAnswer>) -> Result<Self, HttpError> {
        Self::build(options, delivery, read_answer, without_path)
    }

    fn build(options: HttpOptions, delivery: &delivery::Options, read_answer: Option<ReadAnswer>, show: Show) -> Result<Self, HttpError> {
        let HttpOptions { url, headers, auth, tls, compression } = options;
        let shown = show(&url);
        let mut url = Url::parse(&url).map_err(|error| HttpError::Url { url: shown.clone(), reason: error.to_string() })?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(HttpError::Url { url: shown, reason: "write http://HOST or https://HOST".into() });
        }
        let auth = match auth {
            Auth::None if !url.username().is_empty() => AuthState::Fixed(secret_header(
                "Basic",
                &BASE64_STANDARD.encode(format!("{}:{}", url.username(), url.password().unwrap_or_default())),
            )?),
            Auth::None => AuthState::None,
            Auth::Bearer(token) => AuthState::Fixed(secret_header("Bearer", token.expose_secret())?),
            Auth::Basic { user, password } => {
                AuthState::Fixed(secret_header("Basic", &BASE64_STANDARD.encode(format!("{user}:{}", password.expose_secret())))?)
            }
            Auth::BearerFile(path) => AuthState::File { path, read: None },
        };
        // They are in the header now; both calls only fail for URLs without host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let resolver = Resolver::new(delivery.connect_timeout);
        // Before they are read: what changes meanwhile is read again.
        let files = stamps(&tls);
        let tls_config = tls::client_config(&tls)?;
        let client = client(tls_config.clone(), delivery, &resolver)?;
        if tls.insecure_skip_verify {
            tracing::warn!("{shown}: insecure_skip_verify is set: whoever answers gets the records");
        }
        Ok(Self {
            target: show(url.as_str()),
            url,
            headers: header_map(headers)?,
            auth,
            compression,
            files,
            tls,
            delivery: delivery.clone(),
            resolver,
            client,
            tls_config,
            read_answer,
            takes_pages: true,
            key_parameter: None,
            show,
        })
    }

    /// The idempotency key of each request goes into this parameter of the URL, too, for receivers that read no header.
    #[must_use]
    pub fn with_key_parameter(self, name: &'static str) -> Self {
        Self { key_parameter: Some(name), ..self }
    }

    /// This receiver has a protocol in which no answer is a web page: who answers with one is somebody else.
    #[must_use]
    pub fn without_pages(self) -> Self {
        Self { takes_pages: false, ..self }
    }

    async fn try_once(&mut self, request: &Request) -> Result<Outcome, Outcome> {
        let answer = self.ask(request).await?;
        Ok(match self.read_answer {
            Some(read) => read(&answer, request.records),
            None if self.takes_pages => by_status(&answer),
            None => by_status_but_no_page(&answer),
        })
    }

    /// Sends a request and gives the answer as it came, for protocols that ask more than one question.
    ///
    /// # Errors
    /// What it means that none came.
    pub(super) async fn ask(&mut self, request: &Request) -> Result<Answer, Outcome> {
        self.renew_client()?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(request.content_type));
        if let Ok(key) = HeaderValue::from_str(&request.idempotency_key) {
            headers.insert(HeaderName::from_static("idempotency-key"), key);
        }
        if let Some(value) = self.authorization()? {
            headers.insert(AUTHORIZATION, value);
        }
        let (body, encoding) = compressed(&request.body, self.compression).map_err(local_trouble)?;
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        let mut url = self.url.clone();
        if let Some(name) = self.key_parameter {
            url.query_pairs_mut().append_pair(name, &request.idempotency_key);
        }
        let post = self.client.post(url).headers(headers).body(body).send();
        let deadline = clock::monotonic_in_tokio() + self.delivery.timeout;
        let response = tokio::time::timeout_at(deadline, post).await.map_err(|_| self.no_answer())?;
        let mut response = response.map_err(|error| {
            let (is_connect, is_timeout) = (error.is_connect(), error.is_timeout());
            of_error(&error.without_url(), is_connect, is_timeout)
        })?;
        let mut answer = Answer {
            status: response.status().as_u16(),
            retry_after: header(&response, &RETRY_AFTER).and_then(|value| retry_after(value, clock::now())),
            location: header(&response, &LOCATION).map(self.show),
            ..Answer::default()
        };
        let until = if self.read_answer.is_some() { deadline } else { deadline.min(clock::monotonic_in_tokio() + REST_OF_ANSWER) };
        let rest = tokio::time::timeout_at(until, read_body(&mut response, &mut answer.body)).await;
        answer.is_whole = matches!(rest, Ok(Ok(())));
        Ok(answer)
    }

    fn no_answer(&self) -> Outcome {
        Outcome::Unreachable { kind: Unreachable::Timeout, words: format!("no answer within {}s", self.delivery.timeout.as_secs_f64()) }
    }

    /// Certificates and keys are renewed under us: when their files change there is a new client.
    fn renew_client(&mut self) -> Result<(), Outcome> {
        let files = stamps(&self.tls);
        if files != self.files {
            self.tls_config = tls::client_config(&self.tls).map_err(local_trouble)?;
            self.client = client(self.tls_config.clone(), &self.delivery, &self.resolver).map_err(local_trouble)?;
            self.files = files;
            tracing::info!("{}: certificates changed, connecting with the new ones", self.target);
        }
        Ok(())
    }

    /// What stays silent is not asked again on the same connection. With HTTP/2 it would be: a request that is given up ends its stream alone,
    /// and the next ones would go to a peer that may be long gone, for as long as the kernel believes in it.
    fn hang_up(&mut self) {
        match client(self.tls_config.clone(), &self.delivery, &self.resolver) {
            Ok(client) => self.client = client,
            Err(error) => tracing::debug!("{}: {error}; the connections at hand stay", self.target),
        }
    }

    fn authorization(&mut self) -> Result<Option<HeaderValue>, Outcome> {
        match &mut self.auth {
            AuthState::None => Ok(None),
            AuthState::Fixed(value) => Ok(Some(value.clone())),
            AuthState::File { path, read } => {
                let trouble = |reason: String| local_trouble(format_args!("token file {}: {reason}", path.display()));
                let Some(stamp) = stamp(path) else { return Err(trouble("it is not there".into())) };
                if read.as_ref().is_none_or(|(before, _)| *before != stamp) {
                    let token = std::fs::read_to_string(&*path).map_err(|error| trouble(error.to_string()))?;
                    let value = secret_header("Bearer", token.trim()).map_err(|_| trouble("what it holds is no token".into()))?;
                    *read = Some((stamp, value));
                }
                Ok(read.as_ref().map(|(_, value)| value.clone()))
            }
        }
    }
}

impl Sender for HttpSender {
    fn target(&self) -> &str {
        &self.target
    }
    async fn send(&mut self, request: &Request) -> Outcome {
        let outcome = self.try_once(request).await.unwrap_or_else(|outcome| outcome);
        if let Outcome::Unreachable { kind: Unreachable::Timeout | Unreachable::Garbage, .. } = outcome {
            self.hang_up();
        }
        outcome
    }
}

fn client(tls: ClientConfig, delivery: &delivery::Options, resolver: &Resolver) -> Result<Client, HttpError> {
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("squelch/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // Retrying is the policy's business alone.
        .retry(reqwest::retry::never())
        .dns_resolver(resolver.clone())
        .connect_timeout(delivery.connect_timeout)
        // Shorter than what load balancers allow, so that they do not close a connection under a request.
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(1)
        .tcp_keepalive(Duration::from_secs(30));
    Ok(client.build()?)
}

fn header<'a>(response: &'a Response, name: &HeaderName) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

async fn read_body(response: &mut Response, body: &mut Vec<u8>) -> reqwest::Result<()> {
    while body.len() < ANSWER_BYTES_MAX
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk[..chunk.len().min(ANSWER_BYTES_MAX - body.len())]);
    }
    Ok(())
}

fn compressed(body: &[u8], how: Compression) -> std::io::Result<(Vec<u8>, Option<&'static str>)> {
    Ok(match how {
        Compression::None => (body.to_vec(), None),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::new(GZIP_LEVEL));
            encoder.write_all(body)?;
            (encoder.finish()?, Some("gzip"))
        }
        Compression::Zstd => (zstd::bulk::compress(body, ZSTD_LEVEL)?, Some("zstd")),
    })
}

fn header_map(headers: Vec<(String, SecretString)>) -> Result<HeaderMap, HttpError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let wrong = || HttpError::Header(name.clone());
        let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        map.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?, value);
    }
    Ok(map)
}

fn secret_header(scheme: &str, value: &str) -> Result<HeaderValue, HttpError> {
    let mut header = HeaderValue::from_str(&format!("{scheme} {value}")).map_err(|_| HttpError::Header("Authorization".into()))?;
    header.set_sensitive(true);
    Ok(header)
}

/// A URL for people: no user, no password, no query (keys stand there, too).
fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or_default();
    if scheme.is_empty() { format!("{host}{path}") } else { format!("{scheme}://{host}{path}") }
}

/// A URL for people whose path is a key.
fn without_path(url: &str) -> String {
    let url = without_secrets(url);
    let from = url.find("://").map_or(0, |at| at + 3);
    url[from..].find('/').map_or(url.clone(), |at| url[..from + at].to_owned())
}

fn stamps(tls: &TlsOptions) -> Vec<Option<Stamp>> {
    [&tls.ca_file, &tls.cert_file, &tls.key_file].into_iter().flatten().map(|path| stamp(path)).collect()
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> HttpOptions {
        HttpOptions { url: url.into(), headers: vec![], auth: Auth::None, tls: TlsOptions::default(), compression: Compression::None }
    }

    fn error(options: HttpOptions) -> String {
        HttpSender::new(options, &delivery::Options::default(), None).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_cannot_be_a_receiver_is_said_at_the_start() {
        assert_eq!(error(options("ftp://logs/x")), "url `ftp://logs/x`: write http://HOST or https://HOST");
        assert_eq!(error(options("http://ada:pw@:80/x?key=1")), "url `http://:80/x`: empty host");
        let header = HttpOptions { headers: vec![("X Y".into(), "v".to_owned().into())], ..options("http://logs/x") };
        assert_eq!(error(header), "header `X Y`: names are letters, digits and `-`, values have no line breaks");
    }

    #[test]
    fn secrets_are_not_part_of_the_target() {
        let sender = HttpSender::new(options("https://ada:pw@logs.example:8443/in/x?token=abc"), &delivery::Options::default(), None).unwrap();
        assert_eq!(sender.target(), "https://logs.example:8443/in/x");
        assert!(matches!(sender.auth, AuthState::Fixed(_)));
        assert_eq!(sender.url.as_str(), "https://logs.example:8443/in/x?token=abc");
        let sender = HttpSender::with_secret_path(options("https://hooks.example/services/T1/B2/key"), &delivery::Options::default(), None).unwrap();
        assert_eq!(sender.target(), "https://hooks.example");
    }

    #[test]
    fn bodies_are_compressed_as_asked() {
        let body = b"{\"a\":1}\n".repeat(100);
        assert_eq!(compressed(&body, Compression::None).unwrap(), (body.clone(), None));
        let (zstd, name) = compressed(&body, Compression::Zstd).unwrap();
        assert_eq!((zstd::stream::decode_all(zstd.as_slice()).unwrap(), name), (body.clone(), Some("zstd")));
        let (gzip, name) = compressed(&body, Compression::Gzip).unwrap();
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(gzip.as_slice()), &mut plain).unwrap();
        assert_eq!((plain, name), (body, Some("gzip")));
    }

    #[test]
    fn a_token_file_is_read_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let with_file = HttpOptions { auth: Auth::BearerFile(path.clone()), ..options("http://logs/x") };
        let mut sender = HttpSender::new(with_file, &delivery::Options::default(), None).unwrap();
        assert!(sender.authorization().unwrap_err().to_string().ends_with("token: it is not there"));
        std::fs::write(&path, "one\n").unwrap();
        assert_eq!(sender.authorization().unwrap().unwrap(), "Bearer one");
        let next = folder.path().join("next");
        std::fs::write(&next, "two\n").unwrap();
        std::fs::rename(next, &path).unwrap();
        assert_eq!(sender.authorization().unwrap().unwrap(), "Bearer two");
    }
}
