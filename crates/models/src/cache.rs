//! The cache: one place for each source, where a file appears whole or not at all.
//!
//! Beside a file `m.gguf` there may be `m.gguf.sum` (its SHA-256 sum and what the file looked like
//! when it was added up), `m.gguf.lock` (held while it is fetched), and, while it is on its way,
//! `m.gguf.partial`, `m.gguf.tag` and `m.gguf.wheel/`. All of it may be deleted at any time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::progress::{Progress, Running};
use crate::{SourceError, sum};

/// The place of one file in the cache.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
}

/// What a file looked like when its sum was taken. As long as it looks the same, the sum is
/// believed: adding up some gigabytes takes longer than loading them.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    sha256: String,
    size: u64,
    modified: u128,
}

/// A file with its sum, and the sum that was recorded before, if that is another one.
pub(crate) struct Summed {
    pub(crate) sha256: String,
    pub(crate) was: Option<String>,
}

/// Held while a file is fetched.
pub(crate) struct PlaceLock {
    _file: File,
}

impl Place {
    pub(crate) fn new(cache: &Path, relative: &Path) -> Self {
        Self {
            path: cache.join(relative),
        }
    }

    /// The file, whether it is there or not.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's name.
    pub(crate) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// A companion of the file.
    pub(crate) fn beside(&self, ending: &str) -> PathBuf {
        beside(&self.path, ending)
    }

    /// Makes this process the only one that fetches the file; waits while another one does.
    pub(crate) fn lock(&self, progress: &dyn Progress) -> Result<PlaceLock, SourceError> {
        let path = self.beside("lock");
        let failed = |reason| SourceError::file(&path, "locking it", reason);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)
                .map_err(|reason| SourceError::file(directory, "making it", reason))?;
        }
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let what = format!("waiting for another process that fetches {}", self.name());
                let _running = Running::start(progress, &what, None);
                file.lock().map_err(failed)?;
            }
            Err(TryLockError::Error(reason)) => return Err(failed(reason)),
        }
        Ok(PlaceLock { _file: file })
    }

    /// Gives the finished partial file its name.
    pub(crate) fn publish(&self, partial: &Path, sha256: &str) -> Result<(), SourceError> {
        fs::rename(partial, &self.path)
            .map_err(|reason| SourceError::file(&self.path, "giving it its name", reason))?;
        if let Some(directory) = self.path.parent() {
            sync_directory(directory)?;
        }
        self.discard();
        record(&self.path, &self.beside("sum"), sha256);
        Ok(())
    }

    /// Removes what was fetched so far of a file that is not wanted after all.
    pub(crate) fn discard(&self) {
        for ending in ["partial", "tag"] {
            let path = self.beside(ending);
            if let Err(error) = remove_if_there(&path) {
                tracing::debug!(%error, path = %path.display(), "a leftover stays");
            }
        }
    }

    /// Removes the file, its sum and its lock.
    pub(crate) fn remove(&self) {
        for path in [self.path.clone(), self.beside("sum"), self.beside("lock")] {
            if let Err(error) = remove_if_there(&path) {
                tracing::debug!(%error, path = %path.display(), "a part stays");
            }
        }
    }

    /// The sum of the file, if it is there.
    pub(crate) fn summed(&self, progress: &dyn Progress) -> Result<Option<Summed>, SourceError> {
        if !self.path.is_file() {
            return Ok(None);
        }
        summed(&self.path, &self.beside("sum"), progress).map(Some)
    }
}

/// Of the directories of a package's versions in `home`, or of the one of `version`, the one that got
/// its model last: the place of the model, if it is the only one there.
pub(crate) fn newest_model(home: &Path, version: Option<&str>) -> Option<Place> {
    let versions: Vec<PathBuf> = if let Some(version) = version {
        vec![home.join(version)]
    } else {
        let entries = fs::read_dir(home).ok()?.filter_map(Result::ok);
        entries.map(|entry| entry.path()).collect()
    };
    let model_in = |directory: PathBuf| -> Option<PathBuf> {
        let files = fs::read_dir(directory).ok()?.filter_map(Result::ok);
        let mut models = files
            .map(|file| file.path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "gguf"));
        let model = models.next()?;
        models.next().is_none().then_some(model)
    };
    let models = versions.into_iter().filter_map(model_in);
    let newest = models.max_by_key(|path| appearance(path).map(|(_, modified)| modified));
    newest.map(|path| Place { path })
}

/// The sum of a file outside the cache; its record is inside, named by a hash of its path.
pub(crate) fn summed_outside(
    cache: &Path,
    path: &Path,
    progress: &dyn Progress,
) -> Result<String, SourceError> {
    let whole = fs::canonicalize(path)
        .map_err(|reason| SourceError::file(path, "looking for it", reason))?;
    let name = format!("{:x}", Sha256::digest(whole.as_os_str().as_encoded_bytes()));
    let record = cache.join("local").join(format!("{name}.sum"));
    Ok(summed(path, &record, progress)?.sha256)
}

fn summed(path: &Path, at: &Path, progress: &dyn Progress) -> Result<Summed, SourceError> {
    let recorded = fs::read(at)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
    if let Some(recorded) = &recorded
        && appearance(path).is_some_and(|(s, m)| (s, m) == (recorded.size, recorded.modified))
    {
        return Ok(Summed {
            sha256: recorded.sha256.clone(),
            was: None,
        });
    }
    let sha256 = sum::of_file(path, progress)?;
    let was = recorded.map(|r| r.sha256).filter(|was| *was != sha256);
    if was.is_none() {
        record(path, at, &sha256);
    }
    Ok(Summed { sha256, was })
}

/// Writes a sum down. Failing to is no harm: it is taken again next time.
fn record(path: &Path, at: &Path, sha256: &str) {
    let Some((size, modified)) = appearance(path) else {
        return;
    };
    let record = Record {
        sha256: sha256.to_owned(),
        size,
        modified,
    };
    if let Err(error) = write_record(at, &record) {
        tracing::debug!(%error, path = %at.display(), "the sum could not be recorded");
    }
}

fn write_record(at: &Path, record: &Record) -> std::io::Result<()> {
    let directory = at.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut temporary = tempfile::NamedTempFile::new_in(directory)?;
    serde_json::to_writer(&mut temporary, record)?;
    temporary.persist(at)?;
    Ok(())
}

/// Size, and time of the last change in nanoseconds.
fn appearance(path: &Path) -> Option<(u64, u128)> {
    let metadata = fs::metadata(path).ok()?;
    let modified = metadata.modified().ok()?;
    let since = modified.duration_since(UNIX_EPOCH).ok()?;
    Some((metadata.len(), since.as_nanos()))
}

/// Removes a file; that there is none is as good.
pub(crate) fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

/// Without this, a power cut may take a new name back.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> Result<(), SourceError> {
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(|reason| SourceError::file(directory, "bringing a new name to the disk", reason))
}

#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> Result<(), SourceError> {
    Ok(())
}
