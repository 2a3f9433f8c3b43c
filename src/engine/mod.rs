//! The engine joins the stages: chunks of bytes and times in, survivors and summaries out. Pure.

mod classify;
mod fingerprints;
mod lane;
mod options;
mod shape;
mod storms;

pub use classify::{Classified, Classifier};
pub use options::{Mode, Options};

use crate::class::{self, prevailing};
use crate::collapse::summary::Summary;
use crate::collapse::{Closed, Collapse, OpenWindow, Plain, Verdict};
use crate::envelope::Partial;
use crate::envelope::stamp::LastSecond;
use crate::fingerprint::{Fingerprint, trace};
use crate::framing::join::{JoinState, Part, Role};
use crate::framing::lines::{Cut, LineSplitter, RawLine};
use crate::occurrence::Occurrence;
use crate::record::{Class, ClassSource, FingerprintIndex, Place, Severity, StreamId};
use crate::scan::{Scanner, Word};
use crate::secrets;
use crate::storm::{Burst, Diagnosed, Origin, StormEvent, StormReport, StormsState};
use crate::time::UnixNanos;
use crate::working_time::{GlobalClock, StreamClock};
use fingerprints::{Fingerprints, Slot};
use lane::{Held, JoinedPart, LaneIndex, Lanes, PARTS_MAX, PartialLine, Streaming};
use memchr::memmem;
use rapidhash::v3::rapidhash_v3;
use shape::{Field, Learn, Shape, ShapeIndex, Shapes};
use std::borrow::Cow;
use std::sync::Arc;
use storms::StormStage;

/// Where results go. Implemented by `outputs`; the engine never waits for it.
pub trait Sink {
    /// A record passes.
    fn forward(&mut self, record: &Forwarded<'_>);
    /// A window closed.
    fn summary(&mut self, summary: &Summary);
    /// A record went into a window; told with [`Options::tells_absorbed`] only. The summary of the window counts it, nobody else may.
    fn absorbed(&mut self, _record: &Forwarded<'_>) {}
    /// A storm began, goes on, or is over. `absorbed`: its records that went into windows so far, whether these have closed or not.
    fn storm(&mut self, event: &StormEvent, absorbed: u64);
    /// A burst is over: for information only.
    fn burst(&mut self, _burst: &Burst) {}
}

/// A record that passes (or, where a sink asks for them, is absorbed), byte for byte.
#[derive(Clone, Copy, Debug)]
pub struct Forwarded<'a> {
    /// The bytes as they came in, line ends included (the last line of an input may have none).
    pub raw: &'a [u8],
    /// Where it came from.
    pub stream: StreamId,
    /// Where its first byte stood there.
    pub place: Place,
    /// When it was read.
    pub arrival: UnixNanos,
    /// Its working time.
    pub working: UnixNanos,
    /// What the line itself says.
    pub event: Option<UnixNanos>,
    /// Lines in it.
    pub lines: u32,
    /// Absent for a continuation line that streams through behind a new header, and for cut-off rests of lines.
    pub fingerprint: Option<&'a Arc<Fingerprint>>,
    /// Set by `observe` mode: it would have been absorbed.
    pub would_absorb: bool,
    /// Peeled fields as (OpenTelemetry-like name, value): `log.logger`, `thread.name`, `process.pid`, `host.name`, `squelch.instance`.
    pub fields: &'a [(&'static str, &'a [u8])],
}

/// The accounting identity, in lines: `read = forwarded + summarised + dropped + open`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounting {
    /// Lines read.
    pub read: u64,
    /// Lines that passed.
    pub forwarded: u64,
    /// Lines inside summaries that were written.
    pub summarised: u64,
    /// Lines dropped by a rule of the user's.
    pub dropped: u64,
    /// Lines in windows and joins that are still open.
    pub open: u64,
    /// Records made of those lines.
    pub records: u64,
    /// Summaries written.
    pub summaries: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes of forwarded lines.
    pub bytes_forwarded: u64,
    /// Lines longer than the limit (each cut piece is a line).
    pub overlong_lines: u64,
    /// Lines that were not UTF-8 or held NUL; known only for lines of new shapes.
    pub odd_lines: u64,
    /// Windows closed early because a table was full.
    pub evictions: u64,
    /// Records more than 2 s late.
    pub late_records: u64,
    /// Lines that others say they lost or held back before we could read them ("suppressed 120 messages"): outside the identity.
    pub lost_at_source: u64,
}

