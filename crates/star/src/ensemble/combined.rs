//! What comes of a question: the answers as they are shown, and the one that was chosen.

use std::collections::BTreeMap;

use autodidact_core::{Attribute, FinishReason, Strategy, Usd};
use autodidact_providers::{ErrorClass, ProviderError};
use serde::{Deserialize, Serialize};

use crate::ensemble::candidate::Candidate;

/// A model or a judge that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Its name in the file.
    pub name: String,
    /// What happened and what to do about it.
    pub error: String,
    /// The budget kept it from being asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over_budget: bool,
}

impl Failed {
    pub(crate) fn new(name: &str, error: &ProviderError) -> Self {
        Self {
            name: name.to_owned(),
            error: error.to_string(),
            over_budget: error.class == ErrorClass::Budget,
        }
    }
}

/// An answer as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShownCandidate {
    /// The model's name in the file.
    pub model: String,
    /// The whole text.
    pub text: String,
    /// The final answer it states.
    pub answer: Option<String>,
    /// The attributes of the judge that counts.
    pub scores: Option<BTreeMap<Attribute, f64>>,
    /// Its overall score.
    pub overall: Option<f64>,
    /// What the answer cost, without the judges; null where the price is unknown.
    pub cost_usd: Option<Usd>,
    /// Tokens of the prompt, where the provider counts them, and tokens generated; shown nowhere.
    #[serde(skip)]
    pub counted: (Option<u64>, u64),
    /// Whether the final answer equals gold, where there is gold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right: Option<bool>,
    /// The text was cut at the token limit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Why judges gave no score, by judge.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unscored: BTreeMap<String, String>,
}

/// The answer that was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Winner {
    /// Who wrote it.
    pub model: String,
    /// The final answer it states.
    pub answer: Option<String>,
    /// The whole text.
    pub text: String,
}

/// One answer made of many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Combined {
    /// What was asked.
    pub question: String,
    /// How the winner was made.
    pub strategy: Strategy,
    /// All answers, in the order of the file.
    pub answers: Vec<ShownCandidate>,
    /// The one that was chosen, if one could be.
    pub winner: Option<Winner>,
    /// How sure the choice is, from 0 to 1.
    pub confidence: Option<f64>,
    /// All of it, judges included; null where a price is unknown.
    pub cost_usd: Option<Usd>,
    /// Why there is no winner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_winner: Option<String>,
    /// Models and judges that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failed>,
}

impl ShownCandidate {
    /// A candidate as it is shown.
    pub(crate) fn new(candidate: &Candidate) -> Self {
        let scores = candidate.scores.as_ref();
        let unscored = candidate.opinions.iter().filter_map(|(judge, opinion)| {
            let reason = opinion.as_ref().err()?;
            Some((judge.clone(), reason.clone()))
        });
        Self {
            model: candidate.model.clone(),
            text: candidate.text.clone(),
            answer: candidate.answer.clone(),
            scores: scores.map(|s| s.attributes().clone()),
            overall: candidate.overall(),
            cost_usd: candidate.cost(),
            counted: (
                candidate.provenance.input_tokens,
                candidate
                    .provenance
                    .output_tokens
                    .unwrap_or(u64::from(candidate.tokens)),
            ),
            right: candidate.right,
            truncated: candidate.finish == FinishReason::Length,
            unscored: unscored.collect(),
        }
    }
}
