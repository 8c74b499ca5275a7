//! The equations of a rationale: which are false, and the list of all of them that tells whether
//! two rationales reason alike (RFT, Yuan et al. 2023, section 3.3).

use std::collections::HashSet;

use crate::expression::{Equation, Side, equations};
use crate::lexer::{Kind, Token, tokens};
use crate::steps::{cut, without_calculator_marks};

/// False equations reported for one text at most.
const MOST_FALSE: usize = 8;

/// The equations of a text in a form that does not depend on spaces, units, currency, thousands
/// separators and the order of operands of + and ×. In the order of the text; an equation that is
/// repeated counts once.
pub fn equation_list(text: &str) -> Vec<String> {
    let mut list = Vec::new();
    let mut seen = HashSet::new();
    each(text, |_, tokens, equation| {
        let form = canonical(tokens, &equation);
        if seen.insert(form.clone()) {
            list.push(form);
        }
    });
    list
}

/// The false equations of a text, as they stand there; the first eight, if there are more.
pub fn false_equations(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    each(text, |part, tokens, equation| {
        let mut is_new = || seen.insert(canonical(tokens, &equation));
        if found.len() < MOST_FALSE && !equation.holds() && is_new() {
            found.push(written(part, tokens, &equation));
        }
    });
    found
}

/// Calls `f` with every equation: those of GSM8K's calculator marks first, then the others.
fn each(text: &str, mut f: impl FnMut(&str, &[Token], Equation)) {
    let (plain, marks) = without_calculator_marks(cut(text));
    for part in [&marks, &plain] {
        let tokens = tokens(part);
        for equation in equations(&tokens) {
            f(part, &tokens, equation);
        }
    }
}

fn written(part: &str, tokens: &[Token], equation: &Equation) -> String {
    let start = tokens.get(equation.left.first).map(|token| token.start);
    let end = equation.right.end.checked_sub(1);
    let end = end.and_then(|last| tokens.get(last)).map(|token| token.end);
    let text = start.zip(end).and_then(|(start, end)| part.get(start..end));
    text.unwrap_or_default().trim().to_owned()
}

fn canonical(tokens: &[Token], equation: &Equation) -> String {
    let side = |side: &Side| {
        let tokens = tokens.get(side.first..side.end).unwrap_or_default();
        Reader { tokens, at: 0 }.sum()
    };
    format!("{}={}", side(&equation.left), side(&equation.right))
}

/// Reads one side of an equation, which the parser in `expression.rs` has understood.
struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Reader<'_> {
    fn kind(&self) -> Option<&Kind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    fn skip_words(&mut self) {
        while self.kind() == Some(&Kind::Word) {
            self.at += 1;
        }
    }

    /// The operator that follows, if it is one of `among`.
    fn operator(&mut self, among: &[char]) -> Option<char> {
        self.skip_words();
        let operator = match self.kind()? {
            Kind::Operator(operator) if among.contains(operator) => *operator,
            _ => return None,
        };
        self.at += 1;
        Some(operator)
    }

    fn sum(&mut self) -> String {
        let mut terms = vec![('+', self.product())];
        while let Some(operator) = self.operator(&['+', '-']) {
            terms.push((operator, self.product()));
        }
        in_order(terms)
    }

    fn product(&mut self) -> String {
        let mut factors = vec![('*', self.power())];
        loop {
            if let Some(operator) = self.operator(&['*', '/']) {
                factors.push((operator, self.power()));
            } else if self.kind() == Some(&Kind::Of) {
                self.at += 1;
                self.skip_words();
                factors.push(('*', self.power()));
            } else if self.kind() == Some(&Kind::Open) {
                factors.push(('*', self.power()));
            } else {
                return in_order(factors);
            }
        }
    }

    fn power(&mut self) -> String {
        let base = self.operand();
        match self.operator(&['^']) {
            Some(_) => format!("{base}^{}", self.operand()),
            None => base,
        }
    }

    fn operand(&mut self) -> String {
        let Some(token) = self.tokens.get(self.at) else {
            return String::new();
        };
        self.at += 1;
        match &token.kind {
            Kind::Number(value, _) => {
                let percent = self.kind() == Some(&Kind::Percent);
                self.at += usize::from(percent);
                format!("{value}{}", if percent { "%" } else { "" })
            }
            Kind::Open => {
                let inner = self.sum();
                self.skip_words();
                self.at += usize::from(self.kind() == Some(&Kind::Close));
                let single = !inner.contains(['+', '-', '*', '/', '^']);
                if single { inner } else { format!("({inner})") }
            }
            _ => String::new(),
        }
    }
}

/// Operands sorted, the first operator left out where it is the usual one.
fn in_order(mut operands: Vec<(char, String)>) -> String {
    operands.sort_unstable();
    let mut text = String::new();
    for (index, (operator, operand)) in operands.iter().enumerate() {
        if index > 0 || matches!(operator, '-' | '/') {
            text.push(*operator);
        }
        text += operand;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn alike(a: &str, b: &str) {
        assert_eq!(equation_list(a), equation_list(b), "{a} | {b}");
        assert!(!equation_list(a).is_empty(), "{a}");
    }

    #[track_caller]
    fn different(a: &str, b: &str) {
        assert_ne!(equation_list(a), equation_list(b), "{a} | {b}");
    }

    #[test]
    fn spelling_does_not_matter() {
        alike("3 + 4 = 7", "So 3+4=7 apples.");
        alike("3 + 4 = 7", "She has 4 + 3 = 7.");
        alike("3 apples + 4 pears = 7 fruits", "4+3 = 7");
        alike("$1,200 x 3 = $3,600", "3 * 1200 = 3600");
        alike("2 * (3 + 4) = 14", "(4 + 3) × 2 = 14");
        alike("2 + 3 * 4 = 14", "4 * 3 + 2 = 14");
        alike("48/2 = <<48/2=24>>24 clips", "48 / 2 = 24");
        alike("20% of 50 = 10", "50 * 20% = 10");
        alike("9 - 4 + 2 = 7", "2 + 9 - 4 = 7");
        alike(
            "3 + 4 = 7. Again, 3 + 4 = 7. 7 - 2 = 5.",
            "4 + 3 = 7, then 7 - 2 = 5",
        );
    }

    #[test]
    fn reasoning_does() {
        different("3 + 4 = 7", "3 * 4 = 12");
        different("9 - 4 = 5", "4 - 9 = 5");
        different("8 / 2 = 4", "2 / 8 = 4");
        different("3 + 4 = 7. 7 - 2 = 5.", "7 - 2 = 5. 3 + 4 = 7.");
        different("2 * (3 + 4) = 14", "2 * 3 + 4 = 14");
        assert!(equation_list("Fish are bought at a market.").is_empty());
    }

    #[test]
    fn every_false_equation_is_told() {
        let text = "3 + 4 = 8. 2 * 5 = 10. 10 - 8 = 1, and 8 + 1 = 9.";
        assert_eq!(false_equations(text), ["3 + 4 = 8", "10 - 8 = 1"]);
        assert_eq!(
            false_equations("48/2 = <<48/2=25>>25 clips"),
            ["48/2=25"],
            "the mark and the text are one equation"
        );
        assert!(false_equations("x + 3 = 7").is_empty());
    }
}
