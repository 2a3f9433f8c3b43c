//! Crash loops: restarts per program (container, unit, supervised program), counted beside the rate.

use super::state::ProgramState;
use crate::record::FingerprintIndex;
use crate::time::SECOND;

/// Restarts that make a crash loop ...
const RESTARTS: usize = 5;
/// ... within this span; a program that stays up this long has left it ...
pub const WINDOW: i64 = 600 * SECOND;
/// ... if they have gone on for so long (ns): a program that waits for its database at a deploy restarts a few times, too.
const SUSTAINED: i64 = 60 * SECOND;
/// A program that is restarted at once, again and again, is told sooner: after so many restarts ...
const RESTARTS_HOT: usize = 8;
/// ... within this span (ns), which leaves no room for a pause ...
const SPAN_HOT: i64 = 12 * SECOND;
/// ... the last three gaps being at most this many times the first three: no back-off.
const GROWTH_HOT: i64 = 2;
/// Programs watched; the one that restarted longest ago goes first.
const PROGRAMS_MAX: usize = 1024;

/// One program as one fingerprint tells of it: several lines of one restart are several fingerprints, and each counts for itself.
#[derive(Clone, Debug)]
pub struct Program {
    hash: u64,
    pub index: FingerprintIndex,
    /// Times of the last restarts, ns; the ring's oldest is at `next`.
    times: [i64; RESTARTS_HOT],
    next: u8,
    /// First restart of the present run (ns): one that no pause of [`WINDOW`] interrupts.
    since: i64,
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
                    Program { hash: program, index, times: [i64::MIN; RESTARTS_HOT], next: 0, since: at, restarts: 0, attempt: 0, is_looping: false },
                );
                place
            }
        };
        let known = &mut self.programs[place];
        if known.latest() != i64::MIN && at.saturating_sub(known.latest()) > WINDOW {
            known.is_looping = false;
            known.since = at;
        }
        // A restart counter that jumped: restarts without a line.
        let silent = attempt.map_or(0, |number| (number - known.attempt - 1).clamp(0, RESTARTS_HOT as i64)) as usize;
        known.since = known.since.min(at);
        let silent = if known.restarts == 0 { 0 } else { silent };
        for _ in 0..=silent {
            known.times[usize::from(known.next)] = at;
            known.next = (known.next + 1) % RESTARTS_HOT as u8;
            known.restarts += 1;
        }
        known.attempt = attempt.unwrap_or(known.attempt);
        if known.is_looping {
            return Restart::InLoop;
        }
        if is_stated || known.is_sustained(at) || known.is_hot(at) {
            known.is_looping = true;
            return Restart::LoopBegan(known.since);
        }
        Restart::Single
    }

    /// The program says that it is up again.
    pub fn recovered(&mut self, program: u64) {
        for known in self.programs.iter_mut().filter(|known| known.hash == program) {
            known.is_looping = false;
            known.times = [i64::MIN; RESTARTS_HOT];
            known.restarts = 0;
            known.since = i64::MAX;
        }
    }

    /// Whether a program of these fingerprints is still looping at `now`; those that stayed up for 10 min have left. Before `heard_from`
    /// (ns) nobody listened.
    pub fn is_looping(&mut self, index: FingerprintIndex, now: i64, heard_from: i64) -> bool {
        let mut is_any = false;
        for known in self.programs.iter_mut().filter(|known| known.index == index) {
            known.is_looping &= now.saturating_sub(known.latest().max(heard_from)) <= WINDOW;
            is_any |= known.is_looping;
        }
        is_any
    }

    /// Whether one of its programs was in a loop when it was last looked at.
    pub fn was_looping(&self, index: FingerprintIndex) -> bool {
        self.programs.iter().any(|known| known.index == index && known.is_looping)
    }

    /// Programs in a loop, ascending by their hash.
    pub fn looping(&self) -> impl Iterator<Item = &Program> {
        self.programs.iter().filter(|known| known.is_looping)
    }

    /// Takes a program from before a restart.
    pub fn restore(&mut self, program: Program) {
        let key = (program.hash, program.index);
        if self.programs.len() < PROGRAMS_MAX
            && let Err(place) = self.programs.binary_search_by_key(&key, |known| (known.hash, known.index))
        {
            self.programs.insert(place, program);
        }
    }

    /// Forgets a fingerprint.
    pub fn forget(&mut self, index: FingerprintIndex) {
        self.programs.retain(|known| known.index != index);
    }
}

