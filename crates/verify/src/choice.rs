//! Multiple choice: which option a text settles on, by letter or by words.
//!
//! A letter counts where it cannot be a word: in brackets, alone, or first after an answer mark.
//! Without a letter the option's own words count, the longest option first, so that `river bank`
//! is not taken for `bank`.

use autodidact_core::{Choice, Verification};

use crate::extraction::{Place, Statement, first_line, last_line};
use crate::latex::Plain;
use crate::verifier::{cannot_tell, decided};

/// What a text settles on.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Settled {
    /// One option: its label in upper case, and how it was written.
    Label(String, String),
    /// Something was stated, and it is none of the options.
    NoOption(String),
    /// No decision; why.
    Unclear(String),
}

/// Compares the option `text` settles on with `gold`, which is a label or the words of a choice.
///
/// Where letter and words contradict each other (`the answer is dog (b)`, b being `cat`) the
/// outcome is undecided. Without `choices` only letters are read.
pub(crate) fn verify_choice(
    wanted: &str,
    choices: &[Choice],
    statement: &Statement<'_>,
) -> Verification {
    let place = statement.place.as_str();
    let options = Options { choices };
    let settled = match statement.place {
        Place::Unmarked => options.unmarked(&statement.text),
        Place::Marked | Place::Boxed => options.marked(&statement.text),
    };
    match settled {
        Settled::Label(label, written) => {
            let right = label == wanted;
            let verb = if right { "is" } else { "is not" };
            let how =
                format!("`{written}`, {place}, is choice {label}, which {verb} gold {wanted}");
            decided(right, written, how)
        }
        Settled::NoOption(written) => {
            let how = format!("`{written}`, {place}, is none of the choices; gold is {wanted}");
            decided(false, written, how)
        }
        Settled::Unclear(reason) => cannot_tell(format!("{reason} {place}"), None),
    }
}

/// The label gold stands for.
pub(crate) fn gold_label(gold: &str, choices: &[Choice]) -> Option<String> {
    let gold = clean(gold);
    let gold = gold.as_str();
    let bare = gold.trim().trim_matches(['(', ')', '[', ']', '.', ':']);
    let by_label = |c: &&Choice| c.label.trim().eq_ignore_ascii_case(bare.trim());
    let by_text = |c: &&Choice| words(&c.text) == words(gold);
    if choices.is_empty() {
        return single_letter(bare);
    }
    let found = choices.iter().find(by_label);
    found
        .or_else(|| choices.iter().find(by_text))
        .map(|choice| choice.label.trim().to_uppercase())
}

fn single_letter(text: &str) -> Option<String> {
    let mut chars = text.trim().chars();
    let letter = chars.next().filter(char::is_ascii_alphanumeric)?;
    chars
        .next()
        .is_none()
        .then(|| letter.to_uppercase().to_string())
}

/// Lower case, single spaces, no punctuation at the ends of words, no leading article.
fn words(text: &str) -> String {
    let mut words: Vec<String> = text
        .split_whitespace()
        .map(|word| {
            word.trim_matches(|c: char| !c.is_alphanumeric())
                .to_lowercase()
        })
        .filter(|word| !word.is_empty())
        .collect();
    if words.len() > 1 && matches!(words[0].as_str(), "a" | "an" | "the") {
        words.remove(0);
    }
    words.join(" ")
}

/// Commands that only set type; what they hold is text.
const TYPOGRAPHY: [&str; 20] = [
    "text",
    "textbf",
    "textit",
    "textrm",
    "textnormal",
    "textup",
    "emph",
    "mathrm",
    "mathbf",
    "mathit",
    "mathsf",
    "mbox",
    "hbox",
    "bf",
    "rm",
    "boxed",
    "quad",
    "qquad",
    "left",
    "right",
];
/// Stands for a command of mathematics, so that a letter beside it is none of an option.
const FORMULA: char = '\u{fffc}';

/// A text without typography: no LaTeX, emphasis, quotes or math signs. Letters of a formula
/// (`\Delta E`, `$E = mc^2$`, `f(a)`) are hidden, since they name no option.
fn clean(text: &str) -> String {
    let drop = |c: char| match c {
        '{' | '}' | '*' | '_' | '$' | '`' | '"' | '“' | '”' => ' ',
        c => c,
    };
    let text = hidden_formulas(text);
    Plain::new(&text).chars.iter().map(|c| drop(*c)).collect()
}

