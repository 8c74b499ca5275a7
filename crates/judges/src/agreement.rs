//! How well scores tell right answers from wrong ones.

use serde::{Deserialize, Serialize};

/// The area under the receiver operating characteristic: how probable it is that a right answer is
/// scored above a wrong one, ties counting half. 0.5 is chance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Auc {
    /// From 0 to 1.
    pub area: f64,
    /// Lower end of the 95% interval (Hanley and McNeil 1982). The interval is empty at 0 and 1 and
    /// means little below some 20 answers of either kind.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Right answers.
    pub right: usize,
    /// Wrong answers.
    pub wrong: usize,
}

/// The same over pairs of answers to one question, which is all that rewards promise to compare.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WithinQuestions {
    /// From 0 to 1.
    pub area: f64,
    /// Pairs of a right and a wrong answer.
    pub pairs: usize,
    /// Questions that have such pairs.
    pub questions: usize,
}

/// The area for the scores of right and of wrong answers (Mann and Whitney 1947); `None` if either is
/// empty.
pub fn auc(right: &[f64], wrong: &[f64]) -> Option<Auc> {
    if right.is_empty() || wrong.is_empty() {
        return None;
    }
    let (m, n) = (right.len() as f64, wrong.len() as f64);
    let area = wins(right, wrong) / (m * n);
    let two_right = area / (2.0 - area);
    let two_wrong = 2.0 * area * area / (1.0 + area);
    let square = area * area;
    let variance =
        (area * (1.0 - area) + (m - 1.0) * (two_right - square) + (n - 1.0) * (two_wrong - square))
            / (m * n);
    // Rounding can make it a hair less than nothing.
    let margin = 1.96 * variance.max(0.0).sqrt();
    Some(Auc {
        area,
        low: (area - margin).max(0.0),
        high: (area + margin).min(1.0),
        right: right.len(),
        wrong: wrong.len(),
    })
}

/// Pairs in which the right answer is above the wrong one, ties as half a pair.
pub(crate) fn wins(right: &[f64], wrong: &[f64]) -> f64 {
    let mut wrong = wrong.to_vec();
    wrong.sort_by(f64::total_cmp);
    let won = |score: &f64| {
        let below = wrong.partition_point(|w| w < score);
        let not_above = wrong.partition_point(|w| w <= score);
        below as f64 + (not_above - below) as f64 / 2.0
    };
    right.iter().map(won).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn areas_by_hand() {
        // Pairs won by 3, 2, 2: 2 + 1.5 + 1.5 of 6, since 2 ties with 2.
        let found = auc(&[3.0, 2.0, 2.0], &[1.0, 2.0]).unwrap();
        assert!(near(found.area, 5.0 / 6.0), "{found:?}");
        assert_eq!((found.right, found.wrong), (3, 2));
        assert!(near(auc(&[1.0], &[0.0]).unwrap().area, 1.0));
        assert!(near(auc(&[0.0], &[1.0]).unwrap().area, 0.0));
        assert!(near(auc(&[1.0; 4], &[1.0; 5]).unwrap().area, 0.5));
        assert_eq!(auc(&[], &[1.0]), None);
        assert_eq!(auc(&[1.0], &[]), None);
    }

    #[test]
    fn an_interval_by_hand() {
        // area 3/4, m = n = 2: Q1 = 0.6, Q2 = 9/14, variance (0.1875 + 0.0375 + 0.080357…)/4.
        let found = auc(&[1.0, 3.0], &[0.0, 2.0]).unwrap();
        assert!(near(found.area, 0.75));
        let variance: f64 = (0.1875 + 0.0375 + (9.0 / 14.0 - 0.5625)) / 4.0;
        assert!(near(found.low, 0.75 - 1.96 * variance.sqrt()), "{found:?}");
        assert!(near(found.high, 1.0), "cut at 1");
    }
}
