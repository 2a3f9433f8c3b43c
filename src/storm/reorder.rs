//! Records that wait until no earlier one can come: the diagnosis wants those of one fingerprint in order of time.
//!
//! All fingerprints share one ring of places; each keeps the order of its own records by links, so that putting a record in costs the same
//! however many wait. Only fingerprints whose records did step back wait at all.

use crate::diagnosis::Observation;

/// Places, all fingerprints together: 72 KiB, which stays in the cache (at 5,000 records/s they cover the 0.2 s by which recorded logs step
/// back).
pub(super) const PLACES: usize = 1024;
/// No place.
const NONE: u16 = u16::MAX;

/// The records of one fingerprint that wait, in order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queue {
    first: u16,
    last: u16,
}

impl Queue {
    pub(super) const EMPTY: Self = Self { first: NONE, last: NONE };

    pub(super) const fn is_empty(self) -> bool {
        self.first == NONE
    }
}

#[derive(Clone, Debug)]
struct Place {
    observation: Observation,
    /// The slot whose record waits here; `None` when nothing does.
    slot: Option<u32>,
    before: u16,
    after: u16,
}

/// The ring.
#[derive(Clone, Debug, Default)]
pub(super) struct Reorder {
    places: Vec<Place>,
    /// The place that is taken next; who waits there has waited longest.
    next: usize,
}

impl Reorder {
    /// The slot that must [`Reorder::pop`] before the next [`Reorder::push`]: its record has the place that is taken next.
    #[inline]
    pub(super) fn in_the_way(&self) -> Option<u32> {
        self.places.get(self.next)?.slot
    }

    /// Lets a record wait. The next place must be free.
    pub(super) fn push(&mut self, queue: &mut Queue, slot: u32, observation: Observation) {
        let mut before = queue.last;
        while before != NONE && self.places[usize::from(before)].observation.at > observation.at {
            before = self.places[usize::from(before)].before;
        }
        let after = if before == NONE { queue.first } else { self.places[usize::from(before)].after };
        let at = self.next as u16;
        *(if before == NONE { &mut queue.first } else { &mut self.places[usize::from(before)].after }) = at;
        *(if after == NONE { &mut queue.last } else { &mut self.places[usize::from(after)].before }) = at;
        let place = Place { observation, slot: Some(slot), before, after };
        if self.next == self.places.len() {
            self.places.push(place)
        } else {
            self.places[self.next] = place
        }
        self.next = (self.next + 1) % PLACES;
    }

    /// When the earliest of them was, ns.
    #[inline]
    pub(super) fn earliest(&self, queue: Queue) -> Option<i64> {
        self.places.get(usize::from(queue.first)).map(|place| place.observation.at)
    }

    /// Takes the earliest out.
    pub(super) fn pop(&mut self, queue: &mut Queue) -> Option<Observation> {
        let place = self.places.get_mut(usize::from(queue.first))?;
        place.slot = None;
        let (observation, after) = (place.observation, place.after);
        queue.first = after;
        *(if after == NONE { &mut queue.last } else { &mut self.places[usize::from(after)].before }) = NONE;
        Some(observation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(at: i64) -> Observation {
        Observation { at, ..Observation::default() }
    }

    #[test]
    fn records_leave_in_order_of_time_and_of_coming_where_times_are_the_same() {
        let (mut ring, mut queue) = (Reorder::default(), Queue::EMPTY);
        for (time, attempt) in [(5, 0), (3, 1), (4, 2), (3, 3), (9, 4), (1, 5)] {
            ring.push(&mut queue, 7, Observation { attempt: Some(attempt), ..at(time) });
        }
        let left: Vec<_> = std::iter::from_fn(|| ring.pop(&mut queue)).map(|seen| (seen.at, seen.attempt.unwrap_or_default())).collect();
        assert_eq!(left, [(1, 5), (3, 1), (3, 3), (4, 2), (5, 0), (9, 4)]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_full_ring_says_who_is_in_the_way() {
        let (mut ring, mut mine, mut theirs) = (Reorder::default(), Queue::EMPTY, Queue::EMPTY);
        ring.push(&mut theirs, 2, at(8));
        ring.push(&mut theirs, 2, at(6));
        (2..PLACES as i64).for_each(|time| ring.push(&mut mine, 1, at(time)));
        assert_eq!(ring.in_the_way(), Some(2));
        // Its first place holds the later of two records: both must go.
        assert_eq!(ring.pop(&mut theirs), Some(at(6)));
        assert_eq!(ring.in_the_way(), Some(2));
        assert_eq!(ring.pop(&mut theirs), Some(at(8)));
        assert_eq!(ring.in_the_way(), None);
        ring.push(&mut mine, 1, at(0));
        assert_eq!(ring.earliest(mine), Some(0));
    }
}
