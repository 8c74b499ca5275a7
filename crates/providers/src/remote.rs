//! A model behind a network: an adapter and an endpoint, put together.

use std::time::Duration;

use autodidact_core::{ModelSpec, Price, Usd};
use futures::future::BoxFuture;

use crate::adapters::{Adapter, Call};
use crate::capabilities::{default_base_url, default_key_env, key_required};
use crate::{
    Answered, ApiKey, BatchClient, Capabilities, ChatModel, ChatRequest, Endpoint, ErrorClass,
    Paid, Parsed, PriceTable, ProviderError, Purse, StreamDecoder, WireRequest,
};

/// Tokens that a chat template and a provider's own instruction add at most to a prompt.
const TEMPLATE_TOKENS: u64 = 256;
/// Tokens that a chat template adds at most to a message.
const MESSAGE_TOKENS: u64 = 16;
/// How often a request is sent whose body cannot be read.
const READINGS: u32 = 2;

/// A model that is asked over HTTP.
#[derive(Debug)]
pub struct RemoteModel {
    spec: ModelSpec,
    capabilities: Capabilities,
    adapter: Adapter,
    price: Option<Price>,
    endpoint: Endpoint,
}

impl RemoteModel {
    /// A model as it was declared. `key` is what the caller read from [`key_variable`] or from the
    /// declared command. Fails with [`ErrorClass::Key`] if a key is needed and missing, and with
    /// [`ErrorClass::Declaration`] if the declaration cannot be used.
    pub fn new(
        spec: ModelSpec,
        key: Option<ApiKey>,
        prices: &PriceTable,
    ) -> Result<Self, ProviderError> {
        let adapter = Adapter::of(&spec)?;
        if key.is_none() && key_needed(&spec) {
            return Err(missing_key(&spec));
        }
        let own = spec.base_url.as_slice();
        let usual = default_base_url(spec.provider).map(str::to_owned);
        let base_urls = match usual {
            Some(usual) if own.is_empty() => vec![usual],
            _ => own.to_vec(),
        };
        if base_urls.is_empty() {
            return Err(ProviderError::new(
                &spec.name,
                ErrorClass::Declaration,
                format!("provider {} needs a `base_url`", spec.provider),
            ));
        }
        let endpoint = Endpoint::new(&spec.name, &base_urls, adapter.auth(), key, &spec.limits)?;
        Ok(Self {
            capabilities: Capabilities::of(&spec),
            price: prices.price(&spec),
            adapter,
            endpoint,
            spec,
        })
    }

    /// The wire format it is spoken to in.
    pub fn adapter(&self) -> Adapter {
        self.adapter
    }

    /// Its servers.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A request on its way to this model.
    pub(crate) fn call<'a>(&'a self, request: &'a ChatRequest) -> Call<'a> {
        Call {
            spec: &self.spec,
            capabilities: &self.capabilities,
            request,
        }
    }

    async fn answer(
        &self,
        request: &ChatRequest,
        purse: &dyn Purse,
    ) -> Result<Answered, ProviderError> {
        let call = self.call(request);
        let pieces = self.spec.stream && self.capabilities.stream;
        let wire = self.adapter.request(&call, pieces)?;
        let most = self.most(request);
        let mut reading = 1;
        loop {
            let read = if pieces {
                self.in_pieces(&call, &wire, most, purse).await?
            } else {
                self.whole(&call, &wire, most, purse).await?
            };
            match read.value {
                Ok(parsed) => {
                    let paid = Paid {
                        value: parsed,
                        ticket: read.ticket,
                        request_id: read.request_id,
                    };
                    return Ok(self.settle(&call, paid, most, purse).await);
                }
                // What cannot be read may have been charged: its reservation stays open.
                Err(mut error) if reading < READINGS && self.is_worth_another(&error) => {
                    error.message = self.endpoint.without_key(&error.message);
                    tracing::warn!(model = self.spec.name, %error, "no answer under status 200; asking once more");
                    tokio::time::sleep(pause(&error)).await;
                    reading += 1;
                }
                Err(mut error) => {
                    // What a body says may repeat the key it was asked with.
                    error.message = self.endpoint.without_key(&error.message);
                    error.attempts = error.attempts.max(reading);
                    return Err(error);
                }
            }
        }
    }

    /// Gateways put errors of the provider behind them under status 200.
    fn is_worth_another(&self, error: &ProviderError) -> bool {
        let longest = self.spec.limits.longest_wait_seconds;
        error.class.is_retried() && pause(error).as_secs_f64() <= longest
    }

