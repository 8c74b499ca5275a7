//! Many answers, one on each line of a file.

use autodidact_core::{Choice, Flag, Verdict, Verification, VerifyKind};
use serde::Serialize;

use crate::expression::Tolerance;
use crate::gold::parse_tolerance;
use crate::json::{self, Value};
use crate::request::{Policies, Request};
use crate::verifier::explain;

/// A line that asks for a verification: a JSON object with `gold` and `candidate`.
///
/// | field | meaning |
/// |---|---|
/// | `gold`, `candidate` | the gold answer and what a model wrote; what is not a text is taken as the JSON that stands there |
/// | `kind` | how they are compared; absent: as the caller says |
/// | `choices` | texts, or objects with `label` and `text` |
/// | `question` | what the model was asked; a repetition of it in the candidate is no answer |
/// | `unit`, `tolerance` | those of the gold answer |
/// | `id` | returned with the verdict |
///
/// Other fields are passed over.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The gold answer.
    pub gold: String,
    /// What a model wrote.
    pub candidate: String,
    /// How they are compared.
    pub kind: Option<VerifyKind>,
    /// The options of a multiple-choice problem.
    pub choices: Vec<Choice>,
    /// What the model was asked.
    pub question: Option<String>,
    /// The unit of the gold answer.
    pub unit: Option<String>,
    /// How far a decimal may be off.
    pub tolerance: Option<Tolerance>,
    /// Returned with the verdict, as JSON.
    pub id: Option<String>,
}

/// What is written for a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LineVerdict {
    /// What the line called itself, as a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `right`, `wrong` or `cannot-tell`.
    pub verdict: &'static str,
    /// The answer that was found.
    pub extracted: Option<String>,
    /// How it was decided.
    pub how: String,
    /// What is suspicious about a right answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
    /// True if the line could not be read at all.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unreadable: bool,
}

impl Line {
    /// Reads a line; the error says what is wrong with it.
    ///
    /// ```
    /// use autodidact_verify::Line;
    ///
    /// let line = Line::parse(r#"{"gold": "5 m", "candidate": "500 cm"}"#)?;
    /// assert_eq!(line.gold, "5 m");
    /// assert!(Line::parse(r#"{"gold": "5"}"#).is_err());
    /// # Ok::<(), String>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, String> {
        let Value::Object(fields) = json::parse(text)? else {
            return Err("the line is no JSON object".to_owned());
        };
        let mut line = Self {
            gold: String::new(),
            candidate: String::new(),
            kind: None,
            choices: Vec::new(),
            question: None,
            unit: None,
            tolerance: None,
            id: None,
        };
        let mut seen = (false, false);
        for (name, value) in fields {
            match name.as_str() {
                "gold" => (line.gold, seen.0) = (text_of(value), true),
                "candidate" => (line.candidate, seen.1) = (text_of(value), true),
                _ if value == Value::Null => {}
                "kind" => {
                    let name = text_of(value);
                    let kind = VerifyKind::from_name(&name);
                    line.kind = Some(kind.ok_or_else(|| format!("`{name}` is no kind of answer"))?);
                }
                "choices" => line.choices = choices(value)?,
                "question" => line.question = Some(text_of(value)),
                "unit" => line.unit = Some(text_of(value)),
                "tolerance" => line.tolerance = Some(parse_tolerance(&text_of(value))?),
                "id" => line.id = Some(text_of(value)),
                _ => {}
            }
        }
        match seen {
            (false, _) => Err("the line has no field `gold`".to_owned()),
            (_, false) => Err("the line has no field `candidate`".to_owned()),
            _ => Ok(line),
        }
    }

    /// Verifies the line; `kind` is for lines that name none.
    pub fn verify(&self, kind: VerifyKind, policies: &Policies) -> Verification {
        let request = Request {
            choices: &self.choices,
            prompt: self.question.as_deref(),
            ..Request::new(self.kind.unwrap_or(kind), &self.gold, &self.candidate)
        };
        if self.unit.is_none() && self.tolerance.is_none() {
            return explain(&request, policies).verification;
        }
        let mut own = policies.clone();
        own.gold_unit = self.unit.clone().or(own.gold_unit);
        own.tolerance = self.tolerance.or(own.tolerance);
        explain(&request, &own).verification
    }
}

