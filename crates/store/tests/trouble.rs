//! Runs that are missing, damaged, foreign, too new, full or write-protected are refused with a
//! message that says so.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs;
use std::path::Path;

use autodidact_core::{Flag, Verdict, Verification};
use autodidact_store::{RunStore, StoreError, Verified};
use common::{batch, key};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

/// Runs one statement on a database behind the store's back.
async fn execute(database: &Path, statement: &'static str) {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query(statement)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

async fn finished_run(directory: &Path) {
    let store = RunStore::create(directory, "[run]").await.unwrap();
    for problem in 0..50 {
        store.record_samples(&batch(problem, 8)).await.unwrap();
    }
    store.close().await;
}

#[tokio::test]
async fn a_missing_run_is_not_made_by_opening_it() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("tpyo");
    for opened in [
        RunStore::open(&run).await,
        RunStore::open_reader(&run).await,
    ] {
        assert!(matches!(opened, Err(StoreError::NotFound { .. })));
    }
    assert!(!run.exists());
}

#[tokio::test]
async fn a_run_is_made_once_and_keeps_its_spec() {
    let directory = tempfile::tempdir().unwrap();
    RunStore::create(directory.path(), "old")
        .await
        .unwrap()
        .close()
        .await;
    assert!(matches!(
        RunStore::create(directory.path(), "new").await,
        Err(StoreError::Exists { .. })
    ));
    let opened = RunStore::open_or_create(directory.path(), "new")
        .await
        .unwrap();
    assert!(opened.resumed);
    assert_eq!(opened.store.spec().await.unwrap(), "old");
    let copy = fs::read_to_string(directory.path().join("spec.toml")).unwrap();
    assert_eq!(copy, "old");
}

#[tokio::test]
async fn a_creation_that_was_cut_off_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("run.db"), "").unwrap();
    assert!(matches!(
        RunStore::open_reader(directory.path()).await,
        Err(StoreError::NotFound { .. })
    ));
    let opened = RunStore::open_or_create(directory.path(), "spec")
        .await
        .unwrap();
    assert!(!opened.resumed);
}

#[tokio::test]
async fn newer_and_foreign_databases_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let newer = directory.path().join("newer");
    finished_run(&newer).await;
    execute(&newer.join("run.db"), "PRAGMA user_version = 9").await;
    for opened in [
        RunStore::open(&newer).await,
        RunStore::open_reader(&newer).await,
    ] {
        let error = opened.unwrap_err();
        assert!(
            matches!(error, StoreError::Newer { found: 9, .. }),
            "{error}"
        );
    }

    let foreign = directory.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    execute(&foreign.join("run.db"), "CREATE TABLE cookies (a)").await;
    let error = RunStore::open_or_create(&foreign, "").await.unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
}

/// A journal as it was before there were flags can be read, and gets them when it is written.
#[tokio::test]
async fn journals_without_flags_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let verified = |index| Verified {
        key: key(1, index),
        verification: Verification {
            verdict: Verdict::Right,
            extracted: None,
            how: "equal".into(),
            flags: vec![Flag::HintText],
        },
        false_step: None,
    };
    let store = RunStore::create(directory.path(), "old").await.unwrap();
    store.record_samples(&batch(1, 2)).await.unwrap();
    store.record_verifications(&[verified(0)]).await.unwrap();
    drop(store);
    let database = directory.path().join("run.db");
    for statement in [
        "ALTER TABLE verification DROP COLUMN flags",
        "ALTER TABLE selection DROP COLUMN flags",
        "DELETE FROM _sqlx_migrations WHERE version = 3",
        "PRAGMA user_version = 2",
    ] {
        execute(&database, statement).await;
    }
    let reader = RunStore::open_reader(directory.path()).await.unwrap();
    let read = reader.verification(&key(1, 0)).await.unwrap().unwrap();
    assert!(read.verification.flags.is_empty());
    assert!(reader.selections(1).await.unwrap().is_empty());
    drop(reader);
    let store = RunStore::open(directory.path()).await.unwrap();
    assert_eq!(store.verification(&key(1, 0)).await.unwrap().unwrap(), read);
    store.record_verifications(&[verified(1)]).await.unwrap();
    let found = store.verification(&key(1, 1)).await.unwrap().unwrap();
    assert_eq!(found.verification.flags, [Flag::HintText]);
}

#[tokio::test]
async fn damaged_databases_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text");
    fs::create_dir(&text).unwrap();
    fs::write(text.join("run.db"), "no database at all. ".repeat(100)).unwrap();
    let error = RunStore::open(&text).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");

    let torn = directory.path().join("torn");
    finished_run(&torn).await;
    let path = torn.join("run.db");
    let bytes = fs::read(&path).unwrap();
    for length in [bytes.len() / 2, bytes.len() - 4096] {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = RunStore::open(&torn).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }
    let mut scrambled = bytes;
    scrambled[3 * 4096..4 * 4096].fill(0xa5);
    fs::write(&path, scrambled).unwrap();
    let error = RunStore::open(&torn).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_write_protected_directory_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let parent = directory.path().join("protected");
    fs::create_dir(&parent).unwrap();
    fs::set_permissions(&parent, fs::Permissions::from_mode(0o555)).unwrap();
    // The superuser may write everywhere, so there is nothing to see.
    if fs::write(parent.join("probe"), "").is_ok() {
        return;
    }
    let error = RunStore::create(&parent.join("run"), "").await.unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    assert!(error.to_string().contains("protected"), "{error}");
}
