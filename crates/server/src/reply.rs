//! Replies in the forms of the interface, whole and streamed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use autodidact_core::FinishReason;
use autodidact_engine::SessionEvent;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use serde_json::{Value, json};

use crate::choice::{Choice, Piece};
use crate::embedded::{EmbeddedModel, Running};
use crate::error::ApiError;
use crate::logprobs;
use crate::observed::Observed;

/// Tokens of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) prompt: u64,
    pub(crate) cached: u64,
    pub(crate) completion: u64,
}

impl Usage {
    fn body(self) -> Value {
        json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": { "cached_tokens": self.cached },
        })
    }
}

/// One answer made of many.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) finish: FinishReason,
    pub(crate) usage: Usage,
    /// How it was made.
    pub(crate) told: Value,
}

/// Which of the two interfaces, and whether tokens are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Chat { scored: bool },
    Legacy { scored: Option<u64> },
}

/// What all parts of a reply repeat.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    id: String,
    created: u64,
    model: String,
    form: Form,
    include_usage: bool,
}

fn word(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::EndOfText | FinishReason::Stop => "stop",
        FinishReason::Length => "length",
    }
}

impl Envelope {
    pub(crate) fn new(model: &str, form: Form, include_usage: bool) -> Self {
        let prefix = match form {
            Form::Chat { .. } => "chatcmpl",
            Form::Legacy { .. } => "cmpl",
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            id: format!(
                "{prefix}-{:016x}{:016x}",
                fastrand::u64(..),
                fastrand::u64(..)
            ),
            created: now.map_or(0, |passed| passed.as_secs()),
            model: model.to_owned(),
            form,
            include_usage,
        }
    }

    fn of(&self, object: &str, choices: &[Value]) -> Value {
        json!({
            "id": self.id, "object": object, "created": self.created, "model": self.model,
            "choices": choices,
        })
    }

    fn logprobs(&self, piece: &Piece) -> Value {
        match self.form {
            Form::Chat { scored: true } => logprobs::chat(&piece.tokens),
            Form::Legacy {
                scored: Some(wanted),
            } => logprobs::legacy(&piece.tokens, wanted),
            _ => Value::Null,
        }
    }

    fn whole_choice(&self, index: usize, piece: &Piece, finish: &str) -> Value {
        let logprobs = self.logprobs(piece);
        match self.form {
            Form::Chat { .. } => json!({
                "index": index,
                "message": { "role": "assistant", "content": piece.text, "refusal": null },
                "logprobs": logprobs,
                "finish_reason": finish,
            }),
            Form::Legacy { .. } => json!({
                "text": piece.text, "index": index, "logprobs": logprobs, "finish_reason": finish,
            }),
        }
    }

