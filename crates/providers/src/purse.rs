//! Money: every request reserves what it may cost at most, and settles what it did cost.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use autodidact_core::Usd;
use futures::future::BoxFuture;
use thiserror::Error;

use crate::ErrorClass;

/// A reservation. One that is neither settled nor released stays spent: the request may have been
/// answered and charged after the connection broke.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// A request that the budget does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OverBudget {
    /// Spent and reserved money and this request together are more than the limit.
    #[error(
        "the budget of {limit} does not hold another request of up to {wanted}: {spent} is spent or reserved"
    )]
    Exceeded {
        /// The limit.
        limit: Usd,
        /// Spent and reserved so far.
        spent: Usd,
        /// What the request may cost.
        wanted: Usd,
    },
    /// There is a limit, and nobody knows what the request costs.
    #[error(
        "the price of {0} is unknown, so a budget cannot be kept; give `price` in its entry, or do without `budget_usd`"
    )]
    UnknownPrice(String),
    /// The reservation could not be written down.
    #[error("a reservation could not be written down: {0}")]
    Journal(String),
}

impl OverBudget {
    /// What kind of trouble it is for the request.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Exceeded { .. } => ErrorClass::Budget,
            Self::UnknownPrice(_) => ErrorClass::Declaration,
            Self::Journal(_) => ErrorClass::Interrupted,
        }
    }
}

/// Where requests are paid from: the seam between sending and bookkeeping. Nothing is sent before
/// its reservation is written down, so that a killed program never forgets money.
pub trait Purse: Send + Sync {
    /// Reserves the most a request of `model` may cost; `None` where the price is unknown.
    fn reserve<'a>(
        &'a self,
        model: &'a str,
        most: Option<Usd>,
    ) -> BoxFuture<'a, Result<Ticket, OverBudget>>;

    /// The request was answered and cost this much; `None` where nobody knows.
    fn settle(&self, ticket: Ticket, cost: Option<Usd>) -> BoxFuture<'_, ()>;

    /// The request was certainly not charged.
    fn release(&self, ticket: Ticket) -> BoxFuture<'_, ()>;
}

/// Money in memory: a limit, what is spent, what is reserved.
#[derive(Debug)]
pub struct Budget {
    limit: Option<Usd>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    spent: Usd,
    reserved: Usd,
    open: HashMap<u64, Usd>,
    next: u64,
}

impl Budget {
    /// A budget of which `spent` is gone already. Without a limit money is only counted.
    pub fn new(limit: Option<Usd>, spent: Usd) -> Self {
        Self {
            limit,
            state: Mutex::new(State {
                spent,
                ..State::default()
            }),
        }
    }

    /// The same with reservations that earlier attempts left open. New tickets are numbered after
    /// them.
    #[must_use]
    pub fn with_open(self, open: impl IntoIterator<Item = (Ticket, Usd)>) -> Self {
        let mut state = self.lock();
        for (ticket, amount) in open {
            state.next = state.next.max(ticket.0 + 1);
            state.reserved += amount;
            state.open.insert(ticket.0, amount);
        }
        drop(state);
        self
    }

    /// The limit.
    pub fn limit(&self) -> Option<Usd> {
        self.limit
    }

    /// Settled so far: what stays spent whatever requests under way come to.
    pub fn settled(&self) -> Usd {
        self.lock().spent
    }

    /// Spent and reserved so far.
    pub fn committed(&self) -> Usd {
        let state = self.lock();
        state.spent + state.reserved
    }

    /// Reserves at once or not at all; check and reservation are one step.
    pub fn try_reserve(&self, model: &str, most: Option<Usd>) -> Result<Ticket, OverBudget> {
        let mut state = self.lock();
        let wanted = match (most, self.limit) {
            (Some(most), _) => most,
            (None, None) => Usd::ZERO,
            (None, Some(_)) => return Err(OverBudget::UnknownPrice(model.to_owned())),
        };
        let spent = state.spent + state.reserved;
        if let Some(limit) = self.limit
            && spent + wanted > limit
        {
            return Err(OverBudget::Exceeded {
                limit,
                spent,
                wanted,
            });
        }
        state.reserved += wanted;
        let ticket = state.next;
        state.next += 1;
        state.open.insert(ticket, wanted);
        Ok(Ticket(ticket))
    }

    /// Turns a reservation into what was really spent, which may be more if the provider charges
    /// more than it promised.
    pub fn close(&self, ticket: &Ticket, cost: Usd) {
        let mut state = self.lock();
        if let Some(reserved) = state.open.remove(&ticket.0) {
            state.reserved = state.reserved.saturating_sub(reserved);
            state.spent += cost;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing that holds this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Purse for Budget {
    fn reserve<'a>(
        &'a self,
        model: &'a str,
        most: Option<Usd>,
    ) -> BoxFuture<'a, Result<Ticket, OverBudget>> {
        Box::pin(std::future::ready(self.try_reserve(model, most)))
    }

    fn settle(&self, ticket: Ticket, cost: Option<Usd>) -> BoxFuture<'_, ()> {
        self.close(&ticket, cost.unwrap_or(Usd::ZERO));
        Box::pin(std::future::ready(()))
    }

    fn release(&self, ticket: Ticket) -> BoxFuture<'_, ()> {
        self.close(&ticket, Usd::ZERO);
        Box::pin(std::future::ready(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cents(cents: u64) -> Usd {
        Usd::from_nano(cents * 10_000_000)
    }

    #[test]
    fn reservations_never_pass_the_limit_and_settle_to_what_was_spent() {
        let budget = Budget::new(Some(cents(10)), cents(1));
        let first = budget.try_reserve("m", Some(cents(5))).unwrap();
        assert!(matches!(
            budget.try_reserve("m", Some(cents(5))),
            Err(OverBudget::Exceeded { .. })
        ));
        budget.close(&first, cents(2));
        assert_eq!(budget.committed(), cents(3));
        budget.close(&first, cents(2));
        assert_eq!(budget.committed(), cents(3), "a ticket settles once");
        budget.try_reserve("m", Some(cents(7))).unwrap();
        assert_eq!(budget.committed(), cents(10), "an open ticket stays spent");
    }

    #[test]
    fn an_unknown_price_needs_a_budget_without_a_limit() {
        let limited = Budget::new(Some(cents(1)), Usd::ZERO);
        assert!(matches!(
            limited.try_reserve("m", None),
            Err(OverBudget::UnknownPrice(_))
        ));
        assert!(Budget::new(None, Usd::ZERO).try_reserve("m", None).is_ok());
    }
}
