//! Answers that are text: compared as they are, or matched against a pattern.

use std::cell::RefCell;

use autodidact_core::Verification;
use regex::{Regex, RegexBuilder};

use crate::extraction::{Place, Statement, first_line, last_line};
use crate::verifier::{cannot_tell, decided};

/// Memory a compiled gold pattern may take; enough for any answer, too little for `(a{999}){999}`.
const PATTERN_SIZE: usize = 1 << 20;
/// The longest gold pattern, in bytes.
const PATTERN_LENGTH: usize = 4096;

/// Compares the stated answer with `gold`, white space and case folded.
pub(crate) fn verify_exact(gold: &str, statement: &Statement<'_>) -> Verification {
    let (candidate, place) = match candidate(statement, gold.trim().contains('\n')) {
        Ok(found) => found,
        Err(reason) => return cannot_tell(reason, None),
    };
    let wanted = folded(gold);
    let right = forms(&candidate).any(|form| folded(form) == wanted);
    let verb = if right { "equals" } else { "is not" };
    let how = format!("`{candidate}`, {place}, {verb} gold `{gold}`");
    decided(right, candidate, how)
}

/// Matches the whole stated answer against the pattern `gold`.
pub(crate) fn verify_regex(gold: &str, statement: &Statement<'_>) -> Verification {
    let (candidate, place) = match candidate(statement, false) {
        Ok(found) => found,
        Err(reason) => return cannot_tell(reason, None),
    };
    let is_match = |regex: &Regex| forms(&candidate).any(|form| regex.is_match(form));
    match with_pattern(gold, is_match) {
        Err(reason) => cannot_tell(reason, Some(candidate)),
        Ok(right) => {
            let verb = if right { "matches" } else { "does not match" };
            let how = format!("`{candidate}`, {place}, {verb} the gold pattern `{gold}`");
            decided(right, candidate, how)
        }
    }
}

/// The stated answer: the first line after a mark or a scratchpad, else the last line. `whole`
/// keeps all lines, for gold that has several.
fn candidate(
    statement: &Statement<'_>,
    whole: bool,
) -> Result<(String, &'static str), &'static str> {
    let (found, place) = match statement.place {
        _ if whole => (statement.text.trim(), statement.place.as_str()),
        Place::Boxed => (statement.text.trim(), statement.place.as_str()),
        Place::Marked => (first_line(&statement.text), statement.place.as_str()),
        Place::Unmarked if statement.after_scratchpad => {
            (first_line(&statement.text), "after the scratchpad")
        }
        Place::Unmarked => (
            last_line(&statement.text),
            "in the last line of the text, which has no answer mark",
        ),
    };
    if found.is_empty() {
        return Err("no answer found in the text");
    }
    Ok((found.to_owned(), place))
}

/// The candidate as it is, without emphasis and quotes, and without the full stop of its sentence.
fn forms(candidate: &str) -> impl Iterator<Item = &str> {
    let quotes =
        |c: char| c.is_whitespace() || matches!(c, '*' | '_' | '`' | '"' | '“' | '”' | '$');
    let bare = candidate.trim_matches(quotes);
    let stopped = bare.strip_suffix('.').unwrap_or(bare).trim_matches(quotes);
    [candidate.trim(), bare, stopped].into_iter()
}

fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

thread_local! {
    /// The pattern compiled last: the samples of one problem are verified one after the other.
    static LAST: RefCell<Option<(String, Result<Regex, String>)>> = const { RefCell::new(None) };
}

/// Runs `f` with `gold` compiled to match whole texts only.
fn with_pattern(gold: &str, f: impl Fn(&Regex) -> bool) -> Result<bool, String> {
    LAST.with_borrow_mut(|last| {
        if !matches!(last, Some((pattern, _)) if pattern == gold) {
            *last = Some((gold.to_owned(), compile(gold)));
        }
        match last {
            Some((_, Ok(regex))) => Ok(f(regex)),
            Some((_, Err(reason))) => Err(reason.clone()),
            None => Err("the gold pattern is not compiled".into()),
        }
    })
}

fn compile(gold: &str) -> Result<Regex, String> {
    let pattern = gold.trim();
    if pattern.len() > PATTERN_LENGTH {
        return Err(format!(
            "the gold pattern is longer than {PATTERN_LENGTH} bytes"
        ));
    }
    let build = |pattern: &str| RegexBuilder::new(pattern).size_limit(PATTERN_SIZE).build();
    // By itself first: a pattern like `a)|(b` must not get out of the group around it.
    build(pattern)
        .and_then(|_| build(&format!(r"\A(?:{pattern})\z")))
        .map_err(|e| {
            let said = e.to_string();
            let last = said.lines().last().unwrap_or_default();
            format!("the gold pattern `{pattern}` cannot be used: {last}")
        })
}

#[cfg(test)]
mod tests {
    use autodidact_core::{Verdict, VerifyKind};

    use super::*;
    use crate::verify_answer;

    fn verify_exact(gold: &str, text: &str) -> Verification {
        verify_answer(VerifyKind::Exact, gold, &[], text)
    }

    fn verify_regex(gold: &str, text: &str) -> Verification {
        verify_answer(VerifyKind::Regex, gold, &[], text)
    }

    type Verify = fn(&str, &str) -> Verification;

    #[track_caller]
    fn assert_verdicts(verify: Verify, cases: &[(&str, &str, char)]) {
        for (gold, text, expected) in cases {
            let found = verify(gold, text);
            let got = match found.verdict {
                Verdict::Right => 'r',
                Verdict::Wrong => 'w',
                Verdict::CannotTell(_) => '?',
            };
            assert_eq!(got, *expected, "gold {gold}, text {text:?}: {found:?}");
        }
    }

    #[test]
    fn exact() {
        assert_verdicts(
            verify_exact,
            &[
                (
                    "1 3 0 3",
                    "<scratch>\n1 + 8 , 3 C: 1\n</scratch>\n1 3 0 3",
                    'r',
                ),
                (
                    "1 3 0 3",
                    "<scratch>\n</scratch>\n1 3 0  3\n\nInput:\n4 + 4",
                    'r',
                ),
                ("1 3 0 3", "<scratch>\n</scratch>\n1 3 0 4", 'w'),
                ("1 3 0 3", "<scratch>\n1 3 0 3", '?'),
                ("odd", "The answer is **Odd**.", 'r'),
                ("odd", "It could be even.\nodd", 'r'),
                ("e.g.", "The answer is e.g.", 'r'),
                ("odd", "The answer is odd or even", 'w'),
                ("two\nlines", "#### two\nlines", 'r'),
                ("odd", "", '?'),
            ],
        );
    }

    #[test]
    fn patterns() {
        assert_verdicts(
            verify_regex,
            &[
                ("colou?r", "The answer is color.", 'r'),
                ("colou?r", "The answer is a color.", 'w'),
                ("(?i)yes|yep", "Answer: Yep", 'r'),
                (r"\d+", "the answer is 12", 'r'),
                ("a)|(b", "the answer is ab", '?'),
                ("(", "the answer is ab", '?'),
                ("((a{999}){999}){999}", "the answer is a", '?'),
            ],
        );
        let long = "a".repeat(5000);
        assert_verdicts(verify_regex, &[(long.as_str(), "the answer is a", '?')]);
    }
}
