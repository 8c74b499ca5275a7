//! A parser of JSON that is strict, exact and bounded.

use std::collections::HashSet;

use super::value::{Decimal, Value};

/// Lists and objects inside each other.
const DEEPEST: usize = 64;

/// Parses a text that is one JSON value; the error says what is wrong.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let (value, end) = parse_start(text)?;
    let rest = text.get(end..).unwrap_or_default();
    if rest.trim().is_empty() {
        Ok(value)
    } else {
        Err("something follows the JSON value".to_owned())
    }
}

/// Parses the JSON value a text starts with, and says where it ends.
pub(crate) fn parse_start(text: &str) -> Result<(Value, usize), String> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    parser.space();
    let value = parser.value()?;
    Ok((value, parser.at))
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn wrong(&self, what: &str) -> String {
        format!("{what} at byte {} of the JSON", self.at)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.byte() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self) -> Result<Value, String> {
        match self.byte() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, String>) -> Result<Value, String> {
        if self.depth >= DEEPEST {
            return Err(format!(
                "more than {DEEPEST} lists or objects inside each other"
            ));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn word(&mut self) -> Result<Value, String> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        for (word, value) in [
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("null", Value::Null),
        ] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.wrong("no value"))
    }

    fn array(&mut self) -> Result<Value, String> {
        let mut values = Vec::new();
        self.space();
        if self.eat(b']') {
            return Ok(Value::Array(values));
        }
        loop {
            self.space();
            values.push(self.value()?);
            self.space();
            if self.eat(b']') {
                return Ok(Value::Array(values));
            }
            if !self.eat(b',') {
                return Err(self.wrong("neither `,` nor `]`"));
            }
        }
    }

    fn object(&mut self) -> Result<Value, String> {
        let mut fields: Vec<(String, Value)> = Vec::new();
        let mut names: HashSet<String> = HashSet::new();
        self.space();
        if self.eat(b'}') {
            return Ok(Value::Object(fields));
        }
        loop {
            self.space();
            if self.byte() != Some(b'"') {
                return Err(self.wrong("no key"));
            }
            let name = self.string()?;
            self.space();
            if !self.eat(b':') {
                return Err(self.wrong("no `:`"));
            }
            self.space();
            let value = self.value()?;
            if !names.insert(name.clone()) {
                return Err(format!("the key `{name}` stands twice in one object"));
            }
            fields.push((name, value));
            self.space();
            if self.eat(b'}') {
                return Ok(Value::Object(fields));
            }
            if !self.eat(b',') {
                return Err(self.wrong("neither `,` nor `}`"));
            }
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.at;
        self.eat(b'-');
        let zero = self.byte() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (zero && whole > 1) {
            return Err(self.wrong("no number"));
        }
        if self.eat(b'.') && self.digits() == 0 {
            return Err(self.wrong("no digit after the point"));
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.wrong("no exponent"));
            }
        }
        let written = self.text.get(start..self.at).unwrap_or_default();
        let number = Decimal::new(written);
        number
            .map(Value::Number)
            .ok_or_else(|| self.wrong("an exponent that is too large"))
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest.find(['"', '\\', '\n', '\r', '\t', '\u{0}']);
            let plain = plain.ok_or_else(|| self.wrong("a text that does not end"))?;
            text.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err(self.wrong("a control character in a text")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        self.at += 1;
        let byte = self
            .byte()
            .ok_or_else(|| self.wrong("a text that does not end"))?;
        self.at += 1;
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit()?;
                let code = if (0xd800..0xdc00).contains(&first) {
                    if !(self.eat(b'\\') && self.eat(b'u')) {
                        return Err(self.wrong("half a character"));
                    }
                    let second = self.unit()?;
                    if !(0xdc00..0xe000).contains(&second) {
                        return Err(self.wrong("half a character"));
                    }
                    0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                } else {
                    first
                };
                char::from_u32(code).ok_or_else(|| self.wrong("half a character"))?
            }
            _ => return Err(self.wrong("an unknown escape")),
        })
    }

    fn unit(&mut self) -> Result<u32, String> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        unit.ok_or_else(|| self.wrong("no four hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_and_the_grammar_is_strict() {
        let same = |a: &str, b: &str| parse(a).unwrap() == parse(b).unwrap();
        assert!(same("1.0", "1"));
        assert!(same("100", "1e2"));
        assert!(same("-0", "0.0"));
        assert!(same("0.1e-3", "1E-4"));
        assert!(!same("0.1", "0.10000000000000001"));
        assert!(!same("9007199254740993", "9007199254740992"));
        assert!(same(r#""é""#, r#""\u00e9""#));
        assert!(same(r#""😀""#, r#""\ud83d\ude00""#));
        for text in [
            "",
            "01",
            "1.",
            ".5",
            "+1",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "'a'",
            "NaN",
            "[1 2]",
            "1 2",
            "{\"a\":1,\"a\":1}",
            "\"a",
            "\"\\x\"",
            "\"\\ud83d\"",
            "1e99999999999",
            "\"\n\"",
            "nul",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&("[".repeat(64) + &"]".repeat(64))).is_ok());
        assert!(parse(&("[".repeat(65) + &"]".repeat(65))).is_err());
    }
}
