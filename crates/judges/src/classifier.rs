//! Reward models as sequence classifiers: `/classify` and `/pooling` of vLLM, `/classify` of SGLang.
//!
//! vLLM puts an activation (sigmoid or softmax) on what a model says unless it is told not to, which
//! crushes rewards until good answers are all 1.0; every request says `use_activation: false` (vLLM
//! documentation, pooling models). A server that does not know the field answers with something from
//! 0 to 1. That still orders answers to one question, and is taken as it is.

use autodidact_core::Scores;
use serde_json::{Value, json};

use crate::judge::{Case, Unscored, excerpt};

/// vLLM, `POST /classify`: the server's chat template writes the conversation down.
pub(crate) fn classify_body(model: &str, case: &Case, answer: &str) -> Value {
    json!({
        "model": model,
        "messages": case.conversation(answer),
        "use_activation": false,
    })
}

/// vLLM, `POST /pooling`, for models whose reward is what they pool.
pub(crate) fn pooling_body(model: &str, case: &Case, answer: &str) -> Value {
    json!({
        "model": model,
        "messages": case.conversation(answer),
        "task": "classify",
        "use_activation": false,
    })
}

/// SGLang, `POST /classify`: takes texts, not conversations; all answers in one request.
pub(crate) fn sglang_body(model: &str, case: &Case, answers: &[&str]) -> Value {
    let texts: Vec<String> = answers.iter().map(|a| plain_text(case, a)).collect();
    json!({ "model": model, "text": texts })
}

/// Question and answer as one text, where no chat template is at hand.
fn plain_text(case: &Case, answer: &str) -> String {
    format!("{}\n\n{answer}", case.question_text())
}

/// `{"data":[{"probs":[x],"num_classes":1,…}]}`.
pub(crate) fn parse_classify(reply: &Value) -> Result<Scores, Unscored> {
    only_entry(reply, "probs")
}

/// `{"data":[{"data":[x],…}]}`.
pub(crate) fn parse_pooling(reply: &Value) -> Result<Scores, Unscored> {
    only_entry(reply, "data")
}

/// `[{"embedding":[x],…},…]`, one entry for each text, in order.
pub(crate) fn parse_sglang(reply: &Value, asked: usize) -> Vec<Result<Scores, Unscored>> {
    let single = std::slice::from_ref(reply);
    let entries = match reply {
        Value::Array(entries) => entries.as_slice(),
        // A single text is answered without a list.
        Value::Object(_) if asked == 1 => single,
        _ => &[],
    };
    if entries.len() != asked {
        let text = format!("{} entries for {asked} answers", entries.len());
        return vec![Err(Unscored::Malformed(text)); asked];
    }
    let score = |entry: &Value| from_labels(&entry["embedding"]);
    entries.iter().map(score).collect()
}

fn only_entry(reply: &Value, field: &str) -> Result<Scores, Unscored> {
    match reply["data"].as_array().map(Vec::as_slice) {
        Some([entry]) => from_labels(&entry[field]),
        Some(entries) => Err(Unscored::Malformed(format!(
            "{} entries in `data` for one answer",
            entries.len()
        ))),
        None => Err(Unscored::Malformed(format!(
            "no `data` in {}",
            excerpt(&reply.to_string())
        ))),
    }
}

/// One label is the reward. Of two the second is the positive one: its probability, or its logit
/// above the other's. With more nobody can say which is the reward.
fn from_labels(values: &Value) -> Result<Scores, Unscored> {
    let Some(values) = values.as_array() else {
        return Err(Unscored::Malformed(format!(
            "{} where a list of scores should be",
            excerpt(&values.to_string())
        )));
    };
    let overall = match numbers(values)?.as_slice() {
        [reward] => *reward,
        [negative, positive] if is_distribution(*negative, *positive) => *positive,
        [negative, positive] => positive - negative,
        others => {
            return Err(Unscored::Malformed(format!(
                "{} labels, where a reward model has one or two",
                others.len()
            )));
        }
    };
    Ok(Scores::only_overall(overall)?)
}

/// All values as numbers.
pub(crate) fn numbers(values: &[Value]) -> Result<Vec<f64>, Unscored> {
    let number = |value: &Value| {
        value.as_f64().ok_or_else(|| {
            Unscored::Malformed(format!(
                "{} where a number should be",
                excerpt(&value.to_string())
            ))
        })
    };
    values.iter().map(number).collect()
}

/// True if the two are probabilities that add up to 1.
pub(crate) fn is_distribution(negative: f64, positive: f64) -> bool {
    // Servers compute in half precision.
    const ROUNDING: f64 = 5e-3;
    let is_probability = |p: f64| (0.0..=1.0).contains(&p);
    is_probability(negative)
        && is_probability(positive)
        && (negative + positive - 1.0).abs() < ROUNDING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_one_number() {
        let overall = |values: Value| from_labels(&values).map(|s| s.overall());
        assert_eq!(overall(json!([-3.5])), Ok(-3.5));
        assert_eq!(overall(json!([0.25, 0.75])), Ok(0.75));
        assert_eq!(overall(json!([-1.0, 2.0])), Ok(3.0));
        assert!(overall(json!([0.2, 0.3, 0.5])).is_err());
        assert!(overall(json!([])).is_err());
        assert!(overall(json!(1.0)).is_err());
        assert!(overall(json!(["1.0"])).is_err());
        assert!(overall(json!([null])).is_err());
    }

    #[test]
    fn no_request_lets_an_activation_crush_the_reward() {
        let case = Case::new("q", vec!["a".into()]);
        for body in [
            classify_body("m", &case, "a"),
            pooling_body("m", &case, "a"),
        ] {
            assert_eq!(body["use_activation"], json!(false));
        }
    }
}
