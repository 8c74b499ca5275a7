//! Finds the JSON value in a text and compares it with gold.

use autodidact_core::Verification;

use super::parse::{parse, parse_start};
use super::value::Value;
use crate::extraction::{Visible, visible};
use crate::verifier::{cannot_tell, decided};

/// Bytes that are read while looking for a value in prose.
const BUDGET: usize = 2 << 20;

/// Compares the last JSON value of `text` with `gold`.
pub(crate) fn verify_json(gold: &str, text: &str, prompt: Option<&str>) -> Verification {
    let gold = match parse(gold.trim()) {
        Ok(gold) => gold,
        Err(reason) => return cannot_tell(format!("the gold answer is no JSON: {reason}"), None),
    };
    let Visible { text, .. } = visible(text, prompt);
    if text.trim().is_empty() {
        return cannot_tell("no answer found in the text", None);
    }
    let (written, value, place) = match find(&text, &gold) {
        Ok(found) => found,
        Err(reason) => return cannot_tell(reason, None),
    };
    match gold.difference(&value, "the value") {
        None => decided(true, written, format!("the JSON {place} equals gold")),
        Some(difference) => {
            let how = format!("the JSON {place} is not gold: {difference}");
            decided(false, written, how)
        }
    }
}

/// The value of a text: all of it, the last fenced block, or the last list or object in it.
fn find(text: &str, gold: &Value) -> Result<(String, Value, &'static str), String> {
    let whole = text.trim();
    let whole_error = match parse(whole) {
        Ok(value) => return Ok((whole.to_owned(), value, "of the whole text")),
        Err(error) => error,
    };
    if let Some(block) = last_fence(text) {
        let place = "of the last fenced block";
        return match parse(block.trim()) {
            Ok(value) => Ok((block.trim().to_owned(), value, place)),
            Err(error) => Err(format!("the last fenced block is no JSON: {error}")),
        };
    }
    let (last, error) = last_value(text)?;
    if let Some((start, end, value)) = last {
        let written = text.get(start..end).unwrap_or_default().to_owned();
        return Ok((written, value, "at the end of the text"));
    }
    if !matches!(gold, Value::Array(_) | Value::Object(_)) {
        // `The answer is true.`
        if let Ok(statement) = crate::extraction::find(text) {
            let line = crate::extraction::first_line(&statement.text);
            let bare = line
                .trim_end_matches(['.', '`', '*'])
                .trim_start_matches(['`', '*', ' ']);
            if let Ok(value) = parse(bare) {
                return Ok((bare.to_owned(), value, "after the last answer mark"));
            }
        }
    }
    Err(format!(
        "no JSON value found in the text: {}",
        error.unwrap_or(whole_error)
    ))
}

/// What stands between the last pair of fences.
fn last_fence(text: &str) -> Option<&str> {
    let close = text.rfind("```")?;
    let before = text.get(..close)?;
    let open = before.rfind("```")?;
    let block = before.get(open + 3..)?;
    let info = block.find('\n').unwrap_or(0);
    let named = block.get(..info)?.trim();
    let named = named.chars().all(|c| c.is_ascii_alphanumeric());
    block.get(if named { info } else { 0 }..)
}

type Last = Option<(usize, usize, Value)>;

/// The last list or object in prose, and why what looked like one is none. What is inside a value is not
/// looked at again, and neither is more than [`BUDGET`].
fn last_value(text: &str) -> Result<(Last, Option<String>), String> {
    let mut last = None;
    let mut error = None;
    let mut at = 0;
    let mut spent = 0;
    while let Some(open) = text.get(at..).and_then(|rest| rest.find(['{', '['])) {
        let start = at + open;
        match parse_start(text.get(start..).unwrap_or_default()) {
            Ok((value, length)) => {
                at = start + length;
                spent += length;
                last = Some((start, at, value));
            }
            Err(reason) => {
                spent += failed_at(&reason);
                at = start + 1;
                error = Some(reason);
            }
        }
        if spent > BUDGET {
            return Err("the text has too many brackets to look for JSON in".to_owned());
        }
    }
    Ok((last, error))
}

/// How far a failed attempt has read.
fn failed_at(reason: &str) -> usize {
    let (_, tail) = reason.split_once(" at byte ").unwrap_or((reason, ""));
    let digits = tail.split(' ').next().unwrap_or_default();
    digits.parse().unwrap_or(1024)
}

#[cfg(test)]
mod tests {
    use autodidact_core::Verdict;

    use super::*;

    #[track_caller]
    fn assert_verdicts(cases: &[(&str, &str, char)]) {
        for (gold, text, expected) in cases {
            let found = verify_json(gold, text, None);
            let got = match found.verdict {
                Verdict::Right => 'r',
                Verdict::Wrong => 'w',
                Verdict::CannotTell(_) => '?',
            };
            assert_eq!(got, *expected, "gold {gold}, text {text:?}: {found:?}");
        }
    }

    #[test]
    fn values_are_compared_exactly() {
        assert_verdicts(&[
            (r#"{"a":1,"b":[2,3]}"#, r#"{"b": [2.0, 3], "a": 1e0}"#, 'r'),
            (
                r#"{"a":1}"#,
                "Here it is:\n```json\n{\"a\": 1}\n```\nDone.",
                'r',
            ),
            (r#"{"a":1}"#, "```\n{\"a\": 2}\n```", 'w'),
            (r#"{"a":1}"#, r#"First {"a":2}, then {"a":1}."#, 'r'),
            (r#"{"a":1}"#, r#"<think>{"a":1}</think> {"a":2}"#, 'w'),
            ("[1,2]", "[2,1]", 'w'),
            ("[1,2]", "[1,2,3]", 'w'),
            (r#"{"a":1}"#, r#"{"a":"1"}"#, 'w'),
            (r#"{"a":null}"#, "{}", 'w'),
            ("{}", r#"{"a":null}"#, 'w'),
            (r#"{"a":1}"#, r#"{"a":1,"a":1}"#, '?'),
            (r#"{"a":1}"#, "a is 1", '?'),
            (r#"{"a":1}"#, "", '?'),
            ("{'a':1}", "{}", '?'),
            ("true", "The answer is true.", 'r'),
            ("5", "5.0", 'r'),
            (r#""x""#, r#""x""#, 'r'),
            ("0.1", "0.1000000000000000055", 'w'),
        ]);
    }

    #[test]
    fn the_difference_is_told() {
        let found = verify_json(r#"{"a":{"b":[1,2]}}"#, r#"{"a":{"b":[1,3]}}"#, None);
        assert!(
            found.how.contains("the value.a.b[1] is 3, gold 2"),
            "{}",
            found.how
        );
    }
}
