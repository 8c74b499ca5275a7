//! One sample while it is being generated.

use autodidact_core::{Completion, FinishReason};

use super::cache::SegmentId;
use super::choose::Choice;
use super::{Finished, SamplingOptions};
use crate::Tokenizer;
use crate::random::Random;

/// A sample that is not done.
#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) request: usize,
    pub(super) index: usize,
    /// The request's own part of the prompt.
    pub(super) prompt: SegmentId,
    /// What was generated.
    pub(super) own: SegmentId,
    pub(super) random: Random,
    tokens: Vec<u32>,
    bytes: Vec<u8>,
    logprob: f64,
}

impl Sequence {
    pub(super) fn new(
        request: usize,
        index: usize,
        seed: u64,
        prompt: SegmentId,
        own: SegmentId,
    ) -> Self {
        let random = Random::new(seed);
        Self {
            request,
            index,
            prompt,
            own,
            random,
            tokens: Vec::new(),
            bytes: Vec::new(),
            logprob: 0.0,
        }
    }

    /// The token to feed next.
    pub(super) fn last_token(&self) -> Option<u32> {
        self.tokens.last().copied()
    }

    /// Appends a token; returns the finished sample if it was the last.
    pub(super) fn push(
        &mut self,
        choice: Choice,
        tokenizer: &Tokenizer,
        options: &SamplingOptions,
    ) -> Option<Finished> {
        self.logprob += choice.logprob;
        if !options.ignore_end_of_text && tokenizer.is_end_of_text(choice.token) {
            return Some(self.finish(FinishReason::EndOfText, self.tokens.len() + 1));
        }
        self.tokens.push(choice.token);
        let piece = tokenizer.token_bytes(choice.token);
        self.bytes.extend_from_slice(piece);
        if let Some(at) = find_stop(&self.bytes, piece.len(), &options.stop) {
            self.bytes.truncate(at);
            return Some(self.finish(FinishReason::Stop, self.tokens.len()));
        }
        (self.tokens.len() >= options.max_tokens)
            .then(|| self.finish(FinishReason::Length, self.tokens.len()))
    }

    fn finish(&mut self, finish: FinishReason, generated: usize) -> Finished {
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        let completion = Completion {
            text,
            finish,
            tokens: generated as u32,
            logprob: self.logprob,
        };
        Finished {
            request: self.request,
            index: self.index,
            tokens: std::mem::take(&mut self.tokens),
            completion,
        }
    }
}

/// The first position of a stop text that ends within the last `new` bytes.
fn find_stop(bytes: &[u8], new: usize, stops: &[String]) -> Option<usize> {
    let position = |stop: &String| {
        let stop = stop.as_bytes();
        let from = (bytes.len() - new + 1).saturating_sub(stop.len().max(1));
        let found = bytes
            .get(from..)?
            .windows(stop.len().max(1))
            .position(|w| w == stop)?;
        Some(from + found)
    };
    stops.iter().filter_map(position).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Byte by byte, a stop text is found where a search of the whole text finds it first.
        #[test]
        fn stop_texts_are_found_when_they_are_complete(text in "[ab\n]{0,20}", stop in "[ab\n]{1,3}") {
            let stops = [stop.clone()];
            let bytes = text.as_bytes();
            let found = (1..=bytes.len()).find_map(|n| find_stop(&bytes[..n], 1, &stops));
            prop_assert_eq!(found, text.find(&stop));
        }
    }
}
