//! How winners are chosen, and forgetting those that were chosen in another way.

use crate::{RunStore, StoreError};

impl RunStore {
    /// Says how winners are chosen from now on, as text. If that differs from before, the combined
    /// answers are forgotten, so that they are chosen again, from answers that are there. Returns true
    /// if some were.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn choose_by(&self, how: &str) -> Result<bool, StoreError> {
        let doing = "recording how winners are chosen";
        let before: Option<String> = self.stage(0, "choosing").await?;
        if before.as_deref() == Some(how) {
            return Ok(false);
        }
        let json = serde_json::Value::from(how).to_string();
        let mut transaction = self.begin(doing).await?;
        let forgotten = sqlx::query("DELETE FROM outcome")
            .execute(&mut *transaction)
            .await
            .map_err(self.failed(doing))?;
        sqlx::query(
            "INSERT INTO stage (iteration, stage, result) VALUES (0, 'choosing', ?) \
             ON CONFLICT (iteration, stage) DO UPDATE SET result = excluded.result",
        )
        .bind(json)
        .execute(&mut *transaction)
        .await
        .map_err(self.failed(doing))?;
        transaction.commit().await.map_err(self.failed(doing))?;
        Ok(forgotten.rows_affected() > 0)
    }
}
