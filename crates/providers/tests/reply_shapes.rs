//! Replies of every provider become one shape: text, reasoning, end, log-probabilities, usage.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod recorded;

use autodidact_core::{Interface, ModelSpec, Prompt, ProviderKind};
use autodidact_providers::{Finish, Reply};
use proptest::prelude::*;
use recorded::{Case, REMOTE, whole_bodies};
use serde_json::{Value, json};

fn one(provider: ProviderKind, body: &Value) -> Reply {
    let parsed = Case::new(provider, "x").parse(&body.to_string()).unwrap();
    parsed.replies[0].clone()
}

fn openai(message: &Value, finish: &Value) -> Value {
    json!({"choices": [{"index": 0, "message": message, "finish_reason": finish}]})
}

#[test]
fn recorded_bodies_are_read_in_full() {
    let parse = |provider, body| Case::new(provider, "x").parse(body).unwrap();
    let openai = parse(ProviderKind::Openai, recorded::OPENAI);
    assert_eq!(openai.replies[0].text, "6 * 7 = 42. The answer is 42.");
    assert_eq!(openai.replies[0].logprob, Some(-0.75));
    assert_eq!(
        openai.replies[0].token_logprobs[1],
        (" * 7".to_owned(), -0.25)
    );
    let usage = openai.usage.unwrap();
    assert_eq!(
        (
            usage.input,
            usage.cached_input,
            usage.output,
            usage.reasoning
        ),
        (14, 8, 13, 4)
    );
    assert_eq!(openai.model, "gpt-4o-mini-2024-07-18");
    assert_eq!(openai.request_id.as_deref(), Some("chatcmpl-1"));

    let mut two = Case::new(ProviderKind::Vllm, "x");
    two.request.seeds = vec![1, 2];
    let vllm = two.parse(recorded::VLLM).unwrap();
    assert_eq!(vllm.replies[0].finish, Finish::Stop);
    assert_eq!(
        vllm.replies[0].reasoning.as_deref(),
        Some("six times seven")
    );
    assert_eq!(vllm.replies[1].finish, Finish::Length);

    let mistral = parse(ProviderKind::Mistral, recorded::MISTRAL);
    assert_eq!(mistral.replies[0].text, "The answer is 42.");
    assert_eq!(mistral.replies[0].reasoning.as_deref(), Some("six sevens"));

    let together = parse(ProviderKind::Together, recorded::TOGETHER);
    assert_eq!(together.replies[0].finish, Finish::EndOfText);
    assert!((together.replies[0].logprob.unwrap() + 0.3).abs() < 1e-12);

    let anthropic = parse(ProviderKind::Anthropic, recorded::ANTHROPIC);
    assert_eq!(anthropic.replies[0].text, "The answer is 42.");
    assert_eq!(
        anthropic.replies[0].reasoning.as_deref(),
        Some("six times seven")
    );
    let usage = anthropic.usage.unwrap();
    assert_eq!(
        (usage.input, usage.cached_input, usage.cache_write),
        (20, 5, 3)
    );

    let gemini = parse(ProviderKind::Gemini, recorded::GEMINI);
    assert_eq!(gemini.replies[0].text, "The answer is 42.");
    assert_eq!(gemini.replies[0].token_logprobs.len(), 2);
    assert_eq!(gemini.usage.unwrap().output, 18, "thoughts are charged");

    let ollama = parse(ProviderKind::Ollama, recorded::OLLAMA);
    assert_eq!(ollama.replies[0].text, "The answer is 42.");
    assert_eq!(ollama.usage.unwrap().output, 11);
    assert_eq!(ollama.replies[0].token_logprobs.len(), 1);
}

#[test]
fn plain_completions_are_read_with_their_arrays() {
    let mut spec = ModelSpec::new("m", ProviderKind::Vllm, "base");
    spec.interface = Interface::Completions;
    let mut case = Case::of(spec);
    case.request.prompt = Prompt::Text("Q:".into());
    case.request.prefill = Some(" Let".into());
    let body = json!({"object": "text_completion", "model": "base", "choices": [
        {"index": 0, "text": " me see", "finish_reason": "length", "logprobs":
            {"tokens": [" me", " see"], "token_logprobs": [null, -0.5], "text_offset": [0, 3]}}]});
    let parsed = case.parse(&body.to_string()).unwrap();
    assert_eq!(parsed.replies[0].text, " Let me see");
    assert_eq!(
        parsed.replies[0].token_logprobs,
        [(" see".to_owned(), -0.5)]
    );
    let old = json!({"model": "base", "response": " me", "done": true, "done_reason": "length"});
    case.spec.provider = ProviderKind::Ollama;
    let parsed = case.parse(&old.to_string()).unwrap();
    assert_eq!(parsed.replies[0].text, " Let me");
}

