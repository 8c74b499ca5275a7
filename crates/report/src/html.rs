//! The only way a text gets into the page.

use std::fmt::{self, Write as _};

/// A text of the run, escaped when displayed: safe between tags and in quoted attributes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_char(c)?,
                // Control characters are no HTML, and a direction override would reorder the text
                // around it: a wrong answer could be made to read like a right one.
                c if c.is_control() || is_direction(c) => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// The explicit embeddings, overrides and isolates of Unicode's bidirectional algorithm.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text of a run without what may not stand in a page even when it is escaped: control characters,
/// and those that reorder the text around them. Whoever shows it still has to escape it.
pub fn clean(text: &str) -> String {
    let visible = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() || is_direction(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(visible).collect()
}

/// Appends to a page.
pub(crate) fn put(out: &mut String, args: fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    let _ = out.write_fmt(args);
}

/// At most `most` characters of a text; an ellipsis stands for the rest.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_html_reads_survives() {
        assert_eq!(
            Text("<script>alert('&\"')</script>").to_string(),
            "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;"
        );
    }

    #[test]
    fn controls_and_direction_overrides_become_visible() {
        assert_eq!(
            Text("a\0b\u{1b}[31m\r\n\u{202e}é").to_string(),
            "a\u{fffd}b\u{fffd}[31m\u{fffd}\n\u{fffd}é"
        );
    }

    #[test]
    fn shortening_counts_characters() {
        assert_eq!(shorten("日本語", 3), "日本語");
        assert_eq!(shorten("日本語で", 3), "日本…");
        assert_eq!(shorten("ab", 0), "…");
    }
}
