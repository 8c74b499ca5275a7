//! The table `selection`: which answers are trained on, and why the others are not.

use autodidact_core::{RefusalReason, Selection};
use sqlx::sqlite::SqliteRow;

use crate::rows::flags_as_json;
use crate::{RunStore, StoreError};

impl RunStore {
    /// Records decisions in one transaction and returns how many were new; a sample that has one
    /// keeps it.
    ///
    /// # Errors
    /// [`StoreError::UnknownSample`] if a sample was not recorded; then none is recorded.
    /// Otherwise those of the database.
    pub async fn record_selections(&self, selections: &[Selection]) -> Result<u64, StoreError> {
        let doing = "recording the selection";
        let mut transaction = self.begin(doing).await?;
        let mut inserted = 0;
        for selection in selections {
            let id = self.sample_id(&mut transaction, &selection.key).await?;
            inserted += sqlx::query(
                "INSERT INTO selection (sample, refused, flags) VALUES (?, ?, ?) \
                 ON CONFLICT (sample) DO NOTHING",
            )
            .bind(id)
            .bind(selection.refused.map(RefusalReason::as_str))
            .bind(flags_as_json(&selection.flags)?)
            .execute(&mut *transaction)
            .await
            .map_err(self.failed(doing))?
            .rows_affected();
        }
        transaction.commit().await.map_err(self.failed(doing))?;
        Ok(inserted)
    }

    /// The decisions about the answers of one outer loop, ordered by problem id, mode (rationales
    /// first), sampler and index.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn selections(&self, iteration: u32) -> Result<Vec<Selection>, StoreError> {
        // `rationale` sorts before `rationalization` because `e` sorts before `i`.
        let rows = sqlx::query(
            "SELECT * FROM sample JOIN selection ON selection.sample = sample.id \
             WHERE iteration = ? ORDER BY problem, mode, sampler, sample_index",
        )
        .bind(iteration)
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("reading the selection"))?;
        rows.iter().map(|row| self.decision(row)).collect()
    }

    pub(crate) fn decision(&self, row: &SqliteRow) -> Result<Selection, StoreError> {
        let refused: Option<String> = self.column(row, "refused")?;
        Ok(Selection {
            key: self.key(row)?,
            refused: refused.map(|name| self.word(name)).transpose()?,
            flags: self.flags(row)?,
        })
    }

    /// How many answers of one outer loop were refused for each reason, the most frequent first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn refusals(&self, iteration: u32) -> Result<Vec<(String, u64)>, StoreError> {
        sqlx::query_as(
            "SELECT refused, count(*) FROM sample \
             JOIN selection ON selection.sample = sample.id \
             WHERE iteration = ? AND refused IS NOT NULL \
             GROUP BY refused ORDER BY count(*) DESC, refused",
        )
        .bind(iteration)
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("counting refusals"))
    }
}
