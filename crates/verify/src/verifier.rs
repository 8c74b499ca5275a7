//! The entry points: pick the comparison, read the text in two ways, and report without ever failing.

use std::borrow::Cow;

use autodidact_core::{Choice, Flag, Problem, Verdict, Verification, VerifyKind};

use crate::choice::{gold_label, verify_choice};
use crate::collection::verify_collection;
use crate::expression::{NumberFormat, is_plain_integer};
use crate::extraction::{Place, Statement, Visible, backward, find_in, last_span, visible};
use crate::gold::Gold;
use crate::json::verify_json;
use crate::mathematics::{MathGold, Read};
use crate::numeric::{NumericGold, verify_number};
use crate::request::{Explanation, Policies, Request};
use crate::text::{verify_exact, verify_regex};

/// Compares the final answer of `text` with the gold answer of `problem`, under the usual policies.
///
/// The last answer a text states is the one that counts (STaR code, GSM8K: the last `####`). Where the
/// text repeats the question, the repetition is passed over. A problem without gold gives
/// [`Verdict::CannotTell`].
pub fn verify(kind: VerifyKind, problem: &Problem, text: &str) -> Verification {
    match &problem.gold {
        Some(gold) => {
            let request = Request {
                choices: &problem.choices,
                prompt: Some(&problem.question),
                ..Request::new(kind, &gold.0, text)
            };
            explain(&request, &Policies::default()).verification
        }
        None => cannot_tell("the problem has no gold answer", None),
    }
}

/// Compares the final answer of `text` with `gold`, under the usual policies; `choices` are needed for
/// [`VerifyKind::Choice`] only.
///
/// ```
/// use autodidact_core::{Verdict, VerifyKind};
/// use autodidact_verify::verify_answer;
///
/// let found = verify_answer(VerifyKind::Number, "1200", &[], "So the answer is $1,200.00.");
/// assert_eq!(found.verdict, Verdict::Right);
/// assert_eq!(found.extracted.as_deref(), Some("$1,200.00"));
/// ```
pub fn verify_answer(kind: VerifyKind, gold: &str, choices: &[Choice], text: &str) -> Verification {
    let request = Request {
        choices,
        ..Request::new(kind, gold, text)
    };
    explain(&request, &Policies::default()).verification
}

/// Compares the final answer of a text with gold and tells the steps.
///
/// The text is read in two ways. The first decides; where the second comes to another verdict, `how` and
/// the steps say so, and a right answer carries [`Flag::ExtractorsDisagree`].
///
/// ```
/// use autodidact_core::{Verdict, VerifyKind};
/// use autodidact_verify::{Policies, Request, explain};
///
/// let request = Request::new(VerifyKind::Math, "1/2", r"So $x = \boxed{\frac{1}{2}}$.");
/// let found = explain(&request, &Policies::default());
/// assert_eq!(found.verification.verdict, Verdict::Right);
/// assert!(!found.steps.is_empty());
/// ```
pub fn explain(request: &Request<'_>, policies: &Policies) -> Explanation {
    let (mut verification, mut steps) = read(request, policies);
    if steps.is_empty() {
        steps.push(verification.how.clone());
    }
    for flag in &verification.flags {
        if let Flag::ExtractorsDisagree { other } = flag {
            steps.push(format!("a second reading of the text finds `{other}`"));
        }
    }
    if verification.how.is_empty() {
        verification.how = steps.join("; ");
    }
    Explanation {
        verification,
        steps,
    }
}

