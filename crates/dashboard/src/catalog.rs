//! The runs of a directory. A name from an address is looked up among the names that are there and
//! never becomes part of a path before.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use autodidact_core::RunName;
use autodidact_store::{Desk, RunStore};

use crate::error::PageError;

/// Journals kept open at most.
const OPEN: usize = 64;

/// A run in the directory.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    pub(crate) changed: SystemTime,
}

/// Tells a journal from another one at the same place.
type Identity = (u64, u64);

/// The journals of a directory, opened for reading and kept open.
#[derive(Debug)]
pub(crate) struct Catalog {
    runs: PathBuf,
    open: Mutex<HashMap<String, (Identity, Arc<RunStore>)>>,
}

impl Catalog {
    pub(crate) fn new(runs: PathBuf) -> Self {
        Self {
            runs,
            open: Mutex::default(),
        }
    }

    /// Every run, the last changed first.
    pub(crate) fn list(&self) -> Result<Vec<Found>, PageError> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.runs).map_err(PageError::Runs)? {
            let entry = entry.map_err(PageError::Runs)?;
            if let Some(run) = run_of(&entry) {
                found.push(run);
            }
        }
        found.sort_by(|a, b| b.changed.cmp(&a.changed).then(a.name.cmp(&b.name)));
        Ok(found)
    }

    fn find(&self, name: &str) -> Result<Found, PageError> {
        let missing = PageError::NotFound("run");
        if RunName::new(name).is_err() {
            return Err(missing);
        }
        let found = self.list()?.into_iter().find(|run| run.name == name);
        found.ok_or(missing)
    }

    /// The journal of a run, for reading.
    pub(crate) async fn read(&self, name: &str) -> Result<Arc<RunStore>, PageError> {
        let found = self.find(name)?;
        let identity = identity(&found.directory.join("run.db"));
        if let Some(store) = self.opened(name, identity)
            && !store.is_outgrown().await?
        {
            return Ok(store);
        }
        let store = Arc::new(RunStore::open_reader(&found.directory).await?);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= OPEN {
            open.clear();
        }
        open.insert(name.to_owned(), (identity, store.clone()));
        Ok(store)
    }

    fn opened(&self, name: &str, identity: Identity) -> Option<Arc<RunStore>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, store) = open.get(name)?;
        (*known == identity).then(|| store.clone())
    }

    /// Where requests and marks for a run are left.
    pub(crate) async fn desk(&self, name: &str) -> Result<Desk, PageError> {
        let found = self.find(name)?;
        Ok(Desk::open(&found.directory).await?)
    }
}

/// A directory with a journal in it. Links are not followed: they may lead out of the directory.
fn run_of(entry: &std::fs::DirEntry) -> Option<Found> {
    let name = entry.file_name().into_string().ok()?;
    let name = RunName::new(name).ok()?.as_str().to_owned();
    if !entry.file_type().ok()?.is_dir() {
        return None;
    }
    let directory = entry.path();
    let journal = directory.join("run.db").symlink_metadata().ok()?;
    let log = directory.join("run.db-wal").metadata().ok();
    let changed = |metadata: std::fs::Metadata| metadata.modified().ok();
    let changes = [changed(journal.clone()), log.and_then(changed)];
    let changed = changes.into_iter().flatten().max()?;
    journal.is_file().then_some(Found {
        name,
        directory,
        changed,
    })
}

#[cfg(unix)]
fn identity(path: &Path) -> Identity {
    use std::os::unix::fs::MetadataExt;
    path.metadata().map_or((0, 0), |m| (m.dev(), m.ino()))
}

#[cfg(not(unix))]
fn identity(path: &Path) -> Identity {
    let created = path.metadata().and_then(|m| m.created()).ok();
    let since = created.and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    (0, since.map_or(0, |t| t.as_nanos() as u64))
}
