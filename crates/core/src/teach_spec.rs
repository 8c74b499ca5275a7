//! The `[teach]` section: what teachers are asked and what is learned from them.

use serde::{Deserialize, Serialize};

/// Which problems teachers are asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TeachOn {
    /// All training problems of the loop.
    #[default]
    All,
    /// Those the student solved neither by itself nor with the hint.
    Failed,
}

/// Whose rationales the student learns from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TrainOn {
    /// Everyone's (the union of models of RFT, Yuan et al. 2023).
    #[default]
    Union,
    /// Those of the samplers named: `student`, or a teacher's name.
    Only(Vec<String>),
}

/// The `[teach]` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TeachSpec {
    /// Which problems teachers are asked.
    pub problems: TeachOn,
    /// Ask again in every loop; otherwise a teacher is asked about a problem once, and its
    /// rationales serve every loop.
    pub every_loop: bool,
    /// `["student", "claude"]`; absent: everyone.
    #[serde(skip_serializing_if = "TrainOn::is_union")]
    pub train_on: TrainOn,
    /// Wrong answers shown to the judges in each loop, so that the report can tell how well their
    /// scores separate right from wrong.
    pub calibrate: u32,
    /// Told to every teacher before the examples; absent: to think step by step and to end with the
    /// answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
}

impl TrainOn {
    fn is_union(&self) -> bool {
        *self == Self::Union
    }

    /// True if rationales of this sampler are learned.
    pub fn takes(&self, name: &str) -> bool {
        match self {
            Self::Union => true,
            Self::Only(names) => names.iter().any(|n| n == name),
        }
    }
}

impl Default for TeachSpec {
    fn default() -> Self {
        Self {
            problems: TeachOn::All,
            every_loop: false,
            train_on: TrainOn::Union,
            calibrate: 40,
            instruction: None,
        }
    }
}
