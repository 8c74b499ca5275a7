//! Few-shot examples from a TOML file.

use std::path::Path;

use autodidact_core::{Answer, Choice, Example};
use serde::Deserialize;

use crate::error::TaskError;

/// The largest examples file, in bytes.
const MAXIMUM_FILE: u64 = 16 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    example: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    question: String,
    rationale: String,
    answer: String,
    #[serde(default)]
    choices: Vec<Choice>,
}

/// Reads a TOML file of `[[example]]` tables with `question`, `rationale`, `answer` and, for
/// multiple choice, `choices = [{ label = "A", text = "…" }]`.
pub fn read_examples(path: &Path) -> Result<Vec<Example>, TaskError> {
    let size = std::fs::metadata(path).map_err(|e| TaskError::io(path, e))?;
    if size.len() > MAXIMUM_FILE {
        return Err(TaskError::file(
            path,
            "is larger than 16 MiB; is this the examples file?",
        ));
    }
    let text = std::fs::read_to_string(path).map_err(|e| TaskError::io(path, e))?;
    let text = text.trim_start_matches('\u{feff}');
    let file: File =
        toml::from_str(text).map_err(|e| TaskError::file(path, e.to_string().trim_end()))?;
    if file.example.is_empty() {
        let problem = "holds no examples; add `[[example]]` with question, rationale and answer";
        return Err(TaskError::file(path, problem));
    }
    let example = |(index, entry): (usize, Entry)| {
        let parts = [
            ("question", &entry.question),
            ("rationale", &entry.rationale),
            ("answer", &entry.answer),
        ];
        if let Some((name, _)) = parts.iter().find(|(_, text)| text.trim().is_empty()) {
            let problem = format!("example {}: `{name}` is empty", index + 1);
            return Err(TaskError::file(path, problem));
        }
        Ok(Example {
            question: entry.question.trim().to_owned(),
            choices: entry.choices,
            rationale: entry.rationale.trim().to_owned(),
            answer: Answer(entry.answer.trim().to_owned()),
        })
    };
    file.example.into_iter().enumerate().map(example).collect()
}
