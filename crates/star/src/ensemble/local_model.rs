//! The embedded engine as a model like any other.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use autodidact_core::{Completion, FinishReason, ModelSpec, Price, Prompt, Usd};
use autodidact_engine::{EngineError, Finished, Model, Request, Sampler, SamplingOptions};
use autodidact_providers::{
    Answered, Capabilities, ChatModel, ChatRequest, ErrorClass, Finish, ProviderError, Purse,
    Reply, Usage,
};
use futures::future::BoxFuture;
use tokio::sync::oneshot;

/// How long the engine waits for more requests to decode together with the first.
const GATHER: Duration = Duration::from_millis(3);
/// Requests decoded together at most.
const TOGETHER: usize = 256;

/// A GGUF file that answers. Requests that arrive together are decoded together.
pub struct LocalModel {
    spec: ModelSpec,
    capabilities: Capabilities,
    model: Arc<Model>,
    sender: mpsc::Sender<Job>,
}

type Replies = Result<Vec<Completion>, String>;

/// A request on its way to the engine's thread.
struct Job {
    request: Request,
    options: SamplingOptions,
    reply: oneshot::Sender<Replies>,
}

impl LocalModel {
    /// Starts the thread that decodes. Weights are unpacked at the first request.
    pub fn new(
        spec: ModelSpec,
        model: Arc<Model>,
        threads: usize,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, ProviderError> {
        let (sender, receiver) = mpsc::channel();
        let capabilities = Capabilities::of(&spec);
        let decoded = model.clone();
        std::thread::Builder::new()
            .name("autodidact-decode".to_owned())
            .spawn(move || decode(&decoded, threads, &receiver, &stop))
            .map_err(|e| {
                ProviderError::new(
                    &spec.name,
                    ErrorClass::Engine,
                    format!("no thread to decode on: {e}"),
                )
            })?;
        Ok(Self {
            spec,
            capabilities,
            model,
            sender,
        })
    }

    async fn answer(&self, request: &ChatRequest) -> Result<Answered, ProviderError> {
        let failed = |class, text: String| ProviderError::new(&self.spec.name, class, text);
        let prefill = request.prefill.as_deref().unwrap_or("");
        let prompt = encode_prompt(&self.model, &request.prompt, prefill)
            .map_err(|e| failed(ErrorClass::BadRequest, e.to_string()))?;
        let context = self.model.config().context;
        let tokens = prompt.len();
        let room = context.saturating_sub(tokens);
        if room == 0 {
            let text = format!("the prompt has {tokens} tokens and the context holds {context}");
            return Err(failed(ErrorClass::ContextTooLong, text));
        }
        let (reply, receiver) = oneshot::channel();
        let job = Job {
            request: Request {
                prompt,
                seeds: request.seeds.clone(),
            },
            options: SamplingOptions {
                temperature: request.temperature,
                top_p: request.top_p,
                max_tokens: (request.max_tokens as usize).min(room),
                stop: request.stop.clone(),
                ..SamplingOptions::default()
            },
            reply,
        };
        let gone = || failed(ErrorClass::Interrupted, "the engine has stopped".to_owned());
        self.sender.send(job).map_err(|_| gone())?;
        let completions = receiver.await.map_err(|_| gone())?;
        let completions = completions.map_err(|text| failed(ErrorClass::Engine, text))?;
        Ok(self.answered(tokens as u64, &completions, request))
    }

    fn answered(&self, input: u64, completions: &[Completion], request: &ChatRequest) -> Answered {
        let output = completions.iter().map(|c| u64::from(c.tokens)).sum();
        let prefill = request.prefill.as_deref().unwrap_or("");
        Answered {
            replies: completions.iter().map(|c| reply(c, prefill)).collect(),
            usage: Some(Usage {
                input,
                output,
                ..Usage::default()
            }),
            cost: Some(Usd::ZERO),
            model: self.model.name(),
            request_id: None,
        }
    }
}

/// A prompt's tokens, with the beginning of the answer behind it. A base model without a chat template
/// is asked as the STaR paper asks.
pub fn encode_prompt(
    model: &Model,
    prompt: &Prompt,
    prefill: &str,
) -> Result<Vec<u32>, EngineError> {
    let tokenizer = model.tokenizer();
    match (prompt, model.chat_template()) {
        (Prompt::Chat(messages), Some(template)) => {
            let text = template.render(messages, true)?;
            tokenizer.encode_with_special(&(text + prefill))
        }
        (Prompt::Chat(messages), None) => {
            let mut text = String::new();
            for message in messages {
                let mark = match message.role.as_str() {
                    "user" => "Q: ",
                    "assistant" => "A: ",
                    _ => "",
                };
                text += &format!("{mark}{}\n", message.content);
            }
            tokenizer.encode(&format!("{text}A:{prefill}"))
        }
        (Prompt::Text(text), _) => tokenizer.encode(&format!("{text}{prefill}")),
    }
}

fn reply(completion: &Completion, prefill: &str) -> Reply {
    let empty = completion.text.trim().is_empty();
    Reply {
        finish: match completion.finish {
            _ if empty => Finish::Empty("the model wrote nothing".to_owned()),
            FinishReason::EndOfText => Finish::EndOfText,
            FinishReason::Stop => Finish::Stop,
            FinishReason::Length => Finish::Length,
        },
        text: format!("{prefill}{}", completion.text),
        reasoning: None,
        tokens: Some(completion.tokens),
        logprob: Some(completion.logprob),
        token_logprobs: Vec::new(),
    }
}

impl ChatModel for LocalModel {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn price(&self) -> Option<Price> {
        Some(Price {
            input: Usd::ZERO,
            output: Usd::ZERO,
            cached_input: None,
            cache_write: None,
        })
    }

