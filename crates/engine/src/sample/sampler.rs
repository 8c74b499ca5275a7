//! The sampler: weights ready to multiply with, and the call that draws samples.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};

use super::attention::Span;
use super::cache::{Cache, Segment, SegmentId};
use super::forward::{Network, Ropes, Row, Scratch};
use super::helpers::Helpers;
use super::lane::{self, PREFILL_ROWS, Work};
use super::weights::Weights;
use super::{Arithmetic, Finished, GenerationStats, Request, SamplingOptions, WeightStorage};
use crate::profile::{self, Profile};
use crate::{Adapter, EngineError, Model};

/// A model ready to sample from, with an adapter. Unless the weights are streamed it holds them
/// all; drop it before training.
pub struct Sampler {
    model: Arc<Model>,
    pub(super) weights: Weights,
    threads: usize,
    profile: Mutex<Profile>,
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler")
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl Sampler {
    /// Prepares the weights, stored as fits their size.
    pub fn new(
        model: Arc<Model>,
        adapter: Option<&Adapter>,
        threads: usize,
    ) -> Result<Self, EngineError> {
        let (storage, arithmetic) = (WeightStorage::Automatic, Arithmetic::default());
        Self::with_weights(model, adapter, threads, storage, arithmetic)
    }

    /// Prepares the weights, stored and multiplied with as asked for. Fails if the adapter does not fit the model.
    pub fn with_weights(
        model: Arc<Model>,
        adapter: Option<&Adapter>,
        threads: usize,
        storage: WeightStorage,
        arithmetic: Arithmetic,
    ) -> Result<Self, EngineError> {
        let threads = threads.max(1);
        let weights = Weights::new(&model, adapter, threads, storage, arithmetic)?;
        Ok(Self {
            model,
            weights,
            threads,
            profile: Mutex::default(),
        })
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Where the time of the threads went in all calls of [`Sampler::generate`] so far.
    pub fn profile(&self) -> Profile {
        *self.profile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the record of a thread to the profile.
    fn recorded<T>(&self, work: impl FnOnce() -> T) -> T {
        let (result, profile) = profile::recorded(work);
        *self.profile.lock().unwrap_or_else(PoisonError::into_inner) += profile;
        result
    }

    /// Draws every sample of every request and hands each over as it finishes, in no fixed order
    /// and from several threads. A sample is a function of model, adapter, prompt, seed and
    /// options alone.
    ///
    /// Ends with [`EngineError::Interrupted`] soon after `stop` becomes true; what was handed over
    /// until then is valid.
    pub fn generate(
        &self,
        requests: &[Request],
        options: &SamplingOptions,
        on_sample: &(dyn Fn(Finished) + Sync),
        stop: &AtomicBool,
    ) -> Result<GenerationStats, EngineError> {
        self.check(requests, options)?;
        let Some(longest) = requests.iter().map(|r| r.prompt.len()).max() else {
            return Ok(GenerationStats::default());
        };
        let ropes = Ropes::new(&self.model.config, longest + options.max_tokens);
        let network = Network {
            model: &self.model,
            weights: &self.weights,
            ropes: &ropes,
        };
        let prefix = common_prefix(requests);
        let segment = self
            .recorded(|| compute_prefix(&network, &requests[0].prompt[..prefix], self.threads))?;
        let (lanes, threads) = self.lanes();
        let helpers = self.helpers();
        let next = AtomicUsize::new(0);
        let unfinished = AtomicUsize::new(requests.iter().map(|r| r.seeds.len()).sum());
        let work = Work {
            network,
            requests,
            options,
            prefix,
            next: &next,
            unfinished: &unfinished,
            lanes,
            threads,
            helpers: helpers.as_ref(),
            stop,
            on_sample,
        };
        let mut stats = std::thread::scope(|scope| {
            let lanes: Vec<_> = (0..lanes)
                .map(|_| {
                    let (work, segment) = (&work, segment.clone());
                    scope.spawn(move || self.recorded(|| lane::run(work, segment)))
                })
                .collect();
            let mut total = GenerationStats::default();
            let mut failure = None;
            for lane in lanes {
                match lane.join().map_err(|_| EngineError::Worker).flatten() {
                    Ok(stats) => total += stats,
                    Err(error) => failure = Some(error),
                }
            }
            failure.map_or(Ok(total), Err)
        })?;
        stats.prompt_tokens += prefix as u64;
        Ok(stats)
    }

    /// The logits that follow each position of a text, `[tokens][vocabulary]`.
    pub fn logits(&self, tokens: &[u32]) -> Result<Vec<Vec<f32>>, EngineError> {
        let request = Request {
            prompt: tokens.to_vec(),
            seeds: vec![0],
        };
        self.check(
            &[request],
            &SamplingOptions {
                max_tokens: 1,
                ..SamplingOptions::default()
            },
        )?;
        let ropes = Ropes::new(&self.model.config, tokens.len());
        let network = Network {
            model: &self.model,
            weights: &self.weights,
            ropes: &ropes,
        };
        let mut cache = Cache::new(&self.model.config);
        let segment = cache.open(0);
        let (rows, spans) = one_text(tokens, segment, &mut cache);
        let wanted: Vec<usize> = (0..rows.len()).collect();
        let mut scratch = Scratch::new(self.threads);
        let logits = network.forward(&rows, &spans, &wanted, &mut cache, &mut scratch)?;
        let vocabulary = self.model.config.vocabulary;
        let lines = logits.chunks_exact(network.logits_stride());
        Ok(lines.map(|line| line[..vocabulary].to_vec()).collect())
    }

    /// How many lanes, and threads of each. Packed weights are read by lanes of their own; streamed
    /// ones would be dequantized by each, so all threads share one batch.
    pub(super) fn lanes(&self) -> (usize, usize) {
        if self.weights.streamed {
            (1, self.threads)
        } else {
            (self.threads, 1)
        }
    }

    /// Who helps the last lane at work, where lanes have a thread each.
    pub(super) fn helpers(&self) -> Option<Arc<Helpers>> {
        let (lanes, _) = self.lanes();
        (lanes > 1).then(|| Helpers::new(lanes - 1))
    }

    /// Refuses what cannot be sampled before anything is computed.
    fn check(&self, requests: &[Request], options: &SamplingOptions) -> Result<(), EngineError> {
        let context = self.model.config.context;
        for (i, request) in requests.iter().enumerate() {
            self.check_prompt(
                &format!("prompt {i}"),
                &request.prompt,
                options.max_tokens,
                context,
            )?;
        }
        check_options(options)
    }

    /// Refuses a prompt that cannot be computed, or after which nothing fits that is to be generated.
    pub(super) fn check_prompt(
        &self,
        name: &str,
        prompt: &[u32],
        max_tokens: usize,
        context: usize,
    ) -> Result<(), EngineError> {
        let config = &self.model.config;
        if prompt.is_empty() {
            return Err(EngineError::Input(format!("{name} is empty")));
        }
        if prompt.len().saturating_add(max_tokens) > context {
            return Err(EngineError::Input(format!(
                "{name} has {} tokens and up to {max_tokens} are to be generated, but the model's context holds {context}; use fewer few-shot examples or lower `max_tokens`",
                prompt.len(),
            )));
        }
        let unknown = |token: &&u32| **token as usize >= config.vocabulary;
        if let Some(token) = prompt.iter().find(unknown) {
            return Err(EngineError::Input(format!(
                "{name} holds token {token}, and the model has {}",
                config.vocabulary
            )));
        }
        Ok(())
    }
}

/// Refuses options with which nothing can be chosen.
pub(super) fn check_options(options: &SamplingOptions) -> Result<(), EngineError> {
    let temperature = options.temperature;
    let usable = temperature.is_finite() && (1.0 / temperature).is_finite();
    if temperature < 0.0 || !(usable || temperature == 0.0) {
        return Err(EngineError::Input(format!(
            "the temperature {temperature} is neither 0 nor a usable positive number"
        )));
    }
    if options.max_tokens == 0 || options.batch == 0 {
        return Err(EngineError::Input(
            "`max_tokens` and `batch` must be at least 1".into(),
        ));
    }
    Ok(())
}

/// How many tokens all prompts share, leaving each at least one of its own, whose logits start its
/// samples.
fn common_prefix(requests: &[Request]) -> usize {
    let Some((first, rest)) = requests.split_first() else {
        return 0;
    };
    let shared = |prefix: usize, request: &Request| {
        let pairs = first.prompt[..prefix]
            .iter()
            .zip(&request.prompt[..request.prompt.len() - 1]);
        pairs.take_while(|(a, b)| a == b).count()
    };
    rest.iter().fold(first.prompt.len() - 1, shared)
}

/// Rows for the next tokens of a text that is computed alone.
fn one_text(tokens: &[u32], segment: SegmentId, cache: &mut Cache) -> (Vec<Row>, [Span; 1]) {
    let row = |token: &u32| Row {
        token: *token,
        position: cache.extend(segment),
        segment,
    };
    let rows: Vec<Row> = tokens.iter().map(row).collect();
    let spans = [Span {
        segment,
        rows: 0..rows.len(),
    }];
    (rows, spans)
}

/// Keys and values of the common prefix, on all threads.
fn compute_prefix(
    network: &Network<'_>,
    tokens: &[u32],
    threads: usize,
) -> Result<Segment, EngineError> {
    let mut cache = Cache::new(&network.model.config);
    let segment = cache.open(0);
    let mut scratch = Scratch::new(threads);
    for chunk in tokens.chunks(PREFILL_ROWS) {
        let (rows, spans) = one_text(chunk, segment, &mut cache);
        network.forward(&rows, &spans, &[], &mut cache, &mut scratch)?;
    }
    Ok(cache.segment(segment).clone())
}
