//! A stream says what the whole reply says.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use common::start;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const LEGACY: &str = "/v1/completions";

/// Puts chunks together: by choice its text, its tokens and its end.
fn together(events: &[Value]) -> Vec<(String, Vec<Value>, Value)> {
    let mut choices: Vec<(String, Vec<Value>, Value)> = Vec::new();
    for choice in events
        .iter()
        .flat_map(|event| event["choices"].as_array().unwrap())
    {
        let index = choice["index"].as_u64().unwrap() as usize;
        if choices.len() <= index {
            choices.resize(index + 1, (String::new(), Vec::new(), Value::Null));
        }
        let (text, tokens, finish) = &mut choices[index];
        assert!(finish.is_null(), "nothing comes after the end");
        let piece = choice["delta"]["content"]
            .as_str()
            .or(choice["text"].as_str());
        *text += piece.unwrap_or("");
        tokens.extend(tokens_of(choice));
        *finish = choice["finish_reason"].clone();
    }
    choices
}

/// The tokens of a choice in either form, each as one value.
fn tokens_of(choice: &Value) -> Vec<Value> {
    let logprobs = &choice["logprobs"];
    if let Some(content) = logprobs["content"].as_array() {
        return content.clone();
    }
    let Some(tokens) = logprobs["tokens"].as_array() else {
        return Vec::new();
    };
    (0..tokens.len())
        .map(|i| {
            let parts = ["tokens", "token_logprobs", "top_logprobs", "text_offset"];
            parts.iter().map(|part| logprobs[part][i].clone()).collect()
        })
        .collect()
}

fn whole(body: &Value) -> Vec<(String, Vec<Value>, Value)> {
    let choices = body["choices"].as_array().unwrap().iter();
    choices
        .map(|choice| {
            let text = choice["message"]["content"]
                .as_str()
                .or(choice["text"].as_str());
            (
                text.unwrap().to_owned(),
                tokens_of(choice),
                choice["finish_reason"].clone(),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_whole_replies_are_equal() {
    let server = start().await;
    for seed in 0..24u64 {
        let stop = [
            json!(null),
            json!("e"),
            json!(["th", "the and", "q"]),
            json!([" "]),
        ];
        let mut chat = json!({
            "model": "tiny", "messages": [{"role": "user", "content": "ab"}], "temperature": 1.4,
            "max_tokens": 25, "n": 3, "seed": seed, "stop": stop[seed as usize % 4],
            "logprobs": seed % 2 == 0,
        });
        let mut legacy = json!({
            "model": "student", "prompt": ["the é", "b"], "temperature": 1.4, "max_tokens": 25, "n": 2,
            "seed": seed, "stop": stop[seed as usize % 4], "echo": seed % 3 == 0, "top_p": 0.95,
            "logprobs": if seed % 2 == 0 { json!(2) } else { json!(null) },
        });
        for (path, asked) in [(CHAT, &mut chat), (LEGACY, &mut legacy)] {
            let body = server.good(path, asked).await;
            asked["stream"] = json!(true);
            asked["stream_options"] = json!({"include_usage": true});
            let mut events = server.events(path, asked).await;
            let last = events.pop().unwrap();
            assert_eq!(last["choices"], json!([]));
            for part in ["prompt_tokens", "completion_tokens", "total_tokens"] {
                assert_eq!(last["usage"][part], body["usage"][part], "{part}");
            }
            assert!(events.iter().all(|event| event["usage"].is_null()));
            assert_eq!(together(&events), whole(&body), "{asked}");
            let stopped = whole(&body);
            for (text, _, _) in stopped.iter().filter(|_| seed % 4 == 1 && path == CHAT) {
                assert!(!text.contains('e'), "a stop text is no part of the answer");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_the_same_time_change_nothing() {
    let server = start().await;
    let asked = |seed: u64| {
        json!({
            "model": "tiny", "prompt": "the and", "temperature": 1.3, "max_tokens": 30,
            "seed": seed % 16, "logprobs": 1,
        })
    };
    let mut alone = Vec::new();
    for seed in 0..16 {
        alone.push(server.good(LEGACY, &asked(seed)).await["choices"].clone());
    }
    let all = (0..64).map(|seed| {
        let asked = asked(seed);
        let server = &server;
        async move { server.good(LEGACY, &asked).await["choices"].clone() }
    });
    for (seed, choices) in futures::future::join_all(all).await.into_iter().enumerate() {
        assert_eq!(choices, alone[seed % 16]);
    }
    let active = server
        .metric("autodidact_batch_sequences{model=\"tiny\"}")
        .await;
    assert!(active.abs() < f64::EPSILON);
}
