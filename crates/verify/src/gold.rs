//! Gold answers that say more than the answer: a type, a unit, a tolerance.

use autodidact_core::VerifyKind;

use crate::expression::{Options, Tolerance};
use crate::json::{self, Value};

/// A gold answer as it is compared.
///
/// Gold is the text of the answer, or a JSON object:
///
/// ```json
/// {"value": "5", "unit": "m", "tolerance": 0.01, "type": "math"}
/// ```
///
/// | field | meaning |
/// |---|---|
/// | `value` | the answer; text or number |
/// | `unit` | the unit of the value; an answer in another unit of the same quantity is converted, and one without a unit is taken to be in this one |
/// | `tolerance` | how far a decimal may be off: a number in the unit of the value, or a share such as `"1%"` |
/// | `places` | decimals agree when rounded to so many digits after the point |
/// | `type` | `math`, `number`, `set`, `list`, `choice`, `exact` or `json`: how this answer is compared, whatever the rest of the data set is |
///
/// An object without `value`, or with another field, is no such object but an answer itself. Gold of
/// kind `json` is never read this way.
#[derive(Debug, Clone, PartialEq)]
pub struct Gold {
    /// The answer.
    pub value: String,
    /// The unit of the value.
    pub unit: Option<String>,
    /// How far a decimal may be off.
    pub tolerance: Option<Tolerance>,
    /// How this answer is compared, if gold says so.
    pub kind: Option<VerifyKind>,
}

impl Gold {
    /// Reads gold. Text that is no such object is the answer as it stands; the error says what is wrong
    /// with an object that is one.
    ///
    /// ```
    /// use autodidact_verify::Gold;
    ///
    /// let gold = Gold::read(r#"{"value": 5, "unit": "m"}"#)?;
    /// assert_eq!((gold.value.as_str(), gold.unit.as_deref()), ("5", Some("m")));
    /// assert_eq!(Gold::read("{1, 2}")?.value, "{1, 2}");
    /// # Ok::<(), String>(())
    /// ```
    pub fn read(gold: &str) -> Result<Self, String> {
        let plain = || Self::plain(gold);
        let trimmed = gold.trim();
        if !trimmed.starts_with('{') || !trimmed.contains("\"value\"") {
            return Ok(plain());
        }
        let Ok(Value::Object(fields)) = json::parse(trimmed) else {
            return Ok(plain());
        };
        let known = |name: &str| {
            matches!(
                name,
                "value" | "unit" | "tolerance" | "places" | "type" | "kind"
            )
        };
        if !fields.iter().all(|(name, _)| known(name)) {
            return Ok(plain());
        }
        let mut read = plain();
        for (name, value) in &fields {
            read.set(name, value)?;
        }
        Ok(read)
    }

    /// Gold that is the answer as it stands.
    pub(crate) fn plain(gold: &str) -> Self {
        Self {
            value: gold.to_owned(),
            unit: None,
            tolerance: None,
            kind: None,
        }
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), String> {
        let wrong = |wanted: &str| format!("`{name}` of the gold answer is not {wanted}");
        match (name, value) {
            (_, Value::Null) => {}
            ("value", Value::String(text)) => self.value.clone_from(text),
            ("value", value) => self.value = value.to_string(),
            ("unit", Value::String(unit)) => {
                self.unit = Some(unit.clone()).filter(|u| !u.is_empty());
            }
            ("unit", _) => return Err(wrong("a text")),
            ("tolerance", Value::String(text)) => self.tolerance = Some(parse_tolerance(text)?),
            ("tolerance", Value::Number(number)) => {
                self.tolerance = Some(parse_tolerance(&number.to_string())?);
            }
            ("places", Value::Number(number)) => {
                let places = number
                    .to_string()
                    .parse()
                    .ok()
                    .filter(|places| *places <= 100);
                let places = places.ok_or_else(|| wrong("a whole number from 0 to 100"))?;
                self.tolerance = Some(Tolerance::Places(places));
            }
            ("type" | "kind", Value::String(text)) => {
                let kind = VerifyKind::from_name(text).filter(|kind| {
                    !matches!(
                        kind,
                        VerifyKind::Code | VerifyKind::Command | VerifyKind::Sql
                    )
                });
                self.kind = Some(kind.ok_or_else(|| wrong("a kind of answer that is read"))?);
            }
            _ => return Err(wrong("a number or a text")),
        }
        Ok(())
    }

    /// The policies for this answer: its own unit and tolerance before those of `options`.
    pub(crate) fn policies(&self, options: &Options) -> Options {
        let mut policies = options.clone();
        if self.tolerance.is_some() {
            policies.tolerance = self.tolerance;
        }
        if self.unit.is_some() {
            policies.gold_unit.clone_from(&self.unit);
        }
        policies
    }
}

/// Reads a tolerance: `0.01` is a distance, `1%` a share of gold.
///
/// ```
/// use autodidact_verify::{Tolerance, parse_tolerance};
///
/// assert_eq!(parse_tolerance("0.5"), Ok(Tolerance::Absolute(0.5)));
/// assert_eq!(parse_tolerance("1%"), Ok(Tolerance::Relative(0.01)));
/// assert!(parse_tolerance("-1").is_err());
/// ```
pub fn parse_tolerance(text: &str) -> Result<Tolerance, String> {
    let trimmed = text.trim();
    let (number, share) = match trimmed.strip_suffix('%') {
        Some(number) => (number.trim(), true),
        None => (trimmed, false),
    };
    let value: f64 = number
        .parse()
        .ok()
        .filter(|value: &f64| value.is_finite() && *value >= 0.0)
        .ok_or_else(|| {
            format!(
                "the tolerance `{text}` is neither a distance like `0.01` nor a share like `1%`"
            )
        })?;
    Ok(if share {
        Tolerance::Relative(value / 100.0)
    } else {
        Tolerance::Absolute(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_read_and_other_texts_are_answers() {
        let gold =
            Gold::read(r#"{"value":"{1,2}","unit":"cm","tolerance":"1%","type":"set"}"#).unwrap();
        assert_eq!(gold.value, "{1,2}");
        assert_eq!(gold.unit.as_deref(), Some("cm"));
        assert_eq!(gold.tolerance, Some(Tolerance::Relative(0.01)));
        assert_eq!(gold.kind, Some(VerifyKind::Set));
        assert_eq!(Gold::read(r#"{"value":2.50}"#).unwrap().value, "2.50");
        for text in ["5", "{1,2}", r#"{"value":1,"other":2}"#, r#"{"value":"#] {
            let gold = Gold::read(text).unwrap();
            assert_eq!((gold.value.as_str(), gold.kind), (text, None));
        }
        for text in [
            r#"{"value":1,"tolerance":"x"}"#,
            r#"{"value":1,"type":"code"}"#,
            r#"{"value":1,"unit":3}"#,
            r#"{"value":1,"places":-1}"#,
        ] {
            assert!(Gold::read(text).is_err(), "{text}");
        }
    }
}