impl LineVerdict {
    /// What is written for a verified line.
    pub fn new(id: Option<String>, verification: Verification) -> Self {
        let verdict = match &verification.verdict {
            Verdict::Right => "right",
            Verdict::Wrong => "wrong",
            Verdict::CannotTell(_) => "cannot-tell",
        };
        Self {
            id,
            verdict,
            extracted: verification.extracted,
            how: verification.how,
            flags: verification.flags,
            unreadable: false,
        }
    }

    /// What is written for a line that cannot be read, so that there are as many lines as were given.
    pub fn unreadable(number: u64, reason: &str) -> Self {
        Self {
            id: None,
            verdict: "cannot-tell",
            extracted: None,
            how: format!("line {number} cannot be read: {reason}"),
            flags: Vec::new(),
            unreadable: true,
        }
    }
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        value => value.to_string(),
    }
}

fn choices(value: Value) -> Result<Vec<Choice>, String> {
    let wrong = || "`choices` is no list of texts or of objects with `label` and `text`".to_owned();
    let Value::Array(values) = value else {
        return Err(wrong());
    };
    let labels = ('A'..='Z').map(String::from);
    let choice = |(value, label): (Value, String)| match value {
        Value::Object(fields) => {
            let field = |wanted: &str| {
                let found = fields.iter().find(|(name, _)| name == wanted);
                found.map(|(_, value)| text_of(value.clone()))
            };
            let label = field("label").unwrap_or(label);
            Some(Choice {
                label,
                text: field("text")?,
            })
        }
        value => Some(Choice {
            label,
            text: text_of(value),
        }),
    };
    let many = values.len();
    let read: Option<Vec<Choice>> = values.into_iter().zip(labels).map(choice).collect();
    read.filter(|read| read.len() == many).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(line: &str) -> &'static str {
        let line = Line::parse(line).unwrap();
        let verification = line.verify(VerifyKind::Math, &Policies::default());
        LineVerdict::new(line.id, verification).verdict
    }

    #[test]
    fn lines_are_verified_as_they_say() {
        for (line, wanted) in [
            (r#"{"gold": "5", "candidate": "The answer is 5."}"#, "right"),
            (r#"{"gold": 5, "candidate": 6}"#, "wrong"),
            (r#"{"gold": null, "candidate": "6"}"#, "cannot-tell"),
            (r#"{"gold": "5", "candidate": null}"#, "cannot-tell"),
            (
                r#"{"gold": {"a": 1}, "candidate": "{\"a\": 1.0}", "kind": "json"}"#,
                "right",
            ),
            (
                r#"{"gold": "B", "candidate": "It is market.", "kind": "choice", "choices": ["sink", "market"]}"#,
                "right",
            ),
            (
                r#"{"gold": "y", "candidate": "(x)", "kind": "choice", "choices": [{"label": "x", "text": "1"}, {"label": "y", "text": "2"}]}"#,
                "wrong",
            ),
            (
                r#"{"gold": 9007199254740993, "candidate": "9007199254740992"}"#,
                "wrong",
            ),
        ] {
            assert_eq!(verdict(line), wanted, "{line}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told() {
        for (line, told) in [
            ("", "no value"),
            ("[1]", "no JSON object"),
            (r#"{"gold": "5"}"#, "no field `candidate`"),
            (r#"{"candidate": "5"}"#, "no field `gold`"),
            (
                r#"{"gold": "5", "candidate": "5", "kind": "maths"}"#,
                "`maths` is no kind",
            ),
            (
                r#"{"gold": "5", "candidate": "5", "choices": 3}"#,
                "`choices`",
            ),
            (
                r#"{"gold": "5", "candidate": "5", "tolerance": "x"}"#,
                "tolerance `x`",
            ),
            (
                r#"{"gold": "5", "gold": "6", "candidate": "5"}"#,
                "stands twice",
            ),
        ] {
            let error = Line::parse(line).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
        }
    }
}
