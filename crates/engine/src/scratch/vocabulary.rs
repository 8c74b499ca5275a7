//! Vocabularies made from the user's own text, in the byte-level BPE format of GPT-2.

use std::collections::BTreeSet;

use serde::Deserialize;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

use crate::EngineError;
use crate::gguf::GgufMetadata;

/// The one control token: it ends a text.
const END_OF_TEXT: &str = "<|endoftext|>";
/// Bytes, and the end of text.
const SMALLEST: usize = 257;
/// Largest vocabulary that is trained.
const LARGEST: usize = 1 << 20;

/// The tokens of a model made from scratch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// In GPT-2's alphabet; the first is the end of text.
    tokens: Vec<String>,
    merges: Vec<(String, String)>,
}

/// What is read off a trained model.
#[derive(Deserialize)]
struct Trained {
    vocab: std::collections::HashMap<String, u32>,
    merges: Vec<(String, String)>,
}

impl Vocabulary {
    /// Byte-level BPE trained on texts (Sennrich et al. 2016): `size` tokens, or fewer if the texts
    /// give no more. Digits stand alone and words are split as GPT-2 does, so any text can be
    /// encoded.
    ///
    /// # Errors
    /// [`EngineError::Input`] for sizes below 257 or above 2^20.
    pub fn byte_level_bpe<'a>(
        texts: impl IntoIterator<Item = &'a str>,
        size: usize,
    ) -> Result<Self, EngineError> {
        if !(SMALLEST..=LARGEST).contains(&size) {
            return Err(EngineError::Input(format!(
                "a byte-level vocabulary has {SMALLEST} to {LARGEST} tokens, not {size}"
            )));
        }
        let failed = |e: &dyn std::fmt::Display| EngineError::Tokenizer(e.to_string());
        let mut trainer = BpeTrainer::builder()
            .vocab_size(size - 1)
            .min_frequency(2)
            .show_progress(false)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build();
        let mut tokenizer = tokenizers::Tokenizer::new(BPE::default());
        let split = Sequence::new(vec![
            Digits::new(true).into(),
            ByteLevel::new(false, false, true).into(),
        ]);
        tokenizer.with_pre_tokenizer(Some(split));
        let mut trained = BPE::default();
        // Collected first: the trainer wants to send them between threads.
        let texts: Vec<&str> = texts.into_iter().collect();
        let pieces = |text: &str| pieces(&tokenizer, text);
        tokenizers::Trainer::feed(&mut trainer, texts.into_iter(), pieces)
            .and_then(|()| tokenizers::Trainer::train(&trainer, &mut trained))
            .map_err(|e| failed(&e))?;
        let read = serde_json::to_value(&trained).and_then(serde_json::from_value::<Trained>);
        let read = read.map_err(|e| failed(&e))?;
        let mut order: Vec<(u32, String)> = read.vocab.into_iter().map(|(t, i)| (i, t)).collect();
        order.sort_unstable();
        let tokens = std::iter::once(END_OF_TEXT.to_owned())
            .chain(order.into_iter().map(|(_, token)| token))
            .collect();
        Ok(Self {
            tokens,
            merges: read.merges,
        })
    }

    /// One token for each character of the texts; a text with any other character cannot be
    /// encoded. Characters of several bytes are built from their bytes, which are tokens as well.
    ///
    /// # Errors
    /// [`EngineError::Input`] if the texts hold no character.
    pub fn characters<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, EngineError> {
        let characters: BTreeSet<char> = texts.into_iter().flat_map(str::chars).collect();
        if characters.is_empty() {
            return Err(EngineError::Input(
                "a vocabulary of characters needs a text that has some".into(),
            ));
        }
        let (mut single, mut built) = (BTreeSet::new(), Vec::new());
        let mut merges = Vec::new();
        for character in characters {
            let spelled = spelled(character)?;
            single.extend(spelled.iter().map(char::to_string));
            let mut whole = String::new();
            for next in spelled {
                let (left, right) = (whole.clone(), next.to_string());
                whole.push(next);
                // Characters with the same first bytes share the merges of those.
                if !left.is_empty() && !built.contains(&whole) {
                    built.push(whole.clone());
                    merges.push((left, right));
                }
            }
        }
        let tokens = std::iter::once(END_OF_TEXT.to_owned())
            .chain(single)
            .chain(built)
            .collect();
        Ok(Self { tokens, merges })
    }

    /// Number of tokens, the end of text included.
    #[expect(
        clippy::len_without_is_empty,
        reason = "the end of text is always there"
    )]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Adds what [`crate::Tokenizer`] and llama.cpp read it from.
    pub(super) fn describe(&self, metadata: &mut GgufMetadata) {
        let mut kinds = vec![1; self.tokens.len()];
        kinds[0] = 3;
        let merges: Vec<String> = self
            .merges
            .iter()
            .map(|(a, b)| format!("{a} {b}"))
            .collect();
        metadata.text("tokenizer.ggml.model", "gpt2");
        // Single digits, then GPT-2's pattern.
        metadata.text("tokenizer.ggml.pre", "smollm");
        metadata.texts(
            "tokenizer.ggml.tokens",
            self.tokens.iter().map(String::as_str),
        );
        metadata.integers("tokenizer.ggml.token_type", &kinds);
        metadata.texts("tokenizer.ggml.merges", merges.iter().map(String::as_str));
        metadata.integer("tokenizer.ggml.bos_token_id", 0);
        metadata.integer("tokenizer.ggml.eos_token_id", 0);
        metadata.boolean("tokenizer.ggml.add_bos_token", false);
    }
}

