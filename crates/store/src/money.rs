//! The tables `reservation` and `spending`: money set aside and money spent.

use std::collections::BTreeMap;

use autodidact_core::Usd;
use serde::{Deserialize, Serialize};

use crate::{RunStore, StoreError};

/// What one model cost so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Settled requests.
    pub amount: Usd,
    /// How many.
    pub requests: u64,
    /// Of these, requests whose cost nobody knows.
    pub unpriced: u64,
    /// Reservations that were never settled: their requests may have been charged.
    pub unsettled: Usd,
}

impl RunStore {
    /// What each model and judge cost so far, by its name in the file.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn spending(&self) -> Result<BTreeMap<String, Spent>, StoreError> {
        let doing = "reading what was spent";
        let settled: Vec<(String, i64, i64, i64)> =
            sqlx::query_as("SELECT model, amount, requests, unpriced FROM spending")
                .fetch_all(&self.pool)
                .await
                .map_err(self.failed(doing))?;
        let open: Vec<(String, i64)> =
            sqlx::query_as("SELECT model, sum(amount) FROM reservation GROUP BY model")
                .fetch_all(&self.pool)
                .await
                .map_err(self.failed(doing))?;
        let mut spending: BTreeMap<String, Spent> = BTreeMap::new();
        for (model, amount, requests, unpriced) in settled {
            let spent = spending.entry(model).or_default();
            spent.amount = Usd::from_nano(amount as u64);
            (spent.requests, spent.unpriced) = (requests as u64, unpriced as u64);
        }
        for (model, amount) in open {
            spending.entry(model).or_default().unsettled = Usd::from_nano(amount as u64);
        }
        Ok(spending)
    }

    /// A reservation number that no reservation has.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn next_ticket(&self) -> Result<u64, StoreError> {
        let last: Option<i64> = sqlx::query_scalar("SELECT max(ticket) FROM reservation")
            .fetch_one(&self.pool)
            .await
            .map_err(self.failed("reading reservations"))?;
        Ok(last.map_or(0, |last| last as u64 + 1))
    }
}
