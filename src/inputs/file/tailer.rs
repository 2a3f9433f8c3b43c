//! The tailer: one round of work per call of [`Tailer::turn`], no sleeping, time passed in.

use super::discover::{Found, Globs, Seen};
use super::identity::{FileId, HEAD_BYTES, Left, TAIL_BYTES, hash_at, origin};
use super::names::{is_compressed, pod, stream};
use super::{Counters, Options, StartAt};
use crate::clock;
use crate::inputs::event::{CHUNK_BYTES, Data, Event, Feeder, LostReason, Position, Stopped, StreamInfo, StreamNumber};
use crate::record::Place;
use crate::time::UnixNanos;
use rapidhash::v3::rapidhash_v3;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A file whose name is gone is over when nothing was written to it for so long: a writer that was told to reopen has done so by then.
const OVER_AFTER: Duration = Duration::from_secs(5);
/// A file without a name is remembered for an hour, so that one that is moved out of the globs and back is not read twice.
const REMEMBERED_FOR: Duration = Duration::from_secs(3600);
/// How often files to forget are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// A file that was written to within this is looked at as often as `poll_min` says.
const ACTIVE_FOR: Duration = Duration::from_secs(10);
/// A stream further behind than this reads a backlog.
const BEHIND_BYTES: u64 = 4 << 20;
/// Leading NULs from here on are a hole that a truncation left, not text: one page.
const HOLE_BYTES_MIN: usize = 4096;
/// Bytes of a line where nothing better is known: for estimates of what was lost.
const LINE_BYTES_GUESS: u64 = 100;

/// What a turn did, and when the next one should come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Bytes handed on.
    pub bytes: u64,
    /// How long to wait, if nothing wakes us before.
    pub wait: Duration,
}

/// A file that is followed.
#[derive(Debug)]
struct Tailed {
    path: PathBuf,
    /// Some path that matches leads to it.
    is_named: bool,
    stream: Box<str>,
    /// Files of a stream are read in this order.
    order: u64,
    file: Option<File>,
    /// Its length when it was looked at last.
    len: u64,
    offset: u64,
    generation: u32,
    origin: u64,
    head_len: u64,
    head: u64,
    /// The bytes before the offset.
    tail: Vec<u8>,
    /// A line longer than the limit is being handed on.
    is_inside_line: bool,
    /// When its content changed, by the file system's word, when it was looked at last.
    modified: (i64, i64),
    /// By how much it had grown when it was looked at last.
    gained: u64,
    /// When it last grew, was renamed or appeared.
    active_at: UnixNanos,
    /// Lines and bytes read, for the mean length.
    lines: u64,
    bytes: u64,
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
            self.look_at = if std::mem::take(&mut self.looks_again) { now } else { now.plus(nanos(self.options.poll_max)) };
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

    fn count(&self, has_more: bool) {
        let lag = if has_more { self.files.values().map(|file| file.len.saturating_sub(file.offset)).max().unwrap_or(0) } else { 0 };
        self.counters.lag_bytes_max.store(lag, Relaxed);
        self.counters.files_known.store(self.files.len() as u64, Relaxed);
    }

    // ---- which files there are ----

