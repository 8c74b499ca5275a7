//! A choice while it grows: text that is certain, piece by piece.

use autodidact_core::{Completion, FinishReason};
use autodidact_engine::{ScoredToken, Tokenizer};

use crate::logprobs::ShownToken;

/// What has become certain of a choice.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) tokens: Vec<ShownToken>,
}

impl Piece {
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.tokens.is_empty()
    }

    /// Appends what comes behind it.
    pub(crate) fn append(&mut self, other: Self) {
        self.text += &other.text;
        self.tokens.extend(other.tokens);
    }
}

/// Turns tokens into text. Held back is what may turn out to be a stop text or is half a character,
/// so that the pieces put together are the text of the whole completion.
#[derive(Debug)]
pub(crate) struct Choice {
    stops: Vec<String>,
    /// Tokens are told too.
    scored: bool,
    bytes: Vec<u8>,
    /// Bytes, then characters, that were let go.
    shown: usize,
    characters: usize,
    shown_text: usize,
    /// Characters before the completion in the choice's text.
    offset: usize,
    /// Tokens that were not let go, with where their bytes begin.
    held: Vec<(usize, ShownToken)>,
}

impl Choice {
    /// A choice whose completion follows `offset` characters.
    pub(crate) fn new(stops: &[String], scored: bool, offset: usize) -> Self {
        Self {
            stops: stops.to_vec(),
            scored,
            bytes: Vec::new(),
            shown: 0,
            characters: 0,
            shown_text: 0,
            offset,
            held: Vec::new(),
        }
    }

    /// Takes a token and lets go what is certain.
    pub(crate) fn push(&mut self, token: &ScoredToken, tokenizer: &Tokenizer) -> Piece {
        let start = self.bytes.len();
        if self.scored {
            let held = self.bytes.get(self.shown..).unwrap_or_default();
            let before = self.characters + String::from_utf8_lossy(held).chars().count();
            let shown = ShownToken::new(token, self.offset + before, tokenizer);
            self.held.push((start, shown));
        }
        if !tokenizer.is_end_of_text(token.token) {
            self.bytes
                .extend_from_slice(tokenizer.token_bytes(token.token));
        }
        let certain = self.certain();
        let fresh = self.bytes.get(self.shown..certain).unwrap_or_default();
        let text = String::from_utf8_lossy(fresh).into_owned();
        self.shown = certain;
        self.characters += text.chars().count();
        self.shown_text += text.len();
        let gone = self
            .held
            .iter()
            .take_while(|(start, _)| *start < certain)
            .count();
        Piece {
            text,
            tokens: self.held.drain(..gone).map(|(_, token)| token).collect(),
        }
    }

    /// What was held back and belongs to the completion.
    pub(crate) fn finish(&mut self, completion: &Completion) -> Piece {
        let text = completion.text.get(self.shown_text..).unwrap_or_default();
        let end = if completion.finish == FinishReason::Stop {
            let stops = self.stops.iter().filter_map(|stop| find(&self.bytes, stop));
            stops.min().unwrap_or(self.bytes.len())
        } else {
            usize::MAX
        };
        let held = std::mem::take(&mut self.held).into_iter();
        Piece {
            text: text.to_owned(),
            tokens: held
                .filter(|(start, _)| *start < end)
                .map(|(_, t)| t)
                .collect(),
        }
    }

    /// How many bytes can neither be the beginning of a stop text nor of a character.
    fn certain(&self) -> usize {
        let bytes = &self.bytes;
        let begins = |from: usize| {
            let tail = bytes.get(from..).unwrap_or_default();
            self.stops.iter().any(|stop| {
                let (stop, length) = (stop.as_bytes(), tail.len().min(stop.len()));
                stop.get(..length) == tail.get(..length)
            })
        };
        let certain = (self.shown..bytes.len()).find(|from| begins(*from));
        let certain = certain.unwrap_or(bytes.len());
        match std::str::from_utf8(bytes.get(self.shown..certain).unwrap_or_default()) {
            Ok(_) => certain,
            Err(error) => self.whole_characters(certain, &error),
        }
    }

    /// The end of the last whole character before `certain`. Bytes that can never become one are let
    /// go; they are shown as U+FFFD.
    fn whole_characters(&self, certain: usize, first: &std::str::Utf8Error) -> usize {
        let (mut from, mut error) = (self.shown, *first);
        loop {
            from += error.valid_up_to();
            let Some(length) = error.error_len() else {
                return from;
            };
            from += length;
            match std::str::from_utf8(self.bytes.get(from..certain).unwrap_or_default()) {
                Ok(_) => return certain,
                Err(next) => error = next,
            }
        }
    }
}

fn find(bytes: &[u8], text: &str) -> Option<usize> {
    let windows = bytes.windows(text.len().max(1));
    windows
        .into_iter()
        .position(|window| window == text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use autodidact_engine::Model;
    use proptest::prelude::*;

    use super::*;

    fn tiny() -> Model {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/golden");
        Model::open(&golden.join("tiny.gguf")).unwrap()
    }

    /// What the engine makes of tokens: everything before the first stop text.
    fn completion(tokens: &[u32], stops: &[String], tokenizer: &Tokenizer) -> (usize, Completion) {
        let mut bytes = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            bytes.extend_from_slice(tokenizer.token_bytes(*token));
            let found = stops.iter().filter_map(|stop| find(&bytes, stop)).min();
            if let Some(end) = found {
                bytes.truncate(end);
                return (at + 1, made(&bytes, FinishReason::Stop));
            }
        }
        (tokens.len(), made(&bytes, FinishReason::Length))
    }

    fn made(bytes: &[u8], finish: FinishReason) -> Completion {
        Completion {
            text: String::from_utf8_lossy(bytes).into_owned(),
            finish,
            tokens: 1,
            logprob: 0.0,
        }
    }

    proptest! {
        /// Whatever is generated, halves of characters and stop texts that begin and do not end
        /// included: the pieces are the text, and nothing of a stop text is ever let go.
        #[test]
        fn pieces_are_the_whole_text(
            tokens in prop::collection::vec(prop_oneof![3u32..96, 60u32..80], 0..30),
            stops in prop::collection::vec("[the é]{1,4}", 0..3),
        ) {
            let model = tiny();
            let tokenizer = model.tokenizer();
            let (used, expected) = completion(&tokens, &stops, tokenizer);
            let mut choice = Choice::new(&stops, true, 7);
            let mut whole = Piece::default();
            for token in &tokens[..used] {
                let token = ScoredToken { token: *token, logprob: -1.0, alternatives: vec![] };
                whole.append(choice.push(&token, tokenizer));
                prop_assert!(expected.text.starts_with(&whole.text));
            }
            whole.append(choice.finish(&expected));
            prop_assert_eq!(&whole.text, &expected.text);
            let offsets: Vec<usize> = whole.tokens.iter().map(|token| token.offset).collect();
            prop_assert!(offsets.is_sorted() && offsets.iter().all(|offset| *offset >= 7));
            if expected.finish == FinishReason::Length {
                prop_assert_eq!(whole.tokens.len(), tokens.len());
            }
        }
    }
}
