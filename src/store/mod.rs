//! The store: one SQLite file, one commit point. A transaction moves outgoing records, input positions, open windows, storms, output
//! cursors and the accounting together, so a crash at any point resumes from a consistent past (squelch.md 8).
//!
//! The engine thread owns the [`Store`] (the only writer); each output reads committed batches through a [`Reader`] of its own.
//!
//! ```text
//! STATE DIRECTORY (0700)
//!   squelch.lock             who runs: a kernel lock, gone with its process
//!   squelch.db  -wal  -shm   the store (0600)
//!   squelch.db.corrupt-UNIX  what could not be read any more, the last 3
//! ```
//!
//! What happens when:
//!
//! | | |
//! |---|---|
//! | `kill -9`, power cut | all of the last commit or nothing of it |
//! | file damaged | set aside; a new store begins with whatever is whole in it, a [`Note`] says what that means |
//! | single batch damaged | readers leave it out and count its records ([`Reader::damaged`]) |
//! | file deleted or replaced while running | the next commit says [`StoreError::Deleted`]; [`Store::recreate`] writes it anew from the open handle |
//! | disk full, read-only, I/O error | the commit changes nothing and may be made again: [`StoreError::remedy`] |
//! | `bytes_max` reached | [`OnFull`] |
//! | second agent | refused, with the process that holds it |
//! | store of a newer squelch | refused |

mod aside;
mod batch;
mod codec;
mod commit;
mod error;
mod failpoint;
mod full;
mod letters;
mod lock;
mod open;
mod options;
mod reader;
mod rows;
mod salvage;
mod schema;
mod status;
mod writer;

pub use aside::Note;
pub use batch::{BatchNumber, Cursor, Record, RecordKind, Records};
pub use commit::{Commit, Committed, DeadLetter, Dropped, HeldLines, OpenWindow, Progress};
pub use error::{Remedy, StoreError};
pub use letters::{KeptLetter, dead_letters, replay_dead_letters};
pub use open::Recovered;
pub use options::{OnFull, Options};
pub use reader::{Batch, Found, Reader};
pub use status::{OutputStatus, Status};
pub use writer::Store;

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
