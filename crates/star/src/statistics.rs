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

/// Two models on the same problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paired {
    /// Problems that only the second solves.
    pub gained: u32,
    /// Problems that only the first solves.
    pub lost: u32,
    /// Problems that both answered.
    pub total: u32,
}

impl Paired {
    /// From the marks of both on the same problems.
    pub fn of(marks: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut paired = Self {
            gained: 0,
            lost: 0,
            total: 0,
        };
        for (first, second) in marks {
            paired.total += 1;
            paired.gained += u32::from(second && !first);
            paired.lost += u32::from(first && !second);
        }
        paired
    }

    /// By how much more the second solves, as a share of the problems.
    pub fn difference(&self) -> f64 {
        let difference = f64::from(self.gained) - f64::from(self.lost);
        difference / f64::from(self.total.max(1))
    }

    /// The 95% interval of the difference: Wald's, after half a problem was added to each of the
    /// four outcomes (Agresti and Min 2005).
    pub fn interval(&self) -> (f64, f64) {
        let n = f64::from(self.total) + 2.0;
        let (gained, lost) = (f64::from(self.gained) + 0.5, f64::from(self.lost) + 0.5);
        let difference = (gained - lost) / n;
        let variance = (gained + lost - (gained - lost).powi(2) / n) / (n * n);
        let half = Z * variance.max(0.0).sqrt();
        ((difference - half).max(-1.0), (difference + half).min(1.0))
    }

    /// The p-value of the exact two-sided McNemar test.
    pub fn p_value(&self) -> f64 {
        mcnemar(self.gained, self.lost)
    }
}

/// The unbiased estimate of pass@k from `right` right answers among `samples` (Chen et al. 2021,
/// "Evaluating Large Language Models Trained on Code", equation 1): how likely at least one of `k`
/// answers is right. `None` for fewer answers than `k`.
pub fn pass_at(k: u32, samples: u32, right: u32) -> Option<f64> {
    if k == 0 || samples < k {
        return None;
    }
    let wrong = samples.saturating_sub(right);
    if wrong < k {
        return Some(1.0);
    }
    let none_right: f64 = (wrong - k + 1..=wrong)
        .zip(samples - k + 1..=samples)
        .map(|(a, b)| f64::from(a) / f64::from(b))
        .product();
    Some(1.0 - none_right)
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
    fn pass_at_k_equals_its_definition() {
        assert_eq!(pass_at(1, 4, 1), Some(0.25));
        // 1 - C(3, 2) / C(5, 2)
        assert!((pass_at(2, 5, 2).unwrap() - 0.7).abs() < 1e-12);
        assert_eq!(pass_at(5, 5, 1), Some(1.0));
        assert_eq!(pass_at(5, 5, 0), Some(0.0));
        assert_eq!(pass_at(6, 5, 5), None);
        assert_eq!(pass_at(0, 5, 5), None);
    }

    #[test]
    fn paired_differences() {
        let marks = [(false, true), (false, true), (true, false), (true, true)];
        let paired = Paired::of(marks);
        assert_eq!((paired.gained, paired.lost, paired.total), (2, 1, 4));
        assert!((paired.difference() - 0.25).abs() < 1e-12);
        // Agresti and Min 2005, section 2: 794 of 1600 against 1600 with 86 and 150.
        let approval = Paired {
            gained: 86,
            lost: 150,
            total: 1600,
        };
        let (low, high) = approval.interval();
        assert!(
            (low + 0.0587).abs() < 1e-3 && (high + 0.0213).abs() < 1e-3,
            "{low} {high}"
        );
        let (low, high) = Paired::of([]).interval();
        assert!(low < 0.0 && high > 0.0);
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
