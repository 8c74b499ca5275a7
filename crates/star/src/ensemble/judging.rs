//! Judges, asked through the journal: opinions that are there are not paid again.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use autodidact_core::{JudgeKind, ProblemId, Usd};
use autodidact_judges::{Case, ConstantGuard, Judge, Opinion, Unscored};
use autodidact_providers::{ProviderError, Purse};
use autodidact_store::{Entry, RunStore, Scored};
use futures::future::join_all;

use crate::StarError;
use crate::ensemble::candidate::{Candidate, let_one_judge_count};
use crate::ensemble::combined::Failed;
use crate::ensemble::writer::Writer;

/// Replies without a score after which a judge that has never given one is not asked any more.
const PROSE: u32 = 4;

/// The judges of a command.
pub(crate) struct Judging {
    judges: Vec<Arc<dyn Judge>>,
    names: Vec<String>,
    purse: Arc<dyn Purse>,
    writer: Writer,
    store: Arc<RunStore>,
    resumed: bool,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    guards: BTreeMap<String, ConstantGuard>,
    /// What opinions cost, by problem, until the problem is done.
    costs: BTreeMap<ProblemId, Option<Usd>>,
    out: BTreeMap<String, Failed>,
    /// Replies of each judge that were prose, until it gives a score.
    prose: BTreeMap<String, u32>,
    /// Judges that have given a score.
    scoring: BTreeSet<String>,
}

impl Judging {
    pub(crate) fn new(
        judges: Vec<Arc<dyn Judge>>,
        purse: Arc<dyn Purse>,
        writer: Writer,
        store: Arc<RunStore>,
        resumed: bool,
    ) -> Self {
        Self {
            names: judges.iter().map(|judge| judge.name().to_owned()).collect(),
            judges,
            purse,
            writer,
            store,
            resumed,
            seen: Mutex::default(),
        }
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.judges.is_empty()
    }

    /// Asks all judges at once about candidates for one question, and gives each candidate the
    /// score of the first judge, in the file's order, that has one.
    pub(crate) async fn judge(
        &self,
        question: &str,
        candidates: &mut [Candidate],
    ) -> Result<Vec<Failed>, StarError> {
        if self.judges.is_empty() || candidates.is_empty() {
            return Ok(Vec::new());
        }
        let known = self.known(candidates).await?;
        let asked = self
            .judges
            .iter()
            .map(|judge| self.ask(&**judge, question, candidates, &known));
        let mut opinions = known.clone();
        let mut failures = Vec::new();
        for outcome in join_all(asked).await {
            let (new, failed) = outcome?;
            opinions.extend(new);
            failures.extend(failed);
        }
        self.count_costs(candidates, &opinions);
        for candidate in &mut *candidates {
            let key = candidate.key.clone();
            let own = opinions.iter().filter(|o| o.key == key).cloned();
            candidate.judged(own);
        }
        let_one_judge_count(candidates, &self.names);
        Ok(failures)
    }

    /// Opinions of earlier attempts.
    async fn known(&self, candidates: &[Candidate]) -> Result<Vec<Scored>, StarError> {
        let mut known = Vec::new();
        if !self.resumed {
            return Ok(known);
        }
        let mut asked = std::collections::BTreeSet::new();
        for Candidate { key, .. } in candidates {
            if asked.insert((key.iteration, &key.sampler, key.mode, &key.problem)) {
                let found = self
                    .store
                    .scores(key.iteration, &key.sampler, key.mode, &[&key.problem])
                    .await?;
                known.extend(found);
            }
        }
        Ok(known)
    }

