//! What a row of typical intervals (one per position in a chain of attempts) looks like: constant, linear, exponential.

/// Growth below this is called constant (a fixed wait with latency noise moves less).
const CONSTANT_GROWTH: f64 = 1.5;
/// A step above this has no retry policy behind it that we know: it is a pause.
const STEP_MAX: f64 = 6.0;
/// Later values within 8 % belong to the capped tail.
const TAIL_TOLERANCE: f64 = 1.08;
/// Connect latency as shares of the first interval, tried one after another.
const LATENCY_SHARES: [f64; 7] = [0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85];

/// What was found. Times in ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Not growing; the typical value.
    Constant(f64),
    /// `base + step * i`.
    Linear {
        /// First interval.
        base: f64,
        /// What each attempt adds.
        step: f64,
        /// Where it stopped growing.
        cap: Option<f64>,
    },
    /// `base * factor^i`.
    Exponential {
        /// First interval.
        base: f64,
        /// Growth per attempt.
        factor: f64,
        /// Where it stopped growing.
        cap: Option<f64>,
    },
    /// Growing, too few points for more.
    Growing {
        /// First interval.
        base: f64,
        /// Where it stopped growing.
        cap: Option<f64>,
    },
    /// None of them.
    Unknown,
}

/// Names the shape of `typical` intervals (ms). `spread` is the standard deviation of ln interval at one position: above 0.3 a line
/// cannot be told from a curve and linear is not claimed.
#[must_use]
pub fn shape(typical: &[f64], spread: f64) -> Shape {
    // Many clients try once at once and only then begin to wait.
    let values = match typical {
        [first, second, rest @ ..] if !rest.is_empty() && *second > STEP_MAX * first.max(0.01) => &typical[1..],
        _ => typical,
    };
    if values.len() < 2 || values.iter().any(|value| !value.is_finite() || *value < 0.0) {
        return Shape::Unknown;
    }
    if values.windows(2).any(|pair| pair[1] / pair[0].max(0.01) > STEP_MAX) {
        return Shape::Unknown;
    }
    let largest = values.iter().copied().fold(0.0, f64::max);
    let smallest = values.iter().copied().fold(f64::MAX, f64::min);
    let growth = values[values.len() - 1].max(0.01) / values[0].max(0.01);
    if largest / smallest.max(0.01) < CONSTANT_GROWTH {
        return Shape::Constant(median(values));
    }
    let tail = (0..values.len()).find(|&at| values[at..].iter().all(|later| *later <= values[at] * TAIL_TOLERANCE)).unwrap_or(values.len() - 1);
    if growth < CONSTANT_GROWTH && tail == 0 {
        // Falls, or jumps about: only a small spread is a constant.
        return if largest / smallest.max(0.01) < 2.0 { Shape::Constant(median(values)) } else { Shape::Unknown };
    }
    let is_capped = tail + 1 < values.len();
    let cap = is_capped.then(|| median(&values[tail..]));
    // The first capped value may be cut off: it serves the fit only when there is little else.
    let rising = if is_capped && tail >= 3 { &values[..tail] } else { &values[..=tail] };
    // A rise that falls back on its way is noise, not a policy.
    let falls = rising.windows(2).filter(|pair| pair[1] < pair[0] * 0.92).count();
    if growth < CONSTANT_GROWTH || falls * 4 > rising.len() {
        return Shape::Unknown;
    }
    // A true row of waits never falls; with noise in it only the growth is sure.
    if rising.len() < 3 || falls > 0 {
        return Shape::Growing { base: rising[0], cap };
    }
    let (linear_error, base, step) = fit_linear(rising);
    let (exponential_error, first, factor) = fit_exponential(rising);
    let worst = 0.09 * rising.len() as f64;
    if exponential_error.min(linear_error) > worst.max(spread * spread * rising.len() as f64) {
        return Shape::Growing { base: rising[0], cap };
    }
    if exponential_error <= linear_error || spread > 0.3 {
        if factor < 1.15 {
            return Shape::Growing { base: rising[0], cap };
        }
        return Shape::Exponential { base: first, factor, cap };
    }
    Shape::Linear { base, step, cap }
}

