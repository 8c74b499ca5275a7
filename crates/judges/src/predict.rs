//! `/predict` of Text Embeddings Inference, for sequence classifiers.
//!
//! A flat list of two texts is one pair there, not two texts, so every input is a list of its own:
//! `[[question, answer], …]`, the pair that cross-encoder reward models are trained on (TEI
//! interface description, `PredictInput`).

use std::collections::BTreeMap;

use autodidact_core::{Attribute, Scores, Weights};
use serde_json::{Value, json};

use crate::judge::{Case, Unscored, excerpt};

pub(crate) const PATH: &str = "/predict";

/// Inputs in one request: TEI's default for the largest batch of a client.
pub(crate) const BATCH: usize = 32;

/// Raw scores, since a sigmoid or softmax crushes rewards.
pub(crate) fn body(case: &Case, answers: &[&str]) -> Value {
    let question = case.question_text();
    let pairs: Vec<[&str; 2]> = answers.iter().map(|a| [question.as_str(), *a]).collect();
    json!({ "inputs": pairs, "raw_scores": true, "truncate": true })
}

/// `[[{"label","score"},…],…]`, one list for each input, in order.
pub(crate) fn parse(
    reply: &Value,
    asked: usize,
    weights: &Weights,
) -> Vec<Result<Scores, Unscored>> {
    let lists = reply.as_array().map(Vec::as_slice).unwrap_or_default();
    let nested = lists.iter().all(Value::is_array);
    if !nested || lists.len() != asked {
        let text = format!(
            "no list of labels for each of {asked} answers in {}",
            excerpt(&reply.to_string())
        );
        return vec![Err(Unscored::Malformed(text)); asked];
    }
    let score = |list: &Value| from_labels(list, weights);
    lists.iter().map(score).collect()
}

fn from_labels(list: &Value, weights: &Weights) -> Result<Scores, Unscored> {
    let mut labels = BTreeMap::new();
    for entry in list.as_array().map(Vec::as_slice).unwrap_or_default() {
        let (Some(label), Some(score)) = (entry["label"].as_str(), entry["score"].as_f64()) else {
            return Err(Unscored::Malformed(format!(
                "{} where a label with its score should be",
                excerpt(&entry.to_string())
            )));
        };
        if labels.insert(label, score).is_some() {
            return Err(Unscored::Malformed(format!(
                "label `{label}` is given twice"
            )));
        }
    }
    let attributes: BTreeMap<Attribute, f64> = labels
        .iter()
        .filter_map(|(label, score)| Some((Attribute::from_name(label)?, *score)))
        .collect();
    if !attributes.is_empty() {
        return Ok(Scores::weighted(attributes, weights)?);
    }
    // Labels come sorted by score, so only their names tell which is the positive one.
    let overall = match (labels.len(), labels.get("LABEL_0"), labels.get("LABEL_1")) {
        (1, ..) => labels.values().copied().sum(),
        (2, Some(negative), Some(positive)) => positive - negative,
        _ => {
            let names: Vec<&str> = labels.into_keys().collect();
            return Err(Unscored::Malformed(format!(
                "labels {} do not tell which is the reward",
                excerpt(&names.join(", "))
            )));
        }
    };
    Ok(Scores::only_overall(overall)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_answers_are_never_taken_for_a_pair() {
        let case = Case::new("q", Vec::new());
        let body = body(&case, &["a", "b"]);
        assert_eq!(body["inputs"], json!([["q", "a"], ["q", "b"]]));
        assert_eq!(body["raw_scores"], json!(true));
    }

    #[test]
    fn a_flat_list_is_refused() {
        let flat = json!([{"label": "LABEL_0", "score": 1.0}, {"label": "LABEL_1", "score": 2.0}]);
        for score in parse(&flat, 2, &Weights::default()) {
            assert!(matches!(score, Err(Unscored::Malformed(_))));
        }
    }
}
