//! The last time of each worker, for the gaps between its records. Survives the window: a client that retries every 12 s has its gaps
//! across cells.

const SLOTS_MIN: usize = 8;
/// Workers of one fingerprint and stream that are told apart: 256; beyond it the one that was silent longest is forgotten, which loses
/// one gap.
const SLOTS_MAX: usize = 256;
/// Neighbouring slots in which a worker may stand.
const PROBES: usize = 4;

/// A table of workers by hash (never 0).
#[derive(Debug)]
pub(super) struct Workers {
    slots: Vec<(u64, i64)>,
}

impl Workers {
    pub(super) fn new() -> Self {
        Self { slots: vec![(0, 0); SLOTS_MIN] }
    }

    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<(u64, i64)>()
    }

    /// Sets the last time of a worker; the one before, if known.
    /// With `may_grow` the table doubles when the neighbourhood of the worker is full.
    #[inline]
    pub(super) fn swap(&mut self, worker: u64, time: i64, may_grow: bool) -> Option<i64> {
        loop {
            let mask = self.slots.len() - 1;
            let home = worker.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            let mut oldest = home as usize & mask;
            for probe in 0..PROBES {
                let at = (home as usize + probe) & mask;
                let slot = &mut self.slots[at];
                if slot.0 == worker {
                    let before = slot.1;
                    slot.1 = before.max(time);
                    return Some(before);
                }
                if slot.0 == 0 {
                    *slot = (worker, time);
                    return None;
                }
                if slot.1 < self.slots[oldest].1 {
                    oldest = at;
                }
            }
            if !may_grow || self.slots.len() == SLOTS_MAX {
                self.slots[oldest] = (worker, time);
                return None;
            }
            self.grow();
        }
    }

    #[cold]
    fn grow(&mut self) {
        let larger = vec![(0, 0); self.slots.len() * 2];
        let old = std::mem::replace(&mut self.slots, larger);
        for (worker, time) in old {
            if worker != 0 {
                self.swap(worker, time, true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_has_a_chain_of_its_own() {
        let mut workers = Workers::new();
        for round in 0..5 {
            for worker in 1..=100 {
                let before = workers.swap(worker, round * 1_000 + worker as i64, true);
                assert_eq!(before, (round > 0).then(|| (round - 1) * 1_000 + worker as i64), "worker {worker} round {round}");
            }
        }
    }

    #[test]
    fn a_hundred_thousand_workers_stay_within_the_bound() {
        let mut workers = Workers::new();
        for worker in 1..=100_000 {
            workers.swap(worker, worker as i64, true);
        }
        assert_eq!(workers.bytes(), SLOTS_MAX * 16);
    }
}
