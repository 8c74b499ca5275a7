//! Texts and numbers as pages show them.

use autodidact_core::{Mode, RefusalReason};
use autodidact_report::{clean, count};

/// A text of a run, ready to be escaped.
pub(crate) fn text(text: &str) -> String {
    clean(text)
}

/// The same in one line of at most so many characters.
pub(crate) fn short(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = clean(&line);
    if line.chars().count() <= most {
        return line;
    }
    let mut cut: String = line.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// `1,234`
pub(crate) fn number(n: u64) -> String {
    count(n)
}

/// `12.5%`; a dash of nothing.
pub(crate) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    autodidact_report::percent(part as f64 / whole as f64)
}

/// What a mode is called.
pub(crate) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Rationale => "rationale",
        Mode::Rationalization => "with the hint",
    }
}

/// Why a rationale is not learned from.
pub(crate) fn refusal(reason: RefusalReason) -> String {
    format!(
        "refused: {}",
        autodidact_report::plots::reason(reason.as_str())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_in_their_line() {
        assert_eq!(short("a\n b\u{202e}", 9), "a b\u{fffd}");
        assert_eq!(short("日本語です", 3), "日本…");
        assert_eq!(share(1, 0), "–");
        assert_eq!(share(1, 8), "12.5%");
    }
}
