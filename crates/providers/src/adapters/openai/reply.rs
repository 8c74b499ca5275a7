//! Replies: one function reads a choice, whole or a piece of it, for all servers of this kind.

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
    let mut answer = Answer::new(Expected::of(call));
    header(&mut answer, &value);
    // By position: a server that numbers every choice 0 must not have them run together.
    for (position, choice) in list(&value, "choices").iter().enumerate() {
        let Some(draft) = answer.draft(position) else {
            break;
        };
        if !choice.is_object() {
            return Err(malformed(model, "a choice of the reply is no object"));
        }
        take(draft, choice, "message");
    }
    answer.parsed()
}

/// Reads what a body and a chunk have in common.
pub(super) fn header(answer: &mut Answer, value: &Value) {
    answer.names(text(value, "model"), text(value, "id"));
    if let Some(usage) = value.get("usage").filter(|usage| usage.is_object()) {
        answer.usage = read_usage(usage);
    }
}

fn read_usage(usage: &Value) -> Option<Usage> {
    let prompt = usage.get("prompt_tokens_details").unwrap_or(&Value::Null);
    let completion = usage
        .get("completion_tokens_details")
        .unwrap_or(&Value::Null);
    Some(Usage {
        input: count(usage, "prompt_tokens")?,
        cached_input: count(prompt, "cached_tokens").unwrap_or(0),
        cache_write: count(prompt, "cache_write_tokens").unwrap_or(0),
        output: count(usage, "completion_tokens")?,
        reasoning: count(completion, "reasoning_tokens").unwrap_or(0),
    })
}

/// Reads a choice into its draft; `inside` is `message` for a whole one and `delta` for a piece.
pub(super) fn take(draft: &mut Draft, choice: &Value, inside: &str) {
    let message = choice.get(inside).unwrap_or(&Value::Null);
    let before = draft.text.len();
    content(draft, message.get("content").unwrap_or(&Value::Null));
    if let Some(plain) = text(choice, "text") {
        draft.text.push_str(plain);
    }
    let reasoning = text(message, "reasoning_content").or_else(|| text(message, "reasoning"));
    draft.reasoning.push_str(reasoning.unwrap_or_default());
    draft
        .refusal
        .push_str(text(message, "refusal").unwrap_or_default());
    tool(draft, message);
    logprobs(
        draft,
        choice.get("logprobs").unwrap_or(&Value::Null),
        before,
    );
    if let Some(reason) = text(choice, "finish_reason") {
        let finish = finish(reason, choice);
        draft.end(finish);
    }
}

/// Text, or Mistral's list of chunks: `text`, and `thinking` with chunks of its own.
fn content(draft: &mut Draft, value: &Value) {
    match value {
        Value::String(plain) => draft.text.push_str(plain),
        Value::Array(chunks) => {
            for chunk in chunks {
                match text(chunk, "type") {
                    Some("thinking") => thought(draft, chunk),
                    Some("refusal") => {
                        let refusal = text(chunk, "refusal").unwrap_or_default();
                        draft.refusal.push_str(refusal);
                    }
                    _ => draft.text.push_str(text(chunk, "text").unwrap_or_default()),
                }
            }
        }
        _ => {}
    }
}

fn thought(draft: &mut Draft, chunk: &Value) {
    draft
        .reasoning
        .push_str(text(chunk, "thinking").unwrap_or_default());
    for part in list(chunk, "thinking") {
        draft
            .reasoning
            .push_str(text(part, "text").unwrap_or_default());
    }
}

fn tool(draft: &mut Draft, message: &Value) {
    let first = list(message, "tool_calls")
        .first()
        .map(|call| call.get("function").unwrap_or(call));
    let old = message.get("function_call").filter(|call| call.is_object());
    if let Some(call) = first.or(old) {
        let name = text(call, "name").unwrap_or("a tool");
        draft.tool.get_or_insert_with(|| name.to_owned());
    }
}

/// OpenAI's list, the arrays of plain completions and of Together, or the single number of a
/// Together chunk, whose token is the text that came with it.
fn logprobs(draft: &mut Draft, value: &Value, before: usize) {
    if let Some(logprob) = value.as_f64() {
        let token = draft.text.get(before..).unwrap_or_default().to_owned();
        draft.logprobs.push((token, logprob));
        return;
    }
    entries(draft, list(value, "content"));
    let values = list(value, "token_logprobs").iter();
    for (token, logprob) in list(value, "tokens").iter().zip(values) {
        if let (Some(token), Some(logprob)) = (token.as_str(), logprob.as_f64()) {
            draft.logprobs.push((token.to_owned(), logprob));
        }
    }
}

/// Entries of `{token, logprob}`, also Ollama's.
pub(in crate::adapters) fn entries(draft: &mut Draft, entries: &[Value]) {
    for entry in entries {
        let token = entry.get("token").and_then(Value::as_str);
        let logprob = entry.get("logprob").and_then(Value::as_f64);
        if let (Some(token), Some(logprob)) = (token, logprob) {
            draft.logprobs.push((token.to_owned(), logprob));
        }
    }
}

fn finish(reason: &str, choice: &Value) -> Finish {
    match reason {
        // vLLM says what stopped it, a text or a token; SGLang names the end token too.
        "stop" if choice.get("stop_reason").is_some_and(|by| !by.is_null()) => Finish::Stop,
        "stop" if choice.get("matched_stop").is_some_and(Value::is_string) => Finish::Stop,
        "stop" | "eos" => Finish::EndOfText,
        "length" | "model_length" | "max_tokens" => Finish::Length,
        "content_filter" => Finish::Filtered(reason.to_owned()),
        "abort" => Finish::Incomplete("the server aborted it".to_owned()),
        other => Finish::Other(remark(other)),
    }
}
