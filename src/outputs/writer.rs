//! Standard output on a thread of its own, behind a bounded queue.
//!
//! ```text
//! engine thread --push--> [ queue, at most 1 MiB ] --swap--> writer thread --write--> stdout
//! ```
//! Two buffers change places, so nothing is allocated once they have grown. When stdout is blocked the queue fills, the engine
//! thread waits in [`Writer::push`] and therefore stops reading: nothing is dropped.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most bytes waiting for stdout. The same again may be in the hands of the writer thread.
pub const QUEUE_BYTES_MAX: usize = 1 << 20;
/// Stdout must be stuck for this long before the user is told: shorter stalls are how pagers and pipes work.
const BLOCKED_NOTICE_AFTER: Duration = Duration::from_secs(1);

/// The engine's end of the queue.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    on_blocked: Option<Box<dyn FnOnce() + Send>>,
}

struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    emptied: Condvar,
}

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    is_finished: bool,
    error: Option<io::Error>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Starts the thread. `on_blocked` is called once, the first time that stdout takes nothing for a second; `on_error` by the
    /// writer thread when writing has failed for good, so that a reader that waits for input can be woken.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        mut to: impl Write + Send + 'static,
        on_blocked: impl FnOnce() + Send + 'static,
        on_error: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new() });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("stdout".into()).spawn(move || {
            let mut batch = Vec::new();
            while take(&theirs, &mut batch) {
                let result = to.write_all(&batch).and_then(|()| to.flush());
                batch.clear();
                let mut queue = theirs.lock();
                let failed = result.is_err();
                queue.error = result.err();
                theirs.emptied.notify_all();
                drop(queue);
                if failed {
                    on_error();
                    return;
                }
            }
        })?;
        Ok(Self { shared, thread: Some(thread), on_blocked: Some(Box::new(on_blocked)) })
    }

    /// Hands `bytes` over and empties the buffer; waits while the queue is full. After an error they go nowhere.
    pub fn push(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let mut queue = self.shared.lock();
        while queue.bytes.len() >= QUEUE_BYTES_MAX && queue.error.is_none() {
            let (guard, timeout) = self.shared.emptied.wait_timeout(queue, BLOCKED_NOTICE_AFTER).unwrap_or_else(PoisonError::into_inner);
            queue = guard;
            if timeout.timed_out()
                && let Some(tell) = self.on_blocked.take()
            {
                drop(queue);
                tell();
                queue = self.shared.lock();
            }
        }
        if queue.error.is_none() {
            if queue.bytes.is_empty() {
                std::mem::swap(&mut queue.bytes, bytes);
            } else {
                queue.bytes.extend_from_slice(bytes);
            }
            self.shared.filled.notify_one();
        }
        drop(queue);
        bytes.clear();
    }

    /// Whether writing failed, a closed pipe included.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.shared.lock().error.is_some()
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    /// The error that ended the writing; `BrokenPipe` when the reader of stdout went away.
    pub fn finish(mut self) -> io::Result<()> {
        self.shared.lock().is_finished = true;
        self.shared.filled.notify_one();
        if let Some(thread) = self.thread.take() {
            thread.join().map_err(|_| io::Error::other("the thread that writes to stdout died"))?;
        }
        self.shared.lock().error.take().map_or(Ok(()), Err)
    }
}

/// Waits for bytes and swaps them into `batch`; false when there will be none.
fn take(shared: &Shared, batch: &mut Vec<u8>) -> bool {
    let mut queue = shared.lock();
    while queue.bytes.is_empty() {
        if queue.is_finished {
            return false;
        }
        queue = shared.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    std::mem::swap(&mut queue.bytes, batch);
    shared.emptied.notify_all();
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    struct Slow(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);
    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            self.1.send(bytes.to_vec()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn everything_arrives_in_order() {
        let (go, wait) = mpsc::channel();
        let (written, seen) = mpsc::channel();
        let mut writer = Writer::start(Slow(wait, written), || {}, || {}).unwrap();
        for piece in ["one ", "two ", "three"] {
            writer.push(&mut piece.as_bytes().to_vec());
            go.send(()).unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(seen.iter().flatten().collect::<Vec<_>>(), b"one two three");
    }

    #[test]
    fn a_closed_pipe_is_reported_and_never_blocks() {
        let (go, wait) = mpsc::channel::<()>();
        let (written, _seen) = mpsc::channel();
        drop(go);
        let (told, failed) = mpsc::channel();
        let mut writer = Writer::start(Slow(wait, written), || {}, move || told.send(()).unwrap_or_default()).unwrap();
        writer.push(&mut b"lost".to_vec());
        failed.recv().unwrap();
        assert!(writer.has_failed());
        writer.push(&mut vec![0; 3 * QUEUE_BYTES_MAX]);
        writer.push(&mut vec![0; 3 * QUEUE_BYTES_MAX]);
        assert_eq!(writer.finish().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
