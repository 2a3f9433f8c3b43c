//! How windows close and entries go: when they are due, when there are too many, all of a kind.

use super::entry::{Entry, FingerprintState, Links, NONE};
use super::summary::CloseReason;
#[cfg(test)]
use super::table::EPISODES_PER_WINDOW;
use super::table::{Collapse, IDLE_MAX, Out, POOL_MAX, key};
use super::window::Window;
use super::{Closed, Mode, OpenWindow, Plain};
use crate::fingerprint::Fingerprint;
use crate::record::{FingerprintIndex, StreamId};
use std::sync::Arc;

impl Collapse {
    #[cold]
    pub(super) fn close_due(&mut self, out: Out<'_>) {
        let base = self.base;
        while let Some(item) = {
            let entries = &self.entries;
            self.deadlines.pop(self.now, |item| {
                let window = entries[item.4 as usize].window.as_ref().filter(|window| window.number == item.3)?;
                Some(window.due(base))
            })
        } {
            self.close(item.4, CloseReason::CellEnd, None, out);
        }
    }

    /// Closes the window that was touched least recently; `false` when none is open.
    pub(super) fn evict_coldest(&mut self, out: Out<'_>) -> bool {
        let entries = &self.entries;
        let coldest = self.coldest_windows.pop(i64::MAX, |item| {
            let entry = &entries[item.4 as usize];
            entry.window.as_ref().filter(|window| window.number == item.3).map(|_| entry.last)
        });
        if let Some(item) = coldest {
            self.counters.evictions += 1;
            self.close(item.4, CloseReason::Evicted, None, out);
        }
        coldest.is_some()
    }

    /// Forgets the episode that was touched least recently, after the summary of its window if that is open.
    pub(super) fn forget_coldest(&mut self, out: Out<'_>) {
        let entries = &self.entries;
        let coldest = self.coldest_entries.pop(i64::MAX, |item| {
            let entry = &entries[item.4 as usize];
            (entry.insertion == item.3).then_some(entry.last)
        });
        if let Some(item) = coldest {
            if self.entries[item.4 as usize].window.is_some() {
                self.counters.evictions += 1;
                self.close(item.4, CloseReason::Evicted, None, out);
            }
            self.counters.episodes_forgotten += 1;
            self.remove(item.4);
        }
    }

    /// Closes the windows of these entries that are open, in the order of the output: time, stream, fingerprint.
    pub(super) fn close_all(&mut self, mut slots: Vec<u32>, reason: CloseReason, outcome: Option<&Arc<Fingerprint>>, out: Out<'_>) {
        slots.retain(|slot| self.window(*slot).is_some());
        slots.sort_unstable_by_key(|slot| {
            let entry = &self.entries[*slot as usize];
            (self.window(*slot).map(|window| window.last), entry.stream, entry.index)
        });
        for slot in slots {
            self.close(slot, reason, outcome, out);
        }
    }

    pub(super) fn close(&mut self, slot: u32, reason: CloseReason, outcome: Option<&Arc<Fingerprint>>, out: Out<'_>) {
        let entry = &mut self.entries[slot as usize];
        let (Some(mut window), Some(fingerprint)) = (entry.window.take(), &entry.fingerprint) else { return };
        self.open_windows -= 1;
        self.held_bytes -= window.held_bytes;
        let finished = &mut self.fingerprints[entry.index as usize].finished;
        if finished.1 != window.cell.end {
            *finished = (0, window.cell.end, window.cell.end - window.cell.start);
        }
        finished.0 += window.count;
        if self.mode == Mode::Collapse {
            self.open_lines -= window.lines;
            match window.plain(fingerprint, entry) {
                Some(plain) => out(Closed::Plain(plain)),
                None => {
                    self.counters.summaries += 1;
                    let summary = window.summary(fingerprint, StreamId(entry.stream), reason, outcome, self.mask);
                    out(Closed::Summary(&summary));
                }
            }
        }
        let (stream, open_at) = (entry.stream as usize, entry.open_at as usize);
        self.streams[stream].open.swap_remove(open_at);
        if let Some(moved) = self.streams[stream].open.get(open_at) {
            self.entries[*moved as usize].open_at = open_at as u32;
        }
        if self.pool.len() < POOL_MAX {
            window.clear();
            self.pool.push(window);
        }
    }

