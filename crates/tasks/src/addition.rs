//! n-digit addition on a scratchpad, exactly as in the STaR paper (section 4.1, figure 2) and its
//! code: digits separated by spaces, the working between `<scratch>` and `</scratch>`.

use autodidact_core::{HintPlace, PromptFormat, VerifyKind};

use crate::generate::{Drawn, Generator};
use crate::random::Random;
use crate::steps::StepChecker;

/// The generated task `addition`.
pub(crate) struct Addition;

impl Generator for Addition {
    fn name(&self) -> &'static str {
        "addition"
    }

    fn default_levels(&self) -> &'static [u32] {
        &[1, 2, 3]
    }

    fn highest_level(&self) -> u32 {
        12
    }

    fn templates(&self, _: u32) -> usize {
        1
    }

    fn draw(&self, level: u32, _: usize, random: &mut Random) -> Option<Drawn> {
        let mut number = || -> Vec<u8> {
            (0..level)
                .map(|i| random.between(i64::from(i == 0), 9) as u8)
                .collect()
        };
        let (left, right) = (number(), number());
        // `a + b` and `b + a` are on the same side.
        let canonical = format!(
            "{:?}",
            [
                left.clone().min(right.clone()),
                left.clone().max(right.clone())
            ]
        );
        Some(Drawn {
            question: format!("{} + {}", spaced(&left), spaced(&right)),
            canonical,
            answer: spaced(&sum(&left, &right)),
            solution: working(&left, &right).join("\n"),
            template: "addition".into(),
        })
    }

    fn verify(&self) -> VerifyKind {
        VerifyKind::Exact
    }

    fn format(&self) -> PromptFormat {
        PromptFormat {
            before_question: "Input:\n".into(),
            before_answer: "\nTarget:".into(),
            completion_lead: "\n".into(),
            separator: "\n\n".into(),
            hint: " {hint}".into(),
            hint_place: HintPlace::AfterAnswerMark,
            stop: vec!["\nInput:".into(), "\n\n".into()],
        }
    }

    fn step_checker(&self) -> StepChecker {
        StepChecker::addition()
    }
}

/// Reads `7 1 8 + 5 8 5`; both numbers have the same count of digits, as the working needs.
pub(crate) fn operands(question: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let digits = |text: &str| -> Option<Vec<u8>> {
        text.split_whitespace()
            .map(|digit| digit.parse().ok().filter(|d| *d <= 9))
            .collect()
    };
    let (left, right) = question.split_once('+')?;
    let (left, right) = (digits(left)?, digits(right)?);
    (!left.is_empty() && left.len() == right.len()).then_some((left, right))
}

/// All lines of the rationale, the tags and the final answer included.
///
/// The last line within the tags keeps its leading 0 where nothing is carried; the answer does not.
pub(crate) fn working(left: &[u8], right: &[u8]) -> Vec<String> {
    let mut lines = vec!["<scratch>".to_owned()];
    let mut done = Vec::new();
    let mut carry = 0;
    for rest in (0..=left.len()).rev() {
        let mut parts = Vec::new();
        if rest == left.len() {
            parts.push(format!("{} + {}", spaced(left), spaced(right)));
        } else if rest > 0 {
            parts.push(format!("{} + {}", left[rest - 1], right[rest - 1]));
        }
        parts.push(",".to_owned());
        if !done.is_empty() {
            parts.push(spaced(&done));
        }
        parts.push(format!("C: {carry}"));
        lines.push(parts.join(" "));
        if rest > 0 {
            let total = left[rest - 1] + right[rest - 1] + carry;
            done.insert(0, total % 10);
            carry = total / 10;
        }
    }
    done.insert(0, carry);
    lines.push(spaced(&done));
    lines.push("</scratch>".to_owned());
    lines.push(spaced(&sum(left, right)));
    lines
}

fn sum(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut digits = Vec::new();
    let mut carry = 0;
    for (a, b) in left.iter().zip(right).rev() {
        let total = a + b + carry;
        digits.insert(0, total % 10);
        carry = total / 10;
    }
    if carry > 0 {
        digits.insert(0, carry);
    }
    digits
}

fn spaced(digits: &[u8]) -> String {
    let digits: Vec<String> = digits.iter().map(u8::to_string).collect();
    digits.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worked(question: &str) -> String {
        let (left, right) = operands(question).unwrap();
        working(&left, &right).join("\n")
    }

    #[test]
    fn the_scratchpad_of_the_paper() {
        let expected = "<scratch>\n7 1 8 + 5 8 5 , C: 0\n1 + 8 , 3 C: 1\n7 + 5 , 0 3 C: 1\n\
                        , 3 0 3 C: 1\n1 3 0 3\n</scratch>\n1 3 0 3";
        assert_eq!(worked("7 1 8 + 5 8 5"), expected);
    }

    #[test]
    fn one_digit_and_a_leading_zero() {
        let expected = "<scratch>\n4 + 9 , C: 0\n, 3 C: 1\n1 3\n</scratch>\n1 3";
        assert_eq!(worked("4 + 9"), expected);
        let lines = worked("4 1 + 4 2");
        assert!(lines.ends_with("0 8 3\n</scratch>\n8 3"), "{lines}");
    }

    #[test]
    fn what_is_no_addition_is_refused() {
        for bad in ["", "1 2 + 3", "a + b", "1 2", "12 + 34", "+"] {
            assert_eq!(operands(bad), None, "{bad}");
        }
    }
}
