//! Models as files declare them: `[[models]]` of an ensemble and `[[teachers]]` of a run.

use serde::{Deserialize, Serialize};

use crate::{ModelSource, Usd};

/// Who answers: a vendor's interface, a server of one's own, or the embedded engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderKind {
    /// api.openai.com.
    Openai,
    /// api.anthropic.com, Messages.
    Anthropic,
    /// generativelanguage.googleapis.com, generateContent.
    Gemini,
    /// api.mistral.ai.
    Mistral,
    /// integrate.api.nvidia.com, or a NIM container.
    Nvidia,
    /// A local Ollama, through its native interface.
    Ollama,
    /// api.together.xyz.
    Together,
    /// A gateway such as openrouter.ai.
    Openrouter,
    /// A vLLM server.
    Vllm,
    /// llama.cpp's `llama-server`.
    LlamaServer,
    /// An SGLang server.
    Sglang,
    /// A Text Embeddings Inference server; judges only.
    Tei,
    /// The embedded engine, on a GGUF file.
    Local,
    /// Any other server that speaks OpenAI's chat completions.
    OpenaiCompatible,
}

impl ProviderKind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Openai,
        Self::Anthropic,
        Self::Gemini,
        Self::Mistral,
        Self::Nvidia,
        Self::Ollama,
        Self::Together,
        Self::Openrouter,
        Self::Vllm,
        Self::LlamaServer,
        Self::Sglang,
        Self::Tei,
        Self::Local,
        Self::OpenaiCompatible,
    ];

    /// The name used in files and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Mistral => "mistral",
            Self::Nvidia => "nvidia",
            Self::Ollama => "ollama",
            Self::Together => "together",
            Self::Openrouter => "openrouter",
            Self::Vllm => "vllm",
            Self::LlamaServer => "llama-server",
            Self::Sglang => "sglang",
            Self::Tei => "tei",
            Self::Local => "local",
            Self::OpenaiCompatible => "openai-compatible",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl std::fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One value or a list of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// Left out.
    #[default]
    None,
    /// A single value.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// All values.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        self.as_slice().is_empty()
    }
}

/// Which of OpenAI's two interfaces a server is asked through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interface {
    /// `/chat/completions`.
    #[default]
    Chat,
    /// `/completions`, for base models.
    Completions,
}

/// US dollars for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of the prompt.
    pub input: Usd,
    /// Of what is generated, reasoning included.
    pub output: Usd,
    /// Of prompt tokens read from the provider's cache; absent: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<Usd>,
    /// Of prompt tokens written to the provider's cache; absent: as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Usd>,
}

/// What may be asked of an endpoint, and how long it is waited for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests under way at once, over all base URLs.
    pub concurrency: u32,
    /// Requests in any 60 seconds; absent: no limit.
    pub requests_per_minute: Option<u32>,
    /// Prompt and completion tokens in any 60 seconds; absent: no limit.
    pub tokens_per_minute: Option<u32>,
    /// Attempts at one request, the first included.
    pub attempts: u32,
    /// Seconds to open a connection.
    pub connect_seconds: f64,
    /// Seconds from the request to the first byte of the answer.
    pub first_byte_seconds: f64,
    /// Seconds between two pieces of an answer.
    pub idle_seconds: f64,
    /// Seconds for the whole of one attempt.
    pub total_seconds: f64,
    /// The longest wait that a server may ask for before the request is given up.
    pub longest_wait_seconds: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 16,
            requests_per_minute: None,
            tokens_per_minute: None,
            attempts: 6,
            connect_seconds: 10.0,
            first_byte_seconds: 300.0,
            idle_seconds: 60.0,
            total_seconds: 600.0,
            longest_wait_seconds: 300.0,
        }
    }
}

/// Corrections to what is known about a model's interface; absent: as known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CapabilityOverrides {
    /// Largest number of answers for one request.
    pub n: Option<u32>,
    /// Takes a seed.
    pub seed: Option<bool>,
    /// Gives log-probabilities.
    pub logprobs: Option<bool>,
    /// Continues the start of an answer.
    pub prefill: Option<bool>,
    /// Takes a temperature (and `top_p`).
    pub temperature: Option<bool>,
    /// Stop strings it takes.
    pub stop: Option<u32>,
    /// Takes a system message.
    pub system: Option<bool>,
    /// Sends its answer in pieces.
    pub stream: Option<bool>,
}

/// A model that answers: `[[models]]` of an ensemble, `[[teachers]]` of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// What it is called in tables, keys and `--models`.
    pub name: String,
    /// Whose interface it has.
    pub provider: ProviderKind,
    /// The provider's name for it; for `local` a place to get a GGUF file from, or several.
    pub model: OneOrMany,
    /// Where the interface is: for OpenAI-likes it ends in `/v1`, for `anthropic`, `gemini` and
    /// `ollama` it is what stands before the path. Several servers of one model share the load.
    #[serde(default, skip_serializing_if = "OneOrMany::is_none")]
    pub base_url: OneOrMany,
    /// The environment variable with the key; absent: the provider's usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// A command that prints the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_command: Option<String>,
    /// Chat or plain completions.
    #[serde(default)]
    pub interface: Interface,
    /// Answers to each question.
    #[serde(default = "one")]
    pub samples: u32,
    /// Absent: as the run or the ensemble says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Longest answer in tokens, reasoning included; absent: as the run or the ensemble says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Tokens of reasoning before the answer, for models that think on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking_tokens: Option<u32>,
    /// At most this many rationales of this model are kept for one problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
    /// Receive answers in pieces as they are written.
    #[serde(default)]
    pub stream: bool,
    /// Use the provider's batch interface: half the price, answers within a day.
    #[serde(default)]
    pub batch: bool,
    /// Overrides the price table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Pace and patience.
    #[serde(default)]
    pub limits: Limits,
    /// Corrections to what is known about the interface.
    #[serde(default)]
    pub capabilities: CapabilityOverrides,
    /// Whether the provider's terms let its answers train other models; absent: as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<String>,
    /// SHA-256 of a `local` model's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl ModelSpec {
    /// A model with everything else at its default.
    pub fn new(name: &str, provider: ProviderKind, model: &str) -> Self {
        Self {
            name: name.to_owned(),
            provider,
            model: OneOrMany::One(model.to_owned()),
            base_url: OneOrMany::None,
            key_env: None,
            key_command: None,
            interface: Interface::Chat,
            samples: 1,
            temperature: None,
            max_tokens: None,
            thinking_tokens: None,
            keep: None,
            stream: false,
            batch: false,
            price: None,
            limits: Limits::default(),
            capabilities: CapabilityOverrides::default(),
            terms: None,
            sha256: None,
        }
    }

    /// What decides about its answers: the declaration without place, key, pace, price and count,
    /// which may change while a command goes on.
    #[must_use]
    pub fn identity(&self) -> Self {
        Self {
            base_url: OneOrMany::None,
            key_env: None,
            key_command: None,
            samples: 1,
            stream: false,
            batch: false,
            price: None,
            limits: Limits::default(),
            terms: None,
            ..self.clone()
        }
    }

    /// The provider's name for the model: the first, where several places of a file are given.
    pub fn model_name(&self) -> &str {
        self.model.as_slice().first().map_or("", String::as_str)
    }

    /// Places of a `local` model's file.
    pub fn sources(&self) -> Vec<ModelSource> {
        let texts = self.model.as_slice().iter().cloned();
        texts.map(ModelSource).collect()
    }
}

fn one() -> u32 {
    1
}
