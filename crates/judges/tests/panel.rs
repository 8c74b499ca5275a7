//! Several judges at once: who counts, who is left, and that they do not wait for each other.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "a failed test panics, and the numbers are copied, not computed"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use autodidact_core::{JudgeKind, JudgeSpec, ProviderKind, Scores, Usd};
use autodidact_judges::{Case, Judge, Opinion, Panel, Unscored};
use autodidact_providers::{Budget, ErrorClass, ProviderError, Purse};
use futures::future::BoxFuture;
use tokio::sync::Barrier;

type Say = dyn Fn(&str) -> Result<f64, Unscored> + Send + Sync;

struct Fixed {
    spec: JudgeSpec,
    say: Box<Say>,
    error: Option<ErrorClass>,
    barrier: Option<Arc<Barrier>>,
    asked: AtomicUsize,
}

impl Fixed {
    fn new(
        name: &str,
        say: impl Fn(&str) -> Result<f64, Unscored> + Send + Sync + 'static,
    ) -> Self {
        Self {
            spec: JudgeSpec {
                kind: Some(JudgeKind::Pooling),
                ..JudgeSpec::new(name, ProviderKind::Vllm, "m")
            },
            say: Box::new(say),
            error: None,
            barrier: None,
            asked: AtomicUsize::new(0),
        }
    }

    fn failing(name: &str, class: ErrorClass) -> Self {
        Self {
            error: Some(class),
            ..Self::new(name, |_| Ok(0.0))
        }
    }
}

impl Judge for Fixed {
    fn spec(&self) -> &JudgeSpec {
        &self.spec
    }

    fn most(&self, case: &Case) -> Option<Usd> {
        Some(Usd::from_nano(case.answers.len() as u64))
    }

    fn judge<'a>(
        &'a self,
        case: &'a Case,
        _purse: &'a dyn Purse,
    ) -> BoxFuture<'a, Result<Vec<Opinion>, ProviderError>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if let Some(barrier) = &self.barrier {
                barrier.wait().await;
            }
            if let Some(class) = self.error {
                return Err(ProviderError::new(&self.spec.name, class, "down"));
            }
            let opinion = |answer: &String| Opinion {
                scores: (self.say)(answer).and_then(|s| Ok(Scores::only_overall(s)?)),
                cost: Some(Usd::from_nano(1)),
            };
            Ok(case.answers.iter().map(opinion).collect())
        })
    }
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "it stands where a judge can refuse"
)]
fn length(answer: &str) -> Result<f64, Unscored> {
    Ok(answer.len() as f64)
}

fn short_only(answer: &str) -> Result<f64, Unscored> {
    match answer.len() {
        0..3 => Ok(100.0 + answer.len() as f64),
        tokens => Err(Unscored::TooLong {
            tokens: tokens as u64,
            context: 2,
        }),
    }
}

fn case(answers: &[&str]) -> Case {
    Case::new("q", answers.iter().map(ToString::to_string).collect())
}

fn purse() -> Budget {
    Budget::new(None, Usd::ZERO)
}

#[tokio::test]
async fn the_first_judge_counts_and_all_opinions_are_kept() {
    let panel = Panel::new(vec![
        Arc::new(Fixed::new("first", |a| Ok(-(a.len() as f64)))),
        Arc::new(Fixed::new("second", length)),
    ]);
    let case = case(&["a", "bb"]);
    let found = panel.judge(&case, &purse()).await;
    assert_eq!(found.counting().unwrap().judge, "first");
    assert_eq!(found.scores(1).unwrap().overall(), -2.0);
    assert_eq!(found.judges[1].scores(1).unwrap().overall(), 2.0);
    assert_eq!(found.cost().nano(), 4);
    assert_eq!(panel.most(&case), Some(Usd::from_nano(4)));
    assert!(found.check().is_ok());
}

#[tokio::test]
async fn a_judge_that_fails_leaves_the_case_to_the_next() {
    let panel = Panel::new(vec![
        Arc::new(Fixed::failing("down", ErrorClass::Timeout)),
        Arc::new(Fixed::new("prose", |_| {
            Err(Unscored::NotAReward("hi".into()))
        })),
        Arc::new(Fixed::new("works", length)),
    ]);
    let found = panel.judge(&case(&["a", "bb"]), &purse()).await;
    assert_eq!(found.counting().unwrap().judge, "works");
    assert_eq!(found.scores(0).unwrap().overall(), 1.0);
    assert!(found.judges[0].result.is_err());
}

#[tokio::test]
async fn scores_of_two_judges_are_never_ranked_together() {
    // The first judge cannot take the long answer; its scores are on another scale than the second's.
    let panel = Panel::new(vec![
        Arc::new(Fixed::new("short", short_only)),
        Arc::new(Fixed::new("any", length)),
    ]);
    let found = panel.judge(&case(&["a", "bb", "cccc"]), &purse()).await;
    assert_eq!(found.counting().unwrap().judge, "any");
    let overall: Vec<f64> = (0..3).map(|i| found.scores(i).unwrap().overall()).collect();
    assert_eq!(overall, [1.0, 2.0, 4.0]);
    assert_eq!(found.first(0).unwrap().0, "short");
    assert_eq!(found.first(2).unwrap().0, "any");
    assert!(found.first(9).is_none());
}

