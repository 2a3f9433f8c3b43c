//! A thread per pipe: reads pieces, hands them over a bounded channel, takes empty buffers back.
//!
//! The channel is the back-pressure: when the engine is busy the thread waits, and so does whoever writes into the pipe.

use super::open::{InputError, Source, open};
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// As much as a Linux pipe holds: one read empties it.
pub const PIECE_BYTES: usize = 64 << 10;
/// Pieces waiting for the engine: enough to hide a scheduling pause, little enough to keep the first line quick.
pub const PIECES_QUEUED: usize = 8;

/// What reaches the engine thread.
#[derive(Debug)]
pub enum Event {
    /// Bytes of an input: the first `len` of `buffer`.
    Bytes {
        /// Index of the input.
        input: usize,
        /// Goes back by [`Pool::give`].
        buffer: Vec<u8>,
        /// How many bytes are filled.
        len: usize,
    },
    /// An input has ended, well or badly.
    End {
        /// Index of the input.
        input: usize,
        /// Why, when it was not its end.
        error: Option<InputError>,
    },
    /// Look at the flags: a signal came, or stdout was closed.
    Wake,
}

/// The channel between readers and the engine.
#[must_use]
pub fn channel() -> (SyncSender<Event>, Receiver<Event>) {
    sync_channel(PIECES_QUEUED)
}

/// Buffers that go round.
#[derive(Clone, Debug, Default)]
pub struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pool {
    fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_else(|| vec![0; PIECE_BYTES])
    }
    /// Gives a buffer back.
    pub fn give(&self, buffer: Vec<u8>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// Reads `source` to its end on a thread of its own.
///
/// # Errors
/// When the system gives no thread.
pub fn spawn(input: usize, source: Source, pool: Pool, to: SyncSender<Event>) -> io::Result<()> {
    std::thread::Builder::new().name(format!("read {}", source.label())).spawn(move || {
        let error = read_all(input, &source, &pool, &to).err();
        // Nobody listens any more when squelch is ending: that is fine.
        let _ = to.send(Event::End { input, error });
    })?;
    Ok(())
}

fn read_all(input: usize, source: &Source, pool: &Pool, to: &SyncSender<Event>) -> Result<(), InputError> {
    let mut reader = open(source, &Arc::new(AtomicU64::new(0)))?;
    loop {
        let mut buffer = pool.take();
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => {
                if to.send(Event::Bytes { input, buffer, len }).is_err() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => pool.give(buffer),
            Err(error) => return Err(InputError::new(source.label(), error)),
        }
    }
}
