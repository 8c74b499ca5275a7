//! What a model's interface can do, as data: `capabilities.toml` holds what is known of each
//! provider and model.

use std::sync::LazyLock;

use autodidact_core::{Interface, ModelSpec, ProviderKind};
use serde::Deserialize;

/// What may be sent to a model. A field whose capability is absent is never sent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is one independent yes or no of an interface, and a key of the table"
)]
pub struct Capabilities {
    /// Largest number of answers for one request.
    pub n: u32,
    /// Takes a seed, as a 64-bit number or cut to fewer bits.
    pub seed: bool,
    /// The field for the seed.
    pub seed_field: String,
    /// Bits of a seed that the interface keeps.
    pub seed_bits: u32,
    /// Gives log-probabilities.
    pub logprobs: bool,
    /// They are asked for with a number of alternatives (Together) in place of a flag.
    pub logprobs_count: bool,
    /// Continues the start of an answer.
    pub prefill: bool,
    /// How it is told to.
    pub prefill_style: PrefillStyle,
    /// Takes a temperature and `top_p`.
    pub temperature: bool,
    /// Takes both in one request; otherwise `top_p` is sent only where the temperature is 1.
    pub temperature_with_top_p: bool,
    /// Highest temperature it takes.
    pub temperature_most: f64,
    /// Stop strings it takes; 0: none.
    pub stop: u32,
    /// Takes stop strings of white space only.
    pub stop_blank: bool,
    /// The field for the token limit.
    pub max_tokens_field: String,
    /// The role of instructions: `system`, `developer`; empty: none, and they go before the first
    /// question.
    pub system_role: String,
    /// Sends its answer in pieces.
    pub stream: bool,
    /// Counts tokens in a stream only when asked to (`stream_options`).
    pub stream_usage: bool,
    /// Knows `Idempotency-Key`.
    pub idempotency: bool,
    /// Has a batch interface.
    pub batch: bool,
    /// Takes marks inside a prompt for its cache (Anthropic's `cache_control`).
    pub cache_control: bool,
    /// Takes a name for what prompts have in common (`prompt_cache_key`).
    pub prompt_cache_key: bool,
    /// How reasoning before the answer is asked for.
    pub thinking: ThinkingStyle,
    /// Whether answers may train other models, in the words of a flag: `allowed`, `restricted`,
    /// `unknown`.
    pub terms: String,
    /// Fields sent with every request that takes a temperature.
    #[serde(default)]
    pub fixed: serde_json::Map<String, serde_json::Value>,
}

/// How a model is told to continue the start of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrefillStyle {
    /// The last turn is the assistant's.
    Assistant,
    /// The same, and it must not end in white space (Anthropic).
    Trimmed,
    /// The last turn carries `prefix: true`, and comes back as part of the answer (Mistral).
    Prefix,
    /// `continue_final_message` (vLLM, SGLang).
    Continue,
}

/// How reasoning before the answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThinkingStyle {
    /// It is not.
    None,
    /// `reasoning_effort`: low to 2,048 tokens, medium to 8,192, high above (OpenAI).
    Effort,
    /// `thinking.budget_tokens` (Anthropic before 4.6).
    Budget,
    /// `thinking.type: adaptive` with `output_config.effort` (Anthropic from 4.6 on).
    Adaptive,
    /// `thinkingConfig.thinkingBudget` (Gemini 2.5).
    GeminiBudget,
    /// `thinkingConfig.thinkingLevel` (Gemini 3).
    GeminiLevel,
    /// `thinking_token_budget`.
    Vllm,
    /// `think: true`.
    Ollama,
    /// `reasoning.max_tokens`.
    Openrouter,
}

