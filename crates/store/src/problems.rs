//! The table `problem`: what was asked, so that reports can show it without the data set.

use autodidact_core::{Problem, ProblemId, Split};

use crate::{RunStore, StoreError};

impl RunStore {
    /// Records problems in one transaction and returns how many were new; one whose id is
    /// recorded stays as it is.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn record_problems(&self, problems: &[Problem]) -> Result<u64, StoreError> {
        let doing = "recording problems";
        let mut transaction = self.begin(doing).await?;
        let mut inserted = 0;
        for problem in problems {
            let body = serde_json::to_string(problem).map_err(|source| StoreError::Json {
                what: format!("problem `{}`", problem.id),
                source,
            })?;
            inserted += sqlx::query(
                "INSERT INTO problem (id, split, body) VALUES (?, ?, ?) \
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(problem.id.0.clone())
            .bind(split_name(problem.split))
            .bind(body)
            .execute(&mut *transaction)
            .await
            .map_err(self.failed(doing))?
            .rows_affected();
        }
        transaction.commit().await.map_err(self.failed(doing))?;
        Ok(inserted)
    }

    /// The problem with this id, if it is recorded.
    ///
    /// # Errors
    /// [`StoreError::Json`] if the recorded row is no problem. Otherwise those of the database.
    pub async fn problem(&self, id: &ProblemId) -> Result<Option<Problem>, StoreError> {
        let body: Option<String> = sqlx::query_scalar("SELECT body FROM problem WHERE id = ?")
            .bind(id.0.clone())
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed("reading a problem"))?;
        body.map(|body| parse(&body)).transpose()
    }

    /// The problems of one split in the order they were recorded in.
    ///
    /// # Errors
    /// [`StoreError::Json`] if a recorded row is no problem. Otherwise those of the database.
    pub async fn problems(&self, split: Split) -> Result<Vec<Problem>, StoreError> {
        let bodies: Vec<String> =
            sqlx::query_scalar("SELECT body FROM problem WHERE split = ? ORDER BY rowid")
                .bind(split_name(split))
                .fetch_all(&self.pool)
                .await
                .map_err(self.failed("reading problems"))?;
        bodies.iter().map(|body| parse(body)).collect()
    }
}

pub(crate) fn parse(body: &str) -> Result<Problem, StoreError> {
    serde_json::from_str(body).map_err(|source| StoreError::Json {
        what: "a problem".to_owned(),
        source,
    })
}

pub(crate) fn split_name(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Evaluate => "evaluate",
    }
}
