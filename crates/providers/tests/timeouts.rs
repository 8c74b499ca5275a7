//! Each of the four time limits ends a request in time, and nobody else waits for it.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use std::time::{Duration, Instant};

use autodidact_core::Limits;
use autodidact_providers::{Billed, Endpoint, ErrorClass};
use autodidact_testkit::{Act, End, Received, Server};
use futures::future::join_all;
use support::{MOST, answer, endpoint, limits, request, unlimited};

const CONNECT: f64 = 0.5;
const FIRST_BYTE: f64 = 0.7;
const IDLE: f64 = 0.4;
const TOTAL: f64 = 1.2;

fn slow() -> Limits {
    Limits {
        connect_seconds: CONNECT,
        first_byte_seconds: FIRST_BYTE,
        idle_seconds: IDLE,
        total_seconds: TOTAL,
        ..limits(64, 1)
    }
}

fn trickle(bytes: &[u8], pause: Duration) -> Vec<(Duration, Vec<u8>)> {
    bytes.iter().map(|byte| (pause, vec![*byte])).collect()
}

fn body(kind: &str, mut pieces: Vec<(Duration, Vec<u8>)>, stall: bool) -> Act {
    if stall {
        pieces.push((Duration::from_secs(30), b"late".to_vec()));
    }
    Act::Pieces {
        status: 200,
        headers: vec![("content-type".into(), kind.into())],
        pieces,
        then: End::KeepAlive,
    }
}

fn act(received: &Received) -> Act {
    let tenth = Duration::from_millis(100);
    let event = "data: {\"a\":1}\n\n";
    let events = [event; 3].map(|event| (tenth, event.as_bytes().to_vec()));
    let (json, sse) = ("application/json", "text/event-stream");
    match received.path.as_str() {
        "/silent" => Act::Silence,
        "/head" => Act::Raw {
            bytes: trickle(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", tenth),
            then: End::Close,
        },
        "/no-token" => body(sse, Vec::new(), true),
        "/no-body" => body(json, Vec::new(), true),
        "/stall" => body(json, vec![(tenth, b"{\"a\":".to_vec())], true),
        "/stall-at-token" => body(sse, events.to_vec(), true),
        "/body" => body(json, trickle(&[b' '; 100], tenth), false),
        "/pings" => body(sse, trickle(&[b':'; 100], tenth), false),
        _ => answer(),
    }
}

/// Seconds until a request to that path was given up.
async fn given_up(endpoint: &Endpoint, path: &str, stream: bool) -> f64 {
    let budget = unlimited();
    let start = Instant::now();
    let error = if stream {
        support::stream(endpoint, path, &budget)
            .await
            .err()
            .unwrap()
    } else {
        let result = endpoint.post(&request(path), Some(MOST), &budget).await;
        result.err().unwrap()
    };
    assert_eq!(error.class, ErrorClass::Timeout, "{path}: {error}");
    assert_eq!(error.billed, Billed::Unknown, "{path}");
    assert_eq!(budget.committed(), MOST, "{path}: it may have to be paid");
    start.elapsed().as_secs_f64()
}

#[tokio::test]
async fn every_limit_is_kept_to_within_a_second_and_others_do_not_wait() {
    let server = Server::start(act).await.unwrap();
    let endpoint = endpoint(&[server.url()], &slow());
    let cases = [
        ("/silent", false, FIRST_BYTE),
        ("/silent", true, FIRST_BYTE),
        ("/head", false, FIRST_BYTE),
        ("/no-body", false, FIRST_BYTE),
        ("/no-token", true, FIRST_BYTE),
        ("/stall", false, IDLE),
        ("/stall-at-token", true, 0.2 + IDLE),
        ("/body", false, TOTAL),
        ("/pings", true, TOTAL),
    ];
    // Fewer than the breaker takes at once.
    for cases in [&cases[..5], &cases[5..]] {
        let slow = join_all(
            cases
                .iter()
                .map(|(path, stream, _)| given_up(&endpoint, path, *stream)),
        );
        let fast = async {
            let budget = unlimited();
            let mut times = Vec::new();
            for _ in 0..100 {
                let start = Instant::now();
                endpoint
                    .post(&request("/fast"), Some(MOST), &budget)
                    .await
                    .unwrap();
                times.push(start.elapsed());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            times.sort();
            times[98]
        };
        let (slow, p99) = tokio::join!(slow, fast);
        for ((path, _, limit), took) in cases.iter().zip(slow) {
            println!("{path}: given up after {took:.3} s, limit {limit} s");
            assert!((*limit..limit + 1.0).contains(&took), "{path}: {took}");
        }
        println!("p99 of others: {p99:?}");
        assert!(p99 < Duration::from_millis(250), "{p99:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_not_made_is_given_up_and_costs_nothing() {
    // Takes connections and never speaks TLS.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let endpoint = endpoint(&[url], &slow());
    let budget = unlimited();
    let start = Instant::now();
    let error = support::post(&endpoint, &budget).await.unwrap_err();
    let took = start.elapsed().as_secs_f64();
    println!("connect: given up after {took:.3} s, limit {CONNECT} s: {error}");
    assert_eq!(
        (error.class, error.billed),
        (ErrorClass::Timeout, Billed::No)
    );
    assert_eq!(budget.committed().nano(), 0);
    assert!((CONNECT..CONNECT + 1.0).contains(&took), "{took}");
}
