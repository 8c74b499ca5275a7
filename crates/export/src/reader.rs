//! The samples of a run, a few problems at a time.

use std::collections::BTreeMap;

use autodidact_core::{Problem, ProblemId, Split};
use autodidact_store::{AnswerGroup, Attempt, RunStore};

use crate::ExportError;

/// Problems read at once: what bounds the memory of an export.
const WINDOW: u32 = 128;

/// A problem with all that was written for it.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) problem: Problem,
    /// By outer loop, mode, sampler and index.
    pub(crate) attempts: Vec<Attempt>,
}

/// Reads the problems of one split in their order.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    store: &'a RunStore,
    split: Split,
    groups: Vec<AnswerGroup>,
    after: i64,
}

impl<'a> Reader<'a> {
    /// A reader of one outer loop's samples, or of all.
    pub(crate) async fn new(
        store: &'a RunStore,
        split: Split,
        iteration: Option<u32>,
    ) -> Result<Self, ExportError> {
        let mut groups = store.answer_groups().await?;
        groups.retain(|group| iteration.is_none_or(|n| group.iteration == n));
        Ok(Self {
            store,
            split,
            groups,
            after: 0,
        })
    }

    /// The next problems; none: that was all.
    pub(crate) async fn next(&mut self) -> Result<Vec<Case>, ExportError> {
        let problems = self
            .store
            .problems_after(self.split, self.after, WINDOW)
            .await?;
        let Some((last, _)) = problems.last() else {
            return Ok(Vec::new());
        };
        self.after = *last;
        let ids: Vec<&ProblemId> = problems.iter().map(|(_, problem)| &problem.id).collect();
        let mut by_problem: BTreeMap<ProblemId, Vec<Attempt>> = BTreeMap::new();
        for attempt in self.store.attempts(&self.groups, &ids).await? {
            let problem = attempt.sample.key.problem.clone();
            by_problem.entry(problem).or_default().push(attempt);
        }
        let cases = problems.into_iter().map(|(_, problem)| {
            let mut attempts = by_problem.remove(&problem.id).unwrap_or_default();
            attempts.sort_by(|a, b| order(a).cmp(&order(b)));
            Case { problem, attempts }
        });
        Ok(cases.collect())
    }
}

fn order(attempt: &Attempt) -> (u32, autodidact_core::Mode, &str, u32) {
    let key = &attempt.sample.key;
    (key.iteration, key.mode, &key.sampler.0, key.index)
}
