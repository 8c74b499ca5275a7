//! What pages read: counts that triggers keep, also of journals from before there were any; and what
//! people leave for the process that owns a run.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::path::Path;

use autodidact_core::{
    Answer, Completion, FinishReason, Flag, HandMark, Mode, Problem, ProblemId, RefusalReason,
    Sample, SampleKey, SamplerId, Selection, Split, Verdict, Verification,
};
use autodidact_store::{
    Desk, ProblemFilter, Progress, ProgressState, Request, RunStore, SampleNumber, StoreError,
    Verified,
};
use proptest::prelude::*;
use sqlx::Connection;

fn problem(n: u32) -> Problem {
    Problem {
        id: ProblemId(format!("p{n}")),
        question: format!("{n} + {n}?"),
        gold: Some(Answer((2 * n).to_string())),
        choices: vec![],
        solution: None,
        split: if n < 6 { Split::Train } else { Split::Evaluate },
        meta: [("digits".to_owned(), (n % 3).to_string())].into(),
    }
}

/// Something that was written: who, in which loop, for which problem, and what became of it.
#[derive(Debug, Clone)]
struct Written {
    iteration: u32,
    sampler: &'static str,
    mode: Mode,
    problem: u32,
    index: u32,
    right: Option<bool>,
    kept: Option<bool>,
}

impl Written {
    fn key(&self) -> SampleKey {
        SampleKey {
            iteration: self.iteration,
            problem: ProblemId(format!("p{}", self.problem)),
            sampler: SamplerId(self.sampler.into()),
            mode: self.mode,
            index: self.index,
        }
    }
}

fn written() -> impl Strategy<Value = Written> {
    let samplers = ["base/few-shot", "student/1", "teacher/x", "control/direct"];
    (
        0_u32..3,
        proptest::sample::select(samplers.to_vec()),
        any::<bool>(),
        0_u32..8,
        0_u32..3,
        any::<Option<bool>>(),
        any::<Option<bool>>(),
    )
        .prop_map(
            |(iteration, sampler, hinted, problem, index, right, kept)| Written {
                iteration,
                sampler,
                mode: if hinted {
                    Mode::Rationalization
                } else {
                    Mode::Rationale
                },
                problem,
                index,
                right,
                kept: right.and(kept),
            },
        )
}

async fn record(store: &RunStore, all: &[Written]) {
    for one in all {
        let key = one.key();
        let sample = Sample {
            key: key.clone(),
            completion: Completion {
                text: "so it is".into(),
                finish: FinishReason::Stop,
                tokens: 3,
                logprob: -1.0,
            },
        };
        store.record_samples(&[sample]).await.unwrap();
        if let Some(right) = one.right {
            let verification = Verification {
                verdict: if right {
                    Verdict::Right
                } else {
                    Verdict::Wrong
                },
                extracted: None,
                how: "compared".into(),
                flags: vec![Flag::NoReasoning],
            };
            let verified = Verified {
                key: key.clone(),
                verification,
                false_step: None,
            };
            store.record_verifications(&[verified]).await.unwrap();
        }
        if let Some(kept) = one.kept {
            let selection = Selection {
                key,
                refused: (!kept).then_some(RefusalReason::Wrong),
                flags: vec![],
            };
            store.record_selections(&[selection]).await.unwrap();
        }
    }
}

/// Everything that is counted, as text.
async fn counts(store: &RunStore) -> String {
    let mut all = format!(
        "{:?}\n{:?}\n{:?}\n",
        store.sampler_tallies().await.unwrap(),
        store.level_tallies().await.unwrap(),
        store.author_solves().await.unwrap()
    );
    for split in [Split::Train, Split::Evaluate] {
        all += &format!("{:?}\n", store.filter_counts(split).await.unwrap());
        for filter in ProblemFilter::ALL {
            let rows = store.problem_rows(split, filter, 0, 100).await.unwrap();
            all += &format!("{rows:?}\n");
        }
    }
    let ids: Vec<ProblemId> = (0..8).map(|n| problem(n).id).collect();
    let ids: Vec<&ProblemId> = ids.iter().collect();
    all + &format!("{:?}\n", store.problem_askings(&ids).await.unwrap())
}

