//! NVIDIA's reward models behind chat completions: five attributes, or one reward.
//!
//! Scores come in two shapes. The hosted interface names the attributes as tokens and gives the
//! scores as their `logprob`, which are then no logarithms of anything (as `camel` and NeMo Curator
//! read it); NIM containers write `helpfulness:1.25,correctness:0.43,…` as the message (NIM
//! reference, reward models). Llama-3.1-Nemotron-70B-Reward writes `reward:-5.53`.

use std::collections::BTreeMap;

use autodidact_core::{Attribute, Scores, Weights};
use serde_json::{Value, json};

use crate::judge::{Case, Unscored, excerpt};

pub(crate) const PATH: &str = "/chat/completions";

/// More entries than this are the tokens of a text, not attributes: the 340B model has nine outputs.
const MOST_ATTRIBUTES: usize = 16;

/// The last message is the answer to score; sampling fields would be refused.
pub(crate) fn body(model: &str, case: &Case, answer: &str) -> Value {
    json!({ "model": model, "messages": case.conversation(answer) })
}

/// Reads a reply of either shape.
pub(crate) fn parse(model: &str, reply: &Value, weights: &Weights) -> Result<Scores, Unscored> {
    let choice = reply.pointer("/choices/0").ok_or_else(|| {
        Unscored::Malformed(format!("no choices in {}", excerpt(&reply.to_string())))
    })?;
    if let Some(entries) = choice
        .pointer("/logprobs/content")
        .and_then(Value::as_array)
        && let Some(pairs) = named_entries(entries)
    {
        return from_pairs(&pairs?, weights);
    }
    let content = message_text(&choice["message"]);
    match written_pairs(&content) {
        Some(pairs) => from_pairs(&pairs?, weights),
        None if content.trim().is_empty() => {
            Err(Unscored::Malformed(format!("an empty reply of `{model}`")))
        }
        None => Err(Unscored::NotAReward(format!(
            "`{model}` says {}",
            excerpt(&content)
        ))),
    }
}

type Pairs = Vec<(String, f64)>;

/// `None` if the tokens are those of a text.
fn named_entries(entries: &[Value]) -> Option<Result<Pairs, Unscored>> {
    if entries.len() > MOST_ATTRIBUTES {
        return None;
    }
    let names: Option<Vec<String>> = entries
        .iter()
        .map(|entry| name(entry["token"].as_str()?))
        .collect();
    let names = names?;
    if !names.iter().any(|name| is_known(name)) {
        return None;
    }
    let number = |(name, entry): (String, &Value)| match entry["logprob"].as_f64() {
        Some(value) => Ok((name, value)),
        None => Err(Unscored::Malformed(format!(
            "{name} is {}, which is no number",
            excerpt(&entry["logprob"].to_string())
        ))),
    };
    Some(names.into_iter().zip(entries).map(number).collect())
}

/// The message may be an object, an array of objects (the sample code of the 340B model), and its
/// content a text or a list of parts.
fn message_text(message: &Value) -> String {
    match message {
        Value::Array(messages) => messages.iter().map(message_text).collect(),
        Value::Object(object) => {
            let content = object.get("content").or_else(|| object.get("text"));
            content.map(message_text).unwrap_or_default()
        }
        Value::String(text) => text.clone(),
        _ => String::new(),
    }
}

/// The whole text as `name:number` pairs or one number; `None` if it is anything else.
fn written_pairs(text: &str) -> Option<Result<Pairs, Unscored>> {
    let text = text.trim();
    if let Ok(value) = text.parse::<f64>() {
        return Some(Ok(vec![("reward".into(), value)]));
    }
    let parts = text
        .split([',', ';', '\n'])
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let mut pairs = Vec::new();
    for part in parts {
        let (left, value) = part.split_once(':')?;
        let name = name(left)?;
        let value = value.trim();
        let Ok(value) = value.parse() else {
            // Several words are prose; one word is a value that is none.
            let one_word = is_known(&name) && !value.contains(char::is_whitespace);
            return one_word.then(|| {
                Err(Unscored::Malformed(format!(
                    "{name} is {}, which is no number",
                    excerpt(value)
                )))
            });
        };
        pairs.push((name, value));
    }
    let known = pairs.iter().any(|(name, _)| is_known(name));
    known.then_some(Ok(pairs))
}

/// A name in lower case, if the text is one word.
fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let is_word = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '-';
    (!text.is_empty() && text.chars().all(is_word)).then(|| text.to_ascii_lowercase())
}

fn is_known(name: &str) -> bool {
    Attribute::from_name(name).is_some() || name == "reward"
}

/// Attributes count before a reward; names of other outputs are left out.
fn from_pairs(pairs: &[(String, f64)], weights: &Weights) -> Result<Scores, Unscored> {
    let twice = |name: &str| Err(Unscored::Malformed(format!("{name} is given twice")));
    let mut attributes = BTreeMap::new();
    let mut reward = None;
    for (name, value) in pairs {
        if let Some(attribute) = Attribute::from_name(name) {
            if attributes.insert(attribute, *value).is_some() {
                return twice(name);
            }
        } else if name == "reward" && reward.replace(*value).is_some() {
            return twice(name);
        }
    }
    match reward {
        Some(reward) if attributes.is_empty() => Ok(Scores::only_overall(reward)?),
        _ => Ok(Scores::weighted(attributes, weights)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_has_no_sampling_fields() {
        let case = Case::new("1+1?", vec!["2".into()]);
        assert_eq!(
            body("m", &case, "2"),
            json!({"model": "m", "messages": [
                {"role": "user", "content": "1+1?"},
                {"role": "assistant", "content": "2"}]})
        );
    }

    #[test]
    fn text_that_only_begins_like_a_reward_is_prose() {
        for text in [
            "reward: I would say five",
            "helpfulness: it helps a lot",
            "Sure! helpfulness:4,correctness:4,coherence:4,complexity:1,verbosity:1",
            "helpfulness:4 and correctness:4",
            "note:3",
        ] {
            assert!(written_pairs(text).is_none(), "{text}");
        }
        assert!(written_pairs("helpfulness:high").unwrap().is_err());
        assert_eq!(
            written_pairs(" reward: -5.53\n").unwrap().unwrap(),
            [("reward".to_owned(), -5.53)]
        );
    }
}
