//! squelch about itself: metrics, health, the API of current storms, its own log, systemd.
//!
//! ```text
//! engine thread --publish once per commit--> Status --read at scrape time--> /metrics, /livez, /readyz, /api/v1/*
//! outputs, inputs --atomics, behind `Collects`--------^
//! tracing events --> format --> an engine of their own --> stderr
//! ```
//! Nothing here decides anything about lines, and nothing here is on their path: a scrape that hangs or a log that repeats costs the
//! pipeline nothing.

mod error;
pub mod gaps;
pub mod http;
pub mod log;
pub mod metrics;
mod process;
pub mod retries;
pub mod status;
pub mod systemd;
pub mod tally;

pub use error::TelemetryError;
pub use metrics::{Collects, Samples};
pub use retries::Retries;
pub use status::{Publisher, Status, Subscriber};
pub use tally::Tally;

/// At most `bytes` of `text`, cut between characters.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
