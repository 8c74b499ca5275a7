//! What can go wrong with an export.

use std::io;
use std::path::PathBuf;

use autodidact_engine::EngineError;
use autodidact_star::StarError;
use autodidact_store::StoreError;
use autodidact_tasks::TaskError;
use thiserror::Error;

/// Why an export was not made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Something was asked for that there is not.
    #[error("{0}")]
    Request(String),
    /// The folder is there already.
    #[error("{} is there already; give `--force` to replace it, or `--out` for another place", .0.display())]
    Exists(PathBuf),
    /// The folder is there and was not made by an export.
    #[error("{} is not the folder of an export (it has no manifest.json) and is not replaced; give `--out` for another place", .0.display())]
    Foreign(PathBuf),
    /// A file or folder cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// The reason given by the operating system.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The reason given by the operating system.
        source: io::Error,
    },
    /// A Parquet file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Parquet {
        /// Which.
        path: PathBuf,
        /// What the writer said.
        source: parquet::errors::ParquetError,
    },
    /// What was written computes something else than what was trained.
    #[error("what was written does not compute what was trained: {0}; nothing was exported")]
    Disagrees(String),
    /// JSON cannot hold something.
    #[error("writing JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The journal.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run.
    #[error(transparent)]
    Star(#[from] StarError),
    /// The task.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The model or its adapter.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl ExportError {
    pub(crate) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Write { path, source }
    }
}
