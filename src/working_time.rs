//! Which time a record has: the rules by which windows, rates and intervals go.
//!
//! A stream is *caught up* (its lines come as they are written) or *behind* (it reads a backlog). Decisions where the rule leaves room:
//!
//! - *Event* is what the caller found first: the runtime's stamp, else the line's. It is believed within
//!   [`EVENT_AGE_MAX`] before and [`EVENT_AHEAD_MAX`] after arrival.
//! - The age of an event is bounded only where it could do harm: in a stream that is caught up. A backlog may be of any age (a `report` on the
//!   logs of last spring), and a stream whose very first stamp is old is one (`zcat old.gz | squelch`).
//! - A record without a stamp has its arrival as its time while caught up; while behind it takes the stream's last working time and has
//!   no place in any rate.
//! - Where stamps lag by more than [`LATE_AFTER`], a caught-up record without one is taken to lag as much, so that it makes none of them late.
//! - A record with an unbelievable stamp (1970, 2099) takes the stream's last working time. Only when that is more than [`LATE_AFTER`]
//!   before arrival in a caught-up stream it takes arrival: a device whose clock is broken for good must not stand still.
//! - A stream falls behind at a lag of [`BEHIND_FROM`] and is caught up again at [`CAUGHT_UP_WITHIN`]: writers that flush
//!   every few seconds stay caught up. A reader that knows better (it stood still, it reached the end of the file) says so.
//! - A stream that is behind and has not yet shown a time has none: a banner without a stamp takes its arrival, feeds no rate, and makes none
//!   of the old lines after it late. The same when a pipe turns out to dump history.
//! - `now` is the latest working time of caught-up streams, and of any stream while none is caught up. It never runs backwards. Silence moves
//!   it by the arrival time that passes ([`GlobalClock::tick`]), so a constant lag of delivery makes nothing late. While every stream is behind it does
//!   so only after [`PAUSE`] without a record: a reader that has nothing to read must not hold lines back for ever.
//! - Late is measured against what records said, not against ticks, and for a stream that is behind against its own latest time only.
//! - A stream whose records are all late, [`LATE_RUN_MAX`] in a row, had its clock set back (daylight saving without a zone, files
//!   glued together): it starts anew from there.

use crate::time::{SECOND, UnixNanos};

/// How old an event time may be: 7 days; older than what a container runtime keeps by default, and log stores refuse more.
pub const EVENT_AGE_MAX: i64 = 7 * 86_400 * SECOND;
/// The earliest event time of a backlog: 2000-01-01; what is before it comes from a clock that was never set.
pub const EVENT_EARLIEST: UnixNanos = UnixNanos(946_684_800 * SECOND);
/// How far an event time may be ahead of arrival: 5 s of clock skew.
pub const EVENT_AHEAD_MAX: i64 = 5 * SECOND;
/// From which step back a record is late: 2 s; recorded logs step back by 0.2 s routinely.
pub const LATE_AFTER: i64 = 2 * SECOND;
/// A stream whose event times lag by more than this falls behind: 10 s, longer than writers hold their buffers.
pub const BEHIND_FROM: i64 = 10 * SECOND;
/// A stream whose event times lag by no more than this is caught up: 3 s.
pub const CAUGHT_UP_WITHIN: i64 = 3 * SECOND;
/// A reader that got no record for so long is not busy with a backlog: 2 s.
pub const PAUSE: i64 = 2 * SECOND;
/// So many late records in a row mean that the clock was set back: 100 are no straggler of another thread.
pub const LATE_RUN_MAX: u32 = 100;

/// What the clocks say about one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Working {
    /// Its working time.
    pub time: UnixNanos,
    /// Whether it has a place on the time line; false: "rate unknown: backlog".
    pub feeds_rate: bool,
    /// More than 2 s behind: counted exactly, feeds no interval.
    pub is_late: bool,
    /// Whether `now` moved.
    pub now_advanced: bool,
}

/// `now` over all streams.
#[derive(Clone, Debug)]
pub struct GlobalClock {
    now: UnixNanos,
    /// The latest `now` that a record made: lateness goes by it.
    said: UnixNanos,
    /// Arrival at which `now` was last moved.
    moved_at: UnixNanos,
    /// Arrival of the latest record of any stream.
    heard_at: UnixNanos,
    caught_up: u32,
}

