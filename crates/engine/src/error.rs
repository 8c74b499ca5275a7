//! What can go wrong with models and adapters.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// An error of the engine. Messages are fragments that say what, where and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A file cannot be opened or mapped.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason given by the operating system.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason given by the operating system.
        source: io::Error,
    },
    /// A model file that is not what it should be.
    #[error("not a usable GGUF file: {0}")]
    Gguf(String),
    /// A directory that should hold a model in safetensors files.
    #[error("model directory {}: {problem}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A model this engine cannot run.
    #[error("unsupported model: {0}")]
    Unsupported(String),
    /// The tokenizer in the model file cannot be built or does not know a text.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The chat template failed or ran out of its allowance.
    #[error("chat template: {0}")]
    ChatTemplate(String),
    /// A prompt or training text that cannot be processed.
    #[error("{0}")]
    Input(String),
    /// An adapter that does not belong to the model, or is damaged.
    #[error("adapter {}: {problem}", path.display())]
    Adapter {
        /// The adapter's file or directory.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Training produced numbers that are not finite.
    #[error("training diverged at step {step}: the loss is {loss}; lower `train.learning_rate`")]
    Diverged {
        /// Optimizer step, from 1.
        step: u32,
        /// The loss.
        loss: f64,
    },
    /// The model computes infinities or NaN.
    #[error(
        "the model's logits are not finite numbers: its weights or the adapter are damaged; fetch the model again, or train with a lower `train.learning_rate`"
    )]
    NotNumbers,
    /// A checkpoint that cannot be used.
    #[error("unusable checkpoint: {0}")]
    Checkpoint(String),
    /// A worker thread died, which only a defect of this program can cause.
    #[error("a worker thread of the engine failed; please report this")]
    Worker,
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl EngineError {
    pub(crate) fn missing(key: &str, what: &str) -> Self {
        Self::Gguf(format!("the metadata has no {what} `{key}`"))
    }
}
