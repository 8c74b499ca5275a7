//! Values with units, currencies and magnitudes.

use super::budget::{Step, Trouble};
use super::parser::{Parser, times};
use super::token::Token;
use super::tree::Node;
use super::units::{self, Unit};
use super::words;

impl Parser {
    /// `$5`, `€ 1.2 million`.
    pub(super) fn money(&mut self, sign: &str) -> Step<Node> {
        let unit = units::lookup(sign).unwrap_or_else(|| Unit::labelled(sign));
        let mut value = self.nested(Self::prefixed)?;
        if let Some(Token::Word(word)) = self.peek()
            && let Some(scale) = words::magnitude(word)
        {
            self.at += 1;
            value = times(value, whole(scale));
        }
        Ok(Node::Measured(Box::new(value), unit))
    }

    /// What follows a value: a percent sign, degrees, or words for its unit.
    pub(super) fn unit_after(&mut self, value: Node) -> Step<Node> {
        match self.peek() {
            Some(Token::Degree) => {
                self.at += 1;
                return Ok(Node::Measured(Box::new(value), self.degree_unit()));
            }
            Some(Token::Percent) => {
                self.at += 1;
                return Ok(Node::Percent(Box::new(value)));
            }
            Some(Token::Word(word)) => {
                if let Some(scale) = words::magnitude(word)
                    && self.number_words
                {
                    self.at += 1;
                    return Ok(times(value, whole(scale)));
                }
            }
            _ => {}
        }
        let unit = self.unit()?;
        let Some(Token::Numeral { .. }) = self.peek() else {
            return Ok(Node::Measured(Box::new(value), unit));
        };
        // `2 hours 30 min`
        let more = self.nested(Self::primary)?;
        let next = if matches!(self.peek(), Some(Token::Word(_))) {
            self.nested(|parser| parser.unit_after(more))?
        } else {
            return Err(Trouble::Unreadable("a number stands after a unit".into()));
        };
        Ok(Node::Sum(vec![Node::Measured(Box::new(value), unit), next]))
    }

    /// Degrees of arc, or of temperature if a letter says so.
    pub(super) fn degree_unit(&mut self) -> Unit {
        match self.peek() {
            Some(Token::Symbol(scale)) if matches!(scale.as_str(), "C" | "F") => {
                let unit = Unit::labelled(&format!("degrees {scale}"));
                self.at += 1;
                unit
            }
            _ => Unit::degree(),
        }
    }

    /// A unit: words, powers, `per`, slashes.
    fn unit(&mut self) -> Step<Unit> {
        let mut unit = Unit::none();
        let mut divided = false;
        let mut next_power = None;
        while let Some(Token::Word(word)) = self.peek() {
            let word = word.clone();
            self.at += 1;
            match word.to_lowercase().as_str() {
                "per" => divided = true,
                "square" | "sq" => next_power = Some(2),
                "cubic" | "cu" => next_power = Some(3),
                "squared" => unit = unit.power(2).unwrap_or(unit),
                "cubed" => unit = unit.power(3).unwrap_or(unit),
                _ => {
                    let mut factor = units::lookup(&word).unwrap_or_else(|| Unit::labelled(&word));
                    if let Some(power) = next_power.take().or(self.unit_power()) {
                        factor = factor.power(power).unwrap_or(factor);
                    }
                    if std::mem::take(&mut divided) {
                        factor = factor.power(-1).unwrap_or(factor);
                    }
                    unit = unit
                        .times(&factor)
                        .ok_or(Trouble::Unsupported("such a unit"))?;
                }
            }
            let word_follows = matches!(self.peek_at(1), Some(Token::Word(_)));
            if word_follows && matches!(self.peek(), Some(Token::Mark('/'))) {
                self.at += 1;
                divided = true;
            } else if word_follows && self.peek() == Some(&Token::Mark('*')) {
                self.at += 1;
            }
        }
        Ok(unit)
    }

    /// The exponent after a unit: `^2`, `^{2}`, `^{-1}`.
    fn unit_power(&mut self) -> Option<i8> {
        if self.peek() != Some(&Token::Mark('^')) {
            return None;
        }
        let mut ahead = 1;
        let braced = self.peek_at(ahead) == Some(&Token::Mark('{'));
        ahead += usize::from(braced);
        let negative = self.peek_at(ahead) == Some(&Token::Mark('-'));
        ahead += usize::from(negative);
        let Some(Token::Numeral {
            digits,
            places: None,
            ..
        }) = self.peek_at(ahead)
        else {
            return None;
        };
        let power: i8 = digits.parse().ok().filter(|power| *power < 7)?;
        ahead += 1;
        if braced && self.peek_at(ahead) != Some(&Token::Mark('}')) {
            return None;
        }
        self.at += ahead + usize::from(braced);
        Some(if negative { -power } else { power })
    }

    /// `5€`, `1,000.99$`.
    pub(super) fn currency_after(&mut self, value: Node) -> Node {
        let Some(Token::Currency(sign)) = self.next() else {
            return value;
        };
        let unit = units::lookup(sign).unwrap_or_else(|| Unit::labelled(sign));
        Node::Measured(Box::new(value), unit)
    }
}

fn whole(value: u64) -> Node {
    Node::rational(num_rational::BigRational::from_integer(value.into()))
}
