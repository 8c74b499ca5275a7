//! Replies: one object, or one a line until `done`.

use serde_json::Value;

use super::super::Call;
use super::super::draft::{Answer, Draft, Expected};
use super::super::json::{count, error, list, object, remark, text};
use super::super::openai::entries;
use crate::{Finish, Parsed, ProviderError, StreamDecoder, Usage};

struct Decoder {
    answer: Answer,
    done: bool,
}

/// A decoder for one answer.
pub(in crate::adapters) fn decoder(call: &Call<'_>) -> Box<dyn StreamDecoder> {
    Box::new(new(call))
}

/// Reads a whole body, which is a stream of one piece.
pub(in crate::adapters) fn parse(call: &Call<'_>, body: &[u8]) -> Result<Parsed, ProviderError> {
    let mut decoder = new(call);
    let value = object(&call.spec.name, body)?;
    decoder.take(&value)?;
    decoder.answer.parsed()
}

fn new(call: &Call<'_>) -> Decoder {
    Decoder {
        answer: Answer::new(Expected::of(call)),
        done: false,
    }
}

impl StreamDecoder for Decoder {
    fn event(&mut self, _name: &str, data: &str) -> Result<(), ProviderError> {
        if self.done || data.trim().is_empty() {
            return Ok(());
        }
        self.answer.piece(data)?;
        let value = object(&self.answer.expected.model, data.as_bytes())?;
        self.take(&value)
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn finish(self: Box<Self>) -> Result<Parsed, ProviderError> {
        self.answer.parsed()
    }
}

impl Decoder {
    fn take(&mut self, value: &Value) -> Result<(), ProviderError> {
        if let Some(error) = error(&self.answer.expected.model, value) {
            return Err(error);
        }
        self.answer.names(text(value, "model"), None);
        let message = value.get("message");
        let spoken = message.is_some() || value.get("response").is_some();
        if !spoken && value.get("done").is_none() {
            return Ok(()); // no part of an answer
        }
        let done = value.get("done").and_then(Value::as_bool) == Some(true);
        if let Some(draft) = self.answer.draft(0) {
            read(draft, message.unwrap_or(value), value);
            if done {
                draft.end(finish(value));
            }
        }
        if done {
            self.done = true;
            self.answer.usage = read_usage(value);
        }
        Ok(())
    }
}

fn read(draft: &mut Draft, message: &Value, value: &Value) {
    let words = text(message, "content").or_else(|| text(value, "response"));
    draft.text.push_str(words.unwrap_or_default());
    draft
        .reasoning
        .push_str(text(message, "thinking").unwrap_or_default());
    if let Some(call) = list(message, "tool_calls").first() {
        let function = call.get("function").unwrap_or(call);
        let name = text(function, "name").unwrap_or("a tool");
        draft.tool.get_or_insert_with(|| name.to_owned());
    }
    entries(draft, list(value, "logprobs"));
}

fn finish(value: &Value) -> Finish {
    match text(value, "done_reason") {
        Some("stop") => Finish::EndOfText,
        Some("length") => Finish::Length,
        Some(other) => Finish::Other(remark(other)),
        // Servers from before `done_reason` said `done` alone.
        None => Finish::Incomplete("done without a reason".to_owned()),
    }
}

fn read_usage(value: &Value) -> Option<Usage> {
    Some(Usage {
        input: count(value, "prompt_eval_count")?,
        output: count(value, "eval_count")?,
        ..Usage::default()
    })
}
