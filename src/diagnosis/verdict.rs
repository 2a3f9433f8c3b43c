//! The verdict: sources from the strongest to the weakest, each silent below its minimum of evidence.

use super::chains::{Lane, SAME_ATTEMPT};
use super::histogram::{interval_bounds, interval_bucket, ratio_bounds};
use super::shape::{Shape, median, shape};
use super::{Diagnosis, merged};
use crate::time::{MILLI, SECOND};

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
    Source { Text => "text", Keys => "keys", Attempts => "attempts", Stream => "stream", Volleys => "volleys", Trend => "trend", None => "none" }
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

/// A source's answer.
struct Finding {
    shape: Shape,
    source: Source,
    /// Pieces of evidence (intervals, delays).
    evidence: u64,
    jitter: Tri,
    /// Standard deviation of ln interval at one position.
    spread: f64,
    typical_ms: f64,
    note: String,
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
            .or_else(|| if is_keyed { None } else { self.by_chains(Source::Stream) })
            .or_else(|| self.by_volleys(lockstep.as_ref()))
            .or_else(|| self.by_trend());
        self.tell_instances(&mut verdict, lockstep.as_ref().map(|found| found.volley));
        if let Some(finding) = finding {
            self.tell_policy(&mut verdict, &finding, observed);
        } else {
            verdict.notes.push(self.why_unknown());
        }
        if verdict.interval_ms.is_none() && (is_keyed || merged.numbered > 0) && !self.several_workers() {
            verdict.interval_ms = observed;
        }
        verdict.lockstep = self.tell_lockstep(&verdict, lockstep.as_ref());
        verdict.outcome = self.outcome(now, &mut verdict);
        verdict
    }

    /// Each record an attempt, or several records of one moment an attempt?
    fn lane(&self) -> &Lane {
        let lines = &self.chains.lines;
        let tight = lines.all.share_to(interval_bucket(SAME_ATTEMPT) - 1);
        let bursts = self.chains.attempts().all.total();
        // Numbered lines are attempts; a loop that never pauses is a hot loop, not one attempt with a thousand lines.
        if self.merged.numbered * 2 > self.merged.records && self.chains.repeated_attempts * 4 < self.merged.records || !(0.1..0.97).contains(&tight) || bursts < 3 {
            return lines;
        }
        let pause = self.chains.attempts().all.quantile(0.5, interval_bounds);
        if pause > 3.0 * SAME_ATTEMPT as f64 / MILLI as f64 { self.chains.attempts() } else { lines }
    }

    /// The chain rules of several workers behind one key.
    fn several_workers(&self) -> bool {
        let lane = self.lane();
        let repeated = self.chains.repeated_attempts;
        if repeated >= 3 && repeated * 50 > self.merged.records {
            return true;
        }
        let ratios = &lane.ratios;
        if ratios.total() < 8 {
            return false;
        }
        // A third is -1.585 octaves, bucket -25.
        let shrinking = ratios.share_to(-26);
        let limit = if ratios.total() < 30 { 0.26 } else { 0.2 };
        let spread = (ratios.quantile(0.75, ratio_bounds) - ratios.quantile(0.25, ratio_bounds)) * std::f64::consts::LN_2;
        let is_hot = lane.all.quantile(0.5, interval_bounds) < 20.0;
        !is_hot && (shrinking >= limit || ratios.total() >= 20 && spread > 2.0)
    }

    fn by_text(&self) -> Option<Finding> {
        let hints = &self.merged.hints;
        if hints.count < 2 || hints.count * 2 < self.merged.records {
            return None;
        }
        let found = |shape, jitter, spread, note: String| {
            Some(Finding { shape, source: Source::Text, evidence: hints.count, jitter, spread, typical_ms: hints.sum_us as f64 / hints.count as f64 / 1000.0, note })
        };
        if hints.zeros == hints.count {
            return found(Shape::Constant(0.0), Tri::No, 0.0, format!("all {} stated delays are 0", hints.count));
        }
        let places: Vec<_> = hints.positions.iter().skip_while(|place| place.0 == 0).take_while(|place| place.0 > 0).collect();
        let means: Vec<f64> = places.iter().map(|place| place.1 as f64 / f64::from(place.0) / 1000.0).collect();
        let spreads: Vec<f64> = places.iter().filter(|place| place.0 >= 3).map(|place| (place.3 - place.2) as f64 / (place.1 as f64 / f64::from(place.0)).max(1.0)).collect();
        let is_numbered = self.merged.numbered * 2 > self.merged.records;
        let is_ordered = is_numbered || !self.several_workers();
        let mut jitter = if !is_ordered || spreads.is_empty() {
            Tri::Unknown
        } else if median(&spreads) > 0.15 {
            Tri::Yes
        } else {
            Tri::No
        };
        let (least, greatest) = (hints.values.first()?.0, hints.values.last()?.0);
        let is_one_value = hints.values.len() == 1;
        if greatest.max(1) as f64 / least.max(1) as f64 <= 1.5 && !hints.has_more_values {
            if is_one_value {
                jitter = Tri::No;
            } else if hints.values.len() as u64 * 2 > hints.count {
                jitter = Tri::Yes;
            }
            let typical = hints.sum_us as f64 / hints.count as f64 / 1000.0;
            return found(Shape::Constant(typical), jitter, 0.0, format!("{} stated delays of about {}", hints.count, show_ms(typical)));
        }
        let values: Vec<f64> = hints.values.iter().map(|value| value.0 as f64 / MILLI as f64).collect();
        let repeats = hints.values.iter().filter(|value| value.1 > 1).count();
        let spread = if jitter == Tri::Yes { 0.5 } else { 0.0 };
        if !is_numbered && values.len() > 16 && repeats * 4 >= values.len() * 3 {
            // Many different ones, yet each again and again: the first of them show the row.
            if let Some(shape) = clean_shape(&values[..12]) {
                return found(shape, jitter, 0.0, format!("more than 16 different stated delays, from {}", show_ms(values[0])));
            }
        }
        let is_repeating = repeats * 4 >= values.len() * 3;
        if !is_numbered && !hints.has_more_values && (3..=16).contains(&values.len()) && (is_repeating || !is_ordered && values.len() <= 4) {
            // The same few delays again and again: sorted, they are the policy, whoever said them.
            let positive: Vec<f64> = values.iter().copied().filter(|value| *value > 0.0).collect();
            let shape = shape(&positive, 0.0);
            if shape != Shape::Unknown {
                return found(shape, jitter, 0.0, format!("{} different stated delays from {} to {}", values.len(), show_ms(values[0]), show_ms(greatest as f64 / MILLI as f64)));
            }
        }
        let typical = hints.sum_us as f64 / hints.count as f64 / 1000.0;
        let is_keyed = self.keyed * 2 > self.merged.records;
        let range = greatest.max(1) as f64 / least.max(1) as f64;
        if !is_numbered && !is_keyed && range > 8.0 && means.len() >= 4 && typical > 2.5 * median(&means[..4]) {
            return found(Shape::Growing { base: median(&means[..4]), cap: None }, Tri::Unknown, spread, format!("{} stated delays, the first around {}, all around {}", hints.count, show_ms(median(&means[..4])), show_ms(typical)));
        }
        if is_ordered && means.len() >= 3 {
            let shape = match shape(&means, spread) {
                Shape::Constant(_) if range > 4.0 || !is_numbered && !is_keyed => Shape::Unknown,
                other => other,
            };
            let is_exact = jitter != Tri::Yes;
            if shape != Shape::Unknown && (is_exact || !matches!(shape, Shape::Growing { .. })) {
                return found(shape, jitter, spread, format!("{} stated delays from {} to {}", hints.count, show_ms(values[0]), show_ms(greatest as f64 / MILLI as f64)));
            }
            if means.len() >= 4 && means[means.len() - 1] > 2.0 * means[0] {
                return found(Shape::Growing { base: means[0], cap: None }, jitter, spread, format!("{} stated delays, growing", hints.count));
            }
        }
        None
    }

    fn by_chains(&self, source: Source) -> Option<Finding> {
        if let Some(found) = self.by_cycle(source) {
            return Some(found);
        }
        let lane = self.lane();
        let total = lane.all.total();
        if total < 3 {
            return None;
        }
        let middle = lane.typical_ms();
        let (keys, _) = self.chains.distinct();
        // Bursts with pauses between them are no hot loop, nor is one burst of each worker.
        let mean = lane.sum_us as f64 / total as f64 / 1000.0;
        let is_numbered = self.chains.single_steps + self.chains.down_steps >= total / 2;
        let is_unbroken = is_numbered || mean < 100.0 && total >= 8 * keys;
        if middle < 20.0 && is_unbroken && lane.all.share_to(interval_bucket(20 * MILLI)) >= 0.75 {
            // A merged stream of many is tight without any worker being so.
            if source == Source::Stream && total < 100 && !is_numbered {
                return None;
            }
            let note = format!("{total} intervals, half of them below {}", show_ms(middle));
            return (source == Source::Keys || is_numbered || self.is_not_slowing()).then_some(Finding {
                shape: Shape::Constant(middle),
                source,
                evidence: total,
                jitter: Tri::Unknown,
                spread: f64::NAN,
                typical_ms: middle,
                note,
            });
        }
        if self.several_workers() {
            return None;
        }
        let spread = lane_spread(lane);
        let least = if keys >= 4 { 3 } else { 1 };
        let typical: Vec<f64> = lane
            .positions
            .iter()
            .skip_while(|place| place.counts.total() == 0)
            .take_while(|place| place.counts.total() >= least)
            .map(super::chains::Position::typical_ms)
            .collect();
        let needed = if keys == 1 && middle >= 500.0 {
            3
        } else if middle >= 500.0 {
            4
        } else {
            5
        };
        let jitter = if spread.is_nan() {
            Tri::Unknown
        } else if spread > 0.11 {
            Tri::Yes
        } else {
            Tri::No
        };
        let known_spread = if spread.is_nan() { 0.0 } else { spread };
        let finding = |shape, note| Some(Finding { shape, source, evidence: total, jitter, spread: known_spread, typical_ms: middle, note });
        if typical.len() >= needed {
            let shape = shape(&typical, known_spread);
            // One worker's single intervals are no medians: a constant needs the whole histogram behind it.
            let is_single = lane.positions.iter().all(|place| place.counts.total() < 3);
            let third = (typical.len() / 3).max(1);
            let rise = median(&typical[typical.len() - third..]) / median(&typical[..third]).max(0.01);
            let is_ordered = matches!(shape, Shape::Constant(_)) || !is_single || agreement(&typical) >= 0.5 && rise >= 1.8;
            if shape != Shape::Unknown && is_ordered {
                return finding(shape, format!("intervals by position: {}", show_row(&typical)));
            }
        }
        let (low, high) = (lane.all.quantile(0.1, interval_bounds), lane.all.quantile(0.9, interval_bounds));
        let early = median(&typical[..typical.len().min(4)]);
        // A capped backoff is regular, too, at its cap; and one interval of each worker says nothing about the next.
        let is_early_alike = if typical.is_empty() { lane.positions.iter().all(|place| place.counts.total() == 0) } else { typical.len() >= 3 && (0.6..1.6).contains(&(middle / early.max(0.5))) };
        if high / low.max(0.5) < 1.5 && is_early_alike {
            return finding(Shape::Constant(middle), format!("{total} intervals from {} to {} (10th to 90th percentile)", show_ms(low), show_ms(high)));
        }
        self.by_growth(&typical).map_or_else(
            || {
                let is_steady = total >= 20 && typical.len() >= 4 && middle / early.max(0.5) < 1.6 && self.is_not_slowing();
                if is_steady { finding(Shape::Constant(middle), format!("{total} intervals around {}, early and late alike", show_ms(middle))) } else { None }
            },
            |base| finding(Shape::Growing { base, cap: None }, format!("intervals by position grow: {}", show_row(&typical))),
        )
    }

    /// Growth through noise: the late positions are clearly longer than the early ones, and later ones tend to be longer.
    fn by_growth(&self, typical: &[f64]) -> Option<f64> {
        if typical.len() < 5 {
            return None;
        }
        let third = typical.len() / 3;
        let (early, late) = (median(&typical[..third.max(2)]), median(&typical[typical.len() - third.max(2)..]));
        (late > 3.0 * early && agreement(typical) >= 0.5).then_some(early)
    }

    /// A backoff that an outer loop starts again and again: the same short row of gaps repeats.
    fn by_cycle(&self, source: Source) -> Option<Finding> {
        let gaps: Vec<f64> = self.chains.sample().iter().map(|gap| *gap as f64 / MILLI as f64).collect();
        let middle = median(&gaps);
        let near = gaps.iter().filter(|gap| (**gap / middle.max(0.01)).ln().abs() < 0.2).count();
        if near * 10 >= gaps.len() * 7 {
            return None;
        }
        for period in 2..=8 {
            if gaps.len() < 2 * period + 2 {
                break;
            }
            let pairs = gaps.len() - period;
            let alike = (0..pairs).filter(|&at| (gaps[at + period] / gaps[at].max(0.01)).ln().abs() < 0.25).count();
            let cycle: Vec<f64> = (0..period).map(|at| median(&gaps.iter().copied().skip(at).step_by(period).collect::<Vec<_>>())).collect();
            let (least, greatest) = cycle.iter().fold((f64::MAX, 0.0_f64), |(low, high), gap| (low.min(*gap), high.max(*gap)));
            if alike * 100 < pairs * 85 || greatest < 1.6 * least {
                continue;
            }
            // The cycle begins at its shortest gap; the longest gap before it is the outer loop's pause.
            let begin = cycle.iter().position(|gap| *gap == least).unwrap_or(0);
            let row: Vec<f64> = (0..period).map(|at| cycle[(begin + at) % period]).collect();
            // Workers that share a key, each at its own moment, make cycles too: only a clean row is a backoff.
            let least_points = if source == Source::Keys { 3 } else { 4 };
            let inner = row[..row.len() - 1].to_vec();
            let Some((row, shape)) = [inner, row].into_iter().filter(|row| row.len() >= least_points).find_map(|row| clean_shape(&row).map(|shape| (row, shape))) else {
                continue;
            };
            let note = format!("the backoff starts again every {period} attempts: {}", show_row(&row));
            return Some(Finding { shape, source, evidence: gaps.len() as u64, jitter: Tri::Unknown, spread: 0.0, typical_ms: median(&gaps), note });
        }
        None
    }

    fn by_attempts(&self) -> Option<Finding> {
        let merged = &self.merged;
        if merged.numbered < 4 || merged.numbered * 2 < merged.records {
            return None;
        }
        let most = merged.attempts.iter().map(|place| place.0).max().unwrap_or(0);
        let elapsed: Vec<f64> = merged
            .attempts
            .iter()
            .skip_while(|place| place.0 == 0)
            .take_while(|place| place.0 > 0 && place.0 * 2 >= most)
            .map(|place| place.1 as f64 / f64::from(place.0) / 1000.0)
            .collect();
        let intervals: Vec<f64> = elapsed.windows(2).map(|pair| pair[1] - pair[0]).collect();
        if intervals.len() < 4 || intervals.iter().any(|interval| *interval <= 0.0) {
            return None;
        }
        let shape = shape(&intervals, 0.0);
        (shape != Shape::Unknown).then(|| Finding {
            shape,
            source: Source::Attempts,
            evidence: merged.numbered,
            jitter: Tri::Unknown,
            spread: 0.0,
            typical_ms: median(&intervals),
            note: format!("mean time from attempt to attempt: {}", show_row(&intervals)),
        })
    }

    fn by_volleys(&self, lockstep: Option<&LockStep>) -> Option<Finding> {
        let found = lockstep?;
        let volleys = &self.merged.volleys[found.delta];
        let row: Vec<f64> = volleys.intervals.iter().map(|gap| *gap as f64 / MILLI as f64).collect();
        if row.len() < 4 {
            return None;
        }
        let shape = shape(&row, 0.0);
        (shape != Shape::Unknown).then(|| Finding {
            shape,
            source: Source::Volleys,
            evidence: row.len() as u64,
            jitter: Tri::Unknown,
            spread: 0.0,
            typical_ms: median(&row),
            note: format!("volleys of about {:.0} records: {}", found.volley, show_row(&row)),
        })
    }

    fn by_trend(&self) -> Option<Finding> {
        let (early, late, records) = self.trend()?;
        let lane = self.lane();
        let typical = lane.positions.iter().take(4).filter(|place| place.counts.total() > 0).map(super::chains::Position::typical_ms).collect::<Vec<_>>();
        // Of a worker's chain the first waits must not be shorter than the later ones.
        let is_capped = self.keyed * 2 > self.merged.records && lane.typical_ms() > 1.6 * median(&typical);
        // Few volleys are no trend, and all instances that start at one moment are no excess of the first eighth.
        let volleys = self.merged.volleys[2].count;
        let has_rounds = records >= 6 * self.merged.records_until(0) && !(2..=6).contains(&volleys);
        let shape = if self.is_thinning() || early >= 2.6 && late >= 1.5 && has_rounds {
            Shape::Growing { base: f64::NAN, cap: None }
        } else if (0.6..=1.5).contains(&early) && (0.6..=1.4).contains(&late) && !is_capped && !self.has_early_excess() {
            Shape::Constant(f64::NAN)
        } else {
            return None;
        };
        Some(Finding {
            shape,
            source: Source::Trend,
            evidence: records,
            jitter: Tri::Unknown,
            spread: f64::NAN,
            typical_ms: f64::NAN,
            note: format!("trend of the merged rate: first eighth {early:.1} x, first quarter {late:.1} x of an even share; intervals are not visible without an instance id"),
        })
    }

    /// (8 x share of the first eighth, 4 x share of the first quarter, records) up to the last power-of-two time.
    fn trend(&self) -> Option<(f64, f64, u64)> {
        let merged = &self.merged;
        // The last octave that is over: octave k ends at 2^(k-2) s.
        let last = merged::octave_of(merged.last.saturating_sub(merged.first)).checked_sub(1)?;
        if last < 3 {
            return None;
        }
        let (all, eighth, quarter) = (merged.records_until(last), merged.records_until(last - 3), merged.records_until(last - 2));
        (all >= 40 && eighth >= 8).then(|| (8.0 * eighth as f64 / all as f64, 4.0 * quarter as f64 / all as f64, all))
    }

    /// Whether the rate fell over three octaves of time as only a backoff lets it fall: a constant policy writes 8 times as many records in
    /// an octave as three octaves before, a linear backoff 2.8 times, an exponential one as many.
    fn is_thinning(&self) -> bool {
        let last = merged::octave_of(self.merged.last.saturating_sub(self.merged.first)).saturating_sub(1);
        self.merged.octaves[..=last].windows(4).skip(1).any(|counts| {
            let [first, second, third, fourth] = [counts[0], counts[1], counts[2], counts[3]];
            first >= 10 && second * 2 >= first && third * 2 >= first && u64::from(fourth) * 2 >= u64::from(first) && fourth <= 3 * first
        })
    }

    /// Whether more was written at first than the later rate explains: several rounds before a backoff reached its cap.
    fn has_early_excess(&self) -> bool {
        let last = merged::octave_of(self.merged.last.saturating_sub(self.merged.first)).saturating_sub(1);
        if last < 3 {
            return false;
        }
        // Records per quarter second in the last whole octave, which is 2^(last-1) quarters long.
        let rate = f64::from(self.merged.octaves[last]) / (1_u64 << (last - 1)) as f64;
        let excess = (0..last - 1).map(|octave| self.merged.records_until(octave) as f64 - rate * (1_u64 << octave) as f64).fold(0.0, f64::max);
        excess >= 4.0 && excess >= 3.0 * f64::from(self.merged.octaves[0])
    }

    /// A rate that rises (instances that start one after another) is no backoff.
    fn is_not_slowing(&self) -> bool {
        !self.is_thinning() && self.trend().is_none_or(|(early, late, _)| early <= 1.9 && late <= 1.7)
    }

    fn tell_policy(&self, verdict: &mut Verdict, finding: &Finding, observed: Option<f64>) {
        verdict.source = finding.source;
        // Of a hot loop, latency is all that is seen.
        let is_hot = finding.source != Source::Text && finding.typical_ms < 250.0;
        verdict.jitter = if is_hot { Tri::Unknown } else { finding.jitter };
        let is_text = finding.source == Source::Text;
        let known = |value: f64| value.is_finite().then_some(value);
        verdict.interval_ms = if is_text { observed.or(known(finding.typical_ms)) } else { known(finding.typical_ms) };
        match finding.shape {
            Shape::Constant(value) => {
                verdict.policy = if is_text && value <= 0.0 || !is_text && value < 20.0 && finding.source != Source::Stream {
                    Policy::Immediate
                } else if is_text {
                    Policy::Fixed
                } else if value.is_nan() || value < 20.0 {
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
                        verdict.notes.push(format!("says {}, comes every {}: paced by a timeout or by what an attempt takes", show_ms(value), show_ms(seen)));
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
        // The widest run of nearly empty buckets between two groups of gaps.
        let rare = (gaps.total() as f64 * 0.004).floor() as u32;
        let mut best: Option<(i16, i16)> = None;
        let mut edge: Option<i16> = None;
        for (bucket, _) in gaps.entries().filter(|entry| entry.1 > rare) {
            if let Some(before) = edge
                && best.is_none_or(|(low, high)| bucket - before > high - low)
            {
                best = Some((before, bucket));
            }
            edge = Some(bucket);
        }
        let (low, high) = best?;
        let below = gaps.share_to(low);
        // 1.3 octaves of 8 buckets.
        if high - low < 11 || below < 0.4 || interval_bounds(high).0 < 100.0 {
            return None;
        }
        let volley = 1.0 + below / (1.0 - below).max(1e-9);
        let (named, _) = self.instances();
        if volley < 2.5_f64.max(named as f64 / 2.0) {
            return None;
        }
        let edge = interval_bounds(low).1 * MILLI as f64;
        let delta = merged::VOLLEY_DELTAS.iter().position(|delta| *delta as f64 >= edge).unwrap_or(2);
        Some(LockStep { volley, delta })
    }

    fn tell_lockstep(&self, verdict: &Verdict, found: Option<&LockStep>) -> Tri {
        let is_hot = verdict.interval_ms.is_some_and(|interval| interval < 250.0);
        if self.merged.records < 30 || is_hot || verdict.instances.is_none_or(|instances| instances < 2) {
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

/// The growing shape that a row of exact waits follows within 12 % at every point.
fn clean_shape(row: &[f64]) -> Option<Shape> {
    let found = shape(row, 0.0);
    let at = |position: usize| match found {
        Shape::Linear { base, step, cap } => (base + step * position as f64).min(cap.unwrap_or(f64::MAX)),
        Shape::Exponential { base, factor, cap } => (base * factor.powi(position as i32)).min(cap.unwrap_or(f64::MAX)),
        _ => 0.0,
    };
    row.iter().enumerate().all(|(position, wait)| (0.88..1.12).contains(&(wait / at(position).max(0.01)))).then_some(found)
}

/// Kendall's tau of a row with its order, values within 8 % taken for equal: 1 = rises all the way.
fn agreement(row: &[f64]) -> f64 {
    let mut sum = 0.0;
    let mut pairs = 0.0_f64;
    for (at, earlier) in row.iter().enumerate() {
        for later in &row[at + 1..] {
            let ratio = later / earlier.max(0.01);
            if !(0.926..=1.08).contains(&ratio) {
                sum += if ratio > 1.0 { 1.0 } else { -1.0 };
                pairs += 1.0;
            }
        }
    }
    sum / pairs.max(1.0)
}

struct LockStep {
    /// Records in a volley.
    volley: f64,
    /// Which volley tracker.
    delta: usize,
}

/// Standard deviation of ln interval at one position: from the lower half (lost lines only lengthen intervals), the median over
/// positions, and for constant waits from the ratios of neighbours too; the smallest. NaN when unknown.
fn lane_spread(lane: &Lane) -> f64 {
    let lower_half = |counts: &super::histogram::Counts| {
        let (tenth, half) = (counts.quantile(0.1, interval_bounds), counts.quantile(0.5, interval_bounds));
        (half.max(0.01) / tenth.max(0.01)).ln() / 1.28
    };
    let spreads: Vec<f64> = lane.positions.iter().filter(|place| place.counts.total() >= 5).map(|place| lower_half(&place.counts)).collect();
    let mut spread = if spreads.is_empty() { f64::NAN } else { median(&spreads) };
    if lane.ratios.total() >= 20 {
        let middle = lane.ratios.quantile(0.5, ratio_bounds).abs();
        if middle < 0.15 {
            let (quarter, three) = (lane.ratios.quantile(0.25, ratio_bounds), lane.ratios.quantile(0.75, ratio_bounds));
            // Quartiles of a normal distribution are 1.349 sd apart; a ratio has two errors in it.
            let by_ratio = (three - quarter) * std::f64::consts::LN_2 / 1.349 / std::f64::consts::SQRT_2;
            spread = spread.min(by_ratio);
        }
    }
    spread
}

/// A duration in ms for people.
fn show_ms(ms: f64) -> String {
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

fn show_row(row: &[f64]) -> String {
    row.iter().take(8).map(|ms| show_ms(*ms)).collect::<Vec<_>>().join(", ")
}
