//! A run's directory and its database: making it, opening it, and what it was started with.

use std::fs;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqlitePool, SqliteTransaction};

use crate::atomic_write::sync_directory;
use crate::database::{self, Access};
use crate::lock::OwnerLock;
use crate::{StoreError, atomic_write};

/// The database in a run's directory.
const DATABASE_FILE: &str = "run.db";
/// The copy of the spec for people; the one in the database is what counts.
const SPEC_FILE: &str = "spec.toml";

/// An open run.
///
/// All methods take `&self`; the store may be shared between tasks behind an `Arc`. Every
/// `record_…` method is one transaction that is on the disk when it returns, and does nothing for
/// rows that are recorded already.
#[derive(Debug)]
pub struct RunStore {
    pub(crate) pool: SqlitePool,
    directory: PathBuf,
    database: PathBuf,
    /// The journal is of an earlier version, and this reader made the counts of pages for itself.
    summarized: bool,
    /// Absent for readers. Declared after the pool, so that it is released last.
    _lock: Option<OwnerLock>,
}

/// What [`RunStore::open_or_create`] found.
#[derive(Debug)]
pub struct Opened {
    /// The run, owned by this process.
    pub store: RunStore,
    /// True if the run was there before. The spec it was started with is then still the recorded
    /// one, see [`RunStore::spec`]; comparing it with a new one is up to the caller.
    pub resumed: bool,
}

impl RunStore {
    /// Makes a run and becomes its owner. Missing directories are made.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is a run already, [`StoreError::Owned`] if it belongs to
    /// another process, and those of [`RunStore::open`].
    pub async fn create(directory: &Path, spec_toml: &str) -> Result<Self, StoreError> {
        let opened = Self::open_or_create(directory, spec_toml).await?;
        if opened.resumed {
            return Err(StoreError::Exists {
                directory: directory.to_owned(),
            });
        }
        Ok(opened.store)
    }

    /// Opens a run for writing and becomes its owner.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none, [`StoreError::Owned`] if another process owns
    /// it, [`StoreError::Newer`] or [`StoreError::Damaged`] if it cannot be read,
    /// [`StoreError::ReadOnly`] or [`StoreError::DiskFull`] if it cannot be written.
    pub async fn open(directory: &Path) -> Result<Self, StoreError> {
        // Checked before the lock is taken, so that a mistyped name leaves no lock file behind.
        Self::require_database(directory)?;
        let lock = OwnerLock::take(directory)?;
        let store = Self::connect(directory, Access::Write, Some(lock)).await?;
        store.require_spec().await?;
        Ok(store)
    }

    /// Opens the run in `directory` for writing, or makes it if there is none, as one step under
    /// the owner lock.
    ///
    /// # Errors
    /// Those of [`RunStore::open`] except [`StoreError::NotFound`].
    pub async fn open_or_create(directory: &Path, spec_toml: &str) -> Result<Opened, StoreError> {
        fs::create_dir_all(directory)
            .map_err(|source| StoreError::file(directory, "making the run's directory", source))?;
        let lock = OwnerLock::take(directory)?;
        let store = Self::connect(directory, Access::Create, Some(lock)).await?;
        let resumed = store.recorded_spec().await?.is_some();
        if !resumed {
            // The row goes last: a run exists from the moment its spec is recorded, and a creation
            // that is cut off before is simply made again.
            atomic_write(&directory.join(SPEC_FILE), spec_toml.as_bytes())?;
            store.record_spec(spec_toml).await?;
            // The name of the directory itself must survive a power cut as well.
            if let Some(parent) = directory.parent().filter(|p| !p.as_os_str().is_empty()) {
                sync_directory(parent)?;
            }
        }
        Ok(Opened { store, resumed })
    }

    /// Opens a run for reading only, without becoming its owner; works while another process
    /// writes to it. Recording through it fails with [`StoreError::ReadOnly`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Newer`] or [`StoreError::Damaged`].
    pub async fn open_reader(directory: &Path) -> Result<Self, StoreError> {
        Self::beside(directory, Access::Read).await
    }

