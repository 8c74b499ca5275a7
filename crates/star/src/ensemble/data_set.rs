//! Answering a whole data set, a window of problems at a time, so that memory stays flat.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use autodidact_core::{Problem, ProblemId, SampleKey, Strategy, Usd, VerifyKind};
use autodidact_store::Entry;
use autodidact_tasks::{Fields, TaskError, for_each_problem};
use futures::future::join_all;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::StarError;
use crate::ensemble::answer::Ensemble;
use crate::ensemble::combined::{Combined, Failed};
use crate::ensemble::member::{Member, Trouble};

/// Problems looked up in the journal at once.
const CHUNK: usize = 256;
/// Problems whose requests go into batches together; memory holds so many prompts.
const BATCHED: usize = 20_000;
/// Problems under way at least.
const LEAST: usize = 16;

/// A file of problems.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSet {
    /// JSONL, CSV or TSV.
    pub path: PathBuf,
    /// Where the parts of a problem stand; gold may be absent.
    pub fields: Fields,
    /// How answers are compared; absent: numbers by value, choices by letter, texts by their words.
    pub verify: Option<VerifyKind>,
    /// Only so many problems from the beginning.
    pub limit: Option<u64>,
}

/// What the journal keeps of a combined answer; the rest is in the tables of answers and scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) winner: Option<SampleKey>,
    pub(crate) confidence: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) no_winner: Option<String>,
    pub(crate) cost: Option<Usd>,
}

/// How a command over a data set stands.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSetProgress {
    /// Problems that are done, earlier attempts included.
    pub done: u64,
    /// Problems that failed in this attempt; the same command tries them again.
    pub failed: u64,
    /// Spent so far, set aside included.
    pub spent: Usd,
}

/// What came of an attempt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attempt {
    /// Problems answered in it.
    pub answered: u64,
    /// Problems that were done before.
    pub before: u64,
    /// Problems that failed.
    pub failed: u64,
    /// Who failed, with the first error of each.
    pub failures: Vec<Failed>,
}

impl Attempt {
    fn count(&mut self, combined: &Combined) {
        if combined.failures.is_empty() {
            self.answered += 1;
        } else {
            self.failed += 1;
            self.note(&combined.failures);
        }
    }

    fn note(&mut self, failures: &[Failed]) {
        for failure in failures {
            let known = self
                .failures
                .iter_mut()
                .find(|known| known.name == failure.name);
            match known {
                Some(known) => known.over_budget |= failure.over_budget,
                None => self.failures.push(failure.clone()),
            }
        }
    }

    /// True if the budget stopped it.
    pub fn over_budget(&self) -> bool {
        self.failures.iter().any(|failure| failure.over_budget)
    }
}

impl Ensemble {
    /// Answers every problem of a file that has no answer yet. Ends early, with everything under way
    /// finished and journaled, when `stop` becomes true or no model can be asked any more.
    pub async fn answer_all(
        &self,
        data: &DataSet,
        spent: &(dyn Fn() -> Usd + Sync),
        observer: &(dyn Fn(&DataSetProgress) + Sync),
        stop: &AtomicBool,
    ) -> Result<Attempt, StarError> {
        self.answer_a_data_set();
        let mut attempt = Attempt::default();
        self.ask_batches(data, &mut attempt, stop).await?;
        let (problems, reader) = read(data);
        let before = AtomicU64::new(0);
        let over_budget = AtomicBool::new(false);
        let goes_on = || {
            !stop.load(Ordering::Relaxed) && !self.is_out() && !over_budget.load(Ordering::Relaxed)
        };
        {
            // Looking chunks up and answering take turns at the journal's one connection, so all of
            // it is polled together: whoever gets the connection must be able to go on.
            let outcomes = self
                .unanswered(problems, &before)
                .take_while(|_| std::future::ready(goes_on()))
                .map(|problem| async { self.answer_one(problem?, data.verify).await })
                .buffer_unordered(self.window());
            let mut outcomes = std::pin::pin!(outcomes);
            while let Some(outcome) = outcomes.next().await {
                attempt.count(&outcome?);
                attempt.before = before.load(Ordering::Relaxed);
                over_budget.store(attempt.over_budget(), Ordering::Relaxed);
                observer(&DataSetProgress {
                    done: attempt.before + attempt.answered,
                    failed: attempt.failed,
                    spent: spent(),
                });
            }
        }
        attempt.before = before.into_inner();
        reader.await.map_err(|_| StarError::Worker)??;
        self.flush().await?;
        attempt.note(&self.out());
        if stop.load(Ordering::Relaxed) {
            return Err(StarError::Interrupted);
        }
        Ok(attempt)
    }

