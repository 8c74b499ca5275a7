//! Everyday stories with two or three steps of arithmetic.

use crate::generate::{Drawn, Generator};
use crate::random::Random;
use crate::templates::{THREE_STEPS, TWO_STEPS, Template};
use crate::words::Cast;

/// The generated task `word-problems`.
pub(crate) struct WordProblems;

/// One step of a plan: `x=a+b`.
#[derive(Debug, Clone, Copy)]
struct Step {
    result: char,
    left: char,
    operator: char,
    right: char,
}

/// Where the numbers of a level are drawn from, both ends included.
struct Numbers {
    /// What is added and taken away.
    amount: (i64, i64),
    /// What is multiplied, and what is divided by.
    factor: (i64, i64),
    /// What is divided.
    dividend: (i64, i64),
    /// What a result is taken away from.
    total: (i64, i64),
    /// No step has a larger result.
    largest: i64,
}

const TINY: Numbers = Numbers {
    amount: (2, 12),
    factor: (2, 6),
    dividend: (4, 36),
    total: (8, 40),
    largest: 50,
};

const SMALL: Numbers = Numbers {
    amount: (2, 20),
    factor: (2, 9),
    dividend: (4, 72),
    total: (10, 99),
    largest: 100,
};

const LARGE: Numbers = Numbers {
    amount: (12, 90),
    factor: (3, 14),
    dividend: (24, 180),
    total: (60, 300),
    largest: 400,
};

/// Draws of numbers before a template is given up.
const ATTEMPTS: u32 = 400;

impl Generator for WordProblems {
    fn name(&self) -> &'static str {
        "word-problems"
    }

    fn default_levels(&self) -> &'static [u32] {
        &[1]
    }

    fn highest_level(&self) -> u32 {
        4
    }

    fn templates(&self, level: u32) -> usize {
        templates(level).len()
    }

    fn draw(&self, level: u32, template: usize, random: &mut Random) -> Option<Drawn> {
        let template = &templates(level)[template];
        let range = match level {
            1 => &TINY,
            3 => &LARGE,
            _ => &SMALL,
        };
        let plan = plan(template.plan)?;
        let numbers = (0..ATTEMPTS).find_map(|_| draw_numbers(&plan, range, random))?;
        let cast = Cast::draw(random);
        let result = plan.last()?.result;
        let answer = value(&numbers, result)?;
        let solution = cast.fill(template.solution, &numbers)?;
        let drawn: Vec<String> = numbers.iter().map(|(_, n)| n.to_string()).collect();
        Some(Drawn {
            question: cast.fill(template.question, &numbers)?,
            // Another name in the same story with the same numbers is not another problem.
            canonical: format!("{} {}", template.name, drawn.join(" ")),
            answer: answer.to_string(),
            solution: format!("{solution} The answer is {answer}."),
            template: template.name.to_owned(),
        })
    }
}

fn templates(level: u32) -> &'static [Template] {
    if level == 4 { &THREE_STEPS } else { &TWO_STEPS }
}

fn plan(text: &str) -> Option<Vec<Step>> {
    let step = |word: &str| match word.chars().collect::<Vec<_>>()[..] {
        [result, '=', left, operator, right] => Some(Step {
            result,
            left,
            operator,
            right,
        }),
        _ => None,
    };
    text.split_whitespace().map(step).collect()
}

fn value(numbers: &[(char, i64)], name: char) -> Option<i64> {
    let found = numbers.iter().find(|(known, _)| *known == name)?;
    Some(found.1)
}

/// Draws what the plan needs and works it out; `None` unless every number is whole and at least 2,
/// so that `1 apples` never happens.
fn draw_numbers(plan: &[Step], range: &Numbers, random: &mut Random) -> Option<Vec<(char, i64)>> {
    let mut numbers: Vec<(char, i64)> = Vec::new();
    for name in ['a', 'b', 'c', 'd'] {
        if let Some((low, high)) = drawn_from(plan, range, name) {
            numbers.push((name, random.between(low, high)));
        }
    }
    for step in plan {
        let (a, b) = (value(&numbers, step.left)?, value(&numbers, step.right)?);
        let result = match step.operator {
            '+' => a + b,
            '-' => a - b,
            '*' => a * b,
            '/' if a % b == 0 => a / b,
            _ => return None,
        };
        if !(2..=range.largest).contains(&result) {
            return None;
        }
        numbers.push((step.result, result));
    }
    Some(numbers)
}

/// The range for a number, by what the plan does with it; `None` if it does nothing.
fn drawn_from(plan: &[Step], range: &Numbers, name: char) -> Option<(i64, i64)> {
    let uses: Vec<&Step> = plan
        .iter()
        .filter(|step| step.left == name || step.right == name)
        .collect();
    let is = |check: &dyn Fn(&Step) -> bool| uses.iter().any(|step| check(step));
    if uses.is_empty() {
        return None;
    }
    let from_result = |step: &Step| step.operator == '-' && matches!(step.right, 'x' | 'y');
    Some(
        if is(&|step| step.operator == '*' || (step.operator == '/' && step.right == name)) {
            range.factor
        } else if is(&|step| step.operator == '/') {
            range.dividend
        } else if is(&from_result) {
            range.total
        } else {
            range.amount
        },
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_template_can_be_drawn_at_its_levels() {
        for level in 1..=4 {
            for template in 0..WordProblems.templates(level) {
                let mut random = Random::new(9, "");
                let drawn = (0..20).find_map(|_| WordProblems.draw(level, template, &mut random));
                let name = templates(level)[template].name;
                let drawn = drawn.unwrap_or_else(|| panic!("level {level}: {name}"));
                assert!(drawn.question.ends_with('?'), "{}", drawn.question);
            }
        }
    }

    #[test]
    fn the_first_six_templates_cover_all_operations() {
        for level in 1..=4 {
            let plans: Vec<&str> = templates(level).iter().take(6).map(|t| t.plan).collect();
            for operator in ['+', '-', '*', '/'] {
                assert!(
                    plans.iter().any(|plan| plan.contains(operator)),
                    "{level} {operator}"
                );
            }
            let names: HashSet<&str> = templates(level).iter().map(|t| t.name).collect();
            assert_eq!(names.len(), templates(level).len());
        }
    }

    #[test]
    fn each_level_has_thousands_of_different_problems() {
        for level in 1..=4 {
            let mut random = Random::new(1, "");
            let mut canonical = HashSet::new();
            for i in 0..20_000 {
                let template = i % WordProblems.templates(level);
                if let Some(drawn) = WordProblems.draw(level, template, &mut random) {
                    canonical.insert(drawn.canonical);
                }
            }
            assert!(
                canonical.len() >= 5_000,
                "level {level}: {}",
                canonical.len()
            );
        }
    }

    #[test]
    fn rationales_are_short() {
        let mut random = Random::new(1, "");
        for i in 0..3000 {
            let Some(drawn) = WordProblems.draw(1, i % 30, &mut random) else {
                continue;
            };
            let words = drawn.solution.split_whitespace().count();
            assert!((14..=40).contains(&words), "{words}: {}", drawn.solution);
        }
    }
}
