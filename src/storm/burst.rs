//! Bursts: many records of a message that says nothing of retrying, or retries that came on time. Worth knowing, never an alert: on a healthy
//! day cron jobs, batches, deploys and traffic burst dozens of times.
//!
//! An ordinary message costs a count per record and some arithmetic per second in which it comes. A burst is told when it is over, with all
//! its figures; a rate that stays is no burst but the new usual one.

use crate::fingerprint::Fingerprint;
use crate::occurrence::Occurrence;
use crate::record::FingerprintIndex;
use crate::time::{SECOND, UnixNanos};
use std::sync::Arc;

/// Records/s from which a second is loud: the rate from which ordinary floods are collapsed, too ...
const LOUD: u32 = 100;
/// ... if it is this many times the usual rate.
const TIMES_USUAL: f32 = 10.0;
/// So many loud seconds make a burst.
const LOUD_SECONDS: u32 = 5;
/// So many seconds (s) without a loud one end it.
const QUIET: u32 = 10;
/// What lasts longer (s) is the new usual rate.
const LENGTH_MAX: u32 = 300;
/// The usual rate is learned over 60 s at first, later over 30 min.
const LEARN_FAST: f32 = 60.0;
const LEARN_SLOW: f32 = 1800.0;
/// Bursts at the same time; further ones are not told.
const OPEN_MAX: usize = 64;
/// Bursts that wait to be taken.
const TOLD_MAX: usize = 256;

/// A burst that is over.
#[derive(Clone, Debug)]
pub struct Burst {
    /// What was said.
    pub fingerprint: Arc<Fingerprint>,
    /// Second of its first loud record.
    pub onset: UnixNanos,
    /// Second after its last loud one.
    pub end: UnixNanos,
    /// Records in between.
    pub records: u64,
    /// Most records in a second.
    pub peak_per_second: u32,
    /// Usual records/s before.
    pub baseline: f64,
    /// Whether these are retries that came in the rhythm of earlier ones and were no more than those.
    pub is_usual: bool,
}

/// The rate of one ordinary message: 16 bytes for each known fingerprint.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    /// Latest second with a record (Unix, `u32` lasts until 2106), and the records in it.
    second: u32,
    count: u32,
    /// Usual records/s.
    usual: f32,
    /// First second; 0: none yet.
    born: u32,
}

#[derive(Clone, Debug)]
struct Open {
    index: FingerprintIndex,
    fingerprint: Arc<Fingerprint>,
    onset: u32,
    last_loud: u32,
    loud: u32,
    records: u64,
    /// Records since the last loud second: part of the burst if another follows.
    since: u64,
    peak: u32,
}

/// All bursts.
#[derive(Clone, Debug, Default)]
pub(super) struct Bursts {
    rates: Vec<Rate>,
    open: Vec<Open>,
    told: Vec<Burst>,
}

impl Bursts {
    /// Counts an ordinary record.
    #[inline]
    pub(super) fn count(&mut self, seen: &Occurrence<'_>) {
        let index = seen.index.0 as usize;
        if index >= self.rates.len() {
            self.rates.resize(index + 1, Rate::default());
        }
        let second = u32::try_from(seen.working.second()).unwrap_or(0);
        let rate = &mut self.rates[index];
        if rate.second == second {
            rate.count += 1;
        } else if rate.second < second {
            self.next_second(seen.index, second, Some(seen.fingerprint));
        }
    }

    /// The second at hand is over for this message; `second` begins with one record, or with none when there is no fingerprint.
    fn next_second(&mut self, index: FingerprintIndex, second: u32, fingerprint: Option<&Arc<Fingerprint>>) {
        let rate = &mut self.rates[index.0 as usize];
        let (over, count) = (rate.second, rate.count);
        if rate.born == 0 {
            rate.born = second;
        }
        (rate.second, rate.count) = (second, u32::from(fingerprint.is_some()));
        let is_loud = count >= LOUD && count as f32 >= TIMES_USUAL * rate.usual;
        let open = self.open.iter().position(|open| open.index == index);
        if let Some(open) = open.map(|at| &mut self.open[at]) {
            open.since += u64::from(count);
            if is_loud {
                open.records += open.since;
                (open.since, open.last_loud, open.loud) = (0, over, open.loud + 1);
                open.peak = open.peak.max(count);
            }
            return;
        }
        if !is_loud {
            rate.learn(over, count, second);
        } else if let Some(fingerprint) = fingerprint
            && self.open.len() < OPEN_MAX
        {
            let fingerprint = Arc::clone(fingerprint);
            self.open.push(Open { index, fingerprint, onset: over, last_loud: over, loud: 1, records: u64::from(count), since: 0, peak: count });
        }
    }

    /// Seconds up to `second` are over.
    pub(super) fn advance(&mut self, second: i64) {
        let Ok(second) = u32::try_from(second) else { return };
        let mut at = 0;
        while let Some(open) = self.open.get(at) {
            let index = open.index;
            if self.rates[index.0 as usize].second <= second {
                self.next_second(index, second + 1, None);
            }
            let open = &self.open[at];
            let lasts = open.last_loud - open.onset + 1;
            if lasts > LENGTH_MAX {
                self.rates[index.0 as usize].usual = open.records as f32 / lasts as f32;
                self.open.remove(at);
            } else if second.saturating_sub(open.last_loud) >= QUIET {
                self.close(at);
            } else {
                at += 1;
            }
        }
    }

