//! One of several answers to a question, with everything that is known about it.

use std::collections::BTreeMap;

use autodidact_core::{FinishReason, SampleKey, Scores, Usd};
use autodidact_store::{Provenance, Scored};

/// An answer that was journaled.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its key.
    pub key: SampleKey,
    /// The model's name in the file; a fused answer has the name of the model that wrote it.
    pub model: String,
    /// The whole text.
    pub text: String,
    /// Why it ends where it ends.
    pub finish: FinishReason,
    /// Tokens generated for it.
    pub tokens: u32,
    /// The final answer it states, if it states one.
    pub answer: Option<String>,
    /// Whether that equals gold, where there is gold.
    pub right: Option<bool>,
    /// Where it came from and what it cost.
    pub provenance: Provenance,
    /// The scores that count: those of one judge for all answers to the question.
    pub scores: Option<Scores>,
    /// Every judge's opinion.
    pub opinions: BTreeMap<String, Result<Scores, String>>,
}

impl Candidate {
    /// The overall score that counts.
    pub fn overall(&self) -> Option<f64> {
        self.scores.as_ref().map(Scores::overall)
    }

    /// What it cost, judges' opinions not included.
    pub fn cost(&self) -> Option<Usd> {
        self.provenance.cost
    }

    /// Takes the opinions about this answer.
    pub fn judged(&mut self, opinions: impl IntoIterator<Item = Scored>) {
        for opinion in opinions {
            self.opinions.insert(opinion.judge, opinion.scores);
        }
    }

    fn scores_by(&self, judge: &str) -> Option<&Scores> {
        self.opinions.get(judge)?.as_ref().ok()
    }
}

/// Decides whose scores count for the answers to one question: the first judge, in the file's order,
/// of those that scored the most answers. Scores of two judges are never compared, because their
/// scales differ.
pub(crate) fn let_one_judge_count(candidates: &mut [Candidate], order: &[String]) {
    let scored = |judge: &String| {
        let by = candidates.iter().filter(|c| c.scores_by(judge).is_some());
        by.count()
    };
    let counting = order.iter().map(|judge| (scored(judge), judge));
    let counting = counting.reduce(|best, next| if next.0 > best.0 { next } else { best });
    for candidate in candidates {
        candidate.scores = counting
            .filter(|(count, _)| *count > 0)
            .and_then(|(_, judge)| candidate.scores_by(judge).cloned());
    }
}

#[cfg(test)]
mod tests {
    use autodidact_core::{Mode, ProblemId, SamplerId};

    use super::*;

    fn candidate(index: u32, opinions: &[(&str, Option<f64>)]) -> Candidate {
        let opinion = |(judge, overall): &(&str, Option<f64>)| {
            let scores = overall.map(|overall| Scores::only_overall(overall).unwrap());
            (
                (*judge).to_owned(),
                scores.ok_or_else(|| "prose".to_owned()),
            )
        };
        Candidate {
            key: SampleKey {
                iteration: 0,
                problem: ProblemId("p".into()),
                sampler: SamplerId("m".into()),
                mode: Mode::Rationale,
                index,
            },
            model: "m".into(),
            text: "t".into(),
            finish: FinishReason::EndOfText,
            tokens: 1,
            answer: None,
            right: None,
            provenance: Provenance::default(),
            scores: None,
            opinions: opinions.iter().map(opinion).collect(),
        }
    }

    fn counting(candidates: &mut [Candidate]) -> Vec<Option<f64>> {
        let order = ["first".to_owned(), "second".to_owned()];
        let_one_judge_count(candidates, &order);
        candidates.iter().map(Candidate::overall).collect()
    }

    #[test]
    fn scores_of_two_judges_never_meet() {
        let mut both = [
            candidate(0, &[("first", Some(1.0)), ("second", Some(90.0))]),
            candidate(1, &[("first", Some(2.0)), ("second", Some(80.0))]),
        ];
        assert_eq!(counting(&mut both), [Some(1.0), Some(2.0)]);
        let mut fallback = [
            candidate(0, &[("first", None), ("second", Some(90.0))]),
            candidate(1, &[("first", Some(2.0)), ("second", Some(80.0))]),
        ];
        assert_eq!(counting(&mut fallback), [Some(90.0), Some(80.0)]);
        let mut none = [candidate(0, &[("first", None)]), candidate(1, &[])];
        assert_eq!(counting(&mut none), [None, None]);
    }
}
