//! Numbers in running text, and what only looks like one.
//!
//! The scanner finds *clusters*: maximal runs of numbers joined by operators. A cluster of one
//! number has a value; `10-5`, `12:30`, `3 x 4` and `4√2` are clusters without one, so that their
//! last part is never mistaken for the answer. Digits inside words (`AZYUK2A`, `COVID-19`) are not
//! numbers at all.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Zero;

use crate::latex::Plain;
use crate::literal::{self, Literal, Reading, is_digit};

/// One number with what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    /// The number as written, a percent sign not applied.
    pub number: BigRational,
    /// True if a percent sign or `percent` follows.
    pub percent: bool,
    /// The word that follows, in lower case; empty if none.
    pub unit: String,
}

/// A run of numbers joined by operators.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cluster {
    /// Index of its first character.
    pub start: usize,
    /// Index after its last character, units included.
    pub end: usize,
    /// Its value, if it is one number.
    pub value: Option<Value>,
}

/// Finds all clusters, from left to right.
pub(crate) fn clusters(plain: &Plain<'_>, reading: Reading) -> Vec<Cluster> {
    let scanner = Scanner {
        chars: &plain.chars,
        reading,
    };
    let mut found = Vec::new();
    let mut at = 0;
    while at < plain.chars.len() {
        if let Some(cluster) = scanner.cluster(at) {
            at = cluster.end.max(at + 1);
            found.push(cluster);
        } else if plain.chars[at].is_alphanumeric() {
            at = scanner.after_word(at);
        } else {
            at += 1;
        }
    }
    found
}

struct Scanner<'a> {
    chars: &'a [char],
    reading: Reading,
}

/// A number inside a cluster: its value (if it has one) and where it ends.
type Term = (Option<BigRational>, usize);