    fn look(&mut self, now: UnixNanos) -> Result<(), Stopped> {
        let Seen { files: found, directories, refused, errors } = self.globs.look();
        self.directories = directories;
        for path in refused {
            self.counters.refused.fetch_add(1, Relaxed);
            self.complain(&path, "is no regular file: it is not read");
        }
        for (path, error) in errors {
            self.counters.errors.fetch_add(1, Relaxed);
            self.complain(&path, &format!("cannot be looked at: {error}"));
        }
        let mut named = HashSet::with_capacity(found.len());
        let mut new = Vec::new();
        let mut waiting = 0;
        for found in found {
            let id = FileId::of(&found.metadata);
            if !named.insert(id) {
                continue; // another name of the same file
            }
            if self.has_number_of_another(id, &found) {
                if let Some(file) = self.files.remove(&id) {
                    self.leave_stream(&file.stream, id)?;
                }
                new.push((id, found));
            } else if self.files.contains_key(&id) {
                self.met_again(id, found, now);
            } else if self.is_unwanted(&found, now) {
                named.remove(&id);
            } else if self.files.len() + new.len() < self.options.files_max {
                new.push((id, found));
            } else {
                waiting += 1;
            }
        }
        self.counters.files_waiting.store(waiting, Relaxed);
        // Generations that were rotated between two looks: the oldest first.
        new.sort_by(|(_, a), (_, b)| age_key(a).cmp(&age_key(b)).then_with(|| b.path.cmp(&a.path)));
        for (id, found) in new {
            self.met(id, found, now)?;
        }
        for (id, file) in &mut self.files {
            if file.is_named && !named.contains(id) {
                file.is_named = false;
                file.active_at = now;
                self.active.insert(file.stream.clone());
                self.counters.rotations_renamed.fetch_add(1, Relaxed);
            }
        }
        if std::mem::take(&mut self.is_first_look) {
            self.left.values_mut().for_each(|(_, until)| *until = now.plus(nanos(REMEMBERED_FOR)));
            // Says to the next start that this was not the first.
            let begun = Position { key: format!("{}/begun", self.options.name).into(), value: b"{}".to_vec().into() };
            self.feeder.send_blocking(Event::Moved(begun))?;
        }
        self.forget_the_dead(now)
    }

    /// Files that are not read though they match.
    fn is_unwanted(&self, found: &Found, now: UnixNanos) -> bool {
        let path = found.path.to_string_lossy();
        if is_compressed(&path) {
            self.counters.compressed.fetch_add(u64::from(self.is_first_look), Relaxed);
            return true;
        }
        if let Some((namespace, name)) = &self.options.own_pod
            && pod(&path).is_some_and(|pod| pod.namespace == namespace && pod.pod == name)
        {
            return true;
        }
        let id = FileId::of(&found.metadata);
        let age = now.since(UnixNanos(found.metadata.mtime().saturating_mul(1_000_000_000)));
        !self.files.contains_key(&id) && !self.left.contains_key(&id) && self.options.ignore_older.is_some_and(|older| age > nanos(older))
    }

    fn met_again(&mut self, id: FileId, found: Found, now: UnixNanos) {
        let Some(file) = self.files.get_mut(&id) else { return };
        // Of a file with several names the one it was met by counts while it leads there.
        if file.path != found.path && !std::fs::metadata(&file.path).is_ok_and(|metadata| FileId::of(&metadata) == id) {
            self.counters.rotations_renamed.fetch_add(1, Relaxed);
            file.active_at = now;
            file.path = found.path;
        }
        file.is_named = true;
        let is_changed = file.len > 0 && modified(&found.metadata) != file.modified;
        if found.metadata.len() != file.len || is_changed {
            file.active_at = now;
            // Its length is taken over when it is polled: shorter means truncated.
            if found.metadata.len() > file.len {
                file.len = found.metadata.len();
            }
            self.active.insert(file.stream.clone());
        }
    }

