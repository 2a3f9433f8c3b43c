//! One agent per state directory. The lock is the kernel's (`flock`): it ends with its process, however that ends.

use super::StoreError;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Name of the lock file.
pub(super) const FILE: &str = "squelch.lock";

/// A held lock.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock of `directory`, or says who has it.
    pub(super) fn take(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(FILE);
        let told = |error| StoreError::io(&format!("open {}", path.display()), &error);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(told)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                return Err(StoreError::Locked { directory: directory.to_owned(), pid: text.trim().parse().ok() });
            }
            Err(errno) => return Err(StoreError::io(&format!("lock {}", path.display()), &errno.into())),
        }
        // Only for the message above: a full disk is no reason not to start.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { file, path })
    }

    /// Whether the file of the lock is still the one that others would try.
    pub(super) fn is_in_place(&self) -> bool {
        match (self.file.metadata(), fs::symlink_metadata(&self.path)) {
            (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
            _ => false,
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The file stays: removing it would let two agents lock two files of one name.
        let _ = self.file.set_len(0);
    }
}

/// The process that holds the lock of `directory`, without touching the lock: `/proc/locks` lists it. In a container of its own the kernel calls
/// it 0 there; then its own word counts.
pub(super) fn holder(directory: &Path) -> Option<u32> {
    let path = directory.join(FILE);
    let ending = format!(":{}", fs::metadata(&path).ok()?.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let listed = locks.lines().find_map(|line| {
        // 1: FLOCK  ADVISORY  WRITE 4711 08:01:131077 0 EOF
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_ours = words.get(1) == Some(&"FLOCK") && words.get(5).is_some_and(|place| place.ends_with(&ending));
        is_ours.then(|| words.get(4).and_then(|pid| pid.parse().ok()).unwrap_or(0))
    })?;
    match listed {
        0 => fs::read_to_string(&path).ok()?.trim().parse().ok(),
        pid => Some(pid),
    }
}
