//! What clients see: replies, chunks, lists and errors.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use common::{shown, start};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const LEGACY: &str = "/v1/completions";

fn chat(more: Value) -> Value {
    merged(
        json!({"model": "tiny", "messages": [{"role": "user", "content": "ab"}], "temperature": 0, "max_tokens": 4}),
        more,
    )
}

fn legacy(more: Value) -> Value {
    merged(
        json!({"model": "tiny", "prompt": "the and", "temperature": 0, "max_tokens": 3}),
        more,
    )
}

#[expect(clippy::needless_pass_by_value, reason = "a literal of the caller")]
fn merged(mut one: Value, other: Value) -> Value {
    one.as_object_mut()
        .unwrap()
        .extend(other.as_object().unwrap().clone());
    one
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_completion() {
    let server = start().await;
    let body = server
        .good(CHAT, &chat(json!({"logprobs": true, "top_logprobs": 2})))
        .await;
    insta::assert_json_snapshot!(shown(body));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_chat_completion() {
    let server = start().await;
    let asked = chat(json!({"stream": true, "stream_options": {"include_usage": true}}));
    let events = server.events(CHAT, &asked).await;
    insta::assert_json_snapshot!(shown(events.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legacy_completion_with_its_prompt() {
    let server = start().await;
    let body = server
        .good(LEGACY, &legacy(json!({"echo": true, "logprobs": 2})))
        .await;
    insta::assert_json_snapshot!(shown(body));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_legacy_completion() {
    let server = start().await;
    let events = server
        .events(LEGACY, &legacy(json!({"stream": true, "logprobs": 0})))
        .await;
    insta::assert_json_snapshot!(shown(events.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_is_only_scored() {
    let server = start().await;
    let asked = legacy(json!({"echo": true, "logprobs": 1, "max_tokens": 0}));
    let body = server.good(LEGACY, &asked).await;
    let choice = &body["choices"][0];
    assert_eq!(choice["text"], "the and");
    assert_eq!(body["usage"]["completion_tokens"], 0);
    let scores = choice["logprobs"]["token_logprobs"].as_array().unwrap();
    assert!(scores[0].is_null() && scores.len() > 1);
    assert!(
        scores[1..]
            .iter()
            .all(|score| score.as_f64().unwrap() < 0.0)
    );
    // The same with one more token, as lm_eval asks: what both have in common is the same.
    let longer = legacy(json!({"echo": true, "logprobs": 1, "max_tokens": 1}));
    let longer = server.good(LEGACY, &longer).await;
    let more = longer["choices"][0]["logprobs"]["token_logprobs"]
        .as_array()
        .unwrap();
    assert_eq!(more.len(), scores.len() + 1);
    assert_eq!(more[..scores.len()], scores[..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_and_texts_of_tokens_fit_together() {
    let server = start().await;
    for text in ["the and", "éé the é and"] {
        let asked = legacy(json!({"prompt": text, "echo": true, "logprobs": 0}));
        let body = server.good(LEGACY, &asked).await;
        let choice = &body["choices"][0];
        let whole: Vec<char> = choice["text"].as_str().unwrap().chars().collect();
        let tokens = choice["logprobs"]["tokens"].as_array().unwrap();
        let offsets = choice["logprobs"]["text_offset"].as_array().unwrap();
        for (token, offset) in tokens.iter().zip(offsets) {
            let (token, offset) = (token.as_str().unwrap(), offset.as_u64().unwrap() as usize);
            if token.starts_with("bytes:") || token.starts_with("<|") {
                continue;
            }
            let here: String = whole[offset..].iter().take(token.chars().count()).collect();
            assert_eq!(here, token);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_models() {
    let server = start().await;
    let list: Value = serde_json::from_str(&server.get("/v1/models").await).unwrap();
    insta::assert_json_snapshot!(list);
    let one: Value = serde_json::from_str(&server.get("/v1/models/tiny").await).unwrap();
    assert_eq!(one, list["data"][1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_come_in_four_forms_and_answers_in_their_order() {
    let server = start().await;
    let text = server.good(LEGACY, &legacy(json!({}))).await;
    let echo = legacy(json!({"echo": true, "logprobs": 0, "max_tokens": 0}));
    let echo = server.good(LEGACY, &echo).await;
    // The tiny vocabulary's tokens are found by what the server itself says about the text.
    let count = echo["choices"][0]["logprobs"]["tokens"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(text["usage"]["prompt_tokens"], count);
    let list = legacy(json!({"prompt": ["b", "the and"], "n": 2, "seed": 5, "temperature": 1}));
    let list = server.good(LEGACY, &list).await;
    let alone = legacy(json!({"n": 2, "seed": 5, "temperature": 1}));
    let alone = server.good(LEGACY, &alone).await;
    let indices: Vec<_> = list["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["index"].clone())
        .collect();
    assert_eq!(indices, [0, 1, 2, 3]);
    for i in 0..2 {
        assert_eq!(list["choices"][2 + i]["text"], alone["choices"][i]["text"]);
    }
    let ids = server
        .good(LEGACY, &legacy(json!({"prompt": [5, 6, 7]})))
        .await;
    let nested = server
        .good(LEGACY, &legacy(json!({"prompt": [[5, 6, 7], [8]]})))
        .await;
    assert_eq!(ids["choices"][0]["text"], nested["choices"][0]["text"]);
    assert_eq!(nested["usage"]["prompt_tokens"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_repeats_and_an_adapter_changes() {
    let server = start().await;
    let asked = |model: &str, seed: u64| {
        legacy(json!({"model": model, "seed": seed, "temperature": 1.5, "max_tokens": 20}))
    };
    let text = async |model: &str, seed| {
        server.good(LEGACY, &asked(model, seed)).await["choices"][0]["text"].clone()
    };
    assert_eq!(text("tiny", 1).await, text("tiny", 1).await);
    assert_ne!(text("tiny", 1).await, text("tiny", 2).await);
    assert_ne!(text("tiny", 1).await, text("student", 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_the_form_of_the_interface() {
    let server = start().await;
    let mut seen = Vec::new();
    for (path, body) in [
        (CHAT, chat(json!({"model": "nobody"}))),
        (CHAT, chat(json!({"temperature": 3}))),
        (CHAT, chat(json!({"tools": [{"type": "function"}]}))),
        (CHAT, chat(json!({"colour": "red"}))),
        (CHAT, json!({"model": "tiny"})),
        (CHAT, chat(json!({"max_tokens": 60}))),
        (LEGACY, legacy(json!({"suffix": "x"}))),
        ("/v1/embeddings", json!({})),
    ] {
        let (status, body) = server.post(path, &body).await;
        seen.push(json!({"status": status, "body": body}));
    }
    insta::assert_json_snapshot!(seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_become_tokens_and_tokens_texts() {
    let server = start().await;
    let info: Value = serde_json::from_str(&server.get("/tokenizer_info").await).unwrap();
    let eos = info["eos_token"].as_str().unwrap();
    assert_eq!(eos, "<|im_end|>");
    for text in ["the and é", "a<|im_end|>"] {
        let asked = json!({"prompt": text, "add_special_tokens": false, "return_token_strs": true});
        let body = server.good("/tokenize", &asked).await;
        assert_eq!(body["count"], body["token_strs"].as_array().unwrap().len());
        assert!(
            !body["token_strs"]
                .as_array()
                .unwrap()
                .contains(&json!("<|im_end|>"))
        );
        let back = json!({"tokens": body["tokens"], "model": "tiny"});
        assert_eq!(server.good("/detokenize", &back).await["prompt"], text);
    }
    let alone = server.good("/tokenize", &json!({"prompt": eos})).await;
    assert_eq!(alone["tokens"], json!([2]));
    for (path, asked) in [
        ("/tokenize", json!({"prompt": 5})),
        ("/tokenize", json!({"prompt": "a", "other": 1})),
        ("/detokenize", json!({"tokens": "a"})),
        ("/detokenize", json!({"tokens": [-1]})),
    ] {
        let (status, body) = server.post(path, &asked).await;
        assert_eq!(status, 400, "{body}");
    }
}
