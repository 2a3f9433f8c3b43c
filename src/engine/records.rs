//! Lines become records: which writer a line is from (its lane), what the runtime cut, what continues what.

use super::lane::{Held, JoinedPart, LaneIndex, PARTS_MAX, PartialLine, Streaming};
use super::offer::emit;
use super::shape::{Learn, Shape, ShapeIndex};
use super::{Engine, Forwarded, Scanned, Sink, Text, lane};
use crate::class::prevailing;
use crate::envelope::Partial;
use crate::fingerprint::{Fingerprint, trace};
use crate::framing::join::{JoinState, Part, Role};
use crate::framing::lines::{Cut, RawLine};
use crate::occurrence::Occurrence;
use crate::record::{Place, StreamId};
use crate::time::UnixNanos;
use memchr::memmem;
use rapidhash::v3::rapidhash_v3;
use std::sync::Arc;

impl Engine {
    /// One line as read.
    #[inline(always)]
    pub(super) fn line(&mut self, stream: usize, arrival: UnixNanos, line: RawLine<'_>, sink: &mut dyn Sink) {
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
    pub(super) fn rest_of_line(&mut self, stream: usize, arrival: UnixNanos, place: Place, bytes: &[u8], sink: &mut dyn Sink) {
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
    pub(super) fn pass_through(&mut self, stream: usize, arrival: UnixNanos, place: Place, raw: &[u8], lines: u32, sink: &mut dyn Sink) {
        self.accounting.forwarded += u64::from(lines);
        self.accounting.bytes_forwarded += raw.len() as u64;
        sink.forward(&self.piece(stream, arrival, place, raw, lines));
    }

    /// Bytes that are no record of their own.
    pub(super) fn piece<'a>(&self, stream: usize, arrival: UnixNanos, place: Place, raw: &'a [u8], lines: u32) -> Forwarded<'a> {
        let working = self.streams[stream].clock.last().unwrap_or(arrival);
        let stream = StreamId(stream as u32);
        Forwarded { raw, stream, place, arrival, working, event: None, lines, fingerprint: None, would_absorb: false, fields: &[] }
    }

    /// The lane of the line that was just scanned.
    #[inline(always)]
    pub(super) fn lane(&mut self, stream: usize, shape: ShapeIndex, text: &[u8], sink: &mut dyn Sink) -> (usize, ShapeIndex) {
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
    pub(super) fn partial_line(&mut self, stream: usize, lane: usize, shape: ShapeIndex, text: Text<'_>, more_follows: bool, sink: &mut dyn Sink) {
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
    pub(super) fn wait_for(&mut self, stream: usize) {
        if !std::mem::replace(&mut self.streams[stream].is_waiting, true) {
            self.waiting.push(stream as u32);
        }
    }

    /// A line that the runtime had cut is whole (or will not be).
    pub(super) fn whole_again(&mut self, stream: usize, lane: usize, mut partial: PartialLine, sink: &mut dyn Sink) {
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
    pub(super) fn text(&mut self, stream: usize, lane: usize, shape_index: ShapeIndex, text: Text<'_>, sink: &mut dyn Sink) {
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
    pub(super) fn begin_record(&mut self, stream: usize, lane: usize, shape: ShapeIndex, text: Text<'_>, pid: u64, sink: &mut dyn Sink) {
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

    /// Lanes whose records have waited long enough (all of them without `now`) are finished.
    pub(super) fn finish_lanes(&mut self, stream: usize, now: Option<UnixNanos>, sink: &mut dyn Sink) {
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

    pub(super) fn finish_lane(&mut self, stream: usize, lane: usize, sink: &mut dyn Sink) {
        if let Some(partial) = self.streams[stream].lanes.get(lane).partial.take() {
            self.whole_again(stream, lane, partial, sink);
        }
        let held = self.streams[stream].lanes.get(lane).held.take();
        self.finish_held(stream, held, sink);
        let streaming = self.streams[stream].lanes.get(lane).streaming.take();
        self.finish_streaming(stream, streaming, sink);
    }

    /// No further line belongs to a held record.
    pub(super) fn finish_held(&mut self, stream: usize, held: Option<Held>, sink: &mut dyn Sink) {
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
    pub(super) fn finish_streaming(&mut self, stream: usize, streaming: Option<Streaming>, sink: &mut dyn Sink) {
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
