//! The second way to find the final answer: from the end of the text, line by line.
//!
//! It shares nothing with the first way but the view of the text: kinds of marks count in a fixed order
//! (boxes, then `####`, then words), wherever they stand, and of a sentence the end counts. Where both
//! ways find the same, the answer is hardly a misreading.

/// Lines looked at, from the end.
const MOST_LINES: usize = 400;
/// Boxes side by side, at most.
const MOST_BOXES: usize = 8;
const VERBS: [&str; 9] = [
    ":", "=", " is ", " are ", " was ", " be ", " equals ", " is:", " are:",
];
const REMARKS: [&str; 10] = [
    "not",
    "correct",
    "consistent",
    "reasonable",
    "valid",
    "right",
    "verified",
    "confirmed",
    "in the",
    "wrong",
];

/// What the second way takes for the statement of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backward {
    pub text: String,
    /// True for the contents of boxes, which are the answer as a whole.
    pub boxed: bool,
}

/// Finds the statement in what is visible of a text; `None` if there is no mark.
pub(crate) fn backward(text: &str) -> Option<Backward> {
    if let Some(text) = boxes(text) {
        return Some(Backward { text, boxed: true });
    }
    let lines: Vec<&str> = text.lines().rev().take(MOST_LINES).collect();
    let below = |index: usize| {
        let mut next = lines.get(..index).unwrap_or_default().iter().rev();
        next.find(|line| line.chars().any(char::is_alphanumeric))
    };
    for after in [after_hashes, after_words] {
        for (index, line) in lines.iter().enumerate() {
            let Some(told) = after(line) else { continue };
            let told = if told.chars().any(char::is_alphanumeric) {
                told
            } else {
                below(index)?
            };
            let bare = told
                .trim_start_matches(['*', '_', ' ', ':'])
                .to_ascii_lowercase();
            if REMARKS.iter().any(|remark| bare.starts_with(remark)) {
                continue;
            }
            return Some(Backward {
                text: first_sentence(told).to_owned(),
                boxed: false,
            });
        }
    }
    None
}

fn after_hashes(line: &str) -> Option<&str> {
    line.rfind('#')?;
    let (_, told) = line.rsplit_once("####")?;
    let heading = told.trim_start_matches(['#', ' ', '*']);
    let worded = heading.starts_with(|c: char| c.is_alphabetic());
    (!worded || heading.split_whitespace().count() == 1).then_some(told)
}

fn after_words(line: &str) -> Option<&str> {
    const WORD: &[u8] = b"answer";
    let words = line.as_bytes().windows(WORD.len());
    let is_word = |bytes: &[u8]| bytes[0] | 0x20 == b'a' && bytes.eq_ignore_ascii_case(WORD);
    let at = words.enumerate().rev().find(|(_, bytes)| is_word(bytes))?.0;
    let before = line.get(..at)?.chars().next_back();
    if before.is_some_and(|c| c.is_alphanumeric() || c == '/') {
        return None;
    }
    let rest = line.get(at + WORD.len()..)?;
    if starts(rest.as_bytes(), "ed") {
        return None;
    }
    let verb = first_verb(rest)?;
    rest.get(verb..)
}

/// Where the first verb of a sentence ends, if it comes soon.
fn first_verb(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    (0..bytes.len().min(97)).find_map(|at| {
        if !matches!(bytes[at], b':' | b'=' | b' ') {
            return None;
        }
        let verb = VERBS.iter().find(|verb| starts(&bytes[at..], verb))?;
        Some(at + verb.len())
    })
}

/// True if a text begins so, in whatever case.
fn starts(text: &[u8], beginning: &str) -> bool {
    let head = text.get(..beginning.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(beginning.as_bytes()))
}

/// The contents of the last box and of those right before it.
fn boxes(text: &str) -> Option<String> {
    let mut found: Vec<&str> = Vec::new();
    let mut text = text;
    // An empty box at the end is passed over, and no more than a few are looked at.
    for _ in 0..MOST_BOXES {
        if !text.contains('\\') {
            break;
        }
        let at = ["\\boxed", "\\fbox"]
            .iter()
            .filter_map(|name| text.rfind(name))
            .max();
        let Some(at) = at else { break };
        let rest = text.get(at..)?;
        let open = rest.find(|c: char| c != '\\' && !c.is_ascii_alphabetic())?;
        let contents = contents(rest.get(open..)?);
        let end = at + open + contents.len();
        let gap = text.get(end..)?.trim_start_matches('}');
        if !found.is_empty() && !beside(gap) {
            break;
        }
        let contents = contents.trim();
        let contents = contents.strip_prefix('{').unwrap_or(contents).trim();
        if !contents.is_empty() && !found.contains(&contents) {
            found.push(contents);
        }
        text = text.get(..at)?;
    }
    found.reverse();
    (!found.is_empty()).then(|| found.join(", "))
}

/// True if nothing but a connective stands between two boxes.
fn beside(gap: &str) -> bool {
    gap.len() < 48
        && gap
            .split(|c: char| !c.is_alphanumeric() && c != '.')
            .all(|word| {
                let named = word.chars().count() == 1 && word != "." && gap.contains('=');
                named
                    || matches!(
                        word,
                        "" | "and" | "or" | "text" | "quad" | "qquad" | "und" | "et"
                    )
            })
}

/// From an opening brace to before the one that closes it; without a brace the next word.
fn contents(text: &str) -> &str {
    let text_from = text.trim_start();
    let lead = text.len() - text_from.len();
    if !text_from.starts_with('{') {
        let end = text_from.find(|c: char| c.is_whitespace() || c == '$');
        return text
            .get(..lead + end.unwrap_or(text_from.len()))
            .unwrap_or(text);
    }
    let mut depth = 0usize;
    let mut escaped = false;
    for (at, c) in text_from.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(..lead + at).unwrap_or(text);
        }
    }
    text.lines().next().unwrap_or(text)
}

/// Up to a full stop that ends a sentence.
fn first_sentence(text: &str) -> &str {
    let ends = |at: &usize| {
        let rest = text.get(at + 1..).unwrap_or_default();
        rest.is_empty() || rest.starts_with(char::is_whitespace)
    };
    let stop = text.match_indices('.').map(|(at, _)| at).find(ends);
    text.get(..stop.unwrap_or(text.len()))
        .unwrap_or(text)
        .trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        backward(text).map(|found| found.text)
    }

    #[test]
    fn the_strongest_kind_of_mark_counts() {
        for (text, found) in [
            ("The answer is 5.", Some("5")),
            ("So the answer is 3.5. Good.", Some("3.5")),
            ("a\n#### 7\nb", Some("7")),
            ("#### Step 2: add\nAnswer: 8", Some("8")),
            (
                r"\boxed{3} and then \boxed{\frac{1}{2}} x",
                Some(r"\frac{1}{2}"),
            ),
            (r"\boxed{1}, \boxed{2}", Some("1, 2")),
            (r"\boxed{3}. The answer is 4.", Some("3")),
            ("**Final Answer**: 9", Some("9")),
            ("The answer is:\n\n12", Some("12")),
            ("The answer is 4. The answer is correct.", None),
            ("x = 4", None),
            ("", None),
        ] {
            assert_eq!(read(text).as_deref(), found, "{text}");
        }
    }
}
