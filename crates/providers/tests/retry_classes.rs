//! Every kind of trouble gets its class, its number of attempts, and its money.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use std::time::Duration;

use autodidact_core::Usd;
use autodidact_providers::ErrorClass::{self, *};
use autodidact_testkit::{Act, End, Reply, Server, refused_url};
use futures::future::join_all;
use serde_json::json;
use support::{MOST, endpoint, kept, limits, post, refusal, stream, unlimited};

const ATTEMPTS: u32 = 2;

/// What a server does, the class it must get, the attempts, and the reservations that stay spent.
type Case = (&'static str, Act, ErrorClass, usize, u64);

fn status(status: u16) -> Act {
    Act::Answer(refusal(status, "", ""))
}

fn raw(bytes: &str, then: End) -> Act {
    Act::Raw {
        bytes: vec![(Duration::ZERO, bytes.into())],
        then,
    }
}

fn html() -> Act {
    Act::Answer(Reply::new(200, "text/html", "<html>Sign in</html>"))
}

fn cases() -> Vec<Case> {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 90\r\n\r\n{\"a\":";
    let untyped = |body: &str| Act::Answer(Reply::new(200, "application/json", body));
    let stubborn = refusal(500, "", "").header("x-should-retry", "false");
    vec![
        ("reset", Act::Reset, Network, 2, 2),
        ("reset in the body", raw(head, End::Reset), Network, 2, 2),
        ("closed in the body", raw(head, End::Close), Network, 2, 2),
        (
            "closed in the head",
            raw("HTTP/1.1 200 OK\r\ncont", End::Close),
            Network,
            2,
            2,
        ),
        (
            "no HTTP",
            raw("SSH-2.0-OpenSSH\r\n\r\n", End::Close),
            Network,
            2,
            2,
        ),
        ("HTML with 200", html(), Malformed, 2, 2),
        (
            "HTML called JSON",
            untyped("  <!doctype html>"),
            Malformed,
            2,
            2,
        ),
        ("empty 200", untyped(" \n"), Malformed, 2, 2),
        ("202", Act::json(202, &json!({})), Malformed, 1, 1),
        ("redirect", status(307), NotFound, 1, 0),
        ("400", status(400), BadRequest, 1, 0),
        ("401", status(401), Key, 1, 0),
        ("402", status(402), Money, 1, 0),
        ("403", status(403), Key, 1, 0),
        ("404", status(404), NotFound, 1, 0),
        ("408", status(408), Server_, 2, 0),
        ("409", status(409), Server_, 2, 0),
        ("413", status(413), ContextTooLong, 1, 0),
        ("422", status(422), BadRequest, 1, 0),
        ("429", status(429), RateLimit, 2, 0),
        ("500", status(500), Server_, 2, 0),
        ("500, do not retry", Act::Answer(stubborn), Server_, 1, 0),
        ("501", status(501), BadRequest, 1, 0),
        (
            "502",
            Act::Answer(Reply::new(502, "text/html", "<html>")),
            Server_,
            2,
            0,
        ),
        ("503", status(503), Overloaded, 2, 0),
        ("504", status(504), Server_, 2, 0),
        ("529", status(529), Overloaded, 2, 0),
    ]
}

/// `Server` is the mock here.
#[allow(non_upper_case_globals, reason = "reads like the class in the table")]
const Server_: ErrorClass = ErrorClass::Server;

#[tokio::test]
async fn every_fault_has_its_class_its_attempts_and_its_money() {
    let rows = join_all(
        cases()
            .into_iter()
            .map(|(name, act, class, calls, unknown)| async move {
                let server = Server::start(move |_| act.clone()).await.unwrap();
                let endpoint = endpoint(&[server.url()], &limits(4, ATTEMPTS));
                let budget = unlimited();
                let error = post(&endpoint, &budget).await.unwrap_err();
                let found = (
                    error.class,
                    server.count(),
                    budget.committed().nano() / MOST.nano(),
                );
                println!("{name}: {found:?} {error}");
                assert_eq!(kept(&error), unknown > 0, "{name}");
                assert_eq!(error.attempts as usize, calls, "{name}");
                assert_eq!(endpoint.statistics().errors[&class], calls as u64, "{name}");
                (found == (class, calls, unknown))
                    .then_some(())
                    .ok_or((name, found))
            }),
    )
    .await;
    let wrong: Vec<_> = rows.iter().filter_map(|row| row.err()).collect();
    println!(
        "class and outcome right: {} of {}",
        rows.len() - wrong.len(),
        rows.len()
    );
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test]
async fn what_never_arrived_costs_nothing() {
    let refused = refused_url().await;
    // A server that takes the first bytes of TLS for HTTP, and hangs up.
    let plain = Server::start(|_| Act::Reset).await.unwrap();
    let urls = [
        ("refused", refused),
        ("TLS garbage", plain.url().replace("http:", "https:")),
        ("no such host", "http://does-not-exist.invalid".to_owned()),
    ];
    let cases = urls.map(|(name, url)| async move {
        let budget = unlimited();
        let error = post(&endpoint(&[url], &limits(1, ATTEMPTS)), &budget)
            .await
            .unwrap_err();
        println!("{name}: {error}");
        assert_eq!(error.class, Network, "{name}: {error}");
        assert_eq!(error.attempts, ATTEMPTS, "{name}");
        assert_eq!(budget.committed(), Usd::ZERO, "{name}");
    });
    join_all(cases).await;
}

#[tokio::test]
async fn money_errors_are_never_repeated() {
    let spend = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "spent",
        "details": {"error_code": "enforced_spend_limit_reached"}}});
    let credit = json!({"type": "error", "error": {"type": "invalid_request_error",
        "message": "Your credit balance is too low to access the Anthropic API"}});
    let free = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED",
        "message": "Quota exceeded for metric: free_tier_requests, limit: 0"}});
    let cases = [
        Act::Answer(refusal(402, "", "")),
        Act::Answer(
            refusal(429, "insufficient_quota", "insufficient_quota").header("retry-after", "1"),
        ),
        Act::Answer(refusal(429, "billing_hard_limit_reached", "")),
        Act::Answer(refusal(403, "", "insufficient_credits")),
        Act::json(429, &spend),
        Act::json(400, &credit),
        Act::json(429, &free),
    ];
    let forms = cases.len();
    let calls = join_all(cases.map(|act| async move {
        let server = Server::start(move |_| act.clone()).await.unwrap();
        let budget = unlimited();
        let endpoint = endpoint(&[server.url()], &limits(1, 6));
        let error = post(&endpoint, &budget).await.unwrap_err();
        assert_eq!(error.class, Money, "{error}");
        assert_eq!(budget.committed(), Usd::ZERO);
        server.count()
    }))
    .await;
    println!("calls for {forms} money errors: {calls:?}");
    assert_eq!(calls, vec![1; forms]);
}

