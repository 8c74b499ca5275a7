//! What can go wrong with tracking.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why numbers do not arrive.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrackError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The reason given by the operating system.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{}: {problem}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The server cannot be reached.
    #[error("no answer from {url}: {problem}")]
    Unreachable {
        /// The server.
        url: String,
        /// What happened.
        problem: String,
    },
    /// The server refuses.
    #[error("{url} answered {status}: {problem}")]
    Refused {
        /// What was asked.
        url: String,
        /// The status.
        status: u16,
        /// What it said, shortened.
        problem: String,
    },
    /// A setting is missing.
    #[error("{0}")]
    Settings(String),
}

impl TrackError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    /// True if trying again may help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }
}
