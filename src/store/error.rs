//! What can go wrong with the store, and what its owner should do about it.

use rusqlite::ErrorCode;
use rusqlite::ffi;
use std::io;
use std::path::PathBuf;

/// What can go wrong with the store. [`StoreError::remedy`] says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store has reached `bytes_max`, or the disk (or a quota) is full.
    #[error("the store is full: {0}")]
    Full(String),
    /// The file or its file system takes no writes.
    #[error("the store cannot be written: {0}; check the owner of the directory and how its file system is mounted")]
    ReadOnly(String),
    /// The disk or the file system failed.
    #[error("the store cannot be read or written: {0}")]
    Io(String),
    /// The file is damaged, or is not a store of squelch's.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// Another program writes to the file (or keeps the write-ahead log from being emptied).
    #[error("the store is busy: {0}; is another program looking into it?")]
    Busy(String),
    /// Another agent runs on this directory.
    #[error("the store in {} is in use by {}; stop it first, or give this agent a state directory of its own", directory.display(), process(*.pid))]
    Locked {
        /// The state directory.
        directory: PathBuf,
        /// Who holds it, where that is known.
        pid: Option<u32>,
    },
    /// The file was deleted or replaced while it was in use.
    #[error("the store {} was deleted or replaced while in use", .0.display())]
    Deleted(PathBuf),
    /// A newer squelch made it.
    #[error("the store {} has version {found}, this squelch knows {known}; run the newer squelch again, or move the file away to start anew", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// What is in it.
        found: i64,
        /// What we know.
        known: i64,
    },
    /// There is no store.
    #[error("there is no store in {}", .0.display())]
    Missing(PathBuf),
    /// There is no such output.
    #[error("the store knows no output `{name}`; it knows: {known}")]
    NoOutput {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A statement is wrong: a mistake of ours.
    #[error("the store refused a statement: {0}")]
    Statement(String),
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// What the owner of the store does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Make the same commit again later; nothing was changed.
    Retry,
    /// Call [`super::Store::recreate`], then commit everything that is in memory.
    Recreate,
    /// Give up: it will not get better by itself.
    Stop,
}

impl StoreError {
    /// What to do.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Full(_) | Self::ReadOnly(_) | Self::Io(_) | Self::Busy(_) => Remedy::Retry,
            Self::Corrupt(_) | Self::Deleted(_) => Remedy::Recreate,
            Self::Locked { .. } | Self::Newer { .. } | Self::Missing(_) | Self::NoOutput { .. } | Self::Statement(_) => Remedy::Stop,
        }
    }

    /// The label of metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Full(_) => "full",
            Self::ReadOnly(_) => "read_only",
            Self::Io(_) => "io",
            Self::Corrupt(_) => "corrupt",
            Self::Busy(_) => "busy",
            Self::Locked { .. } => "locked",
            Self::Deleted(_) => "deleted",
            Self::Newer { .. } => "newer",
            Self::Missing(_) => "missing",
            Self::NoOutput { .. } => "no_output",
            Self::Statement(_) => "statement",
        }
    }

    /// An error of the file system around the database.
    pub(super) fn io(what: &str, error: &io::Error) -> Self {
        let told = format!("cannot {what}: {error}");
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(told),
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly(told),
            _ => Self::Io(told),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let told = error.to_string();
        let rusqlite::Error::SqliteFailure(failure, _) = &error else {
            return match error {
                // The tables are not as we made them, or a column does not hold what we wrote into it.
                rusqlite::Error::SqlInputError { .. }
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..)
                | rusqlite::Error::InvalidColumnType(..) => Self::Corrupt(told),
                _ => Self::Statement(told),
            };
        };
        match (failure.code, failure.extended_code) {
            // The index of the write-ahead log could not grow: SQLite documents this as a full disk.
            (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => Self::Full(told),
            (ErrorCode::ReadOnly, ffi::SQLITE_READONLY_DBMOVED) => Self::Deleted(PathBuf::new()),
            (ErrorCode::ReadOnly | ErrorCode::PermissionDenied, _) => Self::ReadOnly(told),
            (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _) | (_, ffi::SQLITE_IOERR_CORRUPTFS) => Self::Corrupt(told),
            (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Self::Busy(told),
            (
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::NoLargeFileSupport,
                _,
            ) => Self::Io(told),
            // The tables are not as we made them.
            _ => Self::Corrupt(told),
        }
    }
}
