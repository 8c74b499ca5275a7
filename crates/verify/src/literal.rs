//! One written number: digits, grouping, decimals, exponent. No signs, units or fractions.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Zero;

/// More digits than this are not read: no answer has them and arithmetic on them is slow.
const MAXIMUM_DIGITS: usize = 400;
/// The largest power of ten in scientific notation, either way.
const MAXIMUM_EXPONENT: i64 = 400;

/// How much freedom the reading of digits has; follows from gold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// `1,22` is one and a bit. Only where gold is not whole, because `1,2` is also a list.
    pub decimal_comma: bool,
    /// `1 000` is a thousand. Only where gold is at least that, because `5 100` is also a list.
    pub space_groups: bool,
}

/// The outcome of reading digits at some place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    /// A number, and where it ends.
    Number(BigRational, usize),
    /// Digits that are not one number (`1,2`, `1.2.3`, too long), and where they end.
    Unclear(usize),
}

/// Reads the number that starts at `at`; `None` if neither a digit nor a decimal point with a
/// digit after it is there.
pub(crate) fn read(chars: &[char], at: usize, reading: Reading) -> Option<Literal> {
    let mut digits = String::new();
    let mut end = take_digits(chars, at, &mut digits);
    let whole = digits.len();
    if whole == 0 && !(chars.get(at) == Some(&'.') && is_digit(chars, at + 1)) {
        return None;
    }
    if whole > 0 {
        end = take_groups(chars, end, whole, &mut digits, reading);
    }
    let mut decimals = 0;
    let comma_follows = chars.get(end) == Some(&',') && is_digit(chars, end + 1);
    let is_decimal_comma = reading.decimal_comma && digits.len() == whole && whole > 0;
    if (chars.get(end) == Some(&'.') && is_digit(chars, end + 1))
        || (comma_follows && is_decimal_comma)
    {
        let before = digits.len();
        end = take_digits(chars, end + 1, &mut digits);
        decimals = (digits.len() - before) as i64;
    }
    let more = |at: usize| matches!(chars.get(at), Some('.' | ',')) && is_digit(chars, at + 1);
    if more(end) {
        while more(end) {
            end = take_digits(chars, end + 1, &mut String::new());
        }
        return Some(Literal::Unclear(end));
    }
    let exponent = take_exponent(chars, &mut end);
    if digits.len() > MAXIMUM_DIGITS || exponent.is_none_or(|e| e.abs() > MAXIMUM_EXPONENT) {
        return Some(Literal::Unclear(end));
    }
    let value = scaled(&digits, exponent.unwrap_or(0) - decimals)?;
    Some(Literal::Number(value, end))
}

/// Appends the digits at `at` and returns where they end. Keeps no more than are needed to see
/// that there are too many.
fn take_digits(chars: &[char], at: usize, digits: &mut String) -> usize {
    let mut end = at;
    while is_digit(chars, end) {
        if digits.len() <= MAXIMUM_DIGITS {
            digits.push(chars[end]);
        }
        end += 1;
    }
    end
}

/// Appends groups of exactly three digits, all with the same separator.
fn take_groups(
    chars: &[char],
    at: usize,
    whole: usize,
    digits: &mut String,
    reading: Reading,
) -> usize {
    let separator = match chars.get(at) {
        Some(c @ (',' | '\u{a0}' | '\'' | '’' | '_')) => *c,
        Some(' ') if reading.space_groups => ' ',
        _ => return at,
    };
    if whole > 3 || digits.starts_with('0') {
        return at;
    }
    let group = |at: usize| {
        chars.get(at) == Some(&separator)
            && (1..=3).all(|i| is_digit(chars, at + i))
            && !is_digit(chars, at + 4)
    };
    let mut end = at;
    let mut read = String::new();
    while group(end) {
        end = take_digits(chars, end + 1, &mut read);
    }
    // `1,000,50` is a list, not a thousand and a list.
    if separator == ',' && chars.get(end) == Some(&',') && is_digit(chars, end + 1) {
        return at;
    }
    digits.push_str(&read);
    end
}

