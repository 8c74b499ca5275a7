//! One face for every batch interface.

use std::collections::HashSet;

use autodidact_core::{Price, ProviderKind, Usd};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::entry::Entries;
use super::{anthropic, files, gemini};
use crate::adapters::Adapter;
use crate::remote::highest_cost;
use crate::{
    Billed, ChatModel, ChatRequest, ErrorClass, Parsed, ProviderError, RemoteModel, batch_price,
};

/// The provider's name for a batch, to be kept until its results are read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BatchId(pub String);

/// How far a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchState {
    /// It is being answered. Some providers count only at the end.
    InProgress {
        /// Requests that are done, failed ones included.
        done: u64,
        /// All requests.
        total: u64,
    },
    /// Its results can be read, also if it failed, expired or was cancelled.
    Ended,
}

/// The answer to one request of a batch, or why there is none.
pub type BatchResult = (String, Result<Parsed, ProviderError>);

/// A request's name and body.
pub(super) type Body = (String, Map<String, Value>);

/// Which batch interface a provider has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interface {
    Files(files::Flavor),
    Anthropic,
    Gemini,
}

/// The batch interface of a model. Money is the caller's: reserve [`Self::most`] before
/// [`Self::submit`], and settle the sum of [`Self::cost`] after [`Self::results`].
#[derive(Debug, Clone, Copy)]
pub struct BatchClient<'a> {
    model: &'a RemoteModel,
    interface: Interface,
}

impl<'a> BatchClient<'a> {
    /// Fails with [`ErrorClass::Declaration`] if the provider has no batch interface.
    pub fn new(model: &'a RemoteModel) -> Result<Self, ProviderError> {
        let interface = match (model.spec().provider, model.adapter()) {
            (ProviderKind::Openai, _) => Some(Interface::Files(files::Flavor::Openai)),
            (ProviderKind::Together, _) => Some(Interface::Files(files::Flavor::Together)),
            (ProviderKind::Mistral, _) => Some(Interface::Files(files::Flavor::Mistral)),
            (_, Adapter::Anthropic) => Some(Interface::Anthropic),
            (_, Adapter::Gemini) => Some(Interface::Gemini),
            _ => None,
        };
        let interface = interface.filter(|_| model.capabilities().batch);
        let interface = interface.ok_or_else(|| {
            let message = format!(
                "provider {} has no batch interface: leave out `batch`",
                model.spec().provider
            );
            ProviderError::new(&model.spec().name, ErrorClass::Declaration, message)
        })?;
        Ok(Self { model, interface })
    }

    /// Most requests and most bytes of one batch (OpenAI: 50,000 and 200 MB; Anthropic: 100,000 and
    /// 256 MB; Gemini: 20 MB; Mistral: a million). Bytes are kept under what one transfer of the
    /// results may hold.
    pub fn limits(&self) -> (usize, usize) {
        match self.interface {
            Interface::Files(_) => (50_000, 48 << 20),
            Interface::Anthropic => (100_000, 48 << 20),
            Interface::Gemini => (20_000, 18 << 20),
        }
    }

    /// Sends requests as one batch. Each has a name of its own: 1 to 64 letters, digits, `-` and
    /// `_`. It is not repeated once it may have arrived, since a batch that is created twice is paid
    /// twice; [`ProviderError::billed`] tells.
    pub async fn submit(
        &self,
        requests: &[(String, ChatRequest)],
    ) -> Result<BatchId, ProviderError> {
        self.check_names(requests)?;
        let bodies = self.bodies(requests)?;
        match self.interface {
            Interface::Files(flavor) => files::submit(self, flavor, &bodies).await,
            Interface::Anthropic => anthropic::submit(self, bodies).await,
            Interface::Gemini => gemini::submit(self, bodies).await,
        }
    }

    /// Asks how far a batch is.
    pub async fn poll(&self, id: &BatchId) -> Result<BatchState, ProviderError> {
        let shown = self.show(id).await?;
        Ok(match self.interface {
            Interface::Files(_) => files::state(&shown),
            Interface::Anthropic => anthropic::state(&shown),
            Interface::Gemini => gemini::state(&shown),
        })
    }

    /// Reads the results of a batch that has ended: one for each request, in their order. `requests`
    /// are those that were submitted. Fails as a whole if the provider refused the batch as a whole.
    pub async fn results(
        &self,
        id: &BatchId,
        requests: &[(String, ChatRequest)],
    ) -> Result<Vec<BatchResult>, ProviderError> {
        let shown = self.show(id).await?;
        let mut entries = Entries::new(self.model, requests);
        match self.interface {
            Interface::Files(_) => files::results(self, &shown, &mut entries).await?,
            Interface::Anthropic => anthropic::results(self, id, &mut entries).await?,
            Interface::Gemini => gemini::results(&shown, &mut entries)?,
        }
        let endpoint = self.model.endpoint();
        let mut results = entries.finish();
        for (_, outcome) in &mut results {
            if let Err(error) = outcome {
                error.message = endpoint.without_key(&error.message);
            }
        }
        Ok(results)
    }

