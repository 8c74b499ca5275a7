//! What the tests of the transport share.
#![allow(dead_code, reason = "every test file uses a part of it")]
#![allow(unreachable_pub, reason = "each test file is a crate of its own")]

use autodidact_core::{Limits, Usd};
use autodidact_providers::{
    ApiKey, Auth, Billed, Budget, Endpoint, ErrorClass, Framing, Paid, Parsed, ProviderError,
    StreamDecoder, WireRequest,
};
use autodidact_testkit::{Act, Reply};
use bytes::Bytes;
use serde_json::json;

/// What one request may cost at most.
pub const MOST: Usd = Usd::from_nano(1_000);

pub fn limits(concurrency: u32, attempts: u32) -> Limits {
    Limits {
        concurrency,
        attempts,
        ..Limits::default()
    }
}

pub fn endpoint(urls: &[String], limits: &Limits) -> Endpoint {
    let key = Some(ApiKey::new("sk-test-0123456789"));
    Endpoint::new("model", urls, Auth::Bearer, key, limits).unwrap()
}

pub fn request(path: &str) -> WireRequest {
    WireRequest {
        path: path.to_owned(),
        headers: Vec::new(),
        body: Bytes::from_static(b"{\"messages\":[]}"),
        tokens: 10,
    }
}

pub fn unlimited() -> Budget {
    Budget::new(None, Usd::ZERO)
}

pub async fn post(endpoint: &Endpoint, budget: &Budget) -> Result<Paid<Bytes>, ProviderError> {
    endpoint.post(&request("/chat"), Some(MOST), budget).await
}

/// A stream of server-sent events, whose events are kept.
pub async fn stream(
    endpoint: &Endpoint,
    path: &str,
    budget: &Budget,
) -> Result<Paid<Box<dyn StreamDecoder>>, ProviderError> {
    let decoder = || Box::new(Collector::default()) as Box<dyn StreamDecoder>;
    endpoint
        .post_stream(&request(path), Framing::Sse, &decoder, Some(MOST), budget)
        .await
}

/// Keeps every event; done at `[DONE]` or `message_stop`. Its answer's `model` is `done` or `open`
/// and the number of events.
#[derive(Default)]
pub struct Collector {
    events: usize,
    done: bool,
}

impl StreamDecoder for Collector {
    fn event(&mut self, name: &str, data: &str) -> Result<(), ProviderError> {
        if data == "[DONE]" || name == "message_stop" {
            self.done = true;
        } else if serde_json::from_str::<serde_json::Value>(data).is_err() {
            let message = format!("half an event was delivered: {data}");
            return Err(ProviderError::new("model", ErrorClass::Engine, message));
        }
        self.events += 1;
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn finish(self: Box<Self>) -> Result<Parsed, ProviderError> {
        let end = if self.done { "done" } else { "open" };
        Ok(Parsed {
            replies: Vec::new(),
            usage: None,
            model: format!("{end} {}", self.events),
            request_id: None,
        })
    }
}

pub fn answer() -> Act {
    Act::json(200, &json!({"choices": []}))
}

/// An error as OpenAI words it.
pub fn refusal(status: u16, kind: &str, code: &str) -> Reply {
    let error = json!({"error": {"message": "no", "type": kind, "code": code}});
    Reply::json(status, &error)
}

/// Whether the reservation of the last attempt was to be kept.
pub fn kept(error: &ProviderError) -> bool {
    error.billed == Billed::Unknown
}
