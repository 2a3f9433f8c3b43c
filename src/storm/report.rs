//! What is told about a storm. Data only.

use crate::diagnosis::Verdict;
use crate::fingerprint::Fingerprint;
use crate::record::Class;
use crate::storm::{Origin, Rule};
use crate::time::UnixNanos;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Cells of a timeline; when they are full the cell width doubles.
const TIMELINE_CELLS: usize = 120;

/// Identity of an incident: a hash of node, first fingerprint and onset second. Stays when the wording changes half-way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StormId(pub u64);

impl fmt::Display for StormId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// How urgent a storm is. (Severity is what a line says about itself.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertLevel {
    /// Worth knowing, no page.
    #[default]
    Info,
    /// A storm.
    Warning,
    /// A storm that hurts: 100 records/s and more, many instances at an unbroken rate, or not falling for 5 min.
    Critical,
}

impl AlertLevel {
    /// The word in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for AlertLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What kind of incident it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The rate of records is up.
    Firing,
    /// Over.
    Resolved,
}

/// Records per cell since the onset: bounded, for a sparkline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Unix second of the first cell.
    pub start: i64,
    /// Seconds per cell: 1, 2, 4 ...
    pub width: i64,
    /// Records per cell.
    pub cells: Vec<u64>,
}

impl Timeline {
    /// Adds `records` of `second`; seconds before the start go to the first cell.
    pub fn add(&mut self, second: i64, records: u64) {
        if self.cells.is_empty() {
            (self.start, self.width) = (second, 1);
        }
        let mut at = (second - self.start).max(0) / self.width;
        while at >= TIMELINE_CELLS as i64 {
            self.width *= 2;
            self.cells = self.cells.chunks(2).map(|pair| pair.iter().sum()).collect();
            at = (second - self.start).max(0) / self.width;
        }
        let at = at as usize;
        if at >= self.cells.len() {
            self.cells.resize(at + 1, 0);
        }
        self.cells[at] += records;
    }

    /// One character per cell (pairs of cells are joined to fit `width` characters), scaled to the largest.
    #[must_use]
    pub fn sparkline(&self, width: usize) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let per = self.cells.len().div_ceil(width.max(1)).max(1);
        let sums: Vec<u64> = self.cells.chunks(per).map(|cells| cells.iter().sum()).collect();
        let largest = sums.iter().copied().max().unwrap_or(0).max(1);
        sums.iter().map(|sum| if *sum == 0 { ' ' } else { BARS[((sum * 8).div_ceil(largest) as usize).clamp(1, 8) - 1] }).collect()
    }
}

/// The record that came before the storm: time order only, no cause.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// What it said.
    pub fingerprint: Arc<Fingerprint>,
    /// First seen within the 10 s before the onset.
    pub at: UnixNanos,
}