/// Makes a journal what it was before migration 4.
async fn make_older(directory: &Path) {
    let url = format!("sqlite://{}", directory.join("run.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let tables = [
        "sampler_tally",
        "problem_tally",
        "problem_history",
        "problem_meta",
        "level_tally",
        "solver",
        "hand_mark",
        "request",
        "progress",
    ];
    let triggers = [
        "problem_grouped",
        "sample_counted",
        "problem_asked",
        "problem_solved",
        "verdict_counted",
        "kept_counted",
    ];
    let mut statements: Vec<String> = triggers.map(|t| format!("DROP TRIGGER {t};")).into();
    statements.extend(tables.map(|t| format!("DROP TABLE {t};")));
    statements
        .push("DELETE FROM _sqlx_migrations WHERE version = 4; PRAGMA user_version = 3;".into());
    let script = statements.concat();
    sqlx::raw_sql(sqlx::AssertSqlSafe(script))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Triggers count what a full scan counts, and so do readers of journals without triggers.
    #[test]
    fn kept_counts_equal_full_scans(all in proptest::collection::vec(written(), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let store = RunStore::create(directory.path(), "").await.unwrap();
            store.record_problems(&(0..8).map(problem).collect::<Vec<_>>()).await.unwrap();
            record(&store, &all).await;
            let scanned = store.sample_counts().await.unwrap();
            let kept = store.sampler_tallies().await.unwrap();
            prop_assert_eq!(scanned.len(), kept.len());
            for (scan, tally) in scanned.iter().zip(&kept) {
                prop_assert_eq!(
                    (scan.samples, scan.problems, scan.tokens),
                    (tally.samples, tally.problems, tally.tokens)
                );
                let verdicts = store
                    .verdict_count(scan.iteration, &scan.sampler, scan.mode)
                    .await
                    .unwrap();
                prop_assert_eq!(
                    (verdicts.right, verdicts.wrong, verdicts.problems_right),
                    (tally.right, tally.wrong, tally.problems_right)
                );
            }
            let expected = counts(&store).await;
            store.close().await;
            make_older(directory.path()).await;
            let reader = RunStore::open_reader(directory.path()).await.unwrap();
            let (found, progress) = (counts(&reader).await, reader.progress().await.unwrap());
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(progress, None);
            reader.close().await;
            let migrated = RunStore::open(directory.path()).await.unwrap();
            prop_assert_eq!(&counts(&migrated).await, &expected);
            Ok(())
        })?;
    }
}

fn one(iteration: u32, mode: Mode, problem: u32, right: bool) -> Written {
    let sampler = if iteration == 1 {
        "base/few-shot"
    } else {
        "student/1"
    };
    Written {
        iteration,
        sampler,
        mode,
        problem,
        index: 0,
        right: Some(right),
        kept: None,
    }
}

#[tokio::test]
async fn problems_are_found_by_what_became_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let store = RunStore::create(directory.path(), "").await.unwrap();
    store
        .record_problems(&(0..8).map(problem).collect::<Vec<_>>())
        .await
        .unwrap();
    let plain = Mode::Rationale;
    record(
        &store,
        &[
            one(1, plain, 0, true),
            one(2, plain, 0, true),
            one(1, plain, 1, false),
            one(2, plain, 1, false),
            one(1, plain, 2, false),
            one(1, Mode::Rationalization, 2, true),
            one(1, plain, 3, true),
            one(2, plain, 3, false),
            one(1, plain, 4, false),
            one(2, plain, 4, true),
        ],
    )
    .await;
    let ids = async |filter| {
        let rows = store
            .problem_rows(Split::Train, filter, 0, 100)
            .await
            .unwrap();
        let ids: Vec<String> = rows.into_iter().map(|row| row.problem.id.0).collect();
        ids.join(" ")
    };
    assert_eq!(ids(ProblemFilter::All).await, "p0 p1 p2 p3 p4");
    assert_eq!(ids(ProblemFilter::NeverSolved).await, "p1");
    assert_eq!(ids(ProblemFilter::OnlyWithHint).await, "p2");
    assert_eq!(ids(ProblemFilter::Flipped).await, "p3 p4");
    assert_eq!(ids(ProblemFilter::Forgotten).await, "p3");
    assert_eq!(
        store.filter_counts(Split::Train).await.unwrap().0,
        [5, 1, 1, 2, 1]
    );
    let page = store
        .problem_rows(Split::Train, ProblemFilter::All, 2, 2)
        .await
        .unwrap();
    assert_eq!(
        page.iter().map(|row| row.number).collect::<Vec<_>>(),
        [3, 4]
    );
    let answers = store
        .problem_answers(&page[1].problem.id, 0, 10)
        .await
        .unwrap();
    assert_eq!(
        answers
            .iter()
            .map(|a| a.sample.key.iteration)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(
        store
            .problem_answer_count(&page[1].problem.id)
            .await
            .unwrap(),
        2
    );
}

