//! The tokenizer and the chat template of a directory.

use std::path::Path;

use serde_json::Value;

use super::keys::{self, Keys};
use crate::tokenizer::{AddedToken, HubTokens};
use crate::{ChatTemplate, EngineError, Tokenizer};

/// Longest `tokenizer.json` or `tokenizer.model`; Gemma's has 33 MB.
const LONGEST_TOKENIZER: u64 = 256 << 20;
/// Longest template.
const LONGEST_TEMPLATE: u64 = 1 << 20;

/// The settings around a tokenizer.
pub(super) struct TextFiles {
    settings: Keys,
    tokens: HubTokens,
}

impl TextFiles {
    /// Reads `tokenizer_config.json` and the ids in `generation_config.json` and `config.json`.
    pub(super) fn read(directory: &Path, config: &Keys) -> Result<Self, String> {
        let settings = Keys::read(directory, "tokenizer_config.json")?
            .unwrap_or_else(|| Keys::empty("tokenizer_config.json"));
        let generation = Keys::read(directory, "generation_config.json")?
            .unwrap_or_else(|| Keys::empty("generation_config.json"));
        let mut end_ids = generation.ids("eos_token_id")?;
        end_ids.extend(config.ids("eos_token_id")?);
        let tokens = HubTokens {
            bos: token_text(&settings, "bos_token")?,
            bos_id: config.ids("bos_token_id")?.first().copied(),
            end: token_text(&settings, "eos_token")?,
            end_ids,
            add_bos: settings.flag("add_bos_token")?,
            added: added(&settings)?,
        };
        Ok(Self { settings, tokens })
    }

    /// Builds the tokenizer from `tokenizer.json` or else `tokenizer.model`, with no more tokens
    /// than the embedding has rows.
    pub(super) fn tokenizer(
        &self,
        directory: &Path,
        rows: usize,
    ) -> Result<Tokenizer, EngineError> {
        let problem = |problem| EngineError::Directory {
            path: directory.to_owned(),
            problem,
        };
        let read = |name| keys::read(directory, name, LONGEST_TOKENIZER).map_err(problem);
        if let Some(json) = read("tokenizer.json")? {
            return Tokenizer::from_json(&json, &self.tokens, rows);
        }
        if let Some(model) = read("tokenizer.model")? {
            return Tokenizer::from_sentencepiece(&model, &self.tokens, rows);
        }
        Err(problem(
            "it has neither `tokenizer.json` nor `tokenizer.model`".into(),
        ))
    }

    /// The chat template, if there is one.
    pub(super) fn template(
        &self,
        directory: &Path,
        tokenizer: &Tokenizer,
    ) -> Result<Option<ChatTemplate>, EngineError> {
        let source = self.template_source(directory);
        let source = source.map_err(|problem| EngineError::Directory {
            path: directory.to_owned(),
            problem,
        })?;
        let template = |source: String| ChatTemplate::of(&source, tokenizer);
        source.map(template).transpose()
    }

    fn template_source(&self, directory: &Path) -> Result<Option<String>, String> {
        let name = "chat_template.jinja";
        if let Some(bytes) = keys::read(directory, name, LONGEST_TEMPLATE)? {
            return String::from_utf8(bytes)
                .map(Some)
                .map_err(|_| format!("`{name}` is not UTF-8"));
        }
        match self.settings.value("chat_template") {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Array(list)) => {
                let named = |name: &str| list.iter().find(|t| t["name"] == name);
                let chosen = named("default").or_else(|| list.first());
                let text = chosen.and_then(|t| t["template"].as_str());
                text.map(|text| Some(text.to_owned())).ok_or_else(|| {
                    "`chat_template` in `tokenizer_config.json` is a list without a template".into()
                })
            }
            Some(_) => Err("`chat_template` in `tokenizer_config.json` is neither a text nor a list of templates".into()),
        }
    }
}

/// A token given as its text, or as an object with it.
fn token_text(settings: &Keys, key: &str) -> Result<Option<String>, String> {
    match settings.value(key) {
        Some(Value::Object(token)) => Ok(token
            .get("content")
            .and_then(Value::as_str)
            .map(str::to_owned)),
        _ => Ok(settings.text(key)?.map(str::to_owned)),
    }
}

/// `added_tokens_decoder`, in the order of the ids.
fn added(settings: &Keys) -> Result<Vec<AddedToken>, String> {
    let Some(Value::Object(decoder)) = settings.value("added_tokens_decoder") else {
        return Ok(Vec::new());
    };
    let mut added = Vec::new();
    for (id, token) in decoder {
        let text = token.get("content").and_then(Value::as_str);
        let (Ok(id), Some(text)) = (id.parse(), text) else {
            return Err(format!(
                "`added_tokens_decoder` in `tokenizer_config.json` has an entry `{id:.20}` that is no token"
            ));
        };
        let flag = |key| token.get(key).and_then(Value::as_bool).unwrap_or(false);
        added.push(AddedToken {
            id,
            text: text.to_owned(),
            special: flag("special"),
            strip_left: flag("lstrip"),
            strip_right: flag("rstrip"),
        });
    }
    added.sort_by_key(|token| token.id);
    Ok(added)
}
