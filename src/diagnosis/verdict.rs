//! The verdict: the words of `report`, and what the first source that speaks (`sources.rs`) makes of them.

use super::histogram::{Counts, interval_bounds};
use super::shape::{Shape, median};
use super::sources::Finding;
use super::{Diagnosis, merged};
use crate::time::{MILLI, SECOND};

/// With stamps in whole seconds: no word about jitter below this interval (ms) ...
const ROUNDED_JITTER_MS: f64 = 8200.0;
/// ... nor that a wait is regular ...
const ROUNDED_REGULAR_MS: f64 = 900.0;
/// ... nor about lock-step.
const ROUNDED_LOCKSTEP_MS: f64 = 5000.0;

/// Buckets of an empty stretch between gaps inside volleys and gaps between them: 1.3 octaves of 8 ...
const VALLEY: i16 = 11;
/// ... with no more than this share of all gaps in it.
const VALLEY_NOISE: f64 = 0.01;
/// Volleys that fill more than this share of the time are no volleys.
const VOLLEY_WIDTH: f64 = 0.4;

/// The policy words of `report`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The stated delay is 0, or a worker tries again within 20 ms.
    Immediate,
    /// A regular interval of 20 ms or more.
    Fixed,
    /// Grows by the same amount each time.
    Linear,
    /// Grows by the same factor each time.
    Exponential,
    /// Backs off, shape not shown.
    Growing,
    /// Does not grow, neither immediate nor fixed shown.
    Constant,
    /// Not enough evidence.
    #[default]
    Unknown,
}

/// Yes, no, or not visible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tri {
    /// Seen.
    Yes,
    /// None visible.
    No,
    /// Cannot be told.
    #[default]
    Unknown,
}

/// How it ended, as far as the log says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// A recovery followed.
    Recovered,
    /// The client gave up.
    GaveUp,
    /// Still going on at the end of what was read.
    Ongoing,
    /// It stopped and the log does not say why.
    #[default]
    Unknown,
}

/// What the policy was read from, strongest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Delays stated in the text.
    Text,
    /// Intervals of one worker.
    Keys,
    /// Elapsed time by attempt number.
    Attempts,
    /// Intervals of a stream that names no worker but behaves like one.
    Stream,
    /// Intervals between volleys of all instances.
    Volleys,
    /// A lag that stands out between records of many.
    Lag,
    /// Trend of the merged rate.
    Trend,
    /// Nothing.
    #[default]
    None,
}

