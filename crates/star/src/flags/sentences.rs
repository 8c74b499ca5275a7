//! Sentences of a rationale.

/// Words before a full stop that does not end a sentence.
const ABBREVIATIONS: [&str; 14] = [
    "mr", "mrs", "ms", "dr", "st", "vs", "no", "e.g", "i.e", "etc", "approx", "jr", "sr", "prof",
];

/// The sentences of a text as (start, end) in bytes, without white space around them. A line is at
/// least one sentence.
pub(super) fn sentences(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut start = 0;
    let push = |found: &mut Vec<(usize, usize)>, start: usize, end: usize| {
        let piece = text.get(start..end).unwrap_or_default();
        let lead = piece.len() - piece.trim_start().len();
        let trimmed = piece.trim();
        if trimmed.chars().any(char::is_alphanumeric) {
            found.push((start + lead, start + lead + trimmed.len()));
        }
    };
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let rest = text.get(end..).unwrap_or_default();
        let spaced = rest.is_empty() || rest.starts_with(char::is_whitespace);
        let ends = match c {
            '\n' => true,
            '!' | '?' => spaced,
            '.' => spaced && !abbreviated(text.get(start..at).unwrap_or_default()),
            _ => false,
        };
        if ends {
            push(&mut found, start, end);
            start = end;
        }
    }
    push(&mut found, start, text.len());
    found
}

/// True if the last word is an abbreviation, or a number alone as before the items of a list.
fn abbreviated(before: &str) -> bool {
    let last = before.rsplit(char::is_whitespace).next().unwrap_or("");
    let last = last.trim_start_matches(['(', '"']).to_lowercase();
    let item = before.trim().len() == last.len() && last.chars().all(|c| c.is_ascii_digit());
    ABBREVIATIONS.contains(&last.as_str()) || (item && !last.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_abbreviations_do_not_end_sentences() {
        let text = "Mr. Lee has 3.5 kg. He eats 1.\n1. First, 2 + 2 = 4! So? The end";
        let found: Vec<&str> = sentences(text).iter().map(|(a, b)| &text[*a..*b]).collect();
        assert_eq!(
            found,
            [
                "Mr. Lee has 3.5 kg.",
                "He eats 1.",
                "1. First, 2 + 2 = 4!",
                "So?",
                "The end"
            ]
        );
        assert!(sentences(" \n.. ").is_empty());
    }
}
