//! Reading everything about some problems at once, a few problems at a time: for exports, whose
//! memory must not grow with the run.

use std::collections::HashMap;

use autodidact_core::{Mode, Problem, ProblemId, Sample, SamplerId, Selection, Split};

use crate::entries::{Provenance, Scored};
use crate::problems::{parse, split_name};
use crate::rows::json_list;
use crate::verifications::Verified;
use crate::{RunStore, StoreError};

/// An answer with everything that is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// What was written.
    pub sample: Sample,
    /// What the verifier said, if it was asked.
    pub verified: Option<Verified>,
    /// Whether it is trained on, if that was decided.
    pub selection: Option<Selection>,
    /// Where it came from; absent for answers of the embedded engine.
    pub provenance: Option<Provenance>,
    /// What judges said, by judge.
    pub scores: Vec<Scored>,
}

/// Answers of one model in one outer loop: what the journal's index begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerGroup {
    /// The outer loop.
    pub iteration: u32,
    /// The model and prompt.
    pub sampler: SamplerId,
    /// With or without the hint.
    pub mode: Mode,
}

impl RunStore {
    /// The next problems of a split in the order they were recorded in, behind the one with the
    /// number `after` (0: from the first); each with its number.
    ///
    /// # Errors
    /// [`StoreError::Json`] if a recorded row is no problem. Otherwise those of the database.
    pub async fn problems_after(
        &self,
        split: Split,
        after: i64,
        count: u32,
    ) -> Result<Vec<(i64, Problem)>, StoreError> {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT rowid, body FROM problem WHERE split = ? AND rowid > ? ORDER BY rowid LIMIT ?",
        )
        .bind(split_name(split))
        .bind(after)
        .bind(count)
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("reading problems"))?;
        let rows = rows.into_iter();
        rows.map(|(number, body)| Ok((number, parse(&body)?)))
            .collect()
    }

    /// Which models answered in which outer loops.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn answer_groups(&self) -> Result<Vec<AnswerGroup>, StoreError> {
        let counts = self.sample_counts().await?.into_iter();
        Ok(counts
            .map(|count| AnswerGroup {
                iteration: count.iteration,
                sampler: count.sampler,
                mode: count.mode,
            })
            .collect())
    }

    /// Everything about the answers to some problems, in the order of `groups` and then by problem
    /// and index.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn attempts(
        &self,
        groups: &[AnswerGroup],
        problems: &[&ProblemId],
    ) -> Result<Vec<Attempt>, StoreError> {
        let mut attempts = Vec::new();
        for group in groups {
            self.attempts_of(group, problems, &mut attempts).await?;
        }
        Ok(attempts)
    }

    async fn attempts_of(
        &self,
        group: &AnswerGroup,
        problems: &[&ProblemId],
        attempts: &mut Vec<Attempt>,
    ) -> Result<(), StoreError> {
        let (n, sampler, mode) = (group.iteration, &group.sampler, group.mode);
        let answers = self.answers(n, sampler, mode, problems).await?;
        if answers.is_empty() {
            return Ok(());
        }
        let verified = self.verified_of(group, problems).await?;
        let mut verified: HashMap<_, _> =
            verified.into_iter().map(|v| (v.key.clone(), v)).collect();
        let decided = self.decisions_of(group, problems).await?;
        let mut decided: HashMap<_, _> = decided.into_iter().map(|d| (d.key.clone(), d)).collect();
        let mut scores: HashMap<_, Vec<Scored>> = HashMap::new();
        for scored in self.scores(n, sampler, mode, problems).await? {
            scores.entry(scored.key.clone()).or_default().push(scored);
        }
        attempts.extend(answers.into_iter().map(|(sample, provenance)| Attempt {
            verified: verified.remove(&sample.key),
            selection: decided.remove(&sample.key),
            scores: scores.remove(&sample.key).unwrap_or_default(),
            sample,
            provenance,
        }));
        Ok(())
    }

    async fn verified_of(
        &self,
        group: &AnswerGroup,
        problems: &[&ProblemId],
    ) -> Result<Vec<Verified>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM sample JOIN verification ON verification.sample = sample.id \
             WHERE iteration = ? AND sampler = ? AND mode = ? \
             AND problem IN (SELECT value FROM json_each(?))",
        )
        .bind(group.iteration)
        .bind(group.sampler.0.clone())
        .bind(group.mode.as_str())
        .bind(json_list(problems))
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("reading verdicts"))?;
        rows.iter().map(|row| self.verified(row)).collect()
    }

    async fn decisions_of(
        &self,
        group: &AnswerGroup,
        problems: &[&ProblemId],
    ) -> Result<Vec<Selection>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM sample JOIN selection ON selection.sample = sample.id \
             WHERE iteration = ? AND sampler = ? AND mode = ? \
             AND problem IN (SELECT value FROM json_each(?))",
        )
        .bind(group.iteration)
        .bind(group.sampler.0.clone())
        .bind(group.mode.as_str())
        .bind(json_list(problems))
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("reading the selection"))?;
        rows.iter().map(|row| self.decision(row)).collect()
    }
}
