//! Money that survives the process: reservations are on the disk before their requests are sent.

use std::collections::BTreeMap;
use std::time::Duration;

use autodidact_core::Usd;
use autodidact_providers::{Budget, OverBudget, Purse, Ticket};
use autodidact_store::{Entry, RunStore};
use futures::future::BoxFuture;
use tokio::sync::Notify;

use crate::StarError;
use crate::ensemble::writer::Writer;

/// How long a request waits for money that others under way may give back.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// A budget over all attempts at a command, kept in its journal.
#[derive(Debug)]
pub struct JournaledPurse {
    budget: Budget,
    writer: Writer,
    /// Tells those who wait for money that some may have come back.
    closed: Notify,
    /// The model of each reservation under way.
    models: std::sync::Mutex<BTreeMap<u64, String>>,
}

impl JournaledPurse {
    /// A purse of which earlier attempts have spent some already.
    pub async fn open(
        store: &RunStore,
        writer: Writer,
        limit: Option<Usd>,
    ) -> Result<Self, StarError> {
        let spending = store.spending().await?;
        let settled = spending.values().map(|spent| spent.amount).sum();
        let open = store.reservations().await?;
        let models = open
            .iter()
            .map(|(ticket, model, _)| (*ticket, model.clone()));
        let models = std::sync::Mutex::new(models.collect());
        let open = open
            .into_iter()
            .map(|(ticket, _, amount)| (Ticket(ticket), amount));
        Ok(Self {
            budget: Budget::new(limit, settled).with_open(open),
            writer,
            closed: Notify::new(),
            models,
        })
    }

    /// Spent and set aside so far, over all attempts.
    pub fn committed(&self) -> Usd {
        self.budget.committed()
    }

    /// The limit.
    pub fn limit(&self) -> Option<Usd> {
        self.budget.limit()
    }

    /// Reserves, waiting for requests under way if what they may give back could make room. A request
    /// whose outcome is unknown gives nothing back, so nobody waits for ever.
    async fn reserve_in_turn(&self, model: &str, most: Option<Usd>) -> Result<Ticket, OverBudget> {
        loop {
            let closed = self.closed.notified();
            let over = match self.budget.try_reserve(model, most) {
                Ok(ticket) => return Ok(ticket),
                Err(over) => over,
            };
            let OverBudget::Exceeded { limit, wanted, .. } = &over else {
                return Err(over);
            };
            let may_fit = self.budget.settled() + *wanted <= *limit;
            if !may_fit || tokio::time::timeout(LONGEST_WAIT, closed).await.is_err() {
                return Err(over);
            }
        }
    }

    fn models(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, String>> {
        self.models
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Purse for JournaledPurse {
    fn reserve<'a>(
        &'a self,
        model: &'a str,
        most: Option<Usd>,
    ) -> BoxFuture<'a, Result<Ticket, OverBudget>> {
        Box::pin(async move {
            let ticket = self.reserve_in_turn(model, most).await?;
            self.models().insert(ticket.0, model.to_owned());
            if let Some(amount) = most.filter(|amount| *amount > Usd::ZERO) {
                let entry = Entry::Reserved {
                    ticket: ticket.0,
                    model: model.to_owned(),
                    amount,
                };
                if self.budget.limit().is_some() {
                    let written = self.writer.record(vec![entry]).await;
                    written.map_err(|error| OverBudget::Journal(error.to_string()))?;
                } else {
                    // Nothing depends on it before a limit is set, so the request is not held up.
                    self.writer.note(vec![entry]);
                }
            }
            Ok(ticket)
        })
    }

    fn settle(&self, ticket: Ticket, cost: Option<Usd>) -> BoxFuture<'_, ()> {
        self.budget.close(&ticket, cost.unwrap_or(Usd::ZERO));
        self.closed.notify_waiters();
        let model = self.models().remove(&ticket.0);
        // Not waited for: what matters next is the answer, which is written after it, in order.
        self.writer.note(vec![Entry::Settled {
            ticket: ticket.0,
            model: model.unwrap_or_default(),
            cost,
        }]);
        Box::pin(std::future::ready(()))
    }

    fn release(&self, ticket: Ticket) -> BoxFuture<'_, ()> {
        self.budget.close(&ticket, Usd::ZERO);
        self.models().remove(&ticket.0);
        if self.budget.limit().is_some() {
            self.writer.note(vec![Entry::Released { ticket: ticket.0 }]);
        }
        Box::pin(std::future::ready(()))
    }
}