/// Reads `e5`, `E-5`; `Some(0)` if there is none, `None` if it is out of range.
fn take_exponent(chars: &[char], end: &mut usize) -> Option<i64> {
    if !matches!(chars.get(*end), Some('e' | 'E')) {
        return Some(0);
    }
    let negative = chars.get(*end + 1) == Some(&'-');
    let signed = negative || chars.get(*end + 1) == Some(&'+');
    let start = *end + 1 + usize::from(signed);
    let mut digits = String::new();
    let after = take_digits(chars, start, &mut digits);
    if digits.is_empty() {
        return Some(0);
    }
    *end = after;
    let exponent: i64 = digits.parse().ok()?;
    Some(if negative { -exponent } else { exponent })
}

/// `digits` times ten to the power of `exponent`.
fn scaled(digits: &str, exponent: i64) -> Option<BigRational> {
    let digits: BigInt = digits.parse().ok()?;
    let power = BigInt::from(10).pow(exponent.unsigned_abs() as u32);
    Some(if exponent >= 0 {
        BigRational::from_integer(digits * power)
    } else {
        BigRational::new(digits, power)
    })
}

/// `base` to a small whole power, for `10^3`; `None` where the result would be huge or undefined.
pub(crate) fn power(base: &BigRational, exponent: &BigRational) -> Option<BigRational> {
    let exponent: i32 = exponent
        .is_integer()
        .then(|| exponent.to_integer())?
        .try_into()
        .ok()?;
    let bits = base.numer().bits().max(base.denom().bits());
    if bits.saturating_mul(u64::from(exponent.unsigned_abs())) > 1400
        || (base.is_zero() && exponent < 0)
    {
        return None;
    }
    Some(base.pow(exponent))
}

/// True if an ASCII digit is at `at`.
pub(crate) fn is_digit(chars: &[char], at: usize) -> bool {
    chars.get(at).is_some_and(char::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Reading = Reading {
        decimal_comma: false,
        space_groups: false,
    };

    fn value(text: &str, reading: Reading) -> Option<(String, usize)> {
        let chars: Vec<char> = text.chars().collect();
        match read(&chars, 0, reading)? {
            Literal::Number(value, end) => Some((value.to_string(), end)),
            Literal::Unclear(end) => Some(("?".into(), end)),
        }
    }

    #[test]
    fn groups_decimals_and_exponents() {
        for (text, expected, end) in [
            ("7,425,000", "7425000", 9),
            ("1000.0", "1000", 6),
            (".4", "2/5", 2),
            ("5.", "5", 1),
            ("1e5x", "100000", 3),
            ("2.5E-1", "1/4", 6),
            ("1,22", "?", 4),
            ("1,000,50", "?", 8),
            ("1.2.3", "?", 5),
            ("1e999", "?", 5),
            ("004", "4", 3),
            ("5 100", "5", 1),
            ("1\u{a0}000", "1000", 5),
        ] {
            assert_eq!(value(text, STRICT), Some((expected.into(), end)), "{text}");
        }
        assert_eq!(value("x", STRICT), None);
        assert_eq!(value(".", STRICT), None);
    }

    #[test]
    fn gold_allows_decimal_commas_and_spaced_groups() {
        let free = Reading {
            decimal_comma: true,
            space_groups: true,
        };
        assert_eq!(value("1,22", free), Some(("61/50".into(), 4)));
        assert_eq!(value("1 000 000", free), Some(("1000000".into(), 9)));
        assert_eq!(value("1,000", free), Some(("1000".into(), 5)));
    }

    #[test]
    fn too_many_digits_are_not_read() {
        let long = "9".repeat(100_000);
        assert_eq!(value(&long, STRICT), Some(("?".into(), 100_000)));
    }
}
