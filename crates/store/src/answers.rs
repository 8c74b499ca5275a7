//! Reading what models behind a network answered, a few problems at a time, so that memory does not
//! grow with the data set.

use autodidact_core::{Mode, ProblemId, Sample, SamplerId, Usd};
use sqlx::sqlite::SqliteRow;

use crate::entries::{Provenance, Unanswered};
use crate::rows::json_list;
use crate::{RunStore, StoreError};

impl RunStore {
    /// One model's answers to some problems, ordered by problem and index. Answers of the embedded
    /// engine to a run have no provenance.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn answers(
        &self,
        iteration: u32,
        sampler: &SamplerId,
        mode: Mode,
        problems: &[&ProblemId],
    ) -> Result<Vec<(Sample, Option<Provenance>)>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM sample LEFT JOIN provenance ON provenance.sample = sample.id \
             WHERE iteration = ? AND sampler = ? AND mode = ? \
             AND problem IN (SELECT value FROM json_each(?)) ORDER BY problem, sample_index",
        )
        .bind(iteration)
        .bind(sampler.0.clone())
        .bind(mode.as_str())
        .bind(json_list(problems))
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("reading answers"))?;
        rows.iter()
            .map(|row| Ok((self.answer(row)?, self.provenance(row)?)))
            .collect()
    }

    /// Requests for some problems that ended without an answer.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn unanswered(
        &self,
        iteration: u32,
        sampler: &SamplerId,
        mode: Mode,
        problems: &[&ProblemId],
    ) -> Result<Vec<Unanswered>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM unanswered WHERE iteration = ? AND sampler = ? AND mode = ? \
             AND problem IN (SELECT value FROM json_each(?)) ORDER BY problem, sample_index",
        )
        .bind(iteration)
        .bind(sampler.0.clone())
        .bind(mode.as_str())
        .bind(json_list(problems))
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("reading requests without an answer"))?;
        rows.iter()
            .map(|row| {
                Ok(Unanswered {
                    key: self.key(row)?,
                    outcome: self.column(row, "outcome")?,
                    detail: self.column(row, "detail")?,
                    cost: self.amount(row, "cost")?,
                })
            })
            .collect()
    }

    /// How many requests of each model ended without an answer, by model and outcome.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn unanswered_counts(&self) -> Result<Vec<(SamplerId, String, u64)>, StoreError> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT sampler, outcome, count(*) FROM unanswered GROUP BY sampler, outcome \
             ORDER BY sampler, outcome",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("counting requests without an answer"))?;
        let counts = rows.into_iter();
        Ok(counts
            .map(|(sampler, outcome, n)| (SamplerId(sampler), outcome, n as u64))
            .collect())
    }

    /// The combined answers of some problems, as JSON, in no order.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn outcomes(
        &self,
        problems: &[&ProblemId],
    ) -> Result<Vec<(ProblemId, String)>, StoreError> {
        // One row for all of them: each row is a message from SQLite's thread.
        let rows: String = sqlx::query_scalar(
            "SELECT json_group_array(json_array(problem, result)) FROM outcome \
             WHERE problem IN (SELECT value FROM json_each(?))",
        )
        .bind(json_list(problems))
        .fetch_one(&self.pool)
        .await
        .map_err(self.failed("reading combined answers"))?;
        let outcomes: Vec<(String, String)> =
            serde_json::from_str(&rows).map_err(|error| self.damaged(error.to_string()))?;
        let outcomes = outcomes.into_iter();
        Ok(outcomes.map(|(id, json)| (ProblemId(id), json)).collect())
    }

    /// How many problems have a combined answer.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn outcome_count(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM outcome")
            .fetch_one(&self.pool)
            .await
            .map_err(self.failed("counting combined answers"))?;
        Ok(count as u64)
    }

    pub(crate) fn provenance(&self, row: &SqliteRow) -> Result<Option<Provenance>, StoreError> {
        let provider: Option<String> = self.column(row, "provider")?;
        let Some(provider) = provider else {
            return Ok(None);
        };
        let tokens = |name| {
            let count: Option<i64> = self.column(row, name)?;
            Ok::<_, StoreError>(count.map(|n| n as u64))
        };
        Ok(Some(Provenance {
            provider,
            model: self.column(row, "model")?,
            terms: self.column(row, "terms")?,
            reasoning: self.column(row, "reasoning")?,
            input_tokens: tokens("input_tokens")?,
            output_tokens: tokens("output_tokens")?,
            cost: self.amount(row, "cost")?,
            request: self.column(row, "request")?,
        }))
    }

    /// A column of nano-dollars.
    pub(crate) fn amount(
        &self,
        row: &SqliteRow,
        name: &'static str,
    ) -> Result<Option<Usd>, StoreError> {
        let nano: Option<i64> = self.column(row, name)?;
        Ok(nano.map(|nano| Usd::from_nano(nano as u64)))
    }
}