/// Weighted least squares of `base + step * i` with weights 1/value^2, which makes the errors relative; (sum of squared log errors, base, step).
fn fit_linear(values: &[f64]) -> (f64, f64, f64) {
    let (mut w, mut wx, mut wy, mut wxx, mut wxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let (x, weight) = (at as f64, 1.0 / value.max(0.01).powi(2));
        w += weight;
        wx += weight * x;
        wy += weight * value;
        wxx += weight * x * x;
        wxy += weight * x * value;
    }
    let step = (w * wxy - wx * wy) / (w * wxx - wx * wx);
    let base = (wy - step * wx) / w;
    let error = values.iter().enumerate().map(|(at, value)| (value.max(0.01) / (base + step * at as f64).max(0.01)).ln().powi(2)).sum();
    (error, base, step)
}

/// Least squares of `ln(value - c)` on the position for a few connect latencies c; (sum of squared log errors, base, factor).
fn fit_exponential(values: &[f64]) -> (f64, f64, f64) {
    let n = values.len() as f64;
    let mut best = (f64::MAX, 0.0, 1.0);
    for share in LATENCY_SHARES {
        // Three points fit every curve with a free offset: no offset then.
        if share > 0.0 && values.len() < 4 {
            break;
        }
        let latency = share * values[0];
        let logs: Vec<f64> = values.iter().map(|value| (value - latency).max(0.01).ln()).collect();
        let mean_x = (n - 1.0) / 2.0;
        let mean_y = logs.iter().sum::<f64>() / n;
        let sxy: f64 = logs.iter().enumerate().map(|(at, y)| (at as f64 - mean_x) * (y - mean_y)).sum();
        let sxx: f64 = (0..values.len()).map(|at| (at as f64 - mean_x).powi(2)).sum();
        let slope = sxy / sxx;
        let start = mean_y - slope * mean_x;
        let error: f64 = values
            .iter()
            .enumerate()
            .map(|(at, value)| (value.max(0.01) / (latency + (start + slope * at as f64).exp()).max(0.01)).ln().powi(2))
            .sum();
        // An offset must earn its place: it makes lines look like curves.
        if error * (1.0 + 0.5 * share) + 1e-4 * share < best.0 {
            best = (error, start.exp(), slope.exp());
        }
    }
    best
}

/// The middle value; 0 for none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[f64], expected: &str) {
        let found = shape(values, 0.0);
        let word = match found {
            Shape::Constant(_) => "constant",
            Shape::Linear { .. } => "linear",
            Shape::Exponential { .. } => "exponential",
            Shape::Growing { .. } => "growing",
            Shape::Unknown => "unknown",
        };
        assert_eq!(word, expected, "{values:?}: {found:?}");
    }

    #[test]
    fn the_usual_policies_are_named() {
        check(&[1000.0, 1010.0, 1004.0, 1002.0, 1001.0], "constant");
        check(&[1000.0, 2000.0, 3000.0, 4000.0, 5000.0], "linear");
        check(&[100.0, 200.0, 400.0, 800.0, 1600.0], "exponential");
        check(&[1004.0, 2006.0, 4003.0, 8010.0, 8003.0, 8002.0], "exponential");
        check(&[500.0, 750.0, 1125.0, 1687.0, 2531.0], "exponential");
        check(&[2000.0, 4000.0, 6000.0, 8000.0, 8000.0, 8000.0], "linear");
    }

    #[test]
    fn a_first_try_at_once_does_not_hide_the_policy() {
        check(&[3.0, 1000.0, 2000.0, 4000.0, 8000.0], "exponential");
        check(&[2.0, 1000.0, 1001.0, 1002.0], "constant");
    }

    #[test]
    fn connect_latency_does_not_make_an_exponential_linear() {
        check(&[150.0, 250.0, 450.0, 850.0, 1650.0, 3250.0], "exponential");
    }

    #[test]
    fn noise_is_no_policy() {
        check(&[100.0, 900.0, 80.0, 700.0, 90.0], "unknown");
        check(&[5000.0, 1000.0, 100.0, 90.0], "unknown");
        check(&[10.0], "unknown");
        check(&[], "unknown");
    }

    #[test]
    fn two_growing_points_are_only_growing() {
        check(&[1000.0, 2000.0], "growing");
    }

    #[test]
    fn the_cap_is_told() {
        let Shape::Exponential { base, factor, cap: Some(cap) } = shape(&[1000.0, 2000.0, 4000.0, 8000.0, 10_000.0, 10_000.0], 0.0) else {
            panic!("not a capped exponential");
        };
        assert!((base - 1000.0).abs() < 50.0 && (factor - 2.0).abs() < 0.05 && (cap - 10_000.0).abs() < 1.0, "{base} {factor} {cap}");
    }
}
