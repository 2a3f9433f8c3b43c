//! What is read of a file: whole lines, its truncation, its end.

use super::super::identity::{FileId, TAIL_BYTES, origin};
use super::tailed::{Tailed, modified, read_full_at};
use super::{BEHIND_BYTES, HOLE_BYTES_MIN, OVER_AFTER, REMEMBERED_FOR, Tailer, nanos};
use crate::clock;
use crate::inputs::event::{CHUNK_BYTES, Data, Event, LostReason, Stopped};
use crate::record::Place;
use crate::time::UnixNanos;
use rapidhash::v3::rapidhash_v3;
use std::fs::{File, Metadata};
use std::io;
use std::sync::atomic::Ordering::Relaxed;

impl Tailer {
    /// Reads of one file what its turn allows. Returns the bytes, and whether nothing is left to read.
    pub(super) fn poll(&mut self, id: FileId, now: UnixNanos) -> Result<(u64, bool), Stopped> {
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
}