fn read(request: &Request<'_>, policies: &Policies) -> Read {
    let plain = |verification: Verification| (verification, Vec::new());
    if request.gold.trim().is_empty() {
        return plain(cannot_tell("the gold answer is empty", None));
    }
    if request.kind == VerifyKind::Json {
        return plain(verify_json(request.gold, request.text, request.prompt));
    }
    let gold = match typed(request) {
        Ok(gold) => gold,
        Err(reason) => return plain(cannot_tell(reason, None)),
    };
    let kind = gold.kind.unwrap_or(request.kind);
    if gold.value.trim().is_empty() {
        return plain(cannot_tell("the gold answer is empty", None));
    }
    let policies = gold.policies(policies);
    let (gold, choices) = (gold.value.as_str(), request.choices);
    match kind {
        VerifyKind::Math => {
            let gold = MathGold::new(gold, &policies);
            two_ways(request, |statement, way| {
                gold.verify(statement, choices, way == Way::First)
            })
        }
        VerifyKind::Number => numbers(request, gold, &policies),
        VerifyKind::Choice => match gold_label(gold, choices) {
            None => {
                let reason = format!("the gold answer `{gold}` is not one of the choices");
                plain(cannot_tell(reason, None))
            }
            Some(wanted) => two_ways(request, |statement, _| {
                plain(verify_choice(&wanted, choices, statement))
            }),
        },
        VerifyKind::Set | VerifyKind::List => {
            let ordered = kind == VerifyKind::List;
            one_way(request, |statement| {
                verify_collection(gold, statement, ordered, &policies)
            })
        }
        VerifyKind::Exact => one_way(request, |statement| plain(verify_exact(gold, statement))),
        VerifyKind::Regex => one_way(request, |statement| plain(verify_regex(gold, statement))),
        VerifyKind::Json => plain(verify_json(gold, request.text, request.prompt)),
        VerifyKind::Code | VerifyKind::Command | VerifyKind::Sql => {
            plain(cannot_tell("answers of this kind are run, not read", None))
        }
    }
}

/// Gold with its type, unit and tolerance, where the kind allows them.
fn typed(request: &Request<'_>) -> Result<Gold, String> {
    let reads = !matches!(request.kind, VerifyKind::Regex | VerifyKind::Exact);
    if reads {
        return Gold::read(request.gold);
    }
    Ok(Gold::plain(request.gold))
}

fn numbers(request: &Request<'_>, gold: &str, policies: &Policies) -> Read {
    // Digits are read with points for decimals everywhere else.
    if policies.number_format == NumberFormat::Comma {
        let gold = MathGold::new(gold, policies);
        return two_ways(request, |statement, way| {
            gold.verify(statement, &[], way == Way::First)
        });
    }
    let numeric = match NumericGold::read(gold) {
        Ok(numeric) => numeric,
        Err(reason) => return (cannot_tell(reason, None), Vec::new()),
    };
    // The usual policies are those of `verify_number`; others need the comparison of mathematics.
    if *policies == Policies::default() {
        return two_ways(request, |statement, _| {
            (verify_number(&numeric, statement), Vec::new())
        });
    }
    let gold = MathGold::new(gold, policies);
    two_ways(request, |statement, _| match numeric.written(statement) {
        Ok(written) => gold.compare(&written, statement.place, true),
        Err(verification) => (*verification, Vec::new()),
    })
}

/// The way a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Forwards; it decides.
    First,
    /// Backwards; it agrees or not.
    Second,
}

fn one_way(request: &Request<'_>, read: impl Fn(&Statement<'_>) -> Read) -> Read {
    match find_in(visible(request.text, request.prompt)) {
        Ok(statement) => read(&statement),
        Err(reason) => (cannot_tell(reason, None), Vec::new()),
    }
}