    fn close(&mut self, at: usize) {
        let open = self.open.remove(at);
        if open.loud >= LOUD_SECONDS {
            let baseline = f64::from(self.rates[open.index.0 as usize].usual);
            let time = |second: u32| UnixNanos(i64::from(second) * SECOND);
            let (onset, end) = (time(open.onset), time(open.last_loud + 1));
            self.tell(Burst {
                fingerprint: open.fingerprint,
                onset,
                end,
                records: open.records,
                peak_per_second: open.peak,
                baseline,
                is_usual: false,
            });
        }
    }

    /// The input has ended: what goes on is told as far as it came.
    pub(super) fn drain(&mut self) {
        while !self.open.is_empty() {
            let (index, second) = (self.open[0].index, self.rates[self.open[0].index.0 as usize].second);
            self.next_second(index, second + 1, None);
            self.close(0);
        }
    }

    /// Lets a burst be told.
    pub(super) fn tell(&mut self, burst: Burst) {
        if self.told.len() < TOLD_MAX {
            self.told.push(burst);
        }
    }

    /// Those that are over and not told yet, in the order in which they ended.
    pub(super) fn take(&mut self) -> std::vec::Drain<'_, Burst> {
        self.told.drain(..)
    }

    pub(super) fn is_any_told(&self) -> bool {
        !self.told.is_empty()
    }

    pub(super) fn is_any_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Forgets a message.
    pub(super) fn forget(&mut self, index: FingerprintIndex) {
        if let Some(rate) = self.rates.get_mut(index.0 as usize) {
            *rate = Rate::default();
        }
        self.open.retain(|open| open.index != index);
    }
}

impl Rate {
    /// `over` had `count` records, the seconds up to `next` none.
    fn learn(&mut self, over: u32, count: u32, next: u32) {
        let weight = 1.0 / (over.saturating_sub(self.born) as f32 + 1.0).clamp(LEARN_FAST, LEARN_SLOW);
        let x = count as f32;
        // Winsorised: a burst cannot lift it.
        self.usual += weight * (x.min(3.0 * self.usual + 3.0) - self.usual);
        let empty = next.saturating_sub(over + 1);
        if empty > 0 && self.usual > 1.0 {
            self.usual *= (1.0 - weight).powf(empty as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Class, ClassSource, Severity, StreamId};

    /// Feeds `per_second(s)` records in each second; (onset, end, records, peak, usual rounded) of each burst.
    fn run(seconds: i64, per_second: impl Fn(i64) -> u32) -> Vec<(i64, i64, u64, u32, i64)> {
        let fingerprint = Arc::new(Fingerprint::new(Severity::Info, "order processed", Class::None, ClassSource::Guess));
        let mut bursts = Bursts::default();
        for second in 1..=seconds {
            for n in 0..per_second(second) {
                let at = UnixNanos(second * SECOND + i64::from(n));
                bursts.count(&Occurrence {
                    fingerprint: &fingerprint,
                    index: FingerprintIndex(3),
                    stream: StreamId(0),
                    place: crate::record::Place::default(),
                    arrival: at,
                    working: at,
                    event: None,
                    feeds_rate: true,
                    late: false,
                    lines: 1,
                    raw: b"order processed\n",
                    instance: None,
                    instance_hash: 0,
                    worker_hash: 0,
                    target: None,
                    attempt: None,
                    max_attempts: None,
                    delay: None,
                });
            }
            bursts.advance(second);
        }
        bursts.drain();
        let told = bursts
            .take()
            .map(|burst| (burst.onset.second(), burst.end.second(), burst.records, burst.peak_per_second, burst.baseline.round() as i64));
        told.collect()
    }

    #[test]
    fn a_burst_is_told_when_it_is_over() {
        assert_eq!(run(100, |second| if (40..50).contains(&second) { 150 } else { 1 }), [(40, 50, 1500, 150, 0)]);
        assert_eq!(run(100, |second| if (40..44).contains(&second) { 150 } else { 1 }), []);
        assert_eq!(run(45, |second| if second >= 40 { 150 } else { 1 }), [(40, 46, 900, 150, 0)]);
    }

    #[test]
    fn a_rate_that_stays_is_the_usual_one() {
        assert_eq!(run(2000, |_| 200), []);
        let step = |second: i64| if (1000..1010).contains(&second) { 2500 } else { 200 };
        assert_eq!(run(1100, step), [(1000, 1010, 25_000, 2500, 200)]);
        assert_eq!(run(1100, |second| if (1000..1010).contains(&second) { 1500 } else { 200 }), []);
    }

    #[test]
    fn two_waves_are_one_burst() {
        let told = run(100, |second| if (20..25).contains(&second) || (30..33).contains(&second) { 120 } else { 2 });
        assert_eq!(told, [(20, 33, 8 * 120 + 5 * 2, 120, 1)]);
    }
}