/// Puts [`FORMULA`] before commands that are mathematics, and in the place of formulas that are more than
/// a word.
fn hidden_formulas(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains(['\\', '$']) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '$']) {
        shown.push_str(rest.get(..at).unwrap_or_default());
        let tail = rest.get(at..).unwrap_or_default();
        let taken = if let Some(inner) = tail.strip_prefix('$') {
            let close = inner.find('$').filter(|close| *close <= 400);
            let formula = close.and_then(|close| inner.get(..close));
            if let Some(formula) = formula.filter(|formula| is_formula(formula)) {
                shown.push(FORMULA);
                formula.len() + 2
            } else {
                shown.push('$');
                1
            }
        } else {
            let name = tail.get(1..).unwrap_or_default();
            let letters = name.bytes().take_while(u8::is_ascii_alphabetic).count();
            let name = name.get(..letters).unwrap_or_default();
            if letters > 0 && !TYPOGRAPHY.contains(&name) {
                shown.push(FORMULA);
            }
            shown.push_str(tail.get(..=letters).unwrap_or_default());
            1 + letters
        };
        rest = tail.get(taken..).unwrap_or_default();
    }
    shown.push_str(rest);
    shown.into()
}

/// True for what stands between two dollar signs if it is more than a letter or a number.
fn is_formula(inner: &str) -> bool {
    let sets_type = |(at, _): (usize, &str)| {
        let name = inner.get(at + 1..).unwrap_or_default();
        TYPOGRAPHY.iter().any(|command| name.starts_with(command))
    };
    let mathematics =
        inner.contains(['=', '^', '_', '+', '<', '>']) || !inner.match_indices('\\').all(sets_type);
    mathematics && !inner.contains('\n')
}

struct Options<'a> {
    choices: &'a [Choice],
}

