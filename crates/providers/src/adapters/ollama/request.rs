//! Requests: ollama, docs/api.md, `/api/chat` and `/api/generate`.

use autodidact_core::{Interface, Prompt};
use serde_json::{Map, Value, json};

use super::super::Call;
use crate::{ProviderError, ThinkingStyle};

/// The path: plain text to continue goes to `/api/generate`.
pub(in crate::adapters) fn path(call: &Call<'_>) -> String {
    let path = match call.spec.interface {
        Interface::Chat => "/api/chat",
        Interface::Completions => "/api/generate",
    };
    path.to_owned()
}

/// The body. Fails for a conversation on the interface for plain text.
pub(in crate::adapters) fn body(call: &Call<'_>) -> Result<Map<String, Value>, ProviderError> {
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(call.spec.model_name()));
    match (call.spec.interface, &call.request.prompt) {
        (Interface::Chat, _) => {
            body.insert("messages".to_owned(), messages(call));
        }
        (Interface::Completions, Prompt::Text(prompt)) => {
            let prompt = format!("{prompt}{}", call.prefill());
            body.insert("prompt".to_owned(), Value::String(prompt));
            body.insert("raw".to_owned(), json!(true));
        }
        (Interface::Completions, Prompt::Chat(_)) => {
            return Err(call.refuse(
                "plain completions take text, not a conversation: use interface \"chat\"",
            ));
        }
    }
    let thinks = call.capabilities.thinking == ThinkingStyle::Ollama;
    if let Some(tokens) = call.request.thinking_tokens.filter(|_| thinks) {
        body.insert("think".to_owned(), json!(tokens > 0));
    }
    if call.logprobs() {
        body.insert("logprobs".to_owned(), json!(true));
    }
    body.insert("options".to_owned(), Value::Object(options(call)));
    Ok(body)
}

fn messages(call: &Call<'_>) -> Value {
    let conversation = call.conversation();
    let mut messages = Vec::with_capacity(conversation.turns.len() + 2);
    if !conversation.system.is_empty() {
        let role = &call.capabilities.system_role;
        messages.push(json!({ "role": role, "content": conversation.system }));
    }
    for turn in &conversation.turns {
        messages.push(json!({ "role": turn.role, "content": turn.content }));
    }
    if !call.prefill().is_empty() {
        messages.push(json!({ "role": "assistant", "content": call.prefill() }));
    }
    Value::Array(messages)
}

fn options(call: &Call<'_>) -> Map<String, Value> {
    let mut options = call.fixed();
    let mut put = |key: &str, value: Value| {
        options.insert(key.to_owned(), value);
    };
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
    options
}
