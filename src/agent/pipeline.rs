//! What the engine thread owns: the engine, the records it made since the last commit, and what the next commit moves. No clock and no
//! thread in here: [`thread`](super::thread) passes the time in, so tests do, too.

use super::outgoing::Outgoing;
use super::streams::Streams;
use crate::engine::{Accounting, Engine, Options};
use crate::inputs::event::{Data, Event, LostReason, Position, StreamInfo, StreamNumber};
use crate::outputs::StreamName;
use crate::record::{Place, StreamId};
use crate::store::{Commit, Committed, HeldLines, OpenWindow, Progress, RecordKind, Records, Recovered, Store, StoreError};
use crate::telemetry::retries::{Retries, RetryStatus};
use crate::time::{SECOND, UnixNanos};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Records are committed early when so many bytes of them wait: 1 MiB, one batch. Each copy on the way (packed, unpacked, sent) is as large.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// A stream with held lines of the last run waits so long for its input to come back, ns.
const ORPHAN_WAIT_NS: i64 = 60 * SECOND;

/// Lines destroyed before they could be read, by reason: outside the identity.
pub(super) type Lost = BTreeMap<LostReason, (u64, u64)>;

/// See the [module](self).
pub(super) struct Pipeline {
    pub engine: Engine,
    out: Outgoing,
    streams: Streams,
    /// Of earlier runs of this store.
    base: Accounting,
    generation: u64,
    positions: BTreeMap<Box<str>, Box<[u8]>>,
    forgotten: BTreeSet<Box<str>>,
    /// Every position that the store has: what is written into a store that has to be begun anew.
    all_positions: BTreeMap<Box<str>, Box<[u8]>>,
    progress: Vec<Progress>,
    /// Numbers of the windows in the store.
    windows_stored: BTreeSet<u64>,
    /// Keys in the store that the next commit deletes (windows of the last run, which became records).
    windows_recovered: Vec<Box<str>>,
    held_stored: bool,
    totals_stored: Accounting,
    storms_stored: Vec<u8>,
    /// What was put together for a commit that has not succeeded yet.
    prepared: Option<Prepared>,
    /// Something happened since the last commit.
    is_dirty: bool,
    started: UnixNanos,
    has_orphans: bool,
    pub lost: Lost,
    inputs: BTreeMap<&'static str, (u64, u64)>,
    /// Open windows were counted for the commit that was made last.
    has_windows_to_tell: bool,
}

/// Whose held lines they are, and where the first stood: so that record ids stay the same.
#[derive(serde::Serialize, serde::Deserialize)]
struct HeldStream {
    info: StreamInfo,
    place: Place,
}

/// The owned side of a [`Commit`].
#[derive(Default)]
struct Prepared {
    records: Option<Records>,
    positions: Vec<Position>,
    forgotten: Vec<Box<str>>,
    windows_changed: Vec<OpenWindow>,
    windows_closed: Vec<Box<str>>,
    windows_open: BTreeSet<u64>,
    held: Option<Vec<HeldLines>>,
    storms: Option<Vec<u8>>,
    totals: Accounting,
    progress: Vec<Progress>,
}

impl Pipeline {
    /// A pipeline that goes on where the store stopped. Windows that were open then become records of the first commit; held lines are fed
    /// again. At most `fingerprints_max` have a counter of their own.
    pub(super) fn new(options: Options, node: &str, fingerprints_max: usize, recovered: &mut Recovered, now: UnixNanos) -> Self {
        let mut out = Outgoing::default();
        out.retries = Retries::new(fingerprints_max);
        out.encoder.node = node.into();
        out.encoder.now = now;
        let mut this = Self {
            engine: Engine::new(options),
            out,
            streams: Streams::default(),
            base: recovered.totals,
            generation: recovered.generation,
            positions: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            all_positions: recovered.positions.iter().map(|position| (position.key.clone(), position.value.clone())).collect(),
            progress: Vec::new(),
            windows_stored: BTreeSet::new(),
            windows_recovered: Vec::new(),
            held_stored: !recovered.held.is_empty(),
            totals_stored: recovered.totals,
            storms_stored: Vec::new(),
            prepared: None,
            is_dirty: true,
            started: now,
            has_orphans: !recovered.held.is_empty(),
            lost: LostReason::ALL.iter().map(|reason| (*reason, (0, 0))).collect(),
            inputs: BTreeMap::new(),
            has_windows_to_tell: false,
        };
        this.close_windows_of_the_last_run(std::mem::take(&mut recovered.windows));
        if let Some(storms) = recovered.storms.take() {
            this.restore_storms(storms, now);
        }
        this.feed_held_lines(std::mem::take(&mut recovered.held), now);
        this
    }