impl Capabilities {
    /// What is known of a model, with the corrections of its declaration.
    pub fn of(spec: &ModelSpec) -> Self {
        let mut known = table().known(spec.provider, spec.model_name());
        if spec.interface == Interface::Completions {
            // Text to continue has no roles; the start of the answer is more text. `/completions`
            // counts log-probabilities and knows only `max_tokens`.
            known.prefill = true;
            known.logprobs_count = true;
            known.thinking = ThinkingStyle::None;
            known.system_role = String::new();
            if spec.provider == ProviderKind::Openai {
                "max_tokens".clone_into(&mut known.max_tokens_field);
            }
        }
        known.correct(spec);
        known
    }

    fn correct(&mut self, spec: &ModelSpec) {
        let overrides = &spec.capabilities;
        let set = |field: &mut bool, value: Option<bool>| *field = value.unwrap_or(*field);
        set(&mut self.seed, overrides.seed);
        set(&mut self.logprobs, overrides.logprobs);
        set(&mut self.prefill, overrides.prefill);
        set(&mut self.temperature, overrides.temperature);
        set(&mut self.stream, overrides.stream);
        self.n = overrides.n.unwrap_or(self.n).max(1);
        self.stop = overrides.stop.unwrap_or(self.stop);
        match overrides.system {
            Some(false) => self.system_role.clear(),
            Some(true) if self.system_role.is_empty() => "system".clone_into(&mut self.system_role),
            _ => {}
        }
        if let Some(terms) = &spec.terms {
            self.terms.clone_from(terms);
        }
    }

    /// What holds for a server of which nothing is known.
    fn unknown() -> Self {
        Self {
            n: 1,
            seed: false,
            seed_field: "seed".to_owned(),
            seed_bits: 31,
            logprobs: false,
            logprobs_count: false,
            prefill: false,
            prefill_style: PrefillStyle::Assistant,
            temperature: true,
            temperature_with_top_p: true,
            temperature_most: 2.0,
            stop: 4,
            stop_blank: true,
            max_tokens_field: "max_tokens".to_owned(),
            system_role: "system".to_owned(),
            stream: true,
            stream_usage: false,
            idempotency: false,
            batch: false,
            cache_control: false,
            prompt_cache_key: false,
            thinking: ThinkingStyle::None,
            terms: "unknown".to_owned(),
            fixed: serde_json::Map::new(),
        }
    }
}

/// The variable that usually holds a provider's key; `None` for servers of one's own.
pub fn default_key_env(provider: ProviderKind) -> Option<&'static str> {
    table().address(provider)?.key_env.as_deref()
}

/// Where a provider's interface usually is; `None` if it has to be given.
pub fn default_base_url(provider: ProviderKind) -> Option<&'static str> {
    table().address(provider)?.base_url.as_deref()
}

/// True if the provider answers nobody without a key at its own address.
pub fn key_required(provider: ProviderKind) -> bool {
    table()
        .address(provider)
        .is_some_and(|address| address.key_required)
}

/// True if `name` fits `pattern`, in which `*` stands for any text. Case does not count.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    true
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    address: std::collections::BTreeMap<String, Address>,
    default: toml::Table,
    provider: std::collections::BTreeMap<String, toml::Table>,
    model: Vec<ModelEntry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Address {
    base_url: Option<String>,
    key_env: Option<String>,
    key_required: bool,
}

#[derive(Debug, Deserialize)]
struct ModelEntry {
    provider: String,
    names: Vec<String>,
    #[serde(flatten)]
    fields: toml::Table,
}

fn table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| {
        toml::from_str(include_str!("capabilities.toml")).unwrap_or_else(|error| {
            // A test reads the embedded file, so this cannot be reached in a release.
            tracing::error!(%error, "capabilities.toml cannot be read");
            Table::default()
        })
    });
    &TABLE
}

impl Table {
    fn address(&self, provider: ProviderKind) -> Option<&Address> {
        self.address.get(provider.as_str())
    }

    fn known(&self, provider: ProviderKind, model: &str) -> Capabilities {
        let fields = self.fields(provider, model);
        fields.try_into().unwrap_or_else(|error| {
            tracing::error!(%error, %provider, "an entry of capabilities.toml cannot be read");
            Capabilities::unknown()
        })
    }

