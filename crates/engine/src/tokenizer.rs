//! Text to tokens and back, from the vocabulary inside a GGUF file.

use std::collections::HashMap;

use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, PreTokenizerWrapper, SplitDelimiterBehavior};

use crate::EngineError;
use crate::gguf::{GgufFile, Value};

/// Token types of `tokenizer.ggml.token_type`.
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

/// The splitting pattern of Llama 3 (`llama-bpe`), also used by others with other digit groups.
const LLAMA3_PATTERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// The splitting pattern of Qwen 2 (`qwen2`): single digits.
const QWEN2_PATTERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A byte-level BPE tokenizer.
#[derive(Debug)]
pub struct Tokenizer {
    /// Knows no special tokens: text of users and data sets can never become a control token.
    plain: tokenizers::Tokenizer,
    /// Knows them, for text that a chat template wrote.
    with_special: tokenizers::Tokenizer,
    /// The bytes each token stands for; nothing for control tokens.
    bytes: Vec<Vec<u8>>,
    special: HashMap<String, u32>,
    end_of_text: Vec<u32>,
    bos: Option<u32>,
    add_bos: bool,
}

impl Tokenizer {
    pub(crate) fn from_gguf(file: &GgufFile) -> Result<Self, EngineError> {
        let model = file.text("tokenizer.ggml.model")?;
        if model != "gpt2" {
            return Err(EngineError::Unsupported(format!(
                "tokenizer model `{model}`; this engine reads byte-level BPE (`gpt2`)"
            )));
        }
        let tokens = texts(file, "tokenizer.ggml.tokens")?;
        let types = file
            .integers("tokenizer.ggml.token_type", tokens.len())?
            .unwrap_or_else(|| vec![1; tokens.len()]);
        let special: HashMap<String, u32> = (0u32..)
            .zip(tokens.iter().zip(&types))
            .filter(|(_, (_, kind))| matches!(**kind, CONTROL | USER_DEFINED))
            .map(|(id, (text, _))| ((*text).to_owned(), id))
            .collect();
        let plain = build(file, &tokens)?;
        let mut with_special = plain.clone();
        let added: Vec<AddedToken> = special
            .keys()
            .map(|text| AddedToken::from(text.clone(), true))
            .collect();
        with_special
            .add_special_tokens(added)
            .map_err(|e| EngineError::Tokenizer(e.to_string()))?;
        let unicode_to_byte = byte_alphabet();
        let bytes = tokens
            .iter()
            .zip(&types)
            .map(|(text, kind)| match *kind {
                CONTROL => Vec::new(),
                USER_DEFINED => text.as_bytes().to_vec(),
                _ => text
                    .chars()
                    .filter_map(|c| unicode_to_byte.get(&c).copied())
                    .collect(),
            })
            .collect();
        let end_of_text = end_of_text(file, tokens.len(), &special)?;
        let add_bos = file
            .value("tokenizer.ggml.add_bos_token")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        Ok(Self {
            plain,
            with_special,
            bytes,
            special,
            end_of_text,
            bos: token_id(file, "bos_token_id", tokens.len()),
            add_bos,
        })
    }

    /// Number of tokens.
    pub fn vocabulary(&self) -> usize {
        self.bytes.len()
    }

