//! Words in answers: number words, and answers that are text.

use num_bigint::BigInt;

/// Short words that are not products of letters.
const SHORT_WORDS: &[&str] = &[
    "yes", "no", "odd", "all", "one", "two", "six", "ten", "the", "is", "of", "to", "not", "for",
    "none", "true", "false", "day", "cat", "dog", "men", "man", "red", "sum", "per", "if", "it",
    "an", "as", "by", "at", "are", "was", "has", "can", "sat", "mon", "tue", "wed", "thu", "fri",
    "sun", "may", "jun", "jul", "old", "new", "nan", "NaN", "AM", "PM", "am", "pm", "Yes", "No",
    "Odd", "All", "One", "Two", "Six", "Ten", "The", "None", "True", "False", "None", "DNE",
    "square", "sq", "cubic", "cu",
];

/// Whether a run of letters is a word rather than a product of symbols.
pub(super) fn is_word(run: &str) -> bool {
    let length = run.chars().count();
    let capitals = run.chars().all(char::is_uppercase);
    SHORT_WORDS.contains(&run) || (length >= 4 && !(capitals && length <= 5))
}

/// The magnitude a word stands for after a number.
pub(super) fn magnitude(word: &str) -> Option<u64> {
    match word.to_lowercase().as_str() {
        "hundred" => Some(100),
        "thousand" | "k" => Some(1000),
        "million" => Some(1_000_000),
        "billion" => Some(1_000_000_000),
        "trillion" => Some(1_000_000_000_000),
        "dozen" => Some(12),
        _ => None,
    }
}

/// A number below a hundred in one word: `seven`, `twenty`.
pub(super) fn cardinal(word: &str) -> Option<u32> {
    const BELOW_TWENTY: &[&str] = &[
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
    ];
    const TENS: &[&str] = &[
        "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
    ];
    let tens = place(TENS, word).map(|tens| (tens + 2) * 10);
    place(BELOW_TWENTY, word).or(tens)
}

/// The same, or an ordinal.
fn small(word: &str) -> Option<u32> {
    const ORDINALS: &[&str] = &[
        "zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth",
        "ninth", "tenth", "eleventh", "twelfth",
    ];
    cardinal(word).or_else(|| place(ORDINALS, word))
}

fn place(list: &[&str], word: &str) -> Option<u32> {
    let place = list.iter().position(|known| *known == word)?;
    u32::try_from(place).ok()
}

/// Reads number words from the start; returns the value and how many words it took.
pub(super) fn number(words: &[String]) -> Option<(BigInt, usize)> {
    let mut total = BigInt::from(0);
    let mut group = BigInt::from(0);
    let mut taken = 0;
    for (at, word) in words.iter().enumerate().take(16) {
        let word = word.to_lowercase();
        if let Some(value) = small(&word) {
            group += value;
        } else if word == "hundred" && taken > 0 {
            group *= 100;
        } else if let Some(scale) = magnitude(&word).filter(|scale| taken > 0 && *scale >= 1000) {
            total += &group * scale;
            group = BigInt::from(0);
        } else {
            break;
        }
        taken = at + 1;
    }
    (taken > 0).then(|| (total + group, taken))
}

/// The text with everything removed that only sets type: two answers with the same normal text
/// are equal whatever they mean.
pub(super) fn normal_text(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '\\' => {
                let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
                let (name, after) = rest.split_at(letters);
                rest = after;
                command(name, &mut rest, &mut normal);
            }
            '$' => {}
            '−' | '–' => normal.push('-'),
            c if c.is_whitespace() || c == '~' => {
                // `1 2` is not `12`, but `1 x` is `1x`.
                let next = rest.trim_start().chars().next();
                if normal.ends_with(char::is_alphanumeric)
                    && next.is_some_and(char::is_alphanumeric)
                {
                    normal.push(' ');
                }
            }
            c => normal.push(c),
        }
    }
    normal.trim_end_matches(['.', ',', ';', ':']).to_owned()
}

fn command(name: &str, rest: &mut &str, normal: &mut String) {
    match name {
        "" => match rest.chars().next() {
            Some(c @ ('{' | '}' | '%' | '$' | '|' | '\\' | '#' | '&')) => {
                normal.push('\\');
                normal.push(c);
                *rest = rest.get(1..).unwrap_or_default();
            }
            Some(c) => {
                *rest = rest.get(c.len_utf8()..).unwrap_or_default();
                let digit_follows = rest.starts_with(|c: char| c.is_ascii_digit());
                if c != '!' && digit_follows && normal.ends_with(|c: char| c.is_ascii_digit()) {
                    normal.push(' ');
                }
            }
            None => {}
        },
        "left" | "right" | "displaystyle" | "quad" | "qquad" | "big" | "Big" => {}
        "dfrac" | "tfrac" | "cfrac" => normal.push_str("\\frac"),
        "leq" => normal.push_str("\\le"),
        "geq" => normal.push_str("\\ge"),
        _ => {
            normal.push('\\');
            normal.push_str(name);
        }
    }
}

/// A text answer without case, brackets and marks: `\text{(C)}` is `c`.
pub(super) fn text_answer(text: &str) -> String {
    let mut words = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '\\' {
            let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (name, after) = rest.split_at(letters);
            if !super::token::is_text(name) && !super::token::is_layout(name) && name != "boxed" {
                words.push_str(name);
            }
            rest = if letters == 0 {
                rest.get(rest.chars().next().map_or(0, char::len_utf8)..)
                    .unwrap_or_default()
            } else {
                after
            };
        } else if c.is_alphanumeric() {
            words.extend(c.to_lowercase());
        } else if matches!(c, '+' | '-' | '*' | '/' | '^' | '=' | '<' | '>' | '.' | '|') {
            words.push(c);
        }
    }
    words.trim_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, usize)> {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        number(&words).map(|(value, taken)| (value.to_string(), taken))
    }

    #[test]
    fn number_words() {
        assert_eq!(read("three"), Some(("3".into(), 1)));
        assert_eq!(read("twenty five apples"), Some(("25".into(), 2)));
        assert_eq!(read("two hundred thousand six"), Some(("200006".into(), 4)));
        assert_eq!(read("apples"), None);
        assert_eq!(read("million"), None);
    }

    #[test]
    fn texts_lose_their_type() {
        assert_eq!(
            normal_text(r"\left( \dfrac{1}{2} \right)"),
            r"(\frac{1}{2})"
        );
        assert_eq!(text_answer(r"\text{(C)}"), "c");
        assert_eq!(text_answer("\\"), "");
    }
}
