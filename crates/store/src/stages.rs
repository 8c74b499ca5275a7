//! The tables `stage` and `stage_time`: what each finished stage came to, and the time spent.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{RunStore, StoreError};

/// A stage that is done, without its result.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedStage {
    /// The outer loop, counted from 1; 0 holds the measurements of the base.
    pub iteration: u32,
    /// The stage's name.
    pub stage: String,
    /// The seconds spent in it, over all attempts.
    pub seconds: f64,
}

impl RunStore {
    /// Records that a stage is done and what it came to. The first result of a stage is kept:
    /// finishing it again changes nothing, and returns false.
    ///
    /// # Errors
    /// [`StoreError::Json`] if JSON cannot hold the result. Otherwise those of the database.
    pub async fn finish_stage<T: Serialize + Sync + ?Sized>(
        &self,
        iteration: u32,
        stage: &str,
        result: &T,
    ) -> Result<bool, StoreError> {
        let json = serde_json::to_string(result).map_err(|source| StoreError::Json {
            what: describe(iteration, stage),
            source,
        })?;
        let done = sqlx::query(
            "INSERT INTO stage (iteration, stage, result) VALUES (?, ?, ?) \
             ON CONFLICT (iteration, stage) DO NOTHING",
        )
        .bind(iteration)
        .bind(stage.to_owned())
        .bind(json)
        .execute(&self.pool)
        .await
        .map_err(self.failed("recording a finished stage"))?;
        Ok(done.rows_affected() == 1)
    }

    /// What a stage came to; `None` while it is not done.
    ///
    /// # Errors
    /// [`StoreError::Json`] if the recorded result is no `T`. Otherwise those of the database.
    pub async fn stage<T: DeserializeOwned>(
        &self,
        iteration: u32,
        stage: &str,
    ) -> Result<Option<T>, StoreError> {
        let json: Option<String> =
            sqlx::query_scalar("SELECT result FROM stage WHERE iteration = ? AND stage = ?")
                .bind(iteration)
                .bind(stage.to_owned())
                .fetch_optional(&self.pool)
                .await
                .map_err(self.failed("reading a finished stage"))?;
        json.map(|json| {
            serde_json::from_str(&json).map_err(|source| StoreError::Json {
                what: describe(iteration, stage),
                source,
            })
        })
        .transpose()
    }

    /// The stages that are done, by outer loop and within it in the order they finished in.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn finished_stages(&self) -> Result<Vec<FinishedStage>, StoreError> {
        let rows: Vec<(u32, String, f64)> = sqlx::query_as(
            "SELECT iteration, stage, coalesce(seconds, 0.0) FROM stage \
             LEFT JOIN stage_time USING (iteration, stage) ORDER BY iteration, stage.rowid",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("reading the finished stages"))?;
        let finished = rows
            .into_iter()
            .map(|(iteration, stage, seconds)| FinishedStage {
                iteration,
                stage,
                seconds,
            });
        Ok(finished.collect())
    }

    /// Adds to the time spent in a stage. Called now and then while the stage runs, so that what
    /// a killed process had spent is still counted after the run was resumed.
    ///
    /// # Errors
    /// [`StoreError::NotFinite`] or [`StoreError::Negative`] for impossible seconds. Otherwise
    /// those of the database.
    pub async fn add_seconds(
        &self,
        iteration: u32,
        stage: &str,
        seconds: f64,
    ) -> Result<(), StoreError> {
        require_seconds(iteration, stage, seconds)?;
        sqlx::query(
            "INSERT INTO stage_time (iteration, stage, seconds) VALUES (?, ?, ?) \
             ON CONFLICT (iteration, stage) DO UPDATE SET seconds = seconds + excluded.seconds",
        )
        .bind(iteration)
        .bind(stage.to_owned())
        .bind(seconds)
        .execute(&self.pool)
        .await
        .map_err(self.failed("recording time spent"))?;
        Ok(())
    }

    /// The seconds spent in a stage so far, over all attempts at it; 0 before the first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn stage_seconds(&self, iteration: u32, stage: &str) -> Result<f64, StoreError> {
        let seconds: Option<f64> =
            sqlx::query_scalar("SELECT seconds FROM stage_time WHERE iteration = ? AND stage = ?")
                .bind(iteration)
                .bind(stage.to_owned())
                .fetch_optional(&self.pool)
                .await
                .map_err(self.failed("reading time spent"))?;
        Ok(seconds.unwrap_or(0.0))
    }
}

fn describe(iteration: u32, stage: &str) -> String {
    format!("the result of stage `{stage}` of iteration {iteration}")
}

fn require_seconds(iteration: u32, stage: &str, seconds: f64) -> Result<(), StoreError> {
    let what = || format!("the time of stage `{stage}` of iteration {iteration} in seconds");
    if !seconds.is_finite() {
        return Err(StoreError::NotFinite {
            what: what(),
            value: seconds,
        });
    }
    if seconds < 0.0 {
        return Err(StoreError::Negative {
            what: what(),
            value: seconds,
        });
    }
    Ok(())
}
