//! An answer that was cut anywhere is never taken for a whole one.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use std::time::Duration;

use autodidact_core::Usd;
use autodidact_providers::{Budget, Endpoint, ErrorClass};
use autodidact_testkit::{Act, End, Received, Server};
use futures::{StreamExt, stream};
use support::{endpoint, limits, request, unlimited};

const BODIES: [&str; 5] = [
    r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt","choices":[{"index":0,"message":{"role":"assistant","content":"The answer is 42 – é漢😀."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}"#,
    r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"The answer is 42."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":7}}"#,
    r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"The answer is 42."}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":7,"totalTokenCount":16},"modelVersion":"gemini"}"#,
    r#"{"model":"llama","created_at":"2026-11-23T08:00:00Z","message":{"role":"assistant","content":"The answer is 42."},"done":true,"done_reason":"stop","prompt_eval_count":9,"eval_count":7}"#,
    r#"{"id":"m1","object":"chat.completion","model":"reward","choices":[{"index":0,"message":{"role":"assistant","content":"reward:-5.53"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":1}}"#,
];

const STREAMS: [&str; 5] = [
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"The \"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"é漢😀\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
    "event: message_start\r\ndata: {\"type\":\"message_start\"}\r\n\r\n: ping\r\n\r\nevent: content_block_delta\r\ndata: {\"delta\":{\"text\":\"42\"}}\r\n\r\nevent: message_stop\r\ndata: {\"type\":\"message_stop\"}\r\n\r\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"42\"}]}}]}\r\rdata: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\r\r",
    "data: {\"content\":\"4\",\n data: x\ndata: \"stop\":false}\n\ndata: {\"content\":\"2\",\"stop\":true}\n\n",
    "\u{feff}id: 1\nretry: 5\ndata: {\"a\":\ndata: 1}\n\ndata: [DONE]\n\n",
];

/// `/kind/body/offset`, where kind says how the answer is framed and cut.
fn act(received: &Received) -> Act {
    let mut parts = received.path[1..].split('/');
    let kind = parts.next().unwrap().to_owned();
    let number: usize = parts.next().unwrap().parse().unwrap();
    let offset: usize = parts.next().unwrap().parse().unwrap();
    let body = if kind.starts_with("stream") {
        STREAMS[number]
    } else {
        BODIES[number]
    };
    let bytes = body.as_bytes()[..offset].to_vec();
    let whole = offset == body.len();
    let kind_of_body = if kind.starts_with("stream") {
        "text/event-stream"
    } else {
        "application/json"
    };
    if kind.ends_with("length") {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind_of_body}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        return Act::Raw {
            bytes: vec![(Duration::ZERO, [head.into_bytes(), bytes].concat())],
            then: if whole { End::KeepAlive } else { End::Close },
        };
    }
    Act::Pieces {
        status: 200,
        headers: vec![("content-type".into(), kind_of_body.into())],
        pieces: vec![(Duration::ZERO, bytes)],
        then: match (whole, kind.ends_with("reset")) {
            (true, _) => End::KeepAlive,
            (false, true) => End::Reset,
            (false, false) => End::CutChunked,
        },
    }
}

/// Every path of one kind over these bodies: every offset, the whole body included.
fn paths(kind: &'static str, bodies: &[&'static str]) -> Vec<(String, bool)> {
    let offsets = |(number, body): (usize, &&str)| {
        let length = body.len();
        (0..=length).map(move |offset| (format!("/{kind}/{number}/{offset}"), offset == length))
    };
    bodies.iter().enumerate().flat_map(offsets).collect()
}

async fn rig() -> (Server, Endpoint, Budget) {
    let server = Server::start(act).await.unwrap();
    let endpoint = endpoint(&[server.url()], &limits(16, 1));
    (server, endpoint, unlimited())
}

/// Servers that cut everything look broken; here each answer is to be seen nevertheless.
async fn heal(endpoint: &Endpoint, budget: &Budget) {
    let path = format!("/length/0/{}", BODIES[0].len());
    endpoint.post(&request(&path), None, budget).await.unwrap();
}

#[tokio::test]
async fn no_cut_body_is_accepted_at_any_offset() {
    let (_server, endpoint, budget) = rig().await;
    let mut offsets = 0;
    let mut partial = Vec::new();
    for kind in ["length", "chunked", "reset"] {
        let all = paths(kind, &BODIES);
        offsets += all.len();
        for some in all.chunks(6) {
            let results = stream::iter(some).then(|(path, whole)| {
                let (endpoint, budget) = (&endpoint, &budget);
                async move {
                    let result = endpoint.post(&request(path), Some(Usd::ZERO), budget).await;
                    match (&result, whole) {
                        (Ok(_), true) => None,
                        (Err(error), false) => {
                            let class = error.class;
                            (class != ErrorClass::Network).then(|| format!("{path}: {error}"))
                        }
                        _ => Some(format!("{path}: {result:?}")),
                    }
                }
            });
            partial.extend(
                results
                    .filter_map(|wrong| async { wrong })
                    .collect::<Vec<_>>()
                    .await,
            );
            heal(&endpoint, &budget).await;
        }
    }
    println!(
        "bodies: {offsets} offsets, panics 0, partial accepts {}",
        partial.len()
    );
    assert!(partial.is_empty(), "{:?}", &partial[..partial.len().min(5)]);
}

#[tokio::test]
async fn no_cut_stream_is_accepted_and_no_half_event_delivered_at_any_offset() {
    let (_server, endpoint, budget) = rig().await;
    let (mut offsets, mut accepted) = (0, 0);
    let mut wrong = Vec::new();
    for kind in ["stream-length", "stream-chunked"] {
        for (number, (path, whole)) in paths(kind, &STREAMS).into_iter().enumerate() {
            offsets += 1;
            let result = support::stream(&endpoint, &path, &budget).await;
            let ended = result.map(|paid| paid.value.finish().unwrap().model);
            match ended {
                Ok(end) if end.starts_with("done") || whole => accepted += 1,
                Err(error) if error.class == ErrorClass::Network && !whole => {}
                other => wrong.push(format!("{path}: {other:?}")),
            }
            if number % 6 == 0 {
                heal(&endpoint, &budget).await;
            }
        }
    }
    println!(
        "streams: {offsets} offsets, accepted after the end mark {accepted}, partial accepts {}",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{:?}", &wrong[..wrong.len().min(5)]);
    assert!(accepted >= 2 * STREAMS.len());
}
