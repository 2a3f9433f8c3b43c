//! Where bytes come from: files (plain, gzip, zstd), named pipes, standard input, and recorded replays.
//!
//! ```text
//! regular files  --merge (in time order)--> engine thread      no other thread: reading never blocks for long
//! pipes          --reader thread each--> bounded channel --> engine thread
//! replay         --rows with their own clock--> engine thread
//! ```
//! Knows nothing of the engine or of outputs: it hands out bytes.

pub mod event;
pub mod file;
pub mod journald;
pub mod merge;
pub mod open;
pub mod reader;
pub mod replay;
pub mod stdin;
pub mod syslog;