impl Accounting {
    /// Whether no line is missing.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.read == self.forwarded + self.summarised + self.dropped + self.open
    }
}

/// One row of `report`'s table of templates.
#[derive(Clone, Debug)]
pub struct TemplateRow {
    /// Severity, template, class, id.
    pub fingerprint: Arc<Fingerprint>,
    /// Records.
    pub count: u64,
    /// Lines.
    pub lines: u64,
    /// Event (else working) time of the first.
    pub first: UnixNanos,
    /// Event (else working) time of the last.
    pub last: UnixNanos,
    /// In how many streams (exact up to 64).
    pub streams: u32,
}

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

    /// One line as read.
    #[inline(always)]
    fn line(&mut self, stream: usize, arrival: UnixNanos, line: RawLine<'_>, sink: &mut dyn Sink) {
        let at = &mut self.streams[stream].place;
        let place = *at;
        at.offset += line.bytes.len() as u64;
        self.accounting.read += 1;
        self.accounting.bytes_read += line.bytes.len() as u64;
        if line.cut != Cut::Whole {
            self.accounting.overlong_lines += 1;
        }
        if line.cut == Cut::Rest {
            return self.rest_of_line(stream, arrival, place, line.bytes, sink);
        }
        let text = Text { raw: line.bytes, text: &line.bytes[..line.text_len], lines: 1, arrival, place };
        let shape = self.shapes.read(text.text, &mut self.scanner, &Learn { classifier: &self.classifier });
        let (lane, shape) = self.lane(stream, shape, text.text, sink);
        self.streams[stream].absorbs_rest_of = None;
        let is_cut_by_runtime = self.shapes.get(shape).partial == Partial::More;
        if is_cut_by_runtime || self.streams[stream].lanes.get(lane).partial.is_some() {
            return self.partial_line(stream, lane, shape, text, is_cut_by_runtime, sink);
        }
        self.text(stream, lane, shape, text, sink);
    }

    /// A further piece of a line that was longer than the limit goes the way of its head.
    fn rest_of_line(&mut self, stream: usize, arrival: UnixNanos, place: Place, bytes: &[u8], sink: &mut dyn Sink) {
        if let Some(index) = self.streams[stream].absorbs_rest_of
            && self.collapse.absorb_rest(index, StreamId(stream as u32), bytes)
        {
            if self.options.tells_absorbed {
                sink.absorbed(&self.piece(stream, arrival, place, bytes, 1));
            }
            return;
        }
        // A head that waits for continuation lines has waited long enough: its rest must not come before it.
        self.finish_lanes(stream, None, sink);
        self.pass_through(stream, arrival, place, bytes, 1, sink);
    }

    /// Forwards bytes that are no record of their own.
    fn pass_through(&mut self, stream: usize, arrival: UnixNanos, place: Place, raw: &[u8], lines: u32, sink: &mut dyn Sink) {
        self.accounting.forwarded += u64::from(lines);
        self.accounting.bytes_forwarded += raw.len() as u64;
        sink.forward(&self.piece(stream, arrival, place, raw, lines));
    }

    /// Bytes that are no record of their own.
    fn piece<'a>(&self, stream: usize, arrival: UnixNanos, place: Place, raw: &'a [u8], lines: u32) -> Forwarded<'a> {
        let working = self.streams[stream].clock.last().unwrap_or(arrival);
        let stream = StreamId(stream as u32);
        Forwarded { raw, stream, place, arrival, working, event: None, lines, fingerprint: None, would_absorb: false, fields: &[] }
    }

    /// The lane of the line that was just scanned.
    #[inline(always)]
    fn lane(&mut self, stream: usize, shape: ShapeIndex, text: &[u8], sink: &mut dyn Sink) -> (usize, ShapeIndex) {
        let known = self.shapes.get(shape);
        let instance = known.instance.map_or(0, |field| rapidhash_v3(field.of(text, self.scanner.words())));
        let key = instance.wrapping_add(known.lane_salt);
        let found = match self.streams[stream].lanes.find(key) {
            LaneIndex::There(lane) => (lane, shape),
            LaneIndex::TakenFrom(lane) => {
                self.finish_lane(stream, lane, sink);
                self.streams[stream].lanes.reuse(lane, key);
                // What was finished was read again by the same scanner.
                (lane, self.shapes.read(text, &mut self.scanner, &Learn { classifier: &self.classifier }))
            }
        };
        self.instance_at_hand = instance;
        found
    }

    /// A line that the runtime cut, or the one that completes it.
    fn partial_line(&mut self, stream: usize, lane: usize, shape: ShapeIndex, text: Text<'_>, more_follows: bool, sink: &mut dyn Sink) {
        let message = self.shapes.get(shape).message.of(text.text, self.scanner.words());
        let lines_max = self.options.join_lines_max;
        let bytes_max = self.options.line_bytes_max;
        let slot = &mut self.streams[stream].lanes.get(lane).partial;
        let mut is_new = false;
        let is_full = match slot {
            None => {
                // The head keeps its envelope; what follows adds its message only.
                is_new = true;
                *slot = Some(PartialLine {
                    raw: text.raw.to_vec(),
                    text: text.text.to_vec(),
                    lines: text.lines,
                    arrival: text.arrival,
                    place: text.place,
                });
                false
            }
            Some(partial) => {
                partial.raw.extend_from_slice(text.raw);
                partial.text.extend_from_slice(message);
                partial.lines += text.lines;
                partial.lines >= lines_max || partial.text.len() >= bytes_max
            }
        };
        if (!more_follows || is_full)
            && let Some(partial) = slot.take()
        {
            self.whole_again(stream, lane, partial, sink);
        } else if is_new {
            self.wait_for(stream);
        }
    }

    /// The stream holds something that time alone may finish.
    fn wait_for(&mut self, stream: usize) {
        if !std::mem::replace(&mut self.streams[stream].is_waiting, true) {
            self.waiting.push(stream as u32);
        }
    }

    /// A line that the runtime had cut is whole (or will not be).
    fn whole_again(&mut self, stream: usize, lane: usize, mut partial: PartialLine, sink: &mut dyn Sink) {
        // Its shape is that of a line that was never cut: CRI's tag `P` becomes `F`.
        if let Some(tag) = memmem::find(&partial.text[..partial.text.len().min(64)], b" P ") {
            partial.text[tag + 1] = b'F';
        }
        let shape = self.shapes.read(&partial.text, &mut self.scanner, &Learn { classifier: &self.classifier });
        self.instance_at_hand = 0;
        let PartialLine { raw, text, lines, arrival, place } = &partial;
        self.text(stream, lane, shape, Text { raw, text, lines: *lines, arrival: *arrival, place: *place }, sink);
    }

    /// A line that is whole: it continues the record at hand or begins one. Its words are in `self.scanner`.
    #[inline(always)]
    fn text(&mut self, stream: usize, lane: usize, shape_index: ShapeIndex, text: Text<'_>, sink: &mut dyn Sink) {
        let shape = self.shapes.get(shape_index);
        let role = shape.role;
        let pid = shape.pid.map_or(0, |pid| rapidhash_v3(pid.of(text.text, self.scanner.words())));
        let lines_max = self.options.join_lines_max;
        let at_hand = self.streams[stream].lanes.get(lane);
        if let Some(held) = &mut at_hand.held {
            if held.lines < lines_max
                && (role != Role::Detail || held.pid == pid)
                && let Some(state) = held.state.accept(role)
            {
                push_part(&mut held.parts, held.state.part(role), shape);
                held.state = state;
                held.lines += text.lines;
                held.raw.extend_from_slice(text.raw);
                return;
            }
            let held = at_hand.held.take();
            self.finish_held(stream, held, sink);
        } else if let Some(streaming) = &mut at_hand.streaming {
            if streaming.lines < lines_max
                && (role != Role::Detail || streaming.pid == pid)
                && let Some(state) = streaming.state.accept(role)
            {
                push_part(&mut streaming.parts, streaming.state.part(role), shape);
                streaming.state = state;
                streaming.lines += text.lines;
                if let Some(head) = self.fingerprints.still_at(streaming.head) {
                    self.fingerprints.get_mut(head).is_continued = true;
                }
                return self.pass_through(stream, text.arrival, text.place, text.raw, text.lines, sink);
            }
            if streaming.parts.is_empty() {
                at_hand.streaming = None;
            } else {
                let streaming = at_hand.streaming.take();
                self.finish_streaming(stream, streaming, sink);
            }
        }
        self.begin_record(stream, lane, shape_index, text, pid, sink);
    }

    /// The line that was just scanned begins a record.
    #[inline(always)]
    fn begin_record(&mut self, stream: usize, lane: usize, shape: ShapeIndex, text: Text<'_>, pid: u64, sink: &mut dyn Sink) {
        let role = self.shapes.get(shape).role;
        let index = self.index_of_shape(shape, sink);
        let entry = self.fingerprints.get_mut(index);
        let is_known = std::mem::replace(&mut entry.is_known, true);
        let state = JoinState::begin(role);
        if is_known && entry.is_continued && state.wants_more() {
            let deadline = text.arrival.plus(self.options.join_wait_ns);
            let (raw, head) = (text.raw.to_vec(), text.text.to_vec());
            self.streams[stream].lanes.get(lane).held =
                Some(Held { raw, head, lines: text.lines, state, parts: Vec::new(), pid, arrival: text.arrival, place: text.place, deadline });
            self.wait_for(stream);
            return;
        }
        let was_absorbed = self.offer(stream, shape, index, text, Scanned::AtHand, sink);
        let stream = &mut self.streams[stream];
        stream.absorbs_rest_of = was_absorbed.then_some(index);
        if state.wants_more() {
            let head = self.shapes.get(shape).slot;
            stream.lanes.get(lane).streaming = Some(Streaming { state, head, parts: Vec::new(), pid, lines: text.lines });
        }
    }

    /// The key of a line that stands for a whole record.
    #[inline(always)]
    fn index_of_shape(&mut self, shape: ShapeIndex, sink: &mut dyn Sink) -> FingerprintIndex {
        let slot = self.shapes.get(shape).slot;
        if let Some(index) = self.fingerprints.still_at(slot) {
            return index;
        }
        let fingerprint = Arc::clone(&self.shapes.get(shape).fingerprint);
        let slot = self.slot_of(&fingerprint, sink);
        let shape = self.shapes.get_mut(shape);
        shape.slot = slot;
        self.fingerprints.still_at(slot).expect("it was put there a line ago")
    }

    /// Makes a fingerprint known; when the table is full, the coldest are flushed and forgotten first.
    fn slot_of(&mut self, fingerprint: &Arc<Fingerprint>, sink: &mut dyn Sink) -> Slot {
        if self.fingerprints.is_full() {
            let Self { fingerprints, collapse, storms, accounting, fingerprints_evicted, .. } = self;
            fingerprints.forget_coldest(|index| {
                *fingerprints_evicted += 1;
                collapse.forget_fingerprint(index, &mut |closed| emit(accounting, sink, closed));
                storms.forget(index);
            });
        }
        self.fingerprints.intern(fingerprint)
    }

    /// Lanes whose records have waited long enough (all of them without `now`) are finished.
    fn finish_lanes(&mut self, stream: usize, now: Option<UnixNanos>, sink: &mut dyn Sink) {
        for lane in 0..self.streams[stream].lanes.len() {
            let is_due = now.is_none_or(|now| {
                let lane = self.streams[stream].lanes.get(lane);
                lane.held.as_ref().is_some_and(|held| held.deadline <= now)
                    || lane.partial.as_ref().is_some_and(|partial| partial.arrival.plus(lane::PARTIAL_WAITS * self.options.join_wait_ns) <= now)
            });
            if is_due {
                self.finish_lane(stream, lane, sink);
            }
        }
    }

    fn finish_lane(&mut self, stream: usize, lane: usize, sink: &mut dyn Sink) {
        if let Some(partial) = self.streams[stream].lanes.get(lane).partial.take() {
            self.whole_again(stream, lane, partial, sink);
        }
        let held = self.streams[stream].lanes.get(lane).held.take();
        self.finish_held(stream, held, sink);
        let streaming = self.streams[stream].lanes.get(lane).streaming.take();
        self.finish_streaming(stream, streaming, sink);
    }

    /// No further line belongs to a held record.
    fn finish_held(&mut self, stream: usize, held: Option<Held>, sink: &mut dyn Sink) {
        let Some(held) = held else { return };
        let shape = self.shapes.read(&held.head, &mut self.head_scanner, &Learn { classifier: &self.classifier });
        let index = if held.parts.is_empty() {
            self.index_of_shape(shape, sink)
        } else {
            let joined = joined_fingerprint(&self.shapes.get(shape).fingerprint, &held.parts);
            let slot = self.slot_of(&joined, sink);
            self.fingerprints.still_at(slot).expect("it was put there a line ago")
        };
        let text = Text { raw: &held.raw, text: &held.head, lines: held.lines, arrival: held.arrival, place: held.place };
        let was_absorbed = self.offer(stream, shape, index, text, Scanned::Head, sink);
        self.streams[stream].absorbs_rest_of = was_absorbed.then_some(index);
    }

    /// A record that streamed through has ended: the next one like it is a repeat.
    fn finish_streaming(&mut self, stream: usize, streaming: Option<Streaming>, sink: &mut dyn Sink) {
        let Some(streaming) = streaming.filter(|streaming| !streaming.parts.is_empty()) else { return };
        let Some(head) = self.fingerprints.still_at(streaming.head) else { return };
        if self.fingerprints.is_full() {
            // Not worth flushing others for: the next one passes whole.
            return;
        }
        let joined = joined_fingerprint(&self.fingerprints.get(head).fingerprint, &streaming.parts);
        let slot = self.fingerprints.intern(&joined);
        if let Some(index) = self.fingerprints.still_at(slot) {
            let last = self.streams[stream].clock.last().unwrap_or_default();
            self.fingerprints.touch(index, last);
            let occurrence = Occurrence {
                fingerprint: &joined,
                index,
                stream: StreamId(stream as u32),
                place: Place::default(),
                arrival: last,
                working: last,
                event: None,
                feeds_rate: false,
                late: false,
                lines: streaming.lines,
                raw: &[],
                instance: None,
                instance_hash: 0,
                worker_hash: 0,
                target: None,
                attempt: None,
                max_attempts: None,
                delay: None,
            };
            let Self { collapse, accounting, .. } = self;
            collapse.note_passed(&occurrence, &mut |closed| emit(accounting, sink, closed));
        }
    }

    /// A record is complete: rules of the user's first, then the collapse decides. Says whether it was absorbed.
    fn offer(
        &mut self,
        stream_index: usize,
        shape: ShapeIndex,
        index: FingerprintIndex,
        text: Text<'_>,
        scanned: Scanned,
        sink: &mut dyn Sink,
    ) -> bool {
        let Self {
            scanner,
            head_scanner,
            options,
            user,
            shapes,
            fingerprints,
            streams,
            clock,
            collapse,
            storms,
            accounting,
            instance: scratch,
            instance_at_hand,
            ..
        } = self;
        let words = match scanned {
            Scanned::AtHand => scanner.words(),
            Scanned::Head => head_scanner.words(),
        };
        let (shape, stream) = (shapes.get(shape), &mut streams[stream_index]);
        accounting.records += 1;
        accounting.odd_lines += u64::from(shape.is_odd);
        let event = shape
            .time
            .and_then(|(field, format)| stream.last_second.parse(field.of(text.text, words), format, options.reference, options.zone_offset_seconds));
        let working = stream.clock.observe(clock, text.arrival, event);
        if working.now_advanced {
            collapse.advance(clock.now(), &mut |closed| emit(accounting, sink, closed));
            storms.advance(clock.now(), collapse, accounting, sink);
        }
        let shown = event.unwrap_or(working.time);
        fingerprints.touch(index, working.time);
        if options.totals {
            fingerprints.add(index, StreamId(stream_index as u32), text.lines, shown);
        }
        let fingerprint = &fingerprints.get(index).fingerprint;
        let value = |field: Option<Field>| field.map(|field| field.of(text.text, words)).filter(|value| !value.is_empty());
        let (pid, thread) = (value(shape.pid), value(shape.thread));
        let instance = instance_of(stream, shape, text.text, words, pid, scratch);
        // The lane was found by it.
        let is_at_hand = matches!(scanned, Scanned::AtHand) && *instance_at_hand != 0 && !stream.is_instance && value(shape.instance).is_some();
        let instance_hash = if is_at_hand { *instance_at_hand } else { instance.map_or(0, rapidhash_v3) };
        let worker_hash = match (pid, thread) {
            (None, None) => instance_hash,
            (pid, thread) => instance_hash ^ pid.map_or(0, rapidhash_v3).rotate_left(21) ^ thread.map_or(0, rapidhash_v3).rotate_left(42),
        };
        let occurrence = Occurrence {
            fingerprint,
            index,
            stream: StreamId(stream_index as u32),
            place: text.place,
            arrival: text.arrival,
            working: working.time,
            event,
            feeds_rate: working.feeds_rate,
            late: working.is_late,
            lines: text.lines,
            raw: text.raw,
            instance,
            instance_hash,
            worker_hash,
            target: value(shape.target),
            attempt: value(shape.attempt).and_then(class::number),
            max_attempts: value(shape.max_attempts).and_then(class::number),
            delay: value(shape.delay).and_then(|text| class::delay_ns(text, &shape.delay_key)),
        };
        accounting.late_records += u64::from(working.is_late);
        accounting.lost_at_source += value(shape.lost).and_then(class::number).map_or(0, |lost| lost.max(0).unsigned_abs());
        storms.observe(&occurrence, collapse, accounting, sink);
        let lines = u64::from(text.lines);
        let contains = |finders: &[memmem::Finder<'static>]| finders.iter().any(|finder| finder.find(text.raw).is_some());
        let verdict = if contains(&user.pass) {
            Verdict::Pass
        } else if contains(&user.drop) {
            accounting.dropped += lines;
            return false;
        } else {
            collapse.offer(&occurrence, &mut |closed| emit(accounting, sink, closed))
        };
        let is_absorbed = verdict == Verdict::Absorb;
        if is_absorbed {
            storms.note_absorbed(index);
            if !options.tells_absorbed {
                return true;
            }
        } else {
            accounting.forwarded += lines;
            accounting.bytes_forwarded += text.raw.len() as u64;
        }
        let mut fields = Fields::default();
        fields.push("log.logger", value(shape.logger));
        fields.push("thread.name", thread);
        fields.push("process.pid", pid);
        fields.push("host.name", value(shape.host));
        fields.push("squelch.instance", value(shape.instance));
        let record = Forwarded {
            raw: text.raw,
            stream: occurrence.stream,
            place: text.place,
            arrival: text.arrival,
            working: working.time,
            event,
            lines: text.lines,
            fingerprint: Some(occurrence.fingerprint),
            would_absorb: verdict == Verdict::WouldAbsorb,
            fields: fields.as_slice(),
        };
        if is_absorbed {
            sink.absorbed(&record);
        } else {
            sink.forward(&record);
        }
        is_absorbed
    }
}

