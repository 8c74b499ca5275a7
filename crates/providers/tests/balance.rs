//! Several servers of one model share the load, and a dead one takes little of it.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use std::time::{Duration, Instant};

use autodidact_providers::ErrorClass;
use autodidact_testkit::{Act, Reply, Server, refused_url};
use futures::future::join_all;
use serde_json::json;
use support::{endpoint, limits, post, unlimited};

fn after(milliseconds: u64) -> Act {
    let reply = Reply::json(200, &json!({"choices": []}));
    Act::Answer(reply.after(Duration::from_millis(milliseconds)))
}

/// A server with a thread of its own.
async fn apart(milliseconds: u64) -> Server {
    tokio::task::spawn_blocking(move || Server::start_in_thread(move |_| after(milliseconds)))
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn live_servers_share_the_load_and_a_dead_one_loses_nothing() {
    let fast = Server::start(|_| after(10)).await.unwrap();
    let slow = Server::start(|_| after(30)).await.unwrap();
    let urls = [refused_url().await, fast.url(), slow.url()];
    let endpoint = endpoint(&urls, &limits(30, 6));
    let budget = unlimited();
    let results = join_all((0..600).map(|_| post(&endpoint, &budget))).await;
    let lost = results.iter().filter(|result| result.is_err()).count();
    let statistics = endpoint.statistics();
    let dead = statistics.errors[&ErrorClass::Network];
    let (fast_count, slow_count) = (fast.count(), slow.count());
    println!("fast {fast_count}, slow {slow_count}, attempts at the dead one {dead}, lost {lost}");
    assert_eq!((lost, fast_count + slow_count), (0, 600));
    assert!(
        fast_count > slow_count && slow_count > 100,
        "by how busy they are"
    );
    assert!(dead <= 12, "{dead} attempts at the dead one");
    assert_eq!(statistics.requests, 600);
    assert_eq!(statistics.answered, 600);
    assert_eq!(statistics.attempts, 600 + dead);
    assert_eq!((statistics.retries, statistics.in_flight), (dead, 0));
    let peak = fast.in_flight_peak().max(slow.in_flight_peak());
    assert!(peak <= 30 && statistics.peak_in_flight <= 30, "{peak}");
    assert!(statistics.peak_in_flight >= 29, "and all places are used");
}

#[tokio::test]
async fn a_pause_of_one_server_leaves_the_others_to_work() {
    let asked = Server::start(|_| {
        let reply = support::refusal(429, "", "").header("retry-after", "60");
        Act::Answer(reply)
    })
    .await
    .unwrap();
    let other = Server::start(|_| after(1)).await.unwrap();
    let endpoint = endpoint(&[asked.url(), other.url()], &limits(4, 3));
    let budget = unlimited();
    let start = Instant::now();
    let results = join_all((0..50).map(|_| post(&endpoint, &budget))).await;
    assert!(results.iter().all(Result::is_ok));
    assert!(start.elapsed() < Duration::from_secs(2), "nobody waits");
    assert!(
        asked.count() <= 2,
        "{} before the pause was known",
        asked.count()
    );
}

#[tokio::test]
#[ignore = "needs 4,100 open files: ulimit -n 8192"]
async fn two_thousand_requests_are_under_way_at_once_on_one_core() {
    const COUNT: u32 = 2_000;
    let server = apart(1500).await;
    let endpoint = endpoint(&[server.url()], &limits(COUNT, 1));
    let budget = unlimited();
    let start = Instant::now();
    let results = join_all((0..COUNT).map(|_| post(&endpoint, &budget))).await;
    let peak = server.in_flight_peak();
    println!("{peak} at once, all answered after {:?}", start.elapsed());
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(peak, COUNT as usize);
}

/// Seconds that the calling thread has spent on a processor.
fn busy() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds: f64 = text.split(' ').next().unwrap().parse().unwrap();
    nanoseconds / 1e9
}

#[tokio::test]
#[ignore = "a measurement, for a machine that does nothing else"]
async fn a_request_takes_less_than_0_3_ms_of_the_processor() {
    const COUNT: usize = 5_000;
    let server = apart(0).await;
    for concurrency in [1, 64] {
        let endpoint = endpoint(&[server.url()], &limits(concurrency, 1));
        let budget = unlimited();
        post(&endpoint, &budget).await.unwrap();
        let (start, before) = (Instant::now(), busy());
        let results = join_all((0..COUNT).map(|_| post(&endpoint, &budget))).await;
        assert!(results.iter().all(Result::is_ok));
        let each = (busy() - before) / COUNT as f64 * 1e3;
        let rate = COUNT as f64 / start.elapsed().as_secs_f64();
        println!("{concurrency} at once: {each:.4} ms a request, {rate:.0} requests a second");
        assert!(each < 0.3, "{each} ms");
    }
}
