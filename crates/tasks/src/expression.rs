//! Equations in running text: finding them, and working both sides out exactly.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, Zero};

use crate::lexer::{Kind, Token};

/// Most tokens on one side of an equals sign, and brackets within each other.
const LONGEST_SIDE: usize = 96;
const DEEPEST: u32 = 16;
/// Words between a number and the next operator, as in `3 small red apples + 4`.
const MOST_UNITS: usize = 4;
/// Words between the left side and the equals sign.
const MOST_WORDS_BEFORE_SIGN: usize = 3;
/// Larger values are not worked out.
const MAXIMUM_BITS: u64 = 2048;

/// One side of an equation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Side {
    /// The value, percent signs applied.
    pub value: BigRational,
    /// The value with percent signs ignored.
    plain: BigRational,
    /// How many operators it has.
    operators: u32,
    /// The decimals of a side that is a single number.
    decimals: u32,
    /// Range of tokens.
    pub first: usize,
    pub end: usize,
}

/// Two sides of an equals sign, at least one of which has something to work out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Equation {
    pub left: Side,
    pub right: Side,
}

impl Equation {
    /// True if both sides are equal, or the right is the left properly rounded: to at least two
    /// decimals, or to at least one where the left has no end.
    pub(crate) fn holds(&self) -> bool {
        let lefts = [&self.left.value, &self.left.plain];
        let rights = [&self.right.value, &self.right.plain];
        lefts.iter().any(|left| {
            rights
                .iter()
                .any(|right| left == right || self.is_rounded(left, right))
        })
    }

    fn is_rounded(&self, left: &BigRational, right: &BigRational) -> bool {
        let decimals = self.right.decimals;
        if self.right.operators > 0 || decimals == 0 {
            return false;
        }
        let unit = BigRational::new(BigInt::one(), BigInt::from(10).pow(decimals));
        let apart = (left - right).abs();
        let half = &unit / BigInt::from(2);
        (decimals >= 2 && apart <= half) || (!is_finite_decimal(left) && apart < unit)
    }
}

fn is_finite_decimal(value: &BigRational) -> bool {
    let mut rest = value.denom().clone();
    for prime in [2, 5] {
        let prime = BigInt::from(prime);
        while (&rest % &prime).is_zero() {
            rest /= &prime;
        }
    }
    rest.is_one()
}

/// Finds the equations of a text, in order. What has a variable or another unknown in it, and what
/// has nothing to work out (`1 hour = 60 minutes`), is none.
pub(crate) fn equations(tokens: &[Token]) -> Vec<Equation> {
    let signs = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| token.kind == Kind::Equals);
    signs
        .filter_map(|(at, _)| {
            let left = left_side(tokens, at)?;
            let right = right_side(tokens, at + 1)?;
            let works = left.operators > 0 || right.operators > 0;
            works.then_some(Equation { left, right })
        })
        .collect()
}

/// The longest expression that ends at the equals sign.
fn left_side(tokens: &[Token], sign: usize) -> Option<Side> {
    let ends = |token: &Token| matches!(token.kind, Kind::Break | Kind::Equals);
    let begin = tokens[..sign].iter().rposition(ends).map_or(0, |at| at + 1);
    let first = begin.max(sign.saturating_sub(LONGEST_SIDE));
    let reaches = |side: &Side| {
        let rest = &tokens[side.end..sign];
        rest.len() <= MOST_WORDS_BEFORE_SIGN && rest.iter().all(|token| token.kind == Kind::Word)
    };
    let side = (first..sign)
        .filter(|at| matches!(tokens[*at].kind, Kind::Number(..) | Kind::Open))
        .find_map(|at| read(&tokens[..sign], at).filter(&reaches))?;
    // `20 minutes = 2 * 60` and `5 friends = 75 + 10` name things and equate nothing.
    if side.operators == 0 && side.end < sign {
        return None;
    }
    if side.first == begin {
        return Some(side);
    }
    match tokens[side.first - 1].kind {
        Kind::Word | Kind::Open => Some(side),
        // A bullet, not an operator.
        Kind::Operator('-' | '*' | '+') if side.first - 1 == begin => Some(side),
        _ => None,
    }
}

/// The longest expression that starts after the equals sign.
fn right_side(tokens: &[Token], first: usize) -> Option<Side> {
    let side = read(&tokens[..tokens.len().min(first + LONGEST_SIDE)], first)?;
    let mut rest = tokens[side.end..].iter().map(|token| &token.kind);
    let unknown = match (rest.next(), rest.next()) {
        // A dash before a word, or emphasis that ends.
        (Some(Kind::Operator('-')), Some(Kind::Word))
        | (Some(Kind::Operator(_)), None | Some(Kind::Break)) => false,
        (Some(Kind::Number(..) | Kind::Opaque | Kind::Percent | Kind::Operator(_)), _)
        | (Some(Kind::Open), Some(Kind::Number(..) | Kind::Open))
        | (Some(Kind::Word), Some(Kind::Opaque)) => true,
        _ => false,
    };
    (!unknown).then_some(side)
}

