//! Log probabilities in the two forms of the interface.

use autodidact_engine::{ScoredToken, Tokenizer};
use serde_json::{Map, Value, json};

/// What stands for a probability of zero: JSON has no infinity.
const LEAST: f64 = -9999.0;

/// A token as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ShownToken {
    text: String,
    bytes: Vec<u8>,
    /// None for the first token of a prompt, which nothing comes before.
    logprob: Option<f64>,
    alternatives: Vec<(String, Vec<u8>, f64)>,
    /// Characters before it in the choice's text.
    pub(crate) offset: usize,
}

impl ShownToken {
    pub(crate) fn new(token: &ScoredToken, offset: usize, tokenizer: &Tokenizer) -> Self {
        let shown = |id: u32, logprob: f64| {
            (
                tokenizer.token_text(id),
                tokenizer.token_bytes(id).to_vec(),
                finite(logprob),
            )
        };
        let alternatives = token.alternatives.iter();
        let (text, bytes, logprob) = shown(token.token, token.logprob);
        Self {
            text,
            bytes,
            logprob: Some(logprob),
            alternatives: alternatives.map(|a| shown(a.token, a.logprob)).collect(),
            offset,
        }
    }

    /// The first token of a prompt.
    pub(crate) fn first(token: u32, tokenizer: &Tokenizer) -> Self {
        Self {
            text: tokenizer.token_text(token),
            bytes: tokenizer.token_bytes(token).to_vec(),
            logprob: None,
            alternatives: Vec::new(),
            offset: 0,
        }
    }
}

fn finite(logprob: f64) -> f64 {
    if logprob.is_finite() { logprob } else { LEAST }
}

/// The form of chat completions.
pub(crate) fn chat(tokens: &[ShownToken]) -> Value {
    let entry = |text: &str, bytes: &[u8], logprob: f64| {
        let bytes = Some(bytes).filter(|bytes| !bytes.is_empty());
        json!({ "token": text, "logprob": logprob, "bytes": bytes })
    };
    let content = tokens.iter().map(|token| {
        let alternatives = token.alternatives.iter();
        let top: Vec<Value> = alternatives.map(|(t, b, l)| entry(t, b, *l)).collect();
        let mut value = entry(&token.text, &token.bytes, token.logprob.unwrap_or(LEAST));
        value["top_logprobs"] = json!(top);
        value
    });
    json!({ "content": content.collect::<Vec<_>>(), "refusal": null })
}

/// The form of legacy completions. As documented there, the token itself is always among the most
/// likely ones, even where it is not.
pub(crate) fn legacy(tokens: &[ShownToken], wanted: u64) -> Value {
    let top = |token: &ShownToken| -> Value {
        let Some(own) = token.logprob.filter(|_| wanted > 0) else {
            return Value::Null;
        };
        let mut map = Map::new();
        for (text, _, logprob) in &token.alternatives {
            // Tokens of different bytes may be written alike; the likelier comes first.
            map.entry(text.clone()).or_insert_with(|| json!(logprob));
        }
        map.entry(token.text.clone()).or_insert_with(|| json!(own));
        Value::Object(map)
    };
    let texts: Vec<&str> = tokens.iter().map(|t| t.text.as_str()).collect();
    let logprobs: Vec<Option<f64>> = tokens.iter().map(|t| t.logprob).collect();
    let offsets: Vec<usize> = tokens.iter().map(|t| t.offset).collect();
    let tops: Vec<Value> = tokens.iter().map(top).collect();
    json!({
        "tokens": texts,
        "token_logprobs": logprobs,
        "top_logprobs": if wanted > 0 { json!(tops) } else { Value::Null },
        "text_offset": offsets,
    })
}
