//! Arithmetic expressions, worked out one operation at a time.

use std::fmt;

use crate::generate::{Drawn, Generator};
use crate::random::Random;

/// The generated task `arithmetic`.
pub(crate) struct Arithmetic;

/// No step has a result above this.
const LARGEST: i64 = 500;
const OPERATORS: [char; 4] = ['+', '-', '*', '/'];

/// An expression of whole numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expression {
    Number(i64),
    Operation(char, Box<Expression>, Box<Expression>),
}

impl Generator for Arithmetic {
    fn name(&self) -> &'static str {
        "arithmetic"
    }

    fn default_levels(&self) -> &'static [u32] {
        &[2, 3]
    }

    fn highest_level(&self) -> u32 {
        6
    }

    /// Four operators, each with the rest of the expression on its left or on its right.
    fn templates(&self, level: u32) -> usize {
        if level == 1 { 4 } else { 8 }
    }

    fn draw(&self, level: u32, template: usize, random: &mut Random) -> Option<Drawn> {
        let operator = OPERATORS[template % 4];
        let expression = draw_operation(operator, template < 4, level, random);
        let value = expression.value()?;
        let question = format!("What is {expression}?");
        let mut steps = Vec::new();
        let mut rest = expression;
        while let Some((step, next)) = rest.reduced() {
            let last = matches!(next, Expression::Number(_));
            steps.push(if last {
                format!("{step}.")
            } else {
                format!("{step}, which leaves {next}.")
            });
            rest = next;
        }
        let side = if template < 4 { "left" } else { "right" };
        Some(Drawn {
            canonical: question.clone(),
            question,
            answer: value.to_string(),
            solution: format!("{} The answer is {value}.", steps.join(" ")),
            template: format!("{operator}-{side}"),
        })
    }
}

/// An operation with `count` operators in all; the others are on one side.
fn draw_operation(operator: char, left: bool, count: u32, random: &mut Random) -> Expression {
    let rest = if count > 1 {
        let next = OPERATORS[random.below(4)];
        draw_operation(next, random.below(2) == 0, count - 1, random)
    } else {
        draw_number(operator, left, random)
    };
    let number = draw_number(operator, !left, random);
    let (a, b) = if left { (rest, number) } else { (number, rest) };
    Expression::Operation(operator, Box::new(a), Box::new(b))
}

fn draw_number(operator: char, left: bool, random: &mut Random) -> Expression {
    Expression::Number(match (operator, left) {
        ('*', _) | ('/', false) => random.between(2, 12),
        ('/', true) => random.between(4, 120),
        _ => random.between(2, 60),
    })
}

impl Expression {
    /// The value, if every step has a whole result from 1 to [`LARGEST`].
    fn value(&self) -> Option<i64> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Operation(operator, a, b) => apply(*operator, a.value()?, b.value()?),
        }
    }

    /// Works out the first operation whose sides are numbers.
    fn reduced(&self) -> Option<(String, Self)> {
        let Self::Operation(operator, a, b) = self else {
            return None;
        };
        if let (Self::Number(left), Self::Number(right)) = (a.as_ref(), b.as_ref()) {
            let value = apply(*operator, *left, *right)?;
            return Some((format!("{self} = {value}"), Self::Number(value)));
        }
        if let Some((step, a)) = a.reduced() {
            return Some((step, Self::Operation(*operator, Box::new(a), b.clone())));
        }
        let (step, b) = b.reduced()?;
        Some((step, Self::Operation(*operator, a.clone(), Box::new(b))))
    }
}

fn apply(operator: char, a: i64, b: i64) -> Option<i64> {
    let value = match operator {
        '+' => a + b,
        '-' => a - b,
        '*' => a * b,
        _ => (a % b == 0).then(|| a / b)?,
    };
    (1..=LARGEST).contains(&value).then_some(value)
}

fn binds(operator: char) -> u8 {
    if matches!(operator, '*' | '/') { 2 } else { 1 }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Operation(operator, a, b) = self else {
            let Self::Number(n) = self else { return Ok(()) };
            return write!(f, "{n}");
        };
        let side = |e: &Self, weakest: u8| match e {
            Self::Operation(inner, ..) if binds(*inner) < weakest => format!("({e})"),
            _ => e.to_string(),
        };
        // The right side needs brackets even where it binds as strongly: 8 - (3 - 2).
        let (left, right) = (side(a, binds(*operator)), side(b, binds(*operator) + 1));
        write!(f, "{left} {operator} {right}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(operator: char, a: Expression, b: Expression) -> Expression {
        Expression::Operation(operator, Box::new(a), Box::new(b))
    }

    #[test]
    fn brackets_where_they_are_needed() {
        use Expression::Number;
        let sum = operation('+', Number(3), Number(4));
        let product = operation('*', sum.clone(), Number(2));
        assert_eq!(product.to_string(), "(3 + 4) * 2");
        assert_eq!(
            operation('-', Number(9), sum.clone()).to_string(),
            "9 - (3 + 4)"
        );
        assert_eq!(operation('-', sum, Number(2)).to_string(), "3 + 4 - 2");
        let (step, rest) = product.reduced().unwrap();
        assert_eq!(step, "3 + 4 = 7");
        assert_eq!(rest.to_string(), "7 * 2");
    }

    #[test]
    fn steps_reach_the_value() {
        let mut random = Random::new(3, "");
        let drawn = (0..1000)
            .find_map(|_| Arithmetic.draw(3, 6, &mut random))
            .unwrap();
        assert_eq!(drawn.solution.matches(" = ").count(), 3, "{drawn:?}");
        assert!(
            drawn
                .solution
                .ends_with(&format!("The answer is {}.", drawn.answer))
        );
    }

    #[test]
    fn steps_leave_the_whole_numbers_never() {
        assert_eq!(apply('/', 7, 2), None);
        assert_eq!(apply('-', 2, 2), None);
        assert_eq!(apply('*', 60, 60), None);
    }
}
