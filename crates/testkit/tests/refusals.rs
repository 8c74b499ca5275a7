//! What the providers refuse, the fleet refuses, with their statuses and bodies.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use autodidact_testkit::{Act, End, Fault, Fleet};
use common::{asked, post, request, whole};
use serde_json::{Value, json};

fn messages() -> Value {
    json!([{"role": "user", "content": "What is 1 + 1?"}])
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

fn openai(model: &str) -> Value {
    json!({"model": model, "messages": messages()})
}

fn anthropic(model: &str) -> Value {
    json!({"model": model, "messages": messages(), "max_tokens": 4096})
}

fn prefill() -> Value {
    json!([messages()[0], {"role": "assistant", "content": "Let"}])
}

fn gemini(config: &Value) -> Value {
    json!({"contents": [{"parts": [{"text": "What is 1 + 1?"}]}], "generationConfig": config})
}

/// Path, body, and what the refusal must be: status, and a text at a place in the body.
type Case = (&'static str, Value, u16, &'static str, &'static str);

const CHAT: &str = "/v1/chat/completions";

fn openai_cases() -> Vec<Case> {
    let gpt = |name: &str, value: Value| with(openai("gpt-4o"), name, value);
    let stops = json!(["a", "b", "c", "d", "e"]);
    vec![
        (
            CHAT,
            gpt("top_k", json!(1)),
            400,
            "/error/code",
            "unknown_parameter",
        ),
        (CHAT, gpt("seed", json!("1")), 400, "/error/param", "seed"),
        (CHAT, gpt("n", json!(0)), 400, "/error/param", "n"),
        (
            CHAT,
            gpt("top_logprobs", json!(1)),
            400,
            "/error/param",
            "top_logprobs",
        ),
        (CHAT, gpt("stop", stops), 400, "/error/param", "stop"),
        (
            CHAT,
            gpt("messages", json!(null)),
            400,
            "/error/param",
            "messages",
        ),
        (
            CHAT,
            with(openai("o3"), "max_tokens", json!(9)),
            400,
            "/error/code",
            "unsupported_parameter",
        ),
        (
            CHAT,
            with(openai("gpt-5"), "temperature", json!(0.5)),
            400,
            "/error/param",
            "temperature",
        ),
    ]
}

fn imitator_cases() -> Vec<Case> {
    let mistral = |name: &str, value: Value| with(openai("mistral-small"), name, value);
    let continued = with(openai("served"), "continue_final_message", json!(true));
    let together = with(openai("m"), "logprobs", json!(true));
    vec![
        (CHAT, openai("no-such"), 404, "/error/type", "NotFoundError"),
        (
            CHAT,
            mistral("seed", json!(1)),
            422,
            "/detail/0/type",
            "extra_forbidden",
        ),
        (
            CHAT,
            mistral("logprobs", json!(true)),
            422,
            "/detail/0/loc/1",
            "logprobs",
        ),
        (
            CHAT,
            mistral("messages", prefill()),
            400,
            "/object",
            "error",
        ),
        (CHAT, continued, 400, "/error/type", "BadRequestError"),
        (
            "/together/v1/chat/completions",
            together,
            400,
            "/error/param",
            "logprobs",
        ),
    ]
}

fn anthropic_cases() -> Vec<Case> {
    let path = "/v1/messages";
    let message = "/error/message";
    let hot = with(anthropic("claude-x"), "temperature", json!(1.5));
    let opus = with(anthropic("claude-opus-4-7"), "temperature", json!(1.0));
    let sonnet = with(anthropic("claude-sonnet-4-6"), "messages", prefill());
    let n = with(anthropic("claude-x"), "n", json!(2));
    let few = json!({"type": "enabled", "budget_tokens": 5000});
    let few = with(anthropic("claude-x"), "thinking", few);
    vec![
        (
            path,
            openai("claude-x"),
            400,
            message,
            "max_tokens: Field required",
        ),
        (path, n, 400, message, "n: Extra inputs are not permitted"),
        (path, hot, 400, "/error/type", "invalid_request_error"),
        (
            path,
            opus,
            400,
            message,
            "`temperature` is deprecated for this model.",
        ),
        (
            path,
            few,
            400,
            message,
            "`max_tokens` must be greater than `thinking.budget_tokens`.",
        ),
        (
            path,
            sonnet,
            400,
            message,
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        ),
    ]
}

fn other_cases() -> Vec<Case> {
    let generate = "/v1beta/models/gemini-2.5-flash:generateContent";
    let big_seed = gemini(&json!({"seed": 1_u64 << 40}));
    let absent = json!({"model": "no-such", "messages": messages()});
    let removed = json!({"model": "m", "input": "x", "softmax": false});
    vec![
        (
            generate,
            gemini(&json!({"maxTokens": 5})),
            400,
            "/error/status",
            "INVALID_ARGUMENT",
        ),
        (generate, big_seed, 400, "/error/status", "INVALID_ARGUMENT"),
        (
            "/api/chat",
            absent,
            404,
            "/error",
            "model 'no-such' not found",
        ),
        ("/pooling", removed, 400, "/error/type", "BadRequestError"),
        (
            "/predict",
            json!({"inputs": []}),
            400,
            "/error_type",
            "Empty",
        ),
    ]
}

#[test]
fn wrong_requests_are_refused_as_the_providers_do() {
    let fleet = Fleet::new();
    let cases = [
        openai_cases(),
        imitator_cases(),
        anthropic_cases(),
        other_cases(),
    ]
    .concat();
    for (path, body, status, pointer, expected) in &cases {
        let (seen, reply) = asked(&fleet, path, body);
        assert_eq!(seen, *status, "{path} {body}\n{reply}");
        let text = reply.pointer(pointer).and_then(Value::as_str);
        assert_eq!(text, Some(*expected), "{body}\n{reply}");
    }
    println!("{} refusals", cases.len());
    assert_eq!(fleet.ledger().answers, 0);
}

#[test]
fn a_system_role_is_refused_by_anthropic_only() {
    let system = json!([{"role": "system", "content": "Be short."}, messages()[0]]);
    let fleet = Fleet::new();
    let (status, reply) = asked(
        &fleet,
        "/v1/messages",
        &with(anthropic("claude-x"), "messages", system.clone()),
    );
    assert_eq!(status, 400, "{reply}");
    let (status, _) = asked(
        &fleet,
        "/v1/chat/completions",
        &with(openai("gpt-4o"), "messages", system),
    );
    assert_eq!(status, 200);
}

#[test]
fn ollama_ignores_n_in_silence() {
    let fleet = Fleet::new();
    let body = json!({"model": "llama3.2:1b", "messages": messages(), "n": 4});
    let (status, reply) = asked(&fleet, "/v1/chat/completions", &body);
    assert_eq!(
        (status, reply["choices"].as_array().unwrap().len()),
        (200, 1)
    );
    let native = with(with(body, "stream", json!(false)), "foo", json!(1));
    assert_eq!(asked(&fleet, "/api/chat", &native).0, 200);
}

#[test]
fn keys_are_checked_where_a_provider_wants_one() {
    let fleet = Fleet::new().with_keys(["right"]);
    let gemini_path = "/v1beta/models/gemini-x:generateContent";
    let cases = [
        (
            "/v1/chat/completions",
            "authorization",
            "Bearer ",
            openai("gpt-4o"),
            401,
            "/error/code",
            "invalid_api_key",
        ),
        (
            "/v1/chat/completions",
            "authorization",
            "Bearer ",
            openai("mistral-small"),
            401,
            "/type",
            "authentication_error",
        ),
        (
            "/v1/messages",
            "x-api-key",
            "",
            anthropic("claude-x"),
            401,
            "/error/type",
            "authentication_error",
        ),
        (
            gemini_path,
            "x-goog-api-key",
            "",
            gemini(&json!({})),
            400,
            "/error/details/0/reason",
            "API_KEY_INVALID",
        ),
    ];
    for (path, header, scheme, body, status, pointer, expected) in cases {
        for key in ["wrong", "right"] {
            let value = format!("{scheme}{key}");
            let headers = [
                (header, value.as_str()),
                ("anthropic-version", "2023-06-01"),
            ];
            let (seen, reply) = whole(post(&fleet, path, &headers, &body));
            if key == "right" {
                assert_eq!(seen, 200, "{reply}");
            } else {
                assert_eq!(seen, status, "{reply}");
                assert_eq!(
                    reply.pointer(pointer).and_then(Value::as_str),
                    Some(expected),
                    "{reply}"
                );
            }
        }
    }
    let (status, _) = asked(
        &fleet,
        "/api/chat",
        &json!({"model": "m", "messages": messages(), "stream": false}),
    );
    assert_eq!(status, 200);
}

#[test]
fn faults_come_in_the_providers_form() {
    let fleet = Fleet::new();
    let status = |path: &str, fault: &str, body: &Value| {
        let headers = [
            ("x-testkit-fault", fault),
            ("anthropic-version", "2023-06-01"),
        ];
        match post(&fleet, path, &headers, body) {
            Act::Answer(reply) => (
                reply.status,
                reply.headers.iter().any(|(name, _)| name == "retry-after"),
            ),
            other => panic!("{other:?}"),
        }
    };
    let chat = "/v1/chat/completions";
    let generate = "/v1beta/models/gemini-x:generateContent";
    assert_eq!(status(chat, "rate429", &openai("gpt-4o")), (429, true));
    assert_eq!(status(chat, "money", &openai("gpt-4o")), (429, false));
    assert_eq!(status(chat, "overloaded", &openai("gpt-4o")), (503, false));
    assert_eq!(
        status("/v1/messages", "overloaded", &anthropic("claude-x")),
        (529, false)
    );
    assert_eq!(
        status("/v1/messages", "money", &anthropic("claude-x")),
        (402, false)
    );
    // Gemini tells the wait in the body.
    assert_eq!(
        status(generate, "rate429", &gemini(&json!({}))),
        (429, false)
    );
    let (_, reply) = whole(post(
        &fleet,
        generate,
        &[("x-testkit-fault", "rate429")],
        &gemini(&json!({})),
    ));
    assert_eq!(reply["error"]["details"][0]["retryDelay"], "1s");
    assert_eq!(fleet.ledger().answers, 0);
}

#[test]
fn a_truncated_answer_ends_in_the_middle_and_is_marked() {
    let fleet = Fleet::new();
    let chat = CHAT;
    let cut = post(
        &fleet,
        chat,
        &[("x-testkit-fault", "truncated")],
        &openai("gpt-4o"),
    );
    assert!(
        matches!(
            cut,
            Act::Raw {
                then: End::Close,
                ..
            }
        ),
        "{cut:?}"
    );
    let streamed = with(openai("gpt-4o"), "stream", json!(true));
    let cut = post(&fleet, chat, &[("x-testkit-fault", "truncated")], &streamed);
    assert!(
        matches!(
            cut,
            Act::Pieces {
                then: End::CutChunked,
                ..
            }
        ),
        "{cut:?}"
    );
    assert_eq!(
        fleet
            .ledger()
            .entries
            .iter()
            .map(|entry| entry.broken)
            .sum::<u64>(),
        2
    );
}

#[test]
fn faults_happen_as_often_as_asked() {
    let fleet = Fleet::new().with_faults(0.2, &[Fault::Rate429]);
    let refused = (0..2000)
        .filter(|_| asked(&fleet, "/v1/chat/completions", &openai("gpt-4o")).0 == 429)
        .count();
    println!("{refused} of 2000 with probability 0.2");
    assert!((340..460).contains(&refused));
}

#[test]
fn what_is_paid_twice_is_seen() {
    let fleet = Fleet::new();
    let ask = |model: &str, key: &str| {
        let (status, reply) = whole(post(
            &fleet,
            "/v1/chat/completions",
            &[("idempotency-key", key)],
            &openai(model),
        ));
        assert_eq!(status, 200);
        reply
    };
    // OpenAI answers again without charging; of a vLLM server nobody promises that.
    assert_eq!(ask("gpt-4o", "a"), ask("gpt-4o", "a"));
    assert_eq!((fleet.ledger().answers, fleet.ledger().replays), (1, 1));
    assert!(fleet.ledger().paid_twice().is_empty());
    ask("served", "b");
    ask("served", "b");
    let ledger = fleet.ledger();
    assert_eq!(ledger.paid_twice().len(), 1);
    assert_eq!((ledger.requests, ledger.answers), (4, 3));
    assert!(ledger.output_tokens > 0);

    let (_, shown) = whole(fleet.act(&request("GET", "/testkit/requests", &[], vec![])));
    assert_eq!(shown, serde_json::to_value(&ledger).unwrap());
    fleet.forget();
    assert_eq!(fleet.ledger().requests, 0);
}
