//! The bytes that tokens stand for.

use std::collections::HashMap;

use super::vocabulary::Kind;

/// SentencePiece's spelling of a space, U+2581.
pub(super) const SPACE: char = '\u{2581}';

/// How the text of a token in a vocabulary spells its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// GPT-2's alphabet: one printable character for each byte.
    ByteLevel,
    /// UTF-8 with U+2581 for a space, and `<0x0A>` for a byte.
    Sentencepiece,
}

/// The bytes of every token, one after the other.
#[derive(Debug, Default)]
pub(super) struct TokenBytes {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl TokenBytes {
    /// Number of tokens.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of a token; none for ids outside the vocabulary.
    pub(super) fn get(&self, token: u32) -> &[u8] {
        let token = token as usize;
        let Some(end) = self.ends.get(token) else {
            return &[];
        };
        let start = token.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..*end]
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
    }

    /// Spells out a vocabulary. Control tokens stand for nothing.
    pub(super) fn of<'a>(
        spelling: Spelling,
        tokens: impl Iterator<Item = (&'a str, Kind)>,
    ) -> Self {
        let alphabet = byte_alphabet();
        let mut all = Self::default();
        let mut buffer = Vec::new();
        for (text, kind) in tokens {
            buffer.clear();
            match (kind, spelling) {
                (Kind::Control | Kind::Unknown | Kind::Unused, _) => {}
                (Kind::UserDefined, Spelling::ByteLevel) => buffer.extend(text.bytes()),
                (Kind::Byte, _) => buffer.extend(byte_of(text)),
                (Kind::Normal, Spelling::ByteLevel) => {
                    buffer.extend(text.chars().filter_map(|c| alphabet.get(&c)));
                }
                (Kind::Normal | Kind::UserDefined, Spelling::Sentencepiece) => {
                    buffer.extend(text.replace(SPACE, " ").bytes());
                }
            }
            all.push(&buffer);
        }
        all
    }
}

/// The byte of a token spelled `<0x0A>`.
pub(super) fn byte_of(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    let two = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    two.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// The GPT-2 alphabet: each byte as a printable character, inverted.
fn byte_alphabet() -> HashMap<char, u8> {
    let printable = |b: u32| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let mut next = 256;
    (0u32..256)
        .filter_map(|byte| {
            let code = if printable(byte) {
                byte
            } else {
                next += 1;
                next - 1
            };
            char::from_u32(code).map(|c| (c, byte as u8))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_spelled_out() {
        let tokens = [
            ("\u{2581}a", Kind::Normal),
            ("<0x0A>", Kind::Byte),
            ("<s>", Kind::Control),
        ];
        let bytes = TokenBytes::of(Spelling::Sentencepiece, tokens.into_iter());
        assert_eq!(bytes.get(0), b" a");
        assert_eq!(bytes.get(1), b"\n");
        assert_eq!(bytes.get(2), b"");
        assert_eq!(bytes.get(3), b"");
        let tokens = [("\u{120}\u{10a}a", Kind::Normal)];
        let bytes = TokenBytes::of(Spelling::ByteLevel, tokens.into_iter());
        assert_eq!(bytes.get(0), b" \na");
        assert_eq!(byte_of("<0xZZ>"), None);
        assert_eq!(byte_of("<0x+1>"), None);
    }
}
