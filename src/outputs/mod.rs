//! What leaves squelch in a pipe: survivors, summaries and alerts as text ([`text`]) or NDJSON ([`json`]), the accounting ([`stats`]),
//! and the thread that writes to standard output ([`writer`]).
//!
//! Encoding is pure (bytes into a buffer). Knows nothing of inputs. Of the pipe's files only [`writer`] does I/O; the agent's outputs
//! ([`start()`]: [`stdout`], [`mod@file`], [`http`], [`tcp`], [`nats`]) send what is committed, under the policy of `delivery`, in the forms of [`encode`].
//! Who connects finds addresses by [`resolver`].

pub mod alerts;
pub mod answer;
pub mod destination;
pub mod encode;
pub mod escape;
pub mod file;
pub mod footer;
pub mod http;
pub mod json;
pub mod nats;
pub mod protocol;
mod recent;
pub mod record_json;
pub mod resolver;
pub mod route;
pub mod splunk;
mod start;
pub mod stats;
pub mod stdout;
pub mod storm_record;
pub mod storm_text;
pub mod style;
pub mod summary_line;
pub mod tcp;
pub mod text;
pub mod timestamp;
pub mod tls;
pub mod uid;
pub mod writer;

pub use start::{Links, OutputError, send_test, start};

use crate::engine::{Engine, Sink};
use crate::record::StreamId;
use crate::time::UnixNanos;
use record_json::Fields;
use std::borrow::Cow;
use uid::LineUid;

/// A [`Sink`] with the few things a face needs beside records.
pub trait Output: Sink {
    /// A stream was opened. `epoch` tells two runs over a live stream apart in record ids; it is 0 for files.
    fn name_stream(&mut self, stream: StreamId, label: &str, epoch: UnixNanos, is_file: bool);
    /// The time of what comes next.
    fn set_now(&mut self, now: UnixNanos);
    /// Nothing more to read at this moment: what is buffered must go out.
    fn idle(&mut self);
    /// Called after each chunk; may redraw a live view. Returns when it wants to be called again, if there is something to redraw.
    fn show_activity(&mut self, now: UnixNanos, engine: &Engine) -> Option<UnixNanos>;
    /// Whether nobody reads any more.
    fn is_closed(&self) -> bool;
}

/// Names of streams by their index, for outputs.
#[derive(Debug, Default)]
pub struct StreamNames(Vec<StreamName>);

/// What an output knows of a stream.
#[derive(Clone, Debug, Default)]
pub struct StreamName {
    /// File name, `stdin`, or the stream of a replay.
    pub label: String,
    /// See [`Output::name_stream`].
    pub epoch: UnixNanos,
    /// Whether the label is the path of a file.
    pub is_file: bool,
    /// Records forwarded so far: the sequence number in record ids.
    pub forwarded: u64,
    /// Where it comes from, by OpenTelemetry's names.
    pub resource: Vec<(Box<str>, Box<str>)>,
    /// Makes the ids of its lines.
    pub uid: LineUid,
}

impl StreamName {
    /// The node, and what the input knows of the stream.
    fn resource_fields<'a>(&'a self, node: &'a str) -> Fields<'a> {
        let node = (!node.is_empty()).then_some(("host.name", Cow::Borrowed(node)));
        let own = self.resource.iter().map(|(name, value)| (&**name, Cow::Borrowed(&**value)));
        Fields(node.into_iter().chain(own).collect())
    }
}

impl StreamNames {
    /// Remembers a stream.
    pub fn insert(&mut self, stream: StreamId, name: StreamName) {
        let at = stream.0 as usize;
        if self.0.len() <= at {
            self.0.resize_with(at + 1, StreamName::default);
        }
        self.0[at] = name;
    }
    /// A stream's name; a stream never named has an empty one.
    pub fn get_mut(&mut self, stream: StreamId) -> &mut StreamName {
        let at = stream.0 as usize;
        if self.0.len() <= at {
            self.0.resize_with(at + 1, StreamName::default);
        }
        &mut self.0[at]
    }
    /// How many streams there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
