//! The comparison of two answers as they are written.

use std::borrow::Cow;

use super::budget::{Budget, MAX_LENGTH, Trouble};
use super::delimiters;
use super::lexer::Reading;
use super::modular;
use super::options::{NumberFormat, Options};
use super::parser;
use super::reading;
use super::shape;
use super::tree::Node;
use super::words;

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Both answers mean the same: proved exactly, or by values modulo random large primes whose
    /// chance to err is below one in 2^40.
    Equal,
    /// The answers differ.
    Different,
    /// Neither could be shown; the reason in words.
    Unknown(String),
}

/// An outcome, and the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// What was found.
    pub outcome: Outcome,
    /// The steps in words, in order.
    pub steps: Vec<String>,
    /// Operations counted against the budget; one is about the cost of a machine multiplication.
    pub operations: u64,
}

/// Compares two answers written in LaTeX or plain text; gold is trusted, the candidate is not.
///
/// Work is bounded: answers over 8 KiB are only compared as text, and every step pays from a
/// budget of operations (see [`Comparison::operations`]).
///
/// ```
/// use autodidact_verify::{compare_expressions, Options, Outcome};
///
/// let options = Options::default();
/// let found = compare_expressions(r"3\sqrt{13}", r"\sqrt{117}", &options);
/// assert_eq!(found.outcome, Outcome::Equal);
/// let found = compare_expressions("1/2004!", "1/2006!", &options);
/// assert_eq!(found.outcome, Outcome::Different);
/// let found = compare_expressions("5 m", "5 cm", &options);
/// assert_eq!(found.outcome, Outcome::Different);
/// ```
pub fn compare(gold: &str, candidate: &str, options: &Options) -> Comparison {
    let mut found = one_way(gold, candidate, options);
    if options.symmetric && found.outcome != Outcome::Equal {
        let back = one_way(candidate, gold, options);
        found.operations += back.operations;
        let better = match (&found.outcome, &back.outcome) {
            (_, Outcome::Equal) | (Outcome::Different, Outcome::Unknown(_)) => true,
            // Of two reasons, one must be chosen in the same way in both directions.
            (Outcome::Unknown(reason), Outcome::Unknown(other)) => other < reason,
            _ => false,
        };
        if better {
            found.outcome = back.outcome;
            found.steps.push("compared in the other direction".into());
            found.steps.extend(back.steps);
        }
    }
    found
}

fn one_way(gold: &str, candidate: &str, options: &Options) -> Comparison {
    let mut budget = Budget::new();
    let mut steps = Vec::new();
    let outcome = decide(gold, candidate, options, &mut budget, &mut steps);
    Comparison {
        outcome,
        steps,
        operations: budget.spent(),
    }
}

fn decide(
    gold: &str,
    candidate: &str,
    options: &Options,
    budget: &mut Budget,
    steps: &mut Vec<String>,
) -> Outcome {
    let plain = options.tolerance.is_none() && options.gold_unit.is_none();
    if plain && is_plain_integer(gold) {
        if gold == candidate {
            steps.push("the same text".into());
            return Outcome::Equal;
        }
        if let Some(whole) = whole(candidate, options) {
            let (outcome, step) = if gold == whole {
                (Outcome::Equal, "equal: exact rational values")
            } else {
                (Outcome::Different, "different: exact rational values")
            };
            steps.push(step.into());
            return outcome;
        }
    }
    if !options.lenient_delimiters && delimiters::is_broken(candidate) {
        steps.push(delimiters::BROKEN.into());
        return Outcome::Different;
    }
    for (text, whose) in [(gold, "gold"), (candidate, "the candidate")] {
        if is_nothing(text) {
            steps.push(format!("{whose} is empty"));
            return Outcome::Unknown(format!("{whose} holds no answer"));
        }
    }
    if gold.len() > 64 * MAX_LENGTH || candidate.len() > 64 * MAX_LENGTH {
        return if gold == candidate {
            Outcome::Equal
        } else {
            Outcome::Unknown("the answers are too long to compare".into())
        };
    }
    if words::normal_text(gold) == words::normal_text(candidate) {
        steps.push("the same text".into());
        return Outcome::Equal;
    }
    if gold.len() > MAX_LENGTH || candidate.len() > MAX_LENGTH {
        steps.push("different texts".into());
        return Outcome::Unknown("the answers are too long to compare but as text".into());
    }
    let (gold, candidate) = (reading::unbox(gold), reading::unbox(candidate));
    let seed = modular::hash(&candidate, modular::hash(&gold, 0x00a1_d0d1));
    let mut comparer = Comparer {
        options,
        budget,
        steps,
        seed,
    };
    comparer.texts(&gold, &candidate)
}

