//! Opening `run.db`: connection settings, migrations, and the check that it is ours.

use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::StoreError;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The number in `application_id` of a database of ours, set by the first migration.
const APPLICATION_ID: i64 = 0x4144_4354;

/// What is wanted of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Write, and make it if it is missing.
    Create,
    /// Write; it must be there.
    Write,
    /// Write a few rows beside the process that owns the run; it must be there and up to date.
    Beside,
    /// Read beside a process that writes.
    Read,
}

/// Opens the database, brings it to the newest format if it may be written, and refuses one that
/// is not ours or too new. True if it is of an earlier version and only read, and what it does not
/// count was counted for this connection.
pub(crate) async fn open(path: &Path, access: Access) -> Result<(SqlitePool, bool), StoreError> {
    let doing = "opening it";
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(access == Access::Create)
        .read_only(access == Access::Read);
    let options = if access == Access::Read {
        options
    } else {
        // FULL is what makes a committed answer survive a power cut in this journal mode.
        options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
    };
    // One connection is all SQLite can write with; one that is never recycled cannot start to
    // fail in the middle of a run because the directory was moved.
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await
        .map_err(|source| StoreError::database(path, doing, source))?;
    let found = check_format(&pool, path).await?;
    let summarized = access == Access::Read && found > 0 && found < SUMMARIES;
    match access {
        Access::Read if summarized => summarize(&pool, path).await?,
        Access::Beside if found < SUMMARIES => {
            return Err(StoreError::Older {
                path: path.to_owned(),
            });
        }
        Access::Read | Access::Beside => {}
        Access::Create | Access::Write => {
            check_structure(&pool, path).await?;
            migrate(&pool, path).await?;
        }
    }
    Ok((pool, summarized))
}

/// The format version from which on the journal itself keeps the summaries that pages show.
pub(crate) const SUMMARIES: i64 = 4;

/// Makes the summaries of an older journal that is only read: as temporary tables of this connection,
/// by the statements of the migration. Reads every answer once.
async fn summarize(pool: &SqlitePool, path: &Path) -> Result<(), StoreError> {
    let step = MIGRATIONS.iter().find(|step| step.version == SUMMARIES);
    let text = step.map_or("", |step| step.sql.as_str());
    let (tables, _) = text.split_once("-- Triggers").unwrap_or((text, ""));
    let tables = tables.replace("CREATE TABLE", "CREATE TEMP TABLE");
    sqlx::raw_sql(sqlx::AssertSqlSafe(tables))
        .execute(pool)
        .await
        .map_err(|source| StoreError::database(path, "counting its answers", source))?;
    Ok(())
}

/// Refuses databases of other programs and of newer versions of this one. An empty database is
/// accepted: its creation was cut off, or it is being created. Returns the version.
async fn check_format(pool: &SqlitePool, path: &Path) -> Result<i64, StoreError> {
    let failed = |source| StoreError::database(path, "reading its format version", source);
    let application: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(pool)
        .await
        .map_err(failed)?;
    let found: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(pool)
        .await
        .map_err(failed)?;
    let foreign_tables: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM sqlite_master WHERE name NOT LIKE '\\_sqlx%' ESCAPE '\\' \
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )
    .fetch_one(pool)
    .await
    .map_err(failed)?;
    if application != APPLICATION_ID && (foreign_tables > 0 || application != 0) {
        return Err(StoreError::Damaged {
            path: path.to_owned(),
            reason: "a database of another program".to_owned(),
        });
    }
    let known = MIGRATIONS.iter().map(|step| step.version).max();
    let known = known.unwrap_or_default();
    if found > known {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    Ok(found)
}

/// Refuses to add to a file whose pages do not fit together any more: resuming on it could lose
/// rows that are still there. Quick even for a large run, since contents are not compared.
async fn check_structure(pool: &SqlitePool, path: &Path) -> Result<(), StoreError> {
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(pool)
        .await
        .map_err(|source| StoreError::database(path, "checking it for damage", source))?;
    if found == "ok" {
        return Ok(());
    }
    Err(StoreError::Damaged {
        path: path.to_owned(),
        reason: found,
    })
}

/// Runs the migrations the database has not seen.
async fn migrate(pool: &SqlitePool, path: &Path) -> Result<(), StoreError> {
    MIGRATIONS.run(pool).await.map_err(|error| {
        use sqlx::migrate::MigrateError::{Execute, ExecuteMigration};
        let source = match error {
            Execute(source) | ExecuteMigration(source, _) => source,
            other => sqlx::Error::from(other),
        };
        StoreError::database(path, "bringing it to the newest format", source)
    })
}
