//! The first way to find the final answer: marks in the order of the text, the last one counts.
//!
//! A mark with nothing after it (a text cut off) does not hide an earlier one, and neither does a
//! remark about the answer (`the answer is consistent with …`).

use std::borrow::Cow;

use super::boxes::closes;
use super::marks::{Kind, Mark, marks, window, window_back};
use super::visible::{Visible, visible};

/// Bytes of a statement that are looked at: its beginning, or without a mark the end of the text.
const LONGEST: usize = 64 * 1024;
/// Bytes of the contents of boxes side by side, at most.
const MOST_JOINED: usize = 512;

/// The part of a text that states the final answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    /// The text in which the answer is to be found.
    pub text: Cow<'a, str>,
    /// How it was found, in words; completes "the answer …".
    pub place: Place,
    /// True if the scratchpad of the addition task stood before it.
    pub after_scratchpad: bool,
}

/// What made a part of the text the statement of the final answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It follows an answer mark.
    Marked,
    /// It is the contents of a `\boxed{…}`, or of several side by side.
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

/// Where an answer stands.
struct Found {
    start: usize,
    end: usize,
    place: Place,
    /// Of several boxes side by side, the contents of all.
    joined: Option<String>,
}

/// Finds the statement of the final answer; the error says why there is none.
pub(crate) fn find(text: &str) -> Result<Statement<'_>, &'static str> {
    find_in(visible(text, None))
}

/// The same in what is visible of a text.
pub(crate) fn find_in(visible: Visible<'_>) -> Result<Statement<'_>, &'static str> {
    let Visible {
        text,
        after_block,
        after_scratchpad,
    } = visible;
    if text.trim().is_empty() {
        return Err(if after_block {
            "the text ends inside or directly after a block of reasoning"
        } else {
            "the text is empty"
        });
    }
    let Some(found) = last_marked(&text)? else {
        let text = match text {
            Cow::Borrowed(text) => Cow::Borrowed(window_back(text, LONGEST)),
            Cow::Owned(text) => Cow::Owned(window_back(&text, LONGEST).to_owned()),
        };
        return Ok(Statement {
            text,
            place: Place::Unmarked,
            after_scratchpad,
        });
    };
    let told = text.get(found.start..found.end).unwrap_or_default();
    let range = found.start..found.start + window(told, LONGEST).len();
    let text = match (found.joined, text) {
        (Some(joined), _) => Cow::Owned(joined),
        (None, Cow::Borrowed(text)) => Cow::Borrowed(text.get(range).unwrap_or_default()),
        (None, Cow::Owned(text)) => Cow::Owned(text.get(range).unwrap_or_default().to_owned()),
    };
    Ok(Statement {
        text,
        place: found.place,
        after_scratchpad,
    })
}

/// The last mark's statement, or `None` if there is no mark at all.
fn last_marked(text: &str) -> Result<Option<Found>, &'static str> {
    let marks = marks(text);
    if marks.is_empty() {
        return Ok(None);
    }
    let opens: Vec<usize> = boxes(&marks).map(|mark| mark.end).collect();
    let closes = closes(text, &opens);
    let mut closes = closes.into_iter();
    let mut inside = 0;
    let mut any = false;
    let mut found: Option<Found> = None;
    // The last box, to join the next one to.
    let mut last_box: Option<(usize, String)> = None;
    let mut newline = LineEnds { text, next: 0 };
    for (index, mark) in marks.iter().enumerate() {
        let next = marks.get(index + 1).map_or(text.len(), |next| next.start);
        let mut this = statement_of(text, mark, next);
        if mark.kind == Kind::Box {
            let close = closes.next().flatten();
            let end = close.unwrap_or_else(|| newline.after(mark.end));
            inside = inside.max(close.unwrap_or(0));
            this.end = end;
        } else if mark.start < inside || mark.negated {
            continue;
        }
        any = true;
        let told = text.get(this.start..this.end).unwrap_or_default();
        if !says_something(told) || (mark.remark && found.is_some()) {
            continue;
        }
        if this.place == Place::Boxed {
            this.joined = last_box
                .take()
                .filter(|(end, _)| text.get(*end..mark.start).is_some_and(connects))
                .map(|(_, before)| joined(before, told));
            let contents = this.joined.as_deref().unwrap_or(told);
            // Nobody states as many answers, and copying what grows would be quadratic.
            let few = contents.len() < MOST_JOINED;
            last_box = few.then(|| (this.end + 1, contents.to_owned()));
        }
        found = Some(this);
    }
    if any && found.is_none() {
        return Err("nothing follows the answer mark");
    }
    Ok(found)
}

