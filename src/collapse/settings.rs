//! What can be set about collapsing. The engine's options hold the same fields for the user and their defaults.

/// Whether repeats are really absorbed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Repeats are absorbed.
    #[default]
    Collapse,
    /// Everything is forwarded, tagged and counted: a dry run.
    Observe,
}

/// Limits of the table of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Collapse or only observe.
    pub mode: Mode,
    /// Length of a cell of the base grid in ns: 10, 20, 40, 80, 160 or 320 s.
    pub window_ns: i64,
    /// Records of an episode that pass whole; 0 is taken as 1: the first line is never late.
    pub keep_first: u64,
    /// A guess collapses from this many records in 10 s (0 = never) ...
    pub guess_in_10s: u64,
    /// ... or this many in 10 min (0 = never).
    pub guess_in_10min: u64,
    /// An ordinary record collapses from this 5-s mean per second (0 = never) to half of it; at most 65,535.
    pub flood_per_second: u64,
    /// A gap this long ends an episode, ns.
    pub episode_gap_ns: i64,
    /// Open windows; at least 1. Four times as many episodes are remembered.
    pub windows_max: usize,
    /// Bytes that open windows hold together.
    pub window_bytes_max: usize,
}
