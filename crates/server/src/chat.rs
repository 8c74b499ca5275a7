//! `/v1/chat/completions`.

use std::sync::Arc;

use autodidact_core::Message;
use autodidact_engine::SessionRequest;
use axum::response::Response;
use serde_json::Value;

use crate::catalog::Served;
use crate::choice::Choice;
use crate::embedded::EmbeddedModel;
use crate::ensemble::Question;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::limits::Limits;
use crate::observed::{Observed, Operation};
use crate::reply::{Answering, Envelope, Form, json_body};
use crate::router::App;
use crate::sampling::Sampling;
use crate::strategy::{self, Choosing};

/// A request, checked as far as that needs no model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChatRequest {
    pub(crate) model: String,
    pub(crate) messages: Vec<Message>,
    /// The answer begins with this.
    pub(crate) prefill: String,
    pub(crate) sampling: Sampling,
    /// How many of the most likely tokens are told; none: tokens are not told.
    pub(crate) logprobs: Option<usize>,
}

impl ChatRequest {
    pub(crate) fn read(body: &[u8], limits: &Limits) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let model = fields.required("model")?;
        let Value::String(model) = model else {
            return Err(ApiError::field("model", "`model` must be a string"));
        };
        let messages = messages(fields.required("messages")?)?;
        let newer = fields.integer("max_completion_tokens", 1, limits.max_tokens as u64)?;
        let mut sampling = Sampling::read(&mut fields, limits)?;
        if newer.is_some() {
            sampling.max_tokens = newer.map(|tokens| tokens as usize);
        }
        if sampling.max_tokens == Some(0) {
            return Err(ApiError::field(
                "max_tokens",
                "`max_tokens` must be at least 1",
            ));
        }
        let wanted = fields.flag("logprobs")?;
        let top = fields.integer("top_logprobs", 0, 20)?;
        if top.is_some() && !wanted {
            let message = "`top_logprobs` needs `logprobs` to be true";
            return Err(ApiError::field("top_logprobs", message));
        }
        let continued = fields.flag("continue_final_message")?;
        refuse(&mut fields)?;
        fields.finish()?;
        let (messages, prefill) = if continued {
            continuing(messages)?
        } else {
            (messages, String::new())
        };
        Ok(Self {
            model,
            messages,
            prefill,
            sampling,
            logprobs: wanted.then_some(top.unwrap_or(0) as usize),
        })
    }
}

/// Fields that are honoured only where they change nothing.
fn refuse(fields: &mut Fields) -> Result<(), ApiError> {
    let empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    let none = |value: &Value| matches!(value.as_str(), Some("none" | "auto"));
    let text = |value: &Value| value["type"] == "text";
    let only_text = |value: &Value| *value == serde_json::json!(["text"]);
    let no_tools = "these models call no tools; leave it out";
    fields.only("tools", empty, no_tools)?;
    fields.only("functions", empty, no_tools)?;
    fields.only("tool_choice", none, no_tools)?;
    fields.only("function_call", none, no_tools)?;
    fields.only("response_format", text, "answers are text; leave it out")?;
    fields.only("modalities", only_text, "answers are text; leave it out")?;
    fields.only("parallel_tool_calls", Value::is_boolean, no_tools)
}

fn messages(value: Value) -> Result<Vec<Message>, ApiError> {
    let wrong = |text: &str| ApiError::field("messages", format!("`messages` {text}"));
    let Value::Array(values) = value else {
        return Err(wrong("must be a list"));
    };
    if values.is_empty() {
        return Err(wrong("must hold at least one message"));
    }
    values
        .into_iter()
        .enumerate()
        .map(|(at, value)| message(at, &value))
        .collect()
}

fn message(at: usize, value: &Value) -> Result<Message, ApiError> {
    let wrong =
        |text: &str| ApiError::field(&format!("messages[{at}]"), format!("message {at}: {text}"));
    let role = match value["role"].as_str() {
        Some("system" | "developer") => "system",
        Some("user") => "user",
        Some("assistant") => "assistant",
        _ => return Err(wrong("`role` must be system, developer, user or assistant")),
    };
    if !value["tool_calls"].is_null() || !value["function_call"].is_null() {
        return Err(wrong("these models call no tools"));
    }
    let content = match &value["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let part = |part: &Value| {
                let text = part["text"].as_str().filter(|_| part["type"] == "text");
                text.map(str::to_owned)
            };
            let texts: Option<Vec<String>> = parts.iter().map(part).collect();
            texts
                .ok_or_else(|| wrong("only parts of type `text` are read"))?
                .concat()
        }
        _ => return Err(wrong("`content` must be a string or a list of parts")),
    };
    Ok(Message {
        role: role.to_owned(),
        content,
    })
}

/// Splits off the answer that is to go on.
fn continuing(mut messages: Vec<Message>) -> Result<(Vec<Message>, String), ApiError> {
    match messages.pop() {
        Some(last) if last.role == "assistant" && !messages.is_empty() => {
            Ok((messages, last.content))
        }
        _ => Err(ApiError::field(
            "continue_final_message",
            "`continue_final_message` needs a last message of the assistant to go on with",
        )),
    }
}