    fn fields(&self, provider: ProviderKind, model: &str) -> toml::Table {
        let mut fields = self.default.clone();
        if let Some(own) = self.provider.get(provider.as_str()) {
            fields.extend(own.clone());
        }
        for entry in &self.model {
            let named = |pattern: &String| fits(pattern, model);
            if entry.provider == provider.as_str() && entry.names.iter().any(named) {
                fields.extend(entry.fields.clone());
            }
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(provider: ProviderKind, model: &str) -> Capabilities {
        Capabilities::of(&ModelSpec::new("m", provider, model))
    }

    #[test]
    fn the_table_is_complete_and_its_default_is_the_one_in_code() {
        let table: Table = toml::from_str(include_str!("capabilities.toml")).unwrap();
        let default: Capabilities = table.default.clone().try_into().unwrap();
        assert_eq!(default, Capabilities::unknown());
        for provider in ProviderKind::ALL {
            let fields = table.fields(provider, "");
            let known: Result<Capabilities, _> = fields.try_into();
            assert!(known.is_ok(), "{provider}: {known:?}");
            assert!(table.provider.contains_key(provider.as_str()), "{provider}");
            assert!(table.address.contains_key(provider.as_str()), "{provider}");
        }
        for entry in &table.model {
            let provider = ProviderKind::from_name(&entry.provider).unwrap();
            for name in &entry.names {
                let fields = table.fields(provider, &name.replace('*', "x"));
                assert!(fields.try_into::<Capabilities>().is_ok(), "{name}");
            }
        }
    }

    #[test]
    fn models_differ_from_their_providers() {
        let prefill = |model| of(ProviderKind::Anthropic, model).prefill;
        assert!(prefill("claude-3-5-haiku-20241022") && prefill("claude-sonnet-4-5"));
        assert!(!prefill("claude-opus-4-6") && !prefill("claude-sonnet-5"));
        let temperature = |model| of(ProviderKind::Anthropic, model).temperature;
        assert!(temperature("claude-sonnet-4-6") && temperature("claude-opus-4-5-20251101"));
        assert!(!temperature("claude-opus-4-7") && !temperature("claude-opus-5"));
        let o3 = of(ProviderKind::Openai, "o3-mini");
        assert!(!o3.temperature && o3.stop == 0 && o3.system_role == "developer");
        assert!(of(ProviderKind::Openai, "gpt-4o-mini").temperature);
        assert!(of(ProviderKind::Openai, "gpt-5-chat-latest").temperature);
        assert_eq!(of(ProviderKind::Ollama, "qwen3").n, 1);
        assert_eq!(of(ProviderKind::Mistral, "m").seed_field, "random_seed");
    }

    #[test]
    fn a_declaration_corrects_what_is_known() {
        let mut spec = ModelSpec::new("m", ProviderKind::Vllm, "x");
        spec.capabilities.n = Some(0);
        spec.capabilities.system = Some(false);
        spec.capabilities.seed = Some(false);
        spec.terms = Some("restricted".to_owned());
        let known = Capabilities::of(&spec);
        assert_eq!((known.n, known.seed), (1, false));
        assert_eq!(known.system_role, "");
        assert_eq!(known.terms, "restricted");
    }

    #[test]
    fn patterns_match_whole_names() {
        assert!(fits("o1*", "o1-pro") && fits("o1*", "o1") && fits("gpt-4", "GPT-4"));
        assert!(!fits("o1", "o1-pro") && !fits("o1*", "co1") && !fits("a*b", "abc"));
        assert!(fits("claude-*-4-6*", "claude-opus-4-6-x") && fits("*", ""));
        assert!(fits("gpt-5.*-chat*", "gpt-5.1-chat-latest"));
        assert!(!fits("ab*ba", "aba"));
    }
}
