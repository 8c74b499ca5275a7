//! Requests: OpenAI API reference, chat completions and completions; differences between servers
//! are data in `capabilities.toml`.

use autodidact_core::Prompt;
use serde_json::{Map, Value, json};

use super::super::Call;
use super::super::call::{Conversation, effort};
use crate::{PrefillStyle, ProviderError, ThinkingStyle};

/// The body of `/chat/completions`.
pub(in crate::adapters) fn chat(call: &Call<'_>) -> Map<String, Value> {
    let conversation = call.conversation();
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(call.spec.model_name()));
    body.insert("messages".to_owned(), messages(call, &conversation));
    common(call, &mut body);
    if call.logprobs() {
        if call.capabilities.logprobs_count {
            body.insert("logprobs".to_owned(), json!(1));
        } else {
            body.insert("logprobs".to_owned(), json!(true));
            body.insert("top_logprobs".to_owned(), json!(0));
        }
    }
    if call.capabilities.prompt_cache_key
        && let Some(key) = conversation.cache_key()
    {
        body.insert("prompt_cache_key".to_owned(), json!(key));
    }
    if !call.prefill().is_empty() && call.capabilities.prefill_style == PrefillStyle::Continue {
        body.insert("continue_final_message".to_owned(), json!(true));
        body.insert("add_generation_prompt".to_owned(), json!(false));
    }
    thinking(call, &mut body);
    body
}

/// The body of `/completions`. Fails for a conversation.
pub(in crate::adapters) fn completions(
    call: &Call<'_>,
) -> Result<Map<String, Value>, ProviderError> {
    let Prompt::Text(prompt) = &call.request.prompt else {
        return Err(
            call.refuse("plain completions take text, not a conversation: use interface \"chat\"")
        );
    };
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(call.spec.model_name()));
    let prompt = format!("{prompt}{}", call.prefill());
    body.insert("prompt".to_owned(), Value::String(prompt));
    common(call, &mut body);
    if call.logprobs() {
        body.insert("logprobs".to_owned(), json!(1));
    }
    Ok(body)
}

fn common(call: &Call<'_>, body: &mut Map<String, Value>) {
    let mut put = |key: &str, value: Value| {
        body.insert(key.to_owned(), value);
    };
    if call.n() > 1 {
        put("n", json!(call.n()));
    }
    put(
        &call.capabilities.max_tokens_field,
        json!(call.request.max_tokens),
    );
    if let Some(temperature) = call.temperature() {
        put("temperature", temperature);
    }
    if let Some(top_p) = call.top_p() {
        put("top_p", top_p);
    }
    if let Some(seed) = call.seed() {
        put(&call.capabilities.seed_field, json!(seed));
    }
    let stop = call.stop();
    if !stop.is_empty() {
        put("stop", json!(stop));
    }
    body.extend(call.fixed());
}

fn messages(call: &Call<'_>, conversation: &Conversation) -> Value {
    let mut messages = Vec::with_capacity(conversation.turns.len() + 2);
    if !conversation.system.is_empty() {
        let role = &call.capabilities.system_role;
        messages.push(json!({ "role": role, "content": conversation.system }));
    }
    for turn in &conversation.turns {
        messages.push(json!({ "role": turn.role, "content": turn.content }));
    }
    if !call.prefill().is_empty() {
        let mut last = json!({ "role": "assistant", "content": call.prefill() });
        if call.capabilities.prefill_style == PrefillStyle::Prefix {
            last["prefix"] = json!(true);
        }
        messages.push(last);
    }
    Value::Array(messages)
}

fn thinking(call: &Call<'_>, body: &mut Map<String, Value>) {
    let Some(tokens) = call.request.thinking_tokens else {
        return;
    };
    match call.capabilities.thinking {
        ThinkingStyle::Effort => {
            body.insert("reasoning_effort".to_owned(), json!(effort(tokens)));
        }
        ThinkingStyle::Vllm => {
            body.insert("thinking_token_budget".to_owned(), json!(tokens));
        }
        ThinkingStyle::Openrouter => {
            body.insert("reasoning".to_owned(), json!({ "max_tokens": tokens }));
        }
        _ => {}
    }
}
