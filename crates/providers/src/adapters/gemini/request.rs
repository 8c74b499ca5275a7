//! Requests: Gemini API reference, models.generateContent.

use serde_json::{Map, Value, json};

use super::super::Call;
use crate::ThinkingStyle;

/// The body of `:generateContent`.
pub(in crate::adapters) fn body(call: &Call<'_>) -> Map<String, Value> {
    let conversation = call.conversation();
    let mut contents: Vec<Value> = Vec::with_capacity(conversation.turns.len() + 1);
    for turn in &conversation.turns {
        let role = if turn.role == "assistant" {
            "model"
        } else {
            "user"
        };
        contents.push(json!({ "role": role, "parts": [{ "text": turn.content }] }));
    }
    if !call.prefill().is_empty() {
        contents.push(json!({ "role": "model", "parts": [{ "text": call.prefill() }] }));
    }
    let mut body = Map::new();
    if !conversation.system.is_empty() {
        let instruction = json!({ "parts": [{ "text": conversation.system }] });
        body.insert("systemInstruction".to_owned(), instruction);
    }
    body.insert("contents".to_owned(), Value::Array(contents));
    body.insert("generationConfig".to_owned(), Value::Object(config(call)));
    body
}

fn config(call: &Call<'_>) -> Map<String, Value> {
    let mut config = call.fixed();
    let mut put = |key: &str, value: Value| {
        config.insert(key.to_owned(), value);
    };
    put(
        &call.capabilities.max_tokens_field,
        json!(call.request.max_tokens),
    );
    if call.n() > 1 {
        put("candidateCount", json!(call.n()));
    }
    if let Some(temperature) = call.temperature() {
        put("temperature", temperature);
    }
    if let Some(top_p) = call.top_p() {
        put("topP", top_p);
    }
    if let Some(seed) = call.seed() {
        put(&call.capabilities.seed_field, json!(seed));
    }
    let stop = call.stop();
    if !stop.is_empty() {
        put("stopSequences", json!(stop));
    }
    if call.logprobs() {
        put("responseLogprobs", json!(true));
    }
    if let Some(tokens) = call.request.thinking_tokens {
        match call.capabilities.thinking {
            ThinkingStyle::GeminiBudget => {
                let value = json!({ "thinkingBudget": tokens, "includeThoughts": true });
                put("thinkingConfig", value);
            }
            ThinkingStyle::GeminiLevel => {
                let level = if tokens <= 2048 { "low" } else { "high" };
                let value = json!({ "thinkingLevel": level, "includeThoughts": true });
                put("thinkingConfig", value);
            }
            _ => {}
        }
    }
    config
}

/// The path for a model. Its name is part of it, so anything odd in the name is escaped.
pub(in crate::adapters) fn path(model: &str, stream: bool) -> String {
    let method = if stream {
        "streamGenerateContent?alt=sse"
    } else {
        "generateContent"
    };
    format!("/v1beta/{}:{method}", resource(model))
}

/// `models/…`, or another collection such as `tunedModels/…` as it is.
pub(crate) fn resource(model: &str) -> String {
    let mut path = String::from(if model.contains('/') { "" } else { "models/" });
    for byte in model.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                path.push(char::from(byte));
            }
            other => path.push_str(&format!("%{other:02X}")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_that_stay_paths() {
        assert_eq!(
            path("gemini-2.5-flash", false),
            "/v1beta/models/gemini-2.5-flash:generateContent"
        );
        assert_eq!(
            path("tunedModels/mine", true),
            "/v1beta/tunedModels/mine:streamGenerateContent?alt=sse"
        );
        assert_eq!(resource("a?b#c d"), "models/a%3Fb%23c%20d");
    }
}
