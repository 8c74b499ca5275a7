//! Answering one question with several models.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use autodidact_core::{EnsembleSpec, Problem, SampleKey, Strategy, Usd, VerifyKind};
use autodidact_providers::{ProviderError, Purse};
use autodidact_store::RunStore;
use futures::future::join_all;

use crate::StarError;
use crate::checker::Checker;
use crate::ensemble::asking::{asking, candidates};
use crate::ensemble::candidate::Candidate;
use crate::ensemble::combine::{self, Choice, Equality};
use crate::ensemble::combined::{Combined, Failed, ShownCandidate, Winner};
use crate::ensemble::judging::Judging;
use crate::ensemble::member::{Asking, Member, Recorded, Trouble, recorded};
use crate::ensemble::writer::Writer;

/// Several models and judges, ready to be asked.
pub struct Ensemble {
    pub(crate) spec: EnsembleSpec,
    pub(crate) members: Vec<Member>,
    pub(crate) judging: Judging,
    pub(crate) checker: Checker,
    pub(crate) store: Arc<RunStore>,
    writer: Writer,
    /// False while nothing was journaled by an earlier attempt, so that nothing need be looked up.
    resumed: AtomicBool,
    /// What fails is asked again in another attempt.
    for_data_set: AtomicBool,
    /// Models with `batch = true` were asked already.
    batched: AtomicBool,
    /// Answers wanted of all models together, instead of what each is declared to give.
    samples: Option<u32>,
    /// Models that cannot be asked any more, with the error that says why.
    out: Mutex<BTreeMap<String, Failed>>,
}

/// The candidates of a question so far, and who failed on the way.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) failures: Vec<Failed>,
}

impl Ensemble {
    /// An ensemble that writes to a journal.
    pub fn new(
        spec: EnsembleSpec,
        members: Vec<Member>,
        judges: Vec<Arc<dyn autodidact_judges::Judge>>,
        store: Arc<RunStore>,
        writer: Writer,
        purse: Arc<dyn Purse>,
        resumed: bool,
    ) -> Self {
        Self {
            judging: Judging::new(judges, purse, writer.clone(), store.clone(), resumed),
            checker: Checker::reading(),
            writer,
            spec,
            members,
            store,
            resumed: AtomicBool::new(resumed),
            for_data_set: AtomicBool::new(false),
            batched: AtomicBool::new(false),
            samples: None,
            out: Mutex::default(),
        }
    }

    /// The same, with so many answers wanted of all models together, dealt out in the file's order.
    #[must_use]
    pub fn with_samples(mut self, samples: u32) -> Self {
        self.samples = Some(samples);
        self
    }

    /// How many answers a member is to give in a round that asks all.
    fn share(&self, position: usize) -> u32 {
        let Some(member) = self.members.get(position) else {
            return 0;
        };
        let members = self.members.len().max(1) as u32;
        self.samples.map_or(member.model.spec().samples, |all| {
            all / members + u32::from((position as u32) < all % members)
        })
    }

    /// The same, with answers verified by a checker that may run them.
    #[must_use]
    pub fn with_checker(mut self, checker: Checker) -> Self {
        self.checker = checker;
        self
    }

    /// Answers one question. `verify` says how the task compares answers; without it numbers are
    /// compared by value and texts by their words.
    pub async fn answer(
        &self,
        problem: &Problem,
        verify: Option<VerifyKind>,
    ) -> Result<Combined, StarError> {
        Ok(self.answer_with_winner(problem, verify).await?.0)
    }

    /// The same with the key of the winner.
    pub(crate) async fn answer_with_winner(
        &self,
        problem: &Problem,
        verify: Option<VerifyKind>,
    ) -> Result<(Combined, Option<SampleKey>), StarError> {
        let equality = Equality {
            kind: verify,
            choices: &problem.choices,
        };
        let (round, choice) = match self.spec.strategy {
            Strategy::Cascade => self.cascade(problem, equality).await?,
            Strategy::Fuse => self.fuse(problem, equality).await?,
            Strategy::Best | Strategy::Vote | Strategy::Weighted => {
                let mut round = self.ask_all(problem, equality, 0, &[]).await?;
                self.judge(problem, &mut round, 0).await?;
                let choice = self.choose(&round, equality);
                (round, choice)
            }
        };
        let winner = choice.map(|choice| round.candidates[choice.winner].key.clone());
        Ok((self.combined(problem, round, choice), winner))
    }

    /// True once no model can be asked any more.
    pub fn is_out(&self) -> bool {
        let out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        self.members.iter().all(|m| out.contains_key(m.name()))
    }

    /// The models that cannot be asked any more, with their errors.
    pub fn out(&self) -> Vec<Failed> {
        let out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.values().cloned().collect()
    }

    /// Waits until everything is on the disk.
    pub async fn flush(&self) -> Result<(), StarError> {
        self.writer.flush().await
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.writer
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.resumed.load(Ordering::Relaxed)
    }

