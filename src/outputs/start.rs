//! Starts the outputs of the agent: each one an encoder, a sender and a task.

use super::alerts;
use super::destination::{Destination, HttpOptions, LogOptions, OutputOptions, SyslogOptions};
use super::encode::nats::Nats;
use super::encode::syslog::Syslog;
use super::file::FileSender;
use super::http::{HttpError, HttpSender};
use super::nats::{NatsOptions, NatsSender};
use super::protocol::{self, LogSender};
use super::route::{RouteError, Router};
use super::stdout::StreamSender;
use super::tcp::TcpSender;
use super::timestamp::rfc3339;
use super::tls::TlsError;
use crate::clock;
use crate::delivery::task::{Ended, Setup, Stop};
use crate::delivery::{self, Batches, Counters, Encoder, Ndjson, Outcome, Request, Sender};
use crate::store::{BatchNumber, Cursor, Progress, Record, RecordKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Standard output, for people.
const STDOUT: &str = "standard output";

/// An output that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// HTTP.
    #[error("output {output}: {source}")]
    Http {
        /// Which one.
        output: String,
        /// Why.
        source: Box<HttpError>,
    },
    /// TLS without HTTP.
    #[error("output {output}: {source}")]
    Tls {
        /// Which one.
        output: String,
        /// Why.
        source: TlsError,
    },
    /// Its route.
    #[error("output {output}: {source}")]
    Route {
        /// Which one.
        output: String,
        /// Why.
        source: RouteError,
    },
}

/// What an output is joined to.
pub struct Links {
    /// Where its records come from; it has this reader for itself.
    pub batches: Box<dyn Batches>,
    /// The newest committed batch; at the start, the newest there is.
    pub news: watch::Receiver<BatchNumber>,
    /// Where it tells how far it came.
    pub progress: mpsc::Sender<Progress>,
    /// How far it came before.
    pub cursor: Cursor,
    /// What is asked of it.
    pub stop: watch::Receiver<Stop>,
    /// Its figures.
    pub counters: Arc<Counters>,
}

/// Starts an output as a task of the runtime that this is called in. It ends when it is asked to, or for good when nobody reads it any more
/// ([`Ended::Gone`]): then nothing need be kept for it.
///
/// # Errors
/// When its options make no output; a receiver that is not there is none.
pub fn start(output: OutputOptions, links: Links) -> Result<JoinHandle<Ended>, OutputError> {
    let OutputOptions { name, destination, route, delivery } = output;
    let route = if matches!(destination, Destination::Alert(_)) { alerts::only_storms(route) } else { route };
    let router = Router::new(&route).map_err(|source| OutputError::Route { output: name.clone(), source })?;
    // A local output has no fleet behind it and no order to break.
    let local = delivery::Options { start_spread: Duration::ZERO, ..delivery.clone() };
    Ok(match destination {
        Destination::Stdout => spawn(&name, local, router, Ndjson, StreamSender::new(STDOUT, std::io::stdout()), links, false),
        Destination::File(options) => spawn(&name, local, router, Ndjson, FileSender::new(options), links, false),
        Destination::Http(options) => {
            let sender = http_sender(name.clone(), options, &delivery)?;
            spawn(&name, delivery, router, Ndjson, sender, links, true)
        }
        Destination::Log(options) => {
            let records_max = delivery.batch_records_max.min(protocol::records_max(&options.protocol));
            let (encoder, sender) = log_parts(name.clone(), options, &delivery)?;
            spawn(&name, delivery::Options { batch_records_max: records_max, ..delivery }, router, encoder, sender, links, true)
        }
        Destination::Syslog(options) => {
            let (encoder, sender) = syslog_parts(name.clone(), options, &delivery)?;
            spawn(&name, delivery, router, encoder, sender, links, true)
        }
        Destination::Nats(options) => {
            let (encoder, sender) = nats_parts(name.clone(), options, &delivery)?;
            spawn(&name, delivery, router, encoder, sender, links, true)
        }
        Destination::Alert(options) => alerts::start(&name, options, delivery, router, links)?,
    })
}

