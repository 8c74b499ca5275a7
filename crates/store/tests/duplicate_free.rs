//! Recording the same thing twice changes nothing, and the first recording is the one that stays.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;

use autodidact_core::{Mode, RefusalReason, Sample, SamplerId, Selection, Verdict, Verification};
use autodidact_store::{RunStore, Verified};
use common::{batch, key, sample};
use proptest::prelude::*;

fn verified(problem: u32, verdict: Verdict) -> Verified {
    Verified {
        key: key(problem, 0),
        verification: Verification {
            verdict,
            extracted: Some("5".into()),
            how: "equal as numbers".into(),
            flags: Vec::new(),
        },
        false_step: None,
    }
}

proptest! {
    // Each case is a database that really goes to the disk.
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_recordings_with_repeats_keeps_the_first_of_each(
        batches in prop::collection::vec(
            prop::collection::vec((0u32..6, 0u32..3, 0u32..1000), 0..8),
            1..8,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let store = RunStore::create(directory.path(), "").await.unwrap();
            let mut first: BTreeMap<_, Sample> = BTreeMap::new();
            for batch in &batches {
                let before = first.len();
                let mut samples = Vec::new();
                for &(problem, index, text) in batch {
                    let mut sample = sample(problem, index);
                    sample.completion.text = text.to_string();
                    first.entry((problem, index)).or_insert_with(|| sample.clone());
                    samples.push(sample);
                }
                let inserted = store.record_samples(&samples).await.unwrap();
                assert_eq!(inserted as usize, first.len() - before);
            }
            let sampler = SamplerId("student/1".into());
            let found = store.samples(1, &sampler, Mode::Rationale).await.unwrap();
            assert_eq!(found, first.into_values().collect::<Vec<_>>());
        });
    }
}

#[tokio::test]
async fn every_kind_of_row_is_recorded_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = RunStore::create(directory.path(), "").await.unwrap();
    assert_eq!(store.record_samples(&batch(1, 1)).await.unwrap(), 1);

    let right = [verified(1, Verdict::Right)];
    let wrong = [verified(1, Verdict::Wrong)];
    assert_eq!(store.record_verifications(&right).await.unwrap(), 1);
    assert_eq!(store.record_verifications(&wrong).await.unwrap(), 0);
    let sampler = SamplerId("student/1".into());
    let found = store.verifications(1, &sampler, Mode::Rationale).await;
    assert_eq!(found.unwrap(), right);

    let decision = |refused| {
        [Selection {
            key: key(1, 0),
            refused,
            flags: Vec::new(),
        }]
    };
    let kept = decision(None);
    let refused = decision(Some(RefusalReason::OverCap));
    assert_eq!(store.record_selections(&kept).await.unwrap(), 1);
    assert_eq!(store.record_selections(&refused).await.unwrap(), 0);
    assert_eq!(store.selections(1).await.unwrap(), kept);

    assert!(store.finish_stage(1, "train", "first").await.unwrap());
    assert!(!store.finish_stage(1, "train", "second").await.unwrap());
    let result: Option<String> = store.stage(1, "train").await.unwrap();
    assert_eq!(result.as_deref(), Some("first"));

    let losses = |first, values| {
        let store = &store;
        async move { store.record_losses(1, "student", first, values).await }
    };
    assert_eq!(losses(0, &[3.0, 2.0]).await.unwrap(), 2);
    // A training that goes on from the checkpoint at step 1.
    assert_eq!(losses(1, &[2.5, 1.0]).await.unwrap(), 1);
    assert_eq!(store.losses(1, "student").await.unwrap(), [3.0, 2.0, 1.0]);
}