    /// Tokens of a text in which nothing is a control token, with the beginning-of-text token
    /// first if the model wants one.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        self.encode_by(&self.plain, text, self.add_bos)
    }

    /// Tokens of the continuation of a text: no beginning-of-text token.
    pub fn encode_continuation(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        self.encode_by(&self.plain, text, false)
    }

    /// Tokens of a text that a chat template wrote, where control tokens are meant.
    pub fn encode_with_special(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        self.encode_by(&self.with_special, text, false)
    }

    fn encode_by(
        &self,
        tokenizer: &tokenizers::Tokenizer,
        text: &str,
        bos: bool,
    ) -> Result<Vec<u32>, EngineError> {
        let encoding = tokenizer
            .encode_fast(text, false)
            .map_err(|e| EngineError::Tokenizer(e.to_string()))?;
        self.check_spelling(text, encoding.get_ids())?;
        let bos = self.bos.filter(|_| bos);
        Ok(bos
            .into_iter()
            .chain(encoding.get_ids().iter().copied())
            .collect())
    }

    /// BPE drops silently what its vocabulary has no token for; a text must not lose anything.
    fn check_spelling(&self, text: &str, tokens: &[u32]) -> Result<(), EngineError> {
        let length = |token: &u32| match self.token_bytes(*token) {
            [] => self.plain.id_to_token(*token).map_or(0, |t| t.len()),
            bytes => bytes.len(),
        };
        if tokens.iter().map(length).sum::<usize>() == text.len() {
            return Ok(());
        }
        let single = |c: &char| {
            let encoding = self.plain.encode_fast(c.to_string(), false);
            encoding.is_ok_and(|e| e.get_ids().iter().map(length).sum::<usize>() < c.len_utf8())
        };
        let culprit = text.chars().find(single).map_or_else(
            || "a part of the text".to_owned(),
            |c| format!("the character {c:?}"),
        );
        Err(EngineError::Tokenizer(format!(
            "the model's vocabulary has no token for {culprit}; remove it from the text or use another model"
        )))
    }

    /// The bytes a token stands for; empty for control tokens and unknown ids.
    pub fn token_bytes(&self, token: u32) -> &[u8] {
        self.bytes.get(token as usize).map_or(&[], Vec::as_slice)
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

    /// True if sampling ends at this token.
    pub fn is_end_of_text(&self, token: u32) -> bool {
        self.end_of_text.contains(&token)
    }

    /// The token that training puts after a completion: the model's own end-of-text token.
    pub fn end_of_text(&self) -> u32 {
        self.end_of_text[0]
    }

    /// The id of a control token.
    pub fn special(&self, text: &str) -> Option<u32> {
        self.special.get(text).copied()
    }

    /// True for texts that [`Tokenizer::encode_with_special`] would turn into a control token.
    pub(crate) fn special_texts(&self) -> impl Iterator<Item = &str> {
        self.special.keys().map(String::as_str)
    }

    /// The text of a control token by its metadata id, for chat templates.
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

/// The id under a metadata key, if it is one of the vocabulary.
fn token_id(file: &GgufFile, key: &str, vocabulary: usize) -> Option<u32> {
    let id = file
        .value(&format!("tokenizer.ggml.{key}"))
        .and_then(Value::as_u64)?;
    (id < vocabulary as u64).then_some(id as u32)
}

/// The tokens that end a text, the file's own first. Some files name only one of those their model
/// writes.
fn end_of_text(
    file: &GgufFile,
    vocabulary: usize,
    special: &HashMap<String, u32>,
) -> Result<Vec<u32>, EngineError> {
    let keys = ["eos_token_id", "eot_token_id", "eom_token_id"];
    let named = keys
        .into_iter()
        .filter_map(|key| token_id(file, key, vocabulary));
    let usual = ["<|endoftext|>", "<|im_end|>", "<|eot_id|>"];
    let usual = usual
        .into_iter()
        .filter_map(|text| special.get(text).copied());
    let mut tokens = Vec::new();
    for token in named.chain(usual) {
        if !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    if tokens.is_empty() {
        return Err(EngineError::Tokenizer(
            "the file names no end-of-text token".into(),
        ));
    }
    Ok(tokens)
}

fn build(file: &GgufFile, tokens: &[&str]) -> Result<tokenizers::Tokenizer, EngineError> {
    let vocabulary: Vec<(String, u32)> = (0u32..)
        .zip(tokens)
        .map(|(id, t)| ((*t).to_owned(), id))
        .collect();
    let mut merges = Vec::new();
    for merge in texts(file, "tokenizer.ggml.merges")? {
        let pair = merge.split_once(' ').ok_or_else(|| {
            EngineError::Tokenizer(format!(
                "merge `{merge}` is not two pieces with a space between"
            ))
        })?;
        merges.push((pair.0.to_owned(), pair.1.to_owned()));
    }
    let bpe = BPE::builder()
        .vocab_and_merges(
            vocabulary.into_iter().collect::<ahash::AHashMap<_, _>>(),
            merges,
        )
        .build()
        .map_err(|e| EngineError::Tokenizer(e.to_string()))?;
    let mut tokenizer = tokenizers::Tokenizer::new(bpe);
    let name = file.text("tokenizer.ggml.pre").unwrap_or("default");
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer(name)?));
    Ok(tokenizer)
}

/// How text is split before merging, by the names llama.cpp gives (`tokenizer.ggml.pre`).
fn pre_tokenizer(name: &str) -> Result<PreTokenizerWrapper, EngineError> {
    let split = |pattern: &str| {
        let split = Split::new(
            SplitPattern::Regex(pattern.to_owned()),
            SplitDelimiterBehavior::Isolated,
            false,
        );
        split.map_err(|e| EngineError::Tokenizer(e.to_string()))
    };
    let bytes_only = ByteLevel::new(false, false, false);
    Ok(match name {
        "default" | "gpt-2" | "gpt2" => ByteLevel::new(false, false, true).into(),
        "smollm" | "codeshell" | "refact" | "command-r" => Sequence::new(vec![
            Digits::new(true).into(),
            ByteLevel::new(false, false, true).into(),
        ])
        .into(),
        "llama-bpe" | "llama3" => {
            Sequence::new(vec![split(LLAMA3_PATTERN)?.into(), bytes_only.into()]).into()
        }
        "qwen2" => Sequence::new(vec![split(QWEN2_PATTERN)?.into(), bytes_only.into()]).into(),
        other => {
            return Err(EngineError::Unsupported(format!(
                "pre-tokenizer `{other}`; this engine knows gpt-2, smollm, llama-bpe and qwen2"
            )));
        }
    })
}

/// Texts that must be there.
fn texts<'a>(file: &'a GgufFile, key: &str) -> Result<Vec<&'a str>, EngineError> {
    file.texts(key)?
        .ok_or_else(|| EngineError::missing(key, "array"))
}

/// The GPT-2 alphabet: each byte as a printable character, inverted.
fn byte_alphabet() -> HashMap<char, u8> {
    let printable = |b: u32| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let mut next = 256;
    (0u32..256)
        .filter_map(|byte| {
            let code = if printable(byte) {
                byte
            } else {
                next += 1;
                next - 1
            };
            char::from_u32(code).map(|c| (c, byte as u8))
        })
        .collect()
}
