//! The table `batch_job`: jobs of batch interfaces, so that a killed process finds its jobs again.

use autodidact_core::SampleKey;

use crate::{RunStore, StoreError};

/// A job of a batch interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchJob {
    /// Counts the jobs of a run.
    pub id: i64,
    /// The model's name in the file.
    pub model: String,
    /// The provider's name for the job; `None` if the process ended while it was being submitted.
    pub job: Option<String>,
    /// Its samples, in the order of their custom ids.
    pub keys: Vec<SampleKey>,
    /// The reservation.
    pub ticket: Option<u64>,
}

impl RunStore {
    /// Writes down a job that is about to be submitted, and returns its number.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn plan_batch(
        &self,
        model: &str,
        keys: &[SampleKey],
        ticket: Option<u64>,
    ) -> Result<i64, StoreError> {
        let json = serde_json::to_string(keys).map_err(|source| StoreError::Json {
            what: "the keys of a batch job".to_owned(),
            source,
        })?;
        let done = sqlx::query("INSERT INTO batch_job (model, keys, ticket) VALUES (?, ?, ?)")
            .bind(model.to_owned())
            .bind(json)
            .bind(ticket.map(|ticket| ticket as i64))
            .execute(&self.pool)
            .await
            .map_err(self.failed("recording a batch job"))?;
        Ok(done.last_insert_rowid())
    }

    /// Writes down the provider's name of a submitted job.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn batch_submitted(&self, id: i64, job: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE batch_job SET job = ? WHERE id = ?")
            .bind(job.to_owned())
            .bind(id)
            .execute(&self.pool)
            .await
            .map_err(self.failed("recording a batch job"))?;
        Ok(())
    }

    /// Marks a job whose results are all recorded, or that was given up.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn batch_done(&self, id: i64) -> Result<(), StoreError> {
        sqlx::query("UPDATE batch_job SET done = 1 WHERE id = ?")
            .bind(id)
            .execute(&self.pool)
            .await
            .map_err(self.failed("recording a batch job"))?;
        Ok(())
    }

    /// The jobs of a model that are not done, in the order they were planned in.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open_batches(&self, model: &str) -> Result<Vec<BatchJob>, StoreError> {
        let rows: Vec<(i64, Option<String>, String, Option<i64>)> = sqlx::query_as(
            "SELECT id, job, keys, ticket FROM batch_job WHERE model = ? AND done = 0 ORDER BY id",
        )
        .bind(model.to_owned())
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("reading batch jobs"))?;
        rows.into_iter()
            .map(|(id, job, keys, ticket)| {
                let keys = serde_json::from_str(&keys).map_err(|source| StoreError::Json {
                    what: "the keys of a batch job".to_owned(),
                    source,
                })?;
                Ok(BatchJob {
                    id,
                    model: model.to_owned(),
                    job,
                    keys,
                    ticket: ticket.map(|ticket| ticket as u64),
                })
            })
            .collect()
    }
}
