//! The program in what a model wrote.

/// The content of the last fence marked with one of `languages`, else of the last fence, else the
/// whole text. A fence that is not closed ends with the text.
pub(crate) fn program<'a>(text: &'a str, languages: &[&str]) -> &'a str {
    let fences = fences(text);
    let marked = fences.iter().rev().find(|(language, _)| {
        let known = |l: &&str| l.eq_ignore_ascii_case(language);
        languages.iter().any(known)
    });
    marked
        .or(fences.last())
        .map_or(text, |(_, content)| *content)
}

/// All fences with their languages.
fn fences(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut open: Option<(&str, &str, usize)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let ticks = trimmed.len() - trimmed.trim_start_matches('`').len();
        match open {
            None if ticks >= 3 => {
                let (marks, language) = trimmed.split_at(ticks);
                let language = language.split_whitespace().next().unwrap_or_default();
                // "```x```" on one line is code within a sentence.
                if !language.contains('`') {
                    open = Some((marks, language, at + line.len()));
                }
            }
            Some((marks, language, start)) if trimmed.len() == ticks && ticks >= marks.len() => {
                found.push((language, text.get(start..at).unwrap_or_default()));
                open = None;
            }
            _ => {}
        }
        at += line.len();
    }
    if let Some((_, language, start)) = open {
        found.push((language, text.get(start..).unwrap_or_default()));
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PYTHON: &[&str] = &["python", "py", "python3"];

    #[test]
    fn the_last_fence_of_the_language_counts() {
        let text = "First\n```python\na = 1\n```\nbetter:\n```python\na = 2\n```\nrun it:\n```sh\nls\n```\n";
        assert_eq!(program(text, PYTHON), "a = 2\n");
        assert_eq!(program("so\n```\nb\n```\n", PYTHON), "b\n");
        assert_eq!(program("def f(): pass", PYTHON), "def f(): pass");
        assert_eq!(program("cut\n```py\nx = 1\ny", PYTHON), "x = 1\ny");
        assert_eq!(program("````python\n```\n````", PYTHON), "```\n");
        assert_eq!(
            program("use ```f(x)``` here", PYTHON),
            "use ```f(x)``` here"
        );
    }

    proptest! {
        #[test]
        fn any_text_gives_a_part_of_itself(text in "(```|python|\n|é| |x)*") {
            prop_assert!(text.contains(program(&text, PYTHON)));
        }
    }
}
