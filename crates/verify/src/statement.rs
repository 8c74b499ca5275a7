//! Where in a text the final answer stands.
//!
//! Blocks in which a model thinks aloud are taken out first. Then the last *answer mark* that has
//! anything after it decides: `the answer is`, `Answer:`, `####` or `\boxed{…}`.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// Blocks that hold reasoning and no answer: reasoning models' thoughts, and the scratchpad of the
/// addition task (STaR, figure 2).
const BLOCKS: [(&str, &str); 3] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<scratch>", "</scratch>"),
];

/// What an answer mark looks like. `answer is not` marks nothing.
static MARK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)####",
        r"|\\boxed\s*\{?",
        r"|\banswer(?:\s+(?:to|of|for)\s[^.\n:=]{0,80}?)?[*_\s]*",
        r"(?::|=|\s(?:is|was|are|would be|should be|must be|seems to be)\b(?:[*_\s]*:)?)[*_]*",
    ))
    .ok()
});

/// The part of a text that states the final answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    /// The text in which the answer is to be found.
    pub text: Cow<'a, str>,
    /// How it was found, in words; completes "the answer …".
    pub place: Place,
    /// True if a block of reasoning stood before it.
    pub after_block: bool,
}

/// What made a part of the text the statement of the final answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It follows an answer mark.
    Marked,
    /// It is the contents of a `\boxed{…}`.
    Boxed,
    /// There is no mark; the whole text has to do.
    Unmarked,
}

impl Place {
    /// In words, for `Verification::how`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Marked => "after the last answer mark",
            Self::Boxed => "in the last \\boxed",
            Self::Unmarked => "at the end of the text, which has no answer mark",
        }
    }
}

/// Finds the statement of the final answer; the error says why there is none.
pub(crate) fn find(text: &str) -> Result<Statement<'_>, &'static str> {
    let (text, after_block) = without_blocks(text);
    if text.trim().is_empty() {
        return Err(if after_block {
            "the text ends inside or directly after a block of reasoning"
        } else {
            "the text is empty"
        });
    }
    let Some((start, end, place)) = last_marked(&text)? else {
        return Ok(Statement {
            text,
            place: Place::Unmarked,
            after_block,
        });
    };
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[start..end]),
        Cow::Owned(text) => Cow::Owned(text[start..end].to_owned()),
    };
    Ok(Statement {
        text,
        place,
        after_block,
    })
}

/// The byte range of the last answer mark's statement, or `None` if there is no mark at all. An
/// answer mark with nothing after it (a text cut off) does not hide an earlier one.
fn last_marked(text: &str) -> Result<Option<(usize, usize, Place)>, &'static str> {
    let Some(mark) = MARK.as_ref() else {
        return Ok(None);
    };
    let mut last = None;
    let mut any = false;
    let marks: Vec<_> = mark.find_iter(text).collect();
    for (index, found) in marks.iter().enumerate() {
        let next = marks.get(index + 1).map_or(text.len(), regex::Match::start);
        let tail = &text[found.end()..next];
        if tail.trim_start().to_ascii_lowercase().starts_with("not ") {
            continue;
        }
        any = true;
        if tail.chars().any(char::is_alphanumeric) {
            last = Some((found, next));
        }
    }
    if any && last.is_none() {
        return Err("nothing follows the answer mark");
    }
    Ok(last.map(|(found, next)| {
        let start = found.end();
        if !found.as_str().starts_with('\\') {
            return (start, next, Place::Marked);
        }
        let length = if found.as_str().ends_with('{') {
            braced(&text[start..])
        } else {
            line_end(&text[start..])
        };
        (start, start + length, Place::Boxed)
    }))
}

/// How many bytes come before the brace that closes an already opened one; to the end of the line
/// if it is never closed.
fn braced(text: &str) -> usize {
    let mut depth = 1usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    line_end(text)
}

fn line_end(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// Takes blocks of reasoning out. An opened block that never closes hides the rest; a closing tag
/// without an opening one (chat templates open the block in the prompt) hides what is before it.
fn without_blocks(text: &str) -> (Cow<'_, str>, bool) {
    let mut text = Cow::Borrowed(text);
    let mut any = false;
    for (open, close) in BLOCKS {
        if !text.contains(open) && !text.contains(close) {
            continue;
        }
        any = true;
        let mut kept = String::new();
        let mut inside = false;
        let mut from = 0;
        for (at, _) in text.match_indices('<') {
            if text[at..].starts_with(close) {
                if !inside {
                    kept.clear();
                }
                inside = false;
                from = at + close.len();
            } else if !inside && text[at..].starts_with(open) {
                kept.push_str(&text[from..at]);
                inside = true;
                from = at + open.len();
            }
        }
        if !inside {
            kept.push_str(&text[from..]);
        }
        text = Cow::Owned(kept);
    }
    (text, any)
}

/// The first line that is not blank.
pub(crate) fn first_line(text: &str) -> &str {
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("")
}

/// The last line that is not blank.
pub(crate) fn last_line(text: &str) -> &str {
    text.lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(text: &str) -> String {
        find(text).unwrap().text.trim().to_owned()
    }

    #[test]
    fn the_last_mark_with_something_after_it_counts() {
        assert_eq!(stated("The answer is 5. No: the answer is 6"), "6");
        assert_eq!(stated("#### 5\n#### 6\n"), "6");
        assert_eq!(stated("The answer is 5. So the answer is"), "5. So the");
        assert_eq!(stated("**Final Answer:** 7"), "7");
        assert_eq!(stated("**Answer**: 7"), "7");
        assert_eq!(stated("The answer to the question is 7"), "7");
        assert_eq!(
            stated("It is 5. The answer is not clear"),
            "It is 5. The answer is not clear"
        );
    }

    #[test]
    fn boxes_nest_and_the_last_counts() {
        assert_eq!(
            stated(r"first \boxed{3} then \boxed{\frac{1}{2}} x"),
            r"\frac{1}{2}"
        );
        assert_eq!(stated(r"\boxed 4"), "4");
        assert_eq!(stated("\\boxed{4 \nmore"), "4");
    }

    #[test]
    fn reasoning_blocks_are_not_answers() {
        assert_eq!(
            stated("<think>24 the answer is 48</think> The answer is 72."),
            "72."
        );
        assert_eq!(stated("24 48</think>72"), "72");
        assert_eq!(stated("<scratch>\n1 3\n</scratch>\n1 4"), "1 4");
        assert!(find("<think>The answer is 5").is_err());
        assert!(find("The answer is").is_err());
    }
}