/// A window closed: what comes out of it is counted and written.
fn emit(accounting: &mut Accounting, sink: &mut dyn Sink, closed: Closed<'_>) {
    match closed {
        Closed::Plain(record) => {
            let Plain { raw, fingerprint, stream, place, arrival, working, event, lines, .. } = record;
            accounting.forwarded += u64::from(lines);
            accounting.bytes_forwarded += raw.len() as u64;
            let fingerprint = Some(fingerprint);
            sink.forward(&Forwarded { raw, stream, place, arrival, working, event, lines, fingerprint, would_absorb: false, fields: &[] });
        }
        Closed::Summary(summary) => {
            accounting.summarised += summary.lines;
            accounting.summaries += 1;
            sink.summary(summary);
        }
    }
}

/// Who wrote a line: the stream where the input guarantees one process, else what a prefix or field names, else host and
/// pid. A pid of 1 by itself says nothing: every container has one.
fn instance_of<'a>(
    stream: &'a Stream,
    shape: &Shape,
    text: &'a [u8],
    words: &[Word],
    pid: Option<&'a [u8]>,
    scratch: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    if stream.is_instance {
        return Some(stream.label.as_bytes());
    }
    let value = |field: Option<Field>| field.map(|field| field.of(text, words)).filter(|value| !value.is_empty());
    match (value(shape.instance), value(shape.host), pid) {
        (Some(instance), ..) => Some(instance),
        (None, Some(host), Some(pid)) => {
            scratch.clear();
            scratch.extend_from_slice(host);
            scratch.push(b'/');
            scratch.extend_from_slice(pid);
            Some(scratch)
        }
        (None, Some(host), None) => Some(host),
        (None, None, Some(pid)) if pid != b"1" => Some(pid),
        _ => None,
    }
}

