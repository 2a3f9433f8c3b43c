//! Growth through jitter: what a row of waits says when every single wait is random. Waits that are still open count as longer than what
//! was waited so far (Kaplan and Meier 1958); whether the early waits are the short ones is asked by their ranks among all (Fisher 1925);
//! a curve and a line with a cap are fitted to the typical waits side by side.

use super::chains::{Lane, POSITIONS};
use super::histogram::{Counts, interval_bounds, interval_bucket};

/// A wait open for more than so many times the longest finished one is none: the client has gone.
const GONE: f64 = 4.0;
/// A row of so many waits needs no help.
const SHORT: usize = 4;
/// The mean of waits this close (ln) to their quantile is as good and more exact: a bucket is up to 0.12 wide.
const ALIKE: f64 = 0.1;
/// Positions that may count as early.
const EARLY: std::ops::RangeInclusive<usize> = 2..=6;
/// A median is this much less sure than a mean (sd of ln).
const MEDIAN_COST: f64 = 1.25;

/// The typical wait at one position of the chain.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Finished waits.
    pub samples: u64,
    /// Typical wait, ms.
    pub ms: f64,
}

/// Typical waits by position, from the first that was seen to the last with at least `least` finished ones. `open` are waits that have not
/// ended: (position, ns so far). Where most waits are still open the lower quartile stands for the median, at all positions alike.
pub fn points(lane: &Lane, open: &[(usize, i64)], least: u64) -> Vec<Point> {
    let row = points_at(lane, open, least, 0.5);
    if row.len() >= SHORT {
        return row;
    }
    let quartiles = points_at(lane, open, least, 0.25);
    if quartiles.len() > row.len() { quartiles } else { row }
}

fn points_at(lane: &Lane, open: &[(usize, i64)], least: u64, quantile: f64) -> Vec<Point> {
    let longest = lane.all.entries().last().map_or(0.0, |entry| interval_bounds(entry.0).1);
    let mut row = Vec::with_capacity(POSITIONS);
    for (position, place) in lane.positions().iter().enumerate().skip_while(|(_, place)| place.counts.total() == 0) {
        if place.counts.total() < least {
            break;
        }
        let waiting: Vec<i16> =
            open.iter().filter(|wait| wait.0 == position && (wait.1 as f64) < GONE * longest * 1e6).map(|wait| interval_bucket(wait.1)).collect();
        // Too many still wait: longer than anything seen, that is all.
        let Some(found) = survival_quantile(&place.counts, &waiting, quantile) else { break };
        let plain = place.typical_ms();
        // Waits that are all alike have an exact mean, and as long as nobody waits longer it is the typical wait.
        let is_plain = (found / plain.max(0.01)).ln().abs() < ALIKE || quantile == 0.5 && found < plain;
        let ms = if is_plain { plain } else { found };
        row.push(Point { samples: place.counts.total(), ms });
    }
    row
}

/// The quantile of finished waits and of `waiting` ones (buckets), ms; `None` when it lies beyond what was seen.
fn survival_quantile(counts: &Counts, waiting: &[i16], quantile: f64) -> Option<f64> {
    let left_over = 1.0 - quantile;
    let (mut left, mut surviving) = (counts.total() as f64, 1.0);
    for (bucket, count) in counts.entries() {
        let at_risk = left + waiting.iter().filter(|open| **open >= bucket).count() as f64;
        let after = surviving * (1.0 - f64::from(count) / at_risk.max(1.0));
        if after <= left_over {
            let (low, high) = interval_bounds(bucket);
            return Some(low + (high - low) * ((surviving - left_over) / (surviving - after)).clamp(0.0, 1.0));
        }
        (left, surviving) = (left - f64::from(count), after);
    }
    None
}