    /// Opens a run without owning it.
    pub(crate) async fn beside(directory: &Path, access: Access) -> Result<Self, StoreError> {
        Self::require_database(directory)?;
        let store = Self::connect(directory, access, None).await?;
        store.require_spec().await?;
        Ok(store)
    }

    /// The run's directory, as given.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The TOML the run was started with.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn spec(&self) -> Result<String, StoreError> {
        self.require_spec().await
    }

    /// True if this reader counted for itself what the journal counts by now, since somebody brought
    /// it up to date meanwhile. It sees no later counts then; another reader does.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn is_outgrown(&self) -> Result<bool, StoreError> {
        if !self.summarized {
            return Ok(false);
        }
        let version: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&self.pool)
            .await
            .map_err(self.failed("reading its format version"))?;
        Ok(version >= database::SUMMARIES)
    }

    /// Closes the database and waits for it, then gives up the ownership. Dropping the store does
    /// the same without waiting; nothing recorded is at stake in either case.
    pub async fn close(self) {
        self.pool.close().await;
    }

    fn require_database(directory: &Path) -> Result<(), StoreError> {
        if directory.join(DATABASE_FILE).is_file() {
            return Ok(());
        }
        Err(StoreError::NotFound {
            directory: directory.to_owned(),
        })
    }

    async fn connect(
        directory: &Path,
        access: Access,
        lock: Option<OwnerLock>,
    ) -> Result<Self, StoreError> {
        let database = directory.join(DATABASE_FILE);
        let (pool, summarized) = database::open(&database, access).await?;
        Ok(Self {
            pool,
            summarized,
            directory: directory.to_owned(),
            database,
            _lock: lock,
        })
    }

    async fn record_spec(&self, spec_toml: &str) -> Result<(), StoreError> {
        let doing = "recording the spec";
        sqlx::query("INSERT INTO run (name, value) VALUES ('spec', ?)")
            .bind(spec_toml)
            .execute(&self.pool)
            .await
            .map_err(self.failed(doing))?;
        Ok(())
    }

    async fn recorded_spec(&self) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT value FROM run WHERE name = 'spec'")
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed("reading the spec"))
    }

    async fn require_spec(&self) -> Result<String, StoreError> {
        let spec = match self.recorded_spec().await {
            // A reader does not migrate, so a creation that was cut off may have no tables yet.
            Err(error) if self.has_no_tables().await => {
                tracing::debug!(%error, "a run without tables");
                None
            }
            other => other?,
        };
        spec.ok_or_else(|| StoreError::NotFound {
            directory: self.directory.clone(),
        })
    }

    async fn has_no_tables(&self) -> bool {
        let count: Result<i64, _> =
            sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = 'run'")
                .fetch_one(&self.pool)
                .await;
        matches!(count, Ok(0))
    }

    /// Turns a database error into one that names the file and what was being done.
    pub(crate) fn failed(&self, doing: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
        move |source| StoreError::database(&self.database, doing, source)
    }

    /// A row that is there and makes no sense.
    pub(crate) fn damaged(&self, reason: String) -> StoreError {
        StoreError::Damaged {
            path: self.database.clone(),
            reason,
        }
    }

    /// Begins a transaction that writes. `IMMEDIATE` takes the write lock at once, so that it
    /// waits for a program that holds it instead of failing half-way.
    pub(crate) async fn begin(
        &self,
        doing: &'static str,
    ) -> Result<SqliteTransaction<'static>, StoreError> {
        let begin = || self.pool.begin_with("BEGIN IMMEDIATE");
        let begun = match begin().await {
            // On a full disk SQLite takes a transaction back by itself, and the driver goes on
            // believing in it. A fresh connection knows the truth.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                let stale = self.pool.acquire().await.map_err(self.failed(doing))?;
                stale.close().await.map_err(self.failed(doing))?;
                begin().await
            }
            begun => begun,
        };
        begun.map_err(self.failed(doing))
    }
}
