//! Tailing files: discovery, identity, rotation. Polling is the truth, `notify` on directories only wakes the poller (squelch.md 9).

mod options;

pub use options::{Layout, Options, StartAt};

/// TEMPORARY
#[derive(Debug, Default)]
pub struct Counters {}
/// TEMPORARY
pub fn run(_: Options, _: Vec<crate::inputs::event::Position>, _: crate::inputs::event::Feeder, _: std::sync::Arc<Counters>, stop: std::sync::Arc<std::sync::atomic::AtomicBool>) {
    while !stop.load(std::sync::atomic::Ordering::Relaxed) { std::thread::sleep(std::time::Duration::from_millis(50)); }
}
