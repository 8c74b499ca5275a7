//! Judges as files declare them: `[[judges]]`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Limits, ModelSpec, OneOrMany, Price, ProviderKind, Weights};

/// How a judge's endpoint gives its opinion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JudgeKind {
    /// NVIDIA's reward models through chat completions: five attributes, or one reward.
    Nemotron,
    /// vLLM's `/classify`.
    Classify,
    /// vLLM's `/pooling` with the activation off: the raw reward.
    Pooling,
    /// A process reward model behind vLLM's `/pooling`: one score a step.
    Process,
    /// `/predict` of Text Embeddings Inference.
    Predict,
    /// `/v1/rerank` of llama-server and vLLM.
    Rerank,
    /// Any chat model with a rubric for the five attributes.
    Rubric,
    /// Any chat model that compares answers two by two, each pair in both orders.
    Pairwise,
}

/// How the scores of steps become one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    /// The worst step.
    #[default]
    Min,
    /// The probability that all are right, if they were independent.
    Product,
    /// The last step.
    Last,
}

/// A judge: `[[judges]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeSpec {
    /// What it is called in tables and `--judge`.
    pub name: String,
    /// Whose interface it has.
    pub provider: ProviderKind,
    /// The provider's name for it; for `local` a place to get a GGUF file from, or several.
    pub model: OneOrMany,
    /// As in `[[models]]`.
    #[serde(default, skip_serializing_if = "OneOrMany::is_none")]
    pub base_url: OneOrMany,
    /// As in `[[models]]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// As in `[[models]]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_command: Option<String>,
    /// Absent: `nemotron` for provider `nvidia`, `predict` for `tei`, otherwise `rubric`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<JudgeKind>,
    /// What each attribute counts in the overall score.
    #[serde(default)]
    pub weights: Weights,
    /// Opinions asked for and averaged (rubric and pairwise).
    #[serde(default = "one")]
    pub repeats: u32,
    /// Longest question and answer together, in tokens; longer ones are not sent. Absent: 4096 for
    /// `nemotron` and `process`, otherwise no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<u32>,
    /// How the scores of steps become one (`process`).
    #[serde(default)]
    pub reduction: Reduction,
    /// What separates steps in what is sent (`process`); absent: `<extra_0>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_mark: Option<String>,
    /// Overrides the price table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Pace and patience.
    #[serde(default)]
    pub limits: Limits,
    /// SHA-256 of a `local` model's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl JudgeSpec {
    /// A judge with everything else at its default.
    pub fn new(name: &str, provider: ProviderKind, model: &str) -> Self {
        Self {
            name: name.to_owned(),
            provider,
            model: OneOrMany::One(model.to_owned()),
            base_url: OneOrMany::None,
            key_env: None,
            key_command: None,
            kind: None,
            weights: Weights::default(),
            repeats: 1,
            context: None,
            reduction: Reduction::Min,
            step_mark: None,
            price: None,
            limits: Limits::default(),
            sha256: None,
        }
    }

    /// How it gives its opinion.
    pub fn kind(&self) -> JudgeKind {
        self.kind.unwrap_or(match self.provider {
            ProviderKind::Nvidia => JudgeKind::Nemotron,
            ProviderKind::Tei => JudgeKind::Predict,
            _ => JudgeKind::Rubric,
        })
    }

    /// What decides about its opinions: the declaration without place, key, pace and price.
    #[must_use]
    pub fn identity(&self) -> Self {
        Self {
            base_url: OneOrMany::None,
            key_env: None,
            key_command: None,
            price: None,
            limits: Limits::default(),
            ..self.clone()
        }
    }

    /// The model behind the judge.
    pub fn as_model(&self) -> ModelSpec {
        ModelSpec {
            model: self.model.clone(),
            base_url: self.base_url.clone(),
            key_env: self.key_env.clone(),
            key_command: self.key_command.clone(),
            price: self.price,
            limits: self.limits.clone(),
            sha256: self.sha256.clone(),
            ..ModelSpec::new(&self.name, self.provider, "")
        }
    }
}

/// Least values of attributes, on their raw scale of about 0 to 4.
pub type MinimumScores = BTreeMap<crate::Attribute, f64>;

fn one() -> u32 {
    1
}
