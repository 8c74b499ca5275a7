//! Problems from data files.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use autodidact_core::{Answer, Choice, Problem, ProblemId, Split};
use serde_json::Value;

use crate::error::TaskError;
use crate::fields::{Fields, Record, scalar};
use crate::lines::for_each_record;
use crate::random::hash;

/// More choices than the alphabet has letters are not multiple choice.
const MAXIMUM_CHOICES: usize = 26;

/// Reads all problems of a JSONL or CSV file.
///
/// In an answer with `####` (GSM8K) the part after the last one is gold, and the whole is the
/// worked solution. Choices may be a list of texts, a list of objects with `label` and `text`
/// (CommonsenseQA), or an object with the lists `label` and `text` (the same on the Hugging Face
/// hub). The error names file, line and field.
pub fn read_problems(
    path: &Path,
    fields: &Fields,
    split: Split,
) -> Result<Vec<Problem>, TaskError> {
    let mut problems = Vec::new();
    let mut ids = SeenIds::default();
    for_each_record(path, |line, record| {
        let mut problem = problem(record, line, fields, split, true)
            .map_err(|problem| TaskError::line(path, line, problem))?;
        ids.make_unique(&mut problem.id);
        problems.push(problem);
        Ok(true)
    })?;
    if problems.is_empty() {
        return Err(TaskError::file(path, "holds no problems"));
    }
    Ok(problems)
}

/// Calls `f` with each problem of a JSONL or CSV file until it returns false. Nothing is kept, so
/// that a file of any length can be read; gold may be absent. An id that is there twice gets its
/// line number, as far as a 64-bit hash of the ids can tell.
pub fn for_each_problem(
    path: &Path,
    fields: &Fields,
    mut f: impl FnMut(Problem) -> bool,
) -> Result<(), TaskError> {
    let mut seen: HashSet<u64> = HashSet::new();
    for_each_record(path, |line, record| {
        let mut problem = problem(record, line, fields, Split::Train, false)
            .map_err(|problem| TaskError::line(path, line, problem))?;
        // Ids of our own making hold the line number already.
        if fields.id.is_some() && !seen.insert(hash(&problem.id.0)) {
            problem.id.0 += &format!("~{line}");
        }
        Ok(f(problem))
    })
}

/// Ids that were seen, each with the last number that was given to a repetition of it.
#[derive(Debug, Default)]
pub(crate) struct SeenIds(HashMap<String, u64>);

impl SeenIds {
    /// Changes an id that was seen before, and remembers it.
    pub(crate) fn make_unique(&mut self, id: &mut ProblemId) {
        if !self.0.contains_key(&id.0) {
            self.0.insert(id.0.clone(), 1);
            return;
        }
        loop {
            let last = self.0.entry(id.0.clone()).or_insert(1);
            *last += 1;
            let candidate = format!("{}~{last}", id.0);
            if !self.0.contains_key(&candidate) {
                self.0.insert(candidate.clone(), 1);
                id.0 = candidate;
                return;
            }
        }
    }
}

fn problem(
    record: &Record,
    line: u64,
    fields: &Fields,
    split: Split,
    needs_gold: bool,
) -> Result<Problem, String> {
    let question = fields.question(record)?;
    let answer = if needs_gold || fields.has_answer(record) {
        Some(fields.answer(record)?)
    } else {
        None
    };
    let choices = match fields.choices(record)? {
        Some((name, value)) => {
            choices(value).map_err(|problem| format!("field `{name}` {problem}"))?
        }
        None => Vec::new(),
    };
    let (gold, worked) = match answer {
        // JSON is no worked solution, whatever marks are in it.
        Some(answer) if answer.starts_with(['[', '{']) => (Some(answer), None),
        Some(answer) => match answer.rsplit_once("####") {
            Some((_, gold)) => (Some(gold.trim().to_owned()), Some(answer.clone())),
            None => (Some(answer), None),
        },
        None => (None, None),
    };
    if let Some(gold) = &gold {
        if gold.is_empty() {
            return Err("nothing follows the `####` of the answer".into());
        }
        check_gold(gold, &choices)?;
    }
    let solution = worked.or_else(|| {
        let text = record.get("solution").and_then(Value::as_str)?;
        (!text.trim().is_empty()).then(|| text.to_owned())
    });
    let id = fields
        .id(record)?
        .unwrap_or_else(|| format!("{line}-{:08x}", hash(&question) as u32));
    Ok(Problem {
        id: ProblemId(id),
        question,
        gold: gold.map(Answer),
        choices,
        solution,
        split,
        meta: meta(record),
    })
}

