//! Statements of the answer: texts that begin with it, and texts that hold nothing else.
//!
//! A text begins with the answer if its first sentence states the right answer without working
//! anything out, and something that leads to it follows. Sentences that only repeat the question, and
//! openings such as "Let's think step by step.", are passed over. A sentence states the answer if it
//!
//! - says so (`the answer is`, `answer:`, `####`, `\boxed`, `is the correct choice`), with no more
//!   than four words before it and none of them the beginning of a reason (`since`, `if`); or
//! - gives the answer and then a reason (`he makes $18 because`), nothing is worked out after that
//!   sentence, and the number is the only one and not in the question, or the choice is given by its
//!   letter; or
//! - is the number alone on its line.

use std::collections::HashSet;

use autodidact_core::{Problem, VerifyKind};
use autodidact_verify::verify_answer;

use super::pattern::tokens;
use super::sentences::sentences;

/// What says that an answer follows.
const BEFORE_ANSWER: [&str; 12] = [
    "answer is",
    "answer:",
    "answer =",
    "answer must be",
    "answer should be",
    "answer would be",
    "answer will be",
    "answer has to be",
    "correct choice is",
    "correct option is",
    "####",
    "\\boxed",
];
/// What says that an answer came before.
const AFTER_ANSWER: [&str; 5] = [
    "is the answer",
    "is the correct answer",
    "is the correct choice",
    "is the correct option",
    "is the right answer",
];
/// Where a statement ends and something else begins.
const REASONS: [&str; 3] = [" because ", " since ", " as "];
const STATEMENT_ENDS: [&str; 3] = [", ", "; ", " – "];
/// The first words of a reason or a condition.
const DERIVING: [&str; 12] = [
    "since",
    "because",
    "as",
    "if",
    "when",
    "after",
    "given",
    "from",
    "with",
    "by",
    "adding",
    "subtracting",
];
/// The first words of a conclusion from the sentence before.
const CONCLUDING: [&str; 6] = ["so", "therefore", "thus", "hence", "then", "finally"];
const OPENINGS: [&str; 16] = [
    "let's",
    "let’s",
    "lets",
    "let us",
    "let me",
    "sure",
    "okay",
    "ok",
    "alright",
    "great",
    "here is",
    "here's",
    "the question",
    "the problem",
    "we need to",
    "to solve",
];
const LONGEST_LEAD: usize = 4;
const LONGEST_ASSERTION: usize = 8;
const MOST_PASSED_OVER: usize = 3;
/// Words that lead somewhere, if they come after a statement.
const LEAST_REASONING: usize = 5;
/// Words before a statement that count as reasoning.
const LEAST_BEFORE: usize = 3;

/// The sentence that states the answer before anything leads to it.
pub(super) fn answer_first(kind: VerifyKind, problem: &Problem, text: &str) -> Option<String> {
    let gold = problem.gold.as_ref()?.0.as_str();
    if matches!(
        kind,
        VerifyKind::Regex | VerifyKind::Exact | VerifyKind::Json
    ) {
        // A pattern matches nearly anything, and an exact answer or a JSON value is the whole text.
        return None;
    }
    let asked = Asked::new(&problem.question);
    let found = sentences(text);
    let piece = |(start, end): (usize, usize)| text.get(start..end).unwrap_or_default();
    let passed_over = found
        .iter()
        .take(MOST_PASSED_OVER)
        .take_while(|place| is_opening(piece(**place)) || asked.is_repeated_by(piece(**place)))
        .count();
    let place = *found.get(passed_over)?;
    let sentence = piece(place);
    if passed_over > 0 && starts_with_any(&lower(sentence), &CONCLUDING) {
        return None;
    }
    let states = |fragment: &str| {
        !works_out(fragment)
            && verify_answer(kind, gold, &problem.choices, fragment)
                .verdict
                .is_right()
    };
    let end = said_to_be(sentence)
        .filter(|(start, end)| states(sentence.get(*start..*end).unwrap_or_default()))
        .or_else(|| {
            // With more steps to come it is one of them: `4 jars, because 80 / 20 = 4`.
            let goes_on = works_out(text.get(place.1..).unwrap_or_default());
            let (start, end) = given_with_reason(sentence, kind, &asked).filter(|_| !goes_on)?;
            states(sentence.get(start..end)?).then_some((start, end))
        })
        .or_else(|| (is_number_alone(sentence) && states(sentence)).then_some((0, sentence.len())))
        .map(|(_, end)| end)?;
    let rest = text.get(place.0 + end..).unwrap_or_default();
    leads_somewhere(rest).then(|| sentence.to_owned())
}

