//! Ways of making one answer of many that need no further question.

use autodidact_core::{FinishReason, MinimumScores, VerifyKind};
use autodidact_verify::{same_answer, same_free_answer};

use crate::ensemble::candidate::Candidate;

/// What was chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Choice {
    /// Position of the winner among the candidates.
    pub(crate) winner: usize,
    /// How sure the choice is, from 0 to 1: the winner's share of the votes, or of the weights.
    pub(crate) confidence: f64,
}

/// Candidates that state the same final answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    /// Their positions, in order.
    pub(crate) members: Vec<usize>,
}

/// How final answers are compared: by the task's rule where there is one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Equality<'a> {
    pub(crate) kind: Option<VerifyKind>,
    pub(crate) choices: &'a [autodidact_core::Choice],
}

impl Equality<'_> {
    fn same(&self, one: &str, other: &str) -> bool {
        match self.kind {
            Some(kind) => same_answer(kind, self.choices, one, other),
            None => same_free_answer(one, other),
        }
    }
}

/// Puts candidates that state the same final answer together, in the order of their first member.
/// Candidates without a final answer, or below a minimum, are in no group.
pub(crate) fn groups(
    candidates: &[Candidate],
    equality: Equality<'_>,
    minimum: &MinimumScores,
) -> Vec<Group> {
    let mut groups: Vec<(String, Group)> = Vec::new();
    for (position, candidate) in candidates.iter().enumerate() {
        let Some(answer) = candidate
            .answer
            .as_ref()
            .filter(|_| reaches(candidate, minimum))
        else {
            continue;
        };
        let known = groups
            .iter_mut()
            .find(|(first, _)| first == answer || equality.same(first, answer));
        match known {
            Some((_, group)) => group.members.push(position),
            None => groups.push((
                answer.clone(),
                Group {
                    members: vec![position],
                },
            )),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The answer that the judge scores highest, among those that reach every minimum. `None` if no
/// answer has a score, or none reaches the minimum.
pub(crate) fn best(candidates: &[Candidate], minimum: &MinimumScores) -> Option<Choice> {
    let order = ranked(candidates, minimum);
    let winner = *order.first()?;
    let weights = weights(candidates);
    Some(Choice {
        winner,
        confidence: weights[winner],
    })
}

/// The final answer given most often (self-consistency); judges' scores, then the order of the file,
/// break ties. The shown text is the best-scored, or else the first, of the group.
pub(crate) fn vote(
    candidates: &[Candidate],
    equality: Equality<'_>,
    minimum: &MinimumScores,
) -> Option<Choice> {
    let groups = groups(candidates, equality, minimum);
    let votes: usize = groups.iter().map(|group| group.members.len()).sum();
    let winner = groups.iter().reduce(|best, next| {
        let more = next.members.len().cmp(&best.members.len());
        let better = total(candidates, next).total_cmp(&total(candidates, best));
        if more.then(better).is_gt() {
            next
        } else {
            best
        }
    })?;
    Some(Choice {
        winner: face(candidates, winner),
        confidence: winner.members.len() as f64 / votes as f64,
    })
}

/// The final answer with the largest share of the judge's weight. A reward is comparable within one
/// question only and has no zero, so weights are the softmax of the overall scores: adding a
/// constant to all of them changes nothing.
pub(crate) fn weighted(
    candidates: &[Candidate],
    equality: Equality<'_>,
    minimum: &MinimumScores,
) -> Option<Choice> {
    let weights = weights(candidates);
    let weight = |group: &Group| -> f64 { group.members.iter().map(|m| weights[*m]).sum() };
    let groups = groups(candidates, equality, minimum);
    let all: f64 = groups.iter().map(weight).sum();
    let winner = groups
        .iter()
        .filter(|group| weight(group) > 0.0)
        .reduce(|best, next| {
            if weight(next) > weight(best) {
                next
            } else {
                best
            }
        })?;
    Some(Choice {
        winner: face(candidates, winner),
        confidence: weight(winner) / all,
    })
}

/// Positions of the candidates that have a score and reach the minimum, best first. A text cut at
/// the token limit comes after all whole ones.
pub(crate) fn ranked(candidates: &[Candidate], minimum: &MinimumScores) -> Vec<usize> {
    let scored = |position: &usize| {
        let candidate = &candidates[*position];
        candidate.scores.is_some() && reaches(candidate, minimum)
    };
    let mut order: Vec<usize> = (0..candidates.len()).filter(scored).collect();
    order.sort_by(|a, b| {
        let (a, b) = (&candidates[*a], &candidates[*b]);
        let cut = |c: &Candidate| c.finish == FinishReason::Length;
        let overall = |c: &Candidate| c.overall().unwrap_or(f64::NEG_INFINITY);
        cut(a).cmp(&cut(b)).then(overall(b).total_cmp(&overall(a)))
    });
    order
}

/// True if no attribute is below its minimum. Where a minimum is asked for, an answer without scores
/// does not reach it.
fn reaches(candidate: &Candidate, minimum: &MinimumScores) -> bool {
    let scores = candidate.scores.as_ref();
    minimum.is_empty() || scores.is_some_and(|scores| scores.below(minimum).is_none())
}

/// The softmax of the overall scores; 0 for candidates without one.
fn weights(candidates: &[Candidate]) -> Vec<f64> {
    let overall = |c: &Candidate| c.overall().unwrap_or(f64::NEG_INFINITY);
    let highest = candidates
        .iter()
        .map(overall)
        .fold(f64::NEG_INFINITY, f64::max);
    if highest == f64::NEG_INFINITY {
        return vec![0.0; candidates.len()];
    }
    let weight = |c: &Candidate| (overall(c) - highest).exp();
    let sum: f64 = candidates.iter().map(weight).sum();
    candidates.iter().map(|c| weight(c) / sum).collect()
}

fn total(candidates: &[Candidate], group: &Group) -> f64 {
    let scores = group
        .members
        .iter()
        .filter_map(|m| candidates[*m].overall());
    scores.sum()
}

/// The member of a group that is shown: a whole text before one that was cut, then the best-scored,
/// then the first.
fn face(candidates: &[Candidate], group: &Group) -> usize {
    let rank = |m: &usize| {
        let candidate = &candidates[*m];
        let whole = candidate.finish != FinishReason::Length;
        (whole, candidate.overall().unwrap_or(f64::NEG_INFINITY))
    };
    let better = |a: usize, b: usize| {
        let ((whole_a, score_a), (whole_b, score_b)) = (rank(&a), rank(&b));
        if whole_b
            .cmp(&whole_a)
            .then(score_b.total_cmp(&score_a))
            .is_gt()
        {
            b
        } else {
            a
        }
    };
    group.members.iter().copied().reduce(better).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use autodidact_core::{Attribute, Mode, ProblemId, SampleKey, SamplerId, Scores};
    use autodidact_store::Provenance;

    use super::*;

    const FREE: Equality<'_> = Equality {
        kind: None,
        choices: &[],
    };

    fn candidate(answer: &str, overall: Option<f64>) -> Candidate {
        let attributes = BTreeMap::from([(Attribute::Correctness, overall.unwrap_or(0.0))]);
        Candidate {
            key: SampleKey {
                iteration: 0,
                problem: ProblemId("p".into()),
                sampler: SamplerId("m".into()),
                mode: Mode::Rationale,
                index: 0,
            },
            model: "m".into(),
            text: answer.into(),
            finish: FinishReason::EndOfText,
            tokens: 1,
            answer: (!answer.is_empty()).then(|| answer.to_owned()),
            right: None,
            provenance: Provenance::default(),
            scores: overall.map(|o| Scores::new(attributes, o).unwrap()),
            opinions: BTreeMap::new(),
        }
    }

    #[test]
    fn the_majority_wins_whatever_it_writes() {
        let all: Vec<_> = ["7", "8", "7.0", "", "8"]
            .map(|a| candidate(a, None))
            .into();
        let choice = vote(&all, FREE, &MinimumScores::new()).unwrap();
        assert_eq!(choice.winner, 0, "ties go to the first");
        assert!((choice.confidence - 0.5).abs() < 1e-12);
        let all: Vec<_> = ["7", "8", "8.00"].map(|a| candidate(a, None)).into();
        assert_eq!(vote(&all, FREE, &MinimumScores::new()).unwrap().winner, 1);
        assert_eq!(
            vote(&[candidate("", None)], FREE, &MinimumScores::new()),
            None
        );
    }

    #[test]
    fn the_best_score_wins_if_it_reaches_the_minimum() {
        let all = [
            candidate("7", Some(1.0)),
            candidate("8", Some(3.0)),
            candidate("9", None),
        ];
        let none = MinimumScores::new();
        assert_eq!(best(&all, &none).unwrap().winner, 1);
        let high = MinimumScores::from([(Attribute::Correctness, 3.5)]);
        assert_eq!(best(&all, &high), None);
        assert_eq!(best(&all[2..], &none), None, "no score is not a zero");
    }

    #[test]
    fn what_is_below_a_minimum_neither_votes_nor_shows() {
        let all = [
            candidate("7", Some(1.0)),
            candidate("7", Some(1.0)),
            candidate("8", Some(3.0)),
            candidate("8", None),
        ];
        let high = MinimumScores::from([(Attribute::Correctness, 2.0)]);
        assert_eq!(vote(&all, FREE, &high).unwrap().winner, 2);
        assert_eq!(weighted(&all, FREE, &high).unwrap().winner, 2);
        assert_eq!(vote(&all[..2], FREE, &high), None);
    }

    #[test]
    fn weights_can_overrule_the_majority_and_ignore_constants() {
        let shifted = |by: f64| {
            let all = [
                candidate("7", Some(0.0 + by)),
                candidate("7", Some(0.1 + by)),
                candidate("8", Some(3.0 + by)),
            ];
            weighted(&all, FREE, &MinimumScores::new()).unwrap()
        };
        let (near, far) = (shifted(0.0), shifted(-30.0));
        assert_eq!((near.winner, far.winner), (2, 2));
        assert!((near.confidence - far.confidence).abs() < 1e-9);
        assert!(near.confidence > 0.5);
    }

    #[test]
    fn a_cut_text_never_beats_a_whole_one() {
        let mut cut = candidate("8", Some(3.0));
        cut.finish = FinishReason::Length;
        let all = [cut, candidate("7", Some(1.0))];
        assert_eq!(best(&all, &MinimumScores::new()).unwrap().winner, 1);
    }
}
