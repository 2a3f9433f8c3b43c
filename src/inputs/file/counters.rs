//! Figures of one file input.

use std::sync::atomic::AtomicU64;

/// Figures of one file input, read by the metrics at any time.
#[derive(Debug, Default)]
pub struct Counters {
    /// Descriptors that are open.
    pub files_open: AtomicU64,
    /// Files that are known.
    pub files_known: AtomicU64,
    /// Files that are there but wait because [`super::Options::files_max`] are known.
    pub files_waiting: AtomicU64,
    /// Bytes that the file furthest behind has to be read.
    pub lag_bytes_max: AtomicU64,
    /// Files that were renamed, replaced or deleted.
    pub rotations_renamed: AtomicU64,
    /// Files that became shorter, or were written anew from the beginning.
    pub rotations_truncated: AtomicU64,
    /// Matches that are no regular files (pipes, devices, sockets): never read.
    pub refused: AtomicU64,
    /// Compressed rotations that were left alone.
    pub compressed: AtomicU64,
    /// Files that could not be opened or read, each time.
    pub errors: AtomicU64,
    /// Bytes of holes (a writer that went on at its old offset after a truncation).
    pub hole_bytes: AtomicU64,
}