/// True for an integer that can be written in no other way: two of them, which most answers are, need
/// no reader.
pub(crate) fn is_plain_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = !digits.starts_with('0') || text == "0";
    canonical && (1..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

/// The plain integer that a number is another way to write: `1,234`, `$18.00`. It is a short way past
/// the reader, and says what that says (see the test).
fn whole<'a>(text: &'a str, options: &Options) -> Option<Cow<'a, str>> {
    if is_plain_integer(text) {
        return Some(Cow::Borrowed(text));
    }
    if options.number_format == NumberFormat::Comma || text.len() > 64 {
        return None;
    }
    let amount = text
        .strip_prefix('$')
        .filter(|_| options.accept_missing_unit);
    let text = amount.unwrap_or(text);
    let (before, after) = text.split_once('.').unwrap_or((text, "0"));
    if after.is_empty() || after.bytes().any(|b| b != b'0') {
        return None;
    }
    let mut groups = before.split(',');
    let first = groups.next()?;
    let grouped = before.len() > first.len();
    let digits = first.strip_prefix('-').unwrap_or(first);
    if grouped && digits.len() > 3 || groups.any(|group| group.len() != 3) {
        return None;
    }
    let whole = if grouped {
        Cow::Owned(before.replace(',', ""))
    } else {
        Cow::Borrowed(before)
    };
    is_plain_integer(&whole).then_some(whole)
}

fn is_nothing(text: &str) -> bool {
    let plain = words::text_answer(text);
    let digits = text.chars().any(|c| c.is_alphanumeric() || !c.is_ascii());
    matches!(plain.as_str(), "nan") || !digits && !text.contains('{') && plain.is_empty()
}

/// One comparison under way.
pub(super) struct Comparer<'a> {
    pub(super) options: &'a Options,
    pub(super) budget: &'a mut Budget,
    pub(super) steps: &'a mut Vec<String>,
    pub(super) seed: u64,
}