/// Remembers a joined line as far as the template needs it.
fn push_part(parts: &mut Vec<JoinedPart>, part: Part, shape: &Shape) {
    if parts.len() < PARTS_MAX && part != Part::Skip {
        parts.push((part, Arc::clone(&shape.fingerprint)));
    }
}

/// The fingerprint of a record of several lines: the head's severity and words, and what its exceptions say.
fn joined_fingerprint(head: &Fingerprint, parts: &[JoinedPart]) -> Arc<Fingerprint> {
    let lines: Vec<(Part, &str)> = parts.iter().map(|(part, line)| (*part, &*line.template)).collect();
    // An exception may say what the header does not, or that it was the last attempt.
    let (mut class, mut source) = (head.class, &head.source);
    for (part, line) in parts {
        if matches!(part, Part::Exception | Part::Cause) && prevailing(class, line.class) != class {
            (class, source) = (line.class, &line.source);
        }
    }
    let source = source.clone();
    Arc::new(Fingerprint::new(head.severity, trace::compose(&head.template, &lines), class, source))
}

/// Peeled fields of one record, without an allocation.
#[derive(Default)]
struct Fields<'a> {
    fields: [(&'static str, &'a [u8]); 5],
    len: usize,
}

impl<'a> Fields<'a> {
    fn push(&mut self, name: &'static str, value: Option<&'a [u8]>) {
        if let Some(value) = value
            && self.len < self.fields.len()
        {
            self.fields[self.len] = (name, value);
            self.len += 1;
        }
    }

    fn as_slice(&self) -> &[(&'static str, &'a [u8])] {
        &self.fields[..self.len]
    }
}
