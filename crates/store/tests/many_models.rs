//! Answers, opinions and money of models behind a network: recorded once, found again, and never
//! forgotten.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::collections::BTreeMap;

use autodidact_core::{
    Attribute, Completion, FinishReason, Mode, ProblemId, Sample, SampleKey, SamplerId, Scores,
    Usd, Weights,
};
use autodidact_store::{Entry, Provenance, RunStore, Scored, Spent, StoreError, Unanswered};

fn key(problem: &str, index: u32) -> SampleKey {
    SampleKey {
        iteration: 0,
        problem: ProblemId(problem.into()),
        sampler: SamplerId("claude".into()),
        mode: Mode::Rationale,
        index,
    }
}

fn answer(problem: &str, index: u32) -> Entry {
    let completion = Completion {
        text: format!("{problem} {index}"),
        finish: FinishReason::EndOfText,
        tokens: 3,
        logprob: 0.0,
    };
    let provenance = Provenance {
        provider: "anthropic".into(),
        model: "claude-x".into(),
        terms: "restricted".into(),
        cost: Some(Usd::from_nano(7)),
        ..Provenance::default()
    };
    let sample = Sample {
        key: key(problem, index),
        completion,
    };
    Entry::Answer(sample, provenance)
}

fn scores() -> Scores {
    let attributes: BTreeMap<_, _> = Attribute::ALL
        .into_iter()
        .zip([3.0, 2.0, 4.0, 1.0, 0.5])
        .collect();
    Scores::weighted(attributes, &Weights::default()).unwrap()
}

#[tokio::test]
async fn what_is_recorded_twice_is_there_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = RunStore::create(directory.path(), "").await.unwrap();
    let scored = Scored {
        key: key("a", 0),
        judge: "nemotron".into(),
        scores: Ok(scores()),
        cost: None,
    };
    let refused = Scored {
        judge: "other".into(),
        scores: Err("prose".into()),
        ..scored.clone()
    };
    let unanswered = Unanswered {
        key: key("b", 0),
        outcome: "filtered".into(),
        detail: "SAFETY".into(),
        cost: Some(Usd::from_nano(2)),
    };
    let entries = [
        answer("a", 0),
        answer("a", 1),
        Entry::NoAnswer(unanswered.clone()),
        Entry::Score(scored.clone()),
        Entry::Score(refused.clone()),
        Entry::Outcome {
            problem: ProblemId("a".into()),
            json: "{}".into(),
        },
    ];
    for _ in 0..2 {
        store.record_entries(&entries).await.unwrap();
    }
    let (a, b) = (ProblemId("a".into()), ProblemId("b".into()));
    let sampler = SamplerId("claude".into());
    let found = store
        .answers(0, &sampler, Mode::Rationale, &[&a, &b])
        .await
        .unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].1.as_ref().unwrap().cost, Some(Usd::from_nano(7)));
    let found = store
        .unanswered(0, &sampler, Mode::Rationale, &[&a, &b])
        .await
        .unwrap();
    assert_eq!(found, [unanswered]);
    let found = store
        .scores(0, &sampler, Mode::Rationale, &[&a])
        .await
        .unwrap();
    assert_eq!(found, [scored, refused]);
    assert_eq!(store.outcome_count().await.unwrap(), 1);
}

#[tokio::test]
async fn an_opinion_about_nothing_takes_its_whole_group_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = RunStore::create(directory.path(), "").await.unwrap();
    let stray = Entry::Score(Scored {
        key: key("nowhere", 0),
        judge: "nemotron".into(),
        scores: Ok(scores()),
        cost: None,
    });
    let error = store
        .record_entries(&[answer("a", 0), stray])
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::UnknownSample { .. }), "{error}");
    let sampler = SamplerId("claude".into());
    let a = ProblemId("a".into());
    let found = store
        .answers(0, &sampler, Mode::Rationale, &[&a])
        .await
        .unwrap();
    assert!(found.is_empty());
}

#[tokio::test]
async fn a_reservation_that_is_never_settled_stays_spent_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let store = RunStore::create(directory.path(), "").await.unwrap();
    let reserved = |ticket| Entry::Reserved {
        ticket,
        model: "claude".into(),
        amount: Usd::from_nano(100),
    };
    let settled = Entry::Settled {
        ticket: 1,
        model: "claude".into(),
        cost: Some(Usd::from_nano(30)),
    };
    store
        .record_entries(&[reserved(0), reserved(1), reserved(2)])
        .await
        .unwrap();
    store
        .record_entries(&[settled, Entry::Released { ticket: 2 }])
        .await
        .unwrap();
    store.close().await;
    let store = RunStore::open(directory.path()).await.unwrap();
    let expected = Spent {
        amount: Usd::from_nano(30),
        requests: 1,
        unpriced: 0,
        unsettled: Usd::from_nano(100),
    };
    assert_eq!(store.spending().await.unwrap()["claude"], expected);
    let open = store.reservations().await.unwrap();
    assert_eq!(open, [(0, "claude".to_owned(), Usd::from_nano(100))]);
}

#[tokio::test]
async fn batch_jobs_are_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = RunStore::create(directory.path(), "").await.unwrap();
    let keys = [key("a", 0), key("b", 0)];
    let id = store.plan_batch("claude", &keys, Some(4)).await.unwrap();
    store.close().await;
    let store = RunStore::open(directory.path()).await.unwrap();
    let open = store.open_batches("claude").await.unwrap();
    assert_eq!((open[0].job.clone(), open[0].ticket), (None, Some(4)));
    store.batch_submitted(id, "msgbatch_1").await.unwrap();
    let open = store.open_batches("claude").await.unwrap();
    assert_eq!(open[0].job.as_deref(), Some("msgbatch_1"));
    assert_eq!(open[0].keys, keys);
    store.batch_done(id).await.unwrap();
    assert!(store.open_batches("claude").await.unwrap().is_empty());
}
