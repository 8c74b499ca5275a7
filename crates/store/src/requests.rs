//! The tables `request` and `hand_mark` from outside: what people ask of a run and say about its
//! rationales, written beside the process that owns the run.

use std::path::Path;

use autodidact_core::HandMark;
use serde::{Deserialize, Serialize};

use crate::database::Access;
use crate::histories::SampleNumber;
use crate::{RunStore, StoreError};

/// What the process of a run is asked to do. It obeys between two samples or steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// To wait.
    Pause,
    /// To go on.
    Resume,
    /// To write down what is done and end, as after Ctrl-C.
    Stop,
}

impl Request {
    /// The name used in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
        }
    }
}

/// Takes requests and marks for a run, without owning it. Nothing else can be written through it.
#[derive(Debug)]
pub struct Desk {
    store: RunStore,
}

impl Desk {
    /// Opens the run in `directory`. A journal of an earlier version is brought up to date, if
    /// nobody owns it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none, [`StoreError::Owned`] if it is of an earlier
    /// version and a process of that version writes to it, and those of the database.
    pub async fn open(directory: &Path) -> Result<Self, StoreError> {
        let store = match RunStore::beside(directory, Access::Beside).await {
            Err(StoreError::Older { .. }) => {
                RunStore::open(directory).await?.close().await;
                RunStore::beside(directory, Access::Beside).await?
            }
            other => other?,
        };
        Ok(Self { store })
    }

    /// Asks the process for something.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn ask(&self, request: Request) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO request (kind) VALUES (?)")
            .bind(request.as_str())
            .execute(&self.store.pool)
            .await
            .map_err(self.store.failed("recording a request"))?;
        Ok(())
    }

    /// Marks a sample, or takes its mark away. False if there is no such sample.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn mark(
        &self,
        sample: SampleNumber,
        mark: Option<HandMark>,
    ) -> Result<bool, StoreError> {
        let query = match mark {
            Some(mark) => sqlx::query(
                "INSERT INTO hand_mark (sample, mark) SELECT id, ?2 FROM sample WHERE id = ?1 \
                 ON CONFLICT (sample) DO UPDATE SET mark = excluded.mark",
            )
            .bind(sample.0)
            .bind(mark.as_str()),
            None => sqlx::query("DELETE FROM hand_mark WHERE sample = ?").bind(sample.0),
        };
        let done = query
            .execute(&self.store.pool)
            .await
            .map_err(self.store.failed("recording a mark"))?;
        Ok(done.rows_affected() == 1)
    }

    /// Closes the journal and waits for it.
    pub async fn close(self) {
        self.store.close().await;
    }
}

impl RunStore {
    /// The number of the last request; 0 if there was none. Requests up to it are not meant for a
    /// process that starts now.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn last_request(&self) -> Result<i64, StoreError> {
        sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM request")
            .fetch_one(&self.pool)
            .await
            .map_err(self.failed("reading requests"))
    }

    /// The last request after the one with this number, with its own number.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn request_after(&self, number: i64) -> Result<Option<(i64, Request)>, StoreError> {
        let row: Option<(i64, String)> =
            sqlx::query_as("SELECT id, kind FROM request WHERE id > ? ORDER BY id DESC LIMIT 1")
                .bind(number)
                .fetch_optional(&self.pool)
                .await
                .map_err(self.failed("reading requests"))?;
        row.map(|(id, kind)| Ok((id, self.word(kind)?))).transpose()
    }
}