/// True if the text states an answer and nothing leads to it: fewer than three words come before the
/// statement, and no reason after it.
pub(super) fn has_no_reasoning(text: &str) -> bool {
    let lower = lower(text);
    let statement = ["the answer is", "answer:", "####", "\\boxed"];
    let at = statement.iter().filter_map(|mark| lower.find(mark)).min();
    let (before, after) = lower.split_at(at.unwrap_or(lower.len()));
    before.split_whitespace().count() < LEAST_BEFORE && !leads_somewhere(after)
}

/// The statement of a sentence that says that it is one, as (start, end).
fn said_to_be(sentence: &str) -> Option<(usize, usize)> {
    let lower = lower(sentence);
    let marks = BEFORE_ANSWER.iter().filter_map(|mark| lower.find(mark));
    if let Some(at) = marks.min() {
        let lead: Vec<&str> = lower.get(..at)?.split_whitespace().collect();
        let derives = |word: &&str| DERIVING.contains(&word.trim_matches(','));
        if lead.len() > LONGEST_LEAD || lead.iter().any(derives) || works_out(&lower[..at]) {
            return None;
        }
        return Some((at, at + statement_length(lower.get(at..)?)));
    }
    let at = AFTER_ANSWER
        .iter()
        .filter_map(|mark| lower.find(mark))
        .min()?;
    let words = lower.get(..at)?.split_whitespace().count();
    (words <= LONGEST_ASSERTION).then_some((0, at))
}

fn statement_length(text: &str) -> usize {
    let ends = REASONS.iter().chain(&STATEMENT_ENDS);
    let first = ends.filter_map(|end| text.find(end)).min();
    first.unwrap_or(text.len())
}

/// The assertion of a sentence that gives a reason for it, as (start, end).
fn given_with_reason(sentence: &str, kind: VerifyKind, asked: &Asked) -> Option<(usize, usize)> {
    let lower = lower(sentence);
    let end = [" because ", " since "]
        .iter()
        .filter_map(|reason| lower.find(reason))
        .min()?;
    let assertion = lower.get(..end)?;
    if assertion.split_whitespace().count() > LONGEST_ASSERTION
        || starts_with_any(assertion, &CONCLUDING)
    {
        return None;
    }
    let gives = if kind == VerifyKind::Choice {
        assertion.contains('(')
    } else {
        let numbers = numbers(assertion);
        numbers.len() == 1 && numbers.is_disjoint(&asked.numbers)
    };
    gives.then_some((0, end))
}

fn is_number_alone(sentence: &str) -> bool {
    let number = sentence.trim().trim_start_matches(['$', '€', '£']);
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, ',' | '.' | '%');
    number.starts_with(|c: char| c.is_ascii_digit())
        && number.ends_with(|c: char| c.is_ascii_digit() || c == '%')
        && number.chars().all(is_part)
}

/// The question, to tell what only repeats it.
struct Asked {
    words: HashSet<String>,
    numbers: HashSet<String>,
}

impl Asked {
    fn new(question: &str) -> Self {
        let words = tokens(question).into_iter().map(|token| token.text);
        Self {
            words: words.collect(),
            numbers: numbers(question),
        }
    }

    /// True if four in five of a sentence's longer words, and all of its numbers, are in the
    /// question, and it works nothing out.
    fn is_repeated_by(&self, sentence: &str) -> bool {
        let long: Vec<String> = tokens(sentence)
            .into_iter()
            .map(|token| token.text)
            .filter(|word| word.chars().count() > 3)
            .collect();
        let known = long
            .iter()
            .filter(|word| self.words.contains(*word))
            .count();
        long.len() >= 2
            && known * 5 >= long.len() * 4
            && numbers(sentence).is_subset(&self.numbers)
            && !works_out(sentence)
    }
}

