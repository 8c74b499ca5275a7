//! Which interface a request is for.

use serde_json::{Value, json};

use super::dialect::{Dialect, Kind, Trouble};
use super::mocks::{Done, Fleet, model_list};
use super::{
    anthropic, batch_anthropic, batch_gemini, batch_mistral, batch_openai, completions, files,
    gemini, nvidia, ollama, openai, pooling, tei,
};
use crate::script::{Act, Received, Reply};

/// A path, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Testkit,
    Health,
    /// A path of the OpenAI form below `/v1`, and the provider if the path begins with one.
    OpenAi(String, Option<Dialect>),
    /// A path below `/v1/messages`, empty for the messages themselves; or the models.
    Anthropic(String),
    /// What follows `/v1beta/`.
    Gemini(String),
    /// What follows `/api/`.
    Ollama(String),
    /// `/classify`, `/pooling`, `/score`, `/rerank` of vLLM, SGLang and llama-server.
    Pooling(String),
    /// `/predict` and the `/rerank` of Text Embeddings Inference.
    Tei(String),
    Unknown,
}

impl Route {
    pub(crate) fn of(request: &Received) -> Self {
        let path = request.route();
        if path.starts_with("/testkit/") {
            return Self::Testkit;
        }
        let (prefix, path) = split_prefix(path);
        if let Some(rest) = path.strip_prefix("/v1/messages") {
            return Self::Anthropic(rest.to_owned());
        }
        if path == "/v1/models" && request.header("anthropic-version").is_some() {
            return Self::Anthropic("/models".into());
        }
        // Gemini answers below `/v1` as well, where its newer clients ask.
        let is_gemini = request.header("x-goog-api-key").is_some();
        let gemini = path
            .strip_prefix("/v1beta/")
            .or_else(|| path.strip_prefix("/v1/").filter(|_| is_gemini));
        if let Some(rest) = gemini {
            return Self::Gemini(rest.to_owned());
        }
        // OpenRouter's base URL ends in `/api/v1`.
        let path = path
            .strip_prefix("/api")
            .filter(|rest| rest.starts_with("/v1/"))
            .unwrap_or(path);
        if let Some(rest) = path.strip_prefix("/api/") {
            return Self::Ollama(rest.to_owned());
        }
        match path {
            "/health" | "/v1/health/ready" | "/v1/health/live" => Self::Health,
            "/predict" => Self::Tei("predict".into()),
            // TEI asks with `texts`, the others with `documents`.
            "/rerank" if !request.json()["texts"].is_null() => Self::Tei("rerank".into()),
            "/classify" | "/pooling" | "/score" | "/v1/score" | "/rerank" | "/v1/rerank"
            | "/v2/rerank" => Self::Pooling(path.rsplit('/').next().unwrap_or_default().to_owned()),
            _ => path
                .strip_prefix("/v1/")
                .map_or(Self::Unknown, |rest| Self::OpenAi(rest.to_owned(), prefix)),
        }
    }

    pub(crate) fn dialect(&self, body: &Value) -> Dialect {
        match self {
            Self::OpenAi(_, Some(prefix)) => *prefix,
            Self::OpenAi(path, None) if path.starts_with("batch/") => Dialect::Mistral,
            Self::OpenAi(path, None) if path.starts_with("chat/") || path == "completions" => {
                Dialect::from_model(body["model"].as_str().unwrap_or_default())
            }
            Self::OpenAi(..) => Dialect::OpenAi,
            Self::Anthropic(_) => Dialect::Anthropic,
            Self::Gemini(_) => Dialect::Gemini,
            Self::Ollama(_) => Dialect::Ollama,
            Self::Tei(_) => Dialect::Tei,
            Self::Testkit | Self::Health | Self::Pooling(_) | Self::Unknown => Dialect::Vllm,
        }
    }

    /// The model a request is for.
    pub(crate) fn model(&self, body: &Value) -> String {
        match self {
            Self::Gemini(path) => gemini::split_path(path).0.to_owned(),
            _ => body["model"].as_str().unwrap_or_default().to_owned(),
        }
    }

    /// True for requests that a provider charges and that faults happen to.
    pub(crate) fn is_charged(&self) -> bool {
        match self {
            Self::OpenAi(path, _) => path == "chat/completions" || path == "completions",
            Self::Anthropic(path) => path.is_empty(),
            Self::Gemini(path) => {
                path.ends_with("enerateContent") && !path.ends_with("batchGenerateContent")
            }
            Self::Ollama(path) => path == "chat" || path == "generate",
            Self::Pooling(_) | Self::Tei(_) => true,
            Self::Testkit | Self::Health | Self::Unknown => false,
        }
    }

    pub(crate) const fn wants_key(&self) -> bool {
        !matches!(self, Self::Testkit | Self::Health | Self::Ollama(_))
    }
}

/// `/together/v1/models` is `/v1/models` of Together.
fn split_prefix(path: &str) -> (Option<Dialect>, &str) {
    let rest = path.get(1..).unwrap_or_default();
    let end = rest.find('/').unwrap_or(rest.len());
    match Dialect::from_prefix(&rest[..end]) {
        Some(dialect) => (Some(dialect), &rest[end..]),
        None => (None, path),
    }
}

