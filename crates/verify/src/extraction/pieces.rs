//! A text in pieces: formulas (`$…$`, `\(…\)`, `\[…\]`, environments) and words, and how much each
//! looks like mathematics.

use super::words::{CONNECTIVES, is_among, is_known};

/// Bytes of one formula.
const LONGEST_FORMULA: usize = 4096;

/// How much a piece looks like mathematics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum Looks {
    /// An ordinary word.
    Word,
    /// It can stand inside mathematics: `and`, `x`, a unit.
    Loose,
    /// It is mathematics: digits, operators, commands.
    Strong,
}

/// A formula or a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) formula: bool,
    pub(super) looks: Looks,
    /// A sentence or line ends after it.
    pub(super) ends: bool,
}

/// Cuts a text into pieces.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
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

/// What only its neighbours can tell: `a` is an article unless it stands beside mathematics or a sign, and a full stop after a formula
/// ends the sentence.
fn mend(pieces: &mut [Piece<'_>]) {
    for index in 0..pieces.len() {
        let neighbour = |at: Option<usize>| at.and_then(|at| pieces.get(at)).copied();
        let (before, after) = (neighbour(index.checked_sub(1)), neighbour(Some(index + 1)));
        let Some(piece) = pieces.get(index).copied() else {
            continue;
        };
        let sign = |text: &str| matches!(text, "-" | "–" | "−" | "*" | "/");
        let strong = |piece: Option<Piece<'_>>| {
            piece.is_some_and(|p| p.looks == Looks::Strong || sign(p.text))
        };
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
pub(super) fn bare(word: &str) -> &str {
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
    let slashed =
        bare.contains(['/', '*']) && bare.chars().filter(|c| c.is_alphabetic()).count() <= 4;
    let single = bare.trim_matches(['-', '[', ']', '\'']).chars().count() == 1;
    if single || slashed || is_known(bare) || is_among(bare, &CONNECTIVES) {
        return Looks::Loose;
    }
    if bare == "π" || bare.eq_ignore_ascii_case("infinity") {
        return Looks::Strong;
    }
    Looks::Word
}

pub(super) fn ends_in_word(text: &str) -> bool {
    let mut last = text.chars().rev();
    let letters = [last.next(), last.next()];
    letters.iter().all(|c| c.is_some_and(char::is_alphabetic))
}
