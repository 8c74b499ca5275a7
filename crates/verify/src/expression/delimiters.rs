//! Formulas between dollar signs that Markdown does not take for formulas.

/// What is told of such a formula.
pub(crate) const BROKEN: &str = "a formula begins or ends at a line break, which opens no formula";

/// True if a formula between single dollar signs begins or ends at a line break: `$`, a line with `9`,
/// `$`. Two dollar signs stand around formulas on lines of their own and are never broken.
pub(crate) fn is_broken(text: &str) -> bool {
    let mut parts = text.split('$').skip(1);
    while let Some(inside) = parts.next() {
        if inside.is_empty() {
            // `$$ … $$`: its closing signs make one more empty part.
            parts.next();
            parts.next();
        } else {
            let blank = |c: char| matches!(c, ' ' | '\t' | '\r');
            let begins = inside.trim_start_matches(blank).starts_with('\n');
            let ends = inside.trim_end_matches(blank).ends_with('\n');
            // A sign that nothing closes is money, not a formula.
            if parts.next().is_some() && (begins || ends) {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_single_signs_at_line_breaks_are_broken() {
        for text in ["$\n9\n$", "so $\n9$ then", "$x$ and $9 \n$"] {
            assert!(is_broken(text), "{text}");
        }
        for text in [
            "$ 9 $",
            "$$\n9\n$$",
            "$$\n9\n$$ is $9$",
            "It costs $\n9",
            "9",
            "$5\n",
        ] {
            assert!(!is_broken(text), "{text}");
        }
    }
}
