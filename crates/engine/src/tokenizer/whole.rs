//! Tokens that are taken out of a text whole, before anything else looks at it.

use aho_corasick::{AhoCorasick, MatchKind};

use crate::EngineError;

/// One such token.
#[derive(Debug, Clone)]
pub(super) struct WholeToken {
    /// Its text.
    pub(super) text: String,
    /// Its id.
    pub(super) id: u32,
    /// It takes the whitespace before it with it.
    pub(super) strip_left: bool,
    /// It takes the whitespace behind it with it.
    pub(super) strip_right: bool,
}

/// Finds tokens in a text: of several that begin at the same place the longest.
#[derive(Debug)]
pub(super) struct WholeTokens {
    finder: Option<AhoCorasick>,
    tokens: Vec<WholeToken>,
}

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// What lies between the tokens, never empty.
    Text(&'a str),
    /// A token.
    Token(u32),
}

impl WholeTokens {
    pub(super) fn new(tokens: Vec<WholeToken>) -> Result<Self, EngineError> {
        let finder = (!tokens.is_empty()).then(|| {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(tokens.iter().map(|t| t.text.as_str()))
        });
        let finder = finder.transpose();
        Ok(Self {
            finder: finder.map_err(|e| EngineError::Tokenizer(e.to_string()))?,
            tokens,
        })
    }

    /// Cuts a text at the tokens in it.
    pub(super) fn cut<'a>(&self, text: &'a str) -> Vec<Part<'a>> {
        let mut parts = Vec::new();
        let mut rest = 0;
        let matches = self.finder.iter().flat_map(|f| f.find_iter(text));
        for found in matches {
            if found.start() < rest {
                continue;
            }
            let token = &self.tokens[found.pattern().as_usize()];
            let mut before = &text[rest..found.start()];
            if token.strip_left {
                before = before.trim_end();
            }
            if !before.is_empty() {
                parts.push(Part::Text(before));
            }
            parts.push(Part::Token(token.id));
            rest = found.end();
            if token.strip_right {
                rest = text.len() - text[rest..].trim_start().len();
            }
        }
        if rest < text.len() {
            parts.push(Part::Text(&text[rest..]));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str, id: u32, strip: bool) -> WholeToken {
        WholeToken {
            text: text.into(),
            id,
            strip_left: strip,
            strip_right: strip,
        }
    }

    #[test]
    fn the_longest_token_wins_and_whitespace_goes_with_it() {
        let tokens = vec![token("<s>", 1, false), token("\n", 2, false)];
        let more = vec![token("\n\n", 3, false), token("<m>", 4, true)];
        let whole = WholeTokens::new([tokens, more].concat()).unwrap();
        assert_eq!(
            whole.cut("a<s> b\n\n\nc  <m>  d"),
            [
                Part::Text("a"),
                Part::Token(1),
                Part::Text(" b"),
                Part::Token(3),
                Part::Token(2),
                Part::Text("c"),
                Part::Token(4),
                Part::Text("d"),
            ]
        );
        let none = WholeTokens::new(Vec::new()).unwrap();
        assert_eq!(none.cut("a<s>"), [Part::Text("a<s>")]);
    }
}
