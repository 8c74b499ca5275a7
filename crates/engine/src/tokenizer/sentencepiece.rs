//! SentencePiece's BPE: adjacent pieces whose union is a token are joined, the union with the
//! highest score first and of equal ones the leftmost, until nothing can be joined; what is no
//! token in the end becomes bytes (Kudo and Richardson 2018; the same order as `llm_tokenizer_spm`
//! in llama.cpp).

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use super::bytes::{SPACE, byte_of};
use super::vocabulary::Kind;
use crate::EngineError;

/// A vocabulary with scores.
#[derive(Debug)]
pub(super) struct Sentencepiece {
    /// Pieces that text can become: never control tokens, unused ones or bytes.
    pieces: HashMap<String, u32>,
    /// By id; higher is merged earlier.
    scores: Vec<f32>,
    bytes: [Option<u32>; 256],
}

/// A run of characters, in a list where merged ones drop out.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    start: usize,
    /// Zero: it was joined to the one before it.
    length: usize,
    before: Option<usize>,
    after: Option<usize>,
}

/// Two neighbours that could be joined.
#[derive(Debug)]
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    /// Of both when this was found; if it differs later, one of them has changed.
    length: usize,
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = self.score.total_cmp(&other.score);
        by_score.then_with(|| other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}

impl Sentencepiece {
    /// From tokens in the order of their ids, with as many scores.
    pub(super) fn new<'a>(tokens: impl Iterator<Item = (&'a str, Kind)>, scores: Vec<f32>) -> Self {
        let mut pieces = HashMap::new();
        let mut bytes = [None; 256];
        for (id, (text, kind)) in (0u32..).zip(tokens) {
            match kind {
                Kind::Normal | Kind::UserDefined => {
                    pieces.insert(text.to_owned(), id);
                }
                Kind::Byte => {
                    if let Some(byte) = byte_of(text) {
                        bytes[usize::from(byte)] = Some(id);
                    }
                }
                Kind::Control | Kind::Unknown | Kind::Unused => {}
            }
        }
        Self {
            pieces,
            scores,
            bytes,
        }
    }

    /// Appends the tokens of a text; with `prefix`, of the text with a space before it.
    pub(super) fn encode(
        &self,
        text: &str,
        prefix: bool,
        out: &mut Vec<u32>,
    ) -> Result<(), EngineError> {
        let mut escaped = String::with_capacity(text.len() + 3);
        if prefix {
            escaped.push(SPACE);
        }
        escaped.extend(text.chars().map(|c| if c == ' ' { SPACE } else { c }));
        let symbols = self.merge(&escaped);
        let mut next = (!symbols.is_empty()).then_some(0);
        while let Some(at) = next {
            let Symbol { start, length, .. } = symbols[at];
            self.spell(&escaped[start..start + length], out)?;
            next = symbols[at].after;
        }
        Ok(())
    }

    /// A piece as one token, or else as bytes.
    fn spell(&self, piece: &str, out: &mut Vec<u32>) -> Result<(), EngineError> {
        if let Some(id) = self.pieces.get(piece) {
            out.push(*id);
            return Ok(());
        }
        for byte in piece.bytes() {
            out.push(self.bytes[usize::from(byte)].ok_or_else(|| {
                EngineError::Tokenizer(format!(
                    "the model's vocabulary has no token for the character {piece:?}; remove it from the text or use another model"
                ))
            })?);
        }
        Ok(())
    }

    fn merge(&self, text: &str) -> Vec<Symbol> {
        let count = text.chars().count();
        let symbol = |(at, (start, c)): (usize, (usize, char))| Symbol {
            start,
            length: c.len_utf8(),
            before: at.checked_sub(1),
            after: (at + 1 < count).then_some(at + 1),
        };
        let mut symbols: Vec<Symbol> = text.char_indices().enumerate().map(symbol).collect();
        let mut pairs = BinaryHeap::new();
        for right in 1..symbols.len() {
            pairs.extend(self.pair(text, &symbols, Some(right - 1), Some(right)));
        }
        while let Some(pair) = pairs.pop() {
            let (left, right) = (symbols[pair.left], symbols[pair.right]);
            let stale = left.length == 0 || right.length == 0;
            if stale || left.length + right.length != pair.length {
                continue;
            }
            symbols[pair.left].length = pair.length;
            symbols[pair.left].after = right.after;
            symbols[pair.right].length = 0;
            if let Some(after) = right.after {
                symbols[after].before = Some(pair.left);
            }
            pairs.extend(self.pair(text, &symbols, left.before, Some(pair.left)));
            pairs.extend(self.pair(text, &symbols, Some(pair.left), right.after));
        }
        symbols
    }

    fn pair(
        &self,
        text: &str,
        symbols: &[Symbol],
        left: Option<usize>,
        right: Option<usize>,
    ) -> Option<Pair> {
        let (left, right) = (left?, right?);
        let length = symbols[left].length + symbols[right].length;
        let start = symbols[left].start;
        let id = *self.pieces.get(&text[start..start + length])?;
        Some(Pair {
            score: self.scores[id as usize],
            left,
            right,
            length,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str, prefix: bool) -> Result<Vec<u32>, EngineError> {
        let tokens = [
            ("<s>", Kind::Control),
            ("a", Kind::Normal),
            ("b", Kind::Normal),
            ("ab", Kind::Normal),
            ("ba", Kind::Normal),
            ("\u{2581}", Kind::Normal),
            ("\u{2581}a", Kind::Normal),
            ("<0xC3>", Kind::Byte),
            ("<0xA9>", Kind::Byte),
        ];
        let scores = vec![0.0, -9.0, -9.0, -1.0, -1.0, -9.0, -2.0, 0.0, 0.0];
        let mut out = Vec::new();
        Sentencepiece::new(tokens.into_iter(), scores).encode(text, prefix, &mut out)?;
        Ok(out)
    }

    #[test]
    fn the_best_score_goes_first_and_of_equals_the_leftmost() {
        assert_eq!(encoded("aba", false).unwrap(), [3, 1]);
        assert_eq!(encoded("bab", false).unwrap(), [4, 2]);
        assert_eq!(encoded("ab", true).unwrap(), [5, 3]);
        assert_eq!(encoded(" aa", false).unwrap(), [6, 1]);
        assert_eq!(encoded("", false).unwrap(), [0; 0]);
    }

    #[test]
    fn what_is_no_token_becomes_bytes_or_an_error() {
        assert_eq!(encoded("a\u{e9}", false).unwrap(), [1, 7, 8]);
        let error = encoded("a猫", false).unwrap_err().to_string();
        assert!(error.contains('猫'), "{error}");
        assert!(encoded("<s>", false).is_err(), "never a control token");
    }
}
