//! JSON values, with numbers as exact decimals.

use std::fmt::{self, Write as _};

/// A JSON value. Objects keep the order of their keys, and have no key twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Decimal),
    String(String),
    Array(Vec<Value>),
    Object(Vec<(String, Value)>),
}

/// A number as it was written, and what it is worth.
#[derive(Debug, Clone, Eq)]
pub(crate) struct Decimal {
    written: String,
    negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: String,
    /// Of the last digit, as a power of ten.
    exponent: i64,
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        let zero = self.digits.is_empty() && other.digits.is_empty();
        zero || (self.negative == other.negative
            && self.exponent == other.exponent
            && self.digits == other.digits)
    }
}

impl Decimal {
    /// A number in JSON's grammar; `None` if its exponent is out of all proportion.
    pub(super) fn new(written: &str) -> Option<Self> {
        let negative = written.starts_with('-');
        let unsigned = written.trim_start_matches('-');
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let leading = all.trim_start_matches('0');
        let digits = leading.trim_end_matches('0');
        let zeros = (leading.len() - digits.len()) as i64;
        Some(Self {
            written: written.to_owned(),
            negative,
            digits: digits.to_owned(),
            exponent: i64::from(exponent) - fraction.len() as i64 + zeros,
        })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Value {
    /// What kind of value it is, in words.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::String(_) => "a text",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// Where and how `other` differs from this value, in words; `None` if it does not.
    pub(super) fn difference(&self, other: &Self, path: &str) -> Option<String> {
        match (self, other) {
            (Self::Array(ours), Self::Array(theirs)) => {
                if ours.len() != theirs.len() {
                    let (ours, theirs) = (ours.len(), theirs.len());
                    return Some(format!("{path} has {theirs} elements, gold {ours}"));
                }
                let mut pairs = ours.iter().zip(theirs).enumerate();
                pairs.find_map(|(at, (ours, theirs))| {
                    ours.difference(theirs, &format!("{path}[{at}]"))
                })
            }
            (Self::Object(ours), Self::Object(theirs)) => fields(ours, theirs, path),
            _ if self == other => None,
            _ if self.kind() != other.kind() => {
                Some(format!("{path} is {}, gold {}", other.kind(), self.kind()))
            }
            _ => Some(format!("{path} is {}, gold {}", short(other), short(self))),
        }
    }
}

fn fields(ours: &[(String, Value)], theirs: &[(String, Value)], path: &str) -> Option<String> {
    let found: std::collections::HashMap<&str, &Value> = theirs
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    let names: std::collections::HashSet<&str> =
        ours.iter().map(|(name, _)| name.as_str()).collect();
    if let Some((extra, _)) = theirs
        .iter()
        .find(|(name, _)| !names.contains(name.as_str()))
    {
        return Some(format!(
            "{path} has a key `{}` that gold has not",
            cut(extra)
        ));
    }
    ours.iter()
        .find_map(|(name, ours)| match found.get(name.as_str()) {
            None => Some(format!("{path} lacks the key `{}`", cut(name))),
            Some(theirs) => ours.difference(theirs, &format!("{path}.{}", cut(name))),
        })
}

fn short(value: &Value) -> String {
    cut(&value.to_string())
}

/// At most 80 characters.
fn cut(text: &str) -> String {
    if text.chars().count() <= 80 {
        return text.to_owned();
    }
    text.chars().take(79).chain(['…']).collect()
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::String(text) => quoted(f, text),
            Self::Array(values) => {
                f.write_str("[")?;
                for (at, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if at > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Object(fields) => {
                f.write_str("{")?;
                for (at, (name, value)) in fields.iter().enumerate() {
                    f.write_str(if at > 0 { ", " } else { "" })?;
                    quoted(f, name)?;
                    write!(f, ": {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

/// A text as JSON writes it.
fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}
