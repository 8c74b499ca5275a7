//! The words of the fleet's answers. Different draws say the same in different words.

use super::arithmetic::evaluate;
use super::hash::{mix, pick};
use super::wits::Question;

const OPENERS: [&str; 6] = [
    "Let us work through this step by step.",
    "First I look at what is asked.",
    "I will take it one step at a time.",
    "Here is how I would do it.",
    "We can solve this in small steps.",
    "Let me write down what is known.",
];

const CLOSERS: [&str; 5] = [
    "So the result is",
    "This gives",
    "Together that makes",
    "Hence we get",
    "In the end we have",
];

/// Two or three steps that end in `The answer is X.`
pub(crate) fn rationale(question: &Question, answer: &str, luck: u64) -> String {
    let opener = pick(luck, &OPENERS);
    let closer = pick(mix(luck), &CLOSERS);
    let right = question.is_right(answer);
    let steps = match (&question.arithmetic, &question.rationale) {
        (Some(arithmetic), _) => arithmetic_steps(&arithmetic.expression, mix(mix(luck))),
        (None, Some(rationale)) if right => plain_rationale(rationale),
        _ => pick(
            mix(luck),
            &[
                "The question gives a few amounts, and they have to be put together.",
                "I take the amounts in the order in which they are told.",
                "I note what there is at the beginning and what changes.",
            ],
        )
        .to_owned(),
    };
    format!("{opener}\n{steps}\n{closer} {answer}. The answer is {answer}.")
}

/// A step on the way to the value of an expression, if there is one to tell.
fn arithmetic_steps(expression: &str, luck: u64) -> String {
    let plain: String = expression.chars().filter(|c| *c != ' ').collect();
    let split = |c: char| {
        let (left, right) = plain.split_once(c)?;
        let (a, b): (i64, i64) = (left.parse().ok()?, right.parse().ok()?);
        Some((a, b))
    };
    if let Some((a, b)) = split('*').filter(|(_, b)| *b > 10) {
        let (tens, ones) = (b / 10 * 10, b % 10);
        let value = |text: String| evaluate(&text).map_or_else(String::new, |v| v.to_string());
        let by_tens = value(format!("{a}*{tens}"));
        let by_ones = value(format!("{a}*{ones}"));
        return format!(
            "{a} times {tens} is {by_tens}, and {a} times {ones} is {by_ones}. I add the two."
        );
    }
    if let Some((a, b)) = split('+') {
        return match luck % 2 {
            0 => format!("I begin with {a} and count {b} further."),
            _ => format!("Adding {b} to {a} can be done digit by digit."),
        };
    }
    match luck % 3 {
        0 => {
            format!("The expression {expression} is worked out from left to right, products first.")
        }
        1 => format!("In {expression} brackets come first, then products, then sums."),
        _ => format!("I go through {expression} part by part."),
    }
}

/// A rationale of GSM8K without its calculator marks and its last line.
fn plain_rationale(rationale: &str) -> String {
    let mut text = String::new();
    let mut rest = rationale;
    while let Some((before, after)) = rest.split_once("<<") {
        text.push_str(before);
        rest = after.split_once(">>").map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    let lines = text.lines().filter(|line| !line.starts_with("####"));
    lines.collect::<Vec<_>>().join("\n")
}

/// An honest answer to a question the fleet does not know.
pub(crate) fn unknown(luck: u64) -> String {
    let opener = pick(
        luck,
        &[
            "I am a mock model and cannot work this out.",
            "This is beyond what this mock model knows.",
            "I do not know enough to answer this.",
        ],
    );
    format!("{opener} The answer is unknown.")
}

/// One answer out of several.
pub(crate) fn fused(answer: &str, of: usize, luck: u64) -> String {
    let opener = pick(
        luck,
        &[
            "I compared the answers with each other.",
            "Looking at what the answers have in common, one result stands out.",
            "Some of the answers disagree, so I weigh them.",
        ],
    );
    format!("{opener} Of {of} answers most agree on {answer}. The answer is {answer}.")
}

/// What a thinking model shows of its reasoning.
pub(crate) fn thoughts(luck: u64) -> String {
    let opener = pick(
        luck,
        &[
            "Hmm, let me see.",
            "Okay, the user asks for a result.",
            "Thinking about it first.",
        ],
    );
    format!(
        "{opener} I should find the amounts, decide what to do with them, and check the result before I answer."
    )
}

#[cfg(test)]
mod tests {
    use super::plain_rationale;

    #[test]
    fn the_marks_of_gsm8k_are_left_out() {
        let text = "He has 48/2=<<48/2=24>>24.\nThen 24+48=<<24+48=72>>72.\n#### 72";
        assert_eq!(plain_rationale(text), "He has 48/2=24.\nThen 24+48=72.");
    }
}
