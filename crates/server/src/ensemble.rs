//! An ensemble as a model: one question in, one answer out.

use std::sync::Arc;

use autodidact_core::{EnsembleSpec, FinishReason, Problem, ProblemId, Split, Strategy};
use autodidact_judges::Judge;
use autodidact_providers::Purse;
use autodidact_star::{Combined, Ensemble, Member, Writer};
use autodidact_store::RunStore;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::chat::{ChatRequest, one_answer};
use crate::completions::{CompletionRequest, Given};
use crate::error::ApiError;
use crate::reply::{Answer, Usage};
use crate::sampling::Sampling;
use crate::strategy::Choosing;

/// Several models and judges under one name. Everything they say is journaled, and what was asked with
/// a seed before is answered from the journal.
pub struct EnsembleModel {
    name: String,
    spec: EnsembleSpec,
    members: Vec<Member>,
    judges: Vec<Arc<dyn Judge>>,
    store: Arc<RunStore>,
    writer: Writer,
    purse: Arc<dyn Purse>,
    turns: Semaphore,
}

/// What an ensemble is asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question {
    text: String,
    system: Option<String>,
    sampling: Sampling,
}

impl Question {
    /// A conversation of one question.
    pub(crate) fn of_chat(request: ChatRequest) -> Result<Self, ApiError> {
        one_answer(&request.sampling, request.logprobs.is_some())?;
        if !request.prefill.is_empty() {
            let message = "an ensemble cannot go on with an answer";
            return Err(ApiError::unsupported("continue_final_message", message));
        }
        let mut messages = request.messages.into_iter();
        let (first, second, third) = (messages.next(), messages.next(), messages.next());
        let (system, user) = match (first, second, third) {
            (Some(user), None, None) if user.role == "user" => (None, user),
            (Some(system), Some(user), None) if system.role == "system" && user.role == "user" => {
                (Some(system.content), user)
            }
            _ => {
                let message = "an ensemble answers one question: one message of the user, after one of the system at most";
                return Err(ApiError::unsupported("messages", message));
            }
        };
        Self::new(user.content, system, request.sampling)
    }

    /// A prompt, which is the question.
    pub(crate) fn of_completion(request: CompletionRequest) -> Result<Self, ApiError> {
        match request.prompts.into_iter().next() {
            Some(Given::Text(text)) => Self::new(text, None, request.sampling),
            _ => Err(ApiError::unsupported(
                "prompt",
                "an ensemble has no tokens of its own; send text",
            )),
        }
    }

    /// Refuses what not every member could honour.
    fn new(text: String, system: Option<String>, sampling: Sampling) -> Result<Self, ApiError> {
        let absent = [
            ("top_p", sampling.top_p.is_none_or(|p| p >= 1.0)),
            ("top_k", sampling.top_k.is_none_or(|k| k == 0)),
            ("min_p", sampling.min_p.is_none_or(|p| p <= 0.0)),
            ("stop", sampling.stop.is_empty()),
        ];
        if let Some((name, _)) = absent.iter().find(|(_, absent)| !absent) {
            let message = format!("`{name}` cannot be honoured by every model of an ensemble");
            return Err(ApiError::unsupported(name, message));
        }
        if text.trim().is_empty() {
            return Err(ApiError::bad("the question is empty"));
        }
        Ok(Self {
            text,
            system,
            sampling,
        })
    }

    /// What the ensemble does about it.
    fn spec(&self, declared: &EnsembleSpec) -> EnsembleSpec {
        let mut spec = declared.clone();
        if let Some(temperature) = self.sampling.temperature {
            spec.temperature = temperature as f32;
        }
        if let Some(max_tokens) = self.sampling.max_tokens {
            spec.max_tokens = (max_tokens as u32).max(1);
        }
        if let Some(seed) = self.sampling.seed {
            spec.seed = seed;
        }
        if let Some(system) = &self.system {
            spec.instruction = format!("{}\n\n{}", system.trim(), spec.instruction);
        }
        spec
    }

    /// The name in the journal: a hash of everything that answers depend on; without a seed, another
    /// one each time.
    fn problem(&self, spec: &EnsembleSpec) -> Problem {
        let drawn = self.sampling.seed.is_none().then(|| fastrand::u128(..));
        let identity = json!([
            self.text,
            spec.instruction,
            spec.temperature,
            spec.max_tokens,
            spec.seed,
            drawn.map(|n| n.to_string()),
        ]);
        let hash = blake3::hash(identity.to_string().as_bytes()).to_hex();
        Problem {
            id: ProblemId(hash[..24].to_owned()),
            question: self.text.clone(),
            gold: None,
            choices: Vec::new(),
            solution: None,
            split: Split::Evaluate,
            meta: std::collections::BTreeMap::new(),
        }
    }
}

