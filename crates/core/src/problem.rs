//! Problems: questions with answers that can be checked.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Identifies a problem within a task. Unique over both splits, so that a sample's key never
/// collides between training and evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProblemId(pub String);

impl fmt::Display for ProblemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A gold answer as the data set states it, before any normalisation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Answer(pub String);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One option of a multiple-choice problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The letter, without parentheses, as in the data set (usually `A` to `E`).
    pub label: String,
    /// What the letter stands for.
    pub text: String,
}

/// Which side of the train/evaluation divide a problem belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Rationales are sampled from it and trained on.
    Train,
    /// Only ever measured on.
    Evaluate,
}

/// A question, and the answer that decides whether a rationale for it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Unique within the task.
    pub id: ProblemId,
    /// The question text, without choices and without any prompt decoration.
    pub question: String,
    /// The gold answer; absent for data sets that have none.
    pub gold: Option<Answer>,
    /// The options, for multiple choice; empty otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// A worked solution if the data set has one (GSM8K does); used for the stronger hints and for
    /// the controls, never shown to the student otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub solution: Option<String>,
    /// Train or evaluate.
    pub split: Split,
    /// Anything else worth grouping by: `level`, `digits`, `template`, `operations`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub meta: BTreeMap<String, String>,
}

/// A problem with a rationale: an entry of the few-shot prompt set `P` of the STaR paper, section
/// 3.1, or of the warm start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The question text.
    pub question: String,
    /// The options, for multiple choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// The rationale up to and including the statement of the final answer, exactly as the model
    /// should write it.
    pub rationale: String,
    /// The gold answer.
    pub answer: Answer,
}