/// Gold must be one of the choices, by label or by text; a wrong field is noticed here and not
/// after a night of sampling.
fn check_gold(gold: &str, choices: &[Choice]) -> Result<(), String> {
    let known =
        |c: &Choice| c.label.eq_ignore_ascii_case(gold) || c.text.trim().eq_ignore_ascii_case(gold);
    if choices.is_empty() || choices.iter().any(known) {
        return Ok(());
    }
    let labels: Vec<&str> = choices.iter().map(|c| c.label.as_str()).collect();
    Err(format!(
        "the answer `{gold}` is not one of the choices ({})",
        labels.join(", ")
    ))
}

/// The `meta` object that [`crate::write_jsonl`] writes.
fn meta(record: &Record) -> BTreeMap<String, String> {
    let entries = record.get("meta").and_then(Value::as_object);
    entries
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), scalar(value)?)))
        .collect()
}

fn choices(value: &Value) -> Result<Vec<Choice>, String> {
    let found = match value {
        Value::Array(items) => list(items)?,
        Value::Object(columns) => {
            let column = |name: &str| {
                let items = columns.get(name).and_then(Value::as_array);
                items.ok_or_else(|| format!("is an object without the list `{name}`"))
            };
            let (labels, texts) = (column("label")?, column("text")?);
            if labels.len() != texts.len() {
                return Err("has `label` and `text` of different lengths".into());
            }
            labels
                .iter()
                .zip(texts)
                .map(|(label, text)| choice(label, text))
                .collect::<Result<_, _>>()?
        }
        // A cell of a CSV file.
        Value::String(cell) => match serde_json::from_str::<Value>(cell) {
            Ok(inner @ (Value::Array(_) | Value::Object(_))) => return choices(&inner),
            _ => return Err("should be a JSON list of choices".into()),
        },
        _ => return Err("should be a list of choices".into()),
    };
    if found.len() > MAXIMUM_CHOICES {
        return Err(format!("has more than {MAXIMUM_CHOICES} choices"));
    }
    let labels: HashSet<String> = found.iter().map(|c| c.label.to_lowercase()).collect();
    if labels.len() < found.len() {
        return Err("has the same label twice".into());
    }
    Ok(found)
}

fn list(items: &[Value]) -> Result<Vec<Choice>, String> {
    let one = |(index, item): (usize, &Value)| match item {
        Value::Object(parts) => {
            let part = |name: &str| {
                let value = parts.get(name);
                value.ok_or_else(|| format!("has a choice without `{name}`"))
            };
            choice(part("label")?, part("text")?)
        }
        text => choice(&Value::String(letter(index)), text),
    };
    items.iter().enumerate().map(one).collect()
}

fn letter(index: usize) -> String {
    char::from(b'A' + (index % MAXIMUM_CHOICES) as u8).to_string()
}

fn choice(label: &Value, text: &Value) -> Result<Choice, String> {
    let label = scalar(label).ok_or("has a label that is no text")?;
    let label = label.trim().trim_matches(['(', ')', '.']).to_owned();
    if label.is_empty() {
        return Err("has an empty label".into());
    }
    let text = scalar(text).ok_or("has a choice that is no text")?;
    Ok(Choice {
        label,
        text: text.trim().to_owned(),
    })
}
