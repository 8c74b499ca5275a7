//! What a `record_…` call returned from is there after the process was killed at any moment.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use autodidact_core::{Mode, Sample, SamplerId};
use autodidact_store::RunStore;
use common::{CHILD_MARK, batch, child};

/// Answers in one transaction.
const BATCH: u32 = 8;
/// Kills; each child goes on with the run its predecessor left.
const ROUNDS: u32 = 12;

/// Not a test: the process that is killed. Says what it has recorded, after it has.
#[tokio::test]
#[ignore = "started and killed by the test below"]
async fn record_until_killed() {
    if !Path::new(CHILD_MARK).exists() {
        return;
    }
    let opened = RunStore::open_or_create(Path::new("run"), "[run]")
        .await
        .unwrap();
    for problem in 0.. {
        opened
            .store
            .record_samples(&batch(problem, BATCH))
            .await
            .unwrap();
        println!("\nrecorded {problem}");
    }
}

async fn recorded(run: &Path) -> Vec<Sample> {
    // Read the way `status` does it: right after the kill, before any writer has recovered.
    let store = RunStore::open_reader(run).await.unwrap();
    let sampler = SamplerId("student/1".into());
    store.samples(1, &sampler, Mode::Rationale).await.unwrap()
}

#[tokio::test]
async fn killed_at_any_moment_nothing_acknowledged_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let mut child = child(directory.path(), "record_until_killed");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let problem_of =
            |line: String| -> Option<u32> { line.strip_prefix("recorded ")?.trim().parse().ok() };
        // Every round gets further than the one before, then dies at another point of a write.
        for line in lines.by_ref() {
            let Some(problem) = problem_of(line.unwrap()) else {
                continue;
            };
            acknowledged = acknowledged.max(problem + 1);
            if problem >= 10 * (round + 1) {
                break;
            }
        }
        std::thread::sleep(Duration::from_micros(u64::from(round) * 317));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still said before it died counts as well.
        for problem in lines.filter_map(|line| problem_of(line.ok()?)) {
            acknowledged = acknowledged.max(problem + 1);
        }

        let found = recorded(&run).await;
        assert_eq!(
            found.len() as u32 % BATCH,
            0,
            "a transaction was cut in two"
        );
        let problems = found.len() as u32 / BATCH;
        assert!(problems >= acknowledged, "{problems} < {acknowledged}");
        let expected: Vec<Sample> = (0..problems).flat_map(|p| batch(p, BATCH)).collect();
        assert!(
            found == expected,
            "a recorded answer is not what was recorded"
        );
    }
    assert!(acknowledged > 10 * ROUNDS);

    let store = RunStore::open(&run).await.unwrap();
    for problem in 0..acknowledged {
        let inserted = store.record_samples(&batch(problem, BATCH)).await.unwrap();
        assert_eq!(inserted, 0, "problem {problem} was recorded twice");
    }
}
