//! Which piece of a sentence is the answer, where the answer is mathematics.
//!
//! A sentence is cut into formulas (`$…$`, `\(…\)`, `\[…\]`, environments) and words. Neighbouring
//! pieces that can be mathematics are one *run*; an answer is a run, or a whole sentence of words.

use super::pieces::{Looks, Piece, bare, ends_in_word, pieces};
use super::words::{
    CONCLUSIONS, CONNECTIVES, DENIALS, LEADS, REASONS, is_among, is_number_word, is_unit,
};

/// Bytes of a statement that are looked at; of a text without marks, from its end.
const LONGEST: usize = 16 * 1024;
/// The answer in what follows an answer mark. `worded`: gold is words, and so will the answer be.
pub(crate) fn answer_span(statement: &str, worded: bool) -> String {
    let signs =
        |c: char| c.is_whitespace() || matches!(c, ':' | '*' | '_' | '}' | '>' | '"' | '：');
    let pieces = pieces(head(statement.trim_start_matches(signs), LONGEST));
    let mut sentence = first_sentence(&pieces);
    while let Some((first, rest)) = sentence.split_first() {
        let lead = is_among(bare(first.text), &LEADS);
        if rest.is_empty() || first.formula || !lead || (worded && first.text.len() > 3) {
            break;
        }
        sentence = rest;
    }
    let found = runs(sentence);
    if worded || found.is_empty() {
        return shown(sentence);
    }
    let first = found.first().copied().unwrap_or((0, 0));
    let reason = sentence
        .iter()
        .position(is_reason)
        .unwrap_or(sentence.len());
    let before_reason: Vec<(usize, usize)> = found
        .iter()
        .copied()
        .filter(|(start, _)| *start < reason)
        .collect();
    let chosen = match equation(sentence, &before_reason) {
        Some(run) => run,
        None if first.0 == 0 => first,
        None => last_asserted(sentence, &before_reason)
            .or_else(|| last_asserted(sentence, &found))
            .unwrap_or(first),
    };
    run_text(sentence, chosen)
}

/// The answer in a text without marks: all of it if it is mathematics and nothing else; else the last
/// run of the sentence that concludes, or of the last sentence that has one.
pub(crate) fn last_span(text: &str, worded: bool, conclusions: bool) -> String {
    let pieces = pieces(tail(text.trim(), LONGEST));
    let mathematics = pieces.iter().all(|piece| piece.looks != Looks::Word);
    let single = !pieces.iter().rev().skip(1).any(|piece| piece.ends);
    if (mathematics && single) || pieces.is_empty() {
        return shown(&pieces);
    }
    let sentences: Vec<&[Piece<'_>]> = pieces.split_inclusive(|piece| piece.ends).collect();
    let last = sentences.last().copied().unwrap_or_default();
    if worded {
        return shown(last);
    }
    let concludes = |sentence: &&&[Piece<'_>]| {
        let first = sentence.first().map_or("", |first| bare(first.text));
        is_among(first, &CONCLUSIONS) && !runs(sentence).is_empty()
    };
    let concluding = sentences
        .iter()
        .rev()
        .find(concludes)
        .filter(|_| conclusions);
    let with_run = || {
        sentences
            .iter()
            .rev()
            .find(|sentence| !runs(sentence).is_empty())
    };
    let Some(sentence) = concluding.or_else(with_run) else {
        return shown(last);
    };
    let reason = sentence
        .iter()
        .position(is_reason)
        .unwrap_or(sentence.len());
    let found = runs(sentence);
    let before: Vec<(usize, usize)> = found
        .iter()
        .copied()
        .filter(|(start, _)| *start < reason)
        .collect();
    let candidates = if before.is_empty() || !conclusions {
        &found
    } else {
        &before
    };
    let chosen = equation(sentence, candidates)
        .or_else(|| last_asserted(sentence, candidates))
        .unwrap_or((0, sentence.len()));
    run_text(sentence, chosen)
}

/// True if a text has no mathematics in it: its answer is words.
pub(crate) fn is_worded(text: &str) -> bool {
    let pieces = pieces(head(text, LONGEST));
    let strong = |piece: &Piece<'_>| piece.looks == Looks::Strong;
    let lone = |piece: &Piece<'_>| {
        let word = bare(piece.text);
        is_number_word(&word.to_lowercase()) || word.chars().count() == 1
    };
    !pieces.iter().any(|piece| strong(piece) || lone(piece))
        && pieces.iter().any(|piece| piece.looks == Looks::Word)
}

