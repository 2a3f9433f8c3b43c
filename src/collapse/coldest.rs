//! Which comes first? A heap whose keys may have risen since they were put in: the true key is asked for when an item reaches the top, and a
//! risen item sinks again. Each push back is paid for by a touch before it: amortised O(log n), no work per record.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Time in ns, stream, fingerprint, insertion number, slot: the first two orders of ties are those of the output.
pub(super) type Item = (i64, u32, u32, u64, u32);

#[derive(Debug, Default)]
pub(super) struct RisingHeap {
    heap: BinaryHeap<Reverse<Item>>,
}

impl RisingHeap {
    /// Puts an item in. `live` is how many items can be true at most: when far more are held, dead ones are thrown out.
    pub(super) fn push(&mut self, item: Item, live: usize, is_alive: impl Fn(&Item) -> bool) {
        if self.heap.len() > 2 * live + 64 {
            self.heap.retain(|Reverse(item)| is_alive(item));
        }
        self.heap.push(Reverse(item));
    }

    /// A time that is not later than that of any true item.
    pub(super) fn earliest(&self) -> Option<i64> {
        self.heap.peek().map(|Reverse(item)| item.0)
    }

    /// Takes the first true item whose time is at most `until`. `true_time` tells the time of an item now, `None` for a dead one.
    pub(super) fn pop(&mut self, until: i64, true_time: impl Fn(&Item) -> Option<i64>) -> Option<Item> {
        while let Some(mut top) = self.heap.peek_mut() {
            if top.0.0 > until {
                return None;
            }
            match true_time(&top.0) {
                None => {
                    std::collections::binary_heap::PeekMut::pop(top);
                }
                Some(time) if time > top.0.0 => top.0.0 = time,
                Some(_) => return Some(std::collections::binary_heap::PeekMut::pop(top).0),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_risen_item_sinks_and_a_dead_one_vanishes() {
        let mut heap = RisingHeap::default();
        for (slot, time) in [10, 20, 30].into_iter().enumerate() {
            heap.push((time, 0, 0, slot as u64, slot as u32), 3, |_| true);
        }
        let now = [Some(25), None, Some(30)];
        let true_time = |item: &Item| now[item.4 as usize];
        assert_eq!(heap.pop(24, true_time), None);
        assert_eq!(heap.pop(25, true_time).map(|item| item.4), Some(0));
        assert_eq!(heap.pop(i64::MAX, true_time).map(|item| item.4), Some(2));
        assert_eq!(heap.earliest(), None);
    }
}
