//! Checking the steps of a rationale, so that a right answer reached by luck is noticed.

use autodidact_core::{Problem, Verdict, VerifyKind};
use autodidact_verify::verify_answer;

use crate::addition::{operands, working};
use crate::expression::{Equation, equations};
use crate::lexer::tokens;

/// The longest text that is looked at, in bytes.
const LONGEST_TEXT: usize = 64 << 10;

/// What a check of steps found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepCheck {
    /// There are steps, and all of them are true.
    Sound,
    /// A step is false; which, and why.
    FalseStep(String),
    /// No step was found that can be checked.
    NothingToCheck,
}

/// Checks the steps of rationales of one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepChecker {
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Equations,
    Worked,
    Addition,
}

impl StepChecker {
    /// Every equation of the text must be true.
    pub fn equations() -> Self {
        let kind = Kind::Equations;
        Self { kind }
    }

    /// Every equation must be true, and the last one must give the answer that is stated.
    pub fn worked() -> Self {
        let kind = Kind::Worked;
        Self { kind }
    }

    /// Every line of the addition scratchpad must be the true one.
    pub fn addition() -> Self {
        let kind = Kind::Addition;
        Self { kind }
    }

    /// Checks the rationale `text` for `problem`.
    pub fn check(&self, problem: &Problem, text: &str) -> StepCheck {
        match self.kind {
            Kind::Equations => check_equations(text),
            Kind::Worked => check_worked(text),
            Kind::Addition => check_addition(&problem.question, text),
        }
    }
}

/// Checks every equation in `text` exactly: `3 + 4 = 7`, chains, units, currency, thousands
/// separators, percentages, and the calculator marks of GSM8K.
///
/// A result rounded to two or more decimals counts as true. Equations with variables or words for
/// numbers are left out.
pub fn check_equations(text: &str) -> StepCheck {
    examine(text).0
}

/// The check, and the last equation.
fn examine(text: &str) -> (StepCheck, Option<Equation>) {
    let (plain, marks) = without_calculator_marks(cut(text));
    let mut last = None;
    for part in [&marks, &plain] {
        let tokens = tokens(part);
        for equation in equations(&tokens) {
            if !equation.holds() {
                let start = tokens[equation.left.first].start;
                let end = tokens[equation.right.end - 1].end;
                let written = part[start..end].trim();
                let value = &equation.left.value;
                let reason = format!("`{written}`: the left side is {value}");
                return (StepCheck::FalseStep(reason), Some(equation));
            }
            last = Some(equation);
        }
    }
    match last {
        Some(_) => (StepCheck::Sound, last),
        None => (StepCheck::NothingToCheck, None),
    }
}

fn check_worked(text: &str) -> StepCheck {
    let (found, last) = examine(text);
    let (StepCheck::Sound, Some(last)) = (&found, last) else {
        return found;
    };
    let result = last.right.value.to_string();
    let stated = verify_answer(VerifyKind::Number, &result, &[], text);
    match (stated.verdict, stated.extracted) {
        (Verdict::Wrong, Some(answer)) => StepCheck::FalseStep(format!(
            "the answer `{answer}` is not the result of the last step, {result}"
        )),
        _ => found,
    }
}

fn check_addition(question: &str, text: &str) -> StepCheck {
    let Some((left, right)) = operands(question) else {
        return StepCheck::NothingToCheck;
    };
    let Some(start) = text.find("<scratch>") else {
        return StepCheck::NothingToCheck;
    };
    let mut lines = cut(&text[start..])
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty());
    for (index, wanted) in working(&left, &right).iter().enumerate() {
        match lines.next() {
            Some(line) if line == *wanted => {}
            Some(line) => {
                let number = index + 1;
                let reason = format!("line {number}: `{line}` should be `{wanted}`");
                return StepCheck::FalseStep(reason);
            }
            None => {
                let reason = format!("the working stops after line {index}, before `{wanted}`");
                return StepCheck::FalseStep(reason);
            }
        }
    }
    StepCheck::Sound
}

/// Takes the marks `<<48/2=24>>` of GSM8K out; the second text holds what was in them.
pub(crate) fn without_calculator_marks(text: &str) -> (String, String) {
    let mut plain = String::with_capacity(text.len());
    let mut marks = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<<") {
        let Some((inside, after)) = after.split_once(">>") else {
            break;
        };
        plain.push_str(before);
        marks.push_str(inside);
        marks.push('\n');
        rest = after;
    }
    plain.push_str(rest);
    (plain, marks)
}

