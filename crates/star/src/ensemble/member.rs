//! One model of an ensemble, asked through the journal: what is there is not asked again, and what
//! arrives is written down before it is used.

use std::sync::Arc;

use autodidact_core::{
    Completion, FinishReason, Interface, Mode, ProblemId, Prompt, Sample, SampleKey, SamplerId, Usd,
};
use autodidact_providers::{
    Answered, ChatModel, ChatRequest, ErrorClass, Finish, ProviderError, Purse, Reply,
};
use autodidact_store::{Entry, Provenance, RunStore, Unanswered};
use futures::stream::{FuturesUnordered, StreamExt};

use crate::StarError;
use crate::ensemble::writer::Writer;

/// What a model is asked about one problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Asking {
    /// The outer loop; 0 outside of runs.
    pub iteration: u32,
    /// The problem.
    pub problem: ProblemId,
    /// Names model and prompt in the journal.
    pub sampler: SamplerId,
    /// With or without the hint.
    pub mode: Mode,
    /// What is asked.
    pub prompt: Prompt,
    /// How many answers.
    pub samples: u32,
    /// Where the model's declaration says nothing else.
    pub temperature: f32,
    /// Where the model's declaration says nothing else.
    pub max_tokens: u32,
    /// Texts that end an answer.
    pub stop: Vec<String>,
    /// Seeds follow from this and the keys.
    pub seed: u64,
}

impl Asking {
    pub(crate) fn key(&self, index: u32) -> SampleKey {
        SampleKey {
            iteration: self.iteration,
            problem: self.problem.clone(),
            sampler: self.sampler.clone(),
            mode: self.mode,
            index,
        }
    }
}

/// Why a model gave fewer answers than asked for.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The provider.
    Provider(ProviderError),
    /// The journal.
    Star(StarError),
}

/// A model with what it takes to ask it.
#[derive(Clone)]
pub struct Member {
    /// The model.
    pub model: Arc<dyn ChatModel>,
    /// Where money comes from.
    pub purse: Arc<dyn Purse>,
    /// Where answers go.
    pub writer: Writer,
}

impl Member {
    /// The model's name in the file.
    pub fn name(&self) -> &str {
        &self.model.spec().name
    }

    /// Whether the provider's terms let its answers train other models.
    pub(crate) fn terms(&self) -> &str {
        let declared = self.model.spec().terms.as_deref();
        declared.unwrap_or(&self.model.capabilities().terms)
    }

    /// Asks for what `recorded` lacks and returns the new answers, journaled. Answers that arrived
    /// before a failure are in the journal and are returned beside it.
    pub(crate) async fn ask(
        &self,
        asking: &Asking,
        recorded: &[u32],
    ) -> (Vec<(Sample, Provenance)>, Option<Trouble>) {
        let mut missing: Vec<u32> = (0..asking.samples)
            .filter(|index| !recorded.contains(index))
            .collect();
        let mut answers = Vec::new();
        // A provider that ignores `n` returns fewer choices than asked for, so there may be more
        // than one round; each brings at least one.
        while !missing.is_empty() {
            let at_once = (self.model.capabilities().n.max(1)) as usize;
            let mut requests: FuturesUnordered<_> = missing
                .chunks(at_once)
                .map(|indices| self.request(asking, indices))
                .collect();
            let mut done = Vec::new();
            let mut trouble = None;
            while let Some(outcome) = requests.next().await {
                match outcome {
                    Ok((indices, new)) => {
                        done.extend(indices);
                        answers.extend(new);
                    }
                    Err(failed) => trouble = Some(failed),
                }
            }
            drop(requests);
            if trouble.is_some() {
                return (answers, trouble);
            }
            missing.retain(|index| !done.contains(index));
        }
        (answers, None)
    }

    /// One request for some of the answers; returns the indices that are settled, with or without an
    /// answer.
    async fn request(
        &self,
        asking: &Asking,
        indices: &[u32],
    ) -> Result<(Vec<u32>, Vec<(Sample, Provenance)>), Trouble> {
        let request = self.chat_request(asking, indices);
        match self.model.ask(&request, &*self.purse).await {
            Ok(answered) if answered.replies.iter().all(|r| is_cut(&r.finish)) => {
                let text = "the answer ended before its end mark";
                let error = ProviderError::new(self.name(), ErrorClass::Network, text);
                Err(Trouble::Provider(error))
            }
            Ok(answered) => self.journal(asking, indices, answered).await,
            Err(error) if is_final(error.class) => {
                self.give_up(asking, indices, &error).await?;
                Ok((indices.to_vec(), Vec::new()))
            }
            Err(error) => Err(Trouble::Provider(error)),
        }
    }

