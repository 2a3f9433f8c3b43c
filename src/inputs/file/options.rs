//! What can be set about a file input.

use std::time::Duration;

/// Where to begin in a file that was never seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartAt {
    /// Everything that is there. Nothing is missed; the first start ships history.
    #[default]
    Beginning,
    /// Files that are there at the first start: from their end. Files that appear later are read from their beginning.
    End,
}

/// What the paths mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Any log files; a stream is a path (rotated siblings belong to it).
    #[default]
    Plain,
    /// The kubelet's `NS_POD_UID/CONTAINER/N.log`; a stream is a container.
    Pods,
}

/// Settings of one file input.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Its name in the configuration: first part of its position keys.
    pub name: String,
    /// Globs of absolute paths; `*` does not cross a `/`, `**` does.
    pub include: Vec<String>,
    /// Globs of paths to leave out.
    pub exclude: Vec<String>,
    /// What the paths mean.
    pub layout: Layout,
    /// Where to begin in a file that was never seen.
    pub start_at: StartAt,
    /// Files not written to for this long are not opened at all; `None` = all are read.
    pub ignore_older: Option<Duration>,
    /// How soon a file that is being written to is looked at again.
    pub poll_min: Duration,
    /// How late at most a quiet file, and the directories, are looked at again.
    pub poll_max: Duration,
    /// Open descriptors; the coldest are closed and opened again when they grow.
    pub open_files_max: usize,
    /// Files that are known at all; beyond it new ones wait and are counted.
    pub files_max: usize,
    /// Bytes read from one file before the next has its turn.
    pub turn_bytes: usize,
    /// A line longer than this is handed on in pieces (the engine's own limit; the same number).
    pub line_bytes_max: usize,
    /// Paths that are squelch's own: never read. Exact files or directories.
    pub own_paths: Vec<std::path::PathBuf>,
    /// (namespace, pod) of the agent itself: never read.
    pub own_pod: Option<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "files".into(),
            include: Vec::new(),
            exclude: Vec::new(),
            layout: Layout::Plain,
            start_at: StartAt::Beginning,
            ignore_older: None,
            poll_min: Duration::from_millis(50),
            poll_max: Duration::from_secs(1),
            open_files_max: 512,
            files_max: 16_384,
            turn_bytes: 256 << 10,
            line_bytes_max: 256 << 10,
            own_paths: Vec::new(),
            own_pod: None,
        }
    }
}
