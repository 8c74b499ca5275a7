//! Bodies and connections that mean harm: a typed error or a closed connection, and the server goes on.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::time::Duration;

use autodidact_engine::SessionOptions;
use autodidact_server::Limits;
use common::{start, start_limited};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CHAT: &str = "/v1/chat/completions";
const LEGACY: &str = "/v1/completions";

#[tokio::test(flavor = "multi_thread")]
async fn wrong_values_are_refused_by_name() {
    let server = start().await;
    let huge = 1_000_000_000;
    let cases: &[(&str, Value)] = &[
        ("n", json!(huge)),
        ("n", json!(0)),
        ("n", json!(-1)),
        ("n", json!(1.5)),
        ("n", json!("2")),
        ("max_tokens", json!(huge)),
        ("max_tokens", json!(-1)),
        ("temperature", json!(1e300)),
        ("temperature", json!(-0.1)),
        ("temperature", json!("hot")),
        ("temperature", json!(null)),
        ("top_p", json!(0)),
        ("top_p", json!(1.1)),
        ("top_k", json!(-1)),
        ("min_p", json!(2)),
        ("seed", json!(1.5)),
        ("seed", json!("1")),
        ("stop", json!([""])),
        ("stop", json!("")),
        ("stop", json!([1])),
        ("stop", json!(vec!["x"; 17])),
        ("stop", json!({})),
        ("stream", json!("yes")),
        ("stream_options", json!(1)),
        ("stream_options", json!({"other": true})),
        ("logit_bias", json!({"5": 100})),
        ("logit_bias", json!([1])),
        ("frequency_penalty", json!(0.5)),
        ("presence_penalty", json!(-2)),
        ("strategy", json!("magic")),
        ("model", json!(["tiny"])),
        ("model", json!("tiny:magic")),
        ("unheard", json!(1)),
    ];
    for (name, value) in cases {
        for path in [CHAT, LEGACY] {
            let mut asked = if path == CHAT {
                json!({"model": "tiny", "messages": [{"role": "user", "content": "a"}], "max_tokens": 2})
            } else {
                json!({"model": "tiny", "prompt": "a", "max_tokens": 2})
            };
            asked[*name] = value.clone();
            let (status, body) = server.post(path, &asked).await;
            if value.is_null() {
                assert_eq!(status, 200, "null is absent: {body}");
                continue;
            }
            assert_eq!(status, 400, "{name} {value}: {body}");
            assert_eq!(body["error"]["type"], "invalid_request_error");
            assert_eq!(body["error"]["param"], *name, "{body}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_and_prompts_of_any_shape_are_read_or_refused() {
    let server = start().await;
    let messages = [
        json!(null),
        json!([]),
        json!({}),
        json!("hello"),
        json!([1]),
        json!([{}]),
        json!([{"role": "user"}]),
        json!([{"role": "user", "content": 5}]),
        json!([{"role": "tool", "content": "x"}]),
        json!([{"role": "root", "content": "x"}]),
        json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://169.254.169.254/"}}]}]),
        json!([{"role": "user", "content": [{"type": "text"}]}]),
        json!([{"role": "assistant", "content": "x", "tool_calls": [{}]}]),
    ];
    for messages in messages {
        let (status, body) = server
            .post(CHAT, &json!({"model": "tiny", "messages": messages}))
            .await;
        assert_eq!(status, 400, "{messages}: {body}");
        assert!(
            body["error"]["param"]
                .as_str()
                .unwrap()
                .starts_with("messages"),
            "{body}"
        );
    }
    let prompts = [
        json!(null),
        json!([]),
        json!({}),
        json!(""),
        json!([""]),
        json!([[]]),
        json!([1, "a"]),
        json!([-1]),
        json!([1.5]),
        json!([4_294_967_296_u64]),
        json!([[1], "a", null]),
        json!([999_999]),
        json!(vec!["a"; 257]),
        json!(5),
    ];
    for prompt in prompts {
        let (status, body) = server
            .post(LEGACY, &json!({"model": "tiny", "prompt": prompt}))
            .await;
        assert_eq!(status, 400, "{prompt}: {body}");
    }
    let parts = json!({"model": "tiny", "max_tokens": 1, "messages": [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]});
    server.good(CHAT, &parts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn control_tokens_in_texts_stay_text() {
    let server = start().await;
    let asked = json!({"model": "tiny", "max_tokens": 0, "prompt": "<|im_end|>", "echo": true, "logprobs": 0});
    let body = server.good(LEGACY, &asked).await;
    let tokens = body["choices"][0]["logprobs"]["tokens"].as_array().unwrap();
    assert!(
        tokens.len() >= 8 && !tokens.contains(&json!("<|im_end|>")),
        "{tokens:?}"
    );
    // In a conversation they are broken up with a character that the tiny vocabulary does not even
    // have; a larger one has its bytes.
    let ended = json!({"model": "tiny", "max_tokens": 1, "messages": [{"role": "user", "content": "a<|im_end|>"}]});
    let plain =
        json!({"model": "tiny", "max_tokens": 1, "messages": [{"role": "user", "content": "a"}]});
    let plain = server.good(CHAT, &plain).await["usage"]["prompt_tokens"]
        .as_u64()
        .unwrap();
    let (status, body) = server.post(CHAT, &ended).await;
    let more = body["usage"]["prompt_tokens"].as_u64();
    assert!(
        status == 400 || more.unwrap() >= plain + 8,
        "{status}: {body}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_json_are_refused() {
    let limits = Limits {
        body: 4096,
        ..Limits::default()
    };
    let server = start_limited(SessionOptions::default(), limits).await;
    let deep = "[".repeat(4000);
    let bodies: [&[u8]; 8] = [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"{\"model\": \"tiny\"",
        b"{\"model\": NaN}",
        deep.as_bytes(),
    ];
    for body in bodies {
        let request = server.client.post(format!("{}{CHAT}", server.url));
        let request = request
            .header("content-type", "application/json")
            .body(body.to_vec());
        let (status, answer) = common::json(request.send().await.unwrap()).await;
        assert_eq!(status, 400, "{answer}");
        assert_eq!(answer["error"]["type"], "invalid_request_error");
    }
    let large = json!({"model": "tiny", "prompt": "a".repeat(5000)});
    let (status, _) = server.post(LEGACY, &large).await;
    assert_eq!(status, 413);
    assert_eq!(server.get("/health").await, r#"{"status":"ok"}"#);
}

/// Sends raw bytes and reads what comes until the connection is closed.
async fn raw(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_lying_connections_end() {
    let limits = Limits {
        reading: Duration::from_millis(300),
        body: 1000,
        ..Limits::default()
    };
    let server = start_limited(SessionOptions::default(), limits).await;
    let head = format!(
        "POST {LEGACY} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
    );
    // A head that never ends, and a body that never comes.
    raw(server.port, b"POST /v1/completions HTTP/1.1\r\nHost: loc").await;
    let answer = raw(
        server.port,
        format!("{head}Content-Length: 50\r\n\r\n{{").as_bytes(),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let answer = raw(
        server.port,
        format!("{head}Content-Length: 99999999999\r\n\r\n{{").as_bytes(),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // Chunks say no length before they come.
    let chunk = format!("{:x}\r\n{}\r\n", 900, "a".repeat(900));
    let chunks = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n");
    let answer = raw(server.port, chunks.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let answer = raw(
        server.port,
        b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 403") || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
    let absolute =
        b"GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(raw(server.port, absolute).await.starts_with("HTTP/1.1 403"));
    assert_eq!(server.get("/health").await, r#"{"status":"ok"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_do_not_keep_others_out_for_long() {
    let limits = Limits {
        reading: Duration::from_millis(200),
        connections: 8,
        ..Limits::default()
    };
    let server = start_limited(SessionOptions::default(), limits).await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", server.port)).await {
            idle.push(stream);
        }
    }
    let answered = tokio::time::timeout(Duration::from_mins(1), server.get("/health")).await;
    assert_eq!(answered.unwrap(), r#"{"status":"ok"}"#);
}
