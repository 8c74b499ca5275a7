//! What can go wrong with a run's directory, said so that it can be mended.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A run that could not be created, opened, read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// [`crate::RunStore::create`] on a directory that holds a run.
    #[error("a run exists in {directory} already; resume it, or choose another name")]
    Exists {
        /// The run's directory.
        directory: PathBuf,
    },
    /// There is no run, or its creation was cut off before it held anything.
    #[error("no run in {directory}; start one there, or check the name")]
    NotFound {
        /// The run's directory.
        directory: PathBuf,
    },
    /// Another process writes to this run.
    #[error(
        "the run in {directory} is being written by {}; wait for it to end, or stop it first",
        owner(*pid)
    )]
    Owned {
        /// Its process id, where the lock file says it.
        pid: Option<u32>,
        /// The run's directory.
        directory: PathBuf,
    },
    /// The database was written by a later version of this program.
    #[error(
        "{path} has format version {found} and this program knows versions up to {known}; use the newer program that wrote it"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format version.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// The database was written by an earlier version of this program, and cannot take what is to be
    /// written.
    #[error(
        "{path} is of an earlier version; go on with its run once (`autodidact run`), which brings it up to date"
    )]
    Older {
        /// The database.
        path: PathBuf,
    },
    /// The file is damaged, no SQLite database, or one of another program.
    #[error("{path} is not a readable run ({reason}); restore it from a copy, or move it away")]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found instead.
        reason: String,
    },
    /// Not allowed to write there.
    #[error("{path} cannot be written while {doing}; make the directory writable, or use another")]
    ReadOnly {
        /// The file or directory.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
    },
    /// No room left on the disk; everything recorded before is intact.
    #[error(
        "no room is left for {path} while {doing}; free some and run the same command again, nothing recorded so far is lost"
    )]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
    },
    /// Another program holds the database for longer than five seconds.
    #[error("{path} is locked by another program while {doing}; close it and try again")]
    Busy {
        /// The database.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
    },
    /// A number that is no number, or infinite.
    #[error("{what} is {value}, which cannot be recorded; it must be a finite number")]
    NotFinite {
        /// Which number of which row.
        what: String,
        /// The number.
        value: f64,
    },
    /// A number that is finite and still impossible.
    #[error("{what} is {value}, which cannot be recorded; it must be at least 0")]
    Negative {
        /// Which number of which row.
        what: String,
        /// The number.
        value: f64,
    },
    /// A verification or selection of a sample that was never recorded.
    #[error("no sample {sample} is recorded; record samples before what is decided about them")]
    UnknownSample {
        /// The key, in words.
        sample: String,
    },
    /// A result that JSON cannot hold, or a recorded one of another shape.
    #[error("{what} does not fit its recorded form: {source}")]
    Json {
        /// Which result.
        what: String,
        /// What JSON said.
        source: serde_json::Error,
    },
    /// Any other failure of a file operation.
    #[error("{path} failed while {doing}: {source}")]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Any other failure of the database.
    #[error("{path} failed while {doing}: {source}")]
    Database {
        /// The database.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What it said.
        source: sqlx::Error,
    },
}

/// The owner of a lock in words.
fn owner(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

impl StoreError {
    /// Sorts a failed file operation into the variants that say what to do.
    pub(crate) fn file(path: &Path, doing: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path, doing }
            }
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::DiskFull { path, doing },
            _ => Self::File {
                path,
                doing,
                source,
            },
        }
    }

    /// Sorts a database error into the variants that say what to do.
    pub(crate) fn database(path: &Path, doing: &'static str, source: sqlx::Error) -> Self {
        // SQLite's extended result codes carry the primary code in the low byte, see
        // <https://www.sqlite.org/rescode.html>.
        let code = source
            .as_database_error()
            .and_then(|error| error.code()?.parse::<u32>().ok())
            .map(|extended| extended & 0xff);
        let path = path.to_owned();
        match code {
            Some(5 | 6) => Self::Busy { path, doing },
            Some(3 | 8 | 14) => Self::ReadOnly { path, doing },
            Some(13) => Self::DiskFull { path, doing },
            Some(11 | 26) => Self::Damaged {
                path,
                reason: source
                    .as_database_error()
                    .map_or_else(String::new, |error| error.message().to_owned()),
            },
            _ => match source {
                sqlx::Error::Io(source) => Self::file(&path, doing, source),
                sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Damaged {
                    path,
                    reason: source.to_string(),
                },
                source => Self::Database {
                    path,
                    doing,
                    source,
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_errors_say_what_to_do() {
        for (code, expected) in [(13, "writable"), (30, "writable"), (28, "free some")] {
            let source = io::Error::from_raw_os_error(code);
            let error = StoreError::file(Path::new("/runs/a/run.db"), "writing", source);
            let message = error.to_string();
            assert!(message.contains(expected), "{message}");
            assert!(message.contains("/runs/a/run.db"), "{message}");
        }
    }
}