    fn most(&self, _request: &ChatRequest) -> Option<Usd> {
        Some(Usd::ZERO)
    }

    fn ask<'a>(
        &'a self,
        request: &'a ChatRequest,
        _purse: &'a dyn Purse,
    ) -> BoxFuture<'a, Result<Answered, ProviderError>> {
        Box::pin(self.answer(request))
    }
}

/// The thread that decodes, until nobody can ask any more.
fn decode(model: &Arc<Model>, threads: usize, receiver: &mpsc::Receiver<Job>, stop: &AtomicBool) {
    let mut sampler = None;
    let mut waiting: Vec<Job> = Vec::new();
    while let Some(jobs) = gather(receiver, &mut waiting) {
        let ready = match &sampler {
            Some(ready) => ready,
            None => match Sampler::new(model.clone(), None, threads) {
                Ok(new) => sampler.insert(new),
                Err(error) => {
                    fail(jobs, &error.to_string());
                    continue;
                }
            },
        };
        generate(ready, jobs, stop);
    }
}

/// The next requests that can be decoded together: those with the same options as the oldest.
fn gather(receiver: &mpsc::Receiver<Job>, waiting: &mut Vec<Job>) -> Option<Vec<Job>> {
    if waiting.is_empty() {
        waiting.push(receiver.recv().ok()?);
    }
    while waiting.len() < TOGETHER
        && let Ok(job) = receiver.recv_timeout(GATHER)
    {
        waiting.push(job);
    }
    let options = waiting.first()?.options.clone();
    let (together, later) = waiting.drain(..).partition(|job| job.options == options);
    *waiting = later;
    Some(together)
}

/// Decodes some requests and answers each as soon as its last sample is done.
fn generate(sampler: &Sampler, jobs: Vec<Job>, stop: &AtomicBool) {
    let Some(options) = jobs.first().map(|job| job.options.clone()) else {
        return;
    };
    let mut open = HashMap::new();
    let mut requests = Vec::with_capacity(jobs.len());
    for (position, job) in jobs.into_iter().enumerate() {
        let empty: Vec<Option<Completion>> = vec![None; job.request.seeds.len()];
        requests.push(job.request);
        open.insert(position, (empty, Some(job.reply)));
    }
    let open = Mutex::new(open);
    let lock = || open.lock().unwrap_or_else(PoisonError::into_inner);
    let on_sample = |finished: Finished| {
        let mut open = lock();
        let Some((completions, reply)) = open.get_mut(&finished.request) else {
            return;
        };
        completions[finished.index] = Some(finished.completion);
        if completions.iter().all(Option::is_some) {
            let whole = completions.iter_mut().filter_map(Option::take).collect();
            if let Some(reply) = reply.take() {
                // Whoever asked may have given up.
                let _ = reply.send(Ok(whole));
            }
        }
    };
    let outcome = sampler.generate(&requests, &options, &on_sample, stop);
    let error = outcome.err().map_or_else(String::new, |e| e.to_string());
    for (_, (_, reply)) in lock().drain() {
        if let Some(reply) = reply {
            let _ = reply.send(Err(error.clone()));
        }
    }
}

fn fail(jobs: Vec<Job>, error: &str) {
    for job in jobs {
        let _ = job.reply.send(Err(error.to_owned()));
    }
}

impl std::fmt::Debug for LocalModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalModel")
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}
