//! Reading JSON that may be anything: every look answers `None` where the shape is another.

use serde_json::Value;

use crate::{Billed, ErrorClass, ProviderError, error_of_value};

/// Longest name or explanation that is kept of what a provider says about an answer.
const LONGEST_REMARK: usize = 300;

/// A list, or nothing.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// A text that is there and not empty.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// A remark of the provider, shortened and in one line.
pub(super) fn remark(text: &str) -> String {
    let clean = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars().take(LONGEST_REMARK).map(clean).collect()
}

/// A number of tokens: a whole number that is not negative. Python servers write some as 12.0.
pub(super) fn count(value: &Value, key: &str) -> Option<u64> {
    let value = value.get(key)?;
    let whole = |number: &f64| *number >= 0.0 && *number < 1e15 && number.fract() == 0.0;
    value
        .as_u64()
        .or_else(|| value.as_f64().filter(whole).map(|number| number as u64))
}

/// A body that is JSON of one object.
pub(super) fn object(model: &str, body: &[u8]) -> Result<Value, ProviderError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| malformed(model, format!("the reply is no JSON: {error}")))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(malformed(model, "the reply is JSON, but no object"))
    }
}

/// A reply that is not what the interface promises; it may have been charged.
pub(super) fn malformed(model: &str, message: impl Into<String>) -> ProviderError {
    ProviderError {
        billed: Billed::Unknown,
        ..ProviderError::new(model, ErrorClass::Malformed, message)
    }
}

/// The error object of a body or of an event that came with status 200, if it is one.
pub(super) fn error(model: &str, value: &Value) -> Option<ProviderError> {
    let error = value.get("error").filter(|error| !error.is_null());
    let error = match error {
        Some(error) => error,
        None if text(value, "object") == Some("error") => value,
        None => return None,
    };
    Some(ProviderError {
        billed: Billed::Unknown,
        ..error_of_value(model, error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_in_bodies_are_told_from_answers() {
        let class = |value: Value| error("m", &value).map(|error| error.class);
        assert_eq!(class(json!({"choices": []})), None);
        assert_eq!(class(json!({"error": null})), None);
        assert_eq!(class(json!({"error": "text"})), Some(ErrorClass::Server));
        let overloaded = json!({"type": "error", "error": {"type": "overloaded_error"}});
        assert_eq!(class(overloaded), Some(ErrorClass::Overloaded));
        let limit = json!({"error": {"code": 429, "message": "slow"}});
        assert_eq!(class(limit), Some(ErrorClass::RateLimit));
        let flat = json!({"object": "error", "message": "x", "code": 400});
        assert_eq!(class(flat), Some(ErrorClass::BadRequest));
    }

    #[test]
    fn counts_are_whole_and_not_negative() {
        let of = |value: Value| count(&json!({ "k": value }), "k");
        assert_eq!(of(json!(3)), Some(3));
        assert_eq!(of(json!(3.0)), Some(3));
        for bad in [json!(-1), json!(1.5), json!("3"), json!(null), json!(1e300)] {
            assert_eq!(of(bad), None);
        }
    }
}
