//! The journal, read by `journalctl -o json --follow` as a supervised child.
//!
//! ```text
//! journalctl (child) --lines of JSON--> entry (unit, cursor, time) --raw line, one stream per unit--> engine thread
//!      ^ restarted with full jitter, after the cursor of the last entry that was read
//! ```
//! The raw line is what is fed: the envelope of a journal entry is peeled by the engine, as it is in a pipe. Needs no library of
//! systemd's, so a static binary reads the journal wherever `journalctl` is.

mod child;
mod entry;
mod options;

pub use child::{JournalError, run};
pub use options::Options;
