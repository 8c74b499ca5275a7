//! Answer marks: `the answer is`, `Answer:`, `####`, `<answer>`, `\boxed{…}` and their kin.
//!
//! One pass of an automaton finds the words; what stands around each is looked at in a window of fixed
//! size, so that no text takes more than linear time.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

/// Marks that are looked at, from the end of the text.
const MOST_MARKS: usize = 2048;

/// What announces an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Words, or `####`.
    Words,
    /// `<answer>`.
    Tag,
    /// `\boxed{`; the answer is inside.
    Box,
    /// `\boxed` without a brace; the next token is the answer.
    BareBox,
}

/// One mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub start: usize,
    /// Where what it announces begins.
    pub end: usize,
    pub kind: Kind,
    /// `the answer is not …`, or the heading `#### Step 2`: it announces nothing.
    pub negated: bool,
    /// `the answer is consistent with …` tells of an answer that stands elsewhere, if one does.
    pub remark: bool,
}

const BOXES: [&str; 4] = ["\\boxed", "\\fbox", "\\framebox", "\u{8}oxed"];
/// The word in the languages that models answer in.
const ANSWERS: [&str; 10] = [
    "answer",
    "ans",
    "antwort",
    "réponse",
    "reponse",
    "respuesta",
    "risposta",
    "resposta",
    "ответ",
    "答案",
];
/// Words that need one of [`FINAL`] before them.
const FINALS: [&str; 5] = ["option", "choice", "result", "solution", "value"];
const FINAL: [&str; 5] = ["correct", "right", "best", "final", "my"];
const VERBS: [&str; 28] = [
    "is",
    "was",
    "are",
    "equals",
    "becomes",
    "comes to",
    "will be",
    "would be",
    "should be",
    "must be",
    "has to be",
    "can be",
    "could be",
    "might be",
    "may be",
    "seems to be",
    "appears to be",
    "turns out to be",
    "works out to be",
    "happens to be",
    "would then be",
    "est",
    "ist",
    "lautet",
    "es",
    "é",
    "è",
    "равен",
];
const SIGNS: [&str; 10] = [":", "=", "：", "->", "→", "⇒", "—", "–", "是", "为"];
/// First words of what is no answer but tells of one.
const REMARKS: [&str; 32] = [
    "consistent",
    "correct",
    "reasonable",
    "right",
    "verified",
    "valid",
    "confirmed",
    "obtained",
    "found",
    "reached",
    "in the form",
    "in its",
    "in simplest",
    "expected",
    "required",
    "supposed",
    "an integer",
    "a whole",
    "positive",
    "plausible",
    "clear",
    "wrong",
    "incorrect",
    "given in",
    "rounded",
    "checked",
    "derived",
    "based on",
    "because",
    "already",
    "unique",
    "sensible",
];
/// First words of a heading that begins with `####`.
const HEADINGS: [&str; 24] = [
    "step",
    "part",
    "solution",
    "explanation",
    "conclusion",
    "verification",
    "summary",
    "method",
    "case",
    "note",
    "approach",
    "analysis",
    "given",
    "calculation",
    "reasoning",
    "check",
    "proof",
    "answer",
    "final",
    "understanding",
    "detailed",
    "the",
    "problem",
    "question",
];

static WORDS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = BOXES.iter().chain(&ANSWERS).chain(&FINALS);
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .build(words.chain(&["####", "<answer>"]))
        .ok()
});

