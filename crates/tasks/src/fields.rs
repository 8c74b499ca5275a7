//! Where the parts of a problem stand in a record: plain names, dotted paths and templates.

use autodidact_core::TaskSpec;
use serde_json::{Map, Value};

/// One line of a data file.
pub type Record = Map<String, Value>;

/// The names of the fields of a record. Absent ones are looked for where data sets usually have
/// them.
///
/// A name may be a path (`question.stem`); the question may also be a template in braces, put
/// together from several fields: `{Body} {Question}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// The question; absent: `question`.
    pub question: Option<String>,
    /// The gold answer; absent: `answer`, `answerKey`, `Answer`.
    pub answer: Option<String>,
    /// The choices; absent: `choices`, `question.choices`, if there are any.
    pub choices: Option<String>,
    /// The id; absent: made from the line number and the question.
    pub id: Option<String>,
}

impl Fields {
    /// The names given in a `[task]` section.
    pub fn from_spec(spec: &TaskSpec) -> Self {
        Self {
            question: spec.question.clone(),
            answer: spec.answer.clone(),
            choices: spec.choices.clone(),
            id: spec.id.clone(),
        }
    }

    /// The question's text.
    pub(crate) fn question(&self, record: &Record) -> Result<String, String> {
        let name = self.question.as_deref().unwrap_or("question");
        let text = if name.contains('{') {
            filled(name, record)?
        } else {
            let value = find(record, name).ok_or_else(|| missing(record, name))?;
            // CommonsenseQA has an object here, with the question in `stem`.
            let value = value.get("stem").unwrap_or(value);
            scalar(value).ok_or_else(|| not_text(name, value))?
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(format!("field `{name}` is empty"));
        }
        Ok(text.to_owned())
    }

    /// True if the record has an answer, or a field is named for it, which must then be there.
    pub(crate) fn has_answer(&self, record: &Record) -> bool {
        let usual = ["answer", "answerKey", "Answer"];
        self.answer.is_some() || usual.into_iter().any(|name| find(record, name).is_some())
    }

    /// The answer's text; a list or an object as JSON, for ways of verifying that read it (tests of
    /// a program, tables and a query).
    pub(crate) fn answer(&self, record: &Record) -> Result<String, String> {
        let (name, value) = match &self.answer {
            Some(name) => (name.as_str(), find(record, name)),
            None => ["answer", "answerKey", "Answer"]
                .into_iter()
                .find_map(|name| Some((name, Some(find(record, name)?))))
                .unwrap_or(("answer", None)),
        };
        let value = value.ok_or_else(|| missing(record, name))?;
        let text = match value {
            Value::Array(_) | Value::Object(_) => value.to_string(),
            _ => scalar(value).ok_or_else(|| not_text(name, value))?,
        };
        if text.trim().is_empty() {
            return Err(format!("field `{name}` is empty"));
        }
        Ok(text.trim().to_owned())
    }

    /// The choices as they stand in the record, with the field's name; `None` if there are none.
    pub(crate) fn choices<'a>(
        &'a self,
        record: &'a Record,
    ) -> Result<Option<(&'a str, &'a Value)>, String> {
        if let Some(name) = &self.choices {
            let value = find(record, name).ok_or_else(|| missing(record, name))?;
            return Ok(Some((name, value)));
        }
        Ok(["choices", "question.choices"]
            .into_iter()
            .find_map(|name| Some((name, find(record, name)?))))
    }

    /// The id, if a field is named for it.
    pub(crate) fn id(&self, record: &Record) -> Result<Option<String>, String> {
        let Some(name) = &self.id else {
            return Ok(None);
        };
        let value = find(record, name).ok_or_else(|| missing(record, name))?;
        let id = scalar(value).ok_or_else(|| not_text(name, value))?;
        if id.trim().is_empty() {
            return Err(format!("field `{name}` is empty"));
        }
        Ok(Some(id.trim().to_owned()))
    }
}

