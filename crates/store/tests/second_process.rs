//! One process owns a run; others may look at it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use autodidact_core::{Mode, SamplerId};
use autodidact_store::{RunStore, StoreError};
use common::{CHILD_MARK, batch, child};

/// Not a test: the process that owns the run.
#[tokio::test]
#[ignore = "started and killed by the test below"]
async fn own_until_killed() {
    if !Path::new(CHILD_MARK).exists() {
        return;
    }
    let store = RunStore::create(Path::new("adding"), "[run]")
        .await
        .unwrap();
    store.record_samples(&batch(3, 4)).await.unwrap();
    println!("\nowned");
    loop {
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
}

#[tokio::test]
async fn a_second_process_may_read_and_not_write() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("adding");
    let mut child = child(directory.path(), "own_until_killed");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "owned"));

    for refused in [
        RunStore::open(&run).await.err(),
        RunStore::create(&run, "[run]").await.err(),
        RunStore::open_or_create(&run, "[run]").await.err(),
    ] {
        let message = refused.unwrap().to_string();
        assert!(message.contains("adding"), "{message}");
        assert!(
            message.contains(&format!("process {}", child.id())),
            "{message}"
        );
    }

    let reader = RunStore::open_reader(&run).await.unwrap();
    let sampler = SamplerId("student/1".into());
    let found = reader.samples(1, &sampler, Mode::Rationale).await.unwrap();
    assert_eq!(found, batch(3, 4));
    let refused = reader.record_samples(&batch(4, 1)).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::ReadOnly { .. }),
        "{refused:?}"
    );

    child.kill().unwrap();
    child.wait().unwrap();
    // The lock went with the process; the file that stays behind is in nobody's way.
    let store = RunStore::open(&run).await.unwrap();
    assert_eq!(store.record_samples(&batch(4, 1)).await.unwrap(), 1);
}

#[tokio::test]
async fn one_process_cannot_own_a_run_twice_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = RunStore::create(directory.path(), "[run]").await.unwrap();
    assert!(matches!(
        RunStore::open(directory.path()).await,
        Err(StoreError::Owned { .. })
    ));
    store.close().await;
    RunStore::open(directory.path()).await.unwrap();
}