    fn close_windows_of_the_last_run(&mut self, windows: Vec<OpenWindow>) {
        for window in windows {
            self.out.push(window.kind, &window.json);
            match window.kind {
                RecordKind::Line => self.base.forwarded += window.lines,
                _ => {
                    self.base.summarised += window.lines;
                    self.base.summaries += 1;
                }
            }
            self.base.open = self.base.open.saturating_sub(window.lines);
            self.windows_recovered.push(window.key);
        }
    }

    fn feed_held_lines(&mut self, held: Vec<HeldLines>, now: UnixNanos) {
        for held in held {
            let HeldStream { info, place } = serde_json::from_str(&held.stream).unwrap_or_else(|error| {
                tracing::error!("held lines of a stream that the store does not name ({error}): they go under the name `unknown`");
                HeldStream { info: StreamInfo { key: "unknown".into(), label: "unknown".into(), ..StreamInfo::default() }, place: Place::default() }
            });
            let info = Arc::new(info);
            // They are read once more: what the totals say of them is taken back.
            self.base.read = self.base.read.saturating_sub(held.lines);
            self.base.open = self.base.open.saturating_sub(held.lines);
            self.base.bytes_read = self.base.bytes_read.saturating_sub(held.bytes.len() as u64);
            let id = self.open_stream(None, &info, true);
            self.engine.feed_at(id, now, place, &held.bytes, &mut self.out);
        }
    }

    fn restore_storms(&mut self, storms: Vec<u8>, now: UnixNanos) {
        match serde_json::from_slice(&storms) {
            Ok(state) => self.engine.restore_storms(&state, now),
            Err(error) => tracing::warn!("storms of the last run cannot be read ({error}): those that go on are told again"),
        }
        self.storms_stored = storms;
    }

    fn open_stream(&mut self, number: Option<StreamNumber>, info: &Arc<StreamInfo>, is_backlog: bool) -> StreamId {
        let (id, is_new) = self.streams.open(&mut self.engine, number, info, is_backlog);
        if is_new {
            let name = StreamName {
                label: info.label.to_string(),
                // Tells the parts of one cell apart that two runs made.
                epoch: UnixNanos(i64::try_from(self.generation).unwrap_or(i64::MAX)),
                resource: info.resource.clone(),
                ..StreamName::default()
            };
            self.out.encoder.names.insert(id, name);
        }
        id
    }

    /// Takes one event of an input.
    pub(super) fn event(&mut self, event: Event, now: UnixNanos) {
        self.out.encoder.now = now;
        self.is_dirty = true;
        match event {
            Event::Opened { stream, info, is_backlog } => {
                let before = self.streams.get(stream).and_then(|stream| stream.info.restarts);
                let id = self.open_stream(Some(stream), &info, is_backlog);
                if let (Some(before), Some(restarts)) = (before, info.restarts)
                    && restarts > before
                {
                    self.engine.restarted(id, restarts, now, &mut self.out);
                }
            }
            Event::Data(data) => self.data(data),
            Event::CaughtUp(stream) => {
                if let Some(stream) = self.streams.get(stream) {
                    self.engine.caught_up(stream.id);
                }
            }
            Event::FellBehind(stream) => {
                if let Some(stream) = self.streams.get(stream) {
                    self.engine.fell_behind(stream.id);
                }
            }
            Event::Lost { reason, lines, bytes } => {
                let lost = self.lost.entry(reason).or_default();
                *lost = (lost.0 + lines, lost.1 + bytes);
            }
            Event::Forgotten(key) => {
                self.positions.remove(&key);
                self.forgotten.insert(key);
            }
            Event::Moved(position) => self.moved(position),
            Event::Closed(stream) => {
                if let Some(id) = self.streams.close(stream) {
                    self.engine.retire_stream(id, now, &mut self.out);
                }
            }
            Event::Flush(answer) => {
                // Nobody waits any more: nothing to tell.
                let _ = answer.send(());
            }
        }
    }

