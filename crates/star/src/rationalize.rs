//! Rationalization (STaR, section 3.3): the hint.

use autodidact_core::{HintStrength, Problem};

use crate::prompt::right_choice;

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

/// The part of the worked solution that the hint shows.
pub(crate) fn shown_solution(problem: &Problem, strength: HintStrength) -> Option<String> {
    match strength {
        HintStrength::Answer | HintStrength::Choice => None,
        HintStrength::Steps | HintStrength::Solution => {
            let hint = hint_of(problem, strength)?;
            let solution = hint.split_once("; ")?.1.to_owned();
            Some(solution)
        }
    }
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
        let shown = |strength| shown_solution(&problem(), strength);
        assert_eq!(shown(HintStrength::Choice), None);
        assert_eq!(shown(HintStrength::Steps).as_deref(), Some("one two"));
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
}
