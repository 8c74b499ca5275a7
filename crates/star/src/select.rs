//! Selection: which verified samples become training text, and why the others do not.

use std::collections::{BTreeMap, HashMap, HashSet};

use autodidact_core::{
    FinishReason, KeptRationale, Mode, Problem, ProblemId, RankBy, RefusalReason, Sample,
    SelectSpec, Selection, Verdict,
};
use autodidact_store::Verified;

use crate::prompt::Prompter;
use crate::rationalize::{has_no_reasoning, leaks_hint};

/// A sample with what the verifier said about it.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    /// What was written.
    pub(crate) sample: Sample,
    /// Whether it is right.
    pub(crate) verified: Verified,
}

/// What a selection decided.
#[derive(Debug, Default)]
pub(crate) struct Selected {
    /// The training set, by problem in the task's order.
    pub(crate) kept: Vec<KeptRationale>,
    /// One decision for each sample.
    pub(crate) decisions: Vec<Selection>,
}

/// Decides about all samples of a loop. Rationales of a problem come before rationalizations, and
/// the latter exist only for problems without a right rationale.
pub(crate) fn select(
    problems: &[Problem],
    judged: Vec<Judged>,
    spec: &SelectSpec,
    prompter: &Prompter,
) -> Selected {
    let mut by_problem: HashMap<ProblemId, Vec<Judged>> = HashMap::new();
    for one in judged {
        by_problem
            .entry(one.sample.key.problem.clone())
            .or_default()
            .push(one);
    }
    let mut selected = Selected::default();
    for problem in problems {
        let mut candidates = by_problem.remove(&problem.id).unwrap_or_default();
        rank(&mut candidates, spec.rank_by);
        let mut seen = HashSet::new();
        let mut kept = 0;
        for candidate in candidates {
            let hint = prompter.hint_text(problem);
            let refused = refusal(&candidate, spec, hint.as_deref()).or_else(|| {
                if !seen.insert(fingerprint(&candidate.sample.completion.text)) {
                    Some(RefusalReason::Duplicate)
                } else if kept >= spec.per_problem {
                    Some(RefusalReason::OverCap)
                } else {
                    None
                }
            });
            if refused.is_none() {
                kept += 1;
                selected.kept.push(KeptRationale {
                    problem: problem.id.clone(),
                    mode: candidate.sample.key.mode,
                    prompt: prompter.plain(problem),
                    completion: prompter.completion(&candidate.sample.completion.text),
                });
            }
            selected.decisions.push(Selection {
                key: candidate.sample.key,
                refused,
            });
        }
    }
    selected
}

/// Why a sample cannot be trained on, whatever else was sampled.
fn refusal(candidate: &Judged, spec: &SelectSpec, hint: Option<&str>) -> Option<RefusalReason> {
    let Judged { sample, verified } = candidate;
    let text = &sample.completion.text;
    match verified.verification.verdict {
        Verdict::Wrong => return Some(RefusalReason::Wrong),
        Verdict::CannotTell(_) => return Some(RefusalReason::CannotTell),
        Verdict::Right => {}
    }
    if sample.completion.finish == FinishReason::Length {
        return Some(RefusalReason::Truncated);
    }
    if text.chars().any(is_garbage) {
        return Some(RefusalReason::Garbled);
    }
    if sample.key.mode == Mode::Rationalization && leaks_hint(text, hint) {
        return Some(RefusalReason::HintLeak);
    }
    if has_no_reasoning(text) {
        return Some(RefusalReason::NoReasoning);
    }
    (spec.check_steps && verified.false_step.is_some()).then_some(RefusalReason::WrongStep)
}

/// Bytes that were no UTF-8 arrive as U+FFFD.
fn is_garbage(c: char) -> bool {
    c == char::REPLACEMENT_CHARACTER || (c.is_control() && !matches!(c, '\n' | '\t'))
}

/// Best first; the sampler's name and the index break ties, so that the order never depends on the
/// order of arrival.
fn rank(candidates: &mut [Judged], by: RankBy) {
    candidates.sort_by(|a, b| {
        let completions = (&a.sample.completion, &b.sample.completion);
        let best = match by {
            RankBy::First => std::cmp::Ordering::Equal,
            RankBy::Logprob => {
                let mean = |c: &autodidact_core::Completion| c.logprob / f64::from(c.tokens.max(1));
                mean(completions.1).total_cmp(&mean(completions.0))
            }
            RankBy::Shortest => completions.0.tokens.cmp(&completions.1.tokens),
        };
        let key = |j: &Judged| {
            (
                j.sample.key.mode,
                j.sample.key.sampler.clone(),
                j.sample.key.index,
            )
        };
        best.then_with(|| key(a).cmp(&key(b)))
    });
}

/// Two rationales are the same solution if they differ in white space, case or punctuation only.
fn fingerprint(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() || "+-*/=.%<>".contains(c) {
            out.push(c);
        }
    }
    out
}

/// How often each reason refused a sample.
pub(crate) fn count_refusals(decisions: &[Selection]) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for reason in decisions.iter().filter_map(|d| d.refused) {
        *counts.entry(reason.as_str().to_owned()).or_insert(0) += 1;
    }
    counts
}
