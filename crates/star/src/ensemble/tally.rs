//! What each model contributed: yield, problems nobody else solved, and what a right answer cost.

use std::collections::{BTreeMap, BTreeSet};

use autodidact_core::Usd;
use autodidact_store::Spent;
use serde::{Deserialize, Serialize};

/// One model's part in a data set or a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// Its name in the file.
    pub model: String,
    /// Answers it gave.
    pub answers: u64,
    /// Answers whose final answer equals gold; null without gold.
    pub right: Option<u64>,
    /// Problems it solved.
    pub solved: Option<u64>,
    /// Problems that it alone solved.
    pub unique: Option<u64>,
    /// Answers that were chosen, or rationales that were kept.
    pub kept: u64,
    /// Requests that ended without an answer, by outcome.
    pub unanswered: BTreeMap<String, u64>,
    /// What it cost, judges not included; requests of unknown outcome count in full.
    pub cost_usd: Option<Usd>,
    /// Cost of each kept answer.
    pub cost_per_kept_usd: Option<Usd>,
    /// Whether the provider's terms let its answers train other models.
    pub terms: String,
}

/// An answer, as far as counting goes.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// The model's name in the file.
    pub model: &'a str,
    /// Whether it equals gold, where there is gold.
    pub right: Option<bool>,
    /// It was chosen, or kept for training.
    pub kept: bool,
    /// The provider's terms.
    pub terms: &'a str,
}

/// Counts problem by problem.
#[derive(Debug, Default)]
pub struct Tally {
    models: BTreeMap<String, ModelSummary>,
}

impl Tally {
    /// Counts all answers to one problem.
    pub fn problem<'a>(&mut self, answers: impl IntoIterator<Item = Counted<'a>>) {
        let mut solvers: BTreeSet<&str> = BTreeSet::new();
        for answer in answers {
            let summary = self.model(answer.model);
            summary.answers += 1;
            summary.kept += u64::from(answer.kept);
            if summary.terms.is_empty() {
                answer.terms.clone_into(&mut summary.terms);
            }
            if let Some(right) = answer.right {
                *summary.right.get_or_insert(0) += u64::from(right);
                summary.solved.get_or_insert(0);
                summary.unique.get_or_insert(0);
                if right {
                    solvers.insert(answer.model);
                }
            }
        }
        for solver in &solvers {
            let alone = solvers.len() == 1;
            let summary = self.model(solver);
            *summary.solved.get_or_insert(0) += 1;
            *summary.unique.get_or_insert(0) += u64::from(alone);
        }
    }

    /// Counts requests without an answer.
    pub fn unanswered(&mut self, model: &str, outcome: &str, count: u64) {
        let summary = self.model(model);
        *summary.unanswered.entry(outcome.to_owned()).or_default() += count;
    }

    /// The summaries by name, with what each model cost.
    pub fn finish(mut self, spending: &BTreeMap<String, Spent>) -> Vec<ModelSummary> {
        for (name, summary) in &mut self.models {
            let spent = spending.get(name).copied().unwrap_or_default();
            summary.cost_usd = (spent.unpriced == 0).then_some(spent.amount + spent.unsettled);
            summary.cost_per_kept_usd = summary
                .cost_usd
                .filter(|_| summary.kept > 0)
                .map(|cost| Usd::from_nano(cost.nano().div_ceil(summary.kept)));
        }
        self.models.into_values().collect()
    }

    fn model(&mut self, name: &str) -> &mut ModelSummary {
        let summary = self.models.entry(name.to_owned()).or_default();
        if summary.model.is_empty() {
            name.clone_into(&mut summary.model);
        }
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(model: &str, right: bool, kept: bool) -> Counted<'_> {
        Counted {
            model,
            right: Some(right),
            kept,
            terms: "allowed",
        }
    }

    #[test]
    fn unique_solves_and_costs_are_counted_by_model() {
        let mut tally = Tally::default();
        tally.problem([counted("a", true, true), counted("b", false, false)]);
        tally.problem([counted("a", true, true), counted("b", true, false)]);
        tally.problem([counted("a", false, false), counted("b", false, false)]);
        tally.unanswered("b", "refused", 2);
        let spent = Spent {
            amount: Usd::from_nano(5),
            ..Spent::default()
        };
        let summaries = tally.finish(&BTreeMap::from([("a".to_owned(), spent)]));
        let [a, b] = summaries.as_slice() else {
            unreachable!("two models");
        };
        assert_eq!((a.solved, a.unique, a.right), (Some(2), Some(1), Some(2)));
        assert_eq!((b.solved, b.unique), (Some(1), Some(0)));
        assert_eq!(a.cost_per_kept_usd, Some(Usd::from_nano(3)));
        assert_eq!((b.cost_usd, b.cost_per_kept_usd), (Some(Usd::ZERO), None));
        assert_eq!(b.unanswered["refused"], 2);
    }
}