/// All marks of a text, in its order.
pub(super) fn marks(text: &str) -> Vec<Mark> {
    let Some(words) = WORDS.as_ref() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let hits: Vec<_> = words.find_iter(text).collect();
    for hit in hits.iter().skip(hits.len().saturating_sub(MOST_MARKS)) {
        let index = hit.pattern().as_usize();
        let (start, end) = (hit.start(), hit.end());
        let rest = text.get(end..).unwrap_or_default();
        let mark = if index < BOXES.len() {
            boxed(start, end, rest)
        } else if index < BOXES.len() + ANSWERS.len() {
            let short = hit.end() - hit.start() == "ans".len();
            words_of(text, start, end, short)
        } else if index < BOXES.len() + ANSWERS.len() + FINALS.len() {
            if follows_final(text, start) {
                words_of(text, start, end, false)
            } else {
                None
            }
        } else if text.get(start..).is_some_and(|t| t.starts_with('#')) {
            Some(hashes(start, end, rest))
        } else {
            Some(mark(start, end, Kind::Tag))
        };
        found.extend(mark);
    }
    found
}

fn mark(start: usize, end: usize, kind: Kind) -> Mark {
    Mark {
        start,
        end,
        kind,
        negated: false,
        remark: false,
    }
}

fn boxed(start: usize, end: usize, rest: &str) -> Option<Mark> {
    if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let spaces = window(rest, 8);
    let spaces = spaces.len() - spaces.trim_start().len();
    Some(if rest.get(spaces..)?.starts_with('{') {
        mark(start, end + spaces + 1, Kind::Box)
    } else {
        mark(start, end + spaces, Kind::BareBox)
    })
}

fn hashes(start: usize, end: usize, rest: &str) -> Mark {
    let more = rest.bytes().take_while(|b| *b == b'#').take(4).count();
    let heading = window(rest.get(more..).unwrap_or_default(), 64);
    let heading = heading.trim_start_matches(|c: char| matches!(c, '*' | '_') || c.is_whitespace());
    let first = heading
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or("");
    Mark {
        negated: HEADINGS.contains(&first.to_lowercase().as_str()),
        ..mark(start, end + more, Kind::Words)
    }
}

fn words_of(text: &str, start: usize, end: usize, short: bool) -> Option<Mark> {
    let before = text.get(..start)?.chars().next_back();
    if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '/' | '\\')) {
        return None;
    }
    let mut end = end;
    let mut rest = text.get(end..)?;
    if let Some(plural) = rest.strip_prefix('s') {
        (end, rest) = (end + 1, plural);
    }
    let length = announcement(rest, short).or_else(|| heading(text, start, rest))?;
    let told = window(text.get(end + length..)?, 64);
    let told = told.trim_start_matches(|c: char| c.is_whitespace() || c == '*');
    let starts = |word: &str| {
        let head = told.get(..word.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(word))
            && !told[word.len()..].starts_with(char::is_alphanumeric)
    };
    Some(Mark {
        negated: starts("not"),
        remark: REMARKS.iter().any(|remark| starts(remark)),
        ..mark(start, end + length, Kind::Words)
    })
}

/// The bytes after `answer` that make it announce one: `is`, `:`, `to the question is`.
fn announcement(rest: &str, short: bool) -> Option<usize> {
    let near = window(rest, 128);
    let skip = |text: &str| {
        let loose = |c: char| c.is_whitespace() || matches!(c, '*' | '_' | '}' | '"' | ')');
        text.len() - text.trim_start_matches(loose).len()
    };
    let mut at = skip(near);
    let middle = near.get(at..)?;
    let linked = [
        "to ", "of ", "for ", "here", "then", "choice", "option", "in ", "(", "number",
    ]
    .iter()
    .find(|word| middle.starts_with(*word));
    if let Some(word) = linked {
        let limit = window(middle, 96);
        let limit = limit.split(['\n', '.']).next().unwrap_or_default();
        let sign = limit.find([':', '=', '：']);
        let verb = limit
            .match_indices(' ')
            .map(|(space, _)| space + 1)
            .find(|at| {
                let rest = limit.get(*at..).unwrap_or_default();
                let follows = |verb: &&str| {
                    rest.strip_prefix(*verb)
                        .is_some_and(|rest| rest.starts_with(' '))
                };
                VERBS.iter().any(follows)
            });
        at += verb
            .into_iter()
            .chain(sign)
            .min()
            .filter(|at| *at >= word.len().min(1))?;
    }
    let tail = near.get(at..)?;
    if let Some(sign) = SIGNS.iter().find(|sign| tail.starts_with(**sign)) {
        let end = at + sign.len();
        return Some(end + emphasis(near.get(end..)?));
    }
    if short {
        return None;
    }
    let verb = VERBS.iter().filter(|verb| {
        let head = tail.get(..verb.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(verb))
            && !tail[verb.len()..].starts_with(char::is_alphanumeric)
            && !tail[verb.len()..].starts_with(['\'', '’'])
    });
    let verb = verb.max_by_key(|verb| verb.len()).filter(|_| at > 0)?;
    let mut end = at + verb.len();
    let colon = near.get(end..)?;
    let gap = skip(colon);
    if colon.get(gap..)?.starts_with([':', '：']) {
        end += gap + colon.get(gap..)?.chars().next().map_or(0, char::len_utf8);
    }
    Some(end + emphasis(near.get(end..)?))
}

