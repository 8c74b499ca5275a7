//! Replies: blocks of text and of thinking, one `stop_reason`.

use serde_json::Value;

use super::super::Call;
use super::super::draft::{Answer, Draft, Expected};
use super::super::json::{count, error, list, malformed, object, remark, text};
use crate::{Finish, Parsed, ProviderError, Usage};

/// Reads a whole body.
pub(in crate::adapters) fn parse(call: &Call<'_>, body: &[u8]) -> Result<Parsed, ProviderError> {
    let model = &call.spec.name;
    let value = object(model, body)?;
    if let Some(error) = error(model, &value) {
        return Err(error);
    }
    if !value.get("content").is_some_and(Value::is_array) {
        return Err(malformed(model, "the reply has no content blocks"));
    }
    let mut answer = Answer::new(Expected::of(call));
    header(&mut answer, &value);
    if let Some(draft) = answer.draft(0) {
        for block in list(&value, "content") {
            take(draft, block);
        }
        stopped(draft, &value);
    }
    answer.parsed()
}

/// Names and usage of a message.
pub(super) fn header(answer: &mut Answer, message: &Value) {
    answer.names(text(message, "model"), text(message, "id"));
    if let Some(usage) = message.get("usage") {
        answer.usage = read_usage(usage, None);
    }
}

/// Usage; a later one that leaves numbers out keeps the earlier ones. The cache's tokens are not
/// part of `input_tokens`.
pub(super) fn read_usage(usage: &Value, before: Option<Usage>) -> Option<Usage> {
    let details = usage.get("output_tokens_details").unwrap_or(&Value::Null);
    let written = count(usage, "cache_creation_input_tokens");
    let cached = count(usage, "cache_read_input_tokens");
    let earlier = before.unwrap_or_default();
    let cache_write = written.unwrap_or(earlier.cache_write);
    let cached_input = cached.unwrap_or(earlier.cached_input);
    let input = match (count(usage, "input_tokens"), before) {
        (Some(plain), _) => plain.checked_add(cache_write)?.checked_add(cached_input)?,
        (None, Some(before)) => before.input,
        (None, None) => return None,
    };
    Some(Usage {
        input,
        cached_input,
        cache_write,
        output: count(usage, "output_tokens")?,
        reasoning: count(details, "thinking_tokens").unwrap_or(earlier.reasoning),
    })
}

/// Reads a content block, or the start of one.
pub(super) fn take(draft: &mut Draft, block: &Value) {
    match text(block, "type") {
        Some("text") => draft.text.push_str(text(block, "text").unwrap_or_default()),
        Some("thinking") => draft
            .reasoning
            .push_str(text(block, "thinking").unwrap_or_default()),
        Some("tool_use" | "server_tool_use") => {
            let name = text(block, "name").unwrap_or("a tool");
            draft.tool.get_or_insert_with(|| name.to_owned());
        }
        _ => {} // redacted thinking, and what is not known yet
    }
}

/// Reads `stop_reason`, where there is one.
pub(super) fn stopped(draft: &mut Draft, value: &Value) {
    let Some(reason) = text(value, "stop_reason") else {
        return;
    };
    let finish = match reason {
        "end_turn" => Finish::EndOfText,
        "stop_sequence" => Finish::Stop,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "refusal" => Finish::Refused(refusal(value)),
        other => Finish::Other(remark(other)),
    };
    draft.end(finish);
}

fn refusal(value: &Value) -> String {
    let details = value.get("stop_details").unwrap_or(&Value::Null);
    let why = text(details, "explanation").or_else(|| text(details, "category"));
    remark(why.unwrap_or("refusal"))
}
