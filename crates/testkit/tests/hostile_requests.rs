//! No request makes the fleet panic: it would take the test's server down with it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use autodidact_testkit::Fleet;
use common::request;
use proptest::prelude::*;
use serde_json::{Value, json};

const PATHS: [&str; 20] = [
    "/v1/chat/completions",
    "/together/v1/chat/completions",
    "/v1/completions",
    "/v1/files",
    "/v1/batches",
    "/v1/batch/jobs",
    "/v1/messages",
    "/v1/messages/batches",
    "/v1beta/models/gemini-x:generateContent",
    "/v1beta/models/gemini-x:streamGenerateContent?alt=sse",
    "/v1beta/models/gemini-x:countTokens",
    "/v1beta/models/gemini-x:batchGenerateContent",
    "/api/chat",
    "/api/generate",
    "/classify",
    "/pooling",
    "/v1/score",
    "/rerank",
    "/v1/rerank",
    "/predict",
];

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "What is [0-9+*/ ().-]{0,40}\\?|The answer is .{0,9}|.{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let name = prop_oneof![
            Just("role".to_owned()),
            Just("content".to_owned()),
            Just("text".to_owned()),
            Just("parts".to_owned()),
            Just("type".to_owned()),
            "[a-z_]{0,6}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A request that is right but for one field.
fn nearly_right() -> impl Strategy<Value = Value> {
    let names = [
        "model",
        "messages",
        "n",
        "seed",
        "stop",
        "max_tokens",
        "temperature",
        "thinking",
        "logprobs",
        "top_logprobs",
        "contents",
        "generationConfig",
        "prompt",
        "input",
        "inputs",
        "query",
        "documents",
        "texts",
        "requests",
        "batch",
        "options",
        "stream",
        "system",
        "echo",
        "text",
    ];
    (prop::sample::select(names.to_vec()), json_value(), any::<bool>()).prop_map(|(name, value, stream)| {
        let mut body = json!({
            "model": "m", "messages": [{"role": "user", "content": "What is 2 + 2?"}], "stream": stream,
            "max_tokens": 9, "prompt": "What is 2 + 2?", "input": "x<extra_0>", "query": "q", "documents": ["a"],
        });
        body[name] = value;
        body
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_body_is_answered_or_refused(body in prop_oneof![json_value(), nearly_right()], form in any::<bool>()) {
        let fleet = Fleet::new();
        let kind = if form { "multipart/form-data; boundary=x" } else { "application/json" };
        let headers = [("anthropic-version", "2023-06-01"), ("content-type", kind)];
        for path in PATHS {
            let request = request("POST", path, &headers, body.to_string().into_bytes());
            fleet.act(&request);
        }
    }

    #[test]
    fn any_bytes_as_a_form_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), mark in "[-x]{0,3}") {
        let kind = format!("multipart/form-data; boundary={mark}");
        let fleet = Fleet::new();
        fleet.act(&request("POST", "/v1/files", &[("content-type", &kind)], bytes));
    }
}
