//! The table of windows: who is absorbed, when windows close, who is forgotten when it is full.

use super::chains::Workers;
use super::coldest::{Item, RisingHeap};
use super::distinct::local_hash;
use super::entry::{Entry, FingerprintState, NONE, Storm, StreamState};
use super::grid::Cell;
use super::rates::{FLOOD_LIMIT_MAX, GuessCounts};
use super::summary::{Cause, CloseReason};
use super::window::{Only, Window};
use super::{Closed, Mode, Settings, Verdict};
use crate::fingerprint::Fingerprint;
use crate::occurrence::Occurrence;
use crate::record::{Class, ClassSource, FingerprintIndex, StreamId};
use crate::time::{SECOND, UnixNanos};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::borrow::Cow;
use std::sync::Arc;

/// A long cell whose window was silent for so long closes early: 60 s, in ns.
pub const IDLE_MAX: i64 = 60 * SECOND;
/// Episodes that are remembered per open window that is allowed: state outlives the window, and streams say more than they repeat.
pub(super) const EPISODES_PER_WINDOW: usize = 4;
/// First records of new streams that pass in one storm.
const NEW_STREAMS_PER_STORM: u32 = 50;
/// How long after a retry line an ordinary line is its companion: 1 s, in ns.
const COMPANION_NS: i64 = SECOND;
/// Instances whose companions are followed at once (direct-mapped: a collision lets companions of one of two pass).
const COMPANION_SLOTS: usize = 1024;
/// Bytes of all worker tables together up to which one may grow: 2 MiB, 512 full ones.
const WORKER_BYTES_MAX: usize = 2 << 20;
/// Closed windows that are kept for reuse.
pub(super) const POOL_MAX: usize = 64;
/// Where closed windows go.
pub(super) type Out<'o> = &'o mut dyn FnMut(Closed<'_>);

/// What has happened so far, beyond the identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Windows closed early because there were too many, or too much in them.
    pub evictions: u64,
    /// Records offered that were late.
    pub late_records: u64,
    /// Episodes forgotten because there were too many: their next record passes as a first one.
    pub episodes_forgotten: u64,
    /// Summaries sent out.
    pub summaries: u64,
}

/// One row of the live footer.
#[derive(Clone, Debug)]
pub struct Busy {
    /// Severity, template, class.
    pub fingerprint: Arc<Fingerprint>,
    /// Records in its windows that are open.
    pub absorbed: u64,
    /// Records per second over its last finished cell, else over what is open.
    pub per_second: f64,
}

/// Longest record that a window keeps whole for the case that it stays the only one: 1 MiB, four lines of the default limit.
const PLAIN_BYTES_MAX: usize = 1 << 20;

/// Collapses repeats. See the [module](super).
#[derive(Debug)]
pub struct Collapse {
    pub(super) mode: Mode,
    pub(super) base: i64,
    pub(super) keep_first: u64,
    guess_in_10s: u64,
    guess_in_10min: u64,
    pub(super) flood_per_second: u64,
    pub(super) episode_gap: i64,
    pub(super) windows_max: usize,
    pub(super) bytes_max: usize,
    pub(super) mask: fn(&[u8]) -> Cow<'_, [u8]>,

    pub(super) now: i64,
    pub(super) slots: HashMap<u64, u32, FixedState>,
    pub(super) entries: Vec<Entry>,
    pub(super) free: Vec<u32>,
    pub(super) fingerprints: Vec<FingerprintState>,
    pub(super) streams: Vec<StreamState>,
    pub(super) companions: Vec<(u64, i64)>,
    pub(super) storms: u32,
    /// Set once someone has companions; until then ordinary lines do not look for them.
    pub(super) has_companions: bool,

