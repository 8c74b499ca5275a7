//! What answers where.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::StreamExt;
use serde_json::json;

use crate::access::Access;
use crate::catalog::Catalog;
use crate::error::ApiError;
use crate::limits::Limits;
use crate::observed::{Observers, Operation};
use crate::reply::json_body;
use crate::telemetry::TraceParent;
use crate::{chat, completions, tokenizing};

/// What all requests share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) catalog: Catalog,
    pub(crate) limits: Limits,
    pub(crate) access: Access,
    pub(crate) observers: Arc<Observers>,
}

/// The routes. Every request passes the access rules first.
pub(crate) fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat_completions))
        .route("/v1/completions", post(legacy_completions))
        .route("/v1/models", get(models))
        .route("/v1/models/{*name}", get(model))
        .route("/tokenize", post(tokenizing::tokenize))
        .route("/detokenize", post(tokenizing::detokenize))
        .route("/tokenizer_info", get(tokenizing::info))
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .fallback(no_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(app.clone(), admit))
        .with_state(app.clone())
}

/// The access rules. `/health` says nothing worth a token.
async fn admit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (headers, uri) = (request.headers(), request.uri());
    let mut allowed = app.access.check_source(headers, uri);
    if uri.path() != "/health" {
        allowed = allowed.and_then(|()| app.access.check_token(headers));
    }
    let mut response = match allowed {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn chat_completions(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, Operation::Chat, request).await
}

async fn legacy_completions(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, Operation::Completion, request).await
}

/// Reads a body, answers it, and counts what came of it.
async fn answer(app: &Arc<App>, operation: Operation, request: Request) -> Response {
    let parent = request.headers().get("traceparent");
    let parent = parent.and_then(|value| TraceParent::parse(value.to_str().ok()?));
    let mut observed = Some(app.observers.begin(operation, parent));
    let outcome = async {
        let body = body(app, request).await?;
        match operation {
            Operation::Chat => chat::answer(app, &body, &mut observed).await,
            Operation::Completion => completions::answer(app, &body, &mut observed).await,
        }
    };
    match outcome.await {
        Ok(response) => response,
        Err(error) => {
            if let Some(observed) = &mut observed {
                observed.failed(&error);
            }
            error.into_response()
        }
    }
}

/// The body, if it is JSON by its type, small enough, and comes in time. A browser sends such a type
/// for foreign pages only after asking, which is refused.
pub(crate) async fn body(app: &App, request: Request) -> Result<Bytes, ApiError> {
    if !is_json(request.headers()) {
        return Err(ApiError::not_json());
    }
    let limit = app.limits.body;
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(ApiError::body_too_large(limit));
    }
    let read = collect(request.into_body(), limit);
    match tokio::time::timeout(app.limits.reading, read).await {
        Ok(read) => read,
        Err(_) => Err(ApiError::too_slow()),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let mut stream = body.into_data_stream();
    let mut whole = Vec::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|_| ApiError::bad("the body broke off"))?;
        if whole.len() + piece.len() > limit {
            return Err(ApiError::body_too_large(limit));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
}

async fn models(State(app): State<Arc<App>>) -> Response {
    json_body(&app.catalog.list())
}

async fn model(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    match app.catalog.card(&name) {
        Some(card) => json_body(&card),
        None => ApiError::unknown_model(&name, &app.catalog.names().join(", ")).into_response(),
    }
}

async fn health() -> Response {
    json_body(&json!({ "status": "ok" }))
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match app.observers.metrics.text(&app.catalog) {
        Ok(text) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn no_path(request: Request) -> Response {
    ApiError::no_path(request.uri().path()).into_response()
}

async fn wrong_method() -> Response {
    ApiError::wrong_method().into_response()
}