    /// Asks one judge about the candidates it has no opinion of yet. A judge that could not be asked
    /// about one of them has failed, and is asked about that one again in the next attempt.
    async fn ask(
        &self,
        judge: &dyn Judge,
        question: &str,
        candidates: &[Candidate],
        known: &[Scored],
    ) -> Result<(Vec<Scored>, Option<Failed>), StarError> {
        let name = judge.name();
        let has = |c: &&Candidate| !known.iter().any(|o| o.judge == name && o.key == c.key);
        let mut new: Vec<&Candidate> = candidates.iter().filter(has).collect();
        if new.is_empty() {
            return Ok((Vec::new(), None));
        }
        let compares = judge.spec().kind() == JudgeKind::Pairwise;
        if compares {
            // What it says depends on all answers it compares.
            new = candidates.iter().collect();
        }
        if let Some(failed) = self.lock().out.get(name) {
            return Ok((Vec::new(), Some(failed.clone())));
        }
        // Equal texts have equal scores, and are paid once.
        let mut texts: Vec<String> = Vec::new();
        for candidate in &new {
            if !texts.contains(&candidate.text) {
                texts.push(candidate.text.clone());
            }
        }
        let case = Case::new(question, texts);
        let mut opinions = match judge.judge(&case, &*self.purse).await {
            Ok(opinions) => opinions,
            Err(error) => return Ok((Vec::new(), Some(self.failed(name, &error)))),
        };
        let unavailable = opinions.iter().find_map(|opinion| match &opinion.scores {
            Err(Unscored::Unavailable(error)) => Some(error.clone()),
            _ => None,
        });
        let failed = unavailable.map(|error| self.failed(name, &error));
        if compares && failed.is_some() {
            return Ok((Vec::new(), failed));
        }
        self.remember(judge, question, candidates, known);
        self.guard(judge, &case, &mut opinions);
        let mut scored: Vec<Scored> = Vec::with_capacity(new.len());
        let mut paid = HashSet::new();
        for candidate in new {
            let Some(place) = case.answers.iter().position(|text| *text == candidate.text) else {
                continue;
            };
            let mut opinion = opinions[place].clone();
            if !paid.insert(place) {
                opinion.cost = Some(Usd::ZERO);
            }
            scored.extend(Self::scored(name, candidate, opinion));
        }
        let entries = scored.iter().cloned().map(Entry::Score).collect();
        self.writer.record(entries).await?;
        Ok((scored, failed))
    }

    /// Notes a failure; one that every later request would repeat takes the judge out.
    fn failed(&self, judge: &str, error: &ProviderError) -> Failed {
        let failed = Failed::new(judge, error);
        if error.class.is_fatal() {
            self.lock().out.insert(judge.to_owned(), failed.clone());
        }
        failed
    }

    /// Lets the guard against constant judges know what earlier attempts were told.
    fn remember(
        &self,
        judge: &dyn Judge,
        question: &str,
        candidates: &[Candidate],
        known: &[Scored],
    ) {
        let mut seen = self.lock();
        let guard = seen
            .guards
            .entry(judge.name().to_owned())
            .or_insert_with(|| ConstantGuard::for_kind(judge.spec().kind()));
        for opinion in known.iter().filter(|o| o.judge == judge.name()) {
            let text = candidates
                .iter()
                .find(|c| c.key == opinion.key)
                .map(|c| &c.text);
            if let (Some(text), Ok(scores)) = (text, &opinion.scores) {
                guard.note(question, text, scores);
            }
        }
    }

    /// Refuses scores of a judge that gives everything the same, and takes out one that is no reward
    /// model at all: each of its replies is paid for.
    fn guard(&self, judge: &dyn Judge, case: &Case, opinions: &mut [Opinion]) {
        let name = judge.name();
        let mut seen = self.lock();
        seen.guards
            .entry(name.to_owned())
            .or_insert_with(|| ConstantGuard::for_kind(judge.spec().kind()))
            .check(case, opinions);
        for opinion in &*opinions {
            let Err(reason @ Unscored::NotAReward(_)) = &opinion.scores else {
                if opinion.scores.is_ok() {
                    seen.scoring.insert(name.to_owned());
                }
                continue;
            };
            let prose = seen.prose.entry(name.to_owned()).or_default();
            *prose += 1;
            if *prose >= PROSE && !seen.scoring.contains(name) {
                let failed = Failed {
                    name: name.to_owned(),
                    error: reason.to_string(),
                    over_budget: false,
                };
                seen.out.insert(name.to_owned(), failed);
            }
        }
    }

    /// An opinion to write down; none if the judge could not be asked, so that it is asked again.
    fn scored(judge: &str, candidate: &Candidate, opinion: Opinion) -> Option<Scored> {
        let scores = match opinion.scores {
            Err(Unscored::Unavailable(_)) => return None,
            scores => scores.map_err(|reason| reason.to_string()),
        };
        Some(Scored {
            key: candidate.key.clone(),
            judge: judge.to_owned(),
            scores,
            cost: opinion.cost,
        })
    }

    fn count_costs(&self, candidates: &[Candidate], opinions: &[Scored]) {
        let Some(first) = candidates.first() else {
            return;
        };
        let cost: Option<Usd> = opinions.iter().map(|opinion| opinion.cost).sum();
        let mut seen = self.lock();
        let total = seen
            .costs
            .entry(first.key.problem.clone())
            .or_insert(Some(Usd::ZERO));
        *total = total.zip(cost).map(|(a, b)| a + b);
    }

    /// What the opinions about a problem's candidates cost; forgets it.
    pub(crate) fn cost(&self, candidates: &[Candidate]) -> Option<Usd> {
        let problem = candidates.first().map(|c| &c.key.problem);
        let cost = problem.and_then(|problem| self.lock().costs.remove(problem));
        cost.unwrap_or(Some(Usd::ZERO))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