fn read(tokens: &[Token], first: usize) -> Option<Side> {
    let parse = |percent: bool| {
        let mut parser = Parser {
            tokens,
            at: first,
            operators: 0,
            percent,
        };
        let value = parser.sum(0)?;
        Some((value, parser.at, parser.operators))
    };
    let (value, end, operators) = parse(true)?;
    let (plain, _, _) = parse(false)?;
    let decimals = match &tokens[first].kind {
        Kind::Number(_, decimals) => *decimals,
        _ => 0,
    };
    Some(Side {
        value,
        plain,
        operators,
        decimals,
        first,
        end,
    })
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    operators: u32,
    percent: bool,
}

impl Parser<'_> {
    fn kind(&self, at: usize) -> Option<&Kind> {
        self.tokens.get(at).map(|token| &token.kind)
    }

    /// The operator that follows, units skipped, if an operand comes after it.
    fn operator(&self, among: &[char]) -> Option<(char, usize)> {
        let units = (0..=MOST_UNITS).find(|n| self.kind(self.at + n) != Some(&Kind::Word))?;
        let at = self.at + units;
        let Some(Kind::Operator(operator)) = self.kind(at) else {
            return None;
        };
        let operand = matches!(self.kind(at + 1), Some(Kind::Number(..) | Kind::Open));
        (operand && among.contains(operator)).then_some((*operator, at + 1))
    }

    fn sum(&mut self, depth: u32) -> Option<BigRational> {
        let mut value = self.product(depth)?;
        while let Some((operator, next)) = self.operator(&['+', '-']) {
            self.at = next;
            self.operators += 1;
            let right = self.product(depth)?;
            value = if operator == '+' {
                value + right
            } else {
                value - right
            };
        }
        small(value)
    }

    fn product(&mut self, depth: u32) -> Option<BigRational> {
        let mut value = self.power(depth)?;
        let mut share = self.kind(self.at.wrapping_sub(1)) == Some(&Kind::Percent);
        loop {
            if let Some((operator, next)) = self.operator(&['*', '/']) {
                self.at = next;
                let right = self.power(depth)?;
                if operator == '/' && right.is_zero() {
                    return None;
                }
                share = operator == '/';
                value = if share { value / right } else { value * right };
            } else if let Some(next) = self.of() {
                if !share {
                    return None;
                }
                self.at = next;
                value *= self.power(depth)?;
            } else if self.kind(self.at) == Some(&Kind::Open) {
                // `2(3 + 4)`; brackets that hold words are a remark.
                let before = self.at;
                let Some(right) = self.power(depth) else {
                    self.at = before;
                    return small(value);
                };
                value *= right;
            } else {
                return small(value);
            }
            value = small(value)?;
            self.operators += 1;
        }
    }

    /// Where the operand after `of`, `of the`, `of her remaining` stands.
    fn of(&self) -> Option<usize> {
        if self.kind(self.at) != Some(&Kind::Of) {
            return None;
        }
        let words = (1..=3).find(|n| self.kind(self.at + n) != Some(&Kind::Word))?;
        let at = self.at + words;
        matches!(self.kind(at), Some(Kind::Number(..) | Kind::Open)).then_some(at)
    }

    fn power(&mut self, depth: u32) -> Option<BigRational> {
        let base = self.operand(depth)?;
        let Some((_, next)) = self.operator(&['^']) else {
            return Some(base);
        };
        self.at = next;
        self.operators += 1;
        let exponent = self.operand(depth)?;
        let whole = exponent.is_integer().then(|| exponent.to_integer())?;
        let exponent = i32::try_from(whole).ok().filter(|e| (0..=64).contains(e))?;
        let bits = base.numer().bits().max(base.denom().bits());
        (bits * exponent as u64 <= MAXIMUM_BITS).then(|| base.pow(exponent))
    }

    fn operand(&mut self, depth: u32) -> Option<BigRational> {
        match self.kind(self.at)? {
            Kind::Number(value, _) => {
                let mut value = value.clone();
                self.at += 1;
                if self.kind(self.at) == Some(&Kind::Percent) {
                    self.at += 1;
                    if self.percent {
                        value /= BigInt::from(100);
                    }
                }
                Some(value)
            }
            Kind::Open if depth < DEEPEST => {
                self.at += 1;
                let value = self.sum(depth + 1)?;
                while self.kind(self.at) == Some(&Kind::Word) {
                    self.at += 1;
                }
                if self.kind(self.at) != Some(&Kind::Close) {
                    return None;
                }
                self.at += 1;
                Some(value)
            }
            _ => None,
        }
    }
}

fn small(value: BigRational) -> Option<BigRational> {
    (value.numer().bits().max(value.denom().bits()) <= MAXIMUM_BITS).then_some(value)
}