/// A text cut into the pieces that are merged, in GPT-2's alphabet.
fn pieces(tokenizer: &tokenizers::Tokenizer, text: &str) -> tokenizers::Result<Vec<String>> {
    let mut cut = PreTokenizedString::from(text);
    if let Some(split) = tokenizer.get_pre_tokenizer() {
        split.pre_tokenize(&mut cut)?;
    }
    let splits = cut.get_splits(OffsetReferential::Original, OffsetType::Byte);
    Ok(splits
        .into_iter()
        .map(|(text, _, _)| text.to_owned())
        .collect())
}

/// A character's bytes in GPT-2's alphabet.
fn spelled(character: char) -> Result<Vec<char>, EngineError> {
    let mut cut = PreTokenizedString::from(character.to_string());
    ByteLevel::new(false, false, false)
        .pre_tokenize(&mut cut)
        .map_err(|e| EngineError::Tokenizer(e.to_string()))?;
    let splits = cut.get_splits(OffsetReferential::Original, OffsetType::Byte);
    Ok(splits
        .into_iter()
        .flat_map(|(text, _, _)| text.chars())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tokenizer;
    use crate::gguf::{GgufFile, GgufWriter};

    fn tokenizer(vocabulary: &Vocabulary) -> Tokenizer {
        let mut metadata = GgufMetadata::new();
        vocabulary.describe(&mut metadata);
        let file = GgufWriter::with(metadata).finish();
        Tokenizer::from_gguf(&GgufFile::from_bytes(file).unwrap()).unwrap()
    }

    const TEXT: &str = "the cat and the hat sat on the mat; 1234 + 1234 = 2468, the end";

    #[test]
    fn trained_merges_shorten_text_and_encode_any_other() {
        let vocabulary = Vocabulary::byte_level_bpe([TEXT, TEXT], 300).unwrap();
        assert_eq!(
            vocabulary,
            Vocabulary::byte_level_bpe([TEXT, TEXT], 300).unwrap(),
            "the same text gives the same vocabulary"
        );
        assert!(vocabulary.len() > SMALLEST && vocabulary.len() <= 300);
        let tokenizer = tokenizer(&vocabulary);
        let tokens = tokenizer.encode(TEXT).unwrap();
        assert!(tokens.len() * 3 < TEXT.len() * 2, "{} tokens", tokens.len());
        for text in [TEXT, "Grüße, 東京! \t\n", "9999", "<|endoftext|>"] {
            let tokens = tokenizer.encode(text).unwrap();
            assert_eq!(tokenizer.decode(&tokens), text);
        }
        assert_eq!(tokenizer.encode("1234").unwrap().len(), 4);
        assert!(Vocabulary::byte_level_bpe([TEXT], 256).is_err());
    }

    #[test]
    fn every_character_is_one_token() {
        let text = "12+3=15 äß 東京 🙂🙃";
        let tokenizer = tokenizer(&Vocabulary::characters([text]).unwrap());
        let tokens = tokenizer.encode(text).unwrap();
        assert_eq!(tokens.len(), text.chars().count());
        assert_eq!(tokenizer.decode(&tokens), text);
        assert!(tokenizer.encode("4").is_err());
        assert!(Vocabulary::characters([""]).is_err());
    }
}
