//! The price table: `prices.toml`, with the date each price was read.

use std::sync::LazyLock;

use autodidact_core::{ModelSpec, Price, ProviderKind, Usd};
use serde::Deserialize;
use thiserror::Error;

use crate::capabilities::fits;

/// A price table that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the price table cannot be read: {0}; every [[price]] needs provider, model, input, output and read"
)]
pub struct PriceError(String);

/// Prices of models, each with the day it was read.
#[derive(Debug, Clone, Default)]
pub struct PriceTable {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    provider: ProviderKind,
    /// A name, in which `*` stands for any text.
    model: String,
    input: Usd,
    output: Usd,
    #[serde(default)]
    cached_input: Option<Usd>,
    #[serde(default)]
    cache_write: Option<Usd>,
    /// The day, as `2026-11-23`.
    read: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    price: Vec<Entry>,
}

impl PriceTable {
    /// The prices this program was built with.
    pub fn builtin() -> Self {
        static BUILTIN: LazyLock<PriceTable> = LazyLock::new(|| {
            // A test reads the embedded file, so the error cannot be reached in a release.
            PriceTable::default()
                .with_file(include_str!("prices.toml"))
                .unwrap_or_else(|error| {
                    tracing::error!(%error, "prices.toml");
                    PriceTable::default()
                })
        });
        BUILTIN.clone()
    }

    /// This table with a file of the same form before it.
    pub fn with_file(mut self, text: &str) -> Result<Self, PriceError> {
        let file: File = toml::from_str(text).map_err(|error| PriceError(error.to_string()))?;
        self.entries.extend(file.price);
        Ok(self)
    }

    /// The price of a model: its own declaration, then the table's last entry that fits. `None`:
    /// unknown.
    pub fn price(&self, spec: &ModelSpec) -> Option<Price> {
        spec.price.or_else(|| {
            let entry = self.entry(spec)?;
            Some(Price {
                input: entry.input,
                output: entry.output,
                cached_input: entry.cached_input,
                cache_write: entry.cache_write,
            })
        })
    }

    /// The day the table's price of a model was read; `None` if it is not the table's.
    pub fn read_on(&self, spec: &ModelSpec) -> Option<&str> {
        let listed = spec.price.is_none();
        listed
            .then(|| self.entry(spec))?
            .map(|entry| entry.read.as_str())
    }

    fn entry(&self, spec: &ModelSpec) -> Option<&Entry> {
        let name = spec.model_name();
        let mut entries = self.entries.iter().rev();
        entries.find(|entry| entry.provider == spec.provider && fits(&entry.model, name))
    }
}

/// What batch interfaces ask: half (OpenAI, Anthropic, Gemini, Mistral and Together price lists).
pub fn batch_price(price: Price) -> Price {
    Price {
        input: price.input.half(),
        output: price.output.half(),
        cached_input: price.cached_input.map(Usd::half),
        cache_write: price.cache_write.map(Usd::half),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(provider: ProviderKind, model: &str) -> ModelSpec {
        ModelSpec::new("m", provider, model)
    }

    fn dollars(dollars: f64) -> Usd {
        Usd::from_dollars(dollars).unwrap()
    }

    #[test]
    fn the_embedded_table_is_sound() {
        let table = PriceTable::default()
            .with_file(include_str!("prices.toml"))
            .unwrap();
        assert!(table.entries.len() > 40);
        for entry in &table.entries {
            assert!(entry.read.starts_with("2026-") && entry.read.len() == 10);
            assert!(entry.output >= entry.input, "{}", entry.model);
            assert!(entry.cached_input.is_none_or(|cached| cached < entry.input));
            assert!(
                entry
                    .cache_write
                    .is_none_or(|written| written > entry.input)
            );
        }
        let own = table.price(&spec(ProviderKind::Vllm, "any/thing")).unwrap();
        assert_eq!((own.input, own.output), (Usd::ZERO, Usd::ZERO));
        assert_eq!(table.price(&spec(ProviderKind::Openai, "gpt-99")), None);
        let mini = table.price(&spec(ProviderKind::Openai, "gpt-4o-mini"));
        assert_eq!(mini.unwrap().input, dollars(0.15));
    }

    #[test]
    fn declarations_and_files_go_before_the_table() {
        let file = "[[price]]\nprovider = \"openai\"\nmodel = \"gpt-4o*\"\ninput = 7\noutput = 8\nread = \"2026-11-01\"";
        let table = PriceTable::builtin().with_file(file).unwrap();
        let mut model = spec(ProviderKind::Openai, "gpt-4o-mini");
        assert_eq!(table.price(&model).unwrap().input, dollars(7.0));
        assert_eq!(table.read_on(&model), Some("2026-11-01"));
        model.price = Some(Price {
            input: dollars(1.0),
            output: dollars(3.0),
            cached_input: Some(dollars(0.5)),
            cache_write: None,
        });
        assert_eq!(table.price(&model), model.price);
        assert_eq!(table.read_on(&model), None);
        let half = batch_price(model.price.unwrap());
        assert_eq!(
            (half.output, half.cached_input),
            (dollars(1.5), Some(dollars(0.25)))
        );
        assert!(
            PriceTable::default()
                .with_file("[[price]]\ninput = 1")
                .is_err()
        );
    }
}