    /// Tells of every open window: what it would leave behind if it closed now, in case it took something since it was told last.
    pub fn open_windows_changed(&mut self, each: &mut dyn FnMut(OpenWindow<'_>)) {
        if self.mode == Mode::Observe {
            return;
        }
        let open: Vec<u32> = self.streams.iter().flat_map(|stream| stream.open.iter().copied()).collect();
        for slot in open {
            let entry = &mut self.entries[slot as usize];
            let (Some(mut window), Some(fingerprint)) = (entry.window.take(), entry.fingerprint.clone()) else { continue };
            let (number, stream) = (window.number, StreamId(entry.stream));
            if window.told_lines == window.lines {
                each(OpenWindow { number, stream, fingerprint: &fingerprint, count: window.count, changed: None });
            } else {
                window.told_lines = window.lines;
                match window.plain(&fingerprint, entry) {
                    Some(plain) => {
                        each(OpenWindow { number, stream, fingerprint: &fingerprint, count: window.count, changed: Some(Closed::Plain(plain)) })
                    }
                    None => {
                        let summary = window.summary(&fingerprint, stream, CloseReason::Shutdown, None, self.mask);
                        each(OpenWindow { number, stream, fingerprint: &fingerprint, count: window.count, changed: Some(Closed::Summary(&summary)) });
                    }
                }
            }
            entry.window = Some(window);
        }
    }

    pub(super) fn window(&self, slot: u32) -> Option<&Window> {
        self.entries[slot as usize].window.as_deref()
    }

    pub(super) fn fingerprint_state(&mut self, index: u32) -> &mut FingerprintState {
        let index = index as usize;
        if index >= self.fingerprints.len() {
            self.fingerprints.resize_with(index + 1, FingerprintState::new);
        }
        &mut self.fingerprints[index]
    }

    pub(super) fn members(&self, head: u32, links: fn(&Entry) -> Links) -> Vec<u32> {
        let mut members = Vec::new();
        let mut slot = head;
        while slot != NONE {
            members.push(slot);
            slot = links(&self.entries[slot as usize]).next;
        }
        members
    }

    pub(super) fn remove(&mut self, slot: u32) {
        let entry = std::mem::replace(&mut self.entries[slot as usize], Entry::new());
        self.slots.remove(&key(FingerprintIndex(entry.index), StreamId(entry.stream)));
        self.free.push(slot);
        self.worker_bytes -= entry.workers.as_ref().map_or(0, |workers| workers.bytes());
        let stream = &mut self.streams[entry.stream as usize];
        if entry.part > 0 {
            stream.forgotten = (stream.forgotten.0.max(entry.cell.start), stream.forgotten.1.max(entry.part));
        }
        for (links, is_fingerprint) in [(entry.by_fingerprint, true), (entry.by_stream, false)] {
            match links.previous {
                NONE if is_fingerprint => self.fingerprints[entry.index as usize].head = links.next,
                NONE => self.streams[entry.stream as usize].head = links.next,
                previous => self.entries[previous as usize].links(is_fingerprint).next = links.next,
            }
            if links.next != NONE {
                self.entries[links.next as usize].links(is_fingerprint).previous = links.previous;
            }
        }
    }
}

impl Window {
    /// Its only record, if it has one only and that may go out whole.
    fn plain<'a>(&'a self, fingerprint: &'a Arc<Fingerprint>, entry: &Entry) -> Option<Plain<'a>> {
        let only = self.only.as_ref().filter(|_| !self.lists_single)?;
        Some(Plain {
            raw: &only.raw,
            fingerprint,
            index: FingerprintIndex(entry.index),
            stream: StreamId(entry.stream),
            place: only.place,
            arrival: only.arrival,
            working: only.working,
            event: only.event,
            lines: self.lines as u32,
        })
    }

    /// When it must close: at its deadline, or earlier when it has been idle (a cell of the base grid never is).
    pub(super) fn due(&self, base: i64) -> i64 {
        if self.cell.end - self.cell.start > base { self.deadline.min(self.touched.saturating_add(IDLE_MAX)) } else { self.deadline }
    }
}

#[cfg(test)]
impl Collapse {
    /// What must hold between the parts of the table; for property tests.
    pub(super) fn check_state(&self) {
        let live: Vec<&Entry> = self.entries.iter().filter(|entry| entry.insertion > 0).collect();
        assert_eq!(live.len(), self.slots.len());
        assert!(live.len() <= self.windows_max * EPISODES_PER_WINDOW);
        assert_eq!(live.len() + self.free.len(), self.entries.len());
        let windows: Vec<&Window> = live.iter().filter_map(|entry| entry.window.as_deref()).collect();
        assert_eq!(windows.len(), self.open_windows);
        assert_eq!(windows.iter().map(|window| window.held_bytes).sum::<usize>(), self.held_bytes);
        assert!(self.held_bytes <= self.bytes_max);
        assert_eq!(live.iter().filter_map(|entry| entry.workers.as_ref()).map(|workers| workers.bytes()).sum::<usize>(), self.worker_bytes);
        assert_eq!(self.fingerprints.iter().filter(|state| state.storm.is_some()).count(), self.storms as usize);
        for (id, stream) in self.streams.iter().enumerate() {
            let true_place = |(at, slot): (usize, &u32)| {
                let entry = &self.entries[*slot as usize];
                entry.window.is_some() && entry.open_at as usize == at && entry.stream as usize == id
            };
            assert!(stream.open.iter().enumerate().all(true_place));
        }
        assert_eq!(self.streams.iter().map(|stream| stream.open.len()).sum::<usize>(), self.open_windows);
        let listed: usize = self.streams.iter().map(|stream| self.members(stream.head, |entry| entry.by_stream).len()).sum();
        assert_eq!(listed, live.len());
        let listed: usize = self.fingerprints.iter().map(|state| self.members(state.head, |entry| entry.by_fingerprint).len()).sum();
        assert_eq!(listed, live.len());
    }
}
