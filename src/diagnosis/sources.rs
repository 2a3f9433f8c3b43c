//! The sources of a verdict, each silent below its minimum of evidence: stated delays, chains of one worker, attempt numbers, the stream as one
//! worker, volleys, lags, trend.

use super::chains::{Lane, Position, SAME_ATTEMPT};
use super::growth::{self, Point};
use super::histogram::{Counts, interval_bounds, interval_bucket, ratio_bounds};
use super::shape::{Shape, median, shape};
use super::verdict::{LockStep, Source, Tri, show_ms, show_row};
use super::{Diagnosis, merged};
use crate::time::MILLI;

/// So many intervals at each position make a short row trustworthy.
const MANY_SAMPLES: u64 = 8;
/// Spread (sd of ln wait) above which single waits fall where the policy rises.
const JITTER_HIDES: f64 = 0.15;
/// Tight intervals in one row that are no burst of lines of one attempt any more.
const BURST: usize = 8;
/// A row of less than five waits with more spread than this may as well be several workers behind each key.
const SHARED_SPREAD: f64 = 0.5;
/// No wait of a tight loop is longer, ms.
const HOT_MS: f64 = 20.0;
/// Below so many the early waits may be as long as all.
const UNSURE_RANKS: f64 = 1.64;
/// Standard deviations by which the early waits must rank low (1 in 200 by chance).
const SURE_RANKS: f64 = 2.6;
/// What a growing curve must explain better than a flat one (chi-squared, two more parameters: 1 in 150 by chance).
const SURE_GAIN: f64 = 10.0;
/// The same for a line against a curve (twice the log likelihood: 1 in 7).
const CLEAR_DIFFERENCE: f64 = 4.0;

/// A source's answer.
pub(super) struct Finding {
    pub(super) shape: Shape,
    pub(super) source: Source,
    /// Pieces of evidence (intervals, delays).
    pub(super) evidence: u64,
    pub(super) jitter: Tri,
    /// Standard deviation of ln interval at one position.
    pub(super) spread: f64,
    pub(super) typical_ms: f64,
    pub(super) note: String,
}

impl Diagnosis {
    /// Each record an attempt, or several records of one moment an attempt?
    pub(super) fn lane(&self) -> &Lane {
        let lines = &self.chains.lines;
        let tight = lines.all.share_to(interval_bucket(SAME_ATTEMPT) - 1);
        let bursts = self.chains.attempts().all.total();
        // Numbered lines are attempts; a loop that never pauses is a hot loop, not one attempt with a thousand lines.
        if self.merged.numbered * 2 > self.merged.records && self.chains.repeated_attempts * 4 < self.merged.records
            || !(0.1..0.97).contains(&tight)
            || bursts < 3
        {
            return lines;
        }
        let pause = self.chains.attempts().all.quantile(0.5, interval_bounds);
        if !self.merged.has_fractions && pause < 1500.0 {
            // Whole seconds: everything within one looks like one attempt.
            return lines;
        }
        if pause > 3.0 * SAME_ATTEMPT as f64 / MILLI as f64 { self.chains.attempts() } else { lines }
    }

    /// Whether [`Diagnosis::lane`] is the one that takes records of one moment together.
    fn is_lane_of_attempts(&self) -> bool {
        !std::ptr::eq(self.lane(), &raw const self.chains.lines)
    }

    /// The chain rules of several workers behind one key.
    pub(super) fn several_workers(&self) -> bool {
        let lane = self.lane();
        let repeated = self.chains.repeated_attempts;
        if repeated >= 3 && repeated * 50 > self.merged.records {
            return true;
        }
        let ratios = &lane.ratios;
        if ratios.total() < 8 {
            return false;
        }
        // A third is -1.585 octaves, in bucket -13.
        let shrinking = ratios.share_to(-13);
        let limit = if ratios.total() < 30 { 0.26 } else { 0.2 };
        let spread = (ratios.quantile(0.75, ratio_bounds) - ratios.quantile(0.25, ratio_bounds)) * std::f64::consts::LN_2;
        let is_hot = lane.all.quantile(0.5, interval_bounds) < 20.0;
        !is_hot && (shrinking >= limit || ratios.total() >= 20 && spread > 2.0)
    }

