//! Answers in pieces: chunks of interleaved choices, usage in a last chunk without choices, `[DONE]`.

use serde_json::Value;

use super::super::Call;
use super::super::draft::{Answer, Expected};
use super::super::json::{count, error, list, object};
use super::reply::{header, take};
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
    fn event(&mut self, _name: &str, data: &str) -> Result<(), ProviderError> {
        if data.trim() == "[DONE]" {
            self.done = true;
        }
        if self.done || data.trim().is_empty() {
            return Ok(());
        }
        self.answer.piece(data)?;
        let value = object(&self.answer.expected.model, data.as_bytes())?;
        if let Some(error) = error(&self.answer.expected.model, &value) {
            return Err(error);
        }
        header(&mut self.answer, &value);
        for (position, choice) in list(&value, "choices").iter().enumerate() {
            self.choice(position, choice);
        }
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
    fn choice(&mut self, position: usize, choice: &Value) {
        let index = count(choice, "index").and_then(|index| usize::try_from(index).ok());
        let draft = self.answer.draft(index.unwrap_or(position));
        // Some gateways send the last piece twice; after its end a choice takes no more.
        if let Some(draft) = draft.filter(|draft| draft.end.is_none()) {
            take(draft, choice, "delta");
        }
    }
}
