//! Records are offered: to the storms, to the rules of the user, to the collapse; and what comes of it is told.

use super::fingerprints::Slot;
use super::shape::{Field, Shape, ShapeIndex};
use super::{Accounting, Engine, Forwarded, Scanned, Sink, Stream, Text};
use crate::class;
use crate::collapse::{Closed, Plain, Verdict};
use crate::fingerprint::Fingerprint;
use crate::occurrence::Occurrence;
use crate::record::{FingerprintIndex, StreamId};
use crate::scan::Word;
use memchr::memmem;
use rapidhash::v3::rapidhash_v3;
use std::sync::Arc;

impl Engine {
    /// The key of a line that stands for a whole record.
    #[inline(always)]
    pub(super) fn index_of_shape(&mut self, shape: ShapeIndex, sink: &mut dyn Sink) -> FingerprintIndex {
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
    pub(super) fn slot_of(&mut self, fingerprint: &Arc<Fingerprint>, sink: &mut dyn Sink) -> Slot {
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

    /// A record is complete: rules of the user's first, then the collapse decides. Says whether it was absorbed.
    pub(super) fn offer(
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
pub(super) fn emit(accounting: &mut Accounting, sink: &mut dyn Sink, closed: Closed<'_>) {
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
