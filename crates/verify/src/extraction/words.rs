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

const NUMBERS: [&str; 28] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
];

const UNITS: [&str; 96] = [
    "mm",
    "millimeter",
    "millimeters",
    "millimetres",
    "cm",
    "centimeter",
    "centimeters",
    "centimetres",
    "m",
    "meter",
    "meters",
    "metre",
    "metres",
    "km",
    "kilometer",
    "kilometers",
    "kilometres",
    "inch",
    "inches",
    "in",
    "ft",
    "foot",
    "feet",
    "yd",
    "yard",
    "yards",
    "mile",
    "miles",
    "mg",
    "milligram",
    "milligrams",
    "g",
    "gram",
    "grams",
    "kg",
    "kilogram",
    "kilograms",
    "oz",
    "ounce",
    "ounces",
    "lb",
    "lbs",
    "pound",
    "pounds",
    "ton",
    "tons",
    "tonne",
    "tonnes",
    "ml",
    "milliliter",
    "milliliters",
    "millilitres",
    "l",
    "liter",
    "liters",
    "litre",
    "litres",
    "gallon",
    "gallons",
    "quart",
    "quarts",
    "pint",
    "pints",
    "cup",
    "cups",
    "ms",
    "s",
    "sec",
    "secs",
    "second",
    "seconds",
    "min",
    "mins",
    "minute",
    "minutes",
    "h",
    "hr",
    "hrs",
    "hour",
    "hours",
    "day",
    "days",
    "week",
    "weeks",
    "month",
    "months",
    "year",
    "years",
    "cent",
    "cents",
    "square",
    "cubic",
    "sq",
    "mph",
    "km/h",
    "m/s",
];

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
    lower.split('-').all(|part| NUMBERS.contains(&part))
}

/// True for a unit of measure.
pub(super) fn is_unit(lower: &str) -> bool {
    UNITS.contains(&lower)
}
