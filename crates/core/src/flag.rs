//! Flags: what is suspicious about an answer although it is right.
//!
//! A right answer with wrong reasoning is a false positive: trained on, it teaches the reasoning.
//! Each flag names one sign of it and is refused for a [`RefusalReason`] of its own, unless
//! [`RefuseSpec`](crate::RefuseSpec) says otherwise.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Mode, RefusalReason, SampleKey};

/// One sign that a right answer was not reasoned to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "flag", rename_all = "kebab-case")]
pub enum Flag {
    /// It speaks of a hint, or of an answer that it knew.
    HintLeak {
        /// The words, as they stand in the text.
        phrase: String,
    },
    /// It repeats the hint of its prompt word for word.
    HintText,
    /// The answer is stated and nothing leads to it.
    NoReasoning,
    /// It begins with the answer and reasons afterwards.
    AnswerBeforeDerivation {
        /// The sentence that states the answer.
        text: String,
    },
    /// An equation in it is false.
    FalseEquation {
        /// The equation, as it stands in the text.
        text: String,
    },
    /// A second way of finding the final answer finds another one.
    ExtractorsDisagree {
        /// What the second reading takes for the answer.
        other: String,
    },
    /// It has the equations of a better ranked rationale of the same problem, in the same order.
    DuplicateReasoning {
        /// The other rationale.
        of: SampleKey,
    },
}

impl Flag {
    /// The name used in the journal and in tables.
    pub fn as_str(&self) -> &'static str {
        self.refusal().as_str()
    }

    /// Why a sample with this flag is not trained on.
    pub fn refusal(&self) -> RefusalReason {
        match self {
            Self::HintLeak { .. } => RefusalReason::HintLeak,
            Self::HintText => RefusalReason::HintText,
            Self::NoReasoning => RefusalReason::NoReasoning,
            Self::AnswerBeforeDerivation { .. } => RefusalReason::AnswerBeforeDerivation,
            Self::FalseEquation { .. } => RefusalReason::FalseEquation,
            Self::ExtractorsDisagree { .. } => RefusalReason::ExtractorsDisagree,
            Self::DuplicateReasoning { .. } => RefusalReason::DuplicateReasoning,
        }
    }

    /// True if the flag casts doubt on the reasoning. A duplicate is superfluous, not doubtful.
    pub fn is_doubt(&self) -> bool {
        !matches!(self, Self::DuplicateReasoning { .. })
    }
}

/// How many right answers of one outer loop have each flag, rationales and rationalizations apart:
/// the hint brings far more false positives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagCounts {
    /// Of answers given without the hint.
    pub rationales: FlagTally,
    /// Of answers given with the hint in the prompt.
    pub rationalizations: FlagTally,
}

impl FlagCounts {
    /// True if nothing was counted, as in journals from before there were flags.
    pub fn is_empty(&self) -> bool {
        self.rationales.right == 0 && self.rationalizations.right == 0
    }

    /// Counts a right answer with its flags.
    pub fn add<'a>(&mut self, mode: Mode, flags: impl IntoIterator<Item = &'a Flag>) {
        match mode {
            Mode::Rationale => self.rationales.add(flags),
            Mode::Rationalization => self.rationalizations.add(flags),
        }
    }

    /// The names of all flags that were found, in alphabetical order.
    pub fn names(&self) -> BTreeSet<&str> {
        let both = [&self.rationales, &self.rationalizations];
        both.iter()
            .flat_map(|tally| tally.flags.keys().map(String::as_str))
            .collect()
    }
}

/// Flags of right answers, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagTally {
    /// Right answers.
    pub right: u32,
    /// Of these, those with at least one flag that casts doubt on the reasoning.
    pub doubtful: u32,
    /// Of the right answers, those with each flag.
    pub flags: BTreeMap<String, u32>,
}

impl FlagTally {
    fn add<'a>(&mut self, flags: impl IntoIterator<Item = &'a Flag>) {
        self.right += 1;
        let flags: Vec<&Flag> = flags.into_iter().collect();
        self.doubtful += u32::from(flags.iter().any(|flag| flag.is_doubt()));
        let names: BTreeSet<&str> = flags.iter().map(|flag| flag.as_str()).collect();
        for name in names {
            *self.flags.entry(name.to_owned()).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_counted_once_a_sample_and_a_duplicate_is_no_doubt() {
        let equation = |text: &str| Flag::FalseEquation { text: text.into() };
        let mut counts = FlagCounts::default();
        assert!(counts.is_empty());
        counts.add(
            Mode::Rationale,
            &[equation("1 + 1 = 3"), equation("2 + 2 = 5")],
        );
        counts.add(Mode::Rationalization, &[Flag::HintText]);
        counts.add(Mode::Rationalization, &[]);
        assert_eq!(counts.rationales.flags["false-equation"], 1);
        assert_eq!(
            (counts.rationales.right, counts.rationales.doubtful),
            (1, 1)
        );
        let hinted = &counts.rationalizations;
        assert_eq!((hinted.right, hinted.doubtful), (2, 1));
        assert_eq!(
            counts.names().into_iter().collect::<Vec<_>>(),
            ["false-equation", "hint-text"]
        );
    }

    #[test]
    fn flags_are_journaled_by_name() {
        let flag = Flag::HintLeak {
            phrase: "the hint says".into(),
        };
        let json = serde_json::to_string(&[flag.clone(), Flag::HintText]).unwrap();
        assert_eq!(
            json,
            r#"[{"flag":"hint-leak","phrase":"the hint says"},{"flag":"hint-text"}]"#
        );
        let back: Vec<Flag> = serde_json::from_str(&json).unwrap();
        assert_eq!(back, [flag, Flag::HintText]);
    }
}