    pub(crate) fn chat_request(&self, asking: &Asking, indices: &[u32]) -> ChatRequest {
        let spec = self.model.spec();
        let keys = indices.iter().map(|index| asking.key(*index));
        let seeds: Vec<u64> = keys.map(|key| key.seed(asking.seed)).collect();
        let first = seeds.first().copied().unwrap_or_default();
        let prompt = match spec.interface {
            Interface::Chat => asking.prompt.clone(),
            Interface::Completions => as_text(&asking.prompt),
        };
        let mut stop = asking.stop.clone();
        if spec.interface == Interface::Completions {
            // A base model goes on with the next question unless it is stopped.
            stop.push(NEXT_QUESTION.to_owned());
        }
        let request = ChatRequest {
            temperature: spec.temperature.unwrap_or(asking.temperature),
            stop,
            thinking_tokens: spec.thinking_tokens,
            logprobs: self.model.capabilities().logprobs,
            seeds,
            ..ChatRequest::new(prompt, first, spec.max_tokens.unwrap_or(asking.max_tokens))
        };
        let idempotency_key = idempotency_key(spec.model_name(), &request);
        ChatRequest {
            idempotency_key,
            ..request
        }
    }

    async fn journal(
        &self,
        asking: &Asking,
        indices: &[u32],
        answered: Answered,
    ) -> Result<(Vec<u32>, Vec<(Sample, Provenance)>), Trouble> {
        // Parts of answers are asked for again.
        let whole = indices.iter().zip(&answered.replies);
        let whole = whole.filter(|(_, reply)| !is_cut(&reply.finish));
        let done: Vec<u32> = whole.map(|(index, _)| *index).collect();
        let keys = indices.iter().map(|index| asking.key(*index));
        let entries = self.entries(keys, &answered);
        let samples = entries.iter().filter_map(|entry| match entry {
            Entry::Answer(sample, provenance) => Some((sample.clone(), provenance.clone())),
            _ => None,
        });
        let samples = samples.collect();
        self.writer.record(entries).await.map_err(Trouble::Star)?;
        Ok((done, samples))
    }

    /// What to write down about the replies to a request, one for each key.
    pub(crate) fn entries(
        &self,
        keys: impl Iterator<Item = SampleKey>,
        answered: &Answered,
    ) -> Vec<Entry> {
        let share = shares(answered);
        let entry = |(position, (key, reply)): (usize, (SampleKey, &Reply))| {
            let cost = share.cost(position);
            match finish_reason(&reply.finish) {
                Some(finish) => {
                    let completion = completion(reply, finish);
                    let provenance = self.provenance(answered, reply, cost);
                    Entry::Answer(Sample { key, completion }, provenance)
                }
                None => Entry::NoAnswer(Unanswered {
                    key,
                    outcome: reply.finish.as_str().to_owned(),
                    detail: reply.finish.detail().to_owned(),
                    cost,
                }),
            }
        };
        let replies = keys.zip(&answered.replies).enumerate();
        let whole = replies.filter(|(_, (_, reply))| !is_cut(&reply.finish));
        whole.map(entry).collect()
    }

    /// Writes down that a question will never be answered, so that no later attempt repeats it.
    async fn give_up(
        &self,
        asking: &Asking,
        indices: &[u32],
        error: &ProviderError,
    ) -> Result<(), Trouble> {
        let entry = |index: &u32| {
            Entry::NoAnswer(Unanswered {
                key: asking.key(*index),
                outcome: outcome_of(error.class).to_owned(),
                detail: error.message.clone(),
                cost: Some(Usd::ZERO),
            })
        };
        let entries = indices.iter().map(entry).collect();
        self.writer.record(entries).await.map_err(Trouble::Star)
    }

