//! What goes into and comes out of training.

use crate::{Arithmetic, LoraScaling, WeightStorage};

/// A sequence to learn from. The loss is taken on what follows the prompt, which should end with
/// the model's end-of-text token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainingExample {
    /// Prompt and completion.
    pub tokens: Vec<u32>,
    /// How many of them are the prompt; at least one.
    pub prompt_tokens: usize,
}

/// How the learning rate goes on after the warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// It falls on a line to a tenth of its peak at the last step.
    Linear,
}

/// What is trained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Trained {
    /// A LoRA adapter on every linear layer; the base is frozen.
    #[default]
    Adapter,
    /// Every parameter of the model: embedding, linear layers, norms, biases, head. For small
    /// models: parameters, gradients and both moments are kept as f32.
    Everything,
}

/// Hyperparameters.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainerOptions {
    /// What is trained.
    pub trained: Trained,
    /// LoRA rank.
    pub rank: usize,
    /// LoRA alpha.
    pub alpha: f32,
    /// What alpha is divided by to give the scale of the update.
    pub scaling: LoraScaling,
    /// Train magnitude vectors as well: DoRA.
    pub dora: bool,
    /// How activations and gradients are multiplied with the frozen weights. Ignored where those are
    /// not quantized, are trained themselves, or are rescaled by DoRA; all of that is done in full.
    pub arithmetic: Arithmetic,
    /// Optimizer steps in all.
    pub steps: u32,
    /// Peak learning rate.
    pub learning_rate: f32,
    /// Steps of linear warm-up.
    pub warm_up: u32,
    /// What follows the warm-up.
    pub schedule: Schedule,
    /// Sequences in each step.
    pub batch: usize,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f32,
    /// Largest global norm of the gradient.
    pub clip: f32,
    /// AdamW's decay of the first and the second moment.
    pub betas: (f32, f32),
    /// AdamW's epsilon.
    pub epsilon: f32,
    /// Largest number of tokens computed at once by a thread; bounds the memory of activations.
    pub shard_tokens: usize,
    /// Seed of the adapter's first values and of the order of examples.
    pub seed: u64,
    /// Threads; changes no result.
    pub threads: usize,
    /// Where the frozen weights are; changes no result. What is trained itself is in memory.
    pub storage: WeightStorage,
    /// Names the base's weights; a checkpoint made with others is not resumed.
    pub weights: String,
}

impl Default for TrainerOptions {
    fn default() -> Self {
        Self {
            trained: Trained::Adapter,
            rank: 16,
            alpha: 32.0,
            scaling: LoraScaling::Rank,
            dora: false,
            arithmetic: Arithmetic::Full,
            steps: 40,
            learning_rate: 4e-4,
            warm_up: 5,
            schedule: Schedule::Constant,
            batch: 16,
            weight_decay: 0.0,
            clip: 1.0,
            betas: (0.9, 0.999),
            epsilon: 1e-8,
            shard_tokens: 768,
            seed: 0,
            threads: 1,
            storage: WeightStorage::Automatic,
            weights: String::new(),
        }
    }
}

impl TrainerOptions {
    /// The learning rate of a step, counted from 1.
    pub(super) fn learning_rate_at(&self, step: u32) -> f32 {
        if step < self.warm_up {
            return self.learning_rate * step as f32 / self.warm_up as f32;
        }
        match self.schedule {
            Schedule::Constant => self.learning_rate,
            Schedule::Linear => {
                let span = self.steps.saturating_sub(self.warm_up).max(1) as f32;
                let gone = (step - self.warm_up) as f32 / span;
                self.learning_rate * (1.0 - 0.9 * gone.min(1.0))
            }
        }
    }
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Counted from 1.
    pub step: u32,
    /// The loss before the step; of completions the mean cross-entropy per token, in nats.
    pub loss: f64,
    /// Global norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// The learning rate used.
    pub learning_rate: f32,
    /// Tokens computed, prompts included.
    pub tokens: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learning_rate_warms_up_and_falls() {
        let options = TrainerOptions {
            learning_rate: 1.0,
            warm_up: 4,
            steps: 14,
            schedule: Schedule::Linear,
            ..TrainerOptions::default()
        };
        let rates = [1, 2, 4, 9, 14].map(|step| options.learning_rate_at(step));
        for (rate, expected) in rates.iter().zip([0.25, 0.5, 1.0, 0.55, 0.1]) {
            assert!((rate - expected).abs() < 1e-6, "{rates:?}");
        }
    }
}
