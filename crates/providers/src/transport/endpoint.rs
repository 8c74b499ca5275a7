//! A model's servers, and everything needed to ask them politely.

use autodidact_core::{Limits, Usd};
use bytes::Bytes;

use crate::wire::{Auth, Framing, StreamDecoder, WireRequest};
use crate::{ApiKey, ErrorClass, ProviderError, Purse, Ticket};

/// An answer that was received completely and is to be settled.
#[derive(Debug)]
pub struct Paid<T> {
    /// What arrived.
    pub value: T,
    /// The reservation; whoever knows the cost settles it.
    pub ticket: Ticket,
    /// The provider's name for the request, from a header.
    pub request_id: Option<String>,
}

/// One model's servers.
#[derive(Debug)]
pub struct Endpoint {
    model: String,
}

impl Endpoint {
    /// An endpoint with one connection pool for each base URL.
    pub fn new(
        model: &str,
        _base_urls: &[String],
        _auth: Auth,
        _key: Option<ApiKey>,
        _limits: &Limits,
    ) -> Result<Self, ProviderError> {
        Ok(Self {
            model: model.to_owned(),
        })
    }

    /// Posts JSON and returns the whole body of a 200, through pacing, retries and the purse.
    pub async fn post(
        &self,
        _request: &WireRequest,
        _most: Option<Usd>,
        _purse: &dyn Purse,
    ) -> Result<Paid<Bytes>, ProviderError> {
        Err(self.unfinished())
    }

    /// The same for an answer in pieces. `decoder` makes a fresh decoder for each attempt.
    pub async fn post_stream(
        &self,
        _request: &WireRequest,
        _framing: Framing,
        _decoder: &(dyn Fn() -> Box<dyn StreamDecoder> + Send + Sync),
        _most: Option<Usd>,
        _purse: &dyn Purse,
    ) -> Result<Paid<Box<dyn StreamDecoder>>, ProviderError> {
        Err(self.unfinished())
    }

    fn unfinished(&self) -> ProviderError {
        ProviderError::new(
            &self.model,
            ErrorClass::Network,
            "the transport is being written",
        )
    }
}