    pub(super) fn by_text(&self) -> Option<Finding> {
        let hints = &self.merged.hints;
        if hints.count < 2 || hints.count * 2 < self.merged.records {
            return None;
        }
        let found = |shape, jitter, spread, note: String| {
            Some(Finding {
                shape,
                source: Source::Text,
                evidence: hints.count,
                jitter,
                spread,
                typical_ms: hints.sum_us as f64 / hints.count as f64 / 1000.0,
                note,
            })
        };
        if hints.zeros == hints.count {
            return found(Shape::Constant(0.0), Tri::No, 0.0, format!("all {} stated delays are 0", hints.count));
        }
        let places: Vec<_> = hints.positions.iter().skip_while(|place| place.0 == 0).take_while(|place| place.0 > 0).collect();
        let means: Vec<f64> = places.iter().map(|place| place.1 as f64 / f64::from(place.0) / 1000.0).collect();
        let spreads: Vec<f64> = places
            .iter()
            .filter(|place| place.0 >= 3)
            .map(|place| (place.3 - place.2) as f64 / (place.1 as f64 / f64::from(place.0)).max(1.0))
            .collect();
        let is_numbered = self.merged.numbered * 2 > self.merged.records;
        let is_ordered = is_numbered || !self.several_workers();
        let mut jitter = if !is_ordered || spreads.is_empty() {
            Tri::Unknown
        } else if median(&spreads) > 0.15 {
            Tri::Yes
        } else {
            Tri::No
        };
        let (least, greatest) = hints.range;
        let range = greatest.max(1) as f64 / least.max(1) as f64;
        let is_one_value = hints.values.len() == 1;
        // A wait of +-25 % has a range of 1.7, one of half and half 2; two random waits of a backoff reach 3.
        let is_random = hints.count >= 24 && hints.has_more_values && range <= 2.2 && self.is_not_slowing();
        if range <= 1.5 && !hints.has_more_values || is_random {
            if is_one_value {
                jitter = Tri::No;
            } else if hints.values.len() as u64 * 2 > hints.count || is_random {
                jitter = Tri::Yes;
            }
            let typical = hints.sum_us as f64 / hints.count as f64 / 1000.0;
            if ((self.merged.last - self.merged.first) as f64) < 0.9 * typical * MILLI as f64 {
                // Nobody has come back yet: these are the first delays of several workers.
                return None;
            }
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
                return found(
                    shape,
                    jitter,
                    0.0,
                    format!("{} different stated delays from {} to {}", values.len(), show_ms(values[0]), show_ms(greatest as f64 / MILLI as f64)),
                );
            }
        }
        let typical = hints.sum_us as f64 / hints.count as f64 / 1000.0;
        let is_keyed = self.keyed * 2 > self.merged.records;
        if let Some((shape, row)) = stated_row(self.chains.stated_ms()) {
            return found(shape, jitter, 0.0, format!("stated delays: {}", show_row(&row)));
        }
        if !is_numbered && !is_keyed && range > 8.0 && means.len() >= 4 && hints.count > 24 && typical > 2.5 * median(&means[..4]) {
            return found(
                Shape::Growing { base: median(&means[..4]), cap: None },
                Tri::Unknown,
                spread,
                format!("{} stated delays, the first around {}, all around {}", hints.count, show_ms(median(&means[..4])), show_ms(typical)),
            );
        }
        if let Some((base, rounds)) = rounds(&self.chains.stated_ms()) {
            let note = format!("stated delays grow from about {} and start again, {rounds} times", show_ms(base));
            return found(Shape::Growing { base, cap: None }, jitter, 0.0, note);
        }
        if is_ordered && means.len() >= 3 {
            let shape = match shape(&means, spread) {
                Shape::Constant(_) if range > 4.0 || !is_numbered && !is_keyed => Shape::Unknown,
                other => other,
            };
            let is_exact = jitter != Tri::Yes;
            if shape != Shape::Unknown && (is_exact || !matches!(shape, Shape::Growing { .. })) {
                return found(
                    shape,
                    jitter,
                    spread,
                    format!("{} stated delays from {} to {}", hints.count, show_ms(values[0]), show_ms(greatest as f64 / MILLI as f64)),
                );
            }
            if means.len() >= 4 && means[means.len() - 1] > 2.0 * means[0] {
                return found(Shape::Growing { base: means[0], cap: None }, jitter, spread, format!("{} stated delays, growing", hints.count));
            }
        }
        None
    }

    pub(super) fn by_chains(&self, source: Source) -> Option<Finding> {
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
        let is_unbroken = is_numbered || mean < 100.0 && (total >= 8 * keys || lane.beyond(BURST) >= BURST as u64);
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
        let row = growth::points(lane, &self.chains.open_waits(self.merged.last, self.is_lane_of_attempts()), least);
        let typical: Vec<f64> = row.iter().map(|point| point.ms).collect();
        let is_tellable = spread < SHARED_SPREAD;
        let needed = if is_tellable && row.iter().all(|point| point.samples >= MANY_SAMPLES) {
            2
        } else if keys == 1 && middle >= 500.0 {
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
        if let Some((shape, note)) = through_jitter(lane, &row, spread) {
            return finding(shape, note);
        }
        // Latency of a tight loop varies; it is no policy.
        let is_hot = typical.iter().all(|wait| *wait < HOT_MS);
        if is_hot && row.len() >= BURST {
            // In a stream without names it may be that all begin at one moment.
            let is_one_worker = source == Source::Keys || is_numbered;
            let note = format!("intervals by position: {}", show_row(&typical));
            return is_one_worker.then(|| finding(Shape::Constant(middle), note)).flatten();
        }
        if typical.len() >= needed && !is_hot {
            let shape = shape(&typical, known_spread);
            // One worker's single intervals are no medians: a constant needs the whole histogram behind it.
            let is_single = lane.positions().iter().all(|place| place.counts.total() < 3);
            let third = (typical.len() / 3).max(1);
            let rise = median(&typical[typical.len() - third..]) / median(&typical[..third]).max(0.01);
            let is_ordered = matches!(shape, Shape::Constant(_)) || !is_single || agreement(&typical) >= 0.5 && rise >= 1.8;
            // A handful of single waits, one of them shorter than the one before, may be anything.
            let is_clean = row.len() >= 5 || !is_single || typical.windows(2).all(|pair| pair[1] > 0.92 * pair[0]);
            if shape != Shape::Unknown && is_ordered && (is_clean || matches!(shape, Shape::Constant(_))) {
                let shape = if matches!(shape, Shape::Growing { .. }) { name_growth(&row, spread).unwrap_or(shape) } else { shape };
                return finding(shape, format!("intervals by position: {}", show_row(&typical)));
            }
        }
        let (low, high) = (lane.all.quantile(0.1, interval_bounds), lane.all.quantile(0.9, interval_bounds));
        let early = median(&typical[..typical.len().min(4)]);
        // A capped backoff is regular, too, at its cap; and one interval of each worker says nothing about the next.
        let is_early_alike = if typical.is_empty() {
            lane.positions().iter().all(|place| place.counts.total() == 0)
        } else {
            typical.len() >= 3 && (0.6..1.6).contains(&(middle / early.max(0.5)))
        };
        if high / low.max(0.5) < 1.5 && is_early_alike {
            return finding(
                Shape::Constant(middle),
                format!("{total} intervals from {} to {} (10th to 90th percentile)", show_ms(low), show_ms(high)),
            );
        }
        self.by_growth(&typical).map_or_else(
            || {
                let is_alike = middle / early.max(0.5) < 1.6 && growth::sureness(lane) < UNSURE_RANKS;
                let is_steady = total >= 20 && typical.len() >= 4 && is_alike && self.is_not_slowing();
                if is_steady {
                    finding(Shape::Constant(middle), format!("{total} intervals around {}, early and late alike", show_ms(middle)))
                } else {
                    None
                }
            },
            |base| {
                let shape = name_growth(&row, spread).unwrap_or(Shape::Growing { base, cap: None });
                finding(shape, format!("intervals by position grow: {}", show_row(&typical)))
            },
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
        let gaps = self.chains.sample_ms();
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
            let Some((row, shape)) =
                [inner, row].into_iter().filter(|row| row.len() >= least_points).find_map(|row| clean_shape(&row).map(|shape| (row, shape)))
            else {
                continue;
            };
            let note = format!("the backoff starts again every {period} attempts: {}", show_row(&row));
            return Some(Finding { shape, source, evidence: gaps.len() as u64, jitter: Tri::Unknown, spread: 0.0, typical_ms: median(&gaps), note });
        }
        None
    }

    pub(super) fn by_attempts(&self) -> Option<Finding> {
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
        // Latency of a tight loop varies; it is no policy.
        let is_hot = intervals.iter().all(|interval| *interval < HOT_MS);
        let shape = if is_hot && intervals.len() >= BURST { Shape::Constant(median(&intervals)) } else { shape(&intervals, 0.0) };
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

    pub(super) fn by_volleys(&self, lockstep: Option<&LockStep>) -> Option<Finding> {
        let found = lockstep?;
        if !self.merged.has_fractions {
            // Every second is a volley where the stamps have no fractions.
            return None;
        }
        let volleys = &self.merged.volleys[found.delta];
        let row: Vec<f64> = volleys.intervals.iter().map(|gap| f64::from(*gap) / 1000.0).collect();
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

    /// The stream as one worker, unless a longer wait comes back in it: then its gaps are those between many.
    pub(super) fn by_stream(&self, lockstep: Option<&LockStep>) -> Option<Finding> {
        let stream = self.by_chains(Source::Stream)?;
        match self.by_lag(lockstep) {
            Some(lag) if lag.typical_ms > 1.5 * stream.typical_ms => Some(lag),
            _ => Some(stream),
        }
    }

    /// A wait that comes back in the merged stream of many who are not together.
    pub(super) fn by_lag(&self, lockstep: Option<&LockStep>) -> Option<Finding> {
        let merged = &self.merged;
        if lockstep.is_some() || !merged.has_fractions || !self.is_not_slowing() || self.has_early_excess() {
            return None;
        }
        let (peak_ms, z) = self.lags.as_ref()?.peak(merged.last - merged.first)?;
        Some(Finding {
            shape: Shape::Constant(peak_ms),
            source: Source::Lag,
            evidence: merged.records,
            jitter: Tri::Unknown,
            spread: 0.0,
            typical_ms: peak_ms,
            note: format!("records come back after {} more often than by chance ({z:.0} standard deviations)", show_ms(peak_ms)),
        })
    }

    pub(super) fn by_trend(&self) -> Option<Finding> {
        let (early, late, records) = self.trend()?;
        let lane = self.lane();
        let typical = lane.positions().iter().take(4).filter(|place| place.counts.total() > 0).map(Position::typical_ms).collect::<Vec<_>>();
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
            note: format!(
                "trend of the merged rate: first eighth {early:.1} x, first quarter {late:.1} x of an even share; intervals are not visible without an instance id"
            ),
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
}

/// Growth that jitter hides from [`shape`]: told when the early waits are surely the short ones.
fn through_jitter(lane: &Lane, row: &[Point], spread: f64) -> Option<(Shape, String)> {
    let named = name_growth(row, spread)?;
    let noise = noise_of(row, spread);
    if row.len() < 5 && noise > SHARED_SPREAD {
        return None;
    }
    let gain = growth::flat_error(row, noise) - growth::exponential(row, noise)?.error;
    let is_single = row.iter().any(|point| point.samples < 3);
    let is_sure = growth::sureness(lane) >= SURE_RANKS && gain >= 4.0 || !is_single && gain >= SURE_GAIN;
    let typical: Vec<f64> = row.iter().map(|point| point.ms).collect();
    is_sure.then(|| (named, format!("random waits that grow by position: {}", show_row(&typical))))
}

/// Spread (sd of ln wait) around a row: of single waits only what a smooth row cannot explain.
fn noise_of(row: &[Point], spread: f64) -> f64 {
    if spread.is_nan() || row.iter().any(|point| point.samples < 3) { growth::roughness(row) } else { spread }
}

/// What to call random waits that grow. With so much noise a line is told from a curve only by a clear difference; policies that grow and
/// are spread at random are exponential ones, so that is what is said unless a line fits clearly better. `None` without jitter.
fn name_growth(row: &[Point], spread: f64) -> Option<Shape> {
    let noise = noise_of(row, spread);
    if noise.is_nan() || noise < JITTER_HIDES || row.len() < 3 {
        return None;
    }
    let (curve, line) = (growth::exponential(row, noise)?, growth::linear(row, noise)?);
    let highest = curve.cap.unwrap_or_else(|| curve.base * curve.growth.powi(row.len() as i32 - 1));
    if highest < 1.8 * curve.base || highest < HOT_MS {
        return None;
    }
    Some(if curve.error - line.error > CLEAR_DIFFERENCE {
        Shape::Growing { base: curve.base, cap: curve.cap }
    } else {
        Shape::Exponential { base: curve.base, factor: curve.growth, cap: curve.cap }
    })
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

/// The growing shape of the first delays that one worker stated, where each is what the policy says and none is out of order, and that row
/// in ms. Delays of several workers behind one key are never so clean.
fn stated_row(row: Vec<f64>) -> Option<(Shape, Vec<f64>)> {
    if row.len() < 5 {
        return None;
    }
    clean_shape(&row).map(|shape| (shape, row))
}

/// A row of delays that grows and starts again (an outer loop resets the backoff): (the first delay of a round in ms, whole rounds). Random
/// delays rise and fall, too, but their rounds do not begin alike.
fn rounds(stated: &[f64]) -> Option<(f64, usize)> {
    let mut begins = Vec::new();
    let mut lengths = Vec::new();
    let mut length = 0;
    for (at, delay) in stated.iter().enumerate() {
        let is_drop = at > 0 && *delay < 0.6 * stated[at - 1];
        if at == 0 || is_drop {
            begins.push(*delay);
            if at > 0 {
                lengths.push(length);
            }
            length = 1;
        } else if delay < &stated[at - 1] {
            return None;
        } else {
            length += 1;
        }
    }
    let typical = median(&begins);
    let is_alike = begins.iter().all(|begin| (begin / typical.max(0.01)).ln().abs() < 0.35);
    let whole = lengths.len();
    (whole >= 2 && lengths.iter().all(|length| *length >= 3) && is_alike).then_some((typical, whole))
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

/// Standard deviation of ln interval at one position: from the lower half (lost lines only lengthen intervals), the median over
/// positions, and for constant waits from the ratios of neighbours too; the smallest. NaN when unknown.
fn lane_spread(lane: &Lane) -> f64 {
    let lower_half = |counts: &Counts| {
        let (tenth, half) = (counts.quantile(0.1, interval_bounds), counts.quantile(0.5, interval_bounds));
        (half.max(0.01) / tenth.max(0.01)).ln() / 1.28
    };
    let spreads: Vec<f64> = lane.positions().iter().filter(|place| place.counts.total() >= 5).map(|place| lower_half(&place.counts)).collect();
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