    /// Asks for the end of a batch; what is answered already may still be charged.
    pub async fn cancel(&self, id: &BatchId) -> Result<(), ProviderError> {
        let path = match self.interface {
            Interface::Gemini => format!("{}:cancel", self.path(id)?),
            _ => format!("{}/cancel", self.path(id)?),
        };
        let headers = self.headers();
        let body = Bytes::from_static(b"{}");
        let endpoint = self.model.endpoint();
        endpoint
            .post_unpaid(&path, &headers, body, "application/json")
            .await?;
        Ok(())
    }

    /// What the requests cost at most together; `None` where the price is unknown.
    pub fn most(&self, requests: &[(String, ChatRequest)]) -> Option<Usd> {
        let price = self.price()?;
        let most =
            |(_, request): &(String, ChatRequest)| highest_cost(&self.model.call(request), &price);
        Some(requests.iter().map(most).sum())
    }

    /// What one answer cost: by its usage, or the most it may have cost where that is not given.
    pub fn cost(&self, request: &ChatRequest, parsed: &Parsed) -> Option<Usd> {
        let price = self.price()?;
        let most = || highest_cost(&self.model.call(request), &price);
        Some(parsed.usage.map_or_else(most, |usage| usage.cost(&price)))
    }

    /// Half of the model's price.
    pub fn price(&self) -> Option<Price> {
        self.model.price().map(batch_price)
    }

    pub(super) fn model(&self) -> &'a RemoteModel {
        self.model
    }

    /// Headers beside key and content type.
    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        self.model.adapter().headers()
    }

    /// Creates what must not be created twice.
    pub(super) async fn create(&self, path: &str, body: &Value) -> Result<Value, ProviderError> {
        let bytes = serde_json::to_vec(body)
            .map_err(|error| self.refuse(format!("the batch cannot be written: {error}")))?;
        self.check_size(bytes.len())?;
        let endpoint = self.model.endpoint();
        let headers = self.headers();
        let body = Bytes::from(bytes);
        let created = endpoint
            .post_once(path, &headers, body, "application/json")
            .await?;
        // From here on the batch may be there, whatever its description looks like.
        self.json(&created).map_err(|error| ProviderError {
            billed: Billed::Unknown,
            ..error
        })
    }

    pub(super) fn check_size(&self, bytes: usize) -> Result<(), ProviderError> {
        let most = self.limits().1;
        if bytes <= most {
            return Ok(());
        }
        Err(self.refuse(format!(
            "a batch of {bytes} bytes is more than the {most} that fit: make several"
        )))
    }

    pub(super) fn json(&self, body: &[u8]) -> Result<Value, ProviderError> {
        serde_json::from_slice(body).map_err(|error| {
            let message = format!("what came back about the batch is no JSON: {error}");
            ProviderError::new(&self.model.spec().name, ErrorClass::Malformed, message)
        })
    }

    pub(super) fn refuse(&self, message: String) -> ProviderError {
        ProviderError::new(&self.model.spec().name, ErrorClass::BadRequest, message)
    }

    async fn show(&self, id: &BatchId) -> Result<Value, ProviderError> {
        let body = self.model.endpoint().get(&self.path(id)?).await?;
        self.json(&body)
    }

    /// Names come from outside and become paths.
    pub(super) fn path(&self, id: &BatchId) -> Result<String, ProviderError> {
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/');
        if id.0.is_empty() || id.0.len() > 200 || !id.0.chars().all(letter) {
            return Err(self.refuse(format!("{:?} is no name of a batch", id.0)));
        }
        Ok(match self.interface {
            Interface::Files(files::Flavor::Mistral) => format!("/batch/jobs/{}", id.0),
            Interface::Files(_) => format!("/batches/{}", id.0),
            Interface::Anthropic => format!("/v1/messages/batches/{}", id.0),
            Interface::Gemini => format!("/v1beta/{}", id.0),
        })
    }

    fn check_names(&self, requests: &[(String, ChatRequest)]) -> Result<(), ProviderError> {
        let most = self.limits().0;
        if requests.is_empty() || requests.len() > most {
            let count = requests.len();
            let message = format!("a batch of {count} requests: give 1 to {most}");
            return Err(self.refuse(message));
        }
        let mut seen = HashSet::with_capacity(requests.len());
        for (name, _) in requests {
            let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if !(1..=64).contains(&name.len()) || !name.chars().all(letter) {
                return Err(self.refuse(format!(
                    "{name:?} cannot name a request: use 1 to 64 letters, digits, - and _"
                )));
            }
            if !seen.insert(name) {
                return Err(self.refuse(format!("two requests are named {name:?}")));
            }
        }
        Ok(())
    }

    fn bodies(&self, requests: &[(String, ChatRequest)]) -> Result<Vec<Body>, ProviderError> {
        let body = |(name, request): &(String, ChatRequest)| {
            let body = self.model.adapter().body(&self.model.call(request))?;
            Ok((name.clone(), body))
        };
        requests.iter().map(body).collect()
    }
}
