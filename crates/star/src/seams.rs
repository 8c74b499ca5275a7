//! The seams between the algorithm and whatever samples and trains.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use autodidact_core::{Prompt, Sample, SampleKey, TrainSpec};
use autodidact_engine::{Arithmetic, PreferenceLoss, SamplingOptions, StepReport};

use serde::{Deserialize, Serialize};

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

/// Two answers to one prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preference {
    /// What both answer.
    pub prompt: Prompt,
    /// The better answer; the end-of-text token follows it.
    pub chosen: String,
    /// The worse answer, likewise.
    pub rejected: String,
}

/// An answer and the score it should get.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredAnswer {
    /// What is answered.
    pub prompt: Prompt,
    /// The answer; the end-of-text token follows it.
    pub completion: String,
    /// The score.
    pub score: f32,
}

/// What is learned, and with it towards what.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainingSet {
    /// To write these completions.
    Completions(Vec<TrainingPair>),
    /// To prefer one answer over another when writing (DPO).
    Preferences(Vec<Preference>, PreferenceLoss),
    /// To give the better answer the higher score (Bradley-Terry).
    Comparisons(Vec<Preference>),
    /// To give these scores.
    Scores(Vec<ScoredAnswer>),
}

impl TrainingSet {
    /// How many examples there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Completions(pairs) => pairs.len(),
            Self::Preferences(pairs, _) | Self::Comparisons(pairs) => pairs.len(),
            Self::Scores(answers) => answers.len(),
        }
    }

    /// True if there is nothing to learn from.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A fine-tuning of the base model.
#[derive(Debug, Clone)]
pub struct TrainingJob {
    /// What to learn from.
    pub set: TrainingSet,
    /// Hyperparameters.
    pub spec: TrainSpec,
    /// Optimizer steps.
    pub steps: u32,
    /// Seed of the adapter's first values and of the order of pairs.
    pub seed: u64,
    /// Where the adapter goes: a directory with the PEFT files, and `adapter.gguf` where that format
    /// can hold the adapter. Where everything is trained, `model.gguf` instead.
    pub adapter: std::path::PathBuf,
    /// Where the checkpoint is kept; whoever ordered the training removes it afterwards.
    pub checkpoint: std::path::PathBuf,
}

/// A token as it stands in a training text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenToken {
    /// Its number in the vocabulary.
    pub id: u32,
    /// Its bytes as text; those that are no text for themselves are U+FFFD.
    pub text: String,
}

/// A training text as the model sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenExample {
    /// Who wrote it.
    pub model: String,
    /// All of its tokens.
    pub tokens: Vec<SeenToken>,
    /// The first of them, which the loss leaves out.
    pub prompt_tokens: u32,
    /// The last one is the end-of-text token.
    pub ends: bool,
}

/// Something that fine-tunes the base model.
pub trait Trainer: Send + Sync {
    /// How a set looks to the model; nothing where that cannot be told.
    fn seen(&self, set: &TrainingSet) -> Result<Vec<SeenExample>, StarError> {
        let _ = set;
        Ok(Vec::new())
    }

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
    fn sampler(
        &self,
        adapter: Option<&Path>,
        arithmetic: Arithmetic,
    ) -> Result<Arc<dyn Sampler>, StarError>;
}
