//! False positives: right answers that were not reasoned to, and the flags that tell.
//!
//! Start reading at `inspect.rs`, which looks for every flag that one text can have. Duplicates need
//! the other rationales of the problem and are found in `select.rs`. How well each flag does is
//! measured in docs/false-positives.md.

mod hint_leak;
mod hint_text;
mod inspect;
mod pattern;
mod sentences;
mod statement;

pub(crate) use hint_text::contains_hint;
pub use inspect::{ShownHint, inspect};
