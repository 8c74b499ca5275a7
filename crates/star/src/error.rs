//! What can end a run.

use std::path::PathBuf;
use std::sync::Arc;

use autodidact_engine::EngineError;
use autodidact_providers::ProviderError;
use autodidact_store::StoreError;
use autodidact_tasks::TaskError;
use thiserror::Error;

/// An error of the loop. Whatever it is, all that was sampled, verified or trained until then is in
/// the journal, and the same command goes on from there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StarError {
    /// The model could not be run or trained.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The journal could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal could not be written while models were asked.
    #[error(transparent)]
    Journal(Arc<StoreError>),
    /// A provider that the command cannot do without.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// No judge is left to score what has to be scored.
    #[error("{judge} could not score every rationale: {error}")]
    Judge {
        /// The judge's name.
        judge: String,
        /// What happened and what to do about it.
        error: String,
    },
    /// A data file is not as it should be.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A result could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason given by the operating system.
        source: std::io::Error,
    },
    /// A file of the run could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason given by the operating system.
        source: std::io::Error,
    },
    /// The spec asks for something that the task or the model does not have.
    #[error("{0}")]
    Spec(String),
    /// Too little was kept to learn from.
    #[error(
        "loop {iteration} kept {kept} rationales and `select.minimum` asks for {minimum}: the student solves too few problems to learn from itself; give it easier problems, more samples (`sample.per_problem`), more examples, or `student.warm_start = true`"
    )]
    TooFewRationales {
        /// The outer loop.
        iteration: u32,
        /// What was kept.
        kept: usize,
        /// What is asked for.
        minimum: u32,
    },
    /// A worker ended without a result.
    #[error("a worker of the loop failed; please report this")]
    Worker,
    /// The caller asked to stop; the run can be resumed.
    #[error("interrupted")]
    Interrupted,
}

impl StarError {
    /// True if the run was parked on request rather than ended by a fault.
    pub fn is_interruption(&self) -> bool {
        matches!(
            self,
            Self::Interrupted | Self::Engine(EngineError::Interrupted)
        )
    }
}
