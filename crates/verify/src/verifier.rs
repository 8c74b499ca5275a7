//! The entry points: pick the comparison, and report without ever failing.

use autodidact_core::{Choice, Problem, Verdict, Verification, VerifyKind};

use crate::{choice, compare, text};

/// Compares the final answer of `text` with the gold answer of `problem`.
///
/// The last answer a text states is the one that counts (STaR code, GSM8K: the last `####`).
/// A problem without gold gives [`Verdict::CannotTell`].
pub fn verify(kind: VerifyKind, problem: &Problem, text: &str) -> Verification {
    match &problem.gold {
        Some(gold) => verify_answer(kind, &gold.0, &problem.choices, text),
        None => cannot_tell("the problem has no gold answer", None),
    }
}

/// Compares the final answer of `text` with `gold`; `choices` are needed for
/// [`VerifyKind::Choice`] only.
pub fn verify_answer(kind: VerifyKind, gold: &str, choices: &[Choice], text: &str) -> Verification {
    if gold.trim().is_empty() {
        return cannot_tell("the gold answer is empty", None);
    }
    match kind {
        VerifyKind::Number => compare::verify_number(gold, text),
        VerifyKind::Choice => choice::verify_choice(gold, choices, text),
        VerifyKind::Exact => text::verify_exact(gold, text),
        VerifyKind::Regex => text::verify_regex(gold, text),
        VerifyKind::Code | VerifyKind::Command | VerifyKind::Sql => {
            cannot_tell("answers of this kind are run, not read", None)
        }
    }
}

/// A verification that could not be decided, for `reason`.
pub(crate) fn cannot_tell(reason: impl Into<String>, extracted: Option<String>) -> Verification {
    let reason = reason.into();
    Verification {
        how: reason.clone(),
        verdict: Verdict::CannotTell(reason),
        extracted,
        flags: Vec::new(),
    }
}

/// A verification that was decided.
pub(crate) fn decided(right: bool, extracted: String, how: String) -> Verification {
    Verification {
        verdict: if right {
            Verdict::Right
        } else {
            Verdict::Wrong
        },
        extracted: Some(extracted),
        how,
        flags: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use autodidact_core::{ProblemId, Split};

    use super::*;

    #[test]
    fn a_problem_without_gold_cannot_be_decided() {
        let problem = Problem {
            id: ProblemId("1".into()),
            question: "?".into(),
            gold: None,
            choices: Vec::new(),
            solution: None,
            split: Split::Train,
            meta: std::collections::BTreeMap::new(),
        };
        let found = verify(VerifyKind::Number, &problem, "The answer is 5.");
        assert!(matches!(found.verdict, Verdict::CannotTell(_)), "{found:?}");
    }

    #[test]
    fn empty_gold_cannot_be_decided_by_any_kind() {
        for kind in [
            VerifyKind::Number,
            VerifyKind::Choice,
            VerifyKind::Exact,
            VerifyKind::Regex,
        ] {
            let found = verify_answer(kind, "  ", &[], "");
            assert!(matches!(found.verdict, Verdict::CannotTell(_)), "{kind:?}");
        }
    }
}