macro_rules! words {
    ($($kind:ident { $($variant:ident => $word:literal),+ $(,)? })+) => {$(
        impl $kind {
            /// The word in output.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )+};
}
words! {
    Policy { Immediate => "immediate", Fixed => "fixed", Linear => "linear", Exponential => "exponential", Growing => "growing", Constant => "constant", Unknown => "unknown" }
    Tri { Yes => "yes", No => "no", Unknown => "unknown" }
    Outcome { Recovered => "recovered", GaveUp => "gave_up", Ongoing => "ongoing", Unknown => "unknown" }
    Source { Text => "text", Keys => "keys", Attempts => "attempts", Stream => "stream", Volleys => "volleys", Lag => "lag", Trend => "trend", None => "none" }
}

impl Policy {
    /// Waits longer from try to try.
    #[must_use]
    pub const fn is_growing(self) -> bool {
        matches!(self, Self::Linear | Self::Exponential | Self::Growing)
    }
    /// Does not wait longer from try to try.
    #[must_use]
    pub const fn is_constant(self) -> bool {
        matches!(self, Self::Immediate | Self::Fixed | Self::Constant)
    }
}

/// What is said about one fingerprint. Times in ms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// The policy.
    pub policy: Policy,
    /// Whether waits vary at random.
    pub jitter: Tri,
    /// Whether instances retry at the same moments.
    pub lockstep: Tri,
    /// How many instances, where the lines (or the shape) tell.
    pub instances: Option<u64>,
    /// Whether `instances` is an estimate.
    pub instances_are_estimated: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// The stated or shown limit on attempts.
    pub max_attempts: Option<i64>,
    /// The largest attempt number seen.
    pub attempts_seen: Option<i64>,
    /// Typical interval between two attempts of one worker.
    pub interval_ms: Option<f64>,
    /// First interval of a growing policy.
    pub base_ms: Option<f64>,
    /// Growth per attempt of an exponential policy.
    pub factor: Option<f64>,
    /// Where it stops growing.
    pub cap_ms: Option<f64>,
    /// The stated delay, when it is always (nearly) the same.
    pub stated_delay_ms: Option<f64>,
    /// What it was read from.
    pub source: Source,
    /// 0..1.
    pub confidence: f64,
    /// Evidence and reservations, in sentences.
    pub notes: Vec<String>,
}

impl Diagnosis {
    /// What can be said at `now` (ns of working time).
    #[must_use]
    pub fn verdict(&self, now: i64) -> Verdict {
        let merged = &self.merged;
        let mut verdict = Verdict { max_attempts: merged.limit, ..Verdict::default() };
        if merged.numbered > 0 {
            verdict.attempts_seen = Some(merged.attempt_max);
        }
        let lane = self.lane();
        let observed = (lane.all.total() >= 3).then(|| lane.typical_ms());
        let lockstep = self.lock_step();
        let is_keyed = self.keyed * 2 > merged.records;
        let finding = self
            .by_text()
            .or_else(|| if is_keyed { self.by_chains(Source::Keys) } else { None })
            .or_else(|| self.by_attempts())
            .or_else(|| if is_keyed { None } else { self.by_stream(lockstep.as_ref()) })
            .or_else(|| self.by_volleys(lockstep.as_ref()))
            .or_else(|| self.by_lag(lockstep.as_ref()))
            .or_else(|| self.by_trend());
        self.tell_instances(&mut verdict, lockstep.as_ref().map(|found| found.volley));
        if let Some(finding) = finding {
            self.tell_policy(&mut verdict, &finding, observed);
            if finding.source == Source::Lag && verdict.instances.is_none() {
                // Little: so many are needed for this rate when each waits so long.
                let seconds = (merged.last - merged.first) as f64 / SECOND as f64;
                let waiting = merged.records as f64 / seconds * finding.typical_ms / 1000.0;
                (verdict.instances, verdict.instances_are_estimated) = (Some((waiting.round() as u64).max(1)), true);
            }
        } else {
            verdict.notes.push(self.why_unknown());
        }
        if verdict.interval_ms.is_none() && (is_keyed || merged.numbered > 0) && !self.several_workers() {
            verdict.interval_ms = observed;
        }
        if !self.merged.has_fractions && verdict.interval_ms.is_some_and(|interval| interval < 1000.0) {
            // Less than the stamps resolve.
            verdict.interval_ms = None;
        }
        verdict.lockstep = self.tell_lockstep(&verdict, lockstep.as_ref());
        verdict.outcome = self.outcome(now, &mut verdict);
        verdict
    }

    fn tell_policy(&self, verdict: &mut Verdict, finding: &Finding, observed: Option<f64>) {
        verdict.source = finding.source;
        // Of a hot loop, latency is all that is seen.
        let is_hot = finding.source != Source::Text && finding.typical_ms < 250.0;
        // Of stamps in whole seconds, too, when 0.41 s of rounding is more than 5 % of the interval.
        let is_rounded = finding.source != Source::Text && !self.merged.has_fractions && finding.typical_ms < ROUNDED_JITTER_MS;
        verdict.jitter = if is_hot || is_rounded { Tri::Unknown } else { finding.jitter };
        let is_text = finding.source == Source::Text;
        let known = |value: f64| value.is_finite().then_some(value);
        verdict.interval_ms = if is_text { observed.or(known(finding.typical_ms).filter(|stated| *stated > 0.0)) } else { known(finding.typical_ms) };
        match finding.shape {
            Shape::Constant(value) => {
                verdict.policy =
                    if is_text && value <= 0.0 || !is_text && value < 20.0 && finding.source != Source::Stream && self.merged.has_fractions {
                        Policy::Immediate
                    } else if is_text {
                        Policy::Fixed
                    } else if value.is_nan() || value < 20.0 || !self.merged.has_fractions && value < ROUNDED_REGULAR_MS {
                        Policy::Constant
                    } else if finding.spread <= 0.12 || value >= 500.0 && finding.spread <= 0.35 {
                        Policy::Fixed
                    } else {
                        Policy::Constant
                    };
                if is_text {
                    verdict.stated_delay_ms = Some(value);
                    if let Some(seen) = observed
                        && seen > 1.5 * value + 50.0
                    {
                        verdict.notes.push(format!(
                            "says {}, comes every {}: paced by a timeout or by what an attempt takes",
                            show_ms(value),
                            show_ms(seen)
                        ));
                    }
                } else if value >= 20.0 {
                    verdict.notes.push(format!("constant interval of {} (wait or timeout: the same stream)", show_ms(value)));
                }
                if value < 200.0 {
                    verdict.notes.push("no effective backoff".to_owned());
                }
            }
            Shape::Linear { base, cap, .. } => (verdict.policy, verdict.base_ms, verdict.cap_ms) = (Policy::Linear, Some(base), cap),
            Shape::Exponential { base, factor, cap } => {
                verdict.policy = Policy::Exponential;
                (verdict.base_ms, verdict.factor, verdict.cap_ms) = (Some(base), Some(factor), cap);
            }
            Shape::Growing { base, cap } => (verdict.policy, verdict.base_ms, verdict.cap_ms) = (Policy::Growing, known(base), cap),
            Shape::Unknown => {}
        }
        let trust = match finding.source {
            Source::Text => 0.97,
            Source::Keys => 0.93,
            Source::Attempts => 0.85,
            Source::Stream => 0.8,
            Source::Volleys => 0.75,
            Source::Lag => 0.7,
            Source::Trend => 0.6,
            Source::None => 0.0,
        };
        let evidence = finding.evidence as f64;
        verdict.confidence = (trust * evidence / (evidence + 2.0) * 100.0).round() / 100.0;
        verdict.notes.insert(0, finding.note.clone());
    }

    fn tell_instances(&self, verdict: &mut Verdict, volley: Option<f64>) {
        let (named, is_estimated) = self.instances();
        if named > 0 {
            (verdict.instances, verdict.instances_are_estimated) = (Some(named), is_estimated);
            return;
        }
        let merged = &self.merged;
        // Without a name: how many wrote attempt 1..5, else how many stand in a volley.
        let mut counts: Vec<f64> = merged.attempts.iter().take(6).filter(|place| place.0 > 0).map(|place| f64::from(place.0)).collect();
        counts.sort_by(f64::total_cmp);
        let has_resets = merged.attempt_max.unsigned_abs() < 4;
        if merged.numbered * 2 > merged.records && counts.len() >= 4 && !has_resets {
            (verdict.instances, verdict.instances_are_estimated) = (Some(median(&counts).round() as u64), true);
        } else if let Some(volley) = volley
            && merged.records >= 50
        {
            (verdict.instances, verdict.instances_are_estimated) = (Some(volley.round() as u64), true);
        }
    }

    fn lock_step(&self) -> Option<LockStep> {
        let gaps = &self.merged.gaps;
        if gaps.total() < 12 {
            return None;
        }
        let Valley { low, below, width } = lowest_valley(gaps)?;
        // Of one node's stream; the others take part in the same volleys.
        let own = 1.0 + below / (1.0 - below).max(1e-9);
        let volley = own * f64::from(self.merged.nodes);
        let (named, _) = self.instances();
        if own < 2.5 || volley < named as f64 / 2.0 || width > VOLLEY_WIDTH {
            return None;
        }
        let edge = interval_bounds(low).1 * MILLI as f64;
        let delta = merged::VOLLEY_DELTAS.iter().position(|delta| *delta as f64 >= edge).unwrap_or(2);
        Some(LockStep { volley, delta })
    }

    fn tell_lockstep(&self, verdict: &Verdict, found: Option<&LockStep>) -> Tri {
        let is_hot = verdict.interval_ms.is_some_and(|interval| interval < 250.0);
        let is_rounded = !self.merged.has_fractions && verdict.interval_ms.is_none_or(|interval| interval < ROUNDED_LOCKSTEP_MS);
        if self.merged.records < 30 || is_hot || is_rounded || verdict.instances.is_none_or(|instances| instances < 2) {
            return Tri::Unknown;
        }
        // Several lines of one instance at one moment look like a volley.
        let is_shared = std::ptr::eq(self.lane(), &raw const self.chains.lines) || self.instances().0 >= 2;
        match found {
            Some(_) if is_shared => Tri::Yes,
            Some(_) => Tri::Unknown,
            None => Tri::No,
        }
    }

    fn outcome(&self, now: i64, verdict: &mut Verdict) -> Outcome {
        let last = self.merged.last;
        let pause = (verdict.interval_ms.unwrap_or(1000.0).max(verdict.cap_ms.unwrap_or(0.0)) * MILLI as f64) as i64;
        let is_silent = now - last > (3 * pause).max(2 * SECOND);
        // What came after the last try (or with it: clocks and lines of one moment) decides.
        let after = |at: Option<i64>| at.filter(|at| *at >= last - SECOND);
        match (after(self.recovered_at), after(self.gave_up_at)) {
            (Some(recovered), Some(gave_up)) => return if recovered > gave_up { Outcome::Recovered } else { Outcome::GaveUp },
            (Some(_), None) => return Outcome::Recovered,
            (None, Some(_)) => return Outcome::GaveUp,
            (None, None) => {}
        }
        if self.merged.at_limit > 0 && (is_silent || self.merged.at_limit >= self.instances().0.max(1)) {
            return Outcome::GaveUp;
        }
        // Its own work goes on: a sure sign once the next try is overdue, or where success was never seen between the tries.
        if let Some(worked) = self.worked_at.filter(|at| *at >= last)
            && (worked - last > (2 * pause).max(SECOND) || self.merged.records >= 3 && self.signs_refuted * 6 <= self.merged.records)
        {
            verdict.notes.push("no recovery is stated; the same instances went back to their work".to_owned());
            return Outcome::Recovered;
        }
        if is_silent {
            verdict.notes.push("stopped without a word about recovery or giving up".to_owned());
            return Outcome::Unknown;
        }
        let seen = verdict.attempts_seen.map_or_else(|| format!("{} records", self.merged.records), |attempts| format!("{attempts} attempts"));
        if verdict.max_attempts.is_none() {
            verdict.notes.push(format!("no give-up seen in {seen}"));
        }
        Outcome::Ongoing
    }

    fn why_unknown(&self) -> String {
        if self.merged.records < 4 {
            "too few records for a verdict".to_owned()
        } else if self.keyed == 0 {
            "policy not visible: no instance id in these lines".to_owned()
        } else if self.several_workers() {
            "policy not visible: several workers share one instance id".to_owned()
        } else {
            "policy not visible: the intervals follow no known shape".to_owned()
        }
    }
}

/// An empty stretch in a histogram of gaps, between those inside volleys and those between them.
struct Valley {
    /// The last bucket below it.
    low: i16,
    /// Share of gaps below it.
    below: f64,
    /// How much of the time lies inside volleys.
    width: f64,
}

/// The lowest valley that has almost no gap in it, 40 % of them below, and its upper edge where people would see a pause.
fn lowest_valley(gaps: &Counts) -> Option<Valley> {
    let entries: Vec<(i16, u32)> = gaps.entries().collect();
    let total = gaps.total() as f64;
    let mut best: Option<(usize, usize)> = None;
    let mut below = 0.0;
    for (at, &(low, count)) in entries.iter().enumerate() {
        below += f64::from(count);
        if below < 0.4 * total {
            continue;
        }
        let mut inside = 0.0;
        for (other, &(high, count)) in entries.iter().enumerate().skip(at + 1) {
            // The first pauses of a backoff are the shortest: the lowest valley counts, from where it begins.
            if high - low >= VALLEY && interval_bounds(high).0 >= 100.0 && best.is_none_or(|found| other < found.1) {
                best = Some((at, other));
            }
            inside += f64::from(count);
            if inside > VALLEY_NOISE * total {
                break;
            }
        }
    }
    let (at, other) = best?;
    // Noise in the valley goes with the nearer side: it belongs to the volleys' width at most.
    let time = |entries: &[(i16, u32)]| entries.iter().map(|&(bucket, count)| middle_ms(bucket) * f64::from(count)).sum::<f64>();
    let (inner, outer) = (time(&entries[..other]), time(&entries[other..]));
    let below = entries[..other].iter().map(|entry| f64::from(entry.1)).sum::<f64>() / total;
    Some(Valley { low: entries[at].0, below, width: inner / (inner + outer).max(f64::MIN_POSITIVE) })
}

fn middle_ms(bucket: i16) -> f64 {
    let (low, high) = interval_bounds(bucket);
    f64::midpoint(low, high)
}

/// Instances that retry at the same moments.
pub(super) struct LockStep {
    /// Records in a volley.
    pub(super) volley: f64,
    /// Which volley tracker.
    pub(super) delta: usize,
}

/// A duration in ms for people.
pub(super) fn show_ms(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else if ms < 120_000.0 {
        format!("{:.1} s", ms / 1000.0)
    } else {
        format!("{:.1} min", ms / 60_000.0)
    }
}

pub(super) fn show_row(row: &[f64]) -> String {
    row.iter().take(8).map(|ms| show_ms(*ms)).collect::<Vec<_>>().join(", ")
}
