//! What can be wrong with a task, said so that it can be mended.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// A task that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TaskError {
    /// A file could not be read, or a stream not written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// One line of a data file is not as it should be.
    #[error("{} line {line}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong, with the field's name.
        problem: String,
    },
    /// A whole file is not as it should be.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The `[task]` section asks for what there is not.
    #[error("`{key}` {problem}")]
    Spec {
        /// The key, dotted.
        key: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Problems could not be written.
    #[error("writing problems: {0}")]
    Write(#[source] std::io::Error),
}

impl TaskError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn line(path: &Path, line: u64, problem: impl Into<String>) -> Self {
        Self::Line {
            path: path.to_owned(),
            line,
            problem: problem.into(),
        }
    }

    /// One line of a data file is not as it should be.
    pub fn in_line(path: &Path, line: u64, problem: impl Into<String>) -> Self {
        Self::line(path, line, problem)
    }

    pub(crate) fn file(path: &Path, problem: impl Into<String>) -> Self {
        Self::File {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    pub(crate) fn spec(key: &str, problem: impl Into<String>) -> Self {
        Self::Spec {
            key: key.into(),
            problem: problem.into(),
        }
    }
}
