//! Answers in pieces: named events, `message_start` to `message_stop`.

use serde_json::Value;

use super::super::Call;
use super::super::draft::{Answer, Draft, Expected};
use super::super::json::{error, object, text};
use super::reply::{header, read_usage, stopped, take};
use crate::{Parsed, ProviderError, StreamDecoder};

struct Decoder {
    answer: Answer,
    done: bool,
}

/// A decoder for one answer.
pub(in crate::adapters) fn decoder(call: &Call<'_>) -> Box<dyn StreamDecoder> {
    Box::new(Decoder {
        answer: Answer::new(Expected::of(call)),
        done: false,
    })
}

impl StreamDecoder for Decoder {
    fn event(&mut self, name: &str, data: &str) -> Result<(), ProviderError> {
        if self.done || name == "ping" || data.trim().is_empty() {
            return Ok(());
        }
        self.answer.piece(data)?;
        let value = object(&self.answer.expected.model, data.as_bytes())?;
        if let Some(error) = error(&self.answer.expected.model, &value) {
            return Err(error);
        }
        // The event's name is also inside; proxies lose the outer one.
        let kind = text(&value, "type").unwrap_or(name).to_owned();
        self.take(&kind, &value);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn finish(self: Box<Self>) -> Result<Parsed, ProviderError> {
        self.answer.parsed()
    }
}

impl Decoder {
    fn take(&mut self, kind: &str, value: &Value) {
        match kind {
            "message_start" => {
                header(&mut self.answer, value.get("message").unwrap_or(value));
            }
            "content_block_start" => {
                if let (Some(draft), Some(block)) = (self.open(), value.get("content_block")) {
                    take(draft, block);
                }
            }
            "content_block_delta" => {
                if let (Some(draft), Some(delta)) = (self.open(), value.get("delta")) {
                    more(draft, delta);
                }
            }
            "message_delta" => {
                if let Some(usage) = value.get("usage") {
                    self.answer.usage = read_usage(usage, self.answer.usage);
                }
                if let (Some(draft), Some(delta)) = (self.open(), value.get("delta")) {
                    stopped(draft, delta);
                }
            }
            "message_stop" => self.done = true,
            _ => {}
        }
    }

    /// The reply, unless it has ended already.
    fn open(&mut self) -> Option<&mut Draft> {
        self.answer.draft(0).filter(|draft| draft.end.is_none())
    }
}

fn more(draft: &mut Draft, delta: &Value) {
    match text(delta, "type") {
        Some("text_delta") => draft.text.push_str(text(delta, "text").unwrap_or_default()),
        Some("thinking_delta") => draft
            .reasoning
            .push_str(text(delta, "thinking").unwrap_or_default()),
        _ => {} // signatures, citations, the input of tools
    }
}
