//! The tailer: one round of work per call of [`Tailer::turn`], no sleeping, time passed in.

mod look;
mod read;
mod tailed;

use super::discover::Globs;
use super::identity::{FileId, Left};
use super::{Counters, Options};
use crate::inputs::event::{Event, Feeder, Position, Stopped, StreamInfo, StreamNumber};
use crate::time::UnixNanos;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tailed::Tailed;

/// A file whose name is gone is over when nothing was written to it for so long: a writer that was told to reopen has done so by then.
const OVER_AFTER: Duration = Duration::from_secs(5);
/// A file without a name is remembered for an hour, so that one that is moved out of the globs and back is not read twice.
const REMEMBERED_FOR: Duration = Duration::from_secs(3600);
/// How often files to forget are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// A file that was written to within this is looked at as often as `poll_min` says.
const ACTIVE_FOR: Duration = Duration::from_secs(10);
/// Looks are so far apart for each file that is followed: a look takes some 3 us a file, so that looking costs 3 % of a core at most ...
const LOOK_PER_FILE: Duration = Duration::from_micros(100);
/// ... and never less than this.
const LOOK_MIN: Duration = Duration::from_millis(250);
/// A stream further behind than this reads a backlog.
const BEHIND_BYTES: u64 = 4 << 20;
/// Leading NULs from here on are a hole that a truncation left, not text: one page.
const HOLE_BYTES_MIN: usize = 4096;

/// What a turn did, and when the next one should come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Bytes handed on.
    pub bytes: u64,
    /// How long to wait, if nothing wakes us before.
    pub wait: Duration,
}

/// A stream and how far it is.
#[derive(Debug)]
struct Stream {
    number: StreamNumber,
    info: Arc<StreamInfo>,
    is_behind: bool,
    /// In the order in which they are read.
    files: Vec<(u64, FileId)>,
}

/// Tails the files of one input.
#[derive(Debug)]
pub struct Tailer {
    options: Options,
    globs: Globs,
    feeder: Feeder,
    counters: Arc<Counters>,
    files: BTreeMap<FileId, Tailed>,
    streams: HashMap<Box<str>, Stream>,
    /// Streams that have, or may soon have, something to read; the others wait for the next look.
    active: BTreeSet<Box<str>>,
    /// Files that no path leads to now, and until when they are remembered: one may come back under another name.
    left: HashMap<FileId, (Left, UnixNanos)>,
    /// The input has run before: files that are new were not there then.
    has_run_before: bool,
    is_first_look: bool,
    /// Files that the first look of all listed and that were renamed before they could be opened: they are no news when they are found.
    hidden: BTreeSet<FileId>,
    look_at: UnixNanos,
    /// The last look missed a file that was being renamed.
    looks_again: bool,
    orders: u64,
    directories: Vec<PathBuf>,
    /// When positions that are of no use are looked for.
    forget_at: UnixNanos,
    /// Descriptors that are open.
    open: usize,
    /// Said already, so that it is said once.
    complained: BTreeSet<PathBuf>,
}

impl Tailer {
    /// A tailer that goes on from `positions`.
    ///
    /// # Errors
    /// A glob that is none.
    pub fn new(options: Options, positions: &[Position], feeder: Feeder, counters: Arc<Counters>) -> Result<Self, globset::Error> {
        let globs = Globs::new(&options.include, &options.exclude, &options.own_paths)?;
        // When time begins is not known yet: they get their hour at the first look.
        let left = positions.iter().filter_map(Left::read).map(|left| (left.id(), (left, UnixNanos(i64::MAX)))).collect();
        Ok(Self {
            globs,
            feeder,
            counters,
            files: BTreeMap::new(),
            streams: HashMap::new(),
            active: BTreeSet::new(),
            has_run_before: !positions.is_empty(),
            left,
            is_first_look: true,
            hidden: BTreeSet::new(),
            look_at: UnixNanos(i64::MIN),
            looks_again: false,
            orders: 0,
            directories: Vec::new(),
            forget_at: UnixNanos(i64::MIN),
            open: 0,
            complained: BTreeSet::new(),
            options,
        })
    }

    /// Directories whose changes are worth a turn.
    #[must_use]
    pub fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// Looks at directories now and not when their time comes: something woke us.
    pub fn look_soon(&mut self) {
        self.look_at = UnixNanos(i64::MIN);
    }

    /// One round: looks for files if it is time, and reads at most `turn_bytes` of each file that has something.
    ///
    /// # Errors
    /// Nobody takes what is read.
    pub fn turn(&mut self, now: UnixNanos) -> Result<Activity, Stopped> {
        if now >= self.look_at {
            self.look(now)?;
            self.look_at = if std::mem::take(&mut self.looks_again) { now } else { now.plus(nanos(self.look_every())) };
        }
        let (mut bytes, mut has_more) = (0, false);
        let active = std::mem::take(&mut self.active);
        for stream in active {
            let files: Vec<FileId> = self.streams.get(&stream).map(|stream| stream.files.iter().map(|(_, id)| *id).collect()).unwrap_or_default();
            let mut is_active = false;
            // The next file of a log waits until the one before is read: that is their order.
            for id in files {
                let (read, is_drained) = self.poll(id, now)?;
                bytes += read;
                is_active |= self.files.get(&id).is_some_and(|file| !file.is_named || now.since(file.active_at) < nanos(ACTIVE_FOR));
                if !is_drained {
                    (is_active, has_more) = (true, true);
                    break;
                }
            }
            if is_active {
                self.active.insert(stream);
            }
        }
        self.count(has_more);
        let wait = match (has_more, self.active.is_empty()) {
            (true, _) => Duration::ZERO,
            (false, false) => self.options.poll_min,
            (false, true) => Duration::from_nanos(self.look_at.since(now).max(0).unsigned_abs()).max(self.options.poll_min),
        };
        Ok(Activity { bytes, wait })
    }

    /// How long until the next look: few files can be looked at more often for the same price, and a line in a quiet one is told sooner.
    fn look_every(&self) -> Duration {
        let files = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        LOOK_PER_FILE.saturating_mul(files).max(LOOK_MIN).min(self.options.poll_max)
    }

    fn count(&self, has_more: bool) {
        let lag = if has_more { self.files.values().map(|file| file.len.saturating_sub(file.offset)).max().unwrap_or(0) } else { 0 };
        self.counters.lag_bytes_max.store(lag, Relaxed);
        self.counters.files_known.store(self.files.len() as u64, Relaxed);
    }

    fn complain(&mut self, path: &Path, what: &str) {
        // Bounded: a directory full of pipes is not worth more than this.
        if self.complained.len() < 100 && self.complained.insert(path.to_owned()) {
            tracing::warn!("input {}: {} {what}", self.options.name, path.display());
        }
    }

    /// A stream without files is closed.
    fn leave_stream(&mut self, key: &str, id: FileId) -> Result<(), Stopped> {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.files.retain(|(_, other)| *other != id);
            if stream.files.is_empty() {
                let number = stream.number;
                self.streams.remove(key);
                self.feeder.send_blocking(Event::Closed(number))?;
            }
        }
        Ok(())
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