fn emphasis(text: &str) -> usize {
    text.bytes()
        .take_while(|b| matches!(b, b'*' | b'_'))
        .count()
}

/// True length of the rest of a line that is nothing but the heading `Final answer`.
fn heading(text: &str, start: usize, rest: &str) -> Option<usize> {
    let line_end = window(rest, 24).find('\n')?;
    let after = rest.get(..line_end)?;
    if !after
        .chars()
        .all(|c| c.is_whitespace() || matches!(c, '*' | '_' | '#'))
    {
        return None;
    }
    let before = window_back(text.get(..start)?, 48);
    let line = before.rsplit('\n').next().unwrap_or_default();
    let words = line.split(|c: char| c.is_whitespace() || matches!(c, '*' | '_' | '#'));
    let known = ["final", "the", "my", "correct", "short", ""];
    words
        .into_iter()
        .all(|word| known.contains(&word.to_lowercase().as_str()))
        .then_some(line_end)
}

fn follows_final(text: &str, start: usize) -> bool {
    let before = window_back(text.get(..start).unwrap_or_default(), 16);
    let spaced = before.trim_end();
    let word = spaced.rsplit(|c: char| !c.is_alphanumeric()).next();
    spaced.len() < before.len()
        && word.is_some_and(|word| FINAL.iter().any(|final_| word.eq_ignore_ascii_case(final_)))
}

/// The first bytes of a text, up to `limit`, cut between characters.
pub(super) fn window(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The last bytes of a text.
pub(super) fn window_back(text: &str, limit: usize) -> &str {
    let mut start = text.len().saturating_sub(limit);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<&str> {
        let all = marks(text);
        let real = all.iter().filter(|mark| !mark.negated);
        real.map(|mark| text[mark.end..].trim_start_matches([' ', '}']).trim())
            .collect()
    }

    #[test]
    fn words_that_announce() {
        for text in [
            "The answer is 5",
            "Answer: 5",
            "**Final Answer:** 5",
            "**Answer**: 5",
            "The answer to the question is 5",
            "the answer seems to be 5",
            "ANSWER = 5",
            "answer -> 5",
            "Ans: 5",
            "#### 5",
            "####5",
            "<answer>5",
            "The correct option is 5",
            "The correct choice: 5",
            "## Final Answer\n5",
            "**Answer**\n\n5",
            "La réponse est 5",
            "Die Antwort lautet: 5",
            "答案是5",
            "\\boxed{5",
            "\\boxed 5",
            "\\fbox{5",
            "\u{8}oxed{5",
            "\\text{Answer: }5",
        ] {
            assert_eq!(told(text), ["5"], "{text}");
        }
    }

    #[test]
    fn words_that_do_not() {
        for text in [
            "The answer is not 5",
            "I answered 5",
            "the answer isn't 5",
            "transition 5",
            "</answer> 5",
            "#### Step 2: multiply",
            "an option is 5",
            "\\boxedtext{5}",
            "We answer 5",
        ] {
            assert_eq!(told(text), [""; 0], "{text}");
        }
    }
}
