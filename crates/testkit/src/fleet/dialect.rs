//! The providers' ways to refuse a request. Statuses and bodies as in the API references and the
//! sources of the servers.

use std::time::Duration;

use serde_json::{Value, json};

use crate::script::Reply;

/// Whose interface is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    Mistral,
    Together,
    Nvidia,
    /// vLLM, and with it the servers that take unknown fields: SGLang and llama-server.
    Vllm,
    /// The OpenAI form of Ollama, which ignores what it does not know.
    OllamaOpenAi,
    Ollama,
    Anthropic,
    Gemini,
    /// Text Embeddings Inference.
    Tei,
}

impl Dialect {
    /// The first part of a path that names a provider, for base URLs such as `…/together/v1`.
    pub(crate) fn from_prefix(name: &str) -> Option<Self> {
        Some(match name {
            "openai" => Self::OpenAi,
            "mistral" => Self::Mistral,
            "together" => Self::Together,
            "nvidia" => Self::Nvidia,
            "vllm" | "sglang" | "llama-server" => Self::Vllm,
            "ollama" => Self::OllamaOpenAi,
            _ => return None,
        })
    }

    /// The provider that sells a model of this name; vLLM for all names that nobody sells.
    pub(crate) fn from_model(model: &str) -> Self {
        let begins = |names: &[&str]| names.iter().any(|name| model.starts_with(name));
        if begins(&["gpt-", "chatgpt", "o1", "o3", "o4"]) {
            Self::OpenAi
        } else if begins(&["mistral-", "ministral", "codestral", "magistral", "open-mi"]) {
            Self::Mistral
        } else if model.starts_with("nvidia/") {
            Self::Nvidia
        } else if model.contains(':') && !model.contains('/') {
            Self::OllamaOpenAi
        } else {
            Self::Vllm
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Key,
    NotFound,
    Invalid,
    /// A field of the wrong type or an unknown one, where that is told apart (422).
    Fields,
    TooLong,
    RateLimit,
    Money,
    Overloaded,
    Server,
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
    pub(crate) code: Option<&'static str>,
    pub(crate) retry_after: Option<Duration>,
}

impl Trouble {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            param: None,
            code: None,
            retry_after: None,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    pub(crate) fn at(mut self, param: &str, code: &'static str) -> Self {
        self.param = Some(param.to_owned());
        self.code = Some(code);
        self
    }

    /// As that provider says it.
    pub(crate) fn reply(&self, dialect: Dialect) -> Reply {
        let (status, body) = match dialect {
            Dialect::OpenAi | Dialect::Together | Dialect::Nvidia => self.openai(),
            Dialect::Mistral => self.mistral(),
            Dialect::Vllm => self.vllm(),
            Dialect::OllamaOpenAi => self.ollama_openai(),
            Dialect::Ollama => (self.plain_status(), json!({"error": self.message})),
            Dialect::Anthropic => self.anthropic(),
            Dialect::Gemini => self.gemini(),
            Dialect::Tei => self.tei(),
        };
        let reply = Reply::json(status, &body);
        // Gemini says it in the body only.
        match self.retry_after.filter(|_| dialect != Dialect::Gemini) {
            Some(wait) => reply.header("retry-after", wait.as_secs().to_string()),
            None => reply,
        }
    }

    const fn plain_status(&self) -> u16 {
        match self.kind {
            Kind::Key => 401,
            Kind::NotFound => 404,
            Kind::Invalid | Kind::TooLong | Kind::Fields => 400,
            Kind::RateLimit => 429,
            Kind::Money => 402,
            Kind::Overloaded => 503,
            Kind::Server => 500,
        }
    }

    fn openai(&self) -> (u16, Value) {
        let (status, kind, code) = match self.kind {
            Kind::Key => (401, "invalid_request_error", Some("invalid_api_key")),
            Kind::NotFound => (404, "invalid_request_error", Some("model_not_found")),
            Kind::Invalid | Kind::Fields => (400, "invalid_request_error", self.code),
            Kind::TooLong => (
                400,
                "invalid_request_error",
                Some("context_length_exceeded"),
            ),
            Kind::RateLimit => (429, "requests", Some("rate_limit_exceeded")),
            Kind::Money => (429, "insufficient_quota", Some("insufficient_quota")),
            Kind::Overloaded => (
                503,
                "service_unavailable_error",
                Some("server_is_overloaded"),
            ),
            Kind::Server => (500, "server_error", None),
        };
        let error =
            json!({"message": self.message, "type": kind, "param": self.param, "code": code});
        (status, json!({"error": error}))
    }

    fn mistral(&self) -> (u16, Value) {
        if self.kind == Kind::Fields {
            let place = ["body", self.param.as_deref().unwrap_or_default()];
            let kind = self.code.unwrap_or("value_error");
            let detail = json!([{"type": kind, "loc": place, "msg": self.message}]);
            return (422, json!({"detail": detail}));
        }
        let (kind, code) = match self.kind {
            Kind::Key => ("authentication_error", "invalid_api_key"),
            Kind::NotFound => ("invalid_request_error", "unknown_model"),
            Kind::RateLimit => ("rate_limit_error", "rate_limited"),
            Kind::Money => ("invalid_request_error", "payment_required"),
            Kind::Overloaded | Kind::Server => ("server_error", "unavailable"),
            Kind::Invalid | Kind::Fields | Kind::TooLong => {
                ("invalid_request_error", "invalid_request")
            }
        };
        let body = json!({"object": "error", "message": self.message, "type": kind,
            "param": self.param, "code": code});
        (self.plain_status(), body)
    }

    fn vllm(&self) -> (u16, Value) {
        let status = self.plain_status();
        let kind = match self.kind {
            Kind::Key => return (401, json!({"error": "Unauthorized"})),
            Kind::NotFound => "NotFoundError",
            Kind::Invalid | Kind::Fields | Kind::TooLong => "BadRequestError",
            Kind::RateLimit | Kind::Money => "RateLimitError",
            Kind::Overloaded => "ServiceUnavailableError",
            Kind::Server => "InternalServerError",
        };
        let error =
            json!({"message": self.message, "type": kind, "param": self.param, "code": status});
        (status, json!({"error": error}))
    }

    fn ollama_openai(&self) -> (u16, Value) {
        let status = self.plain_status();
        let kind = match status {
            400 => "invalid_request_error",
            404 => "not_found_error",
            _ => "api_error",
        };
        let error = json!({"message": self.message, "type": kind, "param": null, "code": null});
        (status, json!({"error": error}))
    }

    fn anthropic(&self) -> (u16, Value) {
        let (status, kind) = match self.kind {
            Kind::Key => (401, "authentication_error"),
            Kind::NotFound => (404, "not_found_error"),
            Kind::Invalid | Kind::Fields | Kind::TooLong => (400, "invalid_request_error"),
            Kind::RateLimit => (429, "rate_limit_error"),
            Kind::Money => (402, "billing_error"),
            Kind::Overloaded => (529, "overloaded_error"),
            Kind::Server => (500, "api_error"),
        };
        let error = json!({"type": kind, "message": self.message});
        (
            status,
            json!({"type": "error", "error": error, "request_id": "req_mock"}),
        )
    }

    fn gemini(&self) -> (u16, Value) {
        let (code, status) = match self.kind {
            // Gemini answers 400, not 401, to a wrong key.
            Kind::Key | Kind::Invalid | Kind::Fields | Kind::TooLong => (400, "INVALID_ARGUMENT"),
            Kind::NotFound => (404, "NOT_FOUND"),
            Kind::RateLimit => (429, "RESOURCE_EXHAUSTED"),
            Kind::Money => (402, "RESOURCE_EXHAUSTED"),
            Kind::Overloaded => (503, "UNAVAILABLE"),
            Kind::Server => (500, "INTERNAL"),
        };
        let mut error = json!({"code": code, "message": self.message, "status": status});
        if self.kind == Kind::Key {
            error["details"] = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]);
        }
        if let Some(wait) = self.retry_after {
            error["details"] = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": format!("{}s", wait.as_secs())}]);
        }
        (code, json!({"error": error}))
    }

    fn tei(&self) -> (u16, Value) {
        let (status, kind) = match self.kind {
            Kind::Key => (401, "Unauthorized"),
            Kind::NotFound => (404, "Validation"),
            Kind::Invalid => (400, "Empty"),
            Kind::Fields => (422, "Validation"),
            Kind::TooLong => (413, "Validation"),
            Kind::RateLimit | Kind::Money | Kind::Overloaded => (429, "Overloaded"),
            Kind::Server => (424, "Backend"),
        };
        (status, json!({"error": self.message, "error_type": kind}))
    }
}
