//! `/tokenize`, `/detokenize` and `/tokenizer_info`, in vLLM's form: with them programs that score texts
//! (`lm_eval`) need no tokenizer of their own.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use crate::catalog::Served;
use crate::embedded::EmbeddedModel;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::reply::json_body;
use crate::router::{App, body};

/// A text's tokens.
pub(crate) async fn tokenize(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, ApiError> {
    let mut fields = Fields::parse(&body(&app, request).await?)?;
    let model = model(&app, &mut fields)?;
    let Value::String(text) = fields.required("prompt")? else {
        return Err(ApiError::field("prompt", "`prompt` must be a string"));
    };
    let special = fields.take("add_special_tokens");
    let strings = fields.flag("return_token_strs")?;
    fields.finish()?;
    let special = match special {
        None => true,
        Some(Value::Bool(special)) => special,
        Some(_) => {
            let message = "`add_special_tokens` must be true or false";
            return Err(ApiError::field("add_special_tokens", message));
        }
    };
    let encoder = model.clone();
    let encoded = tokio::task::spawn_blocking(move || encode(&encoder, &text, special));
    let tokens = encoded
        .await
        .map_err(|_| ApiError::internal("the tokenizer failed"))??;
    let tokenizer = model.model().tokenizer();
    let texts: Option<Vec<String>> = strings.then(|| {
        tokens
            .iter()
            .map(|token| tokenizer.token_text(*token))
            .collect()
    });
    Ok(json_body(&json!({
        "count": tokens.len(), "max_model_len": model.context(), "tokens": tokens,
        "token_strs": texts,
    })))
}

/// A control token is one only where the whole text is its name: within a text it stays text.
fn encode(
    model: &EmbeddedModel,
    text: &str,
    special: bool,
) -> Result<Vec<u32>, autodidact_engine::EngineError> {
    let tokenizer = model.model().tokenizer();
    if let Some(control) = tokenizer.special(text) {
        return Ok(vec![control]);
    }
    let tokens = tokenizer.encode(text)?;
    if special {
        return Ok(tokens);
    }
    let begun = tokenizer.encode("")?;
    let rest = tokens.strip_prefix(begun.as_slice());
    Ok(rest.map(<[u32]>::to_vec).unwrap_or(tokens))
}

/// The text of tokens.
pub(crate) async fn detokenize(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, ApiError> {
    let mut fields = Fields::parse(&body(&app, request).await?)?;
    let model = model(&app, &mut fields)?;
    let tokens = fields.required("tokens")?;
    fields.finish()?;
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    let tokens: Option<Vec<u32>> = tokens
        .as_array()
        .and_then(|all| all.iter().map(id).collect());
    let tokens =
        tokens.ok_or_else(|| ApiError::field("tokens", "`tokens` must be a list of token ids"))?;
    Ok(json_body(
        &json!({ "prompt": model.model().tokenizer().decode(&tokens) }),
    ))
}

/// The names of the tokens that begin and end texts.
pub(crate) async fn info(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let model = first(&app)?;
    let tokenizer = model.model().tokenizer();
    let begun = tokenizer.encode("")?;
    let bos = begun.first().map(|token| tokenizer.token_text(*token));
    let eos = tokenizer.token_text(tokenizer.end_of_text());
    Ok(json_body(&json!({
        "model": model.name(), "bos_token": bos, "eos_token": eos,
        "vocab_size": tokenizer.vocabulary(),
    })))
}

/// The model that is named, or the first that has a tokenizer.
fn model(app: &App, fields: &mut Fields) -> Result<Arc<EmbeddedModel>, ApiError> {
    match fields.text("model")? {
        None => first(app),
        Some(name) => match app.catalog.find(&name, None)? {
            (Served::Embedded(model), _) => Ok(model),
            (Served::Ensemble(_), _) => Err(ApiError::unsupported(
                "model",
                "an ensemble has no tokens of its own",
            )),
        },
    }
}

fn first(app: &App) -> Result<Arc<EmbeddedModel>, ApiError> {
    let first = app.catalog.embedded().next().cloned();
    first.ok_or_else(|| ApiError::unsupported("model", "no model here has tokens of its own"))
}