#[tokio::test]
async fn requests_and_marks_are_left_beside_the_owner() {
    let directory = tempfile::tempdir().unwrap();
    let store = RunStore::create(directory.path(), "").await.unwrap();
    store.record_problems(&[problem(0)]).await.unwrap();
    record(&store, &[one(1, Mode::Rationale, 0, true)]).await;
    let desk = Desk::open(directory.path()).await.unwrap();
    desk.ask(Request::Pause).await.unwrap();
    let before = store.last_request().await.unwrap();
    assert_eq!(store.request_after(before).await.unwrap(), None);
    desk.ask(Request::Resume).await.unwrap();
    desk.ask(Request::Stop).await.unwrap();
    let (last, request) = store.request_after(before).await.unwrap().unwrap();
    assert_eq!((last, request), (before + 2, Request::Stop));

    let number = store
        .problem_answers(&ProblemId("p0".into()), 0, 1)
        .await
        .unwrap()[0]
        .number;
    assert!(desk.mark(number, Some(HandMark::Good)).await.unwrap());
    assert!(desk.mark(number, Some(HandMark::Bad)).await.unwrap());
    assert!(
        !desk
            .mark(SampleNumber(99), Some(HandMark::Bad))
            .await
            .unwrap()
    );
    let marks = store.hand_marks().await.unwrap();
    assert_eq!(marks.len(), 1);
    assert_eq!(
        (marks[0].mark, marks[0].sample.key.iteration),
        (HandMark::Bad, 1)
    );
    let entry = store.answer_entry(number).await.unwrap().unwrap();
    assert_eq!(entry.mark, Some(HandMark::Bad));
    assert_eq!(
        entry.verified.unwrap().verification.flags,
        [Flag::NoReasoning]
    );
    assert!(desk.mark(number, None).await.unwrap());
    assert!(store.hand_marks().await.unwrap().is_empty());
    assert!(
        store
            .answer_entry(SampleNumber(99))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_desk_brings_an_older_journal_up_to_date_unless_somebody_owns_it() {
    let directory = tempfile::tempdir().unwrap();
    RunStore::create(directory.path(), "")
        .await
        .unwrap()
        .close()
        .await;
    make_older(directory.path()).await;
    let reader = RunStore::open_reader(directory.path()).await.unwrap();
    assert!(!reader.is_outgrown().await.unwrap());
    let desk = Desk::open(directory.path()).await.unwrap();
    assert!(reader.is_outgrown().await.unwrap());
    desk.ask(Request::Pause).await.unwrap();
    desk.close().await;
    let owner = RunStore::open(directory.path()).await.unwrap();
    assert_eq!(owner.last_request().await.unwrap(), 1);
    make_older(directory.path()).await;
    let error = Desk::open(directory.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::Owned { .. }), "{error}");
}

#[tokio::test]
async fn progress_is_the_last_that_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let store = RunStore::create(directory.path(), "").await.unwrap();
    assert_eq!(store.progress().await.unwrap(), None);
    let mut progress = Progress {
        state: ProgressState::Running,
        iteration: 1,
        title: "sampling".into(),
        done: 30,
        total: 90,
        made: 20,
        tokens: 400,
        seconds: 10.0,
        loss: None,
        heard: 0.0,
    };
    store.record_progress(&progress).await.unwrap();
    progress.state = ProgressState::Paused;
    progress.loss = Some(0.5);
    store.record_progress(&progress).await.unwrap();
    let found = store.progress().await.unwrap().unwrap();
    assert!(found.heard > 1e9 && found.is_working());
    assert_eq!(found.seconds_left(), Some(30.0));
    assert!((found.tokens_per_second() - 40.0).abs() < 1e-9);
    assert_eq!(
        Progress {
            heard: 0.0,
            ..found
        },
        progress
    );
    progress.loss = Some(f64::NAN);
    let error = store.record_progress(&progress).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFinite { .. }), "{error}");
}