/// The clock of one stream.
#[derive(Clone, Debug)]
pub struct StreamClock {
    is_behind: bool,
    last: Option<UnixNanos>,
    /// Whether `last` was said by a stamp; else it is an arrival.
    is_last_said: bool,
    /// Arrival minus event of the newest stamp, ns.
    lag: i64,
    late_run: u32,
}

impl Default for GlobalClock {
    fn default() -> Self {
        let never = UnixNanos(i64::MIN);
        Self { now: never, said: never, moved_at: never, heard_at: never, caught_up: 0 }
    }
}

impl GlobalClock {
    /// The clock before the first record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A new stream; `is_backlog`: it begins behind.
    pub fn open(&mut self, is_backlog: bool) -> StreamClock {
        self.caught_up += u32::from(!is_backlog);
        StreamClock { is_behind: is_backlog, last: None, is_last_said: false, lag: 0, late_run: 0 }
    }

    /// The stream has ended and no longer holds `now`.
    pub fn close(&mut self, stream: StreamClock) {
        self.caught_up -= u32::from(!stream.is_behind);
    }

    /// The latest working time; the earliest time there is before the first record.
    #[must_use]
    pub const fn now(&self) -> UnixNanos {
        self.now
    }

    /// `arrival` has come without a record: moves `now` by what passed since it was last moved. Returns `now`.
    pub fn tick(&mut self, arrival: UnixNanos) -> UnixNanos {
        if self.caught_up == 0 && arrival.since(self.heard_at) < PAUSE {
            return self.now;
        }
        if self.moved_at.0 == i64::MIN {
            self.now = arrival;
        } else {
            self.now = self.now.plus(arrival.since(self.moved_at).max(0));
        }
        self.moved_at = self.moved_at.max(arrival);
        self.now
    }

    /// The arrival time at which silence will have moved `now` to `working`.
    #[must_use]
    pub const fn arrival_at(&self, working: UnixNanos) -> UnixNanos {
        if self.moved_at.0 == i64::MIN {
            // Nothing was heard yet: the first tick takes arrival for `now`.
            return working;
        }
        let ahead = working.since(self.now);
        self.moved_at.plus(if ahead > 0 { ahead } else { 0 })
    }

    fn record(&mut self, working: UnixNanos, arrival: UnixNanos) -> bool {
        self.said = self.said.max(working);
        self.moved_at = self.moved_at.max(arrival);
        let advanced = working > self.now;
        self.now = self.now.max(working);
        advanced
    }
}

impl StreamClock {
    /// Whether it reads a backlog.
    #[must_use]
    pub const fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// The latest working time of its records.
    #[must_use]
    pub const fn last(&self) -> Option<UnixNanos> {
        self.last
    }

    /// The reader knows that what comes next is old (it stood still, its pipe was full).
    pub fn fell_behind(&mut self, global: &mut GlobalClock) {
        self.set_behind(true, global);
    }

    /// The reader knows that what comes next is new (it waited at the end of the file).
    pub fn caught_up(&mut self, global: &mut GlobalClock) {
        self.set_behind(false, global);
    }

    /// The times of one record. `event` is the runtime's stamp, else the line's.
    #[inline]
    pub fn observe(&mut self, global: &mut GlobalClock, arrival: UnixNanos, event: Option<UnixNanos>) -> Working {
        let is_past_open = self.is_behind || self.last.is_none();
        let believed = event.filter(|event| {
            let lag = arrival.since(*event);
            lag >= -EVENT_AHEAD_MAX && (lag <= EVENT_AGE_MAX || (is_past_open && *event >= EVENT_EARLIEST))
        });
        if let Some(event) = believed {
            let lag = arrival.since(event);
            if self.is_behind && lag <= CAUGHT_UP_WITHIN {
                self.set_behind(false, global);
            } else if !self.is_behind && lag > BEHIND_FROM {
                self.set_behind(true, global);
            }
            if !self.is_last_said {
                // Times so far were arrivals; what stamps say begins here.
                (self.last, self.is_last_said) = (None, true);
            }
            self.lag = lag;
        }
        global.heard_at = global.heard_at.max(arrival);
        let (time, feeds_rate) = match (believed, self.is_behind) {
            (Some(event), _) => (event, true),
            (None, true) => (self.last.unwrap_or(arrival), false),
            (None, false) => {
                let last = self.last.filter(|last| event.is_some() && arrival.since(*last) <= LATE_AFTER);
                // Among stamped lines that come late by some seconds it must not make these late.
                let arrival = if self.lag > LATE_AFTER { arrival.plus(-self.lag) } else { arrival };
                (last.unwrap_or(arrival), true)
            }
        };
        let own = self.last.unwrap_or(time);
        let reference = if self.is_behind { own } else { own.max(global.said) };
        let mut is_late = reference.since(time) > LATE_AFTER;
        if own.since(time) > LATE_AFTER {
            self.late_run += 1;
            if self.late_run >= LATE_RUN_MAX {
                (is_late, self.late_run, self.last) = (false, 0, Some(time));
            }
        } else {
            self.late_run = 0;
        }
        if believed.is_some() || !self.is_behind {
            self.last = Some(self.last.map_or(time, |last| last.max(time)));
        }
        let moves_now = if self.is_behind { global.caught_up == 0 && believed.is_some() } else { true };
        let now_advanced = moves_now && global.record(time, arrival);
        Working { time, feeds_rate, is_late, now_advanced }
    }