    pub(super) deadlines: RisingHeap,
    pub(super) coldest_windows: RisingHeap,
    pub(super) coldest_entries: RisingHeap,
    #[expect(clippy::vec_box, reason = "the boxes themselves are handed to entries and back; a window is 800 bytes")]
    pub(super) pool: Vec<Box<Window>>,
    pub(super) insertions: u64,
    pub(super) openings: u64,
    pub(super) open_windows: usize,
    pub(super) open_lines: u64,
    pub(super) held_bytes: usize,
    pub(super) worker_bytes: usize,
    pub(super) counters: Counters,
}

impl Collapse {
    /// A table with nothing in it. `mask` hides secrets in samples and names; it is called when a summary is made, never per record.
    #[must_use]
    pub fn new(settings: impl Into<Settings>, mask: fn(&[u8]) -> Cow<'_, [u8]>) -> Self {
        let settings = settings.into();
        Self {
            mode: settings.mode,
            base: settings.window_ns.max(SECOND),
            // The first line is never late: 0 is taken as 1.
            keep_first: settings.keep_first.max(1),
            guess_in_10s: settings.guess_in_10s,
            guess_in_10min: settings.guess_in_10min,
            flood_per_second: settings.flood_per_second.min(FLOOD_LIMIT_MAX),
            episode_gap: settings.episode_gap_ns.max(1),
            windows_max: settings.windows_max.max(1),
            bytes_max: settings.window_bytes_max,
            mask,
            now: i64::MIN,
            slots: HashMap::with_hasher(FixedState::default()),
            entries: Vec::new(),
            free: Vec::new(),
            fingerprints: Vec::new(),
            streams: Vec::new(),
            companions: Vec::new(),
            storms: 0,
            has_companions: false,
            deadlines: RisingHeap::default(),
            coldest_windows: RisingHeap::default(),
            coldest_entries: RisingHeap::default(),
            pool: Vec::new(),
            insertions: 0,
            openings: 0,
            open_windows: 0,
            open_lines: 0,
            held_bytes: 0,
            worker_bytes: 0,
            counters: Counters::default(),
        }
    }

    /// Takes one record. Windows that close because of it are sent to `out` first; they belong before the record if that passes.
    #[inline]
    pub fn offer(&mut self, occurrence: &Occurrence<'_>, out: Out<'_>) -> Verdict {
        let high = self.reach(occurrence, out);
        self.counters.late_records += u64::from(occurrence.late);
        let slot = self.slot_of(occurrence, out);
        let (is_first, interval) = self.follow(slot, occurrence);
        let Some(cause) = self.decide(slot, is_first, high, occurrence, out) else {
            return Verdict::Pass;
        };
        self.absorb(slot, cause, high, interval, is_first, occurrence, out);
        match self.mode {
            Mode::Collapse => Verdict::Absorb,
            Mode::Observe => Verdict::WouldAbsorb,
        }
    }

    /// A record passed without being asked about (its first line was through before its last was read): the next one like it is a repeat.
    pub fn note_passed(&mut self, occurrence: &Occurrence<'_>, out: Out<'_>) {
        self.reach(occurrence, out);
        let slot = self.slot_of(occurrence, out);
        self.follow(slot, occurrence);
    }

    /// The slot of the fingerprint in the stream; a new one if there is none.
    #[inline(always)]
    fn slot_of(&mut self, occurrence: &Occurrence<'_>, out: Out<'_>) -> u32 {
        let (index, stream) = (occurrence.index, occurrence.stream);
        if let Some(state) = self.fingerprints.get(index.0 as usize)
            && let Some(entry) = self.entries.get(state.recent as usize)
            && (entry.index, entry.stream) == (index.0, stream.0)
            && entry.insertion != 0
        {
            return state.recent;
        }
        let key = key(index, stream);
        let slot = match self.slots.get(&key) {
            Some(slot) => *slot,
            None => self.insert(key, occurrence, out),
        };
        self.fingerprint_state(index.0).recent = slot;
        slot
    }

