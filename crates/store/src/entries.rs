//! Answers of models behind a network, written in groups: many requests end at once, and one
//! transaction serves them all.

use std::collections::BTreeMap;

use autodidact_core::{ProblemId, Sample, SampleKey, Scores, Usd};
use serde::{Deserialize, Serialize};
use sqlx::query_builder::Separated;
use sqlx::sqlite::SqliteConnection;
use sqlx::{QueryBuilder, Sqlite};

use crate::samples::require_finite;
use crate::{RunStore, Spent, StoreError};

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
        let tables = Tables::of(entries)?;
        let mut transaction = self.begin(doing).await?;
        self.record_answers(&mut transaction, &tables.answers)
            .await?;
        for scored in &tables.scores {
            self.record_score(&mut transaction, scored).await?;
        }
        tables
            .write(&mut transaction)
            .await
            .map_err(self.failed(doing))?;
        transaction.commit().await.map_err(self.failed(doing))
    }

    /// Samples get their ids here, so that their provenance goes in with as few statements; one
    /// whose key is recorded already gets none and keeps the provenance it has.
    async fn record_answers(
        &self,
        connection: &mut SqliteConnection,
        answers: &[(&Sample, &Provenance)],
    ) -> Result<(), StoreError> {
        if answers.is_empty() {
            return Ok(());
        }
        let doing = "recording an answer";
        let last: i64 = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM sample")
            .fetch_one(&mut *connection)
            .await
            .map_err(self.failed(doing))?;
        let answers: Vec<_> = (last + 1..).zip(answers.iter().copied()).collect();
        for rows in batches(&answers) {
            insert_samples(&mut *connection, rows)
                .await
                .map_err(self.failed(doing))?;
            insert_provenance(&mut *connection, rows)
                .await
                .map_err(self.failed(doing))?;
        }
        Ok(())
    }
}

type Answer<'a> = (i64, (&'a Sample, &'a Provenance));
type Written = Result<(), sqlx::Error>;

/// Rows of one statement at most. A statement is a message to SQLite's thread and back, which costs
/// more than a row does.
const ROWS: usize = 64;

/// Parts whose lengths are powers of two, so that few different statements are prepared.
fn batches<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = 1 << rows.len().min(ROWS).checked_ilog2()?;
        let (batch, rest) = rows.split_at(length);
        rows = rest;
        Some(batch)
    })
}

/// The entries of a group by what they are, money summed up.
#[derive(Default)]
struct Tables<'a> {
    answers: Vec<(&'a Sample, &'a Provenance)>,
    scores: Vec<&'a Scored>,
    unanswered: Vec<&'a Unanswered>,
    outcomes: Vec<(&'a ProblemId, &'a str)>,
    reserved: Vec<(u64, &'a str, Usd)>,
    /// Tickets of reservations that are over.
    closed: Vec<u64>,
    spent: BTreeMap<&'a str, Spent>,
}

impl<'a> Tables<'a> {
    fn of(entries: &'a [Entry]) -> Result<Self, StoreError> {
        let mut tables = Self::default();
        for entry in entries {
            match entry {
                Entry::Answer(sample, provenance) => {
                    require_finite(sample)?;
                    tables.answers.push((sample, provenance));
                }
                Entry::NoAnswer(unanswered) => tables.unanswered.push(unanswered),
                Entry::Score(scored) => tables.scores.push(scored),
                Entry::Reserved {
                    ticket,
                    model,
                    amount,
                } => tables.reserved.push((*ticket, model, *amount)),
                Entry::Settled {
                    ticket,
                    model,
                    cost,
                } => {
                    tables.closed.push(*ticket);
                    let spent = tables.spent.entry(model).or_default();
                    spent.amount += cost.unwrap_or_default();
                    spent.requests += 1;
                    spent.unpriced += u64::from(cost.is_none());
                }
                Entry::Released { ticket } => tables.closed.push(*ticket),
                Entry::Outcome { problem, json } => tables.outcomes.push((problem, json)),
            }
        }
        Ok(tables)
    }

    /// Everything but answers and opinions.
    async fn write(&self, connection: &mut SqliteConnection) -> Written {
        for rows in batches(&self.unanswered) {
            insert_unanswered(&mut *connection, rows).await?;
        }
        for rows in batches(&self.outcomes) {
            insert_outcomes(&mut *connection, rows).await?;
        }
        for rows in batches(&self.reserved) {
            insert_reservations(&mut *connection, rows).await?;
        }
        if !self.closed.is_empty() {
            sqlx::query("DELETE FROM reservation WHERE ticket IN (SELECT value FROM json_each(?))")
                .bind(serde_json::Value::from(self.closed.as_slice()).to_string())
                .execute(&mut *connection)
                .await?;
        }
        for (model, spent) in &self.spent {
            add_spending(&mut *connection, model, spent).await?;
        }
        Ok(())
    }
}

