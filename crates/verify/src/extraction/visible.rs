//! What of a text can hold the answer: no reasoning blocks, no echo of the prompt, and nothing after
//! the end of the answer.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::marks::{marks, window_back};
use super::tags::tags;

/// Bytes of a text that are looked at, from its end; reasoning blocks do not count.
const LONGEST: usize = 128 * 1024;
/// Questions shorter than this, in bytes, may stand in an answer by chance.
const LEAST_ECHO: usize = 16;

/// What of a text can hold the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Visible<'a> {
    pub text: Cow<'a, str>,
    /// True if a block of reasoning was taken out.
    pub after_block: bool,
    /// True if it was the scratchpad of the addition task.
    pub after_scratchpad: bool,
}

/// Where a chat format says that the final message begins (harmony), or ends.
const FINAL: &str = "<|channel|>final<|message|>";
const ANALYSIS: &str = "<|channel|>analysis<|message|>";
const ENDS: [&str; 9] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "<|return|>",
    "<end_of_turn>",
    "</s>",
    "<eos>",
];

/// A line that begins another question, or the turn of somebody else. The group `weak` needs an answer
/// before it, since solutions have such lines, too.
static FOLLOW_UP: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?mi)^[ \t>#*_]{0,12}(?:",
        r"(?:Q[ ]?[0-9]{0,3}|(?:New |Next )?Question(?:[ ]?#?[0-9]{1,3})?|Human|User|Student)[*_]{0,2}[:：]",
        r"|(?P<weak>(?:Problem|Instruction|Input|Exercise|Example|Context|Passage)(?:[ ]?#?[0-9]{1,3})?[*_]{0,2}[:：])",
        r"|Question[ ]?[0-9]{1,3}[*_]{0,2}[.]?[ \t]*$",
        r"|<\|im_start\|>[ ]?user|<\|user\|>|<\|start_header_id\|>user|<start_of_turn>user|\[INST\]",
        r")",
    ))
    .ok()
});

/// A line that begins the answer to an echoed question.
static ANSWER_LINE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?mi)^[ \t>#*_]{0,12}(?:A|Answer|Solution)[*_]{0,2}[:：]").ok());

/// One of these, or a `Q` with what may follow it, begins every line at which [`FOLLOW_UP`] matches.
const FOLLOW_UP_WORDS: [&str; 18] = [
    "question",
    "new question",
    "next question",
    "human",
    "user",
    "student",
    "problem",
    "instruction",
    "input",
    "exercise",
    "example",
    "context",
    "passage",
    "<|im_start|>",
    "<|user|>",
    "<|start_header_id|>",
    "<start_of_turn>",
    "[inst]",
];

/// Whether [`FOLLOW_UP`] can match at all: looking at the beginnings of lines is much faster.
fn may_follow_up(text: &str) -> bool {
    text.split('\n').any(|line| {
        let line = line.trim_start_matches([' ', '\t', '>', '#', '*', '_']);
        let begins = |word: &str| {
            let head = line.as_bytes().get(..word.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
        };
        if begins("q") {
            return line.get(1..).is_some_and(|rest| {
                rest.starts_with(|c: char| c.is_ascii_digit() || " :：*_".contains(c))
            }) || begins("question");
        }
        FOLLOW_UP_WORDS.iter().any(|word| begins(word))
    })
}

/// Where a text has `<` with what follows it.
fn angles(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let all = text.match_indices('<');
    all.filter_map(|(at, _)| Some((at, text.get(at..)?)))
}

/// Reads past reasoning blocks, the echo of `prompt` (the question, or all that the model was shown),
/// and everything after the end of the answer.
pub(crate) fn visible<'a>(text: &'a str, prompt: Option<&str>) -> Visible<'a> {
    let after_scratchpad = angles(text).any(|(_, tag)| tag.starts_with("</scratch>"));
    let (text, after_block) = match without_blocks(text) {
        (Cow::Borrowed(text), after_block) => {
            (Cow::Borrowed(window_back(text, LONGEST)), after_block)
        }
        (Cow::Owned(text), after_block) if text.len() > LONGEST => (
            Cow::Owned(window_back(&text, LONGEST).to_owned()),
            after_block,
        ),
        owned => owned,
    };
    let (start, end) = {
        let start = prompt.map_or(0, |prompt| after_echo(&text, prompt));
        let rest = text.get(start..).unwrap_or_default();
        let repeated = prompt.and_then(|prompt| repeated_question(rest, prompt));
        let rest = rest.get(..repeated.unwrap_or(rest.len())).unwrap_or(rest);
        let rest = rest.get(..chat_end(rest)).unwrap_or(rest);
        let (from, to) = own_answer(rest);
        (start + from, start + to)
    };
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(start..end).unwrap_or(text)),
        Cow::Owned(text) if start == 0 && end == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.get(start..end).unwrap_or_default().to_owned()),
    };
    Visible {
        text,
        after_block,
        after_scratchpad,
    }
}