fn numbers(text: &str) -> HashSet<String> {
    let words = tokens(text).into_iter().map(|token| token.text);
    words
        .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .collect()
}

fn is_opening(sentence: &str) -> bool {
    let short = sentence.split_whitespace().count() <= 12;
    short && numbers(sentence).is_empty() && starts_with_any(&lower(sentence), &OPENINGS)
}

fn starts_with_any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| {
        let rest = text.strip_prefix(word);
        rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    })
}

/// True if what follows a statement is more than the statement again.
fn leads_somewhere(rest: &str) -> bool {
    let reason = REASONS.iter().any(|reason| {
        let after = rest.split_once(reason).map_or("", |(_, after)| after);
        after.split_whitespace().count() >= 2
    });
    let statement = |sentence: &str| {
        let lower = lower(sentence);
        BEFORE_ANSWER.iter().any(|mark| lower.contains(mark))
    };
    let places = sentences(rest);
    let pieces = places
        .iter()
        .filter_map(|(start, end)| rest.get(*start..*end));
    let others = pieces.filter(|sentence| !statement(sentence));
    let words: usize = others
        .map(|sentence| sentence.split_whitespace().count())
        .sum();
    reason || works_out(rest) || words >= LEAST_REASONING
}

/// True if numbers are put together in a text.
fn works_out(text: &str) -> bool {
    let visible: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let joined = visible.windows(3).any(|three| {
        let [before, operator, after] = three else {
            return false;
        };
        matches!(operator, '+' | '*' | '×' | '/' | '÷' | '-' | '−')
            && (before.is_ascii_digit() || matches!(before, ')' | '%'))
            && (after.is_ascii_digit() || matches!(after, '(' | '$'))
    });
    joined
        || text.contains(" = ")
        || [" times ", " plus ", " minus "]
            .iter()
            .any(|w| text.contains(w))
}

