//! Words that belong to mathematics, and words that end it.

use crate::expression;

/// Words before an answer that are no part of it.
pub(super) const LEADS: [&str; 40] = [
    "therefore",
    "thus",
    "hence",
    "so",
    "simply",
    "just",
    "exactly",
    "about",
    "approximately",
    "roughly",
    "around",
    "then",
    "also",
    "indeed",
    "equal",
    "given",
    "by",
    "the",
    "number",
    "value",
    "following",
    "now",
    "actually",
    "clearly",
    "finally",
    "is",
    "are",
    "was",
    "be",
    "to",
    "of",
    "that",
    "we",
    "get",
    "have",
    "found",
    "still",
    "only",
    "likely",
    "that's",
];

/// Words after which a sentence gives reasons or conditions instead of the answer.
pub(super) const REASONS: [&str; 17] = [
    "because", "since", "as", "where", "when", "which", "so", "if", "for", "after", "given", "but",
    "while", "assuming", "due", "instead", "rather",
];

/// Words that say that what follows is not the answer.
pub(super) const DENIALS: [&str; 5] = ["not", "than", "instead", "of", "no"];

/// First words of a sentence that concludes.
pub(super) const CONCLUSIONS: [&str; 11] = [
    "therefore",
    "thus",
    "hence",
    "so",
    "finally",
    "consequently",
    "accordingly",
    "∴",
    "altogether",
    "overall",
    "ultimately",
];

/// Words that join parts of one answer.
pub(super) const CONNECTIVES: [&str; 10] = [
    "and", "or", "to", "in", "union", "u", "per", "by", "over", "of",
];

const NAMES: [&str; 42] = [
    "pi", "infinity", "inf", "oo", "sqrt", "sin", "cos", "tan", "sec", "csc", "cot", "ln", "log",
    "exp", "arcsin", "arccos", "arctan", "min", "max", "mod", "percent", "pct", "hundred",
    "thousand", "million", "billion", "trillion", "dozen", "half", "minus", "plus", "times",
    "squared", "cubed", "negative", "nan", "degrees", "degree", "radians", "abs", "det", "gcd",
];

/// Words beside units that belong to a quantity.
const OF_UNITS: [&str; 3] = ["square", "cubic", "sq"];

/// True if a list in lower case has the word, in whatever case that is written.
pub(super) fn is_among(word: &str, list: &[&str]) -> bool {
    if word.is_ascii() {
        list.iter().any(|known| known.eq_ignore_ascii_case(word))
    } else {
        list.contains(&word.to_lowercase().as_str())
    }
}

/// True for a name, a number word or a unit.
pub(super) fn is_known(word: &str) -> bool {
    let lower = word.to_lowercase();
    is_number_word(&lower)
        || NAMES.contains(&lower.as_str())
        || is_unit(&lower)
        || expression::is_unit(word)
}

/// True for a number in words, `twenty-one` included.
pub(super) fn is_number_word(lower: &str) -> bool {
    lower.split('-').all(expression::is_cardinal)
}

/// True for a unit of measure, or a word that belongs to one.
pub(super) fn is_unit(lower: &str) -> bool {
    OF_UNITS.contains(&lower) || expression::is_unit(lower)
}
