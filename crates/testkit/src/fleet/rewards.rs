//! What the fleet's reward models and judges think of an answer: right ones score high.

use super::hash::{hash, mix, unit};
use super::wits::Question;

/// The attributes of HelpSteer in their published order.
pub(crate) const ATTRIBUTES: [&str; 5] = [
    "helpfulness",
    "correctness",
    "coherence",
    "complexity",
    "verbosity",
];

/// The five attributes in their published order, each about 0 to 4.
pub(crate) fn scores(
    model: &str,
    question: Option<&Question>,
    text: &str,
    answer: Option<&str>,
) -> [f64; 5] {
    let right = match (question, answer) {
        (Some(question), Some(answer)) => question.is_right(answer).then_some(true).or(Some(false)),
        (Some(_), None) => Some(false),
        (None, _) => None,
    };
    let luck = hash(&[model, text]);
    let noise = |index: u64| unit(luck.wrapping_add(mix(index)));
    let quality = |index: u64| match right {
        Some(true) => 3.0 + noise(index),
        Some(false) => 2.0 * noise(index),
        // Nothing is known about the question: all depends on the answer's looks.
        None => 1.5 + 1.5 * noise(index),
    };
    let length = (text.chars().count() as f64 / 1000.0).min(1.0);
    [
        quality(1),
        quality(2),
        3.0 + noise(3),
        1.0 + noise(4),
        0.5 + 1.7 * length + 0.3 * noise(5),
    ]
    .map(|score| (score * 1000.0).round() / 1000.0)
}

/// One number without bounds, as the heads of preference models give: better answers more.
pub(crate) fn logit(scores: &[f64; 5]) -> f64 {
    let [helpfulness, correctness, coherence, ..] = scores;
    (helpfulness + correctness + 0.5 * coherence - 6.0) * 2.5
}

/// The answer of a judge that was asked for one JSON object: halves, as people would give.
pub(crate) fn as_rubric(scores: &[f64; 5]) -> String {
    let given = ATTRIBUTES.iter().zip(scores).map(|(name, score)| {
        let halves = (score * 2.0).round() / 2.0;
        format!("\"{name}\": {halves}")
    });
    format!("{{{}}}", given.collect::<Vec<_>>().join(", "))
}
