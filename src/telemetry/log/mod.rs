//! squelch's own log, on standard error: text or JSON, and through squelch's own collapsing, because a disk that is full is a message
//! that wants to be said each second.
//!
//! ```text
//! tracing event -> filter -> one line -> an engine of its own (small, bounded) -> stderr
//! ```
//! The first of anything passes at once. Repeats become `[squelch] "..." repeated 57 times`. This log is not read again by the agent:
//! inputs leave out its unit, its pod and its files.

mod own;
mod writer;

use super::TelemetryError;
use crate::clock;
use crate::outputs::timestamp::rfc3339;
use crate::time::UnixNanos;
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use writer::Collapsing;
pub use writer::Guard;

/// How the log looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The configuration's filter, in env-filter syntax; `SQUELCH_LOG` and then `RUST_LOG` come before it.
    pub filter: String,
    /// JSON instead of text.
    pub is_json: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { filter: "info".into(), is_json: false }
    }
}

/// How a line begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Look {
    is_json: bool,
    /// The journal reads the line: it has stamps of its own, and takes the level from a `<4>` before the text.
    for_journal: bool,
}

/// Messages by level, those that were collapsed included.
static MESSAGES: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];

/// Words of the levels, in the order of [`MESSAGES`].
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Messages so far, by level.
pub fn messages() -> impl Iterator<Item = (&'static str, u64)> {
    LEVELS.iter().zip(&MESSAGES).map(|(level, count)| (*level, count.load(Ordering::Relaxed)))
}

/// Starts the log of this process. Keep the guard until the end: dropping it writes what is still collapsed.
///
/// # Errors
/// The filter is none, or the log was started before.
pub fn init(options: &Options) -> Result<Guard, TelemetryError> {
    let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    let (place, filter) = filter_text(variable("SQUELCH_LOG"), variable("RUST_LOG"), &options.filter);
    let filter = parse_filter(place, filter)?;
    let look = Look { is_json: options.is_json, for_journal: is_journal(std::env::var("JOURNAL_STREAM").ok().as_deref()) };
    let (writer, guard) = Collapsing::start(Box::new(io::stderr()), look).map_err(TelemetryError::Thread)?;
    tracing::subscriber::set_global_default(subscriber(filter, look, writer)).map_err(|_| TelemetryError::LogIsRunning)?;
    Ok(guard)
}

/// Who decides what is logged: (where it stands, what it says).
fn filter_text(squelch_log: Option<String>, rust_log: Option<String>, configured: &str) -> (&'static str, String) {
    match (squelch_log, rust_log) {
        (Some(filter), _) => ("SQUELCH_LOG", filter),
        (None, Some(filter)) => ("RUST_LOG", filter),
        (None, None) => ("log.filter", configured.to_owned()),
    }
}

fn parse_filter(place: &'static str, filter: String) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::builder().parse(&filter).map_err(|source| TelemetryError::Filter { place, filter, source })
}

/// `JOURNAL_STREAM` names the device and inode of the journal's socket: it says something about us only if that is our standard error.
fn is_journal(journal_stream: Option<&str>) -> bool {
    let Some((device, inode)) = journal_stream.and_then(|stream| stream.split_once(':')) else { return false };
    let Ok(stderr) = std::fs::metadata("/proc/self/fd/2") else { return false };
    device.parse() == Ok(stderr.dev()) && inode.parse() == Ok(stderr.ino())
}

fn subscriber(filter: EnvFilter, look: Look, writer: Collapsing) -> Box<dyn Subscriber + Send + Sync> {
    let registry = tracing_subscriber::registry().with(filter).with(Counting);
    let format = tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).with_writer(writer);
    match (look.is_json, look.for_journal) {
        (true, _) => Box::new(registry.with(format.json().flatten_event(true).with_current_span(false).with_span_list(false).with_timer(Stamp))),
        (false, true) => Box::new(registry.with(format.without_time())),
        (false, false) => Box::new(registry.with(format.with_timer(Stamp))),
    }
}

/// `2026-11-25T12:01:00.020Z`: UTC, to the millisecond.
struct Stamp;

impl FormatTime for Stamp {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        out.write_str(&stamp(clock::now()))
    }
}

fn stamp(at: UnixNanos) -> String {
    let mut text = rfc3339(at);
    // From nanoseconds to milliseconds: the last seven characters are six digits and the Z.
    text.truncate(text.len() - 7);
    text.push('Z');
    text
}

/// Counts messages for `squelch_log_messages_total`.
struct Counting;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Counting {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let at = match *event.metadata().level() {
            Level::ERROR => 0,
            Level::WARN => 1,
            Level::INFO => 2,
            Level::DEBUG => 3,
            Level::TRACE => 4,
        };
        MESSAGES[at].fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