fn boxes(marks: &[Mark]) -> impl Iterator<Item = &Mark> {
    marks.iter().filter(|mark| mark.kind == Kind::Box)
}

fn after(text: &str, at: usize) -> &str {
    text.get(at..).unwrap_or_default()
}

/// What a mark announces, up to the next mark. The end of a box is not known here.
fn statement_of(text: &str, mark: &Mark, next: usize) -> Found {
    let (end, place) = match mark.kind {
        Kind::Box => (mark.end, Place::Boxed),
        Kind::BareBox => {
            let rest = after(text, mark.end);
            let token = rest.find(|c: char| c.is_whitespace() || c == '$');
            (mark.end + token.unwrap_or(rest.len()), Place::Boxed)
        }
        Kind::Tag => {
            let told = text.get(mark.end..next).unwrap_or_default();
            let close = told.find("</").unwrap_or(told.len());
            (mark.end + close, Place::Marked)
        }
        Kind::Words => (next, Place::Marked),
    };
    Found {
        start: mark.end,
        end,
        place,
        joined: None,
    }
}

/// True if a text can be an answer at all.
fn says_something(text: &str) -> bool {
    let sign = |c: char| c.is_alphanumeric() || matches!(c, '∞' | '∅');
    text.contains(sign) || text.trim().starts_with("{}") || text.contains("\\{\\}")
}

/// True if two boxes with this between them are one answer: `\boxed{1}, \boxed{2}`.
fn connects(between: &str) -> bool {
    if between.len() > 48 {
        return false;
    }
    let mut text = between.to_owned();
    for word in [
        "\\text", "\\quad", "\\qquad", "\\(", "\\)", "\\ ", "\\,", "\\;", "\\&",
    ] {
        text = text.replace(word, " ");
    }
    let loose = |c: char| c.is_whitespace() || matches!(c, '$' | ',' | ';' | '&' | '{' | '}');
    let mut words: Vec<&str> = text.split(loose).filter(|word| !word.is_empty()).collect();
    words.retain(|word| {
        !matches!(
            *word,
            "and" | "or" | "und" | "oder" | "et" | "ou" | "y" | "="
        )
    });
    // `x = \boxed{1} or x = \boxed{2}`: a name may stand before a box.
    let name = |word: &&str| {
        let bare = word.trim_end_matches('=');
        bare.chars().count() <= 2 && bare.starts_with(char::is_alphabetic)
    };
    words.is_empty() || (words.len() == 1 && between.contains('=') && words.iter().all(name))
}

fn joined(before: String, told: &str) -> String {
    let told = told.trim();
    let known = before == told || before.split(", ").any(|one| one == told);
    if known {
        before
    } else {
        format!("{}, {told}", before.trim())
    }
}

/// Ends of lines, asked for at places that only grow.
struct LineEnds<'a> {
    text: &'a str,
    next: usize,
}

impl LineEnds<'_> {
    fn after(&mut self, at: usize) -> usize {
        if self.next < at {
            let line = after(self.text, at).find('\n');
            self.next = line.map_or(self.text.len(), |line| at + line);
        }
        self.next
    }
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
    fn boxes_side_by_side_are_one_answer() {
        for text in [
            r"\boxed{1}\boxed{2}",
            r"$\boxed{1}$ and $\boxed{2}$",
            r"\boxed{1}, \boxed{2}",
            r"$x=\boxed{1}$ or $x=\boxed{2}$",
        ] {
            assert_eq!(stated(text), "1, 2", "{text}");
        }
        assert_eq!(stated(r"\boxed{1}. So \boxed{2}"), "2");
        assert_eq!(stated(r"\boxed{1} \boxed{1}"), "1");
        assert_eq!(stated(r"\boxed{\boxed{4}}"), "4");
    }

    #[test]
    fn remarks_about_an_answer_are_none() {
        assert_eq!(
            stated(r"\boxed{72}. This answer is consistent with 3 days."),
            "72"
        );
        assert_eq!(stated("The answer is 5. The answer is correct."), "5. The");
        assert_eq!(stated("The answer is valid."), "valid.");
        assert_eq!(stated(r"\boxed{\text{Answer: } 4}"), r"\text{Answer: } 4");
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
