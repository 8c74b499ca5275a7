//! An outage of any kind is waited out with few calls, and no request is lost.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]
#![allow(clippy::print_stdout, reason = "a test prints its figures")]

mod support;

use std::time::{Duration, Instant};

use autodidact_core::Limits;
use autodidact_providers::ErrorClass;
use autodidact_testkit::{Act, End, Reply, Server, refused_url};
use futures::future::join_all;
use support::{answer, endpoint, limits, post, refusal, unlimited};

const OUTAGE: Duration = Duration::from_millis(2500);
const REQUESTS: usize = 40;

fn patient() -> Limits {
    Limits {
        first_byte_seconds: 0.5,
        ..limits(8, 12)
    }
}

/// Requests lost, calls during the outage, and seconds from its end to the last answer.
async fn ride_out(name: &str, fault: Act) -> (usize, usize, f64) {
    let start = Instant::now();
    let server = Server::start(move |received| {
        if received.at.duration_since(start) < OUTAGE {
            fault.clone()
        } else {
            answer()
        }
    })
    .await
    .unwrap();
    let (lost, recovery) = run(&server.url(), start).await;
    let during = server
        .received()
        .iter()
        .filter(|r| r.at - start < OUTAGE)
        .count();
    println!("{name}: lost {lost}, calls during the outage {during}, recovery {recovery:.1} s");
    (lost, during, recovery)
}

async fn run(url: &str, start: Instant) -> (usize, f64) {
    let endpoint = endpoint(&[url.to_owned()], &patient());
    let budget = unlimited();
    let results = join_all((0..REQUESTS).map(|_| post(&endpoint, &budget))).await;
    let lost = results.iter().filter(|result| result.is_err()).count();
    (lost, start.elapsed().as_secs_f64() - OUTAGE.as_secs_f64())
}

#[tokio::test]
async fn outages_of_every_kind_lose_nothing() {
    let cut = Act::Pieces {
        status: 200,
        headers: Vec::new(),
        pieces: vec![(Duration::ZERO, b"{".to_vec())],
        then: End::CutChunked,
    };
    let kinds = [
        ("500", Act::Answer(refusal(500, "", ""))),
        (
            "502 page",
            Act::Answer(Reply::new(502, "text/html", "<html>")),
        ),
        ("503", Act::Answer(refusal(503, "", ""))),
        ("529", Act::Answer(refusal(529, "overloaded_error", ""))),
        ("reset", Act::Reset),
        ("cut", cut),
        ("silence", Act::Silence),
    ];
    let outcomes = join_all(kinds.map(|(name, fault)| ride_out(name, fault))).await;
    assert!(outcomes.iter().all(|(lost, ..)| *lost == 0), "{outcomes:?}");
    let calls = outcomes.iter().map(|(_, calls, _)| *calls).max().unwrap();
    // Eight places, eight failures, and then one probe at a time.
    assert!(calls <= 24, "{calls} calls during an outage");
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_again() {
    let url = refused_url().await;
    let port = url.rsplit(':').next().unwrap().parse().unwrap();
    let start = Instant::now();
    let later = async {
        tokio::time::sleep(OUTAGE).await;
        Server::start_on(port, |_| answer()).await.unwrap()
    };
    let (server, (lost, recovery)) = tokio::join!(later, run(&url, start));
    println!("refused: lost {lost}, recovery {recovery:.1} s");
    assert_eq!(lost, 0);
    assert_eq!(server.count(), REQUESTS, "and nothing is sent twice");
}

#[tokio::test]
async fn an_outage_longer_than_the_longest_wait_is_given_up() {
    let server = Server::start(|_| Act::Answer(refusal(503, "", "")))
        .await
        .unwrap();
    let limits = Limits {
        longest_wait_seconds: 1.5,
        ..limits(8, 100)
    };
    let endpoint = endpoint(&[server.url()], &limits);
    let budget = unlimited();
    let start = Instant::now();
    let results = join_all((0..REQUESTS).map(|_| post(&endpoint, &budget))).await;
    let took = start.elapsed();
    println!("given up after {took:?} and {} calls", server.count());
    for result in results {
        assert_eq!(result.unwrap_err().class, ErrorClass::Unavailable);
    }
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(budget.committed().nano(), 0);
}
