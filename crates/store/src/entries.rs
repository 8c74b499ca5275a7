//! Answers of models behind a network, written in groups: many requests end at once, and one
//! transaction serves them all.

use autodidact_core::{ProblemId, Sample, SampleKey, Scores, Usd};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteConnection;

use crate::rows::bind_key;
use crate::samples::{insert_sample, require_finite};
use crate::{RunStore, StoreError};

/// Where an answer came from and what it cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The provider, as files name it.
    pub provider: String,
    /// The model's name as the provider gives it.
    pub model: String,
    /// Whether the provider's terms let the answer train other models: `allowed`, `restricted`,
    /// `unknown`, or what the file says.
    pub terms: String,
    /// What the provider shows of the reasoning.
    pub reasoning: Option<String>,
    /// Tokens of the prompt.
    pub input_tokens: Option<u64>,
    /// Tokens generated, reasoning included.
    pub output_tokens: Option<u64>,
    /// This answer's share of what its request cost; `None` where the price is unknown.
    pub cost: Option<Usd>,
    /// The provider's name for the request.
    pub request: Option<String>,
}

/// A request that was answered, and paid, without an answer in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// What was asked for.
    pub key: SampleKey,
    /// One word: `refused`, `filtered`, `empty`, `incomplete`, `other`, or an error's class.
    pub outcome: String,
    /// What was said about it.
    pub detail: String,
    /// What it cost.
    pub cost: Option<Usd>,
}

/// A judge's opinion of a recorded sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The sample.
    pub key: SampleKey,
    /// The judge's name.
    pub judge: String,
    /// The scores, or why there are none.
    pub scores: Result<Scores, String>,
    /// What this opinion cost.
    pub cost: Option<Usd>,
}

/// Something to write down. Recording the same thing twice changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// An answer.
    Answer(Sample, Provenance),
    /// No answer.
    NoAnswer(Unanswered),
    /// An opinion.
    Score(Scored),
    /// Money set aside, before the request is sent.
    Reserved {
        /// The reservation's number.
        ticket: u64,
        /// The model's name in the file.
        model: String,
        /// The most it may cost.
        amount: Usd,
    },
    /// Money that was spent; removes the reservation.
    Settled {
        /// The reservation's number.
        ticket: u64,
        /// The model's name in the file.
        model: String,
        /// What it cost; `None` where nobody knows.
        cost: Option<Usd>,
    },
    /// A reservation that was not needed.
    Released {
        /// The reservation's number.
        ticket: u64,
    },
    /// One answer made of many.
    Outcome {
        /// The problem.
        problem: ProblemId,
        /// The result, as JSON.
        json: String,
    },
}

impl RunStore {
    /// Records all entries in one transaction, which is on the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::NotFinite`] for a log-probability that is no finite number,
    /// [`StoreError::UnknownSample`] for an opinion about a sample that was never recorded; then
    /// nothing is recorded. Otherwise those of the database.
    pub async fn record_entries(&self, entries: &[Entry]) -> Result<(), StoreError> {
        let doing = "recording answers and money";
        for entry in entries {
            if let Entry::Answer(sample, _) = entry {
                require_finite(sample)?;
            }
        }
        let mut transaction = self.begin(doing).await?;
        for entry in entries {
            self.record_entry(&mut transaction, entry).await?;
        }
        transaction.commit().await.map_err(self.failed(doing))
    }

    async fn record_entry(
        &self,
        connection: &mut SqliteConnection,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        let query = match entry {
            Entry::Answer(sample, provenance) => {
                return self.record_answer(connection, sample, provenance).await;
            }
            Entry::Score(scored) => return self.record_score(connection, scored).await,
            Entry::NoAnswer(unanswered) => {
                let query = sqlx::query(
                    "INSERT INTO unanswered (iteration, sampler, mode, problem, sample_index, \
                     outcome, detail, cost) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                );
                bind_key(query, &unanswered.key)
                    .bind(unanswered.outcome.clone())
                    .bind(unanswered.detail.clone())
                    .bind(unanswered.cost.map(nano))
            }
            Entry::Reserved {
                ticket,
                model,
                amount,
            } => sqlx::query("INSERT INTO reservation (ticket, model, amount) VALUES (?, ?, ?)")
                .bind(*ticket as i64)
                .bind(model.clone())
                .bind(nano(*amount)),
            Entry::Settled {
                ticket,
                model,
                cost,
            } => {
                self.remove_reservation(connection, *ticket).await?;
                sqlx::query(
                    "INSERT INTO spending (model, amount, requests, unpriced) VALUES (?, ?, 1, ?) \
                     ON CONFLICT (model) DO UPDATE SET amount = amount + excluded.amount, \
                     requests = requests + 1, unpriced = unpriced + excluded.unpriced",
                )
                .bind(model.clone())
                .bind(nano(cost.unwrap_or_default()))
                .bind(i64::from(cost.is_none()))
            }
            Entry::Released { ticket } => {
                return self.remove_reservation(connection, *ticket).await;
            }
            Entry::Outcome { problem, json } => sqlx::query(
                "INSERT INTO outcome (problem, result) VALUES (?, ?) ON CONFLICT DO NOTHING",
            )
            .bind(problem.0.clone())
            .bind(json.clone()),
        };
        query
            .execute(connection)
            .await
            .map_err(self.failed("recording answers and money"))?;
        Ok(())
    }

    async fn record_answer(
        &self,
        connection: &mut SqliteConnection,
        sample: &Sample,
        provenance: &Provenance,
    ) -> Result<(), StoreError> {
        let doing = "recording an answer";
        let inserted = insert_sample(sample)
            .execute(&mut *connection)
            .await
            .map_err(self.failed(doing))?;
        if inserted.rows_affected() == 0 {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO provenance (sample, provider, model, terms, reasoning, input_tokens, \
             output_tokens, cost, request) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(inserted.last_insert_rowid())
        .bind(provenance.provider.clone())
        .bind(provenance.model.clone())
        .bind(provenance.terms.clone())
        .bind(provenance.reasoning.clone())
        .bind(provenance.input_tokens.map(|n| n as i64))
        .bind(provenance.output_tokens.map(|n| n as i64))
        .bind(provenance.cost.map(nano))
        .bind(provenance.request.clone())
        .execute(connection)
        .await
        .map_err(self.failed(doing))?;
        Ok(())
    }

    async fn remove_reservation(
        &self,
        connection: &mut SqliteConnection,
        ticket: u64,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM reservation WHERE ticket = ?")
            .bind(ticket as i64)
            .execute(connection)
            .await
            .map_err(self.failed("removing a reservation"))?;
        Ok(())
    }
}

/// SQLite's integers are signed; nine billion dollars fit.
pub(crate) fn nano(amount: Usd) -> i64 {
    i64::try_from(amount.nano()).unwrap_or(i64::MAX)
}