    async fn whole(
        &self,
        call: &Call<'_>,
        wire: &WireRequest,
        most: Option<Usd>,
        purse: &dyn Purse,
    ) -> Result<Paid<Result<Parsed, ProviderError>>, ProviderError> {
        let paid = self.endpoint.post(wire, most, purse).await?;
        Ok(Paid {
            value: self.adapter.parse(call, &paid.value),
            ticket: paid.ticket,
            request_id: paid.request_id,
        })
    }

    async fn in_pieces(
        &self,
        call: &Call<'_>,
        wire: &WireRequest,
        most: Option<Usd>,
        purse: &dyn Purse,
    ) -> Result<Paid<Result<Parsed, ProviderError>>, ProviderError> {
        let decoder = || -> Box<dyn StreamDecoder> { self.adapter.decoder(call) };
        let framing = self.adapter.framing();
        let paid = self
            .endpoint
            .post_stream(wire, framing, &decoder, most, purse)
            .await?;
        Ok(Paid {
            value: paid.value.finish(),
            ticket: paid.ticket,
            request_id: paid.request_id,
        })
    }

    async fn settle(
        &self,
        call: &Call<'_>,
        paid: Paid<Parsed>,
        most: Option<Usd>,
        purse: &dyn Purse,
    ) -> Answered {
        let Parsed {
            mut replies,
            usage,
            model,
            request_id,
        } = paid.value;
        replies.truncate(call.n() as usize);
        // Without usable numbers the whole reservation counts as spent.
        let counted = usage.and_then(|usage| Some(usage.cost(self.price.as_ref()?)));
        let cost = counted.or(most);
        purse.settle(paid.ticket, cost).await;
        Answered {
            replies,
            usage,
            cost,
            model,
            request_id: paid.request_id.or(request_id),
        }
    }
}

impl ChatModel for RemoteModel {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn price(&self) -> Option<Price> {
        self.price
    }

    fn most(&self, request: &ChatRequest) -> Option<Usd> {
        let price = self.price.as_ref()?;
        Some(highest_cost(&self.call(request), price))
    }

    fn batch(&self) -> Result<BatchClient<'_>, ProviderError> {
        BatchClient::new(self)
    }

    fn ask<'a>(
        &'a self,
        request: &'a ChatRequest,
        purse: &'a dyn Purse,
    ) -> BoxFuture<'a, Result<Answered, ProviderError>> {
        Box::pin(self.answer(request, purse))
    }
}

/// How long to wait after an error under status 200: as it says, otherwise a moment where the
/// provider is in trouble.
fn pause(error: &ProviderError) -> Duration {
    error.retry_after.unwrap_or(match error.class {
        ErrorClass::Malformed => Duration::ZERO,
        _ => Duration::from_secs(1),
    })
}

/// An upper bound of a request's cost. No tokenizer makes more tokens than bytes; the limit of the
/// answer includes reasoning; and the whole prompt may be written to a cache, which can cost more.
pub(crate) fn highest_cost(call: &Call<'_>, price: &Price) -> Usd {
    let (bytes, messages) = call.prompt_size();
    let input = bytes + messages * MESSAGE_TOKENS + TEMPLATE_TOKENS;
    let output = u64::from(call.request.max_tokens) * u64::from(call.n());
    let dearest = price.input.max(price.cache_write.unwrap_or(Usd::ZERO));
    dearest.per_million(input) + price.output.per_million(output)
}

/// The environment variable that holds a model's key: the declared one, or the provider's usual one.
pub fn key_variable(spec: &ModelSpec) -> Option<&str> {
    let declared = spec.key_env.as_deref();
    declared.or_else(|| default_key_env(spec.provider))
}

/// True if the model cannot be asked without a key: the declaration names one, or the provider's own
/// address is used. Servers of one's own, and others behind a `base_url`, may do without.
pub fn key_needed(spec: &ModelSpec) -> bool {
    let declared = spec.key_env.is_some() || spec.key_command.is_some();
    declared || (key_required(spec.provider) && spec.base_url.as_slice().is_empty())
}

fn missing_key(spec: &ModelSpec) -> ProviderError {
    let message = match (&spec.key_command, key_variable(spec)) {
        (Some(_), _) => "there is no key: `key_command` gave none".to_owned(),
        (None, Some(variable)) => format!("there is no key: {variable} is not set"),
        (None, None) => "there is no key".to_owned(),
    };
    ProviderError::new(&spec.name, ErrorClass::Key, message)
}
