//! What makes a file this file, and where it was left.

use crate::inputs::event::Position;
use rapidhash::v3::rapidhash_v3;
use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

/// How much of the beginning is hashed: 1 KiB.
pub(super) const HEAD_BYTES: usize = 1024;
/// How much before the offset is hashed: some lines.
pub(super) const TAIL_BYTES: usize = 256;

/// Device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileId {
    pub device: u64,
    pub inode: u64,
}

impl FileId {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// Where a file was left: the value of its [`Position`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Left {
    pub device: u64,
    pub inode: u64,
    /// Bytes of its beginning that are hashed, and their hash.
    pub head_len: u64,
    pub head: u64,
    /// Bytes before the offset that are hashed, and their hash.
    pub tail_len: u64,
    pub tail: u64,
    pub offset: u64,
    /// Counts truncations.
    pub generation: u32,
    /// Part of record ids; 0 until something was read.
    pub origin: u64,
    /// The stream's key.
    pub stream: Box<str>,
    /// For people.
    pub path: Box<str>,
}

impl Left {
    pub(super) fn id(&self) -> FileId {
        FileId { device: self.device, inode: self.inode }
    }

    pub(super) fn read(position: &Position) -> Option<Self> {
        serde_json::from_slice(&position.value).ok()
    }

    pub(super) fn to_position(&self, input: &str) -> Position {
        let value = serde_json::to_vec(self).expect("plain data has a JSON form").into();
        Position { key: key(input, self.id()), value }
    }

    /// Whether `file` still is what was left: as long, the same beginning, the same bytes before the offset.
    pub(super) fn is_of(&self, file: &File, len: u64) -> io::Result<bool> {
        Ok(len >= self.offset
            && hash_at(file, 0, self.head_len as usize)? == Some(self.head)
            && hash_at(file, self.offset.saturating_sub(self.tail_len), self.tail_len as usize)? == Some(self.tail))
    }
}

/// The key of a file's position.
pub(super) fn key(input: &str, id: FileId) -> Box<str> {
    format!("{input}/{}:{}", id.device, id.inode).into()
}

/// Hash of `len` bytes at `offset`; `None` where there are fewer.
pub(super) fn hash_at(file: &File, offset: u64, len: usize) -> io::Result<Option<u64>> {
    let mut bytes = [0; HEAD_BYTES];
    let bytes = &mut bytes[..len.min(HEAD_BYTES)];
    match file.read_exact_at(bytes, offset) {
        Ok(()) => Ok(Some(rapidhash_v3(bytes))),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// What record ids of a file begin with: the same whenever it is read from its beginning, another one for every other file, also for one
/// that got the inode of a deleted one.
pub(super) fn origin(metadata: &Metadata, generation: u32, first_line: &[u8]) -> u64 {
    // Where the file system does not tell births the first line must do: it nearly always has a time in it.
    let born = metadata.created().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok()).map_or(0, |since| since.as_nanos());
    let mut bytes = Vec::with_capacity(120);
    for number in [metadata.dev(), metadata.ino(), born as u64, u64::from(generation)] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.extend_from_slice(&first_line[..first_line.len().min(HEAD_BYTES)]);
    rapidhash_v3(&bytes).max(1)
}