/// Answers a request.
pub(crate) async fn answer(
    app: &Arc<App>,
    body: &[u8],
    observed: &mut Option<Observed>,
) -> Result<Response, ApiError> {
    let request = ChatRequest::read(body, &app.limits)?;
    let strategy = request.sampling.strategy.as_deref();
    let (served, choosing) = app.catalog.find(&request.model, strategy)?;
    if let Some(observed) = observed {
        observed.knows(Operation::Chat, served.name(), &request.sampling);
    }
    match served {
        Served::Embedded(model) if choosing == Choosing::Declared => {
            embedded(app, model, request, observed).await
        }
        Served::Embedded(model) => chosen(app, model, request, choosing, observed).await,
        Served::Ensemble(ensemble) => {
            let envelope = envelope(&request);
            let streamed = request.sampling.stream;
            let question = Question::of_chat(request)?;
            let answer = ensemble.answer(question, choosing).await?;
            if let Some(observed) = observed {
                observed.answered(&answer);
            }
            Ok(answer.respond(&envelope, streamed))
        }
    }
}

fn envelope(request: &ChatRequest) -> Envelope {
    let form = Form::Chat {
        scored: request.logprobs.is_some(),
    };
    Envelope::new(&request.model, form, request.sampling.include_usage)
}

async fn embedded(
    app: &Arc<App>,
    model: Arc<EmbeddedModel>,
    request: ChatRequest,
    observed: &mut Option<Observed>,
) -> Result<Response, ApiError> {
    let envelope = envelope(&request);
    let (streamed, n, logprobs) = (
        request.sampling.stream,
        request.sampling.n,
        request.logprobs,
    );
    let wanted = wanted(&model, request, n, &app.limits).await?;
    let stops = wanted.options.stop.clone();
    let prompt = wanted.prompt.len() as u64;
    let choices = (0..n).map(|_| Choice::new(&stops, logprobs.is_some(), 0));
    let choices = choices.collect();
    let running = model.submit(vec![wanted], app.limits.queue).await?;
    let observed = observed.take().unwrap_or_else(|| app.observers.idle());
    let answering = Answering::new(
        model,
        running,
        choices,
        n as usize,
        Vec::new(),
        prompt,
        observed,
    );
    if streamed {
        return Ok(answering.stream(envelope));
    }
    Ok(json_body(&answering.whole(&envelope).await?))
}

/// One answer made of several samples.
async fn chosen(
    app: &Arc<App>,
    model: Arc<EmbeddedModel>,
    request: ChatRequest,
    choosing: Choosing,
    observed: &mut Option<Observed>,
) -> Result<Response, ApiError> {
    one_answer(&request.sampling, request.logprobs.is_some())?;
    let samples = choosing.samples()?;
    let envelope = envelope(&request);
    let streamed = request.sampling.stream;
    let wanted = wanted(&model, request, samples, &app.limits).await?;
    let answer = strategy::choose(&model, wanted, choosing, &app.limits).await?;
    if let Some(observed) = observed {
        observed.answered(&answer);
    }
    Ok(answer.respond(&envelope, streamed))
}

/// Refuses what makes no sense where one answer is made of many.
pub(crate) fn one_answer(sampling: &Sampling, logprobs: bool) -> Result<(), ApiError> {
    if sampling.n != 1 {
        let message = "a strategy gives one answer; leave `n` at 1";
        return Err(ApiError::unsupported("n", message));
    }
    if logprobs {
        let message = "a strategy tells no log probabilities; leave `logprobs` out";
        return Err(ApiError::unsupported("logprobs", message));
    }
    Ok(())
}

/// What the engine is asked.
async fn wanted(
    model: &Arc<EmbeddedModel>,
    request: ChatRequest,
    samples: u32,
    limits: &Limits,
) -> Result<SessionRequest, ApiError> {
    let ChatRequest {
        messages,
        prefill,
        sampling,
        logprobs,
        ..
    } = request;
    let encoder = model.clone();
    let encoded = tokio::task::spawn_blocking(move || encoder.encode_chat(messages, &prefill));
    let prompt = encoded
        .await
        .map_err(|_| ApiError::internal("the tokenizer failed"))??;
    let context = model.context();
    let room = context.saturating_sub(prompt.len());
    let max_tokens = match sampling.max_tokens {
        Some(wanted) if wanted <= room => wanted,
        None if room > 0 => room.min(limits.default_tokens),
        wanted => {
            return Err(ApiError::too_long(
                prompt.len(),
                wanted.unwrap_or(1),
                context,
            ));
        }
    };
    Ok(SessionRequest {
        prompt,
        seeds: sampling.seeds(samples),
        options: sampling.options(max_tokens, model.chat_stops()),
        alternatives: logprobs.unwrap_or(0),
        score_prompt: false,
    })
}
