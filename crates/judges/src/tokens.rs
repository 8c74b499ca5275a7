//! How long a text is for a model whose tokenizer is not at hand.

/// Tokens of a text, estimated so that it is rarely too few: a quarter of a word's letters rounded
/// up, each digit, each sign and each line's end for itself, half of the bytes beyond ASCII. English
/// prose comes out about a third too long.
pub fn estimate_tokens(text: &str) -> u64 {
    let mut tokens = 0;
    let mut letters = 0;
    let mut foreign = 0;
    for c in text.chars() {
        if c.is_ascii_alphabetic() {
            letters += 1;
            continue;
        }
        tokens += u64::div_ceil(letters, 4);
        letters = 0;
        if !c.is_ascii() {
            foreign += c.len_utf8() as u64;
        } else if c != ' ' {
            tokens += 1;
        }
    }
    tokens + letters.div_ceil(4) + foreign.div_ceil(2)
}

/// What a chat template adds around one turn, at most.
pub(crate) const TURN: u64 = 16;

/// The most tokens a text can have: byte-level tokenizers make no token of less than a byte.
pub(crate) fn most_tokens(text: &str) -> u64 {
    text.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_on_the_long_side() {
        // Tokens as counted with the Llama 3 tokenizer, in brackets.
        assert_eq!(estimate_tokens(""), 0);
        assert_eq!(estimate_tokens("The answer is 42."), 1 + 2 + 1 + 2 + 1); // [6]
        assert!(estimate_tokens("x = (3 + 4) * 17") >= 10); // [10]
        assert!(estimate_tokens("你好世界") >= 4);
        assert!(estimate_tokens(&"word ".repeat(100)) >= 100);
    }

    #[test]
    fn an_estimate_is_never_above_the_bound() {
        for text in ["a", "ab 12", "é", "你", "😀", "\n\n"] {
            assert!(estimate_tokens(text) <= most_tokens(text), "{text}");
        }
    }
}
