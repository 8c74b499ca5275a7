//! Tags around reasoning: those of reasoning models, and the scratchpad of the addition task (STaR,
//! figure 2).
//!
//! Looked for by hand: captures of a regular expression took 0.3 µs a tag, and a megabyte of nothing but
//! tags over 50 ms.

/// Names between `<` and `>`.
const ANGLES: [&str; 13] = [
    "think",
    "thinking",
    "thought",
    "thoughts",
    "reasoning",
    "reflection",
    "reason",
    "analysis",
    "scratch",
    "scratchpad",
    "seed:think",
    "antthinking",
    "inner_thoughts",
];
/// Names between `[` and `]`.
const SQUARES: [&str; 3] = ["think", "thinking", "reasoning"];
/// Whole tags without a name of their own, and whether they close.
const WHOLE: [(&str, bool); 4] = [
    ("<|begin_of_thought|>", false),
    ("<|end_of_thought|>", true),
    ("<|start_thinking|>", false),
    ("<|end_thinking|>", true),
];

/// One tag in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub start: usize,
    pub end: usize,
    /// In lower case; empty for tags that are told apart by nothing.
    pub name: &'static str,
    pub closes: bool,
}

/// All tags of a text, in its order. Letters count in either case.
pub(super) fn tags(text: &str) -> impl Iterator<Item = Tag> {
    // The first byte of `◁` is no part of any other character that matters here.
    let begins = |byte: &u8| matches!(byte, b'<' | b'[' | 0xe2);
    let places = text.bytes().enumerate();
    let places = places.filter(move |(_, byte)| begins(byte));
    places.filter_map(|(at, _)| tag(text, at))
}

fn tag(text: &str, start: usize) -> Option<Tag> {
    let rest = text.get(start..)?;
    if rest.starts_with("<|") {
        let (whole, closes) = WHOLE.into_iter().find(|(whole, _)| begins(rest, whole))?;
        return Some(Tag {
            start,
            end: start + whole.len(),
            name: "",
            closes,
        });
    }
    let (open, close, names): (&str, &str, &[&'static str]) = match rest.chars().next()? {
        '<' => ("<", ">", &ANGLES),
        '[' => ("[", "]", &SQUARES),
        '◁' => ("◁", "▷", &["think"]),
        _ => return None,
    };
    let inside = rest.get(open.len()..)?;
    let closes = inside.starts_with('/');
    let name_at = usize::from(closes);
    let named = inside.get(name_at..)?;
    let ends = |name: &&&'static str| {
        begins(named, name)
            && named
                .get(name.len()..)
                .is_some_and(|rest| rest.starts_with(close))
    };
    let name = names.iter().find(ends)?;
    Some(Tag {
        start,
        end: start + open.len() + name_at + name.len() + close.len(),
        name,
        closes,
    })
}

fn begins(text: &str, with: &str) -> bool {
    let head = text.as_bytes().get(..with.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(with.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_tag() {
        let text = "<think>a</THINK> [THINK] [/thinking] ◁think▷◁/think▷ <|begin_of_thought|> \
                    <|END_THINKING|> </scratch> <thinker> <b> [1, 2] ≤ <thin";
        let found: Vec<(&str, &str, bool)> = tags(text)
            .map(|tag| (&text[tag.start..tag.end], tag.name, tag.closes))
            .collect();
        assert_eq!(
            found,
            [
                ("<think>", "think", false),
                ("</THINK>", "think", true),
                ("[THINK]", "think", false),
                ("[/thinking]", "thinking", true),
                ("◁think▷", "think", false),
                ("◁/think▷", "think", true),
                ("<|begin_of_thought|>", "", false),
                ("<|END_THINKING|>", "", true),
                ("</scratch>", "scratch", true),
            ]
        );
    }
}
