//! Replies: candidates with parts; in a stream every event is a whole response with more parts.

use serde_json::Value;

use super::super::Call;
use super::super::draft::{Answer, Draft, Expected};
use super::super::json::{count, error, list, malformed, object, remark, text};
use crate::{Finish, Parsed, ProviderError, StreamDecoder, Usage};

/// Reads a whole body.
pub(in crate::adapters) fn parse(call: &Call<'_>, body: &[u8]) -> Result<Parsed, ProviderError> {
    let model = &call.spec.name;
    let value = object(model, body)?;
    let mut answer = Answer::new(Expected::of(call));
    take(&mut answer, &value, false)?;
    answer.parsed()
}

/// A decoder for one answer.
pub(in crate::adapters) fn decoder(call: &Call<'_>) -> Box<dyn StreamDecoder> {
    Box::new(Decoder {
        answer: Answer::new(Expected::of(call)),
        last: String::new(),
    })
}

struct Decoder {
    answer: Answer,
    last: String,
}

impl StreamDecoder for Decoder {
    fn event(&mut self, _name: &str, data: &str) -> Result<(), ProviderError> {
        // There is no end mark, and some models give a finish reason in every event; so only a
        // repetition of the last event tells that it was sent twice.
        if data.trim().is_empty() || (data == self.last && data.contains("finishReason")) {
            return Ok(());
        }
        self.answer.piece(data)?;
        let value = object(&self.answer.expected.model, data.as_bytes())?;
        take(&mut self.answer, &value, true)?;
        data.clone_into(&mut self.last);
        Ok(())
    }

    fn is_done(&self) -> bool {
        false
    }

    fn finish(self: Box<Self>) -> Result<Parsed, ProviderError> {
        self.answer.parsed()
    }
}

fn take(answer: &mut Answer, value: &Value, piece: bool) -> Result<(), ProviderError> {
    let model = answer.expected.model.clone();
    if let Some(error) = error(&model, value) {
        return Err(error);
    }
    answer.names(text(value, "modelVersion"), text(value, "responseId"));
    if let Some(usage) = value.get("usageMetadata") {
        answer.usage = read_usage(usage);
    }
    for (position, candidate) in list(value, "candidates").iter().enumerate() {
        if !candidate.is_object() {
            return Err(malformed(&model, "a candidate of the reply is no object"));
        }
        let given = count(candidate, "index").and_then(|index| usize::try_from(index).ok());
        let index = given.filter(|_| piece).unwrap_or(position);
        if let Some(draft) = answer.draft(index) {
            read(draft, candidate);
        }
    }
    blocked(answer, value);
    Ok(())
}

fn blocked(answer: &mut Answer, value: &Value) {
    let feedback = value.get("promptFeedback").unwrap_or(&Value::Null);
    if let Some(reason) = text(feedback, "blockReason")
        && let Some(draft) = answer.draft(0)
    {
        draft.end = Some(Finish::Filtered(remark(reason)));
    }
}

fn read(draft: &mut Draft, candidate: &Value) {
    let content = candidate.get("content").unwrap_or(&Value::Null);
    for part in list(content, "parts") {
        let words = text(part, "text").unwrap_or_default();
        if part.get("thought").and_then(Value::as_bool) == Some(true) {
            draft.reasoning.push_str(words);
        } else {
            draft.text.push_str(words);
        }
        if let Some(call) = part.get("functionCall") {
            let name = text(call, "name").unwrap_or("a tool");
            draft.tool.get_or_insert_with(|| name.to_owned());
        }
    }
    let result = candidate.get("logprobsResult").unwrap_or(&Value::Null);
    for entry in list(result, "chosenCandidates") {
        let token = entry.get("token").and_then(Value::as_str);
        let logprob = entry.get("logProbability").and_then(Value::as_f64);
        if let (Some(token), Some(logprob)) = (token, logprob) {
            draft.logprobs.push((token.to_owned(), logprob));
        }
    }
    if let Some(reason) = text(candidate, "finishReason") {
        // The last reason counts: a stream may say STOP until something worse happens.
        draft.end = Some(finish(reason, candidate));
    }
}

fn finish(reason: &str, candidate: &Value) -> Finish {
    let said = text(candidate, "finishMessage").unwrap_or_default();
    let detail = || remark(format!("{reason} {said}").trim());
    match reason {
        "STOP" => Finish::EndOfText,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "LANGUAGE"
        | "IMAGE_SAFETY" => Finish::Filtered(detail()),
        "FINISH_REASON_UNSPECIFIED" => Finish::Incomplete(detail()),
        _ => Finish::Other(detail()),
    }
}

/// `candidatesTokenCount` leaves the thoughts out, which are charged as output.
fn read_usage(usage: &Value) -> Option<Usage> {
    let reasoning = count(usage, "thoughtsTokenCount").unwrap_or(0);
    let visible = match usage.get("candidatesTokenCount") {
        None => 0,
        Some(_) => count(usage, "candidatesTokenCount")?,
    };
    let tools = count(usage, "toolUsePromptTokenCount").unwrap_or(0);
    Some(Usage {
        input: count(usage, "promptTokenCount")?.checked_add(tools)?,
        cached_input: count(usage, "cachedContentTokenCount").unwrap_or(0),
        cache_write: 0,
        output: visible.checked_add(reasoning)?,
        reasoning,
    })
}
