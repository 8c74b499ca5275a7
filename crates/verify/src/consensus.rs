//! Final answers without gold: what a text states, and whether two texts state the same.

use autodidact_core::{Choice, Verdict, VerifyKind};

use crate::extraction::{self, Place, first_line, last_line};
use crate::verifier::verify_answer;

/// Longer statements are prose, which no two models write alike.
const LONGEST: usize = 200;

/// The final answer a text states, as written there without markup; `None` if it states none.
///
/// What follows the last answer mark (`the answer is`, `####`, `\boxed{…}`) counts. A text without
/// a mark states its last line, if that is short.
pub fn final_answer(text: &str) -> Option<String> {
    let statement = extraction::find(text).ok()?;
    let found = match statement.place {
        Place::Boxed => statement.text.trim(),
        Place::Marked => sentence(first_line(&statement.text)),
        Place::Unmarked => last_line(&statement.text),
    };
    let markup = |c: char| c.is_whitespace() || matches!(c, '*' | '_' | '`' | '"' | '“' | '”');
    let bare = found.trim_matches(markup);
    let bare = bare.strip_suffix('.').unwrap_or(bare).trim_matches(markup);
    (!bare.is_empty() && bare.len() <= LONGEST).then(|| bare.to_owned())
}

/// The first sentence of a line; a point between digits ends none.
fn sentence(line: &str) -> &str {
    let end = line.match_indices(['.', '!']).find_map(|(at, _)| {
        let after = line[at + 1..].chars().next();
        after.is_none_or(char::is_whitespace).then_some(at)
    });
    end.map_or(line, |end| &line[..end])
}

/// True if two final answers, as [`final_answer`] gives them, mean the same under a way of
/// comparing: each is taken for gold and compared with the other, since one side may be the more
/// exact one.
pub fn same_answer(kind: VerifyKind, choices: &[Choice], one: &str, other: &str) -> bool {
    let is = |gold: &str, answer: &str| {
        let stated = format!("The answer is {answer}.");
        verify_answer(kind, gold, choices, &stated).verdict == Verdict::Right
    };
    if kind != VerifyKind::Regex && (is(one, other) || is(other, one)) {
        return true;
    }
    folded(one) == folded(other)
}

/// True if two final answers mean the same, whatever they are: numbers by value, texts by their
/// words.
pub fn same_free_answer(one: &str, other: &str) -> bool {
    same_answer(VerifyKind::Number, &[], one, other)
}

fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_statement_counts() {
        for (text, answer) in [
            ("17 * 23 = 391. The answer is 391.", Some("391")),
            ("The answer is 3.5. I hope that helps.", Some("3.5")),
            ("So we get \\boxed{\\frac{1}{2}}.", Some("\\frac{1}{2}")),
            ("**Answer:** Paris.", Some("Paris")),
            ("It is\n\nblue", Some("blue")),
            ("<think>the answer is 4</think>", None),
            ("", None),
        ] {
            assert_eq!(final_answer(text).as_deref(), answer, "{text}");
        }
    }

    #[test]
    fn answers_agree_by_value_or_by_words() {
        assert!(same_free_answer("391", "391.0"));
        assert!(same_free_answer("$1,000", "1000 dollars"));
        assert!(same_free_answer("Paris", "paris"));
        assert!(!same_free_answer("Paris", "London"));
        assert!(!same_free_answer("3", "4"));
        assert!(!same_free_answer("x = 3 or 4", "x = 4 or 5"));
    }

    #[test]
    fn choices_agree_by_letter_and_text() {
        let choice = |label: &str, text: &str| Choice {
            label: label.into(),
            text: text.into(),
        };
        let choices = [choice("A", "sink"), choice("B", "market")];
        let same = |a, b| same_answer(VerifyKind::Choice, &choices, a, b);
        assert!(same("B", "(b) market"));
        assert!(!same("A", "B"));
    }
}
