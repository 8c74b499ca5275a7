//! Judges, asked through the journal: opinions that are there are not paid again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use autodidact_core::{ProblemId, Usd};
use autodidact_judges::{Case, ConstantGuard, Judge, Opinion, Unscored};
use autodidact_providers::Purse;
use autodidact_store::{Entry, RunStore, Scored};
use futures::future::join_all;

use crate::StarError;
use crate::ensemble::candidate::Candidate;
use crate::ensemble::combined::Failed;
use crate::ensemble::writer::Writer;

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
            match outcome? {
                Ok(new) => opinions.extend(new),
                Err(failed) => failures.push(failed),
            }
        }
        self.count_costs(candidates, &opinions);
        for candidate in candidates {
            let key = candidate.key.clone();
            let own = opinions.iter().filter(|o| o.key == key).cloned();
            candidate.judged(own, &self.names);
        }
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

    /// Asks one judge about the candidates it has no opinion of yet.
    async fn ask(
        &self,
        judge: &dyn Judge,
        question: &str,
        candidates: &[Candidate],
        known: &[Scored],
    ) -> Result<Result<Vec<Scored>, Failed>, StarError> {
        let has = |c: &&Candidate| {
            !known
                .iter()
                .any(|o| o.judge == judge.name() && o.key == c.key)
        };
        let new: Vec<&Candidate> = candidates.iter().filter(has).collect();
        if new.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        if let Some(failed) = self.lock().out.get(judge.name()) {
            return Ok(Err(failed.clone()));
        }
        let case = Case::new(question, new.iter().map(|c| c.text.clone()).collect());
        let mut opinions = match judge.judge(&case, &*self.purse).await {
            Ok(opinions) => opinions,
            Err(error) => {
                let failed = Failed::new(judge.name(), &error);
                if error.class.is_fatal() {
                    let mut seen = self.lock();
                    seen.out.insert(judge.name().to_owned(), failed.clone());
                }
                return Ok(Err(failed));
            }
        };
        self.lock()
            .guards
            .entry(judge.name().to_owned())
            .or_insert_with(|| ConstantGuard::for_kind(judge.spec().kind()))
            .check(&case, &mut opinions);
        let scored: Vec<Scored> = new
            .iter()
            .zip(opinions)
            .filter_map(|(candidate, opinion)| Self::scored(judge.name(), candidate, opinion))
            .collect();
        let entries = scored.iter().cloned().map(Entry::Score).collect();
        self.writer.record(entries).await?;
        Ok(Ok(scored))
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