impl Options<'_> {
    /// The label, in upper case, if `letter` is one.
    fn label(&self, letter: &str) -> Option<String> {
        let upper = letter.trim().to_uppercase();
        if self.choices.is_empty() {
            return single_letter(&upper);
        }
        let is_label = |c: &Choice| c.label.trim().eq_ignore_ascii_case(&upper);
        self.choices.iter().any(is_label).then_some(upper)
    }

    /// Letters in brackets, with where they start and end.
    fn bracketed(text: &str) -> Vec<(usize, usize, &str)> {
        let mut found = Vec::new();
        for (start, _) in text.match_indices(['(', '[']) {
            let inner = text.get(start + 1..).unwrap_or_default();
            let near = inner
                .char_indices()
                .nth(7)
                .map_or(inner.len(), |(at, _)| at);
            let inner = inner.get(..near).unwrap_or_default();
            let Some(length) = inner.find([')', ']']).filter(|length| *length <= 6) else {
                continue;
            };
            let letter = inner[..length].trim();
            // `f(a)` is a function and `\Delta (E)` a product.
            let before = text.get(..start).unwrap_or_default();
            let called = before.ends_with(|c: char| c.is_ascii_alphabetic() || c == FORMULA) && {
                let mut last = before.chars().rev();
                last.next();
                !last.next().is_some_and(char::is_alphabetic)
            };
            if !called && single_letter(letter).is_some() {
                found.push((start, start + length + 2, letter));
            }
        }
        found
    }

    /// Reads what follows an answer mark.
    fn marked(&self, text: &str) -> Settled {
        let text = clean(text);
        let line = first_line(&text);
        if let Some(settled) = self.leading_letter(line) {
            return settled;
        }
        let letters = Self::bracketed(line);
        let Some(&(start, end, letter)) = letters.first() else {
            return self.by_words(line);
        };
        let Some(label) = self.label(letter) else {
            return Settled::NoOption(line[start..end].to_owned());
        };
        let others = letters.get(1).filter(|next| joined(&line[end..next.0]));
        if others.is_some_and(|other| self.label(other.2).is_some_and(|other| other != label)) {
            return Settled::Unclear("more than one choice is named".into());
        }
        match self.contradiction(&label, &[&line[..start], &line[end..]]) {
            Some(reason) => Settled::Unclear(reason),
            None => Settled::Label(label, line[..end].trim().to_owned()),
        }
    }

    /// A letter directly after the mark: `B`, `B.`, `(b)`, `B) dog`, `option B`.
    fn leading_letter(&self, line: &str) -> Option<Settled> {
        let rest = ["option ", "choice ", "letter "]
            .iter()
            .find_map(|word| strip_prefix_ignoring_case(line, word))
            .unwrap_or(line);
        let mut chars = rest.char_indices().filter(|(_, c)| !c.is_whitespace());
        let (start, letter) = chars.next().filter(|(_, c)| c.is_ascii_alphanumeric())?;
        let after = &rest[start + 1..];
        let next = after.chars().next();
        // A lower-case `a` before a word is the article; so is `A` at the start of an option.
        let stands_alone = match next {
            None => true,
            Some(c) if c.is_whitespace() => {
                let alone = after.trim().is_empty();
                alone || (letter.is_ascii_uppercase() && !self.has_words(line))
            }
            Some(c) => matches!(c, '.' | ',' | ')' | ']' | ':' | ';' | '!'),
        };
        let label = self.label(&letter.to_string()).filter(|_| stands_alone)?;
        let also = after.trim_start_matches([')', ']', '.', ',']).trim_start();
        let joined = ["or ", "and ", "/"]
            .iter()
            .find_map(|word| also.strip_prefix(word));
        let other = joined.and_then(|rest| {
            rest.split(|c: char| !c.is_alphanumeric())
                .find(|w| !w.is_empty())
        });
        if other
            .and_then(|other| self.label(other))
            .is_some_and(|other| other != label)
        {
            return Some(Settled::Unclear("more than one choice is named".into()));
        }
        Some(match self.contradiction(&label, &[after]) {
            Some(reason) => Settled::Unclear(reason),
            None => Settled::Label(label, letter.to_string()),
        })
    }

    fn has_words(&self, line: &str) -> bool {
        let line = words(line);
        self.choices.iter().any(|c| words(&c.text) == line)
    }

    /// Says so if one of `parts` is exactly the words of another choice than `label`.
    fn contradiction(&self, label: &str, parts: &[&str]) -> Option<String> {
        let parts: Vec<String> = parts.iter().map(|part| words(part)).collect();
        let named = |c: &&Choice| {
            let text = words(&c.text);
            !text.is_empty() && parts.contains(&text)
        };
        let mut named = self.choices.iter().filter(named).peekable();
        named.peek()?;
        named
            .all(|c| !c.label.trim().eq_ignore_ascii_case(label))
            .then(|| format!("letter {label} and the words beside it name different choices"))
    }

    /// Reads a text without answer mark: the last letter in brackets, or its last line.
    fn unmarked(&self, text: &str) -> Settled {
        let text = clean(text);
        let mut letters = Self::bracketed(&text);
        letters.retain(|(start, _, letter)| {
            self.label(letter).is_some() && !is_denied(&text[..*start])
        });
        if let Some(&(start, end, letter)) = letters.last() {
            let before = letters.iter().rev().nth(1);
            let also = before.filter(|before| joined(&text[before.1..start]));
            if also.is_some_and(|also| !also.2.eq_ignore_ascii_case(letter)) {
                return Settled::Unclear("more than one choice is named".into());
            }
            return Settled::Label(letter.to_uppercase(), text[start..end].to_owned());
        }
        let line = last_line(&text);
        // `B) market`
        if line
            .get(1..)
            .is_some_and(|rest| rest.starts_with([')', '.', ':']))
            && line.starts_with(|c: char| c.is_ascii_uppercase())
            && text.trim() == line
            && let Some(settled) = self.leading_letter(line)
        {
            return settled;
        }
        let alone = line.trim_matches(|c: char| !c.is_alphanumeric());
        if let Some(label) = single_letter(alone).and_then(|letter| self.label(&letter)) {
            return Settled::Label(label, alone.to_owned());
        }
        match self.by_words(line) {
            Settled::NoOption(_) => Settled::Unclear("no choice is named".into()),
            settled => settled,
        }
    }

    /// The option whose words are in `line`, preferably in its first sentence.
    fn by_words(&self, line: &str) -> Settled {
        let sentence = line.split_inclusive(". ").next().unwrap_or(line);
        for part in [sentence, line] {
            let found = self.named_in(&words(part));
            match found.as_slice() {
                [] => {}
                [one] => {
                    return Settled::Label(one.label.trim().to_uppercase(), one.text.clone());
                }
                _ => return Settled::Unclear("more than one choice is named".into()),
            }
        }
        if words(line).is_empty() {
            return Settled::Unclear("no choice is named".into());
        }
        Settled::NoOption(sentence.trim().trim_end_matches('.').to_owned())
    }

    /// The choices whose words occur in `line`, without those inside a longer one that does.
    fn named_in(&self, line: &str) -> Vec<&Choice> {
        let padded = format!(" {line} ");
        let spaced = |c: &Choice| format!(" {} ", words(&c.text));
        let mut found: Vec<(String, &Choice)> = self
            .choices
            .iter()
            .map(|c| (spaced(c), c))
            .filter(|(text, _)| !text.trim().is_empty() && padded.contains(text.as_str()))
            .collect();
        let texts: Vec<String> = found.iter().map(|(text, _)| text.clone()).collect();
        found.retain(|(text, _)| {
            !texts
                .iter()
                .any(|other| other.len() > text.len() && other.contains(text.as_str()))
        });
        found.dedup_by(|a, b| a.0 == b.0);
        found.into_iter().map(|(_, choice)| choice).collect()
    }
}

