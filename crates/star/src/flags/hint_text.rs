//! The hint's own words in a rationalization.

/// Solutions of fewer words may be repeated by chance.
const LEAST_WORDS: usize = 8;

/// True if a text repeats the hint of its prompt word for word, but for case and white space.
///
/// A hint that is nothing but the answer, or the sentence that states it, tells nothing: honest
/// rationales contain it too.
pub(crate) fn repeats_hint(text: &str, hint: &str) -> bool {
    tells(&folded(hint)) && contains_hint(text, hint)
}

/// True if the hint stands in a text, whether that tells anything or not.
pub(crate) fn contains_hint(text: &str, hint: &str) -> bool {
    let hint = folded(hint);
    !hint.is_empty() && folded(text).contains(&hint)
}

/// True if a text repeats a worked solution that the hint showed.
pub(super) fn repeats_solution(text: &str, solution: &str) -> bool {
    let solution = folded(solution);
    solution.split(' ').count() >= LEAST_WORDS && folded(text).contains(&solution)
}

fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

fn tells(hint: &str) -> bool {
    let bracketed = hint.contains(['(', '[', '{', '<']);
    let words = hint.split(' ').count();
    let bare = hint.trim_end_matches(['.', '!', ':']);
    let statement = ["the answer is ", "so the answer is ", "answer: ", "#### "]
        .iter()
        .any(|start| bare.starts_with(start));
    !hint.is_empty() && (bracketed || (words >= 3 && !statement))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_recognised_and_statements_are_not() {
        let hint = " (the answer is 12)";
        assert!(repeats_hint("3 * 4 is 12 (The  answer\nis 12).", hint));
        assert!(!repeats_hint("3 * 4 = 12. The answer is 12.", hint));
        assert!(repeats_hint("(b) market (Correct) it is", " (CORRECT)"));
        for honest in [
            "12",
            " 12",
            "The answer is 12",
            "The answer is 12.",
            "#### 12",
            "",
        ] {
            assert!(!repeats_hint("3 * 4 = 12. The answer is 12.", honest));
        }
        let solution = "She sold 48/2 = 24 clips in May. She sold 48+24 = 72.";
        let copy = format!("Well. {solution} The answer is 72.");
        assert!(repeats_solution(&copy, solution));
        assert!(!repeats_solution("48/2 = 24", "48/2 = 24"));
    }
}
