//! OpenTelemetry spans over OTLP/HTTP in JSON.
//!
//! The wire form is one JSON object, so that it is written here: the `opentelemetry-otlp` crate would
//! bring a protobuf stack and a second HTTP client for it. Spans hold counts and names, never texts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::error::ServerError;

/// Spans that wait to be sent; more are dropped.
const WAITING: usize = 2048;
/// Spans in one request.
const TOGETHER: usize = 256;
/// How long a span waits for others.
const GATHER: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where spans go: the standard variables of OpenTelemetry.
#[derive(Clone)]
pub struct TelemetrySettings {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`; spans go to `/v1/traces` below it.
    pub endpoint: String,
    /// `OTEL_EXPORTER_OTLP_HEADERS`, which may hold keys: `name=value,…`.
    pub headers: Option<String>,
    /// `OTEL_SERVICE_NAME`.
    pub service: Option<String>,
}

impl std::fmt::Debug for TelemetrySettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TelemetrySettings").finish_non_exhaustive()
    }
}

/// The span that a client's request belongs to (W3C Trace Context).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceParent {
    trace: u128,
    span: u64,
}

impl TraceParent {
    /// `00-<32 hex>-<16 hex>-<2 hex>`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let lengths = [version, trace, span, flags].map(str::len) == [2, 32, 16, 2];
        let hex = text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
        let parsed = Self {
            trace: u128::from_str_radix(trace, 16).ok()?,
            span: u64::from_str_radix(span, 16).ok()?,
        };
        (lengths && hex && version != "ff" && parsed.trace != 0 && parsed.span != 0)
            .then_some(parsed)
    }
}

/// A request that has ended.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) parent: Option<TraceParent>,
    pub(crate) begun: SystemTime,
    pub(crate) lasted: Duration,
    pub(crate) attributes: Vec<Value>,
    pub(crate) failed: bool,
}

impl Span {
    fn body(&self) -> Value {
        let trace = self
            .parent
            .map_or_else(|| fastrand::u128(1..), |parent| parent.trace);
        let begun = self.begun.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut span = json!({
            "traceId": format!("{trace:032x}"),
            "spanId": format!("{:016x}", fastrand::u64(1..)),
            "name": self.name,
            "kind": 2,
            "startTimeUnixNano": begun.as_nanos().to_string(),
            "endTimeUnixNano": (begun + self.lasted).as_nanos().to_string(),
            "attributes": self.attributes,
            "status": if self.failed { json!({ "code": 2 }) } else { json!({}) },
        });
        if let Some(parent) = self.parent {
            span["parentSpanId"] = json!(format!("{:016x}", parent.span));
        }
        span
    }
}

/// Takes spans without ever holding anyone up.
#[derive(Debug)]
pub(crate) struct Exporter {
    sender: Sender<Span>,
}

impl Exporter {
    /// Starts the task that sends.
    pub(crate) fn start(settings: &TelemetrySettings) -> Result<Self, ServerError> {
        let (client, url) = client(settings)?;
        let service = settings
            .service
            .clone()
            .unwrap_or_else(|| "autodidact".to_owned());
        let (sender, receiver) = channel(WAITING);
        tokio::spawn(export(client, url, service, receiver));
        Ok(Self { sender })
    }

    /// Hands a span over, or drops it if too many wait.
    pub(crate) fn send(&self, span: Span) {
        if self.sender.try_send(span).is_err() {
            tracing::debug!("a span was dropped");
        }
    }
}

fn client(settings: &TelemetrySettings) -> Result<(Client, Url), ServerError> {
    let wrong = |text: &str| ServerError::Telemetry(text.to_owned());
    let base = settings.endpoint.trim().trim_end_matches('/');
    // The endpoint is not repeated: it may hold a password.
    let url = Url::parse(&format!("{base}/v1/traces")).map_err(|_| wrong("is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("must begin with http:// or https://"));
    }
    let mut headers = HeaderMap::new();
    let pairs = settings.headers.as_deref().unwrap_or("").split(',');
    for pair in pairs.filter(|pair| !pair.trim().is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| wrong("OTEL_EXPORTER_OTLP_HEADERS must be `name=value,…`"))?;
        let name = HeaderName::from_bytes(name.trim().as_bytes());
        let value = HeaderValue::from_str(value.trim());
        let (Ok(name), Ok(mut value)) = (name, value) else {
            return Err(wrong("OTEL_EXPORTER_OTLP_HEADERS holds what is no header"));
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    let tls = rustls::crypto::ring::default_provider();
    // Another part of the program may have installed one already; either will do.
    let _ = tls.install_default();
    let client = Client::builder()
        .default_headers(headers)
        .redirect(Policy::none())
        .timeout(TIMEOUT)
        .build();
    Ok((
        client.map_err(|_| wrong("no client can be made for it"))?,
        url,
    ))
}

/// Sends what comes, several at once, until nobody can send any more.
async fn export(client: Client, url: Url, service: String, mut spans: Receiver<Span>) {
    let mut together = Vec::new();
    while spans.recv_many(&mut together, TOGETHER).await > 0 {
        let more = tokio::time::sleep(GATHER);
        tokio::pin!(more);
        while together.len() < TOGETHER {
            tokio::select! {
                () = &mut more => break,
                span = spans.recv() => match span {
                    Some(span) => together.push(span),
                    None => break,
                },
            }
        }
        let bodies: Vec<Value> = together.drain(..).map(|span| span.body()).collect();
        let body = json!({ "resourceSpans": [{
            "resource": { "attributes": [
                { "key": "service.name", "value": { "stringValue": service } },
            ]},
            "scopeSpans": [{
                "scope": { "name": "autodidact", "version": env!("CARGO_PKG_VERSION") },
                "spans": bodies,
            }],
        }]});
        let request = client
            .post(url.clone())
            .header("content-type", "application/json")
            .body(body.to_string());
        match request.send().await.map(|response| response.status()) {
            Ok(status) if status.is_success() => {}
            Ok(status) => tracing::warn!("the collector of spans answered {status}"),
            Err(_) => tracing::warn!("the collector of spans cannot be reached"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_trace_parents_are_taken() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(
            TraceParent::parse(good).unwrap().span,
            0x00f0_67aa_0ba9_02b7
        );
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
    }
}
