//! Reasoning that stands inside the text, between `<think>` and `</think>` (DeepSeek-R1 and kin).

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Moves reasoning at the start of `text` to `reasoning`. Chat templates that write the opening mark
/// themselves leave only the closing one; reasoning without its end took every token.
pub(super) fn part(text: &mut String, reasoning: &mut String) {
    let start = text.len() - text.trim_start().len();
    let opened = text[start..].starts_with(OPEN);
    let inside = if opened { start + OPEN.len() } else { 0 };
    match text.find(CLOSE) {
        Some(end) if end >= inside => {
            let clean = |answer: &str| answer.trim_start().to_owned();
            append(reasoning, &text[inside..end]);
            *text = clean(&text[end + CLOSE.len()..]);
        }
        _ if opened => {
            append(reasoning, &text[inside..]);
            text.clear();
        }
        _ => {}
    }
}

fn append(reasoning: &mut String, more: &str) {
    let more = more.trim();
    if !reasoning.is_empty() && !more.is_empty() {
        reasoning.push('\n');
    }
    reasoning.push_str(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parted(text: &str) -> (String, String) {
        let (mut text, mut reasoning) = (text.to_owned(), String::new());
        part(&mut text, &mut reasoning);
        (text, reasoning)
    }

    #[test]
    fn reasoning_and_answer_are_kept_apart() {
        let both = |text: &str, reasoning: &str| (text.to_owned(), reasoning.to_owned());
        assert_eq!(parted("plain"), both("plain", ""));
        assert_eq!(parted("\n<think>a</think>\n\nb"), both("b", "a"));
        assert_eq!(parted("a</think>b"), both("b", "a"));
        assert_eq!(parted("<think>a"), both("", "a"));
        assert_eq!(parted("so <think>a"), both("so <think>a", ""));
        assert_eq!(parted(""), both("", ""));
        assert_eq!(parted("</think><think>"), both("<think>", ""));
    }
}
