//! The area under the curve is the share of pairs won, counted one by one.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use autodidact_core::Scores;
use autodidact_judges::{Calibration, auc};
use proptest::prelude::*;

fn by_brute_force(right: &[f64], wrong: &[f64]) -> f64 {
    let mut halves = 0;
    for r in right {
        for w in wrong {
            halves += match r.total_cmp(w) {
                std::cmp::Ordering::Greater => 2,
                std::cmp::Ordering::Equal => 1,
                std::cmp::Ordering::Less => 0,
            };
        }
    }
    f64::from(halves) / 2.0 / (right.len() * wrong.len()) as f64
}

/// Few different values, so that there are ties.
fn scores() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((-4i32..5).prop_map(|n| f64::from(n) / 2.0 + 0.25), 1..40)
}

proptest! {
    #[test]
    fn the_area_is_the_share_of_pairs_won(right in scores(), wrong in scores()) {
        let found = auc(&right, &wrong).unwrap();
        prop_assert!((found.area - by_brute_force(&right, &wrong)).abs() < 1e-9);
        prop_assert!(found.low <= found.area && found.area <= found.high);
        prop_assert!(0.0 <= found.low && found.high <= 1.0);
        let turned = auc(&wrong, &right).unwrap();
        prop_assert!((found.area + turned.area - 1.0).abs() < 1e-9);
    }

    #[test]
    fn one_question_has_the_same_area_within_and_over_all(right in scores(), wrong in scores()) {
        let mut calibration = Calibration::default();
        for (side, correct) in [(&right, true), (&wrong, false)] {
            for score in side {
                calibration.add("j", "q", &Scores::only_overall(*score).unwrap(), correct);
            }
        }
        let report = calibration.report();
        let within = report[0].within_questions.unwrap();
        prop_assert!((within.area - report[0].overall.unwrap().area).abs() < 1e-9);
        prop_assert_eq!(within.pairs, right.len() * wrong.len());
        prop_assert_eq!(within.questions, 1);
    }
}