/// Takes blocks of reasoning out. An opened block that never closes hides the rest; a closing tag
/// without an opening one (chat templates open the block in the prompt) hides what is before it.
fn without_blocks(text: &str) -> (Cow<'_, str>, bool) {
    if !text.contains(['<', '[', '◁']) {
        return (Cow::Borrowed(text), false);
    }
    if angles(text).any(|(_, tag)| tag.starts_with("<|channel|>")) {
        if let Some(at) = text.rfind(FINAL) {
            return (Cow::Borrowed(&text[at + FINAL.len()..]), true);
        }
        if let Some(at) = text.find(ANALYSIS) {
            return (Cow::Borrowed(&text[..at]), true);
        }
    }
    let mut kept = String::new();
    let mut inside: Option<(&str, usize)> = None;
    let mut from = 0;
    let mut any = false;
    for tag in tags(text) {
        any = true;
        match &mut inside {
            None if tag.closes => {
                kept.clear();
                from = tag.end;
            }
            None => {
                kept.push_str(text.get(from..tag.start).unwrap_or_default());
                inside = Some((tag.name, 1));
            }
            Some((open, depth)) if *open == tag.name => {
                *depth = if tag.closes { *depth - 1 } else { *depth + 1 };
                if *depth == 0 {
                    inside = None;
                    from = tag.end;
                }
            }
            Some(_) => {}
        }
    }
    if !any {
        return (Cow::Borrowed(text), false);
    }
    if inside.is_none() {
        kept.push_str(text.get(from..).unwrap_or_default());
    }
    (Cow::Owned(kept), true)
}

/// Where the text goes on after an echo of the prompt that it begins with; 0 if there is none. White
/// space may differ, and a lead such as `Q:` may stand before it.
fn after_echo(text: &str, prompt: &str) -> usize {
    let prompt = prompt.trim();
    if prompt.len() < LEAST_ECHO {
        return 0;
    }
    let lead = FOLLOW_UP
        .as_ref()
        .and_then(|lead| lead.find(text))
        .filter(|found| text.get(..found.start()).unwrap_or("").trim().is_empty());
    for start in [0, lead.map_or(0, |found| found.end())] {
        if let Some(length) = echo_length(text.get(start..).unwrap_or(""), prompt) {
            return start + length;
        }
    }
    // Few-shot examples may come first; then the question itself, and after it the answer.
    let begins_with_question = lead.is_some();
    match text.find(prompt) {
        Some(at) if begins_with_question => at + prompt.len(),
        _ => 0,
    }
}

/// How many bytes of `text` repeat all of `prompt`.
fn echo_length(text: &str, prompt: &str) -> Option<usize> {
    let visible = |c: &(usize, char)| !c.1.is_whitespace();
    let mut theirs = text.char_indices().filter(visible);
    let mut end = 0;
    for ours in prompt.chars().filter(|c| !c.is_whitespace()) {
        let (at, c) = theirs.next()?;
        if !(c == ours || c.to_lowercase().eq(ours.to_lowercase())) {
            return None;
        }
        end = at + c.len_utf8();
    }
    Some(end)
}

/// Where the question is asked again, after something that may be an answer.
fn repeated_question(text: &str, prompt: &str) -> Option<usize> {
    let prompt = prompt.trim();
    if prompt.len() < LEAST_ECHO {
        return None;
    }
    let at = text.find(prompt)?;
    let before = text.get(..at)?;
    before.chars().any(char::is_alphanumeric).then_some(at)
}

/// Where a chat template's end of message stands, if there is text before it.
fn chat_end(text: &str) -> usize {
    let blank = text.len() - text.trim_start().len();
    let mut ends = angles(text).filter(|(at, _)| *at > blank);
    let end = ends.find(|(_, tag)| ENDS.iter().any(|end| tag.starts_with(end)));
    end.map_or(text.len(), |(at, _)| at)
}

/// The part before the model went on with a question of its own; and where the text begins with a
/// question, the part after that.
fn own_answer(text: &str) -> (usize, usize) {
    let Some(follow_up) = FOLLOW_UP.as_ref().filter(|_| may_follow_up(text)) else {
        return (0, text.len());
    };
    let mut start = 0;
    let mut first_mark = None;
    for found in follow_up.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        if whole.start() < start {
            continue;
        }
        let weak = found.name("weak").is_some();
        let before = text.get(start..whole.start()).unwrap_or_default();
        if !before.chars().any(char::is_alphanumeric) {
            // It begins with a question: what answers it comes after that.
            if start == 0 && !weak {
                let rest = text.get(whole.end()..).unwrap_or_default();
                let answer = ANSWER_LINE.as_ref().and_then(|line| line.find(rest));
                start = answer.map_or(start, |found| whole.end() + found.end());
            }
            continue;
        }
        let marked = !weak || {
            let first = first_mark.get_or_insert_with(|| first_answer(text, start));
            first.is_some_and(|at| at < whole.start())
        };
        if marked {
            return (start, whole.start());
        }
    }
    (start, text.len())
}

fn first_answer(text: &str, start: usize) -> Option<usize> {
    let all = marks(text.get(start..).unwrap_or_default());
    all.iter()
        .find(|mark| !mark.negated)
        .map(|mark| start + mark.end)
}
