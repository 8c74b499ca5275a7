//! The steps of a rationale and which of them are true: what process reward models learn from.

use autodidact_tasks::{StepCheck, check_equations};

/// A step of a rationale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// As it was written.
    pub text: String,
    /// Whether it is true.
    pub sound: bool,
}

/// Cuts a rationale into steps and says which are true.
///
/// Steps are its lines, or the sentences of a text of one line. A step is false if an equation in it
/// is. The last step, which states the answer, is false if the answer is (`right`), or if the task's
/// own check found a false step (`false_step`) that is no false equation of one step: then the answer
/// does not follow from what stands before it.
pub fn label_steps(text: &str, right: bool, false_step: bool) -> Vec<Step> {
    let mut steps: Vec<Step> = cut(text)
        .into_iter()
        .map(|text| Step {
            sound: !matches!(check_equations(text), StepCheck::FalseStep(_)),
            text: text.to_owned(),
        })
        .collect();
    let all_sound = steps.iter().all(|step| step.sound);
    if let Some(last) = steps.last_mut()
        && (!right || (false_step && all_sound))
    {
        last.sound = false;
    }
    steps
}

fn cut(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    match lines.as_slice() {
        [line] => sentences(line),
        _ => lines,
    }
}

/// Sentences end with a mark and a space before a capital letter or a digit, so that `3.5` and
/// `e.g. this` stay whole.
fn sentences(line: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, _) in line.match_indices([' ']) {
        let (before, after) = (&line[..at], &line[at + 1..]);
        let ends = before.ends_with(['.', '!', '?']);
        let begins = after
            .trim_start()
            .chars()
            .next()
            .is_some_and(|c| c.is_uppercase() || c.is_ascii_digit());
        if ends && begins {
            let sentence = line[start..at].trim();
            if !sentence.is_empty() {
                sentences.push(sentence);
            }
            start = at + 1;
        }
    }
    let rest = line[start..].trim();
    if !rest.is_empty() {
        sentences.push(rest);
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str, right: bool, false_step: bool) -> Vec<(String, bool)> {
        let steps = label_steps(text, right, false_step).into_iter();
        steps.map(|step| (step.text, step.sound)).collect()
    }

    #[test]
    fn a_false_equation_makes_its_own_step_false() {
        let text = "Tom has 3 + 4 = 8 apples. He eats 1.5 of them.  So 8 - 1 = 7. The answer is 7.";
        let expected = [
            ("Tom has 3 + 4 = 8 apples.", false),
            ("He eats 1.5 of them.", true),
            ("So 8 - 1 = 7.", true),
            ("The answer is 7.", true),
        ];
        let expected = expected.map(|(text, sound)| (text.to_owned(), sound));
        assert_eq!(labels(text, true, true), expected);
    }

    #[test]
    fn a_wrong_answer_is_the_last_step_s_fault() {
        assert_eq!(
            labels("2 + 2 = 4\n\nThe answer is 5.", false, false),
            [
                ("2 + 2 = 4".into(), true),
                ("The answer is 5.".into(), false)
            ]
        );
        assert_eq!(
            labels("2 + 2 = 4\nThe answer is 5.", true, true)[1],
            ("The answer is 5.".into(), false),
            "the task's check found what no equation shows"
        );
        assert!(labels("", true, false).is_empty());
        assert_eq!(labels(" \n ", false, true), []);
    }
}
