//! What an input of the agent tells the engine thread: bytes with their place, and what became of streams. Data and a bounded channel.
//!
//! The rule that makes a restart exact: a [`Data`] event carries the [`Position`] from which its input would go on *after* these bytes.
//! The engine thread commits positions in the same transaction as what it made of the bytes, so an input never decides by itself
//! what has been read.

use crate::record::Place;
use crate::time::UnixNanos;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// Events that wait for the engine thread: with chunks of [`CHUNK_BYTES`] at most 4 MiB are on their way. Full means: read later.
pub const EVENTS_MAX: usize = 64;

/// The most bytes an input puts into one [`Data`].
pub const CHUNK_BYTES: usize = 64 << 10;

/// Names a stream between an input and the engine thread. Never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamNumber(pub u64);

/// What a stream is, for people and for routing.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StreamInfo {
    /// The same after a restart: `file:/var/log/app.log`, `pod:NAMESPACE/POD/UID/CONTAINER`, `journal:ssh.service`, `stdin`, `syslog:NAME/PEER`.
    pub key: Box<str>,
    /// What output calls it: the path, `NAMESPACE/POD/CONTAINER`, the unit.
    pub label: Box<str>,
    /// OpenTelemetry's names of where it comes from: `log.file.path`, `k8s.namespace.name`, `k8s.pod.name`, `k8s.container.name`, `host.name` ...
    pub resource: Vec<(Box<str>, Box<str>)>,
    /// The input guarantees that one process writes it.
    pub is_instance: bool,
    /// How often the container was restarted, where the input knows (Kubernetes): feeds the crash-loop view.
    pub restarts: Option<u32>,
}

/// From where an input goes on after a restart. Opaque to everybody but the input that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// `INPUT/IDENTITY`, unique in the store: `files/803:1234:1`, `journal/cursor`.
    pub key: Box<str>,
    /// JSON of the input's own.
    pub value: Box<[u8]>,
}

/// Bytes of one stream.
#[derive(Debug)]
pub struct Data {
    /// Which stream.
    pub stream: StreamNumber,
    /// When they were read.
    pub arrival: UnixNanos,
    /// Where the first of them stood: makes record ids that are the same when they are read again.
    pub place: Place,
    /// The bytes. An input that can read again (files, journal) sends whole lines only; see [`Data::ends_line`].
    pub bytes: Vec<u8>,
    /// The last line is over although no newline ends it (its file is gone, its sender hung up).
    pub ends_line: bool,
    /// Where the input goes on after these bytes.
    pub position: Option<Position>,
}

/// Why lines were destroyed before they could be read. Counted outside the accounting identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LostReason {
    /// A file became shorter before its end was read.
    Truncated,
    /// A file was rotated away (and deleted or left the glob) before its end was read.
    RotatedAway,
    /// A datagram did not fit, or the kernel dropped it.
    Datagram,
    /// A source says that it suppressed messages itself.
    Suppressed,
    /// The journal was vacuumed under the cursor.
    Vacuumed,
}

impl LostReason {
    /// All of them, in order: metrics are born at zero.
    pub const ALL: [Self; 5] = [Self::Truncated, Self::RotatedAway, Self::Datagram, Self::Suppressed, Self::Vacuumed];

    /// The label in `squelch_lines_lost_at_source_total`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::RotatedAway => "rotated_away",
            Self::Datagram => "datagram",
            Self::Suppressed => "suppressed",
            Self::Vacuumed => "vacuumed",
        }
    }
}

/// What an input tells.
#[derive(Debug)]
pub enum Event {
    /// A stream is there. `is_backlog`: it starts *behind* (it is read from its beginning, or from an old position).
    Opened {
        /// Its number from now on.
        stream: StreamNumber,
        /// What it is.
        info: Arc<StreamInfo>,
        /// Whether it starts behind.
        is_backlog: bool,
    },
    /// Bytes.
    Data(Data),
    /// The stream has been read to its end: what comes now is new.
    CaughtUp(StreamNumber),
    /// The stream could not be read for a while (or is far behind): what comes now is old.
    FellBehind(StreamNumber),
    /// Something was destroyed before it could be read. `lines` is an estimate where only `bytes` is known (bytes / 100, at least 1).
    Lost {
        /// Why.
        reason: LostReason,
        /// How many lines, estimated.
        lines: u64,
        /// How many bytes; 0 where unknown.
        bytes: u64,
    },
    /// A position that is of no use any more (the file is gone and read to its end).
    Forgotten(Box<str>),
    /// A position changed without bytes (a file was renamed, or is finished).
    Moved(Position),
    /// Nothing more will come from a stream.
    Closed(StreamNumber),
    /// All that was sent so far by this input is taken into the engine when the sender of this event is answered; used by tests and at stop.
    Flush(tokio::sync::oneshot::Sender<()>),
}

/// The engine thread is gone: an input ends, too.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the engine has stopped")]
pub struct Stopped;

/// The sending end of the channel to the engine thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Feeder {
    events: mpsc::Sender<Event>,
    next_stream: Arc<AtomicU64>,
}

impl Feeder {
    /// A channel of at most [`EVENTS_MAX`] events.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Event>) {
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        (Self { events, next_stream: Arc::default() }, receiver)
    }

    /// A number for a new stream; tell it with [`Event::Opened`].
    #[must_use]
    pub fn next_stream(&self) -> StreamNumber {
        StreamNumber(self.next_stream.fetch_add(1, Ordering::Relaxed))
    }

    /// Waits for room, then hands the event over.
    ///
    /// # Errors
    /// The engine thread is gone.
    pub async fn send(&self, event: Event) -> Result<(), Stopped> {
        self.events.send(event).await.map_err(|_| Stopped)
    }

    /// The same for a plain thread.
    ///
    /// # Errors
    /// The engine thread is gone.
    pub fn send_blocking(&self, event: Event) -> Result<(), Stopped> {
        self.events.blocking_send(event).map_err(|_| Stopped)
    }

    /// Whether the engine thread is gone.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.events.is_closed()
    }
}
