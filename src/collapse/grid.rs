//! The time grid: cells of 10, 20, 40, 80, 160 and 320 s that start on multiples of their own length since 1970 (UTC).

use crate::time::SECOND;

/// The longest cell: 320 s. One summary in five minutes is what an engineer still reads as "going on".
pub(super) const CELL_MAX: i64 = 320 * SECOND;

/// A half-open span of working time in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) start: i64,
    pub(super) end: i64,
}

impl Cell {
    /// The cell of length `length` that holds `time`.
    pub(super) const fn holding(time: i64, length: i64) -> Self {
        let start = time.div_euclid(length) * length;
        Self { start, end: start + length }
    }

    pub(super) const fn contains(&self, time: i64) -> bool {
        self.start <= time && time < self.end
    }

    /// The cell for a window that opens at `time` in a storm that has lasted `elapsed` ns: no longer than twice what has passed (so cells
    /// double while the storm lasts), and only when `time` lies in its first base cell: a longer cell starts on its own boundary.
    pub(super) fn climbing(time: i64, base: i64, elapsed: i64) -> Self {
        let mut best = Self::holding(time, base);
        let mut length = base * 2;
        while length <= CELL_MAX && length / 2 <= elapsed {
            let longer = Self::holding(time, length);
            if longer.start != Self::holding(time, base).start {
                break;
            }
            best = longer;
            length *= 2;
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(time: i64, elapsed: i64, expected: (i64, i64)) {
        let cell = Cell::climbing(time * SECOND, 10 * SECOND, elapsed * SECOND);
        assert_eq!((cell.start / SECOND, cell.end / SECOND), expected);
    }

    #[test]
    fn cells_double_while_a_storm_lasts_and_start_on_their_own_boundary() {
        check(5, 0, (0, 10));
        check(20, 10, (20, 40));
        check(25, 10, (20, 40));
        check(30, 1_000, (30, 40));
        check(40, 20, (40, 80));
        check(40, 19, (40, 60));
        check(640, 100_000, (640, 960));
        check(-5, 100, (-10, 0));
    }
}
