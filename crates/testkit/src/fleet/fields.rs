//! Which fields a provider takes, and of what type: adapters must not get away with others.

use serde_json::{Map, Value};

/// What a field must be. A null is the same as an absent field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Is {
    Text,
    /// A whole number from the first to the second.
    Whole(i64, i64),
    /// A number from the first to the second.
    Number(f64, f64),
    Flag,
    Object,
    List,
    /// A text or a list of at most so many.
    TextOrList(usize),
    Any,
}

pub(crate) type Field = (&'static str, Is);

/// Why a field is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    Unknown(String),
    Type(String, &'static str),
    Range(String),
}

/// Any 64-bit number.
pub(crate) const WHOLE: Is = Is::Whole(i64::MIN, i64::MAX);
/// A number of tokens or the like, at least 1.
pub(crate) const COUNT: Is = Is::Whole(1, i64::MAX);

/// The first field that is unknown or of the wrong type.
pub(crate) fn wrong_field(body: &Map<String, Value>, fields: &[&[Field]]) -> Option<Wrong> {
    body.iter().find_map(|(name, value)| {
        let known = fields.iter().flat_map(|list| list.iter());
        match known.into_iter().find(|(field, _)| field == name) {
            None => Some(Wrong::Unknown(name.clone())),
            Some((_, wanted)) => wrong_value(name, value, *wanted),
        }
    })
}

/// The first of the known fields that is of the wrong type; others are ignored.
pub(crate) fn wrong_known_field(body: &Map<String, Value>, fields: &[&[Field]]) -> Option<Wrong> {
    let known = fields.iter().flat_map(|list| list.iter());
    known
        .filter_map(|(name, wanted)| Some((name, body.get(*name)?, *wanted)))
        .find_map(|(name, value, wanted)| wrong_value(name, value, wanted))
}

fn wrong_value(name: &str, value: &Value, wanted: Is) -> Option<Wrong> {
    if value.is_null() {
        return None;
    }
    let of_type = |right: bool, wanted| (!right).then(|| Wrong::Type(name.to_owned(), wanted));
    let in_range = |right: bool| (!right).then(|| Wrong::Range(name.to_owned()));
    match wanted {
        Is::Text => of_type(value.is_string(), "string"),
        Is::Flag => of_type(value.is_boolean(), "boolean"),
        Is::Object => of_type(value.is_object(), "object"),
        Is::List => of_type(value.is_array(), "array"),
        Is::Any => None,
        Is::Whole(low, high) => match value.as_i64() {
            Some(number) => in_range((low..=high).contains(&number)),
            None => of_type(false, "integer"),
        },
        Is::Number(low, high) => match value.as_f64() {
            Some(number) => in_range((low..=high).contains(&number)),
            None => of_type(false, "number"),
        },
        Is::TextOrList(most) => match value {
            Value::String(_) => None,
            Value::Array(list) => in_range(list.len() <= most),
            _ => of_type(false, "string or array"),
        },
    }
}

/// A content: text, or a list of parts with a `text`.
pub(crate) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(text_of).collect(),
        Value::Object(part) => part.get("text").map(text_of).unwrap_or_default(),
        _ => String::new(),
    }
}

/// A text or a list of texts.
pub(crate) fn texts_of(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{COUNT, Field, Is, Wrong, text_of, wrong_field, wrong_known_field};

    #[test]
    fn wrong_fields_are_found() {
        let fields: &[&[Field]] = &[
            &[("a", Is::Text), ("n", COUNT)],
            &[("t", Is::Number(0.0, 2.0))],
        ];
        let wrong = |value: serde_json::Value| wrong_field(value.as_object().unwrap(), fields);
        assert_eq!(wrong(json!({"a": "x", "n": 1, "t": 0.5})), None);
        assert_eq!(wrong(json!({"a": null})), None);
        assert_eq!(wrong(json!({"b": 1})), Some(Wrong::Unknown("b".into())));
        assert_eq!(
            wrong(json!({"n": 1.5})),
            Some(Wrong::Type("n".into(), "integer"))
        );
        assert_eq!(wrong(json!({"n": 0})), Some(Wrong::Range("n".into())));
        assert_eq!(wrong(json!({"t": 2.5})), Some(Wrong::Range("t".into())));
        let lax = json!({"b": 1, "a": 2});
        let found = wrong_known_field(lax.as_object().unwrap(), fields);
        assert_eq!(found, Some(Wrong::Type("a".into(), "string")));
    }

    #[test]
    fn contents_are_flattened() {
        let content = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
        assert_eq!(text_of(&content), "ab");
    }
}
