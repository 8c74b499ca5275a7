//! Requests are in each provider's own shape, and carry no field whose capability is absent.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod recorded;

use autodidact_core::{Interface, Message, ModelSpec, Prompt, ProviderKind};
use autodidact_providers::{Adapter, Capabilities, ErrorClass};
use recorded::{Case, REMOTE};
use serde_json::{Value, json};

/// Names of fields at any depth, except inside conversations.
fn fields(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                found.push(key.clone());
                fields(inner, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| fields(inner, found)),
        _ => {}
    }
}

fn full(provider: ProviderKind, model: &str) -> Case {
    let mut case = Case::new(provider, model);
    case.request.prompt = Prompt::Chat(vec![
        Message {
            role: "system".into(),
            content: "Be brief.".into(),
        },
        Message::user("1 + 1?"),
        Message::assistant("2"),
        Message::user("What is 6 * 7?"),
    ]);
    case.request.seeds = vec![u64::MAX, 2, 3];
    case.request.stop = vec!["\nQ:".into(), "\n\n".into()];
    case.request.logprobs = true;
    case.request.top_p = 0.9;
    case.request.idempotency_key = "key-1".into();
    case
}

#[test]
fn a_field_whose_capability_is_absent_is_never_sent() {
    let groups: [(&str, &[&str]); 5] = [
        (
            "temperature",
            &["temperature", "top_p", "topP", "top_k", "min_p"],
        ),
        ("seed", &["seed", "random_seed"]),
        ("stop", &["stop", "stop_sequences", "stopSequences"]),
        (
            "logprobs",
            &["logprobs", "top_logprobs", "responseLogprobs"],
        ),
        ("n", &["n", "candidateCount"]),
    ];
    let mut checked = 0;
    for provider in REMOTE {
        for (absent, names) in groups {
            let mut case = full(provider, "some-model");
            let known = &mut case.capabilities;
            match absent {
                "temperature" => known.temperature = false,
                "seed" => known.seed = false,
                "stop" => known.stop = 0,
                "logprobs" => known.logprobs = false,
                _ => known.n = 1,
            }
            let mut found = Vec::new();
            fields(&case.body(), &mut found);
            for name in names {
                assert!(
                    !found.iter().any(|field| field == name),
                    "{provider}: {name}"
                );
                checked += 1;
            }
            case.capabilities.system_role.clear();
            let body = case.body().to_string();
            assert!(!body.contains("\"system\"") && !body.contains("systemInstruction"));
            assert!(
                body.contains("Be brief."),
                "{provider}: the instruction is lost"
            );
        }
        let mut case = full(provider, "some-model");
        case.request.prefill = Some("Let me".into());
        case.capabilities.prefill = false;
        let refused = case.adapter().request(&case.call(), false).unwrap_err();
        assert_eq!(refused.class, ErrorClass::BadRequest);
    }
    println!("fields checked: {checked}, sent without their capability: 0");
}

#[test]
fn what_a_provider_can_do_is_sent_in_its_own_words() {
    let body = full(ProviderKind::Openai, "gpt-4o-mini").body();
    assert_eq!(body["n"], 3);
    assert_eq!(body["max_completion_tokens"], 256);
    assert_eq!(body["temperature"], json!(0.7));
    assert_eq!(body["seed"], (1_u64 << 53) - 1);
    assert_eq!(body["top_logprobs"], 0);
    assert!(body.get("max_tokens").is_none());

    let reasoning = full(ProviderKind::Openai, "o3-mini").body();
    assert_eq!(reasoning["messages"][0]["role"], "developer");
    for absent in ["temperature", "top_p", "stop", "logprobs"] {
        assert!(reasoning.get(absent).is_none(), "{absent}");
    }

    let mistral = full(ProviderKind::Mistral, "mistral-small").body();
    assert_eq!(mistral["random_seed"], (1_u64 << 31) - 1);
    assert!(mistral.get("seed").is_none() && mistral.get("logprobs").is_none());

    let together = full(ProviderKind::Together, "x").body();
    assert_eq!(together["logprobs"], 1);

    for provider in [ProviderKind::Vllm, ProviderKind::Sglang] {
        let mut case = full(provider, "x");
        case.request.top_p = 1.0;
        let body = case.body();
        assert_eq!((&body["top_p"], &body["top_k"]), (&json!(1.0), &json!(-1)));
        assert_eq!(body["temperature"], json!(0.7));
    }

    let gemini = full(ProviderKind::Gemini, "gemini-2.5-flash").body();
    assert_eq!(gemini["systemInstruction"]["parts"][0]["text"], "Be brief.");
    assert_eq!(gemini["contents"][1]["role"], "model");
    let config = &gemini["generationConfig"];
    assert_eq!(config["candidateCount"], 3);
    assert_eq!(config["maxOutputTokens"], 256);
    assert_eq!(config["stopSequences"][1], "\n\n");

    let ollama = full(ProviderKind::Ollama, "qwen3").body();
    assert_eq!(ollama["stream"], false);
    assert_eq!(ollama["options"]["num_predict"], 256);
    assert_eq!(ollama["options"]["top_p"], json!(0.9));
    assert!(ollama.get("n").is_none());
}

