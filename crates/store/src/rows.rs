//! Between rows and the words of the core: keys, and enums stored by their names.

use autodidact_core::{Flag, Mode, ProblemId, SampleKey, SamplerId};
use serde::de::DeserializeOwned;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Row, Sqlite};

use crate::{RunStore, StoreError};

/// An argument list being filled.
pub(crate) type Query = sqlx::query::Query<'static, Sqlite, sqlx::sqlite::SqliteArguments>;

/// Binds the five parts of a key, in the order every query here names them:
/// `iteration, sampler, mode, problem, sample_index`.
pub(crate) fn bind_key(query: Query, key: &SampleKey) -> Query {
    query
        .bind(key.iteration)
        .bind(key.sampler.0.clone())
        .bind(key.mode.as_str())
        .bind(key.problem.0.clone())
        .bind(key.index)
}

/// A key in words, for messages.
pub(crate) fn describe(key: &SampleKey) -> String {
    let SampleKey {
        iteration,
        problem,
        sampler,
        mode,
        index,
    } = key;
    let mode = mode.as_str();
    format!("{index} of problem `{problem}` ({mode} by {sampler}, iteration {iteration})")
}

/// Problem ids as a JSON list, for `json_each`.
pub(crate) fn json_list(problems: &[&ProblemId]) -> String {
    let ids: Vec<&str> = problems.iter().map(|id| id.0.as_str()).collect();
    serde_json::Value::from(ids).to_string()
}

/// Flags as the journal holds them.
pub(crate) fn flags_as_json(flags: &[Flag]) -> Result<String, StoreError> {
    serde_json::to_string(flags).map_err(|source| StoreError::Json {
        what: "flags".to_owned(),
        source,
    })
}

impl RunStore {
    /// The flags in a row; none in rows from before there were flags, and in a journal of that time
    /// that is only read.
    pub(crate) fn flags(&self, row: &SqliteRow) -> Result<Vec<Flag>, StoreError> {
        let json: Option<String> = match row.try_get("flags") {
            Ok(json) => json,
            Err(sqlx::Error::ColumnNotFound(_)) => None,
            Err(error) => return Err(self.failed("reading a row")(error)),
        };
        let parse = |json: String| {
            serde_json::from_str(&json).map_err(|error| self.damaged(error.to_string()))
        };
        json.map(parse).transpose().map(Option::unwrap_or_default)
    }

    /// The key in a row that has the columns of [`bind_key`].
    pub(crate) fn key(&self, row: &SqliteRow) -> Result<SampleKey, StoreError> {
        Ok(SampleKey {
            iteration: self.column(row, "iteration")?,
            problem: ProblemId(self.column(row, "problem")?),
            sampler: SamplerId(self.column(row, "sampler")?),
            mode: self.word::<Mode>(self.column(row, "mode")?)?,
            index: self.column(row, "sample_index")?,
        })
    }

    /// One column of a row.
    pub(crate) fn column<'r, T>(
        &self,
        row: &'r SqliteRow,
        name: &'static str,
    ) -> Result<T, StoreError>
    where
        T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
    {
        row.try_get(name).map_err(self.failed("reading a row"))
    }

    /// A value that is stored by the name serde gives it.
    pub(crate) fn word<T: DeserializeOwned>(&self, name: String) -> Result<T, StoreError> {
        serde_json::from_value(serde_json::Value::String(name))
            .map_err(|error| self.damaged(error.to_string()))
    }

    /// The row id of a recorded sample.
    ///
    /// # Errors
    /// [`StoreError::UnknownSample`] if it was never recorded.
    pub(crate) async fn sample_id(
        &self,
        connection: &mut SqliteConnection,
        key: &SampleKey,
    ) -> Result<i64, StoreError> {
        let query = sqlx::query(
            "SELECT id FROM sample WHERE iteration = ? AND sampler = ? AND mode = ? \
             AND problem = ? AND sample_index = ?",
        );
        let row = bind_key(query, key)
            .fetch_optional(connection)
            .await
            .map_err(self.failed("looking up a sample"))?;
        let row = row.ok_or_else(|| StoreError::UnknownSample {
            sample: describe(key),
        })?;
        self.column(&row, "id")
    }
}
