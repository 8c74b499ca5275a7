//! The table `loss`: the curve of every training.

use crate::{RunStore, StoreError};

impl RunStore {
    /// Records the losses of consecutive optimizer steps, `first_step` and up, in one transaction,
    /// and returns how many were new. A step that is recorded keeps its loss, so a training that
    /// goes on from a checkpoint may record the steps after it again.
    ///
    /// # Errors
    /// [`StoreError::NotFinite`] for a loss that is no finite number; then none is recorded.
    /// Otherwise those of the database.
    pub async fn record_losses(
        &self,
        iteration: u32,
        trained: &str,
        first_step: u32,
        losses: &[f32],
    ) -> Result<u64, StoreError> {
        let doing = "recording losses";
        let steps = || (i64::from(first_step)..).zip(losses);
        for (step, loss) in steps() {
            if !loss.is_finite() {
                return Err(StoreError::NotFinite {
                    what: format!(
                        "the loss of step {step} of training {trained} in iteration {iteration}"
                    ),
                    value: f64::from(*loss),
                });
            }
        }
        let mut transaction = self.begin(doing).await?;
        let mut inserted = 0;
        for (step, loss) in steps() {
            inserted += sqlx::query(
                "INSERT INTO loss (iteration, trained, step, loss) VALUES (?, ?, ?, ?) \
                 ON CONFLICT (iteration, trained, step) DO NOTHING",
            )
            .bind(iteration)
            .bind(trained.to_owned())
            .bind(step)
            .bind(f64::from(*loss))
            .execute(&mut *transaction)
            .await
            .map_err(self.failed(doing))?
            .rows_affected();
        }
        transaction.commit().await.map_err(self.failed(doing))?;
        Ok(inserted)
    }

    /// The losses of one training in the order of its steps.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn losses(&self, iteration: u32, trained: &str) -> Result<Vec<f32>, StoreError> {
        let losses: Vec<f64> = sqlx::query_scalar(
            "SELECT loss FROM loss WHERE iteration = ? AND trained = ? ORDER BY step",
        )
        .bind(iteration)
        .bind(trained.to_owned())
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("reading losses"))?;
        // Every one was an f32 when it was written, so nothing is lost here.
        Ok(losses.into_iter().map(|loss| loss as f32).collect())
    }
}
