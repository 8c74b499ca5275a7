//! `/v1/completions`: the legacy interface, which also scores prompts.

use std::sync::Arc;

use autodidact_engine::{EngineError, SessionRequest};
use axum::response::Response;
use serde_json::Value;

use crate::catalog::Served;
use crate::chat::one_answer;
use crate::choice::Choice;
use crate::embedded::EmbeddedModel;
use crate::ensemble::Question;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::limits::Limits;
use crate::observed::{Observed, Operation};
use crate::reply::{Answering, Echo, Envelope, Form, json_body};
use crate::router::App;
use crate::sampling::Sampling;
use crate::strategy::{self, Choosing};

/// Tokens of a completion that says nothing about it.
const DEFAULT_TOKENS: usize = 16;

/// A prompt as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given {
    Text(String),
    Tokens(Vec<u32>),
}

/// A request, checked as far as that needs no model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CompletionRequest {
    pub(crate) model: String,
    pub(crate) prompts: Vec<Given>,
    pub(crate) echo: bool,
    /// How many of the most likely tokens are told; none: tokens are not told.
    pub(crate) logprobs: Option<u64>,
    pub(crate) sampling: Sampling,
}

impl CompletionRequest {
    pub(crate) fn read(body: &[u8], limits: &Limits) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let Value::String(model) = fields.required("model")? else {
            return Err(ApiError::field("model", "`model` must be a string"));
        };
        let prompts = prompts(&fields.required("prompt")?, limits)?;
        let echo = fields.flag("echo")?;
        let logprobs = fields.integer("logprobs", 0, 20)?;
        let sampling = Sampling::read(&mut fields, limits)?;
        if sampling.max_tokens == Some(0) && !echo {
            let message = "`max_tokens` 0 makes sense with `echo` only";
            return Err(ApiError::field("max_tokens", message));
        }
        let n = u64::from(sampling.n);
        let same = |value: &Value| value.as_u64().is_some_and(|best| best == n || best == 0);
        fields.only(
            "best_of",
            same,
            "all samples are returned; leave it out, or ask for the model `NAME:best-of-N`",
        )?;
        let empty = |value: &Value| value.as_str().is_some_and(str::is_empty);
        fields.only("suffix", empty, "text cannot be filled in; leave it out")?;
        fields.finish()?;
        if prompts.len().saturating_mul(sampling.n as usize) > limits.samples {
            let message = format!("`n` times the number of prompts is over {}", limits.samples);
            return Err(ApiError::field("n", message));
        }
        Ok(Self {
            model,
            prompts,
            echo,
            logprobs,
            sampling,
        })
    }
}

/// A string, a list of strings, a list of token ids, or a list of such lists.
fn prompts(value: &Value, limits: &Limits) -> Result<Vec<Given>, ApiError> {
    let wrong = |text: &str| ApiError::field("prompt", format!("`prompt` {text}"));
    let kinds = || {
        wrong("must be a string, a list of strings, a list of token ids, or a list of such lists")
    };
    let tokens = |values: &[Value]| -> Option<Vec<u32>> {
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        values.iter().map(id).collect()
    };
    let given = |value: &Value| match value {
        Value::String(text) => Some(Given::Text(text.clone())),
        Value::Array(values) => tokens(values).map(Given::Tokens),
        _ => None,
    };
    let prompts = match value {
        Value::String(text) => vec![Given::Text(text.clone())],
        Value::Array(values) if values.is_empty() => return Err(wrong("is empty")),
        Value::Array(values) if values.iter().all(Value::is_number) => {
            vec![Given::Tokens(tokens(values).ok_or_else(kinds)?)]
        }
        Value::Array(values) => {
            if values.len() > limits.prompts {
                return Err(wrong(&format!(
                    "holds more than {} prompts",
                    limits.prompts
                )));
            }
            values
                .iter()
                .map(given)
                .collect::<Option<_>>()
                .ok_or_else(kinds)?
        }
        _ => return Err(kinds()),
    };
    let empty = |given: &Given| match given {
        Given::Text(text) => text.is_empty(),
        Given::Tokens(tokens) => tokens.is_empty(),
    };
    if prompts.iter().any(empty) {
        return Err(wrong("must not be empty"));
    }
    Ok(prompts)
}

/// Answers a request.
pub(crate) async fn answer(
    app: &Arc<App>,
    body: &[u8],
    observed: &mut Option<Observed>,
) -> Result<Response, ApiError> {
    let request = CompletionRequest::read(body, &app.limits)?;
    let strategy = request.sampling.strategy.as_deref();
    let (served, choosing) = app.catalog.find(&request.model, strategy)?;
    if let Some(observed) = observed {
        observed.knows(Operation::Completion, served.name(), &request.sampling);
    }
    let form = Form::Legacy {
        scored: request.logprobs,
    };
    let envelope = Envelope::new(&request.model, form, request.sampling.include_usage);
    let streamed = request.sampling.stream;
    let answer = match served {
        Served::Embedded(model) if choosing == Choosing::Declared => {
            let observed = observed.take().unwrap_or_else(|| app.observers.idle());
            return embedded(app, model, request, envelope, observed).await;
        }
        Served::Embedded(model) => {
            one_prompt(&request)?;
            let samples = choosing.samples()?;
            let encoded = encode(&model, request.prompts).await?;
            let options = Wanted {
                sampling: &request.sampling,
                samples,
                alternatives: 0,
                score: false,
            };
            let mut wanted = options.requests(&model, encoded)?;
            let Some(wanted) = wanted.pop() else {
                return Err(ApiError::internal("no prompt"));
            };
            strategy::choose(&model, wanted, choosing, &app.limits).await?
        }
        Served::Ensemble(ensemble) => {
            one_prompt(&request)?;
            ensemble
                .answer(Question::of_completion(request)?, choosing)
                .await?
        }
    };
    if let Some(observed) = observed {
        observed.answered(&answer);
    }
    Ok(answer.respond(&envelope, streamed))
}