/// A number with words after it that say of what it is, without them: `18 dollars`, `12 people`.
pub(crate) fn without_nouns(text: &str) -> Option<String> {
    let pieces = pieces(head(text, LONGEST));
    let (start, end) = *runs(&pieces).first()?;
    let words = pieces.get(end..)?;
    let plain = words.iter().all(|piece| piece.looks == Looks::Word);
    (start == 0 && plain && !words.is_empty()).then(|| run_text(&pieces, (start, end)))
}

fn first_sentence<'a, 'b>(pieces: &'b [Piece<'a>]) -> &'b [Piece<'a>] {
    let end = pieces.iter().position(|piece| piece.ends);
    end.and_then(|end| pieces.get(..=end)).unwrap_or(pieces)
}

fn is_reason(piece: &Piece<'_>) -> bool {
    !piece.formula && is_among(bare(piece.text), &REASONS)
}

/// Maximal runs of mathematics with something strong in them, as (first, end).
fn runs(pieces: &[Piece<'_>]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < pieces.len() {
        let is = |index: usize, looks| pieces.get(index).is_some_and(|piece| piece.looks >= looks);
        let mut end = at;
        while is(end, Looks::Loose) {
            end += 1;
        }
        if end == at {
            at += 1;
            continue;
        }
        // Connectives join; they neither begin nor end an answer.
        let (mut first, mut last) = (at, end);
        let connective = |index: usize| {
            pieces.get(index).is_some_and(|piece| {
                !piece.formula
                    && is_among(bare(piece.text), &CONNECTIVES)
                    && !(is_unit(&bare(piece.text).to_lowercase()) && index > at)
            })
        };
        while first < last && connective(first) {
            first += 1;
        }
        while last > first && connective(last - 1) {
            last -= 1;
        }
        if (first..last).any(|index| is(index, Looks::Strong)) {
            found.push((first, last));
        }
        at = end;
    }
    if found.is_empty() {
        // `The answer is twelve.`
        let word = pieces
            .iter()
            .rposition(|piece| is_number_word(&bare(piece.text).to_lowercase()));
        found.extend(word.map(|at| (at, at + 1)));
    }
    found
}