/// True for what stands between two letters of which neither counts more.
fn joined(between: &str) -> bool {
    matches!(
        between.trim(),
        "or" | "and" | "/" | "," | "&" | ", or" | ", and"
    )
}

/// True if what stands before a letter says that it is not the answer.
fn is_denied(before: &str) -> bool {
    let words = before.rsplit(|c: char| c.is_whitespace());
    let mut words = words.filter(|word| !word.is_empty());
    let last = words.next().unwrap_or_default().to_lowercase();
    let second = words.next().unwrap_or_default().to_lowercase();
    matches!(last.as_str(), "not" | "nor" | "neither" | "except")
        || last.ends_with("n't")
        || last.ends_with("n’t")
        || matches!(
            (second.as_str(), last.as_str()),
            ("rather", "than") | ("instead", "of") | ("not", "option" | "choice")
        )
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| &text[prefix.len()..])
}

#[cfg(test)]
mod tests {
    use autodidact_core::{Verdict, VerifyKind};

    use super::*;
    use crate::verify_answer;

    fn verify_choice(gold: &str, choices: &[Choice], text: &str) -> Verification {
        verify_answer(VerifyKind::Choice, gold, choices, text)
    }

    fn choices() -> Vec<Choice> {
        let texts = [
            "race track",
            "bank",
            "the river bank",
            "apartment",
            "a roadblock",
        ];
        ["A", "B", "C", "D", "E"]
            .iter()
            .zip(texts)
            .map(|(label, text)| Choice {
                label: (*label).into(),
                text: text.into(),
            })
            .collect()
    }

    #[track_caller]
    fn assert_verdicts(choices: &[Choice], cases: &[(&str, &str, char)]) {
        for (gold, text, expected) in cases {
            let found = verify_choice(gold, choices, text);
            let got = match found.verdict {
                Verdict::Right => 'r',
                Verdict::Wrong => 'w',
                Verdict::CannotTell(_) => '?',
            };
            assert_eq!(got, *expected, "gold {gold}, text {text:?}: {found:?}");
        }
    }

