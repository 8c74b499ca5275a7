//! Verdicts: the three outcomes of comparing an answer with gold.

use serde::{Deserialize, Serialize};

use crate::Flag;

/// Right, wrong, or not decidable; the third is never trained on and never counted as right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The extracted answer equals gold.
    Right,
    /// It does not.
    Wrong,
    /// No decision was possible, and why.
    CannotTell(String),
}

impl Verdict {
    /// True for [`Verdict::Right`] only.
    pub fn is_right(&self) -> bool {
        matches!(self, Self::Right)
    }

    /// The one-word name: `right`, `wrong` or `cannot-tell`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::CannotTell(_) => "cannot-tell",
        }
    }
}

/// A verdict with the evidence for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The decision.
    pub verdict: Verdict,
    /// The final answer found in the text, as written there; absent if none was found.
    pub extracted: Option<String>,
    /// The steps that led to the decision, in words, for people.
    pub how: String,
    /// What is suspicious about a right answer; empty in journals from before there were flags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
}
