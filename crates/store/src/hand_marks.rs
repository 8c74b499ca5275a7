//! The table `hand_mark`: what people said about rationales.

use autodidact_core::{HandMark, Sample};

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
}