impl Comparer<'_> {
    /// Notes a step.
    pub(super) fn note(&mut self, step: impl Into<String>) {
        // What people read stays short, whatever the answer holds.
        if self.steps.len() < 24 {
            self.steps.push(step.into());
        }
    }

    fn texts(&mut self, gold: &str, candidate: &str) -> Outcome {
        let gold_reading = reading::reading(gold, candidate, self.options);
        let candidate_reading = reading::reading(candidate, gold, self.options);
        let trees = (
            self.read(gold, gold_reading),
            self.read(candidate, candidate_reading),
        );
        let (gold_tree, candidate_tree) = match trees {
            (Ok(gold), Ok(candidate)) => (gold, candidate),
            (gold_tree, candidate_tree) => {
                return self.unreadable(gold, candidate, gold_tree.err(), candidate_tree.err());
            }
        };
        let outcome = self.nodes(&gold_tree, &candidate_tree);
        if outcome == Outcome::Equal {
            return outcome;
        }
        let unit = |node: &Node| {
            node.any(&|part| matches!(part, Node::Measured(_, unit) if unit.is_known()))
        };
        let letters = |node: &Node| node.any(&|part| matches!(part, Node::Symbol(_)));
        let ambiguous = (unit(&gold_tree) && letters(&candidate_tree))
            || (unit(&candidate_tree) && letters(&gold_tree));
        if ambiguous {
            // `5m` may be five times m.
            let plain = |reading: Reading| Reading {
                units: false,
                ..reading
            };
            let again = (
                self.read(gold, plain(gold_reading)),
                self.read(candidate, plain(candidate_reading)),
            );
            if let (Ok(gold), Ok(candidate)) = again
                && self.nodes(&gold, &candidate) == Outcome::Equal
            {
                self.note("the letters are symbols and no units");
                return Outcome::Equal;
            }
        }
        outcome
    }

    fn read(&mut self, text: &str, reading: Reading) -> Result<Node, Trouble> {
        self.budget.pay(20 * text.len() as u64)?;
        // Most golds are such, and there is nothing to be read in them.
        if is_plain_integer(text)
            && !text.starts_with('-')
            && let Ok(value) = text.parse()
        {
            return Ok(Node::integer(value));
        }
        let tree = parser::parse(text, reading, self.options.number_words)?;
        shape::standard(tree, self.budget)
    }

    /// At least one side is no formula: texts may still be the same.
    fn unreadable(
        &mut self,
        gold: &str,
        candidate: &str,
        gold_trouble: Option<Trouble>,
        candidate_trouble: Option<Trouble>,
    ) -> Outcome {
        let (left, right) = (words::text_answer(gold), words::text_answer(candidate));
        if left == right
            && left.chars().any(char::is_alphabetic)
            && is_prose(gold)
            && is_prose(candidate)
        {
            self.note("the same words");
            return Outcome::Equal;
        }
        let (whose, trouble) = match (gold_trouble, candidate_trouble) {
            (Some(trouble), _) => ("gold", trouble),
            (None, Some(trouble)) => ("the candidate", trouble),
            (None, None) => ("neither side", Trouble::Unsupported("these answers")),
        };
        let reason = format!("{whose} cannot be read: {trouble}");
        self.note(reason.clone());
        Outcome::Unknown(reason)
    }
}

/// Whether a text is words, not a formula.
pub(super) fn is_prose(text: &str) -> bool {
    let letters = text
        .chars()
        .filter(|c| c.is_alphabetic() || c.is_whitespace())
        .count();
    let all = text.chars().count();
    letters * 10 >= all * 7
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the reader says, whatever shorter way there may be.
    fn read(gold: &str, candidate: &str, options: &Options) -> (Outcome, Vec<String>) {
        let (mut budget, mut steps) = (Budget::new(), Vec::new());
        let mut comparer = Comparer {
            options,
            budget: &mut budget,
            steps: &mut steps,
            seed: 1,
        };
        let outcome = comparer.texts(gold, candidate);
        (outcome, steps)
    }

    proptest! {
        #[test]
        fn the_short_way_says_what_the_reader_says(
            gold in "-?(0|[1-9][0-9]{0,6})",
            candidate in "[$]?-?[0-9]{1,4}(,[0-9]{3}){0,2}(,[0-9]{2})?([.]0{0,3}5?)?",
            point in any::<bool>(),
            same in any::<bool>(),
        ) {
            let options = Options {
                number_format: if point { NumberFormat::Point } else { NumberFormat::Automatic },
                ..Options::default()
            };
            let written = candidate.split('.').next().unwrap_or_default().replace(',', "");
            let gold = if same && is_plain_integer(&written) { written } else { gold };
            if let Some(whole) = whole(&candidate, &options) {
                let (outcome, steps) = read(&gold, &candidate, &options);
                let expected = if *whole == gold { Outcome::Equal } else { Outcome::Different };
                prop_assert_eq!(&outcome, &expected, "{} and {}: {:?}", gold, candidate, steps);
                prop_assert_eq!(steps.len(), 1, "{} and {}: {:?}", gold, candidate, steps);
            }
        }
    }
}
