//! Falling back: cheap models first, the next one only if they are not sure.

use autodidact_core::{Problem, Strategy};

use crate::StarError;
use crate::ensemble::answer::{Ensemble, Round};
use crate::ensemble::combine::{self, Choice, Equality};

impl Ensemble {
    /// Asks the models in the order of the file until one is confident: enough of its samples agree
    /// and, where a judge and a threshold are given, its best answer scores enough. If none is, all
    /// answers vote.
    pub(crate) async fn cascade(
        &self,
        problem: &Problem,
        equality: Equality<'_>,
    ) -> Result<(Round, Option<Choice>), StarError> {
        debug_assert_eq!(self.spec.strategy, Strategy::Cascade);
        let mut round = Round::default();
        for member in &self.members {
            let samples = member.model.spec().samples;
            let next = self.ask(member, problem, equality, 0, &[], samples).await?;
            let from = round.candidates.len();
            round.candidates.extend(next.candidates);
            round.failures.extend(next.failures);
            self.judge(problem, &mut round, from).await?;
            if let Some(choice) = self.confident(&round, from, equality) {
                return Ok((round, Some(choice)));
            }
        }
        let choice = combine::vote(&round.candidates, equality, &self.spec.minimum_scores);
        Ok((round, choice))
    }

    /// The choice among one model's answers, if it is confident. A single sample agrees with itself,
    /// so alone it is confident only by its score.
    fn confident(&self, round: &Round, from: usize, equality: Equality<'_>) -> Option<Choice> {
        let own = &round.candidates[from..];
        let choice = combine::vote(own, equality, &self.spec.minimum_scores)?;
        let wanted = &self.spec.cascade;
        let agreed = own.len() > 1 && choice.confidence >= wanted.agreement;
        let scored = wanted
            .overall
            .map(|least| own[choice.winner].overall().is_some_and(|o| o >= least));
        let sure = match scored {
            Some(enough) => enough && (agreed || own.len() == 1),
            None => agreed,
        };
        sure.then_some(Choice {
            winner: from + choice.winner,
            confidence: choice.confidence,
        })
    }
}