#[tokio::test]
async fn a_stream_that_breaks_is_tried_again_and_errors_inside_it_are_read() {
    let text = "data: {\"a\":1}\n\n".to_owned();
    let good = Act::stream([text.clone(), "data: [DONE]\n\n".into()]);
    let broken = Act::Pieces {
        status: 200,
        headers: vec![("content-type".into(), "text/event-stream".into())],
        pieces: vec![(Duration::ZERO, text.into_bytes())],
        then: End::CutChunked,
    };
    let first = [
        ("cut", broken),
        ("empty", Act::stream(Vec::<String>::new())),
        ("html", html()),
        (
            "error as JSON",
            Act::json(200, &json!({"error": {"type": "overloaded_error"}})),
        ),
    ];
    let runs = first.map(|(name, act)| {
        let good = good.clone();
        async move {
            let server = Server::start(move |received| match received.number {
                0 => act.clone(),
                _ => good.clone(),
            })
            .await
            .unwrap();
            let budget = unlimited();
            let endpoint = endpoint(&[server.url()], &limits(1, ATTEMPTS));
            let paid = stream(&endpoint, "/chat", &budget).await.unwrap();
            assert_eq!(paid.value.finish().unwrap().model, "done 2", "{name}");
            let reserved = budget.committed().nano() / MOST.nano();
            assert_eq!(reserved, 2, "{name}: the first may have to be paid too");
        }
    });
    join_all(runs).await;
}

#[tokio::test]
async fn what_must_not_be_done_twice_is_not_repeated_unless_it_was_refused() {
    for (act, calls) in [(Act::Reset, 1), (status(503), 2)] {
        let server = Server::start(move |_| act.clone()).await.unwrap();
        let endpoint = endpoint(&[server.url()], &limits(1, ATTEMPTS));
        let body = || "{}".into();
        let once = endpoint.post_once("/batches", &[], body(), "application/json");
        once.await.unwrap_err();
        assert_eq!(server.count(), calls);
        server.forget();
        let cancel = endpoint.post_unpaid("/cancel", &[], body(), "application/json");
        cancel.await.unwrap_err();
        assert_eq!(server.count(), 2);
    }
    let server = Server::start(|_| Act::Answer(Reply::new(200, "text/plain", "")))
        .await
        .unwrap();
    let endpoint = endpoint(&[server.url()], &limits(1, 1));
    assert!(endpoint.get("/files/1/content").await.unwrap().is_empty());
    let received = &server.received()[0];
    assert_eq!(
        (received.method.as_str(), received.path.as_str()),
        ("GET", "/files/1/content")
    );
    assert!(received.header("authorization").is_some());
}
