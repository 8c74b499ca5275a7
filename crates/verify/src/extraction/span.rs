//! Which piece of a sentence is the answer, where the answer is mathematics.
//!
//! A sentence is cut into formulas (`$…$`, `\(…\)`, `\[…\]`, environments) and words. Neighbouring
//! pieces that can be mathematics are one *run*; an answer is a run, or a whole sentence of words.

use super::words::{
    CONCLUSIONS, CONNECTIVES, DENIALS, LEADS, REASONS, is_known, is_number_word, is_unit,
};

/// Bytes of a statement that are looked at; of a text without marks, from its end.
const LONGEST: usize = 16 * 1024;
/// Bytes of one formula.
const LONGEST_FORMULA: usize = 4096;

/// How much a piece looks like mathematics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Looks {
    /// An ordinary word.
    Word,
    /// It can stand inside mathematics: `and`, `x`, a unit.
    Loose,
    /// It is mathematics: digits, operators, commands.
    Strong,
}

#[derive(Debug, Clone, Copy)]
struct Piece<'a> {
    text: &'a str,
    formula: bool,
    looks: Looks,
    /// A sentence or line ends after it.
    ends: bool,
}

/// The answer in what follows an answer mark. `worded`: gold is words, and so will the answer be.
pub(crate) fn answer_span(statement: &str, worded: bool) -> String {
    let signs =
        |c: char| c.is_whitespace() || matches!(c, ':' | '*' | '_' | '}' | '>' | '"' | '：');
    let pieces = pieces(head(statement.trim_start_matches(signs), LONGEST));
    let mut sentence = first_sentence(&pieces);
    while let Some((first, rest)) = sentence.split_first() {
        let lead = LEADS.contains(&bare(first.text).to_lowercase().as_str());
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
        let known = CONCLUSIONS.contains(&first.to_lowercase().as_str());
        known && !runs(sentence).is_empty()
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
    !piece.formula && REASONS.contains(&bare(piece.text).to_lowercase().as_str())
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
                    && CONNECTIVES.contains(&bare(piece.text).to_lowercase().as_str())
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
            let word = bare(word.text).to_lowercase();
            word != "of" && DENIALS.contains(&word.as_str())
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

fn ends_in_word(text: &str) -> bool {
    let mut last = text.chars().rev();
    let letters = [last.next(), last.next()];
    letters.iter().all(|c| c.is_some_and(char::is_alphabetic))
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

/// Cuts a text into pieces.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found: Vec<Piece<'_>> = Vec::new();
    let mut closes = Closes::default();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let space = rest.len() - rest.trim_start().len();
        if space > 0 {
            let line = rest.get(..space).is_some_and(|space| space.contains('\n'));
            if let Some(last) = found.last_mut().filter(|_| line) {
                last.ends = true;
            }
            at += space;
            continue;
        }
        let piece = if let Some(length) = closes.formula(text, at) {
            Piece {
                text: rest.get(..length).unwrap_or(rest),
                formula: true,
                looks: Looks::Strong,
                ends: false,
            }
        } else {
            let word = rest.get(..word_length(rest)).unwrap_or(rest);
            Piece {
                text: word,
                formula: false,
                looks: looks(word),
                ends: ends_sentence(word),
            }
        };
        at += piece.text.len().max(1);
        found.push(piece);
    }
    mend(&mut found);
    found
}

/// What only its neighbours can tell: `a` is an article before a word, and a full stop after a formula
/// ends the sentence.
fn mend(pieces: &mut [Piece<'_>]) {
    for index in 0..pieces.len() {
        let neighbour = |at: Option<usize>| at.and_then(|at| pieces.get(at)).copied();
        let (before, after) = (neighbour(index.checked_sub(1)), neighbour(Some(index + 1)));
        let Some(piece) = pieces.get(index).copied() else {
            continue;
        };
        let strong = |piece: Option<Piece<'_>>| piece.is_some_and(|p| p.looks == Looks::Strong);
        let lone = matches!(bare(piece.text), "a" | "A" | "I");
        let looks = if lone && !piece.formula && !(strong(before) || strong(after)) {
            Looks::Word
        } else {
            piece.looks
        };
        if let Some(piece) = pieces.get_mut(index) {
            piece.looks = looks;
        }
    }
}

/// Where delimiters close next, remembered so that looking for them stays linear.
#[derive(Default)]
struct Closes {
    next: [Option<usize>; 5],
}

impl Closes {
    /// The length of the formula that starts at `at`, if one does.
    fn formula(&mut self, text: &str, at: usize) -> Option<usize> {
        const FORMS: [(&str, &str); 5] = [
            ("$$", "$$"),
            ("$", "$"),
            ("\\(", "\\)"),
            ("\\[", "\\]"),
            ("\\begin{", "\\end{"),
        ];
        let rest = text.get(at..)?;
        let form = FORMS.iter().position(|(open, _)| rest.starts_with(open))?;
        let (open, close) = *FORMS.get(form)?;
        let from = at + open.len();
        let next = self.next.get_mut(form)?;
        if next.is_none_or(|next| next < from) {
            *next = Some(
                text.get(from..)?
                    .find(close)
                    .map_or(usize::MAX, |close| from + close),
            );
        }
        let end = (*next)?;
        if end == usize::MAX || end - at > LONGEST_FORMULA {
            return None;
        }
        let contents = text.get(from..end)?;
        let mut end = end + close.len();
        if open == "$" && is_currency(contents) {
            return None;
        }
        if open == "\\begin{" {
            end += text.get(end..)?.find('}')? + 1;
        }
        if contents.trim().is_empty() || contents.contains("\n\n") {
            return None;
        }
        Some(end - at)
    }
}

/// True if a dollar sign is money: `$5 and $6`.
fn is_currency(contents: &str) -> bool {
    let number = contents
        .trim_start_matches('-')
        .starts_with(|c: char| c.is_ascii_digit());
    let dangling =
        |c: char| c.is_whitespace() || matches!(c, '+' | '-' | '*' | '/' | '(' | ',' | '=');
    let words = contents.split_whitespace().filter(|word| {
        word.len() > 2
            && word
                .chars()
                .all(|c| c.is_ascii_alphabetic() || c == ',' || c == '.')
    });
    let worded = words.clone().count() > 0 && !contents.contains('\\');
    number && (contents.ends_with(dangling) || worded)
}

/// A word ends at white space outside braces, or where a formula begins.
fn word_length(text: &str) -> usize {
    let mut depth = 0i32;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '\n' => return at.max(1),
            _ if escaped => escaped = false,
            '\\' => {
                let rest = text.get(at..).unwrap_or_default();
                if at > 0 && (rest.starts_with("\\(") || rest.starts_with("\\[")) {
                    return at;
                }
                escaped = true;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            '$' if at > 0 && !text.get(..at).unwrap_or("").ends_with(['-', '+', '(', '=']) => {
                return at;
            }
            _ if c.is_whitespace() && depth <= 0 => return at.max(1),
            _ => {}
        }
    }
    text.len()
}

/// The word without the punctuation and emphasis around it.
fn bare(word: &str) -> &str {
    let loose = |c: char| {
        matches!(
            c,
            '*' | '_' | '`' | '"' | '“' | '”' | ',' | ';' | ':' | '.' | '?' | '(' | ')'
        )
    };
    word.trim_matches(loose)
}

fn ends_sentence(word: &str) -> bool {
    const ABBREVIATIONS: [&str; 14] = [
        "mr", "mrs", "ms", "dr", "st", "vs", "no", "e.g", "i.e", "etc", "approx", "jr", "sr",
        "prof",
    ];
    let word = word.trim_end_matches(['*', '_', '"', '”', ')', '`']);
    match word.chars().next_back() {
        Some('?' | '。') => true,
        Some('.') => {
            let before = bare(word).to_lowercase();
            !before.is_empty() && !ABBREVIATIONS.contains(&before.as_str())
        }
        Some('!') => ends_in_word(word.get(..word.len() - 1).unwrap_or("")),
        _ => false,
    }
}

fn looks(word: &str) -> Looks {
    let bare = bare(word);
    if bare.is_empty() {
        // Lone brackets and commas belong to what is around them.
        return Looks::Loose;
    }
    let letters = bare.chars().take_while(|c| c.is_alphabetic()).count();
    let digits = bare.contains(|c: char| c.is_ascii_digit());
    let operators = bare.contains([
        '=', '<', '>', '^', '+', '≤', '≥', '√', '∞', '∅', '±', '×', '÷', '∪', '∩', '∈', '≈', '½',
        '¼', '¾', 'π', '%', '°', '⅓', '⅔', '−', '·', '{', '|',
    ]);
    if bare.contains('\\') {
        return Looks::Strong;
    }
    if operators {
        return Looks::Strong;
    }
    if digits {
        let called = letters > 1
            && bare
                .chars()
                .nth(letters)
                .is_some_and(|c| matches!(c, '(' | '_' | '*' | '/'));
        let known = letters > 1 && is_known(&bare.chars().take(letters).collect::<String>());
        return if letters <= 1 || called || known {
            Looks::Strong
        } else {
            Looks::Word
        };
    }
    if matches!(bare, "-" | "/" | "*" | "[" | "]" | "}" | "–") {
        return Looks::Loose;
    }
    let lower = bare.to_lowercase();
    let slashed =
        bare.contains(['/', '*']) && bare.chars().filter(|c| c.is_alphabetic()).count() <= 4;
    let single = bare.trim_matches(['-', '[', ']', '\'']).chars().count() == 1;
    if single || slashed || is_known(bare) || CONNECTIVES.contains(&lower.as_str()) {
        return Looks::Loose;
    }
    if lower == "π" || lower == "infinity" {
        return Looks::Strong;
    }
    Looks::Word
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
