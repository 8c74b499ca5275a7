//! Finding answers in what somebody said.

const LEAD: &str = "the answer is";

/// Every `The answer is X` with where it begins; the hints in brackets do not count.
pub(crate) fn stated_answers(text: &str) -> Vec<(usize, String)> {
    let lower = text.to_ascii_lowercase();
    lower
        .match_indices(LEAD)
        .filter(|(at, _)| !lower[..*at].ends_with('('))
        .filter_map(|(at, lead)| Some((at, word_after(&text[at + lead.len()..])?)))
        .collect()
}

/// The hint `(the answer is X)` that follows a question.
pub(crate) fn hint_after(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let at = lower.rfind("(the answer is")? + 1 + LEAD.len();
    let (hint, _) = text[at..].split_once(')')?;
    Some(hint.trim().to_owned())
}

/// The last answer a text states, in the usual forms, else its last number.
pub(crate) fn final_answer(text: &str) -> Option<String> {
    if let Some((_, answer)) = stated_answers(text).pop() {
        return Some(answer);
    }
    for mark in ["\\boxed{", "####"] {
        if let Some(at) = text.rfind(mark) {
            return word_after(&text[at + mark.len()..]);
        }
    }
    text.split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',' | '-' | '/')))
        .map(|word| word.trim_matches(['.', ',', '/']))
        .rfind(|word| word.contains(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
}

/// The first word after a mark, without signs that only belong to the sentence.
fn word_after(text: &str) -> Option<String> {
    let text = text.trim_start_matches([':', ' ', '*', '`', '$', '(', '\n']);
    let end = text
        .find(|c: char| c.is_whitespace() || matches!(c, '}' | ')' | '*' | '`' | '"' | '<'))
        .unwrap_or(text.len());
    let word = text[..end].trim_end_matches(['.', ',', ';', '!', '$']);
    (!word.is_empty()).then(|| word.replace(',', ""))
}

#[cfg(test)]
mod tests {
    use super::{final_answer, hint_after, stated_answers};

    #[test]
    fn answers_are_found_in_their_forms() {
        for (text, answer) in [
            ("So 2 + 2 = 4. The answer is 4.", "4"),
            ("the answer is: **1,200**", "1200"),
            ("Thus \\boxed{7/2} holds for 9", "7/2"),
            ("#### 12", "12"),
            ("It is 3, then 18.", "18"),
            ("(the answer is 5) The answer is (B).", "B"),
        ] {
            assert_eq!(final_answer(text).as_deref(), Some(answer), "{text}");
        }
        assert_eq!(final_answer("no idea"), None);
    }

    #[test]
    fn a_hint_is_no_stated_answer() {
        let text = "Q (the answer is 5)\nA: The answer is 6.";
        assert_eq!(hint_after(text).as_deref(), Some("5"));
        assert_eq!(stated_answers(text).len(), 1);
    }
}
