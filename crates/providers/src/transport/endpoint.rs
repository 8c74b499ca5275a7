//! A model's servers, and everything needed to ask them politely.

use std::sync::OnceLock;
use std::time::Duration;

use autodidact_core::{Limits, Usd};
use bytes::Bytes;
use futures::future::BoxFuture;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Semaphore;

use super::attempt::{Attempt, Received, Wanted};
use super::call::{Call, Done};
use super::gate::Gate;
use super::pace::Pace;
use super::server::Server;
use super::statistics::{Counters, Statistics};
use super::times::Times;
use crate::wire::{Auth, Framing, StreamDecoder, WireRequest};
use crate::{ApiKey, ErrorClass, OverBudget, ProviderError, Purse, Ticket};

const MINUTE: Duration = Duration::from_mins(1);
/// Anthropic API reference, versions.
const ANTHROPIC_VERSION: &str = "2023-06-01";
const JSON: &str = "application/json";

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

/// One model's servers. Requests share the load, keep the limits, wait for pauses that were asked
/// for, and are tried again where that may help.
pub struct Endpoint {
    model: String,
    key: Option<ApiKey>,
    /// The key, in its header.
    headers: HeaderMap,
    limits: Limits,
    times: Times,
    pub(super) servers: Vec<Server>,
    pub(super) permits: Semaphore,
    pub(super) gate: Gate,
    /// The answer that said that credit or quota is used up.
    pub(super) out_of_money: OnceLock<ProviderError>,
    pub(super) attempts: u32,
    pub(super) counters: Counters,
}

