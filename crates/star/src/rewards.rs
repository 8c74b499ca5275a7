//! How the overall scores of judges are spread over right and wrong rationales.

use serde::{Deserialize, Serialize};

use autodidact_core::Scores;

use crate::select::Judged;

/// Bars of the histogram.
const BARS: usize = 24;

/// A histogram of overall scores, of bars of equal width.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rewards {
    /// The lowest score.
    pub low: f64,
    /// The highest score.
    pub high: f64,
    /// Right rationales in each bar.
    pub right: Vec<u32>,
    /// Wrong rationales in each bar: those that judges were asked about to know what their scores
    /// are worth.
    pub wrong: Vec<u32>,
}

/// Counts the scores that counted in a selection; `None` where there are none.
pub(crate) fn rewards(judged: &[Judged]) -> Option<Rewards> {
    let scored = || {
        judged.iter().filter_map(|one| {
            let scores = one.candidate.as_ref()?.scores.as_ref();
            Some((scores.map(Scores::overall)?, one.is_right()))
        })
    };
    histogram(&scored().collect::<Vec<_>>())
}

fn histogram(scores: &[(f64, bool)]) -> Option<Rewards> {
    let low = scores.iter().map(|(score, _)| *score).reduce(f64::min)?;
    let high = scores.iter().map(|(score, _)| *score).reduce(f64::max)?;
    let width = (high - low) / BARS as f64;
    let mut rewards = Rewards {
        low,
        high,
        right: vec![0; BARS],
        wrong: vec![0; BARS],
    };
    for (score, right) in scores {
        let bar = if width > 0.0 {
            (((score - low) / width) as usize).min(BARS - 1)
        } else {
            0
        };
        let bars = if *right {
            &mut rewards.right
        } else {
            &mut rewards.wrong
        };
        bars[bar] += 1;
    }
    Some(rewards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_score_is_in_a_bar() {
        assert_eq!(histogram(&[]), None);
        let scores = [(-1.0, false), (0.0, true), (5.0, true), (5.0, true)];
        let found = histogram(&scores).unwrap();
        assert_eq!((found.low, found.high), (-1.0, 5.0));
        assert_eq!((found.wrong[0], found.right[4]), (1, 1));
        assert_eq!(found.right[BARS - 1], 2);
        let same = histogram(&[(2.0, true), (2.0, false)]).unwrap();
        assert_eq!((same.right[0], same.wrong[0]), (1, 1));
    }
}
