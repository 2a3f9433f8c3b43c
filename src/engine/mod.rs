//! The engine joins the stages: chunks of bytes and times in, survivors and summaries out. Pure.
//!
//! ```text
//! feed: bytes -> lines -> [records]: shape, lane, what continues what -> [offer]: storms, rules of the user, collapse -> [told]: Sink
//! ```

mod classify;
mod fingerprints;
mod lane;
mod offer;
mod options;
mod records;
mod shape;
mod storms;
mod told;

pub use classify::{Classified, Classifier};
pub use options::{Mode, Options};
pub use told::{Accounting, Forwarded, Sink, TemplateRow};

use crate::collapse::{Collapse, OpenWindow};
use crate::envelope::stamp::LastSecond;
use crate::fingerprint::Fingerprint;
use crate::framing::lines::LineSplitter;
use crate::occurrence::Occurrence;
use crate::record::{Class, ClassSource, FingerprintIndex, Place, Severity, StreamId};
use crate::scan::Scanner;
use crate::secrets;
use crate::storm::{Diagnosed, Origin, StormReport, StormsState};
use crate::time::UnixNanos;
use crate::working_time::{GlobalClock, StreamClock};
use fingerprints::Fingerprints;
use lane::Lanes;
use memchr::memmem;
use offer::emit;
use rapidhash::v3::rapidhash_v3;
use shape::Shapes;
use std::borrow::Cow;
use std::sync::Arc;
use storms::StormStage;

/// What a restart that an input knows of is called in alerts, and who says so.
const RESTART_TEMPLATE: &str = "container restarted <num> times";
const RESTART_RULE: &str = "squelch.container-restarts";
/// What the last stream is called once it stands for several.
const OTHER_STREAMS: &str = "(other streams)";

/// One input.
#[derive(Debug)]
struct Stream {
    label: Box<str>,
    /// The input guarantees that one process writes it.
    is_instance: bool,
    /// Taken out while its bytes are split.
    splitter: Option<LineSplitter>,
    /// Where the next line stands.
    place: Place,
    /// Whether it stands in `Engine::waiting`.
    is_waiting: bool,
    clock: StreamClock,
    last_second: LastSecond,
    lanes: Lanes,
    /// Whether the head of the overlong line at hand was absorbed: its rest goes the same way.
    absorbs_rest_of: Option<FingerprintIndex>,
}

/// What the user's own `pass` and `drop` rules look for.
#[derive(Debug)]
struct UserRules {
    pass: Vec<memmem::Finder<'static>>,
    drop: Vec<memmem::Finder<'static>>,
}

impl UserRules {
    fn new(options: &Options) -> Self {
        let finders = |literals: &[String]| literals.iter().map(|literal| memmem::Finder::new(literal).into_owned()).collect();
        Self { pass: finders(&options.pass), drop: finders(&options.drop) }
    }
}

/// A line, or several that the runtime had cut, put together.
#[derive(Clone, Copy)]
struct Text<'a> {
    /// As read, line ends included.
    raw: &'a [u8],
    /// What is looked at: without line end.
    text: &'a [u8],
    lines: u32,
    arrival: UnixNanos,
    place: Place,
}

/// Which line's words a record is read by.
#[derive(Clone, Copy)]
enum Scanned {
    /// The line at hand's.
    AtHand,
    /// Those of the first line of a record that waited.
    Head,
}

/// The engine. One per pipe, report or agent.
#[derive(Debug)]
pub struct Engine {
    options: Options,
    user: UserRules,
    classifier: Classifier,
    /// For the line at hand.
    scanner: Scanner,
    /// For the first line of a record that is finished when the line at hand has come.
    head_scanner: Scanner,
    shapes: Shapes,
    fingerprints: Fingerprints,
    streams: Vec<Stream>,
    /// Indices of streams that were retired: the next ones take them.
    retired: Vec<u32>,
    /// Streams that may hold a record in the making; the others need no look when time passes.
    waiting: Vec<u32>,
    clock: GlobalClock,
    collapse: Collapse,
    storms: StormStage,
    accounting: Accounting,
    fingerprints_evicted: u64,
    /// For instances that are put together from host and pid.
    instance: Vec<u8>,
    /// Hash of the instance that a field of the line at hand names; 0 when there is none, or it is not known.
    instance_at_hand: u64,
}