    fn set_behind(&mut self, is_behind: bool, global: &mut GlobalClock) {
        if self.is_behind != is_behind {
            self.is_behind = is_behind;
            if is_behind {
                global.caught_up -= 1;
            } else {
                global.caught_up += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_790_000_000 * SECOND;

    fn at(milliseconds: i64) -> UnixNanos {
        UnixNanos(NOON + milliseconds * 1_000_000)
    }

    /// Lines as (arrival ms, event ms), and what becomes of each: (working ms, feeds rate, late).
    fn check(is_backlog: bool, lines: &[(i64, Option<i64>)], expected: &[(i64, bool, bool)]) -> GlobalClock {
        let mut global = GlobalClock::new();
        let mut stream = global.open(is_backlog);
        for ((arrival, event), expected) in lines.iter().zip(expected) {
            let working = stream.observe(&mut global, at(*arrival), event.map(at));
            assert_eq!((working.time, working.feeds_rate, working.is_late), (at(expected.0), expected.1, expected.2), "line at {arrival}");
        }
        global
    }

    #[test]
    fn a_line_goes_by_what_it_says_else_by_its_arrival() {
        check(false, &[(100, Some(90)), (200, None), (300, Some(290))], &[(90, true, false), (200, true, false), (290, true, false)]);
    }

    #[test]
    fn one_line_from_2099_or_1970_changes_nothing() {
        let year_2099 = 2_300_000_000_000;
        let year_1970 = -NOON / 1_000_000;
        let global = check(
            false,
            &[(100, Some(100)), (200, Some(year_2099)), (250, Some(year_1970)), (300, Some(300))],
            &[(100, true, false), (100, true, false), (100, true, false), (300, true, false)],
        );
        assert_eq!(global.now(), at(300));
    }

    #[test]
    fn a_clock_that_is_broken_for_good_does_not_stand_still() {
        let year_1970 = -NOON / 1_000_000;
        check(
            false,
            &[(0, Some(year_1970)), (1_000, Some(year_1970)), (9_000, Some(year_1970))],
            &[(0, true, false), (0, true, false), (9_000, true, false)],
        );
    }

    #[test]
    fn three_days_read_in_one_second_are_three_days() {
        let day = 86_400_000;
        let global = check(
            true,
            &[(0, Some(-3 * day)), (300, Some(-2 * day)), (600, Some(-day)), (700, None), (900, Some(-1_000))],
            &[(-3 * day, true, false), (-2 * day, true, false), (-day, true, false), (-day, false, false), (-1_000, true, false)],
        );
        assert_eq!(global.now(), at(-1_000));
    }

    #[test]
    fn a_pipe_that_dumps_history_is_behind_without_being_told() {
        let mut global = GlobalClock::new();
        let mut stream = global.open(false);
        stream.observe(&mut global, at(0), Some(at(-60_000)));
        assert!(stream.is_behind());
        stream.observe(&mut global, at(10), Some(at(-2_000)));
        assert!(!stream.is_behind());
    }

    #[test]
    fn a_banner_without_a_stamp_makes_no_old_line_late() {
        let hour = 3_600_000;
        let old = [(0, None), (1, Some(-hour)), (2, Some(-hour + 5)), (3, None)];
        check(true, &old, &[(0, false, false), (-hour, true, false), (-hour + 5, true, false), (-hour + 5, false, false)]);
        check(false, &old, &[(0, true, false), (-hour, true, false), (-hour + 5, true, false), (-hour + 5, false, false)]);
    }

    #[test]
    fn a_line_without_a_stamp_among_lagging_ones_makes_none_late() {
        check(
            false,
            &[(0, Some(-5_000)), (1_000, None), (1_500, Some(-3_500)), (2_000, Some(2_300_000_000_000)), (2_100, Some(-2_900))],
            &[(-5_000, true, false), (-4_000, true, false), (-3_500, true, false), (-3_000, true, false), (-2_900, true, false)],
        );
    }

    #[test]
    fn a_straggler_of_eleven_seconds_is_late_and_the_stream_goes_on() {
        check(
            false,
            &[(20_000, Some(20_000)), (20_001, Some(9_000)), (20_002, Some(20_002))],
            &[(20_000, true, false), (9_000, true, true), (20_002, true, false)],
        );
    }

    #[test]
    fn arrival_moves_now_only_while_a_stream_is_caught_up_or_nothing_comes() {
        let mut global = GlobalClock::new();
        let mut backlog = global.open(true);
        backlog.observe(&mut global, at(0), Some(at(-60_000)));
        assert_eq!(global.tick(at(1_999)), at(-60_000));
        assert_eq!(global.tick(at(2_000)), at(-58_000));
        assert_eq!(global.tick(at(9_000)), at(-51_000));
        backlog.caught_up(&mut global);
        assert_eq!(global.tick(at(9_001)), at(-50_999));
    }

    #[test]
    fn a_backlog_does_not_move_now_while_another_stream_is_caught_up() {
        let mut global = GlobalClock::new();
        let mut live = global.open(false);
        let mut backlog = global.open(true);
        live.observe(&mut global, at(0), None);
        let working = backlog.observe(&mut global, at(10), Some(at(-50_000)));
        assert_eq!((working.is_late, working.now_advanced, global.now()), (false, false, at(0)));
        assert!(backlog.observe(&mut global, at(10), Some(at(-53_000))).is_late);
        global.close(live);
        assert!(!backlog.observe(&mut global, at(10), Some(at(-40_000))).now_advanced, "now never runs backwards");
        assert_eq!(global.now(), at(0));
    }

    #[test]
    fn steps_back_of_two_seconds_are_in_time_and_more_are_late() {
        check(
            false,
            &[(5_000, Some(5_000)), (5_000, Some(3_000)), (5_000, Some(2_999))],
            &[(5_000, true, false), (3_000, true, false), (2_999, true, true)],
        );
    }

    #[test]
    fn silence_moves_now_by_the_time_that_passes_and_makes_nothing_late() {
        let mut global = GlobalClock::new();
        let mut stream = global.open(false);
        stream.observe(&mut global, at(4_000), Some(at(0)));
        assert_eq!(global.tick(at(12_000)), at(8_000));
        assert!(!stream.observe(&mut global, at(12_000), Some(at(5_000))).is_late);
    }

    #[test]
    fn a_clock_that_is_set_back_an_hour_starts_anew() {
        let mut global = GlobalClock::new();
        let mut stream = global.open(true);
        stream.observe(&mut global, at(7_200_000), Some(at(3_600_000)));
        let late = (0..200).filter(|i| stream.observe(&mut global, at(7_200_000), Some(at(i * 10))).is_late).count();
        assert_eq!(late, 99);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// Lines dated 1970 or 2099 anywhere among others change the times of none of them, nor `now`.
        #[test]
        fn wild_stamps_change_no_other_line(lines in proptest::collection::vec((0i64..400, 0i64..1_900, 0u8..10), 2..200), is_backlog: bool) {
            let run = |with_wild: bool| {
                let mut global = GlobalClock::new();
                let mut stream = global.open(is_backlog);
                let mut arrival = 0;
                let mut said = Vec::new();
                for (number, (later, lag, kind)) in lines.iter().enumerate() {
                    arrival += later;
                    let wild = match kind {
                        0 => Some(UnixNanos(0)),
                        1 => Some(UnixNanos(4_070_908_800 * SECOND)),
                        _ => None,
                    };
                    // The first line shows the time; a wild one before it has only its arrival to go by.
                    match wild.filter(|_| number > 0) {
                        Some(wild) if with_wild => {
                            stream.observe(&mut global, at(arrival), Some(wild));
                        }
                        Some(_) => {}
                        None => {
                            let working = stream.observe(&mut global, at(arrival), Some(at(arrival - lag)));
                            said.push((working.time, working.feeds_rate, working.is_late));
                        }
                    }
                }
                said
            };
            proptest::prop_assert_eq!(run(true), run(false));
        }
    }
}