impl Endpoint {
    /// An endpoint with one connection pool for each base URL.
    ///
    /// An unusable base URL, or a key that fits in no header, is [`ErrorClass::Declaration`].
    pub fn new(
        model: &str,
        base_urls: &[String],
        auth: Auth,
        key: Option<ApiKey>,
        limits: &Limits,
    ) -> Result<Self, ProviderError> {
        let times = Times::new(limits);
        let concurrency = limits.concurrency.max(1) as usize;
        let servers = base_urls
            .iter()
            .map(|url| Server::new(model, url, times.connect, concurrency))
            .collect::<Result<Vec<Server>, ProviderError>>()?;
        if servers.is_empty() {
            let message = "`base_url` is missing";
            return Err(ProviderError::new(model, ErrorClass::Declaration, message));
        }
        let mut headers = HeaderMap::new();
        if let Some(key) = &key {
            let (name, value) = auth_header(model, auth, key)?;
            headers.insert(name, value);
        }
        if auth == Auth::XApiKey {
            // Anthropic wants its version with every request, also with those that adapters do not
            // write, such as looks at a batch.
            headers.insert(
                "anthropic-version",
                HeaderValue::from_static(ANTHROPIC_VERSION),
            );
        }
        Ok(Self {
            model: model.to_owned(),
            key,
            headers,
            limits: limits.clone(),
            times,
            permits: Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS)),
            gate: Gate::new(servers.len(), pace(limits, MINUTE), times.longest_wait),
            out_of_money: OnceLock::new(),
            servers,
            attempts: limits.attempts.max(1),
            counters: Counters::default(),
        })
    }

    /// A provider's words without this endpoint's key, if they repeat it.
    pub(crate) fn without_key(&self, text: &str) -> String {
        crate::redact::redacted(text, self.key.as_ref())
    }

    /// Counts requests and tokens in windows of another length than 60 seconds: for providers that
    /// count by the second, and for tests.
    #[must_use]
    pub fn with_window(mut self, window: Duration) -> Self {
        self.gate.set_pace(pace(&self.limits, window));
        self
    }

    /// Posts JSON and returns the whole body of a 200, through pacing, retries and the purse.
    pub async fn post(
        &self,
        request: &WireRequest,
        most: Option<Usd>,
        purse: &dyn Purse,
    ) -> Result<Paid<Bytes>, ProviderError> {
        let done = self.paid(request, Wanted::Json, most, purse).await?;
        match done.received {
            Received::Whole(value) => Ok(Paid {
                value,
                ticket: done.ticket,
                request_id: done.request_id,
            }),
            Received::Pieces(_) => Err(self.mixed_up()),
        }
    }

    /// The same for an answer in pieces. `decoder` makes a fresh decoder for each attempt.
    pub async fn post_stream(
        &self,
        request: &WireRequest,
        framing: Framing,
        decoder: &(dyn Fn() -> Box<dyn StreamDecoder> + Send + Sync),
        most: Option<Usd>,
        purse: &dyn Purse,
    ) -> Result<Paid<Box<dyn StreamDecoder>>, ProviderError> {
        let wanted = Wanted::Pieces(framing, decoder);
        let done = self.paid(request, wanted, most, purse).await?;
        match done.received {
            Received::Pieces(value) => Ok(Paid {
                value,
                ticket: done.ticket,
                request_id: done.request_id,
            }),
            Received::Whole(_) => Err(self.mixed_up()),
        }
    }

    /// Gets a body of any kind, which may be empty.
    pub async fn get(&self, path: &str) -> Result<Bytes, ProviderError> {
        self.unpaid(Method::GET, path, self.headers.clone(), Bytes::new(), false)
            .await
    }

    /// Posts what costs nothing by itself, such as an upload or the end of a batch. It is repeated
    /// like every other request; what must not be done twice goes through [`Self::post_once`].
    pub async fn post_unpaid(
        &self,
        path: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
        content_type: &str,
    ) -> Result<Bytes, ProviderError> {
        let headers = self.headers(headers, content_type)?;
        self.unpaid(Method::POST, path, headers, body, false).await
    }

    /// Like [`Self::post_unpaid`], but not repeated once it may have arrived: a batch that is
    /// created twice is paid twice. The error's [`crate::Billed`] tells which it is.
    pub async fn post_once(
        &self,
        path: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
        content_type: &str,
    ) -> Result<Bytes, ProviderError> {
        let headers = self.headers(headers, content_type)?;
        self.unpaid(Method::POST, path, headers, body, true).await
    }

    /// What it has done so far.
    pub fn statistics(&self) -> Statistics {
        self.counters.read()
    }

    async fn paid<'a>(
        &'a self,
        request: &'a WireRequest,
        wanted: Wanted<'a>,
        most: Option<Usd>,
        purse: &'a dyn Purse,
    ) -> Result<Done, ProviderError> {
        let call = Call {
            endpoint: self,
            attempt: self.attempt(
                Method::POST,
                &request.path,
                self.headers(&request.headers, JSON)?,
                request.body.clone(),
                wanted,
            ),
            tokens: request.tokens,
            most,
            purse,
            once: false,
        };
        self.counters.run(call.run()).await
    }

    async fn unpaid(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
        once: bool,
    ) -> Result<Bytes, ProviderError> {
        let call = Call {
            endpoint: self,
            attempt: self.attempt(method, path, headers, body, Wanted::File),
            tokens: 0,
            most: None,
            purse: &Free,
            once,
        };
        match self.counters.run(call.run()).await?.received {
            Received::Whole(body) => Ok(body),
            Received::Pieces(_) => Err(self.mixed_up()),
        }
    }

    fn attempt<'a>(
        &'a self,
        method: Method,
        path: &'a str,
        headers: HeaderMap,
        body: Bytes,
        wanted: Wanted<'a>,
    ) -> Attempt<'a> {
        Attempt {
            model: &self.model,
            key: self.key.as_ref(),
            times: self.times,
            method,
            path,
            headers,
            body,
            wanted,
        }
    }

    /// The key's header, the content type, and these.
    fn headers(
        &self,
        extra: &[(&'static str, String)],
        content_type: &str,
    ) -> Result<HeaderMap, ProviderError> {
        let unusable = |name: &str| {
            let message = format!("the value of the header `{name}` cannot be sent");
            ProviderError::new(&self.model, ErrorClass::BadRequest, message)
        };
        let mut headers = self.headers.clone();
        let kind = HeaderValue::from_str(content_type).map_err(|_| unusable("content-type"))?;
        headers.insert(CONTENT_TYPE, kind);
        for (name, value) in extra {
            let value = HeaderValue::from_str(value).map_err(|_| unusable(name))?;
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable(name))?;
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// Cannot happen: what is received is what was wanted.
    fn mixed_up(&self) -> ProviderError {
        let message = "the answer came in another form than was asked for";
        ProviderError::new(&self.model, ErrorClass::Malformed, message)
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let servers: Vec<&str> = self.servers.iter().map(Server::base).collect();
        f.debug_struct("Endpoint")
            .field("model", &self.model)
            .field("servers", &servers)
            .finish_non_exhaustive()
    }
}

fn pace(limits: &Limits, window: Duration) -> Pace {
    Pace::new(window, limits.requests_per_minute, limits.tokens_per_minute)
}

fn auth_header(
    model: &str,
    auth: Auth,
    key: &ApiKey,
) -> Result<(HeaderName, HeaderValue), ProviderError> {
    let (name, value) = match auth {
        Auth::Bearer => (
            AUTHORIZATION,
            HeaderValue::from_str(&format!("Bearer {}", key.expose())),
        ),
        Auth::XApiKey => (
            HeaderName::from_static("x-api-key"),
            HeaderValue::from_str(key.expose()),
        ),
        Auth::XGoogApiKey => (
            HeaderName::from_static("x-goog-api-key"),
            HeaderValue::from_str(key.expose()),
        ),
    };
    let mut value = value.map_err(|_| {
        let message = "the key holds characters that no header can hold";
        ProviderError::new(model, ErrorClass::Declaration, message)
    })?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// The purse of requests that cost nothing by themselves.
struct Free;

impl Purse for Free {
    fn reserve<'a>(
        &'a self,
        _model: &'a str,
        _most: Option<Usd>,
    ) -> BoxFuture<'a, Result<Ticket, OverBudget>> {
        Box::pin(std::future::ready(Ok(Ticket(0))))
    }

    fn settle(&self, _ticket: Ticket, _cost: Option<Usd>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn release(&self, _ticket: Ticket) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
