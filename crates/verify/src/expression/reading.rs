//! How the text of an answer is to be read: boxes, and what commas in numbers mean.

use std::borrow::Cow;

use super::lexer::Reading;
use super::numeral::Marks;
use super::options::{NumberFormat, Options};

/// The content of all boxes, separated by commas, or the text itself.
pub(super) fn unbox(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut contents = Vec::new();
    let mut rest = text;
    while let Some(found) = rest.find("box") {
        let start = found
            + if rest
                .get(found..)
                .is_some_and(|text| text.starts_with("boxed"))
            {
                5
            } else {
                3
            };
        let before = rest.get(..found).unwrap_or_default();
        if !before.ends_with('\\') && !before.ends_with("\\f") {
            rest = rest.get(start..).unwrap_or_default();
            continue;
        }
        let after = rest.get(start..).unwrap_or_default().trim_start();
        let Some(inside) = after.strip_prefix('{') else {
            rest = after;
            continue;
        };
        let Some(end) = closing_brace(inside) else {
            break;
        };
        // Boxes belong together if only a few words stand between them.
        let between = rest.get(..found).unwrap_or_default();
        if between
            .split_whitespace()
            .filter(|word| word.chars().any(char::is_alphanumeric))
            .count()
            > 4
        {
            contents.clear();
        }
        contents.push(inside.get(..end).unwrap_or_default());
        rest = inside.get(end + 1..).unwrap_or_default();
    }
    match contents.as_slice() {
        [] => Cow::Borrowed(text),
        [only] => Cow::Borrowed(only),
        several => Cow::Owned(several.join(" , ")),
    }
}

fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// How to read `text`, given what the other side looks like.
pub(super) fn reading(text: &str, other: &str, options: &Options) -> Reading {
    let marks = match options.number_format {
        NumberFormat::Comma => Marks::Comma,
        NumberFormat::Point => Marks::Point,
        NumberFormat::Automatic => {
            if continental(text) || (lone_decimal_comma(text) && lone_decimal_point(other)) {
                Marks::Comma
            } else {
                Marks::Point
            }
        }
    };
    Reading { marks, units: true }
}

/// The digits around every mark of a kind: `(before, after)` counts, where both are digits.
fn marks_between_digits(text: &str, mark: char) -> Vec<(usize, usize)> {
    let chars: Vec<char> = text.chars().collect();
    let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let mut found = Vec::new();
    for (at, c) in chars.iter().enumerate() {
        if *c != mark || at == 0 || !digit(at - 1) || !digit(at + 1) {
            continue;
        }
        let before = (0..at).rev().take_while(|place| digit(*place)).count();
        let after = (at + 1..chars.len())
            .take_while(|place| digit(*place))
            .count();
        found.push((before, after));
    }
    found
}

/// `1.000,50` and `1.234.567`: points that can only group thousands. Without a comma they must stand in one
/// number: `1.234 + 5.678` is a sum of decimals.
fn continental(text: &str) -> bool {
    if !text.contains('.') {
        return false;
    }
    let points = marks_between_digits(text, '.');
    let commas = marks_between_digits(text, ',');
    let grouped = !points.is_empty() && points.iter().all(|(_, after)| *after == 3);
    let commas_written = text.chars().filter(|c| *c == ',').count();
    grouped
        && commas_written == commas.len()
        && (commas.len() == 1
            || (commas.is_empty() && numbers(text).all(|n| n.matches('.').count() >= 2)))
        && text.find('.') < text.find(',').or(Some(usize::MAX))
}

/// The numbers of a text that have a point.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let runs = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    runs.map(|run| run.trim_matches('.'))
        .filter(|run| run.contains('.'))
}

/// One comma in the whole text, between digits, not as a thousands group.
fn lone_decimal_comma(text: &str) -> bool {
    if !text.contains(',') {
        return false;
    }
    let commas = marks_between_digits(text, ',');
    let written = text.chars().filter(|c| *c == ',').count();
    let leading_zero = text
        .trim_start_matches(['-', '$', ' ', '\\', '('])
        .starts_with("0,");
    match commas.as_slice() {
        [(before, after)] => written == 1 && (*after != 3 || *before > 3 || leading_zero),
        _ => false,
    }
}

/// One number with a decimal point, and no comma.
fn lone_decimal_point(text: &str) -> bool {
    !text.contains(',') && marks_between_digits(text, '.').len() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes() {
        assert_eq!(unbox(r"so \boxed{\frac{1}{2}}."), r"\frac{1}{2}");
        assert_eq!(unbox(r"\boxed{1} and \boxed{2}"), "1 , 2");
        assert_eq!(unbox(r"\boxed{1"), r"\boxed{1");
        assert_eq!(unbox(r"\boxed{1} no no no no no \boxed{2}"), "2");
        assert_eq!(unbox("5"), "5");
    }

    #[test]
    fn commas() {
        assert!(lone_decimal_comma("1000,99") && lone_decimal_comma("0,111"));
        assert!(!lone_decimal_comma("1,000") && !lone_decimal_comma("1,2,3"));
        assert!(continental("1.000,50") && continental("1.234.567"));
        assert!(!continental("1.000") && !continental("1,000.50"));
        assert!(!continental("1.234 + 5.678") && continental("1.234.567 + 7.654.321."));
    }
}
