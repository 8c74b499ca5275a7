//! Errors: those of starting a server, and those that clients are told, in OpenAI's form.

use std::net::SocketAddr;

use autodidact_engine::EngineError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use thiserror::Error;

/// Why a server does not start or ends early.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another `--host` or `--port`")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The reason given by the operating system.
        source: std::io::Error,
    },
    /// Anyone in the network could ask.
    #[error(
        "{0} can be reached from other machines, so a token is needed: put one of 16 characters or more into a variable and name it with `--token-env`"
    )]
    NeedsToken(SocketAddr),
    /// A token that is guessed soon.
    #[error(
        "the token is shorter than 16 characters or not of printable ASCII; use for instance `openssl rand -hex 32`"
    )]
    WeakToken,
    /// Two models with one name, or none at all.
    #[error("{0}")]
    Catalog(String),
    /// The exporter of spans cannot be set up.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT: {0}")]
    Telemetry(String),
}

/// What a client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    /// `invalid_request_error` and the like.
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    /// The field that is wrong.
    pub(crate) param: Option<String>,
    pub(crate) code: Option<&'static str>,
    /// Seconds after which another attempt may succeed.
    pub(crate) retry_after: Option<u64>,
}

const INVALID: &str = "invalid_request_error";

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            message: message.into(),
            param: None,
            code: None,
            retry_after: None,
        }
    }

    fn coded(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    fn about(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    /// A request that is no request.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID, message)
    }

    /// A field with an impossible value.
    pub(crate) fn field(param: &str, message: impl Into<String>) -> Self {
        Self::bad(message).about(param).coded("invalid_value")
    }

    /// A field that is not known.
    pub(crate) fn unknown_field(param: &str) -> Self {
        Self::bad(format!("there is no parameter `{param}`"))
            .about(param)
            .coded("unknown_parameter")
    }

    /// A field that is known and cannot be honoured.
    pub(crate) fn unsupported(param: &str, message: impl Into<String>) -> Self {
        Self::bad(message)
            .about(param)
            .coded("unsupported_parameter")
    }

    /// Prompt and completion do not fit.
    pub(crate) fn too_long(prompt: usize, wanted: usize, context: usize) -> Self {
        Self::bad(format!(
            "this model's context holds {context} tokens; the prompt has {prompt} and {wanted} are to be generated"
        ))
        .coded("context_length_exceeded")
    }

    pub(crate) fn unknown_model(name: &str, known: &str) -> Self {
        // The name comes from outside: it is cut, and JSON escapes the rest.
        let name: String = name.chars().take(80).collect();
        Self::new(
            StatusCode::NOT_FOUND,
            INVALID,
            format!("there is no model `{name}`; this server has {known}"),
        )
        .about("model")
        .coded("model_not_found")
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            INVALID,
            "a valid token is needed: `Authorization: Bearer TOKEN`",
        )
        .coded("invalid_api_key")
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "permission_error", message)
    }

    pub(crate) fn no_path(path: &str) -> Self {
        let path: String = path.chars().take(80).collect();
        let message = format!("there is nothing at {path}");
        Self::new(StatusCode::NOT_FOUND, INVALID, message).coded("unknown_url")
    }

    pub(crate) fn wrong_method() -> Self {
        let message = "this path knows another method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, INVALID, message)
    }

    pub(crate) fn not_json() -> Self {
        let message = "the body must be JSON, with `Content-Type: application/json`";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID, message)
    }

    pub(crate) fn body_too_large(limit: usize) -> Self {
        let message = format!("the body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, INVALID, message)
    }

    pub(crate) fn too_slow() -> Self {
        let message = "the request did not arrive in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, INVALID, message)
    }

    /// Too much is waiting already.
    pub(crate) fn busy(seconds: u64) -> Self {
        let mut error = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit_error",
            "too many requests are waiting; try again later",
        )
        .coded("rate_limit_exceeded");
        error.retry_after = Some(seconds);
        error
    }

    /// The budget or credit is used up: trying again changes nothing.
    pub(crate) fn no_money(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", message)
            .coded("insufficient_quota")
    }

    /// A model behind this server failed.
    pub(crate) fn upstream(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "server_error", message)
    }

    /// The server is stopping, or its engine has.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "service_unavailable_error",
            message,
        )
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", message)
    }

    /// The word for metrics and spans.
    pub(crate) fn word(&self) -> &'static str {
        self.code.unwrap_or(self.kind)
    }

    /// The body; inside of a stream it is sent as an event.
    pub(crate) fn body(&self) -> serde_json::Value {
        json!({ "error": {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }})
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Input(text) => Self::bad(text),
            EngineError::Tokenizer(_) | EngineError::ChatTemplate(_) => {
                Self::bad(error.to_string())
            }
            other => Self::unavailable(other.to_string()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = self.body().to_string();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
