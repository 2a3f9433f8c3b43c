//! Tailing files: discovery, identity, rotation. Polling is the truth, `notify` on directories only wakes the poller (squelch.md 9).
//!
//! ```text
//! globs --discover--> (path, stat) --identity--> known file, renamed file, new file, another file in an old place
//!                                                    |
//!            streams: files of one log, oldest first, read to the end one after the other --Data + Position--> engine thread
//! ```
//!
//! What a file is: device and inode, a hash of its first KiB, a hash of the bytes before the offset. What is read: whole lines; a line
//! without its end stays unread until it has one, or until its file is over. So an offset always stands at the beginning of a line, and a
//! restart reads a line again as a whole or not at all. (A line longer than the limit is handed on in pieces.)

mod counters;
mod discover;
mod identity;
mod names;
mod options;
mod tailer;
mod thread;

#[cfg(test)]
mod tests;

pub use counters::Counters;
pub use options::{Layout, Options, StartAt};
pub use tailer::{Activity, Tailer};
pub use thread::run;