/// The value at a path; a field whose name has a dot in it is found first. Null is absent.
pub(crate) fn find<'a>(record: &'a Record, path: &str) -> Option<&'a Value> {
    if let Some(value) = record.get(path) {
        return Some(value).filter(|value| !value.is_null());
    }
    let (first, rest) = path.split_once('.')?;
    match record.get(first)? {
        Value::Object(inner) => find(inner, rest),
        _ => None,
    }
}

/// A text, number or truth value as text. Whole numbers lose their `.0`.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => {
            let text = number.to_string();
            let whole = text.strip_suffix(".0").unwrap_or(&text);
            Some(whole.to_owned())
        }
        _ => None,
    }
}

/// Puts fields into a template.
fn filled(template: &str, record: &Record) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err(format!(
                "the question template `{template}` has a `{{` without `}}`"
            ));
        };
        let value = find(record, name).ok_or_else(|| missing(record, name))?;
        text.push_str(before);
        text.push_str(scalar(value).ok_or_else(|| not_text(name, value))?.trim());
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

fn missing(record: &Record, name: &str) -> String {
    // Enough to see what is there; a hostile record may have thousands.
    let present: Vec<String> = record.keys().take(20).map(|k| format!("`{k}`")).collect();
    format!(
        "field `{name}` is missing; fields present: {}",
        present.join(", ")
    )
}

fn not_text(name: &str, value: &Value) -> String {
    let kind = match value {
        Value::Array(_) => "a list",
        Value::Object(_) => "an object; a path such as `a.b` reaches into it",
        _ => "of another kind",
    };
    format!("field `{name}` should be a text or a number and is {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &str) -> Record {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn paths_templates_and_scalars() {
        let svamp = record(r#"{"Body": "A has 3.", "Question": "How many?", "Answer": 3.0}"#);
        let fields = Fields {
            question: Some("{Body} {Question}".into()),
            ..Fields::default()
        };
        assert_eq!(fields.question(&svamp).unwrap(), "A has 3. How many?");
        assert_eq!(fields.answer(&svamp).unwrap(), "3");
        let nested = record(r#"{"question": {"stem": "Where?"}, "a.b": "x", "answerKey": "A"}"#);
        let path = Fields {
            question: Some("question.stem".into()),
            answer: Some("a.b".into()),
            ..Fields::default()
        };
        assert_eq!(path.question(&nested).unwrap(), "Where?");
        assert_eq!(path.answer(&nested).unwrap(), "x");
        assert_eq!(Fields::default().question(&nested).unwrap(), "Where?");
        assert_eq!(Fields::default().answer(&nested).unwrap(), "A");
    }

    #[test]
    fn lists_and_objects_are_answers_as_json() {
        let fields = Fields::default();
        let tests = record(r#"{"answer": ["assert f(1) == 2 #### x"]}"#);
        let expected = r#"["assert f(1) == 2 #### x"]"#;
        assert_eq!(fields.answer(&tests).unwrap(), expected);
        let tables = record(r#"{"answer": {"schema": "", "query": "SELECT 1"}}"#);
        let expected = r#"{"schema":"","query":"SELECT 1"}"#;
        assert_eq!(fields.answer(&tables).unwrap(), expected);
    }

    #[test]
    fn errors_name_the_field() {
        let fields = Fields::default();
        let error = fields.answer(&record(r#"{"question": "q", "x": 1}"#));
        let expected = "field `answer` is missing; fields present: `question`, `x`";
        assert_eq!(error.unwrap_err(), expected);
        let error = fields
            .question(&record(r#"{"question": [1]}"#))
            .unwrap_err();
        assert!(error.contains("is a list"), "{error}");
        let error = fields
            .question(&record(r#"{"question": "  "}"#))
            .unwrap_err();
        assert_eq!(error, "field `question` is empty");
        let open = Fields {
            question: Some("{Body".into()),
            ..Fields::default()
        };
        assert!(open.question(&record("{}")).is_err());
    }
}
