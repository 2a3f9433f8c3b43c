//! What a configuration was made from, to see later whether it is still that: by content, because a ConfigMap is swapped by a symlink and
//! its time stamps say nothing.

use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest file that is hashed; a longer one counts by its length.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The files behind a configuration: itself, the secrets it names, the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    files: BTreeSet<PathBuf>,
    rules: Option<PathBuf>,
}

impl Sources {
    /// Watches one more file.
    pub(super) fn add_file(&mut self, path: &Path) {
        self.files.insert(path.to_owned());
    }
    /// Watches a directory of rules.
    pub(super) fn set_rules(&mut self, path: &Path) {
        self.rules = Some(path.to_owned());
    }

    /// Hash of what stands there now. Reads all files: small ones, some times a minute.
    #[must_use]
    pub fn content_hash(&self) -> u64 {
        let mut hash = Sha256::new();
        let rules = self.rules.as_deref().map(super::rule_files::list).and_then(Result::ok).unwrap_or_default();
        for path in self.files.iter().chain(&rules) {
            hash.update(path.as_os_str().as_encoded_bytes());
            hash.update([0]);
            match contents(path) {
                Some(bytes) => {
                    hash.update((bytes.len() as u64).to_le_bytes());
                    hash.update(bytes);
                }
                None => hash.update([0xff; 8]),
            }
        }
        first_eight(&hash.finalize())
    }
}

fn contents(path: &Path) -> Option<Vec<u8>> {
    let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    if metadata.len() > FILE_BYTES_MAX {
        return Some(metadata.len().to_le_bytes().to_vec());
    }
    std::fs::read(path).ok()
}

/// The first eight bytes of a digest as a number.
pub(super) fn first_eight(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte))
}
