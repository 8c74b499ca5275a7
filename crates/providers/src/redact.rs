//! Takes out of foreign text whatever may be a key, before anybody sees it.

use crate::ApiKey;

/// What providers' keys begin with.
const PREFIXES: [&str; 14] = [
    "sk-", "sk_", "nvapi-", "aiza", "hf_", "gsk_", "xai-", "pplx-", "tgp_", "rk-", "pk-", "key-",
    "ghp_", "ya29.",
];
/// A word this long that mixes letters and digits is taken for a key. Request names are shorter, or
/// have hyphens.
const LONG: usize = 40;
/// Shorter keys are placeholders for servers that want none, such as `none`.
const SHORTEST_KEY: usize = 6;
const MARK: &str = "[REDACTED]";
/// Characters of a message that are shown.
const SHOWN: usize = 300;

/// The text without keys and control characters, in one line, cut to 300 characters.
pub(crate) fn shown(text: &str, key: Option<&ApiKey>) -> String {
    let text = redacted(text, key);
    let mut line = String::with_capacity(text.len().min(2 * SHOWN));
    let mut characters = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if characters > 0 {
            line.push(' ');
            characters += 1;
        }
        for c in word.chars().filter(|&c| !is_invisible(c)) {
            if characters == SHOWN {
                line.push('…');
                return line;
            }
            line.push(c);
            characters += 1;
        }
    }
    line
}

/// The text with every key in it replaced.
pub(crate) fn redacted(text: &str, key: Option<&ApiKey>) -> String {
    let replaced = match key.map(ApiKey::expose) {
        Some(key) if key.len() >= SHORTEST_KEY => text.replace(key, MARK),
        _ => text.to_owned(),
    };
    let mut result = String::with_capacity(replaced.len());
    let mut rest = replaced.as_str();
    while !rest.is_empty() {
        let word = rest.find(|c| !in_key(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word);
        result.push_str(if is_key(word) { MARK } else { word });
        let gap = after.find(in_key).unwrap_or(after.len());
        result.push_str(&after[..gap]);
        rest = &after[gap..];
    }
    result
}

/// Characters of keys, and the stars with which providers hide a part of them.
const fn in_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*' | '+' | '/' | '~')
}

fn is_key(word: &str) -> bool {
    let known = PREFIXES.iter().any(|prefix| {
        word.len() >= prefix.len() + 6
            && word
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    });
    // Paths and URLs are long as well, but their parts are not.
    known
        || word.split(['/', '.']).any(|part| {
            part.len() >= LONG
                && part.bytes().any(|b| b.is_ascii_digit())
                && part.bytes().any(|b| b.is_ascii_alphabetic())
        })
}

/// Characters that take no place and may turn the direction of a line around.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_provider_and_our_own_are_taken_out() {
        let key = ApiKey::new("my secret+1");
        for text in [
            "Incorrect API key provided: sk-proj-ab****************wxYZ.",
            "sk-ant-api03-AbCdEf012345_-6789",
            "{\"key\":\"nvapi-AbCdEf0123456789\"}",
            "url?key=AIzaSyA-0123456789abcdefghijklmnopqrstu&alt=sse",
            "Bearer 0123456789abcdef0123456789abcdef01234567",
            "you sent my secret+1 there",
        ] {
            let result = redacted(text, Some(&key));
            assert!(result.contains(MARK), "{text} → {result}");
            for part in ["ab****", "AbCd", "SyA-", "0123", "secret+1"] {
                assert!(!result.contains(part), "{text} → {result}");
            }
        }
    }

    #[test]
    fn ordinary_text_stays() {
        for text in [
            "model `llama-3.1-8b-instruct` not found, try GET /v1/models (request req_011CSHoEeqs5C35K2UUqR7Fy)",
            "id 123e4567-e89b-12d3-a456-426614174000: task-based risk",
            "https://ai.google.dev/gemini-api/docs/rate-limits",
        ] {
            assert_eq!(redacted(text, None), text);
            assert_eq!(redacted(text, Some(&ApiKey::new("r"))), text);
        }
    }

    #[test]
    fn a_message_is_one_line_without_control_characters_and_not_long() {
        assert_eq!(
            shown("a\r\n\tb\u{1b}[31mc\u{202e}d\u{0}", None),
            "a b [31mcd"
        );
        assert_eq!(shown(&"é".repeat(5000), None).chars().count(), SHOWN + 1);
        let cut = format!("{} sk-abcdefghijkl", "x".repeat(295));
        assert!(
            !shown(&cut, None).contains("sk-"),
            "redacted before cutting"
        );
    }
}
