//! The table `sample`: raw answers, recorded before anything else happens to them.

use autodidact_core::{Completion, FinishReason, Mode, Sample, SampleKey, SamplerId};
use sqlx::sqlite::SqliteRow;

use crate::rows::{Query, bind_key, describe};
use crate::{RunStore, StoreError};

impl RunStore {
    /// Records answers in one transaction and returns how many were new. An answer whose key is
    /// recorded already is left as it was first recorded.
    ///
    /// # Errors
    /// [`StoreError::NotFinite`] for a log-probability that is no finite number; then none of
    /// `samples` is recorded. Otherwise those of the database.
    pub async fn record_samples(&self, samples: &[Sample]) -> Result<u64, StoreError> {
        let doing = "recording answers";
        for sample in samples {
            require_finite(sample)?;
        }
        let mut transaction = self.begin(doing).await?;
        let mut inserted = 0;
        for sample in samples {
            inserted += insert_sample(sample)
                .execute(&mut *transaction)
                .await
                .map_err(self.failed(doing))?
                .rows_affected();
        }
        transaction.commit().await.map_err(self.failed(doing))?;
        Ok(inserted)
    }

    /// The answers of one model in one outer loop, ordered by problem id and then index.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn samples(
        &self,
        iteration: u32,
        sampler: &SamplerId,
        mode: Mode,
    ) -> Result<Vec<Sample>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM sample WHERE iteration = ? AND sampler = ? AND mode = ? \
             ORDER BY problem, sample_index",
        )
        .bind(iteration)
        .bind(sampler.0.clone())
        .bind(mode.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("reading answers"))?;
        rows.iter().map(|row| self.answer(row)).collect()
    }

    /// One answer, if it was recorded.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sample(&self, key: &SampleKey) -> Result<Option<Sample>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM sample WHERE iteration = ? AND sampler = ? AND mode = ? \
             AND problem = ? AND sample_index = ?",
        );
        let row = bind_key(query, key)
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed("reading an answer"))?;
        row.as_ref().map(|row| self.answer(row)).transpose()
    }

    pub(crate) fn answer(&self, row: &SqliteRow) -> Result<Sample, StoreError> {
        let completion = Completion {
            text: self.column(row, "text")?,
            finish: self.word::<FinishReason>(self.column(row, "finish")?)?,
            tokens: self.column(row, "tokens")?,
            logprob: self.column(row, "logprob")?,
        };
        let key = self.key(row)?;
        Ok(Sample { key, completion })
    }
}

/// Inserts an answer unless its key is recorded already.
pub(crate) fn insert_sample(sample: &Sample) -> Query {
    let Sample { key, completion } = sample;
    let query = sqlx::query(
        "INSERT INTO sample (iteration, sampler, mode, problem, sample_index, \
         text, finish, tokens, logprob) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (iteration, sampler, mode, problem, sample_index) DO NOTHING",
    );
    bind_key(query, key)
        .bind(completion.text.clone())
        .bind(completion.finish.as_str())
        .bind(completion.tokens)
        .bind(completion.logprob)
}

pub(crate) fn require_finite(sample: &Sample) -> Result<(), StoreError> {
    let value = sample.completion.logprob;
    if value.is_finite() {
        return Ok(());
    }
    Err(StoreError::NotFinite {
        what: format!("the log-probability of sample {}", describe(&sample.key)),
        value,
    })
}

#[cfg(test)]
mod tests {
    use autodidact_core::ProblemId;

    use super::*;

    fn long(problem: u32) -> Sample {
        Sample {
            key: SampleKey {
                iteration: 1,
                problem: ProblemId(problem.to_string()),
                sampler: SamplerId("student".into()),
                mode: Mode::Rationale,
                index: 0,
            },
            completion: Completion {
                text: "and so on ".repeat(2000),
                finish: FinishReason::Length,
                tokens: 1,
                logprob: -1.0,
            },
        }
    }

    /// SQLite's own limit on the size of the file stands in for a full disk: same result code.
    #[tokio::test]
    async fn a_full_disk_is_said_and_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = RunStore::create(directory.path(), "").await.unwrap();
        sqlx::query("PRAGMA max_page_count = 60")
            .execute(&store.pool)
            .await
            .unwrap();
        let mut recorded = 0;
        let error = loop {
            match store.record_samples(&[long(recorded)]).await {
                Ok(inserted) => recorded += inserted as u32,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error:?}");
        assert!(recorded > 0);
        let count = store.sample_counts().await.unwrap();
        assert_eq!(count[0].samples, u64::from(recorded));

        // Room is made.
        sqlx::query("PRAGMA max_page_count = 100000")
            .execute(&store.pool)
            .await
            .unwrap();
        assert_eq!(store.record_samples(&[long(recorded)]).await.unwrap(), 1);
    }
}
