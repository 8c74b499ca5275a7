//! Braces of boxes.

/// Where the braces that open at `opens` (byte offsets just after each brace, ascending) close; `None`
/// for those that never do. One pass; escaped braces (`\{`) do not count.
pub(super) fn closes(text: &str, opens: &[usize]) -> Vec<Option<usize>> {
    let mut found = vec![None; opens.len()];
    let Some(first) = opens.first() else {
        return found;
    };
    // Each open brace, and which of `opens` it is.
    let mut stack: Vec<Option<usize>> = Vec::new();
    let mut next = 0;
    let bytes = text.as_bytes();
    let mut at = first.saturating_sub(1);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'{' => {
                while opens.get(next).is_some_and(|open| *open <= at) {
                    next += 1;
                }
                let is_box = opens.get(next) == Some(&(at + 1));
                stack.push(is_box.then_some(next));
                next += usize::from(is_box);
            }
            b'}' => {
                if let Some(Some(index)) = stack.pop()
                    && let Some(close) = found.get_mut(index)
                {
                    *close = Some(at);
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_nest_and_escaped_ones_do_not_count() {
        let text = r"\boxed{a{b}\{c} x \boxed{{d} e";
        let opens = [7, 25];
        let found = closes(text, &opens);
        assert_eq!(&text[7..found[0].unwrap()], r"a{b}\{c");
        assert_eq!(found[1], None);
    }
}