/// In `5 apples + 7 apples = 12 apples` what follows the last `=` between runs.
fn equation(sentence: &[Piece<'_>], runs: &[(usize, usize)]) -> Option<(usize, usize)> {
    if runs.len() < 2 {
        return None;
    }
    let sign = |text: &str| matches!(text, "=" | "≈" | "\\approx");
    let (start, end) = *runs.iter().rfind(|(start, _)| {
        sentence
            .get(*start)
            .is_some_and(|first| sign(first.text) || first.text.starts_with('='))
    })?;
    let skip = usize::from(sentence.get(start).is_some_and(|first| sign(first.text)));
    (start + skip < end).then_some((start + skip, end))
}

/// The last run that no word before it denies.
fn last_asserted(sentence: &[Piece<'_>], runs: &[(usize, usize)]) -> Option<(usize, usize)> {
    let denied = |(start, _): &&(usize, usize)| {
        let before = start.checked_sub(1).and_then(|before| sentence.get(before));
        before.is_some_and(|word| {
            let word = bare(word.text);
            !word.eq_ignore_ascii_case("of") && is_among(word, &DENIALS)
        })
    };
    runs.iter().rev().find(|run| !denied(run)).copied()
}

fn run_text(sentence: &[Piece<'_>], (start, end): (usize, usize)) -> String {
    shown(sentence.get(start..end).unwrap_or_default())
}

/// Pieces as one text, without the signs that only open and close formulas, and without the
/// punctuation of the sentence.
fn shown(pieces: &[Piece<'_>]) -> String {
    let mut text = String::new();
    for piece in pieces {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(if piece.formula {
            inside(piece.text)
        } else {
            piece.text
        });
    }
    let loose = |c: char| c.is_whitespace() || matches!(c, '*' | '_' | '`' | '"' | '“' | '”');
    let mut bare = text.trim_matches(loose);
    loop {
        let shorter = bare
            .trim_end_matches(['.', ',', ';', ':', '?', '。'])
            .trim_end_matches(loose);
        let shorter = match shorter.strip_suffix('!') {
            Some(word) if ends_in_word(word) => word,
            _ => shorter,
        };
        if shorter == bare {
            break;
        }
        bare = shorter;
    }
    unmatched(bare).to_owned()
}

/// Without closing braces and brackets that nothing opened.
fn unmatched(text: &str) -> &str {
    let mut text = text.trim_start_matches(['}', ')', ']', ':', ' ', '*']);
    if text.ends_with('}') && !text.contains('{') {
        text = text.trim_end_matches('}');
    }
    // Half-open intervals open with a bracket and close with a parenthesis.
    if text.ends_with(')') && !text.contains(['(', '[', ']']) {
        text = text.trim_end_matches(')');
    }
    text
}

fn inside(formula: &str) -> &str {
    for (open, close) in [("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")] {
        let inner = formula
            .strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close));
        if let Some(inner) = inner {
            return inner.trim();
        }
    }
    formula
}

fn head(text: &str, limit: usize) -> &str {
    super::marks::window(text.trim_start(), limit)
}

fn tail(text: &str, limit: usize) -> &str {
    super::marks::window_back(text, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_after_a_mark() {
        for (text, span) in [
            (" 72. Next question 9", "72"),
            (" $29.00.", "$29.00"),
            (" $\\frac{1}{2}$.", "\\frac{1}{2}"),
            (" \\(x = 5\\) meters.", "x = 5 meters"),
            (" $x=1$ or $x=2$.", "x=1 or x=2"),
            (":\n\n$$\n9\n$$\n", "9"),
            (" 5 because 2 + 3 = 5.", "5"),
            (" 5 apples + 7 apples = 12 apples.", "12"),
            (" 5 + 7 = 12 apples.", "5 + 7 = 12"),
            (" that each of the 3 friends gets 4.", "4"),
            (" therefore 8 cm.", "8 cm"),
            (" 2 hours and 30 minutes.", "2 hours and 30 minutes"),
            (" {1, 2}", "{1, 2}"),
            (" (1, 2)", "(1, 2)"),
            (" [0, 1)", "[0, 1)"),
            (" Evelyn.", "Evelyn"),
            (" a roadblock", "a roadblock"),
            (" twelve.", "twelve"),
            ("** 5**", "5"),
            (" 28 percent", "28 percent"),
            (" 1,234 dollars", "1,234 dollars"),
            (" 12 people", "12"),
            (" 5!", "5!"),
            (" $5 and $6 each", "$5 and $6"),
            (" 3 x 4", "3 x 4"),
            (" \\frac{1}{2} \\text{ m}", "\\frac{1}{2} \\text{ m}"),
        ] {
            assert_eq!(answer_span(text, false), span, "{text}");
        }
        assert_eq!(
            answer_span(" Henry 8 of England.", true),
            "Henry 8 of England"
        );
    }

    #[test]
    fn answers_without_a_mark() {
        for (text, span) in [
            ("x = 5", "x = 5"),
            ("{2,1}", "{2,1}"),
            ("5 m", "5 m"),
            ("(7,11), (11,7)", "(7,11), (11,7)"),
            ("1, 2 and 3", "1, 2 and 3"),
            ("She has 5 apples, not 7.", "5"),
            ("It is 12:30", "12:30"),
            ("Therefore x = 5.", "x = 5"),
            ("Therefore x = 5. We check: 2 * 5 = 10.", "x = 5"),
            ("2 + 3 = 5\n\nSo she has 5 apples.", "5"),
            ("Because B is valid", "Because B is valid"),
            ("AZYUK2A", "AZYUK2A"),
            ("costs $29.00.", "$29.00"),
            ("(-\\infty, 3)", "(-\\infty, 3)"),
            ("2\\sin x\\cos x", "2\\sin x\\cos x"),
            ("$\n9\n$", "9"),
            ("\\[ 42 \\]", "42"),
            ("", ""),
        ] {
            assert_eq!(last_span(text, false, true), span, "{text}");
        }
    }

    #[test]
    fn gold_in_words() {
        for text in ["Evelyn", "Even", "the river bank", "No solution"] {
            assert!(is_worded(text), "{text}");
        }
        for text in [
            "5",
            "x",
            "\\frac12",
            "three",
            "pi",
            "5 apples",
            "ab=5",
            "\\text{E}",
        ] {
            assert!(!is_worded(text), "{text}");
        }
        assert_eq!(without_nouns("18 people").as_deref(), Some("18"));
        assert_eq!(without_nouns("5 m"), None);
        assert_eq!(without_nouns("1 kWh"), None);
        assert_eq!(without_nouns("twenty"), None);
    }
}
