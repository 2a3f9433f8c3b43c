//! The HTTP faces: metrics and health on one listener, the API of current storms on a loopback listener of its own or behind a token.
//!
//! | path | says |
//! |---|---|
//! | `/metrics` | everything countable, OpenMetrics or text 0.0.4 by `Accept` |
//! | `/livez` | 200 while the engine loop turns, else 503 |
//! | `/readyz` | 200 when the store and every input are open, else 503; receivers do not matter |
//! | `/api/v1/storms`, `/api/v1/status` | JSON with text of logs: loopback or token |
//!
//! One request per connection, GET only, bounded in number, time and bytes (`bounded`); the `Host` must be ours (`host`).

mod api;
mod bounded;
mod host;

use super::TelemetryError;
use super::metrics::{Format, Scraper};
use super::status::{BEAT_MAX, Subscriber};
use crate::config::SCRAPE_INTERVAL;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bounded::Bounded;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What is served, and where.
#[derive(Debug)]
pub struct Options {
    /// `/metrics`, `/livez`, `/readyz`; `None` = not served.
    pub listen: Option<SocketAddr>,
    /// `/api/v1/*`: a listener of its own. `None` = served beside the metrics if there is a token, else not at all.
    pub api_listen: Option<SocketAddr>,
    /// What `Authorization: Bearer` must say for `/api/v1/*`; may be missing on loopback only.
    pub api_token: Option<SecretString>,
    /// Names beside `localhost` and addresses by which we are asked: that of the node, of a service.
    pub hosts: Vec<String>,
    /// How long the counter of a new fingerprint stays at zero: the longest interval of all scrapers.
    pub held_at_zero: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { listen: None, api_listen: None, api_token: None, hosts: Vec::new(), held_at_zero: SCRAPE_INTERVAL }
    }
}

/// What runs. Ends when dropped.
#[derive(Debug)]
pub struct Server {
    /// Where metrics and health are served.
    pub address: Option<SocketAddr>,
    /// Where the API is served, if apart.
    pub api_address: Option<SocketAddr>,
    tasks: Vec<JoinHandle<io::Result<()>>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

#[derive(Debug)]
struct Face {
    subscriber: Subscriber,
    scraper: Scraper,
    hosts: Vec<String>,
    /// Its hash: what is compared.
    token: Option<[u8; 32]>,
}

/// Listens and serves until the [`Server`] is dropped. Needs a tokio runtime around it.
///
/// # Errors
/// An address cannot be had, or the API would be open to the network.
pub fn serve(options: Options, subscriber: &Subscriber) -> Result<Server, TelemetryError> {
    if let Some(address) = options.api_listen.filter(|address| !address.ip().is_loopback() && options.api_token.is_none()) {
        return Err(TelemetryError::TokenNeeded { address });
    }
    let face = Arc::new(Face {
        scraper: Scraper::new(subscriber.clone(), options.held_at_zero),
        subscriber: subscriber.clone(),
        hosts: options.hosts,
        token: options.api_token.map(|token| hash(token.expose_secret().as_bytes())),
    });
    let api = Router::new()
        .route("/api/v1/storms", get(storms))
        .route("/api/v1/status", get(status))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&face), with_token));
    let mut own = Router::new().route("/", get(index)).route("/metrics", get(metrics)).route("/livez", get(livez)).route("/readyz", get(readyz));
    let mut server = Server { address: None, api_address: None, tasks: Vec::new() };
    if let Some(address) = options.api_listen {
        server.api_address = Some(server.start("telemetry.api_listen", address, api, &face)?);
    } else if face.token.is_some() {
        own = own.merge(api);
    }
    if let Some(address) = options.listen {
        server.address = Some(server.start("telemetry.listen", address, own, &face)?);
    }
    Ok(server)
}

impl Server {
    fn start(&mut self, key: &'static str, address: SocketAddr, routes: Router<Arc<Face>>, face: &Arc<Face>) -> Result<SocketAddr, TelemetryError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => TelemetryError::InUse { key, address },
            _ => TelemetryError::Bind { key, address, source },
        };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let routes = routes.fallback(not_found).layer(middleware::from_fn_with_state(Arc::clone(face), for_us)).with_state(Arc::clone(face));
        self.tasks.push(tokio::spawn(axum::serve(Bounded::new(listener), routes).into_future()));
        Ok(bound)
    }
}

async fn metrics(State(face): State<Arc<Face>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::accepted_by(accept);
    ([(header::CONTENT_TYPE, format.content_type())], face.scraper.scrape(format)).into_response()
}

async fn livez(State(face): State<Arc<Face>>) -> Response {
    alive(face.subscriber.since_beat(face.subscriber.uptime())).into_response()
}

fn alive(since_beat: Duration) -> (StatusCode, String) {
    if since_beat < BEAT_MAX {
        (StatusCode::OK, "alive\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("the engine loop has not turned for {:.1}s\n", since_beat.as_secs_f64()))
    }
}

async fn readyz(State(face): State<Arc<Face>>) -> Response {
    match face.subscriber.status().readiness.missing() {
        None => "ready\n".into_response(),
        Some(missing) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {missing}\n")).into_response(),
    }
}

async fn index() -> &'static str {
    concat!("squelch ", env!("CARGO_PKG_VERSION"), "\n/metrics  /livez  /readyz\n")
}

async fn storms(State(face): State<Arc<Face>>) -> Response {
    json(&api::storms(&face.subscriber.status()))
}

async fn status(State(face): State<Arc<Face>>) -> Response {
    json(&api::status(&face.subscriber, &face.subscriber.status()))
}

async fn not_found() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "nothing is served here; see /\n")
}

fn json(value: &serde_json::Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], format!("{value}\n")).into_response()
}

/// Before anything else: is the request for us? After: the connection is over, nobody keeps or guesses at what was said.
async fn for_us(State(face): State<Arc<Face>>, request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let is_ours = match (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) {
        (Some(host), None) => host::is_ours(host, &face.hosts),
        _ => false,
    };
    let mut response = if is_ours {
        next.run(request).await
    } else {
        (StatusCode::MISDIRECTED_REQUEST, "the Host of this request is not ours; ask by address, as localhost, or by the name of this node\n")
            .into_response()
    };
    let always: [(HeaderName, &str); 3] =
        [(header::CONNECTION, "close"), (header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    response.headers_mut().extend(always.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

/// The API wants the token, where there is one.
async fn with_token(State(face): State<Arc<Face>>, request: Request, next: Next) -> Response {
    let said = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes).and_then(|said| said.strip_prefix(b"Bearer "));
    match &face.token {
        Some(token) if !said.is_some_and(|said| is_same(&hash(said), token)) => {
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], "send Authorization: Bearer and the token of telemetry.api_token\n")
                .into_response()
        }
        _ => next.run(request).await,
    }
}

fn hash(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Takes the same time wherever the two differ; of hashes, so that not even the length shows.
fn is_same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    std::hint::black_box(a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b))) == 0
}

#[cfg(test)]
mod tests;
