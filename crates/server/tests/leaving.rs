//! Clients that leave, and a server that ends.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::time::{Duration, Instant};

use autodidact_engine::SessionOptions;
use autodidact_server::Limits;
use common::{start_limited, start_with};
use futures::StreamExt;
use serde_json::{Value, json};

const LEGACY: &str = "/v1/completions";
const ACTIVE: &str = "autodidact_batch_sequences{model=\"tiny\"}";
const WAITING: &str = "autodidact_queue_requests{model=\"tiny\"}";

/// One sequence at a time, so that a lot of them takes long.
fn slow() -> SessionOptions {
    SessionOptions {
        batch: 1,
        cache_bytes: 0,
        ..SessionOptions::default()
    }
}

fn long(stream: bool) -> Value {
    let prompts: Vec<&str> = vec!["the and"; 250];
    json!({"model": "tiny", "prompt": prompts, "n": 2, "max_tokens": 50, "temperature": 2, "stream": stream})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_cancels_its_generation() {
    let server = start_limited(slow(), Limits::default()).await;
    for stream in [true, false] {
        let request = server.request(LEGACY, &long(stream));
        let sent = tokio::spawn(request.send());
        server.wait_for(WAITING, |waiting| waiting > 100.0).await;
        if stream {
            let response = sent.await.unwrap().unwrap();
            let mut pieces = response.bytes_stream();
            assert!(pieces.next().await.unwrap().is_ok());
            drop(pieces);
        } else {
            sent.abort();
        }
        server.wait_for(ACTIVE, |active| active.abs() < 0.5).await;
        server
            .wait_for(WAITING, |waiting| waiting.abs() < 0.5)
            .await;
    }
    let cancelled = "autodidact_requests_total{operation=\"text_completion\",model=\"tiny\",outcome=\"cancelled\"}";
    server.wait_for(cancelled, |count| count > 1.5).await;
    server
        .wait_for(
            "autodidact_requests_active{operation=\"text_completion\"}",
            |n| n.abs() < 0.5,
        )
        .await;
    let asked = json!({"model": "tiny", "prompt": "the", "max_tokens": 2});
    server.good(LEGACY, &asked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_queue_holds_is_refused_for_a_while() {
    let limits = Limits {
        queue: 2,
        ..Limits::default()
    };
    let server = start_limited(slow(), limits).await;
    let held = tokio::spawn(server.request(LEGACY, &long(true)).send());
    server.wait_for(WAITING, |waiting| waiting > 100.0).await;
    let asked = json!({"model": "tiny", "prompt": "the", "max_tokens": 2});
    let refused = server.send(LEGACY, &asked).await;
    assert_eq!(refused.status(), 429);
    let after: u64 = refused.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(after >= 1);
    let (_, body) = common::json(refused).await;
    assert_eq!(body["error"]["code"], "rate_limit_exceeded");
    drop(held.await.unwrap());
    server
        .wait_for(WAITING, |waiting| waiting.abs() < 0.5)
        .await;
    server.good(LEGACY, &asked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_ends_in_order() {
    let limits = Limits {
        draining: Duration::from_millis(1),
        ..Limits::default()
    };
    let options = autodidact_server::ServerOptions {
        limits,
        ..autodidact_server::ServerOptions::default()
    };
    let server = start_with(common::catalog(slow()), options).await;
    let (url, client) = (server.url.clone(), server.client.clone());
    let asked = json!({"model": "tiny", "prompt": "the", "max_tokens": 2});
    server.good(LEGACY, &asked).await;
    let held = tokio::spawn(server.request(LEGACY, &long(false)).send());
    server.wait_for(WAITING, |waiting| waiting > 100.0).await;
    let started = Instant::now();
    server.stop().await;
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "draining has an end"
    );
    // What takes too long is cut off: it hears of that, or its connection ends first.
    if let Ok(answer) = held.await.unwrap() {
        let status = answer.status();
        assert!(status.is_server_error(), "{status}");
    }
    assert!(client.get(format!("{url}/health")).send().await.is_err());
}
