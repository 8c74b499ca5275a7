//! Answers that are mathematics: what gold and text state, and the exact comparison of the two.

use std::borrow::Cow;
use std::cell::RefCell;

use autodidact_core::{Choice, Verdict, Verification};

use crate::choice::verify_choice;
use crate::expression::{Comparison, Options, Outcome, compare};
use crate::extraction::{Place, Statement, answer_span, find, is_worded, last_span, without_nouns};
use crate::verifier::{cannot_tell, decided};

/// Bytes of a text that may be nothing but the answer.
const SHORT: usize = 200;

/// What a reader makes of a statement: the verification, and the steps of the comparison.
pub(crate) type Read = (Verification, Vec<String>);

/// A gold answer that is mathematics, or a word, or a letter.
pub(crate) struct MathGold<'a> {
    /// As it is compared: without what is around it in a worked solution.
    value: Cow<'a, str>,
    worded: bool,
    policies: &'a Options,
    /// The answer compared last: the second reading mostly finds the same.
    last: RefCell<Option<(String, Read)>>,
}

impl<'a> MathGold<'a> {
    /// Reads gold: the part after `####`, the contents of boxes, or all of it.
    pub(crate) fn new(gold: &'a str, policies: &'a Options) -> Self {
        let value = stated(gold);
        let worded = is_worded(&value);
        Self {
            value,
            worded,
            policies,
            last: RefCell::new(None),
        }
    }

    /// The letter of a choice, if gold is nothing else.
    pub(crate) fn letter(&self) -> Option<String> {
        let bare = self.value.replace("\\text", "").replace("\\mathrm", "");
        let loose = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '{' | '}' | '$' | '.');
        let mut chars = bare.trim_matches(loose).chars();
        let letter = chars.next().filter(char::is_ascii_uppercase)?;
        chars.next().is_none().then(|| letter.to_string())
    }

    /// Compares the answer of a statement. `conclusions`: in a text without marks, a sentence that
    /// begins with `therefore` counts more than a later one.
    pub(crate) fn verify(
        &self,
        statement: &Statement<'_>,
        choices: &[Choice],
        conclusions: bool,
    ) -> Read {
        if let Some(letter) = self.letter() {
            let read = verify_choice(&letter, choices, statement);
            if read.verdict == Verdict::Right {
                let how = read.how.clone();
                return (read, vec![how]);
            }
        }
        let mut last: Option<Read> = None;
        for answer in self.answers(statement, conclusions) {
            let read = self.compare(&answer, statement.place);
            let right = read.0.verdict == Verdict::Right;
            if right || last.is_none() {
                last = Some(read);
            }
            if right {
                break;
            }
        }
        last.unwrap_or_else(|| {
            let none = cannot_tell("no answer found in the text", None);
            (none, Vec::new())
        })
    }

    /// The readings of a statement, the likeliest first. There is more than one only where the text
    /// itself is ambiguous.
    fn answers(&self, statement: &Statement<'_>, conclusions: bool) -> Vec<String> {
        let text = statement.text.trim();
        let mut answers = Vec::new();
        match statement.place {
            Place::Boxed => {
                answers.push(text.to_owned());
                // `\boxed{The answer is 5}`
                if let Ok(inner) = find(text)
                    && inner.place != Place::Unmarked
                {
                    answers.push(answer_span(&inner.text, self.worded));
                } else if text.contains(' ') {
                    answers.push(answer_span(text, self.worded));
                }
            }
            Place::Marked => {
                let span = answer_span(text, self.worded);
                // `The answer is 5!` may be an exclamation.
                let exclaimed = span.strip_suffix('!').map(str::to_owned);
                answers.push(span);
                answers.extend(exclaimed.filter(|_| text.contains("! ") || text.ends_with('!')));
            }
            Place::Unmarked => {
                answers.push(last_span(text, self.worded, conclusions));
                // A short text may be the answer as a whole after all.
                if text.len() <= SHORT && !text.contains('\n') {
                    answers.push(text.to_owned());
                }
            }
        }
        answers.retain(|answer| !answer.trim().is_empty());
        answers.dedup();
        answers
    }

    /// Compares one answer.
    pub(crate) fn compare(&self, answer: &str, place: Place) -> Read {
        if let Some((known, read)) = self.last.borrow().as_ref()
            && known == answer
        {
            return read.clone();
        }
        let read = self.compare_anew(answer, place);
        *self.last.borrow_mut() = Some((answer.to_owned(), read.clone()));
        read
    }

    fn compare_anew(&self, answer: &str, place: Place) -> Read {
        let Comparison { outcome, steps, .. } = compare(&self.value, answer, self.policies);
        let place = place.as_str();
        let last = steps
            .last()
            .map_or_else(String::new, |step| format!(": {step}"));
        let gold = &self.value;
        let verification = match outcome {
            Outcome::Equal => {
                let how = format!("`{answer}`, {place}, equals gold `{gold}`{last}");
                decided(true, answer.to_owned(), how)
            }
            Outcome::Different => {
                let how = format!("`{answer}`, {place}, is not gold `{gold}`{last}");
                decided(false, answer.to_owned(), how)
            }
            Outcome::Unknown(reason) => {
                let reason =
                    format!("`{answer}`, {place}, cannot be compared with gold `{gold}`: {reason}");
                cannot_tell(reason, Some(answer.to_owned()))
            }
        };
        (verification, steps)
    }
}

/// What gold states: the part after the last `####`, the contents of boxes, or all of it; without the
/// words that say of what a number is.
fn stated(gold: &str) -> Cow<'_, str> {
    let marked = gold.contains("####") || gold.contains("\\boxed") || gold.contains("\\fbox");
    if marked && let Ok(statement) = find(gold) {
        let text = match statement.place {
            Place::Marked => answer_span(&statement.text, false),
            Place::Boxed | Place::Unmarked => statement.text.trim().to_owned(),
        };
        return Cow::Owned(without_nouns(&text).unwrap_or(text));
    }
    let gold = gold.trim();
    match without_nouns(gold) {
        Some(number) => Cow::Owned(number),
        None => Cow::Borrowed(gold),
    }
}
