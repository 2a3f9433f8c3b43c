//! Starts the outputs of the agent: each one an encoder, a sender and a task.

use super::destination::{Destination, OutputOptions};
use super::file::FileSender;
use super::http::{HttpError, HttpSender};
use super::route::{RouteError, Router};
use super::stdout::StreamSender;
use crate::delivery::task::{Ended, Setup, Stop};
use crate::delivery::{self, Batches, Counters, Encoder, Ndjson, Sender};
use crate::store::{BatchNumber, Cursor, Progress};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

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
    let router = Router::new(&route).map_err(|source| OutputError::Route { output: name.clone(), source })?;
    // A local output has no fleet behind it and no order to break.
    let local = delivery::Options { start_spread: Duration::ZERO, ..delivery.clone() };
    Ok(match destination {
        Destination::Stdout => spawn(&name, local, router, Ndjson, StreamSender::new("standard output", std::io::stdout()), links, false),
        Destination::File(options) => spawn(&name, local, router, Ndjson, FileSender::new(options), links, false),
        Destination::Http(options) => {
            let sender =
                HttpSender::new(options, &delivery, None).map_err(|error| OutputError::Http { output: name.clone(), source: Box::new(error) })?;
            spawn(&name, delivery, router, Ndjson, sender, links, true)
        }
    })
}

fn spawn<E: Encoder + 'static, S: Sender + 'static>(
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
        takes: Box::new(move |record| router.takes(record)),
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
