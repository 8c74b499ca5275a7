//! Rationalization (STaR, section 3.3): the hint, and rationales that betray it.

use autodidact_core::{HintStrength, Problem};

use crate::prompt::right_choice;

/// Phrases of a model that speaks of its hint instead of reasoning.
const LEAKS: &[&str] = &[
    "as given",
    "is given as",
    "given answer",
    "answer is given",
    "answer was given",
    "provided answer",
    "answer provided",
    "answer is provided",
    "(correct)",
    "the hint",
    "we are told the answer",
    "we know the answer",
    "since the answer is",
    "because the answer is",
    "answer given",
    "already know",
];

/// What the hint of a problem says; `None` if the problem has no gold answer.
pub(crate) fn hint_of(problem: &Problem, strength: HintStrength) -> Option<String> {
    let gold = problem.gold.as_ref()?.0.trim();
    if gold.is_empty() {
        return None;
    }
    let choice = right_choice(gold, &problem.choices).map(|i| &problem.choices[i]);
    let answer = choice.map_or_else(
        || gold.to_owned(),
        |choice| format!("({}) {}", choice.label.to_lowercase(), choice.text),
    );
    let solution = problem.solution.as_deref().map(readable);
    let solution = solution.as_deref().filter(|s| !s.is_empty());
    Some(match (strength, solution) {
        (HintStrength::Answer, _) => gold.to_owned(),
        (HintStrength::Choice, _) | (_, None) => answer,
        (HintStrength::Steps, Some(solution)) => {
            let lines: Vec<&str> = solution.lines().collect();
            let half = lines[..lines.len() / 2].join(" ");
            if half.is_empty() {
                answer
            } else {
                format!("{answer}; {half}")
            }
        }
        (HintStrength::Solution, Some(solution)) => format!("{answer}; {solution}"),
    })
}

/// A worked solution as a person would write it: without GSM8K's calculator marks (`<<48/2=24>>`)
/// and its last line (`#### 72`), which a student would copy.
fn readable(solution: &str) -> String {
    let mut text = String::with_capacity(solution.len());
    let mut rest = solution;
    while let Some((before, after)) = rest.split_once("<<") {
        text += before;
        rest = after.split_once(">>").map_or("", |(_, after)| after);
    }
    text += rest;
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("####"))
        .collect();
    lines.join("\n").trim().to_owned()
}

/// True if a rationalization speaks of the hint it was given.
pub(crate) fn leaks_hint(text: &str, hint: Option<&str>) -> bool {
    let text = text.to_lowercase();
    let hint = hint
        .map(|h| h.trim().to_lowercase())
        .filter(|h| !h.is_empty());
    hint.is_some_and(|hint| text.contains(&hint)) || LEAKS.iter().any(|leak| text.contains(leak))
}

/// True if the text states an answer and nothing that leads to it: fewer than three words come
/// before the statement.
pub(crate) fn has_no_reasoning(text: &str) -> bool {
    let lower = text.to_lowercase();
    let statement = ["the answer is", "answer:", "####", "\\boxed"];
    let at = statement.iter().filter_map(|mark| lower.find(mark)).min();
    let before = at.map_or(lower.as_str(), |at| &lower[..at]);
    before.split_whitespace().count() < 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use autodidact_core::{Answer, Choice, ProblemId, Split};

    fn problem() -> Problem {
        let choice = |label: &str, text: &str| Choice {
            label: label.into(),
            text: text.into(),
        };
        Problem {
            id: ProblemId("p".into()),
            question: "?".into(),
            gold: Some(Answer("B".into())),
            choices: vec![choice("A", "sink"), choice("B", "market")],
            solution: Some("one\ntwo\nthree\nfour".into()),
            split: Split::Train,
            meta: std::collections::BTreeMap::default(),
        }
    }

    #[test]
    fn hints_grow_with_their_strength() {
        let hint = |strength| hint_of(&problem(), strength).unwrap();
        assert_eq!(hint(HintStrength::Answer), "B");
        assert_eq!(hint(HintStrength::Choice), "(b) market");
        assert_eq!(hint(HintStrength::Steps), "(b) market; one two");
        assert_eq!(
            hint(HintStrength::Solution),
            "(b) market; one\ntwo\nthree\nfour"
        );
        assert_eq!(
            hint_of(
                &Problem {
                    gold: None,
                    ..problem()
                },
                HintStrength::Answer
            ),
            None
        );
    }

    #[test]
    fn solutions_lose_their_calculator_marks() {
        let solution = "She sold 48/2 = <<48/2=24>>24 clips.\n#### 24";
        assert_eq!(readable(solution), "She sold 48/2 = 24 clips.");
    }

    #[test]
    fn leaks_are_seen_and_honest_reasoning_is_not() {
        let hint = Some(" (the answer is 12)");
        assert!(leaks_hint("3 * 4 is 12 (The answer is 12).", hint));
        assert!(leaks_hint("As given, it is 12. The answer is 12.", hint));
        assert!(!leaks_hint("3 * 4 = 12. The answer is 12.", hint));
    }

    #[test]
    fn an_answer_alone_is_no_reasoning() {
        assert!(has_no_reasoning("The answer is 12."));
        assert!(has_no_reasoning("So, the answer is 12."));
        assert!(!has_no_reasoning("3 * 4 = 12. The answer is 12."));
    }
}
