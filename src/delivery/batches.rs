//! What an output reads from: committed batches, in order. The store has them; tests keep them in memory.

use crate::store::{BatchNumber, Cursor, Reader, RecordKind, Records, StoreError};

/// A committed batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Its number.
    pub number: BatchNumber,
    /// Its records. Their places in it never change, whatever is dropped: cursors count them.
    pub records: Records,
}

impl Batch {
    /// The cursor of who is done with all of it.
    #[must_use]
    pub const fn after(&self) -> Cursor {
        Cursor { batch: BatchNumber(self.number.0 + 1), done: 0 }
    }
}

/// Committed batches could not be read. They are still there: it is tried again.
#[derive(Debug, thiserror::Error)]
#[error("cannot read what waits in the store: {0}")]
pub struct ReadError(pub String);

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl Batches for Reader {
    fn next(&mut self, from: Cursor) -> Result<Option<Batch>, ReadError> {
        Ok(self.whole(from.batch, &[])?.map(|(number, records)| Batch { number, records }))
    }

    fn next_storms(&mut self, after: BatchNumber) -> Result<Option<Batch>, ReadError> {
        let from = BatchNumber(after.0 + 1);
        Ok(self.whole(from, &[RecordKind::Storm])?.map(|(number, records)| Batch { number, records }))
    }
}

/// Committed batches, in order. Calls may block: they are made on a thread for that.
pub trait Batches: Send {
    /// The first batch whose number is that of the cursor or higher; `None` when there is none yet.
    ///
    /// # Errors
    /// When the store cannot be read; it is tried again later.
    fn next(&mut self, from: Cursor) -> Result<Option<Batch>, ReadError>;

    /// The first batch after `after` that holds a record of kind `Storm`: how a fresh alert overtakes a backlog. A store that cannot tell says
    /// `None`, then nothing overtakes.
    ///
    /// # Errors
    /// When the store cannot be read; it is tried again later.
    fn next_storms(&mut self, after: BatchNumber) -> Result<Option<Batch>, ReadError> {
        let _ = after;
        Ok(None)
    }
}
