//! What the journal keeps about an outer loop beside what `status` prints.

use std::collections::BTreeMap;

use autodidact_core::FlagCounts;
use autodidact_judges::JudgeCalibration;
use serde::{Deserialize, Serialize};

use crate::ensemble::ModelSummary;
use crate::rewards::Rewards;

/// Counts of samples and rationales of one outer loop.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct IterationDetail {
    /// Rationales sampled.
    pub rationales: u32,
    /// Rationales with the right answer.
    pub rationales_right: u32,
    /// Of these, those with a false step: right by luck.
    pub rationales_lucky: u32,
    /// Rationalizations sampled.
    pub rationalizations: u32,
    /// Rationalizations with the right answer.
    pub rationalizations_right: u32,
    /// Of these, those with a false step.
    pub rationalizations_lucky: u32,
    /// Rationales kept.
    pub kept_rationales: u32,
    /// Rationalizations kept.
    pub kept_rationalizations: u32,
    /// Each model's part, where there are teachers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelSummary>,
    /// How well each judge's scores tell right from wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judges: Vec<JudgeCalibration>,
    /// What was suspicious about right answers.
    #[serde(default, skip_serializing_if = "FlagCounts::is_empty")]
    pub flags: FlagCounts,
    /// Different solutions among right answers, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct: Option<u32>,
    /// How judges' overall scores are spread, where there are judges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewards: Option<Rewards>,
    /// How many samples each reason refused.
    pub refused: BTreeMap<String, u32>,
    /// Loss of the last optimizer step, in nats per token.
    pub final_loss: f64,
}

/// Which problems of the evaluation split a model answered right, in the task's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks(pub Vec<bool>);

impl Marks {
    /// How many are right.
    pub fn right(&self) -> u32 {
        self.0.iter().filter(|right| **right).count() as u32
    }

    /// How many there are.
    pub fn total(&self) -> u32 {
        self.0.len() as u32
    }
}