#[test]
fn anthropic_gets_its_system_text_and_one_of_two_knobs() {
    let case = full(ProviderKind::Anthropic, "claude-sonnet-4-5");
    let wire = case.adapter().request(&case.call(), false).unwrap();
    assert_eq!(wire.path, "/v1/messages");
    assert_eq!(wire.headers[0], ("anthropic-version", "2023-06-01".into()));
    let body = case.body();
    assert_eq!(body["system"], "Be brief.");
    assert_eq!(body["max_tokens"], 256);
    assert_eq!(body["temperature"], json!(0.7));
    assert!(body.get("top_p").is_none(), "one of the two");
    assert_eq!(body["stop_sequences"], json!(["\nQ:"]), "none of blanks");
    let newest = full(ProviderKind::Anthropic, "claude-opus-4-7").body();
    assert!(newest.get("temperature").is_none());
}

#[test]
fn long_common_starts_are_marked_for_the_cache() {
    let mut case = full(ProviderKind::Anthropic, "claude-sonnet-4-5");
    let short = case.body();
    assert!(!short.to_string().contains("cache_control"));
    if let Prompt::Chat(messages) = &mut case.request.prompt {
        messages[0].content = "Think. ".repeat(1000);
    }
    let body = case.body();
    let mark = json!({ "type": "ephemeral" });
    assert_eq!(body["messages"][1]["content"][0]["cache_control"], mark);
    assert_eq!(body.to_string().matches("cache_control").count(), 1);

    let Prompt::Chat(messages) = &case.request.prompt else {
        return;
    };
    let mut openai = full(ProviderKind::Openai, "gpt-4o");
    openai.request.prompt = Prompt::Chat(messages.clone());
    let first = openai.body()["prompt_cache_key"].clone();
    let Prompt::Chat(messages) = &mut openai.request.prompt else {
        return;
    };
    messages.last_mut().unwrap().content = "another question".into();
    assert!(first.is_string());
    assert_eq!(openai.body()["prompt_cache_key"], first);
}

#[test]
fn the_start_of_an_answer_goes_out_in_five_ways() {
    let ask = |provider, model| {
        let mut case = full(provider, model);
        case.request.prefill = Some("Let me ".into());
        case.body()
    };
    let last = |body: &Value| body["messages"].as_array().unwrap().last().unwrap().clone();
    let vllm = ask(ProviderKind::Vllm, "x");
    assert_eq!(vllm["continue_final_message"], true);
    assert_eq!(vllm["add_generation_prompt"], false);
    assert_eq!(
        last(&vllm),
        json!({"role": "assistant", "content": "Let me "})
    );
    let mistral = last(&ask(ProviderKind::Mistral, "x"));
    assert_eq!(mistral["prefix"], true);
    let anthropic = last(&ask(ProviderKind::Anthropic, "claude-sonnet-4-5"));
    assert_eq!(anthropic["content"], "Let me", "no white space at the end");
    let llama = last(&ask(ProviderKind::LlamaServer, "x"));
    assert_eq!(llama["role"], "assistant");
    let gemini = ask(ProviderKind::Gemini, "gemini-2.5-flash");
    let turns = gemini["contents"].as_array().unwrap();
    assert_eq!(turns.last().unwrap()["role"], "model");
}

