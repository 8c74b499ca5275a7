//! Tokenizers in the metadata of a GGUF file.

use tokenizers::models::bpe::BPE;

use super::bytes::Spelling;
use super::encoder::{Encoder, SpacePrefix};
use super::pre_tokenizer::PreTokenizer;
use super::sentencepiece::Sentencepiece;
use super::tokenizer::{Tokenizer, Vocabulary};
use super::vocabulary::{Kind, SpecialIds, is_control};
use crate::EngineError;
use crate::gguf::{GgufFile, Value};

impl Tokenizer {
    /// Reads `tokenizer.ggml.*`: `gpt2` (byte-level BPE) and `llama` (SentencePiece).
    pub(crate) fn from_gguf(file: &GgufFile) -> Result<Self, EngineError> {
        let tokens = texts(file, "tokenizer.ggml.tokens")?;
        let kinds = kinds(file, tokens.len())?;
        match file.text("tokenizer.ggml.model")? {
            "gpt2" => byte_level(file, &tokens, &kinds),
            "llama" => sentencepiece(file, &tokens, &kinds),
            other => Err(EngineError::Unsupported(format!(
                "tokenizer model `{other}`; this engine reads byte-level BPE (`gpt2`) and SentencePiece (`llama`)"
            ))),
        }
    }
}

fn byte_level(file: &GgufFile, tokens: &[&str], kinds: &[Kind]) -> Result<Tokenizer, EngineError> {
    let how = PreTokenizer::named(file.text("tokenizer.ggml.pre").unwrap_or("default"))?;
    let mut merges = Vec::new();
    for merge in texts(file, "tokenizer.ggml.merges")? {
        let pair = merge.split_once(' ').ok_or_else(|| {
            EngineError::Tokenizer(format!(
                "merge `{merge}` is not two pieces with a space between"
            ))
        })?;
        merges.push((pair.0.to_owned(), pair.1.to_owned()));
    }
    // Without the control tokens, no text can become one.
    let vocabulary = (0u32..).zip(tokens.iter().zip(kinds));
    let vocabulary = vocabulary.filter(|(_, (text, kind))| !is_control(text, **kind));
    let vocabulary = vocabulary.map(|(id, (text, _))| ((*text).to_owned(), id));
    let bpe = BPE::builder()
        .vocab_and_merges(vocabulary.collect::<ahash::AHashMap<_, _>>(), merges)
        .ignore_merges(how.ignore_merges)
        .build()
        .map_err(|e| EngineError::Tokenizer(e.to_string()))?;
    let mut library = tokenizers::Tokenizer::new(bpe);
    library.with_pre_tokenizer(Some(how.build()?));
    let special = special_ids(file, tokens.len(), how.add_bos, None);
    Tokenizer::new(Vocabulary {
        tokens: tokens.iter().copied().zip(kinds.iter().copied()).collect(),
        spelling: Spelling::ByteLevel,
        encoder: Encoder::Library(Box::new(library), Spelling::ByteLevel),
        prefix: SpacePrefix::default(),
        stripping: Vec::new(),
        special,
    })
}

fn sentencepiece(
    file: &GgufFile,
    tokens: &[&str],
    kinds: &[Kind],
) -> Result<Tokenizer, EngineError> {
    let scores = file
        .floats("tokenizer.ggml.scores", tokens.len())?
        .ok_or_else(|| EngineError::missing("tokenizer.ggml.scores", "array"))?;
    let add_space = flag(file, "add_space_prefix").unwrap_or(true);
    let vocabulary: Vec<(&str, Kind)> = tokens.iter().copied().zip(kinds.iter().copied()).collect();
    let model = Sentencepiece::new(vocabulary.iter().copied(), scores);
    Tokenizer::new(Vocabulary {
        tokens: vocabulary,
        spelling: Spelling::Sentencepiece,
        encoder: Encoder::Sentencepiece(Box::new(model)),
        prefix: if add_space {
            SpacePrefix::EVERYWHERE
        } else {
            SpacePrefix::default()
        },
        stripping: Vec::new(),
        // SentencePiece's own numbers, where the file is silent.
        special: special_ids(file, tokens.len(), true, Some((1, 2))),
    })
}

/// The kinds of tokens; without a list all are normal.
fn kinds(file: &GgufFile, vocabulary: usize) -> Result<Vec<Kind>, EngineError> {
    let numbers = file.integers("tokenizer.ggml.token_type", vocabulary)?;
    Ok(match numbers {
        Some(numbers) => numbers.into_iter().map(Kind::from_number).collect(),
        None => vec![Kind::Normal; vocabulary],
    })
}

fn special_ids(
    file: &GgufFile,
    vocabulary: usize,
    add_bos: bool,
    bos_and_eos: Option<(u32, u32)>,
) -> SpecialIds {
    let id = |key: &str| {
        let value = file.value(&format!("tokenizer.ggml.{key}"));
        let id = value.and_then(Value::as_u64)?;
        (id < vocabulary as u64).then_some(id as u32)
    };
    let usual = |id: u32| ((id as usize) < vocabulary).then_some(id);
    let (bos, eos) = bos_and_eos.map_or((None, None), |(b, e)| (usual(b), usual(e)));
    let ends = [
        id("eos_token_id").or(eos),
        id("eot_token_id"),
        id("eom_token_id"),
    ];
    SpecialIds {
        bos: id("bos_token_id").or(bos),
        add_bos: flag(file, "add_bos_token").unwrap_or(add_bos),
        end: ends.into_iter().flatten().collect(),
    }
}

fn flag(file: &GgufFile, key: &str) -> Option<bool> {
    let value = file.value(&format!("tokenizer.ggml.{key}"));
    value.and_then(Value::as_bool)
}

/// Texts that must be there.
fn texts<'a>(file: &'a GgufFile, key: &str) -> Result<Vec<&'a str>, EngineError> {
    file.texts(key)?
        .ok_or_else(|| EngineError::missing(key, "array"))
}
