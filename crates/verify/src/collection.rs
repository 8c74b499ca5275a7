//! Answers with elements: sets in any order, lists in theirs.

use crate::expression::{Options, Outcome, compare};
use crate::extraction::{Place, Statement, answer_span, find, last_span};
use crate::json::{self, Value};
use crate::mathematics::Read;
use crate::verifier::{cannot_tell, decided};

/// Elements that are compared, at most, on each side.
const MOST_ELEMENTS: usize = 1000;
/// Exact comparisons of two elements, at most. Elements with the same text need none.
const MOST_COMPARISONS: usize = 2000;

/// Compares the elements that a statement names with those of gold, each as mathematics or text. In a
/// set an element that stands twice counts once.
pub(crate) fn verify_collection(
    gold: &str,
    statement: &Statement<'_>,
    ordered: bool,
    policies: &Options,
) -> Read {
    let plain = |verification| (verification, Vec::new());
    let wanted = elements(&stated(gold));
    let written = written(statement);
    let found = elements(&written);
    if wanted.len() > MOST_ELEMENTS || found.len() > MOST_ELEMENTS {
        let reason = format!("more than {MOST_ELEMENTS} elements are not compared");
        return plain(cannot_tell(reason, Some(written)));
    }
    if found.is_empty() && !empties(&written) {
        return plain(cannot_tell("no elements found in the text", None));
    }
    let mut comparer = Comparer {
        policies,
        left: MOST_COMPARISONS,
    };
    let decision = if ordered {
        comparer.lists(&wanted, &found)
    } else {
        comparer.sets(&wanted, &found)
    };
    let place = statement.place.as_str();
    match decision {
        Decision::Same => {
            let (n, what) = (
                found.len(),
                if ordered { "in order" } else { "in any order" },
            );
            let how = format!("the {n} elements {place} are those of gold, {what}");
            plain(decided(true, written, how))
        }
        Decision::Differs(reason) => plain(decided(false, written, format!("{place}: {reason}"))),
        Decision::Unclear(reason) => plain(cannot_tell(reason, Some(written))),
    }
}

enum Decision {
    Same,
    Differs(String),
    Unclear(String),
}

struct Comparer<'a> {
    policies: &'a Options,
    left: usize,
}

impl Comparer<'_> {
    fn same(&mut self, gold: &str, found: &str) -> Outcome {
        if folded(gold) == folded(found) {
            return Outcome::Equal;
        }
        if self.left == 0 {
            return Outcome::Unknown("too many elements have to be compared".to_owned());
        }
        self.left -= 1;
        compare(gold, found, self.policies).outcome
    }

    fn lists(&mut self, wanted: &[String], found: &[String]) -> Decision {
        if wanted.len() != found.len() {
            let (ours, theirs) = (wanted.len(), found.len());
            return Decision::Differs(format!("there are {theirs} elements, gold has {ours}"));
        }
        for (at, (gold, one)) in wanted.iter().zip(found).enumerate() {
            match self.same(gold, one) {
                Outcome::Equal => {}
                Outcome::Different => {
                    let reason = format!("element {} is `{one}`, gold `{gold}`", at + 1);
                    return Decision::Differs(reason);
                }
                Outcome::Unknown(reason) => {
                    let reason = format!("element {}, `{one}`: {reason}", at + 1);
                    return Decision::Unclear(reason);
                }
            }
        }
        Decision::Same
    }

    fn sets(&mut self, wanted: &[String], found: &[String]) -> Decision {
        let mut seen = vec![false; wanted.len()];
        let mut texts: std::collections::HashMap<String, Vec<usize>> =
            std::collections::HashMap::new();
        for (at, gold) in wanted.iter().enumerate() {
            texts.entry(folded(gold)).or_default().push(at);
        }
        for one in found {
            let mut places = texts.get(&folded(one)).cloned().unwrap_or_default();
            let mut unclear = None;
            if places.is_empty() {
                for (at, gold) in wanted.iter().enumerate() {
                    match self.same(gold, one) {
                        Outcome::Equal => places.push(at),
                        Outcome::Different => {}
                        Outcome::Unknown(reason) => unclear = Some(reason),
                    }
                }
            }
            if places.is_empty() {
                return match unclear {
                    Some(reason) => Decision::Unclear(format!("`{one}`: {reason}")),
                    None => Decision::Differs(format!("`{one}` is no element of gold")),
                };
            }
            for place in places {
                if let Some(seen) = seen.get_mut(place) {
                    *seen = true;
                }
            }
        }
        // An element of gold may stand there twice.
        for at in 0..wanted.len() {
            let missing = seen.get(at) == Some(&false);
            let Some(gold) = wanted.get(at).filter(|_| missing) else {
                continue;
            };
            let twin = found
                .iter()
                .any(|one| self.same(gold, one) == Outcome::Equal);
            if !twin {
                return Decision::Differs(format!("the element `{gold}` is missing"));
            }
        }
        Decision::Same
    }
}

fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// What gold states: the contents of boxes, or all of it.
fn stated(gold: &str) -> String {
    match find(gold) {
        Ok(statement) if statement.place == Place::Boxed => statement.text.into_owned(),
        _ => gold.to_owned(),
    }
}

/// The piece of a statement that names the elements: several lines if they are a list of lines.
fn written(statement: &Statement<'_>) -> String {
    let text = statement.text.trim();
    if statement.place == Place::Boxed || json::parse(text).is_ok() {
        return text.to_owned();
    }
    let lines = items(text);
    if lines.len() > 1 {
        return lines.join("\n");
    }
    // The words of a sentence are elements too, so mathematics is not singled out.
    let line = text
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .unwrap_or("");
    let first = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("");
    let named = |text: &str| {
        text.trim_end_matches('.')
            .trim_matches(['*', '`', ' '])
            .to_owned()
    };
    match statement.place {
        Place::Unmarked if bracketed(line) => named(line),
        Place::Unmarked => last_span(line, !line.contains(|c: char| c.is_ascii_digit()), true),
        _ if bracketed(first) => named(first),
        _ => answer_span(text, true),
    }
}

fn bracketed(text: &str) -> bool {
    let bare = text
        .trim_end_matches('.')
        .trim_matches(['*', '`', '$', ' ']);
    bare.starts_with(['{', '[', '(', '\\']) && bare.ends_with(['}', ']', ')'])
}

/// The items of a list of lines: `- a`, `* b`, `1. c`.
fn items(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let item = |line: &'_ str| -> Option<usize> {
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        let rest = line.get(digits..)?;
        let marked = if digits > 0 {
            rest.starts_with(". ") || rest.starts_with(") ")
        } else {
            rest.starts_with("- ") || rest.starts_with("* ") || rest.starts_with("• ")
        };
        let sign = rest.chars().next().map_or(0, char::len_utf8);
        marked.then_some(digits + sign + 1)
    };
    lines
        .filter_map(|line| line.get(item(line)?..).map(str::trim))
        .collect()
}

fn empties(text: &str) -> bool {
    let bare: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '$')
        .collect();
    matches!(
        bare.as_str(),
        "{}" | "[]" | "()" | "\\{\\}" | "∅" | "\\emptyset" | "\\varnothing"
    ) || bare.eq_ignore_ascii_case("none")
        || bare.eq_ignore_ascii_case("emptyset")
}

/// The elements of a text: of a JSON list, of lines, or between commas, semicolons, `and` and `or`.
fn elements(text: &str) -> Vec<String> {
    let text = text.trim();
    if let Ok(Value::Array(values)) = json::parse(text) {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        return values.iter().map(text).collect();
    }
    if empties(text) {
        return Vec::new();
    }
    let lines = items(text);
    if lines.len() > 1 {
        return lines.into_iter().map(str::to_owned).collect();
    }
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '$' | '`' | '*'));
    let text = unwrapped(text.trim_end_matches('.'));
    split(text)
}

/// Without the brackets around the whole.
fn unwrapped(text: &str) -> &str {
    const PAIRS: [(&str, &str); 7] = [
        ("\\left\\{", "\\right\\}"),
        ("\\left[", "\\right]"),
        ("\\left(", "\\right)"),
        ("\\{", "\\}"),
        ("{", "}"),
        ("[", "]"),
        ("(", ")"),
    ];
    let inside = |(open, close): &(&str, &str)| {
        let inner = text.strip_prefix(open)?.strip_suffix(close)?;
        // `(1,2), (3,4)` is not wrapped: its first bracket closes before the end.
        let mut depth = 0i64;
        let balanced = inner.chars().all(|c| {
            depth += match c {
                '(' | '[' | '{' => 1,
                ')' | ']' | '}' => -1,
                _ => 0,
            };
            depth >= 0
        });
        balanced.then_some(inner.trim())
    };
    PAIRS.iter().find_map(inside).unwrap_or(text)
}

