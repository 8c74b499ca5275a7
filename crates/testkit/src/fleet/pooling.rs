//! Scalar and step rewards as vLLM, SGLang and llama-server serve them (vLLM's documentation of
//! pooling models). An activation squeezes the scores unless `use_activation` is false.

use serde_json::{Value, json};

use super::dialect::Trouble;
use super::draw::tokens;
use super::fields::{text_of, texts_of};
use super::hash::{hash, unit};
use super::mocks::{Done, Fleet, known_model, now};
use super::rewards::logit;
use super::said::final_answer;
use crate::script::Act;

/// What closes a step in the text for a process reward model (Qwen2.5-Math-PRM).
const STEP: &str = "<extra_0>";

/// Answers `classify`, `pooling`, `score` and `rerank`.
pub(crate) fn answer(fleet: &Fleet, path: &str, body: &Value) -> Result<Done, Trouble> {
    known_model(body["model"].as_str().unwrap_or_default())?;
    match path {
        "classify" => classify(fleet, body),
        "pooling" => pooling(fleet, body),
        "score" => score(fleet, body),
        _ => rerank(fleet, body),
    }
}

/// A reward without bounds for a text that holds question and answer.
pub(crate) fn raw(fleet: &Fleet, model: &str, text: &str) -> f64 {
    logit(&fleet.scores(model, text))
}

pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The texts to score: `input`, or one conversation.
fn inputs(body: &Value) -> Result<Vec<String>, Trouble> {
    if let Some(messages) = body["messages"].as_array() {
        let texts: Vec<String> = messages
            .iter()
            .map(|message| text_of(&message["content"]))
            .collect();
        return Ok(vec![texts.join("\n")]);
    }
    let texts = texts_of(&body["input"]);
    if texts.is_empty() {
        return Err(Trouble::invalid(
            "one of `input` and `messages` is required",
        ));
    }
    Ok(texts)
}

fn count(texts: &[String]) -> u64 {
    texts.iter().map(|text| tokens(text).len() as u64).sum()
}

/// One entry for each text, in the frame that all these answers share.
fn list(fleet: &Fleet, prefix: &str, body: &Value, data: &[Value], input: u64) -> Done {
    let frame = json!({
        "id": format!("{prefix}-{:08x}", fleet.serial()),
        "object": "list",
        "created": now(),
        "model": body["model"],
        "data": data,
        "usage": {"prompt_tokens": input, "total_tokens": input, "completion_tokens": 0},
    });
    Done::paid(Act::json(200, &frame), input, 0)
}

fn activated(body: &Value, score: f64) -> f64 {
    if body["use_activation"] == Value::Bool(false) {
        score
    } else {
        sigmoid(score)
    }
}

fn classify(fleet: &Fleet, body: &Value) -> Result<Done, Trouble> {
    let model = body["model"].as_str().unwrap_or_default();
    // SGLang asks with `text` and answers with a bare list.
    if !body["text"].is_null() {
        let texts = texts_of(&body["text"]);
        let answers: Vec<Value> = texts
            .iter()
            .map(|text| json!({"embedding": [raw(fleet, model, text)], "meta_info": {"prompt_tokens": tokens(text).len()}}))
            .collect();
        return Ok(Done::paid(
            Act::json(200, &Value::Array(answers)),
            count(&texts),
            0,
        ));
    }
    let texts = inputs(body)?;
    let data = texts.iter().enumerate().map(|(index, text)| {
        let prob = activated(body, raw(fleet, model, text));
        json!({"index": index, "label": "LABEL_0", "probs": [prob], "num_classes": 1})
    });
    Ok(list(
        fleet,
        "classify",
        body,
        &data.collect::<Vec<_>>(),
        count(&texts),
    ))
}

