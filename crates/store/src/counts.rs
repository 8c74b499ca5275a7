//! Counts for `status`, without reading the texts.

use autodidact_core::{Mode, SamplerId};

use crate::{RunStore, StoreError};

/// How many answers a model gave in one outer loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleCount {
    /// The outer loop, counted from 1; 0 holds the measurements of the base.
    pub iteration: u32,
    /// The model and prompt.
    pub sampler: SamplerId,
    /// With or without the hint.
    pub mode: Mode,
    /// Answers recorded.
    pub samples: u64,
    /// Different problems among them.
    pub problems: u64,
    /// Tokens generated for them.
    pub tokens: u64,
}

/// How many answers of one model in one outer loop got each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerdictCount {
    /// Answers that equal gold.
    pub right: u64,
    /// Answers that do not.
    pub wrong: u64,
    /// Answers that could not be decided on.
    pub cannot_tell: u64,
    /// Different problems with at least one right answer.
    pub problems_right: u64,
}

impl RunStore {
    /// How many answers are recorded, by outer loop, model and mode, in that order.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sample_counts(&self) -> Result<Vec<SampleCount>, StoreError> {
        let rows = sqlx::query(
            "SELECT iteration, sampler, mode, count(*) AS samples, \
             count(DISTINCT problem) AS problems, sum(tokens) AS tokens \
             FROM sample GROUP BY iteration, sampler, mode ORDER BY iteration, sampler, mode",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("counting answers"))?;
        rows.iter()
            .map(|row| {
                Ok(SampleCount {
                    iteration: self.column(row, "iteration")?,
                    sampler: SamplerId(self.column(row, "sampler")?),
                    mode: self.word(self.column(row, "mode")?)?,
                    samples: self.column(row, "samples")?,
                    problems: self.column(row, "problems")?,
                    tokens: self.column(row, "tokens")?,
                })
            })
            .collect()
    }

    /// How many answers of one model in one outer loop got each verdict.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn verdict_count(
        &self,
        iteration: u32,
        sampler: &SamplerId,
        mode: Mode,
    ) -> Result<VerdictCount, StoreError> {
        let row = sqlx::query(
            "SELECT count(*) FILTER (WHERE verdict = 'right') AS right_answers, \
             count(*) FILTER (WHERE verdict = 'wrong') AS wrong_answers, \
             count(*) FILTER (WHERE verdict = 'cannot-tell') AS cannot_tell, \
             count(DISTINCT problem) FILTER (WHERE verdict = 'right') AS problems_right \
             FROM sample JOIN verification ON verification.sample = sample.id \
             WHERE iteration = ? AND sampler = ? AND mode = ?",
        )
        .bind(iteration)
        .bind(sampler.0.clone())
        .bind(mode.as_str())
        .fetch_one(&self.pool)
        .await
        .map_err(self.failed("counting verdicts"))?;
        Ok(VerdictCount {
            right: self.column(&row, "right_answers")?,
            wrong: self.column(&row, "wrong_answers")?,
            cannot_tell: self.column(&row, "cannot_tell")?,
            problems_right: self.column(&row, "problems_right")?,
        })
    }
}