fn push_key(row: &mut Separated<'_, Sqlite, &'static str>, key: &SampleKey) {
    row.push_bind(key.iteration)
        .push_bind(key.sampler.0.clone())
        .push_bind(key.mode.as_str())
        .push_bind(key.problem.0.clone())
        .push_bind(key.index);
}

async fn insert_samples(connection: &mut SqliteConnection, rows: &[Answer<'_>]) -> Written {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO sample (id, iteration, sampler, mode, problem, sample_index, \
         text, finish, tokens, logprob) ",
    );
    query.push_values(rows, |mut row, (id, (sample, _))| {
        row.push_bind(*id);
        push_key(&mut row, &sample.key);
        let completion = &sample.completion;
        row.push_bind(completion.text.clone())
            .push_bind(completion.finish.as_str())
            .push_bind(completion.tokens)
            .push_bind(completion.logprob);
    });
    query.push(" ON CONFLICT (iteration, sampler, mode, problem, sample_index) DO NOTHING");
    query.build().execute(connection).await.map(drop)
}

async fn insert_provenance(connection: &mut SqliteConnection, rows: &[Answer<'_>]) -> Written {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO provenance (sample, provider, model, terms, reasoning, input_tokens, \
         output_tokens, cost, request) SELECT * FROM (",
    );
    query.push_values(rows, |mut row, (id, (_, provenance))| {
        row.push_bind(*id)
            .push_bind(provenance.provider.clone())
            .push_bind(provenance.model.clone())
            .push_bind(provenance.terms.clone())
            .push_bind(provenance.reasoning.clone())
            .push_bind(provenance.input_tokens.map(|n| n as i64))
            .push_bind(provenance.output_tokens.map(|n| n as i64))
            .push_bind(provenance.cost.map(nano))
            .push_bind(provenance.request.clone());
    });
    query.push(") WHERE column1 IN (SELECT id FROM sample)");
    query.build().execute(connection).await.map(drop)
}

async fn insert_unanswered(connection: &mut SqliteConnection, rows: &[&Unanswered]) -> Written {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO unanswered (iteration, sampler, mode, problem, sample_index, \
         outcome, detail, cost) ",
    );
    query.push_values(rows, |mut row, unanswered| {
        push_key(&mut row, &unanswered.key);
        row.push_bind(unanswered.outcome.clone())
            .push_bind(unanswered.detail.clone())
            .push_bind(unanswered.cost.map(nano));
    });
    query.push(" ON CONFLICT DO NOTHING");
    query.build().execute(connection).await.map(drop)
}

async fn insert_outcomes(
    connection: &mut SqliteConnection,
    rows: &[(&ProblemId, &str)],
) -> Written {
    let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO outcome (problem, result) ");
    query.push_values(rows, |mut row, (problem, json)| {
        row.push_bind(problem.0.clone()).push_bind(*json);
    });
    query.push(" ON CONFLICT DO NOTHING");
    query.build().execute(connection).await.map(drop)
}

async fn insert_reservations(
    connection: &mut SqliteConnection,
    rows: &[(u64, &str, Usd)],
) -> Written {
    let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO reservation (ticket, model, amount) ");
    query.push_values(rows, |mut row, (ticket, model, amount)| {
        row.push_bind(*ticket as i64)
            .push_bind(*model)
            .push_bind(nano(*amount));
    });
    query.build().execute(connection).await.map(drop)
}

async fn add_spending(connection: &mut SqliteConnection, model: &str, spent: &Spent) -> Written {
    sqlx::query(
        "INSERT INTO spending (model, amount, requests, unpriced) VALUES (?, ?, ?, ?) \
         ON CONFLICT (model) DO UPDATE SET amount = amount + excluded.amount, \
         requests = requests + excluded.requests, unpriced = unpriced + excluded.unpriced",
    )
    .bind(model)
    .bind(nano(spent.amount))
    .bind(spent.requests as i64)
    .bind(spent.unpriced as i64)
    .execute(connection)
    .await
    .map(drop)
}

/// SQLite's integers are signed; nine billion dollars fit.
pub(crate) fn nano(amount: Usd) -> i64 {
    i64::try_from(amount.nano()).unwrap_or(i64::MAX)
}
