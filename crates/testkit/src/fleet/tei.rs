//! `/predict` and `/rerank` of Text Embeddings Inference (its OpenAPI file). A flat array of two
//! texts is one pair, not two texts.

use serde_json::{Value, json};

use super::dialect::{Kind, Trouble};
use super::draw::tokens;
use super::fields::texts_of;
use super::mocks::{Done, Fleet};
use super::pooling::{raw, sigmoid};
use crate::script::Act;

/// Most texts of one request, the default of the server.
const BATCH: usize = 32;

/// Answers `predict` and `rerank`.
pub(crate) fn answer(fleet: &Fleet, path: &str, body: &Value) -> Result<Done, Trouble> {
    if path == "predict" {
        predict(fleet, body)
    } else {
        rerank(fleet, body)
    }
}

fn score(fleet: &Fleet, body: &Value, text: &str) -> f64 {
    let score = raw(fleet, "tei", text);
    if body["raw_scores"] == Value::Bool(true) {
        score
    } else {
        sigmoid(score)
    }
}

fn predict(fleet: &Fleet, body: &Value) -> Result<Done, Trouble> {
    let one = |text: &str| json!([{"label": "LABEL_0", "score": score(fleet, body, text)}]);
    let is_text = |value: &Value| value.is_string();
    let (reply, texts) = match &body["inputs"] {
        Value::String(text) => (one(text), vec![text.clone()]),
        Value::Array(list) if list.is_empty() => {
            return Err(Trouble::new(Kind::Invalid, "`inputs` cannot be empty"));
        }
        Value::Array(list) if list.iter().all(is_text) && list.len() <= 2 => {
            let texts = texts_of(&body["inputs"]);
            (one(&texts.join("\n")), texts)
        }
        Value::Array(list)
            if list.iter().all(|item| {
                item.as_array().is_some_and(|texts| {
                    (1..=2).contains(&texts.len()) && texts.iter().all(is_text)
                })
            }) =>
        {
            let texts: Vec<String> = list.iter().map(|item| texts_of(item).join("\n")).collect();
            if texts.len() > BATCH {
                return Err(Trouble::new(
                    Kind::TooLong,
                    format!(
                        "batch size {} > maximum allowed batch size {BATCH}",
                        texts.len()
                    ),
                ));
            }
            (texts.iter().map(|text| one(text)).collect(), texts)
        }
        _ => {
            return Err(Trouble::new(
                Kind::Fields,
                "`inputs` must be a text, a pair or a batch of them",
            ));
        }
    };
    Ok(Done::paid(Act::json(200, &reply), count(&texts), 0))
}

fn rerank(fleet: &Fleet, body: &Value) -> Result<Done, Trouble> {
    let texts = texts_of(&body["texts"]);
    let Some(query) = body["query"].as_str() else {
        return Err(Trouble::new(Kind::Fields, "missing field `query`"));
    };
    if texts.is_empty() {
        return Err(Trouble::new(Kind::Invalid, "`texts` cannot be empty"));
    }
    let mut ranks: Vec<(usize, f64)> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| (index, score(fleet, body, &format!("{query}\n{text}"))))
        .collect();
    ranks.sort_by(|a, b| b.1.total_cmp(&a.1));
    let reply = ranks.iter().map(|(index, score)| {
        let mut rank = json!({"index": index, "score": score});
        if body["return_text"] == Value::Bool(true) {
            rank["text"] = json!(texts[*index]);
        }
        rank
    });
    Ok(Done::paid(
        Act::json(200, &reply.collect()),
        count(&texts),
        0,
    ))
}

fn count(texts: &[String]) -> u64 {
    texts.iter().map(|text| tokens(text).len() as u64).sum()
}
