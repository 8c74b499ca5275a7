//! Text as arithmetic sees it: numbers, operators, and words that may be units.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Zero};

/// Numbers of more digits are not read.
const MAXIMUM_DIGITS: usize = 30;

/// What a piece of text is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// A number, and how many decimals it is written with.
    Number(BigRational, u32),
    /// `+ - * / ^`.
    Operator(char),
    Open,
    Close,
    Equals,
    Percent,
    /// The word `of`, a product after a percent sign or a fraction.
    Of,
    /// A word without numerical meaning; after a number, its unit.
    Word,
    /// Something with a numerical meaning that is not known here: a variable, `twice`, `12:30`.
    Opaque,
    /// The end of a sentence, clause or line.
    Break,
}

/// A piece of text and where it stands, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// Words that change the number beside them.
const OPAQUE: [&str; 22] = [
    "twice",
    "thrice",
    "double",
    "doubled",
    "triple",
    "tripled",
    "half",
    "halved",
    "quarter",
    "third",
    "dozen",
    "hundred",
    "thousand",
    "million",
    "billion",
    "trillion",
    "remainder",
    "mod",
    "squared",
    "cubed",
    "minus",
    "plus",
];

/// Takes a text apart.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        text,
        bytes: text.as_bytes(),
        at: 0,
        found: Vec::new(),
    };
    while lexer.at < text.len() {
        lexer.step();
    }
    lexer.found
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    found: Vec<Token>,
}

