//! Answers that are mathematics: what gold and text state, and the exact comparison of the two.

use std::borrow::Cow;
use std::cell::RefCell;

use autodidact_core::{Choice, Verdict, Verification};

use crate::choice::verify_choice;
use crate::expression::{
    BROKEN, Comparison, Options, Outcome, compare, is_broken, is_plain_integer,
};
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
    /// The letter of a choice, if gold is nothing else.
    letter: Option<String>,
    policies: &'a Options,
    /// The answer compared last: the second reading mostly finds the same.
    last: RefCell<Option<(String, Comparison)>>,
}

impl<'a> MathGold<'a> {
    /// Reads gold: the part after `####`, the contents of boxes, or all of it.
    pub(crate) fn new(gold: &'a str, policies: &'a Options) -> Self {
        // Most golds are integers, which need no reader.
        let plain = is_plain_integer(gold);
        let value = if plain {
            Cow::Borrowed(gold)
        } else {
            stated(gold)
        };
        Self {
            worded: !plain && is_worded(&value),
            letter: letter(&value),
            value,
            policies,
            last: RefCell::new(None),
        }
    }

    /// Compares the answer of a statement. `first`: this is the reading that decides. In a text without
    /// marks, a sentence that begins with `therefore` then counts more than a later one; of the other
    /// reading, it is not told how it came about.
    pub(crate) fn verify(
        &self,
        statement: &Statement<'_>,
        choices: &[Choice],
        first: bool,
    ) -> Read {
        if let Some(letter) = &self.letter {
            let read = verify_choice(letter, choices, statement);
            if read.verdict == Verdict::Right {
                let how = read.how.clone();
                return (read, vec![how]);
            }
        }
        if !self.policies.lenient_delimiters && is_broken(&statement.text) {
            let stated = statement.text.trim().to_owned();
            let how = format!("`{stated}`: {BROKEN}");
            return (decided(false, stated, how.clone()), vec![how]);
        }
        let mut last: Option<Read> = None;
        for answer in self.answers(statement, first) {
            let read = self.compare(&answer, statement.place, first);
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

    /// Compares one answer; with `told`, it is also said how.
    pub(crate) fn compare(&self, answer: &str, place: Place, told: bool) -> Read {
        let mut last = self.last.borrow_mut();
        let comparison = match &*last {
            Some((known, comparison)) if known == answer => comparison,
            _ => {
                let comparison = compare(&self.value, answer, self.policies);
                &last.insert((answer.to_owned(), comparison)).1
            }
        };
        if told {
            return self.told(answer, place, comparison);
        }
        let verification = match &comparison.outcome {
            Outcome::Equal => decided(true, answer.to_owned(), String::new()),
            Outcome::Different => decided(false, answer.to_owned(), String::new()),
            Outcome::Unknown(reason) => cannot_tell(reason.as_str(), Some(answer.to_owned())),
        };
        (verification, Vec::new())
    }

    fn told(&self, answer: &str, place: Place, comparison: &Comparison) -> Read {
        let Comparison { outcome, steps, .. } = comparison;
        let (verb, reason) = match outcome {
            Outcome::Equal => ("equals", steps.last()),
            Outcome::Different => ("is not", steps.last()),
            Outcome::Unknown(reason) => ("cannot be compared with", Some(reason)),
        };
        let before_reason = if reason.is_some() { ": " } else { "" };
        // Joined, not formatted: this is done for every answer.
        let how = [
            "`",
            answer,
            "`, ",
            place.as_str(),
            ", ",
            verb,
            " gold `",
            &self.value,
            "`",
            before_reason,
            reason.map_or("", String::as_str),
        ]
        .concat();
        let verification = match outcome {
            Outcome::Equal => decided(true, answer.to_owned(), how),
            Outcome::Different => decided(false, answer.to_owned(), how),
            Outcome::Unknown(_) => cannot_tell(how, Some(answer.to_owned())),
        };
        (verification, steps.clone())
    }
}

/// The letter of a choice, if gold is nothing else.
fn letter(gold: &str) -> Option<String> {
    let bare = if gold.contains('\\') {
        Cow::Owned(gold.replace("\\text", "").replace("\\mathrm", ""))
    } else {
        Cow::Borrowed(gold)
    };
    let loose = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '{' | '}' | '$' | '.');
    let mut chars = bare.trim_matches(loose).chars();
    let letter = chars.next().filter(char::is_ascii_uppercase)?;
    chars.next().is_none().then(|| letter.to_string())
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
