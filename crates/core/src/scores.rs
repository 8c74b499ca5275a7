//! What judges say: five attributes and one overall score, finite by construction.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The attributes of HelpSteer and HelpSteer2 (Wang et al. 2024), each on a scale of about 0 to 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attribute {
    /// How useful the answer is as a whole.
    Helpfulness,
    /// Whether all that matters is there and nothing is false.
    Correctness,
    /// Whether it is clear and free of contradiction.
    Coherence,
    /// How much depth it takes to write it.
    Complexity,
    /// How much it says beside what was asked.
    Verbosity,
}

impl Attribute {
    /// All five in their published order.
    pub const ALL: [Self; 5] = [
        Self::Helpfulness,
        Self::Correctness,
        Self::Coherence,
        Self::Complexity,
        Self::Verbosity,
    ];

    /// The name used by the model cards, in files and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Helpfulness => "helpfulness",
            Self::Correctness => "correctness",
            Self::Coherence => "coherence",
            Self::Complexity => "complexity",
            Self::Verbosity => "verbosity",
        }
    }

    /// The attribute of that name, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        let named = |a: &Self| a.as_str().eq_ignore_ascii_case(name.trim());
        Self::ALL.into_iter().find(named)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much each attribute counts in the overall score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Weights {
    /// Of helpfulness.
    pub helpfulness: f64,
    /// Of correctness.
    pub correctness: f64,
    /// Of coherence.
    pub coherence: f64,
    /// Of complexity.
    pub complexity: f64,
    /// Of verbosity.
    pub verbosity: f64,
}

impl Default for Weights {
    /// Published with Nemotron-4-340B-Reward for one scalar out of five (its model card).
    fn default() -> Self {
        Self {
            helpfulness: 0.3,
            correctness: 0.74,
            coherence: 0.46,
            complexity: 0.47,
            verbosity: -0.33,
        }
    }
}

impl Weights {
    /// The weight of an attribute.
    pub const fn of(&self, attribute: Attribute) -> f64 {
        match attribute {
            Attribute::Helpfulness => self.helpfulness,
            Attribute::Correctness => self.correctness,
            Attribute::Coherence => self.coherence,
            Attribute::Complexity => self.complexity,
            Attribute::Verbosity => self.verbosity,
        }
    }

    /// The weighted sum; `None` unless all five attributes are there.
    pub fn overall(&self, attributes: &BTreeMap<Attribute, f64>) -> Option<f64> {
        let weighted = |a: Attribute| Some(self.of(a) * attributes.get(&a)?);
        Attribute::ALL.into_iter().map(weighted).sum()
    }
}

/// Why numbers are no scores.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ScoreError {
    /// NaN or an infinity.
    #[error("{what} is {value}, which is no finite number")]
    NotFinite {
        /// An attribute, or `overall`.
        what: String,
        /// What was given.
        value: f64,
    },
    /// An attribute that the overall score needs is absent.
    #[error("{0} is missing")]
    Missing(Attribute),
    /// A number far outside of what reward models give.
    #[error("{what} is {value}, far outside of what a reward model gives")]
    OutOfRange {
        /// An attribute, or `overall`.
        what: String,
        /// What was given.
        value: f64,
    },
}

/// Regression outputs leave the 0 to 4 of the labels a little; ten times as much is another quantity.
const ATTRIBUTE_LIMIT: f64 = 40.0;
/// Bradley-Terry rewards are unbounded in theory and within tens in practice.
const OVERALL_LIMIT: f64 = 1e4;

/// A judge's opinion of one answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    attributes: BTreeMap<Attribute, f64>,
    overall: f64,
}

impl Scores {
    /// Scores from all five attributes.
    pub fn weighted(
        attributes: BTreeMap<Attribute, f64>,
        weights: &Weights,
    ) -> Result<Self, ScoreError> {
        for attribute in Attribute::ALL {
            if !attributes.contains_key(&attribute) {
                return Err(ScoreError::Missing(attribute));
            }
        }
        let overall = weights.overall(&attributes).unwrap_or(f64::NAN);
        Self::new(attributes, overall)
    }

    /// A score without attributes, as most reward models give.
    pub fn only_overall(overall: f64) -> Result<Self, ScoreError> {
        Self::new(BTreeMap::new(), overall)
    }

    /// Checks every number.
    pub fn new(attributes: BTreeMap<Attribute, f64>, overall: f64) -> Result<Self, ScoreError> {
        for (attribute, value) in &attributes {
            check(attribute.as_str(), *value, ATTRIBUTE_LIMIT)?;
        }
        check("overall", overall, OVERALL_LIMIT)?;
        Ok(Self {
            attributes,
            overall,
        })
    }

    /// An attribute, where the judge gives it.
    pub fn attribute(&self, attribute: Attribute) -> Option<f64> {
        self.attributes.get(&attribute).copied()
    }

    /// The attributes the judge gave.
    pub fn attributes(&self) -> &BTreeMap<Attribute, f64> {
        &self.attributes
    }

    /// The one number that answers to the same question are ranked by.
    pub fn overall(&self) -> f64 {
        self.overall
    }

    /// The first attribute below its threshold (on the raw scale), if any. An attribute the judge
    /// does not give is below every threshold.
    pub fn below(&self, minimum: &BTreeMap<Attribute, f64>) -> Option<Attribute> {
        let short = |(a, least): (&Attribute, &f64)| {
            let enough = self.attribute(*a).is_some_and(|value| value >= *least);
            (!enough).then_some(*a)
        };
        minimum.iter().find_map(short)
    }
}

fn check(what: &str, value: f64, limit: f64) -> Result<(), ScoreError> {
    let what = || what.to_owned();
    if !value.is_finite() {
        return Err(ScoreError::NotFinite {
            what: what(),
            value,
        });
    }
    if value.abs() > limit {
        return Err(ScoreError::OutOfRange {
            what: what(),
            value,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn five(values: [f64; 5]) -> BTreeMap<Attribute, f64> {
        Attribute::ALL.into_iter().zip(values).collect()
    }

    #[test]
    fn published_weights_make_the_overall_score() {
        let scores =
            Scores::weighted(five([3.0, 3.5, 4.0, 2.0, 1.0]), &Weights::default()).unwrap();
        let expected = 0.3 * 3.0 + 0.74 * 3.5 + 0.46 * 4.0 + 0.47 * 2.0 - 0.33;
        assert!((scores.overall() - expected).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_score_is_refused() {
        let mut missing = five([1.0; 5]);
        missing.remove(&Attribute::Coherence);
        let weights = Weights::default();
        let refused = Scores::weighted(missing, &weights).unwrap_err();
        assert_eq!(refused, ScoreError::Missing(Attribute::Coherence));
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e9] {
            assert!(Scores::only_overall(bad).is_err(), "{bad}");
            assert!(Scores::weighted(five([1.0, bad, 1.0, 1.0, 1.0]), &weights).is_err());
        }
    }

    #[test]
    fn thresholds_name_the_attribute_that_falls_short() {
        let scores =
            Scores::weighted(five([3.0, 2.0, 4.0, 2.0, 1.0]), &Weights::default()).unwrap();
        let minimum = |least| BTreeMap::from([(Attribute::Correctness, least)]);
        assert_eq!(scores.below(&minimum(2.0)), None);
        assert_eq!(scores.below(&minimum(2.5)), Some(Attribute::Correctness));
        let plain = Scores::only_overall(9.0).unwrap();
        assert_eq!(plain.below(&minimum(0.0)), Some(Attribute::Correctness));
    }
}
