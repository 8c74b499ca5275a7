//! A server that asks for a pause gets it, and limits per minute hold in every window.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use autodidact_core::Limits;
use autodidact_providers::{ErrorClass, WireRequest};
use autodidact_testkit::{Act, Reply, Server};
use futures::future::join_all;
use serde_json::json;
use support::{MOST, answer, endpoint, limits, post, refusal, request, unlimited};

const REQUESTS: usize = 12;

/// How a pause is said, and how long it is; `None`: nothing that can be waited for.
type Form = (&'static str, fn(SystemTime) -> Reply, Option<Duration>);

fn too_many() -> Reply {
    refusal(429, "requests", "rate_limit_exceeded")
}

fn date(now: SystemTime) -> String {
    httpdate::fmt_http_date(now + Duration::from_secs(2))
}

const FORMS: [Form; 11] = [
    (
        "seconds",
        |_| too_many().header("retry-after", "1"),
        Some(Duration::from_secs(1)),
    ),
    (
        "decimal",
        |_| too_many().header("retry-after", "0.4"),
        Some(Duration::from_millis(400)),
    ),
    // A date has no fractions: at least one of the two seconds is left.
    (
        "date",
        |now| too_many().header("retry-after", date(now)),
        Some(Duration::from_secs(1)),
    ),
    (
        "milliseconds",
        |_| too_many().header("retry-after-ms", "450"),
        Some(Duration::from_millis(450)),
    ),
    (
        "OpenAI reset",
        |_| {
            too_many()
                .header("x-ratelimit-remaining-requests", "0")
                .header("x-ratelimit-reset-requests", "550ms")
        },
        Some(Duration::from_millis(550)),
    ),
    (
        "Anthropic reset",
        |now| {
            let reset = humantime::format_rfc3339_millis(now + Duration::from_millis(700));
            too_many()
                .header("anthropic-ratelimit-tokens-remaining", "0")
                .header("anthropic-ratelimit-tokens-reset", reset.to_string())
        },
        Some(Duration::from_millis(690)),
    ),
    (
        "Gemini body",
        |_| {
            let info =
                json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.6s"});
            let error = json!({"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED", "details": [info]});
            Reply::json(429, &json!({"error": error}))
        },
        Some(Duration::from_millis(600)),
    ),
    (
        "503 with seconds",
        |_| refusal(503, "server_error", "").header("retry-after", "1"),
        Some(Duration::from_secs(1)),
    ),
    ("negative", |_| too_many().header("retry-after", "-3"), None),
    ("absent", |_| too_many(), None),
    (
        "absurd",
        |_| too_many().header("retry-after", "1000000000"),
        Some(Duration::from_secs(1_000_000_000)),
    ),
];

/// Requests that arrived during the pause, and how long after its end the first one came.
async fn early((name, reply, pause): Form) -> (usize, Duration) {
    let told = Arc::new(Mutex::new(None));
    let telling = Arc::clone(&told);
    let server = Server::start(move |received| {
        if received.number == 0 {
            *telling.lock().unwrap() = Some(Instant::now());
            Act::Answer(reply(SystemTime::now()))
        } else {
            answer()
        }
    })
    .await
    .unwrap();
    let endpoint = endpoint(&[server.url()], &limits(4, 6));
    let budget = unlimited();
    let first = post(&endpoint, &budget);
    let others = async {
        while told.lock().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        join_all((1..REQUESTS).map(|_| post(&endpoint, &budget))).await
    };
    let (first, mut results) = tokio::join!(first, others);
    results.push(first);
    let told = told.lock().unwrap().unwrap();
    let Some(pause) = pause else {
        assert!(results.iter().all(Result::is_ok), "{name}");
        return (0, Duration::ZERO);
    };
    if pause > Duration::from_mins(5) {
        for result in results {
            let error = result.unwrap_err();
            assert_eq!(error.class, ErrorClass::RateLimit, "{name}: {error}");
            assert!(error.retry_after.unwrap() + Duration::from_secs(5) > pause);
        }
        return (server.count() - 1, Duration::ZERO);
    }
    assert!(results.iter().all(Result::is_ok), "{name}");
    let received = server.received();
    let end = told + pause;
    let early = received[1..].iter().filter(|r| r.at < end).count();
    let first = received[1..].iter().map(|r| r.at).min().unwrap();
    (early, first.saturating_duration_since(end))
}

#[tokio::test]
async fn no_request_is_sent_before_the_pause_is_over() {
    let found = join_all(FORMS.map(early)).await;
    let mut total = 0;
    for ((name, ..), (early, overshoot)) in FORMS.iter().zip(&found) {
        println!("{name}: early requests {early}, overshoot {overshoot:?}");
        total += early;
    }
    println!("early requests: {total} over {} forms", FORMS.len());
    assert_eq!(total, 0);
}

#[tokio::test]
async fn requests_and_tokens_hold_in_every_window_as_the_server_sees_it() {
    let window = Duration::from_secs(1);
    let server = Server::start(|_| answer()).await.unwrap();
    let limits = Limits {
        requests_per_minute: Some(10),
        tokens_per_minute: Some(150),
        ..limits(32, 1)
    };
    let endpoint = endpoint(&[server.url()], &limits).with_window(window);
    let budget = unlimited();
    let (small, large) = (request("/10"), of_tokens(40));
    let asked = (0..60).map(|n| {
        let request = if n % 6 == 0 { &large } else { &small };
        endpoint.post(request, Some(MOST), &budget)
    });
    let (results, stall) = with_longest_stall(join_all(asked)).await;
    assert!(results.iter().all(Result::is_ok));
    assert!(stall < window / 2, "this machine stood still for {stall:?}");
    // What was sent before a stall of the machine arrives after it, nearer to what is sent next.
    let window = window.saturating_sub(stall);
    let seen: Vec<(Instant, u32)> = server
        .received()
        .iter()
        .map(|r| (r.at, r.path[1..].parse().unwrap()))
        .collect();
    let (mut most_requests, mut most_tokens) = (0, 0);
    for (index, (at, _)) in seen.iter().enumerate() {
        let inside = || seen[index..].iter().filter(|(t, _)| *t < *at + window);
        most_requests = most_requests.max(inside().count());
        most_tokens = most_tokens.max(inside().map(|(_, tokens)| tokens).sum());
    }
    println!(
        "in any {window:?}: {most_requests} of 10 requests, {most_tokens} of 150 tokens \
         (longest stall {stall:?})"
    );
    assert_eq!(seen.len(), 60);
    assert!(most_requests <= 10 && most_tokens <= 150);
    assert!(
        most_requests == 10 && most_tokens >= 120,
        "and the limits are used"
    );
}

/// What `work` gives, and the longest time for which this thread, on which client and server run,
/// did nothing.
async fn with_longest_stall<T>(work: impl Future<Output = T>) -> (T, Duration) {
    const TICK: Duration = Duration::from_millis(2);
    let mut work = std::pin::pin!(work);
    let mut longest = Duration::ZERO;
    loop {
        let before = Instant::now();
        let done = tokio::time::timeout(TICK, &mut work).await;
        longest = longest.max(before.elapsed().saturating_sub(TICK));
        if let Ok(done) = done {
            return (done, longest);
        }
    }
}

fn of_tokens(tokens: u64) -> WireRequest {
    WireRequest {
        tokens,
        ..request(&format!("/{tokens}"))
    }
}

#[tokio::test]
async fn a_request_that_no_minute_holds_is_refused_unsent() {
    let server = Server::start(|_| answer()).await.unwrap();
    let limits = Limits {
        tokens_per_minute: Some(5),
        ..limits(1, 3)
    };
    let error = post(&endpoint(&[server.url()], &limits), &unlimited())
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::BadRequest);
    assert!(error.message.contains("tokens_per_minute"), "{error}");
    assert_eq!(server.count(), 0);
}