    fn data(&mut self, data: Data) {
        let Some(stream) = self.streams.get(data.stream) else {
            tracing::error!("bytes of a stream that was never opened: {} bytes dropped", data.bytes.len());
            debug_assert!(false, "an input opens a stream before it feeds it");
            return;
        };
        let id = stream.id;
        let read = self.inputs.entry(kind_of(&stream.info.key)).or_default();
        read.0 += memchr::memchr_iter(b'\n', &data.bytes).count() as u64 + u64::from(data.ends_line && !data.bytes.is_empty());
        read.1 += data.bytes.len() as u64;
        self.engine.feed_at(id, data.arrival, data.place, &data.bytes, &mut self.out);
        if data.ends_line {
            self.engine.end_stream(id, data.arrival, &mut self.out);
        }
        if let Some(position) = data.position {
            self.moved(position);
        }
    }

    fn moved(&mut self, position: Position) {
        self.forgotten.remove(&position.key);
        self.positions.insert(position.key, position.value);
    }

    /// An output told how far it is.
    pub(super) fn progress(&mut self, progress: Progress) {
        self.progress.push(progress);
    }

    /// Time has passed.
    pub(super) fn wake(&mut self, now: UnixNanos) {
        self.out.encoder.now = now;
        self.engine.wake(now, &mut self.out);
        self.is_dirty |= self.out.bytes() > 0;
        if self.has_orphans && now.since(self.started) >= ORPHAN_WAIT_NS {
            self.has_orphans = false;
            for id in self.streams.take_orphans() {
                self.engine.retire_stream(id, now, &mut self.out);
            }
        }
    }

    /// Input is over: what is open becomes output. Storms go on in the store.
    pub(super) fn stop(&mut self, now: UnixNanos) {
        self.out.encoder.now = now;
        self.engine.stop(now, &mut self.out);
        self.is_dirty = true;
    }

    /// Whether a commit should not wait for its time.
    pub(super) fn is_urgent(&self) -> bool {
        self.out.is_urgent || self.out.bytes() >= WAITING_BYTES_MAX
    }

    /// Whether there is anything to commit.
    pub(super) fn is_dirty(&self) -> bool {
        self.is_dirty || self.prepared.is_some() || !self.progress.is_empty()
    }

    /// Whether a commit was tried and failed: nothing may be read before it has succeeded.
    pub(super) fn is_blocked(&self) -> bool {
        self.prepared.is_some()
    }

    /// The accounting of all runs of this store.
    pub(super) fn totals(&self) -> Accounting {
        add(self.base, self.engine.accounting())
    }

    /// What metrics say of retries, `uptime` after the start. Called after a commit.
    pub(super) fn retries(&mut self, uptime: std::time::Duration) -> RetryStatus {
        if std::mem::take(&mut self.has_windows_to_tell) {
            self.out.tally.tell(&mut self.out.retries, uptime);
        }
        self.out.retries.status(uptime)
    }