/// All that is known about a storm at one moment.
#[derive(Clone, Debug)]
pub struct StormReport {
    /// Identity.
    pub id: StormId,
    /// The fingerprints of the incident, the first to fire first.
    pub fingerprints: Vec<Arc<Fingerprint>>,
    /// Class of the leading (most frequent) fingerprint; `CrashLoop` for the crash-loop view.
    pub class: Class,
    /// How urgent.
    pub alert_level: AlertLevel,
    /// Firing or resolved.
    pub phase: Phase,
    /// When retries began to spike.
    pub onset: UnixNanos,
    /// Whether the onset was before squelch looked.
    pub onset_is_unknown: bool,
    /// When it was told.
    pub fired: UnixNanos,
    /// Which rule fired; `None` for crash loops and slow loops.
    pub rule: Option<Rule>,
    /// When it was over; `None` while it goes on (or at the end of input: "ongoing at end").
    pub resolved: Option<UnixNanos>,
    /// How often it came back within 10 min.
    pub resumed: u32,
    /// Time of the latest record.
    pub last: UnixNanos,
    /// Records since the onset.
    pub records: u64,
    /// Bytes since it was pending.
    pub bytes: u64,
    /// Records/s, mean of the last 5 s.
    pub rate: f64,
    /// Most records in one second.
    pub peak_per_second: u64,
    /// Usual records/s before.
    pub baseline: f64,
    /// `rate / max(baseline, 0.1)`.
    pub amplification: f64,
    /// Distinct instances; `None` when the lines name none.
    pub instances: Option<u64>,
    /// Whether `instances` is an estimate.
    pub instances_are_estimated: bool,
    /// The loudest: (name, records).
    pub loudest: Vec<(String, u64)>,
    /// Most frequent targets: (name, records).
    pub targets: Vec<(String, u64)>,
    /// What all who took part when it fired said of where they come from. The same as long as it lasts, whoever joins later.
    pub origin: Origin,
    /// Where those who took part so far come from, in order, and whether there are more.
    pub origins: Vec<Origin>,
    /// See `origins`.
    pub has_more_origins: bool,
    /// What preceded, if something did.
    pub trigger: Option<Trigger>,
    /// Records per cell.
    pub timeline: Timeline,
    /// Records in the last half of the storm's last minute over the first half: 1 = flat.
    pub trend: f64,
    /// Whether the rate has not fallen below half its peak for 5 min.
    pub is_not_falling: bool,
    /// What the rule that knew the lines advises.
    pub advice: Option<String>,
    /// The retry policy.
    pub diagnosis: Option<Verdict>,
}

impl StormReport {
    /// The fingerprint with which it is told.
    #[must_use]
    pub fn template(&self) -> &str {
        self.fingerprints.first().map_or("", |fingerprint| &fingerprint.template)
    }

    /// The class of that fingerprint; `CrashLoop` for the crash-loop view. Never changes.
    #[must_use]
    pub fn first_class(&self) -> Class {
        if self.class == Class::CrashLoop { Class::CrashLoop } else { self.fingerprints.first().map_or(self.class, |fingerprint| fingerprint.class) }
    }

    /// Seconds from onset to the latest record (or the end).
    #[must_use]
    pub fn duration_seconds(&self) -> f64 {
        self.last.since(self.onset).max(0) as f64 / 1e9
    }
}

/// What happened to an incident. Boxed reports: events are rare, the enum stays small.
#[derive(Clone, Debug)]
pub enum StormEvent {
    /// A storm began (or a slow loop was noticed: level info).
    Firing(Box<StormReport>),
    /// Still there: by schedule, or because rate or instances grew.
    Ongoing(Box<StormReport>),
    /// The level rose from the one given.
    LevelChanged(AlertLevel, Box<StormReport>),
    /// It came back within 10 min under the same id.
    Resumed(Box<StormReport>),
    /// Over.
    Resolved(Box<StormReport>),
    /// The input ended while it went on.
    OngoingAtEnd(Box<StormReport>),
}

impl StormEvent {
    /// The report in it.
    #[must_use]
    pub fn report(&self) -> &StormReport {
        match self {
            Self::Firing(report)
            | Self::Ongoing(report)
            | Self::LevelChanged(_, report)
            | Self::Resumed(report)
            | Self::Resolved(report)
            | Self::OngoingAtEnd(report) => report,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_timeline_doubles_its_cells() {
        let mut timeline = Timeline::default();
        (0..240).for_each(|second| timeline.add(second, 3));
        assert_eq!((timeline.width, timeline.cells.len(), timeline.cells[0]), (2, 120, 6));
        assert_eq!(timeline.cells.iter().sum::<u64>(), 720);
    }

    #[test]
    fn a_sparkline_is_scaled_to_its_largest_cell() {
        let timeline = Timeline { start: 0, width: 1, cells: vec![0, 1, 4, 8] };
        assert_eq!(timeline.sparkline(10), " ▁▄█");
        assert_eq!(timeline.sparkline(2), "▁█");
    }
}
