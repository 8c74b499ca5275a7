//! The two statistics that a measurement is reported with.

use autodidact_core::EvaluationResult;

/// The 97.5% quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The 95% Wilson score interval of a proportion (Wilson 1927); the whole of 0 to 1 for no trials.
pub fn wilson(right: u32, total: u32) -> (f64, f64) {
    if total == 0 {
        return (0.0, 1.0);
    }
    let n = f64::from(total);
    let p = f64::from(right) / n;
    let z2 = Z * Z;
    let center = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    ((center - half).max(0.0), (center + half).min(1.0))
}

/// The exact two-sided McNemar test: how likely `gained` against `lost` (problems that one model
/// solves and the other does not) is to be at least this uneven if both were equally good.
pub fn mcnemar(gained: u32, lost: u32) -> f64 {
    let n = gained + lost;
    let k = gained.min(lost);
    // Twice the binomial tail at 1/2, summed in logarithms so that no term underflows alone.
    let mut log_term = -f64::from(n) * std::f64::consts::LN_2;
    let mut tail = log_term.exp();
    for i in 0..k {
        log_term += (f64::from(n - i) / f64::from(i + 1)).ln();
        tail += log_term.exp();
    }
    (2.0 * tail).min(1.0)
}

/// Compares two models on the same problems; `baseline[i]` and `model[i]` say whether problem `i`
/// was answered right.
pub fn compare(baseline: &[bool], model: &[bool]) -> EvaluationResult {
    let count = |a: bool, b: bool| {
        baseline
            .iter()
            .zip(model)
            .filter(|(x, y)| (**x, **y) == (a, b))
            .count() as u32
    };
    let right = model.iter().filter(|r| **r).count() as u32;
    let total = model.len() as u32;
    let (low, high) = wilson(right, total);
    EvaluationResult {
        right,
        total,
        accuracy: accuracy(right, total),
        low,
        high,
        p_value: mcnemar(count(false, true), count(true, false)),
    }
}

/// `right / total`; 0 for no problems.
pub fn accuracy(right: u32, total: u32) -> f64 {
    if total == 0 {
        0.0
    } else {
        f64::from(right) / f64::from(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_equals_published_values() {
        // Newcombe 1998, table I: 81/263, 15/148, 0/20, 1/29.
        for (right, total, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (l, h) = wilson(right, total);
            assert!(
                (l - low).abs() < 5e-5 && (h - high).abs() < 5e-5,
                "{right}/{total}: {l} {h}"
            );
        }
    }

    #[test]
    fn mcnemar_equals_the_binomial_test() {
        // scipy.stats.binomtest(k, n, 0.5).pvalue
        for (gained, lost, expected) in [
            (0, 0, 1.0),
            (5, 5, 1.0),
            (10, 2, 0.038_574_218_75),
            (60, 20, 8.580_559_867_05e-6),
            (0, 2000, 0.0),
        ] {
            let p = mcnemar(gained, lost);
            assert!(
                (p - expected).abs() <= 1e-9 * expected,
                "{gained} {lost}: {p}"
            );
        }
        assert!((mcnemar(1200, 1000) - 2.181_702_640_8e-5).abs() < 1e-12);
    }
}