/// Splits at separators outside brackets: semicolons or lines if there are any, else commas and words.
fn split(text: &str) -> Vec<String> {
    let coarse = pieces(text, |c, _| matches!(c, ';' | '\n'));
    let parts = if coarse.len() > 1 {
        coarse
    } else {
        let spaced = text.contains(", ");
        pieces(text, |c, rest| {
            // In `1,000, 2,000` only commas with a space separate.
            let grouped = rest.bytes().take_while(u8::is_ascii_digit).count() == 3;
            c == ',' && !(spaced && grouped)
        })
    };
    let conjunctions = |part: String| -> Vec<String> {
        let part = part.trim();
        let part = ["and ", "or "]
            .iter()
            .find_map(|word| part.strip_prefix(word))
            .unwrap_or(part);
        let spaced = part
            .replace("\\text{ and }", " and ")
            .replace("\\text{ or }", " or ");
        let words: Vec<&str> = spaced
            .split(" and ")
            .flat_map(|part| part.split(" or "))
            .collect();
        words
            .into_iter()
            .map(|word| word.trim().to_owned())
            .collect()
    };
    let all = parts.into_iter().flat_map(conjunctions);
    all.filter(|part| !part.is_empty()).collect()
}

fn pieces(text: &str, separates: impl Fn(char, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut depth = 0i64;
    let mut start = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        let rest = text.get(at + c.len_utf8()..).unwrap_or_default();
        if depth <= 0 && separates(c, rest) {
            found.push(text.get(start..at).unwrap_or_default().to_owned());
            start = at + c.len_utf8();
        }
    }
    found.push(text.get(start..).unwrap_or_default().to_owned());
    found
}

#[cfg(test)]
mod tests {
    use autodidact_core::{Verdict, VerifyKind};

    use crate::verify_answer;

    #[track_caller]
    fn assert_verdicts(kind: VerifyKind, cases: &[(&str, &str, char)]) {
        for (gold, text, expected) in cases {
            let found = verify_answer(kind, gold, &[], text);
            let got = match found.verdict {
                Verdict::Right => 'r',
                Verdict::Wrong => 'w',
                Verdict::CannotTell(_) => '?',
            };
            assert_eq!(got, *expected, "gold {gold}, text {text:?}: {found:?}");
        }
    }

    #[test]
    fn sets_have_no_order() {
        assert_verdicts(
            VerifyKind::Set,
            &[
                ("1, 2, 3", "The answer is {3, 1, 2}.", 'r'),
                ("{1,2}", "2 and 1", 'r'),
                ("[1,2,2]", r"\boxed{\{1, 2\}}", 'r'),
                (r#"["red","blue"]"#, "Answer: blue and red", 'r'),
                ("red, blue", "The answer is red, blue and green.", 'w'),
                ("red, blue", "The answer is red.", 'w'),
                ("red, blue", "The answer is:\n- Blue\n- Red\n", 'r'),
                ("(1,2),(3,4)", "(3,4), (1,2)", 'r'),
                ("(1,2),(3,4)", "(4,3), (1,2)", 'w'),
                ("1,000, 2,000", "2,000; 1,000", 'r'),
                ("{}", r"The answer is $\emptyset$", 'r'),
                ("1,2", "", '?'),
            ],
        );
    }

    #[test]
    fn lists_have_one() {
        assert_verdicts(
            VerifyKind::List,
            &[
                ("1, 2, 3", "The answer is [1, 2, 3].", 'r'),
                ("1, 2, 3", "The answer is [3, 2, 1].", 'w'),
                ("1, 1, 2", "1, 2", 'w'),
                (r#"["a","b"]"#, "Answer:\n1. a\n2. b", 'r'),
                (r#"["a","b"]"#, "Answer:\n1. b\n2. a", 'w'),
            ],
        );
    }
}
