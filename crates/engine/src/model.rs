//! An open model: weights still quantized in the mapped file, configuration, tokenizer, template.

use std::path::Path;

use crate::gguf::GgufFile;
use crate::{ChatTemplate, EngineError, ModelConfig, Tokenizer};

/// A model file that was found usable. It stays small in memory: samplers and trainers dequantize
/// what they need from the mapped file.
#[derive(Debug)]
pub struct Model {
    pub(crate) file: GgufFile,
    pub(crate) config: ModelConfig,
    tokenizer: Tokenizer,
    chat_template: Option<ChatTemplate>,
}

impl Model {
    /// Opens a GGUF file, or a directory as transformers saves models (`config.json`, safetensors
    /// files, a tokenizer), and checks everything in it that is needed later.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        if path.is_dir() {
            let opened = crate::directory::open(path)?;
            return Ok(Self {
                file: opened.file,
                config: opened.config,
                tokenizer: opened.tokenizer,
                chat_template: opened.chat_template,
            });
        }
        Self::new(GgufFile::open(path)?)
    }

    /// Takes a file that is already open.
    pub fn new(file: GgufFile) -> Result<Self, EngineError> {
        let config = ModelConfig::read(&file)?;
        let tokenizer = Tokenizer::from_gguf(&file)?;
        if tokenizer.vocabulary() > config.vocabulary {
            return Err(EngineError::Gguf(format!(
                "the tokenizer has {} tokens and the embedding {} rows",
                tokenizer.vocabulary(),
                config.vocabulary
            )));
        }
        let chat_template = ChatTemplate::from_gguf(&file, &tokenizer)?;
        Ok(Self {
            file,
            config,
            tokenizer,
            chat_template,
        })
    }

    /// Sizes and constants.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Text to tokens and back.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The template for conversations, if the file has one.
    pub fn chat_template(&self) -> Option<&ChatTemplate> {
        self.chat_template.as_ref()
    }

    /// The name in the metadata, or the file name.
    pub fn name(&self) -> String {
        let stem = || {
            self.file
                .path()
                .file_stem()
                .map(|s| s.to_string_lossy().into_owned())
        };
        self.file
            .text("general.name")
            .ok()
            .map(str::to_owned)
            .or_else(stem)
            .unwrap_or_default()
    }
}
