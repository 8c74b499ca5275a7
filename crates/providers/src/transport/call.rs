//! One request, from the first attempt to the last: places, money, retries.

use autodidact_core::Usd;
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::attempt::{Attempt, Failure, Received};
use super::backoff::backoff;
use super::endpoint::Endpoint;
use super::gate::{Closed, Place};
use crate::{Billed, ErrorClass, ProviderError, Purse, Ticket};

/// A request with everything that is needed to pay for it.
pub(super) struct Call<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) attempt: Attempt<'a>,
    /// Tokens it takes at most.
    pub(super) tokens: u64,
    /// What it costs at most.
    pub(super) most: Option<Usd>,
    pub(super) purse: &'a dyn Purse,
    /// Do not repeat what may have been done already.
    pub(super) once: bool,
}

/// An answer, and the reservation to settle.
pub(super) struct Done {
    pub(super) received: Received,
    pub(super) ticket: Ticket,
    pub(super) request_id: Option<String>,
}

impl Call<'_> {
    pub(super) async fn run(&self) -> Result<Done, ProviderError> {
        let mut last: Option<ProviderError> = None;
        let mut avoid = None;
        let mut attempt = 1;
        loop {
            // One place among all requests to the model; not held while waiting to try again.
            let permit = self.endpoint.permits.acquire().await;
            let (place, ticket) = match self.enter(avoid).await {
                Ok(entered) => entered,
                Err(error) => return Err(refined(error, last)),
            };
            let in_flight = self.endpoint.counters.begin(attempt);
            let server = place.server;
            let made = self.attempt.make(&self.endpoint.servers[server]).await;
            drop(in_flight);
            let failure = match made {
                Ok((received, request_id)) => {
                    place.works();
                    return Ok(Done {
                        received,
                        ticket,
                        request_id,
                    });
                }
                Err(failure) => failure,
            };
            let Failure { mut error, retry } = failure;
            if self.once && may_have_arrived(error.status) {
                error.billed = Billed::Unknown;
            }
            place.failed(error.class, error.retry_after);
            drop(permit);
            if error.billed == Billed::No {
                self.purse.release(ticket).await;
            }
            error.attempts = attempt;
            if error.class == ErrorClass::Money {
                // The first such answer stands for all that would follow.
                let _ = self.endpoint.out_of_money.set(error.clone());
            }
            self.note(&error, server);
            let unsure = self.once && error.billed == Billed::Unknown;
            if !retry || unsure || attempt >= self.endpoint.attempts {
                return Err(error);
            }
            if error.retry_after.is_none() {
                sleep(backoff(attempt)).await;
            }
            avoid = Some(server);
            last = Some(error);
            attempt += 1;
        }
    }

    /// Waits until the request may leave, reserves its money, and takes a place.
    async fn enter(&self, avoid: Option<usize>) -> Result<(Place<'_>, Ticket), ProviderError> {
        let gate = &self.endpoint.gate;
        let mut failing_since: Option<Instant> = None;
        loop {
            gate.opened(self.tokens, &mut failing_since)
                .await
                .map_err(|closed| self.closed(closed))?;
            if let Some(spent) = self.endpoint.out_of_money.get() {
                // Requests that were waiting would only be refused one by one.
                return Err(spent.clone());
            }
            let ticket = self
                .purse
                .reserve(self.attempt.model, self.most)
                .await
                .map_err(|over| self.error(over.class(), over.to_string()))?;
            // Writing the reservation down takes time in which the gate may have closed.
            if let Some(place) = gate.enter(self.tokens, avoid) {
                return Ok((place, ticket));
            }
            self.purse.release(ticket).await;
        }
    }

    fn closed(&self, closed: Closed) -> ProviderError {
        match closed {
            Closed::Parked(wait) => {
                let message = format!(
                    "it asks to wait {} s, longer than `limits.longest_wait_seconds`",
                    wait.as_secs()
                );
                let mut error = self.error(ErrorClass::RateLimit, message);
                error.retry_after = Some(wait);
                error
            }
            Closed::Failing => {
                let message = "every server failed again and again and is left alone for a while";
                self.error(ErrorClass::Unavailable, message.to_owned())
            }
            Closed::TooManyTokens(limit) => {
                let message = format!(
                    "the request takes up to {} tokens, `limits.tokens_per_minute` is {limit}",
                    self.tokens
                );
                self.error(ErrorClass::BadRequest, message)
            }
        }
    }

    fn error(&self, class: ErrorClass, message: String) -> ProviderError {
        let mut error = ProviderError::new(self.attempt.model, class, message);
        error.attempts = 0;
        error
    }

    fn note(&self, error: &ProviderError, server: usize) {
        self.endpoint.counters.failed(error.class);
        debug!(
            model = self.attempt.model,
            server = self.endpoint.servers[server].base(),
            attempt = error.attempts,
            status = error.status,
            class = ?error.class,
            wait = ?error.retry_after,
            "attempt failed: {}",
            error.message
        );
    }
}

/// An error before an attempt, with what the attempts before it said.
fn refined(mut error: ProviderError, last: Option<ProviderError>) -> ProviderError {
    let Some(last) = last else {
        return error;
    };
    error.attempts = last.attempts;
    error.status = last.status;
    error.message = format!("{}; last it said: {}", error.message, last.message);
    error
}

/// True for statuses under which what was asked for may have been done all the same: a gateway or a
/// server gave up waiting. 503 and 529 refuse before anything is done.
fn may_have_arrived(status: Option<u16>) -> bool {
    matches!(status, Some(408 | 500 | 502 | 504))
}