impl Lexer<'_> {
    fn char_at(&self, at: usize) -> Option<char> {
        self.text.get(at..)?.chars().next()
    }

    fn is_digit(&self, at: usize) -> bool {
        self.bytes.get(at).is_some_and(u8::is_ascii_digit)
    }

    fn push(&mut self, kind: Kind, length: usize) {
        let (start, end) = (self.at, self.at + length);
        self.at = end;
        self.found.push(Token { kind, start, end });
    }

    fn last(&self) -> Option<&Kind> {
        self.found.last().map(|token| &token.kind)
    }

    fn after_operand(&self) -> bool {
        matches!(
            self.last(),
            Some(Kind::Number(..) | Kind::Close | Kind::Percent)
        )
    }

    fn step(&mut self) {
        let Some(c) = self.char_at(self.at) else {
            self.at += 1;
            return;
        };
        let length = c.len_utf8();
        match c {
            _ if self.is_digit(self.at) || (c == '.' && self.decimal_point_first()) => {
                self.number(false);
            }
            '\\' => self.command(),
            '\n' | '.' | ',' | ';' | ':' | '?' | '"' | '“' | '”' | '#' | '≈' => {
                self.push(Kind::Break, length);
            }
            '$' | '€' | '£' | '¥' | '{' | '}' | '`' | '_' => self.at += length,
            '%' => self.push(Kind::Percent, length),
            '(' | '[' => self.push(Kind::Open, length),
            ')' | ']' => self.push(Kind::Close, length),
            '=' => self.equals(),
            '*' if self.text[self.at..].starts_with("**") => self.at += 2,
            '+' | '*' | '^' => self.push(Kind::Operator(c), length),
            '×' | '·' | '⋅' => self.push(Kind::Operator('*'), length),
            '/' if self.char_at(self.at + 1).is_some_and(char::is_alphabetic) => {
                // `dollars/hour`: the slash belongs to the unit.
                self.push(Kind::Word, length);
            }
            '/' | '÷' => self.push(Kind::Operator('/'), length),
            '-' | '−' | '–' => self.minus(length),
            _ if c.is_whitespace() => self.at += length,
            _ if c.is_alphabetic() => self.word(),
            '\'' | '’' => self.at += length,
            _ => self.push(Kind::Opaque, length),
        }
    }

    fn decimal_point_first(&self) -> bool {
        self.is_digit(self.at + 1) && !self.at.checked_sub(1).is_some_and(|at| self.is_digit(at))
    }

    fn equals(&mut self) {
        let before = self.at.checked_sub(1).and_then(|at| self.bytes.get(at));
        let after = self.bytes.get(self.at + 1);
        if matches!(before, Some(b'<' | b'>' | b'!')) || after == Some(&b'>') {
            self.push(Kind::Opaque, 1);
        } else if after == Some(&b'=') {
            self.push(Kind::Equals, 2);
        } else {
            self.push(Kind::Equals, 1);
        }
    }

    /// A difference, a sign, or a hyphen.
    fn minus(&mut self, length: usize) {
        let next = self.at + length;
        let currency = usize::from(self.bytes.get(next) == Some(&b'$'));
        let attached = self.is_digit(next + currency);
        let hyphen = self.char_at(next).is_some_and(char::is_alphabetic)
            && self.at > 0
            && !self.bytes[self.at - 1].is_ascii_whitespace();
        if hyphen {
            // `5-year-old`: what follows is a word of its own.
            self.at = next;
        } else if attached && !self.after_operand() && self.last() != Some(&Kind::Word) {
            self.at = next + currency;
            self.number(true);
        } else {
            self.push(Kind::Operator('-'), length);
        }
    }

    fn command(&mut self) {
        let letters = self.bytes[self.at + 1..]
            .iter()
            .take_while(|b| b.is_ascii_alphabetic())
            .count();
        let name = &self.text[self.at + 1..self.at + 1 + letters];
        match name {
            "times" | "cdot" => self.push(Kind::Operator('*'), 1 + letters),
            "div" => self.push(Kind::Operator('/'), 1 + letters),
            "" | "text" | "left" | "right" | "mathrm" => self.at += 1 + letters,
            _ => self.push(Kind::Opaque, 1 + letters),
        }
    }

    fn word(&mut self) {
        let rest = &self.text[self.at..];
        let length = rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '\'' | '’')))
            .unwrap_or(rest.len());
        let word = rest[..length].to_lowercase();
        let times = rest.strip_prefix(['x', 'X']).is_some_and(|next| {
            (length == 1 || next.starts_with(|c: char| c.is_ascii_digit()))
                && self.product_follows(self.at + 1)
        }) && (self.after_operand() || self.last() == Some(&Kind::Word));
        if times || word == "times" {
            let length = if times { 1 } else { length };
            return self.push(Kind::Operator('*'), length);
        }
        let single = word.chars().count() == 1 && !matches!(word.as_str(), "a" | "i");
        let kind = if word == "of" {
            Kind::Of
        } else if single
            || OPAQUE.contains(&word.as_str())
            || word.contains(|c: char| c.is_ascii_digit())
        {
            Kind::Opaque
        } else {
            Kind::Word
        };
        self.push(kind, length);
    }

    fn number(&mut self, negative: bool) {
        let start = self.at;
        let Some((mut value, decimals, mut end)) = self.literal(start) else {
            return self.opaque_number(start);
        };
        if let Some((part, after)) = self.mixed(decimals, end) {
            value += part;
            end = after;
        }
        if let Some((divisor, after)) = self.fraction_after_division(start, end) {
            value /= divisor;
            end = after;
        }
        if negative {
            value = -value;
        }
        self.push(Kind::Number(value, decimals), end - start);
        let rest = &self.text[end..];
        let letters: String = rest
            .chars()
            .take_while(|c| c.is_alphanumeric())
            .take(16)
            .collect();
        let product = letters.strip_prefix(['x', 'X']).is_some_and(|after| {
            after.starts_with(|c: char| c.is_ascii_digit())
                || (after.is_empty() && self.product_follows(end + 1))
        });
        if letters.is_empty() || product {
            return;
        }
        // `5kg` has a unit; `2x`, `3m` (a variable as often as meters) and `3rd` are not known.
        let unit = letters.chars().count() > 1
            && !letters.starts_with('e')
            && !matches!(letters.as_str(), "st" | "nd" | "rd" | "th");
        let kind = if unit { Kind::Word } else { Kind::Opaque };
        self.push(kind, letters.len());
    }

    fn product_follows(&self, at: usize) -> bool {
        let rest = self.text.get(at..).unwrap_or("");
        rest.trim_start_matches([' ', '$', '('])
            .starts_with(|c: char| c.is_ascii_digit())
    }

    /// `12:30`, `1.2.3` and numbers that are too long.
    fn opaque_number(&mut self, start: usize) {
        let rest = &self.bytes[start..];
        let length = rest
            .iter()
            .take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b':' | b','))
            .count();
        self.push(Kind::Opaque, length.max(1));
    }

    /// Digits with grouping and decimals: value, count of decimals, end.
    fn literal(&self, start: usize) -> Option<(BigRational, u32, usize)> {
        let mut digits = String::new();
        let mut at = start;
        let take = |at: &mut usize, digits: &mut String| {
            while self.is_digit(*at) {
                digits.push(char::from(self.bytes[*at]));
                *at += 1;
            }
        };
        take(&mut at, &mut digits);
        let grouped = |at: usize| {
            self.bytes.get(at) == Some(&b',')
                && (1..=3).all(|i| self.is_digit(at + i))
                && !self.is_digit(at + 4)
        };
        if (1..=3).contains(&digits.len()) {
            while grouped(at) {
                at += 1;
                take(&mut at, &mut digits);
            }
        }
        let whole = digits.len();
        if self.bytes.get(at) == Some(&b'.') && self.is_digit(at + 1) {
            at += 1;
            take(&mut at, &mut digits);
        }
        let decimals = digits.len() - whole;
        // `0730` is a time of day or a code.
        let coded = whole > 1 && digits.starts_with('0');
        let more = matches!(self.bytes.get(at), Some(b'.' | b':')) && self.is_digit(at + 1);
        if more || coded || digits.len() > MAXIMUM_DIGITS {
            return None;
        }
        let digits: BigInt = digits.parse().ok()?;
        let scale = BigInt::from(10).pow(decimals as u32);
        Some((BigRational::new(digits, scale), decimals as u32, at))
    }

    /// The `/3` of `25 / 1/3`, where the spacing makes `1/3` one number.
    fn fraction_after_division(&self, start: usize, end: usize) -> Option<(BigRational, usize)> {
        let divided = self.found.last()?;
        let spaced = divided.kind == Kind::Operator('/') && divided.end < start;
        if !spaced || self.bytes.get(end) != Some(&b'/') || !self.is_digit(end + 1) {
            return None;
        }
        let (divisor, _, after) = self.literal(end + 1)?;
        (!divisor.is_zero()).then_some((divisor, after))
    }

    /// The ` 1/2` of `1 1/2`.
    fn mixed(&self, decimals: u32, end: usize) -> Option<(BigRational, usize)> {
        if decimals > 0 || self.bytes.get(end) != Some(&b' ') || !self.is_digit(end + 1) {
            return None;
        }
        let (top, top_decimals, slash) = self.literal(end + 1)?;
        if self.bytes.get(slash) != Some(&b'/') || !self.is_digit(slash + 1) || top_decimals > 0 {
            return None;
        }
        let (bottom, _, after) = self.literal(slash + 1)?;
        if bottom.is_zero() {
            return None;
        }
        let part = top / bottom;
        (part < BigRational::one()).then_some((part, after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> String {
        let kind = |token: &Token| match &token.kind {
            Kind::Number(value, _) => value.to_string(),
            Kind::Operator(c) => c.to_string(),
            Kind::Open => "(".into(),
            Kind::Close => ")".into(),
            Kind::Equals => "=".into(),
            Kind::Percent => "%".into(),
            Kind::Of => "of".into(),
            Kind::Word => "w".into(),
            Kind::Opaque => "?".into(),
            Kind::Break => "|".into(),
        };
        tokens(text).iter().map(kind).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn numbers_units_and_operators() {
        for (text, expected) in [
            ("3 + 4 = 7.", "3 + 4 = 7 |"),
            ("$1,234.50 x 2", "2469/2 * 2"),
            ("2x3 = 6", "2 * 3 = 6"),
            ("2x = 6", "2 ? = 6"),
            ("5kg * 3 m", "5 w * 3 ?"),
            ("5-3", "5 - 3"),
            ("5 -3", "5 - 3"),
            ("is -3", "w - 3"),
            ("= -3", "= -3"),
            ("5-year-old", "5 w w"),
            ("12:30", "?"),
            ("1 1/2 cups", "3/2 w"),
            ("20% of 50", "20 % of 50"),
            ("3 dollars/hour", "3 w w w"),
            ("**3** \\times 4", "3 * 4"),
            ("COVID19 1,23", "? 1 | 23"),
            ("x >= 3", "? ? ? 3"),
            (".5 1.2.3", "1/2 ?"),
        ] {
            assert_eq!(shape(text), expected, "{text}");
        }
    }
}