impl Program {
    /// For the store; `member`: its fingerprint's place in the incident.
    pub fn state(&self, member: usize) -> ProgramState {
        let restarts = (0..RESTARTS_HOT).rev().map(|before| self.at(before)).filter(|at| *at != i64::MIN).collect();
        ProgramState { hash: self.hash, member, restarts, since: self.since, count: self.restarts, attempt: self.attempt }
    }

    /// From the store: a program in a loop.
    pub fn of_state(state: &ProgramState, index: FingerprintIndex) -> Self {
        let mut times = [i64::MIN; RESTARTS_HOT];
        let latest = state.restarts.len().saturating_sub(RESTARTS_HOT);
        for (place, at) in times.iter_mut().zip(&state.restarts[latest..]) {
            *place = *at;
        }
        let next = (state.restarts.len().min(RESTARTS_HOT) % RESTARTS_HOT) as u8;
        Self { hash: state.hash, index, times, next, since: state.since, restarts: state.count, attempt: state.attempt, is_looping: true }
    }

    /// The restart before the latest by `before`, ns; `i64::MIN` when there was none.
    fn at(&self, before: usize) -> i64 {
        self.times[(usize::from(self.next) + 2 * RESTARTS_HOT - 1 - before) % RESTARTS_HOT]
    }

    /// Enough restarts, for long enough.
    fn is_sustained(&self, at: i64) -> bool {
        let oldest = self.at(RESTARTS - 1);
        oldest != i64::MIN && at - oldest <= WINDOW && at - self.since >= SUSTAINED
    }

    /// Restarted at once each time.
    fn is_hot(&self, at: i64) -> bool {
        let oldest = self.at(RESTARTS_HOT - 1);
        oldest != i64::MIN && at - oldest <= SPAN_HOT && self.at(0) - self.at(3) <= GROWTH_HOT * (self.at(RESTARTS_HOT - 4) - oldest).max(SECOND / 10)
    }

    fn latest(&self) -> i64 {
        self.times.iter().copied().max().unwrap_or(i64::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: u64 = 9;
    const LINE: FingerprintIndex = FingerprintIndex(1);

    #[track_caller]
    fn check(restarts: &[i64], expected: Restart) {
        let mut loops = CrashLoops::default();
        let (last, before) = restarts.split_last().expect("a test has restarts");
        for at in before {
            assert_eq!(loops.restart(POD, LINE, *at, None, false), Restart::Single, "at {at}");
        }
        assert_eq!(loops.restart(POD, LINE, *last, None, false), expected);
    }

    #[test]
    fn the_fifth_restart_within_ten_minutes_is_a_loop() {
        check(&[0, 100, 200, 300, 400].map(|second| second * SECOND), Restart::LoopBegan(0));
        let mut loops = CrashLoops::default();
        for n in 0..5 {
            loops.restart(POD, LINE, n * 100 * SECOND, None, false);
        }
        assert!(loops.is_looping(LINE, 900 * SECOND, i64::MIN));
        assert!(!loops.is_looping(LINE, 1001 * SECOND, i64::MIN));
    }

    #[test]
    fn a_back_off_up_to_minutes_is_a_loop_after_one() {
        check(&[0, 1, 15, 40, 85].map(|second| second * SECOND), Restart::LoopBegan(0));
    }

    #[test]
    fn restarts_at_once_are_a_loop_at_the_eighth() {
        check(&[0, 1, 2, 3, 4, 5, 6, 7].map(|second| second * SECOND), Restart::LoopBegan(0));
        check(&[0; 8], Restart::LoopBegan(0));
    }

    #[test]
    fn paced_restarts_of_half_a_minute_are_no_loop_yet() {
        check(&[0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30].map(|second| second * SECOND), Restart::Single);
        check(&[0, 400, 800, 1300, 1900, 2600, 3600, 5000, 7000, 10_000, 14_000].map(|ms| ms * SECOND / 1000), Restart::Single);
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
        assert_eq!(loops.restart(POD, LINE, 90 * SECOND, Some(8), false), Restart::LoopBegan(0));
    }

    #[test]
    fn twelve_pods_with_one_restart_each_are_no_loop() {
        let mut loops = CrashLoops::default();
        assert!((0..12).all(|pod| loops.restart(pod, LINE, 0, None, false) == Restart::Single));
    }
}
