//! What the configuration asks of the machine: variables, secret files, whether something is there. A trait, so that tests have a
//! machine of their own.

use std::io;
use std::path::{Path, PathBuf};

/// The machine, as far as the configuration looks at it.
pub trait Surroundings {
    /// A variable of the environment; `None` when it is not set or no UTF-8.
    fn variable(&self, name: &str) -> Option<String>;
    /// A file, whole.
    ///
    /// # Errors
    /// It cannot be read.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Whether something is there.
    fn exists(&self, path: &Path) -> bool;
    /// Whether we are root.
    fn is_root(&self) -> bool;
    /// What the machine calls itself.
    fn host_name(&self) -> Option<String>;
    /// Whether everybody on the machine may read this file.
    fn is_world_readable(&self, path: &Path) -> bool;

    /// Where a program is, by `PATH`; of a path, whether it is there.
    fn program(&self, name: &Path) -> Option<PathBuf> {
        if name.components().count() > 1 {
            return self.exists(name).then(|| name.to_owned());
        }
        let path = self.variable("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|candidate| self.exists(candidate))
    }
}

/// The machine we run on.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThisMachine;

impl Surroundings for ThisMachine {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }
    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }
    fn is_root(&self) -> bool {
        // The owner of our own entry is our effective user: no need for another system call's wrapper.
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
    }
    fn host_name(&self) -> Option<String> {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname")).ok()?;
        Some(name.trim().to_owned()).filter(|name| !name.is_empty())
    }
    fn is_world_readable(&self, path: &Path) -> bool {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
    }
}