/// Reads a text in both ways, and tells where the second comes to another verdict.
fn two_ways(request: &Request<'_>, read: impl Fn(&Statement<'_>, Way) -> Read) -> Read {
    let visible = visible(request.text, request.prompt);
    let again = backward(&visible.text);
    let whole = visible.clone();
    let statement = match find_in(visible) {
        Ok(statement) => statement,
        Err(reason) => return (cannot_tell(reason, None), Vec::new()),
    };
    let (mut verification, steps) = read(&statement, Way::First);
    let Some(second) = second_statement(&whole, again, &statement) else {
        return (verification, steps);
    };
    // A number that stands alone cannot be read in another way.
    if is_plain_integer(second.text.trim())
        && verification.extracted.as_deref() == Some(second.text.trim())
    {
        return (verification, steps);
    }
    let (other, _) = read(&second, Way::Second);
    let first_right = verification.verdict == Verdict::Right;
    let second_right = other.verdict == Verdict::Right;
    let decided = matches!(other.verdict, Verdict::Right | Verdict::Wrong);
    if decided && first_right != second_right {
        let found = other.extracted.unwrap_or_default();
        let verb = if second_right { "is" } else { "is not" };
        verification.how += &format!("; a second reading finds `{found}`, which {verb} gold");
        if first_right {
            verification
                .flags
                .push(Flag::ExtractorsDisagree { other: found });
        }
    }
    (verification, steps)
}

/// The statement that the second way finds, unless it is the same as the first.
fn second_statement<'a>(
    whole: &'a Visible<'_>,
    found: Option<crate::extraction::Backward>,
    first: &Statement<'_>,
) -> Option<Statement<'a>> {
    let (text, place) = match found {
        Some(found) if found.boxed => (found.text, Place::Boxed),
        Some(found) => (found.text, Place::Unmarked),
        None if first.place == Place::Unmarked => {
            (last_span(&whole.text, false, true), Place::Unmarked)
        }
        None => return None,
    };
    let same = place == first.place && text.trim() == first.text.trim();
    (!same).then_some(Statement {
        text: Cow::Owned(text),
        place,
        after_scratchpad: whole.after_scratchpad,
    })
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
        for kind in VerifyKind::ALL {
            let found = verify_answer(kind, "  ", &[], "");
            assert!(matches!(found.verdict, Verdict::CannotTell(_)), "{kind:?}");
        }
    }

    #[test]
    fn a_formula_at_line_breaks_is_accepted_only_where_that_is_lenient() {
        for (text, lenient, strict) in [
            ("So it is\n$\n9\n$", Verdict::Right, Verdict::Wrong),
            ("The answer is $\n9\n$.", Verdict::Right, Verdict::Wrong),
            ("The answer is $9$.", Verdict::Right, Verdict::Right),
        ] {
            let request = Request::new(VerifyKind::Math, "9", text);
            for (lenient_delimiters, expected) in [(true, lenient), (false, strict)] {
                let policies = Policies {
                    lenient_delimiters,
                    ..Policies::default()
                };
                let found = explain(&request, &policies).verification;
                assert_eq!(found.verdict, expected, "{text:?}: {found:?}");
            }
        }
    }

    #[test]
    fn readings_that_differ_are_told() {
        for (kind, text) in [
            (VerifyKind::Number, "\\boxed{3}. The answer is 4."),
            (VerifyKind::Math, "\\boxed{3}. The answer is 4."),
            (VerifyKind::Number, "The answer is 4 clips, and 3 in May."),
        ] {
            let found = verify_answer(kind, "4", &[], text);
            assert_eq!(found.verdict, Verdict::Right, "{text}");
            let other = Flag::ExtractorsDisagree { other: "3".into() };
            assert_eq!(found.flags.first(), Some(&other), "{text}: {found:?}");
            assert!(
                found.how.contains("a second reading finds `3`"),
                "{}",
                found.how
            );
        }
        let found = verify_answer(VerifyKind::Number, "3", &[], "\\boxed{3}. The answer is 4.");
        assert_eq!(found.verdict, Verdict::Wrong);
        assert!(found.how.contains("which is gold"), "{}", found.how);
        for text in [
            "The answer is 4.",
            "\\boxed{4}",
            "#### 4",
            "So 2 + 2 = 4.",
            "Answer: 4",
        ] {
            let found = verify_answer(VerifyKind::Number, "4", &[], text);
            assert_eq!(
                (found.verdict, found.flags.len()),
                (Verdict::Right, 0),
                "{text}"
            );
        }
    }
}