impl Scanner<'_> {
    fn at(&self, at: usize) -> Option<char> {
        self.chars.get(at).copied()
    }

    fn skip_spaces(&self, mut at: usize) -> usize {
        while self.at(at).is_some_and(|c| c == ' ' || c == '\u{a0}') {
            at += 1;
        }
        at
    }

    /// The end of the word at `at`, with its exponent (`m^2`) and hyphenated digits (`COVID-19`).
    fn after_word(&self, mut at: usize) -> usize {
        while self.at(at).is_some_and(char::is_alphanumeric) {
            at += 1;
        }
        let joined = match (self.at(at), self.at(at + 1)) {
            (Some('^'), Some('{')) => at + 2,
            (Some('^' | '-'), _) => at + 1,
            _ => return at,
        };
        let mut end = joined;
        while is_digit(self.chars, end) {
            end += 1;
        }
        if end > joined { end } else { at }
    }

    /// The cluster that starts exactly at `start`.
    fn cluster(&self, start: usize) -> Option<Cluster> {
        let (mut value, mut end) = self.signed(start, true)?;
        let mut single = true;
        while let Some((power, next)) = self.operator(end) {
            let Some((right, after)) = self.signed(next, false) else {
                break;
            };
            // Only powers are worked out: `10^3` and `3 * 10^8` are ways to write one number.
            value = match (power, value, right) {
                (true, Some(base), Some(exponent)) => literal::power(&base, &exponent),
                (false, Some(factor), Some(base)) => self.scientific(&factor, &base, end, after),
                _ => None,
            };
            single = power || value.is_some();
            end = after;
            if !power && value.is_some() {
                end = self.after_exponent(after);
            }
        }
        let (unit, after) = self.unit(end);
        let value = value.filter(|_| single && unit.is_some());
        let (unit, percent, scale) = unit.unwrap_or_default();
        Some(Cluster {
            start,
            end: after,
            value: value.map(|number| Value {
                number: number * BigInt::from(scale),
                percent,
                unit,
            }),
        })
    }

    /// `factor * 10^n`, where `10` ends at `after`.
    fn scientific(
        &self,
        factor: &BigRational,
        base: &BigRational,
        end: usize,
        after: usize,
    ) -> Option<BigRational> {
        let operator = self.at(self.skip_spaces(end));
        let is_product = matches!(operator, Some('*' | 'x' | 'X'));
        if !is_product || *base != BigRational::from_integer(10.into()) {
            return None;
        }
        let (is_power, next) = self.operator(after)?;
        let (exponent, _) = self.signed(next, false).filter(|_| is_power)?;
        Some(factor * literal::power(base, &exponent?)?)
    }

    fn after_exponent(&self, after: usize) -> usize {
        self.operator(after)
            .and_then(|(_, next)| self.signed(next, false))
            .map_or(after, |(_, end)| end)
    }

    /// The operator after a number, and where its right side may start; true for a power.
    fn operator(&self, at: usize) -> Option<(bool, usize)> {
        if self.at(at) == Some('^') {
            return Some((true, at + 1));
        }
        let sign = self.skip_spaces(at);
        let next = self.skip_spaces(sign + 1);
        let starts = |at: usize| {
            is_digit(self.chars, at)
                || matches!(self.at(at), Some('⁄' | '√' | '.' | '$' | '€' | '£' | '('))
        };
        match self.at(sign)? {
            '*' | '÷' | '/' | 'x' | 'X' | '±' if starts(next) || self.at(next) == Some('-') => {
                Some((false, next))
            }
            // `5 - 3` and `10-5` are differences; `5 -3` is two numbers.
            '-' | '+' if starts(next) && (sign == at) == (next == sign + 1) => Some((false, next)),
            // Times of day and ratios are written without spaces.
            ':' if sign == at && next == sign + 1 && is_digit(self.chars, next) => {
                Some((false, next))
            }
            _ => None,
        }
    }

    /// A number with sign, currency and fraction bar. `first` is true at the start of a cluster.
    fn signed(&self, start: usize, first: bool) -> Option<Term> {
        let mut at = start;
        let mut negative = false;
        let mut unclear = false;
        loop {
            match self.at(at)? {
                '-' if !first || self.is_sign(at) => negative = !negative,
                '+' if !first || self.is_sign(at) => {}
                '$' | '€' | '£' | '¥' | '₹' => {}
                '±' | '√' => unclear = true,
                '{' | '(' if !first || unclear => {}
                ' ' if at > start && (first || negative) => {}
                _ => break,
            }
            at += 1;
            if at > start + 8 {
                return None;
            }
        }
        let (value, end) = self.unsigned(at)?;
        let end = match (self.at(at.wrapping_sub(1)), self.at(end)) {
            (Some('{'), Some('}')) | (Some('('), Some(')')) if at > start => end + 1,
            _ => end,
        };
        let value = value.filter(|_| !unclear);
        Some((value.map(|v| if negative { -v } else { v }), end))
    }

    /// Whether the character at `at` is a sign and not a bullet, a dash or a hyphen.
    fn is_sign(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.at(before));
        if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, ')' | '-' | '+')) {
            return false;
        }
        if self.at(at + 1) != Some(' ') {
            return true;
        }
        let mut previous = at;
        while previous > 0 && self.at(previous - 1) == Some(' ') {
            previous -= 1;
            if at - previous > 8 {
                return false;
            }
        }
        match previous.checked_sub(1).and_then(|before| self.at(before)) {
            None => true,
            Some(c) => matches!(c, '=' | ':' | '(' | '$'),
        }
    }

    /// A number without sign: digits, `a/b`, `\frac{a}{b}`, or a whole number and a fraction.
    fn unsigned(&self, at: usize) -> Option<Term> {
        if self.at(at) == Some('⁄') {
            return self.frac(at + 1);
        }
        let (whole, end) = match literal::read(self.chars, at, self.reading)? {
            Literal::Number(value, end) => (value, end),
            Literal::Unclear(end) => return Some((None, end)),
        };
        if self.at(end) == Some('/') && is_digit(self.chars, end + 1) {
            return Some(self.over(&whole, end + 1));
        }
        let next = self.skip_spaces(end);
        if self.at(next) == Some('⁄') && whole.is_integer() {
            let (part, after) = self.frac(next + 1)?;
            return Some((part.map(|part| whole + part), after));
        }
        if next > end
            && whole.is_integer()
            && let Some((part, after)) = self.proper_fraction(next)
        {
            return Some((Some(whole + part), after));
        }
        if self.at(end) == Some('√') {
            return Some((None, self.after_word(end + 1)));
        }
        Some((Some(whole), end))
    }

    /// `1/2` at `at`, where it is below one: the second part of `1 1/2`.
    fn proper_fraction(&self, at: usize) -> Option<(BigRational, usize)> {
        let Literal::Number(numerator, end) = literal::read(self.chars, at, self.reading)? else {
            return None;
        };
        if self.at(end) != Some('/') || !is_digit(self.chars, end + 1) {
            return None;
        }
        let (value, after) = self.over(&numerator, end + 1);
        let below_one = |v: &BigRational| *v < BigRational::from_integer(1.into());
        value.filter(below_one).map(|value| (value, after))
    }

    /// `numerator / (the number at `at`)`; no value for `1/0` and for dates like `1/2/2020`.
    fn over(&self, numerator: &BigRational, at: usize) -> Term {
        match literal::read(self.chars, at, self.reading) {
            Some(Literal::Number(divisor, end)) if !divisor.is_zero() => {
                (Some(numerator / divisor), end)
            }
            Some(Literal::Number(_, end) | Literal::Unclear(end)) => (None, end),
            None => (None, at),
        }
    }

    /// The two arguments of `\frac`, each in braces or a single digit.
    fn frac(&self, at: usize) -> Option<Term> {
        let (numerator, at) = self.argument(self.skip_spaces(at))?;
        let (divisor, end) = self.argument(self.skip_spaces(at))?;
        let value = match (numerator, divisor) {
            (Some(numerator), Some(divisor)) if !divisor.is_zero() => Some(numerator / divisor),
            _ => None,
        };
        Some((value, end))
    }

    fn argument(&self, at: usize) -> Option<Term> {
        if is_digit(self.chars, at) {
            let digit = self.at(at)?.to_digit(10)?;
            return Some((Some(BigRational::from_integer(digit.into())), at + 1));
        }
        if self.at(at) != Some('{') {
            return None;
        }
        let mut close = at + 1;
        // Arguments of answers are short; a bound keeps nested fractions from costing more.
        while self.at(close)? != '}' {
            close += 1;
            if close > at + 64 {
                return None;
            }
        }
        let start = self.skip_spaces(at + 1);
        let term = match self.at(start)? {
            '-' => self.digits(start + 1).map(|(value, end)| (-value, end)),
            _ => self.digits(start),
        };
        let value = term.filter(|(_, end)| self.skip_spaces(*end) == close);
        Some((value.map(|(value, _)| value), close + 1))
    }

    fn digits(&self, at: usize) -> Option<(BigRational, usize)> {
        match literal::read(self.chars, at, self.reading)? {
            Literal::Number(value, end) => Some((value, end)),
            Literal::Unclear(_) => None,
        }
    }

    /// What follows a number: `None` if it makes the number part of something else (`2x`, `2A3`),
    /// otherwise unit, percent sign and scale.
    fn unit(&self, at: usize) -> (Option<(String, bool, u64)>, usize) {
        let plain = |unit: &str| Some((unit.to_owned(), false, 1));
        let mut start = self.skip_spaces(at);
        while matches!(
            self.at(start),
            Some('$' | '€' | '£' | '}' | '^' | '°' | '{')
        ) && start < at + 8
        {
            start = self.skip_spaces(start + 1);
        }
        match self.at(start) {
            Some('%') => return (Some((String::new(), true, 1)), start + 1),
            Some('√' | '⁄') => return (None, start + 1),
            Some(c) if c.is_alphabetic() => {}
            _ => return (plain(""), at),
        }
        let mut end = start;
        while self.at(end).is_some_and(char::is_alphanumeric) {
            end += 1;
        }
        let attached = start == at;
        let word: String = self.chars[start..end.min(start + 24)]
            .iter()
            .collect::<String>()
            .to_lowercase();
        let after = self.after_word(start);
        let unit = match word.as_str() {
            "percent" | "pct" => return (Some((String::new(), true, 1)), after),
            "hundred" => Some((String::new(), false, 100)),
            "thousand" => Some((String::new(), false, 1000)),
            "million" => Some((String::new(), false, 1_000_000)),
            "billion" => Some((String::new(), false, 1_000_000_000)),
            "trillion" => Some((String::new(), false, 1_000_000_000_000)),
            "k" if attached => Some((String::new(), false, 1000)),
            "π" | "pi" => None,
            "x" | "y" | "z" | "n" | "i" if attached => None,
            "m2" | "m3" | "cm2" | "cm3" | "km2" | "ft2" | "ft3" => plain(&word),
            _ if attached && word.chars().any(|c| c.is_ascii_digit()) => None,
            _ => plain(&word),
        };
        // An ordinary word is only looked at, so that an operator or number after it is seen.
        let is_word = unit.as_ref().is_some_and(|(unit, ..)| !unit.is_empty());
        (unit, if is_word && !attached { at } else { after })
    }
}