/// Refuses what makes no sense where one answer is made of many.
fn one_prompt(request: &CompletionRequest) -> Result<(), ApiError> {
    one_answer(&request.sampling, request.logprobs.is_some())?;
    if request.echo {
        let message = "a strategy repeats no prompt; leave `echo` out";
        return Err(ApiError::unsupported("echo", message));
    }
    if request.prompts.len() != 1 {
        let message = "a strategy answers one prompt at a time";
        return Err(ApiError::unsupported("prompt", message));
    }
    Ok(())
}

async fn embedded(
    app: &Arc<App>,
    model: Arc<EmbeddedModel>,
    request: CompletionRequest,
    envelope: Envelope,
    observed: Observed,
) -> Result<Response, ApiError> {
    let sampling = request.sampling;
    let scored = request.logprobs.is_some();
    let samples = if sampling.max_tokens == Some(0) {
        0
    } else {
        sampling.n
    };
    let given = request.prompts.clone();
    let encoded = encode(&model, request.prompts).await?;
    let echoes: Vec<Echo> = if request.echo {
        let pairs = given.into_iter().zip(&encoded);
        pairs
            .map(|(given, tokens)| echo(&model, given, tokens, scored))
            .collect()
    } else {
        Vec::new()
    };
    let prompt_tokens = encoded.iter().map(|tokens| tokens.len() as u64).sum();
    let wanted = Wanted {
        sampling: &sampling,
        samples,
        alternatives: request.logprobs.unwrap_or(0) as usize,
        score: samples == 0 || (request.echo && scored),
    };
    let requests = wanted.requests(&model, encoded)?;
    let mut choices = Vec::new();
    for (at, _) in requests.iter().enumerate() {
        let before = echoes.get(at).map_or(0, |echo| echo.text.chars().count());
        let choice = || Choice::new(&sampling.stop, scored, before);
        choices.extend((0..samples.max(1)).map(|_| choice()));
    }
    let running = model.submit(requests, app.limits.queue).await?;
    let samples = samples as usize;
    let answering = Answering::new(
        model,
        running,
        choices,
        samples,
        echoes,
        prompt_tokens,
        observed,
    );
    if sampling.stream {
        return Ok(answering.stream(envelope));
    }
    Ok(json_body(&answering.whole(&envelope).await?))
}

fn echo(model: &EmbeddedModel, given: Given, tokens: &[u32], scored: bool) -> Echo {
    let tokenizer = model.model().tokenizer();
    Echo {
        text: match given {
            Given::Text(text) => text,
            Given::Tokens(tokens) => tokenizer.decode(&tokens),
        },
        tokens: scored.then(|| tokens.to_vec()),
    }
}

async fn encode(
    model: &Arc<EmbeddedModel>,
    prompts: Vec<Given>,
) -> Result<Vec<Vec<u32>>, ApiError> {
    let encoder = model.clone();
    let encoded = tokio::task::spawn_blocking(move || {
        let one = |given| match given {
            Given::Text(text) => encoder.model().tokenizer().encode(&text),
            Given::Tokens(tokens) => Ok(tokens),
        };
        prompts
            .into_iter()
            .map(one)
            .collect::<Result<Vec<_>, EngineError>>()
    });
    Ok(encoded
        .await
        .map_err(|_| ApiError::internal("the tokenizer failed"))??)
}

/// What is wanted of every prompt.
struct Wanted<'a> {
    sampling: &'a Sampling,
    samples: u32,
    alternatives: usize,
    score: bool,
}

impl Wanted<'_> {
    fn requests(
        &self,
        model: &EmbeddedModel,
        prompts: Vec<Vec<u32>>,
    ) -> Result<Vec<SessionRequest>, ApiError> {
        let context = model.context();
        let seeds = self.sampling.seeds(self.samples);
        let request = |prompt: Vec<u32>| {
            let room = context.saturating_sub(prompt.len());
            let max_tokens = match self.sampling.max_tokens {
                Some(wanted) => wanted,
                None => DEFAULT_TOKENS.min(room.max(1)),
            };
            if max_tokens > room {
                return Err(ApiError::too_long(prompt.len(), max_tokens, context));
            }
            Ok(SessionRequest {
                prompt,
                seeds: seeds.clone(),
                options: self.sampling.options(max_tokens, &[]),
                alternatives: self.alternatives,
                score_prompt: self.score,
            })
        };
        prompts.into_iter().map(request).collect()
    }
}
