//! Records in the making. A *lane* is one writer inside a stream: lines are joined only with lines of the same lane.

use super::fingerprints::Slot;
use crate::fingerprint::Fingerprint;
use crate::framing::join::{JoinState, Part};
use crate::record::Place;
use crate::time::UnixNanos;
use std::sync::Arc;

/// Writers kept apart in one stream: a merged stream of more pods than this joins less, it loses nothing.
const LANES_MAX: usize = 64;

/// Guesses where a writer's lane is, and with how many lanes they begin: most streams have one.
const GUESSES: usize = 256;
const GUESSED_FROM: usize = 4;

/// Joined lines that take part in a record's template; the rest is counted, not looked at.
pub(super) const PARTS_MAX: usize = 24;

/// A joined line, as far as the template needs it.
pub(super) type JoinedPart = (Part, Arc<Fingerprint>);

/// One writer inside a stream.
#[derive(Debug, Default)]
pub(super) struct Lane {
    used: u64,
    /// A record that waits for its continuation lines.
    pub held: Option<Held>,
    /// A record whose first line is through already and whose continuation lines stream through behind it.
    pub streaming: Option<Streaming>,
    /// A line that the runtime cut and that is not whole yet.
    pub partial: Option<PartialLine>,
}

/// A record that waits for its continuation lines, at most until `deadline`.
#[derive(Debug)]
pub(super) struct Held {
    /// All its bytes, line ends included.
    pub raw: Vec<u8>,
    /// Its first line without line end; differs from the beginning of `raw` where cut lines were put together.
    pub head: Vec<u8>,
    pub lines: u32,
    pub state: JoinState,
    pub parts: Vec<JoinedPart>,
    /// Hash of the process id in its header, 0 if none: a headed continuation must carry the same.
    pub pid: u64,
    pub arrival: UnixNanos,
    /// Where its first byte stood.
    pub place: Place,
    pub deadline: UnixNanos,
}

/// A record whose first line is through already.
#[derive(Debug)]
pub(super) struct Streaming {
    pub state: JoinState,
    pub head: Slot,
    pub parts: Vec<JoinedPart>,
    pub pid: u64,
    pub lines: u32,
}

/// A line that the runtime cut: what has come of it so far.
#[derive(Debug)]
pub(super) struct PartialLine {
    /// All bytes, line ends included.
    pub raw: Vec<u8>,
    /// The text put together.
    pub text: Vec<u8>,
    pub lines: u32,
    pub arrival: UnixNanos,
    /// Where its first byte stood.
    pub place: Place,
}

/// The lanes of one stream.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// Their writers, side by side: they are searched for each line.
    keys: Vec<u64>,
    /// Where a writer was found last, by the low bits of its key, once there are several: a wrong guess only costs the search.
    guesses: Vec<u8>,
    clock: u64,
}

impl Lanes {
    pub(super) fn new() -> Self {
        Self { lanes: Vec::new(), keys: Vec::new(), guesses: Vec::new(), clock: 0 }
    }

    /// The lane of `key`, and another lane's index that must be cleared first when there are too many.
    #[inline]
    pub(super) fn find(&mut self, key: u64) -> LaneIndex {
        if self.lanes.is_empty() {
            // Made when the first line comes, and one only: most files of a node are silent, and most of the others have one writer.
            self.lanes.reserve_exact(1);
            self.lanes.push(Lane::default());
            self.keys.push(0);
        }
        if key == 0 {
            return LaneIndex::There(0);
        }
        self.clock += 1;
        let guess = (key % GUESSES as u64) as usize;
        if let Some(index) = self.guesses.get(guess).map(|index| usize::from(*index)).filter(|index| self.keys.get(*index) == Some(&key)) {
            self.lanes[index].used = self.clock;
            return LaneIndex::There(index);
        }
        if let Some(index) = self.keys.iter().position(|known| *known == key) {
            if self.keys.len() > GUESSED_FROM {
                self.guesses.resize(GUESSES, 0);
                self.guesses[guess] = index as u8;
            }
            self.lanes[index].used = self.clock;
            return LaneIndex::There(index);
        }
        if self.lanes.len() < LANES_MAX {
            self.lanes.push(Lane { used: self.clock, ..Lane::default() });
            self.keys.push(key);
            return LaneIndex::There(self.lanes.len() - 1);
        }
        // Lane 0 is for lines that name no writer; it stays.
        let coldest = (1..self.lanes.len()).min_by_key(|&i| self.lanes[i].used).unwrap_or(0);
        LaneIndex::TakenFrom(coldest)
    }

    /// Gives a cleared lane to another writer.
    pub(super) fn reuse(&mut self, index: usize, key: u64) {
        self.lanes[index] = Lane { used: self.clock, ..Lane::default() };
        self.keys[index] = key;
    }

    #[inline]
    pub(super) fn get(&mut self, index: usize) -> &mut Lane {
        &mut self.lanes[index]
    }

    pub(super) const fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Lines that are read and neither forwarded nor in a window.
    pub(super) fn open_lines(&self) -> u64 {
        let lines = |lane: &Lane| lane.held.as_ref().map_or(0, |held| held.lines) + lane.partial.as_ref().map_or(0, |partial| partial.lines);
        self.lanes.iter().map(|lane| u64::from(lines(lane))).sum()
    }

    /// The bytes behind [`Lanes::open_lines`]. In each lane the record that waits comes before the cut line that may continue it.
    pub(super) fn each_open(&self, mut each: impl FnMut(&[u8], u32, Place)) {
        for lane in &self.lanes {
            if let Some(held) = &lane.held {
                each(&held.raw, held.lines, held.place);
            }
            if let Some(partial) = &lane.partial {
                each(&partial.raw, partial.lines, partial.place);
            }
        }
    }

    /// When the first of them has waited long enough.
    pub(super) fn next_deadline(&self, wait_ns: i64) -> Option<UnixNanos> {
        let deadline = |lane: &Lane| {
            let held = lane.held.as_ref().map(|held| held.deadline);
            let partial = lane.partial.as_ref().map(|partial| partial.arrival.plus(PARTIAL_WAITS * wait_ns));
            held.into_iter().chain(partial).min()
        };
        self.lanes.iter().filter_map(deadline).min()
    }
}

/// A cut line waits this many times longer for its rest than a record for its continuation: the runtime is writing it.
pub(super) const PARTIAL_WAITS: i64 = 100;

/// Where a writer's lane is.
pub(super) enum LaneIndex {
    /// There.
    There(usize),
    /// Nowhere: this one is the coldest; clear it and give it to the newcomer.
    TakenFrom(usize),
}
