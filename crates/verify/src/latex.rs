//! Reading past typography: LaTeX commands, full-width digits and the many kinds of minus.
//!
//! [`Plain`] holds the characters that matter, each with the place it came from, so that an answer
//! can be reported exactly as it was written.

/// A text without its typography.
#[derive(Debug)]
pub(crate) struct Plain<'a> {
    source: &'a str,
    /// The characters that remain.
    pub chars: Vec<char>,
    /// For each of them, where it starts and ends in `source`.
    places: Vec<(usize, usize)>,
}

impl<'a> Plain<'a> {
    /// Reads `source` once, from left to right.
    pub(crate) fn new(source: &'a str) -> Self {
        let mut plain = Self {
            source,
            chars: Vec::with_capacity(source.len()),
            places: Vec::with_capacity(source.len()),
        };
        let mut at = 0;
        while let Some(c) = source[at..].chars().next() {
            let length = if c == '\\' {
                plain.command(at)
            } else {
                plain.character(at, c)
            };
            at += length;
        }
        plain
    }

    /// The piece of the source that characters `start..end` came from.
    pub(crate) fn written(&self, start: usize, end: usize) -> &'a str {
        match (self.places.get(start), self.places.get(end.wrapping_sub(1))) {
            (Some((from, _)), Some((_, to))) if from <= to => self.source[*from..*to].trim(),
            _ => "",
        }
    }

    fn push(&mut self, c: char, at: usize, length: usize) {
        self.chars.push(c);
        self.places.push((at, at + length));
    }

    fn character(&mut self, at: usize, c: char) -> usize {
        let length = c.len_utf8();
        if c == '{' && self.source[at..].starts_with("{,}") {
            self.push(',', at, 3);
            return 3;
        }
        let plain = match c {
            // Hyphens, figure and en dash, the minus sign, small and full-width hyphen-minus.
            '\u{2010}'..='\u{2013}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}' => '-',
            '\u{ff10}'..='\u{ff19}' => char::from(b'0' + (c as u32 - 0xff10) as u8),
            '\u{ff0e}' => '.',
            '\u{ff0c}' => ',',
            '×' | '⋅' | '∙' => '*',
            '≈' => '=',
            '\u{a0}' | '\u{2009}' | '\u{202f}' => '\u{a0}',
            _ => c,
        };
        self.push(plain, at, length);
        length
    }

    /// Handles a backslash and the command after it; returns how many bytes both take.
    fn command(&mut self, at: usize) -> usize {
        let rest = &self.source[at + 1..];
        let letters = rest
            .bytes()
            .take_while(u8::is_ascii_alphabetic)
            .count()
            .min(20);
        if letters == 0 {
            let Some(c) = rest.chars().next() else {
                return 1;
            };
            // `\$` and `\%` are the character; `\,` and `\!` are thin spaces inside numbers; the
            // rest (`\(`, `\[`, `\\`) only sets type.
            match c {
                '$' | '%' | '{' | '}' | '#' => self.push(c, at, 2),
                ',' | '!' => {}
                _ => self.push(' ', at, 1 + c.len_utf8()),
            }
            return 1 + c.len_utf8();
        }
        let length = 1 + letters;
        match &rest[..letters] {
            "frac" | "dfrac" | "tfrac" | "cfrac" => self.push('⁄', at, length),
            "sqrt" => self.push('√', at, length),
            "pi" => self.push('π', at, length),
            "pm" | "mp" => self.push('±', at, length),
            "circ" | "degree" => self.push('°', at, length),
            "times" | "cdot" | "ast" => self.push('*', at, length),
            "div" => self.push('÷', at, length),
            "approx" | "simeq" | "doteq" => self.push('=', at, length),
            "left" | "right" | "displaystyle" => {}
            _ => self.push(' ', at, length),
        }
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        Plain::new(text).chars.into_iter().collect()
    }

    #[test]
    fn typography_goes_and_meaning_stays() {
        assert_eq!(read(r"32,\!349"), "32,349");
        assert_eq!(read(r"\$5 \times 3"), "$5 * 3");
        assert_eq!(read(r"\dfrac{1}{2}"), "⁄{1}{2}");
        assert_eq!(read("\u{2212}5 \u{ff11}"), "-5 1");
        assert_eq!(read(r"1{,}000"), "1,000");
        assert_eq!(read("\\"), "");
    }

    #[test]
    fn every_character_knows_where_it_came_from() {
        let plain = Plain::new(r"is \frac{1}{2}.");
        assert_eq!(plain.written(3, 10), r"\frac{1}{2}");
        assert_eq!(plain.written(3, 3), "");
    }
}
