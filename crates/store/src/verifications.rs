//! The table `verification`: what the verifier said about each answer.

use autodidact_core::{Mode, SampleKey, SamplerId, Verdict, Verification};
use sqlx::sqlite::SqliteRow;

use crate::rows::{bind_key, flags_as_json};
use crate::{RunStore, StoreError};

/// What the verifier said about one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The answer.
    pub key: SampleKey,
    /// The verdict with the evidence for it.
    pub verification: Verification,
    /// The false step that was found in it, in words, where steps were checked.
    pub false_step: Option<String>,
}

impl RunStore {
    /// Records verdicts in one transaction and returns how many were new; a sample that has one
    /// keeps it.
    ///
    /// # Errors
    /// [`StoreError::UnknownSample`] if a sample was not recorded; then none is recorded.
    /// Otherwise those of the database.
    pub async fn record_verifications(&self, verified: &[Verified]) -> Result<u64, StoreError> {
        let doing = "recording verdicts";
        let mut transaction = self.begin(doing).await?;
        let mut inserted = 0;
        for Verified {
            key,
            verification,
            false_step,
        } in verified
        {
            let id = self.sample_id(&mut transaction, key).await?;
            let reason = match &verification.verdict {
                Verdict::CannotTell(reason) => Some(reason.clone()),
                Verdict::Right | Verdict::Wrong => None,
            };
            inserted += sqlx::query(
                "INSERT INTO verification (sample, verdict, reason, extracted, how, false_step, flags) \
                 VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sample) DO NOTHING",
            )
            .bind(id)
            .bind(verification.verdict.as_str())
            .bind(reason)
            .bind(verification.extracted.clone())
            .bind(verification.how.clone())
            .bind(false_step.clone())
            .bind(flags_as_json(&verification.flags)?)
            .execute(&mut *transaction)
            .await
            .map_err(self.failed(doing))?
            .rows_affected();
        }
        transaction.commit().await.map_err(self.failed(doing))?;
        Ok(inserted)
    }

    /// The verdicts about one model's answers in one outer loop, ordered by problem id and then
    /// index. Answers without a verdict are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn verifications(
        &self,
        iteration: u32,
        sampler: &SamplerId,
        mode: Mode,
    ) -> Result<Vec<Verified>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM sample JOIN verification ON verification.sample = sample.id \
             WHERE iteration = ? AND sampler = ? AND mode = ? ORDER BY problem, sample_index",
        )
        .bind(iteration)
        .bind(sampler.0.clone())
        .bind(mode.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("reading verdicts"))?;
        rows.iter().map(|row| self.verified(row)).collect()
    }

    /// The verdict about one answer, if it has one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn verification(&self, key: &SampleKey) -> Result<Option<Verified>, StoreError> {
        let query = sqlx::query(
            "SELECT * FROM sample JOIN verification ON verification.sample = sample.id \
             WHERE iteration = ? AND sampler = ? AND mode = ? AND problem = ? \
             AND sample_index = ?",
        );
        let row = bind_key(query, key)
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed("reading a verdict"))?;
        row.as_ref().map(|row| self.verified(row)).transpose()
    }

    pub(crate) fn verified(&self, row: &SqliteRow) -> Result<Verified, StoreError> {
        let reason: Option<String> = self.column(row, "reason")?;
        let name: String = self.column(row, "verdict")?;
        let verdict = match (name.as_str(), reason) {
            ("right", None) => Verdict::Right,
            ("wrong", None) => Verdict::Wrong,
            ("cannot-tell", Some(reason)) => Verdict::CannotTell(reason),
            _ => return Err(self.damaged(format!("a verdict `{name}` that does not exist"))),
        };
        let verification = Verification {
            verdict,
            extracted: self.column(row, "extracted")?,
            how: self.column(row, "how")?,
            flags: self.flags(row)?,
        };
        Ok(Verified {
            key: self.key(row)?,
            verification,
            false_step: self.column(row, "false_step")?,
        })
    }
}
