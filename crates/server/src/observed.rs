//! A request as it is observed: counted and, where that is configured, told as a span.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

use crate::error::ApiError;
use crate::metrics::{Metrics, Seen};
use crate::reply::{Answer, Usage};
use crate::sampling::Sampling;
use crate::telemetry::{Exporter, Span, TraceParent};

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Chat,
    Completion,
}

impl Operation {
    /// The name in the GenAI conventions.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completion => "text_completion",
        }
    }
}

/// Whoever is told about requests.
#[derive(Debug)]
pub(crate) struct Observers {
    pub(crate) metrics: Metrics,
    pub(crate) exporter: Option<Exporter>,
}

impl Observers {
    /// Begins to observe a request.
    pub(crate) fn begin(
        self: &Arc<Self>,
        operation: Operation,
        parent: Option<TraceParent>,
    ) -> Observed {
        self.metrics.under_way(operation.name(), 1);
        Observed {
            observers: self.clone(),
            operation,
            parent,
            model: String::new(),
            asked: Vec::new(),
            begun: Instant::now(),
            begun_at: SystemTime::now(),
            first: None,
            last: None,
            tokens: 0,
            usage: Usage::default(),
            finishes: Vec::new(),
            outcome: None,
        }
    }

    /// An observation of nothing in particular.
    pub(crate) fn idle(self: &Arc<Self>) -> Observed {
        self.begin(Operation::Chat, None)
    }
}

/// A request under observation. Dropped before its end it counts as cancelled.
#[derive(Debug)]
pub(crate) struct Observed {
    observers: Arc<Observers>,
    operation: Operation,
    parent: Option<TraceParent>,
    /// The served model's name; empty while it is not known to be one.
    model: String,
    /// Attributes of the request, in OTLP's form.
    asked: Vec<Value>,
    begun: Instant,
    begun_at: SystemTime,
    first: Option<Instant>,
    last: Option<Instant>,
    tokens: u64,
    usage: Usage,
    finishes: Vec<&'static str>,
    outcome: Option<&'static str>,
}

impl Observed {
    /// The request names a model of ours.
    pub(crate) fn knows(&mut self, operation: Operation, model: &str, sampling: &Sampling) {
        self.operation = operation;
        model.clone_into(&mut self.model);
        if self.observers.exporter.is_none() {
            return;
        }
        let number = |key: &str, value: Option<f64>| {
            Some(json!({ "key": key, "value": { "doubleValue": value? } }))
        };
        let whole = |key: &str, value: Option<u64>| {
            // OTLP writes integers as texts, and has no unsigned ones.
            let value = value?.cast_signed().to_string();
            Some(json!({ "key": key, "value": { "intValue": value } }))
        };
        let attributes = [
            number("gen_ai.request.temperature", sampling.temperature),
            number("gen_ai.request.top_p", sampling.top_p),
            whole("gen_ai.request.top_k", sampling.top_k),
            whole(
                "gen_ai.request.max_tokens",
                sampling.max_tokens.map(|n| n as u64),
            ),
            whole("gen_ai.request.seed", sampling.seed),
            whole(
                "gen_ai.request.choice.count",
                Some(u64::from(sampling.n)).filter(|n| *n != 1),
            ),
        ];
        self.asked.extend(attributes.into_iter().flatten());
        if sampling.stream {
            let stream = json!({ "key": "gen_ai.request.stream", "value": { "boolValue": true } });
            self.asked.push(stream);
        }
    }

    /// A token was generated.
    pub(crate) fn token(&mut self) {
        let now = Instant::now();
        self.first.get_or_insert(now);
        self.last = Some(now);
        self.tokens += 1;
    }

    /// A choice has ended.
    pub(crate) fn finished(&mut self, reason: &'static str) {
        self.finishes.push(reason);
    }

    /// All choices have ended.
    pub(crate) fn done(&mut self, usage: Usage) {
        self.usage = usage;
        self.outcome = Some("ok");
    }

    /// An answer was made of many.
    pub(crate) fn answered(&mut self, answer: &Answer) {
        self.done(answer.usage);
        self.finishes.push("stop");
    }

    /// The client is told an error.
    pub(crate) fn failed(&mut self, error: &ApiError) {
        self.outcome = Some(error.word());
    }

    fn span(&self, outcome: &str) -> Span {
        let text =
            |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
        let whole = |key: &str, value: u64| json!({ "key": key, "value": { "intValue": value.to_string() } });
        let mut attributes = vec![
            text("gen_ai.operation.name", self.operation.name()),
            text("gen_ai.provider.name", "autodidact"),
        ];
        if !self.model.is_empty() {
            attributes.push(text("gen_ai.request.model", &self.model));
            attributes.push(text("gen_ai.response.model", &self.model));
        }
        attributes.extend(self.asked.iter().cloned());
        if outcome == "ok" {
            attributes.push(whole("gen_ai.usage.input_tokens", self.usage.prompt));
            attributes.push(whole(
                "gen_ai.usage.cache_read.input_tokens",
                self.usage.cached,
            ));
            attributes.push(whole("gen_ai.usage.output_tokens", self.usage.completion));
            let reasons: Vec<Value> = self
                .finishes
                .iter()
                .map(|reason| json!({ "stringValue": reason }))
                .collect();
            attributes.push(json!({
                "key": "gen_ai.response.finish_reasons",
                "value": { "arrayValue": { "values": reasons } },
            }));
        } else {
            attributes.push(text("error.type", outcome));
        }
        if let Some(first) = self.first {
            let seconds = (first - self.begun).as_secs_f64();
            attributes.push(json!({
                "key": "gen_ai.response.time_to_first_chunk", "value": { "doubleValue": seconds },
            }));
        }
        let name = format!("{} {}", self.operation.name(), self.model);
        Span {
            name: name.trim_end().to_owned(),
            parent: self.parent,
            begun: self.begun_at,
            lasted: self.begun.elapsed(),
            attributes,
            failed: outcome != "ok",
        }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let outcome = self.outcome.unwrap_or("cancelled");
        let span = (self.tokens > 1)
            .then_some(())
            .and(self.first.zip(self.last));
        let per_token =
            span.map(|(first, last)| (last - first).as_secs_f64() / (self.tokens - 1) as f64);
        let metrics = &self.observers.metrics;
        metrics.under_way(self.operation.name(), -1);
        metrics.see(&Seen {
            model: &self.model,
            operation: self.operation.name(),
            outcome,
            duration: self.begun.elapsed(),
            first_token: self.first.map(|first| first - self.begun),
            per_token,
            prompt: self.usage.prompt,
            cached: self.usage.cached,
            completion: self.usage.completion,
        });
        if let Some(exporter) = &self.observers.exporter {
            exporter.send(self.span(outcome));
        }
    }
}