impl Engine {
    /// An engine with nothing in it.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            user: UserRules::new(&options),
            classifier: Classifier::new(options.rules.as_ref()),
            scanner: Scanner::new(),
            head_scanner: Scanner::new(),
            shapes: Shapes::new(options.shapes_max),
            fingerprints: Fingerprints::new(options.fingerprints_max),
            streams: Vec::new(),
            retired: Vec::new(),
            waiting: Vec::new(),
            clock: GlobalClock::new(),
            collapse: Collapse::new(&options, if options.mask_secrets { secrets::mask } else { |text| Cow::Borrowed(text) }),
            storms: StormStage::new(&options),
            accounting: Accounting::default(),
            fingerprints_evicted: 0,
            instance: Vec::new(),
            instance_at_hand: 0,
            options,
        }
    }

    /// The options it runs with.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Makes a stream known. `label` names it in output (file name, `stdin`, replay stream); `is_backlog`: it starts *behind*
    /// (a regular file read from its beginning); `is_instance`: the input guarantees one process per stream.
    /// Beyond [`Options::streams_max`] inputs share the last stream, which is then called `(other streams)`: feed them whole lines.
    pub fn open_stream(&mut self, label: &str, is_backlog: bool, is_instance: bool) -> StreamId {
        if self.retired.is_empty() && self.streams.len() >= self.options.streams_max.max(1) {
            let last = self.streams.len() - 1;
            let shared = &mut self.streams[last];
            shared.label = OTHER_STREAMS.into();
            shared.is_instance = false;
            // Some of them are of this one, others of another: they agree on nothing.
            self.storms.set_origin(StreamId(last as u32), Some(Origin::default()));
            return StreamId(last as u32);
        }
        let stream = Stream {
            label: label.into(),
            is_instance,
            splitter: Some(LineSplitter::new(self.options.line_bytes_max)),
            place: Place::default(),
            is_waiting: false,
            clock: self.clock.open(is_backlog),
            last_second: LastSecond::default(),
            lanes: Lanes::new(),
            absorbs_rest_of: None,
        };
        if let Some(index) = self.retired.pop() {
            self.streams[index as usize] = stream;
            self.storms.set_origin(StreamId(index), None);
            return StreamId(index);
        }
        self.streams.push(stream);
        StreamId((self.streams.len() - 1) as u32)
    }

    /// Whose lines a stream has (namespace, workload ...): what storms are told with. The stream that stands for several is nobody's.
    pub fn set_origin(&mut self, stream: StreamId, origin: Origin) {
        let is_shared = self.streams.get(stream.0 as usize).is_none_or(|stream| &*stream.label == OTHER_STREAMS);
        if !is_shared {
            self.storms.set_origin(stream, Some(origin));
        }
    }

    /// Nothing more comes from a stream: what it holds becomes output, its windows close, and its id goes to a stream that is opened later.
    /// The stream that stands for several (see [`Engine::open_stream`]) stays.
    pub fn retire_stream(&mut self, stream: StreamId, arrival: UnixNanos, sink: &mut dyn Sink) {
        let index = stream.0 as usize;
        if index >= self.streams.len() || self.retired.contains(&stream.0) || &*self.streams[index].label == OTHER_STREAMS {
            return;
        }
        self.end_stream(stream, arrival, sink);
        let Self { clock, collapse, streams, accounting, .. } = self;
        collapse.end_stream(stream, &mut |closed| emit(accounting, sink, closed));
        clock.close(streams[index].clock.clone());
        // A retired clock no longer counts among those that hold `now`.
        streams[index].clock = GlobalClock::new().open(true);
        streams[index].is_waiting = false;
        self.waiting.retain(|waiting| *waiting != stream.0);
        self.retired.push(stream.0);
    }

    /// The input knows that what comes next is old: the stream is *behind* until its records say otherwise.
    pub fn fell_behind(&mut self, stream: StreamId) {
        let Self { clock, streams, .. } = self;
        streams[stream.0 as usize].clock.fell_behind(clock);
    }

    /// The input has read to the end of what is there: what comes next is new.
    pub fn caught_up(&mut self, stream: StreamId) {
        let Self { clock, streams, .. } = self;
        streams[stream.0 as usize].clock.caught_up(clock);
    }

    /// The input knows that the program behind a stream was restarted, `restarts` times by now: food for the crash-loop view. No line, so
    /// nothing is counted and nothing passes.
    pub fn restarted(&mut self, stream: StreamId, restarts: u32, at: UnixNanos, sink: &mut dyn Sink) {
        let source = ClassSource::Rule(RESTART_RULE.into());
        let fingerprint = Arc::new(Fingerprint::new(Severity::Unknown, RESTART_TEMPLATE.to_owned(), Class::CrashLoop, source));
        let slot = self.slot_of(&fingerprint, sink);
        let Some(index) = self.fingerprints.still_at(slot) else { return };
        self.fingerprints.touch(index, at);
        let Self { streams, collapse, storms, accounting, .. } = self;
        let label = streams[stream.0 as usize].label.as_bytes();
        let occurrence = Occurrence {
            fingerprint: &fingerprint,
            index,
            stream,
            place: Place::default(),
            arrival: at,
            working: at,
            event: Some(at),
            feeds_rate: true,
            late: false,
            lines: 0,
            raw: &[],
            instance: Some(label),
            instance_hash: rapidhash_v3(label),
            worker_hash: rapidhash_v3(label),
            target: None,
            attempt: Some(i64::from(restarts)),
            max_attempts: None,
            delay: None,
        };
        storms.observe(&occurrence, collapse, accounting, sink);
    }

    /// As [`Engine::feed`], for bytes whose first one stands at `place`.
    pub fn feed_at(&mut self, stream: StreamId, arrival: UnixNanos, place: Place, chunk: &[u8], sink: &mut dyn Sink) {
        let at = &mut self.streams[stream.0 as usize];
        let open = at.splitter.as_ref().map_or(0, |splitter| splitter.open_bytes() as u64);
        at.place = Place { origin: place.origin, offset: place.offset.saturating_sub(open) };
        self.feed(stream, arrival, chunk, sink);
    }

    /// The label of a stream.
    #[must_use]
    pub fn stream_label(&self, stream: StreamId) -> &str {
        self.streams.get(stream.0 as usize).map_or("", |stream| &stream.label)
    }

    /// Takes bytes of a stream, in any chunking; `arrival` never runs backwards by more than the clock does.
    pub fn feed(&mut self, stream: StreamId, arrival: UnixNanos, chunk: &[u8], sink: &mut dyn Sink) {
        let index = stream.0 as usize;
        if let Some(mut splitter) = self.streams[index].splitter.take() {
            splitter.feed(chunk, |line| self.line(index, arrival, line, sink));
            self.streams[index].splitter = Some(splitter);
        }
    }

    /// The stream has ended: its last line needs no newline.
    pub fn end_stream(&mut self, stream: StreamId, arrival: UnixNanos, sink: &mut dyn Sink) {
        let index = stream.0 as usize;
        if let Some(mut splitter) = self.streams[index].splitter.take() {
            splitter.finish(|line| self.line(index, arrival, line, sink));
            self.streams[index].splitter = Some(splitter);
        }
        self.finish_lanes(index, None, sink);
    }

    /// When `wake` must be called at the latest, if ever.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<UnixNanos> {
        let waiting = self.waiting.iter().map(|index| &self.streams[*index as usize]);
        let lanes = waiting.filter_map(|stream| stream.lanes.next_deadline(self.options.join_wait_ns)).min();
        let windows = [self.collapse.next_wakeup(), self.storms.next_wakeup()].into_iter().flatten().map(|now| self.clock.arrival_at(now));
        lanes.into_iter().chain(windows).min()
    }

    /// Time has passed without input: held records go out, windows close.
    pub fn wake(&mut self, now: UnixNanos, sink: &mut dyn Sink) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|index| {
            self.finish_lanes(*index as usize, Some(now), sink);
            let stream = &mut self.streams[*index as usize];
            stream.is_waiting = stream.lanes.open_lines() > 0;
            stream.is_waiting
        });
        self.waiting = waiting;
        let now = self.clock.tick(now);
        let Self { collapse, storms, accounting, .. } = self;
        collapse.advance(now, &mut |closed| emit(accounting, sink, closed));
        storms.advance(now, collapse, accounting, sink);
    }

    /// Everything open becomes output; afterwards `open` is 0.
    pub fn drain(&mut self, now: UnixNanos, sink: &mut dyn Sink) {
        for index in 0..self.streams.len() {
            self.end_stream(StreamId(index as u32), now, sink);
        }
        let Self { clock, collapse, storms, accounting, .. } = self;
        storms.drain(clock.now(), collapse, accounting, sink);
        collapse.drain(&mut |closed| emit(accounting, sink, closed));
    }

    /// The accounting so far.
    #[must_use]
    pub fn accounting(&self) -> Accounting {
        let held: u64 = self.waiting.iter().map(|index| self.streams[*index as usize].lanes.open_lines()).sum();
        Accounting { open: held + self.collapse.open_lines(), evictions: self.collapse.counters().evictions, ..self.accounting }
    }

    /// Every open window, with what it would leave behind if it were closed now in case it changed since the last call: what a store keeps,
    /// so that a crash closes windows as a stop does. Windows of `observe` mode hold nothing and are not told.
    pub fn open_windows(&mut self, each: &mut dyn FnMut(OpenWindow<'_>)) {
        self.collapse.open_windows_changed(each);
    }

    /// The lines that were read and neither forwarded nor put into a window: (stream, bytes with line ends, lines, place of the first).
    /// Fed again to a new engine in this order they stand where they stood.
    pub fn held(&self, each: &mut impl FnMut(StreamId, &[u8], u32, Place)) {
        for index in &self.waiting {
            self.streams[*index as usize].lanes.each_open(|raw, lines, place| each(StreamId(*index), raw, lines, place));
        }
    }

    /// Stops without an end: records in the making and windows become output, storms go on (an agent that is started again tells of them).
    pub fn stop(&mut self, now: UnixNanos, sink: &mut dyn Sink) {
        for index in 0..self.streams.len() {
            self.end_stream(StreamId(index as u32), now, sink);
        }
        let Self { collapse, accounting, .. } = self;
        collapse.drain(&mut |closed| emit(accounting, sink, closed));
    }

    /// Totals per fingerprint, most lines first (ties by id). Only kept with [`Options::totals`].
    #[must_use]
    pub fn templates(&self) -> Vec<TemplateRow> {
        self.fingerprints.rows()
    }

    /// Retry-like fingerprints that are being collapsed now, busiest first, for the live footer: (fingerprint, records absorbed in
    /// the current windows, records per second over the last cell).
    #[must_use]
    pub fn busiest(&self, limit: usize) -> Vec<(Arc<Fingerprint>, u64, f64)> {
        self.collapse.busiest(limit).into_iter().map(|busy| (busy.fingerprint, busy.absorbed, busy.per_second)).collect()
    }

    /// Fingerprints that are known now.
    #[must_use]
    pub fn fingerprints_active(&self) -> usize {
        self.fingerprints.len()
    }

    /// Fingerprints that were forgotten because there were too many.
    #[must_use]
    pub const fn fingerprints_evicted(&self) -> u64 {
        self.fingerprints_evicted
    }

    /// Windows that are open.
    #[must_use]
    pub const fn windows_open(&self) -> usize {
        self.collapse.open_windows()
    }

    /// Storms that go on now, in the order in which they fired.
    #[must_use]
    pub fn storms(&self) -> Vec<StormReport> {
        self.storms.current()
    }

    /// The storms that go on or may come back, for a store that outlives the process.
    #[must_use]
    pub fn storms_state(&self) -> StormsState {
        self.storms.state()
    }

    /// Goes on with the storms of an earlier process, `now` being the time of the restart: for an engine that was not fed yet. One that goes on
    /// keeps its id and is told as ongoing; one that is over by then is told so after the usual silence.
    pub fn restore_storms(&mut self, state: &StormsState, now: UnixNanos) {
        let Self { fingerprints, storms, .. } = self;
        storms.restore(state, now, |told| {
            let slot = fingerprints.intern(&Arc::new(told.to_fingerprint()));
            let index = fingerprints.still_at(slot).expect("it was put there just now");
            fingerprints.touch(index, now);
            (index, Arc::clone(&fingerprints.get(index).fingerprint))
        });
    }

    /// What is known of the policy behind each retry-like fingerprint that repeated, most lines first. Complete after [`Engine::drain`].
    #[must_use]
    pub fn diagnoses(&self) -> Vec<Diagnosed> {
        self.storms.diagnoses()
    }
}