impl EnsembleModel {
    /// An ensemble that writes to a journal and works on `questions` at once.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of an ensemble, each once"
    )]
    pub fn new(
        name: &str,
        spec: EnsembleSpec,
        members: Vec<Member>,
        judges: Vec<Arc<dyn Judge>>,
        store: Arc<RunStore>,
        writer: Writer,
        purse: Arc<dyn Purse>,
        questions: usize,
    ) -> Self {
        Self {
            name: name.to_owned(),
            spec,
            members,
            judges,
            store,
            writer,
            purse,
            turns: Semaphore::new(questions),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn strategy(&self) -> Strategy {
        self.spec.strategy
    }

    /// What may stand behind the colon.
    pub(crate) fn strategies(&self) -> Vec<&'static str> {
        let mut names = vec!["vote", "vote-N", "fuse", "cascade"];
        if !self.judges.is_empty() {
            names.extend(["judge", "best-of-N", "weighted"]);
        }
        names
    }

    /// Answers a question.
    pub(crate) async fn answer(
        &self,
        question: Question,
        choosing: Choosing,
    ) -> Result<Answer, ApiError> {
        let _turn = self.turns.try_acquire().map_err(|_| ApiError::busy(5))?;
        let mut spec = question.spec(&self.spec);
        let (strategy, samples) = match choosing {
            Choosing::Declared => (self.spec.strategy, None),
            Choosing::Vote(count) => (Strategy::Vote, count),
            Choosing::BestOf(count) => (Strategy::Best, Some(count)),
            Choosing::Other(strategy) => (strategy, None),
        };
        if strategy.needs_judge() && self.judges.is_empty() {
            let message = format!(
                "strategy `{}` needs a judge and the ensemble has none; use `{}:vote`",
                strategy.as_str(),
                self.name
            );
            return Err(ApiError::unsupported("model", message));
        }
        spec.strategy = strategy;
        let problem = question.problem(&spec);
        let ensemble = Ensemble::new(
            spec,
            self.members.clone(),
            self.judges.clone(),
            self.store.clone(),
            self.writer.clone(),
            self.purse.clone(),
            // What was asked with a seed is looked up; without one there is nothing to look up.
            question.sampling.seed.is_some(),
        );
        let ensemble = match samples {
            Some(samples) => ensemble.with_samples(samples),
            None => ensemble,
        };
        let combined = ensemble.answer(&problem, None).await;
        let combined = combined.map_err(|error| {
            tracing::error!("{error}");
            ApiError::internal("the journal of the ensemble cannot be written")
        })?;
        answer(&combined, choosing)
    }

    /// Waits until everything is on the disk.
    pub(crate) async fn flush(&self) {
        if let Err(error) = self.writer.flush().await {
            tracing::error!("{error}");
        }
    }
}

fn answer(combined: &Combined, choosing: Choosing) -> Result<Answer, ApiError> {
    let Some(winner) = &combined.winner else {
        return Err(no_winner(combined));
    };
    let counted = combined.answers.iter().map(|answer| answer.counted);
    let usage = counted.fold(Usage::default(), |mut usage, (input, output)| {
        usage.prompt += input.unwrap_or(0);
        usage.completion += output;
        usage
    });
    let shown = combined.answers.iter().find(|a| a.text == winner.text);
    let cut = shown.is_some_and(|answer| answer.truncated);
    let answers: Vec<_> = combined
        .answers
        .iter()
        .map(|a| json!({ "model": a.model, "answer": a.answer, "score": a.overall }))
        .collect();
    Ok(Answer {
        text: winner.text.clone(),
        finish: if cut {
            FinishReason::Length
        } else {
            FinishReason::EndOfText
        },
        usage,
        told: json!({
            "strategy": match choosing {
                Choosing::Declared => combined.strategy.as_str().to_owned(),
                other => other.name(),
            },
            "model": winner.model,
            "answer": winner.answer,
            "confidence": combined.confidence,
            "cost_usd": combined.cost_usd,
            "answers": answers,
            "failed": combined.failures.iter().map(|f| &f.name).collect::<Vec<_>>(),
        }),
    })
}

/// Why nothing could be chosen. What providers said has no keys in it.
fn no_winner(combined: &Combined) -> ApiError {
    let reason = combined
        .no_winner
        .as_deref()
        .unwrap_or("no answer could be chosen");
    let failures = combined
        .failures
        .iter()
        .map(|f| format!("{}: {}", f.name, f.error));
    let failures = failures.collect::<Vec<_>>().join("; ");
    let text = if failures.is_empty() {
        reason.to_owned()
    } else {
        format!("{reason} ({failures})")
    };
    if combined.failures.iter().any(|failed| failed.over_budget) {
        ApiError::no_money(text)
    } else {
        ApiError::upstream(text)
    }
}

impl std::fmt::Debug for EnsembleModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnsembleModel")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
