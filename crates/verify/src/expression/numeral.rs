//! Numbers as written: thousands groups, decimal marks, exponents.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::One;

use super::budget::MAX_DIGITS;
use super::token::Token;

/// What a comma means where a number is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// The point is decimal; commas group thousands where the groups are right.
    Point,
    /// The point is decimal; commas only separate.
    PointOnly,
    /// The comma is decimal; points group thousands.
    Comma,
}

/// Reads the number that starts at `at`; returns the token and where it ends.
pub(super) fn read(text: &[char], at: usize, marks: Marks, latex: bool) -> Option<(Token, usize)> {
    let mut reader = Reader {
        text,
        at,
        digits: String::new(),
        places: None,
    };
    reader.whole(marks);
    reader.fraction(marks);
    if reader.digits.is_empty() || reader.digits.len() > MAX_DIGITS {
        return None;
    }
    let exponent = reader.exponent(latex).unwrap_or(0);
    let mantissa: BigInt = reader.digits.parse().ok()?;
    let scale = num_traits::pow(BigInt::from(10), reader.places.unwrap_or(0) as usize);
    let value = if scale.is_one() {
        BigRational::from_integer(mantissa)
    } else {
        BigRational::new(mantissa, scale)
    };
    let token = Token::Numeral {
        value,
        places: reader.places,
        digits: reader.digits,
        exponent,
    };
    Some((token, reader.at))
}

struct Reader<'a> {
    text: &'a [char],
    at: usize,
    digits: String,
    places: Option<u32>,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn run(&self, from: usize) -> usize {
        self.text
            .iter()
            .skip(from)
            .take_while(|c| c.is_ascii_digit())
            .count()
    }

    fn take(&mut self, count: usize) {
        let end = (self.at + count).min(self.text.len());
        if let Some(digits) = self.text.get(self.at..end) {
            self.digits.extend(digits);
        }
        self.at = end;
    }

    /// The digits before the decimal mark.
    fn whole(&mut self, marks: Marks) {
        let first = self.run(self.at);
        let leading_zero = self.peek(0) == Some('0');
        self.take(first);
        if first == 0 {
            return;
        }
        let mut previous = None;
        loop {
            let (width, kind) = self.separator(marks);
            if width == 0 || self.run(self.at + width) < 3 {
                return;
            }
            // `{,}` and `\!` say that the digits belong together; a bare comma or space only does
            // so between groups of three.
            let group = self.run(self.at + width);
            let regular = group == 3 && (previous.is_some() || (first <= 3 && !leading_zero));
            let same = previous.is_none_or(|before| before == kind);
            if !(regular && same) && kind != '!' {
                return;
            }
            self.at += width;
            self.take(group);
            previous = Some(kind);
        }
    }

    /// A thousands separator at the current place: its width and its kind.
    fn separator(&self, marks: Marks) -> (usize, char) {
        if self
            .peek(0)
            .is_none_or(|c| c.is_alphanumeric() || matches!(c, '+' | '-' | ')' | '}'))
        {
            return (0, ' ');
        }
        let rest: String = self.text.iter().skip(self.at).take(6).collect();
        for (written, kind) in [
            (",\\!\\ ", '!'),
            (",\\! ", '!'),
            (",\\!", '!'),
            ("{,}", '!'),
            ("\\,", ' '),
            ("\\ ", ' '),
            ("\\;", ' '),
            ("\\:", ' '),
            ("~", ' '),
            ("\u{2009}", ' '),
            ("\u{202f}", ' '),
            ("\u{a0}", ' '),
            ("'", '\''),
            ("\u{2019}", '\''),
        ] {
            if rest.starts_with(written) {
                return (written.chars().count(), kind);
            }
        }
        match (rest.chars().next(), marks) {
            (Some(','), Marks::Point) => (1, ','),
            (Some('.'), Marks::Comma) => (1, '.'),
            // `1 000`, but not `1 0001` nor `100 200` followed by a third group that is short.
            (Some(' '), Marks::Point | Marks::Comma) => (1, ' '),
            _ => (0, ' '),
        }
    }

    fn fraction(&mut self, marks: Marks) {
        let mark = if marks == Marks::Comma { ',' } else { '.' };
        if self.peek(0) != Some(mark) {
            return;
        }
        let places = self.run(self.at + 1);
        // `1...` is a dotted sequence, `5.` ends a sentence.
        if places == 0 {
            if mark == '.' && !self.digits.is_empty() && self.peek(1) != Some('.') {
                self.at += 1;
            }
            return;
        }
        self.at += 1;
        self.take(places);
        self.places = Some(u32::try_from(places).unwrap_or(u32::MAX));
    }

    /// `e-5`, `E8`; in LaTeX `2e-5` is Euler's number, twice, minus five.
    fn exponent(&mut self, latex: bool) -> Option<i64> {
        let letter = self.peek(0).filter(|c| matches!(c, 'e' | 'E'))?;
        let sign = self.peek(1).filter(|c| matches!(c, '+' | '-' | '−'));
        let start = 1 + usize::from(sign.is_some());
        let count = self.run(self.at + start);
        if count == 0 || count > 18 || (latex && letter == 'e' && sign.is_some()) {
            return None;
        }
        let digits: String = self.text.iter().skip(self.at + start).take(count).collect();
        let value: i64 = digits.parse().ok()?;
        self.at += start + count;
        Some(if matches!(sign, Some('-' | '−')) {
            -value
        } else {
            value
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, marks: Marks) -> (String, usize) {
        let chars: Vec<char> = text.chars().collect();
        match read(&chars, 0, marks, false) {
            Some((Token::Numeral { value, .. }, end)) => (value.to_string(), end),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn groups_and_marks() {
        for (text, expected) in [
            ("7,425,000", "7425000"),
            ("1 000", "1000"),
            ("1,000.5", "2001/2"),
            (".4", "2/5"),
            ("32,\\! 349", "32349"),
            ("32{,}349", "32349"),
            ("0,111", "0"),
            ("1,22", "1"),
            ("1234,567", "1234"),
        ] {
            assert_eq!(value(text, Marks::Point).0, expected, "{text}");
        }
        assert_eq!(value("1.000,5", Marks::Comma).0, "2001/2");
        assert_eq!(value("1,234", Marks::PointOnly).0, "1");
    }
}
