//! The table `score`: opinions of judges.

use std::collections::BTreeMap;

use autodidact_core::{Attribute, Mode, ProblemId, SamplerId, Scores, Usd};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::entries::{Scored, nano};
use crate::rows::json_list;
use crate::{RunStore, StoreError};

impl RunStore {
    /// The opinions about one model's answers to some problems, ordered by problem, index and judge.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn scores(
        &self,
        iteration: u32,
        sampler: &SamplerId,
        mode: Mode,
        problems: &[&ProblemId],
    ) -> Result<Vec<Scored>, StoreError> {
        let rows = sqlx::query(
            "SELECT sample.*, score.* FROM sample JOIN score ON score.sample = sample.id \
             WHERE iteration = ? AND sampler = ? AND mode = ? \
             AND problem IN (SELECT value FROM json_each(?)) \
             ORDER BY problem, sample_index, judge",
        )
        .bind(iteration)
        .bind(sampler.0.clone())
        .bind(mode.as_str())
        .bind(json_list(problems))
        .fetch_all(&self.pool)
        .await
        .map_err(self.failed("reading opinions"))?;
        rows.iter().map(|row| self.scored(row)).collect()
    }

    pub(crate) async fn record_score(
        &self,
        connection: &mut SqliteConnection,
        scored: &Scored,
    ) -> Result<(), StoreError> {
        let sample = self.sample_id(connection, &scored.key).await?;
        let scores = scored.scores.as_ref().ok();
        let attribute = |a| scores.and_then(|s| s.attribute(a));
        let mut query = sqlx::query(
            "INSERT INTO score (sample, judge, helpfulness, correctness, coherence, complexity, \
             verbosity, overall, refused, cost) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT DO NOTHING",
        )
        .bind(sample)
        .bind(scored.judge.clone());
        for name in Attribute::ALL {
            query = query.bind(attribute(name));
        }
        query
            .bind(scores.map(Scores::overall))
            .bind(scored.scores.as_ref().err().cloned())
            .bind(scored.cost.map(nano))
            .execute(connection)
            .await
            .map_err(self.failed("recording an opinion"))?;
        Ok(())
    }

    pub(crate) fn scored(&self, row: &SqliteRow) -> Result<Scored, StoreError> {
        let mut attributes = BTreeMap::new();
        for attribute in Attribute::ALL {
            let value: Option<f64> = self.column(row, attribute.as_str())?;
            if let Some(value) = value {
                attributes.insert(attribute, value);
            }
        }
        let overall: Option<f64> = self.column(row, "overall")?;
        let refused: Option<String> = self.column(row, "refused")?;
        let scores = match (overall, refused) {
            (Some(overall), None) => {
                let scores = Scores::new(attributes, overall);
                Ok(scores.map_err(|error| self.damaged(error.to_string()))?)
            }
            (None, Some(reason)) => Err(reason),
            _ => return Err(self.damaged("an opinion that is both given and refused".into())),
        };
        let cost: Option<i64> = self.column(row, "cost")?;
        Ok(Scored {
            key: self.key(row)?,
            judge: self.column(row, "judge")?,
            scores,
            cost: cost.map(|nano| Usd::from_nano(nano as u64)),
        })
    }
}