    /// A further piece of the line that was absorbed last: joins the open window of its fingerprint. `false` when there is none (it closed
    /// meanwhile); the piece is then the caller's.
    pub fn absorb_rest(&mut self, index: FingerprintIndex, stream: StreamId, piece: &[u8]) -> bool {
        let Some(&slot) = self.slots.get(&key(index, stream)) else { return false };
        let Some(window) = &mut self.entries[slot as usize].window else { return false };
        if self.mode == Mode::Observe {
            return false;
        }
        window.lines += 1;
        window.bytes += piece.len() as u64;
        self.open_lines += 1;
        if let Some(only) = window.only.take() {
            window.held_bytes -= only.raw.len();
            self.held_bytes -= only.raw.len();
            // A record of several pieces goes out whole only while it is small enough to be kept: else it leaves a summary of one.
            if only.raw.len() + piece.len() <= PLAIN_BYTES_MAX {
                let raw = [&*only.raw, piece].concat().into_boxed_slice();
                window.held_bytes += raw.len();
                self.held_bytes += raw.len();
                window.only = Some(Only { raw, ..only });
            }
        }
        true
    }

    /// When [`Collapse::advance`] must be called at the latest, on the axis of `now`. May be early, never late.
    #[must_use]
    #[inline]
    pub fn next_wakeup(&self) -> Option<UnixNanos> {
        self.deadlines.earliest().map(UnixNanos)
    }

    /// `now` has come. Cheap when nothing is due: call it before every offer.
    #[inline]
    pub fn advance(&mut self, now: UnixNanos, out: Out<'_>) {
        if now.0 > self.now {
            self.now = now.0;
            if self.deadlines.earliest().is_some_and(|earliest| earliest <= now.0) {
                self.close_due(out);
            }
        }
    }

    /// Closes every window. Afterwards [`Collapse::open_lines`] is 0; episodes are remembered.
    pub fn drain(&mut self, out: Out<'_>) {
        let open = (0..self.entries.len() as u32).collect();
        self.close_all(open, CloseReason::Shutdown, None, out);
    }

    /// Lines in open windows.
    #[must_use]
    pub const fn open_lines(&self) -> u64 {
        self.open_lines
    }

    /// Windows that are open.
    #[must_use]
    pub const fn open_windows(&self) -> usize {
        self.open_windows
    }

    /// What has happened so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Forgets a fingerprint after its summaries; its index may then be used for another.
    pub fn forget_fingerprint(&mut self, index: FingerprintIndex, out: Out<'_>) {
        let Some(state) = self.fingerprints.get(index.0 as usize) else { return };
        let members = self.members(state.head, |entry| entry.by_fingerprint);
        self.close_all(members.clone(), CloseReason::Evicted, None, out);
        for slot in members {
            self.remove(slot);
        }
        let state = &mut self.fingerprints[index.0 as usize];
        self.storms -= u32::from(state.storm.is_some());
        *state = FingerprintState::new();
    }

    /// The stream has ended: its windows close, its id may then be used for another.
    pub fn end_stream(&mut self, stream: StreamId, out: Out<'_>) {
        let Some(state) = self.streams.get(stream.0 as usize) else { return };
        let members = self.members(state.head, |entry| entry.by_stream);
        self.close_all(members.clone(), CloseReason::Shutdown, None, out);
        for slot in members {
            self.remove(slot);
        }
        self.streams[stream.0 as usize] = StreamState::new();
    }

    /// A storm of the fingerprint begins or ends. While it lasts its windows climb the grid, each on its own boundaries, and a guess
    /// collapses from the second record; at its end its windows close and the grid falls back.
    pub fn storm(&mut self, index: FingerprintIndex, is_on: bool, out: Out<'_>) {
        let state = self.fingerprint_state(index.0);
        if is_on == state.storm.is_some() {
            return;
        }
        let members = self.members(self.fingerprints[index.0 as usize].head, |entry| entry.by_fingerprint);
        let since = members.iter().map(|slot| self.entries[*slot as usize].last).fold(self.now, i64::max);
        self.fingerprints[index.0 as usize].storm = is_on.then_some(Storm { since, new_streams: 0 });
        if is_on {
            self.storms += 1;
        } else {
            self.storms -= 1;
            self.close_all(members, CloseReason::StormEnd, None, out);
        }
    }

