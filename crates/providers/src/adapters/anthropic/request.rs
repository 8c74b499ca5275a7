//! Requests: Anthropic API reference, messages.

use serde_json::{Map, Value, json};

use super::super::Call;
use super::super::call::{CACHED_PREFIX, Conversation, effort};
use crate::{ProviderError, ThinkingStyle};

/// The value of `anthropic-version`.
pub(in crate::adapters) const VERSION: &str = "2023-06-01";

/// The smallest `budget_tokens` (Anthropic guide, extended thinking).
const LEAST_THINKING: u32 = 1024;

/// The body of `/v1/messages`. Fails for reasoning that does not fit the token limit or that is to
/// go with a prefill.
pub(in crate::adapters) fn body(call: &Call<'_>) -> Result<Map<String, Value>, ProviderError> {
    let conversation = call.conversation();
    let cached = call.capabilities.cache_control && conversation.shared_bytes() >= CACHED_PREFIX;
    let mut body = Map::new();
    let mut put = |key: &str, value: Value| {
        body.insert(key.to_owned(), value);
    };
    put("model", json!(call.spec.model_name()));
    put(
        &call.capabilities.max_tokens_field,
        json!(call.request.max_tokens),
    );
    if !conversation.system.is_empty() {
        let mark = cached && conversation.shared_turns() == 0;
        put("system", content(&conversation.system, mark));
    }
    put("messages", messages(call, &conversation, cached));
    let stop = call.stop();
    if !stop.is_empty() {
        put("stop_sequences", json!(stop));
    }
    if thinking(call, &mut body)? {
        return Ok(body); // with reasoning the temperature has to be 1
    }
    if let Some(top_p) = call.top_p().filter(|_| call.request.top_p < 1.0) {
        body.insert("top_p".to_owned(), top_p);
    }
    if let Some(temperature) = call.temperature()
        && (call.capabilities.temperature_with_top_p || !body.contains_key("top_p"))
    {
        body.insert("temperature".to_owned(), temperature);
    }
    Ok(body)
}

/// A text, or a block of it that ends what is cached.
fn content(text: &str, cached: bool) -> Value {
    if cached {
        json!([{ "type": "text", "text": text, "cache_control": { "type": "ephemeral" } }])
    } else {
        json!(text)
    }
}

fn messages(call: &Call<'_>, conversation: &Conversation, cached: bool) -> Value {
    let shared = conversation.shared_turns();
    let mut messages: Vec<Value> = conversation
        .turns
        .iter()
        .enumerate()
        .map(|(at, turn)| {
            let mark = cached && at + 1 == shared;
            json!({ "role": turn.role, "content": content(&turn.content, mark) })
        })
        .collect();
    // The last turn must not end in white space; what is cut is put back when the reply is read.
    let prefill = call.prefill().trim_end();
    if !prefill.is_empty() {
        messages.push(json!({ "role": "assistant", "content": prefill }));
    }
    Value::Array(messages)
}

fn thinking(call: &Call<'_>, body: &mut Map<String, Value>) -> Result<bool, ProviderError> {
    let Some(tokens) = call.request.thinking_tokens.filter(|tokens| *tokens > 0) else {
        return Ok(false);
    };
    match call.capabilities.thinking {
        ThinkingStyle::Budget => {
            let budget = tokens.max(LEAST_THINKING);
            if budget >= call.request.max_tokens {
                return Err(call.refuse(format!(
                    "`thinking_tokens` of {budget} leave no room within `max_tokens` of {}; raise it",
                    call.request.max_tokens
                )));
            }
            let value = json!({ "type": "enabled", "budget_tokens": budget });
            body.insert("thinking".to_owned(), value);
        }
        ThinkingStyle::Adaptive => {
            body.insert("thinking".to_owned(), json!({ "type": "adaptive" }));
            let value = json!({ "effort": effort(tokens) });
            body.insert("output_config".to_owned(), value);
        }
        _ => return Ok(false),
    }
    if call.prefill().is_empty() {
        Ok(true)
    } else {
        Err(call.refuse("reasoning and the start of an answer do not go together"))
    }
}