    fn met(&mut self, id: FileId, found: Found, now: UnixNanos) -> Result<(), Stopped> {
        let path = found.path.to_string_lossy().into_owned();
        let len = found.metadata.len();
        let info = Arc::new(stream(&path, self.options.layout));
        let mut file = Tailed {
            path: found.path,
            is_named: true,
            stream: info.key.clone(),
            order: 0,
            file: None,
            len,
            offset: 0,
            generation: 0,
            origin: 0,
            head_len: 0,
            head: rapidhash_v3(b""),
            tail: Vec::new(),
            is_inside_line: false,
            modified: modified(&found.metadata),
            gained: 0,
            active_at: now,
            lines: 0,
            bytes: 0,
        };
        match self.left.remove(&id) {
            Some((left, until)) if !self.go_on(&mut file, &left) => {
                self.left.insert(id, (left, until));
                self.looks_again = true;
                return Ok(());
            }
            Some(_) => {}
            None if self.options.start_at == StartAt::End && self.is_first_look && !self.has_run_before => {
                self.begin_at_end(&mut file);
                self.feeder.send_blocking(Event::Moved(file.left(id).to_position(&self.options.name)))?;
            }
            None => {}
        }
        self.orders += 1;
        file.order = self.orders;
        let is_backlog = self.is_first_look && file.offset < len;
        let key = file.stream.clone();
        self.active.insert(key.clone());
        if let Some(stream) = self.streams.get_mut(&key) {
            stream.files.push((file.order, id));
            if info.restarts > stream.info.restarts {
                stream.info = Arc::clone(&info);
                let opened = Event::Opened { stream: stream.number, info, is_backlog: stream.is_behind };
                self.feeder.send_blocking(opened)?;
            }
        } else {
            // The stream of a file that was renamed while we were away is that of its old name.
            let info = if info.key == key { info } else { Arc::new(stream(key.strip_prefix("file:").unwrap_or(&path), self.options.layout)) };
            let number = self.feeder.next_stream();
            self.feeder.send_blocking(Event::Opened { stream: number, info: Arc::clone(&info), is_backlog })?;
            let files = vec![(file.order, id)];
            self.streams.insert(key, Stream { number, info, is_behind: is_backlog, files });
        }
        self.files.insert(id, file);
        Ok(())
    }

