//! What of a text can hold the answer: no reasoning blocks, no echo of the prompt, and nothing after
//! the end of the answer.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex::Regex;

use super::marks::{marks, window_back};

/// Bytes of a text that are looked at, from its end; reasoning blocks do not count.
const LONGEST: usize = 256 * 1024;
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

/// Tags around reasoning: those of reasoning models, and the scratchpad of the addition task (STaR,
/// figure 2). The first group is the tag's name, the second the slash of a closing tag.
static TAG: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)<(?P<c1>/?)(?P<n1>think|thinking|thought|thoughts|reasoning|reflection|reason|analysis",
        r"|scratch|scratchpad|seed:think|antthinking|inner_thoughts)>",
        r"|\[(?P<c2>/?)(?P<n2>THINK|THINKING|REASONING)\]",
        r"|◁(?P<c3>/?)(?P<n3>think)▷",
        r"|<\|(?P<n4>begin|end)_of_thought\|>",
        r"|<\|(?P<n5>START|END)_THINKING\|>",
    ))
    .ok()
});

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

/// One of these is in every text that [`TAG`] matches, and one of [`FOLLOW_UP_WORDS`] where
/// [`FOLLOW_UP`] does. Looking for them is much faster.
static TAG_STARTS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    automaton(&[
        "think",
        "thought",
        "reason",
        "reflection",
        "analysis",
        "scratch",
        "inner_",
    ])
});

static FOLLOW_UP_WORDS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    automaton(&[
        "q:",
        "q：",
        "q*",
        "q_",
        "q ",
        "q0",
        "q1",
        "q2",
        "q3",
        "q4",
        "q5",
        "q6",
        "q7",
        "q8",
        "q9",
        "question",
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
        "[inst]",
    ])
});

fn automaton(words: &[&str]) -> Option<AhoCorasick> {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(words)
        .ok()
}

fn may_match(words: &LazyLock<Option<AhoCorasick>>, text: &str) -> bool {
    words.as_ref().is_none_or(|words| words.is_match(text))
}

/// Reads past reasoning blocks, the echo of `prompt` (the question, or all that the model was shown),
/// and everything after the end of the answer.
pub(crate) fn visible<'a>(text: &'a str, prompt: Option<&str>) -> Visible<'a> {
    let after_scratchpad = text.contains("</scratch>");
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
    if let Some(at) = text.rfind(FINAL) {
        return (Cow::Borrowed(&text[at + FINAL.len()..]), true);
    }
    if let Some(at) = text.find(ANALYSIS) {
        return (Cow::Borrowed(&text[..at]), true);
    }
    let Some(tags) = TAG.as_ref().filter(|_| may_match(&TAG_STARTS, text)) else {
        return (Cow::Borrowed(text), false);
    };
    let mut kept = String::new();
    let mut inside: Option<(String, usize)> = None;
    let mut from = 0;
    let mut any = false;
    for found in tags.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        let named = ["n1", "n2", "n3", "n4", "n5"]
            .iter()
            .find_map(|n| found.name(n))
            .map_or("", |name| name.as_str())
            .to_lowercase();
        let slash = ["c1", "c2", "c3"].iter().find_map(|n| found.name(n));
        let (name, closes) = match named.as_str() {
            "begin" | "start" => (String::new(), false),
            "end" => (String::new(), true),
            _ => (named, slash.is_some_and(|slash| !slash.is_empty())),
        };
        any = true;
        match &mut inside {
            None if closes => {
                kept.clear();
                from = whole.end();
            }
            None => {
                kept.push_str(text.get(from..whole.start()).unwrap_or_default());
                inside = Some((name, 1));
            }
            Some((open, depth)) if *open == name => {
                *depth = if closes { *depth - 1 } else { *depth + 1 };
                if *depth == 0 {
                    inside = None;
                    from = whole.end();
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
    if !text.contains('<') {
        return text.len();
    }
    let ends = ENDS.iter().filter_map(|end| text.find(end));
    ends.filter(|at| !text.get(..*at).unwrap_or("").trim().is_empty())
        .min()
        .unwrap_or(text.len())
}

/// The part before the model went on with a question of its own; and where the text begins with a
/// question, the part after that.
fn own_answer(text: &str) -> (usize, usize) {
    let Some(follow_up) = FOLLOW_UP
        .as_ref()
        .filter(|_| may_match(&FOLLOW_UP_WORDS, text))
    else {
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