    /// Ordinary records of the instance collapse until then as companions of its retry line. Records of fingerprints in a storm do this by
    /// themselves for 1 s; 0 names no instance.
    pub fn companions(&mut self, instance_hash: u64, until: UnixNanos) {
        if instance_hash != 0 {
            if self.companions.is_empty() {
                self.companions.resize(COMPANION_SLOTS, (0, 0));
            }
            self.has_companions = true;
            self.companions[instance_hash as usize % COMPANION_SLOTS] = (instance_hash, until.0);
        }
    }

    /// Retry-like fingerprints that have open windows, busiest first (ties by index).
    #[must_use]
    pub fn busiest(&self, limit: usize) -> Vec<Busy> {
        let mut rows: Vec<(u64, usize, i64, Arc<Fingerprint>)> = Vec::new();
        for (index, state) in self.fingerprints.iter().enumerate() {
            let (mut absorbed, mut first, mut fingerprint) = (0, i64::MAX, None);
            let mut slot = state.head;
            while slot != NONE {
                let entry = &self.entries[slot as usize];
                if let Some(window) = &entry.window {
                    absorbed += window.count;
                    first = first.min(window.first);
                    fingerprint = fingerprint.or(entry.fingerprint.as_ref());
                }
                slot = entry.by_fingerprint.next;
            }
            if let Some(fingerprint) = fingerprint.filter(|fingerprint| fingerprint.class.is_retry_like()) {
                rows.push((absorbed, index, first, Arc::clone(fingerprint)));
            }
        }
        rows.sort_by_key(|row| (std::cmp::Reverse(row.0), row.1));
        rows.truncate(limit);
        let rate = |absorbed: u64, index: usize, first: i64| match self.fingerprints[index].finished {
            (count, _, length) if count > 0 => count as f64 * SECOND as f64 / length as f64,
            _ => absorbed as f64 * SECOND as f64 / self.now.saturating_sub(first).max(SECOND) as f64,
        };
        rows.into_iter()
            .map(|(absorbed, index, first, fingerprint)| Busy { fingerprint, absorbed, per_second: rate(absorbed, index, first) })
            .collect()
    }

    // ---- one record, step by step ----

    /// Moves the stream's time to this record; closes its windows whose cell has ended by it. Returns the stream's latest time.
    #[inline(always)]
    fn reach(&mut self, occurrence: &Occurrence<'_>, out: Out<'_>) -> i64 {
        let id = occurrence.stream.0 as usize;
        if id >= self.streams.len() {
            self.streams.resize_with(id + 1, StreamState::new);
        }
        let stream = &mut self.streams[id];
        let working = occurrence.working.0;
        if !occurrence.feeds_rate {
            // It has no place on the time line, so it cannot move the stream's time.
            return if stream.high == i64::MIN { working } else { stream.high };
        }
        if working > stream.high {
            stream.high = working;
            if working >= stream.boundary {
                self.pass_boundary(occurrence.stream, out);
            }
            return working;
        }
        if !occurrence.late && working < stream.high - crate::working_time::LATE_AFTER {
            self.set_back(occurrence.stream, working, out);
            return working;
        }
        stream.high
    }

    #[cold]
    fn pass_boundary(&mut self, id: StreamId, out: Out<'_>) {
        let stream = &mut self.streams[id.0 as usize];
        let high = stream.high;
        stream.boundary = Cell::holding(high, self.base).end;
        let open = &self.streams[id.0 as usize].open;
        let ended = open.iter().copied().filter(|slot| self.window(*slot).is_some_and(|window| window.cell.end <= high)).collect();
        self.close_all(ended, CloseReason::CellEnd, None, out);
    }

