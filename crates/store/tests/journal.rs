//! What goes into the journal comes out of it, in a fixed order.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use autodidact_core::{
    Answer, Flag, Mode, Problem, ProblemId, RefusalReason, SamplerId, Selection, Split, Verdict,
    Verification,
};
use autodidact_store::{RunStore, StoreError, VerdictCount, Verified, atomic_write};
use common::{key, sample};

async fn new_run() -> (tempfile::TempDir, RunStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = RunStore::create(&directory.path().join("runs/a"), "[run]\nname = \"a\"\n")
        .await
        .unwrap();
    (directory, store)
}

#[tokio::test]
async fn answers_come_back_by_problem_and_index_and_nothing_else_does() {
    let (_directory, store) = new_run().await;
    let mut other = sample(1, 0);
    other.key.mode = Mode::Rationalization;
    let shuffled = [
        sample(2, 1),
        sample(1, 10),
        sample(2, 0),
        sample(1, 9),
        other,
    ];
    assert_eq!(store.record_samples(&shuffled).await.unwrap(), 5);
    let sampler = SamplerId("student/1".into());
    let found = store.samples(1, &sampler, Mode::Rationale).await.unwrap();
    assert_eq!(
        found,
        [sample(1, 9), sample(1, 10), sample(2, 0), sample(2, 1)]
    );
    assert!(
        store
            .samples(2, &sampler, Mode::Rationale)
            .await
            .unwrap()
            .is_empty()
    );
    let counts = store.sample_counts().await.unwrap();
    assert_eq!(counts.len(), 2);
    assert_eq!((counts[0].samples, counts[0].problems), (4, 2));
}

#[tokio::test]
async fn verdicts_keep_their_evidence() {
    let (_directory, store) = new_run().await;
    let samples = [sample(1, 0), sample(1, 1), sample(2, 0)];
    store.record_samples(&samples).await.unwrap();
    let verified: Vec<Verified> = [
        (key(1, 0), Verdict::Right, Some("2 + 2 = 5")),
        (key(1, 1), Verdict::Wrong, None),
        (
            key(2, 0),
            Verdict::CannotTell("no answer stated".into()),
            None,
        ),
    ]
    .into_iter()
    .map(|(key, verdict, step)| Verified {
        key,
        verification: Verification {
            verdict,
            extracted: step.map(|_| "4".into()),
            how: "compared as integers".into(),
            flags: flags(step),
        },
        false_step: step.map(str::to_owned),
    })
    .collect();
    assert_eq!(store.record_verifications(&verified).await.unwrap(), 3);
    let sampler = SamplerId("student/1".into());
    let found = store.verifications(1, &sampler, Mode::Rationale).await;
    assert_eq!(found.unwrap(), verified);
    let one = store.verification(&key(2, 0)).await.unwrap();
    assert_eq!(one.as_ref(), verified.last());
    let count = store.verdict_count(1, &sampler, Mode::Rationale).await;
    assert_eq!(
        count.unwrap(),
        VerdictCount {
            right: 1,
            wrong: 1,
            cannot_tell: 1,
            problems_right: 1
        }
    );
}

fn flags(step: Option<&str>) -> Vec<Flag> {
    let equation = |text: &str| Flag::FalseEquation { text: text.into() };
    step.map(equation).into_iter().collect()
}

#[tokio::test]
async fn every_refusal_reason_survives() {
    use RefusalReason as R;
    let (_directory, store) = new_run().await;
    let reasons = [
        R::Wrong,
        R::CannotTell,
        R::Truncated,
        R::Duplicate,
        R::OverCap,
        R::HintLeak,
        R::WrongStep,
        R::NoReasoning,
        R::HintText,
        R::AnswerBeforeDerivation,
        R::FalseEquation,
        R::ExtractorsDisagree,
        R::DuplicateReasoning,
    ];
    let selections: Vec<Selection> = std::iter::once(None)
        .chain(reasons.map(Some))
        .zip(0..)
        .map(|(refused, index)| Selection {
            key: key(1, index),
            refused,
            flags: match refused {
                Some(R::DuplicateReasoning) => vec![Flag::DuplicateReasoning { of: key(1, 0) }],
                _ => Vec::new(),
            },
        })
        .collect();
    let unknown = store.record_selections(&selections).await.unwrap_err();
    assert!(matches!(unknown, StoreError::UnknownSample { .. }));
    store.record_samples(&common::batch(1, 14)).await.unwrap();
    assert_eq!(store.record_selections(&selections).await.unwrap(), 14);
    assert_eq!(store.selections(1).await.unwrap(), selections);
    assert_eq!(store.refusals(1).await.unwrap().len(), reasons.len());
}

