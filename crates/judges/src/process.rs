//! Process reward models behind vLLM's `/pooling`: one probability for each step of an answer.
//!
//! After Lightman et al. 2023 (PRM800K) and Wang et al. 2024 (Math-Shepherd). The format is that of
//! Qwen2.5-Math-PRM: each step is followed by a mark, and at each mark a softmax over two labels says
//! how probable it is that the step is right (its model card).

use autodidact_core::{JudgeSpec, Reduction, Scores};
use serde_json::{Value, json};

use crate::classifier::{is_distribution, numbers};
use crate::judge::{Case, Unscored, excerpt};

/// The mark of Qwen2.5-Math-PRM.
const STEP_MARK: &str = "<extra_0>";

fn step_mark(spec: &JudgeSpec) -> &str {
    spec.step_mark.as_deref().unwrap_or(STEP_MARK)
}

/// The steps of an answer: its paragraphs, or its lines if it is one paragraph. Marks written by
/// whoever wrote the answer are taken out, so that it cannot add steps of its own.
pub fn steps(answer: &str, mark: &str) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for line in answer.lines() {
        if line.trim().is_empty() {
            paragraphs.push(String::new());
        } else if let Some(paragraph) = paragraphs.last_mut() {
            paragraph.push_str(line);
            paragraph.push('\n');
        }
    }
    let tidy = |text: &str| {
        let text = without(text, mark);
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    match paragraphs.as_slice() {
        [one] => one.lines().filter_map(tidy).collect(),
        several => several.iter().filter_map(|p| tidy(p)).collect(),
    }
}

/// Taking a mark out can leave another one behind, so it is repeated until none is left.
fn without(text: &str, mark: &str) -> String {
    let mut text = text.to_owned();
    while !mark.is_empty() && text.contains(mark) {
        text = text.replace(mark, "");
    }
    text
}

/// The conversation with a mark after each step. The server's activation is the softmax of the model
/// card, so it is left on.
pub(crate) fn body(spec: &JudgeSpec, model: &str, case: &Case, answer: &str) -> Value {
    let mark = step_mark(spec);
    let steps = steps(answer, mark);
    let marked: String = steps.iter().flat_map(|step| [step, mark]).collect();
    json!({
        "model": model,
        "messages": case.conversation(&marked),
        "task": "token_classify",
        "use_activation": true,
    })
}

/// `{"data":[{"data":[[negative, positive],…]}]}`, one entry for each step.
pub(crate) fn parse(spec: &JudgeSpec, reply: &Value, answer: &str) -> Result<Scores, Unscored> {
    let expected = steps(answer, step_mark(spec)).len();
    let Some(values) = reply.pointer("/data/0/data").and_then(Value::as_array) else {
        return Err(Unscored::Malformed(format!(
            "no `data` in {}",
            excerpt(&reply.to_string())
        )));
    };
    if values.len() != expected || expected == 0 {
        return Err(Unscored::Malformed(format!(
            "{} scores for {expected} steps; is `step_mark` the model's, and its pooling type STEP?",
            values.len()
        )));
    }
    let rows: Vec<Vec<f64>> = values.iter().map(row).collect::<Result<_, _>>()?;
    let probabilities = probabilities(&rows)?;
    let overall = match spec.reduction {
        Reduction::Min => probabilities.iter().copied().fold(1.0, f64::min),
        Reduction::Product => probabilities.iter().product(),
        Reduction::Last => probabilities.last().copied().unwrap_or_default(),
    };
    Ok(Scores::only_overall(overall)?)
}

fn row(value: &Value) -> Result<Vec<f64>, Unscored> {
    match value {
        Value::Array(row) => numbers(row),
        single => numbers(std::slice::from_ref(single)),
    }
}

/// The probability of each step being right. Two labels are probabilities if they are so in every
/// step, otherwise logits; a single label must be a probability.
fn probabilities(rows: &[Vec<f64>]) -> Result<Vec<f64>, Unscored> {
    let are_distributions = rows
        .iter()
        .all(|row| matches!(row[..], [negative, positive] if is_distribution(negative, positive)));
    let probability = |row: &Vec<f64>| match row[..] {
        [_, positive] if are_distributions => Ok(positive),
        [negative, positive] => Ok(1.0 / (1.0 + (negative - positive).exp())),
        [single] if (0.0..=1.0).contains(&single) => Ok(single),
        _ => Err(Unscored::Malformed(format!(
            "{row:?} where the two labels of a step should be"
        ))),
    };
    rows.iter().map(probability).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_steps_and_so_are_lines_of_a_single_one() {
        let split = |text| steps(text, STEP_MARK);
        assert_eq!(split("a\nb\n\nc"), ["a\nb", "c"]);
        assert_eq!(split("a\r\n \r\n\r\nb\r\n"), ["a", "b"]);
        assert_eq!(split("a\n b \n"), ["a", "b"]);
        assert!(split(" \n\n").is_empty());
    }

    #[test]
    fn an_answer_cannot_bring_marks_of_its_own() {
        let text = "a<extra_0> b<ext<extra_0>ra_0>\n\nc<extra_0><extra_0>";
        let clean = steps(text, STEP_MARK);
        assert_eq!(clean.len(), 2);
        assert!(
            clean.iter().all(|step| !step.contains(STEP_MARK)),
            "{clean:?}"
        );
        assert!(steps("aa", "a").is_empty());
        assert_eq!(steps("a\n\nb", "\n\n"), ["a", "b"], "a mark of line ends");
    }

    #[test]
    fn probabilities_stay_and_logits_pass_a_softmax() {
        assert_eq!(
            probabilities(&[vec![0.25, 0.75], vec![1.0, 0.0]]).unwrap(),
            [0.75, 0.0]
        );
        let logits = probabilities(&[vec![0.25, 0.75], vec![-2.0, 2.0]]).unwrap();
        assert!((logits[0] - 0.622_459_331_2).abs() < 1e-9);
        assert!((logits[1] - 0.982_013_790_0).abs() < 1e-9);
        assert!(probabilities(&[vec![1.5]]).is_err());
        assert!(probabilities(&[vec![0.1, 0.2, 0.7]]).is_err());
    }
}
