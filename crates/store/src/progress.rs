//! The table `progress`: how far the process is, for whoever watches from outside.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::{RunStore, StoreError};

/// Seconds of silence after which a process is taken to be gone.
const SILENCE: f64 = 20.0;

/// What the process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProgressState {
    /// It works.
    Running,
    /// It waits until somebody lets it go on.
    Paused,
    /// It ended before the run did; the same command goes on.
    Parked,
    /// The run is over.
    Finished,
}

impl ProgressState {
    /// The name used in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Parked => "parked",
            Self::Finished => "finished",
        }
    }
}

/// How far the process is in its stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What it is doing.
    pub state: ProgressState,
    /// The outer loop; 0 measures the base.
    pub iteration: u32,
    /// The stage in words.
    pub title: String,
    /// Samples or steps in the journal.
    pub done: u64,
    /// Samples or steps in all.
    pub total: u64,
    /// Of `done`, those that this process made.
    pub made: u64,
    /// Tokens it generated or learned from for them.
    pub tokens: u64,
    /// Seconds it took, pauses aside.
    pub seconds: f64,
    /// The last loss, where something is trained.
    pub loss: Option<f64>,
    /// When this was written, in seconds since 1970.
    pub heard: f64,
}

impl Progress {
    /// Samples or steps a second; 0 while nothing is known.
    pub fn per_second(&self) -> f64 {
        rate(self.made, self.seconds)
    }

    /// Tokens a second; 0 while nothing is known.
    pub fn tokens_per_second(&self) -> f64 {
        rate(self.tokens, self.seconds)
    }

    /// Seconds until the stage is over, if it goes on as it did.
    pub fn seconds_left(&self) -> Option<f64> {
        let rate = self.per_second();
        let left = self.total.saturating_sub(self.done) as f64;
        (rate > 0.0).then(|| left / rate)
    }

    /// True if there is a process that works on the run or waits. It gives a sign every five seconds,
    /// so one that was not heard of for longer is gone.
    pub fn is_working(&self) -> bool {
        let alive = matches!(self.state, ProgressState::Running | ProgressState::Paused);
        alive && self.silent_for() < SILENCE
    }

    /// Seconds since the process was last heard of.
    pub fn silent_for(&self) -> f64 {
        (now() - self.heard).max(0.0)
    }
}

fn rate(made: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        made as f64 / seconds
    } else {
        0.0
    }
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

impl RunStore {
    /// Writes down how far the process is, over what was written before. The time is that of the
    /// call; `heard` is not read.
    ///
    /// # Errors
    /// [`StoreError::NotFinite`] for times or losses that are no finite numbers. Otherwise those of
    /// the database.
    pub async fn record_progress(&self, progress: &Progress) -> Result<(), StoreError> {
        for (what, value) in [
            ("the time of a stage", progress.seconds),
            ("the loss of a stage", progress.loss.unwrap_or_default()),
        ] {
            if !value.is_finite() {
                let what = what.to_owned();
                return Err(StoreError::NotFinite { what, value });
            }
        }
        sqlx::query(
            "INSERT OR REPLACE INTO progress (one, state, iteration, title, done, total, made, \
             tokens, seconds, loss, heard) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(progress.state.as_str())
        .bind(progress.iteration)
        .bind(progress.title.clone())
        .bind(progress.done as i64)
        .bind(progress.total as i64)
        .bind(progress.made as i64)
        .bind(progress.tokens as i64)
        .bind(progress.seconds)
        .bind(progress.loss)
        .bind(now())
        .execute(&self.pool)
        .await
        .map_err(self.failed("recording progress"))?;
        Ok(())
    }

    /// How far the process was when it was last heard of; `None` for runs of earlier versions.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn progress(&self) -> Result<Option<Progress>, StoreError> {
        let row = sqlx::query("SELECT * FROM progress")
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed("reading progress"))?;
        let Some(row) = row else {
            return Ok(None);
        };
        let number = |name| self.column::<i64>(&row, name).map(|n| n as u64);
        Ok(Some(Progress {
            state: self.word(self.column(&row, "state")?)?,
            iteration: self.column(&row, "iteration")?,
            title: self.column(&row, "title")?,
            done: number("done")?,
            total: number("total")?,
            made: number("made")?,
            tokens: number("tokens")?,
            seconds: self.column(&row, "seconds")?,
            loss: self.column(&row, "loss")?,
            heard: self.column(&row, "heard")?,
        }))
    }
}
