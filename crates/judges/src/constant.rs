//! Judges that say the same about everything.

use std::collections::HashSet;

use autodidact_core::{JudgeKind, Scores};

use crate::fence::fingerprint;
use crate::judge::{Case, Opinion, Unscored};

/// Watches one judge over a command. A reward model that gives one and the same number to many
/// different answers is broken (a wrong head, an activation that saturates, a stub); its scores would
/// choose at random and look as if they did not.
#[derive(Debug)]
pub struct ConstantGuard {
    most: usize,
    first: Option<f64>,
    differs: bool,
    seen: HashSet<[u8; 32]>,
}

impl ConstantGuard {
    /// A guard that lets fewer than this many different answers have the same score.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            first: None,
            differs: false,
            seen: HashSet::new(),
        }
    }

    /// The guard for a kind of judge: 8 answers where scores are unbounded, 32 where a chat model
    /// chooses from a few numbers or where probabilities round to 1, since many good answers to easy
    /// questions may well deserve the same.
    pub fn for_kind(kind: JudgeKind) -> Self {
        Self::new(match kind {
            JudgeKind::Rubric | JudgeKind::Pairwise | JudgeKind::Process => 32,
            _ => 8,
        })
    }

    /// Takes note of a score.
    pub fn note(&mut self, question: &str, answer: &str, scores: &Scores) {
        if self.differs {
            return;
        }
        let overall = scores.overall();
        let first = *self.first.get_or_insert(overall);
        if overall.to_bits() != first.to_bits() {
            self.differs = true;
            self.seen = HashSet::new();
            return;
        }
        if self.seen.len() < self.most {
            let answer = fingerprint(&[question, answer]);
            self.seen.insert(*answer.as_bytes());
        }
    }

    /// The reason to refuse the judge's scores, if there is one by now.
    pub fn refusal(&self) -> Option<Unscored> {
        let value = self.first?;
        let answers = self.seen.len();
        (!self.differs && answers >= self.most).then_some(Unscored::Constant { value, answers })
    }

    /// Takes note of all opinions on a case, and refuses their scores if they are constant by now.
    pub fn check(&mut self, case: &Case, opinions: &mut [Opinion]) {
        for (answer, opinion) in case.answers.iter().zip(opinions.iter()) {
            if let Ok(scores) = &opinion.scores {
                self.note(&case.question, answer, scores);
            }
        }
        let Some(refusal) = self.refusal() else {
            return;
        };
        for opinion in opinions.iter_mut().filter(|o| o.scores.is_ok()) {
            opinion.scores = Err(refusal.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(overall: f64) -> Scores {
        Scores::only_overall(overall).unwrap()
    }

    #[test]
    fn the_same_answer_again_is_no_evidence() {
        let mut guard = ConstantGuard::new(3);
        for _ in 0..10 {
            guard.note("q", "a", &score(1.0));
        }
        assert_eq!(guard.refusal(), None);
        guard.note("q", "b", &score(1.0));
        guard.note("q2", "a", &score(1.0));
        assert_eq!(
            guard.refusal(),
            Some(Unscored::Constant {
                value: 1.0,
                answers: 3
            })
        );
        guard.note("q", "c", &score(1.5));
        assert_eq!(guard.refusal(), None, "one other score is enough");
    }

    #[test]
    fn only_scores_are_refused() {
        let mut guard = ConstantGuard::new(2);
        let case = Case::new("q", vec!["a".into(), "b".into(), "c".into()]);
        let scored = |overall| Opinion {
            scores: Ok(score(overall)),
            cost: None,
        };
        let mut opinions = vec![scored(1.0), Opinion::none(Unscored::Empty), scored(1.0)];
        guard.check(&case, &mut opinions);
        assert!(matches!(opinions[0].scores, Err(Unscored::Constant { .. })));
        assert_eq!(opinions[1].scores, Err(Unscored::Empty));
    }
}
