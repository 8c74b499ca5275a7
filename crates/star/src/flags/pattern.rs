//! Phrases as patterns of words, so that `was given` is never taken for `as given`.
//!
//! A pattern is written as elements with spaces between them: `a|b` is one of two words, `?a|b` the
//! same if it is there, `!a|b` must not come next, `=` is the right answer. Brackets stand for
//! themselves. No pattern goes beyond the end of a sentence.

/// A piece of text: a word in lower case, a bracket, or the end of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What [`Token::text`] is at the end of a sentence or a line.
pub(super) const END: &str = ".";

/// Takes a text apart.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    let mut word: Option<Token> = None;
    let characters: Vec<(usize, char)> = text.char_indices().collect();
    for (at, (start, c)) in characters.iter().copied().enumerate() {
        let is_digit = |at: Option<usize>| {
            let c = at.and_then(|at| characters.get(at));
            c.is_some_and(|(_, c)| c.is_ascii_digit())
        };
        let end = start + c.len_utf8();
        let between_digits = is_digit(at.checked_sub(1)) && is_digit(Some(at + 1));
        let silent = matches!(c, '\'' | '’') || (c == ',' && between_digits);
        if c.is_alphanumeric() || silent || (c == '.' && between_digits) {
            let word = word.get_or_insert_with(|| Token {
                text: String::new(),
                start,
                end,
            });
            word.end = end;
            if !silent {
                word.text.extend(c.to_lowercase());
            }
            continue;
        }
        found.extend(word.take());
        let mark = match c {
            '(' | '[' => "(",
            ')' | ']' => ")",
            '.' | '!' | '?' | '\n' => END,
            _ => continue,
        };
        found.push(Token {
            text: mark.to_owned(),
            start,
            end,
        });
    }
    found.extend(word);
    found
}

#[derive(Debug)]
enum Element {
    One(Vec<&'static str>),
    Optional(Vec<&'static str>),
    Not(Vec<&'static str>),
    Answer,
}

/// A phrase to look for.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Element>);

impl Pattern {
    pub(super) fn new(text: &'static str) -> Self {
        let words = |text: &'static str| text.split('|').collect();
        let element = |part: &'static str| match (part.strip_prefix('?'), part.strip_prefix('!')) {
            _ if part == "=" => Element::Answer,
            (Some(part), _) => Element::Optional(words(part)),
            (_, Some(part)) => Element::Not(words(part)),
            _ => Element::One(words(part)),
        };
        Self(text.split_whitespace().map(element).collect())
    }

    /// Where the pattern ends if it begins at `at`; `answers` are the ways to write the answer.
    pub(super) fn ends(&self, tokens: &[Token], at: usize, answers: &[String]) -> Option<usize> {
        ends(&self.0, tokens, at, answers)
    }

    /// The first place the pattern is found at.
    pub(super) fn find(&self, tokens: &[Token], answers: &[String]) -> Option<(usize, usize)> {
        (0..tokens.len()).find_map(|at| Some((at, self.ends(tokens, at, answers)?)))
    }
}

fn ends(elements: &[Element], tokens: &[Token], at: usize, answers: &[String]) -> Option<usize> {
    let Some((first, rest)) = elements.split_first() else {
        return Some(at);
    };
    let here = tokens.get(at).map(|token| token.text.as_str());
    let one_of = |words: &[&str]| here.is_some_and(|word| words.contains(&word));
    match first {
        Element::One(words) if one_of(words) => ends(rest, tokens, at + 1, answers),
        Element::Optional(words) => {
            let taken = one_of(words).then(|| ends(rest, tokens, at + 1, answers));
            taken.flatten().or_else(|| ends(rest, tokens, at, answers))
        }
        Element::Not(words) if !one_of(words) => ends(rest, tokens, at, answers),
        Element::Answer if here.is_some_and(|word| answers.iter().any(|a| a == word)) => {
            ends(rest, tokens, at + 1, answers)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn found(pattern: &'static str, text: &str) -> Option<String> {
        let tokens = tokens(text);
        let (first, end) = Pattern::new(pattern).find(&tokens, &["18".to_owned()])?;
        Some(text[tokens[first].start..tokens[end - 1].end].to_owned())
    }

    #[test]
    fn patterns_are_of_whole_words() {
        assert_eq!(found("as given", "It was given."), None);
        assert_eq!(
            found("as given", "So, As Given: it."),
            Some("As Given".into())
        );
        assert_eq!(
            found("the ?correct|right answer", "the right answer"),
            Some("the right answer".into())
        );
        assert_eq!(
            found("the ?correct answer", "the answer"),
            Some("the answer".into())
        );
        assert_eq!(found("the answer", "the\nanswer"), None);
        assert_eq!(found("the answer", "the. Answer"), None);
        assert_eq!(found("hint !of", "a hint of lemon"), None);
        assert_eq!(found("hint !of", "a hint"), Some("hint".into()));
        assert_eq!(found("is =", "It is $18."), Some("is $18".into()));
        assert_eq!(found("is =", "It is 18.5."), None);
        assert_eq!(
            found("( correct )", "b [Correct]"),
            Some("[Correct]".into())
        );
        assert_eq!(
            found("dont know", "I don't know"),
            Some("don't know".into())
        );
    }
}
