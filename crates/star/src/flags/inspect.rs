//! Looks for every flag that one text can have.

use autodidact_core::{Flag, Problem, VerifyKind};
use autodidact_tasks::false_equations;

use super::hint_leak::leak;
use super::hint_text::{repeats_hint, repeats_solution};
use super::statement::{answer_first, has_no_reasoning};

/// The hint of a rationalization, as far as it can be recognised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownHint {
    /// As it stands in the prompt; `None` if honest rationales contain theirs too.
    pub text: Option<String>,
    /// The worked solution, or the part of it, that was shown.
    pub solution: Option<String>,
}

/// The flags of a text with the right answer, in the order in which they are refused. `hint` is what
/// the prompt held, `None` for a rationale.
pub fn inspect(
    kind: VerifyKind,
    problem: &Problem,
    text: &str,
    hint: Option<&ShownHint>,
) -> Vec<Flag> {
    let mut flags = Vec::new();
    if let Some(phrase) = leak(text, problem) {
        flags.push(Flag::HintLeak { phrase });
    }
    let repeats = |shown: &ShownHint| {
        let hint = shown.text.as_deref();
        let solution = shown.solution.as_deref();
        hint.is_some_and(|hint| repeats_hint(text, hint))
            || solution.is_some_and(|solution| repeats_solution(text, solution))
    };
    if hint.is_some_and(repeats) {
        flags.push(Flag::HintText);
    }
    if has_no_reasoning(text) {
        flags.push(Flag::NoReasoning);
    }
    if let Some(text) = answer_first(kind, problem, text) {
        flags.push(Flag::AnswerBeforeDerivation { text });
    }
    let equations = false_equations(text).into_iter();
    flags.extend(equations.map(|text| Flag::FalseEquation { text }));
    flags
}