pub(crate) fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_checks(cases: &[(&str, char)]) {
        for (text, expected) in cases {
            let found = check_equations(text);
            let got = match &found {
                StepCheck::Sound => 's',
                StepCheck::FalseStep(_) => 'f',
                StepCheck::NothingToCheck => '-',
            };
            assert_eq!(got, *expected, "{text}: {found:?}");
        }
    }

    #[test]
    fn equations_in_sentences() {
        assert_checks(&[
            (
                "Tom has 3 + 4 = 7 apples. He gives away 2, so 7 - 2 = 5 are left.",
                's',
            ),
            ("Tom has 3 + 4 = 8 apples.", 'f'),
            ("She had 5 apples and 3 + 4 = 7 pears", 's'),
            ("3 + 4 = 7 then 7 - 2 = 4", 'f'),
            ("3 apples + 4 apples = 7 apples", 's'),
            ("$1,200 x 3 = $3,600", 's'),
            ("$1,200 x 3 = $3,500", 'f'),
            ("5 bags * 3 apples/bag = 15 apples", 's'),
            ("(3 + 4) * 2 = 14", 's'),
            ("3 + 4 * 2 = 14", 'f'),
            ("2(3 + 4) = 14", 's'),
            ("8 - (5 - 2) = 5", 's'),
            ("12 / 5 = 2.4", 's'),
            ("7 / 2 = 3", 'f'),
            ("- 3 + 4 = 7", 's'),
            ("5-year plan: 5-3 = 2", 's'),
            ("-3 + 5 = 2", 's'),
            ("**3 + 4 = 7**", 's'),
            ("Five is 5.", '-'),
            ("", '-'),
        ]);
    }

    #[test]
    fn chains_percentages_and_rounding() {
        assert_checks(&[
            ("2 * 3 = 6 = 3 + 3", 's'),
            ("2 * 3 = 6 = 3 + 4", 'f'),
            ("Total = 3 + 4 = 7", 's'),
            ("3 + 4 = 7 + 2 = 9", 'f'),
            ("20% of 50 = 10", 's'),
            ("50 * 20% = 11", 'f'),
            ("100% - 20% = 80%", 's'),
            ("10 / 50 = 20%", 's'),
            ("10 / 50 * 100 = 20%", 's'),
            ("1/2 of the 50 = 25", 's'),
            ("1 1/2 * 2 = 3", 's'),
            ("10 / 3 = 3.33", 's'),
            ("10 / 3 = 3.4", 's'),
            ("10 / 3 = 3.5", 'f'),
            ("2^5 = 32", 's'),
            ("25 / 1/3 = 75", 's'),
            ("12/2/3 = 2", 's'),
            ("48/2 = <<48/2=24>>24 clips", 's'),
            ("48/2 = <<48/2=25>>24 clips", 'f'),
        ]);
    }

    #[test]
    fn what_is_not_known_is_not_judged() {
        assert_checks(&[
            ("x = 3", '-'),
            ("2x + 3 = 7", '-'),
            ("x + 3 + 4 = 9", '-'),
            ("3 + 4 = 7 + x", '-'),
            ("1 hour = 60 minutes", '-'),
            ("twice 3 + 4 = 10", '-'),
            ("7 / 2 = 3 remainder 1", '-'),
            ("7 1 8 + 5 8 5 = 1 3 0 3", '-'),
            ("12:30 + 2 = 14:30", '-'),
            ("5 / 0 = 3", '-'),
            ("3 + 4 >= 7", '-'),
            ("1.2 million + 3 = 7", '-'),
            ("20 minutes = 2 * 60 + 20", '-'),
            ("2m + 55 = 215", '-'),
        ]);
    }

    #[test]
    fn the_last_step_must_give_the_answer() {
        let lucky = "Tom has 3 + 4 = 7 apples. The answer is 5.";
        assert!(matches!(check_worked(lucky), StepCheck::FalseStep(_)));
        assert_eq!(check_equations(lucky), StepCheck::Sound);
        let sound = "Tom has 3 + 4 = 7 apples. The answer is 7.";
        assert_eq!(check_worked(sound), StepCheck::Sound);
    }

    #[test]
    fn the_scratchpad_is_checked_line_by_line() {
        let good = "<scratch>\n4 + 9 , C: 0\n, 3 C: 1\n1 3\n</scratch>\n1 3";
        assert_eq!(check_addition("4 + 9", good), StepCheck::Sound);
        assert_eq!(
            check_addition("4 + 9", &format!("{good}\n\nInput:")),
            StepCheck::Sound
        );
        let bad = good.replace(", 3 C: 1", ", 3 C: 0");
        let StepCheck::FalseStep(reason) = check_addition("4 + 9", &bad) else {
            panic!("{bad}");
        };
        assert_eq!(reason, "line 3: `, 3 C: 0` should be `, 3 C: 1`");
        assert!(matches!(
            check_addition("4 + 9", "<scratch>\n"),
            StepCheck::FalseStep(_)
        ));
        assert_eq!(check_addition("4 + 9", "1 3"), StepCheck::NothingToCheck);
    }
}
