//! A file that is followed: what is known of it, and how it is told from what it was.

use super::super::identity::{FileId, HEAD_BYTES, Left, TAIL_BYTES, hash_at};
use crate::time::UnixNanos;
use rapidhash::v3::rapidhash_v3;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

/// Bytes of a line where nothing better is known: for estimates of what was lost.
const LINE_BYTES_GUESS: u64 = 100;

/// A file that is followed.
#[derive(Debug)]
pub(super) struct Tailed {
    pub(super) path: PathBuf,
    /// Some path that matches leads to it.
    pub(super) is_named: bool,
    pub(super) stream: Box<str>,
    /// Files of a stream are read in this order.
    pub(super) order: u64,
    pub(super) file: Option<File>,
    /// Its length when it was looked at last.
    pub(super) len: u64,
    pub(super) offset: u64,
    pub(super) generation: u32,
    pub(super) origin: u64,
    pub(super) head_len: u64,
    pub(super) head: u64,
    /// The bytes before the offset.
    pub(super) tail: Vec<u8>,
    /// A line longer than the limit is being handed on.
    pub(super) is_inside_line: bool,
    /// When its content changed, by the file system's word, when it was looked at last.
    pub(super) modified: (i64, i64),
    /// By how much it had grown when it was looked at last.
    pub(super) gained: u64,
    /// When it last grew, was renamed or appeared.
    pub(super) active_at: UnixNanos,
    /// Lines and bytes read, for the mean length.
    pub(super) lines: u64,
    pub(super) bytes: u64,
}

impl Tailed {
    /// The open file; opened without following what could block or be a device.
    pub(super) fn open(&mut self) -> io::Result<&File> {
        if self.file.is_none() {
            let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
            let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(&self.path)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "no regular file"));
            }
            self.file = Some(file);
        }
        self.file.as_ref().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// Whether what was read is no longer there: the file is shorter, or other bytes stand before the offset. Says how many bytes were not read.
    pub(super) fn lost_by_truncation(&mut self, metadata: &Metadata) -> Option<u64> {
        let unread = self.len.saturating_sub(self.offset);
        if metadata.len() < self.offset {
            return Some(unread);
        }
        // A file that did not grow may have been written anew to the same length: its time of change says so.
        if self.tail.is_empty() || (metadata.len() == self.offset && modified(metadata) == self.modified) {
            return None;
        }
        let mut now = [0; TAIL_BYTES];
        let now = &mut now[..self.tail.len()];
        let tail_at = self.offset - now.len() as u64;
        let is_same = self.file.as_ref().is_some_and(|file| file.read_exact_at(now, tail_at).is_err() || now == &self.tail[..]);
        (!is_same).then_some(unread)
    }

    pub(super) fn remember_tail(&mut self, bytes: &[u8]) {
        if bytes.len() >= TAIL_BYTES {
            self.tail.clear();
            self.tail.extend_from_slice(&bytes[bytes.len() - TAIL_BYTES..]);
        } else {
            self.tail.extend_from_slice(bytes);
            let excess = self.tail.len().saturating_sub(TAIL_BYTES);
            self.tail.drain(..excess);
        }
    }

    /// Hashes as much of the beginning as has been read.
    pub(super) fn remember_head(&mut self) {
        let len = self.offset.min(HEAD_BYTES as u64);
        if self.head_len < len
            && let Some(file) = &self.file
            && let Ok(Some(head)) = hash_at(file, 0, len as usize)
        {
            (self.head_len, self.head) = (len, head);
        }
    }

    pub(super) fn left(&self, id: FileId) -> Left {
        Left {
            device: id.device,
            inode: id.inode,
            head_len: self.head_len,
            head: self.head,
            tail_len: self.tail.len() as u64,
            tail: rapidhash_v3(&self.tail),
            offset: self.offset,
            generation: self.generation,
            origin: self.origin,
            stream: self.stream.clone(),
            path: self.path.to_string_lossy().into(),
        }
    }

    /// How many lines so many bytes probably are.
    pub(super) fn lines_in(&self, bytes: u64) -> u64 {
        let mean = self.bytes.checked_div(self.lines).unwrap_or(LINE_BYTES_GUESS).max(1);
        bytes.div_ceil(mean).max(1)
    }
}

/// Reads until the buffer is full or the file ends.
pub(super) fn read_full_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < bytes.len() {
        match file.read_at(&mut bytes[got..], offset + got as u64) {
            Ok(0) => break,
            Ok(read) => got += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// When the content of a file changed, by the file system's word.
pub(super) fn modified(metadata: &Metadata) -> (i64, i64) {
    (metadata.mtime(), metadata.mtime_nsec())
}