    /// A reply that is not streamed.
    pub(crate) fn whole(&self, choices: &[(Piece, &'static str)], usage: Usage) -> Value {
        let object = match self.form {
            Form::Chat { .. } => "chat.completion",
            Form::Legacy { .. } => "text_completion",
        };
        let choices = choices.iter().enumerate();
        let choices: Vec<Value> = choices
            .map(|(index, (piece, finish))| self.whole_choice(index, piece, finish))
            .collect();
        let mut body = self.of(object, &choices);
        body["usage"] = usage.body();
        body
    }

    fn chunk(&self, choices: &[Value]) -> Value {
        let object = match self.form {
            Form::Chat { .. } => "chat.completion.chunk",
            Form::Legacy { .. } => "text_completion",
        };
        let mut body = self.of(object, choices);
        if self.include_usage {
            body["usage"] = Value::Null;
        }
        body
    }

    /// The chunk that opens a choice of a conversation.
    fn opening(&self, index: usize) -> Option<Value> {
        matches!(self.form, Form::Chat { .. }).then(|| {
            self.chunk(&[json!({
                "index": index, "delta": { "role": "assistant", "content": "" },
                "logprobs": null, "finish_reason": null,
            })])
        })
    }

    fn part(&self, update: &Update) -> Value {
        let Update {
            index,
            piece,
            finish,
        } = update;
        let logprobs = if piece.tokens.is_empty() {
            Value::Null
        } else {
            self.logprobs(piece)
        };
        let choice = match self.form {
            Form::Chat { .. } => {
                let delta = if piece.is_empty() {
                    json!({})
                } else {
                    json!({ "content": piece.text })
                };
                json!({
                    "index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish,
                })
            }
            Form::Legacy { .. } => json!({
                "text": piece.text, "index": index, "logprobs": logprobs, "finish_reason": finish,
            }),
        };
        self.chunk(&[choice])
    }

    /// The last chunk, if the client wants it.
    fn usage(&self, usage: Usage) -> Option<Value> {
        self.include_usage.then(|| {
            let mut body = self.chunk(&[]);
            body["usage"] = usage.body();
            body
        })
    }
}

/// Something that happened to a choice.
#[derive(Debug, Clone, PartialEq)]
struct Update {
    index: usize,
    piece: Piece,
    finish: Option<&'static str>,
}

/// A prompt that is shown before its completions.
#[derive(Debug)]
pub(crate) struct Echo {
    pub(crate) text: String,
    /// None where tokens are not told.
    pub(crate) tokens: Option<Vec<u32>>,
}

/// Choices under way, whoever reads them.
pub(crate) struct Answering {
    pub(crate) model: Arc<EmbeddedModel>,
    pub(crate) running: Running,
    /// In the order of their index.
    pub(crate) choices: Vec<Choice>,
    /// Samples to a prompt; 0 where prompts are only scored.
    pub(crate) samples: usize,
    /// One for each prompt, or none.
    pub(crate) echoes: Vec<Echo>,
    pub(crate) usage: Usage,
    pub(crate) observed: Observed,
    pending: VecDeque<Update>,
    finished: usize,
}

impl Answering {
    pub(crate) fn new(
        model: Arc<EmbeddedModel>,
        running: Running,
        choices: Vec<Choice>,
        samples: usize,
        echoes: Vec<Echo>,
        prompt_tokens: u64,
        observed: Observed,
    ) -> Self {
        Self {
            model,
            running,
            choices,
            samples,
            echoes,
            usage: Usage {
                prompt: prompt_tokens,
                ..Usage::default()
            },
            observed,
            pending: VecDeque::new(),
            finished: 0,
        }
    }

    /// The next update; none when all choices are done.
    async fn next(&mut self) -> Result<Option<Update>, ApiError> {
        loop {
            if let Some(update) = self.pending.pop_front() {
                if let Some(reason) = update.finish {
                    self.observed.finished(reason);
                    self.finished += 1;
                }
                return Ok(Some(update));
            }
            if self.finished >= self.choices.len() {
                self.observed.done(self.usage);
                return Ok(None);
            }
            match self.running.next().await {
                Ok((prompt, event)) => self.take(prompt, event),
                Err(error) => {
                    self.observed.failed(&error);
                    return Err(error);
                }
            }
        }
    }

    fn take(&mut self, prompt: usize, event: SessionEvent) {
        let first = prompt * self.samples.max(1);
        match event {
            SessionEvent::Prompt { cached, scores } => {
                self.usage.cached += cached as u64;
                let echo = self.echoes.get(prompt);
                let piece = echo
                    .map(|echo| self.echoed(echo, &scores))
                    .unwrap_or_default();
                let only = self.samples == 0;
                for index in first..first + self.samples.max(1) {
                    if only || !piece.is_empty() {
                        self.pending.push_back(Update {
                            index,
                            piece: piece.clone(),
                            finish: only.then_some("length"),
                        });
                    }
                }
            }
            SessionEvent::Token { index, token } => {
                self.observed.token();
                let index = first + index;
                let tokenizer = self.model.model().tokenizer();
                let piece = self
                    .choices
                    .get_mut(index)
                    .map(|c| c.push(&token, tokenizer));
                if let Some(piece) = piece.filter(|piece| !piece.is_empty()) {
                    self.pending.push_back(Update {
                        index,
                        piece,
                        finish: None,
                    });
                }
            }
            SessionEvent::Finished { index, completion } => {
                self.usage.completion += u64::from(completion.tokens);
                let index = first + index;
                if let Some(choice) = self.choices.get_mut(index) {
                    self.pending.push_back(Update {
                        index,
                        piece: choice.finish(&completion),
                        finish: Some(word(completion.finish)),
                    });
                }
            }
            SessionEvent::Failed(_) => {}
        }
    }

    /// The prompt as the beginning of a choice.
    fn echoed(&self, echo: &Echo, scores: &[autodidact_engine::ScoredToken]) -> Piece {
        let tokenizer = self.model.model().tokenizer();
        let mut shown = Vec::new();
        if let Some(tokens) = &echo.tokens {
            let mut before = Vec::new();
            if let Some(first) = tokens.first() {
                shown.push(logprobs::ShownToken::first(*first, tokenizer));
                before.extend_from_slice(tokenizer.token_bytes(*first));
            }
            let (mut counted, mut characters) = (0, 0);
            for score in scores {
                // Only what is new is counted, from the last whole character on.
                let fresh = before.get(counted..).unwrap_or_default();
                let offset = characters + String::from_utf8_lossy(fresh).chars().count();
                shown.push(logprobs::ShownToken::new(score, offset, tokenizer));
                if let Ok(text) = std::str::from_utf8(fresh) {
                    characters += text.chars().count();
                    counted = before.len();
                }
                before.extend_from_slice(tokenizer.token_bytes(score.token));
            }
        }
        Piece {
            text: echo.text.clone(),
            tokens: shown,
        }
    }

    /// Waits for everything.
    pub(crate) async fn whole(mut self, envelope: &Envelope) -> Result<Value, ApiError> {
        let empty = (Piece::default(), "stop");
        let mut choices: Vec<(Piece, &'static str)> = vec![empty; self.choices.len()];
        while let Some(update) = self.next().await? {
            if let Some((piece, finish)) = choices.get_mut(update.index) {
                piece.append(update.piece);
                *finish = update.finish.unwrap_or(finish);
            }
        }
        Ok(envelope.whole(&choices, self.usage))
    }

    /// Tells everything as it comes. Dropping the response cancels what is not done.
    pub(crate) fn stream(self, envelope: Envelope) -> Response {
        let opening = (0..self.choices.len()).filter_map(|index| envelope.opening(index));
        let state = Streaming {
            lines: opening.collect(),
            answering: Some(self),
            envelope,
        };
        stream(futures::stream::unfold(state, |mut state| async move {
            let line = state.next().await?;
            Some((Ok(Event::default().data(line)), state))
        }))
    }
}

/// A stream and what it has left to say.
struct Streaming {
    lines: VecDeque<Value>,
    /// None when everything is said but what is in `lines`.
    answering: Option<Answering>,
    envelope: Envelope,
}

impl Streaming {
    async fn next(&mut self) -> Option<String> {
        if let Some(line) = self.lines.pop_front() {
            return Some(match line {
                Value::Null => "[DONE]".to_owned(),
                line => line.to_string(),
            });
        }
        let answering = self.answering.as_mut()?;
        match answering.next().await {
            Ok(Some(update)) => Some(self.envelope.part(&update).to_string()),
            Ok(None) => {
                let usage = self.envelope.usage(answering.usage);
                self.answering = None;
                let last = usage.map(|usage| usage.to_string());
                let done = "[DONE]".to_owned();
                match last {
                    Some(last) => {
                        self.lines.push_back(Value::Null);
                        Some(last)
                    }
                    None => Some(done),
                }
            }
            Err(error) => {
                self.answering = None;
                Some(error.body().to_string())
            }
        }
    }
}

fn stream(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response()
}

impl Answer {
    /// The reply of a strategy: its text comes at once, streamed or not.
    pub(crate) fn respond(self, envelope: &Envelope, streamed: bool) -> Response {
        let piece = Piece {
            text: self.text,
            tokens: Vec::new(),
        };
        let finish = word(self.finish);
        if !streamed {
            let mut body = envelope.whole(&[(piece, finish)], self.usage);
            body["autodidact"] = self.told;
            return json_body(&body);
        }
        let part = Update {
            index: 0,
            piece,
            finish: Some(finish),
        };
        let mut last = envelope.part(&part);
        last["autodidact"] = self.told;
        let lines = [envelope.opening(0), Some(last), envelope.usage(self.usage)];
        let lines = lines.into_iter().flatten().map(|line| line.to_string());
        let lines: Vec<String> = lines.chain(["[DONE]".to_owned()]).collect();
        let events = lines
            .into_iter()
            .map(|line| Ok(Event::default().data(line)));
        stream(futures::stream::iter(events))
    }
}

/// A body of JSON.
pub(crate) fn json_body(value: &Value) -> Response {
    let kind = axum::http::HeaderValue::from_static("application/json");
    (
        [(axum::http::header::CONTENT_TYPE, kind)],
        value.to_string(),
    )
        .into_response()
}
