//! Where the lines of our own log go: into the engine, out to standard error, and a thread that writes what falls due in silence.

use super::Look;
use super::own::OwnLog;
use crate::clock;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    log: OwnLog,
    to: Box<dyn Write + Send>,
    /// From then on lines go out as they come.
    is_finished: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write_out(&mut self) {
        // There is nobody to tell that the log cannot be written.
        let _ = self.to.write_all(self.log.out()).and_then(|()| self.to.flush());
        self.log.out().clear();
    }
}

/// The writer of the log's layer.
#[derive(Clone)]
pub(super) struct Collapsing(Arc<Shared>);

/// Keeps the log collapsing; dropped, it writes what is still held, and later lines go out uncollapsed.
pub struct Guard {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Collapsing {
    /// Starts the thread.
    pub(super) fn start(to: Box<dyn Write + Send>, look: Look) -> io::Result<(Self, Guard)> {
        let state = Mutex::new(State { log: OwnLog::new(look), to, is_finished: false });
        let shared = Arc::new(Shared { state, changed: Condvar::new() });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("own-log".into()).spawn(move || write_what_falls_due(&theirs))?;
        Ok((Self(Arc::clone(&shared)), Guard { shared, thread: Some(thread) }))
    }
}

fn write_what_falls_due(shared: &Shared) {
    let mut state = shared.lock();
    while !state.is_finished {
        let now = clock::now();
        state.log.wake(now);
        state.write_out();
        state = match state.log.next_wakeup() {
            None => shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(due) => {
                // At least a millisecond: a wake-up that cannot be served yet must not spin.
                let wait = Duration::from_nanos(due.since(now).max(0).unsigned_abs()).max(Duration::from_millis(1));
                shared.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}

impl Write for Collapsing {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if state.is_finished {
            state.to.write_all(line)?;
        } else {
            let was_due = state.log.next_wakeup();
            state.log.line(clock::now(), line);
            state.write_out();
            if state.log.next_wakeup() != was_due {
                self.0.changed.notify_one();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Collapsing {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.log.finish(clock::now());
        state.write_out();
        state.is_finished = true;
        drop(state);
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing more to write.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guard")
    }
}