#[tokio::test]
async fn when_no_judge_is_left_each_says_why() {
    let panel = Panel::new(vec![
        Arc::new(Fixed::failing("down", ErrorClass::Timeout)),
        Arc::new(Fixed::new("short", short_only)),
    ]);
    let found = panel.judge(&case(&["long answer"]), &purse()).await;
    assert!(found.counting().is_none() && found.scores(0).is_none());
    let none_left = found.check().unwrap_err();
    assert_eq!(none_left.reasons.len(), 2);
    let text = none_left.to_string();
    assert!(
        text.contains("down: ") && text.contains("short: question and answer are about 11 tokens"),
        "{text}"
    );
    assert!(
        Panel::new(Vec::new())
            .judge(&case(&["a"]), &purse())
            .await
            .check()
            .is_err()
    );
}

#[tokio::test]
async fn judges_are_asked_at_the_same_time() {
    // Each waits for both others: one after the other they would wait for ever.
    let barrier = Arc::new(Barrier::new(3));
    let judge = |name| -> Arc<dyn Judge> {
        Arc::new(Fixed {
            barrier: Some(barrier.clone()),
            ..Fixed::new(name, length)
        })
    };
    let panel = Panel::new(vec![judge("a"), judge("b"), judge("c")]);
    let (case, purse) = (case(&["a"]), purse());
    let asked = panel.judge(&case, &purse);
    let found = tokio::time::timeout(std::time::Duration::from_secs(10), asked).await;
    assert_eq!(found.unwrap().judges.len(), 3);
}

#[tokio::test]
async fn a_wrong_key_is_tried_once_and_a_full_budget_again() {
    for (class, expected) in [
        (ErrorClass::Key, 1),
        (ErrorClass::NotFound, 1),
        (ErrorClass::Budget, 3),
        (ErrorClass::Timeout, 3),
    ] {
        let judge = Arc::new(Fixed::failing("down", class));
        let panel = Panel::new(vec![judge.clone()]);
        for _ in 0..3 {
            let found = panel.judge(&case(&["a"]), &purse()).await;
            assert_eq!(found.judges[0].result.as_ref().unwrap_err().class, class);
        }
        assert_eq!(judge.asked.load(Ordering::Relaxed), expected, "{class:?}");
    }
}

#[tokio::test]
async fn a_judge_that_keeps_failing_is_asked_now_and_then_while_another_works() {
    let down = Arc::new(Fixed::failing("down", ErrorClass::Timeout));
    let works = Arc::new(Fixed::new("works", length));
    let panel = Panel::new(vec![down.clone(), works.clone()]);
    for i in 1..=40 {
        let found = panel.judge(&case(&["a", &"b".repeat(i)]), &purse()).await;
        let error = found.judges[0].result.as_ref().unwrap_err();
        assert_eq!(error.class, ErrorClass::Timeout);
        assert_eq!(found.counting().unwrap().judge, "works");
    }
    // Twice in a row, then once in sixteen.
    assert_eq!(down.asked.load(Ordering::Relaxed), 4);
    assert_eq!(works.asked.load(Ordering::Relaxed), 40);
}

#[tokio::test]
async fn a_constant_judge_is_refused_and_the_next_counts() {
    let panel = Panel::new(vec![
        Arc::new(Fixed::new("constant", |_| Ok(1.0))),
        Arc::new(Fixed::new("works", length)),
    ]);
    let mut counted = Vec::new();
    for round in 0..4 {
        let answers = [1, 2, 3].map(|i| format!("answer {round} {}", "x".repeat(i)));
        let case = Case::new("q", answers.to_vec());
        let found = panel.judge(&case, &purse()).await;
        counted.push(found.counting().unwrap().judge.clone());
        if round == 3 {
            let opinions = found.judges[0].result.as_ref().unwrap();
            assert!(matches!(opinions[0].scores, Err(Unscored::Constant { .. })));
        }
    }
    assert_eq!(counted, ["constant", "constant", "works", "works"]);
}

#[tokio::test]
async fn a_judge_with_too_few_opinions_has_none() {
    struct Short(JudgeSpec);
    impl Judge for Short {
        fn spec(&self) -> &JudgeSpec {
            &self.0
        }
        fn most(&self, _: &Case) -> Option<Usd> {
            None
        }
        fn judge<'a>(
            &'a self,
            _: &'a Case,
            _: &'a dyn Purse,
        ) -> BoxFuture<'a, Result<Vec<Opinion>, ProviderError>> {
            Box::pin(std::future::ready(Ok(vec![Opinion::none(Unscored::Alone)])))
        }
    }
    let spec = JudgeSpec::new("short", ProviderKind::Vllm, "m");
    let panel = Panel::new(vec![Arc::new(Short(spec))]);
    let found = panel.judge(&case(&["a", "b"]), &purse()).await;
    let error = found.judges[0].result.as_ref().unwrap_err();
    assert_eq!(error.class, ErrorClass::Malformed);
    assert_eq!(panel.most(&case(&["a"])), None);
}
