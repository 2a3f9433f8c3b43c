//! What the table keeps: one entry per (fingerprint, stream), and what is known of a fingerprint and of a stream as a whole.

use super::chains::Workers;
use super::grid::Cell;
use super::rates::{Flood, GuessCounts};
use super::window::Window;
use crate::fingerprint::Fingerprint;
use std::sync::Arc;

/// No link, no entry.
pub(super) const NONE: u32 = u32::MAX;

/// What is known of one fingerprint in one stream: its episode, and its window while one is open.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) index: u32,
    pub(super) stream: u32,
    /// Counted over all entries ever made; 0 for a free slot.
    pub(super) insertion: u64,
    /// Latest working time.
    pub(super) last: i64,
    /// Records of the episode.
    pub(super) seen: u64,
    /// The guess has reached its threshold in this episode.
    pub(super) is_collapsing: bool,
    /// The cell of the newest window and its part.
    pub(super) cell: Cell,
    pub(super) part: u32,
    /// Until the end of the cell in which a final outcome passed the next one does not.
    pub(super) outcome_until: i64,
    /// Working time of the newest record that feeds intervals, and the same per worker.
    pub(super) chain_last: Option<i64>,
    pub(super) workers: Option<Box<Workers>>,
    pub(super) guess: Option<Box<GuessCounts>>,
    pub(super) fingerprint: Option<Arc<Fingerprint>>,
    pub(super) window: Option<Box<Window>>,
    /// Where it stands among the open windows of its stream while `window` is set.
    pub(super) open_at: u32,
    /// Neighbours in the list of the fingerprint and in that of the stream.
    pub(super) by_fingerprint: Links,
    pub(super) by_stream: Links,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    pub(super) previous: u32,
    pub(super) next: u32,
}

pub(super) const UNLINKED: Links = Links { previous: NONE, next: NONE };

#[derive(Debug)]
pub(super) struct FingerprintState {
    pub(super) head: u32,
    /// The slot that was asked for last: most fingerprints repeat in one stream. May be out of date.
    pub(super) recent: u32,
    pub(super) flood: Flood,
    pub(super) storm: Option<Storm>,
    /// Records in the windows that closed at the end of the latest cell, that end, and the cell's length.
    pub(super) finished: (u64, i64, i64),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Storm {
    pub(super) since: i64,
    pub(super) new_streams: u32,
}

#[derive(Debug)]
pub(super) struct StreamState {
    pub(super) head: u32,
    /// Slots of its entries with an open window, in no order: a boundary looks at these only, not at every episode.
    pub(super) open: Vec<u32>,
    /// Latest working time, and the next boundary of the base grid after it.
    pub(super) high: i64,
    pub(super) boundary: i64,
    /// Latest cell start and part of entries that were forgotten: a new entry in such a cell counts on, so that parts stay unique.
    pub(super) forgotten: (i64, u32),
}

impl Entry {
    pub(super) fn new() -> Self {
        Self {
            index: 0,
            stream: 0,
            insertion: 0,
            last: i64::MIN,
            seen: 0,
            is_collapsing: false,
            cell: Cell { start: i64::MIN, end: i64::MIN },
            part: 0,
            outcome_until: i64::MIN,
            chain_last: None,
            workers: None,
            guess: None,
            fingerprint: None,
            window: None,
            open_at: 0,
            by_fingerprint: UNLINKED,
            by_stream: UNLINKED,
        }
    }

    pub(super) fn links(&mut self, is_fingerprint: bool) -> &mut Links {
        if is_fingerprint { &mut self.by_fingerprint } else { &mut self.by_stream }
    }
}

impl FingerprintState {
    pub(super) fn new() -> Self {
        Self { head: NONE, recent: NONE, flood: Flood::new(), storm: None, finished: (0, i64::MIN, 1) }
    }
}

impl StreamState {
    pub(super) fn new() -> Self {
        Self { head: NONE, open: Vec::new(), high: i64::MIN, boundary: i64::MIN, forgotten: (i64::MIN, 0) }
    }
}
