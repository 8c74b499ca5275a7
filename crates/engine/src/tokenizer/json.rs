//! `tokenizer.json`, the file of the `tokenizers` crate.

use tokenizers::decoders::DecoderWrapper;
use tokenizers::models::ModelWrapper;
use tokenizers::{AddedVocabulary, NormalizerWrapper, PreTokenizerWrapper};

use serde_json::{Value, json};

use super::bytes::{Spelling, byte_of};
use super::encoder::{Encoder, SpacePrefix};
use super::hub::HubTokens;
use super::tokenizer::{Tokenizer, Vocabulary};
use super::vocabulary::{Kind, SpecialIds};
use super::well_formed::WellFormed;
use super::whole::WholeToken;
use crate::EngineError;

impl Tokenizer {
    /// Reads a `tokenizer.json`. Its added tokens become whole tokens, and where it puts spaces
    /// before texts is done here, so that the continuation of a text gets none. Tokens beyond
    /// `rows`, for which the embedding has nothing, are left out.
    pub(crate) fn from_json(
        json: &[u8],
        hub: &HubTokens,
        rows: usize,
    ) -> Result<Self, EngineError> {
        let mut library = parse(json)?;
        let mut texts: Vec<(u32, String)> = library
            .get_vocab(true)
            .into_iter()
            .map(|(text, id)| (id, text))
            .filter(|(id, _)| (*id as usize) < rows)
            .collect();
        texts.sort_unstable();
        let spelling = spelling(&library)?;
        let (kinds, stripping) = kinds(&library, &texts, spelling);
        let special = special_ids(&library, hub, &texts);
        library
            .with_added_vocabulary(AddedVocabulary::new())
            .with_padding(None)
            .with_truncation(None)
            .map_err(|e| failed(e.to_string()))?;
        let prefix = take_prefix(&mut library)?;
        let mut tokens: Vec<(&str, Kind)> = Vec::new();
        for ((id, text), kind) in texts.iter().zip(kinds) {
            // Ids that no token has stand for nothing.
            tokens.resize(*id as usize, ("", Kind::Unused));
            tokens.push((text, kind));
        }
        Self::new(Vocabulary {
            tokens,
            spelling,
            encoder: Encoder::Library(Box::new(library), spelling),
            prefix,
            stripping,
            special,
        })
    }
}

/// Has the crate read a file. It panics where the text of a part is not JSON, which is found out
/// before; should it panic for another reason, that is an error here like any other.
fn parse(json: &[u8]) -> Result<tokenizers::Tokenizer, EngineError> {
    serde_json::from_slice::<WellFormed>(json)
        .map_err(|e| failed(format!("`tokenizer.json` is not JSON: {e}")))?;
    let parsed = std::panic::catch_unwind(|| tokenizers::Tokenizer::from_bytes(json));
    let problem = match parsed {
        Ok(Ok(library)) => return Ok(library),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the file is damaged".to_owned(),
    };
    Err(failed(format!(
        "`tokenizer.json` cannot be used: {problem}"
    )))
}

fn failed(message: String) -> EngineError {
    EngineError::Tokenizer(message)
}

/// How tokens spell bytes, by what turns them back into text.
fn spelling(library: &tokenizers::Tokenizer) -> Result<Spelling, EngineError> {
    let spells = |decoder: &DecoderWrapper| match decoder {
        DecoderWrapper::ByteLevel(_) => Some(Spelling::ByteLevel),
        DecoderWrapper::Metaspace(_)
        | DecoderWrapper::ByteFallback(_)
        | DecoderWrapper::Replace(_) => Some(Spelling::Sentencepiece),
        _ => None,
    };
    let found = match library.get_decoder() {
        Some(DecoderWrapper::Sequence(all)) => all.get_decoders().iter().find_map(spells),
        Some(one) => spells(one),
        None => None,
    };
    found.ok_or_else(|| {
        EngineError::Unsupported(
            "a `tokenizer.json` that is neither byte-level nor SentencePiece's (by its `decoder`)"
                .into(),
        )
    })
}