    /// A file that the store knows: if it still is that file it is read on where it was left. False if its path leads elsewhere by now: it was
    /// renamed after it was listed, and may as well be another one that got its number.
    fn go_on(&self, file: &mut Tailed, left: &Left) -> bool {
        let len = file.len;
        let is_same = file.open().and_then(|opened| match FileId::of(&opened.metadata()?) == left.id() {
            true => left.is_of(opened, len),
            false => Err(io::ErrorKind::NotFound.into()),
        });
        // It is opened again when there is something to read.
        let opened = file.file.take();
        match is_same {
            Ok(true) => {
                let tail_at = left.offset.saturating_sub(left.tail_len);
                let mut tail = vec![0; left.tail_len as usize];
                if let Some(opened) = &opened
                    && opened.read_exact_at(&mut tail, tail_at).is_ok()
                {
                    file.tail = tail;
                }
                (file.offset, file.generation, file.origin) = (left.offset, left.generation, left.origin);
                (file.head_len, file.head) = (left.head_len, left.head);
                if left.head_len > 0 {
                    file.stream = left.stream.clone();
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
            Ok(false) => {
                // Truncated, written anew, or another file with the same number.
                file.generation = left.generation + 1;
                self.counters.rotations_truncated.fetch_add(1, Relaxed);
            }
            Err(error) => {
                self.counters.errors.fetch_add(1, Relaxed);
                tracing::warn!("{}: cannot be read: {error}; it is tried again", file.path.display());
                (file.offset, file.generation, file.origin) = (left.offset, left.generation, left.origin);
                (file.head_len, file.head) = (left.head_len, left.head);
            }
        }
        true
    }

    /// The first start of all with `start_at = "end"`: what is there is history.
    fn begin_at_end(&self, file: &mut Tailed) {
        let end = file.open().and_then(|opened| {
            let len = opened.metadata()?.len();
            let mut tail = vec![0; TAIL_BYTES.min(len as usize)];
            let tail_at = len - tail.len() as u64;
            opened.read_exact_at(&mut tail, tail_at)?;
            Ok((len, tail))
        });
        if let Ok((len, tail)) = end {
            // Inside a line that is not over: its rest would look like a line of its own.
            file.is_inside_line = tail.last().is_some_and(|last| *last != b'\n');
            (file.offset, file.tail) = (len, tail);
        }
        file.file = None;
    }

    /// Positions of files that no path has led to for an hour, or that are too many.
    fn forget_the_dead(&mut self, now: UnixNanos) -> Result<(), Stopped> {
        if now < self.forget_at && self.left.len() <= self.options.files_max {
            return Ok(());
        }
        self.forget_at = now.plus(nanos(FORGET_EVERY));
        let mut dead: Vec<(UnixNanos, FileId)> = self.left.iter().map(|(id, (_, until))| (*until, *id)).collect();
        dead.sort_unstable();
        let too_many = dead.len().saturating_sub(self.options.files_max / 2);
        let is_crowded = dead.len() > self.options.files_max;
        for (at, (until, id)) in dead.into_iter().enumerate() {
            if until <= now || (is_crowded && at < too_many) {
                self.left.remove(&id);
                self.feeder.send_blocking(Event::Forgotten(super::identity::key(&self.options.name, id)))?;
            }
        }
        Ok(())
    }

    fn complain(&mut self, path: &Path, what: &str) {
        // Bounded: a directory full of pipes is not worth more than this.
        if self.complained.len() < 100 && self.complained.insert(path.to_owned()) {
            tracing::warn!("input {}: {} {what}", self.options.name, path.display());
        }
    }

    // ---- reading ----

    /// Reads of one file what its turn allows. Returns the bytes, and whether nothing is left to read.
    fn poll(&mut self, id: FileId, now: UnixNanos) -> Result<(u64, bool), Stopped> {
        let Some(mut file) = self.files.remove(&id) else { return Ok((0, true)) };
        let was_open = file.file.is_some();
        let result = self.poll_file(id, &mut file, now);
        let is_over = matches!(result, Ok((_, true))) && !file.is_named && now.since(file.active_at) >= nanos(OVER_AFTER);
        if is_over {
            self.opened(was_open, false);
            self.finish(id, file, now)?;
            return result;
        }
        let may_close = matches!(result, Ok((_, true))) && file.is_named;
        if may_close && self.open >= self.options.open_files_max {
            file.file = None;
        }
        self.opened(was_open, file.file.is_some());
        self.files.insert(id, file);
        result
    }

    /// Counts descriptors.
    fn opened(&mut self, was_open: bool, is_open: bool) {
        self.open = self.open + usize::from(is_open) - usize::from(was_open);
        self.counters.files_open.store(self.open as u64, Relaxed);
    }

    fn poll_file(&mut self, id: FileId, file: &mut Tailed, now: UnixNanos) -> Result<(u64, bool), Stopped> {
        if file.len == 0 && file.file.is_none() {
            return Ok((0, true)); // nothing was ever in it
        }
        let was_followed = file.file.is_some();
        let metadata = match file.open().and_then(File::metadata) {
            Ok(metadata) if FileId::of(&metadata) == id => metadata,
            Ok(_) => return Ok(self.has_no_path(file, now)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(self.has_no_path(file, now)),
            Err(error) => {
                self.counters.errors.fetch_add(1, Relaxed);
                self.complain(&file.path.clone(), &format!("cannot be read: {error}; it is tried again"));
                return Ok((0, true));
            }
        };
        if metadata.len() != file.len {
            file.active_at = now;
        }
        if let Some(lost) = file.lost_by_truncation(&metadata) {
            self.counters.rotations_truncated.fetch_add(1, Relaxed);
            // Nobody saw what was written after the last look: probably as much as before it.
            let lost = lost.max(file.gained);
            self.begin_again(id, file, lost)?;
        }
        file.gained = if was_followed { metadata.len().saturating_sub(file.offset) } else { 0 };
        (file.len, file.modified) = (metadata.len(), modified(&metadata));
        self.read(file, &metadata)
    }

    /// Its path leads nowhere, or to another file: it was renamed, which a look finds out, or it is gone, which time tells.
    fn has_no_path(&mut self, file: &mut Tailed, now: UnixNanos) -> (u64, bool) {
        file.file = None;
        if std::mem::take(&mut file.is_named) {
            file.active_at = now;
            self.look_soon();
        }
        (0, true)
    }

    /// The file was truncated, or written anew: another generation begins at 0.
    fn begin_again(&mut self, id: FileId, file: &mut Tailed, lost: u64) -> Result<(), Stopped> {
        if lost > 0 {
            self.feeder.send_blocking(Event::Lost { reason: LostReason::Truncated, lines: file.lines_in(lost), bytes: lost })?;
        }
        file.generation += 1;
        (file.offset, file.origin, file.head_len, file.head) = (0, 0, 0, rapidhash_v3(b""));
        file.tail.clear();
        file.is_inside_line = false;
        self.feeder.send_blocking(Event::Moved(file.left(id).to_position(&self.options.name)))
    }

    fn read(&mut self, file: &mut Tailed, metadata: &Metadata) -> Result<(u64, bool), Stopped> {
        let mut read = 0;
        while file.offset < file.len && read < self.options.turn_bytes as u64 {
            let Some(chunk) = self.next_chunk(file) else { break };
            let taken = chunk.len() as u64;
            self.hand_on(file, metadata, chunk, false)?;
            read += taken;
        }
        // What is left is the beginning of a line: to be read when it has its end.
        let is_drained = file.offset >= file.len || read < self.options.turn_bytes as u64;
        self.tell_lag(file, is_drained)?;
        Ok((read, is_drained))
    }

    /// The next whole lines, at most a chunk of them; of a line longer than the limit a piece.
    fn next_chunk(&self, file: &mut Tailed) -> Option<Vec<u8>> {
        let mut size = CHUNK_BYTES;
        loop {
            let want = size.min((file.len - file.offset) as usize);
            let mut bytes = vec![0; want];
            let offset = file.offset;
            let got = match file.open().and_then(|opened| read_full_at(opened, &mut bytes, offset)) {
                Ok(got) => got,
                Err(error) => {
                    self.counters.errors.fetch_add(1, Relaxed);
                    tracing::debug!("{}: cannot be read: {error}", file.path.display());
                    return None;
                }
            };
            bytes.truncate(got);
            if !file.is_inside_line && bytes.first() == Some(&0) {
                let hole = bytes.iter().take_while(|byte| **byte == 0).count();
                if hole >= HOLE_BYTES_MIN.min(want) && hole >= HOLE_BYTES_MIN {
                    file.offset += hole as u64;
                    file.tail = vec![0; TAIL_BYTES];
                    self.counters.hole_bytes.fetch_add(hole as u64, Relaxed);
                    if file.offset >= file.len {
                        return None;
                    }
                    continue;
                }
            }
            if let Some(end) = memchr::memrchr(b'\n', &bytes) {
                bytes.truncate(end + 1);
                file.is_inside_line = false;
                return Some(bytes);
            }
            if got >= self.options.line_bytes_max {
                bytes.truncate(self.options.line_bytes_max);
                file.is_inside_line = true;
                return Some(bytes);
            }
            if got < size || got == 0 {
                return None;
            }
            size = (size * 2).min(self.options.line_bytes_max.max(CHUNK_BYTES));
        }
    }

    fn hand_on(&mut self, file: &mut Tailed, metadata: &Metadata, bytes: Vec<u8>, ends_line: bool) -> Result<(), Stopped> {
        let Some(stream) = self.streams.get(&file.stream) else { return Ok(()) };
        if file.origin == 0 {
            let first_line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
            file.origin = origin(metadata, file.generation, first_line);
        }
        let place = Place { origin: file.origin, offset: file.offset };
        file.offset += bytes.len() as u64;
        file.bytes += bytes.len() as u64;
        file.lines += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        file.remember_tail(&bytes);
        file.remember_head();
        let position = Some(file.left(FileId::of(metadata)).to_position(&self.options.name));
        self.feeder.send_blocking(Event::Data(Data { stream: stream.number, arrival: clock::now(), place, bytes, ends_line, position }))
    }

    fn tell_lag(&mut self, file: &Tailed, is_drained: bool) -> Result<(), Stopped> {
        let Some(stream) = self.streams.get_mut(&file.stream) else { return Ok(()) };
        let lag = file.len.saturating_sub(file.offset);
        let is_behind = if is_drained { false } else { stream.is_behind || lag > BEHIND_BYTES };
        if is_behind != std::mem::replace(&mut stream.is_behind, is_behind) {
            self.feeder.send_blocking(if is_behind { Event::FellBehind(stream.number) } else { Event::CaughtUp(stream.number) })?;
        }
        Ok(())
    }

    /// A file whose name is gone and that nobody writes to: its last line needs no end. Its position is kept for the case that it comes back.
    fn finish(&mut self, id: FileId, mut file: Tailed, now: UnixNanos) -> Result<(), Stopped> {
        let rest = file.len.saturating_sub(file.offset);
        if rest > 0 {
            match file.open().and_then(|opened| Ok((opened.try_clone()?, opened.metadata()?))) {
                Ok((opened, metadata)) if FileId::of(&metadata) == id => {
                    let mut bytes = vec![0; (rest as usize).min(self.options.line_bytes_max)];
                    let got = read_full_at(&opened, &mut bytes, file.offset).unwrap_or(0);
                    bytes.truncate(got);
                    if got > 0 {
                        self.hand_on(&mut file, &metadata, bytes, true)?;
                    }
                }
                // No path leads to it any more, and nobody has read it.
                _ => self.feeder.send_blocking(Event::Lost { reason: LostReason::RotatedAway, lines: file.lines_in(rest), bytes: rest })?,
            }
        }
        self.left.insert(id, (file.left(id), now.plus(nanos(REMEMBERED_FOR))));
        self.leave_stream(&file.stream, id)
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

    /// Whether what was found got the number of a file that was deleted: only one that is not held open can lose its number, and only what
    /// belongs to another log is not just its rotation.
    fn has_number_of_another(&self, id: FileId, found: &Found) -> bool {
        let Some(file) = self.files.get(&id) else { return false };
        if file.file.is_some() || file.path == found.path || *stream(&found.path.to_string_lossy(), self.options.layout).key == *file.stream {
            return false;
        }
        let left = file.left(id);
        left.offset == 0 || !File::open(&found.path).is_ok_and(|opened| left.is_of(&opened, found.metadata.len()).unwrap_or(false))
    }
}

impl Tailed {
    /// The open file; opened without following what could block or be a device.
    fn open(&mut self) -> io::Result<&File> {
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
    fn lost_by_truncation(&mut self, metadata: &Metadata) -> Option<u64> {
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

    fn remember_tail(&mut self, bytes: &[u8]) {
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
    fn remember_head(&mut self) {
        let len = self.offset.min(HEAD_BYTES as u64);
        if self.head_len < len
            && let Some(file) = &self.file
            && let Ok(Some(head)) = hash_at(file, 0, len as usize)
        {
            (self.head_len, self.head) = (len, head);
        }
    }

    fn left(&self, id: FileId) -> Left {
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
    fn lines_in(&self, bytes: u64) -> u64 {
        let mean = self.bytes.checked_div(self.lines).unwrap_or(LINE_BYTES_GUESS).max(1);
        bytes.div_ceil(mean).max(1)
    }
}

/// Reads until the buffer is full or the file ends.
fn read_full_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
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

/// Sorts files that were met at once: containers by their restarts, then the one that was written to last is the newest.
fn age_key(found: &Found) -> (u32, i64, i64) {
    let restarts = pod(&found.path.to_string_lossy()).map_or(0, |pod| pod.restarts);
    (restarts, found.metadata.mtime(), found.metadata.mtime_nsec())
}

fn modified(metadata: &Metadata) -> (i64, i64) {
    (metadata.mtime(), metadata.mtime_nsec())
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