/// Answers a request that was let through.
pub(crate) fn handle(
    fleet: &Fleet,
    route: &Route,
    dialect: Dialect,
    request: &Received,
    body: &Value,
) -> Result<Done, Trouble> {
    let method = request.method.as_str();
    match route {
        Route::Health => Ok(Done::free(Act::Answer(Reply::new(
            200,
            "application/json",
            "",
        )))),
        Route::OpenAi(path, _) => openai_route(fleet, method, path, dialect, request, body),
        Route::Anthropic(path) => anthropic_route(fleet, method, path, request, body),
        Route::Gemini(path) => gemini_route(fleet, method, path, request, body),
        Route::Ollama(path) => match (method, path.as_str()) {
            ("POST", "chat") => ollama::chat(fleet, body),
            ("POST", "generate") => ollama::generate(fleet, body),
            ("GET", "tags") => Ok(Done::json(&ollama::tags())),
            ("GET", "version") => Ok(Done::json(&json!({"version": "0.0.0-testkit"}))),
            _ => Err(no_path(method, path)),
        },
        Route::Pooling(path) => pooling::answer(fleet, path, body),
        Route::Tei(path) => tei::answer(fleet, path, body),
        Route::Testkit | Route::Unknown => Err(no_path(method, &request.path)),
    }
}

fn openai_route(
    fleet: &Fleet,
    method: &str,
    path: &str,
    dialect: Dialect,
    request: &Received,
    body: &Value,
) -> Result<Done, Trouble> {
    let parts: Vec<&str> = path.split('/').collect();
    match (method, parts.as_slice()) {
        ("POST", ["chat", "completions"]) => {
            if body["model"]
                .as_str()
                .is_some_and(|model| model.contains("reward"))
            {
                nvidia::reward(fleet, request, body)
            } else {
                openai::chat(fleet, dialect, body)
            }
        }
        ("POST", ["completions"]) => completions::complete(fleet, dialect, body),
        ("GET", ["models"]) => Ok(Done::json(&model_list())),
        ("POST", ["files"]) => files::upload(fleet, request),
        ("GET", ["files", id]) => files::describe(fleet, id),
        ("DELETE", ["files", id]) => Ok(Done::json(
            &json!({"id": id, "object": "file", "deleted": true}),
        )),
        ("GET", ["files", id, "content"]) => files::content(fleet, id),
        ("POST", ["batches"]) => batch_openai::create(fleet, body),
        ("GET", ["batches"]) => Ok(batch_openai::list(fleet)),
        ("GET", ["batches", id]) => batch_openai::describe(fleet, id),
        ("POST", ["batches", id, "cancel"]) => batch_openai::cancel(fleet, id),
        ("POST", ["batch", "jobs"]) => batch_mistral::create(fleet, body),
        ("GET", ["batch", "jobs", id]) => batch_mistral::describe(fleet, id),
        ("POST", ["batch", "jobs", id, "cancel"]) => batch_mistral::cancel(fleet, id),
        _ => Err(no_path(method, path)),
    }
}

fn anthropic_route(
    fleet: &Fleet,
    method: &str,
    path: &str,
    request: &Received,
    body: &Value,
) -> Result<Done, Trouble> {
    if request.header("anthropic-version").is_none() {
        return Err(Trouble::invalid("anthropic-version: header is required"));
    }
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, parts.as_slice()) {
        ("POST", [""]) => anthropic::messages(fleet, body),
        ("GET", ["models"]) => Ok(Done::json(&anthropic::models())),
        ("POST", ["batches"]) => batch_anthropic::create(fleet, request, body),
        ("GET", ["batches", id]) => batch_anthropic::describe(fleet, request, id),
        ("GET", ["batches", id, "results"]) => batch_anthropic::results(fleet, id),
        ("POST", ["batches", id, "cancel"]) => batch_anthropic::cancel(fleet, request, id),
        _ => Err(no_path(method, path)),
    }
}

fn gemini_route(
    fleet: &Fleet,
    method: &str,
    path: &str,
    request: &Received,
    body: &Value,
) -> Result<Done, Trouble> {
    if let Some(id) = path.strip_prefix("batches/") {
        return match (method, id.strip_suffix(":cancel")) {
            ("POST", Some(id)) => batch_gemini::cancel(fleet, id),
            ("GET", None) => batch_gemini::describe(fleet, id),
            _ => Err(no_path(method, path)),
        };
    }
    let (model, verb) = gemini::split_path(path);
    match (method, verb) {
        ("POST", "generateContent") => gemini::generate(fleet, model, body),
        ("POST", "streamGenerateContent") => gemini::stream(fleet, model, request, body),
        ("POST", "countTokens") => gemini::count(body),
        ("POST", "batchGenerateContent") => batch_gemini::create(fleet, model, body),
        _ => Err(no_path(method, path)),
    }
}

fn no_path(method: &str, path: &str) -> Trouble {
    Trouble::new(Kind::NotFound, format!("there is no {method} {path} here"))
}
