//! Which files there are: what a look at the directories finds, and what becomes of the files it knew.

use super::super::StartAt;
use super::super::discover::{Found, Seen};
use super::super::identity::{FileId, Left, TAIL_BYTES};
use super::super::names::{is_compressed, pod, stream};
use super::tailed::{Tailed, modified};
use super::{FORGET_EVERY, REMEMBERED_FOR, Stream, Tailer, nanos};
use crate::inputs::event::{Event, Position, Stopped};
use crate::time::UnixNanos;
use rapidhash::v3::rapidhash_v3;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

impl Tailer {
    pub(super) fn look(&mut self, now: UnixNanos) -> Result<(), Stopped> {
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
            None if self.was_there_first(id) && self.options.start_at == StartAt::End => {
                if !self.begin_at_end(id, &mut file) {
                    self.hidden.insert(id);
                    self.looks_again = true;
                    return Ok(());
                }
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

    /// Whether a file that is met now was there at the first start of all.
    fn was_there_first(&mut self, id: FileId) -> bool {
        !self.has_run_before && (self.is_first_look || self.hidden.remove(&id))
    }

    /// The first start of all with `start_at = "end"`: what is there is history. False if its path leads elsewhere by now: it was renamed after
    /// it was listed, and the next look finds it under its new name.
    fn begin_at_end(&self, id: FileId, file: &mut Tailed) -> bool {
        let end = file.open().and_then(|opened| {
            let metadata = opened.metadata()?;
            if FileId::of(&metadata) != id {
                return Err(io::ErrorKind::NotFound.into());
            }
            let mut tail = vec![0; TAIL_BYTES.min(metadata.len() as usize)];
            let tail_at = metadata.len() - tail.len() as u64;
            opened.read_exact_at(&mut tail, tail_at)?;
            Ok((metadata.len(), tail))
        });
        file.file = None;
        match end {
            Ok((len, tail)) => {
                // Inside a line that is not over: its rest would look like a line of its own.
                file.is_inside_line = tail.last().is_some_and(|last| *last != b'\n');
                (file.offset, file.tail) = (len, tail);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                self.counters.errors.fetch_add(1, Relaxed);
                tracing::warn!("{}: its end cannot be found: {error}; it is read from its beginning", file.path.display());
                true
            }
        }
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
                self.feeder.send_blocking(Event::Forgotten(super::super::identity::key(&self.options.name, id)))?;
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

/// Sorts files that were met at once: containers by their restarts, then the one that was written to last is the newest.
fn age_key(found: &Found) -> (u32, i64, i64) {
    let restarts = pod(&found.path.to_string_lossy()).map_or(0, |pod| pod.restarts);
    (restarts, found.metadata.mtime(), found.metadata.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use super::super::super::{Counters, Options, StartAt};
    use super::{FileId, Found, Tailer};
    use crate::inputs::event::{Event, Feeder};
    use crate::time::UnixNanos;
    use std::fs;
    use std::sync::Arc;

    #[test]
    fn a_rename_between_listing_and_opening_does_not_make_history_of_a_file_news() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("app.log"), folder.path().join("app.log.1"));
        fs::write(&old, "history\n").unwrap();
        let (feeder, mut events) = Feeder::new();
        let include = vec![folder.path().join("*.log*").display().to_string()];
        let options = Options { include, start_at: StartAt::End, ..Options::default() };
        let mut tailer = Tailer::new(options, &[], feeder, Arc::<Counters>::default()).unwrap();
        let found = Found { path: old.clone(), metadata: fs::metadata(&old).unwrap() };
        fs::rename(&old, &new).unwrap();
        fs::write(&old, "not there when it was listed\n").unwrap();
        tailer.met(FileId::of(&found.metadata), found, UnixNanos(0)).unwrap();
        tailer.is_first_look = false;
        tailer.turn(UnixNanos(1)).unwrap();
        let mut read = Vec::new();
        while let Ok(event) = events.try_recv() {
            if let Event::Data(data) = event {
                read.push(String::from_utf8(data.bytes).unwrap());
            }
        }
        assert_eq!(read, ["not there when it was listed\n"]);
    }
}