    /// First asks the models with a batch interface about the whole file; in the rest of the command
    /// their answers are found in the journal.
    async fn ask_batches(
        &self,
        data: &DataSet,
        attempt: &mut Attempt,
        stop: &AtomicBool,
    ) -> Result<(), StarError> {
        let batched: Vec<&Member> = self
            .members
            .iter()
            .filter(|m| m.model.spec().batch)
            .collect();
        if batched.is_empty() {
            return Ok(());
        }
        if self.spec.strategy == Strategy::Cascade {
            return Err(StarError::Spec(
                "a cascade asks one model after the other, which a batch interface cannot: leave out `batch`, or use another strategy".into(),
            ));
        }
        self.use_batches();
        let (mut problems, reader) = read(data);
        let mut part = Vec::new();
        loop {
            // A receiver gives what is there; a batch takes all there is room for.
            loop {
                let room = BATCHED - part.len();
                if room == 0 || problems.recv_many(&mut part, room).await == 0 {
                    break;
                }
            }
            if part.is_empty() || stop.load(Ordering::Relaxed) {
                break;
            }
            // At once: each of them may take a day.
            let asked = batched
                .iter()
                .map(|member| self.ask_batch(member, &part, stop));
            for failed in join_all(asked).await {
                attempt.note(failed?.as_slice());
            }
            part.clear();
        }
        drop(problems);
        reader.await.map_err(|_| StarError::Worker)??;
        Ok(())
    }

    /// Asks one model about a part of the file through its batch interface; returns its failure.
    async fn ask_batch(
        &self,
        member: &Member,
        part: &[Problem],
        stop: &AtomicBool,
    ) -> Result<Option<Failed>, StarError> {
        let samples = member.model.spec().samples;
        let asking = |problem: &Problem| self.asking(member, problem, 0, &[], samples);
        let askings: Vec<_> = part.iter().map(asking).collect();
        match member.ask_in_batches(&self.store, &askings, stop).await {
            Ok(()) => Ok(None),
            Err(Trouble::Star(error)) => Err(error),
            Err(Trouble::Provider(error)) => Ok(Some(self.failed(member, &error))),
        }
    }

    /// Answers a problem and writes the outcome down, unless something failed that the next attempt
    /// may mend.
    async fn answer_one(
        &self,
        problem: Problem,
        verify: Option<VerifyKind>,
    ) -> Result<Combined, StarError> {
        let (combined, winner) = self.answer_with_winner(&problem, verify).await?;
        if combined.failures.is_empty() {
            let outcome = Outcome {
                winner,
                confidence: combined.confidence,
                no_winner: combined.no_winner.clone(),
                cost: combined.cost_usd,
            };
            let json = serde_json::to_string(&outcome)
                .map_err(|e| StarError::Spec(format!("an outcome cannot be written: {e}")))?;
            let problem = problem.id;
            // Not waited for: it goes in with the next answers, and a lost one is chosen again
            // from the journal without asking anybody.
            self.writer().note(vec![Entry::Outcome { problem, json }]);
        }
        Ok(combined)
    }

    /// The problems without an outcome; those with one are counted in `before`.
    fn unanswered(
        &self,
        problems: mpsc::Receiver<Problem>,
        before: &AtomicU64,
    ) -> impl Stream<Item = Result<Problem, StarError>> {
        let chunks = stream::try_unfold(problems, move |mut problems| async move {
            let chunk = self.next_chunk(&mut problems, before).await?;
            Ok::<_, StarError>(chunk.map(|chunk| (stream::iter(chunk).map(Ok), problems)))
        });
        chunks.try_flatten()
    }

    /// What is left of the next problems; `None` at the end of the file.
    async fn next_chunk(
        &self,
        problems: &mut mpsc::Receiver<Problem>,
        before: &AtomicU64,
    ) -> Result<Option<Vec<Problem>>, StarError> {
        let mut chunk = Vec::with_capacity(CHUNK);
        if problems.recv_many(&mut chunk, CHUNK).await == 0 {
            return Ok(None);
        }
        if self.is_resumed() {
            let ids: Vec<&ProblemId> = chunk.iter().map(|problem| &problem.id).collect();
            let done = self.store.outcomes(&ids).await?;
            let done: std::collections::HashSet<ProblemId> =
                done.into_iter().map(|(id, _)| id).collect();
            before.fetch_add(done.len() as u64, Ordering::Relaxed);
            chunk.retain(|problem| !done.contains(&problem.id));
        }
        Ok(Some(chunk))
    }

    /// Problems under way at once: enough to keep the busiest endpoint busy while others end.
    fn window(&self) -> usize {
        let concurrency = |m: &Member| m.model.spec().limits.concurrency;
        let most = self.members.iter().map(concurrency).max().unwrap_or(1) as usize;
        (most * 2).max(LEAST)
    }
}

/// Reads a file on a thread of its own, only as far ahead as problems are taken.
pub(crate) fn read(
    data: &DataSet,
) -> (
    mpsc::Receiver<Problem>,
    tokio::task::JoinHandle<Result<(), TaskError>>,
) {
    let (sender, receiver) = mpsc::channel(2 * CHUNK);
    let data = Arc::new(data.clone());
    let reader = tokio::task::spawn_blocking(move || {
        let mut left = data.limit.unwrap_or(u64::MAX);
        for_each_problem(&data.path, &data.fields, |problem| {
            // Nobody takes problems any more once the command ends early.
            let wanted = left > 0 && sender.blocking_send(problem).is_ok();
            left = left.saturating_sub(1);
            wanted
        })
    });
    (receiver, reader)
}
