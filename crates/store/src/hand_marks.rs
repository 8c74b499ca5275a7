//! The table `hand_mark`: what people said about rationales.

use autodidact_core::{HandMark, Mode, Sample};
use sqlx::Row;

use crate::{RunStore, StoreError};

/// A rationale that a person marked.
#[derive(Debug, Clone, PartialEq)]
pub struct Marked {
    /// What was marked.
    pub sample: Sample,
    /// How.
    pub mark: HandMark,
}

impl RunStore {
    /// Every rationale that a person marked, in the order of their recording.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn hand_marks(&self) -> Result<Vec<Marked>, StoreError> {
        let rows = sqlx::query(
            "SELECT sample.*, hand_mark.mark FROM hand_mark \
             JOIN sample ON sample.id = hand_mark.sample ORDER BY sample.id",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("reading marks"))?;
        rows.iter()
            .map(|row| {
                Ok(Marked {
                    sample: self.answer(row)?,
                    mark: self.word(self.column(row, "mark")?)?,
                })
            })
            .collect()
    }

    /// How many rationales of each loop and mode are marked good and bad.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn hand_mark_counts(&self) -> Result<Vec<(u32, Mode, HandMark, u64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT iteration, mode, mark, count(*) AS n FROM hand_mark \
             JOIN sample ON sample.id = hand_mark.sample \
             GROUP BY iteration, mode, mark ORDER BY iteration, mode, mark",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("counting marks"))?;
        rows.iter()
            .map(|row| {
                Ok((
                    self.column(row, "iteration")?,
                    self.word(self.column(row, "mode")?)?,
                    self.word(self.column(row, "mark")?)?,
                    row.try_get("n").map_err(self.failed("counting marks"))?,
                ))
            })
            .collect()
    }
}
