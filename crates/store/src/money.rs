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

    /// The reservations that were never settled, with their models and amounts.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn reservations(&self) -> Result<Vec<(u64, String, Usd)>, StoreError> {
        let rows: Vec<(i64, String, i64)> =
            sqlx::query_as("SELECT ticket, model, amount FROM reservation ORDER BY ticket")
                .fetch_all(&self.pool)
                .await
                .map_err(self.failed("reading reservations"))?;
        let open = rows.into_iter();
        Ok(open
            .map(|(ticket, model, amount)| (ticket as u64, model, Usd::from_nano(amount as u64)))
            .collect())
    }
}