    #[test]
    fn letters() {
        assert_verdicts(
            &choices(),
            &[
                (
                    "B",
                    "Money is kept there. Therefore, the answer is bank (b).",
                    'r',
                ),
                ("B", "Therefore, the answer is (b).", 'r'),
                ("(b)", "The answer is B", 'r'),
                ("B", "The answer is B. (A) has no money.", 'r'),
                ("B", "The answer is B because of money", 'r'),
                ("B", "Answer: option b", 'r'),
                ("C", r"\boxed{\text{(C)}}", 'r'),
                ("E", r"\boxed{\text{E}}", 'r'),
                ("D", r"\boxed{\Delta E} Answer: D", 'r'),
                ("A", "Answer seems to be A", 'r'),
                ("A", "**Answer:** (A) race track", 'r'),
                ("B", "The answer is race track (a).", 'w'),
                ("B", "(a) is far; so (b)", 'r'),
                ("B", "b", 'r'),
                ("A", "The answer is (g).", 'w'),
                ("A", "The answer is (a) or (b).", '?'),
                ("A", "The answer is A or B.", '?'),
                ("A", "The answer is bank (a).", '?'),
                ("A", "The answer is A, bank.", '?'),
            ],
        );
    }

    #[test]
    fn letters_without_a_mark_that_are_joined_or_denied() {
        assert_verdicts(
            &choices(),
            &[
                ("B", "It is (a) or (b).", '?'),
                ("A", "Either (A), or (B)", '?'),
                ("B", "(A), (B)", '?'),
                ("B", "It is (B) or (b).", 'r'),
                ("B", "I would say (B), not (A).", 'r'),
                ("A", "I would say (B), not (A).", 'w'),
                ("B", "(B) rather than (A)", 'r'),
                ("B", "It isn't (A). It must be (B).", 'r'),
                ("A", "It must be (B). It isn’t (A).", 'w'),
                ("A", "It is not (A).", '?'),
                ("B", "First I thought (A). But (B) fits better.", 'r'),
            ],
        );
    }

    #[test]
    fn letters_of_formulas_and_words_are_none() {
        assert_verdicts(
            &choices(),
            &[
                (
                    "D",
                    r"It is \boxed{\frac{q}{\Delta E}} here. Answer: D",
                    'r',
                ),
                ("E", r"\boxed{\Delta E}", 'w'),
                ("E", r"So it is $\Delta E$", '?'),
                ("C", "We know that $E = mc^2$ and f(c) holds", '?'),
                ("A", "The value of f(a)", '?'),
                ("A", "Because B is valid", '?'),
                ("B", "Because B is valid", '?'),
                ("B", r"The answer is $\textbf{(B)}$", 'r'),
                ("B", r"$\boxed{\mathrm{B}}$", 'r'),
                ("B", "$B$", 'r'),
                ("B", "B) bank", 'r'),
                ("B", "B. bank", 'r'),
                (r"\text{B}", "B", 'r'),
                ("B", "<answer>B</answer>", 'r'),
                ("B", "The correct option is B.", 'r'),
                ("B", "**Answer**\n\nB", 'r'),
                ("B", "The best choice is (B) bank", 'r'),
            ],
        );
    }

    #[test]
    fn words_of_a_choice() {
        assert_verdicts(
            &choices(),
            &[
                ("B", "The answer is bank.", 'r'),
                ("B", "The answer is river bank.", 'w'),
                ("C", "The answer is the River  Bank!", 'r'),
                ("the river bank", "The answer is (c).", 'r'),
                ("E", "The answer is a roadblock", 'r'),
                ("A", "The answer is a roadblock", 'w'),
                ("A", "The answer is a race track.", 'r'),
                ("A", "The answer is elephants.", 'w'),
                ("A", "I would go to the race track", 'r'),
                ("A", "I would go to the race track or the apartment", '?'),
                ("A", "I do not know", '?'),
                ("A", "", '?'),
                ("A", "The answer is", '?'),
                ("none", "The answer is (a).", '?'),
            ],
        );
    }

    #[test]
    fn without_choices_only_letters_are_read() {
        assert_verdicts(
            &[],
            &[
                ("C", "the answer is (c)", 'r'),
                ("C", "C", 'r'),
                ("C", "the answer is C.", 'r'),
                ("C", "the answer is cats", 'w'),
                ("cats", "the answer is cats", '?'),
            ],
        );
    }

    #[test]
    fn a_digit_can_be_a_label() {
        let numbered = [("1", "ten"), ("2", "20")].map(|(label, text)| Choice {
            label: label.into(),
            text: text.into(),
        });
        assert_verdicts(
            &numbered,
            &[
                ("2", "the answer is (2)", 'r'),
                ("2", "the answer is 20", 'r'),
            ],
        );
    }
}
