//! From the text between whole tokens to tokens.

use tokenizers::{NormalizedString, Normalizer};

use super::bytes::{SPACE, Spelling, TokenBytes};
use super::sentencepiece::Sentencepiece;
use crate::EngineError;

/// An algorithm with its vocabulary.
#[derive(Debug)]
pub(super) enum Encoder {
    /// The `tokenizers` crate without its added tokens: byte-level BPE, or what a `tokenizer.json`
    /// describes.
    Library(Box<tokenizers::Tokenizer>, Spelling),
    /// Merging by score.
    Sentencepiece(Box<Sentencepiece>),
}

/// Where a space is put before a text, so that its first word is spelled like any other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SpacePrefix {
    /// At the start of a text.
    pub(super) at_start: bool,
    /// Behind every whole token.
    pub(super) after_tokens: bool,
    /// Not if there is one already.
    pub(super) only_if_missing: bool,
}

impl SpacePrefix {
    /// Everywhere, as SentencePiece itself does.
    pub(super) const EVERYWHERE: Self = Self {
        at_start: true,
        after_tokens: true,
        only_if_missing: false,
    };

    /// True if a text gets a space.
    pub(super) fn before(self, text: &str, at_start: bool) -> bool {
        let wanted = if at_start {
            self.at_start
        } else {
            self.after_tokens
        };
        wanted && !(self.only_if_missing && text.starts_with([' ', SPACE]))
    }
}

impl Encoder {
    /// Appends the tokens of a text, which may not lose anything on the way.
    pub(super) fn encode(
        &self,
        text: &str,
        prefix: bool,
        bytes: &TokenBytes,
        out: &mut Vec<u32>,
    ) -> Result<(), EngineError> {
        match self {
            Self::Sentencepiece(model) => model.encode(text, prefix, out),
            Self::Library(library, spelling) => {
                let prefixed = prefix.then(|| format!(" {text}"));
                let text = prefixed.as_deref().unwrap_or(text);
                let encoding = library.encode_fast(text, false);
                let encoding = encoding.map_err(|e| failed(&e))?;
                check_spelling(library, *spelling, text, encoding.get_ids(), bytes)?;
                out.extend_from_slice(encoding.get_ids());
                Ok(())
            }
        }
    }
}

fn failed(error: &tokenizers::Error) -> EngineError {
    EngineError::Tokenizer(error.to_string())
}

/// BPE drops silently what its vocabulary has no token for, or writes a token that stands for
/// nothing.
fn check_spelling(
    library: &tokenizers::Tokenizer,
    spelling: Spelling,
    text: &str,
    tokens: &[u32],
    bytes: &TokenBytes,
) -> Result<(), EngineError> {
    let written = |tokens: &[u32]| tokens.iter().map(|t| bytes.get(*t).len()).sum::<usize>();
    if written(tokens) == length(library, spelling, text)? {
        return Ok(());
    }
    let lost = |c: &char| {
        let one = c.to_string();
        let encoding = library.encode_fast(one.as_str(), false);
        encoding.is_ok_and(|e| {
            length(library, spelling, &one).is_ok_and(|length| written(e.get_ids()) < length)
        })
    };
    let culprit = text.chars().find(lost).map_or_else(
        || "a part of the text".to_owned(),
        |c| format!("the character {c:?}"),
    );
    Err(EngineError::Tokenizer(format!(
        "the model's vocabulary has no token for {culprit}; remove it from the text or use another model"
    )))
}

/// How many bytes the tokens of a text stand for.
fn length(
    library: &tokenizers::Tokenizer,
    spelling: Spelling,
    text: &str,
) -> Result<usize, EngineError> {
    let mut normalized = NormalizedString::from(text);
    if let Some(normalizer) = library.get_normalizer() {
        normalizer
            .normalize(&mut normalized)
            .map_err(|e| failed(&e))?;
    }
    let text = normalized.get();
    let escaped = text.matches(SPACE).count() * (SPACE.len_utf8() - 1);
    Ok(match spelling {
        Spelling::ByteLevel => text.len(),
        Spelling::Sentencepiece => text.len() - escaped,
    })
}