    fn provenance(&self, answered: &Answered, reply: &Reply, cost: Option<Usd>) -> Provenance {
        let replies = answered.replies.len().max(1) as u64;
        Provenance {
            provider: self.model.spec().provider.as_str().to_owned(),
            model: answered.model.clone(),
            terms: self.terms().to_owned(),
            reasoning: reply.reasoning.clone(),
            input_tokens: answered.usage.map(|u| u.input),
            output_tokens: reply
                .tokens
                .map(u64::from)
                .or_else(|| answered.usage.map(|u| u.output / replies)),
            cost,
            request: answered.request_id.clone(),
        }
    }
}

/// What one model's journal has about a problem.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// Answers, by index.
    pub(crate) answers: Vec<(Sample, Provenance)>,
    /// Indices that are settled, with or without an answer.
    pub(crate) indices: Vec<u32>,
}

/// Reads what the journal has about one problem.
pub(crate) async fn recorded(store: &RunStore, asking: &Asking) -> Result<Recorded, StarError> {
    let Asking {
        iteration,
        sampler,
        mode,
        problem,
        ..
    } = asking;
    let answers = store
        .answers(*iteration, sampler, *mode, &[problem])
        .await?;
    let unanswered = store
        .unanswered(*iteration, sampler, *mode, &[problem])
        .await?;
    let mut indices: Vec<u32> = unanswered.iter().map(|u| u.key.index).collect();
    indices.extend(answers.iter().map(|(sample, _)| sample.key.index));
    let answers = answers.into_iter();
    Ok(Recorded {
        answers: answers.map(|(s, p)| (s, p.unwrap_or_default())).collect(),
        indices,
    })
}

/// What a base model writes when it has answered and goes on by itself.
const NEXT_QUESTION: &str = "\nQ:";

/// A conversation as text to continue, in the style of the STaR paper.
fn as_text(prompt: &Prompt) -> Prompt {
    let Prompt::Chat(messages) = prompt else {
        return prompt.clone();
    };
    let mut text = String::new();
    for message in messages {
        let mark = match message.role.as_str() {
            "user" => "Q: ",
            "assistant" => "A: ",
            _ => "",
        };
        text += &format!("{mark}{}\n\n", message.content.trim());
    }
    Prompt::Text(text.trim_end().to_owned() + "\nA:")
}

/// The same for the same request to the same model, and for no other.
fn idempotency_key(model: &str, request: &ChatRequest) -> String {
    let what = format!("{model}\n{request:?}");
    let hash = blake3::hash(what.as_bytes()).to_hex();
    format!("autodidact-{}", &hash[..32])
}

/// Each reply's part of a request's cost: equal parts, the first takes what is left over.
struct Shares {
    each: Option<Usd>,
    left_over: Usd,
}

impl Shares {
    fn cost(&self, position: usize) -> Option<Usd> {
        let extra = if position == 0 {
            self.left_over
        } else {
            Usd::ZERO
        };
        self.each.map(|each| each + extra)
    }
}

fn shares(answered: &Answered) -> Shares {
    let replies = answered.replies.len().max(1) as u64;
    let each = answered
        .cost
        .map(|cost| Usd::from_nano(cost.nano() / replies));
    let left_over = answered.cost.map_or(0, |cost| cost.nano() % replies);
    Shares {
        each,
        left_over: Usd::from_nano(left_over),
    }
}

/// Errors that asking again cannot change, about this question only.
pub(crate) fn is_final(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Filtered | ErrorClass::ContextTooLong)
}

pub(crate) fn outcome_of(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Filtered => "filtered",
        ErrorClass::ContextTooLong => "too-long",
        _ => "other",
    }
}

/// A part of an answer, which nobody may take for one.
fn is_cut(finish: &Finish) -> bool {
    matches!(finish, Finish::Incomplete(_))
}

/// The three ways to end that come with an answer.
fn finish_reason(finish: &Finish) -> Option<FinishReason> {
    match finish {
        Finish::EndOfText => Some(FinishReason::EndOfText),
        Finish::Stop => Some(FinishReason::Stop),
        Finish::Length => Some(FinishReason::Length),
        _ => None,
    }
}

fn completion(reply: &Reply, finish: FinishReason) -> Completion {
    let logprob = reply.logprob.filter(|logprob| logprob.is_finite());
    Completion {
        text: reply.text.trim().to_owned(),
        finish,
        tokens: reply.tokens.unwrap_or_default(),
        logprob: logprob.unwrap_or_default(),
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member")
            .field("model", &self.model.spec())
            .finish_non_exhaustive()
    }
}
