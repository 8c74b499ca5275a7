//! The seams between the algorithm and whatever samples and trains.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use autodidact_core::{Prompt, Sample, SampleKey, TrainSpec};
use autodidact_engine::{SamplingOptions, StepReport};

use crate::StarError;

/// A prompt and the samples wanted for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// What the model is asked.
    pub prompt: Prompt,
    /// One key for each sample; its seed follows from it.
    pub keys: Vec<SampleKey>,
}

/// What comes out of sampling, one by one, from any thread.
pub type Deliver<'a> = dyn Fn(Sample) + Send + Sync + 'a;

/// A model that answers.
pub trait Sampler: Send + Sync {
    /// Draws every sample of every ask and delivers each as it finishes. Blocks; ends early with
    /// an interruption when `stop` becomes true.
    fn sample(
        &self,
        asks: &[Ask],
        options: &SamplingOptions,
        run_seed: u64,
        deliver: &Deliver<'_>,
        stop: &AtomicBool,
    ) -> Result<(), StarError>;
}

/// A line of training text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainingPair {
    /// What stands before the loss starts.
    pub prompt: Prompt,
    /// What is learned; the end-of-text token follows it.
    pub completion: String,
    /// Who wrote it: `student`, a teacher's name, `example`, or `gold`.
    pub model: String,
    /// Whether the terms of the teacher's provider let it train other models.
    pub terms: String,
}

/// A fine-tuning of the base model.
#[derive(Debug, Clone)]
pub struct TrainingJob {
    /// What to learn from.
    pub pairs: Vec<TrainingPair>,
    /// Hyperparameters.
    pub spec: TrainSpec,
    /// Optimizer steps.
    pub steps: u32,
    /// Seed of the adapter's first values and of the order of pairs.
    pub seed: u64,
    /// Where the adapter goes: a directory with the PEFT files and `adapter.gguf`.
    pub adapter: std::path::PathBuf,
    /// Where the checkpoint is kept; whoever ordered the training removes it afterwards.
    pub checkpoint: std::path::PathBuf,
}

/// Something that fine-tunes the base model.
pub trait Trainer: Send + Sync {
    /// Trains from the base, or goes on from the job's checkpoint, and writes the adapter. Blocks.
    fn train(
        &self,
        job: &TrainingJob,
        on_step: &(dyn Fn(StepReport) + Send + Sync),
        stop: &AtomicBool,
    ) -> Result<(), StarError>;
}

/// The model that learns: it can be sampled from with any of its adapters, and trained.
pub trait Student: Trainer {
    /// The base, or the base with an adapter.
    fn sampler(&self, adapter: Option<&Path>) -> Result<Arc<dyn Sampler>, StarError>;
}
