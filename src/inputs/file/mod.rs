//! Tailing files: discovery, identity, rotation. Polling is the truth, `notify` on directories only wakes the poller (squelch.md 9).

mod options;

pub use options::{Layout, Options, StartAt};
