//! Arithmetic questions that the fleet works out by itself, in exact fractions.

use std::fmt;

/// A fraction in lowest terms with a positive denominator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fraction {
    numerator: i128,
    denominator: i128,
}

impl Fraction {
    pub(crate) fn new(numerator: i128, denominator: i128) -> Option<Self> {
        let divisor = common_divisor(numerator.checked_abs()?, denominator.checked_abs()?);
        if denominator == 0 || divisor == 0 {
            return None;
        }
        let sign = denominator.signum();
        Some(Self {
            numerator: sign * numerator / divisor,
            denominator: sign * denominator / divisor,
        })
    }

    /// A number as people write it: `1,200`, `$3.50`, `-2/3`, `12%` and so on.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text: String = text
            .trim()
            .trim_end_matches(['.', '%'])
            .chars()
            .filter(|c| !matches!(c, ',' | '$' | ' '))
            .collect();
        let (numerator, denominator) = text.split_once('/').unwrap_or((&text, "1"));
        let numerator = decimal(numerator)?;
        let denominator = decimal(denominator)?;
        numerator.apply('/', denominator)
    }

    fn apply(self, operator: char, other: Self) -> Option<Self> {
        let (a, b) = (self.numerator, self.denominator);
        let (c, d) = (other.numerator, other.denominator);
        match operator {
            '+' => Self::new(
                a.checked_mul(d)?.checked_add(c.checked_mul(b)?)?,
                b.checked_mul(d)?,
            ),
            '-' => Self::new(
                a.checked_mul(d)?.checked_sub(c.checked_mul(b)?)?,
                b.checked_mul(d)?,
            ),
            '*' => Self::new(a.checked_mul(c)?, b.checked_mul(d)?),
            _ => Self::new(a.checked_mul(d)?, b.checked_mul(c)?),
        }
    }

    /// This many more.
    pub(crate) fn plus(self, whole: i128) -> Self {
        Self::new(whole, 1)
            .and_then(|whole| self.apply('+', whole))
            .unwrap_or(self)
    }

    /// The number if it is whole.
    pub(crate) const fn whole(self) -> Option<i128> {
        if self.denominator == 1 {
            Some(self.numerator)
        } else {
            None
        }
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.denominator == 1 {
            write!(f, "{}", self.numerator)
        } else {
            write!(f, "{}/{}", self.numerator, self.denominator)
        }
    }
}

fn common_divisor(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

fn decimal(text: &str) -> Option<Fraction> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 18 || part.contains(['+', '-']) || whole.is_empty() {
        return None;
    }
    let numerator: i128 = format!("{whole}{part}").parse().ok()?;
    Fraction::new(numerator, 10_i128.pow(part.len() as u32))
}

/// An arithmetic question inside a longer text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arithmetic {
    /// The expression as it is written, without the words around it.
    pub(crate) expression: String,
    /// Its value.
    pub(crate) value: Fraction,
    /// Where it begins in the text, in bytes.
    pub(crate) at: usize,
}

const LEADS: [&str; 5] = ["what is ", "what's ", "compute ", "calculate ", "evaluate "];

/// All questions such as `What is 17 * 23?` and `Compute 12 + 34`, in order.
pub(crate) fn questions(text: &str) -> Vec<Arithmetic> {
    let lower = text.to_ascii_lowercase();
    let mut found: Vec<Arithmetic> = LEADS
        .iter()
        .flat_map(|lead| lower.match_indices(lead).map(|(at, lead)| at + lead.len()))
        .filter_map(|at| expression_at(text, at))
        .collect();
    if found.is_empty() {
        // A message that is nothing but `17 * 23 = ?`.
        let text = text.trim();
        let is_all = |found: &Arithmetic| {
            let rest = text.get(found.expression.len()..).unwrap_or_default();
            rest.chars().all(|c| matches!(c, ' ' | '=' | '?' | '.'))
        };
        found.extend(expression_at(text, 0).filter(is_all));
    }
    found.sort_by_key(|question| question.at);
    found
}