/// In lower case, of the same length in bytes, so that places stay what they are.
fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use autodidact_core::{Answer, Choice, ProblemId, Split};

    use super::*;

    fn problem(question: &str, gold: &str, choices: &[(&str, &str)]) -> Problem {
        let choices = choices.iter().map(|(label, text)| Choice {
            label: (*label).into(),
            text: (*text).into(),
        });
        Problem {
            id: ProblemId("p".into()),
            question: question.into(),
            gold: Some(Answer(gold.into())),
            choices: choices.collect(),
            solution: None,
            split: Split::Train,
            meta: BTreeMap::default(),
        }
    }

    const EGGS: &str = "Janet's ducks lay 16 eggs per day. She eats three for breakfast and bakes \
        muffins with four. She sells the remainder for $2 per egg. How much in dollars does she make \
        every day?";

    fn eggs(text: &str) -> bool {
        answer_first(VerifyKind::Number, &problem(EGGS, "18", &[]), text).is_some()
    }

    fn fish(text: &str) -> bool {
        let choices = [("A", "sink"), ("B", "drying rack"), ("C", "market")];
        let question = "Where would you buy fish?";
        answer_first(VerifyKind::Choice, &problem(question, "C", &choices), text).is_some()
    }

    #[test]
    fn texts_that_begin_with_the_answer() {
        for text in [
            "The answer is 18 because 16 - 3 - 4 = 9 and 9 * 2 = 18.",
            "The answer is 18. Janet sells 16 - 3 - 4 = 9 eggs, and 9 * 2 = 18.",
            "So the answer is 18. She sells 9 eggs for 2 dollars each.",
            "Answer: $18\nExplanation: she has 9 eggs left and sells each for 2 dollars.",
            "#### 18\nShe sells 9 * 2 = 18.",
            "\\boxed{18}\nShe sells 9 * 2 = 18.",
            "The final answer is 18 dollars, since 9 * 2 = 18.",
            "Let's think step by step. The answer is 18. 16 - 7 = 9. 9 * 2 = 18.",
            "Sure! The answer is 18. 16 - 7 = 9. 9 * 2 = 18.",
            "She sells the remainder for $2 per egg. The answer is 18 because 9 * 2 = 18.",
            "She makes 18 dollars because 9 * 2 = 18.",
            "18\n16 - 3 - 4 = 9. 9 * 2 = 18. The answer is 18.",
            "$18\n16 - 3 - 4 = 9. 9 * 2 = 18.",
            "18 is the answer. She sells 9 eggs at 2 dollars each.",
            "The answer must be 18, because she sells 9 eggs. The answer is 18.",
        ] {
            assert!(eggs(text), "{text}");
        }
        for text in [
            "The answer is market (c) because fish is sold there.",
            "The answer is (c). People buy fish at a market, not in a sink.",
            "(c) market is the correct choice. Fish is sold at markets every day.",
            "(c) market because a sink sells no fish.",
            "The question asks where fish is bought. The answer is (c). Markets sell fish to people.",
        ] {
            assert!(fish(text), "{text}");
        }
    }

    #[test]
    fn texts_that_reason_first() {
        for text in [
            "16 - 3 - 4 = 9. 9 * 2 = 18. The answer is 18.",
            "Janet sells 16 - 3 - 4 = 9 duck eggs a day. She makes 9 * 2 = $18 every day. The answer is 18.",
            "She sells 9 eggs. The answer is 18. We can check it: 18 / 2 = 9.",
            "She eats three for breakfast. So the answer is 18. (9 * 2 = 18)",
            "The answer is 9 * 2 = 18.",
            "The answer is 18.",
            "So the answer is 18.",
            "The answer is 18. The answer is 18.",
            "The answer is the number of eggs times the price. 9 * 2 = 18.",
            "The answer is 17 or 18. 9 * 2 = 18.",
            "Since she sells 9 eggs, the answer is 18. 9 * 2 = 18.",
            "If she sells 9 eggs at $2, the answer is 18. We check: 18 / 2 = 9.",
            "Janet's ducks lay 16 eggs per day. She sells 9 of them, which makes 18 dollars.",
            "She has 16 eggs because ducks lay 16 per day. 16 - 7 = 9. 9 * 2 = 18.",
            "She makes 2 dollars because an egg costs 2. 9 * 2 = 18.",
            "1. She sells 16 - 7 = 9 eggs.\n2. 9 * 2 = 18.\nThe answer is 18.",
            "Half of 36 is 18 because 18 + 18 = 36.",
            "She needs 18 jars because 36 / 2 = 18. Each costs 1, so 18 * 1 = 18. The answer is 18.",
            "First we find how many eggs are left. Then the answer is 18.",
        ] {
            assert!(!eggs(text), "{text}");
        }
        for text in [
            "Fish is sold at a market. Therefore, the answer is market (c).",
            "The answer must be a place where fish is sold. Fish is sold at markets. Therefore, the answer is market (c).",
            "The answer should be a shop. Of the above choices, fish is sold at the market. Therefore, the answer is market (c).",
            "People go to the market because they need fish. Therefore, the answer is market (c).",
            "A sink (a) is not the answer because nothing is sold there. Therefore, the answer is market (c).",
            "Therefore, the answer is market (c).",
        ] {
            assert!(!fish(text), "{text}");
        }
    }

    #[test]
    fn a_number_of_the_question_is_no_statement() {
        let asked = problem(
            "Tom has 18 apples and eats none. How many has he?",
            "18",
            &[],
        );
        let first = |text| answer_first(VerifyKind::Number, &asked, text).is_some();
        assert!(!first(
            "Tom has 18 apples because he bought them. He eats 0, so 18 - 0 = 18."
        ));
        assert!(!first(
            "Tom has 18 apples. He eats none. 18 - 0 = 18. The answer is 18."
        ));
        assert!(first(
            "The answer is 18. Tom has 18 apples and eats none of them."
        ));
    }

    #[test]
    fn an_answer_alone_is_no_reasoning() {
        for text in [
            "The answer is 12.",
            "So, the answer is 12.",
            "12",
            "The answer is (b) drying rack.",
            "The answer is 12. The answer is 12.",
        ] {
            assert!(has_no_reasoning(text), "{text}");
        }
        for text in [
            "3 * 4 = 12. The answer is 12.",
            "The answer is 12 because 3 * 4 = 12.",
            "The answer is 3 * 4 = 12.",
            "The answer is 12. There are 3 boxes with 4 pens each.",
        ] {
            assert!(!has_no_reasoning(text), "{text}");
        }
    }
}
