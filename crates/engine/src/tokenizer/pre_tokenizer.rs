//! How byte-level BPE splits a text before it merges, by the names llama.cpp gives
//! (`tokenizer.ggml.pre`).

use tokenizers::PreTokenizerWrapper;
use tokenizers::SplitDelimiterBehavior;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};

use crate::EngineError;

/// GPT-2's words.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// Llama 3: up to three digits together.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen 2: as Llama 3 with single digits.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Mistral's tekken: words end where capitals follow small letters.
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// The first digits three by three.
const THREE_DIGITS: &str = "[0-9][0-9][0-9]";

/// One way of splitting.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PreTokenizer {
    /// Patterns, each applied to the pieces the one before it left.
    patterns: &'static [&'static str],
    /// A piece that is a token is not merged from its bytes.
    pub(super) ignore_merges: bool,
    /// A text begins with the beginning-of-text token, if the file does not say.
    pub(super) add_bos: bool,
}

const PLAIN: PreTokenizer = PreTokenizer {
    patterns: &[GPT2],
    ignore_merges: false,
    add_bos: false,
};

/// All names and what they mean.
static NAMES: &[(&[&str], PreTokenizer)] = &[
    (&["gpt-2", "gpt2"], PLAIN),
    (
        &["default"],
        PreTokenizer {
            patterns: &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", THREE_DIGITS],
            ..PLAIN
        },
    ),
    (
        &["falcon"],
        PreTokenizer {
            patterns: &[r"[\p{P}\$\+<=>\^~\|`]+", GPT2, THREE_DIGITS],
            ..PLAIN
        },
    ),
    (
        &["smollm", "codeshell", "refact", "starcoder", "command-r"],
        PreTokenizer {
            patterns: &[r"\p{N}", GPT2],
            ..PLAIN
        },
    ),
    (
        &["llama-bpe", "llama3", "llama-v3", "falcon3"],
        PreTokenizer {
            patterns: &[LLAMA3],
            ignore_merges: true,
            add_bos: true,
        },
    ),
    (
        &["dbrx", "smaug-bpe"],
        PreTokenizer {
            patterns: &[LLAMA3],
            ..PLAIN
        },
    ),
    (
        &["qwen2"],
        PreTokenizer {
            patterns: &[QWEN2],
            ..PLAIN
        },
    ),
    (
        &["tekken"],
        PreTokenizer {
            patterns: &[TEKKEN],
            ignore_merges: true,
            add_bos: true,
        },
    ),
];

impl PreTokenizer {
    pub(super) fn named(name: &str) -> Result<&'static Self, EngineError> {
        let found = NAMES.iter().find(|(names, _)| names.contains(&name));
        found.map(|(_, how)| how).ok_or_else(|| {
            let known: Vec<&str> = NAMES.iter().map(|(names, _)| names[0]).collect();
            EngineError::Unsupported(format!(
                "pre-tokenizer `{name}`; this engine knows {}",
                known.join(", ")
            ))
        })
    }

    /// The splitter itself; what comes out is in GPT-2's byte alphabet.
    pub(super) fn build(&self) -> Result<PreTokenizerWrapper, EngineError> {
        let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
        for pattern in self.patterns {
            let split = Split::new(
                SplitPattern::Regex((*pattern).to_owned()),
                SplitDelimiterBehavior::Isolated,
                false,
            );
            let split = split.map_err(|e| EngineError::Tokenizer(e.to_string()))?;
            steps.push(split.into());
        }
        steps.push(ByteLevel::new(false, false, false).into());
        Ok(Sequence::new(steps).into())
    }
}