    /// The stream's clock was set back (its clock says that this is not late): its windows close and cells begin anew.
    #[cold]
    fn set_back(&mut self, id: StreamId, working: i64, out: Out<'_>) {
        let stream = &mut self.streams[id.0 as usize];
        stream.high = working;
        stream.boundary = Cell::holding(working, self.base).end;
        let members = self.members(self.streams[id.0 as usize].head, |entry| entry.by_stream);
        self.close_all(members.clone(), CloseReason::CellEnd, None, out);
        for slot in members {
            let entry = &mut self.entries[slot as usize];
            entry.outcome_until = i64::MIN;
            entry.chain_last = None;
            self.worker_bytes -= entry.workers.take().map_or(0, |workers| workers.bytes());
        }
    }

    #[cold]
    fn insert(&mut self, key: u64, occurrence: &Occurrence<'_>, out: Out<'_>) -> u32 {
        if self.slots.len() >= self.windows_max * EPISODES_PER_WINDOW {
            self.forget_coldest(out);
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::new());
            self.entries.len() as u32 - 1
        });
        self.insertions += 1;
        let (index, stream) = (occurrence.index.0, occurrence.stream.0);
        let next_of_fingerprint = std::mem::replace(&mut self.fingerprint_state(index).head, slot);
        let next_of_stream = std::mem::replace(&mut self.streams[stream as usize].head, slot);
        for (neighbour, is_fingerprint) in [(next_of_fingerprint, true), (next_of_stream, false)] {
            if neighbour != NONE {
                self.entries[neighbour as usize].links(is_fingerprint).previous = slot;
            }
        }
        let entry = &mut self.entries[slot as usize];
        (entry.index, entry.stream, entry.insertion) = (index, stream, self.insertions);
        entry.last = occurrence.working.0;
        entry.fingerprint = Some(Arc::clone(occurrence.fingerprint));
        entry.by_fingerprint.next = next_of_fingerprint;
        entry.by_stream.next = next_of_stream;
        self.slots.insert(key, slot);
        let entries = &self.entries;
        let item = (occurrence.working.0, 0, 0, self.insertions, slot);
        self.coldest_entries.push(item, self.slots.len(), |item| entries[item.4 as usize].insertion == item.3);
        slot
    }

    /// Episode and gap. Returns whether it is one of the first of its episode, and the gap to the one before of its worker.
    #[inline(always)]
    fn follow(&mut self, slot: u32, occurrence: &Occurrence<'_>) -> (bool, Option<i64>) {
        let entry = &mut self.entries[slot as usize];
        let working = occurrence.working.0;
        if working.saturating_sub(entry.last) >= self.episode_gap {
            entry.seen = 0;
            entry.is_collapsing = false;
        }
        entry.last = entry.last.max(working);
        entry.seen += 1;
        let is_first = entry.seen <= self.keep_first;
        if occurrence.late || !occurrence.feeds_rate {
            return (is_first, None);
        }
        let before = if occurrence.worker_hash != 0 && occurrence.fingerprint.class.is_retry_like() {
            let workers = match &mut entry.workers {
                Some(workers) => workers,
                none => {
                    let workers = none.insert(Box::new(Workers::new()));
                    self.worker_bytes += workers.bytes();
                    workers
                }
            };
            let bytes = workers.bytes();
            let before = workers.swap(occurrence.worker_hash, working, self.worker_bytes < WORKER_BYTES_MAX);
            self.worker_bytes += workers.bytes() - bytes;
            before
        } else {
            let before = entry.chain_last;
            entry.chain_last = Some(before.map_or(working, |before| before.max(working)));
            before
        };
        // A step back is no gap.
        (is_first, before.map(|before| working - before).filter(|gap| *gap >= 0))
    }

    /// Why it is absorbed; `None` if it passes.
    #[inline(always)]
    fn decide(&mut self, slot: u32, is_first: bool, high: i64, occurrence: &Occurrence<'_>, out: Out<'_>) -> Option<Cause> {
        let fingerprint = occurrence.fingerprint;
        if !fingerprint.class.is_retry_like() {
            return self.decide_ordinary(is_first, occurrence);
        }
        let mut in_storm = false;
        if self.storms > 0 && self.fingerprint_state(occurrence.index.0).storm.is_some() {
            in_storm = true;
            self.companions(occurrence.instance_hash, occurrence.working.plus(COMPANION_NS));
        }
        let cause = match fingerprint.source {
            ClassSource::Rule(_) => Some(Cause::Rule),
            ClassSource::Guess => (self.is_often_enough(slot, occurrence) || in_storm).then_some(Cause::Guess),
        };
        if fingerprint.class.is_final_outcome() && high >= self.entries[slot as usize].outcome_until {
            self.outcome_passes(slot, high, occurrence, out);
            return None;
        }
        if is_first && !(in_storm && self.is_surplus_stream(slot, occurrence.index)) {
            return None;
        }
        cause
    }

    #[inline]
    fn decide_ordinary(&mut self, is_first: bool, occurrence: &Occurrence<'_>) -> Option<Cause> {
        let limit = self.flood_per_second;
        let feeds = occurrence.feeds_rate && !occurrence.late;
        let flood = &mut self.fingerprints[occurrence.index.0 as usize].flood;
        let floods = if feeds { flood.note(occurrence.working.second(), limit) } else { flood.is_on() };
        if is_first {
            return None;
        }
        if floods {
            return Some(Cause::Flood);
        }
        let (instance, until) = match occurrence.instance_hash {
            0 => return None,
            hash if self.has_companions => self.companions[hash as usize % COMPANION_SLOTS],
            _ => return None,
        };
        (instance == occurrence.instance_hash && occurrence.working.0 <= until).then_some(Cause::Companion)
    }

    /// Counts a guess. Records without a time count, too: they are repeats at one unknown time.
    #[inline]
    fn is_often_enough(&mut self, slot: u32, occurrence: &Occurrence<'_>) -> bool {
        let entry = &mut self.entries[slot as usize];
        if !occurrence.late {
            let second = occurrence.working.second();
            let counts = entry.guess.get_or_insert_with(|| Box::new(GuessCounts::new(second)));
            entry.is_collapsing |= counts.note(second, self.guess_in_10s, self.guess_in_10min);
        }
        entry.is_collapsing
    }

    /// Whether the stream is new in this storm and 50 new ones have passed before it. Counts it.
    fn is_surplus_stream(&mut self, slot: u32, index: FingerprintIndex) -> bool {
        if self.entries[slot as usize].seen > 1 {
            return false;
        }
        let Some(storm) = &mut self.fingerprint_state(index.0).storm else { return false };
        storm.new_streams = storm.new_streams.saturating_add(1);
        storm.new_streams > NEW_STREAMS_PER_STORM
    }

    /// The first final outcome of a cell: closes what it ends and is tied to it.
    #[cold]
    fn outcome_passes(&mut self, slot: u32, high: i64, occurrence: &Occurrence<'_>, out: Out<'_>) {
        self.entries[slot as usize].outcome_until = self.choose_cell(slot, high).end;
        let target = occurrence.target.map(local_hash);
        let open = &self.streams[occurrence.stream.0 as usize].open;
        let ended = open
            .iter()
            .copied()
            .filter(|member| {
                let entry = &self.entries[*member as usize];
                let class = entry.fingerprint.as_ref().map_or(Class::None, |fingerprint| fingerprint.class);
                class.is_retry_like()
                    && !class.is_final_outcome()
                    && entry.window.as_ref().is_some_and(|window| may_hold(window, occurrence.instance_hash, target))
            })
            .collect();
        self.close_all(ended, CloseReason::FinalOutcome, Some(occurrence.fingerprint), out);
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `offer`, its arguments are what the steps before found out")]
    #[inline(always)]
    fn absorb(&mut self, slot: u32, cause: Cause, high: i64, interval: Option<i64>, is_first: bool, occurrence: &Occurrence<'_>, out: Out<'_>) {
        if self.entries[slot as usize].window.is_none() {
            self.open(slot, cause, high, is_first, occurrence, out);
        }
        let now = self.now.max(high);
        let window = self.entries[slot as usize].window.as_mut().expect("opened above if there was none");
        let mut grown = window.absorb(occurrence, interval);
        window.touched = now;
        if window.count == 2
            && let Some(only) = window.only.take()
        {
            window.held_bytes -= only.raw.len();
            self.held_bytes -= only.raw.len();
        } else if window.count == 1 {
            let only = Only {
                raw: occurrence.raw.into(),
                place: occurrence.place,
                arrival: occurrence.arrival,
                working: occurrence.working,
                event: occurrence.event,
            };
            window.held_bytes += only.raw.len();
            grown += only.raw.len();
            window.only = Some(only);
        }
        if self.mode == Mode::Collapse {
            self.open_lines += u64::from(occurrence.lines);
        }
        if grown > 0 {
            self.held_bytes += grown;
            while self.held_bytes > self.bytes_max && self.evict_coldest(out) {}
        }
    }

    #[cold]
    fn open(&mut self, slot: u32, cause: Cause, high: i64, is_first: bool, occurrence: &Occurrence<'_>, out: Out<'_>) {
        while self.open_windows >= self.windows_max && self.evict_coldest(out) {}
        let cell = self.choose_cell(slot, high);
        let now = self.now.max(high);
        let in_storm = self.fingerprint_state(occurrence.index.0).storm.is_some();
        let mut window = self.pool.pop().unwrap_or_else(|| Box::new(Window::new()));
        self.openings += 1;
        let stream = &mut self.streams[occurrence.stream.0 as usize];
        let forgotten = stream.forgotten;
        stream.open.push(slot);
        let entry = &mut self.entries[slot as usize];
        let part = match () {
            () if entry.part > 0 && cell.start <= entry.cell.start => entry.part + 1,
            () if entry.part == 0 && cell.start <= forgotten.0 => forgotten.1 + 1,
            () => 1,
        };
        (entry.cell, entry.part) = (cell, part);
        self.held_bytes += window.open(cell, part, self.openings, cause, in_storm);
        window.deadline = now.saturating_add(cell.end - high);
        window.touched = now;
        window.lists_single = is_first;
        let due = window.due(self.base);
        entry.window = Some(window);
        entry.open_at = stream.open.len() as u32 - 1;
        self.open_windows += 1;
        let entries = &self.entries;
        let is_alive = |item: &Item| entries[item.4 as usize].window.as_ref().is_some_and(|window| window.number == item.3);
        self.deadlines.push((due, occurrence.stream.0, occurrence.index.0, self.openings, slot), self.open_windows, is_alive);
        self.coldest_windows.push((self.entries[slot as usize].last, 0, 0, self.openings, slot), self.open_windows, is_alive);
    }

    /// The cell for a window that opens now: in a storm the long one it had if that still runs, else one that climbs; else of the base grid.
    fn choose_cell(&self, slot: u32, high: i64) -> Cell {
        let entry = &self.entries[slot as usize];
        match self.fingerprints[entry.index as usize].storm {
            Some(_) if entry.part > 0 && entry.cell.contains(high) => entry.cell,
            Some(storm) => Cell::climbing(high, self.base, self.now.max(high).saturating_sub(storm.since)),
            None => Cell::holding(high, self.base),
        }
    }
}

/// Whether the window may hold records of this instance and target, as far as either is known.
fn may_hold(window: &Window, instance_hash: u64, target: Option<u64>) -> bool {
    let instance = instance_hash == 0 || window.instances.is_empty() || window.instances.holds(instance_hash) != Some(false);
    instance && target.is_none_or(|target| window.targets.is_empty() || window.targets.holds(target) != Some(false))
}

pub(super) const fn key(index: FingerprintIndex, stream: StreamId) -> u64 {
    (index.0 as u64) << 32 | stream.0 as u64
}
