//! Points in time and spans as plain integers. Nothing here reads a clock.

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixNanos(pub i64);

/// One second in nanoseconds.
pub const SECOND: i64 = 1_000_000_000;
/// One millisecond in nanoseconds.
pub const MILLI: i64 = 1_000_000;

impl UnixNanos {
    /// `self + nanos`, saturating at the ends of the range (years 1677 and 2262).
    #[must_use]
    #[inline]
    pub const fn plus(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
    /// Nanoseconds from `earlier` to `self`; negative when `earlier` is later.
    #[must_use]
    #[inline]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    #[inline]
    pub const fn second(self) -> i64 {
        // Of times since the epoch the quotient of unsigned numbers, which is cheaper.
        if self.0 >= 0 { (self.0.unsigned_abs() / SECOND.unsigned_abs()) as i64 } else { self.0.div_euclid(SECOND) }
    }
}
