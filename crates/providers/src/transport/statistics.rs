//! What an endpoint has done, in numbers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::call::Done;
use crate::{ErrorClass, ProviderError};

/// Counts since the endpoint was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Requests that were asked for.
    pub requests: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// Attempts that left for a server.
    pub attempts: u64,
    /// Attempts after the first of a request.
    pub retries: u64,
    /// Failed attempts, by class.
    pub errors: HashMap<ErrorClass, u64>,
    /// Attempts under way.
    pub in_flight: u64,
    /// The most attempts that were under way at once.
    pub peak_in_flight: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    requests: AtomicU64,
    answered: AtomicU64,
    attempts: AtomicU64,
    retries: AtomicU64,
    errors: Mutex<HashMap<ErrorClass, u64>>,
    in_flight: AtomicU64,
    peak: AtomicU64,
}

/// An attempt under way, until dropped.
#[derive(Debug)]
pub(super) struct InFlight<'a>(&'a Counters);

impl Counters {
    /// Counts a request and whether it was answered.
    pub(super) async fn run(
        &self,
        call: impl Future<Output = Result<Done, ProviderError>>,
    ) -> Result<Done, ProviderError> {
        self.requests.fetch_add(1, Relaxed);
        let result = call.await;
        if result.is_ok() {
            self.answered.fetch_add(1, Relaxed);
        }
        result
    }

    pub(super) fn begin(&self, attempt: u32) -> InFlight<'_> {
        self.attempts.fetch_add(1, Relaxed);
        if attempt > 1 {
            self.retries.fetch_add(1, Relaxed);
        }
        let now = self.in_flight.fetch_add(1, Relaxed) + 1;
        self.peak.fetch_max(now, Relaxed);
        InFlight(self)
    }

    pub(super) fn failed(&self, class: ErrorClass) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        *errors.entry(class).or_default() += 1;
    }

    pub(super) fn read(&self) -> Statistics {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        Statistics {
            requests: self.requests.load(Relaxed),
            answered: self.answered.load(Relaxed),
            attempts: self.attempts.load(Relaxed),
            retries: self.retries.load(Relaxed),
            errors: errors.clone(),
            in_flight: self.in_flight.load(Relaxed),
            peak_in_flight: self.peak.load(Relaxed),
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