fn expression_at(text: &str, at: usize) -> Option<Arithmetic> {
    let rest = text.get(at..)?;
    let end = rest
        .find(|c: char| !(c.is_ascii_digit() || "+-*/×÷−x().,^ ".contains(c)))
        .unwrap_or(rest.len());
    let expression = rest.get(..end)?.trim().trim_end_matches(['.', ',', ' ']);
    let plain: String = expression
        .chars()
        .filter(|c| !matches!(c, ' ' | ','))
        .map(|c| match c {
            '×' | 'x' => '*',
            '÷' => '/',
            '−' => '-',
            c => c,
        })
        .collect();
    let is_sum = plain.trim_start_matches('-').contains(['+', '-', '*', '/']);
    let value = is_sum.then(|| evaluate(&plain)).flatten()?;
    Some(Arithmetic {
        expression: expression.to_owned(),
        value,
        at,
    })
}

/// The value of an expression without spaces; `None` if it is none or has no value.
pub(crate) fn evaluate(text: &str) -> Option<Fraction> {
    let mut parser = Parser {
        rest: text,
        depth: 0,
    };
    let value = parser.sum()?;
    parser.rest.is_empty().then_some(value)
}

struct Parser<'a> {
    rest: &'a str,
    depth: u32,
}

impl Parser<'_> {
    fn next_of(&mut self, wanted: &[char]) -> Option<char> {
        let first = self.rest.chars().next().filter(|c| wanted.contains(c))?;
        self.rest = &self.rest[first.len_utf8()..];
        Some(first)
    }

    fn sum(&mut self) -> Option<Fraction> {
        let mut value = self.product()?;
        while let Some(operator) = self.next_of(&['+', '-']) {
            value = value.apply(operator, self.product()?)?;
        }
        Some(value)
    }

    fn product(&mut self) -> Option<Fraction> {
        let mut value = self.factor()?;
        while let Some(operator) = self.next_of(&['*', '/']) {
            value = value.apply(operator, self.factor()?)?;
        }
        Some(value)
    }

    fn factor(&mut self) -> Option<Fraction> {
        // Deep nesting would overflow the stack.
        self.depth += 1;
        if self.depth > 64 {
            return None;
        }
        let value = if self.next_of(&['-']).is_some() {
            Fraction::new(0, 1)?.apply('-', self.factor()?)
        } else if self.next_of(&['(']).is_some() {
            let value = self.sum()?;
            self.next_of(&[')']).map(|_| value)
        } else {
            let end = self
                .rest
                .find(|c: char| !(c.is_ascii_digit() || c == '.'))
                .unwrap_or(self.rest.len());
            let (number, rest) = self.rest.split_at(end);
            self.rest = rest;
            decimal(number)
        };
        self.depth -= 1;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::{Fraction, evaluate, questions};

    #[test]
    fn expressions_have_their_value() {
        for (text, value) in [
            ("17*23", "391"),
            ("2+3*4", "14"),
            ("(2+3)*4", "20"),
            ("-(7-10)/2", "3/2"),
            ("0.1+0.2", "3/10"),
            ("8/4/2", "1"),
        ] {
            assert_eq!(evaluate(text).unwrap().to_string(), value, "{text}");
        }
        for text in ["", "1+", "1/0", "(1", "1..2", "1)"] {
            assert_eq!(evaluate(text), None, "{text}");
        }
        assert_eq!(evaluate(&"(".repeat(100_000)), None);
    }

    #[test]
    fn questions_are_found_in_a_text() {
        let values = |text: &str| -> Vec<String> {
            let found = questions(text);
            found
                .iter()
                .map(|a| format!("{}={}", a.expression, a.value))
                .collect()
        };
        assert_eq!(values("Q: What is 17 * 23?\nA:"), ["17 * 23=391"]);
        assert_eq!(values("Compute 12 + 34. Then stop"), ["12 + 34=46"]);
        assert_eq!(values("17 × 23 = ?"), ["17 × 23=391"]);
        assert_eq!(values("What is 1+1? What is 2+2?"), ["1+1=2", "2+2=4"]);
        assert!(values("What is love? What is 7?").is_empty());
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, value) in [
            ("1,200", "1200"),
            ("$3.50", "7/2"),
            (" -6/4 ", "-3/2"),
            ("12%", "12"),
        ] {
            assert_eq!(Fraction::read(text).unwrap().to_string(), value);
        }
        assert_eq!(Fraction::read("twelve"), None);
        assert_eq!(Fraction::read(""), None);
    }
}