#[tokio::test]
async fn stages_and_their_time_survive_a_restart() {
    let (directory, store) = new_run().await;
    store.add_seconds(1, "sample", 1.5).await.unwrap();
    assert_eq!(store.stage::<u32>(1, "sample").await.unwrap(), None);
    store.close().await;
    let run = directory.path().join("runs/a");
    let store = RunStore::open(&run).await.unwrap();
    assert_eq!(store.spec().await.unwrap(), "[run]\nname = \"a\"\n");
    store.add_seconds(1, "sample", 2.0).await.unwrap();
    assert!((store.stage_seconds(1, "sample").await.unwrap() - 3.5).abs() < 1e-9);
    store.finish_stage(1, "sample", &[1, 2]).await.unwrap();
    store.finish_stage(0, "evaluate", &7).await.unwrap();
    let result = store.stage::<Vec<u32>>(1, "sample").await.unwrap();
    assert_eq!(result, Some(vec![1, 2]));
    let finished = store.finished_stages().await.unwrap();
    let names: Vec<_> = finished.iter().map(|s| (s.iteration, &*s.stage)).collect();
    assert_eq!(names, [(0, "evaluate"), (1, "sample")]);
    assert!((finished[1].seconds - 3.5).abs() < 1e-9);
    let refused = store.add_seconds(1, "sample", -1.0).await;
    assert!(matches!(refused, Err(StoreError::Negative { .. })));
}

#[tokio::test]
async fn problems_keep_their_order_and_numbers_must_be_numbers() {
    let (_directory, store) = new_run().await;
    let problem = |id: &str, split| Problem {
        id: ProblemId(id.into()),
        question: "2 + 2?".into(),
        gold: Some(Answer("4".into())),
        choices: Vec::new(),
        solution: None,
        split,
        meta: [("digits".to_owned(), "1".to_owned())].into(),
    };
    let problems = [
        problem("z", Split::Train),
        problem("a", Split::Train),
        problem("e", Split::Evaluate),
    ];
    assert_eq!(store.record_problems(&problems).await.unwrap(), 3);
    assert_eq!(store.record_problems(&problems).await.unwrap(), 0);
    assert_eq!(store.problems(Split::Train).await.unwrap(), problems[..2]);
    let one = store.problem(&ProblemId("e".into())).await.unwrap();
    assert_eq!(one.as_ref(), problems.last());

    let mut bad = sample(1, 1);
    bad.completion.logprob = f64::NAN;
    let refused = store.record_samples(&[sample(1, 0), bad]).await;
    assert!(matches!(refused, Err(StoreError::NotFinite { .. })));
    assert!(store.sample_counts().await.unwrap().is_empty());
    let refused = store
        .record_losses(1, "student", 0, &[1.0, f32::INFINITY])
        .await;
    assert!(matches!(refused, Err(StoreError::NotFinite { .. })));
    assert!(store.losses(1, "student").await.unwrap().is_empty());
}

#[test]
fn atomic_write_replaces_whole_files_and_leaves_nothing_beside_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("adapters/1/adapter_config.json");
    atomic_write(&path, b"old and longer").unwrap();
    atomic_write(&path, b"new").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
    let parent = path.parent().unwrap();
    assert_eq!(std::fs::read_dir(parent).unwrap().count(), 1);
    // A directory in the way: the error names it, and the temporary file is gone again.
    std::fs::create_dir(parent.join("taken")).unwrap();
    let error = atomic_write(&parent.join("taken"), b"x").unwrap_err();
    assert!(error.to_string().contains("taken"), "{error}");
    assert_eq!(std::fs::read_dir(parent).unwrap().count(), 2);
}