#[test]
fn every_way_to_end_has_its_word() {
    let say = json!({"content": "text"});
    let ends = [
        ("stop", "endoftext"),
        ("eos", "endoftext"),
        ("length", "length"),
        ("model_length", "length"),
        ("content_filter", "filtered"),
        ("tool_calls", "other"),
        ("error", "other"),
        ("abort", "incomplete"),
        ("", "incomplete"),
    ];
    for (reason, word) in ends {
        let reply = one(ProviderKind::Openai, &openai(&say, &json!(reason)));
        assert_eq!(reply.finish.as_str(), word, "{reason}");
    }
    let null = one(ProviderKind::Openai, &openai(&say, &Value::Null));
    assert_eq!(null.finish.as_str(), "incomplete");
    for (reason, word) in [
        ("end_turn", "endoftext"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "refused"),
        ("tool_use", "other"),
        ("pause_turn", "other"),
    ] {
        let body = json!({"content": [{"type": "text", "text": "t"}], "stop_reason": reason});
        assert_eq!(
            one(ProviderKind::Anthropic, &body).finish.as_str(),
            word,
            "{reason}"
        );
    }
    for (reason, word) in [
        ("STOP", "endoftext"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "filtered"),
        ("RECITATION", "filtered"),
        ("PROHIBITED_CONTENT", "filtered"),
        ("MALFORMED_FUNCTION_CALL", "other"),
        ("SOMETHING_NEW", "other"),
    ] {
        let body = json!({"candidates": [{"content": {"parts": [{"text": "t"}]}, "finishReason": reason}]});
        assert_eq!(
            one(ProviderKind::Gemini, &body).finish.as_str(),
            word,
            "{reason}"
        );
    }
    for (reason, word) in [
        ("stop", "endoftext"),
        ("length", "length"),
        ("load", "other"),
    ] {
        let body = json!({"message": {"content": "t"}, "done": true, "done_reason": reason});
        assert_eq!(
            one(ProviderKind::Ollama, &body).finish.as_str(),
            word,
            "{reason}"
        );
    }
}

#[test]
fn refusals_filters_and_tools_are_no_answers() {
    let refused = openai(
        &json!({"content": null, "refusal": "I cannot."}),
        &json!("stop"),
    );
    let reply = one(ProviderKind::Openai, &refused);
    assert_eq!(reply.finish, Finish::Refused("I cannot.".into()));
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}});
    let reply = one(ProviderKind::Gemini, &blocked);
    assert_eq!(reply.finish, Finish::Filtered("SAFETY".into()));
    let tool = openai(
        &json!({"content": "ok", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}),
        &json!("stop"),
    );
    assert_eq!(one(ProviderKind::Openai, &tool).finish.as_str(), "other");
    let empty = openai(
        &json!({"content": "", "reasoning_content": "hm"}),
        &json!("length"),
    );
    let reply = one(ProviderKind::Vllm, &empty);
    assert_eq!(reply.finish.as_str(), "empty");
    assert_eq!(reply.reasoning.as_deref(), Some("hm"));
    let blank = openai(&json!({"content": " \n"}), &json!("stop"));
    assert_eq!(one(ProviderKind::Vllm, &blank).finish.as_str(), "empty");
}

#[test]
fn reasoning_inside_the_text_is_kept_apart() {
    let think = openai(
        &json!({"content": "<think>\nsix\n</think>\n\n42"}),
        &json!("stop"),
    );
    let reply = one(ProviderKind::Vllm, &think);
    assert_eq!(
        (reply.text.as_str(), reply.reasoning.as_deref()),
        ("42", Some("six"))
    );
    let unfinished = openai(&json!({"content": "<think>six"}), &json!("length"));
    let reply = one(
        ProviderKind::Ollama,
        &json!({"message": {"content": "<think>six"}, "done": true, "done_reason": "length"}),
    );
    assert_eq!(reply.finish.as_str(), "empty");
    assert_eq!(
        one(ProviderKind::Vllm, &unfinished).finish.as_str(),
        "empty"
    );
}

