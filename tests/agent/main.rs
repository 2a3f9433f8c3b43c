//! The agent as a process, with real faults: killed, stopped, its receiver failing, its files rotated under it. An oracle says after each
//! story that every line was forwarded exactly once or is inside exactly one summary.
//!
//! ```text
//! writer (knows every line) -> files -> squelch run -> HTTP -> receiver (keeps every record) -> oracle (writer's lines == records)
//! ```

mod agent;
mod oracle;
mod receiver;
mod writer;

mod crashes;
mod outages;
mod reloads;
mod rotations;
mod soak;
mod sources;
