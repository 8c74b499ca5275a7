//! Problems as JSONL, in the shape [`crate::read_problems`] reads back.

use std::collections::BTreeMap;
use std::io::Write;

use autodidact_core::{Choice, Problem};
use serde::Serialize;

use crate::error::TaskError;

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    question: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'a str>,
    #[serde(skip_serializing_if = "<[Choice]>::is_empty")]
    choices: &'a [Choice],
    #[serde(skip_serializing_if = "Option::is_none")]
    solution: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    meta: &'a BTreeMap<String, String>,
}

/// Writes one problem a line: `id`, `question`, `answer`, and `choices`, `solution` and `meta`
/// where there are any.
pub fn write_jsonl(problems: &[Problem], mut writer: impl Write) -> Result<(), TaskError> {
    for problem in problems {
        let line = Line {
            id: &problem.id.0,
            question: &problem.question,
            answer: problem.gold.as_ref().map(|gold| gold.0.as_str()),
            choices: &problem.choices,
            solution: problem.solution.as_deref(),
            meta: &problem.meta,
        };
        let mut text = serde_json::to_string(&line).map_err(|e| TaskError::Write(e.into()))?;
        text.push('\n');
        writer
            .write_all(text.as_bytes())
            .map_err(TaskError::Write)?;
    }
    writer.flush().map_err(TaskError::Write)
}