#[test]
fn an_answer_begins_with_the_start_it_was_given() {
    let read = |provider, model: &str, prefill: &str, body: Value| {
        let mut case = Case::new(provider, model);
        case.request.prefill = Some(prefill.into());
        case.parse(&body.to_string()).unwrap().replies[0]
            .text
            .clone()
    };
    let say = |text: &str| openai(&json!({ "content": text }), &json!("stop"));
    let mistral = |text| read(ProviderKind::Mistral, "x", "Let", say(text));
    assert_eq!(mistral("Let me"), "Let me", "it comes back included");
    assert_eq!(mistral(" me"), "Let me");
    assert_eq!(
        read(ProviderKind::Vllm, "x", "Let", say(" Let be")),
        "Let Let be"
    );
    let claude = |text: &str| {
        let body = json!({"content": [{"type": "text", "text": text}], "stop_reason": "end_turn"});
        read(ProviderKind::Anthropic, "claude-sonnet-4-5", "Let ", body)
    };
    assert_eq!(claude(" me"), "Let me");
    assert_eq!(claude("me"), "Let me");
}

#[test]
fn stop_texts_end_the_answer_even_where_they_cannot_be_sent() {
    let mut case = Case::new(ProviderKind::Anthropic, "claude-sonnet-4-5");
    case.request.stop = vec!["\n\n".into(), "Q:".into()];
    let body =
        json!({"content": [{"type": "text", "text": "42\n\nQ: next"}], "stop_reason": "end_turn"});
    let parsed = case.parse(&body.to_string()).unwrap();
    assert_eq!(parsed.replies[0].text, "42");
    assert_eq!(parsed.replies[0].finish, Finish::Stop);
}

fn any_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "choices",
        "message",
        "content",
        "text",
        "type",
        "thinking",
        "error",
        "usage",
        "candidates",
        "parts",
        "delta",
        "finish_reason",
        "logprobs",
        "tokens",
        "token_logprobs",
        "index",
        "done",
        "stop_reason",
        "finishReason",
        "prompt_tokens",
        "completion_tokens",
        "stop",
        "tool_calls",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        words.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((words.clone(), inner), 0..6).prop_map(|pairs| {
                let pairs = pairs
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value));
                Value::Object(pairs.collect())
            }),
        ]
    })
}

/// Puts `with` at the n-th place of a value.
fn mutate(value: &mut Value, place: &mut usize, with: &Value) {
    if *place == 0 {
        *value = with.clone();
    }
    *place = place.wrapping_sub(1);
    match value {
        Value::Object(map) => map
            .values_mut()
            .for_each(|inner| mutate(inner, place, with)),
        Value::Array(list) => list.iter_mut().for_each(|inner| mutate(inner, place, with)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_json_is_read_without_a_panic(value in any_json()) {
        for provider in REMOTE {
            let case = Case::new(provider, "x");
            let text = value.to_string();
            if let Ok(parsed) = case.parse(&text) {
                prop_assert!(!parsed.replies.is_empty());
            }
            let event = format!("data: {text}\n\n{text}\n");
            if let Ok(parsed) = case.stream(event.as_bytes()) {
                prop_assert!(!parsed.replies.is_empty());
            }
        }
    }

    #[test]
    fn recorded_bodies_with_a_wrong_part_are_read_without_a_panic(place in 0_usize..70, with in any_json()) {
        for (provider, body) in whole_bodies() {
            let mut value: Value = serde_json::from_str(body).unwrap();
            mutate(&mut value, &mut place.clone(), &with);
            if let Ok(parsed) = Case::new(provider, "x").parse(&value.to_string()) {
                for reply in parsed.replies {
                    prop_assert!(!reply.finish.is_answer() || !reply.text.trim().is_empty());
                    prop_assert!(reply.logprob.is_none_or(f64::is_finite));
                }
            }
        }
    }
}