    /// Lines and bytes read since the start, by kind of input.
    pub(super) const fn inputs(&self) -> &BTreeMap<&'static str, (u64, u64)> {
        &self.inputs
    }

    /// Streams that are open.
    pub(super) fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Moves everything since the last commit in one transaction. After an error the same is tried again by the next call; meanwhile only
    /// [`Pipeline::progress`] may be called.
    ///
    /// # Errors
    /// What the store says. A full store still takes the progress of outputs, so that it drains.
    pub(super) fn commit(&mut self, store: &mut Store) -> Result<Committed, StoreError> {
        let mut prepared = self.prepared.take().unwrap_or_else(|| self.prepare());
        prepared.progress.append(&mut self.progress);
        let result = store.commit(&prepared.commit());
        match &result {
            Ok(_) => {
                self.windows_stored = std::mem::take(&mut prepared.windows_open);
                self.totals_stored = prepared.totals;
                for position in prepared.positions.drain(..) {
                    self.all_positions.insert(position.key, position.value);
                }
                for key in &prepared.forgotten {
                    self.all_positions.remove(key);
                }
                self.is_dirty = false;
            }
            Err(error) => {
                if matches!(error, StoreError::Full(_)) && !prepared.progress.is_empty() {
                    let totals = self.totals_stored;
                    if store.commit(&Commit { totals, progress: &prepared.progress, ..Commit::default() }).is_ok() {
                        prepared.progress.clear();
                    }
                }
                self.prepared = Some(prepared);
            }
        }
        result
    }

    /// The store was begun anew and knows nothing: the next commit writes all that it should know. Batches that no output had yet are gone.
    pub(super) fn tell_everything(&mut self) {
        if let Some(prepared) = &mut self.prepared {
            let mut positions = self.all_positions.clone();
            positions.extend(prepared.positions.drain(..).map(|position| (position.key, position.value)));
            positions.retain(|key, _| !prepared.forgotten.contains(key));
            prepared.positions = positions.into_iter().map(|(key, value)| Position { key, value }).collect();
            prepared.storms = Some(self.storms_stored.clone());
        }
    }

    fn prepare(&mut self) -> Prepared {
        let (windows_changed, windows_open) = self.windows();
        let mut windows_closed = std::mem::take(&mut self.windows_recovered);
        windows_closed.extend(self.windows_stored.difference(&windows_open).map(|number| window_key(self.generation, *number)));
        let held = self.held();
        let held = (!held.is_empty() || self.held_stored).then_some(held);
        self.held_stored = held.as_ref().is_some_and(|held| !held.is_empty());
        let storms = serde_json::to_vec(&self.engine.storms_state()).expect("plain data has a JSON form");
        let storms = (storms != self.storms_stored).then(|| {
            self.storms_stored.clone_from(&storms);
            storms
        });
        let totals = self.totals();
        if !totals.holds() {
            tracing::error!("the accounting does not add up, which is a mistake of ours; please report it: {totals:?}");
        }
        let records = self.out.take();
        Prepared {
            records: (!records.is_empty()).then_some(records),
            positions: std::mem::take(&mut self.positions).into_iter().map(|(key, value)| Position { key, value }).collect(),
            forgotten: std::mem::take(&mut self.forgotten).into_iter().collect(),
            windows_changed,
            windows_closed,
            windows_open,
            held,
            storms,
            totals,
            progress: Vec::new(),
        }
    }

    fn windows(&mut self) -> (Vec<OpenWindow>, BTreeSet<u64>) {
        let Self { engine, out, generation, .. } = self;
        let (mut changed, mut open) = (Vec::new(), BTreeSet::new());
        engine.open_windows(&mut |window| {
            open.insert(window.number);
            out.tally.open(window.fingerprint.id(), window.fingerprint.class, &window.fingerprint.template, window.count);
            if let Some(closed) = window.changed {
                let (kind, json) = out.encode_apart(&closed);
                changed.push(OpenWindow { key: window_key(*generation, window.number), json, kind, lines: closed.lines() });
            }
        });
        self.has_windows_to_tell = true;
        (changed, open)
    }

    fn held(&self) -> Vec<HeldLines> {
        let mut held = Vec::new();
        self.engine.held(&mut |stream, raw, lines, place| {
            let info = self.streams.by_id(stream).map_or_else(StreamInfo::default, |stream| (*stream.info).clone());
            let stream = serde_json::to_string(&HeldStream { info, place }).expect("plain data has a JSON form").into();
            held.push(HeldLines { stream, bytes: raw.to_vec(), lines: u64::from(lines) });
        });
        held
    }
}

/// The kind of input that a stream's key begins with.
fn kind_of(key: &str) -> &'static str {
    ["file", "pod", "journal", "syslog", "stdin"].into_iter().find(|kind| key.starts_with(kind)).unwrap_or("other")
}

/// Unique over all runs of a store.
fn window_key(generation: u64, number: u64) -> Box<str> {
    format!("{generation}:{number}").into()
}

impl Prepared {
    fn commit(&self) -> Commit<'_> {
        Commit {
            records: self.records.as_ref(),
            positions: &self.positions,
            forgotten: &self.forgotten,
            windows_changed: &self.windows_changed,
            windows_closed: &self.windows_closed,
            held: self.held.as_deref(),
            storms: self.storms.as_deref(),
            totals: self.totals,
            progress: &self.progress,
        }
    }
}

/// Sum of two runs.
fn add(a: Accounting, b: Accounting) -> Accounting {
    Accounting {
        read: a.read + b.read,
        forwarded: a.forwarded + b.forwarded,
        summarised: a.summarised + b.summarised,
        dropped: a.dropped + b.dropped,
        open: a.open + b.open,
        records: a.records + b.records,
        summaries: a.summaries + b.summaries,
        bytes_read: a.bytes_read + b.bytes_read,
        bytes_forwarded: a.bytes_forwarded + b.bytes_forwarded,
        overlong_lines: a.overlong_lines + b.overlong_lines,
        odd_lines: a.odd_lines + b.odd_lines,
        evictions: a.evictions + b.evictions,
        late_records: a.late_records + b.late_records,
        lost_at_source: a.lost_at_source + b.lost_at_source,
    }
}