fn pooling(fleet: &Fleet, body: &Value) -> Result<Done, Trouble> {
    let model = body["model"].as_str().unwrap_or_default();
    for removed in ["softmax", "activation"] {
        if !body[removed].is_null() {
            return Err(Trouble::invalid(format!(
                "`{removed}` was removed; use `use_activation`"
            )));
        }
    }
    let by_token = match body["task"].as_str() {
        None | Some("classify") => false,
        Some("token_classify") => true,
        Some(other) => {
            return Err(Trouble::invalid(format!(
                "Task {other} is not supported by this model"
            )));
        }
    };
    let texts = inputs(body)?;
    let data = texts.iter().enumerate().map(|(index, text)| {
        let data = if by_token {
            steps(fleet, body, text)
        } else {
            json!([activated(body, raw(fleet, model, text))])
        };
        json!({"index": index, "object": "pooling", "data": data})
    });
    Ok(list(
        fleet,
        "pool",
        body,
        &data.collect::<Vec<_>>(),
        count(&texts),
    ))
}

/// A pair (negative, positive) for each step: steps are good until one that states a wrong answer.
fn steps(fleet: &Fleet, body: &Value, text: &str) -> Value {
    let question = fleet.first_question(text);
    let mut parts: Vec<&str> = text.split(STEP).collect();
    parts.pop();
    let pairs = parts.iter().enumerate().map(|(at, step)| {
        let says = if step.to_ascii_lowercase().contains("the answer is") {
            final_answer(step)
        } else {
            None
        };
        let good = match (&question, says) {
            (Some(question), Some(answer)) => question.is_right(&answer),
            _ => true,
        };
        let noise = unit(hash(&[step, &at.to_string()]));
        let logit = if good {
            2.0 + 2.0 * noise
        } else {
            -2.0 - 2.0 * noise
        };
        if body["use_activation"] == Value::Bool(false) {
            json!([-logit / 2.0, logit / 2.0])
        } else {
            json!([1.0 - sigmoid(logit), sigmoid(logit)])
        }
    });
    pairs.collect()
}

/// Pairs of texts: one with each, or each with its own.
fn score(fleet: &Fleet, body: &Value) -> Result<Done, Trouble> {
    let model = body["model"].as_str().unwrap_or_default();
    let first = |names: &[&str]| {
        names
            .iter()
            .map(|name| texts_of(&body[*name]))
            .find(|texts| !texts.is_empty())
    };
    let (Some(left), Some(right)) = (
        first(&["text_1", "queries", "data_1"]),
        first(&["text_2", "documents", "data_2"]),
    ) else {
        return Err(Trouble::invalid("both sides of the pairs are required"));
    };
    if left.len() != 1 && left.len() != right.len() {
        return Err(Trouble::invalid(
            "Input lengths must be either 1:1, 1:N or N:N",
        ));
    }
    let data = right.iter().enumerate().map(|(index, text)| {
        let question = left.get(index).unwrap_or(&left[0]);
        let score = activated(body, raw(fleet, model, &format!("{question}\n{text}")));
        json!({"index": index, "object": "score", "score": score})
    });
    Ok(list(
        fleet,
        "score",
        body,
        &data.collect::<Vec<_>>(),
        count(&left) + count(&right),
    ))
}

fn rerank(fleet: &Fleet, body: &Value) -> Result<Done, Trouble> {
    let model = body["model"].as_str().unwrap_or_default();
    let documents = texts_of(&body["documents"]);
    let query = body["query"].as_str().unwrap_or_default();
    if query.is_empty() || documents.is_empty() {
        return Err(Trouble::invalid(
            "\"query\" and \"documents\" must be provided",
        ));
    }
    let mut results: Vec<(usize, f64)> = documents
        .iter()
        .enumerate()
        .map(|(index, text)| {
            (
                index,
                activated(body, raw(fleet, model, &format!("{query}\n{text}"))),
            )
        })
        .collect();
    // Best first; the index tells which document it is.
    results.sort_by(|a, b| b.1.total_cmp(&a.1));
    results.truncate(
        body["top_n"]
            .as_u64()
            .filter(|n| *n > 0)
            .unwrap_or(u64::MAX) as usize,
    );
    let results: Vec<Value> = results
        .iter()
        .map(|(index, score)| json!({"index": index, "document": {"text": documents[*index]}, "relevance_score": score}))
        .collect();
    let input = count(&documents) + tokens(query).len() as u64;
    let reply = json!({"id": format!("rerank-{:08x}", fleet.serial()), "object": "list", "model": body["model"],
        "usage": {"prompt_tokens": input, "total_tokens": input}, "results": results});
    Ok(Done::paid(Act::json(200, &reply), input, 0))
}