#[test]
fn plain_text_and_conversations_each_have_their_interface() {
    let mut spec = ModelSpec::new("m", ProviderKind::Vllm, "base");
    spec.interface = Interface::Completions;
    let mut case = Case::of(spec);
    let wrong = case.adapter().request(&case.call(), false).unwrap_err();
    assert_eq!(wrong.class, ErrorClass::BadRequest);
    assert!(wrong.to_string().contains("interface"), "{wrong}");
    case.request.prompt = Prompt::Text("Q: 6 * 7?\nA:".into());
    case.request.prefill = Some(" Let".into());
    case.request.logprobs = true;
    let wire = case.adapter().request(&case.call(), true).unwrap();
    assert_eq!(wire.path, "/completions");
    let body: Value = serde_json::from_slice(&wire.body).unwrap();
    assert_eq!(body["prompt"], "Q: 6 * 7?\nA: Let");
    assert_eq!(
        (&body["logprobs"], &body["stream"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(body["stream_options"]["include_usage"], true);

    let mut chat = Case::new(ProviderKind::Openai, "gpt-4o");
    chat.request.prompt = Prompt::Text("Q: 6 * 7?".into());
    let text = json!([{ "role": "user", "content": "Q: 6 * 7?" }]);
    assert_eq!(chat.body()["messages"], text);

    let mut ollama = ModelSpec::new("m", ProviderKind::Ollama, "base");
    ollama.interface = Interface::Completions;
    let mut case = Case::of(ollama);
    case.request.prompt = Prompt::Text("Q:".into());
    let wire = case.adapter().request(&case.call(), false).unwrap();
    assert_eq!(wire.path, "/api/generate");
    assert_eq!(case.body()["raw"], true);

    let mut gemini = ModelSpec::new("m", ProviderKind::Gemini, "x");
    gemini.interface = Interface::Completions;
    assert_eq!(
        Adapter::of(&gemini).unwrap_err().class,
        ErrorClass::Declaration
    );
}

#[test]
fn reasoning_is_asked_for_in_each_providers_way() {
    let ask = |provider, model: &str| {
        let mut case = Case::new(provider, model);
        case.request.thinking_tokens = Some(2000);
        case.request.max_tokens = 4096;
        case.body()
    };
    let old = ask(ProviderKind::Anthropic, "claude-sonnet-4-5");
    assert_eq!(old["thinking"]["budget_tokens"], 2000);
    assert!(old.get("temperature").is_none(), "it has to be 1");
    let new = ask(ProviderKind::Anthropic, "claude-opus-4-7");
    assert_eq!(new["thinking"]["type"], "adaptive");
    assert_eq!(ask(ProviderKind::Openai, "o3")["reasoning_effort"], "low");
    let gemini = ask(ProviderKind::Gemini, "gemini-2.5-pro");
    let thinking = &gemini["generationConfig"]["thinkingConfig"];
    assert_eq!(thinking["thinkingBudget"], 2000);
    assert_eq!(ask(ProviderKind::Ollama, "qwen3")["think"], true);
    assert!(
        ask(ProviderKind::Openai, "gpt-4o")
            .get("reasoning_effort")
            .is_none()
    );

    let mut small = Case::new(ProviderKind::Anthropic, "claude-sonnet-4-5");
    small.request.thinking_tokens = Some(2000);
    let refused = small.adapter().request(&small.call(), false).unwrap_err();
    assert_eq!(refused.class, ErrorClass::BadRequest);
}

#[test]
fn only_providers_that_know_it_get_an_idempotency_key() {
    for provider in REMOTE {
        let case = full(provider, "x");
        let wire = case.adapter().request(&case.call(), false).unwrap();
        let sent = wire
            .headers
            .iter()
            .any(|(name, _)| *name == "idempotency-key");
        let knows = Capabilities::of(&case.spec).idempotency;
        assert_eq!(sent, knows, "{provider}");
    }
}
