//! SIGINT and SIGTERM: the first asks for the flush, the second ends squelch at once.

use crate::inputs::reader::Event;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::SyncSender;

/// Tells whether a signal came.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicI32>);

impl Stop {
    /// The signal that came first, if one did.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(signal),
        }
    }
}

/// Starts listening. `wake` is rung when a signal comes, for an engine thread that waits for input.
///
/// # Errors
/// When the system refuses the handlers.
pub fn listen(wake: Option<SyncSender<Event>>) -> io::Result<Stop> {
    let has_come = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The order of these two matters: the first signal finds the flag down and raises it, the second finds it raised.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&has_come))?;
        flag::register(signal, Arc::clone(&has_come))?;
    }
    let stop = Stop::default();
    let theirs = stop.clone();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in &mut signals {
            let _ = theirs.0.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed);
            if let Some(wake) = &wake {
                // A full channel means that the engine is awake.
                let _ = wake.try_send(Event::Wake);
            }
        }
    })?;
    Ok(stop)
}
