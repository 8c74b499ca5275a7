//! What chat and legacy completions have in common.

use autodidact_engine::SamplingOptions;
use serde_json::Value;

use crate::error::ApiError;
use crate::fields::Fields;
use crate::limits::Limits;

/// Fields that are read and change nothing.
const IGNORED: [&str; 8] = [
    "user",
    "metadata",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
];

/// How tokens are chosen, and how many answers are wanted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sampling {
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) top_k: Option<u64>,
    pub(crate) min_p: Option<f64>,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) stop: Vec<String>,
    pub(crate) seed: Option<u64>,
    pub(crate) n: u32,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    /// `strategy`, where the model's name does not hold one.
    pub(crate) strategy: Option<String>,
}

impl Sampling {
    /// Reads what both interfaces share, and refuses what cannot be honoured.
    pub(crate) fn read(fields: &mut Fields, limits: &Limits) -> Result<Self, ApiError> {
        let sampling = Self {
            temperature: fields.number("temperature", 0.0, 2.0)?,
            top_p: fields.number("top_p", 0.0, 1.0)?,
            top_k: fields.integer("top_k", 0, u64::from(u32::MAX))?,
            min_p: fields.number("min_p", 0.0, 1.0)?,
            max_tokens: fields
                .integer("max_tokens", 0, limits.max_tokens as u64)?
                .map(|tokens| tokens as usize),
            stop: fields.stop()?,
            seed: fields.seed()?,
            n: fields
                .integer("n", 1, u64::from(limits.choices))?
                .unwrap_or(1) as u32,
            stream: fields.flag("stream")?,
            include_usage: include_usage(fields)?,
            strategy: fields.text("strategy")?,
        };
        if sampling.top_p == Some(0.0) {
            let message = "`top_p` must be above 0; for the most likely token use `temperature` 0";
            return Err(ApiError::field("top_p", message));
        }
        let zero = |value: &Value| value.as_f64() == Some(0.0);
        let empty = |value: &Value| value.as_object().is_some_and(serde_json::Map::is_empty);
        let penalties = "penalties are not supported; leave it at 0";
        fields.only("frequency_penalty", zero, penalties)?;
        fields.only("presence_penalty", zero, penalties)?;
        fields.only(
            "logit_bias",
            empty,
            "biases are not supported; leave it out",
        )?;
        fields.ignore(&IGNORED);
        Ok(sampling)
    }

    /// Options of the engine, for completions of up to `max_tokens`.
    pub(crate) fn options(&self, max_tokens: usize, extra_stops: &[String]) -> SamplingOptions {
        let mut stop = self.stop.clone();
        stop.extend(extra_stops.iter().cloned());
        let temperature = self.temperature.unwrap_or(1.0) as f32;
        SamplingOptions {
            // Below that, dividing by it is no number any more; the most likely token is meant.
            temperature: if temperature < 1e-4 { 0.0 } else { temperature },
            top_p: self.top_p.unwrap_or(1.0) as f32,
            top_k: self.top_k.unwrap_or(0) as usize,
            min_p: self.min_p.unwrap_or(0.0) as f32,
            max_tokens,
            stop,
            ..SamplingOptions::default()
        }
    }

    /// Seeds of some choices. Each depends on the request's seed and its own position alone, so that a
    /// prompt gives the same choices alone and in a list.
    pub(crate) fn seeds(&self, count: u32) -> Vec<u64> {
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..));
        (0..count).map(|index| seed_of(seed, index)).collect()
    }
}

fn seed_of(seed: u64, index: u32) -> u64 {
    if index == 0 {
        return seed;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(&index.to_le_bytes());
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

fn include_usage(fields: &mut Fields) -> Result<bool, ApiError> {
    let wrong = |what: &str| ApiError::field("stream_options", format!("`stream_options` {what}"));
    let Some(options) = fields.take("stream_options") else {
        return Ok(false);
    };
    let Value::Object(options) = options else {
        return Err(wrong("must be an object"));
    };
    let mut include = false;
    for (name, value) in options {
        match (name.as_str(), value) {
            ("include_usage", Value::Bool(flag)) => include = flag,
            ("include_usage" | "include_obfuscation", Value::Null)
            | ("include_obfuscation", Value::Bool(_)) => {}
            ("include_usage" | "include_obfuscation", _) => {
                return Err(wrong("must hold true or false"));
            }
            _ => return Err(wrong("knows `include_usage` only")),
        }
    }
    Ok(include)
}
