//! Text as the search for overlaps sees it: words and numbers.

use unicode_normalization::UnicodeNormalization;

/// Longer questions are looked at up to here, in bytes.
const LONGEST_TEXT: usize = 256 << 10;

/// Words that are numbers.
const NUMBER_WORDS: [&str; 40] = [
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
    "hundred",
    "thousand",
    "million",
    "half",
    "twice",
    "thrice",
    "double",
    "triple",
    "dozen",
    "quarter",
    "third",
    "thirds",
];

/// The words of a text: Unicode's compatibility form (NFKC), lower case, punctuation and white space
/// folded. Numbers are kept, without thousands separators; so are the signs of arithmetic, because
/// `3 + 4` and `3 * 4` are different questions. Scripts without spaces give one word a character.
pub(crate) fn words(text: &str) -> Vec<String> {
    let text = cut(text);
    let characters: Vec<char> = if text.is_ascii() {
        text.chars().map(|c| c.to_ascii_lowercase()).collect()
    } else {
        // Twice, because a few capitals have a lower case that is composed of parts.
        text.nfkc().flat_map(char::to_lowercase).nfkc().collect()
    };
    let mut found = Vec::new();
    let mut word = String::new();
    let flush = |word: &mut String, found: &mut Vec<String>| {
        if !word.is_empty() {
            found.push(std::mem::take(word));
        }
    };
    for (at, c) in characters.iter().copied().enumerate() {
        let before = at.checked_sub(1).and_then(|at| characters.get(at));
        let after = characters.get(at + 1);
        let between_digits = || is_digit(before) && is_digit(after);
        if stands_alone(c) {
            flush(&mut word, &mut found);
            found.push(c.to_string());
        } else if c.is_alphanumeric() || is_mark(c) || (c == '.' && between_digits()) {
            word.push(c);
        } else if (c == ',' && between_digits()) || is_apostrophe(c) {
            // `1,200` is `1200` and `don't` is `dont`.
        } else {
            flush(&mut word, &mut found);
            let next = characters[at + 1..].iter().find(|c| !c.is_whitespace());
            if let Some(sign) = sign(c, next) {
                found.push(sign.to_owned());
            }
        }
    }
    flush(&mut word, &mut found);
    found
}

/// True if a word is a number, in digits or spelled out.
pub(crate) fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) || NUMBER_WORDS.contains(&word)
}

fn is_digit(c: Option<&char>) -> bool {
    c.is_some_and(char::is_ascii_digit)
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’' | 'ʼ' | '`')
}

/// Combining marks belong to the letter before them.
fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

/// Chinese characters and Japanese syllables, which are written without spaces.
fn stands_alone(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

fn sign(c: char, next: Option<&char>) -> Option<&'static str> {
    let before_operand = next.is_some_and(|c| c.is_ascii_digit() || *c == '(');
    Some(match c {
        '+' => "+",
        '*' | '×' | '·' | '⋅' => "*",
        '/' | '÷' | '⁄' => "/",
        '^' => "^",
        '%' => "%",
        '=' => "=",
        '<' => "<",
        '>' => ">",
        // A hyphen or a dash is punctuation.
        '-' | '−' | '–' if before_operand => "-",
        _ => return None,
    })
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> String {
        words(text).join(" ")
    }

    #[test]
    fn case_punctuation_and_space_are_folded() {
        for (text, expected) in [
            ("  What is\t3 + 4 ? ", "what is 3 + 4"),
            (
                "Don’t “stop”, Mr. O'Neill — now!",
                "dont stop mr oneill now",
            ),
            ("$1,200.50 (or 20%)", "1200.50 or 20 %"),
            ("a 5-year-old, 9-4, - 3", "a 5 year old 9 - 4 - 3"),
            ("3×4÷2", "3 * 4 / 2"),
            ("ＦＵＬＬ ﬁne ½", "full fine 1 / 2"),
            ("Cafe\u{301} CAFÉ", "café café"),
            ("市場で魚", "市 場 で 魚"),
            ("İstanbul", "i\u{307}stanbul"),
            ("", ""),
            ("?!…", ""),
        ] {
            assert_eq!(joined(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_told_from_words() {
        for number in ["3", "3.5", "3rd", "twelve", "half"] {
            assert!(is_number(number), "{number}");
        }
        for word in ["a", "x2", "often", "+"] {
            assert!(!is_number(word), "{word}");
        }
    }
}