/// Sends one harmless record, once, and says where to and what came of it: `squelch check --send-test`.
///
/// # Errors
/// When the options make no output.
pub async fn send_test(output: OutputOptions) -> Result<(String, Outcome), OutputError> {
    let OutputOptions { name, destination, delivery, .. } = output;
    Ok(match destination {
        Destination::Stdout => send_one(Ndjson, StreamSender::new(STDOUT, std::io::stdout())).await,
        Destination::File(options) => send_one(Ndjson, FileSender::new(options)).await,
        Destination::Http(options) => send_one(Ndjson, http_sender(name, options, &delivery)?).await,
        Destination::Log(options) => {
            let (encoder, sender) = log_parts(name, options, &delivery)?;
            send_one(encoder, sender).await
        }
        Destination::Syslog(options) => {
            let (encoder, sender) = syslog_parts(name, options, &delivery)?;
            send_one(encoder, sender).await
        }
        Destination::Nats(options) => {
            let (encoder, sender) = nats_parts(name, options, &delivery)?;
            send_one(encoder, sender).await
        }
        Destination::Alert(options) => alerts::send_test(name, options, &delivery).await?,
    })
}

async fn send_one(mut encoder: impl Encoder, mut sender: impl Sender) -> (String, Outcome) {
    let now = rfc3339(clock::now());
    let uid = delivery::idempotency_key(["squelch test record", &now].into_iter());
    let json = format!(
        r#"{{"timestamp":"{now}","observed_timestamp":"{now}","severity_text":"info","severity_number":9,"body":"squelch test record: this output works","log.record.uid":"{uid}","squelch.stream":"squelch"}}"#
    );
    let mut request = Request { content_type: encoder.content_type(), idempotency_key: uid, records: 1, body: Vec::new() };
    encoder.encode(&[Record { kind: RecordKind::Line, json: json.as_bytes() }], &mut request.body);
    let outcome = sender.send(&request).await;
    (sender.target().to_owned(), outcome)
}

fn http_sender(output: String, options: HttpOptions, delivery: &delivery::Options) -> Result<HttpSender, OutputError> {
    HttpSender::new(options, delivery, None).map_err(|error| OutputError::Http { output, source: Box::new(error) })
}

fn log_parts(output: String, options: LogOptions, delivery: &delivery::Options) -> Result<(Box<dyn Encoder>, LogSender), OutputError> {
    protocol::parts(options, delivery).map_err(|error| OutputError::Http { output, source: Box::new(error) })
}

fn syslog_parts(output: String, options: SyslogOptions, delivery: &delivery::Options) -> Result<(Syslog, TcpSender), OutputError> {
    let encoder = Syslog { facility: options.facility, message_bytes_max: options.message_bytes_max };
    let sender = TcpSender::new(options, delivery).map_err(|source| OutputError::Tls { output, source })?;
    Ok((encoder, sender))
}

fn nats_parts(output: String, options: NatsOptions, delivery: &delivery::Options) -> Result<(Nats, NatsSender), OutputError> {
    let encoder = Nats { subject: options.subject.clone() };
    let sender = NatsSender::new(options, delivery).map_err(|source| OutputError::Tls { output, source })?;
    Ok((encoder, sender))
}

pub(super) fn spawn<E: Encoder + 'static, S: Sender + 'static>(
    name: &str,
    options: delivery::Options,
    router: Router,
    encoder: E,
    sender: S,
    links: Links,
    alerts_first: bool,
) -> JoinHandle<Ended> {
    let Links { batches, news, progress, cursor, stop, counters } = links;
    tokio::spawn(delivery::task::run(Setup {
        name: name.into(),
        options,
        // A record that a full store dropped has left its place empty.
        takes: Box::new(move |record| !record.json.is_empty() && router.takes(record)),
        encoder,
        sender,
        batches,
        news,
        progress,
        cursor,
        stop,
        counters,
        random: Box::new(rand::random::<f64>),
        alerts_first,
    }))
}
