//! Failures of a command, and the exit codes that tell them apart.

use std::path::PathBuf;

use autodidact_core::SpecError;
use autodidact_engine::EngineError;
use autodidact_export::ExportError;
use autodidact_models::FetchError;
use autodidact_providers::ProviderError;
use autodidact_server::ServerError;
use autodidact_star::StarError;
use autodidact_store::StoreError;
use autodidact_tasks::TaskError;
use thiserror::Error;

/// Why a command did not do what was asked.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("{} is not a usable spec: {source}", path.display())]
    Spec { path: PathBuf, source: SpecError },
    #[error("{0}")]
    Usage(String),
    #[error("cannot read {}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot write {}: {source}", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Task(#[from] TaskError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Star(#[from] StarError),
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The command worked and the answer is no; everything was printed already.
    #[error("")]
    No,
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Answers were given and none could be chosen; they were printed already.
    #[error("{0}")]
    NoWinner(String),
    /// Something is left to do, and what was done is written down.
    #[error("{0}")]
    Unfinished(String),
    #[error("the runtime cannot be started: {0}")]
    Runtime(std::io::Error),
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Failure {
    /// See `arguments.rs` for what the codes mean.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::No => 1,
            Self::Spec { .. }
            | Self::Usage(_)
            | Self::Read { .. }
            | Self::Task(_)
            | Self::Server(_) => 2,
            Self::Fetch(_) => 3,
            Self::Engine(error) => engine_code(error),
            Self::Store(_) | Self::Write { .. } => 5,
            Self::Provider(_) | Self::NoWinner(_) | Self::Unfinished(_) => 6,
            Self::Star(error) => star_code(error),
            Self::Export(error) => match error {
                ExportError::Engine(error) => engine_code(error),
                ExportError::Star(error) => star_code(error),
                ExportError::Disagrees(_) => 3,
                ExportError::Store(_)
                | ExportError::Read { .. }
                | ExportError::Write { .. }
                | ExportError::Parquet { .. } => 5,
                ExportError::Request(_)
                | ExportError::Exists(_)
                | ExportError::Foreign(_)
                | ExportError::Task(_) => 2,
                _ => 70,
            },
            Self::Runtime(_) | Self::Json(_) => 70,
        }
    }
}

fn star_code(error: &StarError) -> u8 {
    match error {
        _ if error.is_interruption() => 130,
        StarError::Engine(error) => engine_code(error),
        StarError::TooFewRationales { .. } => 4,
        StarError::Store(_)
        | StarError::Journal(_)
        | StarError::Read { .. }
        | StarError::Write { .. } => 5,
        StarError::Provider(_) | StarError::Judge { .. } => 6,
        StarError::Spec(_) | StarError::Task(_) => 2,
        _ => 70,
    }
}

fn engine_code(error: &EngineError) -> u8 {
    match error {
        EngineError::Interrupted => 130,
        EngineError::Worker => 70,
        EngineError::Write { .. } => 5,
        EngineError::Input(_) | EngineError::Diverged { .. } => 2,
        _ => 3,
    }
}
