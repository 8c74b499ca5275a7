//! Selection: which verified rationales are trained on, and why the others are not.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Flag, Mode, ProblemId, Prompt, SampleKey};

/// Why a sample is not trained on. Refused samples stay in the journal with this reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalReason {
    /// The final answer differs from gold.
    Wrong,
    /// The verifier could not decide.
    CannotTell,
    /// The text was cut at the token limit, so it teaches never to end.
    Truncated,
    /// It holds bytes that are no text, or control characters.
    Garbled,
    /// The same reasoning was already kept for this problem.
    Duplicate,
    /// The problem already has as many rationales as the cap allows.
    OverCap,
    /// It speaks of a hint or of an answer that it knew.
    HintLeak,
    /// A rationalization that repeats its hint word for word.
    HintText,
    /// The answer is stated and nothing leads to it.
    NoReasoning,
    /// The answer is stated first and reasoned to afterwards.
    AnswerBeforeDerivation,
    /// An equation is false although the answer is right.
    FalseEquation,
    /// Two ways of finding the final answer find different ones.
    ExtractorsDisagree,
    /// The same equations in the same order were already kept for this problem.
    DuplicateReasoning,
    /// A step of the reasoning, as the task checks steps, is false although the answer is right.
    WrongStep,
    /// A judge's attribute is below the minimum asked for, or no judge could score it.
    LowScore,
    /// The run learns from other samplers only.
    NotTrainedOn,
    /// A person marked it as bad.
    MarkedBad,
}

impl RefusalReason {
    /// The name used in the store and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::CannotTell => "cannot-tell",
            Self::Truncated => "truncated",
            Self::Garbled => "garbled",
            Self::Duplicate => "duplicate",
            Self::OverCap => "over-cap",
            Self::HintLeak => "hint-leak",
            Self::HintText => "hint-text",
            Self::NoReasoning => "no-reasoning",
            Self::AnswerBeforeDerivation => "answer-before-derivation",
            Self::FalseEquation => "false-equation",
            Self::ExtractorsDisagree => "extractors-disagree",
            Self::DuplicateReasoning => "duplicate-reasoning",
            Self::WrongStep => "wrong-step",
            Self::LowScore => "low-score",
            Self::NotTrainedOn => "not-trained-on",
            Self::MarkedBad => "marked-bad",
        }
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a person said about a rationale. It holds for every text of its problem that says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandMark {
    /// Worth learning from, whatever casts doubt on it; if its answer is right.
    Good,
    /// Not to be learned from.
    Bad,
}

impl HandMark {
    /// The name used in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
        }
    }
}

/// The decision about one sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// The sample.
    pub key: SampleKey,
    /// `None`: kept. Otherwise why not.
    pub refused: Option<RefusalReason>,
    /// What was found by comparing it with the other samples of the problem.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
}

/// A line of the training set: the prompt *without* the hint, and the rationale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRationale {
    /// The problem it answers.
    pub problem: ProblemId,
    /// Rationale or (hint already removed) rationalization.
    pub mode: Mode,
    /// What stands before the loss starts.
    pub prompt: Prompt,
    /// The text that is learned; the end-of-text token follows it.
    pub completion: String,
    /// Who wrote it: `student`, or a teacher's name.
    #[serde(default)]
    pub model: String,
    /// Whether the terms of the teacher's provider let it train other models.
    #[serde(default)]
    pub terms: String,
}