/// How surely the early waits are shorter than all (in standard deviations): under a policy that does not grow each wait has a random rank
/// among all, so the sum of -ln rank over `n` early waits is half a chi-squared with `2n` degrees of freedom.
pub fn sureness(lane: &Lane) -> f64 {
    // The very first wait may be none at all (a second try at once): growth must show without it, too.
    let positions = lane.positions();
    let from = |skipped: usize| {
        let (mut sum, mut n, mut best) = (0.0, 0.0, f64::MIN);
        for (position, place) in positions.iter().skip_while(|place| place.counts.total() == 0).skip(skipped).enumerate() {
            for (bucket, count) in place.counts.entries() {
                let rank = f64::midpoint(lane.all.share_to(bucket - 1), lane.all.share_to(bucket));
                sum -= rank.ln() * f64::from(count);
                n += f64::from(count);
            }
            if EARLY.contains(&(position + 1 + skipped)) && n > 0.0 {
                // Wilson and Hilferty 1931.
                let variance = 1.0 / (9.0 * n);
                best = best.max(((sum / n).cbrt() - (1.0 - variance)) / variance.sqrt());
            }
        }
        best
    };
    from(0).min(from(1))
}

/// A growing row with a cap, fitted to ln wait. Times in ms.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    /// First wait.
    pub base: f64,
    /// Factor of an exponential, step in units of the base of a line.
    pub growth: f64,
    /// Where it stops.
    pub cap: Option<f64>,
    /// Sum of squared errors of ln wait, in units of what sampling explains.
    pub error: f64,
}

/// Least squares over a grid of growths and cap positions; `rise` gives ln of the wait at a position in units of the first.
fn fit(row: &[Point], spread: f64, growths: &[f64], rise: impl Fn(f64, f64) -> f64) -> Option<Fit> {
    let weights: Vec<f64> = row.iter().map(|point| point.samples as f64 / (MEDIAN_COST * spread).powi(2)).collect();
    let all: f64 = weights.iter().sum();
    let logs: Vec<f64> = row.iter().map(|point| point.ms.max(0.01).ln()).collect();
    let mut best: Option<Fit> = None;
    for &growth in growths {
        // At each half position: logarithms are dear, and all caps ask for the same ones.
        let rises: Vec<f64> = (0..=2 * row.len()).map(|halves| rise(growth, halves as f64 / 2.0)).collect();
        for halves in 2..=2 * row.len() {
            let cap_at = halves as f64 / 2.0;
            let of = |position: usize| rises[(2 * position).min(halves)];
            let start = logs.iter().zip(&weights).enumerate().map(|(at, (log, weight))| weight * (log - of(at))).sum::<f64>() / all;
            let error = logs.iter().zip(&weights).enumerate().map(|(at, (log, weight))| weight * (log - start - of(at)).powi(2)).sum::<f64>();
            if best.is_none_or(|found| error < found.error) {
                let is_capped = cap_at + 1.0 < row.len() as f64;
                best = Some(Fit { base: start.exp(), growth, cap: is_capped.then(|| (start + rise(growth, cap_at)).exp()), error });
            }
        }
    }
    best
}

/// Factors tried: 1.2 to 4 in steps of 5 %.
fn factors() -> Vec<f64> {
    (0..25).map(|at| 1.2 * 1.05_f64.powi(at)).collect()
}

/// `base * factor^i` up to a cap.
pub fn exponential(row: &[Point], spread: f64) -> Option<Fit> {
    fit(row, spread, &factors(), |factor, at| at * factor.ln())
}

/// `base * (1 + step * i)` up to a cap.
pub fn linear(row: &[Point], spread: f64) -> Option<Fit> {
    let steps: Vec<f64> = (0..25).map(|at| 0.2 * 1.15_f64.powi(at)).collect();
    fit(row, spread, &steps, |step, at| (1.0 + step * at).ln())
}

/// Squared error of a row that does not grow at all, in the units of [`Fit::error`].
pub fn flat_error(row: &[Point], spread: f64) -> f64 {
    fit(row, spread, &[1.0], |_, _| 0.0).map_or(0.0, |found| found.error)
}

/// Spread (sd of ln wait) of a row of single waits, from neighbours: what a smooth row cannot explain. NaN below four points.
pub fn roughness(row: &[Point]) -> f64 {
    if row.len() < 4 {
        return f64::NAN;
    }
    let logs: Vec<f64> = row.iter().map(|point| point.ms.max(0.01).ln()).collect();
    // Second differences of independent errors have six times their variance.
    let squares: f64 = logs.windows(3).map(|three| (three[0] - 2.0 * three[1] + three[2]).powi(2)).sum();
    (squares / (6.0 * (logs.len() - 2) as f64)).sqrt()
}
