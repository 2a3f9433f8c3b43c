//! Publishes records to NATS JetStream: a message per record, a request's messages one after the other, each acknowledged by the stream.
//!
//! Sent again, a message is one that the stream has already (`Nats-Msg-Id` is the record's id) as long as that lies within the stream's
//! duplicate window: two minutes when nothing else is set, so a stream for logs wants more (`--dupe-window 1h`).
//!
//! # Why not a library
//!
//! `async-nats` (0.51) is well kept, and was measured: without default features, with `jetstream`, `ring` and `nkeys`, it adds 40 crates to
//! the 206 of this program (a second generation of SHA-2, Ed25519, `rand` and `time` among them). And it has what must not be here: a task that
//! reconnects on its own, with a buffer of its own, beside the one policy that paces everything squelch sends. What is used of the
//! protocol is seven lines of text (`INFO`, `CONNECT`, `SUB`, `HPUB`, `HMSG`, `PING`, `-ERR`) that have not changed since headers came in 2020;
//! signatures come from `ring`, which TLS brings anyway. So it is spoken here.

mod answer;
mod connection;
mod nkey;
mod options;
mod wire;

pub use options::{INBOX_PREFIX_DEFAULT, NatsAuth, NatsOptions, ServerUrl};

use super::encode::nats::{Frame, frames};
use super::resolver::Resolver;
use super::tls::{TlsError, client_config};
use crate::clock;
use crate::delivery::task::local_trouble;
use crate::delivery::{self, Outcome, Request, Sender, Unreachable};
use connection::{Acks, Connection};
use std::time::Duration;
use tokio::time::Instant;

/// A connection that nothing is sent on answers the server's pings so often: it asks each two minutes and gives up after two without answer.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Publishes to JetStream.
pub struct NatsSender {
    options: NatsOptions,
    target: String,
    delivery: delivery::Options,
    resolver: Resolver,
    connection: Option<Connection>,
    /// The server that is tried first.
    next_server: usize,
    look_at: Instant,
}

impl NatsSender {
    /// Checks the options; connects nowhere.
    ///
    /// # Errors
    /// When a TLS file is of no use.
    pub fn new(options: NatsOptions, delivery: &delivery::Options) -> Result<Self, TlsError> {
        client_config(&options.tls)?;
        let target = options.urls.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        if options.tls.insecure_skip_verify {
            tracing::warn!("{target}: insecure_skip_verify is set: whoever answers gets the records");
        }
        // A fleet does not begin with the same server.
        let next_server = rand::random_range(0..options.urls.len().max(1));
        Ok(Self {
            options,
            target,
            delivery: delivery.clone(),
            resolver: Resolver::new(delivery.connect_timeout),
            connection: None,
            next_server,
            look_at: clock::monotonic_in_tokio(),
        })
    }

    async fn publish(&mut self, frames: &[Frame<'_>], acks: &mut Acks) -> Result<(), Outcome> {
        let mut kept = self.connection.take();
        if let Some(connection) = &mut kept
            && !connection.is_there().await
        {
            kept = None;
        }
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        connection.publish(frames, acks).await?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Tries each server once. When to try again is the policy's business.
    async fn connect(&mut self) -> Result<Connection, Outcome> {
        let mut last = local_trouble("no server is named");
        for _ in 0..self.options.urls.len() {
            let server = &self.options.urls[self.next_server % self.options.urls.len()];
            let within = self.delivery.connect_timeout;
            let opening = tokio::time::timeout(within, Connection::open(&self.options, server, &self.resolver)).await;
            match opening.unwrap_or_else(|_| Err(no_answer(format!("no connection to {server}"), within))) {
                Ok(connection) => return Ok(connection),
                Err(trouble) => last = trouble,
            }
            self.next_server = (self.next_server + 1) % self.options.urls.len();
        }
        Err(last)
    }
}

impl Sender for NatsSender {
    fn target(&self) -> &str {
        &self.target
    }

    async fn send(&mut self, request: &Request) -> Outcome {
        let Some(frames) = frames(&request.body) else { return local_trouble("the request is not what the encoder writes") };
        let deadline = clock::monotonic_in_tokio() + self.delivery.timeout;
        let mut acks: Acks = vec![None; frames.len()];
        let trouble = match tokio::time::timeout_at(deadline, self.publish(&frames, &mut acks)).await {
            Ok(result) => result.err(),
            Err(_) => Some(no_answer("no acknowledgement".into(), self.delivery.timeout)),
        };
        if trouble.is_some() {
            // A server that hangs must not be the only one that is ever tried.
            self.next_server = (self.next_server + 1) % self.options.urls.len().max(1);
        }
        self.look_at = clock::monotonic_in_tokio() + LOOK_EVERY;
        answer::outcome(acks, trouble)
    }

    fn remind_at(&self) -> Option<Instant> {
        self.connection.as_ref().map(|_| self.look_at)
    }

    /// Answers the server's pings, so that a quiet output keeps its connection.
    async fn remind(&mut self) {
        self.look_at = clock::monotonic_in_tokio() + LOOK_EVERY;
        if let Some(mut connection) = self.connection.take()
            && tokio::time::timeout(self.delivery.connect_timeout, connection.is_there()).await == Ok(true)
        {
            self.connection = Some(connection);
        }
    }
}

fn no_answer(what: String, within: Duration) -> Outcome {
    Outcome::Unreachable { kind: Unreachable::Timeout, words: format!("{what} within {}s", within.as_secs_f64()) }
}

#[cfg(test)]
mod fake_server;
#[cfg(test)]
mod tests;
