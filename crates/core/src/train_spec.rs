//! The `[train]` section of a run: what is trained, how far, and in which arithmetic.

use serde::{Deserialize, Serialize};

/// How the embedded engine multiplies with quantized weights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arithmetic {
    /// What is multiplied with them is rounded to eight bits, as llama.cpp does; twice as fast.
    #[default]
    EightBit,
    /// Everything is a 32-bit float.
    Full,
}

/// Steps in loop n are `first * growth^(n-1)`, rounded down (STaR, section 4: 40 and 1.2).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepSchedule {
    /// Optimizer steps in the first loop.
    pub first: u32,
    /// Factor from each loop to the next.
    pub growth: f64,
}

impl StepSchedule {
    /// Optimizer steps of loop `n`, counted from 1.
    pub fn steps(&self, n: u32) -> u32 {
        (f64::from(self.first) * self.growth.powi(n.saturating_sub(1) as i32)) as u32
    }
}

/// What of a model is trained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainMethod {
    /// LoRA (Hu et al. 2021): the update is scaled by alpha / rank.
    #[default]
    Lora,
    /// rsLoRA (Kalajdzievski 2023): the update is scaled by alpha / sqrt(rank).
    Rslora,
    /// DoRA (Liu et al. 2024): LoRA, and a magnitude for every row of every weight.
    Dora,
    /// Every parameter. What comes out is a model, not an adapter, so it is for `autodidact train`
    /// and not for runs.
    Full,
}

impl TrainMethod {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    fn is_lora(&self) -> bool {
        *self == Self::Lora
    }
}

/// The `[train]` section: an adapter on every linear layer, AdamW.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSpec {
    /// What is trained. Left out of journals where it is LoRA, as runs from before it was a choice.
    #[serde(skip_serializing_if = "TrainMethod::is_lora")]
    pub method: TrainMethod,
    /// LoRA rank.
    pub rank: u32,
    /// LoRA alpha; the method says how it scales the update.
    pub alpha: f32,
    /// Optimizer steps of each loop.
    pub steps: StepSchedule,
    /// Peak learning rate.
    pub learning_rate: f32,
    /// Steps of linear warm-up.
    pub warm_up: u32,
    /// Sequences in each step.
    pub batch: u32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Largest global norm of the gradient.
    pub clip: f32,
    /// Checkpoint every so many steps.
    pub checkpoint_every: u32,
    /// How the base's quantized weights are multiplied; an adapter's own products are always f32.
    pub arithmetic: Arithmetic,
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
            method: TrainMethod::Lora,
            rank: 16,
            alpha: 32.0,
            steps: StepSchedule {
                first: 40,
                growth: 1.2,
            },
            learning_rate: 4e-4,
            warm_up: 5,
            batch: 16,
            weight_decay: 0.0,
            clip: 1.0,
            checkpoint_every: 10,
            arithmetic: Arithmetic::default(),
        }
    }
}
