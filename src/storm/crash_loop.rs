//! Crash loops: restarts per program (container, unit, supervised program), counted beside the rate.

use crate::record::FingerprintIndex;
use crate::time::SECOND;

/// Restarts that make a crash loop ...
const RESTARTS: usize = 5;
/// ... within this span; a program that stays up this long has left it.
pub const WINDOW: i64 = 600 * SECOND;
/// Programs watched; the one that restarted longest ago goes first.
const PROGRAMS_MAX: usize = 1024;

/// One program as one fingerprint tells of it: several lines of one restart are several fingerprints, and each counts for itself.
#[derive(Clone, Debug)]
struct Program {
    hash: u64,
    index: FingerprintIndex,
    /// Times of the last restarts, ns; the ring's oldest is at `next`.
    times: [i64; RESTARTS],
    next: u8,
    restarts: u64,
    attempt: i64,
    is_looping: bool,
}

/// What a restart means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Not (yet) a loop.
    Single,
    /// The program is now in a crash loop that began at this time (ns).
    LoopBegan(i64),
    /// It was in one already.
    InLoop,
}

/// All programs.
#[derive(Clone, Debug, Default)]
pub struct CrashLoops {
    /// Ascending by (hash, index).
    programs: Vec<Program>,
}

impl CrashLoops {
    /// Counts one restart. `is_stated`: the supervisor itself says that it is a loop.
    pub fn restart(&mut self, program: u64, index: FingerprintIndex, at: i64, attempt: Option<i64>, is_stated: bool) -> Restart {
        let key = (program, index);
        let place = match self.programs.binary_search_by_key(&key, |known| (known.hash, known.index)) {
            Ok(place) => place,
            Err(place) => {
                let mut place = place;
                if self.programs.len() >= PROGRAMS_MAX {
                    let oldest = (0..self.programs.len()).min_by_key(|&n| self.programs[n].latest()).unwrap_or(0);
                    self.programs.remove(oldest);
                    place -= usize::from(oldest < place);
                }
                self.programs.insert(
                    place,
                    Program { hash: program, index, times: [i64::MIN; RESTARTS], next: 0, restarts: 0, attempt: 0, is_looping: false },
                );
                place
            }
        };
        let known = &mut self.programs[place];
        if known.latest() != i64::MIN && at.saturating_sub(known.latest()) > WINDOW {
            known.is_looping = false;
        }
        // A restart counter that jumped: restarts without a line.
        let silent = attempt.map_or(0, |number| (number - known.attempt - 1).clamp(0, RESTARTS as i64)) as usize;
        let silent = if known.restarts == 0 { 0 } else { silent };
        for _ in 0..=silent {
            known.times[usize::from(known.next)] = at;
            known.next = (known.next + 1) % RESTARTS as u8;
            known.restarts += 1;
        }
        known.attempt = attempt.unwrap_or(known.attempt);
        if known.is_looping {
            return Restart::InLoop;
        }
        let oldest = known.times[usize::from(known.next)];
        if is_stated || oldest != i64::MIN && at - oldest <= WINDOW {
            known.is_looping = true;
            return Restart::LoopBegan(if oldest == i64::MIN {
                known.times.iter().copied().filter(|time| *time != i64::MIN).min().unwrap_or(at)
            } else {
                oldest
            });
        }
        Restart::Single
    }

    /// The program says that it is up again.
    pub fn recovered(&mut self, program: u64) {
        for known in self.programs.iter_mut().filter(|known| known.hash == program) {
            known.is_looping = false;
            known.times = [i64::MIN; RESTARTS];
            known.restarts = 0;
        }
    }

    /// Whether a program of these fingerprints is still looping at `now`; those that stayed up for 10 min have left.
    pub fn is_looping(&mut self, index: FingerprintIndex, now: i64) -> bool {
        let mut is_any = false;
        for known in self.programs.iter_mut().filter(|known| known.index == index) {
            known.is_looping &= now.saturating_sub(known.latest()) <= WINDOW;
            is_any |= known.is_looping;
        }
        is_any
    }

    /// Forgets a fingerprint.
    pub fn forget(&mut self, index: FingerprintIndex) {
        self.programs.retain(|known| known.index != index);
    }
}

impl Program {
    fn latest(&self) -> i64 {
        self.times.iter().copied().max().unwrap_or(i64::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: u64 = 9;
    const LINE: FingerprintIndex = FingerprintIndex(1);

    #[test]
    fn the_fifth_restart_within_ten_minutes_is_a_loop() {
        let mut loops = CrashLoops::default();
        for n in 0..4 {
            assert_eq!(loops.restart(POD, LINE, n * 100 * SECOND, None, false), Restart::Single);
        }
        assert_eq!(loops.restart(POD, LINE, 400 * SECOND, None, false), Restart::LoopBegan(0));
        assert!(loops.is_looping(LINE, 900 * SECOND));
        assert!(!loops.is_looping(LINE, 1001 * SECOND));
    }

    #[test]
    fn restarts_of_a_week_are_no_loop() {
        let mut loops = CrashLoops::default();
        assert!((0..50).all(|n| loops.restart(POD, LINE, n * 3600 * SECOND, None, false) == Restart::Single));
    }

    #[test]
    fn a_stated_back_off_needs_no_count() {
        assert_eq!(CrashLoops::default().restart(POD, LINE, 5, None, true), Restart::LoopBegan(5));
    }

    #[test]
    fn a_restart_counter_counts_what_was_not_logged() {
        let mut loops = CrashLoops::default();
        loops.restart(POD, LINE, 0, Some(3), false);
        assert_eq!(loops.restart(POD, LINE, SECOND, Some(8), false), Restart::LoopBegan(SECOND));
    }

    #[test]
    fn twelve_pods_with_one_restart_each_are_no_loop() {
        let mut loops = CrashLoops::default();
        assert!((0..12).all(|pod| loops.restart(pod, LINE, 0, None, false) == Restart::Single));
    }
}
