//! Tokens with their kinds, and the few that have a meaning of their own.

use std::collections::HashMap;

use crate::EngineError;

/// What a token is (`tokenizer.ggml.token_type`, and `ModelProto.SentencePiece.Type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A piece of text.
    Normal,
    /// Stands for what the vocabulary cannot spell.
    Unknown,
    /// Never text: begins, ends and structures it.
    Control,
    /// Text that is always one token.
    UserDefined,
    /// Never used.
    Unused,
    /// One byte.
    Byte,
}

impl Kind {
    /// From the number that GGUF and SentencePiece store; other numbers are normal tokens.
    pub(super) fn from_number(number: u64) -> Self {
        match number {
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => Self::Normal,
        }
    }
}

/// The ids of tokens with a meaning, as the model's files name them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SpecialIds {
    /// Begins a text.
    pub(crate) bos: Option<u32>,
    /// Put `bos` before every text.
    pub(crate) add_bos: bool,
    /// End a text; the first is what training writes.
    pub(crate) end: Vec<u32>,
}

/// Tokens that end an answer in the models that have them; files often name only one.
const USUAL_ENDS: [&str; 7] = [
    "<|endoftext|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "<end_of_turn>",
];

/// Tokens of a vocabulary with texts of their own: control and user-defined ones.
#[derive(Debug, Default)]
pub(super) struct Special {
    /// All of them.
    pub(super) ids: HashMap<String, u32>,
    /// Texts of those that must not come out of a user's text.
    pub(super) control: Vec<String>,
}

impl Special {
    pub(super) fn of<'a>(tokens: impl Iterator<Item = (u32, &'a str, Kind)>) -> Self {
        let mut special = Self::default();
        for (id, text, kind) in tokens.filter(|(_, text, _)| !text.is_empty()) {
            if is_control(text, kind) {
                special.control.push(text.to_owned());
            }
            if matches!(kind, Kind::Control | Kind::Unknown | Kind::UserDefined) {
                special.ids.insert(text.to_owned(), id);
            }
        }
        special
    }

    /// All tokens that end a text: those named, and the usual ones.
    pub(super) fn ends(&self, named: &[u32], vocabulary: usize) -> Result<Vec<u32>, EngineError> {
        let usual = USUAL_ENDS.iter().filter_map(|text| self.ids.get(*text));
        let mut ends = Vec::new();
        for token in named.iter().chain(usual) {
            if !ends.contains(token) && (*token as usize) < vocabulary {
                ends.push(*token);
            }
        }
        if ends.is_empty() {
            return Err(EngineError::Tokenizer(
                "the file names no end-of-text token".into(),
            ));
        }
        Ok(ends)
    }
}

/// True for tokens that only a chat template may write. Some converters call them user-defined.
pub(super) fn is_control(text: &str, kind: Kind) -> bool {
    let bars = text.starts_with("<|") && text.ends_with("|>");
    match kind {
        Kind::Control | Kind::Unknown => true,
        Kind::UserDefined => bars || USUAL_ENDS.contains(&text) || text == "<start_of_turn>",
        _ => false,
    }
}