/// The kind of each token, and the added ones that take whitespace with them.
fn kinds(
    library: &tokenizers::Tokenizer,
    texts: &[(u32, String)],
    spelling: Spelling,
) -> (Vec<Kind>, Vec<WholeToken>) {
    let added = library.get_added_tokens_decoder();
    let unknown = match library.get_model() {
        ModelWrapper::BPE(bpe) => bpe.get_unk_token().clone(),
        _ => None,
    };
    let kind = |(id, text): &(u32, String)| match added.get(id) {
        Some(token) if token.special => Kind::Control,
        Some(_) => Kind::UserDefined,
        None if unknown.as_ref() == Some(text) => Kind::Unknown,
        None if spelling == Spelling::Sentencepiece && byte_of(text).is_some() => Kind::Byte,
        None => Kind::Normal,
    };
    let kinds = texts.iter().map(kind).collect();
    let stripping = added
        .iter()
        .filter(|(_, token)| token.lstrip || token.rstrip);
    let stripping = stripping.map(|(id, token)| WholeToken {
        text: token.content.clone(),
        id: *id,
        strip_left: token.lstrip,
        strip_right: token.rstrip,
    });
    (kinds, stripping.collect())
}

fn special_ids(
    library: &tokenizers::Tokenizer,
    hub: &HubTokens,
    texts: &[(u32, String)],
) -> SpecialIds {
    let id = |text: &Option<String>| library.token_to_id(text.as_deref()?);
    let known = |id: &u32| texts.binary_search_by_key(id, |(id, _)| *id).is_ok();
    let bos = id(&hub.bos).or(hub.bos_id).filter(known);
    // What the file itself puts before a text.
    let first = library
        .encode_fast("", true)
        .ok()
        .and_then(|encoding| encoding.get_ids().first().copied());
    let says_nothing = library.get_post_processor().is_none();
    let ends = id(&hub.end).into_iter().chain(hub.end_ids.iter().copied());
    SpecialIds {
        bos,
        add_bos: (first.is_some() && first == bos)
            || (says_nothing && hub.add_bos.unwrap_or(false)),
        end: ends.filter(known).collect(),
    }
}

/// Takes out of the pipeline what puts a space before a text.
fn take_prefix(library: &mut tokenizers::Tokenizer) -> Result<SpacePrefix, EngineError> {
    let mut prefix = SpacePrefix::default();
    let odd = |e: serde_json::Error| failed(format!("`tokenizer.json` cannot be used: {e}"));
    if let Some(normalizer) = library.get_normalizer() {
        let mut steps = serde_json::to_value(normalizer).map_err(odd)?;
        each_step(&mut steps, "normalizers", &mut |step| {
            if step["type"] == "Prepend" {
                prefix = SpacePrefix::EVERYWHERE;
                *step = json!({"type": "Sequence", "normalizers": []});
            }
        });
        if prefix.at_start {
            let without: NormalizerWrapper = serde_json::from_value(steps).map_err(odd)?;
            library
                .with_normalizer(Some(without))
                .map_err(|e| failed(e.to_string()))?;
        }
    }
    if let Some(splitter) = library.get_pre_tokenizer() {
        let mut steps = serde_json::to_value(splitter).map_err(odd)?;
        let mut changed = false;
        each_step(&mut steps, "pretokenizers", &mut |step| {
            let found = match (step["type"].as_str(), step["prepend_scheme"].as_str()) {
                (Some("Metaspace"), Some("first")) => Some(false),
                (Some("Metaspace"), Some("always")) => Some(true),
                (Some("ByteLevel"), _) if step["add_prefix_space"] == true => Some(true),
                _ => None,
            };
            if let Some(after_tokens) = found {
                changed = true;
                prefix = SpacePrefix {
                    at_start: true,
                    after_tokens,
                    only_if_missing: true,
                };
                if step["type"] == "Metaspace" {
                    step["prepend_scheme"] = "never".into();
                } else {
                    step["add_prefix_space"] = false.into();
                }
            }
        });
        if changed {
            let without: PreTokenizerWrapper = serde_json::from_value(steps).map_err(odd)?;
            library.with_pre_tokenizer(Some(without));
        }
    }
    Ok(prefix)
}

/// Visits a step, or every step of a sequence.
fn each_step(steps: &mut Value, list: &str, visit: &mut dyn FnMut(&mut Value)) {
    if steps["type"] == "Sequence" {
        let steps = steps[list].as_array_mut().into_iter().flatten();
        steps.for_each(|step| each_step(step, list, visit));
    } else {
        visit(steps);
    }
}