    pub(crate) fn answer_a_data_set(&self) {
        self.for_data_set.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_for_data_set(&self) -> bool {
        self.for_data_set.load(Ordering::Relaxed)
    }

    /// From now on answers of models with `batch = true` are looked for in the journal alone.
    pub(crate) fn use_batches(&self) {
        self.resumed.store(true, Ordering::Relaxed);
        self.batched.store(true, Ordering::Relaxed);
    }

    /// Asks every member; `shown` are answers of the layer before, for mixtures of agents.
    pub(crate) async fn ask_all(
        &self,
        problem: &Problem,
        equality: Equality<'_>,
        layer: u32,
        shown: &[Candidate],
    ) -> Result<Round, StarError> {
        let members = self.members.iter().enumerate();
        let shares = members.map(|(position, member)| (member, self.share(position)));
        let asked = shares
            .filter(|(_, samples)| *samples > 0)
            .map(|(member, samples)| self.ask(member, problem, equality, layer, shown, samples));
        let mut round = Round::default();
        for outcome in join_all(asked).await {
            let Round {
                candidates,
                failures,
            } = outcome?;
            round.candidates.extend(candidates);
            round.failures.extend(failures);
        }
        Ok(round)
    }

    /// Asks one member through the journal.
    pub(crate) async fn ask(
        &self,
        member: &Member,
        problem: &Problem,
        equality: Equality<'_>,
        layer: u32,
        shown: &[Candidate],
        samples: u32,
    ) -> Result<Round, StarError> {
        let asking = self.asking(member, problem, layer, shown, samples);
        let mut known = if self.is_resumed() {
            recorded(&self.store, &asking).await?
        } else {
            Recorded::default()
        };
        let mut failures = Vec::new();
        let complete = (0..samples).all(|index| known.indices.contains(&index));
        if !complete && let Some(failed) = self.out_of(member.name()) {
            failures.push(failed);
        } else if !complete && layer == 0 && self.is_batched(member) {
            failures.push(Failed {
                name: member.name().to_owned(),
                error: "no answer came with the batch; the same command asks again".to_owned(),
                over_budget: false,
            });
        } else if !complete {
            let (new, trouble) = member.ask(&asking, &known.indices).await;
            known.answers.extend(new);
            match trouble {
                None => {}
                Some(Trouble::Star(error)) => return Err(error),
                Some(Trouble::Provider(error)) => failures.push(self.failed(member, &error)),
            }
        }
        known.answers.sort_by_key(|(sample, _)| sample.key.index);
        let (name, kind) = (member.name(), equality.kind);
        let answers = known.answers;
        Ok(Round {
            candidates: candidates(&self.checker, name, answers, problem, kind).await?,
            failures,
        })
    }

    /// Judges a round's candidates.
    pub(crate) async fn judge(
        &self,
        problem: &Problem,
        round: &mut Round,
        from: usize,
    ) -> Result<(), StarError> {
        let failures = self
            .judging
            .judge(&problem.question, &mut round.candidates[from..])
            .await?;
        round.failures.extend(failures);
        Ok(())
    }

    /// The winner by the ensemble's strategy, for those that only choose.
    pub(crate) fn choose(&self, round: &Round, equality: Equality<'_>) -> Option<Choice> {
        let candidates = &round.candidates;
        match self.spec.strategy {
            Strategy::Best => combine::best(candidates, &self.spec.minimum_scores),
            Strategy::Weighted => {
                combine::weighted(candidates, equality, &self.spec.minimum_scores)
            }
            Strategy::Vote | Strategy::Fuse | Strategy::Cascade => {
                combine::vote(candidates, equality, &self.spec.minimum_scores)
            }
        }
    }

    pub(crate) fn asking(
        &self,
        member: &Member,
        problem: &Problem,
        layer: u32,
        shown: &[Candidate],
        samples: u32,
    ) -> Asking {
        asking(&self.spec, member.name(), problem, layer, shown, samples)
    }

    fn is_batched(&self, member: &Member) -> bool {
        member.model.spec().batch && self.batched.load(Ordering::Relaxed)
    }

    fn out_of(&self, name: &str) -> Option<Failed> {
        let out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.get(name).cloned()
    }

    /// Notes a failure; one that every later request would repeat takes the model out.
    pub(crate) fn failed(&self, member: &Member, error: &ProviderError) -> Failed {
        let failed = Failed::new(member.name(), error);
        if error.class.is_fatal() {
            let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
            out.insert(member.name().to_owned(), failed.clone());
        }
        failed
    }

    fn combined(&self, problem: &Problem, round: Round, choice: Option<Choice>) -> Combined {
        let Round {
            candidates,
            failures,
        } = round;
        let costs = candidates.iter().map(Candidate::cost);
        let answers_cost: Option<Usd> = costs.sum();
        let judges_cost = self.judging.cost(&candidates);
        let winner = choice.map(|choice| &candidates[choice.winner]);
        let winner = winner.map(|candidate| Winner {
            model: candidate.model.clone(),
            answer: candidate.answer.clone(),
            text: candidate.text.clone(),
        });
        let no_winner = winner.is_none().then(|| self.why_none(&candidates));
        Combined {
            question: problem.question.clone(),
            strategy: self.spec.strategy,
            answers: candidates.iter().map(ShownCandidate::new).collect(),
            winner,
            confidence: choice.map(|choice| choice.confidence),
            cost_usd: answers_cost.zip(judges_cost).map(|(a, j)| a + j),
            no_winner,
            failures,
        }
    }

    fn why_none(&self, candidates: &[Candidate]) -> String {
        let scored = candidates.iter().filter(|c| c.scores.is_some()).count();
        let strategy = self.spec.strategy;
        let name = strategy.as_str();
        if candidates.is_empty() {
            "no model gave an answer".to_owned()
        } else if strategy.needs_judge() && self.judging.is_empty() {
            format!(
                "strategy `{name}` needs a judge and none is declared; name one with `--judge`, or use `--strategy vote`"
            )
        } else if strategy.needs_judge() && scored == 0 {
            format!(
                "strategy `{name}` needs a judge and no judge is left: none could score an answer; see why above, or use `--strategy vote`"
            )
        } else if !self.spec.minimum_scores.is_empty() {
            "no answer reaches `minimum_scores`".to_owned()
        } else {
            "no model stated a final answer".to_owned()
        }
    }
}

impl std::fmt::Debug for Ensemble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ensemble")
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}
