//! What is charged never passes the budget, however many requests are under way.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use autodidact_core::Usd;
use autodidact_providers::{Budget, ErrorClass, Purse};
use autodidact_testkit::{Act, End, Server};
use futures::future::join_all;
use support::{MOST, answer, endpoint, limits, post, refusal, unlimited};

/// Of what a request may cost at most, what it does cost.
const COST: Usd = Usd::from_nano(600);
const LIMIT: Usd = Usd::from_nano(150_000);

fn cut() -> Act {
    Act::Pieces {
        status: 200,
        headers: Vec::new(),
        pieces: vec![(Duration::ZERO, b"{\"half\":".to_vec())],
        then: End::CutChunked,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_at_once_never_overspend() {
    let charged = Arc::new(AtomicU64::new(0));
    let charging = Arc::clone(&charged);
    let server = Server::start(move |received| match received.number % 10 {
        3 => Act::Answer(refusal(500, "", "")),
        6 => Act::Answer(refusal(429, "", "").header("retry-after-ms", "20")),
        // Charged in full, though nothing of use arrives.
        9 => {
            charging.fetch_add(MOST.nano(), Ordering::Relaxed);
            cut()
        }
        _ => {
            charging.fetch_add(COST.nano(), Ordering::Relaxed);
            answer()
        }
    })
    .await
    .unwrap();
    let endpoint = endpoint(&[server.url()], &limits(64, 6));
    let budget = Budget::new(Some(LIMIT), Usd::ZERO);
    let requests = (0..600).map(|_| async {
        let paid = post(&endpoint, &budget).await?;
        budget.settle(paid.ticket, Some(COST)).await;
        Ok::<(), autodidact_providers::ProviderError>(())
    });
    let results = join_all(requests).await;
    let answered = results.iter().filter(|result| result.is_ok()).count();
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!(error.class, ErrorClass::Budget, "{error}");
    }
    let charged = Usd::from_nano(charged.load(Ordering::Relaxed));
    let overspend = charged.saturating_sub(LIMIT);
    println!(
        "charged {} of {} nano-dollars, counted {}, answered {answered}, overspend {}",
        charged.nano(),
        LIMIT.nano(),
        budget.committed().nano(),
        overspend.nano()
    );
    assert_eq!(overspend, Usd::ZERO);
    assert_eq!(
        budget.committed(),
        charged,
        "every nano-dollar is accounted for"
    );
    let left = LIMIT.saturating_sub(charged);
    assert!(
        left < MOST.half() + MOST,
        "and the budget is used: {left} left"
    );
}

#[tokio::test]
async fn nothing_is_sent_that_the_budget_does_not_hold() {
    let server = Server::start(|_| answer()).await.unwrap();
    let endpoint = endpoint(&[server.url()], &limits(1, 6));
    let request = support::request("/chat");
    for (budget, most, class) in [
        (
            Budget::new(Some(Usd::from_nano(999)), Usd::ZERO),
            Some(MOST),
            ErrorClass::Budget,
        ),
        (
            Budget::new(Some(MOST), Usd::from_nano(1)),
            Some(MOST),
            ErrorClass::Budget,
        ),
        (
            Budget::new(Some(LIMIT), Usd::ZERO),
            None,
            ErrorClass::Declaration,
        ),
    ] {
        let spent = budget.committed();
        let error = endpoint.post(&request, most, &budget).await.unwrap_err();
        assert_eq!(error.class, class);
        assert_eq!(budget.committed(), spent);
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_request_dropped_under_way_stays_spent_and_one_dropped_before_does_not() {
    let server = Server::start(|_| Act::Silence).await.unwrap();
    let endpoint = endpoint(&[server.url()], &limits(1, 1));
    let (sent, waiting) = (unlimited(), unlimited());
    let quarter = Duration::from_millis(250);
    let both = async { tokio::join!(post(&endpoint, &sent), post(&endpoint, &waiting)) };
    assert!(tokio::time::timeout(quarter, both).await.is_err());
    assert_eq!(server.count(), 1);
    assert_eq!((sent.committed(), waiting.committed()), (MOST, Usd::ZERO));
    assert_eq!(endpoint.statistics().in_flight, 0);
}
