//! The tokenizer of a model.

use std::collections::HashMap;

use super::bytes::{Spelling, TokenBytes};
use super::encoder::{Encoder, SpacePrefix};
use super::vocabulary::{Kind, Special, SpecialIds, is_control};
use super::whole::{Part, WholeToken, WholeTokens};
use crate::EngineError;

/// Text to tokens and back.
#[derive(Debug)]
pub struct Tokenizer {
    encoder: Encoder,
    prefix: SpacePrefix,
    /// User-defined tokens only: text of users and data sets can never become a control token.
    plain: WholeTokens,
    /// Control tokens too, for text that a chat template wrote.
    with_special: WholeTokens,
    bytes: TokenBytes,
    special: HashMap<String, u32>,
    control: Vec<String>,
    end_of_text: Vec<u32>,
    bos: Option<u32>,
    add_bos: bool,
}

/// What a tokenizer is made of.
pub(super) struct Vocabulary<'a> {
    /// Tokens in the order of their ids.
    pub(super) tokens: Vec<(&'a str, Kind)>,
    /// How they spell their bytes.
    pub(super) spelling: Spelling,
    /// For what lies between whole tokens.
    pub(super) encoder: Encoder,
    /// Where spaces are put.
    pub(super) prefix: SpacePrefix,
    /// Tokens that take the whitespace before or behind them with them.
    pub(super) stripping: Vec<WholeToken>,
    /// Tokens with a meaning.
    pub(super) special: SpecialIds,
}

impl Tokenizer {
    pub(super) fn new(vocabulary: Vocabulary<'_>) -> Result<Self, EngineError> {
        let tokens = &vocabulary.tokens;
        let numbered = || {
            (0u32..)
                .zip(tokens)
                .map(|(id, (text, kind))| (id, *text, *kind))
        };
        let special = Special::of(numbered());
        let end_of_text = special.ends(&vocabulary.special.end, tokens.len())?;
        let whole = |wanted: fn(&str, Kind) -> bool| {
            let tokens = numbered()
                .filter(|(_, text, kind)| !text.is_empty() && wanted(text, *kind))
                .map(|(id, text, _)| {
                    let listed = vocabulary.stripping.iter().find(|t| t.id == id);
                    listed.cloned().unwrap_or_else(|| WholeToken {
                        text: text.to_owned(),
                        id,
                        strip_left: false,
                        strip_right: false,
                    })
                });
            WholeTokens::new(tokens.collect())
        };
        Ok(Self {
            plain: whole(|text, kind| kind == Kind::UserDefined && !is_control(text, kind))?,
            with_special: whole(|text, kind| kind == Kind::UserDefined || is_control(text, kind))?,
            bytes: TokenBytes::of(vocabulary.spelling, tokens.iter().copied()),
            special: special.ids,
            control: special.control,
            end_of_text,
            bos: vocabulary.special.bos,
            add_bos: vocabulary.special.add_bos,
            encoder: vocabulary.encoder,
            prefix: vocabulary.prefix,
        })
    }

    /// Number of tokens.
    pub fn vocabulary(&self) -> usize {
        self.bytes.len()
    }

    /// Tokens of a text in which nothing is a control token, with the beginning-of-text token
    /// first if the model wants one.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        let bos = self.bos.filter(|_| self.add_bos);
        let mut tokens: Vec<u32> = bos.into_iter().collect();
        self.encode_parts(&self.plain, text, true, &mut tokens)?;
        Ok(tokens)
    }

    /// Tokens of the continuation of a text: no beginning-of-text token, and no space that is not
    /// in the text.
    pub fn encode_continuation(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        let mut tokens = Vec::new();
        self.encode_parts(&self.plain, text, false, &mut tokens)?;
        Ok(tokens)
    }

    /// Tokens of a text that a chat template wrote, where control tokens are meant.
    pub fn encode_with_special(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        let mut tokens = Vec::new();
        self.encode_parts(&self.with_special, text, true, &mut tokens)?;
        Ok(tokens)
    }

    fn encode_parts(
        &self,
        whole: &WholeTokens,
        text: &str,
        spaces: bool,
        tokens: &mut Vec<u32>,
    ) -> Result<(), EngineError> {
        for (at, part) in whole.cut(text).into_iter().enumerate() {
            match part {
                Part::Token(id) => tokens.push(id),
                Part::Text(text) => {
                    let prefix = spaces && self.prefix.before(text, at == 0);
                    self.encoder.encode(text, prefix, &self.bytes, tokens)?;
                }
            }
        }
        Ok(())
    }

    /// The bytes a token stands for; empty for control tokens and unknown ids.
    pub fn token_bytes(&self, token: u32) -> &[u8] {
        self.bytes.get(token)
    }

    /// The text of tokens; bytes that are not UTF-8 become U+FFFD.
    pub fn decode(&self, tokens: &[u32]) -> String {
        let bytes: Vec<u8> = tokens
            .iter()
            .flat_map(|t| self.token_bytes(*t))
            .copied()
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A token as people write it: its text; a control token's name; `bytes:\xe2\x82` where its
    /// bytes are no whole characters.
    pub fn token_text(&self, token: u32) -> String {
        let bytes = self.token_bytes(token);
        if bytes.is_empty() {
            let name = self.special_text(token);
            return name.map_or_else(|| format!("<token {token}>"), str::to_owned);
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().fold("bytes:".to_owned(), |text, byte| {
                text + &format!("\\x{byte:02x}")
            }),
        }
    }

    /// True if sampling ends at this token.
    pub fn is_end_of_text(&self, token: u32) -> bool {
        self.end_of_text.contains(&token)
    }

    /// The token that training puts after a completion: the model's own end-of-text token.
    pub fn end_of_text(&self) -> u32 {
        self.end_of_text[0]
    }

    /// The id of a control or user-defined token.
    pub fn special(&self, text: &str) -> Option<u32> {
        self.special.get(text).copied()
    }

    /// The text that [`Tokenizer::encode`] puts before every other, if it puts one.
    pub fn begin_of_text(&self) -> Option<&str> {
        self.special_text(self.bos.filter(|_| self.add_bos)?)
    }

    /// The texts that [`Tokenizer::encode_with_special`] would turn into a control token.
    pub(crate) fn control_texts(&self) -> &[String] {
        &self.control
    }

    /// The text of a control token by its id, for chat templates.
    pub(crate) fn special_text(&self, id: u32) -> Option<&str> {
        self.special
            .iter()
            .find(|(_, i)| **i == id)
            .map(|(text, _)| text.as_str())
    }

    pub(crate) fn bos(&self) -> Option<u32> {
        self.bos
    }
}
