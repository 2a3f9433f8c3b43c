//! Logs as they arrive: records lost, records that overtake one another, stamps without a fraction.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::random::Random;
use super::wording::SimLine;
use crate::time::SECOND;

/// Records held back to be overtaken stay within the lateness that the engine promises to sort (2 s).
const REORDER_MAX: i64 = 2 * SECOND;

/// What happens to the records between the programs and the reader.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Damage {
    /// Share of the records that never arrive, 0 to 1.
    pub loss: f64,
    /// Each record arrives up to this many nanoseconds late, so that later ones may come first.
    pub reorder: i64,
    /// Stamps in the lines are cut to whole seconds; arrivals are not.
    pub whole_seconds: bool,
}

impl Damage {
    /// What is wrong with the figures, all of it.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if !(0.0..1.0).contains(&self.loss) {
            wrong.push("loss must be 0 or more and less than 1 (100%)".to_owned());
        }
        if !(0..=REORDER_MAX).contains(&self.reorder) {
            wrong.push("reorder must be at most 2s".to_owned());
        }
        wrong
    }
}

/// Stands between a run and its sink.
#[derive(Debug)]
pub struct Damaged {
    damage: Damage,
    random: Random,
    /// By arrival, then by order of writing. Bounded by what a run writes in [`REORDER_MAX`].
    held: BTreeMap<(i64, u64), SimLine>,
    written: u64,
    lost: u64,
}

impl Damaged {
    /// The damage of a run, with random numbers of its own so that it does not change the run.
    #[must_use]
    pub fn new(damage: Damage, seed: u64) -> Self {
        Self { damage, random: Random::new(seed ^ 0x0DA4_A6ED), held: BTreeMap::new(), written: 0, lost: 0 }
    }

    /// Takes a record, hands on what has arrived by its time: the arrival (Unix nanoseconds) and the record.
    pub fn line(&mut self, line: &SimLine, sink: &mut dyn FnMut(i64, &SimLine) -> ControlFlow<()>) -> ControlFlow<()> {
        if self.damage == Damage::default() {
            return sink(line.at, line);
        }
        self.arrive(line.at, sink)?;
        if self.random.unit() < self.damage.loss {
            self.lost += 1 + line.trace.len() as u64;
            return ControlFlow::Continue(());
        }
        let arrival = line.at + self.random.below(self.damage.reorder as u64 + 1) as i64;
        self.written += 1;
        let mut line = line.clone();
        if self.damage.whole_seconds {
            line.at -= line.at.rem_euclid(SECOND);
        }
        self.held.insert((arrival, self.written), line);
        ControlFlow::Continue(())
    }

    /// Hands on the rest; the lines that were lost.
    pub fn finish(&mut self, sink: &mut dyn FnMut(i64, &SimLine) -> ControlFlow<()>) -> u64 {
        let _ = self.arrive(i64::MAX, sink); // a sink that breaks off has its reasons, and the run is over
        self.lost
    }

    fn arrive(&mut self, now: i64, sink: &mut dyn FnMut(i64, &SimLine) -> ControlFlow<()>) -> ControlFlow<()> {
        while let Some(first) = self.held.first_entry() {
            if first.key().0 > now {
                break;
            }
            let ((arrival, _), line) = first.remove_entry();
            sink(arrival, &line)?;
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{Scenario, simulate};

    fn arrivals(damage: Damage) -> (Vec<(i64, i64)>, u64, u64) {
        let scenario = Scenario { lines_max: 20_000, ..Scenario::essay() };
        let (mut seen, mut damaged) = (Vec::new(), Damaged::new(damage, 1));
        let mut sink = |arrival: i64, line: &SimLine| {
            seen.push((arrival, line.at));
            ControlFlow::Continue(())
        };
        let truth = simulate(&scenario, &mut |line| damaged.line(line, &mut sink)).unwrap();
        let lost = damaged.finish(&mut sink);
        (seen, truth.lines, lost)
    }

    #[test]
    fn what_is_lost_is_counted() {
        let (seen, lines, lost) = arrivals(Damage { loss: 0.05, ..Damage::default() });
        assert_eq!(seen.len() as u64 + lost, lines);
        assert!((800..1_200).contains(&lost), "{lost} of 20,000");
    }

    #[test]
    fn arrivals_rise_while_stamps_step_back() {
        let (seen, lines, _) = arrivals(Damage { reorder: SECOND / 5, ..Damage::default() });
        assert_eq!(seen.len() as u64, lines);
        assert!(seen.is_sorted_by_key(|(arrival, _)| *arrival));
        assert!(!seen.is_sorted_by_key(|(_, stamp)| *stamp));
        assert!(seen.iter().all(|(arrival, stamp)| (0..=SECOND / 5).contains(&(arrival - stamp))));
    }

    #[test]
    fn whole_seconds_are_whole() {
        let (seen, ..) = arrivals(Damage { whole_seconds: true, ..Damage::default() });
        assert!(seen.iter().all(|(_, stamp)| stamp % SECOND == 0));
        assert!(seen.iter().any(|(arrival, _)| arrival % SECOND != 0));
    }
}
